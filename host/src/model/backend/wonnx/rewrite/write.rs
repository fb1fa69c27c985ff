//! The file that wonnx reads: opset 13, every shape stated, constants filled up to whole vectors.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use prost::Message;

use super::build::{Attribute, Building, Id, Origin, Step};
use super::fault::Fault;
use super::{Answer, Rewritten};
use crate::model::onnx::proto::{
    AttributeProto, AttributeType, DataType, Dimension, DimensionValue, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, TypeValue, ValueInfoProto,
};

/// The newest that wonnx knows of all its operators.
const OPSET: i64 = 13;
/// Fewest numbers of a constant, and what they are a multiple of. wonnx's shaders read four at a time, from
/// buffers that are exactly as large as the constant.
const FEWEST: usize = 16;
const MULTIPLE: usize = 4;

/// Steps that the wanted values need, in order.
pub(super) fn needed(build: &Building, wanted: &[Id]) -> BTreeSet<usize> {
    let mut needed = BTreeSet::new();
    let mut open: Vec<Id> = wanted.to_vec();
    while let Some(id) = open.pop() {
        if let Origin::Step(index) = build.values[id.0].origin
            && needed.insert(index)
        {
            open.extend(&build.steps[index].inputs);
        }
    }
    needed
}

pub(super) fn write(build: &Building, wanted: &[Id], answers: Vec<Answer>) -> Rewritten {
    let steps = needed(build, wanted);
    let mut constants = BTreeMap::new();
    let mut inputs = BTreeMap::new();
    let mut fed = BTreeMap::new();
    for index in &steps {
        for (place, id) in build.steps[*index].inputs.iter().enumerate() {
            match &build.values[id.0].origin {
                Origin::Input(input) => {
                    inputs.insert(*id, *input);
                }
                Origin::Floats(values) if place == 2 && build.fed.contains(index) => {
                    fed.insert(*id, Rc::clone(values));
                }
                Origin::Floats(_) | Origin::Indices(_) => {
                    constants.insert(*id, ());
                }
                Origin::Step(_) => {}
            }
        }
    }
    // A bias that one step takes as an input cannot be a constant for another.
    constants.retain(|id, ()| !fed.contains_key(id));
    let graph = GraphProto {
        name: "rewritten".to_owned(),
        node: steps.iter().map(|index| node(&build.steps[*index])).collect(),
        initializer: constants.keys().map(|id| constant(build, *id)).collect(),
        input: inputs.keys().chain(fed.keys()).map(|id| info(build, *id)).collect(),
        output: wanted.iter().map(|id| info(build, *id)).collect(),
        value_info: steps.iter().map(|index| info(build, build.steps[*index].output)).collect(),
        ..GraphProto::default()
    };
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        graph: Some(graph),
        ..ModelProto::default()
    };
    Rewritten {
        file: model.encode_to_vec(),
        wanted: wanted.iter().map(|id| name(*id)).collect(),
        fed: fed.into_iter().map(|(id, values)| (name(id), values.to_vec())).collect(),
        taken: inputs.into_iter().map(|(id, input)| (name(id), input)).collect(),
        answers,
    }
}

fn name(id: Id) -> String {
    format!("v{}", id.0)
}

fn node(step: &Step) -> NodeProto {
    NodeProto {
        input: step.inputs.iter().map(|id| name(*id)).collect(),
        output: vec![name(step.output)],
        name: step.maker.to_string(),
        op_type: step.operator.to_owned(),
        attribute: step.attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
        ..NodeProto::default()
    }
}

fn attribute(name: &str, value: &Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    proto.r#type = match value {
        Attribute::Int(value) => {
            proto.i = *value;
            AttributeType::Int
        }
        Attribute::Float(value) => {
            proto.f = *value;
            AttributeType::Float
        }
        Attribute::Text(value) => {
            proto.s = Bytes::from_static(value.as_bytes());
            AttributeType::String
        }
        Attribute::Ints(values) => {
            proto.ints.clone_from(values);
            AttributeType::Ints
        }
        Attribute::Floats(values) => {
            proto.floats.clone_from(values);
            AttributeType::Floats
        }
    } as i32;
    proto
}

fn constant(build: &Building, id: Id) -> TensorProto {
    let value = &build.values[id.0];
    let (data_type, mut raw): (DataType, Vec<u8>) = match &value.origin {
        Origin::Floats(values) => (DataType::Float, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Origin::Indices(values) => (DataType::Int32, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Origin::Input(_) | Origin::Step(_) => (DataType::Undefined, Vec::new()),
    };
    if !build.broken(Fault::Fill) {
        // wonnx takes the buffer's size from the data and the shape from `dims`: they need not agree.
        let whole = (raw.len() / 4).max(FEWEST).next_multiple_of(MULTIPLE) * 4;
        raw.resize(whole, 0);
    }
    TensorProto {
        dims: value.shape.iter().map(|size| *size as i64).collect(),
        data_type: data_type as i32,
        name: name(id),
        raw_data: Bytes::from(raw),
        ..TensorProto::default()
    }
}

fn info(build: &Building, id: Id) -> ValueInfoProto {
    let value = &build.values[id.0];
    let dimension = |size: &usize| Dimension { value: Some(DimensionValue::Size(*size as i64)) };
    let tensor = TensorTypeProto {
        elem_type: if value.float { DataType::Float } else { DataType::Int32 } as i32,
        shape: Some(TensorShapeProto { dim: value.shape.iter().map(dimension).collect() }),
    };
    ValueInfoProto { name: name(id), r#type: Some(TypeProto { value: Some(TypeValue::Tensor(tensor)) }) }
}
