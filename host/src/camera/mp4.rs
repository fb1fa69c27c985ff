//! Recordings in MP4: H.264 with exact times, edit lists honoured, read sample by sample.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes as Shared;

use super::boxes::{self, Bytes, Edit, Track, child};
use super::samples::{self, Defaults, Sample};
use super::{Health, Source, StreamInfo, read_up_to};
use crate::base::{Clock, Error, Notices, Result, Shutdown};
use crate::frame::AccessUnit;
use crate::frame::h264::{self, Stream, nal_type};

/// A larger index (`moov`, `moof`) is a damaged file.
const LARGEST_INDEX: u64 = 256 << 20;

/// A larger sample is a damaged file: level 6.2 allows 240,000 kbit/s.
const LARGEST_SAMPLE: u32 = 64 << 20;

/// A recording being played.
pub(super) struct Recording {
    name: String,
    file: File,
    info: StreamInfo,
    health: Arc<Health>,
    notices: Notices,
    shutdown: Shutdown,
    opened_at_us: i64,
    timescale: i64,
    length_size: usize,
    parameter_sets: Vec<u8>,
    samples: Vec<Sample>,
    segments: Vec<Segment>,
    segment: usize,
    next: usize,
    ended: bool,
}

/// A stretch of samples to be played in decoding order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    first: usize,
    /// One behind the last.
    end: usize,
    /// Media times shown: from `start` on and before `until`.
    start: i64,
    until: i64,
    /// What is taken from media time to get time since the first shown picture, in the track's time scale.
    zero: i64,
}

impl Recording {
    pub(super) fn open(path: &Path, clock: Clock, shutdown: Shutdown, notices: Notices) -> Result<Self> {
        let name = path.display().to_string();
        let wrong = |what: &str| Error::source(format!("`{name}`: {what}"));
        let mut file = File::open(path).map_err(|error| wrong(&error.to_string()))?;
        let size = file.metadata().map_err(|error| wrong(&error.to_string()))?.len();
        let index = Index::read(&mut file, size).map_err(|what| wrong(&what))?;
        let moov = Bytes(&index.moov);

        let tracks: Vec<Track<'_>> = boxes::boxes(moov.0)
            .filter(|(kind, _)| kind == b"trak")
            .filter_map(|(_, trak)| Track::read(trak))
            .collect();
        let track = tracks.iter().find(|track| &track.handler == b"vide");
        let track = track.ok_or_else(|| wrong("there is no video track in it"))?;
        if !matches!(&track.codec, b"avc1" | b"avc3") {
            return Err(wrong(&format!(
                "the video is {}; only H.264 is supported: convert it with `ffmpeg -i IN -c:v libx264 OUT.mp4`",
                codec_name(track.codec)
            )));
        }
        let avcc = track.avcc.and_then(boxes::avcc);
        let (length_size, sets) = avcc.ok_or_else(|| wrong("its H.264 description (`avcC`) is damaged"))?;
        let sets: Vec<&[u8]> = sets.into_iter().map(h264::trimmed).filter(|set| !set.is_empty()).collect();

        let samples = index.samples(track, size).ok_or_else(|| wrong("its sample table is damaged"))?;
        let movie_scale = child(moov, b"mvhd").and_then(movie_timescale).unwrap_or(1000);
        let timescale = i64::from(track.timescale.max(1));
        let segments = segments(&samples, &track.edits, timescale, i64::from(movie_scale.max(1)));
        if segments.is_empty() {
            return Err(wrong("it holds no pictures"));
        }

        let stream = sets.iter().find_map(|set| Stream::of(&h264::read_sps(set)?));
        let stream = stream.or_else(|| first_stream(&mut file, samples[segments[0].first], length_size));
        let stream = stream.ok_or_else(|| wrong("it carries no readable parameter sets"))?;

        let health = Arc::<Health>::default();
        health.set_connected(true);
        Ok(Self {
            info: describe(&stream, &samples, &segments, timescale),
            name,
            file,
            health,
            notices,
            shutdown,
            opened_at_us: clock.wall_us(),
            timescale,
            length_size,
            parameter_sets: sets.iter().fold(Vec::new(), |mut all, set| {
                h264::append(&mut all, set);
                all
            }),
            next: segments[0].first,
            samples,
            segments,
            segment: 0,
            ended: false,
        })
    }

    /// One sample as an access unit; `None` where it holds no slice.
    fn unit(&self, sample: Sample, segment: Segment, data: &[u8]) -> Option<AccessUnit> {
        let (mut key, mut reference, mut carries_sets, mut slices) = (false, false, false, false);
        let mut unit = Vec::with_capacity(data.len() + self.parameter_sets.len() + 64);
        let mut delimiter = 0;
        for nal in lengths(data, self.length_size) {
            match h264::kind(nal) {
                nal_type::AUD if unit.is_empty() => {
                    h264::append(&mut unit, nal);
                    delimiter = unit.len();
                    continue;
                }
                nal_type::IDR => key = true,
                nal_type::SPS => carries_sets = true,
                _ => {}
            }
            if h264::is_slice(nal) {
                slices = true;
                reference |= h264::is_reference(nal);
            }
            h264::append(&mut unit, nal);
        }
        if !slices {
            return None;
        }
        if (key || sample.sync) && !carries_sets {
            unit.splice(delimiter..delimiter, self.parameter_sets.iter().copied());
        }
        let pts_us = microseconds(sample.pts.saturating_sub(segment.zero), self.timescale);
        Some(AccessUnit {
            data: Shared::from(unit),
            pts_us,
            captured_at_us: self.opened_at_us.saturating_add(pts_us),
            key,
            reference,
            shown: segment.shows(sample.pts),
            discontinuity: self.segment > 0 && self.next == segment.first,
        })
    }

