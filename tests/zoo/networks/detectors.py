"""Small detectors: FastestDet, YOLOX-nano, NanoDet-Plus-m, SSD on MobileNets."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList

from .blocks import norm_act
from .classic import SameConv


class ShuffleUnit(nn.Module):
    """ShuffleNetV2's unit: a stride of 2 doubles the channels, else half of them pass by."""

    def __init__(self, inputs, outputs, hidden, stride):
        super().__init__()
        self.stride = stride
        main = outputs - inputs
        self.branch_main = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden, bias=False), nn.BatchNorm2d(hidden),
            nn.Conv2d(hidden, main, 1, bias=False), nn.BatchNorm2d(main), nn.ReLU(),
        )
        if stride == 2:
            self.branch_proj = nn.Sequential(
                nn.Conv2d(inputs, inputs, 3, 2, 1, groups=inputs, bias=False), nn.BatchNorm2d(inputs),
                nn.Conv2d(inputs, inputs, 1, bias=False), nn.BatchNorm2d(inputs), nn.ReLU(),
            )

    def forward(self, x):
        if self.stride == 2:
            return torch.cat((self.branch_proj(x), self.branch_main(x)), 1)
        batch, channels, rows, columns = map(int, x.shape)
        x = x.reshape(batch * channels // 2, 2, rows * columns).permute(1, 0, 2)
        x = x.reshape(2, -1, channels // 2, rows, columns)
        return torch.cat((x[0], self.branch_main(x[1])), 1)


def conv_relu(inputs, outputs, kernel, groups=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class FastestDetHead(nn.Module):
    def __init__(self, channels, outputs):
        super().__init__()
        self.depthwise = conv_relu(channels, channels, 5, channels)
        self.out = nn.Conv2d(channels, outputs, 1)

    def forward(self, x):
        return self.out(self.depthwise(x))


class FastestDet(nn.Module):
    """dog-qiuqiu/FastestDet: ShuffleNetV2 stages of 48, 96 and 192 channels, one map of 1/16."""

    def __init__(self, classes=80):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.stages = nn.ModuleList()
        inputs = 24
        for outputs, count in ((48, 4), (96, 8), (192, 4)):
            units = [ShuffleUnit(inputs, outputs, outputs // 2, 2)]
            units += [ShuffleUnit(outputs // 2, outputs, outputs // 2, 1) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*units))
            inputs = outputs
        self.pool = nn.AvgPool2d(3, 2)
        self.conv1 = conv_relu(336, 96, 1)
        self.spp1 = conv_relu(96, 96, 5, 96)
        self.spp2 = nn.Sequential(conv_relu(96, 96, 5, 96), conv_relu(96, 96, 5, 96))
        self.spp3 = nn.Sequential(*(conv_relu(96, 96, 5, 96) for _ in range(3)))
        self.spp = nn.Sequential(nn.Conv2d(288, 96, 1, bias=False), nn.BatchNorm2d(96))
        self.conv2 = conv_relu(96, 96, 1)
        self.obj = FastestDetHead(96, 1)
        self.reg = FastestDetHead(96, 4)
        self.cls = FastestDetHead(96, classes)

    def forward(self, x):
        fine = self.stages[0](self.first(x))
        middle = self.stages[1](fine)
        coarse = self.stages[2](middle)
        coarse = F.interpolate(coarse, scale_factor=2, mode="nearest")
        x = self.conv1(torch.cat((self.pool(F.pad(fine, (1, 1, 1, 1))), middle, coarse), 1))
        pooled = self.spp(torch.cat((self.spp1(x), self.spp2(x), self.spp3(x)), 1))
        x = self.conv2(F.relu(x + pooled))
        classes = self.cls(x).permute(0, 2, 3, 1).softmax(3).permute(0, 3, 1, 2)
        return torch.cat((self.obj(x).sigmoid(), self.reg(x), classes), 1)


def silu(inputs, outputs, kernel=1, stride=1, groups=1):
    """YOLOX's convolution, batch norm and SiLU."""
    return norm_act(inputs, outputs, kernel, stride, groups, nn.SiLU, eps=1e-3)


def silu_separable(inputs, outputs, kernel, stride=1):
    return nn.Sequential(silu(inputs, inputs, kernel, stride, inputs), silu(inputs, outputs))


class YoloxStage(nn.Module):
    """Bottlenecks of separable convolutions beside a plain branch."""

    def __init__(self, inputs, outputs, count, shortcut):
        super().__init__()
        half = outputs // 2
        self.conv1, self.conv2, self.conv3 = silu(inputs, half), silu(inputs, half), silu(2 * half, outputs)
        self.shortcut = shortcut
        self.m = nn.ModuleList(
            nn.Sequential(silu(half, half), silu_separable(half, half, 3)) for _ in range(count)
        )

    def forward(self, x):
        main = self.conv1(x)
        for stage in self.m:
            main = main + stage(main) if self.shortcut else stage(main)
        return self.conv3(torch.cat((main, self.conv2(x)), 1))


class Spp(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.conv2 = silu(channels, channels // 2), silu(channels * 2, channels)
        self.pools = nn.ModuleList(nn.MaxPool2d(kernel, 1, kernel // 2) for kernel in (5, 9, 13))

    def forward(self, x):
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *(pool(x) for pool in self.pools)], 1))


class YoloxNano(nn.Module):
    """YOLOX-nano: Focus at the door, a decoupled head. Raw gives cells, as its `export_onnx.py` does by default;
    decoded gives input pixels, as with `--decode_in_inference`."""

    strides = (8, 16, 32)

    def __init__(self, decoded, classes=80, size=416):
        super().__init__()
        self.stem = silu(12, 16, 3)
        self.dark2 = nn.Sequential(silu_separable(16, 32, 3, 2), YoloxStage(32, 32, 1, True))
        self.dark3 = nn.Sequential(silu_separable(32, 64, 3, 2), YoloxStage(64, 64, 3, True))
        self.dark4 = nn.Sequential(silu_separable(64, 128, 3, 2), YoloxStage(128, 128, 3, True))
        self.dark5 = nn.Sequential(silu_separable(128, 256, 3, 2), Spp(256), YoloxStage(256, 256, 1, False))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral_conv0, self.c3_p4 = silu(256, 128), YoloxStage(256, 128, 1, False)
        self.reduce_conv1, self.c3_p3 = silu(128, 64), YoloxStage(128, 64, 1, False)
        self.bu_conv2, self.c3_n3 = silu_separable(64, 64, 3, 2), YoloxStage(128, 128, 1, False)
        self.bu_conv1, self.c3_n4 = silu_separable(128, 128, 3, 2), YoloxStage(256, 256, 1, False)
        channels = (64, 128, 256)
        self.stems = nn.ModuleList(silu(c, 64) for c in channels)
        pair = lambda: nn.Sequential(silu_separable(64, 64, 3), silu_separable(64, 64, 3))
        self.cls_convs = nn.ModuleList(pair() for _ in channels)
        self.reg_convs = nn.ModuleList(pair() for _ in channels)
        self.cls_preds = nn.ModuleList(nn.Conv2d(64, classes, 1) for _ in channels)
        self.reg_preds = nn.ModuleList(nn.Conv2d(64, 4, 1) for _ in channels)
        self.obj_preds = nn.ModuleList(nn.Conv2d(64, 1, 1) for _ in channels)
        self.decoded = decoded
        grids, steps = [], []
        for stride in self.strides:
            side = size // stride
            y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
            grids.append(torch.stack((x, y), 2).view(1, -1, 2))
            steps.append(torch.full((1, side * side, 1), stride))
        self.grids, self.steps = torch.cat(grids, 1).float(), torch.cat(steps, 1).float()

    def forward(self, x):
        corners = x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]
        fine = self.dark3(self.dark2(self.stem(torch.cat(corners, 1))))
        middle = self.dark4(fine)
        lateral = self.lateral_conv0(self.dark5(middle))
        middle = self.c3_p4(torch.cat((self.up(lateral), middle), 1))
        reduced = self.reduce_conv1(middle)
        fine = self.c3_p3(torch.cat((self.up(reduced), fine), 1))
        middle = self.c3_n3(torch.cat((self.bu_conv2(fine), reduced), 1))
        coarse = self.c3_n4(torch.cat((self.bu_conv1(middle), lateral), 1))
        found = []
        for level, x in enumerate((fine, middle, coarse)):
            x = self.stems[level](x)
            classes = self.cls_preds[level](self.cls_convs[level](x))
            boxes = self.reg_convs[level](x)
            joined = (self.reg_preds[level](boxes), self.obj_preds[level](boxes).sigmoid(), classes.sigmoid())
            found.append(torch.cat(joined, 1).flatten(2))
        found = torch.cat(found, 2).permute(0, 2, 1)
        if not self.decoded:
            return found
        centre = (found[..., :2] + self.grids) * self.steps
        size = torch.exp(found[..., 2:4]) * self.steps
        return torch.cat((centre, size, found[..., 4:]), 2)


def leaky(inputs, outputs, kernel=1, stride=1, groups=1, act=True):
    act = (lambda: nn.LeakyReLU(0.1)) if act else None
    return norm_act(inputs, outputs, kernel, stride, groups, act)


class LeakyShuffleUnit(nn.Module):
    """ShuffleNetV2's unit as torchvision and NanoDet have it: shuffled after."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        half = outputs // 2
        self.stride = stride
        if stride == 2:
            self.branch1 = nn.Sequential(leaky(inputs, inputs, 3, 2, inputs, False), leaky(inputs, half))
        entering = inputs if stride == 2 else half
        self.branch2 = nn.Sequential(
            leaky(entering, half), leaky(half, half, 3, stride, half, False), leaky(half, half)
        )

    def forward(self, x):
        if self.stride == 2:
            x = torch.cat((self.branch1(x), self.branch2(x)), 1)
        else:
            left, right = x.split(int(x.shape[1]) // 2, 1)
            x = torch.cat((left, self.branch2(right)), 1)
        batch, channels, rows, columns = map(int, x.shape)
        x = x.view(batch, 2, channels // 2, rows, columns).transpose(1, 2)
        return x.reshape(batch, channels, rows, columns)


class Ghost(nn.Module):
    """Half of the channels by a convolution, half from those by a cheap one."""

    def __init__(self, inputs, outputs, act):
        super().__init__()
        half = outputs // 2
        self.primary = leaky(inputs, half, act=act)
        self.cheap = leaky(half, half, 3, 1, half, act)

    def forward(self, x):
        x = self.primary(x)
        return torch.cat((x, self.cheap(x)), 1)


class GhostBottleneck(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.ghost1, self.ghost2 = Ghost(inputs, outputs, True), Ghost(outputs, outputs, False)
        self.shortcut = nn.Sequential(leaky(inputs, inputs, 5, 1, inputs, False), leaky(inputs, outputs, act=False))

    def forward(self, x):
        return self.ghost2(self.ghost1(x)) + self.shortcut(x)


def leaky_separable(inputs, outputs, kernel, stride=1):
    return nn.Sequential(leaky(inputs, inputs, kernel, stride, inputs), leaky(inputs, outputs))


class NanoDetPlus(nn.Module):
    """NanoDet-Plus-m 320: ShuffleNetV2 1.0x, GhostPAN, 80 class scores and 4 distributions of 8 places."""

    def __init__(self, classes=80, places=8, width=96):
        super().__init__()
        self.first = nn.Sequential(leaky(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1))
        self.stages = nn.ModuleList()
        inputs = 24
        for outputs, count in ((116, 4), (232, 8), (464, 4)):
            units = [LeakyShuffleUnit(inputs, outputs, 2)]
            units += [LeakyShuffleUnit(outputs, outputs, 1) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*units))
            inputs = outputs
        self.reduce = nn.ModuleList(leaky(c, width) for c in (116, 232, 464))
        self.up = nn.Upsample(scale_factor=2, mode="bilinear")
        self.top_down = nn.ModuleList(GhostBottleneck(2 * width, width) for _ in range(2))
        self.downs = nn.ModuleList(leaky_separable(width, width, 5, 2) for _ in range(2))
        self.bottom_up = nn.ModuleList(GhostBottleneck(2 * width, width) for _ in range(2))
        self.extra_in, self.extra_out = leaky_separable(width, width, 5, 2), leaky_separable(width, width, 5, 2)
        self.towers = nn.ModuleList(
            nn.Sequential(leaky_separable(width, width, 5), leaky_separable(width, width, 5)) for _ in range(4)
        )
        self.gfl_cls = nn.ModuleList(nn.Conv2d(width, classes + 4 * places, 1) for _ in range(4))
        self.classes, self.box = classes, 4 * places

    def forward(self, x):
        x = self.first(x)
        features = []
        for stage, reduce in zip(self.stages, self.reduce):
            x = stage(x)
            features.append(reduce(x))
        fine, middle, coarse = features
        middle = self.top_down[0](torch.cat((self.up(coarse), middle), 1))
        fine = self.top_down[1](torch.cat((self.up(middle), fine), 1))
        middle = self.bottom_up[0](torch.cat((self.downs[0](fine), middle), 1))
        last = self.bottom_up[1](torch.cat((self.downs[1](middle), coarse), 1))
        extra = self.extra_in(coarse) + self.extra_out(last)
        found = []
        for x, tower, head in zip((fine, middle, last, extra), self.towers, self.gfl_cls):
            scores, boxes = head(tower(x)).split((self.classes, self.box), 1)
            found.append(torch.cat((scores.sigmoid(), boxes), 1).flatten(2))
        return torch.cat(found, 2).permute(0, 2, 1)


def ssd_priors(maps, ratios, smallest, largest):
    """Centre and size of SSD's boxes, in fractions of the picture; the first map has three small ones."""
    scales = [smallest + (largest - smallest) * i / (len(maps) - 1) for i in range(len(maps))] + [1.0]
    boxes = []
    for index, side in enumerate(maps):
        if index == 0:
            shapes = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        else:
            shapes = [(scales[index], ratio) for ratio in ratios]
            shapes.append(((scales[index] * scales[index + 1]) ** 0.5, 1.0))
        for row in range(side):
            for column in range(side):
                for scale, ratio in shapes:
                    root = ratio**0.5
                    boxes.append(((column + 0.5) / side, (row + 0.5) / side, scale * root, scale / root))
    return torch.tensor(boxes)


def decode_ssd(boxes, priors):
    """Boxes of left, top, right, bottom from what the head says of each prior."""
    centre = boxes[..., :2] * 0.1 * priors[..., 2:] + priors[..., :2]
    size = torch.exp(boxes[..., 2:] * 0.2) * priors[..., 2:]
    return centre - size / 2, centre + size / 2


class SsdMobileNetV1(nn.Module):
    """SSD MobileNetV1 300 as TensorFlow's Object Detection API has it: uint8 pixels in NHWC; boxes of top,
    left, bottom, right in fractions, and scores of 91 classes (the first is background) before suppression."""

    def __init__(self, classes=91):
        super().__init__()
        sizes = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5)
        layers, inputs = [SameConv(3, 32, 3, 2)], 32
        for outputs, stride in sizes:
            layers += [SameConv(inputs, inputs, 3, stride, inputs), SameConv(inputs, outputs, 1)]
            inputs = outputs
        self.front = nn.Sequential(*layers)
        self.back = nn.Sequential(
            SameConv(512, 512, 3, 2, 512), SameConv(512, 1024, 1), SameConv(1024, 1024, 3, 1, 1024),
            SameConv(1024, 1024, 1),
        )
        extra = ((1024, 256, 512), (512, 128, 256), (256, 128, 256), (256, 64, 128))
        self.extra = nn.ModuleList(
            nn.Sequential(SameConv(i, h, 1), SameConv(h, o, 3, 2)) for i, h, o in extra
        )
        channels, counts = (512, 1024, 512, 256, 256, 128), (3, 6, 6, 6, 6, 6)
        self.boxes = nn.ModuleList(nn.Conv2d(c, n * 4, 1) for c, n in zip(channels, counts))
        self.scores = nn.ModuleList(nn.Conv2d(c, n * classes, 1) for c, n in zip(channels, counts))
        self.classes = classes
        self.priors = ssd_priors((19, 10, 5, 3, 2, 1), (1.0, 2.0, 0.5, 3.0, 1 / 3), 0.2, 0.95)

    def forward(self, x):
        x = (x.float() * (2 / 255) - 1).permute(0, 3, 1, 2)
        features = [self.front(x)]
        features.append(self.back(features[0]))
        for extra in self.extra:
            features.append(extra(features[-1]))
        boxes, scores = [], []
        for x, box, score in zip(features, self.boxes, self.scores):
            boxes.append(box(x).permute(0, 2, 3, 1).reshape(1, -1, 4))
            scores.append(score(x).permute(0, 2, 3, 1).reshape(1, -1, self.classes))
        near, far = decode_ssd(torch.cat(boxes, 1), self.priors)
        boxes = torch.stack((near[..., 1], near[..., 0], far[..., 1], far[..., 0]), 2)
        return boxes, torch.cat(scores, 1).sigmoid()


class SsdLite(nn.Module):
    """torchvision's ssdlite320_mobilenet_v3_large without its suppression: boxes in input pixels and scores
    after softmax, the first class background."""

    def __init__(self, network, size=320):
        super().__init__()
        self.backbone, self.head, self.size = network.backbone, network.head, size
        maps = [20, 10, 5, 3, 2, 1]
        images = torch.zeros(1, 3, size, size)
        anchors = network.anchor_generator(ImageList(images, [(size, size)]), [torch.zeros(1, 1, m, m) for m in maps])
        corners = anchors[0] / size
        near, far = corners[:, :2], corners[:, 2:]
        self.priors = torch.cat(((near + far) / 2, far - near), 1)

    def forward(self, x):
        found = self.head(list(self.backbone(x).values()))
        near, far = decode_ssd(found["bbox_regression"], self.priors)
        boxes = torch.cat((near, far), 2) * self.size
        return boxes, found["cls_logits"].softmax(2)
