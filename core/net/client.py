"""HTTP with everything that makes a large download come out whole.

One :class:`Client` serves all threads of a worker: connections are kept, each host's rate is limited
across workers, failures are retried with jittered backoff (or when ``Retry-After`` says), a broken body is
resumed where it broke, and what arrives is checked before anybody sees it.
"""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin, urlsplit

from ..errors import InputError, TransientError
from .cache import DiskCache
from .limits import HostLimits
from .options import NetOptions, user_cache

if TYPE_CHECKING:
    import httpx

Kind = Literal["any", "xml", "json", "image", "zip"]
Sign = Callable[[str, str, dict[str, str]], dict[str, str]]
"""(method, url, headers) -> headers with authorization, made afresh for each attempt."""

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
MAX_REDIRECTS = 4
_ZIP_TAIL = 22 + 0xFFFF
"""The end record of a ZIP archive and its comment, at most (APPNOTE 4.3.16)."""


class NotFoundError(InputError):
    """The server has no such object (404, 410, S3 NoSuchKey)."""


class ChangedError(InputError):
    """The object is not of the version that was asked for any more (412)."""


class RefusedError(InputError):
    """The server will not give this object (401, 403, S3 AccessDenied)."""


@dataclass
class Response:
    """A complete, checked answer."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    cached: bool = False

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "").strip('"')


class _AgainError(Exception):
    """This attempt failed; another may do better. ``wait`` is what the server asked for."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass
class _Body:
    """What has arrived of an object so far."""

    blocks: list[bytes] = field(default_factory=list)
    size: int = 0
    etag: str = ""
    deadline: float = float("inf")
    """On the monotonic clock."""

    def add(self, block: bytes) -> None:
        self.blocks.append(block)
        self.size += len(block)

    def clear(self) -> None:
        self.blocks.clear()
        self.size = 0


