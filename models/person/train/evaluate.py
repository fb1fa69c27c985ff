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
from dataset import CLASSES, INPUT, WORLDS, loaded
from tracked import Score, followed

CLIP_SEEDS = range(3_000_000, 3_000_006)
SECONDS = 20.0
EVERY = 2
"""Clips hold 12.5 pictures a second, as many as the people counter looks at."""
CLIPS = Path(__file__).resolve().parents[3] / "tests" / "clips"
APP = Path(__file__).resolve().parents[3] / "manifests" / "people-counter"


def ranked(folder: Path, name: str, parts: dict[str, int | None], detector: Detector,
           shortest: float = 0.0) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """For each class: scores of all detections, best first, whether each is right, and how many there are to find.

    Only what is at least 35 % visible and `shortest` input pixels tall is asked for; finding any
    other counts neither way. `parts` are kinds of worlds, and how many pictures of each to look at.
    """
    scale = np.array([INPUT[0], INPUT[1], INPUT[0], INPUT[1]], float)
    found: list[list[tuple[float, bool]]] = [[] for _ in CLASSES]
    asked = [0] * len(CLASSES)
    for part, most in parts.items():
        for image, label in zip(*loaded(folder, name, part, most)):
            rows = detector.found(np.ascontiguousarray(image), .01)
            label = label[label[:, 4] > 0]
            for kind in range(len(CLASSES)):
                mine = label[label[:, 5] == kind]
                wanted = (mine[:, 4] == 1) & (mine[:, 3] - mine[:, 1] >= shortest)
                asked[kind] += int(wanted.sum())
                found[kind] += _judged(rows[rows[:, 5] == kind], mine[:, :4] / scale, wanted)
    for rows in found:
        rows.sort(key=lambda f: -f[0])
    return [(np.array([s for s, _ in rows]), np.array([hit for _, hit in rows], bool), count) for rows, count in zip(found, asked)]


def _judged(rows: np.ndarray, boxes: np.ndarray, wanted: np.ndarray) -> list[tuple[float, bool]]:
    """The score of each detection of one picture and class that counts, and whether it is right."""
    overlaps = iou(rows, boxes) if len(boxes) and len(rows) else np.zeros((len(rows), len(boxes)))
    free, judged = np.ones(len(boxes), bool), []
    for index, row in enumerate(rows):
        score = overlaps[index] * free
        best = int(score.argmax()) if len(boxes) else -1
        if best >= 0 and score[best] >= .5:
            free[best] = False
            if wanted[best]:
                judged.append((float(row[4]), True))
        elif not len(boxes) or overlaps[index][~wanted].max(initial=0) < .3:
            judged.append((float(row[4]), False))
    return judged


def average_precision(scores: np.ndarray, hits: np.ndarray, asked: int) -> tuple[float, float, float]:
    """mAP50 (101 points), and precision and recall at score 0.5, of one class."""
    if not asked or not len(hits):
        return 0.0, 0.0, 0.0
    right = np.cumsum(hits)
    recall, precision = right / asked, right / (np.arange(len(hits)) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    mean = float(np.mean([envelope[i] if i < len(envelope) else 0.0 for i in at]))
    kept = int((scores >= .5).sum())
    return (mean, float(precision[kept - 1]), float(recall[kept - 1])) if kept else (mean, 0.0, 0.0)


def pictures(folder: Path, detector: Detector) -> None:
    """Prints mAP50, precision and recall for each class in each kind of held-out world."""
    parts = {**{kind: {kind: None} for kind in WORLDS}, "all": dict.fromkeys(WORLDS)}
    for title, part in parts.items():
        for kind, found in zip(CLASSES, ranked(folder, "held-out", part, detector)):
            if found[2]:
                mean, precision, recall = average_precision(*found)
                print(f"{title}, {kind} ({found[2]}): mAP50 {mean:.3f}, at score 0.5 precision {precision:.3f} recall {recall:.3f}", flush=True)


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
    pictures(folder, detector)
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
    tracks(detector, clips)


def tracks(detector: Detector, clips: list[tuple[Path, dict]]) -> None:
    """Prints how well people are followed through clips of random worlds by day, and through the shipped ones of night and crowd."""
    parts = {"day": [(video, truth, 1, FPS / EVERY) for video, truth in clips]}
    for name in ("night", "crowd"):
        parts[name] = [(CLIPS / f"{name}.mp4", json.loads((CLIPS / f"{name}.json").read_text()), EVERY, FPS / EVERY)]
    for name, jobs in parts.items():
        score = Score()
        for video, truth, every, fps in jobs:
            shown = ((index // every, picture) for index, picture in enumerate(decoded(video)) if index % every == 0)
            score += followed(shown, detector, truth["line"], fps, truth["boxes"][::every])
        print(f"followed, {name} ({len(jobs)} clips, {score.people} boxes of people): MOTA {score.mota:.3f}, IDF1 {score.idf1:.3f}, "
              f"{score.switches} switches, {score.missed} missed, {score.wrong} wrong", flush=True)
