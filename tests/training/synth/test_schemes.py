"""Schemes, statistics and other drawn kinds: any size, repeatable, and with ink where their box is."""

from __future__ import annotations

import numpy as np
import pytest

from pmcx.training.synth.content import (
    KINDS,
    diagrams,
    facets,
    graphs,
    molecules,
    omics,
    scenes,
    sequences,
    shapes,
    signals,
    survival,
    tables,
)
from pmcx.training.synth.content.base import Drawing, Kind, Style, blank
from pmcx.training.synth.content.molecules import MOLECULES, skeleton
from pmcx.training.synth.content.omics import joints
from pmcx.training.synth.content.strokes import arrow, wrap, write, write_in

MODULES = (
    diagrams,
    facets,
    graphs,
    molecules,
    omics,
    scenes,
    sequences,
    shapes,
    signals,
    survival,
    tables,
)
OURS: list[Kind] = [kind for module in MODULES for kind in module.KINDS]
SIZES = ((200, 150), (40, 30), (150, 210), (330, 90), (90, 330), (12, 12), (13, 60), (60, 13))
MODALITIES = {"plot", "heatmap", "diagram", "chemstructure", "illustration", "table", "text", "map"}
STYLES = (
    Style(),
    Style(type_px=3.5, spines="box", font=3),
    Style(paper=(0, 0, 0), ink=(240, 240, 240), type_px=14.0, spines="none", line=2),
    Style(palette=((90, 90, 90),), spines="grey", grid=True, font=8),
)

by_kind = pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.name)


def ink(drawing: Drawing, style: Style) -> np.ndarray:
    """Where a drawing differs from its paper."""
    different = np.abs(drawing.pixels.astype(int) - np.array(style.paper)).max(axis=2) > 24
    return np.asarray(different)


def test_all_kinds_are_registered_once() -> None:
    names = [kind.name for kind in OURS]
    assert len(set(names)) == len(names) >= 50
    assert all(KINDS[kind.name] is kind for kind in OURS)


@by_kind
def test_declaration(kind: Kind) -> None:
    assert kind.modality in MODALITIES
    assert kind.weight > 0
    assert 0 < kind.aspect[0] < kind.aspect[1]
    assert not kind.fills


@by_kind
@pytest.mark.parametrize("style", STYLES, ids=("plain", "fine", "dark", "one-colour"))
def test_draws_at_any_size_and_in_any_style(kind: Kind, style: Style) -> None:
    for number, (width, height) in enumerate(SIZES):
        drawing = kind.draw(np.random.default_rng(number), width, height, style)
        assert drawing.pixels.shape == (height, width, 3)
        assert drawing.pixels.dtype == np.uint8
        assert drawing.modality == kind.modality
        assert drawing.phrase and not drawing.fills


@by_kind
def test_same_seed_same_bytes(kind: Kind) -> None:
    first, again, other = (kind.draw(np.random.default_rng(seed), 160, 120, Style()) for seed in (5, 5, 6))
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert first.phrase == again.phrase
    assert first.pixels.tobytes() != other.pixels.tobytes()


@by_kind
def test_the_drawing_uses_its_rectangle(kind: Kind) -> None:
    aspect = (kind.aspect[0] * kind.aspect[1]) ** 0.5
    width, height = round(170 * aspect**0.5), round(170 / aspect**0.5)
    wide, tall = [], []
    for seed in range(12):
        drawn = ink(kind.draw(np.random.default_rng(seed), width, height, Style()), Style())
        assert drawn.any()
        rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
        wide.append((columns[-1] + 1 - columns[0]) / width)
        tall.append((rows[-1] + 1 - rows[0]) / height)
    # A panel's box is the box of its ink, so a drawing must not float in an empty slot.
    assert np.mean(wide) > 0.6
    assert np.mean(tall) > 0.6


