"""Flattening JATS elements to normalised text with exact offsets of markup and links.

Normalised means: white space of any kind collapsed to single blanks, none at the ends. Blocks (``p``,
``title``, ``list-item`` …) are set off by a blank, floats and media are cut out, formulae are written
once whatever alternatives they carry.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable
from typing import Any, NamedTuple

from lxml import etree

from ..core.records import Markup, MarkupKind
from .jats_xml import Element, local_name

_BLOCK, _CUT, _FORMULA, _TEX, _MATH, _LINK = "block", "cut", "formula", "tex", "math", "link"
TITLE = "title"
"""Kind of the mark that covers a caption's ``title``."""

_MARKUP: dict[str, MarkupKind] = {
    "bold": "bold",
    "b": "bold",
    "italic": "italic",
    "i": "italic",
    "sup": "sup",
    "sub": "sub",
    "underline": "underline",
    "sc": "sc",
    "monospace": "monospace",
}
_MATHML = "{http://www.w3.org/1998/Math/MathML}"

# What a tag means to the text around it; a tag that is not listed is inline.
_Roles = dict[Any, str]
_SHARED: _Roles = {
    **dict.fromkeys(
        [
            "p",
            "title",
            "subtitle",
            "label",
            "list",
            "list-item",
            "def-list",
            "def-item",
            "term",
            "def",
            "disp-quote",
            "sec",
            "disp-formula-group",
            "td",
            "th",
            "tr",
            "break",
            "hr",
            "boxed-text",
            "verse-group",
            "verse-line",
            "preformat",
            "code",
            "statement",
            "caption",
            "fn",
            "attrib",
            "attribution",
            "speech",
            "speaker",
            "ack",
            "li",
        ],
        _BLOCK,
    ),
    **dict.fromkeys(
        [
            "fig",
            "fig-group",
            "table-wrap",
            "table-wrap-group",
            "supplementary-material",
            "media",
            "graphic",
            "inline-graphic",
            "object-id",
            "alt-text",
            "long-desc",
            "permissions",
            "index-term",
        ],
        _CUT,
    ),
    etree.Comment: _CUT,
    etree.ProcessingInstruction: _CUT,
    **dict.fromkeys(("inline-formula", "disp-formula", "alternatives"), _FORMULA),
    **dict.fromkeys(("math", _MATHML + "math"), _MATH),
    "tex-math": _TEX,
}
_CAPTION_ROLES: _Roles = {**_SHARED, **_MARKUP, "title": TITLE}
_TITLE_ROLES: _Roles = {**_SHARED, "xref": _CUT, "fn": _CUT}

PARAGRAPH_TAGS = frozenset(("p", "li", "list-item", "td", "th", "title"))
"""What can be the paragraph of a cross-reference: the nearest of these."""
_PARAGRAPH_ROLES: _Roles = {**_SHARED, **dict.fromkeys(PARAGRAPH_TAGS, _CUT), "xref": _LINK}
PARAGRAPH_CUTS = frozenset(tag for tag, role in _PARAGRAPH_ROLES.items() if role == _CUT)
"""Tags whose content is no part of the paragraph around them (its inner paragraphs are their own)."""

