//! One connection: requests answered, the clip played.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::rtp::{PAYLOAD_TYPE, Stream};
use super::{Behaviour, Clip, End, Fault, ParameterSets, Request, Scheme, Shared};
use super::{auth, lock};

const SESSION: &str = "20260101";
const TRACK: &str = "trackID=1";
/// The longest request; a client that sends more without an end is closed.
const MAX_REQUEST: usize = 64 * 1024;
/// How often waiting looks at the stop flag.
const GLANCE: Duration = Duration::from_millis(50);
/// Stream time between two sender reports.
const REPORT_EVERY_US: i64 = 3_000_000;

/// Serves one client until it leaves or the camera stops.
pub(super) fn serve(
    stream: &TcpStream,
    number: usize,
    behaviour: Behaviour,
    shared: Arc<Shared>,
    stop: &AtomicBool,
) {
    shared.open.fetch_add(1, Ordering::Relaxed);
    let mut session = Session {
        nonce: auth::md5_hex(format!("{:?} {number}", SystemTime::now())),
        number,
        behaviour,
        shared,
        channel: None,
        over: Arc::new(AtomicBool::new(false)),
        player: None,
        mute: false,
    };
    // An error is the client leaving, in whatever way: nothing to tell.
    let _ = session.requests(stream, stop);
    session.over.store(true, Ordering::Relaxed);
    let _ = stream.shutdown(Shutdown::Both);
    if let Some(player) = session.player.take() {
        let _ = player.join();
    }
    session.shared.open.fetch_sub(1, Ordering::Relaxed);
}

struct Session {
    nonce: String,
    number: usize,
    behaviour: Behaviour,
    shared: Arc<Shared>,
    /// The interleaved channel of RTP, once set up; RTCP has the next.
    channel: Option<u8>,
    over: Arc<AtomicBool>,
    player: Option<JoinHandle<()>>,
    mute: bool,
}

