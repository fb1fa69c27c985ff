//! What a graph shows: its inputs and outputs, operators, weights, and which sizes are open.

use std::collections::{BTreeMap, HashMap};

use crate::base::Error;
use crate::model::tensor::{Port, shown};

use super::proto::{
    Dimension, DimensionValue, GraphProto, NodeProto, TensorTypeProto, TypeProto, TypeValue, ValueInfoProto,
};
use super::{Declared, Graph, Size, bounds, quoted, tensors};

/// The most axes an input or output may have. Video has five.
const MOST_AXES: usize = 16;

/// What a graph shows at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// What wrote the file, with its version: `pytorch 2.15.0`.
    pub(crate) producer: String,
    /// Of `ai.onnx`.
    pub(crate) opset: i64,
    /// ONNX's own format version.
    pub(crate) ir_version: i64,
    /// Operators with how many nodes have them, most first. Those of other domains are led by it.
    pub(crate) operators: Vec<(String, usize)>,
    /// Values in initializers of floating point; in those of all types where there are none.
    pub(crate) parameters: u64,
    /// Bytes of all initializers.
    pub(crate) weight_bytes: u64,
    /// Open sizes of inputs: the input, the axis, the name (which may be empty).
    pub(crate) open: Vec<(String, usize, String)>,
    /// What the exporter noted, as it stands in the file: to be escaped before it is shown.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The declared type of a value, or why a model cannot have it as an input or output.
pub(super) fn declared(value: &ValueInfoProto) -> Result<Declared, String> {
    let kind = match value.r#type.as_ref().and_then(|of| of.value.as_ref()) {
        None => return Err("has no type".to_owned()),
        Some(TypeValue::Tensor(tensor)) => return tensor_declared(&value.name, tensor),
        Some(TypeValue::Sequence(_)) => "a sequence",
        Some(TypeValue::Map(_)) => "a map",
        Some(TypeValue::SparseTensor(_)) => "a sparse tensor",
        Some(TypeValue::Optional(_)) => "optional",
    };
    Err(format!("is {kind}; a vision model takes and gives tensors only"))
}

fn tensor_declared(name: &str, tensor: &TensorTypeProto) -> Result<Declared, String> {
    let word = tensors::word(tensor.elem_type);
    if word == "string" {
        return Err("holds strings; a vision model takes and gives numbers only".to_owned());
    }
    let shape = match &tensor.shape {
        None => None,
        Some(shape) if shape.dim.len() > MOST_AXES => {
            return Err(format!("has {} axes; it has {MOST_AXES} at most", shape.dim.len()));
        }
        Some(shape) => Some(shape.dim.iter().map(size).collect::<Result<Vec<Size>, String>>()?),
    };
    let axes = match &shape {
        None => "of open shape".to_owned(),
        Some(sizes) => shape_shown(sizes),
    };
    Ok(Declared {
        name: name.to_owned(),
        element: tensors::element_of(tensor.elem_type),
        shape,
        shown: format!("{word} {axes}"),
    })
}

fn size(axis: &Dimension) -> Result<Size, String> {
    match &axis.value {
        None => Ok(Size::Open(String::new())),
        Some(DimensionValue::Name(name)) => Ok(Size::Open(name.clone())),
        // Some exporters write -1 for a size that is open.
        Some(DimensionValue::Size(size)) if *size < 0 => Ok(Size::Open(String::new())),
        Some(DimensionValue::Size(size)) => i32::try_from(*size)
            .ok()
            .and_then(|size| usize::try_from(size).ok())
            .map(Size::Fixed)
            .ok_or_else(|| format!("has an axis of {size}; it is {} at most", i32::MAX)),
    }
}

/// A declared shape for people: `1x3x640x640`, `batch x 3 x height x width`; `?` is an open size without a
/// name.
pub(crate) fn shape_shown(sizes: &[Size]) -> String {
    if sizes.is_empty() {
        return "one number".to_owned();
    }
    let named = sizes.iter().any(|size| matches!(size, Size::Open(name) if !name.is_empty()));
    let words: Vec<String> = sizes
        .iter()
        .map(|size| match size {
            Size::Fixed(size) => size.to_string(),
            Size::Open(name) if name.is_empty() => "?".to_owned(),
            Size::Open(name) => super::escaped(name, 40),
        })
        .collect();
    words.join(if named { " x " } else { "x" })
}

/// Names of open sizes in a value's type.
pub(super) fn open_names(value: &ValueInfoProto) -> impl Iterator<Item = &str> {
    let shape = match &value.r#type {
        Some(TypeProto { value: Some(TypeValue::Tensor(tensor)) }) => tensor.shape.as_ref(),
        _ => None,
    };
    shape.into_iter().flat_map(|shape| &shape.dim).filter_map(|axis| match &axis.value {
        Some(DimensionValue::Name(name)) => Some(name.as_str()),
        _ => None,
    })
}

