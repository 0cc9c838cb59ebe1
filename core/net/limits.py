"""Rate limits for each host, shared by all workers of all runs on a machine.

The state of a host is one small file with the time of its next free slot, changed under a lock. Without
file locks (Windows) or without a cache folder the limit holds within each process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]


class HostLimits:
    """Spaces requests to each host evenly; ``rates`` are requests per second by host name."""

    def __init__(
        self,
        rates: Mapping[str, float],
        folder: Path | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rates = dict(rates)
        self._folder = folder if fcntl is not None else None
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}

    def wait(self, host: str) -> None:
        """Sleep until a request to ``host`` may start."""
        rate = self._rates.get(host)
        now = self._clock()
        start = self._claim(host, now, 1.0 / rate if rate else 0.0)
        if start > now:
            self._sleep(start - now)

    def pause(self, host: str, seconds: float) -> None:
        """Let no request to ``host`` start for so long (the server said so)."""
        now = self._clock()
        self._update(host, lambda free: (max(free, now + seconds), 0.0))

    def _claim(self, host: str, now: float, interval: float) -> float:
        return self._update(host, lambda free: (max(free, now) + interval, max(free, now)))

    def _update(self, host: str, change: Callable[[float], tuple[float, float]]) -> float:
        with self._lock:
            if self._folder is None:
                self._next[host], answer = change(self._next.get(host, 0.0))
                return answer
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{host.replace(':', '_')}.limit"
            with path.open("a+") as state:
                fcntl.flock(state, fcntl.LOCK_EX)
                state.seek(0)
                try:
                    free = float(state.read() or 0.0)
                except ValueError:
                    free = 0.0
                # A clock set back must not hold everybody up for hours.
                if free > self._clock() + 3600:
                    free = 0.0
                free, answer = change(free)
                state.seek(0)
                state.truncate()
                state.write(repr(free))
                return answer
