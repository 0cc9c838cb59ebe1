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
    return cutter.split(whole, 1.0, 0) if whole else []


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


class _Cutter:
    def __init__(self, rgb: NDArray[np.uint8], ink: Mask, min_side: float, min_gap: float) -> None:
        self.rgb, self.ink, self.min_side, self.min_gap = rgb, ink, min_side, min_gap

    def split(self, box: Box, score: float, depth: int) -> list[tuple[Box, float]]:
        """The panels inside ``box``: itself, or the panels of its pieces."""
        best: tuple[float, list[Box]] | None = None
        for axis in (0, 1):
            gaps = self._gaps(box, axis)
            pieces = self._pieces(box, axis, gaps)
            if len(pieces) > 1:
                strength = max((g.end - g.start for g in gaps), default=0)
                if best is None or strength > best[0]:
                    best = (strength, pieces)
        if best is None or depth > 12:
            return [(box, score)]
        worth = min(1.0, best[0] / (4 * self.min_gap))
        return [p for piece in best[1] for p in self.split(piece, min(score, worth), depth + 1)]

    def _gaps(self, box: Box, axis: int) -> list[_Gap]:
        x0, y0, x1, y1 = box
        blank = ~self.ink[y0:y1, x0:x1].any(axis=1 - axis if axis == 0 else 0) if axis else ~self.ink[
            y0:y1, x0:x1
        ].any(axis=0)
        if axis:
            blank = ~self.ink[y0:y1, x0:x1].any(axis=1)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], blank.astype(np.int8), [0]])))
        return [
            _Gap(int(a), int(b), 1.0)
            for a, b in zip(edges[::2], edges[1::2], strict=True)
            if b - a >= self.min_gap and a > 0 and b < len(blank)
        ]

    def _pieces(self, box: Box, axis: int, gaps: list[_Gap]) -> list[Box]:
        """Pieces between gaps; one that is too thin to be a panel joins the nearer neighbour."""
        x0, y0, x1, y1 = box
        length = (x1 - x0, y1 - y0)[axis]
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
        out = []
        for a, b in spans:
            piece = (x0 + a, y0, x0 + b, y1) if axis == 0 else (x0, y0 + a, x1, y0 + b)
            tight = _tight(self.ink, piece)
            if tight:
                out.append(tight)
        return out
