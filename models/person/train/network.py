"""The detector: plain convolutions, so that every back end runs it fast and right.

Regular 3x3 and 1x1 convolutions, ReLU, nearest upsampling and addition; boxes are decoded with
sigmoids and constant grids, so nothing can overflow and no shape is worked out at run time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32)
# A box is up to four times these, in input pixels: width and height at each stride.
SIZES = ((10.0, 24.0), (26.0, 64.0), (56.0, 128.0))


class ConvBn(nn.Sequential):
    """Convolution, batch norm (folded on export), ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1):
        super().__init__(nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
                         nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Bottleneck(nn.Module):
    """1x1 down, 3x3 up, added to its input."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(ConvBn(channels, channels // 2, 1), ConvBn(channels // 2, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Network(nn.Module):
    """Pictures ``(n, 3, h, w)``, 0..1, to raw maps: four box numbers and a score per cell."""

    def __init__(self, width: int = 384, height: int = 224):
        super().__init__()
        self.stem = nn.Sequential(ConvBn(3, 16, stride=2), ConvBn(16, 32, stride=2), Bottleneck(32))
        self.p3 = nn.Sequential(ConvBn(32, 64, stride=2), Bottleneck(64), Bottleneck(64))
        self.p4 = nn.Sequential(ConvBn(64, 80, stride=2), Bottleneck(80), Bottleneck(80))
        self.p5 = nn.Sequential(ConvBn(80, 96, stride=2), Bottleneck(96))
        self.lateral = nn.ModuleList(nn.Conv2d(c, 48, 1) for c in (64, 80, 96))
        self.head = nn.ModuleList(nn.Sequential(ConvBn(48, 48), nn.Conv2d(48, 5, 1)) for _ in STRIDES)
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest")
        for head in self.head:
            # Start near "nobody here", or the first steps are spent unlearning.
            nn.init.constant_(head[1].bias[4], -4.5)
        centres, strides, sizes = [], [], []
        for stride, size in zip(STRIDES, SIZES):
            ys, xs = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
            centres.append(torch.stack([xs, ys], 0).reshape(2, -1).float() * stride + stride / 2)
            strides.append(torch.full((2, xs.numel()), float(stride)))
            sizes.append(torch.tensor(size)[:, None].expand(2, xs.numel()))
        self.register_buffer("centres", torch.cat(centres, 1), persistent=False)
        self.register_buffer("strides", torch.cat(strides, 1), persistent=False)
        self.register_buffer("sizes", torch.cat(sizes, 1), persistent=False)

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Raw numbers as maps ``(n, 5, rows, columns)`` at strides 8, 16 and 32."""
        p3 = self.p3(self.stem(pictures))
        p4 = self.p4(p3)
        p5 = self.lateral[2](self.p5(p4))
        p4 = self.lateral[1](p4) + self.up(p5)
        p3 = self.lateral[0](p3) + self.up(p4)
        return [head(level) for head, level in zip(self.head, (p3, p4, p5))]

    def forward(self, pictures: Tensor) -> Tensor:
        """Raw numbers ``(n, 5, cells)``, strides 8, 16, 32 in turn, rows first."""
        return torch.cat([m.reshape(m.shape[0], 5, -1) for m in self.maps(pictures)], 2)

    def boxes(self, raw: Tensor) -> Tensor:
        """Centre x, centre y, width, height in input pixels, ``(n, 4, cells)``."""
        bounded = raw[:, :4].sigmoid()
        # The centre may leave its cell by one and a half strides either way.
        centre = (bounded[:, :2] * 4 - 2) * self.strides + self.centres
        size = (bounded[:, 2:] * 2) ** 2 * self.sizes
        return torch.cat([centre, size], 1)


class Exported(nn.Module):
    """The network with its boxes decoded: `[1, 5, cells]`, the layout of YOLOv8."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        net = self.network
        # Joined along the first axis that is not the batch: some back ends join along no other.
        cells = [m.permute(0, 2, 3, 1).reshape(1, -1, 5) for m in net.maps(image)]
        raw = torch.cat(cells, 1).permute(0, 2, 1).sigmoid()
        centre = raw[:, 0:2] * (net.strides * 4)[None] + (net.centres - net.strides * 2)[None]
        root = raw[:, 2:4]
        size = root * root * (net.sizes * 4)[None]
        return torch.cat([centre, size, raw[:, 4:5]], 1)


def cost(network: Network, width: int, height: int) -> tuple[int, int]:
    """Parameters after folding, and multiply-adds of the convolutions for one picture."""
    adds = 0

    def count(layer: nn.Conv2d, _inputs, output: Tensor) -> None:
        nonlocal adds
        adds += output[0].numel() * layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    network.eval()
    with torch.no_grad():
        network(torch.zeros(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    return sum(m.weight.numel() + m.out_channels for m in convolutions), adds
