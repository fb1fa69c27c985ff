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
HELD_OUT = 1_000_000
"""Worlds from this seed on are never trained on."""
MOST = 20
"""Room for so many people in a picture."""


def _world(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures ``(SHOTS, height, width, 3)`` and labels ``(SHOTS, MOST, 5)`` of one world.

    A label is left, top, right, bottom in input pixels and a kind: 1 is a person to find, 2 one
    too hidden or too small to ask for, 0 is empty.
    """
    cv2.setNumThreads(1)
    world = World(seed, *RENDER)
    images = np.zeros((SHOTS, INPUT[1], INPUT[0], 3), np.uint8)
    labels = np.zeros((SHOTS, MOST, 5), np.float32)
    sx, sy = INPUT[0] / RENDER[0], INPUT[1] / RENDER[1]
    for shot in range(SHOTS):
        picture, seen = world.photograph()
        if world.rng.random() < .7:
            # Cameras compress; JPEG stands in for it.
            quality = int(world.rng.integers(35, 95))
            picture = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        images[shot] = cv2.resize(picture, INPUT, interpolation=cv2.INTER_AREA)
        for row, person in zip(labels[shot], seen):
            clear = person.visible >= .35 and person.height * sy >= 11
            row[:] = (person.left * sx, person.top * sy, (person.left + person.width) * sx,
                      (person.top + person.height) * sy, 1 if clear else 2)
    return images, labels


def render(folder: Path, name: str, first_seed: int, worlds: int, processes: int = 2) -> None:
    """Writes ``<name>-images.npy`` and ``<name>-labels.npy`` for `worlds` seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.lib.format.open_memmap(folder / f"{name}-images.npy", "w+", np.uint8, (worlds * SHOTS, INPUT[1], INPUT[0], 3))
    labels = np.zeros((worlds * SHOTS, MOST, 5), np.float32)
    with Pool(processes) as pool:
        for index, (pictures, rows) in enumerate(pool.imap(_world, range(first_seed, first_seed + worlds))):
            images[index * SHOTS:(index + 1) * SHOTS] = pictures
            labels[index * SHOTS:(index + 1) * SHOTS] = rows
            if index % 20 == 19:
                print(f"{name}: {index + 1} of {worlds} worlds", flush=True)
    np.save(folder / f"{name}-labels.npy", labels)
