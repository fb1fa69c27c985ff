use super::*;

const RAW: &str = "read = \"raw\"";

#[test]
fn a_file_that_is_no_onnx_is_named() {
    let folder = Folder::new(&toml("echo.onnx", "", RAW).replace(&format!("{DATA}/echo.onnx"), "some.onnx"));
    let said = |bytes: &[u8]| {
        std::fs::write(folder.0.join("some.onnx"), bytes).unwrap();
        folder.error()
    };
    assert_eq!(said(b""), "some.onnx: it is empty");
    let page = said(b"<html>404</html>");
    assert!(page.starts_with("some.onnx: it is a web page"), "{page}");
    let whole = std::fs::read(format!("{DATA}/echo.onnx")).unwrap();
    let half = said(&whole[..whole.len() / 2]);
    assert!(half.starts_with("some.onnx: it is "), "{half}");
}

#[test]
fn any_cut_or_flipped_byte_gives_a_model_or_a_reason() {
    let folder =
        Folder::new(&toml("means.onnx", "", RAW).replace(&format!("{DATA}/means.onnx"), "some.onnx"));
    let whole = std::fs::read(format!("{DATA}/means.onnx")).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        for bytes in [&flipped[..], &whole[..at]] {
            std::fs::write(folder.0.join("some.onnx"), bytes).unwrap();
            if let Err(error) = Model::load(&folder.0, &loading()) {
                assert!(error.message().contains("some.onnx: "), "{error}");
            }
        }
    }
}

#[test]
fn an_unknown_operator_is_named() {
    assert_eq!(
        error("unknown-operator.onnx", "", RAW),
        "unknown-operator.onnx: node `oddity` (Frobnicate) asks for an operator that ONNX does not have (domain ai.onnx, opset 13)"
    );
}

#[test]
fn a_graph_that_disagrees_with_its_description_is_refused() {
    for (onnx, input, output, wanted) in [
        (
            "two-inputs.onnx",
            "",
            RAW,
            "two-inputs.onnx: the graph has 2 inputs: `left` (float32 1x3x6x8), `right` (float32 1x3x6x8); name the picture's with `name` in `[input]`, and describe the others in `[inputs.NAME]`",
        ),
        (
            "echo.onnx",
            "name = \"image\"",
            RAW,
            "echo.onnx: there is no input `image`, which model.toml names; the file has `images` (float32 1x3x6x8)",
        ),
        (
            "echo.onnx",
            "",
            "read = \"raw\"\nname = \"pixel\"",
            "echo.onnx: there is no output `pixel`, which model.toml names; the file has `pixels` (float32 1x3x6x8)",
        ),
        (
            "echo.onnx",
            "layout = \"nhwc\"",
            RAW,
            "echo.onnx: input `images` is float32 1x3x6x8, but model.toml says float32 of 1x6x8x3",
        ),
        (
            "echo.onnx",
            "type = \"uint8\"",
            RAW,
            "echo.onnx: input `images` is float32 1x3x6x8, but model.toml says uint8 of 1x3x6x8",
        ),
        (
            "bytes.onnx",
            "",
            RAW,
            "bytes.onnx: input `images` is uint8 1x3x6x8, but model.toml says float32 of 1x3x6x8",
        ),
        (
            "echo.onnx",
            "",
            "read = \"fastestdet\"\nlabels = \"labels.txt\"",
            "echo.onnx: output `pixels` is 1x3x6x8, but read `fastestdet` in model.toml takes 1x(5 + classes)xROWSxCOLUMNS",
        ),
        (
            "echo.onnx",
            "",
            "read = \"yolov8\"\nlabels = \"labels.txt\"",
            "echo.onnx: output `pixels` is 1x3x6x8, but read `yolov8` in model.toml takes 1x(4 + classes)xBOXES, 1xBOXESx(4 + classes), or 1xBOXESx6 where the graph suppresses boxes itself",
        ),
        (
            "echo.onnx",
            "",
            "read = \"classifier\"\nlabels = \"labels.txt\"",
            "echo.onnx: output `pixels` is 1x3x6x8, but read `classifier` in model.toml takes 1xCLASSES",
        ),
        (
            "means.onnx",
            "scale = 1.0",
            "read = \"classifier\"\nlabels = \"labels.txt\"",
            "means.onnx: output `scores` has scores outside 0 to 1: they are logits, set `softmax = true`",
        ),
    ] {
        assert_eq!(error(onnx, input, output), wanted);
    }
}

#[test]
fn a_graph_that_cannot_run_fails_when_it_is_loaded() {
    let said = error("cannot-run.onnx", "", RAW);
    assert!(said.starts_with("cannot-run.onnx: "), "{said}");
}

#[test]
fn another_file_than_the_one_described_is_refused() {
    let model = load("echo.onnx", "", RAW);
    let right =
        toml("echo.onnx", "", RAW).replace("[input]", &format!("sha256 = \"{}\"\n\n[input]", model.digest()));
    assert!(Model::load(&Folder::new(&right).0, &loading()).is_ok());
    let wrong = right.replace(model.digest(), &"0".repeat(64));
    assert_eq!(
        Folder::new(&wrong).error(),
        format!(
            "echo.onnx: its sha256 is {}, but model.toml says {}: it is another file than the one described",
            model.digest(),
            "0".repeat(64)
        )
    );
}

/// Needs a model that this project does not ship; says so where it is missing.
#[test]
fn fastestdet_loads_and_finds_nothing_in_grey() {
    let shared = std::env::var_os("TRANSOM_SHARED_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")),
        PathBuf::from,
    );
    let onnx = shared.join("models/fastestdet/FastestDet.onnx");
    if !onnx.exists() {
        eprintln!("SKIPPED: no {}; set TRANSOM_SHARED_DATA", onnx.display());
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/models/fastestdet");
    let folder = Folder::new(&std::fs::read_to_string(here.join("model.toml")).unwrap());
    std::fs::copy(here.join("labels.txt"), folder.0.join("labels.txt")).unwrap();
    std::os::unix::fs::symlink(&onnx, folder.0.join("FastestDet.onnx")).unwrap();
    let model = Model::load(&folder.0, &loading()).unwrap();
    assert_eq!((model.kind(), model.labels().len()), (ModelKind::Detector, 80));
    assert_eq!(*model.detect(&asker(), &frame(768, 432, |_, _| 128), None, None).unwrap(), []);
}
