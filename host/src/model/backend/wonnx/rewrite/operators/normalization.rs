//! Normalizations and softmax.

use super::super::build::{Building, Id, Made};
use super::super::dispatch;
use super::super::fault::Fault;
use super::reduction::along_all;
use super::{Node, axis};

pub(super) fn batch(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    node.only_first()?;
    if node.int("training_mode", 0) != 0 {
        return Err("it is in training mode".to_owned());
    }
    if node.int("spatial", 1) != 1 {
        return Err("its `spatial` is not 1".to_owned());
    }
    let id = node.value(build, 0)?;
    let channels = build.shape(id).get(1).copied().ok_or("its input has no channels")?;
    let numbers = |index: usize| -> Made<&[f32]> {
        let values = node.needed(index)?.floats()?;
        if values.len() == channels { Ok(values) } else { Err("its numbers do not fit its input".to_owned()) }
    };
    let (gain, shift, mean, variance) = (numbers(1)?, numbers(2)?, numbers(3)?, numbers(4)?);
    let epsilon = node.float("epsilon", 1e-5);
    let scales: Vec<f32> =
        gain.iter().zip(variance).map(|(gain, variance)| gain / (variance + epsilon).sqrt()).collect();
    let shifts: Vec<f32> =
        shift.iter().zip(mean).zip(&scales).map(|((shift, mean), scale)| shift - mean * scale).collect();
    if scales.iter().chain(&shifts).any(|value| !value.is_finite()) {
        return Err("its numbers are not finite".to_owned());
    }
    Ok(vec![build.affine_channels(id, &scales, &shifts)?])
}

/// `(x - mean) / sqrt(variance + epsilon)` of each row of `[rows, columns]`.
fn rows(build: &mut Building, id: Id, epsilon: f32) -> Made {
    let [rows, columns] = *build.shape(id) else { return Err("it is not a matrix".to_owned()) };
    let mean = build.reduce("AveragePool", id, 1);
    let mean = build.expand_rows(mean, columns)?;
    let apart = build.pairwise("Sub", id, mean)?;
    let square = build.pairwise("Mul", apart, apart)?;
    let variance = build.reduce("AveragePool", square, 1);
    let variance = build.affine(variance, 1.0, epsilon)?;
    let root = build.each("Sqrt", variance, Vec::new());
    let inverse = build.each("Reciprocal", root, Vec::new());
    let view = build.reshape(apart, &[1, rows, 1, columns]);
    let scaled = build.scale_channels(view, inverse)?;
    Ok(build.reshape(scaled, &[rows, columns]))
}

impl Building {
    /// Each of `[rows]` so many times.
    fn expand_rows(&mut self, id: Id, columns: usize) -> Made {
        let rows = self.count(id);
        let narrow = self.reshape(id, &[rows, 1]);
        self.expand(narrow, &[rows, columns])
    }
}

/// A number a channel, for channels that each batch has anew.
fn per_channel(build: &mut Building, node: &Node<'_>, id: Id, channels: usize) -> Made {
    let (gain, shift) = (node.needed(1)?.floats()?, node.needed(2)?.floats()?);
    if gain.len() != channels || shift.len() != channels {
        return Err("its numbers do not fit its input".to_owned());
    }
    let (gain, shift) = (gain.to_vec(), shift.to_vec());
    build.affine_channels(id, &gain, &shift)
}

pub(super) fn instance(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let shape = build.shape(id).to_vec();
    let [batch, channels, rest @ ..] = shape.as_slice() else {
        return Err("its input has fewer than two axes".to_owned());
    };
    let matrix = build.reshape(id, &[batch * channels, rest.iter().product()]);
    let normal = rows(build, matrix, node.float("epsilon", 1e-5))?;
    let normal = build.reshape(normal, &shape);
    Ok(vec![per_channel(build, node, normal, *channels)?])
}

pub(super) fn group(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let shape = build.shape(id).to_vec();
    let groups = usize::try_from(node.int("num_groups", 0)).ok().filter(|groups| *groups > 0);
    let groups = groups.ok_or("it has no `num_groups`")?;
    let [batch, channels, ..] = shape.as_slice() else {
        return Err("its input has fewer than two axes".to_owned());
    };
    if node.needed(1)?.floats()?.len() != *channels || !channels.is_multiple_of(groups) {
        return Err("it has one number a group instead of one a channel".to_owned());
    }
    let columns = build.count(id) / (batch * groups);
    let matrix = build.reshape(id, &[batch * groups, columns]);
    let normal = rows(build, matrix, node.float("epsilon", 1e-5))?;
    let normal = build.reshape(normal, &shape);
    Ok(vec![per_channel(build, node, normal, *channels)?])
}

