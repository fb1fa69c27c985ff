"""Solids with flat faces and round bars, turned and set on the ground: what vehicles are made of."""

from __future__ import annotations

import numpy as np

from canvas import Camera, Layer, Light

GLASS = np.array([.13, .15, .17])


class Solid:
    """Draws in the metres of a thing: x ahead, y to its left, z up."""

    def __init__(self, camera: Camera, light: Light, x: float, y: float, heading: float, reach: tuple[float, float, float]):
        self.camera, self.x, self.y = camera, x, y
        self.cos, self.sin = np.cos(heading), np.sin(heading)
        long, wide, high = reach
        corners = [(sx * long, sy * wide, z) for sx in (-1, 1) for sy in (-1, 1) for z in (0, high)]
        pixels, depth = self.pixels(corners)
        self.near = float(depth.min())
        low = np.maximum(pixels.min(0) - 4, -300)
        high_px = np.minimum(pixels.max(0) + 4, (camera.width + 300, camera.height + 300))
        self.layer = Layer(camera, light, (*low, *np.maximum(high_px, low + 1)))
        eye = np.array([-x, -y, camera.above])
        self.eye = np.array([self.cos * eye[0] + self.sin * eye[1], -self.sin * eye[0] + self.cos * eye[1], eye[2]])
        """Where the camera is, in the thing's metres."""

    def world(self, points) -> np.ndarray:
        """World metres of the thing's own."""
        x, y, z = np.asarray(points, float).T
        return np.stack([self.x + self.cos * x - self.sin * y, self.y + self.sin * x + self.cos * y, z], -1)

    def pixels(self, points) -> tuple[np.ndarray, np.ndarray]:
        return self.camera.project(self.world(points))

    def face(self, points, rgb: np.ndarray, lit: bool = True, sheen: float = 0.0) -> bool:
        """A flat face, its corners anticlockwise seen from outside; answers whether the camera sees it.

        `sheen` mirrors that much of the sky in faces that look up.
        """
        points = np.asarray(points, float)
        middle = points.mean(0)
        normal = np.cross(points - middle, np.roll(points, -1, 0) - middle).sum(0)
        normal /= np.linalg.norm(normal) + 1e-9
        if normal @ (self.eye - middle) <= 0:
            return False
        colour = np.asarray(rgb, float)
        if lit:
            outward = np.array([self.cos * normal[0] - self.sin * normal[1], self.sin * normal[0] + self.cos * normal[1], normal[2]])
            colour = self.layer.flat_light(self.camera.to_view(outward)) * (colour + sheen * max(0.0, normal[2] + .25))
        self.layer.polygon(self.pixels(points)[0], colour, body=True)
        return True

    def hull(self, low: list[tuple[float, float]], high: list[tuple[float, float]], halves: tuple[float, float],
             rgbs: dict[str, np.ndarray], sheen: float = .08) -> None:
        """A body between two lines of (x, z) of equal length, front to back, `halves` wide at the low and the high one.

        Faces are `front`, `back`, `top` and `side`.
        """
        (a, b), n = halves, len(low)
        for sign in (-1, 1):
            ring = [(x, sign * a, z) for x, z in low] + [(x, sign * b, z) for x, z in reversed(high)]
            # Low line front to back, then the high one back to front: anticlockwise from the left.
            self.face(ring if sign > 0 else ring[::-1], rgbs["side"], sheen=sheen)
        for index in range(n - 1):
            (x0, z0), (x1, z1) = high[index], high[index + 1]
            self.face([(x0, -b, z0), (x0, b, z0), (x1, b, z1), (x1, -b, z1)], rgbs["top"], sheen=sheen)
        (x0, z0), (x1, z1) = low[0], high[0]
        self.face([(x0, -a, z0), (x0, a, z0), (x1, b, z1), (x1, -b, z1)], rgbs["front"], sheen=sheen)
        (x0, z0), (x1, z1) = low[-1], high[-1]
        self.face([(x0, a, z0), (x0, -a, z0), (x1, -b, z1), (x1, b, z1)], rgbs["back"], sheen=sheen)

    def pane(self, corners: list[tuple[float, float]], half: float, rgb: np.ndarray, lit: bool = True, sheen: float = .2) -> None:
        """A quad of (x, z) on both sides of a body, as far out as `half`; only the near one shows."""
        for sign in (-1, 1):
            ring = [(x, sign * half, z) for x, z in corners]
            area = sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(corners, corners[1:] + corners[:1]))
            self.face(ring if (area > 0) == (sign < 0) else ring[::-1], rgb, lit, sheen)

    def plate(self, x: float, ahead: bool, left: float, right: float, low: float, high: float, rgb, lit: bool = True,
              lean: float = 0.0) -> None:
        """A rectangle on the front or the back, from y `left` to `right`; `lean` moves its upper edge along x."""
        ring = [(x, left, low), (x, right, low), (x + lean, right, high), (x + lean, left, high)]
        self.face(ring if (right > left) == ahead else ring[::-1], rgb, lit, .1)

    def wheel(self, x: float, y: float, radius: float, hub: np.ndarray) -> None:
        """A wheel seen from its outer side."""
        turn = np.linspace(0, 2 * np.pi, 18, endpoint=False) * (1 if y < 0 else -1)
        for size, rgb in ((radius, np.array([.06, .06, .065])), (radius * .62, hub), (radius * .2, hub * .5)):
            self.face(np.stack([x + size * np.cos(turn), np.full(18, y), radius + size * np.sin(turn)], 1), rgb)

    def bar(self, a, b, ra: float, rb: float, rgb) -> None:
        """A round bar; radii in metres."""
        pixels, depth = self.pixels([a, b])
        scale = self.camera.focal / depth
        self.layer.limb(pixels[0], pixels[1], ra * scale[0], rb * scale[1], np.asarray(rgb, np.float32))

    def ring(self, x: float, z: float, radius: float, thick: float, rgb, turned: float = 0.0) -> None:
        """A tyre in the thing's plane of x and z; `turned` steers it."""
        turn = np.linspace(0, 2 * np.pi, 17)
        across = radius * np.cos(turn)
        points = np.stack([x + across * np.cos(turned), across * np.sin(turned), z + radius * np.sin(turn)], 1)
        for a, b in zip(points[:-1], points[1:]):
            self.bar(a, b, thick, thick, rgb)
