"""Finding the figures of an article: which files they are, their label, caption and licence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.records import Drop, Figure, ImageRef, License, Mention
from .jats_license import figure_license
from .jats_text import caption_text, markup_of, plain_text, title_end_of
from .jats_xml import Element, child_of, href

_IMAGE_RANK = {
    **dict.fromkeys(("jpg", "jpeg", "jpe", "png", "webp", "jp2"), 0),
    "": 1,  # a stem: the file beside it decides
    **dict.fromkeys(("tif", "tiff"), 2),
    **dict.fromkeys(("gif", "bmp"), 3),
    **dict.fromkeys(("pdf", "eps", "ps", "svg", "ai", "emf", "wmf"), 4),
}
_VIDEO = frozenset(
    [
        "mp4",
        "m4v",
        "mov",
        "avi",
        "mpg",
        "mpeg",
        "wmv",
        "flv",
        "mkv",
        "webm",
        "ogv",
        "3gp",
        "swf",
        "mp3",
        "wav",
    ]
)
_OTHER_FILES = frozenset(
    [
        "xls",
        "xlsx",
        "csv",
        "doc",
        "docx",
        "ppt",
        "pptx",
        "zip",
        "gz",
        "tar",
        "txt",
        "xml",
        "html",
        "htm",
        "rar",
        "7z",
        "json",
    ]
)
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,5})$")
_THUMBNAIL_USE = re.compile(r"thumb|scielo-\d+x\d+", re.IGNORECASE)
_THUMBNAIL_NAME = re.compile(r"\.thumbnail\.|_thumb(?![a-z])|[._-]thumb\.", re.IGNORECASE)
_PRINT_ONLY = re.compile(r"black-?\s?(?:and-)?white|print-only|gr[ae]yscale", re.IGNORECASE)
# Graphics of these are formulae, tables, structures or supplements, not the figure.
_NOT_THE_FIGURE = frozenset(
    [
        "fig",
        "fig-group",
        "table-wrap",
        "table-wrap-group",
        "supplementary-material",
        "inline-supplementary-material",
        "disp-formula",
        "disp-formula-group",
        "inline-formula",
        "chem-struct-wrap",
        "caption",
        "label",
        "attrib",
        "permissions",
        "inline-graphic",
        "alt-text",
        "long-desc",
    ]
)
ENCLOSING = frozenset(("fig", "fig-group"))
_OUTSIDE = frozenset(
    ("sec", "body", "floats-group", "article", "sub-article", "response", "back", "front", "app")
)
_UNSAFE_ID = re.compile(r"[\s/\\]+")


@dataclass(slots=True, eq=False)
class FigureNode:
    """One ``fig`` (or a ``fig-group`` that holds graphics itself) while an article is being parsed."""

    element: Element
    id: str
    """Unique inside the article: the XML id, else ``fig<ordinal>``."""
    label: str = ""
    images: list[list[str]] = field(default_factory=list)
    """One list for each image: the hrefs of its alternatives, best first."""
    missing: list[tuple[str, str]] = field(default_factory=list)
    """``(reason, hrefs)`` of what is no image: all there is, or videos beside the images."""
    captions: list[Element] = field(default_factory=list)
    permissions: list[Element] = field(default_factory=list)
    attribs: list[Element] = field(default_factory=list)
    alt_text: Element | None = None


class Names:
    """Hands out names that are unique in one article; a repeated one gets ``-2``, ``-3`` … in order."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def claim(self, wanted: str) -> str:
        name, number = wanted, 2
        while name in self._used:
            name = f"{wanted}-{number}"
            number += 1
        self._used.add(name)
        return name


def find_figures(elements: list[Element]) -> list[FigureNode]:
    """The figures among ``fig`` and ``fig-group`` elements in document order, with their parts."""
    names = Names()
    nodes: list[FigureNode] = []
    for element in elements:
        if element.tag == "fig-group" and not _holds_graphics_itself(element):
            continue
        wanted = _UNSAFE_ID.sub("_", xml_id(element)) or f"fig{len(nodes) + 1}"
        node = FigureNode(element, names.claim(wanted))
        _read_parts(node)
        for number in range(2, len(node.images) + 1):
            names.claim(f"{node.id}.g{number}")
        nodes.append(node)
    return nodes


def xml_id(element: Element) -> str:
    """The id of an element; HighWire's rendition keeps it in its own namespace."""
    return element.get("id") or element.get("{http://schema.highwire.org/Journal}id") or ""


def _holds_graphics_itself(group: Element) -> bool:
    """A ``fig-group`` of bare graphics is a figure; one of ``fig`` elements only encloses them."""
    return group.find("fig") is None and any(
        group.find(tag) is not None for tag in ("graphic", "alternatives/graphic", "media")
    )


def _read_parts(node: FigureNode) -> None:
    """Sort the children of a figure: label, captions, rights, and the groups of alternative graphics."""
    groups: list[list[Element]] = []
    for child in node.element:
        tag = child.tag
        if tag == "graphic" or tag == "media":
            groups.append([child])
        elif tag == "caption":
            node.captions.append(child)
        elif tag == "label":
            node.label = node.label or plain_text(child)
        elif tag == "permissions":
            node.permissions.append(child)
        elif tag == "attrib":
            node.attribs.append(child)
        elif tag == "alt-text":
            node.alt_text = child
        else:
            _gather(child, groups)
    if node.alt_text is None:
        node.alt_text = next(
            (alt for group in groups for g in group if (alt := child_of(g, "alt-text")) is not None), None
        )
    _choose_images(node, groups)


