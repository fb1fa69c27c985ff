//! Sizes that a file states and that a graph would run into: a kilobyte can ask for a tensor of terabytes. What a
//! graph computes as it runs cannot be seen here; `model::apart` sees to it.

use std::collections::HashMap;

use super::node_shown;
use super::proto::{GraphProto, NodeProto, TensorProto};
use super::tensors::array_of;
use crate::base::Error;
use crate::model::tensor::Values;

/// Most values of a tensor whose shape a constant states: a batch of 16 pictures of 4K, in floats 1.5 GB.
const MOST_VALUES: f64 = (1_u64 << 28) as f64;
/// Most values of an input.
pub(super) const MOST_INPUT: usize = 1 << 28;
/// Most rows or columns an attribute or constant may pad, stride, or cover with a kernel.
const MOST_STEPS: i64 = 4096;
/// Most times a tensor grows by one node.
const MOST_GROWTH: f64 = 4096.0;
/// Most rounds of a loop.
const MOST_ROUNDS: f64 = 1e6;
/// Constants longer than this are weights, not sizes.
const LONGEST: usize = 64;

/// Refuses what no vision model asks for.
pub(super) fn sizes(graph: &GraphProto) -> Result<(), Error> {
    of_graph(graph, &HashMap::new())
}

/// Numbers of small constants by their names.
type Known = HashMap<String, Vec<f64>>;

fn of_graph(graph: &GraphProto, around: &Known) -> Result<(), Error> {
    let mut known = around.clone();
    for tensor in &graph.initializer {
        if let Some(numbers) = numbers(tensor) {
            known.insert(tensor.name.clone(), numbers);
        }
    }
    for (at, node) in graph.node.iter().enumerate() {
        let wrong = |why: String| Error::model(format!("{} {why}", node_shown(at, node)));
        attributes(node).map_err(wrong)?;
        inputs(node, &known).map_err(wrong)?;
        for attribute in &node.attribute {
            if let (Some(tensor), Some(name)) = (&attribute.t, node.output.first())
                && let Some(numbers) = numbers(tensor)
            {
                known.insert(name.clone(), numbers);
            }
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                of_graph(inner, &known)?;
            }
        }
    }
    Ok(())
}

fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    let count =
        tensor.dims.iter().try_fold(1_usize, |all, axis| all.checked_mul(usize::try_from(*axis).ok()?))?;
    if count > LONGEST {
        return None;
    }
    match array_of(tensor).ok()?.values {
        Values::F32(values) => Some(values.into_iter().map(f64::from).collect()),
        Values::I32(values) => Some(values.into_iter().map(f64::from).collect()),
        Values::I64(values) => Some(values.into_iter().map(|value| value as f64).collect()),
        _ => None,
    }
}

fn attributes(node: &NodeProto) -> Result<(), String> {
    let steps = ["pads", "strides", "dilations", "kernel_shape", "output_padding"];
    for attribute in node.attribute.iter().filter(|attribute| steps.contains(&attribute.name.as_str())) {
        if let Some(most) = attribute.ints.iter().find(|step| step.unsigned_abs() > MOST_STEPS.unsigned_abs())
        {
            return Err(format!("has {most} among its `{}`; {MOST_STEPS} is the most", attribute.name));
        }
    }
    Ok(())
}

