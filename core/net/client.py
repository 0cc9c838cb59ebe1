"""HTTP with everything that makes a large download come out whole.

One :class:`Client` serves all threads of a worker: connections are kept, each host's rate is limited
across workers, failures are retried with jittered backoff (or when ``Retry-After`` says), a broken body is
resumed where it broke, and what arrives is checked before anybody sees it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from ..errors import InputError, TransientError
from .cache import DiskCache
from .checks import Kind, decoded, mismatch, part_end, wrong_kind
from .limits import HostLimits
from .options import NetOptions, user_cache

if TYPE_CHECKING:
    import httpx

    from .transport import Transport

log = logging.getLogger(__name__)

Sign = Callable[[str, str, dict[str, str]], dict[str, str]]
"""(method, url, headers) -> headers with authorization, made afresh for each attempt."""

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 598, 599})
"""Statuses that pass; 520 to 524 are Cloudflare's, 598 and 599 those of proxies that gave up."""
PASSING = frozenset({"RequestTimeout", "InternalError", "SlowDown", "ServiceUnavailable"})
"""Error codes of S3 that pass, whatever the status (RequestTimeout comes with 400)."""
MAX_REDIRECTS = 4
HEADER_TIMEOUTS = 4
"""Connecting, sending and all headers may take so many times ``timeout`` together."""
LATEST_BYTES = 4 * 2**20
"""Answers that may change are kept for ``--offline`` up to this size."""
WARN_EVERY = 30.0
"""Seconds between two warnings about a host."""
SAME_WRONG = 4
"""So many times the same bytes with another checksum than promised: the object itself is wrong."""
ERROR_BYTES = 4096
"""How much of an error's body is read."""
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)


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
        """The strong ETag without its quotes; "" where there is none."""
        return _strong(self.headers.get("etag", ""))


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
    encoding: str = ""
    total: int | None = None
    """Size of the whole object, where the server told."""
    end: int | None = None
    """What ``size`` is at the end of the part that is being read, where the server told."""

    def add(self, block: bytes) -> None:
        self.blocks.append(block)
        self.size += len(block)

    def clear(self) -> None:
        self.blocks.clear()
        self.size = 0

    def forget(self) -> None:
        """Begin anew, with whatever version there is then."""
        self.clear()
        self.etag = ""


