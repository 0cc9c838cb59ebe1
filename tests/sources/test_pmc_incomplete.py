"""What ``pmc-oa`` says of its own enumeration: nothing is passed off as all there is, or taken for gone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from standins.eutils import EutilsStandIn
from standins.pmc import PmcBucket, pmc_article
from standins.s3 import S3StandIn

from pmcx import InputError
from pmcx.core.config import Filters
from pmcx.core.filters import metadata_drop
from pmcx.core.records import Article, ArticleRef, Drop
from pmcx.sources.pmc.source import PmcOaSource


@pytest.fixture
def eutils() -> Iterator[EutilsStandIn]:
    with EutilsStandIn(per_second=1000, with_key=1000) as standin:
        yield standin


def source(s3: S3StandIn, **options: Any) -> PmcOaSource:
    settings = {
        "endpoint": s3.url, "cache": "none", "max_wait": 0.05, "attempts": 3, "timeout": 2.0,
        "contact": "me@example.org", **options,
    }  # fmt: skip
    return PmcOaSource(settings)


def planned(asking: PmcOaSource) -> list[str]:
    return [each.id for each in asking.plan() if isinstance(each, ArticleRef)]


def reasons(asking: PmcOaSource) -> dict[str, str]:
    return {each.id: each.reason for each in asking.plan() if isinstance(each, Drop)}


# -- limits, lists, searches --------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "told"), [(2, "limit=2"), (3, "limit=3"), (4, ""), (5, ""), (None, "")])
def test_a_limit_that_cut_something_is_told(
    s3: S3StandIn, bucket: PmcBucket, limit: int | None, told: str
) -> None:
    bucket.fill(4, 101, figures=1)
    bucket.inventory()
    asking = source(s3, inventory=True, limit=limit)
    assert len(planned(asking)) == min(4, limit or 4)
    assert asking.incomplete == told


def test_a_limit_within_the_versions_of_an_article(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1, version=n) for n in (1, 2, 3))
    bucket.inventory()
    asking = source(s3, inventory=True, versions="all", limit=2)
    assert (planned(asking), asking.incomplete) == (["PMC8.1", "PMC8.2"], "limit=2")


def test_a_limit_does_not_hide_that_a_version_is_superseded(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1), pmc_article(8, 1, version=2), pmc_article(9, 1))
    bucket.inventory()
    assert reasons(source(s3, inventory=True, limit=1)) == {"PMC8.1": "older-version"}


def test_articles_named_one_by_one_are_not_all_there_are(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.fill(2, 101, figures=1)
    bucket.inventory()
    asking = source(s3, input=["PMC101"])
    assert planned(asking) == ["PMC101.1"]
    assert "one by one" in asking.incomplete
    both = source(s3, input=["PMC101", "PMC102"], limit=1)
    planned(both)
    assert "one by one" in both.incomplete
    assert "limit=1" in both.incomplete


def test_a_search_answered_whole_is_complete(s3: S3StandIn, bucket: PmcBucket, eutils: EutilsStandIn) -> None:
    for pmcid in bucket.fill(3, 101, figures=1):
        eutils.add(pmcid)
    asking = source(s3, eutils=eutils.url, query="demonstration")
    assert len(planned(asking)) == 3
    assert asking.incomplete == ""


def test_a_search_answered_in_part_is_not(
    s3: S3StandIn, bucket: PmcBucket, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the articles has a date that no range of dates holds."""
    monkeypatch.setattr("pmcx.sources.pmc.source._RATE", 1000.0)
    for number in range(10_001):
        eutils.add(f"PMC{1000 + number}", f"2026-01-{1 + number % 28:02d}")
    eutils.add("PMC7", "1970-01-01")
    bucket.add(pmc_article(7, 1), pmc_article(1000, 1))
    bucket.inventory()
    asking = source(s3, eutils=eutils.url, query="demonstration", inventory=True)
    assert planned(asking) == ["PMC1000.1"]
    assert "finds 10002 articles, but only 10001" in asking.incomplete


