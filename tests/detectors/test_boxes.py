"""Box arithmetic against small cases done by hand, and its properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pmcx.detectors.boxes import by_score, iou_matrix, nms, pixel_boxes


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10.4, 20.5, 30.5, 40.4), (10, 21, 31, 40)),
        ((-5, -5, 200, 200), (0, 0, 100, 50)),
        ((10.1, 10.1, 10.2, 20), (10, 10, 11, 20)),
        ((99.8, 10, 100, 20), (99, 10, 100, 20)),
        ((-3, 10, 0.2, 20), (0, 10, 1, 20)),
        ((100, 10, 120, 20), None),
        ((-9, 10, 0, 20), None),
        ((30, 10, 20, 20), None),
        ((10, 10, 10, 20), None),
        ((np.nan, 0, 10, 10), None),
        ((0, 0, np.inf, 10), None),
    ],
)
def test_pixel_boxes(box: tuple[float, ...], expected: tuple[int, ...] | None) -> None:
    boxes, rows = pixel_boxes(np.array([box]), 100, 50)
    assert [tuple(b) for b in boxes.tolist()] == ([] if expected is None else [expected])
    assert rows.tolist() == ([] if expected is None else [0])


def test_pixel_boxes_keeps_the_rows_of_what_is_left() -> None:
    boxes, rows = pixel_boxes(np.array([[0, 0, 5, 5], [200, 0, 300, 5], [1, 1, 4, 4]], float), 100, 50)
    assert rows.tolist() == [0, 2] and boxes.tolist() == [[0, 0, 5, 5], [1, 1, 4, 4]]


def test_iou_by_hand() -> None:
    first = np.array([[0, 0, 10, 10], [0, 0, 0, 0]])
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4], [0, 0, 0, 0]])
    assert iou_matrix(first, second) == pytest.approx(np.array([[1, 1 / 3, 0, 0.04, 0], [0, 0, 0, 0, 0]]))


def test_nms_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 0, 10, 5]])
    scores = np.array([0.8, 0.9, 0.3, 0.7])
    assert nms(boxes, scores, 0.5).tolist() == [1, 2]
    assert nms(boxes, scores, 0.6).tolist() == [1, 3, 2]
    assert nms(boxes, scores, 1.0).tolist() == [1, 0, 3, 2]


def test_empty() -> None:
    none = np.zeros((0, 4))
    assert nms(none, np.zeros(0), 0.5).shape == (0,)
    assert iou_matrix(none, none).shape == (0, 0)
    boxes, rows = pixel_boxes(none, 10, 10)
    assert boxes.shape == (0, 4) and rows.shape == (0,)


coordinates = hnp.arrays(
    np.float64, st.tuples(st.integers(0, 12), st.just(4)), elements=st.floats(-50, 150, width=32)
)


@given(coordinates, st.integers(1, 120), st.integers(1, 120))
def test_pixel_boxes_are_valid_and_near(boxes: np.ndarray, width: int, height: int) -> None:
    out, rows = pixel_boxes(boxes, width, height)
    assert (out[:, :2] >= 0).all() and (out[:, :2] < out[:, 2:]).all()
    assert (out[:, 2] <= width).all() and (out[:, 3] <= height).all()
    clipped = np.clip(boxes[rows], 0, [width, height, width, height])
    assert np.abs(out - clipped).max(initial=0) <= 1


@given(coordinates, st.floats(0, 1))
def test_nms_keeps_disjoint_boxes_and_ignores_the_order(boxes: np.ndarray, limit: float) -> None:
    boxes = np.unique(pixel_boxes(boxes, 100, 100)[0], axis=0)
    scores = np.arange(len(boxes)) % 3 / 3
    kept = nms(boxes, scores, limit)
    overlap = iou_matrix(boxes[kept], boxes[kept])
    np.fill_diagonal(overlap, 0)
    assert (overlap <= limit).all()
    gone = np.setdiff1d(np.arange(len(boxes)), kept)
    assert all((iou_matrix(boxes[[g]], boxes[kept]) > limit).any() for g in gone)
    shuffle = np.random.default_rng(len(boxes)).permutation(len(boxes))
    again = nms(boxes[shuffle], scores[shuffle], limit)
    assert boxes[shuffle][again].tolist() == boxes[kept].tolist()
    assert (np.diff(scores[by_score(boxes, scores)]) <= 0).all()
