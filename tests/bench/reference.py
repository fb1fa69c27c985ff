#!/usr/bin/env python3
"""The peer: what a user would write today, OpenCV + onnxruntime, on one thread unless asked otherwise.

Runs FastestDet on a clip and prints one line of JSON a frame, detections in Transom's shape (label,
score, box as fractions of the frame), and at the end one line with the totals: frames, boxes, person
boxes, CPU milliseconds a frame (all of it, decoding included, and inference alone), CPU seconds of the
whole process since its start, and peak memory.

    pip install numpy opencv-python-headless onnxruntime
    tests/bench/reference.py ../shared/data/models/fastestdet ../shared/data/clips/one-by-one-person-detection.mp4

The pre- and postprocessing are those of the model's public onnx-runtime example
(dog-qiuqiu/FastestDet, example/onnx-runtime/runtime.py), vectorised: the picture stretched with area
interpolation, channels left in OpenCV's order, values / 255; score = obj^0.6 * class^0.4; boxes made
whole pixels of the frame before suppression, which takes no notice of the class.
"""

import argparse
import json
import os
import resource
import time

import cv2
import numpy as np
import onnxruntime

SIDE = 352
CLIP_OF_FFMPEG = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


def cpu_ms():
    """CPU time of the whole process, all threads."""
    return time.process_time() * 1000.0


def peak_memory_mib():
    """VmHWM of proc(5). Not `ru_maxrss` where it can be helped: that counts what the parent had at the fork."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def open_model(folder, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = threads
    path = os.path.join(folder, "FastestDet.onnx")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def tensor(picture):
    """BGR picture -> 1x3x352x352 float32."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small.transpose(2, 0, 1), dtype=np.float32)[None] / 255.0


def candidates(output, width, height, threshold):
    """1x85xHxW -> rows of x1, y1, x2, y2 (whole pixels of the frame), score, class."""
    grid = output[0]
    rows, columns = grid.shape[1:]
    classes = grid[5:]
    score = grid[0] ** 0.6 * classes.max(axis=0) ** 0.4
    gy, gx = np.nonzero(score > threshold)
    cell = grid[:, gy, gx]
    cx = (gx + np.tanh(cell[1])) / columns
    cy = (gy + np.tanh(cell[2])) / rows
    w = 1.0 / (1.0 + np.exp(-cell[3]))
    h = 1.0 / (1.0 + np.exp(-cell[4]))
    corners = [(cx - 0.5 * w) * width, (cy - 0.5 * h) * height, (cx + 0.5 * w) * width, (cy + 0.5 * h) * height]
    corners = [np.trunc(c) for c in corners]
    return np.stack(corners + [score[gy, gx], cell[5:].argmax(axis=0)], axis=1) if len(gy) else np.zeros((0, 6))


def suppress(boxes, threshold):
    """Greedy non-maximum suppression over all classes together; areas count pixels, hence the + 1."""
    x1, y1, x2, y2, score = boxes[:, :5].T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    order = score.argsort()[::-1]
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        w = np.maximum(0.0, np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + 1)
        h = np.maximum(0.0, np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + 1)
        overlap = w * h
        order = rest[overlap / (areas[best] + areas[rest] - overlap) <= threshold]
    return boxes[kept]


def pictures(arguments):
    """BGR pictures: of a clip or image, or of raw I420 on request, so that both sides see the same pixels."""
    if arguments.i420:
        width, height = (int(side) for side in arguments.i420.split("x"))
        size = width * height * 3 // 2
        with open(arguments.source, "rb") as raw:
            while len(frame := raw.read(size)) == size:
                planes = np.frombuffer(frame, np.uint8).reshape(height * 3 // 2, width)
                yield cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)
        return
    capture = cv2.VideoCapture(arguments.source)
    if not capture.isOpened():
        raise SystemExit(f"cannot open {arguments.source}")
    while True:
        ok, picture = capture.read()
        if not ok:
            return
        yield picture


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder with FastestDet.onnx and coco.names")
    parser.add_argument("source", help="clip, image, or raw I420 pictures")
    parser.add_argument("--i420", metavar="WxH", help="SOURCE is raw I420 of this (even) size")
    parser.add_argument("--frames", type=int, default=0, help="stop after this many")
    parser.add_argument("--score", type=float, default=0.5)
    parser.add_argument("--nms", type=float, default=0.45)
    parser.add_argument("--threads", type=int, default=1, help="of each library; 0: its own choice")
    parser.add_argument("--quiet", action="store_true", help="print only the totals")
    arguments = parser.parse_args()

    if arguments.threads:
        cv2.setNumThreads(arguments.threads)
        os.environ.setdefault(CLIP_OF_FFMPEG, f"threads;{arguments.threads}")
    with open(os.path.join(arguments.model, "coco.names"), encoding="utf-8") as names:
        labels = [line.strip() for line in names if line.strip()]
    session = open_model(arguments.model, arguments.threads)
    name = session.get_inputs()[0].name
    session.run(None, {name: np.zeros((1, 3, SIDE, SIDE), np.float32)})

    frames = boxes = persons = 0
    inference_ms = 0.0
    start, started = cpu_ms(), time.monotonic()
    for picture in pictures(arguments):
        height, width = picture.shape[:2]
        given = tensor(picture)
        before = cpu_ms()
        [output] = session.run(None, {name: given})
        inference_ms += cpu_ms() - before
        found = suppress(candidates(output, width, height, arguments.score), arguments.nms)
        boxes += len(found)
        persons += int((found[:, 5] == 0).sum())
        if not arguments.quiet:
            detections = [
                {
                    "label": labels[int(c)],
                    "score": round(float(s), 5),
                    "box": {
                        "l": round(x1 / width, 5),
                        "t": round(y1 / height, 5),
                        "w": round((x2 - x1) / width, 5),
                        "h": round((y2 - y1) / height, 5),
                    },
                }
                for x1, y1, x2, y2, s, c in found.tolist()
            ]
            print(json.dumps({"frame": frames, "detections": detections}))
        frames += 1
        if frames == arguments.frames:
            break
    spent, wall = cpu_ms() - start, time.monotonic() - started
    totals = {
        "frames": frames,
        "boxes": boxes,
        "person_boxes": persons,
        "cpu_ms_per_frame": round(spent / max(frames, 1), 3),
        "inference_cpu_ms_per_frame": round(inference_ms / max(frames, 1), 3),
        "wall_s": round(wall, 3),
        "process_cpu_s": round(time.process_time(), 3),
        "peak_memory_mib": round(peak_memory_mib(), 1),
        "opencv": cv2.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    print(json.dumps(totals))


if __name__ == "__main__":
    main()
