//! A first look at a file's bytes, before anything is made of them.
//!
//! Protocol buffers multiply: two bytes can say "an empty attribute", which takes a thousand bytes once
//! decoded, and eight bytes can open a graph within a graph. So the messages are walked in place first, and
//! what decoding them would take is added up. Weights in `raw_data` cost nothing here: decoding leaves them
//! where they are.

use crate::base::Error;

use super::proto;
use super::quoted;

/// What decoding may take besides weights. A node with an attribute takes about 5 KiB while it is decoded, so
/// this is a graph of some 16,000 nodes; the largest vision graphs in use have about half as many.
const LARGEST: u64 = 80 << 20;

/// What weights written one number at a time (`float_data`, `int32_data` …) may take.
const LARGEST_LISTS: u64 = 512 << 20;

/// Nodes in all graphs and functions together, and functions. Large vision graphs have some thousand nodes,
/// and PyTorch's exporter some hundred functions.
const MOST_NODES: usize = 50_000;
const MOST_FUNCTIONS: usize = 10_000;

/// How deep graphs may lie within graphs. Exporters nest two or three (a condition in a loop in a loop).
const DEEPEST: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Opset,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Entry,
    Value,
    Type,
    TensorType,
    Shape,
    Dimension,
    Function,
}

impl Kind {
    fn shown(self) -> &'static str {
        match self {
            Kind::Model => "the model",
            Kind::Opset => "an opset",
            Kind::Graph => "a graph",
            Kind::Node => "a node",
            Kind::Attribute => "an attribute",
            Kind::Tensor | Kind::Sparse => "a tensor",
            Kind::Entry => "an entry",
            Kind::Value => "a value",
            Kind::Type | Kind::TensorType => "a type",
            Kind::Shape => "a shape",
            Kind::Dimension => "an axis",
            Kind::Function => "a function",
        }
    }

    fn size(self) -> u64 {
        let size = match self {
            Kind::Model => size_of::<proto::ModelProto>(),
            Kind::Opset => size_of::<proto::OperatorSetIdProto>(),
            Kind::Graph => size_of::<proto::GraphProto>(),
            Kind::Node => size_of::<proto::NodeProto>(),
            Kind::Attribute => size_of::<proto::AttributeProto>(),
            Kind::Tensor => size_of::<proto::TensorProto>(),
            Kind::Sparse => size_of::<proto::SparseTensorProto>(),
            Kind::Entry => size_of::<proto::StringStringEntryProto>(),
            Kind::Value => size_of::<proto::ValueInfoProto>(),
            Kind::Type | Kind::TensorType => size_of::<proto::TypeProto>(),
            Kind::Shape => size_of::<proto::TensorShapeProto>(),
            Kind::Dimension => size_of::<proto::Dimension>(),
            Kind::Function => size_of::<proto::FunctionProto>(),
        };
        size as u64
    }
}

/// What a field holds.
#[derive(Clone, Copy)]
enum What {
    /// Not decoded, or part of the message itself.
    Nothing,
    One(Kind),
    Many(Kind),
    Text,
    Texts,
    /// Byte strings, left where they are: only their handles count.
    Handles,
    /// Numbers of variable length, each so many bytes once decoded.
    Varints(u64),
    /// Numbers of fixed length.
    Fixed(u64),
}

