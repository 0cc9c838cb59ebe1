"""COCO object-detection annotations (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.records import Box
from .annotations import read_json
from .records import TrueFigure, Truth, article_of, box_of, number, panels_of


def read_coco(path: Path, images: Path | None = None) -> Truth:
    """``images``, ``annotations`` and ``categories``; boxes ``[x, y, width, height]`` become half-open.

    Categories named like ``label`` are panel letters, all others panels. Crowd regions (``iscrowd``) mark
    no single panel and are left out, with a note; segmentations (polygons, RLE) are not looked at, the
    ``bbox`` counts. Images without annotations are figures without a panel. Raises UsageError naming the
    annotation.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise UsageError(f"{path}: expected an object with 'images' and 'annotations'")
    tables = {name: _table(data, name, path) for name in ("images", "annotations")}
    names = {
        _key(c, "id", f"{path}: category {n}"): str(c.get("name", ""))
        for n, c in enumerate(_table(data, "categories", path) if "categories" in data else [], 1)
    }
    objects: dict[Any, list[tuple[str, Box]]] = {}
    for n, image in enumerate(tables["images"], 1):
        key = _key(image, "id", f"{path}: image {n}")
        if key in objects:
            raise UsageError(f"{path}: image {n}: the id {key!r} is given twice")
        objects[key] = []
    crowd = 0
    for n, entry in enumerate(tables["annotations"], 1):
        where = f"{path}: annotation {entry.get('id', n)}"
        image_id = _key(entry, "image_id", where)
        if image_id not in objects:
            raise UsageError(f"{where}: there is no image with the id {image_id!r}")
        category = entry.get("category_id")
        if not isinstance(category, int | str) or (names and category not in names):
            raise UsageError(f"{where}: there is no category with the id {category!r}")
        if entry.get("iscrowd"):
            crowd += 1
            continue
        objects[image_id].append((names.get(category, ""), _bbox(entry, where)))
    figures = [
        _figure(image, objects[image["id"]], f"{path}: image {image['id']}") for image in tables["images"]
    ]
    notes = [f"{crowd} crowd regions (iscrowd) left out: they mark no single panel"] if crowd else []
    return Truth("coco", tuple(figures), tuple(notes))


def _table(data: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    rows = data.get(name)
    if not isinstance(rows, list):
        raise UsageError(f"{path}: '{name}' is missing or no list")
    for n, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise UsageError(f"{path}: {name}[{n - 1}] is no object")
    return rows


def _key(row: dict[str, Any], name: str, where: str) -> int | str:
    value = row.get(name)
    if not isinstance(value, int | str):
        raise UsageError(f"{where}: '{name}' is missing")
    return value


def _bbox(entry: dict[str, Any], where: str) -> Box:
    values = entry.get("bbox")
    if not isinstance(values, list) or len(values) != 4:
        hint = " (a segmentation alone is not read)" if "segmentation" in entry else ""
        raise UsageError(f"{where}: 'bbox' must be [x, y, width, height], got {values!r}{hint}")
    x, y, width, height = (number(v, where) for v in values)
    if width <= 0 or height <= 0:
        raise UsageError(f"{where}: the bbox {values} is empty")
    return box_of((x, y, x + width, y + height), where)


def _figure(image: dict[str, Any], objects: list[tuple[str, Box]], where: str) -> TrueFigure:
    file = image.get("file_name")
    if not isinstance(file, str) or not file:
        raise UsageError(f"{where}: 'file_name' is missing")
    width, height = (int(number(image.get(key) or 0, f"{where}, {key}")) for key in ("width", "height"))
    return TrueFigure(file, panels_of(objects), width, height, article=article_of(file), id=str(image["id"]))
