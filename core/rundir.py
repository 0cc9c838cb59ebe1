"""The run folder: a frozen plan, a commit record for each unit, and nothing else that counts.

A unit is done if and only if ``commits/<unit>.json`` exists. Only the driver commits: it moves the
unit's files from ``tmp/<unit>.<attempt>/`` into place, syncs the folders, and then creates the record
with an atomic rename. Whatever a killed run leaves behind is either in ``tmp/`` or named by no record,
and is swept away at the next start. See ``docs/explanation/nothing-lost.md``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from .errors import InputError, UsageError
from .files import HashingFile, fsync_folder, output_errors
from .records import ArticleRef, Drop, Failure, FileInfo, Receipt, Unit, from_json, to_json

try:
    import fcntl
except ImportError:  # Windows: without a lock, two drivers on one folder are the user's care
    fcntl = None  # type: ignore[assignment]

OWN_FILES = frozenset(
    {"run.toml", "plan.jsonl", "manifest.json", "stats.json", "events.jsonl", ".lock", "tmp"}
    | {"failures", "articles", "commits", "vanished.jsonl", "withdrawn.jsonl"}
)
_COMMIT = re.compile(r"([0-9]{6,})\.json")
_UNIT_FILE = re.compile(r"(?:[a-z]+-)?([0-9]{6,})\.[a-z.]+")


@dataclass
class RunInfo:
    """What event hooks and progress displays see of a run."""

    path: Path
    units: int
    """Units planned."""
    articles: int
    """Articles planned."""
    roots: tuple[str, ...]
    """Folders of the exporters."""
    counts: Counter[str]
    """Merged counts of the committed units."""


class RunFolder:
    """One run on disk. ``create`` writes a new plan; ``open`` takes up an existing one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: Any = None

    # -- start ----------------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether a run was planned here (the manifest is the last thing that planning writes)."""
        return (self.path / "manifest.json").is_file()

    def prepare(self) -> None:
        """Make and lock the folder; raises OutputError or UsageError where it cannot hold a run."""
        with output_errors(self.path, "create the run folder"):
            self.path.mkdir(parents=True, exist_ok=True)
        if not self.exists:
            names = {p.name for p in self.path.iterdir() if not p.name.startswith(".")}
            foreign = sorted(names - OWN_FILES)
            if foreign:
                raise UsageError(
                    f"{self.path} is not empty and holds no pmcx run (it has {', '.join(foreign[:3])}…); "
                    "name a new or empty folder with --out"
                )
        self.lock()
        with output_errors(self.path, "write to the run folder"):
            self._sweep_tmp()

    def lock(self) -> None:
        """Take the folder for this process; UsageError where another one has it."""
        with output_errors(self.path, "write to the run folder"):
            handle = (self.path / ".lock").open("a+")
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
                raise UsageError(f"another pmcx process is working on {self.path}") from None
            except OSError:
                pass  # file systems without locks: nothing to be had
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def freeze(self, config_toml: str, units: Iterable[Unit], drops: Iterable[Drop], facts: Any) -> None:
        """Write configuration, plan and manifest of a new run, the manifest last."""
        self.write("run.toml", config_toml.encode())
        self._write_lines("plan.jsonl", units)
        self._write_lines("failures/plan.jsonl", drops)
        plan, left = (_facts(self.path / name) for name in ("plan.jsonl", "failures/plan.jsonl"))
        self.write("manifest.json", pretty_json({**facts, "plan": plan, "drops": left}))

    def extend(self, units: Iterable[Unit], drops: Sequence[Drop] = ()) -> None:
        """Append units and drops to the plan, atomically; the manifest follows."""
        if drops:
            old = self.path / "failures" / "plan.jsonl"
            self._write_lines("failures/plan.jsonl", drops, after=old)
        self._write_lines("plan.jsonl", units, after=self.path / "plan.jsonl")
        self.heal()

    def heal(self) -> None:
        """Let the manifest vouch for the whole plan, also where an extension was killed before it could."""
        for _ in self.units():
            pass  # raises where the part that the manifest knows has changed
        told = self.manifest()
        plan, drops = (_facts(self.path / name) for name in ("plan.jsonl", "failures/plan.jsonl"))
        if (told["plan"], told["drops"]) != (plan, drops):
            self.write("manifest.json", pretty_json({**told, "plan": plan, "drops": drops}))

    def note(self, **facts: Any) -> None:
        """Add facts to the manifest."""
        self.write("manifest.json", pretty_json({**self.manifest(), **facts}))

    # -- reading --------------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        """The manifest as written at planning time; UsageError where this is no run."""
        if not self.exists:
            raise UsageError(f"{self.path} holds no pmcx run (no manifest.json)")
        with _damage(self.path / "manifest.json"):
            data: dict[str, Any] = msgspec.json.decode((self.path / "manifest.json").read_bytes())
            if not {"identity", "plan", "drops", "roots", "unit_articles"} <= data.keys():
                raise ValueError("it lacks required entries")
        return data

    def units(self) -> Iterator[Unit]:
        """The planned units in order, one at a time; InputError where the plan was changed."""
        expected = self.manifest()["plan"]
        digest = hashlib.sha256()
        number = 0
        with _damage(self.path / "plan.jsonl"), (self.path / "plan.jsonl").open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if number <= expected["lines"]:
                    digest.update(line)
                if number == expected["lines"]:
                    self._check_plan(digest.hexdigest() == expected["sha256"])
                yield from_json(line, Unit)
        self._check_plan(number >= expected["lines"])

    def planned(self) -> Iterator[ArticleRef]:
        """The planned articles in order, without the retries of them."""
        return (ref for unit in self.units() for ref in unit.articles if not ref.attempt)

    def plan_problems(self) -> Iterator[str]:
        """What is wrong with the record of articles left out at planning time."""
        if _facts(self.path / "failures" / "plan.jsonl") != self.manifest()["drops"]:
            yield "failures/plan.jsonl is not the one this run was made with"

    def _check_plan(self, as_made: bool) -> None:
        if not as_made:
            raise InputError(f"{self.path / 'plan.jsonl'} is not the plan this run was made with")

    def committed(self) -> set[int]:
        """Indexes of the units that are done."""
        found = (_COMMIT.fullmatch(name) for name in _names(self.path / "commits"))
        return {int(match[1]) for match in found if match}

    def receipt(self, unit: int) -> Receipt:
        """The commit record of a unit; InputError, with the way out, where it is damaged."""
        path = self.path / "commits" / f"{unit:06d}.json"
        with _damage(path, "; delete it and run again: the unit is then made anew"):
            return from_json(path.read_bytes(), Receipt)

    def receipts(self) -> Iterator[Receipt]:
        """The commit records in unit order."""
        for unit in sorted(self.committed()):
            yield self.receipt(unit)

    def losses(self) -> Iterator[Failure | Drop]:
        """Every recorded failure and drop, planning's own first, then unit by unit."""
        names = ["plan.jsonl"] + [f"{unit:06d}.jsonl" for unit in sorted(self.committed())]
        for name in names:
            file = self.path / "failures" / name
            if file.is_file():
                with _damage(file), file.open("rb") as lines:
                    for line in lines:
                        yield decode_loss(line)

    def plan_drops(self) -> Iterator[Drop]:
        """What planning has left out."""
        self.manifest()
        file = self.path / "failures" / "plan.jsonl"
        with _damage(file), file.open("rb") as lines:
            for line in lines:
                yield from_json(line, Drop)

    def info(self) -> RunInfo:
        units = articles = 0
        for unit in self.units():
            units += 1
            articles += sum(1 for ref in unit.articles if not ref.attempt)
        roots = tuple(self.manifest()["roots"])
        return RunInfo(self.path, units, articles, roots, self.counts())

    def counts(self) -> Counter[str]:
        """Merged counts of all committed units."""
        counts: Counter[str] = Counter()
        for receipt in self.receipts():
            counts.update(receipt.counts)
        return counts

    # -- working --------------------------------------------------------------------------------

    def tmp(self, unit: int, attempt: int) -> Path:
        """The folder in which one attempt at a unit may write."""
        return self.path / "tmp" / f"{unit:06d}.{attempt}"

    def commit(self, receipt: Receipt) -> None:
        """Move a unit's files into place and record it: after this returns, the unit is done."""
        source = self.tmp(receipt.unit, receipt.attempt)
        with output_errors(self.path, "commit a unit"):
            folders = set()
            for name in receipt.files:
                target = self.path / name
                if target.parent not in folders:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    folders.add(target.parent)
                (source / name).replace(target)
            for folder in folders:
                fsync_folder(folder)
        self.write(f"commits/{receipt.unit:06d}.json", to_json(receipt) + b"\n")
        shutil.rmtree(source, ignore_errors=True)

    def sweep(self, roots: Iterable[str]) -> list[str]:
        """Delete temporary files and unit files that no commit names; answers their paths."""
        with output_errors(self.path, "clean the run folder"):
            self._sweep_tmp()
            strays = list(self.strays(roots))
            for name in strays:
                (self.path / name).unlink(missing_ok=True)
        return strays

    def strays(self, roots: Iterable[str]) -> Iterator[str]:
        """Files named like a unit's output, in a folder of the run, that no commit names."""
        known: set[str] = set()
        for receipt in self.receipts():
            known.update(receipt.files)
        for root in sorted({*roots, "articles", "failures"}):
            for name in _names(self.path / root):
                match = _UNIT_FILE.fullmatch(name)
                path = f"{root}/{name}"
                if match and path not in known:
                    yield path

    def _sweep_tmp(self) -> None:
        tmp = self.path / "tmp"
        if tmp.is_dir():
            shutil.rmtree(tmp, ignore_errors=True)

    def close(self) -> None:
        """Leave the folder tidy (no ``tmp/``) and free for others."""
        self._sweep_tmp()
        self.unlock()

    # -- files ----------------------------------------------------------------------------------

    def write(self, name: str, data: bytes) -> None:
        """Create or replace one file atomically and durably (written under ``tmp/`` first)."""
        target = self.path / name
        tmp = self.path / "tmp" / (name.replace("/", "_") + f".{os.getpid()}")
        with output_errors(target):
            tmp.parent.mkdir(exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            with tmp.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            tmp.replace(target)
            fsync_folder(target.parent)

    def _write_lines(self, name: str, records: Iterable[msgspec.Struct], after: Path | None = None) -> None:
        """Stream records into a file (behind the lines of ``after``), atomically."""
        target = self.path / name
        tmp = self.path / "tmp" / name.replace("/", "_")
        write_lines(tmp, records, after)
        with output_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            tmp.replace(target)
            fsync_folder(target.parent)

    def append_event(self, event: str, **facts: Any) -> None:
        """Add a line to the log of events; it informs, nothing is decided by it."""
        with (
            output_errors(self.path / "events.jsonl"),
            (self.path / "events.jsonl").open("ab") as out,
        ):
            out.write(to_json({"event": event, **facts}) + b"\n")


def decode_loss(line: bytes) -> Failure | Drop:
    """One line of ``failures/*.jsonl``: a failure has a ``kind``, a drop a ``reason``."""
    data = msgspec.json.decode(line)
    if "kind" in data:
        return msgspec.convert(data, Failure)
    return msgspec.convert(data, Drop)


def write_lines(path: Path, records: Iterable[msgspec.Struct], after: Path | None = None) -> FileInfo:
    """Write records as a new JSON-lines file, durably, behind a copy of the file ``after``.

    OutputError where the disk refuses.
    """
    out, rows = HashingFile(path), 0
    try:
        if after is not None:
            with after.open("rb") as old:
                while block := old.read(1 << 20):
                    out.write(block)
        for record in records:
            out.write(to_json(record) + b"\n")
            rows += 1
        return out.finish(rows)
    finally:
        out.close()


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []


def _facts(path: Path) -> dict[str, Any]:
    """Number of lines and sha256 of a JSON-lines file."""
    digest, lines = hashlib.sha256(), 0
    with _damage(path), path.open("rb") as data:
        for line in data:
            digest.update(line)
            lines += 1
    return {"lines": lines, "sha256": digest.hexdigest()}


@contextlib.contextmanager
def _damage(path: Path, advice: str = "") -> Iterator[None]:
    """What a damaged or missing file of a run raises becomes an InputError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing{advice}") from error
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged: {error}{advice}") from error


def pretty_json(data: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(to_json(data), indent=2) + b"\n"
