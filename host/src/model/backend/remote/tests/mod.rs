//! Each kind of server, well-behaved and not.

mod fake;
mod hostile;
mod loading;
mod real;
mod running;
mod secure;
mod words;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use self::fake::{Fake, Mood, Said};
use super::*;
use crate::model::onnx::Graph;
use crate::model::onnx::proto;

/// A tensor of a graph: name, type, axes; an axis that is no number is open.
type Axes<'a> = (&'a str, Element, &'a [&'a str]);

/// A graph that gives back each input, as `out_…`.
fn echo_graph(ports: &[Axes<'_>]) -> (Arc<Graph>, Bytes) {
    let value = |start: &str, (name, element, axes): &Axes<'_>| {
        let dimension = |axis: &&str| match axis.parse() {
            Ok(size) => proto::DimensionValue::Size(size),
            Err(_) => proto::DimensionValue::Name((*axis).to_owned()),
        };
        let dim = axes.iter().map(|axis| proto::Dimension { value: Some(dimension(axis)) }).collect();
        let data_type = match element {
            Element::Float32 => proto::DataType::Float,
            Element::Float16 => proto::DataType::Float16,
            Element::Float64 => proto::DataType::Double,
            Element::Int8 => proto::DataType::Int8,
            Element::Int16 => proto::DataType::Int16,
            Element::Int32 => proto::DataType::Int32,
            Element::Int64 => proto::DataType::Int64,
            Element::Uint8 => proto::DataType::Uint8,
            Element::Uint16 => proto::DataType::Uint16,
            Element::Uint32 => proto::DataType::Uint32,
            Element::Uint64 => proto::DataType::Uint64,
            Element::Bool => proto::DataType::Bool,
        };
        let tensor = proto::TensorTypeProto {
            elem_type: data_type as i32,
            shape: Some(proto::TensorShapeProto { dim }),
        };
        proto::ValueInfoProto {
            name: format!("{start}{name}"),
            r#type: Some(proto::TypeProto { value: Some(proto::TypeValue::Tensor(tensor)) }),
        }
    };
    let node = |(name, ..): &Axes<'_>| proto::NodeProto {
        input: vec![(*name).to_owned()],
        output: vec![format!("out_{name}")],
        name: format!("copy_{name}"),
        op_type: "Identity".to_owned(),
        ..Default::default()
    };
    let model = proto::ModelProto {
        ir_version: 8,
        graph: Some(proto::GraphProto {
            name: "echo".to_owned(),
            node: ports.iter().map(node).collect(),
            input: ports.iter().map(|port| value("", port)).collect(),
            output: ports.iter().map(|port| value("out_", port)).collect(),
            ..Default::default()
        }),
        opset_import: vec![proto::OperatorSetIdProto { domain: String::new(), version: 17 }],
        ..Default::default()
    };
    let bytes = Bytes::from(model.encode_to_vec());
    let graph = Graph::read(bytes.clone(), Path::new(".")).unwrap_or_else(|error| panic!("{error}"));
    (Arc::new(graph), bytes)
}

/// A model as its description asks for it.
struct Wanted {
    graph: Arc<Graph>,
    bytes: Bytes,
    inputs: Vec<Port>,
    outputs: Vec<String>,
}

impl Wanted {
    /// Gives back each input; open axes are 1.
    fn echo(ports: &[Axes<'_>]) -> Self {
        let (graph, bytes) = echo_graph(ports);
        let port = |(name, element, axes): &Axes<'_>| Port {
            name: (*name).to_owned(),
            element: *element,
            shape: axes.iter().map(|axis| axis.parse().unwrap_or(1)).collect(),
        };
        Wanted {
            graph,
            bytes,
            inputs: ports.iter().map(port).collect(),
            outputs: ports.iter().map(|(name, ..)| format!("out_{name}")).collect(),
        }
    }

    fn load(&self, remote: &Remote) -> Result<Box<dyn Session>, String> {
        remote.load(&Source {
            graph: &self.graph,
            bytes: &self.bytes,
            inputs: &self.inputs,
            outputs: &self.outputs,
            threads: 1,
        })
    }
}

/// The model of most tests: one batch of 3x4 numbers.
fn pixels() -> Wanted {
    Wanted::echo(&[("image", Element::Float32, &["batch", "3", "4"])])
}

fn pixels_said() -> Said {
    Said::echo(&[("image", "FP32", &[-1, 3, 4])])
}

fn numbers(batch: usize) -> Array {
    let values = (0..batch * 12).map(|value| value as f32 * 0.1 - 0.55).collect();
    Array { shape: vec![batch, 3, 4], values: Values::F32(values) }
}

/// Every way to reach a model.
fn all(said: &Said) -> Vec<Fake> {
    let json = Said { binary: false, ..said.clone() };
    vec![Fake::http(json), Fake::http(said.clone()), Fake::grpc(said.clone())]
}

/// Settings for a fake: short, so that tests of waiting do not wait long.
fn settings(fake: &Fake) -> Settings {
    Settings { timeout: Duration::from_millis(400), ..Settings::new(&fake.url, "echo") }
}

/// A session with a fake, and what is kept with it.
fn session(settings: &Settings) -> (Remote, Box<dyn Session>) {
    let remote = Remote::connect(settings).unwrap_or_else(|why| panic!("{why}"));
    let session = pixels().load(&remote).unwrap_or_else(|why| panic!("{why}"));
    (remote, session)
}

/// The words of a failure that others may not have.
fn failed(outcome: Result<Vec<Array>, RunError>) -> String {
    match outcome {
        Err(RunError::Failed(why)) => why,
        other => panic!("{other:?}"),
    }
}
