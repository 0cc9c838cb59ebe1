"""Downloads ahead of need: order, bounds on memory, nobody waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pmcx.core.errors import TransientError
from pmcx.core.net.downloads import Downloads


@pytest.fixture
def downloads() -> Iterator[Downloads]:
    opened = Downloads(4, held=100)
    yield opened
    opened.close()


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_everything_arrives_in_order(downloads: Downloads) -> None:
    tickets = [downloads.submit(lambda n=n: bytes([n]) * 10) for n in range(50)]  # type: ignore[misc]
    assert [ticket.take() for ticket in tickets] == [bytes([n]) * 10 for n in range(50)]


def test_what_waits_is_bounded_and_goes_on_when_taken(downloads: Downloads) -> None:
    begun: list[int] = []

    def call(n: int) -> bytes:
        begun.append(n)
        return bytes(40)

    tickets = [downloads.submit(lambda n=n: call(n)) for n in range(40)]  # type: ignore[misc]
    assert until(lambda: len(begun) >= 3)
    time.sleep(0.1)
    assert len(begun) <= 3 + 4, "100 bytes and what four threads had begun before"
    for ticket in tickets:
        assert len(ticket.take()) == 40
    assert len(begun) == 40


def test_a_download_that_has_not_begun_is_made_where_it_is_needed(downloads: Downloads) -> None:
    hold = threading.Event()
    blocked = [downloads.submit(lambda: b"x" if hold.wait(10) else b"") for _ in range(4)]
    mine = threading.current_thread().name
    where: list[str] = []

    def call() -> bytes:
        where.append(threading.current_thread().name)
        return b"y"

    assert downloads.submit(call).take() == b"y"
    assert where == [mine]
    hold.set()
    assert [ticket.take() for ticket in blocked] == [b"x"] * 4


def test_errors_come_out_where_the_bytes_are_taken(downloads: Downloads) -> None:
    def fail() -> bytes:
        raise TransientError("no")

    ticket = downloads.submit(fail)
    with pytest.raises(TransientError):
        ticket.take()


def test_cancelled_downloads_free_their_room(downloads: Downloads) -> None:
    tickets = [downloads.submit(lambda: bytes(60)) for _ in range(12)]
    assert until(lambda: downloads._bytes >= 100)
    for ticket in tickets:
        ticket.cancel()
    assert until(lambda: downloads._bytes == 0)
    assert downloads.submit(lambda: b"z").take() == b"z"


def test_closing_does_not_start_what_waits() -> None:
    downloads = Downloads(1, held=10)
    begun: list[int] = []

    def call(n: int) -> bytes:
        begun.append(n)
        return bytes(10)

    for n in range(20):
        downloads.submit(lambda n=n: call(n))  # type: ignore[misc]
    assert until(lambda: len(begun) >= 1)
    downloads.close()
    assert len(begun) <= 2


def test_map_keeps_the_order_and_raises(downloads: Downloads) -> None:
    def slowly(n: int) -> int:
        time.sleep(0.01 * (5 - n))
        return n * n

    assert downloads.map(slowly, range(5)) == [0, 1, 4, 9, 16]
    with pytest.raises(ZeroDivisionError):
        downloads.map(lambda n: 1 // n, [1, 0])


def test_large_files_do_not_all_begin_at_once() -> None:
    downloads = Downloads(16, held=1000)
    lock, going, most = threading.Lock(), [0], [0]

    def large() -> bytes:
        with lock:
            going[0] += 1
            most[0] = max(most[0], going[0])
        time.sleep(0.02)
        with lock:
            going[0] -= 1
        return bytes(240)

    tickets = [downloads.submit(large) for _ in range(60)]
    time.sleep(0.3)
    assert downloads._bytes <= 1000 + 2 * 250
    assert most[0] <= 6
    assert [len(ticket.take()) for ticket in tickets] == [240] * 60
    assert downloads._bytes == 0
    downloads.close()


def test_failed_and_empty_downloads_give_their_room_back() -> None:
    downloads = Downloads(4, held=100)

    def fail() -> bytes:
        raise TransientError("no")

    tickets = [downloads.submit(fail if n % 2 else bytes) for n in range(20)]
    for n, ticket in enumerate(tickets):
        if n % 2:
            with pytest.raises(TransientError):
                ticket.take()
        else:
            assert ticket.take() == b""
    downloads.close()
    assert downloads._bytes == 0
