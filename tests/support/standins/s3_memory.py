"""Amazon S3 in memory: ListObjectsV2, GetObject and HeadObject as the real service answers them.

Follows the Amazon S3 API reference and moto, against which ``tests/net/test_standins.py`` compares it.
Objects are immutable values, so that readers need no lock.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from .http import Reply, Request

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XML = {"Content-Type": "application/xml"}
CONTENT_TYPES = {
    "xml": "application/xml", "json": "application/json", "jpg": "image/jpeg", "txt": "text/plain",
    "gif": "image/gif", "png": "image/png", "tif": "image/tiff", "pdf": "application/pdf",
}  # fmt: skip
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class StoredObject:
    """One object; ``modified`` is ISO 8601 in UTC, ``etag`` without quotes."""

    data: bytes
    etag: str
    modified: str

    @property
    def http_date(self) -> str:
        return format_datetime(_moment(self.modified), usegmt=True)


class _Bucket:
    def __init__(self) -> None:
        self.objects: dict[str, StoredObject] = {}
        self.keys: list[str] = []
        """Sorted: code points order as S3's UTF-8 bytes do."""


def make_etag(data: bytes, parts: int = 1) -> str:
    """The MD5 of the object, or for a multipart upload the MD5 of the parts' MD5s and their number."""
    if parts == 1:
        return hashlib.md5(data).hexdigest()
    size = -(-len(data) // parts)
    digests = b"".join(hashlib.md5(data[n * size : (n + 1) * size]).digest() for n in range(parts))
    return f"{hashlib.md5(digests).hexdigest()}-{parts}"


def error(status: int, code: str, message: str, **more: str) -> Reply:
    """An S3 error document."""
    extra = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in more.items())
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message>{extra}<RequestId>STANDIN</RequestId></Error>"
    )
    return Reply(status, body.encode(), XML)