def _gather(element: Element, groups: list[list[Element]]) -> None:
    """Add the graphics below an element that is neither text, table, formula nor another figure."""
    tag = element.tag
    if tag == "graphic" or tag == "media":
        groups.append([element])
    elif tag == "alternatives":
        if media := [medium for medium in element if medium.tag in ("graphic", "media")]:
            groups.append(media)
    elif tag not in _NOT_THE_FIGURE:
        for child in element:
            _gather(child, groups)


def _choose_images(node: FigureNode, groups: list[list[Element]]) -> None:
    """Fill ``images`` and ``missing``: one image for each graphic that is no alternative of another."""
    if len(groups) > 1:
        groups = _without_print_twins(groups)
    for group in groups:
        files, reason = _rank(group)
        if files:
            node.images.append(files)
        else:
            node.missing.append((reason, " ".join(filter(None, map(href, group)))))
    if node.images:
        node.missing = [(reason, links) for reason, links in node.missing if reason == "video"]
    elif not node.missing:
        node.missing = [("no-graphic", "")]


def _without_print_twins(groups: list[list[Element]]) -> list[list[Element]]:
    """Bare siblings may be print and web versions, or thumbnails, of one picture without saying so."""
    kept = [
        group for group in groups if not all(map(_is_print, group)) and not all(map(_is_thumbnail, group))
    ]
    return kept or groups


def _rank(media: list[Element]) -> tuple[list[str], str]:
    """The hrefs of one image's alternatives, best first, or an empty list and the reason."""
    found: list[tuple[bool, int, int, str]] = []
    reason = "no-graphic"
    for order, medium in enumerate(media):
        link = href(medium)
        if not link:
            continue
        extension = _extension(link)
        if _is_video(medium, extension):
            reason = "video"
        elif extension in _OTHER_FILES or (medium.tag == "media" and not _is_image(medium, extension)):
            reason = "not-an-image"
        elif _is_thumbnail(medium):
            reason = "thumbnail-only"
        else:
            found.append((_is_print(medium), _IMAGE_RANK.get(extension, 1), order, link))
    return list(dict.fromkeys(link for *_, link in sorted(found))), reason


def _extension(link: str) -> str:
    """The known file extension of a link, lower case; empty for a stem, however dotted."""
    match = _EXTENSION.search(link.split("?", 1)[0])
    extension = match[1].lower() if match else ""
    return extension if extension in _IMAGE_RANK or extension in _VIDEO or extension in _OTHER_FILES else ""


def _is_video(medium: Element, extension: str) -> bool:
    if extension in _VIDEO:
        return True
    return medium.tag == "media" and not extension and medium.get("mimetype") in ("video", "audio")


def _is_image(medium: Element, extension: str) -> bool:
    return extension in _IMAGE_RANK if extension else medium.get("mimetype") == "image"


def _is_thumbnail(medium: Element) -> bool:
    return _says(medium, _THUMBNAIL_USE) or _THUMBNAIL_NAME.search(href(medium)) is not None


def _is_print(medium: Element) -> bool:
    return _says(medium, _PRINT_ONLY)


def _says(medium: Element, pattern: re.Pattern[str]) -> bool:
    """Whether the declared use of a graphic matches."""
    return any(
        use is not None and pattern.search(use)
        for use in (medium.get("content-type"), medium.get("specific-use"))
    )


class FigureWriter:
    """Turns figure nodes into records; keeps the words and licences of enclosing figures at hand."""

    def __init__(
        self, article_id: str, license_of: Callable[[Element], License], copyright_: frozenset[str]
    ) -> None:
        """``license_of`` is the licence of the (sub-)article an element stands in."""
        self._article = article_id
        self._license_of = license_of
        self._copyright = copyright_
        self._enclosing: dict[Element, tuple[str, License]] = {}

    def write(self, node: FigureNode, mentions: tuple[Mention, ...]) -> tuple[list[Figure], list[Drop]]:
        """The records of a node: one figure for each image, or the reason why there is none."""
        id_ = f"{self._article}/{node.id}"
        drops = [
            Drop(id=f"{id_}.{reason}{i}" if node.images else id_, stage="parse", reason=reason, detail=detail)
            for i, (reason, detail) in enumerate(node.missing, 1)
        ]
        if not node.images:
            return [], drops[:1]
        context, base = self._surroundings(node.element)
        flat = caption_text(node.captions)
        attrib = " ".join(map(plain_text, node.attribs))
        license_ = figure_license(base, node.permissions, attrib, flat.text, self._copyright)
        alt_text = plain_text(node.alt_text)
        markup, title_end = markup_of(flat), title_end_of(flat)
        figures = [
            Figure(
                id=id_ if number == 1 else f"{id_}.g{number}",
                article=self._article,
                label=node.label,
                caption=flat.text,
                title_end=title_end,
                markup=markup,
                context=context,
                alt_text=alt_text,
                attrib=attrib,
                image=ImageRef(href=hrefs[0]),
                mentions=mentions,
                license=license_,
            )
            for number, hrefs in enumerate(node.images, 1)
        ]
        return figures, drops

    def _surroundings(self, element: Element) -> tuple[str, License]:
        """Caption of the enclosing figure or group (empty without one), and the licence that holds there."""
        for ancestor in element.iterancestors():
            tag = ancestor.tag
            if tag in ENCLOSING:
                return self._read_enclosing(ancestor)
            if tag in _OUTSIDE:
                break
        return "", self._license_of(element)

    def _read_enclosing(self, element: Element) -> tuple[str, License]:
        known = self._enclosing.get(element)
        if known is None:
            outer, base = self._surroundings(element)
            words = caption_text(element.findall("caption")).text
            attrib = " ".join(map(plain_text, element.findall("attrib")))
            license_ = figure_license(base, element.findall("permissions"), attrib, words, self._copyright)
            known = self._enclosing[element] = (words or outer, license_)
        return known
