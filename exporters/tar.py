"""Tar archives for WebDataset: a writer whose bytes depend on the members alone, and an index reader.

POSIX ustar, with a PAX extended header where a name does not fit (more than 100 bytes, or not ASCII).
Every member has mode 0644, owner 0, empty owner names and time 0. Format: POSIX.1-2017, ``pax``,
"ustar Interchange Format".
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..core.errors import InputError
from ..core.files import HashingFile
from ..core.records import FileInfo

BLOCK = 512
RECORD = 20 * BLOCK
MAX_MEMBER = 8 << 30
"""What the eleven octal digits of a ustar size field can hold."""

# mode, uid, gid before the size; mtime after it; the checksum counts its own field as eight blanks
_BEFORE_SIZE = b"0000644\0" + b"0000000\0" * 2
_AFTER_SIZE = b"00000000000\0"
_TAIL = b"\0" * 100 + b"ustar\0" + b"00" + b"\0" * 64 + b"0000000\0" * 2 + b"\0" * 167
_FIXED_SUM = sum(_BEFORE_SIZE) + sum(_AFTER_SIZE) + 8 * 0x20 + sum(_TAIL)
_PADDING = [b"\0" * (-rest % BLOCK) for rest in range(BLOCK)]

_SPLIT = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)")


class Entry(NamedTuple):
    """One regular file of an archive: its data is ``size`` bytes at ``offset`` of the tar."""

    name: str
    offset: int
    size: int

    @property
    def key(self) -> str:
        """The WebDataset key: the name up to the first dot of its last part."""
        return _split(self.name)[0]

    @property
    def suffix(self) -> str:
        """The WebDataset field: what follows the first dot."""
        return _split(self.name)[1]


def _split(name: str) -> tuple[str, str]:
    match = _SPLIT.fullmatch(name)
    return (match[1], match[2]) if match else (name, "")


def header(name: str, size: int) -> bytes:
    """The header block of a member, preceded by a PAX header where the name needs one."""
    if not 0 <= size < MAX_MEMBER:
        raise ValueError(f"tar member {name!r} has {size} bytes; the limit is {MAX_MEMBER - 1}")
    if name.isascii() and 0 < len(name) <= 100 and "\0" not in name:
        return _ustar(name.encode("ascii"), size, b"0")
    raw = name.encode()
    if not raw or b"\0" in raw:
        raise ValueError(f"{name!r} cannot name a tar member")
    record = _pax_record("path", raw)
    short = name.encode("ascii", "replace")[:100]
    return (
        _ustar(b"PaxHeaders/" + short[:89], len(record), b"x")
        + record
        + _PADDING[len(record) % BLOCK]
        + _ustar(short, size, b"0")
    )


def _ustar(name: bytes, size: int, kind: bytes) -> bytes:
    digits = b"%011o\0" % size
    checksum = _FIXED_SUM + sum(name) + sum(digits) + kind[0]
    return b"".join(
        (name.ljust(100, b"\0"), _BEFORE_SIZE, digits, _AFTER_SIZE, b"%06o\0 " % checksum, kind, _TAIL)
    )


def _pax_record(keyword: str, value: bytes) -> bytes:
    """``<length> <keyword>=<value>\\n``, where the length counts its own digits."""
    body = b" %s=%s\n" % (keyword.encode(), value)
    length = len(body)
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body


class TarWriter:
    """Appends members to a new archive; raises OutputError where the disk refuses."""

    def __init__(self, path: Path) -> None:
        self._file = HashingFile(path)

    def add(self, name: str, data: bytes) -> int:
        """Append one member; answers the bytes it takes up in the archive."""
        write = self._file.write
        return write(header(name, len(data))) + write(data) + write(_PADDING[len(data) % BLOCK])

    def finish(self, rows: int) -> FileInfo:
        """Write the end of the archive and make it durable."""
        size = self._file.tell() + 2 * BLOCK
        self._file.write(b"\0" * (2 * BLOCK + -size % RECORD))
        return self._file.finish(rows)

    def close(self) -> None:
        """Give the archive up, or nothing after :meth:`finish`."""
        self._file.close()


def tar_index(path: Path) -> Iterator[Entry]:
    """The regular files of an archive in order, read from the headers alone by seeking.

    Reads ustar, PAX and GNU names, whoever wrote them. InputError where the archive is damaged or cut
    short, also where it lacks the end mark. Nothing is decompressed, decoded or unpickled.
    """
    with path.open("rb", buffering=0) as file:
        yield from _index(file, path)


def _index(file: BinaryIO, path: Path) -> Iterator[Entry]:
    length = file.seek(0, 2)
    position, long_name, long_size = 0, "", -1
    while True:
        file.seek(position)
        block = file.read(BLOCK)
        if len(block) == BLOCK and not any(block):
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            what = "ends without its end mark" if not block else f"is damaged at byte {position}: {error}"
            raise InputError(f"{path} {what}; it was not written to the end, or changed since") from None
        position += BLOCK
        extended = info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
        size = info.size if extended or long_size < 0 else long_size
        if not 0 <= size <= length - position:
            raise InputError(
                f"{path} is cut short: {info.name!r} has {size} bytes, {length - position} are left"
            )
        if info.type == tarfile.GNUTYPE_LONGNAME:
            long_name = file.read(size).rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            records = _pax_records(file.read(size), path)
            long_name = records.get(b"path", b"").decode("utf-8", "surrogateescape")
            long_size = int(records[b"size"]) if records.get(b"size", b"").isdigit() else -1
        elif not extended:
            if info.isreg():
                yield Entry(long_name or info.name, position, size)
            long_name, long_size = "", -1
        position += size + -size % BLOCK


def _pax_records(data: bytes, path: Path) -> dict[bytes, bytes]:
    records = {}
    while data:
        digits, _, _ = data.partition(b" ")
        if not digits.isdigit() or not len(digits) < int(digits) <= len(data):
            raise InputError(f"{path} has a damaged PAX header")
        keyword, _, value = data[len(digits) + 1 : int(digits) - 1].partition(b"=")
        records[keyword] = value
        data = data[int(digits) :]
    return records


def read_samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The samples of a WebDataset shard in order: key, and bytes by field; one sample in memory.

    A sample is a run of members with one key, as in every reader. InputError where a field comes twice.
    """
    key, fields = "", dict[str, bytes]()
    with path.open("rb") as data:
        for entry in tar_index(path):
            if entry.key != key and fields:
                yield key, fields
                fields = {}
            key = entry.key
            if entry.suffix in fields:
                raise InputError(f"{path}: sample {key!r} has two members .{entry.suffix}")
            data.seek(entry.offset)
            fields[entry.suffix] = data.read(entry.size)
    if fields:
        yield key, fields
