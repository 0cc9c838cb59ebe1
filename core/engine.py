"""The engine: plan a run or take one up, carry out its units, commit each, derive the rest.

``Engine(config, out).run()`` is all that ``pmcx run`` does; ``pmcx.run(...)`` is the same in one call.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from .books import Books, read_books, retry_refs, retry_units
from .config import RunConfig, load_config
from .errors import IdentityError, InputError, UsageError
from .executors import Processes, inline
from .filters import metadata_drop
from .identity import build_stage, circumstance, differences, identity, made_by, without_secrets
from .planning import Plan, unit_size
from .progress import Progress
from .records import ArticleRef, Drop, FailureKind, Receipt, Unit, to_json
from .registry import Registry
from .rundir import RunFolder, RunInfo, pretty_json
from .stages import Exporter, RunSummary, Source
from .withdrawn import WITHDRAWN, write_vanished

log = logging.getLogger("pmcx")


class Observer(Protocol):
    """What a display of a running engine implements; called in the driver only."""

    def planning(self) -> None: ...
    def started(self, info: RunInfo, pending: int) -> None: ...
    def progress(self, unit: int, progress: Progress) -> None: ...
    def committed(self, receipt: Receipt) -> None: ...
    def draining(self, why: str) -> None: ...
    def finished(self, books: Books) -> None: ...


class Silent:
    """An observer that shows nothing."""

    def planning(self) -> None:
        pass

    def started(self, info: RunInfo, pending: int) -> None:
        pass

    def progress(self, unit: int, progress: Progress) -> None:
        pass

    def committed(self, receipt: Receipt) -> None:
        pass

    def draining(self, why: str) -> None:
        pass

    def finished(self, books: Books) -> None:
        pass


@dataclass(frozen=True)
class RunResult:
    """How a run stands after ``Engine.run``: its folder, its books and why it stopped."""

    path: Path
    books: Books
    interrupted: bool = False
    over_limit: bool = False
    tolerated: int | None = None
    retried: int | None = None
    """Articles that a retry has taken up; None where there was no retry."""
    extended: int | None = None
    """Articles that an extension has planned; None where there was none."""
    planning: float = 0.0
    """Seconds that the source took to enumerate its articles."""

    @property
    def exit_code(self) -> int:
        """0 done, 1 lost items or too many of them, 130 interrupted."""
        if self.interrupted:
            return 130
        lost = self.books.lost > (self.tolerated or 0)
        return 1 if lost or self.over_limit else 0


class Engine:
    """One run folder with the configuration that made it, ready to be carried out.

    Raises UsageError for settings that cannot work, before anything is written.
    """

    def __init__(
        self,
        config: RunConfig,
        out: Path | str,
        registry: Registry | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.config = config
        self.folder = RunFolder(Path(out))
        self.registry = registry or Registry.discover(config.blocked, config.plugins)
        self.observer: Observer = observer or Silent()
        self.identity = identity(config, self.registry)
        self.roots = tuple(self._exporter(stage.name).root for stage in config.export)
        self._custom_registry = registry is not None
        if registry is not None and config.executor == "processes":
            raise UsageError("a registry made by hand exists in this process only; use the inline executor")
        self._stop = ""
        self._interrupts = 0
        self._planning = 0.0

    @classmethod
    def resume(
        cls, out: Path | str, observer: Observer | None = None, flags: Mapping[str, Any] | None = None
    ) -> Engine:
        """The engine of an existing run folder, from its ``run.toml``; flags change circumstances."""
        folder = RunFolder(Path(out))
        folder.manifest()
        return cls(load_config(folder.path / "run.toml", flags, {}), out, observer=observer)

    def _exporter(self, name: str) -> type[Exporter]:
        cls: Any = self.registry.stage("exporter", name).cls
        return cls  # type: ignore[no-any-return]

    # -- verbs ----------------------------------------------------------------------------------

    def run(self, extend: bool = False) -> RunResult:
        """Plan (or resume) and carry out everything that is pending; blocks until done or stopped.

        ``extend`` first asks the source for articles that the plan does not hold yet.
        """
        self.folder.prepare()
        extended: int | None = None
        try:
            self.observer.planning()
            if not self.folder.exists:
                self._plan()
            else:
                self._take_up()
                if extend:
                    extended = self._extend()
                elif changes := self._selection_changes():
                    raise IdentityError(
                        f"{self.folder.path} was planned for other articles: {'; '.join(changes)}. Add "
                        "--extend to take these into it, or name a new --out"
                    )
            return dataclasses.replace(self._carry_out(self.config.max_failures), extended=extended)
        finally:
            self.folder.close()

    def retry(self, kinds: frozenset[FailureKind]) -> RunResult:
        """Try the lost items of these kinds again, in units of their own; nothing is rewritten."""
        self.folder.manifest()
        self.folder.prepare()
        try:
            self._take_up()
            refs = retry_refs(self.folder, kinds)
            first = sum(1 for _ in self.folder.units())
            size = self.folder.manifest()["unit_articles"]
            self.folder.extend(retry_units(refs, size, first))
            return dataclasses.replace(self._carry_out(None), retried=len(refs))
        finally:
            self.folder.close()

    @contextmanager
    def preview(self) -> Iterator[Plan]:
        """What a new run would plan, or this one if extended, without writing anything into the run."""
        import tempfile

        known: Iterator[ArticleRef] = iter(())
        if self.folder.exists:
            known = self.folder.planned()
        with tempfile.TemporaryDirectory(prefix="pmcx-") as scratch:
            yield self._fill(Plan(Path(scratch) / "refs.jsonl", known))

    # -- planning -------------------------------------------------------------------------------

    def _fill(self, plan: Plan) -> Plan:
        """Let the source enumerate its articles into a plan."""
        source = build_stage(self.registry, "source", self.config.source.name, self.config.source.options)
        assert isinstance(source, Source)
        source.accept = partial(metadata_drop, filters=self.config.filters)
        began = time.perf_counter()
        with source:
            plan.fill(source)
        self._planning = time.perf_counter() - began
        return plan

    def _plan(self) -> None:
        plan = self._fill(Plan(self.folder.path / "tmp" / "refs.jsonl"))
        if not plan.articles:
            raise UsageError(f"the source {self.config.source.name!r} found no articles{_reasons(plan)}")
        size = unit_size(plan.articles, self.config.unit_articles)
        facts = {
            "identity": self.identity,
            "unit_articles": size,
            "roots": self.roots,
            "circumstance": circumstance(self.config),
        }
        self.folder.freeze(
            without_secrets(self.config, self.registry).to_toml(), plan.units(size), plan.drops, facts
        )

    def _take_up(self) -> None:
        """Make sure that the run on disk is the one that was asked for, and whole."""
        manifest = self.folder.manifest()
        lines = differences(manifest["identity"], self.identity)
        asked = self.config.unit_articles
        if asked not in (None, manifest["unit_articles"]):
            lines.append(f"unit_articles: was {manifest['unit_articles']}, now {asked}")
        if lines:
            raise IdentityError(
                f"{self.folder.path} was made by another run: {'; '.join(lines)}. "
                "Resume it with the settings and versions it was made with, or name a new --out"
            )
        self.folder.heal()

    def _extend(self) -> int:
        """Plan what the source has gained or changed; answers how many articles that is."""
        first = sum(1 for _ in self.folder.units())
        known = self.folder.planned()
        plan = self._fill(Plan(self.folder.path / "tmp" / "refs.jsonl", known))
        same = not self._selection_changes()
        if not same and not plan.incomplete:
            self.folder.note(mixed_selections=True)  # from now on, not being listed says nothing
        mixed = self.folder.manifest().get("mixed_selections", False)
        write_vanished(self.folder, plan, complete=same and not mixed and not plan.incomplete)
        drops = self._new_drops(plan.drops)
        if plan.articles or drops:
            size = self.folder.manifest()["unit_articles"]
            self.folder.extend(plan.units(size, first), drops)
        return plan.articles

    def _selection_changes(self) -> list[str]:
        """How the options that choose articles differ from those that the run was made with."""
        before = load_config(self.folder.path / "run.toml", {}, {})
        return differences(self._selection(before), self._selection(self.config))

    def _selection(self, config: RunConfig) -> dict[str, Any]:
        source = build_stage(self.registry, "source", config.source.name, config.source.options)
        assert isinstance(source, Source)
        selection: dict[str, Any] = source.options.model_dump(mode="json", include=set(source.selecting))
        return selection

    def _new_drops(self, drops: list[Drop]) -> list[Drop]:
        """Those that planning has not recorded before."""
        known = {(loss.id, loss.reason, loss.detail) for loss in self.folder.plan_drops()}
        return [drop for drop in drops if (drop.id, drop.reason, drop.detail) not in known]

    # -- carrying out ---------------------------------------------------------------------------

    def _carry_out(self, most: int | None) -> RunResult:
        """Work on all pending units; stop early when more than ``most`` items are lost."""
        self.folder.sweep(self.roots)
        committed = self.folder.committed()
        info = self.folder.info()
        lost = read_books(self.folder).lost
        self.observer.started(info, info.units - len(committed))
        self.registry.notify("pmcx_run_started", run=info)
        self.folder.append_event("started", units=info.units, done=len(committed), time=_now())
        if most is not None and lost > most:
            self._drain(
                f"{lost} items are lost already, more than {most}; raise --max-failures or retry them"
            )
        with self._signals():
            for receipt in self._execute(u for u in self.folder.units() if u.index not in committed):
                self.folder.commit(receipt)
                info.counts.update(receipt.counts)
                lost += sum(n for key, n in receipt.counts.items() if key.startswith("failed."))
                self.folder.append_event("committed", unit=receipt.unit, counts=receipt.counts, time=_now())
                self.observer.committed(receipt)
                self.registry.notify("pmcx_unit_committed", run=info, receipt=receipt)
                if most is not None and lost > most:
                    self._drain(f"more than {most} items were lost")
        return self._finish(info)

    def _finish(self, info: RunInfo) -> RunResult:
        books = read_books(self.folder)
        if books.complete:
            for name, data in derived_files(self.folder, self.config, self.registry, books).items():
                self.folder.write(name, data)
            self.registry.notify("pmcx_run_finished", run=info)
        self.folder.append_event("finished" if books.complete else "stopped", why=self._stop, time=_now())
        self.observer.finished(books)
        return RunResult(
            path=self.folder.path,
            books=books,
            interrupted=self._interrupts > 0 and not books.complete,
            over_limit=self.config.max_failures is not None and books.lost > self.config.max_failures,
            tolerated=self.config.max_failures,
            planning=self._planning,
        )

    def _execute(self, units: Iterator[Unit]) -> Iterator[Receipt]:
        feed = self._until_stopped(units)
        workers = self.workers()
        in_process = self.config.workers == 1 or self._custom_registry
        if self.config.executor == "inline" or (in_process and self.config.executor == "auto"):
            return inline(self.config, self.registry, feed, self.folder.tmp, self.observer.progress)
        return Processes(self.config, workers, self.folder.tmp, self.observer.progress).run(feed)

    def workers(self) -> int:
        """How many units are worked on at once."""
        if self.config.executor == "inline" or self._custom_registry:
            return 1  # an object registered by hand exists in this process only
        return self.config.workers or cores()

    def _until_stopped(self, units: Iterator[Unit]) -> Iterator[Unit]:
        for unit in units:
            if self._stop:
                return
            yield unit

    def _drain(self, why: str) -> None:
        if not self._stop:
            self._stop = why
            self.observer.draining(why)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """First Ctrl-C: finish the units that are on their way. Second, or SIGTERM: stop at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, _frame: Any) -> None:
            self._interrupts += 1
            if number == signal.SIGTERM or self._interrupts > 1:
                raise KeyboardInterrupt
            self._drain("interrupted; press Ctrl-C again to stop at once")

        numbers = [signal.SIGINT, signal.SIGTERM]
        before = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _reasons(plan: Plan) -> str:
    """The first few things that planning left out, for a message."""
    told = [f"{drop.id} {drop.reason} ({drop.detail})" for drop in plan.drops[:3]]
    more = f" and {len(plan.drops) - 3} more" if len(plan.drops) > 3 else ""
    return f": {', '.join(told)}{more}" if told else ""


