"""COCO average precision: by hand, and the same figures as pycocotools' own summary."""

from __future__ import annotations

import contextlib
import io
import random
import sys

import pytest

from pmcx.core.errors import PluginError
from pmcx.core.records import Box
from pmcx.training.coco import coco_scores, load_pycocotools, match_figures

LEFT, RIGHT = (0, 0, 100, 100), (100, 0, 200, 100)
Found = list[list[tuple[Box, float]]]
Truth = list[list[list[Box]]]


def test_a_missing_pycocotools_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(PluginError, match=r"pip install pmcx-extract\[score\]"):
        match_figures([[(LEFT, 1.0)]], [[[LEFT]]])


class TestWithPycocotools:
    @pytest.fixture(autouse=True)
    def _needs_pycocotools(self) -> None:
        pytest.importorskip("pycocotools")

    def test_perfect_and_nothing(self) -> None:
        both: Truth = [[[LEFT], [RIGHT]]]
        perfect = coco_scores(match_figures([[(LEFT, 0.9), (RIGHT, 0.8)]], both))
        assert (perfect.ap, perfect.ap50, perfect.ap75, perfect.ar100) == (1, 1, 1, 1)
        nothing = coco_scores(match_figures([[]], both))
        assert (nothing.ap, nothing.ap50, nothing.ap75, nothing.ar100) == (0, 0, 0, 0)
        empty = coco_scores(match_figures([[]], [[]]))
        assert empty.ap == empty.ar100 == -1

    def test_shrunk_boxes_pass_seven_of_ten_thresholds(self) -> None:
        scores = coco_scores(match_figures([[((5, 5, 95, 95), 1.0)]], [[[LEFT]]]))
        assert scores.ap == pytest.approx(0.7)
        assert (scores.ap50, scores.ap75) == (1, 1)

    def test_a_surer_false_box_costs_precision(self) -> None:
        """The right box comes second: precision is 1/2 at every recall."""
        found: Found = [[((300, 300, 310, 310), 0.9), (LEFT, 0.5)]]
        assert coco_scores(match_figures(found, [[[LEFT]]])).ap50 == pytest.approx(0.5)
        found = [[((300, 300, 310, 310), 0.4), (LEFT, 0.5)]]
        assert coco_scores(match_figures(found, [[[LEFT]]])).ap50 == pytest.approx(1.0)

    def test_half_of_the_truth_found_is_half_of_the_precision(self) -> None:
        scores = coco_scores(match_figures([[(LEFT, 1.0)]], [[[LEFT], [RIGHT]]]))
        assert scores.ap == pytest.approx(51 / 101)  # recall levels 0 to .50
        assert scores.ar100 == 0.5

    def test_the_alternative_nearest_to_a_found_box_counts(self) -> None:
        truth: Truth = [[[LEFT, (0, 0, 100, 40)]]]
        assert coco_scores(match_figures([[((0, 0, 100, 40), 1.0)]], truth)).ap == 1
        assert coco_scores(match_figures([[(LEFT, 1.0)]], truth)).ap == 1
        assert coco_scores(match_figures([[]], truth)).ap == 0

    @pytest.mark.parametrize("seed", range(6))
    def test_same_as_the_summary_of_pycocotools(self, seed: int) -> None:
        truth, found = jittered(random.Random(seed))
        scores = coco_scores(match_figures(found, truth))
        ap, ap50, ap75, ar100 = reference(found, truth)
        assert scores.ap == pytest.approx(ap, abs=1e-12)
        assert scores.ap50 == pytest.approx(ap50, abs=1e-12)
        assert scores.ap75 == pytest.approx(ap75, abs=1e-12)
        assert scores.ar100 == pytest.approx(ar100, abs=1e-12)
        assert 0 < scores.ap < scores.ap50 < 1

    def test_a_resampled_figure_counts_as_often_as_it_is_drawn(self) -> None:
        truth, found = jittered(random.Random(7))
        matches = match_figures(found, truth)
        drawn = [0, 3, 3, 3, 5]
        again = coco_scores(match_figures([found[i] for i in drawn], [truth[i] for i in drawn]))
        assert coco_scores([matches[i] for i in drawn]) == again


def jittered(draw: random.Random) -> tuple[Truth, Found]:
    """Figures of boxes, with found boxes shifted, lost, doubled and invented; many scores are equal."""
    truth: Truth = []
    found: Found = []
    for _ in range(12):
        boxes = [(x, y, x + 80, y + 60) for x in (0, 100, 200) for y in (0, 100)][: draw.randrange(7)]
        truth.append([[box] for box in boxes])
        answers: list[tuple[Box, float]] = []
        for x0, y0, x1, y1 in boxes:
            if draw.random() < 0.85:
                d = draw.randrange(14)
                answers.append(((x0 + d, y0, x1, y1 - d), round(draw.random(), 1)))
            if draw.random() < 0.2:
                answers.append(((x0, y0, x1 - 5, y1), round(draw.random(), 1)))
        if draw.random() < 0.4:
            answers.append(((300, 0, 350, 200), round(draw.random(), 1)))
        found.append(answers)
    return truth, found


def reference(found: Found, truth: Truth) -> tuple[float, float, float, float]:
    """``COCOeval.summarize`` with its own defaults, area ranges included."""
    coco_class, eval_class = load_pycocotools()

    def rows(items: list[tuple[int, Box, float]]) -> list[dict[str, object]]:
        return [
            {
                "id": n,
                "image_id": i,
                "category_id": 7,
                "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]],
                "area": (b[2] - b[0]) * (b[3] - b[1]),
                "iscrowd": 0,
                "score": score,
            }
            for n, (i, b, score) in enumerate(items, 1)
        ]

    with contextlib.redirect_stdout(io.StringIO()):
        true = coco_class()
        true.dataset = {
            "images": [{"id": i} for i in range(len(truth))],
            "categories": [{"id": 7, "name": "panel"}],
            "annotations": rows([(i, p[0], 0.0) for i, panels in enumerate(truth) for p in panels]),
        }
        true.createIndex()
        detected = true.loadRes(rows([(i, b, s) for i, pairs in enumerate(found) for b, s in pairs]))
        evaluation = eval_class(true, detected, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    s = evaluation.stats
    return float(s[0]), float(s[1]), float(s[2]), float(s[8])
