//! The back end: rten, a CPU inference engine in Rust, built in. It is what every answer is compared with
//! where no onnxruntime is found, so it refuses whatever it was ever seen to get wrong (`allowed`).

mod allowed;
mod functions;
mod graph;
mod lane;
mod ranks;
mod rewrite;
#[cfg(test)]
mod tests;
mod types;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use rten::{ModelOptions, NodeId, RunOptions, Value, ValueOrView, ValueView};
use rten_tensor::{AsView as _, Layout as _};

use super::super::onnx::Graph;
use super::super::tensor::{Array, Element, Port, Values, shown};
use super::{Backend, Device, DeviceKind, RunError, Session, Source, batches};
use crate::base::panic_message;

pub(in crate::model) use lane::PoolLane;

/// rten's version: all of it that may change an answer is compiled in.
const VERSION: &str = "0.27.0";

/// rten on the processor.
pub(in crate::model) struct Rten {
    device: Device,
}

impl Rten {
    pub(in crate::model) fn new() -> Rten {
        let device = Device {
            backend: "rten",
            version: VERSION.to_owned(),
            name: "cpu".to_owned(),
            kind: DeviceKind::Cpu,
        };
        Rten { device }
    }
}

impl Backend for Rten {
    fn device(&self) -> &Device {
        &self.device
    }

    fn load(&self, source: &Source<'_>) -> Result<Box<dyn Session>, String> {
        // rten's parser and its constant folding are reached by whatever file was given; what panics there
        // is an error here.
        let loaded = catch_unwind(AssertUnwindSafe(|| Loaded::new(source)));
        match loaded {
            Ok(loaded) => Ok(Box::new(loaded?)),
            Err(panic) => Err(format!("loading it failed: {}", panic_message(&*panic))),
        }
    }
}

/// A graph ready to run.
struct Loaded {
    model: rten::Model,
    inputs: Vec<(NodeId, Port)>,
    outputs: Vec<(NodeId, String, Element)>,
    threads: usize,
    memory: u64,
    may_batch: bool,
    batches: OnceLock<bool>,
}

impl Loaded {
    fn new(source: &Source<'_>) -> Result<Loaded, String> {
        for port in source.inputs {
            takes(port.element)
                .map_err(|why| format!("input `{}` is {}: {why}", port.name, port.element.as_str()))?;
        }
        let outputs: Vec<(&str, Element)> =
            source.outputs.iter().map(|name| declared(source.graph, name)).collect::<Result<_, _>>()?;
        let bytes = graph::prepared(source)?;
        let model = ModelOptions::with_all_ops()
            .prepack_weights(true)
            .load(bytes.to_vec())
            .map_err(|error| explain(&error))?;
        let find =
            |name: &str| model.find_node(name).ok_or_else(|| format!("the graph has no value `{name}`"));
        let inputs = source
            .inputs
            .iter()
            .map(|port| Ok((find(&port.name)?, port.clone())))
            .collect::<Result<Vec<_>, String>>()?;
        let outputs = outputs
            .into_iter()
            .map(|(name, element)| Ok((find(name)?, name.to_owned(), element)))
            .collect::<Result<Vec<_>, String>>()?;
        // Working memory is not told by rten; for ResNet-50, it and the weights took 1.05 times this.
        let memory = 4 * model.total_params() as u64;
        let may_batch = batches::declared(source.graph, source.inputs, source.outputs);
        Ok(Loaded {
            model,
            inputs,
            outputs,
            threads: source.threads,
            memory,
            may_batch,
            batches: OnceLock::new(),
        })
    }

    fn unguarded(&self, arrays: &[&Array]) -> Result<Vec<Array>, String> {
        if arrays.len() != self.inputs.len() {
            return Err(format!("{} inputs were given; the graph has {}", arrays.len(), self.inputs.len()));
        }
        let mut given = Vec::with_capacity(arrays.len());
        for ((id, port), array) in self.inputs.iter().zip(arrays) {
            given.push((*id, value(port, array)?));
        }
        let ids: Vec<NodeId> = self.outputs.iter().map(|(id, ..)| *id).collect();
        let options = RunOptions::default().with_thread_pool(Some(lane::here(self.threads)));
        let values = self.model.run(given, &ids, Some(options)).map_err(|error| error.to_string())?;
        self.outputs
            .iter()
            .zip(values)
            .map(|((_, name, element), value)| array(name, *element, value))
            .collect()
    }
}

impl Session for Loaded {
    fn run(&self, inputs: &[&Array]) -> Result<Vec<Array>, RunError> {
        catch_unwind(AssertUnwindSafe(|| self.unguarded(inputs)))
            .unwrap_or_else(|panic| Err(format!("inference failed: {}", panic_message(&*panic))))
            .map_err(RunError::Failed)
    }

    fn batches(&self) -> bool {
        self.may_batch
            && *self.batches.get_or_init(|| {
                let ports: Vec<Port> = self.inputs.iter().map(|(_, port)| port.clone()).collect();
                batches::tried(self, &ports)
            })
    }

    fn memory(&self) -> u64 {
        self.memory
    }
}

