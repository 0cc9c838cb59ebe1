"""Plots of distributions and of models: boxes, violins, swarms, ROC curves, stacked areas, nomograms."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from .axes import Floats, Frame, Legend, axes, centred, dots, error_bar, look_of, markers
from .bars import brackets
from .base import Color, Drawn, Pixels, Rng, Style, is_dark, mix
from .plots import SPANS, TOPS, cells, colour_bar, colours_of, limit, ramp_of, walk
from .text import paste, text
from .words import GENES, METHODS, ROWS, TITLES, X_TITLES, Y_TITLES, groups, pick, some


def _sample(data: Rng, size: int) -> Floats:
    """A sorted, slightly skewed sample within (0, 0.85)."""
    middle, spread = 0.2 + 0.4 * data.random(), 0.04 + 0.1 * data.random()
    tail = np.abs(data.standard_normal(size)) * spread * 0.5
    return np.sort(np.clip(middle + data.standard_normal(size) * spread + tail, 0.02, 0.85))


def _box(
    frame: Frame, middle: float, half: float, sample: Floats, fill: Color, edge: Color, fliers: bool
) -> None:
    """One box with whiskers at the 5th and 95th percentile, in data units."""
    low, first, median, third, high = np.quantile(sample, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()
    cap = max(1, round(frame.width * half / (frame.xlim[1] - frame.xlim[0]) * 0.4))
    error_bar(frame, middle, third, high, edge, cap)
    error_bar(frame, middle, low, first, edge, cap)
    frame.bar(middle - half, first, middle + half, third, fill, edge)
    (x0, y), (x1, _) = frame.at(middle - half, median), frame.at(middle + half, median)
    cv2.line(frame.pixels, (x0, y), (x1, y), edge, frame.style.line + 1)
    if fliers:
        for value in (sample[0], sample[-1]):
            cv2.circle(
                frame.pixels,
                frame.at(middle, float(value)),
                max(1, round(frame.style.type_px * 0.15)),
                edge,
                1,
            )


def _violin(
    frame: Frame, middle: float, half: float, sample: Floats, fill: Color, edge: Color | None, side: int
) -> None:
    """A mirrored density (one flank with `side` -1 or 1)."""
    low, high = float(sample[0]), float(sample[-1])
    pad = (high - low) * 0.12
    t = np.linspace(low - pad, high + pad, 24)
    wide = np.exp(-(((t[:, None] - sample[::4]) / ((high - low) * 0.12)) ** 2)).sum(axis=1)
    wide *= half / wide.max()
    left = middle - (wide if side <= 0 else 0 * wide)
    right = middle + (wide if side >= 0 else 0 * wide)
    x, y = np.r_[left, right[::-1]], np.r_[t, t[::-1]]
    frame.fill(x, y, fill)
    if edge is not None:
        frame.line(np.r_[x, x[:1]], np.r_[y, y[:1]], edge)


def _spread(data: Rng, sample: Floats, half: float) -> Floats:
    """Sideways places of a swarm: the denser, the wider."""
    dense = np.exp(-(((sample - np.median(sample)) / (sample.std() + 1e-3)) ** 2) / 2)
    places: Floats = (data.random(len(sample)) * 2 - 1) * half * dense
    return places


def paint_distribution(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Groups side by side as boxes, violins, swarms or combinations of them, brackets above."""
    names = groups(look, 8)
    inner = groups(look, 3) if look.random() < 0.25 else [""]
    colours = colours_of(look, style, max(len(inner), len(names)) if len(inner) == 1 else len(inner))
    form = int(look.random() * 6)  # 0, 1 box; 2 violin; 3 swarm; 4 raincloud; 5 box with points
    scale = limit(look, TOPS)[1]
    ylabel = pick(look, Y_TITLES)
    hollow, outlined, single, fliers, signs, named = (
        look.random(6) < (0.3, 0.8, 0.2, 0.4, 0.5, 0.85)
    ).tolist()
    legend: Legend = list(zip(inner, colours, strict=False)) if len(inner) > 1 else ()
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, float(len(names))),
        ylim=(0.0, scale),
        ylabel=ylabel,
        title=pick(data, TITLES),
        categories=names,
        legend=legend,
        xticks=named,
    )
    share = (0.25 + 0.2 * look.random()) / len(inner)
    radius = max(0.5, style.type_px * (0.12 + 0.08 * look.random()))
    peak = 0.0
    for i in range(len(names)):
        for j in range(len(inner)):
            colour = colours[0] if single else colours[j if len(inner) > 1 else i]
            middle = i + 0.5 + (j - (len(inner) - 1) / 2) * share * 2.1
            sample = _sample(data, 48)
            points: Floats = sample * scale
            half = share * (0.95 if len(inner) > 1 else 1.0)
            fill = style.paper if hollow else (mix(colour, style.paper, 0.35) if form == 5 else colour)
            edge = colour if hollow and look.random() < 0.6 else style.ink
            if form == 2:
                _violin(frame, middle, half, points, fill, edge if outlined or hollow else None, 0)
                if outlined:
                    _box(frame, middle, half * 0.2, points, style.paper, style.ink, False)
            elif form == 4:
                _violin(frame, middle + half * 0.1, half, points, fill, None, 1)
                x = middle - half * (0.2 + 0.6 * data.random(24))
                dots(pixels, frame.xs(x), frame.ys(points[::2]), colour, radius)
            elif form != 3:
                _box(frame, middle, half, points, fill, edge, fliers)
            if form in (3, 5):
                some_points = points[:: 1 + i % 2] if form == 3 else points[::4]
                across: Floats = middle + _spread(data, some_points, half)
                shade = colour if form == 3 else style.ink
                dots(pixels, frame.xs(across), frame.ys(some_points), shade, radius)
            if form == 3:
                mean, deviation = float(points.mean()), float(points.std())
                (x0, y), (x1, _) = frame.at(middle - half * 0.7, mean), frame.at(middle + half * 0.7, mean)
                cv2.line(pixels, (x0, y), (x1, y), style.ink, style.line)
                error_bar(
                    frame, middle, mean - deviation, mean + deviation, style.ink, max(1, (x1 - x0) // 4)
                )
            peak = max(peak, float(points[-1]))
    if signs:
        brackets(look, frame, np.arange(len(names)) + 0.5, peak)
    return f"{ylabel} in {', '.join(names)}"


def paint_paired(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Lines from before to after for each subject."""
    names = groups(look, 3)
    scale = limit(look, TOPS)[1]
    ylabel, colour = pick(look, Y_TITLES), style.palette[int(look.random() * len(style.palette))]
    grey, shape = look.random() < 0.5, int(look.random() * 3)
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, float(len(names))),
        ylim=(0.0, scale),
        ylabel=ylabel,
        title=pick(data, TITLES),
        categories=names,
    )
    radius = max(1.0, style.type_px * 0.2)
    x = np.arange(len(names)) + 0.5
    drift = np.cumsum(data.random(len(names)) * 0.3 - 0.15)
    for _ in range(5 + int(look.random() * 12)):
        y = (
            np.clip(0.25 + 0.35 * data.random() + drift + data.standard_normal(len(names)) * 0.04, 0.02, 0.85)
            * scale
        )
        frame.line(x, y, mix(style.paper, style.ink, 0.4) if grey else colour)
        markers(pixels, frame.xs(x), frame.ys(y), colour, radius, shape, None)
    brackets(look, frame, x, 0.86 * scale)
    return f"{ylabel} of each subject in {' and '.join(names)}"


def paint_roc(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """ROC, precision-recall, calibration and decision curves with a legend of areas."""
    form = int(look.random() * 4)
    count = 1 + int(look.random() * 5)
    names = some(look, METHODS, count)
    colours = colours_of(look, style, count)
    percent = 100.0 if look.random() < 0.25 else 1.0
    xlabel, ylabel, phrase = (
        ("1 - Specificity", "Sensitivity", "ROC curves of the models"),
        ("False positive rate", "True positive rate", "ROC curves for the diagnosis"),
        ("Recall", "Precision", "Precision-recall curves"),
        ("Predicted probability", "Observed frequency", "Calibration curves of the nomogram"),
    )[form]
    areas = [f"{name} ({0.70 + 0.02 * int(data.random() * 14):.2f})" for name in names]
    inside = look.random() < 0.7
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, percent),
        ylim=(0.0, percent),
        xlabel=xlabel,
        ylabel=ylabel,
        title=pick(data, TITLES),
        legend=() if inside else list(zip(names, colours, strict=True)),
    )
    stairs, thick = look.random() < 0.5, 1 + int(look.random() < 0.4)
    if form != 2:
        t = np.linspace(0, percent, 30)
        frame.line(t, t, mix(style.paper, style.ink, 0.5), 1, dash=1)
    for colour in colours:
        t = np.linspace(0, 1, 30)
        power = 1.6 + 5 * data.random()
        if form == 3:
            y = np.clip(t + 0.12 * np.sin(t * 6 + 6 * data.random()), 0, 1)
        else:
            y = 1 - (1 - t) ** power
            y = np.maximum.accumulate(np.clip(y + data.standard_normal(30) * 0.02, 0, 1))
            y = y[::-1] if form == 2 else y
        y[0] = 0.0 if form < 2 else y[0]
        if stairs and form < 3:
            t, y = np.repeat(t, 2)[1:], np.repeat(y, 2)[:-1]
        frame.line(t * percent, y * percent, colour, thick)
    if inside:
        em = style.type_px
        y0 = frame.bottom - round(em * 1.25 * count) - 2
        for i, (area, colour) in enumerate(zip(areas, colours, strict=True)):
            mask = text(style, area, scale=0.9)
            x0 = frame.right - mask.shape[1] - 4
            if x0 - em < frame.left or y0 < frame.top:
                break
            row = y0 + round(i * em * 1.25)
            cv2.line(
                pixels,
                (round(x0 - em), row + round(em * 0.35)),
                (x0 - 2, row + round(em * 0.35)),
                colour,
                thick,
            )
            paste(pixels, mask, x0, row, style.ink)
    return phrase


def paint_area(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Areas stacked on each other, or bars that sum to 100 %."""
    names = some(look, GENES, 3 + int(look.random() * 5))
    colours = [style.palette[i % len(style.palette)] for i in range(len(names))]
    colours = [mix(c, style.paper, 0.35 * (i // len(style.palette))) for i, c in enumerate(colours)]
    smooth = look.random() < 0.4
    columns = 40 if smooth else 3 + int(look.random() * 10)
    labels = [f"S{i + 1}" for i in range(columns)]
    flat = look.random() < 0.7
    ylabel = "Relative abundance (%)" if flat else pick(look, Y_TITLES)
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, float(columns)),
        ylim=(0.0, 100.0),
        ylabel=ylabel,
        xlabel=pick(look, X_TITLES) if smooth else "",
        title=pick(data, TITLES),
        categories=None if smooth else labels,
        legend=list(zip(names, colours, strict=True)),
    )
    shares = data.dirichlet(np.full(len(names), 1.5), columns)
    if smooth:
        kernel = np.ones(9) / 9
        shares = np.stack([np.convolve(np.pad(s, 4, "edge"), kernel, "valid") for s in shares.T], axis=1)
    tops = np.cumsum(shares, axis=1) * (100.0 if flat else 90 * walk(data, columns, 0.2)[:, None])
    if smooth:
        x = np.linspace(0, columns, columns)
        for i in range(len(names) - 1, -1, -1):
            frame.fill(np.r_[x[0], x, x[-1]], np.r_[0, tops[:, i], 0], colours[i])
        return f"{ylabel} over time"
    for j in range(columns):
        for i in range(len(names) - 1, -1, -1):
            frame.bar(j + 0.12, 0, j + 0.88, float(tops[j, i]), colours[i])
    return f"{ylabel} of {', '.join(names)}"


def paint_ridge(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Densities of several groups, one above another, overlapping."""
    names = some(look, GENES, 3 + int(look.random() * 6)) if look.random() < 0.6 else groups(look)
    colours = colours_of(look, style, len(names))
    xlim = limit(look, SPANS)
    frame = axes(
        look,
        pixels,
        style,
        xlim=xlim,
        ylim=(0.0, len(names) + 0.6),
        xlabel=pick(look, Y_TITLES),
        title=pick(data, TITLES),
        categories=names,
        across=True,
    )
    t = np.linspace(0, 1, 50)
    for i in range(len(names) - 1, -1, -1):
        middle, wide = 0.25 + 0.5 * data.random(), 0.05 + 0.1 * data.random()
        y = np.exp(-(((t - middle) / wide) ** 2)) + 0.5 * data.random() * np.exp(
            -(((t - data.random()) / 0.08) ** 2)
        )
        y = i + 0.1 + y * 1.3 / y.max()
        frame.fill(np.r_[0, t, 1] * xlim[1], np.r_[i + 0.1, y, i + 0.1], colours[i])
        frame.line(t * xlim[1], y, style.ink)
    return f"Distributions in {', '.join(names)}"


def paint_twin(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Bars with a line that has its own axis on the right."""
    names = list(map(str, range(2011, 2011 + 4 + int(look.random() * 8))))
    scale = limit(look, TOPS)[1]
    em = style.type_px
    first, second = style.palette[0], style.palette[1 % len(style.palette)]
    ylabel = pick(look, Y_TITLES)
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, float(len(names))),
        ylim=(0.0, scale),
        ylabel=ylabel,
        title=pick(data, TITLES),
        categories=names,
        right=round(em * 3.2) if pixels.shape[1] > 14 * em else 0,
        legend=[("Cases", first), ("Rate", second)],
        look=replace(look_of(look, style), legend="top", square=False),
    )
    heights = walk(data, len(names), 0.5)
    for i, height in enumerate(heights.tolist()):
        frame.bar(i + 0.2, 0, i + 0.8, height * scale, first)
    x, y = np.arange(len(names)) + 0.5, walk(data, len(names), 0.3) * scale
    frame.line(x, y, second, 1 + style.line)
    markers(pixels, frame.xs(x), frame.ys(y), second, max(1.0, em * 0.2), 0, None)
    if pixels.shape[1] > 14 * em:
        column = frame.right
        cv2.line(pixels, (column, frame.top), (column, frame.bottom), style.ink, style.line)
        for i in range(5):
            row = round(frame.bottom - i * frame.height / 4)
            cv2.line(pixels, (column, row), (column + 2, row), style.ink, style.line)
            paste(pixels, text(style, str(i * 5)), column + 4, round(row - em * 0.35), style.ink)
    return f"{ylabel} by year"


def paint_confusion(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A confusion matrix with its counts."""
    names = groups(look, 5)
    size = len(names)
    ramp = ramp_of(look, style)
    em = style.type_px
    bar = round(em * 3.2) if look.random() < 0.6 and pixels.shape[1] > em * 14 else 0
    plain = Style(style.paper, style.ink, style.palette, em, style.font, style.line, "none")
    frame = axes(
        look,
        pixels,
        plain,
        xlim=(0.0, float(size)),
        ylim=(0.0, float(size)),
        xlabel="Predicted label",
        ylabel="True label",
        title=pick(data, TITLES),
        categories=names,
        yticks=False,
        right=bar,
        look=look_of(look, style),
    )
    values = data.random((size, size)) * 0.3 + np.eye(size) * (0.4 + 0.3 * data.random(size))
    cells(frame.inner, values, ramp)
    for i in range(size):
        for j in range(size):
            mask = text(style, str(int(values[i, j] * 20) * 5))
            r, g, b = ramp[int(values[i, j] * 255)].tolist()
            x, y = frame.left + (j + 0.5) * frame.width / size, frame.top + (i + 0.5) * frame.height / size
            if mask.shape[1] < frame.width / size:
                centred(pixels, mask, x, y, (255, 255, 255) if is_dark((r, g, b)) else (0, 0, 0))
    if bar:
        colour_bar(frame, ramp, 0.0, 100.0)
    return "Confusion matrix of the classifier"


def paint_nomogram(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Scales of points for several predictors, one below another: one panel with many lines."""
    height, width = pixels.shape[:2]
    em = style.type_px
    rows = max(2, min(4 + int(look.random() * 7), int(height / (em * 2.2))))
    names = ["Points", *some(look, ROWS, rows - 2), "Total points"]
    margin = min(max(text(style, name).shape[1] for name in names) + round(em), width // 2)
    for i, name in enumerate(names):
        y = round((i + 0.35) * (height - 2) / rows)
        mask = text(style, name)
        if mask.shape[1] < margin:
            paste(pixels, mask, 1, round(y - mask.shape[0] / 2), style.ink)
        reach = (width - margin - em) * (1.0 if i in (0, rows - 1) else 0.2 + 0.7 * data.random())
        start = margin + (0 if i in (0, rows - 1) else round(data.random() * 0.2 * reach))
        steps = max(1, int(reach / (em * 2.2)))
        end = min(width - 2, round(start + reach))
        cv2.line(pixels, (start, y), (end, y), style.ink, style.line)
        for step in range(steps + 1):
            x = round(start + (end - start) * step / steps)
            cv2.line(pixels, (x, y), (x, y + 2), style.ink, style.line)
            centred(
                pixels,
                text(style, str(step * 10), scale=0.85),
                min(x, width - em * 0.6),
                y + em * 0.8,
                style.ink,
            )
    return "Nomogram predicting survival"


def paint_waterfall(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Sorted bars above and below zero, or bars to the left and right of it."""
    count = 12 + int(look.random() * 40)
    colours = colours_of(look, style, 3)
    span = 100.0 if look.random() < 0.6 else 4.0
    ylabel = pick(look, ("Change from baseline (%)", "log2 fold change", "Z-score", "Best change (%)"))
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, float(count)),
        ylim=(-span, span),
        ylabel=ylabel,
        title=pick(data, TITLES),
    )
    values = np.sort(data.standard_normal(count) * 0.4)[::-1]
    for i, value in enumerate(np.clip(values, -0.95, 0.95).tolist()):
        frame.bar(i + 0.15, 0, i + 0.85, value * span, colours[(value > 0) + int(abs(value) < 0.1)])
    row = frame.at(0, 0)[1]
    cv2.line(pixels, (frame.left, row), (frame.right, row), style.ink, 1)
    return f"{ylabel} of each patient"


def paint_ordination(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Principal components: groups of points within ellipses, zero lines, loadings as arrows."""
    names = groups(look, 5)
    colours = colours_of(look, style, len(names))
    first, second = (
        pick(look, ("PC1 (42.1%)", "PCoA1", "NMDS1", "Axis 1")),
        pick(look, ("PC2 (17.5%)", "PCoA2", "NMDS2")),
    )
    frame = axes(
        look,
        pixels,
        style,
        xlim=(-4.0, 4.0),
        ylim=(-4.0, 4.0),
        xlabel=first,
        ylabel=second,
        title=pick(data, TITLES),
        legend=list(zip(names, colours, strict=True)),
    )
    rings, filled, lines, arrows = (look.random(4) < (0.65, 0.5, 0.5, 0.25)).tolist()
    if lines:
        shade = mix(style.paper, style.ink, 0.4)
        frame.line([-4, 4], [0, 0], shade)
        frame.line([0, 0], [-4, 4], shade)
    shape, t = int(look.random() * 4), np.linspace(0, 2 * np.pi, 28)
    for i, colour in enumerate(colours):
        middle, wide, turn = data.random(2) * 4.4 - 2.2, 0.4 + data.random(2) * 0.6, data.random() * np.pi
        points = data.standard_normal((14, 2)) * wide
        ring = np.stack([np.cos(t), np.sin(t)], axis=1) * wide * 2.0
        rotate = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        points, ring = (
            np.clip(points @ rotate + middle, -3.9, 3.9),
            np.clip(ring @ rotate + middle, -3.9, 3.9),
        )
        if rings:
            if filled:
                frame.fill(ring[:, 0], ring[:, 1], mix(style.paper, colour, 0.25))
            frame.line(ring[:, 0], ring[:, 1], colour)
        x, y = frame.xs(points[:, 0]), frame.ys(points[:, 1])
        markers(pixels, x, y, colour, max(1.0, style.type_px * 0.2), i % 4 if shape == 0 else 0, None)
    if arrows:
        for name in some(look, GENES, 4):
            a, b = (data.random(2) * 6 - 3).tolist()
            cv2.arrowedLine(pixels, frame.at(0, 0), frame.at(a, b), style.ink, 1, cv2.LINE_AA, tipLength=0.15)
            centred(pixels, text(style, name, scale=0.9), *frame.at(a * 1.1, b * 1.1), style.ink)
    return f"Principal component analysis of {', '.join(names)}"


KINDS = (
    Drawn("distribution", paint_distribution, 14.0, aspect=(0.6, 1.8)),
    Drawn("paired", paint_paired, 1.2, aspect=(0.5, 1.3)),
    Drawn("roc", paint_roc, 3.0, aspect=(0.85, 1.4)),
    Drawn("stacked", paint_area, 1.8, aspect=(0.9, 2.2)),
    Drawn("ridge", paint_ridge, 0.6, aspect=(0.7, 1.4)),
    Drawn("twin", paint_twin, 1.0, aspect=(1.1, 2.2)),
    Drawn("confusion", paint_confusion, 0.8, "heatmap", aspect=(0.9, 1.4)),
    Drawn("nomogram", paint_nomogram, 0.6, aspect=(1.0, 2.2)),
    Drawn("waterfall", paint_waterfall, 0.8, aspect=(1.0, 2.4)),
    Drawn("ordination", paint_ordination, 2.0, aspect=(0.9, 1.5)),
)
