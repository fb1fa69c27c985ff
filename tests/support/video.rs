//! Video for tests: a clip's access units, its apps, and what ffmpeg makes of it.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use transom::base::{Clock, Notices, Shutdown};
use transom::camera::{self, Options};
use transom::frame::AccessUnit;

use super::rtsp_camera::Clip;
use super::skip;

/// The access units of a recording, in decoding order, as the host reads them.
pub(crate) fn units(clip: &Path) -> Vec<AccessUnit> {
    let options = Options { location: clip.display().to_string(), ..Options::default() };
    let mut source = camera::open(&options, Clock::system(), &Shutdown::default(), &Notices::none())
        .unwrap_or_else(|error| panic!("{error}"));
    std::iter::from_fn(|| source.next().expect("the clip can be read")).collect()
}

/// The bare H.264 stream of a recording.
pub(crate) fn annexb(units: &[AccessUnit]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.data.iter().copied()).collect()
}

/// The first `count` units of a recording at 25 a second, for the fake camera.
pub(crate) fn clip(recording: &Path, count: usize) -> Clip {
    let units: Vec<AccessUnit> = units(recording).into_iter().take(count).collect();
    let mut clip = Clip::from_annexb(&annexb(&units), 25.0).expect("the clip has parameter sets and slices");
    assert_eq!(clip.units.len(), units.len(), "both sides cut the stream alike");
    for (sent, read) in clip.units.iter_mut().zip(&units) {
        sent.pts_us = read.pts_us;
    }
    clip
}

/// Whether ffmpeg is here; says so where it is not.
pub(crate) fn ffmpeg_is_here() -> bool {
    let asked = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let here = asked.is_ok_and(|status| status.success());
    if !here {
        skip("there is no `ffmpeg` to compare with");
    }
    here
}

/// Every picture of a recording as ffmpeg decodes it, in yuv420p, handed to `take` one by one.
pub(crate) fn ffmpeg_pictures(clip: &Path, picture_bytes: usize, mut take: impl FnMut(&[u8])) {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(clip)
        .args(["-an", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg starts");
    let mut pipe = child.stdout.take().expect("its output is piped");
    let mut picture = Vec::with_capacity(picture_bytes);
    loop {
        picture.clear();
        let more = pipe.by_ref().take(picture_bytes as u64).read_to_end(&mut picture);
        match more.expect("a pipe can be read") {
            0 => break,
            got => assert_eq!(got, picture_bytes, "ffmpeg's last picture is whole"),
        }
        take(&picture);
    }
    assert!(child.wait().expect("ffmpeg ends").success());
}
