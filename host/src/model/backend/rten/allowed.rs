//! What rten may run. Only operators on this list are run, and only as far as they were found right: by
//! ONNX's own node tests (1.22.0) and by random shapes and attributes against onnxruntime 1.31. Every
//! condition says what rten 0.27 gets wrong without it.

use std::collections::{HashMap, HashSet};

use super::super::super::onnx::proto::{DataType, NodeProto, TensorProto};
use super::ranks::Ranks;
use super::types::{Types, attribute, kept, shown};

/// The oldest set of operators read: before it, broadcasting was asked for by attributes.
const OLDEST: i64 = 7;
/// The newest whose node tests were run.
const NEWEST: i64 = 27;

/// Operators that passed.
const OPERATORS: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Attention",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "CastLike",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "Cos",
    "Cosh",
    "CumSum",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Einsum",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "EyeLike",
    "Flatten",
    "Floor",
    "GRU",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GridSample",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "If",
    "InstanceNormalization",
    "IsInf",
    "IsNaN",
    "LSTM",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "Loop",
    "LpNormalization",
    "MatMul",
    "MatMulInteger",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "NonZero",
    "Not",
    "OneHot",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "RMSNormalization",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "ReverseSequence",
    "RotaryEmbedding",
    "Round",
    "Scatter",
    "ScatterElements",
    "ScatterND",
    "Shape",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "Tile",
    "TopK",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Upsample",
    "Where",
    "Xor",
];

/// Operators that rten has and must not run.
const WRONG: &[(&str, &str)] = &[
    ("NonMaxSuppression", "rten mixes the classes and the pictures, and divides by the box around two boxes"),
    ("DynamicQuantizeLinear", "rten rounds some values to the next step"),
];

/// A node and what is known around it.
pub(super) struct Look<'a> {
    pub(super) node: &'a NodeProto,
    pub(super) types: &'a Types,
    pub(super) ranks: &'a Ranks,
    /// Initializers and Constant nodes of the same graph.
    pub(super) constants: &'a HashMap<String, TensorProto>,
}

/// Why rten must not run a graph of this set of operators.
pub(super) fn refused_opset(opset: i64) -> Option<String> {
    if (OLDEST..=NEWEST).contains(&opset) {
        return None;
    }
    Some(format!("it is written for ONNX opset {opset}; rten was checked for {OLDEST} to {NEWEST}"))
}

/// Why rten must not run a node; `None` where it may.
pub(super) fn refused(look: &Look<'_>) -> Option<String> {
    let node = look.node;
    if !node.domain.is_empty() && node.domain != "ai.onnx" {
        return Some(format!("is of `{}`, not one of ONNX's own operators", node.domain));
    }
    if let Some((_, why)) = WRONG.iter().find(|(name, _)| *name == node.op_type) {
        return Some(format!("would come out wrong: {why}"));
    }
    if !OPERATORS.contains(&node.op_type.as_str()) {
        return Some("is none of the operators that rten was checked for".to_owned());
    }
    for name in node.input.iter().chain(&node.output).filter(|name| !name.is_empty()) {
        if let Some(kind) = look.types.get(name)
            && kept(kind).is_none()
        {
            return Some(match kind {
                // Computed in float32 it loses half the digits.
                DataType::Double => format!("has `{name}` as float64, which rten computes in float32"),
                kind => format!("has `{name}` as {}, a type rten does not have", shown(kind)),
            });
        }
    }
    look.beyond_int32().or_else(|| look.wrong()).map(|why| format!("would come out wrong: {why}"))
}

