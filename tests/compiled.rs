//! Components are compiled apart, and only what this device compiled is loaded again.

use std::path::{Path, PathBuf};

use crate::support::{Done, file, finish, transom};

fn run(state: &Path) -> Done {
    let mut command = transom(["run", "--frames", "3"]);
    command.arg(file("manifests/detections")).arg("--state").arg(state);
    finish(command.args(["--camera", &format!("camera={}", file("tests/clips/plain.mp4").display())]))
}

fn code(state: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(state.join("code")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|kind| kind == "code")).collect()
}

#[test]
fn what_was_compiled_is_kept_and_a_file_without_this_devices_seal_is_not_loaded() {
    let state = tempfile::tempdir().unwrap();
    let state = state.path();
    let first = run(state);
    assert_eq!((first.code(), first.events().len()), (0, 3), "{}", first.stderr);
    let [kept] = code(state).try_into().expect("one component, one file");
    let made = std::fs::metadata(&kept).unwrap().modified().unwrap();
    assert_eq!(run(state).code(), 0);
    assert_eq!(std::fs::metadata(&kept).unwrap().modified().unwrap(), made, "it was taken as it is");

    let good = std::fs::read(&kept).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let forged = [&[0; 32], &good[32..]].concat();
    for bad in [&flipped[..], &forged, &good[..good.len() / 2], b"", b"short"] {
        std::fs::write(&kept, bad).unwrap();
        let again = run(state);
        assert_eq!((again.code(), again.events().len()), (0, 3), "{}", again.stderr);
        assert_eq!(std::fs::read(&kept).unwrap().len(), good.len(), "it was compiled anew");
    }
    // Another device's seal: its key is another.
    std::fs::write(state.join("code/seal.key"), [7; 32]).unwrap();
    let before = std::fs::read(&kept).unwrap();
    assert_eq!(run(state).code(), 0);
    assert_ne!(std::fs::read(&kept).unwrap()[..32], before[..32], "it was sealed anew");
}

#[test]
fn a_state_folder_that_cannot_be_written_costs_time_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::write(&state, "a file").unwrap();
    let done = run(&state);
    assert_eq!((done.code(), done.events().len()), (0, 3), "{}", done.stderr);
}

#[test]
fn the_compiler_says_what_is_wrong_with_a_component() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.wasm");
    std::fs::write(&broken, b"\0asm\x0d\0\x01\0nonsense").unwrap();
    let done = finish(transom(["inspect"]).arg(&broken));
    assert_eq!(done.code(), 6, "{}", done.stderr);
    let words = format!("error: {}: the component cannot be compiled: ", broken.display());
    assert!(done.stderr.starts_with(&words) && !done.stderr.contains("panicked"), "{}", done.stderr);
}
