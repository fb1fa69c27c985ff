use std::path::PathBuf;
use std::sync::Mutex;

use super::*;
use crate::base::Notice;
use crate::frame::h264::sample;

/// A file that goes with the test.
struct Scrap(PathBuf);

impl Scrap {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("transom-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(8 + body.len() as u32).to_be_bytes()[..], kind, &body].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The sample clip in MP4 at a time scale of 10, samples in front of the index; `edits` as in `elst`, in a
/// movie time scale of 1000.
fn mp4(edits: &[(u32, i32)], codec: &[u8; 4], length_size: usize) -> Vec<u8> {
    let (mut mdat, mut sizes, mut sets) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    for unit in sample::units() {
        let begun = mdat.len();
        for nal in h264::nal_units(&unit.data) {
            match h264::kind(nal) {
                nal_type::SPS => sets[0] = nal.to_vec(),
                nal_type::PPS => sets[1] = nal.to_vec(),
                _ => {
                    mdat.extend_from_slice(&(nal.len() as u32).to_be_bytes()[4 - length_size..]);
                    mdat.extend_from_slice(nal);
                }
            }
        }
        sizes.push((mdat.len() - begun) as u32);
    }
    // Composition two pictures late, as B pictures ask for.
    let offsets: Vec<u32> = sample::DISPLAY_ORDER
        .iter()
        .enumerate()
        .flat_map(|(at, shown)| [1, (*shown as i32 - at as i32 + 2).cast_unsigned()])
        .collect();
    let set = |set: &[u8]| [&[1][..], &(set.len() as u16).to_be_bytes(), set].concat();
    let head = [1, sets[0][1], sets[0][2], sets[0][3], 0xfc | (length_size as u8 - 1)];
    let avcc = boxed(b"avcC", &[&head, &set(&sets[0]), &set(&sets[1])]);
    let entry = boxed(codec, &[&[0; 78], &avcc]);
    let stbl = boxed(
        b"stbl",
        &[
            &boxed(b"stsd", &[&words(&[0, 1]), &entry]),
            &boxed(b"stts", &[&words(&[0, 1, 9, 1])]),
            &boxed(b"ctts", &[&words(&[0, 9]), &words(&offsets)]),
            &boxed(b"stss", &[&words(&[0, 2, 1, 7])]),
            &boxed(b"stsc", &[&words(&[0, 1, 1, 9, 1])]),
            &boxed(b"stsz", &[&words(&[0, 0, 9]), &words(&sizes)]),
            &boxed(b"stco", &[&words(&[0, 1, 16 + 8])]),
        ],
    );
    let list: Vec<u32> = edits.iter().flat_map(|edit| [edit.0, edit.1.cast_unsigned(), 0x1_0000]).collect();
    let edts = boxed(b"edts", &[&boxed(b"elst", &[&words(&[0, edits.len() as u32]), &words(&list)])]);
    let mdia = boxed(
        b"mdia",
        &[
            &boxed(b"mdhd", &[&words(&[0, 0, 0, 10, 9, 0])]),
            &boxed(b"hdlr", &[&words(&[0, 0]), b"vide", &[0; 13]]),
            &boxed(b"minf", &[&stbl]),
        ],
    );
    let tkhd = boxed(b"tkhd", &[&words(&[0, 0, 0, 1]), &[0; 68]]);
    let trak = boxed(b"trak", &[&tkhd, &edts, &mdia]);
    let moov = boxed(b"moov", &[&boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 900]), &[0; 80]]), &trak]);
    [boxed(b"ftyp", &[b"isomisom"]), boxed(b"mdat", &[&mdat]), moov].concat()
}

fn open(file: &Scrap, notices: Notices) -> Result<Recording> {
    Recording::open(&file.0, Clock::system(), Shutdown::default(), notices)
}

/// Times in tenths of a second, and whether shown, in decoding order.
fn play(file: &Scrap) -> Vec<(i64, bool)> {
    let mut recording = open(file, Notices::none()).unwrap();
    let mut units = Vec::new();
    while let Some(unit) = recording.next().unwrap() {
        units.push((unit.pts_us / 100_000, unit.shown));
    }
    units
}

