"""Cars, vans, lorries and buses; bicycles, motorcycles and scooters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from canvas import Camera, Layer, Light
from people import Look, Pose, Seat
from props import Shadow
from solids import GLASS, Solid

VEHICLE, CYCLE = 1, 2
PAINT = np.array([[.86, .86, .84], [.82, .83, .84], [.60, .61, .63], [.36, .37, .39], [.09, .09, .10], [.07, .07, .08],
                  [.62, .10, .10], [.14, .22, .46], [.10, .14, .26], [.20, .34, .26], [.66, .58, .44], [.78, .42, .12],
                  [.82, .68, .16], [.36, .50, .62], [.38, .18, .14]])
MOTORS = ("hatchback", "saloon", "estate", "offroader", "van", "lorry", "bus")
CYCLES = ("bicycle", "bicycle", "motorcycle", "scooter")


def _colour(rng: np.random.Generator, table: np.ndarray = PAINT) -> np.ndarray:
    return np.clip(table[rng.integers(len(table))] * rng.uniform(.85, 1.12) + rng.normal(0, .015, 3), .03, .96)


@dataclass
class Machine:
    """What one vehicle or cycle looks like; the same in every frame."""

    kind: str
    long: float
    wide: float
    high: float
    paint: np.ndarray
    second: np.ndarray
    seed: int

    @staticmethod
    def vehicle(rng: np.random.Generator, kind: str | None = None) -> "Machine":
        kind = kind or str(rng.choice(MOTORS, p=[.24, .20, .14, .14, .14, .08, .06]))
        long, wide, high = {"hatchback": (4.0, 1.74, 1.48), "saloon": (4.6, 1.80, 1.44), "estate": (4.6, 1.80, 1.50),
                            "offroader": (4.5, 1.88, 1.75), "van": (5.2, 1.98, 2.2), "lorry": (7.5, 2.35, 3.2),
                            "bus": (10.5, 2.5, 3.0)}[kind]
        paint = _colour(rng, PAINT[:2]) if kind in ("van", "lorry") and rng.random() < .5 else _colour(rng)
        return Machine(kind, long * rng.uniform(.92, 1.1), wide * rng.uniform(.96, 1.04), high * rng.uniform(.95, 1.08),
                       paint, _colour(rng), int(rng.integers(1 << 31)))

    @staticmethod
    def cycle(rng: np.random.Generator, kind: str | None = None) -> "Machine":
        kind = kind or str(rng.choice(CYCLES))
        size = rng.uniform(.92, 1.06)
        return Machine(kind, 1.75 * size, .55, 1.05 * size, _colour(rng), _colour(rng), int(rng.integers(1 << 31)))


@dataclass
class Mover:
    """A vehicle or cycle at an instant, with the movement since the last frame in metres."""

    number: int
    machine: Machine
    x: float
    y: float
    heading: float
    phase: float = 0.0
    """Turn of the cranks."""
    step: tuple[float, float] = (0.0, 0.0)
    lamps: bool = False
    """Whether its lamps burn."""

    @property
    def kind(self) -> int:
        return VEHICLE if self.machine.kind in MOTORS else CYCLE

    def layer(self, camera: Camera, light: Light) -> Layer | None:
        """Its picture; None where it is too near the camera to draw."""
        m = self.machine
        solid = Solid(camera, light, self.x, self.y, self.heading, (m.long / 2 + .1, m.wide / 2 + .15, m.high + .1))
        if solid.near < 1.0:
            return None
        {"van": _van, "lorry": _lorry, "bus": _bus, "bicycle": _bicycle, "motorcycle": _motorcycle, "scooter": _scooter
         }.get(m.kind, _car)(solid, m, self)
        return solid.layer

    def _local(self, x: float, y: float) -> tuple[float, float]:
        c, s = np.cos(self.heading), np.sin(self.heading)
        return c * (x - self.x) + s * (y - self.y), c * (y - self.y) - s * (x - self.x)

    def covers(self, x: float, y: float, margin: float) -> bool:
        """Whether a place is on it, or within so many metres."""
        along, across = self._local(x, y)
        return abs(along) < self.machine.long / 2 + margin and abs(across) < self.machine.wide / 2 + margin

    def meets(self, x: float, y: float, heading: float, machine: Machine) -> bool:
        """Whether another one would stand in it, or nearly."""
        other = Mover(0, machine, x, y, heading)
        ends = np.linspace(-.5, .5, 5)
        return any(one.covers(two.x + np.cos(two.heading) * e * two.machine.long, two.y + np.sin(two.heading) * e * two.machine.long,
                              two.machine.wide / 2 + .05) for one, two in ((self, other), (other, self)) for e in ends)

    def hides(self, x: float, y: float) -> bool:
        """Whether it can hide, from a camera over the origin, what stands there; if not, that may hide it."""
        def inside(px: float, py: float) -> np.ndarray:
            along, across = self._local(px, py)
            return np.array([along < self.machine.long / 2, along > -self.machine.long / 2,
                             across < self.machine.wide / 2, across > -self.machine.wide / 2])

        # A side of it with both the camera and the thing beyond it lies behind the thing.
        return bool((inside(x, y) | inside(0.0, 0.0)).all())

    def shadow(self) -> Shadow:
        """The thick lines that cast its shadow."""
        m, ahead = self.machine, np.array([np.cos(self.heading), np.sin(self.heading), 0])
        side, base, up = np.array([-ahead[1], ahead[0], 0]), np.array([self.x, self.y, 0]), np.array([0, 0, 1.0])
        if self.kind == CYCLE:
            reach = m.long * .3
            return [(base - ahead * reach + up * .1, base + ahead * reach + up * .1, .06),
                    (base - ahead * .2 + up * .8, base + ahead * .4 + up * .9, .06), (base + up * .3, base + up * .8, .06)]
        lines, radius = [], m.wide * .27
        for z in np.arange(.3, m.high * .9, radius * 1.5):
            inset = m.long / 2 - radius - (.9 if z > .8 and m.kind not in ("van", "lorry", "bus") else 0)
            for y in (-.5, .5):
                lines.append((base - ahead * inset + side * y * m.wide * .5 + up * z, base + ahead * inset + side * y * m.wide * .5 + up * z, radius))
        return lines

    def beams(self) -> tuple[np.ndarray, np.ndarray]:
        """Where its headlights are, and where they look, on the ground plan."""
        ahead = np.array([np.cos(self.heading), np.sin(self.heading)])
        return np.array([self.x, self.y]) + ahead * self.machine.long / 2, ahead

    def lamp_points(self) -> list[tuple[np.ndarray, np.ndarray, bool]]:
        """Lamps that can dazzle: their place in the world, their colour, and whether they look ahead."""
        m = self.machine
        ahead = np.array([np.cos(self.heading), np.sin(self.heading), 0])
        side, base = np.array([-ahead[1], ahead[0], 0]), np.array([self.x, self.y, 0])
        ys, z = ((0.0,), .8) if self.kind == CYCLE else ((-.36 * m.wide, .36 * m.wide), .65 if m.high < 1.8 else .8)
        points = []
        for y in ys:
            points.append((base + ahead * m.long / 2 + side * y + (0, 0, z), np.array([1.0, .95, .82]), True))
            points.append((base - ahead * m.long / 2 + side * y + (0, 0, z + .1), np.array([.8, .06, .04]), False))
        return points


def _wheels(s: Solid, m: Machine, xs: tuple[float, ...], radius: float, near: bool) -> None:
    hub = np.array([.45, .46, .48]) if m.seed % 3 else np.array([.16, .16, .17])
    for x in xs:
        for sign in (-1, 1):
            if (s.eye[1] * sign > m.wide / 2) == near:
                s.wheel(x, sign * (m.wide / 2 + (.012 if near else -.1)), radius, hub)


def _ends(s: Solid, m: Machine, mover: Mover, front: float, back: float, low: float, tail: float) -> None:
    """Lamps, grille, bumpers and number plates."""
    w = m.wide / 2
    dark, white = np.array([.07, .07, .08]), np.array([.86, .87, .88])
    s.plate(front + .01, True, -w * .55, w * .55, low - .22, low - .02, dark)
    s.plate(front + .012, True, -.26, .26, low - .26, low - .14, white * .95)
    s.plate(back - .012, False, -.26, .26, low - .12, low, np.array([.85, .78, .35]) if m.seed % 2 else white * .95)
    for sign in (-1, 1):
        inner, outer = sign * w * .58, sign * w * .95
        burning = mover.lamps
        s.plate(front + .014, True, min(inner, outer), max(inner, outer), low - .02, low + .14, white * (1.6 if burning else .9), lit=not burning)
        red = np.array([.9, .08, .05]) if burning else np.array([.5, .05, .05])
        inner = sign * w * .70
        s.plate(back - .014, False, min(inner, outer), max(inner, outer), tail - .1, tail + .16, red, lit=not burning)


def _car(s: Solid, m: Machine, mover: Mover) -> None:
    l, w, h = m.long / 2, m.wide / 2, m.high
    tall = m.kind == "offroader"
    floor, belt = (.30 if tall else .20), h * .60
    radius = .36 if tall else .31
    axles = (l - .82, -l + .78)
    boot = {"hatchback": .12, "saloon": 1.0, "estate": .1, "offroader": .1}[m.kind]
    _wheels(s, m, axles, radius, near=False)
    paint = {key: m.paint for key in ("front", "back", "top", "side")}
    s.hull([(l, floor), (l - .9, floor), (-l + .5, floor), (-l, floor)], [(l, belt * .78), (l - 1.15, belt), (-l + .5, belt), (-l, belt * .95)],
           (w, w), paint)
    # A crease and the shade below the doors.
    s.pane([(l - .2, floor), (-l + .2, floor), (-l + .2, floor + .14), (l - .2, floor + .14)], w + .004, m.paint * .45, sheen=0)
    for x in axles:
        ring = np.linspace(0, np.pi, 9)
        s.pane([(x + (radius + .07) * np.cos(t), radius + (radius + .07) * np.sin(t)) for t in ring], w + .006, np.array([.05, .05, .055]), sheen=0)
    _wheels(s, m, axles, radius, near=True)
    _ends(s, m, mover, l, -l, belt * .62, belt * .72)
    hood, top_w = l - 1.15, w * .80
    x0, x1 = hood, -l + boot
    t0, t1 = x0 - .72, x1 + (.55 if m.kind in ("saloon", "hatchback") else .28)
    s.hull([(x0, belt), (x1, belt)], [(t0, h), (t1, h)], (w * .95, top_w), {**paint, "front": GLASS, "back": GLASS}, sheen=.14)
    # The side windows, with pillars between them.
    middle = (t0 + t1) / 2 + .1
    lean = (w * .95 + top_w) / 2 + .012
    for a, b, c, d in ((x0 - .18, middle + .05, middle + .05, t0 - .06), (middle - .05, x1 + .16, t1 + .12, middle - .05)):
        corners = [(a, belt + .04), (b, belt + .04), (c, h - .09), (d, h - .09)]
        s.pane(corners, lean, GLASS)
    if m.seed % 7 == 0:
        s.hull([(t0 - .1, h + .02), (t1 + .2, h + .02)], [(t0 - .3, h + .1), (t1 + .3, h + .1)], (w * .6, w * .5),
               {key: np.array([.1, .1, .11]) for key in paint})


def _van(s: Solid, m: Machine, mover: Mover) -> None:
    l, w, h = m.long / 2, m.wide / 2, m.high
    axles = (l - .95, -l + .95)
    paint = {key: m.paint for key in ("front", "back", "top", "side")}
    nose = h * .50
    _wheels(s, m, axles, .34, near=False)
    s.hull([(l, .28), (l - .45, .28), (l - 1.35, .28), (-l, .28)], [(l, nose * .82), (l - .45, nose), (l - 1.35, h), (-l, h * .99)], (w, w * .97), paint)
    for x in axles:
        ring = np.linspace(0, np.pi, 9)
        s.pane([(x + .41 * np.cos(t), .34 + .41 * np.sin(t)) for t in ring], w + .006, np.array([.05, .05, .055]), sheen=0)
    _wheels(s, m, axles, .34, near=True)
    slope = (h - nose) / .9
    s.face([(l - .50, -w * .86, nose + .06), (l - .50, w * .86, nose + .06), (l - 1.25, w * .8, nose + .75 * slope), (l - 1.25, -w * .8, nose + .75 * slope)], GLASS, sheen=.2)
    s.pane([(l - .8, nose + .08), (l - 1.75, nose + .08), (l - 1.75, h - .32), (l - 1.32, h - .32)], w + .01, GLASS)
    if m.seed % 3 == 0:
        # Windows all along: a minibus.
        for k in range(3):
            x = l - 1.9 - k * (m.long - 2.4) / 3
            s.pane([(x, nose + .08), (x - (m.long - 2.7) / 3, nose + .08), (x - (m.long - 2.7) / 3, h - .32), (x, h - .32)], w + .01, GLASS)
        s.plate(-l - .01, False, -w * .8, w * .8, nose + .1, h - .25, GLASS)
    elif m.seed % 3 == 1:
        s.pane([(l - 2.0, .75), (-l + .3, .75), (-l + .3, .75 + h * .25), (l - 2.0, .75 + h * .25)], w + .008, m.second)
    _ends(s, m, mover, l, -l, nose * .66, nose * .8)


def _lorry(s: Solid, m: Machine, mover: Mover) -> None:
    l, w, h = m.long / 2, m.wide / 2, m.high
    cab, paint = 1.9, {key: m.paint for key in ("front", "back", "top", "side")}
    axles = (l - 1.1, -l + 1.2)
    _wheels(s, m, axles, .46, near=False)
    s.hull([(l - .3, .5), (-l, .5)], [(l - .3, .85), (-l, .85)], (w * .8, w * .8), {key: np.array([.1, .1, .11]) for key in paint})

    def box():
        cargo = m.second if m.seed % 2 else np.array([.8, .8, .78])
        s.hull([(l - cab - .15, .85), (-l, .85)], [(l - cab - .15, h), (-l, h)], (w, w), {key: cargo for key in paint}, sheen=.04)
        if m.seed % 5 < 3:
            s.pane([(l - cab - .8, h * .5), (-l + .8, h * .5), (-l + .8, h * .72), (l - cab - .8, h * .72)], w + .01, m.paint)
        s.plate(-l - .01, False, -.03, .03, .95, h - .1, cargo * .5)

    def front():
        high = min(h * .84, 2.6)
        s.hull([(l, .45), (l - cab, .45)], [(l - .12, high), (l - cab, high)], (w * .97, w * .93), paint)
        s.plate(l + .0, True, -w * .82, w * .82, high * .52, high * .86, GLASS, lean=-.05)
        s.pane([(l - .15, high * .55), (l - 1.1, high * .55), (l - 1.1, high * .86), (l - .22, high * .86)], w * .97 + .01, GLASS)

    # Whichever end is nearer goes over the other.
    for draw in (box, front) if s.eye[0] > 0 else (front, box):
        draw()
    _wheels(s, m, axles, .46, near=True)
    _ends(s, m, mover, l, -l, .95, .95)


def _bus(s: Solid, m: Machine, mover: Mover) -> None:
    l, w, h = m.long / 2, m.wide / 2, m.high
    axles = (l - 2.3, -l + 2.6)
    s.hull([(l, .32), (-l, .32)], [(l - .1, h), (-l + .05, h)], (w, w * .97), {key: m.paint for key in ("front", "back", "top", "side")})
    s.pane([(l - .1, .32), (-l + .1, .32), (-l + .1, .95), (l - .1, .95)], w + .006, m.second, sheen=.05)
    gap = (m.long - .7) / 7
    for k in range(7):
        x = l - .35 - k * gap
        s.pane([(x, 1.25), (x - gap * .9, 1.25), (x - gap * .9, h - .5), (x, h - .5)], w + .01, GLASS)
    for x in axles:
        ring = np.linspace(0, np.pi, 9)
        s.pane([(x + .56 * np.cos(t), .46 + .56 * np.sin(t)) for t in ring], w + .008, np.array([.05, .05, .055]), sheen=0)
    _wheels(s, m, axles, .46, near=True)
    s.plate(l + .005, True, -w * .9, w * .9, 1.05, h - .55, GLASS, lean=-.06)
    s.plate(l - .05, True, -w * .6, w * .6, h - .45, h - .15, np.array([.85, .6, .15]) if mover.lamps else np.array([.1, .09, .06]), lit=not mover.lamps)
    s.plate(-l - .005, False, -w * .8, w * .8, 1.5, h - .5, GLASS)
    _ends(s, m, mover, l, -l, .75, .95)


def _bicycle(s: Solid, m: Machine, mover: Mover) -> None:
    k = m.long / 1.75
    tyre, metal = np.array([.07, .07, .07]), np.array([.5, .5, .52])
    rear, front = (-.52 * k, 0, .34 * k), (.52 * k, 0, .34 * k)
    cranks, saddle, head = (-.08 * k, 0, .29 * k), (-.22 * k, 0, .93 * k), (.36 * k, 0, .82 * k)
    s.ring(rear[0], rear[2], .33 * k, .021, tyre)
    s.ring(front[0], front[2], .33 * k, .021, tyre, .12 * np.sin(m.seed))
    paint = m.paint
    step_through = m.seed % 3 == 0
    top = (-.17 * k, 0, (.55 if step_through else .76) * k)
    for a, b in ((cranks, saddle), (top, (.38 * k, 0, (.62 if step_through else .78) * k)), (cranks, head), (top, rear), (cranks, rear), (head, front)):
        s.bar(a, b, .021, .021, paint)
    bars = (.38 * k, 0, 1.0 * k)
    s.bar(head, bars, .016, .016, metal)
    for sign in (-1, 1):
        s.bar(bars, (.33 * k, sign * .27, 1.0 * k), .014, .014, tyre)
        turn = mover.phase + (np.pi if sign > 0 else 0)
        pedal = (cranks[0] + .17 * k * np.cos(turn), sign * .11, cranks[2] + .17 * k * np.sin(turn))
        s.bar((cranks[0], sign * .06, cranks[2]), pedal, .012, .012, metal)
    s.bar((saddle[0] - .1, 0, saddle[2]), (saddle[0] + .13, 0, saddle[2]), .06, .028, tyre)
    if m.seed % 4 == 0:
        s.bar((.52 * k, 0, .82 * k), (.58 * k, 0, .70 * k), .15, .13, np.array([.45, .32, .2]))
    if m.seed % 5 == 0:
        for sign in (-1, 1):
            s.bar((-.5 * k, sign * .13, .66 * k), (-.48 * k, sign * .13, .45 * k), .13, .13, m.second)
    if mover.lamps:
        s.bar((.5 * k, 0, .85 * k), (.52 * k, 0, .85 * k), .05, .05, np.array([3.0, 2.8, 2.4]))


def _motorcycle(s: Solid, m: Machine, mover: Mover) -> None:
    k = m.long / 1.75 * 1.12
    tyre, metal, paint = np.array([.06, .06, .06]), np.array([.4, .4, .42]), m.paint
    s.ring(-.62 * k, .30 * k, .25 * k, .062, tyre)
    s.ring(.62 * k, .30 * k, .25 * k, .055, tyre)
    s.bar((-.62 * k, 0, .3 * k), (-.1 * k, 0, .42 * k), .04, .08, metal * .5)
    s.bar((-.2 * k, 0, .42 * k), (.2 * k, 0, .45 * k), .19, .18, np.array([.17, .17, .18]))
    s.bar((.6 * k, 0, .32 * k), (.36 * k, 0, .88 * k), .045, .045, metal)
    s.bar((-.75 * k, 0, .82 * k), (-.55 * k, 0, .74 * k), .05, .09, paint)
    s.bar((-.5 * k, 0, .76 * k), (0, 0, .74 * k), .10, .12, tyre + .03)
    s.bar((0, 0, .80 * k), (.30 * k, 0, .84 * k), .15, .17, paint)
    if m.seed % 2:
        s.bar((.30 * k, 0, .62 * k), (.52 * k, 0, .90 * k), .20, .13, paint)
    s.bar((-.1 * k, -.14, .35 * k), (-.7 * k, -.17, .42 * k), .045, .055, metal * 1.3)
    for sign in (-1, 1):
        s.bar((.34 * k, 0, .98 * k), (.24 * k, sign * .34, 1.02 * k), .018, .022, tyre)
    s.bar((.46 * k, 0, .88 * k), (.5 * k, 0, .88 * k), .09, .08, np.array([3.0, 2.8, 2.4]) if mover.lamps else metal * 1.7)


def _scooter(s: Solid, m: Machine, mover: Mover) -> None:
    k, paint = m.long / 1.75, m.paint
    tyre, metal = np.array([.06, .06, .06]), np.array([.4, .4, .42])
    s.ring(-.55 * k, .22, .17, .055, tyre)
    s.ring(.55 * k, .22, .17, .055, tyre)
    s.bar((-.62 * k, 0, .48), (-.18 * k, 0, .46), .19, .20, paint)
    s.bar((-.2 * k, 0, .28), (.36 * k, 0, .26), .13, .13, paint * .8)
    s.bar((.36 * k, 0, .36), (.46 * k, 0, .84), .20, .15, paint)
    s.bar((.55 * k, 0, .36), (.52 * k, 0, .5), .10, .08, paint)
    s.bar((-.62 * k, 0, .76), (-.12 * k, 0, .74), .11, .12, tyre + .04)
    s.bar((.46 * k, 0, .84), (.42 * k, 0, 1.02), .05, .05, metal)
    for sign in (-1, 1):
        s.bar((.42 * k, 0, 1.02), (.34 * k, sign * .32, 1.04), .03, .022, tyre)
    if m.seed % 3 == 0:
        s.bar((-.78 * k, 0, .95), (-.52 * k, 0, .95), .21, .21, m.second)
    s.bar((.52 * k, 0, .96), (.54 * k, 0, .96), .08, .07, np.array([3.0, 2.8, 2.4]) if mover.lamps else metal * 1.7)


def rider(rng: np.random.Generator, mover: Mover) -> tuple[Look, Pose]:
    """Somebody dressed for it on a cycle."""
    look = Look.drawn(rng)
    k = mover.machine.long / 1.75
    if mover.machine.kind == "bicycle":
        seat = Seat((-.20 * k, .93 * k), (.33 * k, .25, 1.0 * k), (-.08 * k, .29 * k), .17 * k, rng.uniform(.2, .8))
        hat = rng.choice(["", "", "cap", "beanie", "beanie"])
    elif mover.machine.kind == "motorcycle":
        k *= 1.12
        seat = Seat((-.22 * k, .82 * k), (.24 * k, .32, 1.02 * k), (-.05 * k, .34 * k), 0.0, rng.uniform(.15, .5))
        hat = "beanie"
    else:
        seat = Seat((-.32 * k, .80), (.34 * k, .30, 1.04), (.16 * k, .36), 0.0, rng.uniform(-.05, .15))
        hat = "beanie"
    look = replace(look, bag=str(rng.choice(["", "", "backpack"])), arms="swing", hat=str(hat),
                   legs="trousers" if look.legs == "skirt" else look.legs, cut="jacket" if look.cut in ("dress", "coat") else look.cut)
    return look, Pose(mover.x, mover.y, mover.heading, mover.phase, 0.0, seat)
