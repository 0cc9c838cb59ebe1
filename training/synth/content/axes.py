"""Axes shared by the plots: ticks, titles, legends, spines, and drawing in data coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, log10

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .base import Color, Pixels, Rng, Style, is_dark, mix
from .text import Mask, paste, text

Floats = NDArray[np.float64]
SHIFT = 4  # fractional bits of the coordinates of antialiased lines
Legend = Sequence[tuple[str, Color]]


@dataclass(frozen=True)
class Frame:
    """The data area [left, right) x [top, bottom) of one plot and its scales."""

    pixels: Pixels
    style: Style
    left: int
    top: int
    right: int
    bottom: int
    xlim: tuple[float, float] = (0.0, 1.0)
    ylim: tuple[float, float] = (0.0, 1.0)

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def inner(self) -> Pixels:
        """The pixels of the data area, a view."""
        return self.pixels[self.top : self.bottom, self.left : self.right]

    def xs(self, x: ArrayLike) -> Floats:
        low, high = self.xlim
        return self.left + (np.asarray(x, np.float64) - low) * ((self.width - 1) / (high - low))

    def ys(self, y: ArrayLike) -> Floats:
        low, high = self.ylim
        return self.bottom - 1 - (np.asarray(y, np.float64) - low) * ((self.height - 1) / (high - low))

    def at(self, x: float, y: float) -> tuple[int, int]:
        (x0, x1), (y0, y1) = self.xlim, self.ylim
        column = self.left + (x - x0) * (self.right - self.left - 1) / (x1 - x0)
        row = self.bottom - 1 - (y - y0) * (self.bottom - self.top - 1) / (y1 - y0)
        return round(column), round(row)

    def path(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.int32]:
        """Vertices (n, 1, 2) in 1/16 pixel, kept inside the data area vertically."""
        rows = np.clip(self.ys(y), self.top - 1, self.bottom)
        points = np.stack(np.broadcast_arrays(self.xs(x), rows), axis=-1)
        vertices: NDArray[np.int32] = (points * (1 << SHIFT)).astype(np.int32)[:, None]
        return vertices

    def line(self, x: ArrayLike, y: ArrayLike, colour: Color, width: int = 1, dash: int = 0) -> None:
        """A polyline; with `dash` only every other piece of that many vertices."""
        vertices = self.path(x, y)
        pieces = [vertices]
        if dash:
            pieces = [vertices[i : i + dash + 1] for i in range(0, len(vertices) - 1, 2 * dash)]
        cv2.polylines(self.pixels, pieces, False, colour, width, cv2.LINE_AA, SHIFT)

    def fill(self, x: ArrayLike, y: ArrayLike, colour: Color) -> None:
        cv2.fillPoly(self.pixels, [self.path(x, y)], colour, cv2.LINE_AA, SHIFT)

    def bar(self, x0: float, y0: float, x1: float, y1: float, colour: Color, edge: Color | None = None) -> None:
        """A filled rectangle between two data points."""
        (a, b), (c, d) = self.at(x0, y0), self.at(x1, y1)
        box(self.pixels, min(a, c), min(b, d), max(a, c), max(b, d), colour, edge)


def box(
    pixels: Pixels, x0: int, y0: int, x1: int, y1: int, colour: Color | None, edge: Color | None = None, width: int = 1
) -> None:
    """A rectangle with both corners included, filled, outlined or both."""
    if colour is not None:
        cv2.rectangle(pixels, (x0, y0), (x1, y1), colour, cv2.FILLED)
    if edge is not None:
        cv2.rectangle(pixels, (x0, y0), (x1, y1), edge, width)


@lru_cache(maxsize=256)
def _disc(radius: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    reach = ceil(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = rows**2 + columns**2 <= (radius + 0.3) ** 2
    return rows[inside], columns[inside]


def dots(pixels: Pixels, x: Floats, y: Floats, colours: ArrayLike, radius: float) -> None:
    """Discs at pixel positions; `colours` is one colour or one for each disc."""
    height, width = pixels.shape[:2]
    columns, rows = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    keep = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    paint = np.asarray(colours, np.uint8)
    if paint.ndim == 2:
        paint = paint[keep][:, None]
    down, across = _disc(radius)
    r = np.clip(rows[keep][:, None] + down, 0, height - 1)
    c = np.clip(columns[keep][:, None] + across, 0, width - 1)
    pixels[r, c] = paint


def markers(pixels: Pixels, x: Floats, y: Floats, colour: Color, radius: float, shape: int, edge: Color | None) -> None:
    """Symbols at pixel positions: 0 disc, 1 square, 2 triangle, 3 diamond, 4 ring, 5 cross."""
    r = max(1, round(radius))
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        cx, cy = round(a), round(b)
        if shape == 0:
            cv2.circle(pixels, (cx, cy), r, colour, cv2.FILLED, cv2.LINE_AA)
            if edge is not None and r > 1:
                cv2.circle(pixels, (cx, cy), r, edge, 1, cv2.LINE_AA)
        elif shape == 4:
            cv2.circle(pixels, (cx, cy), r, colour, 1, cv2.LINE_AA)
        elif shape == 1:
            box(pixels, cx - r, cy - r, cx + r, cy + r, colour, edge)
        elif shape == 5:
            cv2.line(pixels, (cx - r, cy - r), (cx + r, cy + r), colour, 1, cv2.LINE_AA)
            cv2.line(pixels, (cx - r, cy + r), (cx + r, cy - r), colour, 1, cv2.LINE_AA)
        else:
            corners = [[cx, cy - r], [cx + r, cy + (r if shape == 2 else 0)]]
            corners += [[cx - r, cy + r]] if shape == 2 else [[cx, cy + r], [cx - r, cy]]
            cv2.fillPoly(pixels, [np.array(corners, np.int32)], colour, cv2.LINE_AA)


def error_bar(frame: Frame, x: float, low: float, high: float, colour: Color, cap: int) -> None:
    """A vertical whisker with caps of `cap` pixels to each side."""
    column, top = frame.at(x, high)
    bottom = frame.at(x, low)[1]
    width = frame.style.line
    cv2.line(frame.pixels, (column, top), (column, bottom), colour, width)
    if cap:
        for row in (top, bottom):
            cv2.line(frame.pixels, (column - cap, row), (column + cap, row), colour, width)


@lru_cache(maxsize=4096)
def ticks(low: float, high: float, most: int) -> tuple[tuple[float, str], ...]:
    """Round positions between the limits, at most `most` of them (at least two), with their labels."""
    span = (high - low) / max(1, most - 1)
    power = 10.0 ** floor(log10(span))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= span * 0.999)
    digits = max(0, -floor(log10(step) + 1e-9))
    if round(step, digits) != round(step, 6):
        digits += 1
    first = ceil(low / step - 1e-6)
    last = floor(high / step + 1e-6)
    return tuple((i * step, f"{i * step + 0.0:.{digits}f}") for i in range(first, last + 1))


def centred(pixels: Pixels, mask: Mask, x: float, y: float, colour: Color) -> None:
    """Pastes a mask with its middle at (x, y)."""
    paste(pixels, mask, round(x - mask.shape[1] / 2), round(y - mask.shape[0] / 2), colour)


@dataclass(frozen=True)
class Look:
    """How axes are drawn: the same for all panels of a series."""

    tick: int  # length, negative inwards
    density: float
    slant: int  # of category names: 0, 45 or 90 degrees
    title: bool
    xtitle: bool
    ytitle: bool
    legend: str  # "in", "right", "top", "bottom", "none"
    corner: int
    boxed: bool
    bold: bool


def look_of(rng: Rng, style: Style) -> Look:
    """Draws the habits of one author."""
    u = rng.random(8).tolist()
    reach = max(2, round(style.type_px * 0.35))
    return Look(
        tick=0 if style.spines in ("grey", "none") else (-reach if u[0] < 0.15 else reach),
        density=0.6 + u[1],
        slant=45 if u[2] < 0.35 else (90 if u[2] < 0.5 else 0),
        title=u[3] < 0.35,
        xtitle=u[4] < 0.75,
        ytitle=u[5] < 0.85,
        legend=("in", "in", "right", "right", "top", "bottom", "none")[int(u[6] * 7)],
        corner=int(u[7] * 4),
        boxed=u[7] * 4 % 1 < 0.3,
        bold=u[6] * 7 % 1 < 0.3,
    )


def axes(
    rng: Rng,
    pixels: Pixels,
    style: Style,
    *,
    xlim: tuple[float, float] = (0.0, 1.0),
    ylim: tuple[float, float] = (0.0, 1.0),
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    categories: Sequence[str] | None = None,
    across: bool = False,
    legend: Legend = (),
    xticks: bool = True,
    yticks: bool = True,
    right: int = 0,
    look: Look | None = None,
) -> Frame:
    """Draws axes that use up the whole image and returns their data area.

    `categories` names unit-wide places from 0.5 on the x axis (on the y axis with
    `across`); `right` keeps that many columns free at the right, for a colour bar.
    """
    look = look or look_of(rng, style)
    height, width = pixels.shape[:2]
    em = style.type_px
    row = ceil(em * 0.8) + 1  # one line of type
    left, top, end, bottom = 1, 1, width - 2 - right, height - 1
    if title and look.title and height > 7 * row:
        mask = text(style, title, scale=1.15, bold=look.bold)
        if mask.shape[1] < width:
            centred(pixels, mask, (width + left) / 2, top + mask.shape[0] / 2, style.ink)
            top += mask.shape[0] + ceil(em * 0.4)
    key = look.legend if legend and min(width, height) > 7 * row else "none"
    if key == "right":
        end -= _legend_size(style, legend)[0] + round(em * 0.5)
        if end < width * 0.55:
            key, end = "in", width - 2 - right
    elif key == "top":
        top += _legend_row(pixels, style, legend, left + 4 * row, top) + ceil(em * 0.3)
    elif key == "bottom" and height > 10 * row:
        bottom -= _legend_row(pixels, style, legend, left + 2 * row, height - 1 - row) + ceil(em * 0.3)

    if ylabel and look.ytitle and width > 7 * row and height > 5 * row:
        mask = np.rot90(text(style, ylabel, bold=look.bold))
        if mask.shape[0] > height * 1.05:
            mask = np.rot90(text(style, ylabel[: max(3, int(len(ylabel) * height / mask.shape[0]) - 1)]))
        yrow, left = left, left + mask.shape[1] + ceil(em * 0.35)
    else:
        mask, yrow = None, 0
    bare_x = bool(xlabel and look.xtitle and height > 6 * row)
    if bare_x:
        bottom -= row + ceil(em * 0.15)
    plan_y = _plan(style, ylim, categories if across else None, (bottom - top) / (row * 2.2) * look.density, yticks)
    plan_x = _plan(style, xlim, None if across else categories, (end - left) / (em * 3.6) * look.density, xticks)
    if plan_y and width > 5 * row:
        left += max(m.shape[1] for _, m in plan_y) + ceil(em * 0.3)
        if not across:
            top += row // 2
    left += max(0, look.tick)
    if plan_x and (across or not categories):
        end -= plan_x[-1][1].shape[1] // 2
    slant = look.slant if categories and not across else 0
    if plan_x and height > 4 * row:
        wide = max(m.shape[1] for _, m in plan_x)
        room = (end - left) / max(1, len(plan_x))
        if categories and not across and wide > room * 0.95:
            slant = slant or 45
        elif slant == 45 and wide < room * 0.5:
            slant = 0
        deep = {0: row, 45: ceil(wide * 0.7) + row // 2, 90: wide}[slant]
        if deep > (bottom - top) * 0.45:
            plan_x = []  # names longer than the plot is high are left out
        else:
            bottom -= deep + ceil(em * 0.25)
    bottom -= max(0, look.tick)
    left, bottom = min(left, end - 8), max(bottom, top + 8)
    frame = Frame(pixels, style, max(0, left), top, max(left + 4, end), bottom, xlim, ylim)
    _spines(frame, look, plan_x, plan_y)
    if height > 4 * row:
        _names_below(frame, look, plan_x, slant)
    if width > 5 * row:
        reach = max(0, look.tick) + ceil(em * 0.3)
        for value, name in plan_y:
            y = frame.at(0, value)[1] - name.shape[0] / 2
            paste(pixels, name, frame.left - reach - name.shape[1], round(y), style.ink)
    if mask is not None:
        centred(pixels, mask, yrow + mask.shape[1] / 2, (frame.top + frame.bottom) / 2, style.ink)
    if bare_x:
        label = text(style, xlabel, bold=look.bold)
        base = height - 1 - row if key != "bottom" or height <= 10 * row else height - 1 - 2 * row - ceil(em * 0.3)
        paste(pixels, label, max(0, round((frame.left + frame.right - label.shape[1]) / 2)), base, style.ink)
    if key == "right":
        _legend(pixels, style, legend, frame.right + round(em * 0.5), _legend_top(frame, look, legend), False)
    elif key == "in":
        wide, deep = _legend_size(style, legend)
        if wide < frame.width * 0.7 and deep < frame.height * 0.6:
            gap = 3 + style.line
            x = frame.right - wide - gap if look.corner % 2 else frame.left + gap
            y = frame.top + gap if look.corner < 3 else frame.bottom - deep - gap
            _legend(pixels, style, legend, x, y, look.boxed)
    return frame


def _plan(
    style: Style, limits: tuple[float, float], names: Sequence[str] | None, most: float, wanted: bool
) -> list[tuple[float, Mask]]:
    """Positions and masks of the tick labels of one axis."""
    if not wanted:
        return []
    if names is not None:
        return [(i + 0.5, text(style, name)) for i, name in enumerate(names)]
    return [(value, text(style, name)) for value, name in ticks(*limits, int(min(11, max(2, most))))]


def _spines(frame: Frame, look: Look, plan_x: list[tuple[float, Mask]], plan_y: list[tuple[float, Mask]]) -> None:
    style, pixels = frame.style, frame.pixels
    rows = [frame.at(frame.xlim[0], value)[1] for value, _ in plan_y]
    columns = [frame.at(value, frame.ylim[0])[0] for value, _ in plan_x]
    dark = is_dark(style.paper)
    if style.spines == "grey":
        box(pixels, frame.left, frame.top, frame.right - 1, frame.bottom - 1, (58,) * 3 if dark else (235,) * 3)
    if style.spines == "grey" or style.grid:
        shade = mix(style.paper, style.ink, 0.18)
        if style.spines == "grey":
            shade = (90,) * 3 if dark else (255,) * 3
        for y in rows:
            cv2.line(pixels, (frame.left, y), (frame.right - 1, y), shade, 1)
        for x in columns:
            cv2.line(pixels, (x, frame.top), (x, frame.bottom - 1), shade, 1)
    if style.spines == "grey":
        return
    x0, y0, x1, y1 = frame.left - 1, frame.top, frame.right - 1, frame.bottom
    if style.spines == "box":
        box(pixels, x0, y0, x1, y1, None, style.ink, style.line)
    elif style.spines == "open":
        cv2.polylines(pixels, [np.array([[x0, y0], [x0, y1], [x1, y1]], np.int32)], False, style.ink, style.line)
    else:
        cv2.line(pixels, (x0, y1), (x1, y1), mix(style.paper, style.ink, 0.4), 1)
    if look.tick:
        for y in rows:
            cv2.line(pixels, (x0 - look.tick, y), (x0, y), style.ink, style.line)
        for x in columns:
            cv2.line(pixels, (x, y1), (x, y1 + look.tick), style.ink, style.line)


@lru_cache(maxsize=4096)
def _slanted(key: bytes, shape: tuple[int, int]) -> Mask:
    mask = np.frombuffer(key, np.uint8).reshape(shape)
    h, w = shape
    side = ceil((w + h) * 0.7072) + 1
    turn = cv2.getRotationMatrix2D((w, 0), 45, 1.0)
    turn[:, 2] += (side - w, 0)
    return np.asarray(cv2.warpAffine(mask, turn, (side + h, side)), np.uint8)


def _names_below(frame: Frame, look: Look, plan: list[tuple[float, Mask]], slant: int) -> None:
    style, pixels = frame.style, frame.pixels
    y = frame.bottom + 1 + max(0, look.tick) + ceil(style.type_px * 0.2)
    for value, mask in plan:
        x = frame.at(value, 0)[0]
        if slant == 90:
            turned = np.rot90(mask)
            paste(pixels, turned, x - turned.shape[1] // 2, y, style.ink)
        elif slant == 45:
            turned = _slanted(mask.tobytes(), (mask.shape[0], mask.shape[1]))
            paste(pixels, turned, x - turned.shape[1] + mask.shape[0], y, style.ink)
        else:
            paste(pixels, mask, x - mask.shape[1] // 2, y, style.ink)


def _legend_size(style: Style, legend: Legend) -> tuple[int, int]:
    em = style.type_px
    wide = max(text(style, name).shape[1] for name, _ in legend)
    return wide + round(em * 1.9), len(legend) * round(em * 1.25)


def _legend_top(frame: Frame, look: Look, legend: Legend) -> int:
    return frame.top + (0, 0, 1, 1)[look.corner] * max(0, (frame.height - _legend_size(frame.style, legend)[1]) // 2)


def _legend(pixels: Pixels, style: Style, legend: Legend, x: int, y: int, boxed: bool) -> None:
    em = style.type_px
    wide, deep = _legend_size(style, legend)
    if boxed:
        box(pixels, x - 2, y - 2, x + wide + 2, y + deep, style.paper, mix(style.paper, style.ink, 0.6))
    for i, (name, colour) in enumerate(legend):
        mask = text(style, name)
        top = y + i * round(em * 1.25)
        middle = top + round(em * 0.4)
        if i % 2 == 0 or boxed:
            box(pixels, x, middle - round(em * 0.3), x + round(em * 0.9), middle + round(em * 0.3), colour)
        else:
            cv2.line(pixels, (x, middle), (x + round(em * 1.2), middle), colour, style.line + 1)
        paste(pixels, mask, x + round(em * 1.6), top, style.ink)


def _legend_row(pixels: Pixels, style: Style, legend: Legend, x: int, y: int) -> int:
    """One line of legend entries; returns its height."""
    em = style.type_px
    for name, colour in legend:
        mask = text(style, name)
        if x + mask.shape[1] + em * 1.5 > pixels.shape[1] - 1:
            break
        box(pixels, x, y, x + round(em * 0.8), y + round(em * 0.6), colour)
        paste(pixels, mask, x + round(em * 1.3), y, style.ink)
        x += mask.shape[1] + round(em * 2.4)
    return ceil(em * 0.9)


def note(frame: Frame, rng: Rng, string: str, colour: Color | None = None) -> None:
    """A remark in one corner of the data area."""
    mask = text(frame.style, string)
    if mask.shape[1] > frame.width * 0.8 or mask.shape[0] > frame.height * 0.3:
        return
    corner = int(rng.random() * 4)
    gap = 3
    x = frame.right - mask.shape[1] - gap if corner % 2 else frame.left + gap
    y = frame.bottom - mask.shape[0] - gap if corner > 1 else frame.top + gap
    paste(frame.pixels, mask, x, y, colour or frame.style.ink)
