//! A run of the old graph, node by node, on the processor: every shape comes from it, and every value that no
//! input has a part in. Each value is dropped after its last use, so that the run takes no more memory than
//! an inference does.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use prost::Message;
use rten::{ModelOptions, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::{AsView as _, Layout as _};

use crate::base::panic_message;
use crate::model::onnx::proto::{
    AttributeProto, AttributeType, DataType, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, ValueInfoProto,
};
use crate::model::tensor::{Element, Port};

/// Numbers that no input has a part in.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Numbers {
    Floats(Vec<f32>),
    /// Of any integer type, or true and false as 1 and 0.
    Integers(Vec<i64>),
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Constant {
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Numbers,
    /// rten's word for the type, for what it is given to.
    byte: Option<bool>,
}

impl Constant {
    pub(super) fn floats(&self) -> Result<&[f32], String> {
        match &self.numbers {
            Numbers::Floats(values) => Ok(values),
            Numbers::Integers(_) => Err("it has integers where wonnx needs float32".to_owned()),
        }
    }

    pub(super) fn integers(&self) -> Result<&[i64], String> {
        match &self.numbers {
            Numbers::Integers(values) => Ok(values),
            Numbers::Floats(_) => Err("it has floats where integers belong".to_owned()),
        }
    }

    fn of_floats(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Constant { shape, numbers: Numbers::Floats(values), byte: None }
    }

    fn of_integers(shape: Vec<usize>, values: Vec<i64>) -> Self {
        Constant { shape, numbers: Numbers::Integers(values), byte: None }
    }

    /// From a file's tensor, its values in any of the places that ONNX has for them.
    pub(super) fn read(tensor: &TensorProto) -> Result<Self, String> {
        let what = || format!("constant `{}`", tensor.name);
        let mut shape = Vec::new();
        for size in &tensor.dims {
            shape.push(usize::try_from(*size).map_err(|_| format!("{} has an axis of size {size}", what()))?);
        }
        let count = shape
            .iter()
            .try_fold(1_usize, |count, size| count.checked_mul(*size))
            .ok_or_else(|| format!("{} is too large", what()))?;
        if tensor.data_location == 1 {
            return Err(format!("{} lies in another file", what()));
        }
        let raw = &tensor.raw_data;
        let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
        let mut byte = None;
        let ints = || tensor.int32_data.iter().map(|value| i64::from(*value)).collect::<Vec<_>>();
        let numbers = match kind {
            DataType::Float if raw.is_empty() => Numbers::Floats(tensor.float_data.clone()),
            DataType::Float => Numbers::Floats(
                raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            ),
            DataType::Double if raw.is_empty() => {
                Numbers::Floats(tensor.double_data.iter().map(|value| *value as f32).collect())
            }
            DataType::Double => Numbers::Floats(
                raw.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
            ),
            DataType::Int64 if raw.is_empty() => Numbers::Integers(tensor.int64_data.clone()),
            DataType::Int64 => Numbers::Integers(
                raw.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
            ),
            DataType::Int32 if raw.is_empty() => Numbers::Integers(ints()),
            DataType::Int32 => Numbers::Integers(
                raw.as_chunks::<4>().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect(),
            ),
            DataType::Uint8 | DataType::Int8 | DataType::Bool => {
                byte = match kind {
                    DataType::Uint8 => Some(false),
                    DataType::Int8 => Some(true),
                    _ => None,
                };
                Numbers::Integers(match (raw.is_empty(), kind) {
                    (true, _) => ints(),
                    (false, DataType::Int8) => {
                        raw.iter().map(|value| i64::from(value.cast_signed())).collect()
                    }
                    (false, _) => raw.iter().map(|value| i64::from(*value)).collect(),
                })
            }
            _ => {
                return Err(format!(
                    "{} holds {}; wonnx computes in float32",
                    what(),
                    format!("{kind:?}").to_lowercase()
                ));
            }
        };
        let constant = Constant { shape, numbers, byte };
        if constant.count() != count {
            return Err(format!("{} has {} values; its shape needs {count}", what(), constant.count()));
        }
        Ok(constant)
    }

    fn count(&self) -> usize {
        match &self.numbers {
            Numbers::Floats(values) => values.len(),
            Numbers::Integers(values) => values.len(),
        }
    }

    /// rten counts in 32 bits; numbers beyond, which files use for "to the end", become its largest.
    fn value(&self) -> Result<Value, String> {
        let wrong = |error: &dyn std::fmt::Display| error.to_string();
        let shape = self.shape.as_slice();
        match (&self.numbers, self.byte) {
            (Numbers::Floats(values), _) => Value::from_shape(shape, values.clone()).map_err(|e| wrong(&e)),
            (Numbers::Integers(values), None) => {
                let clamped = |value: &i64| (*value).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
                Value::from_shape(shape, values.iter().map(clamped).collect::<Vec<i32>>())
                    .map_err(|e| wrong(&e))
            }
            (Numbers::Integers(values), Some(false)) => {
                Value::from_shape(shape, values.iter().map(|value| *value as u8).collect::<Vec<u8>>())
                    .map_err(|e| wrong(&e))
            }
            (Numbers::Integers(values), Some(true)) => {
                Value::from_shape(shape, values.iter().map(|value| *value as i8).collect::<Vec<i8>>())
                    .map_err(|e| wrong(&e))
            }
        }
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::FloatTensor(values) => Self::of_floats(values.shape().to_vec(), values.to_vec()),
            Value::Int32Tensor(values) => {
                Self::of_integers(values.shape().to_vec(), values.iter().map(|v| i64::from(*v)).collect())
            }
            Value::UInt8Tensor(values) => Constant {
                shape: values.shape().to_vec(),
                numbers: Numbers::Integers(values.iter().map(|v| i64::from(*v)).collect()),
                byte: Some(false),
            },
            Value::Int8Tensor(values) => Constant {
                shape: values.shape().to_vec(),
                numbers: Numbers::Integers(values.iter().map(|v| i64::from(*v)).collect()),
                byte: Some(true),
            },
            _ => return Err("it makes a sequence".to_owned()),
        })
    }
}

