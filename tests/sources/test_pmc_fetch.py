"""What ``pmc-oa`` makes of an article version: metadata first, then the text, then only the images needed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standins.content import PMC_TRAPS, pmc_trap
from standins.faults import Faults
from standins.pmc import BUCKET, PmcBucket, pmc_article
from standins.s3 import S3StandIn

from pmcx import InputError, TransientError
from pmcx.core.config import Filters
from pmcx.core.decode import decode
from pmcx.core.filters import metadata_drop
from pmcx.core.net.client import Client
from pmcx.core.net.options import NetOptions
from pmcx.core.net.s3 import Bucket
from pmcx.core.records import ArticleRef, Drop, Failure
from pmcx.core.stages import Document, Survey
from pmcx.sources.pmc.metadata import Metadata, file_of, license_of, media_of, parse_metadata
from pmcx.sources.pmc.source import PmcOaSource


def source(s3: S3StandIn, **options: Any) -> PmcOaSource:
    settings = {
        "endpoint": s3.url,
        "cache": "none",
        "max_wait": 0.05,
        "attempts": 3,
        "timeout": 2.0,
        **options,
    }
    made = PmcOaSource(settings)
    made.accept = lambda article: metadata_drop(article, Filters())
    return made


def refs_of(opened: PmcOaSource) -> list[ArticleRef]:
    return [each for each in opened.plan() if isinstance(each, ArticleRef)]


def fetched(s3: S3StandIn, *pmcids: str, **options: Any) -> list[Document | Failure | Drop]:
    """The answers for the newest versions, with the stage still open for reading until the test ends."""
    opened = source(s3, input=pmcids, **options)
    opened.open()
    OPEN.append(opened)
    return list(opened.fetch(refs_of(opened)))


OPEN: list[PmcOaSource] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def document(s3: S3StandIn, pmcid: str, **options: Any) -> Document:
    (answer,) = fetched(s3, pmcid, **options)
    assert isinstance(answer, Document), answer
    return answer


def shown(document: Document) -> dict[str, bytes]:
    """Figure id without the article -> the bytes of its image; figures whose image is no image are absent."""
    document.prepare(document.figures)
    found = {}
    for figure in document.figures:
        try:
            data = document.read(figure)
            decode(data)
        except InputError:
            continue
        found[figure.id.partition("/")[2]] = data
    return found


def keys(s3: S3StandIn) -> list[str]:
    """The objects asked for since the books were opened, listings left out."""
    return [hit.path.removeprefix(f"/{BUCKET}/") for hit in s3.log if "list-type" not in hit.query]


# -- the traps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("trap", sorted(set(PMC_TRAPS) - {"wrong-md5"}))
def test_traps(s3: S3StandIn, bucket: PmcBucket, trap: str) -> None:
    """Every oddity gives what the content says it must: the right bytes for the right figure, or nothing."""
    bucket.add(pmc_trap(trap))
    pmcids = sorted({article.pmcid for article in bucket.articles.values()})
    truth = bucket.truth
    opened = source(s3, input=pmcids)
    with opened:
        refs = refs_of(opened)
        s3.forget()
        answers = dict(zip(refs, opened.fetch(refs), strict=True))
        for ref, answer in answers.items():
            article = bucket.articles[ref.id]
            if article.left_out == "damaged-xml":
                assert isinstance(answer, Failure)
                assert answer.kind == "input"
            elif article.left_out == "article-type":
                assert isinstance(answer, Document)
                assert answer.article.article_type == "correction"
            elif article.left_out:
                assert isinstance(answer, Drop), answer
                assert answer.reason == article.left_out
            else:
                assert isinstance(answer, Document), answer
                wanted = {
                    figure: bucket.image(ref.id, figure) for figure, file in truth[ref.id].items() if file
                }
                assert shown(answer) == wanted
                known = {figure.id for figure in answer.figures} | {drop.id for drop in answer.drops}
                assert {f"{ref.id}/{figure}" for figure in truth[ref.id]} <= known
    assert set(truth) <= {ref.id for ref in refs}
    allowed = {f"{ref.id}/" for ref in refs} | {"metadata/"}
    assert all(any(key.startswith(prefix) for prefix in allowed) for key in keys(s3)), keys(s3)
    assert not s3.visits
    assert not s3.forbidden


def test_a_checksum_that_never_comes_right_is_transient(s3: S3StandIn, bucket: PmcBucket) -> None:
    (article,) = pmc_trap("wrong-md5")
    bucket.add(article)
    found = document(s3, article.pmcid)
    with pytest.raises(TransientError, match="md5"):
        found.read(found.figures[0])
    assert found.read(found.figures[1]) == bucket.image(article.name, "F2")


# -- only what is needed ------------------------------------------------------------------------


def test_only_the_images_that_figures_name_are_fetched(s3: S3StandIn, bucket: PmcBucket) -> None:
    (article,) = pmc_trap("347-media")
    assert len(article.media) == 347
    bucket.add(article)
    s3.forget()
    assert set(shown(document(s3, article.pmcid))) == {"F1", "F2", "F3"}
    name = article.name
    images = [f"{name}/{file}" for file in article.figures.values()]
    assert sorted(keys(s3)) == sorted([f"metadata/{name}.json", f"{name}/{name}.xml", *images])
    assert len([hit for hit in s3.log if "list-type" in hit.query]) == 1  # the plan's


def test_graphics_that_are_no_figures_are_not_fetched(s3: S3StandIn, bucket: PmcBucket) -> None:
    """pmc-toolkit 0.5.0 takes every graphic below a figure, and those in the text (formulas, thumbnails)."""
    article = pmc_article(8, 1)
    (file,) = article.figures.values()
    data = article.media[file]
    article.media |= {"eq1.gif": data, "thumb.jpg": data, "s1.jpg": data, "table.jpg": data}
    pair = (
        f'<alternatives><graphic xlink:href="{file}"/><graphic xlink:href="thumb.jpg" '
        'content-type="thumbnail"/></alternatives><p><inline-graphic xlink:href="eq1.gif"/></p>'
    )
    xml = article.xml.decode().replace(f'<graphic xlink:href="{file}" position="float"/>', pair)
    table = '<table-wrap id="T1"><graphic xlink:href="table.jpg"/></table-wrap>'
    supplement = '<supplementary-material id="S1"><graphic xlink:href="s1.jpg"/></supplementary-material>'
    article.xml = xml.replace("</body>", f"{table}{supplement}</body>").encode()
    bucket.add(article.state())
    s3.forget()
    assert shown(document(s3, "PMC8")) == {"F1": data}
    assert sorted(keys(s3)) == ["PMC8.1/PMC8.1.xml", f"PMC8.1/{file}", "metadata/PMC8.1.json"]


def test_what_the_metadata_rule_out_costs_one_request(s3: S3StandIn, bucket: PmcBucket) -> None:
    for trap in ("tdm", "retracted", "ocr", "not-open-access", "null-licence"):
        (article,) = pmc_trap(trap)
        bucket.add(article)
        opened = source(s3, input=article.pmcid)
        with opened:
            refs = refs_of(opened)
            s3.forget()
            (answer,) = opened.fetch(refs)
        assert isinstance(answer, Drop)
        assert keys(s3) == [f"metadata/{article.name}.json"]


def test_the_run_s_licence_filter_is_asked_before_the_text_is_fetched(
    s3: S3StandIn, bucket: PmcBucket
) -> None:
    bucket.add(pmc_article(8, 1, license="CC BY-NC"))
    opened = source(s3, input="PMC8")
    opened.accept = lambda article: metadata_drop(article, Filters(license="commercial"))
    with opened:
        refs = refs_of(opened)
        s3.forget()
        (answer,) = opened.fetch(refs)
    assert answer == Drop(id="PMC8.1", stage="filter", reason="license", detail="CC BY-NC")
    assert keys(s3) == ["metadata/PMC8.1.json"]


def test_figures_that_are_dropped_are_not_fetched(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 3))
    found = document(s3, "PMC8")
    s3.forget()
    found.prepare(found.figures[1:2])
    found.read(found.figures[1])
    found.close()
    assert keys(s3) == [f"PMC8.1/{found.figures[1].image.name}"]


def test_options_let_in_what_is_left_out_by_default(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1, is_pmc_openaccess=False), pmc_article(9, 1, is_manuscript=True))
    bucket.add(pmc_article(10, 1, is_historical_ocr=True))
    answers = fetched(s3, "PMC8", "PMC9", "PMC10", open_access_only=False, manuscripts=True, ocr=True)
    assert [type(answer).__name__ for answer in answers] == ["RemoteDocument"] * 3


def test_articles_with_too_many_images(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 3), pmc_article(9, 2))
    dropped, kept = fetched(s3, "PMC8", "PMC9", max_media=2)
    assert dropped == Drop(id="PMC8.1", stage="fetch", reason="max-media", detail="3 image files")
    assert isinstance(kept, Document)


def test_a_retry_of_one_figure_fetches_one_figure(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 3))
    with source(s3) as opened:
        ref = ArticleRef(id="PMC8.1.r2", locator="PMC8.1", revision=2, only=("PMC8.1.r2/F2",))
        (answer,) = opened.fetch([ref])
        assert isinstance(answer, Document), answer
        assert answer.article.id == "PMC8.1.r2"
        assert [figure.id for figure in answer.figures] == ["PMC8.1.r2/F2"]


# -- what the record says -----------------------------------------------------------------------


def test_ids_and_licences_of_both_sides(s3: S3StandIn, bucket: PmcBucket) -> None:
    (article,) = pmc_trap("licence-disagrees")
    bucket.add(article)
    found = document(s3, article.pmcid)
    assert found.article.source == "pmc-oa"
    assert found.article.source_license == "CC BY"
    assert found.article.license.code == "CC BY-NC"
    assert "PMC's metadata state CC BY" in found.article.license.evidence
    assert {figure.license.code for figure in found.figures} == {"CC BY-NC"}
    assert all("PMC's metadata state CC BY" in figure.license.evidence for figure in found.figures)


def test_agreeing_licences_leave_the_evidence_alone(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    assert document(s3, "PMC8").article.license.evidence == "https://creativecommons.org/licenses/by/4.0/"


def test_metadata_fill_in_what_the_text_does_not_state(s3: S3StandIn, bucket: PmcBucket) -> None:
    article = pmc_article(8, 1, license="CC0", xml_license=None)
    article.xml = article.xml.replace(b'<article-id pub-id-type="pmid">40000008</article-id>', b"")
    article.xml = article.xml.replace(b'<article-id pub-id-type="doi">10.5555/demo.8</article-id>', b"")
    bucket.add(article.state())
    found = document(s3, "PMC8").article
    assert (found.ids.pmid, found.ids.doi, found.ids.pmcid) == ("40000008", "10.5555/demo.8", "PMC8")
    # The text grants nothing: what the metadata say is told, not taken for the text's licence.
    assert found.license.code == "unknown"
    assert found.source_license == "CC0"
    assert "CC0" in found.license.evidence


def test_a_retraction_in_either_place_counts(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1, is_retracted=True))
    opened = source(s3, input="PMC8")
    opened.accept = lambda article: None
    with opened:
        (answer,) = opened.fetch(refs_of(opened))
        assert isinstance(answer, Document)
        assert answer.article.retracted


def test_the_text_of_another_article_is_refused(s3: S3StandIn, bucket: PmcBucket) -> None:
    article = pmc_article(77, 1)
    article.xml = pmc_article(777, 1).xml
    bucket.add(article.state())
    (answer,) = fetched(s3, "PMC77")
    assert isinstance(answer, Failure)
    assert answer.kind == "input"
    assert "the XML is of PMC777, the metadata of PMC77" in answer.error


# -- metadata that changed, vanished or are wrong -----------------------------------------------


def test_metadata_that_changed_since_the_plan_are_taken_as_they_are(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.add(pmc_article(8, 1))
    opened = source(s3, input="PMC8", cache=str(tmp_path))
    with opened:
        refs = refs_of(opened)
        bucket.change("PMC8")
        with caplog.at_level(logging.INFO, "pmcx"):
            (answer,) = opened.fetch(refs)
        assert isinstance(answer, Document)
        assert answer.article.title.endswith("(corrected 1)")
        assert "changed since the run was planned" in caplog.text
        # What was fetched is not kept under the ETag that it does not have.
        (again,) = opened.fetch(refs_of(opened))
        assert isinstance(again, Document)
        assert again.article.title.endswith("(corrected 1)")


def test_an_article_that_vanished_since_the_plan(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    opened = source(s3, input="PMC8")
    with opened:
        refs = refs_of(opened)
        bucket.remove("PMC8")
        s3.forget()
        (answer,) = opened.fetch(refs)
    assert isinstance(answer, Failure)
    assert (answer.kind, answer.stage) == ("input", "fetch")
    assert "not found" in answer.error
    assert len(s3.log) == 1  # a 404 is final


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pmcid": "PMC9"}, "is about PMC9.1"),
        ({"version": 2}, "is about PMC8.2"),
        ({"version": None}, "not the metadata of an article"),
        ({"media_urls": "s3://x"}, "not the metadata of an article"),
        ({"xml_url": "s3://pmc-oa-opendata/PMC8.1/../PMC9.1/PMC9.1.xml?md5=0"}, "refused the XML address"),
        ({"xml_url": "s3://elsewhere/PMC8.1/PMC8.1.xml"}, "refused the XML address"),
        ({"xml_url": "https://example.org/PMC8.1.xml"}, "refused the XML address"),
        ({"xml_url": "s3://pmc-oa-opendata/PMC88.1/PMC88.1.xml"}, "refused the XML address"),
        ({"xml_url": f"s3://pmc-oa-opendata/PMC8.1/gone.xml?md5={'0' * 32}"}, "not found"),
    ],
)
def test_metadata_that_are_not_to_be_followed(
    s3: S3StandIn, bucket: PmcBucket, change: dict[str, Any], told: str
) -> None:
    article = pmc_article(8, 1)
    article.metadata.update(change)
    bucket.add(article)
    s3.forget()
    (answer,) = fetched(s3, "PMC8")
    assert isinstance(answer, Failure)
    assert answer.kind == "input"
    assert told in answer.error
    assert set(keys(s3)) <= {"metadata/PMC8.1.json", "PMC8.1/gone.xml"}


@pytest.mark.parametrize("locator", ["PMC8", "PMC8.1/../PMC9.1", "../x", "", "PMC8.01", "8.1"])
def test_a_locator_that_is_none(s3: S3StandIn, locator: str) -> None:
    with source(s3) as opened:
        (answer,) = opened.fetch([ArticleRef(id="PMC8.1", locator=locator)])
    assert isinstance(answer, Failure)
    assert not s3.log


def test_no_xml_url_means_the_usual_name(s3: S3StandIn, bucket: PmcBucket) -> None:
    article = pmc_article(8, 1)
    del article.metadata["xml_url"]
    bucket.add(article)
    assert set(shown(document(s3, "PMC8"))) == {"F1"}
    s3.faults.script[f"/{BUCKET}/PMC8.1/PMC8.1.xml"] = ["html"]
    assert set(shown(document(s3, "PMC8"))) == {"F1"}


# -- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "s3://pmc-oa-opendata/PMC8.1/../x.jpg",
        "s3://pmc-oa-opendata/PMC8.1/..",
        "s3://pmc-oa-opendata/PMC8.1/.",
        "s3://pmc-oa-opendata/PMC8.1/",
        "s3://pmc-oa-opendata/PMC8.1/a/b.jpg",
        "s3://pmc-oa-opendata/PMC8.1/..\\x.jpg",
        "s3://pmc-oa-opendata/PMC8.1/C:x.jpg",
        "s3://pmc-oa-opendata/PMC8.1//x.jpg",
        "s3://pmc-oa-opendata/PMC8.1/x\0.jpg",
        "s3://pmc-oa-opendata/PMC8.1/x\r\nHost: y.jpg",
        "s3://pmc-oa-opendata/PMC8.10/x.jpg",
        "s3://pmc-oa-opendata/PMC88.1/x.jpg",
        "s3://pmc-oa-opendata/x.jpg",
        "s3://pmc-oa-opendata2/PMC8.1/x.jpg",
        "S3://pmc-oa-opendata/PMC8.1/x.jpg",
        "https://pmc-oa-opendata.s3.amazonaws.com/PMC8.1/x.jpg",
        "/PMC8.1/x.jpg",
        "",
    ],
)
def test_addresses_that_are_not_followed(address: str) -> None:
    assert file_of(address, BUCKET, "PMC8.1") is None
    assert file_of(f"{address}?md5={'0' * 32}", BUCKET, "PMC8.1") is None


NAMES = (
    "x.jpg", "a b.jpg", "a%20b.jpg", "a+b.jpg", "é.jpg", "a#b.jpg", "...jpg", "x", "a?1.jpg", "?", "a?",
    "a?md5=1.jpg", "a%3Fmd5=1.jpg",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_addresses_that_are(name: str) -> None:
    file = file_of(f"s3://pmc-oa-opendata/PMC8.1/{name}?md5={'AB' * 16}", BUCKET, "PMC8.1")
    assert file is not None
    assert (file.name, file.md5) == (name, "ab" * 16)
    shortened = file_of(f"s3://pmc-oa-opendata/PMC8.1/{name}?md5=d332", BUCKET, "PMC8.1")
    assert shortened is not None
    assert (shortened.name, shortened.md5) == (name, "")
    bare = file_of("s3://pmc-oa-opendata/PMC8.1/fig?1.jpg", BUCKET, "PMC8.1")
    assert bare is not None and (bare.name, bare.md5) == ("fig?1.jpg", "")


def test_a_question_mark_in_a_name_does_not_end_it(s3: S3StandIn, bucket: PmcBucket) -> None:
    article = pmc_article(8, 1, hrefs=["fig?1.jpg"])
    article.media["fig"] = pmc_article(9, 1).media["demo-26-9-g001.jpg"]
    bucket.add(article.state())
    assert shown(document(s3, "PMC8")) == {"F1": article.media["fig?1.jpg"]}


@given(name=st.text(st.characters() | st.sampled_from("./\\\\%?#: +&~"), max_size=12))
def test_what_is_followed_is_asked_for_by_exactly_that_name(name: str) -> None:
    """Nothing between the check and the wire may turn one name into another."""
    url = json.loads(json.dumps(f"s3://{BUCKET}/PMC8.1/{name}?md5={'0' * 32}"))
    file = file_of(url, BUCKET, "PMC8.1")
    if file is None:
        return
    bucket = Bucket(Client(NetOptions(cache="none")), BUCKET, "http://127.0.0.1:9")
    sent = httpx.URL(bucket.url(f"PMC8.1/{file.name}")).raw_path.decode("ascii")
    assert unquote(sent, errors="strict") == f"/{BUCKET}/PMC8.1/{file.name}"
    assert sent.count("/") == 3
    assert "?" not in sent


def test_a_figure_with_an_unsafe_address_is_a_drop_and_a_supplement_only_logged(
    s3: S3StandIn, bucket: PmcBucket, caplog: pytest.LogCaptureFixture
) -> None:
    (article,) = pmc_trap("hostile-names")
    bucket.add(article)
    found = document(s3, article.pmcid)
    assert [figure.id.partition("/")[2] for figure in found.figures] == ["F1"]
    assert {drop.reason for drop in found.drops} == {"unsafe-name"}
    assert len(found.drops) == 7
    assert "10 media addresses are not files of this version and are not followed" in caplog.text
    assert "evil" not in " ".join(drop.detail for drop in found.drops)


# -- the listing as a last resort ---------------------------------------------------------------


def listings(s3: S3StandIn) -> int:
    return len([hit for hit in s3.log if "list-type" in hit.query and "metadata" not in hit.query])


@pytest.mark.parametrize("how", ["absent", "empty"])
def test_without_media_addresses_one_listing_tells_the_files(
    s3: S3StandIn, bucket: PmcBucket, how: str
) -> None:
    article = pmc_article(8, 3, hrefs=["a", "b.jpg", "c.tif"])
    article.media = {
        "a.jpg": article.media["a"],
        "b.jpg": article.media["b.jpg"],
        "c.jpg": article.media["c.tif"],
    }
    article.state()
    if how == "absent":
        del article.metadata["media_urls"]
    else:
        article.metadata["media_urls"] = []
    bucket.add(article)
    found = shown(document(s3, "PMC8"))
    assert list(found.values()) == list(article.media.values())
    assert listings(s3) == 1


def test_names_that_the_metadata_spell_otherwise(s3: S3StandIn, bucket: PmcBucket) -> None:
    article = pmc_article(8, 2, hrefs=["fig 1.jpg", "fig2.jpg"])
    urls = [url.replace("fig 1.jpg", "fig%201.jpg") for url in article.metadata["media_urls"]]
    article.metadata["media_urls"] = [url.replace("fig2.jpg", "Fig2.JPG") for url in urls]
    bucket.add(article)
    assert shown(document(s3, "PMC8")) == {"F1": article.media["fig 1.jpg"], "F2": article.media["fig2.jpg"]}
    assert listings(s3) == 1


def test_the_promised_checksum_holds_for_another_spelling(s3: S3StandIn, bucket: PmcBucket) -> None:
    article = pmc_article(8, 1, hrefs=["fig 1.jpg"])
    article.metadata["media_urls"] = [f"s3://{BUCKET}/PMC8.1/fig%201.jpg?md5={'0' * 32}"]
    bucket.add(article)
    found = document(s3, "PMC8")
    with pytest.raises(TransientError, match="md5"):
        found.read(found.figures[0])


def test_a_file_that_nobody_has_says_what_there_is(s3: S3StandIn, bucket: PmcBucket) -> None:
    (article,) = pmc_trap("missing-file")
    bucket.add(article)
    found = document(s3, article.pmcid)
    with pytest.raises(InputError, match=r"no such file; the version has .*g003\.jpg"):
        found.read(found.figures[0])
    with pytest.raises(InputError, match="no file of the article matches"):
        found.read(found.figures[1])
    assert listings(s3) == 1


def test_errors_of_the_server_are_retried_but_not_for_ever(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1), pmc_article(9, 1))
    s3.faults.forever = {"metadata/PMC9.1.json"}
    s3.faults.script[f"/{BUCKET}/PMC8.1/PMC8.1.xml"] = ["503-slowdown", "wrong-bytes"]
    good, bad = fetched(s3, "PMC8", "PMC9")
    assert isinstance(good, Document)
    assert isinstance(bad, Failure)
    assert bad.kind == "transient"


def test_access_denied_is_final(s3: S3StandIn, bucket: PmcBucket) -> None:
    bucket.add(pmc_article(8, 1))
    s3.faults.script[f"/{BUCKET}/PMC8.1/PMC8.1.xml"] = ["403"]
    s3.forget()
    (answer,) = fetched(s3, "PMC8")
    assert isinstance(answer, Failure)
    assert answer.kind == "input"
    assert "refused" in answer.error
    assert keys(s3).count("PMC8.1/PMC8.1.xml") == 1


# -- together -----------------------------------------------------------------------------------


def digest(document: Document) -> tuple[str, tuple[Any, ...], dict[str, bytes]]:
    return document.article.id, document.figures, shown(document)


def test_order_and_faults_change_nothing(s3: S3StandIn, bucket: PmcBucket) -> None:
    pmcids = bucket.fill(12, 101, figures=2)
    plain = {each.article.id: digest(each) for each in fetched(s3, *pmcids) if isinstance(each, Document)}
    s3.faults = Faults(
        rate=0.25, seed=4, kinds=("429", "500", "reset", "truncate", "wrong-bytes", "html", "away")
    )
    shuffled = fetched(s3, *reversed(pmcids), attempts=10)
    assert {each.article.id: digest(each) for each in shuffled if isinstance(each, Document)} == plain
    assert len(plain) == 12
    assert sum(s3.faults.injected.values()) > 5
    assert not s3.visits


def test_with_a_cache_nothing_is_fetched_twice_and_offline_works(
    s3: S3StandIn, bucket: PmcBucket, tmp_path: Path
) -> None:
    pmcids = bucket.fill(3, 101, figures=2)
    refs = list(source(s3, input=pmcids).plan())
    seen = []
    for options in ({}, {}, {"offline": True}):
        s3.forget()
        with source(s3, cache=str(tmp_path), **options) as opened:
            answers = opened.fetch([ref for ref in refs if isinstance(ref, ArticleRef)])
            seen.append([digest(each) for each in answers if isinstance(each, Document)])
        if len(seen) > 1:
            assert not s3.log
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 3


def test_survey_tells_licence_and_size_without_the_text(s3: S3StandIn, bucket: PmcBucket) -> None:
    article = pmc_article(8, 3, license="CC BY-NC")
    article.media |= {"table.xlsx": b"x" * 1000, "noext": b"y" * 10}
    bucket.add(article.state(), pmc_article(9, 1, is_manuscript=True), pmc_article(10, 1))
    planning = source(s3, input=["PMC8", "PMC9", "PMC10"])
    refs = refs_of(planning)
    bucket.remove("PMC10")
    s3.forget()
    survey, dropped, lost = planning.survey(refs)
    images = sum(len(data) for name, data in article.media.items() if name.endswith((".jpg", "noext")))
    assert survey == Survey("PMC8.1", "CC BY-NC", 5, images + len(article.xml))
    assert isinstance(dropped, Drop)
    assert dropped.reason == "manuscript"
    assert isinstance(lost, Failure)
    assert all("json" in key for key in keys(s3))


# -- pure functions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("CC0", "CC0"),
        ("CC BY", "CC BY"),
        ("CC BY-NC-ND", "CC BY-NC-ND"),
        ("CC BY-SA", "CC BY-SA"),
        ("TDM", "unknown"),
        (None, "unknown"),
        ("CC BY-XX", "unknown"),
        ("cc by", "unknown"),
        ("CC BY or not", "unknown"),
    ],
)
def test_licence_codes(code: str | None, family: str) -> None:
    found = license_of(Metadata(pmcid="PMC8", version=1, license_code=code))
    assert found.code == family
    assert found.evidence == (code or "")


def test_metadata_of_other_shapes() -> None:
    data = json.dumps({"pmcid": "PMC8", "version": "1", "pmid": "12", "is_retracted": None, "new_key": [1]})
    found = parse_metadata(data.encode(), "PMC8.1")
    assert (found.pmid, found.is_retracted, found.is_pmc_openaccess) == ("12", None, None)
    for broken in (b"", b"[]", b"null", b"{", b'{"pmcid": "PMC8"}', b"\xff"):
        with pytest.raises(InputError, match="not the metadata of an article"):
            parse_metadata(broken, "PMC8.1")


@pytest.mark.parametrize("depth", [3_000, 100_000])
@pytest.mark.parametrize("field", ["media_urls", "unknown"])
def test_metadata_nested_without_end(depth: int, field: str) -> None:
    nested = b"[" * depth + b"]" * depth
    data = b'{"pmcid":"PMC8","version":1,"' + field.encode() + b'":' + nested + b"}"
    with pytest.raises(InputError, match="not the metadata of an article"):
        parse_metadata(data, "PMC8.1")


def test_media_that_are_no_text_are_passed_over() -> None:
    urls = [None, 5, f"s3://{BUCKET}/PMC8.1/a.jpg"]
    media = media_of(Metadata(pmcid="PMC8", version=1, media_urls=urls), BUCKET, "PMC8.1")
    assert list(media.files) == ["a.jpg"]


@pytest.mark.real_data
def test_real_metadata(shared_data: Path) -> None:
    folder = shared_data / "interfaces" / "pmc_s3_new"
    read = {
        path.name.split("_")[0].removesuffix(".json"): path.read_bytes() for path in folder.glob("PMC*.json")
    }
    assert len(read) >= 4
    for name, data in read.items():
        found = parse_metadata(data, name)
        assert msgspec.structs.asdict(found)["pmcid"] == name.partition(".")[0]
        media = media_of(found, BUCKET, name)
        assert not media.files  # they were left out when these were written down
    assert license_of(parse_metadata(read["PMC10373475.1"], "PMC10373475.1")).code == "unknown"
