//! Files that are wrong in one way each.

use super::*;

#[test]
fn the_small_model_is_right() {
    let graph = read(&small()).unwrap();
    assert_eq!((graph.opset, graph.main().node.len()), (13, 2));
    assert_eq!(graph.inputs[0].shown, "float32 1x3x4x4");
    assert_eq!(graph.outputs[0].shape.as_deref(), Some(&[1, 2, 4, 4].map(Size::Fixed)[..]));
    assert!(graph.foreign.is_empty() && graph.unheld.is_empty());
}

#[test]
fn what_is_no_onnx_file_is_called_what_it_is() {
    assert_eq!(refused_bytes(Vec::new()), "it is empty");
    assert!(refused_bytes(&b"<!DOCTYPE html><html><body>404"[..]).contains("a web page"));
    assert!(
        refused_bytes(&b"version https://git-lfs.github.com/spec/v1\noid sha256:0"[..]).contains("Git LFS")
    );
    assert!(refused_bytes(&b"PK\x03\x04archive/data.pkl"[..]).contains("PyTorch"));
    assert!(refused_bytes(&b"\x1c\0\0\0TFL3\0\0"[..]).contains("TensorFlow Lite"));
    assert!(refused_bytes(&b"\0\0\0\0"[..]).contains("not a whole ONNX file"));
    assert!(refused_bytes(&b"\x08\x07"[..]).contains("holds no graph"));
    let mut dice = mutate::Dice(3);
    for length in 0..2000 {
        let noise: Vec<u8> = (0..length).map(|_| dice.next() as u8).collect();
        refused_bytes(noise);
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = small().encode_to_vec();
    for end in 0..bytes.len() {
        refused_bytes(bytes[..end].to_vec());
    }
}

#[test]
fn opsets_are_stated_known_and_not_too_old() {
    let opset = |version| refused(|model| model.opset_import[0].version = version);
    assert!(refused(|model| model.opset_import.clear()).contains("states no opset of ai.onnx"));
    assert_eq!(opset(0), "it states opset 0; there are opsets 1 to 27");
    assert!(opset(-3).contains("states opset -3"));
    assert!(opset(6).starts_with("it states opset 6, whose operators mean other things than those of 7"));
    assert!(opset(31).starts_with("it states opset 31, but the newest known is 27"));
    let two = refused(|model| {
        model.opset_import.push(OperatorSetIdProto { domain: "ai.onnx".to_owned(), version: 12 });
    });
    assert_eq!(two, "it states two opsets of ai.onnx");
}

#[test]
fn operators_exist_in_the_opset_stated() {
    let operator = |operator: &str| refused(|model| graph_of(model).node[1].op_type = operator.to_owned());
    assert_eq!(
        operator("Frobnicate"),
        "node `relu` (Frobnicate) asks for an operator that ONNX does not have (domain ai.onnx, opset 13)"
    );
    assert!(operator("Mish").ends_with("that ai.onnx has since opset 18; the file states opset 13"));
    assert!(operator("Upsample").contains("has no more since opset 10, `Resize` took its place"));
    assert_eq!(operator(""), "node 1 has no operator");
}

#[test]
fn operators_of_other_domains_are_listed() {
    let mut model = small();
    graph_of(&mut model).node[1].domain = "com.microsoft".to_owned();
    let graph = read(&model).unwrap();
    let one = &graph.foreign[0];
    assert_eq!((one.domain.as_str(), one.operator.as_str(), one.count), ("com.microsoft", "Relu", 1));
    assert_eq!(one.node, "node `relu` (Relu)");
}

#[test]
fn a_cycle_is_named_node_by_node() {
    let text = refused(|model| {
        let graph = graph_of(model);
        graph.node[0].input[0] = "y".to_owned();
    });
    assert_eq!(text, "nodes wait for one another in a circle: node `conv` (Conv), node `relu` (Relu)");
    let own = refused(|model| graph_of(model).node[1].input[0] = "y".to_owned());
    assert_eq!(own, "nodes wait for one another in a circle: node `relu` (Relu)");
}

#[test]
fn nodes_out_of_order_are_put_in_order() {
    let mut model = small();
    graph_of(&mut model).node.reverse();
    let graph = read(&model).unwrap();
    let names: Vec<&str> = graph.main().node.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["conv", "relu"]);
}

