"""Pictures that the pages show and the repository does not hold: drawn, or read, while the site is built.

``<!-- figures synthetic 50 -->`` becomes a sheet of the generator's figures, ``<!-- figures real 50 -->`` one
of annotated real figures, where ``PMCX_FIGURES`` or ``../shared/data/figures`` holds some. Panel boxes are
drawn, and sources and licences of the real ones stand below.
"""

from __future__ import annotations

import html
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARK = re.compile(r"<!-- figures (synthetic|real) (\d+) -->")
TILE = 190
COLUMNS = 5


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add the sheets that pages ask for."""
    from mkdocs.structure.files import File

    for page in list(files.documentation_pages()):
        for kind, count in MARK.findall(page.content_string):
            made = sheet(kind, int(count), Path(config.config_file_path).parent)
            if made is not None:
                files.append(File.generated(config, f"sheets/{kind}-{count}.jpg", content=made))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any, **_: Any) -> str:
    """Put the sheets in their places."""
    up = "../" * page.file.src_uri.count("/")

    def shown(match: re.Match[str]) -> str:
        kind, count = match.groups()
        name = f"sheets/{kind}-{count}.jpg"
        if files.get_file_from_path(name) is None:
            return f"*No annotated {kind} figures were at hand when this page was built.*"
        text = f"![{count} {kind} figures with their panel boxes]({up}{name})"
        if kind == "real":
            folder = real_folder(Path(config.config_file_path).parent)
            assert folder is not None
            text += f"\n\nReal figures: {credits(folder, int(count))}."
        return text

    return MARK.sub(shown, markdown)


def sheet(kind: str, count: int, root: Path) -> bytes | None:
    """A JPEG of ``count`` figures in rows, or None where there are none of that kind."""
    from PIL import Image

    if kind == "synthetic":
        shown = list(synthetic(count))
    else:
        folder = real_folder(root)
        if folder is None:
            return None
        shown = list(real(folder, count))
    rows = -(-len(shown) // COLUMNS)
    out = Image.new("RGB", (COLUMNS * TILE, rows * TILE), (110, 110, 110))
    for index, tile in enumerate(shown):
        tile.thumbnail((TILE - 6, TILE - 6))
        out.paste(tile, ((index % COLUMNS) * TILE + 3, (index // COLUMNS) * TILE + 3))
    file = io.BytesIO()
    out.save(file, "JPEG", quality=82)
    return file.getvalue()


def synthetic(count: int) -> Iterator[Any]:
    """The first figures of the stream with seed 0, as anybody draws them."""
    from PIL import Image

    from pmcx.training.synth.stream import SynthOptions, SynthStream

    stream = SynthStream(SynthOptions())
    for index in range(count):
        sample = stream.sample(index)
        yield _boxed(Image.fromarray(sample.pixels), [panel.tight for panel in sample.panels])


def real(folder: Path, count: int) -> Iterator[Any]:
    """Annotated figures, evenly picked from the list."""
    from PIL import Image

    for entry in _entries(folder, count):
        with Image.open(folder / entry["file"]) as image:
            picture = image.convert("RGB")
        scale = 400 / max(picture.size)
        boxes = [[v * scale for v in panel["box"]] for panel in entry["panels"]]
        picture = picture.resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        )
        yield _boxed(picture, boxes)


def credits(folder: Path, count: int) -> str:
    """Source and licence of the real figures, one mention for each article."""
    articles = {str(Path(e["source"]).parent): e["licence"] for e in _entries(folder, count)}
    return "; ".join(
        f"{html.escape(name)} ({html.escape(words)})" for name, words in sorted(articles.items())
    )


def real_folder(root: Path) -> Path | None:
    """The folder of annotated figures, if there is one."""
    folder = Path(os.environ.get("PMCX_FIGURES") or root.parent / "shared" / "data" / "figures")
    return folder if (folder / "annotations.json").is_file() else None


def _entries(folder: Path, count: int) -> list[dict[str, Any]]:
    every: list[dict[str, Any]] = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    return [every[k * len(every) // count] for k in range(min(count, len(every)))]


def _boxed(picture: Any, boxes: Any) -> Any:
    from PIL import ImageDraw

    pen = ImageDraw.Draw(picture)
    for box in boxes:
        pen.rectangle([round(v) for v in box], outline=(230, 0, 0), width=2)
    return picture
