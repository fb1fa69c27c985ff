//! Pooling.

use super::super::build::{Building, Id, Made};
use super::{Node, convolution};

pub(super) fn pool(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    node.only_first()?;
    let id = node.value(build, 0)?;
    let kernel = node.ints("kernel_shape").ok_or("it has no `kernel_shape`")?.len();
    let kernel = node.sizes("kernel_shape", kernel)?;
    let window = convolution::window(build, node, id, &kernel)?;
    let average = node.operator == "AveragePool";
    let padding_counts = average && node.int("count_include_pad", 0) != 0;
    let input = build.shape(id)[2..].to_vec();
    let axes = input.len();
    let after = match (node.text("auto_pad", "NOTSET")?.as_str(), node.ints("pads")) {
        ("NOTSET" | "", Some(pads)) => pads[axes..].to_vec(),
        ("SAME_UPPER" | "SAME_LOWER", _) => vec![i64::MAX; axes],
        _ => vec![0; axes],
    };
    for axis in 0..axes {
        let [kernel, stride, dilation, pad, size] =
            [window.kernel, window.strides, window.dilations, window.pads, window.size]
                .map(|pair| pair[2 - axes + axis]);
        let reach = (kernel - 1) * dilation + 1;
        if pad >= reach {
            return Err(format!("its pads of {pad} are no smaller than its window"));
        }
        let last = (size - 1) * stride;
        if last >= pad + input[axis] {
            return Err("its last window lies outside of its input".to_owned());
        }
        // wonnx divides by the whole window; ONNX leaves out what `ceil_mode` adds behind the padding.
        let beyond = (last + reach) as i64 - (pad + input[axis]) as i64;
        if padding_counts && beyond > after[axis] {
            return Err("its last window reaches beyond the padding that counts".to_owned());
        }
    }
    let picture = build.picture(id)?;
    let operator = if average { "AveragePool" } else { "MaxPool" };
    let result = build.pool(operator, picture, &window, padding_counts);
    Ok(vec![build.reshape(result, node.shape())])
}

pub(super) fn global(build: &mut Building, node: &Node<'_>) -> Made<Vec<Id>> {
    let id = node.value(build, 0)?;
    let [batch, channels, rest @ ..] = build.shape(id) else {
        return Err("its input has fewer than two axes".to_owned());
    };
    let shape = [*batch, *channels, rest.iter().product()];
    let flat = build.reshape(id, &shape);
    let operator = if node.operator == "GlobalMaxPool" { "MaxPool" } else { "AveragePool" };
    let result = build.reduce(operator, flat, 2);
    Ok(vec![build.reshape(result, node.shape())])
}
