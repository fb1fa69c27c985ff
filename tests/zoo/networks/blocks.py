"""What several networks of the zoo are built from."""

from torch import nn


def same(size, kernel, stride):
    """TensorFlow's padding `SAME` of one axis: before, after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def norm_act(inputs, outputs, kernel=3, stride=1, groups=1, act=nn.ReLU, eps=1e-5, padding=None):
    """Convolution, batch norm and, unless `act` is None, an activation."""
    padding = kernel // 2 if padding is None else padding
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=eps),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


def separable(inputs, outputs, stride=1, act=nn.ReLU):
    """MobileNetV1's depthwise and pointwise pair."""
    return nn.Sequential(
        norm_act(inputs, inputs, 3, stride, inputs, act), norm_act(inputs, outputs, 1, act=act)
    )
