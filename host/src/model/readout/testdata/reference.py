#!/usr/bin/env python3
"""What outputs of models mean, in plain NumPy, from what the models' authors published. Makes random output
tensors and what they must be read out as.

    reference.py                 writes cases.json beside this file
    reference.py --seed 7 -      prints other cases; the tests do this where PYTHON has NumPy

Boxes are computed in 64 bits, one at a time. A case whose answer hangs on a rounding error (a score or an
overlap next to its threshold, two scores next to each other) is made again from other numbers.
"""

import base64
import json
import math
import os
import sys

import numpy as np

NEAR = 2e-5  # nearer to a threshold than this, and the numbers are drawn again


class Unsure(Exception):
    pass


def clear(value, threshold):
    """value >= threshold, both sides of which must be told apart in 32 bits."""
    if math.isfinite(value) and value != threshold and abs(value - threshold) < NEAR:
        raise Unsure
    return value >= threshold


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-np.asarray(x, dtype=np.float64)))


def softmax(x):
    e = np.exp(np.asarray(x, dtype=np.float64) - np.max(x))
    return e / e.sum()


def argmax(row):
    """The first of the highest; what is no number never wins."""
    best, at = -math.inf, 0
    for index, value in enumerate(row):
        if value > best:
            best, at = value, index
    if sum(1 for value in row if value != best and abs(value - best) < 1e-7):
        raise Unsure
    return at, float(best)


def centred(cx, cy, w, h):
    return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]


# --- what is done with boxes, whatever found them -----------------------------------------------------


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return w * h / (area(a) + area(b) - w * h)


def choose(found, how):
    """found: (label, score, [x1, y1, x2, y2], more) in input pixels, in the tensor's order.

    Greedy suppression as torchvision.ops.nms and cv2.dnn.NMSBoxes do it: best first, a box goes if it overlaps
    one that stays by more than the threshold. Per class unless across: ultralytics/ultralytics
    ultralytics/utils/nms.py adds class * 7680 to the boxes for the same effect.
    """
    wanted = []
    for box in found:
        label, score, corners, _ = box
        if not np.isfinite([score, *corners]).all() or corners[2] <= corners[0] or corners[3] <= corners[1]:
            continue
        if how.get("min_score") is not None:
            least = how["min_score"]
        else:
            least = how.get("scores", {}).get(label, how["score"])
        if how.get("only") is not None and label not in how["only"]:
            continue
        if clear(score, least):
            wanted.append(box)
    wanted.sort(key=lambda box: -box[1])
    for a, b in zip(wanted, wanted[1:]):
        if a[1] != b[1] and a[1] - b[1] < 1e-7 * max(1.0, a[1]):
            raise Unsure
    kept = []
    for box in wanted:
        rivals = [other for other in kept if how.get("across") or other[0] == box[0]]
        over = [iou(box[2], other[2]) for other in rivals] if how["nms"] is not None else []
        if len(kept) < how["max"] and not any(clear(value - 1e-12, how["nms"]) for value in over):
            kept.append(box)
    return kept


class View:
    """Where the input's pixels lie in the frame: as ultralytics/ultralytics utils/ops.py `scale_boxes`, for the
    part of a frame that was asked about."""

    def __init__(self, width, height, fit="stretch", frame=(640, 480), rect=None):
        x, y, w, h = rect or (0, 0, *frame)
        new_w, new_h, pad_x, pad_y = width, height, 0, 0
        if fit.startswith("letterbox"):
            gain = min(width / w, height / h)
            new_w, new_h = int(w * gain + 0.5), int(h * gain + 0.5)
            if fit == "letterbox":
                pad_x, pad_y = (width - new_w) // 2, (height - new_h) // 2
        if fit == "crop":
            cut_w, cut_h = min(w, h * width / height), min(h, w * height / width)
            x, y, w, h = x + (w - cut_w) / 2, y + (h - cut_h) / 2, cut_w, cut_h
        self.step = (w / frame[0] / new_w, h / frame[1] / new_h)
        self.origin = (x / frame[0] - pad_x * self.step[0], y / frame[1] - pad_y * self.step[1])
        self.seen = [x / frame[0], y / frame[1], w / frame[0], h / frame[1]]

    def point(self, x, y):
        return self.origin[0] + x * self.step[0], self.origin[1] + y * self.step[1]

    def box(self, corners):
        """left, top, width, height in fractions of the frame and cut to it, or None."""
        x1, y1 = self.point(corners[0], corners[1])
        x2, y2 = self.point(corners[2], corners[3])
        x1, y1, x2, y2 = (min(max(edge, 0.0), 1.0) for edge in (x1, y1, x2, y2))
        return [x1, y1, x2 - x1, y2 - y1] if x2 > x1 and y2 > y1 else None


def detections(found, how, view):
    answer = []
    for label, score, corners, _ in choose(found, how):
        box = view.box(corners)
        if box:
            answer.append([label, min(max(score, 0.0), 1.0), *box])
    return answer


# --- read-outs ----------------------------------------------------------------------------------------


def fastestdet(tensor, width, height):
    """dog-qiuqiu/FastestDet example/onnx-runtime/runtime.py `detection`."""
    found = []
    _, _, rows, columns = tensor.shape
    for y in range(rows):
        for x in range(columns):
            obj, dx, dy, w, h, *scores = (float(v) for v in tensor[0, :, y, x])
            label, best = argmax(scores)
            if obj < 0 or best < 0:
                continue
            score = obj**0.6 * best**0.4
            cx, cy = (x + math.tanh(dx)) / columns, (y + math.tanh(dy)) / rows
            w, h = float(sigmoid(w)), float(sigmoid(h))
            found.append((label, score, centred(cx * width, cy * height, w * width, h * height), None))
    return found


