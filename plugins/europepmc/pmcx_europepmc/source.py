"""The source ``europepmc``: articles of a search, with the images of their supplementary archives."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pmcx import ArticleRef, Document, Drop, Failure, InputError, TransientError, UsageError
from pmcx.remote import NET_OPTIONS, LiveCheck, NetOptions, NotFoundError, RemoteSource, Survey

if TYPE_CHECKING:
    from pmcx.remote import Client

    from .records import Found
    from .service import Service

log = logging.getLogger(__name__)

BASE = "https://www.ebi.ac.uk/europepmc/webservices/rest"
_ID = re.compile(r"(?:(PMC|PPR))?([1-9]\d{0,14})", re.IGNORECASE)
_SELECTING = frozenset({"input", "query", "preprints", "limit", "open_access_only"})


class EuropePmcOptions(NetOptions):
    """Which articles of Europe PMC to take: name them (``input``), or search for them (``query``)."""

    input: tuple[str, ...] = Field(
        default=(),
        description="PMCIDs (`PMC123`, `123`), preprints (`PPR123`), or files that list them, one a line.",
    )
    query: str = Field(
        default="", description='Search as on europepmc.org, such as `TITLE:"gel" AND LICENSE:"cc by"`.'
    )
    preprints: bool = Field(
        default=False,
        description="Take preprints that the query finds, too, under Creative Commons licences.",
    )
    open_access_only: bool = Field(
        default=True, description="Search the open access subset only (adds `OPEN_ACCESS:y` to the query)."
    )
    limit: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Take only so many articles, the first ones."
    )
    page_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=100, description="Search results in one answer."
    )
    rate: Annotated[float, Field(gt=0)] = Field(default=10.0, description="Requests a second, at most.")
    max_seconds: Annotated[float, Field(gt=0)] = Field(
        default=600.0, description="Time for the images of one article, all tries together."
    )
    # An archive is put together while one waits: about a minute passes before its first byte.
    timeout: Annotated[float, Field(gt=0)] = 150.0
    max_bytes: Annotated[int, Field(ge=1)] = 512 << 20

    @field_validator("input", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (os.fspath(value),) if isinstance(value, (str, os.PathLike)) else value


class EuropePmcSource(RemoteSource):
    """Open access articles of Europe PMC: a search, the full text, and the images of the figures kept.

    The text is fetched first; the archive of an article's files, which the service takes about a minute
    to make, only where a figure is kept. Articles have the ids they have in PMC; preprints have DOI and
    version.
    """

    name = "europepmc"
    Options = EuropePmcOptions
    options: EuropePmcOptions
    selecting = _SELECTING
    circumstantial = NET_OPTIONS | _SELECTING | {"page_size", "rate", "max_seconds"}

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._known: dict[str, Found] = {}
        self._unknown = ""

    @property
    def base(self) -> str:
        return self.options.endpoint.rstrip("/") or BASE

    def rates(self) -> dict[str, float]:
        return {urlsplit(self.base).netloc: self.options.rate}

    def _service(self) -> Service:
        from .service import Service

        return Service(self.client, self.base, self.options.page_size)

    # -- selecting ------------------------------------------------------------------------------

    def plan(self) -> Iterator[ArticleRef | Drop]:
        if not (self.options.input or self.options.query.strip()):
            raise UsageError("say which articles: --input PMC123 (or a file of ids), or the option query=...")
        names = list(dict.fromkeys(read_names(self.options.input)))
        self.incomplete = "articles named one by one" if names else ""
        if self._client is not None:
            return self._plan(names)
        return self._plan_alone(names)

    def _plan_alone(self, names: Sequence[str]) -> Iterator[ArticleRef | Drop]:
        """As :meth:`_plan`, on a source that is not open: open for as long as that takes."""
        with self:
            yield from self._plan(names)

    def _plan(self, names: Sequence[str]) -> Iterator[ArticleRef | Drop]:
        taken = 0
        seen: set[str] = set()
        for found in self._candidates(names):
            if found.id in seen:
                continue
            seen.add(found.id)
            yield found
            taken += isinstance(found, ArticleRef)
            if taken == self.options.limit:
                self.incomplete = f"limit={taken}"
                return

    def _candidates(self, names: Sequence[str]) -> Iterator[ArticleRef | Drop]:
        from .records import article_id, fingerprint, locator, text
        from .service import TOGETHER

        service = self._service()
        for start in range(0, len(names), TOGETHER):
            group = names[start : start + TOGETHER]
            known = service.look_up(group)
            if missing := [name for name in group if name not in known]:
                known |= service.look_up(missing)  # "unknown" has consequences: ask twice
            for name in group:
                if name in known:
                    record = known[name]
                    yield ArticleRef(id=article_id(record), locator=name, fingerprint=fingerprint(record))
                else:
                    yield Drop(id=name, stage="plan", reason="not-found", detail="unknown to Europe PMC")
        if not self.options.query.strip():
            return
        for record in service.search(self._query()):
            name, own = locator(record), article_id(record)
            if not name:
                detail = f"{text(record, 'source')} {text(record, 'id')}"
                yield Drop(id=own, stage="plan", reason="no-full-text", detail=detail)
            elif name.startswith("PPR") and not self.options.preprints:
                yield Drop(id=own, stage="plan", reason="preprint", detail=name)
            else:
                yield ArticleRef(id=own, locator=name, fingerprint=fingerprint(record))
        if service.incomplete:
            self.incomplete = f"the search {service.incomplete}"
            log.warning("Europe PMC: %s", self.incomplete)

    def _query(self) -> str:
        query = self.options.query.strip()
        return f"({query}) AND OPEN_ACCESS:y" if self.options.open_access_only else query

    def survey(self, refs: Sequence[ArticleRef]) -> Sequence[Survey | Failure | Drop]:
        self._look_up(refs)
        return [self._survey_one(ref) for ref in refs]

    def _survey_one(self, ref: ArticleRef) -> Survey | Failure | Drop:
        from .records import license_of

        try:
            record = self._record(ref)
        except TransientError as error:
            return Failure(id=ref.id, stage="fetch", kind="transient", error=str(error), attempt=ref.attempt)
        # The service does not tell the size of what it would send: text and one archive.
        return self._left_out(ref, record) or Survey(ref.id, license=license_of(record).code, files=2)

    # -- fetching -------------------------------------------------------------------------------

    def fetch(self, refs: Sequence[ArticleRef]) -> Sequence[Document | Failure | Drop]:
        self._look_up(refs)
        return super().fetch(refs)

    def _look_up(self, refs: Sequence[ArticleRef]) -> None:
        """Learn what the search says of these articles; offline what it said when they were fetched."""
        self._known, self._unknown = {}, "the search does not list it any more"
        if self.options.offline:
            self._unknown = "offline, and what the search says of it is not in the cache"
            self._known = {ref.locator: record for ref in refs if (record := self._kept(ref)) is not None}
            return
        try:
            self._known = self._service().look_up([ref.locator for ref in refs])
        except (InputError, TransientError) as error:
            self._unknown = str(error)

    def _record(self, ref: ArticleRef) -> Found:
        """What the search says of an article: its licence decides whether it may be taken."""
        record = self._known.get(ref.locator)
        if record is None:
            raise TransientError(f"{ref.locator}: no metadata: {self._unknown}")
        return record

    def _keep(self, ref: ArticleRef, record: Found) -> None:
        """Keep a record beside the text, for offline."""
        key = self._cache_key(f"{self.base}/{ref.locator}", ref)
        if key and self.client.cache is not None and not self.options.offline:
            self.client.cache.put(key, json.dumps(record).encode())

    def _kept(self, ref: ArticleRef) -> Found | None:
        key = self._cache_key(f"{self.base}/{ref.locator}", ref)
        data = self.client.cache.get(key) if key and self.client.cache is not None else None
        record = json.loads(data) if data else None
        return record if isinstance(record, dict) else None

    def _left_out(self, ref: ArticleRef, record: Found) -> Drop | None:
        """Why an article is left out, as far as the search tells."""
        from .records import describe, text

        article = describe(record, ref.id, self.name)
        licensed = article.license.code != "unknown"
        closed = self.options.open_access_only and text(record, "isOpenAccess") == "N"
        if closed or (ref.locator.startswith("PPR") and not licensed):
            detail = f"license {article.source_license or 'not stated'}"
            return Drop(id=ref.id, stage="fetch", reason="not-open-access", detail=detail)
        return self.accept(article) if licensed else None

    def fetch_one(self, ref: ArticleRef) -> Document | Failure | Drop:
        import msgspec

        from pmcx.remote import Limits, parse

        from .document import ZippedDocument
        from .records import same_article, text

        record = self._record(ref)
        drop = self._left_out(ref, record)
        if drop is not None:
            return drop
        try:
            data = self._text(ref, record)
        except NotFoundError as error:
            if text(record, "isOpenAccess") == "N":
                detail = "no full text to download"
                return Drop(id=ref.id, stage="fetch", reason="not-open-access", detail=detail)
            raise TransientError(f"{error}, though the search says that it is open access") from error
        parsed = parse(data, source=self.name, article_id=ref.id)
        same_article(record, ref.locator, parsed.article.ids)
        self._keep(ref, record)
        article = msgspec.structs.replace(parsed.article, source_license=text(record, "license"))
        return ZippedDocument(parsed, article, partial(self._archive, ref), self.downloads, Limits())

    def _text(self, ref: ArticleRef, record: Found) -> bytes:
        """The full text. What is no article counts as not arrived; another article's text is never kept."""
        from pmcx.remote import scan

        from .records import same_article

        def check(data: bytes) -> str:
            try:
                heads = scan(data)
            except InputError as error:
                return str(error)
            if not heads:
                return "XML without an article"
            same_article(record, ref.locator, heads[0].ids)
            return ""

        url = self._service().text_url(ref.locator)
        return self.client.get(url, kind="xml", cache_key=self._cache_key(url, ref), check=check).body

    def _archive(self, ref: ArticleRef, check: Callable[[bytes], str]) -> bytes:
        url = self._service().files_url(ref.locator)
        key = self._cache_key(url, ref)
        seconds = self.options.max_seconds
        return self.client.get(url, kind="zip", cache_key=key, seconds=seconds, check=check).body

    def _cache_key(self, url: str, ref: ArticleRef) -> str:
        """Kept only under a sign of the article's state: the service gives no checksums."""
        return f"{url}#{ref.fingerprint}" if ref.fingerprint else ""

    def live_checks(self, client: Client) -> Iterator[LiveCheck]:
        from .live import ServiceChecks
        from .service import Service

        service = Service(client, self.base, self.options.page_size)
        return ServiceChecks(service, list(read_names(self.options.input))).checks()


def read_names(inputs: Iterable[str]) -> Iterator[str]:
    """The names (``PMC123``, ``PPR123``) of ids and id files; UsageError for what is neither."""
    for given in inputs:
        name = parse_name(given)
        path = Path(given).expanduser()
        if name:
            yield name
        elif path.is_file():
            yield from _read_file(path, given)
        else:
            raise UsageError(f"{given!r} is neither an id (PMC123, PPR123) nor a file that lists ids")


def _read_file(path: Path, label: str) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                words = line.partition("#")[0].strip()
                name = parse_name(words)
                if words and not name:
                    raise UsageError(f"{label}, line {number}: {words[:60]!r} is no id (PMC123, PPR123)")
                if name:
                    yield name
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{label}: not a readable list of ids: {error}") from error


def parse_name(text: str) -> str:
    """``PMC123`` of ``pmc123`` and ``123``, ``PPR123`` of ``ppr123``; empty for anything else."""
    match = _ID.fullmatch(text.strip())
    return f"{(match[1] or 'PMC').upper()}{match[2]}" if match else ""
