"""Makes the zoo: exports every structure, replaces its weights by rules, and records what onnxruntime answers.

    pip install torch torchvision onnx==1.22.0 onnxscript onnxruntime
    python make.py [NAME…] [--full DIR]      # all without a name; --full keeps the filled files, with answers

Beside this file it writes NAME.onnx (compact, see fill.py) and an entry of `expected.json`.
"""

import argparse
import hashlib
import io
import json
import math
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import helper, numpy_helper

import fill
from calibrate import calibrate, run_node
from structures import ZOO

HERE = Path(__file__).parent
SAMPLES = 512
"""Most values recorded of one output."""
BUDGET = 180
"""Most values recorded of one model and input."""


def export(structure):
    """The graph as PyTorch's TorchScript exporter writes it, with whatever weights."""
    torch.manual_seed(1)
    network = structure.build().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # Kept batch norms do something; folded ones only scale.
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.6, 1.4)
            module.weight.data.uniform_(0.8, 1.2)
            module.bias.data.uniform_(-0.1, 0.1)
        elif isinstance(getattr(module, "bias", None), torch.nn.Parameter):
            # All different: the exporter joins equal tensors.
            module.bias.data.uniform_(-0.1, 0.1)
    example = torch.zeros(structure.shape, dtype=getattr(torch, structure.element))
    file = io.BytesIO()
    training = torch.onnx.TrainingMode.PRESERVE if structure.keep_batch_norm else torch.onnx.TrainingMode.EVAL
    axes = {name: {0: "batch"} for name in [structure.input, *structure.outputs]} if structure.open_batch else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (example,), file, opset_version=structure.opset, dynamo=False, training=training,
            input_names=[structure.input], output_names=structure.outputs, dynamic_axes=axes,
        )
    model = onnx.load_from_string(file.getvalue())
    parameters = sum(p.numel() for p in network.parameters())
    return tidy(model, structure.simplified), parameters


def uses_of(model):
    return Counter(name for node in model.graph.node for name in node.input)


def fold(model):
    """Computes what hangs on constants alone, as simplifiers do."""
    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if all(name in known for name in node.input if name):
            made = run_node(node, known, model.opset_import)
            known.update(made)
            for name, array in made.items():
                model.graph.initializer.append(numpy_helper.from_array(array, name))
        else:
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)


def join_pads(model):
    """Padding joins the convolution after it: asymmetric padding as TensorFlow's models have it."""
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    uses, pads = uses_of(model), {}
    for node in model.graph.node:
        if node.op_type == "Pad" and uses[node.output[0]] == 1 and node.input[1] in initializers:
            amounts = numpy_helper.to_array(initializers[node.input[1]])
            if len(amounts) == 8 and not amounts[[0, 1, 4, 5]].any():
                pads[node.output[0]] = (node, [int(amounts[i]) for i in (2, 3, 6, 7)])
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[0] in pads:
            pad, amounts = pads[node.input[0]]
            for attribute in node.attribute:
                if attribute.name == "pads":
                    attribute.ints[:] = [a + b for a, b in zip(attribute.ints, amounts)]
            node.input[0] = pad.input[0]
    joined = {name for name, uses in uses.items() if name in pads} - set(uses_of(model))
    for name in joined:
        model.graph.node.remove(pads[name][0])


def lean(model):
    """Leaves out what is so anyway."""
    usual = {"dilations": [1, 1], "group": 1, "auto_pad": b"NOTSET", "ceil_mode": 0}
    for node in model.graph.node:
        if node.op_type in ("Conv", "MaxPool", "AveragePool"):
            usual |= {"strides": [1, 1], "pads": [0, 0, 0, 0]}
        told = [a for a in node.attribute if a.name in usual and value_of(a) == usual[a.name]]
        for attribute in told:
            node.attribute.remove(attribute)


def value_of(attribute):
    value = helper.get_attribute_value(attribute)
    return list(value) if attribute.type == attribute.INTS else value


def tidy(model, simplified):
    """As the publishers' own export scripts leave it, with shorter names."""
    if simplified:
        fold(model)
        join_pads(model)
    uses = uses_of(model)
    for tensor in [tensor for tensor in model.graph.initializer if not uses[tensor.name]]:
        model.graph.initializer.remove(tensor)
    del model.graph.value_info[:]
    # Numbers between nodes, as exporters before 2.0 gave: half of a file would be names.
    kept = {value.name for value in [*model.graph.input, *model.graph.output]}
    short = {}
    for tensor in model.graph.initializer:
        if simplified or tensor.name.startswith("/"):
            short[tensor.name] = f"w{len(short)}"
            tensor.name = short[tensor.name]
    for node in model.graph.node:
        for name in node.output:
            if name and name not in kept:
                short[name] = str(len(short) + 1)
    for node in model.graph.node:
        node.input[:] = [short.get(name, name) for name in node.input]
        node.output[:] = [short.get(name, name) for name in node.output]
        # `/a/a.0/a.0.1/Conv` is `/a.0.1/Conv`.
        node.name = re.sub(r"/([^/]+)(?=/\1\.)", "", node.name)
        if node.op_type == "Constant":
            node.ClearField("name")
    return model


