"""The stand-ins keep what they promise: books, faults, and the protocols of the HTTP services."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import socket
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from lxml import etree
from standins.biorxiv_api import BiorxivStandIn
from standins.content import (
    pmc_article,
)
from standins.europepmc import EuropePmcStandIn
from standins.eutils import EutilsStandIn
from standins.faults import ALL_KINDS, Faults
from standins.http import StandIn
from standins.raw import ask, error_code
from standins.s3 import S3StandIn

from pmcx.sources import jats

# -- books and faults -----------------------------------------------------------------------------


@pytest.fixture
def shelf() -> Iterator[S3StandIn]:
    with S3StandIn() as server:
        for n in range(200):
            server.put("shelf", f"o{n}", bytes([n]) * 1000)
        server.public("shelf")
        yield server


def test_the_books_hold_every_request(shelf: S3StandIn) -> None:
    with httpx.Client() as client, ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: client.get(f"{shelf.url}/shelf/o{n}", headers={"X-Mine": str(n)}), range(200))
        )
    assert [len(answer.content) for answer in answers] == [1000] * 200
    assert sorted(hit.headers["x-mine"] for hit in shelf.log) == sorted(str(n) for n in range(200))
    assert {(hit.status, hit.bytes, hit.method, hit.query) for hit in shelf.log} == {(200, 1000, "GET", "")}
    assert sum(shelf.rate_per_second().values()) == 200
    assert max(shelf.rate_per_second().values()) <= shelf.peak_rate() <= 200
    assert 1 <= shelf.max_concurrency <= 8
    shelf.forget()
    assert (shelf.log, shelf.rate_per_second(), shelf.peak_rate()) == ([], {}, 0)


def test_slow_answers_overlap() -> None:
    with EuropePmcStandIn(zip_seconds=0.3) as server:
        server.add("PMC1", b"<article/>", {"a.jpg": os.urandom(50_000)})
        began = time.monotonic()
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: ask(server, "/PMC1/supplementaryFiles"), range(6)))
        spent = time.monotonic() - began
    assert all(zipfile.ZipFile(io.BytesIO(body)).namelist() == ["a.jpg"] for _, _, body in answers)
    assert spent >= 0.3
    assert server.max_concurrency >= 2


def decisions(faults: Faults, order: list[str]) -> dict[str, list[str]]:
    given: dict[str, list[str]] = {}
    for path in order:
        given.setdefault(path, []).append(faults.next(path).kind)
    return given


def test_faults_depend_on_seed_path_and_count_alone() -> None:
    paths = [f"/b/{n}" for n in range(500)]
    by_path = [path for path in paths for _ in range(4)]
    by_round = [path for _ in range(4) for path in reversed(paths)]
    assert decisions(Faults(seed=3), by_path) == decisions(Faults(seed=3), by_round)
    assert decisions(Faults(seed=3), by_path) != decisions(Faults(seed=4), by_path)
    kinds = Counter(kind for given in decisions(Faults(seed=3), by_path).values() for kind in given)
    assert 0.17 <= 1 - kinds[""] / 2000 <= 0.23
    assert {kind for kind in kinds if kind} == set(ALL_KINDS)


def test_faults_are_confined_and_last_for_ever_where_asked() -> None:
    faults = Faults(rate=1.0, only=r"\.jpg$", forever={"PMC1.1/PMC1.1.xml"}, kinds=("html",))
    assert faults.next("/b/PMC2.1/a.xml").kind == ""
    assert faults.next("/b/PMC2.1/a.jpg").kind == "html"
    given = {faults.next("/b/PMC1.1/PMC1.1.xml").kind for _ in range(50)}
    assert given == {"500", "503-slowdown", "reset"}
    assert faults.next("/b/PMC11.1/PMC1.1.xml").kind == ""
    assert faults.injected["html"] == 1
    with pytest.raises(ValueError, match="unknown kinds"):
        Faults(kinds=("teapot",))


def raw(server: StandIn, path: str) -> bytes:
    """Everything the server sends for one request, until it hangs up or falls silent for 0.3 s."""
    host, _, port = server.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = b""
        try:
            while block := connection.recv(65536):
                got += block
                connection.settimeout(0.3)
        except TimeoutError:
            got += b"<silence>"
        return got


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_each_fault_is_what_it_says(shelf: S3StandIn, kind: str) -> None:
    shelf.faults = Faults(rate=1.0, kinds=(kind,), retry_after=0.25)
    if kind == "reset":
        with pytest.raises(ConnectionResetError):
            raw(shelf, "/shelf/o65")
        assert shelf.log[0].status == 0
        return
    head, _, body = raw(shelf, "/shelf/o65").partition(b"\r\n\r\n")
    status = int(head.split()[1])
    fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:])
    silent = body.endswith(b"<silence>")
    body = body.removesuffix(b"<silence>")
    length = int(fields["content-length"])
    whole = bytes([65]) * 1000
    if kind[:3].isdigit():
        assert (status, fields.get("retry-after")) == (int(kind[:3]), "0.25" if "after" in kind else None)
        assert error_code(body) == {"5": "InternalError", "4": "TooManyRequests"}.get(
            kind[0] if kind != "503-slowdown" else "", "SlowDown"
        )
    elif kind in ("stall", "truncate"):
        assert (length, body, silent) == (1000, whole[:500], kind == "stall")
    elif kind == "wrong-bytes":
        assert (len(body), length, hashlib.md5(whole).hexdigest()) == (1000, 1000, fields["etag"].strip('"'))
        assert body != whole
    elif kind == "wrong-length":
        assert (body, silent) == (whole, False)
        assert length != 1000
    elif kind == "html":
        assert (status, fields["content-type"], b"<html>" in body) == (200, "text/html", True)
    else:
        assert (status, length) == (302, 0)
        assert urlsplit(fields["location"]).netloc != shelf.host


def test_both_wrong_lengths_come(shelf: S3StandIn) -> None:
    shelf.faults = Faults(rate=1.0, kinds=("wrong-length",))
    lengths = {int(re.search(rb"Content-Length: (\d+)", raw(shelf, f"/shelf/o{n}"))[1]) for n in range(12)}  # type: ignore[index]
    assert min(lengths) < 1000 < max(lengths)


def test_visits_to_the_other_host_are_noted(shelf: S3StandIn) -> None:
    shelf.faults = Faults(rate=1.0, kinds=("away",))
    with httpx.Client(follow_redirects=True) as client:
        assert client.get(f"{shelf.url}/shelf/o1").text.startswith("<!DOCTYPE html>")
    assert shelf.visits == ["/shelf/o1"]


# -- E-utilities ----------------------------------------------------------------------------------


@pytest.fixture
def eutils() -> Iterator[EutilsStandIn]:
    with EutilsStandIn(per_second=1000) as server:
        for n in range(1, 29):
            server.add(
                f"PMC{n}", f"2026-{1 + n % 2:02d}-{n:02d}", "CC BY" if n <= 20 else "CC BY-NC-ND", oa=n != 7
            )
        server.add(
            "PMC99", "2025-12-31", None, journal="Ann Demo", title="A mouse study", xml=pmc_article(99).xml
        )
        yield server


def search(server: EutilsStandIn, term: str, **more: Any) -> dict[str, Any]:
    query = {"db": "pmc", "term": term, "retmode": "json", "retmax": "100", "tool": "t", "email": "e", **more}
    answer = httpx.get(f"{server.url}/entrez/eutils/esearch.fcgi", params=query)
    result: dict[str, Any] = answer.json()["esearchresult"]
    return result


@pytest.mark.parametrize(
    ("term", "count"),
    [
        ("open_access[filter]", 28),
        ("cc_by_license[filter] AND open_access[filter]", 19),
        ("cc_by-nc-nd_license[filter]", 8),
        ("open_access[filter] AND (cc_by_license[filter] OR cc_by-nc-nd_license[filter])", 27),
        ("2026/01/01:2026/01/31[pmcrdat]", 14),
        ('"2026/01/02"[edat] : "2026/01/06"[edat]', 3),
        ("2026/02[edat]", 14),
        ("2025:2026[pmcrdat]", 29),
        ("2026[crdt]", 0),
        ("2026[pmcrdat] NOT cc_by_license[filter]", 8),
        ("Ann Demo[Journal]", 1),
        ('"mouse study"', 1),
        ("no_such[filter]", 0),
        ("PMC5[pmcid] OR 6[uid]", 2),
    ],
)
def test_esearch_terms(eutils: EutilsStandIn, term: str, count: int) -> None:
    found = search(eutils, term)
    assert (found["count"], len(found["idlist"])) == (str(count), count)
    assert all(each.isdigit() for each in found["idlist"])
    assert not eutils.impolite


def test_esearch_dates_as_parameters(eutils: EutilsStandIn) -> None:
    found = search(eutils, "open_access[filter]", mindate="2026/01/01", maxdate="2026/01/31", datetype="edat")
    assert found["count"] == "14"
    assert "ERROR" in search(eutils, "open_access[filter]", mindate="2026/01/01")


@pytest.mark.parametrize("term", ["", "(", "a AND", "x[nosuchfield]"])
def test_bad_queries_are_errors_with_status_200(eutils: EutilsStandIn, term: str) -> None:
    assert set(search(eutils, term)) == {"ERROR"}


def test_no_more_than_9999_ids() -> None:
    with EutilsStandIn(per_second=1000) as server:
        for n in range(1, 10_502):
            server.add(f"PMC{n}")
        assert search(server, "open_access[filter]", retmax="0")["count"] == "10501"
        whole = search(server, "open_access[filter]", retmax="9999")
        assert len(set(whole["idlist"])) == 9999
        assert "cannot be larger than 9998" in search(server, "open_access[filter]", retstart="9999")["ERROR"]
        assert "first 9,999 records" in search(server, "open_access[filter]", retmax="10000")["ERROR"]


def test_history_and_efetch(eutils: EutilsStandIn) -> None:
    kept = search(eutils, "Ann Demo[Journal] OR 7[uid]", usehistory="y")
    query = {"db": "pmc", "WebEnv": kept["webenv"], "query_key": kept["querykey"], "retmax": "9"}
    root = etree.fromstring(httpx.get(f"{eutils.url}/efetch.fcgi", params=query).content)
    assert (root.tag, len(root)) == ("pmc-articleset", 2)
    by_id = httpx.get(f"{eutils.url}/efetch.fcgi", params={"db": "pmc", "id": "99,424242,7"}).content
    parsed = [
        jats.parse(by_id, source="efetch", article_id=f"x{k}", index=k) for k in range(len(jats.scan(by_id)))
    ]
    assert [each.article.ids.pmcid for each in parsed] == ["PMC99", "PMC7"]
    assert [len(each.figures) for each in parsed] == [3, 0]
    lost = search(eutils, "", WebEnv="nowhere", query_key="1")
    assert "Unable to obtain query" in lost["ERROR"]


def test_non_open_access_comes_without_body(eutils: EutilsStandIn) -> None:
    eutils.add("PMC98", oa=False, xml=pmc_article(98).xml)
    text = httpx.get(f"{eutils.url}/efetch.fcgi", params={"db": "pmc", "id": "98"}).text
    assert "<body>" not in text
    assert "does not allow downloading" in text


def test_eutils_rates() -> None:
    now = [100.0]
    with EutilsStandIn(clock=lambda: now[0]) as server:
        codes = [ask(server, "/esearch.fcgi?db=pmc&term=a")[0] for _ in range(5)]
        keyed = [ask(server, "/esearch.fcgi?db=pmc&term=a&api_key=k")[0] for _ in range(12)]
        body = ask(server, "/esearch.fcgi?db=pmc&term=a")[2]
        assert len(server.impolite) == 18
        now[0] += 1.0
        assert ask(server, "/esearch.fcgi?db=pmc&term=a")[0] == 200
    assert (codes, keyed) == ([200] * 3 + [429] * 2, [200] * 10 + [429] * 2)
    assert json.loads(body) == {"error": "API rate limit exceeded", "count": "11"}


# -- bioRxiv API ----------------------------------------------------------------------------------


def details(server: BiorxivStandIn, rest: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    answer = httpx.get(f"{server.url}/details/{rest}").json()
    return answer["messages"][0], answer["collection"]


def test_biorxiv_pages() -> None:
    with BiorxivStandIn("medrxiv", short_page=30) as server:
        for n in range(330):
            server.add(
                f"10.64898/2026.01.14.{n}",
                date=f"2026-01-{1 + n % 28:02d}",
                category="oncology" if n < 5 else "cell biology",
            )
        cursor, seen, totals = 0, [], []
        while True:
            message, rows = details(server, f"medrxiv/2026-01-01/2026-01-31/{cursor}/json")
            if not rows:
                break
            totals.append(message["total"])
            cursor += int(message["count"])
            seen += [row["doi"] for row in rows]
        assert message == {"status": "no posts found"}
        assert len(seen) == len(set(seen)) == 330
        assert {type(total) for total in totals} == {str, int}
        assert {int(total) for total in totals} == {330}
        assert len(details(server, "medrxiv/2026-01-01/2026-01-31/0/json?category=oncology")[1]) == 5
        assert details(server, "biorxiv/2026-01-01/2026-01-31/0/json")[1] == []
        assert len(details(server, "medrxiv/2026-01-02/2026-01-02")[1]) == 12


def test_biorxiv_versions_and_odd_rows() -> None:
    with BiorxivStandIn() as server:
        for version in (10, 1, 2):
            server.add("10.1101/2020.01.02.1", version, date=f"2020-02-{version:02d}")
        server.add(
            "10.64898/2026.01.14.7", license="cc_no", without=("category", "funder"), published="10.1/x"
        )
        message, rows = details(server, "biorxiv/10.1101/2020.01.02.1/na/json")
        assert (message, [row["version"] for row in rows]) == ({"status": "ok"}, ["1", "2", "10"])
        (row,) = details(server, "biorxiv/10.64898/2026.01.14.7/na/json")[1]
        assert {"category", "funder"}.isdisjoint(row)
        assert details(server, "biorxiv/10.1101/absent/na/json") == ({"status": "no posts found"}, [])


@pytest.mark.real_data
def test_biorxiv_rows_have_the_shape_of_the_real_ones(shared_data: Path) -> None:
    with BiorxivStandIn() as server:
        server.add("10.1101/2021.11.22.469359", 5)
        rows = server.rows
    real = json.loads(
        (shared_data / "interfaces/biorxiv_api/details_item_2021.11.22.469359_v5.json").read_text()
    )
    assert set(real) == set(rows[0])
    assert {key: type(value) for key, value in real.items() if key != "funder"} == {
        key: type(value) for key, value in rows[0].items() if key != "funder"
    }


# -- Europe PMC -----------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["same", "absent"])
def test_europepmc_search_pages(last: str) -> None:
    with EuropePmcStandIn(last_cursor=last) as server:
        for n in range(1, 26):
            server.add(
                f"PMC{n}", b"<article/>" if n <= 23 else None, license="cc by" if n % 2 else "cc by-nc"
            )
        mark, seen = "*", []
        while True:
            query = {
                "query": "OPEN_ACCESS:Y AND FIRST_PDATE:[2026-01-01 TO 2026-12-31]",
                "pageSize": "10",
                "format": "json",
            }
            page = httpx.get(f"{server.url}/search", params={**query, "cursorMark": mark}).json()
            seen += [result["pmcid"] for result in page["resultList"]["result"]]
            assert page["hitCount"] == 23
            following = page.get("nextCursorMark", "")
            if not following or following == mark:
                break
            mark = following
        assert len(seen) == len(set(seen)) == 23
        found = httpx.get(
            f"{server.url}/search", params={"query": 'LICENSE:"cc by-nc" AND OPEN_ACCESS:Y'}
        ).json()
        assert found["hitCount"] == 11
        assert "errMsg" in httpx.get(f"{server.url}/search", params={"query": "NOSUCH:1"}).json()


def test_europepmc_articles() -> None:
    with EuropePmcStandIn() as server:
        server.add("PMC1", b"<article/>", {"f1.jpg": b"jpg"}, {"table.xlsx": b"xlsx"})
        server.add("PMC2", None, {"f1.jpg": b"jpg"})
        assert ask(server, "/rest/PMC1/fullTextXML")[2] == b"<article/>"
        assert (
            ask(server, "/rest/PMC2/fullTextXML")[0] == ask(server, "/rest/PMC2/supplementaryFiles")[0] == 404
        )
        for query, names in (("", {"f1.jpg", "table.xlsx"}), ("?includeInlineImage=false", {"table.xlsx"})):
            _, _, body = ask(server, f"/rest/PMC1/supplementaryFiles{query}")
            assert set(zipfile.ZipFile(io.BytesIO(body)).namelist()) == names
