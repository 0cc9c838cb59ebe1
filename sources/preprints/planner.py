"""Enumerating preprints: from what was asked for to archives with DOI and version.

The buckets have no index by DOI. So a month is enumerated by looking into each of its archives (8 KB of
directory and labels, about 20 KB of XML), and a DOI is searched for in the month of its posting and the
next one, where only archives whose labels fit are looked into any further.
"""

from __future__ import annotations

import datetime
import itertools
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from ...core.errors import InputError, TransientError, UsageError
from ...core.net.client import NotFoundError
from ...core.net.downloads import Downloads
from ...core.net.s3 import Entry
from ...core.records import ArticleRef, Drop, Ids
from ..jats import make_article_id, work_of
from . import meca
from .api import PreprintApi, Row
from .catalog import BudgetError, Catalog, ReplacedError
from .select import (
    Found,
    Place,
    Versions,
    Wanted,
    back_folder,
    latest_rows,
    month_folder,
    pick,
    read_inputs,
    search_folders,
)

log = logging.getLogger(__name__)

_CHUNK = 512

A = TypeVar("A")
B = TypeVar("B")


class Selection(Protocol):
    """The options that choose preprints."""

    input: tuple[str, ...]
    months: tuple[str, ...]
    back: tuple[str, ...]
    since: datetime.date | None
    until: datetime.date | None
    category: str
    versions: Versions


@dataclass(frozen=True)
class Target:
    """A preprint to be searched for; an empty version means any."""

    doi: str
    version: str = ""
    license: str = ""
    folders: tuple[str, ...] = ()
    key: str = ""
    """Where an index says that it is."""

    @property
    def id(self) -> str:
        return make_article_id(Ids(doi=self.doi, version=self.version), self.doi)


