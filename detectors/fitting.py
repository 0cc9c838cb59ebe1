"""From scored boxes to panels: edges moved onto gutters, and the most likely set of boxes that fit together.

A network says roughly where panels are, the pixels say exactly where a gutter or a line runs. So every box's
edges move to the best blank run, or else the sharpest line, near them, and the box is cut to its ink. Of
boxes that overlap, those are kept that explain the figure best: a set is worth the sum of its scores' logits
and a bonus for the share of the figure's ink that it covers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .boxes import nms
from .ink import TOLERANCE, Colour, background, differs, runs, snap, with_extent

if TYPE_CHECKING:
    from ..core.images import FigureImage
    from ..core.records import Box

Floats = NDArray[np.float64]

WORKING_SIDE = 512
"""Longer side, in pixels, of the copy in which edges are moved."""
MOST = 48
"""Boxes looked at in one figure, the surest."""
STEPS = 20_000
"""Sets tried, of boxes that overlap, before the best so far is taken."""


@dataclass(frozen=True)
class Rules:
    """What evidence weighs, in units of a logit; lengths are shares of the figure's side."""

    faint: float = 0.1
    """Boxes below this score are not looked at."""
    reach: float = 0.006
    """How far an edge may move to a blank run."""
    line: float = 0.015
    """How far an edge may move to a line."""
    grow: float = 0.03
    """How far an edge that cuts through ink may move out to a place where it does not."""
    alike: float = 0.8
    """IoU above which the less sure of two boxes says nothing new."""
    shared: float = 0.15
    """Largest share of the smaller of two boxes that may lie in the other."""
    cover: float = 2.0
    """Worth of covering all ink."""


@dataclass(frozen=True)
class Page:
    """The pixels that edges are judged by."""

    down: NDArray[np.int32]
    """Ink above each place, ``(h + 1, w)``: what a column of a box holds is one subtraction."""
    right: NDArray[np.int32]
    """Ink left of each place, ``(h, w + 1)``."""
    grey: NDArray[np.int16]
    colour: Colour | None

    @classmethod
    def of(cls, rgb: NDArray[np.uint8]) -> Page:
        """Of an ``(h, w, 3)`` image; where no background is found, all is ink."""
        planes = np.ascontiguousarray(np.moveaxis(rgb, 2, 0))
        height, width = int(rgb.shape[0]), int(rgb.shape[1])
        colour = background(planes)
        ink = np.full((height, width), colour is None, np.bool_)
        for plane, value in zip(planes, colour or (), strict=False):
            ink |= differs(plane, value, TOLERANCE)
        down = np.zeros((height + 1, width), np.int32)
        right = np.zeros((height, width + 1), np.int32)
        np.cumsum(ink, axis=0, out=down[1:])
        np.cumsum(ink, axis=1, out=right[:, 1:])
        return cls(down, right, planes[1].astype(np.int16), colour)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return int(self.down.shape[1]), int(self.right.shape[0])

    def profile(self, box: Box, axis: int) -> NDArray[np.int32]:
        """How much ink each column (axis 0) or row (axis 1) of a box holds."""
        x0, y0, x1, y1 = box
        if axis == 0:
            return self.down[y1, x0:x1] - self.down[y0, x0:x1]
        return self.right[y0:y1, x1] - self.right[y0:y1, x0]

    def tight(self, box: Box) -> Box:
        """``box`` cut to its ink; itself where it holds none."""
        across = np.flatnonzero(self.profile(box, 0))
        if not len(across):
            return box
        x0, x1 = box[0] + int(across[0]), box[0] + int(across[-1]) + 1
        along = np.flatnonzero(self.profile((x0, box[1], x1, box[3]), 1))
        return x0, box[1] + int(along[0]), x1, box[1] + int(along[-1]) + 1

    def moved(self, box: Box, rules: Rules) -> Box:
        """``box``, if it holds ink, with each edge on the best blank run or line near it, cut to its ink."""
        if not self.profile(box, 0).any():
            return box
        for end in (0, 1, 2, 3):
            box = _with_edge(box, end, self._edge(box, end, rules))
        return self.tight(box)

    def _edge(self, box: Box, end: int, rules: Rules) -> int:
        """Where the edge ``end`` (0..3 as in a box) should stand."""
        axis, at = end % 2, box[end]
        limit = self.size[axis]
        reach = max(3, round(rules.reach * limit))
        low, high = max(0, at - reach), min(limit, at + reach)
        middle = (box[axis] + box[axis + 2]) // 2
        low, high = (low, min(high, middle)) if end < 2 else (max(low, middle), high)
        if high - low < 2:
            return at
        blank = runs(self.profile(_inset(box, axis, low, high), axis) == 0)
        if blank:
            # The side of the run that faces the box's inside.
            a, b = max(blank, key=lambda run: _pull(run, at - low, high - low))
            return low + (b if end < 2 else a)
        line = self._line(box, axis, at, max(2, round(rules.line * limit)))
        return line if line != at else self._grown(box, end, round(rules.grow * limit))

    def _grown(self, box: Box, end: int, reach: int) -> int:
        """The nearest place further out, up to ``reach``, where the edge cuts through no ink."""
        axis, at = end % 2, box[end]
        low, high = (max(0, at - reach), at) if end < 2 else (at, min(self.size[axis], at + reach))
        if high <= low:
            return at
        free = np.flatnonzero(self.profile(with_extent(box, axis, low, high), axis) == 0)
        if not len(free):
            return at
        return low + int(free[-1]) + 1 if end < 2 else low + int(free[0])

    def _line(self, box: Box, axis: int, at: int, reach: int) -> int:
        """The place within ``reach`` of ``at`` where the grey changes over most of the box's extent."""
        limit = self.size[axis]
        low, high = max(1, at - reach), min(limit - 1, at + reach + 1)
        x0, y0, x1, y1 = box
        if high <= low or at <= 1 or at >= limit - 1:
            return at
        part = self.grey[y0:y1, low - 1 : high].T if axis == 0 else self.grey[low - 1 : high, x0:x1]
        steps = (np.abs(np.diff(part, axis=0)) > 18).mean(axis=1)
        best = int(np.argmax(steps - 0.004 * np.abs(np.arange(low, high) - at)))
        # Half of the extent, and more than its surroundings: a coarse texture changes everywhere.
        return low + best if steps[best] > max(0.5, 1.5 * float(np.median(steps))) else at


