"""Measures the embedding on people and cameras it never saw, beside a histogram of colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime


def embedded(model: Path, crops: np.ndarray) -> np.ndarray:
    """Unit vectors of crops, as the host makes them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    vectors = []
    for crop in crops:
        tensor = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        vectors.append(session.run(None, {"image": tensor})[0].reshape(-1))
    vectors = np.array(vectors)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def histograms(crops: np.ndarray) -> np.ndarray:
    """The baseline: hue, saturation and value of four stripes from top to bottom, compared by Hellinger's distance."""
    rows = []
    for crop in crops:
        hsv = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV)[:, 10:-10]
        parts = [cv2.calcHist([np.ascontiguousarray(part)], [0, 1, 2], None, [8, 4, 4], [0, 180, 0, 256, 0, 256]).reshape(-1)
                 for part in np.array_split(hsv, 4)]
        whole = np.concatenate(parts)
        rows.append(np.sqrt(whole / whole.sum()))
    return np.array(rows)


def ranks(vectors: np.ndarray, people: np.ndarray, cameras: np.ndarray, asked: np.ndarray, among: np.ndarray) -> tuple[float, float, int]:
    """Rank-1, mean average precision and the number of queries; a query's own camera is left out of what is searched."""
    first, precisions = [], []
    for index in np.flatnonzero(asked):
        others = np.flatnonzero(among & (cameras != cameras[index]))
        order = others[np.argsort(-(vectors[others] @ vectors[index]), kind="stable")]
        hits = people[order] == people[index]
        if not hits.any():
            continue
        first.append(hits[0])
        places = np.flatnonzero(hits)
        precisions.append(np.mean((np.arange(len(places)) + 1) / (places + 1)))
    return float(np.mean(first)), float(np.mean(precisions)), len(first)


def evaluate(folder: Path, model: Path) -> None:
    """Prints what the model card of the embedding states."""
    data = np.load(folder / "reid-held-out.npz")
    crops, people, cameras, night = (data[k] for k in ("crops", "people", "cameras", "night"))
    print(f"{len(crops)} pictures of {len(np.unique(people))} people before {len(np.unique(cameras))} cameras, {int(night.sum())} by night")
    everything = np.ones(len(crops), bool)
    for name, vectors in (("embedding", embedded(model, crops)), ("colour histogram", histograms(crops))):
        for title, asked, among in (("all", everything, everything), ("day for day", ~night, ~night), ("night for day", night, ~night)):
            rank, mean, queries = ranks(vectors, people, cameras, asked, among)
            print(f"{name}, {title} ({queries} queries): rank-1 {rank:.3f}, mAP {mean:.3f}", flush=True)
    vectors = embedded(model, crops)
    pairs = np.random.default_rng(1).integers(0, len(crops), (200_000, 2))
    pairs = pairs[cameras[pairs[:, 0]] != cameras[pairs[:, 1]]]
    same = people[pairs[:, 0]] == people[pairs[:, 1]]
    near = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1)
    print(f"cosine of two pictures from two cameras: same person median {np.median(near[same]):.2f}, others median {np.median(near[~same]):.2f}, "
          f"95 % of others below {np.quantile(near[~same], .95):.2f}")
