//! What rten may run, what it is told in other words, and what it is refused.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::super::super::onnx::Graph;
use super::super::super::onnx::proto::{
    AttributeProto, AttributeType, DataType, Dimension, DimensionValue, FunctionProto, GraphProto,
    ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    TypeValue, ValueInfoProto,
};
use super::super::super::tensor::{Array, Port, Values};
use super::super::{Backend as _, RunError, Session, Source};
use super::{PoolLane, Rten};
use crate::model::gate::Lane as _;

/// A size of an axis: a number, or a name where it is open.
enum Axis {
    Is(i64),
    Open(&'static str),
}
use Axis::{Is, Open};

fn value(name: &str, kind: DataType, axes: &[Axis]) -> ValueInfoProto {
    let dim = axes.iter().map(|axis| Dimension {
        value: Some(match axis {
            Is(size) => DimensionValue::Size(*size),
            Open(name) => DimensionValue::Name((*name).to_owned()),
        }),
    });
    let shape = TensorShapeProto { dim: dim.collect() };
    let tensor = TensorTypeProto { elem_type: kind as i32, shape: Some(shape) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(TypeValue::Tensor(tensor)) }),
    }
}

fn node(op_type: &str, input: &[&str], output: &[&str]) -> NodeProto {
    NodeProto {
        op_type: op_type.to_owned(),
        name: format!("the {op_type}"),
        input: input.iter().map(|name| (*name).to_owned()).collect(),
        output: output.iter().map(|name| (*name).to_owned()).collect(),
        ..NodeProto::default()
    }
}

fn with(mut node: NodeProto, name: &str, value: impl FnOnce(&mut AttributeProto)) -> NodeProto {
    let mut attribute = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    value(&mut attribute);
    node.attribute.push(attribute);
    node
}

fn int(value: i64) -> impl FnOnce(&mut AttributeProto) {
    move |attribute| {
        attribute.r#type = AttributeType::Int as i32;
        attribute.i = value;
    }
}

fn ints(values: &'static [i64]) -> impl FnOnce(&mut AttributeProto) {
    move |attribute| {
        attribute.r#type = AttributeType::Ints as i32;
        attribute.ints = values.to_vec();
    }
}

