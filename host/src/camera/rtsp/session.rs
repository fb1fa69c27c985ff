//! One RTSP session from connecting to its end; every wait is bounded.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use retina::client::{
    Credentials, Demuxed, PlayOptions, SessionGroup, SessionOptions, SetupOptions, TcpTransportOptions,
    TeardownPolicy, Transport,
};
use retina::codec::{CodecItem, FrameFormat, ParametersRef, VideoFrame, VideoParametersCodec};
use tokio::time::timeout;
use url::Url;

use crate::camera::Options;
use crate::frame::h264::{self, Stream};

/// How long a camera may take for each answer when it is opened. Cameras on a LAN answer within a second,
/// busy ones within three.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// How long when it is being reconnected to: short, so that one that returns is found soon.
const LATER_ANSWER: Duration = Duration::from_secs(3);

/// How long a camera may send no picture before it is taken to be gone.
const LONGEST_SILENCE: Duration = Duration::from_secs(5);

/// How long a TEARDOWN may take.
const TEARDOWN: Duration = Duration::from_millis(500);

/// A camera that is sending.
pub(super) struct Session {
    demuxed: Demuxed,
    stream: usize,
    group: Arc<SessionGroup>,
}

/// Connects, asks for the video and starts it. The error says what is wrong and what to do, without the
/// camera's name.
pub(super) async fn connect(url: &Url, options: &Options, first: bool) -> Result<Session, String> {
    let patience = if first { FIRST_ANSWER } else { LATER_ANSWER };
    let credentials = options.username.as_ref().map(|username| Credentials {
        username: username.clone(),
        password: options.password.as_ref().map_or("", |password| password.expose()).to_owned(),
    });
    let known = credentials.is_some();
    let group = Arc::new(SessionGroup::default());
    let session_options = SessionOptions::default()
        .creds(credentials)
        .user_agent(concat!("transom/", env!("CARGO_PKG_VERSION")).to_owned())
        .session_group(Arc::clone(&group))
        .teardown(TeardownPolicy::Auto);

    let described = timeout(patience, retina::client::Session::describe(url.clone(), session_options));
    let mut session = match described.await {
        Ok(described) => described.map_err(|error| explain(&error, known, "DESCRIBE"))?,
        Err(_) if first => return Err(silent(url).await),
        Err(_) => return Err(no_answer("DESCRIBE", patience)),
    };
    let stream = video_stream(session.streams())?;
    let setup = SetupOptions::default()
        .transport(Transport::Tcp(TcpTransportOptions::default()))
        .frame_format(FrameFormat::SIMPLE);
    timeout(patience, session.setup(stream, setup))
        .await
        .map_err(|_| no_answer("SETUP", patience))?
        .map_err(|error| explain(&error, known, "SETUP"))?;
    let playing = timeout(patience, session.play(PlayOptions::default()))
        .await
        .map_err(|_| no_answer("PLAY", patience))?
        .map_err(|error| explain(&error, known, "PLAY"))?;
    let demuxed = playing.demuxed().map_err(|error| explain(&error, known, "PLAY"))?;
    Ok(Session { demuxed, stream, group })
}

impl Session {
    /// The next access unit; the error says why there is none.
    pub(super) async fn next(&mut self) -> Result<VideoFrame, String> {
        let frame = async {
            loop {
                match self.demuxed.next().await {
                    Some(Ok(CodecItem::VideoFrame(frame))) => return Ok(frame),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(first_line(&error)),
                    None => return Err("the camera ended the session".to_owned()),
                }
            }
        };
        timeout(LONGEST_SILENCE, frame)
            .await
            .unwrap_or_else(|_| Err(format!("no picture came for {} s", LONGEST_SILENCE.as_secs())))
    }

    /// The stream as its parameter sets describe it, once they have come.
    pub(super) fn stream(&self) -> Option<Stream> {
        let offered = &self.demuxed.streams()[self.stream];
        let ParametersRef::Video(video) = offered.parameters()? else { return None };
        let VideoParametersCodec::H264 { sps, .. } = video.codec_params() else { return None };
        let mut stream = Stream::of(&h264::read_sps(sps)?)?;
        // `a=framerate` in the SDP (RFC 8866, 6.13) speaks where the parameter sets are silent.
        stream.fps = stream.fps.or_else(|| offered.framerate().map(f64::from));
        Some(stream)
    }

    /// Says good-bye, so that a camera with few sessions to give does not hold this one until it expires.
    pub(super) async fn end(self) {
        drop(self.demuxed);
        let _ = timeout(TEARDOWN, self.group.await_teardown()).await;
    }
}

/// The first H.264 stream on offer.
fn video_stream(streams: &[retina::client::Stream]) -> Result<usize, String> {
    let is_video = |stream: &&retina::client::Stream| stream.media() == "video";
    if let Some(at) = streams.iter().position(|s| is_video(&s) && s.encoding_name() == "h264") {
        return Ok(at);
    }
    Err(match streams.iter().find(is_video).map(|stream| stream.encoding_name()) {
        None => "it offers no video; check the URL's path".to_owned(),
        Some("h265") => "it sends H.265; set the camera's video codec to H.264".to_owned(),
        Some("jpeg") => "it sends Motion JPEG; set the camera's video codec to H.264".to_owned(),
        Some(other) => format!("it sends `{other}` video; set the camera's video codec to H.264"),
    })
}

fn no_answer(request: &str, patience: Duration) -> String {
    format!("no answer to {request} within {} s; check the camera and the network", patience.as_secs())
}

/// Why a camera did not answer DESCRIBE: whether it takes connections at all tells a wrong address from a
/// hanging camera.
async fn silent(url: &Url) -> String {
    let address = (url.host_str().unwrap_or_default(), url.port().unwrap_or(554));
    match timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(address)).await {
        Ok(Ok(_)) => "it takes connections but does not answer RTSP within 5 s; check the port, or restart \
                      the camera"
            .to_owned(),
        _ => "it cannot be reached within 5 s; check the address, and that the camera is on".to_owned(),
    }
}

/// retina's error in our words.
fn explain(error: &retina::Error, known: bool, request: &str) -> String {
    match error.status_code() {
        Some(401) if known => "wrong user name or password".to_owned(),
        Some(401) => "it asks for a user name and password; give them with the camera".to_owned(),
        Some(403) => "it refuses (403 Forbidden); check the user's rights on the camera".to_owned(),
        Some(404) => "it has no stream of this name (404 Not Found); check the URL's path".to_owned(),
        Some(453 | 503) => "it has no session left to give; close another viewer".to_owned(),
        Some(200) => {
            format!("its answer to {request} cannot be understood: {}; update the camera", first_line(error))
        }
        Some(status) => format!("it answers {request} with status {status}; check the URL's path"),
        None => {
            let what = first_line(error);
            match what.strip_prefix("Unable to connect to RTSP server: ") {
                Some(why) => {
                    format!("it cannot be reached: {why}; check the address, and that the camera is on")
                }
                None => format!("{what}; check the port: RTSP cameras listen at 554 unless set otherwise"),
            }
        }
    }
}

/// retina's messages go on with addresses and offsets for a packet capture; the first line says what is
/// wrong.
fn first_line(error: &retina::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default().trim_end_matches([':', ' ']);
    line.to_owned()
}
