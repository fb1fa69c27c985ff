//! `transom probe`: what a camera or recording really sends.

use std::fmt::Write as _;
use std::io::{BufWriter, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

use md5::{Digest, Md5};
use serde::Serialize;

use crate::base::{Clock, Error, Result, Secret, Shutdown};
use crate::camera::{self, HealthReport, Options, Source, StreamInfo};
use crate::decoder::{Decoder, DecoderReport, Picture};
use crate::frame::{AccessUnit, Pool};
use crate::manifest;

use super::signals::stop_on_signal;
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
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// The camera's user name
    #[arg(long)]
    username: Option<String>,
    /// A file with the camera's password
    #[arg(long, value_name = "FILE")]
    password_file: Option<std::path::PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "frame_md5")]
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

impl Report {
    /// An error where there was nothing to see.
    fn check(&self) -> Result<()> {
        match &self.decoder {
            _ if self.units.count == 0 => Err(Error::source("not one picture came")),
            Some(decoder) if decoder.decoded == 0 => Err(Error::source("not one picture could be decoded")),
            _ => Ok(()),
        }
    }
}

impl Probe {
    pub(super) fn execute(self) -> Result<ExitCode> {
        let shutdown = Shutdown::default();
        stop_on_signal(&shutdown)?;
        let options = self.options()?;
        let mut source = camera::open(&options, Clock::system(), &shutdown, &Terminal::new(true).notices())?;
        let (live, done) = (source.info().live, Shutdown::default());
        let mut out = BufWriter::new(std::io::stdout().lock());
        let time = Duration::from_secs(self.seconds.into());
        let (printed, ended) = std::thread::scope(|scope| {
            // A camera that went away is waited for: the end has to come from outside.
            scope.spawn(|| {
                if live && done.sleep(time) {
                    shutdown.stop();
                }
            });
            let looked = self.look(&options.location, source.as_mut(), &mut out);
            done.stop();
            looked
        });
        match printed.and_then(|()| out.flush()) {
            // The reader has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(Error::sink(format!("standard output: {error}"))),
            Ok(()) => {}
        }
        ended.map(|()| ExitCode::SUCCESS)
    }

    fn options(&self) -> Result<Options> {
        let manifest::Source { location, username, password } = manifest::Source::parse(&self.source)?;
        let password = match &self.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Error::usage(format!("the password file `{}`: {error}", path.display()))
                })?;
                Some(Secret::new(text.trim_end_matches(['\r', '\n'])))
            }
            None => password,
        };
        Ok(Options { location, username: self.username.clone().or(username), password })
    }

    /// Reads the source to its end and prints what was seen, also where it could not be read or decoded to
    /// the end. Returns how printing went, and reading.
    fn look(
        &self,
        name: &str,
        source: &mut dyn Source,
        out: &mut dyn Write,
    ) -> (std::io::Result<()>, Result<()>) {
        let mut units = Units::default();
        let mut decoder = (self.decode || self.frame_md5).then(|| Decoder::new(Pool::default()));
        let mut hashes = self.frame_md5.then(|| FrameMd5::new(source.info()));
        let ended = loop {
            let unit = match source.next() {
                Ok(Some(unit)) => unit,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            units.see(&unit);
            let Some(decoder) = &mut decoder else { continue };
            if let Err(error) = decoder.decode(&unit, 1, &mut |picture| hash(&mut hashes, &picture)) {
                break Err(error.within(format!("`{name}`")));
            }
            if let Err(error) = print(&mut hashes, out) {
                return (Err(error), Ok(()));
            }
        };
        if let Some(decoder) = &mut decoder {
            decoder.flush(&mut |picture| hash(&mut hashes, &picture));
        }
        let report = Report {
            stream: source.info().clone(),
            health: source.health().report(),
            units,
            decoder: decoder.map(|decoder| decoder.report()),
        };
        let printed = match (&hashes, self.json) {
            (Some(_), _) => print(&mut hashes, out),
            (None, true) => serde_json::to_writer_pretty(&mut *out, &report)
                .map_err(std::io::Error::from)
                .and_then(|()| writeln!(out)),
            (None, false) => out.write_all(words(&report).as_bytes()),
        };
        (printed, ended.and_then(|()| report.check().map_err(|error| error.within(format!("`{name}`")))))
    }
}

fn hash(hashes: &mut Option<FrameMd5>, picture: &Picture) {
    if let Some(hashes) = hashes {
        hashes.add(picture);
    }
}

/// Prints the hashes there are so far.
fn print(hashes: &mut Option<FrameMd5>, out: &mut dyn Write) -> std::io::Result<()> {
    match hashes {
        Some(hashes) => out.write_all(std::mem::take(&mut hashes.text).as_bytes()),
        None => Ok(()),
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
    // What did not come while a camera was away says nothing of its rate.
    let measured = units
        .fps()
        .filter(|_| health.reconnects == 0)
        .map_or_else(String::new, |fps| format!(", {fps:.3} measured"));
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
    let trouble = [
        (health.reconnects, "times connected again"),
        (health.lost_packets, "packets lost"),
        (health.dropped_units, "units dropped"),
        (health.clock_jumps, "jumps of the clock"),
        (units.discontinuities, "breaks in the stream"),
    ];
    let trouble: Vec<String> = trouble
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !trouble.is_empty() {
        row("trouble", trouble.join(", "));
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
