"""One article version: from its metadata and XML to a document that downloads its images."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Sequence

import msgspec

from ...core.decode import VECTOR_FORMATS, sniff
from ...core.errors import InputError, TransientError
from ...core.net.client import NotFoundError
from ...core.net.s3 import Bucket
from ...core.records import Drop, Figure, Ids, License
from ..graphics import FileIndex, Prefer, is_vector, split_suffix
from ..jats import ParsedArticle, parse
from ..remote_document import resolve_images
from .metadata import Metadata, RemoteFile, ids_of, is_safe, license_of, media_of

log = logging.getLogger(__name__)

_EVIDENCE = 300
_NO_IMAGES = {"empty": "an empty file", "html": "an HTML page", "xml": "XML"}


def read_article(data: bytes, metadata: Metadata, *, source: str, article_id: str) -> ParsedArticle:
    """Parse the XML, and add what the metadata know: ids, a retraction, the licence as PMC states it.

    The licence of the record is the XML's; where PMC states another one, its evidence says so. Raises
    InputError where the XML is of another article.
    """
    if sniff(data) in ("html", "empty"):
        raise InputError(f"{article_id}: {_NO_IMAGES[sniff(data)]} where the article's XML was expected")
    parsed = parse(data, source=source, article_id=article_id)
    article = parsed.article
    if article.ids.pmcid and article.ids.pmcid != metadata.pmcid:
        raise InputError(f"{article_id}: the XML is of {article.ids.pmcid}, the metadata of {metadata.pmcid}")
    license_ = _compared(article.license, metadata, article_id)
    figures = tuple(
        msgspec.structs.replace(figure, license=license_) if figure.license == article.license else figure
        for figure in parsed.figures
    )
    article = msgspec.structs.replace(
        article,
        ids=_filled(article.ids, ids_of(metadata)),
        license=license_,
        source_license=metadata.license_code or "",
        retracted=article.retracted or bool(metadata.is_retracted),
    )
    return dataclasses.replace(parsed, article=article, figures=figures)


def _filled(stated: Ids, known: Ids) -> Ids:
    values = {name: getattr(stated, name) or getattr(known, name) for name in Ids.__struct_fields__}
    return Ids(**values)


def _compared(stated: License, metadata: Metadata, article_id: str) -> License:
    """The XML's licence; its evidence tells of a disagreement with PMC's metadata."""
    distributor = license_of(metadata)
    if distributor.code == stated.code:
        return stated
    note = f"PMC's metadata state {metadata.license_code or 'no licence'}"
    log.info("%s: the XML states the licence %s, %s", article_id, stated.code, note)
    evidence = f"{note}; {stated.evidence}" if stated.evidence else note
    return msgspec.structs.replace(stated, evidence=evidence[:_EVIDENCE])


class ArticleFiles:
    """The media of one article version: as the metadata list them, else as the bucket does.

    Thread-safe. The bucket is asked for a listing once, and only where the metadata do not suffice.
    ``changed`` answers the metadata as they are now where they promise other files than given ones, else
    raises the error given with them.
    """

    def __init__(
        self,
        bucket: Bucket,
        version: str,
        metadata: Metadata,
        changed: Callable[[Metadata, TransientError], Metadata],
    ) -> None:
        self._bucket, self._version, self._metadata, self._changed = bucket, version, metadata, changed
        self._media = media_of(metadata, bucket.name, version)
        self._lock, self._changing = threading.Lock(), threading.Lock()
        self._listed: dict[str, int] | None = None

    def resolve(self, parsed: ParsedArticle, prefer: Prefer) -> tuple[list[Figure], list[Drop]]:
        """The figures with the names of their files ("" where there is none), and those left out because
        their file has an unsafe address."""
        figures: list[Figure] = []
        drops: list[Drop] = []
        refused = FileIndex(self._media.refused, "")
        listed: FileIndex | None = None
        for figure in resolve_images(parsed, FileIndex(self._media.files, ""), prefer):
            if not figure.image.name:
                hrefs = parsed.candidates.get(figure.id) or (figure.image.href,)
                unsafe = refused.resolve(hrefs, prefer)
                if unsafe:
                    detail = self._media.refused[unsafe]
                    drops.append(Drop(id=figure.id, stage="fetch", reason="unsafe-name", detail=detail))
                    continue
                listed = listed or FileIndex(self.listing(), "")
                name = listed.resolve(hrefs, prefer)
                image = msgspec.structs.replace(figure.image, name=name)
                figure = msgspec.structs.replace(figure, image=image)
            figures.append(figure)
        return figures, drops

    def listing(self) -> dict[str, int]:
        """Name -> bytes of the files in the version's folder, without its text, metadata and PDF."""
        with self._lock:
            if self._listed is None:
                prefix = f"{self._version}/"
                own = {f"{self._version}.{suffix}" for suffix in ("json", "xml", "txt", "pdf")}
                entries = {entry.key.removeprefix(prefix): entry.size for entry in self._bucket.list(prefix)}
                self._listed = {
                    name: size for name, size in entries.items() if is_safe(name) and name not in own
                }
            return self._listed

    def get(self, name: str) -> bytes:
        """The bytes of an image, verified; InputError for what is not there, and for what is no raster
        image (an HTML page, an empty file, a vector graphic)."""
        if is_vector(name):
            raise InputError(f"vector graphic {name!r}, and no raster file of that name beside it")
        file = self._media.files.get(name) or RemoteFile(name)
        try:
            data = self._found(file)
        except TransientError as error:
            data = self._found(self._promised_now(file, error))
        kind = sniff(data)
        if kind in VECTOR_FORMATS or kind in _NO_IMAGES:
            what = _NO_IMAGES.get(kind, f"a vector graphic ({kind.upper()})")
            raise InputError(f"{self._version}/{name}: {what} where an image was expected")
        return data

    def _found(self, file: RemoteFile) -> bytes:
        try:
            return self._download(file)
        except NotFoundError:
            return self._download(self._spelt_otherwise(file))

    def _promised_now(self, file: RemoteFile, error: TransientError) -> RemoteFile:
        """The file with the checksum that the metadata promise by now; ``error`` where that is the same.

        TransientError where the text has changed, too: the figures are of the text that was read before.
        """
        if not file.md5:
            raise error
        with self._changing:
            if self._media.files.get(file.name, file) == file:
                now = self._changed(self._metadata, error)
                if now.xml_url != self._metadata.xml_url:
                    raise TransientError(f"{self._version} changed while it was fetched: {error}")
                self._metadata, self._media = now, media_of(now, self._bucket.name, self._version)
            promised = self._media.files.get(file.name, file)
        if promised == file:
            raise error
        return promised

    def _download(self, file: RemoteFile) -> bytes:
        size = (self._listed or {}).get(file.name)
        # Bytes with the promised checksum are what PMC has, even where they are no image: asking again
        # would not help. Without a checksum an error page may be a passing trouble of the server.
        return self._bucket.get(
            f"{self._version}/{file.name}",
            md5=file.md5,
            size=size,
            kind="any" if file.md5 else "image",
        ).body

    def _spelt_otherwise(self, file: RemoteFile) -> RemoteFile:
        """The object that a name from the metadata means, where there is none of exactly that name."""
        listed = self.listing()
        names = [name for name in listed if name != file.name]
        name = FileIndex(names, "").resolve([file.name])
        if not name:
            raise InputError(f"{self._version}/{file.name}: no such file; {_summary(listed)}")
        known = self._media.files.get(name)
        # The promised checksum holds for another spelling of the name, not for another format.
        return known or RemoteFile(name, file.md5 if _suffix(name) == _suffix(file.name) else "")


def may_be_image(name: str) -> bool:
    """Whether a file may be the image of a figure, by its suffix; one without any may be."""
    raster = split_suffix(name)[1] and not is_vector(name)
    return is_safe(name) and bool(raster or "." not in name)


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _summary(names: Sequence[str] | dict[str, int]) -> str:
    if not names:
        return "the version has no media"
    shown = ", ".join(repr(name) for name in sorted(names)[:5])
    return f"the version has {shown}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")
