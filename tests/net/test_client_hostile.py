"""The fetch layer against servers, proxies, clocks and disks that nobody would build on purpose."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
from standins.http import Reply, Request, StandIn

from pmcx import InputError, TransientError, UsageError
from pmcx.core.net import limits as limits_module
from pmcx.core.net.cache import DiskCache
from pmcx.core.net.checks import decoded, part_end, wrong_kind
from pmcx.core.net.client import Client, NotFoundError, RefusedError, _short
from pmcx.core.net.limits import HostLimits
from pmcx.core.net.options import NetOptions, user_cache
from pmcx.core.net.s3 import Bucket, parse_listing, requester_pays
from pmcx.sources.remote import RemoteSource

Answer = Callable[[socket.socket, int], None]
DOC = b"<article>" + b"text " * 40 + b"</article>"


class RawServer:
    """Sends what it is told to, one connection a request; ``heads`` are the requests."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[str] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        for connection in (self._listener, *list(self._open)):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    block = connection.recv(4096)
                    if not block:
                        return
                    head += block
                with self._lock:
                    self.heads.append(head.decode("latin-1").lower())
                    number = len(self.heads)
                self._answer(connection, number)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
            except OSError:
                return


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], RawServer]]:
    servers: list[RawServer] = []

    def start(answer: Answer) -> RawServer:
        servers.append(RawServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


Serve = Callable[[Answer], RawServer]


def answer(status: str, *headers: str, body: bytes = b"", length: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def always(data: bytes) -> Answer:
    return lambda connection, number: connection.sendall(data)


def in_turn(*answers: bytes) -> Answer:
    return lambda connection, number: connection.sendall(answers[min(number, len(answers)) - 1])


def client(**options: Any) -> Client:
    settings = {"cache": "none", "timeout": 1.0, "max_wait": 0.05, "attempts": 3, **options}
    return Client(NetOptions(**settings))


def whole(start: bytes, etag: str = '"one"') -> bytes:
    """The head of an object of ``DOC``'s size, and only the beginning of its body."""
    return answer("200 OK", f"ETag: {etag}", f"Content-Length: {len(DOC)}", body=start, length=False)


def part(begin: int, stop: int, total: int | str, etag: str = '"one"', data: bytes | None = None) -> bytes:
    body = DOC[begin:stop] if data is None else data
    return answer("206 Part", f"ETag: {etag}", f"Content-Range: bytes {begin}-{stop - 1}/{total}", body=body)


# -- partial answers ----------------------------------------------------------------------------


def test_a_part_where_all_was_asked_for_is_not_the_object(serve: Serve) -> None:
    server = serve(in_turn(part(3, 90, 400), answer("200 OK", body=DOC)))
    with client() as http:
        assert http.get(f"{server.url}/x").body == DOC
    assert len(server.heads) == 2


@pytest.mark.parametrize(
    "second",
    [
        part(50, len(DOC), len(DOC), etag='"two"', data=b"#" * (len(DOC) - 50)),
        part(0, len(DOC), len(DOC)),
        part(60, len(DOC), len(DOC)),
        part(50, len(DOC) + 5, len(DOC) + 5, data=b"#" * (len(DOC) - 45)),
        part(50, len(DOC) - 5, len(DOC)),
        answer("206 Part", 'ETag: "one"', body=DOC[50:]),
        answer("206 Part", f"Content-Range: bytes 50-{len(DOC) - 1}/{len(DOC)}", body=b"#" * (len(DOC) - 50)),
    ],
    ids=["other-etag", "from-0", "gap", "longer", "shorter", "no-content-range", "no-etag"],
)
def test_a_resume_takes_only_the_rest_of_the_same_version(serve: Serve, second: bytes) -> None:
    server = serve(in_turn(whole(DOC[:50]), second, answer("200 OK", body=DOC)))
    with client() as http:
        assert http.get(f"{server.url}/x").body == DOC
    assert ["range: bytes=50-\r\n" in head for head in server.heads] == [False, True, False]


def test_a_right_rest_is_appended_and_a_whole_answer_starts_anew(serve: Serve) -> None:
    server = serve(in_turn(whole(DOC[:50]), part(50, len(DOC), len(DOC))))
    with client() as http:
        assert http.get(f"{server.url}/x").body == DOC
    assert 'if-match: "one"' in server.heads[1]
    server = serve(in_turn(whole(b"#" * 50), answer("200 OK", 'ETag: "two"', body=DOC)))
    with client() as http:
        assert http.get(f"{server.url}/x").body == DOC


def test_a_byte_range_is_the_one_that_was_asked_for(serve: Serve) -> None:
    wrong = [part(0, 4, 400, data=b"AAAA"), part(50, 52, 400, data=b"AA"), answer("206 Part", body=b"AAAA")]
    server = serve(in_turn(*wrong, part(50, 54, 400, data=b"good")))
    with client(attempts=4) as http:
        assert http.get(f"{server.url}/x", byte_range=(50, 54)).body == b"good"
    server = serve(always(part(50, 54, 54, data=b"last")))
    with client() as http:
        assert http.get(f"{server.url}/x", byte_range=(50, 900)).body == b"last"


def test_parts_are_read_strictly() -> None:
    assert part_end("bytes 5-9/10", 5, None, None) == 10
    assert part_end("bytes 5-9/10", 5, None, 10) == 10
    assert part_end("bytes 5-9/*", 5, 10, None) == 10
    assert part_end("bytes 5-9/10", 5, 99, None) == 10
    assert part_end("bytes 5-9/*", 5, None, 10) == 10
    for told in ("", "bytes */10", "5-9/10", "bytes 5-8/10", "bytes 4-9/10", "bytes 5-9/11", "bytes 5-٩/10"):
        assert part_end(told, 5, None, 10) is None
    assert part_end("bytes 5-9/20", 5, 8, None) is None


def test_if_match_holds_where_a_server_does_not_know_it(serve: Serve) -> None:
    server = serve(always(part(0, 4, 400, etag='"two"', data=b"AAAA")))
    with client() as http, pytest.raises(TransientError, match="ETag two where one was asked for"):
        http.get(f"{server.url}/x", byte_range=(0, 4), if_match="one")


def test_weak_etags_are_not_resumed_with(serve: Serve) -> None:
    server = serve(in_turn(whole(DOC[:50], etag='W/"one"'), answer("200 OK", 'ETag: W/"one"', body=DOC)))
    with client() as http:
        got = http.get(f"{server.url}/x")
    assert (got.body, got.etag) == (DOC, "")
    assert "if-match" not in server.heads[1] and "range" not in server.heads[1]


# -- encodings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("gzip", gzip.compress(DOC)),
        ("deflate", zlib.compress(DOC)),
        ("deflate", zlib.compress(DOC)[2:-4]),
        ("gzip", gzip.compress(DOC[:9]) + gzip.compress(DOC[9:])),
    ],
)
def test_an_encoding_that_nobody_asked_for_is_undone(serve: Serve, name: str, data: bytes) -> None:
    server = serve(always(answer("200 OK", f"Content-Encoding: {name}", body=data)))
    with client() as http:
        assert http.get(f"{server.url}/x", kind="xml", size=len(DOC)).body == DOC
        assert http.get(f"{server.url}/x", size=len(data)).body == data, "stored so: the bytes as promised"


