"""The books of a run: what was planned, what was written, what was lost or left out, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from .records import ArticleRef, Drop, Failure, FailureKind, Unit, article_of, wanted
from .rundir import RunFolder
from .withdrawn import Withdrawn, withdrawn


@dataclass
class Books:
    """Totals of a run folder at one moment. Planned = done + lost + dropped + pending (articles)."""

    units: int = 0
    units_done: int = 0
    planned: int = 0
    done: int = 0
    pending: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """Merged receipts; ``failed.*`` holds only what is still lost (not what a retry has mended)."""
    seconds: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    """What is still lost."""
    dropped_articles: int = 0
    withdrawn: list[Withdrawn] = field(default_factory=list)
    """Articles whose rows are out of date."""
    retrying: dict[str, list[ArticleRef]] = field(default_factory=dict)
    """What retry units that are planned and not done yet will try again, by article."""

    @property
    def lost(self) -> int:
        """Articles, figures and panels that are lost at this moment."""
        return len(self.failures)

    @property
    def lost_articles(self) -> int:
        return sum(1 for failure in self.failures if "/" not in failure.id)

    @property
    def complete(self) -> bool:
        return self.units_done == self.units

    @property
    def balanced(self) -> bool:
        """Whether every planned article is accounted for exactly once."""
        return self.planned == self.done + self.lost_articles + self.dropped_articles + self.pending


def read_books(folder: RunFolder) -> Books:
    """Add up plan, commits and losses of a run folder."""
    books = Books()
    committed = folder.committed()
    retried: dict[str, list[ArticleRef]] = {}
    left_out = {drop.id for drop in folder.plan_drops() if drop.reason != "duplicate-article"}
    taken: set[str] = set()
    for unit in folder.units():
        done = unit.index in committed
        books.units += 1
        books.units_done += done
        for ref in unit.articles:
            if ref.id in left_out:
                taken.add(ref.id)
            if not ref.attempt:
                books.planned += 1
                books.pending += not done
            elif done:
                retried.setdefault(ref.id, []).append(ref)
            else:
                books.retrying.setdefault(ref.id, []).append(ref)
    for receipt in folder.receipts():
        books.counts.update(receipt.counts)
        for name, value in receipt.seconds.items():
            books.seconds[name] += value  # type: ignore[assignment]
    books.done = books.counts["articles"]
    _count_losses(folder, books, retried, taken)
    _settle_revised(folder, books, committed)
    books.withdrawn = withdrawn(folder, {failure.id for failure in books.failures})
    return books


def _count_losses(
    folder: RunFolder, books: Books, retried: dict[str, list[ArticleRef]], taken: set[str]
) -> None:
    for loss in folder.losses():
        if isinstance(loss, Drop):
            if loss.stage == "plan" and loss.id in taken:
                continue  # an extension has planned it since
            if loss.stage == "plan":  # left out before there was a unit whose counts could hold it
                books.counts[f"dropped.{loss.reason}"] += 1
            else:
                books.dropped_articles += "/" not in loss.id
        elif not _superseded(loss, retried):
            books.failures.append(loss)
    for kind in [key for key in books.counts if key.startswith("failed.")]:
        del books.counts[kind]
    for failure in books.failures:
        books.counts[f"failed.{failure.kind}"] += 1


def _settle_revised(folder: RunFolder, books: Books, committed: set[int]) -> None:
    """An article that was lost and has come since in a later state is lost no more."""
    lost = {article_of(failure.id) for failure in books.failures}
    if not lost:
        return
    latest: dict[str, int] = {}
    """Base id -> the last revision that is there, of articles that have changed."""
    for unit in folder.units():
        for ref in unit.articles:
            if ref.revision and not ref.attempt and unit.index in committed and ref.id not in lost:
                latest[ref.base] = max(ref.revision, latest.get(ref.base, 0))
    if not latest:
        return
    settled = {
        ref.id
        for unit in folder.units()
        for ref in unit.articles
        if ref.id in lost and ref.revision < latest.get(ref.base, 0)
    }
    still = []
    for failure in books.failures:
        if article_of(failure.id) not in settled:
            still.append(failure)
            continue
        books.counts[f"failed.{failure.kind}"] -= 1
        books.counts["dropped.superseded"] += 1
        books.dropped_articles += "/" not in failure.id
    books.failures = still


def _superseded(failure: Failure, retried: dict[str, list[ArticleRef]]) -> bool:
    return any(
        ref.attempt > failure.attempt and wanted(failure.id, ref.only)
        for ref in retried.get(article_of(failure.id), ())
    )


def retry_refs(folder: RunFolder, kinds: frozenset[FailureKind]) -> list[ArticleRef]:
    """What to plan so that the failures of these kinds are tried again, and nothing else."""
    lost: dict[str, list[Failure]] = {}
    books = read_books(folder)
    for failure in books.failures:
        # A retry that was planned and then killed is still to come: planning it twice would double pairs.
        if failure.kind in kinds and not _superseded(failure, books.retrying):
            lost.setdefault(article_of(failure.id), []).append(failure)
    refs = []
    for ref in folder.planned():
        failures = lost.pop(ref.id, None)
        if failures is None:
            continue
        whole = any(failure.id == ref.id for failure in failures)
        refs.append(
            msgspec.structs.replace(
                ref,
                only=() if whole else tuple(sorted(failure.id for failure in failures)),
                attempt=max(failure.attempt for failure in failures) + 1,
            )
        )
    return refs


def retry_units(refs: list[ArticleRef], size: int, first: int) -> Iterator[Unit]:
    """The refs as units numbered from ``first``."""
    for n, start in enumerate(range(0, len(refs), size)):
        yield Unit(index=first + n, articles=tuple(refs[start : start + size]))
