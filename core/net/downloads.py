"""Downloads in the background, in order, with a bound on what lies waiting in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
A = TypeVar("A")

HELD_BYTES = 256 * 2**20
"""Downloaded bytes that wait to be taken, and those expected of downloads under way, at most, about."""
FIRST = 4
"""Downloads that begin at once while nothing is known of their sizes; they share the room."""


class Ticket:
    """One download that was asked for; taken once, or cancelled."""

    def __init__(self, owner: Downloads, call: Callable[[], bytes]) -> None:
        self._owner, self._call = owner, call
        self._lock = threading.Lock()
        self._claimed = False
        self._held = 0
        self._answer: Future[bytes] = Future()

    def take(self) -> bytes:
        """The bytes, or what the download raised; fetched here and now where it has not begun yet."""
        self._run()
        try:
            return self._answer.result()
        finally:
            self._let_go()

    def cancel(self) -> None:
        """Let go of the download: it does not start any more, and its bytes do not count."""
        with self._lock:
            begun, self._claimed = self._claimed, True
        if begun:
            self._answer.add_done_callback(lambda _: self._let_go())
        else:
            self._answer.cancel()

    def _let_go(self) -> None:
        held, self._held = self._held, 0
        self._owner._let_go(held)

    def _ahead(self) -> None:
        """Run in the background, once there is room."""
        reserved = self._owner._reserve(lambda: self._claimed)
        if reserved is not None:
            self._run(reserved)

    def _run(self, reserved: int = 0) -> None:
        """Download, unless that has begun; ``reserved`` bytes are counted for it already."""
        with self._lock:
            mine, self._claimed = not self._claimed, True
        if not mine:
            self._owner._let_go(reserved)
            return
        try:
            data = self._call()
        except BaseException as error:
            self._owner._let_go(reserved)
            self._answer.set_exception(error)
            return
        self._owner._learn(len(data))
        if reserved:
            self._held = len(data)
            self._owner._let_go(reserved - len(data))
        self._answer.set_result(data)


class Downloads:
    """Two pools of threads: one that works on articles, one that fetches their files ahead of need."""

    def __init__(self, threads: int, held: int = HELD_BYTES) -> None:
        self._articles = ThreadPoolExecutor(threads, thread_name_prefix="pmcx-article")
        self._files = ThreadPoolExecutor(threads, thread_name_prefix="pmcx-file")
        self._room = threading.Condition()
        self._limit = held
        self._bytes = 0
        """Waiting to be taken, and expected of the downloads under way."""
        self._typical = held / FIRST
        self._closed = False

    def map(self, call: Callable[[T], A], items: Iterable[T]) -> list[A]:
        """``call`` of every item, side by side, in order; the first exception is raised when all are done."""
        futures = [self._articles.submit(call, item) for item in items]
        return [future.result() for future in futures]

    def submit(self, call: Callable[[], bytes]) -> Ticket:
        """Start a download soon; earlier ones go first."""
        ticket = Ticket(self, call)
        self._files.submit(ticket._ahead)
        return ticket

    def close(self) -> None:
        """Stop: what has not begun never does, what is under way is not waited for longer than it takes."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        self._articles.shutdown(wait=True, cancel_futures=True)
        self._files.shutdown(wait=True, cancel_futures=True)

    def _reserve(self, claimed: Callable[[], bool]) -> int | None:
        """Wait for room and reserve what a download typically takes; None where it is not wanted any more."""
        with self._room:
            while self._bytes >= self._limit and not claimed() and not self._closed:
                self._room.wait(0.2)
            if self._closed or claimed():
                return None
            size = max(1, round(self._typical))
            self._bytes += size
            return size

    def _learn(self, size: int) -> None:
        """Follow the sizes: large ones at once, so that they do not come in crowds, small ones slowly."""
        with self._room:
            self._typical = max(size, self._typical + (size - self._typical) / 8)

    def _let_go(self, size: int) -> None:
        with self._room:
            self._bytes -= size
            self._room.notify_all()
