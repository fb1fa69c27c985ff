"""Things that stand about: they hide people, throw shadows, and some look like people.

Every prop answers with a drawn layer and the thick lines that cast its shadow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from canvas import Camera, Layer, Light

Shadow = list[tuple[np.ndarray, np.ndarray, float]]
KINDS = ("planter", "bench", "bollard", "lamp", "bin", "cone", "board", "coats", "mannequin",
         "trolley", "column", "table", "shrub", "rail", "crates")


@dataclass
class Prop:
    """One thing at a place on the ground."""

    kind: str
    x: float
    y: float
    turn: float
    seed: int


class _Maker:
    """Draws solids standing at a prop's place, in its own metres."""

    def __init__(self, camera: Camera, light: Light, prop: Prop, half: float, high: float):
        self.camera, self.prop = camera, prop
        corners = [(prop.x + sx * half, prop.y + sy * half, z) for sx in (-1, 1) for sy in (-1, 1) for z in (-.05, high)]
        pixels, _ = camera.project(np.array(corners))
        low, high_px = np.maximum(pixels.min(0) - 4, -400), np.minimum(pixels.max(0) + 4, (camera.width + 400, camera.height + 400))
        self.layer = Layer(camera, light, (*low, *np.maximum(high_px, low + 1)))
        self.scale = camera.focal / float(camera.project(np.array([prop.x, prop.y, .5]))[1])
        self.shadow: Shadow = []

    def world(self, x: float, y: float, z: float) -> np.ndarray:
        c, s = np.cos(self.prop.turn), np.sin(self.prop.turn)
        return np.array([self.prop.x + c * x - s * y, self.prop.y + s * x + c * y, z])

    def at(self, x: float, y: float, z: float) -> np.ndarray:
        return self.camera.project(self.world(x, y, z))[0]

    def box(self, centre, size, rgb) -> None:
        """An upright box; only faces that look at the camera are drawn."""
        (cx, cy, cz), (wx, wy, wz) = centre, np.array(size) / 2
        c, s = np.cos(self.prop.turn), np.sin(self.prop.turn)
        faces = []
        for normal, quad in (
                ((1, 0, 0), [(1, -1, -1), (1, 1, -1), (1, 1, 1), (1, -1, 1)]),
                ((-1, 0, 0), [(-1, -1, -1), (-1, 1, -1), (-1, 1, 1), (-1, -1, 1)]),
                ((0, 1, 0), [(-1, 1, -1), (1, 1, -1), (1, 1, 1), (-1, 1, 1)]),
                ((0, -1, 0), [(-1, -1, -1), (1, -1, -1), (1, -1, 1), (-1, -1, 1)]),
                ((0, 0, 1), [(-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)])):
            points = np.array([self.world(cx + a * wx, cy + b * wy, cz + d * wz) for a, b, d in quad])
            outward = np.array([c * normal[0] - s * normal[1], s * normal[0] + c * normal[1], normal[2]])
            eye = np.array([0, 0, self.camera.above]) - points.mean(0)
            if outward @ eye > 0:
                faces.append((points, outward))
        for points, outward in faces:
            lit = self.layer.flat_light(self.camera.to_view(outward)) * rgb
            pixels, _ = self.camera.project(points)
            if outward[2] == 0:
                # Light fades towards the ground, where the surroundings hide the sky.
                ys = np.arange(self.layer.alpha.shape[0]) + self.layer.top
                low, high = pixels[:, 1].max(), pixels[:, 1].min()
                fade = .72 + .28 * np.clip((low - ys) / max(low - high, 1), 0, 1)
                lit = np.broadcast_to(lit * fade[:, None, None], (*self.layer.alpha.shape, 3))
            self.layer.polygon(pixels, lit)

    def post(self, x, y, z0, z1, r0, r1, rgb) -> None:
        """An upright round post with a flat top."""
        a, b = self.at(x, y, z1), self.at(x, y, z0)
        self.layer.tube(a, b, [r1 * self.scale, r0 * self.scale], np.asarray(rgb, np.float32), body=False,
                        bow=-r0 * self.scale * .35)
        self.shadow.append((self.world(x, y, z0), self.world(x, y, z1), max(r0, r1)))

    def ball(self, x, y, z, r, rgb) -> None:
        p = self.at(x, y, z)
        self.layer.limb(p, p, r * self.scale, r * self.scale, np.asarray(rgb, np.float32), body=False)

    def bar(self, a, b, r, rgb) -> None:
        self.layer.limb(self.at(*a), self.at(*b), r * self.scale, r * self.scale, np.asarray(rgb, np.float32), body=False)

    def leaves(self, x, y, z, wide, high, rgb, rng, count=170) -> None:
        """A bush: many small leaves, lighter above and towards the light."""
        order = []
        for _ in range(count):
            p = rng.normal(size=3)
            p *= rng.uniform(.75, 1.0) / np.linalg.norm(p)
            order.append(p)
        order.sort(key=lambda p: -p[1])
        for p in order:
            q = self.at(x + p[0] * wide, y + p[1] * wide, z + p[2] * high)
            glow = .55 + .35 * p[2] - .18 * p[1] + .12 * p[0] * np.sign(self.layer.towards[0])
            tint = np.clip(np.asarray(rgb) * (glow + rng.normal(0, .10)) * (1, 1 + rng.normal(0, .05), 1), .02, 1)
            size = wide * .16 * self.scale * rng.uniform(.6, 1.2)
            tip = q + rng.normal(0, 1, 2) * size * .8
            self.layer.limb(q, tip, size * .7, size * .25, tint.astype(np.float32), body=False)
        self.shadow.append((self.world(x, y, z), self.world(x, y, z + high * .3), wide * .85))


