"""Bar charts, upright and horizontal, with what stands above and below the bars."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import cv2
import numpy as np

from .accents import backdrop, hatch
from .axes import Floats, Frame, Legend, axes, centred, dots, error_bar, look_of
from .base import Color, Drawn, Pixels, Rng, Style, mix
from .plots import TOPS, colour_bar, colours_of, limit, ramp_of, scale_of
from .text import paste, text
from .words import GENES, SHORT, STARS, TERMS, TITLES, Y_TITLES, groups, pick, some


def bracket(frame: Frame, x0: float, x1: float, row: int, label: str) -> None:
    """A significance bracket with its stars, `row` being a pixel row."""
    style = frame.style
    a, b = frame.at(x0, 0)[0], frame.at(x1, 0)[0]
    drop = 2
    corner = np.array([[a, row + drop], [a, row], [b, row], [b, row + drop]], np.int32)
    cv2.polylines(frame.pixels, [corner], False, style.ink, 1)
    mask = text(style, label, scale=0.9)
    if row - mask.shape[0] > 0 and mask.shape[1] < max(12, (b - a) * 1.6):
        paste(frame.pixels, mask, (a + b - mask.shape[1]) // 2, row - mask.shape[0] - 1, style.ink)


def brackets(rng: Rng, frame: Frame, places: Floats, peak: float) -> None:
    """Up to three brackets above the groups at `places`, from the data value `peak` upwards."""
    row = frame.at(0, peak)[1] - 2
    step = ceil(frame.style.type_px * 0.9) + 2
    for i in range(int(rng.random() * 4)):
        if row - step < 1 or len(places) < 2:
            return
        first = int(rng.random() * (len(places) - 1)) if i else 0
        last = min(len(places) - 1, first + 1 + int(rng.random() * i))
        bracket(frame, float(places[first]), float(places[last]), row, pick(rng, STARS))
        row -= step


@dataclass(frozen=True)
class _Bars:
    """How the bars of one chart look."""

    colours: list[Color]
    inner: int  # bars in each group
    thick: float  # of a group, 1 being its whole place
    hollow: bool
    points: bool
    stacked: bool
    errors: bool
    hatched: bool
    outlined: bool

    def colour(self, group: int, part: int) -> Color:
        return self.colours[(part if self.inner > 1 else group) % len(self.colours)]


def _bars_of(look: Rng, style: Style, groups_: int, inner: int) -> _Bars:
    u = look.random(9).tolist()
    colours = colours_of(look, style, inner if inner > 1 else groups_)
    if inner == 1 and u[0] < 0.3:  # all bars of one group alike
        colours = [mix(style.ink, style.paper, 0.6 * u[1])] if u[2] < 0.6 else colours[:1]
    hatched = u[7] < 0.08
    return _Bars(
        colours=colours,
        inner=inner,
        thick=0.5 + 0.42 * u[1],
        hollow=u[3] < 0.2,
        points=u[4] < 0.3,
        stacked=inner > 1 and u[5] < 0.2,
        errors=u[6] < 0.8,
        hatched=hatched,
        outlined=hatched or u[8] < 0.4,
    )


def paint_bar(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Groups of bars with errors, points and brackets; treatments may stand below as rows of + and -."""
    names = groups(look, 8)
    inner = groups(look, 4) if look.random() < 0.4 else [""]
    (low, high), powers = scale_of(look)
    ylabel = pick(look, Y_TITLES)
    bars = _bars_of(look, style, len(names), len(inner))
    signed, falling, headed = (look.random(3) < (0.12, 0.06, 0.08)).tolist()
    if falling and not bars.stacked and not powers:
        low = -high / 2
    rows = _treatments(look, pixels, style) if signed else []
    pitch = ceil(style.type_px * 1.05)
    below = pitch * (len(rows) or int(headed and pixels.shape[0] > 12 * pitch))
    legend: Legend = list(zip(inner, bars.colours, strict=False)) if len(inner) > 1 else ()
    own = look_of(look, style)
    frame = axes(
        look,
        pixels[: pixels.shape[0] - below],
        style,
        xlim=(0.0, float(len(names))),
        ylim=(low, high),
        ylabel=ylabel,
        title=pick(data, TITLES),
        categories=names,
        xticks=not rows,
        powers=powers,
        legend=legend,
        look=replace(own, framed=False, legend="top" if own.legend == "bottom" and below else own.legend),
    )
    backdrop(look, frame)
    peak = _draw_bars(frame, data, bars, len(names))
    if low < 0:
        row = frame.at(0, 0)[1]
        cv2.line(pixels, (frame.left, row), (frame.right - 1, row), style.ink, 1)
    if look.random() < 0.45:
        brackets(look, frame, np.arange(len(names)) + 0.5, peak)
    if rows:
        _write_signs(look, pixels, frame, rows, len(names), pixels.shape[0] - below)
    elif below:
        _write_heads(look, pixels, frame, pixels.shape[0] - below + 1)
    return f"{ylabel} in {', '.join(names)}"


