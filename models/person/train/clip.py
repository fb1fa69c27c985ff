"""Sample clips: who walks where, the rendered video, and the truth about every frame."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

import numpy as np

import backdrop
import props
from canvas import Camera, Light
from people import Look, Person, Pose, stride
from scene import Animal, Lens, Scene, Seen, Walker
from worlds import World

FPS = 25

WINE, RED, CORAL, ORANGE, OCHRE, YELLOW = (.45, .10, .16), (.72, .14, .13), (.86, .42, .36), (.85, .42, .14), (.78, .56, .18), (.90, .76, .25)
GREEN, TEAL, SKY, BLUE, NAVY = (.22, .46, .26), (.10, .45, .46), (.50, .70, .86), (.18, .34, .66), (.13, .16, .27)
PLUM, ROSE, WHITE, CREAM, SAND = (.42, .22, .46), (.84, .55, .62), (.88, .88, .86), (.82, .78, .68), (.68, .58, .44)
GREY, CHARCOAL, DENIM = (.46, .47, .49), (.19, .20, .22), (.26, .34, .48)


@dataclass
class Route:
    """One person's way over the ground, in metres, and when it starts, in seconds."""

    points: list[tuple[float, float]]
    start_s: float
    speed: float = 1.3
    pause: tuple[float, float] | None = None
    """Stop after so many metres, for so many seconds."""
    child: bool = False
    dog: bool = False


@dataclass
class Actor:
    """A person on a route, frame by frame."""

    person: int
    body: Person
    poses: list[Pose | None]


def walked(route: Route, look: Look, frames: int) -> list[Pose | None]:
    """The pose in every frame; None before the start and after the end."""
    line = np.array(route.points, float)
    for _ in range(4):
        # Chaikin's corner cutting: people do not turn on the spot.
        quarter = line[:-1] * .75 + line[1:] * .25
        three = line[:-1] * .25 + line[1:] * .75
        line = np.concatenate([line[:1], np.stack([quarter, three], 1).reshape(-1, 2), line[-1:]])
    steps = np.hypot(*np.diff(line, axis=0).T)
    lengths = np.concatenate([[0], np.cumsum(steps)])
    gone, phase, poses = 0.0, look.tall * 7.0, []
    first = int(np.floor(route.start_s * FPS))
    waited = 0.0
    for index in range(first, frames):
        speed = route.speed
        if route.pause is not None:
            at, seconds = route.pause
            ahead = at - gone
            if waited < seconds and ahead < .5:
                speed *= float(np.clip(ahead / .5, 0, 1))
                if ahead < .06:
                    speed, waited = 0.0, waited + 1 / FPS
            elif waited >= seconds:
                since = gone - at
                speed *= float(np.clip(.15 + since / .4, 0, 1))
        gone += speed / FPS
        phase += 2 * np.pi * speed / FPS / stride(look, max(speed, .2))
        if gone >= lengths[-1]:
            break
        if index < 0:
            continue
        x, y = (float(np.interp(gone, lengths, line[:, k])) for k in (0, 1))
        ahead_x, ahead_y = (float(np.interp(min(gone + .25, lengths[-1]), lengths, line[:, k])) for k in (0, 1))
        behind_x, behind_y = (float(np.interp(max(gone - .25, 0), lengths, line[:, k])) for k in (0, 1))
        poses.append(Pose(x, y, float(np.arctan2(ahead_y - behind_y, ahead_x - behind_x)), phase, speed))
    before = max(0, min(first, frames))
    return ([None] * before + poses + [None] * frames)[:frames]


@dataclass
class Clip:
    """A scene, its actors, and the counting line, from `a` to `b` in fractions of the frame."""

    scene: Scene
    actors: list[Actor]
    frames: int
    a: tuple[float, float]
    b: tuple[float, float]
    dogs: dict[int, int] = field(default_factory=dict)
    """Which actor leads which dog, by its seed."""

    def pictures(self, every: int = 1) -> Iterator[tuple[int, np.ndarray, list[Seen]]]:
        """Frame number, RGB picture and truth; only each `every`-th frame."""
        for index in range(0, self.frames, every):
            walkers, animals = [], []
            for actor in self.actors:
                pose = actor.poses[index]
                if pose is None:
                    continue
                step = (np.cos(pose.heading) * pose.speed / FPS, np.sin(pose.heading) * pose.speed / FPS)
                walkers.append(Walker(actor.person, actor.body, pose, step))
                if actor.person in self.dogs:
                    c, s = np.cos(pose.heading), np.sin(pose.heading)
                    animals.append(Animal(pose.x + c * .9 + s * .45, pose.y + s * .9 - c * .45, pose.heading,
                                          pose.phase * 1.7, self.dogs[actor.person]))
            picture, seen = self.scene.frame(walkers, animals, index / FPS)
            yield index, picture, seen


