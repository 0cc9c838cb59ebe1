"""Recursive XY-cut of a figure, on background gutters and on separator lines (numpy)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..core.images import FigureImage
    from ..core.records import Box

Mask = NDArray[np.bool_]
Grey = NDArray[np.uint8]

_TOLERANCE = 22
"""Largest difference of a channel from the background colour that JPEG and resizing may make."""


@dataclass(frozen=True)
class _Gap:
    """A run of blank lines between two pieces, ``start <= line < end``, and how sure it is (0..1)."""

    start: int
    end: int
    strength: float


def panels(image: FigureImage, size: int, min_side: float, min_gap: float) -> list[tuple[Box, float]]:
    """Panel boxes in full-size pixels with scores, in reading order; empty where nothing cuts the figure."""
    small, scale = image.resized(size)
    found = cut(small, min_side, min_gap)
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
        out.append((box, score))
    return out


def cut(rgb: NDArray[np.uint8], min_side: float, min_gap: float) -> list[tuple[Box, float]]:
    """Panel boxes of an ``(h, w, 3)`` image in its own pixels."""
    height, width = rgb.shape[:2]
    ink = _ink(rgb, _background(rgb))
    side = math.sqrt(height * width)
    cutter = _Cutter(rgb, ink, max(4.0, min_side * side), max(2.0, min_gap * side))
    whole = _tight(ink, (0, 0, width, height))
    return cutter.panels(whole) if whole else []


def _background(rgb: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The most frequent colour of the outermost pixels, or white where white is frequent in all."""
    edge = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    codes = (edge >> 4).astype(np.int32) @ np.array([256, 16, 1])
    values, counts = np.unique(codes, return_counts=True)
    chosen = edge[codes == values[counts.argmax()]]
    colour = np.median(chosen, axis=0).astype(np.int16)
    whites = (rgb.min(axis=2) >= 240).mean()
    if whites > 0.25:
        return np.array([255, 255, 255], np.int16)
    return colour


def _ink(rgb: NDArray[np.uint8], colour: NDArray[np.int16]) -> Mask:
    low = np.clip(colour - _TOLERANCE, 0, 255).astype(np.uint8)
    high = np.clip(colour + _TOLERANCE, 0, 255).astype(np.uint8)
    out: Mask = ((rgb < low) | (rgb > high)).any(axis=2)
    return out


def _tight(ink: Mask, box: Box) -> Box | None:
    x0, y0, x1, y1 = box
    part = ink[y0:y1, x0:x1]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not len(rows):
        return None
    return (x0 + int(columns[0]), y0 + int(rows[0]), x0 + int(columns[-1]) + 1, y0 + int(rows[-1]) + 1)


def _runs(line: Mask, join: int = 1) -> list[tuple[int, int]]:
    """Runs of true, ``start <= i < end``; runs less than ``join`` apart count as one."""
    padded = np.zeros(len(line) + 2, np.int8)
    padded[1:-1] = line
    edges = np.flatnonzero(np.diff(padded)).tolist()
    out: list[tuple[int, int]] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if out and start - out[-1][1] < join:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


