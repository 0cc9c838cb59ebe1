"""The details API of bioRxiv and medRxiv: which preprints there are, by date, category or DOI.

Interface: https://api.biorxiv.org ("details"). One row is one version of a preprint; any key may be
missing, and numbers may come as strings.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ...core.errors import InputError
from ...core.net.client import Client

log = logging.getLogger(__name__)

DOI = re.compile(r"10\.\d{4,9}/[0-9A-Za-z]+(?:[.\-_][0-9A-Za-z]+)*")
_EARLY = re.compile(r"/early/(\d{4})/(\d\d)/")
_DATED = re.compile(r"/(\d{4})\.(\d\d)\.\d\d\.")
_MONTH = re.compile(r"(\d{4})-(\d\d)")
_NOTHING = re.compile(r"no (?:posts|articles|papers|results)", re.IGNORECASE)

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


class PreprintApi:
    """``server`` is ``biorxiv`` or ``medrxiv``; ``base`` the address of the API."""

    def __init__(self, client: Client, base: str, server: str) -> None:
        self._client, self._server = client, server
        self._details = f"{base.rstrip('/')}/details/{server}"

    def by_doi(self, doi: str) -> list[Row]:
        """All versions of a preprint, oldest first; empty where the server has no such DOI."""
        rows, _, _ = self._page(f"{self._details}/{quote(doi, safe='/')}/na/json")
        found = {row.version: row for row in rows if row.doi.casefold() == doi.casefold()}
        return sorted(found.values(), key=lambda row: int(row.version))

    def by_date(self, since: str, until: str, category: str = "") -> Iterator[Row]:
        """The versions posted from ``since`` to ``until`` (ISO days, both included), each once."""
        query = f"?{urlencode({'category': slug(category)})}" if category else ""
        seen: set[tuple[str, str]] = set()
        cursor = 0
        while True:
            rows, count, total = self._page(f"{self._details}/{since}/{until}/{cursor}/json{query}")
            for row in rows:
                key = (row.doi.casefold(), row.version)
                other = category and row.category and slug(row.category) != slug(category)
                if key not in seen and not other:
                    seen.add(key)
                    yield row
            cursor += count
            if not count or (total is not None and cursor >= total):
                break
        if total is not None and cursor < total:
            log.warning("%s: the API announced %d rows and gave %d", self._server, total, cursor)

    def _page(self, url: str) -> tuple[list[Row], int, int | None]:
        """Rows of one answer, how many the cursor moves on, and the announced total."""
        answer = _decode(self._client.get(url, kind="json", check=_problem).body)
        messages = answer.get("messages") or [{}]
        message: dict[str, Any] = messages[0] if isinstance(messages[0], dict) else {}
        items = [item for item in answer.get("collection") or [] if isinstance(item, dict)]
        status = str(message.get("status", "ok"))
        if not items:
            if status.lower() != "ok" and not _NOTHING.search(status):
                raise InputError(f"the {self._server} API says {status[:200]!r}")
            return [], 0, _number(message.get("total"))
        rows = [row for item in items if (row := _row(item)) is not None]
        return rows, _number(message.get("count")) or len(items), _number(message.get("total"))


def slug(category: str) -> str:
    """A category as the API's query spells it: ``cell_biology``."""
    return re.sub(r"[\s_]+", "_", category.strip().lower())


def _row(item: dict[str, Any]) -> Row | None:
    doi, version = str(item.get("doi", "")).strip(), str(item.get("version", "") or "1").strip()
    if not DOI.fullmatch(doi) or not version.isdecimal():
        log.warning("a row of the API without a usable DOI or version is left out: %r %r", doi, version)
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
    return int(text) if text.isdecimal() else None


def _decode(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise InputError(f"the API's answer is no JSON: {error}") from error
    if not isinstance(answer, dict):
        raise InputError("the API's answer is no JSON object")
    return answer


def _problem(data: bytes) -> str:
    try:
        _decode(data)
    except InputError as error:
        return str(error)
    return ""
