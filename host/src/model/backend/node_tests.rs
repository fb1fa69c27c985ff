//! ONNX's own node tests on every back end: each is a small graph with its inputs and the answers expected.
//! They come with PyPI's `onnx` (1.22.0 has 1,765), in `onnx/backend/test/data/node`; the folder is named by
//! `TRANSOM_ONNX_NODE_TESTS`. Refusing a graph is allowed; answering it wrong is not.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::super::gate::{Precision, compare_all};
use super::super::onnx::proto::TensorProto;
use super::super::onnx::{Graph, array_of};
use super::super::tensor::{Array, Port, Values, shown};
use super::{Backend, DeviceKind, Source, onnxruntime, rten};

/// Names the folder of the tests.
const VARIABLE: &str = "TRANSOM_ONNX_NODE_TESTS";
/// As ONNX's own runner compares (`onnx/backend/test/runner`).
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-7;
/// On graphics cards, which take sums in another order and their functions from tables.
const ABSOLUTE_GPU: f64 = 1e-5;

enum Outcome {
    Passed,
    Refused(String),
    Wrong(String),
}

#[test]
fn rten_answers_no_node_test_wrong() {
    none_wrong(&rten::Rten::new(), None);
}

#[test]
fn onnxruntime_answers_no_node_test_wrong() {
    match onnxruntime::devices(None) {
        // The processor comes first; the other providers never run unconfirmed.
        Ok(devices) => devices.iter().enumerate().for_each(|(at, device)| {
            let reference: Option<&dyn Backend> = if at == 0 { None } else { Some(&devices[0]) };
            none_wrong(device, reference);
        }),
        Err(why) => eprintln!("SKIPPED: {why}"),
    }
}

#[test]
fn wonnx_answers_no_node_test_wrong() {
    if let Some(wonnx) = super::wonnx::tests::device() {
        none_wrong(wonnx, None);
    }
}

/// Where there is a `reference`, an answer counts as refused that the gate would find to differ from its.
fn none_wrong(backend: &dyn Backend, reference: Option<&dyn Backend>) {
    let Some(folder) = env::var_os(VARIABLE).map(PathBuf::from) else {
        eprintln!("SKIPPED: {VARIABLE} does not name a folder of ONNX's node tests");
        return;
    };
    let mut tests: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    tests.sort();
    let (mut passed, mut refused, mut wrong) = (0, 0, Vec::new());
    for test in &tests {
        let name = test.file_name().unwrap_or_default().to_string_lossy();
        match outcome(backend, reference, test) {
            Outcome::Passed => passed += 1,
            Outcome::Refused(why) => {
                refused += 1;
                eprintln!("refused {name}: {why}");
            }
            Outcome::Wrong(how) => wrong.push(format!("{name}: {how}")),
        }
    }
    let device = backend.device();
    eprintln!(
        "{} {}: {passed} passed, {refused} refused, {} wrong",
        device.backend,
        device.name,
        wrong.len()
    );
    assert_eq!(wrong, Vec::<String>::new());
}

fn outcome(backend: &dyn Backend, reference: Option<&dyn Backend>, test: &Path) -> Outcome {
    let mut sets: Vec<PathBuf> =
        fs::read_dir(test).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    sets.sort();
    for set in sets {
        match one_set(backend, reference, test, &set) {
            Ok(None) => {}
            Ok(Some(how)) => return Outcome::Wrong(how),
            Err(why) => return Outcome::Refused(why),
        }
    }
    Outcome::Passed
}

/// How the answer differs, or why there is none.
fn one_set(
    backend: &dyn Backend,
    reference: Option<&dyn Backend>,
    test: &Path,
    set: &Path,
) -> Result<Option<String>, String> {
    let bytes = Bytes::from(fs::read(test.join("model.onnx")).map_err(|error| error.to_string())?);
    let graph = Graph::read(bytes.clone(), test).map_err(|error| error.to_string())?;
    let graph = Arc::new(graph);
    for declared in graph.inputs.iter().chain(&graph.outputs) {
        if declared.element.is_none() {
            return Err(format!("`{}` is no tensor of ours", declared.name));
        }
    }
    let read = |kind: &str, count: usize| -> Result<Vec<Array>, String> {
        let file = |index: usize| set.join(format!("{kind}_{index}.pb"));
        let tensor = |index: usize| {
            let bytes = fs::read(file(index)).map_err(|error| format!("{kind} {index}: {error}"))?;
            array_of(&TensorProto::decode(&bytes[..]).map_err(|error| error.to_string())?)
        };
        (0..count).map(tensor).collect()
    };
    let inputs = read("input", graph.inputs.len())?;
    let wanted = read("output", graph.outputs.len())?;
    let ports: Vec<Port> = graph
        .inputs
        .iter()
        .zip(&inputs)
        .map(|(input, array)| Port {
            name: input.name.clone(),
            element: array.values.element(),
            shape: array.shape.clone(),
        })
        .collect();
    let outputs: Vec<String> = graph.outputs.iter().map(|output| output.name.clone()).collect();
    let source = Source { graph: &graph, bytes: &bytes, inputs: &ports, outputs: &outputs, threads: 1 };
    let session = backend.load(&source)?;
    let inputs: Vec<&Array> = inputs.iter().collect();
    let got = session.run(&inputs).map_err(|error| format!("{error:?}"))?;
    if let Some(reference) = reference {
        let session = reference.load(&source).map_err(|why| format!("nothing confirms it: {why}"))?;
        let confirms = session.run(&inputs).map_err(|why| format!("nothing confirms it: {why:?}"))?;
        compare_all(&outputs, &confirms, &got, Precision::Full).map_err(|differs| differs.why)?;
    }
    let mut pairs = wanted.iter().zip(&got).zip(&outputs);
    let absolute = if backend.device().kind == DeviceKind::Cpu { ABSOLUTE } else { ABSOLUTE_GPU };
    Ok(pairs.find_map(|((wanted, got), name)| {
        difference(wanted, got, absolute).map(|how| format!("`{name}` {how}"))
    }))
}

fn difference(wanted: &Array, got: &Array, absolute: f64) -> Option<String> {
    if wanted.values.element() != got.values.element() {
        let (got, wanted) = (got.values.element(), wanted.values.element());
        return Some(format!("is {}, not {}", got.as_str(), wanted.as_str()));
    }
    if wanted.shape != got.shape {
        return Some(format!("is {}, not {}", shown(&got.shape), shown(&wanted.shape)));
    }
    let (Some(wants), Some(has)) = (reals(&wanted.values), reals(&got.values)) else {
        return (wanted.values != got.values).then(|| "has other values".to_owned());
    };
    wants.iter().zip(&has).enumerate().find_map(|(index, (wanted, got))| {
        let near = wanted == got
            || wanted.is_nan() && got.is_nan()
            || (wanted - got).abs() <= absolute + RELATIVE * wanted.abs();
        (!near).then(|| format!("has {got} at {index}, not {wanted}"))
    })
}

/// The values of a type that is compared by nearness.
fn reals(values: &Values) -> Option<Vec<f64>> {
    match values {
        Values::F32(values) => Some(values.iter().map(|value| f64::from(*value)).collect()),
        Values::F64(values) => Some(values.clone()),
        Values::F16(values) => Some(values.iter().map(|bits| half::f16::from_bits(*bits).to_f64()).collect()),
        _ => None,
    }
}
