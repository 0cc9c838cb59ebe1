"""The drawn pictures: sizes, determinism, what fills its rectangle, what a series has in common."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from pmcx.training.synth.content import gels, micro, pictures, scans, tissue
from pmcx.training.synth.content.base import Drawn, Style, is_dark
from pmcx.training.synth.content.marks import LEAST, annotate
from pmcx.training.synth.content.textures import SIDE, bank, curve, field, ramp, tinted

KINDS = {kind.name: kind for module in (gels, micro, pictures, scans, tissue) for kind in module.KINDS}
SIZES = ((12, 12), (12, 90), (90, 12), (41, 30), (200, 150), (150, 310), (700, 90))
STYLES = (Style(), Style(paper=(0, 0, 0), ink=(235, 235, 235), type_px=11.0, font=3))

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


@every_kind
@pytest.mark.parametrize("style", STYLES, ids=("white", "black"))
def test_a_picture_has_the_size_asked_for(kind: Drawn, style: Style) -> None:
    for seed, (width, height) in enumerate(SIZES * 3):
        drawing = kind.draw(np.random.default_rng(seed), width, height, style)
        assert drawing.pixels.shape == (height, width, 3)
        assert drawing.pixels.dtype == np.uint8
        assert drawing.pixels.flags.c_contiguous and drawing.pixels.flags.writeable
        assert drawing.modality == kind.modality and drawing.fills == kind.fills
        assert drawing.phrase[0].isupper() and len(drawing.phrase) > 8


@every_kind
def test_the_same_generator_gives_the_same_bytes_whatever_was_drawn_before(kind: Drawn) -> None:
    first = kind.draw(np.random.default_rng(5), 131, 97, Style())
    for other in KINDS.values():
        other.draw(np.random.default_rng(6), 40, 60, Style())
    again = kind.draw(np.random.default_rng(5), 131, 97, Style())
    assert first.phrase == again.phrase
    assert first.pixels.tobytes() == again.pixels.tobytes()
    others = [kind.draw(np.random.default_rng(seed), 131, 97, Style()).pixels for seed in range(6, 12)]
    assert all((a != b).any() for a, b in pairwise([first.pixels, *others]))


@every_kind
def test_pictures_that_fill_are_ink_to_their_edges_and_others_leave_paper(kind: Drawn) -> None:
    style = Style(paper=(255, 0, 255))  # a colour that no picture has
    bare = []
    for seed in range(12):
        pixels = kind.draw(np.random.default_rng(seed), 160, 120, style).pixels
        paper = (pixels == style.paper).all(axis=2)
        rim = np.concatenate([paper[0], paper[-1], paper[:, 0], paper[:, -1]])
        bare.append(rim.mean())
        assert paper.mean() < 0.9, "an empty panel"
        ink = np.flatnonzero(~paper.all(axis=0)), np.flatnonzero(~paper.all(axis=1))
        assert np.ptp(ink[0]) > 40 and np.ptp(ink[1]) > 40
    assert max(bare) < 0.02 if kind.fills else max(bare) > 0.05


@every_kind
def test_a_series_is_alike_without_being_the_same(kind: Drawn) -> None:
    """Panels of a series resemble each other more than panels drawn apart, in their mean colours."""

    def spread(means: list[np.ndarray]) -> float:
        return float(np.std(np.stack(means), axis=0).mean())

    within, between, twins = [], [], 0
    for seed in range(12):
        shown = [d.pixels for d in kind.series(np.random.default_rng(seed), [(120, 90)] * 4, Style())]
        assert [p.shape for p in shown] == [(90, 120, 3)] * 4
        twins += sum(bool((a == b).all()) for a, b in pairwise(shown))
        within.append(spread([p.mean(axis=(0, 1)) for p in shown]))
        apart = [kind.draw(np.random.default_rng([seed, n]), 120, 90, Style()).pixels for n in range(4)]
        between.append(spread([p.mean(axis=(0, 1)) for p in apart]))
    assert np.mean(within) < np.mean(between)
    assert twins <= 12, "a third of the neighbours in series are the same picture"


def test_a_series_takes_panels_of_unlike_sizes() -> None:
    for kind in KINDS.values():
        sizes = [(80, 60), (33, 140), (12, 12)]
        drawings = kind.series(np.random.default_rng(1), sizes, Style())
        assert [d.pixels.shape for d in drawings] == [(h, w, 3) for w, h in sizes]


def test_dark_and_light_pictures_are_both_common() -> None:
    corners = [
        kind.draw(np.random.default_rng(seed), 90, 70, Style()).pixels[2, 2]
        for kind in KINDS.values()
        if kind.fills
        for seed in range(6)
    ]
    dark = np.mean([is_dark((int(r), int(g), int(b))) for r, g, b in corners])
    assert 0.3 < dark < 0.8


def test_fields_are_fixed_and_of_full_range() -> None:
    for name, values in bank().items():
        assert values.shape == (SIDE, SIDE) and values.dtype == np.uint8
        assert not values.flags.writeable
        assert np.ptp(values) > 200, name
    code = (
        "import hashlib; from pmcx.training.synth.content.textures import bank;"
        "print(hashlib.sha256(b''.join(v.tobytes() for v in bank().values())).hexdigest())"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in "ab"
    }
    assert len(runs) == 1


def test_a_field_part_keeps_its_grain_whatever_its_size() -> None:
    def roughness(zoom: float, width: int, height: int) -> float:
        rng = np.random.default_rng(0)
        parts = [field(rng, "medium", width, height, zoom).astype(float) for _ in range(20)]
        return float(np.mean([np.abs(np.diff(part, axis=1)).mean() for part in parts]))

    assert roughness(1.0, 200, 150) > 1.6 * roughness(2.0, 200, 150)
    assert roughness(1.0, 60, 40) == pytest.approx(roughness(1.0, 300, 200), rel=0.15)
    assert field(np.random.default_rng(0), "cloud", 900, 20).shape == (20, 900)


def test_ramps_and_curves_pass_through_their_ends() -> None:
    grey = np.array([[0, 128, 255]], np.uint8)
    table = ramp((10, 20, 30), (100, 0, 0), (250, 240, 230))
    assert tinted(grey, table)[0, [0, 2]].tolist() == [[10, 20, 30], [250, 240, 230]]
    assert abs(int(tinted(grey, table)[0, 1, 0]) - 100) <= 1
    assert curve(grey, 0, 255)[0].tolist() == [0, 128, 255]
    assert curve(grey, 255, 0)[0].tolist() == [255, 127, 0]
    assert curve(grey, 128, 129)[0].tolist() == [0, 0, 255]


def test_marks_contrast_with_the_picture_and_leave_small_ones_alone() -> None:
    marked = 0
    for level, plain in ((20, 255), (235, 0)):
        for seed in range(40):
            pixels = np.full((100, 140, 3), level, np.uint8)
            annotate(np.random.default_rng(seed), np.random.default_rng(seed), pixels, Style())
            changed = pixels[(pixels != level).any(axis=2)].astype(int)
            marked += bool(len(changed))
            # Bars and words are plain; arrows, signs and frames may be in a bright colour.
            assert not len(changed) or np.abs(changed - level).max() > 120
            assert not (pixels == 255 - plain).all(axis=2).any()
            small = np.full((LEAST - 1, 200, 3), level, np.uint8)
            annotate(np.random.default_rng(seed), np.random.default_rng(seed), small, Style())
            assert (small == level).all()
    assert 30 <= marked <= 75


def test_stacked_strips_lie_between_their_names_and_masses() -> None:
    """The names of proteins stand on paper beside the strips, so strips never touch both sides."""
    blots = KINDS["blots"]
    beside = 0
    for seed in range(30):
        pixels = blots.draw(
            np.random.default_rng(seed), 220, 160, Style(paper=(255, 0, 255), ink=(0, 0, 0))
        ).pixels
        paper = (pixels == (255, 0, 255)).all(axis=2)
        beside += bool(paper[:, :6].mean() > 0.5 or paper[:, -6:].mean() > 0.5)
    assert beside >= 20