/// What is known of a value after the run.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// The same in every run.
    Constant,
    /// Only its shape, and whether it holds floats.
    Varies(Vec<usize>, bool),
}

/// The run as it goes.
pub(super) struct Reference {
    values: HashMap<String, (Rc<Value>, bool)>,
    constants: HashMap<String, Rc<Constant>>,
    left: HashMap<String, usize>,
    opset: i64,
    pool: Arc<ThreadPool>,
}

impl Reference {
    /// `outputs` and constants stay to the end; everything else as long as `graph` needs it.
    pub(super) fn new(
        graph: &GraphProto,
        opset: i64,
        inputs: &[Port],
        threads: usize,
    ) -> Result<Self, String> {
        let mut left: HashMap<String, usize> = HashMap::new();
        for name in graph.node.iter().flat_map(|node| &node.input).filter(|name| !name.is_empty()) {
            *left.entry(name.clone()).or_default() += 1;
        }
        let mut run = Reference {
            values: HashMap::new(),
            constants: HashMap::new(),
            left,
            opset,
            pool: Arc::new(ThreadPool::with_num_threads(threads.max(1))),
        };
        for tensor in graph.initializer.iter().filter(|tensor| run.left.contains_key(&tensor.name)) {
            // What rten is given of it is made when it is wanted, so that weights are held once.
            run.constants.insert(tensor.name.clone(), Rc::new(Constant::read(tensor)?));
        }
        for port in inputs {
            run.values.insert(port.name.clone(), (Rc::new(probe(port)?), false));
        }
        Ok(run)
    }

    pub(super) fn constant(&self, name: &str) -> Option<&Rc<Constant>> {
        self.constants.get(name)
    }

