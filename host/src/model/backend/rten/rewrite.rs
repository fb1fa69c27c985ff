//! Nodes said in other words: operators that rten lacks or gets wrong, built from those that it has and
//! gets right.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::super::super::onnx::proto::{AttributeProto, AttributeType, DataType, NodeProto, TensorProto};
use super::ranks::Ranks;
use super::types::{Types, attribute};

/// What is known around a node.
pub(super) struct Around<'a> {
    pub(super) types: &'a Types,
    pub(super) ranks: &'a Ranks,
    pub(super) constants: &'a HashMap<String, TensorProto>,
    /// Values that end in whole numbers: their last digit may matter.
    pub(super) rounded: &'a HashSet<String>,
    pub(super) opset: i64,
}

/// The nodes to put in a node's place; `None`: it stays. `number` makes the names of values between them.
pub(super) fn rewritten(
    node: &NodeProto,
    around: &Around<'_>,
    number: usize,
) -> Result<Option<Vec<NodeProto>>, String> {
    let Around { types, ranks, opset, .. } = *around;
    let kind = |index: usize| node.input.get(index).and_then(|name| types.get(name));
    let mut words = Words { node, number, nodes: Vec::new() };
    let made = match node.op_type.as_str() {
        "Cast" if int(node, "to", 0) == DataType::Bool as i64 => {
            let from = kind(0).ok_or("makes bool of a value whose type the file does not say")?;
            words.truth(from)
        }
        "CastLike" if kind(1).is_none_or(|kind| kind == DataType::Bool) => {
            let from = kind(0).filter(|_| kind(1).is_some());
            words.truth(from.ok_or("changes a value to a type that the file does not say")?)
        }
        "Dropout" if node.output.len() > 1 => return Err("gives its mask out, which rten cannot".to_owned()),
        // In inference it does nothing.
        "Dropout" => words.is("Identity", &[0]),
        // Among equals, rten takes the last.
        "ArgMax" | "ArgMin" if int(node, "select_last_index", 0) != 0 => {
            let mut same = node.clone();
            same.attribute.retain(|attribute| attribute.name != "select_last_index");
            return Ok(Some(vec![same]));
        }
        "ArgMax" | "ArgMin" => words.first_of_equals(),
        // Until opset 12 it was over all axes from the given one on.
        "Softmax" | "LogSoftmax" if opset < 13 => words.over_the_rest(),
        // Infinite from 89 on.
        "Softplus" => words.softplus(),
        "Mish" => words.mish(),
        // rten has no integer exponents of real bases.
        "Pow" if kind(0) == Some(DataType::Float) && kind(1).is_some_and(|kind| kind != DataType::Float) => {
            words.real_exponent()
        }
        "SpaceToDepth" => words.space_to_depth(),
        // It, too, multiplies by a reciprocal, and rounds what should lie between two steps to the wrong one.
        "QuantizeLinear" if !around.is_power_of_two(node) => {
            let one = node.input.get(1).is_some_and(|name| {
                let single =
                    around.constants.get(name).is_some_and(|scale| scale.dims.iter().all(|size| *size == 1));
                single || ranks.get(name) == Some(0)
            });
            if !one || kind(0) != Some(DataType::Float) {
                return Err(
                    "has a scale for each channel, or one that the file does not show: rten rounds by it \
                            inexactly"
                        .to_owned(),
                );
            }
            words.quantized(kind(2))
        }
        "GroupNormalization" => {
            if opset < 21 {
                return Err("is that of opset 18, which has a scale for each group; rten has none".to_owned());
            }
            let rank = node.input.first().and_then(|name| ranks.get(name));
            words
                .group_normalization(rank.ok_or("has an input of which the file does not say how many axes")?)
        }
        // rten multiplies by the reciprocal of a single number, and 49 times a 49th is less than 1.
        "Div" if kind(0).is_none_or(|kind| kind == DataType::Float) && around.ends_whole(node) => {
            match around.divisor(node) {
                Divisor::Many => None,
                Divisor::One => words.quotient(),
                Divisor::Unknown => {
                    return Err("gives a quotient that is rounded, and rten may divide inexactly".to_owned());
                }
            }
        }
        _ => None,
    };
    match made {
        Some(()) => Ok(Some(words.nodes)),
        None => Ok(None),
    }
}

/// What a quotient is divided by.
enum Divisor {
    One,
    Many,
    Unknown,
}

