use super::*;
use crate::base::Kind;
use crate::model::onnx::{Declared, Size};
use crate::model::tensor::{Port, Values};

const MODEL: &str = "[model]\nname = \"m\"\nfile = \"m.onnx\"\n";
const INPUT: &str = "[input]\nwidth = 8\nheight = 6\n";
const RAW: &str = "[output]\nread = \"raw\"\n";

fn parsed(text: &str) -> Result<Description> {
    Description::parse(text, "model.toml", Path::new("/no/folder"))
}

fn good(text: &str) -> Description {
    parsed(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: &str) -> String {
    let error = parsed(text).expect_err(text);
    assert_eq!(error.kind(), Kind::Model);
    error.message().to_owned()
}

fn with(input: &str, output: &str) -> String {
    format!("{MODEL}{INPUT}{input}[output]\n{output}")
}

#[test]
fn the_models_of_this_repository_mean_what_they_did() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let person = Description::read(Path::new(&format!("{root}/models/person"))).unwrap();
    assert_eq!((person.input.width, person.input.height, person.input.fit), (384, 224, Fit::Stretch));
    assert_eq!(
        (person.output.read, person.output.score, person.output.nms),
        (Read::YoloV8, 0.5, Nms::Above(0.45))
    );
    assert_eq!((person.input.scale, person.output.max), ([1.0 / 255.0; 3], 300));
    let fastestdet =
        Description::read(Path::new(&format!("{root}/tests/models/fastestdet/model.toml"))).unwrap();
    assert_eq!((fastestdet.input.channels, fastestdet.labels.len()), (Channels::Bgr, 80));
    assert!(fastestdet.output.nms_across && fastestdet.output.read == Read::FastestDet);
}

#[test]
fn defaults_are_filled_in() {
    let description = good(&format!("{MODEL}{INPUT}{RAW}"));
    let input = &description.input;
    assert_eq!(
        (input.fit, input.channels, input.layout, input.pad),
        (Fit::Stretch, Channels::Rgb, Layout::Nchw, 114)
    );
    assert_eq!((input.scale, input.mean, input.std), ([1.0 / 255.0; 3], [0.0; 3], [1.0; 3]));
    assert_eq!((input.element, input.shape()), (Element::Float32, vec![1, 3, 6, 8]));
    let output = &description.output;
    assert_eq!((output.score, output.nms, output.nms_across, output.max), (0.25, Nms::Unsaid, false, 300));
    assert!(description.labels.is_empty() && description.file == Path::new("/no/folder/m.onnx"));
}

#[test]
fn inputs_come_in_every_form() {
    let input = |lines: &str| good(&with(&format!("{lines}\n"), "read = \"raw\"")).input;
    assert_eq!(input("layout = \"hwc\"\nchannels = \"gray\"\nmean = 0.5").shape(), [6, 8, 1]);
    assert_eq!(input("layout = \"chw\"").shape(), [3, 6, 8]);
    assert_eq!(input("layout = \"nhwc\"").shape(), [1, 6, 8, 3]);
    let three = input("scale = 1\nmean = [1, 2.5, 3]\nstd = 2.0\ntype = \"float16\"");
    assert_eq!((three.scale, three.mean, three.std), ([1.0; 3], [1.0, 2.5, 3.0], [2.0; 3]));
    let whole = input("type = \"int32\"");
    assert_eq!((whole.element, whole.scale), (Element::Int32, [1.0; 3]));
}

