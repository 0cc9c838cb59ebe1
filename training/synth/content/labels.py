"""The type around a plot: tick labels, category names, legends."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

import cv2
import numpy as np

from .base import Color, Pixels, Style, mix
from .frame import Frame, box, ticks
from .text import Mask, paste, power, text

Legend = Sequence[tuple[str, Color]]
Labels = list[tuple[float, Mask]]  # positions on an axis and their masks


def line_of(style: Style) -> int:
    """Pixel rows that one line of type takes up."""
    return ceil(style.type_px * 0.8) + 1


def tick_labels(
    style: Style,
    limits: tuple[float, float],
    names: Sequence[str] | None,
    most: float,
    scale: float,
    powers: bool = False,
) -> Labels:
    """The labels of one axis: names of unit-wide places, up to `most` (2 to 11) numbers, or powers of ten."""
    if powers:
        step = 1 + int((limits[1] - limits[0]) / max(1.0, most))
        exponents = range(ceil(limits[0]), int(limits[1]) + 1, step)
        return [(float(i), power(style, i, scale)) for i in exponents]
    if names is not None:
        return [(i + 0.5, text(style, name, scale=scale)) for i, name in enumerate(names)]
    places = ticks(*limits, int(min(11, max(2, most))))
    return [(value, text(style, name, scale=scale)) for value, name in places]


def widest(labels: Labels) -> int:
    return max((mask.shape[1] for _, mask in labels), default=0)


@lru_cache(maxsize=4096)
def _slanted(key: bytes, shape: tuple[int, int]) -> Mask:
    mask = np.frombuffer(key, np.uint8).reshape(shape)
    h, w = shape
    side = ceil((w + h) * 0.7072) + 1
    turn = cv2.getRotationMatrix2D((w, 0), 45, 1.0)
    turn[:, 2] += (side - w, 0)
    return np.asarray(cv2.warpAffine(mask, turn, (side + h, side)), np.uint8)


def slant_for(labels: Labels, room: float, wanted: int) -> int:
    """The angle of category names that each have `room` pixels: 0, 45 or 90 degrees."""
    wide = widest(labels)
    if wide > room * 0.95:
        return wanted or 45
    return 0 if wanted == 45 and wide < room * 0.5 else wanted


def depth(style: Style, labels: Labels, slant: int) -> int:
    """Pixel rows that the labels take up below the axis at an angle."""
    if slant == 0:
        return line_of(style)
    return widest(labels) if slant == 90 else ceil(widest(labels) * 0.7) + line_of(style) // 2


def write_below(frame: Frame, labels: Labels, gap: int, slant: int) -> None:
    """Labels of the x axis, `gap` pixels below the data area."""
    pixels, ink, y = frame.pixels, frame.style.ink, frame.bottom + 1 + gap
    for value, mask in labels:
        x = frame.at(value, 0)[0]
        if slant == 90:
            turned = np.rot90(mask)
            paste(pixels, turned, x - turned.shape[1] // 2, y, ink)
        elif slant == 45:
            turned = _slanted(mask.tobytes(), (mask.shape[0], mask.shape[1]))
            paste(pixels, turned, x - turned.shape[1] + mask.shape[0], y, ink)
        else:
            paste(pixels, mask, x - mask.shape[1] // 2, y, ink)


def write_left(frame: Frame, labels: Labels, gap: int) -> None:
    """Labels of the y axis, `gap` pixels left of the data area."""
    for value, mask in labels:
        y = frame.at(0, value)[1] - mask.shape[0] / 2
        paste(frame.pixels, mask, frame.left - gap - mask.shape[1], round(y), frame.style.ink)


def legend_size(style: Style, legend: Legend) -> tuple[int, int]:
    """(width, height) of a legend in one column."""
    em = style.type_px
    wide = max(text(style, name).shape[1] for name, _ in legend)
    return wide + round(em * 1.9), len(legend) * round(em * 1.25)


def legend_column(pixels: Pixels, style: Style, legend: Legend, x: int, y: int, boxed: bool) -> None:
    em = style.type_px
    wide, deep = legend_size(style, legend)
    if boxed:
        edge = mix(style.paper, style.ink, 0.6)
        box(pixels, x - 2, y - 2, x + wide + 2, y + deep, style.paper, edge)
    for i, (name, colour) in enumerate(legend):
        mask = text(style, name)
        top = y + i * round(em * 1.25)
        middle = top + round(em * 0.4)
        if boxed or len(legend) % 2:
            half = round(em * 0.3)
            box(pixels, x, middle - half, x + round(em * 0.9), middle + half, colour)
        else:
            cv2.line(pixels, (x, middle), (x + round(em * 1.2), middle), colour, style.line + 1)
        paste(pixels, mask, x + round(em * 1.6), top, style.ink)


def legend_row(pixels: Pixels, style: Style, legend: Legend, x: int, y: int) -> None:
    """Entries side by side as far as there is room."""
    em = style.type_px
    for name, colour in legend:
        mask = text(style, name)
        if x + mask.shape[1] + em * 1.5 > pixels.shape[1] - 1:
            break
        box(pixels, x, y, x + round(em * 0.8), y + round(em * 0.6), colour)
        paste(pixels, mask, x + round(em * 1.3), y, style.ink)
        x += mask.shape[1] + round(em * 2.4)
