"""How ``pmc-oa`` enumerates: by id, by search, by inventory; against stand-ins of the services."""

from __future__ import annotations

import logging
import random
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from standins.http import Reply, Request
from standins.pmc import BUCKET, PmcBucket, pmc_article
from standins.s3 import S3StandIn

from pmcx import InputError, TransientError, UsageError
from pmcx.core.records import Article, ArticleRef, Drop
from pmcx.sources.pmc.options import PmcOptions
from pmcx.sources.pmc.source import PmcOaSource


def source(s3: S3StandIn, **options: Any) -> PmcOaSource:
    settings = {
        "endpoint": s3.url,
        "cache": "none",
        "max_wait": 0.05,
        "attempts": 4,
        "timeout": 2.0,
        **options,
    }
    return PmcOaSource(settings)


def ids(s3: S3StandIn, **options: Any) -> list[str]:
    return [each.id for each in source(s3, **options).plan() if isinstance(each, ArticleRef)]


# -- by id --------------------------------------------------------------------------------------


def test_one_listing_an_article_and_the_etag_as_fingerprint(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.fill(3, 501)
    refs = list(source(s3, input=["PMC503", "501", "PMC502"]).plan())
    assert [each.id for each in refs] == ["PMC503.1", "PMC501.1", "PMC502.1"]
    for ref in refs:
        assert isinstance(ref, ArticleRef)
        assert ref.locator == ref.id
        with source(s3) as opened:
            assert opened.bucket.get(f"metadata/{ref.id}.json").etag == ref.fingerprint
    listings = [hit for hit in s3.log if "list-type" in hit.query]
    assert len(listings) == 3
    assert all("prefix=metadata%2FPMC50" in hit.query and "." in hit.query for hit in listings)
    assert not s3.forbidden


def test_versions_are_numbers(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1, version=version) for version in (1, 10, 2))
    assert ids(s3, input="PMC8") == ["PMC8.10"]
    assert ids(s3, input="PMC8", versions="all") == ["PMC8.1", "PMC8.2", "PMC8.10"]
    assert ids(s3, input=("PMC8.2", "PMC8.10")) == ["PMC8.2", "PMC8.10"]


def test_an_id_is_not_its_prefix(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(77, 1), pmc_article(777, 1))
    assert ids(s3, input="PMC77") == ["PMC77.1"]
    bucket.remove("PMC77")
    found = list(source(s3, input="PMC77").plan())
    assert [(each.id, type(each)) for each in found] == [("PMC77", Drop)]


