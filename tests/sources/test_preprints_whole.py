"""What ``biorxiv`` and ``medrxiv`` say of an enumeration that may lack something, and what failures cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from preprint_bench import KEY, SECRET, Bench, article_id, names, use_credentials
from standins.biorxiv_api import BiorxivStandIn
from standins.faults import Faults
from standins.meca import MecaBucket
from standins.s3 import S3StandIn

from pmcx.core.errors import TransientError
from pmcx.core.records import Failure
from pmcx.core.stages import Document

DOI = "10.1101/2026.01.14.700001"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    use_credentials(monkeypatch, tmp_path)
    with S3StandIn(secrets={KEY: SECRET}) as s3, BiorxivStandIn() as api:
        yield Bench(s3, api, tmp_path / "cache")


@pytest.fixture
def bucket(bench: Bench) -> MecaBucket:
    return MecaBucket(bench.s3)


# -- what an enumeration may lack ---------------------------------------------------------------


def doubts(bench: Bench, **options: Any) -> tuple[list[tuple[str, str]], str]:
    """What is planned, and why something may be missing from it."""
    with bench.source(**options) as source:
        return names(list(source.plan())), source.incomplete


def test_a_plan_says_whether_it_is_whole(bench: Bench, bucket: MecaBucket, tmp_path: Path) -> None:
    bucket.fill(3)
    for archive in bucket.archives:
        bench.api.add(archive.doi)
    days = {"since": "2026-01-01", "until": "2026-01-31"}
    index = tmp_path / "index.csv"
    index.write_text(f"doi,version,key\n{bucket.archives[0].doi},1,{bucket.archives[0].key}\n")
    assert doubts(bench, months="2026-01")[1] == doubts(bench, **days)[1] == ""
    assert doubts(bench, months=["2026-01", "2026-02"])[1] == "no archives in Current_Content/February_2026/"
    assert doubts(bench, input=[bucket.archives[0].doi])[1] == "preprints named one by one"
    assert doubts(bench, index=str(index))[1] == "preprints named one by one"
    planned, why = doubts(bench, months="2026-01", budget_gb=2e-4)
    assert "over-budget" in dict(planned).values() and why == "budget_gb"
    bench.api.rows.clear()
    assert doubts(bench, **days) == ([], "the API of biorxiv: no rows at all")


def test_archives_that_cannot_be_read_leave_doubt(bench: Bench, bucket: MecaBucket, tmp_path: Path) -> None:
    bucket.fill(3)
    lost = bucket.archives[0]
    for archive in bucket.archives:
        bench.api.add(archive.doi)
    index = tmp_path / "index.csv"
    index.write_text(f"doi,version,key\n{lost.doi},1,{lost.key}\n")
    bench.s3.faults = Faults(rate=0.0, forever={lost.key})
    assert "1 archives of Current_Content/January_2026/" in doubts(bench, months="2026-01")[1]
    for options in ({"since": "2026-01-01", "until": "2026-01-31"}, {"index": str(index)}):
        planned, why = doubts(bench, **options)
        assert (article_id(lost), "search-incomplete") in planned and "could not be read" in why


def test_a_month_without_archives_decides_nothing(bench: Bench) -> None:
    bench.s3.requester_pays("biorxiv-src-monthly")
    bench.api.add(DOI)
    planned, why = doubts(bench, since="2026-01-14", until="2026-01-14")
    assert planned == [("10.1101_2026.01.14.700001v1", "search-incomplete")] and "no archives" in why


def test_without_a_date_nothing_is_searched(bench: Bench, bucket: MecaBucket) -> None:
    bucket.add(DOI, 2)
    bench.api.add(DOI, 2, without=("date", "jatsxml"))
    planned, why = doubts(bench, input=[DOI])
    assert planned == [("10.1101_2026.01.14.700001v2", "search-incomplete")] and "without a folder" in why


# -- what failures cost -------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [["wrong-bytes"], ["truncate"], ["wrong-bytes", "truncate", "reset"]])
def test_failed_attempts_are_paid_for(bench: Bench, bucket: MecaBucket, kinds: list[str]) -> None:
    bucket.fill(6)
    refs = bench.refs(months="2026-01")

    def fetch(**options: Any) -> tuple[int, int, list[str]]:
        """Bytes that were sent, bytes that were counted, and what was refused."""
        refused = []
        bench.s3.forget()
        with bench.source(cache="none", attempts=12, **options) as source:
            for document in source.fetch(refs):
                if isinstance(document, Failure):
                    refused.append(document.error)
                    continue
                assert isinstance(document, Document)
                for figure in document.figures:
                    try:
                        document.read(figure)
                    except TransientError as error:
                        refused.append(str(error))
            return sum(hit.bytes for hit in bench.s3.log), source.catalog.meter.spent, refused

    clean, counted, refused = fetch()
    assert clean == counted and not refused
    bench.s3.faults = Faults(rate=0.2, seed=2, kinds=kinds)
    sent, counted, refused = fetch()
    assert clean <= sent == counted and not refused and bench.s3.faults.injected
    assert sent > clean or kinds == ["truncate"], "what broke off is gone on with"
    budget = sent - 50_000
    bench.s3.faults = Faults(rate=0.2, seed=2, kinds=kinds)
    sent, counted, refused = fetch(budget_gb=budget / 1e9)
    assert 0.3 * budget < sent <= counted <= budget
    assert refused and all("budget_gb" in each for each in refused)
