"""The main job on real article packages: every figure accounted for, every row sound."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import pmcx
from pmcx.core.rundir import RunFolder

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


def test_every_figure_of_the_real_packages_is_paired_or_accounted_for(
    shared_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = pmcx.run(
        "folder",
        out,
        source_options={"input": [str(shared_data / "articles")]},
        export=["webdataset", "parquet"],
        workers=2,
    )
    books = result.books
    assert (books.planned, books.done, books.balanced) == (20, 20, True)
    report = pmcx.verify(out)
    assert report.problems == []

    folder = RunFolder(out)
    losses = list(folder.losses())
    drops = [loss for loss in losses if isinstance(loss, pmcx.Drop)]
    paired = {view.record.figure for view in pmcx.open(out)}
    # The two figures of bjmbr name files that their package does not hold; all other images are there.
    assert {failure.id for failure in books.failures} == {
        "10.1590_1414-431X2021e11439/f01",
        "10.1590_1414-431X2021e11439/f02",
    }
    assert all("no image file" in failure.error for failure in books.failures)
    left_out = {drop.id for drop in drops if drop.reason == "third-party"}
    assert len(left_out) == 3
    assert len(paired) + len(left_out) + len(books.failures) == books.counts["figures"] == 100
    assert Counter(drop.reason for drop in drops)["duplicate-article"] == 3

    for view in pmcx.open(out):
        pair = view.record
        assert pair.license.code in ("CC BY", "CC0") or pair.article.startswith("elife-32671")
        assert pair.attribution
        assert pair.image.format in ("jpeg", "png", "tiff")


def test_the_meca_archive_gives_its_figure(shared_data: Path, tmp_path: Path) -> None:
    archive = shared_data / "interfaces" / "meca" / "95901-v1-meca.zip"
    result = pmcx.run("folder", tmp_path / "out", source_options={"input": [str(archive)]}, workers=1)
    assert result.exit_code == 0
    assert result.books.counts["figures"] == 1
    view = next(iter(pmcx.open(tmp_path / "out")))
    assert view.record.license.code == "CC BY"
    assert view.record.image.format == "tiff"
