//! Pictures as an MP4 file: H.264, constant quality.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};

use openh264::OpenH264API;
use openh264::encoder::{Encoder, EncoderConfig, FrameType, QpRange, RateControlMode};
use openh264::formats::{RgbSliceU8, YUVBuffer};
use shiguredo_mp4::boxes::{Avc1Box, AvccBox, SampleEntry, VisualSampleEntryFields};
use shiguredo_mp4::mux::{Mp4FileMuxer, Sample};
use shiguredo_mp4::{FixedPointNumber, TrackKind, Uint};

use super::Painted;
use crate::base::{Error, Result};

/// Times are in microseconds.
const TIMESCALE: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();
/// How long the last picture is shown where it is the only one.
const ALONE_US: u32 = 1_000_000;

/// An MP4 file that grows by a picture at a time. Not playable before [`Recording::finish`].
pub struct Recording {
    path: PathBuf,
    file: File,
    muxer: Mp4FileMuxer,
    encoder: Encoder,
    /// Of all pictures.
    size: Option<(u32, u32)>,
    /// Bytes of the file so far.
    end: u64,
    /// The sample whose duration the next picture tells, and when it is shown.
    pending: Option<(Sample, i64)>,
    last_us: u32,
    /// Whether the stream has been described.
    described: bool,
}

impl Recording {
    /// Creates the file; one that is there is overwritten.
    pub fn create(path: &Path) -> Result<Self> {
        let wrong = |why: String| Error::sink(format!("{}: {why}", path.display()));
        let config = EncoderConfig::new()
            .rate_control_mode(RateControlMode::Quality)
            .qp(QpRange::new(18, 30))
            .skip_frames(false)
            .num_threads(1);
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|error| wrong(format!("no encoder could be made: {error}")))?;
        let muxer = Mp4FileMuxer::new().map_err(|error| wrong(error.to_string()))?;
        let mut file = File::create(path).map_err(|error| wrong(format!("cannot be written: {error}")))?;
        let head = muxer.initial_boxes_bytes();
        file.write_all(head).map_err(|error| wrong(format!("cannot be written: {error}")))?;
        let end = head.len() as u64;
        let path = path.to_owned();
        Ok(Recording {
            path,
            file,
            muxer,
            encoder,
            size: None,
            end,
            pending: None,
            last_us: ALONE_US,
            described: false,
        })
    }

    /// Adds a picture, shown from `at_us` on; times only grow, sizes stay. A last odd row or column is left
    /// out: 4:2:0 has none.
    pub fn add(&mut self, picture: &Painted, at_us: i64) -> Result<()> {
        let (width, height) = (picture.width & !1, picture.height & !1);
        if *self.size.get_or_insert((width, height)) != (width, height) {
            return Err(self.wrong("the stream's pictures change size; an MP4 file has one size"));
        }
        if width == 0 || height == 0 || width > 3840 || height > 2160 {
            return Err(self.wrong(format!("{width}x{height} pixels are not 2x2 to 3840x2160")));
        }
        let (row, stride) = (width as usize * 3, picture.width as usize * 3);
        let pixels: Vec<u8> = picture
            .pixels
            .chunks_exact(stride)
            .take(height as usize)
            .flat_map(|whole| &whole[..row])
            .copied()
            .collect();
        let size = (width as usize, height as usize);
        let yuv = YUVBuffer::from_rgb8_source(RgbSliceU8::new(&pixels, size));
        let coded = self.encoder.encode(&yuv).map_err(|error| error.to_string());
        let coded = match &coded {
            Ok(coded) => coded,
            Err(error) => return Err(said(&self.path, format!("a picture could not be encoded: {error}"))),
        };
        let keyframe = matches!(coded.frame_type(), FrameType::IDR | FrameType::I);
        let (mut data, mut sets) = (Vec::new(), [Vec::new(), Vec::new()]);
        for layer in (0..coded.num_layers()).filter_map(|at| coded.layer(at)) {
            for unit in (0..layer.nal_count()).filter_map(|at| layer.nal_unit(at)) {
                let start = unit.iter().position(|byte| *byte != 0).map_or(unit.len(), |at| at + 1);
                let unit = unit.get(start..).unwrap_or_default();
                // ITU-T H.264 table 7-1: 7 is a sequence, 8 a picture parameter set.
                match unit.first().map(|byte| byte & 0x1f) {
                    Some(7) => sets[0].push(unit.to_vec()),
                    Some(8) => sets[1].push(unit.to_vec()),
                    Some(_) => {
                        data.extend_from_slice(&u32::try_from(unit.len()).unwrap_or(u32::MAX).to_be_bytes());
                        data.extend_from_slice(unit);
                    }
                    None => {}
                }
            }
        }
        self.settle(at_us)?;
        let sample_entry = if self.described { None } else { entry(width, height, sets) };
        self.described |= sample_entry.is_some();
        let sample = Sample {
            track_kind: TrackKind::Video,
            sample_entry,
            keyframe,
            timescale: TIMESCALE,
            duration: self.last_us,
            composition_time_offset: None,
            data_offset: self.end,
            data_size: data.len(),
        };
        self.file.write_all(&data).map_err(|error| self.wrong(format!("cannot be written: {error}")))?;
        self.end += data.len() as u64;
        self.pending = Some((sample, at_us));
        Ok(())
    }

    /// Gives on the picture before this time, which now has a duration.
    fn settle(&mut self, until_us: i64) -> Result<()> {
        let Some((mut sample, at_us)) = self.pending.take() else { return Ok(()) };
        sample.duration = u32::try_from((until_us - at_us).max(1)).unwrap_or(u32::MAX);
        self.last_us = sample.duration;
        self.muxer.append_sample(&sample).map_err(|error| said(&self.path, error.to_string()))
    }

    /// Ends the file. The last picture is shown as long as the one before it.
    pub fn finish(mut self) -> Result<()> {
        if let Some((_, at_us)) = self.pending {
            self.settle(at_us + i64::from(self.last_us))?;
        }
        let ended = self.muxer.finalize().map_err(|error| said(&self.path, error.to_string()))?;
        for (offset, bytes) in ended.offset_and_bytes_pairs() {
            let written = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.write_all(bytes));
            written.map_err(|error| said(&self.path, format!("cannot be written: {error}")))?;
        }
        Ok(())
    }

    fn wrong(&self, why: impl Into<String>) -> Error {
        said(&self.path, why)
    }
}

