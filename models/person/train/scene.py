"""One camera's view: a painted place, things, people, their shadows, and the camera's own faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cmp_to_key

import cv2
import numpy as np

import backdrop
import props
from canvas import Camera, Layer, Light
from night import Night, Plan, glow
from people import Person, Pose, shadow_shapes
from vehicles import VEHICLE, Mover


@dataclass
class Lens:
    """What the camera does to a picture."""

    exposure: float = 1.0
    drift: float = 0.0
    """How far the exposure wanders, as a fraction."""
    tint: np.ndarray = field(default_factory=lambda: np.ones(3))
    contrast: float = 1.0
    vignette: float = .15
    noise: float = .008
    blur: float = 0.0
    shutter: float = .5
    """Fraction of the frame time the shutter is open."""


@dataclass
class Seen:
    """The truth about one person, vehicle or cycle in one frame. Pixels; the box is whole, then cut by the frame."""

    person: int
    """Its number in the scene, whatever it is."""
    left: float
    top: float
    width: float
    height: float
    visible: float
    kind: int = 0
    """0 a person, 1 a vehicle, 2 a bicycle or the like: the order of the labels."""
    bright: float = 1.0
    """How bright it stands in the picture, against daylight."""


@dataclass
class Walker:
    """A person at an instant, with the movement since the last frame in metres."""

    person: int
    body: Person
    pose: Pose
    step: tuple[float, float] = (0.0, 0.0)


@dataclass
class Animal:
    """A dog at an instant."""

    x: float
    y: float
    heading: float
    phase: float
    seed: int


@dataclass
class Drawn:
    """A patch ready to be laid over the picture, and where it stands."""

    depth: float
    layer: Layer
    number: int
    """Whose it is; 0 for what no label asks for."""
    x: float
    y: float
    hull: Mover | None = None
    """The vehicle, if it is one."""


class Scene:
    """A camera over a place. Paints what stands still once, then draws frames."""

    def __init__(self, camera: Camera, light: Light, place: backdrop.Place, things: list[props.Prop],
                 lens: Lens, seed: int, supersample: int = 1, night: Night | None = None):
        self.camera, self.light, self.place, self.lens, self.night = camera, light, place, lens, night
        self.plan = None if night is None else Plan.of(place, camera)
        large = backdrop.painted(place, camera.resized(supersample) if supersample > 1 else camera, light)
        shrink = (camera.width, camera.height)
        self.rgb, self.lit, self.facade = (
            None if v is None else cv2.resize(np.ascontiguousarray(v, np.float32), shrink, interpolation=cv2.INTER_AREA)
            for v in (large.rgb, large.lit, large.facade))
        self.things: list[Drawn] = []
        still = []
        for thing in things:
            layer, shadow = props.built(thing, camera, light)
            depth = float(camera.project(np.array([thing.x, thing.y, 0.0]))[1])
            self._dim(layer, thing.x, thing.y)
            self.things.append(Drawn(depth, layer, 0, thing.x, thing.y))
            still += shadow
        self.rgb *= (1 - self._shadow(still, 1.0))[..., None]
        self.by_day = self.rgb
        if night is not None:
            self.rgb = self.by_day * self.plan.darkness(night)[..., None]
        ys, xs = np.mgrid[0:camera.height, 0:camera.width].astype(np.float32)
        far = ((xs / camera.width - .5) ** 2 + (ys / camera.height - .5) ** 2) * 2
        self.corner = (1 - lens.vignette * far ** 1.3)[..., None].astype(np.float32)
        self.rng = np.random.default_rng(seed)
        self.grain = self.rng.standard_normal((camera.height + 64, camera.width + 64, 3)).astype(np.float32)
        self.grain = self.grain * .5 + cv2.GaussianBlur(self.grain, (0, 0), .8) * 1.2

    def _dim(self, layer: Layer, x: float, y: float) -> None:
        """Whoever stands in the shade is in the shade too."""
        (px, py), _ = self.camera.project(np.array([x, y, 0.0]))
        row = int(np.clip(py, 0, self.camera.height - 1))
        column = int(np.clip(px, 0, self.camera.width - 1))
        tone = float(self.lit[row, column])
        if self.place.door is not None and y > self.place.far:
            tone = .62 - .04 * (y - self.place.far)
        share = .25 + .75 * tone
        if self.night is not None:
            share *= float(self.night.strength(x, y)) * .92 + .02
        layer.rgb *= np.float32(share)

    def _shadow(self, shapes: props.Shadow, strength: float) -> np.ndarray:
        """How much light the ground loses to some thick lines, per pixel."""
        camera, light = self.camera, self.light
        half = (camera.width // 2 + 1, camera.height // 2 + 1)
        cast, touch = np.zeros(half[::-1], np.uint8), np.zeros(half[::-1], np.uint8)
        slope = light.towards[:2] / max(light.towards[2], .25)
        for a, b, r in shapes:
            ground = np.array([[*(p[:2] - slope * max(p[2], 0)), 0.0] for p in (a, b)])
            pixels, depth = camera.project(ground)
            if depth.min() < .6:
                continue
            wide = max(1, int(round(2 * r * camera.focal / depth.mean() / 2)))
            ends = np.clip(np.round(pixels * 8), -30000, 30000).astype(int)
            cv2.line(cast, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 255, wide, cv2.LINE_AA, 4)
            low = a if a[2] < b[2] else b
            if low[2] < .35:
                spot, d = camera.project(np.array([low[0], low[1], 0.0]))
                size = max(2, int(1.25 * max(r, .07) * camera.focal / float(d) * 8))
                centre = tuple(map(int, np.clip(np.round(spot * 8), -30000, 30000)))
                cv2.ellipse(touch, centre, (size, max(1, int(size * .45))), 0, 0, 360, 255, -1, cv2.LINE_AA, 4)
        blur = max(.6, light.softness * half[1])
        cast_f = cv2.GaussianBlur(cast, (0, 0), blur).astype(np.float32) * (light.shadow / 255)
        touch_f = cv2.GaussianBlur(touch, (0, 0), max(.8, .006 * half[1])).astype(np.float32) * (.38 / 255)
        lost = 1 - (1 - cast_f) * (1 - touch_f)
        return cv2.resize(lost * strength, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[:camera.height, :camera.width]

    def frame(self, walkers: list[Walker], animals: list[Animal] = (), time_s: float = 0.0,
              movers: list[Mover] = ()) -> tuple[np.ndarray, list[Seen]]:
        """The picture as uint8 RGB, and who is in it."""
        camera, light = self.camera, self.light
        picture = self.rgb.copy()
        owners = np.zeros((camera.height, camera.width), np.int16)
        shapes: props.Shadow = []
        drawn = list(self.things)
        whole: dict[int, tuple[Layer, float, int]] = {}
        for mover in movers:
            layer = mover.layer(camera, light)
            if layer is None:
                continue
            foot, depth = camera.project(np.array([mover.x, mover.y, 0.0]))
            self._dim(layer, mover.x, mover.y)
            whole[mover.number] = (layer, float((layer.body > .5).sum()), mover.kind)
            before, _ = camera.project(np.array([mover.x - mover.step[0], mover.y - mover.step[1], 0.0]))
            layer.blurred(*((foot - before) * self.lens.shutter))
            drawn.append(Drawn(float(depth), layer, mover.number, mover.x, mover.y, mover if mover.kind == VEHICLE else None))
            shapes += mover.shadow()
        if self.night is not None:
            for mover in movers:
                if mover.lamps and mover.kind == VEHICLE:
                    picture += self.by_day * (self.plan.beam(*mover.beams()) * .9)[..., None]
        for walker in walkers:
            pose = walker.pose
            foot, depth = camera.project(np.array([pose.x, pose.y, 0.0]))
            if depth < 1.2:
                continue
            layer = walker.body.layer(camera, light, pose)
            self._dim(layer, pose.x, pose.y)
            whole[walker.person] = (layer, float((layer.body > .5).sum()), 0)
            before, _ = camera.project(np.array([pose.x - walker.step[0], pose.y - walker.step[1], 0.0]))
            layer.blurred(*((foot - before) * self.lens.shutter))
            drawn.append(Drawn(float(depth), layer, walker.person, pose.x, pose.y))
            if self.place.door is None or pose.y < self.place.far:
                shapes += shadow_shapes(walker.body.look, pose)
        for animal in animals:
            layer, shadow = props.dog(camera, light, animal.x, animal.y, animal.heading, animal.phase, animal.seed)
            depth = float(camera.project(np.array([animal.x, animal.y, 0.0]))[1])
            drawn.append(Drawn(depth, layer, 0, animal.x, animal.y))
            shapes += shadow
        if shapes:
            picture *= (1 - self._shadow(shapes, 1.0))[..., None]
        wall_depth = float(camera.project(np.array([0.0, self.place.far, 0.0]))[1])
        walled = self.facade is None
        for item in self._far_to_near(drawn):
            if not walled and item.depth < wall_depth:
                self._wall_off(picture, owners)
                walled = True
            item.layer.over(picture, owners, item.number)
        if not walled:
            self._wall_off(picture, owners)
        if self.night is not None:
            picture = glow(picture, self._lamps(movers, owners))
        seen = self._truth(whole, owners)
        if self.night is not None:
            places = {item.number: (item.x, item.y) for item in drawn if item.number}
            for s in seen:
                s.bright = float(self.night.strength(*places[s.person]) * self.night.gain * self.lens.exposure)
        return self._developed(picture, time_s), seen

    @staticmethod
    def _far_to_near(drawn: list[Drawn]) -> list[Drawn]:
        """The order to draw in. A vehicle is too long to be sorted by its middle against what stands beside it."""
        def order(a: Drawn, b: Drawn) -> float:
            if (a.hull is None) == (b.hull is None):
                return b.depth - a.depth
            if a.hull is None:
                return -1 if b.hull.hides(a.x, a.y) else 1
            return 1 if a.hull.hides(b.x, b.y) else -1

        drawn = sorted(drawn, key=lambda item: -item.depth)
        return sorted(drawn, key=cmp_to_key(order)) if any(item.hull for item in drawn) else drawn

    def _lamps(self, movers: list[Mover], owners: np.ndarray) -> list[tuple[np.ndarray, float, np.ndarray]]:
        """Lamps that glare into the camera: pixel, radius, colour."""
        camera, night, spots = self.camera, self.night, []
        for mover in movers:
            if not mover.lamps:
                continue
            ahead = np.array([np.cos(mover.heading), np.sin(mover.heading)])
            facing = float(-np.array([mover.x, mover.y]) @ ahead / max(1.0, np.hypot(mover.x, mover.y)))
            for point, rgb, front in mover.lamp_points():
                towards = facing if front else -facing
                if towards < .1:
                    continue
                pixel, depth = camera.project(point)
                column, row = int(np.clip(pixel[0], 0, camera.width - 1)), int(np.clip(pixel[1], 0, camera.height - 1))
                if depth > 1 and owners[row, column] in (0, mover.number):
                    size = (.16 if front else .10) * camera.focal / float(depth) * (.6 + towards) * night.bloom
                    spots.append((pixel, max(size, 1.2), rgb * (towards * (1.2 if front else .6))))
        for x, y, strong, _ in night.lamps:
            pixel, depth = camera.project(np.array([x, y, 4.2]))
            if depth > 2 and y < self.place.far:
                spots.append((pixel, max(.22 * camera.focal / float(depth), 1.2), np.array([1.0, .92, .75]) * (.6 + strong)))
        return spots

    def _wall_off(self, picture: np.ndarray, owners: np.ndarray) -> None:
        """Puts the far wall back in front of whoever is inside."""
        if not owners.any():
            return
        cover = self.facade[..., None]
        picture *= 1 - cover
        picture += self.rgb * cover
        owners[self.facade > .5] = 0

    def _truth(self, whole: dict[int, tuple[Layer, float, int]], owners: np.ndarray) -> list[Seen]:
        seen = []
        for person, (layer, area, kind) in whole.items():
            if area < 4:
                continue
            body = layer.body > .5
            columns, rows = np.flatnonzero(body.any(0)), np.flatnonzero(body.any(1))
            left, right = layer.left + columns[0], layer.left + columns[-1] + 1
            top, bottom = layer.top + rows[0], layer.top + rows[-1] + 1
            left, right = max(0, left), min(self.camera.width, right)
            top, bottom = max(0, top), min(self.camera.height, bottom)
            if right - left < 2 or bottom - top < 2:
                continue
            # Motion blur spreads a patch's edge a little; a share cannot exceed one.
            if kind == VEHICLE:
                # What the frame cuts off a vehicle does not hide it, if enough of it is left to know it by.
                inside = float(body[top - layer.top:bottom - layer.top, left - layer.left:right - layer.left].sum())
                area = inside if inside > .25 * area else area
            share = min(1.0, float((owners[top:bottom, left:right] == person).sum()) / area)
            if share > .02:
                seen.append(Seen(person, left, top, right - left, bottom - top, share, kind))
        return seen

    def _developed(self, picture: np.ndarray, time_s: float) -> np.ndarray:
        """Exposure, tint, vignette, tone curve, softness and grain."""
        lens = self.lens
        if self.night is not None:
            picture = self.night.seen(picture)
        wander = 1 + lens.drift * np.sin(time_s * .7) + .4 * lens.drift * np.sin(time_s * 1.9 + 1)
        picture = picture * (self.corner * (lens.exposure * wander * lens.tint).astype(np.float32))
        # A soft shoulder keeps bright walls from clipping.
        picture = np.clip(picture, 0, None)
        picture = np.where(picture > .75, .75 + (1 - np.exp(-(picture - .75) * 2.6)) / 2.6, picture)
        if lens.contrast != 1.0:
            picture = .45 * np.power(picture / .45 + 1e-4, lens.contrast)
        if lens.blur > .2:
            picture = cv2.GaussianBlur(picture, (0, 0), lens.blur)
        if lens.noise > 0:
            # Grain is sampled from one sheet at a random offset: cheap, and new every frame.
            dy, dx = self.rng.integers(0, 64, 2)
            grain = self.grain[dy:dy + picture.shape[0], dx:dx + picture.shape[1]]
            if self.night is not None and self.night.infrared:
                grain = grain[..., :1]
            picture = picture + lens.noise * grain
        return (np.clip(picture, 0, 1) * 255 + .5).astype(np.uint8)