def yolov5(rows, floor):
    """ultralytics/yolov5 utils/general.py `non_max_suppression`: boxes whose objectness is below the threshold
    are no candidates; conf = objectness * class, the best class of a box."""
    found = []
    for row in rows:
        cx, cy, w, h, obj, *scores = (float(v) for v in row)
        if not clear(obj, floor):
            continue
        label, best = argmax(scores)
        found.append((label, obj * best, centred(cx, cy, w, h), None))
    return found


def yolov5_heads(heads, anchors, width, height, activate=sigmoid):
    """ultralytics/yolov5 models/yolo.py `Detect.forward`: rows of boxes from heads of A x H x W x (5 + C)."""
    rows = []
    for head, sizes in zip(heads, anchors):
        stride = height / head.shape[1]
        for a, (aw, ah) in enumerate(sizes):
            for y in range(head.shape[1]):
                for x in range(head.shape[2]):
                    v = activate(head[a, y, x].astype(np.float64))
                    cx, cy = (v[0] * 2 - 0.5 + x) * stride, (v[1] * 2 - 0.5 + y) * stride
                    rows.append([cx, cy, (v[2] * 2) ** 2 * aw, (v[3] * 2) ** 2 * ah, *v[4:]])
    return rows


def yolov8(rows, classes):
    """ultralytics/ultralytics utils/nms.py `non_max_suppression`: the best class of a box; what follows the
    classes (a pose's points) is kept with it."""
    found = []
    for row in rows:
        row = [float(v) for v in row]
        label, best = argmax(row[4 : 4 + classes])
        found.append((label, best, centred(*row[:4]), row[4 + classes :]))
    return found


def end_to_end(rows):
    """ultralytics/ultralytics nn/modules/head.py `Detect.postprocess`: corners, score, class."""
    return [(int(row[5]), float(row[4]), [float(v) for v in row[:4]], [float(v) for v in row[6:]]) for row in rows]


