"""``pmcx run`` and ``pmcx retry``: flags to configuration, engine, exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ..config import RunConfig, load_config, parse_assignments
from ..errors import UsageError
from .complete import kinds_of, stage_names

OUT = click.Path(file_okay=False, path_type=Path)

_RUN_EPILOG = """\b
Exit codes: 0 done; 1 items were lost, or more than --max-failures, or the output
cannot be written; 2 wrong usage; 130 interrupted. An interrupted or killed run is
resumed by the same command (or by `pmcx run --out DIR` alone).
"""


@click.command("run", epilog=_RUN_EPILOG)
@click.option(
    "--source", metavar="NAME", shell_complete=stage_names("source"), help="Where articles come from."
)
@click.option("--input", "inputs", multiple=True, metavar="PATH", help="Input of the source (repeatable).")
@click.option("--detector", metavar="NAME", shell_complete=stage_names("detector"), help="Default: gutters.")
@click.option("--reader", metavar="NAME", shell_complete=stage_names("reader"), help="Default: none.")
@click.option("--splitter", metavar="NAME", shell_complete=stage_names("splitter"), help="Default: rules.")
@click.option("--classifier", metavar="NAME", shell_complete=stage_names("classifier"), help="Default: none.")
@click.option(
    "--export",
    "exports",
    multiple=True,
    metavar="NAME",
    shell_complete=stage_names("exporter"),
    help="Output format (repeatable). Default: webdataset.",
)
@click.option("--out", type=OUT, required=True, help="Run folder: new, empty, or a run to resume.")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="A run.toml to start from.")
@click.option("--source-option", multiple=True, metavar="KEY=VALUE", help="Option of the source.")
@click.option("--detector-option", multiple=True, metavar="KEY=VALUE", help="Option of the detector.")
@click.option("--reader-option", multiple=True, metavar="KEY=VALUE", help="Option of the reader.")
@click.option("--splitter-option", multiple=True, metavar="KEY=VALUE", help="Option of the splitter.")
@click.option("--classifier-option", multiple=True, metavar="KEY=VALUE", help="Option of the classifier.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting: filters.min_side=64."
)
@click.option(
    "--license", type=click.Choice(["any", "known", "noncommercial", "commercial"]), help="Licences kept."
)
@click.option("--workers", type=click.IntRange(0), help="Processes; 0 (default): one for each core.")
@click.option("--max-failures", type=click.IntRange(0), help="Stop when more items than this were lost.")
@click.option("--no-plugin", "blocked", multiple=True, metavar="NAME", help="Do not load this plugin.")
@click.option("--plugin", "plugins", multiple=True, metavar="MODULE", help="Load this module as a plugin.")
@click.option("--extend", is_flag=True, help="Resume, and add what the source has gained since.")
@click.option("--dry-run", is_flag=True, help="Show what would be done; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the final books as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only the summary.")
def run_command(**flags: Any) -> int:
    """Extract panel-caption pairs from articles into a run folder.

    \b
    pmcx run --source demo --out demo-out
    pmcx run --source folder --input articles/ --detector gutters \\
             --export webdataset --export parquet --out out --workers 4
    """
    from ..engine import Engine
    from .progress import display

    out: Path = flags["out"]
    config = _config(flags)
    if flags["dry_run"]:
        return _dry_run(config, out, flags["as_json"])
    observer = display(quiet=flags["quiet"])
    with observer:
        result = Engine(config, out, observer=observer).run(extend=flags["extend"])
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
@click.option("--workers", type=click.IntRange(0), help="Processes; 0: one for each core.")
@click.option("--json", "as_json", is_flag=True, help="Print the final books as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, only the summary.")
def retry_command(run: Path, kinds: tuple[Any, ...], workers: int | None, as_json: bool, quiet: bool) -> int:
    """Try the lost items of a run again, in units of their own; committed shards stay as they are."""
    from ..engine import Engine
    from .progress import display

    observer = display(quiet=quiet)
    with observer:
        engine = Engine.resume(run, observer, {"workers": workers})
        wanted = frozenset(kinds or ("transient",))
        result = engine.retry(wanted)
    if result.retried == 0:
        click.echo(f"nothing new to retry: no item is lost as {' or '.join(sorted(wanted))}", err=True)
    return _summary(result, as_json)


def _config(flags: dict[str, Any]) -> Any:
    """The configuration of the flags; of an existing run folder where no flag chooses a source."""
    file: Path | None = flags["config"]
    existing = flags["out"] / "run.toml"
    environ: dict[str, str] | None = None
    if flags["source"] is None and file is None and (flags["out"] / "manifest.json").is_file():
        keep = ("PMCX_WORKERS", "PMCX_MAX_FAILURES")
        file, environ = existing, {name: os.environ[name] for name in keep if name in os.environ}
    chosen: dict[str, Any] = parse_assignments(flags["settings"], "--set")
    for kind in kinds_of():
        name = flags[kind]
        options = parse_assignments(flags[f"{kind}_option"], f"--{kind}-option")
        if kind == "source" and flags["inputs"]:
            # Absolute, so that the run can be resumed from any working folder.
            options["input"] = [str(Path(p).absolute()) if Path(p).exists() else p for p in flags["inputs"]]
        if name or options:
            chosen[kind] = {**({"name": name} if name else {}), "options": options}
    if flags["exports"]:
        chosen["export"] = list(flags["exports"])
    if flags["license"]:
        chosen.setdefault("filters", {})["license"] = flags["license"]
    for key in ("workers", "max_failures"):
        chosen[key] = flags[key]
    for key in ("blocked", "plugins"):
        if flags[key]:
            chosen[key] = list(flags[key])
    if file is None:
        _name_default_stages(chosen)
    return load_config(file, chosen, environ)


def _name_default_stages(chosen: dict[str, Any]) -> None:
    """Options given without a stage are meant for the default one, where there is one."""
    for kind in kinds_of():
        if kind == "source" or "name" in chosen.get(kind, {"name": ""}):
            continue
        default = RunConfig.model_fields[kind].default
        if default is None:
            raise UsageError(f"--{kind}-option is given, but no --{kind}")
        chosen[kind]["name"] = default.name


def _dry_run(config: Any, out: Path, as_json: bool) -> int:
    from ..engine import Engine
    from .output import print_json, print_table

    engine = Engine(config, out)
    units = articles = 0
    for unit in engine.enumerate():
        units += 1
        articles += len(unit.articles)
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