#[test]
fn outputs_come_in_every_form() {
    let description = good(&with(
        "",
        "read = \"ssd\"\nlabels = [\"person\", \"car\", \"person\"]\nscores = { person = 0.6 }\nonly = [\"person\"]\n\
         nms = false\nnms_across = true\nbackground = \"last\"\nsigmoid = true\nform = \"cxcywh\"\nunits = \"fractions\"\n\
         strides = [8, 16]\nanchors = [[[10, 13]], [[1.5, 2], [3, 4]]]\nvariances = [0.1, 0.2]\nmax = 7\n\
         [outputs]\nboxes = \"b\"\nscores = \"s\"\n[sizes]\nbatch = 1\n[inputs.k]\nvalue = 3\n[inputs.\"a b\"]\ntype = \"int64\"\nshape = [1, 2]\nvalue = [9007199254740993, -1]\n",
    ));
    let output = &description.output;
    assert_eq!((&output.scores[..], output.only.as_deref()), (&[(0, 0.6), (2, 0.6)][..], Some(&[0, 2][..])));
    assert_eq!((output.nms, output.nms_across, output.max), (Nms::Off, true, 7));
    assert_eq!((output.background, output.form), (Some(Background::Last), BoxForm::Cxcywh));
    assert_eq!(output.anchors, Some(vec![vec![[10.0, 13.0]], vec![[1.5, 2.0], [3.0, 4.0]]]));
    assert_eq!((output.variances, output.strides.as_deref()), ([0.1, 0.1, 0.2, 0.2], Some(&[8, 16][..])));
    assert_eq!(output.parts["boxes"], ["b"]);
    assert_eq!(description.sizes["batch"], 1);
    assert_eq!(description.others[0].name, "a b");
    assert_eq!(
        description.others[0].value,
        Given::Each(vec![Number::Whole(9_007_199_254_740_993), Number::Whole(-1)])
    );
    let pose = good(&with(
        "",
        "read = \"keypoints\"\npoints = [\"hip\", \"knee\"]\nskeleton = [[\"hip\", \"knee\"]]",
    ))
    .output;
    assert_eq!((pose.points.len(), &pose.skeleton[..]), (2, &[[0, 1]][..]));
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    let detector = "read = \"yolov8\"\nlabels = [\"person\", \"car\"]\n";
    for (text, wanted) in [
        (
            format!("{MODEL}licnce = \"MIT\"\n{INPUT}{RAW}"),
            "4:1: `[model]` has no key `licnce`; did you mean `licence`?",
        ),
        (
            format!("{MODEL}{INPUT}zoom = 3\n{RAW}"),
            "7:1: `[input]` has no key `zoom`; it has `name`, `width`, `height`, `fit`, `channels`, `layout`, `type`, `scale`, `mean`, `std`, `pad`",
        ),
        (format!("{MODEL}{INPUT}{RAW}[ouput]\n"), "9:2: a model has no key `ouput`; did you mean `output`?"),
        (
            format!("{MODEL}{INPUT}"),
            "1:1: `[output]` is missing; a model has `[model]`, `[input]` and `[output]`",
        ),
        (
            format!("{MODEL}[input]\nwidth = 8\n{RAW}"),
            "4:1: `[input]` has no `height`: the input's size in pixels",
        ),
        (
            format!("{MODEL}[input]\nwidth = \"8\"\nheight = 6\n{RAW}"),
            "5:9: `width` is the text `8`; it is a whole number: an input has 1 to 8192 pixels a side",
        ),
        (
            format!("{MODEL}[input]\nwidth = 0\nheight = 6\n{RAW}"),
            "5:9: `width` is 0; an input has 1 to 8192 pixels a side",
        ),
        (
            format!("{MODEL}[input]\nwidth = 8000\nheight = 8000\n{RAW}"),
            "5:9: an input of 8000x8000 pixels is larger than 16 MiB",
        ),
        (
            with("fit = \"squash\"\n", "read = \"raw\""),
            "7:7: `fit` is `squash`; it is one of `stretch`, `letterbox`, `letterbox-corner`, `crop`",
        ),
        (
            with("std = [1.0, 0.0, 1.0]\n", "read = \"raw\""),
            "7:7: `std` is 0 somewhere; it is a finite number other than 0",
        ),
        (
            with("std = 1e-60\n", "read = \"raw\""),
            "7:7: `std` is 0 somewhere; it is a finite number other than 0",
        ),
        (
            with("std = 1e-40\n", "read = \"raw\""),
            "4:1: `scale`, `mean` and `std` make values of pixels that `float32` cannot hold; value = (pixel * scale - mean) / std",
        ),
        (with("mean = [1, 2]\n", "read = \"raw\""), "7:8: `mean` is not 1 or 3 finite numbers"),
        (
            with("channels = \"gray\"\nmean = [1, 2, 3]\n", "read = \"raw\""),
            "8:8: `mean` is not 1 finite number",
        ),
        (with("pad = 256\n", "read = \"raw\""), "7:7: `pad` is 256; it is a grey of 0 to 255"),
        (
            with("type = \"uint8\"\nscale = 1.0\n", "read = \"raw\""),
            "8:9: `scale` has no meaning for type `uint8`, which takes pixels as they are",
        ),
        (with("", "read = \"yolov9\""), "8:8: `read` is `yolov9`; did you mean `yolov8`?"),
        (
            with("", "read = \"yolov8\""),
            "8:8: `labels` is missing: the file that names the model's classes, one a line, or a list of names",
        ),
        (
            with("", "read = \"yolov8\"\nlabels = \"lables.txt\""),
            "9:10: labels `/no/folder/lables.txt` cannot be read: No such file or directory (os error 2)",
        ),
        (with("", "read = \"yolov8\"\nlabels = [\"a\", \"\"]"), "9:16: `labels` has an empty name in it"),
        (with("", &format!("{detector}score = 1.5")), "10:9: `score` is 1.5; it is between 0 and 1"),
        (with("", &format!("{detector}score = nan")), "10:9: `score` is NaN; it is between 0 and 1"),
        (with("", &format!("{detector}max = 0")), "10:7: `max` is 0; it is between 1 and 10000"),
        (
            with("", &format!("{detector}nms = true")),
            "10:7: `nms` is `true`; it is an IoU between 0 and 1, or `false` for none",
        ),
        (
            with("", &format!("{detector}only = [\"person\", \"cat\"]")),
            "10:19: no label is called `cat`; did you mean `car`?",
        ),
        (
            with("", &format!("{detector}only = []")),
            "10:8: `only` is an empty list, which would drop everything; name classes or remove it",
        ),
        (
            with("", &format!("{detector}scores = {{ bus = 0.5 }}")),
            "10:12: no label is called `bus`; there are `person`, `car`",
        ),
        (with("", &format!("{detector}scores = {{ car = 2 }}")), "10:18: `car` is 2; it is between 0 and 1"),
        (
            with("", "read = \"raw\"\nnms = 0.5"),
            "9:7: `nms` is for detectors and keypoints, and not for `raw`; remove it",
        ),
        (
            with("", &format!("{detector}anchors = [[[1, 2]]]")),
            "10:11: `anchors` is for read `yolov5`, `ssd`, and not for `yolov8`; remove it",
        ),
        (
            with("", &format!("{detector}softmax = true")),
            "10:11: `softmax` is for read `classifier`, `ssd`, and not for `yolov8`; remove it",
        ),
        (
            with("", "read = \"raw\"\nlabels = [\"a\"]"),
            "9:10: `labels` is for all but `embedding`, `raw`, and not for `raw`; remove it",
        ),
        (
            with("", &format!("{detector}[outputs]\nboxes = \"b\"")),
            "10:1: `[outputs]` is for read `yolov5`, `ssd`, `ultraface`, `nanodet`, `keypoints`; for `yolov8` write `name` in `[output]`",
        ),
        (
            with("", "read = \"ssd\"\nlabels = [\"a\"]\nname = \"x\"\n[outputs]\nboxes = \"b\""),
            "10:8: `name` is the one output that is computed, but `[outputs]` names several; remove one of the two",
        ),
        (
            with("", "read = \"ssd\"\nlabels = [\"a\"]\n[outputs]\nbox = \"b\""),
            "11:1: `[outputs]` has no key `box`; did you mean `boxes`?",
        ),
        (
            with("", "read = \"ssd\"\nlabels = [\"a\"]\n[outputs]\nboxes = \"b\"\nscores = \"b\""),
            "12:10: output `b` is here a second time",
        ),
        (
            with("", "read = \"ssd\"\nlabels = [\"a\"]\nsoftmax = true\nsigmoid = true"),
            "11:1: `softmax` and `sigmoid` are both true; a score is made by one of them",
        ),
        (
            with("", "read = \"yolov5\"\nlabels = [\"a\"]\nstrides = [8]\nanchors = [[[1, 2]], [[3, 4]]]"),
            "11:11: `anchors` are of 2 strides, but `strides` names 1",
        ),
        (
            with("", "read = \"keypoints\""),
            "7:1: `[output]` has no `points`: the names of the model's points, in order",
        ),
        (
            with("", "read = \"keypoints\"\npoints = [\"hip\"]\nskeleton = [[\"hip\", \"hop\"]]"),
            "10:21: no point is called `hop`; did you mean `hip`?",
        ),
        (
            with("", "read = \"raw\"\n[inputs.k]\nshape = [1]"),
            "9:1: `[inputs.k]` has no `value`: the number, or the list, the input holds",
        ),
        (
            with("", "read = \"raw\"\n[inputs.k]\nvalue = \"width\""),
            "10:9: `value` is `width`; did you mean `width-height`?",
        ),
        (
            with("", "read = \"raw\"\n[inputs.k]\nshape = [1, 3]\nvalue = [1, 2]"),
            "11:9: `value` has 2 numbers, but shape 1x3 takes 3",
        ),
        (
            with("name = \"k\"\n", "read = \"raw\"\n[inputs.k]\nvalue = 1"),
            "10:9: `k` is the picture, which `[input]` describes",
        ),
        (
            with("", "read = \"raw\"\n[sizes]\nbatch = 0"),
            "10:9: `batch` is 0; an axis has a size of 1 to 65536",
        ),
        (
            format!("[model]\nname = \"My model\"\nfile = \"m.onnx\"\n{INPUT}{RAW}"),
            "2:8: model name `My model` is not 1 to 64 of a-z, 0-9, `-`, `_` and `.`",
        ),
        (
            format!("{MODEL}sha256 = \"abc\"\n{INPUT}{RAW}"),
            "4:10: `sha256` is not 64 hex digits; `sha256sum` on the model file prints them",
        ),
        (
            format!("model = 3\n{INPUT}{RAW}"),
            "1:9: `model` is the number `3`; it is a table; write `[model]` on a line of its own",
        ),
        (with("", "read = \"raw\"\nname = \n"), "9:8: string values must be quoted, expected literal string"),
    ] {
        assert_eq!(error(&text), format!("model.toml:{wanted}"), "{text}");
    }
}

