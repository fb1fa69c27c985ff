//! What is found, what is refused before it is loaded, and, where this machine has the library, what it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::super::super::onnx::Graph;
use super::super::super::onnx::proto::{
    DataType, Dimension, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorShapeProto, TensorTypeProto, TypeProto, TypeValue, ValueInfoProto,
};
use super::super::super::tensor::{Array, Element, Port, Values};
use super::super::{Backend as _, RunError, Session, Source};
use super::library::looks_whole;
use super::{OnnxRuntime, Placed, devices, find, is_loss};

/// The processor's device, where the library is here.
fn processor() -> Option<OnnxRuntime> {
    match devices(None) {
        Ok(devices) => devices.into_iter().next(),
        Err(why) => {
            eprintln!("SKIPPED: {why}");
            None
        }
    }
}

fn value(name: &str, kind: DataType, axes: &[i64]) -> ValueInfoProto {
    let dim = axes.iter().map(|size| Dimension { value: Some(DimensionValue::Size(*size)) }).collect();
    let tensor = TensorTypeProto { elem_type: kind as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(TypeValue::Tensor(tensor)) }),
    }
}

/// One node from `x` to `y`, both of the same type and shape.
fn load(
    backend: &OnnxRuntime,
    op_type: &str,
    kind: DataType,
    element: Element,
) -> Result<Box<dyn Session>, String> {
    let graph = GraphProto {
        name: "case".to_owned(),
        node: vec![NodeProto {
            op_type: op_type.to_owned(),
            name: "it".to_owned(),
            input: vec!["x".to_owned()],
            output: vec!["y".to_owned()],
            ..NodeProto::default()
        }],
        input: vec![value("x", kind, &[2])],
        output: vec![value("y", kind, &[2])],
        ..GraphProto::default()
    };
    let model = ModelProto {
        ir_version: 8,
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        ..ModelProto::default()
    };
    let bytes = Bytes::from(model.encode_to_vec());
    let graph = Arc::new(Graph::read(bytes.clone(), Path::new(".")).map_err(|error| error.to_string())?);
    let ports = [Port { name: "x".to_owned(), element, shape: vec![2] }];
    backend.load(&Source {
        graph: &graph,
        bytes: &bytes,
        inputs: &ports,
        outputs: &["y".to_owned()],
        threads: 1,
    })
}

#[test]
fn every_type_goes_in_and_comes_out() {
    let Some(backend) = processor() else { return };
    let all = [
        (DataType::Float, Values::F32(vec![1.5, -2.0])),
        (DataType::Double, Values::F64(vec![1.5, -2.0])),
        (DataType::Float16, Values::F16(vec![0x3c00, 0xc000])),
        (DataType::Int8, Values::I8(vec![1, -2])),
        (DataType::Int16, Values::I16(vec![1, -2])),
        (DataType::Int32, Values::I32(vec![1, -2])),
        (DataType::Int64, Values::I64(vec![1, -5_000_000_000])),
        (DataType::Uint8, Values::U8(vec![1, 255])),
        (DataType::Uint16, Values::U16(vec![1, 65_535])),
        (DataType::Uint32, Values::U32(vec![1, u32::MAX])),
        (DataType::Uint64, Values::U64(vec![1, u64::MAX])),
        (DataType::Bool, Values::Bool(vec![true, false])),
    ];
    for (kind, values) in all {
        let session = load(&backend, "Identity", kind, values.element()).unwrap();
        let x = Array { shape: vec![2], values };
        assert_eq!(session.run(&[&x]).unwrap(), [x]);
    }
}

#[test]
fn many_threads_share_a_graph() {
    let Some(backend) = processor() else { return };
    let session = load(&backend, "Relu", DataType::Float, Element::Float32).unwrap();
    std::thread::scope(|scope| {
        for thread in 0_u8..6 {
            let session = &session;
            scope.spawn(move || {
                let x = Array { shape: vec![2], values: Values::F32(vec![f32::from(thread), -1.0]) };
                for _ in 0..20 {
                    let y = session.run(&[&x]).unwrap();
                    assert_eq!(y[0].values, Values::F32(vec![f32::from(thread), 0.0]));
                }
            });
        }
    });
}

#[test]
fn an_unknown_operator_and_a_wrong_input_are_said() {
    let Some(backend) = processor() else { return };
    let why = load(&backend, "Nothing", DataType::Float, Element::Float32).err().unwrap();
    assert!(why.contains("Nothing"), "{why}");
    let session = load(&backend, "Relu", DataType::Float, Element::Float32).unwrap();
    let wrong = Array { shape: vec![3], values: Values::F32(vec![0.0; 3]) };
    assert!(matches!(session.run(&[&wrong]), Err(RunError::Failed(_))));
    let bytes = Array { shape: vec![2], values: Values::U8(vec![0; 2]) };
    assert_eq!(
        session.run(&[&bytes]),
        Err(RunError::Failed("input `x` was given as uint8; the graph has float32".to_owned()))
    );
}

#[test]
fn the_newest_library_of_a_folder_comes_first_and_providers_are_none() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "libonnxruntime.so.1.9.0",
        "libonnxruntime.so.1.31.1",
        "libonnxruntime.so",
        "libonnxruntime_providers_shared.so",
        "libonnxruntime.so.bak",
    ] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let names: Vec<PathBuf> = find::libraries(folder.path());
    let names: Vec<&str> = names.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, ["libonnxruntime.so.1.31.1", "libonnxruntime.so.1.9.0", "libonnxruntime.so"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_would_kill_the_process_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libonnxruntime.so");
    let said = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        looks_whole(&file).unwrap_err()
    };
    assert_eq!(said(b"short"), "it is not a library: it is too short");
    assert_eq!(said(&[b'x'; 200]), "it is not a library of this system");
    // This test's own program is a whole one.
    let program = std::env::current_exe().unwrap();
    assert_eq!(looks_whole(&program), Ok(()));
    let whole = fs::read(program).unwrap();
    assert_eq!(said(&whole[..whole.len() / 3]), "it is cut short; fetch it again");
    assert_eq!(said(&whole[..70]), "it is cut short; fetch it again");
    let mut other = whole[..4096].to_vec();
    other[18] = 8;
    assert!(said(&other).starts_with("it is a library for another processor"));
    other[4] = 1;
    assert_eq!(said(&other), "it is a library for 32-bit programs");
    assert_eq!(looks_whole(folder.path()).unwrap_err(), "it is not a file");
    assert!(looks_whole(Path::new("/no/such/file")).unwrap_err().starts_with("it cannot be read"));
}

#[test]
fn a_provider_that_took_no_node_is_seen() {
    let mut placed = Placed::default();
    placed.hear("Initializing session.");
    assert!(!placed.said);
    placed.hear(" All nodes placed on [CPUExecutionProvider]. Number of nodes: 12");
    assert_eq!((placed.said, placed.on("CUDAExecutionProvider"), placed.all()), (true, 0, 12));
    placed.hear(" Node(s) placed on [CUDAExecutionProvider]. Number of nodes: 30");
    assert_eq!((placed.on("CUDAExecutionProvider"), placed.all()), (30, 42));
}

#[test]
fn a_lost_device_is_told_from_a_wrong_input() {
    assert!(is_loss("CUDA failure 2: out of memory ; GPU=0"));
    assert!(is_loss("Failed to allocate memory for requested buffer of size 1073741824"));
    assert!(!is_loss("Got invalid dimensions for input: x"));
}