def fitted(
    image: FigureImage, boxes: Floats, scores: Floats, least: float, rules: Rules = Rules()
) -> list[tuple[Box, float]]:
    """Panels of ``image`` with scores, from ``(n, 4)`` boxes in its pixels and their scores.

    A box alone is kept from the score ``least`` upwards; less where it covers what no other does.
    """
    keep = np.flatnonzero(scores >= rules.faint)
    keep = keep[nms(boxes[keep], scores[keep], rules.alike)][:MOST]
    boxes, scores = boxes[keep], scores[keep]
    small, scale = image.resized(WORKING_SIDE)
    page = Page.of(small)
    near = [page.moved(_whole(box * scale, page.size), rules) for box in boxes]
    kept = _best_set(page, near, scores, least, rules)
    return [(_full_size(image, near[i], scale, page.colour), float(scores[i])) for i in kept]


def snapped(image: FigureImage, boxes: Floats, rules: Rules = Rules()) -> list[Box]:
    """``boxes`` in pixels of ``image``, each with its edges moved and cut to its ink."""
    small, scale = image.resized(WORKING_SIDE)
    page = Page.of(small)
    near = [page.moved(_whole(box * scale, page.size), rules) for box in boxes]
    return [_full_size(image, box, scale, page.colour) for box in near]


def _best_set(page: Page, boxes: Sequence[Box], scores: Floats, least: float, rules: Rules) -> list[int]:
    """Rows of the boxes that are worth most together, none of which overlap."""
    if not boxes:
        return []
    whole = max(1, int(page.down[-1].sum()))
    shares = np.array([page.profile(box, 0).sum() / whole for box in boxes])
    worth = _logit(scores) - _logit(np.array([least])) + rules.cover * shares
    left = [int(i) for i in np.argsort(-worth, kind="stable") if worth[i] > 0]
    clash = _clashes(np.array(boxes, np.float64), rules.shared)
    best: list[int] = []
    while left:
        # Boxes that overlap, directly or through others, are decided together and apart from the rest.
        group = [left[0]]
        for row in group:
            group += [other for other in left if clash[row, other] and other not in group]
        best += _best_of([row for row in left if row in group], worth, clash)
        left = [row for row in left if row not in group]
    return best


def _best_of(order: Sequence[int], worth: Floats, clash: NDArray[np.bool_]) -> list[int]:
    """The rows of ``order`` that are worth most together, none of which clash: depth first, with a bound."""
    rest = np.concatenate([np.cumsum(worth[order][::-1])[::-1], [0.0]]).tolist()
    gain = worth[order].tolist()
    # Sets of places are the bits of a number.
    against = [sum(1 << k for k, other in enumerate(order) if clash[row, other]) for row in order]
    best, most = 0, 0.0
    stack = [(0, 0.0, 0)]
    for _ in range(STEPS):
        if not stack:
            break
        place, value, chosen = stack.pop()
        if value > most:
            best, most = chosen, value
        if place == len(order) or value + rest[place] <= most:
            continue
        stack.append((place + 1, value, chosen))
        if not against[place] & chosen:
            stack.append((place + 1, value + gain[place], chosen | 1 << place))
    return [row for k, row in enumerate(order) if best >> k & 1]


def _clashes(boxes: Floats, shared: float) -> NDArray[np.bool_]:
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0.0), axis=2)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    out: NDArray[np.bool_] = common > shared * np.minimum(areas[:, None], areas[None, :])
    return out


def _logit(scores: Floats) -> Floats:
    clipped = np.clip(scores, 1e-3, 1 - 1e-3)
    out: Floats = np.log(clipped / (1 - clipped))
    return out


def _pull(run: tuple[int, int], at: int, length: int) -> float:
    """How well a blank run suits an edge at ``at``: wide, near, and best around it."""
    distance = max(0, run[0] - at, at - run[1])
    return min(run[1] - run[0], 0.3 * length) - distance


def _inset(box: Box, axis: int, low: int, high: int) -> Box:
    """The band ``low``..``high`` along an axis, as wide as the box less a margin."""
    other = 1 - axis
    margin = (box[other + 2] - box[other]) // 20
    band = with_extent(box, axis, low, high)
    return with_extent(band, other, box[other] + margin, box[other + 2] - margin)


def _with_edge(box: Box, end: int, at: int) -> Box:
    edges = list(box)
    edges[end] = at
    x0, y0, x1, y1 = edges
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else box


def _whole(box: Floats, size: tuple[int, int]) -> Box:
    """A box in whole pixels of the page, at least one pixel large."""
    x0, y0, x1, y1 = (int(v) for v in np.floor(np.clip(box, 0, [*size, *size]) + 0.5))
    x0, y0 = min(x0, size[0] - 1), min(y0, size[1] - 1)
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