@dataclass(frozen=True)
class _Asked:
    """A request, the same in all attempts."""

    url: str
    headers: Mapping[str, str]
    sign: Sign | None
    byte_range: tuple[int, int] | None
    if_match: str


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
        shared = user_cache()
        self.limits = HostLimits(
            rates or {}, shared / "limits" if shared else None, options.rate, sleep=self._sleep
        )
        self.observer: Callable[[Response], None] = lambda response: None
        """Called with every answer that a server gave, from the thread that asked (``pmcx check-live``)."""
        self._warned: dict[str, float] = {}
        self._http: httpx.Client | None = None
        self._transport: Transport | None = None

    def __enter__(self) -> Client:
        import httpx

        from ... import __version__
        from .transport import Transport

        self._transport = Transport(self.options.connections)
        contact = f"; mailto:{self.options.contact}" if self.options.contact else ""
        self._http = httpx.Client(
            transport=self._transport,
            headers={
                "user-agent": f"pmcx/{__version__} (+https://pypi.org/project/pmcx-extract{contact})",
                "accept-encoding": "identity",  # bodies are read as they come, so that they can be resumed
            },
            follow_redirects=False,
            trust_env=False,  # the transport knows the proxies and certificates of the environment
        )
        return self

    def __exit__(self, *exc: object) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None
        self.limits.close()

    def stop(self) -> None:
        """Let whatever waits for a server, for another try, or for its turn, give up now."""
        self._stopped.set()
        if self._transport is not None:
            self._transport.backend.stop()

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

        ``md5`` and ``size`` are checked, ``kind`` against the first and last bytes (an HTML error page is
        no XML, nor is XML that stops before its root element ends);
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
            if data is not None and not mismatch(data, md5, size):
                return Response(url, 200, {}, data, cached=True)
        # What may change is kept for --offline only: a listing, a search, an inventory's manifest.
        latest = "" if key or byte_range is not None else f"latest:{url}"
        if self.options.offline:
            data = self.cache.get(latest) if latest and self.cache is not None else None
            if data is not None:
                return Response(url, 200, {}, data, cached=True)
            raise TransientError(f"{_short(url)} is not in the cache, and --offline is set")
        response = self._attempts(
            _Asked(url, dict(headers or {}), sign, byte_range, if_match),
            lambda data: mismatch(data, md5, size) or wrong_kind(data, kind) or (check or _no_problem)(data),
            md5,
            size,
            time.monotonic() + seconds if seconds else float("inf"),
        )
        self.observer(response)
        if self.cache is not None and (key or (latest and len(response.body) <= LATEST_BYTES)):
            self.cache.put(key or latest, response.body)
        return response

    # -- attempts -------------------------------------------------------------------------------

    def _attempts(
        self,
        asked: _Asked,
        problem: Callable[[bytes], str],
        md5: str,
        size: int | None,
        deadline: float,
    ) -> Response:
        import httpx

        from .transport import FAILURES

        url = asked.url
        body = _Body(deadline=deadline)
        host = _host(url)
        why = ""
        wrong: Counter[bytes] = Counter()
        for attempt in range(1, self.options.attempts + 1):
            if not self.limits.wait(host, deadline - time.monotonic()):
                why = why or "its turn is too far away"
                raise TransientError(f"{_short(url)}: {why} (attempt {attempt}, no time left)")
            if self._stopped.is_set():
                raise TransientError(f"{_short(url)}: stopped")
            wait: float | None = None
            try:
                response = self._once(asked, body)
                self._decode(response, body, md5, size)
            except _AgainError as again:
                why, wait = str(again), again.wait
            except FAILURES as error:
                why = f"{type(error).__name__}: {error}".rstrip(": ")
            except (httpx.InvalidURL, UnicodeError) as error:
                raise InputError(f"{_short(url)}: no address that can be asked for ({error})") from error
            else:
                why = problem(response.body)
                if not why:
                    return response
                body = _Body(deadline=deadline)
                wrong[hashlib.blake2b(response.body).digest()] += 1
                if md5 and max(wrong.values()) >= SAME_WRONG:
                    raise TransientError(f"{_short(url)}: {why} (the same bytes {SAME_WRONG} times)")
            if time.monotonic() + min(wait or 0.0, self.options.max_wait) > deadline:
                raise TransientError(f"{_short(url)}: {why} (attempt {attempt}, no time left)")
            self._warn(host, why, attempt)
            if attempt < self.options.attempts:
                self._pause(host, attempt, wait)
        raise TransientError(f"{_short(url)}: {why} ({self.options.attempts} attempts)")

    def _warn(self, host: str, why: str, attempt: int) -> None:
        """Say now and then that a host makes trouble, so that nobody wonders why nothing moves."""
        now = time.monotonic()
        if attempt >= 3 and now - self._warned.get(host, -WARN_EVERY) >= WARN_EVERY:
            self._warned[host] = now
            log.warning("%s: %s; attempt %d of %d failed", host, why, attempt, self.options.attempts)

    def _pause(self, host: str, attempt: int, asked: float | None) -> None:
        if asked is not None:
            # The server speaks to all of us: every worker holds off.
            self.limits.pause(host, min(asked, self.options.max_wait))
            return
        self._sleep(random.uniform(0, min(self.options.max_wait, 0.25 * 2**attempt)))

    def _once(self, asked: _Asked, body: _Body) -> Response:
        assert self._http is not None and self._transport is not None, "open the client first"
        if not (body.size and body.etag):
            body.clear()
        sent = dict(asked.headers)
        if body.size or asked.byte_range is not None:
            start, stop = asked.byte_range or (0, None)
            sent["range"] = f"bytes={start + body.size}-{'' if stop is None else stop - 1}"
        if version := body.etag if body.size else asked.if_match:
            sent["if-match"] = f'"{version}"'
        url, sign = asked.url, asked.sign
        for _ in range(MAX_REDIRECTS):
            signed = sign("GET", url, sent) if sign is not None else sent
            # A server that sends headers for ever is given up, however fast its bytes come.
            self._transport.watch.start(HEADER_TIMEOUTS * self.options.timeout, body.deadline)
            with self._http.stream("GET", url, headers=signed, timeout=self._timeout(body)) as answer:
                if answer.status_code in (301, 302, 303, 307, 308):
                    url = _redirect(url, answer.headers.get("location", ""))
                    continue
                self._check_status(answer, url, body, asked.if_match)
                self._check_version(answer, url, body, asked.if_match)
                self._check_part(answer, body, asked.byte_range, "range" in sent)
                self._read(answer, body)
                return Response(url, answer.status_code, dict(answer.headers), b"".join(body.blocks))
        raise _AgainError("redirected again and again")

    def _timeout(self, body: _Body) -> httpx.Timeout:
        import httpx

        left = body.deadline - time.monotonic()
        return httpx.Timeout(self.options.timeout, pool=max(left, 0.001) if left < float("inf") else None)

    def _check_status(self, answer: httpx.Response, url: str, body: _Body, if_match: str) -> None:
        status = answer.status_code
        if status in (200, 206):
            return
        code = _code(self._words(answer))
        told = f"HTTP {status}{f' {code}' if code else ''}"
        if status in RETRIED or code in PASSING:
            raise _AgainError(told, _retry_after(answer.headers.get("retry-after", "")))
        if status == 412:
            if if_match:
                raise ChangedError(f"{_short(url)} changed on the server (its ETag was {if_match})")
            body.forget()
            raise _AgainError("the object changed between two parts")
        if status == 416:
            body.clear()
            raise _AgainError("the rest of the object is not there")
        if status in (404, 410):
            raise NotFoundError(f"{_short(url)}: not found ({told})")
        if status in (401, 403):
            raise RefusedError(f"{_short(url)}: refused ({told})")
        raise InputError(f"{_short(url)}: {told}")

    def _words(self, answer: httpx.Response) -> str:
        """The beginning of an error's body, as far as it comes soon."""
        from .transport import FAILURES

        assert self._transport is not None
        self._transport.watch.start(self.options.timeout)
        text = b""
        with contextlib.suppress(*FAILURES):
            for block in answer.iter_raw():
                text += block
                if len(text) >= ERROR_BYTES:
                    break
        if encoding := answer.headers.get("content-encoding", ""):
            try:
                text = decoded(text, encoding, 100 * ERROR_BYTES)
            except ValueError:
                return ""
        return text[:ERROR_BYTES].decode("utf-8", "replace")

    def _check_version(self, answer: httpx.Response, url: str, body: _Body, if_match: str) -> None:
        """A server that does not know If-Match sends another version without a word."""
        etag = _strong(answer.headers.get("etag", ""))
        if if_match and etag and etag != if_match:
            # Not ChangedError: whether the object changed, or a cache on the way is stale, nobody knows.
            raise TransientError(f"{_short(url)}: ETag {etag[:80]} where {if_match} was asked for")
        if body.size and answer.status_code == 206 and etag != body.etag:
            body.forget()
            raise _AgainError("a part of another version of the object")

    def _check_part(
        self, answer: httpx.Response, body: _Body, byte_range: tuple[int, int] | None, ranged: bool
    ) -> None:
        """Whether a partial answer is the part that was asked for, and the whole one where that was."""
        if answer.status_code == 200:
            if byte_range is not None:
                raise _AgainError("the whole object where a part of it was asked for")
            body.clear()  # a server may answer a resume with everything
            return
        if not ranged:
            raise _AgainError("a part of the object where all of it was asked for")
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            body.forget()
            raise _AgainError("an encoded part of the object")
        told = answer.headers.get("content-range", "")
        start, stop = byte_range or (0, None)
        end = part_end(told, start + body.size, stop, body.total)
        if end is None:
            body.forget()
            raise _AgainError(f"another part of the object than was asked for ({told[:60] or 'unnamed'})")
        body.end = end - start

    def _read(self, answer: httpx.Response, body: _Body) -> None:
        """Read the body into ``body``, watching size and pace; what came stays there for a resume."""
        assert self._transport is not None
        length = answer.headers.get("content-length", "")
        body.encoding = answer.headers.get("content-encoding", "")
        if body.encoding.lower() == "identity":
            body.encoding = ""
        body.etag = "" if body.encoding else _strong(answer.headers.get("etag", ""))
        if answer.status_code == 200:
            body.total = int(length) if _DIGITS.fullmatch(length) else None
            body.end = None
        limit, watch = self.options.max_bytes, self._transport.watch
        if _DIGITS.fullmatch(length) and int(length) + body.size > limit:
            raise InputError(f"{_short(str(answer.url))}: {length} bytes (limit max_bytes={limit})")
        began, before = time.monotonic(), body.size
        watch.start(2 * self.options.timeout, body.deadline)
        for block in answer.iter_raw():
            body.add(block)
            watch.start(2 * self.options.timeout, body.deadline)
            if body.size > limit:
                raise InputError(f"{_short(str(answer.url))}: more than {limit} bytes (limit max_bytes)")
            if time.monotonic() > body.deadline:
                raise _AgainError(f"too slow: {body.size} bytes when its time was up")
            spent = time.monotonic() - began
            if spent > self.options.timeout and body.size - before < self.options.min_rate * spent:
                raise _AgainError(f"stalled: {body.size - before} bytes in {spent:.0f} s")
        if body.end is not None and body.size != body.end:
            size = body.size
            body.forget()
            raise _AgainError(f"{size} bytes where a part of {body.end} was promised")

    def _decode(self, response: Response, body: _Body, md5: str, size: int | None) -> None:
        """Undo an encoding that came unasked, unless what was promised are the encoded bytes.

        Objects in S3 may have been stored with the header; their checksum is that of the bytes sent.
        """
        promised = bool(md5) or size is not None
        if not body.encoding or (promised and not mismatch(response.body, md5, size)):
            return
        try:
            response.body = decoded(response.body, body.encoding, self.options.max_bytes)
        except ValueError as error:
            body.forget()
            raise _AgainError(str(error)) from error


