"""The projection from metres to pixels, and shaded, antialiased shapes to draw with.

World axes: x right, y away from the camera, z up, in metres; the camera stands above the
origin. View axes, used for normals and light: x right, y down, z towards the viewer.
Colours are RGB floats, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import cv2
import numpy as np

Albedo = np.ndarray | Callable[..., np.ndarray]


@dataclass
class Camera:
    """A pinhole camera that looks along +y and down."""

    width: int
    height: int
    focal: float
    """Focal length in pixels."""
    above: float
    """Metres above the ground."""
    pitch: float
    """Radians below the horizon."""
    roll: float = 0.0
    axes: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        cp, sp = np.cos(self.pitch), np.sin(self.pitch)
        right, down, ahead = np.array([[1, 0, 0], [0, -sp, -cp], [0, cp, -sp]], dtype=float)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        self.axes = np.stack([cr * right + sr * down, -sr * right + cr * down, ahead])

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels ``(..., 2)`` and depths in metres ``(...)`` of world points ``(..., 3)``."""
        seen = (np.asarray(points, float) - (0.0, 0.0, self.above)) @ self.axes.T
        depth = np.maximum(seen[..., 2], 0.05)
        pixels = seen[..., :2] * (self.focal / depth)[..., None]
        return pixels + (self.width / 2, self.height / 2), depth

    def to_view(self, direction: np.ndarray) -> np.ndarray:
        """A world direction in view axes."""
        return (self.axes @ np.asarray(direction, float)) * (1, 1, -1)

    def rays(self) -> np.ndarray:
        """World direction through every pixel centre, ``(height, width, 3)``, unit depth."""
        xs = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        ys = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        grid = np.stack(np.broadcast_arrays(xs[None, :], ys[:, None], 1.0), -1)
        return grid @ self.axes

    def resized(self, factor: float) -> "Camera":
        """The same view with `factor` times as many pixels a side."""
        return Camera(round(self.width * factor), round(self.height * factor),
                      self.focal * factor, self.above, self.pitch, self.roll)


@dataclass
class Light:
    """One key light and a sky."""

    towards: np.ndarray
    """Unit world vector from a surface to the light."""
    key: np.ndarray
    """RGB strength of the key light."""
    sky: np.ndarray
    """RGB strength of the light from everywhere."""
    shadow: float
    """How much a cast shadow takes away, 0..1."""
    softness: float
    """Blur of cast shadows, as a fraction of the frame's height."""


