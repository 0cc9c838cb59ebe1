"""What authors put onto pictures: scale bars, arrows, asterisks, words, dashed frames, insets."""

from __future__ import annotations

import cv2
import numpy as np

from ..chance import one_of
from .base import Color, Pixels, Rng, Style, mix
from .text import paste, text

WORDS = (
    "Control",
    "Treated",
    "DAPI",
    "H&E",
    "WT",
    "KO",
    "Merge",
    "Day 7",
    "R",
    "L",
    "siRNA",
    "Vehicle",
    "GFP",
    "40x",
    "T2",
    "Pre",
    "Post",
    "#1",
)
BARS = ("10 µm", "50 µm", "100 µm", "20 nm", "1 cm", "5 mm", "200 nm", "")
SIGNS = ("*", "**", "#", "N", "V", "T", "1", "2")
BRIGHT: tuple[Color, ...] = ((255, 220, 0), (255, 40, 30), (60, 230, 60), (70, 200, 255))
LEAST = 30
"""Pixels of the shorter side below which pictures carry no marks."""


def annotate(look: Rng, data: Rng, pixels: Pixels, style: Style) -> None:
    """Draws marks onto a picture in place; ``look`` decides what the pictures of a series share."""
    height, width = pixels.shape[:2]
    if min(width, height) < LEAST:
        return
    light = float(pixels[::8, ::8].mean()) > 150
    plain: Color = (0, 0, 0) if light else (255, 255, 255)
    colour = one_of(look, BRIGHT) if look.random() < 0.3 else plain
    if look.random() < 0.35:
        _bar(look, pixels, style, plain)
    if look.random() < 0.2:
        heads_only = look.random() < 0.3
        for _ in range(int(data.integers(1, 4))):
            _arrow(data, pixels, colour, heads_only=heads_only)
    if look.random() < 0.08:
        for _ in range(int(data.integers(1, 4))):
            _sign(data, pixels, style, colour)
    if look.random() < 0.2:
        _word(look, data, pixels, style, plain)
    if look.random() < 0.08:
        _dashed_box(data, pixels, colour)
    if look.random() < 0.09:
        _inset(look, data, pixels, colour if look.random() < 0.5 else plain)


def _bar(look: Rng, pixels: Pixels, style: Style, colour: Color) -> None:
    height, width = pixels.shape[:2]
    length, thick = round(width * look.uniform(0.1, 0.3)), max(1, round(height * look.uniform(0.008, 0.025)))
    x = width - length - round(width * 0.05) if look.random() < 0.8 else round(width * 0.05)
    y = height - round(height * 0.06)
    cv2.rectangle(pixels, (x, y - thick), (x + length, y), colour, cv2.FILLED)
    label = one_of(look, BARS)
    if label and look.random() < 0.5:
        mask = text(style, label)
        paste(pixels, mask, x + (length - mask.shape[1]) // 2, max(0, y - thick - mask.shape[0] - 2), colour)


def _arrow(data: Rng, pixels: Pixels, colour: Color, *, heads_only: bool) -> None:
    height, width = pixels.shape[:2]
    tip = np.array([width * data.uniform(0.15, 0.85), height * data.uniform(0.15, 0.85)])
    angle, length = data.uniform(0, 2 * np.pi), min(width, height) * data.uniform(0.06, 0.15)
    if heads_only:
        spread = angle + np.array([0.0, 0.4, -0.4])
        reach = np.array([0.0, 0.7, 0.7])[:, None] * length
        corners = tip + reach * np.stack([np.cos(spread), np.sin(spread)], axis=1)
        cv2.fillPoly(pixels, [corners.astype(np.int32)[:, None]], colour, cv2.LINE_AA)
        return
    tail = tip + length * np.array([np.cos(angle), np.sin(angle)])
    start, end = (round(tail[0]), round(tail[1])), (round(tip[0]), round(tip[1]))
    cv2.arrowedLine(pixels, start, end, colour, max(1, round(length / 9)), cv2.LINE_AA, tipLength=0.45)


def _sign(data: Rng, pixels: Pixels, style: Style, colour: Color) -> None:
    height, width = pixels.shape[:2]
    mask = text(style, one_of(data, SIGNS), bold=True, trim=True)
    paste(
        pixels, mask, round(width * data.uniform(0.1, 0.85)), round(height * data.uniform(0.1, 0.85)), colour
    )


def _word(look: Rng, data: Rng, pixels: Pixels, style: Style, colour: Color) -> None:
    """A word in a corner, where the picture allows it without a ground of its own."""
    height, width = pixels.shape[:2]
    mask = text(style, one_of(data, WORDS), bold=look.random() < 0.5)
    x = max(2, width - mask.shape[1] - 3) if look.random() < 0.5 else 3
    y = max(2, height - mask.shape[0] - 3) if look.random() < 0.3 else 3
    paste(pixels, mask, x, y, colour)


def _dashed_box(data: Rng, pixels: Pixels, colour: Color) -> None:
    """A region of interest; drawn whole where it is too small for dashes."""
    height, width = pixels.shape[:2]
    w, h = round(width * data.uniform(0.12, 0.4)), round(height * data.uniform(0.12, 0.4))
    x, y = int(data.integers(1, width - w - 1)), int(data.integers(1, height - h - 1))
    along = np.arange(max(w, h)) % 6 < (4 if min(w, h) > 10 else 6)
    for line, length in (
        (pixels[y, x : x + w], w),
        (pixels[y + h, x : x + w], w),
        (pixels[y : y + h, x], h),
        (pixels[y : y + h, x + w], h),
    ):
        line[along[:length]] = colour


def _inset(look: Rng, data: Rng, pixels: Pixels, colour: Color) -> None:
    """An enlarged part in a corner, framed: it belongs to its panel."""
    height, width = pixels.shape[:2]
    share = look.uniform(0.25, 0.42)
    w, h = round(width * share), round(height * share)
    part_w, part_h = max(3, round(w * 0.4)), max(3, round(h * 0.4))
    x, y = int(data.integers(0, width - part_w)), int(data.integers(0, height - part_h))
    part = cv2.resize(pixels[y : y + part_h, x : x + part_w].copy(), (w, h), interpolation=cv2.INTER_LINEAR)
    if look.random() < 0.6:
        cv2.rectangle(pixels, (x, y), (x + part_w, y + part_h), colour, 1)
    left = int(look.random() < 0.5) * (width - w)
    top = int(look.random() < 0.7) * (height - h)
    pixels[top : top + h, left : left + w] = part
    frame = colour if look.random() < 0.85 else mix(colour, (128, 128, 128), 0.5)
    cv2.rectangle(pixels, (left, top), (left + w - 1, top + h - 1), frame, max(1, round(width / 150)))
