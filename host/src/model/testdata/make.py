#!/usr/bin/env python3
"""Makes the fixtures in this folder: random output tensors with what they must be read out as, computed
here independently with numpy, and small ONNX graphs, right and wrong.

    pip install numpy onnx && ./make.py
"""

import json
import os

import numpy as np
import onnx
from onnx import TensorProto, helper

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)


# Five digits are what is written, so they must also be what the reference sees.
def normal(size):
    return rng.normal(0.0, 1.0, size).round(5)


def random(size):
    return rng.random(size).round(5)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return w * h / (area(a) + area(b) - w * h)


def suppress(found, threshold, any_class):
    kept = []
    for box in sorted(found, key=lambda box: -box[4]):
        if all(iou(box, other) <= threshold or not (any_class or box[5] == other[5]) for other in kept):
            kept.append(box)
    return kept


def cut(found):
    """x1, y1, x2, y2 in fractions -> cut to the picture, as left, top, width, height, score, label."""
    out = []
    for x1, y1, x2, y2, score, label in found:
        x1, y1, x2, y2 = (min(max(edge, 0.0), 1.0) for edge in (x1, y1, x2, y2))
        if x2 > x1 and y2 > y1:
            out.append([x1, y1, x2 - x1, y2 - y1, score, label])
    return out


def fastestdet(classes, rows, columns, score, nms):
    tensor = normal((1, 5 + classes, rows, columns))
    tensor[0, 0] = random((rows, columns))
    tensor[0, 5:] = random((classes, rows, columns))
    found = []
    for y in range(rows):
        for x in range(columns):
            obj, dx, dy, w, h, *scores = tensor[0, :, y, x]
            label = int(np.argmax(scores))
            value = obj**0.6 * scores[label] ** 0.4
            if value < score:
                continue
            cx, cy = (x + np.tanh(dx)) / columns, (y + np.tanh(dy)) / rows
            w, h = sigmoid(w), sigmoid(h)
            found.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, value, label])
    return tensor, cut(suppress(found, nms, True))


def yolov8(classes, count, width, height, score, nms):
    tensor = np.empty((1, 4 + classes, count))
    tensor[0, 0] = random(count) * width
    tensor[0, 1] = random(count) * height
    tensor[0, 2:4] = random((2, count)) * 40.0 + 4.0
    tensor[0, 4:] = random((classes, count)) ** 3
    tensor = tensor.round(5)
    found = []
    for cx, cy, w, h, *scores in tensor[0].T:
        label = int(np.argmax(scores))
        if scores[label] >= score:
            box = [(cx - w / 2) / width, (cy - h / 2) / height, (cx + w / 2) / width, (cy + h / 2) / height]
            found.append(box + [scores[label], label])
    return tensor, cut(suppress(found, nms, False))


def case(tensor, found, **how):
    return {
        **how,
        "shape": list(tensor.shape),
        "data": [float(value) for value in tensor.ravel()],
        "found": [[round(float(value), 6) for value in box] for box in found],
    }


def readouts():
    tensor, found = fastestdet(6, 9, 11, 0.5, 0.45)
    cases = [case(tensor, found, read="fastestdet", classes=6, width=176, height=144, score=0.5, nms=0.45)]
    tensor, found = yolov8(5, 120, 160, 96, 0.4, 0.5)
    for layout in (tensor, tensor.transpose(0, 2, 1)):
        cases.append(case(layout, found, read="yolov8", classes=5, width=160, height=96, score=0.4, nms=0.5))
    logits = normal((1, 7)) * 3.0
    soft = (np.exp(logits) / np.exp(logits).sum())[0]
    cases.append(case(logits, [[soft[label], label] for label in np.argsort(-soft)], read="classifier", classes=7))
    with open(os.path.join(HERE, "readouts.json"), "w", encoding="utf-8") as file:
        json.dump(cases, file, separators=(",", ":"))
        file.write("\n")


def graph(name, nodes, inputs, outputs, constants=()):
    value = lambda entry: helper.make_tensor_value_info(entry[0], entry[2] if len(entry) > 2 else TensorProto.FLOAT, entry[1])
    made = helper.make_graph(
        nodes, name, [value(entry) for entry in inputs], [value(entry) for entry in outputs], list(constants)
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], producer_name="transom-tests")
    model.ir_version = 8
    onnx.save(model, os.path.join(HERE, f"{name}.onnx"))


def graphs():
    shape = [1, 3, 6, 8]
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    same = lambda given, made: helper.make_node("Mul", [given, "one"], [made])
    graph("echo", [same("images", "pixels")], [("images", shape)], [("pixels", shape)], [one])
    graph("echo-nhwc", [same("images", "pixels")], [("images", [1, 6, 8, 3])], [("pixels", [1, 6, 8, 3])], [one])
    dynamic = ["batch", 3, "height", "width"]
    graph("dynamic", [same("images", "pixels")], [("images", dynamic)], [("pixels", dynamic)], [one])
    cast = helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT)
    graph("bytes", [cast], [("images", shape, TensorProto.UINT8)], [("pixels", shape)])
    odd = helper.make_node("Frobnicate", ["images"], ["pixels"], name="oddity")
    graph("unknown-operator", [odd], [("images", shape)], [("pixels", shape)])
    add = helper.make_node("Add", ["left", "right"], ["sum"])
    graph("two-inputs", [add], [("left", shape), ("right", shape)], [("sum", shape)])
    pool = helper.make_node("GlobalAveragePool", ["images"], ["means"])
    flat = helper.make_node("Flatten", ["means"], ["scores"])
    graph("means", [pool, flat], [("images", shape)], [("scores", [1, 3])])
    # Says 48 values become 7 x 7: parses, loads, and cannot run.
    seven = helper.make_tensor("seven", TensorProto.INT64, [2], [7, 7])
    wrong = helper.make_node("Reshape", ["images", "seven"], ["square"])
    graph("cannot-run", [wrong], [("images", shape)], [("square", None)], [seven])


if __name__ == "__main__":
    readouts()
    graphs()
