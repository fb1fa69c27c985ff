//! Whether a server's model is the one in the file, by what both say of inputs and outputs; and how large
//! its answers may be.

use std::collections::HashMap;

use super::settings::Settings;
use super::values::Datatype;
use super::{Source, said};
use crate::model::onnx::{Declared, Size};
use crate::model::tensor::{Element, Port, shown};

/// A tensor as the server's metadata has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) datatype: String,
    /// -1: any size.
    pub(super) shape: Vec<i64>,
}

/// A server's model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Metadata {
    /// What runs it there: `onnx_onnxv1`, `OpenVINO`.
    pub(super) platform: String,
    pub(super) versions: Vec<String>,
    pub(super) inputs: Vec<Told>,
    pub(super) outputs: Vec<Told>,
}

/// An input as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sent {
    pub(super) port: Port,
    pub(super) datatype: Datatype,
}

/// An output as it may come back.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expected {
    pub(super) name: String,
    pub(super) element: Element,
    pub(super) datatype: Datatype,
    /// None: of any rank. An axis that is None: of any size.
    pub(super) shape: Option<Vec<Option<usize>>>,
}

/// What both sides agree on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Agreed {
    pub(super) inputs: Vec<Sent>,
    pub(super) outputs: Vec<Expected>,
    pub(super) batches: bool,
}

/// Compares `told` with `source`. A server that says nothing of inputs and outputs is believed for now:
/// some do so, and every answer is compared with what the file declares.
pub(super) fn agree(source: &Source<'_>, told: &Metadata, settings: &Settings) -> Result<Agreed, String> {
    let silent = told.inputs.is_empty() && told.outputs.is_empty();
    let mut inputs = Vec::new();
    for port in source.inputs {
        let datatype = match told.inputs.iter().find(|told| told.name == port.name) {
            Some(told) => input(port, told, settings)?,
            None if silent => Datatype::Same(port.element),
            None => {
                return Err(format!(
                    "the server's model has no input `{}`; it has {}",
                    port.name,
                    listed(&told.inputs)
                ));
            }
        };
        inputs.push(Sent { port: port.clone(), datatype });
    }
    if let Some(more) =
        told.inputs.iter().find(|told| source.inputs.iter().all(|port| port.name != told.name))
    {
        return Err(format!(
            "the server's model also wants {}; the file's inputs are {}",
            tensor(more),
            source.inputs.iter().map(own).collect::<Vec<_>>().join(", ")
        ));
    }
    let bound = bindings(source);
    let mut outputs = Vec::new();
    for name in source.outputs {
        let declared = source.graph.outputs.iter().find(|declared| declared.name == *name);
        let declared = declared.ok_or_else(|| format!("the file has no output `{name}`"))?;
        let element = declared.element.ok_or_else(|| {
            format!("output `{name}` of the file is {}, not a tensor of numbers", declared.shown)
        })?;
        let told_output = told.outputs.iter().find(|told| told.name == *name);
        outputs.push(match told_output {
            Some(told) => output(declared, element, told, &bound, settings)?,
            None if silent => Expected {
                name: name.clone(),
                element,
                datatype: Datatype::Same(element),
                shape: sizes(declared, &bound),
            },
            None => {
                let has = listed(&told.outputs);
                return Err(format!("the server's model has no output `{name}`; it has {has}"));
            }
        });
    }
    let open = |told: &Told| told.shape.first() == Some(&-1);
    let wanted = |told: &&Told| source.outputs.contains(&told.name);
    let batches = settings.batch
        && !silent
        && !inputs.is_empty()
        && told.inputs.iter().all(open)
        && told.outputs.iter().filter(wanted).all(open);
    let agreed = Agreed { inputs, outputs, batches };
    let bytes = agreed.answer_bytes(1, settings.response_bytes);
    if bytes > settings.response_bytes {
        return Err(format!(
            "its outputs have {bytes} bytes, `response_bytes` allows {}",
            settings.response_bytes
        ));
    }
    Ok(agreed)
}

fn input(port: &Port, told: &Told, settings: &Settings) -> Result<Datatype, String> {
    let differs = || format!("the file's input is {}, the server's {}", own(port), tensor(told));
    let fits = told.shape.len() == port.shape.len()
        && told.shape.iter().zip(&port.shape).all(|(told, own)| *told == -1 || size(*told) == Some(*own));
    if !fits {
        return Err(format!("{}: the shapes differ", differs()));
    }
    datatype(told, port.element, settings).map_err(|why| format!("{}: {why}", differs()))
}

fn output(
    declared: &Declared,
    element: Element,
    told: &Told,
    bound: &HashMap<&str, usize>,
    settings: &Settings,
) -> Result<Expected, String> {
    let differs = || {
        let (name, file) = (&declared.name, &declared.shown);
        format!("output `{name}` is {file} in the file, {} on the server", tensor(told))
    };
    let datatype = datatype(told, element, settings).map_err(|why| format!("{}: {why}", differs()))?;
    let mut shape: Vec<Option<usize>> = Vec::new();
    for axis in &told.shape {
        match (*axis, size(*axis)) {
            (-1, _) => shape.push(None),
            (_, Some(fixed)) => shape.push(Some(fixed)),
            (_, None) => return Err(format!("{}: {axis} is no size", differs())),
        }
    }
    if let Some(own) = sizes(declared, bound) {
        let fits = own.len() == shape.len()
            && own.iter().zip(&shape).all(|(own, told)| own.is_none() || told.is_none() || own == told);
        if !fits {
            return Err(format!("{}: the shapes differ", differs()));
        }
        for (told, own) in shape.iter_mut().zip(own) {
            *told = told.or(own);
        }
    }
    Ok(Expected { name: declared.name.clone(), element, datatype, shape: Some(shape) })
}

