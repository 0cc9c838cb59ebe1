"""The daily inventory of the bucket: which article versions there are, and the ETag of each.

Format: Amazon S3 Inventory, CSV (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html).
The objects listed are ``metadata/PMC<n>.<v>.json``; as these hold the md5 of every file of a version, a
changed ETag is a complete sign of change.
"""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import logging
import re
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import msgspec

from ...core.errors import InputError, UsageError
from ...core.net.client import NotFoundError
from ...core.net.s3 import Bucket

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

_FOLDER = re.compile(r"(\d{4}-\d{2}-\d{2})T\d{2}-\d{2}Z/$")
_KEY = re.compile(r"metadata/PMC([1-9]\d{0,14})\.([1-9]\d{0,4})\.json")
_TRIED = 3
"""Folders looked into: the newest may not be complete yet."""
_BLOCK = 2**20
_LONGEST_ROW = 64 * 2**10
"""Characters; S3 allows keys of 1,024 bytes, and the other fields are short."""
_EXPANSION = 100
"""How many times as large as its packed bytes the text of a shard may be: checksums do not pack."""


@dataclass(frozen=True)
class Version:
    """One version of an article, and the ETag of its metadata."""

    number: int
    version: int
    etag: str = ""

    def __str__(self) -> str:
        return f"PMC{self.number}.{self.version}"


class _Shard(msgspec.Struct, frozen=True):
    key: str
    md5: str = msgspec.field(default="", name="MD5checksum")
    size: int | None = None


class Manifest(msgspec.Struct, frozen=True):
    """``manifest.json`` of one inventory."""

    schema: str = msgspec.field(name="fileSchema")
    format: str = msgspec.field(name="fileFormat")
    bucket: str = msgspec.field(name="sourceBucket")
    files: list[_Shard]

    def columns(self) -> list[str]:
        return [name.strip() for name in self.schema.split(",")]


class Table:
    """All versions of an inventory, some 25 bytes each: there are more than ten million."""

    def __init__(self) -> None:
        self._numbers, self._versions = array("Q"), array("I")
        self._digests = bytearray()
        self._odd: dict[tuple[int, int], str] = {}
        self._order: NDArray[np.intp] | None = None
        self._sorted: NDArray[np.uint64] | None = None
        self.outdated = ""
        """Why articles that are there may be missing: the inventory is not the newest one."""

    def add(self, number: int, version: int, etag: str) -> None:
        """Note one version; an ETag that is no md5 (multipart objects) is kept as text."""
        self._numbers.append(number)
        self._versions.append(version)
        try:
            digest = bytes.fromhex(etag)
        except ValueError:
            digest = b""
        if len(digest) != 16:
            self._odd[number, version] = etag
            digest = bytes(16)
        self._digests += digest

    def sort(self) -> None:
        """Order by number and version, for :meth:`of` and iteration."""
        import numpy as np

        numbers = np.frombuffer(self._numbers, np.uint64) if self._numbers else np.zeros(0, np.uint64)
        versions = np.frombuffer(self._versions, np.uint32) if self._versions else np.zeros(0, np.uint32)
        self._order = np.lexsort((versions, numbers))
        self._sorted = numbers[self._order]

    def __len__(self) -> int:
        return len(self._numbers)

    def of(self, number: int) -> list[Version]:
        """The versions of an article, ascending; empty where it is not listed."""
        assert self._order is not None and self._sorted is not None, "sort the table first"
        low, high = (int(self._sorted.searchsorted(number, side)) for side in ("left", "right"))
        return [self._at(int(place)) for place in self._order[low:high]]

    def articles(self) -> Iterator[list[Version]]:
        """The versions of every article, by ascending number."""
        assert self._order is not None, "sort the table first"
        group: list[Version] = []
        for place in self._order:
            version = self._at(int(place))
            if group and group[0].number != version.number:
                yield group
                group = []
            group.append(version)
        if group:
            yield group

    def _at(self, place: int) -> Version:
        number, version = self._numbers[place], self._versions[place]
        etag = self._odd.get((number, version))
        if etag is None:
            etag = self._digests[16 * place : 16 * place + 16].hex()
        return Version(number, version, etag)