def test_a_broken_encoded_body_is_not_resumed(serve: Serve) -> None:
    data = gzip.compress(DOC)
    head = answer(
        "200 OK", 'ETag: "z"', "Content-Encoding: gzip", f"Content-Length: {len(data)}", length=False
    )
    server = serve(in_turn(head + data[:20], head + data))
    with client() as http:
        assert http.get(f"{server.url}/x").body == DOC
    assert "range" not in server.heads[1]


def test_bad_encodings_are_told() -> None:
    with pytest.raises(ValueError, match="'br'"):
        decoded(b"x", "br", 100)
    with pytest.raises(ValueError, match="cut off"):
        decoded(gzip.compress(DOC)[:-9], "gzip", 1000)
    with pytest.raises(ValueError, match="damaged"):
        decoded(b"not gzip at all", "gzip", 1000)
    with pytest.raises(ValueError, match="max_bytes"):
        decoded(gzip.compress(bytes(5_000_000)), "gzip", 1000)


# -- kinds --------------------------------------------------------------------------------------

COMPLETE = [
    b"<a/>",
    b"<a x='1'/>\n",
    b"<a><b/></a>",
    b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- <b> --><a>\n</a >\n<!-- end --><?done?>\n",
    b'<!DOCTYPE a PUBLIC "-//X//>" "x.dtd" [<!ENTITY b "</c>">\n]>\n<a></a>',
    b"<jats:article xmlns:jats='x'>t</jats:article>",
    "<a>é</a>".encode("utf-16"),
]
CUT = [
    *(DOC[:stop] for stop in (1, 5, 9, 30, len(DOC) - 10, len(DOC) - 1)),
    b"<?xml version='1.0'?>",
    b"<a><b/>",
    b"<a><b></b>",
    b"<article><a></a>",
    b"<a></a",
    b"",
]


