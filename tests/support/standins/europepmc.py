"""Europe PMC's REST service on loopback: search with cursor, full text, supplementary files as ZIP.

https://europepmc.org/RestfulWebService
"""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .faults import Faults
from .http import Reply, Request, StandIn
from .query import QueryError, compile_query

JSON = {"Content-Type": "application/json;charset=UTF-8"}
_DOI = re.compile(rb'<article-id pub-id-type="doi">([^<]+)</article-id>')
_ARTICLE = re.compile(r".*/((?:PMC|PPR)\d+)/(fullTextXML|supplementaryFiles)")


@dataclass(frozen=True)
class Entry:
    """One article as Europe PMC knows it; without XML it is no open-access full text."""

    id: str
    """``PMC…``, or ``PPR…`` for a preprint."""
    xml: bytes | None = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    """Inline images by name."""
    supplements: Mapping[str, bytes] = field(repr=False)
    date: str
    license: str
    title: str
    journal: str

    @property
    def doi(self) -> str:
        """As the XML states it."""
        stated = _DOI.search(self.xml or b"")
        return stated[1].decode() if stated else f"10.5555/demo.{self.id[3:]}"

    @property
    def open_access(self) -> bool:
        return self.xml is not None


class EuropePmcStandIn(StandIn):
    """``/search``, ``/{id}/fullTextXML`` and ``/{id}/supplementaryFiles`` below any base path.

    A ZIP takes ``zip_seconds`` to be sent. ``last_cursor`` says how the last page tells that it is the
    last: ``same`` cursor again, or ``absent``.
    """

    def __init__(
        self, faults: Faults | None = None, zip_seconds: float = 0.0, last_cursor: str = "same"
    ) -> None:
        super().__init__(faults)
        self.zip_seconds, self.last_cursor = zip_seconds, last_cursor
        self.entries: dict[str, Entry] = {}

    def add(
        self,
        pmcid: str,
        xml: bytes | None,
        files: Mapping[str, bytes] | None = None,
        supplements: Mapping[str, bytes] | None = None,
        date: str = "2026-01-15",
        license: str = "cc by",
        title: str = "A made-up article",
        journal: str = "Journal of Demonstration Data",
    ) -> None:
        """Add an article with its inline images; ``xml=None``: known, but no open access."""
        self.entries[pmcid] = Entry(pmcid, xml, files or {}, supplements or {}, date, license, title, journal)

    def answer(self, request: Request) -> Reply:
        path = unquote(request.path)
        asked = request.parameters()
        if path.endswith("/search"):
            return self._search(asked)
        match = _ARTICLE.fullmatch(path)
        entry = self.entries.get(match[1]) if match else None
        if match is None or entry is None or entry.xml is None:
            return _problem(404, "Not Found")
        if match[2] == "fullTextXML":
            return Reply(200, entry.xml, {"Content-Type": "application/xml"})
        images = asked.get("includeInlineImage", "true").lower() != "false"
        members = {**entry.supplements, **(entry.files if images else {})}
        if not members:
            return _problem(404, "No supplementary files")
        name = f'attachment; filename="{entry.id}_SuppFiles.zip"'
        headers = {"Content-Type": "application/zip", "Content-Disposition": name}
        return Reply(200, _zip(members), headers, seconds=self.zip_seconds)

    def _search(self, asked: dict[str, str]) -> Reply:
        try:
            test = compile_query(asked.get("query", ""), _term)
        except QueryError as error:
            return _reply({"version": "6.9", "errCode": 404, "errMsg": f"Invalid query: {error}"})
        size, mark = asked.get("pageSize", "25"), asked.get("cursorMark", "*")
        if not size.isdigit() or not 1 <= int(size) <= 1000 or (start := _place(mark)) is None:
            return _reply({"version": "6.9", "errCode": 404, "errMsg": "Invalid pageSize or cursorMark"})
        found = [entry for _, entry in sorted(self.entries.items()) if test(entry)]
        page = found[start : start + int(size)]
        answer: dict[str, Any] = {"version": "6.9", "hitCount": len(found)}
        ended = start + len(page) >= len(found)
        if not (ended and self.last_cursor == "absent"):
            answer["nextCursorMark"] = _mark(start + len(page)) if page else mark
        answer["request"] = {
            "queryString": asked.get("query", ""), "resultType": asked.get("resultType", "lite"),
            "cursorMark": mark, "pageSize": int(size), "sort": "", "synonym": False,
        }  # fmt: skip
        answer["resultList"] = {"result": [_result(entry) for entry in page]}
        return _reply(answer)

    def failure(self, status: int, request: Request) -> Reply:
        return _problem(status, "Service problem")


def _result(entry: Entry) -> dict[str, Any]:
    preprint = entry.id.startswith("PPR")
    result: dict[str, Any] = {
        "id": entry.id if preprint else str(40_000_000 + int(entry.id[3:])),
        "source": "PPR" if preprint else "MED",
        "doi": entry.doi, "title": entry.title, "authorString": "Example A, Specimen C.",
        "isOpenAccess": "Y" if entry.open_access else "N", "inEPMC": "Y" if entry.open_access else "N",
        "firstPublicationDate": entry.date, "pubYear": entry.date[:4], "dateOfRevision": entry.date,
    }  # fmt: skip
    if entry.license:
        result["license"] = entry.license
    if not preprint:
        result |= {
            "pmid": result["id"],
            "pmcid": entry.id,
            "journalInfo": {"journal": {"title": entry.journal}},
        }
    if entry.open_access:
        result["fullTextIdList"] = {"fullTextId": [entry.id]}
    return result


def _term(text: str) -> Callable[[Entry], bool]:
    name, colon, value = text.partition(":")
    value = value.strip('"')
    if not colon:
        word = text.strip('"').lower()
        return lambda entry: word in f"{entry.title} {entry.journal}".lower()
    name = name.upper()
    if name in ("OPEN_ACCESS", "IN_EPMC", "HAS_FT"):
        return lambda entry: entry.open_access == (value.lower() in ("y", "yes"))
    if name == "LICENSE":
        return lambda entry: entry.license.lower() == value.lower()
    if name in ("PMCID", "EXT_ID"):
        return lambda entry: entry.id == value or _result(entry)["id"] == value
    if name == "SRC":
        return lambda entry: _result(entry)["source"] == value.upper()
    if name == "JOURNAL":
        return lambda entry: entry.journal.lower() == value.lower()
    if name == "DOI":
        return lambda entry: bool(_result(entry)["doi"] == value)
    if name in ("FIRST_PDATE", "PUB_YEAR") and (match := re.fullmatch(r"\[(\S+) TO (\S+)\]", value)):
        low, high = match.groups()
        return lambda entry: entry.date[: len(low)] >= low and entry.date[: len(high)] <= high
    if name in ("FIRST_PDATE", "PUB_YEAR"):
        return lambda entry: entry.date.startswith(value)
    raise QueryError(f"unknown field {name}")


def _mark(place: int) -> str:
    return base64.b64encode(f"AoJ/{place}".encode()).decode()


def _place(mark: str) -> int | None:
    if mark == "*":
        return 0
    try:
        text = base64.b64decode(mark, validate=True).decode()
    except ValueError:
        return None
    return int(text[4:]) if re.fullmatch(r"AoJ/\d+", text) else None


def _zip(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 15, 0, 0, 0)), data)
    return out.getvalue()


def _problem(status: int, message: str) -> Reply:
    return Reply(status, json.dumps({"status": status, "error": message}).encode(), JSON)


def _reply(content: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps(content).encode(), JSON)
