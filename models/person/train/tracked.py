"""How well people are followed: MOTA, IDF1 and changes of identity, against a clip's ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Sequence

import numpy as np

from count import Detector, Tracker, iou


@dataclass
class Score:
    """Sums over clips; boxes agree from IoU 0.5 on."""

    people: int = 0
    """True boxes of people at least half visible."""
    boxes: int = 0
    missed: int = 0
    wrong: int = 0
    switches: int = 0
    same: int = 0
    """Boxes right under the best one-to-one pairing of people and tracks over the whole clip."""

    def __add__(self, other: "Score") -> "Score":
        return Score(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def mota(self) -> float:
        """1 less the share of misses, false boxes and switches (CLEAR MOT, doi:10.1155/2008/246309)."""
        return 1 - (self.missed + self.wrong + self.switches) / max(1, self.people)

    @property
    def idf1(self) -> float:
        """Share of boxes with the right identity (arXiv:1609.01775)."""
        return 2 * self.same / max(1, self.people + self.boxes)


@dataclass
class _Frame:
    truth: np.ndarray
    """Rows of person, corners, and 1 where it must be found."""
    tracks: list[int]
    boxes: np.ndarray
    overlaps: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        empty = not len(self.truth) or not len(self.boxes)
        self.overlaps = np.zeros((len(self.truth), len(self.boxes))) if empty else iou(self.truth[:, 1:5], self.boxes)


def followed(pictures: Iterable[tuple[int, np.ndarray]], detector: Detector, line: dict, fps: float, truth: Sequence) -> Score:
    """Detects, tracks with the reference tracker, and scores the tracks seen for a second or more."""
    tracker, seen = Tracker(line["a"], line["b"]), []
    for index, picture in pictures:
        tracker.update(index / fps, detector(picture))
        seen.append([(track, track.box.copy()) for track in tracker.tracks if track.seen_s == index / fps])
    frames = []
    for index, tracks in enumerate(seen):
        real = [(track.number, box) for track, box in tracks if track.hits / fps >= tracker.sure_s]
        rows = np.array(truth[index], float).reshape(-1, 6)
        corners = np.concatenate([rows[:, :3], rows[:, 1:3] + rows[:, 3:5], rows[:, 5:] >= .5], 1)
        frames.append(_Frame(corners, [number for number, _ in real], np.array([box for _, box in real]).reshape(-1, 4)))
    return _scored(frames)


def _scored(frames: list[_Frame]) -> Score:
    score, last, together = Score(), {}, {}
    for frame in frames:
        before = dict(last)
        free, pairs = set(range(len(frame.boxes))), []
        order = [(person, column) for person, column in np.argwhere(frame.overlaps >= .5)]
        # Whoever was paired in the last frame stays so while they overlap; then the best overlap first.
        kept = lambda p, c: before.get(int(frame.truth[p, 0])) == frame.tracks[c]
        order.sort(key=lambda pc: (not kept(*pc), -frame.overlaps[pc]))
        left = set(range(len(frame.truth)))
        for person, column in order:
            if person in left and column in free:
                left.discard(person), free.discard(column)
                pairs.append((person, column))
        wanted = frame.truth[:, 5] == 1
        # A box on somebody who is too hidden to ask for counts neither way.
        aside = {column for person, column in pairs if not wanted[person]}
        for person, column in pairs:
            who, track = int(frame.truth[person, 0]), frame.tracks[column]
            if wanted[person]:
                score.switches += who in before and before[who] != track
                last[who] = track
        score.people += int(wanted.sum())
        score.boxes += len(frame.boxes) - len(aside)
        score.missed += sum(1 for person in left if wanted[person])
        score.wrong += len(free)
        for person, column in np.argwhere(frame.overlaps >= .5):
            if wanted[person] and column not in aside:
                pair = (int(frame.truth[person, 0]), frame.tracks[column])
                together[pair] = together.get(pair, 0) + 1
    people, tracks = ({pair[side] for pair in together} for side in (0, 1))
    table = np.array([[together.get((p, t), 0) for t in sorted(tracks)] for p in sorted(people)]).reshape(len(people), len(tracks))
    score.same = _best_pairing(table)
    return score


def _best_pairing(gains: np.ndarray) -> int:
    """The largest sum of entries, no two in a row or column (Hungarian method with potentials)."""
    if not gains.size:
        return 0
    gains = gains if gains.shape[0] <= gains.shape[1] else gains.T
    rows, columns = gains.shape
    cost = np.vstack([np.zeros(columns + 1), np.hstack([np.zeros((rows, 1)), -gains.astype(float)])])
    u, v, owner = np.zeros(rows + 1), np.zeros(columns + 1), np.zeros(columns + 1, int)
    for row in range(1, rows + 1):
        owner[0], at = row, 0
        least, way, used = np.full(columns + 1, np.inf), np.zeros(columns + 1, int), np.zeros(columns + 1, bool)
        while True:
            used[at] = True
            slack = cost[owner[at]] - u[owner[at]] - v
            better = ~used & (slack < least)
            least[better], way[better] = slack[better], at
            nearest = int(np.where(used, np.inf, least)[1:].argmin()) + 1
            step = least[nearest]
            u[owner[used]] += step
            v[used] -= step
            least[~used] -= step
            at = nearest
            if owner[at] == 0:
                break
        while at:
            owner[at], at = owner[way[at]], way[at]
    return int(sum(gains[owner[c] - 1, c - 1] for c in range(1, columns + 1) if owner[c]))
