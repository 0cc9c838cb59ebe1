"""A cache of immutable objects on disk, shared between runs, with a size limit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import threading
import zlib
from pathlib import Path

_CHECK = struct.Struct("<QI")
"""Length and CRC-32 of an object, before its bytes: tells a torn or rotten file from a whole one."""
SWEEP_EVERY = 64 * 2**20
"""Bytes stored by this process between two checks of the cache's size."""


class DiskCache:
    """Objects by key (address and checksum or version); safe for many processes at once.

    A read marks an object as used; when the cache outgrows ``limit`` the objects unused longest are
    deleted. A damaged or vanished file is a miss. A full disk turns storing off, never fails the caller.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._stored = SWEEP_EVERY  # the first store checks what earlier runs left
        self._lock = threading.Lock()

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / "objects" / name[:2] / name

    def get(self, key: str) -> bytes | None:
        """The object, or None."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):  # a cache of somebody else that may only be read is one, too
            os.utime(path)
        body = data[_CHECK.size :]
        if len(data) < _CHECK.size or _CHECK.unpack_from(data) != (len(body), zlib.crc32(body)):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return body

    def put(self, key: str, data: bytes) -> None:
        """Store an object, atomically."""
        if len(data) > self.limit:
            return
        path = self._path(key)
        tmp = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tmp.open("wb") as file:
                file.write(_CHECK.pack(len(data), zlib.crc32(data)))
                file.write(data)
            tmp.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                tmp.unlink(missing_ok=True)
            return
        with self._lock:
            self._stored += len(data)
            if self._stored < SWEEP_EVERY and self._stored < self.limit / 8:
                return
            self._stored = 0
        self.sweep()

    def sweep(self) -> None:
        """Delete the objects unused longest until the cache is below nine tenths of its limit."""
        found: list[tuple[float, int, Path]] = []
        for path in (self.folder / "objects").glob("*/*"):
            with contextlib.suppress(OSError):
                facts = path.stat()
                found.append((facts.st_mtime, facts.st_size, path))
        total = sum(size for _, size, _ in found)
        if total <= self.limit:
            return
        for _, size, path in sorted(found):
            with contextlib.suppress(OSError):
                path.unlink()
            total -= size
            if total <= 0.9 * self.limit:
                return