@pytest.mark.parametrize("data", COMPLETE)
def test_complete_xml_is_complete(data: bytes) -> None:
    assert wrong_kind(data, "xml") == ""


@pytest.mark.parametrize("data", CUT)
def test_cut_xml_is_not(data: bytes) -> None:
    assert wrong_kind(data, "xml") != ""


def test_a_login_page_is_no_xml() -> None:
    page = b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "x" "y">\n<html xmlns="z"><body>In</body></html>'
    assert wrong_kind(page, "xml") == "an HTML page where xml was expected"


def test_cut_xml_and_deep_json_are_fetched_again(serve: Serve) -> None:
    server = serve(in_turn(answer("200 OK", body=DOC[:100]), answer("200 OK", body=DOC)))
    with client() as http:
        assert http.get(f"{server.url}/x", kind="xml").body == DOC
    server = serve(always(answer("200 OK", body=b"[" * 200_000)))
    with client() as http, pytest.raises(TransientError, match="nested too deeply"):
        http.get(f"{server.url}/x", kind="json")


# -- statuses and redirects ---------------------------------------------------------------------


@pytest.mark.parametrize("status", ["520 x", "524 x", "598 x", "599 x"])
def test_statuses_of_gateways_pass(serve: Serve, status: str) -> None:
    server = serve(in_turn(answer(status), answer("200 OK", body=DOC)))
    with client() as http:
        assert http.get(f"{server.url}/x").body == DOC


def test_the_codes_of_s3_that_pass_do(serve: Serve) -> None:
    late = answer("400 Bad Request", body=b"<Error><Code>RequestTimeout</Code></Error>")
    server = serve(in_turn(late, answer("200 OK", body=DOC)))
    with client() as http:
        assert http.get(f"{server.url}/x").body == DOC
    skewed = answer("403 Forbidden", body=b"<Error><Code>RequestTimeTooSkewed</Code></Error>")
    with client() as http, pytest.raises(RefusedError, match="RequestTimeTooSkewed"):
        http.get(f"{serve(always(skewed)).url}/x")


@pytest.mark.parametrize("place", ["http://[", "http://h:99999999/", "/a\x01b", "http://u:secret@h/"])
def test_redirects_to_nowhere_are_failed_attempts(serve: Serve, place: str) -> None:
    server = serve(in_turn(answer("302 Found", f"Location: {place}"), answer("200 OK", body=DOC)))
    with client() as http:
        assert http.get(f"{server.url}/x").body == DOC
    server = serve(always(answer("302 Found", f"Location: {place}")))
    with client() as http, pytest.raises(TransientError) as told:
        http.get(f"{server.url}/x")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("url", ["http://[::1/x", "http://a\x01b/", f"http://{'a' * 70}.example/"])
def test_what_is_no_address_is_an_input_error(url: str) -> None:
    with client() as http, pytest.raises(InputError, match="no address"):
        http.get(url)


# -- servers that never end ---------------------------------------------------------------------


def drip(head: bytes) -> Answer:
    def answer(connection: socket.socket, number: int) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(b"a")
            time.sleep(0.03)

    return answer


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;"]
)
def test_dripping_headers_and_chunk_lines_are_given_up(serve: Serve, head: bytes) -> None:
    began = time.monotonic()
    with client(timeout=0.2, attempts=2) as http, pytest.raises(TransientError):
        http.get(f"{serve(drip(head)).url}/x")
    assert time.monotonic() - began < 10
    with client(timeout=60.0) as http, pytest.raises(TransientError, match="no time left"):
        http.get(f"{serve(drip(head)).url}/x", seconds=0.5)
    assert time.monotonic() - began < 20


def test_an_endless_error_is_read_to_its_beginning_only(serve: Serve) -> None:
    began = time.monotonic()
    with client(timeout=0.3) as http, pytest.raises(NotFoundError):
        http.get(f"{serve(drip(answer('404 Not Found', length=False))).url}/x")
    assert time.monotonic() - began < 5
    sent = []

    def flood(connection: socket.socket, number: int) -> None:
        connection.sendall(answer("500 Error", length=False) + b"<Code>InternalError</Code>")
        for _ in range(400):
            connection.sendall(bytes(1 << 20))
            sent.append(1)

    with client(attempts=1) as http, pytest.raises(TransientError, match="500 InternalError"):
        http.get(f"{serve(flood).url}/x")
    assert len(sent) < 50, "megabytes of it"


