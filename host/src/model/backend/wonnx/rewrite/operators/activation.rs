//! What is done to each value alone.

use super::super::build::{Attribute, Building, Id, Made};
use super::super::fault::Fault;
use super::{Node, Operand};

pub(super) fn activation(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let alpha = |default: f32| node.float("alpha", default);
    let result = match node.operator {
        "Relu" => relu(build, id),
        "Sigmoid" => sigmoid(build, id),
        "Tanh" => build.each("Tanh", id, Vec::new()),
        "Exp" => build.each("Exp", id, Vec::new()),
        "Log" => build.each("Log", id, Vec::new()),
        "Sqrt" => build.each("Sqrt", id, Vec::new()),
        "Abs" => build.each("Abs", id, Vec::new()),
        "Neg" => build.each("Neg", id, Vec::new()),
        "Floor" => build.each("Floor", id, Vec::new()),
        "Ceil" => build.each("Ceil", id, Vec::new()),
        "Round" => build.each("Round", id, Vec::new()),
        "Sign" => build.each("Sign", id, Vec::new()),
        "Reciprocal" => build.each("Reciprocal", id, Vec::new()),
        "Softsign" => build.each("Softsign", id, Vec::new()),
        "Elu" => elu(build, "Elu", id, alpha(1.0))?,
        "Celu" => elu(build, "Celu", id, alpha(1.0))?,
        "Selu" => {
            let curved = elu(build, "Elu", id, alpha(1.673_263_2))?;
            build.affine(curved, node.float("gamma", 1.050_701), 0.0)?
        }
        "LeakyRelu" => leaky(build, id, alpha(0.01))?,
        "Softplus" => softplus(build, id)?,
        "HardSigmoid" => hard_sigmoid(build, id, alpha(0.2), node.float("beta", 0.5))?,
        "HardSwish" => {
            let gate = hard_sigmoid(build, id, 1.0 / 6.0, 0.5)?;
            build.pairwise("Mul", id, gate)?
        }
        "Mish" => {
            let soft = softplus(build, id)?;
            let gate = build.each("Tanh", soft, Vec::new());
            build.pairwise("Mul", id, gate)?
        }
        "Swish" => {
            let scaled = if alpha(1.0) == 1.0 { id } else { apart(build, id, alpha(1.0), 0.0)? };
            let gate = sigmoid(build, scaled);
            build.pairwise("Mul", id, gate)?
        }
        "PRelu" => {
            let slope = node.any(build, 1)?;
            let shape = build.shape(id).to_vec();
            let slope = build.expand(slope, &shape)?;
            build.pairwise("PRelu", id, slope)?
        }
        "Clip" => clip(build, node, id)?,
        other => return Err(format!("{other} is no activation")),
    };
    Ok(vec![result])
}

/// A convolution takes a `Relu` into its own shader.
fn relu(build: &mut Building, id: Id) -> Id {
    if let Some(index) = build.sole_maker(id, "Conv")
        && build.steps[index].inputs.len() == 3
        && !build.broken(Fault::Fold)
    {
        build.steps[index].operator = "ConvRelu";
        return id;
    }
    build.each("Relu", id, Vec::new())
}

fn sigmoid(build: &mut Building, id: Id) -> Id {
    build.each("Sigmoid", id, Vec::new())
}

fn elu(build: &mut Building, operator: &'static str, id: Id, alpha: f32) -> Made {
    if alpha <= 0.0 || !alpha.is_finite() {
        return Err(format!("its `alpha` is {alpha}; wonnx is wrong unless it is positive"));
    }
    Ok(build.each(operator, id, vec![("alpha", Attribute::Float(alpha))]))
}

/// wonnx melts a `LeakyRelu` into the convolution before it, whose plain shader then forgets it: something
/// must stand between them.
fn leaky(build: &mut Building, id: Id, alpha: f32) -> Made {
    if !(0.0..=1.0).contains(&alpha) {
        return Err(format!("its `alpha` is {alpha}; wonnx is wrong unless it is between 0 and 1"));
    }
    let shape = build.shape(id).to_vec();
    let apart = if build.broken(Fault::LeakyApart) {
        id
    } else {
        let count = build.count(id);
        build.forwarded(id, &[count])
    };
    let result = build.each("LeakyRelu", apart, vec![("alpha", Attribute::Float(alpha))]);
    Ok(build.reshape(result, &shape))
}

