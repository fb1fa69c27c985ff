"""Trains the detector on rendered pictures, on a CPU."""

from __future__ import annotations

import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from dataset import SMALLEST, WORLDS, loaded
from network import CLASSES, Network

TOP = 8
"""At most this many cells answer for one thing."""
STAGES = ((.5, (288, 160), 8), (1.0, (384, 224), 12))
"""Until which share of the time pictures have which size, and how many make a batch: small ones teach the most at first."""
REPEATS = {"people": 1, "street": 1, "night": 3, "crowd": 3}
"""How often a picture of each kind of world is shown in one round."""


def overlap(a: Tensor, b: Tensor, complete: bool = False) -> Tensor:
    """IoU of boxes given as centre and size, last axis 4; `complete` adds CIoU's penalties."""
    a0, a1 = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2
    b0, b1 = b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    inter = (torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(min=0).prod(-1)
    iou = inter / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - inter + 1e-6)
    if not complete:
        return iou
    span = (torch.maximum(a1, b1) - torch.minimum(a0, b0)).square().sum(-1) + 1e-6
    apart = (a[..., :2] - b[..., :2]).square().sum(-1)
    shape = (4 / math.pi ** 2) * (torch.atan(b[..., 2] / (b[..., 3] + 1e-6)) - torch.atan(a[..., 2] / (a[..., 3] + 1e-6))) ** 2
    weight = (shape / (1 - iou + shape + 1e-6)).detach()
    return iou - apart / span - weight * shape


