"""``pmcx detect`` and ``pmcx split``: one stage on single inputs, without a run."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from ..config import parse_assignments
from ..errors import InputError, UsageError
from .complete import stage_names

COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")


@click.command("detect")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--detector", default="detr", show_default=True, shell_complete=stage_names("detector"))
@click.option("--detector-option", multiple=True, metavar="KEY=VALUE", help="Option of the detector.")
@click.option("--reader", shell_complete=stage_names("reader"), help="Also read the panel letters.")
@click.option("--reader-option", multiple=True, metavar="KEY=VALUE", help="Option of the reader.")
@click.option(
    "--draw", type=click.Path(file_okay=False, path_type=Path), help="Write pictures with the boxes here."
)
@click.option("--plugin", "modules", multiple=True, metavar="MODULE", help="As in `pmcx run`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line an image.")
def detect_command(**flags: Any) -> int:
    """Cut image files into panels, in reading order; boxes are x0 y0 x1 y1 in pixels.

    A figure in which the detector finds no panels is one panel: the whole image. A file that cannot be
    read gives a line with `error` and exit code 1; the others are not harmed.
    """
    from ..identity import build_stage
    from ..registry import Registry

    registry = Registry.discover((), flags["modules"])
    detector: Any = build_stage(
        registry,
        "detector",
        flags["detector"],
        parse_assignments(flags["detector_option"], "--detector-option"),
    )
    reader: Any = None
    if flags["reader"]:
        options = parse_assignments(flags["reader_option"], "--reader-option")
        reader = build_stage(registry, "reader", flags["reader"], options)
    failed = 0
    names = _draw_names(flags["files"])
    with detector:
        if reader is not None:
            reader.open()
        for answer, image, panels in _detect(detector, reader, flags["files"]):
            failed += "error" in answer
            _print_detection(answer, flags["as_json"])
            if flags["draw"] is not None and image is not None:
                _draw(image, panels, flags["draw"] / names[answer["file"]])
        if reader is not None:
            reader.close()
    return 1 if failed else 0


def _detect(detector: Any, reader: Any, files: Sequence[Path]) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    size = detector.resources.batch
    for start in range(0, len(files), size):
        yield from _detect_batch(detector, reader, files[start : start + size])


def _detect_batch(
    detector: Any, reader: Any, files: Sequence[Path]
) -> Iterator[tuple[dict[str, Any], Any, Any]]:
    from ..align import align
    from ..panels import make_panels

    loaded = [_load(path) for path in files]
    images = [image for image in loaded if not isinstance(image, str)]
    found = iter(_one_by_one(detector.detect, images))
    for path, image in zip(files, loaded, strict=True):
        if isinstance(image, str):
            yield {"file": str(path), "error": image}, None, []
            continue
        detections = next(found)
        if isinstance(detections, str):
            yield {"file": str(path), "error": detections}, None, []
            continue
        panels = make_panels(image.figure.id, detections, image.width, image.height)
        if reader is not None:
            letters = reader.read([image], [panels])[0]
            panels = [item.panel for item in align(panels, (), letters)]
        answer = {
            "file": str(path),
            "width": image.width,
            "height": image.height,
            "panels": [{"box": list(p.box), "score": round(p.score, 4), "label": p.label} for p in panels],
        }
        yield answer, image, panels


def _one_by_one(call: Any, images: list[Any]) -> list[Any]:
    """The batch's answers; each image alone, with its error as text, where the batch raises."""
    if not images:
        return []
    try:
        return list(call(images))
    except UsageError:
        raise
    except Exception as error:
        if len(images) == 1:
            return [f"{type(error).__name__}: {error}"]
    return [answer for image in images for answer in _one_by_one(call, [image])]


def _load(path: Path) -> Any:
    from ..decode import decode
    from ..images import FigureImage
    from ..records import Figure, ImageRef

    try:
        decoded = decode(path.read_bytes())
    except OSError as error:
        return f"cannot read the file: {error.strerror}"
    except InputError as error:
        return str(error)
    figure = Figure(id=path.name, article="", image=ImageRef(href=path.name, name=path.name))
    return FigureImage(figure, decoded.image)


