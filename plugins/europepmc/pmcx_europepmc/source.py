"""The source ``europepmc``: articles of a search, with the images of their supplementary archives."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
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
                return

    def _candidates(self, names: Sequence[str]) -> Iterator[ArticleRef | Drop]:
        from .records import article_id, fingerprint, locator, text
        from .service import TOGETHER

        service = self._service()
        for start in range(0, len(names), TOGETHER):
            group = names[start : start + TOGETHER]
            known = service.look_up(group)
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

    def _query(self) -> str:
        query = self.options.query.strip()
        return f"({query}) AND OPEN_ACCESS:y" if self.options.open_access_only else query

    def survey(self, refs: Sequence[ArticleRef]) -> Sequence[Survey | Failure | Drop]:
        from .records import license_of

        known = self._service().look_up([ref.locator for ref in refs])
        answers: list[Survey | Failure | Drop] = []
        for ref in refs:
            record = known.get(ref.locator)
            drop = self._left_out(ref, record)
            code = license_of(record).code if record else "unknown"
            # The service does not tell the size of what it would send: text and one archive.
            answers.append(drop or Survey(ref.id, license=code, files=2))
        return answers

    # -- fetching -------------------------------------------------------------------------------

    def fetch(self, refs: Sequence[ArticleRef]) -> Sequence[Document | Failure | Drop]:
        self._known = self._look_up(refs)
        return super().fetch(refs)

    def _look_up(self, refs: Sequence[ArticleRef]) -> dict[str, Found]:
        """What the search says of these articles; without it the texts themselves decide, a little later."""
        if self.options.offline:
            return {}
        try:
            return self._service().look_up([ref.locator for ref in refs])
        except (InputError, TransientError) as error:
            log.info("no metadata of %d articles: %s", len(refs), error)
            return {}

    def _left_out(self, ref: ArticleRef, record: Found | None) -> Drop | None:
        """Why an article is left out, as far as the search tells."""
        from .records import describe, text

        if record is None:
            return None
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
        from .records import text

        record = self._known.get(ref.locator)
        drop = self._left_out(ref, record)
        if drop is not None:
            return drop
        service = self._service()
        url = service.text_url(ref.locator)
        try:
            data = self.client.get(url, kind="xml", cache_key=self._cache_key(url, ref)).body
        except NotFoundError:
            return Drop(id=ref.id, stage="fetch", reason="not-open-access", detail="no full text to download")
        parsed = parse(data, source=self.name, article_id=ref.id)
        stated = parsed.article.ids.pmcid
        if ref.locator.startswith("PMC") and stated not in ("", ref.locator):
            raise InputError(f"{ref.locator}: Europe PMC sent the text of {stated}")
        article = msgspec.structs.replace(
            parsed.article, source_license=text(record, "license") if record else ""
        )
        files = service.files_url(ref.locator)
        return ZippedDocument(parsed, article, partial(self._archive, files, ref), self.downloads, Limits())

    def _archive(self, url: str, ref: ArticleRef) -> bytes:
        key = self._cache_key(url, ref)
        return self.client.get(url, kind="zip", cache_key=key, seconds=self.options.max_seconds).body

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
