"""Searching PubMed Central with NCBI E-utilities (https://www.ncbi.nlm.nih.gov/books/NBK25499/).

A query answers at most 9,999 ids, so larger ones are cut by date of release until each piece fits.
"""

from __future__ import annotations

import datetime
import json
import logging
from array import array
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from ...core.errors import InputError, UsageError
from ...core.net.client import Client

log = logging.getLogger(__name__)

MOST = 9_999
"""Ids that one query of ``db=pmc`` answers, at most."""
FIRST_DAY = datetime.date(2000, 1, 1)
"""PMC opened in February 2000."""
TOOL = "pmcx"
_DATE_FIELDS = ("pmcrdat", "edat")
_PASSING = (
    "address table", "database is not supported", "read failed", "temporar", "timed out", "timeout",
    "try again", "unavailable",
)  # fmt: skip
"""Words of errors that are NCBI's own and pass; all others blame the query."""
_OPEN_ACCESS = "open_access[filter]"

Days = tuple[datetime.date, datetime.date]


def search_term(query: str, open_access_only: bool) -> str:
    """The user's query, narrowed to the Open Access Subset where only that is taken; may be empty."""
    parts = [f"({query.strip()})"] if query.strip() else []
    return " AND ".join([*parts, *([_OPEN_ACCESS] if open_access_only else [])])


class Search:
    """ESearch over ``db=pmc``. ``base`` is the address of the E-utilities."""

    def __init__(self, client: Client, base: str, api_key: str = "", contact: str = "") -> None:
        self._client, self._base = client, base.rstrip("/")
        self._common = {"db": "pmc", "retmode": "json", "tool": TOOL}
        if contact:
            self._common["email"] = contact
        if api_key:
            self._common["api_key"] = api_key

    def numbers(self, term: str, since: datetime.date | None, until: datetime.date | None) -> list[int]:
        """The numbers of all PMCIDs that match, ascending.

        ``since`` and ``until`` are days of release in PMC, both included; without both, no date is asked
        for unless the answer is too long. UsageError for a term that NCBI does not understand, and where
        more than 9,999 articles cannot be told apart by their dates.
        """
        today = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=1)
        days = (since or FIRST_DAY, until or max(today, since or today))
        found = array("Q")
        if since or until:
            found.extend(self._slices(term, days, 0))
        else:
            count, ids = self._ask(term)
            found.extend(ids if count <= MOST else self._slices(term, days, 0))
            if len(found) < count:
                log.warning(
                    "the search finds %d articles, but only %d by their dates of release", count, len(found)
                )
        return sorted(set(found))

    def _slices(self, term: str, days: Days, field: int) -> Iterator[int]:
        """The ids of ``term`` within ``days`` of a date field, in pieces that fit into one answer."""
        name = _DATE_FIELDS[field]
        first, last = days
        dated = f"{first:%Y/%m/%d}:{last:%Y/%m/%d}[{name}]"
        narrowed = f"{term} AND {dated}" if term else dated
        count, ids = self._ask(narrowed)
        if count <= MOST:
            yield from ids
        elif first < last:
            middle = first + (last - first) // 2
            yield from self._slices(term, (first, middle), field)
            yield from self._slices(term, (middle + datetime.timedelta(days=1), last), field)
        elif field + 1 < len(_DATE_FIELDS):
            # Large deposits are released on one day; the day they entered the database differs more.
            today = datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=1)
            yield from self._slices(narrowed, (FIRST_DAY, max(today, last)), field + 1)
        else:
            raise UsageError(
                f"the search finds {count} articles of one day ({first}), and NCBI lists {MOST} at most "
                "of a query: narrow the query (a journal, a licence filter), or use the inventory and filters"
            )

    def _ask(self, term: str) -> tuple[int, list[int]]:
        """How many articles match, and their ids if they are few enough for one answer."""
        result = self._result(term)
        error = _error(result)
        if error:
            raise UsageError(f"NCBI does not accept the query {term!r}: {error}")
        self._tell(term, result)
        try:
            return int(result["count"]), [int(str(item).removeprefix("PMC")) for item in result["idlist"]]
        except (KeyError, TypeError, ValueError) as error_:
            raise InputError("ESearch answered without count and idlist") from error_

    def _result(self, term: str) -> dict[str, Any]:
        query = {**self._common, "term": term, "retstart": "0", "retmax": str(MOST)}
        url = f"{self._base}/esearch.fcgi?{urlencode(query)}"
        return _read(self._client.get(url, kind="json", check=_passing).body)

    def _tell(self, term: str, result: dict[str, Any]) -> None:
        """Log what NCBI ignored of the query: a misspelt field would silently widen it."""
        for group in ("errorlist", "warninglist"):
            for what, texts in (result.get(group) or {}).items():
                if texts and what != "outputmessages":
                    log.warning("NCBI on the query %r: %s: %s", term, what, ", ".join(map(str, texts)))


def _read(data: bytes) -> dict[str, Any]:
    """The result of an ESearch answer; InputError where it is none."""
    try:
        # NCBI puts raw control characters into the messages of some answers.
        found = json.loads(data, strict=False)
    except ValueError as error:
        raise InputError(f"ESearch answered with broken JSON: {error}") from error
    result = found.get("esearchresult", found) if isinstance(found, dict) else None
    if not isinstance(result, dict):
        raise InputError("ESearch answered without esearchresult")
    return result


def _error(result: dict[str, Any]) -> str:
    return str(result.get("ERROR") or result.get("error") or "")


def _passing(data: bytes) -> str:
    """The trouble of NCBI's own that an answer tells of, for which asking again is the remedy."""
    try:
        error = _error(_read(data))
    except InputError as broken:
        return str(broken)
    return error if any(word in error.lower() for word in _PASSING) else ""