class _Cutter:
    """The recursion over one figure."""

    def __init__(self, rgb: NDArray[np.uint8], ink: Mask, min_side: float, min_gap: float) -> None:
        self.rgb, self.ink, self.min_side, self.min_gap = rgb, ink, min_side, min_gap
        self.grey = rgb[..., 1]
        self.side = math.sqrt(ink.size)

    def panels(self, box: Box) -> list[tuple[Box, float]]:
        letter = self.letter(box)
        if letter is not None:
            found = self.split_lettered(box, letter, 1.0)
            if sum(self.letter(b, letter) is not None for b, _ in found) >= 2:
                return found
        return self.split(box, 1.0, 0)

    def letter(self, box: Box, like: int | None = None) -> int | None:
        """Height of the panel letter in the top left corner of ``box``, if there is one: a small mark on
        the background, apart from all else; ``like`` is the height of letters seen elsewhere."""
        x0, y0, x1, y1 = box
        reach = round(0.12 * self.side)
        part = self.ink[y0 : min(y1, y0 + reach), x0 : min(x1, x0 + reach)]
        low, high = max(5.0, 0.011 * self.side), 0.085 * self.side
        if like is not None:
            low, high = max(low, 0.6 * like), min(high, 1.6 * like)
        for rows in (True, False):
            for start, end in _runs(part.any(axis=1 if rows else 0))[:3]:
                if end - start > high:
                    break
                if rows:
                    top, bottom = start, end
                else:
                    top, bottom = _runs(part[:, start:end].any(axis=1), 2)[0]
                height = bottom - top
                if not low <= height <= high or bottom == reach:
                    continue
                left, right = _runs(part[top:bottom].any(axis=0), max(2, round(0.35 * height)))[0]
                if 0.15 * height <= right - left <= 2.2 * height and right < reach:
                    return height
        return None

    def split_lettered(self, box: Box, letter: int, score: float) -> list[tuple[Box, float]]:
        """As :meth:`split`, where a gap counts if a letter begins what follows it."""
        best: tuple[tuple[int, int], list[Box]] | None = None
        for axis in (0, 1):
            pieces, widths = self._lettered_pieces(box, axis, letter)
            if len(pieces) > 1:
                key = (len(pieces), min(widths))
                if best is None or key > best[0]:
                    best = (key, pieces)
        if best is None:
            return [(box, score)]
        return [p for piece in best[1] for p in self.split_lettered(piece, letter, score)]

    def _lettered_pieces(self, box: Box, axis: int, letter: int) -> tuple[list[Box], list[int]]:
        pieces: list[Box] = []
        widths: list[int] = []
        begin = box[axis]
        end = box[axis + 2]
        for gap in self._gaps(box, axis, 2):
            a, b = box[axis] + gap.start, box[axis] + gap.end
            if a - begin < self.min_side or end - b < self.min_side:
                continue
            rest = _tight(self.ink, _with(box, axis, b, end))
            if rest is not None and self.letter(rest, letter) is not None:
                piece = _tight(self.ink, _with(box, axis, begin, a))
                if piece is None:
                    continue
                pieces.append(piece)
                widths.append(b - a)
                begin = b
        last = _tight(self.ink, _with(box, axis, begin, end))
        if last is not None:
            pieces.append(last)
        return pieces, widths

    def split(self, box: Box, score: float, depth: int) -> list[tuple[Box, float]]:
        """The panels inside ``box``: itself, or the panels of its pieces."""
        best: tuple[float, list[Box]] | None = None
        for axis in (0, 1):
            gaps = self._gaps(box, axis, self.min_gap)
            pieces = self._pieces(box, axis, gaps)
            if len(pieces) > 1:
                strength = max((g.end - g.start for g in gaps), default=0)
                if best is None or strength > best[0]:
                    best = (strength, pieces)
        if best is None or depth > 12:
            return [(box, score)]
        worth = min(1.0, best[0] / (4 * self.min_gap))
        return [p for piece in best[1] for p in self.split(piece, min(score, worth), depth + 1)]

    def _gaps(self, box: Box, axis: int, least: float) -> list[_Gap]:
        x0, y0, x1, y1 = box
        blank = ~self.ink[y0:y1, x0:x1].any(axis=axis)
        return [_Gap(a, b, 1.0) for a, b in _runs(blank) if b - a >= least]

    def _pieces(self, box: Box, axis: int, gaps: list[_Gap]) -> list[Box]:
        """Pieces between gaps; one that is too thin to be a panel joins the nearer neighbour."""
        length = box[axis + 2] - box[axis]
        spans = list(zip([0, *(g.end for g in gaps)], [*(g.start for g in gaps), length], strict=True))
        while len(spans) > 1:
            sizes = [b - a for a, b in spans]
            k = min(range(len(spans)), key=sizes.__getitem__)
            if sizes[k] >= self.min_side * 1.5:
                break
            before = spans[k][0] - spans[k - 1][1] if k else 1 << 30
            after = spans[k + 1][0] - spans[k][1] if k + 1 < len(spans) else 1 << 30
            j = k - 1 if before < after else k
            spans[j : j + 2] = [(spans[j][0], spans[j + 1][1])]
        pieces = (_tight(self.ink, _with(box, axis, box[axis] + a, box[axis] + b)) for a, b in spans)
        return [p for p in pieces if p is not None]


def _with(box: Box, axis: int, start: int, end: int) -> Box:
    """``box`` with another extent along ``axis`` (0: x, 1: y)."""
    x0, y0, x1, y1 = box
    return (start, y0, end, y1) if axis == 0 else (x0, start, x1, end)
