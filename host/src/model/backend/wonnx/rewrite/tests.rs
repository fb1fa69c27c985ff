//! What the rewrite makes and refuses; no device is needed.

use prost::Message as _;

use super::super::sample::{Sample, floats, indices, int, ints, node, weights};
use super::{Answer, Rewritten, rewrite};
use crate::model::onnx::proto::{DataType, ModelProto, NodeProto};

fn rewritten(sample: &Sample) -> Result<Rewritten, String> {
    rewrite(&sample.model, sample.opset, &sample.ports(), &["y".to_owned()], 1)
}

fn file(sample: &Sample) -> ModelProto {
    let rewritten = rewritten(sample).expect("it is right");
    ModelProto::decode(rewritten.file.as_slice()).expect("it is a file")
}

fn operators(sample: &Sample) -> Vec<String> {
    let graph = file(sample).graph.expect("it has a graph");
    graph.node.into_iter().map(|node: NodeProto| node.op_type).collect()
}

fn one(
    opset: i64,
    shape: &[usize],
    operator: &str,
    attributes: &[crate::model::onnx::proto::AttributeProto],
) -> Sample {
    Sample::new(opset, shape, vec![node(operator, &["x"], "y", attributes)], vec![])
}

fn refused(sample: &Sample, with: &[&str]) {
    let why = rewritten(sample).expect_err("it is refused");
    for part in with {
        assert!(why.contains(part), "`{part}` is not in: {why}");
    }
}

#[test]
fn every_value_has_a_shape_and_every_constant_is_whole_vectors() {
    let nodes = vec![
        node("Conv", &["x", "w"], "t", &[ints("kernel_shape", &[3, 3])]),
        node("BatchNormalization", &["t", "a", "a", "a", "v"], "u", &[]),
        node("Relu", &["u"], "y", &[]),
    ];
    let positive = floats("v", &[5], vec![1.0, 0.5, 0.25, 2.0, 3.0]);
    let sample = Sample::new(
        13,
        &[1, 3, 7, 9],
        nodes,
        vec![weights("w", &[5, 3, 3, 3]), weights("a", &[5]), positive],
    );
    let graph = file(&sample).graph.expect("it has a graph");
    let made: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
    assert_eq!(made, ["ConvRelu"], "normalization and activation are the convolution's own");
    for output in graph.node.iter().flat_map(|node| &node.output) {
        assert!(graph.value_info.iter().any(|info| info.name == *output), "{output}");
    }
    for tensor in &graph.initializer {
        assert!(tensor.raw_data.len() >= 64 && tensor.raw_data.len().is_multiple_of(16), "{}", tensor.name);
    }
}

#[test]
fn constants_are_folded_and_shapes_are_constants() {
    let nodes = vec![
        node("Shape", &["x"], "s", &[]),
        node("Gather", &["s", "i"], "n", &[]),
        node("Concat", &["n", "m"], "r", &[int("axis", 0)]),
        node("Reshape", &["x", "r"], "t", &[]),
        node("Relu", &["t"], "y", &[]),
    ];
    let sample = Sample::new(13, &[2, 3, 4], nodes, vec![indices("i", &[0]), indices("m", &[-1])]);
    assert_eq!(operators(&sample), ["Flatten", "Relu"]);
}

#[test]
fn indices_are_written_where_wonnx_reads_them() {
    let nodes = vec![node("Gather", &["x", "i"], "y", &[])];
    let sample = Sample::new(13, &[5, 4], nodes, vec![indices("i", &[3, 0, -1])]);
    let graph = file(&sample).graph.expect("it has a graph");
    let tensor = graph.initializer.iter().find(|tensor| tensor.data_type == DataType::Int32 as i32);
    let raw = &tensor.expect("it has indices").raw_data;
    let values: Vec<i32> = raw.as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect();
    assert_eq!(values[..3], [3, 0, 4]);
}

#[test]
fn a_value_that_goes_several_ways_is_computed_once() {
    let nodes = vec![
        node("Conv", &["x", "w"], "t", &[ints("kernel_shape", &[1, 1])]),
        node("Sigmoid", &["t"], "g", &[]),
        node("Mul", &["t", "g"], "y", &[]),
    ];
    let sample = Sample::new(13, &[1, 3, 4, 4], nodes, vec![weights("w", &[5, 3, 1, 1])]);
    let rewritten = rewritten(&sample).expect("it is right");
    assert_eq!(rewritten.fed.len(), 1, "the convolution's bias is an input, where wonnx stops copying");
    assert_eq!(rewritten.fed[0].1, [0.0; 5]);
}

#[test]
fn what_is_not_known_to_be_right_is_refused_with_node_operator_and_reason() {
    refused(&one(13, &[2, 3], "Sin", &[]), &["the Sin", "(Sin)", "no form of this operator"]);
    refused(&one(13, &[2, 3], "ArgMax", &[]), &["the ArgMax", "(ArgMax)"]);
    refused(&one(6, &[2, 3], "Relu", &[]), &["opset 6", "7 to 26"]);
    let alpha = crate::model::onnx::proto::AttributeProto {
        name: "alpha".to_owned(),
        r#type: 1,
        f: -0.5,
        ..Default::default()
    };
    refused(&one(13, &[2, 3], "LeakyRelu", &[alpha]), &["the LeakyRelu", "alpha", "-0.5"]);
    let mut elsewhere = one(13, &[2, 3], "Relu", &[]);
    elsewhere.model.graph.as_mut().expect("it has a graph").node[0].domain = "com.example".to_owned();
    refused(&elsewhere, &["domain `com.example`"]);
    let power =
        Sample::new(13, &[2, 3], vec![node("Pow", &["x", "e"], "y", &[])], vec![floats("e", &[], vec![1.5])]);
    refused(&power, &["the Pow", "exponent"]);
    let big = one(13, &[1, 1, 6000, 6000], "Relu", &[]);
    refused(&big, &["the Relu", "128 MiB"]);
}

#[test]
fn a_graph_that_makes_no_sense_is_refused_and_never_panics() {
    let missing = Sample::new(13, &[2, 3], vec![node("Add", &["x", "nowhere"], "y", &[])], vec![]);
    refused(&missing, &["the Add", "`nowhere`"]);
    let short = Sample::new(
        13,
        &[2, 3],
        vec![node("Add", &["x", "w"], "y", &[])],
        vec![floats("w", &[2, 3], vec![1.0])],
    );
    refused(&short, &["`w`", "1 values", "6"]);
    let huge = Sample::new(
        13,
        &[2, 3],
        vec![node("Add", &["x", "w"], "y", &[])],
        vec![floats("w", &[usize::MAX >> 1, 4], vec![])],
    );
    assert!(rewritten(&huge).is_err());
    let window = one(13, &[1, 1, 4, 4], "MaxPool", &[ints("kernel_shape", &[9, 9])]);
    assert!(rewritten(&window).is_err());
    let nothing = Sample::new(13, &[2, 3], vec![], vec![]);
    refused(&nothing, &["`y`"]);
    let pads = one(13, &[1, 1, 4, 4], "MaxPool", &[ints("kernel_shape", &[2, 2]), ints("pads", &[1])]);
    assert!(rewritten(&pads).is_err());
}

#[test]
fn what_comes_back_as_it_went_in_is_not_computed() {
    let rewritten = rewritten(&one(13, &[2, 3], "Identity", &[])).expect("it is right");
    assert_eq!(rewritten.answers, [Answer::Input(0, vec![2, 3])]);
    assert!(rewritten.wanted.is_empty());
}