#[test]
fn endless_nesting_ends() {
    for deep in ["[", "{a=", "a."] {
        let message = error(&format!("{MODEL}x = {}", deep.repeat(100_000)));
        assert!(message.starts_with("model.toml:4:"), "{message}");
    }
}

#[test]
fn a_key_cannot_steer_the_terminal() {
    let message = error(&format!("{MODEL}\"\\u001b[2J\" = 1\n{INPUT}{RAW}"));
    assert!(message.starts_with("model.toml:4:1: `[model]` has no key `\\u{1b}[2J`;"), "{message}");
}

#[test]
fn a_file_that_is_no_model_toml_is_refused_unread() {
    let folder = std::env::temp_dir().join(format!("transom-description-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let missing = Description::read(&folder).unwrap_err();
    std::fs::write(folder.join("model.toml"), vec![b'#'; MOST_BYTES + 1]).unwrap();
    let large = Description::read(&folder).unwrap_err();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(
        missing.message().ends_with("(os error 2); a model is a folder with a `model.toml`"),
        "{missing}"
    );
    assert!(large.message().contains("it is larger than 1 MiB"), "{large}");
}

fn declared(name: &str, element: Element, sizes: &[&str]) -> Declared {
    let size = |size: &&str| match size.parse() {
        Ok(fixed) => Size::Fixed(fixed),
        Err(_) => Size::Open((*size).to_owned()),
    };
    Declared {
        name: name.to_owned(),
        element: Some(element),
        shape: Some(sizes.iter().map(size).collect()),
        shown: format!("{} of {}", element.as_str(), sizes.join("x")),
    }
}

fn port(name: &str, element: Element, shape: &[usize]) -> Port {
    Port { name: name.to_owned(), element, shape: shape.to_vec() }
}

#[test]
fn a_graph_with_several_inputs_is_wired() {
    let (float, int) = (Element::Float32, Element::Int64);
    let description = good(&with(
        "",
        "read = \"raw\"\n[sizes]\nn = 1\n[inputs.size]\nvalue = \"height-width\"\n[inputs.wide]\nvalue = \"width-height\"\n\
         [inputs.info]\nvalue = \"height-width-scale\"\n[inputs.scale]\nvalue = \"scale\"\n[inputs.half]\nvalue = 0.5\n\
         [inputs.flag]\nvalue = true\n[inputs.free]\nshape = [2]\nvalue = [1, 2.0]\n[inputs.one]\nvalue = 7",
    ));
    let inputs = [
        declared("size", float, &["N", "2"]),
        declared("images", float, &["N", "3", "height", "width"]),
        declared("wide", int, &["n", "2"]),
        declared("info", float, &["1", "3"]),
        declared("scale", float, &["1", "2"]),
        declared("half", Element::Float16, &["2"]),
        declared("flag", Element::Bool, &[]),
        declared("free", Element::Uint8, &["any"]),
        declared("one", Element::Int32, &[]),
    ];
    let wiring = description.wire(&inputs, &[declared("out", float, &["1"])]).unwrap();
    assert_eq!((wiring.picture, &wiring.outputs[..]), (1, &["out".to_owned()][..]));
    assert_eq!(wiring.inputs[0], port("size", float, &[1, 2]));
    assert_eq!(wiring.inputs[1], port("images", float, &[1, 3, 6, 8]));
    assert_eq!(wiring.inputs[7], port("free", Element::Uint8, &[2]));
    let values: Vec<Option<Values>> =
        wiring.constants.into_iter().map(|array| array.map(|array| array.values)).collect();
    assert_eq!(
        values,
        [
            Some(Values::F32(vec![6.0, 8.0])),
            None,
            Some(Values::I64(vec![8, 6])),
            Some(Values::F32(vec![6.0, 8.0, 1.0])),
            Some(Values::F32(vec![1.0, 1.0])),
            Some(Values::F16(vec![0x3800, 0x3800])),
            Some(Values::Bool(vec![true])),
            Some(Values::U8(vec![1, 2])),
            Some(Values::I32(vec![7])),
        ]
    );
}

#[test]
fn only_the_outputs_named_are_computed() {
    let outputs = ["a", "b", "c"].map(|name| declared(name, Element::Float32, &["1"]));
    let images = [declared("images", Element::Float32, &["1", "3", "6", "8"])];
    let wanted = |output: &str| good(&with("", output)).wire(&images, &outputs).unwrap().outputs;
    assert_eq!(wanted("read = \"raw\"\nname = \"b\""), ["b"]);
    assert_eq!(wanted("read = \"raw\""), ["a", "b", "c"]);
    let ssd = "read = \"ssd\"\nlabels = [\"x\"]\n[outputs]\n";
    assert_eq!(wanted(&format!("{ssd}scores = \"a\"\nboxes = \"c\"")), ["c", "a"]);
    // The scores are still to be found among all.
    assert_eq!(wanted(&format!("{ssd}boxes = \"c\"")), ["a", "b", "c"]);
}

#[test]
fn what_the_graph_has_otherwise_is_said() {
    let float = Element::Float32;
    let images = || declared("images", float, &["1", "3", "6", "8"]);
    let outputs = || vec![declared("out", float, &["1", "9"])];
    let cases: [(&str, &str, Vec<Declared>, &str); 16] = [
        ("", "", vec![], "the graph has no input, so no picture can be given to it"),
        (
            "name = \"image\"\n",
            "",
            vec![images()],
            "there is no input `image`, which model.toml names; the file has `images` (float32 of 1x3x6x8)",
        ),
        (
            "",
            "",
            vec![images(), declared("size", float, &["2"])],
            "the graph has 2 inputs: `images` (float32 of 1x3x6x8), `size` (float32 of 2); name the picture's with `name` in `[input]`, and describe the others in `[inputs.NAME]`",
        ),
        (
            "name = \"images\"\n",
            "",
            vec![images(), declared("size", float, &["2"])],
            "input `size` is float32 of 2, and model.toml does not say what it holds; describe it in `[inputs.size]`",
        ),
        (
            "",
            "[inputs.sizes]\nvalue = 1",
            vec![images()],
            "there is no input `sizes`, which model.toml describes; the file has `images` (float32 of 1x3x6x8)",
        ),
        (
            "",
            "[inputs.images]\nvalue = 1",
            vec![images()],
            "model.toml describes every input in `[inputs]`, so none is left for the picture; the file has `images` (float32 of 1x3x6x8)",
        ),
        (
            "type = \"uint8\"\n",
            "",
            vec![images()],
            "input `images` is float32 of 1x3x6x8, but model.toml says uint8 of 1x3x6x8",
        ),
        (
            "layout = \"nhwc\"\n",
            "",
            vec![images()],
            "input `images` is float32 of 1x3x6x8, but model.toml says float32 of 1x6x8x3",
        ),
        (
            "channels = \"gray\"\n",
            "",
            vec![images()],
            "input `images` is float32 of 1x3x6x8, but model.toml says float32 of 1x1x6x8",
        ),
        (
            "",
            "[sizes]\nh = 7",
            vec![declared("images", float, &["1", "3", "h", "w"])],
            "input `images` is float32 of 1x3xhxw: its axis `h` cannot be both 6 and 7, as `[input]` and `[sizes]` in model.toml make it",
        ),
        (
            "",
            "[sizes]\nheigth = 6",
            vec![declared("images", float, &["1", "3", "height", "width"])],
            "no input has an open axis `heigth`, to which `[sizes]` in model.toml gives a size; did you mean `height`?",
        ),
        (
            "",
            "[inputs.size]\nvalue = [1, 2, 3]",
            vec![images(), declared("size", float, &["1", "2"])],
            "input `size` is float32 of 1x2, which takes 2 values, but `value` in model.toml gives 3",
        ),
        (
            "",
            "[inputs.size]\nvalue = 300",
            vec![images(), declared("size", Element::Uint8, &["1", "2"])],
            "input `size` is uint8, which cannot hold 300, as `value` in model.toml says",
        ),
        (
            "",
            "[inputs.size]\ntype = \"int64\"\nvalue = 300",
            vec![images(), declared("size", float, &["1", "2"])],
            "input `size` is float32 of 1x2, but model.toml says int64",
        ),
        (
            "",
            "[inputs.size]\nvalue = 300",
            vec![images(), declared("size", float, &["k", "2"])],
            "input `size` is float32 of kx2, which leaves a size open; give it a `shape` in `[inputs]` of model.toml, or the axis a size in `[sizes]`",
        ),
        (
            "",
            "name = \"uot\"",
            vec![images()],
            "there is no output `uot`, which model.toml names; the file has `out` (float32 of 1x9)",
        ),
    ];
    for (input, output, inputs, wanted) in cases {
        let description = good(&with(input, &format!("read = \"raw\"\n{output}")));
        assert_eq!(description.wire(&inputs, &outputs()).unwrap_err().message(), wanted, "{input}{output}");
    }
    let huge = good(&with("", "read = \"raw\"\n[inputs.size]\nvalue = 0"));
    let inputs = [images(), declared("size", float, &["4294967296", "4294967296"])];
    let message = huge.wire(&inputs, &outputs()).unwrap_err();
    assert!(message.message().ends_with("an input that model.toml gives a value has 1 to 1048576 of them"));
}

/// Numbers that look random and are always the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most.max(1)
    }
}

