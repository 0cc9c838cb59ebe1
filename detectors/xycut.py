"""Recursive XY-cut of a figure (numpy), told by gaps of background, separator lines and panel letters.

Three kinds of evidence, each a full-extent cut of a region: a gap of background, which must be wide against
the gaps already cut, or lie between filled edges; a thin line of one colour between photographs; and a panel
letter at the top left of what follows a gap. Where letters explain two panels or more, they alone decide:
white space inside plots is often wider than gutters. Letters are found by shape, not read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .ink import (
    TOLERANCE,
    Colour,
    Mask,
    background,
    differs,
    inked,
    runs,
    sides,
    snap,
    tight,
    with_extent,
)

if TYPE_CHECKING:
    from ..core.images import FigureImage
    from ..core.records import Box

Grey = NDArray[np.uint8]

_PAGE = 240
"""Darkest page. A darker background may be a photograph's own, whose empty places are no gutters: there only
gaps between straight edges count."""
_CONTRAST = 50
"""Least difference from the background of the strokes of a panel letter."""


def panels(image: FigureImage, size: int, min_side: float, min_gap: float) -> list[tuple[Box, float]]:
    """Panel boxes in full-size pixels with scores; empty where nothing cuts the figure."""
    small, scale = image.resized(size)
    found, colour = cut(small, min_side, min_gap)
    if len(found) < 2:
        return []
    out: list[tuple[Box, float]] = []
    for (x0, y0, x1, y1), score in found:
        box = (
            max(0, math.floor(x0 / scale)),
            max(0, math.floor(y0 / scale)),
            min(image.width, math.ceil(x1 / scale)),
            min(image.height, math.ceil(y1 / scale)),
        )
        if colour is not None and scale < 1:
            box = snap(image.pixels, box, colour, math.ceil(1.5 / scale))
        out.append((box, score))
    return out


def cut(
    rgb: NDArray[np.uint8], min_side: float, min_gap: float
) -> tuple[list[tuple[Box, float]], Colour | None]:
    """Panel boxes of an ``(h, w, 3)`` image in its own pixels, and its background colour if it has one;
    ``min_side`` and ``min_gap`` are shares of the geometric mean of the image's sides."""
    height, width = rgb.shape[:2]
    planes = np.ascontiguousarray(np.moveaxis(rgb, 2, 0))
    colour = background(planes)
    if colour is None:
        ink, marks = np.ones((height, width), np.bool_), np.zeros((height, width), np.bool_)
    else:
        red, green, blue = (differs(planes[k], colour[k], TOLERANCE) for k in range(3))
        ink = red | green | blue
        red, green, blue = (differs(planes[k], colour[k], _CONTRAST) for k in range(3))
        marks = red & green & blue
    side = math.sqrt(height * width)
    page = colour is None or min(colour) >= _PAGE
    cutter = _Cutter(planes[1], ink, marks, page, max(4.0, min_side * side), max(2.0, min_gap * side))
    whole = tight(ink, (0, 0, width, height))
    return (cutter.panels(whole) if whole else []), colour


class _Gap(NamedTuple):
    """A run of blank lines; ``solid`` says that both sides are filled, as edges of photographs are."""

    start: int
    end: int
    weight: float
    solid: bool


class _Pieces(NamedTuple):
    """One way to cut a box, and its weakest gap."""

    boxes: list[Box]
    weight: float
    solid: bool


class _Letter(NamedTuple):
    """A mark that looks like a panel letter: its left and upper edge, and its height."""

    x: int
    y: int
    height: int