def derived_files(folder: RunFolder, config: RunConfig, registry: Registry, books: Books) -> dict[str, bytes]:
    """Everything in a run folder that follows from its commits, by path."""
    derived: dict[str, bytes] = {}
    committed = {name: facts for receipt in folder.receipts() for name, facts in receipt.files.items()}
    for stage in config.export:
        exporter = build_stage(registry, "exporter", stage.name, stage.options)
        assert isinstance(exporter, Exporter)
        files = {name: facts for name, facts in committed.items() if name.startswith(f"{exporter.root}/")}
        missing = [name for name in files if not (folder.path / name).is_file()]
        if missing:
            raise InputError(f"{folder.path / missing[0]} is missing; `pmcx verify {folder.path}` tells more")
        summary = RunSummary(folder.path, files, books.counts, made_by(config, registry))
        derived.update(exporter.finalize(summary))
    articles = {
        "planned": books.planned,
        "done": books.done,
        "lost": books.lost_articles,
        "dropped": books.dropped_articles,
    }
    if books.withdrawn or (folder.path / WITHDRAWN).is_file():
        derived[WITHDRAWN] = b"".join(to_json(each) + b"\n" for each in books.withdrawn)
    if books.withdrawn:
        articles["withdrawn"] = len(books.withdrawn)
    derived["stats.json"] = pretty_json({"articles": articles, "counts": dict(sorted(books.counts.items()))})
    return dict(sorted(derived.items()))


def cores() -> int:
    """Processors that this process may use (a batch system or container may allow fewer than there are)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def run(
    source: str | Mapping[str, Any] = "demo",
    out: Path | str = "out",
    *,
    detector: str | Mapping[str, Any] | None = None,
    export: str | list[Any] | None = None,
    config: Path | None = None,
    extend: bool = False,
    observer: Observer | None = None,
    registry: Registry | None = None,
    **settings: Any,
) -> RunResult:
    """Carry out a run in one call: ``pmcx.run("folder", "out", source_options={"input": "articles"})``.

    Stages are names, or mappings of ``name`` and options; other keywords are settings of
    :class:`~pmcx.core.config.RunConfig` (``workers=2``, ``filters={"min_side": 64}``).
    """
    options = settings.pop("source_options", None)
    chosen: Any = {"name": source, **(options or {})} if isinstance(source, str) else dict(source)
    flags = {"source": chosen, "detector": detector, "export": export, **settings}
    return Engine(load_config(config, flags), out, registry, observer).run(extend)
