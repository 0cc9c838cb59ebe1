"""Searching PubMed Central with NCBI E-utilities (https://www.ncbi.nlm.nih.gov/books/NBK25499/).

A query answers at most 9,999 ids, so larger ones are cut by date of release until each piece fits.
"""

from __future__ import annotations

import datetime
import json
import logging
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ...core.errors import InputError, TransientError, UsageError
from ...core.net.client import Client

log = logging.getLogger(__name__)

MOST = 9_999
"""Ids that one query of ``db=pmc`` answers, at most."""
FIRST_DAY = datetime.date(2000, 1, 1)
"""PMC opened in February 2000."""
TOOL = "pmcx"
_TRIES = 3
"""How often a period is halved anew while the number of its articles changes."""
_DATE_FIELDS = ("pmcrdat", "edat")
_PASSING = (
    "address table", "database is not supported", "read failed", "temporar", "timed out", "timeout",
    "try again", "unavailable",
)  # fmt: skip
"""Words of errors that are NCBI's own and pass."""
_BACKEND = "search backend failed"
"""NCBI's own, too, but for what :data:`_BLAMING` tells of the query."""
_BLAMING = ("parse", "syntax", "larger than")
_NOT_FOUND = ("phrasesnotfound", "fieldsnotfound")
_COUNT, _ID = re.compile(r"[0-9]{1,12}"), re.compile(r"(?:PMC)?([1-9][0-9]{0,14})")
_OWN_DATES = re.compile(r'[0-9/: "]+(?:\[[\w ]+\])?')
"""What NCBI calls a range of dates that it does not find; the query's own words hold more."""
_OPEN_ACCESS = "open_access[filter]"

Days = tuple[datetime.date, datetime.date]


def search_term(query: str, open_access_only: bool) -> str:
    """The user's query, narrowed to the Open Access Subset where only that is taken; may be empty."""
    parts = [f"({query.strip()})"] if query.strip() else []
    return " AND ".join([*parts, *([_OPEN_ACCESS] if open_access_only else [])])


@dataclass(frozen=True)
class _Answer:
    """What ESearch says of a term; ``ids`` are complete where ``count`` is not beyond ``MOST``."""

    count: int = 0
    ids: list[int] = field(default_factory=list)
    error: str = ""
    notes: dict[str, list[str]] = field(default_factory=dict)
    """Words of the term that NCBI did not find, or passed over, by what it calls that."""


class Search:
    """ESearch over ``db=pmc``. ``base`` is the address of the E-utilities."""

    def __init__(self, client: Client, base: str, api_key: str = "", contact: str = "") -> None:
        self._client, self._base = client, base.rstrip("/")
        self._common = {"db": "pmc", "retmode": "json", "tool": TOOL}
        self.lacking = ""
        """Why the last search may not have given all that matches; empty where it has."""
        if contact:
            self._common["email"] = contact
        if api_key:
            self._common["api_key"] = api_key

    def numbers(self, term: str, since: datetime.date | None, until: datetime.date | None) -> list[int]:
        """The numbers of all PMCIDs that match, ascending.

        ``since`` and ``until`` are days of release in PMC, both included; without both, no date is asked
        for unless the answer is too long. UsageError for a term that NCBI does not understand or that holds
        a phrase which it does not know and finds nothing, and where more than 9,999 articles cannot be told
        apart by their dates; TransientError where NCBI gives fewer ids than it counts.
        """
        days = (since or FIRST_DAY, until or max(_tomorrow(), since or FIRST_DAY))
        dated = bool(since or until)
        asked = _dated(term, days, 0) if dated else term
        whole = self._ask(asked)
        _tell(asked, whole)
        found = array("Q")
        if whole.count <= MOST:
            found.extend(whole.ids)
        else:
            found.extend(self._slices(term, days, 0, whole if dated else None))
        numbers = sorted(set(found))
        self.lacking = ""
        if len(numbers) < whole.count:
            self.lacking = (
                f"the search finds {whole.count} articles, but only {len(numbers)} by their dates of release"
            )
            log.warning(self.lacking)
        return numbers

    def _slices(self, term: str, days: Days, field: int, whole: _Answer | None) -> Iterator[int]:
        """The ids of ``term`` within ``days`` of a date field, in pieces that fit into one answer.

        ``whole`` is the answer for all these days, where that was asked for already.
        """
        first, last = days
        narrowed = _dated(term, days, field)
        whole = whole or self._ask(narrowed)
        if whole.count <= MOST:
            yield from whole.ids
        elif first < last:
            for half, answer in self._halves(term, days, field, whole.count):
                yield from self._slices(term, half, field, answer)
        elif field + 1 < len(_DATE_FIELDS):
            # Large deposits are released on one day; the day they entered the database differs more.
            yield from self._slices(narrowed, (FIRST_DAY, max(_tomorrow(), last)), field + 1, None)
        else:
            raise UsageError(
                f"the search finds {whole.count} articles of one day ({first}), and NCBI lists {MOST} at "
                "most of a query: narrow the query (a journal, a licence filter), or use the inventory and "
                "filters"
            )

    def _halves(self, term: str, days: Days, field: int, count: int) -> list[tuple[Days, _Answer]]:
        """Both halves of a period with their answers, which together hold its ``count`` articles.

        TransientError where they do not, however often they are asked for.
        """
        first, last = days
        middle = first + (last - first) // 2
        halves = ((first, middle), (middle + datetime.timedelta(days=1), last))
        total = 0
        for _ in range(_TRIES):
            answers = [self._ask(_dated(term, half, field)) for half in halves]
            total = sum(answer.count for answer in answers)
            # Articles that came in between, or have two dates, make a few more; fewer would be a loss.
            if count <= total <= count + count // 100:
                return list(zip(halves, answers, strict=True))
            log.info("%s to %s: %d articles, %d in its halves; asked again", first, last, count, total)
            count = self._ask(_dated(term, days, field)).count
        raise TransientError(
            f"NCBI counts {count} articles from {first} to {last}, but {total} in the halves of that period "
            f"(asked {_TRIES} times): its index is changing, try later"
        )

    def _ask(self, term: str) -> _Answer:
        """How many articles match, and their ids if they are few enough for one answer."""
        query = {**self._common, "term": term, "retstart": "0", "retmax": str(MOST)}
        url = f"{self._base}/esearch.fcgi?{urlencode(query)}"
        answer = _parse(self._client.get(url, kind="json", check=_trouble).body)
        if answer.error:
            raise UsageError(f"NCBI does not accept the query {term!r}: {answer.error}")
        return answer


