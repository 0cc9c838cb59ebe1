"""Settings that every network source has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo

from ..errors import UsageError
from ..stages import Options


def _base_address(value: str, info: ValidationInfo) -> str:
    if not value:
        return ""
    form = "must be http://host or https://host, a port and a path may follow"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{form} ({error})") from error
    if "@" in value:
        # Not a ValueError, whose message would come with the value.
        raise UsageError(
            f"{info.field_name}: an address with a user name or password is refused, as addresses are kept "
            "in run folders and logs; HTTP authentication is not supported, name a mirror that needs none"
        )
    clean = value.isascii() and value.isprintable() and not set(' \\"<>^`{|}') & set(value)
    if parts.scheme not in ("http", "https") or not host or "?" in value or "#" in value or not clean:
        raise ValueError(form)
    return value.rstrip("/")


def _header_text(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("must be plain ASCII, as it is sent in a header of each request")
    return value


BaseAddress = Annotated[str, AfterValidator(_base_address)]
"""The address of a service: http or https, without credentials, query, fragment and closing slash; may be
empty."""


class NetOptions(Options):
    """How a source talks to the network; mixed into the options of every network source.

    Proxies are taken from ``HTTPS_PROXY``/``HTTP_PROXY``/``NO_PROXY``, as usual.
    """

    endpoint: BaseAddress = ""
    """Base address that replaces the service's own (a mirror, a test server)."""
    contact: Annotated[str, AfterValidator(_header_text)] = ""
    """E-mail address sent with requests, so that the operator can reach you."""
    connections: Annotated[int, Field(ge=1, le=256)] = 16
    """Requests under way at once, in each worker."""
    timeout: Annotated[float, Field(gt=0)] = 30.0
    """Seconds without any byte after which a request is given up and tried again."""
    min_rate: Annotated[float, Field(ge=0)] = 1024.0
    """Bytes per second that a body must keep up, on average over ``timeout``; slower counts as stalled."""
    rate: Annotated[float, Field(gt=0)] | None = None
    """Requests per second to each host, at most, over all workers of this machine; empty: only the
    limits that a service itself has set."""
    attempts: Annotated[int, Field(ge=1, le=100)] = 10
    """Tries for one object before it is a transient failure."""
    max_wait: Annotated[float, Field(ge=0)] = 120.0
    """Longest pause between two tries, also when a server asks for more."""
    max_bytes: Annotated[int, Field(ge=1)] = 1 << 30
    """Largest object that is fetched."""
    cache: str = ""
    """Folder for fetched objects, shared between runs; empty: the user's cache folder; ``none``: none."""
    cache_bytes: Annotated[int, Field(ge=0)] = 20 * 2**30
    """Size of the cache; the objects unused longest go first."""
    offline: bool = False
    """Use only what is in the cache; everything else is a transient failure."""

    def cache_folder(self) -> Path | None:
        """Where the cache is, or None for no cache."""
        if self.cache.lower() == "none":
            return None
        return _expanded(self.cache) if self.cache else user_cache()


def user_cache() -> Path | None:
    """pmcx's folder for what may be lost: ``PMCX_CACHE``, or ``pmcx`` in the user's cache folder.

    None for a user who has no home folder (a bare uid in a container).
    """
    import os

    if own := os.environ.get("PMCX_CACHE"):
        return _expanded(own)
    base = _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return base / "pmcx" if base else None


def _expanded(folder: str) -> Path | None:
    try:
        return Path(folder).expanduser()
    except RuntimeError:  # there is no home folder
        return None


NET_OPTIONS = frozenset(NetOptions.model_fields)
"""Names of the options above: circumstantial in every source, as they change no byte of what arrives."""
