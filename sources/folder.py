"""Articles that are already here: folders, ZIP, MECA and tar archives, and single JATS files."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote, unquote_to_bytes

import msgspec
from pydantic import Field, field_validator

from ..core.decode import VECTOR_FORMATS, sniff
from ..core.errors import InputError, PmcxError, TransientError, UsageError
from ..core.records import ArticleRef, Drop, Failure, Figure, Ids, wanted
from ..core.stages import Document, Options, Source
from .archives import open_archive
from .packages import (
    ARCHIVE_SUFFIXES,
    XML_SUFFIXES,
    FolderReader,
    Limits,
    Reader,
    folder_names,
    guarded,
    guarded_items,
    is_archive,
    is_article_name,
    is_xml,
    list_folder,
    read_file,
)

if TYPE_CHECKING:
    from .graphics import FileIndex
    from .jats import ParsedArticle

log = logging.getLogger(__name__)

_PMC_ARCHIVE = re.compile(r"(PMC\d+)(?:\.(\d+))?\.tar\.gz")
_LOCATOR = re.compile(r"(\d+):([^!#]*)(?:!([^#]*))?(?:#(\d+))?")
_LARGE_FOLDER = 200  # files; from here on a listing is worth keeping for the next article
_DEFAULTS = Limits()


class FolderOptions(Options):
    """Options of the ``folder`` source."""

    input: tuple[str, ...] = Field(
        default=(), description="Folders, archives (.zip .meca .tar.gz .tgz .tar) or JATS files."
    )
    prefer: Literal["web", "lossless"] = Field(
        default="web", description="Which of several files of a figure to take: JPEG first, or TIFF first."
    )
    max_archive_bytes: int = Field(
        default=_DEFAULTS.max_archive_bytes, gt=0, description="Unpacked size of an archive, at most."
    )
    max_member_bytes: int = Field(
        default=_DEFAULTS.max_member_bytes, gt=0, description="Size of one image file, at most."
    )
    max_xml_bytes: int = Field(
        default=_DEFAULTS.max_xml_bytes, gt=0, description="Size of one XML file, at most."
    )
    max_members: int = Field(
        default=_DEFAULTS.max_members, gt=0, description="Files in one package, at most."
    )
    max_ratio: float = Field(
        default=_DEFAULTS.max_ratio, gt=1, description="Unpacked to packed size of an archive, at most."
    )

    @field_validator("input", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (os.fspath(value),) if isinstance(value, (str, os.PathLike)) else value


class _Root(NamedTuple):
    """One input: the folder that paths are relative to, and the one file in it that was named, if any."""

    base: Path
    file: str
    label: str


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where an article is: input, path below its base, member of an archive, n-th article of the XML."""

    root: int
    path: str
    member: str | None
    index: int

    def locator(self) -> str:
        text = f"{self.root}:{_quote(self.path)}"
        if self.member is not None:
            text += "!" + _quote(self.member)
        return f"{text}#{self.index}" if self.index else text

    @classmethod
    def parse(cls, locator: str) -> _Place:
        match = _LOCATOR.fullmatch(locator)
        if match is None or ".." in _unquote(match[2]).split("/") or _unquote(match[2]).startswith("/"):
            raise InputError(f"not a locator of the folder source: {locator!r}")
        member = None if match[3] is None else _unquote(match[3])
        return cls(int(match[1]), _unquote(match[2]), member, int(match[4] or 0))


def _quote(path: str) -> str:
    return quote(os.fsencode(path), safe="/ ,;@=+&()'~$")


def _unquote(text: str) -> str:
    return os.fsdecode(unquote_to_bytes(text))


class FolderDocument(Document):
    """An article of a package; image files are read when asked for, from any thread."""

    def __init__(self, parsed: ParsedArticle, figures: Sequence[Figure], extra: Sequence[Drop] = ()) -> None:
        super().__init__(parsed.article, figures, drops=(*parsed.drops, *extra))
        self._candidates = parsed.candidates
        self._names = {figure.image.name for figure in figures if figure.image.name}
        self._reader = Reader()
        self._package = ""
        self._contents = ""

    def attach(self, reader: Reader, package: str, contents: str) -> None:
        """Say where the files come from; ``package`` and ``contents`` are for error messages."""
        self._reader = reader
        self._package = package
        self._contents = contents

    def read(self, figure: Figure) -> bytes:
        image = figure.image
        if image.name not in self._names:
            hrefs = self._candidates.get(figure.id) or (image.href,)
            raise InputError(
                f"no image file for href {image.href!r} in {self._package}: tried "
                f"{', '.join(map(repr, hrefs))} as path and name, ignoring case, and with any known image "
                f"suffix; {self._contents}"
            )
        with guarded(self._package):
            data = self._reader.read(image.name)
        kind = sniff(data)
        if kind in VECTOR_FORMATS:
            raise InputError(
                f"vector graphic {image.name!r} ({kind.upper()}) in {self._package}, "
                "and no raster file of that name beside it"
            )
        return data

    def close(self) -> None:
        self._reader.close()