impl Around<'_> {
    /// Whether a node's second input is a constant of powers of two: their reciprocals are exact.
    fn is_power_of_two(&self, node: &NodeProto) -> bool {
        let Some(tensor) = node.input.get(1).and_then(|name| self.constants.get(name)) else { return false };
        let raw = tensor.raw_data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        tensor.data_type == DataType::Float as i32
            && tensor
                .float_data
                .iter()
                .copied()
                .chain(raw)
                .all(|value| value.is_normal() && value.to_bits() << 9 == 0)
    }

    fn ends_whole(&self, node: &NodeProto) -> bool {
        node.output.first().is_some_and(|name| self.rounded.contains(name))
    }

    fn divisor(&self, node: &NodeProto) -> Divisor {
        let Some(name) = node.input.get(1) else { return Divisor::Unknown };
        let dividend = node.input.first().and_then(|name| self.ranks.get(name));
        let one = match self.constants.get(name) {
            Some(tensor) => tensor.dims.iter().all(|size| *size == 1),
            None if self.ranks.get(name) == Some(0) => true,
            None => return Divisor::Unknown,
        };
        match (one, dividend, self.ranks.get(name)) {
            (false, ..) => Divisor::Many,
            // The answer has the dividend's axes.
            (true, _, Some(0)) => Divisor::One,
            (true, Some(dividend), Some(divisor)) if divisor <= dividend => Divisor::One,
            _ => Divisor::Unknown,
        }
    }
}

/// Values whose last digit may decide a whole number further on: those that are rounded, or made integers,
/// at once or after sums and changes of shape.
pub(super) fn rounded(nodes: &[NodeProto], types: &Types) -> HashSet<String> {
    let mut rounded = HashSet::new();
    // From the back, so that what follows a node is known when it comes.
    for node in nodes.iter().rev() {
        let whole = |name: &String| types.get(name).is_none_or(|kind| kind != DataType::Float);
        let rounds = match node.op_type.as_str() {
            "Round" | "Floor" | "Ceil" | "Mod" => true,
            "Cast" | "CastLike" => node.output.iter().any(|name| whole(name) || rounded.contains(name)),
            "Add" | "Sub" | "Mul" | "Div" | "Neg" | "Clip" | "Max" | "Min" | "Reshape" | "Unsqueeze"
            | "Squeeze" | "Transpose" | "Identity" | "Slice" | "Gather" | "Concat" | "Expand" | "Flatten"
            | "Where" | "Relu" => node.output.iter().any(|name| rounded.contains(name)),
            _ => false,
        };
        if rounds {
            rounded.extend(node.input.iter().cloned());
        }
    }
    rounded
}

fn int(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |found| found.i)
}

/// The nodes in place of one.
struct Words<'a> {
    node: &'a NodeProto,
    number: usize,
    nodes: Vec<NodeProto>,
}