@torch.no_grad()
def assigned(network: Network, scores: Tensor, boxes: Tensor, truth: Tensor, kinds: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Which thing each cell answers for (-1 none), and how sure it should be.

    Task-aligned assignment (TOOD, arXiv:2108.07755): the cells that already agree best with a
    thing, by score and overlap, take it. Shapes: scores ``(n, classes, cells)``, boxes ``(n, cells, 4)``,
    truth ``(n, things, 4)`` centre and size, kinds and wanted ``(n, things)``.
    """
    centres = network.centres.T[None, None]
    low, high = truth[..., :2] - truth[..., 2:] / 2, truth[..., :2] + truth[..., 2:] / 2
    inside = ((centres > low[:, :, None]) & (centres < high[:, :, None])).all(-1)
    # A box only a cell or so wide may hold no centre: the cells next to its middle may answer.
    beside = ((centres - truth[:, :, None, :2]).abs() < network.strides.T[None, None] * .75).all(-1)
    # The centre must be within reach of the decoder.
    within = ((centres - truth[:, :, None, :2]).abs() < network.strides.T[None, None] * 1.9).all(-1)
    fits = (truth[:, :, None, 2:] < network.sizes.T[None, None] * 3.8).all(-1)
    able = (inside | beside) & within & fits & wanted[..., None]
    iou = overlap(boxes[:, None], truth[:, :, None])
    mine = scores.gather(1, kinds[..., None].expand(-1, -1, scores.shape[2]))
    metric = mine.sqrt() * iou.clamp(min=1e-4) ** 4 * able
    kept = torch.zeros_like(able)
    best, where = metric.topk(TOP, -1)
    kept.scatter_(2, where, best > 0)
    # A cell that two things want goes to the one it overlaps more.
    claim = torch.where(kept, iou + 1e-3, torch.zeros_like(iou))
    most, owner = claim.max(1)
    owner = torch.where(most > 0, owner, torch.full_like(owner, -1))
    kept &= torch.arange(truth.shape[1])[None, :, None] == owner[:, None]
    metric = metric * kept
    peak = metric.amax(-1, keepdim=True)
    sure = metric / (peak + 1e-9) * (iou * kept).amax(-1, keepdim=True)
    return owner, sure.amax(1)


def loss_of(network: Network, raw: Tensor, labels: Tensor) -> tuple[Tensor, float, float]:
    """The loss of a batch, and its score and box parts."""
    boxes = network.boxes(raw).transpose(1, 2)
    logits = raw[:, 4:]
    size = labels[..., 2:4] - labels[..., :2]
    truth = torch.cat([labels[..., :2] + size / 2, size], -1)
    kinds = labels[..., 5].long()
    owner, sure = assigned(network, logits.detach().sigmoid(), boxes.detach(), truth, kinds, labels[..., 4] == 1)
    kind = functional.one_hot(kinds, CLASSES).transpose(1, 2).float()
    goal = kind.gather(2, owner.clamp(min=0)[:, None].expand(-1, CLASSES, -1)) * sure[:, None]
    # Nobody is punished for seeing something that is nearly hidden.
    hidden = labels[..., 4] == 2
    centres = network.centres.T[None, None]
    over = ((centres > labels[:, :, None, :2]) & (centres < labels[:, :, None, 2:4])).all(-1) & hidden[..., None]
    counted = (torch.bmm(kind, over.float()) == 0) | (owner >= 0)[:, None]
    gap = (goal - logits.sigmoid()).abs().detach()
    # Focal on the distance to the target (quality focal loss, arXiv:2006.04388).
    score = functional.binary_cross_entropy_with_logits(logits, goal, reduction="none") * (gap ** 1.5 + .02 * (goal > 0))
    total = sure.sum().clamp(min=1)
    score = (score * counted).sum() / total
    picked = owner >= 0
    batch = torch.arange(len(labels))[:, None].expand_as(owner)[picked]
    box = ((1 - overlap(boxes[picked], truth[batch, owner[picked]], complete=True)) * sure[picked]).sum() / total
    return score * 2 + box * 2, score.item(), box.item()


class Pictures:
    """Rendered arrays, varied into batches."""

    def __init__(self, folder: Path):
        self.parts = [loaded(folder, "train", kind) for kind in WORLDS]
        self.rows = np.concatenate([np.tile(np.stack([np.full(len(images), part), np.arange(len(images))], 1), (REPEATS[kind], 1))
                                    for part, (kind, (images, _)) in enumerate(zip(WORLDS, self.parts))])
        """Part and number of every picture, as often as it is shown."""

    def batch(self, rows: np.ndarray, rng: np.random.Generator, size: tuple[int, int], crops: bool) -> tuple[Tensor, Tensor]:
        """Pictures about 0..1 ``(n, 3, h, w)`` of a size and labels ``(n, things, 6)``; `crops` enlarges parts of some."""
        images = np.stack([self.parts[part][0][row] for part, row in rows])
        labels = np.stack([self.parts[part][1][row] for part, row in rows])
        height, width = images.shape[1:3]
        for index in range(len(rows)):
            image, label = images[index], labels[index]
            if rng.random() < .5:
                image = image[:, ::-1]
                label[:, [0, 2]] = width - label[:, [2, 0]]
            if crops and rng.random() < .4:
                # Nearer people, and other aspect ratios.
                w, h = (int(v * rng.uniform(.6, 1.0)) for v in (width, height))
                x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
                image = cv2.resize(np.ascontiguousarray(image[y:y + h, x:x + w]), (width, height), interpolation=cv2.INTER_LINEAR)
                label = _moved(label, width / w, height / h, x, y, width, height)
            if rng.random() < .1:
                image = np.broadcast_to(image.mean(2, keepdims=True), image.shape)
            if rng.random() < .12:
                image = _dusk(image, rng)
            images[index], labels[index] = image, label
        if size != (width, height):
            images = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
            labels[..., :4] *= np.array([size[0] / width, size[1] / height] * 2, np.float32)
            extent = labels[..., 2:4] - labels[..., :2]
            tiny = (extent < np.array(SMALLEST)[labels[..., 5].astype(int)]).any(-1)
            labels[tiny & (labels[..., 4] == 1), 4] = 2
        shape = (len(rows), 3, 1, 1)
        contrast = rng.uniform(.8, 1.2, (len(rows), 1, 1, 1))
        gain = contrast * rng.uniform(.7, 1.35, (len(rows), 1, 1, 1)) * rng.uniform(.92, 1.08, shape) / 255
        varied = torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
        varied.mul_(torch.from_numpy(gain).float()).add_(torch.from_numpy(.5 - .5 * contrast).float()).clamp_(0, 1)
        most = max(1, int((labels[..., 4] > 0).sum(1).max()))
        order = np.argsort(labels[..., 4] == 0, axis=1, kind="stable")[:, :most]
        return varied, torch.from_numpy(np.take_along_axis(labels, order[..., None], 1))


def _dusk(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture as if it were dark but for a lamp or two: rendered nights are few."""
    height, width = image.shape[:2]
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    share = np.full((height, width), rng.uniform(.15, .5), np.float32)
    for _ in range(rng.integers(0, 3)):
        x, y, reach = rng.uniform(0, width), rng.uniform(height * .2, height), rng.uniform(40, 140)
        share += rng.uniform(.2, .7) / (1 + ((xs - x) ** 2 + 2 * (ys - y) ** 2) / reach ** 2)
    dark = image * (share * rng.uniform(.22, .5) / share.mean())[..., None] * (1 + rng.normal(0, .06, 3)).astype(np.float32)
    grain = rng.standard_normal((height, width, 3), np.float32) * rng.uniform(1, 9)
    if rng.random() < .4:
        dark, grain = np.repeat(dark.mean(2, keepdims=True), 3, 2), grain[..., :1]
    return np.clip(dark + grain, 0, 255).astype(np.uint8)


def _moved(label: np.ndarray, sx: float, sy: float, x: int, y: int, width: int, height: int) -> np.ndarray:
    """Labels after a crop at x, y was enlarged; who lost most of their area is no longer asked for."""
    moved = label.copy()
    moved[:, [0, 2]] = (label[:, [0, 2]] - x) * sx
    moved[:, [1, 3]] = (label[:, [1, 3]] - y) * sy
    area = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
    moved[:, [0, 2]] = moved[:, [0, 2]].clip(0, width)
    moved[:, [1, 3]] = moved[:, [1, 3]].clip(0, height)
    left = (moved[:, 2] - moved[:, 0]) * (moved[:, 3] - moved[:, 1])
    moved[(left < .4 * area) & (label[:, 4] == 1), 4] = 2
    moved[(left < 4) & (label[:, 4] > 0)] = 0
    return moved


def train(folder: Path, minutes: float, again: bool = False, seed: int = 1, threads: int = 2) -> None:
    """Trains for so many minutes and writes ``checkpoint.pt``.

    Starts from nothing, or `again` from the checkpoint that is there, at half the learning rate and with large pictures only.

    The learning rate rises and falls with the share of the time that is spent, so it ends small on
    any machine; a slow one takes fewer steps. Weights are kept as a running mean, which is what is
    exported.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed + again)
    pictures, path, peak = Pictures(folder), folder / "checkpoint.pt", 2.5e-3
    network = Network().train().to(memory_format=torch.channels_last)
    if again:
        network.load_state_dict(torch.load(path, weights_only=True)["weights"])
        peak /= 2
    mean = {k: v.detach().clone() for k, v in network.state_dict().items()}
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": .02}, {"params": plain, "weight_decay": 0}])
    began, step, sums = time.monotonic(), 0, np.zeros(2)
    order, now = np.zeros((0, 2), int), None
    while (spent := (time.monotonic() - began) / (minutes * 60)) < 1:
        rate = peak * min(1, (step + 1) / 150) * (.01 + .99 * .5 * (1 + math.cos(math.pi * spent)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        size, batch = STAGES[-1][1:] if again else next((size, batch) for until, size, batch in STAGES if spent < until)
        if size != now:
            network.sized(*(now := size))
        if len(order) < batch:
            order = np.concatenate([order, rng.permutation(pictures.rows)])
        rows, order = order[:batch], order[batch:]
        # The last pictures are whole ones, as an app will show them.
        images, labels = pictures.batch(rows, rng, size, crops=spent < .85)
        loss, score, box = loss_of(network, network(images), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        step += 1
        keep = min(.998, (1 + step) / (20 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                mean[name].lerp_(value, 1 - keep)
        sums += score, box
        if step % 100 == 0:
            torch.save({"weights": mean}, path)
            print(f"step {step}, {spent:.0%} of the time: score {sums[0] / 100:.3f} box {sums[1] / 100:.3f}", flush=True)
            sums[:] = 0
    torch.save({"weights": mean}, path)
    print(f"trained {step} steps in {time.monotonic() - began:.0f} s", flush=True)
