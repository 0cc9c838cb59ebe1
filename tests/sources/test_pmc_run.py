"""Whole runs from ``pmc-oa``: what is written, what an extension does, what a retry finishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standins.content import PMC_TRAPS, pmc_trap
from standins.faults import Faults
from standins.pmc import PmcBucket, pmc_article
from standins.s3 import S3StandIn

import pmcx
from pmcx.core.engine import Engine
from pmcx.core.identity import identity
from pmcx.sources.pmc.options import PmcOptions
from pmcx.sources.pmc.source import PmcOaSource
from pmcx.testing import SourceSuite

LEFT_OUT = {"damaged-xml", "wrong-md5"}


def run(s3: S3StandIn, out: Path, extend: bool = False, **options: Any) -> pmcx.RunResult:
    given = {
        "endpoint": s3.url, "cache": str(out.parent / "cache"), "max_wait": 0.05, "attempts": 6,
        "timeout": 2.0, **options,
    }  # fmt: skip
    return pmcx.run("pmc-oa", out, source_options=given, extend=extend, workers=1, unit_articles=8)


def figures_of(out: Path) -> dict[str, dict[str, str]]:
    """Article -> figure -> the image file it was cut from, over the pairs that are not withdrawn."""
    found: dict[str, dict[str, str]] = {}
    for view in pmcx.open(out).pairs():
        pair = view.record
        found.setdefault(pair.article, {})[pair.figure.partition("/")[2]] = pair.image.name
    return found


def test_a_run_over_everything_yields_the_truth(s3: S3StandIn, bucket: PmcBucket, tmp_path: Path) -> None:
    bucket.fill(6, figures=2)
    for trap in sorted(set(PMC_TRAPS) - LEFT_OUT):
        bucket.add(pmc_trap(trap))
    bucket.inventory()
    result = run(s3, tmp_path / "out", inventory=True)
    taken = {
        article: {figure: file for figure, file in figures.items() if file}
        for article, figures in bucket.truth.items()
    }
    assert figures_of(tmp_path / "out") == {article: figures for article, figures in taken.items() if figures}
    assert result.books.lost_articles == 0
    lost = sum(not file for figures in bucket.truth.values() for file in figures.values())
    recorded = result.books.lost + result.books.counts["dropped.unsafe-name"]
    assert recorded == lost
    assert pmcx.verify(tmp_path / "out").ok
    assert not s3.visits


def test_an_extension_does_what_changed_and_then_asks_for_the_inventory_only(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path
) -> None:
    made = bucket.fill(12, 101, figures=1)
    bucket.inventory("2026-09-01")
    run(s3, tmp_path / "out", inventory=True)
    bucket.add(pmc_article(n, 1) for n in (301, 302, 303))
    bucket.change(made[0])
    bucket.change(made[1])
    bucket.retract(made[2])
    bucket.remove(made[3])
    bucket.add(pmc_article(106, 1, version=2))
    bucket.inventory("2026-09-02")
    run(s3, tmp_path / "out", extend=True, inventory=True)
    gone = {each.article: each.why for each in pmcx.open(tmp_path / "out").withdrawn()}
    assert gone == {
        "PMC101.1": "changed", "PMC102.1": "changed", "PMC103.1": "retracted", "PMC104.1": "vanished",
        "PMC106.1": "older-version",
    }  # fmt: skip
    assert set(figures_of(tmp_path / "out")) == {
        "PMC101.1.r1", "PMC102.1.r1", "PMC105.1", "PMC106.2", *(f"PMC{n}.1" for n in range(107, 113)),
        "PMC301.1", "PMC302.1", "PMC303.1",
    }  # fmt: skip
    s3.forget()
    run(s3, tmp_path / "out", extend=True, inventory=True)
    assert all("list-type" in hit.query or hit.path.endswith("manifest.json") for hit in s3.log)
    assert len(s3.log) == 2


def test_what_a_limit_or_a_shorter_list_leaves_out_has_not_vanished(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path
) -> None:
    made = bucket.fill(4, 201, figures=1)
    bucket.inventory("2026-09-01")
    limited, listed = tmp_path / "limited", tmp_path / "listed"
    run(s3, limited, inventory=True, limit=4)
    run(s3, listed, input=made)
    bucket.fill(2, 101, figures=1)
    bucket.remove(made[3])
    bucket.inventory("2026-09-02")
    run(s3, limited, extend=True, inventory=True, limit=4)
    assert not list(pmcx.open(limited).withdrawn())
    run(s3, listed, extend=True, input=made[2:])
    assert [(each.article, each.why) for each in pmcx.open(listed).withdrawn()] == [("PMC204.1", "vanished")]


def test_what_fails_for_a_while_is_finished_by_a_retry(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path
) -> None:
    made = bucket.fill(6, 101, figures=2)
    (image,) = [name for name in bucket.articles["PMC104.1"].media if name.endswith("g002.jpg")]
    broken = {"metadata/PMC102.1.json", "PMC103.1/PMC103.1.xml", f"PMC104.1/{image}"}
    s3.faults = Faults(rate=0.2, seed=3, kinds=("429", "503-slowdown", "reset", "truncate"), forever=broken)
    result = run(s3, tmp_path / "out", input=made)
    assert (result.books.lost_articles, result.exit_code) == (2, 1)
    assert {failure.kind for failure in result.books.failures} == {"transient"}
    s3.faults = Faults(rate=0.0)
    assert Engine.resume(tmp_path / "out").retry(frozenset({"transient"})).exit_code == 0
    assert figures_of(tmp_path / "out") == bucket.truth
    assert pmcx.verify(tmp_path / "out").ok


def test_how_articles_are_chosen_and_reached_is_no_part_of_what_a_run_is() -> None:
    circumstantial = PmcOaSource.circumstantial
    shaping = set(PmcOptions.model_fields) - circumstantial
    assert shaping == {"open_access_only", "manuscripts", "ocr", "max_media", "prefer"}
    assert PmcOaSource.selecting <= circumstantial
    registry = pmcx.Registry.discover()

    def made(**options: Any) -> Any:
        return identity(pmcx.load_config(flags={"source": {"name": "pmc-oa", **options}}), registry)

    plain = made(input=["PMC1"])
    assert made(inventory=True, endpoint="http://127.0.0.1:1", api_key="secret", limit=3) == plain
    assert made(input=["PMC1"], prefer="lossless") != plain
    assert "secret" not in str(made(api_key="secret"))


@pytest.fixture(scope="module")
def service() -> Iterator[None]:
    with S3StandIn() as standin:
        bucket = PmcBucket(standin)
        bucket.fill(3, 101)
        bucket.add(pmc_trap("tdm"), pmc_trap("missing-file"), pmc_trap("hostile-names"))
        bucket.inventory()
        TestPmcOa.endpoint = standin.url
        yield


@pytest.mark.usefixtures("service")
class TestPmcOa(SourceSuite):
    endpoint = ""

    @staticmethod
    def make() -> PmcOaSource:
        return PmcOaSource({"endpoint": TestPmcOa.endpoint, "cache": "none", "inventory": True})