class FolderSource(Source):
    """Reads article packages from local folders and archives, without unpacking them to disk.

    Ids are those the XML states, else the path below the input; locators hold no path above the input,
    so that a moved folder gives the same run.
    """

    name = "folder"
    Options = FolderOptions
    circumstantial = frozenset({"input"})

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        limits = {field: getattr(self.options, field) for field in Limits.__dataclass_fields__}
        self._limits = Limits(**limits)
        self._indexes: dict[tuple[Path, str], tuple[int, FileIndex]] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """Check that the inputs are there: an unmounted disk stops the run instead of losing its articles."""
        for root, given in zip(self._roots(), self.options.input, strict=True):
            _check_input(root, given)

    # Planning

    def plan(self) -> Iterator[ArticleRef]:
        if not self.options.input:
            raise UsageError("the folder source has no input: name a folder, an archive or a JATS file")
        self.open()
        return self._enumerate(self._roots())

    def _roots(self) -> list[_Root]:
        paths = [Path(given).expanduser().absolute() for given in self.options.input]
        repeated = Counter(path.name for path in paths)
        roots = []
        for number, path in enumerate(paths):
            unique = f"{path.name}-{number}" if repeated[path.name] > 1 else path.name
            if path.is_dir():
                roots.append(_Root(path.resolve(), "", unique if len(paths) > 1 else ""))
            else:
                label = unique if repeated[path.name] > 1 else ""
                roots.append(_Root(path.parent.resolve(), path.name, label))
        return roots

    def _enumerate(self, roots: Sequence[_Root]) -> Iterator[ArticleRef]:
        for number, root in enumerate(roots):
            found = False
            seen: Counter[str] = Counter()
            for path, listed in [(root.file, True)] if root.file else _walk(root.base):
                seen[Path(path).suffix.lower() or "(none)"] += 1
                if root.file or is_article_name(path) or is_archive(path) or not listed:
                    for ref in self._refs(number, root, path):
                        found = True
                        yield ref
            if not found:
                what = (
                    ", ".join(f"{count} {suffix}" for suffix, count in sorted(seen.items())[:8]) or "no files"
                )
                raise UsageError(
                    f"nothing in {self.options.input[number]!r} looks like an article: saw {what}; expected "
                    f"JATS XML ({' '.join(XML_SUFFIXES)}) or archives of it ({' '.join(ARCHIVE_SUFFIXES)})"
                )

    def _refs(self, number: int, root: _Root, path: str) -> Iterator[ArticleRef]:
        from .jats import make_article_id

        name = path.rpartition("/")[2]
        fallback = _fallback(root, path)
        try:
            if match := _PMC_ARCHIVE.fullmatch(name):
                # Not opened: millions of them may lie here. There is one article in each.
                with guarded(path):
                    size = (root.base / path).stat().st_size
                article_id = make_article_id(Ids(pmcid=match[1], version=match[2] or ""), fallback)
                yield ArticleRef(
                    id=article_id,
                    locator=_locator(number, path),
                    fingerprint=f"size:{size}",
                    group=match[1],
                )
            elif is_xml(name) or (root.file and not is_archive(name) and _begins(root.base / path, b"<")):
                with guarded(path):
                    data = read_file(root.base / path, self._limits)
                yield from _article_refs(data, _Place(number, path, None, 0), fallback)
            else:
                yield from self._archive_refs(number, root, path)
        except (InputError, TransientError) as error:
            log.debug("enumerated though unreadable: %s", error)
            yield ArticleRef(id=make_article_id(Ids(), fallback), locator=_locator(number, path))

    def _archive_refs(self, number: int, root: _Root, path: str) -> Iterator[ArticleRef]:
        with guarded(path):
            archive = open_archive(root.base / path, self._limits)
        found = False
        try:
            for member, data in guarded_items(path, archive.members(is_article_name)):
                place = _Place(number, path, member, 0)
                for ref in _article_refs(data, place, _fallback(root, f"{path}/{member}")):
                    found = True
                    yield ref
        except (InputError, TransientError):
            if not found:  # else the articles met so far carry the failure when they are fetched
                raise
        if not found:
            log.info("%s: an archive without any JATS article, left out", path)

    # Fetching

    def fetch(self, refs: Sequence[ArticleRef]) -> Sequence[Document | Failure]:
        answers: dict[int, Document | Failure] = {}
        roots = self._roots()
        packages: dict[tuple[int, str], list[tuple[int, _Place]]] = {}
        for at, ref in enumerate(refs):
            try:
                place = _Place.parse(ref.locator)
                if place.root >= len(roots):
                    raise InputError(f"locator {ref.locator!r} names input {place.root} of {len(roots)}")
                packages.setdefault((place.root, place.path), []).append((at, place))
            except InputError as error:
                answers[at] = _failure(ref, error)
        for (number, path), items in packages.items():
            try:
                opened = _Package(self, roots[number].base, path, [place for _, place in items])
            except (InputError, TransientError) as error:
                answers.update({at: _failure(refs[at], error) for at, _ in items})
                continue
            for at, place in items:
                try:
                    answers[at] = opened.document(refs[at], place)
                except (InputError, TransientError) as error:
                    answers[at] = _failure(refs[at], error)
        return [answers[at] for at in range(len(refs))]

    def folder_index(self, base: Path, folder: str) -> FileIndex:
        """The files for articles in ``folder``; kept for the next call where listing them is slow."""
        from .graphics import FileIndex

        changed = (base / folder).stat().st_mtime_ns
        with self._lock:
            known = self._indexes.get((base, folder))
        if known is not None and known[0] == changed:
            return known[1]
        index = FileIndex(folder_names(base, folder, self._limits), folder)
        if len(index.names) > _LARGE_FOLDER:
            with self._lock:
                self._indexes = {(base, folder): (changed, index)}
        return index


