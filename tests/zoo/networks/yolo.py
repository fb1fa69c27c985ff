"""YOLOv5 (6.0 and later), YOLOv8, YOLOv8-pose: the nano sizes, as their `export` to ONNX leaves them."""

import torch
from torch import nn


class Conv(nn.Module):
    """Convolution, batch norm, SiLU."""

    def __init__(self, inputs, outputs, kernel=1, stride=1, padding=None):
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, inputs, outputs, shortcut, kernels, hidden):
        super().__init__()
        self.cv1 = Conv(inputs, hidden, kernels[0])
        self.cv2 = Conv(hidden, outputs, kernels[1])
        self.shortcut = shortcut

    def forward(self, x):
        made = self.cv2(self.cv1(x))
        return x + made if self.shortcut else made


class C2f(nn.Module):
    """YOLOv8's stage: halves, bottlenecks in a row, all of them joined."""

    def __init__(self, inputs, outputs, count, shortcut):
        super().__init__()
        half = outputs // 2
        self.cv1 = Conv(inputs, 2 * half)
        self.cv2 = Conv((2 + count) * half, outputs)
        self.m = nn.ModuleList(Bottleneck(half, half, shortcut, (3, 3), half) for _ in range(count))

    def forward(self, x):
        x = self.cv1(x)
        parts = list(x.split(int(x.shape[1]) // 2, 1))
        for stage in self.m:
            parts.append(stage(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class C3(nn.Module):
    """YOLOv5's stage: bottlenecks beside a plain branch."""

    def __init__(self, inputs, outputs, count, shortcut):
        super().__init__()
        half = outputs // 2
        self.cv1 = Conv(inputs, half)
        self.cv2 = Conv(inputs, half)
        self.cv3 = Conv(2 * half, outputs)
        self.m = nn.Sequential(*(Bottleneck(half, half, shortcut, (1, 3), half) for _ in range(count)))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class Sppf(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.cv1 = Conv(channels, channels // 2)
        self.cv2 = Conv(channels * 2, channels)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        x = self.cv1(x)
        once = self.m(x)
        twice = self.m(once)
        return self.cv2(torch.cat((x, once, twice, self.m(twice)), 1))


class Dfl(nn.Module):
    """The distance that a distribution over 16 places means."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 1, 1, bias=False)
        self.conv.weight.data[:] = torch.arange(16.0).view(1, 16, 1, 1)

    def forward(self, x):
        batch, _, count = map(int, x.shape)
        return self.conv(x.view(batch, 4, 16, count).transpose(2, 1).softmax(1)).view(batch, 4, count)


def points(sizes, strides):
    """Centres of all cells, in cells, and the strides: 2 x N and 1 x N."""
    centres, steps = [], []
    for (rows, columns), stride in zip(sizes, strides):
        y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
        centres.append(torch.stack((x.reshape(-1), y.reshape(-1))))
        steps.append(torch.full((1, rows * columns), float(stride)))
    return torch.cat(centres, 1), torch.cat(steps, 1)


class Detect(nn.Module):
    """YOLOv8's head: boxes in input pixels, class scores through the logistic; keypoints with `pose`."""

    strides = (8, 16, 32)

    def __init__(self, classes, channels, size, pose=0):
        super().__init__()
        boxes = max(16, channels[0] // 4, 64)
        scores = max(channels[0], min(classes, 100))
        self.classes, self.pose = classes, pose
        self.cv2 = self.branch(channels, boxes, 64)
        self.cv3 = self.branch(channels, scores, classes)
        if pose:
            self.cv4 = self.branch(channels, max(channels[0] // 4, pose * 3), pose * 3)
        self.dfl = Dfl()
        centres, steps = points([(size // s, size // s) for s in self.strides], self.strides)
        self.centres, self.steps = centres.unsqueeze(0), steps

    @staticmethod
    def branch(channels, hidden, outputs):
        return nn.ModuleList(
            nn.Sequential(Conv(c, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, outputs, 1))
            for c in channels
        )

    def forward(self, features):
        batch = int(features[0].shape[0])
        extra = None
        if self.pose:
            extra = [head(x).view(batch, self.pose * 3, -1) for head, x in zip(self.cv4, features)]
            extra = torch.cat(extra, -1)
        joined = [torch.cat((b(x), s(x)), 1) for b, s, x in zip(self.cv2, self.cv3, features)]
        joined = torch.cat([x.view(batch, 64 + self.classes, -1) for x in joined], 2)
        boxes, scores = joined.split((64, self.classes), 1)
        near, far = self.dfl(boxes).split((2, 2), 1)
        near, far = self.centres - near, self.centres + far
        boxes = torch.cat(((near + far) / 2, far - near), 1) * self.steps
        parts = [boxes, scores.sigmoid()]
        if self.pose:
            extra = extra.view(batch, self.pose, 3, -1)
            places = (extra[:, :, :2] * 2.0 + (self.centres - 0.5)) * self.steps
            extra = torch.cat((places, extra[:, :, 2:3].sigmoid()), 2)
            parts.append(extra.view(batch, self.pose * 3, -1))
        return torch.cat(parts, 1)


class YoloV8(nn.Module):
    """YOLOv8n, and YOLOv8n-pose with `pose` keypoints."""

    def __init__(self, classes, pose=0, size=640):
        super().__init__()
        self.model = nn.ModuleList([
            Conv(3, 16, 3, 2), Conv(16, 32, 3, 2), C2f(32, 32, 1, True),
            Conv(32, 64, 3, 2), C2f(64, 64, 2, True),
            Conv(64, 128, 3, 2), C2f(128, 128, 2, True),
            Conv(128, 256, 3, 2), C2f(256, 256, 1, True), Sppf(256),
            nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Identity(), C2f(384, 128, 1, False),
            nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Identity(), C2f(192, 64, 1, False),
            Conv(64, 64, 3, 2), nn.Identity(), C2f(192, 128, 1, False),
            Conv(128, 128, 3, 2), nn.Identity(), C2f(384, 256, 1, False),
            Detect(classes, (64, 128, 256), size, pose),
        ])

    def forward(self, x):
        model, features = self.model, {}
        for index in range(10):
            x = model[index](x)
            features[index] = x
        middle = model[12](torch.cat((model[10](x), features[6]), 1))
        fine = model[15](torch.cat((model[13](middle), features[4]), 1))
        middle = model[18](torch.cat((model[16](fine), middle), 1))
        coarse = model[21](torch.cat((model[19](middle), x), 1))
        return model[22]((fine, middle, coarse))


class YoloV5(nn.Module):
    """YOLOv5n 6.x: one output of boxes in input pixels, objectness and class scores."""

    strides = (8, 16, 32)
    anchors = (
        ((10, 13), (16, 30), (33, 23)),
        ((30, 61), (62, 45), (59, 119)),
        ((116, 90), (156, 198), (373, 326)),
    )

    def __init__(self, classes, size=640):
        super().__init__()
        self.classes = classes
        up = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.model = nn.ModuleList([
            Conv(3, 16, 6, 2, 2), Conv(16, 32, 3, 2), C3(32, 32, 1, True),
            Conv(32, 64, 3, 2), C3(64, 64, 2, True),
            Conv(64, 128, 3, 2), C3(128, 128, 3, True),
            Conv(128, 256, 3, 2), C3(256, 256, 1, True), Sppf(256),
            Conv(256, 128), up, nn.Identity(), C3(256, 128, 1, False),
            Conv(128, 64), up, nn.Identity(), C3(128, 64, 1, False),
            Conv(64, 64, 3, 2), nn.Identity(), C3(128, 128, 1, False),
            Conv(128, 128, 3, 2), nn.Identity(), C3(256, 256, 1, False),
        ])
        self.m = nn.ModuleList(nn.Conv2d(c, 3 * (5 + classes), 1) for c in (64, 128, 256))
        self.grid, self.sizes = [], []
        for stride, anchors in zip(self.strides, self.anchors):
            side = size // stride
            y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
            grid = torch.stack((x, y), 2).expand(1, 3, side, side, 2) - 0.5
            self.grid.append(grid.contiguous())
            anchors = torch.tensor(anchors, dtype=torch.float32).view(1, 3, 1, 1, 2)
            self.sizes.append(anchors.expand(1, 3, side, side, 2).contiguous())

    def forward(self, x):
        model, features = self.model, {}
        for index in range(11):
            x = model[index](x)
            features[index] = x
        lateral = x
        x = model[13](torch.cat((model[11](lateral), features[6]), 1))
        reduced = model[14](x)
        fine = model[17](torch.cat((model[15](reduced), features[4]), 1))
        middle = model[20](torch.cat((model[18](fine), reduced), 1))
        coarse = model[23](torch.cat((model[21](middle), lateral), 1))
        found = []
        for level, x in enumerate((fine, middle, coarse)):
            x = self.m[level](x)
            batch, _, rows, columns = map(int, x.shape)
            x = x.view(batch, 3, 5 + self.classes, rows, columns).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
            centre, size, scores = x.split((2, 2, 1 + self.classes), 4)
            centre = (centre * 2 + self.grid[level]) * self.strides[level]
            size = (size * 2) ** 2 * self.sizes[level]
            found.append(torch.cat((centre, size, scores), 4).view(batch, 3 * rows * columns, 5 + self.classes))
        return torch.cat(found, 1)