/// Tags as in `proto.rs`.
fn what(kind: Kind, tag: u32) -> What {
    use What::{Fixed, Handles, Many, Nothing, One, Text, Texts, Varints};
    match (kind, tag) {
        (Kind::Model, 7) => One(Kind::Graph),
        (Kind::Model, 8) => Many(Kind::Opset),
        (Kind::Model, 14) => Many(Kind::Entry),
        (Kind::Model, 25) => Many(Kind::Function),
        (Kind::Graph, 1) => Many(Kind::Node),
        (Kind::Graph, 5) => Many(Kind::Tensor),
        (Kind::Graph, 11..=13) => Many(Kind::Value),
        (Kind::Graph, 15) => Many(Kind::Sparse),
        (Kind::Node, 1 | 2) => Texts,
        (Kind::Node, 5) => Many(Kind::Attribute),
        (Kind::Attribute, 5) => One(Kind::Tensor),
        (Kind::Attribute, 6) => One(Kind::Graph),
        (Kind::Attribute, 7) => Fixed(4),
        (Kind::Attribute, 8) => Varints(8),
        (Kind::Attribute, 9) | (Kind::Tensor, 6) => Handles,
        (Kind::Attribute, 10) => Many(Kind::Tensor),
        (Kind::Attribute, 11) => Many(Kind::Graph),
        (Kind::Attribute, 14) => One(Kind::Type),
        (Kind::Attribute, 22) => One(Kind::Sparse),
        (Kind::Tensor, 1) | (Kind::Sparse, 3) => Varints(8),
        (Kind::Tensor, 4) => Fixed(4),
        (Kind::Tensor, 5) => Varints(4),
        (Kind::Tensor, 7 | 11) => Varints(8),
        (Kind::Tensor, 10) => Fixed(8),
        (Kind::Tensor, 13) => Many(Kind::Entry),
        (Kind::Sparse, 1 | 2) => One(Kind::Tensor),
        (Kind::Value, 2) => One(Kind::Type),
        (Kind::Type, 1) => One(Kind::TensorType),
        (Kind::TensorType, 2) => One(Kind::Shape),
        (Kind::Shape, 1) => Many(Kind::Dimension),
        (Kind::Function, 4..=6) => Texts,
        (Kind::Function, 7) => Many(Kind::Node),
        (Kind::Function, 9) => Many(Kind::Opset),
        (Kind::Function, 11) => Many(Kind::Attribute),
        (Kind::Model, 2 | 3)
        | (Kind::Opset, 1)
        | (Kind::Graph, 2)
        | (Kind::Node, 3 | 4 | 7 | 8)
        | (Kind::Attribute, 1 | 21)
        | (Kind::Tensor, 8)
        | (Kind::Entry, 1 | 2)
        | (Kind::Value, 1)
        | (Kind::Dimension, 2)
        | (Kind::Function, 1 | 10 | 13) => Text,
        _ => Nothing,
    }
}

/// Walks a whole file and refuses what would take too much to decode, or cannot be decoded at all.
pub(super) fn look(bytes: &[u8]) -> Result<(), Error> {
    if let Some(else_) = something_else(bytes) {
        return Err(Error::model(else_));
    }
    let mut look = Look { held: 0, lists: 0, nodes: 0, functions: 0 };
    look.message(bytes, 0, Kind::Model, 0)
}

/// What a file that is no ONNX at all probably is.
fn something_else(bytes: &[u8]) -> Option<String> {
    let text = |what: &[u8]| bytes.len() >= what.len() && bytes[..what.len()].eq_ignore_ascii_case(what);
    let is = if bytes.is_empty() {
        "it is empty"
    } else if text(b"version https://git-lfs") {
        "it is a Git LFS pointer, not the file it points to; fetch that with `git lfs pull`"
    } else if text(b"<!doctype") || text(b"<html") || text(b"<?xml") {
        "it is a web page or XML, not an ONNX file; a download went wrong"
    } else if text(b"PK\x03\x04") {
        "it is a zip archive (PyTorch's checkpoints are), not an ONNX file; export the model to ONNX"
    } else if bytes.get(4..8) == Some(b"TFL3") {
        "it is a TensorFlow Lite file, not an ONNX file; convert it with tf2onnx"
    } else if bytes.get(4..8) == Some(b"ORTM") {
        "it is in onnxruntime's own format, not an ONNX file; the ONNX file it was made from is wanted"
    } else {
        return None;
    };
    Some(is.to_owned())
}

struct Look {
    /// Bytes that decoding takes, lists of weights left out.
    held: u64,
    /// Bytes that lists of weights take.
    lists: u64,
    nodes: usize,
    functions: usize,
}

