//! Widely used vision models by structure: see `make.py`, which made the files beside this one, and
//! `host/docs/models.md`, which says what of them runs where.

mod weights;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) use self::weights::{Stream, fill};

/// Where the zoo lies.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("zoo")
}

/// One model of the zoo, as `expected.json` has it.
pub(crate) struct Animal {
    /// Name of its files.
    pub(crate) name: String,
    /// Name of its one input.
    pub(crate) input: String,
    /// Its shape.
    pub(crate) shape: Vec<usize>,
    /// Whether its pixels are `uint8`, not `float32`.
    pub(crate) bytes: bool,
    /// Whether colours are its last axis.
    pub(crate) nhwc: bool,
    /// Between what the values of its input lie.
    pub(crate) range: (f32, f32),
    /// Of the filled tensors, in hexadecimal.
    pub(crate) sha256: String,
    /// What onnxruntime answers to noise and to the picture, by output.
    pub(crate) answers: BTreeMap<String, BTreeMap<String, Answer>>,
}

/// What an output should hold.
pub(crate) struct Answer {
    /// Its shape.
    pub(crate) shape: Vec<usize>,
    /// Its largest value without sign.
    pub(crate) largest: f64,
    /// Every so many values one is in `sample`, from the first on.
    pub(crate) stride: usize,
    /// Those values, rounded to 6 digits.
    pub(crate) sample: Vec<f64>,
}

impl Answer {
    /// The largest difference from `found` over the sample, against the largest value of the output.
    pub(crate) fn error(&self, found: &[f32]) -> f64 {
        let found = found.iter().step_by(self.stride);
        let apart = found.zip(&self.sample).map(|(found, wanted)| (f64::from(*found) - wanted).abs());
        // NaN must not pass as no difference.
        apart.fold(0.0, |most, one| if one <= most { most } else { one }) / self.largest.max(1e-12)
    }
}

/// All models of the zoo, in the order of their names.
pub(crate) fn animals() -> Vec<Animal> {
    let text = fs::read_to_string(folder().join("expected.json")).expect("expected.json");
    let entries: BTreeMap<String, Value> = serde_json::from_str(&text).expect("it is JSON");
    entries.into_iter().map(|(name, entry)| animal(name, &entry)).collect()
}

fn animal(name: String, entry: &Value) -> Animal {
    let text = |key: &str| entry[key].as_str().expect(key).to_owned();
    let range = numbers(&entry["range"]);
    let answers = entry["answers"].as_object().expect("answers").iter().map(|(stream, outputs)| {
        let outputs = outputs.as_object().expect("outputs").iter();
        (stream.clone(), outputs.map(|(output, answer)| (output.clone(), answer_of(answer))).collect())
    });
    Animal {
        input: text("input"),
        shape: sizes(&entry["shape"]),
        bytes: entry["element"] == "uint8",
        nhwc: entry["layout"] == "nhwc",
        range: (range[0] as f32, range[1] as f32),
        sha256: text("sha256"),
        answers: answers.collect(),
        name,
    }
}

fn answer_of(answer: &Value) -> Answer {
    Answer {
        shape: sizes(&answer["shape"]),
        largest: answer["largest"].as_f64().expect("largest"),
        stride: answer["stride"].as_u64().expect("stride") as usize,
        sample: numbers(&answer["sample"]),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|size| size as usize).collect()
}

impl Animal {
    /// Writes the whole ONNX file and its `model.toml` with the labels into a folder, which is then a model.
    pub(crate) fn write(&self, into: &Path) {
        let compact = fs::read(folder().join(format!("{}.onnx", self.name))).expect("its structure");
        let filled = fill(&compact).expect("its weights");
        fs::write(into.join("model.onnx"), filled.onnx).expect("written");
        let described = folder().join(format!("{}.toml", self.name));
        fs::copy(described, into.join("model.toml")).expect("its model.toml");
        for entry in fs::read_dir(folder().join("labels")).expect("labels").flatten() {
            fs::copy(entry.path(), into.join(entry.file_name())).expect("labels");
        }
        // ImageNet's thousand names are of no account to a structure.
        let thousand: Vec<String> = (0..1000).map(|class| format!("class {class}\n")).collect();
        fs::write(into.join("imagenet.txt"), thousand.concat()).expect("labels");
    }

    /// One of its two fixed inputs, as the bytes of a tensor.
    pub(crate) fn input_bytes(&self, stream: Stream) -> Vec<u8> {
        if self.bytes {
            return stream.bytes(&self.shape, self.nhwc);
        }
        let values = stream.floats(&self.shape, self.nhwc, self.range.0, self.range.1);
        values.into_iter().flat_map(f32::to_le_bytes).collect()
    }
}

#[test]
fn the_zoo_has_the_weights_that_python_gave_it() {
    let animals = animals();
    assert!(animals.len() >= 20, "{}", animals.len());
    for animal in animals {
        let compact = fs::read(folder().join(format!("{}.onnx", animal.name))).expect("its structure");
        assert!(compact.len() < 60_000, "{} has {} bytes", animal.name, compact.len());
        let weights::Filled { tensors, .. } = fill(&compact).expect("its weights");
        let digest: String = <sha2::Sha256 as sha2::Digest>::digest(&tensors)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(digest, animal.sha256, "{}", animal.name);
    }
}

#[test]
fn a_structure_cut_short_is_no_model() {
    let compact = fs::read(folder().join("unet.onnx")).expect("its structure");
    assert!((1..compact.len()).any(|length| fill(&compact[..length]).is_err()));
    assert!(fill(&[0xff; 16]).is_err());
}
