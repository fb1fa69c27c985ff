//! Convolutions, and what is made of them.

use super::super::build::{Building, Id, Kernel, Made, Window};
use super::super::fault::Fault;
use super::Node;

/// Sizes along the one or two axes of a picture, the missing one before them filled with `missing`.
fn two(values: &[usize], missing: usize) -> Made<[usize; 2]> {
    match values {
        [one] => Ok([missing, *one]),
        [one, other] => Ok([*one, *other]),
        _ => Err(format!("it goes over {} axes; here wonnx goes over one or two", values.len())),
    }
}

/// What comes before the first row and column, by `pads` or `auto_pad`.
pub(super) fn begins(
    build: &Building,
    node: &Node<'_>,
    input: &[usize],
    output: &[usize],
    reach: &[usize],
    strides: &[usize],
) -> Made<Vec<usize>> {
    let auto = node.text("auto_pad", "NOTSET")?;
    if build.broken(Fault::AutoPad) {
        return Ok(vec![0; input.len()]);
    }
    match auto.as_str() {
        "VALID" => Ok(vec![0; input.len()]),
        "SAME_UPPER" | "SAME_LOWER" => Ok((0..input.len())
            .map(|axis| {
                let total = ((output[axis] - 1) * strides[axis] + reach[axis]).saturating_sub(input[axis]);
                if auto == "SAME_UPPER" { total / 2 } else { total - total / 2 }
            })
            .collect()),
        "NOTSET" | "" => {
            let Some(pads) = node.ints("pads") else { return Ok(vec![0; input.len()]) };
            let pads: Option<Vec<usize>> = pads.iter().map(|pad| usize::try_from(*pad).ok()).collect();
            pads.filter(|pads| pads.len() == 2 * input.len())
                .map(|pads| pads[..input.len()].to_vec())
                .ok_or_else(|| "its attribute `pads` is wrong or negative".to_owned())
        }
        _ => Err(format!("its `auto_pad` is `{auto}`")),
    }
}

/// Whether the output is as large as the specification has it.
fn sized(node: &Node<'_>, input: &[usize], output: &[usize], reach: &[usize], strides: &[usize]) -> Made<()> {
    let auto = node.text("auto_pad", "NOTSET")?;
    let up = node.int("ceil_mode", 0) != 0;
    for axis in 0..input.len() {
        let (size, stride, reach) = (input[axis], strides[axis], reach[axis]);
        let of = |padded: usize| -> Vec<usize> {
            let Some(rest) = padded.checked_sub(reach) else { return Vec::new() };
            // A last window that would begin behind the input may be left out.
            if up { vec![rest.div_ceil(stride) + 1, rest / stride + 1] } else { vec![rest / stride + 1] }
        };
        let right = match auto.as_str() {
            "SAME_UPPER" | "SAME_LOWER" => vec![size.div_ceil(stride)],
            "VALID" => of(size),
            _ => {
                let pad =
                    |at: usize| node.ints("pads").and_then(|pads| pads.get(at)).copied().unwrap_or_default();
                of(size + (pad(axis) + pad(axis + input.len())).max(0) as usize)
            }
        };
        if !right.contains(&output[axis]) {
            return Err("the reference run is wrong about its shape".to_owned());
        }
    }
    Ok(())
}

/// A window over `id`, a picture or a line, as the node describes it.
pub(super) fn window(build: &Building, node: &Node<'_>, id: Id, kernel: &[usize]) -> Made<Window> {
    let input = &build.shape(id)[2..];
    let output = node.shape().get(2..).unwrap_or_default();
    let axes = kernel.len();
    if input.len() != axes || output.len() != axes {
        return Err(format!("its window has {axes} axes, its input {}", input.len()));
    }
    let strides = node.sizes("strides", axes)?;
    let dilations = node.sizes("dilations", axes)?;
    let reach: Vec<usize> =
        kernel.iter().zip(&dilations).map(|(kernel, dilation)| (kernel - 1) * dilation + 1).collect();
    let pads = begins(build, node, input, output, &reach, &strides)?;
    sized(node, input, output, &reach, &strides)?;
    Ok(Window {
        kernel: two(kernel, 1)?,
        strides: two(&strides, 1)?,
        dilations: two(&dilations, 1)?,
        pads: two(&pads, 0)?,
        size: two(output, 1)?,
    })
}

pub(super) fn conv(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let weights = node.needed(1)?;
    let [outputs, inputs, kernel @ ..] = weights.shape.as_slice() else {
        return Err("its weights have fewer than three axes".to_owned());
    };
    let window = window(build, node, id, kernel)?;
    let group = node.int("group", 1);
    let group =
        usize::try_from(group).ok().filter(|group| *group > 0).ok_or("its `group` is not positive")?;
    if inputs * group != build.shape(id)[1] || !outputs.is_multiple_of(group) {
        return Err("its weights do not fit its input".to_owned());
    }
    let bias = node.constant(2)?.map(|bias| bias.floats().map(<[f32]>::to_vec)).transpose()?;
    let kernel = Kernel {
        weights: weights.floats()?.to_vec(),
        shape: [*outputs, *inputs, window.kernel[0], window.kernel[1]],
        bias,
    };
    let picture = build.picture(id)?;
    let result = build.convolution(picture, kernel, &window, group);
    Ok(vec![build.reshape(result, node.shape())])
}