def test_a_plan_begins_anew(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.fill(4, 101, figures=1)
    bucket.inventory()
    asking = source(s3, inventory=True, limit=2)
    for _ in range(2):
        planned(asking)
        assert asking.incomplete == "limit=2"


# -- inventories --------------------------------------------------------------------------------


def test_an_inventory_in_place_of_a_newer_one_is_told(
    s3: S3StandIn, bucket: PmcBucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.add(pmc_article(8, 1))
    bucket.inventory("2026-09-06")
    bucket.add(pmc_article(9, 1))
    manifest = bucket.inventory("2026-09-07")
    asking = source(s3, inventory=True)
    assert (planned(asking), asking.incomplete) == (["PMC8.1", "PMC9.1"], "")
    s3.delete(bucket.bucket, manifest)
    assert planned(asking) == ["PMC8.1"]
    told = "the inventory 2026-09-06T01-00Z is not the newest (2026-09-07T01-00Z)"
    assert asking.incomplete == told
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert any(told in message for message in warnings)


def test_what_an_old_inventory_does_not_list_is_not_said_to_be_gone(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    bucket.inventory("2026-09-06")
    bucket.add(pmc_article(9, 1), pmc_article(8, 1, version=2))
    manifest = bucket.inventory("2026-09-07")
    wanted = ["PMC7", "PMC8.2", "PMC9"]
    assert reasons(source(s3, input=wanted, inventory=True)) == {"PMC7": "not-found"}
    s3.delete(bucket.bucket, manifest)
    for inventory in (True, "2026-09-06"):
        found = reasons(source(s3, input=wanted, inventory=inventory))
        assert found == dict.fromkeys(wanted, "not-in-inventory")


def test_an_inventory_of_another_bucket_is_not_used(
    s3: S3StandIn, bucket: PmcBucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.add(pmc_article(8, 1))
    bucket.inventory("2026-09-06", defect="foreign")
    asking = source(s3, inventory=True)
    with pytest.raises(InputError, match="of the bucket 'elsewhere', not of 'pmc-oa-opendata'"):
        planned(asking)
    bucket.inventory("2026-09-05")
    caplog.clear()
    assert planned(asking) == ["PMC8.1"]
    assert "of the bucket 'elsewhere'" in caplog.text
    assert "2026-09-05T01-00Z is not the newest" in asking.incomplete


def test_a_manifest_that_is_none_is_passed_over(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    key = bucket.inventory("2026-09-06")
    s3.put(bucket.bucket, key, b'{"files": 5}', "2026-09-06T03:00:00Z")
    with pytest.raises(InputError, match="not an inventory manifest"):
        planned(source(s3, inventory="2026-09-06"))
    bucket.inventory("2026-09-05")
    asking = source(s3, inventory=True)
    assert planned(asking) == ["PMC8.1"]
    assert asking.incomplete


def test_rows_of_another_bucket_are_left_out(
    s3: S3StandIn, bucket: PmcBucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.fill(4, 101, figures=1)
    bucket.inventory(defect="foreign-rows")
    assert planned(source(s3, inventory=True)) == [f"PMC{n}.1" for n in range(101, 105)]
    assert "1 rows are of another bucket" in caplog.text
    # Without such a column there is nothing to tell by.
    bucket.inventory("2026-09-08", schema="Key, ETag", defect="foreign-rows")
    assert planned(source(s3, inventory=True))[-1] == "PMC9101.1"


@pytest.mark.parametrize("defect", ["long-row", "many-rows"])
def test_a_shard_that_unpacks_to_too_much_is_refused(s3: S3StandIn, bucket: PmcBucket, defect: str) -> None:
    bucket.fill(4, 101, figures=1)
    bucket.inventory(defect=defect)
    with pytest.raises(InputError, match="no inventory shard"):
        planned(source(s3, inventory=True))


def test_rows_across_the_blocks_that_are_unpacked(
    s3: S3StandIn, bucket: PmcBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bucket.fill(12, 101, figures=1)
    bucket.inventory()
    monkeypatch.setattr("pmcx.sources.pmc.inventory._BLOCK", 37)
    monkeypatch.setattr("pmcx.sources.pmc.inventory._EXPANSION", 1000)
    assert planned(source(s3, inventory=True)) == [f"{pmcid}.1" for pmcid in made]


# -- retractions --------------------------------------------------------------------------------


def dropping_retracted(s3: S3StandIn, **options: Any) -> PmcOaSource:
    asking = source(s3, **options)
    asking.accept = lambda article: metadata_drop(article, Filters())
    return asking


def test_with_all_versions_a_retraction_takes_the_older_ones_along(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1), pmc_article(8, 1, version=2), pmc_article(9, 1))
    bucket.retract("PMC8")
    bucket.inventory()
    for how in ({"input": ["PMC8", "PMC9"]}, {"inventory": True}):
        asking = dropping_retracted(s3, versions="all", **how)
        assert planned(asking) == ["PMC8.2", "PMC9.1"]
        assert reasons(asking) == {"PMC8.1": "older-version"}
    named = dropping_retracted(s3, input=["PMC8.1", "PMC9.1"])
    (drop,) = (each for each in named.plan() if isinstance(each, Drop))
    assert (drop.id, drop.detail) == ("PMC8.1", "PMC8.2 is newer, and retracted")
    assert planned(named) == ["PMC9.1"]


def test_retracted_articles_that_a_run_keeps_keep_their_versions(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1), pmc_article(8, 1, version=2, license="CC BY-NC"))
    bucket.retract("PMC8")
    asking = source(s3, input=["PMC8"], versions="all")
    assert planned(asking) == ["PMC8.1", "PMC8.2"]

    def licence_only(article: Article) -> Drop | None:
        return metadata_drop(msgspec.structs.replace(article, retracted=False), Filters(license="commercial"))

    asking.accept = licence_only
    assert planned(asking) == ["PMC8.1", "PMC8.2"]


def test_a_newer_version_with_broken_metadata_retracts_nothing(
    s3: S3StandIn, bucket: PmcBucket, caplog: pytest.LogCaptureFixture
) -> None:
    broken = pmc_article(8, 1, version=2)
    broken.metadata["version"] = None
    bucket.add(pmc_article(8, 1), broken)
    assert planned(dropping_retracted(s3, input=["PMC8"], versions="all")) == ["PMC8.1", "PMC8.2"]
    assert "whether it is retracted is not known" in caplog.text
