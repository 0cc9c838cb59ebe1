"""Amazon S3 on loopback: objects in memory or in moto, behind a front that enforces what moto does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, Protocol
from urllib.parse import unquote

from .faults import Faults
from .http import Reply, Request, StandIn
from .s3_memory import MemoryEngine, error
from .sigv4 import signature_problem

Policy = Literal["private", "public", "requester-pays"]


class Engine(Protocol):
    """What stores objects and answers reads of them, without asking who reads."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def create(self, bucket: str) -> None: ...

    def put(self, bucket: str, key: str, data: bytes, modified: str, parts: int) -> None: ...

    def delete(self, bucket: str, key: str) -> None: ...

    def keys(self, bucket: str, prefix: str = "") -> list[str]: ...

    def answer(self, request: Request) -> Reply: ...


class S3StandIn(StandIn):
    """An S3 endpoint for path-style access (``{url}/{bucket}/{key}``).

    ``engine="memory"`` is fast and sets LastModified; ``"moto"`` asks a moto server for every answer. The
    front is the same: a bucket is private (signed requests only) until it is made ``public`` or
    ``requester_pays``, and a LIST of a whole bucket without delimiter is refused and noted in
    ``forbidden``. With ``secrets`` (access key -> secret key) signatures are verified (AWS Signature
    Version 4); without, any well-formed one counts.
    """

    def __init__(
        self,
        engine: Literal["memory", "moto"] = "memory",
        faults: Faults | None = None,
        secrets: Mapping[str, str] | None = None,
        region: str = "us-east-1",
    ) -> None:
        super().__init__(faults)
        self._engine = _make_engine(engine)
        self._policies: dict[str, Policy] = {}
        self.secrets, self.region = secrets, region
        self.forbidden: list[str] = []

    def __enter__(self) -> S3StandIn:
        self._engine.start()
        super().__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self._engine.stop()

    # -- content --------------------------------------------------------------------------------

    def put(
        self, bucket: str, key: str, data: bytes, modified: str = "2026-01-01T00:00:00Z", parts: int = 1
    ) -> None:
        """Store an object; with ``parts`` as a multipart upload, whose ETag is no MD5 of the object.

        The moto engine knows neither ``modified`` nor ``parts``.
        """
        self._create(bucket)
        self._engine.put(bucket, key, data, modified, parts)

    def delete(self, bucket: str, key: str) -> None:
        self._engine.delete(bucket, key)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """All keys below a prefix, in the order of S3."""
        return self._engine.keys(bucket, prefix)

    def public(self, bucket: str) -> None:
        """Let everybody read and list the bucket."""
        self._create(bucket)
        self._policies[bucket] = "public"

    def requester_pays(self, bucket: str) -> None:
        """Let those read and list the bucket who sign and agree to pay."""
        self._create(bucket)
        self._policies[bucket] = "requester-pays"

    @contextmanager
    def refused(self, bucket: str) -> Iterator[None]:
        """For the length of a ``with``, nobody may read the bucket without credentials."""
        before = self._policies[bucket]
        self._policies[bucket] = "private"
        try:
            yield
        finally:
            self._policies[bucket] = before

    def _create(self, bucket: str) -> None:
        if bucket not in self._policies:
            self._policies[bucket] = "private"
            self._engine.create(bucket)

    # -- answers --------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        bucket, _, key = request.path.lstrip("/").partition("/")
        policy = self._policies.get(unquote(bucket))
        if policy is not None:
            refused = self._refusal(request, policy) or self._whole_listing(request, key)
            if refused is not None:
                return refused
        reply = self._engine.answer(request)
        if policy == "requester-pays" and reply.status < 400:
            return Reply(reply.status, reply.body, {**reply.headers, "x-amz-request-charged": "requester"})
        return reply

    def _refusal(self, request: Request, policy: Policy) -> Reply | None:
        signed = "authorization" in request.headers
        if signed:
            problem = signature_problem(request, self.secrets, self.region)
            if problem is not None:
                return error(403 if problem[0] != "AuthorizationHeaderMalformed" else 400, *problem)
        elif policy != "public":
            return error(403, "AccessDenied", "Access Denied")
        agreed = request.headers.get("x-amz-request-payer", "").lower() == "requester"
        if policy == "requester-pays" and not agreed:
            return error(403, "AccessDenied", "Access Denied")
        return None

    def _whole_listing(self, request: Request, key: str) -> Reply | None:
        if key:
            return None
        asked = request.parameters()
        if asked.get("prefix") or asked.get("delimiter"):
            return None
        self.forbidden.append(f"{request.path}?{request.query}")
        return error(403, "AccessDenied", "This stand-in does not list whole buckets")

    def failure(self, status: int, request: Request) -> Reply:
        code, message = {
            403: ("AccessDenied", "Access Denied"),
            404: ("NoSuchKey", "The specified key does not exist."),
            429: ("TooManyRequests", "Please reduce your request rate."),
            503: ("SlowDown", "Please reduce your request rate."),
        }.get(status, ("InternalError", "We encountered an internal error. Please try again."))
        return error(status, code, message)


def _make_engine(engine: Literal["memory", "moto"]) -> Engine:
    if engine == "memory":
        return MemoryEngine()
    from .s3_moto import MotoEngine

    return MotoEngine()
