"""Annotations in XML: ImageCLEF figure separation (one file) and PASCAL VOC (a folder of files)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lxml import etree

from ...core.errors import UsageError
from ...core.records import Box
from .records import TrueFigure, Truth, article_of, box_of, natural, number, panels_of


def read_imageclef(path: Path, images: Path | None = None) -> Truth:
    """ImageCLEF 2013-2016 figure separation: ``annotations/annotation``, each a figure of ``object`` boxes.

    ``filename`` lacks the extension; an ``object`` holds the corners of its box as ``point`` elements with
    ``x`` and ``y`` (four in the official files; their extent counts), half-open as the files tile the
    figure. The official files hold a few objects that are empty or whose points lack a coordinate; every
    tool leaves them out, and so does this, with a note. Raises UsageError naming the line.
    """
    root = _parse(path)
    if root.tag != "annotations":
        raise UsageError(f"{path}: line {root.sourceline}: the root is <{root.tag}>, not <annotations>")
    figures, notes = [], []
    for entry in root.iterfind("annotation"):
        file = _text(entry, "filename", path)
        boxes = [("", box) for item in entry.iterfind("object") if (box := _corners(item, path)) is not None]
        if len(boxes) < len(entry.findall("object")):
            notes.append(f"line {entry.sourceline}: {file}: objects without an extent left out")
        figures.append(TrueFigure(file, panels_of(boxes), article=article_of(file)))
    return Truth("imageclef", tuple(figures), tuple(notes))


def _corners(item: Any, path: Path) -> Box | None:
    where = f"{path}: line {item.sourceline}: <object>"
    points = item.findall("point")
    if len(points) < 2:
        raise UsageError(f"{where}: needs the corners as <point x= y=>, got {len(points)}")
    if any(point.get(axis) is None for point in points for axis in "xy"):
        return None
    xs = [number(point.get("x"), f"{where}, x") for point in points]
    ys = [number(point.get("y"), f"{where}, y") for point in points]
    if min(xs) == max(xs) or min(ys) == max(ys):
        return None
    return box_of((min(xs), min(ys), max(xs), max(ys)), where)


def read_voc(path: Path, images: Path | None = None) -> Truth:
    """PASCAL VOC: a folder of XML files (or one), each an ``annotation`` with ``object/bndbox``.

    VOC counts pixels from 1 and includes the last one; a box becomes half-open by ``xmin - 1`` and
    ``ymin - 1``. Where any ``xmin`` or ``ymin`` of the folder is 0, the writer counted from 0 and the numbers
    stand as they are, with a note. Objects named like ``label`` are panel letters. A figure with a
    ``difficult`` object is in doubt. Raises UsageError naming file and line.
    """
    files = sorted(path.glob("*.xml"), key=lambda p: natural(p.name)) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"{path}: no .xml files here")
    entries = [(file, _parse(file)) for file in files]
    raw = [_objects(file, root) for file, root in entries]
    zero_based = any(0 in values[:2] for objects in raw for _, values, _ in objects)
    shift = 0 if zero_based else 1
    figures = []
    for (file, root), objects in zip(entries, raw, strict=True):
        name = _text(root, "filename", file)
        boxes = [
            (kind, box_of((v[0] - shift, v[1] - shift, v[2], v[3]), where)) for kind, v, where in objects
        ]
        width, height = (_size(root, key, file) for key in ("width", "height"))
        hard = any((item.findtext("difficult") or "").strip() == "1" for item in root.iterfind("object"))
        doubt = "an object is marked difficult" if hard else ""
        figures.append(TrueFigure(name, panels_of(boxes), width, height, doubt, article_of(name)))
    notes = ("boxes count pixels from 0: some xmin or ymin is 0",) if zero_based else ()
    return Truth("voc", tuple(figures), notes)


def _objects(file: Path, root: Any) -> list[tuple[str, list[float], str]]:
    """Class, ``xmin, ymin, xmax, ymax`` and the place for messages, for each object."""
    if root.tag != "annotation":
        raise UsageError(f"{file}: line {root.sourceline}: the root is <{root.tag}>, not <annotation>")
    out = []
    for item in root.iterfind("object"):
        where = f"{file}: line {item.sourceline}: <object>"
        values = [
            number((item.findtext(f"bndbox/{key}") or "").strip(), f"{where}, {key}")
            for key in ("xmin", "ymin", "xmax", "ymax")
        ]
        out.append(((item.findtext("name") or "").strip(), values, where))
    return out


def _size(root: Any, key: str, file: Path) -> int:
    text = (root.findtext(f"size/{key}") or "").strip()
    return int(number(text, f"{file}: <size>, {key}")) if text else 0


def _text(element: Any, tag: str, path: Path) -> str:
    text: str = (element.findtext(tag) or "").strip()
    if not text:
        raise UsageError(f"{path}: line {element.sourceline}: <{element.tag}> has no <{tag}>")
    return text


def _parse(path: Path) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        return etree.fromstring(path.read_bytes(), parser)
    except etree.XMLSyntaxError as error:
        raise UsageError(f"{path}: line {error.lineno or 1}: not well-formed XML ({error.msg})") from None
