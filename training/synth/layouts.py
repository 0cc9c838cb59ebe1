"""Page layouts: where the panels of a figure stand, and real ones read from an annotation file.

Coordinates are shares of the page's width and height, origin top left. The file is a CSV without header,
one panel a row: ``path,x1,y1,x2,y2,panel,lx1,ly1,lx2,ly2,label`` (the last five empty without a letter), as
published by Zou et al. (2020) for figures of PMC. It is read where it lies and never copied.
"""

from __future__ import annotations

import csv
import functools
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import InputError, UsageError
from .chance import one_of

Rng = np.random.Generator
Rect = tuple[float, float, float, float]

CORNERS = ("tl", "tc", "tr", "ml", "mc", "mr", "bl", "bc", "br")
"""Where a letter stands in its panel: top, middle, bottom; left, centre, right."""
COVERED = 0.3
"""A layout with a panel covered by another to this share is nested and left out."""
SMALLEST = 0.04
"""Least side of a slot, as a share of the page's longer side."""


@dataclass(frozen=True)
class Slot:
    """Room for one panel, with its letter; ``corner`` says where that stands, empty for none."""

    box: Rect
    corner: str = ""


@dataclass(frozen=True)
class Layout:
    """The slots of a page of width over height ``aspect``; ``letter`` is the letters' height as a share of
    the page's. Slots do not overlap."""

    aspect: float
    slots: tuple[Slot, ...]
    letter: float = 0.033


class LayoutBank:
    """The compound layouts of an annotation file, and random variations of them."""

    def __init__(self, layouts: list[Layout]) -> None:
        self.layouts = layouts

    def sample(self, rng: Rng, crowd: float = 0.0) -> Layout:
        """A layout as it is in the file; with ``crowd`` above 0 many panels are commoner than there."""
        layout = one_of(rng, self.layouts)
        if rng.random() < crowd:
            other = one_of(rng, self.layouts)
            layout = max(layout, other, key=lambda one: len(one.slots))
        return layout


@functools.lru_cache(maxsize=4)
def read_layouts(path: Path) -> LayoutBank:
    """The compound figures of an annotation file, without nested ones.

    Raises UsageError where the file is missing and InputError, with the line, where it is not of the form.
    """
    if not path.is_file():
        raise UsageError(f"no layout file {path}: give the path of a CSV of panel boxes")
    figures: dict[str, list[tuple[list[int], list[int]]]] = {}
    with path.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.reader(lines), 1):
            try:
                box = [int(v) for v in row[1:5]]
                letter = [int(v) for v in row[6:10]] if row[10] else []
                if box[0] >= box[2] or box[1] >= box[3]:
                    raise ValueError(f"empty box {box}")
            except (ValueError, IndexError) as error:
                raise InputError(f"{path}, line {number}: not a panel row: {error}") from error
            figures.setdefault(row[0], []).append((box, letter))
    layouts = [layout for rows in figures.values() if (layout := _layout(rows)) is not None]
    if not layouts:
        raise InputError(f"{path}: no figure with two or more panels")
    return LayoutBank(layouts)


def _layout(rows: list[tuple[list[int], list[int]]]) -> Layout | None:
    """A figure's rows as a layout; None for one panel, and for nested or hair-thin ones."""
    if len(rows) < 2:
        return None
    left, top = min(b[0] for b, _ in rows), min(b[1] for b, _ in rows)
    width, height = max(b[2] for b, _ in rows) - left, max(b[3] for b, _ in rows) - top
    boxes = [
        ((b[0] - left) / width, (b[1] - top) / height, (b[2] - left) / width, (b[3] - top) / height)
        for b, _ in rows
    ]
    parted = apart(boxes)
    if parted is None:
        return None
    slots = tuple(
        Slot(box, _corner(row, letter) if letter else "")
        for box, (row, letter) in zip(parted, rows, strict=True)
    )
    heights = [(letter[3] - letter[1]) / height for _, letter in rows if letter]
    layout = Layout(width / height, slots, min(0.12, statistics.median(heights)) if heights else 0.033)
    return layout if 0.2 < layout.aspect < 6 and smallest_side(layout) > SMALLEST else None


def smallest_side(layout: Layout) -> float:
    """The shortest side of all slots, as a share of the page's longer side."""
    across, down = min(1.0, layout.aspect), min(1.0, 1 / layout.aspect)
    return min(min((s.box[2] - s.box[0]) * across, (s.box[3] - s.box[1]) * down) for s in layout.slots)


