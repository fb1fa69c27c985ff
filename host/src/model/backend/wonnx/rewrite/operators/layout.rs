//! What moves values about and does nothing to them.

use super::super::build::{Attribute, Building, Id, Made};
use super::{Node, Operand, axis};
use crate::model::onnx::proto::DataType;

/// To float32: of integers, only those that came in.
pub(super) fn cast(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    if node.int("to", 0) != DataType::Float as i64 {
        return Err("it does not make float32, which wonnx computes in".to_owned());
    }
    let Some(Some(Operand::Value(id))) = node.operands.first() else {
        return Err("its input is missing".to_owned());
    };
    if build.values[id.0].float {
        return Ok(vec![*id]);
    }
    Ok(vec![build.each("Cast", *id, vec![("to", Attribute::Int(DataType::Float as i64))])])
}

pub(super) fn identity(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    node.only_first()?;
    let training = node.constant(2)?.is_some_and(|training| training.integers().is_ok_and(|t| t != [0]));
    if training {
        return Err("it drops values at random".to_owned());
    }
    let id = node.value(build, 0)?;
    Ok(vec![id; node.shapes.len()])
}

pub(super) fn reshape(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let Some(Some(Operand::Value(id))) = node.operands.first() else {
        return Err("its input is a constant, its shape is not".to_owned());
    };
    // A shape that an input has a part in is another in every run.
    node.constant(1)?;
    if build.count(*id) != node.shape().iter().product::<usize>() {
        return Err("its result has another number of values".to_owned());
    }
    Ok(vec![build.reshape(*id, node.shape())])
}

pub(super) fn transpose(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let axes = build.shape(id).len();
    let order = match node.ints("perm") {
        Some(order) => order.iter().map(|of| axis(*of, axes)).collect::<Made<Vec<_>>>()?,
        None => (0..axes).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..axes).collect::<Vec<_>>() {
        return Err(format!("its `perm` is {order:?}"));
    }
    Ok(vec![build.transpose(id, &order)?])
}

pub(super) fn concat(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let axis = axis(node.int("axis", 1), node.shape().len())?;
    let mut ids = Vec::new();
    for (index, operand) in node.operands.iter().enumerate() {
        // An empty part adds nothing.
        let empty = matches!(operand, Some(Operand::Constant(constant)) if constant.shape.contains(&0));
        if !empty {
            ids.push(node.any(build, index)?);
        }
    }
    Ok(vec![build.concat(&ids, axis)?])
}

