"""Rate limits for each host, shared by all workers of all runs on a machine.

The state of a host is one small file with the time of its next free slot, changed under a lock. Without
file locks (Windows), or where the folder cannot be written, the limit holds within each process.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]


log = logging.getLogger(__name__)

_TIME = struct.Struct("<d")

SLACK = 1.05
"""Requests are spaced a little wider than asked for: what leaves evenly may arrive in bunches."""


class HostLimits:
    """Spaces requests to each host evenly.

    ``rates`` are requests per second by host name, ``rate`` bounds those of every host (None: no bound).
    """

    def __init__(
        self,
        rates: Mapping[str, float],
        folder: Path | None = None,
        rate: float | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rates, self._rate = dict(rates), rate
        self._folder = folder if fcntl is not None else None
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}
        self._files: dict[str, int] = {}

    def wait(self, host: str) -> None:
        """Sleep until a request to ``host`` may start."""
        bounds = [rate for rate in (self._rates.get(host), self._rate) if rate]
        now = self._clock()
        start = self._claim(host, now, SLACK / min(bounds) if bounds else 0.0)
        if start > now:
            self._sleep(start - now)

    def pause(self, host: str, seconds: float) -> None:
        """Let no request to ``host`` start for so long (the server said so)."""
        now = self._clock()
        self._update(host, lambda free: (max(free, now + seconds), 0.0))

    def _claim(self, host: str, now: float, interval: float) -> float:
        return self._update(host, lambda free: (max(free, now) + interval, max(free, now)))

    def _update(self, host: str, change: Callable[[float], tuple[float, float]]) -> float:
        """Change the time of a host's next free slot; ``change`` answers the new one and what to return."""
        with self._lock:
            state = self._state(host)
            if state is None:
                self._next[host], answer = change(self._next.get(host, 0.0))
                return answer
            fcntl.flock(state, fcntl.LOCK_EX)
            try:
                data = os.pread(state, _TIME.size, 0)
                free = _TIME.unpack(data)[0] if len(data) == _TIME.size else 0.0
                # A clock set back must not hold everybody up for hours.
                if not 0.0 <= free <= self._clock() + 3600:
                    free = 0.0
                free, answer = change(free)
                os.pwrite(state, _TIME.pack(free), 0)
                return answer
            finally:
                fcntl.flock(state, fcntl.LOCK_UN)

    def _state(self, host: str) -> int | None:
        """The open file with a host's state; None where there can be none."""
        if self._folder is not None and host not in self._files:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                path = self._folder / f"{host.replace(':', '_')}.limit"
                self._files[host] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                log.warning("request rates are not shared between processes: %s", error)
                self._folder = None
        return self._files.get(host)

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            while self._files:
                os.close(self._files.popitem()[1])
