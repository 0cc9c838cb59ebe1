"""Searching with E-utilities: within NCBI's limits, complete, and without a secret in any log."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from standins.eutils import EutilsStandIn
from standins.http import Reply, Request
from standins.pmc import PmcBucket, pmc_article
from standins.s3 import S3StandIn

from pmcx import InputError, TransientError, UsageError
from pmcx.core.net.client import Client
from pmcx.core.net.options import NetOptions
from pmcx.core.records import ArticleRef, Drop
from pmcx.sources.pmc.eutils import Search, search_term
from pmcx.sources.pmc.options import PmcOptions
from pmcx.sources.pmc.source import PmcOaSource

SECRET = "0123456789abcdef-secret"


@pytest.fixture
def eutils() -> Iterator[EutilsStandIn]:
    with EutilsStandIn(per_second=1000, with_key=1000) as standin:
        yield standin


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(NetOptions(cache="none", max_wait=0.05, attempts=4, timeout=2.0)) as client:
        yield client


def search(client: Client, eutils: EutilsStandIn, term: str, *days: date | None) -> list[int]:
    since, until = (*days, None, None)[:2]
    return Search(client, eutils.url, contact="me@example.org").numbers(term, since, until)


def spread(eutils: EutilsStandIn, count: int, first: date, days: int) -> list[int]:
    """Index articles, so many a day, in no order of their numbers; answers these."""
    numbers = [1000 + (n * 7919) % 100_003 for n in range(count)]
    for n, number in enumerate(numbers):
        eutils.add(f"PMC{number}", (first + timedelta(n % days)).isoformat())
    return sorted(numbers)


def asked(eutils: EutilsStandIn) -> list[str]:
    return [hit.query for hit in eutils.log]


# -- complete -----------------------------------------------------------------------------------


def test_a_small_answer_takes_one_request(client: Client, eutils: EutilsStandIn) -> None:
    numbers = spread(eutils, 120, date(2026, 1, 1), 30)
    assert search(client, eutils, "open_access[filter]") == numbers
    assert len(eutils.log) == 1
    assert not eutils.impolite


def test_a_large_answer_is_cut_by_dates(client: Client, eutils: EutilsStandIn) -> None:
    eutils.most = 9_999
    numbers = spread(eutils, 25_000, date(2025, 1, 1), 365)
    assert search(client, eutils, "open_access[filter]") == numbers
    assert len(eutils.log) < 40
    assert search(client, eutils, "open_access[filter]", date(2025, 1, 1), date(2025, 12, 31)) == numbers


@pytest.mark.parametrize("count", [9_998, 9_999, 10_000])
def test_around_the_limit(client: Client, eutils: EutilsStandIn, count: int) -> None:
    numbers = spread(eutils, count, date(2026, 1, 1), 2)
    assert search(client, eutils, "open_access[filter]", date(2026, 1, 1), date(2026, 1, 2)) == numbers


def test_both_days_are_included(client: Client, eutils: EutilsStandIn) -> None:
    for day in range(1, 8):
        eutils.add(f"PMC{day}", f"2026-01-0{day}")
    assert search(client, eutils, "", date(2026, 1, 3), date(2026, 1, 5)) == [3, 4, 5]
    assert search(client, eutils, "", date(2026, 1, 6)) == [6, 7]
    assert search(client, eutils, "", None, date(2026, 1, 2)) == [1, 2]


def test_a_day_with_too_many_is_no_silent_loss(client: Client, eutils: EutilsStandIn) -> None:
    spread(eutils, 10_050, date(2026, 1, 5), 1)
    with pytest.raises(UsageError, match=r"10050 articles of one day \(2026-01-05\).*narrow the query"):
        search(client, eutils, "open_access[filter]")


def test_articles_without_a_usable_date_are_told_of(
    client: Client, eutils: EutilsStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    spread(eutils, 10_050, date(2026, 1, 1), 30)
    eutils.add("PMC999999", "1970-01-01")
    assert len(search(client, eutils, "open_access[filter]")) == 10_050
    assert "finds 10051 articles, but only 10050 by their dates" in caplog.text


# -- what is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "open_access_only", "term"),
    [
        ("", True, "open_access[filter]"),
        ("", False, ""),
        ("a OR b", True, "(a OR b) AND open_access[filter]"),
        (" melanoma[title] ", False, "(melanoma[title])"),
    ],
)
def test_terms(query: str, open_access_only: bool, term: str) -> None:
    assert search_term(query, open_access_only) == term


def test_requests_name_the_tool_the_user_and_the_key(client: Client, eutils: EutilsStandIn) -> None:
    eutils.add("PMC5")
    Search(client, eutils.url + "/", api_key=SECRET, contact="me@example.org").numbers(
        "x OR demo", None, None
    )
    (query,) = asked(eutils)
    for part in ("db=pmc", "tool=pmcx", "email=me%40example.org", f"api_key={SECRET}", "retmode=json"):
        assert part in query


def test_a_query_that_ncbi_does_not_understand_is_the_user_s(client: Client, eutils: EutilsStandIn) -> None:
    with pytest.raises(UsageError, match=r"does not accept the query '\(\(x'.*Couldn't parse"):
        search(client, eutils, "((x")
    assert len(eutils.log) == 1


def test_what_ncbi_ignored_is_told(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    body = (
        b'{"esearchresult":{"count":"1","idlist":["PMC7"],'
        b'"errorlist":{"fieldsnotfound":["titel"],"phrasesnotfound":[]},'
        b'"warninglist":{"outputmessages":["No items found."],"phrasesignored":["the"]}}}'
    )
    monkeypatch.setattr(eutils, "answer", lambda request: Reply(200, body, {}))
    assert search(client, eutils, "x[titel]") == [7]
    assert "fieldsnotfound: titel" in caplog.text
    assert "phrasesignored: the" in caplog.text
    assert "No items found" not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"esearchresult":{"ERROR":"Search Backend failed: the address table is empty."}}',
        b'{"esearchresult":{"ERROR":"Search is temporarily unavailable"}}',
        b'{"esearchresult":',
        b'["what"]',
        b"<html>busy</html>",
    ],
)
def test_troubles_of_ncbi_are_asked_again(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    eutils.add("PMC5")
    sound, left = eutils.answer, [body, body]
    monkeypatch.setattr(
        eutils, "answer", lambda request: Reply(200, left.pop(), {}) if left else sound(request)
    )
    assert search(client, eutils, "open_access[filter]") == [5]
    assert len(eutils.log) == 3
    left[:] = [body] * 9
    with pytest.raises(TransientError, match="4 attempts"):
        search(client, eutils, "open_access[filter]")


def test_an_answer_without_ids(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eutils, "answer", lambda request: Reply(200, b'{"esearchresult":{"count":"3"}}', {}))
    with pytest.raises(TransientError, match="without count and idlist"):
        search(client, eutils, "x")


def answering(monkeypatch: pytest.MonkeyPatch, eutils: EutilsStandIn, **result: Any) -> None:
    body = json.dumps({"esearchresult": result}).encode()
    monkeypatch.setattr(eutils, "answer", lambda request: Reply(200, body, {}))


@pytest.mark.parametrize("since", [None, date(2026, 1, 1)])
def test_fewer_ids_than_were_counted_are_asked_for_again(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch, since: date | None
) -> None:
    numbers = spread(eutils, 20, date(2026, 1, 1), 5)
    sound, left = eutils.answer, [2]

    def cut(request: Request) -> Reply:
        reply = sound(request)
        if not left:
            return reply
        answer = json.loads(reply.body)
        del answer["esearchresult"]["idlist"][left.pop() :]
        return Reply(200, json.dumps(answer).encode(), {})

    monkeypatch.setattr(eutils, "answer", cut)
    assert search(client, eutils, "open_access[filter]", since) == numbers
    assert len(eutils.log) == 2
    left[:] = [12] * 9
    with pytest.raises(TransientError, match="counts 20 articles, but gives 12 ids"):
        search(client, eutils, "open_access[filter]", since)


def test_the_same_id_twice_is_an_id_too_few(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, eutils, count="2", idlist=["5", "5"])
    with pytest.raises(TransientError, match="counts 2 articles, but gives 1 ids"):
        search(client, eutils, "x")


def halves_that_lack(eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """So many times the first half of the whole period is answered as if nothing were in it."""
    sound, left = eutils.answer, [None] * times

    def lacking(request: Request) -> Reply:
        dates = re.search(r"2026/01/01:2026/01/(\d\d)\[pmcrdat\]", unquote(request.query))
        if dates and dates[1] != "31" and left:
            left.pop()
            return Reply(200, b'{"esearchresult":{"count":"0","idlist":[]}}', {})
        return sound(request)

    monkeypatch.setattr(eutils, "answer", lacking)


@pytest.mark.parametrize("times", [1, 2])
def test_a_period_whose_halves_hold_less_is_halved_anew(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    numbers = spread(eutils, 12_000, date(2026, 1, 1), 31)
    halves_that_lack(eutils, monkeypatch, times)
    assert search(client, eutils, "", date(2026, 1, 1), date(2026, 1, 31)) == numbers


def test_a_period_whose_halves_never_agree_is_no_silent_loss(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread(eutils, 12_000, date(2026, 1, 1), 31)
    halves_that_lack(eutils, monkeypatch, 99)
    with pytest.raises(TransientError, match=r"counts 12000 articles .* in the halves"):
        search(client, eutils, "", date(2026, 1, 1), date(2026, 1, 31))
    answering(monkeypatch, eutils, count="20000", idlist=[])
    with pytest.raises(TransientError, match="40000 in the halves"):
        search(client, eutils, "x")


def test_articles_that_come_while_a_search_is_cut_are_taken(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = spread(eutils, 12_000, date(2026, 1, 1), 31)
    sound = eutils.answer

    def growing(request: Request) -> Reply:
        reply = sound(request)
        if len(eutils.entries) < 12_003:
            eutils.add(f"PMC{200_000 + len(eutils.entries)}", "2026-01-31")
        return reply

    monkeypatch.setattr(eutils, "answer", growing)
    found = search(client, eutils, "", date(2026, 1, 1), date(2026, 1, 31))
    assert set(numbers) <= set(found)
    assert len(found) > 12_000


@pytest.mark.parametrize(
    "result",
    [
        {"count": "-5", "idlist": ["1"]},
        {"count": None, "idlist": []},
        {"count": "1", "idlist": "5"},
        {"count": "2", "idlist": ["1.5", "2"]},
        {"count": "1", "idlist": ["9" * 30]},
        {"count": "1", "idlist": ["-3"]},
        {"count": "1", "idlist": [["3"]]},
        {"count": "1", "idlist": ["3"], "errorlist": ["x"]},
        {"count": "1", "idlist": ["3"], "warninglist": "x"},
    ],
)
def test_answers_of_wrong_types(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]
) -> None:
    answering(monkeypatch, eutils, **result)
    with pytest.raises(TransientError, match="ESearch answered with"):
        search(client, eutils, "x")


def test_an_answer_nested_without_end(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for depth in (500, 100_000):
        body = b'{"esearchresult":{"count":' + b"[" * depth + b"]" * depth + b"}}"
        monkeypatch.setattr(eutils, "answer", lambda request, body=body: Reply(200, body, {}))
        with pytest.raises(TransientError, match="4 attempts"):
            search(client, eutils, "x")


@pytest.mark.parametrize("ids", [["3"], [3], ["PMC3"]])
def test_forms_of_ids(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch, ids: list[Any]
) -> None:
    answering(monkeypatch, eutils, count=1, idlist=ids, errorlist=[], warninglist={"quotedphrases": "x"})
    assert search(client, eutils, "x") == [3]


def test_a_backend_that_fails_is_asked_again(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, eutils, count="0", idlist=[], ERROR="Search Backend failed: connection refused")
    with pytest.raises(TransientError, match="connection refused"):
        search(client, eutils, "x")


def test_an_unknown_phrase_that_finds_nothing_is_the_user_s(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = {"phrasesnotfound": ["zzz[title]"], "fieldsnotfound": []}
    answering(monkeypatch, eutils, count="0", idlist=[], errorlist=unknown)
    with pytest.raises(UsageError, match=r"does not know 'zzz\[title\]'"):
        search(client, eutils, "zzz[title]", date(2026, 1, 1))
    answering(monkeypatch, eutils, count="1", idlist=["3"], errorlist=unknown)
    assert search(client, eutils, "zzz[title] OR demo") == [3]
    assert "phrasesnotfound: zzz[title]" in caplog.text


def test_a_period_without_articles_is_no_unknown_phrase(
    client: Client, eutils: EutilsStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates = {"phrasesnotfound": ["2026/01/01:2026/01/02[pmcrdat]", '"2026/01/01"[PMC Release Date]']}
    answering(monkeypatch, eutils, count="0", idlist=[], errorlist=dates)
    assert search(client, eutils, "", date(2026, 1, 1), date(2026, 1, 2)) == []


# -- through the source -------------------------------------------------------------------------


def source(s3: S3StandIn, eutils: EutilsStandIn, **options: Any) -> PmcOaSource:
    settings = {
        "endpoint": s3.url, "eutils": eutils.url, "contact": "me@example.org", "cache": "none",
        "max_wait": 1.2, "timeout": 2.0, **options,
    }  # fmt: skip
    return PmcOaSource(settings)


def test_a_search_gives_the_versions_in_order_of_number(s3: S3StandIn, eutils: EutilsStandIn) -> None:
    bucket = PmcBucket(s3)
    for n in (9000, 77, 777):
        bucket.add(pmc_article(n, 1, date="2026-01-15"))
        eutils.add(f"PMC{n}", "2026-01-15")
    bucket.add(pmc_article(77, 1, version=10), pmc_article(5, 1))
    eutils.add("PMC5", "2026-01-15", oa=False)
    found = list(source(s3, eutils, since="2026-01-01", until="2026-01-31").plan())
    older = found.pop(1)
    assert isinstance(older, Drop) and (older.id, older.reason) == ("PMC77.1", "older-version")
    assert [each.id for each in found] == ["PMC77.10", "PMC777.1", "PMC9000.1"]
    assert len(eutils.log) == 1
    both = source(s3, eutils, since="2026-01-01", until="2026-01-31", open_access_only=False)
    assert next(each.id for each in both.plan()) == "PMC5.1"


def test_with_an_inventory_a_search_needs_no_listing(s3: S3StandIn, eutils: EutilsStandIn) -> None:
    bucket = PmcBucket(s3)
    for pmcid in bucket.fill(8, 101, figures=1):
        eutils.add(pmcid)
    bucket.inventory()
    s3.forget()
    found = list(source(s3, eutils, query="demonstration", inventory=True).plan())
    assert [each.id for each in found] == [f"PMC{n}.1" for n in range(101, 109)]
    assert all(isinstance(each, ArticleRef) and each.fingerprint for each in found)
    assert len(s3.log) == 4


def test_ncbi_s_rate_is_kept(s3: S3StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three requests in any second without a key, ten with one; nobody is told off."""
    monkeypatch.delenv("NCBI_API_KEY", raising=False)
    with EutilsStandIn() as strict:
        strict.most = 9_999
        spread(strict, 10_100, date(2025, 1, 1), 365)
        PmcBucket(s3)
        with source(s3, strict, query="demonstration", api_key=SECRET) as opened:
            for _ in range(2):
                assert len(opened._search().numbers("demonstration", None, None)) == 10_100
        assert len(strict.log) > 10
        assert strict.peak_rate() <= 10
        assert {hit.status for hit in strict.log} == {200}
        strict.forget()
        with source(s3, strict, query="demonstration") as opened:
            for _ in range(5):
                opened._search().numbers("nothing-of-that-name", None, None)
        assert strict.peak_rate() <= 3
        assert {hit.status for hit in strict.log} == {200}


