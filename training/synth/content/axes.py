"""Axes shared by the plots: titles, ticks, spines and legends around a data area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import cv2
import numpy as np

from .base import Pixels, Rng, Style, is_dark, mix
from .frame import SHIFT, Floats, Frame, box, centred, dots, error_bar, markers, note, ticks
from .labels import (
    Labels,
    Legend,
    depth,
    legend_column,
    legend_row,
    legend_size,
    line_of,
    slant_for,
    tick_labels,
    widest,
    write_below,
    write_left,
)
from .text import Mask, paste, text

__all__ = [
    "SHIFT",
    "Floats",
    "Frame",
    "Legend",
    "Look",
    "axes",
    "box",
    "centred",
    "dots",
    "error_bar",
    "look_of",
    "markers",
    "note",
    "ticks",
]


@dataclass(frozen=True)
class Look:
    """How an author draws axes: the same for all panels of a series."""

    tick: int  # length, negative inwards
    density: float
    slant: int  # of category names: 0, 45 or 90 degrees
    title: bool
    banner: bool  # the title stands on a grey band, as facets of ggplot2 have it
    xtitle: bool
    ytitle: bool
    legend: str  # "in", "right", "top", "bottom", "none"
    corner: int
    boxed: bool
    bold: bool
    small: float  # scale of the tick labels
    apart: int  # pixels between the data area and its axes
    square: bool
    framed: bool  # a line around all of it, as spreadsheets draw it


def look_of(rng: Rng, style: Style) -> Look:
    """The habits of one author, at random."""
    u = rng.random(13).tolist()
    reach = max(2, round(style.type_px * 0.35))
    ticked = style.spines not in ("grey", "none")
    inwards = u[0] < (0.4 if style.spines == "box" else 0.08)
    return Look(
        tick=(-reach if inwards else reach) if ticked and u[0] < 0.93 else 0,
        density=0.6 + u[1],
        slant=45 if u[2] < 0.35 else (90 if u[2] < 0.5 else 0),
        title=u[3] < 0.35,
        banner=style.spines == "grey" and u[3] < 0.15,
        xtitle=u[4] < 0.75,
        ytitle=u[5] < 0.85,
        legend=("in", "in", "right", "right", "top", "bottom", "none")[int(u[6] * 7)],
        corner=int(u[7] * 4),
        boxed=u[8] < 0.3,
        bold=u[9] < 0.3,
        small=(1.0, 0.85, 0.75)[int(u[10] * 3)],
        apart=reach if style.spines == "open" and u[11] < 0.12 else 0,
        square=u[11] > 0.88,
        framed=u[12] < 0.04,
    )


@dataclass
class _Room:
    """What is left of the image while titles, labels and legends take their parts."""

    left: int
    top: int
    right: int
    bottom: int


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
    powers: bool = False,
    look: Look | None = None,
) -> Frame:
    """Draws axes that use up the whole image and returns their data area.

    `categories` names unit-wide places from 0.5 on the x axis (on the y axis with
    `across`); `right` keeps that many columns free at the right, for a colour bar;
    with `powers` the y limits are exponents of ten.
    What has no room is left out: an image of 12 x 12 pixels keeps its spines.
    """
    look = look or look_of(rng, style)
    height, width = pixels.shape[:2]
    em, line = style.type_px, line_of(style)
    room = _Room(1, 1, width - 2 - right, height - 2)
    if look.framed:
        box(pixels, 0, 0, width - 1, height - 1, None, mix(style.paper, style.ink, 0.4))
        room = _Room(3, 3, width - 5 - right, height - 5)
    if title and look.title and height > 7 * line:
        _title(pixels, style, look, title, room)
    place = look.legend if legend and min(width, height) > 7 * line else "none"
    place = _outer_legend(pixels, style, legend, place, room)

    y_mask = x_mask = None
    if ylabel and look.ytitle and width > 7 * line and height > 5 * line:
        y_mask = _axis_title(style, ylabel, height, look.bold)
        y_mask = y_mask if y_mask is None else np.rot90(y_mask)
    if xlabel and look.xtitle and height > 6 * line:
        x_mask = _axis_title(style, xlabel, width, look.bold)
    y_at = room.left
    if y_mask is not None:
        room.left += y_mask.shape[1] + ceil(em * 0.35)
    x_at = room.bottom - ceil(em * 0.95)  # with room for descenders
    if x_mask is not None:
        room.bottom -= ceil(em * 1.15)

    most_x = (room.right - room.left) / (em * 3.6) * look.density
    most_y = (room.bottom - room.top) / (line * 2.2) * look.density
    below = tick_labels(style, xlim, None if across else categories, most_x, look.small) if xticks else []
    beside: Labels = []
    if yticks:
        beside = tick_labels(style, ylim, categories if across else None, most_y, look.small, powers)
    reach = max(0, look.tick) + look.apart
    room.left += reach
    room.bottom -= reach
    if beside and width > 5 * line:
        room.left += widest(beside) + ceil(em * 0.3)
        room.top += 0 if across else line // 2
    slant = 0
    if below and height > 4 * line:
        if across or not categories:
            room.right -= below[-1][1].shape[1] // 2
        else:
            slant = slant_for(below, (room.right - room.left) / len(below), look.slant)
        deep = depth(style, below, slant)
        if deep > (room.bottom - room.top) * 0.45:
            below = []  # names longer than the plot is high
        else:
            room.bottom -= deep + ceil(em * 0.25)

    frame = _frame(pixels, style, look, room, xlim, ylim)
    _spines(frame, look, below, beside)
    if height > 4 * line:
        write_below(frame, below, reach + ceil(em * 0.2), slant)
    if width > 5 * line:
        write_left(frame, beside, reach + ceil(em * 0.3))
    if y_mask is not None:
        shift = frame.left - room.left
        y = (frame.top + frame.bottom - y_mask.shape[0]) / 2
        paste(pixels, y_mask, y_at + shift, max(0, min(round(y), height - y_mask.shape[0])), style.ink)
    if x_mask is not None:
        x_at -= room.bottom - frame.bottom
        x = (frame.left + frame.right - x_mask.shape[1]) / 2
        paste(pixels, x_mask, max(0, min(round(x), width - x_mask.shape[1])), x_at, style.ink)
    _inner_legend(frame, look, legend, place)
    return frame


def _title(pixels: Pixels, style: Style, look: Look, title: str, room: _Room) -> None:
    mask = text(style, title, scale=1.0 if look.banner else 1.15, bold=look.bold)
    if mask.shape[1] >= room.right - room.left:
        return
    if look.banner:
        shade = mix(style.paper, style.ink, 0.18)
        box(pixels, room.left, room.top, room.right, room.top + mask.shape[0] + 3, shade)
        room.top += 2
    centred(pixels, mask, (room.left + room.right) / 2, room.top + mask.shape[0] / 2, style.ink)
    room.top += mask.shape[0] + ceil(style.type_px * 0.4)


def _axis_title(style: Style, label: str, room: int, bold: bool) -> Mask | None:
    """Type for an axis of `room` pixels: smaller, then without its last words, then not at all."""
    words = label.split(" ")
    for scale in (1.0, 0.8):
        mask = text(style, label, scale=scale, bold=bold)
        if mask.shape[1] <= room:
            return mask
    for count in range(len(words) - 1, 0, -1):
        mask = text(style, " ".join(words[:count]), bold=bold)
        if mask.shape[1] <= room:
            return mask
    return None


def _outer_legend(pixels: Pixels, style: Style, legend: Legend, place: str, room: _Room) -> str:
    """Makes room for a legend and draws it if it stands above or below; returns its final place."""
    em, line = style.type_px, line_of(style)
    if place == "right":
        wide = legend_size(style, legend)[0] + round(em * 0.5)
        if wide > (room.right - room.left) * 0.42:
            return "in"
        room.right -= wide
    elif place == "top":
        legend_row(pixels, style, legend, room.left + 4 * line, room.top)
        room.top += ceil(em * 1.2)
    elif place == "bottom":
        legend_row(pixels, style, legend, room.left + 2 * line, room.bottom - ceil(em * 0.95))
        room.bottom -= ceil(em * 1.3)
    return place


def _inner_legend(frame: Frame, look: Look, legend: Legend, place: str) -> None:
    if place not in ("right", "in"):
        return
    style = frame.style
    wide, deep = legend_size(style, legend)
    if place == "right":
        y = frame.top + (look.corner > 1) * max(0, (frame.height - deep) // 2)
        legend_column(frame.pixels, style, legend, frame.right + round(style.type_px * 0.5), y, False)
    elif wide < frame.width * 0.7 and deep < frame.height * 0.6:
        gap = 3 + style.line
        x = frame.right - wide - gap if look.corner % 2 else frame.left + gap
        y = frame.top + gap if look.corner < 3 else frame.bottom - deep - gap
        legend_column(frame.pixels, style, legend, x, y, look.boxed)


def _frame(
    pixels: Pixels,
    style: Style,
    look: Look,
    room: _Room,
    xlim: tuple[float, float],
    ylim: tuple[float, float],
) -> Frame:
    right, bottom = max(room.right, 6), max(room.bottom, 6)
    left, top = max(0, min(room.left, right - 8)), max(0, min(room.top, bottom - 8))
    frame = Frame(pixels, style, left, top, right, bottom, xlim, ylim)
    if not look.square or max(frame.width, frame.height) < 30:
        return frame
    side = min(frame.width, frame.height)
    if frame.width > side:
        return replace(frame, right=left + max(side, frame.width // 2))
    return replace(frame, top=bottom - max(side, frame.height // 2))


def _spines(frame: Frame, look: Look, below: Labels, beside: Labels) -> None:
    style, pixels = frame.style, frame.pixels
    rows = [frame.at(frame.xlim[0], value)[1] for value, _ in beside]
    columns = [frame.at(value, frame.ylim[0])[0] for value, _ in below]
    x0, y0, x1, y1 = frame.left, frame.top, frame.right - 1, frame.bottom - 1
    grey = style.spines == "grey"
    if grey:
        box(pixels, x0, y0, x1, y1, (58, 58, 58) if is_dark(style.paper) else (235, 235, 235))
    if grey or style.grid:
        lines = (90, 90, 90) if is_dark(style.paper) else (255, 255, 255)
        shade = lines if grey else mix(style.paper, style.ink, 0.18)
        for y in rows:
            cv2.line(pixels, (x0, y), (x1, y), shade, 1)
        for x in columns:
            cv2.line(pixels, (x, y0), (x, y1), shade, 1)
    if grey:
        return
    x0, y1 = x0 - 1 - look.apart, y1 + 1 + look.apart
    if style.spines == "box":
        box(pixels, x0, y0, x1, y1, None, style.ink, style.line)
    elif style.spines == "open" and look.apart:
        cv2.line(pixels, (x0, y0), (x0, frame.bottom), style.ink, style.line)
        cv2.line(pixels, (frame.left, y1), (x1, y1), style.ink, style.line)
    elif style.spines == "open":
        corner = np.array([[x0, y0], [x0, y1], [x1, y1]], np.int32)
        cv2.polylines(pixels, [corner], False, style.ink, style.line)
    else:
        cv2.line(pixels, (x0, y1), (x1, y1), mix(style.paper, style.ink, 0.4), 1)
    if look.tick:
        for y in rows:
            cv2.line(pixels, (x0 - look.tick, y), (x0, y), style.ink, style.line)
        for x in columns:
            cv2.line(pixels, (x, y1), (x, y1 + look.tick), style.ink, style.line)
