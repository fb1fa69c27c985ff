//! Bare H.264 byte streams (ITU-T H.264 annex B): cut into access units, timed by their display order.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::{Health, Source, StreamInfo};
use crate::base::{Clock, Error, Notices, Result, Shutdown};
use crate::frame::AccessUnit;
use crate::frame::h264::{self, Delay, OrderCount, Parameters, PictureHead, Reorder, Stream, nal_type};

/// A byte stream has no clock; without timing in its parameter sets it is taken to be PAL's rate, as
/// ffmpeg does.
const ASSUMED_FPS: f64 = 25.0;

/// Bytes read at a time.
const CHUNK: usize = 64 << 10;

/// A larger NAL unit is not video: level 6.2 allows 240,000 kbit/s.
const LARGEST_NAL: usize = 64 << 20;

/// How far into a file its first parameter sets may lie.
const LONGEST_PREAMBLE: usize = 8 << 20;

/// A bare stream being played.
pub(super) struct ByteStream {
    name: String,
    nals: NalReader,
    info: StreamInfo,
    health: Arc<Health>,
    notices: Notices,
    shutdown: Shutdown,
    opened_at_us: i64,
    assembly: Assembly,
    timing: Timing,
    ended: bool,
}

impl ByteStream {
    pub(super) fn open(path: &Path, clock: Clock, shutdown: Shutdown, notices: Notices) -> Result<Self> {
        let name = path.display().to_string();
        let wrong = |what: &str| Error::source(format!("`{name}`: {what}"));
        let file = File::open(path).map_err(|error| wrong(&error.to_string()))?;
        let mut nals = NalReader::new(file);
        let mut assembly = Assembly::default();
        let mut timing = Timing::default();
        let mut seen = 0;
        // The first picture cut off by the next one's start has its parameter sets with it.
        let stream = loop {
            let nal = nals.next().map_err(|error| wrong(&error.to_string()))?;
            if let Some(nal) = &nal {
                // An H.265 stream opens with a video parameter set, NAL unit type 32 (ITU-T H.265, 7.4.2.2).
                if seen == 0 && matches!(nal.as_slice(), [0x40, 0x01, ..]) {
                    return Err(wrong(
                        "the video is H.265; only H.264 is supported: convert it with \
                         `ffmpeg -i IN -c:v libx264 OUT.mp4`",
                    ));
                }
                seen += nal.len();
                if let Some(unit) = assembly.push(nal) {
                    timing.push(unit);
                }
            }
            match assembly.stream() {
                Some(stream) => break stream,
                None if nal.is_none() || seen > LONGEST_PREAMBLE => {
                    return Err(wrong("there are no readable H.264 parameter sets in it"));
                }
                None => {}
            }
        };
        let mut info = StreamInfo::new("annexb", false, &stream);
        info.fps = Some(stream.fps.unwrap_or(ASSUMED_FPS));
        timing.start(&stream);
        let health = Arc::<Health>::default();
        health.set_connected(true);
        let opened_at_us = clock.wall_us();
        Ok(Self { name, nals, info, health, notices, shutdown, opened_at_us, assembly, timing, ended: false })
    }
}

impl Source for ByteStream {
    fn info(&self) -> &StreamInfo {
        &self.info
    }

    fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    fn next(&mut self) -> Result<Option<AccessUnit>> {
        while !self.shutdown.is_stopped() {
            if let Some(mut unit) = self.timing.pop() {
                unit.captured_at_us = self.opened_at_us.saturating_add(unit.pts_us);
                self.health.received(unit.data.len());
                return Ok(Some(unit));
            }
            if self.ended {
                self.health.set_connected(false);
                return Ok(None);
            }
            let nal = match self.nals.next() {
                Ok(nal) => nal,
                Err(error) => {
                    self.notices.warn(format!("`{}` ends early: {error}", self.name));
                    None
                }
            };
            let unit = match nal {
                Some(nal) => self.assembly.push(&nal),
                None => {
                    self.ended = true;
                    self.assembly.finish()
                }
            };
            if let Some(unit) = unit {
                self.timing.push(unit);
            }
            if self.ended {
                self.timing.finish();
            }
        }
        Ok(None)
    }
}

/// Reads NAL units one by one.
struct NalReader {
    file: File,
    buffer: Vec<u8>,
    /// Where the next NAL unit's search for its end goes on.
    searched: usize,
    /// The first byte of the NAL unit being read; `None` before the first start code.
    begun: Option<usize>,
    ended: bool,
}

