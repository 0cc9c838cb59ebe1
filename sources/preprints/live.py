"""What ``biorxiv`` and ``medrxiv`` take for granted about API and buckets (``pmcx check-live``)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from ...core.errors import PmcxError
from ...core.net.client import Client, RefusedError
from ...core.net.s3 import Bucket, Entry, parse_listing, requester_pays
from ...core.stages import LiveCheck, SkippedError
from ..live import Checks, assumes, expect, some
from ..packages import Limits
from .api import LICENSES, slug
from .catalog import Catalog, Meter
from .meca import MecaArticle, read_article
from .options import PreprintOptions
from .remote_zip import RemoteZip
from .select import folder_of, month_folder

PAGE = 100
"""Rows of one answer of the API, at most."""
DAYS = ("2026-01-05", "2026-01-09")
"""A working week, long past."""
MONTH = (2026, 1)
PREFIXES = ("10.1101/", "10.64898/")
KEYS = ("doi", "version", "date", "license", "category")
ARCHIVES = 3
"""Archives that are looked into, the smallest of the listing: each byte costs."""
MANIFEST_NAMESPACE = "http://manuscriptexchange.org"
TRANSFER_NAMESPACE = "http://www.manuscriptexchange.org"
_MONTH_FOLDER = re.compile(r"Current_Content/[A-Z][a-z]+_20\d\d/")
_BATCH_FOLDER = re.compile(r"Back_Content/(?:medRxiv_)?Batch_\d\d/")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.meca")


def live_checks(client: Client, options: PreprintOptions, server: str, bucket: str) -> Iterator[LiveCheck]:
    """All checks of a server: of its API, and of its bucket where the options agree to pay."""
    name = options.bucket or bucket

    def catalog() -> Catalog:
        if not options.requester_pays:
            raise SkippedError(
                "the reader pays (less than 0.01 USD for these checks): --requester-pays, if you agree"
            )
        try:
            sign = requester_pays(options.region)
        except PmcxError as error:
            raise SkippedError(str(error)) from error
        limit = None if options.budget_gb is None else int(options.budget_gb * 1e9)
        return Catalog(Bucket(client, name, options.endpoint, sign), Meter(limit), Limits())

    days = (
        (options.since.isoformat(), (options.until or options.since).isoformat()) if options.since else DAYS
    )
    folder = month_folder(options.months[0]) if options.months else folder_of(MONTH)
    yield from ApiChecks(client, options.api, server, days).checks()
    yield from ArchiveChecks(Bucket(client, name, options.endpoint), catalog, folder).checks()


class ApiChecks(Checks):
    """Checks of https://api.biorxiv.org; ``days`` are the first and last day that are asked for."""

    advice = (
        "Do not use `since`, `until` and DOIs in `input`; choose by `months`, or by an `index` of your own."
    )

    def __init__(self, client: Client, base: str, server: str, days: tuple[str, str] = DAYS) -> None:
        self.client, self.server, self.days = client, server, days
        self.base = f"{base.rstrip('/')}/details/{server}"

    def _ask(self, path: str, **query: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The message and the rows of an answer."""
        url = f"{self.base}/{path}" + (f"?{urlencode(query)}" if query else "")
        answer = json.loads(self.client.get(url, kind="json").body)
        expect(isinstance(answer, dict), f"{type(answer).__name__} instead of an object")
        messages, rows = answer.get("messages"), answer.get("collection")
        expect(isinstance(messages, list) and messages, f"no messages, but {some(answer)}")
        expect(isinstance(rows, list), f"no collection, but {some(answer)}")
        return dict(messages[0]), list(rows)

    def _interval(self, cursor: int, **query: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return self._ask(f"{self.days[0]}/{self.days[1]}/{cursor}/json", **query)

    @cached_property
    def first(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        message, rows = self._interval(0)
        expect(rows, f"no rows of {' to '.join(self.days)}: {message}")
        return message, rows

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        try:
            return self.first[1]
        except (AssertionError, PmcxError) as error:
            raise SkippedError(f"no rows to look at: {error}") from error

    @assumes("api-page", "an interval of days answers with messages, count, total and up to 100 rows")
    def page(self) -> str:
        message, rows = self.first
        expect(str(message.get("status")).lower() == "ok", f"status {message.get('status')!r}")
        for name in ("count", "total"):
            expect(str(message.get(name)).isdigit(), f"{name} is {message.get(name)!r}")
        expect(int(message["count"]) == len(rows), f"count {message['count']}, {len(rows)} rows")
        expect(len(rows) <= PAGE, f"{len(rows)} rows")
        kind = type(message["total"]).__name__
        return f"{len(rows)} of {message['total']} rows (total is {kind})"

    @assumes("api-keys", "rows have doi, version, date, license and category")
    def keys(self) -> str:
        for row in self.rows:
            missing = [key for key in KEYS if not row.get(key)]
            expect(not missing, f"{row.get('doi')} has no {', '.join(missing)}")
            expect(str(row["version"]).isdigit(), f"{row['doi']}: version {row['version']!r}")
        return f"{len(self.rows)} rows, such as {self.rows[0]['doi']} v{self.rows[0]['version']}"

    @assumes(
        "doi-prefix", "DOIs begin with 10.1101/ or 10.64898/",
        "Nothing to set: any prefix is followed. Please report it.",
    )  # fmt: skip
    def prefixes(self) -> str:
        dois = [str(row.get("doi")) for row in self.rows]
        odd = [doi for doi in dois if not doi.startswith(PREFIXES)]
        expect(not odd, some(odd))
        return ", ".join(f"{sum(doi.startswith(each) for doi in dois)} with {each}" for each in PREFIXES)

    @assumes(
        "api-licences", "license is one of the known codes",
        "Unknown codes count as `unknown` licence until the article itself is read.",
    )  # fmt: skip
    def licences(self) -> str:
        codes = {str(row.get("license")) for row in self.rows}
        expect(codes <= set(LICENSES), f"unknown: {', '.join(sorted(codes - set(LICENSES)))}")
        return ", ".join(sorted(codes))

    @assumes("api-cursor", "the cursor moves on by the number of rows, without repeating one")
    def cursor(self) -> str:
        message, rows = self.first
        if _whole(message.get("total") or 0) <= len(rows):
            raise SkippedError(f"only {len(rows)} rows: one page")
        following = self._interval(len(rows))[1]
        expect(following, f"no rows at cursor {len(rows)} of {message['total']}")
        before = {(row.get("doi"), row.get("version")) for row in rows}
        again = [row["doi"] for row in following if (row.get("doi"), row.get("version")) in before]
        expect(not again, f"repeated: {some(again)}")
        return f"{len(following)} other rows at cursor {len(rows)}"

    @assumes("api-end", "past the last row there are no rows, and no error")
    def end(self) -> str:
        message, rows = self._interval(_whole(self.first[0].get("total") or 0) + 10 * PAGE)
        expect(not rows, f"{len(rows)} rows past the end")
        return f"status {message.get('status')!r}"

    @assumes("api-category", "?category= leaves rows of that category only", "Leave `category` out.")
    def category(self) -> str:
        wanted = slug(str(self.rows[0].get("category")))
        rows = self._interval(0, category=wanted)[1]
        expect(rows, f"no rows for {wanted}")
        others = {slug(str(row.get("category"))) for row in rows} - {wanted}
        expect(not others, f"{wanted} gives {some(others)}")
        return f"{wanted}: {len(rows)} rows"

    @assumes("api-doi", "a DOI gives one row for each of its versions")
    def versions(self) -> str:
        row = max(self.rows, key=lambda row: _whole(row.get("version") or 0))
        found = self._ask(f"{row['doi']}/na/json")[1]
        others = {str(each.get("doi")) for each in found if each.get("doi") != row["doi"]}
        expect(not others, f"{row['doi']} gives {some(others)}")
        numbers = sorted(_whole(each.get("version")) for each in found)
        expect(_whole(row.get("version")) in numbers, f"version {row['version']} is not among {numbers}")
        expect(len(set(numbers)) == len(numbers), f"versions {numbers}")
        return f"{row['doi']}: versions {', '.join(map(str, numbers))}"


def _whole(value: object) -> int:
    """A number, written as one or as text."""
    expect(re.fullmatch(r"[0-9]{1,9}", str(value)), f"{str(value)[:40]!r} is no number")
    return int(str(value))


@dataclass(frozen=True)
class Looked:
    """One archive, and what was read of it."""

    entry: Entry
    package: RemoteZip
    article: MecaArticle


class ArchiveChecks(Checks):
    """Checks of the requester-pays bucket.

    ``catalog`` gives signed access, or raises SkippedError with what is missing (consent, credentials).
    ``unsigned`` is the same bucket without credentials.
    """

    advice = "Update pmcx; until then read archives that you have with the source `folder`."

    def __init__(self, unsigned: Bucket, catalog: Callable[[], Catalog], folder: str) -> None:
        self.unsigned, self._catalog, self.folder = unsigned, catalog, folder

    @cached_property
    def catalog(self) -> Catalog:
        return self._catalog()

    @cached_property
    def listed(self) -> list[Entry]:
        """The first page of the month's archives."""
        return [entry for entry in islice(self.catalog.bucket.list(self.folder), 1000) if not entry.prefix]

    @cached_property
    def looked(self) -> Sequence[Looked]:
        found = []
        archives = sorted((entry for entry in self.listed if entry.size), key=lambda entry: entry.size)
        for entry in archives[:ARCHIVES]:
            package = self.catalog.open(entry.key, entry.size, entry.etag)
            found.append(Looked(entry, package, read_article(package)))
        if not found:
            raise SkippedError(f"no archive below {self.folder} (see month-listing)")
        return found

    def _member(self, looked: Looked, name: str) -> bytes:
        names = [each for each in looked.package.names if each.rpartition("/")[2] == name]
        expect(names, f"{looked.entry.key} has no {name}")
        return looked.package.read(min(names, key=len))

    @assumes("unsigned-refused", "without credentials the bucket is refused (403)",
             "Nothing to set: signed requests are answered all the same.")  # fmt: skip
    def refused(self) -> str:
        try:
            query = urlencode({"list-type": "2", "prefix": "Current_Content/", "delimiter": "/"})
            answer = self.unsigned.client.get(f"{self.unsigned.base}/?{query}", kind="xml")
        except RefusedError as error:
            return str(error).rpartition(": ")[2]
        raise AssertionError(f"{len(parse_listing(answer.body)[0])} folders listed")

    @assumes("month-folders", "Current_Content/ has a folder for each month, like January_2026/")
    def months(self) -> str:
        return self._folders("Current_Content/", _MONTH_FOLDER)

    @assumes("batch-folders", "Back_Content/ has folders like Batch_01/ or medRxiv_Batch_01/",
             "Name the folders as they are in `back`.")  # fmt: skip
    def batches(self) -> str:
        return self._folders("Back_Content/", _BATCH_FOLDER)

    def _folders(self, parent: str, form: re.Pattern[str]) -> str:
        names = self.catalog.folders(parent)
        expect(names, f"no folders in {parent}")
        odd = [name for name in names if not form.fullmatch(name)]
        expect(not odd, some(odd))
        return f"{len(names)}, such as {names[-1]}"

    @assumes("month-listing", "a month's archives are <uuid>.meca, with size, ETag and date")
    def listing(self) -> str:
        expect(self.listed, f"nothing below {self.folder}")
        odd = [entry.key for entry in self.listed if not _UUID.fullmatch(entry.key[len(self.folder) :])]
        expect(not odd, some(odd))
        bare = [entry.key for entry in self.listed if not (entry.size and entry.etag and entry.modified)]
        expect(not bare, f"without size, ETag or date: {some(bare)}")
        return f"{self.folder}: {len(self.listed)} on the first page"

    @assumes("month-rule", "an archive lies in the folder of the month of its upload",
             "Name the neighbouring months in `months`, too.")  # fmt: skip
    def rule(self) -> str:
        months = {entry.modified[:7] for entry in self.listed}
        own = {month for month in months if folder_of((int(month[:4]), int(month[5:7]))) == self.folder}
        expect(own, f"{self.folder} has dates of {some(sorted(months))}")
        inside = sum(entry.modified[:7] in own for entry in self.listed)
        expect(2 * inside >= len(self.listed), f"only {inside} of {len(self.listed)} date from {some(own)}")
        return f"{inside} of {len(self.listed)} date from that month"

    @assumes("archive-range", "directory and members of an archive can be read by ranges")
    def ranges(self) -> str:
        size = sum(each.entry.size for each in self.looked)
        return f"{len(self.looked)} archives of {size} bytes, {self.catalog.meter.spent} of them read"

    @assumes("archive-mimetype", "mimetype says application/meca+zip", "Nothing to set: it is not asked for.")
    def mimetype(self) -> str:
        for each in self.looked:
            text = self._member(each, "mimetype").decode("utf-8", "replace").strip()
            expect(text == "application/meca+zip", f"{each.entry.key}: {text!r}")
        return f"{len(self.looked)} archives"

    @assumes("archive-namespaces", "manifest.xml and transfer.xml have their namespaces, the second with www",
             "Nothing to set: they are read without regard to namespaces. Please report it.")  # fmt: skip
    def namespaces(self) -> str:
        from lxml import etree

        from ..jats_xml import read_xml

        for each in self.looked:
            for name, space in (("manifest", MANIFEST_NAMESPACE), ("transfer", TRANSFER_NAMESPACE)):
                root = etree.QName(read_xml(self._member(each, f"{name}.xml")).root)
                expect(root.namespace == space and root.localname == name, f"{each.entry.key}: {root.text}")
        return f"{len(self.looked)} archives"

    @assumes("archive-article", "the manifest's article item is the preprint that the XML's DOI names",
             "Such archives fail to match DOIs: choose by `months`.")  # fmt: skip
    def article(self) -> str:
        from .meca import read_labels

        for each in self.looked:
            ids, labels = each.article.ids, read_labels(each.package)
            expect(ids.doi, f"{each.entry.key}: no DOI in {each.article.member}")
            expect(labels.reference and labels.item, f"{each.entry.key}: no reference or article item")
            expect(labels.may_be(ids.doi, ids.version), f"{ids.doi} v{ids.version}: {labels}")
        return ", ".join(each.article.id for each in self.looked)

    @assumes("archive-figures", "items of the manifest are the figures of the XML, files in the archive")
    def figures(self) -> str:
        from ..jats import parse

        count = 0
        for each in self.looked:
            parsed = parse(each.article.xml, source="biorxiv", article_id=each.article.id)
            names = set(each.package.names)
            for figure in parsed.figures:
                files = each.article.manifest.images.get(figure.id.rpartition("/")[2], ())
                expect(files, f"{figure.id} has no item")
                expect(names.intersection(files), f"{figure.id}: {some(files)} is not in the archive")
                count += 1
        return f"{count} figures of {len(self.looked)} archives"
