"""What ``pmc-oa`` takes for granted about the ways to select articles: inventory and E-utilities."""

from __future__ import annotations

import csv
import datetime
import json
import re
import zlib
from functools import cached_property
from typing import Any
from urllib.parse import unquote_plus, urlencode

from ...core.errors import PmcxError
from ...core.net.client import Client, NotFoundError
from ...core.net.s3 import Bucket
from ...core.stages import SkippedError
from ..live import Checks, assumes, expect, some

MOST = 9_999
"""Ids that ESearch gives for one query of ``db=pmc``, at most."""
LICENSES = ("cc0", "cc_by", "cc_by-sa", "cc_by-nd", "cc_by-nc", "cc_by-nc-sa", "cc_by-nc-nd")
FILTERS = ("open_access", "author_manuscript", *(f"{name}_license" for name in LICENSES))
HEAD = 64 * 2**10
"""Bytes of an inventory shard that are read."""
LOOKED_AT = 3
"""Newest inventory folders of which one must have its manifest."""
_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z")
_KEY = re.compile(r"metadata/PMC[1-9]\d*\.[1-9]\d*\.json")
_MD5 = re.compile(r"[0-9a-f]{32}")


class InventoryChecks(Checks):
    """Checks of the daily inventory."""

    advice = "Do not use `inventory`; enumerate with `input` or `query`."

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.root = f"inventory-reports/{bucket.name}/metadata/"

    @cached_property
    def days(self) -> list[str]:
        """The folders by date, oldest first."""
        listed = [entry.key for entry in self.bucket.list(self.root, "/") if entry.prefix]
        return sorted(key for key in listed if _FOLDER.fullmatch(key[len(self.root) :].rstrip("/")))

    def _newest(self) -> tuple[str, dict[str, Any]]:
        for folder in reversed(self.days[-LOOKED_AT:]):
            try:
                data = json.loads(self.bucket.get(f"{folder}manifest.json", kind="json").body)
            except NotFoundError:
                continue
            expect(isinstance(data, dict), f"{folder}manifest.json is a {type(data).__name__}")
            return folder, data
        raise AssertionError(f"no manifest.json in {some(self.days[-LOOKED_AT:]) or 'any folder'}")

    @property
    def manifest(self) -> dict[str, Any]:
        found = self._manifest
        if isinstance(found, str):
            raise SkippedError(f"no manifest: {found}")
        return found

    @cached_property
    def _manifest(self) -> dict[str, Any] | str:
        """The manifest, or why there is none; asked for once."""
        try:
            return self._newest()[1]
        except (AssertionError, PmcxError, ValueError) as error:
            return str(error)

    @assumes("inventory-folders", "a folder a day, one of the newest 3 with its manifest.json")
    def folders(self) -> str:
        expect(self.days, f"no folder like 2026-09-07T01-00Z below {self.root}")
        folder = self._newest()[0][len(self.root) :].rstrip("/")
        return f"{len(self.days)} folders; the newest manifest is of {folder}"

    @assumes(
        "inventory-manifest", "the manifest tells of CSV with Key and ETag, and the size and MD5 of shards"
    )
    def described(self) -> str:
        data = self.manifest
        missing = {"sourceBucket", "fileFormat", "fileSchema", "files"} - set(data)
        expect(not missing, f"no {', '.join(sorted(missing))}")
        expect(data["sourceBucket"] == self.bucket.name, f"of bucket {data['sourceBucket']}")
        expect(data["fileFormat"] == "CSV", f"in format {data['fileFormat']}")
        expect({"Key", "ETag"} <= set(self._columns()), f"columns {data['fileSchema']}")
        for file in data["files"]:
            complete = {"key", "size", "MD5checksum"} <= set(file) and _MD5.fullmatch(file["MD5checksum"])
            expect(complete, f"a shard described as {file}")
        expect(data["files"], "no shards")
        size = sum(file["size"] for file in data["files"])
        return f"{data['fileSchema']}; {len(data['files'])} shards, {size / 2**20:.1f} MiB"

    def _columns(self) -> list[str]:
        return [name.strip() for name in str(self.manifest.get("fileSchema", "")).split(",")]

    @assumes("inventory-shards", "the shards have the size that the manifest states")
    def shards(self) -> str:
        files = self.manifest.get("files") or []
        for file in files:
            entries = list(self.bucket.list(str(file["key"])))
            sizes = [entry.size for entry in entries if entry.key == file["key"]]
            expect(sizes == [file["size"]], f"{file['key']}: {sizes or 'not there'}, stated {file['size']}")
        return f"{len(files)} shards"

    @cached_property
    def head(self) -> str:
        """Whole lines from the beginning of the first shard."""
        files = self.manifest.get("files") or []
        if not files:
            raise SkippedError("the manifest names no shard")
        end = min(HEAD, int(files[0]["size"]))
        part = self.bucket.get(str(files[0]["key"]), byte_range=(0, end)).body
        text = zlib.decompressobj(wbits=31).decompress(part).decode("utf-8", "replace")
        return text[: text.rfind("\n") + 1]

    def _rows(self) -> list[list[str]]:
        rows = list(csv.reader(self.head.splitlines()))
        if not rows:
            raise SkippedError("the first shard has no rows")
        return rows

    @assumes("inventory-csv", "rows are quoted CSV without a header, with the columns of the manifest")
    def quoting(self) -> str:
        columns, rows = self._columns(), self._rows()
        first = self.head.partition("\n")[0].rstrip("\r")
        expect(rows[0] != columns, f"a header: {first}")
        wrong = [row for row in rows if len(row) != len(columns)]
        expect(not wrong, f"a row of {len(wrong[0]) if wrong else 0} fields for {len(columns)} columns")
        at = columns.index("Bucket") if "Bucket" in columns else -1
        expect(at < 0 or rows[0][at] == self.bucket.name, f"the first row is {first}")
        plain = [line for line in self.head.splitlines() if not line.startswith('"')]
        expect(not plain, f"not quoted: {some(plain)}")
        return f"{len(rows)} rows, such as {first}"

    def _keys(self) -> list[str]:
        columns = self._columns()
        expect("Key" in columns, f"no Key among {columns}")
        return [unquote_plus(row[columns.index("Key")]) for row in self._rows()]

    @assumes("inventory-scope", "the inventory lists metadata/<version>.json and nothing else")
    def scope(self) -> str:
        others = [key for key in self._keys() if not _KEY.fullmatch(key)]
        expect(not others, f"{some(others)}")
        return f"{len(self._keys())} rows, all of metadata"

    @assumes("inventory-etag", "its ETags are those of the objects")
    def etags(self) -> str:
        columns, rows = self._columns(), self._rows()
        expect("ETag" in columns, f"no ETag among {columns}")
        step = max(1, len(rows) // 6)
        same = different = 0
        for row, key in list(zip(rows, self._keys(), strict=True))[::step][:6]:
            stated = row[columns.index("ETag")].strip('"')
            found = [entry.etag for entry in self.bucket.list(key) if entry.key == key]
            same += found == [stated]
            different += found != [stated]
        # An article that changed since the inventory was made differs rightly.
        expect(same > different, f"{different} of {same + different} objects have another ETag, or are gone")
        return f"{same} of {same + different} the same"


class SearchChecks(Checks):
    """Checks of ESearch (https://www.ncbi.nlm.nih.gov/books/NBK25499/); ``base`` as in ``Search``."""

    advice = "Do not use `query`, `since` and `until`; enumerate with `input` or `inventory`."

    def __init__(
        self,
        client: Client,
        base: str,
        common: dict[str, str],
        since: datetime.date | None = None,
        until: datetime.date | None = None,
    ) -> None:
        self.client, self.base, self.common = client, base.rstrip("/"), common
        self.first = since or datetime.date(2026, 1, 1)
        self.last = until or self.first + datetime.timedelta(days=30)

    def _ask(self, term: str, **more: str) -> dict[str, Any]:
        query = {**self.common, "db": "pmc", "retmode": "json", "term": term, "retmax": "0", **more}
        answer = self.client.get(f"{self.base}/esearch.fcgi?{urlencode(query)}", kind="json")
        result = json.loads(answer.body, strict=False).get("esearchresult")
        expect(isinstance(result, dict), f"no esearchresult in {answer.body[:80]!r}")
        return dict(result)

    def _count(self, term: str) -> int:
        result = self._ask(term)
        count = str(result.get("count"))
        expect(count.isdigit(), f"{term}: no count, but {some(result)}")
        return int(count)

    @assumes("esearch-answer", "ESearch counts the open access articles and gives bare numbers as ids")
    def answers(self) -> str:
        result = self._ask("open_access[filter]", retmax="3")
        count, ids = str(result.get("count")), result.get("idlist") or []
        expect(count.isdigit() and int(count) > 0, f"count is {count}")
        expect(len(ids) == min(3, int(count)), f"{len(ids)} ids where 3 were asked for")
        expect(all(str(item).isdigit() for item in ids), f"ids {some(ids)}")
        return f"{int(count):,} articles, ids such as {ids[0]}"

    @assumes("esearch-filters", "every filter of licences finds articles")
    def filters(self) -> str:
        counts = {name: self._count(f"{name}[filter]") for name in FILTERS}
        empty = [name for name, count in counts.items() if not count]
        expect(not empty, f"nothing for {', '.join(empty)}")
        return ", ".join(f"{name.removesuffix('_license')} {count:,}" for name, count in counts.items())

    @assumes("esearch-dates", "the articles of a span of days are those of its two halves")
    def dates(self) -> str:
        middle = self.first + (self.last - self.first) // 2
        spans = [(self.first, self.last), (self.first, middle), (middle + datetime.timedelta(1), self.last)]
        whole, *halves = (
            self._count(f"open_access[filter] AND {a:%Y/%m/%d}:{b:%Y/%m/%d}[pmcrdat]") for a, b in spans
        )
        days = f"{self.first} to {self.last}"
        expect(whole > 0, f"no article of {days}")
        told = " + ".join(f"{count:,}" for count in halves)
        expect(sum(halves) == whole, f"{days}: {whole:,}, its halves {told}")
        return f"{days}: {whole:,} = {told}"

    @assumes("esearch-limit", "a query gives 9,999 ids at most")
    def limit(self) -> str:
        count = self._count("open_access[filter]")
        if count <= MOST:
            raise SkippedError(f"only {count:,} articles")
        result = self._ask("open_access[filter]", retstart=str(MOST), retmax="10")
        ids = result.get("idlist") or []
        expect(not ids, f"{len(ids)} ids beyond the first {MOST:,}")
        return f"{count:,} articles; beyond {MOST:,}: {result.get('ERROR') or 'no ids'}"

    @assumes("esearch-error", "a term that makes no sense is told in ERROR or errorlist")
    def errors(self) -> str:
        result = self._ask("nosuchword1x[nosuchfield]")
        told = result.get("ERROR") or result.get("errorlist")
        expect(told, f"no error, but {some(result)}")
        return str(told)[:100]