#[test]
fn values_are_made_once_and_before_they_are_used() {
    let unknown = refused(|model| graph_of(model).node[0].input[1] = "nowhere".to_owned());
    assert_eq!(unknown, "node `conv` (Conv) uses value `nowhere`, which nothing makes");
    let twice = refused(|model| graph_of(model).node[1].output[0] = "c".to_owned());
    assert_eq!(twice, "value `c` is made twice, by node `conv` (Conv) and by node `relu` (Relu)");
    let input = refused(|model| graph_of(model).node[1].output[0] = "x".to_owned());
    assert!(input.contains("makes value `x`, which is already an input"));
    let weight = refused(|model| {
        let again = graph_of(model).initializer[0].clone();
        graph_of(model).initializer.push(again);
    });
    assert_eq!(weight, "tensor `w` is there twice");
}

#[test]
fn outputs_exist() {
    let missing = refused(|model| graph_of(model).output[0].name = "z".to_owned());
    assert_eq!(missing, "output `z` is made by no node");
    assert_eq!(refused(|model| graph_of(model).output.clear()), "the graph has no output");
    let twice = refused(|model| {
        let again = graph_of(model).output[0].clone();
        graph_of(model).output.push(again);
    });
    assert_eq!(twice, "output `y` is there twice");
}