class Client:
    """Fetches objects; use as a context manager. Thread-safe."""

    def __init__(
        self,
        options: NetOptions,
        rates: Mapping[str, float] | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        folder = options.cache_folder()
        self.options = options
        self.cache = DiskCache(folder, options.cache_bytes) if folder else None
        self._stopped = threading.Event()
        self._sleep = sleep or self._wait
        self.limits = HostLimits(rates or {}, user_cache() / "limits", options.rate, sleep=self._sleep)
        self.observer: Callable[[Response], None] = lambda response: None
        """Called with every answer that a server gave, from the thread that asked (``pmcx check-live``)."""
        self._http: httpx.Client | None = None

    def __enter__(self) -> Client:
        import httpx

        from ... import __version__

        contact = f"; mailto:{self.options.contact}" if self.options.contact else ""
        self._http = httpx.Client(
            timeout=httpx.Timeout(self.options.timeout, pool=None),
            limits=httpx.Limits(
                max_connections=self.options.connections,
                max_keepalive_connections=self.options.connections,
            ),
            headers={
                "user-agent": f"pmcx/{__version__} (+https://pypi.org/project/pmcx-extract{contact})",
                "accept-encoding": "identity",  # bodies are read as they come, so that they can be resumed
            },
            follow_redirects=False,
            trust_env=True,
        )
        return self

    def __exit__(self, *exc: object) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None
        self.limits.close()

    def stop(self) -> None:
        """Let whatever waits for another try, or for its turn, give up now."""
        self._stopped.set()

    def _wait(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise TransientError("stopped while waiting for a server")

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        md5: str = "",
        size: int | None = None,
        kind: Kind = "any",
        cache_key: str = "",
        sign: Sign | None = None,
        byte_range: tuple[int, int] | None = None,
        if_match: str = "",
        seconds: float = 0.0,
        check: Callable[[bytes], str] | None = None,
        fresh: bool = False,
    ) -> Response:
        """The whole object (or the half-open ``byte_range`` of it), verified.

        ``md5`` and ``size`` are checked, ``kind`` against the first bytes (an HTML error page is no XML);
        ``check`` says what is wrong with a body ("": nothing), which is then fetched again.
        With ``cache_key`` (address and version of something immutable) or ``md5`` the cache is used;
        ``fresh`` replaces what it holds.
        Raises NotFoundError or RefusedError (never retried), InputError for an object beyond
        ``max_bytes``, ChangedError for one of another version than ``if_match``, TransientError when all
        attempts failed, when they took longer than ``seconds`` together (0: no bound), or offline.
        """
        key = cache_key or (f"{url}#{md5}" if md5 else "")
        if key and byte_range is not None:
            key += f"#{byte_range[0]}-{byte_range[1]}"
        if key and self.cache is not None and not fresh:
            data = self.cache.get(key)
            if data is not None and not _mismatch(data, md5, size):
                return Response(url, 200, {}, data, cached=True)
        if self.options.offline:
            raise TransientError(f"{_short(url)} is not in the cache, and --offline is set")
        response = self._attempts(
            url,
            dict(headers or {}),
            lambda data: (
                _mismatch(data, md5, size) or _wrong_kind(data, kind) or (check or _no_problem)(data)
            ),
            sign,
            byte_range,
            if_match,
            time.monotonic() + seconds if seconds else float("inf"),
        )
        self.observer(response)
        if key and self.cache is not None:
            self.cache.put(key, response.body)
        return response

    # -- attempts -------------------------------------------------------------------------------

    def _attempts(
        self,
        url: str,
        headers: dict[str, str],
        problem: Callable[[bytes], str],
        sign: Sign | None,
        byte_range: tuple[int, int] | None,
        if_match: str,
        deadline: float,
    ) -> Response:
        import httpx

        body = _Body(etag=if_match, deadline=deadline)
        host = urlsplit(url).netloc
        why = ""
        for attempt in range(1, self.options.attempts + 1):
            self.limits.wait(host)
            try:
                response = self._once(url, headers, body, sign, byte_range, if_match)
                wrong = problem(response.body)
                if not wrong:
                    return response
                body = _Body(etag=if_match, deadline=deadline)
                raise _AgainError(wrong)
            except _AgainError as again:
                why, asked = str(again), again.wait
            except (httpx.TransportError, httpx.StreamError) as error:
                why, asked = f"{type(error).__name__}: {error}".rstrip(": "), None
            if time.monotonic() > deadline:
                raise TransientError(f"{_short(url)}: {why} (attempt {attempt}, no time left)")
            if attempt < self.options.attempts:
                self._pause(host, attempt, asked)
        raise TransientError(f"{_short(url)}: {why} ({self.options.attempts} attempts)")

    def _pause(self, host: str, attempt: int, asked: float | None) -> None:
        if asked is not None:
            # The server speaks to all of us: every worker holds off.
            self.limits.pause(host, min(asked, self.options.max_wait))
            return
        self._sleep(random.uniform(0, min(self.options.max_wait, 0.25 * 2**attempt)))

    def _once(
        self,
        url: str,
        headers: dict[str, str],
        body: _Body,
        sign: Sign | None,
        byte_range: tuple[int, int] | None,
        if_match: str,
    ) -> Response:
        assert self._http is not None, "open the client first"
        sent = dict(headers)
        start, stop = byte_range or (0, 0)
        resuming = body.size > 0 and bool(body.etag)
        if not resuming:
            body.clear()
        if resuming or byte_range is not None:
            sent["range"] = f"bytes={start + body.size}-{stop - 1 if byte_range else ''}"
        if resuming or if_match:
            sent["if-match"] = f'"{body.etag}"'
        for _ in range(MAX_REDIRECTS):
            signed = sign("GET", url, sent) if sign is not None else sent
            with self._http.stream("GET", url, headers=signed) as answer:
                if answer.status_code in (301, 302, 303, 307, 308):
                    url = _redirect(url, answer.headers.get("location", ""))
                    continue
                self._check_status(answer, url, body, if_match)
                if byte_range is not None and answer.status_code != 206:
                    raise _AgainError("the whole object where a part of it was asked for")
                self._read(answer, body, resuming and answer.status_code == 206)
                return Response(url, answer.status_code, dict(answer.headers), b"".join(body.blocks))
        raise _AgainError("redirected again and again")

    def _check_status(self, answer: Any, url: str, body: _Body, if_match: str) -> None:
        status = answer.status_code
        if status in (200, 206):
            return
        text = answer.read()[:2000].decode("utf-8", "replace")
        if status in RETRIED:
            raise _AgainError(
                f"HTTP {status}{_code(text)}", _retry_after(answer.headers.get("retry-after", ""))
            )
        if status == 412:
            if if_match:
                raise ChangedError(f"{_short(url)} changed on the server (its ETag was {if_match})")
            body.clear()
            body.etag = ""
            raise _AgainError("the object changed between two parts")
        if status == 416:
            body.clear()
            raise _AgainError("the rest of the object is not there")
        if status in (404, 410):
            raise NotFoundError(f"{_short(url)}: not found (HTTP {status}{_code(text)})")
        if status in (401, 403):
            raise RefusedError(f"{_short(url)}: refused (HTTP {status}{_code(text)})")
        raise InputError(f"{_short(url)}: HTTP {status}{_code(text)}")

    def _read(self, answer: Any, body: _Body, appending: bool) -> None:
        """Read the body into ``body``, watching size and pace; what came stays there for a resume."""
        if not appending:
            body.clear()
        body.etag = answer.headers.get("etag", "").strip('"') or body.etag
        length = answer.headers.get("content-length", "")
        limit = self.options.max_bytes
        if length.isdigit() and int(length) + body.size > limit:
            raise InputError(f"{_short(str(answer.url))}: {length} bytes (limit max_bytes={limit})")
        began, before = time.monotonic(), body.size
        for block in answer.iter_raw():
            body.add(block)
            if body.size > limit:
                raise InputError(f"{_short(str(answer.url))}: more than {limit} bytes (limit max_bytes)")
            if time.monotonic() > body.deadline:
                raise _AgainError(f"too slow: {body.size} bytes when its time was up")
            spent = time.monotonic() - began
            if spent > self.options.timeout and body.size - before < self.options.min_rate * spent:
                raise _AgainError(f"stalled: {body.size - before} bytes in {spent:.0f} s")


def _redirect(url: str, location: str) -> str:
    """The next address, on the same host; another host is never followed."""
    target = urljoin(url, location)
    here, there = urlsplit(url), urlsplit(target)
    if not location or (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise _AgainError(f"redirected to {there.netloc or 'nowhere'}, which is not followed")
    return target


def _retry_after(value: str) -> float | None:
    """Seconds of a ``Retry-After`` header (RFC 9110: seconds or a date), None where there is none."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _mismatch(data: bytes, md5: str, size: int | None) -> str:
    if size is not None and len(data) != size:
        return f"{len(data)} bytes where {size} were promised"
    if md5 and hashlib.md5(data, usedforsecurity=False).hexdigest() != md5.lower():
        return "its md5 differs from the one promised"
    return ""


def _wrong_kind(data: bytes, kind: Kind) -> str:
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if kind == "any":
        return ""
    if head.startswith((b"<!doctype html", b"<html")):
        return f"an HTML page where {kind} was expected"
    if kind == "xml" and not head.startswith(b"<"):
        return "no XML"
    if kind == "json":
        return _json_problem(data)
    if kind == "zip" and not (head.startswith(b"pk") and b"PK\5\6" in data[-_ZIP_TAIL:]):
        return "no complete ZIP archive"
    if kind == "image" and not data:
        return "an empty file where an image was expected"
    return ""


def _json_problem(data: bytes) -> str:
    import msgspec

    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"no complete JSON ({error})"
    return ""


def _no_problem(data: bytes) -> str:
    return ""


def _code(text: str) -> str:
    """The S3 error code of an XML error body, for the message."""
    import re

    match = re.search(r"<Code>([A-Za-z]{1,40})</Code>", text)
    return f" {match[1]}" if match else ""


class _NoQueries(logging.Filter):
    """Shortens the addresses in what httpx logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                _short(str(each)) if type(each).__name__ == "URL" else each for each in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_NoQueries())


def _short(url: str) -> str:
    """An address without its query: signatures and keys never reach a log."""
    return urlsplit(url)._replace(query="", fragment="").geturl()
