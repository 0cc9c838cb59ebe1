"""The archives of a bucket: listed, opened in place, and paid for within a budget."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ...core.errors import InputError, TransientError, UsageError
from ...core.net.client import ChangedError, NotFoundError, RefusedError, Sign
from ...core.net.s3 import Bucket, Entry, safe_key
from ..packages import Limits
from .remote_zip import Check, RemoteZip

SUFFIXES = (".meca", ".zip")
_RANGE = re.compile(r"bytes=([0-9]{1,18})-")


class BudgetError(TransientError):
    """The bytes that may be paid for are used up."""


class ReplacedError(TransientError):
    """An archive was replaced since it was listed."""


class Meter:
    """Bytes taken from the bucket by this process, up to ``limit`` (None: any number); thread-safe.

    ``spent`` counts what was received, failed attempts included, and what requests under way may bring.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.spent = 0
        self._lock = threading.Lock()

    def lose(self, size: int) -> None:
        """Count bytes that came for nothing; BudgetError where what is under way is too much by that."""
        with self._lock:
            self.spent += size
            self._refuse_beyond(self.spent)

    def _refuse_beyond(self, total: int) -> None:
        if self.limit is not None and total > self.limit:
            raise BudgetError(
                f"{total - self.limit} bytes more than budget_gb={self.limit / 1e9:g} would be fetched "
                f"({self.spent / 1e9:.3f} GB are already)"
            )

    @contextmanager
    def paying(self, start: int, stop: int) -> Iterator[Bill]:
        """Count the bytes from ``start`` to ``stop`` of an object, and whatever is sent more than once.

        BudgetError, and nothing is asked for, where they would exceed the limit.
        """
        with self._lock:
            self._refuse_beyond(self.spent + stop - start)
            self.spent += stop - start
        bill = Bill(self, start, stop)
        try:
            yield bill
        finally:
            with self._lock:
                self.spent -= bill.unsent


class Bill:
    """What the attempts to get one range cost: told by what is asked for, and by what fails its check.

    An attempt that goes on where the last one broke off says in its ``Range`` how much had arrived. Of
    the last attempt, when it fails, nobody says that: it counts in full.
    """

    def __init__(self, meter: Meter, start: int, stop: int) -> None:
        self._meter, self._start, self._size = meter, start, stop - start
        self._arrived = 0
        self._asked = False
        self._refused = False

    @property
    def unsent(self) -> int:
        """Bytes of the range that were counted, but certainly not sent."""
        if not self._asked:
            return self._size
        return self._size - self._arrived if self._refused else 0

    def refuse(self) -> None:
        """The last attempt was answered without any content."""
        self._refused = True

    def signing(self, sign: Sign) -> Sign:
        """``sign``, which is called for each attempt; BudgetError where another one would cost too much."""

        def signed(method: str, url: str, headers: dict[str, str]) -> dict[str, str]:
            match = _RANGE.match(headers.get("range", ""))
            before, self._arrived = self._arrived, int(match[1]) - self._start if match else 0
            if self._arrived < before:  # begun anew: what had arrived was for nothing
                self._refused = True
                self._meter.lose(before)
                self._refused = False
            self._asked = True
            return sign(method, url, headers)

        return signed

    def checking(self, check: Check) -> Check:
        """``check``, and that of the length: it sees every body that came to its end."""

        def checked(data: bytes) -> str:
            self._arrived = len(data)
            if len(data) != self._size:
                return f"{len(data)} bytes where {self._size} were asked for"
            return check(data)

        return checked


class Catalog:
    """The archives of one bucket."""

    def __init__(self, bucket: Bucket, meter: Meter, limits: Limits) -> None:
        self.bucket, self.meter, self.limits = bucket, meter, limits

    def archives(self, folder: str) -> list[Entry]:
        """The archives in a folder (which ends in ``/``), by key."""
        return sorted(filter(_is_archive, self._list(folder)), key=lambda entry: entry.key)

    def archive(self, key: str) -> Entry | None:
        """One archive by its key; None where the bucket has none."""
        return next((entry for entry in self._list(key) if entry.key == key and _is_archive(entry)), None)

    def folders(self, parent: str) -> list[str]:
        """The folders in a folder."""
        return [entry.key for entry in self._list(parent, "/") if entry.prefix]

    def _list(self, prefix: str, delimiter: str = "") -> Iterator[Entry]:
        try:
            yield from self.bucket.list(prefix, delimiter)
        except RefusedError as error:
            raise UsageError(f"{error}: the AWS credentials may not read {self.bucket.name}") from error
        except NotFoundError as error:
            raise UsageError(f"{error}: there is no bucket {self.bucket.name}") from error

    def open(self, key: str, size: int, etag: str) -> RemoteZip:
        """An archive of this size and ETag, to be read by ranges; nothing is fetched yet.

        What was fetched stays in the cache under its ETag. Reading raises ReplacedError where the archive
        is another one by now, BudgetError where it would cost too much.
        """

        def fetch(start: int, stop: int, check: Check, fresh: bool) -> bytes:
            bucket = self.bucket
            url = bucket.url(key)
            try:
                with self.meter.paying(start, stop) as bill:
                    try:
                        return bucket.client.get(
                            url,
                            byte_range=None if stop - start == size else (start, stop),
                            if_match=etag,
                            cache_key=f"{url}@{etag}" if etag else "",
                            sign=bill.signing(bucket.sign) if bucket.sign else None,
                            check=bill.checking(check),
                            fresh=fresh,
                        ).body
                    except (ChangedError, NotFoundError, RefusedError):
                        bill.refuse()
                        raise
            except ChangedError as error:
                raise ReplacedError(
                    f"{error}; plan the run again, or extend it, for the new archive"
                ) from error

        return RemoteZip(size, fetch, self.limits)


def _is_archive(entry: Entry) -> bool:
    if entry.prefix or not entry.size or not entry.key.lower().endswith(SUFFIXES):
        return False
    try:
        safe_key(entry.key)
    except InputError:  # a name that would fetch something else
        return False
    return True
