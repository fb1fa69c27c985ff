//! On a device, if there is one: software Vulkan will do (Debian: `mesa-vulkan-drivers`).

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::protocol::Load;
use super::rewrite::{self, Fault};
use super::sample::{Sample, agree, floats, indices, int, ints, node, text, weights};
use super::{Limits, Wonnx, find};
use crate::model::backend::{Backend as _, DeviceKind, RunError, Session, Source};
use crate::model::gate::{Precision, compare_all};
use crate::model::onnx::Graph;
use crate::model::tensor::{Array, Values};
use crate::model::worker::{Kind, Message, Process, Refusal, Worker};

/// Not a test: the worker that the tests start. `--ignored` with its whole name makes it one.
#[test]
#[ignore = "it is the worker that other tests start"]
fn as_worker() {
    super::work().expect("it works");
}

fn worker() -> Worker {
    let module = module_path!().split_once("::").map_or("", |(_, module)| module);
    Worker {
        arguments: ["--exact", &format!("{module}::as_worker"), "--ignored", "--nocapture"]
            .map(Into::into)
            .to_vec(),
        ..super::worker(&std::env::current_exe().expect("tests have a program"))
    }
}

/// The first device; none: what the test prints instead of running.
pub(in crate::model::backend) fn device() -> Option<&'static Wonnx> {
    static DEVICE: OnceLock<Result<Wonnx, String>> = OnceLock::new();
    let found = DEVICE.get_or_init(|| find(&worker()).map(|mut found| found.backends.remove(0)));
    found.as_ref().inspect_err(|why| eprintln!("SKIPPED: {why}")).ok()
}

fn load(wonnx: &Wonnx, sample: &Sample, fault: Option<Fault>) -> Result<Box<dyn Session>, String> {
    let outputs = ["y".to_owned()];
    let rewritten = match fault {
        None => rewrite::rewrite(&sample.model, sample.opset, &sample.ports(), &outputs, 1),
        Some(fault) => rewrite::rewrite_broken(&sample.model, sample.opset, &sample.ports(), &outputs, fault),
    };
    Ok(Box::new(wonnx.start(rewritten?)?))
}

fn answer(wonnx: &Wonnx, sample: &Sample, fault: Option<Fault>) -> Result<Array, String> {
    let session = load(wonnx, sample, fault)?;
    let mut answers = session.run(&[&sample.input]).map_err(|error| format!("{error:?}"))?;
    Ok(answers.remove(0))
}

fn conv(attributes: &[crate::model::onnx::proto::AttributeProto], kernel: &[usize]) -> Sample {
    let nodes = vec![node("Conv", &["x", "w"], "y", attributes)];
    Sample::new(13, &[1, kernel[1], 7, 9], nodes, vec![weights("w", kernel)])
}

/// A graph for each part of the rewrite that goes wrong without it. Two are missing, as software Vulkan answers
/// right without them by luck: [`Fault::Fill`] and [`Fault::Reach`] keep shaders within their buffers.
fn wrong_without() -> Vec<(Fault, Sample)> {
    let one = |opset, shape: &[usize], node, constants| Sample::new(opset, shape, vec![node], constants);
    let strided = vec![
        node("Conv", &["x", "w"], "t", &[ints("strides", &[2, 2]), ints("kernel_shape", &[3, 3])]),
        node("LeakyRelu", &["t"], "y", &[]),
    ];
    vec![
        (Fault::Bias, conv(&[ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])], &[4, 3, 3, 3])),
        (
            Fault::MatrixPads,
            conv(&[ints("kernel_shape", &[3, 3]), ints("pads", &[1, 0, 0, 1])], &[4, 3, 3, 3]),
        ),
        (
            Fault::AutoPad,
            conv(
                &[ints("kernel_shape", &[3, 3]), text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])],
                &[5, 3, 3, 3],
            ),
        ),
        (
            Fault::ConcatAxis,
            one(
                13,
                &[2, 3, 5],
                node("Concat", &["x", "w"], "y", &[int("axis", 1)]),
                vec![weights("w", &[2, 4, 5])],
            ),
        ),
        (
            Fault::PadEnds,
            one(13, &[3, 5], node("Pad", &["x", "p"], "y", &[]), vec![indices("p", &[1, 0, 2, 3])]),
        ),
        (
            Fault::GemmTurn,
            one(
                13,
                &[3, 6],
                node("Gemm", &["x", "w"], "y", &[int("transB", 1)]),
                vec![weights("w", &[6, 6])],
            ),
        ),
        (
            Fault::ClipBounds,
            one(
                13,
                &[3, 5],
                node("Clip", &["x", "a", "b"], "y", &[]),
                vec![floats("a", &[], vec![-0.27]), floats("b", &[], vec![0.33])],
            ),
        ),
        (Fault::SoftmaxAxis, one(11, &[2, 3, 5], node("Softmax", &["x"], "y", &[int("axis", 1)]), vec![])),
        (
            Fault::NearestMap,
            one(
                13,
                &[1, 1, 5, 4],
                node(
                    "Resize",
                    &["x", "", "", "s"],
                    "y",
                    &[text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor")],
                ),
                vec![indices("s", &[1, 1, 7, 6])],
            ),
        ),
        (Fault::LeakyApart, Sample::new(13, &[1, 3, 7, 9], strided, vec![weights("w", &[5, 3, 3, 3])])),
        (
            Fault::Softplus,
            one(13, &[1, 4], node("Softplus", &["x"], "y", &[]), vec![]).with(vec![-200.0, -1.0, 1.0, 200.0]),
        ),
    ]
}