pub(super) fn layer(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    node.only_first()?;
    let id = node.value(build, 0)?;
    let shape = build.shape(id).to_vec();
    let axis = axis(node.int("axis", -1), shape.len())?;
    let columns: usize = shape[axis..].iter().product();
    let count = build.count(id) / columns;
    let matrix = build.reshape(id, &[count, columns]);
    let normal = rows(build, matrix, node.float("epsilon", 1e-5))?;
    let gain = node.needed(1)?;
    let gain = build.floats(gain.shape.clone(), gain.floats()?.to_vec());
    let gain = build.expand(gain, &shape)?;
    let normal = build.reshape(normal, &shape);
    let mut result = build.pairwise("Mul", normal, gain)?;
    if let Some(shift) = node.constant(2)? {
        let shift = build.floats(shift.shape.clone(), shift.floats()?.to_vec());
        let shift = build.expand(shift, &shape)?;
        result = build.pairwise("Add", result, shift)?;
    }
    Ok(vec![result; node.shapes.len().min(1)])
}

pub(super) fn lp(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let shape = build.shape(id).to_vec();
    let axis = axis(node.int("axis", -1), shape.len())?;
    let p = node.int("p", 2);
    let sized = match p {
        1 => build.each("Abs", id, Vec::new()),
        2 => build.pairwise("Mul", id, id)?,
        _ => return Err(format!("its `p` is {p}")),
    };
    let mean = along_all(build, "AveragePool", sized, &[axis]);
    let mut norm = build.affine(mean, shape[axis] as f32, 0.0)?;
    if p == 2 {
        norm = build.each("Sqrt", norm, Vec::new());
    }
    let mut narrow = shape.clone();
    narrow[axis] = 1;
    // ONNX: what has no length stays what it is.
    let norm = super::activation::bounded(build, norm, 1.0e-12, f32::INFINITY)?;
    let norm = build.reshape(norm, &narrow);
    let norm = build.expand(norm, &shape)?;
    Ok(vec![build.pairwise("Div", id, norm)?])
}

/// Until opset 12 the axis and all after it are one.
pub(super) fn softmax(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let shape = build.shape(id).to_vec();
    let old = node.opset < 13;
    let at = axis(node.int("axis", if old { 1 } else { -1 }), shape.len())?;
    let (left, size, right) = if old && !build.broken(Fault::SoftmaxAxis) {
        (shape[..at].iter().product(), shape[at..].iter().product(), 1)
    } else {
        super::super::build::around(&shape, at)
    };
    let view = build.reshape(id, &[left, size, right]);
    let together = dispatch::reached(left) == left
        && dispatch::reached(right) == right
        && dispatch::threads(left) * dispatch::threads(right) <= dispatch::MOST_THREADS
        && size <= dispatch::MOST_TOGETHER;
    if node.operator == "Softmax" && (together || build.broken(Fault::Rounds)) {
        let attributes = vec![("axis", super::super::build::Attribute::Int(1))];
        let result = build.step("Softmax", &[view], vec![left, size, right], attributes);
        return Ok(vec![build.reshape(result, &shape)]);
    }
    // Else in parts: x - max - log(sum(exp(x - max))), or what that is the logarithm of.
    let most = build.reduce("MaxPool", view, 1);
    let most = build.reshape(most, &[left, 1, right]);
    let most = build.expand(most, &[left, size, right])?;
    let apart = build.pairwise("Sub", view, most)?;
    let powers = build.each("Exp", apart, Vec::new());
    let mean = build.reduce("AveragePool", powers, 1);
    let sum = build.affine(mean, size as f32, 0.0)?;
    let sum = build.reshape(sum, &[left, 1, right]);
    let result = if node.operator == "Softmax" {
        let sum = build.expand(sum, &[left, size, right])?;
        build.pairwise("Div", powers, sum)?
    } else {
        let log = build.each("Log", sum, Vec::new());
        let log = build.expand(log, &[left, size, right])?;
        build.pairwise("Sub", apart, log)?
    };
    Ok(vec![build.reshape(result, &shape)])
}