/// A convolution for each phase of the stride, side by side as channels, which are then woven together.
pub(super) fn conv_transpose(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let weights = node.needed(1)?;
    let [inputs, of_group, ref kernel @ ..] = *weights.shape.as_slice() else {
        return Err("its weights have fewer than three axes".to_owned());
    };
    let axes = kernel.len();
    let group = usize::try_from(node.int("group", 1)).ok().filter(|group| *group > 0);
    let group = group.ok_or("its `group` is not positive")?;
    if build.shape(id).len() != axes + 2 || build.shape(id)[1] != inputs || !inputs.is_multiple_of(group) {
        return Err("its weights do not fit its input".to_owned());
    }
    let strides = node.sizes("strides", axes)?;
    let dilations = node.sizes("dilations", axes)?;
    let input = build.shape(id)[2..].to_vec();
    let output = node.shape().get(2..).unwrap_or_default().to_vec();
    let extra: Vec<i64> = node.ints("output_padding").map_or_else(|| vec![0; axes], <[i64]>::to_vec);
    let auto = node.text("auto_pad", "NOTSET")?;
    let given = node.ints("pads").filter(|_| node.attribute("output_shape").is_none());
    let mut pads = Vec::new();
    for axis in 0..axes {
        let whole = strides[axis] as i64 * (input[axis] as i64 - 1)
            + extra.get(axis).copied().unwrap_or_default()
            + (kernel[axis] as i64 - 1) * dilations[axis] as i64
            + 1;
        let total = whole - output[axis] as i64;
        let begin = match (auto.as_str(), given) {
            ("NOTSET" | "", Some(pads)) => pads.get(axis).copied().unwrap_or_default(),
            ("NOTSET" | "", None) if node.attribute("output_shape").is_none() => 0,
            ("SAME_UPPER", _) => total.max(0) / 2,
            ("VALID", _) => 0,
            _ => total.max(0) - total.max(0) / 2,
        };
        pads.push(usize::try_from(begin).map_err(|_| "its pads are negative".to_owned())?);
    }
    let kernel = two(kernel, 1)?;
    let strides = two(&strides, 1)?;
    let dilations = two(&dilations, 1)?;
    let pads = two(&pads, 0)?;
    let size = two(&output, 1)?;
    // The taps of one phase, and how many of its places the output takes part in.
    let taps: [usize; 2] =
        std::array::from_fn(|axis| (kernel[axis] - 1) * dilations[axis] / strides[axis] + 1);
    let places: [usize; 2] = std::array::from_fn(|axis| (size[axis] - 1 + pads[axis]) / strides[axis] + 1);
    let in_group = inputs / group;
    let phases = strides[0] * strides[1];
    let old = weights.floats()?;
    let mut numbers = vec![0.0; group * phases * of_group * in_group * taps[0] * taps[1]];
    for (index, number) in old.iter().enumerate() {
        let (x, rest) = (index % kernel[1], index / kernel[1]);
        let (y, rest) = (rest % kernel[0], rest / kernel[0]);
        let (to, from) = (rest % of_group, rest / of_group);
        let (group_index, from) = (from / in_group, from % in_group);
        let (ry, ty) = (y * dilations[0] % strides[0], y * dilations[0] / strides[0]);
        let (rx, tx) = (x * dilations[1] % strides[1], x * dilations[1] / strides[1]);
        let row = ((group_index * strides[0] + ry) * strides[1] + rx) * of_group + to;
        let place = ((row * in_group + from) * taps[0] + taps[0] - 1 - ty) * taps[1] + taps[1] - 1 - tx;
        numbers[place] += number;
    }
    let outputs = group * phases * of_group;
    let bias = match node.constant(2)? {
        None => None,
        Some(bias) => {
            let bias = bias.floats()?;
            if bias.len() != group * of_group {
                return Err("its bias does not fit its weights".to_owned());
            }
            let of = |row: usize| bias[row / (phases * of_group) * of_group + row % of_group];
            Some((0..outputs).map(of).collect())
        }
    };
    let window = Window {
        kernel: taps,
        strides: [1, 1],
        dilations: [1, 1],
        pads: taps.map(|taps| taps - 1),
        size: places,
    };
    let batch = build.shape(id)[0];
    let picture = build.picture(id)?;
    let kernel = Kernel { weights: numbers, shape: [outputs, in_group, taps[0], taps[1]], bias };
    let phased = build.convolution(picture, kernel, &window, group);
    let apart = [batch * group, strides[0], strides[1], of_group, places[0], places[1]];
    let apart = build.reshape(phased, &apart);
    let woven = build.transpose(apart, &[0, 3, 4, 1, 5, 2])?;
    let all = [places[0] * strides[0], places[1] * strides[1]];
    let whole = build.reshape(woven, &[batch, group * of_group, all[0], all[1]]);
    let mut result = whole;
    for axis in 0..2 {
        result = build.slice(result, 2 + axis, pads[axis], 1, size[axis])?;
    }
    Ok(vec![build.reshape(result, node.shape())])
}