def _corner(box: list[int], letter: list[int]) -> str:
    column = min(2, max(0, int(3 * ((letter[0] + letter[2]) / 2 - box[0]) / (box[2] - box[0]))))
    row = min(2, max(0, int(3 * ((letter[1] + letter[3]) / 2 - box[1]) / (box[3] - box[1]))))
    return "tmb"[row] + "lcr"[column]


def apart(boxes: list[Rect]) -> list[Rect] | None:
    """The boxes with overlaps cut at their middles; None where one covers another (nested panels)."""
    out = [list(box) for box in boxes]
    for i, a in enumerate(out):
        for b in out[:i]:
            wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            if wide <= 0 or high <= 0:
                continue
            if wide * high > COVERED * min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)):
                return None
            axis = 0 if wide < high else 1
            first, second = (a, b) if a[axis] + a[axis + 2] < b[axis] + b[axis + 2] else (b, a)
            first[axis + 2] = second[axis] = (first[axis + 2] + second[axis]) / 2
    return [(b[0], b[1], b[2], b[3]) for b in out]


def vary(layout: Layout, rng: Rng) -> Layout:
    """A random variation: flipped, stretched unevenly, with panels merged, split or dropped.

    Edges that stand in line stay in line, and slots still do not overlap.
    """
    slots, aspect = list(layout.slots), layout.aspect
    if rng.random() < 0.35:
        slots = [Slot((1 - s.box[2], s.box[1], 1 - s.box[0], s.box[3]), s.corner) for s in slots]
    if rng.random() < 0.35:
        slots = [Slot((s.box[0], 1 - s.box[3], s.box[2], 1 - s.box[1]), s.corner) for s in slots]
    change = rng.random()
    if change < 0.06:
        slots = _merged(slots, rng)
    elif change < 0.14:
        slots = _split(slots, rng)
    elif change < 0.18 and len(slots) > 3:
        del slots[int(rng.integers(len(slots)))]
    warp_x, warp_y = _Warp(rng), _Warp(rng)
    slots = [
        Slot((warp_x(s.box[0]), warp_y(s.box[1]), warp_x(s.box[2]), warp_y(s.box[3])), s.corner)
        for s in slots
    ]
    varied = Layout(aspect * float(np.exp(0.05 * rng.standard_normal())), tuple(slots), layout.letter)
    return varied if len(slots) > 1 and smallest_side(varied) > SMALLEST else layout


class _Warp:
    """A rising map of 0..1 onto itself that moves points by up to about 3 %."""

    def __init__(self, rng: Rng) -> None:
        steps = np.exp(0.12 * rng.standard_normal(5))
        self.to = np.concatenate([[0.0], np.cumsum(steps) / steps.sum()])
        self.knots = np.linspace(0.0, 1.0, 6)

    def __call__(self, value: float) -> float:
        return float(np.interp(value, self.knots, self.to))


def _split(slots: list[Slot], rng: Rng) -> list[Slot]:
    """One slot cut in two or three across its longer side."""
    chosen = int(rng.integers(len(slots)))
    x0, y0, x1, y1 = slots[chosen].box
    pieces = int(rng.integers(2, 4))
    gap = one_of(rng, (0.0, 0.004, 0.015))
    axis = 0 if (x1 - x0) > (y1 - y0) else 1
    low, high = ((x0, x1), (y0, y1))[axis]
    size = (high - low - gap * (pieces - 1)) / pieces
    new: list[Slot] = []
    for n in range(pieces):
        start = low + n * (size + gap)
        box = (start, y0, start + size, y1) if axis == 0 else (x0, start, x1, start + size)
        new.append(Slot(box, slots[chosen].corner))
    return slots[:chosen] + new + slots[chosen + 1 :]


def _merged(slots: list[Slot], rng: Rng) -> list[Slot]:
    """Two neighbours of one height (or width) joined, where there are such and others remain."""
    pairs = [
        (i, j)
        for i, a in enumerate(slots)
        for j, b in enumerate(slots[:i])
        if _same_span(a.box, b.box, 0) or _same_span(a.box, b.box, 1)
    ]
    if not pairs or len(slots) < 3:
        return slots
    i, j = one_of(rng, pairs)
    a, b = slots[i].box, slots[j].box
    union = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
    rest = [slot for n, slot in enumerate(slots) if n not in (i, j)]
    if any(_overlap(union, slot.box) for slot in rest):
        return slots
    return [*rest, Slot(union, slots[j].corner)]


def _same_span(a: Rect, b: Rect, axis: int) -> bool:
    return abs(a[axis] - b[axis]) < 0.01 and abs(a[axis + 2] - b[axis + 2]) < 0.01


def _overlap(a: Rect, b: Rect) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
