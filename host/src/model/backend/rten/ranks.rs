//! How many axes the values of a graph have, as far as that can be told without running it.

use std::collections::HashMap;

use super::super::super::onnx::proto::{GraphProto, NodeProto, TensorProto, TypeValue};
use super::types::attribute;

/// Number of axes by a value's name, and how many numbers a list of one axis has.
#[derive(Clone, Default)]
pub(super) struct Ranks {
    ranks: HashMap<String, usize>,
    lengths: HashMap<String, usize>,
}

impl Ranks {
    /// Those of a graph; of a subgraph, given those around it.
    pub(super) fn of(graph: &GraphProto, around: &Ranks) -> Ranks {
        let mut ranks = around.clone();
        for value in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
            if let Some(TypeValue::Tensor(tensor)) =
                value.r#type.as_ref().and_then(|kind| kind.value.as_ref())
                && let Some(shape) = &tensor.shape
            {
                ranks.ranks.insert(value.name.clone(), shape.dim.len());
            }
        }
        for tensor in &graph.initializer {
            ranks.tensor(&tensor.name, tensor);
        }
        for node in &graph.node {
            ranks.node(node);
        }
        ranks
    }

    pub(super) fn get(&self, name: &str) -> Option<usize> {
        self.ranks.get(name).copied()
    }

    fn tensor(&mut self, name: &str, tensor: &TensorProto) {
        self.ranks.insert(name.to_owned(), tensor.dims.len());
        if let [length] = tensor.dims[..]
            && let Ok(length) = usize::try_from(length)
        {
            self.lengths.insert(name.to_owned(), length);
        }
    }

    fn node(&mut self, node: &NodeProto) {
        let rank = |index: usize| node.input.get(index).and_then(|name| self.get(name));
        let length = |index: usize| node.input.get(index).and_then(|name| self.lengths.get(name).copied());
        let kept = attribute(node, "keepdims").is_none_or(|kept| kept.i != 0);
        let axes = attribute(node, "axes").map(|axes| axes.ints.len()).or_else(|| length(1));
        let mut made = None;
        let known = match node.op_type.as_str() {
            "Constant" => {
                if let Some(tensor) = attribute(node, "value").and_then(|value| value.t.as_ref())
                    && let Some(name) = node.output.first()
                {
                    self.tensor(name, tensor);
                    return;
                }
                let list = node.attribute.iter().find(|found| found.name.ends_with('s'));
                made = list.map(|list| list.ints.len().max(list.floats.len()));
                Some(usize::from(list.is_some()))
            }
            "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Max" | "Min" | "Mean" | "Sum" | "Equal"
            | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor" | "Where" => {
                let all: Option<Vec<usize>> = (0..node.input.len()).map(rank).collect();
                all.and_then(|all| all.into_iter().max())
            }
            "MatMul" | "MatMulInteger" => match (rank(0), rank(1)) {
                (Some(1), Some(1)) => Some(0),
                (Some(1), Some(other)) | (Some(other), Some(1)) => other.checked_sub(1),
                (Some(one), Some(other)) => Some(one.max(other)),
                _ => None,
            },
            "Gemm" | "Flatten" | "NonZero" => Some(2),
            "Reshape" => match attribute(node, "shape") {
                Some(shape) => Some(shape.ints.len()),
                None => length(1),
            },
            "Expand" => rank(0).zip(length(1)).map(|(rank, length)| rank.max(length)),
            "ConstantOfShape" => length(0),
            "Squeeze" => rank(0).zip(axes).and_then(|(rank, axes)| rank.checked_sub(axes)),
            "Unsqueeze" => {
                if rank(0) == Some(0) && axes == Some(1) {
                    made = Some(1);
                }
                rank(0).zip(axes).map(|(rank, axes)| rank + axes)
            }
            "Gather" => {
                if rank(0) == Some(1) {
                    made = length(1);
                }
                rank(0).zip(rank(1)).and_then(|(data, indices)| (data + indices).checked_sub(1))
            }
            "ArgMax" | "ArgMin" if !kept => rank(0).and_then(|rank| rank.checked_sub(1)),
            reduce if reduce.starts_with("Reduce") && !kept => {
                let all = node.input.len() < 2 && attribute(node, "axes").is_none();
                if all { Some(0) } else { rank(0).zip(axes).and_then(|(rank, axes)| rank.checked_sub(axes)) }
            }
            "Shape" => {
                let bound = |name: &str| attribute(node, name).map(|bound| bound.i);
                made = part(rank(0), bound("start").unwrap_or(0), bound("end"));
                Some(1)
            }
            "Size" => Some(0),
            "Range" => Some(1),
            "OneHot" => rank(0).map(|rank| rank + 1),
            "Concat" => {
                if rank(0) == Some(1) {
                    made = (0..node.input.len()).map(length).sum();
                }
                rank(0)
            }
            "Einsum" => attribute(node, "equation").and_then(|equation| {
                let text = String::from_utf8_lossy(&equation.s).into_owned();
                let (_, result) = text.split_once("->")?;
                (!result.contains('.')).then(|| result.chars().filter(char::is_ascii_alphabetic).count())
            }),
            // Not known, or not looked at.
            "GatherND" | "LSTM" | "GRU" | "If" | "Loop" | "Attention" => None,
            "Cast" | "Identity" | "Neg" | "Abs" => {
                made = length(0);
                rank(0)
            }
            _ => rank(0),
        };
        if let (Some(made), Some(name)) = (made, node.output.first()) {
            self.lengths.insert(name.clone(), made);
        }
        if let Some(known) = known {
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                self.ranks.entry(name.clone()).or_insert(known);
            }
        }
    }
}

/// How many of the axes from `start` to `end` there are: counted from behind where negative, as `Shape` does.
fn part(rank: Option<usize>, start: i64, end: Option<i64>) -> Option<usize> {
    let count = match (rank.and_then(|rank| i64::try_from(rank).ok()), end) {
        (Some(rank), end) => {
            let place = |bound: i64| if bound < 0 { bound + rank } else { bound }.clamp(0, rank);
            place(end.unwrap_or(rank)) - place(start)
        }
        (None, Some(end)) if (start < 0) == (end < 0) => end - start,
        (None, None) if start < 0 => -start,
        _ => return None,
    };
    usize::try_from(count).ok()
}