fn datatype(told: &Told, element: Element, settings: &Settings) -> Result<Datatype, String> {
    match Datatype::named(&told.datatype) {
        Some(datatype) if datatype.carries(element, settings.half) => Ok(datatype),
        Some(datatype) if datatype.carries(element, true) => {
            Err("the types differ; `half = true` has them converted".to_owned())
        }
        _ => Err("the types differ".to_owned()),
    }
}

/// What the names of open axes stand for, from the inputs, whose sizes are all known.
fn bindings<'a>(source: &Source<'a>) -> HashMap<&'a str, usize> {
    let mut bound = HashMap::new();
    for port in source.inputs {
        let declared = source.graph.inputs.iter().find(|declared| declared.name == port.name);
        let axes = declared.and_then(|declared| declared.shape.as_deref()).unwrap_or_default();
        for (axis, fixed) in axes.iter().zip(&port.shape) {
            if let Size::Open(name) = axis
                && !name.is_empty()
            {
                bound.insert(name.as_str(), *fixed);
            }
        }
    }
    bound
}

fn sizes(declared: &Declared, bound: &HashMap<&str, usize>) -> Option<Vec<Option<usize>>> {
    let axis = |size: &Size| match size {
        Size::Fixed(fixed) => Some(*fixed),
        Size::Open(name) => bound.get(name.as_str()).copied(),
    };
    Some(declared.shape.as_ref()?.iter().map(axis).collect())
}

fn size(axis: i64) -> Option<usize> {
    usize::try_from(axis).ok()
}

fn own(port: &Port) -> String {
    format!("`{}` {} {}", port.name, Datatype::Same(port.element).as_str(), shown(&port.shape))
}

fn tensor(told: &Told) -> String {
    let axes: Vec<_> = told.shape.iter().take(16).map(i64::to_string).collect();
    let axes = if axes.is_empty() { "one number".to_owned() } else { axes.join("x") };
    format!("`{}` {} {axes}", said(&told.name, None), said(&told.datatype, None))
}

fn listed(told: &[Told]) -> String {
    const MOST: usize = 8;
    let mut words: Vec<_> = told.iter().take(MOST).map(tensor).collect();
    if told.len() > MOST {
        words.push(format!("{} more", told.len() - MOST));
    }
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

impl Agreed {
    /// The outputs as they have to be when the first axis of every input is `batch` times what it was at load.
    pub(super) fn expected(&self, batch: usize) -> Vec<Expected> {
        let mut outputs = self.outputs.clone();
        if batch == 1 {
            return outputs;
        }
        for output in &mut outputs {
            if let Some(Some(first)) = output.shape.as_mut().and_then(|shape| shape.first_mut()) {
                *first = first.saturating_mul(batch);
            }
        }
        outputs
    }

    /// The most bytes of tensors an answer may have; `open`, where sizes are open.
    pub(super) fn answer_bytes(&self, batch: usize, open: usize) -> usize {
        self.expected(batch).iter().fold(0, |sum: usize, output| {
            sum.saturating_add(
                output.values().map_or(open, |values| values.saturating_mul(output.datatype.size())),
            )
        })
    }
}

impl Expected {
    /// How many values it has, where no size is open.
    pub(super) fn values(&self) -> Option<usize> {
        let shape = self.shape.as_ref()?;
        shape.iter().try_fold(1usize, |product, axis| Some(product.saturating_mul((*axis)?)))
    }

    /// Checks the shape that came; how many values it has to have.
    pub(super) fn fits(
        &self,
        datatype: &str,
        shape: &[i64],
        most_bytes: usize,
    ) -> Result<(Vec<usize>, usize), String> {
        let name = &self.name;
        if Datatype::named(datatype) != Some(self.datatype) {
            let (came, wanted) = (said(datatype, None), self.datatype.as_str());
            return Err(format!("output `{name}` came as {came}, not as {wanted}"));
        }
        let mut sizes = Vec::with_capacity(shape.len().min(64));
        let mut values = Some(1usize);
        let fits = shape.len() <= 64
            && self.shape.as_ref().is_none_or(|own| own.len() == shape.len())
            && shape.iter().enumerate().all(|(place, axis)| {
                let Some(axis) = size(*axis) else { return false };
                sizes.push(axis);
                values = values.and_then(|values| values.checked_mul(axis));
                let own = self.shape.as_ref().and_then(|own| own.get(place).copied().flatten());
                own.is_none_or(|own| own == axis)
            });
        if !fits {
            let came = Told { name: String::new(), datatype: String::new(), shape: shape.to_vec() };
            let came = tensor(&came);
            return Err(format!(
                "output `{name}` came with the shape {}, not {}",
                came.trim_start_matches("`` ").trim(),
                self.wanted()
            ));
        }
        match values {
            Some(values) if values.saturating_mul(self.datatype.size()) <= most_bytes => Ok((sizes, values)),
            _ => Err(format!("output `{name}` came with more than {most_bytes} bytes")),
        }
    }

    fn wanted(&self) -> String {
        let Some(shape) = &self.shape else { return "any".to_owned() };
        let axes: Vec<_> =
            shape.iter().map(|axis| axis.map_or("?".to_owned(), |axis| axis.to_string())).collect();
        if axes.is_empty() { "one number".to_owned() } else { axes.join("x") }
    }
}