const TEXTS: [&str; 5] = [
    "[model]\nname = \"m\"\nfile = \"m.onnx\"\nlicence = \"MIT\"\ndescription = \"…\"\nsha256 = \"71731c96251fa9cc9e98ee3e744df9c2c887a84cd8344cb915618a17f7a8a33b\"\n[input]\nname = \"images\"\nwidth = 384\nheight = 224\nfit = \"letterbox\"\nchannels = \"bgr\"\nlayout = \"nhwc\"\ntype = \"float16\"\nscale = 0.003921\nmean = [0.1, 0.2, 0.3]\nstd = 2.0\npad = 7\n[output]\nread = \"yolov8\"\nlabels = [\"person\", \"car\"]\nscore = 0.5\nscores = { person = 0.6, car = 0.1 }\nonly = [\"person\"]\nnms = 0.45\nnms_across = true\nmax = 9\nend_to_end = false\nname = \"o\"\n",
    "[model]\nname = \"m\"\nfile = \"m.onnx\"\n[input]\nwidth = 8\nheight = 6\n[sizes]\nbatch = 1\n[inputs.size]\ntype = \"int64\"\nshape = [1, 2]\nvalue = \"height-width\"\n[inputs.k]\nvalue = [1, 2.5, -3]\n[output]\nread = \"ssd\"\nlabels = [\"a\"]\nsoftmax = true\nbackground = \"first\"\nform = \"yxyx\"\nunits = \"fractions\"\nstrides = [8, 16]\nanchors = [[[10, 13]], [[16, 30], [33, 23]]]\nvariances = [0.1, 0.2]\n[outputs]\nboxes = \"b\"\nscores = \"s\"\nclasses = \"c\"\ncount = \"n\"\n",
    "model = { name = \"m\", file = \"m.onnx\" }\ninput = { width = 8, height = 6, type = \"uint8\" }\n[output]\nread = \"keypoints\"\npoints = [\"hip\", \"knee\"]\nskeleton = [[\"hip\", \"knee\"]]\n[outputs]\nx = \"a\"\ny = \"b\"\n",
    "[model]\nname = \"m\"\nfile = \"m.onnx\"\n[input]\nwidth = 8\nheight = 6\n[output]\nread = \"yolov5\"\nlabels = [\"a\"]\nsigmoid = false\n[outputs]\nheads = [\"a\", \"b\", \"c\"]\n",
    "[model]\nname = \"m\"\nfile = \"m.onnx\"\n[input]\nwidth = 8\nheight = 6\n[output]\nread = \"nanodet\"\nlabels = [\"a\"]\nsigmoid = false\noffset = 0.5\nstrides = [8]\n[outputs]\nscores = [\"a\"]\nboxes = \"b\"\n",
];

