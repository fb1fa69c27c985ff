"""Measures the exported model on worlds it never saw: mAP50 on pictures, counts on clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clip import crowd, truth_of
from count import Detector, counted, iou
from dataset import INPUT

EVERY = 3
"""Clips are looked at about eight times a second, as an app on a small box would."""


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


def evaluate(folder: Path, model: Path, clips: int = 10, first_seed: int = 3_000_000) -> None:
    """Prints everything the model card states about held-out worlds."""
    detector = Detector(model)
    for shortest in (0.0, 20.0):
        mean, precision, recall, people = average_precision(folder, detector, shortest)
        print(f"held-out pictures, people of at least {max(shortest, 11):.0f} input pixels ({people}): "
              f"mAP50 {mean:.3f}, at score 0.5 precision {precision:.3f} recall {recall:.3f}", flush=True)
    error = crossings = wrong_people = all_people = 0
    for seed in range(first_seed, first_seed + clips):
        clip = crowd(seed, 960, 540, 24.0, people=8)
        pictures, seen = [], {}
        for index, picture, truth in clip.pictures(EVERY):
            seen[index] = truth
            pictures.append((index, picture))
        true = truth_of(clip, seen, EVERY)
        boxes = dict(zip(sorted(seen), true["boxes"]))
        got, match = counted(pictures, detector, true["line"], true["fps"], EVERY, boxes)
        error += abs(got["in"] - true["in"]) + abs(got["out"] - true["out"])
        crossings += true["in"] + true["out"]
        wrong_people += abs(got["people"] - true["people"])
        all_people += true["people"]
        print(f"clip {seed}: in {got['in']} of {true['in']}, out {got['out']} of {true['out']}, people {got['people']} of "
              f"{true['people']}, precision {match.precision:.3f} recall {match.recall:.3f}", flush=True)
    print(f"counting error: {error} of {crossings} crossings; people: {wrong_people} of {all_people}")