impl NalReader {
    fn new(file: File) -> Self {
        Self { file, buffer: Vec::new(), searched: 0, begun: None, ended: false }
    }

    /// The next NAL unit, `None` at the end of the file.
    fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            while let Some(at) = h264::start_code(&self.buffer, self.searched) {
                let nal = self.begun.map(|begun| h264::trimmed(&self.buffer[begun..at]).to_vec());
                self.searched = at + 3;
                self.begun = Some(self.searched);
                if let Some(nal) = nal.filter(|nal| !nal.is_empty()) {
                    return Ok(Some(nal));
                }
            }
            if self.ended {
                let nal = self.begun.take().map(|begun| h264::trimmed(&self.buffer[begun..]).to_vec());
                self.buffer.clear();
                self.searched = 0;
                return Ok(nal.filter(|nal| !nal.is_empty()));
            }
            // What lies before the unit begun is done with; a start code may straddle the end.
            let done = self.begun.unwrap_or_else(|| self.buffer.len().saturating_sub(2));
            self.buffer.drain(..done);
            self.begun = self.begun.map(|begun| begun - done);
            let filled = self.buffer.len();
            self.searched = filled.saturating_sub(2).max(self.begun.unwrap_or(0));
            if filled > LARGEST_NAL {
                return Err(std::io::Error::other("a NAL unit is too large to be true"));
            }
            self.buffer.resize(filled + CHUNK, 0);
            let got = self.file.read(&mut self.buffer[filled..])?;
            self.buffer.truncate(filled + got);
            self.ended = got == 0;
        }
    }
}

/// A picture cut out of the stream.
struct Cut {
    data: Vec<u8>,
    head: Option<PictureHead>,
    /// The place its count needs, and the parameter set it follows.
    place: Option<h264::Place>,
    delay: Option<Delay>,
    key: bool,
    reference: bool,
}

/// Puts NAL units together to access units (7.4.1.2.3, 7.4.1.2.4).
#[derive(Default)]
struct Assembly {
    parameters: Parameters,
    order: OrderCount,
    unit: Vec<u8>,
    /// The last slice's head; outside: no slice in this unit yet.
    last: Option<Option<PictureHead>>,
    place: Option<h264::Place>,
    delay: Option<Delay>,
    key: bool,
    reference: bool,
}

impl Assembly {
    fn stream(&self) -> Option<Stream> {
        self.parameters.first_sps().and_then(Stream::of)
    }

    /// Takes the next NAL unit; returns the access unit it ends.
    fn push(&mut self, nal: &[u8]) -> Option<Cut> {
        let starts = match h264::kind(nal) {
            // Access unit delimiter, parameter sets, SEI and the reserved types 14 to 18.
            nal_type::AUD | nal_type::SPS | nal_type::PPS | nal_type::SEI | 14..=18 => self.last.is_some(),
            nal_type::SLICE | nal_type::IDR => self.is_new_picture(nal),
            _ => false,
        };
        let ended = if starts { self.finish() } else { None };
        if h264::is_slice(nal) {
            self.note_slice(nal);
        } else if self.parameters.observe(nal) && h264::kind(nal) == nal_type::SPS {
            self.delay = h264::read_sps(nal).as_ref().and_then(Stream::of).map(|stream| stream.delay);
        }
        h264::append(&mut self.unit, nal);
        ended
    }

    /// The access unit begun, if it has a slice.
    fn finish(&mut self) -> Option<Cut> {
        let head = self.last.take()?;
        Some(Cut {
            data: std::mem::take(&mut self.unit),
            head,
            place: self.place.take(),
            delay: self.delay.take(),
            key: std::mem::take(&mut self.key),
            reference: std::mem::take(&mut self.reference),
        })
    }

    fn is_new_picture(&self, nal: &[u8]) -> bool {
        let Some(last) = &self.last else { return false };
        // `first_mb_in_slice` is ue(v): a leading 1 bit is 0. A picture's slices come in order but for
        // arbitrary slice order, which nothing that sends to cameras' customers uses.
        let first_macroblock = nal.get(1).is_some_and(|byte| byte & 0x80 != 0);
        let differs = match (last, self.parameters.picture(nal)) {
            (Some(last), Some((next, _))) => {
                let signs = |head: &PictureHead| {
                    (head.key, head.reference, head.frame_num, head.idr_id, head.pps_id, head.order)
                };
                signs(last) != signs(&next)
            }
            _ => false,
        };
        first_macroblock || differs
    }