class _Targets:
    """Targets by the last part of their DOI, which the labels of an archive hold, too."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._by_end: dict[str, list[Target]] = {}
        for target in targets:
            self._by_end.setdefault(_end(target.doi), []).append(target)

    def may_hold(self, labels: meca.Labels) -> bool:
        end = _end(labels.reference or labels.name)
        near = self._by_end.get(end, ()) if end else itertools.chain(*self._by_end.values())
        return any(labels.may_be(target.doi, target.version) for target in near)

    def of(self, found: Found) -> Target | None:
        near = self._by_end.get(_end(found.doi), ())
        return next((target for target in near if _Met([found]).holds(target)), None)


class _Met:
    """What was found, by DOI and version."""

    def __init__(self, found: Iterable[Found]) -> None:
        self._keys: set[tuple[str, str]] = set()
        for item in found:
            self._keys |= {(item.doi.casefold(), ""), (item.doi.casefold(), item.version)}

    def holds(self, target: Target) -> bool:
        return (target.doi.casefold(), target.version) in self._keys


def _end(doi: str) -> str:
    return re.split(r"[./]", doi)[-1].casefold()


@dataclass(frozen=True)
class _Unread:
    """An archive that could not be looked into."""

    entry: Entry
    error: InputError | TransientError


_Look = Found | _Unread | None


class Planner:
    """One enumeration."""

    def __init__(
        self,
        server: str,
        selection: Selection,
        catalog: Catalog,
        api: PreprintApi,
        index: dict[Wanted, str],
        downloads: Downloads,
    ) -> None:
        self.server, self.selection, self.catalog, self.api = server, selection, catalog, api
        self.index, self.downloads = index, downloads
        self._versions: dict[str, list[Wanted]] = {}
        for item in index:
            self._versions.setdefault(item.doi.casefold(), []).append(item)
        self._unread: dict[str, list[_Unread]] = {}
        self._empty: set[str] = set()
        self._doubts: dict[str, None] = {}

    @property
    def incomplete(self) -> str:
        """Why articles that are there may be missing from what :meth:`refs` has given."""
        return "; ".join(self._doubts)

    def _doubt(self, why: str) -> None:
        self._doubts[why] = None

    def refs(self) -> Iterator[ArticleRef | Drop]:
        """The selected articles: those of whole folders sorted by DOI, others in the given order."""
        chosen = self.selection
        if chosen.input or (self.index and not (chosen.since or chosen.months or chosen.back)):
            self._doubt("preprints named one by one")
        folders = [month_folder(month) for month in chosen.months]
        folders += [back_folder(batch, self.server) for batch in chosen.back]
        try:
            if chosen.input or chosen.since or (self.index and not folders):
                yield from self._search(folders)
            elif folders:
                yield from self._whole(folders)
            else:
                raise UsageError(
                    f"nothing chosen for the source {self.server!r}: give DOIs (input), months, batches "
                    "(back), days (since, until) or an index"
                )
        except BudgetError as error:
            raise UsageError(
                f"enumerating alone takes too much: {error}; choose less, or raise it"
            ) from error

    # -- whole folders --------------------------------------------------------------------------

    def _whole(self, folders: Sequence[str]) -> Iterator[ArticleRef | Drop]:
        found: list[Found] = []
        empty = []
        for folder in dict.fromkeys(folders):
            looks = self._look_into(folder, None)
            found += looks
            if not looks and not self._unread.get(folder):
                empty.append(folder)
                self._doubt(f"no archives in {folder}")
                log.warning("no archives in %s of %s", folder, self.catalog.bucket.name)
        if len(empty) == len(set(folders)):
            raise UsageError(
                f"{empty[0]} of {self.catalog.bucket.name} holds no archives; {self._neighbours(empty[0])}"
            )
        kept, drops = pick(found, self.selection.versions)
        yield from drops
        yield from self._within_budget(kept)
        for folder in folders:
            for unread in self._unread.pop(folder, []):
                entry = unread.entry
                log.warning("%s: %s", entry.key, unread.error)
                name = entry.key.rpartition("/")[2].rpartition(".")[0]
                place = Place(entry.key, entry.size)
                yield ArticleRef(
                    id=make_article_id(Ids(), name), locator=place.locator(), fingerprint=entry.etag
                )

    def _neighbours(self, folder: str) -> str:
        parent = folder.split("/")[0] + "/"
        there = sorted(name.removeprefix(parent).rstrip("/") for name in self.catalog.folders(parent))
        return f"there are {', '.join(there)}" if there else f"{parent} is empty"

    # -- searching ------------------------------------------------------------------------------

    def _search(self, folders: Sequence[str]) -> Iterator[ArticleRef | Drop]:
        targets, missing = self._targets(tuple(dict.fromkeys(folders)))
        found = self._indexed(targets)
        order: dict[str, int] = {}
        for target in targets:
            for folder in target.folders:
                order.setdefault(folder, len(order))
        for folder in order:
            met = _Met(found)
            # With a version left open every folder may hold a newer one.
            due = [t for t in targets if folder in t.folders and not (t.version and met.holds(t))]
            if due:
                found += self._look_into(folder, _Targets(due))
        named = {(target.doi.casefold(), target.version) for target in targets}
        exact = [item for item in found if (item.doi.casefold(), item.version) in named]
        others = [item for item in found if (item.doi.casefold(), item.version) not in named]
        kept, drops = pick(exact, "all")
        further, more = pick(others, self.selection.versions)
        place: dict[str, int] = {}
        for target in targets:
            place.setdefault(target.doi.casefold(), len(place))
        yield from (*missing, *drops, *more)
        met = _Met(found)
        yield from (self._absent(target) for target in targets if not met.holds(target))
        yield from self._within_budget(sorted(kept + further, key=lambda item: place[item.doi.casefold()]))

    def _targets(self, folders: tuple[str, ...]) -> tuple[list[Target], list[Drop]]:
        """What to search for and where; drops name DOIs that the server does not have."""
        chosen = self.selection
        wanted = read_inputs(chosen.input)
        targets: list[Target] = []
        drops: list[Drop] = []
        if chosen.since:
            until = chosen.until or datetime.datetime.now(datetime.timezone.utc).date()
            listing = self.api.by_date(chosen.since.isoformat(), until.isoformat(), chosen.category)
            if listing.incomplete:
                self._doubt(listing.incomplete)
            targets += [self._target(row, folders) for row in latest_rows(listing.rows, chosen.versions)]
        elif not wanted and not folders:
            wanted = [Wanted(doi) for doi in dict.fromkeys(item.doi for item in self.index)]
        for item in wanted:
            if (known := self._from_index(item)) is not None:
                targets += known
            elif folders:
                targets.append(Target(item.doi, item.version, folders=folders))
            else:
                listed = [row for row in self.api.by_doi(item.doi) if item.version in ("", row.version)]
                targets += [self._target(row, ()) for row in latest_rows(listed, chosen.versions)]
                if not listed:
                    detail = f"the API of {self.server} does not list it"
                    # Not "not-found": the bucket, which decides, was not asked.
                    drops.append(Drop(id=Target(*item).id, stage="plan", reason="not-listed", detail=detail))
        return list(dict.fromkeys(targets)), drops

    def _target(self, row: Row, folders: tuple[str, ...]) -> Target:
        key = self.index.get(Wanted(row.doi, row.version), "")
        return Target(
            row.doi, row.version, row.license, () if key else folders or search_folders(row.month), key
        )

    def _from_index(self, item: Wanted) -> list[Target] | None:
        """The versions of a preprint that the index knows; None where it knows none."""
        known = self._versions.get(item.doi.casefold(), ())
        rows = [Row(doi, version) for doi, version in known if item.version in ("", version)]
        latest = latest_rows(rows, self.selection.versions)
        return [self._target(row, ()) for row in latest] or None

    def _indexed(self, targets: Sequence[Target]) -> list[Found]:
        """The targets that are where the index says."""
        listed = self._mapped(self.catalog.archive, [target.key for target in targets if target.key])
        entries = [entry for entry in listed if entry is not None]
        found = self._looks("", entries, _Targets([target for target in targets if target.key]))
        if unread := self._unread.get(""):
            self._doubt(f"{len(unread)} archives of the index that could not be read")
        return found

    def _absent(self, target: Target) -> Drop:
        places = target.folders
        unread = sum(len(self._unread.get(folder, ())) for folder in places)
        nowhere = not target.key and self._empty.issuperset(places)
        if target.key:
            where = f"the index names {target.key}, which is not there or holds another article"
            unread = sum(item.entry.key == target.key for item in self._unread.get("", ()))
        elif places:
            where = f"looked through {', '.join(places)}"
        else:
            where = (
                "posted before there were monthly folders, or without a date: name a batch (back) or month"
            )
        if unread:
            where += f"; {unread} archives there could not be read: extend the run later"
        elif nowhere:
            where += "; no archives are there (yet)" if places else ""
            self._doubt(f"no archives in {', '.join(places)}" if places else "preprints without a folder")
        reason = "search-incomplete" if unread or nowhere else "not-found"
        return Drop(id=target.id, stage="plan", reason=reason, detail=where)

    # -- archives -------------------------------------------------------------------------------

    def _look_into(self, folder: str, targets: _Targets | None) -> list[Found]:
        """The articles in a folder's archives (those of ``targets``, if given), by key."""
        entries = self.catalog.archives(folder)
        if not entries:
            self._empty.add(folder)
        found = self._looks(folder, entries, targets)
        stale = {item.entry.key for item in self._unread.get(folder, ()) if _is_stale(item.error)}
        if stale:  # the folder changed while it was read, or its listing came garbled
            self._unread[folder] = [item for item in self._unread[folder] if item.entry.key not in stale]
            known = {(entry.key, entry.etag) for entry in entries if entry.key not in stale}
            again = [e for e in self.catalog.archives(folder) if (e.key, e.etag) not in known]
            found += self._looks(folder, again, targets)
        if unread := self._unread.get(folder):
            self._doubt(f"{len(unread)} archives of {folder} that could not be read")
        return found

    def _looks(self, folder: str, entries: Sequence[Entry], targets: _Targets | None) -> list[Found]:
        found: list[Found] = []
        for look in self._mapped(lambda entry: self._look(entry, targets), entries):
            if isinstance(look, Found):
                found.append(look)
            elif look is not None:
                self._unread.setdefault(folder, []).append(look)
        return found

    def _look(self, entry: Entry, targets: _Targets | None) -> _Look:
        """The article of an archive; None where the archive holds none of the targets."""
        try:
            package = self.catalog.open(entry.key, entry.size, entry.etag)
            if targets is not None and not targets.may_hold(meca.read_labels(package)):
                return None
            article = meca.read_article(package)
            cost = sum(map(package.packed, meca.figure_members(package)))
        except BudgetError:
            raise
        except (InputError, TransientError) as error:
            return _Unread(entry, error)
        found = Found(
            doi=article.ids.doi,
            version=article.ids.version,
            key=entry.key,
            size=entry.size,
            etag=entry.etag,
            modified=entry.modified,
            member=article.member,
            cost=cost,
        )
        if targets is None:
            return found
        target = targets.of(found)
        return None if target is None else replace(found, license=target.license)

    def _mapped(self, call: Callable[[A], B], items: Sequence[A]) -> Iterator[B]:
        """``call`` of every item, side by side, in order."""
        for start in range(0, len(items), _CHUNK):
            yield from self.downloads.map(call, items[start : start + _CHUNK])

    def _within_budget(self, kept: Sequence[Found]) -> Iterator[ArticleRef | Drop]:
        """The refs, as far as the budget goes."""
        total, limit = self.catalog.meter.spent, self.catalog.meter.limit
        for item in kept:
            place = Place(item.key, item.size, item.member, item.license)
            article_id = make_article_id(Ids(doi=item.doi, version=item.version), item.key)
            total += item.cost
            if limit is not None and total > limit:
                self._doubt("budget_gb")
                detail = f"{total / 1e9:.3f} GB with it, budget_gb={limit / 1e9:g}"
                yield Drop(id=article_id, stage="plan", reason="over-budget", detail=detail)
            else:
                yield ArticleRef(
                    id=article_id,
                    locator=place.locator(),
                    fingerprint=item.etag,
                    group=work_of(Ids(doi=item.doi)),
                )


def _is_stale(error: Exception) -> bool:
    return isinstance(error, (NotFoundError, ReplacedError))
