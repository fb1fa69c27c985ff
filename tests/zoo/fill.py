"""Gives a structure of the zoo its weights, and makes the inputs it is tried on.

A committed `NAME.onnx` holds its graph, but no large tensor: what stands in place of the values is a rule in
the tensor's `doc_string` and that rule's few numbers in `float_data`. Such a file is no valid ONNX until it is
filled. `weights.rs` does the same in Rust, to the same bits; `expected.json` has the sha256 of what comes out.

    python fill.py squeezenet.onnx filled.onnx

The generator: value k (from 0) of a tensor called `name` is

    z = fnv1a64(name) + (k + 1) * 0x9e3779b97f4a7c15        modulo 2^64
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;  z = (z ^ z >> 27) * 0x94d049bb133111eb;  z = z ^ z >> 31
    u = (z >> 40) / 2^24                                     0 <= u < 1, exact in float32

which is splitmix64 seeded with the name. All that follows is float32, one rounding an operation:

- `uniform` [low, high]: low + (high - low) * u
- `filter` [low, high]: as `uniform`, but of each of the n values of one output channel, those from
  (n + 1) / 2 on are the first ones again with the other sign: a filter answers to differences, as trained
  ones do, so that activations depend on the picture through the deepest net
- `ramps` blocks: a table that the exporter computed (grid, anchors). Each block is
  offset, base, loops, then `count, stride, step` of each loop, outermost first; the value at
  offset + sum(i * stride) is base + sum(i * step), added from the outermost loop inwards
"""

import sys

import numpy as np
import onnx

F32 = np.float32


def fnv1a64(text):
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return state


def draw(name, count):
    """`count` 24-bit numbers."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a64(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return (z ^ z >> np.uint64(31)) >> np.uint64(40)


def between(drawn, low, high):
    return F32(low) + (F32(high) - F32(low)) * (drawn.astype(F32) * F32(2**-24))


def uniform(name, shape, low, high):
    return between(draw(name, int(np.prod(shape))), low, high).reshape(shape)


def filters(name, shape, low, high):
    rows = uniform(name, (shape[0], int(np.prod(shape[1:]))), low, high)
    first = (rows.shape[1] + 1) // 2
    rows[:, first:] = -rows[:, : rows.shape[1] - first]
    return rows.reshape(shape)


def ramps(shape, numbers):
    values = np.zeros(int(np.prod(shape)), F32)
    at = 0
    while at < len(numbers):
        offset, base, loops = int(numbers[at]), F32(numbers[at + 1]), int(numbers[at + 2])
        at += 3
        where, what = np.array([offset]), np.array([base], F32)
        for count, stride, step in np.reshape(numbers[at : at + 3 * loops], (loops, 3)):
            index = np.arange(int(count))
            where = (where[:, None] + index * int(stride)).reshape(-1)
            what = (what[:, None] + index.astype(F32) * F32(step)).reshape(-1)
        at += 3 * loops
        values[where] = what
    return values.reshape(shape)


def values(tensor):
    """The values of a tensor that holds a rule, or None where it holds its values."""
    numbers = list(tensor.float_data)
    shape = tuple(tensor.dims)
    if tensor.doc_string == "uniform":
        return uniform(tensor.name, shape, *numbers)
    if tensor.doc_string == "filter":
        return filters(tensor.name, shape, *numbers)
    if tensor.doc_string == "ramps":
        return ramps(shape, numbers)
    return None


def tensors(model):
    """Every tensor of a graph that may hold a rule."""
    yield from model.graph.initializer
    for node in model.graph.node:
        if node.op_type == "Constant":
            yield from (attribute.t for attribute in node.attribute if attribute.name == "value")


def fill(model):
    """Fills a graph in place."""
    for tensor in tensors(model):
        made = values(tensor)
        if made is not None:
            tensor.ClearField("doc_string")
            tensor.ClearField("float_data")
            tensor.raw_data = made.astype("<f4").tobytes()
    return model


def random_input(shape, low, high, element):
    """A tensor of noise."""
    drawn = draw("random", int(np.prod(shape)))
    made = drawn >> np.uint64(16) if element == np.uint8 else between(drawn, low, high)
    return made.astype(element).reshape(shape)


def octave(name, cells, height, width):
    """Seeded numbers at the corners of `cells` x `cells` cells, linear between them."""
    corners = draw(name, (cells + 1) ** 2 * 3).reshape(cells + 1, cells + 1, 3)

    def place(size):
        at = np.arange(size, dtype=np.uint64) * np.uint64(cells * 256) // np.uint64(size)
        return (at >> np.uint64(8)).astype(int), at & np.uint64(255)

    (row, down), (column, across) = place(height), place(width)
    down, across, one = down[:, None, None], across[None, :, None], np.uint64(256)
    top = corners[row][:, column] * (one - across) + corners[row][:, column + 1] * across
    bottom = corners[row + 1][:, column] * (one - across) + corners[row + 1][:, column + 1] * across
    return (top * (one - down) + bottom * down) >> np.uint64(16)


def picture_input(shape, low, high, element, nhwc):
    """Colours that change slowly, with finer changes upon them, as in a photograph."""
    height, width = (shape[1], shape[2]) if nhwc else (shape[2], shape[3])
    coarse, middle, fine = (octave(f"picture {cells}", cells, height, width) for cells in (8, 32, 128))
    drawn = (coarse * np.uint64(4) + middle * np.uint64(3) + fine) >> np.uint64(3)
    made = drawn >> np.uint64(16) if element == np.uint8 else between(drawn, low, high)
    made = made.astype(element)
    made = made if nhwc else made.transpose(2, 0, 1)
    return np.ascontiguousarray(np.broadcast_to(made, shape))


if __name__ == "__main__":
    onnx.save(fill(onnx.load(sys.argv[1])), sys.argv[2])
