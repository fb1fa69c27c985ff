//! Element types of all values of a graph, as far as they can be told without running it. rten keeps
//! int64 and bool as int32 and float16 and float64 as float32, so what it does to a value is right or wrong
//! by the type the graph gives it.

use std::collections::HashMap;

use super::super::super::onnx::proto::{
    AttributeProto, DataType, GraphProto, NodeProto, TypeValue, ValueInfoProto,
};

/// Types of values by name.
#[derive(Clone, Default)]
pub(super) struct Types(HashMap<String, DataType>);

impl Types {
    /// The types of a graph's values; of a subgraph's, given those of the graph around it.
    pub(super) fn of(graph: &GraphProto, around: &Types) -> Types {
        let mut types = around.clone();
        for value in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
            types.declare(value);
        }
        for tensor in &graph.initializer {
            types.set(&tensor.name, DataType::try_from(tensor.data_type).ok());
        }
        for node in &graph.node {
            types.infer(node);
        }
        types
    }

    /// The type of a value, where known.
    pub(super) fn get(&self, name: &str) -> Option<DataType> {
        self.0.get(name).copied()
    }

    fn declare(&mut self, value: &ValueInfoProto) {
        if let Some(TypeValue::Tensor(tensor)) = value.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
            self.set(&value.name, DataType::try_from(tensor.elem_type).ok());
        }
    }

    fn set(&mut self, name: &str, kind: Option<DataType>) {
        if let Some(kind) = kind.filter(|kind| *kind != DataType::Undefined && !name.is_empty()) {
            self.0.insert(name.to_owned(), kind);
        }
    }

    fn infer(&mut self, node: &NodeProto) {
        let input = |index: usize| node.input.get(index).and_then(|name| self.get(name));
        let named = |name: &str| {
            attribute(node, name)
                .and_then(|found| i32::try_from(found.i).ok())
                .and_then(|of| DataType::try_from(of).ok())
        };
        let first = input(0);
        let outputs: Vec<Option<DataType>> = match node.op_type.as_str() {
            "Cast" | "BitCast" => vec![named("to")],
            "CastLike" => vec![input(1)],
            "Shape" | "Size" | "ArgMax" | "ArgMin" | "NonZero" | "NonMaxSuppression" | "SequenceLength" => {
                vec![Some(DataType::Int64)]
            }
            "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor"
            | "Not" | "IsNaN" | "IsInf" => vec![Some(DataType::Bool)],
            "ConstantOfShape" => {
                let value = attribute(node, "value").and_then(|value| value.t.as_ref());
                vec![value.map_or(Some(DataType::Float), |value| DataType::try_from(value.data_type).ok())]
            }
            "Constant" => vec![constant(node)],
            "Where" => vec![input(1).or_else(|| input(2))],
            "TopK" | "MaxPool" => vec![first, Some(DataType::Int64)],
            "Dropout" => vec![first, Some(DataType::Bool)],
            "QuantizeLinear" => {
                let asked = named("output_dtype").filter(|kind| *kind != DataType::Undefined);
                vec![input(2).or(asked).or(Some(DataType::Uint8))]
            }
            "DequantizeLinear" => vec![input(1)],
            "DynamicQuantizeLinear" => {
                vec![Some(DataType::Uint8), Some(DataType::Float), Some(DataType::Uint8)]
            }
            "ConvInteger" | "MatMulInteger" => vec![Some(DataType::Int32)],
            "QLinearConv" | "QLinearMatMul" => vec![input(7)],
            "OneHot" => vec![input(2)],
            "EyeLike" => vec![named("dtype").or(first)],
            // Sequences, and subgraphs whose outputs are not declared: not known.
            "SequenceAt" | "SequenceConstruct" | "SequenceEmpty" | "SequenceErase" | "SequenceInsert"
            | "SplitToSequence" | "ConcatFromSequence" | "Loop" | "Scan" | "If" => Vec::new(),
            _ => vec![first; node.output.len()],
        };
        for (name, kind) in node.output.iter().zip(outputs) {
            if self.get(name).is_none() {
                self.set(name, kind);
            }
        }
    }
}

fn constant(node: &NodeProto) -> Option<DataType> {
    node.attribute.iter().find_map(|attribute| match attribute.name.as_str() {
        "value" => attribute.t.as_ref().and_then(|tensor| DataType::try_from(tensor.data_type).ok()),
        "value_float" | "value_floats" => Some(DataType::Float),
        "value_int" | "value_ints" => Some(DataType::Int64),
        "value_string" | "value_strings" => Some(DataType::String),
        _ => None,
    })
}

/// A node's attribute by name.
pub(super) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// Which of rten's four kinds of tensor a type is kept in; none: rten has nothing for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kept {
    Float,
    Int32,
    Int8,
    Uint8,
}

/// How rten keeps a type.
pub(super) fn kept(kind: DataType) -> Option<Kept> {
    match kind {
        DataType::Float | DataType::Float16 => Some(Kept::Float),
        DataType::Int32 | DataType::Int64 | DataType::Bool => Some(Kept::Int32),
        DataType::Int8 => Some(Kept::Int8),
        DataType::Uint8 => Some(Kept::Uint8),
        _ => None,
    }
}

/// A type as people know it: `float32`.
pub(super) fn shown(kind: DataType) -> String {
    match kind {
        DataType::Float => "float32".to_owned(),
        DataType::Double => "float64".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}