def yolox(tensor, strides, width, height):
    """Megvii-BaseDetection/YOLOX yolox/utils/demo_utils.py `demo_postprocess`; strides None: decoded."""
    found, at = [], 0
    cells = [(1, 0, 0)] * tensor.shape[1]
    if strides:
        cells = [(s, x, y) for s in strides for y in range(height // s) for x in range(width // s)]
    for row, (stride, x, y) in zip(tensor[0].astype(np.float64), cells):
        cx, cy, w, h, obj, *scores = row
        if strides:
            cx, cy, w, h = (cx + x) * stride, (cy + y) * stride, math.exp(w) * stride, math.exp(h) * stride
        label, best = argmax(scores)
        found.append((label, obj * best, centred(cx, cy, w, h), None))
    return found


def every_class(boxes, scores, skip=None, shift=0):
    """A candidate for each class of each box, as SSD's (weiliu89/caffe detection_output_layer.cpp;
    pytorch/vision torchvision/models/detection/ssd.py `postprocess_detections`)."""
    found = []
    for box, row in zip(boxes, scores):
        for label, score in enumerate(row):
            if label != skip:
                found.append((label + shift, float(score), [float(v) for v in box], None))
    return found


def priors_of(strides, anchors, width, height):
    """Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB vision/utils/box_utils.py `generate_priors` and
    biubug6/Pytorch_Retinaface layers/functions/prior_box.py: centre and size in fractions."""
    priors = []
    for stride, sizes in zip(strides, anchors):
        for y in range(math.ceil(height / stride)):
            for x in range(math.ceil(width / stride)):
                for w, h in sizes:
                    priors.append([(x + 0.5) * stride / width, (y + 0.5) * stride / height, w / width, h / height])
    return priors


def from_priors(offsets, priors, variances):
    """box_utils.py `convert_locations_to_boxes`: corners in fractions."""
    boxes = []
    for (dx, dy, dw, dh), (x, y, w, h) in zip(offsets.astype(np.float64), priors):
        vx, vy, vw, vh = variances
        boxes.append(centred(x + dx * vx * w, y + dy * vy * h, w * math.exp(dw * vw), h * math.exp(dh * vh)))
    return boxes


def nanodet(scores, bins, strides, offset, width, height):
    """RangiLyu/nanodet nanodet/model/head/nanodet_plus_head.py `get_bboxes`, `get_single_level_center_priors`;
    nanodet/util/box_transform.py `distance2bbox`; nanodet/model/module/nms.py `multiclass_nms`."""
    boxes, at = [], 0
    size = bins.shape[1] // 4
    for stride in strides:
        for y in range(math.ceil(height / stride)):
            for x in range(math.ceil(width / stride)):
                sides = [float(np.dot(softmax(side), np.arange(size))) * stride for side in bins[at].reshape(4, size)]
                cx, cy = (x + offset) * stride, (y + offset) * stride
                cut = lambda value, most: min(max(value, 0.0), most)
                boxes.append([
                    cut(cx - sides[0], width), cut(cy - sides[1], height),
                    cut(cx + sides[2], width), cut(cy + sides[3], height),
                ])
                at += 1
    return every_class(boxes, scores)


def heat_maps(maps, width, height):
    """microsoft/human-pose-estimation.pytorch lib/core/inference.py `get_max_preds`, `get_final_preds`."""
    points = []
    _, rows, columns = maps.shape
    for heat in maps.astype(np.float64):
        at, score = argmax(heat.ravel())
        x, y = at % columns, at // columns
        px, py = float(x), float(y)
        if 1 < x < columns - 1 and 1 < y < rows - 1:
            px += 0.25 * np.sign(heat[y, x + 1] - heat[y, x - 1])
            py += 0.25 * np.sign(heat[y + 1, x] - heat[y - 1, x])
        points.append((px * width / columns, py * height / rows, max(score, 0.0)))
    return points


def simcc(xs, ys, width, height):
    """open-mmlab/mmpose mmpose/codecs/utils/post_processing.py `get_simcc_maximum`, mmpose/codecs/simcc_label.py
    `decode`: the bin over the split ratio; the lower of both scores."""
    points = []
    for x, y in zip(xs, ys):
        (ax, sx), (ay, sy) = argmax(x), argmax(y)
        points.append((ax / (len(x) / width), ay / (len(y) / height), min(sx, sy)))
    return points


# --- cases --------------------------------------------------------------------------------------------


class Maker:
    def __init__(self, seed):
        self.seed = seed
        self.cases = []

    def case(self, name, make):
        """make(rng) -> toml, view, outputs, answer, min_score; drawn again where the answer is unsure."""
        for attempt in range(200):
            rng = np.random.default_rng([self.seed, attempt, *name.encode()])
            try:
                toml, view, outputs, answer, *more = make(rng)
            except Unsure:
                continue
            self.cases.append({
                "name": name,
                "toml": toml,
                "placement": [*view.origin, *view.step],
                "seen": view.seen,
                "min_score": more[0] if more else None,
                "outputs": [packed(name, tensor) for name, tensor in outputs.items()],
                "answer": answer,
            })
            return
        raise SystemExit(f"{name}: no sure answer in 200 attempts")


def packed(name, tensor):
    """32-bit floats here are 16-bit ones made wide, and kept as those."""
    element = tensor.dtype.name
    stored = tensor.astype("<f2") if element == "float32" else tensor
    data = base64.b64encode(np.ascontiguousarray(stored).tobytes()).decode()
    return {"name": name, "type": element, "shape": list(tensor.shape), "data": data}


def f32(array):
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=np.float64).astype(np.float16).astype(np.float32)


def labels(count):
    return "labels = [" + ", ".join(f'"class {index}"' for index in range(count)) + "]"


def toml(width, height, read, lines, fit="stretch"):
    return f'[input]\nwidth = {width}\nheight = {height}\nfit = "{fit}"\n[output]\nread = "{read}"\n' + "\n".join(lines) + "\n"


def rounded(value):
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    return value if isinstance(value, (int, str)) else round(float(value), 7)


def random_boxes(rng, count, width, height):
    return np.stack([
        rng.uniform(0, width, count), rng.uniform(0, height, count),
        rng.uniform(width / 20, width / 2, count), rng.uniform(height / 20, height / 2, count),
    ], axis=1)


def corners_of(rng, count, width, height):
    boxes = random_boxes(rng, count, width, height)
    return np.stack([boxes[:, 0] - boxes[:, 2] / 2, boxes[:, 1] - boxes[:, 3] / 2,
                     boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3] / 2], axis=1)


DEFAULT = {"score": 0.25, "nms": 0.45, "max": 300}


def yolov8_cases(maker):
    width, height, classes, count = 160, 96, 5, 60
    part = dict(frame=(1280, 720), rect=(320, 90, 640, 500))
    options = {
        "plain": ([], {}, {}, "stretch"),
        "letterbox": ([], {}, {}, "letterbox"),
        "letterbox of a region": ([], {}, part, "letterbox"),
        "crop of a region": ([], {}, part, "crop"),
        "score and nms": (["score = 0.4", "nms = 0.2"], {"score": 0.4, "nms": 0.2}, {}, "stretch"),
        "scores": (['scores = { "class 1" = 0.7, "class 3" = 0.05 }'], {"scores": {1: 0.7, 3: 0.05}}, {}, "stretch"),
        "only": (['only = ["class 2", "class 0"]'], {"only": [0, 2]}, {}, "stretch"),
        "across": (["nms_across = true"], {"across": True}, {}, "stretch"),
        "no nms": (["nms = false"], {"nms": None}, {}, "stretch"),
        "max": (["max = 4"], {"max": 4}, {}, "stretch"),
        "min-score": (['scores = { "class 1" = 0.7 }'], {"min_score": 0.1}, {}, "stretch"),
        "ties": ([], {}, {}, "stretch"),
        "no numbers": ([], {}, {}, "stretch"),
        "swapped": ([], {}, {}, "stretch"),
        "float16": ([], {}, {}, "stretch"),
        "all": (
            ["score = 0.3", "nms = 0.3", "nms_across = true", "max = 6", 'only = ["class 0", "class 4"]', 'scores = { "class 4" = 0.6 }'],
            {"score": 0.3, "nms": 0.3, "across": True, "max": 6, "only": [0, 4], "scores": {4: 0.6}}, part, "letterbox",
        ),
    }
    for name, (lines, how, where, fit) in options.items():
        def make(rng, name=name, lines=lines, how=how, where=where, fit=fit):
            rows = np.concatenate([random_boxes(rng, count, width, height), rng.random((count, classes)) ** 3], axis=1)
            if name == "ties":
                rows[:, 4:] = np.round(rows[:, 4:] * 4) / 4
            if name == "no numbers":
                flat = rows.reshape(-1)
                for value in (np.nan, np.inf, -np.inf):
                    flat[rng.integers(0, flat.size, 60)] = value
            rows = f32(rows)
            tensor = rows[None] if name == "swapped" else np.ascontiguousarray(rows.T[None])
            if name == "float16":
                tensor = tensor.astype(np.float16)
            view = View(width, height, fit, **where)
            answer = detections(yolov8(rows, classes), {**DEFAULT, **how}, view)
            return (toml(width, height, "yolov8", [labels(classes), *lines], fit), view, {"output0": tensor},
                    {"detections": rounded(answer)}, how.get("min_score"))
        maker.case(f"yolov8, {name}", make)

    def final(rng, classes, lines):
        corners = corners_of(rng, 24, width, height)
        rows = f32(np.concatenate([corners, rng.random((24, 1)), rng.integers(0, classes, (24, 1))], axis=1))
        view = View(width, height, "letterbox")
        answer = detections(end_to_end(rows), {**DEFAULT, "nms": None}, view)
        return toml(width, height, "yolov8", [labels(classes), *lines], "letterbox"), view, {"output0": rows[None]}, {"detections": rounded(answer)}
    maker.case("yolov8, end to end", lambda rng: final(rng, 5, []))
    maker.case("yolov8, end to end with two labels", lambda rng: final(rng, 2, ["end_to_end = true"]))


