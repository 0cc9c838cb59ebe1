"""Naming what is wanted: months, batches, DOIs, index files; and which of several versions is kept."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from ...core.errors import InputError, UsageError
from ...core.records import Drop, Ids
from ..jats import make_article_id
from .api import DOI, Row

Versions = Literal["latest", "all"]

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_ISO_MONTH = re.compile(r"(\d{4})-(\d\d)")
_NAMED_MONTH = re.compile(r"([A-Za-z]+)[_ -](\d{4})")
_DOI_INPUT = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|https?://(?:www\.)?(?:bio|med)rxiv\.org/content/|doi:\s*)?"
    r"(?P<doi>10\.\d{4,9}/\S+?)(?:v(?P<version>[0-9]{1,9}))?(?:\.full(?:\.pdf|-text)?|\.abstract)?",
    re.IGNORECASE,
)
_VERSION = re.compile(r"[0-9]{1,9}")
_FIRST_MONTH = (2018, 12)
"""The first folder of ``Current_Content``; what is older lies in batches."""


class Wanted(NamedTuple):
    """A preprint that was asked for; an empty version means the latest (or all)."""

    doi: str
    version: str = ""


@dataclass(frozen=True)
class Found:
    """An article in an archive of the bucket."""

    doi: str
    version: str
    key: str
    size: int
    etag: str
    modified: str
    """ISO 8601, as the listing says."""
    member: str
    cost: int = 0
    """Bytes that fetching its images takes, at most."""
    license: str = ""
    """As the API states it, verbatim."""


class Place(NamedTuple):
    """Where an article is: what an :class:`ArticleRef` carries as its locator.

    An empty member means that the archive could not be looked into when the run was planned.
    """

    key: str
    size: int
    member: str = ""
    license: str = ""

    def locator(self) -> str:
        query = {"size": self.size, "member": self.member, "license": self.license}
        return f"{quote(self.key)}?{urlencode({name: value for name, value in query.items() if value})}"

    @classmethod
    def parse(cls, locator: str) -> Place:
        """InputError for what is no locator of this source."""
        key, _, query = locator.partition("?")
        fields = dict(parse_qsl(query))
        if not key or not fields.get("size", "").isdecimal():
            raise InputError(f"not a locator of a preprint archive: {locator!r}")
        return cls(unquote(key), int(fields["size"]), fields.get("member", ""), fields.get("license", ""))


# -- folders ------------------------------------------------------------------------------------


def month_folder(text: str) -> str:
    """The folder of a month written ``2026-01``, ``January_2026`` or ``Jan 2026``; UsageError otherwise."""
    if match := _ISO_MONTH.fullmatch(text.strip()):
        year, number = int(match[1]), int(match[2])
        if 1 <= number <= 12:
            return folder_of((year, number))
    elif match := _NAMED_MONTH.fullmatch(text.strip()):
        for number, name in enumerate(_MONTHS, 1):
            if len(match[1]) >= 3 and name.lower().startswith(match[1].lower()):
                return folder_of((int(match[2]), number))
    raise UsageError(f"{text!r} is no month; write 2026-01 or January_2026")


def folder_of(month: tuple[int, int]) -> str:
    year, number = month
    return f"Current_Content/{_MONTHS[number - 1]}_{year}/"


def back_folder(text: str, server: str) -> str:
    """The folder of a batch written ``Batch_01``, ``medRxiv_Batch_01`` or ``1``; UsageError otherwise."""
    name = text.strip().removeprefix("Back_Content/").strip("/")
    if name.isdecimal():
        name = f"{'medRxiv_' if server == 'medrxiv' else ''}Batch_{int(name):02d}"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise UsageError(f"{text!r} is no batch; write Batch_01 (biorxiv) or medRxiv_Batch_01 (medrxiv)")
    return f"Back_Content/{name}/"


def search_folders(month: tuple[int, int] | None) -> tuple[str, ...]:
    """Where an archive posted in a month may lie: its folder is that of the upload, at times a month later.

    None for what was posted before there were monthly folders.
    """
    if month is None or month < _FIRST_MONTH:
        return ()
    year, number = month
    later = (year + 1, 1) if number == 12 else (year, number + 1)
    return folder_of(month), folder_of(later)


# -- what the user names ------------------------------------------------------------------------


def parse_doi(text: str) -> Wanted | None:
    """A DOI (bare, as URL, or a page of bioRxiv) with an optional version ``v2``; None for anything else."""
    match = _DOI_INPUT.fullmatch(text.strip())
    if match is None or not DOI.fullmatch(match["doi"]):
        return None
    return Wanted(match["doi"], str(int(match["version"])) if match["version"] else "")


def read_inputs(inputs: Sequence[str]) -> list[Wanted]:
    """The DOIs among ``inputs``, and those in files named there: one a line, or a CSV/TSV column ``doi``.

    Blank lines and ``#`` comments are skipped. UsageError names file and line of what is no DOI.
    """
    wanted: dict[Wanted, None] = {}
    for given in inputs:
        one = parse_doi(given)
        for item in [one] if one else _read_list(given):
            wanted[item] = None
    return list(wanted)


def _read_list(given: str) -> list[Wanted]:
    path = Path(given).expanduser()
    if not path.is_file():
        raise UsageError(
            f"{given!r} is neither a DOI (10.1101/2024.01.24.24301711, optionally with v2) nor a file of DOIs"
        )
    found = []
    for number, text in _lines(path, "doi"):
        one = parse_doi(text)
        if one is None:
            raise UsageError(f"{given}, line {number}: {text!r} is no DOI")
        found.append(one)
    return found


def _lines(path: Path, column: str) -> Iterator[tuple[int, str]]:
    """Line number and text of each entry of a list, or of one column of a table with a header."""
    lines = _text(path).splitlines()
    kept = [
        (n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")
    ]
    if not kept:
        return
    header = _cells(kept[0][1])
    names = [name.strip().lower() for name in header]
    if column in names:
        at = names.index(column)
        for number, line in kept[1:]:
            cells = _cells(line)
            yield number, cells[at].strip() if at < len(cells) else ""
        return
    for number, line in kept:
        yield number, line.strip()


def _cells(line: str) -> list[str]:
    return next(csv.reader([line], delimiter="\t" if "\t" in line else ","))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {str(path)!r}: {error}") from error


def read_index(path: Path, bucket: str) -> dict[Wanted, str]:
    """(DOI, version) -> key, of an index file: JSON, JSON lines, CSV or TSV.

    Fields ``doi``, ``version`` and ``s3Key`` (or ``key``), optionally ``s3Bucket``; rows of another bucket
    are skipped. JSON may hold the versions of a preprint in a list ``versions``.
    """
    text = _text(path)
    found: dict[Wanted, str] = {}
    for row in _index_rows(path, text):
        key = str(row.get("s3Key") or row.get("key") or "")
        one = parse_doi(str(row.get("doi") or ""))
        version = str(row.get("version") or (one.version if one else "")).strip().removeprefix("v")
        if row.get("s3Bucket") not in (None, "", bucket):
            continue
        if one is None or not _VERSION.fullmatch(version) or not key:
            raise UsageError(f"{path.name}: a row without doi, version and s3Key: {str(dict(row))[:200]}")
        found[Wanted(one.doi, str(int(version)))] = key
    return found


def _index_rows(path: Path, text: str) -> Iterator[Mapping[str, Any]]:
    if not text.lstrip().startswith(("{", "[")):
        delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
        yield from csv.DictReader(text.splitlines(), delimiter=delimiter)
        return
    for item in _json_items(path, text):
        if not isinstance(item, dict):
            raise UsageError(f"{path.name}: an index holds objects, not {str(item)[:80]}")
        versions = item.get("versions")
        if isinstance(versions, list):
            yield from ({"doi": item.get("doi"), **each} for each in versions if isinstance(each, dict))
        else:
            yield item


def _json_items(path: Path, text: str) -> Iterable[Any]:
    try:
        whole = json.loads(text)
        return whole if isinstance(whole, list) else [whole]
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise UsageError(f"{path.name} is neither JSON nor JSON lines: {error}") from error


# -- versions -----------------------------------------------------------------------------------


def latest_rows(rows: Iterable[Row], versions: Versions) -> list[Row]:
    """Rows of the newest version of each DOI (or all), in the order of their first appearance."""
    if versions == "all":
        return list(rows)
    newest: dict[str, Row] = {}
    for row in rows:
        known = newest.get(row.doi.casefold())
        if known is None or int(row.version) > int(known.version):
            newest[row.doi.casefold()] = row
    return list(newest.values())


def pick(found: Iterable[Found], versions: Versions) -> tuple[list[Found], list[Drop]]:
    """One archive for each (DOI, version), the one modified last; of each DOI the latest version (or all).

    What is left out comes as drops ``duplicate-article`` and ``older-version``. Sorted by DOI and version.
    """

    def article(item: Found) -> str:
        return make_article_id(Ids(doi=item.doi, version=item.version), item.key)

    best: dict[tuple[str, int], Found] = {}
    drops: list[Drop] = []
    for item in sorted(found, key=lambda item: (item.modified, item.key)):
        place = (item.doi.casefold(), int(item.version or 0))
        if place in best:
            detail = f"{best[place].key} is older than {item.key}"
            other = best[place].key.rpartition("/")[2].rpartition(".")[0] or best[place].key
            drop_id = f"{article(item)}/{other}"  # not the article's own id: that one is planned
            drops.append(Drop(id=drop_id, stage="plan", reason="duplicate-article", detail=detail))
        best[place] = item
    newest: dict[str, int] = {}
    for doi, version in best:
        newest[doi] = max(version, newest.get(doi, 0))
    kept = []
    for (doi, version), item in sorted(best.items()):
        if versions == "latest" and version < newest[doi]:
            detail = f"version {newest[doi]} is newer"
            drops.append(Drop(id=article(item), stage="plan", reason="older-version", detail=detail))
        else:
            kept.append(item)
    return kept, drops
