"""Whether what a server sent is the object that was asked for: size, checksum, kind, encoding."""

from __future__ import annotations

import hashlib
import re
import zlib
from typing import Literal

Kind = Literal["any", "xml", "json", "image", "zip"]

_ZIP_TAIL = 22 + 0xFFFF
"""The end record of a ZIP archive and its comment, at most (APPNOTE 4.3.16)."""
_PROLOG = re.compile(
    rb"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE(?:[^\[>\"']|\"[^\"]*\"|'[^']*')*(?:\[.*?\]\s*)?>", re.DOTALL
)
"""One thing that may stand before the first element (XML 1.0, 2.8)."""
_START = re.compile(rb"<([^\s<>/!?&][^\s<>/]*)")

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)


def mismatch(data: bytes, md5: str, size: int | None) -> str:
    """How the bytes differ from what was promised; "" where they do not."""
    if size is not None and len(data) != size:
        return f"{len(data)} bytes where {size} were promised"
    if md5 and hashlib.md5(data, usedforsecurity=False).hexdigest() != md5.lower():
        return "its md5 differs from the one promised"
    return ""


def wrong_kind(data: bytes, kind: Kind) -> str:
    """Why the bytes are no complete object of the kind; "" where they seem to be."""
    if kind == "any":
        return ""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return f"an HTML page where {kind} was expected"
    if kind == "xml":
        return _xml_problem(data)
    if kind == "json":
        return _json_problem(data)
    if kind == "zip" and not (head.startswith(b"pk") and b"PK\5\6" in data[-_ZIP_TAIL:]):
        return "no complete ZIP archive"
    if kind == "image" and not data:
        return "an empty file where an image was expected"
    return ""


def _xml_problem(data: bytes) -> str:
    """XML that begins with an element and ends with its end; what is between is the parser's business."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.lstrip().startswith(b"<"):
        return "no XML"
    place = 0
    while found := _PROLOG.match(data, place):
        place = found.end()
    root = _START.match(data, place)
    if root is None:
        return "XML without an element (cut off?)"
    if root[1].rpartition(b":")[2].lower() == b"html":
        return "an HTML page where xml was expected"
    end = _before_trailer(data)
    closing = re.compile(rb"</" + re.escape(root[1]) + rb"\s*>\Z")
    if closing.search(data, max(place, end - len(root[1]) - 64), end):
        return ""
    if data.endswith(b"/>", place, end) and data.rfind(b"<", place, end) == place:
        return ""
    return f"XML that ends before </{root[1].decode('utf-8', 'replace')[:40]}>"


def _before_trailer(data: bytes) -> int:
    """Where the first element ends: before the comments, instructions and space that may follow it."""
    end = len(data)
    while True:
        while end and data[end - 1 : end].isspace():
            end -= 1
        if data.endswith(b"-->", 0, end):
            begin = data.rfind(b"<!--", 0, end)
        elif data.endswith(b"?>", 0, end):
            begin = data.rfind(b"<?", 0, end)
        else:
            return end
        if begin < 0:
            return end
        end = begin


def _json_problem(data: bytes) -> str:
    import msgspec

    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"no complete JSON ({error})"
    except RecursionError:
        return "JSON that is nested too deeply"
    return ""


def part_end(content_range: str, first: int, stop: int | None, total: int | None) -> int | None:
    """Where a partial answer ends (exclusive); None where it is not the one from ``first`` to ``stop``.

    ``stop`` None asks for all the rest; ``total`` is the size that the object was said to have before.
    """
    found = _CONTENT_RANGE.fullmatch(content_range.strip())
    if found is None:
        return None
    begin, end = int(found[1]), int(found[2]) + 1
    size = total if found[3] == "*" else int(found[3])
    if total is not None and size != total:
        return None
    wanted = size if stop is None else stop if size is None else min(stop, size)
    return end if begin == first and wanted in (None, end) else None


def decoded(data: bytes, encoding: str, limit: int) -> bytes:
    """The bytes behind a ``Content-Encoding`` of gzip or deflate (RFC 9110, 8.4.1).

    Raises ValueError for any other encoding, for damage, and for more than ``limit`` bytes.
    """
    name = encoding.strip().lower()
    if name not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"sent with Content-Encoding {encoding[:40]!r}, which nobody asked for")
    try:
        # Some servers send deflate without the zlib wrapper that the standard asks for.
        bare = name == "deflate" and (data[:1] or b"x")[0] & 0x0F != 8
        return _inflate(data, -zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32, limit)
    except zlib.error as error:
        raise ValueError(f"a damaged {name} encoding ({error})") from error


def _inflate(data: bytes, wbits: int, limit: int) -> bytes:
    parts: list[bytes] = []
    room = limit
    while data:
        engine = zlib.decompressobj(wbits)
        part = engine.decompress(data, room + 1)
        parts.append(part)
        room -= len(part)
        if room < 0:
            raise ValueError(f"more than {limit} bytes once decoded (limit max_bytes)")
        if not engine.eof:
            raise ValueError("an encoding that is cut off")
        data = engine.unused_data
    return b"".join(parts)
