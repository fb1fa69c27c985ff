//! Local functions put in place of the nodes that call them: rten has no functions.

use std::collections::{HashMap, HashSet};

use super::super::super::onnx::proto::{FunctionProto, GraphProto, ModelProto, NodeProto};

/// Functions inside functions, at most.
const DEEPEST: usize = 16;
/// Nodes that a graph may grow to.
const MOST: usize = 100_000;

/// Replaces every call of a local function by the function's nodes. Says why where it cannot.
pub(super) fn inlined(model: &mut ModelProto) -> Result<bool, String> {
    if model.functions.is_empty() {
        return Ok(false);
    }
    let functions = std::mem::take(&mut model.functions);
    let versions: HashMap<String, i64> =
        model.opset_import.iter().map(|set| (domain(&set.domain).to_owned(), set.version)).collect();
    let Some(graph) = model.graph.as_mut() else { return Ok(true) };
    let mut inliner = Inliner { functions: &functions, versions: &versions, made: 0 };
    for _ in 0..DEEPEST {
        if !inliner.graph(graph)? {
            return Ok(true);
        }
    }
    Err(format!("its local functions call each other more than {DEEPEST} deep"))
}

fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

struct Inliner<'a> {
    functions: &'a [FunctionProto],
    versions: &'a HashMap<String, i64>,
    /// Calls replaced so far: names inside each get its number.
    made: usize,
}

impl Inliner<'_> {
    /// One level of calls; whether there was any.
    fn graph(&mut self, graph: &mut GraphProto) -> Result<bool, String> {
        let mut any = false;
        let mut nodes = Vec::with_capacity(graph.node.len());
        for mut node in std::mem::take(&mut graph.node) {
            for attribute in &mut node.attribute {
                if let Some(inner) = attribute.g.as_mut() {
                    any |= self.graph(inner)?;
                }
                for inner in &mut attribute.graphs {
                    any |= self.graph(inner)?;
                }
            }
            let called = self.functions.iter().find(|function| {
                function.name == node.op_type && domain(&function.domain) == domain(&node.domain)
            });
            match called {
                Some(function) => {
                    any = true;
                    nodes.extend(self.body(function, &node)?);
                }
                None => nodes.push(node),
            }
            if nodes.len() > MOST {
                return Err(format!("its local functions make more than {MOST} nodes"));
            }
        }
        graph.node = nodes;
        Ok(any)
    }

    fn body(&mut self, function: &FunctionProto, call: &NodeProto) -> Result<Vec<NodeProto>, String> {
        let shown = &function.name;
        for set in &function.opset_import {
            if let Some(version) = self.versions.get(domain(&set.domain))
                && *version != set.version
            {
                return Err(format!(
                    "local function `{shown}` is written for opset {} and the graph for {version}",
                    set.version
                ));
            }
        }
        self.made += 1;
        let number = self.made;
        let mut names: HashMap<&str, String> = HashMap::new();
        for (index, name) in function.input.iter().enumerate() {
            names.insert(name, call.input.get(index).cloned().unwrap_or_default());
        }
        for (index, name) in function.output.iter().enumerate() {
            let outer = call.output.get(index).filter(|name| !name.is_empty()).cloned();
            names.insert(name, outer.unwrap_or_else(|| format!("{shown}.{number}.{name}")));
        }
        let inputs: HashSet<&str> = function.input.iter().map(String::as_str).collect();
        if function.output.iter().any(|output| inputs.contains(output.as_str())) {
            return Err(format!("local function `{shown}` gives an input back as its output"));
        }
        let mut nodes = Vec::with_capacity(function.node.len());
        for node in &function.node {
            let mut node = node.clone();
            if node.attribute.iter().any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty()) {
                return Err(format!("local function `{shown}` has a graph inside it, in {}", node.op_type));
            }
            let rename = |name: &mut String| {
                if !name.is_empty() {
                    *name = names
                        .get(name.as_str())
                        .cloned()
                        .unwrap_or_else(|| format!("{shown}.{number}.{name}"));
                }
            };
            node.input.iter_mut().for_each(rename);
            node.output.iter_mut().for_each(rename);
            node.name = format!("{}/{}", call.name, node.name);
            let attributes = std::mem::take(&mut node.attribute);
            for mut attribute in attributes {
                if attribute.ref_attr_name.is_empty() {
                    node.attribute.push(attribute);
                    continue;
                }
                let wanted = std::mem::take(&mut attribute.ref_attr_name);
                let given =
                    call.attribute.iter().chain(&function.attribute_proto).find(|known| known.name == wanted);
                // An attribute that neither the call nor the function gives a value is left out, as ONNX says.
                if let Some(given) = given {
                    let mut given = given.clone();
                    given.name = attribute.name;
                    node.attribute.push(given);
                }
            }
            nodes.push(node);
        }
        Ok(nodes)
    }
}