def read_inventory(bucket: Bucket, day: datetime.date | None = None) -> Table:
    """The newest inventory that is complete, or that of a day (UTC).

    Raises UsageError where there is none, InputError where it is not what its manifest says or is of
    another bucket, and TransientError where a shard does not arrive with its checksum.
    """
    root = f"inventory-reports/{bucket.name}/metadata/"
    folder, manifest, newest = _find(bucket, root, day)
    table = Table()
    foreign = 0
    for shard in manifest.files:
        data = bucket.get(shard.key, md5=shard.md5, size=shard.size).body
        for key, etag, of in _rows(data, manifest.columns(), shard.key):
            match = _KEY.fullmatch(key)
            if match is not None and of in ("", bucket.name):
                table.add(int(match[1]), int(match[2]), etag)
            elif match is not None:
                foreign += 1
    if foreign:
        log.warning("inventory %s: %d rows are of another bucket, and left out", folder, foreign)
    if not len(table):
        raise InputError(f"{folder}manifest.json: the inventory lists no article")
    log.info("inventory %s: %d article versions in %d shards", folder, len(table), len(manifest.files))
    if folder != newest:
        table.outdated = f"the inventory {_stamp(folder)} is not the newest ({_stamp(newest)})"
        log.log(
            logging.INFO if day else logging.WARNING,
            "%s: what came or went since is not seen",
            table.outdated,
        )
    table.sort()
    return table


def _find(bucket: Bucket, root: str, day: datetime.date | None) -> tuple[str, Manifest, str]:
    """The newest folder with a usable manifest (of a day), the manifest, and the newest folder of all."""
    dated = sorted(
        (match[1], entry.key)
        for entry in bucket.list(root, delimiter="/")
        if entry.prefix and (match := _FOLDER.search(entry.key))
    )
    folders = [key for date, key in dated if day is None or date == day.isoformat()]
    unusable: InputError | None = None
    for folder in reversed(folders[-_TRIED:]):
        try:
            return folder, _manifest(bucket, folder), dated[-1][1]
        except NotFoundError:
            log.info("%s has no manifest yet, trying the one before", folder)
        except InputError as error:
            log.warning("an inventory cannot be used: %s", error)
            unusable = unusable or error
    if unusable is not None:
        raise unusable
    days = f"{dated[0][0]} to {dated[-1][0]}" if dated else "of no day"
    asked = f"of {day}" if day else f"with a manifest among the newest {_TRIED}"
    raise UsageError(f"no inventory {asked} in {bucket.base}/{root}; there are inventories {days}")


def _manifest(bucket: Bucket, folder: str) -> Manifest:
    """The manifest of a folder; InputError for one that is not of a usable inventory of this bucket."""
    key = f"{folder}manifest.json"
    data = bucket.get(key, kind="json").body
    try:
        manifest = msgspec.json.decode(data, type=Manifest, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{key}: not an inventory manifest: {error}") from error
    if manifest.format.upper() != "CSV" or not {"Key", "ETag"} <= set(manifest.columns()):
        raise InputError(
            f"{key}: the inventory is {manifest.format} with {manifest.schema!r}; "
            "a CSV with Key and ETag is needed"
        )
    if manifest.bucket != bucket.name:
        raise InputError(f"{key}: the inventory is of the bucket {manifest.bucket!r}, not of {bucket.name!r}")
    return manifest


def _stamp(folder: str) -> str:
    return folder.rstrip("/").rpartition("/")[2]


def _rows(data: bytes, columns: list[str], key: str) -> Iterator[tuple[str, str, str]]:
    """(key, ETag, bucket) of the rows of one shard; the bucket is empty where no column tells it."""
    key_at, etag_at = columns.index("Key"), columns.index("ETag")
    bucket_at = columns.index("Bucket") if "Bucket" in columns else None
    try:
        for row in csv.reader(_lines(data, key)):
            if len(row) != len(columns):
                raise InputError(f"{key}: a row with {len(row)} of {len(columns)} fields")
            # S3 percent-encodes the keys of inventories.
            bucket = "" if bucket_at is None else row[bucket_at]
            yield unquote_plus(row[key_at]), row[etag_at].strip('"'), bucket
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{key}: broken inventory shard: {error}") from error


def _lines(data: bytes, key: str) -> Iterator[str]:
    """The lines of a gzipped text; InputError where it unpacks to something that no shard is like."""
    most = len(data) * _EXPANSION + _BLOCK
    total, rest = 0, ""
    with gzip.open(io.BytesIO(data), "rt", encoding="utf-8", newline="") as text:
        while block := text.read(_BLOCK):
            total += len(block)
            *lines, rest = (rest + block).split("\n")
            if len(rest) > _LONGEST_ROW or total > most:
                raise InputError(
                    f"{key}: no inventory shard: too long a row, or more text than packed rows hold"
                )
            yield from lines
    if rest:
        yield rest
