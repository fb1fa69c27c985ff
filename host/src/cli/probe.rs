//! `transom probe`: what a camera or recording really sends.

use std::fmt::Write as _;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use md5::{Digest, Md5};
use serde::Serialize;

use crate::base::{Clock, Error, Result, Secret, Shutdown};
use crate::camera::{self, HealthReport, Options, StreamInfo};
use crate::decoder::{Decoder, DecoderReport, Picture};
use crate::frame::{AccessUnit, Pool};

use super::terminal::Terminal;

/// Looks at a source: reads a recording to its end, listens to a camera for a while.
#[derive(clap::Args)]
pub(super) struct Probe {
    /// rtsp://… or a file
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Decode the pictures too
    #[arg(long)]
    decode: bool,
    /// Print the MD5 of every output picture as ffmpeg's framemd5 muxer does
    #[arg(long)]
    frame_md5: bool,
    /// How long to listen to a camera, in seconds
    #[arg(long, value_name = "N", default_value_t = 5)]
    seconds: u32,
    /// The camera's user name
    #[arg(long)]
    username: Option<String>,
    /// A file with the camera's password
    #[arg(long, value_name = "FILE")]
    password_file: Option<std::path::PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was seen.
#[derive(Serialize)]
struct Report {
    stream: StreamInfo,
    health: HealthReport,
    units: Units,
    #[serde(skip_serializing_if = "Option::is_none")]
    decoder: Option<DecoderReport>,
}

/// What the access units are like.
#[derive(Default, Serialize)]
struct Units {
    count: u64,
    key: u64,
    /// Units no other picture is predicted from.
    unreferenced: u64,
    not_shown: u64,
    bytes: u64,
    largest_bytes: usize,
    /// Units from one key unit to the next, at most.
    longest_gop: u64,
    first_pts_us: Option<i64>,
    last_pts_us: Option<i64>,
    /// Times at which the stream began anew.
    discontinuities: u64,
    #[serde(skip)]
    since_key: u64,
}

impl Units {
    fn see(&mut self, unit: &AccessUnit) {
        self.count += 1;
        self.since_key = if unit.key { 1 } else { self.since_key + 1 };
        self.longest_gop = self.longest_gop.max(self.since_key);
        self.key += u64::from(unit.key);
        self.unreferenced += u64::from(!unit.reference);
        self.not_shown += u64::from(!unit.shown);
        self.bytes += unit.data.len() as u64;
        self.largest_bytes = self.largest_bytes.max(unit.data.len());
        self.first_pts_us = Some(self.first_pts_us.map_or(unit.pts_us, |first| first.min(unit.pts_us)));
        self.last_pts_us = Some(self.last_pts_us.map_or(unit.pts_us, |last| last.max(unit.pts_us)));
        self.discontinuities += u64::from(unit.discontinuity);
    }

    /// Units a second, measured.
    fn fps(&self) -> Option<f64> {
        let span_us = self.last_pts_us? - self.first_pts_us?;
        (span_us > 0).then(|| (self.count - self.not_shown).saturating_sub(1) as f64 * 1e6 / span_us as f64)
    }
}

impl Probe {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let clock = Clock::system();
        let shutdown = Shutdown::default();
        let terminal = Terminal::new(true);
        let (location, username, password) = camera::split_credentials(&self.source)?;
        let password = match &self.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Error::usage(format!("the password file `{}`: {error}", path.display()))
                })?;
                Some(Secret::new(text.trim_end_matches(['\r', '\n'])))
            }
            None => password,
        };
        let options = Options { location, username: self.username.or(username), password };
        let mut source = camera::open(&options, clock, &shutdown, &terminal.notices())?;
        let info = source.info().clone();

        let mut units = Units::default();
        let mut decoder = (self.decode || self.frame_md5).then(|| Decoder::new(Pool::default()));
        let mut hashes = self.frame_md5.then(|| FrameMd5::new(&info));
        let started = clock.now();
        let ended = loop {
            if info.live && clock.now().saturating_sub(started) >= Duration::from_secs(self.seconds.into()) {
                break Ok(());
            }
            let unit = match source.next() {
                Ok(Some(unit)) => unit,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            units.see(&unit);
            if let Some(decoder) = &mut decoder {
                decoder.decode(&unit, 1, &mut |picture| hash(&mut hashes, &picture))?;
            }
        };
        if let Some(decoder) = &mut decoder {
            decoder.flush(&mut |picture| hash(&mut hashes, &picture));
        }
        let report = Report {
            stream: info,
            health: source.health().report(),
            units,
            decoder: decoder.map(|decoder| decoder.report()),
        };
        let text = match hashes {
            Some(hashes) => hashes.text,
            None if self.json => {
                let json = serde_json::to_string_pretty(&report);
                json.map_err(|error| Error::internal(format!("the report is no JSON: {error}")))? + "\n"
            }
            None => words(&report),
        };
        let mut out = BufWriter::new(std::io::stdout().lock());
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| Error::sink(format!("standard output: {error}")))?;
        ended.map(|()| ExitCode::SUCCESS)
    }
}

