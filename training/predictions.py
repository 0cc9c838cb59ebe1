"""Predicted boxes read from a file, to be scored beside detectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.images import FigureImage
from ..core.records import Detection
from .truth.annotations import read_json
from .truth.records import TrueFigure, box_of, number, text_of


class Predictions:
    """The boxes of a file by figure, asked like a detector.

    The file holds what ``pmcx detect --json`` prints (a line for each image: ``{file, panels: [{box,
    score?}]}``), a JSON list of such objects, or COCO results (``[{image_id, bbox, score}]``, with the ids
    or file names of the truth). Figures are found by path, else by file name without folder and extension.
    A figure that a file of the first two kinds does not name is a UsageError; in COCO results it is one
    without detections.
    """

    def __init__(self, path: Path, figures: Sequence[TrueFigure]) -> None:
        rows = _rows(path)
        self._found: dict[str, list[Detection] | str] = {}
        if rows and all("image_id" in row for row in rows):
            self._found = {figure.file: [] for figure in figures}
            names = {name: figure.file for figure in figures for name in (figure.file, figure.id) if name}
            for n, row in enumerate(rows, 1):
                self._add_coco(row, names, f"{path}: result {n}")
            return
        by_name: dict[str, Any] = {}
        for n, row in enumerate(rows, 1):
            if not isinstance(row.get("file"), str):
                raise UsageError(f"{path}: entry {n}: 'file' is missing")
            detections = _detections(row, f"{path}: entry {n} ({row['file']})")
            for name in (row["file"], Path(row["file"]).stem):
                by_name.setdefault(name, detections)
        missing = [f.file for f in figures if not {f.file, Path(f.file).stem} & by_name.keys()]
        if missing:
            raise UsageError(f"{path}: no prediction for {len(missing)} figures, the first is {missing[0]}")
        for figure in figures:
            name = figure.file if figure.file in by_name else Path(figure.file).stem
            self._found[figure.file] = by_name[name]

    def _add_coco(self, row: dict[str, Any], names: dict[str, str], where: str) -> None:
        file = names.get(str(row["image_id"]))
        if file is None:
            raise UsageError(f"{where}: the truth has no image {row['image_id']!r}")
        values = row.get("bbox")
        if not isinstance(values, list) or len(values) != 4:
            raise UsageError(f"{where}: 'bbox' must be [x, y, width, height], got {values!r}")
        x, y, width, height = (number(v, where) for v in values)
        found = self._found[file]
        assert isinstance(found, list)
        box = box_of((x, y, x + width, y + height), where)
        found.append(Detection(box=box, score=number(row.get("score", 1.0), f"{where}, score")))

    def __call__(self, images: Sequence[FigureImage]) -> list[Sequence[Detection] | str]:
        return [self._found[image.figure.id] for image in images]


def _rows(path: Path) -> list[dict[str, Any]]:
    if text_of(path).lstrip().startswith("["):
        rows = read_json(path)
    else:
        rows = []
        for n, line in enumerate(text_of(path).splitlines(), 1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except ValueError as error:
                    raise UsageError(f"{path}: line {n}: not JSON ({error})") from None
    for n, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise UsageError(f"{path}: entry {n} is no object")
    return list(rows)


def _detections(row: dict[str, Any], where: str) -> list[Detection] | str:
    if row.get("error"):
        return str(row["error"])
    panels = row.get("panels")
    if not isinstance(panels, list):
        raise UsageError(f"{where}: 'panels' is missing or no list")
    out = []
    for n, panel in enumerate(panels, 1):
        if not isinstance(panel, dict):
            raise UsageError(f"{where}, panel {n}: expected {{box, score?}}, got {panel!r}")
        box = box_of(panel.get("box", ()), f"{where}, panel {n}")
        out.append(Detection(box=box, score=number(panel.get("score", 1.0), f"{where}, panel {n}, score")))
    return out
