"""The source ``europepmc`` against a stand-in for the service on loopback."""

from __future__ import annotations

import io
import itertools
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pmcx_europepmc.records import describe, fingerprint, license_of
from pmcx_europepmc.source import EuropePmcSource, parse_name
from standins.content import PmcArticle, pmc_article
from standins.europepmc import EuropePmcStandIn
from standins.faults import Faults
from standins.http import Reply, Request

import pmcx
from pmcx import ArticleRef, Document, Drop, Failure
from pmcx.remote import Client
from pmcx.testing import SourceSuite

QUICK = {"cache": "none", "rate": 1000.0, "attempts": 4, "max_wait": 0.1}


class Service(EuropePmcStandIn):
    """The stand-in with articles, and with another ZIP for some of them."""

    def __init__(self) -> None:
        super().__init__()
        self.archives: dict[str, bytes] = {}
        self.hooks: list[Callable[[Request, Reply], Reply | None]] = []
        """Asked in turn for another answer than the sound one; each sees every request."""

    def put(self, n: int, **more: Any) -> PmcArticle:
        article = pmc_article(n, figures=2)
        images = {name: data for name, data in article.media.items() if name.endswith(".jpg")}
        self.add(article.pmcid, article.xml, images, {"mmc1.pdf": b"%PDF-1.4"}, **more)
        return article

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        name = request.path.strip("/").partition("/")[0]
        if request.path.endswith("supplementaryFiles") and name in self.archives:
            reply = Reply(200, self.archives[name], {"Content-Type": "application/zip"})
        for hook in self.hooks:
            reply = hook(request, reply) or reply
        return reply

    def swap(self, end: str, *bodies: bytes | None, always: bytes | None = None, status: int = 200) -> None:
        """Other bodies for the first requests whose path ends so (None: the sound one), then ``always``."""
        due = list(bodies)

        def hook(request: Request, reply: Reply) -> Reply | None:
            if not request.path.endswith(end):
                return None
            body = due.pop(0) if due else always
            return None if body is None else Reply(status, body, reply.headers)

        self.hooks.append(hook)

    def edit(self, change: Callable[[dict[str, Any], int], None]) -> None:
        """Change the answers of the search; ``change`` gets the content and the number of the search."""
        asked = itertools.count(1)

        def hook(request: Request, reply: Reply) -> Reply | None:
            if not request.path.endswith("/search"):
                return None
            content = json.loads(reply.body)
            change(content, next(asked))
            return Reply(200, json.dumps(content).encode(), reply.headers)

        self.hooks.append(hook)

    def asked(self, end: str) -> list[str]:
        return [hit.path for hit in self.log if hit.path.endswith(end)]


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as standin:
        yield standin


def source(service: EuropePmcStandIn, **options: Any) -> EuropePmcSource:
    return EuropePmcSource({**QUICK, "endpoint": service.url, **options})


def planned(given: EuropePmcSource) -> tuple[list[ArticleRef], list[Drop]]:
    found = list(given.plan())
    return [r for r in found if isinstance(r, ArticleRef)], [d for d in found if isinstance(d, Drop)]


def images(document: Document) -> dict[str, bytes]:
    document.prepare(document.figures)
    return {figure.id.rpartition("/")[2]: document.read(figure) for figure in document.figures}


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


# -- selecting ----------------------------------------------------------------------------------


def test_a_query_is_read_to_its_end(service: Service) -> None:
    for n in range(1, 24):
        service.put(n)
    refs, drops = planned(source(service, query="demonstration", page_size=5))
    assert len(refs) == 23 and drops == []
    assert {ref.id for ref in refs} == {f"PMC{n}" for n in range(1, 24)}
    searches = [hit.query for hit in service.log]
    assert len(searches) == 5
    assert all("resultType=core" in query and "OPEN_ACCESS%3Ay" in query for query in searches)
    assert service.asked("fullTextXML") == service.asked("supplementaryFiles") == []


def test_a_limit_asks_for_no_more_pages(service: Service) -> None:
    for n in range(1, 24):
        service.put(n)
    refs, _ = planned(source(service, query="demonstration", page_size=5, limit=7))
    assert len(refs) == 7 and len(service.log) == 2


