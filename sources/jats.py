"""The JATS reader: articles in XML (NLM 2.3 to JATS 1.4) to records.

One reader for all renditions: PMC (legacy and 2026), Europe PMC, MECA, HighWire, efetch sets, OAI.
https://jats.nlm.nih.gov/archiving/
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from io import BytesIO

from lxml import etree

from ..core.errors import InputError
from ..core.records import Article, Drop, Figure, Ids, License
from .jats_figures import FigureWriter, find_figures
from .jats_license import article_license, copyright_words
from .jats_mentions import Series, Targets, find_mentions
from .jats_meta import article_meta, make_article_id, read_article, read_ids, work_of
from .jats_xml import SAFE, Element, Tree, articles, is_article, local_name, mend, read_xml, strip_namespace

__all__ = ["ArticleHead", "ParsedArticle", "make_article_id", "parse", "scan", "work_of"]

log = logging.getLogger(__name__)

_SUB_ARTICLES = ("sub-article", "response")


@dataclass(frozen=True, slots=True)
class ParsedArticle:
    """One parsed article."""

    article: Article
    figures: tuple[Figure, ...]
    """In document order; ``image.href`` is the best candidate, ``image.name`` is not resolved yet."""
    candidates: dict[str, tuple[str, ...]]
    """Figure id -> hrefs of its alternatives, best first; thumbnails are not among them."""
    drops: tuple[Drop, ...]
    """What was left out on purpose, and why: ``no-graphic``, ``video``, ``thumbnail-only``, ``not-an-image``;
    ``damaged-xml`` where broken XML could be read only in part."""


@dataclass(frozen=True, slots=True)
class ArticleHead:
    """What planning needs to know of an article."""

    ids: Ids
    article_type: str


def parse(data: bytes, *, source: str, article_id: str, index: int = 0) -> ParsedArticle:
    """Parse the ``index``-th article of a file (0 for a file of one article).

    ``article_id`` becomes the id of the article and the first part of the figures' ids. XML with defects
    that are known from archives is mended; what cannot be mended is read as far as it goes and reported
    in ``drops``. Raises InputError where the file is no XML, holds no such article, or breaks off before
    the article's metadata end.
    """
    return _parse(data, source, article_id, index, mended=False)


def _parse(data: bytes, source: str, article_id: str, index: int, *, mended: bool) -> ParsedArticle:
    tree, found = _load(data)
    if index >= len(found):
        raise InputError(f"no article {index} in {article_id}: the file holds {len(found)}")
    article = found[index]
    meta = article_meta(article)
    damaged = tree.damage and (index == len(found) - 1 or not tree.cut_short)
    if meta is None and not damaged:
        meta = etree.Element("article-meta")
    if meta is None or (damaged and tree.cut_short and _is_last(meta, article)):
        raise InputError(f"{article_id}: broken XML, the article's metadata are lost: {tree.damage}")

    by_tag: dict[object, list[Element]] = {"fig": [], "fig-group": [], "xref": [], "p": [], etree.Entity: []}
    by_tag["fig-group"] = by_tag["fig"]
    for element in article.iter(*by_tag):
        by_tag[element.tag].append(element)
    if by_tag[etree.Entity] and not mended:
        return _parse(mend(data), source, article_id, index, mended=True)
    record = read_article(article, meta, source=source, article_id=article_id)
    scopes = _Scopes(article, meta, record.license)
    nodes = find_figures(by_tag["fig"])
    targets = Targets(nodes, by_tag["fig"], scopes.of)
    mentions = find_mentions(by_tag["xref"], by_tag["p"], nodes, targets, Series(nodes, scopes.of))
    writer = FigureWriter(article_id, scopes.license, copyright_words(meta.iter("permissions")))
    figures: list[Figure] = []
    drops: list[Drop] = []
    candidates: dict[str, tuple[str, ...]] = {}
    for node in nodes:
        written, dropped = writer.write(node, tuple(mentions.get(node, ())))
        figures.extend(written)
        drops.extend(dropped)
        for figure, hrefs in zip(written, node.images, strict=False):
            candidates[figure.id] = tuple(hrefs)
    if damaged:
        log.warning("%s: broken XML, read as far as it goes: %s", article_id, tree.damage)
        drops.append(Drop(id=f"{article_id}/*", stage="parse", reason="damaged-xml", detail=tree.damage))
    return ParsedArticle(record, tuple(figures), candidates, tuple(drops))


def scan(data: bytes) -> list[ArticleHead]:
    """The heads of all articles in a file, in the order of ``parse``'s index; cheap.

    Reads a file of one article only up to the end of its metadata. Empty where the file is XML without
    an article; raises InputError where it is no XML at all.
    """
    try:
        return _scan_strictly(data)
    except (etree.XMLSyntaxError, ValueError):
        return [_head(article, article_meta(article)) for article in _load(data)[1]]


def _scan_strictly(data: bytes) -> list[ArticleHead]:
    heads: list[ArticleHead] = []
    depth = 0
    meta: Element | None = None
    tags = ("{*}article", "{*}article-meta", "{*}front-stub")
    events = etree.iterparse(BytesIO(data), events=("start", "end"), tag=tags, **SAFE)
    for event, element in events:
        if local_name(element.tag) == "article":
            if event == "start":
                depth += 1
                continue
            depth -= 1
            if depth == 0:
                if is_article(element):
                    heads.append(_head(element, meta))
                meta = None
                element.clear()
        elif event == "end" and depth == 1 and meta is None:
            meta = element
            parent = element.getparent()
            if parent.getparent() is not None and parent.getparent().getparent() is None:
                return [_head(parent.getparent(), meta)]
    return heads


def _head(article: Element, meta: Element | None) -> ArticleHead:
    if meta is not None:
        strip_namespace(meta)
    return ArticleHead(read_ids(meta), article.get("article-type", ""))


_last = threading.local()
"""The set of articles this thread parsed last: fetching its members one by one must not parse it again."""


def _load(data: bytes) -> tuple[Tree, list[Element]]:
    if getattr(_last, "data", None) == data:
        tree: Tree = _last.tree
        found: list[Element] = _last.found
        return tree, found
    tree = read_xml(data)
    found = articles(tree.root)
    for article in found:
        strip_namespace(article)
    several = len(found) > 1
    _last.data, _last.tree, _last.found = (data, tree, found) if several else (None, None, None)
    return tree, found


def _is_last(meta: Element, article: Element) -> bool:
    """Whether nothing comes after the metadata: a file that breaks off may have lost part of them."""
    front = meta.getparent()
    return meta.getnext() is None and front is not article and front.getnext() is None


class _Scopes:
    """The sub-article that an element stands in, and the licence that holds there."""

    def __init__(self, article: Element, meta: Element, license_: License) -> None:
        self._any = any(child.tag in _SUB_ARTICLES for child in article)
        self._license = license_
        self._licenses: dict[Element, License] = {}

    def of(self, element: Element) -> Element | None:
        """The nearest sub-article around an element, or None."""
        return next(element.iterancestors(*_SUB_ARTICLES), None) if self._any else None

    def license(self, element: Element) -> License:
        """A sub-article's own licence where it states terms, else the article's."""
        scope = self.of(element)
        if scope is None:
            return self._license
        if scope not in self._licenses:
            meta = article_meta(scope)
            own = article_license(meta) if meta is not None else License()
            self._licenses[scope] = self._license if own.code == "unknown" else own
        return self._licenses[scope]
