"""Which paragraphs cite which figures and panels, through the article's cross-references."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from ..core.records import Mention, MentionKind, MentionSpan
from .jats_citations import Cited, Labels, between, is_range_gap, read_link, read_tail, unique
from .jats_figures import FigureNode, Names, xml_id
from .jats_text import PARAGRAPH_CUTS, PARAGRAPH_TAGS, heading_text, paragraph_text
from .jats_xml import Element, child_of

_LAST_NUMBER = re.compile(r"(\d+)(?=\D*$)")
_FIGURE_WORD = re.compile(r"\bfig(?:ure|s|\.)*(?=\W|\d|$)")
_STATISTIC = re.compile(r"\s*[<>=≤≥]")
_REACH = 80
"""How far behind a link a citation can go on, in characters."""
_SECTIONS = frozenset(("sec", "app", "abstract", "trans-abstract", "ack", "boxed-text", "notes"))


@dataclass(slots=True)
class _Citation:
    """One link with what follows it: ``text[start:end]``, its figures, and what its words name."""

    start: int
    end: int
    nodes: list[FigureNode]
    cited: Cited
    labels: Labels
    """Of the words behind the link."""
    up_to: int


class Series:
    """Figures of one kind in document order (main, S, Extended Data …), for ranges such as ``Figs 2–5``."""

    def __init__(self, nodes: Sequence[FigureNode], scope_of: Callable[[Element], Element | None]) -> None:
        self.number: dict[FigureNode, int] = {}
        self._key: dict[FigureNode, tuple[Element | None, str]] = {}
        self._members: dict[tuple[Element | None, str], list[FigureNode]] = {}
        for node in nodes:
            match = _LAST_NUMBER.search(node.label)
            if match is None:
                continue
            kind = _FIGURE_WORD.sub("fig", node.label[: match.start()].lower())
            key = (scope_of(node.element), "".join(kind.split()).replace(".", "").replace("-", ""))
            self.number[node] = int(match[1])
            self._key[node] = key
            self._members.setdefault(key, []).append(node)

    def inside(self, first: FigureNode, last: FigureNode) -> list[FigureNode]:
        """The figures between two of one series; none across series or backwards."""
        key = self._key.get(first)
        if key is None or key != self._key.get(last):
            return []
        low, high = self.number[first], self.number[last]
        return [node for node in self._members[key] if low < self.number[node] < high]

    def up_to(self, first: FigureNode, number: int) -> list[FigureNode]:
        """The figures of the series of ``first`` that come after it, up to ``number``."""
        members = self._members.get(self._key.get(first, (None, "")), [])
        low = self.number.get(first, number)
        return [node for node in members if low < self.number[node] <= number]


class Targets:
    """Finds the figures that a ``rid`` means; a group, or a figure without an image, means its figures."""

    def __init__(
        self,
        nodes: Sequence[FigureNode],
        elements: Sequence[Element],
        scope_of: Callable[[Element], Element | None],
    ) -> None:
        self._scope_of = scope_of
        self._entries: dict[str, list[tuple[Element, list[FigureNode]]]] = {}
        by_element = {node.element: node for node in nodes}
        for element in elements:
            id_ = xml_id(element)
            if not id_:
                continue
            node = by_element.get(element)
            if node is not None and node.images:
                found = [node]
            else:
                inner = [by_element[fig] for fig in element.iter("fig") if fig in by_element]
                found = [n for n in inner if n.images] or ([node] if node else inner)
            if found:
                self._entries.setdefault(id_, []).append((element, found))

    @property
    def ids(self) -> Container[str]:
        """Every single ``rid`` that means a figure."""
        return self._entries

    def knows(self, rid: str) -> bool:
        """Whether any of the ids in ``rid`` (IDREFS, white-space separated) is a figure of this article."""
        return any(one in self._entries for one in rid.split())

    def find(self, rid: str, near: Element) -> list[FigureNode]:
        """The figures meant by ``rid``; a repeated id means the figure of the same sub-article."""
        entries = self._entries.get(rid, ())
        if len(entries) == 1:
            return entries[0][1]
        found: list[FigureNode] = []
        for one in (rid,) if entries else rid.split():
            entries = self._entries.get(one, ())
            if len(entries) > 1:
                scope = self._scope_of(near)
                entries = [entry for entry in entries if self._scope_of(entry[0]) is scope] or entries
            if entries:
                found.extend(node for node in entries[0][1] if node not in found)
        return found


def find_mentions(
    xrefs: Sequence[Element],
    paragraphs: Sequence[Element],
    nodes: Sequence[FigureNode],
    targets: Targets,
    series: Series,
) -> dict[FigureNode, list[Mention]]:
    """The mentions of each figure in document order, one for each (figure, nearest paragraph).

    ``paragraphs`` are all ``p`` elements of the article in document order (they give ``p<ordinal>``).
    """
    citing: dict[Element, None] = {}
    rids: set[str] = set()
    known = targets.ids
    for xref in xrefs:
        rid = xref.get("rid")
        if rid not in known and (not rid or " " not in rid or not targets.knows(rid)):
            continue
        rids.add(rid)
        citing[_nearest_paragraph(xref)] = None
    found: dict[FigureNode, list[Mention]] = {}
    places = _Places(paragraphs)
    for paragraph in citing:
        text, links = paragraph_text(paragraph, rids)
        citations = []
        for index, (start, end, rid) in enumerate(links):
            limit = links[index + 1][0] if index + 1 < len(links) else len(text)
            citations.append(_read_citation(text, start, end, limit, targets.find(rid, paragraph), series))
        id_, section, kind = places.of(paragraph)
        for node, spans in _spans(text, citations, series, kind).items():
            mention = Mention(paragraph=id_, section=section, text=text, spans=tuple(spans))
            found.setdefault(node, []).append(mention)
    return found


def _nearest_paragraph(xref: Element) -> Element:
    """The nearest paragraph, cell or title around a link; the block it stands in where there is none."""
    inner, outer = xref, xref.getparent()
    while outer is not None:
        tag = outer.tag
        if tag in PARAGRAPH_TAGS:
            return outer
        if tag in PARAGRAPH_CUTS or tag in _SECTIONS:
            return inner
        inner, outer = outer, outer.getparent()
    return inner


def _read_citation(
    text: str, start: int, end: int, limit: int, figures: list[FigureNode], series: Series
) -> _Citation:
    cited = read_link(text[start:end])
    if cited.last and _STATISTIC.match(text, end):  # "Fig. 1A, P" in a link, " = 0.01" behind it
        cited = read_link(text[start:end].rstrip()[:-1])
    number = (
        cited.groups[-1][0] if cited.groups and cited.groups[-1][0] else series.number.get(figures[-1], 0)
    )
    tail = read_tail(text[end : min(limit, end + _REACH)], cited, number)
    return _Citation(start, end + tail.end, figures, cited, tail.labels, tail.up_to)


def _spans(
    text: str, citations: list[_Citation], series: Series, kind: MentionKind
) -> dict[FigureNode, list[MentionSpan]]:
    """The spans of each figure cited in one paragraph; panel ranges over two links become one span."""
    spans: dict[FigureNode, list[MentionSpan]] = {}
    index = 0
    while index < len(citations):
        first = citations[index]
        start, end = first.start, first.end
        labels = [_labels(first, node, series) for node in first.nodes]
        implied = _implied(first, series)
        while index + 1 < len(citations) and is_range_gap(text[end : citations[index + 1].start]):
            second = citations[index + 1]
            if second.nodes != first.nodes:
                implied = series.inside(first.nodes[-1], second.nodes[0])
                for node in implied:
                    span = MentionSpan(start=start, end=second.end, kind="range")
                    spans.setdefault(node, []).append(span)
                implied = []
                break
            labels = [
                _joined(own, _labels(second, n, series)) for n, own in zip(first.nodes, labels, strict=True)
            ]
            end = second.end
            index += 1
        for node, own in zip(first.nodes, labels, strict=True):
            spans.setdefault(node, []).append(MentionSpan(start=start, end=end, labels=own, kind=kind))
        for node in implied:
            spans.setdefault(node, []).append(MentionSpan(start=start, end=end, kind="range"))
        index += 1
    return spans


def _joined(first: Labels, second: Labels) -> Labels:
    """The labels of a panel range from its two ends."""
    between_them = between(first[-1], second[0]) if first and second else ()
    return unique((*first, *between_them, *second))


def _labels(citation: _Citation, node: FigureNode, series: Series) -> Labels:
    own = citation.cited.labels_of(series.number.get(node, 0))
    if not citation.labels or node is not citation.nodes[-1]:
        return own
    return unique((*own, *citation.labels))


def _implied(citation: _Citation, series: Series) -> list[FigureNode]:
    """Figures in a number range in one link (``Figs 2–5``) or behind it, without a link of their own."""
    nodes = citation.nodes
    if citation.up_to:
        return [node for node in series.up_to(nodes[-1], citation.up_to) if node not in nodes]
    for low, high in citation.cited.ranges:
        if series.number.get(nodes[0]) == low:
            return [node for node in series.up_to(nodes[0], high) if node not in nodes]
    return []


class _Places:
    """Id, section path and kind of paragraphs."""

    def __init__(self, paragraphs: Sequence[Element]) -> None:
        self._paragraphs = paragraphs
        self._ordinals: dict[Element, int] | None = None
        self._names = Names()
        self._around: dict[Element | None, tuple[str, MentionKind]] = {}

    def of(self, paragraph: Element) -> tuple[str, str, MentionKind]:
        id_ = self._names.claim(paragraph.get("id") or self._ordinal(paragraph))
        parent = paragraph.getparent()
        section, kind = self._around.get(parent) or self._surroundings(parent)
        return id_, section, kind

    def _ordinal(self, paragraph: Element) -> str:
        tag = paragraph.tag
        if tag != "p":
            before = paragraph.xpath(f"count(preceding::{tag}|ancestor::{tag})")
            return f"{tag}{int(before) + 1}"
        if self._ordinals is None:
            self._ordinals = {element: number for number, element in enumerate(self._paragraphs, 1)}
        return f"p{self._ordinals[paragraph]}"

    def _surroundings(self, element: Element | None) -> tuple[str, MentionKind]:
        if element is None:
            return "", "direct"
        tag, parent = element.tag, element.getparent()
        section, kind = self._around.get(parent) or self._surroundings(parent)
        if tag in _SECTIONS:
            title = heading_text(child_of(element, "title")) or ("Abstract" if tag == "abstract" else "")
            section = f"{section} > {title}" if section and title else section or title
        elif tag == "caption":
            kind = "caption"
        elif tag in ("table-wrap", "table-wrap-foot", "table") and kind == "direct":
            kind = "table"
        self._around[element] = (section, kind)
        return section, kind