/// The largest tag of a list, and one more.
const TAGS: usize = 26;

impl Look {
    fn message(&mut self, bytes: &[u8], start: usize, kind: Kind, depth: usize) -> Result<(), Error> {
        let mut rest = Rest { bytes, at: 0, start, kind };
        let mut counts = [0u64; TAGS];
        let mut tensor = Tensor::default();
        self.nodes += usize::from(kind == Kind::Node);
        self.functions += usize::from(kind == Kind::Function);
        if self.nodes > MOST_NODES || self.functions > MOST_FUNCTIONS {
            let (most, what) =
                if kind == Kind::Node { (MOST_NODES, "nodes") } else { (MOST_FUNCTIONS, "functions") };
            return Err(Error::model(format!(
                "it has more than {most} {what}; this is no graph of a vision model"
            )));
        }
        while rest.at < bytes.len() {
            let (tag, wire) = rest.key()?;
            let what = what(kind, tag);
            match (wire, what) {
                (0, What::Varints(_)) => {
                    let value = rest.varint()?;
                    count(&mut counts, tag, 1);
                    if (kind, tag) == (Kind::Tensor, 1) {
                        tensor.axis(value);
                    }
                }
                (0, _) => {
                    rest.varint()?;
                }
                (1, what) => {
                    rest.take(8)?;
                    if matches!(what, What::Fixed(8)) {
                        count(&mut counts, tag, 1);
                    }
                }
                (5, what) => {
                    rest.take(4)?;
                    if matches!(what, What::Fixed(4)) {
                        count(&mut counts, tag, 1);
                    }
                }
                (2, what) => {
                    let length = rest.varint()?;
                    let at = start + rest.at;
                    let inner = rest.take(length)?;
                    match what {
                        What::One(inner_kind) | What::Many(inner_kind) => {
                            let deeper = depth + usize::from(inner_kind == Kind::Graph);
                            // The main graph is the first; functions hold nodes, not a graph.
                            if deeper > DEEPEST + 1 {
                                return Err(Error::model(format!(
                                    "graphs lie within graphs more than {DEEPEST} deep (at byte {at})"
                                )));
                            }
                            if matches!(what, What::Many(_)) {
                                count(&mut counts, tag, 1);
                            }
                            self.message(inner, at, inner_kind, deeper)?;
                        }
                        What::Text | What::Texts => {
                            self.hold(length + 32)?;
                            if matches!(what, What::Texts) {
                                count(&mut counts, tag, 1);
                            }
                            if (kind, tag) == (Kind::Tensor, 8) {
                                tensor.name = inner;
                            }
                        }
                        What::Handles => count(&mut counts, tag, 1),
                        What::Varints(_) => {
                            let values = inner.iter().filter(|byte| **byte < 0x80).count();
                            count(&mut counts, tag, values as u64);
                            if (kind, tag) == (Kind::Tensor, 1) {
                                tensor.axes(inner, at)?;
                            }
                        }
                        What::Fixed(size) => count(&mut counts, tag, length / size),
                        What::Nothing => {}
                    }
                }
                _ => {
                    return Err(rest.wrong("holds a field of a kind that ONNX does not use"));
                }
            }
            if (kind, tag) == (Kind::Model, 20) {
                return Err(Error::model(
                    "it holds training info, which is for training, not for inference; export it for inference",
                ));
            }
            if (kind, tag) == (Kind::Tensor, 3) {
                return Err(Error::model(format!(
                    "tensor {} is stored in segments, which nothing writes or reads any more",
                    quoted(&String::from_utf8_lossy(tensor.name))
                )));
            }
        }
        for (tag, &many) in (0..).zip(&counts) {
            if many > 0 {
                self.list(kind, tag, many, &tensor)?;
            }
        }
        Ok(())
    }

