"""Rate limits for each host, shared by all workers of all runs on a machine.

The state of a host is one small file with the time of its next free slot, and when that was written,
changed under a lock. Without file locks (Windows, some network file systems), or where the folder cannot
be written, the limit holds within each process.
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

_STATE = struct.Struct("<dd")

SLACK = 1.05
"""Requests are spaced a little wider than asked for: what leaves evenly may arrive in bunches."""

LONG_WAIT = 30.0
"""Seconds from which on a wait is told."""
_LONGEST = 3600.0
_JITTER = 2.0
"""Seconds that a clock may be put back without being noticed."""


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
        self._next: dict[str, tuple[float, float]] = {}
        self._told: dict[str, float] = {}
        self._files: dict[str, int] = {}

    def wait(self, host: str, longest: float = float("inf")) -> bool:
        """Sleep until a request to ``host`` may start; False at once where that is in over ``longest`` s."""
        bounds = [rate for rate in (self._rates.get(host), self._rate) if rate]
        now = self._clock()
        start = self._claim(host, now, SLACK / min(bounds) if bounds else 0.0)
        if start - now > longest:
            return False
        if start - now > LONG_WAIT and self._told.get(host, 0.0) <= now:
            self._told[host] = start
            log.warning("waiting %.0f s for %s (its rate limit, or its Retry-After)", start - now, host)
        if start > now:
            self._sleep(start - now)
        return True

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
            if state is not None:
                try:
                    return self._update_file(state, change)
                except OSError as error:  # no locks on this file system, or it is full
                    self._give_up_sharing(error)
            free, answer = change(self._plausible(*self._next.get(host, (0.0, 0.0))))
            self._next[host] = free, self._clock()
            return answer

    def _update_file(self, state: int, change: Callable[[float], tuple[float, float]]) -> float:
        fcntl.flock(state, fcntl.LOCK_EX)
        try:
            data = os.pread(state, _STATE.size, 0)
            before = _STATE.unpack(data) if len(data) == _STATE.size else (0.0, 0.0)
            free, answer = change(self._plausible(*before))
            os.pwrite(state, _STATE.pack(free, self._clock()), 0)
            return answer
        finally:
            fcntl.flock(state, fcntl.LOCK_UN)

    def _plausible(self, free: float, written: float) -> float:
        """The next free slot, 0 for a damaged one, or one from before the clock was put back."""
        now = self._clock()
        return free if 0.0 <= written <= now + _JITTER and 0.0 <= free <= now + _LONGEST else 0.0

    def _state(self, host: str) -> int | None:
        """The open file with a host's state; None where there can be none."""
        if self._folder is not None and host not in self._files:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                path = self._folder / f"{host.replace(':', '_')}.limit"
                self._files[host] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                self._give_up_sharing(error)
        return self._files.get(host)

    def _give_up_sharing(self, error: OSError) -> None:
        log.warning("request rates are not shared between processes: %s", error)
        self._folder = None
        self._close_files()

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            self._close_files()

    def _close_files(self) -> None:
        while self._files:
            os.close(self._files.popitem()[1])