#[test]
fn samples_become_the_units_they_were() {
    for length_size in [2, 4] {
        let file = Scrap::new(&format!("whole{length_size}.mp4"), &mp4(&[(900, 2)], b"avc1", length_size));
        let mut recording = open(&file, Notices::none()).unwrap();
        assert_eq!((recording.info().width, recording.info().pictures), (16, Some(9)));
        assert_eq!((recording.info().fps, recording.info().duration_us), (Some(10.0), Some(900_000)));
        for expected in sample::units() {
            let unit = recording.next().unwrap().unwrap();
            assert_eq!(unit.data, expected.data);
            assert_eq!(
                (unit.pts_us, unit.key, unit.reference, unit.shown),
                (expected.pts_us, expected.key, expected.reference, true)
            );
        }
        assert!(recording.next().unwrap().is_none());
    }
}

#[test]
fn time_starts_at_the_first_shown_picture_with_or_without_an_edit_list() {
    let all: Vec<(i64, bool)> = sample::DISPLAY_ORDER.iter().map(|shown| (*shown as i64, true)).collect();
    for (name, edits) in [("none", &[][..]), ("empty", &[(500, -1), (900, 2)]), ("open", &[(0, 2)])] {
        let file = Scrap::new(&format!("{name}.mp4"), &mp4(edits, b"avc1", 4));
        assert_eq!(play(&file), all, "{name}");
    }
}

#[test]
fn pictures_outside_the_edit_are_decoded_but_not_shown() {
    // From picture 3 to before picture 6: it starts at the IDR picture 0 and ends with picture 5.
    let file = Scrap::new("cut.mp4", &mp4(&[(300, 5)], b"avc1", 4));
    let expected = [(-3, false), (1, true), (-1, false), (-2, false), (0, true), (2, true)];
    assert_eq!(play(&file), expected);
    // A second edit starts over at its own IDR picture and goes on in time.
    let file = Scrap::new("two.mp4", &mp4(&[(300, 5), (200, 9)], b"avc1", 4));
    assert_eq!(play(&file)[6..], [(2, false), (4, true), (3, true)].map(|(at, shown)| (at, shown)));
}

#[test]
fn a_recording_cut_off_gives_what_is_there_and_says_so() {
    let whole = mp4(&[(900, 2)], b"avc1", 4);
    // The index in front, the samples behind it cut off: move the samples to the end.
    let mdat = 16;
    let length = u32::from_be_bytes(whole[mdat..mdat + 4].try_into().unwrap()) as usize;
    let (samples, moov) = (&whole[mdat..mdat + length], &whole[mdat + length..]);
    let mut moved = [&whole[..mdat], moov, samples].concat();
    let stco = moved.windows(4).position(|kind| kind == b"stco").unwrap() + 12;
    moved[stco..stco + 4].copy_from_slice(&(mdat as u32 + moov.len() as u32 + 8).to_be_bytes());
    moved.truncate(moved.len() - length / 2);
    let file = Scrap::new("half.mp4", &moved);
    let said = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&said);
    let mut recording = open(&file, Notices::new(move |notice| hear.lock().unwrap().push(notice))).unwrap();
    let mut units = 0;
    while recording.next().unwrap().is_some() {
        units += 1;
    }
    assert!((1..9).contains(&units));
    assert!(matches!(&said.lock().unwrap()[..], [Notice::Warn(text)] if text.contains("cut off")));
}

#[test]
fn what_is_no_h264_recording_is_named() {
    let whole = mp4(&[], b"avc1", 4);
    let cases: [(&str, &[u8], &str); 5] = [
        ("text.mp4", b"these are the days of our lives\n", "no MP4 file"),
        ("nothing.mp4", b"", "empty"),
        ("headless.mp4", &whole[..300], "moov"),
        ("hevc.mp4", &mp4(&[], b"hvc1", 4), "H.265"),
        ("video.mp4", &[boxed(b"ftyp", &[b"isom"]), boxed(b"moov", &[])].concat(), "no video track"),
    ];
    for (name, bytes, expected) in cases {
        let error = open(&Scrap::new(name, bytes), Notices::none()).err().unwrap();
        assert!(error.message().contains(expected) && error.message().contains(name), "{error}");
    }
}

#[test]
fn every_truncation_ends_in_an_error_or_fewer_units() {
    let whole = mp4(&[(900, 2)], b"avc1", 4);
    for cut in 0..whole.len() {
        let file = Scrap::new("truncated.mp4", &whole[..cut]);
        if let Ok(mut recording) = open(&file, Notices::none()) {
            let mut units = 0;
            while let Ok(Some(_)) = recording.next() {
                units += 1;
            }
            assert!(units <= 9);
        }
    }
}