def test_retry_after_beyond_the_time_allowed_ends_at_once(serve: Serve) -> None:
    server = serve(always(answer("503 Slow Down", "Retry-After: 60")))
    began = time.monotonic()
    with client(max_wait=120.0) as http:
        with pytest.raises(TransientError, match=r"HTTP 503 \(attempt 1, no time left"):
            http.get(f"{server.url}/x", seconds=1.0)
        http.limits.pause(server.url.removeprefix("http://"), 60.0)
        with pytest.raises(TransientError, match="its turn is too far away"):
            http.get(f"{server.url}/x", seconds=1.0)
    assert time.monotonic() - began < 10


def test_stopping_ends_requests_under_way(serve: Serve) -> None:
    asked = threading.Event()

    def silent(connection: socket.socket, number: int) -> None:
        asked.set()
        connection.recv(1)

    class Silent(RemoteSource):
        name = "silent"
        Options = NetOptions

    source = Silent({"cache": "none", "timeout": 300.0})
    source.cancel()  # before it is open
    failed: list[BaseException] = []

    def get() -> None:
        try:
            source.client.get(f"{server.url}/x")
        except TransientError as error:
            failed.append(error)

    server = serve(silent)
    with source:
        thread = threading.Thread(target=get)
        thread.start()
        assert asked.wait(10)
        source.cancel()
        thread.join(20)
        assert not thread.is_alive() and "stopped" in str(failed[0])
        with pytest.raises(TransientError, match="stopped"):
            source.client.get(f"{server.url}/x")
    assert len(server.heads) == 1


# -- options and environment --------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["localhost", "localhost:80", "ftp://h/", "http://", "http://[::1", "http://h/?x=1", "http://h/#f",
     "http://a b/", "http://h:99999", "//h/", "http://h\n/"],
)  # fmt: skip
def test_addresses_that_cannot_be_asked_are_refused(address: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="must be http://host"):
        NetOptions(endpoint=address)


def test_addresses_lose_their_slash_and_may_hold_no_password() -> None:
    assert NetOptions(endpoint="http://[::1]:80/a//").endpoint == "http://[::1]:80/a"
    assert NetOptions(endpoint="").endpoint == ""
    with pytest.raises(UsageError, match="endpoint: an address with a user name") as told:
        NetOptions(endpoint="https://alice:S3CR3T@h/")
    assert "S3CR3T" not in str(told.value)
    assert _short("https://alice:S3CR3T@h:1/a?key=k#f") == "https://h:1/a"
    assert "S3CR3T" not in _short("https://alice:S3CR3T@[h/")


@pytest.mark.parametrize("contact", ["müller@example.org", "a@b\r\nX-Evil: 1", "a@b\x7f"])
def test_a_contact_that_fits_in_no_header_is_refused(contact: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="plain ASCII"):
        NetOptions(contact=contact)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PROXY", "socks5://u:S3CR3T@127.0.0.1:1"),
        ("https_proxy", "http://u:S3CR3T@127.0.0.1:99999"),
        ("ALL_PROXY", "garbage://u:S3CR3T@x"),
        ("HTTPS_PROXY", "http://[x"),
        ("SSL_CERT_FILE", "/nonexistent/file.pem"),
    ],
)
def test_a_bad_environment_is_told_by_name(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=name) as told, client():
        pass
    assert "S3CR3T" not in str(told.value)


class Proxy(StandIn):
    def answer(self, request: Request) -> Reply:
        return Reply(200, b"by proxy " + request.headers.get("proxy-authorization", "").encode())


