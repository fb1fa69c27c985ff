//! A description beside the graph it describes: which input is the picture, what the others hold, which
//! outputs are wanted.

use std::collections::BTreeMap;

use super::written::{nearest, quoted};
use super::{Description, Given, Input, Number, Other};
use crate::base::{Error, Result};
use crate::model::onnx::{Declared, Size};
use crate::model::tensor::{Array, Element, Port, Values, shown};

/// How a graph is fed and what is asked of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wiring {
    /// The graph's inputs in its order, every size fixed.
    pub(crate) inputs: Vec<Port>,
    /// Which of them is the picture.
    pub(crate) picture: usize,
    /// What the others hold; none for the picture.
    pub(crate) constants: Vec<Option<Array>>,
    /// The outputs to compute, in the order the read-out takes them.
    pub(crate) outputs: Vec<String>,
}

/// More values are not made from a few lines of text: a graph may declare any shape.
const MOST_VALUES: usize = 1 << 20;

impl Description {
    /// Lays the description beside a graph's inputs and outputs. Whatever of names, types and shapes
    /// disagrees is an error that says what the file has and what `model.toml` says.
    pub(crate) fn wire(&self, inputs: &[Declared], outputs: &[Declared]) -> Result<Wiring> {
        let picture = self.picture(inputs)?;
        for other in &self.others {
            if !inputs.iter().any(|input| input.name == other.name) {
                return Err(Error::model(format!(
                    "there is no input {}, which model.toml describes; the file has {}",
                    quoted(&other.name),
                    declared(inputs)
                )));
            }
        }
        let mut axes = self.sizes.clone();
        let port = self.picture_port(&inputs[picture], &mut axes)?;
        self.sizes_exist(inputs)?;
        let mut ports = Vec::new();
        let mut constants = Vec::new();
        for (at, input) in inputs.iter().enumerate() {
            if at == picture {
                ports.push(port.clone());
                constants.push(None);
                continue;
            }
            let Some(other) = self.others.iter().find(|other| other.name == input.name) else {
                return Err(Error::model(format!(
                    "input {} is {}, and model.toml does not say what it holds; describe it in `[inputs.{}]`",
                    quoted(&input.name),
                    input.shown,
                    quoted(&input.name).trim_matches('`')
                )));
            };
            let port = other_port(other, input, &axes)?;
            constants.push(Some(other.array(&port, &self.input)?));
            ports.push(port);
        }
        Ok(Wiring { inputs: ports, picture, constants, outputs: self.wanted(outputs)? })
    }

    /// Which input the picture goes to: the one named, else the only one that `[inputs]` does not describe.
    fn picture(&self, inputs: &[Declared]) -> Result<usize> {
        if inputs.is_empty() {
            return Err(Error::model("the graph has no input, so no picture can be given to it"));
        }
        if let Some(name) = &self.input.name {
            return inputs.iter().position(|input| input.name == *name).ok_or_else(|| {
                Error::model(format!(
                    "there is no input {}, which model.toml names; the file has {}",
                    quoted(name),
                    declared(inputs)
                ))
            });
        }
        let mut free = inputs
            .iter()
            .enumerate()
            .filter(|(_, input)| !self.others.iter().any(|other| other.name == input.name));
        match (free.next(), free.next()) {
            (Some((at, _)), None) => Ok(at),
            (None, _) => Err(Error::model(format!(
                "model.toml describes every input in `[inputs]`, so none is left for the picture; the file has {}",
                declared(inputs)
            ))),
            _ => Err(Error::model(format!(
                "the graph has {} inputs: {}; name the picture's with `name` in `[input]`, and describe the others in `[inputs.NAME]`",
                inputs.len(),
                declared(inputs)
            ))),
        }
    }

