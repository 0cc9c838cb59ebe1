"""Turning what a source enumerates into the frozen plan of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

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
    """The articles of a source without duplicates, kept on disk so that millions cost no memory.

    ``known`` are the refs of an earlier plan: what is among them is planned again only where its
    fingerprint differs, under an id of its own (``PMC1.1.r1``), so that nothing written is touched.
    """

    def __init__(self, scratch: Path, known: Iterable[ArticleRef] = ()) -> None:
        self.file = scratch
        self.drops: list[Drop] = []
        self.articles = 0
        self._known: dict[int, tuple[int, int]] = {}
        for ref in known:  # in plan order, so that the latest revision stays
            if not ref.attempt:
                self._known[_short(ref.base)] = (ref.revision, _short(ref.fingerprint))
        self._seen: set[int] = set()
        self.incomplete = ""
        """Why the enumeration may lack articles (``Source.incomplete``)."""

    def fill(self, source: Source) -> None:
        """Enumerate the source; an id seen before is dropped, with the reason recorded."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("wb") as out:
            for item in _planned(source):
                if isinstance(item, Drop):
                    self.drops.append(msgspec.structs.replace(item, stage="plan"))
                elif (ref := self._new(item)) is not None:
                    out.write(to_json(ref) + b"\n")
                    self.articles += 1
        self.incomplete = source.incomplete

    def _new(self, ref: ArticleRef) -> ArticleRef | None:
        """The ref as it is to be planned; None where there is nothing to do."""
        if not ref.id or "/" in ref.id:
            raise PluginError(f"the source planned an article with the id {ref.id!r}; ids hold no '/'")
        short = _short(ref.id)
        if short in self._seen:
            self.drops.append(Drop(id=ref.id, stage="plan", reason="duplicate-article", detail=ref.locator))
            return None
        self._seen.add(short)
        if short not in self._known:
            return ref
        revision, fingerprint = self._known[short]
        if not ref.fingerprint or fingerprint in (_short(ref.fingerprint), _short("")):
            return None
        revision += 1
        while _short(f"{ref.id}.r{revision}") in self._known:  # the source has an article of that id
            revision += 1
        return msgspec.structs.replace(ref, id=f"{ref.id}.r{revision}", revision=revision)

    def lists(self, ref: ArticleRef) -> bool:
        """Whether the source has enumerated the article of a ref."""
        return _short(ref.base) in self._seen

    def refs(self) -> Iterator[ArticleRef]:
        """The articles in order."""
        with self.file.open("rb") as lines:
            for line in lines:
                yield from_json(line, ArticleRef)

    def units(self, size: int, first: int = 0) -> Iterator[Unit]:
        """The articles in order, ``size`` to a unit, numbered from ``first``."""
        refs: list[ArticleRef] = []
        index = first
        for ref in self.refs():
            refs.append(ref)
            if len(refs) == size:
                yield Unit(index=index, articles=tuple(refs))
                refs, index = [], index + 1
        if refs:
            yield Unit(index=index, articles=tuple(refs))


def _planned(source: Source) -> Iterator[ArticleRef | Drop]:
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
