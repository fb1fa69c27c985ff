//! Whether the sizes of a graph's tensors are the same for every picture. Where they are, what one run needs all
//! need; where a size comes out of the pixels, another picture may ask for any amount of memory.

use std::collections::HashSet;

use super::node_shown;
use super::proto::{GraphProto, NodeProto};

/// The first node whose output is larger or smaller for another picture; none: no size depends on the values of the
/// graph's inputs. Where it is in doubt, it is one.
pub(super) fn from_values(graph: &GraphProto) -> Option<String> {
    // Names of what depends on the values of the inputs.
    let mut varies: HashSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    for tensor in &graph.initializer {
        varies.remove(tensor.name.as_str());
    }
    for (at, node) in graph.node.iter().enumerate() {
        let given = |index: usize| node.input.get(index).is_some_and(|name| varies.contains(name.as_str()));
        let any = (0..node.input.len()).any(given);
        let (size_varies, values_vary) = match deciding(node) {
            // Sizes as values; no size before this node varies.
            Deciding::Sizes => (false, false),
            Deciding::Nothing => (false, any),
            Deciding::Inputs(indices) => (indices.iter().any(|index| given(*index)), any),
            Deciding::All => {
                // A graph within sees all values around it.
                let inner = node
                    .attribute
                    .iter()
                    .any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty());
                (any || inner, any || inner)
            }
        };
        if size_varies {
            return Some(node_shown(at, node));
        }
        if values_vary {
            varies.extend(node.output.iter().map(String::as_str));
        }
    }
    None
}

/// Whose values decide how large a node's outputs are.
enum Deciding {
    /// Nobody's: sizes follow from sizes.
    Nothing,
    /// Those of these inputs.
    Inputs(&'static [usize]),
    /// Nobody's, and its own values are sizes.
    Sizes,
    /// Those of any input.
    All,
}

fn deciding(node: &NodeProto) -> Deciding {
    if !matches!(node.domain.as_str(), "" | "ai.onnx") {
        return Deciding::All;
    }
    let operator = node.op_type.as_str();
    match operator {
        "Shape" | "Size" => Deciding::Sizes,
        "ConstantOfShape" => Deciding::Inputs(&[0]),
        "Expand" | "Pad" | "ReduceL1" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMax"
        | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum" | "ReduceSumSquare" | "Reshape"
        | "Split" | "Squeeze" | "Tile" | "TopK" | "Unsqueeze" | "Upsample" => Deciding::Inputs(&[1]),
        "OneHot" => Deciding::Inputs(&[1]),
        "Range" => Deciding::Inputs(&[0, 1, 2]),
        "Resize" => Deciding::Inputs(&[1, 2, 3]),
        "Slice" => Deciding::Inputs(&[1, 2, 3, 4]),
        _ if PLAIN.binary_search(&operator).is_ok() => Deciding::Nothing,
        _ => Deciding::All,
    }
}

/// Operators whose outputs are as large as the sizes of their inputs and their attributes say. Sorted.
const PLAIN: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Attention",
    "AveragePool",
    "BatchNormalization",
    "BitShift",
    "BitwiseAnd",
    "BitwiseNot",
    "BitwiseOr",
    "BitwiseXor",
    "Cast",
    "CastLike",
    "Ceil",
    "Celu",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "Cos",
    "Cosh",
    "CumProd",
    "CumSum",
    "DeformConv",
    "DepthToSpace",
    "DequantizeLinear",
    "Det",
    "Div",
    "Dropout",
    "DynamicQuantizeLinear",
    "Einsum",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "EyeLike",
    "Flatten",
    "Floor",
    "GRU",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GridSample",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Hardmax",
    "Identity",
    "InstanceNormalization",
    "IsInf",
    "IsNaN",
    "LRN",
    "LSTM",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "LpPool",
    "MatMul",
    "MatMulInteger",
    "Max",
    "MaxPool",
    "MaxRoiPool",
    "Mean",
    "MeanVarianceNormalization",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "PRelu",
    "Pow",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
    "RMSNormalization",
    "RNN",
    "Reciprocal",
    "Relu",
    "ReverseSequence",
    "RoiAlign",
    "RotaryEmbedding",
    "Round",
    "ScatterElements",
    "ScatterND",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Sqrt",
    "Sub",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Transpose",
    "Trilu",
    "Where",
    "Xor",
];

#[cfg(test)]
mod tests {
    use super::super::proto::{TensorProto, ValueInfoProto};
    use super::*;

    /// What is found in a graph of an input `x`, a constant `c` and nodes as `operator in in > out`.
    fn found(nodes: &[&str]) -> Option<String> {
        let node = |text: &&str| {
            let (left, output) = text.split_once(" > ").expect("a node has an output");
            let mut words = left.split(' ').map(str::to_owned);
            NodeProto {
                op_type: words.next().expect("a node has an operator"),
                input: words.collect(),
                output: vec![output.to_owned()],
                ..NodeProto::default()
            }
        };
        from_values(&GraphProto {
            node: nodes.iter().map(node).collect(),
            input: vec![ValueInfoProto { name: "x".to_owned(), ..ValueInfoProto::default() }],
            initializer: vec![TensorProto { name: "c".to_owned(), ..TensorProto::default() }],
            ..GraphProto::default()
        })
    }

    #[test]
    fn sizes_made_of_sizes_are_the_same_for_every_picture() {
        for nodes in [
            &["Conv x c > a", "Relu a > y"][..],
            &["Shape x > s", "Gather s c > n", "Expand x n > y"],
            &["Resize x  c > y"],
            &["Softmax x > p", "TopK p c > y"],
            &["Shape x > s", "ConstantOfShape s > z", "Add x z > y"],
        ] {
            assert_eq!(found(nodes), None, "{nodes:?}");
        }
    }

    #[test]
    fn a_size_that_comes_out_of_the_pixels_is_found() {
        for (nodes, node) in [
            (&["NonZero x > y"][..], "node 0 (NonZero)"),
            (&["NonMaxSuppression x c > y"], "node 0 (NonMaxSuppression)"),
            (&["ReduceMax x > m", "Cast m > n", "Expand c n > y"], "node 2 (Expand)"),
            (&["ArgMax x > n", "Range c n c > y"], "node 1 (Range)"),
            (&["Loop c c x > y"], "node 0 (Loop)"),
            (&["SomethingNew x > y"], "node 0 (SomethingNew)"),
        ] {
            assert_eq!(found(nodes).as_deref(), Some(node), "{nodes:?}");
        }
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(PLAIN.is_sorted());
    }
}