    fn note_slice(&mut self, nal: &[u8]) {
        let first = self.last.is_none();
        self.key |= h264::kind(nal) == nal_type::IDR;
        self.reference |= h264::is_reference(nal);
        let picture = self.parameters.picture(nal);
        if let (true, Some((head, sps))) = (first, &picture) {
            self.place = Some(self.order.place(head, sps));
        }
        self.last = Some(picture.map(|(head, _)| head));
    }
}

/// Gives each unit its time: its rank in display order at a constant rate. A unit is held until no picture
/// shown before it can come any more, at most 16 units.
struct Timing {
    fps: f64,
    delay: Delay,
    reorder: Reorder<u64>,
    /// Units in decoding order, the first of them numbered `first`, and their ranks once known.
    units: VecDeque<(AccessUnit, Option<u64>)>,
    first: u64,
    ranks: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            fps: ASSUMED_FPS,
            delay: Delay::Pictures(0),
            reorder: Reorder::new(Delay::Pictures(0)),
            units: VecDeque::new(),
            first: 0,
            ranks: 0,
        }
    }
}

impl Timing {
    fn start(&mut self, stream: &Stream) {
        self.fps = stream.fps.unwrap_or(ASSUMED_FPS);
    }

    fn push(&mut self, cut: Cut) {
        if let Some(delay) = cut.delay.filter(|delay| *delay != self.delay) {
            self.finish();
            self.delay = delay;
            self.reorder = Reorder::new(delay);
        }
        let number = self.first + self.units.len() as u64;
        let unit = AccessUnit {
            data: Bytes::from(cut.data),
            pts_us: 0,
            captured_at_us: 0,
            key: cut.key,
            reference: cut.reference,
            shown: true,
            discontinuity: false,
        };
        self.units.push_back((unit, None));
        let bidirectional = cut.head.is_some_and(|head| head.bidirectional);
        let placed = cut.place.is_some_and(|place| self.reorder.push(place, bidirectional, number).is_ok());
        if !placed {
            // Damaged, or later than the stream allows: it takes the next free time.
            self.finish();
            self.rank(number);
        }
        while let Some(number) = self.reorder.pop() {
            self.rank(number);
        }
    }

    fn finish(&mut self) {
        while let Some(number) = self.reorder.drain() {
            self.rank(number);
        }
    }

    fn rank(&mut self, number: u64) {
        if let Some((_, rank)) = self.units.get_mut((number - self.first) as usize) {
            *rank = Some(self.ranks);
            self.ranks += 1;
        }
    }

    fn pop(&mut self) -> Option<AccessUnit> {
        let (_, Some(rank)) = self.units.front()? else { return None };
        let pts_us = (*rank as f64 * 1e6 / self.fps).round() as i64;
        let (unit, _) = self.units.pop_front()?;
        self.first += 1;
        Some(AccessUnit { pts_us, ..unit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::h264::sample;

    fn cuts(nals: &[&[u8]]) -> Vec<usize> {
        let mut assembly = Assembly::default();
        let mut sizes: Vec<usize> = Vec::new();
        let mut count = 0;
        for nal in nals {
            if assembly.push(nal).is_some() {
                sizes.push(count);
                count = 0;
            }
            count += 1;
        }
        sizes.extend(assembly.finish().map(|_| count));
        sizes
    }

    #[test]
    fn slices_of_one_picture_stay_together() {
        // Without parameter sets `first_mb_in_slice` decides: 0x88 begins with a 1 bit, 0x48 does not.
        let nals: [&[u8]; 7] = [
            &[0x65, 0x88],
            &[0x65, 0x48],
            &[0x41, 0x9a],
            &[0x41, 0x4a],
            &[0x06, 5],
            &[0x41, 0x9a],
            &[0x09, 0xf0],
        ];
        assert_eq!(cuts(&nals), [2, 2, 2]);
    }

    #[test]
    fn a_bare_stream_is_timed_by_display_order() {
        let path = std::env::temp_dir().join(format!("transom-{}-bare.h264", std::process::id()));
        std::fs::write(&path, sample::stream()).unwrap();
        let (clock, shutdown) = (Clock::system(), Shutdown::default());
        let mut stream = ByteStream::open(&path, clock, shutdown, Notices::none()).unwrap();
        assert_eq!(stream.info().fps, Some(10.0));
        for expected in sample::units() {
            let unit = stream.next().unwrap().unwrap();
            assert_eq!((unit.data, unit.pts_us), (expected.data, expected.pts_us));
            assert_eq!((unit.key, unit.reference), (expected.key, expected.reference));
        }
        assert!(stream.next().unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
    }
}