    fn finish(&mut self) {
        self.ended = true;
        self.health.set_connected(false);
    }
}

impl Source for Recording {
    fn info(&self) -> &StreamInfo {
        &self.info
    }

    fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    fn next(&mut self) -> Result<Option<AccessUnit>> {
        while !self.ended && !self.shutdown.is_stopped() {
            let Some(segment) = self.segments.get(self.segment).copied() else {
                self.finish();
                break;
            };
            if self.next >= segment.end {
                self.segment += 1;
                self.next = self.segments.get(self.segment).map_or(0, |segment| segment.first);
                continue;
            }
            let sample = self.samples[self.next];
            let data = read_sample(&mut self.file, sample)
                .map_err(|error| Error::source(format!("`{}`: cannot be read: {error}", self.name)))?;
            let Some(data) = data else {
                let left = self.samples.len() - self.next;
                self.notices.warn(format!(
                    "`{}` is cut off: the last {left} of {} pictures are missing from the file",
                    self.name,
                    self.samples.len()
                ));
                self.finish();
                break;
            };
            let unit = self.unit(sample, segment, &data);
            self.next += 1;
            if let Some(unit) = unit {
                self.health.received(unit.data.len());
                return Ok(Some(unit));
            }
        }
        Ok(None)
    }
}

impl Segment {
    fn shows(&self, pts: i64) -> bool {
        (self.start..self.until).contains(&pts)
    }
}

fn microseconds(time: i64, timescale: i64) -> i64 {
    let scaled = i128::from(time) * 1_000_000;
    // Rounded to the nearest, as ffmpeg's `av_rescale_q` does.
    let rounded = (scaled.abs() + i128::from(timescale / 2)) / i128::from(timescale) * scaled.signum();
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

/// The stream of an `avc3` track, whose parameter sets are in its samples.
fn first_stream(file: &mut File, sample: Sample, length_size: usize) -> Option<Stream> {
    let data = read_sample(file, sample).ok()??;
    lengths(&data, length_size).find_map(|nal| Stream::of(&h264::read_sps(nal)?))
}

fn describe(stream: &Stream, samples: &[Sample], segments: &[Segment], timescale: i64) -> StreamInfo {
    let mut times: Vec<i64> = Vec::new();
    for segment in segments {
        let shown = samples[segment.first..segment.end].iter().filter(|sample| segment.shows(sample.pts));
        times.extend(shown.map(|sample| sample.pts.saturating_sub(segment.zero)));
    }
    times.sort_unstable();
    // The last picture stays for as long as the one before it did.
    let duration = match times.as_slice() {
        [.., before, last] => last.saturating_add(last - before),
        _ => 0,
    };
    let mut info = StreamInfo::new("mp4", false, stream);
    info.duration_us = Some(microseconds(duration, timescale));
    info.pictures = Some(times.len() as u64);
    if duration > 0 {
        info.fps = Some(times.len() as f64 * timescale as f64 / duration as f64);
    }
    info
}

/// What to play, by the edit list, as ffmpeg does (`mov_fix_index` in libavformat/mov.c): each edit starts
/// at the last sync sample not shown after it, so that its first picture can be decoded; pictures outside
/// the edit are decoded for the others' sake and not shown; edits follow each other without the pauses that
/// empty ones ask for, as time counts from the first shown picture.
fn segments(samples: &[Sample], edits: &[Edit], timescale: i64, movie_scale: i64) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let whole = [Edit { duration: 0, start: Some(i64::MIN) }];
    let played = if edits.iter().any(|edit| edit.start.is_some()) { edits } else { &whole };
    let mut played_so_far = 0_i64;
    let mut first_shown = 0_i64;
    // An edit list that plays the same pictures again and again is an attack, not a recording.
    let mut budget = samples.len().saturating_mul(4).saturating_add(1000);
    for edit in played {
        let Some(start) = edit.start else { continue };
        let duration = i128::from(edit.duration) * i128::from(timescale);
        let duration = (duration + i128::from(movie_scale / 2)) / i128::from(movie_scale);
        let duration = i64::try_from(duration).unwrap_or(i64::MAX);
        let until = if duration == 0 { i64::MAX } else { start.saturating_add(duration) };
        let range = start..until;
        let Some(last) = samples.iter().rposition(|s| range.contains(&s.pts)) else { continue };
        let Some(shown) = samples.iter().map(|s| s.pts).filter(|pts| range.contains(pts)).min() else {
            continue;
        };
        let opening = samples[..=last].iter().position(|s| range.contains(&s.pts)).unwrap_or(last);
        let first = samples[..=opening].iter().rposition(|s| s.sync && s.pts <= shown).unwrap_or(0);
        let zero = match segments.is_empty() {
            true => shown,
            false => start.saturating_sub(played_so_far).saturating_add(first_shown),
        };
        if segments.is_empty() {
            first_shown = if start == i64::MIN { 0 } else { shown - start };
        }
        let length = last + 1 - first;
        let Some(left) = budget.checked_sub(length) else { break };
        budget = left;
        segments.push(Segment { first, end: last + 1, start, until, zero });
        played_so_far = played_so_far.saturating_add(duration);
    }
    segments
}