fn hash(hashes: &mut Option<FrameMd5>, picture: &Picture) {
    if let Some(hashes) = hashes {
        hashes.add(picture);
    }
}

/// Lines as ffmpeg's framemd5 muxer writes them (`libavformat/framehash.c`, version 2), over I420.
struct FrameMd5 {
    text: String,
    /// Units of time a second, as a fraction; a picture lasts one unit where the stream states its rate.
    rate: (i64, i64),
    duration: i64,
    begun: bool,
}

impl FrameMd5 {
    fn new(info: &StreamInfo) -> Self {
        let (rate, duration) = match info.fps.and_then(fraction) {
            Some(rate) => (rate, 1),
            None => ((1_000_000, 1), 0),
        };
        Self { text: String::new(), rate, duration, begun: false }
    }

    fn add(&mut self, picture: &Picture) {
        let (numerator, denominator) = self.rate;
        let planes = &picture.planes;
        if !std::mem::replace(&mut self.begun, true) {
            // Writing to a `String` cannot fail.
            let _ = write!(
                self.text,
                "#format: frame checksums\n#version: 2\n#hash: MD5\n#software: transom {}\n#tb 0: {denominator}/{numerator}\n\
                 #media_type 0: video\n#codec_id 0: rawvideo\n#dimensions 0: {}x{}\n#sar 0: 0/1\n\
                 #stream#, dts,        pts, duration,     size, hash\n",
                env!("CARGO_PKG_VERSION"),
                planes.width(),
                planes.height()
            );
        }
        let scale = 1_000_000 * i128::from(denominator);
        let at = (i128::from(picture.pts_us) * i128::from(numerator) + scale / 2).div_euclid(scale);
        let _ =
            write!(self.text, "0, {at:>10}, {at:>10}, {:>8}, {:>8}, ", self.duration, planes.bytes().len());
        for byte in Md5::digest(planes.bytes()) {
            let _ = write!(self.text, "{byte:02x}");
        }
        self.text.push('\n');
    }
}

/// A frame rate as the fraction it stands for: whole, or of the NTSC family.
fn fraction(fps: f64) -> Option<(i64, i64)> {
    for denominator in [1, 1001, 2, 3] {
        let factor = if denominator == 1001 { 1001.0 } else { f64::from(denominator) };
        let numerator = (fps * factor).round();
        let fits = denominator != 1001 || numerator % 1000.0 == 0.0;
        if fits && numerator >= 1.0 && (fps - numerator / factor).abs() < 1e-4 * fps {
            return Some((numerator as i64, i64::from(denominator)));
        }
    }
    None
}

fn words(report: &Report) -> String {
    let Report { stream, health, units, decoder } = report;
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    row("container", format!("{}{}", stream.container, if stream.live { ", live" } else { "" }));
    row(
        "codec",
        format!(
            "{} {} profile, level {}.{}",
            stream.codec,
            stream.profile,
            stream.level / 10,
            stream.level % 10
        ),
    );
    let scan = if stream.interlaced { "interlaced" } else { "progressive" };
    row("picture", format!("{}x{} {}, {scan}", stream.width, stream.height, stream.pixel_format));
    let stated = stream.fps.map_or_else(|| "not stated".to_owned(), |fps| format!("{fps:.3} stated"));
    let measured = units.fps().map_or_else(String::new, |fps| format!(", {fps:.3} measured"));
    row("frame rate", format!("{stated}{measured}"));
    row(
        "B-frames",
        match stream.reorders {
            Some(true) => "pictures are shown in another order than they come".to_owned(),
            Some(false) => "none: pictures are shown as they come".to_owned(),
            None => "the stream does not say".to_owned(),
        },
    );
    let seconds = |us: i64| us as f64 / 1e6;
    if let Some(duration) = stream.duration_us {
        row("duration", format!("{:.3} s", seconds(duration)));
    }
    row(
        "units",
        format!(
            "{} ({} key, {} unreferenced{}), longest group {}",
            units.count,
            units.key,
            units.unreferenced,
            if units.not_shown > 0 { format!(", {} not shown", units.not_shown) } else { String::new() },
            units.longest_gop
        ),
    );
    if let (Some(first), Some(last)) = (units.first_pts_us, units.last_pts_us) {
        let span = seconds(last - first).max(1e-6);
        row("time", format!("{:.3} s to {:.3} s", seconds(first), seconds(last)));
        row(
            "data",
            format!(
                "{} KiB, {:.0} kbit/s, largest unit {} KiB",
                units.bytes >> 10,
                units.bytes as f64 * 8.0 / 1000.0 / span,
                units.largest_bytes >> 10
            ),
        );
    }
    if health.lost_packets + units.discontinuities > 0 {
        row(
            "lost",
            format!("{} packets, {} breaks in the stream", health.lost_packets, units.discontinuities),
        );
    }
    if let Some(decoder) = decoder {
        row(
            "decoded",
            format!(
                "{} pictures, {:.3} ms each in the median; {} damaged, {} waited for a key picture",
                decoder.decoded,
                decoder.time.p50_us / 1000.0,
                decoder.corrupt,
                decoder.waited_for_key
            ),
        );
    }
    text
}
