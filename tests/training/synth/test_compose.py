"""What the truth of a composed figure promises: boxes, letters, order, size, caption."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from pmcx.core.layout import area, contains, reading_order
from pmcx.core.records import Box
from pmcx.training.conventions import cells
from pmcx.training.synth.captions import compose_caption
from pmcx.training.synth.compose import compose
from pmcx.training.synth.content import KINDS
from pmcx.training.synth.content.base import Drawing, Rng, Style, blank
from pmcx.training.synth.degrade import degrade, reduce
from pmcx.training.synth.grammar import random_layout
from pmcx.training.synth.layouts import Layout, Slot
from pmcx.training.synth.page import SMALLEST, ink_box
from pmcx.training.synth.sample import Sample

FIGURES = 250


@pytest.fixture(scope="module")
def compounds() -> list[Sample]:
    """Compound figures as composed, before any degradation."""
    made = []
    for index in range(FIGURES):
        rng = np.random.default_rng([11, index])
        made.append(compose(rng, list(KINDS.values()), random_layout(rng, 0.3), 448, index))
    return made


@pytest.fixture(scope="module")
def singles() -> list[Sample]:
    return [compose(np.random.default_rng([5, n]), list(KINDS.values()), None, 448, n) for n in range(120)]


def meet(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def inside(inner: Box, outer: Box) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def test_pages_are_as_large_as_asked(compounds: list[Sample], singles: list[Sample]) -> None:
    for sample in compounds + singles:
        assert max(sample.pixels.shape[:2]) == 448
        assert sample.pixels.dtype == np.uint8
        assert sample.pixels.shape[2] == 3


def test_tight_boxes_do_not_overlap_and_are_large_enough(compounds: list[Sample]) -> None:
    for sample in compounds:
        height, width = sample.pixels.shape[:2]
        for n, panel in enumerate(sample.panels):
            assert inside(panel.tight, (0, 0, width, height)), sample.index
            assert min(panel.tight[2] - panel.tight[0], panel.tight[3] - panel.tight[1]) >= SMALLEST
            assert not any(meet(panel.tight, other.tight) for other in sample.panels[:n]), sample.index


def test_cells_hold_their_panels_and_follow_the_convention(compounds: list[Sample]) -> None:
    tiled = 0
    for sample in compounds:
        height, width = sample.pixels.shape[:2]
        assert [p.cell for p in sample.panels] == cells([p.tight for p in sample.panels], width, height)
        assert all(inside(p.tight, p.cell) for p in sample.panels), sample.index
        tiled += sum(area(p.cell) for p in sample.panels) == width * height
    assert tiled > 0.9 * len(compounds)


def test_letters_run_from_the_first_and_lie_in_their_panels(compounds: list[Sample]) -> None:
    families = {"A": "upper", "a": "lower", "1": "digit", "i": "roman"}
    seen = set()
    for sample in compounds:
        labels = [panel.label for panel in sample.panels]
        if not any(labels):
            assert all(panel.letter is None for panel in sample.panels)
            seen.add("none")
            continue
        family = families[labels[0]]
        seen.add(family)
        expected = {
            "upper": [chr(65 + n) for n in range(26)],
            "lower": [chr(97 + n) for n in range(26)],
            "digit": [str(n + 1) for n in range(60)],
            "roman": ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"],
        }[family]
        assert labels[: len(expected)] == expected[: len(labels)]
        for panel in sample.panels:
            assert panel.letter is not None
            assert inside(panel.letter, panel.tight), sample.index
            assert panel.letter[3] - panel.letter[1] >= 3
    assert seen >= {"none", "upper", "lower"}


def test_letters_can_be_seen(compounds: list[Sample]) -> None:
    """Where the truth has a letter there is contrast, on paper as well as on pictures."""
    letters = [(s, p.letter) for s in compounds for p in s.panels if p.letter is not None]
    faint = 0
    for sample, (x0, y0, x1, y1) in letters:
        spot = sample.pixels[y0:y1, x0:x1].astype(int).mean(axis=2)
        faint += spot.max() - spot.min() < 60
    assert len(letters) > 300
    assert faint / len(letters) < 0.01


def test_panels_come_in_reading_order(compounds: list[Sample]) -> None:
    kept = [reading_order([p.tight for p in s.panels]) == list(range(len(s.panels))) for s in compounds]
    # A few figures run down their columns first, on purpose.
    assert 0.85 < np.mean(kept) < 1.0


def test_all_ink_lies_in_panels_or_small_furniture(compounds: list[Sample]) -> None:
    """What no panel accounts for is at most headers, lines and arrows."""
    stray = []
    for sample in compounds:
        paper = np.median(sample.pixels[[0, -1]].reshape(-1, 3), axis=0)
        left = np.abs(sample.pixels.astype(int) - paper).max(axis=2) > 24
        for panel in sample.panels:
            x0, y0, x1, y1 = panel.tight
            left[y0:y1, x0:x1] = False
        stray.append(left.mean())
    assert np.median(stray) == 0.0
    assert np.quantile(stray, 0.95) < 0.05


def test_singles_are_one_panel_and_rarely_lettered(singles: list[Sample]) -> None:
    assert all(len(sample.panels) == 1 and not sample.compound for sample in singles)
    assert sum(bool(sample.panels[0].label) for sample in singles) < 8
    assert len({sample.panels[0].modality for sample in singles}) >= 2
    shares = [area(s.panels[0].tight) / (s.pixels.shape[0] * s.pixels.shape[1]) for s in singles]
    assert np.median(shares) > 0.7


def test_captions_tell_every_letter_with_its_words(compounds: list[Sample]) -> None:
    for sample in compounds:
        labels = [panel.label for panel in sample.panels if panel.label]
        assert [label for label, _ in sample.parts] == labels
        assert all(text.rstrip(".") in sample.caption for _, text in sample.parts)
        assert sample.caption


def test_equal_phrases_may_share_a_part() -> None:
    seen = set()
    for seed in range(200):
        caption, parts = compose_caption(np.random.default_rng(seed), "ABC", ["bars", "bars", "a map"])
        assert [label for label, _ in parts] == ["A", "B", "C"]
        assert [text for _, text in parts] == ["Bars.", "Bars.", "A map."]
        seen.add(bool(re.search(r"A(, | and )B", caption)))
    assert seen == {True, False}


class Block:
    """A kind that fills its rectangle with one colour, or draws a small square on paper."""

    modality, weight, aspect = "photo", 1.0, (0.1, 10.0)

    def __init__(self, fills: bool) -> None:
        self.fills = fills
        self.name = "block"

    def draw(self, rng: Rng, width: int, height: int, style: Style) -> Drawing:
        pixels = blank(width, height, (90, 120, 60) if self.fills else style.paper)
        if not self.fills:
            pixels[height // 4 : -(height // 4), width // 4 : -(width // 4)] = (200, 30, 30)
        return Drawing(pixels, self.modality, self.fills, "a block")

    def series(self, rng: Rng, sizes: Sequence[tuple[int, int]], style: Style) -> list[Drawing]:
        return [self.draw(rng, *size, style) for size in sizes]


def test_stitched_pictures_keep_their_common_edge() -> None:
    layout = Layout(2.0, (Slot((0.0, 0.0, 0.5, 1.0)), Slot((0.5, 0.0, 1.0, 1.0))))
    touching = 0
    for seed in range(60):
        sample = compose(np.random.default_rng(seed), [Block(True)], layout, 448)
        left, right = (panel.tight for panel in sample.panels)
        touching += left[2] == right[0] == left[0] + (right[2] - left[0]) // 2
    assert touching > 20


def test_tight_is_the_ink_and_not_the_slot() -> None:
    layout = Layout(1.0, (Slot((0.0, 0.0, 1.0, 0.5)), Slot((0.0, 0.5, 1.0, 1.0))))
    trimmed = 0
    for seed in range(40):
        sample = compose(np.random.default_rng(seed), [Block(False)], layout, 448)
        for panel in sample.panels:
            x0, y0, x1, y1 = panel.tight
            reds = np.argwhere((sample.pixels[y0:y1, x0:x1] == (200, 30, 30)).all(axis=2))
            trimmed += bool(len(reds)) and x1 - x0 < 400 and reds.min() == 0
    assert trimmed > 40


def test_ink_box_is_half_open_and_none_on_paper() -> None:
    page = blank(20, 10, (255, 255, 255))
    assert ink_box(page, (255, 255, 255)) is None
    page[3:5, 7:12] = 0
    assert ink_box(page, (255, 255, 255)) == (7, 3, 12, 5)
    page[0, 0] = 250  # within the noise of a compressed image
    assert ink_box(page, (255, 255, 255)) == (7, 3, 12, 5)


def test_degradation_keeps_size_and_content_and_can_be_switched_off(compounds: list[Sample]) -> None:
    changed = 0
    for seed, sample in enumerate(compounds[:80]):
        before = sample.pixels.copy()
        after = degrade(np.random.default_rng(seed), sample.pixels)
        assert after.shape == before.shape
        assert after.dtype == np.uint8
        assert np.array_equal(sample.pixels, before)  # the input is left alone
        assert np.corrcoef(before.mean(axis=2).ravel(), after.mean(axis=2).ravel())[0, 1] > 0.7
        changed += not np.array_equal(after, before)
        assert degrade(np.random.default_rng(seed), sample.pixels, 0.0) is sample.pixels
    assert changed > 40


def test_letter_centres_are_in_their_cells(compounds: list[Sample]) -> None:
    for sample in compounds:
        for panel in sample.panels:
            if panel.letter is not None:
                x0, y0, x1, y1 = panel.letter
                assert contains(panel.cell, ((x0 + x1) / 2, (y0 + y1) / 2))


def test_reduced_figures_keep_their_truth(compounds: list[Sample]) -> None:
    for sample in compounds[:60]:
        small = reduce(sample, 320)
        height, width = small.pixels.shape[:2]
        assert max(height, width) == 320
        assert [p.cell for p in small.panels] == cells([p.tight for p in small.panels], width, height)
        for before, after in zip(sample.panels, small.panels, strict=True):
            assert np.abs(np.array(after.tight) - np.array(before.tight) * 320 / 448).max() <= 1.01
            assert (before.letter is None) == (after.letter is None)
            assert after.letter is None or inside(after.letter, after.tight)
        for n, panel in enumerate(small.panels):
            assert not any(meet(panel.tight, other.tight) for other in small.panels[:n])
