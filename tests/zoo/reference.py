"""What `transom model detect` does with a detector, by OpenCV, onnxruntime and the read-outs' NumPy reference:
one line of JSON a picture.

    pip install numpy opencv-python-headless onnxruntime
    python reference.py MODEL_FOLDER|MODEL.toml PICTURE|CLIP [--frames N] [--threads N] [--file MODEL.onnx]

    {"frame": 0, "detections": [{"label": "person", "score": 0.81234, "box": {"l": 0.1, "t": 0.2, "w": 0.1, "h": 0.3}}]}

Boxes are fractions of the picture, cut to it, best first. The picture is made the input's size by area where it
shrinks and linearly where it grows. Pixels, and with them scores, differ from the host's by rounding: it resizes
the planes of YUV, this resizes BGR.
"""

import argparse
import importlib.util
import json
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

READOUT = Path(__file__).resolve().parents[2] / "host/src/model/readout/testdata"
ACROSS = {"fastestdet"}


def import_readout(folder):
    """The reference of the read-outs, told that these are no test cases: nothing is too near to call."""
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location("readout_reference", folder / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.clear = lambda value, threshold: value >= threshold
    module.argmax = lambda row: (int(np.argmax(row)), float(np.max(row)))
    return module


def resized(picture, size):
    """By area along an axis that shrinks, linearly along one that grows."""
    height, width = picture.shape[:2]
    way = lambda grows: cv2.INTER_LINEAR if grows else cv2.INTER_AREA
    if (size[0] > width) != (size[1] > height):
        picture = cv2.resize(picture, (width, size[1]), interpolation=way(size[1] > height))
    return cv2.resize(picture, size, interpolation=way(size[0] > width))


class Model:
    def __init__(self, described, file, threads, readout):
        path = described / "model.toml" if described.is_dir() else described
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        self.readout = import_readout(readout)
        self.input, self.output = told["input"], told["output"]
        self.parts = told.get("outputs", {})
        self.read = self.output["read"]
        self.labels = self.output.get("labels", ["face"])
        if isinstance(self.labels, str):
            folders = [path.parent, path.parent / "labels"]
            labels = next(folder / self.labels for folder in folders if (folder / self.labels).exists())
            self.labels = [line.strip() for line in labels.read_text(encoding="utf-8").splitlines() if line.strip()]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        file = file or path.parent / told["model"]["file"]
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.name = self.input.get("name") or self.session.get_inputs()[0].name
        self.width, self.height = self.input["width"], self.input["height"]
        self.fit = self.input.get("fit", "stretch")

    def tensor(self, picture):
        """BGR picture -> input, and where the input's pixels lie in the picture."""
        height, width = picture.shape[:2]
        view = self.readout.View(self.width, self.height, self.fit, (width, height))
        if self.fit == "crop":
            x, y, w, h = (round(part * side) for part, side in zip(view.seen, (width, height, width, height)))
            picture = picture[y : y + h, x : x + w]
        size = (self.width, self.height)
        if self.fit.startswith("letterbox"):
            gain = min(self.width / width, self.height / height)
            size = int(width * gain + 0.5), int(height * gain + 0.5)
        picture = resized(picture, size)
        if self.fit.startswith("letterbox"):
            whole = np.full((self.height, self.width, 3), self.input.get("pad", 114), np.uint8)
            corner = self.fit == "letterbox-corner"
            x, y = (0, 0) if corner else ((self.width - size[0]) // 2, (self.height - size[1]) // 2)
            whole[y : y + size[1], x : x + size[0]] = picture
            picture = whole
        if self.input.get("channels", "rgb") == "rgb":
            picture = picture[:, :, ::-1]
        if self.input.get("type", "float32") == "float32":
            of = lambda key, usual: np.asarray(self.input.get(key, usual), np.float32)
            picture = (picture.astype(np.float32) * of("scale", 1 / 255) - of("mean", 0.0)) / of("std", 1.0)
        if self.input.get("layout", "nchw") == "nchw":
            picture = picture.transpose(2, 0, 1)
        return np.ascontiguousarray(picture)[None], view

    def candidates(self, outputs):
        """label, score, corners in input pixels."""
        lib, width, height = self.readout, self.width, self.height
        first = outputs[self.output.get("name") or next(iter(outputs))]
        classes = len(self.labels)
        if self.read == "fastestdet":
            return lib.fastestdet(first, width, height)
        if self.read == "yolov8":
            rows = first[0].T if first.shape[1] < first.shape[2] else first[0]
            return lib.yolov8(rows[rows[:, 4:].max(axis=1) >= self.least()], classes)
        if self.read == "yolov5":
            return lib.yolov5(first[0][first[0][:, 4] >= self.least()], self.least())
        if self.read == "yolox":
            decoded = self.output.get("decoded", False)
            return lib.yolox(first, None if decoded else self.output.get("strides", [8, 16, 32]), width, height)
        if self.read == "nanodet":
            return lib.nanodet(first[0][:, :classes], first[0][:, classes:], [8, 16, 32, 64], 0, width, height)
        if self.read == "ultraface":
            boxes, scores = self.two(outputs, "boxes", "scores")
            return lib.every_class(boxes[0] * np.array([width, height] * 2), scores[0], 0, -1)
        if self.read == "ssd":
            boxes, scores = self.two(outputs, "boxes", "scores")
            boxes = boxes[0][:, [1, 0, 3, 2]] if self.output.get("form") == "yxyx" else boxes[0]
            if self.output.get("units") == "fractions":
                boxes = boxes * np.array([width, height] * 2)
            first = self.output.get("background") == "first"
            return lib.every_class(boxes, scores[0], 0 if first else None, -1 if first else 0)
        raise SystemExit(f"read `{self.read}` finds no boxes")

    def two(self, outputs, *names):
        return [outputs[self.parts.get(name, name)] for name in names]

    def least(self):
        return self.output.get("score", 0.25)

    def detect(self, picture):
        tensor, view = self.tensor(picture)
        names = [port.name for port in self.session.get_outputs()]
        outputs = dict(zip(names, self.session.run(None, {self.name: tensor})))
        wanted = [box for box in self.candidates(outputs) if box[1] >= self.least()]
        wanted = [box for box in wanted if box[2][2] > box[2][0] and box[2][3] > box[2][1]]
        wanted.sort(key=lambda box: -box[1])
        across = self.output.get("nms_across", self.read in ACROSS)
        over, most = self.output.get("nms", 0.45), self.output.get("max", 300)
        kept = []
        for box in wanted:
            rivals = (other for other in kept if across or other[0] == box[0])
            if len(kept) < most and (over is False or all(self.readout.iou(box[2], o[2]) <= over for o in rivals)):
                kept.append(box)
        found = []
        for label, score, corners, _ in kept:
            box = view.box(corners)
            if box:
                box = {side: round(float(value), 5) for side, value in zip("ltwh", box)}
                found.append({"label": self.labels[label], "score": round(float(score), 5), "box": box})
        return found


def pictures(source):
    picture = cv2.imread(source)
    if picture is not None:
        yield picture
        return
    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        raise SystemExit(f"cannot open {source}")
    while True:
        there, picture = capture.read()
        if not there:
            return
        yield picture


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("source")
    parser.add_argument("--file", type=Path, help="the ONNX file, where it does not lie beside its model.toml")
    parser.add_argument("--frames", type=int, default=0, help="stop after this many")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--readout", type=Path, default=READOUT, help="folder of the read-outs' reference.py")
    told = parser.parse_args()
    cv2.setNumThreads(told.threads)
    model = Model(told.model, told.file, told.threads, told.readout)
    for frame, picture in enumerate(pictures(told.source)):
        print(json.dumps({"frame": frame, "detections": model.detect(picture)}), flush=True)
        if frame + 1 == told.frames:
            return


if __name__ == "__main__":
    main()
