"""Tight boxes, cells and layouts: cases worked out by hand, and properties on random cut trees."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcx.core.layout import area
from pmcx.core.records import Box
from pmcx.training.conventions import cells, layout_of, tight
from pmcx.training.scores import COCO_THRESHOLDS, intersection, iou
from pmcx.training.truth import read_truth

WIDTH, HEIGHT = 240, 180


def cut_tree(seed: int) -> tuple[list[Box], list[Box]]:
    """Cells of a random guillotine layout, and a tight box in each of them."""
    draw = random.Random(seed)
    regions: list[Box] = [(0, 0, WIDTH, HEIGHT)]
    for _ in range(draw.randrange(9)):
        x0, y0, x1, y1 = regions.pop(draw.randrange(len(regions)))
        if draw.random() < 0.5 and x1 - x0 >= 24:
            cut = draw.randrange(x0 + 12, x1 - 11)
            regions += [(x0, y0, cut, y1), (cut, y0, x1, y1)]
        elif y1 - y0 >= 24:
            cut = draw.randrange(y0 + 12, y1 - 11)
            regions += [(x0, y0, x1, cut), (x0, cut, x1, y1)]
        else:
            regions.append((x0, y0, x1, y1))
    inset = [[draw.randrange(5) for _ in range(4)] for _ in regions]
    boxes = [
        (b[0] + m[0], b[1] + m[1], b[2] - m[2], b[3] - m[3]) for b, m in zip(regions, inset, strict=True)
    ]
    return regions, boxes


@given(st.integers(0, 10**9))
def test_cells_of_a_cut_layout_tile_the_image(seed: int) -> None:
    _, boxes = cut_tree(seed)
    out = cells(boxes, WIDTH, HEIGHT)
    assert sum(map(area, out)) == WIDTH * HEIGHT
    assert all(intersection(a, b) == 0 for a, b in combinations(out, 2))
    for box, cell in zip(boxes, out, strict=True):
        assert intersection(box, cell) == area(box)
    assert cells(out, WIDTH, HEIGHT) == out
    assert cells(boxes[::-1], WIDTH, HEIGHT) == out[::-1]


@given(st.integers(0, 10**9))
def test_cells_are_those_of_the_tree_where_gutters_are_even(seed: int) -> None:
    regions, _ = cut_tree(seed)
    boxes = [
        (x0 + 2 * (x0 > 0), y0 + 2 * (y0 > 0), x1 - 2 * (x1 < WIDTH), y1 - 2 * (y1 < HEIGHT))
        for x0, y0, x1, y1 in regions
    ]
    assert cells(boxes, WIDTH, HEIGHT) == regions


def boxes_anywhere() -> st.SearchStrategy[list[Box]]:
    edge = st.integers(-20, 260)
    return st.lists(st.tuples(edge, edge, edge, edge), max_size=12)


@given(boxes_anywhere())
def test_any_boxes_give_cells_inside_the_image(boxes: list[Box]) -> None:
    out = cells(boxes, WIDTH, HEIGHT)
    assert len(out) == len(boxes)
    for box, cell in zip(boxes, out, strict=True):
        inside = (max(0, box[0]), max(0, box[1]), min(WIDTH, box[2]), min(HEIGHT, box[3]))
        if area(inside):
            assert area(cell) > 0
            assert min(cell) >= 0 and cell[2] <= WIDTH and cell[3] <= HEIGHT
        else:
            assert area(cell) == 0


@given(st.integers(0, 10**9))
def test_boxes_apart_have_cells_apart(seed: int) -> None:
    """Also where no cut exists: boxes placed at random, those that touch an earlier one left out."""
    draw = random.Random(seed)
    boxes: list[Box] = []
    for _ in range(12):
        x, y = draw.randrange(WIDTH - 10), draw.randrange(HEIGHT - 10)
        box = (x, y, min(WIDTH, x + draw.randrange(8, 80)), min(HEIGHT, y + draw.randrange(8, 80)))
        if not any(intersection(box, other) for other in boxes):
            boxes.append(box)
    assert all(intersection(a, b) == 0 for a, b in combinations(cells(boxes, WIDTH, HEIGHT), 2))
    out = cells(boxes, WIDTH, HEIGHT, tolerance=0)
    assert all(intersection(a, b) == 0 for a, b in combinations(out, 2))
    assert all(intersection(b, c) == area(b) for b, c in zip(boxes, out, strict=True))


def test_gutters_are_split_at_the_midline() -> None:
    assert cells([(5, 5, 45, 95), (55, 10, 90, 90)], 100, 100) == [(0, 0, 50, 100), (50, 0, 100, 100)]
    assert cells([(5, 5, 95, 40)], 100, 100) == [(0, 0, 100, 100)]
    assert cells([], 100, 100) == []


def test_the_widest_gutter_is_cut_first() -> None:
    """Two columns whose rows break at different heights, of which one line would still cross no box."""
    boxes = [(0, 0, 40, 44), (0, 50, 40, 100), (60, 0, 100, 48), (60, 56, 100, 100)]
    assert cells(boxes, 100, 100) == [(0, 0, 50, 47), (0, 47, 50, 100), (50, 0, 100, 52), (50, 52, 100, 100)]


def test_a_slight_overlap_is_cut_in_its_middle() -> None:
    boxes = [(0, 0, 502, 500), (498, 0, 1000, 500)]
    assert cells(boxes, 1000, 500) == [(0, 0, 500, 500), (500, 0, 1000, 500)]


def test_a_nested_box_stays_and_does_not_harm_its_parent() -> None:
    boxes = [(10, 10, 90, 90), (20, 20, 40, 40), (110, 10, 190, 90), (10, 10, 90, 90)]
    parent, child = (0, 0, 100, 100), (20, 20, 40, 40)
    assert cells(boxes, 200, 100) == [parent, child, (100, 0, 200, 100), (10, 10, 90, 90)]


def test_a_pinwheel_grows_without_collision() -> None:
    """Four boxes around a middle one: the classic layout that no line cuts."""
    boxes = [(0, 0, 60, 28), (62, 0, 100, 60), (40, 62, 100, 100), (0, 32, 38, 100), (42, 32, 58, 58)]
    out = cells(boxes, 100, 100)
    assert out == [(0, 0, 61, 30), (61, 0, 100, 61), (39, 61, 100, 100), (0, 30, 39, 100), (40, 30, 60, 60)]


def test_overlapping_boxes_that_no_line_parts_stay_where_they_are() -> None:
    boxes = [(0, 0, 60, 60), (40, 40, 100, 100)]
    for box, cell in zip(boxes, cells(boxes, 100, 100), strict=True):
        assert intersection(box, cell) == area(box)


def test_tight_boxes_score_below_one_against_their_cells() -> None:
    """A perfect detector in the wrong convention: one panel with a wide margin is lost at IoU .75."""
    boxes = [(20, 20, 80, 80), (101, 0, 200, 100)]
    assert iou(boxes[0], cells(boxes, 200, 100)[0]) == pytest.approx(0.4)


def picture(background: int, noise: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    pixels = np.full((100, 200, 3), background, np.int64)
    pixels[20:80, 30:90] = 128
    pixels[10:95, 110:190] = (200, 30, 30)
    pixels += np.random.default_rng(0).integers(-noise, noise + 1, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("background", [255, 0, 240])
def test_cells_trimmed_to_ink_are_the_tight_boxes_again(background: int) -> None:
    boxes = [(30, 20, 90, 80), (110, 10, 190, 95)]
    assert tight(picture(background), cells(boxes, 200, 100)) == boxes
    assert tight(picture(background, noise=6), cells(boxes, 200, 100)) == boxes


def test_a_cell_without_ink_stays() -> None:
    assert tight(picture(255), [(0, 0, 20, 100), (-5, 0, 300, 100), (250, 0, 300, 9)]) == [
        (0, 0, 20, 100),
        (30, 10, 190, 95),
        (250, 0, 200, 9),
    ]


@pytest.mark.parametrize(
    ("boxes", "layout"),
    [
        ([], "single"),
        ([(0, 0, 100, 100)], "single"),
        ([(0, 0, 48, 100), (52, 5, 100, 90)], "row"),
        ([(0, 0, 100, 48), (0, 48, 100, 100)], "column"),
        ([(0, 0, 48, 48), (52, 0, 100, 45), (0, 50, 48, 100), (52, 50, 99, 100)], "grid"),
        ([(0, 0, 48, 100), (52, 0, 100, 45), (52, 50, 100, 100)], "mixed"),
        ([(0, 0, 100, 40), (0, 50, 48, 100), (52, 50, 100, 100)], "mixed"),
        ([(0, 0, 51, 100), (50, 0, 100, 100)], "row"),
    ],
)
def test_layouts(boxes: list[Box], layout: str) -> None:
    assert layout_of(boxes, 100, 100) == layout


@pytest.mark.real_data
def test_cells_of_real_layouts(shared_data: Path) -> None:
    """9,642 annotated layouts: what a perfect detector of tight boxes would score against cells.

    The image's size is not in the data: the extent of the boxes stands for it.
    """
    ious: list[float] = []
    compounds = tiled = 0
    for figure in read_truth(shared_data / "layouts" / "zou_train.csv").figures:
        boxes = [panel.box for panel in figure.panels]
        if len(boxes) < 2:
            continue
        width, height = max(b[2] for b in boxes), max(b[3] for b in boxes)
        out = cells(boxes, width, height)
        ious += [iou(box, cell) for box, cell in zip(boxes, out, strict=True)]
        compounds += 1
        apart = all(intersection(a, b) == 0 for a, b in combinations(out, 2))
        tiled += apart and sum(map(area, out)) == width * height
    passed = [float(np.mean(np.array(ious) >= t)) for t in COCO_THRESHOLDS]
    assert (compounds, len(ious)) == (5843, 23117)
    assert tiled / compounds > 0.96
    assert float(np.median(ious)) == pytest.approx(0.958, abs=0.005)
    assert float(np.mean(passed)) == pytest.approx(0.877, abs=0.01)
    assert passed[0] == pytest.approx(0.976, abs=0.01)
    assert passed[5] == pytest.approx(0.921, abs=0.01)
