"""Settings that every network source has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ..stages import Options


class NetOptions(Options):
    """How a source talks to the network; mixed into the options of every network source.

    Proxies are taken from ``HTTPS_PROXY``/``HTTP_PROXY``/``NO_PROXY``, as usual.
    """

    endpoint: str = ""
    """Base address that replaces the service's own (a mirror, a test server)."""
    contact: str = ""
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
        return Path(self.cache) if self.cache else user_cache()


def user_cache() -> Path:
    """pmcx's folder for what may be lost: ``PMCX_CACHE``, or ``pmcx`` in the user's cache folder."""
    import os

    if own := os.environ.get("PMCX_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pmcx"


NET_OPTIONS = frozenset(NetOptions.model_fields)
"""Names of the options above: circumstantial in every source, as they change no byte of what arrives."""
