"""The embedding for telling people apart: its network, its training, its ONNX file.

Plain convolutions like the detector's, down to 128 numbers. Two pictures of one person point the same
way, whatever the camera; the length of the vector means nothing.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from identities import CROP
from network import Bottleneck, ConvBn

LENGTH = 128


class Embedder(nn.Module):
    """Pictures ``(n, 3, 128, 64)``, 0..1, to ``(n, 128)``."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvBn(3, 40, 4, 4), ConvBn(40, 96), Bottleneck(96, 24),
            ConvBn(96, 144, stride=2), Bottleneck(144, 36), Bottleneck(144, 36),
            ConvBn(144, 192, stride=2), Bottleneck(192, 40), Bottleneck(192, 40),
            ConvBn(192, 32, 1))
        # Over the whole picture at once: where on a body a colour sits is what tells people apart.
        self.whole = nn.Conv2d(32, LENGTH, (CROP[1] // 16, CROP[0] // 16))

    def forward(self, image: Tensor) -> Tensor:
        return self.whole(self.body(image)).flatten(1)


def _varied(crops: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Crops as the next camera might have shown them."""
    crops = crops.copy()
    width, height = CROP
    for index in range(len(crops)):
        crop = crops[index]
        if rng.random() < .5:
            crop = crop[:, ::-1]
        if rng.random() < .6:
            x0, y0 = rng.integers(0, 6), rng.integers(0, 10)
            x1, y1 = width - rng.integers(0, 6), height - rng.integers(0, 10)
            crop = cv2.resize(np.ascontiguousarray(crop[y0:y1, x0:x1]), CROP, interpolation=cv2.INTER_LINEAR)
        if rng.random() < .08:
            crop = np.broadcast_to(crop.mean(2, keepdims=True), crop.shape)
        crops[index] = crop
        if rng.random() < .3:
            # Something stands before the person.
            w, h = rng.integers(10, 34), rng.integers(16, 50)
            x, y = rng.integers(0, width - w), rng.integers(0, height - h)
            crops[index, y:y + h, x:x + w] = rng.integers(0, 255, 3)
    shape = (len(crops), 3, 1, 1)
    gain = rng.uniform(.6, 1.5, (len(crops), 1, 1, 1)) * rng.uniform(.88, 1.12, shape) / 255
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() * torch.from_numpy(gain).float()).clamp_(0, 1)


def train(folder: Path, minutes: float, again: bool = False, people: int = 16, pictures: int = 4, seed: int = 1, threads: int = 2) -> None:
    """Trains for so many minutes on batches of `pictures` of each of `people`, and writes ``reid.pt``.

    Starts from nothing, or `again` from the ``reid.pt`` that is there.

    Two losses: softmax over all people with a margin between cosines (CosFace, arXiv:1801.09414), and the
    hardest triplets of a batch (arXiv:1703.07737).
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed + again)
    data = np.load(folder / "reid-train.npz")
    crops, names = data["crops"], data["people"]
    numbers, who = np.unique(names, return_inverse=True)
    rows = [np.flatnonzero(who == n) for n in range(len(numbers))]
    enough = np.array([n for n, r in enumerate(rows) if len(r) >= pictures])
    network = Embedder().train().to(memory_format=torch.channels_last)
    if again:
        network.load_state_dict(torch.load(folder / "reid.pt", weights_only=True)["weights"])
    centres = nn.Parameter(torch.randn(len(numbers), LENGTH) * .1)
    optimiser = torch.optim.AdamW([*network.parameters(), centres], weight_decay=.02)
    mean = {k: v.detach().clone() for k, v in network.state_dict().items()}
    began, step, sums = time.monotonic(), 0, np.zeros(3)
    while (spent := (time.monotonic() - began) / (minutes * 60)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 60) * (.01 + .99 * .5 * (1 + math.cos(math.pi * spent)))
        chosen = rng.choice(enough, people, replace=False)
        picked = np.concatenate([rng.choice(rows[n], pictures, replace=False) for n in chosen])
        goal = torch.from_numpy(who[picked])
        unit = functional.normalize(network(_varied(crops[picked], rng).contiguous(memory_format=torch.channels_last)))
        cosines = unit @ functional.normalize(centres).T
        margin = .2 * functional.one_hot(goal, len(numbers))
        classed = functional.cross_entropy((cosines - margin) * 20, goal, label_smoothing=.05)
        near = unit @ unit.T
        same = goal[:, None] == goal[None]
        worst = near.masked_fill(~same, 2).amin(1)
        rival = near.masked_fill(same, -2).amax(1)
        triplet = functional.softplus((rival - worst + .2) * 8).mean() / 8
        loss = classed + 2 * triplet
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        step += 1
        keep = min(.99, (1 + step) / (20 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                mean[name].lerp_(value, 1 - keep)
        sums += classed.item(), triplet.item(), (rival < worst).float().mean().item()
        if step % 50 == 0:
            print(f"step {step}, {spent:.0%} of the time: softmax {sums[0] / 50:.3f} triplet {sums[1] / 50:.3f} right {sums[2] / 50:.2f}", flush=True)
            sums[:] = 0
    torch.save({"weights": mean}, folder / "reid.pt")
    print(f"trained {step} steps of {people * pictures} pictures in {time.monotonic() - began:.0f} s", flush=True)


def export(folder: Path, target: Path) -> None:
    """Writes `target` from ``reid.pt``, and its hash into the ``model.toml`` beside it."""
    from export import folded, signed, written

    network = Embedder()
    network.load_state_dict(torch.load(folder / "reid.pt", weights_only=True)["weights"])
    written(folded(network).eval(), target, CROP, "embedding")
    adds = 0

    def count(layer: nn.Conv2d, _inputs, output: Tensor) -> None:
        nonlocal adds
        adds += output[0].numel() * layer.in_channels * math.prod(layer.kernel_size)

    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    for layer in convolutions:
        layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, CROP[1], CROP[0]))
    parameters = sum(m.weight.numel() + m.out_channels for m in convolutions)
    print(f"{parameters} parameters, {adds / 1e6:.1f} million multiply-adds a picture")
    signed(target)
