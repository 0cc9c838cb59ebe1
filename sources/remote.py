"""What the network sources share: a client and download threads that live as long as the stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.errors import InputError, PmcxError, TransientError
from ..core.net.client import Client
from ..core.net.downloads import Downloads
from ..core.net.options import NetOptions
from ..core.records import ArticleRef, Drop, Failure
from ..core.stages import Document, Source


def failure(ref: ArticleRef, error: PmcxError) -> Failure:
    """The record of an article that could not be fetched."""
    kind: Any = "transient" if isinstance(error, TransientError) else "input"
    return Failure(id=ref.id, stage="fetch", kind=kind, error=str(error), attempt=ref.attempt)


class RemoteSource(Source):
    """Base of the network sources: opens the client and the download threads, answers ref by ref.

    A subclass has options that mix in :class:`NetOptions`, names the request rates of its hosts, and
    implements ``fetch_one`` (called side by side from several threads).
    """

    ahead = 3
    unsaved = frozenset({"contact", "offline"})

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.net: NetOptions = self.options
        self._client: Client | None = None
        self._downloads: Downloads | None = None

    def rates(self) -> dict[str, float]:
        """Requests a second by host, where the service sets a limit."""
        return {}

    @property
    def client(self) -> Client:
        assert self._client is not None, "open the source first"
        return self._client

    @property
    def downloads(self) -> Downloads:
        assert self._downloads is not None, "open the source first"
        return self._downloads

    def open(self) -> None:
        self._client = Client(self.net, self.rates())
        self._client.__enter__()
        self._downloads = Downloads(self.net.connections)

    def cancel(self) -> None:
        if self._client is not None:
            self._client.stop()

    def close(self) -> None:
        if self._client is not None:
            self._client.stop()
        if self._downloads is not None:
            self._downloads.close()
        if self._client is not None:
            self._client.__exit__(None, None, None)
        self._client = self._downloads = None

    def fetch_one(self, ref: ArticleRef) -> Document | Failure | Drop:
        """Fetch and parse one article; InputError and TransientError become its failure."""
        raise NotImplementedError

    def fetch(self, refs: Sequence[ArticleRef]) -> Sequence[Document | Failure | Drop]:
        return self.downloads.map(self._fetch_guarded, refs)

    def _fetch_guarded(self, ref: ArticleRef) -> Document | Failure | Drop:
        try:
            return self.fetch_one(ref)
        except (InputError, TransientError) as error:
            return failure(ref, error)
