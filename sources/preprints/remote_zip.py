"""ZIP archives read where they lie: the directory and single members by HTTP range.

Format: APPNOTE 6.3 (directory at the end, ZIP64). Nothing but what is asked for crosses the network, and
nothing is taken for read before its checksum held.
"""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from ...core.errors import InputError
from ...core.net.client import NotFoundError, RefusedError
from ..archives import read_zip_member, zip_members
from ..packages import Limits, guarded

TAIL_BYTES = 8 << 10
"""First read from the end: holds the directory of most archives, with manifest and transfer details."""
WHOLE_BYTES = 64 << 10
"""Archives up to this size are fetched in one piece: no more bytes than their parts, and one request."""
_SAME_BYTES = 3
_TRIED_BYTES = 64 << 20
_HEADER = 30 + 2 * 0xFFFF + 24
"""Local header with its longest name and extra field, and a data descriptor."""

T = TypeVar("T")
Check = Callable[[bytes], str]


class Fetch(Protocol):
    """Reads the half-open range of an object; ``fresh`` goes past the cache."""

    def __call__(self, start: int, stop: int, check: Check, fresh: bool) -> bytes: ...


class _MissingError(Exception):
    """A part of the archive that was not fetched yet is needed."""

    def __init__(self, start: int, stop: int) -> None:
        super().__init__(f"bytes {start}-{stop} were not fetched")
        self.start, self.stop = start, stop


class SparseFile(io.RawIOBase):
    """A seekable file of ``size`` bytes of which some pieces are there; reading elsewhere raises."""

    def __init__(self, size: int, pieces: dict[int, bytes]) -> None:
        self._size, self._pieces, self._at = size, pieces, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(22, "seek before the beginning")
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._size if size is None or size < 0 else min(self._at + size, self._size)
        if stop <= self._at:
            return b""
        for start, piece in self._pieces.items():
            if start <= self._at and stop <= start + len(piece):
                data = piece[self._at - start : stop - start]
                self._at = stop
                return data
        raise _MissingError(self._at, stop)


class _Trial(Generic[T]):
    """Unpacks what arrives, so that bytes garbled on the way are fetched again.

    The same unusable bytes three times over are the archive's own: then they are taken as they are.
    """

    def __init__(self, unpack: Callable[[bytes], T], test: Callable[[T], None] | None = None) -> None:
        self._unpack, self._test = unpack, test
        self._seen: Counter[bytes] = Counter()
        self._good: tuple[bytes, T] | None = None

    def problem(self, data: bytes) -> str:
        try:
            value = self._unpack(data)
            self._good = (data, value)
            if self._test is not None:
                self._test(value)
        except InputError as error:
            digest = hashlib.sha256(data).digest()
            self._seen[digest] += 1
            return "" if self._seen[digest] >= _SAME_BYTES else str(error)
        return ""

    def result(self, data: bytes) -> T:
        """What ``data`` unpacks to; raises where it does not."""
        return self._good[1] if self._good is not None and self._good[0] == data else self._unpack(data)


@dataclass(frozen=True)
class _Directory:
    """The end of an archive, read: its safe members, and where each member's bytes end at the latest."""

    start: int
    tail: bytes
    members: dict[str, zipfile.ZipInfo]
    ignored: int
    starts: list[int]

    def end(self, info: zipfile.ZipInfo) -> int:
        """Where the next member (or the directory) begins."""
        place = bisect_right(self.starts, info.header_offset)
        if place == len(self.starts):
            raise InputError(f"{info.filename!r} lies behind the directory")
        return self.starts[place]


