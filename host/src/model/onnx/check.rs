//! What a graph must be before anything else looks at it: names, values and their order, operators, opset,
//! functions, inputs and outputs, weights. Every check is linear in the file's size.

use std::collections::{HashMap, HashSet};

use crate::base::{Error, deceives};

use super::proto::{
    AttributeProto, DataType, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, ValueInfoProto,
};
use super::tensors::Place;
use super::{Declared, Foreign, facts, node_shown, operators, quoted, tensors};

/// The oldest opset that is read. Operators of older ones mean other things under the same names (`Add` with
/// `broadcast`, `BatchNormalization` with `is_test`), and onnxruntime promises nothing for them either.
const OLDEST: i64 = 7;

/// The longest name of anything. Converters that fuse nodes join their names; some thousand characters were
/// seen.
const LONGEST_NAME: usize = 16 << 10;

/// Nodes the functions of a file may unfold to.
const MOST_NODES: u64 = 1_000_000;

/// Inputs that are not initializers, and outputs.
const MOST_PORTS: usize = 1000;

/// What checking a model finds out.
pub(super) struct Found {
    pub(super) opset: i64,
    pub(super) inputs: Vec<Declared>,
    pub(super) outputs: Vec<Declared>,
    pub(super) foreign: Vec<Foreign>,
}

/// Checks all but tensors' contents, and puts the main graph's nodes in the order to run.
pub(super) fn structure(model: &mut ModelProto) -> Result<Found, Error> {
    let Some(graph) = &model.graph else {
        return Err(Error::model("it is not an ONNX file, or not a whole one: it holds no graph"));
    };
    let opset = opset(&model.opset_import, "it")?;
    each_name(model)?;
    let functions = functions(&model.functions)?;
    let mut nodes = Nodes { opset: opset.unwrap_or(0), functions: &functions, foreign: HashMap::new() };
    for function in &model.functions {
        nodes
            .of_function(function)
            .map_err(|error| error.within(format!("function {}", quoted(&function.name))))?;
    }
    let order = nodes.of_graph(graph, &mut Vec::new())?.order;
    let mut foreign: Vec<Foreign> = nodes.foreign.into_values().collect();
    foreign.sort_by(|a, b| (&a.domain, &a.operator).cmp(&(&b.domain, &b.operator)));
    let (inputs, outputs) = ports(graph)?;
    if let Some(graph) = &mut model.graph {
        if let Some(order) = order {
            let mut nodes: Vec<Option<NodeProto>> =
                std::mem::take(&mut graph.node).into_iter().map(Some).collect();
            graph.node = order.into_iter().filter_map(|at| nodes.get_mut(at)?.take()).collect();
        }
        // Decoding leaves room for four attributes of a kilobyte each in a node that has one.
        graph.node.iter_mut().for_each(|node| node.attribute.shrink_to_fit());
    }
    Ok(Found { opset: opset.unwrap_or(0), inputs, outputs, foreign })
}

/// The version of `ai.onnx` that a list of opsets states.
fn opset(imports: &[OperatorSetIdProto], whose: &str) -> Result<Option<i64>, Error> {
    let mut stated = None;
    for import in imports.iter().filter(|import| is_onnx(&import.domain)) {
        if stated.is_some_and(|version| version != import.version) {
            return Err(Error::model(format!("{whose} states two opsets of ai.onnx")));
        }
        stated = Some(import.version);
    }
    let newest = operators::NEWEST;
    match stated {
        Some(version) if version > newest => Err(Error::model(format!(
            "{whose} states opset {version}, but the newest known is {newest}; export it for an older one"
        ))),
        Some(version) if version < 1 => {
            Err(Error::model(format!("{whose} states opset {version}; there are opsets 1 to {newest}")))
        }
        Some(version) if version < OLDEST => Err(Error::model(format!(
            "{whose} states opset {version}, whose operators mean other things than those of {OLDEST} and later; \
             export it again, or convert it with onnx.version_converter"
        ))),
        stated => Ok(stated),
    }
}

