"""Small sub-axes that are one panel together: white space inside is wider than many a gutter."""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from .axes import SHIFT, Frame, box, centred, dots
from .base import Color, Drawn, Pixels, Rng, Style, mix
from .plots import cells, colours_of, ramp_of, walk
from .strokes import polygon, subpixel
from .text import paste, text
from .words import GENES, TITLES, X_TITLES, Y_TITLES, groups, pick, some

Ramp = NDArray[np.uint8]
NUMBERED = ((0.02, "0"), (0.5, "20"), (0.95, "40"))
GROUPED = (((0.25, "C"), (0.75, "T")), ((0.17, "C"), (0.5, "L"), (0.83, "H")))
YEARS = ("2016", "2017", "2018", "2019", "2020", "2021", "2022", "2023", "2024")


def _mini(
    data: Rng,
    area: Pixels,
    style: Style,
    manner: int,
    colours: list[Color],
    ticked: bool,
    ramp: Ramp | None = None,
) -> None:
    """One small plot with spines and a few ticks but without titles; a heat map where there is a `ramp`."""
    height, width = area.shape[:2]
    em, ink = style.type_px, style.ink
    left = ceil(em * 1.5) if ticked and width > em * 6 else 1
    below = ceil(em * 1.1) if ticked and height > em * 5 else 1
    frame = Frame(area, style, left, 1, max(left + 4, width - 1), max(6, height - below))
    if style.spines == "grey":
        box(area, frame.left, frame.top, frame.right - 1, frame.bottom - 1, mix(style.paper, ink, 0.09))
    if ramp is not None:
        cells(frame.inner, data.random((8, 8)), ramp)
    elif manner == 0:
        for colour in colours:
            frame.line(np.linspace(0, 1, 14), walk(data, 14, 0.1), colour, style.line)
    elif manner == 1:
        count = len(colours) if len(colours) > 1 else 4
        for i, tall in enumerate((0.15 + 0.75 * data.random(count)).tolist()):
            frame.bar((i + 0.2) / count, 0, (i + 0.8) / count, tall, colours[i % len(colours)])
            column, top = frame.at((i + 0.5) / count, tall)
            cv2.line(area, (column, max(0, top - 3)), (column, top), ink, 1)
    elif manner == 2:
        x = data.random(40) * 0.9 + 0.05
        y = np.clip((data.random() - 0.3) * (x - 0.5) + 0.5 + 0.15 * data.standard_normal(40), 0.03, 0.97)
        dots(area, frame.xs(x), frame.ys(y), colours[0], max(0.6, em * 0.15))
        if len(colours) > 2:
            frame.line([0.05, 0.95], [0.4, 0.4 + 0.3 * data.random()], colours[1], style.line)
    elif manner == 3:
        t = np.linspace(0, 1, 30)
        y = np.exp(-(((t - 0.2 - 0.6 * data.random()) / (0.08 + 0.1 * data.random())) ** 2)) * 0.9
        frame.fill(np.r_[t, 1, 0], np.r_[y, 0, 0], mix(colours[0], style.paper, 0.4))
        frame.line(t, y, colours[0])
    else:
        for i, middle in enumerate((0.2 + 0.6 * data.random(len(colours))).tolist()):
            place, wide = (i + 0.5) / len(colours), 0.25 / len(colours)
            column = frame.at(place, 0)[0]
            cv2.line(
                area,
                (column, frame.at(place, middle + 0.2)[1]),
                (column, frame.at(place, middle - 0.2)[1]),
                ink,
                1,
            )
            frame.bar(place - wide, middle - 0.09, place + wide, middle + 0.1, colours[i], ink)
            row = frame.at(place, middle)[1]
            cv2.line(area, (frame.at(place - wide, 0)[0], row), (frame.at(place + wide, 0)[0], row), ink, 1)
    x0, y0, x1, y1 = frame.left - 1, frame.top - 1, frame.right - 1, frame.bottom
    if style.spines == "box" or ramp is not None:
        box(area, x0, max(0, y0), x1, min(y1, height - 1), None, ink, style.line)
    elif style.spines != "grey":
        cv2.polylines(area, [np.array([[x0, y0], [x0, y1], [x1, y1]], np.int32)], False, ink, style.line)
    if left > 1:
        for share, name in ((0.0, "0"), (0.5, "5"), (1.0, "10")):
            mask = text(style, name, scale=0.8)
            row = frame.at(0, share)[1] - mask.shape[0] // 2
            paste(area, mask, x0 - 2 - mask.shape[1], max(0, row), ink)
    if below > 1:
        for share, name in GROUPED[len(colours) % 2] if manner in (1, 4) else NUMBERED:
            mask = text(style, name, scale=0.8)
            paste(area, mask, frame.at(share, 0)[0] - mask.shape[1] // 2, y1 + 2, ink)


def paint_facets(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Two to nine small plots of one kind with strips or titles, shared axis titles and legend."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    line = ceil(em * 0.9) + 2
    columns = max(1, min(1 + int(look.random() * 4), int(width / (em * 5))))
    rows = max(1, min(1 + int(look.random() * 3), int(height / (em * 5))))
    if columns * rows == 1:
        columns, rows = (2, 1) if width > height else (1, 2)
    manner = int(look.random() * 5)
    ramp = ramp_of(look, style) if look.random() < 0.15 else None
    names = groups(look, 3)
    colours = colours_of(look, style, len(names))
    ticked, strips, shared_y, shared_x, title, legend = (
        look.random(6) < (0.7, 0.6, 0.6, 0.6, 0.25, 0.35)
    ).tolist()
    left, top, right, bottom = 0, 0, width, height
    if title and height > em * 10:
        centred(pixels, text(style, pick(data, TITLES), scale=1.15, bold=True), width / 2, line / 2, ink)
        top += line + 1
    if shared_y and width > em * 8:
        mask = np.rot90(text(style, pick(look, Y_TITLES)))
        if mask.shape[0] < height:
            centred(pixels, mask, mask.shape[1] / 2, (top + height) / 2, ink)
            left += mask.shape[1] + 2
    if shared_x and height > em * 8:
        bottom -= line
        mask = text(style, pick(look, X_TITLES))
        if mask.shape[1] < width - left:
            centred(pixels, mask, (left + width) / 2, height - 1 - mask.shape[0] / 2, ink)
    if legend and ramp is None and width > em * 16:
        right -= max(text(style, name).shape[1] for name in names) + round(em * 1.6)
        for i, (name, colour) in enumerate(zip(names, colours, strict=True)):
            y = (top + bottom) // 2 + round((i - len(names) / 2) * line * 1.2)
            box(pixels, right + round(em * 0.4), y, right + round(em), y + round(em * 0.6), colour)
            paste(pixels, text(style, name), right + round(em * 1.3), y, ink)
    gap_x, gap_y = (round(v) for v in (look.random(2) ** 2 * (width * 0.09, height * 0.09) + 2).tolist())
    strip = line if strips and height / rows > em * 6 else 0
    heads = some(
        data, YEARS if look.random() < 0.3 else (GENES if look.random() < 0.5 else TITLES), rows * columns
    )
    filled = look.random() < 0.5
    step_x, step_y = (right - left + gap_x) / columns, (bottom - top + gap_y) / rows
    missing = look.random() < 0.12 and rows > 1 and columns > 1
    for k in range(rows * columns - missing):
        x0, y0 = round(left + k % columns * step_x), round(top + k // columns * step_y)
        x1, y1 = min(right, round(x0 + step_x - gap_x)), min(bottom, round(y0 + step_y - gap_y))
        if x1 - x0 < 6 or y1 - y0 - strip < 7:
            continue
        if strip:
            if filled:
                box(pixels, x0, y0, x1 - 1, y0 + strip - 1, mix(style.paper, ink, 0.16))
            mask = text(style, heads[k], scale=0.9)
            if mask.shape[1] < x1 - x0:
                centred(pixels, mask, (x0 + x1) / 2, y0 + strip / 2, ink)
        _mini(data, pixels[y0 + strip : y1, x0:x1], style, manner, colours, ticked, ramp)
    return f"{heads[0]} to {heads[-1]}, one plot each"


def paint_marginal(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A scatter plot with the distributions of both variables along its sides."""
    height, width = pixels.shape[:2]
    top, side = round(height * 0.2), round(width * 0.2)
    colours = colours_of(look, style, 3)
    _mini(data, pixels[top + 3 :, : width - side - 3], style, 2, colours, True)
    t = np.linspace(0, 1, 30)
    a, b = (np.exp(-(((t - m) / 0.2) ** 2)) * 0.9 for m in (0.3 + 0.4 * data.random(2)).tolist())
    fill = mix(colours[0], style.paper, 0.4)
    start, stretch = style.type_px * 1.6, width - side - style.type_px * 2
    crest = np.stack([start + t * stretch, top - 1 - a * (top - 3)], axis=1)
    flank = np.stack(
        [width - side + 1 + b * (side - 4), top + 4 + t * (height - top - style.type_px * 2)], axis=1
    )
    polygon(pixels, crest, fill)
    polygon(pixels, flank, fill)
    cv2.polylines(pixels, [subpixel(crest), subpixel(flank)], False, colours[0], 1, cv2.LINE_AA, SHIFT)
    return "Scatter plot with marginal distributions"


def paint_broken(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Plots stacked on one shared axis: time series above each other, or a heat map under a profile."""
    height, width = pixels.shape[:2]
    em = style.type_px
    rows = max(2, min(2 + int(look.random() * 4), int(height / (em * 3.5))))
    shares = np.cumsum(1 + 1.5 * look.random(rows))
    edges = np.rint(np.r_[0, shares / shares[-1]] * height).astype(int).tolist()
    gap = round(em * (0.2 + 1.2 * look.random()))
    manners = [(0, 0, 2, 3, 1)[int(u * 5)] for u in look.random(rows).tolist()]
    mapped = look.random() < 0.3
    colours = colours_of(look, style, 2)
    indent = ceil(em * 1.2) if width > em * 9 else 0
    for i, manner in enumerate(manners):
        last = i == rows - 1
        y0, y1 = edges[i], edges[i + 1] - (0 if last else gap)
        if y1 - y0 < 8:
            continue
        _mini(
            data,
            pixels[y0:y1, indent:],
            style,
            manner,
            colours,
            last,
            ramp_of(look, style) if last and mapped else None,
        )
        mask = np.rot90(text(style, pick(data, Y_TITLES)[:8]))
        if indent and mask.shape[0] < y1 - y0:
            centred(pixels, mask, mask.shape[1] / 2, (y0 + y1) / 2, style.ink)
    return "Time courses on a common axis"


KINDS = (
    Drawn("facets", paint_facets, 5.0, aspect=(0.6, 2.6)),
    Drawn("marginal", paint_marginal, 0.7, aspect=(0.85, 1.25)),
    Drawn("stacked_axes", paint_broken, 1.5, aspect=(0.6, 1.8)),
)
