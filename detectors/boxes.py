"""Box arithmetic on numpy arrays: ``(n, 4)`` of ``x0, y0, x1, y1``, half-open, origin top left."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]


def pixel_boxes(boxes: Floats, width: int, height: int) -> tuple[Ints, Ints]:
    """Clip to the image and round to whole pixels; drop what does not lie in it.

    ``boxes`` are ``(n, 4)`` in pixels of a ``width`` x ``height`` image. Gives the ``(m, 4)`` boxes that
    are left and the ``(m,)`` rows they came from, in order. Edges go to the nearest pixel edge; a box
    that rounds to nothing becomes the pixel it starts in.
    Boxes outside the image, inside out or not finite are dropped.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    limit = np.array([width, height, width, height], np.float64)
    clipped = np.clip(boxes, 0.0, limit)
    inside = np.isfinite(boxes).all(axis=1) & (clipped[:, :2] < clipped[:, 2:]).all(axis=1)
    rows = np.flatnonzero(inside)
    out = np.floor(clipped[rows] + 0.5).astype(np.int64)
    thin = out[:, :2] == out[:, 2:]
    out[:, :2] = np.where(thin, np.floor(clipped[rows, :2]), out[:, :2])
    out[:, 2:] = np.where(thin, out[:, :2] + 1, out[:, 2:])
    return out, rows


def iou_matrix(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of every pair: ``(n, 4)`` and ``(m, 4)`` give ``(n, m)``; 0 for empty boxes."""
    first, second = (np.asarray(a, np.float64).reshape(-1, 4) for a in (first, second))
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    area_1, area_2 = (np.prod(np.maximum(a[:, 2:] - a[:, :2], 0.0), axis=1) for a in (first, second))
    union = area_1[:, None] + area_2[None, :] - shared
    out: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return out


def nms(boxes: NDArray[Any], scores: Floats, threshold: float) -> Ints:
    """Greedy non-maximum suppression: the rows kept, the surest first.

    A box goes when its IoU with a surer kept box is **above** ``threshold``. Ties in the score are
    decided by the box itself, so the answer does not depend on the order of the rows.
    """
    boxes = np.asarray(boxes).reshape(-1, 4)
    order = by_score(boxes, scores)
    keep: list[int] = []
    while order.size:
        keep.append(int(order[0]))
        rest = order[1:]
        order = rest[iou_matrix(boxes[order[:1]], boxes[rest])[0] <= threshold]
    return np.array(keep, np.int64)


def by_score(boxes: NDArray[Any], scores: Floats) -> Ints:
    """Rows by falling score, then by ``x0, y0, x1, y1``."""
    keys = (boxes[:, 3], boxes[:, 2], boxes[:, 1], boxes[:, 0], -np.asarray(scores, np.float64))
    return np.lexsort(keys).astype(np.int64)