def _tomorrow() -> datetime.date:
    """The last day of release that there may be, anywhere on Earth."""
    return datetime.datetime.now(datetime.timezone.utc).date() + datetime.timedelta(days=1)


def _dated(term: str, days: Days, field: int) -> str:
    first, last = days
    dated = f"{first:%Y/%m/%d}:{last:%Y/%m/%d}[{_DATE_FIELDS[field]}]"
    return f"{term} AND {dated}" if term else dated


def _tell(term: str, answer: _Answer) -> None:
    """Log what NCBI ignored of the query: a misspelt field would silently widen it.

    UsageError where it found nothing at all, and does not know a word of the query.
    """
    unknown = [text for what in _NOT_FOUND for text in answer.notes.get(what, ())]
    if unknown and not answer.count:
        shown = ", ".join(map(repr, unknown))
        raise UsageError(f"NCBI finds nothing for the query {term!r}: it does not know {shown}")
    for what, texts in answer.notes.items():
        log.warning("NCBI on the query %r: %s: %s", term, what, ", ".join(texts))


def _read(data: bytes) -> dict[str, Any]:
    """The result of an ESearch answer; InputError where it is none."""
    try:
        # NCBI puts raw control characters into the messages of some answers.
        found = json.loads(data, strict=False)
    except (ValueError, RecursionError) as error:
        raise InputError(f"ESearch answered with broken JSON: {error}") from error
    result = found.get("esearchresult", found) if isinstance(found, dict) else None
    if not isinstance(result, dict):
        raise InputError("ESearch answered without esearchresult")
    return result


def _parse(data: bytes) -> _Answer:
    """An ESearch answer; InputError where it is not of the form that NCBI documents."""
    result = _read(data)
    error = str(result.get("ERROR") or result.get("error") or "")
    if error:
        return _Answer(error=error)
    count, listed = _COUNT.fullmatch(str(result.get("count"))), result.get("idlist")
    if count is None or not isinstance(listed, list):
        raise InputError("ESearch answered without count and idlist")
    ids = [match for each in listed if (match := _ID.fullmatch(str(each)))]
    if len(ids) < len(listed):
        raise InputError("ESearch answered with ids that are no PMCIDs")
    return _Answer(int(count[0]), [int(match[1]) for match in ids], notes=_notes(result))


def _notes(result: dict[str, Any]) -> dict[str, list[str]]:
    notes: dict[str, list[str]] = {}
    for group in ("errorlist", "warninglist"):
        told = result.get(group) or {}
        if not isinstance(told, dict):
            raise InputError(f"ESearch answered with a {group!r} that is no JSON object")
        for what, texts in told.items():
            lines = [str(each) for each in (texts if isinstance(texts, list) else [texts]) if each]
            if what in _NOT_FOUND:
                lines = [line for line in lines if not _OWN_DATES.fullmatch(line)]
            if lines and what != "outputmessages":
                notes.setdefault(what, []).extend(lines)
    return notes


def _trouble(data: bytes) -> str:
    """What is wrong with an answer for which asking again is the remedy: it is broken or in part, or tells
    of a trouble of NCBI's own."""
    try:
        answer = _parse(data)
    except InputError as broken:
        return str(broken)
    error = answer.error.lower()
    if error:
        backend = _BACKEND in error and not any(word in error for word in _BLAMING)
        return answer.error if backend or any(word in error for word in _PASSING) else ""
    given = len(set(answer.ids))
    if given != answer.count and answer.count <= MOST:
        return f"ESearch counts {answer.count} articles, but gives {given} ids"
    return ""