fn text(value: &'static str) -> impl FnOnce(&mut AttributeProto) {
    move |attribute| {
        attribute.r#type = AttributeType::String as i32;
        attribute.s = Bytes::from_static(value.as_bytes());
    }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn longs(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

struct Case {
    opset: i64,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    functions: Vec<FunctionProto>,
}

impl Case {
    /// One node from `x` to `y`.
    fn of(node: NodeProto, x: ValueInfoProto, y: ValueInfoProto) -> Case {
        Case {
            opset: 17,
            nodes: vec![node],
            constants: Vec::new(),
            inputs: vec![x],
            outputs: vec![y],
            functions: Vec::new(),
        }
    }

    fn constant(mut self, tensor: TensorProto) -> Case {
        self.constants.push(tensor);
        self
    }

    fn load(&self, sizes: &[&[usize]]) -> Result<Box<dyn Session>, String> {
        let graph = GraphProto {
            node: self.nodes.clone(),
            name: "case".to_owned(),
            initializer: self.constants.clone(),
            input: self.inputs.clone(),
            output: self.outputs.clone(),
            ..GraphProto::default()
        };
        let own = OperatorSetIdProto { domain: String::new(), version: self.opset };
        let other = OperatorSetIdProto { domain: "local".to_owned(), version: 1 };
        let model = ModelProto {
            ir_version: 8,
            graph: Some(graph),
            opset_import: vec![own, other],
            functions: self.functions.clone(),
            ..ModelProto::default()
        };
        let bytes = Bytes::from(model.encode_to_vec());
        let graph = Graph::read(bytes.clone(), Path::new(".")).map_err(|error| error.to_string())?;
        let graph = Arc::new(graph);
        let ports: Vec<Port> = graph
            .inputs
            .iter()
            .zip(sizes)
            .filter_map(|(input, shape)| {
                Some(Port { name: input.name.clone(), element: input.element?, shape: shape.to_vec() })
            })
            .collect();
        let outputs: Vec<String> = self.outputs.iter().map(|output| output.name.clone()).collect();
        let source = Source { graph: &graph, bytes: &bytes, inputs: &ports, outputs: &outputs, threads: 1 };
        Rten::new().load(&source)
    }

    fn refusal(&self, sizes: &[&[usize]]) -> String {
        self.load(sizes).err().expect("it was loaded")
    }

    fn run(&self, inputs: &[Array]) -> Vec<Array> {
        let sizes: Vec<&[usize]> = inputs.iter().map(|input| input.shape.as_slice()).collect();
        let session = self.load(&sizes).unwrap();
        session.run(&inputs.iter().collect::<Vec<_>>()).unwrap()
    }
}

fn array(shape: &[usize], values: Values) -> Array {
    Array { shape: shape.to_vec(), values }
}

fn float(name: &str, axes: &[Axis]) -> ValueInfoProto {
    value(name, DataType::Float, axes)
}

#[test]
fn a_convolution_with_every_attribute_left_out_runs() {
    let case = Case::of(
        node("Conv", &["x", "w"], &["y"]),
        float("x", &[Is(1), Is(1), Is(2), Is(2)]),
        float("y", &[Is(1), Is(1), Is(1), Is(1)]),
    )
    .constant(floats("w", &[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]));
    let y = case.run(&[array(&[1, 1, 2, 2], Values::F32(vec![1.0, 2.0, 3.0, 4.0]))]);
    assert_eq!(y, [array(&[1, 1, 1, 1], Values::F32(vec![4321.0]))]);
}

#[test]
fn padding_of_same_lower_comes_first() {
    let conv = with(node("Conv", &["x", "w"], &["y"]), "auto_pad", text("SAME_LOWER"));
    let axes = || [Is(1), Is(1), Is(1), Is(3)];
    let case = Case::of(conv, float("x", &axes()), float("y", &axes())).constant(floats(
        "w",
        &[1, 1, 1, 2],
        &[1.0, 10.0],
    ));
    let y = case.run(&[array(&[1, 1, 1, 3], Values::F32(vec![1.0, 2.0, 3.0]))]);
    assert_eq!(y[0].values, Values::F32(vec![10.0, 21.0, 32.0]));
}

#[test]
fn the_first_of_equal_values_is_the_greatest() {
    let most = with(with(node("ArgMax", &["x"], &["y"]), "axis", int(1)), "keepdims", int(0));
    let case = Case::of(most, float("x", &[Is(2), Is(3)]), value("y", DataType::Int64, &[Is(2)]));
    let y = case.run(&[array(&[2, 3], Values::F32(vec![7.0, 1.0, 7.0, 1.0, 2.0, 2.0]))]);
    assert_eq!(y, [array(&[2], Values::I64(vec![0, 1]))]);
}

#[test]
fn a_softmax_of_opset_11_is_over_all_axes_from_its_own_on() {
    let softmax = with(node("Softmax", &["x"], &["y"]), "axis", int(1));
    let axes = || [Is(1), Is(2), Is(2)];
    let mut case = Case::of(softmax, float("x", &axes()), float("y", &axes()));
    let x = array(&[1, 2, 2], Values::F32(vec![3.0; 4]));
    case.opset = 11;
    assert_eq!(case.run(std::slice::from_ref(&x))[0].values, Values::F32(vec![0.25; 4]));
    case.opset = 13;
    assert_eq!(case.run(&[x])[0].values, Values::F32(vec![0.5; 4]));
}

#[test]
fn what_is_not_zero_is_true() {
    let cast = with(node("Cast", &["x"], &["y"]), "to", int(DataType::Bool as i64));
    let case = Case::of(cast, float("x", &[Is(4)]), value("y", DataType::Bool, &[Is(4)]));
    let y = case.run(&[array(&[4], Values::F32(vec![0.0, 0.5, -2.0, f32::NAN]))]);
    assert_eq!(y[0].values, Values::Bool(vec![false, true, true, true]));
}

#[test]
fn a_rounded_quotient_is_of_a_true_division() {
    // 49 times the float32 next to a 49th is less than 1.
    let mut case = Case::of(node("Div", &["x", "d"], &["q"]), float("x", &[Is(2)]), float("y", &[Is(2)]))
        .constant(floats("d", &[], &[49.0]));
    case.nodes.push(node("Floor", &["q"], &["y"]));
    let y = case.run(&[array(&[2], Values::F32(vec![49.0, 98.0]))]);
    assert_eq!(y, [array(&[2], Values::F32(vec![1.0, 2.0]))]);
}

#[test]
fn a_dropout_of_inference_does_nothing() {
    let case =
        Case::of(node("Dropout", &["x"], &["y", "unread"]), float("x", &[Is(2)]), float("y", &[Is(2)]));
    let y = case.run(&[array(&[2], Values::F32(vec![1.0, 2.0]))]);
    assert_eq!(y[0].values, Values::F32(vec![1.0, 2.0]));
}

#[test]
fn int64_and_bool_come_back_in_their_types() {
    let case = Case::of(
        node("Identity", &["x"], &["y"]),
        value("x", DataType::Int64, &[Is(2)]),
        value("y", DataType::Int64, &[Is(2)]),
    );
    let x = array(&[2], Values::I64(vec![-3, 2_000_000_000]));
    assert_eq!(case.run(std::slice::from_ref(&x)), [x]);
    let session = case.load(&[&[2]]).unwrap();
    let far = array(&[2], Values::I64(vec![0, 5_000_000_000]));
    assert_eq!(
        session.run(&[&far]),
        Err(RunError::Failed("input `x` has a value beyond int32, which rten computes in".to_owned()))
    );
}

#[test]
fn a_wrong_type_and_a_wrong_count_of_inputs_are_said() {
    let case = Case::of(node("Relu", &["x"], &["y"]), float("x", &[Is(1)]), float("y", &[Is(1)]));
    let session = case.load(&[&[1]]).unwrap();
    let bytes = array(&[1], Values::U8(vec![1]));
    assert_eq!(
        session.run(&[&bytes]),
        Err(RunError::Failed("input `x` was given as uint8; the graph has float32".to_owned()))
    );
    assert_eq!(session.run(&[]), Err(RunError::Failed("0 inputs were given; the graph has 1".to_owned())));
}

#[test]
fn a_call_of_a_local_function_runs_as_its_nodes() {
    let mut call = node("Twice", &["x"], &["y"]);
    call.domain = "local".to_owned();
    let mut case = Case::of(call, float("x", &[Is(2)]), float("y", &[Is(2)]));
    case.functions.push(FunctionProto {
        name: "Twice".to_owned(),
        domain: "local".to_owned(),
        input: vec!["a".to_owned()],
        output: vec!["b".to_owned()],
        node: vec![node("Add", &["a", "a"], &["sum"]), node("Identity", &["sum"], &["b"])],
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        ..FunctionProto::default()
    });
    let y = case.run(&[array(&[2], Values::F32(vec![1.0, 2.0]))]);
    assert_eq!(y[0].values, Values::F32(vec![2.0, 4.0]));
}

#[test]
fn functions_that_call_each_other_for_ever_are_refused() {
    let mut call = node("Again", &["x"], &["y"]);
    call.domain = "local".to_owned();
    let mut inside = node("Again", &["a"], &["b"]);
    inside.domain = "local".to_owned();
    let mut case = Case::of(call, float("x", &[Is(1)]), float("y", &[Is(1)]));
    case.functions.push(FunctionProto {
        name: "Again".to_owned(),
        domain: "local".to_owned(),
        input: vec!["a".to_owned()],
        output: vec!["b".to_owned()],
        node: vec![inside],
        ..FunctionProto::default()
    });
    // The reader of files may refuse it first; what counts is that it ends, and says so.
    let why = case.refusal(&[&[1]]);
    assert!(why.contains("Again") || why.contains("deep") || why.contains("functions"), "{why}");
}

#[test]
fn what_rten_gets_wrong_is_refused_by_node_and_operator() {
    let x = || float("x", &[Is(1), Is(1), Is(4), Is(4)]);
    let y = || float("y", &[Is(1), Is(1), Is(8), Is(8)]);
    let cubic = with(node("Resize", &["x", "", "s"], &["y"]), "mode", text("cubic"));
    let case = Case::of(cubic, x(), y()).constant(floats("s", &[4], &[1.0, 1.0, 2.0, 2.0]));
    assert_eq!(
        case.refusal(&[&[1, 1, 4, 4]]),
        "node `the Resize` (Resize) would come out wrong: rten has no cubic interpolation and does linear"
    );
    let case = Case::of(node("Hardmax", &["x"], &["y"]), x(), y());
    assert_eq!(
        case.refusal(&[&[1, 1, 4, 4]]),
        "node `the Hardmax` (Hardmax) is none of the operators that rten was checked for"
    );
}

#[test]
fn a_product_with_a_vector_is_refused() {
    let case = Case::of(
        node("MatMul", &["x", "v"], &["y"]),
        float("x", &[Is(1), Is(2), Is(2)]),
        float("y", &[Is(1), Is(2)]),
    )
    .constant(floats("v", &[2], &[1.0, 2.0]));
    assert!(case.refusal(&[&[1, 2, 2]]).contains("multiplies by a vector"));
}

#[test]
fn integers_that_may_grow_beyond_int32_are_refused() {
    let long = |name| value(name, DataType::Int64, &[Is(1)]);
    let case = Case::of(node("Mul", &["x", "x"], &["y"]), long("x"), long("y"));
    assert_eq!(
        case.refusal(&[&[1]]),
        "node `the Mul` (Mul) would come out wrong: it computes with int64 values in `x` that come out of the \
         inputs, and rten computes them in int32"
    );
    let whole = |from: &str, to: &str| with(node("Cast", &[from], &[to]), "to", int(DataType::Int64 as i64));
    let mut case = Case::of(node("Mul", &["i", "i"], &["y"]), float("x", &[Is(1)]), long("y"));
    case.nodes.insert(0, whole("x", "i"));
    assert!(case.refusal(&[&[1]]).contains("int64 values in `i`"));
    let back = with(node("Cast", &["i"], &["y"]), "to", int(DataType::Float as i64));
    let mut case = Case::of(back, float("x", &[Is(1)]), float("y", &[Is(1)]));
    case.nodes.insert(0, whole("x", "i"));
    assert!(case.refusal(&[&[1]]).contains("`i` is int64 made of floats"));
    let case = Case::of(whole("x", "y"), float("x", &[Is(2)]), value("y", DataType::Int64, &[Is(2)]));
    assert_eq!(case.run(&[array(&[2], Values::F32(vec![7.9, -3.0]))])[0].values, Values::I64(vec![7, -3]));
    let lost = case.load(&[&[2]]).unwrap().run(&[&array(&[2], Values::F32(vec![4e9, 1.0]))]);
    assert_eq!(
        lost,
        Err(RunError::Failed("output `y` has a value beyond int32, which rten computes in".to_owned()))
    );
    let case = Case::of(node("Add", &["s", "c"], &["y"]), float("x", &[Is(1)]), long("y"))
        .constant(longs("c", &[5_000_000_000]));
    let mut case = case;
    case.nodes.insert(0, node("Shape", &["x"], &["s"]));
    assert!(case.refusal(&[&[1]]).contains("`c` has a value beyond int32"));
}

#[test]
fn the_end_of_an_axis_may_be_the_largest_int64() {
    let case =
        Case::of(node("Slice", &["x", "from", "to"], &["y"]), float("x", &[Is(3)]), float("y", &[Is(2)]))
            .constant(longs("from", &[1]))
            .constant(longs("to", &[i64::MAX]));
    let y = case.run(&[array(&[3], Values::F32(vec![1.0, 2.0, 3.0]))]);
    assert_eq!(y[0].values, Values::F32(vec![2.0, 3.0]));
}

#[test]
fn float64_is_refused_rather_than_halved() {
    let double = |name| value(name, DataType::Double, &[Is(1)]);
    let case = Case::of(node("Relu", &["x"], &["y"]), double("x"), double("y"));
    assert_eq!(case.refusal(&[&[1]]), "input `x` is float64: rten computes in float32");
}

#[test]
fn only_a_graph_that_keeps_its_pictures_apart_takes_a_batch() {
    let axes = || [Open("n"), Is(2)];
    let case = Case::of(node("Relu", &["x"], &["y"]), float("x", &axes()), float("y", &axes()));
    assert!(case.load(&[&[1, 2]]).unwrap().batches());
    // A mean over the pictures.
    let mean = with(node("ReduceMean", &["x"], &["m"]), "axes", ints(&[0]));
    let mut case = Case::of(mean, float("x", &axes()), float("y", &axes()));
    case.nodes.push(node("Sub", &["x", "m"], &["y"]));
    assert!(!case.load(&[&[1, 2]]).unwrap().batches());
    // One picture, whatever is given.
    let case =
        Case::of(node("Relu", &["x"], &["y"]), float("x", &[Is(1), Is(2)]), float("y", &[Is(1), Is(2)]));
    assert!(!case.load(&[&[1, 2]]).unwrap().batches());
}

#[test]
fn a_worker_inside_a_pool_runs_where_it_is() {
    let case = Case::of(node("Relu", &["x"], &["y"]), float("x", &[Is(1)]), float("y", &[Is(1)]));
    let session = case.load(&[&[1]]).unwrap();
    let x = array(&[1], Values::F32(vec![-1.0]));
    let mut answers = Vec::new();
    PoolLane::new().run(&mut || answers = vec![session.run(&[&x]), session.run(&[&x])]);
    for answer in answers {
        assert_eq!(answer.unwrap()[0].values, Values::F32(vec![0.0]));
    }
    // And from a thread of no pool.
    assert_eq!(session.run(&[&x]).unwrap()[0].values, Values::F32(vec![0.0]));
}
