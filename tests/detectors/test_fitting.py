"""Edges moved onto gutters and lines, and the choice of the boxes that fit together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pmcx.core.images import FigureImage
from pmcx.core.records import Box
from pmcx.detectors import fitting
from pmcx.detectors.fitting import MOST, Rules

FAR = Rules(reach=0.035, line=0.015)
"""Boxes here are further off than those of the shipped network, to which the default reaches are tuned."""
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def canvas(width: int, height: int, colour: tuple[int, int, int] = WHITE) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def fill(pixels: np.ndarray, box: Box, low: int = 100, high: int = 115, seed: int = 0) -> None:
    """Faint noise up to the box's very edge."""
    x0, y0, x1, y1 = box
    noise = np.random.default_rng(seed).integers(low, high, (y1 - y0, x1 - x0, 1))
    pixels[y0:y1, x0:x1] = noise


def figure(boxes: list[Box], width: int = 400, height: int = 300, **options: object) -> FigureImage:
    pixels = canvas(width, height, **options)  # type: ignore[arg-type]
    for seed, box in enumerate(boxes):
        fill(pixels, box, seed=seed)
    return FigureImage.from_array(pixels)


def rough(boxes: list[Box], by: int = 6) -> np.ndarray:
    """Boxes as a network gives them: some edges too far out, some too far in."""
    signs = np.array([[1, -1, -1, 1], [-1, 1, 1, -1], [1, 1, 1, 1], [-1, -1, -1, -1]]) * by
    return np.array([np.add(box, signs[i % 4]) for i, box in enumerate(boxes)], np.float64)


def fitted(
    image: FigureImage, boxes: np.ndarray, scores: np.ndarray, least: float = 0.5, rules: Rules = FAR
) -> list[tuple[Box, float]]:
    return fitting.fitted(image, boxes, scores, least, rules)


def snapped(image: FigureImage, boxes: np.ndarray) -> list[Box]:
    return fitting.snapped(image, boxes, FAR)


def fit(image: FigureImage, boxes: np.ndarray | list[Box], scores: list[float], **rules: float) -> list[Box]:
    found = fitted(
        image, np.array(boxes, np.float64).reshape(-1, 4), np.array(scores), 0.5, replace(FAR, **rules)
    )
    return sorted(box for box, _ in found)


GRID: list[Box] = [(20, 20, 190, 140), (210, 20, 380, 140), (20, 160, 190, 280), (210, 160, 380, 280)]


# -- edges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", [WHITE, BLACK, (236, 240, 225), (20, 30, 90)])
def test_edges_move_to_the_ink_beside_the_gutter(colour: tuple[int, int, int]) -> None:
    image = figure(GRID, colour=colour)
    assert snapped(image, rough(GRID)) == GRID
    assert fit(image, rough(GRID), [0.9] * 4) == sorted(GRID)


def test_an_edge_that_cuts_through_ink_moves_out_to_where_it_does_not() -> None:
    image = figure([(100, 100, 300, 200)])
    inside = np.array([[110.0, 107, 290, 193]])
    assert fitting.snapped(image, inside) == [(100, 100, 300, 200)]
    assert fitting.snapped(image, inside, Rules(grow=0.0)) == [(110, 107, 290, 193)]
    # Further in than it may move: something else was meant.
    assert fitting.snapped(image, np.array([[130.0, 120, 270, 180]])) == [(130, 120, 270, 180)]


