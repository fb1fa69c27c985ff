"""People: what they wear, how they walk, and how one is drawn.

A person is a small skeleton in metres, posed by the phase of a gait and drawn as round, lit
solids; so every heading, distance and camera height comes out in true perspective.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from canvas import Camera, Layer, Light

SKIN = np.array([[.91, .74, .62], [.85, .66, .52], [.76, .56, .42], [.62, .43, .30],
                 [.47, .31, .21], [.33, .22, .16], [.94, .80, .70]])
HAIR = np.array([[.07, .06, .05], [.16, .10, .06], [.30, .19, .10], [.55, .40, .20],
                 [.74, .62, .40], [.55, .55, .55], [.83, .82, .80], [.42, .18, .09]])
CLOTH = np.array([[.10, .11, .13], [.16, .19, .27], [.23, .30, .45], [.55, .58, .62],
                  [.86, .85, .82], [.62, .12, .13], [.78, .33, .12], [.85, .68, .22],
                  [.20, .40, .25], [.38, .46, .30], [.16, .45, .55], [.45, .62, .78],
                  [.52, .28, .50], [.80, .52, .58], [.42, .30, .20], [.70, .60, .46],
                  [.30, .31, .34], [.92, .80, .62], [.12, .25, .22], [.33, .12, .16]])
TROUSERS = np.array([[.09, .10, .12], [.14, .17, .25], [.22, .29, .42], [.36, .43, .55],
                     [.30, .30, .31], [.52, .47, .38], [.68, .62, .52], [.28, .22, .17],
                     [.24, .27, .20], [.80, .78, .74]])


@dataclass
class Look:
    """What one person looks like. Drawn once, the same in every frame."""

    tall: float
    broad: float
    skin: np.ndarray
    hair: np.ndarray
    hair_style: str
    hat: str
    hat_rgb: np.ndarray
    top: np.ndarray
    top_second: np.ndarray
    pattern: str
    cut: str
    sleeves: float
    """How far down the arm the sleeve reaches, 0..1."""
    legs: str
    bottom: np.ndarray
    shoes: np.ndarray
    bag: str
    bag_rgb: np.ndarray
    arms: str
    swing: float

    @staticmethod
    def drawn(rng: np.random.Generator, child: bool = False) -> "Look":
        def colour(table: np.ndarray) -> np.ndarray:
            return np.clip(table[rng.integers(len(table))] * rng.uniform(.8, 1.15)
                           + rng.normal(0, .025, 3), .03, .97)

        tall = rng.uniform(1.02, 1.42) if child else float(np.clip(rng.normal(1.71, .09), 1.5, 1.95))
        cut = rng.choice(["shirt", "shirt", "jacket", "jacket", "coat", "hoodie", "vest", "dress"])
        legs = rng.choice(["trousers", "trousers", "trousers", "trousers", "shorts", "skirt"])
        if cut == "dress":
            legs = "skirt"
        warm = cut in ("jacket", "coat", "hoodie")
        return Look(
            tall=tall, broad=float(rng.uniform(.9, 1.22)), skin=colour(SKIN), hair=colour(HAIR),
            hair_style=rng.choice(["short", "short", "long", "long", "bun", "bald"]),
            hat=rng.choice(["", "", "", "", "cap", "beanie", "brim", "scarf"]),
            hat_rgb=colour(CLOTH), top=colour(CLOTH), top_second=colour(CLOTH),
            pattern=rng.choice(["plain", "plain", "plain", "stripes", "halves", "check", "badge", "band"]),
            cut=cut, sleeves=1.0 if warm else float(rng.choice([.35, .5, 1.0])),
            legs=legs, bottom=colour(TROUSERS if legs != "skirt" else CLOTH),
            shoes=colour(np.array([[.08, .08, .09], [.9, .9, .88], [.35, .22, .13], [.5, .5, .52]])),
            bag=rng.choice(["", "", "", "backpack", "handbag", "satchel", "case", "shopper"]),
            bag_rgb=colour(CLOTH),
            arms=rng.choice(["swing", "swing", "swing", "phone", "pockets", "box"]),
            swing=float(rng.uniform(.7, 1.15)))


@dataclass
class Pose:
    """Where someone stands this instant."""

    x: float
    y: float
    heading: float
    """Radians, 0 along +x, a quarter turn away from the camera."""
    phase: float
    speed: float
    """Metres a second; 0 stands still."""
    seat: "Seat | None" = None
    """What the person sits on, if riding."""


@dataclass
class Seat:
    """How a cycle holds its rider, in metres from its middle: ahead, and up."""

    saddle: tuple[float, float]
    grip: tuple[float, float, float]
    """Ahead, to either side, up."""
    cranks: tuple[float, float]
    crank: float
    """Length of a crank; 0 for a foot rest."""
    lean: float
    """Radians that the back leans ahead."""


def stride(look: Look, speed: float) -> float:
    """Metres walked in one full cycle of the gait, so that feet do not slide."""
    return 4 * .48 * look.tall * np.sin(_reach(speed))


def _reach(speed: float) -> float:
    return float(np.clip(.20 + .16 * speed, .22, .62))


@dataclass
class Skeleton:
    """Joints in metres. Sides are 0 left and 1 right."""

    ahead: np.ndarray
    side: np.ndarray
    hips: np.ndarray
    neck: np.ndarray
    crown: np.ndarray
    hip: list = field(default_factory=list)
    knee: list = field(default_factory=list)
    ankle: list = field(default_factory=list)
    toe: list = field(default_factory=list)
    shoulder: list = field(default_factory=list)
    elbow: list = field(default_factory=list)
    hand: list = field(default_factory=list)


def posed(look: Look, pose: Pose) -> Skeleton:
    """The skeleton of a look in a pose, its lowest foot on the ground or its hips on a seat."""
    if pose.seat is not None:
        return _seated(look, pose, pose.seat)
    h = look.tall
    up = np.array([0.0, 0.0, 1.0])
    ahead = np.array([np.cos(pose.heading), np.sin(pose.heading), 0.0])
    side = np.array([ahead[1], -ahead[0], 0.0])
    moving = min(1.0, pose.speed / .5)
    reach, lean = _reach(pose.speed) * moving, .03 + .03 * pose.speed
    thigh, shank, foot = .245 * h, .245 * h, .105 * h
    bones = Skeleton(ahead, side, np.zeros(3), np.zeros(3), np.zeros(3))
    twist = .10 * moving * np.sin(pose.phase)
    for leg, sign in ((0, -1.0), (1, 1.0)):
        phase = pose.phase + np.pi * leg
        swing = reach * np.sin(phase) + .04 * moving
        # The knee folds while the leg travels forward, and gives a little under load.
        fold = .06 + moving * (1.0 * max(0.0, np.cos(phase - .25)) ** 2 * (.4 + reach) + .08 * max(0.0, np.sin(phase)))
        hip = side * sign * .052 * h * look.broad + ahead * sign * twist * -.05 * h
        knee = hip + thigh * (np.sin(swing) * ahead - np.cos(swing) * up)
        lower = swing - fold
        ankle = knee + shank * (np.sin(lower) * ahead - np.cos(lower) * up)
        tip = float(np.clip(lower * .9, -.75, .22))
        toe = ankle + foot * (np.cos(tip) * ahead + np.sin(tip) * up) - up * .022 * h
        bones.hip.append(hip), bones.knee.append(knee), bones.ankle.append(ankle), bones.toe.append(toe)
    lowest = min(min(a[2] - .035 * h, t[2] - .012 * h) for a, t in zip(bones.ankle, bones.toe))
    base = np.array([pose.x, pose.y, -lowest])
    for joints in (bones.hip, bones.knee, bones.ankle, bones.toe):
        joints[:] = [j + base for j in joints]
    bones.hips = base + up * .01 * h
    bones.neck = bones.hips + up * .315 * h + ahead * lean * .3 * h
    bones.crown = bones.neck + up * .165 * h + ahead * (lean * .1 + .02) * h
    for arm, sign in ((0, -1.0), (1, 1.0)):
        phase = pose.phase + np.pi * arm
        mode = look.arms
        if look.bag in ("handbag", "case", "shopper") and arm == 1:
            mode = "carry"
        shoulder = (bones.neck - up * .042 * h + side * sign * .098 * h * look.broad
                    - ahead * sign * twist * .25 * h)
        swing = -reach * 1.05 * look.swing * np.sin(phase)
        bend, out = .28 + .25 * max(0.0, -np.sin(phase)) * moving, .10
        if mode == "phone" and arm == 1:
            swing, bend, out = .45, 1.9, .02
        elif mode == "pockets":
            swing, bend, out = -.35 + swing * .12, .75, .22
        elif mode == "box":
            swing, bend, out = .15, 1.35, .06
        elif mode == "carry":
            swing, bend = swing * .25, .10
        elbow = shoulder + .17 * h * (np.sin(swing) * ahead - np.cos(swing) * up) + side * sign * out * .17 * h
        lower = swing + bend
        inward = -.12 if mode in ("phone", "box", "pockets") else .02
        hand = elbow + .155 * h * (np.sin(lower) * ahead - np.cos(lower) * up) + side * sign * inward * .155 * h
        bones.shoulder.append(shoulder), bones.elbow.append(elbow), bones.hand.append(hand)
    return bones


def _bent(start: np.ndarray, end: np.ndarray, first: float, second: float, pole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle joint of a limb from `start` towards `end`, bent towards `pole`, and where the limb ends."""
    reach = end - start
    far = max(float(np.linalg.norm(reach)), 1e-6)
    reach, far = reach / far, min(far, (first + second) * .999)
    along = (first ** 2 - second ** 2 + far ** 2) / (2 * far)
    pole = pole - (pole @ reach) * reach
    out = np.sqrt(max(first ** 2 - along ** 2, 0)) * pole / (np.linalg.norm(pole) + 1e-9)
    return start + reach * along + out, start + reach * far