impl Look<'_> {
    fn wrong(&self) -> Option<String> {
        let why = match self.node.op_type.as_str() {
            // The padding is not the zero point, as it has to be.
            "ConvInteger" if self.pads() => "rten pads it with a wrong value",
            // Zero points of int8 weights are read as if they were unsigned.
            "MatMulInteger" if self.has_input(3) && self.input(1) != Some(DataType::Uint8) => {
                "rten mistakes the zero point of int8 weights"
            }
            // 1 where the answer is 0.
            "Sign" if self.input(0) != Some(DataType::Int32) && self.input(0) != Some(DataType::Int64) => {
                "rten says that zero is positive"
            }
            // Done as linear.
            "Resize" if self.text("mode") == "cubic" => "rten has no cubic interpolation and does linear",
            // ONNX takes the scale as it is; rten, and onnxruntime, take the whole number of pixels over it.
            "Resize"
                if self.text("coordinate_transformation_mode") == "align_corners"
                    && self.text("mode") == "linear"
                    && self.has_input(2)
                    && !self.whole_scales() =>
            {
                "with align_corners, rten rounds a scale that does not give whole pixels"
            }
            // Pads where SAME_UPPER does.
            "ConvTranspose" if self.text("auto_pad") == "SAME_LOWER" => {
                "rten takes SAME_LOWER for SAME_UPPER"
            }
            // Leaves an axis of one that has to go.
            "MatMul" if self.ranks.get(self.node.input.get(1)?) == Some(1) && !self.is_vector(0) => {
                "rten keeps an axis when it multiplies by a vector"
            }
            "MatMul" if self.ranks.get(self.node.input.get(1)?).is_none() => {
                return Some(
                    "rten keeps an axis when it multiplies by a vector, and the file does not say how many axes \
                     the second factor has; save it with shapes inferred"
                        .to_owned(),
                );
            }
            // A mask is random in training.
            "Dropout" if self.has_input(2) && self.number(2) != Some(0) => "it is there for training",
            _ => return None,
        };
        Some(why.to_owned())
    }

    /// A constant that int32 does not hold, where it is more than a bound.
    fn beyond_int32(&self) -> Option<String> {
        // "To the end" and "no bound" mean the same as the largest int32.
        let bounds: &[usize] = match self.node.op_type.as_str() {
            "Slice" | "Clip" => &[1, 2],
            _ => &[],
        };
        if self.node.op_type == "Constant" {
            let fits =
                self.node.attribute.iter().filter(|found| found.name.starts_with("value_int")).all(|found| {
                    i32::try_from(found.i).is_ok()
                        && found.ints.iter().all(|value| i32::try_from(*value).is_ok())
                });
            return (!fits).then(|| "its value is beyond int32, which rten computes in".to_owned());
        }
        for (index, name) in self.node.input.iter().enumerate() {
            let Some(tensor) = self.constants.get(name) else { continue };
            if !bounds.contains(&index)
                && tensor.data_type == DataType::Int64 as i32
                && integers(tensor).any(|value| i32::try_from(value).is_err())
            {
                return Some(format!("`{name}` has a value beyond int32, which rten computes in"));
            }
        }
        None
    }

    fn pads(&self) -> bool {
        let pads = attribute(self.node, "pads").is_some_and(|pads| pads.ints.iter().any(|pad| *pad != 0));
        pads || self.text("auto_pad").starts_with("SAME")
    }

    /// Whether all scales are constants that give whole numbers of pixels, whatever the size.
    fn whole_scales(&self) -> bool {
        let Some(tensor) = self.node.input.get(2).and_then(|name| self.constants.get(name)) else {
            return false;
        };
        let mut scales = floats(tensor).peekable();
        scales.peek().is_none() || scales.all(|scale| scale >= 1.0 && scale.fract() == 0.0)
    }

    fn is_vector(&self, index: usize) -> bool {
        self.node.input.get(index).and_then(|name| self.ranks.get(name)) == Some(1)
    }

    fn text(&self, name: &str) -> String {
        let found = attribute(self.node, name).map(|found| String::from_utf8_lossy(&found.s).into_owned());
        found.unwrap_or_default()
    }

    fn input(&self, index: usize) -> Option<DataType> {
        self.node.input.get(index).and_then(|name| self.types.get(name))
    }

    fn has_input(&self, index: usize) -> bool {
        self.node.input.get(index).is_some_and(|name| !name.is_empty())
    }

    /// The one number of a constant input.
    fn number(&self, index: usize) -> Option<i64> {
        let tensor = self.constants.get(self.node.input.get(index)?)?;
        match DataType::try_from(tensor.data_type).ok()? {
            DataType::Bool if tensor.raw_data.is_empty() => {
                tensor.int32_data.first().map(|value| i64::from(*value))
            }
            DataType::Bool => tensor.raw_data.first().map(|value| i64::from(*value)),
            _ => None,
        }
    }
}

