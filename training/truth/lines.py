"""Annotations in lines of text: the CSV of Zou's PanelSeg, and YOLO folders."""

from __future__ import annotations

import csv
from pathlib import Path

from ...core.errors import UsageError
from ...core.records import Box
from .images import find_image, image_size
from .records import TrueFigure, TruePanel, Truth, article_of, box_of, natural, number, panels_of, text_of

_COLUMNS = "path,x1,y1,x2,y2,panel[,lx1,ly1,lx2,ly2,label]"


def read_zou(path: Path, images: Path | None = None) -> Truth:
    """``path,x1,y1,x2,y2,panel,lx1,ly1,lx2,ly2,label`` without a header, one panel a line (JieZou1/PanelSeg).

    The last five are empty where the panel has no letter; a path with all else empty is a figure without a
    panel. Figures come in the order of their first line. Raises UsageError naming the line.
    """
    figures: dict[str, list[TruePanel]] = {}
    for n, row in enumerate(csv.reader(text_of(path).splitlines()), 1):
        if not row:
            continue
        where = f"{path}: line {n}"
        if len(row) not in (6, 11):
            raise UsageError(f"{where}: expected {_COLUMNS}, got {len(row)} columns")
        file, values, letter = row[0].strip(), row[1:5], row[6:10]
        if not file:
            raise UsageError(f"{where}: the path is empty")
        panels = figures.setdefault(file, [])
        if any(values):
            label_box = box_of(letter, f"{where}, label box") if any(letter) else None
            label = row[10].strip() if len(row) == 11 else ""
            panels.append(TruePanel((box_of(values, where),), label=label, label_box=label_box))
    return Truth("zou", tuple(TrueFigure(f, tuple(p), article=article_of(f)) for f, p in figures.items()))


def read_yolo(path: Path, images: Path | None = None) -> Truth:
    """A folder of ``NAME.txt`` files with ``class cx cy width height`` lines, as shares of the image.

    The images lie below ``images``; ``classes.txt`` (or ``obj.names``) names the classes, of which those
    named like ``label`` are panel letters. Raises UsageError naming file and line.
    """
    if images is None:
        raise UsageError(f"{path}: YOLO boxes are shares of the image; say where the images are (--images)")
    names = _class_names(path)
    files = [p for p in path.glob("*.txt") if p.name != "classes.txt"]
    if not files:
        raise UsageError(f"{path}: no .txt files here")
    figures = []
    for file in sorted(files, key=lambda p: natural(p.name)):
        image = find_image(images, file.stem)
        width, height = image_size(image)
        objects = [
            _yolo_object(line, names, width, height, f"{file}: line {n}")
            for n, line in enumerate(text_of(file).splitlines(), 1)
            if line.strip()
        ]
        relative = image.relative_to(images).as_posix()
        figures.append(TrueFigure(relative, panels_of(objects), width, height, article=article_of(relative)))
    return Truth("yolo", tuple(figures))


def _class_names(path: Path) -> list[str]:
    for file in (path / "classes.txt", path / "obj.names", path.parent / "classes.txt"):
        if file.is_file():
            return [line.strip() for line in text_of(file).splitlines() if line.strip()]
    return []


def _yolo_object(line: str, names: list[str], width: int, height: int, where: str) -> tuple[str, Box]:
    parts = line.split()
    if len(parts) != 5:
        raise UsageError(f"{where}: expected 'class cx cy width height', got {len(parts)} values")
    kind = number(parts[0], where)
    if kind < 0 or kind != int(kind) or (names and kind >= len(names)):
        raise UsageError(f"{where}: there is no class {parts[0]}")
    cx, cy, w, h = (number(part, where) for part in parts[1:])
    if not (0 <= cx <= 1 and 0 <= cy <= 1 and 0 < w <= 1 and 0 < h <= 1):
        raise UsageError(f"{where}: shares of the image lie in 0..1, got {' '.join(parts[1:])}")
    box = ((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height)
    return names[int(kind)] if names else "", box_of(box, where)
