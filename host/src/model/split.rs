//! A graph cut at the nodes that are better run here ([`super::window`]), so that rten runs only the rest.
//!
//! Each node has a level: how many such nodes lie before it on the longest way from the input. The nodes of
//! one level become a graph of their own; between levels the cut-out nodes run. The pieces are built one
//! after another on a trial input, so that each knows its input's shape, and [`super::rten`] compares the
//! end with the uncut graph before it believes any of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use rten::{Model, ModelOptions, NodeId, RunOptions, Value, ValueOrView, ValueView};
use rten_onnx::onnx::{
    DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, TypeProtoTensor, ValueInfoProto,
};
use rten_tensor::Layout as _;

use super::window::Window;

/// A cut graph. Values are numbered; 0 is the input.
pub(super) struct Split {
    steps: Vec<Step>,
    values: usize,
    outputs: Vec<usize>,
}

enum Step {
    Rest {
        graph: Model,
        inputs: Vec<(NodeId, usize)>,
        outputs: Vec<(NodeId, usize)>,
    },
    Window {
        window: Window,
        input: usize,
        output: usize,
        /// Memory of outputs not in use.
        spare: Mutex<Vec<Vec<f32>>>,
    },
}

/// What is cut, while it is being cut.
struct Cutter<'a> {
    graph: &'a GraphProto,
    opset: &'a [OperatorSetIdProto],
    ir_version: Option<i64>,
    constants: HashMap<&'a str, &'a TensorProto>,
    /// Nodes that only constants go into, by output; each piece that needs one gets its own copy.
    folded: HashMap<&'a str, usize>,
    /// Of each node that runs here: itself, and its output's name, which may be that of the `Relu` behind it.
    windows: HashMap<usize, (Window, &'a str)>,
    /// Of each other node and each window: its level.
    levels: HashMap<usize, usize>,
    numbers: HashMap<&'a str, usize>,
}

impl Split {
    /// Cuts the graph of an ONNX file; `None` where there is nothing to cut out, or something that is not
    /// understood. Runs each piece on `trial`.
    pub(super) fn new(
        onnx: &[u8],
        outputs: &[String],
        trial: &ValueView<'_>,
        options: &RunOptions,
    ) -> Option<Self> {
        let model = ModelProto::parse_buf(onnx).ok()?;
        let graph = model.graph.as_ref()?;
        let cutter = Cutter::new(graph, &model)?;
        cutter.cut(outputs, trial, options)
    }

    /// Runs all pieces; `given` is the graph's input.
    pub(super) fn run(&self, given: &ValueView<'_>, options: &RunOptions) -> Result<Vec<Value>, String> {
        let mut values: Vec<Option<Value>> = vec![None; self.values];
        for step in &self.steps {
            step.run(given, &mut values, options)?;
        }
        let take = |number: &usize| values[*number].take().ok_or_else(|| "a piece gave no value".to_owned());
        let outputs = self.outputs.iter().map(take).collect();
        for step in &self.steps {
            if let Step::Window { output, spare, .. } = step
                && let Some(Value::FloatTensor(tensor)) = values[*output].take()
            {
                spare.lock().unwrap_or_else(PoisonError::into_inner).push(tensor.into_data());
            }
        }
        outputs
    }
}

impl Step {
    fn run(
        &self,
        given: &ValueView<'_>,
        values: &mut [Option<Value>],
        options: &RunOptions,
    ) -> Result<(), String> {
        match self {
            Step::Rest { graph, inputs, outputs } => {
                let mut views = Vec::with_capacity(inputs.len());
                for (id, number) in inputs {
                    views.push((*id, ValueOrView::View(view(given, values, *number)?)));
                }
                let ids: Vec<NodeId> = outputs.iter().map(|(id, _)| *id).collect();
                let made =
                    graph.run(views, &ids, Some(options.clone())).map_err(|error| error.to_string())?;
                for ((_, number), value) in outputs.iter().zip(made) {
                    values[*number] = Some(value);
                }
            }
            Step::Window { window, input, output, spare } => {
                let ValueView::FloatTensor(tensor) = view(given, values, *input)? else {
                    return Err("a window met values that are not floats".to_owned());
                };
                let memory = spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
                let (shape, data) = window
                    .run(tensor.shape(), tensor.to_contiguous().data(), memory)
                    .ok_or("a window met a shape it cannot take")?;
                values[*output] = Some(Value::from_shape(&shape, data).map_err(|error| error.to_string())?);
            }
        }
        Ok(())
    }
}