impl Graph {
    /// What it shows at a glance.
    pub(crate) fn facts(&self) -> Facts {
        let mut operators: HashMap<String, usize> = HashMap::new();
        if let Some(graph) = &self.model.graph {
            count(graph, &mut operators);
        }
        let mut operators: Vec<(String, usize)> = operators.into_iter().collect();
        operators.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let (mut floats, mut all, mut weight_bytes) = (0u64, 0u64, 0u64);
        for tensor in &self.main().initializer {
            let Ok((values, bytes)) = tensors::measure(tensor) else { continue };
            all += values;
            weight_bytes += bytes;
            if tensors::word(tensor.data_type).contains("float") {
                floats += values;
            }
        }
        let open = self.inputs.iter().flat_map(|input| {
            input.shape.iter().flatten().enumerate().filter_map(|(axis, size)| match size {
                Size::Open(name) => Some((input.name.clone(), axis, name.clone())),
                Size::Fixed(_) => None,
            })
        });
        let producer = format!("{} {}", self.model.producer_name, self.model.producer_version);
        let metadata = &self.model.metadata_props;
        Facts {
            producer: producer.trim().to_owned(),
            opset: self.opset,
            ir_version: self.model.ir_version,
            operators,
            parameters: if floats > 0 { floats } else { all },
            weight_bytes,
            open: open.collect(),
            metadata: metadata.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect(),
        }
    }

    /// Every input with all its sizes fixed, in the graph's order. `fixed` gives the whole shape of any of
    /// them by name; where it is silent, an open first axis is 1, and an open size that another input has
    /// fixed under the same name is that.
    pub(crate) fn ports(&self, fixed: &[(String, Vec<usize>)]) -> Result<Vec<Port>, Error> {
        if let Some((name, _)) =
            fixed.iter().find(|(name, _)| !self.inputs.iter().any(|input| input.name == *name))
        {
            let has: Vec<String> = self.inputs.iter().map(|input| quoted(&input.name)).collect();
            return Err(Error::model(format!(
                "the graph has no input {}; it has {}",
                quoted(name),
                has.join(", ")
            )));
        }
        let asked =
            |input: &Declared| fixed.iter().find(|(name, _)| *name == input.name).map(|(_, shape)| shape);
        let mut named: HashMap<&str, (usize, &str)> = HashMap::new();
        for input in &self.inputs {
            let (Some(shape), Some(sizes)) = (asked(input), &input.shape) else { continue };
            if shape.len() != sizes.len() {
                return Err(disagree(input, shape));
            }
            for (given, size) in shape.iter().zip(sizes) {
                match size {
                    Size::Fixed(size) if size != given => return Err(disagree(input, shape)),
                    Size::Open(name) if !name.is_empty() => match named.insert(name, (*given, &input.name)) {
                        Some((other, whose)) if other != *given => {
                            return Err(Error::model(format!(
                                "size {} is asked to be {other} in input {} and {given} in input {}; equal names \
                                 are equal sizes",
                                quoted(name),
                                quoted(whose),
                                quoted(&input.name)
                            )));
                        }
                        _ => {}
                    },
                    _ => {}
                }
            }
        }
        self.inputs
            .iter()
            .map(|input| {
                let name = &input.name;
                let Some(element) = input.element else {
                    return Err(Error::model(format!(
                        "input {} is {}, a type that nothing here computes with",
                        quoted(name),
                        input.shown
                    )));
                };
                let shape = match (asked(input), &input.shape) {
                    (Some(shape), _) => shape.clone(),
                    (None, None) => {
                        return Err(Error::model(format!(
                            "input {} has an open shape; say its sizes, such as 1x3x640x640",
                            quoted(name)
                        )));
                    }
                    (None, Some(sizes)) => fill(input, sizes, &named)?,
                };
                let values = shape.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
                if values.is_none_or(|values| values > bounds::MOST_INPUT) {
                    return Err(Error::model(format!(
                        "input {} is {}, more than memory has",
                        quoted(name),
                        shown(&shape)
                    )));
                }
                Ok(Port { name: name.clone(), element, shape })
            })
            .collect()
    }
}

fn disagree(input: &Declared, asked: &[usize]) -> Error {
    Error::model(format!(
        "input {} is {}, but {} is asked for",
        quoted(&input.name),
        input.shown,
        shown(asked)
    ))
}

fn fill(input: &Declared, sizes: &[Size], named: &HashMap<&str, (usize, &str)>) -> Result<Vec<usize>, Error> {
    sizes
        .iter()
        .enumerate()
        .map(|(axis, size)| match size {
            Size::Fixed(size) => Ok(*size),
            Size::Open(name) => match named.get(name.as_str()) {
                Some((size, _)) => Ok(*size),
                None if axis == 0 => Ok(1),
                None => Err(Error::model(format!(
                    "input {} is {}: axis {axis} is open; say its size",
                    quoted(&input.name),
                    input.shown
                ))),
            },
        })
        .collect()
}

fn count(graph: &GraphProto, operators: &mut HashMap<String, usize>) {
    for node in &graph.node {
        match operators.get_mut(name_of(node).as_ref()) {
            Some(count) => *count += 1,
            None => {
                operators.insert(name_of(node).into_owned(), 1);
            }
        }
        for attribute in &node.attribute {
            attribute.g.iter().chain(&attribute.graphs).for_each(|graph| count(graph, operators));
        }
    }
}

fn name_of(node: &NodeProto) -> std::borrow::Cow<'_, str> {
    if node.domain.is_empty() || node.domain == "ai.onnx" {
        (&node.op_type).into()
    } else {
        format!("{}.{}", node.domain, node.op_type).into()
    }
}