class _Package:
    """One XML file or archive, opened to answer for some of its articles."""

    def __init__(self, source: FolderSource, base: Path, path: str, places: Sequence[_Place]) -> None:
        self.source = source
        self.limits = source._limits
        self.base = base
        self.path = path
        self.archive = None
        self.texts: dict[str, bytes | InputError] = {}
        file = base / path
        with guarded(path):
            if file.is_dir():
                list_folder(file, base)
                raise InputError("is a folder that could not be listed when the run was planned")
            if is_xml(path) or not (is_archive(path) or not _begins(file, b"<")):
                self.texts[""] = read_file(file, self.limits)
                return
            self.archive = open_archive(file, self.limits)
        wanted = {place.member for place in places}

        def keep(name: str) -> bool:
            needed = name in wanted or (None in wanted and is_article_name(name))
            return needed or name.rpartition("/")[2] == "manifest.xml"

        self.texts = dict(guarded_items(path, self.archive.members(keep)))

    def document(self, ref: ArticleRef, place: _Place) -> FolderDocument:
        from . import jats
        from .graphics import with_manifest

        extra: list[Drop] = []
        member = ""
        if self.archive is not None:
            member = self._first_article(ref, extra) if place.member is None else place.member
        data = self.texts.get(member)
        if data is None:
            raise InputError(f"{self.path}: member {member!r} is no longer in the archive")
        if isinstance(data, InputError):
            raise InputError(f"{self.path}: {data}")
        where = f"{self.path}: {member}" if member else self.path
        try:
            parsed = jats.parse(data, source=self.source.name, article_id=ref.id, index=place.index)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        with guarded(where):
            index = self._index(member)
            manifest = self._manifest(index)

        figures: list[Figure] = []
        for figure in parsed.figures:
            if not wanted(figure.id, ref.only):
                continue
            hrefs = parsed.candidates.get(figure.id) or (figure.image.href,)
            listed = manifest.get(figure.id.removeprefix(f"{parsed.article.id}/"), ())
            name = index.resolve(with_manifest(hrefs, listed), self.source.options.prefer)
            figures.append(
                msgspec.structs.replace(figure, image=msgspec.structs.replace(figure.image, name=name))
            )
        document = FolderDocument(parsed, figures, extra)
        names = [figure.image.name for figure in figures if figure.image.name]
        reader = self.archive.reader(names) if self.archive else FolderReader(self.base, self.limits)
        contents = f"the package holds {len(index.names)} files"
        if self.archive is not None and self.archive.ignored:
            contents += f", not counting {self.archive.ignored} members with unsafe names, links and junk"
        document.attach(reader, self.path, contents)
        return document

    def _first_article(self, ref: ArticleRef, extra: list[Drop]) -> str:
        """The member with the article, where the plan did not look inside."""
        from . import jats

        articles: list[str] = []
        errors: list[InputError] = []
        candidates = sorted(
            filter(is_article_name, self.texts), key=lambda name: (name[-5:] != ".nxml", name)
        )
        for member in candidates:
            data = self.texts[member]
            try:
                if isinstance(data, InputError):
                    raise data
                if jats.scan(data):
                    articles.append(member)
            except InputError as error:
                errors.append(InputError(f"{self.path}: {member}: {error}"))
        if not articles and errors:
            raise errors[0]
        if not articles:
            nested = [name for name in self.archive.names if is_archive(name)] if self.archive else []
            hint = f"; archives inside it ({nested[0]!r} …) are not opened" if nested else ""
            raise InputError(f"{self.path}: no JATS article among its {len(candidates)} XML files{hint}")
        for other in articles[1:]:
            detail = f"{self.path}: {other}"
            extra.append(Drop(id=f"{ref.id}/*", stage="fetch", reason="further-article", detail=detail))
        return articles[0]

    def _index(self, member: str) -> FileIndex:
        from .graphics import FileIndex, package_files

        if self.archive is None:
            return self.source.folder_index(self.base, self.path.rpartition("/")[0])
        return FileIndex(package_files(self.archive.names)(member), member.rpartition("/")[0])

    def _manifest(self, index: FileIndex) -> dict[str, tuple[str, ...]]:
        from .graphics import manifest_images

        name = index.resolve(["manifest.xml"])
        if not name:
            return {}
        data = read_file(self.base / name, self.limits) if self.archive is None else self.texts.get(name)
        try:
            return manifest_images(data, name.rpartition("/")[0]) if isinstance(data, bytes) else {}
        except InputError as error:  # the article's own hrefs remain
            log.info("%s: %s: %s", self.path, name, error)
            return {}


