"""From scored boxes to panels: the most likely set of panels that cuts of the figure can make.

97 % of real compound layouts are recursive cuts, and the pixels say exactly where a gutter runs, while a
network says only roughly where a panel is. So the figure is cut recursively where blank runs, thin lines or
edges of detections suggest it, and of all partitions the one is taken whose pieces the detections explain
best: a piece is worth the logit of its detection's score less what their overlap lacks. Pieces are then
tight to the ink at full size. Detections that no cuts can make (panels around a corner) stand as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .boxes import nms
from .ink import TOLERANCE, Colour, Mask, background, differs, inked, runs, snap, tight, with_extent

if TYPE_CHECKING:
    from ..core.images import FigureImage
    from ..core.records import Box

Floats = NDArray[np.float64]

WORKING_SIDE = 640
"""Longer side, in pixels, of the copy in which cuts are searched."""
CUTS = 10
"""Cuts tried for one piece along one axis, the best supported ones."""
LIMIT = 3000
"""Pieces looked at in one figure."""


@dataclass(frozen=True)
class Rules:
    """What evidence weighs, in units of a logit; lengths are shares of the figure's side."""

    faint: float = 0.05
    """Detections below this score are not looked at."""
    overlap: float = 4.0
    """Weight of the logarithm of a piece's IoU with its detection."""
    unexplained: float = -3.0
    """Worth of a piece that no detection explains."""
    bare_cut: float = -0.7
    """Cost of a cut that no blank run or line supports."""
    waste: float = -0.7
    """Cost of leaving out a strip at an edge of a piece, such as a heading or a legend."""
    reach: float = 0.05
    """How far from a cut an edge of a detection may lie and still ask for it."""
    nms: float = 0.6


@dataclass
class _Cut:
    """Where a piece may be parted: everything before ``low`` and after ``high``."""

    low: int
    high: int
    cost: float


@dataclass
class _Best:
    worth: float
    pieces: list[tuple[Box, float]]


def partition(
    image: FigureImage, boxes: Floats, scores: Floats, least: float, rules: Rules = Rules()
) -> list[tuple[Box, float]]:
    """Panels of ``image`` with scores, from ``(n, 4)`` boxes in its pixels and their scores.

    ``least`` is the score from which a detection counts by itself. Empty where nothing is detected.
    """
    keep = scores >= rules.faint
    boxes, scores = boxes[keep], scores[keep]
    if not len(scores):
        return []
    small, scale = image.resized(WORKING_SIDE)
    page = _Page.of(small)
    near = np.clip(boxes * scale, 0, [small.shape[1], small.shape[0]] * 2)
    search = _Search(page, near, scores, rules)
    found = search.run()
    plain = _plain(near, scores, least, rules)
    if search.worth(plain) > found.worth + 2.0:
        chosen = [(page.trim(box), score) for box, score in plain]
    else:
        chosen = [piece for piece in found.pieces if piece[1] >= rules.faint]
    return [(_full_size(image, box, scale, page.colour), score) for box, score in chosen]


def _plain(boxes: Floats, scores: Floats, least: float, rules: Rules) -> list[tuple[Box, float]]:
    sure = np.flatnonzero(scores > least)
    sure = sure[nms(boxes[sure], scores[sure], rules.nms)]
    return [(_whole(boxes[i]), float(scores[i])) for i in sure]


def _whole(box: Floats) -> Box:
    x0, y0, x1, y1 = (int(v) for v in np.floor(box + 0.5))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _full_size(image: FigureImage, box: Box, scale: float, colour: Colour | None) -> Box:
    x0, y0, x1, y1 = box
    out = (
        max(0, math.floor(x0 / scale)),
        max(0, math.floor(y0 / scale)),
        min(image.width, math.ceil(x1 / scale)),
        min(image.height, math.ceil(y1 / scale)),
    )
    if colour is not None and scale < 1:
        out = snap(image.pixels, out, colour, math.ceil(1.5 / scale))
    return out