def test_ids_are_looked_up_together_and_keep_their_order(service: Service, tmp_path: Path) -> None:
    for n in range(1, 31):
        service.put(n)
    listed = tmp_path / "ids.txt"
    listed.write_text("# what I want\nPMC30\n\n29  # the last but one\nPMC5\n")
    refs, drops = planned(source(service, input=["PMC7", "pmc3", str(listed), "PMC99", "PMC7"]))
    assert [ref.id for ref in refs] == ["PMC7", "PMC3", "PMC30", "PMC29", "PMC5"]
    assert [(drop.id, drop.reason) for drop in drops] == [("PMC99", "not-found")]
    assert len(service.log) == 2, "what is not found is asked for once more"


def test_what_is_no_id_is_told(service: Service, tmp_path: Path) -> None:
    with pytest.raises(pmcx.UsageError, match="PMC1x"):
        planned(source(service, input=["PMC1x"]))
    listed = tmp_path / "ids.txt"
    listed.write_text("PMC1\n10.1101/2\n")
    with pytest.raises(pmcx.UsageError, match="line 2"):
        planned(source(service, input=[str(listed)]))
    with pytest.raises(pmcx.UsageError, match="say which articles"):
        planned(source(service))
    with pytest.raises(pmcx.UsageError, match="does not accept the query"):
        planned(source(service, query="NOSUCHFIELD:x"))
    assert [parse_name(text) for text in (" pmc12 ", "12", "ppr9", "PMC0", "PMC1.2", "")] == [
        "PMC12", "PMC12", "PPR9", "", "", "",
    ]  # fmt: skip


def test_preprints_are_taken_when_asked_for(service: Service) -> None:
    service.put(1)
    for n, name, license in ((2, "PPR77", "cc by"), (3, "PPR78", "")):
        preprint = pmc_article(n)
        service.add(name, preprint.xml, dict(preprint.media), license=license)
    refs, drops = planned(source(service, query="demonstration"))
    assert [ref.id for ref in refs] == ["PMC1"] and {drop.reason for drop in drops} == {"preprint"}
    given = source(service, query="demonstration", preprints=True)
    refs, drops = planned(given)
    assert {ref.locator for ref in refs} == {"PMC1", "PPR77", "PPR78"} and drops == []
    with given:
        answers = {ref.locator: answer for ref, answer in zip(refs, given.fetch(refs), strict=True)}
    assert isinstance(answers["PPR77"], Document)
    refused = answers["PPR78"]
    assert isinstance(refused, Drop) and refused.reason == "not-open-access", "no licence, no reuse"


# -- fetching -----------------------------------------------------------------------------------


def test_text_first_and_one_archive_for_all_figures(service: Service) -> None:
    article = service.put(5)
    given = source(service, input=["PMC5"])
    with given:
        refs, _ = planned(given)
        (document,) = given.fetch(refs)
        assert isinstance(document, Document)
        assert document.article.id == "PMC5" and document.article.source_license == "cc by"
        assert document.article.license.code == "CC BY"
        assert service.asked("supplementaryFiles") == []
        assert images(document) == {figure: article.media[name] for figure, name in article.figures.items()}
        document.close()
    assert len(service.asked("supplementaryFiles")) == 1
    (hit,) = [hit for hit in service.log if hit.path.endswith("supplementaryFiles")]
    assert hit.query == "includeInlineImage=true"


def test_no_archive_for_an_article_without_kept_figures(service: Service) -> None:
    service.put(5)
    given = source(service, input=["PMC5"])
    with given:
        (document,) = given.fetch(planned(given)[0])
        assert isinstance(document, Document)
        document.prepare([])
        document.close()
    assert service.asked("supplementaryFiles") == []


def test_closed_articles_are_dropped_before_their_text(service: Service) -> None:
    service.add("PMC6", None)
    given = source(service, input=["PMC6"])
    with given:
        (drop,) = given.fetch(planned(given)[0])
    assert isinstance(drop, Drop) and drop.reason == "not-open-access"
    assert service.asked("fullTextXML") == []
    given = source(service, input=["PMC6"], open_access_only=False)
    with given:
        (drop,) = given.fetch(planned(given)[0])
    assert isinstance(drop, Drop) and drop.reason == "not-open-access", "404 of the text"
    assert len(service.asked("fullTextXML")) == 1


