"""Everyday plots: lines, scatter, heat maps, histograms, pies."""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

from .accents import backdrop, remarks
from .axes import Floats, Frame, Legend, axes, box, centred, dots, error_bar, look_of, markers, note, ticks
from .base import Color, Drawn, Pixels, Rng, Style, is_dark, mix
from .text import paste, text
from .words import (
    GENES,
    NOTES,
    TITLES,
    X_TITLES,
    Y_TITLES,
    groups,
    pick,
    some,
)

TOPS = (1.0, 1.5, 2.0, 4.0, 5.0, 8.0, 10.0, 20.0, 25.0, 50.0, 80.0, 100.0, 150.0, 200.0, 500.0, 1000.0)
SPANS = (5.0, 7.0, 10.0, 12.0, 20.0, 24.0, 30.0, 48.0, 60.0, 72.0, 100.0, 200.0)


def scale_of(rng: Rng) -> tuple[tuple[float, float], bool]:
    """Limits of a y axis, and whether they are powers of ten."""
    if rng.random() < 0.08:
        first = float(int(rng.random() * 5) - 2)
        return (first, first + 3.0 + int(rng.random() * 4)), True
    return limit(rng, TOPS), False


def limit(rng: Rng, choices: tuple[float, ...]) -> tuple[float, float]:
    """Axis limits from 0 to a round number."""
    return 0.0, choices[int(rng.random() * len(choices))]


def walk(rng: Rng, steps: int, rough: float) -> Floats:
    """A smooth random curve within [0, 1]: a ramp, saturation, peak or drift plus noise."""
    t = np.linspace(0, 1, steps)
    a, b, c = rng.random(3).tolist()
    shape = int(rng.random() * 6)
    if shape == 0:
        y = a * 0.3 + (0.3 + 0.6 * b) * t
    elif shape == 1:
        y = a * 0.1 + (0.4 + 0.5 * b) * (1 - np.exp(-t * (2 + 6 * c)))
    elif shape == 2:
        y = a * 0.2 + (0.3 + 0.5 * b) * np.exp(-(((t - 0.2 - 0.6 * c) / (0.08 + 0.2 * a)) ** 2))
    elif shape == 3:
        y = 0.9 - a * 0.3 - (0.3 + 0.3 * b) * t
    elif shape == 4:
        y = (0.1 + 0.1 * a) + (0.4 + 0.4 * b) / (1 + np.exp(-12 * (t - 0.3 - 0.4 * c)))
    else:
        y = 0.2 + 0.5 * a + (0.1 + 0.2 * b) * np.sin(t * (6 + 20 * c))
    y = y + np.cumsum(rng.standard_normal(steps)) * rough / steps**0.5
    curve: Floats = np.clip(y, 0.01, 0.99)
    return curve


def colours_of(rng: Rng, style: Style, count: int) -> list[Color]:
    """Colours for `count` series: the palette, shades of one of its colours, or greys."""
    habit = rng.random()
    if habit < 0.12:
        return [mix(style.ink, style.paper, 0.85 * i / max(1, count - 1)) for i in range(count)]
    if habit < 0.22:
        base = style.palette[0]
        return [mix(base, style.paper, 0.7 * i / max(1, count - 1)) for i in range(count)]
    start = int(rng.random() * len(style.palette))
    return [style.palette[(start + i) % len(style.palette)] for i in range(count)]


def paint_line(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    names = groups(look)
    if look.random() < 0.25:
        names = names[:1]
    colours = colours_of(look, style, len(names))
    xlim, (ylim, powers) = limit(look, SPANS), scale_of(look)
    ylabel, xlabel = pick(look, Y_TITLES), pick(look, X_TITLES)
    base, span = ylim[0], ylim[1] - ylim[0]
    band, points, dashed = look.random(3).tolist()
    few = look.random() < 0.55
    stepped, thick = look.random() < 0.08, 1 + int(look.random() < 0.25)
    steps = int(4 + look.random() * 8) if few else 60
    legend: Legend = list(zip(names, colours, strict=True)) if len(names) > 1 else ()
    frame = axes(
        look,
        pixels,
        style,
        xlim=xlim,
        ylim=ylim,
        xlabel=xlabel,
        ylabel=ylabel,
        title=pick(data, TITLES),
        legend=legend,
        powers=powers,
    )
    x = np.linspace(xlim[0], xlim[1], steps) if not few else np.linspace(0.02, 0.96, steps) * xlim[1]
    radius = max(1.0, style.type_px * 0.22)
    backdrop(look, frame)
    for i, colour in enumerate(colours):
        y = base + walk(data, steps, 0.05 if few else 0.25) * span
        spread = (0.02 + 0.06 * data.random(steps)) * span
        if not few and band < 0.35:
            frame.fill(
                np.r_[x, x[::-1]], np.r_[y + spread, (y - spread)[::-1]], mix(colour, style.paper, 0.7)
            )
        dash = 1 if dashed < 0.12 and i else 0
        if stepped:
            frame.line(np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1], colour, thick)
        else:
            frame.line(x, y, colour, thick, dash)
        if few and points < 0.8:
            if band < 0.6:
                for a, b, s in zip(x.tolist(), y.tolist(), spread.tolist(), strict=True):
                    error_bar(frame, a, max(base, b - s), min(ylim[1], b + s), colour, max(1, int(radius)))
            markers(pixels, frame.xs(x), frame.ys(y), colour, radius, i % 5 if points < 0.4 else 0, None)
    remarks(look, data, frame)
    if look.random() < 0.25:
        note(frame, data, pick(data, NOTES))
    return f"{ylabel} against {xlabel.lower()}"


