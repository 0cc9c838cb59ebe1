"""Europe PMC (https://europepmc.org) as a source of pmcx."""

from __future__ import annotations

from collections.abc import Sequence

import pmcx

__all__ = ["pmcx_sources"]


@pmcx.hookimpl
def pmcx_sources() -> Sequence[type[pmcx.Source]]:
    from .source import EuropePmcSource

    return [EuropePmcSource]
