//! Says an ONNX graph in the words that wonnx 0.5.1 gets right.
//!
//! wonnx runs many graphs silently wrong as they come. So nothing of a file reaches it as it is: a run on the
//! processor gives every shape and every constant (`reference`); each node is then made anew out of a small
//! set of steps (`operators` in terms of `build`); what cannot be said in them is refused with the node's name,
//! operator and reason; and before the graph is written, every step is held against the list of forms that
//! tests prove right (`allow`). `write` makes the file that wonnx reads.

mod allow;
mod branches;
mod build;
mod dispatch;
mod fault;
mod operators;
mod reference;
mod write;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use build::{Building, Id, Origin};
#[cfg(test)]
pub(super) use fault::Fault;
use fault::Faults;
use operators::{Node, Operand};
use reference::{Known, Numbers, Reference};

use crate::base::panic_message;
use crate::model::onnx::element_of;
use crate::model::onnx::proto::{Dimension, DimensionValue, GraphProto, ModelProto, NodeProto, TypeValue};
use crate::model::tensor::{Array, Element, Port, Values};

/// Changes whenever a rewritten graph may answer otherwise than before.
pub(super) const VERSION: u32 = 1;

/// A graph for wonnx.
#[derive(Debug)]
pub(super) struct Rewritten {
    /// The ONNX file.
    pub(super) file: Vec<u8>,
    /// Outputs of the file to compute, in order.
    pub(super) wanted: Vec<String>,
    /// Inputs of the file that are the same in every run.
    pub(super) fed: Vec<(String, Vec<f32>)>,
    /// Inputs of the file that come of the inputs of the graph: its name in the file and the index.
    pub(super) taken: Vec<(String, usize)>,
    /// Where each output of the graph comes from.
    pub(super) answers: Vec<Answer>,
}

/// Where an output of the graph comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// From the wanted output of this index; its shape.
    Computed(usize, Vec<usize>),
    /// The input of this index, in another shape.
    Input(usize, Vec<usize>),
    /// No input has a part in it.
    Constant(Array),
}

/// Rewrites a graph whose inputs are `ports`. The error is for people.
pub(super) fn rewrite(
    model: &ModelProto,
    opset: i64,
    ports: &[Port],
    outputs: &[String],
    threads: usize,
) -> Result<Rewritten, String> {
    rewrite_with(model, opset, ports, outputs, threads, Faults::default())
}

/// The rewrite with one part of it left out.
#[cfg(test)]
pub(super) fn rewrite_broken(
    model: &ModelProto,
    opset: i64,
    ports: &[Port],
    outputs: &[String],
    fault: Fault,
) -> Result<Rewritten, String> {
    rewrite_with(model, opset, ports, outputs, 1, Faults { one: Some(fault) })
}

fn rewrite_with(
    model: &ModelProto,
    opset: i64,
    ports: &[Port],
    outputs: &[String],
    threads: usize,
    faults: Faults,
) -> Result<Rewritten, String> {
    let graph = model.graph.as_ref().ok_or("the file has no graph")?;
    catch_unwind(AssertUnwindSafe(|| all(graph, opset, ports, outputs, threads, faults)))
        .unwrap_or_else(|panic| Err(format!("rewriting it for wonnx failed: {}", panic_message(&*panic))))
}

/// Operator sets whose operators mean what is said of them here.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=26;

