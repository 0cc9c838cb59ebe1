"""Which articles are asked for: PMCIDs on the command line and in files."""

from __future__ import annotations

import csv
import gzip
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from ...core.errors import UsageError

log = logging.getLogger(__name__)

_ID = re.compile(r"\s*(?:PMC)?([0-9]{1,15})(?:\.([1-9][0-9]{0,5}))?\s*", re.IGNORECASE)
_FORMS = "(PMC123, 123, PMC123.2)"
_MARKED = re.compile(r"PMC[0-9]{1,15}(?:\.[0-9]{1,6})?", re.IGNORECASE)
_COLUMNS = ("pmcid", "pmcidver", "accessionid")
"""Names of the column that holds PMCIDs, without blanks and signs, best first."""


@dataclass(frozen=True)
class Wanted:
    """One article asked for, and one version of it where that is said (else 0)."""

    number: int
    version: int = 0

    def __str__(self) -> str:
        return f"PMC{self.number}.{self.version}" if self.version else f"PMC{self.number}"


def parse_id(text: str) -> Wanted | None:
    """``PMC123``, ``123`` or ``PMC123.2``; None for anything else."""
    match = _ID.fullmatch(text)
    if match is None or not int(match[1]):
        return None
    return Wanted(int(match[1]), int(match[2] or 0))


def read_inputs(inputs: Iterable[str]) -> Iterator[Wanted]:
    """The articles of PMCIDs and id files, in order; UsageError for what is neither.

    Files are read line by line, so that millions of ids cost no memory.
    """
    for given in inputs:
        wanted = parse_id(given)
        if wanted is not None:
            yield wanted
        elif Path(given).expanduser().is_file():
            yield from read_file(Path(given).expanduser(), given)
        else:
            raise UsageError(f"{given!r} is neither a PMCID {_FORMS} nor a file that lists PMCIDs")


def read_file(path: Path, label: str) -> Iterator[Wanted]:
    """The PMCIDs of a file: one a line (``#`` begins a comment), or a column of a CSV or TSV table.

    A cell without any id is skipped in a table, as not every article is in PMC; any other text in place
    of an id is a UsageError that names the line.
    """
    with _opened(path, label) as lines:
        content = (
            (at, line)
            for at, line in enumerate(lines, 1)
            if line.strip() and not line.lstrip().startswith("#")
        )
        at, first = next(content, (0, ""))
        delimiter = next((mark for mark in ("\t", ",", ";") if mark in first), "")
        header = next(csv.reader([first], delimiter=delimiter)) if delimiter else [first.strip()]
        column = _column(header)
        if column is not None:
            table = _Table(label, at, column, len(header))
            yield from table.read(csv.reader(lines, delimiter=delimiter or ","))
        elif delimiter:
            seen = ", ".join(repr(name) for name in header[:8])
            raise UsageError(f"{label}: a table without a column 'PMCID'; its first line has {seen}")
        else:
            yield from _read_lines(path, label)


def _read_lines(path: Path, label: str) -> Iterator[Wanted]:
    with _opened(path, label) as lines:
        for number, line in enumerate(lines, 1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            wanted = parse_id(text)
            if wanted is None:
                raise UsageError(f"{label}, line {number}: {text[:60]!r} is no PMCID {_FORMS}")
            yield wanted


@dataclass(frozen=True)
class _Table:
    """A table of which one column holds PMCIDs; ``begin`` is the line of its header."""

    label: str
    begin: int
    column: int
    columns: int

    def read(self, rows: _Rows) -> Iterator[Wanted]:
        empty = 0
        for row in filter(None, rows):
            cell = self._cell(row)
            wanted = parse_id(cell)
            if wanted is not None:
                yield wanted
            elif cell:
                line = self.begin + rows.line_num
                raise UsageError(f"{self.label}, line {line}: {cell[:60]!r} is no PMCID {_FORMS}")
            else:
                empty += 1
        if empty:
            log.info("%s: %d rows have no PMCID", self.label, empty)

    def _cell(self, row: list[str]) -> str:
        """What stands for the PMCID of a row.

        PMC-ids.csv has rows with commas that nobody quoted: their columns are shifted, and a year must not
        pass for an id.
        """
        if len(row) <= self.columns:
            return row[self.column].strip() if self.column < len(row) else ""
        marked = [text.strip() for text in row if _MARKED.fullmatch(text.strip())]
        return marked[0] if len(marked) == 1 else ",".join(row)


def _column(header: list[str]) -> int | None:
    names = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in header]
    return next((names.index(name) for name in _COLUMNS if name in names), None)


class _Rows(Protocol):
    """What ``csv.reader`` gives."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...


@contextmanager
def _opened(path: Path, label: str) -> Iterator[IO[str]]:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        opener = gzip.open if packed else open
        with opener(path, "rt", encoding="utf-8-sig", newline=None) as lines:
            yield lines
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{label}: not a readable list of PMCIDs: {error}") from error