fn is_onnx(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// Refuses names that would deceive whoever reads an error, a table or a log.
fn sound(name: &str, what: &str) -> Result<(), Error> {
    if name.len() > LONGEST_NAME {
        return Err(Error::model(format!(
            "{what} {} has a name of {} bytes; it has {LONGEST_NAME} at most",
            quoted(name),
            name.len()
        )));
    }
    // Bytes first: nearly every name is printable ASCII.
    if name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || !name.chars().any(deceives) {
        return Ok(());
    }
    Err(Error::model(format!(
        "{what} {} has control or invisible characters in its name; rename it before it is exported",
        quoted(name)
    )))
}

fn each_name(model: &ModelProto) -> Result<(), Error> {
    sound(&model.producer_name, "the producer")?;
    sound(&model.producer_version, "the producer's version")?;
    model.opset_import.iter().try_for_each(|import| sound(&import.domain, "the domain"))?;
    for function in &model.functions {
        sound(&function.name, "function")?;
        sound(&function.domain, "the domain")?;
        sound(&function.overload, "the overload")?;
        function.input.iter().chain(&function.output).try_for_each(|name| sound(name, "value"))?;
        function.attribute.iter().try_for_each(|name| sound(name, "attribute"))?;
        names_of_attributes(&function.attribute_proto)?;
        names_of_nodes(&function.node)?;
    }
    model.graph.as_ref().map_or(Ok(()), names_of_graph)
}

fn names_of_graph(graph: &GraphProto) -> Result<(), Error> {
    sound(&graph.name, "graph")?;
    for value in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
        sound(&value.name, "value")?;
        for size in facts::open_names(value) {
            sound(size, "the axis")?;
        }
    }
    let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
    for tensor in graph.initializer.iter().chain(sparse) {
        sound(&tensor.name, "tensor")?;
    }
    names_of_nodes(&graph.node)
}

fn names_of_nodes(nodes: &[NodeProto]) -> Result<(), Error> {
    for node in nodes {
        sound(&node.name, "node")?;
        sound(&node.op_type, "operator")?;
        sound(&node.domain, "the domain")?;
        sound(&node.overload, "the overload")?;
        node.input.iter().chain(&node.output).try_for_each(|name| sound(name, "value"))?;
        names_of_attributes(&node.attribute)?;
    }
    Ok(())
}

fn names_of_attributes(attributes: &[AttributeProto]) -> Result<(), Error> {
    for attribute in attributes {
        sound(&attribute.name, "attribute")?;
        sound(&attribute.ref_attr_name, "attribute")?;
        attribute.t.iter().chain(&attribute.tensors).try_for_each(|tensor| sound(&tensor.name, "tensor"))?;
        attribute.g.iter().chain(&attribute.graphs).try_for_each(names_of_graph)?;
    }
    Ok(())
}

/// Domain, operator and overload of a function.
type Function<'a> = (&'a str, &'a str, &'a str);

fn domain(domain: &str) -> &str {
    if is_onnx(domain) { "" } else { domain }
}

fn called(node: &NodeProto) -> Function<'_> {
    (domain(&node.domain), &node.op_type, &node.overload)
}

/// The functions of a file by name, if none calls itself, however indirectly, and calling them does not
/// unfold to more nodes than anyone could run.
fn functions(functions: &[FunctionProto]) -> Result<HashSet<Function<'_>>, Error> {
    fn calls<'a>(nodes: &'a [NodeProto], take: &mut impl FnMut(&'a NodeProto)) {
        for node in nodes {
            take(node);
            for attribute in &node.attribute {
                attribute.g.iter().chain(&attribute.graphs).for_each(|graph| calls(&graph.node, take));
            }
        }
    }
    let mut known: HashMap<Function<'_>, usize> = HashMap::with_capacity(functions.len());
    for (at, function) in functions.iter().enumerate() {
        let key = (domain(&function.domain), function.name.as_str(), function.overload.as_str());
        if known.insert(key, at).is_some() {
            return Err(Error::model(format!("function {} is there twice", quoted(&function.name))));
        }
    }
    let mut callers: Vec<Vec<usize>> = vec![Vec::new(); functions.len()];
    let mut open = vec![0usize; functions.len()];
    let mut nodes = vec![0u64; functions.len()];
    for (at, function) in functions.iter().enumerate() {
        calls(&function.node, &mut |node| {
            nodes[at] += 1;
            if let Some(callee) = known.get(&called(node)) {
                callers[*callee].push(at);
                open[at] += 1;
            }
        });
    }
    let mut ready: Vec<usize> = (0..functions.len()).filter(|at| open[*at] == 0).collect();
    while let Some(at) = ready.pop() {
        if nodes[at] > MOST_NODES {
            return Err(Error::model(format!(
                "function {} calls others until there are more than {MOST_NODES} nodes",
                quoted(&functions[at].name)
            )));
        }
        for caller in std::mem::take(&mut callers[at]) {
            nodes[caller] = nodes[caller].saturating_add(nodes[at]);
            open[caller] -= 1;
            if open[caller] == 0 {
                ready.push(caller);
            }
        }
    }
    if let Some(at) = open.iter().position(|open| *open > 0) {
        return Err(Error::model(format!(
            "function {} calls itself, directly or through others",
            quoted(&functions[at].name)
        )));
    }
    Ok(known.into_keys().collect())
}

