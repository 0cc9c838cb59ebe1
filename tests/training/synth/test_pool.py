"""Pools of real pictures: what is read, what is left alone, and what panels are made of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pmcx.core.errors import UsageError
from pmcx.training.synth.content.base import Style
from pmcx.training.synth.content.pool import SIDE, WHOLE, read_pool

HEAD = "file\tclass\tlicence\ttrain_ok\n"


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Two histology pictures, a fluorescence one, a drawing on white, and one that must not be used."""
    rng = np.random.default_rng(0)
    tissue = rng.integers(60, 200, (300, 400, 3), np.uint8)
    Image.fromarray(tissue).save(tmp_path / "a.png")
    Image.fromarray(np.rot90(tissue)).save(tmp_path / "b.jpg")
    cells = np.zeros((64, 64), np.uint8)
    cells[20:40, 20:44] = 40  # weak: it must be stretched
    Image.fromarray(cells).save(tmp_path / "c.tif")
    drawing = np.full((200, 400, 3), 255, np.uint8)
    drawing[90:110, 100:300] = 0
    Image.fromarray(drawing).save(tmp_path / "d.png")
    Image.fromarray(np.full((50, 50, 3), 255, np.uint8)).save(tmp_path / "secret.png")
    rows = (
        ("a.png", "histology", "CC0", "yes"),
        ("b.jpg", "histology", "CC BY", "yes"),
        ("c.tif", "fluorescence", "CC0", "yes"),
        ("d.png", "chemstructure", "CC0", "yes"),
        ("secret.png", "ct", "unknown", "no"),
    )
    (tmp_path / "MANIFEST.tsv").write_text(HEAD + "".join("\t".join(row) + "\n" for row in rows))
    return tmp_path


def test_one_kind_for_each_class_that_may_be_used(pool: Path) -> None:
    kinds = {kind.modality: kind for kind in read_pool(pool)}
    assert sorted(kinds) == ["chemstructure", "fluorescence", "histology"]
    assert kinds["histology"].fills and not kinds["chemstructure"].fills
    assert len({kind.name for kind in kinds.values()}) == 3
    assert all(kind.weight > 0 for kind in kinds.values())


def test_without_a_train_ok_column_every_row_may_be_used(pool: Path) -> None:
    (pool / "MANIFEST.tsv").write_text("file\tclass\nsecret.png\tct\n")
    assert [kind.modality for kind in read_pool(pool)] == ["ct"]


def test_panels_have_the_size_asked_for_and_are_the_same_for_the_same_generator(pool: Path) -> None:
    for kind in read_pool(pool):
        for seed, (width, height) in enumerate(((12, 12), (12, 200), (450, 20), (200, 150), (700, 500))):
            first = kind.draw(np.random.default_rng(seed), width, height, Style())
            again = kind.draw(np.random.default_rng(seed), width, height, Style())
            assert first.pixels.shape == (height, width, 3) and first.pixels.dtype == np.uint8
            assert first.pixels.tobytes() == again.pixels.tobytes()
            assert first.pixels.flags.writeable


def test_a_series_shows_different_panels_of_the_sizes_asked_for(pool: Path) -> None:
    histology = next(kind for kind in read_pool(pool) if kind.modality == "histology")
    sizes = [(100, 80), (60, 80), (100, 40), (100, 40)]
    same = 0
    for seed in range(20):
        shown = histology.series(np.random.default_rng(seed), sizes, Style())
        assert [d.pixels.shape[1::-1] for d in shown] == sizes
        same += bool((shown[2].pixels == shown[3].pixels).all())
    assert same <= 2


def test_the_pictures_of_a_pool_are_never_written_to(pool: Path) -> None:
    for kind in read_pool(pool):
        before = kind.draw(np.random.default_rng(3), 120, 90, Style()).pixels.copy()
        for seed in range(30):
            kind.series(np.random.default_rng(seed), [(90, 90)] * 3, Style())[0].pixels[:] = 0
        assert (kind.draw(np.random.default_rng(3), 120, 90, Style()).pixels == before).all()


def test_drawings_are_cut_to_their_ink_and_shown_whole_on_the_paper(pool: Path) -> None:
    drawing = next(kind for kind in read_pool(pool) if kind.modality == "chemstructure")
    paper = (240, 245, 250)
    pixels = drawing.draw(np.random.default_rng(0), 100, 60, Style(paper=paper)).pixels
    ink = (pixels != paper).any(axis=2)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    # The ink is 200 x 20; it fills the width of 100, and keeps its shape.
    assert (columns[0], columns[-1]) == (0, 99)
    assert len(rows) == 10 and abs(rows[0] - 25) <= 1


def test_weak_fluorescence_is_stretched_on_a_black_ground(pool: Path) -> None:
    cells = next(kind for kind in read_pool(pool) if kind.modality == "fluorescence")
    panels = [cells.draw(np.random.default_rng(seed), 64, 64, Style()).pixels for seed in range(20)]
    assert np.median([panel.max() for panel in panels]) > 180
    assert np.median([np.median(panel) for panel in panels]) < 40


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (None, "cannot read MANIFEST.tsv"),
        ("name\tkind\na.png\tct\n", "must name the columns file and class"),
        (HEAD + "gone.png\tct\tCC0\tyes\n", "line 2: cannot read gone.png"),
        (HEAD + "MANIFEST.tsv\tct\tCC0\tyes\n", "line 2: cannot read MANIFEST.tsv"),
        (HEAD + "a.png\tct\tCC0\tno\n", "no row may be used"),
        (HEAD, "no row may be used"),
    ],
)
def test_a_folder_that_is_no_pool_is_told(pool: Path, manifest: str | None, told: str) -> None:
    (pool / "MANIFEST.tsv").unlink()
    if manifest is not None:
        (pool / "MANIFEST.tsv").write_text(manifest)
    with pytest.raises(UsageError, match=told):
        read_pool(pool)


def test_pictures_are_held_small(pool: Path) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (900, 2000, 3), np.uint8)).save(pool / "a.png")
    held = next(kind for kind in read_pool(pool) if kind.modality == "histology").pictures
    assert max(max(picture.shape[:2]) for picture in held) <= SIDE


@pytest.mark.real_data
def test_the_shared_pictures_make_a_pool(shared_data: Path) -> None:
    kinds = read_pool(shared_data / "modality")
    assert {"histology", "ct", "mri", "ultrasound", "fluorescence"} <= {kind.modality for kind in kinds}
    assert not {"plot", "em", "oct"} & {kind.modality for kind in kinds}, "rows with train_ok = no"
    for kind in kinds:
        assert kind.fills is (kind.modality not in WHOLE)
        panels = [kind.draw(np.random.default_rng(n), 90, 70, Style()).pixels for n in range(8)]
        assert all((a != b).any() for a, b in pairwise(panels))
        assert np.median([panel.std() for panel in panels]) > 8
