"""Geometry of boxes on a page: reading order, centres, containment. Pure Python, in source pixels."""

from __future__ import annotations

from collections.abc import Sequence

from .records import Box

TOLERANCE = 0.015
"""How far boxes may overlap across a cut, as a share of the figure's width or height."""


def center(box: Box) -> tuple[float, float]:
    """The middle ``(x, y)`` of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def contains(box: Box, point: tuple[float, float]) -> bool:
    """Whether a point lies in a box (half-open, as all boxes)."""
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


def area(box: Box) -> int:
    """Pixels in a box; 0 for an empty or inverted one."""
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def reading_order(boxes: Sequence[Box], tolerance: float = TOLERANCE) -> list[int]:
    """Indices of ``boxes`` in reading order: a permutation, stable under translation and scale.

    Row-first recursive XY-cut (Nagy and Seth, 1984): cut into rows, each row into columns, each column
    into rows and so on; boxes may overlap a cut by ``tolerance`` of the whole extent. What cannot be cut
    is grouped into rows of boxes that overlap vertically by more than half of the lower one.
    """
    if not boxes:
        return []
    width = max(b[2] for b in boxes) - min(b[0] for b in boxes)
    height = max(b[3] for b in boxes) - min(b[1] for b in boxes)
    slack = (tolerance * width, tolerance * height)
    order: list[int] = []
    # An explicit stack, for layouts nested deeper than Python recurses.
    pending = [list(range(len(boxes)))]
    while pending:
        group = pending.pop()
        if len(group) == 1:
            order.append(group[0])
            continue
        pieces = _cut(boxes, group, 1, slack[1])
        if len(pieces) == 1:
            pieces = _cut(boxes, group, 0, slack[0])
        if len(pieces) == 1:
            order.extend(_by_rows(boxes, group))
        else:
            pending.extend(reversed(pieces))
    return order


def _cut(boxes: Sequence[Box], group: list[int], axis: int, slack: float) -> list[list[int]]:
    """Split along an axis wherever a line crosses no box by more than ``slack``."""
    ordered = sorted(group, key=lambda i: (boxes[i][axis], boxes[i][axis + 2], boxes[i][1 - axis], i))
    pieces: list[list[int]] = []
    end = float("-inf")
    for i in ordered:
        # A box thinner than the slack must not slip out of the row it lies in.
        overlap = end - boxes[i][axis]
        thin = (boxes[i][axis + 2] - boxes[i][axis]) / 2
        if pieces and overlap > min(slack, thin):
            pieces[-1].append(i)
        else:
            pieces.append([i])
        end = max(end, boxes[i][axis + 2])
    return pieces


def _by_rows(boxes: Sequence[Box], group: list[int]) -> list[int]:
    """Top to bottom by rows of mutual vertical overlap, left to right inside a row."""
    rows: list[list[int]] = []
    for i in sorted(group, key=lambda i: (boxes[i][1], boxes[i][0], i)):
        for row in rows:
            first = boxes[row[0]]
            overlap = min(first[3], boxes[i][3]) - max(first[1], boxes[i][1])
            if overlap * 2 > min(first[3] - first[1], boxes[i][3] - boxes[i][1]):
                row.append(i)
                break
        else:
            rows.append([i])
    return [i for row in rows for i in sorted(row, key=lambda i: (boxes[i][0], boxes[i][1], i))]
