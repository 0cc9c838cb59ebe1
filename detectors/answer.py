"""From a network's scored boxes to a detector's answer: refinement, suppression, whole pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.records import Detection
from .boxes import by_score, nms, pixel_boxes
from .fitting import Rules, fitted, snapped

if TYPE_CHECKING:
    from ..core.images import FigureImage
    from .detr import DetrOptions


def candidate_score(options: DetrOptions) -> float:
    """The score from which boxes are of use: the search for a set weighs faint ones too."""
    return Rules().faint if options.chosen_refine == "fit" else options.score


def answer(
    image: FigureImage, boxes: NDArray[Any], scores: NDArray[Any], options: DetrOptions
) -> list[Detection]:
    """Panels from ``(n, 4)`` boxes in pixels of ``image`` and their scores, the surest first."""
    # Runtimes differ in later digits; rounded, ties and choices fall alike.
    boxes, scores = boxes.astype(np.float64).round(2), scores.astype(np.float64).round(4)
    sound = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    boxes, scores = boxes[sound], scores[sound]
    if options.chosen_refine == "fit":
        found = fitted(image, boxes, scores, options.score)
        boxes = np.array([box for box, _ in found], np.float64).reshape(-1, 4)
        scores = np.array([score for _, score in found], np.float64)
        keep = np.ones(len(scores), np.bool_)
    else:
        keep = scores > options.score
    pixels, rows = pixel_boxes(boxes[keep], image.width, image.height)
    scores = scores[keep][rows]
    if options.chosen_refine == "snap":
        pixels = np.array(snapped(image, pixels.astype(np.float64)), np.int64).reshape(-1, 4)
    order = by_score(pixels, scores) if options.nms is None else nms(pixels, scores, options.nms)
    return [
        Detection(
            box=(int(pixels[i, 0]), int(pixels[i, 1]), int(pixels[i, 2]), int(pixels[i, 3])),
            score=float(min(1.0, max(0.0, scores[i]))),
        )
        for i in order
    ]
