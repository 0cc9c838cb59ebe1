"""The details API of bioRxiv and medRxiv: which preprints there are, by date, category or DOI.

Interface: https://api.biorxiv.org ("details"). One row is one version of a preprint; any key may be
missing, and numbers may come as strings.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from ...core.errors import InputError
from ...core.net.client import Client

log = logging.getLogger(__name__)

DOI = re.compile(r"10\.\d{4,9}/[0-9A-Za-z]+(?:[.\-_][0-9A-Za-z]+)*")
_EARLY = re.compile(r"/early/(\d{4})/(\d\d)/")
_DATED = re.compile(r"/(\d{4})\.(\d\d)\.\d\d\.")
_MONTH = re.compile(r"(\d{4})-(\d\d)")
_NOTHING = re.compile(r"no (?:posts|articles|papers|results)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,9}")

LICENSES = {
    "cc_by": "CC BY",
    "cc_by_sa": "CC BY-SA",
    "cc_by_nd": "CC BY-ND",
    "cc_by_nc": "CC BY-NC",
    "cc_by_nc_sa": "CC BY-NC-SA",
    "cc_by_nc_nd": "CC BY-NC-ND",
    "cc0": "CC0",
    "cc0_ng": "CC0",
    "cc_no": "unknown",
}
"""Licence codes of the API -> licence families; ``cc_no`` grants no reuse."""


@dataclass(frozen=True)
class Row:
    """One version of a preprint, as the API lists it; empty where it does not say."""

    doi: str
    version: str
    month: tuple[int, int] | None = None
    """Year and month of posting."""
    license: str = ""
    """Verbatim."""
    category: str = ""


class Listing(NamedTuple):
    """The rows of an enumeration."""

    rows: list[Row]
    incomplete: str = ""
    """Why rows that are there may be missing; empty where they are all here."""


@dataclass(frozen=True)
class _Page:
    """One answer: its usable rows, and a key for each row that came."""

    rows: list[Row]
    keys: list[tuple[str, str]]
    count: int | None
    total: int | None


class _OddError(Exception):
    """An answer of another form than the API's."""


class PreprintApi:
    """``server`` is ``biorxiv`` or ``medrxiv``; ``base`` the address of the API.

    What contradicts itself, or what was announced, is asked for again, and a TransientError in the end.
    """

    def __init__(self, client: Client, base: str, server: str) -> None:
        self._client, self._server = client, server
        self._details = f"{base.rstrip('/')}/details/{server}"

    def by_doi(self, doi: str) -> list[Row]:
        """All versions of a preprint, oldest first; empty where the server has no such DOI."""
        page = self._page(f"{self._details}/{quote(doi, safe='/')}/na/json", lambda page: "")
        found = {row.version: row for row in page.rows if row.doi.casefold() == doi.casefold()}
        return sorted(found.values(), key=lambda row: int(row.version))

    def by_date(self, since: str, until: str, category: str = "") -> Listing:
        """The versions posted from ``since`` to ``until`` (ISO days, both included), each once."""
        query = f"?{urlencode({'category': slug(category)})}" if category else ""
        reading = _Reading()
        while not reading.ended:
            url = f"{self._details}/{since}/{until}/{reading.came}/json{query}"
            reading.add(self._page(url, reading.problem))
        rows = [
            row
            for row in reading.rows.values()
            if not (category and row.category) or slug(row.category) == slug(category)
        ]
        incomplete = reading.incomplete()
        if incomplete:
            log.warning("the API of %s, %s to %s: %s", self._server, since, until, incomplete)
        return Listing(rows, incomplete and f"the API of {self._server}: {incomplete}")

    def _page(self, url: str, problem: Callable[[_Page], str]) -> _Page:
        """One answer, in which ``problem`` sees nothing wrong; InputError with what the API objects to."""

        def check(data: bytes) -> str:
            try:
                return problem(self._parse(data))
            except _OddError as odd:
                return str(odd)

        return self._parse(self._client.get(url, kind="json", check=check).body)

    def _parse(self, data: bytes) -> _Page:
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise _OddError(f"no JSON ({type(error).__name__})") from error
        messages = answer.get("messages") if isinstance(answer, dict) else None
        if not (isinstance(messages, list) and messages and isinstance(messages[0], dict)):
            raise _OddError("an answer without messages")
        message: dict[str, Any] = messages[0]
        status = str(message.get("status", "ok"))
        items = answer.get("collection") or []
        if not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
            raise _OddError("an answer without a list of rows")
        if not items and status.lower() != "ok" and not _NOTHING.search(status):
            raise InputError(f"the {self._server} API says {status[:200]!r}")
        return _Page(
            rows=[row for item in items if (row := _row(item)) is not None],
            keys=[(str(item.get("doi", "")).casefold(), str(item.get("version", ""))) for item in items],
            count=_number(message.get("count")),
            total=_number(message.get("total")),
        )


class _Reading:
    """The pages of one interval, put together; the rows that came are held against those announced."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.came = 0
        self.ended = False
        self._total: int | None = None
        self._seen: set[tuple[str, str]] = set()
        self._unusable = 0

    def problem(self, page: _Page) -> str:
        """What speaks against this page as the next one."""
        total, length = self._announced(page), len(page.keys)
        if length and page.count is not None and page.count != length:
            return f"{length} rows where its count says {page.count}"
        if not length and total is not None and self.came < total:
            return f"no rows from {self.came} on, of {total} announced"
        if total is not None and total < self.came + length:
            return f"row {self.came + length} where only {total} are announced"
        if length and self._seen.issuperset(page.keys):
            return f"only rows that came before, from {self.came} on"
        return ""

    def add(self, page: _Page) -> None:
        self._total = self._announced(page)
        self.came += len(page.keys)
        self._seen.update(page.keys)
        self._unusable += len(page.keys) - len(page.rows)
        for row in page.rows:
            self.rows.setdefault((row.doi.casefold(), row.version), row)
        self.ended = not page.keys or (self._total is not None and self.came >= self._total)

    def incomplete(self) -> str:
        """Why rows may be missing; empty where all that were announced are here."""
        if not self.came:
            return "no rows at all"  # of a past interval this may be a blip: nobody can tell
        reasons = {
            "does not say how many rows there are": self._total is None,
            f"{self.came - len(self._seen)} rows came twice": self.came > len(self._seen),
            f"{self._unusable} rows without a usable DOI or version": self._unusable > 0,
        }
        return "; ".join(reason for reason, holds in reasons.items() if holds)

    def _announced(self, page: _Page) -> int | None:
        return self._total if page.total is None else page.total


def slug(category: str) -> str:
    """A category as the API's query spells it: ``cell_biology``."""
    return re.sub(r"[\s_]+", "_", category.strip().lower())


def _row(item: dict[str, Any]) -> Row | None:
    doi, version = str(item.get("doi", "")).strip(), str(item.get("version", "") or "1").strip()
    if not DOI.fullmatch(doi) or not _NUMBER.fullmatch(version):
        log.warning("a row of the API without a usable DOI or version is left out: %.80r %.20r", doi, version)
        return None
    month = (
        _MONTH.match(str(item.get("date", "")))
        or _EARLY.search(str(item.get("jatsxml", "")))
        or (_DATED.search(doi) if version == "1" else None)
    )
    return Row(
        doi=doi,
        version=str(int(version)),
        month=(int(month[1]), int(month[2])) if month and 1 <= int(month[2]) <= 12 else None,
        license=str(item.get("license") or ""),
        category=str(item.get("category") or ""),
    )


def _number(value: object) -> int | None:
    text = str(value).strip()
    return int(text) if _NUMBER.fullmatch(text) else None