/// Checks nodes and the values between them.
struct Nodes<'a> {
    opset: i64,
    functions: &'a HashSet<Function<'a>>,
    foreign: HashMap<(&'a str, &'a str), Foreign>,
}

/// Who makes a value.
#[derive(Clone, Copy)]
enum Maker {
    /// An input or initializer.
    Given,
    Node(usize),
}

/// What one graph turned out to need.
struct Needs<'a> {
    /// Values of the graphs around it.
    captured: Vec<&'a str>,
    /// The order to run its nodes in, where that is not the order they are in.
    order: Option<Vec<usize>>,
}

impl<'a> Nodes<'a> {
    fn of_function(&mut self, function: &'a FunctionProto) -> Result<(), Error> {
        let whole = self.opset;
        if let Some(own) = opset(&function.opset_import, "the function")? {
            self.opset = own;
        }
        let given = function.input.iter().map(String::as_str);
        let needs = self.of_nodes(&function.node, given, &[], &function.output, &mut Vec::new());
        self.opset = whole;
        needs.map(|_| ())
    }

    fn of_graph(
        &mut self,
        graph: &'a GraphProto,
        outer: &mut Vec<HashMap<&'a str, Maker>>,
    ) -> Result<Needs<'a>, Error> {
        let mut inputs = HashSet::with_capacity(graph.input.len());
        for input in &graph.input {
            if input.name.is_empty() {
                return Err(Error::model("an input of the graph has no name"));
            }
            if !inputs.insert(input.name.as_str()) {
                return Err(Error::model(format!("input {} is there twice", quoted(&input.name))));
            }
        }
        let mut weights = HashSet::with_capacity(graph.initializer.len());
        let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
        for tensor in graph.initializer.iter().chain(sparse) {
            if !weights.insert(tensor.name.as_str()) {
                return Err(Error::model(format!("tensor {} is there twice", quoted(&tensor.name))));
            }
        }
        let weights: Vec<&str> = weights.into_iter().collect();
        let outputs = graph.output.iter().map(|output| &output.name);
        self.of_nodes(&graph.node, inputs.into_iter(), &weights, outputs, outer)
    }

    fn of_nodes(
        &mut self,
        nodes: &'a [NodeProto],
        inputs: impl Iterator<Item = &'a str>,
        weights: &[&'a str],
        outputs: impl IntoIterator<Item = &'a String>,
        outer: &mut Vec<HashMap<&'a str, Maker>>,
    ) -> Result<Needs<'a>, Error> {
        let mut made: HashMap<&'a str, Maker> = inputs.map(|name| (name, Maker::Given)).collect();
        // A default for an input has the input's name.
        made.extend(weights.iter().map(|name| (*name, Maker::Given)));
        for (at, node) in nodes.iter().enumerate() {
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                if outer.iter().any(|scope| scope.contains_key(output.as_str())) {
                    return Err(Error::model(format!(
                        "{} makes value {}, which a graph around it makes too",
                        node_shown(at, node),
                        quoted(output)
                    )));
                }
                match made.insert(output, Maker::Node(at)) {
                    None => {}
                    Some(Maker::Given) => {
                        return Err(Error::model(format!(
                            "{} makes value {}, which is already an input or a tensor of the graph",
                            node_shown(at, node),
                            quoted(output)
                        )));
                    }
                    Some(Maker::Node(other)) => {
                        return Err(Error::model(format!(
                            "value {} is made twice, by {} and by {}",
                            quoted(output),
                            node_shown(other, &nodes[other]),
                            node_shown(at, node)
                        )));
                    }
                }
            }
        }
        outer.push(made);
        let mut edges = Edges { before: vec![Vec::new(); nodes.len()], sorted: true };
        let mut captured = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            self.operator(at, node)?;
            for input in node.input.iter().filter(|name| !name.is_empty()) {
                needs(outer, &mut captured, &mut edges, at, node, input)?;
            }
            for attribute in &node.attribute {
                for graph in attribute.g.iter().chain(&attribute.graphs) {
                    let inner = self.of_graph(graph, outer).map_err(|error| {
                        error.within(format!(
                            "{}, attribute {}",
                            node_shown(at, node),
                            quoted(&attribute.name)
                        ))
                    })?;
                    if inner.order.is_some() {
                        return Err(Error::model(format!(
                            "the nodes of attribute {} of {} are not in the order to run; onnx.checker refuses \
                             that too",
                            quoted(&attribute.name),
                            node_shown(at, node)
                        )));
                    }
                    for name in inner.captured {
                        needs(outer, &mut captured, &mut edges, at, node, name)?;
                    }
                }
            }
        }
        let mut many = HashSet::new();
        for output in outputs {
            if output.is_empty() {
                return Err(Error::model("an output has no name"));
            }
            if !many.insert(output.as_str()) {
                return Err(Error::model(format!("output {} is there twice", quoted(output))));
            }
            let mut scopes = outer.iter().rev();
            if scopes.next().is_some_and(|own| own.contains_key(output.as_str())) {
                continue;
            }
            if !scopes.any(|scope| scope.contains_key(output.as_str())) {
                return Err(Error::model(format!("output {} is made by no node", quoted(output))));
            }
            captured.push(output);
        }
        outer.pop();
        let order = if edges.sorted { None } else { Some(order(nodes, &edges.before)?) };
        Ok(Needs { captured, order })
    }

    fn operator(&mut self, at: usize, node: &'a NodeProto) -> Result<(), Error> {
        if node.op_type.is_empty() {
            return Err(Error::model(format!("node {at} has no operator")));
        }
        let mut seen = HashSet::new();
        for attribute in &node.attribute {
            if !seen.insert(attribute.name.as_str()) {
                return Err(Error::model(format!(
                    "{} has attribute {} twice",
                    node_shown(at, node),
                    quoted(&attribute.name)
                )));
            }
            let mut numbers = attribute.floats.iter().chain(std::iter::once(&attribute.f));
            if is_onnx(&node.domain) && numbers.any(|number| number.is_nan()) {
                return Err(Error::model(format!(
                    "attribute {} of {} is NaN",
                    quoted(&attribute.name),
                    node_shown(at, node)
                )));
            }
        }
        if self.functions.contains(&called(node)) {
            return Ok(());
        }
        if !is_onnx(&node.domain) {
            self.foreign
                .entry((&node.domain, &node.op_type))
                .or_insert_with(|| Foreign {
                    domain: node.domain.clone(),
                    operator: node.op_type.clone(),
                    node: node_shown(at, node),
                    count: 0,
                })
                .count += 1;
            return Ok(());
        }
        let (shown, opset) = (node_shown(at, node), self.opset);
        if opset == 0 {
            return Err(Error::model(format!("it states no opset of ai.onnx, but {shown} is of it")));
        }
        let why = match (operators::since(&node.op_type), operators::withdrawn(&node.op_type)) {
            (None, _) => format!("an operator that ONNX does not have (domain ai.onnx, opset {opset})"),
            (Some(since), _) if since > opset => {
                format!("an operator that ai.onnx has since opset {since}; the file states opset {opset}")
            }
            (_, Some((since, instead))) if opset >= since => {
                format!(
                    "an operator that ai.onnx has no more since opset {since}, `{instead}` took its place; the \
                     file states opset {opset}"
                )
            }
            _ => return Ok(()),
        };
        Err(Error::model(format!("{shown} asks for {why}")))
    }
}

