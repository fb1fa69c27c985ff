//! What onnxruntime must not run: the little that it was found to get wrong, by ONNX's own node tests
//! (1.22.0) on one release of each of 1.17 to 1.31. Everything else it may.

use std::collections::HashMap;

use super::super::super::onnx::proto::{GraphProto, NodeProto, TensorProto};
use super::super::Source;

/// The release from which on `Attention` is right: before, `softcap` comes after the mask, and float16 is off by
/// more than its rounding.
const ATTENTION_SINCE: u32 = 27;

/// Refuses a graph with a node that the library, of release 1.`minor`, runs wrong.
pub(super) fn check(source: &Source<'_>, minor: u32) -> Result<(), String> {
    match &source.graph.model.graph {
        Some(graph) => check_graph(graph, minor),
        None => Err("the file has no graph".to_owned()),
    }
}

fn check_graph(graph: &GraphProto, minor: u32) -> Result<(), String> {
    let made = graph.node.iter().filter(|node| node.op_type == "Constant").filter_map(|node| {
        let value = node.attribute.iter().find(|attribute| attribute.name == "value")?;
        Some((node.output.first()?.as_str(), value.t.as_ref()?))
    });
    let constants: HashMap<&str, &TensorProto> =
        graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).chain(made).collect();
    for node in &graph.node {
        if let Some(why) = denied(node, minor, &constants) {
            let known = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
            return Err(format!("node `{}` ({}) {why}", known.map_or("?", String::as_str), node.op_type));
        }
        for attribute in &node.attribute {
            attribute.g.iter().chain(&attribute.graphs).try_for_each(|inner| check_graph(inner, minor))?;
        }
    }
    Ok(())
}

/// What it gets wrong, by operator.
fn denied(node: &NodeProto, minor: u32, constants: &HashMap<&str, &TensorProto>) -> Option<&'static str> {
    let text = |name: &str| node.attribute.iter().find(|found| found.name == name).map(|found| &found.s[..]);
    let has = |index: usize| node.input.get(index).is_some_and(|name| !name.is_empty());
    let why = match node.op_type.as_str() {
        "Attention" if minor < ATTENTION_SINCE => {
            "would come out wrong: onnxruntime gets it right from 1.27 on; install a newer one"
        }
        // Its float32 transforms leave 1e-4 where the answer is 0.
        "DFT" | "STFT" => "would come out inexact: onnxruntime's transform leaves noise where there is none",
        // Puts values at the places of the smaller picture.
        "MaxUnpool" if has(2) => "would come out wrong: onnxruntime places values by the wrong size",
        // ONNX takes the scale as it is; onnxruntime takes the whole number of pixels over it.
        "Resize"
            if text("coordinate_transformation_mode") == Some(b"align_corners")
                && matches!(text("mode"), Some(b"linear" | b"cubic"))
                && has(2)
                && !node
                    .input
                    .get(2)
                    .is_some_and(|name| constants.get(name.as_str()).is_some_and(|scales| whole(scales))) =>
        {
            "would come out wrong: with align_corners, onnxruntime rounds a scale that does not give whole pixels"
        }
        // Backwards "to the end", which is nothing, it goes to the beginning.
        "Slice" if has(4) && backwards_to_the_end(node, constants) => {
            "would come out wrong: onnxruntime takes the end of a step backwards for the beginning"
        }
        // Its mask is random.
        "Dropout"
            if has(2)
                && !node
                    .input
                    .get(2)
                    .is_some_and(|name| constants.get(name.as_str()).is_some_and(|flag| no(flag))) =>
        {
            "is there for training: its answer is random"
        }
        _ => return None,
    };
    Some(why)
}

/// Whether all scales give whole numbers of pixels, whatever the size.
fn whole(scales: &TensorProto) -> bool {
    let raw = scales.raw_data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    scales.float_data.iter().copied().chain(raw).all(|scale| scale >= 1.0 && scale.fract() == 0.0)
}

/// Whether a constant is false.
fn no(flag: &TensorProto) -> bool {
    flag.raw_data.iter().all(|value| *value == 0) && flag.int32_data.iter().all(|value| *value == 0)
}

fn backwards_to_the_end(node: &NodeProto, constants: &HashMap<&str, &TensorProto>) -> bool {
    let values = |index: usize| -> Vec<i64> {
        let tensor = node.input.get(index).and_then(|name| constants.get(name.as_str()));
        let raw = |tensor: &TensorProto| -> Vec<i64> {
            let long = tensor.raw_data.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes));
            tensor.int64_data.iter().copied().chain(long).collect()
        };
        tensor.map(|tensor| raw(tensor)).unwrap_or_default()
    };
    values(4).iter().zip(values(2)).any(|(step, end)| *step < 0 && end >= i64::from(i32::MAX))
}
