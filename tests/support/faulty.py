"""A loopback HTTP server that fails on request, in every way that real servers do."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FaultyServer:
    """Serves ``objects`` by path; ``faults[path]`` is a list of faults used up one by one, then all is well.

    Faults: an HTTP status (``"503"``, ``"429:2"`` with Retry-After), ``reset`` (connection closed at once),
    ``stall`` (nothing more after half the body), ``truncate`` (closed after half the body), ``wrong`` (other
    bytes of the same length), ``html`` (an error page with status 200), ``away`` (redirect to another host),
    ``home`` (redirect to itself), ``changed`` (the object changes, with a new ETag), ``slow``.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.faults: defaultdict[str, list[str]] = defaultdict(list)
        self.requests: list[tuple[float, str, dict[str, str]]] = []
        self.stop_stalling = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop_stalling.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def times(self, path: str) -> list[float]:
        return [when for when, where, _ in self.requests if where == path]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.requests.append((time.monotonic(), path, headers))
        fault = self.faults[path].pop(0) if self.faults[path] else ""
        if fault == "changed":
            self.objects[path] = self.objects[path][::-1]
            fault = ""
        body = self.objects.get(path)
        if fault[:3].isdigit():
            self._status(request, fault)
        elif fault == "reset":
            request.connection.close()
        elif fault in ("away", "home"):
            where = "http://127.0.0.2:9/elsewhere" if fault == "away" else f"{self.base}{path}"
            self._send(request, 302, b"", {"Location": where})
        elif fault == "html":
            self._send(request, 200, b"<!DOCTYPE html><html><body>Maintenance</body></html>", {})
        elif body is None:
            self._send(request, 404, b"<Error><Code>NoSuchKey</Code></Error>", {})
        else:
            self._object(request, body, headers, fault)

    def _status(self, request: BaseHTTPRequestHandler, fault: str) -> None:
        status, _, after = fault.partition(":")
        code = {
            "503": b"<Error><Code>SlowDown</Code></Error>",
            "403": b"<Error><Code>AccessDenied</Code></Error>",
        }
        extra = {"Retry-After": after} if after else {}
        self._send(request, int(status), code.get(status, b"no"), extra)

    def _object(
        self, request: BaseHTTPRequestHandler, body: bytes, headers: dict[str, str], fault: str
    ) -> None:
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        if headers.get("if-match", etag) != etag:
            self._send(request, 412, b"", {})
            return
        status, extra = 200, {"ETag": etag}
        if "range" in headers:
            first, _, last = headers["range"].removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1 if last else len(body), len(body))
            extra["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
            body, status = body[start:stop], 206
        if fault == "wrong":
            body = bytes(byte ^ 1 for byte in body)
        self._send(request, status, body, extra, fault)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str],
        fault: str = "",
    ) -> None:
        request.send_response(status)
        for key, value in headers.items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        half = len(body) // 2
        try:
            if fault in ("truncate", "stall"):
                request.wfile.write(body[:half])
                request.wfile.flush()
                if fault == "stall":
                    self.stop_stalling.wait(30)
                request.close_connection = True
                request.connection.close()
            elif fault == "slow":
                for n in range(0, len(body), 64):
                    request.wfile.write(body[n : n + 64])
                    request.wfile.flush()
                    time.sleep(0.05)
            else:
                request.wfile.write(body)
        except OSError:
            pass