class _Cutter:
    """The recursion over one figure."""

    def __init__(
        self, grey: Grey, ink: Mask, marks: Mask, page: bool, min_side: float, min_gap: float
    ) -> None:
        self.page = page
        self.ink, self.marks, self.min_side, self.min_gap = ink, marks, min_side, min_gap
        self.grey = grey.astype(np.int16)
        self.side = math.sqrt(ink.size)

    def panels(self, box: Box) -> list[tuple[Box, float]]:
        """The cut that explains most letters, or that of gaps and lines alone where letters explain none.

        How tall letters are is taken from the corners of the figure and of its plain pieces."""
        best, most = self.split(box, 1.0, 0.0), 1
        corners = [self.letter(b) for b in (box, *(b for b, _ in best))]
        heights = sorted(letter.height for letter in corners if letter is not None)
        trials = (heights[len(heights) // 2], heights[0], heights[-1]) if heights else ()
        for height in dict.fromkeys(trials):
            found = self.split_lettered(box, height, 1.0)
            lettered = self.lettered(found, height)
            if lettered > most:
                best, most = found, lettered
        return best

    # -- letters --------------------------------------------------------------------------------

    def letter(self, box: Box, like: int | None = None) -> _Letter | None:
        """The panel letter in the top left corner of ``box``, if there is one: a small mark on the
        background, apart from all else; ``like`` is the height of letters seen elsewhere."""
        x0, y0, x1, y1 = box
        reach = round(0.12 * self.side)
        part = self.marks[y0 : min(y1, y0 + reach), x0 : min(x1, x0 + reach)]
        low, high = max(5.0, 0.011 * self.side), 0.085 * self.side
        if like is not None:
            low, high = max(low, 0.6 * like), min(high, 1.6 * like)
        for top, bottom in _bands(part):
            height = bottom - top
            if not low <= height <= high or bottom == reach:
                continue
            columns = inked(part[top:bottom], 0)
            left, right = runs(columns, max(2, round(0.35 * height)))[0]
            if right < reach and _glyph(part[top:bottom, left:right]):
                return _Letter(x0 + left, y0 + top, height)
        return None

    def lettered(self, found: list[tuple[Box, float]], height: int) -> int:
        """How many panels have a letter of about that height."""
        return sum(self.letter(box, height) is not None for box, _ in found)

    def split_lettered(self, box: Box, height: int, score: float) -> list[tuple[Box, float]]:
        """As :meth:`split`, where a gap counts if a letter begins what follows it; of both directions, the
        one that ends with more lettered panels."""
        best, most = [(box, score)], (0, 0)
        for axis in (0, 1):
            pieces, width = self._lettered_pieces(box, axis, height)
            if len(pieces) < 2:
                continue
            worth = min(score, 1 - 0.5 * self.min_gap / (width + self.min_gap))
            found = [p for piece in pieces for p in self.split_lettered(piece, height, worth)]
            key = (self.lettered(found, height), width)
            if key > most:
                best, most = found, key
        return best

    def _lettered_pieces(self, box: Box, axis: int, height: int) -> tuple[list[Box], int]:
        """Pieces that begin with a letter (the first may not), and the narrowest gap between them."""
        begin, end = box[axis], box[axis + 2]
        least = max(self.min_side, 3 * height)
        gaps: dict[_Letter, tuple[int, int]] = {}
        if sides(box)[1 - axis] >= least:
            for a, b in self._gaps(box, axis):
                if b - a < 2 or a - begin < least or end - b < least:
                    continue
                rest = tight(self.ink, with_extent(box, axis, b, end))
                letter = self.letter(rest, height) if rest is not None else None
                if rest is None or letter is None or self._text(rest):
                    continue
                known = gaps.get(letter)  # an axis title may stand between the letter and two gaps
                if known is None or b - a >= known[1] - known[0]:
                    gaps[letter] = (a, b)
        pieces: list[Box] = []
        widths: list[int] = []
        for a, b in sorted(gaps.values()):
            piece = tight(self.ink, with_extent(box, axis, begin, a))
            if piece is None or min(sides(piece)) < least or self._text(piece):
                continue
            if pieces and self.letter(piece, height) is None:  # its letter stands further on
                begin = pieces.pop()[axis]
                widths.pop()
                piece = tight(self.ink, with_extent(box, axis, begin, a)) or piece
            pieces.append(piece)
            widths.append(b - a)
            begin = b
        last = tight(self.ink, with_extent(box, axis, begin, end))
        if last is not None:
            pieces.append(last)
        return pieces, min(widths, default=0)

    # -- gaps -----------------------------------------------------------------------------------

    def split(self, box: Box, score: float, least: float) -> list[tuple[Box, float]]:
        """The panels inside ``box``: itself, or the panels of its pieces. ``least`` is the narrowest gap
        that still counts when the gaps around were so much wider."""
        ways = [w for axis in (0, 1) if len((w := self._pieces(box, axis, least)).boxes) > 1]
        if not any(way.solid for way in ways):
            for axis in (0, 1):
                parts = self._stitched(box, axis)
                if len(parts) > 1:
                    return [p for part in parts for p in self.split(part, score, self.side)]
        if not ways:
            return [(box, score)]
        best = max(ways, key=lambda way: way.weight)
        worth = min(score, best.weight / (best.weight + self.min_gap))
        # Of a grid, the narrower gaps count inside the parts as they did across the whole.
        least = max(least, 0.35 * min(way.weight for way in ways))
        return [p for part in best.boxes for p in self.split(part, worth, least)]

    def _stitched(self, box: Box, axis: int) -> list[Box]:
        """Pieces between lines of one colour that stand out from both neighbours, edge to edge, in a
        region that is filled (photographs side by side)."""
        x0, y0, x1, y1 = box
        if box[axis + 2] - box[axis] < 2 * self.min_side or self.ink[y0:y1, x0:x1].mean() < 0.6:
            return [box]
        part = self.grey[y0:y1, x0:x1]
        lines = part.T if axis == 0 else part
        even = (np.abs(lines - lines.mean(axis=1, keepdims=True)) < 40).mean(axis=1) >= 0.96
        before, after = lines[3:-3] - lines[:-6], lines[3:-3] - lines[6:]
        bright, dark = np.minimum(before, after) > 40, np.maximum(before, after) < -40
        even[:3] = even[-3:] = False
        even[3:-3] &= np.maximum(bright.mean(axis=1), dark.mean(axis=1)) >= 0.4
        begin, end = box[axis], box[axis + 2]
        pieces: list[Box] = []
        small = max(self.min_side, 0.12 * (end - begin))
        for a, b in runs(even):
            if b - a <= 6 and box[axis] + a - begin >= small and end - box[axis] - b >= small:
                pieces.append(with_extent(box, axis, begin, box[axis] + a))
                begin = box[axis] + b
        return [*pieces, with_extent(box, axis, begin, end)]

    def _gaps(self, box: Box, axis: int) -> list[tuple[int, int]]:
        """Inner runs of blank columns (axis 0) or rows (axis 1), in pixels of the image."""
        x0, y0, x1, y1 = box
        at = box[axis]
        return [(at + a, at + b) for a, b in runs(~inked(self.ink[y0:y1, x0:x1], axis))]

    def _solid(self, box: Box, axis: int, gap: tuple[int, int]) -> float:
        """How far the lines on both sides of a gap are filled, as edges of photographs are (0..1)."""
        x0, y0, x1, y1 = box
        part = self.ink[y0:y1, x0:x1] if axis == 1 else self.ink[y0:y1, x0:x1].T
        a, b = gap[0] - box[axis], gap[1] - box[axis]
        before = part[max(0, a - 3) : a].any(axis=0).mean()
        after = part[b : b + 3].any(axis=0).mean()
        return float(min(before, after))

    def _text(self, box: Box) -> bool:
        """Whether nothing in ``box`` is taller, or wider, than a line of text."""
        x0, y0, x1, y1 = box
        part = self.ink[y0:y1, x0:x1]
        line = 0.055 * self.side
        return any(max((b - a for a, b in runs(inked(part, axis))), default=0) <= line for axis in (1, 0))

    def _pieces(self, box: Box, axis: int, least: float) -> _Pieces:
        """The pieces between the gaps that count; one too small to be a panel, or all text, is kept with
        the neighbour behind the weaker gap."""
        begin, end = box[axis], box[axis + 2]
        gaps = []
        if sides(box)[1 - axis] >= self.min_side:
            for gap in self._gaps(box, axis):
                width = gap[1] - gap[0]
                if self._solid(box, axis, gap) >= 0.6:
                    gaps.append(_Gap(*gap, width + 3 * self.min_gap, True))
                elif self.page and width >= max(self.min_gap, least):
                    gaps.append(_Gap(*gap, width, False))
        while True:
            edges = [begin, *(v for gap in gaps for v in (gap.start, gap.end)), end]
            parts = [with_extent(box, axis, a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
            if not gaps:
                return _Pieces([box], 0.0, False)
            sizes = [0 if self._text(part) else sides(part)[axis] for part in parts]
            small = self.min_side if all(g.solid for g in gaps) else max(self.min_side, 0.12 * (end - begin))
            least_of_all = min(range(len(sizes)), key=sizes.__getitem__)
            if sizes[least_of_all] >= max(small, 0.3 * max(sizes)):
                break
            around = [i for i in (least_of_all - 1, least_of_all) if 0 <= i < len(gaps)]
            gaps.pop(min(around, key=lambda i: gaps[i].weight))
        boxes = [piece for part in parts if (piece := tight(self.ink, part)) is not None]
        return _Pieces(boxes, min(gap.weight for gap in gaps), all(gap.solid for gap in gaps))


def _bands(part: Mask) -> Iterator[tuple[int, int]]:
    """Row ranges in which a mark at the top left may stand: cut by rows, by columns, by rows again."""
    for start, end in runs(inked(part, 1))[:3]:
        yield start, end
        left, right = runs(inked(part[start:end], 0), 2)[0]
        for top, bottom in runs(inked(part[start:end, left:right], 1))[:2]:
            yield start + top, start + bottom
    for left, right in runs(inked(part, 0))[:3]:
        yield runs(inked(part[:, left:right], 1), 2)[0]


def _glyph(mark: Mask) -> bool:
    """Whether a tight mask looks like one letter, with or without parentheses."""
    height, width = int(mark.shape[0]), int(mark.shape[1])
    if float(mark.mean()) > (0.9 if width >= 0.85 * height else 0.97) and width > 0.5 * height:
        return False  # the filled square of a legend
    parts = [b - a for a, b in runs(inked(mark, 0))]
    if len(parts) == 1:
        return 0.15 * height <= width <= 1.25 * height
    return len(parts) == 3 and width <= 2.2 * height and max(parts[0], parts[2]) <= 0.5 * height