def side_of(a: tuple[float, float], b: tuple[float, float], x: float, y: float) -> float:
    """Negative on the left-hand side of the arrow a to b as seen on the screen, positive on the right."""
    return (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])


def within(a: tuple[float, float], b: tuple[float, float], x: float, y: float) -> bool:
    """Whether a point is abreast of the segment, not beyond its ends."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    return 0 <= ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy) <= 1


def truth_of(clip: Clip, seen_by_frame: dict[int, list[Seen]], every: int = 1) -> dict:
    """The ground truth of a clip, in fractions of the frame, from each `every`-th frame."""
    width, height = clip.scene.camera.width, clip.scene.camera.height
    tracks: dict[int, list[tuple[int, Seen]]] = {}
    boxes = []
    for index in sorted(seen_by_frame):
        rows = []
        for s in seen_by_frame[index]:
            tracks.setdefault(s.person, []).append((index, s))
            rows.append([s.person, *(round(float(v), 4) for v in (
                s.left / width, s.top / height, s.width / width, s.height / height)), round(s.visible, 2)])
        boxes.append(rows)
    crossings, people = [], 0
    for person, track in tracks.items():
        clear = sum(1 for _, s in track if s.visible >= .5 and s.height >= 40)
        people += clear * every >= FPS
        before = None
        for index, s in track:
            x, y = (s.left + s.width / 2) / width, (s.top + s.height) / height
            now = side_of(clip.a, clip.b, x, y) > 0
            if before is not None and now != before and within(clip.a, clip.b, x, y):
                crossings.append({"frame": index, "time_s": round(index / FPS, 2), "person": person,
                                  "direction": "in" if now else "out"})
            before = now
    crossings.sort(key=lambda c: c["frame"])
    crossings = _settled(crossings)
    return {"width": width, "height": height, "fps": FPS, "frames": len(boxes),
            "line": {"a": list(clip.a), "b": list(clip.b)},
            "in": sum(c["direction"] == "in" for c in crossings),
            "out": sum(c["direction"] == "out" for c in crossings),
            "people": people, "crossings": crossings, "boxes": boxes}


def _settled(crossings: list[dict]) -> list[dict]:
    """Feet bob: a person who goes back and forth over the line within a step crossed it once, or not."""
    kept: list[dict] = []
    for crossing in crossings:
        undone = next((k for k in kept if k["person"] == crossing["person"] and k["direction"] != crossing["direction"]
                       and crossing["frame"] - k["frame"] < FPS), None)
        if undone is not None:
            kept.remove(undone)
        else:
            kept.append(crossing)
    return kept


def entrance() -> Clip:
    """The clip of the front page: a plaza before a building's doors on a bright afternoon."""
    camera = Camera(960, 540, 940.0, 4.3, .31)
    towards = np.array([-.62, -.42, .66])
    light = Light(towards / np.linalg.norm(towards), np.array([.74, .68, .57]), np.array([.44, .47, .53]), .50, .0035)
    place = backdrop.Place(
        ground="slabs", ground_base=np.array([.64, .61, .56]), wall="brick", wall_base=np.array([.60, .40, .32]),
        side_wall="panels", side_base=np.array([.6, .6, .58]), far=16.0, left=None, right=None, ceiling=None,
        wall_high=12.0, door=backdrop.Opening(-1.1, 2.3, 2.55), seed=6)
    things = [props.Prop(*row) for row in (
        ("planter", 4.2, 14.3, -.05, 4), ("lamp", -4.4, 12.3, 0, 5),
        ("bench", 6.3, 15.0, .0, 6), ("bin", 5.0, 15.4, 0, 7),
        ("shrub", -1.8, 15.5, 0, 9), ("shrub", 2.95, 15.6, 0, 10), ("table", -6.0, 14.4, .2, 11),
        ("bollard", -4.7, 9.9, 0, 13),
        ("crates", 6.1, 13.4, .3, 15), ("planter", 3.6, 8.2, -.25, 16), ("cone", -3.8, 8.2, 0, 17))]
    lens = Lens(exposure=1.16, drift=.012, tint=np.array([1.02, 1.0, .97]), contrast=1.02, vignette=.16, noise=.0035, shutter=.5)
    frames = 40 * FPS
    inside_left, inside_right = [(-.2, 17.4), (-5.0, 17.8)], [(1.5, 17.4), (6.0, 17.8)]
    # Those who come keep right and those who leave keep left, as at any door.
    routes = [
        # Into the building.
        Route([(-1.9, 4.4), (-1.3, 9.5), (.1, 15.6), *inside_left], -1.6, 1.32),
        Route([(.6, 4.4), (.6, 9.5), (.9, 16), *inside_right], 5.2, 1.25),
        Route([(1.45, 4.4), (1.45, 9.5), (1.75, 16), (1.9, 17.2), (6.0, 17.4)], 5.3, 1.25),
        Route([(-5.0, 6.2), (-3.3, 9.2), (-2.4, 12.0), (-.3, 15.4), *inside_left], 14.0, 1.4),
        Route([(1.6, 4.4), (1.8, 9.5), (1.5, 16), *inside_right], 20.0, 1.45),
        Route([(.5, 4.4), (.6, 11), (.9, 16), *inside_right], 26.6, 1.2),
        Route([(1.3, 4.2), (1.4, 11), (1.65, 16), (1.8, 17.2), (6.0, 17.4)], 26.6, 1.2, child=True),
        # Out of it.
        Route([(-5, 17.8), (.2, 17.4), (.2, 15.3), (.3, 9.5), (-.2, 4.0)], -7.5, 1.3),
        Route([(6, 17.8), (1.6, 17.4), (1.8, 15.3), (2.5, 10.5), (2.2, 8), (1.9, 4.0)], -3.0, 1.35),
        Route([(-5, 17.8), (-.3, 17.4), (-.4, 15.3), (-1.3, 9.5), (-1.5, 4.0)], 4.2, 1.2),
        Route([(-5, 17.8), (-.5, 17.4), (-.6, 15.3), (-1.5, 9.5), (-1.9, 4.0)], 11.6, 1.3),
        Route([(-5, 17.6), (.2, 17.1), (.2, 15.3), (-.6, 9.5), (-1.0, 4.0)], 11.7, 1.3),
        Route([(-5, 17.8), (-.2, 17.4), (-.3, 15.3), (-1.6, 9.5), (-2.2, 4.0)], 24.4, 1.4),
        # Past it.
        Route([(-9, 12.7), (9, 12.9)], 0.5, 1.25),
        Route([(8.5, 11.5), (-8.5, 11.7)], 15.0, 1.2, dog=True),
        Route([(9, 13.6), (6.2, 13.2), (5.4, 13.0), (5.8, 12.2), (9, 11.8)], -5.0, 1.2, pause=(3.4, 26.0)),
        Route([(-5, 17.8), (-.2, 17.4), (-.3, 15.0), (-3.0, 12.0), (-9, 11.7)], 20.6, 1.3),
        Route([(-6.0, 7.8), (6.0, 8.5)], 32.5, 1.4),
    ]
    # Clothes chosen by hand, so that nobody is taken for somebody else: top and bottom.
    clothes = [(WINE, NAVY), (OCHRE, DENIM), (TEAL, CHARCOAL), (WHITE, DENIM), (SKY, CREAM), (CORAL, NAVY), (YELLOW, DENIM),
               (SAND, CHARCOAL), (BLUE, GREY), (RED, NAVY), (GREEN, SAND), (ROSE, CHARCOAL), (ORANGE, DENIM), (PLUM, SAND),
               (OCHRE, NAVY), (NAVY, GREY), (WHITE, DENIM), (RED, CREAM)]
    rng = np.random.default_rng(2_000_003)
    actors, dogs = [], {}
    for number, (route, (top, bottom)) in enumerate(zip(routes, clothes), 1):
        look = Look.drawn(rng, child=route.child)
        look.top, look.bottom = np.array(top), np.array(bottom)
        actors.append(Actor(number, Person(look), walked(route, look, frames)))
        if route.dog:
            dogs[number] = 5
    return Clip(Scene(camera, light, place, things, lens, 77, supersample=2), actors, frames, (.96, .63), (.04, .63), dogs)


