"""Registers the built-in sources, as any plugin would."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.hookspecs import hookimpl
from ..core.stages import Source


@hookimpl
def pmcx_sources() -> Sequence[type[Source]]:
    from .demo.source import DemoSource
    from .folder import FolderSource
    from .pmc.source import PmcOaSource
    from .preprints.source import BiorxivSource, MedrxivSource

    return [FolderSource, PmcOaSource, BiorxivSource, MedrxivSource, DemoSource]