#[test]
fn each_part_of_the_rewrite_is_needed_and_with_it_the_answer_is_right() {
    let Some(wonnx) = device() else { return };
    for (fault, sample) in wrong_without() {
        let mut expected = sample.expected();
        if fault == Fault::SoftmaxAxis {
            // rten takes only the axis itself, as from opset 13 on.
            let Values::F32(values) = &sample.input.values else { panic!("it takes floats") };
            let made = values.chunks(15).flat_map(|row| {
                let whole: f32 = row.iter().map(|value| value.exp()).sum();
                row.iter().map(move |value| value.exp() / whole)
            });
            expected.values = Values::F32(made.collect());
        }
        if fault == Fault::Softplus {
            // rten's own is infinite from 89 on.
            let Values::F32(values) = &sample.input.values else { panic!("it takes floats") };
            let soft = |value: &f32| value.max(0.0) + (-value.abs()).exp().ln_1p();
            expected.values = Values::F32(values.iter().map(soft).collect());
        }
        let right = answer(wonnx, &sample, None).unwrap_or_else(|why| panic!("{fault:?}: {why}"));
        assert!(agree(&right, &expected), "{fault:?}: {right:?}, not {expected:?}");
        // What the gate would say of either.
        let gate = |has: &Array| {
            let (wants, has) = (std::slice::from_ref(&expected), std::slice::from_ref(has));
            compare_all(&["y".to_owned()], wants, has, Precision::Full)
                .map(drop)
                .map_err(|differs| differs.why)
        };
        assert_eq!(gate(&right), Ok(()), "{fault:?}: the gate refuses what is right");
        if let Ok(wrong) = &answer(wonnx, &sample, Some(fault)) {
            assert!(gate(wrong).is_err(), "{fault:?}: the gate lets through what is wrong");
        }
        if let Ok(wrong) = answer(wonnx, &sample, Some(fault)) {
            assert!(!agree(&wrong, &expected), "{fault:?} makes no difference");
        }
    }
}

#[test]
fn an_axis_longer_than_software_vulkan_goes_round_is_taken_in_parts() {
    let Some(wonnx) = device() else { return };
    let nodes = vec![node("ReduceMean", &["x"], "y", &[ints("axes", &[1])])];
    let sample = Sample::new(13, &[1, 80_000], nodes, vec![]);
    let expected = sample.expected();
    assert!(agree(&answer(wonnx, &sample, None).expect("it runs"), &expected));
    if wonnx.device().kind == DeviceKind::SoftwareGpu {
        let whole = answer(wonnx, &sample, Some(Fault::Rounds)).expect("it runs");
        assert!(!agree(&whole, &expected));
    }
}

#[test]
fn outputs_that_are_inputs_or_constants_need_no_device() {
    let wonnx = Wonnx {
        device: crate::model::backend::Device {
            backend: "wonnx",
            version: String::new(),
            name: "none".to_owned(),
            kind: DeviceKind::Gpu,
        },
        adapter: super::adapters::Adapter {
            name: String::new(),
            interface: String::new(),
            kind: String::new(),
            driver: String::new(),
            driver_version: String::new(),
        },
        worker: super::worker(Path::new("/nonexistent")),
        limits: Limits::of(DeviceKind::Gpu),
    };
    let turned = Sample::new(13, &[2, 3], vec![node("Flatten", &["x"], "y", &[int("axis", 0)])], vec![]);
    let made = answer(&wonnx, &turned, None).expect("it runs");
    assert_eq!((made.shape, made.values), (vec![1, 6], turned.input.values));
    let asked = Sample::new(13, &[2, 3], vec![node("Shape", &["x"], "y", &[])], vec![]);
    assert!(load(&wonnx, &asked, None).is_err(), "the file says it makes floats");
    let relu = Sample::new(13, &[2, 3], vec![node("Relu", &["x"], "y", &[])], vec![]);
    let why = load(&wonnx, &relu, None).err().expect("there is no worker");
    assert!(why.contains("cannot be started"), "{why}");
}

