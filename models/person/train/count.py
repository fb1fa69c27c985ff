"""The reference program: detects, tracks and counts the people of a clip with the exported model.

    python count.py ../model.onnx ../../../tests/clips/entrance.mp4 --every 3

It prints detection precision and recall and the counts beside the clip's ground truth. It is
plain on purpose: another implementation can be compared with it, step by step.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator, Sequence

import cv2
import numpy as np
import onnxruntime

SCORE, NMS = .5, .45


class Detector:
    """The exported model: RGB pictures in, boxes in fractions of the picture out."""

    def __init__(self, model: Path, threads: int = 1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        _, _, self.height, self.width = self.session.get_inputs()[0].shape

    def found(self, picture: np.ndarray, score: float = SCORE) -> np.ndarray:
        """Rows of left, top, right, bottom, score, class."""
        small = cv2.resize(picture, (self.width, self.height), interpolation=cv2.INTER_AREA)
        tensor = np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        cx, cy, w, h, *scores = self.session.run(None, {"image": tensor})[0][0]
        kind, best = np.argmax(scores, 0), np.max(scores, 0)
        rows = np.stack([(cx - w / 2) / self.width, (cy - h / 2) / self.height,
                         (cx + w / 2) / self.width, (cy + h / 2) / self.height, best, kind], 1)
        rows = rows[best >= score]
        rows[:, :4] = rows[:, :4].clip(0, 1)
        return np.concatenate([suppressed(rows[rows[:, 5] == k]) for k in range(len(scores))])

    def __call__(self, picture: np.ndarray, score: float = SCORE) -> np.ndarray:
        """The people: rows of left, top, right, bottom, score."""
        rows = self.found(picture, score)
        return rows[rows[:, 5] == 0][:, :5]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Overlap of every box of `a` with every box of `b`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    inter = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = ((v[:, 2:4] - v[:, :2]).prod(-1) for v in (a, b))
    return inter / (area_a[:, None] + area_b[None] - inter + 1e-9)


def suppressed(rows: np.ndarray, limit: float = NMS) -> np.ndarray:
    """Greedy non-maximum suppression, best score first."""
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    kept: list[int] = []
    for index in range(len(rows)):
        if not kept or iou(rows[index:index + 1], rows[kept]).max() <= limit:
            kept.append(index)
    return rows[kept]


@dataclass(eq=False)
class Track:
    """One person, followed."""

    number: int
    box: np.ndarray
    speed: np.ndarray
    """Movement of the box's centre in a second; its size is taken to stay."""
    seen_s: float
    hits: int = 1
    side: int = 0
    crossed: list[tuple[float, str]] = field(default_factory=list)


