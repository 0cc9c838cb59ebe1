"""The run folder: a frozen plan, a commit record for each unit, and nothing else that counts.

A unit is done if and only if ``commits/<unit>.json`` exists. Only the driver commits: it moves the
unit's files from ``tmp/<unit>.<attempt>/`` into place, syncs the folders, and then creates the record
with an atomic rename. Whatever a killed run leaves behind is either in ``tmp/`` or named by no record,
and is swept away at the next start. See ``docs/explanation/nothing-lost.md``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from .errors import InputError, UsageError
from .files import HashingFile, fsync_folder, output_errors
from .records import Drop, Failure, FileInfo, Receipt, Unit, from_json, to_json

try:
    import fcntl
except ImportError:  # Windows: without a lock, two drivers on one folder are the user's care
    fcntl = None  # type: ignore[assignment]

OWN_FILES = frozenset(
    {"run.toml", "plan.jsonl", "manifest.json", "stats.json", "events.jsonl", ".lock", "tmp"}
    | {"failures", "articles", "commits"}
)
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
            foreign = sorted({p.name for p in self.path.iterdir()} - OWN_FILES)
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
        plan = self._write_lines("plan.jsonl", units)
        self._write_lines("failures/plan.jsonl", drops)
        told = {"units": plan.rows, "sha256": plan.sha256}
        self.write("manifest.json", pretty_json({**facts, "plan": told}))

    def extend(self, units: Iterable[Unit], drops: Iterable[Drop] = ()) -> int:
        """Append units to the plan, atomically; answers how many."""
        more = list(units)
        drops = list(drops)
        if drops:
            old = self._read_bytes("failures/plan.jsonl")
            new = [line for line in map(to_json, drops) if line not in old]
            self.write("failures/plan.jsonl", old + b"".join(line + b"\n" for line in new))
        if more:
            old = self._read_bytes("plan.jsonl")
            self.write("plan.jsonl", old + b"".join(to_json(unit) + b"\n" for unit in more))
        return len(more)

    # -- reading --------------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any]:
        """The manifest as written at planning time; UsageError where this is no run."""
        if not self.exists:
            raise UsageError(f"{self.path} holds no pmcx run (no manifest.json)")
        data: dict[str, Any] = msgspec.json.decode(self._read_bytes("manifest.json"))
        return data

    def units(self) -> Iterator[Unit]:
        """The planned units in order, one at a time; InputError where the plan was changed."""
        expected = self.manifest()["plan"]
        digest = hashlib.sha256()
        with (self.path / "plan.jsonl").open("rb") as lines:
            for number, line in enumerate(lines):
                if number < expected["units"]:
                    digest.update(line)
                if number + 1 == expected["units"] and digest.hexdigest() != expected["sha256"]:
                    raise InputError(f"{self.path / 'plan.jsonl'} is not the plan this run was made with")
                yield from_json(line, Unit)

    def committed(self) -> set[int]:
        """Indexes of the units that are done."""
        names = _names(self.path / "commits")
        return {int(name[:-5]) for name in names if name.endswith(".json")}

    def receipt(self, unit: int) -> Receipt:
        return from_json(self._read_bytes(f"commits/{unit:06d}.json"), Receipt)

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
                with file.open("rb") as lines:
                    for line in lines:
                        yield decode_loss(line)

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

    def discard(self, unit: int, attempt: int) -> None:
        """Delete what a failed attempt has written."""
        shutil.rmtree(self.tmp(unit, attempt), ignore_errors=True)

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

    def _write_lines(self, name: str, records: Iterable[msgspec.Struct]) -> FileInfo:
        """Stream records into a file, atomically; answers its facts."""
        target = self.path / name
        tmp = self.path / "tmp" / name.replace("/", "_")
        facts = write_lines(tmp, records)
        with output_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            tmp.replace(target)
            fsync_folder(target.parent)
        return facts

    def append_event(self, event: str, **facts: Any) -> None:
        """Add a line to the log of events; it informs, nothing is decided by it."""
        with (
            output_errors(self.path / "events.jsonl"),
            (self.path / "events.jsonl").open("ab") as out,
        ):
            out.write(to_json({"event": event, **facts}) + b"\n")

    def _read_bytes(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return b""


def decode_loss(line: bytes) -> Failure | Drop:
    """One line of ``failures/*.jsonl``: a failure has a ``kind``, a drop a ``reason``."""
    data = msgspec.json.decode(line)
    if "kind" in data:
        return msgspec.convert(data, Failure)
    return msgspec.convert(data, Drop)


def write_lines(path: Path, records: Iterable[msgspec.Struct]) -> FileInfo:
    """Write records as a new JSON-lines file, durably; OutputError where the disk refuses."""
    out, rows = HashingFile(path), 0
    try:
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


def pretty_json(data: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(to_json(data), indent=2) + b"\n"
