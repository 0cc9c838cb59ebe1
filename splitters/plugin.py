"""Registers the built-in splitters, as any plugin would."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.hookspecs import hookimpl
from ..core.stages import Splitter


@hookimpl
def pmcx_splitters() -> Sequence[type[Splitter]]:
    from .rules import RulesSplitter

    return [RulesSplitter]