fn all(
    graph: &GraphProto,
    opset: i64,
    ports: &[Port],
    outputs: &[String],
    threads: usize,
    faults: Faults,
) -> Result<Rewritten, String> {
    if !OPSETS.contains(&opset) {
        return Err(format!(
            "it is of opset {opset}; here wonnx runs opsets {} to {}",
            OPSETS.start(),
            OPSETS.end()
        ));
    }
    if let Some(tensor) = graph.sparse_initializer.first() {
        let name = tensor.values.as_ref().map_or("", |values| values.name.as_str());
        return Err(format!("its constant `{name}` is sparse, which wonnx does not run"));
    }
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for name in graph.node.iter().flat_map(|node| &node.input).chain(outputs) {
        *uses.entry(name).or_default() += 1;
    }
    let mut build = Building::new(faults);
    let mut bound: HashMap<String, Id> = HashMap::new();
    for (index, port) in ports.iter().enumerate() {
        let float = port.element == Element::Float32;
        if port.shape.contains(&0) {
            return Err(format!("input `{}` is empty", port.name));
        }
        let id = build.value(port.shape.clone(), float, Origin::Input(index));
        build.used(id, uses.get(port.name.as_str()).copied().unwrap_or_default());
        bound.insert(port.name.clone(), id);
    }
    let needed = needed(graph, outputs);
    let mut run = Reference::new(graph, opset, ports, threads)?;
    for (node, _) in graph.node.iter().zip(&needed).filter(|(_, needed)| **needed) {
        let shown = shown(node);
        let within = |why: String| format!("{shown}: {why}");
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(within(format!("wonnx has no operators of domain `{}`", node.domain)));
        }
        let constant = node.input.iter().all(|name| name.is_empty() || run.constant(name).is_some())
            || matches!(node.op_type.as_str(), "Shape" | "Size");
        if !constant && !operators::has(&node.op_type) {
            return Err(within("no form of this operator is known to be right on wonnx".to_owned()));
        }
        if !node.attribute.iter().all(|attribute| attribute.ref_attr_name.is_empty()) {
            return Err(within("it stands in a function".to_owned()));
        }
        if node.op_type.starts_with("Random") || matches!(node.op_type.as_str(), "Multinomial" | "Bernoulli")
        {
            return Err(within("its result is random".to_owned()));
        }
        // Taken before the run, which drops what is not needed any more.
        let operands: Vec<Option<Operand>> = node
            .input
            .iter()
            .map(|name| match (run.constant(name), bound.get(name)) {
                (Some(constant), _) => Some(Operand::Constant(Rc::clone(constant))),
                (None, Some(id)) => Some(Operand::Value(*id)),
                (None, None) => None,
            })
            .collect();
        let known = run.run(node).map_err(within)?;
        let named: Vec<&String> = node.output.iter().filter(|name| !name.is_empty()).collect();
        let mut shapes = Vec::new();
        for known in &known {
            match known {
                Known::Constant => {}
                Known::Varies(shape, _) if shape.contains(&0) => {
                    return Err(within("its result is empty".to_owned()));
                }
                Known::Varies(shape, float) => shapes.push((shape.clone(), *float)),
            }
        }
        if shapes.is_empty() {
            continue;
        }
        if let Some((_, false)) = shapes.iter().find(|(_, float)| !float) {
            return Err(within("it makes integers, which wonnx does not compute with here".to_owned()));
        }
        let used = |index: usize| node.output.get(index).is_some_and(|name| uses.contains_key(name.as_str()));
        let asked = Node {
            operator: &node.op_type,
            attributes: &node.attribute,
            opset,
            operands: &operands,
            shapes: shapes.into_iter().map(|(shape, _)| shape).collect(),
            more_outputs_used: (1..node.output.len()).any(used),
        };
        build.maker = Rc::from(shown.as_str());
        let ids = operators::make(&mut build, &asked).map_err(within)?;
        for ((name, id), shape) in named.into_iter().zip(ids).zip(&asked.shapes) {
            if build.shape(id) != shape.as_slice() {
                return Err(within(format!(
                    "rewritten, its result is {}; in the reference run it is {}",
                    crate::model::tensor::shown(build.shape(id)),
                    crate::model::tensor::shown(shape)
                )));
            }
            let same = |operand: &&Option<Operand>| matches!(operand, Some(Operand::Value(of)) if *of == id);
            build.passed_on(id, operands.iter().filter(same).count());
            build.used(id, uses.get(name.as_str()).copied().unwrap_or_default());
            bound.insert(name.clone(), id);
        }
    }
    let mut answers = Vec::new();
    let mut wanted: Vec<Id> = Vec::new();
    for name in outputs {
        let constant = run.constant(name).cloned().or_else(|| {
            let tensor = graph.initializer.iter().find(|tensor| tensor.name == *name)?;
            reference::Constant::read(tensor).ok().map(Rc::new)
        });
        answers.push(match (constant, bound.get(name)) {
            (Some(constant), _) => Answer::Constant(array(graph, name, &constant)?),
            (None, Some(id)) => {
                let shape = build.shape(*id).to_vec();
                match source(&build, *id) {
                    Some(input) => Answer::Input(input, shape),
                    None => {
                        let index = wanted.iter().position(|known| known == id).unwrap_or_else(|| {
                            wanted.push(*id);
                            wanted.len() - 1
                        });
                        Answer::Computed(index, shape)
                    }
                }
            }
            (None, None) => return Err(format!("nothing makes output `{name}`")),
        });
    }
    for (name, answer) in outputs.iter().zip(&answers) {
        let made = match answer {
            Answer::Computed(_, shape) | Answer::Input(_, shape) => shape,
            Answer::Constant(array) => &array.shape,
        };
        if let Some(said) = declared_shape(graph, name)
            && (said.len() != made.len() || said.iter().zip(made).any(|(s, m)| s.is_some_and(|s| s != *m)))
        {
            return Err(format!(
                "output `{name}` is {} in the reference run; the file says otherwise",
                crate::model::tensor::shown(made)
            ));
        }
        let element = declared(graph, name);
        if !matches!(answer, Answer::Constant(_))
            && element.is_some_and(|element| element != Element::Float32)
        {
            let input = match answer {
                Answer::Input(index, _) => Some(ports[*index].element),
                _ => None,
            };
            if input != element {
                return Err(format!("output `{name}` is not of float32, which wonnx computes in"));
            }
        }
    }
    branches::feed(&mut build, &wanted);
    allow::check(&build, &wanted)?;
    Ok(write::write(&build, &wanted, answers))
}

