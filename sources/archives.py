"""ZIP, MECA, tar and tar.gz archives as hostile input: listed and read in place, never unpacked to disk.

A member is reached only by its name in a listing of safe, regular members (no ``..``, no absolute path,
no link, no device), and sizes are limited both as the archive states them and as they are read.
"""

from __future__ import annotations

import gzip
import itertools
import os
import stat
import struct
import tarfile
import threading
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, cast

from ..core.errors import InputError
from .packages import Limits, Reader, guarded, open_file, safe_name

_CHUNK = 1 << 20
_HEADER_BYTES = 1 << 20
_BUFFER_BYTES = 64 << 20


class Archive(ABC):
    """A ZIP or tar file. ``names`` lists its safe regular members once :meth:`members` has run through;
    ``ignored`` counts members that were left out as unsafe or as links.

    Errors come as the library raises them: use inside :func:`guarded` (readers guard themselves).
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self.limits = limits
        self.names: list[str] = []
        self.ignored = 0

    @abstractmethod
    def members(self, keep: Callable[[str], bool]) -> Iterator[tuple[str, bytes | InputError]]:
        """The members whose name ``keep`` accepts, in one pass over the archive, in a stable order.

        A member that cannot be read comes as its error; an archive that cannot be read raises.
        """

    @abstractmethod
    def reader(self, wanted: Sequence[str]) -> Reader:
        """A reader of its own for these members (one entry for each expected read)."""


def open_archive(path: Path, limits: Limits) -> Archive:
    """The archive at ``path``, by its first bytes rather than its name."""
    with open_file(path) as file:
        head = file.read(512)
    if head.startswith(b"PK"):
        return ZipArchive(path, limits)
    if head.startswith(b"\x1f\x8b"):
        return TarArchive(path, limits, packed=True)
    if path.name.lower().endswith(".tar") and len(head) == 512:
        return TarArchive(path, limits, packed=False)
    if not head:
        raise InputError("the file is empty")
    raise InputError(f"not a ZIP, tar or tar.gz archive, begins {head[:24]!r}")


class ZipArchive(Archive):
    def members(self, keep: Callable[[str], bool]) -> Iterator[tuple[str, bytes | InputError]]:
        with closing(self._open()) as file:
            infos = self._infos(file)
            self.names = list(infos)
            for name in sorted(filter(keep, infos)):
                try:
                    with guarded(name):
                        data: bytes | InputError = read_zip_member(file, name, infos[name], self.limits)
                except InputError as error:
                    data = error
                yield name, data

    def reader(self, wanted: Sequence[str]) -> Reader:
        return _ZipReader(self)

    def _open(self) -> zipfile.ZipFile:
        raw = open_file(self.path)
        try:
            listing = _zip_directory_bytes(raw)
            if listing > 256 * self.limits.max_members:
                raise self.limits.refuse("max_members", f"has a directory of {listing} bytes")
            raw.seek(0)
            file = zipfile.ZipFile(raw)
        except BaseException:
            raw.close()
            raise
        return file

    def _infos(self, file: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
        infos, self.ignored = zip_members(file, self.limits, self.path.stat().st_size)
        return infos


def zip_members(file: zipfile.ZipFile, limits: Limits, packed: int) -> tuple[dict[str, zipfile.ZipInfo], int]:
    """The safe regular members of a ZIP of ``packed`` bytes, and how many others it has."""
    infos: dict[str, zipfile.ZipInfo] = {}
    ignored = 0
    for info in file.infolist():
        if info.is_dir() or info.filename.endswith("\\"):
            continue
        kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
        name = safe_name(info.filename)
        if name is None or kind not in (0, stat.S_IFREG) or name in infos:
            ignored += 1
            continue
        infos[name] = info
    limits.check_members(len(infos) + ignored)
    limits.check_total(sum(info.file_size for info in file.infolist()), packed)
    return infos, ignored


def read_zip_member(file: zipfile.ZipFile, name: str, info: zipfile.ZipInfo, limits: Limits) -> bytes:
    """A member's bytes, its checksum verified; raises as zipfile does, or InputError."""
    if info.flag_bits & 1:
        raise InputError("is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"is packed by ZIP method {info.compress_type}, which is not supported")
    limits.check_member(name, info.file_size)
    parts: list[bytes] = []
    # By pieces: one read of the whole would inflate all that the member holds, whatever it states.
    with file.open(info) as member:
        while piece := member.read(_CHUNK):
            parts.append(piece)
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    if len(data) != info.file_size:
        raise InputError(f"is truncated: {len(data)} of {info.file_size} bytes")
    return data


class _ZipReader(Reader):
    """Opens the archive at the first read, so that waiting documents hold no file open."""

    def __init__(self, archive: ZipArchive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._file: zipfile.ZipFile | None = None
        self._infos: dict[str, zipfile.ZipInfo] = {}

    def read(self, name: str) -> bytes:
        with guarded(name):
            with self._lock:
                if self._file is None:
                    self._file = self._archive._open()
                    self._infos = self._archive._infos(self._file)
                file, info = self._file, self._infos.get(name)
            if info is None:
                raise InputError("is no longer in the archive")
            return read_zip_member(file, name, info, self._archive.limits)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def _zip_directory_bytes(file: BinaryIO) -> int:
    """Length of the central directory (APPNOTE 4.3.16 and 4.3.14), which zipfile reads in one piece."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - (1 << 16) - 22 - 76))
    tail = file.read()
    at = len(tail) - 22
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or at + 22 > len(tail):
        raise InputError("has no directory at its end (truncated ZIP?)")
    (length,) = struct.unpack_from("<I", tail, at + 12)
    record = at - 76
    if record >= 0 and tail[record : record + 4] == b"PK\6\6" and tail[at - 20 : at - 16] == b"PK\6\7":
        (length,) = struct.unpack_from("<Q", tail, record + 40)
    return int(length)


class TarArchive(Archive):
    def __init__(self, path: Path, limits: Limits, packed: bool) -> None:
        super().__init__(path, limits)
        self.packed = packed
        self._places: dict[str, tuple[int, int]] = {}

    def members(self, keep: Callable[[str], bool]) -> Iterator[tuple[str, bytes | InputError]]:
        self._places = {}
        with closing(_TarStream(self.path, self.limits, self.packed)) as stream:
            for name, size in self._walk(stream):
                self._places[name] = (stream.tell(), size)
                if keep(name):
                    try:
                        with guarded(name):
                            self.limits.check_member(name, size)
                            data: bytes | InputError = stream.take(size)
                    except InputError as error:
                        data = error
                    yield name, data
            stream.finish()
        self.names = list(self._places)

    def reader(self, wanted: Sequence[str]) -> Reader:
        return _PackedTarReader(self, wanted) if self.packed else _TarReader(self)

    def _walk(self, stream: _TarStream) -> Iterator[tuple[str, int]]:
        """Name and size of each safe member, with the stream at the member's first byte."""
        self.ignored = 0
        seen: set[str] = set()
        with tarfile.TarFile(fileobj=cast(BinaryIO, stream), mode="r") as tar:
            for count in itertools.count(1):
                info = tar.next()
                if info is None:
                    return
                tar.members = []  # type: ignore[attr-defined]  # else it keeps every header
                self.limits.check_members(count)
                if info.size < 0:
                    raise InputError(f"damaged tar: member {info.name!r} has a negative size")
                if info.isdir():
                    continue
                name = safe_name(info.name)
                if name is None or name in seen or not info.isreg() or info.issparse():
                    self.ignored += 1
                    continue
                seen.add(name)
                stream.expect(info.size)
                yield name, info.size


class _TarStream:
    """What tarfile reads from: forward only, counted, and unwilling to read absurd headers.

    tarfile itself asks for headers only, and for as many bytes as a header says; a member's bytes are
    fetched with :meth:`take`.
    """

    def __init__(self, path: Path, limits: Limits, packed: bool) -> None:
        self._raw = open_file(path)
        self._stream: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw)) if packed else self._raw
        self._size = os.fstat(self._raw.fileno()).st_size
        self._limits = limits
        self._packed = packed
        self._position = 0
        self._stated = 0
        self._last = b""

    def expect(self, size: int) -> None:
        """Count a member by its stated size."""
        self._stated += size
        self._limits.check_total(self._stated, self._size)

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _HEADER_BYTES:
            raise InputError(f"damaged tar: a header of {size} bytes")
        self._last = self._read(size)
        return self._last

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        parts: list[bytes] = []
        missing = size
        while missing:
            piece = self._read(min(missing, _CHUNK))
            if not piece:
                raise InputError(f"is truncated: {size - missing} of {size} bytes")
            parts.append(piece)
            missing -= len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise InputError("damaged tar: a member that points backwards")
        if self._packed:
            while self._position < position and self._read(min(_CHUNK, position - self._position)):
                pass
        else:
            self._position = self._raw.seek(position)
        return self._position

    def finish(self) -> None:
        """Check that the archive was complete: its end marker, and the checksum of a gzip stream."""
        if len(self._last) != 512 and (self._last or not self._packed):
            raise InputError("has no end marker (truncated tar?)")
        if self._last.strip(b"\0"):
            raise InputError("damaged tar: no valid header where one is due")
        while self._packed and self._read(_CHUNK):
            pass

    def close(self) -> None:
        self._stream.close()
        self._raw.close()

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._position += len(data)
        if self._packed:
            self._limits.check_total(self._position, self._raw.tell())
        return data


