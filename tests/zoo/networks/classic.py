"""Classifiers, embeddings, segmentation and heat maps that torchvision does not have."""

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import norm_act, same


class SameConv(nn.Module):
    """Convolution with TensorFlow's padding, batch norm, and an activation but for projections."""

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1, act=True):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.ReLU6() if act else nn.Identity()

    def forward(self, x):
        top, bottom = same(int(x.shape[2]), self.kernel, self.stride)
        left, right = same(int(x.shape[3]), self.kernel, self.stride)
        if top or bottom or left or right:
            x = F.pad(x, (left, right, top, bottom))
        return self.act(self.bn(self.conv(x)))


class LiteBlock(nn.Module):
    def __init__(self, inputs, outputs, expand, stride, kernel):
        super().__init__()
        hidden = inputs * expand
        layers = [SameConv(inputs, hidden, 1)] if expand > 1 else []
        layers += [
            SameConv(hidden, hidden, kernel, stride, hidden),
            SameConv(hidden, outputs, 1, act=False),
        ]
        self.block = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        made = self.block(x)
        return x + made if self.residual else made


class EfficientNetLite0(nn.Module):
    """EfficientNet-lite0 as TensorFlow has it: NHWC input, padding `SAME`, softmax in the graph."""

    def __init__(self):
        super().__init__()
        layers = [SameConv(3, 32, 3, 2)]
        inputs = 32
        stages = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
                  (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))
        for expand, outputs, count, stride, kernel in stages:
            for index in range(count):
                layers.append(LiteBlock(inputs, outputs, expand, stride if index == 0 else 1, kernel))
                inputs = outputs
        self.features = nn.Sequential(*layers, SameConv(320, 1280, 1))
        self.dense = nn.Linear(1280, 1000)

    def forward(self, x):
        x = self.features(x.permute(0, 3, 1, 2))
        return self.dense(x.mean((2, 3))).softmax(1)


class LightConv(nn.Module):
    """OSNet's light 3x3: pointwise without bias, then depthwise."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.bn(self.conv2(self.conv1(x))))


class OmniBlock(nn.Module):
    """Four branches of one to four light convolutions, weighed by a gate that they share."""

    def __init__(self, inputs, outputs):
        super().__init__()
        hidden = outputs // 4
        self.conv1 = norm_act(inputs, hidden, 1)
        self.branches = nn.ModuleList(
            nn.Sequential(*(LightConv(hidden, hidden) for _ in range(count))) for count in (1, 2, 3, 4)
        )
        self.fc1 = nn.Conv2d(hidden, max(hidden // 16, 1), 1)
        self.fc2 = nn.Conv2d(max(hidden // 16, 1), hidden, 1)
        self.conv3 = norm_act(hidden, outputs, 1, act=None)
        self.downsample = norm_act(inputs, outputs, 1, act=None) if inputs != outputs else None

    def gate(self, x):
        weight = F.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(weight))))

    def forward(self, x):
        first = self.conv1(x)
        made = sum(self.gate(branch(first)) for branch in self.branches[1:]) + self.gate(self.branches[0](first))
        made = self.conv3(made)
        return F.relu(made + (self.downsample(x) if self.downsample else x))


class OsNet(nn.Module):
    """OSNet x0.25 for re-identification: 512 numbers a person."""

    def __init__(self):
        super().__init__()
        a, b, c, d = 16, 64, 96, 128
        self.conv1 = norm_act(3, a, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.conv2 = nn.Sequential(OmniBlock(a, b), OmniBlock(b, b), norm_act(b, b, 1), nn.AvgPool2d(2, 2))
        self.conv3 = nn.Sequential(OmniBlock(b, c), OmniBlock(c, c), norm_act(c, c, 1), nn.AvgPool2d(2, 2))
        self.conv4 = nn.Sequential(OmniBlock(c, d), OmniBlock(d, d))
        self.conv5 = norm_act(d, d, 1)
        self.fc = nn.Sequential(nn.Linear(d, 512), nn.BatchNorm1d(512), nn.ReLU())

    def forward(self, x):
        x = self.conv2(self.maxpool(self.conv1(x)))
        x = self.conv5(self.conv4(self.conv3(x)))
        x = F.adaptive_avg_pool2d(x, 1)
        return self.fc(x.view(int(x.shape[0]), -1))


class UNet(nn.Module):
    """Three levels down and up again with transposed convolutions; one channel through the logistic."""

    def __init__(self, channels=(24, 32, 64, 128)):
        super().__init__()
        pair = lambda inputs, outputs: nn.Sequential(norm_act(inputs, outputs), norm_act(outputs, outputs))
        self.down = nn.ModuleList(pair(i, o) for i, o in zip((3, *channels[:-1]), channels))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(i, o, 2, 2) for i, o in zip(channels[:0:-1], channels[-2::-1])
        )
        self.join = nn.ModuleList(pair(2 * o, o) for o in channels[-2::-1])
        self.out = nn.Conv2d(channels[0], 1, 1)

    def forward(self, x):
        kept = []
        for index, stage in enumerate(self.down):
            x = stage(F.max_pool2d(x, 2) if index else x)
            kept.append(x)
        for up, join, skip in zip(self.up, self.join, kept[-2::-1]):
            x = join(torch.cat((skip, up(x)), 1))
        return self.out(x).sigmoid()


class HeatMaps(nn.Module):
    """A simple baseline for pose: a backbone, three transposed convolutions, a map for each of 17 points."""

    def __init__(self, backbone, channels):
        super().__init__()
        self.backbone = backbone
        layers = []
        for inputs in (channels, 128, 128):
            layers += [nn.ConvTranspose2d(inputs, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU()]
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(128, 17, 1)

    def forward(self, x):
        return self.final_layer(self.deconv_layers(self.backbone(x)))


class Logits(nn.Module):
    """The one output of a torchvision segmentation network that deployments keep."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)["out"]
