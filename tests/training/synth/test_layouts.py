"""Page layouts: the statistics of the grammar, the layout file and its traps, variations."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pmcx.core.errors import InputError, UsageError
from pmcx.training.synth.grammar import place, random_layout, random_tree
from pmcx.training.synth.layouts import CORNERS, Layout, Rect, Slot, read_layouts, vary

DRAWS = 3000


def layouts(crowd: float = 0.0, draws: int = DRAWS) -> list[Layout]:
    rng = np.random.default_rng(7)
    return [random_layout(rng, crowd) for _ in range(draws)]


def overlaps(boxes: list[Rect]) -> list[tuple[Rect, Rect]]:
    return [
        (a, b)
        for n, a in enumerate(boxes)
        for b in boxes[:n]
        if min(a[2], b[2]) - max(a[0], b[0]) > 1e-9 and min(a[3], b[3]) - max(a[1], b[1]) > 1e-9
    ]


def neighbour_gaps(layout: Layout, axis: int) -> list[float]:
    """Gap from each slot to the next one behind it in its row (axis 0) or column (1)."""
    gaps = []
    for a in layout.slots:
        behind = [
            b.box[axis] - a.box[axis + 2]
            for b in layout.slots
            if b.box[axis] >= a.box[axis + 2] - 1e-9
            and min(a.box[3 - axis], b.box[3 - axis]) > max(a.box[1 - axis], b.box[1 - axis]) + 1e-9
        ]
        if behind:
            gaps.append(min(behind))
    return gaps


@pytest.fixture(scope="module")
def drawn() -> list[Layout]:
    return layouts()


def test_grammar_has_the_published_panel_counts(drawn: list[Layout]) -> None:
    counts = np.array([len(layout.slots) for layout in drawn])
    # Section 4 of the layout study: percent of all figures, of which 60.6 are compounds.
    published = {2: 22.5, 3: 11.3, 4: 11.0, 5: 3.6, 6: 5.6}
    for number, percent in published.items():
        assert (counts == number).mean() == pytest.approx(percent / 60.6, abs=0.03), number
    assert ((counts >= 9) & (counts <= 16)).mean() == pytest.approx(3.0 / 60.6, abs=0.02)
    assert 0 < (counts > 16).mean() < 0.02
    assert counts.max() <= 49


def test_grammar_has_the_published_gaps(drawn: list[Layout]) -> None:
    for axis, published in ((0, (0.0, 0.002, 0.008, 0.020, 0.070)), (1, (0.0, 0.003, 0.010, 0.023, 0.068))):
        gaps = [gap for layout in drawn for gap in neighbour_gaps(layout, axis)]
        found = np.quantile(gaps, (0.05, 0.25, 0.50, 0.75, 0.95))
        assert found == pytest.approx(np.array(published), abs=0.012)
        assert 0.12 < np.mean(np.array(gaps) < 0.0005) < 0.30  # stitched


def test_grammar_has_the_published_shapes(drawn: list[Layout]) -> None:
    pages = np.log([layout.aspect for layout in drawn])
    for share, published in ((0.05, 0.56), (0.5, 1.29), (0.95, 2.83)):
        assert np.quantile(pages, share) == pytest.approx(math.log(published), abs=0.2), share
    panels = [
        layout.aspect * (s.box[2] - s.box[0]) / (s.box[3] - s.box[1])
        for layout in drawn
        for s in layout.slots
    ]
    for share, published in ((0.25, 0.99), (0.5, 1.27), (0.75, 1.54)):
        assert np.quantile(panels, share) == pytest.approx(published, rel=0.22), share


def test_letters_stand_where_they_stand_in_reality(drawn: list[Layout]) -> None:
    lettered = [layout for layout in drawn if layout.slots[0].corner]
    assert 1 - len(lettered) / len(drawn) == pytest.approx(0.151, abs=0.025)
    corners = [layout.slots[0].corner for layout in lettered]
    for corner, share in (("tl", 0.66), ("bl", 0.173), ("bc", 0.063), ("br", 0.052)):
        assert corners.count(corner) / len(corners) == pytest.approx(share, abs=0.03), corner
    heights = np.quantile([layout.letter for layout in drawn], (0.05, 0.5, 0.95))
    assert heights == pytest.approx(np.array([0.016, 0.033, 0.078]), rel=0.15)


def test_slots_lie_apart_and_inside(drawn: list[Layout]) -> None:
    for layout in drawn[:800]:
        boxes = [slot.box for slot in layout.slots]
        assert not overlaps(boxes)
        assert all(0 <= b[0] < b[2] <= 1 + 1e-9 and 0 <= b[1] < b[3] <= 1 + 1e-9 for b in boxes)


def test_cut_trees_tile_their_area_without_gaps() -> None:
    rng = np.random.default_rng(3)
    for count in range(2, 20):
        tree = random_tree(rng, count)
        boxes: list[Rect] = []
        place(tree, (0.0, 0.0, 1.0, 1.0), 0.0, 0.0, boxes)
        assert len(boxes) == tree.count == count
        assert sum((b[2] - b[0]) * (b[3] - b[1]) for b in boxes) == pytest.approx(1.0)
        assert not overlaps(boxes)


def test_crowd_prefers_many_panels(drawn: list[Layout]) -> None:
    crowded = layouts(crowd=0.5, draws=1000)
    assert np.mean([len(x.slots) for x in crowded]) > np.mean([len(x.slots) for x in drawn]) + 0.25


def row(path: str, box: tuple[int, int, int, int], letter: str = "") -> str:
    return f"{path},{','.join(map(str, box))},panel,{letter or ',,,,'}\n"


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "layouts.csv"
        path.write_text(text)
        return path

    return write


def test_file_gives_shares_of_the_extent_and_letter_places(table: Callable[[str], Path]) -> None:
    bank = read_layouts(
        table(
            row("a", (10, 20, 110, 70), "12,22,20,32,A")
            + row("a", (110, 20, 210, 70), "150,55,160,65,B")
            + row("one", (0, 0, 50, 50))
        )
    )
    (layout,) = bank.layouts  # the single figure has no layout
    assert layout.aspect == pytest.approx(4.0)
    assert [slot.box for slot in layout.slots] == [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)]
    assert [slot.corner for slot in layout.slots] == ["tl", "bc"]
    assert layout.letter == pytest.approx(0.12)  # 0.2, limited


def test_file_drops_nested_panels_and_cuts_small_overlaps(table: Callable[[str], Path]) -> None:
    nested = row("n", (0, 0, 100, 100)) + row("n", (10, 10, 60, 60))
    over = row("o", (0, 0, 104, 100)) + row("o", (100, 0, 200, 100))
    (layout,) = read_layouts(table(nested + over)).layouts
    assert layout.slots[0].box[2] == layout.slots[1].box[0] == pytest.approx(102 / 200)


@pytest.mark.parametrize("text", ["a,1,2,3\n", "a,x,0,5,5,panel,,,,,\n", "a,5,0,5,9,panel,,,,,\n", "\n"])
def test_broken_file_is_an_input_error_with_its_line(table: Callable[[str], Path], text: str) -> None:
    with pytest.raises(InputError, match="line 3"):
        read_layouts(table(row("a", (0, 0, 5, 5)) + row("a", (5, 0, 9, 5)) + text))


def test_missing_or_empty_file_is_told(table: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no layout file"):
        read_layouts(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="no figure with two"):
        read_layouts(table(row("a", (0, 0, 5, 5))))


def test_variations_stay_apart_aligned_and_different() -> None:
    rng = np.random.default_rng(0)
    grid = Layout(
        1.3,
        tuple(
            Slot((c / 3, r / 2, (c + 1) / 3 - 0.01, (r + 1) / 2 - 0.01), "tl")
            for r in range(2)
            for c in range(3)
        ),
    )
    seen, counts = set(), set()
    for _ in range(300):
        varied = vary(grid, rng)
        boxes = [slot.box for slot in varied.slots]
        assert not overlaps(boxes)
        assert all(0 <= b[0] < b[2] <= 1 and 0 <= b[1] < b[3] <= 1 for b in boxes)
        counts.add(len(boxes))
        seen.add(tuple(boxes))
        if len(boxes) == 6:  # three columns, two rows, as before
            assert len({round(b[0], 9) for b in boxes}) == 3
            assert len({round(b[1], 9) for b in boxes}) == 2
    assert len(seen) > 290
    assert counts >= {5, 6, 7, 8}


@pytest.mark.real_data
def test_real_layouts_keep_their_statistics(shared_data: Path) -> None:
    bank = read_layouts(shared_data / "layouts" / "zou_train.csv")
    assert len(bank.layouts) > 5700  # of 5,843 compounds, without the nested
    rng = np.random.default_rng(1)
    varied = [vary(bank.sample(rng), rng) for _ in range(1500)]
    assert all(not overlaps([slot.box for slot in layout.slots]) for layout in varied)
    for axis, median in ((0, 0.008), (1, 0.010)):
        gaps = [gap for layout in varied for gap in neighbour_gaps(layout, axis)]
        assert np.median(gaps) == pytest.approx(median, abs=0.005)
    corners = [slot.corner for layout in bank.layouts for slot in layout.slots if slot.corner]
    assert set(corners) <= set(CORNERS)
    assert corners.count("tl") / len(corners) == pytest.approx(0.66, abs=0.02)
    unlettered = np.mean([not layout.slots[0].corner for layout in bank.layouts])
    assert unlettered == pytest.approx(0.151, abs=0.02)
