"""Annotated figures, whatever format they were read from."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.layout import area
from ...core.records import Box

LABEL_NAMES = frozenset({"label", "labels", "letter", "panel_label", "panel label", "subfigure_label"})
"""Object classes (lower case) that mean the drawn letter of a panel."""
PANEL_NAMES = frozenset({"", "panel", "panels", "subfigure", "sub-figure", "subpanel", "figure", "object"})
"""Object classes (lower case) that mean a panel and say nothing of what it shows."""


@dataclasses.dataclass(frozen=True)
class TruePanel:
    """One annotated panel; ``boxes`` are equally right alternatives, the main one first."""

    boxes: tuple[Box, ...]
    label: str = ""
    category: str = ""
    """What it shows (``plot``, ``ct``), empty where the format does not say."""
    label_box: Box | None = None

    @property
    def box(self) -> Box:
        return self.boxes[0]


@dataclasses.dataclass(frozen=True)
class TrueFigure:
    """One annotated figure. ``width`` and ``height`` are 0 where the format does not state them."""

    file: str
    """Path of the image below the images' folder; may lack its extension (ImageCLEF)."""
    panels: tuple[TruePanel, ...]
    width: int = 0
    height: int = 0
    doubt: str = ""
    """Why another annotator might decide otherwise."""
    article: str = ""
    """Where the figure comes from, as far as known: figures of one article are resampled together."""
    caption: str = ""
    """Its caption, for detectors that take its labels into account."""
    id: str = ""
    """The format's own id of the figure (COCO), by which predictions may name it."""


@dataclasses.dataclass(frozen=True)
class Truth:
    """The figures of one annotation file or folder, in its order; ``notes`` say what was left out."""

    format: str
    figures: tuple[TrueFigure, ...]
    notes: tuple[str, ...] = ()


def article_of(file: str) -> str:
    """The article in file names of the form ``article__figure.jpg``; empty for other names."""
    stem = Path(file).name
    return stem.partition("__")[0] if "__" in stem else ""


def panels_of(objects: Sequence[tuple[str, Box]]) -> tuple[TruePanel, ...]:
    """Panels from ``(class name, box)`` objects; letters go to the panel that their centre lies in.

    A letter inside several panels belongs to the smallest; one outside of all is left out.
    """
    boxes = [(name, box) for name, box in objects if name.strip().lower() not in LABEL_NAMES]
    letters: dict[int, Box] = {}
    for name, box in objects:
        if name.strip().lower() in LABEL_NAMES:
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            around = [i for i, (_, b) in enumerate(boxes) if b[0] <= x < b[2] and b[1] <= y < b[3]]
            if around:
                letters[min(around, key=lambda i: area(boxes[i][1]))] = box
    return tuple(
        TruePanel(
            (box,), category="" if name.strip().lower() in PANEL_NAMES else name, label_box=letters.get(i)
        )
        for i, (name, box) in enumerate(boxes)
    )


def number(value: Any, where: str) -> float:
    """A finite number from text or JSON; UsageError with ``where`` otherwise."""
    try:
        if isinstance(value, bool):
            raise ValueError
        out = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{where}: {value!r} is not a number") from None
    if not math.isfinite(out):
        raise UsageError(f"{where}: {value!r} is not a finite number")
    return out


def box_of(values: Sequence[Any], where: str) -> Box:
    """A box from ``x0, y0, x1, y1``, rounded to whole pixels; UsageError where it is none or is empty."""
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != 4:
        raise UsageError(f"{where}: a box is [x0, y0, x1, y1], got {values!r}")
    x0, y0, x1, y1 = (math.floor(number(v, where) + 0.5) for v in values)
    if x0 >= x1 or y0 >= y1:
        raise UsageError(f"{where}: the box {list(values)} is empty; x0 < x1 and y0 < y1 must hold")
    return x0, y0, x1, y1


def text_of(path: Path) -> str:
    """The text of a file (UTF-8, with or without BOM); UsageError where it is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})") from None


def natural(name: str) -> list[Any]:
    """A sort key by which ``fig10`` follows ``fig9``."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