class RemoteZip:
    """One archive of ``size`` bytes at the other end of ``fetch``; thread-safe.

    A directory has no checksum of its own. So whatever looks wrong makes it be fetched again, past the
    cache; only what then is still wrong is an InputError.
    """

    def __init__(self, size: int, fetch: Fetch, limits: Limits) -> None:
        self.size, self._fetch, self.limits = size, fetch, limits
        self._lock = threading.Lock()
        self._known: _Directory | None = None
        self._reloaded = False

    @property
    def names(self) -> list[str]:
        """The safe regular members, in the directory's order."""
        return list(self._directory().members)

    @property
    def ignored(self) -> int:
        """Members with unsafe names, links, junk."""
        return self._directory().ignored

    def packed(self, name: str) -> int:
        """Bytes that a member takes up in the archive."""
        return self._directory().members[name].compress_size

    def read(self, name: str) -> bytes:
        """A member, unpacked, its checksum verified; InputError where it is not there or damaged."""
        try:
            return self._read(self._directory(), name)
        except (NotFoundError, RefusedError):
            raise
        except InputError:
            if not self.reload():
                raise
        return self._read(self._directory(), name)

    def reload(self) -> bool:
        """Fetch the directory again, once, past the cache; whether it is another one than before."""
        with self._lock:
            if self._reloaded:
                return False
            self._reloaded = True
            before, self._known = self._known, self._load(fresh=True)
            return before is None or before.tail != self._known.tail

    def _directory(self) -> _Directory:
        with self._lock:
            if self._known is None:
                try:
                    self._known = self._load(fresh=False)
                except (NotFoundError, RefusedError):
                    raise
                except InputError:
                    if self._reloaded:
                        raise
                    self._reloaded = True
                    self._known = self._load(fresh=True)
            return self._known

    def _load(self, fresh: bool) -> _Directory:
        """Read from the end, further back where the directory begins earlier."""
        start = 0 if self.size <= WHOLE_BYTES else self.size - TAIL_BYTES
        tail = b""
        while True:
            trial = _Trial(partial(self._parse, start, tail), self._try_members)
            data = self._fetch(start, self.size - len(tail), trial.problem, fresh)
            found = trial.result(data)
            if isinstance(found, _Directory):
                return found
            tail = data + tail
            if found >= start:
                raise InputError("damaged ZIP: a directory that is not where it should be")
            if self.size - found > 256 * self.limits.max_members + TAIL_BYTES:
                raise self.limits.refuse("max_members", f"has a directory of {self.size - found} bytes")
            start = found

    def _parse(self, start: int, rest: bytes, data: bytes) -> _Directory | int:
        """The directory; where it begins before ``start``, from where on more is needed."""
        tail = data + rest
        with guarded("ZIP directory"):
            try:
                with zipfile.ZipFile(SparseFile(self.size, {start: tail})) as file:
                    members, ignored = zip_members(file, self.limits, self.size)
                    offsets = {info.header_offset for info in file.infolist()}
                    return _Directory(start, tail, members, ignored, sorted({*offsets, file.start_dir}))
            except _MissingError as missing:
                return missing.start

    def _try_members(self, found: _Directory | int) -> None:
        """Read the small members that came along: their checksums vouch for this part of the directory."""
        if isinstance(found, _Directory):
            for name, info in found.members.items():
                if info.header_offset >= found.start and info.file_size <= _TRIED_BYTES:
                    self._unpack(found, name, {})

    def _read(self, directory: _Directory, name: str) -> bytes:
        info = directory.members.get(name)
        if info is None:
            raise InputError(f"no member {name!r} in the archive")
        self.limits.check_member(name, max(info.file_size, info.compress_size))

        start, stop = info.header_offset, directory.end(info)
        if start >= directory.start:
            return self._unpack(directory, name, {})
        if stop - start < info.compress_size:
            raise InputError(f"{name!r} does not fit where the directory says that it is")
        stop = min(stop, start + _HEADER + info.compress_size)
        trial = _Trial(lambda data: self._unpack(directory, name, {start: data}))
        return trial.result(self._fetch(start, stop, trial.problem, False))

    def _unpack(self, directory: _Directory, name: str, pieces: dict[int, bytes]) -> bytes:
        """A member out of the archive's end and further pieces."""
        sparse = SparseFile(self.size, {directory.start: directory.tail, **pieces})
        with guarded(name):
            try:
                with zipfile.ZipFile(sparse) as file:
                    return read_zip_member(file, name, directory.members[name], self.limits)
            except _MissingError as missing:
                raise InputError(f"damaged ZIP: {missing}") from missing
