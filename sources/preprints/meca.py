"""What is in a MECA archive: which member is the article, of which DOI and version, and its images.

Format: NISO RP-30 (MECA). Archives of bioRxiv and medRxiv keep ``manifest.xml`` beside ``content/``; some
lie in a folder of their own, write hrefs with back slashes, or lack a part. Nothing here depends on the
order of members, on ``mimetype``, or on ``directives.xml``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lxml import etree

from ...core.errors import InputError
from ...core.net.client import NotFoundError, RefusedError
from ...core.records import Ids
from .. import jats
from ..graphics import FileIndex, manifest_images, package_files, spellings, split_suffix
from ..packages import is_article_name, is_xml

_ITEM = re.compile(r"(?P<name>.+?)v0*(?P<version>[0-9]{1,9})")
_VERSION = re.compile(r"(?:[0-9]+\.)?0*([0-9]{1,9})")
_SUPPLEMENTS = re.compile(r"(?:^|/)supplement", re.IGNORECASE)


class Package(Protocol):
    """An archive that is read by member names."""

    @property
    def names(self) -> Sequence[str]: ...

    def read(self, name: str) -> bytes: ...


@dataclass(frozen=True)
class Labels:
    """What the wrapping says of an article before its XML is read; empty where it does not say.

    ``reference`` is the DOI without its prefix (``2024.01.24.24301711``, from ``transfer.xml``), ``item``
    the id of the manifest's article item (``24301711v1``).
    """

    reference: str = ""
    item: str = ""

    @property
    def name(self) -> str:
        """The item without its version."""
        match = _ITEM.fullmatch(self.item)
        return match["name"] if match else ""

    @property
    def version(self) -> str:
        """The preprint version as the item states it."""
        match = _ITEM.fullmatch(self.item)
        return match["version"] if match else ""

    def may_be(self, doi: str, version: str = "") -> bool:
        """Whether the archive may hold this preprint; only its XML can say that it does."""
        suffix = doi.partition("/")[2].casefold()
        if self.reference and self.reference.casefold() != suffix:
            return False
        if not self.name:
            return True
        if version and self.version != version:
            return False
        return self.name.casefold() in (suffix, suffix.rpartition(".")[2])


@dataclass(frozen=True)
class Manifest:
    """``manifest.xml`` as far as it matters: the article's files, and the images of each item."""

    articles: tuple[str, ...] = ()
    item: str = ""
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class MecaArticle:
    """The article of an archive: its XML member and bytes, DOI, version and files."""

    member: str
    xml: bytes
    ids: Ids
    manifest: Manifest

    @property
    def id(self) -> str:
        """The pmcx id: ``10.1101_2024.01.24.24301711v1``."""
        return jats.make_article_id(self.ids, self.member)


def read_manifest(package: Package) -> Manifest:
    """The manifest of a package; an empty one where there is none, or where it is damaged."""
    name = _top(package.names, "manifest.xml")
    if not name:
        return Manifest()
    folder = posixpath.dirname(name)
    data = package.read(name)
    try:
        root = _root(data)
        images = manifest_images(data, folder)
    except InputError:  # the article's own hrefs remain
        return Manifest()
    articles: list[str] = []
    item_id = ""
    for item in root.iter("{*}item"):
        if item.get("type", "").strip().lower() != "article":
            continue
        item_id = item_id or item.get("id", "").strip()
        for instance in item.iter("{*}instance"):
            href = instance.get("href", "").strip()
            if href and (is_xml(href) or instance.get("media-type", "").lower().endswith("/xml")):
                articles.append(posixpath.join(folder, href.replace("\\", "/")))
    return Manifest(tuple(articles), item_id, images)


def read_labels(package: Package) -> Labels:
    """The labels of a package, from its manifest and ``transfer.xml``."""
    item = read_manifest(package).item
    name = _top(package.names, "transfer.xml")
    reference = ""
    if name:
        try:
            reference = _root(package.read(name)).get("reference", "")
        except InputError:  # one label less
            reference = ""
    # "/medrxiv/early/2024/01/24/2024.01.24.24301711.atom"
    return Labels(reference.rpartition("/")[2].removesuffix(".atom"), item)


def read_article(package: Package, member: str = "") -> MecaArticle:
    """Find and read the article of a package; ``member`` is where it was found before.

    The manifest's article item counts first; without one, or where its file is not there, the first XML
    that is an article does, ``content/`` before other folders and supplements last. Raises InputError
    where there is none, or where it states no DOI.
    """
    manifest = read_manifest(package)
    member, data, head = _find(package, manifest, member)
    if not head.ids.doi:
        raise InputError(f"{member}: the article states no DOI")
    stated = _VERSION.fullmatch(head.ids.version)  # "1.2" is version 2
    version = stated[1] if stated else Labels(item=manifest.item).version
    return MecaArticle(member, data, Ids(doi=head.ids.doi, version=version), manifest)


def _find(package: Package, manifest: Manifest, known: str) -> tuple[str, bytes, jats.ArticleHead]:
    names = list(package.names)
    index = FileIndex(names, "")
    listed = [index.resolve([href]) or _same_stem(names, href) for href in manifest.articles]
    others = sorted(filter(is_article_name, names), key=_likely)
    first: InputError | None = None
    for member in dict.fromkeys([*filter(names.__contains__, [known, *listed]), *others]):
        try:
            data = package.read(member)
            heads = jats.scan(data)
            if heads:
                return member, data, heads[0]
        except (NotFoundError, RefusedError):
            raise
        except InputError as error:
            first = first or InputError(f"{member}: {error}")
    raise first or InputError(f"no JATS article among its {len(names)} files")


def _same_stem(names: Sequence[str], href: str) -> str:
    """An XML of the href's name in another folder or with another XML suffix; "" without one."""
    wanted = spellings(href)[-1].rpartition("/")[2].rpartition(".")[0].casefold() if spellings(href) else ""
    found = (name for name in names if is_article_name(name))
    return next(
        (name for name in found if name.rpartition("/")[2].rpartition(".")[0].casefold() == wanted), ""
    )


def _likely(name: str) -> tuple[bool, bool, int, str]:
    folders = name.rpartition("/")[0].split("/")
    return bool(_SUPPLEMENTS.search(name)), "content" not in folders, name.count("/"), name


def image_files(package: Package, article: MecaArticle) -> FileIndex:
    """The files that may show the article's figures."""
    names = list(package.names)
    return FileIndex(package_files(names)(article.member), article.member.rpartition("/")[0])


def figure_members(package: Package) -> list[str]:
    """Members that may be images of figures: what a run fetches besides the XML, at most."""
    return [name for name in package.names if split_suffix(name)[1] and not _SUPPLEMENTS.search(name)]


def _top(names: Sequence[str], wanted: str) -> str:
    """The member of this name that lies highest; "" without one."""
    found = [name for name in names if name.rpartition("/")[2].lower() == wanted]
    return min(found, key=lambda name: (name.count("/"), name), default="")


def _root(data: bytes) -> Any:
    parser = etree.XMLParser(
        recover=True, resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InputError(f"no XML: {error}") from error
    if root is None:
        raise InputError("no XML")
    return root
