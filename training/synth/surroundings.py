"""What a page carries outside its panels: headers, brackets, legends, colour bars, arrows, lines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2

from ...core.records import Box
from . import furniture
from .chance import one_of
from .content.base import Color, Rng, Style
from .content.words import groups
from .page import Page, Strips, meet

LINES: tuple[Color, ...] = ((255, 255, 255), (0, 0, 0), (128, 128, 128))


def random_strips(rng: Rng, style: Style, boxes: Sequence[tuple[float, float, float, float]]) -> Strips:
    """Strips for a page with slots at ``boxes`` (shares of the page); mostly none.

    Headers stand only over several rows or beside several columns: over a single one they would be the
    titles of its panels.
    """
    strips = Strips()
    chosen = rng.random()
    if chosen > 0.22 or len(boxes) < 2:
        return strips
    line = furniture.line_height(style)
    top, left = min(b[1] for b in boxes), min(b[0] for b in boxes)
    several_rows = all(b[3] < 0.9 for b in boxes if b[1] <= top)
    several_columns = all(b[2] < 0.9 for b in boxes if b[0] <= left)
    if chosen < 0.12:
        if several_rows and several_columns:
            strips.top = (line + 1) * (1 + int(rng.random() < 0.2))
            strips.left = line + 1 if rng.random() < 0.7 else 0
        elif several_rows and rng.random() < 0.5:
            strips.top = line + 1
        elif several_columns and rng.random() < 0.5:
            strips.left = line + 1
    elif chosen < 0.17:
        strips.bottom = line + 3
    else:
        strips.right = round(style.type_px * 2.2) + 12
    return strips


def furnish(rng: Rng, page: Page) -> None:
    """Draw what stands in the strips and between the panels."""
    _headers(rng, page)
    x0, y0, x1, y1 = page.area
    if page.strips.bottom and not all(part.fills for part in page.parts):
        furniture.legend(page.pixels, (x0, y1 + 2, x1, y1 + page.strips.bottom), groups(rng), page.style)
    if page.strips.right:
        third = int((y1 - y0) * rng.uniform(0.0, 0.3))
        bar = (x1 + 5, y0 + third, x1 + page.strips.right, y1 - third)
        furniture.colour_bar(page.pixels, bar, rng, page.style)
    _gutters(rng, page)
    _between(rng, page)


def _headers(rng: Rng, page: Page) -> None:
    slots = [part.slot for part in page.parts]
    bold = bool(rng.random() < 0.5)
    if page.strips.top:
        first = sorted(slot for slot in slots if slot[1] == min(s[1] for s in slots))
        line = furniture.line_height(page.style)
        for slot, word in zip(first, furniture.header_words(rng, len(first)), strict=False):
            area = (slot[0], page.area[1] - line, slot[2], page.area[1] - 1)
            furniture.title(page.pixels, area, word, page.style, bold=bold)
        if page.strips.top > line + 1:  # a second line: a bracket over all columns with their common name
            x0, x1, y = first[0][0], first[-1][2], page.area[1] - line
            furniture.bracket(page.pixels, (x0 + 3, y - 2, x1 - 3, y), page.style.ink)
            name = furniture.panel_title(rng)
            furniture.title(page.pixels, (x0, y - line - 1, x1, y - 3), name, page.style, bold=bold)
    if page.strips.left:
        first = sorted((slot for slot in slots if slot[0] == min(s[0] for s in slots)), key=lambda s: s[1])
        for slot, word in zip(first, furniture.header_words(rng, len(first)), strict=False):
            area = (page.area[0] - page.strips.left, slot[1], page.area[0] - 1, slot[3])
            furniture.title_left(page.pixels, area, word, page.style, bold=bold)


def _gutters(rng: Rng, page: Page) -> None:
    """Coloured lines instead of paper between pictures that stand close."""
    slots = [part.slot for part in page.parts]
    if rng.random() > 0.3 or not all(part.fills and part.content == part.slot for part in page.parts):
        return
    bounds = (
        min(s[0] for s in slots),
        min(s[1] for s in slots),
        max(s[2] for s in slots),
        max(s[3] for s in slots),
    )
    covered = sum((s[2] - s[0]) * (s[3] - s[1]) for s in slots)
    if covered < 0.95 * (bounds[2] - bounds[0]) * (bounds[3] - bounds[1]):
        return
    kept = [page.pixels[s[1] : s[3], s[0] : s[2]].copy() for s in slots]
    colour = one_of(rng, LINES)
    cv2.rectangle(page.pixels, bounds[:2], (bounds[2] - 1, bounds[3] - 1), colour, -1)
    for slot, pixels in zip(slots, kept, strict=True):
        page.pixels[slot[1] : slot[3], slot[0] : slot[2]] = pixels


def _between(rng: Rng, page: Page) -> None:
    """Arrows and separating lines in the gaps between panels."""
    chosen = rng.random()
    if chosen > 0.09:
        return
    boxes = [part.tight for part in page.parts]
    colour = page.style.ink if rng.random() < 0.6 else (150, 150, 150)
    thick = 1 + int(rng.random() < 0.4)
    for a, b in itertools.pairwise(boxes):
        for axis in (0, 1):
            gap = _gap(a, b, axis)
            if gap is None or any(meet(gap, box) for box in boxes):
                continue
            if chosen < 0.04:
                if gap[axis + 2] - gap[axis] >= 9:
                    furniture.arrow(page.pixels, gap, axis == 0, colour, thick)
                continue
            middle = (gap[axis] + gap[axis + 2]) // 2
            on = 4 if chosen < 0.07 else 1 << 20
            start, end = (
                ((middle, gap[1]), (middle, gap[3])) if axis == 0 else ((gap[0], middle), (gap[2], middle))
            )
            furniture.dashes(page.pixels, start, end, colour, on)


def _gap(a: Box, b: Box, axis: int) -> Box | None:
    """The gap from ``a`` rightwards (axis 0) or down to ``b``, where it has room for a mark."""
    across = 1 - axis
    low, high = max(a[across], b[across]), min(a[across + 2], b[across + 2])
    if b[axis] - a[axis + 2] < 5 or high - low < 20:
        return None
    return (a[2], low, b[0], high) if axis == 0 else (low, a[3], high, b[1])
