"""Plots of clinical studies: Kaplan-Meier curves, forest plots, Bland-Altman and funnel plots."""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np

from .axes import Floats, Frame, axes, look_of, markers, note, ticks
from .base import Color, Drawn, Pixels, Rng, Style, mix
from .plots import colours_of
from .strokes import line_height, polygon, stroke, write
from .text import paste, text
from .words import NOTES, NUMBERS, ROWS, TITLES, groups, pick, some

SPANS = ((60.0, "Time (months)"), (5.0, "Time (years)"), (120.0, "Months"), (10.0, "Years"), (365.0, "Days"))
OUTCOMES = (
    "Overall survival", "Survival probability", "Disease-free survival (%)", "Cumulative incidence",
    "Percent survival", "Progression-free survival", "Cumulative hazard", "Event-free survival",
)  # fmt: skip


def _steps(data: Rng, events: int, last: float) -> tuple[Floats, Floats]:
    """A step curve over [0, 1] that falls from 1 to `last`."""
    times = np.sort(data.random(events)) ** (0.7 + 0.6 * data.random())
    levels = 1 - (1 - last) * np.cumsum(data.dirichlet(np.full(events, 2.0)))
    x = np.repeat(np.r_[0.0, times, 1.0], 2)[1:-1]
    y = np.repeat(np.r_[1.0, levels], 2)
    return x, y


