"""Random page layouts by recursive guillotine cuts, fitted to the published statistics of real figures.

Nearly all real compound figures (97 % of 5,843 in Zou et al.'s PMC set) are recursive cuts of a page. The
constants below are quantiles measured there; no layout of the set is contained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .chance import one_of, weighted
from .layouts import CORNERS, SMALLEST, Layout, Rect, Slot, smallest_side

Rng = np.random.Generator

COUNTS = ((2, 22.5), (3, 11.3), (4, 11.0), (5, 3.6), (6, 5.6), (7, 1.4), (8, 1.8), (9, 1.1), (10, 0.7))
"""Panels of a compound figure and their share of all figures in percent, up to ten."""
MANY = ((11, 16, 1.2), (17, 36, 0.4))
"""(from, to, percent) of the larger figures."""
GAP_QUANTILES = (0.0, 0.05, 0.18, 0.25, 0.50, 0.75, 0.95, 0.99, 1.0)
GAP_X = (0.0, 0.0, 0.0, 0.002, 0.008, 0.020, 0.070, 0.145, 0.18)
GAP_Y = (0.0, 0.0, 0.0, 0.003, 0.010, 0.023, 0.068, 0.145, 0.18)
"""Gap between neighbours as a share of the page's width or height."""
ASPECT_QUANTILES = (0.0, 0.01, 0.25, 0.50, 0.75, 0.97, 1.0)
ASPECT = (0.42, 0.58, 1.02, 1.35, 1.62, 2.5, 4.5)
"""Width over height of a panel."""
CORNER_SHARES = (66.0, 1.2, 2.5, 0.7, 0.4, 0.4, 17.3, 6.3, 5.2)
"""Where the letter stands in its panel, in the order of ``CORNERS``."""
NEARLY_SQUARE = 1.15
UNLETTERED = 0.151


@dataclass
class Cut:
    """A part of the page: a panel, or ``parts`` side by side (``axis`` 0) or one above the other (1)."""

    axis: int = 0
    parts: list[Cut] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(part.count for part in self.parts) if self.parts else 1


def random_layout(rng: Rng, crowd: float = 0.0) -> Layout:
    """A layout of two or more panels; with ``crowd`` above 0 many panels are commoner than in reality."""
    while True:
        count = _count(rng)
        if rng.random() < crowd:
            count = max(count, _count(rng))
        tree = random_tree(rng, count)
        gap_x, gap_y = random_gaps(rng)
        aspect = _page_aspect(rng, tree)
        boxes: list[Rect] = []
        place(tree, (0.0, 0.0, 1.0, 1.0), gap_x, gap_y, boxes)
        corner = random_corner(rng) if rng.random() >= UNLETTERED else ""
        layout = Layout(aspect, tuple(Slot(box, corner) for box in boxes), letter_height(rng))
        if smallest_side(layout) > SMALLEST:
            return layout


def letter_height(rng: Rng) -> float:
    """Height of the letters over the height of the page: median .033, 5 and 95 % .016 and .078."""
    return float(np.clip(0.033 * math.exp(0.47 * rng.standard_normal()), 0.013, 0.11))


def random_corner(rng: Rng) -> str:
    """Where the letters of a figure stand in their panels, by the measured shares."""
    return CORNERS[weighted(rng, CORNER_SHARES)]


def random_gaps(rng: Rng) -> tuple[float, float]:
    """Horizontal and vertical gap of a figure, as shares of its width and height; alike as in reality."""
    first = rng.random()
    second = first if rng.random() < 0.7 else rng.random()
    return float(np.interp(first, GAP_QUANTILES, GAP_X)), float(np.interp(second, GAP_QUANTILES, GAP_Y))


def random_tree(rng: Rng, count: int) -> Cut:
    """A cut tree of ``count`` panels: a grid, unequal rows, one large beside small ones, or free cuts."""
    kind = rng.random()
    if count == 2 or (count == 3 and kind < 0.62):
        tree = _line(rng, [1] * count)
    elif kind < 0.55:
        tree = _grid(rng, count)
    elif kind < 0.75:
        tree = _unequal_rows(rng, count)
    elif kind < 0.85:
        tree = _one_large(rng, count)
    else:
        tree = _free(rng, count, int(rng.integers(2)))
    return tree


def place(tree: Cut, area: Rect, gap_x: float, gap_y: float, out: list[Rect]) -> None:
    """Append the panels of ``tree`` laid out in ``area``, with gaps in the area's units."""
    if not tree.parts:
        out.append(area)
        return
    gap = (gap_x, gap_y)[tree.axis]
    low, high = area[tree.axis], area[tree.axis + 2]
    room = (high - low) - gap * (len(tree.parts) - 1)
    if room < 0.3 * (high - low):
        gap, room = 0.0, high - low
    at, total = low, sum(tree.sizes)
    for part, size in zip(tree.parts, tree.sizes, strict=True):
        end = at + room * size / total
        inner = (at, area[1], end, area[3]) if tree.axis == 0 else (area[0], at, area[2], end)
        place(part, inner, gap_x, gap_y, out)
        at = end + gap