fn movie_timescale(mut mvhd: Bytes<'_>) -> Option<u32> {
    let (version, _) = mvhd.full()?;
    mvhd.skip(if version == 0 { 8 } else { 16 })?.u32()
}

fn codec_name(codec: boxes::Kind) -> String {
    let name = match &codec {
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "H.265",
        b"av01" => "AV1",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"mp4v" => "MPEG-4 Visual",
        b"jpeg" | b"mjpa" | b"mjpb" => "Motion JPEG",
        b"encv" => "encrypted",
        _ => return format!("`{}`", codec.escape_ascii()),
    };
    name.to_owned()
}

/// The NAL units of a sample, each led by its length in `length_size` bytes; a unit cut off ends the list.
fn lengths(data: &[u8], length_size: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = Bytes(data);
    std::iter::from_fn(move || {
        loop {
            let length = rest.take(length_size)?.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
            let nal = rest.take(length.min(rest.0.len()))?;
            let nal = h264::trimmed(nal);
            if !nal.is_empty() {
                return Some(nal);
            }
        }
    })
}

/// A sample's bytes; `None` where the file ends before them.
fn read_sample(file: &mut File, sample: Sample) -> std::io::Result<Option<Vec<u8>>> {
    if sample.size > LARGEST_SAMPLE {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(sample.offset))?;
    let mut data = vec![0; sample.size as usize];
    match file.read_exact(&mut data) {
        Ok(()) => Ok(Some(data)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The index boxes of a file, in memory.
struct Index {
    moov: Vec<u8>,
    /// Movie fragments and where each begins.
    moofs: Vec<(u64, Vec<u8>)>,
}

impl Index {
    /// Reads the top-level boxes; the error says what is wrong with the file.
    fn read(file: &mut File, size: u64) -> Result<Self, String> {
        if size == 0 {
            return Err("the file is empty".to_owned());
        }
        let (mut moov, mut moofs, mut held, mut known) = (None, Vec::new(), 0, false);
        let mut at = 0;
        while at < size {
            let mut head = [0; 16];
            file.seek(SeekFrom::Start(at)).map_err(|error| error.to_string())?;
            let got = read_up_to(file, &mut head).map_err(|error| error.to_string())?;
            let Some((kind, length, head_size)) = boxes::header(&mut Bytes(&head[..got])) else { break };
            known |= matches!(
                &kind,
                b"ftyp" | b"moov" | b"mdat" | b"moof" | b"styp" | b"wide" | b"free" | b"skip"
            );
            if !known {
                break;
            }
            let length = if length == 0 { size - at } else { length };
            let whole = length >= head_size && length <= size - at;
            if whole && matches!(&kind, b"moov" | b"moof") {
                held += length;
                if held > LARGEST_INDEX {
                    return Err("its index is too large to be true".to_owned());
                }
                let mut body = vec![0; (length - head_size) as usize];
                file.seek(SeekFrom::Start(at + head_size)).map_err(|error| error.to_string())?;
                file.read_exact(&mut body).map_err(|error| error.to_string())?;
                if &kind == b"moov" {
                    moov.get_or_insert(body);
                } else {
                    moofs.push((at, body));
                }
            }
            if !whole {
                break;
            }
            at += length;
        }
        if !known {
            let remedy = "if it is video, convert it with `ffmpeg -i IN -c:v libx264 OUT.mp4`";
            return Err(format!("this is no MP4 file; {remedy}"));
        }
        let moov = moov.ok_or_else(|| {
            "its index (`moov`) is missing: the file was cut off before it was finished; record again, or \
             record fragmented MP4, which survives a cut"
                .to_owned()
        })?;
        Ok(Self { moov, moofs })
    }

    fn samples(&self, track: &Track<'_>, file_size: u64) -> Option<Vec<Sample>> {
        let mut samples = samples::from_table(track.table, file_size)?;
        let defaults = child(Bytes(&self.moov), b"mvex").and_then(|mvex| Defaults::of(mvex, track.id));
        let mut dts = 0;
        for (start, moof) in &self.moofs {
            let defaults = defaults.unwrap_or_default();
            samples::from_fragment(Bytes(moof), *start, track.id, defaults, &mut dts, &mut samples)?;
        }
        Some(samples)
    }
}
