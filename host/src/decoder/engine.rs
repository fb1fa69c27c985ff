//! openh264, tamed: one access unit in, its own picture out.
//!
//! openh264 keeps a reordering queue of its own that has no timestamps, holds back a picture even where
//! nothing is reordered, and loses picture buffers when it is flushed between pictures (its
//! `ReleaseBufferedReadyPictureReorder` gives no buffer back without a context), which ends a stream after
//! a few dozen. It does not use that queue for profiles 66 and 83 (`ReorderPicturesInDisplay`: baseline
//! has no B pictures). So it is told that every stream is profile 83: the sequence parameter set of profile
//! 83 has the same fields as High profile's, of which Main's are a part, and nothing else in the decoder
//! asks for the profile but a choice between two ways to order reference lists that 66 alone decides
//! otherwise. Pictures then come out in decoding order at once, and [`crate::frame::h264::Reorder`] sorts them.

use h264_reader::nal::{NalHeader, WritableNal};
use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use crate::base::{Error, Result};
use crate::frame::h264::{self, Stream, nal_type};
use crate::frame::{Color, Planes, Pool};

/// `profile_idc` of Scalable Baseline, whose pictures openh264 hands out as they are decoded.
const UNSORTED_PROFILE: u8 = 83;

/// What became of a unit.
pub(super) enum Outcome {
    /// It was decoded; here is its picture, where one was asked for.
    Picture(Option<(Planes, Color)>),
    /// It was not.
    Damaged,
}

/// One openh264 decoder.
pub(super) struct Engine {
    decoder: Decoder,
}

impl Engine {
    pub(super) fn new() -> Result<Self> {
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let decoder = Decoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|error| Error::internal(format!("cannot start the H.264 decoder: {error}")))?;
        Ok(Self { decoder })
    }

    /// Decodes one access unit and copies its picture to `pool`, if there is one.
    pub(super) fn decode(&mut self, unit: &[u8], stream: &Stream, pool: Option<&Pool>) -> Outcome {
        let rewritten = disguised(unit);
        match self.decoder.decode(rewritten.as_deref().unwrap_or(unit)) {
            Ok(Some(picture)) => match pool {
                Some(pool) => copied(&picture, stream, pool)
                    .map_or(Outcome::Damaged, |planes| Outcome::Picture(Some((planes, stream.color)))),
                None => Outcome::Picture(None),
            },
            Ok(None) | Err(_) => Outcome::Damaged,
        }
    }
}

/// The unit with the profile of its sequence parameter sets replaced; `None` where it has none.
fn disguised(unit: &[u8]) -> Option<Vec<u8>> {
    // Parameter sets come before the first slice (7.4.1.2.3): a unit without them is not searched further.
    let head = h264::nal_units(unit).take_while(|nal| !h264::is_slice(nal));
    if !head.into_iter().any(|nal| h264::kind(nal) == nal_type::SPS) {
        return None;
    }
    let mut rewritten = Vec::with_capacity(unit.len() + 64);
    for nal in h264::nal_units(unit) {
        match h264::read_sps(nal) {
            Some(mut sps) => {
                sps.profile_idc = UNSORTED_PROFILE.into();
                // Only players ask for it, and openh264 is stricter about it than cameras are.
                sps.vui_parameters = None;
                let Ok(header) = NalHeader::new(nal[0]) else { continue };
                h264::append(&mut rewritten, &sps.to_vec_with_header(header));
            }
            None => h264::append(&mut rewritten, nal),
        }
    }
    Some(rewritten)
}

/// A copy of `picture`; `None` where its size is not the stream's.
fn copied(picture: &DecodedYUV<'_>, stream: &Stream, pool: &Pool) -> Option<Planes> {
    let (width, height) = picture.dimensions();
    if (width, height) != (stream.width as usize, stream.height as usize) {
        return None;
    }
    let mut planes = pool.take(stream.width, stream.height);
    let (y_stride, u_stride, v_stride) = picture.strides();
    let chroma_width = planes.chroma_width() as usize;
    let [y, u, v] = planes.yuv_mut();
    copy_rows(y, width, picture.y(), y_stride)?;
    copy_rows(u, chroma_width, picture.u(), u_stride)?;
    copy_rows(v, chroma_width, picture.v(), v_stride)?;
    Some(planes)
}

fn copy_rows(to: &mut [u8], width: usize, from: &[u8], stride: usize) -> Option<()> {
    if stride < width || from.len() < stride * (to.len() / width).saturating_sub(1) + width {
        return None;
    }
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks(stride)) {
        to.copy_from_slice(&from[..width]);
    }
    Some(())
}
