"""Connections that obey an overall deadline, can be hung up from another thread, and use proxies.

The timeout of a socket starts anew with each byte, so a server that sends a header line for ever would
hold a thread for ever. Here each read gets the shorter of that timeout and what is left of the attempt.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from ..errors import UsageError

FAILURES = (
    httpx.TransportError,
    httpx.StreamError,
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
"""What a request raises where another one may do better."""


class Watch(threading.local):
    """The time that the current thread's request has left. Its clock starts with the first use of a
    connection, so that waiting for a free one does not count."""

    def __init__(self) -> None:
        self._budget = float("inf")
        self._end: float | None = None
        self._last = float("inf")

    def start(self, budget: float, last: float = float("inf")) -> None:
        """Allow ``budget`` seconds from the next use of a connection on, and never beyond ``last``."""
        self._budget, self._last, self._end = budget, last, None

    def left(self, timeout: float | None) -> float:
        """Seconds for one operation; httpcore.ReadTimeout where there are none."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._budget
        left = min(self._end, self._last) - now
        if left <= 0:
            raise httpcore.ReadTimeout("the time for one attempt is up")
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, backend: Backend) -> None:
        self._inner, self._backend = inner, backend
        backend.add(self)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        self._backend.remove(self)
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._backend.remove(self)
        inner = self._inner.start_tls(ssl_context, server_hostname, self._backend.left(timeout))
        return _Stream(inner, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def hang_up(self) -> None:
        """End reads and writes under way; the thread that owns the stream closes it."""
        connection = self.get_extra_info("socket")
        if isinstance(connection, socket.socket):
            with contextlib.suppress(OSError):
                # Not the method of an SSL socket, which would take the session away from its reader.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class Backend(httpcore.NetworkBackend):
    """TCP connections under :class:`Watch`."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._inner = httpcore.SyncBackend()
        self._lock = threading.Lock()
        self._streams: set[_Stream] = set()
        self._stopped = False

    def left(self, timeout: float | None) -> float:
        if self._stopped:
            raise httpcore.ReadError("stopped")
        return self._watch.left(timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.connect_tcp(host, port, self.left(timeout), local_address, socket_options)
        return _Stream(inner, self)

    def add(self, stream: _Stream) -> None:
        with self._lock:
            self._streams.add(stream)

    def remove(self, stream: _Stream) -> None:
        with self._lock:
            self._streams.discard(stream)

    def stop(self) -> None:
        """Hang up everywhere, and let nothing begin."""
        self._stopped = True
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.hang_up()


class _Body(httpx.SyncByteStream):
    def __init__(self, parts: Any) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts

    def close(self) -> None:
        self._parts.close()


class Transport(httpx.BaseTransport):
    """One pool of connections to servers, and one for each proxy of the environment.

    Raises UsageError where the environment names a proxy or a file of certificates that cannot be used.
    """

    def __init__(self, connections: int) -> None:
        self.watch = Watch()
        self.backend = Backend(self.watch)
        self._settings: dict[str, Any] = {
            "ssl_context": _certificates(),
            "max_connections": connections,
            "max_keepalive_connections": connections,
            "keepalive_expiry": 5.0,
            "network_backend": self.backend,
        }
        self._direct = httpcore.ConnectionPool(**self._settings)
        self._proxies = self._make_proxies()

    def _make_proxies(self) -> dict[str, httpcore.ConnectionPool]:
        """The pool for each scheme of address that has a proxy."""
        found = getproxies()
        pools: dict[str, httpcore.ConnectionPool] = {}
        for scheme in ("http", "https"):
            name = scheme if found.get(scheme) else "all"
            if address := found.get(name):
                pools[scheme] = self._proxy(f"{name}_proxy", address)
        return pools

    def _proxy(self, name: str, address: str) -> httpcore.ConnectionPool:
        address = address if "://" in address else f"http://{address}"
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
            auth = (unquote(parts.username or "").encode(), unquote(parts.password or "").encode())
        except ValueError as error:
            raise UsageError(f"{_variable(name)} is no address of a proxy: {error}") from error
        if parts.scheme not in ("http", "https") or not host:
            told = f"{parts.scheme}://{host or ''}"
            raise UsageError(
                f"{_variable(name)} names the proxy {told}; only http:// and https:// proxies can be used"
            )
        url = httpcore.URL(scheme=parts.scheme, host=host, port=port, target="/")
        return httpcore.HTTPProxy(url, proxy_auth=auth if any(auth) else None, **self._settings)

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        proxy = self._proxies.get(url.scheme)
        if proxy is None:
            return self._direct
        names = {url.host, f"[{url.host}]"} if ":" in url.host else {url.host, f"{url.host}:{url.port or ''}"}
        return self._direct if any(map(proxy_bypass, names)) else proxy

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        address = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        asked = httpcore.Request(
            request.method,
            address,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = self._pool(request.url).handle_request(asked)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream), extensions=answer.extensions
        )

    def close(self) -> None:
        for pool in {self._direct, *self._proxies.values()}:
            pool.close()


def _variable(name: str) -> str:
    """The environment variable as it is written there, or what stands for it on this system."""
    return next((each for each in os.environ if each.lower() == name), f"the system's {name} setting")


def _certificates() -> ssl.SSLContext:
    """The certificates to trust: ``SSL_CERT_FILE``, ``SSL_CERT_DIR``, or certifi's."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        raise UsageError(f"{name} ({os.environ.get(name, 'not set')}) cannot be read: {error}") from error