def paint_scatter(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    xlim, ylim = limit(look, TOPS), limit(look, TOPS)
    xlabel, ylabel = pick(look, X_TITLES + Y_TITLES), pick(look, Y_TITLES)
    kinds = groups(look, 4) if look.random() < 0.45 else [""]
    colours = colours_of(look, style, len(kinds))
    legend: Legend = list(zip(kinds, colours, strict=True)) if len(kinds) > 1 else ()
    frame = axes(
        look,
        pixels,
        style,
        xlim=xlim,
        ylim=ylim,
        xlabel=xlabel,
        ylabel=ylabel,
        title=pick(data, TITLES),
        legend=legend,
    )
    backdrop(look, frame)
    count = int(12 * 10 ** (look.random() * 1.4))
    slope, fit, shape = data.random() - 0.3, look.random() < 0.55, int(look.random() * 4)
    radius = max(0.6, style.type_px * (0.28 if count < 60 else 0.16))
    for i, colour in enumerate(colours):
        x = np.clip(data.standard_normal(count) * 0.2 + 0.5 + 0.08 * (i - len(kinds) / 2), 0.03, 0.97)
        y = np.clip(0.5 + slope * (x - 0.5) + data.standard_normal(count) * 0.12 - 0.05 * i, 0.03, 0.97)
        if fit and len(kinds) < 3:
            line = np.array([0.04, 0.96])
            middle = 0.5 + slope * (line - 0.5) - 0.05 * i
            if look.random() < 0.5:
                t = np.linspace(0.04, 0.96, 12)
                half = 0.03 + 0.12 * (t - 0.5) ** 2 * 2
                m = 0.5 + slope * (t - 0.5) - 0.05 * i
                shade = mix(style.paper, colour, 0.25)
                frame.fill(np.r_[t, t[::-1]] * xlim[1], np.r_[m + half, (m - half)[::-1]] * ylim[1], shade)
            frame.line(line * xlim[1], middle * ylim[1], style.ink if len(kinds) == 1 else colour, style.line)
        px, py = frame.xs(x * xlim[1]), frame.ys(y * ylim[1])
        if count < 40:
            markers(
                pixels,
                px,
                py,
                colour,
                radius,
                shape if shape < 3 else i % 6,
                style.ink if shape == 1 else None,
            )
        else:
            dots(pixels, px, py, colour, radius)
    remarks(look, data, frame)
    if fit:
        note(frame, data, pick(data, NOTES))
    return f"Correlation of {ylabel.lower()} with {xlabel.lower()}"


RAMPS: tuple[tuple[Color, Color, Color], ...] = (
    ((33, 60, 160), (250, 250, 250), (190, 20, 40)),
    ((0, 0, 200), (0, 0, 0), (240, 230, 0)),
    ((0, 160, 0), (0, 0, 0), (220, 0, 0)),
    ((68, 1, 84), (33, 145, 140), (253, 231, 37)),
    ((255, 255, 255), (252, 146, 114), (160, 15, 21)),
    ((255, 255, 255), (107, 174, 214), (8, 48, 107)),
    ((255, 255, 204), (253, 141, 60), (128, 0, 38)),
    ((0, 0, 4), (187, 55, 84), (252, 255, 164)),
    ((64, 0, 75), (247, 247, 247), (0, 68, 27)),
    ((0, 0, 143), (100, 255, 150), (128, 0, 0)),
    ((255, 255, 255), (150, 150, 150), (0, 0, 0)),
    ((103, 169, 207), (247, 247, 247), (239, 138, 98)),
)


def ramp_of(rng: Rng, style: Style) -> NDArray[np.uint8]:
    """A colour map, (256, 3)."""
    low, middle, high = RAMPS[int(rng.random() * len(RAMPS))]
    knots = np.array([low, middle, high], np.float64)
    t = np.linspace(0, 1, 256)
    return np.stack([np.interp(t, (0, 0.5, 1), knots[:, c]) for c in range(3)], axis=1).astype(np.uint8)


def colour_bar(frame: Frame, ramp: NDArray[np.uint8], low: float, high: float) -> None:
    """A vertical colour bar right of the data area (which has kept about four em free)."""
    style, pixels = frame.style, frame.pixels
    em = style.type_px
    x0, x1 = frame.right + round(em * 0.5), frame.right + max(3, round(em * 1.1))
    x1 = min(x1, pixels.shape[1] - 1)
    y0, y1 = frame.top, frame.bottom
    if x1 <= x0 or y1 - y0 < 8:
        return
    pixels[y0:y1, x0:x1] = ramp[np.linspace(255, 0, y1 - y0).astype(np.intp)][:, None]
    for value, name in ticks(low, high, 4):
        y = round(y1 - 1 - (value - low) / (high - low) * (y1 - y0 - 1))
        mask = text(style, name, scale=0.9)
        if x1 + 2 + mask.shape[1] < pixels.shape[1]:
            paste(pixels, mask, x1 + 2, y - mask.shape[0] // 2, style.ink)


def cells(target: Pixels, values: Floats, ramp: NDArray[np.uint8], gap: Color | None = None) -> None:
    """Fills an image with a grid of coloured cells; `values` in [0, 1]."""
    height, width = target.shape[:2]
    rows, columns = values.shape
    table = ramp[(np.clip(values, 0, 1) * 255).astype(np.intp)]
    r = (np.arange(height) * rows // height).astype(np.intp)
    c = (np.arange(width) * columns // width).astype(np.intp)
    target[:] = table[r][:, c]
    if gap is not None and height > 3 * rows and width > 3 * columns:
        target[np.flatnonzero(np.diff(r)) + 1] = gap
        target[:, np.flatnonzero(np.diff(c)) + 1] = gap


def paint_heatmap(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    height, width = pixels.shape[:2]
    em = style.type_px
    named, written, triangle, gapped, barred = (look.random(5) < (0.75, 0.25, 0.15, 0.3, 0.7)).tolist()
    rows = max(2, min(int(4 + 16 * look.random()), int(height / (em * 1.4))))
    columns = rows if triangle else max(2, min(int(3 + 12 * look.random()), int(width / (em * 1.6))))
    ramp = ramp_of(look, style)
    right = round(em * 3.4) if barred and width > em * 14 else 0
    frame = axes(
        look,
        pixels,
        Style(style.paper, style.ink, style.palette, em, style.font, style.line, "none"),
        xlim=(0.0, float(columns)),
        ylim=(0.0, float(rows)),
        title=pick(data, TITLES),
        categories=some(look, GENES, columns) if named else None,
        xticks=named,
        yticks=False,
        right=right + (round(em * 3.6) if named else 0),
        look=look_of(look, style),
    )
    values = data.random((rows, columns)) * 0.5 + 0.25
    values += (data.random((rows, 1)) - 0.5) * 0.4 + (data.random((1, columns)) - 0.5) * 0.4
    cells(frame.inner, values, ramp, style.paper if gapped else None)
    if triangle:
        corner = [[frame.left, frame.top], [frame.right - 1, frame.top], [frame.right - 1, frame.bottom - 1]]
        cv2.fillPoly(pixels, [np.array(corner, np.int32)], style.paper)
    names = some(look, GENES, rows) if named else []
    for i, name in enumerate(names):
        y = frame.top + (i + 0.5) * frame.height / rows
        mask = text(style, name)
        paste(pixels, mask, frame.right + 2, round(y - mask.shape[0] / 2), style.ink)
    if written and frame.width / columns > em * 1.6 and frame.height / rows > em:
        for i in range(rows):
            for j in range(columns):
                colour = tuple(
                    int(v)
                    for v in pixels[frame.top + (2 * i + 1) * frame.height // (2 * rows), frame.left + 2]
                )
                dark = is_dark((colour[0], colour[1], colour[2]))
                mask = text(style, f"{abs(float(values[i, j])):.1f}", scale=0.8)
                x = frame.left + (j + 0.5) * frame.width / columns
                y = frame.top + (i + 0.5) * frame.height / rows
                centred(pixels, mask, x, y, (255, 255, 255) if dark else (0, 0, 0))
    if right:
        shifted = Frame(pixels, style, frame.left, frame.top, width - right - 2, frame.bottom)
        colour_bar(shifted, ramp, -2.0, 2.0)
    return "Heat map of expression of genes"


def paint_histogram(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    xlim, ylim = limit(look, TOPS), limit(look, TOPS)
    xlabel = pick(look, X_TITLES + Y_TITLES)
    curves = 1 + int(look.random() * 3)
    smooth = look.random() < 0.45
    colours = colours_of(look, style, curves)
    frame = axes(
        look, pixels, style, xlim=xlim, ylim=ylim, xlabel=xlabel, ylabel="Frequency", title=pick(data, TITLES)
    )
    backdrop(look, frame)
    bins = 60 if smooth else int(8 + 25 * look.random())
    t = (np.arange(bins) + 0.5) / bins
    for colour in colours:
        middle, spread = 0.2 + 0.6 * data.random(), 0.06 + 0.14 * data.random()
        counts = np.exp(-(((t - middle) / spread) ** 2) / 2) * (0.5 + 0.45 * data.random())
        if smooth:
            x = np.r_[0, t, 1] * xlim[1]
            y = np.r_[0, counts, 0] * ylim[1]
            if look.random() < 0.6:
                frame.fill(x, y, mix(style.paper, colour, 0.4))
            frame.line(x, y, colour)
            continue
        counts = counts * (0.7 + 0.6 * data.random(bins))
        edge = style.ink if look.random() < 0.5 and frame.width > 4 * bins else None
        for i, count in enumerate(np.clip(counts, 0, 0.97).tolist()):
            if count > 0.01:
                frame.bar(i / bins * xlim[1], 0, (i + 0.9) / bins * xlim[1], count * ylim[1], colour, edge)
    return f"Distribution of {xlabel.lower()}"


def paint_pie(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    height, width = pixels.shape[:2]
    em = style.type_px
    count = 2 + int(look.random() * 5)
    names = some(look, GENES, count) if look.random() < 0.5 else groups(look, count)
    colours = colours_of(look, style, len(names))
    beside = width > height * 1.25
    radius = int(min(height / 2 - 2, (width - em * 6 if beside else width - 4) / 2))
    radius = max(4, radius - (0 if beside else ceil(em)))
    centre = (radius + 2 if beside else width // 2, height // 2 if beside else radius + 1)
    shares = np.cumsum(data.dirichlet(np.ones(len(names)) * 2))
    start = -90.0
    for share, colour in zip(shares.tolist(), colours, strict=True):
        end = -90.0 + 360 * share
        cv2.ellipse(pixels, centre, (radius, radius), 0, start, end, colour, cv2.FILLED, cv2.LINE_AA)
        middle = np.deg2rad((start + end) / 2)
        mask = text(style, f"{round((end - start) / 3.6 / 5) * 5}%")
        if end - start > 40 and radius > 2.2 * em:
            x, y = centre[0] + np.cos(middle) * radius * 0.72, centre[1] + np.sin(middle) * radius * 0.72
            centred(pixels, mask, x, y, (255, 255, 255) if is_dark(colour) else (0, 0, 0))
        start = end
    if look.random() < 0.4:
        cv2.circle(pixels, centre, radius // 2, style.paper, cv2.FILLED, cv2.LINE_AA)
    for i, (name, colour) in enumerate(zip(names, colours, strict=True)):
        mask = text(style, name)
        if beside:
            x, y = 2 * radius + 6, height // 2 + round((i - len(names) / 2) * em * 1.3)
        else:
            x, y = 2 + i * (width - 4) // len(names), height - 1 - ceil(em * 0.8)
        if x + em + mask.shape[1] < width and 0 <= y < height - mask.shape[0]:
            box(pixels, x, y, x + round(em * 0.6), y + round(em * 0.6), colour)
            paste(pixels, mask, x + round(em), y, style.ink)
    return "Proportions of " + ", ".join(names)


KINDS = (
    Drawn("line", paint_line, 22.0),
    Drawn("scatter", paint_scatter, 12.0, aspect=(0.8, 1.5)),
    Drawn("heatmap", paint_heatmap, 5.0, "heatmap", aspect=(0.6, 1.8)),
    Drawn("histogram", paint_histogram, 3.0),
    Drawn("pie", paint_pie, 1.2, aspect=(0.9, 2.0)),
)
