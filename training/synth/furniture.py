"""What stands between and around panels: titles, headers, frames, lines, arrows, legends, colour bars."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ...core.records import Box
from .chance import one_of
from .content.base import Color, Pixels, Rng, Style
from .content.text import paste, text
from .content.words import GENES, GROUPS, SHORT, TITLES, pick, some


def header_words(rng: Rng, count: int) -> list[str]:
    """Names of columns or rows, all of one kind."""
    chosen = rng.random()
    if chosen < 0.45:
        fitting = [group for group in GROUPS if len(group) >= count]
        if fitting:
            return list(one_of(rng, fitting)[:count])
    if chosen < 0.65:
        return some(rng, SHORT, count)
    return some(rng, GENES if chosen < 0.8 else TITLES, count)


def line_height(style: Style) -> int:
    """Room for one line of type with its leading."""
    return round(style.type_px * 0.72) + 4


def title(pixels: Pixels, area: Box, string: str, style: Style, *, bold: bool) -> None:
    """One line of type centred in ``area``, smaller where it is too long, cut at the area's edges."""
    mask = text(style, string, bold=bold)
    x0, y0, x1, y1 = area
    if mask.shape[1] > x1 - x0:
        mask = text(style, string, bold=bold, scale=0.7)
    x = max(x0, (x0 + x1 - mask.shape[1]) // 2)
    y = y0 + max(0, (y1 - y0 - mask.shape[0]) // 2)
    paste(pixels[:y1, :x1], mask, x, y, style.ink)


def title_left(pixels: Pixels, area: Box, string: str, style: Style, *, bold: bool) -> None:
    """One line of type turned upwards, centred in ``area``, cut at its edges."""
    mask = np.rot90(text(style, string, bold=bold))
    x0, y0, x1, y1 = area
    x = x0 + max(0, (x1 - x0 - mask.shape[1]) // 2)
    y = max(y0, (y0 + y1 - mask.shape[0]) // 2)
    paste(pixels[:y1, :x1], mask, x, y, style.ink)


def frame(pixels: Pixels, box: Box, colour: Color, dashed: bool) -> None:
    """A rectangle drawn just inside ``box``."""
    x0, y0, x1, y1 = box
    if not dashed:
        cv2.rectangle(pixels, (x0, y0), (x1 - 1, y1 - 1), colour, 1)
        return
    for y in (y0, y1 - 1):
        dashes(pixels, (x0, y), (x1, y), colour)
    for x in (x0, x1 - 1):
        dashes(pixels, (x, y0), (x, y1), colour)


def dashes(pixels: Pixels, start: tuple[int, int], end: tuple[int, int], colour: Color, on: int = 4) -> None:
    """A dashed line along a row or a column, 1 px thick."""
    if start[1] == end[1]:
        line = pixels[start[1], start[0] : end[0]]
    else:
        line = pixels[start[1] : end[1], start[0]]
    line[np.arange(len(line)) % (on + 3) < on] = colour


def arrow(pixels: Pixels, gap: Box, horizontal: bool, colour: Color, thick: int) -> None:
    """An arrow across a gap between two panels, pointing right or down."""
    x0, y0, x1, y1 = gap
    middle_x, middle_y = (x0 + x1) // 2, (y0 + y1) // 2
    start, end = (
        ((x0 + 1, middle_y), (x1 - 2, middle_y)) if horizontal else ((middle_x, y0 + 1), (middle_x, y1 - 2))
    )
    cv2.arrowedLine(pixels, start, end, colour, thick, cv2.LINE_AA, 0, 0.45)


def bracket(pixels: Pixels, area: Box, colour: Color) -> None:
    """A bracket over ``area``: a line with two short legs downwards."""
    x0, y0, x1, y1 = area
    points = np.array([[x0, y1 - 1], [x0, y0], [x1 - 1, y0], [x1 - 1, y1 - 1]], np.int32)
    cv2.polylines(pixels, [points], False, colour, 1)


def colour_bar(pixels: Pixels, area: Box, rng: Rng, style: Style) -> None:
    """An upright colour scale with its end values to the right, filling ``area`` from its left."""
    x0, y0, x1, y1 = area
    wide = max(3, min(9, (x1 - x0) // 3))
    maps = (cv2.COLORMAP_JET, cv2.COLORMAP_VIRIDIS, cv2.COLORMAP_HOT, cv2.COLORMAP_BONE, cv2.COLORMAP_PLASMA)
    ramp = np.linspace(255, 0, y1 - y0).astype(np.uint8)[:, None]
    bar = cv2.applyColorMap(ramp, one_of(rng, maps))[:, :, ::-1]
    pixels[y0:y1, x0 : x0 + wide] = bar
    for string, y in (("1.0", y0), ("0.5", (y0 + y1) // 2 - 3), ("0", y1 - round(style.type_px * 0.72))):
        paste(pixels[:y1, :x1], text(style, string, scale=0.9), x0 + wide + 2, y, style.ink)


def legend(pixels: Pixels, area: Box, names: Sequence[str], style: Style) -> None:
    """Keys and names in one line, centred in ``area``; those that do not fit are left out."""
    x0, y0, x1, y1 = area
    key = max(3, round(style.type_px * 0.6))
    masks = [text(style, name) for name in names]
    while masks and sum(m.shape[1] + 2 * key + 6 for m in masks) > x1 - x0:
        masks.pop()
    x = (x0 + x1 - sum(m.shape[1] + 2 * key + 6 for m in masks)) // 2
    for n, mask in enumerate(masks):
        colour = style.palette[n % len(style.palette)]
        middle = (y0 + y1) // 2
        pixels[middle - key // 2 : middle - key // 2 + key, x : x + key] = colour
        paste(pixels[:y1, :x1], mask, x + key + 2, middle - mask.shape[0] // 2, style.ink)
        x += mask.shape[1] + 2 * key + 6


def card(pixels: Pixels, box: Box, colour: Color, radius: int) -> None:
    """A plate filling ``box``, with rounded corners where ``radius`` is above 0."""
    x0, y0, x1, y1 = box
    radius = min(radius, (x1 - x0) // 3, (y1 - y0) // 3)
    cv2.rectangle(pixels, (x0, y0 + radius), (x1 - 1, y1 - 1 - radius), colour, -1)
    cv2.rectangle(pixels, (x0 + radius, y0), (x1 - 1 - radius, y1 - 1), colour, -1)
    if radius:
        for x in (x0 + radius, x1 - 1 - radius):
            for y in (y0 + radius, y1 - 1 - radius):
                cv2.circle(pixels, (x, y), radius, colour, -1)


def panel_title(rng: Rng) -> str:
    """A title as it stands over a panel."""
    return pick(rng, TITLES)
