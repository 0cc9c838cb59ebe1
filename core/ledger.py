"""The books of one unit while it is processed: counts, losses, time, and the guard around every stage."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from .errors import InputError, OutputError, PluginError, TransientError, UsageError
from .records import ArticleRef, Drop, Failure, FailureKind, Pair, Unit, article_of, wanted

T = TypeVar("T")
A = TypeVar("A")


class Ledger:
    """What a unit has come to so far. Every item that enters a unit leaves through here."""

    def __init__(self, unit: Unit) -> None:
        self.refs: dict[str, ArticleRef] = {ref.id: ref for ref in unit.articles}
        self.counts: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.losses: list[Failure | Drop] = []
        self._keys: set[str] = set()
        self._answered: set[str] = set()

    def only(self, item: str) -> tuple[str, ...]:
        """What a retry asks for of the article that ``item`` belongs to; empty means everything."""
        ref = self.refs.get(article_of(item))
        return ref.only if ref is not None else ()

    def seen(self, what: str, item: str) -> None:
        """Count a figure or panel, unless an earlier attempt at it has counted it already."""
        only = self.only(item)
        again = item in only if what == "panels" else bool(only)
        if not again:
            self.counts[what] += 1

    def book(self, pair: Pair) -> None:
        """Count a pair that will be written; PluginError where its key is taken."""
        if pair.key in self._keys:
            raise PluginError(f"two pairs have the key {pair.key!r}; figure ids must be unique")
        self._keys.add(pair.key)
        self._answered.add(pair.id)
        self.counts["pairs"] += 1
        self.counts[f"license.{pair.license.code}"] += 1
        self.counts[f"alignment.{pair.alignment.method}"] += 1
        self.counts[f"split.{pair.split}"] += 1

    def lose(self, loss: Failure | Drop) -> None:
        """Record a loss. In a retry a loss above what was asked for stands for exactly what was asked for."""
        below = [item for item in self.only(loss.id) if item.startswith(f"{loss.id}/")]
        for item in below or [loss.id]:
            self._record(msgspec.structs.replace(loss, id=item))

    def _record(self, loss: Failure | Drop) -> None:
        self._answered.add(loss.id)
        if isinstance(loss, Failure):
            ref = self.refs.get(article_of(loss.id))
            attempt = ref.attempt if ref is not None else loss.attempt
            loss = msgspec.structs.replace(loss, attempt=attempt, error=_utf8(loss.error))
            self.counts[f"failed.{loss.kind}"] += 1
        else:
            loss = msgspec.structs.replace(loss, detail=_utf8(loss.detail))
            self.counts[f"dropped.{loss.reason}"] += 1
        self.losses.append(loss)

    def settle(self) -> None:
        """Record as lost what a retry asked for and nothing answered (the article has changed)."""
        for ref in self.refs.values():
            for item in ref.only:
                if not any(wanted(answer, (item,)) for answer in self._answered):
                    error = "the article does not hold this item any more"
                    self._record(Failure(id=item, stage="fetch", kind="input", error=error))

    def guarded(
        self,
        stage: str,
        items: Sequence[T],
        name: Callable[[T], str],
        call: Callable[[Sequence[T]], Sequence[A]],
    ) -> list[A | Failure]:
        """``call(items)`` with one answer per item; on an exception again one by one."""
        if not items:
            return []
        try:
            answers = call(items)
            if len(answers) != len(items):
                raise PluginError(f"{stage} gave {len(answers)} answers for {len(items)} inputs")
            return list(answers)
        except (OutputError, UsageError):
            raise
        except Exception as error:
            if len(items) == 1:
                return [failure_of(name(items[0]), stage, error)]
        return [answer for item in items for answer in self.guarded(stage, [item], name, call)]

    @contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started


def failure_of(item: str, stage: str, error: BaseException) -> Failure:
    """The record of an exception: transient, input or bug by its type, with its place if a bug."""
    kind: FailureKind = "bug"
    text = str(error) or type(error).__name__
    if isinstance(error, TransientError):
        kind = "transient"
    elif isinstance(error, InputError):
        kind = "input"
    else:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = ""
        if frame is not None:
            place = f" ({Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno})"
        text = f"{type(error).__name__}: {text}{place}"
    return Failure(id=item, stage=stage, kind=kind, error=text[:2000])


def _utf8(text: str) -> str:
    """The text without what UTF-8 cannot hold (lone surrogates of undecodable file names)."""
    return text.encode("utf-8", "replace").decode()
