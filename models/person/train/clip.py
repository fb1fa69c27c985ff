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
from dataset import CLASSES, DARKEST
from night import Night
from scene import Animal, Lens, Scene, Seen, Walker
from vehicles import CYCLE, Machine, Mover, rider
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


def smoothed(points: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """A way without corners, and the metres from its start to each of its points."""
    line = np.array(points, float)
    for _ in range(4):
        # Chaikin's corner cutting: people do not turn on the spot.
        quarter = line[:-1] * .75 + line[1:] * .25
        three = line[:-1] * .25 + line[1:] * .75
        line = np.concatenate([line[:1], np.stack([quarter, three], 1).reshape(-1, 2), line[-1:]])
    steps = np.hypot(*np.diff(line, axis=0).T)
    return line, np.concatenate([[0], np.cumsum(steps)])


@dataclass
class Driver:
    """A vehicle or cycle on its way, its lamps burning or not; a cycle on the move has a rider."""

    number: int
    machine: Machine
    route: Route
    lamps: bool = False
    parked: bool = False

    def at(self, time_s: float) -> Mover | None:
        """Where it is at a time; None before the start and after the end."""
        line, lengths = smoothed(self.route.points)
        gone = 0.0 if self.parked else (time_s - self.route.start_s) * self.route.speed
        if not 0 <= gone <= lengths[-1]:
            return None
        place = lambda metres: np.array([np.interp(metres, lengths, line[:, k]) for k in (0, 1)])
        (x, y), ahead = place(gone), place(gone + .4) - place(gone - .4)
        step = (0.0, 0.0) if self.parked else tuple(ahead / np.hypot(*ahead) * self.route.speed / FPS)
        return Mover(self.number, self.machine, float(x), float(y), float(np.arctan2(ahead[1], ahead[0])), gone * 1.9, step, self.lamps)


def walked(route: Route, look: Look, frames: int) -> list[Pose | None]:
    """The pose in every frame; None before the start and after the end."""
    line, lengths = smoothed(route.points)
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
    drivers: list[Driver] = field(default_factory=list)

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
            movers = [mover for driver in self.drivers if (mover := driver.at(index / FPS)) is not None]
            for mover in movers:
                if mover.kind == CYCLE and mover.step != (0.0, 0.0):
                    look, pose = rider(np.random.default_rng(mover.machine.seed), mover)
                    walkers.append(Walker(100 + mover.number, Person(look), pose, mover.step))
            picture, seen = self.scene.frame(walkers, animals, index / FPS, movers)
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
    boxes, things = [], []
    for index in sorted(seen_by_frame):
        rows, others = [], []
        for s in seen_by_frame[index]:
            visible = s.visible if s.bright >= DARKEST else 0.0
            row = [s.person, *(round(float(v), 4) for v in (
                s.left / width, s.top / height, s.width / width, s.height / height)), round(visible, 2)]
            if s.kind:
                others.append([CLASSES[s.kind], *row])
            else:
                tracks.setdefault(s.person, []).append((index, s))
                rows.append(row)
        boxes.append(rows)
        things.append(others)
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
            "people": people, "crossings": crossings, "boxes": boxes, **({"things": things} if any(things) else {})}


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


def night() -> Clip:
    """A forecourt after dark: lamps, a car that arrives, one that stands, a cyclist, and people on their ways."""
    camera = Camera(640, 360, 560.0, 4.6, .27)
    light = Light(np.array([.3, -.4, .866]), np.array([.25, .25, .26]), np.array([.62, .62, .64]), .22, .03)
    place = backdrop.Place(
        ground="asphalt", ground_base=np.array([.42, .42, .44]), wall="panels", wall_base=np.array([.52, .50, .48]),
        side_wall="brick", side_base=np.array([.5, .36, .3]), far=23.0, left=None, right=None, ceiling=None,
        wall_high=7.0, door=backdrop.Opening(-5.2, -2.6, 2.5), seed=21)
    things = [props.Prop(*row) for row in (
        ("lamp", -6.0, 17.5, 0, 3), ("lamp", 5.5, 14.5, 0, 4), ("bollard", -2.0, 20.5, 0, 5), ("bollard", -6.0, 20.5, 0, 6),
        ("planter", 1.2, 21.5, .0, 7), ("bin", 7.2, 20.4, 0, 8))]
    after_dark = Night(infrared=False, ambient=.17, reach=12.0, lamps=[(-6.0, 17.5, .55, 6.0), (5.5, 14.5, .6, 6.5), (-3.9, 22.0, .5, 3.0)],
                       tint=np.array([1.10, 1.0, .86]), gain=1.5, noise=.014, bloom=.8)
    lens = Lens(exposure=1.05, contrast=1.05, vignette=.2, noise=after_dark.noise, shutter=.7)
    frames = 8 * FPS
    routes = [Route([(3.6, 6.0), (.8, 11.0), (-3.4, 22.0), (-3.6, 25.0)], -3.2, 1.4),
              Route([(-4.4, 25.0), (-4.2, 21.5), (-1.6, 15.0), (-1.8, 6.0)], -4.4, 1.25),
              Route([(9.5, 19.0), (-9.5, 18.6)], -3.8, 1.35),
              Route([(-7.5, 11.4), (8.5, 12.2)], -1.0, 1.5),
              Route([(-4.0, 25.0), (-3.6, 21.0), (2.2, 16.8), (9, 16.0)], -.6, 1.3)]
    clothes = [(ORANGE, DENIM), (WHITE, NAVY), (SKY, GREY), (SAND, CHARCOAL), (RED, DENIM)]
    rng = np.random.default_rng(2_200_001)
    actors = []
    for number, (route, (top, bottom)) in enumerate(zip(routes, clothes), 1):
        look = Look.drawn(rng)
        look.top, look.bottom = np.array(top), np.array(bottom)
        actors.append(Actor(number, Person(look), walked(route, look, frames)))
    drivers = [Driver(21, Machine.vehicle(np.random.default_rng(4), "hatchback"), Route([(4.6, 20.2), (2.6, 20.2)], 0, 1), parked=True),
               Driver(22, Machine.vehicle(np.random.default_rng(9), "estate"), Route([(16, 16.4), (4.5, 15.6), (-5.5, 12.6), (-16, 11.8)], .6, 4.2), lamps=True),
               Driver(23, Machine.cycle(np.random.default_rng(5), "bicycle"), Route([(-9, 9.2), (9, 10.0)], 3.0, 3.4), lamps=True)]
    scene = Scene(camera, light, place, things, lens, 78, supersample=2, night=after_dark)
    return Clip(scene, actors, frames, (1.0, .60), (.0, .60), drivers=drivers)


