"""Reading JATS bytes safely: one C-level parse, nothing loaded from outside, known defects mended once."""

from __future__ import annotations

import html.entities
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from lxml import etree

from ..core.errors import InputError

Element = Any
"""An lxml element (lxml ships no types)."""

XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

SAFE: dict[str, Any] = {
    "resolve_entities": "internal",  # entities the file itself declares, under libxml2's expansion limit
    "load_dtd": False,
    "no_network": True,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
"""Parser settings: no DTD, no network, no external entity; comments (with their RDF licences) dropped."""

_ARTICLE_PARTS = frozenset(("front", "front-stub", "body", "back", "floats-group"))
_DECLARED = re.compile(rb"<!ENTITY\s+([A-Za-z][\w.-]*)")
_REFERENCE = re.compile(rb"&(?:#(?:[0-9]+|[xX][0-9a-fA-F]+);|[A-Za-z][A-Za-z0-9.]*;)?")
_TOKEN = re.compile(
    rb"<!\[CDATA\[.*?\]\]>|<!--.*?-->|" + _REFERENCE.pattern + rb"|<(?=[\s\d=<])|<[A-Za-z][^<>]*>", re.DOTALL
)
_GLUED_ATTRIBUTE = re.compile(rb"""(=\s*(?:"[^"]*"|'[^']*'))(?=[^\s/>?])""")
_LIMIT = re.compile(r"[Ee]xcessive depth|[Hh]uge|[Ll]imit|too (?:long|deep|large|big)")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ENCODING = re.compile(rb"""^<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_PREDEFINED = frozenset((b"amp", b"lt", b"gt", b"quot", b"apos"))


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed file; ``damage`` names what could not be mended (empty: nothing was lost)."""

    root: Element
    damage: str = ""
    cut_short: bool = False
    """The file ends before its root element does."""


def read_xml(data: bytes) -> Tree:
    """Parse ``data``; mend known archive defects and try again where it is not well-formed.

    Reference lists are skipped. Entities that nobody declares stay in the tree as nodes where the file
    names a DTD: :func:`mend` and read again. Raises InputError where the file is no XML, or where entity
    declarations make a recovering parse unsafe.
    """
    try:
        return Tree(_parse(without_references(data)))
    except (etree.XMLSyntaxError, ValueError):
        pass
    try:
        return Tree(_parse(data))
    except (etree.XMLSyntaxError, ValueError) as error:
        return _read_broken(mend(data), error)


def _parse(data: bytes) -> Element:
    return etree.fromstring(data, etree.XMLParser(**SAFE))


def without_references(data: bytes) -> bytes:
    """``data`` without its first reference list: often a third of a file, and nothing is read from it.

    Left as it is where the list holds a graphic, a comment or CDATA. No other content can go with it
    unseen: a cut that takes more or less than one element leaves ill-formed XML (nested lists, a list
    that begins in a comment), and then the caller parses the whole.
    """
    start = data.find(b"<ref-list", len(data) // 4)  # lists stand behind the text
    end = data.find(b"</ref-list>", start) + len(b"</ref-list>")
    if start < 0 or end < start or data.find(b"<graphic", start, end) >= 0:
        return data
    if data.find(b"!", start, end) >= 0 and data.find(b"<!", start, end) >= 0:
        return data
    view = memoryview(data)
    return b"".join((view[:start], view[end:]))


def _read_broken(mended: bytes, first: Exception) -> Tree:
    try:
        return Tree(_parse(mended))
    except (etree.XMLSyntaxError, ValueError):
        if b"<!ENTITY" in mended:
            raise InputError(f"XML that declares entities does not parse: {first}") from first
        if _LIMIT.search(str(first)):
            raise InputError(f"XML beyond the parser's limits: {first}") from first
    parser = etree.XMLParser(recover=True, **SAFE)
    try:
        root = etree.fromstring(mended, parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:
        raise InputError(f"not XML: {first}") from first
    closing = re.compile(rb"</(?:[\w.-]+:)?" + local_name(root.tag).encode() + rb"\s*>")
    return Tree(root, damage=str(first), cut_short=closing.search(mended, max(len(mended) - 4096, 0)) is None)


def mend(data: bytes) -> bytes:
    """Undo the defects that archives are known for, without dropping text.

    Junk before the XML declaration, HTML entities without a DTD, a bare ``&`` or ``<``, attributes
    without a blank between them, control characters, bytes that are no UTF-8.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data
    data = data.removeprefix(b"\xef\xbb\xbf")
    start = data.find(b"<?xml ", 0, 65536)
    data = data[start if start >= 0 else max(data.find(b"<"), 0) :]
    encoding = _ENCODING.match(data)
    if encoding is None or encoding[1].lower() in (b"utf-8", b"utf8"):
        data = data.decode("utf-8", "replace").encode()
    declared = frozenset(_DECLARED.findall(data)) if b"<!ENTITY" in data else frozenset()
    return _TOKEN.sub(partial(_mend_token, declared), _CONTROL.sub(b" ", data))


def _mend_token(declared: frozenset[bytes], match: re.Match[bytes]) -> bytes:
    """One place where markup may be wrong: a reference, a ``<`` that opens nothing, a start tag."""
    token = match[0]
    if token.startswith(b"<!"):
        return token
    if token == b"<":
        return b"&lt;"
    if token.startswith(b"<"):
        return _GLUED_ATTRIBUTE.sub(rb"\1 ", _REFERENCE.sub(partial(_mend_reference, declared), token))
    return _mend_reference(declared, match)


def _mend_reference(declared: frozenset[bytes], match: re.Match[bytes]) -> bytes:
    """A reference that any parser understands; an unknown one becomes the text that it is written as."""
    token = match[0]
    name = token[1:-1]
    if name in _PREDEFINED or name in declared:
        return token
    if name.startswith(b"#"):
        code = int(name[2:], 16) if name[1:2] in b"xX" else int(name[1:])
        legal = (
            code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0xFFFF < code < 0x110000
        )
        return token if legal else b"&#xFFFD;"
    known = html.entities.html5.get(token[1:].decode()) if name else None
    if known is None:
        return b"&amp;" + token[1:]
    return "".join(f"&#{ord(char)};" for char in known).encode()


def is_article(element: Element) -> bool:
    """Whether an element called ``article`` has the parts of a JATS article."""
    return any(isinstance(child.tag, str) and local_name(child.tag) in _ARTICLE_PARTS for child in element)


def articles(root: Element) -> list[Element]:
    """The articles of a file in order: the root, or the members of a set or an OAI answer."""
    if local_name(root.tag) == "article":
        return [root] if is_article(root) else []
    return [
        element
        for element in root.iter("{*}article")
        if is_article(element) and next(element.iterancestors("{*}article"), None) is None
    ]


def strip_namespace(element: Element) -> None:
    """Rename a subtree in a default namespace (OAI) to plain local names; free where there is none."""
    namespace, brace, _ = element.tag.rpartition("}")
    if brace:
        for node in element.iter(f"{namespace}}}*"):
            node.tag = node.tag.rpartition("}")[2]


def local_name(tag: str) -> str:
    """``{namespace}name`` -> ``name``."""
    return tag.rpartition("}")[2]


def child_of(element: Element, tag: str) -> Element | None:
    """The first child with a tag, or None (``find`` without its path machinery)."""
    return next(element.iterchildren(tag), None)


def href(element: Element) -> str:
    """The link of a graphic, media or licence: ``xlink:href``, or a bare ``href``; empty without one."""
    value = element.get(XLINK_HREF)
    if value is None:
        value = element.get("href") or element.get("xlink:href")
    return value.strip() if value else ""