    fn picture_port(&self, input: &Declared, axes: &mut BTreeMap<String, usize>) -> Result<Port> {
        let wanted = self.input.shape();
        let disagree = || {
            Err(Error::model(format!(
                "input {} is {}, but model.toml says {} of {}",
                quoted(&input.name),
                input.shown,
                self.input.element.as_str(),
                shown(&wanted)
            )))
        };
        if input.element != Some(self.input.element) {
            return disagree();
        }
        if let Some(shape) = &input.shape {
            if shape.len() != wanted.len() {
                return disagree();
            }
            for (size, wanted) in shape.iter().zip(&wanted) {
                match size {
                    Size::Fixed(size) if size != wanted => return disagree(),
                    Size::Open(name) if !name.is_empty() => {
                        let before = *axes.entry(name.clone()).or_insert(*wanted);
                        if before != *wanted {
                            return Err(Error::model(format!(
                                "input {} is {}: its axis {} cannot be both {wanted} and {before}, as `[input]` and `[sizes]` in model.toml make it",
                                quoted(&input.name),
                                input.shown,
                                quoted(name)
                            )));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(Port { name: input.name.clone(), element: self.input.element, shape: wanted })
    }

    /// That every axis `[sizes]` names is there.
    fn sizes_exist(&self, inputs: &[Declared]) -> Result<()> {
        let open: Vec<&str> = inputs
            .iter()
            .flat_map(|input| input.shape.iter().flatten())
            .filter_map(|size| match size {
                Size::Open(name) if !name.is_empty() => Some(name.as_str()),
                _ => None,
            })
            .collect();
        match self.sizes.keys().find(|name| !open.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::model(format!(
                "no input has an open axis {}, to which `[sizes]` in model.toml gives a size; {}",
                quoted(name),
                nearest(name, open.iter().copied()).replacen("it has", "there are", 1).replacen(
                    "it has none",
                    "there is none",
                    1
                )
            ))),
        }
    }

    /// The outputs to compute: those `model.toml` names where it names enough of them, else all.
    fn wanted(&self, outputs: &[Declared]) -> Result<Vec<String>> {
        if outputs.is_empty() {
            return Err(Error::model("the graph has no output"));
        }
        let named: Vec<&String> =
            self.output.name.iter().chain(self.output.parts.values().flatten()).collect();
        if let Some(missing) = named.iter().find(|name| !outputs.iter().any(|output| output.name == ***name))
        {
            return Err(Error::model(format!(
                "there is no output {}, which model.toml names; the file has {}",
                quoted(missing),
                declared(outputs)
            )));
        }
        let part = |name: &str| self.output.parts.contains_key(name);
        let enough = self.output.name.is_some()
            || part("heads")
            || part("boxes") && (part("scores") || part("classes"))
            || part("x") && part("y");
        if enough {
            return Ok(named.into_iter().cloned().collect());
        }
        Ok(outputs.iter().map(|output| output.name.clone()).collect())
    }
}

fn declared(all: &[Declared]) -> String {
    const MOST: usize = 12;
    let mut shown: Vec<String> =
        all.iter().take(MOST).map(|one| format!("{} ({})", quoted(&one.name), one.shown)).collect();
    if all.len() > MOST {
        shown.push(format!("and {} more", all.len() - MOST));
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

/// The type and the sizes of an input beside the picture.
fn other_port(other: &Other, input: &Declared, axes: &BTreeMap<String, usize>) -> Result<Port> {
    let name = quoted(&input.name);
    let Some(element) = input.element else {
        return Err(Error::model(format!("input {name} is {}, which cannot be given a value", input.shown)));
    };
    if let Some(wanted) = other.element
        && wanted != element
    {
        return Err(Error::model(format!(
            "input {name} is {}, but model.toml says {}",
            input.shown,
            wanted.as_str()
        )));
    }
    let shape = match (&input.shape, &other.shape) {
        (None, Some(wanted)) => wanted.clone(),
        (None, None) => {
            return Err(Error::model(format!(
                "input {name} is {}, of no stated shape; give it a `shape` in model.toml",
                input.shown
            )));
        }
        (Some(sizes), wanted) => {
            let fits = wanted.as_ref().is_none_or(|wanted| {
                wanted.len() == sizes.len()
                    && sizes.iter().zip(wanted).all(|(size, wanted)| match size {
                        Size::Fixed(size) => size == wanted,
                        Size::Open(axis) => axes.get(axis).is_none_or(|size| size == wanted),
                    })
            });
            if let (false, Some(wanted)) = (fits, wanted) {
                return Err(Error::model(format!(
                    "input {name} is {}, but model.toml says {}",
                    input.shown,
                    shown(wanted)
                )));
            }
            let mut shape = Vec::new();
            for (at, size) in sizes.iter().enumerate() {
                shape.push(match (size, wanted) {
                    (_, Some(wanted)) => wanted[at],
                    (Size::Fixed(size), None) => *size,
                    (Size::Open(axis), None) => match axes.get(axis) {
                        Some(size) => *size,
                        None => {
                            return Err(Error::model(format!(
                                "input {name} is {}, which leaves a size open; give it a `shape` in `[inputs]` of model.toml, or the axis a size in `[sizes]`",
                                input.shown
                            )));
                        }
                    },
                });
            }
            shape
        }
    };
    let values = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    match values {
        Some(values) if (1..=MOST_VALUES).contains(&values) => {
            Ok(Port { name: input.name.clone(), element, shape })
        }
        _ => Err(Error::model(format!(
            "input {name} is {}; an input that model.toml gives a value has 1 to {MOST_VALUES} of them",
            input.shown
        ))),
    }
}

impl Other {
    /// The tensor it is, of the type and shape the graph has.
    fn array(&self, port: &Port, picture: &Input) -> Result<Array> {
        let count: usize = port.shape.iter().product();
        let (width, height) = (i64::from(picture.width), i64::from(picture.height));
        let whole = |values: &[i64]| values.iter().map(|value| Number::Whole(*value)).collect::<Vec<_>>();
        let values = match &self.value {
            Given::All(value) => vec![*value; count],
            Given::Each(values) => values.clone(),
            Given::Flag(value) => vec![Number::Whole(i64::from(*value)); count],
            Given::HeightWidth => whole(&[height, width]),
            Given::WidthHeight => whole(&[width, height]),
            Given::HeightWidthScale => whole(&[height, width, 1]),
            Given::Scale => vec![Number::Whole(1); count],
        };
        let name = quoted(&self.name);
        if values.len() != count {
            return Err(Error::model(format!(
                "input {name} is {} of {}, which takes {count} values, but `value` in model.toml gives {}",
                port.element.as_str(),
                shown(&port.shape),
                values.len()
            )));
        }
        if matches!(self.value, Given::Flag(_)) && port.element != Element::Bool {
            return Err(Error::model(format!(
                "input {name} is {}, but `value` in model.toml is `true` or `false`",
                port.element.as_str()
            )));
        }
        match typed(&values, port.element) {
            Ok(values) => Ok(Array { shape: port.shape.clone(), values }),
            Err(value) => {
                let value = match value {
                    Number::Whole(value) => value.to_string(),
                    Number::Real(value) => value.to_string(),
                };
                Err(Error::model(format!(
                    "input {name} is {}, which cannot hold {value}, as `value` in model.toml says",
                    port.element.as_str()
                )))
            }
        }
    }
}

/// Numbers as values of a type, or the first that the type cannot hold.
fn typed(values: &[Number], element: Element) -> Result<Values, Number> {
    fn each<T>(values: &[Number], one: impl Fn(i64) -> Option<T>) -> Result<Vec<T>, Number> {
        let whole = |value: &Number| match *value {
            Number::Whole(whole) => one(whole).ok_or(*value),
            // 2^53: beyond it a float is no certain whole number.
            Number::Real(real) if real.fract() == 0.0 && real.abs() <= 9_007_199_254_740_992.0 => {
                one(real as i64).ok_or(*value)
            }
            Number::Real(_) => Err(*value),
        };
        values.iter().map(whole).collect()
    }
    let reals = || values.iter().map(|value| value.real());
    Ok(match element {
        Element::Float32 => Values::F32(reals().map(|value| value as f32).collect()),
        Element::Float16 => Values::F16(reals().map(|value| half::f16::from_f64(value).to_bits()).collect()),
        Element::Float64 => Values::F64(reals().collect()),
        Element::Int8 => Values::I8(each(values, |value| value.try_into().ok())?),
        Element::Int16 => Values::I16(each(values, |value| value.try_into().ok())?),
        Element::Int32 => Values::I32(each(values, |value| value.try_into().ok())?),
        Element::Int64 => Values::I64(each(values, Some)?),
        Element::Uint8 => Values::U8(each(values, |value| value.try_into().ok())?),
        Element::Uint16 => Values::U16(each(values, |value| value.try_into().ok())?),
        Element::Uint32 => Values::U32(each(values, |value| value.try_into().ok())?),
        Element::Uint64 => Values::U64(each(values, |value| value.try_into().ok())?),
        Element::Bool => Values::Bool(each(values, |value| match value {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        })?),
    })
}
