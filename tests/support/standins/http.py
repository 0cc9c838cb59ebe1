"""A small loopback HTTP/1.1 server: the base of all stand-ins."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl

from typing_extensions import Self

from .faults import Fault, Faults, no_faults

PAGE = b"<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body>Back soon.</body></html>\n"
BODILESS = (204, 304)


@dataclass(frozen=True)
class Hit:
    """One request and what it got; ``bytes`` of body were (to be) sent, ``time`` is monotonic seconds."""

    time: float
    method: str
    path: str
    """As sent, still percent-encoded."""
    query: str
    headers: Mapping[str, str]
    """Names in lower case."""
    status: int
    """0 where the connection was closed without an answer."""
    bytes: int


@dataclass(frozen=True)
class Request:
    """One request as it came: ``path`` and ``query`` still percent-encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    def parameters(self) -> dict[str, str]:
        """The query, and the form in a POST body, decoded; the last of a repeated name counts."""
        found = dict(parse_qsl(self.query, keep_blank_values=True))
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            found.update(parse_qsl(self.body.decode(), keep_blank_values=True))
        return found


@dataclass(frozen=True)
class Reply:
    """An answer; ``seconds`` is how long its body takes to be sent."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class RateLimit:
    """More than ``per_second`` requests of one caller within a second are too many.

    The window is a tenth shorter than a second: a client that sends evenly at the very limit must not be
    refused because two of its requests arrive with different delays.
    """

    WINDOW = 0.9

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def exceeded(self, caller: str, per_second: float) -> bool:
        now = self._clock()
        with self._lock:
            times = self._times.setdefault(caller, deque())
            while times and times[0] <= now - self.WINDOW:
                times.popleft()
            times.append(now)
            return len(times) > per_second


class StandIn:
    """A server on 127.0.0.1 for the length of a ``with``; a subclass implements ``answer``.

    ``url`` is its base address, ``log`` what was asked of it, ``faults`` what goes wrong (assign another
    one any time), ``visits`` the requests that followed a redirect to the other host (none must).
    """

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or no_faults()
        self.log: list[Hit] = []
        self.visits: list[str] = []
        self.max_concurrency = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(_Handler, self)
        self._elsewhere = _Server(_VisitHandler, self)

    def answer(self, request: Request) -> Reply:
        """What the service says; called side by side from many threads."""
        raise NotImplementedError

    def failure(self, status: int, request: Request) -> Reply:
        """The service's own words for an injected status."""
        words = HTTPStatus(status).phrase
        return Reply(status, words.encode(), {"Content-Type": "text/plain"})

    # -- life -----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._server.start()
        self._elsewhere.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._server.stop()
        self._elsewhere.stop()

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def host(self) -> str:
        """Address and port, as in the ``Host`` header."""
        return self._server.host

    # -- books ----------------------------------------------------------------------------------

    def hits(self, path: str) -> list[Hit]:
        """The requests for a path (as sent, without query), in order."""
        return [hit for hit in list(self.log) if hit.path == path]

    def forget(self) -> None:
        """Start the books anew."""
        with self._lock:
            self.log.clear()
            self.visits.clear()
            self.max_concurrency = self._under_way

    def rate_per_second(self) -> dict[int, int]:
        """Requests by second, counted from the first one."""
        times = [hit.time for hit in list(self.log)]
        first = min(times, default=0.0)
        return dict(sorted(Counter(math.floor(when - first) for when in times).items()))

    def peak_rate(self, window: float = 1.0) -> int:
        """The most requests that began within any ``window`` seconds."""
        times, start, peak = sorted(hit.time for hit in list(self.log)), 0, 0
        for end, when in enumerate(times):
            while times[start] <= when - window:
                start += 1
            peak = max(peak, end - start + 1)
        return peak

    # -- one request ----------------------------------------------------------------------------

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request, or fail it."""
        began = time.monotonic()
        with self._lock:
            self._under_way += 1
            self.max_concurrency = max(self.max_concurrency, self._under_way)
        try:
            request = _read_request(handler)
            fault = self.faults.next(request.path, request.query)
            reply = self._failed(fault, request) if fault.kind else self.answer(request)
            sending = _Sending(handler, request, reply, fault)
            status = 0 if fault.kind == "reset" else reply.status
            hit = Hit(
                began, request.method, request.path, request.query, request.headers, status,
                len(sending.body),
            )  # fmt: skip
            with self._lock:
                self.log.append(hit)
            with contextlib.suppress(OSError):
                sending.send(self._stopping, self.faults.stall_seconds)
        finally:
            with self._lock:
                self._under_way -= 1

    def _failed(self, fault: Fault, request: Request) -> Reply:
        kind = fault.kind
        if kind[:3].isdigit():
            reply = self.failure(int(kind[:3]), request)
            extra = {"Retry-After": fault.detail} if fault.detail else {}
            return Reply(reply.status, reply.body, {**reply.headers, **extra})
        if kind == "html":
            return Reply(200, PAGE, {"Content-Type": "text/html"})
        if kind in ("away", "home"):
            base = f"http://{self._elsewhere.host}" if kind == "away" else self.url
            query = f"?{request.query}" if request.query else ""
            return Reply(302, b"", {"Location": f"{base}{request.path}{query}"})
        return self.answer(request)


class _Sending:
    """An answer on its way: head, body, and what goes wrong with them."""

    def __init__(self, handler: BaseHTTPRequestHandler, request: Request, reply: Reply, fault: Fault) -> None:
        self._handler, self._reply, self._kind = handler, reply, fault.kind
        whole = b"" if request.method == "HEAD" or reply.status in BODILESS else reply.body
        length = len(reply.body)
        self.body = whole
        if self._kind in ("stall", "truncate"):
            self.body = whole[: len(whole) // 2]
        elif self._kind == "wrong-bytes":
            self.body = bytes(byte ^ 1 for byte in whole)
        elif self._kind == "wrong-length":
            length = max(0, length + (1 + length // 3) * (1 if fault.detail == "more" else -1))
        elif self._kind == "reset":
            self.body = b""
        self._head = self._make_head(length)

    def _make_head(self, length: int) -> bytes:
        status = self._reply.status
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Date: {formatdate(usegmt=True)}",
            *(f"{name}: {value}" for name, value in self._reply.headers.items()),
        ]
        if status not in BODILESS and "Content-Length" not in self._reply.headers:
            lines.append(f"Content-Length: {length}")
        if self._kind in ("stall", "truncate", "wrong-length"):
            self._handler.close_connection = True
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def send(self, stopping: threading.Event, stall_seconds: float) -> None:
        connection = self._handler.connection
        if self._kind == "reset":
            _reset(self._handler)
            return
        seconds = self._reply.seconds or (len(self.body) / 1280 if self._kind == "slow" else 0.0)
        if not seconds:
            connection.sendall(self._head + self.body)
        else:
            connection.sendall(self._head)
            _trickle(connection, self.body, seconds, stopping)
        if self._kind == "stall":
            _wait_for_client(connection, stall_seconds, stopping)


def _trickle(connection: socket.socket, body: bytes, seconds: float, stopping: threading.Event) -> None:
    """Send the body evenly over so many seconds, in steps of 50 ms."""
    steps = max(1, round(seconds / 0.05))
    size = max(1, math.ceil(len(body) / steps))
    for start in range(0, len(body), size):
        block = body[start : start + size]
        if stopping.wait(seconds * len(block) / len(body)):
            return
        connection.sendall(block)


def _wait_for_client(connection: socket.socket, seconds: float, stopping: threading.Event) -> None:
    """Say nothing until the client hangs up, or the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not stopping.is_set():
        readable, _, _ = select.select([connection], [], [], 0.05)
        if readable and not connection.recv(1, socket.MSG_PEEK):
            return
        if readable:
            stopping.wait(0.05)


def _reset(handler: BaseHTTPRequestHandler) -> None:
    """Close with RST: with no time to linger, the kernel drops the connection instead of ending it."""
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(handler.connection.detach())


def _read_request(handler: BaseHTTPRequestHandler) -> Request:
    # Not handler.path: http.server shortens a leading "//" there.
    target = handler.requestline.split()[1]
    path, _, query = target.partition("?")
    headers = {name.lower(): value for name, value in handler.headers.items()}
    body = handler.rfile.read(int(headers.get("content-length", "0") or 0))
    return Request(handler.command, path, query, headers, body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self.server.owner.serve(self)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a client that gave up is no news
            super().handle()

    def log_message(self, *args: Any) -> None:
        """Say nothing: ``StandIn.log`` has it."""


class _VisitHandler(_Handler):
    """The other host: nobody should come here."""

    def do_GET(self) -> None:
        self.server.owner.visits.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # kept-alive connections end with their clients
    request_queue_size = 256

    def __init__(self, handler: type[_Handler], owner: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.owner = owner
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def server_bind(self) -> None:
        # Without HTTPServer's look-up of the host's full name, which may ask a name server.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
        self.server_close()
