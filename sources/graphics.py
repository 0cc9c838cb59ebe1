"""From the ``href`` of a graphic to the file of the package that shows it."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Literal
from urllib.parse import unquote

from lxml import etree

from ..core.errors import InputError
from .packages import is_article_name

Prefer = Literal["web", "lossless"]

_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
_TIFF = (".tif", ".tiff")
_RANKS: dict[Prefer, tuple[tuple[str, ...], ...]] = {
    "web": (_JPEG, (".png",), (".webp",), _TIFF, (".bmp",), (".gif",)),
    "lossless": (_TIFF, (".png",), (".bmp",), (".webp",), _JPEG, (".gif",)),
}
_RASTER = tuple(suffix for rank in _RANKS["web"] for suffix in rank)
_VECTOR = (".pdf", ".eps", ".ps", ".ai", ".svg", ".svgz", ".emf", ".wmf")
_URL_TAIL = re.compile(r"[?#].*$", re.DOTALL)


def split_suffix(name: str) -> tuple[str, str]:
    """Stem and lower-case image suffix of a file name; a suffix outside the known list is none, so that
    ``pone.0170679.g001`` stays whole."""
    stem, dot, tail = name.rpartition(".")
    suffix = dot + tail.lower()
    return (stem, suffix) if stem and suffix in (*_RASTER, *_VECTOR) else (name, "")


def is_vector(name: str) -> bool:
    return split_suffix(name)[1] in _VECTOR


def rank(name: str, prefer: Prefer) -> int:
    """Place of the file's kind in the order of preference; files without a known suffix come first."""
    suffix = split_suffix(name)[1]
    ranks = _RANKS[prefer]
    other = len(ranks) + 1 if suffix else 0
    return next((place for place, kinds in enumerate(ranks, 1) if suffix in kinds), other)


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unquote(name)).casefold()


def spellings(href: str) -> list[str]:
    """The paths that an href may mean: as written, without query, percent-decoded; ``/`` as separator."""
    short = _URL_TAIL.sub("", href)
    forms = (href, short, unquote(short), unquote(short).replace("+", " "))
    paths = [unicodedata.normalize("NFC", form).replace("\\", "/").strip() for form in forms]
    return [path for path in dict.fromkeys(paths) if path.rpartition("/")[2]]


class FileIndex:
    """The files that may belong to an article, found by path, by name, or by stem.

    ``base`` is the folder of the article's XML; among several files of one name the nearest to it wins.
    """

    def __init__(self, names: Iterable[str], base: str) -> None:
        self.base = base
        self.names = sorted(names, key=self._distance)
        self._by_path: dict[str, list[str]] = {}
        self._by_name: dict[str, list[str]] = {}
        self._by_fold: dict[str, list[str]] = {}
        self._by_stem: dict[str, list[str]] = {}
        for path in self.names:
            name = unicodedata.normalize("NFC", path.rpartition("/")[2])
            self._by_path.setdefault(unicodedata.normalize("NFC", path), []).append(path)
            self._by_name.setdefault(name, []).append(path)
            self._by_fold.setdefault(_fold(name), []).append(path)
            self._by_stem.setdefault(_fold(split_suffix(name)[0]), []).append(path)

    def _distance(self, path: str) -> tuple[int, int, str]:
        folder = path.rpartition("/")[0]
        inside = folder == self.base or not self.base or folder.startswith(self.base + "/")
        return (0 if folder == self.base else 1 if inside else 2), path.count("/"), path

    def resolve(self, hrefs: Sequence[str], prefer: Prefer = "web") -> str:
        """The file for a graphic whose alternatives are ``hrefs``, best first; "" where there is none.

        Looked for in turn: the path relative to the XML or the package, the name, the name ignoring
        case, the name with another known image suffix or none. Raster files win over vector files.
        """
        if prefer == "lossless":
            hrefs = sorted(hrefs, key=lambda href: rank(_URL_TAIL.sub("", href), prefer))
        spelt = [path for href in hrefs for path in spellings(href)]
        for vector in (False, True):
            for find in (self._exact, self._folds, self._stems):
                for path in spelt:
                    hits = [hit for hit in find(path) if is_vector(hit) is vector]
                    if hits:
                        by_kind = find == self._stems
                        return min(hits, key=lambda hit: rank(hit, prefer)) if by_kind else hits[0]
        return ""

    def _exact(self, path: str) -> list[str]:
        named = self._by_name.get(path.rpartition("/")[2], [])
        if "/" not in path:
            return named
        near = posixpath.normpath(posixpath.join(self.base, path))
        return [*self._by_path.get(near, []), *self._by_path.get(posixpath.normpath(path), []), *named]

    def _folds(self, path: str) -> list[str]:
        return self._by_fold.get(_fold(path.rpartition("/")[2]), [])

    def _stems(self, path: str) -> list[str]:
        name = path.rpartition("/")[2]
        return self._by_stem.get(_fold(split_suffix(name)[0])) or self._by_stem.get(_fold(name), [])


