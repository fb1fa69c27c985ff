//! Pictures made larger or smaller: whole factors by wonnx's own shader where it takes the same neighbours,
//! everything else axis by axis, as values taken or as a matrix of weights.

use super::super::build::{Attribute, Building, Id, Made};
use super::super::fault::Fault;
use super::{Node, Operand};

struct Way {
    coordinates: String,
    mode: String,
    nearest: String,
    cubic: f32,
    exclude_outside: bool,
    antialias: bool,
}

pub(super) fn resize(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let shape = build.shape(id).to_vec();
    let output = node.shape().to_vec();
    let oldest = node.operator == "Upsample" || node.opset < 11;
    for index in 1..node.operands.len() {
        node.constant(index)?;
    }
    let way = Way {
        coordinates: if oldest {
            "asymmetric".to_owned()
        } else {
            node.text("coordinate_transformation_mode", "half_pixel")?
        },
        mode: node.text("mode", "nearest")?,
        nearest: if oldest { "floor".to_owned() } else { node.text("nearest_mode", "round_prefer_floor")? },
        cubic: node.float("cubic_coeff_a", -0.75),
        exclude_outside: node.int("exclude_outside", 0) != 0,
        antialias: node.int("antialias", 0) != 0,
    };
    if way.antialias {
        return Err("its `antialias` is 1".to_owned());
    }
    let axes: Vec<usize> = match node.ints("axes") {
        None => (0..shape.len()).collect(),
        Some(axes) => axes.iter().map(|of| super::axis(*of, shape.len())).collect::<Made<_>>()?,
    };
    let given: Vec<f32> = scales(node)?;
    let keeps = node.text("keep_aspect_ratio_policy", "stretch")?;
    if keeps != "stretch" {
        return Err(format!("its `keep_aspect_ratio_policy` is `{keeps}`"));
    }
    if !given.is_empty() && given.len() != axes.len() {
        return Err("it has more scales than axes, or fewer".to_owned());
    }
    let mut factors = vec![1.0; shape.len()];
    for (index, axis) in axes.iter().enumerate() {
        factors[*axis] = match given.get(index) {
            Some(scale) => *scale,
            None => output[*axis] as f32 / shape[*axis] as f32,
        };
    }
    if way.mode == "nearest" {
        return nearest(build, id, &factors, &output, &way).map(|id| vec![id]);
    }
    let mut result = id;
    for axis in 0..shape.len() {
        if shape[axis] == output[axis] && factors[axis] == 1.0 {
            continue;
        }
        let matrix = matrix(&way, shape[axis], output[axis], factors[axis])?;
        result = build.along(result, axis, output[axis], matrix);
    }
    Ok(vec![result])
}

fn scales(node: &Node<'_>) -> Made<Vec<f32>> {
    if let Some(scales) = node.attribute("scales") {
        return Ok(scales.floats.clone());
    }
    let index = if node.operator == "Upsample" || node.opset < 11 { 1 } else { 2 };
    match node.operands.get(index) {
        Some(Some(Operand::Constant(scales))) => scales.floats().map(<[f32]>::to_vec),
        Some(Some(Operand::Value(_))) => Err("its scales are not constants".to_owned()),
        _ => Ok(Vec::new()),
    }
}

/// The place in the input that a place of the output is at.
fn place(way: &Way, at: usize, input: usize, output: usize, scale: f32) -> Made<f32> {
    let at = at as f32;
    Ok(match way.coordinates.as_str() {
        "half_pixel" => (at + 0.5) / scale - 0.5,
        "pytorch_half_pixel" if output == 1 => 0.0,
        "pytorch_half_pixel" => (at + 0.5) / scale - 0.5,
        "align_corners" if output == 1 => 0.0,
        "align_corners" => at * (input as f32 - 1.0) / (output as f32 - 1.0),
        "asymmetric" => at / scale,
        "half_pixel_symmetric" => {
            let whole = scale * input as f32;
            let adjustment = output as f32 / whole;
            let centre = input as f32 / 2.0;
            centre * (1.0 - adjustment) + (at + 0.5) / scale - 0.5
        }
        other => return Err(format!("its `coordinate_transformation_mode` is `{other}`")),
    })
}

fn nearest(build: &mut Building, id: Id, factors: &[f32], output: &[usize], way: &Way) -> Made {
    let shape = build.shape(id).to_vec();
    let mut all = Vec::new();
    let mut plain = true;
    for axis in 0..shape.len() {
        let mut indices = Vec::new();
        let whole = output[axis] / shape[axis];
        for at in 0..output[axis] {
            let place = place(way, at, shape[axis], output[axis], factors[axis])?;
            let nearest = match way.nearest.as_str() {
                "round_prefer_floor" => (place - 0.5).ceil(),
                "round_prefer_ceil" => (place + 0.5).floor(),
                "floor" => place.floor(),
                "ceil" => place.ceil(),
                other => return Err(format!("its `nearest_mode` is `{other}`")),
            };
            let index = (nearest.max(0.0) as usize).min(shape[axis] - 1);
            // wonnx takes the value at `floor((at + 0.5) / scale)`, whatever it is asked for.
            plain &= whole > 0 && whole * shape[axis] == output[axis] && at / whole.max(1) == index;
            indices.push(index);
        }
        all.push(indices);
    }
    if plain || build.broken(Fault::NearestMap) {
        if shape == output {
            return Ok(id);
        }
        let scales =
            output.iter().zip(&shape).map(|(output, input)| *output as f32 / *input as f32).collect();
        let attributes = vec![
            ("scales", Attribute::Floats(scales)),
            ("mode", Attribute::Text("nearest")),
            ("nearest_mode", Attribute::Text("floor")),
            ("coordinate_transformation_mode", Attribute::Text("asymmetric")),
        ];
        return Ok(build.step("Resize", &[id], output.to_vec(), attributes));
    }
    let mut result = id;
    for (axis, indices) in all.iter().enumerate() {
        if !indices.iter().copied().eq(0..shape[axis]) {
            result = build.take(result, axis, indices)?;
        }
    }
    Ok(result)
}

/// Weights of each input place in each output place, as the ONNX specification has them.
fn matrix(way: &Way, input: usize, output: usize, scale: f32) -> Made<Vec<f32>> {
    let mut matrix = vec![0.0; input * output];
    for at in 0..output {
        let place = place(way, at, input, output, scale)?;
        let (first, weights) = match way.mode.as_str() {
            "linear" | "bilinear" => {
                // Outside of the picture is its edge.
                let place = place.clamp(0.0, input as f32 - 1.0);
                let part = place - place.floor();
                (place.floor() as i64, vec![1.0 - part, part])
            }
            "cubic" => {
                let part = place - place.floor();
                let a = way.cubic;
                let near = |x: f32| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
                let far = |x: f32| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
                (
                    place.floor() as i64 - 1,
                    vec![far(1.0 + part), near(part), near(1.0 - part), far(2.0 - part)],
                )
            }
            other => return Err(format!("its `mode` is `{other}`")),
        };
        let inside = |from: i64| (0..input as i64).contains(&from);
        let places = weights.iter().enumerate().map(|(offset, weight)| (first + offset as i64, *weight));
        let whole: f32 = if way.exclude_outside {
            places.clone().filter(|(from, _)| inside(*from)).map(|(_, weight)| weight).sum()
        } else {
            1.0
        };
        for (from, weight) in places {
            if way.exclude_outside && !inside(from) {
                continue;
            }
            let from = from.clamp(0, input as i64 - 1) as usize;
            matrix[at * input + from] += weight / whole;
        }
    }
    Ok(matrix)
}
