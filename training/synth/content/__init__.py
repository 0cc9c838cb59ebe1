"""The kinds of panel content, by name."""

from __future__ import annotations

from . import diagrams, omics, plots, sequences, survival, tables
from .base import Kind

KINDS: dict[str, Kind] = {kind.name: kind for module in (plots, diagrams, survival, omics, sequences, tables) for kind in module.KINDS}