def test_filters_are_asked_before_the_text(service: Service) -> None:
    service.put(7, license="cc by-nc-nd")
    given = source(service, input=["PMC7"])
    seen: list[pmcx.Article] = []

    def refuse(article: pmcx.Article) -> Drop:
        seen.append(article)
        return Drop(id=article.id, stage="filter", reason="license")

    given.accept = refuse  # type: ignore[method-assign]
    with given:
        (drop,) = given.fetch(planned(given)[0])
    assert isinstance(drop, Drop) and drop.reason == "license"
    (article,) = seen
    assert (article.id, article.license.code, article.date) == ("PMC7", "CC BY-NC-ND", "2026-01-15")
    assert article.journal == "Journal of Demonstration Data"
    assert service.asked("fullTextXML") == []


def test_another_articles_text_is_refused(service: Service) -> None:
    service.add("PMC8", pmc_article(9).xml)
    given = source(service, input=["PMC8"])
    with given:
        (failure,) = given.fetch(planned(given)[0])
    assert isinstance(failure, Failure) and failure.kind == "input" and "PMC9" in failure.error


@pytest.mark.parametrize(
    ("archive", "error"),
    [
        (zipped({"other.jpg": b"\xff\xd8\xff"}), "no image file for href"),
        (zipped({"../demo-26-5-g001.jpg": b"x", "/demo-26-5-g001.jpg": b"x"}), "unsafe names"),
        (zipped({"demo-26-5-g001.eps": b"%!PS"}), "vector graphic"),
        (zipped({f"f{n}.txt": b"" for n in range(50_001)}), "max_members"),
    ],
    ids=["missing", "hostile-names", "vector", "too-many"],
)
def test_what_an_archive_lacks_or_hides(service: Service, archive: bytes, error: str) -> None:
    service.put(5)
    service.archives["PMC5"] = archive
    given = source(service, input=["PMC5"])
    with given:
        (document,) = given.fetch(planned(given)[0])
        assert isinstance(document, Document)
        document.prepare(document.figures)
        with pytest.raises(pmcx.InputError, match=error):
            document.read(document.figures[0])
        document.close()


def test_a_bomb_is_not_unpacked(service: Service) -> None:
    service.put(5)
    service.archives["PMC5"] = zipped({"demo-26-5-g001.jpg": bytes(700 << 20)})
    given = source(service, input=["PMC5"])
    with given:
        (document,) = given.fetch(planned(given)[0])
        assert isinstance(document, Document)
        with pytest.raises(pmcx.InputError, match="max_"):
            document.read(document.figures[0])
        document.close()


