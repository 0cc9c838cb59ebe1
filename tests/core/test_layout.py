"""Reading order and box helpers."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcx.core.layout import area, center, contains, reading_order
from pmcx.core.records import Box


def test_no_boxes_and_one_box() -> None:
    assert reading_order([]) == []
    assert reading_order([(3, 4, 9, 9)]) == [0]


def test_grid_reads_row_by_row() -> None:
    grid: list[Box] = [(x, y, x + 90, y + 90) for y in (0, 100, 200) for x in (0, 100, 200, 300)]
    shuffled = grid[::-1]
    assert [shuffled[i] for i in reading_order(shuffled)] == grid


def test_tall_panel_at_the_left_comes_before_the_column_beside_it() -> None:
    boxes: list[Box] = [(110, 100, 200, 190), (110, 0, 200, 90), (0, 0, 100, 190)]
    assert reading_order(boxes) == [2, 1, 0]


def test_wide_panel_on_top_and_columns_below() -> None:
    boxes: list[Box] = [(0, 0, 300, 80), (0, 90, 100, 300), (110, 90, 300, 190), (110, 200, 300, 300)]
    assert reading_order(boxes) == [0, 1, 2, 3]


def test_overlap_within_tolerance_still_cuts() -> None:
    boxes: list[Box] = [(500, 0, 1000, 500), (0, 0, 510, 510), (0, 500, 500, 1000), (490, 495, 1000, 1000)]
    assert reading_order(boxes) == [1, 0, 2, 3]
    assert reading_order(boxes, tolerance=0.0) == [1, 0, 2, 3], "rows by overlap take over where nothing cuts"


def test_pinwheel_falls_back_to_rows() -> None:
    boxes: list[Box] = [(0, 0, 60, 40), (60, 0, 100, 60), (40, 60, 100, 100), (0, 40, 40, 100)]
    assert reading_order(boxes) == [0, 1, 3, 2]


def test_rows_staggered_beyond_the_tolerance_read_by_columns() -> None:
    boxes: list[Box] = [(0, 30, 90, 130), (100, 0, 190, 100), (0, 140, 90, 240), (100, 110, 190, 210)]
    assert reading_order(boxes) == [0, 2, 1, 3]
    assert reading_order(boxes, tolerance=0.1) == [0, 1, 2, 3]


def test_box_helpers() -> None:
    assert center((0, 0, 10, 5)) == (5.0, 2.5)
    assert area((2, 3, 12, 8)) == 50 and area((5, 5, 5, 9)) == 0 and area((9, 9, 2, 2)) == 0
    assert contains((0, 0, 10, 10), (0, 0)) and not contains((0, 0, 10, 10), (10, 5))


BOXES = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 300), st.integers(0, 300)).map(
        lambda t: (t[0], t[1], t[0] + t[2], t[1] + t[3])
    ),
    max_size=25,
)


@given(BOXES)
def test_always_a_permutation(boxes: list[Box]) -> None:
    assert sorted(reading_order(boxes)) == list(range(len(boxes)))


@given(BOXES, st.integers(-1000, 1000), st.sampled_from([1, 2, 4]))
def test_unmoved_by_translation_and_scale(boxes: list[Box], shift: int, scale: int) -> None:
    moved = [tuple(scale * value + shift for value in box) for box in boxes]
    assert reading_order(moved) == reading_order(boxes)  # type: ignore[arg-type]


def test_deep_nesting_does_not_recurse() -> None:
    boxes: list[Box] = []
    x0, y0, x1, y1 = 0, 0, 1 << 22, 1 << 22
    for i in range(40):
        if i % 2:
            middle = (x0 + x1) // 2
            boxes.append((x0, y0, middle, y1))
            x0 = middle
        else:
            middle = (y0 + y1) // 2
            boxes.append((x0, y0, x1, middle))
            y0 = middle
    assert sorted(reading_order(boxes, tolerance=0.0)) == list(range(40))


@pytest.mark.real_data
def test_reading_order_matches_the_labels_of_real_figures(shared_data: Path) -> None:
    figures: dict[str, list[tuple[str, Box]]] = defaultdict(list)
    with (shared_data / "layouts" / "zou_train.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            x0, y0, x1, y1 = (int(float(value)) for value in row[1:5])
            figures[row[0]].append((row[10].upper(), (x0, y0, x1, y1)))
    right = panels = 0
    for rows in figures.values():
        labels = [label for label, _ in rows]
        single = all(len(label) == 1 and label.isalpha() for label in labels)
        if len(rows) < 2 or not single or len(set(labels)) < len(labels):
            continue
        order = reading_order([box for _, box in rows])
        right += sum(labels[i] == label for i, label in zip(order, sorted(labels), strict=True))
        panels += len(rows)
    assert panels > 15000
    assert right / panels > 0.93
