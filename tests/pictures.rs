//! Pictures: every one of a recording, in order, at its time, and ffmpeg's own.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use transom::decoder::{Decoder, Picture};
use transom::frame::{AccessUnit, Pool};

use crate::support::video::{annexb, ffmpeg_is_here, ffmpeg_pictures, units};
use crate::support::{app, events, file, finish, guest, shared_data, transom, wait};

/// B pictures may differ from ffmpeg's by less than anybody can see (host/docs/decisions/0003). Nothing is
/// predicted from them, so that it stays at that.
const LEAST_PSNR: f64 = 70.0;

/// What `--frame-md5` says of a recording, but who made it.
fn frame_md5(clip: &Path) -> Vec<String> {
    let done = finish(transom(["probe", "--frame-md5"]).arg(clip));
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""));
    without_maker(&done.stdout)
}

fn without_maker(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.starts_with("#software")).map(str::to_owned).collect()
}

/// What ffmpeg says of a shipped clip, kept beside it.
fn kept_md5(name: &str) -> Vec<String> {
    without_maker(&std::fs::read_to_string(file(&format!("tests/clips/{name}.framemd5"))).unwrap())
}

/// Lines without their hash: stream, times, duration and size.
fn columns(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.rsplit_once(", ").map_or(line.as_str(), |(columns, _)| columns)).collect()
}

/// Presentation times, in pictures, of those whose hashes differ.
fn differing(ours: &[String], theirs: &[String]) -> Vec<u64> {
    let pairs = ours.iter().zip(theirs).filter(|(ours, theirs)| ours != theirs);
    pairs.map(|(ours, _)| ours.split(", ").nth(2).unwrap().trim().parse().unwrap()).collect()
}

/// Times, in pictures, of the units no other picture is predicted from.
fn unreferenced(units: &[AccessUnit], fps: f64) -> HashSet<u64> {
    let at = |unit: &AccessUnit| (unit.pts_us as f64 * fps / 1e6).round() as u64;
    units.iter().filter(|unit| !unit.reference).map(at).collect()
}

/// Decodes `units` and hands on every picture; `wanted` says whose pictures are asked for.
fn decode(units: &[AccessUnit], wanted: impl Fn(&AccessUnit) -> bool, mut take: impl FnMut(Picture)) {
    let mut decoder = Decoder::new(Pool::default());
    for unit in units {
        decoder.decode(unit, u64::from(wanted(unit)), &mut take).unwrap();
    }
    decoder.flush(&mut take);
    let report = decoder.report();
    assert_eq!((report.corrupt, report.waited_for_key, report.late), (0, 0, 0));
}

/// The worst PSNR of a picture of the clip against ffmpeg's, over all three planes, and how many pictures
/// were compared.
fn worst_psnr(clip: &Path) -> (f64, usize) {
    let units = units(clip);
    let mut ours = VecDeque::new();
    let mut decoder = Decoder::new(Pool::default());
    let mut next = units.iter();
    let (mut worst, mut compared) = (f64::INFINITY, 0);
    let mut size = 0;
    decode(&units[..1], |_| true, |picture| size = picture.planes.bytes().len());
    ffmpeg_pictures(clip, size, |theirs| {
        while ours.is_empty() {
            let mut take = |picture: Picture| ours.push_back(picture.planes);
            match next.next() {
                Some(unit) => decoder.decode(unit, 1, &mut take).unwrap(),
                None => decoder.flush(&mut take),
            }
            assert!(next.len() > 0 || !ours.is_empty(), "ffmpeg has more pictures than we");
        }
        let ours = ours.pop_front().unwrap();
        worst = worst.min(psnr(ours.bytes(), theirs));
        compared += 1;
    });
    decoder.flush(&mut |picture| ours.push_back(picture.planes));
    assert!(next.len() == 0 && ours.is_empty(), "ffmpeg has fewer pictures than we");
    (worst, compared)
}

fn psnr(ours: &[u8], theirs: &[u8]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let error: u64 = ours.iter().zip(theirs).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (255.0 * 255.0 * ours.len() as f64 / error as f64).log10()
}

