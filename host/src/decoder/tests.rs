use bytes::Bytes;
use h264_reader::nal::sps::{ChromaFormat, FrameMbsFlags, SeqParameterSet};
use h264_reader::nal::{NalHeader, WritableNal};
use md5::{Digest, Md5};

use super::*;
use crate::base::Kind;
use crate::frame::h264::sample;

/// Number, time and MD5 of each picture handed out.
type Seen = Vec<(u64, i64, String)>;

fn see(seen: &mut Seen, picture: &Picture) {
    assert_eq!(picture.captured_at_us - picture.pts_us, 1_000_000_000);
    let md5 = Md5::digest(picture.planes.bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    seen.push((picture.sequence, picture.pts_us, md5));
}

fn decode(units: &[AccessUnit], wanted: impl Fn(usize) -> bool) -> (Seen, DecoderReport) {
    let mut decoder = Decoder::new(Pool::default());
    let mut seen = Seen::new();
    for (at, unit) in units.iter().enumerate() {
        decoder.decode(unit, u64::from(wanted(at)), &mut |picture| see(&mut seen, &picture)).unwrap();
    }
    decoder.flush(&mut |picture| see(&mut seen, &picture));
    (seen, decoder.report())
}

fn whole() -> Seen {
    (0..9).map(|at| (at as u64, at as i64 * 100_000, sample::MD5[at].to_owned())).collect()
}

#[test]
fn b_pictures_come_in_display_order_each_with_its_time() {
    let (seen, report) = decode(&sample::units(), |_| true);
    assert_eq!(seen, whole());
    assert_eq!((report.decoded, report.corrupt, report.late), (9, 0, 0));
}

#[test]
fn pictures_wait_no_longer_than_the_stream_says() {
    let mut decoder = Decoder::new(Pool::default());
    let mut shown = Vec::new();
    for unit in sample::units() {
        let mut count = 0;
        decoder.decode(&unit, 1, &mut |_| count += 1).unwrap();
        shown.push(count);
    }
    // `max_num_reorder_frames` is 2; an IDR picture ends the wait of all before it.
    assert_eq!(shown, [0, 0, 1, 1, 1, 1, 2, 0, 1]);
}

#[test]
fn an_unwanted_picture_is_skipped_and_keeps_its_number() {
    let units = sample::units();
    let (seen, report) = decode(&units, |at| units[at].pts_us % 200_000 == 0);
    let even: Seen = whole().into_iter().step_by(2).collect();
    assert_eq!(seen, even);
    // Pictures 1, 3 and 7 are no one's reference; 5 is and must be decoded.
    assert_eq!((report.skipped, report.decoded), (3, 6));
}

#[test]
fn a_picture_that_is_not_to_be_shown_has_no_number() {
    let mut units = sample::units();
    units[0].shown = false;
    let (seen, _) = decode(&units, |_| true);
    let expected: Seen = whole().into_iter().skip(1).map(|(at, pts, md5)| (at - 1, pts, md5)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn after_a_lost_reference_pictures_wait_for_the_next_idr() {
    let mut units = sample::units();
    units.remove(1);
    let (seen, report) = decode(&units, |_| true);
    let numbers: Vec<u64> = seen.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, [0, 5, 6, 7]);
    assert_eq!(seen[1..].iter().map(|s| &s.2[..]).collect::<Vec<_>>(), sample::MD5[6..]);
    assert_eq!((report.corrupt, report.waited_for_key), (1, 3));
}

#[test]
fn pictures_before_the_first_idr_are_dropped_and_counted() {
    let (seen, report) = decode(&sample::units()[2..], |_| true);
    assert_eq!(seen.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!((report.waited_for_key, report.corrupt), (4, 0));
}

#[test]
fn damaged_bytes_neither_panic_nor_send_time_back() {
    let units = sample::units();
    for at in 0..units.len() {
        for byte in 0..units[at].data.len() {
            let mut damaged = units.clone();
            let mut data = damaged[at].data.to_vec();
            if byte % 2 == 0 {
                data[byte] ^= 1 << (byte % 8);
            } else {
                data.truncate(byte);
            }
            damaged[at].data = Bytes::from(data);
            let mut decoder = Decoder::new(Pool::default());
            let mut last = (-1, None);
            let mut check = |picture: Picture| {
                assert!(picture.pts_us > last.0 && Some(picture.sequence) > last.1);
                last = (picture.pts_us, Some(picture.sequence));
            };
            for unit in &damaged {
                // Parameter sets may have become those of an unsupported stream: an error, no more.
                let _ = decoder.decode(unit, 1, &mut check);
            }
            decoder.flush(&mut check);
        }
    }
}

#[test]
fn kinds_of_video_that_cannot_be_decoded_are_named() {
    type Change = fn(&mut SeqParameterSet);
    let changes: [(&str, Change); 5] = [
        ("interlaced", |sps| {
            sps.frame_mbs_flags = FrameMbsFlags::Fields { mb_adaptive_frame_field_flag: false };
        }),
        ("4:0:0", |sps| sps.chroma_info.chroma_format = ChromaFormat::Monochrome),
        ("4:2:2", |sps| sps.chroma_info.chroma_format = ChromaFormat::YUV422),
        ("4:4:4", |sps| sps.chroma_info.chroma_format = ChromaFormat::YUV444),
        ("8 bits", |sps| sps.chroma_info.bit_depth_luma_minus8 = 2),
    ];
    for (name, change) in changes {
        let mut unit = sample::units().swap_remove(0);
        let mut data = Vec::new();
        for nal in h264::nal_units(&unit.data) {
            match h264::read_sps(nal) {
                Some(mut sps) => {
                    change(&mut sps);
                    h264::append(&mut data, &sps.to_vec_with_header(NalHeader::new(nal[0]).unwrap()));
                }
                None => h264::append(&mut data, nal),
            }
        }
        unit.data = Bytes::from(data);
        let error = Decoder::new(Pool::default()).decode(&unit, 1, &mut |_| {}).unwrap_err();
        assert_eq!(error.kind(), Kind::Source);
        assert!(error.message().contains(name), "{error}");
    }
}