def built(prop: Prop, camera: Camera, light: Light) -> tuple[Layer, Shadow]:
    """The prop's picture and what casts its shadow."""
    rng = np.random.default_rng(prop.seed)
    half, high = {"lamp": (.6, 4.6), "column": (.5, 5.5), "planter": (1.1, 2.2), "shrub": (.9, 2.0),
                  "rail": (1.9, 1.2), "bench": (1.2, 1.0)}.get(prop.kind, (1.0, 2.1))
    m = _Maker(camera, light, prop, half, high)
    metal, wood, stone = np.array([.24, .25, .27]), np.array([.50, .34, .21]), np.array([.58, .56, .53])
    green = np.array([.24, .42, .16]) * rng.uniform(.75, 1.25) * np.array([rng.uniform(.8, 1.3), 1, rng.uniform(.7, 1.2)])
    bright = np.array([[.75, .14, .12], [.90, .45, .10], [.85, .72, .15], [.15, .35, .65], [.2, .5, .3]])[rng.integers(5)]
    kind = prop.kind
    if kind == "planter":
        wide, tall = rng.uniform(.8, 1.4), rng.uniform(.45, .7)
        m.box((0, 0, tall / 2), (wide, .55, tall), stone * rng.uniform(.6, 1.1))
        m.box((0, 0, tall - .03), (wide + .06, .6, .06), stone * rng.uniform(.7, 1.2))
        m.shadow.append((m.world(-wide / 3, 0, .2), m.world(wide / 3, 0, tall - .1), .28))
        for k in range(3):
            m.leaves((k - 1) * wide * .3, rng.normal(0, .03), tall + .22, wide * .26, rng.uniform(.22, .5), green, rng, 110)
    elif kind == "shrub":
        m.post(0, 0, 0, .38, .24, .30, bright * .4 + stone * .4)
        m.leaves(0, 0, .95, .42, .60, green, rng, 260)
    elif kind == "bench":
        for x in (-.65, .65):
            m.box((x, 0, .21), (.08, .40, .42), metal)
        for k in range(4):
            m.box((0, -.18 + k * .12, .45), (1.6, .10, .05), wood * rng.uniform(.85, 1.1))
        for z in (.62, .78):
            m.box((0, .22, z), (1.6, .04, .10), wood * rng.uniform(.85, 1.1))
        m.shadow += [(m.world(-.75, 0, .4), m.world(.75, 0, .4), .2)]
    elif kind == "bollard":
        m.post(0, 0, 0, .95, .085, .075, metal * rng.uniform(.5, 2.2))
        m.post(0, 0, .72, .82, .088, .088, np.array([.85, .85, .82]))
        m.ball(0, 0, .96, .08, metal)
    elif kind == "lamp":
        m.post(0, 0, 0, .5, .10, .09, metal * .8)
        m.post(0, 0, .5, 4.0, .055, .045, metal * .8)
        m.ball(0, 0, 4.15, .19, np.array([.95, .93, .85]))
    elif kind == "bin":
        m.post(0, 0, 0, .85, .22, .26, bright * .5 + .1)
        m.post(0, 0, .80, .92, .27, .27, metal)
    elif kind == "cone":
        m.box((0, 0, .02), (.34, .34, .04), bright * .6)
        m.post(0, 0, .03, .68, .14, .02, np.array([.88, .36, .10]))
        m.post(0, 0, .32, .44, .082, .062, np.array([.92, .92, .9]))
    elif kind == "board":
        # A pavement sign with a pictogram of somebody on it.
        m.box((0, .12, .55), (.62, .04, 1.1), metal)
        m.box((0, 0, .55), (.62, .05, 1.1), np.clip(bright * .3 + .6, 0, 1))
        ink = bright * .4
        m.layer.limb(m.at(0, -.04, .88), m.at(0, -.04, .87), .07 * m.scale, .07 * m.scale, ink, body=False)
        m.bar((0, -.04, .72), (0, -.04, .50), .085, ink)
        for x in (-.05, .05):
            m.bar((x, -.04, .45), (x, -.04, .18), .035, ink)
        m.shadow.append((m.world(0, 0, .1), m.world(0, 0, 1.0), .3))
    elif kind == "coats":
        # Coats on a stand: bodies without heads or legs.
        m.post(0, 0, 0, 1.75, .03, .025, wood * .7)
        m.post(0, 0, 0, .05, .28, .26, wood * .6)
        for k in range(rng.integers(1, 4)):
            x, rgb = rng.uniform(-.14, .14), rng.uniform(.08, .6, 3).astype(np.float32)
            a, b = m.at(x, -.05 * k, 1.58), m.at(x, -.05 * k, rng.uniform(.55, .85))
            m.layer.tube(a, b, [v * m.scale for v in (.05, .15, .17, .18, .19)],
                         lambda u, v, *n, rgb=rgb: rgb * (1 + .15 * np.sin(u * 9 + v * 4))[..., None], body=False)
            m.shadow.append((m.world(0, 0, 1.5), m.world(0, 0, .8), .16))
    elif kind == "mannequin":
        # A shop dummy without head or arms, on a rod.
        m.post(0, 0, 0, .8, .02, .02, metal)
        m.post(0, 0, 0, .03, .20, .18, metal)
        rgb = rng.uniform(.2, .85, 3).astype(np.float32)
        m.layer.tube(m.at(0, 0, 1.5), m.at(0, 0, .75), [v * m.scale for v in (.05, .17, .19, .16, .14, .18, .19)], rgb, body=False)
        m.ball(0, 0, 1.52, .05, np.array([.8, .76, .7]))
        m.shadow.append((m.world(0, 0, .8), m.world(0, 0, 1.5), .17))
    elif kind == "trolley":
        for z in (.22, .52):
            m.box((0, 0, z), (.85, .48, .05), metal * 1.8)
        m.box((-.05, 0, .40), (.55, .40, .28), wood * rng.uniform(.8, 1.3))
        m.box((.05, 0, .70), (.45, .38, .30), bright * .5 + .2)
        for x in (-.36, .36):
            m.ball(x, -.2, .07, .07, metal * .5)
        m.bar((.45, -.22, .1), (.48, -.22, 1.05), .02, metal * 2)
        m.bar((.45, .22, .1), (.48, .22, 1.05), .02, metal * 2)
        m.bar((.48, -.22, 1.05), (.48, .22, 1.05), .02, metal * 2)
        m.shadow.append((m.world(-.3, 0, .4), m.world(.3, 0, .5), .26))
    elif kind == "column":
        m.post(0, 0, 0, 5.0, .24, .24, stone * rng.uniform(.8, 1.3))
        m.post(0, 0, 0, .18, .31, .30, stone * .8)
    elif kind == "table":
        m.post(0, 0, 0, .70, .05, .05, metal)
        m.post(0, 0, .70, .74, .42, .42, wood * 1.2)
        for x in (-.65, .65):
            m.box((x, 0, .45), (.38, .38, .05), bright * .6)
            m.box((x * 1.25, 0, .68), (.04, .36, .42), bright * .6)
            m.box((x, 0, .22), (.05, .05, .44), metal)
        m.shadow += [(m.world(-.7, 0, .4), m.world(.7, 0, .5), .22)]
    elif kind == "rail":
        for x in (-1.6, -.8, 0, .8, 1.6):
            m.post(x, 0, 0, 1.0, .025, .025, metal * 1.5)
        for z in (.5, 1.0):
            m.bar((-1.6, 0, z), (1.6, 0, z), .025, metal * 1.5)
    else:  # crates
        for k in range(rng.integers(2, 5)):
            m.box(((k % 2) * .45 - .2, 0, .18 + .36 * (k // 2)), (.42, .42, .34), wood * rng.uniform(.8, 1.4))
        m.shadow.append((m.world(-.2, 0, .2), m.world(.2, 0, .4), .25))
    return m.layer, m.shadow


def dog(camera: Camera, light: Light, x: float, y: float, heading: float, phase: float, seed: int) -> tuple[Layer, Shadow]:
    """A dog, walking: four legs, no person."""
    rng = np.random.default_rng(seed)
    coat = np.array([[.35, .22, .12], [.08, .07, .07], [.75, .65, .5], [.8, .78, .74]])[rng.integers(4)] * rng.uniform(.8, 1.1)
    size = rng.uniform(.7, 1.15)
    ahead = np.array([np.cos(heading), np.sin(heading), 0])
    side, up, base = np.array([ahead[1], -ahead[0], 0]), np.array([0, 0, 1.0]), np.array([x, y, 0])

    def place(a: float, s: float, z: float) -> np.ndarray:
        return base + size * (a * ahead + s * side + z * up)

    joints = {"rump": place(-.28, 0, .48), "chest": place(.24, 0, .50), "head": place(.47, 0, .70),
              "nose": place(.62, 0, .66), "tail": place(-.50, .05 * np.sin(phase * 2), .66)}
    feet = [(place(a, s, .42), place(a + .13 * np.sin(phase + k), s, .03))
            for a, s, k in ((.22, .09, 0), (.22, -.09, np.pi), (-.27, .09, np.pi), (-.27, -.09, 0))]
    pixels, depth = camera.project(np.array([*joints.values(), *(p for pair in feet for p in pair)]))
    scale = size * camera.focal / float(depth[0])
    layer = Layer(camera, light, (*(pixels.min(0) - .3 * scale), *(pixels.max(0) + .3 * scale)))

    def bar(a: np.ndarray, b: np.ndarray, ra: float, rb: float, tone: float = 1.0) -> None:
        layer.limb(camera.project(a)[0], camera.project(b)[0], ra * scale, rb * scale, coat * tone, body=False)

    bar(joints["tail"], joints["rump"], .02, .05)
    for top, foot in feet:
        bar(top, foot, .055, .03, .85)
    bar(joints["rump"], joints["chest"], .12, .15)
    bar(joints["chest"], joints["head"], .10, .085)
    bar(joints["head"], joints["nose"], .09, .05, .9)
    shadow = [(joints["rump"], joints["chest"], .13 * size), *((a, b, .04 * size) for a, b in feet)]
    return layer, shadow