def _count(rng: Rng) -> int:
    shares = [share for _, share in COUNTS] + [share for *_, share in MANY]
    drawn = weighted(rng, shares)
    if drawn < len(COUNTS):
        return COUNTS[drawn][0]
    low, high, _ = MANY[drawn - len(COUNTS)]
    # Large figures are nearly always full grids.
    sizes = [r * c for r in range(2, 8) for c in range(2, 8) if low <= r * c <= high]
    return one_of(rng, sizes) if rng.random() < 0.6 else int(rng.integers(low, high + 1))


def _sizes(rng: Rng, count: int, equal: float = 0.6) -> list[float]:
    """Relative sizes of neighbours: mostly equal, else within a factor of about two."""
    if rng.random() < equal:
        return [1.0] * count
    return [float(v) for v in np.exp(0.25 * rng.standard_normal(count))]


def _line(rng: Rng, counts: list[int], axis: int | None = None) -> Cut:
    axis = int(rng.random() < 0.42) if axis is None else axis
    return Cut(axis, [Cut() for _ in counts], _sizes(rng, len(counts)))


def _grid(rng: Rng, count: int) -> Cut:
    shapes = [(r, count // r) for r in range(1, count + 1) if count % r == 0]
    # Near-square grids are common, long strips rare; a prime number above 3 has no grid.
    weights = [math.exp(-1.6 * abs(math.log(c / r))) for r, c in shapes]
    if count > 3 and len(shapes) == 2:
        return _unequal_rows(rng, count)
    rows, columns = shapes[weighted(rng, weights)]
    if rows == 1 or columns == 1:
        return _line(rng, [1] * count, axis=1 if columns == 1 else 0)
    common = _sizes(rng, columns)
    lines = [Cut(0, [Cut() for _ in range(columns)], common) for _ in range(rows)]
    return Cut(1, lines, _sizes(rng, rows))


def _unequal_rows(rng: Rng, count: int) -> Cut:
    """Rows of different numbers of panels (three over two); sometimes columns instead."""
    rows = int(rng.integers(2, max(3, min(6, round(math.sqrt(count) * 1.3) + 1))))
    cuts = np.sort(rng.choice(np.arange(1, count), size=min(rows, count) - 1, replace=False))
    if rng.random() < 0.6:  # as even as possible
        cuts = np.round(np.arange(1, rows) * count / rows).astype(np.int64)
    counts = [int(v) for v in np.diff(np.concatenate([[0], cuts, [count]])) if v > 0]
    axis = int(rng.random() < 0.75)
    lines = [_line(rng, [1] * n, 1 - axis) if n > 1 else Cut() for n in counts]
    return Cut(axis, lines, _sizes(rng, len(lines), 0.45))


def _one_large(rng: Rng, count: int) -> Cut:
    """One large panel beside, above or below the others."""
    rest = _line(rng, [1] * (count - 1)) if count < 5 else _grid(rng, count - 1)
    axis = int(rng.random() < 0.5)
    if rest.parts and count < 5:
        rest.axis = 1 - axis
    share = float(rng.uniform(0.9, 2.2))
    parts, sizes = [Cut(), rest if count > 2 else Cut()], [share, 1.0]
    if rng.random() < 0.4:
        parts.reverse()
        sizes.reverse()
    return Cut(axis, parts, sizes)


def _free(rng: Rng, count: int, axis: int) -> Cut:
    if count == 1:
        return Cut()
    pieces = int(rng.integers(2, min(count, 4) + 1))
    counts = np.ones(pieces, np.int64) + rng.multinomial(count - pieces, np.full(pieces, 1 / pieces))
    parts = [_free(rng, int(n), 1 - axis) for n in counts]
    sizes = [float(n) ** 0.6 * math.exp(0.2 * rng.standard_normal()) for n in counts]
    return Cut(axis, parts, sizes)


def _page_aspect(rng: Rng, tree: Cut) -> float:
    """The page's w/h at which the middle panel gets a common aspect, within what journals print."""
    boxes: list[Rect] = []
    place(tree, (0.0, 0.0, 1.0, 1.0), 0.0, 0.0, boxes)
    middle = float(np.median([(b[2] - b[0]) / (b[3] - b[1]) for b in boxes]))
    wanted = float(np.interp(rng.random(), ASPECT_QUANTILES, ASPECT))
    # Pages lean towards nearly square: a row is of narrower panels than a column.
    leaning = (wanted / middle) ** 0.66 * NEARLY_SQUARE**0.34
    return float(np.clip(leaning, 0.4, 4.0))
