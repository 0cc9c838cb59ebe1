"""What authors add to a plot: shaded spans, thresholds, arrows, inset plots, hatching."""

from __future__ import annotations

import cv2
import numpy as np

from .base import Color, Pixels, Rng, mix
from .frame import Frame, box
from .text import paste, text
from .words import SHORT, STARS, pick


def backdrop(look: Rng, frame: Frame) -> None:
    """Now and then spans shaded behind the data, or a threshold."""
    habit = look.random()
    style, pixels = frame.style, frame.pixels
    if habit < 0.05:
        shade = mix(style.paper, style.palette[int(look.random() * len(style.palette))], 0.2)
        for _ in range(1 + int(look.random() * 2)):
            x = frame.left + round(frame.width * 0.8 * look.random())
            wide = max(1, round(frame.width * (0.05 + 0.15 * look.random())))
            box(pixels, x, frame.top, min(frame.right - 1, x + wide), frame.bottom - 1, shade)
    elif habit < 0.11:
        colour: Color = (200, 30, 30) if look.random() < 0.4 else mix(style.paper, style.ink, 0.6)
        if look.random() < 0.6:
            row = frame.top + round(frame.height * (0.15 + 0.7 * look.random()))
            dashes(pixels, frame.left, row, frame.right - 1, row, colour)
        else:
            column = frame.left + round(frame.width * (0.15 + 0.7 * look.random()))
            dashes(pixels, column, frame.top, column, frame.bottom - 1, colour)


def dashes(pixels: Pixels, x0: int, y0: int, x1: int, y1: int, colour: Color, step: int = 3) -> None:
    """A dashed line along a row or a column."""
    if y0 == y1 and 0 <= y0 < len(pixels):
        row = pixels[y0, max(0, x0) : x1 + 1]
        row[np.arange(len(row)) % (2 * step) < step] = colour
    elif x0 == x1 and 0 <= x0 < pixels.shape[1]:
        column = pixels[max(0, y0) : y1 + 1, x0]
        column[np.arange(len(column)) % (2 * step) < step] = colour


def remarks(look: Rng, data: Rng, frame: Frame) -> None:
    """Now and then an arrow with a word, stars, or a small plot inset."""
    habit = look.random()
    style, pixels = frame.style, frame.pixels
    em = style.type_px
    if habit < 0.05 and frame.width > 5 * em:
        x, y = frame.left + frame.width * (0.2 + 0.6 * data.random()), frame.top + frame.height * 0.5
        tip, tail = (round(x), round(y)), (round(x), round(y - 1.8 * em))
        cv2.arrowedLine(pixels, tail, tip, style.ink, style.line, cv2.LINE_AA, tipLength=0.35)
        mask = text(style, pick(data, SHORT))
        paste(pixels, mask, round(x - mask.shape[1] / 2), tail[1] - mask.shape[0] - 1, style.ink)
    elif habit < 0.09:
        mask = text(style, pick(data, STARS[:6]))
        for _ in range(1 + int(data.random() * 4)):
            x = frame.left + frame.width * (0.2 + 0.7 * data.random())
            paste(pixels, mask, round(x), round(frame.top + frame.height * 0.3 * data.random()), style.ink)
    elif habit < 0.13 and min(frame.width, frame.height) > 9 * em:
        _inset(look, data, frame)


def _inset(look: Rng, data: Rng, frame: Frame) -> None:
    """A small plot of its own in an upper corner of the data area."""
    style, pixels = frame.style, frame.pixels
    wide, high = (
        round(frame.width * (0.3 + 0.12 * look.random())),
        round(frame.height * (0.3 + 0.1 * look.random())),
    )
    x0 = frame.right - wide - 3 if look.random() < 0.6 else frame.left + round(style.type_px * 1.6)
    y0 = frame.top + 3
    box(pixels, x0, y0, x0 + wide, y0 + high, style.paper, style.ink)
    inner = Frame(pixels, style, x0 + 2, y0 + 2, x0 + wide - 1, y0 + high - 1)
    t = np.linspace(0, 1, 16)
    for i in range(1 + int(look.random() * 3)):
        y = 0.1 + 0.8 * np.clip(t ** (0.3 + 2 * data.random()) + data.standard_normal(16) * 0.05, 0, 1)
        inner.line(t, y if i % 2 else y[::-1], style.palette[i % len(style.palette)])
    for value in ("0", "1"):
        mask = text(style, value, scale=0.7)
        at = y0 + high - mask.shape[0] if value == "0" else y0
        paste(pixels, mask, x0 - mask.shape[1] - 2, at, style.ink)


def hatch(view: Pixels, colour: Color, form: int, step: int = 4) -> None:
    """Fills an image with a printer's pattern: 0 rising lines, 1 falling, 2 crossed, 3 level, 4 dots."""
    height, width = view.shape[:2]
    if form == 4:
        view[1::step, 1::step] = colour
        view[1 + step // 2 :: step, 1 + step // 2 :: step] = colour
        return
    if form == 3:
        view[1::step] = colour
        return
    diagonal = np.add.outer(np.arange(height), np.arange(width))
    falling = np.subtract.outer(np.arange(height), np.arange(width))
    if form != 1:
        view[diagonal % step == 0] = colour
    if form != 0:
        view[falling % step == 0] = colour
