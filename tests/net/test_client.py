"""The fetch layer against a server that fails in every way: whole objects, or a clear end."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from standins.faults import ALL_KINDS, Faults
from standins.s3 import S3StandIn

from pmcx import InputError, TransientError
from pmcx.core.net.cache import DiskCache
from pmcx.core.net.client import Client, NotFoundError, RefusedError
from pmcx.core.net.limits import HostLimits
from pmcx.core.net.options import NetOptions
from pmcx.core.net.s3 import Bucket, parse_listing, safe_key

BODY = b"<article>" + bytes(range(256)) * 400 + b"</article>"
MD5 = hashlib.md5(BODY).hexdigest()
PATH = "/shelf/x.xml"


@pytest.fixture
def server() -> Iterator[S3StandIn]:
    with S3StandIn() as server:
        server.put("shelf", "x.xml", BODY)
        server.public("shelf")
        yield server
        assert server.visits == []


def times(server: S3StandIn, path: str = PATH) -> list[float]:
    return [hit.time for hit in server.hits(path)]


def client(**options: Any) -> Client:
    settings = {"cache": "none", "timeout": 1.0, "max_wait": 0.2, "attempts": 6, **options}
    return Client(NetOptions(**settings))


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        *(
            (fault, 2)
            for fault in ("429", "429:0", "500", "503", "reset", "truncate", "stall", "wrong-bytes")
        ),
        *((fault, 2) for fault in ("html", "away", "home", "wrong-length:less")),
        ("wrong-length:more", 3),  # what is said to be missing is asked for, and is not there
    ],
)
def test_one_fault_is_survived(server: S3StandIn, fault: str, requests: int) -> None:
    server.faults.script[PATH] = [fault]
    with client() as http:
        answer = http.get(f"{server.url}{PATH}", md5=MD5, kind="xml")
    assert answer.body == BODY
    assert len(times(server)) == requests


def test_a_row_of_faults_is_survived_and_time_is_bounded(server: S3StandIn) -> None:
    server.faults.script[PATH] = ["503", "truncate", "reset", "wrong-bytes", "429:0.1"]
    began = time.monotonic()
    with client() as http:
        assert http.get(f"{server.url}{PATH}", md5=MD5).body == BODY
    assert time.monotonic() - began < 10


def test_a_fifth_of_all_requests_fails_and_every_object_is_whole(server: S3StandIn) -> None:
    objects = {f"o{n}": bytes([n]) * (500 + 400 * n) for n in range(150)}
    for key, data in objects.items():
        server.put("shelf", key, data)
    server.faults = Faults(rate=0.2, seed=5)
    began = time.monotonic()
    with client(attempts=10) as http, ThreadPoolExecutor(12) as pool:
        bucket = Bucket(http, "shelf", endpoint=server.url)
        entries = list(bucket.list("o"))
        bodies = pool.map(lambda entry: bucket.get(entry.key, md5=entry.etag, size=entry.size).body, entries)
        assert dict(zip((entry.key for entry in entries), bodies, strict=True)) == objects
    assert time.monotonic() - began < 60
    assert set(server.faults.injected) == set(ALL_KINDS)


def test_what_never_comes_right_is_transient(server: S3StandIn) -> None:
    server.faults.script[PATH] = ["503"] * 99
    with client(attempts=3) as http, pytest.raises(TransientError, match=r"HTTP 503 SlowDown \(3 attempts\)"):
        http.get(f"{server.url}{PATH}?signature=secret")
    assert len(times(server)) == 3


def test_messages_hold_no_query(server: S3StandIn) -> None:
    with client() as http, pytest.raises(NotFoundError) as told:
        http.get(f"{server.url}/shelf/absent?api_key=secret")
    assert "secret" not in str(told.value)


def test_final_answers_are_not_retried(server: S3StandIn) -> None:
    server.faults.script[PATH] = ["403"]
    with client() as http:
        with pytest.raises(NotFoundError, match="NoSuchKey"):
            http.get(f"{server.url}/shelf/absent")
        with pytest.raises(RefusedError, match="AccessDenied"):
            http.get(f"{server.url}{PATH}")
    assert (len(times(server, "/shelf/absent")), len(times(server))) == (1, 1)


def test_a_broken_body_is_resumed_where_it_broke(server: S3StandIn) -> None:
    server.faults.script[PATH] = ["truncate"]
    with client() as http:
        assert http.get(f"{server.url}{PATH}", md5=MD5).body == BODY
    headers = server.log[1].headers
    assert headers["range"] == f"bytes={len(BODY) // 2}-"
    assert headers["if-match"].strip('"') == MD5


def test_an_object_that_changes_between_two_parts_is_fetched_anew(server: S3StandIn) -> None:
    server.faults.script[PATH] = ["truncate", lambda: server.put("shelf", "x.xml", BODY[::-1])]
    with client() as http:
        assert http.get(f"{server.url}{PATH}").body == BODY[::-1]


def test_byte_ranges(server: S3StandIn) -> None:
    server.faults.script[PATH] = ["truncate"]
    with client() as http:
        assert http.get(f"{server.url}{PATH}", byte_range=(10, 1010)).body == BODY[10:1010]
        with pytest.raises(InputError, match="changed on the server"):
            http.get(f"{server.url}{PATH}", byte_range=(0, 5), if_match="0" * 32)


def test_retry_after_is_kept(server: S3StandIn) -> None:
    server.faults.script[PATH] = ["429:1"]
    with client(max_wait=5.0) as http:
        http.get(f"{server.url}{PATH}")
    first, second = times(server)
    assert second - first >= 0.95


def test_slow_bodies_count_as_stalled_and_large_ones_are_refused(server: S3StandIn) -> None:
    server.faults.script[PATH] = ["slow"]
    with client(timeout=0.5, min_rate=5000.0) as http:
        assert http.get(f"{server.url}{PATH}", md5=MD5).body == BODY
    with client(max_bytes=1000) as http, pytest.raises(InputError, match="max_bytes"):
        http.get(f"{server.url}{PATH}")


def test_the_cache_serves_later_and_offline(server: S3StandIn, tmp_path: Path) -> None:
    with client(cache=str(tmp_path)) as http:
        assert not http.get(f"{server.url}{PATH}", md5=MD5).cached
        assert http.get(f"{server.url}{PATH}", md5=MD5).cached
    with client(cache=str(tmp_path), offline=True) as http:
        assert http.get(f"{server.url}{PATH}", md5=MD5).body == BODY
        with pytest.raises(TransientError, match="--offline"):
            http.get(f"{server.url}/shelf/y.xml", md5=MD5)
    assert len(server.log) == 1


def test_a_damaged_cache_is_a_miss_and_a_full_one_forgets_the_oldest(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10_000)
    for n in range(30):
        cache.put(str(n), bytes(1000))
    kept = [n for n in range(30) if cache.get(str(n)) is not None]
    assert 0 < len(kept) <= 10
    assert 29 in kept
    cache.put("a", b"whole")
    for path in (tmp_path / "objects").glob("*/*"):
        path.write_bytes(path.read_bytes()[:-1])
    assert cache.get("a") is None


def test_the_rate_is_kept_at_every_second_by_all_clients(server: S3StandIn, tmp_path: Path) -> None:
    host = server.host
    clients = [Client(NetOptions(cache=str(tmp_path)), {host: 20.0}) for _ in range(2)]

    def fetch(n: int) -> None:
        clients[n % 2].get(f"{server.url}{PATH}")

    with clients[0], clients[1], ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, range(50)))
    assert len(server.log) == 50
    assert server.peak_rate() <= 22  # arrival jitter of a loaded machine


def test_a_pause_holds_off_everybody() -> None:
    slept: list[float] = []
    limits = HostLimits({"h": 10.0}, clock=lambda: 100.0, sleep=slept.append)
    limits.wait("h")
    limits.pause("h", 5.0)
    limits.wait("h")
    limits.wait("other")
    assert slept == [pytest.approx(5.0)]


def test_connections_are_reused(server: S3StandIn) -> None:
    with client(connections=2) as http, ThreadPoolExecutor(4) as pool:
        bodies = list(pool.map(lambda _: http.get(f"{server.url}{PATH}").body, range(20)))
    assert bodies == [BODY] * 20
    assert threading.active_count() < 40


@pytest.mark.parametrize("key", ["../x", "a/../b", "a\\b", "/x", "C:/x", "", "a//b", "a/./b", "a\0b"])
def test_hostile_object_names_are_refused(key: str) -> None:
    with pytest.raises(InputError, match="unsafe object name"):
        safe_key(key)
    with client() as http, pytest.raises(InputError):
        Bucket(http, "bucket").url(key)


def test_odd_object_names_are_sent_as_they_are(server: S3StandIn) -> None:
    for key in ("a b.jpg", "a%20b.jpg", "a+b.jpg", "é.jpg"):
        with client() as http, pytest.raises(NotFoundError):
            Bucket(http, "b", endpoint=server.url).get(key)
    assert [hit.path for hit in server.log] == [
        "/b/a%20b.jpg",
        "/b/a%2520b.jpg",
        "/b/a%2Bb.jpg",
        "/b/%C3%A9.jpg",
    ]


def test_listings_are_read(shared_data: Path) -> None:
    folder = shared_data / "interfaces" / "pmc_s3_new"
    entries, token = parse_listing((folder / "list_prefix_PMC11370360._delimited.xml").read_bytes())
    assert [entry.key for entry in entries if entry.prefix]
    assert all(entry.key.startswith("PMC11370360.") for entry in entries)
    assert token == ""
    assert parse_listing((folder / "list_prefix_absent_PMC99999999999.xml").read_bytes()) == ([], "")
    with pytest.raises(InputError, match="not a bucket listing"):
        parse_listing(b"<Error>")