@pytest.mark.parametrize("gap", [1, 2, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_narrow_gutters(gap: int, axis: int) -> None:
    panels: list[Box] = [(0, 0, 200, 300), (200 + gap, 0, 400, 300)]
    image = figure(panels)
    if axis:
        panels = [(y0, x0, y1, x1) for x0, y0, x1, y1 in panels]
        image = FigureImage.from_array(np.ascontiguousarray(image.pixels.transpose(1, 0, 2)))
    for by in (-7, -3, 0, 4, 8):
        shift = np.array([0, 0, by, 0] if axis == 0 else [0, 0, 0, by])
        back = np.roll(shift, -2)
        boxes = np.array([panels[0] + shift, panels[1] + back], np.float64)
        assert snapped(image, boxes) == panels


def test_the_widest_blank_run_nearby_wins() -> None:
    """A panel's inner line of white beside its gutter is not where it ends."""
    pixels = canvas(400, 200)
    fill(pixels, (20, 20, 190, 180))
    pixels[:, 183:185] = 255
    fill(pixels, (210, 20, 380, 180))
    image = FigureImage.from_array(pixels)
    assert snapped(image, np.array([[20.0, 20, 187, 180]])) == [(20, 20, 190, 180)]


def test_stitched_pictures_part_at_the_line_between_them() -> None:
    """Pictures without a gap or background: dark beside bright."""
    pixels = canvas(400, 300)
    fill(pixels, (0, 0, 203, 300), low=40, high=60)
    fill(pixels, (203, 0, 400, 148), low=150, high=170, seed=1)
    fill(pixels, (203, 148, 400, 300), low=90, high=110, seed=2)
    image = FigureImage.from_array(pixels)
    panels: list[Box] = [(0, 0, 203, 300), (203, 0, 400, 148), (203, 148, 400, 300)]
    boxes = np.array([[0, 0, 200, 300], [206, 0, 400, 146], [200, 151, 400, 300]], np.float64)
    assert snapped(image, boxes) == panels
    assert fit(image, boxes, [0.8, 0.8, 0.8]) == sorted(panels)


@pytest.mark.parametrize("texture", ["soft", "coarse"])
def test_without_a_line_edges_stay(texture: str) -> None:
    """Where the grey changes everywhere, no place is a line."""
    pixels = canvas(400, 300)
    if texture == "soft":
        pixels[:] = (40 + np.arange(400) // 2)[None, :, None]
    else:
        fill(pixels, (0, 0, 400, 300), low=20, high=220)
    image = FigureImage.from_array(pixels)
    assert snapped(image, np.array([[10.0, 20, 200, 250]])) == [(10, 20, 200, 250)]


def test_an_edge_moves_no_further_than_its_reach() -> None:
    image = figure([(100, 100, 300, 200)])
    near, far = np.array([[92.0, 92, 308, 208]]), np.array([[125.0, 125, 275, 175]])
    assert snapped(image, near) == [(100, 100, 300, 200)]
    assert snapped(image, far) == [(125, 125, 275, 175)]


@pytest.mark.parametrize("width", [1200, 2000, 3001])
def test_boxes_are_tight_at_full_size(width: int) -> None:
    height = width * 2 // 3
    box = (width // 7 + 1, height // 9 + 1, width * 3 // 4 + 1, height * 4 // 5 + 1)
    image = figure([box], width, height)
    off = width * 0.015
    (got,) = snapped(image, np.array([np.add(box, [off, -off, -off, off])]))
    assert np.abs(np.subtract(got, box)).max() <= 1
    assert got == box


# -- which boxes ------------------------------------------------------------------------------------


def test_of_a_parent_and_its_children_the_better_explanation_stays() -> None:
    image = figure(GRID)
    parent: Box = (20, 20, 380, 280)
    boxes = [parent, *GRID]
    assert fit(image, boxes, [0.9, 0.8, 0.8, 0.8, 0.8]) == sorted(GRID)
    assert fit(image, boxes, [0.9, 0.55, 0.55, 0.55, 0.2]) == [parent]
    assert fit(image, boxes, [0.95, 0.9, 0.3, 0.3, 0.3]) == [parent]


def test_what_covers_ink_may_be_less_sure() -> None:
    image = figure(GRID)
    assert fit(image, GRID, [0.9, 0.9, 0.9, 0.4]) == sorted(GRID)
    assert fit(image, GRID, [0.9, 0.9, 0.9, 0.4], cover=0.0) == sorted(GRID[:3])
    # A faint box on the white margin covers nothing.
    assert fit(image, [*GRID, (382, 0, 398, 299)], [0.9, 0.9, 0.9, 0.9, 0.45]) == sorted(GRID)


def test_of_overlapping_boxes_one_stays() -> None:
    image = figure([(20, 20, 380, 280)])
    assert fit(image, [(20, 20, 380, 280), (24, 18, 376, 284)], [0.7, 0.9]) == [(20, 20, 380, 280)]
    # Half of a panel beside the whole of it.
    assert fit(image, [(20, 20, 380, 280), (20, 20, 200, 280)], [0.9, 0.6]) == [(20, 20, 380, 280)]


def test_boxes_may_touch_and_overlap_a_little() -> None:
    pixels = canvas(400, 200)
    fill(pixels, (0, 0, 200, 200), low=40, high=60)
    fill(pixels, (200, 0, 400, 200), low=150, high=170)
    image = FigureImage.from_array(pixels)
    found = fit(image, [(0, 0, 205, 200), (195, 0, 400, 200)], [0.9, 0.9])
    assert found == [(0, 0, 200, 200), (200, 0, 400, 200)]


def test_many_groups_are_each_decided_well() -> None:
    """Fifteen pairs, each with a surer box over both halves: the search is not spent on the last of them."""
    halves: list[Box] = []
    wholes: list[Box] = []
    for row in range(3):
        for column in range(5):
            x, y = 10 + column * 80, 10 + row * 100
            halves += [(x, y, x + 30, y + 80), (x + 36, y, x + 66, y + 80)]
            wholes.append((x, y, x + 66, y + 80))
    image = figure(halves, 410, 310)
    assert len(halves) + len(wholes) <= MOST
    scores = [0.7] * len(halves) + [0.8] * len(wholes)
    assert fit(image, [*halves, *wholes], scores) == sorted(halves)


def test_scores_come_back_with_their_boxes_and_faint_boxes_do_not() -> None:
    image = figure(GRID)
    scores = [0.9, 0.7, 0.8, 0.05]
    found = fitted(image, rough(GRID), np.array(scores))
    assert dict(found) == dict(zip(GRID[:3], scores[:3], strict=True))


def test_the_order_of_boxes_does_not_matter() -> None:
    image = figure(GRID)
    boxes = np.array([*rough(GRID), *rough(GRID, by=3), (20, 20, 380, 280)], np.float64)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.85, 0.75, 0.65, 0.55, 0.6])
    expected = sorted(fitted(image, boxes, scores))
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(boxes))
        assert sorted(fitted(image, boxes[order], scores[order])) == expected


# -- odd figures --------------------------------------------------------------------------------------


def test_no_boxes() -> None:
    image = figure(GRID)
    assert fitted(image, np.zeros((0, 4)), np.zeros(0)) == []
    assert snapped(image, np.zeros((0, 4))) == []


def test_a_blank_figure_keeps_its_boxes() -> None:
    image = figure([])
    assert snapped(image, np.array([[10.0, 10, 200, 200]])) == [(10, 10, 200, 200)]
    assert fit(image, [(10, 10, 200, 200)], [0.9]) == [(10, 10, 200, 200)]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (3, 40), (600, 2), (5, 5)])
@pytest.mark.parametrize("shade", [255, 128, 0])
def test_tiny_images(width: int, height: int, shade: int) -> None:
    image = FigureImage.from_array(np.full((height, width, 3), shade, np.uint8))
    boxes = np.array(
        [[0, 0, width, height], [-3.0, -2, width * 2, height * 0.4], [width, height, width, height]]
    )
    for x0, y0, x1, y1 in [*snapped(image, boxes), *fit(image, boxes, [0.9, 0.8, 0.7])]:
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height


def test_boxes_stay_inside_and_are_not_empty() -> None:
    rng = np.random.default_rng(3)
    for seed in range(8):
        width, height = (int(v) for v in rng.integers(30, 900, 2))
        pixels = canvas(width, height)
        corners = rng.random((12, 2, 2)) * (width, height)
        boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1)
        for x0, y0, x1, y1 in boxes[:5].astype(int).tolist():
            fill(pixels, (x0, y0, x1, y1), seed=seed)
        image = FigureImage.from_array(pixels)
        moved = snapped(image, boxes)
        assert len(moved) == len(boxes)
        found = fit(image, boxes, rng.random(12).tolist())
        for x0, y0, x1, y1 in [*moved, *found]:
            assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
