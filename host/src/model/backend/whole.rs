//! A file with its external data inside: what was checked is what a back end is given.

use bytes::Bytes;
use prost::Message as _;

use super::super::onnx::proto::{GraphProto, ModelProto, TensorProto};
use super::Source;

/// Whether the file, as it lies on disk, keeps values in other files. The graph as read no longer shows it.
pub(super) fn is_spread(source: &Source<'_>) -> bool {
    // Values that lie in the file are shared by this, not copied.
    match ModelProto::decode(source.bytes.clone()) {
        Ok(model) => model.graph.as_ref().is_some_and(spread),
        Err(_) => true,
    }
}

/// The file's bytes, or those of the graph as read where its values lie in other files too.
pub(super) fn whole(source: &Source<'_>) -> Bytes {
    if is_spread(source) { Bytes::from(source.graph.model.encode_to_vec()) } else { source.bytes.clone() }
}

fn spread(graph: &GraphProto) -> bool {
    let outside = |tensor: &TensorProto| tensor.data_location == 1 || !tensor.external_data.is_empty();
    graph.initializer.iter().any(outside)
        || graph.node.iter().flat_map(|node| &node.attribute).any(|attribute| {
            attribute.t.iter().chain(&attribute.tensors).any(outside)
                || attribute.g.iter().chain(&attribute.graphs).any(spread)
        })
}