def test_a_broken_archive_may_come_right_later(service: Service) -> None:
    service.put(5)
    whole = zipped({"demo-26-5-g001.jpg": b"image"})
    service.archives["PMC5"] = whole[: len(whole) // 2]
    given = source(service, input=["PMC5"])
    with given:
        (document,) = given.fetch(planned(given)[0])
        assert isinstance(document, Document)
        document.prepare(document.figures)
        for figure in document.figures:
            with pytest.raises(pmcx.TransientError, match="no complete ZIP"):
                document.read(figure)
        document.close()
    assert len(service.asked("supplementaryFiles")) == 4, "the attempts of one download, for all figures"


def test_a_slow_archive_has_a_total_time(service: Service) -> None:
    service.put(5)
    service.zip_seconds = 60.0
    given = source(service, input=["PMC5"], max_seconds=0.3)
    with given:
        (document,) = given.fetch(planned(given)[0])
        assert isinstance(document, Document)
        with pytest.raises(pmcx.TransientError, match="time"):
            document.read(document.figures[0])
        document.close()


def test_a_large_archive_is_refused(service: Service) -> None:
    service.put(5)
    given = source(service, input=["PMC5"], max_bytes=20_000)
    with given:
        (document,) = given.fetch(planned(given)[0])
        assert isinstance(document, Document)
        with pytest.raises(pmcx.InputError, match="max_bytes"):
            document.read(document.figures[0])
        document.close()


def test_temporary_files_go(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    service.put(5)
    service.put(6)
    service.archives["PMC6"] = zipped({})[:-4] + b"PK\5\6"
    given = source(service, input=["PMC5", "PMC6"])
    with given:
        good, bad = given.fetch(planned(given)[0])
        assert isinstance(good, Document) and isinstance(bad, Document)
        assert len(images(good)) == 2
        assert len(list(tmp_path.iterdir())) == 1
        with pytest.raises(pmcx.InputError):
            bad.read(bad.figures[0])
        good.close()
        bad.close()
    assert list(tmp_path.iterdir()) == []


def test_figures_are_read_from_several_threads(service: Service) -> None:
    article = service.put(5)
    given = source(service, input=["PMC5"])
    got: dict[str, bytes] = {}
    with given:
        (document,) = given.fetch(planned(given)[0])
        assert isinstance(document, Document)

        def read(figure: pmcx.Figure) -> None:
            got[figure.id.rpartition("/")[2]] = document.read(figure)

        threads = [threading.Thread(target=read, args=(figure,)) for figure in document.figures]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        document.close()
    assert got == {figure: article.media[name] for figure, name in article.figures.items()}
    assert len(service.asked("supplementaryFiles")) == 1


def test_offline_uses_what_an_earlier_run_kept(service: Service, tmp_path: Path) -> None:
    article = service.put(5)
    given = source(service, input=["PMC5"], cache=str(tmp_path))
    with given:
        refs, _ = planned(given)
        (document,) = given.fetch(refs)
        assert isinstance(document, Document)
        before = images(document)
        document.close()
    service.forget()
    given = source(service, input=["PMC5"], cache=str(tmp_path), offline=True)
    with given:
        (document,) = given.fetch(refs)
        assert isinstance(document, Document)
        assert images(document) == before and len(before) == len(article.figures)
        document.close()
    assert service.log == []


def test_a_changed_article_has_another_fingerprint(service: Service) -> None:
    service.put(5)
    before, _ = planned(source(service, input=["PMC5"]))
    service.put(5, date="2026-02-01")
    after, _ = planned(source(service, input=["PMC5"]))
    assert before[0].id == after[0].id and before[0].fingerprint != after[0].fingerprint


def test_it_comes_through_faults(service: Service) -> None:
    articles = {article.pmcid: article for article in (service.put(n) for n in range(1, 9))}
    service.faults = Faults(
        rate=0.2, seed=3, kinds=["429", "500", "503-slowdown", "reset", "truncate", "html"]
    )
    given = source(service, query="demonstration", attempts=12)
    with given:
        refs, _ = planned(given)
        answers = given.fetch(refs)
        assert len(answers) == 8
        for answer in answers:
            assert isinstance(answer, Document), answer
            article = articles[answer.article.id]
            assert images(answer) == {f: article.media[name] for f, name in article.figures.items()}
            answer.close()
    assert sum(service.faults.injected.values()) > 3


def test_the_rate_is_kept(service: Service) -> None:
    for n in range(1, 7):
        service.put(n)
    given = source(service, query="demonstration", rate=10.0)
    with given:
        given.fetch(planned(given)[0])
    assert len(service.log) >= 8 and service.peak_rate() <= 11


def test_a_survey_tells_licences(service: Service) -> None:
    service.put(1, license="cc by-nc")
    service.add("PMC2", None)
    given = source(service, input=["PMC1", "PMC2"])
    with given:
        survey, drop = given.survey(planned(given)[0])
    assert (survey.id, getattr(survey, "license", "")) == ("PMC1", "CC BY-NC")
    assert isinstance(drop, Drop) and drop.reason == "not-open-access"


# -- answers that cannot be true ----------------------------------------------------------------


def plan_of(service: Service, **options: Any) -> tuple[list[str], str]:
    """The planned ids, and why the enumeration may lack some."""
    given = source(service, **options)
    refs, _ = planned(given)
    return [ref.id for ref in refs], given.incomplete


def test_a_plan_says_whether_it_is_whole(service: Service) -> None:
    for n in range(1, 9):
        service.put(n)
    every = [f"PMC{n}" for n in range(1, 9)]
    assert plan_of(service, query="demonstration", page_size=3) == (every, "")
    assert plan_of(service, query="demonstration", limit=9) == (every, "")
    assert plan_of(service, query="demonstration", limit=5) == (every[:5], "limit=5")
    assert plan_of(service, input=["PMC1"]) == (["PMC1"], "articles named one by one")
    assert plan_of(service, query="nothing-like-it") == ([], "the search finds nothing")


def test_a_page_that_comes_back_empty_is_asked_for_again(service: Service) -> None:
    for n in range(1, 9):
        service.put(n)
    service.edit(lambda page, nth: page["resultList"].update(result=[]) if nth == 2 else None)
    assert plan_of(service, query="demonstration", page_size=3) == ([f"PMC{n}" for n in range(1, 9)], "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"resultList": None}, {"resultList": []}, {"resultList": "x"}, {"resultList": {"result": None}},
        {"resultList": {"result": [None]}}, {"resultList": {"result": []}}, {"hitCount": "many"},
        {"hitCount": None}, {"hitCount": -1}, {"hitCount": 1e20}, {"nextCursorMark": None},
        {"nextCursorMark": "*"},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_answers_are_transient(service: Service, wrong: dict[str, Any]) -> None:
    for n in range(1, 5):
        service.put(n)
    service.edit(lambda page, nth: page.update(wrong))
    with pytest.raises(pmcx.TransientError):
        planned(source(service, query="demonstration", page_size=2))
    assert len(service.log) == QUICK["attempts"]
    service.hooks.clear()
    service.edit(lambda page, nth: page.update(wrong) if nth == 1 else None)
    assert plan_of(service, query="demonstration", page_size=2) == (["PMC1", "PMC2", "PMC3", "PMC4"], "")


def test_paging_in_circles_ends(service: Service) -> None:
    for n in range(1, 31):
        service.put(n)
    first: list[Any] = []

    def repeat(page: dict[str, Any], nth: int) -> None:
        first.append(dict(page))
        page.update({key: first[0][key] for key in ("hitCount", "resultList")})
        page.pop("errMsg", None)  # of the cursor below
        page["nextCursorMark"] = "AB"[nth % 2]

    service.edit(repeat)
    with pytest.raises(pmcx.TransientError, match="no further results after 10 of 30"):
        planned(source(service, query="demonstration", page_size=10))
    assert len(service.log) == 5


def test_a_query_once_accepted_stays_so(service: Service) -> None:
    for n in range(1, 5):
        service.put(n)
    service.edit(lambda page, nth: page.update(errMsg="backend away") if nth == 2 else None)
    assert len(plan_of(service, query="demonstration", page_size=2)[0]) == 4


def test_results_that_come_twice_are_counted_once(service: Service) -> None:
    for n in range(1, 10):
        service.put(n)
    last: list[Any] = []

    def overlap(page: dict[str, Any], nth: int) -> None:
        if nth == 2:
            page["resultList"]["result"][0] = last[0]
        last[:] = page["resultList"]["result"]

    service.edit(overlap)
    found, incomplete = plan_of(service, query="demonstration", page_size=3)
    assert len(found) == 8 and incomplete == "the search lists 1 of 9 articles twice"


def test_unknown_is_asked_twice(service: Service) -> None:
    service.put(1)
    service.edit(lambda page, nth: page.update(hitCount=0, resultList={"result": []}) if nth == 1 else None)
    assert plan_of(service, input=["PMC1"])[0] == ["PMC1"]


def fetched(service: Service, cache: Path, *names: str, after: Callable[[], None] | None = None) -> list[Any]:
    """What fetching gives when something happens to the service after planning."""
    given = source(service, input=list(names), cache=str(cache))
    with given:
        refs, _ = planned(given)
        if after is not None:
            after()
        return list(given.fetch(refs))


def test_without_metadata_nothing_is_taken(service: Service, tmp_path: Path) -> None:
    """Whether a preprint may be taken, only the search says."""
    service.add("PPR7", pmc_article(7).xml, license="")
    service.put(8)
    down = {"PPR7": lambda: service.swap("/search", always=b"", status=503),
            "PMC8": lambda: service.edit(lambda page, nth: page.update(resultList=None))}  # fmt: skip
    for name, act in down.items():
        (lost,) = fetched(service, tmp_path, name, after=act)
        assert isinstance(lost, Failure) and lost.kind == "transient" and "no metadata" in lost.error
        service.hooks.clear()
    assert service.asked("fullTextXML") == []
    (gone,) = fetched(service, tmp_path, "PMC8", after=service.entries.clear)
    assert isinstance(gone, Failure) and gone.kind == "transient" and "any more" in gone.error
    service.add("PPR7", pmc_article(7).xml, license="")
    service.put(8)
    drop, document = fetched(service, tmp_path, "PPR7", "PMC8")
    assert isinstance(drop, Drop) and drop.reason == "not-open-access"
    assert isinstance(document, Document) and document.article.source_license == "cc by"


def test_offline_keeps_to_what_the_search_said(service: Service, tmp_path: Path) -> None:
    service.put(5, license="cc by-nc")
    given = source(service, input=["PMC5"], cache=str(tmp_path))
    with given:
        refs, _ = planned(given)
        (before,) = given.fetch(refs)
    with source(service, cache=str(tmp_path), offline=True) as given:
        (after,) = given.fetch(refs)
    assert isinstance(before, Document) and isinstance(after, Document)
    assert after.article == before.article and after.article.source_license == "cc by-nc"
    with source(service, cache=str(tmp_path / "other"), offline=True) as given:
        (lost,) = given.fetch(refs)
    assert isinstance(lost, Failure) and lost.kind == "transient"


@pytest.mark.parametrize(
    "page",
    [b"<?xml version='1.0'?><error>Service temporarily unavailable</error>", b"<article><front>"],
    ids=["another-xml", "cut-short"],
)
def test_what_is_no_article_is_never_kept(service: Service, tmp_path: Path, page: bytes) -> None:
    service.put(5)
    service.swap("fullTextXML", page)
    assert isinstance(fetched(service, tmp_path / "once", "PMC5")[0], Document)
    service.swap("fullTextXML", always=page)
    (lost,) = fetched(service, tmp_path, "PMC5")
    assert isinstance(lost, Failure) and lost.kind == "transient"
    service.hooks.clear()
    assert isinstance(fetched(service, tmp_path, "PMC5")[0], Document), "healed"


def test_another_preprints_text_is_refused_and_not_kept(service: Service, tmp_path: Path) -> None:
    for n in (7, 8):
        service.add(f"PPR{n}", pmc_article(n).xml)
    other = service.entries["PPR8"]
    assert other.xml is not None
    service.swap("PPR7/fullTextXML", always=other.xml)
    (lost,) = fetched(service, tmp_path, "PPR7")
    assert isinstance(lost, Failure) and lost.kind == "input" and other.doi in lost.error
    service.hooks.clear()
    assert isinstance(fetched(service, tmp_path, "PPR7")[0], Document)


def test_a_404_of_an_open_access_text_is_no_drop(service: Service, tmp_path: Path) -> None:
    service.put(5)
    service.faults.script["/PMC5/fullTextXML"] += ["404"]
    (lost,) = fetched(service, tmp_path, "PMC5")
    assert isinstance(lost, Failure) and lost.kind == "transient" and "open access" in lost.error
    assert isinstance(fetched(service, tmp_path, "PMC5")[0], Document)


def broken(archive: bytes, name: str) -> bytes:
    """The archive with other bytes in the middle of one member, and a sound directory."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        info = file.getinfo(name)
    start = info.header_offset + 30 + len(name) + info.compress_size // 2
    return archive[:start] + bytes(8) + archive[start + 8 :]


def test_a_damaged_member_is_fetched_again(service: Service, tmp_path: Path) -> None:
    article = service.put(5)
    whole = zipped({name: data for name, data in article.media.items() if name.endswith(".jpg")})
    damaged = broken(whole, article.figures["F1"])
    service.archives["PMC5"] = whole
    service.swap("supplementaryFiles", damaged)
    (document,) = fetched(service, tmp_path, "PMC5")
    with source(service, cache=str(tmp_path)) as given:
        (document,) = given.fetch(planned(source(service, input=["PMC5"]))[0])
        assert images(document) == {figure: article.media[name] for figure, name in article.figures.items()}
        document.close()
    assert len(service.asked("supplementaryFiles")) == 2


def test_what_is_damaged_at_the_service_costs_one_figure(service: Service, tmp_path: Path) -> None:
    article = service.put(5)
    whole = zipped({name: data for name, data in article.media.items() if name.endswith(".jpg")})
    service.archives["PMC5"] = broken(whole, article.figures["F1"])
    for healed in (False, True):
        if healed:
            service.archives["PMC5"] = whole
        with source(service, input=["PMC5"], cache=str(tmp_path)) as given:
            (document,) = given.fetch(planned(given)[0])
            assert isinstance(document, Document)
            document.prepare(document.figures)
            first, second = document.figures
            assert document.read(second) == article.media[article.figures["F2"]]
            if healed:
                assert document.read(first) == article.media[article.figures["F1"]]
            else:
                with pytest.raises(pmcx.InputError):
                    document.read(first)
            document.close()
    assert len(service.asked("supplementaryFiles")) == 3, "twice the same bytes, and nothing kept"


# -- records ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        ("cc by", "CC BY"),
        ("CC BY-NC-ND", "CC BY-NC-ND"),
        ("cc-by-sa", "CC BY-SA"),
        ("cc0", "CC0"),
        ("no-cc code", "unknown"),
        ("cc by-nd-nc", "unknown"),
        ("", "unknown"),
    ],
)
def test_licences_as_they_are_written(stated: str, code: str) -> None:
    found = license_of({"license": stated})
    assert (found.code, found.evidence) == (code, stated)


def test_records_with_hardly_anything_and_with_more() -> None:
    bare = describe({}, "PMC1", "europepmc")
    assert (bare.license.code, bare.date, bare.journal, bare.retracted) == ("unknown", "", "", False)
    assert fingerprint({}) == ""
    record = {
        "pubTypeList": {"pubType": ["Journal Article", "Retracted Publication"]},
        "journalInfo": {"journal": {"title": "Sci Rep"}}, "pubYear": "2024", "pmid": 12,
        "dateOfRevision": "2024-03-01", "versionNumber": 2,
    }  # fmt: skip
    found = describe(record, "PMC1", "europepmc")
    assert found.retracted and (found.journal, found.date, found.ids.pmid) == ("Sci Rep", "2024", "12")
    assert fingerprint(record) == "2024-03-01/2"
    notice = describe({"pubTypeList": {"pubType": "Retraction of Publication"}}, "PMC1", "europepmc")
    assert notice.article_type == "retraction" and not notice.retracted


# -- contract -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def shared() -> Iterator[None]:
    with Service() as standin:
        for n in range(1, 5):
            standin.put(n)
        standin.add("PMC9", None)
        TestContract.url = standin.url
        yield


class TestContract(SourceSuite):
    url = ""

    @staticmethod
    def make() -> EuropePmcSource:
        return EuropePmcSource(
            {**QUICK, "endpoint": TestContract.url, "query": "demonstration", "input": ["PMC9", "PMC77"]}
        )


def test_live_checks_hold_and_one_that_does_not(service: Service) -> None:
    for n in range(1, 9):
        service.put(n)

    def failures(given: EuropePmcSource) -> dict[str, str]:
        found = {}
        with Client(given.options, {}) as client:
            for check in given.live_checks(client):
                try:
                    assert check.check()
                except (AssertionError, pmcx.PmcxError) as error:
                    found[check.name] = str(error)
        return found

    assert failures(source(service)) == {}
    service.archives["PMC1"] = zipped({"figures/demo-26-1-g001.jpg": b"x"})
    assert failures(source(service)) == {"archive": "in folders: figures/demo-26-1-g001.jpg"}
    service.archives.clear()
    service.put(1, license="open")
    service.put(2, license="Creative Commons Attribution")
    assert failures(source(service)) == {}, "the search asks for cc by"
    named = source(service, input=["PMC1", "PMC2", "PMC3"])
    assert failures(named) == {"license": "open, Creative Commons Attribution"}
