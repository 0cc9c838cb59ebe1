"""Pairs and samples for the exporter tests, with real encoded images."""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from pmcx.core.records import (
    Alignment,
    FileInfo,
    Ids,
    ImageRef,
    License,
    Mention,
    MentionSpan,
    Modality,
    Pair,
    Split,
    webdataset_key,
)
from pmcx.core.stages import Exporter, RunSummary, Sample

LICENSES = (
    License(code="CC BY", spdx="CC-BY-4.0", url="https://creativecommons.org/licenses/by/4.0/"),
    License(code="CC BY-NC-ND", url="https://creativecommons.org/licenses/by-nc-nd/3.0/"),
    License(code="unknown", third_party="suspect", evidence="Reproduced from [12]."),
)
MADE_BY = {"source": "folder 0.1.0", "detector": "detr 0.1.0", "splitter": "rules 0.1.0"}


@functools.cache
def encoded(number: int, suffix: str = "jpg") -> bytes:
    """A small picture, different for each number."""
    from PIL import Image

    out = io.BytesIO()
    colour = (number * 37 % 256, number * 101 % 256, number * 7 % 256)
    Image.new("RGB", (40 + number % 9, 30), colour).save(out, {"jpg": "JPEG", "png": "PNG"}[suffix])
    return out.getvalue()


def make_sample(number: int, *, split: Split = "train", empty: bool = False, suffix: str = "jpg") -> Sample:
    """Sample ``number``: with words, spans and mentions, or with ``empty`` lists and texts."""
    article = f"PMC{7450322 + number // 4}.1"
    figure = f"{article}/F{number % 4}"
    caption = f"Figure of run {number}. (A) Axial MRI, naïve T cells. (B) Schwann’s β-tubulin ≥ 5 µm | stain."
    start = caption.index("(B)")
    image = encoded(number, suffix)
    mention = Mention(
        paragraph=f"p{number}",
        section="Results",
        text=f"As Fig. {number}B shows, cells grow.",
        spans=(MentionSpan(start=3, end=9, labels=("B",)),),
    )
    pair = Pair(
        id=f"{figure}/b",
        key=webdataset_key(f"{figure}/b"),
        article=article,
        figure=figure,
        figure_label=f"Figure {number % 4}",
        label="" if empty else "B",
        box=(number, 0, number + 40, 30),
        box_score=0.875,
        image=ImageRef(href="pone.0000217.g001", name="pone.0000217.g001.tif", format="tiff", size=9999),
        width=40 + number % 9,
        height=30,
        caption=caption,
        subcaption="" if empty else caption[start:],
        spans=() if empty else ((start, len(caption)),),
        alignment=Alignment(method="whole-figure") if empty else Alignment(method="letter", score=0.75),
        modality=Modality() if empty else Modality(label="microscopy", score=0.5),
        mentions=() if empty else (mention,),
        license=LICENSES[number % 3],
        attribution=f"Doe et al. {number}",
        title="On “panels”",
        journal="PLoS ONE",
        date="2007-02-14",
        ids=Ids(pmcid=article.partition(".")[0], doi="10.1371/journal.pone.0000217", version="1"),
        split=split,
        sha256=hashlib.sha256(image).hexdigest(),
        made_by=MADE_BY,
    )
    return Sample(pair=pair, image=image, suffix=suffix)


def make_samples(count: int, *, suffix: str = "jpg", empty_first: int = 0) -> list[Sample]:
    """Samples of all three splits; the first ``empty_first`` of every split have empty lists."""
    splits: Sequence[Split] = ("train", "train", "validation", "test")
    seen = dict.fromkeys(splits, 0)
    samples = []
    for number in range(count):
        split = splits[number // 4 % 4]  # by article, as the engine does
        samples.append(make_sample(number, split=split, suffix=suffix, empty=seen[split] < empty_first))
        seen[split] += 1
    return samples


def summarize(units: Sequence[Sequence[Sample]], files: dict[str, FileInfo], folder: Path) -> RunSummary:
    pairs = [sample.pair for unit in units for sample in unit]
    counts = {
        "pairs": len(pairs),
        "figures": len({pair.figure for pair in pairs}),
        "articles": len({pair.article for pair in pairs}),
        "failed.input": 2,
        "dropped.too-small": 7,
    }
    for pair in pairs:
        for name in (
            f"license.{pair.license.code}",
            f"alignment.{pair.alignment.method}",
            f"split.{pair.split}",
        ):
            counts[name] = counts.get(name, 0) + 1
    return RunSummary(path=folder, files=files, counts=counts, made_by=MADE_BY)


def export(
    exporter: Exporter, units: Sequence[Sequence[Sample]], folder: Path, batch: int = 5
) -> dict[str, FileInfo]:
    """Run the exporter over the units as the engine does, and write its derived files."""
    files: dict[str, FileInfo] = {}
    with exporter:
        for unit, samples in enumerate(units):
            exporter.begin(unit, folder)
            for start in range(0, len(samples), batch):
                exporter.write(samples[start : start + batch])
            files.update(exporter.end())
        for name, data in exporter.finalize(summarize(units, files, folder)).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return files


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """The helpers above, for test modules (which cannot import a conftest)."""
    return SimpleNamespace(
        sample=make_sample, samples=make_samples, encoded=encoded, export=export, summarize=summarize
    )


@pytest.fixture(scope="session", params=["webdataset", "parquet"])
def exporter_class(request: pytest.FixtureRequest) -> type[Exporter]:
    """Each built-in exporter class in turn."""
    from pmcx.exporters.parquet import ParquetExporter
    from pmcx.exporters.webdataset import WebDatasetExporter

    classes: dict[str, type[Exporter]] = {"webdataset": WebDatasetExporter, "parquet": ParquetExporter}
    return classes[request.param]
