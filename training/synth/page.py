"""A page in the making: its slots, what stands in them, and how ink is measured."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...core.records import Box
from .content.base import Color, Pixels, Style
from .letters import Lettering, Mask
from .looks import Habits

SMALLEST = 12
"""Least side of a panel in pixels on a page of 448; in proportion on others."""
INK = 24
"""Difference from the paper, in any channel, from which on a pixel is ink (as in training.conventions)."""


@dataclass
class Part:
    """A panel in the making. ``slot`` is its room on the page, ``content`` that of its drawing.

    ``letter_at`` and ``title`` are kept free of the drawing; ``letter`` and ``tight`` are found when it is
    done.
    """

    slot: Box
    corner: str
    content: Box
    mask: Mask | None = None
    label: str = ""
    letter_at: Box | None = None
    title: Box | None = None
    letter: Box | None = None
    tight: Box = (0, 0, 0, 0)
    fills: bool = False
    modality: str = ""
    phrase: str = ""


@dataclass
class Strips:
    """Room around the slots, in pixels; 0 where nothing stands there.

    ``top`` and ``left`` hold the headers of columns and rows, ``bottom`` a legend, ``right`` a colour bar.
    """

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


@dataclass
class Page:
    """``area`` is what the slots share; the strips lie around it. ``style`` is that of the page, ``inner``
    that of its panels, which may stand on cards of another colour."""

    pixels: Pixels
    style: Style
    inner: Style
    habits: Habits
    lettering: Lettering | None
    parts: list[Part]
    area: Box
    strips: Strips


def ink_box(pixels: Pixels, paper: Color) -> Box | None:
    """The bounds of what differs from the paper; None where nothing does."""
    low = np.array([max(0, v - INK) for v in paper], np.float64)
    high = np.array([min(255, v + INK) for v in paper], np.float64)
    x, y, wide, tall = cv2.boundingRect(cv2.bitwise_not(cv2.inRange(pixels, low, high)))
    return (x, y, x + wide, y + tall) if wide else None


def size_of(box: Box) -> tuple[int, int]:
    """Width and height of a box."""
    return box[2] - box[0], box[3] - box[1]


def union(a: Box, b: Box) -> Box:
    """The smallest box around both."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def meet(a: Box, b: Box) -> bool:
    """Whether two boxes share a pixel."""
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def at_least(box: Box, slot: Box, least: int) -> Box:
    """The box grown inside its slot to ``least`` pixels on each side."""
    sides = list(box)
    for axis in (0, 1):
        lack = least - (sides[axis + 2] - sides[axis])
        if lack > 0:
            sides[axis] = max(slot[axis], sides[axis] - (lack + 1) // 2)
            sides[axis + 2] = min(slot[axis + 2], sides[axis] + least)
            sides[axis] = min(sides[axis], sides[axis + 2] - least)
    return sides[0], sides[1], sides[2], sides[3]
