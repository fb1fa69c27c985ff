//! A graph as the rules look at it: outputs as plain sizes, and what makes them.

use std::collections::HashMap;

use super::super::proto::{GraphProto, NodeProto, TensorProto};
use super::super::{Declared, Graph, Size, array_of};
use crate::model::tensor::{Element, Values};

/// Steps that are followed from an output towards the inputs.
const FAR: usize = 24;

/// An axis whose size the graph states, or does not.
pub(super) type Axis = Option<usize>;

/// An output, as far as it is known.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) element: Option<Element>,
    /// Empty where even the number of axes is open.
    pub(super) axes: Vec<Axis>,
}

impl Output {
    /// The axes without a leading 1 or open axis.
    pub(super) fn inner(&self) -> &[Axis] {
        match self.axes.split_first() {
            Some((None | Some(1), rest)) if self.axes.len() > 1 => rest,
            _ => &self.axes,
        }
    }
}

/// A graph with its values by name.
pub(super) struct Look<'a> {
    pub(super) graph: &'a Graph,
    makers: HashMap<&'a str, &'a NodeProto>,
    tensors: HashMap<&'a str, &'a TensorProto>,
    operators: HashMap<&'a str, usize>,
    pub(super) outputs: Vec<Output>,
}

impl<'a> Look<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let main: &GraphProto = graph.main();
        let mut look = Look {
            graph,
            makers: HashMap::new(),
            tensors: main.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect(),
            operators: HashMap::new(),
            outputs: Vec::new(),
        };
        for node in &main.node {
            *look.operators.entry(&node.op_type).or_default() += 1;
            let value = node.attribute.iter().find(|attribute| attribute.name == "value");
            for output in &node.output {
                look.makers.insert(output, node);
                if node.op_type == "Constant"
                    && let Some(tensor) = value.and_then(|value| value.t.as_ref())
                {
                    look.tensors.insert(output, tensor);
                }
            }
        }
        look.outputs = graph.outputs.iter().map(|output| look.output(output)).collect();
        look
    }

    fn output(&self, declared: &Declared) -> Output {
        let mut axes: Vec<Axis> = declared.shape.iter().flatten().map(known).collect();
        // Exporters leave sizes open that the graph fixes by a Reshape near its end.
        if axes.len() > 1
            && let Some(last) = axes.last_mut().filter(|last| last.is_none())
        {
            *last = self.last_axis(&declared.name);
        }
        Output { name: declared.name.clone(), element: declared.element, axes }
    }

    pub(super) fn has(&self, operator: &str) -> bool {
        self.count(operator) > 0
    }

    pub(super) fn count(&self, operator: &str) -> usize {
        self.operators.get(operator).copied().unwrap_or(0)
    }

    /// The operator that makes a value, those passed over that only move numbers about.
    pub(super) fn made_by(&self, value: &str) -> &'a str {
        self.maker(value).map_or("", |node| node.op_type.as_str())
    }

    fn maker(&self, value: &str) -> Option<&'a NodeProto> {
        let mut node = *self.makers.get(value)?;
        for _ in 0..FAR {
            let moves = ["Identity", "Cast", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten"];
            if !moves.contains(&node.op_type.as_str()) {
                break;
            }
            match node.input.first().and_then(|input| self.makers.get(input.as_str())) {
                Some(before) => node = before,
                None => break,
            }
        }
        Some(node)
    }

    /// The operators that make what a `Concat` at the end puts together.
    pub(super) fn parts(&self, value: &str) -> Vec<&'a str> {
        match self.maker(value) {
            Some(node) if node.op_type == "Concat" => {
                node.input.iter().map(|input| self.made_by(input)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The last axis of a value, where a `Reshape` on the way to it fixes that.
    fn last_axis(&self, value: &str) -> Axis {
        let mut node = *self.makers.get(value)?;
        for _ in 0..FAR {
            match node.op_type.as_str() {
                "Reshape" => {
                    let shape = self.numbers(node.input.get(1)?)?;
                    return shape.last().filter(|size| **size > 0.0).map(|size| *size as usize);
                }
                "Sigmoid" | "Softmax" | "Identity" | "Cast" | "Concat" | "Mul" | "Add" | "Sub" | "Div" => {}
                _ => return None,
            }
            node = self.makers.get(node.input.first()?.as_str())?;
        }
        None
    }

    /// The values of a constant, up to some thousands.
    pub(super) fn numbers(&self, value: &str) -> Option<Vec<f64>> {
        let tensor = self.tensors.get(value)?;
        if tensor
            .dims
            .iter()
            .try_fold(1i64, |all, size| all.checked_mul(*size))
            .is_none_or(|all| all > 1 << 17)
        {
            return None;
        }
        Some(match array_of(tensor).ok()?.values {
            Values::F32(values) => values.into_iter().map(f64::from).collect(),
            Values::F64(values) => values,
            Values::I32(values) => values.into_iter().map(f64::from).collect(),
            Values::I64(values) => values.into_iter().map(|value| value as f64).collect(),
            _ => return None,
        })
    }

    /// The largest number among constants of `boxes` rows: anchors. Boxes are in pixels where it is large, in
    /// fractions where it is about 1.
    pub(super) fn largest_anchor(&self, boxes: usize) -> Option<f64> {
        let anchors = self.tensors.iter().filter(|(_, tensor)| {
            let rows = tensor.dims.iter().filter(|size| usize::try_from(**size) == Ok(boxes)).count();
            rows == 1 && tensor.dims.iter().product::<i64>() <= boxes as i64 * 4
        });
        anchors
            .filter_map(|(name, _)| self.numbers(name))
            .flatten()
            .fold(None, |most: Option<f64>, value| Some(most.map_or(value, |most| most.max(value))))
    }

    /// What the graph itself does to its input before the first layer: nodes in words.
    pub(super) fn prepares(&self, input: &str) -> Vec<String> {
        let (mut value, mut does) = (input, Vec::new());
        for _ in 0..6 {
            let mut users =
                self.graph.main().node.iter().filter(|node| node.input.iter().any(|name| name == value));
            let (Some(node), None) = (users.next(), users.next()) else { break };
            let constant =
                node.input.iter().filter(|name| *name != value).find_map(|name| self.numbers(name));
            match (node.op_type.as_str(), constant) {
                ("Cast" | "Transpose" | "Identity", _) => {}
                ("BatchNormalization", _) => does.push("BatchNormalization".to_owned()),
                (operator @ ("Mul" | "Div" | "Sub" | "Add"), Some(numbers)) if numbers.len() <= 4 => {
                    let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:.6}")).collect();
                    let numbers: Vec<&str> = numbers
                        .iter()
                        .map(|number| number.trim_end_matches('0').trim_end_matches('.'))
                        .collect();
                    does.push(format!("{operator} {}", numbers.join(" ")));
                }
                _ => break,
            }
            let Some(output) = node.output.first() else { break };
            value = output;
        }
        does
    }

    pub(super) fn metadata(&self, key: &str) -> Option<&'a str> {
        let entry = self.graph.model.metadata_props.iter().find(|entry| entry.key == key)?;
        Some(entry.value.as_str())
    }
}

/// A declared size as far as it is known.
pub(super) fn known(size: &Size) -> Axis {
    match size {
        Size::Fixed(size) => Some(*size),
        Size::Open(_) => None,
    }
}

/// Class names as Python prints a list or dictionary of them: `{0: 'person', 1: "bird's nest"}`.
pub(super) fn names(text: &str) -> Vec<String> {
    let (mut names, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = &rest[start..=start];
        let inner = &rest[start + 1..];
        let Some(end) = inner.find(quote) else { break };
        names.push(inner[..end].to_owned());
        rest = &inner[end + 1..];
        if names.len() == 100_000 {
            break;
        }
    }
    names
}

/// Whole numbers in a text: `[640, 640]`.
pub(super) fn numbers_in(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).take(8).collect()
}
