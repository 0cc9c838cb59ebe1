"""From what a detector answers to the panels of a figure."""

from __future__ import annotations

from collections.abc import Sequence

from .layout import reading_order
from .records import Box, Detection, Panel

MAX_PANELS = 200
"""Detections kept for one figure, the surest first; no real figure has as many panels."""


def make_panels(
    figure: str, detections: Sequence[Detection], width: int, height: int, limit: int = MAX_PANELS
) -> list[Panel]:
    """The panels of a figure in reading order, clipped to the image; the whole figure where none is valid."""
    boxes = [(clip(d.box, width, height), float(d.score)) for d in detections]
    boxes = [(box, score) for box, score in boxes if box[0] < box[2] and box[1] < box[3]]
    if len(boxes) > limit:
        boxes = sorted(boxes, key=lambda item: (-item[1], item[0]))[:limit]
    if not boxes:
        boxes = [((0, 0, width, height), 1.0)]
    order = reading_order([box for box, _ in boxes])
    return [
        Panel(id=f"{figure}/p{n}", figure=figure, box=boxes[i][0], score=boxes[i][1])
        for n, i in enumerate(order, 1)
    ]


def clip(box: Box, width: int, height: int) -> Box:
    """The part of a box that lies inside the image."""
    x0, y0, x1, y1 = (int(v) for v in box)
    return max(0, x0), max(0, y0), min(width, x1), min(height, y1)