def _print_detection(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    elif "error" in answer:
        click.echo(f"{answer['file']}: {answer['error']}", err=True)
    else:
        panels = answer["panels"]
        count = "1 panel" if len(panels) == 1 else f"{len(panels)} panels"
        click.echo(f"{answer['file']}  {answer['width']}x{answer['height']}  {count}")
        for panel in panels:
            box = " ".join(str(v) for v in panel["box"])
            click.echo(f"  {panel['label'] or '-':3s} {box}  {panel['score']:.2f}")


def _draw_names(files: Sequence[Path]) -> dict[str, str]:
    """A picture name for each file; files of the same name in different folders do not collide."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path in files:
        stem, n = path.name.replace(".", "_"), 1
        name = f"{stem}.png"
        while name in taken:
            n += 1
            name = f"{stem}-{n}.png"
        taken.add(name)
        names[str(path)] = name
    return names


def _draw(image: Any, panels: Sequence[Any], path: Path) -> None:
    """The image with numbered boxes, as PNG."""
    from PIL import ImageDraw, ImageFont

    picture = image.image.copy()
    pen = ImageDraw.Draw(picture)
    width = max(2, max(picture.size) // 400)
    font = ImageFont.load_default(max(12, max(picture.size) // 50))
    for n, panel in enumerate(panels):
        color = COLORS[n % len(COLORS)]
        x0, y0, x1, y1 = panel.box
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=color, width=width)
        text = panel.label or str(n + 1)
        corner = (max(x0, x1 - width - pen.textlength(text, font=font) - 4), y0 + width)
        pen.rectangle(pen.textbbox(corner, text, font=font), fill="white")
        pen.text(corner, text, fill=color, font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


@click.command("split")
@click.option("--splitter", default="rules", show_default=True, shell_complete=stage_names("splitter"))
@click.option("--splitter-option", multiple=True, metavar="KEY=VALUE", help="Option of the splitter.")
@click.option("--labels", metavar="A,B,C", help="The panel labels seen in the image, for every caption.")
@click.option("--plugin", "modules", multiple=True, metavar="MODULE", help="As in `pmcx run`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a caption.")
def split_command(
    splitter: str,
    splitter_option: tuple[str, ...],
    labels: str | None,
    modules: tuple[str, ...],
    as_json: bool,
) -> int:
    """Split the captions on standard input, one a line: plain text or a JSON string.

    Each part is made of the caption's own characters; spans count characters of the caption.
    """
    from ..identity import build_stage
    from ..registry import Registry
    from ..stages import Caption

    stage: Any = build_stage(
        Registry.discover((), modules),
        "splitter",
        splitter,
        parse_assignments(splitter_option, "--splitter-option"),
    )
    seen = tuple(part.strip() for part in (labels or "").split(",") if part.strip())
    stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")
    with stage:
        for line in stdin:
            if not line.strip():
                continue
            text = _caption(line)
            parts = stage.split([Caption(text=text, labels=seen)])[0]
            _print_parts(text, parts, as_json)
    return 0


def _caption(line: str) -> str:
    line = line.rstrip("\r\n")
    if line.lstrip().startswith('"'):
        try:
            value = json.loads(line)
        except ValueError:
            return line
        if isinstance(value, str):
            return value
    return line


def _print_parts(text: str, parts: Sequence[Any], as_json: bool) -> None:
    if as_json:
        rows = [
            {"labels": list(p.labels), "text": p.text, "spans": [list(span) for span in p.spans]}
            for p in parts
        ]
        sys.stdout.write(json.dumps({"parts": rows}, ensure_ascii=False) + "\n")
        return
    if not parts:
        click.echo(f"-  {text}")
    for part in parts:
        click.echo(f"{','.join(part.labels)}  {part.text}")
    click.echo("")