/// Which nodes must run before which.
struct Edges {
    before: Vec<Vec<usize>>,
    sorted: bool,
}

fn needs<'a>(
    scopes: &[HashMap<&'a str, Maker>],
    captured: &mut Vec<&'a str>,
    edges: &mut Edges,
    at: usize,
    node: &NodeProto,
    name: &'a str,
) -> Result<(), Error> {
    let mut scopes = scopes.iter().rev();
    match scopes.next().and_then(|own| own.get(name)) {
        Some(Maker::Given) => {}
        Some(Maker::Node(maker)) => {
            edges.sorted &= *maker < at;
            edges.before[at].push(*maker);
        }
        None if scopes.any(|scope| scope.contains_key(name)) => captured.push(name),
        None => {
            return Err(Error::model(format!(
                "{} uses value {}, which nothing makes",
                node_shown(at, node),
                quoted(name)
            )));
        }
    }
    Ok(())
}

/// An order in which every node comes after those it needs; the order they are in where that is one.
fn order(nodes: &[NodeProto], before: &[Vec<usize>]) -> Result<Vec<usize>, Error> {
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut open: Vec<usize> = before.iter().map(Vec::len).collect();
    for (at, before) in before.iter().enumerate() {
        for maker in before {
            after[*maker].push(at);
        }
    }
    let mut ready: std::collections::BinaryHeap<std::cmp::Reverse<usize>> =
        (0..nodes.len()).filter(|at| open[*at] == 0).map(std::cmp::Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(std::cmp::Reverse(at)) = ready.pop() {
        order.push(at);
        for user in std::mem::take(&mut after[at]) {
            open[user] -= 1;
            if open[user] == 0 {
                ready.push(std::cmp::Reverse(user));
            }
        }
    }
    let Some(first) = open.iter().position(|open| *open > 0) else {
        return Ok(order);
    };
    // Every node left needs another that is left: following them comes round.
    let (mut path, mut seen, mut at) = (Vec::new(), HashSet::new(), first);
    while seen.insert(at) {
        path.push(at);
        match before[at].iter().find(|maker| open[**maker] > 0) {
            Some(maker) => at = *maker,
            None => break,
        }
    }
    let start = path.iter().position(|one| *one == at).unwrap_or(0);
    let round: Vec<String> = path[start..].iter().take(4).map(|at| node_shown(*at, &nodes[*at])).collect();
    let more =
        if path.len() - start > 4 { format!(" and {} more", path.len() - start - 4) } else { String::new() };
    Err(Error::model(format!("nodes wait for one another in a circle: {}{more}", round.join(", "))))
}

/// The main graph's inputs and outputs, if a model can have such.
fn ports(graph: &GraphProto) -> Result<(Vec<Declared>, Vec<Declared>), Error> {
    let mut given: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
    given.extend(sparse.map(|tensor| tensor.name.as_str()));
    let declare = |value: &ValueInfoProto, what: &str| {
        facts::declared(value).map_err(|why| Error::model(format!("{what} {} {why}", quoted(&value.name))))
    };
    let inputs = || graph.input.iter().filter(|input| !given.contains(input.name.as_str()));
    let (ins, outs) = (inputs().count(), graph.output.len());
    if ins > MOST_PORTS || outs > MOST_PORTS {
        return Err(Error::model(format!(
            "the graph has {ins} inputs and {outs} outputs; it has {MOST_PORTS} of either at most"
        )));
    }
    let inputs: Vec<Declared> =
        inputs().map(|input| declare(input, "input")).collect::<Result<_, Error>>()?;
    let outputs: Vec<Declared> =
        graph.output.iter().map(|output| declare(output, "output")).collect::<Result<_, Error>>()?;
    if outputs.is_empty() {
        return Err(Error::model("the graph has no output"));
    }
    Ok((inputs, outputs))
}

/// Operators whose tensors are weights, where nothing infinite belongs. Elsewhere it may: in masks, as the
/// bounds of a `Clip`, as the padding of a maximum.
fn weighs(operator: &str) -> bool {
    matches!(
        operator,
        "Conv"
            | "ConvTranspose"
            | "DeformConv"
            | "Gemm"
            | "MatMul"
            | "BatchNormalization"
            | "InstanceNormalization"
            | "LayerNormalization"
            | "GroupNormalization"
            | "RMSNormalization"
            | "PRelu"
            | "LSTM"
            | "GRU"
            | "RNN"
    )
}

/// Refuses NaN in any tensor, and infinities among weights.
pub(super) fn weights(model: &ModelProto) -> Result<(), Error> {
    tensors::each(model, &mut |place, tensor| {
        // What NaN means to operators of other domains is theirs to say: the trees of `ai.onnx.ml` have it.
        let ours = !matches!(place, Place::Attribute { node, .. } if !is_onnx(&node.domain));
        let Some(at) = first(tensor, not_a_number).filter(|_| ours) else {
            return Ok(());
        };
        Err(Error::model(format!(
            "{}: value {at} is NaN; the file is damaged, or its training came to nothing",
            place.shown(tensor)
        )))
    })?;
    model.graph.as_ref().map_or(Ok(()), weights_of)
}

fn weights_of(graph: &GraphProto) -> Result<(), Error> {
    let mut users: HashMap<&str, usize> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate().filter(|(_, node)| weighs(&node.op_type)) {
        for input in node.input.iter().filter(|name| !name.is_empty()) {
            users.entry(input).or_insert(at);
        }
    }
    for tensor in &graph.initializer {
        if let Some(at) = users.get(tensor.name.as_str())
            && let Some(value) = first(tensor, infinite)
        {
            return Err(Error::model(format!(
                "tensor {}: value {value} is infinite, and {} takes it for a weight; the file is damaged, or its \
                 training came to nothing",
                quoted(&tensor.name),
                node_shown(*at, &graph.node[*at])
            )));
        }
    }
    let inner = graph.node.iter().flat_map(|node| &node.attribute);
    inner.flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)).try_for_each(weights_of)
}

