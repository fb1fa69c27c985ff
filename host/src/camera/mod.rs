//! Where video enters: RTSP cameras, MP4 recordings, bare H.264 streams.
//!
//! A [`Source`] gives access units in decoding order with the time each is to be shown. It knows nothing of
//! pixels, nor of who reads them; it does not pace recordings.

mod annexb;
mod boxes;
mod health;
mod mp4;
mod rtsp;
mod samples;
mod still;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::base::{Clock, Error, Notices, Result, Secret, Shutdown};
use crate::frame::AccessUnit;
use crate::frame::h264::{Delay, Stream};

pub use health::{Health, HealthReport};
pub use still::still;

/// What a camera is opened with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `rtsp://…` without credentials, or a path.
    pub location: String,
    /// The camera's user name, where it asks for one.
    pub username: Option<String>,
    /// The camera's password.
    pub password: Option<Secret>,
}

/// Where access units come from.
pub trait Source: Send {
    /// What is known of the stream.
    fn info(&self) -> &StreamInfo;

    /// The counters of this source, readable from any thread while it runs.
    fn health(&self) -> Arc<Health>;

    /// The next access unit in decoding order; blocks until there is one. `None`: the recording ended or
    /// stopping was asked for.
    ///
    /// # Errors
    /// Where the source can give no more; what can be got over (a camera that went away) is waited out
    /// instead, with a notice.
    fn next(&mut self) -> Result<Option<AccessUnit>>;
}

/// What a source says about its stream before the first unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamInfo {
    /// A camera, whose pictures do not wait; not a recording.
    pub live: bool,
    /// `mp4`, `annexb` or `rtsp`.
    pub container: &'static str,
    /// `h264`.
    pub codec: &'static str,
    /// The profile's name (ITU-T H.264 annex A).
    pub profile: &'static str,
    /// The level, times ten: 31 is level 3.1.
    pub level: u8,
    /// Width in pixels, as shown.
    pub width: u32,
    /// Height in pixels, as shown.
    pub height: u32,
    /// Pixel format in ffmpeg's words, such as `yuv420p`.
    pub pixel_format: String,
    /// Whether pictures may be coded as two fields.
    pub interlaced: bool,
    /// Whether pictures are shown in another order than they come; `None` where the stream leaves it open.
    pub reorders: Option<bool>,
    /// Pictures a second: a recording's mean, or what a camera claims.
    pub fps: Option<f64>,
    /// How long a recording is.
    pub duration_us: Option<i64>,
    /// Pictures a recording shows.
    pub pictures: Option<u64>,
}

impl StreamInfo {
    fn new(container: &'static str, live: bool, stream: &Stream) -> Self {
        Self {
            live,
            container,
            codec: "h264",
            profile: stream.profile,
            level: stream.level,
            width: stream.width,
            height: stream.height,
            pixel_format: stream.pixel_format.clone(),
            interlaced: stream.interlaced,
            reorders: match stream.delay {
                Delay::Pictures(pictures) => Some(pictures > 0),
                Delay::Unstated { .. } => None,
            },
            fps: stream.fps,
            duration_us: None,
            pictures: None,
        }
    }
}

/// Opens a camera or a recording.
///
/// # Errors
/// Where it is not there, cannot be read, or carries no H.264 video; the message says which and what to do.
/// A camera's first connection must succeed; later ones are tried until they do.
pub fn open(
    options: &Options,
    clock: Clock,
    shutdown: &Shutdown,
    notices: &Notices,
) -> Result<Box<dyn Source>> {
    let location = options.location.as_str();
    if let Some((scheme, _)) = location.split_once("://") {
        if scheme.eq_ignore_ascii_case("rtsp") {
            return Ok(Box::new(rtsp::Camera::open(options, clock, shutdown.clone(), notices.clone())?));
        }
        return Err(Error::source(format!(
            "`{location}`: `{scheme}` is not a way video is read; give an `rtsp://` URL or a file"
        )));
    }
    let path = Path::new(location);
    match container(path)? {
        Container::Mp4 => Ok(Box::new(mp4::Recording::open(path, clock, shutdown.clone(), notices.clone())?)),
        Container::AnnexB => {
            Ok(Box::new(annexb::ByteStream::open(path, clock, shutdown.clone(), notices.clone())?))
        }
    }
}

enum Container {
    Mp4,
    AnnexB,
}

/// What a file is, by its first bytes; names lie.
fn container(path: &Path) -> Result<Container> {
    let wrong = |what: &str| Error::source(format!("`{}`: {what}", path.display()));
    let fail = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => wrong("there is no such file"),
        _ => wrong(&error.to_string()),
    };
    // Before it is opened: opening a pipe waits for somebody to write into it.
    match std::fs::metadata(path).map_err(fail)? {
        metadata if metadata.is_dir() => return Err(wrong("is a folder; give a file")),
        metadata if !metadata.is_file() => return Err(wrong("is a pipe or a device; give a file")),
        _ => {}
    }
    let mut head = [0; 12];
    let mut file = File::open(path).map_err(fail)?;
    let got = read_up_to(&mut file, &mut head).map_err(|error| wrong(&error.to_string()))?;
    let head = &head[..got];
    let name = match head {
        [] => return Err(wrong("the file is empty")),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => return Ok(Container::Mp4),
        [0, 0, 1, ..] | [0, 0, 0, 1, ..] => return Ok(Container::AnnexB),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' '] => "AVI",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "Matroska",
        [0x47, ..] => "MPEG transport stream",
        [0xff, 0xd8, 0xff, ..] => "JPEG",
        [0x89, b'P', b'N', b'G', ..] => "PNG",
        _ => return Ok(Container::Mp4),
    };
    let remedy = "convert it with `ffmpeg -i IN -c:v libx264 OUT.mp4`";
    Err(wrong(&format!("{name} is not supported; MP4 and bare H.264 are: {remedy}")))
}

/// Fills `buffer` as far as the file goes; returns how far.
fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..])? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}