#[test]
fn every_picture_of_a_baseline_recording_is_ffmpegs_bit_for_bit() {
    assert_eq!(frame_md5(&file("tests/clips/plain.mp4")), kept_md5("plain"));
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_probe_quietly() {
    let mut child = transom(["probe", "--frame-md5"]).arg(file("tests/clips/entrance.mp4")).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    drop(lines);
    let done = wait(child, Duration::from_secs(60));
    assert_eq!((done.code(), done.stderr.as_str()), (0, ""));
}

#[test]
fn with_b_frames_order_and_times_are_ffmpegs_and_so_is_every_reference_picture() {
    let clip = file("tests/clips/entrance.mp4");
    let (ours, theirs) = (frame_md5(&clip), kept_md5("entrance"));
    assert_eq!(columns(&ours), columns(&theirs));
    let unreferenced = unreferenced(&units(&clip), 25.0);
    let differing = differing(&ours, &theirs);
    assert!(differing.iter().all(|at| unreferenced.contains(at)), "{differing:?}");
}

#[test]
fn no_picture_can_be_told_from_ffmpegs() {
    if !ffmpeg_is_here() {
        return;
    }
    for (name, count) in [("plain", 150), ("entrance", 1000)] {
        let (worst, compared) = worst_psnr(&file(&format!("tests/clips/{name}.mp4")));
        assert_eq!(compared, count);
        assert!(worst > LEAST_PSNR, "{name}: {worst:.2} dB");
    }
}

#[test]
fn a_real_recording_with_b_frames_and_an_edit_list_gives_ffmpegs_pictures() {
    let Some(data) = shared_data() else { return };
    let clip = data.join("clips/one-by-one-person-detection.mp4");
    let ours = frame_md5(&clip);
    assert_eq!(ours.iter().filter(|line| !line.starts_with('#')).count(), 1394);
    if !ffmpeg_is_here() {
        return;
    }
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(&clip).args(["-an", "-f", "framemd5", "-"]);
    ffmpeg.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    let theirs = without_maker(&finish(&mut ffmpeg).stdout);
    assert_eq!(columns(&ours), columns(&theirs));
    let unreferenced = unreferenced(&units(&clip), 10.0);
    let differing = differing(&ours, &theirs);
    assert!(differing.iter().all(|at| unreferenced.contains(at)), "{differing:?}");
    let (worst, compared) = worst_psnr(&clip);
    assert_eq!(compared, 1394);
    assert!(worst > LEAST_PSNR, "{worst:.2} dB");
}

#[test]
fn a_bare_stream_gives_the_pictures_and_times_of_its_mp4() {
    let folder = tempfile::tempdir().unwrap();
    for (name, expected) in
        [("plain", kept_md5("plain")), ("entrance", frame_md5(&file("tests/clips/entrance.mp4")))]
    {
        let bare = folder.path().join(name).with_extension("h264");
        let units = units(&file(&format!("tests/clips/{name}.mp4")));
        std::fs::write(&bare, annexb(&units)).unwrap();
        assert_eq!(frame_md5(&bare), expected, "{name}");
    }
}

#[test]
fn pictures_nobody_wants_change_nothing_about_the_others() {
    let units: Vec<AccessUnit> = units(&file("tests/clips/entrance.mp4")).into_iter().take(200).collect();
    let seen = |wanted: &dyn Fn(&AccessUnit) -> bool| {
        let mut seen = Vec::new();
        decode(&units, wanted, |picture| {
            let mut hash = DefaultHasher::new();
            picture.planes.bytes().hash(&mut hash);
            seen.push((picture.sequence, picture.pts_us, hash.finish()));
        });
        seen
    };
    let all = seen(&|_| true);
    assert_eq!(all.len(), 200);
    for nth in [2, 3, 7, 50] {
        let picked = |pts_us: i64| pts_us / 40_000 % nth == 0;
        let expected: Vec<_> = all.iter().copied().filter(|(_, pts_us, _)| picked(*pts_us)).collect();
        assert_eq!(seen(&|unit| picked(unit.pts_us)), expected, "every {nth}th");
    }
}

#[test]
fn an_app_that_wants_fewer_frames_is_told_the_same_of_those_it_gets() {
    let told = |max_fps: &str, frames: &str| -> BTreeMap<u64, Value> {
        let folder = app(&format!(
            "[app]\nname = \"fewer\"\nversion = \"1.0.0\"\ntitle = \"Test\"\n\
             [cameras.camera]\n{max_fps}\n\
             [models.detector]\npath = {:?}\n\
             [params.threshold]\ntype = \"float\"\ndefault = 0.5\n\
             [plugins.detections]\ncomponent = {:?}\nmodels = [\"detector\"]\n",
            file("models/person"),
            guest("detections")
        ));
        let camera = format!("camera={}", file("tests/clips/entrance.mp4").display());
        let done = finish(transom(["run", "--frames", frames, "--camera", &camera]).arg(folder.path()));
        assert_eq!(done.code(), 0, "{}", done.stderr);
        let events = events(&done.stdout).into_iter();
        let facts = |event: Value| {
            let facts = serde_json::json!([event["media_time_us"], event["detections"]]);
            (event["frame"].as_u64().unwrap(), facts)
        };
        events.map(facts).collect()
    };
    let (all, fewer) = (told("", "200"), told("max_fps = 10", "80"));
    assert_eq!((all.len(), fewer.len()), (200, 80));
    assert!(fewer.iter().all(|(frame, facts)| all.get(frame) == Some(facts)));
}
