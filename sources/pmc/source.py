"""The ``pmc-oa`` source: articles of PubMed Central from the public bucket of the PMC Cloud Service.

https://pmc.ncbi.nlm.nih.gov/tools/pmcaws/ - one folder a version of an article, no packages.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...core.errors import InputError, TransientError, UsageError
from ...core.net.client import ChangedError, NotFoundError
from ...core.net.options import NET_OPTIONS
from ...core.net.s3 import Bucket
from ...core.records import Article, ArticleRef, Drop, Failure, License, wanted
from ...core.stages import Document, LiveCheck, Survey
from ..remote import RemoteSource, failure
from .inventory import Table, Version, read_inventory
from .metadata import (
    Metadata,
    describe,
    excluded,
    license_of,
    parse_metadata,
    split_version,
    xml_of,
)
from .options import SELECTING, PmcOptions
from .select import Wanted, read_inputs

if TYPE_CHECKING:
    from ...core.net.client import Client
    from .eutils import Search

log = logging.getLogger(__name__)

_CHUNK = 2048
_KEY = re.compile(r"metadata/PMC(\d+)\.([1-9]\d*)\.json")
_RATE, _RATE_WITH_KEY = 2.5, 8.5
"""Requests a second to the E-utilities: 3 and 10 are allowed, as they arrive, and some arrive late."""

Asked = tuple[Wanted, "list[Version] | None"]
"""An article asked for, and its versions where the inventory tells them."""


class PmcOaSource(RemoteSource):
    """Articles of PubMed Central: metadata first, then the text, then only the images that figures show.

    An article is one version (`PMC123.2`). Only open-access articles are taken, neither author manuscripts
    nor scans, unless the options say so. Every file is checked against the md5 that the metadata promise.
    Acknowledge the National Library of Medicine as the source, with the date of access.
    """

    name = "pmc-oa"
    Options = PmcOptions
    selecting = SELECTING
    circumstantial = NET_OPTIONS | SELECTING | {"bucket", "eutils", "api_key"}
    options: PmcOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._bucket: Bucket | None = None
        self._outdated = ""
        """Why the inventory of the plan may lack articles that are there."""

    def rates(self) -> dict[str, float]:
        return {urlsplit(self.options.eutils).netloc: _RATE_WITH_KEY if self.options.key() else _RATE}

    def open(self) -> None:
        super().open()
        self._bucket = Bucket(self.client, self.options.bucket, self.options.endpoint)

    @property
    def bucket(self) -> Bucket:
        assert self._bucket is not None, "open the source first"
        return self._bucket

    # Planning

    def plan(self) -> Iterator[ArticleRef | Drop]:
        """Versions by number, or in the order in which ``input`` names the articles."""
        options = self.options
        if options.input and options.searches:
            raise UsageError(
                "pmc-oa takes either input (PMCIDs, files) or a search (query, since, until), not both"
            )
        if not (options.input or options.searches or options.inventory is not False):
            raise UsageError(
                "pmc-oa does not know which articles to take: give PMCIDs or files of them (input), a search "
                "(query, since, until), or inventory=true for all"
            )
        self.incomplete = "articles are named one by one" if options.input else ""
        if self._client is not None:
            return self._limited()
        return self._opened_for_plan()

    def _opened_for_plan(self) -> Iterator[ArticleRef | Drop]:
        with self:
            yield from self._limited()

    def _lacks(self, why: str) -> None:
        """Note a reason for which the enumeration may lack articles that are there."""
        self.incomplete = "; ".join(filter(None, (self.incomplete, why)))

    def _limited(self) -> Iterator[ArticleRef | Drop]:
        """What is asked for, up to the limit; nothing is asked of the network to learn what lies beyond."""
        limit, asked, taken = self.options.limit, self._asked(), 0
        while chunk := list(islice(asked, min(_CHUNK, limit or _CHUNK))):
            for ref in self._refs(chunk):
                if isinstance(ref, ArticleRef):
                    if taken == limit:
                        self._lacks(f"limit={limit}")
                        return
                    taken += 1
                yield ref
            if taken == limit and next(asked, None) is not None:
                self._lacks(f"limit={limit}")
            if taken == limit:
                return

    def _refs(self, chunk: list[Asked]) -> Iterator[ArticleRef | Drop]:
        options = self.options
        # An inventory tells the versions, but nothing that is in their metadata.
        needs_network = (
            chunk[0][1] is None
            or options.fallback
            or options.versions == "all"
            or any(article.version for article, _ in chunk)
        )
        found = self.downloads.map(self._resolve, chunk) if needs_network else map(self._resolve, chunk)
        for refs in found:
            yield from refs

    def _asked(self) -> Iterator[Asked]:
        chosen = self._chosen()
        if self.options.inventory is False:
            return ((each, None) for each in chosen or ())
        table = self._inventory()
        if table.outdated:
            self._lacks(table.outdated)
        self._outdated = table.outdated
        if chosen is None:
            return ((Wanted(group[0].number), group) for group in table.articles())
        return ((each, table.of(each.number)) for each in chosen)

    def _chosen(self) -> Iterable[Wanted] | None:
        """The articles that the options name or look for; None where they take all."""
        options = self.options
        if options.input:
            return read_inputs(options.input)
        if not options.searches:
            return None
        from .eutils import search_term

        term = search_term(options.query, options.open_access_only)
        search = self._search()
        numbers = search.numbers(term, options.since, options.until)
        if search.lacking:
            self._lacks(search.lacking)
        return [Wanted(number) for number in numbers]

    def _search(self) -> Search:
        from .eutils import Search

        options = self.options
        if not options.contact:
            log.warning("NCBI asks for an e-mail address with every search: set the option contact")
        return Search(self.client, options.eutils, options.key(), options.contact)

    def _inventory(self) -> Table:
        day = self.options.inventory
        return read_inventory(self.bucket, day if isinstance(day, datetime.date) else None)

    def _resolve(self, asked: Asked) -> list[ArticleRef | Drop]:
        """The versions to take of one article."""
        article, known = asked
        versions = self._versions(article.number) if known is None else known
        each_counts = bool(article.version) or self.options.versions == "all"
        if article.version:
            taken = [version for version in versions if version.version == article.version]
        elif each_counts:
            taken = versions
        else:
            taken = [self._newest(versions)] if versions else []
        if not taken:
            return [self._missing(article, versions)]
        older, detail = [], f"{taken[-1]} is newer"
        if not each_counts:
            older = [each for each in versions if each.version < taken[-1].version]
        elif taken[0] is not versions[-1] and self._retracted(versions[-1]):
            # A retraction concerns the work, so its older versions go, too.
            older = [each for each in taken if each is not versions[-1]]
            taken = taken[len(older) :]
            detail = f"{versions[-1]} is newer, and retracted"
        # Named, so that extending a run can tell an article that went from one that was superseded.
        drops = [Drop(id=str(each), stage="plan", reason="older-version", detail=detail) for each in older]
        work = f"PMC{article.number}"
        refs = [
            ArticleRef(id=str(each), locator=str(each), fingerprint=each.etag, group=work) for each in taken
        ]
        return [*refs, *drops]

    def _missing(self, article: Wanted, versions: list[Version]) -> Drop:
        """What is not there; nothing is said to be gone by an inventory that does not tell how things are."""
        there = ", ".join(map(str, versions))
        detail = f"there is {there}" if there else f"no metadata of it in {self.options.bucket}"
        reason = "not-found"
        if self._outdated:
            detail, reason = f"{detail}; {self._outdated}", "not-in-inventory"
        return Drop(id=str(article), stage="plan", reason=reason, detail=detail)

    def _retracted(self, version: Version) -> bool:
        """Whether a version is retracted, and the run leaves out what is."""
        # The freest licence, so that nothing but the retraction speaks against it.
        notice = Article(id=str(version), source=self.name, license=License(code="CC0"), retracted=True)
        if self.accept(notice) is None:
            return False
        try:
            return bool(self._metadata(str(version), version.etag).is_retracted)
        except InputError as error:
            log.warning("%s: whether it is retracted is not known: %s", version, error)
            return False

    def _versions(self, number: int) -> list[Version]:
        """The versions of an article by one LIST. The dot keeps PMC777 apart from PMC77."""
        found = [
            Version(number, int(match[2]), entry.etag)
            for entry in self.bucket.list(f"metadata/PMC{number}.")
            if (match := _KEY.fullmatch(entry.key)) and int(match[1]) == number
        ]
        return sorted(found, key=lambda version: version.version)

    def _newest(self, versions: list[Version]) -> Version:
        """The newest version, or with ``fallback`` the newest that is eligible."""
        newest = versions[-1]
        if not self.options.fallback or len(versions) == 1:
            return newest
        for version in reversed(versions):
            try:
                metadata = self._metadata(str(version), version.etag)
            except InputError as error:
                log.warning("%s: not eligible: %s", version, error)
                continue
            if metadata.is_retracted and version is newest:
                return newest  # a retraction concerns the work, not the version
            if self._drop(metadata, str(version)) is None:
                return version
        return newest

    # Metadata

    def _metadata(self, version: str, etag: str, fresh: bool = False) -> Metadata:
        """The metadata of a version; cached under the ETag that planning saw, if it is still that.

        ``fresh`` asks the bucket whether it still is.
        """
        key = f"metadata/{version}.json"
        if etag:
            cache_key = f"{self.bucket.url(key)}#{etag}"
            try:
                data = self.bucket.get(key, kind="json", cache_key=cache_key, if_match=etag, fresh=fresh).body
                return parse_metadata(data, version)
            except ChangedError:
                log.info("%s: its metadata changed since the run was planned; taken as they are now", version)
        return self._current(version)

    def _current(self, version: str) -> Metadata:
        return parse_metadata(self.bucket.get(f"metadata/{version}.json", kind="json").body, version)

    def _changed(self, version: str, known: Metadata, error: InputError | TransientError) -> Metadata:
        """The metadata as they are now, where they promise other files than the ``known`` ones.

        Otherwise raises ``error``: what went wrong with a file is not that the article has changed.
        """
        try:
            now = self._current(version)
        except TransientError:
            raise error from None
        if (now.xml_url, now.media_urls) == (known.xml_url, known.media_urls):
            raise error
        log.info("%s: changed while it was fetched; taken as it is now (%s)", version, error)
        return now

    def _drop(self, metadata: Metadata, article_id: str) -> Drop | None:
        """Why the options or the run's filters leave an article out, as far as its metadata tell."""
        options = self.options
        out = excluded(
            metadata,
            article_id,
            open_access_only=options.open_access_only,
            manuscripts=options.manuscripts,
            ocr=options.ocr,
        )
        return out or self.accept(describe(metadata, article_id, self.name))

    def survey(self, refs: Sequence[ArticleRef]) -> Sequence[Survey | Failure | Drop]:
        """Licence, and the size of the XML and of everything that may be an image of a figure: an upper
        bound, as only the XML tells figures from supplements. Costs two requests for each article."""
        if self._client is None:
            with self:
                return self.downloads.map(self._survey_one, refs)
        return self.downloads.map(self._survey_one, refs)

    def _survey_one(self, ref: ArticleRef) -> Survey | Failure | Drop:
        from .article import may_be_image

        version = ref.locator
        try:
            split_version(version)
            metadata = self._metadata(version, ref.fingerprint)
            drop = self._drop(metadata, ref.id)
            if drop is not None:
                return drop
            xml = xml_of(metadata, self.options.bucket, version).name
            sizes = {
                name: entry.size
                for entry in self.bucket.list(f"{version}/")
                if (name := entry.key.removeprefix(f"{version}/")) == xml or may_be_image(name)
            }
        except (InputError, TransientError) as error:
            return failure(ref, error)
        return Survey(
            id=ref.id, license=license_of(metadata).code, files=len(sizes), size=sum(sizes.values())
        )

    def live_checks(self, client: Client) -> Iterator[LiveCheck]:
        from .live import live_checks

        return live_checks(client, self.options)

    # Fetching

    def fetch_one(self, ref: ArticleRef) -> Document | Failure | Drop:
        from ..remote_document import RemoteDocument
        from .article import ArticleFiles, read_article

        version = ref.locator
        split_version(version)
        # What failed once may have failed because the metadata in the cache are out of date.
        again = ref.attempt > 0 and not self.options.offline
        metadata = self._metadata(version, ref.fingerprint, fresh=again)
        drop = self._drop(metadata, ref.id)
        if drop is not None:
            return drop
        try:
            data = self._xml(version, metadata)
        except (NotFoundError, TransientError) as error:
            metadata = self._changed(version, metadata, error)
            drop = self._drop(metadata, ref.id)
            if drop is not None:
                return drop
            data = self._xml(version, metadata)
        parsed = read_article(data, metadata, source=self.name, article_id=ref.id)
        files = ArticleFiles(self.bucket, version, metadata, partial(self._changed, version))
        figures, drops = files.resolve(parsed, self.options.prefer)
        names = {figure.image.name for figure in figures if figure.image.name}
        most = self.options.max_media
        if most is not None and len(names) > most:
            return Drop(id=ref.id, stage="fetch", reason="max-media", detail=f"{len(names)} image files")
        asked = [figure for figure in figures if wanted(figure.id, ref.only)]
        return RemoteDocument(parsed, asked, files.get, self.downloads, drops)

    def _xml(self, version: str, metadata: Metadata) -> bytes:
        xml = xml_of(metadata, self.options.bucket, version)
        # With the promised checksum it is what PMC has; without, an error page is asked for again.
        kind: Any = "any" if xml.md5 else "xml"
        return self.bucket.get(f"{version}/{xml.name}", md5=xml.md5, kind=kind).body