@dataclass
class _Page:
    """The pixels that cuts are judged by."""

    ink: Mask
    grey: NDArray[np.int16]
    colour: Colour | None

    @classmethod
    def of(cls, rgb: NDArray[np.uint8]) -> _Page:
        planes = np.ascontiguousarray(np.moveaxis(rgb, 2, 0))
        colour = background(planes)
        if colour is None:
            ink = np.ones(rgb.shape[:2], np.bool_)
        else:
            ink = np.zeros(rgb.shape[:2], np.bool_)
            for plane, value in zip(planes, colour, strict=True):
                ink |= differs(plane, value, TOLERANCE)
        return cls(ink, planes[1].astype(np.int16), colour)

    def trim(self, box: Box) -> Box:
        """``box`` tight to its ink; itself where it holds none."""
        return tight(self.ink, box) or box

    def gaps(self, box: Box, axis: int) -> list[tuple[int, int]]:
        """Blank runs inside a box, along ``axis``."""
        x0, y0, x1, y1 = box
        at = box[axis]
        return [(at + a, at + b) for a, b in runs(~inked(self.ink[y0:y1, x0:x1], axis))]

    def line(self, box: Box, axis: int, at: int, reach: int) -> tuple[int, float]:
        """The place within ``reach`` of ``at`` where the grey changes most across the whole box, and how much
        of the extent changes there (0..1)."""
        x0, y0, x1, y1 = box
        low, high = max(box[axis] + 1, at - reach), min(box[axis + 2] - 1, at + reach + 1)
        if low >= high:
            return at, 0.0
        if axis == 0:
            part = self.grey[y0:y1, low - 1 : high].T
        else:
            part = self.grey[low - 1 : high, x0:x1]
        steps = (np.abs(np.diff(part, axis=0)) > 18).mean(axis=1)
        best = int(np.argmax(steps - 0.002 * np.abs(np.arange(low, high) - at)))
        return low + best, float(steps[best])