/// Status, reason, headers with their line ends, body.
type Answer = (u16, &'static str, String, String);

fn ok(headers: String) -> Answer {
    (200, "OK", headers, String::new())
}

fn refuse(status: u16, reason: &'static str) -> Answer {
    (status, reason, String::new(), String::new())
}

impl Session {
    fn requests(&mut self, mut stream: &TcpStream, stop: &AtomicBool) -> io::Result<()> {
        // On some systems an accepted socket inherits the listener's mode.
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(GLANCE))?;
        let out = Arc::new(Mutex::new(stream.try_clone()?));
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        while !stop.load(Ordering::Relaxed) {
            match stream.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(read) => bytes.extend(&chunk[..read]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            while let Some(request) = take_request(&mut bytes, self.number)? {
                self.serve(request, &out)?;
            }
        }
        Ok(())
    }

    fn serve(&mut self, request: Request, out: &Arc<Mutex<TcpStream>>) -> io::Result<()> {
        let (status, reason, headers, body) = self.answer(&request);
        let sequence = request.header("CSeq").unwrap_or("0");
        let answer = format!("RTSP/1.0 {status} {reason}\r\nCSeq: {sequence}\r\n{headers}\r\n{body}");
        let play = request.method == "PLAY" && status == 200 && self.player.is_none();
        self.mute |= self
            .behaviour
            .fault
            .as_ref()
            .is_some_and(|fault| matches!(fault, Fault::NoAnswer(method) if request.method == *method));
        lock(&self.shared.requests).push(request);
        if self.mute {
            return Ok(());
        }
        lock(out).write_all(answer.as_bytes())?;
        if play {
            self.play(out)?;
        }
        Ok(())
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let method = request.method.as_str();
        if method == "OPTIONS" {
            let known = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN";
            return ok(format!("Public: {known}\r\n"));
        }
        if let Some(challenge) = self.challenge(request) {
            let header = format!("WWW-Authenticate: {challenge}\r\n");
            return (401, "Unauthorized", header, String::new());
        }
        // RFC 2326 section 12.37: an identifier, and parameters after a semicolon.
        let named = request.header("Session").map(|s| s.split(';').next().unwrap_or(s).trim());
        let needs_session = matches!(method, "PLAY" | "TEARDOWN");
        if named.is_some_and(|session| session != SESSION) || (needs_session && named.is_none()) {
            return refuse(454, "Session Not Found");
        }
        match method {
            "DESCRIBE" if self.behaviour.fault == Some(Fault::NotFound) => refuse(404, "Not Found"),
            "DESCRIBE" => {
                let body = self.sdp();
                let base = request.uri.trim_end_matches('/');
                let kind = format!("Content-Base: {base}/\r\nContent-Type: application/sdp\r\n");
                (200, "OK", format!("{kind}Content-Length: {}\r\n", body.len()), body)
            }
            "SETUP" => self.set_up(request),
            "PLAY" if self.channel.is_none() => refuse(455, "Method Not Valid in This State"),
            "PLAY" => {
                let (stream, _) = self.stream();
                let base = request.uri.trim_end_matches('/');
                let rtptime = stream.timestamp(self.first_us());
                let info = format!("url={base}/{TRACK};seq={};rtptime={rtptime}", stream.sequence);
                ok(format!("Session: {SESSION}\r\nRange: npt=0.000-\r\nRTP-Info: {info}\r\n"))
            }
            "TEARDOWN" => {
                self.over.store(true, Ordering::Relaxed);
                self.channel = None;
                ok(String::new())
            }
            "GET_PARAMETER" | "SET_PARAMETER" => ok(format!("Session: {SESSION}\r\n")),
            _ => refuse(501, "Not Implemented"),
        }
    }

    /// The challenge to send, unless this request proves its login or needs none.
    fn challenge(&self, request: &Request) -> Option<String> {
        let login = self.behaviour.login.as_ref();
        let scheme = login.map_or(Scheme::Digest, |login| login.scheme);
        let never = self.behaviour.fault == Some(Fault::Unauthorized);
        let proved = login.is_none_or(|login| {
            request.header("Authorization").is_some_and(|header| {
                auth::accepts(login, &self.nonce, &request.method, &request.uri, header)
            })
        });
        (never || !proved).then(|| auth::challenge(scheme, &self.nonce))
    }

    /// RFC 2326 section 12.39; of the transports offered, the first over this connection.
    fn set_up(&mut self, request: &Request) -> Answer {
        if !request.uri.trim_end_matches('/').ends_with(TRACK) {
            return refuse(404, "Not Found");
        }
        let offers = request.header("Transport").unwrap_or_default().split(',');
        let Some(offer) = offers.map(str::trim).find(|offer| offer.starts_with("RTP/AVP/TCP")) else {
            return refuse(461, "Unsupported Transport");
        };
        let asked = offer.split(';').find_map(|part| part.trim().strip_prefix("interleaved="));
        let first = asked.and_then(|pair| pair.split('-').next()?.parse().ok());
        let rtp = first.unwrap_or(0).min(254);
        self.channel = Some(rtp);
        let ssrc = self.stream().0.ssrc;
        let chosen = format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{};ssrc={ssrc:08X}", rtp + 1);
        ok(format!("Session: {SESSION};timeout=60\r\nTransport: {chosen}\r\n"))
    }

    /// RFC 4566; the format parameters are those of RFC 6184 section 8.1.
    fn sdp(&self) -> String {
        let clip = &self.shared.clip;
        let sets = [&clip.sps, &clip.pps].map(|set| auth::base64(set));
        let profile: String = clip.sps[1..4].iter().map(|byte| format!("{byte:02X}")).collect();
        let mut format = format!("packetization-mode=1;profile-level-id={profile}");
        if self.behaviour.parameter_sets != ParameterSets::InBandOnly {
            format += &format!(";sprop-parameter-sets={}", sets.join(","));
        }
        let (codec, format) = match &self.behaviour.fault {
            Some(Fault::BadSdp) => return "<html><body>Please log in</body></html>\r\n".into(),
            Some(Fault::Sdp(text)) => return text.clone(),
            Some(Fault::H265) => ("H265", String::new()),
            _ => ("H264", format!("a=fmtp:{PAYLOAD_TYPE} {format}\r\n")),
        };
        let rate = 1e6 / clip.interval_us().max(1) as f64;
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=test camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
             a=control:*\r\na=range:npt=0-\r\nm=video 0 RTP/AVP {PAYLOAD_TYPE}\r\n\
             a=rtpmap:{PAYLOAD_TYPE} {codec}/90000\r\n{format}a=framerate:{rate:.3}\r\n\
             a=control:{TRACK}\r\n"
        )
    }

    fn first_us(&self) -> i64 {
        let units = &self.shared.clip.units;
        units[self.behaviour.start_at % units.len()].pts_us
    }

    /// The stream as it begins, and the wall time of its time zero.
    fn stream(&self) -> (Stream, i64) {
        let clock = self.behaviour.clock.unwrap_or_else(SystemTime::now);
        let now_us = clock.duration_since(UNIX_EPOCH).map_or(0, |past| past.as_micros() as i64);
        (Stream::new(self.number, self.first_us()), now_us - self.first_us())
    }

    fn play(&mut self, out: &Arc<Mutex<TcpStream>>) -> io::Result<()> {
        let (stream, zero_us) = self.stream();
        let player = Player {
            shared: Arc::clone(&self.shared),
            behaviour: self.behaviour.clone(),
            channel: self.channel.unwrap_or(0),
            out: Arc::clone(out),
            over: Arc::clone(&self.over),
            stream,
            zero_us,
            packets: 0,
        };
        let name = format!("camera player {}", self.number);
        // An error is the client leaving; its connection's thread sees that too.
        let run = move || _ = player.run();
        self.player = Some(thread::Builder::new().name(name).spawn(run)?);
        Ok(())
    }
}