def _draw_bars(frame: Frame, data: Rng, bars: _Bars, count: int) -> float:
    """Draws the bars; returns the highest value reached."""
    pixels, style = frame.pixels, frame.style
    low, high = frame.ylim
    start = max(low, 0.0) if low <= 0 < high else low
    span = high - start
    width = bars.thick / (1 if bars.stacked else bars.inner)
    cap = min(4, max(1, int(frame.width * width / count * 0.2)))
    peak = start
    for i in range(count):
        base = start
        for j in range(bars.inner):
            height = (0.12 + 0.6 * data.random()) * span / (bars.inner if bars.stacked else 1)
            if low < 0 and data.random() < 0.4:
                height *= -0.5
            colour = bars.colour(i, j)
            x0 = i + 0.5 - bars.thick / 2 + (0 if bars.stacked else j * width)
            top, middle = base + height, x0 + width / 2
            fill = style.paper if bars.hollow or bars.hatched else colour
            edge = colour if bars.hollow else (style.ink if bars.outlined else None)
            frame.bar(x0, base, x0 + width, top, fill, edge)
            if bars.hatched:
                (a, b), (c, d) = frame.at(x0, max(base, top)), frame.at(x0 + width, min(base, top))
                hatch(pixels[b + 1 : d, a + 1 : c], colour, (j if bars.inner > 1 else i) % 5)
            if bars.stacked:
                base = top
            else:
                top = _spread(frame, data, bars, middle, width, top, cap)
            peak = max(peak, top)
    return peak


def _spread(frame: Frame, data: Rng, bars: _Bars, middle: float, width: float, top: float, cap: int) -> float:
    """The error bar and the points of one bar; returns where they end."""
    style, span = frame.style, frame.ylim[1] - frame.ylim[0]
    end = top
    if bars.errors:
        half = (0.02 + 0.08 * data.random()) * span * (-1 if top < 0 else 1)
        error_bar(frame, middle, top - (half if bars.hollow else 0), top + half, style.ink, cap)
        end += half
    if bars.points:
        y = top + data.standard_normal(6) * 0.05 * span
        x = middle + (data.random(6) - 0.5) * width * 0.7
        dots(frame.pixels, frame.xs(x), frame.ys(y), style.ink, max(0.5, style.type_px * 0.13))
    return end


def _treatments(look: Rng, pixels: Pixels, style: Style) -> list[str]:
    """Names of the treatments whose presence is marked below the bars, if there is room for them."""
    rows = some(look, SHORT, 1 + int(look.random() * 3))
    roomy = pixels.shape[0] > style.type_px * 9 and pixels.shape[1] > style.type_px * 12
    return rows if roomy else []


