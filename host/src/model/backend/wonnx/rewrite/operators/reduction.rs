//! Sums, means and extremes along axes.

use super::super::build::{Building, Id, Made};
use super::{Node, axis};

pub(super) fn reduce(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let mut id = node.value(build, 0)?;
    let shape = build.shape(id).to_vec();
    let given: Vec<i64> = match (node.constant(1)?, node.ints("axes")) {
        (Some(axes), _) => axes.integers()?.to_vec(),
        (None, Some(axes)) => axes.to_vec(),
        (None, None) => Vec::new(),
    };
    let mut axes = given.iter().map(|of| axis(*of, shape.len())).collect::<Made<Vec<usize>>>()?;
    axes.sort_unstable();
    axes.dedup();
    if axes.is_empty() && node.int("noop_with_empty_axes", 0) == 0 {
        axes = (0..shape.len()).collect();
    }
    let count: usize = axes.iter().map(|axis| shape[*axis]).product();
    match node.operator {
        "ReduceL1" => id = build.each("Abs", id, Vec::new()),
        "ReduceL2" | "ReduceSumSquare" => id = build.pairwise("Mul", id, id)?,
        "ReduceMin" => id = build.each("Neg", id, Vec::new()),
        _ => {}
    }
    let operator = match node.operator {
        "ReduceMax" | "ReduceMin" => "MaxPool",
        _ => "AveragePool",
    };
    id = along_all(build, operator, id, &axes);
    id = match node.operator {
        "ReduceMin" => build.each("Neg", id, Vec::new()),
        "ReduceMax" | "ReduceMean" => id,
        _ if count == 1 => id,
        _ => build.affine(id, count as f32, 0.0)?,
    };
    if node.operator == "ReduceL2" {
        id = build.each("Sqrt", id, Vec::new());
    }
    Ok(vec![build.reshape(id, node.shape())])
}

/// Over several axes, neighbours at once.
pub(super) fn along_all(build: &mut Building, operator: &'static str, id: Id, axes: &[usize]) -> Id {
    let mut id = id;
    let mut rest = axes;
    while let [.., last] = rest {
        let mut first = *last;
        let mut length = 1;
        while length < rest.len() && rest[rest.len() - 1 - length] + 1 == first {
            first -= 1;
            length += 1;
        }
        let shape = build.shape(id).to_vec();
        let mut joined = shape[..first].to_vec();
        joined.push(shape[first..=*last].iter().product());
        joined.extend(&shape[last + 1..]);
        id = build.reshape(id, &joined);
        id = build.reduce(operator, id, first);
        rest = &rest[..rest.len() - length];
    }
    id
}
