"""Detectors on annotated figures: asked as the engine asks, scored in both conventions, resampled."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pmcx.core.errors import InputError, PluginError, UsageError
from pmcx.core.images import FigureImage
from pmcx.core.records import Box, Detection
from pmcx.core.stages import Detector, Resources
from pmcx.detectors.gutters import GuttersDetector
from pmcx.training.evaluation import (
    FALLBACK_SCORE,
    Prediction,
    as_case,
    as_prediction,
    bootstrap,
    interval,
    load_figure,
    metrics,
    predict,
    run,
    score_figures,
)
from pmcx.training.predictions import Predictions
from pmcx.training.truth import TrueFigure, TruePanel, read_truth

LEFT, RIGHT = (0, 0, 96, 100), (104, 0, 200, 100)


def figure(*panels: Box | tuple[Box, ...], file: str = "f.png", **more: Any) -> TrueFigure:
    offered = [(p,) if isinstance(p[0], int) else p for p in panels]
    return TrueFigure(file, tuple(TruePanel(boxes) for boxes in offered), **more)


def image(width: int = 200, height: int = 100) -> FigureImage:
    return FigureImage.from_array(np.full((height, width, 3), 255, np.uint8))


def found(*boxes: Box, score: float = 0.9) -> list[Detection]:
    return [Detection(box=box, score=score) for box in boxes]


class Scripted(Detector):
    """Answers by the width of the image; a text is raised."""

    name = "scripted"
    resources = Resources(batch=3)

    def __init__(self, answers: dict[int, Any]) -> None:
        super().__init__()
        self.answers = answers
        self.batches: list[int] = []

    def detect(self, images: Sequence[FigureImage]) -> Sequence[Sequence[Detection]]:
        self.batches.append(len(images))
        out = [self.answers[each.width] for each in images]
        for answer in out:
            if isinstance(answer, Exception):
                raise answer
        return out


def test_nothing_found_is_the_whole_figure() -> None:
    prediction = as_prediction(image(), [])
    assert prediction == Prediction((((0, 0, 200, 100), FALLBACK_SCORE),), fallback=True)
    outside = as_prediction(image(), found((300, 0, 400, 50)))
    assert outside == prediction
    sure = as_prediction(image(), found((0, 0, 200, 100)))
    assert sure == Prediction((((0, 0, 200, 100), 0.9),))


def test_boxes_are_clipped_and_in_reading_order() -> None:
    prediction = as_prediction(image(), found((104, -5, 230, 120), LEFT))
    assert [box for box, _ in prediction.boxes] == [LEFT, RIGHT]


def test_cells_of_truth_and_prediction() -> None:
    narrow = (10, 10, 80, 90)
    case = as_case(figure(narrow, RIGHT), 200, 100, "cell")
    assert case.panels == (((0, 0, 92, 100),), ((92, 0, 200, 100),))
    prediction = as_prediction(image(), found(narrow, RIGHT), "cell")
    assert [box for box, _ in prediction.boxes] == [boxes[0] for boxes in case.panels]
    assert as_case(figure(narrow, RIGHT), 200, 100).panels == ((narrow,), (RIGHT,))


def test_alternatives_survive_the_conversion() -> None:
    truth = figure((LEFT, (10, 10, 80, 90)), RIGHT)
    assert as_case(truth, 200, 100, "cell").panels[0] == ((0, 0, 100, 100), (0, 0, 92, 100))


def test_the_convention_matters() -> None:
    """Cells scored against tight truth are wrong where margins are wide, and right once both are cells."""
    tight_boxes = ((30, 20, 80, 80), RIGHT)
    answer = found((0, 0, 100, 100), (100, 0, 200, 100))
    scores = {
        convention: metrics(
            score_figures(
                [as_case(figure(*tight_boxes), 200, 100, convention)],
                [as_prediction(image(), answer, convention)],
                coco=False,
            )
        )
        for convention in ("tight", "cell")
    }
    assert scores["tight"]["f1"] == 0.5
    assert scores["cell"]["f1_75"] == 1


def test_trimming_cells_to_ink() -> None:
    pixels = np.full((100, 200, 3), 255, np.uint8)
    pixels[20:80, 30:80] = 0
    pixels[0:100, 104:200] = 90
    picture = FigureImage.from_array(pixels)
    answer = found((0, 0, 100, 100), (100, 0, 200, 100))
    prediction = as_prediction(picture, answer, trim=True)
    assert [box for box, _ in prediction.boxes] == [(30, 20, 80, 80), RIGHT]


def test_a_truth_outside_of_the_image_is_an_error() -> None:
    with pytest.raises(
        UsageError, match=r"f.png: panel 2 at \(300, 0, 400, 50\) lies outside of the 200x100"
    ):
        as_case(figure(LEFT, (300, 0, 400, 50)), 200, 100)
    assert as_case(figure((0, 0, 210, 101)), 200, 100).panels == (((0, 0, 200, 100),),)


def test_a_batch_that_raises_costs_one_figure() -> None:
    detector = Scripted({10: found((0, 0, 5, 5)), 20: InputError("spoilt"), 30: [], 40: ValueError("bug")})
    answers = predict(detector, [image(w) for w in (10, 20, 30, 40, 10)])
    assert answers == [found((0, 0, 5, 5)), "InputError: spoilt", [], "ValueError: bug", found((0, 0, 5, 5))]
    assert detector.batches == [3, 1, 1, 1, 2, 1, 1]
    lost = as_prediction(image(), "InputError: spoilt")
    assert (lost.boxes, lost.error, lost.fallback) == ((), "InputError: spoilt", False)


def test_a_detector_that_breaks_its_contract_is_told() -> None:
    class Short(Scripted):
        def detect(self, images: Sequence[FigureImage]) -> Sequence[Sequence[Detection]]:
            return []

    with pytest.raises(PluginError, match="'scripted' gave 0 answers for 2 images"):
        predict(Short({}), [image(), image()])
    with pytest.raises(UsageError, match="no weights"):
        predict(Scripted({200: UsageError("no weights")}), [image()])


def test_scores_of_a_figure_by_hand() -> None:
    case = as_case(figure(LEFT, RIGHT, (0, 120, 200, 200)), 200, 200)
    prediction = Prediction(((LEFT, 0.9), ((104, 0, 200, 60), 0.8), ((0, 100, 20, 110), 0.7)))
    (score,) = score_figures([case], [prediction], coco=False)
    assert score.f1 == pytest.approx(2 / 3)
    assert score.recalled == ((True, True), (True, False), (False, False))
    got = metrics([score])
    assert got["precision"] == got["recall"] == pytest.approx(2 / 3)
    assert got["f1_75"] == pytest.approx(1 / 3)
    assert got["mean_f1"] == pytest.approx((3 * 2 / 3 + 7 * 1 / 3) / 10)  # the second at .50, .55 and .60
    assert got["clef"] == pytest.approx(2 / 3)
    assert "ap" not in got


def test_clef_variants_differ() -> None:
    case = as_case(figure((0, 0, 60, 100)), 200, 100)
    prediction = Prediction((((0, 0, 100, 100), 1.0),))
    by = {v: score_figures([case], [prediction], v, coco=False)[0].clef for v in ("lepage", "zou")}
    assert by == {"lepage": 0, "zou": 1}


def test_pooled_and_per_figure_means() -> None:
    """Ten panels found in one figure outweigh one lost in another only where panels are pooled."""
    strip = [(20 * i, 0, 20 * i + 18, 50) for i in range(9)]
    cases = [as_case(figure(*strip), 200, 50), as_case(figure(LEFT), 200, 100)]
    predictions = [Prediction(tuple((box, 1.0) for box in strip)), Prediction((((104, 0, 120, 9), 1.0),))]
    got = metrics(score_figures(cases, predictions, coco=False))
    assert (got["f1"], got["f1_figure"]) == (0.9, 0.5)


def test_average_precision_stands_beside() -> None:
    pytest.importorskip("pycocotools")
    case = as_case(figure(LEFT, RIGHT), 200, 100)
    (score,) = score_figures([case], [Prediction(((LEFT, 0.9), (RIGHT, 0.8)))])
    assert metrics([score])["ap"] == 1


class TestBootstrap:
    def scores(self, right: Callable[[int], bool]) -> list[Any]:
        cases = [as_case(figure(LEFT, RIGHT), 200, 100) for _ in range(20)]
        predictions = [
            Prediction(((LEFT, 1.0), (RIGHT, 1.0)) if right(i) else (((90, 0, 110, 9), 1.0),))
            for i in range(20)
        ]
        return score_figures(cases, predictions, coco=False)

    def test_perfect_scores_have_no_width(self) -> None:
        (draws,) = bootstrap(range(20), [self.scores(lambda i: True)], rounds=50)
        assert {d["f1"] for d in draws} == {1.0}
        assert interval([d["mean_f1"] for d in draws]) == (1.0, 1.0)

    def test_the_seed_decides(self) -> None:
        scores = [self.scores(lambda i: i % 2 == 0)]
        assert bootstrap(range(20), scores, 20, seed=3) == bootstrap(range(20), scores, 20, seed=3)
        assert bootstrap(range(20), scores, 20, seed=3) != bootstrap(range(20), scores, 20, seed=4)

    def test_the_interval_is_that_of_a_binomial(self) -> None:
        """CLEF is the share of right figures: its standard error over 20 figures at .5 is .112."""
        (draws,) = bootstrap(range(20), [self.scores(lambda i: i % 2 == 0)], rounds=2000)
        low, high = interval([d["clef"] for d in draws])
        assert low == pytest.approx(0.5 - 1.96 * 0.112, abs=0.06)
        assert high == pytest.approx(0.5 + 1.96 * 0.112, abs=0.06)

    def test_figures_of_an_article_stay_together(self) -> None:
        """Two articles, one right and one wrong: only 0, the half and 1 can be drawn."""
        groups = ["a" if i % 2 else "b" for i in range(20)]
        (draws,) = bootstrap(groups, [self.scores(lambda i: i % 2 == 0)], rounds=60)
        assert {round(d["clef"], 6) for d in draws} == {0.0, 0.5, 1.0}

    def test_contestants_share_the_draws(self) -> None:
        one = self.scores(lambda i: i % 3 == 0)
        first, second = bootstrap(range(20), [one, one], rounds=30)
        assert first == second


def save(folder: Path, name: str, width: int = 200, height: int = 100) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[4:96, 4 : width // 2 - 6] = 40
    pixels[4:96, width // 2 + 6 : width - 4] = 120
    Image.fromarray(pixels).save(folder / name)


def test_run_streams_figures_in_order(tmp_path: Path) -> None:
    files = [f"a/{n}.png" for n in range(5)]
    for n, file in enumerate(files):
        save(tmp_path, file, 200 + 10 * n)
    truths = [figure((4, 4, 94 + 5 * n, 96), file=f) for n, f in enumerate(files)]
    seen: list[int] = []

    def answer(images: Sequence[FigureImage]) -> list[Sequence[Detection] | str]:
        seen.append(len(images))
        return [found((0, 0, each.width // 2, 100)) for each in images]

    rows = list(run(truths, tmp_path, {"one": answer}, batch=2))
    assert seen == [2, 2, 1]
    assert [case.truth.file for case, _ in rows] == files
    assert [p["one"].boxes[0][0] for _, p in rows] == [(0, 0, 100 + 5 * n, 100) for n in range(5)]


def test_images_that_do_not_fit_are_named(tmp_path: Path) -> None:
    save(tmp_path, "f.png")
    with pytest.raises(UsageError, match="the image is 200x100, but its annotation is for 400x200"):
        load_figure(figure(LEFT, width=400, height=200), tmp_path)
    assert load_figure(figure(LEFT, caption="(A) Left."), tmp_path).figure.caption == "(A) Left."
    with pytest.raises(UsageError, match=r"no image 'g.png' below"):
        load_figure(figure(LEFT, file="g.png"), tmp_path)
    (tmp_path / "h.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(UsageError, match=r"h\.png: "):
        load_figure(figure(LEFT, file="h.png"), tmp_path)


class TestPredictions:
    figures = (figure(LEFT, file="x/a.png", id="7"), figure(LEFT, file="x/b.png", id="8"))

    def ask(self, path: Path) -> list[Any]:
        images = [image(), image()]
        for each, truth in zip(images, self.figures, strict=True):
            each.figure = type(each.figure)(id=truth.file, article="", image=each.figure.image)
        return Predictions(path, self.figures)(images)

    def test_lines_of_pmcx_detect(self, tmp_path: Path) -> None:
        path = tmp_path / "p.jsonl"
        lines = [
            {"file": "/elsewhere/b.png", "error": "cannot read the file"},
            {
                "file": "/elsewhere/a.png",
                "panels": [{"box": [0, 0, 96, 100], "score": 0.5}, {"box": [1, 1, 2, 2]}],
            },
        ]
        path.write_text("\n".join(map(json.dumps, lines)))
        expected = [Detection(box=LEFT, score=0.5), Detection(box=(1, 1, 2, 2), score=1.0)]
        assert self.ask(path) == [expected, "cannot read the file"]
        path.write_text(json.dumps(lines))
        assert self.ask(path) == [expected, "cannot read the file"]

    def test_coco_results(self, tmp_path: Path) -> None:
        path = tmp_path / "p.json"
        path.write_text(
            json.dumps([{"image_id": 7, "category_id": 1, "bbox": [0, 0, 96, 100], "score": 0.25}])
        )
        assert self.ask(path) == [found(LEFT, score=0.25), []]
        path.write_text(json.dumps([{"image_id": "x/b.png", "bbox": [0, 0, 96, 100]}]))
        assert self.ask(path) == [[], found(LEFT, score=1.0)]

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("{", "line 1: not JSON"),
            ("[[]]", "entry 1 is no object"),
            ("[{}]", "entry 1: 'file' is missing"),
            ('{"file": "a.png", "panels": []}', "no prediction for 1 figures, the first is x/b.png"),
            ('{"file": "a.png"}', r"entry 1 \(a.png\): 'panels' is missing"),
            ('{"file": "a.png", "panels": [7]}', "panel 1: expected"),
            ('{"file": "a.png", "panels": [{"box": [5, 5, 1, 1]}]}', "panel 1: the box .* is empty"),
            ('[{"image_id": 9, "bbox": [0, 0, 1, 1]}]', "result 1: the truth has no image 9"),
            ('[{"image_id": 7, "bbox": [0, 0, 1]}]', "result 1: 'bbox' must be"),
        ],
    )
    def test_malformed_input_is_named(self, tmp_path: Path, content: str, told: str) -> None:
        path = tmp_path / "p.json"
        path.write_text(content)
        with pytest.raises(UsageError, match=told) as caught:
            self.ask(path)
        assert "p.json" in str(caught.value)


@pytest.mark.real_data
def test_truth_against_itself_and_gutters(shared_data: Path) -> None:
    folder = shared_data / "figures"
    truth = read_truth(folder / "annotations.json")
    panels = {f.file: [p.box for p in f.panels] for f in truth.figures}

    def perfect(images: Sequence[FigureImage]) -> list[Sequence[Detection] | str]:
        return [found(*panels[each.figure.id]) for each in images]

    with GuttersDetector() as gutters:
        rows = list(
            run(truth.figures, folder, {"truth": perfect, "gutters": lambda batch: predict(gutters, batch)})
        )
    cases = [case for case, _ in rows]
    best = metrics(score_figures(cases, [p["truth"] for _, p in rows], coco=False))
    assert best["f1"] == best["mean_f1"] == 1
    assert best["clef"] > 0.98  # panels that lie inside another one lose
    got = metrics(score_figures(cases, [p["gutters"] for _, p in rows], coco=False))
    assert 0.80 < got["f1"] < 0.95
