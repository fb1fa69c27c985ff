mod bad;
mod corpus;
mod facts;
mod fuzz;
mod guess;
mod mutate;
mod outside;
mod values;

use std::path::Path;

use bytes::Bytes;
use prost::Message;

use super::guess::{Certainty, Guess};
use super::proto::*;
use super::*;

/// Models that other tests of this room use too.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/testdata");

fn axis(size: i64) -> Dimension {
    Dimension { value: Some(DimensionValue::Size(size)) }
}

fn open(name: &str) -> Dimension {
    let value = if name.is_empty() { None } else { Some(DimensionValue::Name(name.to_owned())) };
    Dimension { value }
}

fn value_of(name: &str, data_type: DataType, dim: Vec<Dimension>) -> ValueInfoProto {
    let tensor = TensorTypeProto { elem_type: data_type as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(TypeValue::Tensor(tensor)) }),
    }
}

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    value_of(name, DataType::Float, dims.iter().map(|size| axis(*size)).collect())
}

fn node(name: &str, operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        name: name.to_owned(),
        op_type: operator.to_owned(),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: outputs.iter().map(|name| (*name).to_owned()).collect(),
        ..NodeProto::default()
    }
}

fn attribute(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Graph as i32,
        g: Some(graph),
        ..AttributeProto::default()
    }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        data_type: DataType::Float as i32,
        dims: dims.to_vec(),
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into(),
        ..TensorProto::default()
    }
}

fn model_of(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: 8,
        producer_name: "transom-tests".to_owned(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// `y = Relu(Conv(x, w))`, right in every way.
fn small() -> ModelProto {
    model_of(GraphProto {
        name: "small".to_owned(),
        node: vec![node("conv", "Conv", &["x", "w"], &["c"]), node("relu", "Relu", &["c"], &["y"])],
        initializer: vec![floats("w", &[2, 3, 1, 1], &[0.5; 6])],
        input: vec![value("x", &[1, 3, 4, 4])],
        output: vec![value("y", &[1, 2, 4, 4])],
        ..GraphProto::default()
    })
}

/// A field with a length, as protocol buffers have it.
fn field(key: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![key];
    prost::encode_length_delimiter(contents.len(), &mut bytes).unwrap();
    bytes.extend(contents);
    bytes
}

fn graph_of(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.get_or_insert_default()
}

fn read(model: &ModelProto) -> Result<Graph, Error> {
    Graph::read(model.encode_to_vec().into(), Path::new(""))
}

/// What reading says of a model that is `small` but for one change.
#[track_caller]
fn refused(change: impl FnOnce(&mut ModelProto)) -> String {
    let mut model = small();
    change(&mut model);
    refused_bytes(model.encode_to_vec())
}

#[track_caller]
fn refused_bytes(bytes: impl Into<Bytes>) -> String {
    let error = Graph::read(bytes.into(), Path::new("")).expect_err("it should have been refused");
    assert_eq!(error.kind(), crate::base::Kind::Model);
    let text = error.to_string();
    assert!(!text.chars().any(deceives) && text.len() < 2000, "unfit for a terminal: {text:?}");
    text
}