def inputs_of(structure):
    low, high = structure.range
    element = np.dtype(structure.element)
    return {
        "random": fill.random_input(structure.shape, low, high, element),
        "picture": fill.picture_input(structure.shape, low, high, element, structure.nhwc),
    }


def sample(array, most):
    """A stride that meets every axis, and the values at it."""
    stride = max(1, math.ceil(array.size / most))
    while stride > 1 and any(math.gcd(stride, size) > 1 for size in array.shape if size > 1):
        stride += 1
    return stride, array.reshape(-1)[::stride]


def number(value):
    return float(f"{float(value):.6g}")


def multiply_adds(model, shapes):
    """Of convolutions and matrix products."""
    total = 0
    initializers = {t.name: t.dims for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            continue
        made = math.prod(shapes[node.output[0]])
        if node.input[1] not in initializers:
            total += made * shapes[node.input[0]][-1]
            continue
        weights = list(initializers[node.input[1]])
        if node.op_type == "Conv":
            total += made * math.prod(weights[1:])
        elif node.op_type == "ConvTranspose":
            total += math.prod(shapes[node.input[0]]) * math.prod(weights[1:])
        else:
            total += made * math.prod(weights) // made_columns(node, weights)
    return total


def made_columns(node, weights):
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return weights[0] if transposed else weights[1]


def answers(content, inputs, structure):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return {
        name: dict(zip(names, session.run(None, {structure.input: array}))) for name, array in inputs.items()
    }


def make(name, structure, full, verbose):
    model, parameters = export(structure)
    inputs = inputs_of(structure)
    shapes = {}

    def report(node, made):
        shapes[node.output[0]] = made[0].shape
        if verbose and node.op_type in ("Conv", "Gemm", "Add", "Sigmoid", "MatMul"):
            a, b = made[0].astype(np.float64), made[1].astype(np.float64)
            print(f"  {node.op_type:8} {node.name[:60]:60} {a.mean():8.3f} +- {a.std():6.3f} {b.mean():8.3f} +- {b.std():6.3f}")

    for name_ in (structure.input,):
        shapes[name_] = structure.shape
    calibrate(model, [{structure.input: array} for array in inputs.values()], structure.heads, report)
    if structure.lean:
        lean(model)
    if structure.simplified:
        for index, node in enumerate(model.graph.node):
            node.name = f"{node.op_type}_{index}"
    compact = model.SerializeToString(deterministic=True)
    (HERE / f"{name}.onnx").write_bytes(compact)

    content = fill.fill(model).SerializeToString(deterministic=True)
    onnx.checker.check_model(model, full_check=True)
    found = answers(content, inputs, structure)
    if full:
        full.mkdir(parents=True, exist_ok=True)
        (full / f"{name}.onnx").write_bytes(content)
        saved = {f"{stream}/input/{structure.input}": array for stream, array in inputs.items()}
        for stream, outputs in found.items():
            saved |= {f"{stream}/output/{output}": array for output, array in outputs.items()}
        np.savez(full / f"{name}.npz", **saved)

    entry = {
        "input": structure.input, "shape": list(structure.shape), "element": structure.element,
        "layout": "nhwc" if structure.nhwc else "nchw", "range": list(structure.range),
        "sha256": hashlib.sha256(canonical(model)).hexdigest(), "bytes": len(content),
        "parameters": parameters, "multiply_adds": int(multiply_adds(model, shapes)), "answers": {},
    }
    apart = {}
    for stream, outputs in found.items():
        entry["answers"][stream] = {}
        for output, array in outputs.items():
            most = min(SAMPLES, BUDGET // len(outputs))
            stride, taken = sample(array, most)
            entry["answers"][stream][output] = {
                "shape": list(array.shape), "mean": number(array.mean(dtype=np.float64)),
                "deviation": number(array.std(dtype=np.float64)), "largest": number(np.abs(array).max()),
                "stride": stride, "sample": [number(value) for value in taken],
            }
    for output in found["random"]:
        a, b = found["random"][output].astype(np.float64), found["picture"][output].astype(np.float64)
        apart[output] = float(np.sqrt(((a - b) ** 2).mean()) / max(b.std(), 1e-12))
    shown = "  ".join(f"{o} {list(v.shape)} {v.mean():.3g}+-{v.std():.3g} max {np.abs(v).max():.3g} apart {apart[o]:.2f}"
                      for o, v in found["picture"].items())
    print(f"{name}: {len(compact)} bytes compact, {len(content)} full, {len(model.graph.node)} nodes, "
          f"{parameters} parameters, {entry['multiply_adds'] / 1e6:.0f} M multiply-adds; {shown}", flush=True)
    return entry


def canonical(model):
    """What the sha256 is of: every filled tensor's name and bytes, in the graph's order, so that it does not
    hang on how a library writes a message."""
    parts = []
    for tensor in fill.tensors(model):
        if tensor.data_type == onnx.TensorProto.FLOAT and tensor.raw_data:
            parts += [tensor.name.encode(), tensor.raw_data]
    return b"".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--full", type=Path)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    path = HERE / "expected.json"
    for name in options.names or ZOO:
        entry = make(name, ZOO[name], options.full, options.verbose)
        entries = json.loads(path.read_text()) if path.exists() else {}
        entries[name] = entry
        lines = [f" {json.dumps(key)}: {json.dumps(entries[key], separators=(',', ':'))}" for key in ZOO if key in entries]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
