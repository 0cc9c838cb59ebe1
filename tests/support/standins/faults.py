"""Which requests fail, and how: decided from a seed, so that threads and timing change nothing."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import unquote

ALL_KINDS = (
    "429", "429-retry-after", "500", "503-slowdown", "reset", "stall", "truncate", "wrong-bytes",
    "wrong-length", "html", "away",
)  # fmt: skip
"""Kinds of fault that :class:`Faults` draws from.

``429``, ``500`` and ``503-slowdown`` are answers (``429-retry-after`` says how long to wait), ``reset``
closes the connection with RST before any answer, ``stall`` sends half the body and then nothing,
``truncate`` sends half and closes, ``wrong-bytes`` sends other bytes of the same length, ``wrong-length``
promises more or fewer bytes than follow, ``html`` is a page with status 200, ``away`` a redirect to
another host.
"""
HARD_KINDS = ("500", "503-slowdown", "reset")
"""Kinds that leave a client nothing to go on with: what ``forever`` draws from."""

Scripted = str | Callable[[], None]
"""A fault by name, or something to do just before an answer without a fault (an object that changes)."""


class Fault(NamedTuple):
    """One fault: its kind, and what goes with it (the variant, or the seconds of a Retry-After)."""

    kind: str = ""
    detail: str = ""


class Faults:
    """Decides for each request whether and how it fails.

    Of the requests whose target (path and query, decoded) matches ``only``, a share of ``rate`` fails,
    each with one of ``kinds``; the decision is a function of ``seed``, the target and how often it was
    asked for. Targets that hold one of ``forever`` (a key, or its end after a ``/``) fail always.
    ``script[path]`` (path as sent, without query) is used up first, one entry a request: a kind of
    ``ALL_KINDS`` or ``home`` (redirect to itself), ``slow`` (trickles), ``<status>`` or
    ``<status>:<Retry-After>``, ``""`` for none, or a function to call before a sound answer.
    """

    def __init__(
        self,
        rate: float = 0.2,
        seed: int = 0,
        kinds: Iterable[str] = ALL_KINDS,
        only: str = "",
        forever: Iterable[str] = (),
        retry_after: float = 0.05,
        stall_seconds: float = 30.0,
    ) -> None:
        self.rate, self.seed, self.kinds = rate, seed, tuple(kinds)
        self.only = re.compile(only)
        self.forever = set(forever)
        self.retry_after, self.stall_seconds = retry_after, stall_seconds
        self.script: defaultdict[str, list[Scripted]] = defaultdict(list)
        self.injected: Counter[str] = Counter()
        """How often each kind was given."""
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        unknown = set(self.kinds) - set(ALL_KINDS)
        if unknown:
            raise ValueError(f"unknown kinds of fault: {sorted(unknown)}")

    def next(self, path: str, query: str = "") -> Fault:
        """The fault of the next request for this target; an empty one where it is to succeed."""
        target = unquote(f"{path}?{query}" if query else path)
        with self._lock:
            scripted = self.script[path].pop(0) if self.script.get(path) else None
            nth = self._asked[target]
            self._asked[target] += 1
        if scripted is not None:
            fault = self._scripted(scripted)
        else:
            fault = self._drawn(target, nth)
        if fault.kind:
            with self._lock:
                self.injected[fault.kind] += 1
        return fault

    def _scripted(self, entry: Scripted) -> Fault:
        if callable(entry):
            entry()
            return Fault()
        kind, _, detail = entry.partition(":")
        return Fault(kind, detail or self._detail(kind, 0))

    def _drawn(self, target: str, nth: int) -> Fault:
        draw = hashlib.sha256(f"{self.seed}\0{target}\0{nth}".encode()).digest()
        choice = int.from_bytes(draw[8:12], "big")
        path = target.partition("?")[0]
        if any(path == key or path.endswith("/" + key.lstrip("/")) for key in self.forever):
            kind = HARD_KINDS[choice % len(HARD_KINDS)]
        elif int.from_bytes(draw[:8], "big") < self.rate * 2**64 and self.only.search(target):
            kind = self.kinds[choice % len(self.kinds)]
        else:
            return Fault()
        return Fault(kind, self._detail(kind, draw[12]))

    def _detail(self, kind: str, draw: int) -> str:
        if kind == "429-retry-after":
            return f"{self.retry_after:g}"
        if kind == "wrong-length":
            return ("more", "less")[draw % 2]
        return ""


def no_faults() -> Faults:
    """Everything succeeds, but for what is put into ``script`` and ``forever`` later."""
    return Faults(rate=0.0)
