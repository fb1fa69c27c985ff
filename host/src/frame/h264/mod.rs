//! What cameras and the decoder both read in an H.264 bitstream: NAL units, parameter sets, the head of a
//! picture and its place in display order. Never looks into macroblocks.

mod order;
#[cfg(test)]
pub(crate) mod sample;
mod sps;

use h264_reader::Context;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::{
    DecRefPicMarking, MemoryManagementControlOperation, PicOrderCountLsb, SliceFamily, SliceHeader,
};
use h264_reader::nal::sps::SeqParameterSet;
use h264_reader::nal::{Nal, NalHeader, RefNal};

pub use order::{Delay, OrderCount, Place, Reorder};
pub use sps::Stream;

/// NAL unit types (table 7-1) that matter here.
pub mod nal_type {
    /// Coded slice of a picture that is not IDR.
    pub const SLICE: u8 = 1;
    /// Coded slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
}

/// The type of a NAL unit: `nal_unit_type`, 0 for an empty one.
pub fn kind(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |head| head & 0x1f)
}

/// Whether a NAL unit is a slice of a primary coded picture.
pub fn is_slice(nal: &[u8]) -> bool {
    matches!(kind(nal), nal_type::SLICE | nal_type::IDR)
}

/// Whether other pictures may be predicted from this slice: `nal_ref_idc` is not 0.
pub fn is_reference(nal: &[u8]) -> bool {
    nal.first().is_some_and(|head| head & 0x60 != 0)
}

/// Where the next start code prefix (`00 00 01`) begins in `data` at or behind `from`.
pub fn start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    // A byte above 1 in third place rules out a prefix at all three places it could belong to.
    while let Some(third) = data.get(at + 2) {
        match third {
            0 => at += 1,
            1 if data[at] == 0 && data[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

/// The NAL units of an Annex-B byte stream, without start codes and padding; bytes in front of the first
/// start code are passed over.
pub fn nal_units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = start_code(data, 0).map(|at| at + 3);
    std::iter::from_fn(move || {
        while let Some(begin) = start {
            let next = start_code(data, begin);
            start = next.map(|at| at + 3);
            let nal = trimmed(&data[begin..next.unwrap_or(data.len())]);
            if !nal.is_empty() {
                return Some(nal);
            }
        }
        None
    })
}

/// A NAL unit without trailing zeros, which belong to the byte stream and not to it (B.1.1).
pub fn trimmed(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &nal[..end]
}

/// Appends a NAL unit with a 4-byte start code.
pub fn append(unit: &mut Vec<u8>, nal: &[u8]) {
    unit.extend_from_slice(&[0, 0, 0, 1]);
    unit.extend_from_slice(nal);
}

/// The parameter sets a stream has sent so far.
#[derive(Default)]
pub struct Parameters {
    context: Context,
}

/// The head of a picture: what its first slice says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureHead {
    /// An IDR picture: decoding can start here.
    pub key: bool,
    /// Others may be predicted from it.
    pub reference: bool,
    /// Its first slice is bidirectional.
    pub bidirectional: bool,
    /// `frame_num`.
    pub frame_num: u32,
    /// `idr_pic_id`, of an IDR picture.
    pub idr_id: Option<u32>,
    /// `pic_parameter_set_id`.
    pub pps_id: u8,
    /// `pic_order_cnt_lsb` and `delta_pic_order_cnt_bottom`, or `delta_pic_order_cnt[0, 1]`.
    pub order: (i64, i64),
    /// It empties the reference memory as an IDR picture does (memory management control operation 5).
    pub resets: bool,
}

impl Parameters {
    /// Keeps what `nal` says where it is a parameter set. Returns whether it is one that can be read.
    pub fn observe(&mut self, nal: &[u8]) -> bool {
        match kind(nal) {
            nal_type::SPS => match read_sps(nal) {
                Some(sps) => self.context.put_seq_param_set(sps),
                None => return false,
            },
            nal_type::PPS => {
                let bits = RefNal::new(nal, &[], true);
                match PicParameterSet::from_bits(&self.context, bits.rbsp_bits()) {
                    Ok(pps) => self.context.put_pic_param_set(pps),
                    Err(_) => return false,
                }
            }
            _ => return false,
        }
        true
    }

    /// Any sequence parameter set seen: where a stream has several they differ in little.
    pub fn first_sps(&self) -> Option<&SeqParameterSet> {
        self.context.sps().next()
    }

    /// What a slice says about its picture and which sequence parameter set it follows; `None` where it
    /// cannot be read or its parameter sets have not come.
    pub fn picture(&self, slice: &[u8]) -> Option<(PictureHead, &SeqParameterSet)> {
        if !is_slice(slice) {
            return None;
        }
        // A slice header is short; reading no further keeps a large slice cheap.
        let bits = RefNal::new(&slice[..slice.len().min(512)], &[], true);
        let header = NalHeader::new(slice[0]).ok()?;
        let (head, sps, pps) =
            SliceHeader::from_bits(&self.context, &mut bits.rbsp_bits(), header, None).ok()?;
        let order = match head.pic_order_cnt_lsb {
            Some(PicOrderCountLsb::Frame(lsb)) => (i64::from(lsb), 0),
            Some(PicOrderCountLsb::FieldsAbsolute { pic_order_cnt_lsb, delta_pic_order_cnt_bottom }) => {
                (i64::from(pic_order_cnt_lsb), i64::from(delta_pic_order_cnt_bottom))
            }
            Some(PicOrderCountLsb::FieldsDelta([top, bottom])) => (i64::from(top), i64::from(bottom)),
            None => (0, 0),
        };
        let resets = matches!(&head.dec_ref_pic_marking, Some(DecRefPicMarking::Adaptive(operations))
            if operations.iter().any(|o| matches!(o, MemoryManagementControlOperation::AllRefPicturesUnused)));
        let head = PictureHead {
            key: kind(slice) == nal_type::IDR,
            reference: is_reference(slice),
            bidirectional: head.slice_type.family == SliceFamily::B,
            frame_num: u32::from(head.frame_num),
            idr_id: head.idr_pic_id,
            pps_id: pps.pic_parameter_set_id.id(),
            order,
            resets,
        };
        Some((head, sps))
    }
}

/// Reads a sequence parameter set; `None` where it is damaged.
pub fn read_sps(nal: &[u8]) -> Option<SeqParameterSet> {
    if kind(nal) != nal_type::SPS {
        return None;
    }
    SeqParameterSet::from_bits(RefNal::new(nal, &[], true).rbsp_bits()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_codes_of_either_length_part_nal_units() {
        let stream = [9, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 0, 3, 0, 0, 0, 0, 1, 0x65, 0xff, 0, 0];
        let nals: Vec<&[u8]> = nal_units(&stream).collect();
        assert_eq!(nals, [&[0x67, 1, 2][..], &[0x68, 0, 3], &[0x65, 0xff]]);
        assert_eq!(nal_units(&[0, 0, 1]).count(), 0);
        assert_eq!(nal_units(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn damaged_parameter_sets_are_refused_without_harm() {
        let mut parameters = Parameters::default();
        for length in 1..12 {
            assert!(!parameters.observe(&vec![0x67; length][..1]));
            assert!(!parameters.observe(&vec![0x68; length]));
        }
        assert!(parameters.picture(&[0x65, 0x88, 0x84]).is_none());
    }
}