    /// Runs one node; what is known then of its outputs, in order.
    pub(super) fn run(&mut self, node: &NodeProto) -> Result<Vec<Known>, String> {
        let mut given: Vec<(String, Rc<Value>)> = Vec::new();
        let mut varies = false;
        let mut renamed = node.clone();
        for (index, name) in renamed.input.iter_mut().enumerate().filter(|(_, name)| !name.is_empty()) {
            let value = if let Some(constant) = self.constants.get(name) {
                Rc::new(constant.value()?)
            } else if let Some((value, _)) = self.values.get(name) {
                varies = true;
                Rc::clone(value)
            } else {
                return Err(format!("nothing makes its input `{name}`"));
            };
            *name = format!("i{index}");
            given.push((name.clone(), value));
        }
        // All shapes are fixed: what asks for one gets a constant.
        varies &= !matches!(node.op_type.as_str(), "Shape" | "Size");
        let made = if node.op_type == "Constant" {
            vec![constant_of(node)?]
        } else {
            let mut made = Vec::new();
            if !varies && matches!(node.op_type.as_str(), "Mish" | "Celu" | "Selu" | "Swish" | "SpaceToDepth")
            {
                return Err("its constant input cannot be folded".to_owned());
            }
            for value in self.alone(renamed, &given)? {
                let constant = if varies { None } else { Some(Rc::new(Constant::from_value(&value)?)) };
                made.push((Rc::new(value), constant));
            }
            drop(given);
            made
        };
        for name in &node.input {
            if let Some(left) = self.left.get_mut(name) {
                *left -= 1;
                if *left == 0 {
                    self.values.remove(name);
                }
            }
        }
        let mut known = Vec::new();
        let mut made = made.into_iter();
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            let (value, constant) = made.next().ok_or("it made fewer outputs than it names")?;
            known.push(match constant {
                Some(constant) => {
                    self.constants.insert(name.clone(), constant);
                    Known::Constant
                }
                None => {
                    let float = matches!(*value, Value::FloatTensor(_));
                    let shape = shape_of(&value)?;
                    if self.left.contains_key(name) {
                        self.values.insert(name.clone(), (value, float));
                    }
                    Known::Varies(shape, float)
                }
            });
        }
        Ok(known)
    }

    /// One node as a graph of its own: no name in the file can be mistaken for another, and what fails names
    /// its node.
    fn alone(&self, mut node: NodeProto, given: &[(String, Rc<Value>)]) -> Result<Vec<Value>, String> {
        for (index, name) in node.output.iter_mut().enumerate().filter(|(_, name)| !name.is_empty()) {
            *name = format!("o{index}");
        }
        node.name = String::new();
        // rten takes missing strides of a pool for its window's, as if there were one axis.
        let kernel =
            node.attribute.iter().find(|attribute| attribute.name == "kernel_shape").map(|a| a.ints.len());
        if let Some(axes) = kernel.filter(|_| matches!(node.op_type.as_str(), "MaxPool" | "AveragePool"))
            && !node.attribute.iter().any(|attribute| attribute.name == "strides")
        {
            let strides = AttributeProto {
                name: "strides".to_owned(),
                r#type: AttributeType::Ints as i32,
                ints: vec![1; axes],
                ..AttributeProto::default()
            };
            node.attribute.push(strides);
        }
        let info = |name: &String| ValueInfoProto { name: name.clone(), r#type: None };
        let wanted: Vec<String> = node.output.iter().filter(|name| !name.is_empty()).cloned().collect();
        let graph = GraphProto {
            input: given.iter().map(|(name, _)| info(name)).collect(),
            output: wanted.iter().map(info).collect(),
            node: vec![node],
            ..GraphProto::default()
        };
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: self.opset }],
            graph: Some(graph),
            ..ModelProto::default()
        };
        if let Some(value) = stand_in(&model, given)? {
            return Ok(vec![value]);
        }
        let bytes = model.encode_to_vec();
        // A hostile node must not end the program, whatever it makes rten do.
        catch_unwind(AssertUnwindSafe(|| {
            let mut options = ModelOptions::with_all_ops();
            options.enable_optimization(false).prepack_weights(false);
            let model = options.load(bytes).map_err(|error| error.to_string())?;
            let id = |name: &String| model.node_id(name).map_err(|error| error.to_string());
            let mut inputs = Vec::new();
            for (name, value) in given {
                inputs.push((id(name)?, ValueOrView::from(value.as_view())));
            }
            let outputs = wanted.iter().map(id).collect::<Result<Vec<_>, _>>()?;
            let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pool)));
            model.run(inputs, &outputs, Some(options)).map_err(|error| error.to_string())
        }))
        .unwrap_or_else(|panic| Err(format!("the reference run failed: {}", panic_message(&*panic))))
    }
}