fn view<'a>(
    given: &ValueView<'a>,
    values: &'a [Option<Value>],
    number: usize,
) -> Result<ValueView<'a>, String> {
    match number {
        0 => Ok(given.clone()),
        _ => values[number].as_ref().map(Value::as_view).ok_or_else(|| "a piece lacks a value".to_owned()),
    }
}

impl<'a> Cutter<'a> {
    fn new(graph: &'a GraphProto, model: &'a ModelProto) -> Option<Self> {
        let constants: HashMap<&str, &TensorProto> =
            graph.initializer.iter().filter_map(|tensor| Some((tensor.name.as_deref()?, tensor))).collect();
        let mut given = graph.input.iter().filter_map(|input| input.name.as_deref());
        let input = given.find(|name| !constants.contains_key(name))?;
        let mut cutter = Cutter {
            graph,
            opset: &model.opset_import,
            ir_version: model.ir_version,
            constants,
            folded: HashMap::new(),
            windows: HashMap::new(),
            levels: HashMap::new(),
            numbers: HashMap::from([(input, 0)]),
        };
        // Of each value that depends on the input, the level at which it is there.
        let mut ready: HashMap<&str, usize> = HashMap::from([(input, 0)]);
        let mut uses: HashMap<&str, usize> = HashMap::new();
        let outputs = graph.output.iter().filter_map(|output| output.name.as_deref());
        for name in graph.node.iter().flat_map(|node| node.input.iter().map(String::as_str)).chain(outputs) {
            *uses.entry(name).or_default() += 1;
        }
        for (index, node) in graph.node.iter().enumerate() {
            // A graph inside a node sees values of this one that the node does not list.
            if node.attribute.iter().any(|attribute| attribute.g.is_some()) {
                return None;
            }
            let outputs = node.output.iter().map(String::as_str).filter(|name| !name.is_empty());
            let inputs = || node.input.iter().map(String::as_str).filter(|name| !name.is_empty());
            let mut level = None;
            for name in inputs() {
                match ready.get(name) {
                    Some(at) => level = level.max(Some(*at)),
                    None if cutter.is_constant(name) => {}
                    None => return None,
                }
            }
            let Some(level) = level else {
                cutter.folded.extend(outputs.map(|name| (name, index)));
                continue;
            };
            let mut there = level;
            let first = node.output.first().map_or("", String::as_str);
            if let Some(window) = Window::of(node, &cutter.constants) {
                cutter.windows.insert(index, (window, first));
                there += 1;
            } else if let (Some("Relu"), [input]) = (node.op_type.as_deref(), &node.input[..])
                && uses.get(input.as_str()) == Some(&1)
                && let Some((window, output)) =
                    cutter.windows.values_mut().find(|(_, output)| output == input)
            {
                window.with_relu();
                *output = first;
                let number = cutter.numbers.len();
                cutter.numbers.insert(first, number);
                ready.insert(first, level);
                continue;
            }
            cutter.levels.insert(index, level);
            for name in outputs {
                ready.insert(name, there);
                let number = cutter.numbers.len();
                cutter.numbers.entry(name).or_insert(number);
            }
        }
        (!cutter.windows.is_empty()).then_some(cutter)
    }

    fn is_constant(&self, name: &str) -> bool {
        self.constants.contains_key(name) || self.folded.contains_key(name)
    }

    fn cut(mut self, outputs: &[String], trial: &ValueView<'_>, options: &RunOptions) -> Option<Split> {
        let outputs: Option<Vec<usize>> =
            outputs.iter().map(|name| self.numbers.get(name.as_str()).copied()).collect();
        let outputs = outputs.filter(|outputs| !outputs.contains(&0))?;
        let last = self.levels.values().copied().max()?;
        let mut values: Vec<Option<Value>> = vec![None; self.numbers.len()];
        let mut steps = Vec::new();
        for level in 0..=last {
            let members: Vec<usize> =
                (0..self.graph.node.len()).filter(|index| self.levels.get(index) == Some(&level)).collect();
            let (windows, rest): (Vec<usize>, Vec<usize>) =
                members.into_iter().partition(|index| self.windows.contains_key(index));
            let mut made = Vec::new();
            if !rest.is_empty() {
                made.push(self.piece(&rest, &outputs, trial, &values)?);
            }
            for index in windows {
                let (window, output) = self.windows.remove(&index)?;
                let input = *self.numbers.get(self.graph.node[index].input.first()?.as_str())?;
                let output = *self.numbers.get(output)?;
                made.push(Step::Window { window, input, output, spare: Mutex::default() });
                self.levels.remove(&index);
            }
            for step in made {
                step.run(trial, &mut values, options).ok()?;
                steps.push(step);
            }
        }
        Some(Split { steps, values: self.numbers.len(), outputs })
    }

