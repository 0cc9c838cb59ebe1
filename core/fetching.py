"""Fetching articles group by group, the next ones in a thread while the pipeline works on one."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .config import Filters
from .errors import PluginError
from .filters import article_drop, figure_drop
from .ledger import Ledger, failure_of
from .progress import Progress
from .records import ArticleRef, Drop, Failure, Figure, to_json, wanted
from .stages import Document, Source

GROUP = 8
"""Articles fetched together and processed as one stream of figures; bounds memory."""


@dataclass(frozen=True)
class Fetched:
    """What the source answered for one article, and what the filters make of it.

    ``drop`` is why the article goes no further; ``figures`` holds each figure that was asked for, with
    the reason where it is left out.
    """

    ref: ArticleRef
    answer: Document | Failure | Drop
    drop: Drop | None = None
    figures: tuple[tuple[Figure, Drop | None], ...] = ()


@dataclass(frozen=True)
class Group:
    """A group of articles as fetched, and the seconds that took."""

    refs: tuple[ArticleRef, ...]
    items: tuple[Fetched, ...]
    seconds: float


def groups_of(refs: Sequence[ArticleRef], suspects: frozenset[str]) -> list[list[ArticleRef]]:
    """The refs in order, in groups of at most ``GROUP``, each suspect alone."""
    groups: list[list[ArticleRef]] = [[]]
    for ref in refs:
        if groups[-1] and (ref.id in suspects or groups[-1][0].id in suspects or len(groups[-1]) == GROUP):
            groups.append([])
        groups[-1].append(ref)
    return [group for group in groups if group]


class Fetcher:
    """Asks the source for a group of articles and lets what the filters keep start on its images.

    Touches nothing of the ledger but its guard, so that it may run in a thread of its own.
    """

    def __init__(
        self, source: Source, filters: Filters, ledger: Ledger, report: Callable[[Progress], None]
    ) -> None:
        self.source, self.filters, self.ledger, self.report = source, filters, ledger, report

    def fetch(self, refs: Sequence[ArticleRef]) -> list[Fetched]:
        """What becomes of each article, in order."""
        self.report(Progress("begin", tuple(ref.id for ref in refs)))
        answers = self.ledger.guarded("fetch", refs, lambda ref: ref.id, self._checked)
        return [self._filtered(ref, answer) for ref, answer in zip(refs, answers, strict=True)]

    def _checked(self, refs: Sequence[ArticleRef]) -> list[Document | Failure | Drop]:
        """What the source answers, checked: a wrong answer costs its article, not the unit."""
        answers = list(self.source.fetch(refs))
        for ref, answer in zip(refs, answers, strict=False):
            check_answer(ref, answer)
        return answers

    def _filtered(self, ref: ArticleRef, answer: Document | Failure | Drop) -> Fetched:
        if not isinstance(answer, Document):
            return Fetched(ref, answer)
        drop = article_drop(answer.article, self.filters, len(answer.figures))
        if drop is not None:
            return Fetched(ref, answer, drop)
        asked = [figure for figure in answer.figures if wanted(figure.id, ref.only)]
        figures = tuple((figure, figure_drop(figure, self.filters)) for figure in asked)
        try:
            answer.prepare([figure for figure, left_out in figures if left_out is None])
        except Exception as error:
            answer.close()
            return Fetched(ref, failure_of(ref.id, "fetch", error))
        return Fetched(ref, answer, None, figures)


def check_answer(ref: ArticleRef, answer: Document | Failure | Drop) -> None:
    """PluginError where a source's answer is not one that the pipeline can work with."""
    if isinstance(answer, (Failure, Drop)):
        return
    if not isinstance(answer, Document):
        raise PluginError(f"fetch answered {type(answer).__name__}, not a Document, Failure or Drop")
    if answer.article.id != ref.id:
        raise PluginError(f"fetch answered article {answer.article.id!r} for {ref.id!r}")
    ids = [figure.id for figure in answer.figures]
    if len(set(ids)) < len(ids) or not all(item.startswith(f"{ref.id}/") for item in ids):
        raise PluginError(f"figure ids must be unique and start with {ref.id + '/'!r}: {ids[:5]}")
    to_json(answer.article)


Fetch = Callable[[Sequence[ArticleRef]], list[Fetched]]


class FetchAhead:
    """Groups in order, fetched at most ``ahead`` before they are asked for; 0 fetches on demand.

    Use as a context manager: what was fetched and never asked for is closed at the end; ``cancel`` is
    called where that end is an exception.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[ArticleRef]],
        fetch: Fetch,
        ahead: int,
        cancel: Callable[[], None] = lambda: None,
    ) -> None:
        self._groups, self._fetch, self._ahead, self._cancel = groups, fetch, ahead, cancel
        self._ready: queue.Queue[Group | BaseException] = queue.Queue()
        self._room = threading.Semaphore(ahead)
        self._stopped = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> FetchAhead:
        if self._ahead:
            self._thread = threading.Thread(target=self._run, name="pmcx-fetch", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped = True
        self._room.release()
        if self._thread is not None:
            if exc[0] is not None:  # the run ends early: do not wait for a slow server
                self._cancel()
            self._thread.join()
        while not self._ready.empty():
            group = self._ready.get()
            if isinstance(group, Group):
                close_documents(group)

    def __iter__(self) -> Iterator[Group]:
        for refs in self._groups:
            if not self._ahead:
                yield self._one(refs)
                continue
            group = self._ready.get()
            self._room.release()
            if isinstance(group, BaseException):
                raise group
            yield group

    def _run(self) -> None:
        try:
            for refs in self._groups:
                self._room.acquire()
                if self._stopped:
                    return
                self._ready.put(self._one(refs))
        except BaseException as error:
            self._ready.put(error)

    def _one(self, refs: Sequence[ArticleRef]) -> Group:
        began = time.perf_counter()
        items = tuple(self._fetch(refs))
        return Group(tuple(refs), items, time.perf_counter() - began)


def close_documents(group: Group) -> None:
    """Let go of everything that the documents of a group hold."""
    import logging

    for item in group.items:
        if isinstance(item.answer, Document):
            try:
                item.answer.close()
            except Exception:
                logging.getLogger("pmcx").warning("closing %s failed", item.ref.id, exc_info=True)


class Patience:
    """Tells somebody, now and then, that a wait is going on; for waits within a limit.

    A worker that waits for a slow server makes no progress that could be told from a hang; the fetch
    layer bounds its own waits, so this vouches for them up to ``limit`` seconds.
    """

    EVERY = 5.0

    def __init__(self, tell: Callable[[], None], limit: float) -> None:
        self._tell, self._limit = tell, limit
        self._since: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pmcx-patience", daemon=True)

    def __enter__(self) -> Patience:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self.EVERY):
            since = self._since
            if since is not None and time.monotonic() - since < self._limit:
                self._tell()

    def begin(self) -> None:
        self._since = time.monotonic()

    def end(self) -> None:
        self._since = None
