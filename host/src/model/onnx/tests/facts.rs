//! What graphs show, and sizes fixed.

use super::*;
use crate::model::tensor::{Element, Port};

fn dynamic() -> ModelProto {
    let mut model = small();
    let graph = graph_of(&mut model);
    graph.input[0] =
        value_of("x", DataType::Float, vec![open("batch"), axis(3), open("height"), open("width")]);
    graph.input.push(value_of("mask", DataType::Bool, vec![open("batch"), open("height"), axis(-1)]));
    model
}

fn fixed(name: &str, shape: &[usize]) -> (String, Vec<usize>) {
    (name.to_owned(), shape.to_vec())
}

#[test]
fn facts_count_operators_and_weights() {
    let facts = read(&small()).unwrap().facts();
    assert_eq!(facts.operators, [("Conv".to_owned(), 1), ("Relu".to_owned(), 1)]);
    assert_eq!((facts.parameters, facts.weight_bytes, facts.opset), (6, 24, 13));
    assert_eq!(facts.producer, "transom-tests");
    assert!(facts.open.is_empty());
    let open = read(&dynamic()).unwrap().facts().open;
    assert_eq!(open.len(), 6);
    assert_eq!(open[1], ("x".to_owned(), 2, "height".to_owned()));
}

#[test]
fn declared_shapes_are_shown_with_their_open_sizes() {
    let graph = read(&dynamic()).unwrap();
    assert_eq!(graph.inputs[0].shown, "float32 batch x 3 x height x width");
    // Some exporters write -1 for what is open.
    assert_eq!(graph.inputs[1].shown, "bool batch x height x ?");
    let mut model = small();
    graph_of(&mut model).output[0] = value_of("y", DataType::Bfloat16, Vec::new());
    let graph = read(&model).unwrap();
    assert_eq!((graph.outputs[0].element, graph.outputs[0].shown.as_str()), (None, "bfloat16 one number"));
}

#[test]
fn open_sizes_are_fixed_by_shape_by_name_and_by_default() {
    let port =
        |name: &str, element, shape: &[usize]| Port { name: name.to_owned(), element, shape: shape.to_vec() };
    let graph = read(&dynamic()).unwrap();
    let ports = graph.ports(&[fixed("x", &[2, 3, 8, 6]), fixed("mask", &[2, 8, 4])]).unwrap();
    assert_eq!(ports, [port("x", Element::Float32, &[2, 3, 8, 6]), port("mask", Element::Bool, &[2, 8, 4])]);
    assert_eq!(read(&small()).unwrap().ports(&[]).unwrap(), [port("x", Element::Float32, &[1, 3, 4, 4])]);
    let mut model = small();
    graph_of(&mut model).input[0] = value_of("x", DataType::Float, vec![open(""), axis(3), axis(4), axis(4)]);
    assert_eq!(read(&model).unwrap().ports(&[]).unwrap(), [port("x", Element::Float32, &[1, 3, 4, 4])]);
}

#[test]
fn sizes_that_cannot_be_are_refused_with_what_the_graph_has() {
    let graph = read(&dynamic()).unwrap();
    let said = |fixed: &[(String, Vec<usize>)]| graph.ports(fixed).unwrap_err().to_string();
    assert_eq!(said(&[]), "input `x` is float32 batch x 3 x height x width: axis 2 is open; say its size");
    assert_eq!(said(&[fixed("y", &[1])]), "the graph has no input `y`; it has `x`, `mask`");
    assert_eq!(
        said(&[fixed("x", &[1, 4, 8, 8])]),
        "input `x` is float32 batch x 3 x height x width, but 1x4x8x8 is asked for"
    );
    assert!(said(&[fixed("x", &[3, 8, 8])]).contains("but 3x8x8 is asked for"));
    assert_eq!(
        said(&[fixed("x", &[1, 3, 8, 8]), fixed("mask", &[1, 9, 9])]),
        "size `height` is asked to be 8 in input `x` and 9 in input `mask`; equal names are equal sizes"
    );
    assert_eq!(
        said(&[fixed("x", &[1, 3, 8, 8])]),
        "input `mask` is bool batch x height x ?: axis 2 is open; say its size"
    );
}

#[test]
fn initializers_that_are_inputs_too_need_not_be_given() {
    let mut model = small();
    let graph = graph_of(&mut model);
    graph.input.push(value("w", &[2, 3, 1, 1]));
    let graph = read(&model).unwrap();
    assert_eq!(graph.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>(), ["x"]);
}
