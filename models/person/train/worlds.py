"""Draws random worlds from a seed: places, cameras, lights, things and crowds to learn from."""

from __future__ import annotations

import numpy as np

import backdrop
import props
from canvas import Camera, Light
from night import Night, Plan
from people import Look, Person, Pose
from scene import Animal, Lens, Scene, Walker
from vehicles import Machine, Mover, rider

KINDS = ("people", "street", "night", "crowd")
"""Worlds of people by day, with vehicles and cycles by day, of either after dark, and of dense crowds."""
ROADS = ("lanes", "lanes", "bays", "asphalt", "concrete", "setts", "slabs")
GROUNDS = ("slabs", "slabs", "tiles", "checker", "setts", "terrazzo", "carpet", "asphalt", "concrete")
WALLS = ("plaster", "brick", "panels", "boards", "glass")


def muted(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """A greyish building colour."""
    return np.clip(rng.uniform(low, high) * (1 + rng.normal(0, .06, 3) + rng.uniform(-.12, .12) * np.array([1, .1, -1])), .05, .95)


def a_light(rng: np.random.Generator, indoors: bool) -> Light:
    """Sun, overcast, evening or lamps."""
    turn, steep = rng.uniform(0, 2 * np.pi), rng.uniform(.45, 1.2)
    towards = np.array([np.cos(turn) * np.cos(steep), np.sin(turn) * np.cos(steep), np.sin(steep)])
    warm = rng.uniform(-.10, .16)
    tint = np.array([1 + warm, 1 + warm * .25, 1 - warm])
    key = rng.uniform(.15, .42) if indoors else rng.uniform(.12, .80)
    sky = rng.uniform(.78, .95) - key * .55
    return Light(towards, key * tint, sky * np.array([1 - warm * .4, 1.0, 1 + warm * .4]),
                 shadow=float(np.clip(key / (key + sky), .15, .62)),
                 softness=float(rng.uniform(.008, .03) if indoors or key < .35 else rng.uniform(.002, .008)))


def a_place(rng: np.random.Generator) -> backdrop.Place:
    """A plaza, a corridor, a lobby or a yard."""
    kind = rng.choice(["plaza", "plaza", "corridor", "lobby", "open"])
    indoors = kind in ("corridor", "lobby")
    far = {"plaza": rng.uniform(14, 30), "corridor": rng.uniform(14, 40), "lobby": rng.uniform(10, 20), "open": rng.uniform(25, 60)}[kind]
    half = {"plaza": 99, "corridor": rng.uniform(1.8, 3.5), "lobby": rng.uniform(4, 8), "open": 99}[kind]
    middle = rng.uniform(-.5, .5) * min(half, 3)
    left = middle - half if indoors or rng.random() < .25 else None
    right = middle + half if indoors or rng.random() < .2 else None
    if left == middle - 99:
        left = -rng.uniform(4, 8)
    if right == middle + 99:
        right = rng.uniform(4, 8)
    door = None
    if kind != "open" and rng.random() < .65:
        wide, at = rng.uniform(1.6, 3.6), rng.uniform(-3, 3) if not indoors else middle
        wide = min(wide, half * 1.4)
        door = backdrop.Opening(at - wide / 2, at + wide / 2, rng.uniform(2.2, 2.7))
    return backdrop.Place(
        ground=str(rng.choice(GROUNDS)), ground_base=muted(rng, .28, .75),
        wall=str(rng.choice(WALLS)), wall_base=muted(rng, .25, .85) if rng.random() < .7 else np.array([.58, .34, .26]) * rng.uniform(.7, 1.2),
        side_wall=str(rng.choice(WALLS[:4])), side_base=muted(rng, .3, .85), far=far, left=left, right=right,
        ceiling=rng.uniform(4.6, 6.5) if indoors else None, wall_high=rng.uniform(6, 16) if not indoors else 6.6,
        door=door, seed=int(rng.integers(1 << 31)))


def a_street(rng: np.random.Generator) -> backdrop.Place:
    """A road, a car park or a forecourt."""
    far = rng.uniform(16, 60)
    return backdrop.Place(
        ground=str(rng.choice(ROADS)), ground_base=muted(rng, .22, .55),
        wall=str(rng.choice(WALLS)), wall_base=muted(rng, .25, .85) if rng.random() < .7 else np.array([.58, .34, .26]) * rng.uniform(.7, 1.2),
        side_wall=str(rng.choice(WALLS[:4])), side_base=muted(rng, .3, .85), far=far,
        left=-rng.uniform(7, 12) if rng.random() < .15 else None, right=rng.uniform(7, 12) if rng.random() < .15 else None,
        ceiling=None, wall_high=rng.uniform(5, 16),
        door=backdrop.Opening(at := rng.uniform(-4, 2), at + rng.uniform(1.6, 3), rng.uniform(2.2, 2.7)) if rng.random() < .35 else None,
        seed=int(rng.integers(1 << 31)))


def a_camera(rng: np.random.Generator, width: int, height: int) -> Camera:
    """A camera on a wall or a pole."""
    above = rng.uniform(2.4, 5.8)
    focal = width * rng.uniform(.65, 1.25)
    # Aimed so that people fill the picture at some distance.
    aim = rng.uniform(6, 15)
    return Camera(width, height, focal, above, float(np.arctan2(above - .9, aim)), roll=rng.normal(0, .012))


def a_high_camera(rng: np.random.Generator, width: int, height: int) -> Camera:
    """A camera that overlooks a street or a crowd."""
    above = rng.uniform(2.6, 7.5)
    aim = rng.uniform(8, 22)
    return Camera(width, height, width * rng.uniform(.6, 1.25), above, float(np.arctan2(above - .9, aim)), roll=rng.normal(0, .012))


def a_lens(rng: np.random.Generator) -> Lens:
    return Lens(exposure=rng.uniform(.78, 1.3), tint=1 + rng.normal(0, .035, 3), contrast=rng.uniform(.85, 1.25),
                vignette=rng.uniform(0, .35), noise=float(rng.choice([.002, .006, .012, .022])),
                blur=float(rng.choice([0, 0, .6, 1.0])), shutter=rng.uniform(.2, .9))


def ground_point(rng: np.random.Generator, camera: Camera, place: backdrop.Place, near: float, far: float,
                 margin: float = .4) -> tuple[float, float] | None:
    """A point on the ground within the picture, not in a wall."""
    for _ in range(20):
        # Even in the logarithm of distance: as many large people as small.
        y = float(np.exp(rng.uniform(np.log(near), np.log(far))))
        reach = y * camera.width / camera.focal / 2 * 1.08
        x = float(rng.uniform(-reach, reach))
        if place.left is not None and x < place.left + margin or place.right is not None and x > place.right - margin:
            continue
        return x, y
    return None


class World:
    """A scene with a cast of its own, that can be photographed many times."""

    def __init__(self, seed: int, width: int, height: int, kind: str = "people"):
        self.rng = rng = np.random.default_rng(seed)
        self.kind = kind
        self.street = kind == "street" or kind == "night" and rng.random() < .6
        self.place = a_street(rng) if self.street else a_place(rng)
        self.camera = (a_camera if kind == "people" else a_high_camera)(rng, width, height)
        light = a_light(rng, self.place.ceiling is not None)
        self.far = min(self.place.far - .5, self.camera.focal * 1.75 / (height * .065))
        # The nearest ground in the picture; people a little nearer are cut by its edge.
        steepest = self.camera.pitch + np.arctan2(height / 2, self.camera.focal)
        self.near = max(2.4, self.camera.above / np.tan(steepest))
        things = []
        for _ in range(rng.integers(2, 13) // (1 if kind == "people" else 2)):
            spot = ground_point(rng, self.camera, self.place, self.near * 1.15, max(self.far, self.near * 1.5))
            if spot:
                things.append(props.Prop(str(rng.choice(props.KINDS)), *spot, float(rng.uniform(-.6, .6)), int(rng.integers(1 << 31))))
        lens, night = a_lens(rng), None
        if kind == "night":
            night = Night.drawn(rng, self.place, self.camera)
            lens.noise = night.noise
            # A camera turns its gain up until it sees something.
            plan = Plan.of(self.place, self.camera)
            night.gain = float(np.clip(rng.uniform(.22, .5) / plan.darkness(night)[plan.flat].mean(), .8, 4.5))
            # By night no sun casts shadows.
            light.shadow, light.softness = .25, .03
            light.key, light.sky = light.key * .4, light.sky + light.key * .4
        self.scene = Scene(self.camera, light, self.place, things, lens, int(rng.integers(1 << 31)), night=night)
        self.road = float(rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])) if self.street else 0.0
        """The direction of the traffic."""

    def photograph(self) -> tuple[np.ndarray, list]:
        """One frame with a fresh crowd."""
        rng = self.rng
        movers = self._traffic() if self.street else []
        if self.kind == "crowd":
            count = int(rng.integers(20, 43))
        else:
            count = int(rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 10, 14], p=[.03, .05, .07, .10, .13, .14, .15, .15, .11, .07]))
            if self.street:
                count = count * 2 // 3
        together = .55 if self.kind == "crowd" else .35
        walkers: list[Walker] = []
        # Some crowds keep together, so that people hide one another.
        friend: Pose | None = None
        misses = 0
        while len(walkers) < count and misses < 60:
            heading = float(rng.uniform(0, 2 * np.pi))
            if friend is not None and rng.random() < together:
                x, y = friend.x + rng.normal(0, .55), friend.y + rng.normal(0, .7)
                heading = friend.heading if rng.random() < .7 else heading
            else:
                spot = ground_point(rng, self.camera, self.place, self.near * .9, self.far)
                if spot is None:
                    break
                x, y = spot
            door = self.place.door
            if door is not None and rng.random() < .08:
                x, y = rng.uniform(door.left + .3, door.right - .3), self.place.far + rng.uniform(.2, 2.5)
            if movers and any(m.covers(x, y, .45) for m in movers):
                misses += 1
                continue
            speed = float(rng.choice([0, 0, .8, 1.1, 1.3, 1.5, 1.8]))
            pose = Pose(float(x), float(y), heading, float(rng.uniform(0, 2 * np.pi)), speed)
            look = Look.drawn(rng, child=rng.random() < .12)
            step = (np.cos(heading) * speed / 25, np.sin(heading) * speed / 25)
            walkers.append(Walker(len(walkers) + 1, Person(look), pose, step))
            friend = pose
        for mover in movers:
            mover.number += len(walkers)
        for mover in movers:
            # Most cycles on the move have a rider; a few are pushed into a rack and stand alone.
            if mover.step != (0.0, 0.0) and mover.machine.kind in ("bicycle", "motorcycle", "scooter"):
                look, pose = rider(rng, mover)
                walkers.append(Walker(1000 + mover.number, Person(look), pose, mover.step))
        animals = []
        if rng.random() < .15:
            spot = ground_point(rng, self.camera, self.place, self.near, self.far)
            if spot:
                animals.append(Animal(*spot, float(rng.uniform(0, 6.28)), float(rng.uniform(0, 6.28)), int(rng.integers(1 << 31))))
        return self.scene.frame(walkers, animals, movers=movers)

    def _traffic(self) -> list[Mover]:
        """Vehicles and cycles, parked and moving, none inside another."""
        rng, movers = self.rng, []
        wanted = ["vehicle"] * int(rng.choice([0, 1, 2, 3, 4, 6, 8], p=[.08, .2, .24, .2, .14, .09, .05]))
        wanted += ["cycle"] * int(rng.choice([0, 1, 2, 3, 5], p=[.2, .3, .25, .15, .1]))
        along = self.road if rng.random() < .8 else float(rng.uniform(0, np.pi))
        before: Mover | None = None
        for what in wanted:
            vehicle = what == "vehicle"
            machine = Machine.vehicle(rng) if vehicle else Machine.cycle(rng)
            heading = along + (np.pi if rng.random() < .5 else 0.0) + float(rng.normal(0, .06))
            if rng.random() < .15:
                heading = float(rng.uniform(0, 2 * np.pi))
            moving = rng.random() < (.5 if vehicle else .62)
            for _ in range(8):
                if before is not None and rng.random() < .35 and before.kind == (1 if vehicle else 2):
                    # Beside the last one, as in a car park or at a rack.
                    gap = before.machine.wide / 2 + machine.wide / 2 + (rng.uniform(.5, 1.1) if vehicle else rng.uniform(.0, .5))
                    gap *= rng.choice([-1, 1])
                    x, y = before.x - np.sin(before.heading) * gap, before.y + np.cos(before.heading) * gap
                    heading = before.heading + (np.pi if rng.random() < .3 else 0.0)
                else:
                    near = max(self.near * 1.1, machine.long * .75 + 1.2) if vehicle else self.near
                    spot = ground_point(rng, self.camera, self.place, near, max(self.far, near * 1.6), machine.long / 2 if vehicle else .6)
                    if spot is None:
                        continue
                    x, y = spot
                if y > self.place.far - machine.long / 2 or any(m.meets(x, y, heading, machine) for m in movers) \
                        or any(Mover(0, machine, x, y, heading).covers(t.x, t.y, .5) for t in self.scene.things):
                    continue
                speed = float(rng.uniform(1.0, 9.0) if vehicle else rng.uniform(1.5, 6.0)) if moving else 0.0
                lamps = self.kind == "night" and (moving or rng.random() < .15)
                before = Mover(len(movers) + 1, machine, float(x), float(y), float(heading), float(rng.uniform(0, 2 * np.pi)),
                               (np.cos(heading) * speed / 25, np.sin(heading) * speed / 25), bool(lamps))
                movers.append(before)
                break
        return movers
