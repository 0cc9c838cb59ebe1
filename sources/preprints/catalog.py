"""The archives of a bucket: listed, opened in place, and paid for within a budget."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ...core.errors import InputError, TransientError, UsageError
from ...core.net.client import ChangedError, NotFoundError, RefusedError
from ...core.net.s3 import Bucket, Entry, safe_key
from ..packages import Limits
from .remote_zip import Check, RemoteZip

SUFFIXES = (".meca", ".zip")


class BudgetError(TransientError):
    """The bytes that may be paid for are used up."""


class ReplacedError(TransientError):
    """An archive was replaced since it was listed."""


class Meter:
    """Bytes taken from the bucket by this process, up to ``limit`` (None: any number); thread-safe."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.spent = 0
        self._lock = threading.Lock()

    @contextmanager
    def paying(self, size: int) -> Iterator[_Bill]:
        """Reserve ``size`` bytes; BudgetError where they would exceed the limit, none taken on an error."""
        with self._lock:
            if self.limit is not None and self.spent + size > self.limit:
                raise BudgetError(
                    f"{size} bytes more would exceed budget_gb={self.limit / 1e9:g} "
                    f"({self.spent / 1e9:.3f} GB are fetched already)"
                )
            self.spent += size
        bill = _Bill()
        try:
            yield bill
        except BaseException:
            bill.free = True
            raise
        finally:
            if bill.free:
                with self._lock:
                    self.spent -= size


class _Bill:
    free = False
    """Set where the bytes came from the cache."""


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
            try:
                with self.meter.paying(stop - start) as bill:
                    answer = self.bucket.get(
                        key,
                        size=stop - start,
                        byte_range=None if stop - start == size else (start, stop),
                        if_match=etag,
                        cache_key=f"{self.bucket.url(key)}@{etag}" if etag else "",
                        check=check,
                        fresh=fresh,
                    )
                    bill.free = answer.cached
                    return answer.body
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
