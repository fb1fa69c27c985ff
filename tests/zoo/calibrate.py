"""Replaces the large tensors of an exported graph by rules (see fill.py) whose numbers keep activations
around 1 from the first layer to the last: the graph is walked node by node over the two fixed inputs, and each
layer's weights are scaled by what they make of them."""

import math
import re

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

import fill

LARGE = 16
"""Floating tensors with more values than this hold a rule instead."""

ELEMENTS = {
    np.dtype(np.float32): onnx.TensorProto.FLOAT,
    np.dtype(np.int64): onnx.TensorProto.INT64,
    np.dtype(np.int32): onnx.TensorProto.INT32,
    np.dtype(np.uint8): onnx.TensorProto.UINT8,
    np.dtype(np.bool_): onnx.TensorProto.BOOL,
}


def run_node(node, arrays, opsets):
    """One node alone, as onnxruntime computes it."""
    names = [name for name in dict.fromkeys(node.input) if name]
    inputs = [helper.make_tensor_value_info(n, ELEMENTS[arrays[n].dtype], arrays[n].shape) for n in names]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    model = helper.make_model(helper.make_graph([node], "one", inputs, outputs), opset_imports=opsets)
    model.ir_version = 8
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in outputs], session.run(None, {n: arrays[n] for n in names})))


def ramp_blocks(values):
    """A computed table as blocks of ramps: as many as there are values in a cell, then a run along a row of
    cells, then as many rows as go on alike. What the blocks give is the table from then on; it differs from
    the exporter's in the last digits at most."""
    flat = values.reshape(-1).astype(np.float64)
    close = lambda a, b: np.abs(a - b) <= 2e-5 * np.maximum(1.0, np.abs(b))

    def alike(found, wanted):
        """How many leading rows of `found` are as wanted."""
        fits = close(found, wanted).reshape(len(found), -1).all(axis=1)
        return len(fits) if fits.all() else int(fits.argmin())

    def blocks_at(at, lanes):
        """Values that blocks of this many lanes cover from `at` on, and the blocks."""
        cells = (len(flat) - at) // lanes
        table = flat[at : at + cells * lanes].reshape(cells, lanes)
        step = table[1] - table[0] if cells > 1 else np.zeros(lanes)
        run = alike(table, table[0] + np.arange(cells)[:, None] * step)
        step = (table[run - 1] - table[0]) / max(run - 1, 1)
        rows = cells // run
        table = table[: rows * run].reshape(rows, run, lanes)
        down = table[1, 0] - table[0, 0] if rows > 1 else np.zeros(lanes)
        along = table[0, 0] + np.arange(run)[:, None] * step
        rows = max(1, alike(table, along + np.arange(rows)[:, None, None] * down))
        down = (table[rows - 1, 0] - table[0, 0]) / max(rows - 1, 1)
        numbers = []
        for lane in range(lanes):
            numbers += [at + lane, table[0, 0, lane], 2, rows, run * lanes, down[lane], run, lanes, step[lane]]
        return rows * run * lanes, numbers

    numbers, at = [], 0
    while at < len(flat):
        tries = [lanes for lanes in (1, 2, 4, 6, 8, 12, 24) if lanes <= len(flat) - at]
        covered, found = max((blocks_at(at, lanes) for lanes in tries), key=lambda made: made[0] / len(made[1]))
        numbers += found
        at += covered
    return [float(np.float32(number)) for number in numbers]


def weights_of(node, initializers):
    """Name of the weights and of the bias of a layer, where it has large ones."""
    if node.op_type in ("Conv", "ConvTranspose", "Gemm") and node.input[1] in initializers:
        weights = node.input[1]
        bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
    elif node.op_type == "MatMul" and node.input[1] in initializers:
        weights, bias = node.input[1], None
    else:
        return None, None
    large = math.prod(initializers[weights].dims) > LARGE
    return (weights, bias) if large else (None, None)


def set_rule(tensor, rule, numbers):
    for field in ("raw_data", "float_data", "doc_string"):
        tensor.ClearField(field)
    tensor.doc_string = rule
    tensor.float_data.extend([float(np.float32(number)) for number in numbers])


def set_values(tensor, values):
    for field in ("float_data", "doc_string"):
        tensor.ClearField(field)
    tensor.raw_data = np.asarray(values, "<f4").tobytes()


def signif(number):
    return float(f"{number:.3g}")