const PIECES: [&str; 40] = [
    "\n",
    "=",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "#",
    ",",
    ".",
    "-1",
    "0",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "99999999999999999999",
    "9223372036854775807",
    "0x7fffffffffffffff",
    "1e-40",
    "true",
    "false",
    "[]",
    "{}",
    "[[]]",
    "\"\"",
    "\u{202e}",
    "\\u001b",
    "1979-05-27",
    "read = \"raw\"",
    "labels = \"../x\"",
    "[inputs.k]",
    "[outputs]",
    "[sizes]",
    "é",
    "\u{feff}",
    "\0",
    "8192",
];

/// One text made from those above by a few changes.
fn mutated(dice: &mut Dice) -> String {
    let mut text = TEXTS[dice.below(TEXTS.len())].to_owned();
    for _ in 0..=dice.below(4) {
        let mut lines: Vec<&str> = text.lines().collect();
        let (at, other) = (dice.below(lines.len()), dice.below(lines.len()));
        match dice.below(8) {
            0 if !lines.is_empty() => {
                lines.remove(at);
                text = lines.join("\n");
            }
            1 if !lines.is_empty() => {
                lines.swap(at, other);
                text = lines.join("\n");
            }
            2 if !lines.is_empty() => {
                lines.insert(at, lines[other]);
                text = lines.join("\n");
            }
            // The value of another key.
            3 if !lines.is_empty() => {
                let key = lines[at].split('=').next().unwrap_or_default().to_owned();
                let value = lines[other].split_once('=').map_or("", |(_, value)| value).to_owned();
                let line = format!("{key}={value}");
                lines[at] = &line;
                text = lines.join("\n");
            }
            4 => {
                let donor = TEXTS[dice.below(TEXTS.len())].lines().collect::<Vec<_>>();
                lines.insert(at, donor[dice.below(donor.len())]);
                text = lines.join("\n");
            }
            change => {
                let places: Vec<usize> =
                    text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
                let from = dice.below(places.len());
                let to = (from + dice.below(4)).min(places.len() - 1);
                let piece = if change == 5 { "" } else { PIECES[dice.below(PIECES.len())] };
                text.replace_range(places[from]..places[to], piece);
            }
        }
    }
    text
}