/// By bits, less the sign: above infinity's are the NaNs.
fn not_a_number(magnitude: u64, infinity: u64) -> bool {
    magnitude > infinity
}

fn infinite(magnitude: u64, infinity: u64) -> bool {
    magnitude >= infinity
}

/// The first value of a floating-point tensor whose bits, less the sign, `is` says so of.
fn first(tensor: &TensorProto, is: impl Fn(u64, u64) -> bool + Copy) -> Option<usize> {
    let raw = &tensor.raw_data[..];
    // The last argument of `is`: infinity's bits.
    let half = |infinity| {
        search(raw, |bytes| is(u64::from(u16::from_le_bytes(bytes) & 0x7fff), infinity)).or_else(|| {
            tensor.int32_data.iter().position(|value| is(u64::from(*value as u16 & 0x7fff), infinity))
        })
    };
    match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float => {
            let is = |bits: u32| is(u64::from(bits & 0x7fff_ffff), 0x7f80_0000);
            search(raw, |bytes| is(u32::from_le_bytes(bytes)))
                .or_else(|| tensor.float_data.iter().position(|value| is(value.to_bits())))
        }
        DataType::Double => {
            let is = |bits: u64| is(bits & (u64::MAX >> 1), 0x7ff0_0000_0000_0000);
            search(raw, |bytes| is(u64::from_le_bytes(bytes)))
                .or_else(|| tensor.double_data.iter().position(|value| is(value.to_bits())))
        }
        DataType::Float16 => half(0x7c00),
        DataType::Bfloat16 => half(0x7f80),
        _ => None,
    }
}

/// The first of many numbers that `is` says so of. Blocks are looked at whole, without a branch a number, so
/// that compilers make vectors of them: a gigabyte takes a fraction of a second.
fn search<const BYTES: usize>(raw: &[u8], is: impl Fn([u8; BYTES]) -> bool) -> Option<usize> {
    const BLOCK: usize = 1024;
    let numbers = raw.as_chunks::<BYTES>().0;
    for (block, many) in numbers.chunks(BLOCK).enumerate() {
        if many.iter().fold(false, |any, bytes| any | is(*bytes)) {
            return many.iter().position(|bytes| is(*bytes)).map(|at| block * BLOCK + at);
        }
    }
    None
}