def test_when_ncbi_says_too_many_the_search_waits(s3: S3StandIn, eutils: EutilsStandIn) -> None:
    eutils.add("PMC5")
    eutils.faults.script["/esearch.fcgi"] = ["429", "429:0.1"]
    with source(s3, eutils, query="demonstration") as opened:
        assert opened._search().numbers("demonstration", None, None) == [5]


# -- the secret ---------------------------------------------------------------------------------


def test_the_key_is_in_no_log_no_error_and_no_identity(
    s3: S3StandIn, eutils: EutilsStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    PmcBucket(s3)
    eutils.add("PMC5")
    eutils.faults.script["/esearch.fcgi"] = ["500", "429:0", "reset"]
    asking = source(s3, eutils, query="demonstration", api_key=SECRET)
    with caplog.at_level(logging.DEBUG):
        list(asking.plan())
    assert SECRET in asked(eutils)[-1]
    assert "esearch.fcgi" in caplog.text  # httpx tells every request
    assert SECRET not in caplog.text
    eutils.faults.script["/esearch.fcgi"] = ["403"]
    with pytest.raises(InputError, match="refused") as told:
        list(source(s3, eutils, query="x", api_key=SECRET).plan())
    assert SECRET not in str(told.value)
    assert SECRET not in repr(asking.options)
    kept = asking.options.model_dump(mode="json", exclude=set(asking.circumstantial))
    assert "api_key" not in kept


def test_the_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCBI_API_KEY", "from-outside")
    assert PmcOptions().key() == "from-outside"
    assert PmcOptions(api_key="given").key() == "given"
    monkeypatch.delenv("NCBI_API_KEY")
    assert PmcOptions().key() == ""


def test_without_a_contact_the_user_is_told(
    s3: S3StandIn, eutils: EutilsStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    PmcBucket(s3)
    list(source(s3, eutils, query="x", contact="").plan())
    assert "set the option contact" in caplog.text
