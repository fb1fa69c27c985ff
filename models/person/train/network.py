"""The detector: plain convolutions, so that every back end runs it fast and right.

Regular 4x4, 3x3 and 1x1 convolutions, ReLU, nearest upsampling and addition; boxes are decoded with
sigmoids and constant grids, so nothing can overflow and no shape is worked out at run time.

Channel counts are chosen for engines that lower a convolution to a matrix product, as rten does.
Unfolding a 3x3's input costs them the same for few output channels as for many, so every 3x3 has few
inputs and many outputs, and the first layer is one of patches that do not overlap.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = 3
STRIDES = (8, 16, 32)
# A box is up to four times these, in input pixels: width and height at each stride.
SIZES = ((14.0, 24.0), (34.0, 64.0), (100.0, 128.0))


class ConvBn(nn.Sequential):
    """Convolution, batch norm (folded on export), ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1):
        # An even size is that of patches side by side.
        padding = size // 2 if size % 2 else 0
        super().__init__(nn.Conv2d(inputs, outputs, size, stride, padding, bias=False),
                         nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Bottleneck(nn.Module):
    """1x1 down to `narrow`, 3x3 up, added to its input."""

    def __init__(self, channels: int, narrow: int):
        super().__init__()
        self.body = nn.Sequential(ConvBn(channels, narrow, 1), ConvBn(narrow, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Network(nn.Module):
    """Pictures ``(n, 3, h, w)``, 0..1, to raw maps: four box numbers and a score per class, per cell."""

    def __init__(self, width: int = 384, height: int = 224):
        super().__init__()
        self.stem = ConvBn(3, 40, 4, 4)
        self.p3 = nn.Sequential(ConvBn(40, 120, stride=2), Bottleneck(120, 24), Bottleneck(120, 24))
        self.p4 = nn.Sequential(ConvBn(120, 144, stride=2), Bottleneck(144, 36), Bottleneck(144, 36))
        self.p5 = nn.Sequential(ConvBn(144, 168, stride=2), Bottleneck(168, 40), Bottleneck(168, 40))
        self.lateral = nn.ModuleList(nn.Conv2d(c, 40, 1) for c in (120, 144, 168))
        self.head = nn.ModuleList(nn.Sequential(ConvBn(40, 24, 1), ConvBn(24, 72), nn.Conv2d(72, 4 + CLASSES, 1)) for _ in STRIDES)
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest")
        for head in self.head:
            # Start near "nothing here", or the first steps are spent unlearning.
            nn.init.constant_(head[2].bias[4:], -4.5)
        self.sized(width, height)

    def sized(self, width: int, height: int) -> None:
        """Sets the size of the pictures, in pixels; multiples of 32."""
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
        """Raw numbers as maps ``(n, 4 + CLASSES, rows, columns)`` at strides 8, 16 and 32."""
        p3 = self.p3(self.stem(pictures))
        p4 = self.p4(p3)
        p5 = self.lateral[2](self.p5(p4))
        p4 = self.lateral[1](p4) + self.up(p5)
        p3 = self.lateral[0](p3) + self.up(p4)
        return [head(level) for head, level in zip(self.head, (p3, p4, p5))]

    def forward(self, pictures: Tensor) -> Tensor:
        """Raw numbers ``(n, 4 + CLASSES, cells)``, strides 8, 16, 32 in turn, rows first."""
        return torch.cat([m.flatten(2) for m in self.maps(pictures)], 2)

    def boxes(self, raw: Tensor) -> Tensor:
        """Centre x, centre y, width, height in input pixels, ``(n, 4, cells)``."""
        bounded = raw[:, :4].sigmoid()
        # The centre may leave its cell by one and a half strides either way.
        centre = (bounded[:, :2] * 4 - 2) * self.strides + self.centres
        size = (bounded[:, 2:] * 2) ** 2 * self.sizes
        return torch.cat([centre, size], 1)


class Exported(nn.Module):
    """The network with its boxes decoded: `[1, 4 + CLASSES, cells]`, the layout of YOLOv8."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        net = self.network
        # Joined along the first axis that is not the batch: some back ends join along no other.
        cells = [m.permute(0, 2, 3, 1).reshape(1, -1, 4 + CLASSES) for m in net.maps(image)]
        raw = torch.cat(cells, 1).permute(0, 2, 1).sigmoid()
        centre = raw[:, 0:2] * (net.strides * 4)[None] + (net.centres - net.strides * 2)[None]
        root = raw[:, 2:4]
        size = root * root * (net.sizes * 4)[None]
        return torch.cat([centre, size, raw[:, 4:]], 1)


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
