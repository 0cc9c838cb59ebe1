"""Turning what a source enumerates into the frozen plan of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import PluginError, PmcxError
from .records import ArticleRef, Drop, Unit, from_json, to_json
from .stages import Source

UNIT_ARTICLES = 256
_MIN_UNIT, _MIN_UNITS = 8, 16


def unit_size(articles: int, asked: int | None) -> int:
    """Articles in a unit: as asked, else 256, less where a small plan would keep cores idle.

    A function of the plan alone, never of the machine, so that the shards are the same everywhere.
    """
    if asked is not None:
        return asked
    return min(UNIT_ARTICLES, max(_MIN_UNIT, -(-articles // _MIN_UNITS)))


class Plan:
    """The articles of a source without duplicates, kept on disk so that millions cost no memory."""

    def __init__(self, scratch: Path, known: Iterable[str] = ()) -> None:
        self.file = scratch
        self.drops: list[Drop] = []
        self.articles = 0
        self._known = {_short(item) for item in known}
        self._seen: set[int] = set()

    def fill(self, source: Source) -> None:
        """Enumerate the source; an id seen before is dropped, with the reason recorded."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("wb") as out:
            for ref in _planned(source):
                if self._is_new(ref):
                    out.write(to_json(ref) + b"\n")
                    self.articles += 1

    def _is_new(self, ref: ArticleRef) -> bool:
        if not ref.id or "/" in ref.id:
            raise PluginError(f"the source planned an article with the id {ref.id!r}; ids hold no '/'")
        short = _short(ref.id)
        if short in self._known:
            return False  # planned before: no duplicate worth a record
        if short in self._seen:
            self.drops.append(Drop(id=ref.id, stage="plan", reason="duplicate-article", detail=ref.locator))
            return False
        self._seen.add(short)
        return True

    def units(self, size: int, first: int = 0) -> Iterator[Unit]:
        """The articles in order, ``size`` to a unit, numbered from ``first``."""
        refs: list[ArticleRef] = []
        index = first
        with self.file.open("rb") as lines:
            for line in lines:
                refs.append(from_json(line, ArticleRef))
                if len(refs) == size:
                    yield Unit(index=index, articles=tuple(refs))
                    refs, index = [], index + 1
        if refs:
            yield Unit(index=index, articles=tuple(refs))


def _planned(source: Source) -> Iterator[ArticleRef]:
    """What the source enumerates; PluginError where it breaks while it does."""
    try:
        yield from source.plan()
    except PmcxError:
        raise
    except Exception as error:
        name = source.name
        raise PluginError(
            f"the source {name!r} failed while planning: {type(error).__name__}: {error}"
        ) from error


def _short(item: str) -> int:
    """64 bits of an id: enough that two of 10^8 articles meet with probability 3e-4, at 1/4 the memory."""
    return int.from_bytes(hashlib.blake2b(item.encode(), digest_size=8).digest(), "big")