def package_files(names: Sequence[str]) -> Callable[[str], list[str]]:
    """For an archive's member names: a function from an article's XML to the files that may be its own.

    Each file belongs to the nearest folder at or above it that holds an article's XML; files above all
    such folders belong to an article only where no other folder of articles lies below them. So two
    packages in one archive never lend each other a ``fig1.jpg``.
    """
    folders = sorted({name.rpartition("/")[0] for name in names if is_article_name(name)})
    owners = set(folders)
    owned: dict[str | None, list[str]] = {}
    for name in names:
        owned.setdefault(_owner(name, owners), []).append(name)

    def lone(top: str) -> bool:
        """Whether at most one folder of articles lies at or below ``top``."""
        if not top:
            return len(folders) <= 1
        first, last = bisect_left(folders, top + "/"), bisect_left(folders, top + "0")
        return (top in owners) + last - first <= 1

    def files(xml: str) -> list[str]:
        folder = xml.rpartition("/")[0]
        top = folder
        while top and lone(top.rpartition("/")[0]):
            top = top.rpartition("/")[0]
        around = [name for name in owned.get(None, []) if not top or name.startswith(top + "/")]
        return owned.get(folder, []) + around

    return files


def _owner(name: str, owners: set[str]) -> str | None:
    folder = name.rpartition("/")[0]
    while folder not in owners:
        if not folder:
            return None
        folder = folder.rpartition("/")[0]
    return folder


def manifest_images(data: bytes, folder: str = "") -> dict[str, tuple[str, ...]]:
    """Item id -> paths of its image files, of a MECA ``manifest.xml`` (NISO RP-30); {} for any other XML.

    The id of a figure's item equals the id of the JATS ``fig``; ``folder`` is where the manifest lies in
    the package, as its hrefs are relative to it. Raises InputError where ``data`` is no XML.
    """
    parser = etree.XMLParser(
        recover=True, resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InputError(f"manifest is no XML: {error}") from error
    found: dict[str, tuple[str, ...]] = {}
    # A recovered root may have a name that is none (":"), which QName refuses.
    if root is None or str(root.tag).rpartition("}")[2] != "manifest":
        return found
    for item in root.iter("{*}item"):
        hrefs = tuple(
            posixpath.join(folder, instance.get("href", ""))
            for instance in item.iter("{*}instance")
            if instance.get("media-type", "").lower().startswith("image/") and instance.get("href")
        )
        if hrefs and item.get("id"):
            found.setdefault(item.get("id", ""), hrefs)
    return found


def with_manifest(hrefs: Sequence[str], listed: Sequence[str]) -> tuple[str, ...]:
    """The alternatives of a graphic, led by those files of its manifest item that they name.

    The manifest states the folder, so that it settles which of two equal names is meant; files that
    the XML does not name come last.
    """
    stems = {_stem(href) for href in hrefs}
    agreed = [href for href in listed if _stem(href) in stems]
    return tuple(dict.fromkeys([*agreed, *hrefs, *listed]))


def _stem(href: str) -> str:
    spelt = spellings(href)
    return _fold(split_suffix(spelt[-1].rpartition("/")[2])[0]) if spelt else ""
