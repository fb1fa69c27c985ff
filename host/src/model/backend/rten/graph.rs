//! A graph made ready for rten: what ONNX lets an exporter leave out is written out, and what rten would
//! read wrong is said in other words. The file's own bytes are used where nothing has to change.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use prost::Message as _;

use super::super::super::onnx::proto::{
    AttributeProto, AttributeType, DimensionValue, GraphProto, NodeProto, TensorProto, TypeValue,
};
use super::super::Source;
use super::super::whole::is_spread;
use super::allowed::{Given, Look, refused, refused_opset};
use super::functions;
use super::ranks::Ranks;
use super::rewrite::{Around, rewritten, rounded};
use super::types::{Types, attribute};

/// The file to load, or why rten must not.
pub(super) fn prepared(source: &Source<'_>) -> Result<Bytes, String> {
    let mut model = source.graph.model.clone();
    let opset = source.graph.opset;
    if let Some(why) = refused_opset(opset) {
        return Err(why);
    }
    let mut changed = functions::inlined(&mut model)?;
    let Some(graph) = model.graph.as_mut() else { return Err("the file has no graph".to_owned()) };
    // The reader put external data into the tensors; rten would look for the files.
    changed |= is_spread(source);
    let mut pass = Pass { opset, changed: &mut changed, made: 0 };
    pass.graph(graph, &Types::default(), &Ranks::default(), &Shapes::default())?;
    if !changed {
        return Ok(source.bytes.clone());
    }
    Ok(Bytes::from(model.encode_to_vec()))
}

/// Shapes of values as the file declares them; `None` for an open size.
#[derive(Clone, Default)]
struct Shapes(HashMap<String, Vec<Option<usize>>>);

impl Shapes {
    fn of(graph: &GraphProto, around: &Shapes) -> Shapes {
        let mut shapes = around.clone();
        for value in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
            if let Some(TypeValue::Tensor(tensor)) =
                value.r#type.as_ref().and_then(|kind| kind.value.as_ref())
                && let Some(shape) = &tensor.shape
            {
                let size = |value: &Option<DimensionValue>| match value {
                    Some(DimensionValue::Size(size)) => usize::try_from(*size).ok(),
                    _ => None,
                };
                shapes.0.insert(value.name.clone(), shape.dim.iter().map(|axis| size(&axis.value)).collect());
            }
        }
        for tensor in &graph.initializer {
            let shape = tensor.dims.iter().map(|size| usize::try_from(*size).ok()).collect();
            shapes.0.insert(tensor.name.clone(), shape);
        }
        shapes
    }

    fn get(&self, name: &str) -> Option<&[Option<usize>]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

struct Pass<'a> {
    opset: i64,
    changed: &'a mut bool,
    /// Nodes said in other words so far: their values are named by it.
    made: usize,
}

