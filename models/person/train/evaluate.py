"""Measures the exported model on worlds it never saw: mAP50 on pictures, counts on clips."""

from __future__ import annotations

import json
import subprocess
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np

from clip import FPS, crowd, written
from count import Detector, counted, decoded, iou
from dataset import INPUT

CLIP_SEEDS = range(3_000_000, 3_000_006)
SECONDS = 20.0
EVERY = 2
"""Clips hold 12.5 pictures a second, as many as the people counter looks at."""
APP = Path(__file__).resolve().parents[3] / "manifests" / "people-counter"


def ranked(folder: Path, name: str, detector: Detector, shortest: float = 0.0, most: int | None = None) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores of all detections, best first, whether each is right, and how many people there are.

    Only people at least 35 % visible and `shortest` input pixels tall are asked for; finding any
    other counts neither way. `most` looks at the first pictures only.
    """
    images = np.load(folder / f"{name}-images.npy", mmap_mode="r")[:most]
    labels = np.load(folder / f"{name}-labels.npy")[:most]
    scale = np.array([INPUT[0], INPUT[1], INPUT[0], INPUT[1]], float)
    found: list[tuple[float, bool]] = []
    people = 0
    for image, label in zip(images, labels):
        label = label[label[:, 4] > 0]
        boxes = label[:, :4] / scale
        wanted = (label[:, 4] == 1) & (label[:, 3] - label[:, 1] >= shortest)
        people += int(wanted.sum())
        rows = detector(np.ascontiguousarray(image), .01)
        overlaps = iou(rows, boxes) if len(boxes) and len(rows) else np.zeros((len(rows), len(boxes)))
        free = np.ones(len(boxes), bool)
        for index, row in enumerate(rows):
            score = overlaps[index] * free
            best = int(score.argmax()) if len(boxes) else -1
            if best >= 0 and score[best] >= .5:
                free[best] = False
                if wanted[best]:
                    found.append((float(row[4]), True))
            elif not len(boxes) or overlaps[index][~wanted].max(initial=0) < .3:
                found.append((float(row[4]), False))
    found.sort(key=lambda f: -f[0])
    return np.array([s for s, _ in found]), np.array([hit for _, hit in found], bool), people


def average_precision(folder: Path, detector: Detector, shortest: float = 0.0) -> tuple[float, float, float, int]:
    """mAP50 (101 points), precision and recall at score 0.5, and how many people, on held-out pictures."""
    scores, hits, people = ranked(folder, "held-out", detector, shortest)
    right = np.cumsum(hits)
    recall, precision = right / people, right / (np.arange(len(hits)) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    mean = float(np.mean([envelope[i] if i < len(envelope) else 0.0 for i in at]))
    kept = max(1, int((scores >= .5).sum()))
    return mean, float(precision[kept - 1]), float(recall[kept - 1]), people


def _clip(job: tuple[Path, int]) -> tuple[Path, dict]:
    """A random held-out clip as a video, and its truth; rendered once."""
    folder, seed = job
    video, facts = folder / f"clip-{seed}.mp4", folder / f"clip-{seed}.json"
    if not facts.exists():
        cv2.setNumThreads(1)
        truth = written(crowd(seed, 960, 540, SECONDS, people=8), video, ["-preset", "veryfast", "-crf", "25"], EVERY)
        facts.write_text(json.dumps(truth))
    return video, json.loads(facts.read_text())


def _by_reference(detector: Detector, video: Path, truth: dict) -> dict[str, int]:
    """Counts of the reference program."""
    got, match = counted(enumerate(decoded(video)), detector, truth["line"], FPS / EVERY, 1, truth["boxes"])
    print(f"  detections: precision {match.precision:.3f} recall {match.recall:.3f}")
    return got


def _by_product(transom: Path, model: Path, video: Path, truth: dict) -> dict[str, int]:
    """Counts of the people counter, run by the program at `transom`."""
    line = ",".join(str(v) for end in "ab" for v in truth["line"][end])
    events = subprocess.run([transom, "run", APP, "--model", f"person={model.parent}", "--camera", f"entrance={video}",
                             "--param", f"line={line}"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    last = [e for e in map(json.loads, events.splitlines()) if e["name"] == "summary"][-1]
    return last["data"]


def evaluate(folder: Path, model: Path, transom: Path | None) -> None:
    """Prints everything the model card states about held-out worlds; with `transom`, the product's counts too."""
    detector = Detector(model)
    for shortest in (0.0, 20.0):
        mean, precision, recall, people = average_precision(folder, detector, shortest)
        print(f"held-out pictures, people of at least {max(shortest, 11):.0f} input pixels ({people}): "
              f"mAP50 {mean:.3f}, at score 0.5 precision {precision:.3f} recall {recall:.3f}", flush=True)
    kinds = ("in", "out", "people")
    totals: dict[str, np.ndarray] = {}
    with Pool(2) as pool:
        clips = pool.map(_clip, [(folder, seed) for seed in CLIP_SEEDS], 1)
    for video, truth in clips:
        print(f"{video.stem}: " + ", ".join(f"{kind} {truth[kind]}" for kind in kinds))
        counts = {"reference": _by_reference(detector, video, truth)}
        if transom is not None:
            counts["product"] = _by_product(transom, model, video, truth)
        for who, got in counts.items():
            print(f"  {who}: " + ", ".join(f"{kind} {got[kind]}" for kind in kinds), flush=True)
            errors = np.array([[abs(got[k] - truth[k]), got[k], truth[k]] for k in kinds])
            totals[who] = totals.get(who, 0) + errors
    for who, rows in totals.items():
        print(f"{who}, all clips: " + ", ".join(f"{k} {r[1]} of {r[2]} (wrong by {r[0]} in sum)" for k, r in zip(kinds, rows)))
