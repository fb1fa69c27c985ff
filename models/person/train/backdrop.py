"""What stands still: ground, walls, a doorway, the sky, and the light that falls on them.

A place is a box of planes. Every pixel's ray is cut with them, and the nearest plane's texture
is worked out in metres, so joints and tiles run in true perspective.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from canvas import Camera, Light

_NOISE_SIDE = 512


def noise_sheet(rng: np.random.Generator, octaves: int = 6) -> np.ndarray:
    """Seamless cloudy noise around 0 with unit deviation, one sheet for a whole place."""
    total = np.zeros((_NOISE_SIDE, _NOISE_SIDE), np.float32)
    for octave in range(octaves):
        cells = 4 << octave
        grid = np.pad(rng.standard_normal((cells, cells)).astype(np.float32), 2, mode="wrap")
        scale = _NOISE_SIDE // cells
        big = cv2.resize(grid, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        total += big[2 * scale:-2 * scale, 2 * scale:-2 * scale] * .62 ** octave
    return total / total.std()


class Surface:
    """Texture helpers for one plane: coordinates in metres and the size of a pixel on it."""

    def __init__(self, u: np.ndarray, v: np.ndarray, sheet: np.ndarray, dice: np.ndarray):
        self.u, self.v = u.astype(np.float32), v.astype(np.float32)
        # How many metres one pixel spans, to fade what is finer than that.
        self.du = np.abs(np.gradient(self.u, axis=1)) + np.abs(np.gradient(self.u, axis=0)) + 1e-4
        self.dv = np.abs(np.gradient(self.v, axis=0)) + np.abs(np.gradient(self.v, axis=1)) + 1e-4
        self.sheet, self.dice = sheet, dice

    def noise(self, metres: float, shift: float = 0.0) -> np.ndarray:
        """Cloudy noise whose largest blobs are about `metres` wide."""
        scale = _NOISE_SIDE / 4 / metres
        x = np.mod(self.u * scale + shift * 97, _NOISE_SIDE).astype(np.float32)
        y = np.mod(self.v * scale + shift * 57, _NOISE_SIDE).astype(np.float32)
        out = cv2.remap(self.sheet, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        fine = np.clip(metres / 6 / np.maximum(self.du, self.dv), 0, 1)
        return out * fine

    def joints(self, pitch_u: float, pitch_v: float, width: float, bond: float = 0.0):
        """How much of each pixel is joint, and a number 0..1 for each tile."""
        row = np.floor(self.v / pitch_v)
        u = self.u / pitch_u + bond * row
        column = np.floor(u)

        def lines(distance, footprint):
            return np.clip((width / 2 - distance) / footprint + .5, 0, 1) * np.clip(width / footprint * 1.6, 0, 1)

        du = np.abs(u - np.round(u)) * pitch_u
        dv = np.abs(self.v / pitch_v - np.round(self.v / pitch_v)) * pitch_v
        tile = self.dice[row.astype(int) & 63, column.astype(int) & 63]
        calm = np.clip(np.minimum(pitch_u / self.du, pitch_v / self.dv) / 3 - .3, 0, 1)
        return np.maximum(lines(du, self.du), lines(dv, self.dv)), .5 + (tile - .5) * calm


def ground_rgb(s: Surface, kind: str, base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The ground's colour before light."""
    other = base * rng.uniform(.72, .92)
    cloud, grain = s.noise(5.0), s.noise(.35, 1)
    tone = 1 + .05 * cloud + .035 * grain
    if kind in ("slabs", "tiles", "checker", "setts"):
        size = {"slabs": (.9, .6), "tiles": (.6, .6), "checker": (.5, .5), "setts": (.22, .11)}[kind]
        size = [v * rng.uniform(.85, 1.4) for v in size]
        bond = .5 if kind in ("slabs", "setts") else 0.0
        joint, tile = s.joints(*size, width=.012 if kind != "setts" else .015, bond=bond)
        rgb = base * (1 + .16 * (tile - .5))[..., None]
        if kind == "checker":
            odd = (np.floor(s.u / size[0]) + np.floor(s.v / size[1])) % 2
            calm = np.clip(size[1] / s.dv / 2 - .5, 0, 1)
            rgb = rgb + (other - base) * (.5 + (odd - .5) * calm)[..., None]
        rgb = rgb * (1 - .42 * joint)[..., None]
        if kind in ("slabs", "tiles") and rng.random() < .6:
            # A course of darker stone leads to the door, as architects like it.
            middle, half = rng.uniform(-1.5, 1.5), rng.uniform(.25, .9)
            band = np.clip((half - np.abs(s.u - middle)) / s.du + .5, 0, 1)
            rgb = rgb * (1 - .3 * band)[..., None]
        if kind in ("slabs", "tiles") and rng.random() < .5:
            every = rng.uniform(3, 6)
            across = np.clip((.2 - np.abs(np.mod(s.v, every) - every / 2)) / s.dv + .5, 0, 1)
            rgb = rgb * (1 - .22 * across)[..., None]
    elif kind == "terrazzo":
        joint, _ = s.joints(1.6, 1.6, .01)
        fleck = np.clip(s.noise(.12, 2) - 1.2, 0, 1)
        rgb = base * (1 - .25 * joint + .25 * fleck)[..., None]
    elif kind == "carpet":
        stripe = .5 + .5 * np.sin(s.u * 2 * np.pi / rng.uniform(.8, 2.5))
        rgb = base + (other - base) * (stripe > .6)[..., None]
    else:  # asphalt and cast concrete
        joint, _ = s.joints(4.0, 4.0, .02)
        tone = tone + .05 * s.noise(.15, 3)
        rgb = base * (1 - .3 * joint * (kind == "concrete"))[..., None]
        if kind in ("lanes", "bays"):
            # White paint: lanes with dashes, or parking bays off an aisle.
            pitch, turned = (3.4, rng.random() < .5) if kind == "lanes" else (2.6, rng.random() < .5)
            u, v = (s.v, s.u) if turned else (s.u, s.v)
            du = s.dv if turned else s.du
            line = np.clip((.06 - np.abs(u / pitch - np.round(u / pitch)) * pitch) / du + .5, 0, 1)
            line = line * np.clip(.12 / du * 1.6, 0, 1)
            along = np.mod(v, 6.0) < 3.0 if kind == "lanes" else np.mod(v, 11.0) < 5.0
            worn = np.clip(.8 + .25 * s.noise(.8, 9), .2, 1)
            rgb = rgb + (np.array([.85, .85, .82]) - rgb) * (line * along * worn)[..., None]
    stain = np.clip(s.noise(1.6, 4) - 1.1, 0, 1.2)
    return np.clip(rgb * (tone - .13 * stain)[..., None], 0, 1)


