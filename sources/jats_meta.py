"""Reading ``article-meta``: identifiers, bibliographic data, retraction, attribution."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..core.records import Article, Author, Ids, License
from .jats_license import article_license
from .jats_text import heading_text, plain_text
from .jats_xml import XML_LANG, Element, child_of

_PMCID = re.compile(r"(?:PMC)?(\d+)(?:\.(\d+))?", re.IGNORECASE)
_DOI_PREFIX = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)", re.IGNORECASE)
_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dXx]")
_YEAR = re.compile(r"(?:1[5-9]|20|21)\d\d")
_ISO = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")
_PREPRINT_VERSION = re.compile(r"(?:\d+\.)?(\d+)")
_UNSAFE = re.compile(r"[\s/\\\x00-\x1f]+")
_UNSAFE_FALLBACK = re.compile(r"[^A-Za-z0-9._-]+")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}

_ABSTRACT_HEADINGS = frozenset(
    ("abstract", "summary", "resumo", "resumen", "résumé", "zusammenfassung", "riassunto")
)
_RETRACTED_TYPES = frozenset(("retraction", "retracted-article", "retracted", "partial-retraction"))
_RETRACTED_LINKS = frozenset(
    ("retraction-forward", "retracted-forward", "partial-retraction-forward", "retraction")
)
_RETRACTED_TITLE = re.compile(
    r"\W*(?:retracted(?:\s+(?:article|paper|manuscript))?|withdrawn)\s*[:\]—–-]", re.IGNORECASE
)
_RETRACTED_FLAGS = frozenset(("is-retracted", "pmc-prop-is-retracted", "pmc-status-retracted"))

# Dates by trust: publication, issue, then what repositories add. Within one class the earliest counts.
_DATE_CLASS = {
    **dict.fromkeys(("pub", "publication", "epub", "ppub", "epub-ppub", "epub-original", ""), 0),
    "collection": 1,
    **dict.fromkeys(("preprint", "epreprint"), 2),
    "pmc-release": 3,
}
_OTHER_DATE = 4


def article_meta(article: Element) -> Element | None:
    """The ``article-meta`` of an article (``front-stub`` where there is only that), or None."""
    for child in article:
        if child.tag == "front":
            return child_of(child, "article-meta")
        if child.tag == "front-stub":
            return child
    return None


def read_ids(meta: Element | None) -> Ids:
    """All identifiers that an ``article-meta`` states, normalised."""
    if meta is None:
        return Ids()
    pmid = pmcid = doi = version = publisher_id = preprint_version = ""
    for child in meta:
        if child.tag == "article-id":
            kind, text = child.get("pub-id-type"), (child.text or "").strip()
            if kind in ("pmc", "pmcid", "pmcid-ver"):
                if match := _PMCID.fullmatch(text):
                    pmcid = pmcid or f"PMC{match[1]}"
                    version = match[2] or version
            elif kind == "doi":
                doi = doi or _DOI_PREFIX.sub("", text)
            elif kind == "pmid":
                pmid = pmid or text
            elif kind == "publisher-id":
                publisher_id = publisher_id or text
        elif child.tag in ("article-version", "article-version-alternatives"):
            for stated in child.iter("article-version"):
                text = (stated.text or "").strip()
                if stated.get("article-version-type") == "pmc-version":
                    version = version or text
                elif _PREPRINT_VERSION.fullmatch(text):
                    preprint_version = preprint_version or text
    return Ids(
        pmid=pmid, pmcid=pmcid, doi=doi, version=version or preprint_version, publisher_id=publisher_id
    )


def make_article_id(ids: Ids, fallback: str) -> str:
    """The id of an article: ``PMC123.2``, ``PMC123``, DOI (``10.1101_2024.01.24.24301711v1``), ``PMID123``.

    ``fallback`` (a file name, say) is used, made safe, where the article states no identifier. An id
    holds no slash, back slash or white space.
    """
    if ids.pmcid:
        return f"{ids.pmcid}.{ids.version}" if ids.version.isdigit() else ids.pmcid
    if ids.doi:
        base = _UNSAFE.sub("_", ids.doi)
        match = _PREPRINT_VERSION.fullmatch(ids.version)
        return f"{base}v{match[1]}" if match and not re.search(r"v\d+$", base) else base
    if ids.pmid:
        return f"PMID{_UNSAFE.sub('_', ids.pmid)}"
    return _UNSAFE_FALLBACK.sub("_", fallback).strip("._") or "article"


def work_of(ids: Ids) -> str:
    """What all versions of an article share: PMCID, DOI without a version, or PMID; empty without any."""
    if ids.pmcid:
        return ids.pmcid
    if ids.doi:
        return re.sub(r"v\d+$", "", ids.doi.casefold())
    return f"PMID{ids.pmid}" if ids.pmid else ""


def read_article(article: Element, meta: Element, *, source: str, article_id: str) -> Article:
    """The record of an article (namespaces already stripped)."""
    parts: dict[str, list[Element]] = {}
    for child in meta:
        parts.setdefault(child.tag, []).append(child)
    ids = read_ids(meta)
    license_ = article_license(meta)
    titles = parts.get("title-group", [])
    title = heading_text(child_of(titles[0], "article-title")) if titles else ""
    if titles and (subtitle := heading_text(child_of(titles[0], "subtitle"))):
        title = f"{title.rstrip(':')}: {subtitle}" if title else subtitle
    journal, publisher = _journal(article)
    language = article.get(XML_LANG, "")
    article_type = article.get("article-type", "")
    date = _date(meta, parts)
    authors = _authors(parts.get("contrib-group", ()))
    return Article(
        id=article_id,
        source=source,
        ids=ids,
        license=license_,
        attribution=_attribution(authors, title, journal, date, ids, license_),
        title=title,
        journal=journal,
        publisher=publisher,
        date=date,
        article_type=article_type,
        language=language,
        subjects=_subjects(parts.get("article-categories", ())),
        keywords=_keywords(parts.get("kwd-group", ()), language),
        abstract=_abstract(parts.get("abstract", [])),
        authors=authors,
        retracted=_retracted(article_type, title, parts),
    )


def _journal(article: Element) -> tuple[str, str]:
    """Title and publisher; the title falls back to the abbreviated one and the NLM id."""
    front = child_of(article, "front")
    meta = child_of(front, "journal-meta") if front is not None else None
    if meta is None:
        return "", ""
    title = abbreviation = identifier = publisher = ""
    for child in meta:
        if child.tag == "journal-title-group":
            title = title or plain_text(child_of(child, "journal-title"))
            abbreviation = abbreviation or plain_text(child_of(child, "abbrev-journal-title"))
        elif child.tag == "journal-title":
            title = title or plain_text(child)
        elif child.tag == "abbrev-journal-title":
            abbreviation = abbreviation or plain_text(child)
        elif child.tag == "journal-id":
            if not identifier or child.get("journal-id-type") == "nlm-ta":
                identifier = (child.text or "").strip()
        elif child.tag == "publisher":
            publisher = publisher or plain_text(child_of(child, "publisher-name"))
    return title or abbreviation or identifier, publisher


def _date(meta: Element, parts: dict[str, list[Element]]) -> str:
    """The date of first publication, as precise as known.

    A publication date (electronic, print or unqualified) counts before the date of a collection, that
    before what a repository adds; of two in one class the earlier.
    """
    best: tuple[int, int, int, int] | None = None
    for element in parts.get("pub-date", ()):
        kind = element.get("date-type") or element.get("pub-type") or ""
        found = _read_date(element)
        if found is not None:
            candidate = (_DATE_CLASS.get(kind, _OTHER_DATE), *found)
            best = candidate if best is None else min(best, candidate)
    if best is None:
        for element in meta.iterfind("permissions/copyright-year"):
            if match := _YEAR.search(element.text or ""):
                return match[0]
        return ""
    _, year, month, day = best
    if month == _LATE:
        return f"{year:04d}"
    return f"{year:04d}-{month:02d}" if day == _LATE else f"{year:04d}-{month:02d}-{day:02d}"


_LATE = 99
"""Month or day that is not known: sorts after the known ones of its year."""


def _read_date(element: Element) -> tuple[int, int, int] | None:
    text = {child.tag: (child.text or "").strip() for child in element}
    year = _YEAR.search(text.get("year", ""))
    if year is None:
        iso = _ISO.match(element.get("iso-8601-date") or "")
        if iso is None:
            year = _YEAR.search(" ".join(element.itertext()))
            return (int(year[0]), _LATE, _LATE) if year else None
        return int(iso[1]), int(iso[2] or _LATE), int(iso[3] or _LATE)
    written = text.get("month", "")
    month = int(written) if written.isdigit() else _MONTHS.get(written[:3].lower(), _LATE)
    day = text.get("day", "")
    if not 1 <= month <= 12:
        return int(year[0]), _LATE, _LATE
    return int(year[0]), month, int(day) if day.isdigit() and 1 <= int(day) <= 31 else _LATE


def _authors(groups: Iterable[Element]) -> tuple[Author, ...]:
    """Authors in order; a group author has its name as surname. Editors and reviewers are left out."""
    authors = []
    for group in groups:
        if group.get("content-type") not in (None, "authors", "author"):
            continue
        for contrib in group:
            if contrib.tag != "contrib" or contrib.get("contrib-type", "author") not in ("author", "authors"):
                continue
            surname = given = orcid = ""
            for child in contrib:
                if child.tag == "name-alternatives":
                    child = next(iter(child), child)
                tag = child.tag
                if tag == "name" or tag == "string-name":
                    surname, given = _name(child)
                elif tag in ("collab", "on-behalf-of") and not surname:
                    surname = _collaboration(child)
                elif tag == "contrib-id" and not orcid:
                    match = _ORCID.search(child.text or "")
                    orcid = match[0].upper() if match else ""
            if surname or given:
                authors.append(Author(surname=surname, given=given, orcid=orcid))
    return tuple(authors)


def _name(name: Element) -> tuple[str, str]:
    """Surname and given names; an unstructured name counts as surname."""
    surname = given = ""
    for part in name:
        if part.tag == "surname":
            surname = plain_text(part)
        elif part.tag == "given-names":
            given = plain_text(part)
    if not surname and name.tag == "string-name":
        surname = plain_text(name)
    return surname, given


def _collaboration(collab: Element) -> str:
    """A group's name without the list of its members."""
    institution = child_of(collab, "institution")
    words = " ".join([collab.text or "", *(child.tail or "" for child in collab)]).split()
    return " ".join(words) or plain_text(institution if institution is not None else collab)


