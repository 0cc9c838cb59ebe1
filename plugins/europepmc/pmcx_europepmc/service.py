"""The REST service of Europe PMC (https://europepmc.org/RestfulWebService)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from pmcx import TransientError, UsageError
from pmcx.remote import Client

from .records import Found, locator, text

BASE = "https://www.ebi.ac.uk/europepmc/webservices/rest"
TOGETHER = 25
"""Articles that are looked up with one request."""


class _OddError(Exception):
    """An answer of another form than the service's."""


@dataclass(frozen=True)
class _Page:
    """One answer of the search."""

    results: list[Found]
    hits: int
    following: str
    """The cursor of the next page; empty where the answer names none."""

    @property
    def keys(self) -> list[tuple[str, str]]:
        return [(text(record, "source"), text(record, "id")) for record in self.results]


class Service:
    """Searches and addresses; ``base`` replaces the service's own address.

    An answer that contradicts itself or what was announced is asked for again, and a TransientError in
    the end.
    """

    def __init__(self, client: Client, base: str, page_size: int) -> None:
        self.client, self.base, self.page_size = client, base.rstrip("/"), page_size
        self.incomplete = ""
        """Why the last search that was read to its end may lack articles that are there."""

    def text_url(self, name: str) -> str:
        return f"{self.base}/{name}/fullTextXML"

    def files_url(self, name: str) -> str:
        """All files of an article in one flat ZIP, images included; takes the service about a minute."""
        return f"{self.base}/{name}/supplementaryFiles?includeInlineImage=true"

    def search(self, query: str) -> Iterator[Found]:
        """All results of a query, page by page, in the order of the service, each once.

        UsageError where the service does not understand the query.
        """
        reading = _Reading()
        while not reading.ended:
            yield from reading.add(self._page(query, reading))
        self.incomplete = reading.incomplete()

    def _page(self, query: str, reading: _Reading) -> _Page:
        asked = {
            "query": query,
            "resultType": "core",
            "format": "json",
            "pageSize": str(self.page_size),
            "cursorMark": reading.cursor,
        }

        def check(data: bytes) -> str:
            try:
                page = _parse(data, query if reading.cursor == "*" else "")
                return reading.problem(page)
            except _OddError as odd:
                return str(odd)

        answer = self.client.get(f"{self.base}/search?{urlencode(asked)}", kind="json", check=check)
        return _parse(answer.body, query)

    def look_up(self, names: Sequence[str]) -> dict[str, Found]:
        """What is known of the articles ``PMC123`` and preprints ``PPR123``; the unknown are left out."""
        found: dict[str, Found] = {}
        for start in range(0, len(names), TOGETHER):
            group = names[start : start + TOGETHER]
            query = " OR ".join(
                f"(EXT_ID:{name} AND SRC:PPR)" if name.startswith("PPR") else f"PMCID:{name}"
                for name in group
            )
            try:
                for record in self.search(query):
                    found.setdefault(locator(record), record)
            except UsageError as error:  # the query is ours, and right
                raise TransientError(str(error)) from error
        return {name: found[name] for name in names if name in found}


class _Reading:
    """The pages of a search, read in order; the results that came are held against those announced."""

    def __init__(self) -> None:
        self.cursor = "*"
        self.ended = False
        self._cursors = {self.cursor}
        self._seen: set[tuple[str, str]] = set()
        self._came = 0
        self._hits = 0

    def problem(self, page: _Page) -> str:
        """What speaks against this page as the next one."""
        came = self._came + len(page.results)
        if came >= page.hits:
            return ""
        if not page.results or self._seen.issuperset(page.keys):
            return f"no further results after {self._came} of {page.hits}"
        if not page.following or page.following in self._cursors:
            return f"the way on ends after {came} of {page.hits} results"
        return ""

    def add(self, page: _Page) -> Iterator[Found]:
        """The results of a page that did not come before."""
        self._came += len(page.results)
        self._hits = page.hits
        for key, record in zip(page.keys, page.results, strict=True):
            if key not in self._seen:
                self._seen.add(key)
                yield record
        # The last page may name a next one, too: that would be empty.
        self.ended = self._came >= page.hits
        self.cursor = page.following
        self._cursors.add(page.following)

    def incomplete(self) -> str:
        if not self._hits:
            return "finds nothing"  # perhaps a blip
        repeated = self._came - len(self._seen)
        return f"lists {repeated} of {self._hits} articles twice" if repeated else ""


def _parse(data: bytes, query: str) -> _Page:
    """An answer to ``query`` ("": one accepted before); UsageError where the service objects to it."""
    try:
        page = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _OddError(f"no JSON ({type(error).__name__})") from error
    if not isinstance(page, dict):
        raise _OddError("an answer that is no object")
    if "errMsg" in page and not query:
        raise _OddError(f"says {str(page['errMsg'])[:200]!r}")
    if "errMsg" in page:
        raise UsageError(f"Europe PMC does not accept the query {query!r}: {str(page['errMsg'])[:200]}")
    listed = page.get("resultList")
    results = listed.get("result") if isinstance(listed, dict) else None
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise _OddError("an answer without results")
    hits = page.get("hitCount")
    if not isinstance(hits, int) or hits < 0:
        raise _OddError(f"an answer with hitCount {str(hits)[:40]!r}")
    return _Page(results, hits, str(page.get("nextCursorMark") or ""))