def paint_survival(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Kaplan-Meier curves, with a table of numbers at risk below them in a third of the cases."""
    height, width = pixels.shape[:2]
    em, pitch = style.type_px, line_height(style)
    names = groups(look, 4)[:4]
    colours = colours_of(look, style, len(names))
    span, xlabel = SPANS[int(look.random() * len(SPANS))]
    outcome = pick(look, OUTCOMES)
    percent, censored, band, rising, risk = (look.random(5) < (0.4, 0.6, 0.2, 0.12, 0.35)).tolist()
    deep = (len(names) + 1) * pitch + ceil(em * 0.5) if risk else 0
    if deep > height * 0.4 or width < em * 14:
        deep = 0
    margin = 0
    if deep:
        margin = max(text(style, name).shape[1] for name in names)
        margin = min(margin, width // 4)
    top = 100.0 if percent else 1.0
    frame = axes(
        look,
        pixels[: height - deep, max(0, margin - round(em * 3)) :],
        style,
        xlim=(0.0, span * 1.04),
        ylim=(0.0, top * 1.05),
        xlabel=xlabel,
        ylabel=outcome,
        title=pick(data, TITLES),
        legend=() if deep else list(zip(names, colours, strict=True)),
    )
    for colour in colours:
        x, y = _steps(data, 6 + int(data.random() * 40), 0.1 + 0.8 * data.random())
        y = 1 - y if rising else y
        if band:
            spread = 0.02 + 0.1 * x
            edge = np.r_[np.minimum(1, y + spread), np.maximum(0, y - spread)[::-1]]
            frame.fill(np.r_[x, x[::-1]] * span, edge * top, mix(style.paper, colour, 0.22))
        frame.line(x * span, y * top, colour, style.line)
        if censored:
            reach = max(1, round(em * 0.2))
            for k in (data.random(8) * (len(x) - 1)).astype(int).tolist():
                cx, cy = frame.at(float((x[k] + x[k + 1]) / 2 * span), float(y[k] * top))
                cv2.line(frame.pixels, (cx, cy - reach), (cx, cy + reach), colour, 1)
    if look.random() < 0.6:
        note(frame, data, pick(data, NOTES[6:8]))
    if deep:
        _at_risk(data, pixels, frame, height - deep, names, colours, max(0, margin - round(em * 3)))
    return f"Kaplan-Meier curves of {outcome.lower()}"


def _at_risk(
    data: Rng, pixels: Pixels, frame: Frame, top: int, names: list[str], colours: list[Color], shift: int
) -> None:
    style, pitch = frame.style, line_height(frame.style)
    head = text(style, "Number at risk", bold=True)
    paste(pixels, head, 1, top + 2, style.ink)
    places = [frame.at(value, 0)[0] + shift for value, _ in ticks(*frame.xlim, 6)]
    for i, (name, colour) in enumerate(zip(names, colours, strict=True)):
        y = top + 2 + (i + 1) * pitch
        mask = text(style, name)
        paste(
            pixels, mask, max(0, frame.left + shift - mask.shape[1] - round(style.type_px * 1.4)), y, colour
        )
        left = 40 + int(data.random() * 900)
        for x in places:
            count = text(style, str(left // 5 * 5))
            paste(pixels, count, min(x - count.shape[1] // 2, pixels.shape[1] - count.shape[1]), y, style.ink)
            left = int(left * (0.5 + 0.4 * data.random()))


def _ratio(shift: float, spread: float, span: int) -> str:
    """A ratio with its interval, in coarse steps so that the type is cached."""
    middle, half = round(shift / span * 12), 1 + round(spread / span * 8)
    low, mid, high = (2 ** (power / 4) for power in (middle - half, middle, middle + half))
    return f"{mid:.2f} ({low:.2f}-{high:.2f})"


def paint_forest(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Squares with confidence intervals between columns of type, a diamond below."""
    height, width = pixels.shape[:2]
    em, ink, pitch = style.type_px, style.ink, line_height(style)
    rows = max(2, min(4 + int(look.random() * 12), (height - 3 * pitch) // pitch))
    pitch = max(4, min(round(pitch * 1.6), (height - 2 * pitch) // (rows + 1)))
    names = some(data, ROWS, rows)
    wide = width > em * 22
    left = round(min(width * 0.3, em * 7.5))
    columns = int(look.random() * 3) if wide else 0
    tail = round(min(width * 0.32, em * 9)) if wide and look.random() < 0.8 else 2
    step = round(em * 4)
    x0, x1 = left + columns * step + 3, max(1, width - tail - 3)
    if x1 - x0 < width * 0.25:
        x0, columns = min(left + 3, width // 2), 0
        x1 = max(x1, x0 + 4)
    shaded, round_marks = look.random() < 0.25, look.random() < 0.2
    top = pitch
    write(pixels, style, "Study" if look.random() < 0.5 else "Subgroup", 1, 1, ink, bold=True)
    if tail > 2:
        head = "HR (95% CI)" if look.random() < 0.5 else "OR (95% CI)"
        write(pixels, style, head, width - tail, 1, ink, bold=True)
    null = x0 + (x1 - x0) * (0.35 + 0.3 * look.random())
    base = top + (rows + 1) * pitch
    colour = ink if look.random() < 0.6 else style.palette[0]
    middles = np.clip(null + (x1 - x0) * 0.13 * data.standard_normal(rows), x0 + 5, x1 - 5).tolist()
    spreads = ((x1 - x0) * (0.04 + 0.2 * data.random(rows))).tolist()
    for i, (middle, spread) in enumerate(zip(middles, spreads, strict=True)):
        y = top + i * pitch + pitch / 2
        if shaded and i % 2 == 0:
            pixels[round(y - pitch / 2) : round(y + pitch / 2)] = mix(style.paper, ink, 0.08)
        write(pixels, style, names[i], 1, y - em * 0.35, ink)
        for j in range(columns):
            write(pixels, style, pick(data, NUMBERS[:13]), left + j * step, y - em * 0.35, ink)
        if tail > 2:
            write(pixels, style, _ratio(middle - null, spread, x1 - x0), width - tail, y - em * 0.35, ink)
        a, b = max(x0, middle - spread), min(x1, middle + spread)
        stroke(pixels, [(a, y), (b, y)], ink, style.line)
        size = max(1.0, em * 0.35 * (1.2 - spread / (x1 - x0) * 3))
        markers(pixels, np.array([middle]), np.array([y]), colour, size, 3 if round_marks else 1, None)
    y = top + rows * pitch + pitch / 2
    half, reach = em * 0.4, (x1 - x0) * 0.08
    centre = float(np.mean(middles))
    polygon(
        pixels,
        [(centre - reach, y), (centre, y - half), (centre + reach, y), (centre, y + half)],
        colour,
        ink,
    )
    write(pixels, style, "Overall", 1, y - em * 0.35, ink, bold=True)
    column = round(null)
    for start in range(top, base, 4):
        cv2.line(pixels, (column, start), (column, min(base, start + 2)), ink, 1)
    if base < height - 2:
        cv2.line(pixels, (x0, base), (x1, base), ink, style.line)
        for k, name in enumerate(("0.1", "0.5", "1", "2", "10")):
            x = round(x0 + (x1 - x0) * k / 4)
            cv2.line(pixels, (x, base), (x, base + 2), ink, style.line)
            mask = text(style, name)
            if base + 3 + mask.shape[0] < height:
                paste(pixels, mask, x - mask.shape[1] // 2, base + 4, ink)
    return "Forest plot of hazard ratios with 95 % confidence intervals"


def paint_agreement(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Bland-Altman or funnel plot: points between three or two broken lines."""
    funnel = look.random() < 0.4
    count = 12 + int(look.random() * 80)
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, 10.4),
        ylim=(-4.4, 4.4) if not funnel else (-1.0, 0.06),
        xlabel="Log odds ratio" if funnel else "Mean of two methods",
        ylabel="Standard error" if funnel else "Difference",
        title=pick(data, TITLES),
        look=look_of(look, style),
    )
    if funnel:
        y = -(data.random(count) ** 0.7)
        x = 5 - y * data.standard_normal(count) * 1.8
        for end in (0.8, 9.2):
            frame.line(np.linspace(5, end, 20), np.linspace(0, -1, 20), style.ink, style.line, dash=1)
        frame.line([5, 5], [0, -1], style.ink, style.line)
    else:
        x, y = 0.5 + 9 * data.random(count), np.clip(data.standard_normal(count) * 1.1, -3.8, 3.8)
        for level in (-2.2, 0.1, 2.3):
            frame.line(
                np.linspace(0, 10.4, 40),
                np.full(40, level),
                style.ink,
                style.line,
                dash=1 if level != 0.1 else 0,
            )
            write(
                frame.pixels,
                style,
                pick(data, NOTES[:2]),
                frame.left + 3,
                frame.at(0, level)[1] - style.type_px,
                style.ink,
            )
    colour = style.palette[0] if look.random() < 0.6 else style.ink
    markers(
        frame.pixels,
        frame.xs(x),
        frame.ys(y),
        colour,
        style.type_px * 0.2,
        0 if look.random() < 0.5 else 4,
        None,
    )
    return "Funnel plot" if funnel else "Bland-Altman plot of the agreement of two methods"


KINDS = (
    Drawn("survival", paint_survival, 4.5, aspect=(0.8, 1.7)),
    Drawn("forest", paint_forest, 2.0, aspect=(0.8, 2.4)),
    Drawn("agreement", paint_agreement, 0.8, aspect=(0.9, 1.7)),
)