class Tracker:
    """Matches boxes to where each track should be by now; forgets after a second unseen."""

    def __init__(self, a: tuple[float, float], b: tuple[float, float], keep_s: float = 1.0, sure_s: float = 1.0):
        self.a, self.b, self.keep_s, self.sure_s = a, b, keep_s, sure_s
        self.tracks: list[Track] = []
        self.done: list[Track] = []
        self.number = 0

    def update(self, time_s: float, rows: np.ndarray) -> None:
        """Takes one frame's boxes."""
        expected = np.array([t.box + np.tile(t.speed, 2) * (time_s - t.seen_s) for t in self.tracks]).reshape(-1, 4)
        free_rows, free_tracks = set(range(len(rows))), set(range(len(self.tracks)))
        if len(rows) and len(self.tracks):
            score = iou(expected, rows[:, :4])
            # Small boxes jump further than they are wide: near centres of like size also match.
            centre = lambda v: np.stack([(v[:, 0] + v[:, 2]) / 2, (v[:, 1] + v[:, 3]) / 2], 1)
            tall = expected[:, 3] - expected[:, 1]
            apart = np.hypot(*((centre(expected)[:, None] - centre(rows)[None]) * (1.78, 1)).transpose(2, 0, 1))
            score = score + .25 * np.clip(1 - apart / np.maximum(tall[:, None] * .6, 1e-6), 0, 1)
            for flat in np.argsort(-score, axis=None):
                track, row = divmod(int(flat), len(rows))
                if score[track, row] < .18:
                    break
                if track in free_tracks and row in free_rows:
                    free_tracks.discard(track), free_rows.discard(row)
                    self._seen(self.tracks[track], time_s, rows[row, :4], expected[track])
        for row in free_rows:
            self.number += 1
            track = Track(self.number, rows[row, :4].copy(), np.zeros(2), time_s)
            track.side = self._side(track.box)
            self.tracks.append(track)
        gone = [t for t in self.tracks if time_s - t.seen_s > (self.keep_s if t.hits > 3 else .35)]
        self.done += gone
        self.tracks = [t for t in self.tracks if t not in gone]

    def _seen(self, track: Track, time_s: float, box: np.ndarray, expected: np.ndarray) -> None:
        passed = max(time_s - track.seen_s, 1e-3)
        smooth = expected + .7 * (box - expected)
        # Young tracks learn their speed fast; old ones trust what they know.
        gain = max(.15, 1 / track.hits) * min(1.0, passed / .1)
        moved = ((smooth - track.box)[:2] + (smooth - track.box)[2:]) / 2
        track.speed = track.speed + min(gain, .6) * (moved / passed - track.speed)
        track.box, track.seen_s, track.hits = smooth, time_s, track.hits + 1
        side = self._side(track.box)
        if side and track.side and side != track.side:
            track.crossed.append((time_s, "in" if side > 0 else "out"))
        track.side = side or track.side

    def _side(self, box: np.ndarray) -> int:
        """-1 left of the arrow, 1 right of it, 0 too near to say, or beyond its ends."""
        x, y = (box[0] + box[2]) / 2, box[3]
        (ax, ay), (bx, by) = self.a, self.b
        dx, dy = bx - ax, by - ay
        along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)
        away = (dx * (y - ay) - dy * (x - ax)) / np.hypot(dx, dy)
        # Feet bob with every step; a hundredth of the picture is on the line.
        return 0 if abs(away) < .01 or not 0 <= along <= 1 else int(np.sign(away))

    def result(self, frame_s: float) -> dict[str, int]:
        """People, in and out so far."""
        tracks = self.done + self.tracks
        real = [t for t in tracks if t.hits * frame_s >= self.sure_s]
        crossed = [c for t in real for c in t.crossed]
        return {"people": len(real), "in": sum(d == "in" for _, d in crossed), "out": sum(d == "out" for _, d in crossed)}


def decoded(clip: Path) -> Iterator[np.ndarray]:
    """The clip's pictures as RGB."""
    video = cv2.VideoCapture(str(clip))
    while True:
        more, picture = video.read()
        if not more:
            return
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


class Match:
    """Detections against the truth at IoU 0.5; whoever is hidden counts neither way."""

    def __init__(self) -> None:
        self.right = self.wrong = self.missed = 0

    def add(self, rows: np.ndarray, truth: np.ndarray, wanted: np.ndarray) -> None:
        """One frame: truth boxes as left, top, right, bottom, and which must be found."""
        free = np.ones(len(truth), bool)
        overlaps = iou(rows, truth) if len(truth) and len(rows) else np.zeros((len(rows), len(truth)))
        for index in range(len(rows)):
            score = overlaps[index] * free
            best = int(score.argmax()) if len(truth) else -1
            if best >= 0 and score[best] >= .5:
                free[best] = False
                self.right += bool(wanted[best])
            elif not len(truth) or overlaps[index][~wanted].max(initial=0) < .3:
                self.wrong += 1
        self.missed += int((free & wanted).sum())

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)


def counted(pictures: Iterable[tuple[int, np.ndarray]], detector: Detector, line: dict, fps: float, every: int,
            truth: Sequence) -> tuple[dict[str, int], Match]:
    """Counts over every `every`-th picture, and how the boxes compare with the true ones."""
    tracker, match = Tracker(line["a"], line["b"]), Match()
    for index, picture in pictures:
        if index % every:
            continue
        rows = detector(picture)
        tracker.update(index / fps, rows)
        boxes = np.array(truth[index], float).reshape(-1, 6)
        corners = np.concatenate([boxes[:, 1:3], boxes[:, 1:3] + boxes[:, 3:5]], 1)
        match.add(rows, corners, boxes[:, 5] >= .5)
    return tracker.result(every / fps), match


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--truth", type=Path, help="default: the clip's name with .json")
    parser.add_argument("--every", type=int, default=1, help="look at each n-th picture only")
    args = parser.parse_args()
    truth = json.loads((args.truth or args.clip.with_suffix(".json")).read_text())
    got, match = counted(enumerate(decoded(args.clip)), Detector(args.model), truth["line"], truth["fps"], args.every, truth["boxes"])
    print(f"detections: precision {match.precision:.4f} recall {match.recall:.4f} "
          f"({match.right} right, {match.wrong} wrong, {match.missed} missed)")
    for name in ("people", "in", "out"):
        print(f"{name}: counted {got[name]}, true {truth[name]}")
    if any(got[name] != truth[name] for name in got):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
