"""``pmcx plugins``, ``pmcx check`` and ``pmcx completion``."""

from __future__ import annotations

from typing import Any

import click

from ..errors import UsageError
from ..stages import KINDS
from .reading import JSON


@click.command("plugins")
@click.argument("words", nargs=-1, metavar="[show NAME]")
@click.option("--kind", type=click.Choice(KINDS), help="Only stages of this kind.")
@click.option("--no-plugin", "blocked", multiple=True, metavar="NAME", help="As in `pmcx run`.")
@click.option("--plugin", "modules", multiple=True, metavar="MODULE", help="As in `pmcx run`.")
@JSON
def plugins_command(
    words: tuple[str, ...],
    kind: str | None,
    blocked: tuple[str, ...],
    modules: tuple[str, ...],
    as_json: bool,
) -> int:
    """List the installed stages and what could not be loaded; `show NAME` explains one."""
    from ..registry import Registry

    registry = Registry.discover(blocked, modules)
    if words:
        if words[0] != "show" or len(words) != 2:
            raise UsageError("say `pmcx plugins`, or `pmcx plugins show NAME`")
        return _show(registry, words[1], kind, as_json)
    return _list(registry, kind, as_json)


def _list(registry: Any, kind: str | None, as_json: bool) -> int:
    from .output import console, print_json, print_table

    stages = registry.stages(kind)
    idle = [plugin for plugin in registry.plugins if plugin.status != "loaded"]
    if as_json:
        print_json(
            {
                "stages": [_stage_dict(stage) for stage in stages],
                "plugins": [_plugin_dict(plugin) for plugin in registry.plugins],
                "clashes": registry.clashes(),
            }
        )
        return 0
    print_table(
        "Stages",
        ("kind", "name", "from", "what it is"),
        [
            (s.kind, s.name, f"{s.plugin.distribution or s.plugin.module} {s.plugin.version}", s.summary)
            for s in stages
        ],
    )
    if idle:
        print_table("Not loaded", ("plugin", "", "why"), [(p.key, p.status, p.reason) for p in idle])
    for clash in registry.clashes():
        console().print(f"clash: {clash}", style="red", markup=False)
    return 0


def _show(registry: Any, name: str, kind: str | None, as_json: bool) -> int:
    from ..registry import plain_text
    from .output import print_json, print_table

    found = [stage for stage in registry.stages(kind) if stage.name == name]
    broken = [p for p in registry.plugins if name in (p.name, p.distribution, p.key) and p.status != "loaded"]
    if not found and not broken:
        known = sorted({stage.name for stage in registry.stages(kind)})
        raise UsageError(f"no stage or plugin is called {name!r}; there are {', '.join(known)}")
    if as_json:
        print_json([_stage_dict(stage) for stage in found] + [_plugin_dict(p) for p in broken])
        return 0
    for stage in found:
        rows: list[tuple[str, str]] = [
            ("plugin", f"{stage.plugin.key} {stage.plugin.version}"),
            ("class", f"{stage.cls.__module__}.{stage.cls.__qualname__}"),
            ("about", " ".join(plain_text(stage.cls.__doc__).split())),
        ]
        for option, field in stage.cls.Options.model_fields.items():
            rows.append((f"option {option}", f"{_type_name(field.annotation)}, default {field.default!r}"))
        print_table(f"{stage.kind} {stage.name}", ("", ""), rows)
    for plugin in broken:
        print_table(plugin.key, ("", ""), [("status", plugin.status), ("why", plugin.reason)])
    return 0


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _stage_dict(stage: Any) -> dict[str, Any]:
    return {
        "kind": stage.kind,
        "name": stage.name,
        "plugin": stage.plugin.key,
        "distribution": stage.plugin.distribution,
        "version": stage.plugin.version,
        "class": f"{stage.cls.__module__}.{stage.cls.__qualname__}",
        "summary": stage.summary,
        "options": stage.cls.Options.model_json_schema()["properties"]
        if stage.cls.Options.model_fields
        else {},
    }


def _plugin_dict(plugin: Any) -> dict[str, Any]:
    return {
        "plugin": plugin.key,
        "module": plugin.module,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "status": plugin.status,
        "reason": plugin.reason,
        "stages": [{"kind": kind, "name": name} for kind, name in plugin.stages],
    }


@click.command("check")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), help="Where stages of several kinds share the name.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="Option of the stage.")
@click.option("--plugin", "modules", multiple=True, metavar="MODULE", help="As in `pmcx run`.")
@JSON
def check_command(
    name: str, kind: str | None, options: tuple[str, ...], modules: tuple[str, ...], as_json: bool
) -> int:
    """Run the conformance suite of an installed stage (the same that `pmcx.testing` offers to pytest)."""
    from pmcx.testing import check_stage

    from ..config import parse_assignments
    from ..registry import Registry
    from .output import console, print_json

    registry = Registry.discover((), modules)
    found = [stage for stage in registry.stages(kind) if stage.name == name]
    if len({stage.kind for stage in found}) > 1:
        raise UsageError(f"{name!r} names a {' and a '.join(s.kind for s in found)}; add --kind")
    info = registry.stage(kind or (found[0].kind if found else "detector"), name)
    results = check_stage(info, parse_assignments(options, "--option"))
    failed = [result for result in results if result.status == "failed"]
    if as_json:
        print_json(
            {
                "kind": info.kind,
                "name": info.name,
                "ok": not failed,
                "results": [{"test": r.test, "status": r.status, "message": r.message} for r in results],
            }
        )
        return 1 if failed else 0
    out = console()
    for result in results:
        style = {"passed": "green", "failed": "red"}[result.status]
        out.print(f"  {result.status:8s}{result.test}", style=style, markup=False)
        if result.message:
            out.print(f"          {result.message}", markup=False)
    out.print(f"{info.kind} {info.name}: {len(results) - len(failed)} of {len(results)} hold", markup=False)
    return 1 if failed else 0


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print the completion script: `eval "$(pmcx completion bash)"`."""
    from click.shell_completion import get_completion_class

    from . import cli

    cls = get_completion_class(shell)
    assert cls is not None
    click.echo(cls(cli, {}, "pmcx", "_PMCX_COMPLETE").source())
    return 0
