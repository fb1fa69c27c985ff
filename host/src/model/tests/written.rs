use super::*;

fn error(toml: &str) -> String {
    Folder::new(toml).error()
}

const MODEL: &str = "[model]\nname = \"m\"\nfile = \"m.onnx\"\n";
const INPUT: &str = "[input]\nwidth = 8\nheight = 6\n";
const OUTPUT: &str = "[output]\nread = \"raw\"\n";

#[test]
fn errors_name_the_place_and_the_remedy() {
    for (toml, wanted) in [
        (
            format!("{MODEL}licnce = \"MIT\"\n{INPUT}{OUTPUT}"),
            "model.toml:4:1: `[model]` has no key `licnce`; did you mean `licence`?",
        ),
        (
            format!("{MODEL}{INPUT}zoom = 3\n{OUTPUT}"),
            "model.toml:7:1: `[input]` has no key `zoom`; it has `name`, `width`, `height`, `fit`, `channels`, `layout`, `type`, `scale`, `mean`, `std`, `pad`",
        ),
        (
            format!("{MODEL}{INPUT}{OUTPUT}[ouput]\n"),
            "model.toml:9:2: a model has no key `ouput`; did you mean `output`?",
        ),
        (format!("{MODEL}{INPUT}"), "model.toml:1:1: missing field `output`"),
        (format!("{MODEL}[input]\nwidth = 8\n{OUTPUT}"), "model.toml:4:1: missing field `height`"),
        (
            format!("{MODEL}[input]\nwidth = \"8\"\nheight = 6\n{OUTPUT}"),
            "model.toml:5:9: invalid type: string \"8\", expected i64",
        ),
        (
            format!("{MODEL}[input]\nwidth = 0\nheight = 6\n{OUTPUT}"),
            "model.toml:5:9: `width` is 0; an input has 1 to 8192 pixels a side",
        ),
        (
            format!("{MODEL}[input]\nwidth = 8000\nheight = 8000\n{OUTPUT}"),
            "model.toml:5:9: an input of 8000x8000 pixels is larger than 16 MiB",
        ),
        (
            format!("{MODEL}{INPUT}fit = \"squash\"\n{OUTPUT}"),
            "model.toml:7:7: unknown variant `squash`, expected one of `stretch`, `letterbox`, `crop`",
        ),
        (
            format!("{MODEL}{INPUT}std = [1.0, 0.0, 1.0]\n{OUTPUT}"),
            "model.toml:7:7: `std` is not three finite numbers other than 0",
        ),
        (
            format!("{MODEL}{INPUT}pad = 256\n{OUTPUT}"),
            "model.toml:7:7: `pad` is 256; it is a grey of 0 to 255",
        ),
        (
            format!("{MODEL}{INPUT}type = \"uint8\"\nscale = 1.0\n{OUTPUT}"),
            "model.toml:8:9: `scale` has no meaning for type `uint8`, which takes pixels as they are",
        ),
        (
            format!("{MODEL}{INPUT}[output]\nread = \"yolov9\"\n"),
            "model.toml:8:8: unknown variant `yolov9`, expected one of `fastestdet`, `yolov8`, `classifier`, `raw`",
        ),
        (
            format!("{MODEL}{INPUT}[output]\nread = \"yolov8\"\n"),
            "model.toml:8:8: `labels` is missing: the file that names the model's classes, one a line",
        ),
        (
            format!("{MODEL}{INPUT}[output]\nread = \"yolov8\"\nlabels = \"lables.txt\"\n"),
            "model.toml:9:10: labels `lables.txt` cannot be read: No such file or directory (os error 2)",
        ),
        (
            format!("{MODEL}{INPUT}[output]\nread = \"yolov8\"\nlabels = \"labels.txt\"\nscore = 1.5\n"),
            "model.toml:10:9: `score` is 1.5; it is between 0 and 1",
        ),
        (
            format!("{MODEL}{INPUT}{OUTPUT}nms = 0.5\n"),
            "model.toml:9:7: `nms` is for detectors only; remove it",
        ),
        (
            format!("[model]\nname = \"My model\"\nfile = \"m.onnx\"\n{INPUT}{OUTPUT}"),
            "model.toml:2:8: model name `My model` is not 1 to 64 of a-z, 0-9, `-`, `_` and `.`",
        ),
        (
            format!("{MODEL}sha256 = \"abc\"\n{INPUT}{OUTPUT}"),
            "model.toml:4:10: `sha256` is not 64 hex digits; `sha256sum` on the model file prints them",
        ),
        (
            format!("{MODEL}{INPUT}{OUTPUT}name = \n"),
            "model.toml:9:8: string values must be quoted, expected literal string",
        ),
        (format!("{MODEL}{INPUT}{OUTPUT}"), "m.onnx: cannot be read: No such file or directory (os error 2)"),
    ] {
        assert_eq!(error(&toml), wanted, "{toml}");
    }
}

#[test]
fn a_folder_without_one_says_what_a_model_is() {
    let folder = Folder::new("");
    std::fs::remove_file(folder.0.join("model.toml")).unwrap();
    assert_eq!(
        folder.error(),
        "model.toml: cannot be read: No such file or directory (os error 2); a model is a folder with a `model.toml`"
    );
}
