//! Small graphs for tests.

use bytes::Bytes;
use prost::Message;
use rten::{ModelOptions, Value, ValueOrView};
use rten_tensor::AsView as _;

use crate::model::onnx::proto::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorTypeProto, TypeProto, TypeValue, ValueInfoProto,
};
use crate::model::tensor::{Array, Element, Port, Values};

/// A graph of one float input `x` and one output `y`.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) model: ModelProto,
    pub(super) opset: i64,
    pub(super) input: Array,
}

pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 7, ints: values.to_vec(), ..AttributeProto::default() }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 2, i: value, ..AttributeProto::default() }
}

pub(super) fn text(name: &str, value: &'static str) -> AttributeProto {
    let s = Bytes::from_static(value.as_bytes());
    AttributeProto { name: name.to_owned(), r#type: 3, s, ..AttributeProto::default() }
}

pub(super) fn node(
    operator: &str,
    inputs: &[&str],
    output: &str,
    attributes: &[AttributeProto],
) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.to_owned()],
        name: format!("the {operator}"),
        op_type: operator.to_owned(),
        attribute: attributes.to_vec(),
        ..NodeProto::default()
    }
}

/// Numbers that are different everywhere and neither small nor large.
pub(super) fn some(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

pub(super) fn floats(name: &str, shape: &[usize], values: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: shape.iter().map(|size| *size as i64).collect(),
        data_type: DataType::Float as i32,
        float_data: values,
        ..TensorProto::default()
    }
}

pub(super) fn weights(name: &str, shape: &[usize]) -> TensorProto {
    floats(name, shape, some(shape.iter().product(), name.len() as u32 + 7))
}

/// In `raw_data`, as exporters write them and wonnx does not read them.
pub(super) fn indices(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64 as i32,
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into(),
        ..TensorProto::default()
    }
}

impl Sample {
    pub(super) fn new(
        opset: i64,
        shape: &[usize],
        nodes: Vec<NodeProto>,
        constants: Vec<TensorProto>,
    ) -> Self {
        let tensor = TensorTypeProto { elem_type: DataType::Float as i32, shape: None };
        let info = |name: &str| ValueInfoProto {
            name: name.to_owned(),
            r#type: Some(TypeProto { value: Some(TypeValue::Tensor(tensor.clone())) }),
        };
        let graph = GraphProto {
            name: "sample".to_owned(),
            node: nodes,
            initializer: constants,
            input: vec![info("x")],
            output: vec![info("y")],
            ..GraphProto::default()
        };
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
            graph: Some(graph),
            ..ModelProto::default()
        };
        let values = some(shape.iter().product(), 3);
        Sample { model, opset, input: Array { shape: shape.to_vec(), values: Values::F32(values) } }
    }

    pub(super) fn with(mut self, values: Vec<f32>) -> Self {
        self.input.values = Values::F32(values);
        self
    }

    pub(super) fn ports(&self) -> Vec<Port> {
        vec![Port { name: "x".to_owned(), element: Element::Float32, shape: self.input.shape.clone() }]
    }

    /// What rten makes of it.
    pub(super) fn expected(&self) -> Array {
        let model = ModelOptions::with_all_ops().load(self.model.encode_to_vec()).expect("rten loads it");
        let Values::F32(values) = &self.input.values else { panic!("it takes floats") };
        let value = Value::from_shape(self.input.shape.as_slice(), values.clone()).expect("its shape fits");
        let input = vec![(model.input_ids()[0], ValueOrView::from(value))];
        let answer = model.run(input, &[model.output_ids()[0]], None).expect("rten runs it").remove(0);
        let Value::FloatTensor(values) = answer else { panic!("it makes floats") };
        use rten_tensor::Layout as _;
        Array { shape: values.shape().to_vec(), values: Values::F32(values.to_vec()) }
    }
}

/// Whether two answers are the same as far as float32 goes.
pub(super) fn agree(one: &Array, other: &Array) -> bool {
    let (Values::F32(left), Values::F32(right)) = (&one.values, &other.values) else { return false };
    one.shape == other.shape
        && left.iter().zip(right).all(|(left, right)| (left - right).abs() <= 1e-5 + 1e-4 * right.abs())
}