def _write_signs(look: Rng, pixels: Pixels, frame: Frame, rows: list[str], count: int, y: int) -> None:
    style = frame.style
    pitch = ceil(style.type_px * 1.05)
    plus, minus = text(style, "+", trim=True), text(style, "–", trim=True)
    for k, name in enumerate(rows):
        mask = text(style, name)
        middle = y + k * pitch + pitch / 2
        x = max(0, frame.left - mask.shape[1] - 3)
        paste(pixels, mask, x, round(middle - mask.shape[0] / 2), style.ink)
        for i in range(count):
            sign = plus if (i + 1) >> k & 1 or look.random() < 0.2 else minus
            column = frame.at(i + 0.5, 0)[0]
            if column - 3 > x + mask.shape[1]:
                lift = 0 if sign is plus else plus.shape[0] // 4
                paste(
                    pixels,
                    sign,
                    column - sign.shape[1] // 2,
                    round(middle - plus.shape[0] / 2 + lift),
                    style.ink,
                )


def _write_heads(look: Rng, pixels: Pixels, frame: Frame, y: int) -> None:
    """Groups of categories: lines below them with a name each."""
    style = frame.style
    parts = 2 + int(look.random() * 2)
    for i, name in enumerate(some(look, TITLES, parts)):
        x0 = frame.left + round((i + 0.08) * frame.width / parts)
        x1 = frame.left + round((i + 0.92) * frame.width / parts)
        cv2.line(pixels, (x0, y), (x1, y), style.ink, 1)
        mask = text(style, name)
        if mask.shape[1] < x1 - x0 + 4:
            centred(pixels, mask, (x0 + x1) / 2, y + 2 + mask.shape[0] / 2, style.ink)


def paint_barh(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Horizontal bars, as in enrichment analyses; or bubbles or lollipops in their place."""
    em = style.type_px
    terms = look.random() < 0.6
    count = max(2, min(int(4 + look.random() * 14), int(pixels.shape[0] / (em * 1.3))))
    names = some(look, TERMS if terms else GENES, count)
    if terms and pixels.shape[1] < em * 24:
        names = some(look, SHORT, count)
    form = ("bar", "bar", "bar", "bubble", "bubble", "lollipop")[int(look.random() * 6)]
    colours = colours_of(look, style, 3)
    xlim = limit(look, TOPS)
    labels = ("-log10(P value)", "Gene ratio", "Count", "Enrichment score", "Number of genes", "Importance")
    xlabel = pick(look, labels)
    frame = axes(
        look,
        pixels,
        style,
        xlim=xlim,
        ylim=(0.0, float(count)),
        xlabel=xlabel,
        title=pick(data, TITLES),
        categories=names,
        across=True,
        right=round(em * 2.6) if form == "bubble" else 0,
    )
    graded, thick = look.random() < 0.4, 0.25 + 0.2 * look.random()
    for i, length in enumerate((np.sort(data.random(count)) * 0.85 + 0.08).tolist()):
        colour = mix(colours[0], colours[1], length) if graded else colours[i * 3 // count if terms else 0]
        end = length * xlim[1]
        if form == "bar":
            frame.bar(0.0, i + 0.5 - thick, end, i + 0.5 + thick, colour)
            continue
        if form == "lollipop":
            cv2.line(pixels, frame.at(0.0, i + 0.5), frame.at(end, i + 0.5), colour, style.line)
        radius = max(1, round(min(frame.height / count * 0.5, em * (0.2 + 0.5 * data.random()))))
        cv2.circle(pixels, frame.at(end, i + 0.5), radius, colour, cv2.FILLED, cv2.LINE_AA)
    if form == "bubble":
        colour_bar(frame, ramp_of(look, style), 0.0, 5.0)
    return f"{xlabel} of {count} terms"


KINDS = (
    Drawn("bar", paint_bar, 26.0, aspect=(0.6, 1.8)),
    Drawn("bar_horizontal", paint_barh, 3.0, aspect=(0.9, 2.2)),
)
