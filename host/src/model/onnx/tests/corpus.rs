//! Other people's files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

/// `pip install onnx==1.22.0`, then the package's `backend/test/data/node`.
const VARIABLE: &str = "TRANSOM_ONNX_NODE_TESTS";

#[test]
fn the_node_tests_of_onnx_are_read_or_refused_for_a_reason() {
    let Some(folder) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
        eprintln!("SKIPPED: {VARIABLE} does not name the onnx package's `backend/test/data/node`");
        return;
    };
    // What a vision model cannot have.
    let reasons = ["holds strings", "is a sequence", "is optional", "states opset 1,"];
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(bytes) = std::fs::read(folder.join("model.onnx")) else { continue };
        let reason = match Graph::read(bytes.into(), &folder) {
            Ok(_) => "read",
            Err(error) => {
                let known = reasons.iter().find(|reason| error.to_string().contains(**reason));
                known.unwrap_or_else(|| panic!("{}: {error}", folder.display()))
            }
        };
        *counts.entry(reason).or_default() += 1;
    }
    eprintln!("{counts:?}");
    let refused: usize = counts.iter().filter(|(reason, _)| **reason != "read").map(|(_, count)| count).sum();
    assert!(counts.get("read").is_some_and(|read| *read > 25 * refused), "{counts:?}");
}

#[test]
fn the_models_of_this_repository_are_read() {
    let read = |path: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
        let bytes = std::fs::read(&path).unwrap();
        Graph::read(bytes.into(), path.parent().unwrap()).unwrap()
    };
    let person = read("../models/person/model.onnx");
    let guess = person.guess(&Named { name: "person", file: "model.onnx", sha256: "" }).unwrap();
    assert_eq!((guess.read.value, guess.read.sure), ("yolov8", Certainty::Sure));
    for name in ["bytes", "cannot-run", "dynamic", "echo", "echo-nhwc", "means", "two-inputs"] {
        assert_eq!(read(&format!("src/model/testdata/{name}.onnx")).opset, 13, "{name}");
    }
}