def _seated(look: Look, pose: Pose, seat: Seat) -> Skeleton:
    """The skeleton of somebody who rides: feet on the pedals, hands on the grips."""
    h, up = look.tall, np.array([0.0, 0.0, 1.0])
    ahead = np.array([np.cos(pose.heading), np.sin(pose.heading), 0.0])
    side = np.array([ahead[1], -ahead[0], 0.0])
    base = np.array([pose.x, pose.y, 0.0])
    hips = base + ahead * seat.saddle[0] + up * (seat.saddle[1] + .05 * h)
    spine = np.sin(seat.lean) * ahead + np.cos(seat.lean) * up
    neck = hips + spine * .315 * h
    crown = neck + (up + .35 * np.sin(seat.lean) * ahead) * .165 * h
    bones = Skeleton(ahead, side, hips, neck, crown)
    for leg, sign in ((0, -1.0), (1, 1.0)):
        hip = hips + side * sign * .055 * h * look.broad
        turn = pose.phase + np.pi * leg
        pedal = (base + ahead * (seat.cranks[0] + seat.crank * np.cos(turn)) + up * (seat.cranks[1] + seat.crank * np.sin(turn) + .07)
                 + side * sign * (.12 if seat.crank else .20))
        knee, ankle = _bent(hip, pedal, .245 * h, .245 * h, ahead + up * .3 + side * sign * .1)
        bones.hip.append(hip), bones.knee.append(knee), bones.ankle.append(ankle)
        bones.toe.append(ankle + .105 * h * ahead - up * .03 * h)
        shoulder = neck - spine * .042 * h + side * sign * .098 * h * look.broad
        grip = base + ahead * seat.grip[0] + side * sign * seat.grip[1] + up * seat.grip[2]
        elbow, hand = _bent(shoulder, grip, .17 * h, .155 * h, side * sign - up)
        bones.shoulder.append(shoulder), bones.elbow.append(elbow), bones.hand.append(hand)
    return bones


