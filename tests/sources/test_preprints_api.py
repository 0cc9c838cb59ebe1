"""The details API, and the ways to name preprints."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from standins.biorxiv_api import BiorxivStandIn
from standins.faults import Faults
from standins.http import Reply, Request

from pmcx import InputError, UsageError
from pmcx.core.errors import TransientError
from pmcx.core.net.client import Client
from pmcx.core.net.options import NetOptions
from pmcx.sources.preprints.api import LICENSES, Listing, PreprintApi, Row, _row, slug
from pmcx.sources.preprints.select import (
    Found,
    Place,
    Wanted,
    back_folder,
    latest_rows,
    month_folder,
    parse_doi,
    pick,
    read_index,
    read_inputs,
    search_folders,
)


@pytest.fixture
def standin() -> Iterator[BiorxivStandIn]:
    with BiorxivStandIn() as server:
        yield server


@pytest.fixture
def api(standin: BiorxivStandIn) -> Iterator[PreprintApi]:
    with Client(NetOptions(cache="none", max_wait=0.02, timeout=2.0)) as client:
        yield PreprintApi(client, standin.url, "biorxiv")


# -- paging -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "short"), [(0, 100), (1, 100), (100, 100), (101, 100), (350, 30)])
def test_every_row_comes_once(count: int, short: int) -> None:
    with BiorxivStandIn(short_page=short) as standin:
        for n in range(count):
            standin.add(f"10.1101/2026.01.14.{n:06d}", date=f"2026-01-{1 + n % 28:02d}")
        standin.add("10.1101/2025.12.31.1", date="2025-12-31")
        with Client(NetOptions(cache="none")) as client:
            rows = PreprintApi(client, f"{standin.url}/", "biorxiv").by_date("2026-01-01", "2026-01-31").rows
    assert sorted(row.doi for row in rows) == [f"10.1101/2026.01.14.{n:06d}" for n in range(count)]


def test_totals_as_text_or_number_and_no_posts_found(api: PreprintApi, standin: BiorxivStandIn) -> None:
    assert api.by_date("2026-01-01", "2026-01-31").rows == []
    for n in range(230):
        standin.add(f"10.64898/2026.01.14.{n:06d}")
    assert len(api.by_date("2026-01-01", "2026-01-31").rows) == 230


def test_categories_are_asked_for_and_checked(api: PreprintApi, standin: BiorxivStandIn) -> None:
    standin.add("10.1101/2026.01.14.1", category="cell biology")
    standin.add("10.1101/2026.01.14.2", category="neuroscience")
    standin.add("10.1101/2026.01.14.3", category="Cell Biology")
    found = [row.doi for row in api.by_date("2026-01-01", "2026-01-31", "cell_biology").rows]
    assert found == ["10.1101/2026.01.14.1", "10.1101/2026.01.14.3"]
    assert all(hit.query == "category=cell_biology" for hit in standin.log)
    assert slug(" Cell  Biology ") == "cell_biology"


def test_all_versions_of_a_doi(api: PreprintApi, standin: BiorxivStandIn) -> None:
    for version in (10, 2, 1):
        standin.add(
            "10.1101/2021.11.22.469359", version, date=f"2026-0{1 + version % 3}-08", license="cc_by_nc"
        )
    assert [row.version for row in api.by_doi("10.1101/2021.11.22.469359")] == ["1", "2", "10"]
    assert api.by_doi("10.1101/2021.11.22.469360") == []


def test_rows_with_missing_keys(api: PreprintApi, standin: BiorxivStandIn) -> None:
    standin.add("10.1101/2026.01.14.1", version=2, without=("date", "license", "category"))
    standin.add("10.1101/2026.01.14.2", without=("version", "jatsxml", "date"))
    standin.add("10.1101/2026.01.14.3", version=2, without=("date", "jatsxml"))
    assert api.by_doi("10.1101/2026.01.14.1") == [Row("10.1101/2026.01.14.1", "2", (2026, 1))]
    assert api.by_doi("10.1101/2026.01.14.2")[0].month == (2026, 1)  # of the first version: in the DOI
    assert api.by_doi("10.1101/2026.01.14.3")[0].month is None


def test_a_row_without_usable_doi_is_left_out() -> None:
    assert _row({"version": "1"}) is None
    assert _row({"doi": "10.1101/../x", "version": "1"}) is None
    assert _row({"doi": "10.1101/1", "version": "one"}) is None
    assert _row({"doi": "10.1101/1", "version": "9" * 5000}) is None
    assert _row({"doi": ["10.1101/1"], "version": {}}) is None


def test_an_error_of_the_api_is_said(api: PreprintApi) -> None:
    with pytest.raises(InputError, match="not recognised"):
        api.by_doi("10.x")


def test_faults_lose_no_row() -> None:
    with BiorxivStandIn(faults=Faults(rate=0.5, seed=3, stall_seconds=0.3)) as standin:
        for n in range(420):
            standin.add(f"10.1101/2026.01.14.{n:06d}")
        options = NetOptions(cache="none", max_wait=0.02, timeout=0.2, attempts=30)
        with Client(options) as client:
            rows = PreprintApi(client, standin.url, "biorxiv").by_date("2026-01-01", "2026-01-31").rows
        assert len(rows) == 420 and standin.faults.injected and not standin.visits


# -- answers that cannot be true ----------------------------------------------------------------


class Altered(BiorxivStandIn):
    """Answers that ``change`` gets to see and to replace, with the number of the request."""

    def __init__(self, change: Callable[[dict[str, Any], int], object], rows: int = 250) -> None:
        super().__init__()
        self.change, self._lock, self.requests = change, threading.Lock(), 0
        for n in range(rows):
            self.add(f"10.1101/2026.01.14.{n:06d}")

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        with self._lock:
            self.requests += 1
            content = json.loads(reply.body)
            changed = self.change(content, self.requests)
        return Reply(200, changed if isinstance(changed, bytes) else json.dumps(content).encode(), {})


def listing(standin: Altered) -> Listing:
    with Client(NetOptions(cache="none", max_wait=0.02, attempts=3)) as client:
        return PreprintApi(client, standin.url, "biorxiv").by_date("2026-01-01", "2026-01-31")


def message(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda page: page["messages"][0].update(values)


def nothing(page: dict[str, Any]) -> None:
    page.update(messages=[{"status": "no posts found"}], collection=[])


@pytest.mark.parametrize(
    "wrong",
    [
        nothing,
        lambda page: page.update(collection=[]),
        lambda page: page.update(collection=page["collection"][:60]),
        message(count=1_000_000),
        message(total=0),
        message(total=50),
        lambda page: b"{}",
        lambda page: b"[" * 100_000,
        lambda page: page.update(messages={"status": "Error"}),
        lambda page: page.update(messages="x", collection={"a": 1}),
        lambda page: page.update(collection=[1]),
    ],
)
def test_a_wrong_page_is_asked_for_again_and_transient(wrong: Callable[[dict[str, Any]], object]) -> None:
    with Altered(lambda page, nth: wrong(page) if nth == 2 else None) as standin:
        found = listing(standin)
        assert len(found.rows) == 250 and found.incomplete == "" and standin.requests == 4
    with Altered(lambda page, nth: wrong(page) if nth >= 2 else None) as standin:
        with pytest.raises(TransientError, match="3 attempts"):
            listing(standin)
        assert standin.requests == 4


@pytest.mark.parametrize("total", [None, "n/a", "9" * 5000])
def test_paging_without_a_total_ends(total: str | None) -> None:
    with Altered(lambda page, nth: message(total=total)(page)) as standin:
        found = listing(standin)
        assert len(found.rows) == 250 and "does not say how many" in found.incomplete
    first: list[Any] = []

    def again(page: dict[str, Any], nth: int) -> None:
        first.append(page["collection"])
        page.update(messages=[{"status": "ok", "total": total}], collection=first[0])

    with Altered(again) as standin:
        with pytest.raises(TransientError, match="only rows that came before"):
            listing(standin)
        assert standin.requests == 4


def test_doubts_about_a_listing() -> None:
    """An interval that is empty now may have had rows before."""
    with Altered(lambda page, nth: nothing(page)) as standin:
        assert listing(standin) == ([], "the API of biorxiv: no rows at all")

    def huge(page: dict[str, Any], nth: int) -> None:
        page["collection"][0]["version"] = "9" * 5000
        page["collection"][1] = page["collection"][2]

    with Altered(huge, rows=20) as standin:
        found = listing(standin)
    assert len(found.rows) == 18
    assert "1 rows came twice" in found.incomplete and "1 rows without a usable DOI" in found.incomplete


@pytest.mark.real_data
def test_real_rows(shared_data: Path) -> None:
    folder = shared_data / "interfaces" / "biorxiv_api"
    rows = {path.name: _row(json.loads(path.read_text())) for path in folder.glob("details_item_*.json")}
    assert set(rows.values()) == {
        Row("10.1101/2021.11.22.469359", "5", (2026, 4), "cc_by", "neuroscience"),
        Row("10.1101/456574", "1", (2018, 10), "cc_by_nc", "neuroscience"),
        Row("10.1101/2020.09.09.20191205", "1", (2020, 9), "cc_no", "infectious diseases"),
    }
    assert all(row is not None and row.license in LICENSES for row in rows.values())


@pytest.mark.real_data
def test_a_real_index(shared_data: Path) -> None:
    path = shared_data / "interfaces" / "biorxiv_api" / "openrxiv_csf_works_2024.01.25.577295.json"
    key = "Current_Content/January_2024/a765f23d-6f3e-1014-a187-cd164f93e87a.meca"
    assert read_index(path, "biorxiv-src-monthly") == {Wanted("10.1101/2024.01.25.577295", "1"): key}
    assert read_index(path, "medrxiv-src-monthly") == {}


# -- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.1101/2024.01.24.24301711", Wanted("10.1101/2024.01.24.24301711")),
        ("10.64898/2026.02.12.26345333v2", Wanted("10.64898/2026.02.12.26345333", "2")),
        ("10.1101/456574", Wanted("10.1101/456574")),
        ("https://doi.org/10.1101/456574", Wanted("10.1101/456574")),
        ("doi: 10.1101/456574v03", Wanted("10.1101/456574", "3")),
        ("https://www.medrxiv.org/content/10.1101/2024.01.24.24301711v1.full.pdf",
         Wanted("10.1101/2024.01.24.24301711", "1")),
        ("PMC123", None),
        ("10.1101/../x", None),
        ("10.1101/", None),
    ],
)  # fmt: skip
def test_dois(text: str, found: Wanted | None) -> None:
    assert parse_doi(text) == found


def test_lists_of_dois(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# mine\n10.1101/1\n\n10.1101/2v4\n10.1101/1\n")
    (tmp_path / "table.csv").write_text('title,DOI\n"One, two",10.1101/3\nThree,10.1101/4\n')
    inputs = [str(tmp_path / "list.txt"), "10.1101/9", str(tmp_path / "table.csv")]
    assert [item.doi[8:] + item.version for item in read_inputs(inputs)] == ["1", "24", "9", "3", "4"]
    (tmp_path / "bad.txt").write_text("10.1101/1\nPMC5\n")
    with pytest.raises(UsageError, match=r"bad\.txt, line 2: 'PMC5'"):
        read_inputs([str(tmp_path / "bad.txt")])
    with pytest.raises(UsageError, match="neither a DOI"):
        read_inputs(["somewhere"])


def test_an_endless_version_is_no_bug(tmp_path: Path) -> None:
    long = "9" * 5000
    assert parse_doi(f"10.1101/1v{long}") == Wanted(f"10.1101/1v{long}")
    (tmp_path / "index.csv").write_text(f"doi,version,key\n10.1101/1,{long},a.meca\n")
    with pytest.raises(UsageError, match="without doi, version"):
        read_index(tmp_path / "index.csv", "x")


def test_indexes(tmp_path: Path) -> None:
    rows = [
        {"doi": "10.1101/1", "version": 2, "s3Key": "Current_Content/a.meca"},
        {"doi": "10.1101/2", "version": "1", "s3Key": "b.meca", "s3Bucket": "other"},
    ]
    expected = {Wanted("10.1101/1", "2"): "Current_Content/a.meca"}
    (tmp_path / "index.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "index.json").write_text(json.dumps(rows))
    (tmp_path / "index.csv").write_text("doi,version,key\n10.1101/1,2,Current_Content/a.meca\n")
    for path in tmp_path.iterdir():
        assert read_index(path, "biorxiv-src-monthly") == expected
    (tmp_path / "bad.csv").write_text("doi,key\n10.1101/1,a.meca\n")
    with pytest.raises(UsageError, match="without doi, version"):
        read_index(tmp_path / "bad.csv", "x")
    with pytest.raises(UsageError, match="cannot read"):
        read_index(tmp_path / "none.csv", "x")


@pytest.mark.parametrize("text", ["2026-01", "January_2026", "jan 2026", "January-2026"])
def test_months(text: str) -> None:
    assert month_folder(text) == "Current_Content/January_2026/"


@pytest.mark.parametrize("text", ["2026-13", "Janury_2026", "2026", "Ja_2026", ""])
def test_no_months(text: str) -> None:
    with pytest.raises(UsageError, match="no month"):
        month_folder(text)


def test_batches() -> None:
    assert back_folder("Batch_01", "biorxiv") == "Back_Content/Batch_01/"
    assert back_folder("Back_Content/medRxiv_Batch_16/", "medrxiv") == "Back_Content/medRxiv_Batch_16/"
    assert (back_folder("3", "biorxiv"), back_folder("3", "medrxiv")) == (
        "Back_Content/Batch_03/",
        "Back_Content/medRxiv_Batch_03/",
    )
    with pytest.raises(UsageError):
        back_folder("../x", "biorxiv")


def test_an_archive_may_lie_a_month_later() -> None:
    assert search_folders((2025, 12)) == ("Current_Content/December_2025/", "Current_Content/January_2026/")
    assert search_folders((2018, 11)) == () and search_folders(None) == ()


def test_places_survive_their_text() -> None:
    for place in (
        Place("Current_Content/January_2026/a b?c&d#é.meca", 12, "content/x y&z=1.xml", "cc_by"),
        Place("a.meca", 1),
    ):
        assert Place.parse(place.locator()) == place
    for bad in ("", "a.meca", "a.meca?size=x", "?size=1"):
        with pytest.raises(InputError):
            Place.parse(bad)


# -- versions -----------------------------------------------------------------------------------


def archive(doi: str, version: str, key: str, modified: str = "2026-01-14T03:00:00.000Z") -> Found:
    return Found(doi, version, key, 1, "etag", modified, "a.xml")


def test_the_archive_modified_last_and_the_latest_version() -> None:
    found = [
        archive("10.1101/2", "9", "c"),
        archive("10.1101/2", "10", "d"),
        archive("10.1101/1", "1", "a", "2026-01-14T09:00:00.000Z"),
        archive("10.1101/1", "1", "b"),
        archive("10.64898/1", "1", "e"),
    ]
    for order in (found, found[::-1]):
        kept, drops = pick(order, "latest")
        assert [(item.doi, item.version, item.key) for item in kept] == [
            ("10.1101/1", "1", "a"),
            ("10.1101/2", "10", "d"),
            ("10.64898/1", "1", "e"),
        ]
        assert {(drop.id, drop.reason) for drop in drops} == {
            ("10.1101_1v1/b", "duplicate-article"),
            ("10.1101_2v9", "older-version"),
        }
    assert len(pick(found, "all")[0]) == 4


def test_the_latest_rows() -> None:
    rows: list[Any] = [
        Row("10.1101/a", "1"),
        Row("10.1101/b", "2"),
        Row("10.1101/A", "10"),
        Row("10.1101/b", "1"),
    ]
    assert [(row.doi, row.version) for row in latest_rows(rows, "latest")] == [
        ("10.1101/A", "10"),
        ("10.1101/b", "2"),
    ]
    assert latest_rows(rows, "all") == rows
