"""Writes the trained network as ONNX, batch norm folded, every shape static."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import numpy as np
import onnx
import onnxsim
import torch
from onnx import shape_inference
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from count import Detector
from dataset import INPUT
from evaluate import ranked
from network import ConvBn, Exported, Network, cost

ALLOWED = {"Conv", "Relu", "Sigmoid", "Add", "Mul", "Sub", "Concat", "Reshape", "Transpose", "Resize", "Slice", "Flatten", "Constant"}


def folded(network: nn.Module) -> nn.Module:
    """The same network with each batch norm inside its convolution's weights and bias."""
    network.eval()
    for module in list(network.modules()):
        if isinstance(module, ConvBn):
            module[0] = fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    return network


def export(folder: Path, target: Path) -> None:
    """Writes `target` from the checkpoint in `folder`, and its hash into the ``model.toml`` beside it."""
    network = Network()
    network.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["weights"])
    whole = Exported(folded(network)).eval()
    draft = folder / "draft.onnx"
    written(whole, draft, INPUT, "detections")
    thresholds = _working_thresholds(folder, draft)
    print("raw scores " + ", ".join(f"{v:.3f}" for v in thresholds) + " become 0.5")
    with torch.no_grad():
        for head in network.head:
            for kind, threshold in enumerate(thresholds):
                head[2].bias[4 + kind] -= math.log(threshold / (1 - threshold))
    written(whole, target, INPUT, "detections")
    parameters, adds = cost(network, *INPUT)
    print(f"{parameters} parameters, {adds / 1e6:.1f} million multiply-adds a picture")
    signed(target)


def signed(target: Path) -> None:
    """Puts the file's hash into the ``model.toml`` beside it."""
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    toml = target.with_name("model.toml")
    if toml.exists():
        toml.write_text(re.sub(r'(?m)^sha256 = ".*"$', f'sha256 = "{digest}"', toml.read_text()))
    print(f"{target.name}: {target.stat().st_size} bytes, sha256 {digest}")


def _working_thresholds(folder: Path, model: Path, precisions: tuple[float, ...] = (.97, .95, .90)) -> list[float]:
    """For each class the lowest score at which such a share of its boxes on training pictures is right.

    The network learns to score a box by its overlap, so its scores sit low; an app's threshold of
    one half should mean what its owner thinks. A counter is hurt more by people who are not there
    than by somebody missed in one frame of many.
    """
    found = ranked(folder, "train", {"people": 216, "street": 144, "night": 90, "crowd": 54}, Detector(model))
    thresholds = []
    for precision, (scores, hits, _) in zip(precisions, found, strict=True):
        share = np.cumsum(hits) / (np.arange(len(hits)) + 1)
        thresholds.append(float(scores[np.flatnonzero(share >= precision)[-1]]))
    return thresholds


def written(whole: nn.Module, target: Path, size: tuple[int, int], output: str) -> None:
    """Writes a network whose one input is a picture of `size`, with nothing in the graph but what every back end runs."""
    picture = torch.zeros(1, 3, size[1], size[0])
    torch.onnx.export(whole, (picture,), str(target), input_names=["image"], output_names=[output],
                      opset_version=13, do_constant_folding=True, dynamo=False)
    model, same = onnxsim.simplify(onnx.load(target))
    if not same:
        raise SystemExit("the simplified graph no longer agrees with the exported one")
    model = shape_inference.infer_shapes(model, strict_mode=True)
    # What the exporter notes about its own run has no place in the file.
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    for node in model.graph.node:
        node.doc_string = ""
        if node.op_type == "Resize":
            # The region of interest means nothing here, and is an empty tensor some cannot load.
            node.input[1] = ""
            kept = [a for a in node.attribute if a.name != "cubic_coeff_a"]
            del node.attribute[:]
            node.attribute.extend(kept)
    used = {name for node in model.graph.node for name in node.input}
    for constant in [c for c in model.graph.initializer if c.name not in used]:
        model.graph.initializer.remove(constant)
    odd = {node.op_type for node in model.graph.node} - ALLOWED
    if odd:
        raise SystemExit(f"the graph holds {', '.join(sorted(odd))}; simple back ends may not run it")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)
