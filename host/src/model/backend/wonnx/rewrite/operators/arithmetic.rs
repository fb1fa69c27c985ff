//! Two values and more, place by place.

use super::super::build::{Building, Id, Made, Window};
use super::super::reference::Constant;
use super::{Node, Operand, activation};

pub(super) fn arithmetic(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let shape = node.shape().to_vec();
    let result = match (node.operator, node.operands) {
        ("Pow", [Some(Operand::Value(_)), Some(Operand::Constant(exponent))]) => {
            let id = node.value(build, 0)?;
            power(build, id, exponent)?
        }
        ("Pow", _) => return Err("its exponent is not a constant".to_owned()),
        ("Max" | "Min", _) => extreme(build, node, &shape)?,
        ("Sum" | "Mean", _) => {
            let mut sum = node.any(build, 0)?;
            sum = build.expand(sum, &shape)?;
            for index in 1..node.operands.len() {
                let next = node.any(build, index)?;
                let next = build.expand(next, &shape)?;
                sum = build.pairwise("Add", sum, next)?;
            }
            match node.operator {
                "Mean" => build.affine(sum, 1.0 / node.operands.len() as f32, 0.0)?,
                _ => sum,
            }
        }
        (_, [Some(Operand::Value(_)), Some(Operand::Constant(constant))]) => {
            let id = node.value(build, 0)?;
            with_constant(build, node.operator, id, constant, &shape)?
        }
        (_, [Some(Operand::Constant(constant)), Some(Operand::Value(_))]) => {
            let id = node.value(build, 1)?;
            constant_first(build, node.operator, id, constant, &shape)?
        }
        (operator, [Some(_), Some(_)]) => {
            let (left, right) = (node.value(build, 0)?, node.value(build, 1)?);
            both(build, step_of(operator)?, left, right, &shape)?
        }
        _ => return Err("it does not have two inputs".to_owned()),
    };
    Ok(vec![result])
}

fn step_of(operator: &str) -> Made<&'static str> {
    Ok(match operator {
        "Add" => "Add",
        "Sub" => "Sub",
        "Mul" => "Mul",
        "Div" => "Div",
        _ => return Err(format!("{operator} is no arithmetic")),
    })
}

fn both(build: &mut Building, operator: &'static str, left: Id, right: Id, shape: &[usize]) -> Made {
    if operator == "Mul" {
        for (wide, narrow) in [(left, right), (right, left)] {
            if build.shape(wide) == shape && one_a_channel(build.shape(narrow), shape) && shape[0] == 1 {
                return build.scale_channels(wide, narrow);
            }
        }
    }
    let left = build.expand(left, shape)?;
    let right = build.expand(right, shape)?;
    build.pairwise(operator, left, right)
}

/// Whether `narrow` has one value a channel of `shape`, `[batch, channels, height, width]`.
fn one_a_channel(narrow: &[usize], shape: &[usize]) -> bool {
    let [_, channels, _, _] = shape else { return false };
    match narrow {
        [of, 1, 1] | [1, of, 1, 1] => of == channels && *of > 1,
        _ => false,
    }
}

/// One number for all, if there is only one.
fn single(constant: &Constant) -> Made<Option<f32>> {
    let values = constant.floats()?;
    let first = values.first().ok_or("a constant is empty")?;
    Ok(values.iter().all(|value| value == first).then_some(*first))
}