def _redirect(url: str, location: str) -> str:
    """The next address, on the same host; another host is never followed."""
    import httpx

    try:
        target = urljoin(url, location)
        here, there = urlsplit(url), urlsplit(target)
        name, _ = there.hostname, there.port
        httpx.URL(target)
    except (ValueError, httpx.InvalidURL) as error:
        raise _AgainError("redirected to something that is no address") from error
    if not location or (here.scheme, here.netloc) != (there.scheme, there.netloc):
        raise _AgainError(f"redirected to {(name or 'nowhere')[:100]!r}, which is not followed")
    return target


def _strong(etag: str) -> str:
    """A strong ETag without its quotes; "" for a weak one, which names no exact bytes (RFC 9110, 8.8.3)."""
    etag = etag.strip()
    return "" if etag.startswith(("W/", "w/")) else etag.strip('"')


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


def _no_problem(data: bytes) -> str:
    return ""


def _code(text: str) -> str:
    """The S3 error code of an XML error body."""
    match = re.search(r"<Code>([A-Za-z]{1,40})</Code>", text)
    return match[1] if match else ""


class _NoQueries(logging.Filter):
    """Shortens the addresses in what httpx logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                _short(str(each)) if type(each).__name__ == "URL" else each for each in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_NoQueries())


def _host(url: str) -> str:
    """The host (and port) of an address; InputError for what is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError as error:
        raise InputError(f"no address that can be asked for: {error}") from error


def _short(url: str) -> str:
    """An address without query and user name: signatures, keys and passwords never reach a log."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    return parts._replace(query="", fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()