/// Which nodes the wanted outputs need.
fn needed(graph: &GraphProto, outputs: &[String]) -> Vec<bool> {
    let mut names: std::collections::HashSet<&str> = outputs.iter().map(String::as_str).collect();
    let mut needed = vec![false; graph.node.len()];
    for (index, node) in graph.node.iter().enumerate().rev() {
        if node.output.iter().any(|name| !name.is_empty() && names.contains(name.as_str())) {
            needed[index] = true;
            names.extend(node.input.iter().map(String::as_str));
        }
    }
    needed
}

/// A node as people find it: `node `conv1` (Conv)`.
fn shown(node: &NodeProto) -> String {
    let name = if node.name.is_empty() {
        node.output.iter().find(|name| !name.is_empty()).map_or("", String::as_str)
    } else {
        &node.name
    };
    format!("node `{name}` ({})", node.op_type)
}

/// The input that `id` is, apart from its shape.
fn source(build: &Building, id: Id) -> Option<usize> {
    match build.values[id.0].origin {
        Origin::Input(index) => Some(index),
        Origin::Step(step) if build.steps[step].operator == "Flatten" => {
            source(build, build.steps[step].inputs[0])
        }
        _ => None,
    }
}

fn declared(graph: &GraphProto, name: &str) -> Option<Element> {
    let info = graph.output.iter().find(|info| info.name == name)?;
    let Some(TypeValue::Tensor(tensor)) = info.r#type.as_ref()?.value.as_ref() else { return None };
    element_of(tensor.elem_type)
}

/// What the file says of an output's shape; none: nothing.
fn declared_shape(graph: &GraphProto, name: &str) -> Option<Vec<Option<usize>>> {
    let info = graph.output.iter().find(|info| info.name == name)?;
    let Some(TypeValue::Tensor(tensor)) = info.r#type.as_ref()?.value.as_ref() else { return None };
    let size = |dimension: &Dimension| match dimension.value {
        Some(DimensionValue::Size(size)) => usize::try_from(size).ok(),
        _ => None,
    };
    Some(tensor.shape.as_ref()?.dim.iter().map(size).collect())
}

fn array(graph: &GraphProto, name: &str, constant: &reference::Constant) -> Result<Array, String> {
    let values = match (&constant.numbers, declared(graph, name)) {
        (Numbers::Floats(values), None | Some(Element::Float32)) => Values::F32(values.clone()),
        (Numbers::Integers(values), None | Some(Element::Int64)) => Values::I64(values.clone()),
        (Numbers::Integers(values), Some(Element::Int32)) => {
            Values::I32(values.iter().map(|value| *value as i32).collect())
        }
        (Numbers::Integers(values), Some(Element::Uint8)) => {
            Values::U8(values.iter().map(|value| *value as u8).collect())
        }
        (Numbers::Integers(values), Some(Element::Int8)) => {
            Values::I8(values.iter().map(|value| *value as i8).collect())
        }
        (Numbers::Integers(values), Some(Element::Bool)) => {
            Values::Bool(values.iter().map(|value| *value != 0).collect())
        }
        (_, Some(element)) => {
            return Err(format!(
                "output `{name}` is a constant of {}, which is not read here",
                element.as_str()
            ));
        }
    };
    Ok(Array { shape: constant.shape.clone(), values })
}