_TEX_BODY = re.compile(r"\\begin\{document\}(.*?)\\end\{document\}", re.DOTALL)
_ODD_BLANKS = (  # all white space that XML allows, but the blank
    "\n\t\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_BLANKS = re.compile(r"\s{2,}")


Mark = tuple[int, int, str]
"""Start and end of a run, and what it is: a markup kind, :data:`TITLE`, or the ``rid`` of a link."""


class Flat(NamedTuple):
    """Normalised text and the marks in it, in the order in which they end."""

    text: str
    marks: list[Mark]


def caption_text(captions: Iterable[Element]) -> Flat:
    """The words of ``caption`` elements: title, paragraphs and lists; marks are markup and title."""
    return _flatten(captions, _CAPTION_ROLES)


def paragraph_text(paragraph: Element, rids: Container[str]) -> Flat:
    """The words of one paragraph without what floats inside it; marks are the links to ``rids``."""
    return _flatten((paragraph,), _PARAGRAPH_ROLES, rids)


def plain_text(element: Element | None) -> str:
    """The words of an element; empty for None."""
    if element is None:
        return ""
    if len(element) == 0:
        text = element.text
        return " ".join(text.split()) if text else ""
    return _flatten((element,), _SHARED).text


def heading_text(element: Element | None) -> str:
    """The words of a heading without footnote marks and citations."""
    if element is None or len(element) == 0:
        return plain_text(element)
    return _flatten((element,), _TITLE_ROLES).text


def markup_of(flat: Flat) -> tuple[Markup, ...]:
    """The markup of a flattened caption in text order, outer before inner, without empty runs."""
    runs = sorted({(start, -end, kind) for start, end, kind in flat.marks if start < end and kind != TITLE})
    return tuple([Markup(start=start, end=-end, kind=kind) for start, end, kind in runs])  # type: ignore[arg-type]


def title_end_of(flat: Flat) -> int:
    """Where the title that opens a flattened caption ends; 0 without one."""
    return next((end for start, end, kind in flat.marks if kind == TITLE and start == 0), 0)


def _flatten(elements: Iterable[Element], roles: _Roles, rids: Container[str] = ()) -> Flat:
    out: list[str] = []
    marks: list[Mark] = []
    pos = 0
    for element in elements:
        if out:
            pos = _blank(pos, out)
        pos = _walk(element, pos, out, marks, roles, rids)
    return _normalise("".join(out), marks)


def _walk(
    element: Element, pos: int, out: list[str], marks: list[Mark], roles: _Roles, rids: Container[str]
) -> int:
    """Append the text of ``element`` to ``out``; ``pos`` is the length so far, the answer the new one.

    Written for speed: this loop sees every node of every caption and citing paragraph.
    """
    text = element.text
    if text:
        out.append(text)
        pos += len(text)
    for child in element:
        role = roles.get(child.tag)
        if role is None or role is _LINK:
            start = pos
            if len(child):
                pos = _walk(child, pos, out, marks, roles, rids)
            elif text := child.text:
                out.append(text)
                pos += len(text)
            if role is _LINK and (rid := child.get("rid")) in rids:
                marks.append((start, pos, rid))
        elif role is _BLOCK or role is TITLE:
            start = pos = _blank(pos, out)
            pos = _walk(child, pos, out, marks, roles, rids)
            if role is TITLE:
                marks.append((start, pos, TITLE))
            pos = _blank(pos, out)
        elif role is _FORMULA:
            pos = _formula(child, pos, out, marks, roles, rids)
        elif role is _MATH:
            pos = _math(child, pos, out, marks if roles is _CAPTION_ROLES else [])
        elif role is _TEX:
            pos = _literal(_tex(child), pos, out)
        elif role is not _CUT:
            start = pos
            pos = _walk(child, pos, out, marks, roles, rids)
            marks.append((start, pos, role))
        text = child.tail
        if text:
            out.append(text)
            pos += len(text)
    return pos


def _blank(pos: int, out: list[str]) -> int:
    """Set what follows off by one blank, unless there is one or nothing stands before."""
    if not out or out[-1] == " ":
        return pos
    out.append(" ")
    return pos + 1


def _literal(text: str, pos: int, out: list[str]) -> int:
    out.append(text)
    return pos + len(text)


def _formula(
    element: Element, pos: int, out: list[str], marks: list[Mark], roles: _Roles, rids: Container[str]
) -> int:
    """One of several renderings of a formula: MathML, else TeX, else whatever text there is."""
    block = element.tag == "disp-formula"
    if block:
        pos = _blank(pos, out)
    math = next(element.iter(_MATHML + "math", "math"), None)
    tex = next(element.iter("tex-math"), None) if math is None else None
    if math is not None:
        pos = _math(math, pos, out, marks if roles is _CAPTION_ROLES else [])
    elif tex is not None:
        pos = _literal(_tex(tex), pos, out)
    else:
        pos = _walk(element, pos, out, marks, roles, rids)
    return _blank(pos, out) if block else pos


def _tex(element: Element) -> str:
    """A TeX formula without the preamble that publishers wrap around it."""
    source = "".join(element.itertext())
    body = _TEX_BODY.search(source)
    return (body[1] if body else source).strip().strip("$").strip()


def _math(element: Element, pos: int, out: list[str], marks: list[Mark]) -> int:
    """MathML read aloud in one line: ``a/b``, ``√(x)``, scripts as plain characters with their markup."""
    name = local_name(element.tag) if isinstance(element.tag, str) else "annotation"
    if name in ("annotation", "annotation-xml"):
        return pos
    text = element.text or ""
    if name != "mtext":
        text = text.strip()
    if text:
        pos = _literal(text, pos, out)
    if name == "mfenced":
        pos = _literal(element.get("open", "("), pos, out)
    elif name == "msqrt":
        pos = _literal("√(", pos, out)
    scripts = {"msup": ("", "sup"), "msub": ("", "sub"), "msubsup": ("", "sub", "sup")}.get(name, ())
    for index, child in enumerate(element):
        if index and name == "mfrac":
            pos = _literal("/", pos, out)
        elif index and name == "mfenced":
            pos = _literal(element.get("separators", ",")[:1], pos, out)
        start = pos
        pos = _math(child, pos, out, marks)
        if index < len(scripts) and scripts[index]:
            marks.append((start, pos, scripts[index]))
    if name == "mfenced":
        pos = _literal(element.get("close", ")"), pos, out)
    elif name == "msqrt":
        pos = _literal(")", pos, out)
    return pos


def _normalise(raw: str, marks: list[Mark]) -> Flat:
    """Collapse white space and carry the marks along; no mark starts or ends on a blank."""
    for char in _ODD_BLANKS:
        if char in raw:
            raw = raw.replace(char, " ")
    raw = raw.rstrip(" ")
    text = " ".join(raw.split()) if raw[:1] == " " or "  " in raw else raw
    if not marks:
        return Flat(text, marks)
    place = None if text is raw else _mover(raw, len(text))
    out = []
    for start, end, kind in marks:
        if place is not None:
            start, end = place(start), place(end)
        end = min(end, len(text))
        while start < end and text[start] == " ":
            start += 1
        while start < end and text[end - 1] == " ":
            end -= 1
        out.append((min(start, end), end, kind))
    return Flat(text, out)


def _mover(raw: str, length: int) -> Callable[[int], int]:
    """What carries an offset in ``raw`` to the collapsed text of ``length`` characters."""
    lead = len(raw) - len(raw.lstrip())
    ends, shifts = [lead], [lead]
    for run in _BLANKS.finditer(raw, lead):
        ends.append(run.end())
        shifts.append(shifts[-1] + run.end() - run.start() - 1)

    def place(pos: int) -> int:
        index = bisect_right(ends, pos) - 1
        moved = pos - shifts[index] if index >= 0 else 0
        if index + 1 < len(ends):  # inside the next run of blanks: no further than its one blank
            moved = min(moved, ends[index + 1] - shifts[index + 1])
        return min(max(moved, 0), length)

    return place
