"""What authors put onto pictures: scale bars, arrows, asterisks, words, frames, insets."""

from __future__ import annotations

import cv2
import numpy as np

from .base import Color, Pixels, Rng, Style
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
)
BARS = ("10 µm", "50 µm", "100 µm", "20 nm", "1 cm", "")


def annotate(look: Rng, data: Rng, pixels: Pixels, style: Style) -> None:
    """Draw marks onto a picture in place; ``look`` decides what the pictures of a series share."""
    height, width = pixels.shape[:2]
    colour: Color = (255, 255, 255) if look.random() < 0.8 else (0, 0, 0)
    if min(width, height) < 30:
        return
    if look.random() < 0.35:
        _bar(look, pixels, style, colour)
    if look.random() < 0.2:
        for _ in range(int(data.integers(1, 4))):
            _arrow(data, pixels, colour if look.random() < 0.7 else (255, 220, 0))
    if look.random() < 0.2:
        word = text(style, WORDS[int(data.integers(len(WORDS)))], bold=look.random() < 0.5)
        x = int(look.random() < 0.5) * max(2, width - word.shape[1] - 3) or 3
        paste(pixels, word, x, max(2, height - word.shape[0] - 3) if look.random() < 0.3 else 3, colour)
    if look.random() < 0.15:
        _inset(look, data, pixels, colour)


def _bar(look: Rng, pixels: Pixels, style: Style, colour: Color) -> None:
    height, width = pixels.shape[:2]
    length, thick = round(width * look.uniform(0.1, 0.3)), max(1, round(height * look.uniform(0.008, 0.025)))
    x = width - length - round(width * 0.05) if look.random() < 0.8 else round(width * 0.05)
    y = height - round(height * 0.06)
    cv2.rectangle(pixels, (x, y - thick), (x + length, y), colour, cv2.FILLED)
    label = BARS[int(look.integers(len(BARS)))]
    if label and look.random() < 0.5:
        mask = text(style, label)
        paste(pixels, mask, x + (length - mask.shape[1]) // 2, max(0, y - thick - mask.shape[0] - 2), colour)


def _arrow(data: Rng, pixels: Pixels, colour: Color) -> None:
    height, width = pixels.shape[:2]
    tip = (round(width * data.uniform(0.15, 0.85)), round(height * data.uniform(0.15, 0.85)))
    angle, length = data.uniform(0, 2 * np.pi), min(width, height) * data.uniform(0.08, 0.16)
    tail = (round(tip[0] + length * np.cos(angle)), round(tip[1] + length * np.sin(angle)))
    cv2.arrowedLine(pixels, tail, tip, colour, max(1, round(length / 9)), cv2.LINE_AA, tipLength=0.45)


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
    cv2.rectangle(pixels, (left, top), (left + w - 1, top + h - 1), colour, max(1, round(width / 150)))
