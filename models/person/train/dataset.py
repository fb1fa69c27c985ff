"""Renders the training and held-out pictures, and keeps them as arrays at the input size."""

from __future__ import annotations

from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np

from worlds import World

INPUT = (384, 224)
"""Width and height of the model's input."""
RENDER = (768, 432)
SHOTS = 18
"""Pictures of each world."""
WORLDS = {"people": 420, "street": 200, "night": 32, "crowd": 36}
"""Worlds to learn from, of each kind."""
HELD_OUT = 1_000_000
"""Worlds from this seed on are never trained on."""
HELD_OUT_WORLDS = {"people": 20, "street": 20, "night": 9, "crowd": 8}
MOST = 64
"""Room for so many labels in a picture."""
CLASSES = ("person", "vehicle", "bicycle")
SMALLEST = ((0, 11), (10, 8), (8, 9))
"""Width and height in input pixels from which each class is asked for."""
DARKEST = .12
"""Whoever stands in less light than this, against daylight, is not asked for."""


def _world(job: tuple[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Pictures ``(SHOTS, height, width, 3)`` and labels ``(SHOTS, MOST, 6)`` of one world.

    A label is left, top, right, bottom in input pixels, a mark and a class. The mark is 1 for one
    to find, 2 for one too hidden, small or dark to ask for, 0 for an empty row.
    """
    cv2.setNumThreads(1)
    kind, seed = job
    world = World(seed, *RENDER, kind)
    images = np.zeros((SHOTS, INPUT[1], INPUT[0], 3), np.uint8)
    labels = np.zeros((SHOTS, MOST, 6), np.float32)
    sx, sy = INPUT[0] / RENDER[0], INPUT[1] / RENDER[1]
    for shot in range(SHOTS):
        picture, seen = world.photograph()
        if world.rng.random() < .7:
            # Cameras compress; JPEG stands in for it.
            quality = int(world.rng.integers(35, 95))
            picture = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        images[shot] = cv2.resize(picture, INPUT, interpolation=cv2.INTER_AREA)
        for row, one in zip(labels[shot], seen):
            width, height = SMALLEST[one.kind]
            clear = one.visible >= .35 and one.width * sx >= width and one.height * sy >= height and one.bright >= DARKEST
            row[:] = (one.left * sx, one.top * sy, (one.left + one.width) * sx, (one.top + one.height) * sy, 1 if clear else 2, one.kind)
    return images, labels


def render(folder: Path, name: str, kind: str, first_seed: int, worlds: int, processes: int = 2) -> None:
    """Writes ``<name>-<kind>-images.npy`` and ``<name>-<kind>-labels.npy`` for `worlds` seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{kind}"
    images = np.lib.format.open_memmap(folder / f"{stem}-images.npy", "w+", np.uint8, (worlds * SHOTS, INPUT[1], INPUT[0], 3))
    labels = np.zeros((worlds * SHOTS, MOST, 6), np.float32)
    jobs = [(kind, seed) for seed in range(first_seed, first_seed + worlds)]
    with Pool(processes) as pool:
        for index, (pictures, rows) in enumerate(pool.imap(_world, jobs)):
            images[index * SHOTS:(index + 1) * SHOTS] = pictures
            labels[index * SHOTS:(index + 1) * SHOTS] = rows
            if index % 20 == 19:
                print(f"{stem}: {index + 1} of {worlds} worlds", flush=True)
    np.save(folder / f"{stem}-labels.npy", labels)


def loaded(folder: Path, name: str, kind: str, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The pictures and labels of one kind of world; `most` takes the first only."""
    stem = f"{name}-{kind}"
    return np.load(folder / f"{stem}-images.npy", mmap_mode="r")[:most], np.load(folder / f"{stem}-labels.npy")[:most]