@pytest.mark.parametrize("exempt", ["", "[::1],fe80::/10"])
def test_proxies_are_used_but_for_what_is_exempt(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch, serve: Serve, exempt: str
) -> None:
    server = serve(always(answer("200 OK", body=b"directly")))
    with Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("http://", "http://user:p%40ss@"))
        monkeypatch.setenv("NO_PROXY", exempt)
        with client() as http:
            assert http.get("http://host.invalid/x").body == b"by proxy Basic dXNlcjpwQHNz"
        monkeypatch.setenv("NO_PROXY", f"{exempt},127.0.0.1")
        with client() as http:
            assert http.get(f"{server.url}/x").body == b"directly"


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    def homeless(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("PMCX_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert user_cache() is None and NetOptions().cache_folder() is None
    with Client(NetOptions()) as http:
        assert http.get(f"{serve(always(answer('200 OK', body=DOC))).url}/x", cache_key="k").body == DOC


def test_folders_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert NetOptions(cache="~/x").cache_folder() == Path("/home/someone/x")
    monkeypatch.setenv("PMCX_CACHE", "~/y")
    assert user_cache() == Path("/home/someone/y")


def test_a_cache_that_may_only_be_read_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DiskCache(tmp_path, 1000).put("k", b"kept")

    def denied(*args: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "utime", denied)
    assert DiskCache(tmp_path, 1000).get("k") == b"kept"


# -- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["flock", "pwrite"])
def test_limits_that_cannot_be_shared_hold_in_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    pytest.importorskip("fcntl")

    def fail(*args: object) -> None:
        raise OSError(errno.ENOSYS if broken == "flock" else errno.ENOSPC, "no")

    monkeypatch.setattr(limits_module.fcntl if broken == "flock" else os, broken, fail)
    slept: list[float] = []
    limits = HostLimits({"h": 10.0}, tmp_path, clock=lambda: 100.0, sleep=slept.append)
    for _ in range(3):
        assert limits.wait("h")
    assert slept == [pytest.approx(0.105), pytest.approx(0.21)]
    limits.close()


@pytest.mark.parametrize("shared", [True, False])
def test_a_clock_put_back_holds_nobody_up(tmp_path: Path, shared: bool) -> None:
    now = [10_000.0]
    slept: list[float] = []
    folder = tmp_path if shared else None
    limits = HostLimits({"h": 1.0}, folder, clock=lambda: now[0], sleep=slept.append)
    limits.wait("h")
    now[0] -= 3000.0
    limits.wait("h")
    assert slept == []
    limits.wait("h")
    assert slept == [pytest.approx(1.05)]
    limits.close()


@pytest.mark.parametrize("state", [b"\xff" * 16, b"ab", struct.pack("<d", time.time() + 3000.0)])
def test_damaged_states_of_limits_are_none(tmp_path: Path, state: bytes) -> None:
    (tmp_path / "h.limit").write_bytes(state)
    slept: list[float] = []
    limits = HostLimits({"h": 1.0}, tmp_path, sleep=slept.append)
    limits.wait("h")
    assert slept == []
    limits.close()


def test_long_waits_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    limits = HostLimits({}, clock=lambda: 100.0, sleep=lambda seconds: None)
    limits.pause("h", 50.0)
    assert limits.wait("h") and limits.wait("h")
    assert not limits.wait("h", longest=10.0)
    assert [record.getMessage()[:20] for record in caplog.records] == ["waiting 50 s for h ("]


# -- listings -----------------------------------------------------------------------------------


def listing(*keys: str, more: str = "false", token: str = "") -> bytes:
    contents = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys)
    following = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    inside = f"<IsTruncated>{more}</IsTruncated>{contents}{following}"
    return f"<ListBucketResult>{inside}</ListBucketResult>".encode()


@pytest.mark.parametrize(
    "page",
    [
        listing("a", more="true"),
        b"<?xml version='1.0'?><Error><Code>InternalError</Code></Error>",
        b"<?xml version='1.0'?><!DOCTYPE html><html><body>Log in</body></html>",
        listing("a")[:-30],
    ],
    ids=["no-token", "error", "login", "cut"],
)
def test_what_is_no_whole_listing_is_asked_for_again(serve: Serve, page: bytes) -> None:
    server = serve(in_turn(answer("200 OK", body=page), answer("200 OK", body=listing("a", "b"))))
    with client() as http:
        assert [entry.key for entry in Bucket(http, "b", server.url).list("")] == ["a", "b"]
    with client() as http, pytest.raises(TransientError):
        list(Bucket(http, "b", serve(always(answer("200 OK", body=page))).url).list(""))


def test_listings_go_on_and_do_not_go_round(serve: Serve) -> None:
    assert parse_listing(listing("a", more="True", token="T"))[1] == "T"
    turns = [listing(str(n), more="true", token="ST"[n % 2]) for n in range(6)]
    server = serve(in_turn(*(answer("200 OK", body=page) for page in turns)))
    with client() as http, pytest.raises(TransientError, match="round in circles"):
        list(Bucket(http, "b", server.url).list(""))
    assert len(server.heads) == 3


def test_a_profile_that_does_not_exist_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_PROFILE", "nobody-of-this-name")
    with pytest.raises(UsageError, match="nobody-of-this-name"):
        requester_pays()