#[test]
fn a_graph_loads_through_the_seam_that_all_back_ends_share() {
    let Some(wonnx) = device() else { return };
    let sample = conv(&[ints("kernel_shape", &[3, 3])], &[4, 3, 3, 3]);
    let bytes = bytes::Bytes::from(prost::Message::encode_to_vec(&sample.model));
    let graph = Arc::new(Graph::read(bytes.clone(), Path::new(".")).expect("it is a graph"));
    let source = Source {
        graph: &graph,
        bytes: &bytes,
        inputs: &sample.ports(),
        outputs: &["y".to_owned()],
        threads: 1,
    };
    let session = wonnx.load(&source).expect("it loads");
    let answers = session.run(&[&sample.input]).expect("it runs");
    assert!(agree(&answers[0], &sample.expected()));
    assert!(session.memory() > 1 << 20);
}

#[test]
fn a_worker_that_dies_is_lost_and_leaves_nothing_behind() {
    let Some(wonnx) = device() else { return };
    let sample = conv(&[ints("kernel_shape", &[3, 3])], &[4, 3, 3, 3]);
    let rewritten =
        rewrite::rewrite(&sample.model, 13, &sample.ports(), &["y".to_owned()], 1).expect("it is right");
    let running = wonnx.start(rewritten).expect("it starts");
    let id = match &*running.state.lock().expect("no one else holds it") {
        super::State::Works(process) => process.id(),
        _ => panic!("it works"),
    };
    let id = rustix::process::Pid::from_raw(id.cast_signed()).expect("it has an id");
    rustix::process::kill_process(id, rustix::process::Signal::KILL).expect("it can be killed");
    let lost = running.run(&[&sample.input]).expect_err("it is gone");
    let RunError::Lost(why) = &lost else { panic!("{lost:?}") };
    assert!(why.contains("ended by itself"), "{why}");
    assert_eq!(running.run(&[&sample.input]), Err(lost));
    assert!(!Path::new(&format!("/proc/{}", id.as_raw_nonzero())).exists(), "it is a zombie");
}

#[test]
fn a_device_that_does_not_answer_in_time_is_lost() {
    let Some(wonnx) = device() else { return };
    let sample = conv(&[ints("kernel_shape", &[3, 3])], &[4, 3, 3, 3]);
    let rewritten =
        rewrite::rewrite(&sample.model, 13, &sample.ports(), &["y".to_owned()], 1).expect("it is right");
    let mut running = wonnx.start(rewritten).expect("it starts");
    running.limit = Duration::ZERO;
    let lost = running.run(&[&sample.input]).expect_err("there is no time");
    let RunError::Lost(why) = lost else { panic!("{lost:?}") };
    assert!(why.contains("did not answer within 0 s"), "{why}");
}

#[test]
fn a_panic_in_the_worker_is_a_reason() {
    let Some(wonnx) = device() else { return };
    let name = wonnx.adapter.name.as_str();
    let mut process = Process::start(&worker(), &[("WGPU_ADAPTER_NAME", name)]).expect("it starts");
    let longest = Duration::from_secs(60);
    let garbage =
        Load { file: vec![0xff; 100], wanted: vec!["y".to_owned()], fed: Vec::new(), taken: Vec::new() };
    let refused = process.ask(garbage.message(), longest).expect_err("it is no file");
    assert!(matches!(&refused, Refusal::Refused(why) if why.contains("deserialize")), "{refused:?}");
    let refused =
        process.ask(Message { kind: Kind::Run, bytes: Vec::new() }, longest).expect_err("nothing is loaded");
    assert_eq!(refused, Refusal::Refused("no graph is loaded".to_owned()));
    let nobody = Process::start(&worker(), &[("WGPU_ADAPTER_NAME", "no such card")]);
    let mut nobody = nobody.expect("it starts");
    let sample = conv(&[ints("kernel_shape", &[3, 3])], &[4, 3, 3, 3]);
    let file =
        rewrite::rewrite(&sample.model, 13, &sample.ports(), &["y".to_owned()], 1).expect("it is right");
    let load = Load { file: file.file, wanted: file.wanted, fed: file.fed, taken: Vec::new() };
    let lost = nobody.ask(load.message(), longest).expect_err("there is no such card");
    assert!(matches!(&lost, Refusal::Lost(why) if why.contains("no matching adapter")), "{lost:?}");
}

#[test]
fn a_machine_without_a_device_is_told_so() {
    let none =
        [("VK_ICD_FILENAMES", "/dev/null"), ("VK_DRIVER_FILES", "/dev/null"), ("WGPU_BACKEND", "vulkan")];
    let why = super::adapters::find(&worker(), &none).expect_err("there is no driver");
    assert!(why.contains("no Vulkan device was found"), "{why}");
}
