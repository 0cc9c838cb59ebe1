"""Articles whose images are downloaded ahead of need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from ..core.errors import InputError
from ..core.net.downloads import Downloads, Ticket
from ..core.records import Drop, Failure, Figure
from ..core.stages import Document
from .graphics import FileIndex, Prefer, with_manifest
from .jats import ParsedArticle


class RemoteDocument(Document):
    """A parsed article whose images are fetched by name, ahead where the engine said which it will read."""

    def __init__(
        self,
        parsed: ParsedArticle,
        figures: Sequence[Figure],
        get: Callable[[str], bytes],
        downloads: Downloads,
        drops: Iterable[Drop] = (),
        failures: Iterable[Failure] = (),
    ) -> None:
        super().__init__(parsed.article, figures, tuple(failures), (*parsed.drops, *drops))
        self._get, self._downloads = get, downloads
        self._tickets: dict[str, Ticket] = {}
        self._uses: Counter[str] = Counter()

    def prepare(self, figures: Sequence[Figure]) -> None:
        self._uses.update(figure.image.name for figure in figures if figure.image.name)
        for name in self._uses:
            self._tickets[name] = self._downloads.submit(partial(self._get, name))

    def read(self, figure: Figure) -> bytes:
        name = figure.image.name
        if not name:
            raise InputError(f"no file of the article matches href {figure.image.href!r}")
        ticket = self._tickets.get(name)
        if ticket is None:
            return self._get(name)
        self._uses[name] -= 1
        if self._uses[name] <= 0:  # the last figure of this file: do not keep its bytes
            del self._tickets[name]
        return ticket.take()

    def close(self) -> None:
        for ticket in self._tickets.values():
            ticket.cancel()
        self._tickets.clear()


def resolve_images(
    parsed: ParsedArticle,
    index: FileIndex,
    prefer: Prefer = "web",
    manifest: Mapping[str, Sequence[str]] | None = None,
) -> list[Figure]:
    """The figures with the name of the file that shows each; an empty name where there is none.

    ``manifest`` gives the files that a package lists for a figure's XML id.
    """
    figures = []
    for figure in parsed.figures:
        hrefs = parsed.candidates.get(figure.id) or (figure.image.href,)
        listed = (manifest or {}).get(figure.id.removeprefix(f"{parsed.article.id}/"), ())
        if listed:
            hrefs = with_manifest(hrefs, listed)
        image = msgspec.structs.replace(figure.image, name=index.resolve(hrefs, prefer))
        figures.append(msgspec.structs.replace(figure, image=image))
    return figures
