"""The zoo's structures in PyTorch: widely used vision models by their published architectures, and what the
usual export of each gives. Weights are of no account here; `calibrate.py` sets them."""

from dataclasses import dataclass, field
from typing import Callable

import torchvision
from torch import nn

from networks import classic, detectors, faces, yolo

IMAGENET = (-2.1179, 2.64)
"""What a picture is between after ImageNet's mean and standard deviation."""


@dataclass
class Structure:
    """One model of the zoo."""

    build: Callable[[], nn.Module]
    shape: tuple
    outputs: list
    input: str = "input"
    opset: int = 13
    range: tuple = (0.0, 1.0)
    """Of the values of a picture prepared as the publisher does."""
    element: str = "float32"
    nhwc: bool = False
    open_batch: bool = False
    keep_batch_norm: bool = False
    simplified: bool = True
    """Whether its publisher's export folds constants (onnxsim, onnxslim, tf2onnx)."""
    lean: bool = False
    """Whether attributes that say what is so anyway are left out, as tf2onnx and optimisers do."""
    heads: list = field(default_factory=list)
    """Layers whose output is to be elsewhere than around 0 +- 1; see calibrate.py."""


PICTURE = "picture"

tv = torchvision.models

ZOO = {
    "squeezenet": Structure(
        lambda: tv.squeezenet1_1(weights=None),
        (1, 3, 224, 224), ["output"], range=IMAGENET, simplified=False, opset=13,
        heads=[("classifier.1", 1.0, 2.0, PICTURE)],
    ),
    "mobilenetv2": Structure(
        lambda: tv.mobilenet_v2(weights=None),
        (1, 3, 224, 224), ["output"], range=IMAGENET, opset=13, open_batch=True,
        heads=[("classifier", 0.0, 2.0, PICTURE)],
    ),
    "mobilenetv3-small": Structure(
        lambda: tv.mobilenet_v3_small(weights=None),
        (1, 3, 224, 224), ["output"], range=IMAGENET, opset=14,
        heads=[("classifier.3", 0.0, 2.0, PICTURE)],
    ),
    "resnet18": Structure(
        lambda: tv.resnet18(weights=None),
        (1, 3, 224, 224), ["output"], range=IMAGENET, simplified=False, opset=13, keep_batch_norm=True,
        heads=[("^/fc/", 0.0, 2.0, PICTURE)],
    ),
    "resnet50": Structure(
        lambda: tv.resnet50(weights=None),
        (1, 3, 224, 224), ["output"], range=IMAGENET, simplified=False, opset=17, open_batch=True,
        heads=[("^/fc/", 0.0, 2.0, PICTURE)],
    ),
    "efficientnet-lite0": Structure(
        classic.EfficientNetLite0,
        (1, 224, 224, 3), ["Softmax"], input="images", range=(-0.992, 1.0), lean=True, opset=13, nhwc=True,
        heads=[("dense", 0.0, 2.0, PICTURE)],
    ),
    "fastestdet": Structure(
        detectors.FastestDet,
        (1, 3, 352, 352), ["output"], opset=11,
        heads=[("obj.*out", -0.5, 1.5, PICTURE), ("reg.*out", 0.0, 1.0), ("cls.*out", 0.0, 2.5, PICTURE)],
    ),
    "yolov5n": Structure(
        lambda: yolo.YoloV5(80),
        (1, 3, 640, 640), ["output0"], input="images", opset=13,
        heads=[(r"^/m\.\d/", [0.0] * 4 + [-3.0] + [-4.0] * 80, 1.2, PICTURE)],
    ),
    "yolov8n": Structure(
        lambda: yolo.YoloV8(80),
        (1, 3, 640, 640), ["output0"], input="images", opset=17,
        heads=[(r"cv2.*2/Conv", 0.0, 1.5), (r"cv3.*2/Conv", -7.5, 1.4, PICTURE)],
    ),
    "yolov8n-pose": Structure(
        lambda: yolo.YoloV8(1, pose=17),
        (1, 3, 640, 640), ["output0"], input="images", opset=16,
        heads=[(r"cv2.*2/Conv", 0.0, 1.5), (r"cv3.*2/Conv", -4.5, 1.4, PICTURE), (r"cv4.*2/Conv", 0.0, 1.5)],
    ),
    "yolox-nano": Structure(
        lambda: detectors.YoloxNano(False),
        (1, 3, 416, 416), ["output"], input="images", range=(0.0, 255.0), lean=True, opset=11,
        heads=[("cls_preds", -3.0, 1.3, PICTURE), ("obj_preds", -1.5, 1.3, PICTURE), ("reg_preds", 0.5, 0.35)],
    ),
    "yolox-nano-decoded": Structure(
        lambda: detectors.YoloxNano(True),
        (1, 3, 416, 416), ["output"], input="images", range=(0.0, 255.0), lean=True, opset=15,
        heads=[("cls_preds", -3.0, 1.3, PICTURE), ("obj_preds", -1.5, 1.3, PICTURE), ("reg_preds", 0.5, 0.35)],
    ),
    "nanodet-plus-m": Structure(
        detectors.NanoDetPlus,
        (1, 3, 320, 320), ["output"], input="data", range=(-2.1, 2.6), lean=True, opset=12,
        heads=[("gfl_cls", [-5.5] * 80 + [0.0] * 32, 1.4, PICTURE)],
    ),
    "ssd-mobilenetv1": Structure(
        detectors.SsdMobileNetV1,
        (1, 300, 300, 3), ["raw_boxes", "raw_scores"], input="image_tensor", element="uint8", nhwc=True, lean=True, opset=13,
        range=(0.0, 255.0), heads=[("boxes", 0.0, 1.0), ("scores", -6.0, 1.5, PICTURE)],
    ),
    "ssdlite320": Structure(
        lambda: detectors.SsdLite(tv.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)),
        (1, 3, 320, 320), ["boxes", "scores"], range=(-1.0, 1.0), opset=17,
        heads=[("regression.*1/Conv", 0.0, 1.0), ("classification.*1/Conv", 0.0, 1.7, PICTURE)],
    ),
    "ultraface-rfb": Structure(
        lambda: faces.UltraFace(rfb=True),
        (1, 3, 240, 320), ["scores", "boxes"], range=(-0.992, 1.0), opset=14,
        heads=[(r"/scores\.(\d\.2|3)/", [1.6, -1.6], 1.0, PICTURE), (r"/boxes\.(\d\.2|3)/", 0.0, 1.0)],
    ),
    "osnet-x0-25": Structure(
        classic.OsNet,
        (1, 3, 256, 128), ["output"], range=IMAGENET, lean=True, opset=13,
    ),
    "deeplabv3-mobilenetv3": Structure(
        lambda: classic.Logits(tv.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)),
        (1, 3, 320, 320), ["out"], range=IMAGENET, opset=13,
        heads=[("classifier.4", 0.0, 1.5, PICTURE)],
    ),
    "unet": Structure(
        classic.UNet,
        (1, 3, 256, 256), ["mask"], simplified=False, opset=13, open_batch=True,
        heads=[("^/out", 0.0, 2.0, PICTURE)],
    ),
    "pose-mobilenetv2": Structure(
        lambda: classic.HeatMaps(tv.mobilenet_v2(weights=None).features, 1280),
        (1, 3, 256, 192), ["heatmaps"], range=IMAGENET, opset=13,
        heads=[("final_layer", 0.1, 0.25, PICTURE)],
    ),
}