def crowd(seed: int, width: int, height: int, seconds: float, people: int) -> Clip:
    """A random world in which people cross a level line, away from the camera (in) and towards it (out)."""
    world = World(seed, width, height)
    rng = np.random.default_rng(seed + 7)
    camera, place = world.camera, world.place
    near = world.near
    far = min(place.far - .8, near * 3.2)
    # The line lies where people are of middling size.
    middle = float(np.sqrt(near * far))
    (_, line_y), _ = camera.project(np.array([0.0, middle, 0.0]))
    frames = int(seconds * FPS)
    actors = []
    lanes = max(1.0, min(middle * width / camera.focal * .36, 9.0 if place.right is None else place.right - .5,
                         9.0 if place.left is None else -place.left - .5))
    for number in range(1, people + 1):
        x0, x1 = rng.uniform(-lanes, lanes, 2)
        x1 = x0 + (x1 - x0) * .4
        ends = [(x0, near * .8), ((x0 + x1) / 2, middle), (x1, far)]
        if rng.random() < .5:
            ends.reverse()
        look = Look.drawn(rng, child=rng.random() < .1)
        start = number * seconds / people - rng.uniform(2, 8)
        actors.append(Actor(number, Person(look), walked(Route(ends, start, float(rng.uniform(1.0, 1.6))), look, frames)))
    level = round(line_y / height, 4)
    return Clip(world.scene, actors, frames, (1.0, level), (.0, level))


