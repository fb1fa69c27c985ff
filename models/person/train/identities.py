"""Renders the same people before several cameras and lights, and keeps them as small pictures cut out along their boxes."""

from __future__ import annotations

from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np

from dataset import DARKEST, RENDER
from people import Look, Person, Pose
from scene import Walker
from worlds import World, ground_point

CROP = (64, 128)
"""Width and height of the embedding's input."""
CAST, TOGETHER, SHOTS = 14, 9, 6
"""So many people come before one camera, so many of them at once, so many times."""
PEOPLE = {"train": (0, 300), "held-out": (20_000, 64)}
"""First number and count of the people. Nobody held out is ever trained on."""
CAMERAS = {"train": (4_000_000, 60), "held-out": (5_000_000, 20)}
KINDS = ("people", "people", "street", "night")
SHORTEST = 60
"""Pixels of the rendered picture; smaller people are left out."""


def look_of(person: int) -> Look:
    """What a person looks like, whatever the camera."""
    rng = np.random.default_rng(9_000_000 + person)
    return Look.drawn(rng, child=rng.random() < .1)


def _camera(job: tuple[int, list[int]]) -> list[tuple[np.ndarray, int, int, bool]]:
    """Pictures of a cast before one camera: the picture, the person, the camera, and whether it is night."""
    cv2.setNumThreads(1)
    seed, cast = job
    world = World(seed, *RENDER, KINDS[seed % len(KINDS)])
    rng, camera = world.rng, world.camera
    far = max(world.near * 1.3, min(world.far, camera.focal * 1.6 / SHORTEST))
    crops = []
    for _ in range(SHOTS):
        walkers = []
        for person in rng.permutation(cast)[:TOGETHER]:
            spot = ground_point(rng, camera, world.place, world.near * 1.05, far)
            if spot is None:
                continue
            speed = float(rng.choice([0, .8, 1.2, 1.5]))
            heading = float(rng.uniform(0, 2 * np.pi))
            step = (np.cos(heading) * speed / 25, np.sin(heading) * speed / 25)
            walkers.append(Walker(int(person) + 1, Person(look_of(int(person))), Pose(*spot, heading, float(rng.uniform(0, 6.28)), speed), step))
        picture, seen = world.scene.frame(walkers)
        if rng.random() < .7:
            quality = int(rng.integers(35, 95))
            picture = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        for one in seen:
            if one.visible < .6 or one.height < SHORTEST or one.bright < DARKEST * 1.3:
                continue
            # A detector's box is not quite the truth.
            sway = rng.normal(0, .04, 4) * (one.width, one.height, one.width, one.height)
            left, top = one.left + sway[0], one.top + sway[1]
            right, bottom = one.left + one.width + sway[2], one.top + one.height + sway[3]
            x0, y0 = int(np.clip(left, 0, RENDER[0] - 4)), int(np.clip(top, 0, RENDER[1] - 4))
            x1, y1 = int(np.clip(right, x0 + 3, RENDER[0])), int(np.clip(bottom, y0 + 3, RENDER[1]))
            crop = cv2.resize(np.ascontiguousarray(picture[y0:y1, x0:x1]), CROP, interpolation=cv2.INTER_AREA)
            crops.append((crop, one.person - 1, seed, world.kind == "night"))
    return crops


def render(folder: Path, name: str, processes: int = 2) -> None:
    """Writes ``reid-<name>.npz``: crops, people, cameras and night."""
    folder.mkdir(parents=True, exist_ok=True)
    (first, people), (seed, cameras) = PEOPLE[name], CAMERAS[name]
    rng = np.random.default_rng(seed)
    # Everybody comes about as often: decks of people are dealt to the cameras.
    deck = np.concatenate([rng.permutation(people) for _ in range(cameras * CAST // people + 1)]) + first
    jobs = [(seed + index, deck[index * CAST:(index + 1) * CAST].tolist()) for index in range(cameras)]
    found = []
    with Pool(processes) as pool:
        for index, crops in enumerate(pool.imap(_camera, jobs)):
            found += crops
            if index % 25 == 24:
                print(f"reid {name}: {index + 1} of {cameras} cameras, {len(found)} pictures", flush=True)
    crops, who, where, night = zip(*found)
    np.savez(folder / f"reid-{name}.npz", crops=np.stack(crops), people=np.array(who), cameras=np.array(where), night=np.array(night))