def test_what_does_not_exist_is_a_drop(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    found = list(source(s3, input=["PMC7", "PMC8", "PMC8.3"]).plan())
    assert isinstance(found[1], ArticleRef)
    assert [(each.id, each.stage, each.reason) for each in found if isinstance(each, Drop)] == [
        ("PMC7", "plan", "not-found"),
        ("PMC8.3", "plan", "not-found"),
    ]
    assert isinstance(found[2], Drop)
    assert "PMC8.1" in found[2].detail


def test_more_ids_than_one_chunk_in_their_order(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmcx.sources.pmc.source._CHUNK", 16)
    bucket.fill(50, 1001, figures=1)
    numbers = list(range(1001, 1051))
    random.Random(5).shuffle(numbers)
    (tmp_path / "ids.txt").write_text("".join(f"PMC{number}\n" for number in numbers))
    answer = s3.answer

    def slow(request: Request) -> Reply:
        time.sleep(0.03)  # long enough for others to arrive, however busy the machine is
        return answer(request)

    monkeypatch.setattr(s3, "answer", slow)
    assert ids(s3, input=str(tmp_path / "ids.txt")) == [f"PMC{number}.1" for number in numbers]
    assert s3.max_concurrency > 1


def test_a_limit_asks_for_no_more(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.fill(9, 1001, figures=1)
    wanted = ["PMC5", *(f"PMC{number}" for number in range(1001, 1010))]
    assert ids(s3, input=wanted, limit=3) == ["PMC1001.1", "PMC1002.1", "PMC1003.1"]
    assert len(s3.log) <= 6


def test_a_bucket_that_is_not_there(s3: S3StandIn) -> None:
    with pytest.raises(InputError, match="NoSuchBucket"):
        list(source(s3, input="PMC1", bucket="no-such-bucket").plan())


def test_a_service_that_is_down(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    s3.faults.script[f"/{BUCKET}/"] = ["503-slowdown"] * 9
    with pytest.raises(TransientError, match="4 attempts"):
        list(source(s3, input="PMC8").plan())
    s3.faults.script[f"/{BUCKET}/"] = ["503-slowdown", "truncate", "html"]
    assert ids(s3, input="PMC8") == ["PMC8.1"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "which articles to take"),
        ({"input": ["PMC1"], "query": "melanoma"}, "not both"),
        ({"input": ["PMC1"], "since": date(2026, 1, 1)}, "not both"),
        ({"input": ["nothing.txt"]}, "neither a PMCID"),
    ],
)
def test_contradictory_or_empty_requests(s3: S3StandIn, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        list(source(s3, **options).plan())
    assert not s3.log


def test_dates_in_disorder_are_refused() -> None:
    with pytest.raises(ValueError, match="is after until"):
        PmcOptions(since=date(2026, 2, 1), until=date(2026, 1, 1))


# -- fallback -----------------------------------------------------------------------------------


def versions_of(bucket: PmcBucket, *latest: dict[str, Any]) -> None:
    bucket.add(pmc_article(8, 1, version=n, **facts) for n, facts in enumerate(({}, *latest), 1))


def test_the_latest_version_counts_even_if_it_is_not_eligible(s3: S3StandIn, bucket: PmcBucket) -> None:
    versions_of(bucket, {"is_pmc_openaccess": False})
    assert ids(s3, input="PMC8") == ["PMC8.2"]


def test_fallback_takes_the_newest_eligible_version(s3: S3StandIn, bucket: PmcBucket) -> None:
    versions_of(bucket, {}, {"is_pmc_openaccess": False}, {"is_manuscript": True})
    assert ids(s3, input="PMC8", fallback=True) == ["PMC8.2"]
    assert ids(s3, input="PMC8", fallback=True, open_access_only=False) == ["PMC8.3"]


def test_fallback_asks_the_filters_of_the_run(s3: S3StandIn, bucket: PmcBucket) -> None:
    versions_of(bucket, {"license": "CC BY-NC"})
    asking = source(s3, input="PMC8", fallback=True)

    def accept(article: Article) -> Drop | None:
        return (
            None
            if "NC" not in article.license.code
            else Drop(id=article.id, stage="filter", reason="license")
        )

    asking.accept = accept
    assert [each.id for each in asking.plan()] == ["PMC8.1"]


def test_fallback_never_goes_behind_a_retraction(s3: S3StandIn, bucket: PmcBucket) -> None:
    versions_of(bucket, {"is_retracted": True, "is_pmc_openaccess": False})
    assert ids(s3, input="PMC8", fallback=True) == ["PMC8.2"]


def test_fallback_keeps_the_latest_where_none_is_eligible_and_costs_nothing_for_one_version(
    s3: S3StandIn, bucket: PmcBucket
) -> None:
    bucket.add(pmc_article(9, 1, is_pmc_openaccess=False))
    assert ids(s3, input="PMC9", fallback=True) == ["PMC9.1"]
    assert len(s3.log) == 1
    bucket.add(pmc_article(9, 1, version=2, is_manuscript=True))
    assert ids(s3, input="PMC9", fallback=True) == ["PMC9.2"]


# -- by inventory -------------------------------------------------------------------------------


def inventoried(s3: S3StandIn, bucket: PmcBucket, **how: Any) -> list[ArticleRef]:
    bucket.inventory(**how)
    s3.forget()
    return [each for each in source(s3, inventory=True).plan() if isinstance(each, ArticleRef)]


def test_an_inventory_lists_all_with_few_requests(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add([pmc_article(n, 1) for n in (777, 77, 9000, 10001)])
    bucket.add(pmc_article(77, 1, version=version) for version in (2, 10))
    refs = inventoried(s3, bucket)
    assert [ref.id for ref in refs] == ["PMC77.10", "PMC777.1", "PMC9000.1", "PMC10001.1"]
    assert [hit.path.rpartition("/")[2] for hit in s3.log][:2] == ["", "manifest.json"]
    assert len(s3.log) == 4  # one LIST, the manifest, two shards; nothing below hive/
    assert ids(s3, inventory=True, versions="all")[:3] == ["PMC77.1", "PMC77.2", "PMC77.10"]


def test_an_inventory_agrees_with_listings(s3: S3StandIn, bucket: PmcBucket) -> None:
    wanted = bucket.fill(12, 95, figures=1)
    by_listing = list(source(s3, input=wanted).plan())
    assert by_listing == inventoried(s3, bucket)
    s3.forget()
    assert by_listing == list(source(s3, input=wanted, inventory=True).plan())
    assert len(s3.log) == 4


def test_ids_that_an_inventory_does_not_list(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    bucket.inventory()
    found = list(source(s3, input=["PMC7", "PMC8"], inventory=True).plan())
    assert [type(each) for each in found] == [Drop, ArticleRef]


@pytest.mark.parametrize("schema", ["Key, ETag", "Bucket,ETag,Size,Key,LastModifiedDate"])
def test_the_schema_names_the_columns(s3: S3StandIn, bucket: PmcBucket, schema: str) -> None:
    made = bucket.fill(5, 95, figures=1)
    refs = inventoried(s3, bucket, schema=schema)
    assert refs == list(source(s3, input=made).plan())


def test_the_newest_inventory_without_a_manifest_is_passed_over(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    bucket.inventory("2026-09-05")
    bucket.add(pmc_article(9, 1))
    bucket.inventory("2026-09-06")
    bucket.add(pmc_article(10, 1))
    bucket.inventory("2026-09-07", defect="no-manifest")
    assert ids(s3, inventory=True) == ["PMC8.1", "PMC9.1"]
    assert ids(s3, inventory="2026-09-05") == ["PMC8.1"]
    with pytest.raises(UsageError, match=r"no inventory of 2026-09-07 .* 2026-09-05 to 2026-09-07"):
        ids(s3, inventory="2026-09-07")
    with pytest.raises(UsageError, match="no inventory of 2025-01-01"):
        ids(s3, inventory=date(2025, 1, 1))


def test_the_later_inventory_of_a_day_counts(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    bucket.inventory("2026-09-05", time="01-00")
    bucket.add(pmc_article(9, 1))
    bucket.inventory("2026-09-05", time="13-00")
    assert ids(s3, inventory="2026-09-05") == ["PMC8.1", "PMC9.1"]


def test_no_inventory_at_all(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    with pytest.raises(UsageError, match="inventories of no day"):
        ids(s3, inventory=True)


def test_a_shard_without_its_checksum_is_transient(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.fill(4, 95, figures=1)
    bucket.inventory(defect="md5-mismatch")
    with pytest.raises(TransientError, match=r"promised \(the same bytes 4 times\)"):
        ids(s3, inventory=True)


def test_a_shard_that_was_written_in_part_is_broken(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.fill(40, 95, figures=1)
    bucket.inventory(defect="truncated-gz")
    with pytest.raises(InputError, match="broken inventory shard"):
        ids(s3, inventory=True)


def test_changes_show_in_the_fingerprint_and_absences_in_the_list(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.fill(5, 101, figures=1)
    before = {ref.id: ref.fingerprint for ref in inventoried(s3, bucket, date="2026-09-01")}
    bucket.change("PMC102")
    bucket.retract("PMC103")
    bucket.remove("PMC104")
    bucket.add(pmc_article(106, 1))
    after = {ref.id: ref.fingerprint for ref in inventoried(s3, bucket, date="2026-09-02")}
    assert set(before) - set(after) == {"PMC104.1"}
    assert set(after) - set(before) == {"PMC106.1"}
    assert {each for each in before.keys() & after.keys() if before[each] != after[each]} == {
        "PMC102.1",
        "PMC103.1",
    }


def test_a_second_enumeration_with_a_cache_reads_no_shard_again(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path
) -> None:
    bucket.fill(5, 101, figures=1)
    bucket.inventory()
    first = ids(s3, inventory=True, cache=str(tmp_path))
    s3.forget()
    assert ids(s3, inventory=True, cache=str(tmp_path)) == first
    assert [hit.path.rpartition("/")[2] for hit in s3.log] == ["", "manifest.json"]


def test_the_log_tells_which_inventory_was_used(
    s3: S3StandIn, bucket: PmcBucket, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.fill(3, 101, figures=1)
    bucket.inventory("2026-09-05")
    with caplog.at_level(logging.INFO, "pmcx"):
        ids(s3, inventory=True)
    assert "2026-09-05T01-00Z/: 3 article versions in 2 shards" in caplog.text