impl Pass<'_> {
    fn graph(
        &mut self,
        graph: &mut GraphProto,
        around: &Types,
        ranks_around: &Ranks,
        shapes_around: &Shapes,
    ) -> Result<(), String> {
        let types = Types::of(graph, around);
        let ranks = Ranks::of(graph, ranks_around);
        let shapes = Shapes::of(graph, shapes_around);
        let constants: HashMap<String, TensorProto> = constants(graph);
        let read = read(graph);
        let rounded = rounded(&graph.node, &types);
        let opset = self.opset;
        let mut given = Given::of(graph.input.iter().map(|input| input.name.as_str()), &types);
        let mut nodes = Vec::with_capacity(graph.node.len());
        for mut node in std::mem::take(&mut graph.node) {
            let look = Look { node: &node, types: &types, ranks: &ranks, constants: &constants };
            let why = refused(&look).or_else(|| given.follow(&node, &types));
            if let Some(why) = why {
                return Err(format!("{} {why}", named(&node)));
            }
            self.unread(&mut node, &read);
            self.defaults(&mut node, &shapes);
            for attribute in &mut node.attribute {
                if let Some(inner) = attribute.g.as_mut() {
                    self.graph(inner, &types, &ranks, &shapes)?;
                }
            }
            if let Some(kind) = attribute(&node, "auto_pad").filter(|kind| kind.s.starts_with(b"SAME"))
                && node.op_type != "ConvTranspose"
            {
                let kind = String::from_utf8_lossy(&kind.s).into_owned();
                return Err(format!(
                    "{} is padded by {kind}, and for that its input's size must be in the file; save it with shapes \
                     inferred",
                    named(&node)
                ));
            }
            self.made += 1;
            let known =
                Around { types: &types, ranks: &ranks, constants: &constants, rounded: &rounded, opset };
            match rewritten(&node, &known, self.made).map_err(|why| format!("{} {why}", named(&node)))? {
                Some(others) => {
                    *self.changed = true;
                    nodes.extend(others);
                }
                None => nodes.push(node),
            }
        }
        graph.node = nodes;
        Ok(())
    }

    /// Leaves out outputs that nothing reads: rten refuses a node for having them.
    fn unread(&mut self, node: &mut NodeProto, read: &HashSet<String>) {
        while node.output.len() > 1 && node.output.last().is_some_and(|name| !read.contains(name)) {
            node.output.pop();
            *self.changed = true;
        }
    }

    /// Writes out the attributes that ONNX gives defaults for and rten asks for.
    fn defaults(&mut self, node: &mut NodeProto, shapes: &Shapes) {
        let pool = matches!(node.op_type.as_str(), "MaxPool" | "AveragePool");
        if !pool && !matches!(node.op_type.as_str(), "Conv" | "ConvInteger" | "ConvTranspose") {
            return;
        }
        let kernel: Option<Vec<i64>> =
            attribute(node, "kernel_shape").map(|found| found.ints.clone()).or_else(|| {
                let weights = shapes.get(node.input.get(1)?)?;
                weights.get(2..)?.iter().map(|size| i64::try_from((*size)?).ok()).collect()
            });
        let Some(kernel) = kernel else { return };
        let axes = kernel.len();
        self.ints(node, "kernel_shape", kernel.clone());
        self.ints(node, "strides", vec![1; axes]);
        self.ints(node, "dilations", vec![1; axes]);
        let padding = attribute(node, "auto_pad").map(|found| String::from_utf8_lossy(&found.s).into_owned());
        match padding.as_deref().unwrap_or("NOTSET") {
            "SAME_UPPER" | "SAME_LOWER" => self.same(node, &kernel, shapes),
            // rten would add the `pads` that ONNX says are not there.
            "VALID" if attribute(node, "pads").is_some() => {
                node.attribute.retain(|attribute| attribute.name != "pads");
                *self.changed = true;
            }
            _ => {}
        }
    }

    /// `SAME_LOWER` as numbers where the sizes are known: rten takes it for `SAME_UPPER`.
    fn same(&mut self, node: &mut NodeProto, kernel: &[i64], shapes: &Shapes) {
        if node.op_type == "ConvTranspose" {
            return;
        }
        let ints = |name: &str| attribute(node, name).map(|found| found.ints.clone()).unwrap_or_default();
        let (strides, dilations) = (ints("strides"), ints("dilations"));
        let lower = attribute(node, "auto_pad").is_some_and(|found| &found.s[..] == b"SAME_LOWER");
        let sizes = node.input.first().and_then(|name| shapes.get(name)).and_then(|shape| shape.get(2..));
        let (mut begin, mut end) = (Vec::new(), Vec::new());
        for (axis, size) in kernel.iter().enumerate() {
            let (Some(stride), Some(dilation)) = (strides.get(axis), dilations.get(axis)) else { return };
            let reach = (size - 1) * dilation + 1;
            // With a stride of one the padding does not depend on the picture's size.
            let total = match sizes.and_then(|sizes| *sizes.get(axis)?) {
                _ if *stride == 1 => reach - 1,
                Some(size) if *stride > 1 => {
                    let Ok(size) = i64::try_from(size) else { return };
                    let out = (size + stride - 1) / stride;
                    let total = (out - 1) * stride + reach - size;
                    // Below zero, engines disagree whether values are left out.
                    if total < 0 {
                        return;
                    }
                    total
                }
                _ => return,
            };
            let (small, large) = (total / 2, total - total / 2);
            begin.push(if lower { large } else { small });
            end.push(if lower { small } else { large });
        }
        begin.append(&mut end);
        node.attribute.retain(|attribute| attribute.name != "auto_pad" && attribute.name != "pads");
        self.ints(node, "pads", begin);
    }

    fn ints(&mut self, node: &mut NodeProto, name: &str, ints: Vec<i64>) {
        if attribute(node, name).is_none() {
            node.attribute.push(AttributeProto {
                name: name.to_owned(),
                r#type: AttributeType::Ints as i32,
                ints,
                ..AttributeProto::default()
            });
            *self.changed = true;
        }
    }
}

/// Names of the values that something reads: nodes, also of graphs inside, and the outputs.
fn read(graph: &GraphProto) -> HashSet<String> {
    let mut read: HashSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    for node in &graph.node {
        read.extend(node.input.iter().cloned());
        for attribute in &node.attribute {
            attribute.g.iter().chain(&attribute.graphs).for_each(|inner| read.extend(self::read(inner)));
        }
    }
    read
}

/// A graph's constants by name: initializers and Constant nodes.
fn constants(graph: &GraphProto) -> HashMap<String, TensorProto> {
    let nodes = graph.node.iter().filter(|node| node.op_type == "Constant");
    let made = nodes.filter_map(|node| {
        let tensor = attribute(node, "value")?.t.clone()?;
        Some((node.output.first()?.clone(), tensor))
    });
    // Bytes are shared, not copied.
    graph.initializer.iter().map(|tensor| (tensor.name.clone(), tensor.clone())).chain(made).collect()
}

/// A node for people: "node `conv1` (Conv)".
fn named(node: &NodeProto) -> String {
    let known = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
    format!("node `{}` ({})", known.map_or("?", String::as_str), node.op_type)
}
