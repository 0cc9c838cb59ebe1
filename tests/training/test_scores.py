"""Detection scores on cases worked out by hand."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcx.core.layout import area
from pmcx.core.records import Box
from pmcx.training.scores import (
    COCO_THRESHOLDS,
    Counts,
    clef_accuracy,
    clef_accuracy_zou,
    iou,
    match_counts,
    matching,
    mean_f1,
)
from pmcx.training.truth import read_truth

LEFT, RIGHT = (0, 0, 100, 100), (100, 0, 200, 100)


def centre(box: Box, side: int = 4) -> Box:
    x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
    return (x - side // 2, y - side // 2, x + side // 2, y + side // 2)


def test_iou() -> None:
    assert iou(LEFT, LEFT) == 1
    assert iou(LEFT, RIGHT) == 0
    assert iou(LEFT, (0, 0, 50, 100)) == 0.5
    assert iou((5, 5, 5, 5), (5, 5, 5, 5)) == 0
    assert area((3, 3, 1, 1)) == 0


@pytest.mark.parametrize(
    ("found", "truth", "score"),
    [
        ([(0, 0, 200, 100)], [LEFT, RIGHT], 0),  # half of the box in each
        ([centre(LEFT), centre(RIGHT)], [LEFT, RIGHT], 1),  # the metric can be gamed
        ([LEFT, RIGHT, (300, 0, 400, 100)], [LEFT, RIGHT], 2 / 3),
        ([(0, 0, 50, 100), (50, 0, 100, 100)], [LEFT], 0.5),
        ([(0, 0, 100, 100)], [(0, 0, 66, 100)], 0),  # exactly .66 is wrong
        ([(0, 0, 100, 100)], [(0, 0, 67, 100)], 1),
        ([], [LEFT], 0),
        ([LEFT], [], 0),
        ([], [], 1),
    ],
)
def test_clef_accuracy(found: list[Box], truth: list[Box], score: float) -> None:
    assert clef_accuracy(found, truth) == pytest.approx(score)


def test_clef_accuracy_gives_no_second_choice() -> None:
    """Both boxes lie best in the left truth; the second is wrong though it covers the right one too."""
    found = [(0, 0, 100, 100), (0, 0, 90, 100)]
    nested = [(0, 0, 100, 100), (0, 0, 95, 100)]
    assert clef_accuracy(found, nested) == 0.5


def test_clef_accuracy_does_not_depend_on_order() -> None:
    found = [LEFT, (10, 10, 90, 90), (0, 0, 200, 100), (110, 0, 190, 80)]
    assert {clef_accuracy(list(p), [LEFT, RIGHT]) for p in permutations(found)} == {0.5}


def test_shrinking_passes_clef_but_not_iou() -> None:
    """Five per cent off each side: IoU .81, so 7 of the 10 COCO thresholds; ImageCLEF sees nothing."""
    shrunk = (5, 5, 95, 95)
    assert iou(shrunk, LEFT) == pytest.approx(0.81)
    assert mean_f1([shrunk], [LEFT]) == pytest.approx(0.7)
    assert clef_accuracy([shrunk], [LEFT]) == 1


def test_matching_is_of_maximum_size() -> None:
    """Taking the best pair first would leave the other box without a partner."""
    truth = [(0, 0, 100, 100), (0, 0, 100, 70)]
    found = [(0, 0, 100, 80), (0, 0, 100, 55)]
    assert iou(found[0], truth[1]) > iou(found[0], truth[0])
    assert iou(found[1], truth[0]) > 0.5 and iou(found[1], truth[1]) > iou(found[1], truth[0])
    assert match_counts(found, truth).matched == 2
    far = [(0, 0, 100, 80), (0, 0, 100, 40)]  # the second can only have the smaller truth
    assert match_counts(far, truth).matched == 2


def test_alternatives_count_once() -> None:
    either = [LEFT, (0, 0, 100, 40)]
    assert match_counts([(0, 0, 100, 40)], [either], 0.9) == Counts(1, 1, 1)
    assert match_counts([LEFT, (0, 0, 100, 40)], [either], 0.9) == Counts(1, 2, 1)
    assert clef_accuracy([LEFT], [either]) == 1


def test_counts_add_up() -> None:
    total = sum([Counts(1, 2, 1), Counts(2, 2, 4)], Counts())
    assert (total.precision, total.recall) == (0.75, 0.6)
    assert total.f1 == pytest.approx(2 / 3)
    assert (Counts().f1, Counts().precision, Counts().recall) == (1, 1, 1)
    assert (Counts(0, 3, 0).recall, Counts(0, 0, 3).precision) == (0, 0)


def box_strategy() -> st.SearchStrategy[Box]:
    edge = st.integers(0, 30)
    return st.tuples(edge, edge, st.integers(1, 30), st.integers(1, 30)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    )


@given(st.lists(box_strategy(), max_size=5), st.lists(box_strategy(), max_size=5))
def test_bounds_and_order(found: list[Box], truth: list[Box]) -> None:
    for threshold in COCO_THRESHOLDS:
        counts = match_counts(found, truth, threshold)
        assert counts.matched <= min(counts.found, counts.true)
        assert counts == match_counts(found[::-1], truth[::-1], threshold)
    assert 0 <= clef_accuracy(found, truth) <= 1
    assert match_counts(truth, truth).f1 == 1


@pytest.mark.parametrize(
    ("found", "truth", "score"),
    [
        ([(0, 0, 200, 100)], [LEFT, RIGHT], 0),  # exactly half in each
        ([(0, 0, 100, 100)], [(0, 0, 51, 100)], 1),  # the committed threshold is .5
        ([centre(LEFT), centre(RIGHT)], [LEFT, RIGHT], 1),
        ([], [LEFT], 0),
        ([], [], 1),
    ],
)
def test_clef_accuracy_in_the_zou_variant(found: list[Box], truth: list[Box], score: float) -> None:
    assert clef_accuracy_zou(found, truth) == pytest.approx(score)


def test_the_zou_variant_gives_a_second_choice() -> None:
    """Both boxes lie in both truths: each truth takes one, where the Lepage variant takes one truth twice."""
    found, truth = [(0, 0, 90, 90), (0, 0, 80, 80)], [(0, 0, 100, 100), (0, 0, 95, 95)]
    assert (clef_accuracy_zou(found, truth), clef_accuracy(found, truth)) == (1, 0.5)


def test_matching_names_the_pairs() -> None:
    assert matching([RIGHT, LEFT, (300, 0, 400, 9)], [LEFT, RIGHT]) == {0: 1, 1: 0}
    assert matching([(0, 0, 100, 70)], [LEFT], 0.75) == {}


@pytest.mark.real_data
def test_how_far_the_clef_accuracy_of_real_layouts_can_be_gamed(shared_data: Path) -> None:
    """Truth against itself loses where panels are nested; boxes of four pixels score as well."""
    layouts = [
        [p.box for p in f.panels] for f in read_truth(shared_data / "layouts" / "zou_train.csv").figures
    ]
    perfect = [clef_accuracy(boxes, boxes) for boxes in layouts]
    tiny = [clef_accuracy([centre(box) for box in boxes], boxes) for boxes in layouts]
    assert sum(perfect) / len(layouts) == pytest.approx(0.9996, abs=1e-4)
    assert sum(tiny) / len(layouts) == pytest.approx(0.9991, abs=1e-4)
