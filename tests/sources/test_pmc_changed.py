"""What ``pmc-oa`` makes of an article that changes while it is fetched: one state of it, never none."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from standins.pmc import BUCKET, PmcBucket, pmc_article
from standins.s3 import S3StandIn

from pmcx import TransientError
from pmcx.core.config import Filters
from pmcx.core.filters import metadata_drop
from pmcx.core.records import ArticleRef, Drop
from pmcx.core.stages import Document, Survey
from pmcx.sources.pmc.source import PmcOaSource


def source(s3: S3StandIn, **options: Any) -> PmcOaSource:
    settings = {
        "endpoint": s3.url, "cache": "none", "max_wait": 0.05, "attempts": 3, "timeout": 2.0, **options,
    }  # fmt: skip
    made = PmcOaSource(settings)
    made.accept = lambda article: metadata_drop(article, Filters())
    return made


def refs_of(opened: PmcOaSource) -> list[ArticleRef]:
    return [each for each in opened.plan() if isinstance(each, ArticleRef)]


def shown(document: Document) -> dict[str, bytes]:
    """Figure id without the article -> the bytes of its image."""
    document.prepare(document.figures)
    return {figure.id.partition("/")[2]: document.read(figure) for figure in document.figures}


def keys(s3: S3StandIn) -> list[str]:
    """The objects asked for since the books were opened, listings left out."""
    return [hit.path.removeprefix(f"/{BUCKET}/") for hit in s3.log if "list-type" not in hit.query]


def image_url(name: str, file: str) -> str:
    return f"/{BUCKET}/{name}/{file}"


@pytest.mark.parametrize("surveyed", [False, True])
def test_an_article_that_changes_between_its_metadata_and_its_text_is_taken_as_it_is_now(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path, caplog: pytest.LogCaptureFixture, surveyed: bool
) -> None:
    bucket.add(pmc_article(8, 2))
    with source(s3, input="PMC8", cache=str(tmp_path)) as opened:
        refs = refs_of(opened)
        if surveyed:  # the metadata as planned are in the cache
            assert isinstance(opened.survey(refs)[0], Survey)
        s3.faults.script[image_url("PMC8.1", "PMC8.1.xml")] = [lambda: bucket.change("PMC8")]
        with caplog.at_level(logging.INFO, "pmcx"):
            (answer,) = opened.fetch(refs)
        assert isinstance(answer, Document), answer
        assert answer.article.title.endswith("(corrected 1)")
        assert set(shown(answer)) == {"F1", "F2"}
        assert "PMC8.1: changed while it was fetched" in caplog.text


def test_an_article_that_is_retracted_while_it_is_fetched(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    s3.faults.script[image_url("PMC8.1", "PMC8.1.xml")] = [lambda: bucket.retract("PMC8")]
    with source(s3, input="PMC8") as opened:
        (answer,) = opened.fetch(refs_of(opened))
    assert isinstance(answer, Drop)
    assert answer.reason == "retracted"


def test_an_image_that_changes_between_the_metadata_and_its_download(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path
) -> None:
    article = pmc_article(8, 2)
    bucket.add(article)
    file = article.figures["F1"]

    def change() -> None:
        article.media[file] += b"more"
        bucket.add(article.state())

    s3.faults.script[image_url("PMC8.1", file)] = [change]
    with source(s3, input="PMC8", cache=str(tmp_path)) as opened:
        (found,) = opened.fetch(refs_of(opened))
        assert isinstance(found, Document)
        assert shown(found) == {"F1": article.media[file], "F2": bucket.image("PMC8.1", "F2")}


def test_images_of_another_text_than_the_one_read_wait_for_a_retry(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path
) -> None:
    article = pmc_article(8, 2)
    bucket.add(article)
    file = article.figures["F1"]

    def change() -> None:
        article.media[file] += b"more"
        article.xml = article.xml.replace(b"</article-title>", b" (corrected)</article-title>", 1)
        bucket.add(article.state())

    s3.faults.script[image_url("PMC8.1", file)] = [change]
    with source(s3, input="PMC8", cache=str(tmp_path)) as opened:
        (ref,) = refs_of(opened)
        (found,) = opened.fetch([ref])
        assert isinstance(found, Document)
        with pytest.raises(TransientError, match=r"PMC8\.1 changed while it was fetched"):
            found.read(found.figures[0])
        assert found.read(found.figures[1]) == bucket.image("PMC8.1", "F2")
        retry = msgspec.structs.replace(ref, attempt=1, only=(found.figures[0].id,))
        s3.forget()
        (again,) = opened.fetch([retry])
        assert isinstance(again, Document)
        assert shown(again) == {"F1": article.media[file]}
        # The metadata of the plan are in the cache, and not believed any more: nothing came amiss.
        assert len([key for key in keys(s3) if key.endswith(".xml")]) == 1


def test_a_retry_without_the_network_uses_the_cache(s3: S3StandIn, bucket: PmcBucket, tmp_path: Path) -> None:
    bucket.add(pmc_article(8, 1))
    with source(s3, input="PMC8", cache=str(tmp_path)) as opened:
        (ref,) = refs_of(opened)
        (found,) = opened.fetch([ref])
        assert isinstance(found, Document)
        shown(found)
    s3.forget()
    with source(s3, input="PMC8", cache=str(tmp_path), offline=True) as opened:
        (again,) = opened.fetch([msgspec.structs.replace(ref, attempt=1)])
        assert isinstance(again, Document), again
        assert set(shown(again)) == {"F1"}
    assert not s3.log
