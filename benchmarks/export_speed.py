"""Writing speed of the exporters against webdataset.ShardWriter, on the same samples in alternating turns.

Both write the same jpg, json and txt members; ShardWriter gets the row as a ready dict and encodes it.
Our time includes making the row, sha256 and fsync of every file; ShardWriter does neither hash nor sync.

    python benchmarks/export_speed.py [--samples 10000] [--kilobytes 60 5] [--rounds 3] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import webdataset

from pmcx.core.records import (
    Alignment,
    Ids,
    ImageRef,
    License,
    Mention,
    MentionSpan,
    Modality,
    Pair,
    webdataset_key,
)
from pmcx.core.schema import pair_row
from pmcx.core.stages import Exporter, Sample
from pmcx.exporters.parquet import ParquetExporter
from pmcx.exporters.webdataset import WebDatasetExporter

BATCH = 64
WORDS = ("representative", "confocal", "stained", "sections", "showing", "β-catenin", "treated", "cells")


def make_samples(count: int, size: int, seed: int = 0) -> list[Sample]:
    """Samples of about ``size`` bytes of incompressible image, with two citing paragraphs each."""
    rng = random.Random(seed)

    def words(number: int) -> str:
        return " ".join(rng.choices(WORDS, k=number))

    samples = []
    for number in range(count):
        figure = f"PMC{7000000 + number // 12}.1/F{number // 4 % 3 + 1}"
        label = "ABCD"[number % 4]
        caption = f"{words(60)}. ({label}) {words(30)}."
        start = caption.index(f"({label})")
        pair = Pair(
            id=f"{figure}/{label}",
            key=webdataset_key(f"{figure}/{label}"),
            article=figure.partition("/")[0],
            figure=figure,
            label=label,
            box=(0, 0, 512, 384),
            image=ImageRef(href="pone.0000217.g001", name="pone.0000217.g001.jpg", format="jpeg", size=size),
            width=512,
            height=384,
            caption=caption,
            subcaption=caption[start:],
            spans=((start, len(caption)),),
            alignment=Alignment(method="letter", score=0.9),
            modality=Modality(label="microscopy", score=0.8),
            mentions=tuple(
                Mention(
                    paragraph=f"p{i}", text=words(80), spans=(MentionSpan(start=0, end=6, labels=(label,)),)
                )
                for i in range(2)
            ),
            license=License(code="CC BY", url="https://creativecommons.org/licenses/by/4.0/"),
            attribution=words(20),
            title=words(14),
            journal="PLoS ONE",
            ids=Ids(doi="10.1371/journal.pone.0000217"),
        )
        samples.append(
            Sample(pair=pair, image=rng.randbytes(rng.randint(size // 2, size * 3 // 2)), suffix="jpg")
        )
    return samples


def write_shardwriter(dicts: Sequence[dict[str, object]], folder: Path) -> None:
    with webdataset.ShardWriter(str(folder / "%06d.tar"), verbose=0, mtime=0.0) as writer:
        for sample in dicts:
            writer.write(sample)


def write_exporter(exporter: Exporter, samples: Sequence[Sample], folder: Path) -> None:
    with exporter:
        exporter.begin(0, folder)
        for start in range(0, len(samples), BATCH):
            exporter.write(samples[start : start + BATCH])
        exporter.end()


def timed(write: Callable[[Path], None], parent: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=parent))
    os.sync()  # nobody pays for what the one before left in the cache
    try:
        start = time.perf_counter()
        write(folder)
        return time.perf_counter() - start
    finally:
        shutil.rmtree(folder)


def compare(count: int, kilobytes: int, rounds: int, parent: Path) -> None:
    samples = make_samples(count, kilobytes * 1000)
    dicts = [
        {"__key__": s.pair.key, "jpg": s.image, "json": pair_row(s.pair), "txt": s.pair.subcaption}
        for s in samples
    ]
    writers: dict[str, Callable[[Path], None]] = {
        "webdataset.ShardWriter": lambda folder: write_shardwriter(dicts, folder),
        "pmcx webdataset": lambda folder: write_exporter(WebDatasetExporter(), samples, folder),
        "pmcx parquet": lambda folder: write_exporter(ParquetExporter(), samples, folder),
    }
    seconds: dict[str, list[float]] = {name: [] for name in writers}
    for _ in range(rounds):
        for name, write in writers.items():
            seconds[name].append(timed(write, parent))
    print(f"{count} samples of about {kilobytes} kB, median of {rounds} alternating rounds")
    base = seconds["webdataset.ShardWriter"]
    for name, times in seconds.items():
        ratio = statistics.median(b / t for b, t in zip(base, times, strict=True))
        median = statistics.median(times)
        print(
            f"  {name:24} {median:7.2f} s  {count / median:8.0f} samples/s  {ratio:5.2f} x ShardWriter"
            f"   (rounds: {', '.join(f'{t:.2f}' for t in times)})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--kilobytes", type=int, nargs="+", default=[60, 5])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write (default: the system's temporary folder)")
    args = parser.parse_args()
    for kilobytes in args.kilobytes:
        with tempfile.TemporaryDirectory(dir=args.folder) as parent:
            compare(args.samples, kilobytes, args.rounds, Path(parent))


if __name__ == "__main__":
    main()