/// `max(x, 0) + log(1 + exp(-|x|))`; wonnx's own `log(1 + exp(x))` is infinite from 89 on.
fn softplus(build: &mut Building, id: Id) -> Made {
    if build.broken(Fault::Softplus) {
        return Ok(build.each("Softplus", id, Vec::new()));
    }
    let size = build.each("Abs", id, Vec::new());
    let gate = build.each("Sigmoid", size, Vec::new());
    let bend = build.each("Log", gate, Vec::new());
    let bend = build.each("Neg", bend, Vec::new());
    let straight = build.each("Relu", id, Vec::new());
    build.pairwise("Add", straight, bend)
}

fn hard_sigmoid(build: &mut Building, id: Id, alpha: f32, beta: f32) -> Made {
    let line = apart(build, id, alpha, beta)?;
    bounded(build, line, 0.0, 1.0)
}

/// `value * scale + shift`, not folded into what made the value: that is taken again as it is.
fn apart(build: &mut Building, id: Id, scale: f32, shift: f32) -> Made {
    let count = build.count(id);
    let shape = build.shape(id).to_vec();
    let apart = build.forwarded(id, &[count]);
    let line = build.affine(apart, scale, shift)?;
    Ok(build.reshape(line, &shape))
}

fn clip(build: &mut Building, node: &Node<'_>, id: Id) -> Made {
    let bound = |index: usize, name: &str, default: f32| -> Made<f32> {
        match node.operands.get(index) {
            Some(Some(Operand::Constant(bound))) => match bound.floats()? {
                [one] => Ok(*one),
                _ => Err("a bound is not one number".to_owned()),
            },
            Some(Some(Operand::Value(_))) => Err("a bound is not a constant".to_owned()),
            _ if node.opset < 11 => Ok(node.float(name, default)),
            _ => Ok(default),
        }
    };
    let low = bound(1, "min", f32::NEG_INFINITY)?;
    let high = bound(2, "max", f32::INFINITY)?;
    bounded(build, id, low, high)
}

/// Whether wonnx, which prints bounds with one decimal, prints this one whole.
fn printed(bound: f32) -> bool {
    format!("{bound:.1}").parse::<f32>().is_ok_and(|read| read == bound)
}

/// No lower than `low` and no higher than `high`. A bound that wonnx would round is made 1 or -1 by scaling.
pub(super) fn bounded(build: &mut Building, id: Id, low: f32, high: f32) -> Made {
    if low.is_nan() || high.is_nan() {
        return Err("a bound is not a number".to_owned());
    }
    // ONNX: where `min` is above `max`, all is `max`.
    let low = low.min(high);
    let (low, high) = (low.max(f32::MIN), high.min(f32::MAX));
    let clip = |build: &mut Building, id: Id, low: f32, high: f32| {
        let bounds = vec![("min", Attribute::Floats(vec![low])), ("max", Attribute::Floats(vec![high]))];
        build.each("Clip", id, bounds)
    };
    if printed(low) && printed(high) || build.broken(Fault::ClipBounds) {
        return Ok(clip(build, id, low, high));
    }
    let mut id = id;
    for (bound, below) in [(low, true), (high, false)] {
        if bound == f32::MIN || bound == f32::MAX {
            continue;
        }
        let scale = if printed(bound) { 1.0 } else { bound.abs() };
        let unit = bound / scale;
        if !(1.0e-18..=1.0e18).contains(&scale) {
            return Err(format!("its bound {bound} cannot be given to wonnx without rounding"));
        }
        let shape = build.shape(id).to_vec();
        let count = build.count(id);
        let mut scaled = id;
        if scale != 1.0 {
            scaled = build.forwarded(scaled, &[count]);
            scaled = build.affine(scaled, 1.0 / scale, 0.0)?;
        }
        scaled =
            if below { clip(build, scaled, unit, f32::MAX) } else { clip(build, scaled, f32::MIN, unit) };
        if scale != 1.0 {
            scaled = build.affine(scaled, scale, 0.0)?;
        }
        id = build.reshape(scaled, &shape);
    }
    Ok(id)
}
