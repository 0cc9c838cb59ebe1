"""Schemes: flow charts, pathways, timelines, cells, apparatus, network architectures; each is one panel."""

from __future__ import annotations

import numpy as np

from .base import Color, Drawn, Pixels, Rng, Style, is_dark, mix
from .strokes import (
    arrow,
    ellipse,
    line_height,
    rounded,
    stroke,
    tint,
    write_in,
)
from .words import SHORT, STEPS, pick, some

WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)


def over(colour: Color) -> Color:
    """Type that can be read on a colour."""
    return WHITE if is_dark(colour) else BLACK


def paint_flow(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Boxes in rows of one to three, joined by arrows, white space between them wider than any gutter."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    tall = height > width * 0.7
    along, across = (height, width) if tall else (width, height)
    stages = max(2, min(2 + int(look.random() * 7), int(along / (em * (3.0 if tall else 6.5)))))
    lanes = max(1, min(1 + int(look.random() * 3), int(across / (em * (7.0 if tall else 3.0)))))
    radius = em * look.random() if look.random() < 0.5 else 0.0
    coloured, plain, loose = look.random(), look.random() < 0.45, 0.25 + 0.4 * look.random()
    pitch = along / stages
    gap = pitch * loose * 0.8
    words = some(data, STEPS, stages * lanes)
    before: list[tuple[float, float, float, float]] = []
    for i in range(stages):
        count = 1 if look.random() < 0.45 else lanes
        row: list[tuple[float, float, float, float]] = []
        start = i * (along - 1) / stages + (gap / 2 if i else 0)
        end = (i + 1) * (along - 1) / stages - (gap / 2 if i < stages - 1 else 0)
        place = across / count
        share = (0.45 + 0.4 * data.random()) if count == 1 else 1 - loose * 0.6
        for j in range(count):
            middle, half = (j + 0.5) * place, place * share / 2
            low, high = max(0.0, middle - half), min(across - 1.0, middle + half)
            rect = (low, start, high, end) if tall else (start, low, end, high)
            fill = style.paper if plain else tint(style, i if coloured < 0.6 else j, 0.75 * coloured)
            rounded(pixels, *rect, radius, fill, ink if plain or coloured < 0.7 else None, style.line)
            colour = over(fill) if not plain else ink
            write_in(
                pixels,
                style,
                words[i * lanes + j],
                rect[0] + 2,
                rect[1] + 1,
                rect[2] - 2,
                rect[3] - 1,
                colour,
            )
            row.append(rect)
        for k in range(max(len(before), len(row)) if before else 0):
            a, b = before[min(k, len(before) - 1)], row[min(k, len(row) - 1)]
            if tall:
                x = (b[0] + b[2]) / 2 if len(row) >= len(before) else (a[0] + a[2]) / 2
                x = min(max(x, 1), width - 2)
                y0 = a[3] + 1 if a[0] <= x <= a[2] else (a[3] + b[1]) / 2
                if not a[0] <= x <= a[2]:
                    stroke(
                        pixels, [((a[0] + a[2]) / 2, a[3]), ((a[0] + a[2]) / 2, y0), (x, y0)], ink, style.line
                    )
                y1 = b[1] - 1 if b[0] <= x <= b[2] else (a[3] + b[1]) / 2
                arrow(pixels, (x, y0), (x, y1), ink, style.line, em * 0.5)
                if y1 < b[1] - 1:
                    stroke(pixels, [(x, y1), ((b[0] + b[2]) / 2, y1)], ink, style.line)
            else:
                ya, yb = (a[1] + a[3]) / 2, (b[1] + b[3]) / 2
                arrow(pixels, (a[2] + 1, ya), (b[0] - 1, yb), ink, style.line, em * 0.5)
        before = row
    return "Flow chart of the study"


def paint_consort(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A trial's flow of participants: a trunk with exclusions at its side, then two arms."""
    height, width = pixels.shape[:2]
    em, ink, paper = style.type_px, style.ink, style.paper
    rows = max(3, min(4 + int(look.random() * 3), int(height / (em * 2.6))))
    words = some(data, STEPS, rows * 2 + 4)
    pitch = height / rows
    half = pitch * (0.28 + 0.1 * look.random())
    trunk = max(1, int(rows * 0.5))
    shade = paper if look.random() < 0.7 else tint(style, int(look.random() * 6), 0.8)
    middle = width * (0.5 if look.random() < 0.6 else 0.38)
    reach = width * (0.17 + 0.05 * data.random())

    def block(x0: float, y: float, x1: float, word: str) -> None:
        rounded(
            pixels,
            max(0, x0),
            y - half,
            min(width - 1, x1),
            min(height - 1, y + half),
            0,
            shade,
            ink,
            style.line,
        )
        write_in(pixels, style, word, max(0, x0) + 2, y - half + 1, min(width - 1, x1) - 2, y + half - 1, ink)

    for i in range(trunk):
        y = max(half, (i + 0.5) * pitch)
        end = (i + 1.5) * pitch - half
        arrow(pixels, (middle, y), (middle, end), ink, style.line, em * 0.5)
        if data.random() < 0.7:
            side = y + pitch / 2
            arrow(pixels, (middle, side), (width * 0.72, side), ink, style.line, em * 0.5)
            block(width * 0.72, side, width - 1, words[i + rows])
        block(middle - reach, y, middle + reach, words[i])
    fork = (trunk + 0.1) * pitch
    arms = (width * 0.22, width * 0.78)
    if rows > trunk:
        stroke(pixels, [(arms[0], fork), (arms[1], fork)], ink, style.line)
    for arm in arms:
        above = fork
        for i in range(trunk, rows):
            y = min(height - 1 - half, (i + 0.6) * pitch)
            arrow(pixels, (arm, above), (arm, y - half), ink, style.line, em * 0.5)
            block(arm - reach, y, arm + reach, words[(i + int(arm)) % len(words)])
            above = y + half
    return "Flow diagram of participants through the trial"


def paint_pathway(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Proteins as coloured ellipses between membrane and nucleus, with activation and inhibition."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    if look.random() < 0.4:
        ground = tint(style, int(look.random() * 6), 0.85)
        rounded(pixels, 0, 0, width - 1, height - 1, em * look.random() * 3, ground, mix(ground, ink, 0.4))
    if look.random() < 0.6:
        y = height * (0.12 + 0.1 * look.random())
        lipid = tint(style, int(look.random() * 6), 0.3)
        for line in (y, y + em * 0.9):
            stroke(pixels, [(0, line), (width - 1, line)], mix(lipid, ink, 0.3), style.line)
        step = max(3.0, em * 0.6)
        for x in np.arange(step / 2, width, step).tolist():
            ellipse(pixels, x, y, step * 0.42, step * 0.42, lipid)
            ellipse(pixels, x, y + em * 0.9, step * 0.42, step * 0.42, lipid)
    if look.random() < 0.5:
        fill = tint(style, int(look.random() * 6), 0.8)
        ellipse(pixels, width / 2, height, width * 0.42, height * 0.3, fill, mix(fill, ink, 0.5), style.line)
    columns = max(1, min(5, int(width / (em * 5))))
    rows = max(2, min(6, int(height / (em * 3))))
    many = columns * rows
    words = some(data, SHORT, many)
    jitter = (data.random((many, 2)) - 0.5).tolist()
    keep = data.random(many) < 0.75
    shape, start = int(look.random() * 3), int(look.random() * 6)
    rx, ry = min(em * 1.9, width / columns * 0.42), min(em * 0.85, height / rows * 0.3)
    spots: dict[int, tuple[float, float]] = {}
    for k in range(many):
        if keep[k]:
            x = (k % columns + 0.5 + 0.25 * jitter[k][0]) * width / columns
            y = (k // columns + 0.5 + 0.4 * jitter[k][1]) * height / rows
            spots[k] = (x, y)
    for k, (x, y) in spots.items():
        below = spots.get(k + columns)
        if below is not None:
            blunt = data.random() < 0.2
            arrow(pixels, (x, y + ry + 1), (below[0], below[1] - ry - 1), ink, style.line, em * 0.5, blunt)
        beside = spots.get(k + 1) if (k + 1) % columns else None
        if beside is not None and data.random() < 0.25:
            arrow(pixels, (x + rx + 1, y), (beside[0] - rx - 1, beside[1]), ink, style.line, em * 0.5)
    for k, (x, y) in spots.items():
        fill = tint(style, start + k // columns if shape else k, 0.35)
        edge = mix(fill, ink, 0.5)
        if shape == 2:
            rounded(pixels, x - rx, y - ry, x + rx, y + ry, em * 0.5, fill, edge)
        else:
            ellipse(pixels, x, y, rx, ry, fill, edge)
        write_in(pixels, style, words[k], x - rx, y - ry, x + rx, y + ry, over(fill))
    return f"Proposed mechanism of {words[0]} signalling"


def paint_timeline(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """The schedule of an experiment: an axis with events above and periods below."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    pitch = line_height(style)
    y = height * (0.45 + 0.2 * look.random())
    arrow(pixels, (1, y), (width - 2, y), ink, style.line + 1, em * 0.8)
    events = max(2, min(3 + int(look.random() * 5), int(width / (em * 4))))
    names = some(data, STEPS, events)
    unit = ("Day", "Week", "h", "P")[int(look.random() * 4)]
    for i in range(events):
        x = (i + 0.5) * width / events
        stroke(pixels, [(x, y - em * 0.5), (x, y + em * 0.5)], ink, style.line)
        write_in(
            pixels, style, f"{unit} {i * 7}", x - em * 3, y + em * 0.6, x + em * 3, y + em * 0.6 + pitch, ink
        )
        if data.random() < 0.7:
            colour = style.palette[i % len(style.palette)]
            top = min(y * 0.15, y - em * 3.6)
            arrow(pixels, (x, max(0.0, top + em * 2.1)), (x, y - em * 0.6), colour, style.line, em * 0.5)
            half = width / events * 0.48
            write_in(
                pixels, style, names[i], x - half, max(0.0, top - em), x + half, max(0.0, top + em * 2), ink
            )
    bars = max(0, min(1 + int(look.random() * 3), int((height - y - em * 2.2) / (em * 1.6))))
    room = (height - y - em * 2.2) / max(1, bars)
    for i in range(bars):
        top = y + em * 2.2 + i * min(room, em * 3)
        a, b = sorted((data.random(2) * width).tolist())
        fill = tint(style, i, 0.4)
        rounded(pixels, a, top, min(width - 1, b + em * 3), top + em * 1.2, 0, fill)
        write_in(
            pixels, style, pick(data, SHORT), a, top, min(width - 1, b + em * 3), top + em * 1.2, over(fill)
        )
    return "Timeline of the experiment"


def paint_board(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Columns of text boxes under head boxes, with few arrows or none: words in cells, yet one panel."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    columns = max(1, min(2 + int(look.random() * 3), int(width / (em * 6))))
    rows = max(2, min(2 + int(look.random() * 6), int(height / (em * 2.4))))
    gap_x = (0.06 + 0.3 * look.random()) * width / columns
    gap_y = (0.05 + 0.5 * look.random()) * height / rows
    plain, ragged, joined = look.random() < 0.55, look.random() < 0.5, look.random()
    radius = em * look.random() if look.random() < 0.4 else 0.0
    frame = mix(style.paper, ink, 0.15 + 0.85 * look.random())
    head = tint(style, int(look.random() * 6), 0.6) if look.random() < 0.7 else None
    words = some(data, STEPS, rows * columns)
    pitch = (width + gap_x) / columns
    for column in range(columns):
        left, right = column * pitch, column * pitch + pitch - gap_x - 1
        count = max(2, rows - int(data.random() * 3)) if ragged else rows
        step = (height + gap_y) / count
        for row in range(count):
            top, bottom = row * step, row * step + step - gap_y - 1
            fill = head if row == 0 and head is not None else None
            if fill is None:
                fill = style.paper if plain else tint(style, column, 0.8)
            rounded(pixels, left, top, right, bottom, radius, fill, frame, style.line)
            word = words[column * rows + row]
            write_in(pixels, style, word, left + 2, top + 1, right - 2, bottom - 1, over(fill))
            if row and joined < 0.3:
                middle = (left + right) / 2
                arrow(pixels, (middle, top - gap_y), (middle, top - 1), ink, style.line, em * 0.4)
        if column and joined > 0.45:
            y = height * (0.2 + 0.6 * data.random())
            arrow(pixels, (left - gap_x + 1, y), (left - 1, y), ink, style.line, em * 0.5)
    return "Framework of the study"


def paint_contrast(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Two or three alike chains of shapes side by side, on tinted grounds or none."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    arms = max(1, min(2 + int(look.random() * 1.6), int(width / (em * 6))))
    rows = max(2, min(3 + int(look.random() * 4), int(height / (em * 3))))
    grounds, between = look.random() < 0.55, look.random() * 0.1
    shapes = look.random(rows)
    pitch, step = width / arms, height / rows
    for arm in range(arms):
        left, right = arm * pitch + between * pitch, (arm + 1) * pitch - between * pitch - 1
        if grounds:
            rounded(pixels, left, 0, right, height - 1, em * look.random(), tint(style, arm, 0.85))
        middle = (left + right) / 2 + (0.1 * (data.random() - 0.5)) * pitch
        half = (0.16 + 0.2 * data.random()) * pitch
        for row in range(rows):
            top, bottom = row * step + 0.12 * step, (row + 1) * step - 0.3 * step
            fill = tint(style, row if shapes[row] < 0.6 else arm, 0.5)
            edges = (max(left + 1, middle - half), top, min(right - 1, middle + half), bottom)
            if shapes[row] < 0.4:
                rounded(pixels, *edges, em * 0.5 * (shapes[row] > 0.2), fill, ink, style.line)
            elif shapes[row] < 0.75:
                radii = ((edges[2] - edges[0]) / 2, (bottom - top) / 2)
                ellipse(pixels, (edges[0] + edges[2]) / 2, (top + bottom) / 2, *radii, fill, ink, style.line)
            colour = over(fill) if shapes[row] < 0.75 else ink
            write_in(pixels, style, pick(data, SHORT), edges[0] + 2, top, edges[2] - 2, bottom, colour)
            if data.random() < 0.25:
                write_in(pixels, style, pick(data, SHORT), edges[2] + 2, top, right, bottom, ink)
            if row < rows - 1 and data.random() < 0.85:
                arrow(pixels, (middle, bottom + 1), (middle, bottom + 0.4 * step), ink, style.line, em * 0.4)
    return "Model of the two outcomes"


KINDS = (
    Drawn("flow_chart", paint_flow, 5.0, "diagram", aspect=(0.6, 2.4)),
    Drawn("board", paint_board, 3.0, "diagram", aspect=(0.5, 2.4)),
    Drawn("contrast", paint_contrast, 1.2, "diagram", aspect=(0.6, 2.0)),
    Drawn("consort", paint_consort, 1.2, "diagram", aspect=(0.7, 1.4)),
    Drawn("pathway", paint_pathway, 3.5, "diagram", aspect=(0.7, 1.9)),
    Drawn("timeline", paint_timeline, 2.5, "diagram", aspect=(1.8, 6.0)),
)