class Layer:
    """A patch of picture with coverage, drawn back to front, laid over a frame later."""

    def __init__(self, camera: Camera, light: Light, box: tuple[float, float, float, float]):
        self.left, self.top = int(np.floor(box[0])), int(np.floor(box[1]))
        width = max(1, int(np.ceil(box[2])) - self.left)
        height = max(1, int(np.ceil(box[3])) - self.top)
        self.rgb = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)
        self.body = np.zeros((height, width), np.float32)
        """Coverage of what counts as the person; bags and cases do not."""
        self.light = light
        self.towards = camera.to_view(light.towards).astype(np.float32)
        self.up = camera.to_view((0, 0, 1)).astype(np.float32)

    def _window(self, points: np.ndarray, reach: float):
        """Slices around image points, with pixel coordinates relative to the first point."""
        height, width = self.alpha.shape
        low = points.min(0) - reach - 1 - (self.left, self.top)
        high = points.max(0) + reach + 2 - (self.left, self.top)
        x0, y0 = (int(max(0, np.floor(v))) for v in low)
        x1, y1 = min(width, int(np.ceil(high[0]))), min(height, int(np.ceil(high[1])))
        if x0 >= x1 or y0 >= y1:
            return None
        xs = (np.arange(x0, x1, dtype=np.float32) + (0.5 + self.left - points[0, 0]))[None, :]
        ys = (np.arange(y0, y1, dtype=np.float32) + (0.5 + self.top - points[0, 1]))[:, None]
        return (slice(y0, y1), slice(x0, x1)), xs, ys

    def _lay(self, where, cover: np.ndarray, rgb: np.ndarray, body: bool) -> None:
        rest = 1 - cover
        self.rgb[where] = self.rgb[where] * rest[..., None] + rgb * cover[..., None]
        self.alpha[where] = self.alpha[where] * rest + cover
        if body:
            self.body[where] = np.maximum(self.body[where], cover)
        else:
            self.body[where] *= rest

    def _lit(self, albedo: np.ndarray, nx, ny, nz) -> np.ndarray:
        """Lambert's law under the key light, with more sky from above."""
        facing = nx * self.towards[0] + ny * self.towards[1] + nz * self.towards[2]
        above = nx * self.up[0] + ny * self.up[1] + nz * self.up[2]
        # Wrapped diffuse: cloth and skin scatter, so the terminator is soft.
        key = np.clip(facing * 0.75 + 0.25, 0, None)[..., None] * self.light.key.astype(np.float32)
        sky = (0.72 + 0.28 * above)[..., None] * self.light.sky.astype(np.float32)
        return albedo * (key + sky)

    def limb(self, a, b, ra: float, rb: float, albedo: Albedo, body: bool = True) -> None:
        """A tapered capsule between two image points, shaded as a round solid."""
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        ra, rb = max(ra, 0.35), max(rb, 0.35)
        window = self._window(np.stack([a, b]), max(ra, rb))
        if window is None:
            return
        where, xs, ys = window
        dx, dy = b - a
        along = np.clip((xs * dx + ys * dy) / max(dx * dx + dy * dy, 1e-4), 0, 1)
        radius = ra + (rb - ra) * along
        nx, ny = (xs - along * dx) / radius, (ys - along * dy) / radius
        square = nx * nx + ny * ny
        cover = np.clip((1 - np.sqrt(square)) * radius + 0.5, 0, 1)
        nz = np.sqrt(np.clip(1 - square, 0.02, 1))
        if callable(albedo):
            albedo = albedo(along, nx, ny, nz)
        self._lay(where, cover, self._lit(albedo, nx, ny, nz), body)

    def tube(self, a, b, profile: list[float], albedo: Albedo, body: bool = True,
             bow: float = 0.0) -> None:
        """A turned solid about an axis: `profile` holds its radii in pixels from `a` to `b`.

        `albedo` may be a function of (across -1..1, along 0..1, nx, ny, nz). `bow` bends flat
        ends, in pixels, the way a hem seen from above curves.
        """
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        window = self._window(np.stack([a, b]), max(profile) + abs(bow) + 1)
        if window is None:
            return
        where, xs, ys = window
        length = max(float(np.hypot(*(b - a))), 1.0)
        dx, dy = (b - a) / length
        across = xs * -dy + ys * dx
        along = xs * dx + ys * dy
        stops = np.linspace(0, 1, len(profile))
        radius = np.interp(np.clip(along / length, 0, 1), stops, profile).astype(np.float32)
        side = np.clip(across / np.maximum(radius, 0.5), -1, 1)
        nz = np.sqrt(np.clip(1 - side * side, 0.02, 1))
        end = length + bow * (nz - 1)
        cover = (np.clip(radius - np.abs(across) + 0.5, 0, 1)
                 * np.clip(along + 0.5, 0, 1) * np.clip(end - along + 0.5, 0, 1))
        nx, ny = side * -dy, side * dx
        if callable(albedo):
            albedo = albedo(side, np.clip(along / length, 0, 1), nx, ny, nz)
        self._lay(where, cover, self._lit(albedo, nx, ny, nz), body)

    def polygon(self, points: np.ndarray, rgb: np.ndarray, body: bool = False) -> None:
        """A flat, already lit face."""
        points = np.asarray(points, np.float32)
        window = self._window(points, 1)
        if window is None:
            return
        where = window[0]
        shape = (where[0].stop - where[0].start, where[1].stop - where[1].start)
        mask = np.zeros(shape, np.uint8)
        origin = (self.left + where[1].start + 0.5, self.top + where[0].start + 0.5)
        fixed = np.round((points - origin) * 16).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
        rgb = np.asarray(rgb, np.float32)
        if rgb.ndim == 3:
            rgb = rgb[where]
        self._lay(where, mask.astype(np.float32) / 255, rgb, body)

    def flat_light(self, normal_view: np.ndarray) -> np.ndarray:
        """RGB strength of the light on a flat face."""
        one = np.ones((1, 1, 3), np.float32)
        n = [np.full((1, 1), v, np.float32) for v in normal_view]
        return self._lit(one, *n)[0, 0]

    def blurred(self, dx: float, dy: float) -> None:
        """Smears the patch along a movement in pixels, as an open shutter does."""
        length = float(np.hypot(dx, dy))
        if length < 1.0:
            return
        size = int(np.ceil(length)) | 1
        kernel = np.zeros((size + 2, size + 2), np.uint8)
        middle = np.array([kernel.shape[1] / 2, kernel.shape[0] / 2])
        step = np.array([dx, dy]) / 2
        ends = np.round((np.stack([middle - step, middle + step]) - 0.5) * 16).astype(int)
        cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 255, 1, cv2.LINE_AA, 4)
        kernel = kernel.astype(np.float32) / max(int(kernel.sum()), 1)
        soft = cv2.filter2D(np.dstack([self.rgb, self.alpha]), -1, kernel)
        self.rgb, self.alpha = np.ascontiguousarray(soft[..., :3]), np.ascontiguousarray(soft[..., 3])

    def over(self, frame: np.ndarray, owners: np.ndarray | None = None, owner: int = 0) -> None:
        """Lays the patch over a frame; `owners` notes whose pixel each one now is."""
        height, width = frame.shape[:2]
        x0, y0 = max(0, self.left), max(0, self.top)
        x1 = min(width, self.left + self.alpha.shape[1])
        y1 = min(height, self.top + self.alpha.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        mine = (slice(y0 - self.top, y1 - self.top), slice(x0 - self.left, x1 - self.left))
        theirs = (slice(y0, y1), slice(x0, x1))
        # The patch's colours are premultiplied by its coverage.
        frame[theirs] = frame[theirs] * (1 - self.alpha[mine])[..., None] + self.rgb[mine]
        if owners is not None:
            owners[theirs][self.alpha[mine] > 0.5] = owner
            if owner:
                # What a person carries hides others, but is not the person.
                bag = (self.alpha[mine] > 0.5) & (self.body[mine] <= 0.5)
                owners[theirs][bag] = 0
