//! What each ONNX operator is in steps that wonnx gets right. An operator that is not here is refused, and so
//! is every attribute or shape that is not provided for.

mod activation;
mod arithmetic;
mod convolution;
mod layout;
mod normalization;
mod pooling;
mod product;
mod reduction;
mod resize;

use std::rc::Rc;

use super::build::{Building, Id, Made};
use super::reference::Constant;
use crate::model::onnx::proto::AttributeProto;

/// An input of a node.
pub(super) enum Operand {
    Constant(Rc<Constant>),
    Value(Id),
}

/// A node of the old graph: at least one input varies, and each output is of floats.
pub(super) struct Node<'a> {
    pub(super) operator: &'a str,
    pub(super) attributes: &'a [AttributeProto],
    pub(super) opset: i64,
    pub(super) operands: &'a [Option<Operand>],
    /// Of the outputs that have names, from the reference run.
    pub(super) shapes: Vec<Vec<usize>>,
    /// Whether anything takes an output after the first.
    pub(super) more_outputs_used: bool,
}

impl Node<'_> {
    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.f)
    }

    fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    fn text(&self, name: &str, default: &'static str) -> Made<String> {
        match self.attribute(name) {
            None => Ok(default.to_owned()),
            Some(attribute) => String::from_utf8(attribute.s.to_vec())
                .map_err(|_| format!("its attribute `{name}` is not text")),
        }
    }

    /// As many sizes as there are axes; none: all 1.
    fn sizes(&self, name: &str, axes: usize) -> Made<Vec<usize>> {
        let Some(values) = self.ints(name) else { return Ok(vec![1; axes]) };
        let sizes: Option<Vec<usize>> =
            values.iter().map(|value| usize::try_from(*value).ok().filter(|size| *size > 0)).collect();
        sizes
            .filter(|sizes| sizes.len() == axes)
            .ok_or_else(|| format!("its attribute `{name}` is {values:?}"))
    }

    /// A value of floats.
    fn value(&self, build: &Building, index: usize) -> Made {
        match self.operands.get(index) {
            Some(Some(Operand::Value(id))) if build.values[id.0].float => Ok(*id),
            Some(Some(Operand::Value(_))) => {
                Err("it takes integers, which wonnx does not compute with here".to_owned())
            }
            Some(Some(Operand::Constant(_))) => Err(format!("its input {index} is a constant")),
            _ => Err(format!("its input {index} is missing")),
        }
    }

    /// A value of floats, or a constant made one.
    fn any(&self, build: &mut Building, index: usize) -> Made {
        match self.operands.get(index) {
            Some(Some(Operand::Constant(constant))) => {
                let values = constant.floats()?.to_vec();
                Ok(build.floats(constant.shape.clone(), values))
            }
            _ => self.value(build, index),
        }
    }

    /// A constant; none: the input is left out. What varies where it must not is an error.
    fn constant(&self, index: usize) -> Made<Option<&Constant>> {
        match self.operands.get(index) {
            Some(Some(Operand::Constant(constant))) => Ok(Some(constant)),
            Some(Some(Operand::Value(_))) => Err(format!("its input {index} is not a constant")),
            _ => Ok(None),
        }
    }

    fn needed(&self, index: usize) -> Made<&Constant> {
        self.constant(index)?.ok_or_else(|| format!("its input {index} is missing"))
    }

    fn shape(&self) -> &[usize] {
        self.shapes.first().map_or(&[], Vec::as_slice)
    }

    fn only_first(&self) -> Made<()> {
        if self.more_outputs_used {
            return Err("more than its first output is used".to_owned());
        }
        Ok(())
    }
}

/// An axis counted from the front.
fn axis(axis: i64, axes: usize) -> Made<usize> {
    let from_front = if axis < 0 { axis + axes as i64 } else { axis };
    usize::try_from(from_front)
        .ok()
        .filter(|axis| *axis < axes)
        .ok_or_else(|| format!("its axis is {axis}; there are {axes} axes"))
}

type Maker = fn(&mut Building, &Node<'_>) -> Made<Vec<Id>>;

fn maker(operator: &str) -> Option<Maker> {
    Some(match operator {
        "Conv" => convolution::conv,
        "ConvTranspose" => convolution::conv_transpose,
        "Gemm" => product::gemm,
        "MatMul" => product::mat_mul,
        "MaxPool" | "AveragePool" => pooling::pool,
        "GlobalAveragePool" | "GlobalMaxPool" => pooling::global,
        "BatchNormalization" => normalization::batch,
        "InstanceNormalization" => normalization::instance,
        "LayerNormalization" => normalization::layer,
        "GroupNormalization" => normalization::group,
        "LpNormalization" => normalization::lp,
        "Softmax" | "LogSoftmax" => normalization::softmax,
        "Relu" | "Sigmoid" | "Tanh" | "Exp" | "Log" | "Sqrt" | "Abs" | "Neg" | "Floor" | "Ceil" | "Round"
        | "Sign" | "Reciprocal" | "Softsign" | "Elu" | "Celu" | "Selu" | "LeakyRelu" | "Softplus"
        | "HardSigmoid" | "HardSwish" | "Mish" | "Swish" | "Clip" | "PRelu" => activation::activation,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Max" | "Min" | "Sum" | "Mean" => arithmetic::arithmetic,
        "Cast" => layout::cast,
        "Identity" | "Dropout" => layout::identity,
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => layout::reshape,
        "Transpose" => layout::transpose,
        "Concat" => layout::concat,
        "Slice" => layout::slice,
        "Split" => layout::split,
        "Gather" => layout::gather,
        "Expand" => layout::expand,
        "Tile" => layout::tile,
        "Pad" => layout::pad,
        "DepthToSpace" => layout::depth_to_space,
        "SpaceToDepth" => layout::space_to_depth,
        "Resize" | "Upsample" => resize::resize,
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" => reduction::reduce,
        _ => return None,
    })
}

/// Whether a form of this operator is known to be right.
pub(super) fn has(operator: &str) -> bool {
    maker(operator).is_some()
}

/// The steps of a node; the values that its named outputs become.
pub(super) fn make(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let maker = maker(node.operator).ok_or("no form of this operator is known to be right on wonnx")?;
    maker(build, node)
}
