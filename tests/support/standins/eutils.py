"""NCBI E-utilities on loopback: ESearch and EFetch of ``db=pmc``, with NCBI's limits.

https://www.ncbi.nlm.nih.gov/books/NBK25499/ and the observations of third parties on ``db=pmc``.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from .faults import Faults
from .http import RateLimit, Reply, Request, StandIn
from .pmc import PmcArticle
from .query import QueryError, compile_query

MOST = 9_999
"""Ids that one query gives, at most."""
JSON = {"Content-Type": "application/json; charset=UTF-8"}
XML = {"Content-Type": "text/xml; charset=UTF-8"}
_LICENSE_FILTER = re.compile(r"(cc0|cc_by(?:-\w+)*)_license")
_DATE_TAGS = {"pmcrdat": "pmcrdat", "edat": "edat", "crdt": "crdt", "pdat": "pmcrdat", "dp": "pmcrdat"}
_EMPTY = "Empty term and query_key - nothing todo"


@dataclass(frozen=True)
class Entry:
    """One article as PMC's index knows it; ``date`` (ISO) is both release and entry date."""

    pmcid: str
    date: str
    license: str | None = "CC BY"
    oa: bool = True
    journal: str = "Journal of Demonstration Data"
    title: str = ""
    manuscript: bool = False
    xml: bytes = field(default=b"", repr=False)

    @property
    def uid(self) -> str:
        return self.pmcid.removeprefix("PMC")