def _walk(base: Path) -> Iterator[tuple[str, bool]]:
    """Files below ``base`` in the order of their names, each folder in its place among them; a folder
    that cannot be listed comes itself, with False."""
    pending = [("", True)]
    while pending:
        path, folder = pending.pop()
        if not folder:
            yield path, True
            continue
        try:
            files, folders = list_folder(base / path, base)
        except OSError:
            yield path, False
            continue
        inner = set(folders)
        prefix = f"{path}/" if path else ""
        pending += [(prefix + name, name in inner) for name in sorted([*files, *folders], reverse=True)]


def _article_refs(data: bytes | InputError, place: _Place, fallback: str) -> Iterator[ArticleRef]:
    """One ref for each article of an XML file, or one to fail later where it cannot be read."""
    from .jats import make_article_id, scan, work_of

    try:
        if isinstance(data, InputError):
            raise data
        heads = scan(data)
        fingerprint = hashlib.sha256(data).hexdigest()[:16]
    except InputError:
        yield ArticleRef(id=make_article_id(Ids(), fallback), locator=place.locator())
        return
    for index, head in enumerate(heads):
        own = f"{fallback}-{index + 1}" if len(heads) > 1 else fallback
        yield ArticleRef(
            id=make_article_id(head.ids, own),
            locator=dataclasses.replace(place, index=index).locator(),
            fingerprint=fingerprint,
            group=work_of(head.ids),
        )


def _fallback(root: _Root, path: str) -> str:
    return f"{root.label}/{path}" if root.label else path


def _locator(number: int, path: str) -> str:
    return _Place(number, path, None, 0).locator()


def _failure(ref: ArticleRef, error: PmcxError) -> Failure:
    kind: Literal["transient", "input"] = "transient" if isinstance(error, TransientError) else "input"
    return Failure(id=ref.id, stage="fetch", kind=kind, error=str(error), attempt=ref.attempt)


def _begins(path: Path, mark: bytes) -> bool:
    """Whether a regular file begins with ``mark``, after a byte order mark and blanks."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(mark)


def _check_input(root: _Root, given: str) -> None:
    path = root.base / root.file
    if not path.exists():
        raise UsageError(f"input {given!r} does not exist (looked for {path})")
    if root.file and not path.is_file():
        raise UsageError(f"input {given!r} is neither a folder nor a regular file")
    try:
        if root.file:
            with path.open("rb"):
                pass
        else:
            with os.scandir(path):
                pass
    except OSError as error:
        raise UsageError(f"input {given!r} cannot be read: {error.strerror}") from error
