"""UltraFace (Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB): slim and RFB, 320x240."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import norm_act, separable

SIZES = ((10.0, 16.0, 24.0), (32.0, 48.0), (64.0, 96.0), (128.0, 192.0, 256.0))
STRIDES = (8, 16, 32, 64)


def priors(width, height):
    """Centre and size of every box that is looked for, in fractions of the picture."""
    boxes = []
    for sizes, stride in zip(SIZES, STRIDES):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        for row in range(rows):
            for column in range(columns):
                for size in sizes:
                    x, y = (column + 0.5) * stride / width, (row + 0.5) * stride / height
                    boxes.append((x, y, size / width, size / height))
    return torch.tensor(boxes).clamp(0.0, 1.0)


def basic(inputs, outputs, kernel, stride=1, padding=0, dilation=1, relu=True):
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-5),
    ]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))


class BasicRfb(nn.Module):
    """Receptive fields of three sizes beside each other."""

    def __init__(self, channels):
        super().__init__()
        hidden = channels // 8
        self.branch0 = nn.Sequential(
            basic(channels, hidden, 1, relu=False),
            basic(hidden, 2 * hidden, 3, 1, 1),
            basic(2 * hidden, 2 * hidden, 3, 1, 2, 2, relu=False),
        )
        self.branch1 = nn.Sequential(
            basic(channels, hidden, 1, relu=False),
            basic(hidden, 2 * hidden, 3, 1, 1),
            basic(2 * hidden, 2 * hidden, 3, 1, 3, 3, relu=False),
        )
        self.branch2 = nn.Sequential(
            basic(channels, hidden, 1, relu=False),
            basic(hidden, hidden // 2 * 3, 3, 1, 1),
            basic(hidden // 2 * 3, 2 * hidden, 3, 1, 1),
            basic(2 * hidden, 2 * hidden, 3, 1, 5, 5, relu=False),
        )
        self.linear = basic(6 * hidden, channels, 1, relu=False)
        self.shortcut = basic(channels, channels, 1, relu=False)

    def forward(self, x):
        made = self.linear(torch.cat((self.branch0(x), self.branch1(x), self.branch2(x)), 1))
        return F.relu(made + self.shortcut(x))


def plain_separable(inputs, outputs, stride=1):
    """A depthwise convolution with ReLU and a pointwise one, both with bias."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, 1)
    )


class UltraFace(nn.Module):
    """Outputs: scores of background and face, boxes in fractions of the picture."""

    def __init__(self, rfb, width=320, height=240):
        super().__init__()
        third = [separable(64, 64), separable(64, 64), BasicRfb(64) if rfb else separable(64, 64)]
        self.stages = nn.ModuleList([
            nn.Sequential(
                norm_act(3, 16, 3, 2), separable(16, 32), separable(32, 32, 2), separable(32, 32),
                separable(32, 64, 2), *third,
            ),
            nn.Sequential(separable(64, 128, 2), separable(128, 128), separable(128, 128)),
            nn.Sequential(separable(128, 256, 2), separable(256, 256)),
            nn.Sequential(nn.Conv2d(256, 64, 1), nn.ReLU(), plain_separable(64, 256, 2), nn.ReLU()),
        ])
        counts = [len(sizes) for sizes in SIZES]
        channels = (64, 128, 256)
        last = nn.Conv2d(256, counts[3] * 4, 3, padding=1), nn.Conv2d(256, counts[3] * 2, 3, padding=1)
        self.boxes = nn.ModuleList([*(plain_separable(c, n * 4) for c, n in zip(channels, counts)), last[0]])
        self.scores = nn.ModuleList([*(plain_separable(c, n * 2) for c, n in zip(channels, counts)), last[1]])
        self.priors = priors(width, height).unsqueeze(0)

    def forward(self, x):
        boxes, scores = [], []
        batch = int(x.shape[0])
        for stage, box, score in zip(self.stages, self.boxes, self.scores):
            x = stage(x)
            boxes.append(box(x).permute(0, 2, 3, 1).reshape(batch, -1, 4))
            scores.append(score(x).permute(0, 2, 3, 1).reshape(batch, -1, 2))
        boxes = torch.cat(boxes, 1)
        centre = boxes[..., :2] * 0.1 * self.priors[..., 2:] + self.priors[..., :2]
        size = torch.exp(boxes[..., 2:] * 0.2) * self.priors[..., 2:]
        boxes = torch.cat((centre - size / 2, centre + size / 2), 2)
        return torch.cat(scores, 1).softmax(2), boxes
