"""The ``biorxiv`` and ``medrxiv`` sources: preprints from the requester-pays buckets of the servers.

https://www.biorxiv.org/tdm - MECA archives in folders by month of upload.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...core.errors import InputError, TransientError, UsageError
from ...core.net.options import NET_OPTIONS
from ...core.records import Article, ArticleRef, Drop, Failure, Ids, License
from ...core.stages import Document, LiveCheck, Survey
from ..remote import RemoteSource, failure
from .options import SELECTING, PreprintOptions

if TYPE_CHECKING:
    from ...core.net.client import Client
    from ..remote_document import RemoteDocument
    from .catalog import Catalog
    from .remote_zip import RemoteZip
    from .select import Place


class PreprintSource(RemoteSource):
    """What both servers share; a subclass names the server and its bucket."""

    Options = PreprintOptions
    options: PreprintOptions
    selecting = SELECTING
    circumstantial = NET_OPTIONS | SELECTING | {"requester_pays", "region", "bucket", "api"}
    unsaved = RemoteSource.unsaved | {"requester_pays"}
    title: ClassVar[str]
    bucket: ClassVar[str]

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._catalog: Catalog | None = None

    def open(self) -> None:
        from ...core.net.s3 import Bucket, requester_pays
        from ..packages import Limits
        from .catalog import Catalog, Meter

        options = self.options
        if not (options.requester_pays or options.offline):
            raise UsageError(
                f"the archives of {self.title} lie in a bucket whose reader pays: 0.09 USD a GB out of AWS "
                "(nothing within us-east-1) and your AWS credentials. If you agree, pass --requester-pays; "
                "budget_gb sets a limit"
            )
        sign = None if options.offline else requester_pays(options.region)
        super().open()
        bucket = Bucket(self.client, options.bucket or self.bucket, options.endpoint, sign)
        limit = None if options.budget_gb is None else int(options.budget_gb * 1e9)
        self._catalog = Catalog(bucket, Meter(limit), Limits())

    def close(self) -> None:
        super().close()
        self._catalog = None

    @property
    def catalog(self) -> Catalog:
        assert self._catalog is not None, "open the source first"
        return self._catalog

    # -- planning -------------------------------------------------------------------------------

    def plan(self) -> Iterator[ArticleRef | Drop]:
        """Preprints by DOI and version; those named or listed by the API in that order.

        A month is enumerated by reading the labels and the XML in each of its archives, about 30 KB an
        article; the cache keeps them, so that they are not paid for again.
        """
        if self._catalog is not None:
            yield from self._refs()
            return
        with self:
            yield from self._refs()

    def _refs(self) -> Iterator[ArticleRef | Drop]:
        from .api import PreprintApi
        from .planner import Planner
        from .select import read_index

        index = {}
        if self.options.index:
            index = read_index(Path(self.options.index).expanduser(), self.catalog.bucket.name)
        api = PreprintApi(self.client, self.options.api, self.name)
        planner = Planner(self.name, self.options, self.catalog, api, index, self.downloads)
        yield from planner.refs()
        self.incomplete = planner.incomplete

    def live_checks(self, client: Client) -> Iterator[LiveCheck]:
        from .live import live_checks

        return live_checks(client, self.options, self.name, self.bucket)

    # -- fetching -------------------------------------------------------------------------------

    def fetch_one(self, ref: ArticleRef) -> Document | Failure | Drop:
        answer = self._read(ref)
        return answer if isinstance(answer, Drop) else answer[0]

    def survey(self, refs: Sequence[ArticleRef]) -> Sequence[Survey | Failure | Drop]:
        """Licence, images and their bytes, from the archives' directories and XML (as planning read them)."""
        return self.downloads.map(self._survey_one, refs)

    def _survey_one(self, ref: ArticleRef) -> Survey | Failure | Drop:
        try:
            answer = self._read(ref)
        except (InputError, TransientError) as error:
            return failure(ref, error)
        if isinstance(answer, Drop):
            return answer
        document, archive, xml = answer
        names = {xml} | {figure.image.name for figure in document.figures if figure.image.name}
        return Survey(
            id=ref.id,
            license=document.article.license.code,
            files=len(names),
            size=sum(map(archive.packed, names)),
        )

    def _read(self, ref: ArticleRef) -> Drop | tuple[RemoteDocument, RemoteZip, str]:
        """The article without its images, its archive, and the member that holds its XML."""
        from . import meca
        from .document import make_document
        from .select import Place

        place = Place.parse(ref.locator)
        drop = self._left_out(ref, place)
        if drop is not None:
            return drop
        archive = self.catalog.open(place.key, place.size, ref.fingerprint)
        article = meca.read_article(archive, place.member)
        if not place.member:
            # Planned by its file name, as it could not be read then. Taking it under this id would have
            # it twice as soon as an extension of the run finds it under its own.
            detail = f"{place.key} holds {article.id}: extend the run to take it"
            return Drop(id=ref.id, stage="fetch", reason="readable-now", detail=detail)
        if article.id != ref.base:
            raise InputError(f"{place.key}: {article.member} is {article.id}, not {ref.base}")
        document = make_document(
            archive,
            article,
            ref,
            place,
            source=self.name,
            prefer=self.options.prefer,
            downloads=self.downloads,
        )
        return document, archive, article.member

    def _left_out(self, ref: ArticleRef, place: Place) -> Drop | None:
        """Whether the run's filters leave the article out for the licence that the API states."""
        from .api import LICENSES

        code = LICENSES.get(place.license.lower())
        if code is None:
            return None
        terms = License(code=code, source=f"{self.name} API", evidence=place.license)
        return self.accept(
            Article(id=ref.id, source=self.name, license=terms, source_license=place.license, ids=Ids())
        )


class BiorxivSource(PreprintSource):
    """Preprints of bioRxiv, from the MECA archives in its bucket, where the reader pays for transfer.

    An article is one version of a preprint (`10.1101_2024.01.24.24301711v1`). Archives are read in place:
    the directory, the XML, and only the images of figures that are kept. The bucket is for text and data
    mining and not meant to be redistributed as it is; reuse follows each author's licence.
    """

    name = "biorxiv"
    title = "bioRxiv"
    bucket = "biorxiv-src-monthly"


class MedrxivSource(PreprintSource):
    """Preprints of medRxiv, from the MECA archives in its bucket, where the reader pays for transfer.

    An article is one version of a preprint (`10.1101_2024.01.24.24301711v1`). Archives are read in place:
    the directory, the XML, and only the images of figures that are kept. The bucket is for text and data
    mining and not meant to be redistributed as it is; reuse follows each author's licence.
    """

    name = "medrxiv"
    title = "medRxiv"
    bucket = "medrxiv-src-monthly"
