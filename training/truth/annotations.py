"""The annotations of pmcx's own figure sets: a JSON list of figures with panels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from .records import TrueFigure, TruePanel, Truth, article_of, box_of, number, text_of


def read_json(path: Path) -> Any:
    """The JSON document of a file; UsageError names the line where it breaks."""
    try:
        return json.loads(text_of(path))
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}: line {error.lineno}: not JSON ({error.msg})") from None
    except RecursionError:
        raise UsageError(f"{path}: JSON nested too deeply") from None


def read_annotations(path: Path, images: Path | None = None) -> Truth:
    """``[{file, width?, height?, doubt?, article?, caption?, panels: [...]}]``, a panel being ``{box,
    alt_box?, label?, class?, label_box?}``.

    Boxes are ``[x0, y0, x1, y1]``, half-open, in pixels; ``alt_box`` is an equally right box. The article
    is ``article``, else what stands before ``__`` in the file name. Raises UsageError naming the entry.
    """
    data = read_json(path)
    if not isinstance(data, list):
        raise UsageError(f"{path}: expected a list of figures, got {type(data).__name__}")
    return Truth("pmcx", tuple(_figure(entry, f"{path}: figure {n}") for n, entry in enumerate(data, 1)))


def _figure(entry: Any, where: str) -> TrueFigure:
    file = entry.get("file") if isinstance(entry, dict) else None
    if not isinstance(file, str) or not file:
        raise UsageError(f"{where}: 'file' is missing or no text")
    where = f"{where} ({file})"
    panels = entry.get("panels")
    if not isinstance(panels, list):
        raise UsageError(f"{where}: 'panels' is missing or no list")
    width, height = (int(number(entry.get(key) or 0, f"{where}, {key}")) for key in ("width", "height"))
    return TrueFigure(
        file,
        tuple(_panel(panel, f"{where}, panel {n}") for n, panel in enumerate(panels, 1)),
        width,
        height,
        doubt=str(entry.get("doubt") or ""),
        caption=str(entry.get("caption") or ""),
        article=str(entry.get("article") or "") or article_of(file),
    )


def _panel(panel: Any, where: str) -> TruePanel:
    if not isinstance(panel, dict) or "box" not in panel:
        raise UsageError(f"{where}: 'box' is missing")
    boxes = [
        box_of(panel[key], f"{where}, {key}") for key in ("box", "alt_box") if panel.get(key) is not None
    ]
    letter = panel.get("label_box")
    return TruePanel(
        tuple(boxes),
        label=str(panel.get("label") or ""),
        category=str(panel.get("class") or ""),
        label_box=None if letter is None else box_of(letter, f"{where}, label_box"),
    )
