"""The two box conventions of panel annotation, and the layout of a figure that follows from its boxes.

*tight*: the panel's content with its letter, axes and titles. *cell*: gutters are split at the midline and
outer cells reach the image border, as in the ImageCLEF figure-separation truth. Boxes are
``(x0, y0, x1, y1)``, half-open, integer pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..core.layout import TOLERANCE, area
from ..core.panels import clip
from ..core.records import Box
from .scores import intersection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Layout = Literal["single", "row", "column", "grid", "mixed"]

NESTED = 0.9
"""Share of a box inside a larger one from which on it counts as a part of that one."""
INK = 24
"""Difference from the background, in any channel, from which on a pixel is ink (JPEG noise is below)."""


def cells(boxes: Sequence[Box], width: int, height: int, tolerance: float = TOLERANCE) -> list[Box]:
    """The cell of each tight box, in the order given, for an image of ``width`` x ``height`` pixels.

    Recursive guillotine cuts, the widest gutter first, each at the gutter's midline; boxes may overlap
    across a cut by ``tolerance`` of the image's side. Where all boxes separate so, the cells tile the image
    and are their own cells. Boxes that cannot be cut apart grow to the midline with their nearest
    neighbours instead, first sideways, then up and down, and never onto one that they did not overlap. A
    box nested in another (``NESTED`` of its area) stays as it is; one outside the image comes out empty.
    """
    inside = [clip(box, width, height) for box in boxes]
    out = list(inside)
    free = _not_nested(inside)
    slack = (tolerance * width, tolerance * height)
    pending: list[tuple[Box, list[int]]] = [((0, 0, width, height), free)]
    while pending:
        region, group = pending.pop()
        if len(group) == 1:
            out[group[0]] = region
        elif group:
            cut = _widest_cut(inside, group, slack)
            if cut is None:
                for i, box in zip(group, _grown([inside[i] for i in group], region), strict=True):
                    out[i] = box
            else:
                axis, place, low, high = cut
                pending += [
                    (_part(region, axis, place, False), low),
                    (_part(region, axis, place, True), high),
                ]
    return out


def tight(pixels: NDArray[np.uint8], boxes: Sequence[Box]) -> list[Box]:
    """Each box trimmed to the ink inside, in the order given: the way back from cells.

    ``pixels`` is the ``(height, width, 3)`` uint8 image. The background is the most frequent colour on the
    image's border; a box without ink stays as it is (clipped to the image).
    """
    import numpy as np

    height, width = pixels.shape[:2]
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colours, counts = np.unique(rim, axis=0, return_counts=True)
    background = colours[counts.argmax()].astype(np.int16)
    out: list[Box] = []
    for box in boxes:
        x0, y0, x1, y1 = clip(box, width, height)
        if x0 >= x1 or y0 >= y1:
            out.append((x0, y0, x1, y1))
            continue
        ink = (np.abs(pixels[y0:y1, x0:x1].astype(np.int16) - background) > INK).any(axis=2)
        columns, rows = np.flatnonzero(ink.any(axis=0)), np.flatnonzero(ink.any(axis=1))
        if columns.size:
            x0, x1 = x0 + int(columns[0]), x0 + int(columns[-1]) + 1
            y0, y1 = y0 + int(rows[0]), y0 + int(rows[-1]) + 1
        out.append((x0, y0, x1, y1))
    return out


def layout_of(boxes: Sequence[Box], width: int, height: int, tolerance: float = TOLERANCE) -> Layout:
    """How panels are arranged: ``single``, one ``row``, one ``column``, a full ``grid``, or ``mixed``."""
    if len(boxes) <= 1:
        return "single"
    columns = _strips(boxes, 0, tolerance * width)
    rows = _strips(boxes, 1, tolerance * height)
    if columns == len(boxes):
        return "row"
    if rows == len(boxes):
        return "column"
    return "grid" if rows * columns == len(boxes) else "mixed"


def _strips(boxes: Sequence[Box], axis: int, slack: float) -> int:
    """Into how many strips lines across the whole figure divide the boxes."""
    count, end = 0, float("-inf")
    for box in sorted(boxes, key=lambda b: (b[axis], b[axis + 2])):
        if end - box[axis] <= min(slack, (box[axis + 2] - box[axis]) / 2):
            count += 1
        end = max(end, box[axis + 2])
    return count


def _not_nested(boxes: Sequence[Box]) -> list[int]:
    """The boxes that are neither empty nor a part of a larger one (of equal ones, the first)."""
    ordered = sorted((i for i, b in enumerate(boxes) if area(b)), key=lambda i: (-area(boxes[i]), i))
    kept: list[int] = []
    for i in ordered:
        limit = NESTED * area(boxes[i])
        if not any(intersection(boxes[i], boxes[j]) >= limit for j in kept):
            kept.append(i)
    return sorted(kept)


def _widest_cut(
    boxes: Sequence[Box], group: list[int], slack: tuple[float, float]
) -> tuple[int, int, list[int], list[int]] | None:
    """The axis and place of the widest gutter through a group, and the boxes before and behind it."""
    best: tuple[float, int, int, list[int], list[int]] | None = None
    for axis in (1, 0):
        ordered = sorted(group, key=lambda i: (boxes[i][axis] + boxes[i][axis + 2], i))
        starts = [boxes[i][axis] for i in ordered]
        ends = [boxes[i][axis + 2] for i in ordered]
        for n in range(1, len(ordered)):
            end, start = max(ends[:n]), min(starts[n:])
            place = (end + start) // 2
            # A thin box must not end up on the wrong side of a cut through an overlap.
            sound = max(starts[:n]) < place < min(ends[n:])
            if sound and start - end >= -slack[axis] and (best is None or start - end > best[0]):
                best = (start - end, axis, place, ordered[:n], ordered[n:])
    return None if best is None else best[1:]


def _part(region: Box, axis: int, place: int, behind: bool) -> Box:
    sides = list(region)
    sides[axis if behind else axis + 2] = place
    return sides[0], sides[1], sides[2], sides[3]


def _grown(boxes: Sequence[Box], region: Box) -> list[Box]:
    """Boxes that no line separates, each grown to the midlines with its neighbours or to the region."""
    current = list(boxes)
    for axis in (0, 1):
        current = [_stretched(box, current, region, axis) for box in current]
    return current


def _stretched(box: Box, others: Sequence[Box], region: Box, axis: int) -> Box:
    across = 1 - axis
    low, high = region[axis], region[axis + 2]
    for other in others:
        if other[across] >= box[across + 2] or box[across] >= other[across + 2]:
            continue
        if other[axis + 2] <= box[axis]:
            low = max(low, (other[axis + 2] + box[axis]) // 2)
        elif box[axis + 2] <= other[axis]:
            high = min(high, (box[axis + 2] + other[axis]) // 2)
    sides = list(box)
    sides[axis], sides[axis + 2] = low, high
    return sides[0], sides[1], sides[2], sides[3]
