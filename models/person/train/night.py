"""Places after dark: lamps, headlights, and cameras that bring their own invisible light.

A night is painted by day first. Then every surface keeps only as much light as reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from backdrop import Place
from canvas import Camera


@dataclass
class Night:
    """What light is left."""

    infrared: bool
    """The camera sees by its own lamps, in grey."""
    ambient: float
    """How much of daylight there is anyway."""
    reach: float
    """How many metres the camera's lamps reach; infrared only."""
    lamps: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Street lamps: x, y, strength and metres they reach."""
    tint: np.ndarray = field(default_factory=lambda: np.ones(3))
    gain: float = 1.0
    """What the camera makes of the light that is there."""
    noise: float = .03
    bloom: float = 1.0

    @staticmethod
    def drawn(rng: np.random.Generator, place: Place, camera: Camera, infrared: bool | None = None) -> "Night":
        infrared = rng.random() < .35 if infrared is None else infrared
        lamps = []
        if not infrared or rng.random() < .3:
            for _ in range(rng.integers(1, 5)):
                y = float(rng.uniform(4, min(place.far, 32)))
                half = y * camera.width / camera.focal / 2 * 1.2
                lamps.append((float(rng.uniform(-half, half)), y, float(rng.uniform(.25, .8)), float(rng.uniform(3.5, 9))))
        warm = rng.uniform(-.12, .32)
        return Night(infrared, float(rng.uniform(.03, .12) if infrared else rng.uniform(.07, .24)), float(rng.uniform(9, 22)), lamps,
                     np.array([1 + warm, 1.0, 1 - warm * .9]), 1.0, float(rng.choice([.012, .02, .03, .045])),
                     float(rng.uniform(.5, 1.5)))

    def strength(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The share of daylight that falls on a place of the ground plan."""
        total = np.full(np.shape(x), self.ambient, np.float32)
        for lx, ly, strong, reach in self.lamps:
            total = total + strong / (1 + ((x - lx) ** 2 + (y - ly) ** 2) / reach ** 2) ** 1.5
        if self.infrared:
            total = total + 1.1 / (1 + (np.asarray(x) ** 2 + np.asarray(y) ** 2) / self.reach ** 2) ** 1.4
        return np.minimum(total, 1.25)

    def seen(self, picture: np.ndarray) -> np.ndarray:
        """Colours as this camera sees them."""
        if not self.infrared:
            return picture * (self.tint * self.gain).astype(np.float32)
        # Cloth and leaves are brighter in infrared than they look.
        grey = picture @ np.array([.65, .30, .20], np.float32) * 1.05 * self.gain
        return np.repeat(grey[..., None], 3, 2)


@dataclass
class Plan:
    """Where on the ground plan each pixel's surface stands; the sky is nowhere."""

    x: np.ndarray
    y: np.ndarray
    sky: np.ndarray
    flat: np.ndarray
    """Whether it is ground."""

    @staticmethod
    def of(place: Place, camera: Camera) -> "Plan":
        rays = camera.rays()
        rx, ry, rz = rays[..., 0], np.maximum(rays[..., 1], 1e-3), rays[..., 2]
        ground = np.where(rz < -1e-4, camera.above / np.maximum(-rz, 1e-4), 1e9)
        t = np.minimum(ground, place.far / ry)
        flat = ground <= t
        for side in (place.left, place.right):
            if side is not None:
                wall = np.where(rx * side > 1e-6, side / np.where(np.abs(rx) < 1e-6, 1e-6, rx), 1e9)
                flat &= wall > t
                t = np.minimum(t, wall)
        t = np.minimum(t, 300)
        sky = (camera.above + rz * t > place.wall_high) if place.ceiling is None else np.zeros(t.shape, bool)
        return Plan(*(v.astype(np.float32) for v in (rx * t, ry * t)), sky, flat)

    def darkness(self, night: Night) -> np.ndarray:
        """The share of daylight at each pixel."""
        share = night.strength(self.x, self.y)
        return np.where(self.sky, night.ambient * .35, share).astype(np.float32)

    def beam(self, start: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """Light of a pair of headlights on the ground."""
        dx, dy = self.x - start[0], self.y - start[1]
        along, across = dx * ahead[0] + dy * ahead[1], dx * ahead[1] - dy * ahead[0]
        cone = np.exp(-(across / (.9 + .22 * np.clip(along, 0, 40))) ** 2) * np.clip(along / 1.5, 0, 1) / (1 + (np.clip(along, 0, 60) / 9) ** 2)
        return (cone * self.flat * (along > 0)).astype(np.float32)


def glow(picture: np.ndarray, spots: list[tuple[np.ndarray, float, np.ndarray]]) -> np.ndarray:
    """Adds the glare of lamps, each at a pixel, with a radius in pixels and a colour."""
    if not spots:
        return picture
    height, width = picture.shape[:2]
    light = np.zeros((height, width, 3), np.float32)
    for (x, y), radius, rgb in spots:
        if not (-width < x < 2 * width and -height < y < 2 * height):
            continue
        size = int(np.clip(radius * 5, 4, width))
        x0, x1, y0, y1 = max(0, int(x) - size), min(width, int(x) + size + 1), max(0, int(y) - size), min(height, int(y) + size + 1)
        if x0 >= x1 or y0 >= y1:
            continue
        away = ((np.arange(x0, x1) - x) ** 2)[None, :] + ((np.arange(y0, y1) - y) ** 2)[:, None]
        fall = np.exp(-away / (radius ** 2)) * 1.6 + .16 / (1 + away / (radius * 1.6) ** 2) * np.clip(1 - away / size ** 2, 0, 1)
        light[y0:y1, x0:x1] += fall[..., None].astype(np.float32) * rgb.astype(np.float32)
    return picture + light
