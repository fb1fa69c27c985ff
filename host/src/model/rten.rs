//! The back end: rten, a CPU inference engine in Rust.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rten::{
    DataType, Dimension, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView, ValueType,
    ValueView,
};
use rten_tensor::{AsView as _, Layout as _};

use super::description::Element;
use super::prepare::Values;
use crate::base::{Error, Result};
use crate::frame::Tensor;

/// A graph ready to run. It has one input, an output or more, and shapes that agreed with `model.toml`.
pub(super) struct Session {
    graph: rten::Model,
    input: NodeId,
    axes: [usize; 4],
    outputs: Vec<(NodeId, String)>,
}

/// What `model.toml` says of the graph.
pub(super) struct Wanted<'a> {
    pub(super) input: Option<&'a str>,
    pub(super) axes: [usize; 4],
    pub(super) element: Element,
    pub(super) output: Option<&'a str>,
}

impl Session {
    /// Loads an ONNX file from its bytes. Errors do not name the file: the caller does.
    pub(super) fn load(onnx: Vec<u8>, wanted: &Wanted<'_>) -> Result<Self> {
        // Hostile files reach rten's parser and its constant folding; what panics there is an error here.
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            ModelOptions::with_all_ops().prepack_weights(true).load(onnx).map_err(|error| explain(&error))
        }));
        let graph = match loaded {
            Ok(graph) => graph?,
            Err(panic) => return Err(Error::model(format!("loading it failed: {}", said(&*panic)))),
        };
        let input = find_input(&graph, wanted)?;
        let outputs = find_outputs(&graph, wanted.output)?;
        Ok(Session { graph, input, axes: wanted.axes, outputs })
    }

    /// Runs the graph in a lane; the outputs come in the graph's order.
    pub(super) fn run(&self, values: &Values, lane: &Arc<ThreadPool>) -> Result<Vec<Tensor>, String> {
        catch_unwind(AssertUnwindSafe(|| self.run_unguarded(values, lane)))
            .unwrap_or_else(|panic| Err(format!("inference failed: {}", said(&*panic))))
    }

    fn run_unguarded(&self, values: &Values, lane: &Arc<ThreadPool>) -> Result<Vec<Tensor>, String> {
        let view = match values {
            Values::Float(values) => {
                ValueView::from_shape(self.axes, values).map_err(|error| error.to_string())
            }
            Values::Bytes(values) => {
                ValueView::from_shape(self.axes, values).map_err(|error| error.to_string())
            }
        }?;
        let ids: Vec<NodeId> = self.outputs.iter().map(|(id, _)| *id).collect();
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(lane)));
        let given = vec![(self.input, ValueOrView::View(view))];
        let values = self.graph.run(given, &ids, Some(options)).map_err(|error| error.to_string())?;
        self.outputs.iter().zip(values).map(|((_, name), value)| tensor(name, value)).collect()
    }
}

fn tensor(name: &str, value: Value) -> Result<Tensor, String> {
    let (shape, data) = match value {
        Value::FloatTensor(values) => (values.shape().to_vec(), values.into_data()),
        Value::Int32Tensor(values) => {
            (values.shape().to_vec(), values.iter().map(|value| *value as f32).collect())
        }
        Value::Int8Tensor(values) => {
            (values.shape().to_vec(), values.iter().map(|value| f32::from(*value)).collect())
        }
        Value::UInt8Tensor(values) => {
            (values.shape().to_vec(), values.iter().map(|value| f32::from(*value)).collect())
        }
        _ => return Err(format!("output `{name}` is not a tensor of numbers")),
    };
    Ok(Tensor { name: name.to_owned(), shape, data })
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason was given")
}

fn explain(error: &rten::LoadError) -> Error {
    use rten::LoadErrorKind as Kind;
    Error::model(match error.kind() {
        Kind::UnknownFileType | Kind::FormatNotEnabled => "it is not an ONNX file".to_owned(),
        Kind::ParseError => format!("it is not a whole ONNX file: {error}"),
        Kind::OperatorInvalid => format!("the graph cannot be run: {error}"),
        Kind::ExternalDataError => format!("its weights lie in another file; save them inside it: {error}"),
        _ => format!("the graph is wrong, or the file is not whole: {error}"),
    })
}

fn names(graph: &rten::Model, ids: &[NodeId]) -> Vec<String> {
    ids.iter().map(|id| graph.node_info(*id).and_then(|node| node.name()).unwrap_or("").to_owned()).collect()
}

fn find_input(graph: &rten::Model, wanted: &Wanted<'_>) -> Result<NodeId> {
    let names = names(graph, graph.input_ids());
    let listed = names.join("`, `");
    let index = match (wanted.input, names.len()) {
        (_, 0) => return Err(Error::model("the graph has no input")),
        (Some(name), _) => names.iter().position(|known| known == name).ok_or_else(|| {
            Error::model(format!(
                "the graph has no input `{name}`, which model.toml names; it has `{listed}`"
            ))
        })?,
        (None, _) => 0,
    };
    if names.len() > 1 {
        return Err(Error::model(format!(
            "the graph has {} inputs, `{listed}`; a model here has one: export it with the others as constants",
            names.len()
        )));
    }
    let (id, name) = (graph.input_ids()[index], &names[index]);
    let node = graph.node_info(id);
    let says = match wanted.element {
        Element::Float32 => (DataType::Float, "float32"),
        Element::Uint8 => (DataType::UInt8, "uint8"),
    };
    if let Some(kind) = node.as_ref().and_then(rten::NodeInfo::dtype)
        && kind != ValueType::Tensor(says.0)
    {
        return Err(Error::model(format!("input `{name}` is {kind}, but model.toml says type `{}`", says.1)));
    }
    if let Some(shape) = node.as_ref().and_then(rten::NodeInfo::shape) {
        let fits = shape.len() == 4
            && shape.iter().zip(wanted.axes).all(|(has, wants)| match has {
                Dimension::Fixed(has) => *has == wants,
                Dimension::Symbolic(_) => true,
            });
        if !fits {
            let has: Vec<String> = shape.iter().map(dimension).collect();
            return Err(Error::model(format!(
                "input `{name}` is {}, but model.toml makes it {}; correct `width`, `height` or `layout`",
                has.join("x"),
                shown(&wanted.axes)
            )));
        }
    }
    Ok(id)
}

fn find_outputs(graph: &rten::Model, wanted: Option<&str>) -> Result<Vec<(NodeId, String)>> {
    let names = names(graph, graph.output_ids());
    let mut outputs: Vec<(NodeId, String)> = graph.output_ids().iter().copied().zip(names).collect();
    if outputs.is_empty() {
        return Err(Error::model("the graph has no output"));
    }
    if let Some(name) = wanted {
        let listed = outputs.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join("`, `");
        outputs.retain(|(_, known)| known == name);
        if outputs.is_empty() {
            return Err(Error::model(format!(
                "the graph has no output `{name}`, which model.toml names; it has `{listed}`"
            )));
        }
    }
    Ok(outputs)
}

fn dimension(dimension: &Dimension) -> String {
    match dimension {
        Dimension::Fixed(size) => size.to_string(),
        Dimension::Symbolic(name) if name.is_empty() => "?".to_owned(),
        Dimension::Symbolic(name) => name.clone(),
    }
}

/// Sizes of axes as people write them: `1x3x352x352`.
pub(super) fn shown(axes: &[usize]) -> String {
    let axes: Vec<String> = axes.iter().map(usize::to_string).collect();
    if axes.is_empty() { "one number".to_owned() } else { axes.join("x") }
}
