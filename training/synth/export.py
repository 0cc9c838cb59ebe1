"""Synthetic figures as files: COCO annotations with images, or WebDataset shards, and contact sheets."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...core.errors import UsageError
from ...core.files import output_errors
from ...core.records import Box
from ...exporters.tar import TarWriter
from .content.base import Pixels
from .sample import Panel, Sample
from .stream import SynthOptions, SynthStream

CATEGORIES = ({"id": 1, "name": "panel"}, {"id": 2, "name": "label"})
IMAGE_FORMATS = ("jpg", "png")
JPEG_QUALITY = 92
SHARD = 1000
"""Figures in one WebDataset shard."""
AHEAD = 2048
"""Figures that workers may make before the first of them is written."""

Progress = Callable[[int], None]


def write_coco(
    options: SynthOptions,
    out: Path,
    count: int,
    *,
    workers: int = 1,
    image: str = "jpg",
    progress: Progress | None = None,
) -> Path:
    """Write ``count`` figures as ``images/<index>.jpg`` and ``annotations.json`` (COCO) under ``out``.

    Categories are panel and label. A panel's ``bbox`` is its tight box, ``cell`` the other convention, both
    ``[x, y, width, height]``; ``attributes`` hold label and modality; a label names its panel's annotation
    in ``panel``. The bytes do not depend on ``workers``. Gives the path of the annotations, which are
    written last. Raises UsageError where ``out`` is not empty.
    """
    _prepare(out, count, image)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    with output_errors(out):
        (out / "images").mkdir()
        for facts, data in encoded(options, count, workers, image):
            name = f"images/{facts['index']:06d}.{image}"
            (out / name).write_bytes(data)
            images.append(_coco_image(facts, name))
            annotations += _coco_annotations(facts, len(annotations) + 1)
            if progress is not None:
                progress(1)
        path = out / "annotations.json"
        table = {"images": images, "annotations": annotations, "categories": list(CATEGORIES)}
        path.write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    return path


def write_webdataset(
    options: SynthOptions,
    out: Path,
    count: int,
    *,
    workers: int = 1,
    image: str = "jpg",
    progress: Progress | None = None,
) -> list[Path]:
    """Write ``count`` figures as shards ``synth-000000.tar`` of 1000, each figure an image and a ``json``.

    The json is that of :func:`facts_of`. The bytes do not depend on ``workers``. Gives the shards. Raises
    UsageError where ``out`` is not empty.
    """
    _prepare(out, count, image)
    shards: list[Path] = []
    made = encoded(options, count, workers, image)
    for start in range(0, count, SHARD):
        shards.append(out / f"synth-{start // SHARD:06d}.tar")
        writer = TarWriter(shards[-1])
        try:
            rows = min(SHARD, count - start)
            for _ in range(rows):
                facts, data = next(made)
                writer.add(f"{facts['index']:08d}.{image}", data)
                writer.add(f"{facts['index']:08d}.json", json.dumps(facts, ensure_ascii=False).encode())
                if progress is not None:
                    progress(1)
            writer.finish(rows)
        finally:
            writer.close()
    return shards


def encoded(
    options: SynthOptions, count: int, workers: int = 1, image: str = "jpg"
) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The first ``count`` figures in order, as facts and encoded image; made by ``workers`` processes."""
    make = functools.partial(_encode, options, image)
    if workers <= 1:
        yield from map(make, range(count))
        return
    # Spawned, not forked: neither threads nor caches of this process leak into the figures. An executor
    # and no Pool: that replaces workers which cannot start for ever.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        for start in range(0, count, AHEAD):  # in stretches, so that a slow writer holds little in memory
            yield from pool.map(make, range(start, min(count, start + AHEAD)), chunksize=16)


def facts_of(sample: Sample) -> dict[str, Any]:
    """Everything about a figure but its pixels, JSON-able; boxes are ``[x0, y0, x1, y1]``, half-open."""
    height, width = sample.pixels.shape[:2]
    return {
        "index": sample.index,
        "width": width,
        "height": height,
        "compound": sample.compound,
        "dark": sample.dark,
        "caption": sample.caption,
        "parts": [{"label": label, "text": text} for label, text in sample.parts],
        "panels": [_panel(panel) for panel in sample.panels],
    }


def contact_sheet(samples: Sequence[Sample], columns: int = 8, side: int = 300) -> Pixels:
    """The figures in a grid, each at most ``side`` pixels long, tight boxes in red and letters in green."""
    rows = -(-len(samples) // columns)
    sheet = np.full((rows * (side + 4), columns * (side + 4), 3), 200, np.uint8)
    for number, sample in enumerate(samples):
        scale = side / max(sample.pixels.shape[:2])
        small = np.asarray(
            cv2.resize(sample.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
        for panel in sample.panels:
            _outline(small, panel.tight, scale, (230, 0, 0))
            if panel.letter is not None:
                _outline(small, panel.letter, scale, (0, 150, 0))
        y, x = (side + 4) * (number // columns), (side + 4) * (number % columns)
        sheet[y : y + small.shape[0], x : x + small.shape[1]] = small
    return sheet


def _outline(pixels: Pixels, box: Box, scale: float, colour: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = (round(v * scale) for v in box)
    cv2.rectangle(pixels, (x0, y0), (x1 - 1, y1 - 1), colour, 1)


def _prepare(out: Path, count: int, image: str) -> None:
    if count < 1:
        raise UsageError(f"count={count}: at least one figure must be asked for")
    if image not in IMAGE_FORMATS:
        raise UsageError(f"image format {image!r}: known are {', '.join(IMAGE_FORMATS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists and is not an empty folder: name another one, or remove it first")
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)


def _encode(options: SynthOptions, image: str, index: int) -> tuple[dict[str, Any], bytes]:
    """Made in a worker, which keeps its stream."""
    stream = _stream(options)
    sample = stream.sample(index)
    parameters = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if image == "jpg" else []
    done, data = cv2.imencode(f".{image}", sample.pixels[:, :, ::-1], parameters)
    if not done:
        raise RuntimeError(f"figure {index} could not be encoded as {image}")
    return facts_of(sample), data.tobytes()


@functools.lru_cache(maxsize=1)
def _stream(options: SynthOptions) -> SynthStream:
    cv2.setNumThreads(1)
    return SynthStream(options)


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "tight": list(panel.tight),
        "cell": list(panel.cell),
        "label": panel.label,
        "letter": list(panel.letter) if panel.letter is not None else None,
        "modality": panel.modality,
    }


def _coco_image(facts: dict[str, Any], name: str) -> dict[str, Any]:
    kept = ("width", "height", "caption", "parts", "compound", "dark")
    return {"id": facts["index"], "file_name": name, **{key: facts[key] for key in kept}}


def _coco_annotations(facts: dict[str, Any], first: int) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []

    def add(category: int, box: list[int], **more: Any) -> int:
        number = first + len(out)
        row = {"id": number, "image_id": facts["index"], "category_id": category, "iscrowd": 0}
        out.append({**row, "bbox": _xywh(box), "area": (box[2] - box[0]) * (box[3] - box[1]), **more})
        return number

    for panel in facts["panels"]:
        attributes = {"label": panel["label"], "modality": panel["modality"]}
        number = add(1, panel["tight"], cell=_xywh(panel["cell"]), attributes=attributes)
        if panel["letter"] is not None:
            add(2, panel["letter"], panel=number, attributes={"label": panel["label"]})
    return out


def _xywh(box: list[int]) -> list[int]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]
