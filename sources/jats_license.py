"""Reading reuse terms: the article's licence, and what a figure says about other people's rights.

Creative Commons families and SPDX ids follow https://creativecommons.org/licenses/ and
https://spdx.org/licenses/; the order of evidence is the one PMC documents (``ali:license_ref`` first).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from msgspec import structs

from ..core.records import License, ThirdParty
from .jats_text import plain_text
from .jats_xml import Element, href, local_name

_URL = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/"
    r"(?:licen[cs]es?/(?P<terms>by[a-z-]*)|publicdomain/(?P<public>zero|mark)|licen[cs]es?/(?P<zero>zero|cc0))"
    r"(?:/(?P<version>\d\.\d))?(?:/(?!deed)(?P<place>[a-z]{2,4})(?![a-z]))?[^\s<>)\]]*",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\bCC[ -]?(?P<zero>0|Zero)\b|\bCC[ -](?P<terms>BY(?:[ -](?:NC|ND|SA))*)\b|Creative\s+Commons",
    re.IGNORECASE,
)
_VERSION = re.compile(r"\b([1-4]\.[05])\b")
_WINDOW = 160
_EVIDENCE = 300

_PUBLIC_DOMAIN = re.compile(
    r"(?:lies|is|are|be|been|placed|released) (?:in|into|to) the public domain|public domain (?:work|mark)|"
    r"\bno copyright\b|U\.?S\.? Government work",
    re.IGNORECASE,
)
_JURISDICTIONS = frozenset(
    [
        "CC-BY-2.5-AU",
        "CC-BY-3.0-AT",
        "CC-BY-3.0-AU",
        "CC-BY-3.0-DE",
        "CC-BY-3.0-IGO",
        "CC-BY-3.0-NL",
        "CC-BY-3.0-US",
        "CC-BY-NC-3.0-DE",
        "CC-BY-NC-ND-3.0-DE",
        "CC-BY-NC-ND-3.0-IGO",
        "CC-BY-NC-SA-2.0-DE",
        "CC-BY-NC-SA-2.0-FR",
        "CC-BY-NC-SA-2.0-UK",
        "CC-BY-NC-SA-3.0-DE",
        "CC-BY-NC-SA-3.0-IGO",
        "CC-BY-ND-3.0-DE",
        "CC-BY-SA-2.0-UK",
        "CC-BY-SA-2.1-JP",
        "CC-BY-SA-3.0-AT",
        "CC-BY-SA-3.0-DE",
        "CC-BY-SA-3.0-IGO",
    ]
)
_VERSIONS = frozenset(("1.0", "2.0", "2.5", "3.0", "4.0"))


class Terms(NamedTuple):
    """One reading of reuse terms: code, SPDX id, and the URL that names them (or empty)."""

    code: str
    spdx: str
    url: str


def article_license(meta: Element) -> License:
    """The licence an ``article-meta`` (or ``front-stub``) states; ``unknown`` where it grants none.

    Evidence is tried in this order: ``ali:license_ref``, ``license/@xlink:href``, Creative Commons
    links in the licence, its prose, the copyright statement. The first that names known terms wins;
    where one piece names several, the most restrictive of them.
    """
    holders = [child for child in meta if child.tag == "permissions"] or [meta]
    return _stated(holders) or License()


def _stated(holders: list[Element]) -> License | None:
    """The licence that ``permissions`` elements state, or None where they hold no word about one."""
    unknown: License | None = None
    for source, text, evidence in _evidence(holders):
        terms = read_terms(text)
        if terms is not None:
            return License(
                code=terms.code, spdx=terms.spdx, url=terms.url, source=source, evidence=evidence[:_EVIDENCE]
            )
        if unknown is None:
            url = text if text.startswith("http") else ""
            unknown = License(url=url, source=source, evidence=evidence[:_EVIDENCE])
    return unknown


def _evidence(holders: list[Element]) -> Iterator[tuple[str, str, str]]:
    """``(source, text to read, evidence to keep)`` in order of trust."""
    licenses: list[Element] = []
    references: list[Element] = []
    statements: list[Element] = []
    for holder in holders:
        for child in holder:
            name = local_name(child.tag)
            if name == "license":
                licenses.append(child)
                references.extend(child.iter("{*}license_ref"))
            elif name == "license_ref":
                references.append(child)
            elif name == "copyright-statement":
                statements.append(child)
    for reference in references:
        if url := (reference.text or "").strip():
            yield "ali:license_ref", url, url
    for license_ in licenses:
        if url := href(license_):
            yield "license/@href", url, url
    for license_ in licenses:
        if links := " ".join(filter(None, map(href, license_.iter("ext-link", "uri")))):
            yield "license//ext-link", links, links
    for license_ in licenses:
        if prose := plain_text(license_):
            yield "license-p", prose, prose
    for statement in statements:
        if prose := plain_text(statement):
            yield "copyright-statement", prose, prose


@lru_cache(maxsize=512)
def read_terms(text: str) -> Terms | None:
    """The Creative Commons or public-domain terms that a URL or a piece of prose names, or None."""
    found = [terms for match in _URL.finditer(text) if (terms := _from_url(match))]
    if not found:
        found = [terms for match in _NAMED.finditer(text) if (terms := _from_prose(match, text))]
    if found:
        return max(found, key=lambda terms: _strictness(terms.code))
    if _PUBLIC_DOMAIN.search(text):
        return Terms("PD", "", "")
    return None


def _from_url(match: re.Match[str]) -> Terms | None:
    version = match["version"] or ""
    url = match[0].rstrip(".,;:'\"")
    if match["public"] or match["zero"]:
        if (match["public"] or "").lower() == "mark":
            return Terms("PD", "CC-PDM-1.0", url)
        return Terms("CC0", "CC0-1.0", url)
    return _family(match["terms"], version, (match["place"] or "").upper(), url)


def _from_prose(match: re.Match[str], text: str) -> Terms | None:
    if match["zero"]:
        return Terms("CC0", "CC0-1.0", "")
    window = text[match.end() : match.end() + _WINDOW]
    version = _VERSION.search(window[:60])
    if match["terms"]:
        return _family(match["terms"].replace(" ", "-"), version[1] if version else "", "", "")
    name = re.split(r"licen[cs]|\bCC\b|[.;]\s", window, maxsplit=1, flags=re.IGNORECASE)[0].lower()
    if re.search(r"\bzero\b|\bcc0\b|public domain", name):
        return Terms("CC0", "CC0-1.0", "")
    if "attribution" not in name and not re.search(r"\bby\b", name):
        return None
    terms = "by"
    if re.search(r"non-?\s?commercial|\bnc\b", name):
        terms += "-nc"
    if re.search(r"no-?\s?deriv|\bnd\b", name):
        terms += "-nd"
    elif re.search(r"share-?\s?alike|\bsa\b", name):
        terms += "-sa"
    return _family(terms, version[1] if version else "", "", "")


def _family(terms: str, version: str, place: str, url: str) -> Terms | None:
    parts = set(terms.lower().strip("-").split("-"))
    if "by" not in parts or not parts <= {"by", "nc", "nd", "sa"}:
        return None
    family = "-".join(["BY", *(part for part in ("NC", "ND", "SA") if part.lower() in parts)])
    spdx = f"CC-{family}-{version}" if version in _VERSIONS else ""
    if place and spdx:
        ported = f"{spdx}-{place}"
        spdx = ported if ported in _JURISDICTIONS else ""
    return Terms(f"CC {family}", spdx, url)


def _strictness(code: str) -> int:
    return sum(weight for part, weight in (("BY", 1), ("SA", 2), ("ND", 3), ("NC", 8)) if part in code)


# Wording that points to somebody else's rights: an explicit grant or claim, or only a source.
_BY_PATIENTS = (  # consent is no copyright
    r"(?!(?:\s+\w+){0,2}?\s+(?:of|from|by)\s+(?:\w+\s+)?(?:patient|parent|famil|participant|subject|volunteer"
    r"|guardian|individual|owner|ethic|committee|institution))"
)
_GRANT = re.compile(
    rf"\b(?:with|by|under)\s+(?:\w+\s+){{0,3}}permissions?\b{_BY_PATIENTS}"
    rf"|\bpermissions?\b{_BY_PATIENTS}\s+(?:was\s+|were\s+|has been\s+)?(?:granted|obtained|from)\b"
    r"|\bcourtesy\b|\ball\s+rights\s+reserved\b"
    r"|©(?!\s*(?:the\s+)?authors?\b)|\bcopyright\b(?=\s*(?:©|\(c\)|by|of|holder|[12]\d\d\d))",
    re.IGNORECASE,
)
_SOURCE = re.compile(
    r"\b(?:reproduced|reprinted|republished|adapted|adopted|redrawn|modified)\s+"
    r"(?:(?:and|or|in|part|with|\w+ly|redrawn|modified|adapted|simplified|changed|figure|image|map|scheme|data)\s+){0,4}"
    r"from\b(?!\s+(?:fig|table|panel))"
    r"|\b(?:figure|image|picture|photo(?:graph)?|diagram|illustration|map|drawing)s?\s+(?:is\s+|was\s+|were\s+|are\s+)?"
    r"(?:taken|obtained|downloaded)\s+from\s+"
    r"(?:\[|\(|https?:|www\.|wiki|google|flickr|the\s+\w+\s+(?:library|archive|museum))"
    r"|\b(?:photo(?:graph)?|image|picture|figure|map)s?\s+(?:credit|source)s?\b",
    re.IGNORECASE,
)
# One of these is in every text that the pattern matches: looking for them first is ten times cheaper.
_GRANT_HINTS = ("ermission", "PERMISSION", "ourtesy", "COURTESY", "ights reserved", "©", "opyright")
_SOURCE_HINTS = (
    "eproduced", "eprinted", "epublished", "dapted", "dopted", "edrawn", "odified", "taken from",
    "obtained from", "downloaded from", "credit", "e source", "o source", "h source", "p source", "s source",
)  # fmt: skip
_EXEMPT = re.compile(
    r"\bnot\s+(?:\w+\s+){0,2}?(?:covered|included|available|licen[cs]ed|subject)\b|\bexempt(?:ed)?\s+from\b"
    r"|\bexcluded\s+from\b|\ball\s+rights\s+reserved\b",
    re.IGNORECASE,
)


def third_party(text: str) -> tuple[ThirdParty, str]:
    """Whether wording points to other people's rights, and the words around the place that does.

    ``yes`` for a claim or grant ("with permission", "courtesy", "©"), ``suspect`` for a source alone
    ("adapted from").
    """
    if _has(text, _GRANT_HINTS) and (match := _GRANT.search(text)):
        return "yes", _around(text, match)
    if _has(text, _SOURCE_HINTS) and (match := _SOURCE.search(text)):
        return "suspect", _around(text, match)
    return "no", ""


def _has(text: str, hints: tuple[str, ...]) -> bool:
    for hint in hints:  # noqa: SIM110 - a plain loop: this runs on every caption
        if hint in text:
            return True
    return False


def _around(text: str, match: re.Match[str]) -> str:
    start = max(match.start() - 100, 0)
    return text[start : start + _EVIDENCE].strip()


def copyright_words(holders: Iterable[Element]) -> frozenset[str]:
    """The copyright statements and holders that ``permissions`` elements name."""
    return frozenset(
        plain_text(child)
        for holder in holders
        for child in holder
        if child.tag in ("copyright-statement", "copyright-holder")
    )


def figure_license(
    base: License, permissions: list[Element], attrib: str, caption: str, article_copyright: frozenset[str]
) -> License:
    """The licence that holds for a figure inside something that has the licence ``base``.

    The figure's own ``permissions`` override it: terms named there replace it; a copyright that is not
    the article's, without terms, leaves the figure ``unknown``. Wording in ``attrib`` and caption keeps
    the terms and sets ``third_party``.
    """
    license_ = base
    if permissions:
        license_ = _own_license(base, permissions, article_copyright)
    if license_.third_party == "yes":
        return license_
    for source, text in (("fig/attrib", attrib), ("fig/caption", caption)):
        verdict, evidence = third_party(text)
        if verdict != "no":
            return structs.replace(license_, third_party=verdict, source=source, evidence=evidence)
    return license_


def _own_license(base: License, permissions: list[Element], article_copyright: frozenset[str]) -> License:
    words = " ".join(filter(None, map(plain_text, permissions)))
    if not words and not any(len(holder) for holder in permissions):
        return base
    stated = _stated(permissions) or License()
    foreign = copyright_words(permissions) - article_copyright
    wording, _ = third_party(" ".join(text for text in (words,) if foreign or "ermission" in text))
    verdict: ThirdParty = "suspect" if foreign else "no"
    if stated.code == "unknown":
        if not foreign and wording == "no" and not stated.url:
            return base
        verdict = "yes"
    elif _EXEMPT.search(words):
        stated, verdict = License(), "yes"
    return License(
        code=stated.code,
        spdx=stated.spdx,
        url=stated.url,
        source="fig/permissions",
        third_party=verdict,
        evidence=words[:_EVIDENCE],
    )
