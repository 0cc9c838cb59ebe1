"""The kinds of panel content, by name."""

from __future__ import annotations

from . import (
    bars,
    diagrams,
    facets,
    gels,
    graphs,
    micro,
    molecules,
    omics,
    pictures,
    plots,
    plots_stats,
    scans,
    scenes,
    sequences,
    shapes,
    signals,
    survival,
    tables,
    tissue,
)
from .base import Kind

MODULES = (
    bars,
    diagrams,
    facets,
    gels,
    graphs,
    micro,
    molecules,
    omics,
    pictures,
    plots,
    plots_stats,
    scans,
    scenes,
    sequences,
    shapes,
    signals,
    survival,
    tables,
    tissue,
)
KINDS: dict[str, Kind] = {kind.name: kind for module in MODULES for kind in module.KINDS}