/// The values of a constant of int64.
pub(super) fn integers(tensor: &TensorProto) -> impl Iterator<Item = i64> + '_ {
    let raw = tensor.raw_data.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
    tensor.int64_data.iter().copied().chain(raw)
}

/// The values of a constant of float32.
fn floats(tensor: &TensorProto) -> impl Iterator<Item = f32> + '_ {
    let raw = tensor.raw_data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    tensor.float_data.iter().copied().chain(raw)
}

/// Follows int64 values through a graph that were given to it, or made of floats that depend on what was given: what
/// is computed from them may not fit int32, and rten would wrap it round. Sizes, indices and counts never come
/// so far.
#[derive(Clone, Default)]
pub(super) struct Given {
    /// All that depends on the values given to the graph.
    varies: HashSet<String>,
    /// Of these, what is int64.
    whole: HashSet<String>,
    /// Of these, what was made of floats, and cut to int32 where it was more.
    made: HashSet<String>,
}

impl Given {
    pub(super) fn of<'a>(inputs: impl Iterator<Item = &'a str>, types: &Types) -> Given {
        let varies: HashSet<String> = inputs.map(str::to_owned).collect();
        let whole = varies.iter().filter(|name| types.get(name) == Some(DataType::Int64)).cloned().collect();
        Given { varies, whole, made: HashSet::new() }
    }

    /// Goes on to the next node, or says why it must not be run.
    pub(super) fn follow(&mut self, node: &NodeProto, types: &Types) -> Option<String> {
        if matches!(node.op_type.as_str(), "Shape" | "Size") {
            return None;
        }
        if node.input.iter().any(|name| self.varies.contains(name)) {
            self.varies.extend(node.output.iter().cloned());
        }
        let is = |name: &str, kinds: &[DataType]| types.get(name).is_some_and(|kind| kinds.contains(&kind));
        let floats = [DataType::Float, DataType::Float16, DataType::Double];
        if let (true, [input, ..], [output]) =
            (matches!(node.op_type.as_str(), "Cast" | "CastLike"), &node.input[..], &node.output[..])
        {
            if self.varies.contains(input) && is(input, &floats) && is(output, &[DataType::Int64]) {
                self.whole.insert(output.clone());
                self.made.insert(output.clone());
                return None;
            }
            if self.made.contains(input) && is(output, &floats) {
                return Some(format!(
                    "would come out wrong: `{input}` is int64 made of floats, which rten cuts to int32"
                ));
            }
        }
        let whole = |name: &String| types.get(name).is_none_or(|kind| kind == DataType::Int64);
        let from = node.input.iter().find(|name| self.whole.contains(*name))?.clone();
        let grows = matches!(
            node.op_type.as_str(),
            "Add"
                | "Sub"
                | "Mul"
                | "Pow"
                | "Neg"
                | "Abs"
                | "Sum"
                | "ReduceSum"
                | "ReduceProd"
                | "ReduceL1"
                | "ReduceL2"
                | "ReduceSumSquare"
                | "CumSum"
                | "MatMul"
                | "Gemm"
                | "Einsum"
                | "Range"
                | "Loop"
                | "If"
        );
        let outputs: Vec<&String> = node.output.iter().filter(|name| whole(name)).collect();
        if grows && !outputs.is_empty() {
            return Some(format!(
                "would come out wrong: it computes with int64 values in `{from}` that come out of the inputs, and rten \
                 computes them in int32"
            ));
        }
        if self.made.contains(&from) {
            self.made.extend(outputs.iter().map(|name| (*name).clone()));
        }
        self.whole.extend(outputs.into_iter().cloned());
        None
    }
}