    /// Counts a list of `many`, as a vector that grows by doubling holds it.
    fn list(&mut self, kind: Kind, tag: u32, many: u64, tensor: &Tensor<'_>) -> Result<(), Error> {
        let capacity = many.checked_next_power_of_two().unwrap_or(many).max(4);
        match what(kind, tag) {
            What::Many(inner) => self.hold(capacity * inner.size()),
            What::Texts => self.hold(capacity * size_of::<String>() as u64),
            What::Handles => self.hold(capacity * size_of::<bytes::Bytes>() as u64),
            What::Varints(size) | What::Fixed(size) => {
                let taken = capacity * size;
                if kind != Kind::Tensor || tag == 1 {
                    return self.hold(taken);
                }
                // Refused here too, where it costs nothing yet: a hundred million numbers of one byte each
                // for a tensor of one.
                if taken > 1 << 20 && tensor.values != Some(many) {
                    return Err(Error::model(format!(
                        "tensor {} holds {many} values, which is not what its shape says",
                        quoted(&String::from_utf8_lossy(tensor.name))
                    )));
                }
                self.lists += taken;
                if self.lists > LARGEST_LISTS {
                    return Err(Error::model(format!(
                        "weights written one number at a time would take more than {} MiB; export it with \
                         weights in `raw_data` or in external data",
                        LARGEST_LISTS >> 20
                    )));
                }
                Ok(())
            }
            What::Nothing | What::One(_) | What::Text => Ok(()),
        }
    }

    fn hold(&mut self, bytes: u64) -> Result<(), Error> {
        self.held = self.held.saturating_add(bytes);
        if self.held > LARGEST {
            return Err(Error::model(format!(
                "its nodes, attributes and names would take more than {} MiB in memory; this is no graph of a \
                 vision model",
                LARGEST >> 20
            )));
        }
        Ok(())
    }
}

fn count(counts: &mut [u64; TAGS], tag: u32, many: u64) {
    if let Some(count) = counts.get_mut(tag as usize) {
        *count = count.saturating_add(many);
    }
}

/// What of a tensor tells how many values it should hold.
struct Tensor<'a> {
    name: &'a [u8],
    /// None: no number of values there can be.
    values: Option<u64>,
}

impl Default for Tensor<'_> {
    fn default() -> Self {
        Tensor { name: &[], values: Some(1) }
    }
}

impl Tensor<'_> {
    fn axis(&mut self, size: u64) {
        self.values = self.values.and_then(|values| values.checked_mul(size));
    }

    fn axes(&mut self, packed: &[u8], start: usize) -> Result<(), Error> {
        let mut rest = Rest { bytes: packed, at: 0, start, kind: Kind::Tensor };
        while rest.at < packed.len() {
            let size = rest.varint()?;
            self.axis(size);
        }
        Ok(())
    }
}

/// What is left of a message.
struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the message lies in the file.
    start: usize,
    kind: Kind,
}

impl<'a> Rest<'a> {
    fn wrong(&self, what: &str) -> Error {
        let at = self.start + self.at;
        if self.kind == Kind::Model {
            return Error::model(format!("it is not a whole ONNX file: it {what} (at byte {at})"));
        }
        Error::model(format!("it is not a whole ONNX file: {} {what} (at byte {at})", self.kind.shown()))
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0u64;
        for place in 0..10 {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.wrong("ends in the middle of a number"));
            };
            self.at += 1;
            if place == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.wrong("holds a number of more than 64 bits"))
    }

    fn key(&mut self) -> Result<(u32, u32), Error> {
        let key = self.varint()?;
        let Ok(key) = u32::try_from(key) else {
            return Err(self.wrong("holds a field that no message has"));
        };
        if key >> 3 == 0 {
            return Err(self.wrong("holds a field numbered 0"));
        }
        Ok((key >> 3, key & 7))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let left = self.bytes.len() - self.at;
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= left) else {
            return Err(self.wrong(&format!("holds a field of {length} bytes where {left} are left")));
        };
        let taken = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(taken)
    }
}
