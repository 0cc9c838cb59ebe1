"""How results are printed: rich tables for people, JSON lines for programs."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from ..books import Books


def console(stderr: bool = False) -> Console:
    """A console; plain and unwrapped where the output is not a terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, width=None if stream.isatty() else 160)


def print_json(data: Any, indent: int | None = 2) -> None:
    """One JSON document (or, without indent, one JSON line) on standard output."""
    import msgspec

    from ..records import to_json

    raw = to_json(data)
    if indent:
        raw = msgspec.json.format(raw, indent=indent)
    sys.stdout.write(raw.decode() + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A small table without frames."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        show_header=any(columns),
    )
    for column in columns:
        table.add_column(column, style="" if table.columns else "cyan", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console().print(table)


def books_dict(books: Books) -> dict[str, Any]:
    """The books as plain data, as ``--json`` prints them."""
    counts = books.counts
    return {
        "units": {"planned": books.units, "done": books.units_done},
        "articles": {
            "planned": books.planned,
            "done": books.done,
            "lost": books.lost_articles,
            "dropped": books.dropped_articles,
            "pending": books.pending,
        },
        "figures": counts["figures"],
        "panels": counts["panels"],
        "pairs": counts["pairs"],
        "lost": by_prefix(counts, "failed."),
        "dropped": by_prefix(counts, "dropped."),
        "withdrawn": dict(Counter(each.why for each in books.withdrawn).most_common()),
        "licenses": by_prefix(counts, "license."),
        "alignment": by_prefix(counts, "alignment."),
        "splits": by_prefix(counts, "split."),
        "seconds": {name: round(value, 3) for name, value in sorted(books.seconds.items())},
        "complete": books.complete,
    }


def by_prefix(counts: Any, prefix: str) -> dict[str, int]:
    """The counts below a prefix, largest first."""
    found = {key[len(prefix) :]: n for key, n in counts.items() if key.startswith(prefix) and n}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def books_rows(books: Books) -> list[tuple[str, str]]:
    """The books as two-column rows for a terminal."""
    counts = books.counts
    rows = [
        ("articles", f"{books.done} of {books.planned}" + _extra(books)),
        ("figures", str(counts["figures"])),
        ("pairs", str(counts["pairs"])),
    ]
    for title, prefix in (
        ("aligned by", "alignment."),
        ("licences", "license."),
        ("splits", "split."),
        ("dropped", "dropped."),
        ("lost", "failed."),
    ):
        found = by_prefix(counts, prefix)
        if found:
            rows.append((title, ", ".join(f"{name} {n}" for name, n in found.items())))
    gone = Counter(each.why for each in books.withdrawn)
    if gone:
        told = ", ".join(f"{why} {n}" for why, n in gone.most_common())
        rows.append(("withdrawn", f"{told} (see withdrawn.jsonl)"))
    return rows


def _extra(books: Books) -> str:
    parts = [
        f"{n} {what}"
        for n, what in (
            (books.pending, "pending"),
            (books.lost_articles, "lost"),
            (books.dropped_articles, "dropped"),
        )
        if n
    ]
    return f" ({', '.join(parts)})" if parts else ""


def print_summary(result: Any) -> None:
    """What a run has come to, and what to type next."""
    books: Books = result.books
    state = "done" if books.complete else ("interrupted" if result.interrupted else "stopped")
    print_table(f"{result.path}: {state}", ("", ""), books_rows(books))
    out = console()
    for failure in books.failures[:5]:
        out.print(
            f"  lost {failure.id} in {failure.stage} ({failure.kind}): {failure.error}",
            style="red",
            markup=False,
        )
    if books.lost > 5:
        out.print(f"  … {books.lost - 5} more: pmcx status {result.path} --failures", markup=False)
    if not books.complete:
        out.print(f"Resume: pmcx run --out {result.path}", markup=False)
    elif books.counts["failed.transient"]:
        out.print(f"Try again: pmcx retry {result.path} --kind transient", markup=False)