def _cloth(look: Look, front: np.ndarray, chest: float):
    """The albedo of the upper garment, as a function of where on it."""
    top, second = look.top.astype(np.float32), look.top_second.astype(np.float32)

    def albedo(across, along, nx, ny, nz):
        turn = np.arcsin(np.clip(across, -1, 1))
        along = np.broadcast_to(along, nz.shape)
        mix = np.zeros_like(nz)
        if look.pattern == "stripes":
            mix = np.clip(np.sin(along * 44 / max(chest, .4)) * 3 + .5, 0, 1)
        elif look.pattern == "halves":
            mix = np.clip((along - .5) * 20, 0, 1)
        elif look.pattern == "check":
            mix = .5 * (np.sin(along * 50) > 0) + .5 * (np.sin(turn * 11) > 0)
        elif look.pattern == "band":
            mix = (np.abs(along - .42) < .09).astype(np.float32)
        facing = nx * front[0] + ny * front[1] + nz * front[2]
        if look.pattern == "badge":
            mix = ((facing > .9) & (np.abs(along - .35) < .13)).astype(np.float32)
        if look.cut in ("jacket", "coat"):
            # Worn open: the shirt shows down the front.
            mix = np.maximum(mix * .0, np.clip((facing - .93) * 25, 0, 1))
        # Folds: slow ripples that make cloth of a plain tube.
        fold = 1 + .05 * np.sin(along * 17 + turn * 3) + .035 * np.sin(along * 31 - turn * 5)
        return (top + (second - top) * mix[..., None]) * fold[..., None]

    return albedo


