"""The bioRxiv/medRxiv API on loopback: ``/details/…`` as https://api.biorxiv.org answers it."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from .faults import Faults
from .http import Reply, Request, StandIn

PAGE_SIZE = 100
JSON = {"Content-Type": "application/json"}
NAMES = {"biorxiv": "bioRxiv", "medrxiv": "medRxiv"}
_DETAILS = re.compile(r".*/details/(biorxiv|medrxiv)/(.+?)/?")
_INTERVAL = re.compile(r"(\d{4}-\d{2}-\d{2})/(\d{4}-\d{2}-\d{2})(?:/(\d+))?(?:/json)?")
_DOI = re.compile(r"(10\.\d+/.+?)(?:/na)?(?:/json)?")


class BiorxivStandIn(StandIn):
    """``/details/{server}/{from}/{to}/{cursor}/json`` and ``/details/{server}/{DOI}/na/json``.

    One row for each version. With ``odd`` (the default) the answers differ as the real ones do: ``total``
    and ``cursor`` are sometimes strings; ``short_page`` is the number of rows of every third page.
    """

    def __init__(
        self,
        server: str = "biorxiv",
        faults: Faults | None = None,
        odd: bool = True,
        short_page: int = PAGE_SIZE,
    ) -> None:
        super().__init__(faults)
        self.server, self.odd, self.short_page = server, odd, short_page
        self.rows: list[dict[str, Any]] = []

    def add(
        self,
        doi: str,
        version: int = 1,
        date: str = "2026-01-14",
        category: str = "cell biology",
        license: str = "cc_by",
        without: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        """Add one version of a preprint; ``without`` names keys that its row lacks."""
        name = NAMES[self.server]
        suffix, day = doi.partition("/")[2], date.replace("-", "/")
        row: dict[str, Any] = {
            "title": f"A made-up study {suffix}", "authors": "Example, A.; Specimen, C.",
            "author_corresponding": "Ada Example", "author_corresponding_institution": "Example University",
            "doi": doi, "date": date, "version": str(version), "type": "new results", "license": license,
            "category": category,
            "jatsxml": f"https://www.{self.server}.org/content/early/{day}/{suffix}.source.xml",
            "abstract": "Made up.", "funder": "NA", "published": "NA", "server": name, **more,
        }  # fmt: skip
        self.rows.append({key: value for key, value in row.items() if key not in without})

    def answer(self, request: Request) -> Reply:
        match = _DETAILS.fullmatch(unquote(request.path))
        if match is None:
            return Reply(404, b"<html><body>Not Found</body></html>", {"Content-Type": "text/html"})
        server, rest = match.groups()
        rows = self.rows if server == self.server else []
        if interval := _INTERVAL.fullmatch(rest):
            category = request.parameters().get("category", "")
            return self._interval(rows, interval[1], interval[2], int(interval[3] or 0), category)
        if doi := _DOI.fullmatch(rest):
            return self._versions(rows, doi[1])
        return _reply({"messages": [{"status": "Error: interval or DOI not recognised"}], "collection": []})

    def _interval(
        self, rows: list[dict[str, Any]], first: str, last: str, cursor: int, category: str
    ) -> Reply:
        wanted = category.replace("_", " ").lower()
        found = [
            row
            for row in sorted(
                rows, key=lambda row: (row.get("date", ""), row.get("doi", ""), row.get("version", ""))
            )
            if first <= row.get("date", "") <= last and wanted in ("", row.get("category", "").lower())
        ]
        size = self.short_page if self.odd and cursor and (cursor // 100) % 3 == 1 else PAGE_SIZE
        page = found[cursor : cursor + size]
        if not page:
            return _reply({"messages": [{"status": "no posts found"}], "collection": []})
        as_text = self.odd and (cursor // PAGE_SIZE) % 2 == 0
        message = {
            "status": "ok", "interval": f"{first}:{last}", "cursor": cursor if as_text else str(cursor),
            "count": len(page), "count_new_papers": str(sum(row.get("version") == "1" for row in page)),
            "total": str(len(found)) if as_text else len(found),
        }  # fmt: skip
        if category:
            message["category"] = category
        return _reply({"messages": [message], "collection": page})

    def _versions(self, rows: list[dict[str, Any]], doi: str) -> Reply:
        found = [row for row in rows if row.get("doi", "").lower() == doi.lower()]
        if not found:
            return _reply({"messages": [{"status": "no posts found"}], "collection": []})
        found.sort(key=lambda row: int(row.get("version", "1")))
        return _reply({"messages": [{"status": "ok"}], "collection": found})


def _reply(content: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps(content).encode(), JSON)