def wall_rgb(s: Surface, kind: str, base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A wall's colour before light; v is the height above the ground."""
    tone = 1 + .03 * s.noise(3.0, 5) + .02 * s.noise(.3, 6)
    # Rain and dirt: darker towards the ground.
    tone = tone - .16 * np.exp(-np.clip(s.v, 0, None) / .35)
    if kind == "brick":
        joint, tile = s.joints(.24, .085, .012, .5)
        rgb = base * (1 + .35 * (tile - .5))[..., None]
        rgb = rgb + (np.array([.68, .66, .62]) - rgb) * (.7 * joint)[..., None]
    elif kind == "panels":
        joint, tile = s.joints(rng.uniform(1.0, 1.8), rng.uniform(.7, 1.4), .022)
        rgb = base * (1 + .08 * (tile - .5) - .5 * joint)[..., None]
    elif kind == "boards":
        joint, tile = s.joints(.16, 40.0, .014)
        rgb = base * (1 + .22 * (tile - .5) - .45 * joint + .04 * s.noise(.2, 7))[..., None]
    elif kind == "glass":
        joint, tile = s.joints(1.3, 2.2, .07)
        sky = np.array([.60, .68, .76]) + np.array([-.36, -.36, -.34]) * np.clip(1.1 - s.v / 5, 0, 1)[..., None]
        sky = sky * (1 + .10 * s.noise(4.0, 8) + .12 * (tile - .5))[..., None]
        rgb = sky + (np.array([.20, .21, .23]) - sky) * joint[..., None]
    else:  # plaster, perhaps with a painted dado
        rgb = base * np.ones_like(s.u)[..., None]
        if rng.random() < .5:
            dado = np.clip((rng.uniform(.8, 1.3) - s.v) / s.dv + .5, 0, 1)
            rgb = rgb * (1 - (1 - rng.uniform(.45, .85, 3)) * dado[..., None])
    skirting = np.clip((.12 - s.v) / s.dv + .5, 0, 1)
    rgb = rgb * (1 - .35 * skirting)[..., None]
    return np.clip(rgb * tone[..., None], 0, 1)


@dataclass
class Opening:
    """A doorway in the far wall, from `left` to `right`, `high` metres up."""

    left: float
    right: float
    high: float


@dataclass
class Place:
    """The planes of a scene. Distances in metres; None is open country."""

    ground: str
    ground_base: np.ndarray
    wall: str
    wall_base: np.ndarray
    side_wall: str
    side_base: np.ndarray
    far: float
    left: float | None
    right: float | None
    ceiling: float | None
    wall_high: float
    door: Opening | None
    seed: int
    posters: bool = True


@dataclass
class Backdrop:
    """The painted place."""

    rgb: np.ndarray
    """float32 ``(height, width, 3)``, lit, before the camera's own faults."""
    lit: np.ndarray
    """How bright the ground is at each pixel, about 1; people standing there share it."""
    facade: np.ndarray | None
    """Coverage of the far wall, which hides whoever is behind it."""


def painted(place: Place, camera: Camera, light: Light) -> Backdrop:
    """Paints a place as a camera sees it."""
    rng = np.random.default_rng(place.seed)
    sheet, dice = noise_sheet(rng), rng.random((64, 64)).astype(np.float32)
    rays = camera.rays()
    rx, ry, rz = rays[..., 0], np.maximum(rays[..., 1], 1e-3), rays[..., 2]
    shape = rx.shape
    nearest = np.full(shape, 1e9)
    rgb = _sky(rays, light)
    lit = np.ones(shape, np.float32)
    bright = light.key + light.sky

    def paint(distance, where, colour):
        where = where & (distance > 0) & (distance < nearest)
        rgb[where] = colour[where]
        nearest[where] = distance[where]
        return where

    # The ground, with slow pools of light and the shade that walls throw on it.
    t = np.where(rz < -1e-4, camera.above / np.maximum(-rz, 1e-4), 1e9)
    t = np.minimum(t, 300)
    gx, gy = rx * t, ry * t
    soil = Surface(gx, gy, sheet, dice)
    lit = _ground_light(gx, gy, place, light, rng)
    near_wall = np.exp(-np.clip(place.far - gy, 0, 50) / .5) * .35
    for side in (place.left, place.right):
        if side is not None:
            near_wall = np.maximum(near_wall, np.exp(-np.abs(gx - side) / .5) * .3)
    ground = ground_rgb(soil, place.ground, place.ground_base, rng) * bright
    if place.ceiling is not None:
        # A polished floor mirrors the far wall a little.
        ground = ground + .10 * np.clip(gy / place.far, 0, 1)[..., None] ** 2 * light.sky
    ground = ground * (lit * (1 - near_wall))[..., None]
    paint(t, rz < -1e-4, ground)

    facade = None
    t = place.far / ry
    wx, wz = rx * t, camera.above + rz * t
    wall = Surface(wx, wz, sheet, dice)
    colour = wall_rgb(wall, place.wall, place.wall_base, rng)
    colour = _wall_things(colour, wall, place, rng)
    shade = .80 + .10 * np.clip(wz / 4, 0, 1) - .12 * np.exp(-np.clip(wz, 0, 9) / .6)
    colour = colour * shade[..., None] * (light.sky + .75 * light.key)
    if place.door is not None:
        inside, hole, frame = _interior(place, camera, rx, ry, rz, wall, sheet, dice, light)
        colour = colour * (1 - hole)[..., None] + inside * hole[..., None]
        colour = colour * (1 - frame)[..., None] + (np.array([.16, .17, .19]) * bright) * frame[..., None]
    seen = paint(t, (wz > 0) & (wz < place.wall_high), colour)
    if place.door is not None:
        facade = seen.astype(np.float32) * (1 - hole)

    for side, sign in ((place.left, -1), (place.right, 1)):
        if side is None:
            continue
        t = np.where(rx * sign > 1e-4, side / np.where(np.abs(rx) < 1e-4, 1e-4, rx), 1e9)
        sy, sz = ry * t, camera.above + rz * t
        flank = Surface(sy, sz, sheet, dice)
        tone = (.62 if sign * light.towards[0] > 0 else .95) + .08 * np.clip(sz / 4, 0, 1)
        tone = tone - .15 * np.exp(-np.clip(sz, 0, 9) / .6)
        colour = wall_rgb(flank, place.side_wall, place.side_base, rng) * tone[..., None]
        paint(t, (sz > 0) & (sz < place.wall_high) & (sy < place.far), colour * (light.sky + .6 * light.key))
    if place.ceiling is not None:
        t = np.where(rz > 1e-4, (place.ceiling - camera.above) / np.maximum(rz, 1e-4), 1e9)
        t = np.minimum(t, 300)
        panel = Surface(rx * t, ry * t, sheet, dice)
        joint, _ = panel.joints(.6, .6, .02)
        lamp = ((np.floor(panel.u / .6) % 4 == 1) & (np.floor(panel.v / .6) % 4 == 1))
        colour = np.array([.80, .80, .78]) * (1 - .25 * joint)[..., None] * .75 + lamp[..., None] * .6
        paint(t, rz > 1e-4, colour * bright)
    return Backdrop(np.ascontiguousarray(rgb, np.float32), lit.astype(np.float32), facade)


def _sky(rays: np.ndarray, light: Light) -> np.ndarray:
    height = np.clip(rays[..., 2:] / np.linalg.norm(rays, axis=-1, keepdims=True) * 2.5, 0, 1)
    low, high = np.array([.86, .89, .92]), np.array([.50, .64, .82])
    return (low + (high - low) * height) * (light.sky + light.key) * .9


def _ground_light(gx, gy, place: Place, light: Light, rng: np.random.Generator) -> np.ndarray:
    """Light on the ground: a slope, some pools, and perhaps the edge of a building's shade."""
    slope = rng.normal(0, .012, 2)
    lit = 1 + slope[0] * gx + slope[1] * (gy - place.far / 2)
    for _ in range(rng.integers(0, 4)):
        x, y, wide = rng.uniform(-6, 6), rng.uniform(3, place.far), rng.uniform(1.5, 4)
        lit = lit + rng.uniform(-.14, .16) * np.exp(-((gx - x) ** 2 + (gy - y) ** 2) / wide ** 2)
    if place.ceiling is None and rng.random() < .6:
        angle, offset, soft = rng.uniform(0, np.pi), rng.uniform(-7, 7), rng.uniform(.1, .5)
        edge = np.cos(angle) * gx + np.sin(angle) * (gy - place.far * .55) - offset
        lit = lit - light.shadow * .75 / (1 + np.exp(-np.clip(edge / soft, -30, 30)))
    return np.clip(lit, .45, 1.35)


def _wall_things(colour, wall: Surface, place: Place, rng: np.random.Generator) -> np.ndarray:
    """Windows, signs and posters on the far wall."""
    door = place.door

    def cover(left, right, low, high):
        across = np.clip((np.minimum(wall.u - left, right - wall.u)) / wall.du + .5, 0, 1)
        upward = np.clip((np.minimum(wall.v - low, high - wall.v)) / wall.dv + .5, 0, 1)
        return (across * upward)[..., None]

    x = -14.0 + rng.uniform(0, 2)
    windows = place.wall not in ("glass",) and rng.random() < .75
    sill, head, wide = rng.uniform(.3, 1.3), rng.uniform(2.2, 2.8), rng.uniform(1.0, 2.4)
    gap = rng.uniform(.8, 2.2)
    while x < 14:
        clear = door is None or x + wide < door.left - .6 or x > door.right + .6
        if clear and windows:
            # Each pane has a bright frame, a dark room behind it, and the sky's reflection.
            for low, high in ((sill, head), (sill + 3.4, head + 3.4)):
                colour = colour + (np.array([.74, .75, .76]) - colour) * cover(x - .06, x + wide + .06, low - .06, high + .06)
                pane = np.array([.20, .25, .30]) + np.array([.26, .27, .27]) * np.clip(
                    ((wall.v - low) / (high - low) + .35 * np.sin((wall.u - x) * 2.1 + x)), 0, 1)[..., None]
                colour = colour + (pane - colour) * cover(x, x + wide, low, high)
                colour = colour + (np.array([.66, .67, .68]) - colour) * cover(x + wide / 2 - .03, x + wide / 2 + .03, low, high)
        elif clear and place.posters and rng.random() < .45:
            # A poster with somebody's bust on it: no person, however much it looks like one.
            low, paper, ink = rng.uniform(.9, 1.2), rng.uniform(.3, .95, 3), rng.uniform(.05, .8, 3)
            colour = colour + (np.array([.15, .15, .16]) - colour) * cover(x, x + .9, low, low + 1.3)
            colour = colour + (paper - colour) * cover(x + .05, x + .85, low + .05, low + 1.25)
            head = np.hypot((wall.u - x - .45) / .13, (wall.v - low - .85) / .17)
            chest = np.hypot((wall.u - x - .45) / .30, (wall.v - low - .30) / .36)
            bust = np.clip(np.maximum(1 - head, 1 - chest) * 6, 0, 1)[..., None] * cover(x + .05, x + .85, low + .25, low + 1.25)
            colour = colour + (ink - colour) * bust
        x += wide + gap
    if door is not None:
        # A sign above the door, with a line of letters that nobody can read from here.
        low = door.high + .35
        middle, half = (door.left + door.right) / 2, max(1.3, (door.right - door.left) * .6)
        back, ink = rng.uniform(.08, .5, 3), np.array([.92, .92, .88])
        colour = colour + (back - colour) * cover(middle - half, middle + half, low, low + .62)
        at = middle - half + .25
        while at < middle + half - .35:
            wide = rng.uniform(.10, .22)
            stroke = (np.sin((wall.u - at) * 40) > -.4)[..., None]
            colour = colour + (ink - colour) * cover(at, at + wide, low + .18, low + .18 + rng.choice([.22, .30])) * stroke
            at += wide + rng.choice([.05, .05, .05, .2])
    return colour


def _interior(place: Place, camera: Camera, rx, ry, rz, wall: Surface, sheet, dice, light):
    """The room behind the doorway: its picture, the opening's coverage, and the door frame's."""
    door = place.door
    deep = place.far + 5.0
    t_floor = np.where(rz < -1e-4, camera.above / np.maximum(-rz, 1e-4), 1e9)
    t_back = deep / ry
    t = np.minimum(np.minimum(t_floor, t_back), 300)
    x, y, z = rx * t, ry * t, camera.above + rz * t
    room = Surface(x, np.where(t_floor < t_back, y, z), sheet, dice)
    joint, _ = room.joints(.8, .8, .015)
    floor = np.array([.46, .42, .36]) * (1 - .25 * joint)[..., None]
    back = np.array([.50, .45, .38]) * (.8 + .25 * np.exp(-((x + 1) ** 2) / 2))[..., None]
    desk = ((z < 1.1) & (np.abs(x - door.left + .3) < 1.0))[..., None]
    back = np.where(desk, np.array([.26, .18, .12]), back)
    dim = np.clip(1 - .10 * (y - place.far), .35, 1)[..., None] * .78
    inside = np.where((t_floor < t_back)[..., None], floor, back) * dim * (light.key + light.sky)
    across = np.clip(np.minimum(wall.u - door.left, door.right - wall.u) / wall.du + .5, 0, 1)
    hole = across * np.clip((door.high - wall.v) / wall.dv + .5, 0, 1) * np.clip(wall.v / wall.dv + .5, 0, 1)

    def frame_of(pad):
        a = np.clip(np.minimum(wall.u - door.left + pad, door.right + pad - wall.u) / wall.du + .5, 0, 1)
        return a * np.clip((door.high + pad - wall.v) / wall.dv + .5, 0, 1)

    frame = np.clip(frame_of(.10) - hole, 0, 1)
    frame = np.maximum(frame, frame_of(.16) * np.clip((.06 - np.abs(wall.v - door.high - .08)) / wall.dv + .5, 0, 1))
    return inside, hole, frame
