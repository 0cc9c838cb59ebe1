"""Shell completion of stage names."""

from __future__ import annotations

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def kinds_of() -> tuple[str, ...]:
    """The kinds of stage of which a run has at most one."""
    from ..stages import KINDS

    return tuple(kind for kind in KINDS if kind != "exporter")


def stage_names(kind: str) -> Complete:
    """A completer for the names of installed stages of a kind, with their summaries."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ..registry import Registry

        stages = Registry.discover().stages(kind)
        return [CompletionItem(s.name, help=s.summary) for s in stages if s.name.startswith(incomplete)]

    return complete
