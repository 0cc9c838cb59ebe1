"""COCO average precision of panel boxes (pycocotools), and the same over resampled figures.

Definition: https://cocodataset.org/#detection-eval, area ``all``, at most 100 detections a figure.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import PluginError
from ..core.layout import area
from ..core.records import Box
from .scores import COCO_THRESHOLDS, iou

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_DETECTIONS = 100


@dataclasses.dataclass(frozen=True)
class CocoScores:
    """AP over IoU .50-.95, at .50 and at .75, and average recall with 100 detections; all in 0..1.

    As COCO does, all are -1 where there is no true box.
    """

    ap: float
    ap50: float
    ap75: float
    ar100: float


@dataclasses.dataclass(frozen=True)
class FigureMatches:
    """One figure's detections, the surest first, as COCO matches them."""

    scores: NDArray[np.float64]
    """``(d,)`` scores, falling."""
    right: NDArray[np.bool_]
    """``(10, d)``: whether a true box was matched, at each of the IoU thresholds."""
    true: int
    """True boxes."""


def match_figures(
    found: Sequence[Sequence[tuple[Box, float]]], truth: Sequence[Sequence[Sequence[Box]]]
) -> list[FigureMatches]:
    """Match each figure's scored boxes with its true panels, by pycocotools' ``COCOeval``.

    ``truth`` holds the alternatives of each panel; the one with the highest IoU to any found box counts.
    Raises PluginError where pycocotools is not installed.
    """
    coco_class, eval_class = load_pycocotools()
    chosen = [
        [_best_alternative(boxes, [box for box, _ in f]) for boxes in t]
        for f, t in zip(found, truth, strict=True)
    ]
    images = [{"id": i} for i in range(len(chosen))]
    true = _rows((i, box, {}) for i, boxes in enumerate(chosen) for box in boxes)
    detected = _rows((i, box, {"score": score}) for i, pairs in enumerate(found) for box, score in pairs)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        sets = [_data_set(coco_class, images, rows) for rows in (true, detected)]
        evaluation = eval_class(*sets, iouType="bbox")
        evaluation.params.iouThrs = _array(COCO_THRESHOLDS)
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.evaluate()
    return [_matches(each) for each in evaluation.evalImgs]


def coco_scores(matches: Sequence[FigureMatches]) -> CocoScores:
    """AP and AR over figures, as ``COCOeval.accumulate`` and ``summarize`` define them."""
    import numpy as np

    true = sum(each.true for each in matches)
    if not true:
        return CocoScores(-1.0, -1.0, -1.0, -1.0)
    scores = np.concatenate([each.scores for each in matches])
    right = np.concatenate([each.right for each in matches], axis=1)
    right = right[:, np.argsort(-scores, kind="mergesort")]
    hits = np.cumsum(right, axis=1, dtype=np.float64)
    recall = hits / true
    precision = hits / np.arange(1, hits.shape[1] + 1)
    # The precision at a recall is the best one at that or any higher recall.
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    levels = np.linspace(0.0, 1.0, 101)
    average = np.zeros(len(COCO_THRESHOLDS))
    for t in range(len(COCO_THRESHOLDS)):
        place = np.searchsorted(recall[t], levels, side="left")
        reached = place[place < recall.shape[1]]
        average[t] = envelope[t, reached].sum() / len(levels)
    last = recall[:, -1].mean() if recall.shape[1] else 0.0
    half, three_quarters = COCO_THRESHOLDS.index(0.5), COCO_THRESHOLDS.index(0.75)
    return CocoScores(
        float(average.mean()), float(average[half]), float(average[three_quarters]), float(last)
    )


def load_pycocotools() -> tuple[Any, Any]:
    """The classes ``COCO`` and ``COCOeval``; PluginError, naming the remedy, where they are not installed."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise PluginError(f"COCO AP needs pycocotools ({error}): pip install pmcx-extract[score]") from None
    return COCO, COCOeval


def _best_alternative(boxes: Sequence[Box], found: Sequence[Box]) -> Box:
    return max(boxes, key=lambda box: max((iou(box, f) for f in found), default=0.0))


def _rows(items: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": n,
            "image_id": image,
            "category_id": 1,
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "area": area(box),
            "iscrowd": 0,
            **more,
        }
        for n, (image, box, more) in enumerate(items, 1)
    ]


def _data_set(coco_class: Any, images: list[dict[str, int]], rows: list[dict[str, Any]]) -> Any:
    data = coco_class()
    data.dataset = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "panel"}]}
    data.createIndex()
    return data


def _matches(each: dict[str, Any] | None) -> FigureMatches:
    if each is None:  # neither true nor found boxes
        return FigureMatches(_array([]), _array([[]] * len(COCO_THRESHOLDS)) > 0, 0)
    return FigureMatches(_array(each["dtScores"]), _array(each["dtMatches"]) > 0, len(each["gtIds"]))


def _array(values: Any) -> Any:
    import numpy as np

    return np.asarray(values, np.float64)