pub(super) fn slice(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let mut id = node.value(build, 0)?;
    let shape = build.shape(id).to_vec();
    let given = |index: usize, name: &str| -> Made<Option<Vec<i64>>> {
        if node.opset < 10 {
            return Ok(node.ints(name).map(<[i64]>::to_vec));
        }
        node.constant(index)?.map(|constant| constant.integers().map(<[i64]>::to_vec)).transpose()
    };
    let starts = given(1, "starts")?.ok_or("it has no `starts`")?;
    let axes = given(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = if node.opset < 10 { None } else { given(4, "steps")? };
    if axes.len() != starts.len() {
        return Err("it has more starts than axes, or fewer".to_owned());
    }
    for (index, (start, of)) in starts.iter().zip(&axes).enumerate() {
        let of = axis(*of, shape.len())?;
        let size = shape[of] as i64;
        let step = steps.as_ref().and_then(|steps| steps.get(index)).copied().unwrap_or(1);
        if step == 0 {
            return Err("its step is 0".to_owned());
        }
        let start = if *start < 0 { start.saturating_add(size) } else { *start };
        let start = if step > 0 { start.clamp(0, size) } else { start.clamp(0, size - 1) };
        // Its size is known from the reference run.
        let count = node.shape().get(of).copied().unwrap_or_default();
        id = build.slice(id, of, start as usize, step, count)?;
    }
    Ok(vec![id])
}

pub(super) fn split(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let axis = axis(node.int("axis", 0), build.shape(id).len())?;
    let mut at = 0;
    let mut parts = Vec::new();
    for shape in &node.shapes {
        let count = shape.get(axis).copied().unwrap_or_default();
        parts.push(build.slice(id, axis, at, 1, count)?);
        at += count;
    }
    if at != build.shape(id)[axis] {
        return Err("an output without a name takes part of its input".to_owned());
    }
    Ok(parts)
}

pub(super) fn gather(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let axis = axis(node.int("axis", 0), build.shape(id).len())?;
    let size = build.shape(id)[axis] as i64;
    let indices = node.needed(1)?.integers()?;
    let indices: Option<Vec<usize>> = indices
        .iter()
        .map(|index| if *index < 0 { index + size } else { *index })
        .map(|index| usize::try_from(index).ok().filter(|_| index < size))
        .collect();
    let taken = build.take(id, axis, &indices.ok_or("an index lies outside of its input")?)?;
    Ok(vec![build.reshape(taken, node.shape())])
}

pub(super) fn expand(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    node.needed(1)?;
    Ok(vec![build.expand(id, node.shape())?])
}

pub(super) fn tile(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let mut id = node.value(build, 0)?;
    node.needed(1)?;
    let shape = build.shape(id).to_vec();
    for (axis, (has, wants)) in shape.iter().zip(node.shape()).enumerate() {
        if has != wants {
            let indices: Vec<usize> = (0..*wants).map(|place| place % has).collect();
            id = build.take(id, axis, &indices)?;
        }
    }
    Ok(vec![id])
}

pub(super) fn pad(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let mut id = node.value(build, 0)?;
    let shape = build.shape(id).to_vec();
    let mode = node.text("mode", "constant")?;
    let (given, value) = if node.opset < 11 {
        (node.ints("pads").ok_or("it has no `pads`")?.to_vec(), node.float("value", 0.0))
    } else {
        let value = match node.constant(2)? {
            None => 0.0,
            Some(value) => value.floats()?.first().copied().unwrap_or_default(),
        };
        (node.needed(1)?.integers()?.to_vec(), value)
    };
    let axes = match node.constant(3)? {
        None => (0..shape.len()).collect(),
        Some(axes) => axes.integers()?.iter().map(|of| axis(*of, shape.len())).collect::<Made<Vec<_>>>()?,
    };
    if given.len() != 2 * axes.len() {
        return Err(format!("it has {} pads for {} axes", given.len(), axes.len()));
    }
    let (mut begins, mut ends) = (vec![0_i64; shape.len()], vec![0_i64; shape.len()]);
    for (index, axis) in axes.iter().enumerate() {
        begins[*axis] = given[index];
        ends[*axis] = given[axes.len() + index];
    }
    for axis in 0..shape.len() {
        let (begin, end, size) = (begins[axis], ends[axis], shape[axis] as i64);
        if mode == "constant" {
            let (cut, left) = ((-begin).max(0), size - (-begin).max(0) - (-end).max(0));
            let left = usize::try_from(left).ok().filter(|left| *left > 0).ok_or("it cuts off all")?;
            id = build.slice(id, axis, cut as usize, 1, left)?;
        } else if begin != 0 || end != 0 {
            let from = |place: i64| match mode.as_str() {
                "edge" => Some(place.clamp(0, size - 1)),
                "wrap" => Some(place.rem_euclid(size)),
                "reflect" if size > 1 => {
                    let place = place.rem_euclid(2 * (size - 1));
                    Some(if place < size { place } else { 2 * (size - 1) - place })
                }
                "reflect" => Some(0),
                _ => None,
            };
            let indices: Option<Vec<usize>> =
                (-begin..size + end).map(|place| from(place).map(|place| place as usize)).collect();
            id = build.take(id, axis, &indices.ok_or_else(|| format!("its `mode` is `{mode}`"))?)?;
        }
    }
    if mode == "constant" {
        let sizes = |pads: &[i64]| pads.iter().map(|pad| (*pad).max(0) as usize).collect::<Vec<_>>();
        id = build.pad(id, &sizes(&begins), &sizes(&ends), value)?;
    }
    Ok(vec![id])
}

pub(super) fn depth_to_space(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let [batch, channels, height, width] = *build.shape(id) else {
        return Err("its input does not have four axes".to_owned());
    };
    let block = usize::try_from(node.int("blocksize", 0)).ok().filter(|block| *block > 0);
    let block = block.ok_or("it has no `blocksize`")?;
    let depth = channels / (block * block);
    let (apart, order) = match node.text("mode", "DCR")?.as_str() {
        "DCR" => ([batch, block, block, depth, height, width], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([batch, depth, block, block, height, width], [0, 1, 4, 2, 5, 3]),
        other => return Err(format!("its `mode` is `{other}`")),
    };
    let apart = build.reshape(id, &apart);
    let woven = build.transpose(apart, &order)?;
    Ok(vec![build.reshape(woven, node.shape())])
}

pub(super) fn space_to_depth(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let [batch, channels, height, width] = *build.shape(id) else {
        return Err("its input does not have four axes".to_owned());
    };
    let block = usize::try_from(node.int("blocksize", 0)).ok().filter(|block| *block > 0);
    let block = block.ok_or("it has no `blocksize`")?;
    let apart = build.reshape(id, &[batch, channels, height / block, block, width / block, block]);
    let moved = build.transpose(apart, &[0, 3, 5, 1, 2, 4])?;
    Ok(vec![build.reshape(moved, node.shape())])
}
