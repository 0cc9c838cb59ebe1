"""The REST service of Europe PMC (https://europepmc.org/RestfulWebService)."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from pmcx import InputError, UsageError
from pmcx.remote import Client

from .records import Found, locator

log = logging.getLogger(__name__)

BASE = "https://www.ebi.ac.uk/europepmc/webservices/rest"
TOGETHER = 25
"""Articles that are looked up with one request."""


class Service:
    """Searches and addresses; ``base`` replaces the service's own address."""

    def __init__(self, client: Client, base: str, page_size: int) -> None:
        self.client, self.base, self.page_size = client, base.rstrip("/"), page_size

    def text_url(self, name: str) -> str:
        return f"{self.base}/{name}/fullTextXML"

    def files_url(self, name: str) -> str:
        """All files of an article in one flat ZIP, images included; takes the service about a minute."""
        return f"{self.base}/{name}/supplementaryFiles?includeInlineImage=true"

    def search(self, query: str) -> Iterator[Found]:
        """All results of a query, page by page, in the order of the service.

        UsageError where the service does not understand the query.
        """
        cursor, count, total = "*", 0, 0
        while True:
            page = self._page(query, cursor)
            results = page["resultList"]["result"]
            total = int(page.get("hitCount") or 0)
            count += len(results)
            yield from results
            following = str(page.get("nextCursorMark") or "")
            # The last page may name a next one, too: that would be empty.
            if not results or following in ("", cursor) or 0 < total <= count:
                break
            cursor = following
        if count < total:
            log.warning("the search finds %d articles, but lists only %d", total, count)

    def _page(self, query: str, cursor: str) -> dict[str, Any]:
        asked = {
            "query": query,
            "resultType": "core",
            "format": "json",
            "pageSize": str(self.page_size),
            "cursorMark": cursor,
        }
        answer = self.client.get(f"{self.base}/search?{urlencode(asked)}", kind="json")
        try:
            page = json.loads(answer.body)
        except ValueError as error:
            raise InputError(f"{self.base}/search: broken JSON: {error}") from error
        if isinstance(page, dict) and "errMsg" in page:
            raise UsageError(f"Europe PMC does not accept the query {query!r}: {page['errMsg']}")
        results = page.get("resultList", {}).get("result") if isinstance(page, dict) else None
        if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
            raise InputError(f"{self.base}/search: an answer without results")
        return dict(page)

    def look_up(self, names: Sequence[str]) -> dict[str, Found]:
        """What is known of the articles ``PMC123`` and preprints ``PPR123``; the unknown are left out."""
        found: dict[str, Found] = {}
        for start in range(0, len(names), TOGETHER):
            group = names[start : start + TOGETHER]
            query = " OR ".join(
                f"(EXT_ID:{name} AND SRC:PPR)" if name.startswith("PPR") else f"PMCID:{name}"
                for name in group
            )
            for record in self.search(query):
                found.setdefault(locator(record), record)
        return {name: found[name] for name in names if name in found}