def _subjects(categories: Iterable[Element]) -> tuple[str, ...]:
    found = (plain_text(subject) for group in categories for subject in group.iter("subject"))
    return tuple(dict.fromkeys(filter(None, found)))


def _keywords(groups: Iterable[Element], language: str) -> tuple[str, ...]:
    """Keywords in the article's language; abbreviation lists are none."""
    named = [group for group in groups if "abbrev" not in (group.get("kwd-group-type") or "").lower()]
    own = [group for group in named if group.get(XML_LANG, language)[:2] == language[:2]] or named
    found = (plain_text(kwd) for group in own for kwd in group.iter("kwd", "compound-kwd"))
    return tuple(dict.fromkeys(filter(None, found)))


def _abstract(abstracts: list[Element]) -> str:
    """The main abstract (not the graphical, the short or the translated one), without its own heading."""
    if not abstracts:
        return ""
    main = next((element for element in abstracts if element.get("abstract-type") is None), abstracts[0])
    text = plain_text(main)
    heading = plain_text(child_of(main, "title"))
    if heading.rstrip(".:").lower() in _ABSTRACT_HEADINGS:
        return text.removeprefix(heading).lstrip()
    return text


def _retracted(article_type: str, title: str, parts: dict[str, list[Element]]) -> bool:
    """Whether the article was retracted, or is the notice of a retraction."""
    if article_type in _RETRACTED_TYPES or _RETRACTED_TITLE.match(title):
        return True
    if any(link.get("related-article-type") in _RETRACTED_LINKS for link in parts.get("related-article", ())):
        return True
    return any(
        custom.findtext("meta-name") in _RETRACTED_FLAGS and custom.findtext("meta-value") in ("yes", "true")
        for group in parts.get("custom-meta-group", ())
        for custom in group
    )


def _attribution(
    authors: tuple[Author, ...], title: str, journal: str, date: str, ids: Ids, license_: License
) -> str:
    """One credit line: authors, title, journal and year, DOI, licence."""
    names = [f"{author.surname} {_initials(author.given)}".strip() for author in authors[:3]]
    who = ", ".join(names) + (" et al" if len(authors) > 3 else "")
    where = " ".join(filter(None, (journal, date[:4])))
    link = f"https://doi.org/{ids.doi}" if ids.doi else ids.pmcid or (f"PMID {ids.pmid}" if ids.pmid else "")
    terms = (license_.spdx or license_.code) if license_.code != "unknown" else ""
    if terms and license_.url:
        terms = f"{terms} ({license_.url})"
    return " ".join(
        part if part.endswith((".", "?", "!")) else f"{part}."
        for part in (who, title, where, link, terms)
        if part
    )


def _initials(given: str) -> str:
    return "".join(word[0] for word in re.split(r"[\s.-]+", given) if word)