def calibrate(model, inputs, heads=(), report=None):
    """Turns `model` into its compact form, in place. `heads`: (pattern of a node's name, mean, deviation) of
    layers whose output is to be elsewhere than around 0 +- 1; mean may be a list, for
    one channel after the other, again and again. A fourth
    member, PICTURE, says that the picture alone counts: noise may saturate a score, but no exponent."""
    graph, opsets = model.graph, model.opset_import
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    known = {}
    last_use = {}
    for index, node in enumerate(graph.node):
        for name in node.input:
            last_use[name] = index
    streams = [dict(stream) for stream in inputs]
    done = set()

    def rule(tensor, numbers, kind="uniform"):
        if math.prod(tensor.dims) > LARGE:
            set_rule(tensor, kind, numbers)
            known[tensor.name] = fill.values(tensor)
        else:
            set_values(tensor, fill.uniform(tensor.name, tuple(tensor.dims), *numbers))
            known[tensor.name] = numpy_helper.to_array(tensor)
        done.add(tensor.name)

    for tensor in graph.initializer:
        known[tensor.name] = numpy_helper.to_array(tensor)
    first = True
    for index, node in enumerate(graph.node):
        if node.op_type == "Constant":
            tensor = next((a.t for a in node.attribute if a.name == "value"), None)
            if tensor is not None and math.prod(tensor.dims) > LARGE and tensor.data_type == 1:
                set_rule(tensor, "ramps", ramp_blocks(numpy_helper.to_array(tensor)))
                value = fill.values(tensor)
            else:
                value = run_node(node, {}, opsets)[node.output[0]]
            known[node.output[0]] = value
            continue
        weights, bias = weights_of(node, initializers)
        if weights and weights not in done:
            tensor = initializers[weights]
            shape = tuple(tensor.dims)
            kind = "uniform" if first or node.op_type in ("MatMul", "ConvTranspose") else "filter"
            rule(tensor, [-1.0, 1.0], kind)
            head = next(((m, s) for pattern, m, s, *_ in heads if re.search(pattern, node.name)), None)
            by_picture = any(len(h) > 3 and re.search(h[0], node.name) for h in heads)
            if bias and initializers[bias].name not in done:
                rule(initializers[bias], [0.0, 0.0])
            elif bias:
                raise ValueError(f"two layers share {bias}")
            made = [run_node(node, {**known, **stream}, opsets)[node.output[0]] for stream in streams]
            both = np.concatenate([m.reshape(m.shape[0], m.shape[1], -1) for m in made], axis=-1)
            if node.op_type in ("Gemm", "MatMul"):
                both = np.concatenate(made).reshape(-1, made[0].shape[-1]).T[None]
            if by_picture:
                both = both[:, :, both.shape[2] // 2 :]
            # Mostly where an activation is straight: a net that bends everything everywhere is chaotic, and
            # makes of two roundings two answers, as trained ones do not.
            mean, deviation = head or (1.0, 1.0)
            centred = head is not None
            if first:
                # It sees the picture's brightness, and its bias takes the mean of that away.
                first, centred = False, True
            if bias and centred and made[0].ndim == 4 and both.shape[1] <= 255:
                made = [one - both.mean(axis=(0, 2)).reshape(-1, 1, 1) for one in made]
            if made[0].shape[2:] == (1, 1) and not head:
                # Gates multiply what they are made of: stronger ones would part the two inputs' sizes.
                mean, deviation = 0.5, 0.4
            # Between noise and picture, whichever of them this network answers to more; no head saturates.
            noise, picture = (max(float(one.std()), 1e-6) for one in made)
            level = max(noise, picture) if head else math.sqrt(noise * picture)
            level = picture if by_picture else level
            scale = signif(deviation / level)
            rule(tensor, [-scale, scale], kind)
            if bias and centred and both.shape[1] <= 255:
                # These channels each have a place of their own, and there are few of them.
                channel = both.mean(axis=(0, 2)) * scale
                set_values(initializers[bias], np.round(np.resize(mean, channel.shape) - channel, 3))
                known[bias] = numpy_helper.to_array(initializers[bias])
            elif bias:
                level = mean - (float(both.mean()) * scale if head else 0.0)
                rule(initializers[bias], [signif(level - 0.1), signif(level + 0.1)])
        for name in node.input:
            tensor = initializers.get(name)
            least = LARGE if node.op_type == "BatchNormalization" else 64
            if tensor is None or name in done or tensor.data_type != 1 or math.prod(tensor.dims) <= least:
                continue
            old = known[name]
            blocks = ramp_blocks(old) if node.op_type in ("Add", "Sub", "Mul", "Div", "Concat") else None
            if blocks and len(blocks) < old.size / 4:
                set_rule(tensor, "ramps", blocks)
                known[name] = fill.values(tensor)
                done.add(name)
                continue
            mean, spread = float(old.mean()), float(old.std()) * math.sqrt(3)
            rule(tensor, [signif(mean - spread), signif(mean + spread)])
        for stream in streams:
            if all(name in known for name in node.input if name):
                known.update(run_node(node, known, opsets))
                break
            stream.update(run_node(node, {**known, **stream}, opsets))
        if report and any(o for o in node.output if o in streams[0]):
            report(node, [stream[node.output[0]] for stream in streams])
        outputs = {output.name for output in graph.output}
        for name in node.input:
            if last_use.get(name) == index and name not in outputs:
                for stream in streams:
                    stream.pop(name, None)
    return [{output.name: stream[output.name] for output in graph.output} for stream in streams]
