"""An article whose images come in one ZIP archive, which is fetched when the first of them is needed."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pmcx import Article, Document, Figure, InputError
from pmcx.remote import (
    Downloads,
    FileIndex,
    Limits,
    ParsedArticle,
    Reader,
    Ticket,
    ZipArchive,
    guarded,
    is_vector,
)

Check = Callable[[bytes], str]


class _DamagedError(Exception):
    """The archive is damaged, and not by the way it came."""

    def __init__(self, data: bytes) -> None:
        super().__init__(f"{len(data)} bytes")
        self.data = data


@dataclass(frozen=True)
class _Package:
    """The archive once it is here."""

    path: Path
    index: FileIndex
    reader: Reader
    contents: str


class ZippedDocument(Document):
    """A parsed article and the way to its archive.

    The archive is never unpacked: listed and read in place within limits, as hostile input. It lies in
    a temporary file until :meth:`close`. ``figure.image.name`` stays empty, as nobody knows the names of
    the files before the archive is here.
    """

    def __init__(
        self,
        parsed: ParsedArticle,
        article: Article,
        download: Callable[[Check], bytes],
        downloads: Downloads,
        limits: Limits,
    ) -> None:
        super().__init__(article, parsed.figures, drops=parsed.drops)
        self._candidates = parsed.candidates
        self._download, self._downloads, self._limits = download, downloads, limits
        self._lock = threading.Lock()
        self._ticket: Ticket | None = None
        self._package: _Package | None = None

    def prepare(self, figures: Sequence[Figure]) -> None:
        if figures:
            self._ticket = self._downloads.submit(self._fetch)

    def read(self, figure: Figure) -> bytes:
        with self._lock:
            if self._package is None:
                self._package = self._open()
            package = self._package
        hrefs = self._hrefs(figure)
        name = package.index.resolve(hrefs)
        if not name:
            raise InputError(
                f"no image file for href {figure.image.href!r} in the archive of {self.article.id}: tried "
                f"{', '.join(map(repr, hrefs))}; {package.contents}"
            )
        if is_vector(name):
            raise InputError(f"vector graphic {name!r}, and no raster file of that name beside it")
        return package.reader.read(name)

    def _fetch(self) -> bytes:
        """The archive; what is damaged in it is fetched again, unless it comes the same way twice."""
        seen: set[bytes] = set()

        def check(data: bytes) -> str:
            problem = self._damage(data)
            digest = hashlib.sha256(data).digest()
            if problem and digest in seen:
                raise _DamagedError(data)
            seen.add(digest)
            return problem

        try:
            return self._download(check)
        except _DamagedError as damaged:  # used for what is whole in it, and not kept
            return damaged.data

    def _damage(self, data: bytes) -> str:
        """What is wrong with the archive itself, or with the file of a figure; empty where nothing is."""
        path = _store(data)
        try:
            archive = ZipArchive(path, self._limits)
            with guarded("listing"):
                for _ in archive.members(lambda name: False):
                    pass
            reader = archive.reader([])
            try:
                for name in self._shown(archive):
                    reader.read(name)
            finally:
                reader.close()
        except InputError as error:
            return f"damaged ZIP: {error}"
        finally:
            path.unlink(missing_ok=True)
        return ""

    def _shown(self, archive: ZipArchive) -> set[str]:
        """The members that show the figures."""
        index = FileIndex(archive.names, "")
        return {name for figure in self.figures if (name := index.resolve(self._hrefs(figure)))}

    def _hrefs(self, figure: Figure) -> Sequence[str]:
        return self._candidates.get(figure.id) or (figure.image.href,)

    def _open(self) -> _Package:
        if self._ticket is None:
            self._ticket = self._downloads.submit(self._fetch)
        path = _store(self._ticket.take())
        try:
            with guarded(f"archive of {self.article.id}"):
                archive = ZipArchive(path, self._limits)
                for _ in archive.members(lambda name: False):
                    pass
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        contents = f"the archive holds {len(archive.names)} files"
        if archive.ignored:
            contents += f", not counting {archive.ignored} members with unsafe names, links and junk"
        return _Package(path, FileIndex(archive.names, ""), archive.reader([]), contents)

    def close(self) -> None:
        if self._ticket is not None:
            self._ticket.cancel()
        with self._lock:
            package, self._package = self._package, None
        if package is not None:
            package.reader.close()
            package.path.unlink(missing_ok=True)


def _store(data: bytes) -> Path:
    """A temporary file of these bytes."""
    with tempfile.NamedTemporaryFile(prefix="pmcx-europepmc-", suffix=".zip", delete=False) as file:
        file.write(data)
    return Path(file.name)
