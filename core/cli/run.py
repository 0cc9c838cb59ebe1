"""``pmcx run`` and ``pmcx retry``: flags to configuration, engine, exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..config import parse_assignments
from .flags import OUT, config_of, net_flags, run_flags, source_options

_RUN_EPILOG = """\b
Exit codes: 0 done; 1 items were lost, or more than --max-failures, or the output
cannot be written; 2 wrong usage; 130 interrupted. An interrupted or killed run is
resumed by the same command (or by `pmcx run --out DIR` alone).
"""


@click.command("run", epilog=_RUN_EPILOG)
@run_flags
@click.option("--out", type=OUT, required=True, help="Run folder: new, empty, or a run to resume.")
@click.option("--max-failures", type=click.IntRange(0), help="Stop when more items than this were lost.")
@click.option("--extend", is_flag=True, help="Resume, and add what the source has gained since.")
@click.option("--dry-run", is_flag=True, help="Show what would be done; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the final books as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only the summary.")
def run_command(**flags: Any) -> int:
    """Extract panel-caption pairs from articles into a run folder.

    \b
    pmcx run --source demo --out demo-out
    pmcx run --source folder --input articles/ --detector detr \\
             --export webdataset --export parquet --out out --workers 4
    pmcx run --source pmc-oa --query 'melanoma[title]' --license commercial --out out
    pmcx run --out out --extend
    """
    from ..engine import Engine
    from .progress import display

    out: Path = flags["out"]
    config = config_of(flags)
    if flags["dry_run"]:
        return _dry_run(config, out, flags["as_json"])
    observer = display(quiet=flags["quiet"])
    with observer:
        result = Engine(config, out, observer=observer).run(extend=flags["extend"])
    if result.extended == 0:
        click.echo("nothing new or changed at the source", err=True)
    return _summary(result, flags["as_json"])


@click.command("retry")
@click.argument("run", type=OUT)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(["transient", "input", "bug"]),
    help="Kinds of failure to try again (repeatable). Default: transient.",
)
@net_flags
@click.option("--source-option", multiple=True, metavar="KEY=VALUE", help="Changed option of the source.")
@click.option("--workers", type=click.IntRange(0), help="Processes; 0: one for each core.")
@click.option("--json", "as_json", is_flag=True, help="Print the final books as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only the summary.")
def retry_command(run: Path, kinds: tuple[Any, ...], **flags: Any) -> int:
    """Try the lost items of a run again, in units of their own; committed shards stay as they are."""
    from ..engine import Engine
    from .progress import display

    changes: dict[str, Any] = {"workers": flags["workers"]}
    options = {**parse_assignments(flags["source_option"], "--source-option"), **source_options(flags)}
    if options:
        changes["source"] = {"options": options}
    observer = display(quiet=flags["quiet"])
    with observer:
        wanted = frozenset(kinds or ("transient",))
        result = Engine.resume(run, observer, changes).retry(wanted)
    if result.retried == 0:
        click.echo(f"nothing new to retry: no item is lost as {' or '.join(sorted(wanted))}", err=True)
    return _summary(result, flags["as_json"])


def _dry_run(config: Any, out: Path, as_json: bool) -> int:
    from ..engine import Engine
    from ..planning import unit_size
    from .output import print_json, print_table

    engine = Engine(config, out)
    with engine.preview() as plan:
        articles = plan.articles
        units = -(-articles // unit_size(articles, config.unit_articles))
    stages = engine.identity["stages"]
    if as_json:
        print_json({"articles": articles, "units": units, "stages": stages, "out": str(out)})
        return 0
    rows = [
        (s["kind"], f"{s['name']} {s['version']}", ", ".join(f"{k}={v!r}" for k, v in s["options"].items()))
        for s in stages
    ]
    print_table("Stages", ("kind", "stage", "options"), rows)
    click.echo(
        f"{articles} articles in {units} units, {engine.workers()} at once; nothing was written to {out}"
    )
    return 0


def _summary(result: Any, as_json: bool) -> int:
    from .output import books_dict, print_json, print_summary

    if as_json:
        print_json({**books_dict(result.books), "exit_code": result.exit_code})
    else:
        print_summary(result)
    return int(result.exit_code)
