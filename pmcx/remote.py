"""For authors of sources that fetch from a service: the fetch layer, and what the built-in sources share.

A source subclasses :class:`RemoteSource`, mixes :class:`NetOptions` into its options, answers ``fetch_one``
with a :class:`RemoteDocument` of what :func:`parse` has read, and gets rate limits, retries, resumption,
verification, the cache and downloading ahead with it. Names are loaded when first used, as ``parse`` and
its kin need lxml.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.net.client import Client, NotFoundError, RefusedError, Response
    from .core.net.downloads import Downloads, Ticket
    from .core.net.options import NET_OPTIONS, NetOptions
    from .core.net.s3 import Bucket
    from .core.records import Ids, License
    from .core.stages import LiveCheck, SkippedError, Survey
    from .sources.archives import ZipArchive
    from .sources.graphics import FileIndex, is_vector
    from .sources.jats import ParsedArticle, make_article_id, parse, scan
    from .sources.live import Checks, assumes, expect, some
    from .sources.packages import Limits, Reader, guarded
    from .sources.remote import RemoteSource
    from .sources.remote_document import RemoteDocument, resolve_images

_HOME = {
    "core.net.client": (
        "Client",
        "NotFoundError",
        "RefusedError",
        "Response",
    ),
    "core.net.downloads": (
        "Downloads",
        "Ticket",
    ),
    "core.net.options": (
        "NET_OPTIONS",
        "NetOptions",
    ),
    "core.net.s3": ("Bucket",),
    "core.records": (
        "Ids",
        "License",
    ),
    "core.stages": (
        "LiveCheck",
        "SkippedError",
        "Survey",
    ),
    "sources.archives": ("ZipArchive",),
    "sources.graphics": (
        "FileIndex",
        "is_vector",
    ),
    "sources.jats": (
        "ParsedArticle",
        "make_article_id",
        "parse",
        "scan",
    ),
    "sources.live": (
        "Checks",
        "assumes",
        "expect",
        "some",
    ),
    "sources.packages": (
        "Limits",
        "Reader",
        "guarded",
    ),
    "sources.remote": ("RemoteSource",),
    "sources.remote_document": (
        "RemoteDocument",
        "resolve_images",
    ),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "NET_OPTIONS",
    "Bucket",
    "Checks",
    "Client",
    "Downloads",
    "FileIndex",
    "Ids",
    "License",
    "Limits",
    "LiveCheck",
    "NetOptions",
    "NotFoundError",
    "ParsedArticle",
    "Reader",
    "RefusedError",
    "RemoteDocument",
    "RemoteSource",
    "Response",
    "SkippedError",
    "Survey",
    "Ticket",
    "ZipArchive",
    "assumes",
    "expect",
    "guarded",
    "is_vector",
    "make_article_id",
    "parse",
    "resolve_images",
    "scan",
    "some",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pmcx.remote' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_WHERE[name]}", __package__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