class EutilsStandIn(StandIn):
    """ESearch and EFetch, below any path that ends in ``esearch.fcgi`` or ``efetch.fcgi``.

    More than 3 requests a second (10 with an ``api_key``) give 429. ``impolite`` lists requests without
    ``tool`` or ``email``; ``crdt`` dates find nothing, as in PMC.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        per_second: float = 3,
        with_key: float = 10,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(faults)
        self.per_second, self.with_key, self.most = per_second, with_key, most
        self.entries: dict[str, Entry] = {}
        """By uid (bare digits)."""
        self.impolite: list[str] = []
        self._limit = RateLimit(clock)
        self._history: dict[str, list[list[str]]] = {}

    def add(
        self,
        pmcid: str,
        date: str = "2026-01-15",
        license: str | None = "CC BY",
        oa: bool = True,
        journal: str = "Journal of Demonstration Data",
        title: str = "",
        manuscript: bool = False,
        xml: bytes = b"",
    ) -> None:
        """Index an article; ``xml`` is what EFetch gives (without, its metadata alone)."""
        entry = Entry(pmcid, date, license, oa, journal, title, manuscript, xml)
        self.entries[entry.uid] = entry

    def add_article(self, article: PmcArticle) -> None:
        """Index a generated article as its metadata describe it."""
        stated = article.metadata
        self.add(
            article.pmcid, article.date, stated.get("license_code"), bool(stated.get("is_pmc_openaccess")),
            title=str(stated.get("title", "")), manuscript=bool(stated.get("is_manuscript")), xml=article.xml,
        )  # fmt: skip

    def remove(self, pmcid: str) -> None:
        del self.entries[pmcid.removeprefix("PMC")]

    # -- answers --------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        asked = request.parameters()
        if not asked.get("tool") or not asked.get("email"):
            self.impolite.append(f"{request.path}?{request.query}")
        key = asked.get("api_key", "")
        if self._limit.exceeded(key, self.with_key if key else self.per_second):
            return self.failure(429, request)
        if request.path.endswith("esearch.fcgi"):
            return self._search(asked)
        if request.path.endswith("efetch.fcgi"):
            return self._fetch(asked)
        return Reply(404, b"<html><body>Not Found</body></html>", {"Content-Type": "text/html"})

    def failure(self, status: int, request: Request) -> Reply:
        if status != 429:
            return super().failure(status, request)
        text = {"error": "API rate limit exceeded", "count": "11"}
        return Reply(429, json.dumps(text).encode(), {"Content-Type": "application/json"})

    def _search(self, asked: dict[str, str]) -> Reply:
        try:
            found, shown = self._found(asked)
            start, count = _number(asked, "retstart", 0), _number(asked, "retmax", 20)
        except QueryError as error:
            return _search_reply({"ERROR": str(error)})
        if start + count > self.most:
            last = self.most - 1
            return _search_reply({
                "ERROR": f"Search Backend failed: Exception:\n'retstart' cannot be larger than {last}. "
                f"ESearch can only retrieve the first {self.most:,} records matching the query."
            })  # fmt: skip
        ids = found[start : start + count]
        result: dict[str, object] = {
            "count": str(len(found)), "retmax": str(len(ids)), "retstart": str(start),
        }  # fmt: skip
        if asked.get("usehistory") == "y":
            result |= self._remember(asked.get("WebEnv", ""), found)
        result |= {"idlist": ids, "translationset": [], "querytranslation": shown}
        if not found:
            result["errorlist"] = {"phrasesnotfound": [], "fieldsnotfound": []}
            result["warninglist"] = {"outputmessages": ["No items found."]}
        return _search_reply(result) if asked.get("retmode") == "json" else _search_xml(result)

    def _found(self, asked: dict[str, str]) -> tuple[list[str], str]:
        if asked.get("db") != "pmc":
            raise QueryError(f"Invalid db name specified: {asked.get('db', '')}")
        term = asked.get("term", "")
        if asked.get("query_key") and asked.get("WebEnv"):
            remembered = self._recall(asked)
            if not term:
                return remembered, "#" + asked["query_key"]
        if not term.strip():
            raise QueryError(_EMPTY)
        try:
            test = compile_query(term, _term)
        except QueryError as error:
            raise QueryError(f"Search Backend failed: Couldn't parse the query: {error}") from error
        dated = _date_test(asked)
        found = [entry.uid for entry in list(self.entries.values()) if test(entry) and dated(entry)]
        return sorted(found, key=int, reverse=True), term

    def _remember(self, env: str, found: list[str]) -> dict[str, object]:
        with self._lock:
            env = env if env in self._history else f"MCID_{len(self._history):024x}"
            queries = self._history.setdefault(env, [])
            queries.append(found)
            return {"querykey": str(len(queries)), "webenv": env}

    def _recall(self, asked: dict[str, str]) -> list[str]:
        queries = self._history.get(asked["WebEnv"], [])
        key = asked["query_key"]
        if not key.isdigit() or not 1 <= int(key) <= len(queries):
            raise QueryError("Search Backend failed: Unable to obtain query #" + key)
        return queries[int(key) - 1]

    def _fetch(self, asked: dict[str, str]) -> Reply:
        if asked.get("db") != "pmc":
            return _fetch_error(f"Invalid db name specified: {asked.get('db', '')}")
        try:
            if asked.get("WebEnv"):
                start = _number(asked, "retstart", 0)
                ids = self._recall(asked)[start : start + _number(asked, "retmax", 20)]
            else:
                ids = [
                    each.strip().removeprefix("PMC")
                    for each in asked.get("id", "").split(",")
                    if each.strip()
                ]
        except QueryError as error:
            return _fetch_error(str(error))
        known = [self.entries[each] for each in ids if each in self.entries]  # the others: not a word
        if asked.get("rettype") == "uilist":
            return Reply(
                200, "".join(f"{entry.uid}\n" for entry in known).encode(), {"Content-Type": "text/plain"}
            )
        if not ids:
            return _fetch_error("Empty id list - nothing todo")
        articles = b"".join(_article(entry) for entry in known)
        head = b"<?xml version='1.0' encoding='UTF-8'?>\n"
        return Reply(200, head + b"<pmc-articleset>" + articles + b"</pmc-articleset>\n", XML)


# -- terms ----------------------------------------------------------------------------------------


def _term(text: str) -> Callable[[Entry], bool]:
    """The test of one term with its tag."""
    words, _, tag = text.partition("[")
    words, tag = words.strip(), tag.rstrip("]").strip().lower()
    if ":" in text and (
        match := re.fullmatch(r'"?([\d/-]+)"?(?:\[\w+\])?\s*:\s*"?([\d/-]+)"?\[([^\]]+)\]', text)
    ):
        return _between(match[3].lower(), match[1], match[2])
    value = words.strip('"')
    if tag == "filter":
        return _filter(value.lower())
    if tag in _DATE_TAGS:
        return _between(tag, value, value)
    if tag in ("journal", "ta", "so"):
        return lambda entry: entry.journal.lower() == value.lower()
    if tag in ("uid", "pmcid", "accn", "pmc"):
        return lambda entry: entry.uid == value.upper().removeprefix("PMC")
    if tag in ("", "title", "ti", "all", "all fields", "text word", "body - all words"):
        return lambda entry: value.lower() in f"{entry.title} {entry.journal}".lower()
    raise QueryError(f"unknown field [{tag}]")


def _filter(name: str) -> Callable[[Entry], bool]:
    if name in ("open_access", "open access"):
        return lambda entry: entry.oa
    if name in ("author_manuscript", "author manuscript"):
        return lambda entry: entry.manuscript
    match = _LICENSE_FILTER.fullmatch(name)
    if match is not None:
        code = match[1].upper().replace("_", " ", 1)
        return lambda entry: entry.license == code
    return lambda entry: False  # a filter that Entrez does not know finds nothing


def _between(tag: str, first: str, last: str) -> Callable[[Entry], bool]:
    """Whether the date lies in the range; an end given as a year or month means all of it."""
    if tag not in _DATE_TAGS:
        raise QueryError(f"unknown date field [{tag}]")
    if _DATE_TAGS[tag] == "crdt":
        return lambda entry: False
    low, high = first.replace("/", "-"), last.replace("/", "-")
    return lambda entry: entry.date[: len(low)] >= low and entry.date[: len(high)] <= high


def _date_test(asked: dict[str, str]) -> Callable[[Entry], bool]:
    first, last = asked.get("mindate", ""), asked.get("maxdate", "")
    if not first and not last:
        return lambda entry: True
    if not first or not last:
        raise QueryError("Search Backend failed: mindate and maxdate are needed both")
    return _between(asked.get("datetype", "pdat").lower(), first, last)


def _number(asked: dict[str, str], name: str, default: int) -> int:
    text = asked.get(name, str(default))
    if not text.isdigit():
        raise QueryError(f"Search Backend failed: {name} is not a number")
    return int(text)


# -- words ----------------------------------------------------------------------------------------


def _search_reply(result: dict[str, object]) -> Reply:
    return Reply(
        200,
        json.dumps({"header": {"type": "esearch", "version": "0.3"}, "esearchresult": result}).encode(),
        JSON,
    )


def _search_xml(result: dict[str, object]) -> Reply:
    ids = result["idlist"]
    assert isinstance(ids, list)
    known = "".join(f"<Id>{each}</Id>" for each in ids)
    history = "".join(
        f"<{tag}>{result[key]}</{tag}>"
        for key, tag in (("querykey", "QueryKey"), ("webenv", "WebEnv"))
        if key in result
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<eSearchResult>'
        f"<Count>{result['count']}</Count><RetMax>{result['retmax']}</RetMax>"
        f"<RetStart>{result['retstart']}</RetStart>{history}<IdList>{known}</IdList></eSearchResult>"
    )
    return Reply(200, text.encode(), XML)


def _fetch_error(message: str) -> Reply:
    head = '<?xml version="1.0" encoding="UTF-8" ?>\n'
    return Reply(400, f"{head}<eFetchResult><ERROR>{escape(message)}</ERROR></eFetchResult>\n".encode(), XML)


def _article(entry: Entry) -> bytes:
    """The article as a member of a set: no declaration, no DTD; without body unless it is open access."""
    xml = entry.xml or _metadata_only(entry)
    xml = re.sub(rb"^\s*<\?xml[^>]*>\s*(<!DOCTYPE[^>]*>\s*)?", b"", xml)
    if entry.oa:
        return xml
    withheld = (
        b"<!--The publisher of this article does not allow downloading of the full text in XML form.-->"
    )
    xml = re.sub(rb"<floats-group>.*</floats-group>", b"", xml, flags=re.DOTALL)
    return re.sub(rb"<body>.*</body>", withheld, xml, flags=re.DOTALL)


def _metadata_only(entry: Entry) -> bytes:
    return (
        '<article article-type="research-article"><front><journal-meta><journal-title-group><journal-title>'
        f"{escape(entry.journal)}</journal-title></journal-title-group></journal-meta><article-meta>"
        f'<article-id pub-id-type="pmcid">{entry.pmcid}</article-id><title-group><article-title>'
        f"{escape(entry.title)}</article-title></title-group></article-meta></front></article>"
    ).encode()