@by_kind
def test_a_series_varies_the_data(kind: Kind) -> None:
    sizes = [(140, 105), (140, 105), (100, 80)]
    drawings = kind.series(np.random.default_rng(3), sizes, Style())
    assert [drawing.pixels.shape[1::-1] for drawing in drawings] == sizes
    again = kind.series(np.random.default_rng(3), sizes, Style())
    assert all(a.pixels.tobytes() == b.pixels.tobytes() for a, b in zip(drawings, again, strict=True))


def test_the_panels_of_a_series_differ() -> None:
    alike = [
        kind.name
        for kind in OURS
        if len({d.pixels.tobytes() for d in kind.series(np.random.default_rng(1), [(140, 105)] * 3, Style())})
        < 3
    ]
    assert alike == []


def test_facets_have_inner_gutters() -> None:
    """Facets are one panel although empty columns or rows run right through them."""
    kind = KINDS["facets"]
    through = 0
    for seed in range(40):
        drawn = ink(kind.draw(np.random.default_rng(seed), 220, 160, Style()), Style())
        columns, rows = drawn.any(axis=0)[20:-20], drawn.any(axis=1)[20:-20]
        through += not (columns.all() and rows.all())
    assert through > 10


def test_wrap_keeps_words_whole_where_they_fit() -> None:
    assert wrap("Assessed for eligibility", 12) == ("Assessed for", "eligibility")
    assert wrap("Assessed for eligibility", 8) == ("Assessed", "for", "eligibil")
    assert wrap("abc", 0) == ("abc",)


def test_type_stays_in_its_rectangle() -> None:
    pixels = blank(100, 60, (255, 255, 255))
    write_in(pixels, Style(), "Records identified through the search of databases", 20, 15, 80, 45, (0, 0, 0))
    drawn = (pixels < 200).any(axis=2)
    assert drawn[15:46, 20:82].any()
    drawn[14:47, 19:82] = False
    assert not drawn.any()


def test_type_without_room_is_left_out() -> None:
    pixels = blank(40, 20, (255, 255, 255))
    assert write(pixels, Style(), "Mitochondria", 30, 5, (0, 0, 0)) == 0
    assert (pixels == 255).all()
    assert write(pixels, Style(), "ER", 5, 5, (0, 0, 0)) > 0
    assert (pixels < 255).any()


def test_arrow_ends_at_its_tip() -> None:
    for blunt in (False, True):
        pixels = blank(60, 40, (255, 255, 255))
        arrow(pixels, (10, 20), (45, 20), (0, 0, 0), 1, 8.0, blunt=blunt)
        columns = np.flatnonzero((pixels < 128).any(axis=(0, 2)))
        assert abs(int(columns[0]) - 10) <= 1
        assert abs(int(columns[-1]) - 45) <= 1


def test_joints_form_one_tree() -> None:
    places = np.linspace(0.0, 10.0, 17)
    tree = joints(np.random.default_rng(2), places, 0.6)
    assert len(tree) == 16
    assert tree[-1][4] == 1.0
    assert all(level > max(low, high) for _, low, _, high, level in tree)
    children = sorted(place for a, _, b, _, _ in tree for place in (a, b))
    middles = sorted([*places.tolist(), *((a + b) / 2 for a, _, b, _, _ in tree[:-1])])
    assert np.allclose(children, middles)


def test_molecules_are_connected_and_their_bonds_of_one_length() -> None:
    for number in range(0, MOLECULES, 20):
        points, bonds, labels = skeleton(number)
        seen, front = {0}, [0]
        while front:
            here = front.pop()
            for a, b, _ in bonds:
                for near in {a: [b], b: [a]}.get(here, []):
                    if near not in seen:
                        seen.add(near)
                        front.append(near)
        assert seen == set(range(len(points)))
        lengths = [float(np.hypot(*(points[a] - points[b]))) for a, b, _ in bonds]
        assert 0.85 < np.median(lengths) < 1.15
        assert all(0 <= k < len(points) for k, _ in labels)