class Person:
    """Draws one look. Knows nothing of where people go."""

    def __init__(self, look: Look):
        self.look = look

    def layer(self, camera: Camera, light: Light, pose: Pose) -> Layer:
        """The patch of picture that this person fills."""
        look, h = self.look, self.look.tall
        bones = posed(look, pose)
        joints = np.array([bones.crown, bones.hips, *bones.toe, *bones.ankle, *bones.hand, *bones.elbow])
        pixels, depth = camera.project(joints)
        scale = camera.focal / float(depth[1])
        reach = .24 * scale * max(1.0, look.broad)
        low, high = pixels.min(0) - reach, pixels.max(0) + reach
        if look.bag == "case":
            low, high = low - .45 * scale, high + .25 * scale
        layer = Layer(camera, light, (*low, *high))
        front = camera.to_view(bones.ahead).astype(np.float32)
        sideways = camera.to_view(bones.side)
        # Bodies are wider than deep: what shows of either depends on the heading.
        wide = float(np.hypot(sideways[0] * 1.0, .62 * (1 - sideways[0] ** 2) ** .5))

        parts: list[tuple[float, object]] = []

        def add(depth_m: float, draw) -> None:
            parts.append((depth_m, draw))

        def at(point):
            p, d = camera.project(point)
            return p, float(d)

        hips, hips_d = at(bones.hips)
        neck, neck_d = at(bones.neck)
        middle = (hips_d + neck_d) / 2
        self._legs(add, at, layer, bones, scale, hips, hips_d, wide)
        self._torso(add, at, layer, bones, scale, front, wide, middle)
        self._arms(add, at, layer, bones, scale, middle)
        self._head(add, at, layer, bones, scale, front)
        self._bag(add, at, layer, bones, scale, front, wide, middle)
        for _, draw in sorted(parts, key=lambda part: -part[0]):
            draw()
        return layer

    def _legs(self, add, at, layer, bones, scale, hips, hips_d, wide) -> None:
        look, h = self.look, self.look.tall
        stout = look.broad ** .8 * h * scale
        for leg in (0, 1):
            hip, hd = at(bones.hip[leg])
            knee, kd = at(bones.knee[leg])
            ankle, ad = at(bones.ankle[leg])
            toe, td = at(bones.toe[leg])
            bare_thigh = look.legs == "skirt"
            bare_shank = look.legs in ("skirt", "shorts")
            loose = 1.0 if bare_shank else 1.18
            thigh_rgb = look.skin if bare_thigh else look.bottom
            shank_rgb = look.skin if bare_shank else look.bottom * .96

            def draw(hip=hip, knee=knee, ankle=ankle, toe=toe, a=thigh_rgb, b=shank_rgb, loose=loose):
                layer.limb(ankle, toe, .026 * h * scale, .019 * h * scale, look.shoes)
                layer.limb(ankle + (0, .012 * h * scale), ankle, .026 * h * scale, .022 * h * scale, look.shoes)
                layer.limb(knee, ankle - (0, .012 * h * scale), .034 * stout * loose, .023 * stout * loose, b)
                if look.legs == "shorts":
                    layer.limb(knee, hip + (knee - hip) * .7, .035 * stout, .04 * stout, look.skin)
                    layer.limb(hip, hip + (knee - hip) * .8, .053 * stout, .051 * stout, a)
                else:
                    layer.limb(hip, knee, .052 * stout, .036 * stout * loose, a)

            add((hd + kd + ad) / 3, draw)
        if look.legs == "skirt":
            knees = (bones.knee[0] + bones.knee[1]) / 2
            spread = float(np.linalg.norm(bones.knee[0] - bones.knee[1])) * .45
            hem, _ = at(knees + np.array([0, 0, -.01 if look.cut == "dress" else .06]) * h)
            rgb = look.top if look.cut == "dress" else look.bottom
            waist = .078 * h * scale * look.broad * wide
            radius = (.10 * h + spread * .5) * scale * (.75 + .25 * wide)

            def skirt():
                layer.tube(hips - (0, .05 * h * scale), hem, [waist, (waist + radius) * .56, radius],
                           lambda u, v, *n: rgb * (1 + .10 * np.sin(np.arcsin(u) * 7))[..., None],
                           bow=-.03 * h * scale)

            add(hips_d - .05, skirt)

    def _torso(self, add, at, layer, bones, scale, front, wide, middle) -> None:
        look, h = self.look, self.look.tall
        w = h * scale * look.broad * wide
        neck, _ = at(bones.neck)
        drop = {"coat": .16, "jacket": .05, "hoodie": .04, "dress": .02}.get(look.cut, .02)
        end, _ = at(bones.hips - np.array([0, 0, drop * h]))
        bulk = 1.12 if look.cut in ("coat", "jacket", "hoodie") else 1.0
        profile = [.035 * w, .095 * w, .117 * w, .118 * w, .112 * w, .105 * w, .10 * w, .098 * w, .10 * w, .10 * w]
        if look.cut == "coat":
            profile += [.105 * w, .112 * w, .12 * w]
        profile = [r * bulk for r in profile]
        cloth = _cloth(look, front, 1.0)

        def draw():
            layer.tube(neck - (0, .012 * h * scale), end, profile, cloth, bow=-.015 * h * scale)
            if look.cut == "vest":
                layer.tube(neck + (end - neck) * .5, neck + (end - neck) * .58, [.11 * w, .11 * w],
                           np.array([.9, .9, .86]))

        add(middle - .02, draw)

    def _arms(self, add, at, layer, bones, scale, middle) -> None:
        look, h = self.look, self.look.tall
        stout = look.broad ** .7 * h * scale * (1.15 if look.sleeves == 1.0 else 1.0)
        for arm in (0, 1):
            shoulder, sd = at(bones.shoulder[arm])
            elbow, ed = at(bones.elbow[arm])
            hand, hd = at(bones.hand[arm])
            upper = look.top * .95
            lower = look.top * .93 if look.sleeves == 1.0 else look.skin

            def draw(shoulder=shoulder, elbow=elbow, hand=hand, lower=lower):
                layer.limb(elbow, hand, .025 * stout, .018 * stout, lower)
                layer.limb(hand, hand + (hand - elbow) * .12, .021 * h * scale, .016 * h * scale, look.skin)
                if look.sleeves < 1:
                    cuff = shoulder + (elbow - shoulder) * (.5 + look.sleeves * .6)
                    layer.limb(shoulder, elbow, .031 * stout, .025 * stout, look.skin)
                    layer.limb(shoulder, cuff, .036 * stout, .032 * stout, upper)
                else:
                    layer.limb(shoulder, elbow, .036 * stout, .028 * stout, upper)

            forward = look.arms in ("phone", "box")
            add((sd + ed + (hd if forward else ed)) / 3 + (.03 if sd > middle else -.05), draw)
        if look.arms == "box" and look.bag not in ("handbag", "case", "shopper"):
            held, depth = at((bones.hand[0] + bones.hand[1]) / 2 + bones.ahead * .06)
            size = .09 * h * scale

            def box():
                corners = held + np.array([[-1, -.7], [1, -.7], [1, .7], [-1, .7]]) * size
                layer.polygon(corners, np.array([.62, .47, .31]) * layer.flat_light((0, 0, 1)) * .9)

            add(depth, box)

    def _head(self, add, at, layer, bones, scale, front) -> None:
        look, h = self.look, self.look.tall
        size = .062 * (h if h > 1.45 else h * .6 + .65) * scale
        neck, depth = at(bones.neck)
        crown, crown_d = at(bones.crown)
        up = layer.up
        axis = crown - neck
        length = max(float(np.hypot(*axis)), 1e-3)
        top = crown - axis / length * size * .95
        chin = top + (neck - top) * .42
        covered = look.hat == "scarf"

        def albedo(along, nx, ny, nz):
            ahead = nx * front[0] + ny * front[1] + nz * front[2]
            above = nx * up[0] + ny * up[1] + nz * up[2] + (1 - along) * .25
            line = {"bald": 2.0, "short": .62, "bun": .58, "long": .60}[look.hair_style]
            hair = np.clip(np.maximum(above - line, (.12 - ahead) * (line < 2)) * 9 + .5, 0, 1)
            if covered:
                hair = np.clip((.55 - ahead) * 9 + .5, 0, 1)
            rgb = look.skin + ((look.hat_rgb if covered else look.hair) - look.skin) * hair[..., None]
            # Eyes, and the shade under the brow: a few dark pixels, only near the camera.
            brow = np.exp(-((along - .42) / .13) ** 2) * (ahead > .72) * (1 - hair)
            return (rgb * (1 - .38 * brow[..., None])).astype(np.float32)

        def draw():
            layer.limb(neck, chin, size * .5, size * .48, look.skin * .86)
            if look.hair_style == "long" and not covered:
                behind = -front[:2] * size * .35
                layer.limb(top + behind, neck + behind + (0, size * .5), size * 1.0, size * .72, look.hair * .9)
            layer.limb(top, chin, size, size * .74, albedo)
            if look.hair_style == "long" and front[2] < .1 and not covered:
                layer.limb(top, neck + (0, size * .6), size * 1.02, size * .8, look.hair)
            if look.hair_style == "bun" and not covered:
                bun = top - front[:2] * size * .9 - (0, size * .55)
                layer.limb(bun, bun, size * .42, size * .42, look.hair)
            lift = axis / length
            if look.hat == "beanie":
                layer.limb(top + lift * size * .35, top + lift * size * .1, size * .9, size * 1.04, look.hat_rgb)
            elif look.hat == "cap":
                peak = top + lift * size * .25 + front[:2] * size * 1.2 * np.array([1, .6])
                layer.limb(top + lift * size * .3, peak, size * .75, size * .45, look.hat_rgb * .85)
                layer.limb(top + lift * size * .38, top + lift * size * .2, size * .88, size * 1.0, look.hat_rgb)
            elif look.hat == "brim":
                middle = top + lift * size * .3
                layer.limb(middle - (size * .9, 0), middle + (size * .9, 0), size * .5, size * .5, look.hat_rgb * .8)
                layer.limb(middle + lift * size * .45, middle, size * .72, size * .9, look.hat_rgb)
            elif covered:
                layer.limb(neck + (0, size * .45), chin + (0, size * .35), size * .95, size * .6, look.hat_rgb)

        add(crown_d - .12, draw)

    def _bag(self, add, at, layer, bones, scale, front, wide, middle) -> None:
        look, h = self.look, self.look.tall
        s = h * scale
        if look.bag == "backpack":
            high, d = at(bones.neck - bones.ahead * .09 * h - np.array([0, 0, .05 * h]))
            low, _ = at(bones.hips - bones.ahead * .10 * h + np.array([0, 0, .05 * h]))
            r = (.05 + .035 * wide) * s

            def draw():
                layer.limb(high + (0, r * .6), low - (0, r * .6), r * .95, r, look.bag_rgb, body=True)
                layer.limb(low - (0, r * .9), low - (0, r * .6), r * .62, r * .66, look.bag_rgb * .8, body=True)

            add(d - (.02 if front[2] < 0 else -.1), draw)
        elif look.bag == "satchel":
            strap, d = at(bones.shoulder[0])
            bag, bd = at(bones.hips + bones.side * .13 * h + np.array([0, 0, .02 * h]))

            def draw():
                if front[2] > -.2:
                    layer.limb(strap, bag, .009 * s, .009 * s, look.bag_rgb * .6)
                layer.tube(bag - (0, .01 * s), bag + (0, .10 * s), [.05 * s, .055 * s, .05 * s], look.bag_rgb)

            add(min(middle, bd) - .15, draw)
        elif look.bag in ("handbag", "shopper"):
            hand, d = at(bones.hand[1])
            deep, half = (.17, .055) if look.bag == "shopper" else (.10, .06)

            def draw():
                layer.limb(hand, hand + (0, .04 * s), .02 * s, .03 * s, look.bag_rgb * .5, body=False)
                layer.tube(hand + (0, .035 * s), hand + (0, (.035 + deep) * s), [half * .8 * s, half * s, half * s],
                           look.bag_rgb, body=False, bow=-.01 * s)

            add(d - .08, draw)
        elif look.bag == "case":
            hand, d = at(bones.hand[1])
            foot, fd = at(bones.hips * (1, 1, 0) - bones.ahead * .30 * h + bones.side * .14 * h + np.array([0, 0, .04]))

            def draw():
                head = foot + np.array([0, -.34 * s])
                layer.limb(hand, head, .008 * s, .008 * s, np.array([.2, .2, .2]), body=False)
                layer.tube(head, foot, [.085 * s, .1 * s, .1 * s, .095 * s],
                           lambda u, v, *n: look.bag_rgb * (1 - .25 * (np.abs(np.sin(u * 9)) > .85))[..., None]
                           * np.ones_like(v)[..., None], body=False, bow=-.02 * s)

            add(fd, draw)


def shadow_shapes(look: Look, pose: Pose) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """The person as a few thick lines in metres, for casting a shadow."""
    bones = posed(look, pose)
    h = look.tall
    lines = [(bones.neck, bones.hips, .11 * h * look.broad), (bones.crown, bones.neck, .05 * h)]
    for side in (0, 1):
        lines += [(bones.hip[side], bones.knee[side], .055 * h), (bones.knee[side], bones.ankle[side], .035 * h),
                  (bones.ankle[side], bones.toe[side], .03 * h),
                  (bones.shoulder[side], bones.elbow[side], .035 * h), (bones.elbow[side], bones.hand[side], .025 * h)]
    if look.legs == "skirt" or look.cut == "coat":
        lines.append((bones.hips, (bones.knee[0] + bones.knee[1]) / 2, .11 * h))
    return lines