/// Whether rten can be given, and can give back, values of a type.
fn takes(element: Element) -> Result<(), &'static str> {
    match element {
        Element::Float32
        | Element::Float16
        | Element::Int8
        | Element::Uint8
        | Element::Int32
        | Element::Int64
        | Element::Bool => Ok(()),
        Element::Float64 => Err("rten computes in float32"),
        Element::Int16 | Element::Uint16 | Element::Uint32 | Element::Uint64 => Err("rten has no such type"),
    }
}

/// An output's name and type as the graph declares them.
fn declared<'a>(graph: &'a Graph, name: &str) -> Result<(&'a str, Element), String> {
    let output = graph.outputs.iter().find(|output| output.name == name);
    let output = output.ok_or_else(|| format!("the graph has no output `{name}`"))?;
    let element = output.element.ok_or_else(|| format!("output `{name}` is no tensor of numbers"))?;
    takes(element).map_err(|why| format!("output `{name}` is {}: {why}", element.as_str()))?;
    Ok((&output.name, element))
}

/// An input as rten takes it: a view wherever rten has the type.
fn value<'a>(port: &Port, array: &'a Array) -> Result<ValueOrView<'a>, String> {
    let name = &port.name;
    let shape = array.shape.as_slice();
    if array.values.element() != port.element {
        let (has, wants) = (array.values.element().as_str(), port.element.as_str());
        return Err(format!("input `{name}` was given as {has}; the graph has {wants}"));
    }
    macro_rules! view {
        ($values:expr) => {
            ValueView::from_shape(shape, $values).map(ValueOrView::View).map_err(|error| error.to_string())
        };
    }
    macro_rules! owned {
        ($values:expr) => {
            Value::from_shape(shape, $values).map(ValueOrView::Value).map_err(|error| error.to_string())
        };
    }
    let made = match &array.values {
        Values::F32(values) => view!(values),
        Values::I8(values) => view!(values),
        Values::U8(values) => view!(values),
        Values::I32(values) => view!(values),
        Values::F16(values) => {
            let values: Vec<f32> = values.iter().map(|bits| half::f16::from_bits(*bits).to_f32()).collect();
            owned!(values)
        }
        Values::Bool(values) => owned!(values.iter().map(|value| i32::from(*value)).collect::<Vec<i32>>()),
        Values::I64(values) => {
            let mut fitting = Vec::with_capacity(values.len());
            for value in values {
                let value = i32::try_from(*value);
                fitting.push(value.map_err(|_| {
                    format!("input `{name}` has a value beyond int32, which rten computes in")
                })?);
            }
            owned!(fitting)
        }
        other => {
            return Err(format!("input `{name}` is {}, a type rten does not have", other.element().as_str()));
        }
    };
    made.map_err(|error| format!("input `{name}` of {}: {error}", shown(shape)))
}

/// An output in the type the graph declares; moved, not copied, where rten has the type.
fn array(name: &str, element: Element, value: Value) -> Result<Array, String> {
    let got = value.dtype();
    let (shape, values) = match (value, element) {
        (Value::FloatTensor(tensor), Element::Float32) => {
            (tensor.shape().to_vec(), Values::F32(tensor.into_data()))
        }
        (Value::FloatTensor(tensor), Element::Float16) => {
            let bits = tensor.iter().map(|value| half::f16::from_f32(*value).to_bits()).collect();
            (tensor.shape().to_vec(), Values::F16(bits))
        }
        (Value::Int32Tensor(tensor), Element::Int32) => {
            (tensor.shape().to_vec(), Values::I32(tensor.into_data()))
        }
        (Value::Int32Tensor(tensor), Element::Int64) => {
            // Floats that are more were cut to these.
            if tensor.iter().any(|value| matches!(*value, i32::MIN | i32::MAX)) {
                return Err(format!("output `{name}` has a value beyond int32, which rten computes in"));
            }
            (tensor.shape().to_vec(), Values::I64(tensor.iter().map(|value| i64::from(*value)).collect()))
        }
        (Value::Int32Tensor(tensor), Element::Bool) => {
            (tensor.shape().to_vec(), Values::Bool(tensor.iter().map(|value| *value != 0).collect()))
        }
        (Value::Int8Tensor(tensor), Element::Int8) => {
            (tensor.shape().to_vec(), Values::I8(tensor.into_data()))
        }
        (Value::UInt8Tensor(tensor), Element::Uint8) => {
            (tensor.shape().to_vec(), Values::U8(tensor.into_data()))
        }
        _ => return Err(format!("output `{name}` came as {got}; the graph declares {}", element.as_str())),
    };
    Ok(Array { shape, values })
}

fn explain(error: &rten::LoadError) -> String {
    use rten::LoadErrorKind as Kind;
    match error.kind() {
        Kind::UnknownFileType | Kind::FormatNotEnabled => "it is not an ONNX file".to_owned(),
        Kind::ParseError => format!("it is not a whole ONNX file: {error}"),
        Kind::OperatorInvalid => format!("the graph cannot be run: {error}"),
        Kind::ExternalDataError => format!("its weights lie in another file: {error}"),
        _ => format!("the graph is wrong, or the file is not whole: {error}"),
    }
}
