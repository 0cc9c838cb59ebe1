"""The panel annotations of the Scientific Integrity Dataset (content segmentation, MIT licence)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from .annotations import read_json
from .records import TrueFigure, TruePanel, Truth, box_of


def read_sciint(path: Path, images: Path | None = None) -> Truth:
    """``{id: {"fig-path", "panels-location": {id: {x0, y0, x1, y1}}}}``, half-open.

    In this data set **x is the row and y the column**: its boxes fit its own masks only that way round.
    Raises UsageError naming the figure.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise UsageError(f"{path}: expected an object with a figure for each id")
    return Truth("sciint", tuple(_figure(entry, f"{path}: figure {key!r}") for key, entry in data.items()))


def _figure(entry: Any, where: str) -> TrueFigure:
    if not isinstance(entry, dict) or not isinstance(entry.get("fig-path"), str):
        raise UsageError(f"{where}: 'fig-path' is missing")
    panels = entry.get("panels-location")
    if not isinstance(panels, dict):
        raise UsageError(f"{where}: 'panels-location' is missing or no object")
    return TrueFigure(
        entry["fig-path"], tuple(_panel(panel, f"{where}, panel {key!r}") for key, panel in panels.items())
    )


def _panel(panel: Any, where: str) -> TruePanel:
    if not isinstance(panel, dict):
        raise UsageError(f"{where}: expected {{x0, y0, x1, y1}}, got {panel!r}")
    return TruePanel((box_of([panel.get(key) for key in ("y0", "x0", "y1", "x1")], where),))
