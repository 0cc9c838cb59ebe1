"""Annotated panels from every format in use, read into one form; what cannot be read is a UsageError."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ...core.errors import UsageError
from .records import TrueFigure, TruePanel, Truth

__all__ = ["FORMATS", "TrueFigure", "TruePanel", "Truth", "format_of", "read_truth"]

FORMATS = ("pmcx", "coco", "imageclef", "zou", "voc", "yolo", "sciint")
"""Names of the formats; what each one holds stands at its reader."""

Reader = Callable[[Path, "Path | None"], Truth]


def read_truth(path: Path, images: Path | None = None, format: str | None = None) -> Truth:
    """The annotated figures of a file or folder, in order; the format is told by the content if not given.

    ``images`` is the folder of the images, which YOLO annotations need. Raises UsageError naming file and
    line or element.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    name = format or format_of(path)
    truth = _reader(name)(path, images)
    if not truth.figures:
        raise UsageError(f"{path}: no figures in it (read as {name})")
    twice = [name for name, n in Counter(figure.file for figure in truth.figures).items() if n > 1]
    if twice:
        raise UsageError(f"{path}: the figure {twice[0]!r} is annotated twice")
    return truth


def format_of(path: Path) -> str:
    """The format of annotations, one of ``FORMATS``, by their content."""
    if path.is_dir():
        for pattern, name in (("*.xml", "voc"), ("*.txt", "yolo")):
            if next(path.glob(pattern), None) is not None:
                return name
        raise UsageError(f"{path}: a folder of VOC (.xml) or YOLO (.txt) files was expected here")
    with path.open("rb") as stream:
        head = stream.read(1 << 16).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"["):
        return "pmcx"
    if head.startswith(b"{"):
        return "sciint" if b'"panels-location"' in head else "coco"
    if head.startswith(b"<"):
        return "imageclef" if b"<annotations" in head else "voc"
    if head.partition(b"\n")[0].count(b",") in (5, 10):
        return "zou"
    raise UsageError(f"{path}: not recognised; name the format with --truth-format ({', '.join(FORMATS)})")


def _reader(name: str) -> Reader:
    from . import annotations, coco, lines, sciint, xml

    readers: dict[str, Reader] = {
        "pmcx": annotations.read_annotations,
        "coco": coco.read_coco,
        "imageclef": xml.read_imageclef,
        "zou": lines.read_zou,
        "voc": xml.read_voc,
        "yolo": lines.read_yolo,
        "sciint": sciint.read_sciint,
    }
    if name not in readers:
        raise UsageError(f"there is no truth format {name!r}; the formats are {', '.join(FORMATS)}")
    return readers[name]