def fastestdet_cases(maker):
    for name, lines, how in [("plain", [], {}), ("per class", ["nms_across = false", "score = 0.4"], {"across": False, "score": 0.4})]:
        def make(rng, lines=lines, how=how):
            tensor = rng.normal(0, 1, (1, 11, 7, 9))
            tensor[0, 0] = rng.random((7, 9))
            tensor[0, 5:] = rng.random((6, 7, 9))
            tensor, view = f32(tensor), View(144, 112)
            answer = detections(fastestdet(tensor, 144, 112), {**DEFAULT, "across": True, **how}, view)
            return toml(144, 112, "fastestdet", [labels(6), *lines]), view, {"out": tensor}, {"detections": rounded(answer)}
        maker.case(f"fastestdet, {name}", make)


P5 = [[[10, 13], [16, 30], [33, 23]], [[30, 61], [62, 45], [59, 119]], [[116, 90], [156, 198], [373, 326]]]


def yolov5_cases(maker):
    def decoded(rng):
        rows = np.concatenate([random_boxes(rng, 60, 96, 64), rng.random((60, 5))], axis=1)
        rows, view = f32(rows), View(96, 64, "letterbox")
        extra = f32(rng.normal(0, 1, (1, 3, 2, 3, 9)))
        answer = detections(yolov5(rows, 0.25), DEFAULT, view)
        return (toml(96, 64, "yolov5", [labels(4)], "letterbox"), view, {"head": extra, "output": rows[None]},
                {"detections": rounded(answer)})
    maker.case("yolov5, decoded", decoded)

    def heads(rng, planes=False, ready=False, anchors=P5, lines=()):
        shape = lambda stride: (len(anchors[0]), 64 // stride, 96 // stride, 7)
        strides = [8, 16, 32][: len(anchors)]
        heads = [rng.normal(-1, 1.5, shape(stride)) for stride in strides]
        if ready:
            heads = [sigmoid(head) for head in heads]
        heads, view = [f32(head) for head in heads], View(96, 64)
        rows = yolov5_heads(heads, anchors, 96, 64, (lambda x: x) if ready else sigmoid)
        answer = detections(yolov5(rows, 0.25), DEFAULT, view)
        tensors = [head.transpose(0, 3, 1, 2).reshape(1, -1, *head.shape[1:3]) if planes else head[None] for head in heads]
        # Not in the order of their strides: the sizes tell.
        outputs = {f"head{index}": tensor for index, tensor in enumerate(tensors)}
        outputs = dict(reversed(outputs.items()))
        return toml(96, 64, "yolov5", [labels(2), *lines]), view, outputs, {"detections": rounded(answer)}
    maker.case("yolov5, heads", heads)
    maker.case("yolov5, heads of planes", lambda rng: heads(rng, planes=True))
    maker.case("yolov5, heads with the logistic function done", lambda rng: heads(rng, ready=True, lines=["sigmoid = false"]))
    two = [[[12, 16], [19, 36]], [[40, 28], [36, 75]]]
    lines = [f"anchors = {two}", "strides = [8, 16]"]
    maker.case("yolov5, two heads with anchors", lambda rng: heads(rng, anchors=two, lines=lines))


def yolox_cases(maker):
    def make(rng, strides, lines):
        width, height = 128, 64
        count = sum((width // s) * (height // s) for s in strides or [8, 16, 32])
        tensor = rng.normal(0, 0.6, (1, count, 8))
        if strides is None:
            tensor[0, :, :4] = random_boxes(rng, count, width, height)
        tensor[..., 4:] = rng.random((1, count, 4))
        tensor, view = f32(tensor), View(width, height)
        answer = detections(yolox(tensor, strides, width, height), {**DEFAULT, "score": 0.3}, view)
        return toml(width, height, "yolox", [labels(3), "score = 0.3", *lines]), view, {"output": tensor}, {"detections": rounded(answer)}
    maker.case("yolox, raw", lambda rng: make(rng, [8, 16, 32], []))
    maker.case("yolox, four strides", lambda rng: make(rng, [8, 16, 32, 64], []))
    maker.case("yolox, two strides", lambda rng: make(rng, [16, 32], ["strides = [16, 32]"]))
    maker.case("yolox, decoded", lambda rng: make(rng, None, ["decoded = true"]))


def ssd_cases(maker):
    width, height, count = 100, 80, 40
    page = lambda lines, fit="stretch": toml(width, height, "ssd", lines, fit)

    def softmaxed(rng):
        boxes, scores = f32(corners_of(rng, count, width, height)), f32(rng.normal(0, 2, (count, 5)))
        view = View(width, height)
        found = every_class(boxes, [softmax(row) for row in scores], skip=0, shift=-1)
        return (page([labels(4), "softmax = true", 'background = "first"']), view,
                {"boxes": boxes[None], "scores": scores[None]}, {"detections": rounded(detections(found, DEFAULT, view))})
    maker.case("ssd, softmax and background first", softmaxed)

    def yolov3(rng):
        """onnx/models validated/vision/object_detection_segmentation/yolov3: boxes y1 x1 y2 x2, scores by class."""
        boxes, scores = f32(corners_of(rng, count, width, height)), f32(rng.random((count, 3)) ** 2)
        view = View(width, height, "letterbox")
        answer = detections(every_class(boxes, scores), DEFAULT, view)
        swapped = boxes[:, [1, 0, 3, 2]]
        return (page([labels(3), 'form = "yxyx"'], "letterbox"), view,
                {"yolonms_layer_1/ExpandDims_1:0": swapped[None], "yolonms_layer_1/ExpandDims_3:0": np.ascontiguousarray(scores.T[None])},
                {"detections": rounded(answer)})
    maker.case("ssd, scores by class", yolov3)

    def detr(rng):
        """facebookresearch/detr models/detr.py `PostProcess`: softmax without the last class; here every class
        above the threshold."""
        boxes = f32(random_boxes(rng, count, 1, 1))
        logits = f32(rng.normal(0, 2, (count, 4)))
        view = View(width, height)
        corners = [[edge * side for edge, side in zip(centred(*(float(v) for v in box)), (width, height) * 2)] for box in boxes]
        found = every_class(corners, [softmax(row) for row in logits], skip=3)
        lines = [labels(3), "softmax = true", 'background = "last"', 'form = "cxcywh"', 'units = "fractions"', "nms = false"]
        answer = detections(found, {**DEFAULT, "nms": None}, view)
        return page(lines), view, {"logits": logits[None], "pred_boxes": boxes[None]}, {"detections": rounded(answer)}
    maker.case("ssd, as DETR's", detr)

    def logistic(rng):
        boxes = f32(corners_of(rng, count, width, height))
        boxes[:, 2:] -= boxes[:, :2]
        boxes, logits, view = f32(boxes), f32(rng.normal(-1, 2, (count, 3))), View(width, height)
        corners = [[x, y, x + w, y + h] for x, y, w, h in boxes.astype(np.float64)]
        found = every_class(corners, sigmoid(logits))
        lines = [labels(3), "sigmoid = true", 'form = "xywh"']
        return page(lines), view, {"b": boxes[None], "s": logits[None]}, {"detections": rounded(detections(found, DEFAULT, view))}
    maker.case("ssd, logits", logistic)

    def torchvision(rng):
        """pytorch/vision torchvision/models/detection/ssd.py: NMS inside; label 0 is the background."""
        boxes, scores = f32(corners_of(rng, count, width, height)), f32(np.sort(rng.random(count))[::-1])
        classes, view = rng.integers(1, 5, count), View(width, height, "letterbox")
        found = [(int(c) - 1, float(s), [float(v) for v in b], None) for b, s, c in zip(boxes, scores, classes)]
        answer = detections(found, {**DEFAULT, "nms": None}, view)
        return (page([labels(4), 'background = "first"'], "letterbox"), view,
                {"boxes": boxes, "scores": scores, "labels": classes.astype(np.int64)}, {"detections": rounded(answer)})
    maker.case("ssd, as torchvision's", torchvision)

    def tensorflow(rng):
        """tensorflow/models research/object_detection/exporter.py: classes as floats from 1, padded to a count."""
        boxes = f32(corners_of(rng, count, 1, 1))
        scores, classes = f32(np.sort(rng.random(count))[::-1]), rng.integers(1, 4, count)
        view, valid = View(width, height), 25
        found = []
        for (x1, y1, x2, y2), s, c in list(zip(boxes.astype(np.float64), scores, classes))[:valid]:
            found.append((int(c) - 1, float(s), [x1 * width, y1 * height, x2 * width, y2 * height], None))
        lines = [labels(3), 'form = "yxyx"', 'units = "fractions"', 'background = "first"', "score = 0.1"]
        answer = detections(found, {**DEFAULT, "nms": None, "score": 0.1}, view)
        outputs = {"detection_boxes": boxes[None][:, :, [1, 0, 3, 2]], "detection_classes": f32(classes)[None],
                   "detection_scores": scores[None], "num_detections": f32([valid])}
        return page(lines), view, outputs, {"detections": rounded(answer)}
    maker.case("ssd, as TensorFlow's", tensorflow)

    def mmdetection(rng):
        """open-mmlab/mmdeploy: dets with their scores, labels beside them; here suppressed once more."""
        dets = f32(np.concatenate([corners_of(rng, count, width, height), rng.random((count, 1))], axis=1))
        classes, view = rng.integers(0, 3, count), View(width, height)
        found = [(int(c), float(d[4]), [float(v) for v in d[:4]], None) for d, c in zip(dets, classes)]
        return (page([labels(3), "nms = 0.3"]), view, {"dets": dets[None], "labels": classes.astype(np.int32)[None]},
                {"detections": rounded(detections(found, {**DEFAULT, "nms": 0.3}, view))})
    maker.case("ssd, as mmdeploy's", mmdetection)

    def seven(rng):
        """openvinotoolkit/openvino docs, DetectionOutput: picture, label, conf, x_min, y_min, x_max, y_max; the
        first picture number of -1 ends them."""
        rows = np.concatenate([np.zeros((count, 1)), rng.integers(0, 3, (count, 1)), rng.random((count, 1)),
                               corners_of(rng, count, 1, 1)], axis=1)
        rows[30, 0] = -1
        rows, view = f32(rows), View(width, height, "letterbox")
        found = [(int(r[1]), float(r[2]), [float(r[3]) * width, float(r[4]) * height, float(r[5]) * width, float(r[6]) * height], None)
                 for r in rows[:30]]
        return (page([labels(3)], "letterbox"), view, {"detection_out": rows[None, None]},
                {"detections": rounded(detections(found, {**DEFAULT, "nms": None}, view))})
    maker.case("ssd, DetectionOutput", seven)

    def six(rng):
        """PaddlePaddle/PaddleDetection deploy/python/infer.py: class, score, x_min, y_min, x_max, y_max."""
        rows = f32(np.concatenate([rng.integers(-1, 3, (count, 1)), rng.random((count, 1)), corners_of(rng, count, width, height)], axis=1))
        view = View(width, height)
        found = [(int(r[0]), float(r[1]), [float(v) for v in r[2:]], None) for r in rows if r[0] >= 0]
        return (page([labels(3)]), view, {"multiclass_nms3_0.tmp_0": rows, "num": np.array([count], dtype=np.int32)},
                {"detections": rounded(detections(found, {**DEFAULT, "nms": None}, view))})
    maker.case("ssd, as PaddleDetection's", six)

    def given(rng):
        priors = f32(random_boxes(rng, count, 1, 1))
        offsets, scores, view = f32(rng.normal(0, 1, (count, 4))), f32(rng.random((count, 3)) ** 2), View(width, height)
        boxes = from_priors(offsets, priors.astype(np.float64), [0.1, 0.1, 0.2, 0.2])
        corners = [[edge * side for edge, side in zip(box, (width, height) * 2)] for box in boxes]
        lines = [labels(2), 'background = "first"', "[outputs]", 'boxes = "loc"', 'scores = "conf"', 'priors = "anchors"']
        answer = detections(every_class(corners, scores, skip=0, shift=-1), DEFAULT, view)
        return (page(lines), view, {"anchors": priors[None], "conf": scores[None], "loc": offsets[None]},
                {"detections": rounded(answer)})
    maker.case("ssd, priors of the graph", given)

    def retinaface(rng):
        strides, anchors = [16, 32], [[[16, 16], [32, 32]], [[64, 48]]]
        priors = priors_of(strides, anchors, width, height)
        n = len(priors)
        offsets, scores = f32(rng.normal(0, 1, (n, 4))), f32(rng.dirichlet([1, 1], n))
        view = View(width, height, "letterbox")
        boxes = from_priors(offsets, priors, [0.2, 0.2, 0.3, 0.3])
        corners = [[edge * side for edge, side in zip(box, (width, height) * 2)] for box in boxes]
        lines = [labels(1), 'background = "first"', f"strides = {strides}", f"anchors = {anchors}", "variances = [0.2, 0.3]"]
        answer = detections(every_class(corners, scores, skip=0, shift=-1), DEFAULT, view)
        return page(lines, "letterbox"), view, {"loc": offsets[None], "conf": scores[None]}, {"detections": rounded(answer)}
    maker.case("ssd, made priors", retinaface)


def ultraface_cases(maker):
    width, height = 96, 64

    def make(rng, decoded):
        sides = [[10, 16, 24], [32, 48], [64, 96], [128, 192, 256]]
        priors = np.clip(priors_of([8, 16, 32, 64], [[[s, s] for s in level] for level in sides], width, height), 0, 1)
        n = len(priors)
        scores = f32(rng.dirichlet([2, 1], n))
        if decoded:
            boxes = f32(corners_of(rng, n, 1, 1))
            corners = boxes.astype(np.float64)
        else:
            boxes = f32(rng.normal(0, 1, (n, 4)))
            corners = from_priors(boxes, priors, [0.1, 0.1, 0.2, 0.2])
        view = View(width, height, "letterbox", frame=(500, 300))
        found = [(0, float(s[1]), [c[0] * width, c[1] * height, c[2] * width, c[3] * height], None) for c, s in zip(corners, scores)]
        lines = ["score = 0.6", "nms = 0.3"] + ([] if decoded else ["decoded = false"])
        answer = detections(found, {**DEFAULT, "score": 0.6, "nms": 0.3}, view)
        return toml(width, height, "ultraface", lines, "letterbox"), view, {"scores": scores[None], "boxes": boxes[None]}, {"detections": rounded(answer)}
    maker.case("ultraface", lambda rng: make(rng, True))
    maker.case("ultraface, without post-processing", lambda rng: make(rng, False))


def nanodet_cases(maker):
    def make(rng, strides, offset, lines, logits=False, pairs=False, size=(64, 40)):
        width, height = size
        counts = [math.ceil(width / s) * math.ceil(height / s) for s in strides]
        scores, bins = rng.random((sum(counts), 3)) ** 2, rng.normal(0, 1.5, (sum(counts), 32))
        if logits:
            scores = rng.normal(-1, 1.5, scores.shape)
        scores, bins, view = f32(scores), f32(bins), View(width, height)
        found = nanodet(sigmoid(scores) if logits else scores, bins, strides, offset, width, height)
        answer = detections(found, DEFAULT, view)
        outputs = {"output": np.concatenate([scores, bins], axis=1)[None]}
        if pairs:
            ends = np.cumsum(counts)[:-1]
            outputs = {}
            for stride, s, b in zip(strides, np.split(scores, ends), np.split(bins, ends)):
                outputs[f"dis_pred_stride_{stride}"] = b[None]
                outputs[f"cls_pred_stride_{stride}"] = s[None]
        return toml(width, height, "nanodet", [labels(3), *lines]), view, outputs, {"detections": rounded(answer)}
    maker.case("nanodet, plus", lambda rng: make(rng, [8, 16, 32, 64], 0, []))
    maker.case("nanodet, three strides", lambda rng: make(rng, [8, 16, 32], 0.5, []))
    maker.case("nanodet, pairs of logits", lambda rng: make(rng, [8, 16, 32], 0.5, ["sigmoid = true"], True, True))
    maker.case("nanodet, PicoDet", lambda rng: make(rng, [8, 16, 32, 64], 0.5, ["offset = 0.5"], False, True))


def classifier_cases(maker):
    def make(rng, lines, score, skip=None, shape=(1, 7), element=np.float32):
        logits = f32(rng.normal(0, 3, 7)).astype(element)
        if score is None:
            logits = f32(rng.random(7))
        values = np.asarray(score(logits) if score else logits, dtype=np.float64)
        named = [value for index, value in enumerate(values) if index != skip]
        order = sorted(range(len(named)), key=lambda index: -named[index])
        answer = [[index, named[index]] for index in order]
        if any(a[1] != b[1] and a[1] - b[1] < 1e-6 for a, b in zip(answer, answer[1:])):
            raise Unsure
        view = View(32, 32)
        return toml(32, 32, "classifier", [labels(len(named)), *lines]), view, {"scores": logits.reshape(shape)}, {"classes": rounded(answer)}
    maker.case("classifier", lambda rng: make(rng, [], None))
    maker.case("classifier, softmax", lambda rng: make(rng, ["softmax = true"], softmax, shape=(1, 7, 1, 1)))
    maker.case("classifier, float16", lambda rng: make(rng, ["softmax = true"], softmax, element=np.float16))
    maker.case("classifier, sigmoid", lambda rng: make(rng, ["sigmoid = true"], sigmoid))
    maker.case("classifier, background first", lambda rng: make(rng, ["softmax = true", 'background = "first"'], softmax, 0))
    maker.case("classifier, background last", lambda rng: make(rng, ["softmax = true", 'background = "last"'], softmax, 6))


def embedding_cases(maker):
    def make(rng):
        vector, view = f32(rng.normal(0, 4, 24)), View(32, 32)
        unit = vector.astype(np.float64) / np.linalg.norm(vector.astype(np.float64))
        return toml(32, 32, "embedding", []), view, {"feature": vector.reshape(1, 24, 1, 1)}, {"embedding": rounded(list(unit))}
    maker.case("embedding", make)


def segmentation_cases(maker):
    def crop(classes, view, width, height):
        """The cells whose middles lie on the frame and in what was asked about."""
        rows, columns = classes.shape
        inside = lambda value, start, size: max(start, 0) <= value <= min(start + size, 1)
        keep_x = [x for x in range(columns) if inside(view.point((x + 0.5) * width / columns, 0)[0], view.seen[0], view.seen[2])]
        keep_y = [y for y in range(rows) if inside(view.point(0, (y + 0.5) * height / rows)[1], view.seen[1], view.seen[3])]
        left, top = view.point(keep_x[0] * width / columns, keep_y[0] * height / rows)
        right, bottom = view.point((keep_x[-1] + 1) * width / columns, (keep_y[-1] + 1) * height / rows)
        cells = [int(classes[y, x]) for y in keep_y for x in keep_x]
        return {"map": {"width": len(keep_x), "height": len(keep_y),
                        "region": rounded([left, top, right - left, bottom - top]), "cells": cells}}

    def planes(rng, across, view, fit):
        tensor = f32(rng.normal(0, 1, (4, 12, 20)))
        classes = np.argmax(tensor, axis=0)
        tensor = np.ascontiguousarray(tensor.transpose(1, 2, 0))[None] if across else tensor[None]
        return toml(160, 96, "segmentation", [labels(4)], fit), view, {"out": tensor}, crop(classes, view, 160, 96)
    maker.case("segmentation, logits", lambda rng: planes(rng, False, View(160, 96), "stretch"))
    maker.case("segmentation, logits across", lambda rng: planes(rng, True, View(160, 96), "stretch"))
    region = View(160, 96, "letterbox", frame=(1280, 720), rect=(320, 90, 320, 500))
    maker.case("segmentation, letterbox of a region", lambda rng: planes(rng, False, region, "letterbox"))
    maker.case("segmentation, letterbox", lambda rng: planes(rng, True, View(160, 96, "letterbox", frame=(1280, 540)), "letterbox"))

    def numbers(rng, element, count, shape):
        classes = rng.integers(0, count, (9, 15))
        if element == np.uint8:
            classes[2, 3:6] = 255
        view = View(120, 72)
        return toml(120, 72, "segmentation", [labels(count)]), view, {"out": classes.astype(element).reshape(shape)}, crop(classes, view, 120, 72)
    maker.case("segmentation, int64 classes", lambda rng: numbers(rng, np.int64, 5, (1, 9, 15)))
    maker.case("segmentation, uint8 classes", lambda rng: numbers(rng, np.uint8, 5, (1, 1, 9, 15)))
    maker.case("segmentation, float classes", lambda rng: numbers(rng, np.float32, 3, (1, 9, 15, 1)))
    maker.case("segmentation, 300 classes", lambda rng: numbers(rng, np.int32, 300, (1, 9, 15)))

    def one(rng, logits):
        tensor, view = f32(rng.normal(0, 1, (9, 15)) if logits else rng.random((9, 15))), View(120, 72)
        scores = sigmoid(tensor) if logits else tensor.astype(np.float64)
        classes = np.array([[clear(float(value), 0.6) for value in row] for row in scores])
        lines = [labels(2), "score = 0.6"] + (["sigmoid = true"] if logits else [])
        return toml(120, 72, "segmentation", lines), view, {"out": tensor[None, None]}, crop(classes, view, 120, 72)
    maker.case("segmentation, one score", lambda rng: one(rng, False))
    maker.case("segmentation, one logit", lambda rng: one(rng, True))


def keypoints_cases(maker):
    names = lambda count: "points = [" + ", ".join(f'"point {index}"' for index in range(count)) + "]"

    def boxes(rng, each, points, swapped, classes, fit, final=False):
        width, height, count = 160, 96, 30
        rows = [random_boxes(rng, count, width, height), rng.random((count, classes)) ** 2]
        if final:
            rows = [corners_of(rng, count, width, height), rng.random((count, 1)), rng.integers(0, classes, (count, 1))]
        coordinates = rng.uniform(-5, 165, (count, points, each))
        if each == 3:
            coordinates[:, :, 2] = rng.random((count, points))
        rows = f32(np.concatenate([*rows, coordinates.reshape(count, -1)], axis=1))
        view = View(width, height, fit, frame=(1280, 720), rect=(100, 50, 500, 600))
        found = end_to_end(rows) if final else yolov8(rows, classes)
        poses = []
        for label, score, corners, more in choose(found, {**DEFAULT, "nms": None if final else 0.45}):
            box = view.box(corners)
            if box:
                parts = np.reshape(more, (points, each))
                poses.append([label, score, *box, [[*view.point(p[0], p[1]), p[2] if each == 3 else 1.0] for p in parts]])
        lines = [names(points)] + ([labels(classes)] if classes > 1 else [])
        tensor = rows[None] if swapped or final else np.ascontiguousarray(rows.T[None])
        return toml(width, height, "keypoints", lines, fit), view, {"output0": tensor}, {"poses": rounded(poses)}
    maker.case("keypoints, boxes", lambda rng: boxes(rng, 3, 5, False, 1, "letterbox"))
    maker.case("keypoints, boxes without scores", lambda rng: boxes(rng, 2, 4, False, 2, "stretch"))
    maker.case("keypoints, boxes swapped", lambda rng: boxes(rng, 3, 5, True, 2, "crop"))
    maker.case("keypoints, end to end", lambda rng: boxes(rng, 3, 5, False, 1, "letterbox", True))

    def body(view, points, least=0.25):
        score = sum(min(max(p[2], 0), 1) for p in points) / len(points)
        if not clear(score, least):
            return {"poses": []}
        placed = [[*view.point(x, y), min(max(s, 0), 1)] for x, y, s in points]
        return {"poses": rounded([[0, score, *view.seen, placed]])}

    crop = View(48, 64, "letterbox", frame=(1280, 720), rect=(100, 50, 200, 300))
    page = lambda count: toml(48, 64, "keypoints", [names(count)], "letterbox")

    def maps(rng):
        tensor = f32(rng.random((6, 16, 12)) * 0.8)
        return page(6), crop, {"heatmaps": tensor[None]}, body(crop, heat_maps(tensor, 48, 64))
    maker.case("keypoints, heat maps", maps)

    def bins(rng):
        xs, ys = f32(rng.random((6, 96))), f32(rng.random((6, 128)))
        return page(6), crop, {"simcc_x": xs[None], "simcc_y": ys[None]}, body(crop, simcc(xs, ys, 48, 64))
    maker.case("keypoints, SimCC", bins)

    def movenet(rng):
        """tensorflow.org/hub/tutorials/movenet: y, x, score in fractions of the input."""
        tensor = f32(np.sqrt(rng.random((5, 3))))
        points = [(float(x) * 48, float(y) * 64, float(s)) for y, x, s in tensor]
        return page(5), crop, {"output_0": tensor[None, None]}, body(crop, points)
    maker.case("keypoints, coordinates", movenet)


def main():
    seed = int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 4
    maker = Maker(seed)
    for cases in (fastestdet_cases, yolov5_cases, yolov8_cases, yolox_cases, ssd_cases, ultraface_cases, nanodet_cases,
                  classifier_cases, embedding_cases, segmentation_cases, keypoints_cases):
        cases(maker)
    text = "[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in maker.cases) + "\n]\n"
    if "-" in sys.argv:
        sys.stdout.write(text)
        return
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.json"), "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