fn said(path: &Path, why: impl Into<String>) -> Error {
    Error::sink(format!("{}: {}", path.display(), why.into()))
}

/// The stream's description; none where the encoder gave no parameter sets.
fn entry(width: u32, height: u32, [sps, pps]: [Vec<Vec<u8>>; 2]) -> Option<SampleEntry> {
    let &[_, profile, compatibility, level, ..] = sps.first()?.as_slice() else { return None };
    // 72 dots an inch and a depth of 24, which ISO/IEC 14496-12 clause 12.1.3 prescribes.
    let inch = FixedPointNumber::new(72, 0);
    // Only the older profiles go without (ISO/IEC 14496-15 clause 5.3.3.1): 4:2:0, 8 bits.
    let newer = !matches!(profile, 66 | 77 | 88);
    Some(SampleEntry::Avc1(Avc1Box {
        visual: VisualSampleEntryFields {
            data_reference_index: NonZeroU16::MIN,
            width: u16::try_from(width).ok()?,
            height: u16::try_from(height).ok()?,
            horizresolution: inch,
            vertresolution: inch,
            frame_count: 1,
            compressorname: [0; 32],
            depth: 24,
        },
        avcc_box: AvccBox {
            avc_profile_indication: profile,
            profile_compatibility: compatibility,
            avc_level_indication: level,
            length_size_minus_one: Uint::new(3),
            sps_list: sps,
            pps_list: pps,
            chroma_format: newer.then(|| Uint::new(1)),
            bit_depth_luma_minus8: newer.then(|| Uint::new(0)),
            bit_depth_chroma_minus8: newer.then(|| Uint::new(0)),
            sps_ext_list: Vec::new(),
        },
        unknown_boxes: Vec::new(),
    }))
}