/// Takes the next whole request off the front. Interleaved frames, the client's RTCP, are passed
/// over (RFC 2326 section 10.12), and so is a request's body. Fails on what is not RTSP.
fn take_request(bytes: &mut Vec<u8>, connection: usize) -> io::Result<Option<Request>> {
    while let [b'$', _, high, low, ..] = bytes[..] {
        let end = 4 + usize::from(u16::from_be_bytes([high, low]));
        if bytes.len() < end {
            return Ok(None);
        }
        bytes.drain(..end);
    }
    if bytes.len() > MAX_REQUEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.trim_start().split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(uri), Some("RTSP/1.0")) = (words.next(), words.next(), words.next()) else {
        return Err(ErrorKind::InvalidData.into());
    };
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.trim().into(), value.trim().into())).collect();
    let request = Request { connection, method: method.into(), uri: uri.into(), headers };
    let body = request.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let end = usize::saturating_add(head + 4, body);
    if bytes.len() < end {
        return Ok(None);
    }
    bytes.drain(..end);
    Ok(Some(request))
}

/// Sends the clip, one write a unit: a slow reader slows it, as TCP does a camera.
struct Player {
    shared: Arc<Shared>,
    behaviour: Behaviour,
    channel: u8,
    out: Arc<Mutex<TcpStream>>,
    over: Arc<AtomicBool>,
    stream: Stream,
    zero_us: i64,
    packets: usize,
}

impl Player {
    fn run(mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let clip: &Clip = &shared.clip;
        let mut next = self.behaviour.start_at % clip.units.len();
        let (began, first_dts_us) = (Instant::now(), clip.units[next].dts_us);
        let (mut looped_us, mut report_at_us, mut sent) = (0, i64::MIN, 0);
        let mut last_us = 0;
        loop {
            let Some(unit) = clip.units.get(next) else {
                match self.behaviour.end {
                    End::Loop => {
                        next = 0;
                        looped_us += clip.duration_us();
                        continue;
                    }
                    End::Bye => return self.report(last_us, true),
                    End::Close => return self.close(),
                    End::Silence => return Ok(()),
                }
            };
            match self.behaviour.fault {
                Some(Fault::StallAfter(units)) if sent == units => return Ok(()),
                Some(Fault::CloseAfter(units)) if sent == units => return self.close(),
                Some(Fault::GarbageAfter(units)) if sent == units => {
                    // Bytes from 0x80 up: no `$`, no letter, no line end.
                    let garbage: Vec<u8> = (0..512u32).map(|i| 0x80 | (i * 37) as u8).collect();
                    self.write(&garbage)?;
                }
                Some(Fault::TimeJumpAfter { units, ticks }) if sent == units => {
                    self.stream.jump(ticks);
                    report_at_us = i64::MIN;
                }
                _ => {}
            }
            if !self.wait(began, unit.dts_us + looped_us - first_dts_us) {
                return Ok(());
            }
            last_us = unit.pts_us + looped_us;
            if last_us >= report_at_us {
                self.report(last_us, false)?;
                report_at_us = last_us + REPORT_EVERY_US;
            }
            let nals = clip.nals(unit, self.behaviour.parameter_sets);
            let bytes = self.packets(&nals, last_us);
            self.write(&bytes)?;
            shared.units_sent.fetch_add(1, Ordering::Relaxed);
            (next, sent) = (next + 1, sent + 1);
        }
    }

    /// Waits for a moment of the stream; `false` when the session is over.
    fn wait(&self, began: Instant, stream_us: i64) -> bool {
        let speed = self.behaviour.speed;
        let live = speed.is_finite() && speed > 0.0;
        let due = Duration::from_micros(stream_us.max(0) as u64);
        while !self.over.load(Ordering::Relaxed) {
            let passed = began.elapsed().mul_f64(if live { speed } else { 0.0 });
            if !live || passed >= due {
                return true;
            }
            thread::sleep((due - passed).div_f64(speed).min(GLANCE));
        }
        false
    }

    /// The interleaved frames of one unit, less those that the fault takes.
    fn packets(&mut self, nals: &[&[u8]], time_us: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for mut packet in self.stream.packets(nals, time_us) {
            self.packets += 1;
            match self.behaviour.fault {
                Some(Fault::Loss { every }) if self.packets.is_multiple_of(every) => continue,
                Some(Fault::Damage { every }) if self.packets.is_multiple_of(every) => {
                    // Slices and their FU-A, past every header: the packet stays one, its slice does not.
                    let slice = matches!(packet[12] & 0x1f, 1 | 5 | 28);
                    let bytes = packet.iter_mut().skip(if slice { 20 } else { usize::MAX });
                    bytes.step_by(7).for_each(|byte| *byte ^= 0x55);
                }
                _ => {}
            }
            frame(self.channel, &packet, &mut bytes);
        }
        bytes
    }

    fn report(&mut self, time_us: i64, bye: bool) -> io::Result<()> {
        let report = self.stream.report(time_us, self.zero_us + time_us, bye);
        let mut bytes = Vec::new();
        frame(self.channel + 1, &report, &mut bytes);
        self.write(&bytes)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        lock(&self.out).write_all(bytes)
    }

    fn close(&self) -> io::Result<()> {
        lock(&self.out).shutdown(Shutdown::Both)
    }
}

/// One packet on its channel (RFC 2326 section 10.12).
fn frame(channel: u8, packet: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend([b'$', channel]);
    bytes.extend((packet.len() as u16).to_be_bytes());
    bytes.extend(packet);
}