@dataclass
class _Search:
    """Dynamic programming over rectangles: the best set of pieces of each, remembered."""

    page: _Page
    boxes: Floats
    scores: Floats
    rules: Rules
    known: dict[tuple[Box, int], _Best] = field(default_factory=dict)

    def __post_init__(self) -> None:
        height, width = self.page.ink.shape
        self.size = (width, height)
        clipped = np.clip(self.scores, 1e-4, 1 - 1e-4)
        self.logits = np.log(clipped / (1 - clipped))
        self.areas = np.prod(np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0.0), axis=1)
        self.centres = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2

    def run(self) -> _Best:
        """The best partition of the whole figure."""
        whole = self.page.trim((0, 0, *self.size))
        return max((self.best(whole, axis) for axis in (0, 1)), key=lambda best: best.worth)

    def worth(self, pieces: Sequence[tuple[Box, float]]) -> float:
        """What a set of boxes is worth as pieces."""
        return sum(self.leaf(box)[0] for box, _ in pieces) if pieces else -math.inf

    def best(self, box: Box, axis: int) -> _Best:
        """The best way to see ``box``: as one piece, or parted along ``axis`` and then along the other."""
        known = self.known.get((box, axis))
        if known is not None:
            return known
        worth, score = self.leaf(box)
        out = _Best(worth, [(box, score)])
        inside = self._inside(box)
        if len(inside) > 1 and len(self.known) < LIMIT:
            parted = self._parted(box, axis, inside)
            if parted is not None and parted.worth > out.worth + 1e-9:
                out = parted
        self.known[box, axis] = out
        return out

    def _parted(self, box: Box, axis: int, inside: NDArray[np.int64]) -> _Best | None:
        """The best row of two or more pieces along ``axis``: a shortest path over the cuts."""
        cuts = self.cuts(box, axis, inside)
        if not cuts:
            return None
        ends = [_Cut(box[axis], box[axis], 0.0), *cuts, _Cut(box[axis + 2], box[axis + 2], 0.0)]
        paths: list[_Best | None] = [_Best(0.0, [])]
        for j in range(1, len(ends)):
            best: _Best | None = None
            for i, before in enumerate(paths):
                if before is None or (i, j) == (0, len(ends) - 1):
                    continue
                value = self._segment(box, axis, ends[i].high, ends[j].low)
                if value is None:
                    continue
                total = before.worth + value.worth + ends[j].cost
                if best is None or total > best.worth:
                    best = _Best(total, [*before.pieces, *value.pieces])
            paths.append(best)
        return paths[-1]

    def _segment(self, box: Box, axis: int, low: int, high: int) -> _Best | None:
        """The best of a strip of ``box``; a thin one may be left out."""
        if high - low < 4:
            return None
        piece = tight(self.page.ink, with_extent(box, axis, low, high))
        if piece is None:
            return _Best(0.0, [])
        best = self.best(piece, 1 - axis)
        thin = min((piece[2] - piece[0]) / self.size[0], (piece[3] - piece[1]) / self.size[1]) < 0.12
        return _Best(self.rules.waste, []) if thin and best.worth < self.rules.waste else best

    def leaf(self, box: Box) -> tuple[float, float]:
        """Worth of ``box`` as one piece, and the score it gets."""
        overlap = self._overlap(box)
        values = self.logits + self.rules.overlap * np.log(np.maximum(overlap, 1e-3))
        best = int(np.argmax(values))
        if values[best] < self.rules.unexplained:
            return self.rules.unexplained, 0.0
        return float(values[best]), float(self.scores[best] * overlap[best])

    def cuts(self, box: Box, axis: int, inside: NDArray[np.int64]) -> list[_Cut]:
        """Cuts that edges of detections ask for, in order: on the widest blank run near, else on a line."""
        reach = max(3.0, self.rules.reach * self.size[axis])
        edges = np.concatenate([self.boxes[inside, axis], self.boxes[inside, axis + 2]])
        weights = np.tile(self.scores[inside], 2)
        within = (edges > box[axis] + 3) & (edges < box[axis + 2] - 3)
        if not within.any():
            return []
        gaps = self.page.gaps(box, axis)
        found: dict[int, tuple[float, _Cut]] = {}
        for at, support in _clusters(edges[within], weights[within], 0.4 * reach):
            near = [gap for gap in gaps if gap[0] - reach <= at <= gap[1] + reach]
            if near:
                low, high = max(near, key=lambda gap: (gap[1] - gap[0]) - 0.5 * _distance(at, gap))
                cut = _Cut(low, high, 0.0)
            else:
                place, share = self.page.line(box, axis, round(at), max(2, round(0.4 * reach)))
                cut = _Cut(place, place, self.rules.bare_cut * (1 - share))
            support += found.get(cut.low, (0.0, cut))[0]
            found[cut.low] = (support, cut)
        chosen = sorted(found.values(), key=lambda item: -item[0])[:CUTS]
        return sorted((cut for _, cut in chosen), key=lambda cut: cut.low)

    def _inside(self, box: Box) -> NDArray[np.int64]:
        low, high = np.array(box[:2]), np.array(box[2:])
        return np.flatnonzero(((self.centres > low) & (self.centres < high)).all(axis=1))

    def _overlap(self, box: Box) -> Floats:
        low = np.maximum(self.boxes[:, :2], box[:2])
        high = np.minimum(self.boxes[:, 2:], box[2:])
        shared = np.prod(np.maximum(high - low, 0.0), axis=1)
        union = self.areas + (box[2] - box[0]) * (box[3] - box[1]) - shared
        out: Floats = shared / np.maximum(union, 1e-9)
        return out


def _clusters(values: Floats, weights: Floats, apart: float) -> list[tuple[float, float]]:
    """Values no more than ``apart`` from their neighbours, together: weighted mean and sum of weights."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    starts = np.flatnonzero(np.diff(values, prepend=-math.inf) > apart)
    sums = np.add.reduceat(weights, starts)
    means = np.add.reduceat(values * weights, starts) / sums
    return list(zip(means.tolist(), sums.tolist(), strict=True))


def _distance(at: float, gap: tuple[int, int]) -> float:
    return max(0.0, gap[0] - at, at - gap[1])


def refined(image: FigureImage, boxes: Any, scores: Any, least: float, mode: str) -> list[tuple[Box, float]]:
    """Panels by ``mode``: ``cuts`` (:func:`partition`), ``snap`` (boxes tight to their ink) or ``none``."""
    boxes, scores = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(scores, np.float64)
    if mode == "cuts":
        return partition(image, boxes, scores, least)
    rules = Rules()
    plain = _plain(boxes, scores, least, rules)
    if mode == "none":
        return plain
    small, scale = image.resized(WORKING_SIDE)
    page = _Page.of(small)
    return [
        (_full_size(image, page.trim(_whole(np.array(box) * scale)), scale, page.colour), score)
        for box, score in plain
    ]