class _TarReader(Reader):
    """Reads members of an unpacked tar at their places."""

    def __init__(self, archive: TarArchive) -> None:
        self._archive = archive

    def read(self, name: str) -> bytes:
        with guarded(name):
            at, size = self._archive._places[name]
            self._archive.limits.check_member(name, size)
            with closing(_TarStream(self._archive.path, self._archive.limits, packed=False)) as stream:
                stream.seek(at)
                return stream.take(size)


class _PackedTarReader(Reader):
    """Reads members of a tar.gz in as few passes as fit into memory: the first read collects the other
    wanted members on its way, up to 64 MiB; later reads mostly find theirs waiting."""

    def __init__(self, archive: TarArchive, wanted: Sequence[str]) -> None:
        self._archive = archive
        self._due = Counter(wanted)
        self._held: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes:
        with self._lock, guarded(name):
            if name not in self._held:
                self._collect(name)
            self._due[name] -= 1
            return self._held[name] if self._due[name] > 0 else self._held.pop(name)

    def close(self) -> None:
        with self._lock:
            self._held.clear()

    def _collect(self, name: str) -> None:
        limits = self._archive.limits
        room = _BUFFER_BYTES - sum(map(len, self._held.values()))
        ahead = {other for other, due in self._due.items() if due > 0} - set(self._held) - {name}
        with closing(_TarStream(self._archive.path, limits, packed=True)) as stream:
            for member, size in self._archive._walk(stream):
                if member == name:
                    limits.check_member(member, size)
                    self._held[name] = stream.take(size)
                elif member in ahead and size <= room:
                    self._held[member] = stream.take(size)
                    room -= size
                    ahead.discard(member)
                if name in self._held and not ahead:
                    return
        if name not in self._held:
            raise InputError("is no longer in the archive")
