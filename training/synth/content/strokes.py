"""What schematic drawings are made of: wrapped type in boxes, arrows, rounded boxes, smooth blobs."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, hypot

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .axes import SHIFT, Floats, box
from .base import Color, Pixels, Rng, Style, mix
from .text import paste, text

Point = tuple[float, float]
ONE = 1 << SHIFT


def subpixel(points: ArrayLike) -> NDArray[np.int32]:
    """Vertices (n, 2) in pixels as OpenCV wants them with `SHIFT` fractional bits."""
    scaled: NDArray[np.int32] = (np.asarray(points, np.float64) * ONE).astype(np.int32)
    return scaled


def polygon(
    pixels: Pixels, points: ArrayLike, fill: Color | None, edge: Color | None = None, width: int = 1
) -> None:
    """A closed, antialiased polygon, filled, outlined or both."""
    vertices = [subpixel(points)]
    if fill is not None:
        cv2.fillPoly(pixels, vertices, fill, cv2.LINE_AA, SHIFT)
    if edge is not None:
        cv2.polylines(pixels, vertices, True, edge, width, cv2.LINE_AA, SHIFT)


def stroke(pixels: Pixels, points: ArrayLike, colour: Color, width: int = 1) -> None:
    """An open, antialiased polyline."""
    cv2.polylines(pixels, [subpixel(points)], False, colour, max(1, width), cv2.LINE_AA, SHIFT)


def arrow(
    pixels: Pixels,
    start: Point,
    end: Point,
    colour: Color,
    width: int = 1,
    head: float = 4.0,
    blunt: bool = False,
) -> None:
    """An arrow with a filled head of `head` pixels; `blunt` ends in a bar, as inhibition is drawn."""
    (x0, y0), (x1, y1) = start, end
    length = hypot(x1 - x0, y1 - y0)
    if length < 1:
        return
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    if blunt:
        stroke(pixels, [start, end], colour, width)
        stroke(pixels, [(x1 - uy * head, y1 + ux * head), (x1 + uy * head, y1 - ux * head)], colour, width)
        return
    head = min(head, length)
    bx, by = x1 - ux * head, y1 - uy * head
    stroke(pixels, [start, (bx, by)], colour, width)
    half = head * 0.5
    polygon(pixels, [(x1, y1), (bx - uy * half, by + ux * half), (bx + uy * half, by - ux * half)], colour)


def ellipse(
    pixels: Pixels,
    x: float,
    y: float,
    rx: float,
    ry: float,
    fill: Color | None,
    edge: Color | None = None,
    width: int = 1,
    turn: float = 0.0,
) -> None:
    """An ellipse with its middle at (x, y), turned by `turn` degrees."""
    middle = (round(x * ONE), round(y * ONE))
    axes = (max(1, round(rx * ONE)), max(1, round(ry * ONE)))
    if fill is not None:
        cv2.ellipse(pixels, middle, axes, turn, 0, 360, fill, cv2.FILLED, cv2.LINE_AA, SHIFT)
    if edge is not None:
        cv2.ellipse(pixels, middle, axes, turn, 0, 360, edge, width, cv2.LINE_AA, SHIFT)


@lru_cache(maxsize=64)
def _corner(steps: int) -> Floats:
    t = np.linspace(0, np.pi / 2, steps)
    return np.stack([np.cos(t), np.sin(t)], axis=1)


def rounded(
    pixels: Pixels,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    radius: float,
    fill: Color | None,
    edge: Color | None = None,
    width: int = 1,
) -> None:
    """A rectangle with corners of `radius` pixels (square below one pixel)."""
    radius = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
    if radius < 1:
        box(pixels, round(x0), round(y0), round(x1), round(y1), fill, edge, width)
        return
    arc = _corner(5) * radius
    back = arc[::-1]
    ring = np.concatenate(
        [
            np.add(arc, (x1 - radius, y1 - radius)),
            (x0 + radius, y1 - radius) + back * (-1, 1),
            (x0 + radius, y0 + radius) - arc,
            (x1 - radius, y0 + radius) + back * (1, -1),
        ]
    )
    polygon(pixels, ring, fill, edge, width)


def blob(rng: Rng, x: float, y: float, rx: float, ry: float, rough: float, steps: int = 24) -> Floats:
    """Vertices (steps, 2) of a smooth irregular closed shape."""
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    phases = rng.random(4) * 2 * np.pi
    r = 1 + rough * (
        0.5 * np.sin(2 * t + phases[0]) + 0.35 * np.sin(3 * t + phases[1]) + 0.25 * np.sin(5 * t + phases[2])
    )
    return np.stack([x + rx * r * np.cos(t), y + ry * r * np.sin(t)], axis=1)


@lru_cache(maxsize=8192)
def wrap(string: str, most: int) -> tuple[str, ...]:
    """Lines of at most `most` characters (at least 3), long words cut."""
    most = max(3, most)
    lines: list[str] = []
    for word in string.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= most:
            lines[-1] += " " + word
        else:
            lines.append(word[:most])
    return tuple(lines)


def write_in(
    pixels: Pixels,
    style: Style,
    string: str,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    colour: Color,
    *,
    scale: float = 1.0,
    bold: bool = False,
) -> None:
    """Type wrapped and centred in a rectangle; lines that have no room are left out."""
    em = style.type_px * scale
    lines = wrap(string, int((x1 - x0) / (em * 0.52)))
    pitch = em * 1.12
    lines = lines[: max(0, int((y1 - y0 + 0.3 * em) / pitch))]
    y = (y0 + y1) / 2 - pitch * (len(lines) - 1) / 2
    for line in lines:
        mask = text(style, line, scale=scale, bold=bold)
        if mask.shape[1] <= x1 - x0 + 1:
            paste(pixels, mask, round((x0 + x1 - mask.shape[1]) / 2), round(y - mask.shape[0] / 2), colour)
        y += pitch


def write(
    pixels: Pixels,
    style: Style,
    string: str,
    x: float,
    y: float,
    colour: Color,
    *,
    scale: float = 1.0,
    bold: bool = False,
) -> int:
    """One line of type from (x, y) rightwards if it ends inside the image; returns its width or 0."""
    mask = text(style, string, scale=scale, bold=bold)
    if x < 0 or x + mask.shape[1] > pixels.shape[1] or y + mask.shape[0] > pixels.shape[0]:
        return 0
    paste(pixels, mask, round(x), round(y), colour)
    return int(mask.shape[1])


def tint(style: Style, index: int, share: float = 0.6) -> Color:
    """A colour of the palette, lightened towards the paper."""
    return mix(style.palette[index % len(style.palette)], style.paper, share)


def line_height(style: Style) -> int:
    """Pixels from one line of type to the next."""
    return ceil(style.type_px * 1.25) + 1