#[test]
fn a_damaged_text_is_read_or_refused_with_a_line() {
    let rounds = std::env::var("FUZZ").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5_000);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let (mut good, mut bad) = (0_u64, 0_u64);
    for round in 0..rounds {
        let text = mutated(&mut dice);
        match std::panic::catch_unwind(|| parsed(&text)) {
            Ok(Ok(_)) => good += 1,
            Ok(Err(error)) => {
                let mut parts = error.message().splitn(4, ':');
                let led = parts.next() == Some("model.toml");
                let line = parts.next().and_then(|line| line.parse::<usize>().ok());
                let column = parts.next().and_then(|column| column.parse::<usize>().ok());
                let why = parts.next().unwrap_or_default();
                let lines = text.matches('\n').count() + 1;
                let sound = led
                    && line.is_some_and(|line| (1..=lines).contains(&line))
                    && column.is_some_and(|column| column >= 1)
                    && why.len() > 5
                    && !why.contains(['\n', '\u{1b}', '\u{202e}']);
                assert!(sound, "round {round}: {error:?}\n{text}");
                bad += 1;
            }
            Err(_) => panic!("round {round} panicked on\n{text}"),
        }
    }
    eprintln!("{good} read, {bad} refused");
    assert!(good > 0 && bad > good, "{good} read, {bad} refused");
}
