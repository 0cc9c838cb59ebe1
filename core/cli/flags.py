"""The flags that ``run`` and ``plan`` share, and how they become a configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..config import RunConfig, load_config, parse_assignments
from ..errors import UsageError
from .complete import kinds_of, stage_names

OUT = click.Path(file_okay=False, path_type=Path)

F = TypeVar("F", bound=Callable[..., Any])

_NET_FLAGS = (
    click.option("--endpoint", metavar="URL", help="Mirror or test server instead of the source's service."),
    click.option("--contact", metavar="EMAIL", help="Your address, sent to the source's service; not kept."),
    click.option("--offline", is_flag=True, default=None, help="Use only what is in the cache."),
    click.option(
        "--requester-pays", is_flag=True, default=None, help="Agree to pay for downloads (AWS); not kept."
    ),
)

SOURCE_FLAGS = ("endpoint", "contact", "offline", "requester_pays", "query")
"""Flags that are short for an option of the source."""


def _stage_option(kind: str, text: str) -> Any:
    return click.option(f"--{kind}", metavar="NAME", shell_complete=stage_names(kind), help=text)


_FLAGS = (
    _stage_option("source", "Where articles come from."),
    click.option(
        "--input",
        "inputs",
        multiple=True,
        metavar="INPUT",
        help="Input of the source: path or id (repeatable).",
    ),
    click.option("--query", metavar="TERM", help="Search term, for sources that search."),
    *_NET_FLAGS,
    _stage_option("detector", "Default: detr."),
    _stage_option("reader", "Default: none."),
    _stage_option("splitter", "Default: rules."),
    _stage_option("classifier", "Default: none."),
    click.option(
        "--export",
        "exports",
        multiple=True,
        metavar="NAME",
        shell_complete=stage_names("exporter"),
        help="Output format (repeatable). Default: webdataset.",
    ),
    click.option(
        "--config", type=click.Path(dir_okay=False, path_type=Path), help="A run.toml to start from."
    ),
    *(
        click.option(f"--{kind}-option", multiple=True, metavar="KEY=VALUE", help=f"Option of the {kind}.")
        for kind in ("source", "detector", "reader", "splitter", "classifier")
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any setting: filters.min_side=64."
    ),
    click.option(
        "--license",
        type=click.Choice(["any", "known", "noncommercial", "commercial"]),
        help="Licences kept (any).",
    ),
    click.option("--workers", type=click.IntRange(0), help="Processes; 0 (default): one for each core."),
    click.option("--no-plugin", "blocked", multiple=True, metavar="NAME", help="Do not load this plugin."),
    click.option("--plugin", "plugins", multiple=True, metavar="MODULE", help="Load a module as a plugin."),
)


def run_flags(command: F) -> F:
    """Add the flags that describe a run."""
    for option in reversed(_FLAGS):
        command = option(command)
    return command


def net_flags(command: F) -> F:
    """Add the flags of network sources that a run does not keep or that may change."""
    for option in reversed(_NET_FLAGS):
        command = option(command)
    return command


def source_options(flags: dict[str, Any]) -> dict[str, Any]:
    """The options of the source that flags of their own give."""
    return {key: flags[key] for key in SOURCE_FLAGS if flags.get(key) is not None}


def config_of(flags: dict[str, Any]) -> Any:
    """The configuration of the flags; of an existing run folder where no flag chooses a source."""
    file: Path | None = flags["config"]
    existing = _existing(flags["out"])
    environ: dict[str, str] | None = None
    if flags["source"] is None and file is None and existing is not None:
        keep = ("PMCX_WORKERS", "PMCX_MAX_FAILURES")
        file, environ = existing, {name: os.environ[name] for name in keep if name in os.environ}
    chosen: dict[str, Any] = parse_assignments(flags["settings"], "--set")
    for kind in kinds_of():
        name = flags[kind]
        options = parse_assignments(flags[f"{kind}_option"], f"--{kind}-option")
        if kind == "source" and flags["inputs"]:
            # Absolute, so that the run can be resumed from any working folder.
            options["input"] = [str(Path(p).absolute()) if Path(p).exists() else p for p in flags["inputs"]]
        if kind == "source":
            options.update(source_options(flags))
        if name or options:
            chosen[kind] = {**({"name": name} if name else {}), "options": options}
    if flags["exports"]:
        chosen["export"] = list(flags["exports"])
    if flags["license"]:
        chosen.setdefault("filters", {})["license"] = flags["license"]
    for key in ("workers", "max_failures"):
        chosen[key] = flags.get(key)
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


def _existing(out: Path | None) -> Path | None:
    """The configuration of the run that lies in ``out``, if one does."""
    return out / "run.toml" if out is not None and (out / "manifest.json").is_file() else None