fn inputs(node: &NodeProto, known: &Known) -> Result<(), String> {
    let given = |at: usize| node.input.get(at).and_then(|name| known.get(name));
    let whole = |numbers: &[f64]| numbers.iter().filter(|size| **size > 0.0).product::<f64>();
    let values = |numbers: Option<&Vec<f64>>| match numbers.map(|numbers| whole(numbers)) {
        Some(count) if count > MOST_VALUES => {
            Err(format!("makes a tensor of {count:e} values; that is more than memory has"))
        }
        _ => Ok(()),
    };
    match node.op_type.as_str() {
        "ConstantOfShape" => values(given(0)),
        "Expand" | "Reshape" => values(given(1)),
        "Tile" => grows(given(1)),
        "Pad" => match given(1).and_then(|pads| pads.iter().find(|pad| pad.abs() > MOST_STEPS as f64)) {
            Some(pad) => Err(format!("pads by {pad}; {MOST_STEPS} is the most")),
            None => Ok(()),
        },
        "Upsample" => grows(given(1)),
        "Resize" => grows(given(1).filter(|_| node.input.len() == 2))
            .and_then(|()| grows(given(2)))
            .and_then(|()| values(given(3))),
        "Range" => match (given(0), given(1), given(2)) {
            (Some(from), Some(to), Some(step)) => {
                let count = (to.first().unwrap_or(&0.0) - from.first().unwrap_or(&0.0))
                    / step.first().unwrap_or(&1.0);
                values(Some(&vec![count]))
            }
            _ => Ok(()),
        },
        "OneHot" => values(given(1)),
        "Loop" => match given(0).and_then(|rounds| rounds.first()) {
            Some(rounds) if *rounds > MOST_ROUNDS => {
                Err(format!("goes round {rounds:e} times; {MOST_ROUNDS:e} is the most"))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn grows(by: Option<&Vec<f64>>) -> Result<(), String> {
    match by.map(|by| by.iter().map(|by| by.abs()).product::<f64>()) {
        Some(growth) if growth > MOST_GROWTH => {
            Err(format!("makes a tensor {growth:e} times as large; {MOST_GROWTH} is the most"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tensors::tensor_of;
    use super::*;
    use crate::model::onnx::proto::{AttributeProto, AttributeType};
    use crate::model::tensor::Array;

    fn whole(name: &str, numbers: &[i64]) -> TensorProto {
        tensor_of(name, &Array { shape: vec![numbers.len()], values: Values::I64(numbers.to_vec()) })
    }

    fn floats(name: &str, numbers: &[f32]) -> TensorProto {
        tensor_of(name, &Array { shape: vec![numbers.len()], values: Values::F32(numbers.to_vec()) })
    }

    fn said(operator: &str, inputs: &[&str], constants: Vec<TensorProto>, pads: &[i64]) -> String {
        let mut node = NodeProto {
            op_type: operator.to_owned(),
            name: "n".to_owned(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec!["y".to_owned()],
            ..NodeProto::default()
        };
        if !pads.is_empty() {
            node.attribute.push(AttributeProto {
                name: "pads".to_owned(),
                r#type: AttributeType::Ints as i32,
                ints: pads.to_vec(),
                ..AttributeProto::default()
            });
        }
        let graph = GraphProto { node: vec![node], initializer: constants, ..GraphProto::default() };
        sizes(&graph).err().map(|error| error.message().to_owned()).unwrap_or_default()
    }

    #[test]
    fn what_asks_for_terabytes_is_refused_by_node() {
        let refused = [
            said("ConstantOfShape", &["s"], vec![whole("s", &[1 << 15, 1 << 15])], &[]),
            said("Expand", &["x", "s"], vec![whole("s", &[1 << 31])], &[]),
            said("Tile", &["x", "s"], vec![whole("s", &[1, 1, 1000, 1000])], &[]),
            said("Pad", &["x", "s"], vec![whole("s", &[0, 0, 20_000, 0])], &[]),
            said("Resize", &["x", "", "s"], vec![floats("s", &[1.0, 1.0, 1000.0, 1000.0])], &[]),
            said(
                "Range",
                &["a", "b", "c"],
                vec![floats("a", &[0.0]), floats("b", &[1e12]), floats("c", &[1.0])],
                &[],
            ),
            said("MaxPool", &["x"], vec![], &[0, 0, 1 << 40, 0]),
            said("Loop", &["s", "go"], vec![whole("s", &[i64::MAX])], &[]),
        ];
        for said in refused {
            assert!(said.starts_with("node `n` ("), "{said:?}");
        }
    }

    #[test]
    fn what_models_ask_for_passes() {
        for said in [
            said("ConstantOfShape", &["s"], vec![whole("s", &[1, 3, 2160, 3840])], &[]),
            said("Resize", &["x", "", "s"], vec![floats("s", &[1.0, 1.0, 32.0, 32.0])], &[]),
            said("Pad", &["x", "s"], vec![whole("s", &[0, 0, 64, 64])], &[]),
            said("MaxPool", &["x"], vec![], &[1, 1, 1, 1]),
            said("Loop", &["s", "go"], vec![whole("s", &[100])], &[]),
        ] {
            assert_eq!(said, "");
        }
    }
}
