"""Panels that are made of several drawings: grids with headers, and unlike drawings side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.records import Box
from .casting import pick_kind
from .chance import one_of, weighted
from .content.base import Color, Drawing, Kind, Rng, Style, blank
from .content.text import paste, text
from .furniture import header_words, line_height, title, title_left
from .grammar import place, random_tree
from .layouts import Rect
from .letters import ROMAN, place_in
from .looks import for_parts


@dataclass(frozen=True)
class Grid:
    """How a grid of drawings is laid out: gutters in pixels, headers, and small numerals on its parts."""

    rows: int
    columns: int
    gutter: int
    gutter_colour: Color
    column_heads: bool
    row_heads: bool
    numerals: bool


def random_grid(rng: Rng, width: int, height: int, kind: Kind, style: Style) -> Grid | None:
    """A grid of parts that suit a panel of this size; None where they would be smaller than 20 px."""
    least = 20 if kind.fills else 44
    most_columns, most_rows = min(7, width // least), min(6, height // least)
    shapes = [(r, c) for r in range(1, most_rows + 1) for c in range(1, most_columns + 1) if 2 <= r * c <= 24]
    if not shapes:
        return None
    low, high = kind.aspect
    middle = (low * high) ** 0.5
    weights = [
        math.exp(-2.0 * abs(math.log(width * r / (height * c * middle)))) / (r * c) ** 0.3 for r, c in shapes
    ]
    rows, columns = shapes[weighted(rng, weights)]
    gutter = one_of(rng, (0, 1, 1, 2, 2, 3, 4, 6) if kind.fills else (2, 4, 6, 9, 12))
    heads = rng.random() < (0.55 if kind.fills else 0.3)
    return Grid(
        rows,
        columns,
        gutter,
        style.paper if rng.random() < 0.85 or not kind.fills else (0, 0, 0),
        column_heads=bool(heads and columns > 1),
        row_heads=bool(rows > 1 and rng.random() < (0.6 if heads else 0.15)),
        numerals=bool(kind.fills and rng.random() < 0.1),
    )


def grid_drawing(rng: Rng, width: int, height: int, kind: Kind, style: Style, grid: Grid) -> Drawing:
    """One panel of exactly ``width`` x ``height`` pixels: a grid of one kind of drawing, with its headers."""
    head = line_height(style)
    left, top = head * grid.row_heads, head * grid.column_heads
    xs = _edges(left, width, grid.columns, grid.gutter)
    ys = _edges(top, height, grid.rows, grid.gutter)
    boxes: list[Box] = [(x0, y0, x1, y1) for y0, y1 in ys for x0, x1 in xs]
    pixels = blank(width, height, style.paper)
    if grid.gutter_colour != style.paper:
        pixels[top:, left:] = grid.gutter_colour
    sizes = [(b[2] - b[0], b[3] - b[1]) for b in boxes]
    drawings = kind.series(rng, sizes, for_parts(style, min(map(min, sizes))))
    for number, (box, drawing) in enumerate(zip(boxes, drawings, strict=True)):
        pixels[box[1] : box[3], box[0] : box[2]] = drawing.pixels
        if grid.numerals:
            mask = text(style, ROMAN[number % len(ROMAN)], trim=True)
            at = place_in(box, (mask.shape[1], mask.shape[0]), "tl", 2)
            paste(pixels, mask, at[0], at[1], (255, 255, 255))
    bold = bool(rng.random() < 0.3)
    if grid.column_heads:
        for (x0, x1), word in zip(xs, header_words(rng, len(xs)), strict=False):
            title(pixels, (x0, 0, x1, top - 1), word, style, bold=bold)
    if grid.row_heads:
        for (y0, y1), word in zip(ys, header_words(rng, len(ys)), strict=False):
            title_left(pixels, (0, y0, left - 1, y1), word, style, bold=bold)
    fills = drawings[0].fills and not (grid.column_heads or grid.row_heads)
    return Drawing(pixels, drawings[0].modality, fills, drawings[0].phrase)


def mixed_drawing(
    rng: Rng, width: int, height: int, kind: Kind, kinds: Sequence[Kind], style: Style
) -> Drawing:
    """One panel of two to five unlike drawings, such as a blot and its bars; ``kind`` is the first."""
    room = min(5, width * height // 5000)
    tree = random_tree(rng, int(rng.integers(2, max(3, room + 1))))
    gap = float(rng.integers(3, 14))
    boxes: list[Rect] = []
    place(tree, (0.0, 0.0, float(width), float(height)), gap, gap, boxes)
    pixels = blank(width, height, style.paper)
    modality = phrase = ""
    for box in boxes:
        x0, y0, x1, y1 = (int(v) for v in box)
        wide, high = max(12, x1 - x0), max(12, y1 - y0)
        if rng.random() < 0.3 and min(wide, high) > 40:  # not of one height or width
            wide, high = int(wide * rng.uniform(0.7, 1.0)), int(high * rng.uniform(0.7, 1.0))
        chosen = pick_kind(rng, kinds, (wide, high)) if modality else kind
        drawing = chosen.draw(rng, wide, high, for_parts(style, min(wide, high)))
        target = pixels[y0 : y0 + high, x0 : x0 + wide]
        target[:] = drawing.pixels[: target.shape[0], : target.shape[1]]
        modality, phrase = modality or drawing.modality, phrase or drawing.phrase
    return Drawing(pixels, modality, False, phrase)


def _edges(start: int, end: int, count: int, gutter: int) -> list[tuple[int, int]]:
    """(from, to) of ``count`` equal parts with gutters between them."""
    room = end - start - gutter * (count - 1)
    steps = [start + round(n * room / count) + n * gutter for n in range(count + 1)]
    return [(a, b - gutter) for a, b in itertools.pairwise(steps)]