fn with_constant(build: &mut Building, operator: &str, id: Id, constant: &Constant, shape: &[usize]) -> Made {
    let values = constant.floats()?;
    let same_shape = build.shape(id) == shape;
    // A convolution has no use for what is not a number, and a reciprocal must be one.
    let fine = |values: &[f32]| values.iter().all(|value| value.is_finite());
    let (scale, shift): (Vec<f32>, Vec<f32>) = match operator {
        "Add" => (vec![1.0; values.len()], values.to_vec()),
        "Sub" => (vec![1.0; values.len()], values.iter().map(|value| -value).collect()),
        "Mul" => (values.to_vec(), vec![0.0; values.len()]),
        _ => (values.iter().map(|value| 1.0 / value).collect(), vec![0.0; values.len()]),
    };
    if same_shape && fine(&scale) && fine(&shift) {
        if single(constant)?.is_some() {
            return build.affine(id, scale[0], shift[0]);
        }
        if one_a_channel(&constant.shape, shape) {
            return build.affine_channels(id, &scale, &shift);
        }
    }
    let constant = build.floats(constant.shape.clone(), values.to_vec());
    let constant = build.expand(constant, shape)?;
    let id = build.expand(id, shape)?;
    build.pairwise(step_of(operator)?, id, constant)
}

fn constant_first(
    build: &mut Building,
    operator: &str,
    id: Id,
    constant: &Constant,
    shape: &[usize],
) -> Made {
    if matches!(operator, "Add" | "Mul") {
        return with_constant(build, operator, id, constant, shape);
    }
    let values = constant.floats()?;
    if operator == "Sub"
        && build.shape(id) == shape
        && let Some(from) = single(constant)?
        && from.is_finite()
    {
        return build.affine(id, -1.0, from);
    }
    let constant = build.floats(constant.shape.clone(), values.to_vec());
    let constant = build.expand(constant, shape)?;
    let id = build.expand(id, shape)?;
    build.pairwise(step_of(operator)?, constant, id)
}

/// wonnx's `pow` knows no negative base.
fn power(build: &mut Building, id: Id, exponent: &Constant) -> Made {
    match single(exponent)? {
        Some(1.0) => Ok(id),
        Some(2.0) => build.pairwise("Mul", id, id),
        Some(3.0) => {
            let square = build.pairwise("Mul", id, id)?;
            build.pairwise("Mul", square, id)
        }
        Some(0.5) => Ok(build.each("Sqrt", id, Vec::new())),
        Some(-1.0) => Ok(build.each("Reciprocal", id, Vec::new())),
        _ => Err("its exponent is not one of 0.5, 1, 2, 3 and -1".to_owned()),
    }
}

/// The largest of several: a pool over them, one behind the other.
fn extreme(build: &mut Building, node: &Node<'_>, shape: &[usize]) -> Made {
    let least = node.operator == "Min";
    if let [Some(Operand::Value(_)), Some(Operand::Constant(bound))] = node.operands
        && let Some(bound) = single(bound)?
        && !bound.is_nan()
    {
        let id = node.value(build, 0)?;
        if build.shape(id) == shape {
            return match least {
                true => activation::bounded(build, id, f32::NEG_INFINITY, bound),
                false => activation::bounded(build, id, bound, f32::INFINITY),
            };
        }
    }
    let mut lines = Vec::new();
    for index in 0..node.operands.len() {
        let id = node.any(build, index)?;
        let id = build.expand(id, shape)?;
        let line = build.count(id);
        let id = build.reshape(id, &[1, line]);
        lines.push(if least { negative(build, id) } else { id });
    }
    let count = lines.len();
    if count == 1 {
        let only = if least { build.each("Neg", lines[0], Vec::new()) } else { lines[0] };
        return Ok(build.reshape(only, shape));
    }
    let length: usize = shape.iter().product();
    let stacked = build.concat(&lines, 0)?;
    let view = build.reshape(stacked, &[1, 1, count, length]);
    let window =
        Window { kernel: [count, 1], strides: [1, 1], dilations: [1, 1], pads: [0, 0], size: [1, length] };
    let most = build.pool("MaxPool", view, &window, false);
    let most = if least { build.each("Neg", most, Vec::new()) } else { most };
    Ok(build.reshape(most, shape))
}

fn negative(build: &mut Building, id: Id) -> Id {
    use super::super::build::Origin;
    if let Origin::Floats(values) = &build.values[id.0].origin {
        let negative = values.iter().map(|value| -value).collect();
        let shape = build.shape(id).to_vec();
        return build.floats(shape, negative);
    }
    build.each("Neg", id, Vec::new())
}