    /// The nodes of `members` as a graph of their own.
    fn piece(
        &self,
        members: &[usize],
        outputs: &[usize],
        trial: &ValueView<'_>,
        values: &[Option<Value>],
    ) -> Option<Step> {
        let nodes = || members.iter().map(|index| &self.graph.node[*index]);
        let named = |names: &'a [String]| names.iter().map(String::as_str).filter(|name| !name.is_empty());
        let made: HashSet<&str> = nodes().flat_map(|node| named(&node.output)).collect();
        let mut piece = GraphProto::default();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut inputs = Vec::new();
        for name in nodes().flat_map(|node| named(&node.input)) {
            if made.contains(name) || !seen.insert(name) {
                continue;
            }
            if self.is_constant(name) {
                self.add_constant(name, &mut piece, &mut seen);
                continue;
            }
            let number = *self.numbers.get(name)?;
            let ValueView::FloatTensor(tensor) = view(trial, values, number).ok()? else { return None };
            piece.input.push(described(name, Some(tensor.shape())));
            inputs.push((name, number));
        }
        let members: HashSet<usize> = members.iter().copied().collect();
        let elsewhere: HashSet<&str> = self
            .levels
            .keys()
            .filter(|index| !members.contains(index))
            .flat_map(|index| named(&self.graph.node[*index].input))
            .collect();
        let mut wanted = Vec::new();
        for name in
            self.graph.node.iter().flat_map(|node| named(&node.output)).filter(|name| made.contains(name))
        {
            let number = *self.numbers.get(name)?;
            if elsewhere.contains(name) || outputs.contains(&number) {
                piece.output.push(described(name, None));
                wanted.push((name, number));
            }
        }
        piece.node.extend(nodes().cloned());
        let model = ModelProto {
            ir_version: self.ir_version,
            graph: Some(piece),
            opset_import: self.opset.to_vec(),
            ..ModelProto::default()
        };
        let graph = ModelOptions::with_all_ops().prepack_weights(true).load(model.write_buf().ok()?).ok()?;
        let find = |values: Vec<(&str, usize)>| -> Option<Vec<(NodeId, usize)>> {
            values.into_iter().map(|(name, number)| Some((graph.find_node(name)?, number))).collect()
        };
        let (inputs, outputs) = (find(inputs)?, find(wanted)?);
        Some(Step::Rest { graph, inputs, outputs })
    }

    fn add_constant(&self, name: &'a str, piece: &mut GraphProto, seen: &mut HashSet<&'a str>) {
        if let Some(tensor) = self.constants.get(name) {
            piece.initializer.push((*tensor).clone());
        } else if let Some(index) = self.folded.get(name) {
            let node: &'a NodeProto = &self.graph.node[*index];
            for input in node.input.iter().map(String::as_str).filter(|name| !name.is_empty()) {
                if seen.insert(input) {
                    self.add_constant(input, piece, seen);
                }
            }
            // Its other outputs come with it.
            seen.extend(node.output.iter().map(String::as_str));
            piece.node.push(node.clone());
        }
    }
}

/// A value of floats, its shape given or not.
fn described(name: &str, shape: Option<&[usize]>) -> ValueInfoProto {
    let dimension = |size: &usize| Dimension { dim_value: i64::try_from(*size).ok(), ..Dimension::default() };
    let shape = shape.map(|shape| TensorShapeProto { dim: shape.iter().map(dimension).collect() });
    let tensor = TypeProtoTensor { elem_type: Some(DataType::FLOAT), shape };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor), ..TypeProto::default() }),
    }
}