def written(clip: Clip, target: Path, options: list[str], every: int = 1) -> dict:
    """Renders and encodes each `every`-th picture of a clip with ffmpeg; answers its truth."""
    camera = clip.scene.camera
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{camera.width}x{camera.height}",
               "-r", f"{FPS}/{every}", "-i", "-", "-an", "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-c:v", "libx264",
               "-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
               "-threads", "2", *options,
               "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", "-movflags", "+faststart", str(target)]
    seen_by_frame = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE) as ffmpeg:
        for index, picture, seen in clip.pictures(every):
            ffmpeg.stdin.write(picture.tobytes())
            seen_by_frame[index] = seen
        ffmpeg.stdin.close()
    if ffmpeg.returncode:
        raise SystemExit(f"ffmpeg could not write `{target.name}`")
    return truth_of(clip, seen_by_frame, every)


def hashed(video: Path) -> None:
    """Writes the hash of every decoded picture beside the video."""
    hashes = subprocess.run(["ffmpeg", "-v", "error", "-i", str(video), "-an", "-f", "framemd5", "-"],
                            check=True, capture_output=True).stdout
    video.with_suffix(".framemd5").write_bytes(hashes)


def write_entrance(folder: Path) -> None:
    """``entrance.mp4`` with B-frames and closed groups of 50 pictures, and its truth."""
    truth = written(entrance(), folder / "entrance.mp4", [
        "-preset", "slower", "-profile:v", "high", "-crf", "25", "-bf", "2", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0",
        # Direct prediction from pictures with 8x8 partitions is where decoders part: openh264 misses ffmpeg's
        # samples by up to 7 of 255 there. A clip for tests of counting has no need of it.
        "-x264-params", "open-gop=0:b-pyramid=none:direct=none"])
    hashed(folder / "entrance.mp4")
    (folder / "entrance.json").write_text(json.dumps(truth, separators=(",", ":")) + "\n")
    print({k: truth[k] for k in ("frames", "people", "in", "out")})


PLAIN_SEED = 2_100_002


def write_plain(folder: Path) -> None:
    """``plain.mp4``: baseline profile, pictures in the order they are shown."""
    written(crowd(PLAIN_SEED, 640, 360, 6.0, people=5), folder / "plain.mp4", [
        "-preset", "slower", "-profile:v", "baseline", "-crf", "27", "-bf", "0", "-g", "50"])
    hashed(folder / "plain.mp4")
