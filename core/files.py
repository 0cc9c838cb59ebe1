"""Writing files durably, with their facts, and with errors that a user can act on."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError
from .records import FileInfo

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space or have it raised",
    errno.EROFS: "the file system is read-only; make it writable or choose another --out",
    errno.EACCES: "permission is missing; grant it or choose another --out",
}


def output_error(error: OSError, path: Path, doing: str = "write") -> OutputError:
    """The OutputError for a refused operation: what was tried, why not, what to do."""
    advice = _ADVICE.get(error.errno or 0, "put that right")
    return OutputError(
        f"cannot {doing} {path}: {error.strerror or error} ({advice}); what was committed is intact, "
        "the same command resumes the run"
    )


@contextlib.contextmanager
def output_errors(path: Path, doing: str = "write") -> Iterator[None]:
    """Every OSError inside becomes an OutputError."""
    try:
        yield
    except OSError as error:
        raise output_error(error, path, doing) from error


def fsync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hash_file(path: Path) -> str:
    """sha256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as data:
        while block := data.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class HashingFile:
    """A new binary file whose sha256 and length are taken while it is written.

    :meth:`finish` makes it durable (fsync) and answers its facts; :meth:`close` without it gives the
    file up. Works as the sink of a pyarrow writer. Every OSError surfaces as OutputError.
    """

    def __init__(self, path: Path, buffer: int = 1 << 20) -> None:
        self.path = path
        self._limit = buffer
        self._waiting: list[bytes] = []
        self._pending = 0
        self._size = 0
        self._digest = hashlib.sha256()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise output_error(error, self.path) from error

    @property
    def closed(self) -> bool:
        return self._file.closed

    def tell(self) -> int:
        """Bytes given so far."""
        return self._size

    def write(self, data: bytes) -> int:
        """Append bytes; they reach the file in large blocks."""
        length = len(data)
        self._waiting.append(data)
        self._pending += length
        self._size += length
        if self._pending >= self._limit:
            self.flush()
        return length

    def flush(self) -> None:
        """Hand what is waiting to the operating system."""
        block = b"".join(self._waiting)
        self._waiting.clear()
        self._pending = 0
        self._digest.update(block)
        try:
            rest = memoryview(block)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise output_error(error, self.path) from error

    def finish(self, rows: int) -> FileInfo:
        """Flush, fsync and close; the facts of the file, with ``rows`` as given."""
        self.flush()
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise output_error(error, self.path) from error
        return FileInfo(sha256=self._digest.hexdigest(), size=self._size, rows=rows)

    def close(self) -> None:
        """Close quietly, whatever is still waiting; harmless after :meth:`finish`."""
        self._waiting.clear()
        with contextlib.suppress(OSError):  # the file is given up: nobody reads what did not get written
            self._file.close()
