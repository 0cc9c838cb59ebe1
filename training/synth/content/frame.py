"""The data area of a plot: drawing in data coordinates, symbols, ticks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, log10
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import Color, Pixels, Rng, Style
from .text import Mask, paste, text

Floats = NDArray[np.floating[Any]]
SHIFT = 4  # fractional bits of the coordinates of antialiased lines


@dataclass(frozen=True)
class Frame:
    """The data area [left, right) x [top, bottom) of one plot and its scales."""

    pixels: Pixels
    style: Style
    left: int
    top: int
    right: int
    bottom: int
    xlim: tuple[float, float] = (0.0, 1.0)
    ylim: tuple[float, float] = (0.0, 1.0)

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def inner(self) -> Pixels:
        """The pixels of the data area, a view."""
        return self.pixels[self.top : self.bottom, self.left : self.right]

    def xs(self, x: ArrayLike) -> Floats:
        low, high = self.xlim
        return self.left + (np.asarray(x, np.float64) - low) * ((self.width - 1) / (high - low))

    def ys(self, y: ArrayLike) -> Floats:
        low, high = self.ylim
        return self.bottom - 1 - (np.asarray(y, np.float64) - low) * ((self.height - 1) / (high - low))

    def at(self, x: float, y: float) -> tuple[int, int]:
        (x0, x1), (y0, y1) = self.xlim, self.ylim
        column = self.left + (x - x0) * (self.right - self.left - 1) / (x1 - x0)
        row = self.bottom - 1 - (y - y0) * (self.bottom - self.top - 1) / (y1 - y0)
        return round(column), round(row)

    def path(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.int32]:
        """Vertices (n, 1, 2) in 1/16 pixel, kept inside the data area vertically."""
        rows = np.clip(self.ys(y), self.top - 1, self.bottom)
        points = np.stack(np.broadcast_arrays(self.xs(x), rows), axis=-1)
        vertices: NDArray[np.int32] = (points * (1 << SHIFT)).astype(np.int32)[:, None]
        return vertices

    def line(self, x: ArrayLike, y: ArrayLike, colour: Color, width: int = 1, dash: int = 0) -> None:
        """A polyline; with `dash` only every other piece of that many vertices."""
        vertices = self.path(x, y)
        pieces = [vertices]
        if dash:
            pieces = [vertices[i : i + dash + 1] for i in range(0, len(vertices) - 1, 2 * dash)]
        cv2.polylines(self.pixels, pieces, False, colour, width, cv2.LINE_AA, SHIFT)

    def fill(self, x: ArrayLike, y: ArrayLike, colour: Color) -> None:
        cv2.fillPoly(self.pixels, [self.path(x, y)], colour, cv2.LINE_AA, SHIFT)

    def bar(
        self, x0: float, y0: float, x1: float, y1: float, colour: Color, edge: Color | None = None
    ) -> None:
        """A filled rectangle between two data points."""
        (a, b), (c, d) = self.at(x0, y0), self.at(x1, y1)
        box(self.pixels, min(a, c), min(b, d), max(a, c), max(b, d), colour, edge)


def box(
    pixels: Pixels,
    x0: int,
    y0: int,
    x1: int,
    y1: int,
    colour: Color | None,
    edge: Color | None = None,
    width: int = 1,
) -> None:
    """A rectangle with both corners included, filled, outlined or both."""
    if colour is not None:
        cv2.rectangle(pixels, (x0, y0), (x1, y1), colour, cv2.FILLED)
    if edge is not None:
        cv2.rectangle(pixels, (x0, y0), (x1, y1), edge, width)


@lru_cache(maxsize=256)
def _disc(radius: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    reach = ceil(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = rows**2 + columns**2 <= (radius + 0.3) ** 2
    return rows[inside], columns[inside]


def dots(pixels: Pixels, x: Floats, y: Floats, colours: ArrayLike, radius: float) -> None:
    """Discs at pixel positions; `colours` is one colour or one for each disc."""
    height, width = pixels.shape[:2]
    columns, rows = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    keep = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    paint = np.asarray(colours, np.uint8)
    if paint.ndim == 2:
        paint = paint[keep][:, None]
    down, across = _disc(radius)
    r = np.clip(rows[keep][:, None] + down, 0, height - 1)
    c = np.clip(columns[keep][:, None] + across, 0, width - 1)
    pixels[r, c] = paint


def markers(
    pixels: Pixels, x: Floats, y: Floats, colour: Color, radius: float, shape: int, edge: Color | None
) -> None:
    """Symbols at pixel positions: 0 disc, 1 square, 2 triangle, 3 diamond, 4 ring, 5 cross."""
    r = max(1, round(radius))
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        cx, cy = round(a), round(b)
        if shape == 0:
            cv2.circle(pixels, (cx, cy), r, colour, cv2.FILLED, cv2.LINE_AA)
            if edge is not None and r > 1:
                cv2.circle(pixels, (cx, cy), r, edge, 1, cv2.LINE_AA)
        elif shape == 4:
            cv2.circle(pixels, (cx, cy), r, colour, 1, cv2.LINE_AA)
        elif shape == 1:
            box(pixels, cx - r, cy - r, cx + r, cy + r, colour, edge)
        elif shape == 5:
            cv2.line(pixels, (cx - r, cy - r), (cx + r, cy + r), colour, 1, cv2.LINE_AA)
            cv2.line(pixels, (cx - r, cy + r), (cx + r, cy - r), colour, 1, cv2.LINE_AA)
        else:
            corners = [[cx, cy - r], [cx + r, cy + (r if shape == 2 else 0)]]
            corners += [[cx - r, cy + r]] if shape == 2 else [[cx, cy + r], [cx - r, cy]]
            cv2.fillPoly(pixels, [np.array(corners, np.int32)], colour, cv2.LINE_AA)


def error_bar(frame: Frame, x: float, low: float, high: float, colour: Color, cap: int) -> None:
    """A vertical whisker with caps of `cap` pixels to each side."""
    column, top = frame.at(x, high)
    bottom = frame.at(x, low)[1]
    width = frame.style.line
    cv2.line(frame.pixels, (column, top), (column, bottom), colour, width)
    if cap:
        for row in (top, bottom):
            cv2.line(frame.pixels, (column - cap, row), (column + cap, row), colour, width)


@lru_cache(maxsize=4096)
def ticks(low: float, high: float, most: int) -> tuple[tuple[float, str], ...]:
    """Round positions between the limits, at most `most` of them (at least two), with their labels."""
    span = (high - low) / max(1, most - 1)
    power = 10.0 ** floor(log10(span))
    steps = [m * power for m in (0.5, 1, 2, 2.5, 5, 10)]
    at = next(i for i, step in enumerate(steps) if step >= span * 0.999)
    if floor(high / steps[at] + 1e-6) <= ceil(low / steps[at] - 1e-6):
        at -= 1  # so coarse a step meets the limits only once
    step = steps[at]
    digits = max(0, -floor(log10(step) + 1e-9))
    if round(step, digits) != round(step, 6):
        digits += 1
    first = ceil(low / step - 1e-6)
    last = floor(high / step + 1e-6)
    return tuple((i * step, f"{i * step + 0.0:.{digits}f}") for i in range(first, last + 1))


def centred(pixels: Pixels, mask: Mask, x: float, y: float, colour: Color) -> None:
    """Pastes a mask with its middle at (x, y)."""
    paste(pixels, mask, round(x - mask.shape[1] / 2), round(y - mask.shape[0] / 2), colour)


def note(frame: Frame, rng: Rng, string: str, colour: Color | None = None) -> None:
    """A remark in one corner of the data area."""
    mask = text(frame.style, string)
    if mask.shape[1] > frame.width * 0.8 or mask.shape[0] > frame.height * 0.3:
        return
    corner = int(rng.random() * 4)
    gap = 3
    x = frame.right - mask.shape[1] - gap if corner % 2 else frame.left + gap
    y = frame.bottom - mask.shape[0] - gap if corner > 1 else frame.top + gap
    paste(frame.pixels, mask, x, y, colour or frame.style.ink)