/// A value of the right shape for operators that rten does not have: only the shape is asked for.
fn stand_in(model: &ModelProto, given: &[(String, Rc<Value>)]) -> Result<Option<Value>, String> {
    let node = model.graph.as_ref().and_then(|graph| graph.node.first());
    let (Some(node), Some((_, value))) = (node, given.first()) else { return Ok(None) };
    let Value::FloatTensor(values) = &**value else { return Ok(None) };
    let mut shape = values.shape().to_vec();
    match node.op_type.as_str() {
        "Mish" | "Celu" | "Selu" | "Swish" => {}
        "SpaceToDepth" => {
            let block =
                node.attribute.iter().find(|attribute| attribute.name == "blocksize").map_or(0, |a| a.i);
            let block =
                usize::try_from(block).ok().filter(|block| *block > 0).ok_or("it has no `blocksize`")?;
            let [_, channels, height, width] = shape.as_mut_slice() else {
                return Err("its input does not have four axes".to_owned());
            };
            if !height.is_multiple_of(block) || !width.is_multiple_of(block) {
                return Err("its blocks do not fit its input".to_owned());
            }
            (*channels, *height, *width) = (*channels * block * block, *height / block, *width / block);
        }
        _ => return Ok(None),
    }
    Value::from_shape(shape.as_slice(), values.to_vec()).map(Some).map_err(|error| error.to_string())
}

fn shape_of(value: &Value) -> Result<Vec<usize>, String> {
    Ok(match value {
        Value::FloatTensor(values) => values.shape().to_vec(),
        Value::Int32Tensor(values) => values.shape().to_vec(),
        Value::Int8Tensor(values) => values.shape().to_vec(),
        Value::UInt8Tensor(values) => values.shape().to_vec(),
        _ => return Err("it makes a sequence".to_owned()),
    })
}

/// Numbers that are neither all the same nor all small; only shapes come of them.
fn probe(port: &Port) -> Result<Value, String> {
    let count: usize = port.shape.iter().product();
    let numbers = (0..count).map(|index| index * 7 % 13);
    let shape = port.shape.as_slice();
    match port.element {
        Element::Float32 => Value::from_shape(shape, numbers.map(|n| n as f32 / 13.0).collect::<Vec<f32>>())
            .map_err(|e| e.to_string()),
        Element::Int32 | Element::Int64 => {
            Value::from_shape(shape, numbers.map(|n| n as i32).collect::<Vec<i32>>())
                .map_err(|e| e.to_string())
        }
        Element::Uint8 => {
            Value::from_shape(shape, numbers.map(|n| n as u8).collect::<Vec<u8>>()).map_err(|e| e.to_string())
        }
        other => Err(format!(
            "input `{}` is {}; here wonnx takes float32, uint8, int32 and int64",
            port.name,
            other.as_str()
        )),
    }
}

fn constant_of(node: &NodeProto) -> Result<(Rc<Value>, Option<Rc<Constant>>), String> {
    let find = |name: &str| node.attribute.iter().find(|attribute: &&AttributeProto| attribute.name == name);
    let constant = if let Some(tensor) = find("value").and_then(|attribute| attribute.t.as_ref()) {
        Constant::read(tensor)?
    } else if let Some(attribute) = find("value_float") {
        Constant::of_floats(Vec::new(), vec![attribute.f])
    } else if let Some(attribute) = find("value_int") {
        Constant::of_integers(Vec::new(), vec![attribute.i])
    } else if let Some(attribute) = find("value_floats") {
        Constant::of_floats(vec![attribute.floats.len()], attribute.floats.clone())
    } else if let Some(attribute) = find("value_ints") {
        Constant::of_integers(vec![attribute.ints.len()], attribute.ints.clone())
    } else {
        return Err("its constant is not a tensor of numbers".to_owned());
    };
    let value = constant.value()?;
    Ok((Rc::new(value), Some(Rc::new(constant))))
}