#[test]
fn inputs_and_outputs_are_tensors_of_numbers() {
    for (what, text) in [
        (TypeValue::Sequence(NoTensor {}), "input `x` is a sequence"),
        (TypeValue::Map(NoTensor {}), "input `x` is a map"),
        (TypeValue::Optional(NoTensor {}), "input `x` is optional"),
        (TypeValue::SparseTensor(NoTensor {}), "input `x` is a sparse tensor"),
    ] {
        let said = refused(|model| graph_of(model).input[0].r#type = Some(TypeProto { value: Some(what) }));
        assert!(said.starts_with(text), "{said}");
    }
    let strings = refused(|model| graph_of(model).input[0] = value_of("x", DataType::String, vec![axis(1)]));
    assert!(strings.starts_with("input `x` holds strings"));
    let output = refused(|model| graph_of(model).output[0] = value_of("y", DataType::String, vec![axis(1)]));
    assert!(output.starts_with("output `y` holds strings"));
    let weights = refused(|model| {
        graph_of(model).initializer.push(TensorProto {
            name: "words".to_owned(),
            data_type: DataType::String as i32,
            dims: vec![1],
            string_data: vec![Bytes::from_static(b"cat")],
            ..TensorProto::default()
        });
    });
    assert_eq!(weights, "tensor `words` holds strings; a vision model takes numbers only");
    assert_eq!(refused(|model| graph_of(model).input[0].r#type = None), "input `x` has no type");
}

#[test]
fn a_tensor_of_two_gigabytes_declared_in_a_small_file_is_refused() {
    let text = refused(|model| graph_of(model).initializer[0].dims = vec![512, 1024, 1024]);
    assert_eq!(
        text,
        "tensor `w` is declared as float32 512x1024x1024, which takes 2147483648 bytes, but holds 24"
    );
}

#[test]
fn tensors_hold_what_their_shapes_say() {
    let dims = |dims: &[i64]| refused(|model| graph_of(model).initializer[0].dims = dims.to_vec());
    assert!(dims(&[-1, 3]).contains("has an axis of -1"));
    assert!(dims(&[i64::MAX]).contains("has an axis of"));
    assert!(dims(&[1 << 30, 1 << 30, 1 << 30]).contains("more values than can be counted"));
    assert!(dims(&[0]).contains("takes 0 bytes, but holds 24"));
    assert!(dims(&[]).contains("takes 4 bytes, but holds 24"));
    let none = refused(|model| graph_of(model).initializer[0].raw_data = Bytes::new());
    assert_eq!(none, "tensor `w` is declared as float32 2x3x1x1 but holds no values");
    let both = refused(|model| graph_of(model).initializer[0].float_data = vec![1.0; 6]);
    assert_eq!(both, "tensor `w` stores its values twice, in `raw_data` and in `float_data`");
    let wrong = refused(|model| {
        let tensor = &mut graph_of(model).initializer[0];
        tensor.raw_data = Bytes::new();
        tensor.int64_data = vec![1; 6];
    });
    assert_eq!(wrong, "tensor `w` is of type float32 but stores its values in `int64_data`");
    let kind = refused(|model| graph_of(model).initializer[0].data_type = 99);
    assert_eq!(kind, "tensor `w` is of type 99, which ONNX does not have");
    let constant = refused(|model| {
        let mut constant = node("c0", "Constant", &[], &["k"]);
        let tensor = floats("", &[7], &[0.0]);
        constant.attribute.push(AttributeProto {
            name: "value".to_owned(),
            t: Some(tensor),
            ..Default::default()
        });
        graph_of(model).node.push(constant);
    });
    assert!(constant.starts_with("the tensor in attribute `value` of node `c0` (Constant) is declared as"));
}

#[test]
fn types_that_nothing_computes_with_are_listed() {
    let mut model = small();
    graph_of(&mut model).initializer.push(TensorProto {
        name: "tiny".to_owned(),
        data_type: DataType::Int4 as i32,
        dims: vec![3],
        raw_data: Bytes::from_static(&[0x21, 0x03]),
        ..TensorProto::default()
    });
    let graph = read(&model).unwrap();
    assert_eq!(graph.unheld, [Unheld { place: "tensor `tiny`".to_owned(), element: "int4" }]);
}

#[test]
fn weights_that_are_nan_or_infinite_are_refused_with_their_place() {
    let with = |value: f32| {
        let mut values = vec![0.5; 6];
        values[4] = value;
        move |model: &mut ModelProto| graph_of(model).initializer[0] = floats("w", &[2, 3, 1, 1], &values)
    };
    assert!(refused(with(f32::NAN)).starts_with("tensor `w`: value 4 is NaN"));
    assert!(
        refused(with(f32::NEG_INFINITY))
            .starts_with("tensor `w`: value 4 is infinite, and node `conv` (Conv) takes it for a weight")
    );
    // The bound of a Clip may be infinite.
    let mut model = small();
    let graph = graph_of(&mut model);
    graph.initializer.push(floats("most", &[], &[f32::INFINITY]));
    graph.node[1] = node("clip", "Clip", &["c", "", "most"], &["y"]);
    read(&model).unwrap();
    let half = refused(|model| {
        graph_of(model).initializer.push(TensorProto {
            name: "half".to_owned(),
            data_type: DataType::Float16 as i32,
            dims: vec![3],
            int32_data: vec![0x3c00, 0x7c00, 0xfe01],
            ..TensorProto::default()
        });
    });
    assert!(half.starts_with("tensor `half`: value 2 is NaN"));
    let far = refused(|model| {
        let mut values = vec![0.0; 5000];
        values[4999] = -f32::NAN;
        graph_of(model).initializer.push(floats("far", &[5000], &values));
    });
    assert!(far.starts_with("tensor `far`: value 4999 is NaN"));
    let constant = refused(|model| {
        graph_of(model).node[1].attribute.push(AttributeProto {
            name: "alpha".to_owned(),
            f: f32::NAN,
            ..AttributeProto::default()
        });
    });
    assert_eq!(constant, "attribute `alpha` of node `relu` (Relu) is NaN");
}

#[test]
fn graphs_within_graphs_are_bounded() {
    fn nested(depth: usize) -> ModelProto {
        let mut model = small();
        let inner = (0..depth).fold(None, |inner: Option<GraphProto>, level| {
            let name = format!("v{level}");
            let mut leaf = node("leaf", "Identity", &["x"], &[&name]);
            if let Some(inner) = inner {
                leaf = node("branch", "If", &["x"], &[&name]);
                leaf.attribute.push(attribute("then_branch", inner));
            }
            Some(GraphProto { node: vec![leaf], output: vec![value(&name, &[1])], ..GraphProto::default() })
        });
        let mut branch = node("branch", "If", &["x"], &["b"]);
        branch.attribute.extend(inner.map(|inner| attribute("then_branch", inner)));
        graph_of(&mut model).node.push(branch);
        model
    }
    read(&nested(8)).unwrap();
    assert!(
        refused_bytes(nested(9).encode_to_vec()).starts_with("graphs lie within graphs more than 8 deep")
    );
    // So deep that decoding it would run out of stack, were it tried.
    let mut graph = Vec::new();
    for _ in 0..3_000 {
        let attribute = field(0x32, &graph);
        graph = field(0x0a, &field(0x2a, &attribute));
    }
    assert!(refused_bytes(field(0x3a, &graph)).starts_with("graphs lie within graphs more than 8 deep"));
}

#[test]
fn subgraphs_see_the_values_around_them_and_shadow_none() {
    let inner = |uses: &str, makes: &str| GraphProto {
        node: vec![node("inner", "Relu", &[uses], &[makes])],
        output: vec![value(makes, &[1])],
        ..GraphProto::default()
    };
    let with = |uses: &'static str, makes: &'static str| {
        move |model: &mut ModelProto| {
            let mut branch = node("branch", "If", &["c"], &["b"]);
            branch.attribute.push(attribute("then_branch", inner(uses, makes)));
            // First, though it needs `c` and so comes second.
            graph_of(model).node.insert(0, branch);
        }
    };
    let mut model = small();
    with("c", "i")(&mut model);
    let graph = read(&model).unwrap();
    assert_eq!(graph.main().node[1].name, "branch");
    let unknown = refused(with("nowhere", "i"));
    assert_eq!(
        unknown,
        "node `branch` (If), attribute `then_branch`: node `inner` (Relu) uses value `nowhere`, which nothing makes"
    );
    assert!(refused(with("c", "y")).contains("makes value `y`, which a graph around it makes too"));
    // A value captured from outside waits for its maker, which here waits for the branch.
    let circle = refused(|model| {
        with("y", "i")(model);
        graph_of(model).node[2].input[0] = "b".to_owned();
    });
    assert!(circle.starts_with("nodes wait for one another in a circle"), "{circle}");
}

#[test]
fn functions_may_not_call_themselves_or_unfold_without_end() {
    let function = |name: &str, calls: &[&str]| FunctionProto {
        name: name.to_owned(),
        domain: "local".to_owned(),
        input: vec!["a".to_owned()],
        output: vec!["o0".to_owned()],
        node: calls
            .iter()
            .enumerate()
            .map(|(at, callee)| NodeProto {
                domain: if *callee == "Relu" { String::new() } else { "local".to_owned() },
                ..node("", callee, &["a"], &[&format!("o{at}")])
            })
            .collect(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        ..FunctionProto::default()
    };
    let mut model = small();
    model.functions = vec![function("twice", &["once", "once"]), function("once", &["Relu"])];
    graph_of(&mut model).node[1] =
        NodeProto { domain: "local".to_owned(), ..node("call", "twice", &["c"], &["y"]) };
    assert!(read(&model).unwrap().foreign.is_empty());
    let own = refused(|model| model.functions = vec![function("f", &["g"]), function("g", &["f"])]);
    assert_eq!(own, "function `f` calls itself, directly or through others");
    let names: Vec<String> = (0..41).map(|at| format!("f{at}")).collect();
    let bomb = refused(|model| {
        model.functions = names.windows(2).map(|pair| function(&pair[0], &[&pair[1], &pair[1]])).collect();
        model.functions.push(function("f40", &["Relu"]));
    });
    assert!(bomb.contains("calls others until there are more than 1000000 nodes"), "{bomb}");
    let unknown = refused(|model| model.functions = vec![function("f", &["Relu"]); 2]);
    assert_eq!(unknown, "function `f` is there twice");
    let inside = refused(|model| {
        model.functions = vec![function("f", &["Relu"])];
        model.functions[0].node[0].input[0] = "x".to_owned();
    });
    assert_eq!(inside, "function `f`: node 0 (Relu) uses value `x`, which nothing makes");
}

#[test]
fn a_million_of_nothing_costs_nothing() {
    let file = |entry: &[u8], times: usize| field(0x3a, &entry.repeat(times));
    let many = "its nodes, attributes and names would take more than 80 MiB in memory";
    // Nodes, with and without an empty attribute each; tensors, inputs, values; functions.
    let text = refused_bytes(file(b"\x0a\x00", 1_200_000));
    assert_eq!(text, "it has more than 50000 nodes; this is no graph of a vision model");
    for entry in [&b"\x2a\x00"[..], b"\x5a\x00", b"\x6a\x00"] {
        let text = refused_bytes(file(entry, 1_200_000));
        assert!(text.starts_with(many), "{text}");
    }
    let text = refused_bytes(b"\xca\x01\x00".repeat(1_200_000));
    assert_eq!(text, "it has more than 10000 functions; this is no graph of a vision model");
    // Fewer nodes than that, with attributes.
    let text = refused_bytes(file(b"\x0a\x02\x2a\x00", 49_000));
    assert!(text.starts_with(many), "{text}");
    // One node with as many empty inputs, and one tensor with as many axes.
    let text = refused_bytes(file(&field(0x0a, &b"\x0a\x00".repeat(1_500_000)), 1));
    assert!(text.starts_with(many), "{text}");
    let text = refused_bytes(file(&field(0x2a, &field(0x0a, &[1; 11_000_000])), 1));
    assert!(text.starts_with(many), "{text}");
    let text = refused(|model| graph_of(model).node[0].attribute = vec![AttributeProto::default(); 100_000]);
    assert!(text.starts_with(many), "{text}");
    // Numbers of one byte that become eight each, for a tensor that has room for none of them.
    let text = refused(|model| graph_of(model).initializer[0].int64_data = vec![1; 1_000_000]);
    assert_eq!(text, "tensor `w` holds 1000000 values, which is not what its shape says");
}

#[test]
fn long_chains_take_linear_time() {
    // As many nodes as are let through. Each needs the one before; the last is first in the file.
    let mut model = small();
    let graph = graph_of(&mut model);
    graph.node = (0..40_000)
        .rev()
        .map(|at| {
            let before = if at == 0 { "x".to_owned() } else { at.to_string() };
            node("", "Relu", &[&before], &[&if at == 39_999 { "y".to_owned() } else { (at + 1).to_string() }])
        })
        .collect();
    let graph = read(&model).unwrap();
    assert_eq!(graph.main().node[0].input, ["x"]);
    assert_eq!(graph.main().node[39_999].output, ["y"]);
}

#[test]
fn names_that_would_deceive_are_refused_and_shown_escaped() {
    let clear = refused(|model| graph_of(model).node[0].name = "conv\u{1b}[2J".to_owned());
    assert_eq!(
        clear,
        "node `conv\\u{1b}[2J` has control or invisible characters in its name; rename it before it is exported"
    );
    let hidden = refused(|model| graph_of(model).input[0].name = "im\u{202e}age".to_owned());
    assert!(hidden.starts_with("value `im\\u{202e}age` has control or invisible"));
    let size = refused(|model| {
        graph_of(model).input[0] = value_of("x", DataType::Float, vec![open("a\nb")]);
    });
    assert!(size.starts_with("the axis `a\\u{a}b`"));
    let long = refused(|model| graph_of(model).node[0].name = "n".repeat(20_000));
    assert!(long.contains("has a name of 20000 bytes; it has 16384 at most") && long.len() < 300);
    // Letters of any language are fine.
    let mut model = small();
    graph_of(&mut model).node[0].name = "Faltung-für-größere-Bilder-畳み込み".to_owned();
    read(&model).unwrap();
}

#[test]
fn training_info_and_segments_are_refused() {
    let mut bytes = small().encode_to_vec();
    bytes.extend(b"\xa2\x01\x00");
    assert!(refused_bytes(bytes).starts_with("it holds training info"));
    // A file whose tensor has the field `segment`.
    let file = b"\x3a\x09\x2a\x07\x42\x01w\x1a\x02\x08\x01";
    assert_eq!(
        refused_bytes(&file[..]),
        "tensor `w` is stored in segments, which nothing writes or reads any more"
    );
}

#[test]
fn attributes_are_there_once() {
    let text = refused(|model| {
        let axis = AttributeProto { name: "axis".to_owned(), i: 1, ..AttributeProto::default() };
        graph_of(model).node[1].attribute = vec![axis.clone(), axis];
    });
    assert_eq!(text, "node `relu` (Relu) has attribute `axis` twice");
}