class MemoryEngine:
    """Buckets and objects, and what S3 answers to a read."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def put(self, bucket: str, key: str, data: bytes, modified: str, parts: int) -> None:
        stored = StoredObject(bytes(data), make_etag(data, parts), modified)
        with self._lock:
            store = self._buckets.setdefault(bucket, _Bucket())
            if key not in store.objects:
                insort(store.keys, key)
            store.objects[key] = stored

    def delete(self, bucket: str, key: str) -> None:
        with self._lock:
            store = self._buckets[bucket]
            if store.objects.pop(key, None) is not None:
                del store.keys[bisect_left(store.keys, key)]

    def create(self, bucket: str) -> None:
        with self._lock:
            self._buckets.setdefault(bucket, _Bucket())

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        with self._lock:
            return [key for key in self._buckets[bucket].keys if key.startswith(prefix)]

    def answer(self, request: Request) -> Reply:
        bucket, _, key = request.path.lstrip("/").partition("/")
        store = self._buckets.get(unquote(bucket))
        if store is None:
            return error(
                404, "NoSuchBucket", "The specified bucket does not exist", BucketName=unquote(bucket)
            )
        if request.method not in ("GET", "HEAD"):
            return error(405, "MethodNotAllowed", "The specified method is not allowed")
        if not key:
            with self._lock:
                return _list(unquote(bucket), store, request.parameters())
        return _get(store.objects.get(unquote(key)), unquote(key), request)


# -- objects --------------------------------------------------------------------------------------


def _get(stored: StoredObject | None, key: str, request: Request) -> Reply:
    if stored is None:
        return error(404, "NoSuchKey", "The specified key does not exist.", Key=key)
    headers = {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": stored.http_date,
        "Accept-Ranges": "bytes",
        "Content-Type": CONTENT_TYPES.get(key.rpartition(".")[2].lower(), "binary/octet-stream"),
    }
    refused = _precondition(stored, request, headers)
    if refused is not None:
        return refused
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or asked.group() == "bytes=-":
        return Reply(200, stored.data, headers)
    span = _span(asked, len(stored.data))
    if span is None:
        return error(
            416, "InvalidRange", "The requested range is not satisfiable",
            RangeRequested=asked.group(), ActualObjectSize=str(len(stored.data)),
        )  # fmt: skip
    start, stop = span
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(stored.data)}"
    return Reply(206, stored.data[start:stop], headers)


def _span(asked: re.Match[str], size: int) -> tuple[int, int] | None:
    """Half-open byte span of a Range header (RFC 9110), None where it cannot be satisfied."""
    first, last = asked.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else None
    start, stop = int(first), min(int(last) + 1, size) if last else size
    return (start, stop) if start < size and start < stop else None


def _precondition(stored: StoredObject, request: Request, headers: dict[str, str]) -> Reply | None:
    """412 or 304 where If-Match, If-None-Match or If-Modified-Since say so."""
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    since = request.headers.get("if-modified-since")
    if match is not None and not _names(match, stored.etag):
        failed = "At least one of the pre-conditions you specified did not hold"
        return error(412, "PreconditionFailed", failed, Condition="If-Match")
    unchanged = none_match is not None and _names(none_match, stored.etag)
    if none_match is None and since is not None:
        unchanged = _moment(stored.modified) <= parsedate_to_datetime(since)
    return (
        Reply(304, b"", {"ETag": headers["ETag"], "Last-Modified": stored.http_date}) if unchanged else None
    )


def _names(condition: str, etag: str) -> bool:
    return condition.strip() == "*" or etag in [each.strip().strip('"') for each in condition.split(",")]


def _moment(iso: str) -> datetime:
    moment = datetime.fromisoformat(iso.replace("Z", "+00:00"))
    return (
        moment.replace(microsecond=0) if moment.tzinfo else moment.replace(microsecond=0, tzinfo=timezone.utc)
    )


# -- listings -------------------------------------------------------------------------------------


def _list(bucket: str, store: _Bucket, asked: dict[str, str]) -> Reply:
    """ListObjectsV2."""
    if asked.get("list-type") != "2":
        return error(501, "NotImplemented", "This stand-in lists with list-type=2 only")
    if asked.get("max-keys", "1000").isdigit() is False:
        return error(
            400, "InvalidArgument", "Provided max-keys not an integer or within integer range",
            ArgumentName="max-keys", ArgumentValue=asked["max-keys"],
        )  # fmt: skip
    prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
    token = asked.get("continuation-token", "")
    after = _open_token(token) if token else asked.get("start-after", "")
    if token and after is None:
        return error(
            400, "InvalidArgument", "The continuation token provided is incorrect",
            ArgumentName="continuation-token",
        )  # fmt: skip
    limit = min(int(asked.get("max-keys", "1000")), 1000)
    entries: list[tuple[str, bool]] = []
    more = False
    for entry in _entries(store.keys, prefix, delimiter, after or ""):
        if len(entries) == limit:
            more = limit > 0
            break
        entries.append(entry)
    return Reply(200, _listing(bucket, store, asked, entries, more, limit).encode(), XML)


def _entries(keys: Sequence[str], prefix: str, delimiter: str, after: str) -> Iterator[tuple[str, bool]]:
    """Keys, and common prefixes (True), after ``after``; a common prefix is skipped over in one step."""
    at = bisect_left(keys, prefix)
    if after >= prefix:
        at = bisect_left(keys, _past(keys, after, prefix, delimiter))
    while at < len(keys) and keys[at].startswith(prefix):
        cut = keys[at].find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            yield keys[at], False
            at += 1
            continue
        common = keys[at][: cut + len(delimiter)]
        yield common, True
        at = bisect_left(keys, common[:-1] + chr(ord(common[-1]) + 1), at)


def _past(keys: Sequence[str], after: str, prefix: str, delimiter: str) -> str:
    """The lower bound of what comes after a key or common prefix."""
    if delimiter and len(after) > len(prefix) and after.endswith(delimiter):
        return after[:-1] + chr(ord(after[-1]) + 1)
    return after + "\0"


def _listing(
    bucket: str,
    store: _Bucket,
    asked: dict[str, str],
    entries: Sequence[tuple[str, bool]],
    more: bool,
    limit: int,
) -> str:
    encoded = asked.get("encoding-type") == "url"

    def text(value: str) -> str:
        return quote(value, safe="/") if encoded else escape(value)

    parts = [
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{NAMESPACE}">',
        f"<Name>{escape(bucket)}</Name><Prefix>{text(asked.get('prefix', ''))}</Prefix>",
        f"<MaxKeys>{limit}</MaxKeys>",
    ]
    for name, tag in (("delimiter", "Delimiter"), ("start-after", "StartAfter")):
        if asked.get(name):
            parts.append(f"<{tag}>{text(asked[name])}</{tag}>")
    if encoded:
        parts.append("<EncodingType>url</EncodingType>")
    parts.append(
        f"<KeyCount>{len(entries)}</KeyCount><IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    )
    if asked.get("continuation-token"):
        parts.append(f"<ContinuationToken>{escape(asked['continuation-token'])}</ContinuationToken>")
    if more:
        parts.append(f"<NextContinuationToken>{_token(entries[-1][0])}</NextContinuationToken>")
    for key, common in sorted(entries, key=lambda entry: entry[1]):
        if common:
            parts.append(f"<CommonPrefixes><Prefix>{text(key)}</Prefix></CommonPrefixes>")
            continue
        stored = store.objects[key]
        parts.append(
            f"<Contents><Key>{text(key)}</Key><LastModified>{_s3_date(stored.modified)}</LastModified>"
            f"<ETag>&quot;{stored.etag}&quot;</ETag><Size>{len(stored.data)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )
    return "".join(parts) + "</ListBucketResult>"


def _s3_date(iso: str) -> str:
    return _moment(iso).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(f"after:{key}".encode()).decode()


def _open_token(token: str) -> str | None:
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        return None
    return text.removeprefix("after:") if text.startswith("after:") else None
