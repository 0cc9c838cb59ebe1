"""What the search of Europe PMC says about an article: a ``result`` of ``resultType=core``.

Fields: https://europepmc.org/docs/EBI_Europe_PMC_Web_Service_Reference.pdf
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pmcx import Article, InputError
from pmcx.remote import Ids, License, make_article_id

Found = Mapping[str, Any]
"""One search result."""

_CODE = re.compile(r"CC0|CC BY(?:-NC)?(?:-(?:SA|ND))?")
_DATE = re.compile(r"\d{4}(?:-\d\d(?:-\d\d)?)?")
_PMCID = re.compile(r"PMC[1-9]\d*")
_PREPRINT = re.compile(r"PPR[1-9]\d*")
_NOTICES = {
    "retraction of publication": "retraction",
    "retraction": "retraction",
    "published erratum": "correction",
    "correction": "correction",
    "expression of concern": "expression-of-concern",
}
"""Publication types of MEDLINE that announce something about another article -> JATS ``article-type``."""
_CHANGING = ("dateOfRevision", "fullTextReceivedDate", "versionNumber")
"""Fields of which one changes when an article's content does."""


def text(record: Found, key: str) -> str:
    """A field as text; empty where it is missing."""
    value = record.get(key)
    return str(value).strip() if isinstance(value, (str, int)) else ""


def locator(record: Found) -> str:
    """How Europe PMC calls the full text: ``PMC123``, or ``PPR123`` of a preprint; empty without one."""
    pmcid, own = text(record, "pmcid").upper(), text(record, "id").upper()
    if _PMCID.fullmatch(pmcid):
        return pmcid
    return own if text(record, "source") == "PPR" and _PREPRINT.fullmatch(own) else ""


def ids(record: Found) -> Ids:
    preprint = text(record, "source") == "PPR"
    pmcid = text(record, "pmcid").upper()
    return Ids(
        pmid=text(record, "pmid"),
        pmcid=pmcid if _PMCID.fullmatch(pmcid) else "",
        doi=text(record, "doi"),
        version=text(record, "versionNumber") if preprint else "",
    )


def article_id(record: Found) -> str:
    """``PMC123``; a preprint without PMCID is called by DOI and version, as its server calls it."""
    return make_article_id(ids(record), locator(record) or text(record, "id"))


def same_article(record: Found, name: str, stated: Ids) -> None:
    """InputError where a text states the PMCID or DOI of another article than the record's.

    The PMCID decides where both have one: DOIs are at times written differently.
    """
    own = ids(record)
    pmcid = own.pmcid or (name if name.startswith("PMC") else "")
    if pmcid and stated.pmcid:
        expected, found = pmcid, stated.pmcid
    else:
        expected, found = own.doi, stated.doi
    if expected and found and expected.casefold() != found.casefold():
        raise InputError(f"{name}: Europe PMC sent the text of {found} instead of {expected}")


def fingerprint(record: Found) -> str:
    """What changes when the article does; empty where the record does not tell."""
    return "/".join(value for key in _CHANGING if (value := text(record, key)))


def license_of(record: Found) -> License:
    """The licence as Europe PMC states it (``cc by-nc``); anything but Creative Commons is unknown."""
    stated = text(record, "license")
    code = re.sub(r"\s+", " ", stated.upper()).replace("CC-", "CC ")
    known = _CODE.fullmatch(code) is not None
    return License(code=code if known else "unknown", source="europepmc-search", evidence=stated)


def describe(record: Found, article: str, source: str) -> Article:
    """The article as far as the search tells, for filters that need no text."""
    listed = record.get("pubTypeList")
    found = listed.get("pubType") if isinstance(listed, dict) else None
    types = [str(each).lower() for each in found] if isinstance(found, list) else [str(found or "").lower()]
    date = _DATE.match(text(record, "firstPublicationDate") or text(record, "pubYear"))
    return Article(
        id=article,
        source=source,
        ids=ids(record),
        license=license_of(record),
        source_license=text(record, "license"),
        title=text(record, "title"),
        journal=_journal(record),
        date=date[0] if date else "",
        article_type=next((_NOTICES[each] for each in types if each in _NOTICES), ""),
        retracted="retracted publication" in types or "retracted" in types,
    )


def _journal(record: Found) -> str:
    info = record.get("journalInfo")
    journal = info.get("journal") if isinstance(info, dict) else None
    return text(journal, "title") if isinstance(journal, dict) else ""
