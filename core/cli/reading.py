"""``pmcx status``, ``pmcx verify`` and ``pmcx inspect``: what a run folder says, read only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .progress import STAGES

if TYPE_CHECKING:
    from ..dataset import PairView

RUN = click.argument("run", type=click.Path(file_okay=False, path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")


_STAGE_ORDER = {name: place for place, name in enumerate(STAGES)}


@click.command("status")
@RUN
@click.option("--failures", is_flag=True, help="List what is lost, one line each.")
@click.option("--drops", is_flag=True, help="List what was left out, one line each.")
@JSON
def status_command(run: Path, failures: bool, drops: bool, as_json: bool) -> int:
    """How a run stands: units and articles done and pending, losses by kind, time by stage."""
    from ..books import read_books
    from ..records import Drop, to_dict
    from ..rundir import RunFolder
    from .output import books_dict, books_rows, print_json, print_table

    folder = RunFolder(run)
    books = read_books(folder)
    dropped = [loss for loss in folder.losses() if isinstance(loss, Drop)] if drops else []
    if as_json:
        data = books_dict(books)
        if failures:
            data["failures"] = [to_dict(failure) for failure in books.failures]
        if drops:
            data["drops"] = [to_dict(drop) for drop in dropped]
        print_json(data)
        return 0
    title = f"{run}: {'done' if books.complete else f'{books.units_done} of {books.units} units done'}"
    print_table(title, ("", ""), books_rows(books))
    beside = {"wall", "ahead"}  # fetching ahead happens beside the other stages
    stages = {name: value for name, value in books.seconds.items() if name not in beside}
    whole = sum(stages.values())
    if whole:
        rows = [
            (name, f"{value:.1f} s", f"{value / whole:.0%}")
            for name, value in sorted(stages.items(), key=lambda item: _STAGE_ORDER.get(item[0], 99))
        ]
        print_table("Time by stage", ("", "", ""), rows)
    if failures:
        print_table(
            "Lost",
            ("id", "stage", "kind", "error"),
            [(f.id, f.stage, f.kind, f.error) for f in books.failures],
        )
    if drops:
        print_table("Left out", ("id", "reason", "detail"), [(d.id, d.reason, d.detail) for d in dropped])
    return 0


@click.command("verify")
@RUN
@click.option("--fast", is_flag=True, help="Checksums and books only; do not read every row.")
@JSON
def verify_command(run: Path, fast: bool, as_json: bool) -> int:
    """Check a run: file checksums, strays, balanced books, and (without --fast) every row."""
    from ..verify import verify
    from .output import console, print_json

    report = verify(run, deep=not fast)
    if as_json:
        print_json(
            {
                "ok": report.ok,
                "complete": report.complete,
                "files": report.files,
                "bytes": report.bytes,
                "pairs": report.pairs,
                "problems": report.problems,
            }
        )
        return 0 if report.ok else 1
    out = console()
    for problem in report.problems:
        out.print(f"  {problem}", style="red", markup=False)
    size = f"{report.files} files, {report.bytes / 1e6:.1f} MB" + ("" if fast else f", {report.pairs} pairs")
    state = "" if report.complete else " (the run is not complete yet)"
    if report.ok:
        out.print(f"{run}: sound. {size}{state}", markup=False)
    else:
        out.print(f"{run}: {len(report.problems)} problems. {size}{state}", markup=False)
    return 0 if report.ok else 1


@click.command("inspect")
@RUN
@click.argument("key", required=False)
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the panel's image here.")
@JSON
def inspect_command(run: Path, key: str | None, save: Path | None, as_json: bool) -> int:
    """Show the pair with this id or WebDataset key (without KEY: the first one)."""
    from ..dataset import open_run
    from ..errors import UsageError
    from ..records import to_dict
    from .output import print_json, print_table

    opened = open_run(run)
    view = opened.find(key) if key else next(iter(opened), None)
    if view is None:
        raise UsageError(f"{run} has no pairs")
    if save is not None:
        _save(view, save)
    if as_json:
        print_json(to_dict(view.record))
        return 0
    pair = view.record
    rows = [
        ("key", pair.key),
        ("article", f"{pair.title} ({pair.journal} {pair.date[:4]})"),
        ("figure", f"{pair.figure_label}  {pair.image.name}  {pair.image.width}x{pair.image.height}"),
        ("panel", f"{pair.label or '-'}  box {pair.box}  score {pair.box_score:.2f}"),
        ("image", f"{pair.width}x{pair.height}, {len(view.data)} bytes"),
        ("words", pair.subcaption or "-"),
        ("aligned", f"{pair.alignment.method} {pair.alignment.score:.2f}"),
        ("modality", f"{pair.modality.label or '-'} {pair.modality.score:.2f}"),
        ("cited in", " | ".join(m.text for m in pair.mentions[:3]) or "-"),
        ("licence", f"{pair.license.code} {pair.license.url}"),
        ("credit", pair.attribution),
        ("made by", ", ".join(f"{kind} {name}" for kind, name in pair.made_by.items())),
    ]
    print_table(pair.id, ("", ""), rows)
    return 0


def _save(view: PairView, path: Path) -> None:
    """The panel's image as exported, or converted where the file name asks for another format."""
    from ..errors import UsageError

    exported = ".png" if view.data.startswith(b"\x89PNG") else ".jpg"
    if path.suffix.lower().replace(".jpeg", ".jpg") == exported:
        path.write_bytes(view.data)
        return
    try:
        view.image().convert("RGB").save(path)
    except ValueError as error:
        raise UsageError(f"--save: {error}; name the file .jpg or .png") from error
