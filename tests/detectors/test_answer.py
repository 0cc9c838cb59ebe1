"""From scored boxes to detections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pmcx.core.images import FigureImage
from pmcx.detectors.answer import answer, candidate_score
from pmcx.detectors.detr import DetrOptions

PIXELS = np.full((100, 200, 3), 255, np.uint8)
PIXELS[10:90, 10:90] = 90
PIXELS[10:90, 110:190] = 60
IMAGE = FigureImage.from_array(PIXELS)
LEFT, RIGHT = (10, 10, 90, 90), (110, 10, 190, 90)


def found(boxes: list[Any], scores: list[float], **options: Any) -> list[tuple[Any, float]]:
    given = DetrOptions(**options)
    rows = answer(IMAGE, np.array(boxes, np.float64).reshape(-1, 4), np.array(scores), given)
    return [(one.box, one.score) for one in rows]


def test_no_refinement_rounds_and_sorts() -> None:
    got = found([(9.6, 10.4, 90.4, 89.5), (112, 10, 250, 90)], [0.6, 0.7], refine="none")
    assert got == [((112, 10, 200, 90), 0.7), ((10, 10, 90, 90), 0.6)]


def test_scores_must_be_above_the_least() -> None:
    assert found([LEFT, RIGHT], [0.5, 0.51], refine="none") == [(RIGHT, 0.51)]
    assert found([LEFT, RIGHT], [0.5, 0.51], refine="none", score=0.4) == [(RIGHT, 0.51), (LEFT, 0.5)]


def test_snap_moves_every_box_and_chooses_none() -> None:
    whole = (10, 10, 190, 90)
    got = found([(7, 12, 93, 88), (107, 12, 187, 93), whole], [0.9, 0.8, 0.7], refine="snap")
    assert got == [(LEFT, 0.9), (RIGHT, 0.8), (whole, 0.7)]


def test_snapped_boxes_that_become_the_same_are_one() -> None:
    got = found([(7, 12, 93, 88), (13, 8, 88, 93)], [0.9, 0.8], refine="snap")
    assert got == [(LEFT, 0.9)]


def test_fit_chooses() -> None:
    got = found([(7, 12, 93, 88), (107, 12, 187, 93), (10, 10, 190, 90)], [0.9, 0.8, 0.7], refine="fit")
    assert got == [(LEFT, 0.9), (RIGHT, 0.8)]


def test_fit_takes_what_covers_ink_below_the_least_score() -> None:
    options: dict[str, Any] = {"refine": "fit", "score": 0.5}
    assert [box for box, _ in found([LEFT, RIGHT], [0.9, 0.4], **options)] == [LEFT, RIGHT]
    assert found([LEFT, RIGHT], [0.9, 0.4], refine="none") == [(LEFT, 0.9)]


def test_suppression() -> None:
    twice = [LEFT, (10, 10, 90, 84)]
    assert len(found(twice, [0.9, 0.8], refine="none")) == 1
    assert len(found(twice, [0.9, 0.8], refine="none", nms=None)) == 2
    assert len(found(twice, [0.9, 0.8], refine="none", nms=0.95)) == 2


@pytest.mark.parametrize("refine", ["none", "snap", "fit"])
def test_nothing_and_nonsense(refine: str) -> None:
    assert found([], [], refine=refine) == []
    nan = float("nan")
    rows = found([LEFT, (nan, 0, 9, 9), (0, 0, 9, float("inf")), RIGHT], [0.9, 0.9, 0.9, nan], refine=refine)
    assert rows == [(LEFT, 0.9)]


def test_single_precision_is_enough() -> None:
    given = DetrOptions(refine="none")
    (one,) = answer(IMAGE, np.array([LEFT], np.float32), np.array([0.9], np.float32), given)
    assert one.box == LEFT and one.score == pytest.approx(0.9)


def test_fitted_ties_fall_alike_whatever_the_last_digits() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-6, (2, 4))
    for swap in (False, True):
        boxes = (np.array([LEFT, RIGHT]) + noise)[:: -1 if swap else 1]
        assert found(list(boxes), [0.7 + 1e-7, 0.7], refine="fit") == [(LEFT, 0.7), (RIGHT, 0.7)]


def test_candidates() -> None:
    assert candidate_score(DetrOptions(refine="none", score=0.3)) == 0.3
    assert candidate_score(DetrOptions(refine="snap", score=0.3)) == 0.3
    assert candidate_score(DetrOptions(refine="fit", score=0.6)) == 0.1


def test_auto_refines_only_the_weights_that_come_with_pmcx() -> None:
    assert DetrOptions().chosen_refine == "fit"
    assert DetrOptions(weights="folder").chosen_refine == "none"
    assert DetrOptions(weights="folder", refine="fit").chosen_refine == "fit"