def throng() -> Clip:
    """A crowd in a square: they come and go in both directions, stand about, and hide one another."""
    camera = Camera(640, 360, 520.0, 5.4, .33)
    towards = np.array([.5, -.5, .7])
    light = Light(towards / np.linalg.norm(towards), np.array([.55, .52, .48]), np.array([.50, .52, .55]), .42, .006)
    place = backdrop.Place(
        ground="slabs", ground_base=np.array([.60, .58, .55]), wall="plaster", wall_base=np.array([.72, .66, .55]),
        side_wall="brick", side_base=np.array([.5, .36, .3]), far=26.0, left=None, right=None, ceiling=None,
        wall_high=10.0, door=None, seed=33)
    things = [props.Prop(*row) for row in (("planter", -6.2, 20.0, .1, 4), ("bench", 6.0, 21.0, 0, 5), ("lamp", -1.0, 22.5, 0, 6))]
    lens = Lens(exposure=1.08, contrast=1.02, vignette=.12, noise=.003, shutter=.5)
    frames = 8 * FPS
    rng = np.random.default_rng(2_300_001)
    actors = []
    for number in range(1, 35):
        look = Look.drawn(rng, child=rng.random() < .1)
        if number % 3 == 0:
            # Across the square.
            y, ends = rng.uniform(8.5, 20.0), [-1, 1]
            if rng.random() < .5:
                ends.reverse()
            half = y * 320 / 520 + 1.0
            points, start = [(half * e, y + rng.uniform(-.6, .6)) for e in ends], rng.uniform(-2 * half / 1.25, 3)
        else:
            x = rng.uniform(-5.0, 5.0)
            points, start = [(x, 5.0), (x + rng.uniform(-.8, .8), 12.0), (x + rng.uniform(-2, 2), 23.5)], rng.uniform(-13, 2)
            if rng.random() < .5:
                points.reverse()
        pause = (float(rng.uniform(4, 9)), 5.0) if number % 7 == 0 else None
        actors.append(Actor(number, Person(look), walked(Route(points, float(start), float(rng.uniform(1.0, 1.5)), pause), look, frames)))
    return Clip(Scene(camera, light, place, things, lens, 79, supersample=2), actors, frames, (1.0, .58), (.0, .58))


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


def _kept(clip: Clip, video: Path, options: list[str]) -> None:
    """Writes a clip, its hashes and its truth."""
    truth = written(clip, video, options)
    hashed(video)
    video.with_suffix(".json").write_text(json.dumps(truth, separators=(",", ":")) + "\n")
    print(video.name, {k: truth[k] for k in ("frames", "people", "in", "out")})


# Direct prediction from pictures with 8x8 partitions is where decoders part: openh264 misses ffmpeg's
# samples by up to 7 of 255 there. A clip for tests of counting has no need of it.
_CLOSED = ["-x264-params", "open-gop=0:b-pyramid=none:direct=none", "-bf", "2", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0",
           "-preset", "slower", "-profile:v", "high"]


def write_entrance(folder: Path) -> None:
    """``entrance.mp4`` with B-frames and closed groups of 50 pictures, and its truth."""
    _kept(entrance(), folder / "entrance.mp4", [*_CLOSED, "-crf", "25"])


def write_night(folder: Path) -> None:
    """``night.mp4``, coded like ``entrance.mp4``."""
    _kept(night(), folder / "night.mp4", [*_CLOSED, "-crf", "27"])


def write_crowd(folder: Path) -> None:
    """``crowd.mp4``, coded like ``entrance.mp4``."""
    _kept(throng(), folder / "crowd.mp4", [*_CLOSED, "-crf", "31"])


PLAIN_SEED = 2_100_002


def write_plain(folder: Path) -> None:
    """``plain.mp4``: baseline profile, pictures in the order they are shown."""
    written(crowd(PLAIN_SEED, 640, 360, 6.0, people=5), folder / "plain.mp4", [
        "-preset", "slower", "-profile:v", "baseline", "-crf", "27", "-bf", "0", "-g", "50"])
    hashed(folder / "plain.mp4")


WRITERS = {"entrance": write_entrance, "plain": write_plain, "night": write_night, "crowd": write_crowd}
