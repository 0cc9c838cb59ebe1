"""Ink and background of a figure (numpy): masks, bounding boxes, blank runs, edges at full size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..core.records import Box

Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

TOLERANCE = 22
"""Largest difference of a channel from the background colour that JPEG and resizing may make."""
_SNAP_TOLERANCE = 32
"""The same at full size, where JPEG rings around sharp edges."""


def background(planes: NDArray[np.uint8]) -> Colour | None:
    """White where white is frequent or crosses the whole figure, else the colour of most of the outermost
    pixels, if they have one."""
    whites = np.minimum(np.minimum(planes[0], planes[1]), planes[2]) >= 240
    if whites.mean() > 0.25 or _crossed(whites):
        return (255, 255, 255)
    edge = np.concatenate([planes[:, 0], planes[:, -1], planes[:, :, 0], planes[:, :, -1]], axis=1)
    codes = np.array([256, 16, 1]) @ (edge >> 4).astype(np.int32)
    values, counts = np.unique(codes, return_counts=True)
    colour = np.median(edge[:, codes == values[counts.argmax()]], axis=1).astype(np.int16)
    near = (np.abs(edge - colour[:, None]) <= TOLERANCE).all(axis=0)
    if near.mean() < 0.7:
        return None
    red, green, blue = colour.tolist()
    return red, green, blue


def _crossed(whites: Mask) -> bool:
    """Whether a line of white parts the figure from edge to edge, with something on both sides of it."""
    for axis in (0, 1):
        blank = whites.mean(axis=axis) > 0.99
        filled = np.flatnonzero(~blank)
        if len(filled) and blank[filled[0] : filled[-1]].any():
            return True
    return False


def differs(plane: NDArray[np.uint8], value: int, tolerance: int) -> Mask:
    low, high = value - tolerance, value + tolerance
    if high >= 255:
        return plane < low
    if low <= 0:
        return plane > high
    return (plane < low) | (plane > high)


def tight(ink: Mask, box: Box) -> Box | None:
    x0, y0, x1, y1 = box
    part = ink[y0:y1, x0:x1]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    if not len(rows):
        return None
    return (x0 + int(columns[0]), y0 + int(rows[0]), x0 + int(columns[-1]) + 1, y0 + int(rows[-1]) + 1)


def inked(part: Mask, axis: int) -> Mask:
    """Which columns (axis 0) or rows (axis 1) of a mask hold anything."""
    out: Mask = np.asarray(part.any(axis=axis))
    return out


def runs(line: Mask, join: int = 1) -> list[tuple[int, int]]:
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


def snap(pixels: NDArray[np.uint8], box: Box, colour: Colour, reach: int) -> Box:
    """``box`` without blank lines at its edges, of which resizing makes up to ``reach``."""
    edges = list(box)
    for axis in (0, 1):
        length = box[axis + 2] - box[axis]
        band = min(reach, length // 2)
        for end in (0, 1):
            begin = box[axis + 2] - band if end else box[axis]
            x0, y0, x1, y1 = with_extent((edges[0], edges[1], edges[2], edges[3]), axis, begin, begin + band)
            off = np.abs(pixels[y0:y1, x0:x1].astype(np.int16) - np.array(colour, np.int16)) > _SNAP_TOLERANCE
            filled = np.flatnonzero(off.any(axis=(axis, 2)))
            if len(filled):
                edges[axis + 2 * end] = begin + int(filled[-1]) + 1 if end else begin + int(filled[0])
    x0, y0, x1, y1 = edges
    return (x0, y0, x1, y1)


def sides(box: Box) -> tuple[int, int]:
    return box[2] - box[0], box[3] - box[1]


def with_extent(box: Box, axis: int, start: int, end: int) -> Box:
    """``box`` with another extent along ``axis`` (0: x, 1: y)."""
    x0, y0, x1, y1 = box
    return (start, y0, end, y1) if axis == 0 else (x0, start, x1, end)
