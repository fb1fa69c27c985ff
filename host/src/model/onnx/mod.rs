//! Reads ONNX files. Owns the only reader of them: what it lets through is bounded, whole and consistent, so
//! that back ends need not ask. Knows nothing of back ends: what of a graph each can run is theirs to say.
//!
//! What a [`Graph`] promises:
//! - every value is made once, before it is used, and every output is made; nodes are in the order to run;
//! - every tensor holds as many values as its shape says; external data are read in;
//! - no weight is NaN, and no weight of a convolution, matrix product or normalisation is infinite;
//! - operators of `ai.onnx` exist in the opset the file states; those of other domains are listed;
//! - no size that it states is beyond any model's;
//! - graphs lie at most 8 deep in one another, and functions do not call themselves;
//! - no name holds characters that steer a terminal.

mod bounds;
mod check;
mod external;
mod facts;
mod guess;
mod operators;
pub(crate) mod proto;
mod sizes;
mod tensors;
mod wire;

#[cfg(test)]
mod tests;

use std::path::Path;

use bytes::Bytes;
use prost::Message;

use crate::base::{Error, deceives};
use crate::model::tensor::Element;

pub(crate) use guess::Named;
#[cfg(test)]
pub(crate) use tensors::tensor_of;
pub(crate) use tensors::{array_of, element_of};

/// An ONNX file, read and checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    /// The file, its external data read in, functions kept, the main graph's nodes in the order to run.
    pub(crate) model: proto::ModelProto,
    /// Of `ai.onnx`; 0 where no node uses that.
    pub(crate) opset: i64,
    /// The graph's inputs that are not initializers.
    pub(crate) inputs: Vec<Declared>,
    /// Its outputs.
    pub(crate) outputs: Vec<Declared>,
    /// Operators of domains other than `ai.onnx` that no function of the file defines.
    pub(crate) foreign: Vec<Foreign>,
    /// Tensors in the file of types that [`Element`] does not have; the first thousand.
    pub(crate) unheld: Vec<Unheld>,
    /// What of its weights lay in other files.
    pub(crate) external: Vec<Bytes>,
}

/// An input or an output, as the graph declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    /// As the graph calls it.
    pub(crate) name: String,
    /// None: not a tensor, or of a type that [`Element`] does not have.
    pub(crate) element: Option<Element>,
    /// None: even the number of axes is open.
    pub(crate) shape: Option<Vec<Size>>,
    /// For people: `float32 batch x 3 x 640 x 640`.
    pub(crate) shown: String,
}

/// The size of an axis, as a graph declares it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Size {
    /// Always this.
    Fixed(usize),
    /// Known only when it runs. The name may be empty; equal names are equal sizes.
    Open(String),
}

/// An operator of another domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// Such as `com.microsoft`.
    pub(crate) domain: String,
    /// Such as `FusedConv`.
    pub(crate) operator: String,
    /// The first node that asks for it, for people.
    pub(crate) node: String,
    /// How many do.
    pub(crate) count: usize,
}

/// A tensor that no [`Array`](crate::model::tensor::Array) can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unheld {
    /// Where it is, for people.
    pub(crate) place: String,
    /// Its type as a word: `float8e4m3fn`.
    pub(crate) element: &'static str,
}

impl Graph {
    /// Reads a file whose external data, if any, lie in `folder`. Errors name the node, operator or tensor,
    /// and never the file.
    ///
    /// What is refused for its form costs at most some 100 MiB beside `bytes`, whatever `bytes` holds;
    /// weights stay where they are in it.
    pub(crate) fn read(bytes: Bytes, folder: &Path) -> Result<Graph, Error> {
        wire::look(&bytes)?;
        let mut model = proto::ModelProto::decode(bytes).map_err(|error| {
            Error::model(format!("it is not a whole ONNX file: {}", escaped(&error.to_string(), 300)))
        })?;
        let found = check::structure(&mut model)?;
        let unheld = tensors::measure_all(&model)?;
        let external = external::read_in(&mut model, folder)?;
        check::weights(&model)?;
        if let Some(graph) = &model.graph {
            bounds::sizes(graph)?;
        }
        Ok(Graph {
            model,
            opset: found.opset,
            inputs: found.inputs,
            outputs: found.outputs,
            foreign: found.foreign,
            unheld,
            external,
        })
    }

    /// The first node whose output is larger or smaller for another picture, for people; none: all sizes are the
    /// same for every picture, and what one run needs all need.
    pub(crate) fn sizes_from_values(&self) -> Option<String> {
        sizes::from_values(self.main())
    }

    /// The main graph.
    pub(crate) fn main(&self) -> &proto::GraphProto {
        static NONE: std::sync::LazyLock<proto::GraphProto> = std::sync::LazyLock::new(Default::default);
        self.model.graph.as_ref().unwrap_or(&NONE)
    }
}

/// Longest name that is shown whole.
const SHOWN: usize = 80;

/// A name in backticks, fit for a terminal: shortened, and what steers one escaped.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", escaped(name, SHOWN))
}

/// Text fit for a terminal, at most `most` characters of it.
pub(super) fn escaped(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == most {
            shown.push('…');
            break;
        }
        if deceives(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A node for people: `node `conv1` (Conv)`, or its place where it has no name.
pub(crate) fn node_shown(at: usize, node: &proto::NodeProto) -> String {
    if node.name.is_empty() {
        format!("node {at} ({})", escaped(&node.op_type, SHOWN))
    } else {
        format!("node {} ({})", quoted(&node.name), escaped(&node.op_type, SHOWN))
    }
}
