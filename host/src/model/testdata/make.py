#!/usr/bin/env python3
"""Makes the small ONNX graphs in this folder, right and wrong.

    pip install onnx && ./make.py
"""

import os

import onnx
from onnx import TensorProto, helper

HERE = os.path.dirname(os.path.abspath(__file__))


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
    # 10 000 times 10 000 values, which no constant of it states: 400 MB of memory.
    side = helper.make_tensor("side", TensorProto.INT64, [1], [10_000])
    mean = helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0)
    nodes = [mean, helper.make_node("Mul", ["side", "side"], ["count"])]
    nodes += [helper.make_node("Expand", ["mean", "count"], ["many"]), helper.make_node("ReduceMax", ["many"], ["most"], keepdims=0)]
    graph("grows", nodes, [("images", shape)], [("most", [])], [side])
    # A bright picture asks for 400 MB.
    nodes = [mean, helper.make_node("Greater", ["mean", "bright"], ["is_bright"])]
    nodes += [helper.make_node("Where", ["is_bright", "many", "one_value"], ["count"])]
    nodes += [helper.make_node("Expand", ["mean", "count"], ["values"]), helper.make_node("ReduceMax", ["values"], ["most"], keepdims=0)]
    bright = helper.make_tensor("bright", TensorProto.FLOAT, [], [200.0])
    sizes = [helper.make_tensor(name, TensorProto.INT64, [1], [count]) for name, count in (("many", 100_000_000), ("one_value", 1))]
    graph("bright", nodes, [("images", shape)], [("most", [])], [bright, *sizes])


if __name__ == "__main__":
    graphs()