impl Words<'_> {
    fn input(&self, index: usize) -> Option<String> {
        self.node.input.get(index).filter(|name| !name.is_empty()).cloned()
    }

    /// Adds a node whose value has a name of its own.
    fn add(&mut self, op_type: &str, input: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = format!("{}.{}.{}", self.node.name, self.number, self.nodes.len());
        self.push(op_type, input, output.clone(), attributes);
        output
    }

    /// Adds the node that gives the value of the one replaced.
    fn end(&mut self, op_type: &str, input: &[&str], attributes: Vec<AttributeProto>) -> Option<()> {
        let output = self.node.output.first()?.clone();
        self.push(op_type, input, output, attributes);
        Some(())
    }

    fn push(&mut self, op_type: &str, input: &[&str], output: String, attribute: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            input: input.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output],
            name: format!("{}.{}", self.node.name, self.nodes.len()),
            op_type: op_type.to_owned(),
            attribute,
            ..NodeProto::default()
        });
    }

    fn constant(&mut self, kind: DataType, dims: Vec<i64>, raw: Vec<u8>) -> String {
        let tensor = TensorProto {
            dims,
            data_type: kind as i32,
            raw_data: Bytes::from(raw),
            ..TensorProto::default()
        };
        self.add(
            "Constant",
            &[],
            vec![AttributeProto {
                name: "value".to_owned(),
                r#type: AttributeType::Tensor as i32,
                t: Some(tensor),
                ..AttributeProto::default()
            }],
        )
    }

    fn float(&mut self, value: f32) -> String {
        self.constant(DataType::Float, Vec::new(), value.to_le_bytes().to_vec())
    }

    fn list(&mut self, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(DataType::Int64, vec![values.len() as i64], raw)
    }

    fn one(&mut self, value: i64) -> String {
        self.constant(DataType::Int64, Vec::new(), value.to_le_bytes().to_vec())
    }

    fn is(&mut self, op_type: &str, inputs: &[usize]) -> Option<()> {
        let inputs: Vec<String> = inputs.iter().map(|index| self.input(*index)).collect::<Option<_>>()?;
        self.end(op_type, &inputs.iter().map(String::as_str).collect::<Vec<_>>(), Vec::new())
    }

    /// rten keeps bool as int32 and would keep 2 as 2 and 0.5 as 0: true is "not equal to zero".
    fn truth(&mut self, from: DataType) -> Option<()> {
        let input = self.input(0)?;
        if from == DataType::Bool {
            return self.is("Identity", &[0]);
        }
        // rten compares no bytes.
        let (input, from) = match from {
            DataType::Int8 | DataType::Uint8 => {
                (self.add("Cast", &[&input], vec![integer("to", DataType::Int32 as i64)]), DataType::Int32)
            }
            from => (input, from),
        };
        let zero = match from {
            DataType::Float | DataType::Float16 => self.float(0.0),
            _ => self.constant(DataType::Int32, Vec::new(), vec![0; 4]),
        };
        let equal = self.add("Equal", &[&input, &zero], Vec::new());
        self.end("Not", &[&equal], Vec::new())
    }

    /// The first of equals is the last of them from behind.
    fn first_of_equals(&mut self) -> Option<()> {
        let input = self.input(0)?;
        let axis = int(self.node, "axis", 0);
        let (last, before, axes, back) =
            (self.list(&[-1]), self.list(&[i64::from(i32::MIN)]), self.list(&[axis]), self.list(&[-1]));
        let reversed = self.add("Slice", &[&input, &last, &before, &axes, &back], Vec::new());
        let found = self.add(
            &self.node.op_type.clone(),
            &[&reversed],
            vec![integer("axis", axis), integer("keepdims", int(self.node, "keepdims", 1))],
        );
        let shape = self.add("Shape", &[&input], Vec::new());
        let index = self.one(axis);
        let size = self.add("Gather", &[&shape, &index], vec![integer("axis", 0)]);
        let one = self.one(1);
        let most = self.add("Sub", &[&size, &one], Vec::new());
        self.end("Sub", &[&most, &found], Vec::new())
    }

    /// Two axes: those before, and those it is over.
    fn over_the_rest(&mut self) -> Option<()> {
        let input = self.input(0)?;
        let flat = self.add("Flatten", &[&input], vec![integer("axis", int(self.node, "axis", 1))]);
        let done = self.add(&self.node.op_type.clone(), &[&flat], vec![integer("axis", -1)]);
        let shape = self.add("Shape", &[&input], Vec::new());
        self.end("Reshape", &[&done, &shape], Vec::new())
    }

    /// `ln(1 + e^x)` up to 80, where it is `x` to the last bit, and what is over 80 added.
    fn softplus(&mut self) -> Option<()> {
        let input = self.input(0)?;
        let most = self.float(80.0);
        let low = self.add("Min", &[&input, &most], Vec::new());
        let rest = self.add("Sub", &[&input, &most], Vec::new());
        let over = self.add("Relu", &[&rest], Vec::new());
        let soft = self.add("Softplus", &[&low], Vec::new());
        self.end("Add", &[&soft, &over], Vec::new())
    }

    /// `x tanh(ln(1 + e^x))`; from 80 on the tanh is 1.
    fn mish(&mut self) -> Option<()> {
        let input = self.input(0)?;
        let most = self.float(80.0);
        let low = self.add("Min", &[&input, &most], Vec::new());
        let soft = self.add("Softplus", &[&low], Vec::new());
        let tanh = self.add("Tanh", &[&soft], Vec::new());
        self.end("Mul", &[&input, &tanh], Vec::new())
    }

    fn real_exponent(&mut self) -> Option<()> {
        let (base, exponent) = (self.input(0)?, self.input(1)?);
        let real = self.add("Cast", &[&exponent], vec![integer("to", DataType::Float as i64)]);
        self.end("Pow", &[&base, &real], Vec::new())
    }

    /// Divided by two equal numbers, of which one quotient is taken: so each is a true division.
    fn quotient(&mut self) -> Option<()> {
        let (quotients, first) = self.quotients()?;
        self.end("Gather", &[&quotients, &first], vec![integer("axis", -1)])
    }

    fn quotients(&mut self) -> Option<(String, String)> {
        let (dividend, divisor) = (self.input(0)?, self.input(1)?);
        let (last, two, one) = (self.list(&[-1]), self.list(&[2]), self.list(&[1]));
        let wide = self.add("Unsqueeze", &[&dividend, &last], Vec::new());
        let flat = self.add("Reshape", &[&divisor, &one], Vec::new());
        let twice = self.add("Expand", &[&flat, &two], Vec::new());
        let quotients = self.add("Div", &[&wide, &twice], Vec::new());
        Some((quotients, self.one(0)))
    }

    /// `saturate(round(x / scale) + zero)`, with a true division.
    fn quantized(&mut self, zero: Option<DataType>) -> Option<()> {
        let kind = match zero {
            Some(DataType::Int8) => DataType::Int8,
            _ => DataType::Uint8,
        };
        let (quotients, first) = self.quotients()?;
        let quotient = self.add("Gather", &[&quotients, &first], vec![integer("axis", -1)]);
        let mut level = self.add("Round", &[&quotient], Vec::new());
        if let Some(zero) = self.input(2) {
            let scalar = self.constant(DataType::Int64, vec![0], Vec::new());
            let zero = self.add("Reshape", &[&zero, &scalar], Vec::new());
            let zero = self.add("Cast", &[&zero], vec![integer("to", DataType::Float as i64)]);
            level = self.add("Add", &[&level, &zero], Vec::new());
        }
        let (low, high) = if kind == DataType::Int8 { (-128.0, 127.0) } else { (0.0, 255.0) };
        let (low, high) = (self.float(low), self.float(high));
        let level = self.add("Clip", &[&level, &low, &high], Vec::new());
        self.end("Cast", &[&level], vec![integer("to", kind as i64)])
    }

    /// An instance normalization of the groups, then each channel's scale and bias.
    fn group_normalization(&mut self, rank: usize) -> Option<()> {
        let (input, scale, bias) = (self.input(0)?, self.input(1)?, self.input(2)?);
        let groups = int(self.node, "num_groups", 1);
        let epsilon = attribute(self.node, "epsilon").map_or(1e-5, |epsilon| epsilon.f);
        if !(1..=65_536).contains(&groups) || rank < 3 {
            return None;
        }
        let shape = self.add("Shape", &[&input], Vec::new());
        let grouped = self.list(&[0, groups, -1]);
        let grouped = self.add("Reshape", &[&input, &grouped], Vec::new());
        let fill = |value: f32| (0..groups).flat_map(|_| value.to_le_bytes()).collect::<Vec<u8>>();
        let ones = self.constant(DataType::Float, vec![groups], fill(1.0));
        let zeros = self.constant(DataType::Float, vec![groups], fill(0.0));
        let epsilon = AttributeProto {
            name: "epsilon".to_owned(),
            r#type: AttributeType::Float as i32,
            f: epsilon,
            ..AttributeProto::default()
        };
        let normal = self.add("InstanceNormalization", &[&grouped, &ones, &zeros], vec![epsilon]);
        let normal = self.add("Reshape", &[&normal, &shape], Vec::new());
        let axes: Vec<i64> = (1..).take(rank - 2).collect();
        let axes = self.list(&axes);
        let scale = self.add("Unsqueeze", &[&scale, &axes], Vec::new());
        let bias = self.add("Unsqueeze", &[&bias, &axes], Vec::new());
        let scaled = self.add("Mul", &[&normal, &scale], Vec::new());
        self.end("Add", &[&scaled, &bias], Vec::new())
    }

    /// Every `size`-th pixel of every `size`-th row, from each of the `size` x `size` first ones.
    fn space_to_depth(&mut self) -> Option<()> {
        let input = self.input(0)?;
        let size = int(self.node, "blocksize", 1);
        if !(1..=16).contains(&size) {
            return None;
        }
        let (ends, axes, steps) =
            (self.list(&[i64::from(i32::MAX); 2]), self.list(&[2, 3]), self.list(&[size, size]));
        let mut parts = Vec::new();
        for row in 0..size {
            for column in 0..size {
                let starts = self.list(&[row, column]);
                parts.push(self.add("Slice", &[&input, &starts, &ends, &axes, &steps], Vec::new()));
            }
        }
        self.end("Concat", &parts.iter().map(String::as_str).collect::<Vec<_>>(), vec![integer("axis", 1)])
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}
