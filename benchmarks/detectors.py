"""Scores of a detector on annotated figures, and its speed on one core.

    python benchmarks/detectors.py ANNOTATIONS.json [--images DIR] [--size PX] [--figures] [--rounds N]

``ANNOTATIONS.json`` may be any format of ``pmcx score detector``, which has more to say about quality and
draws the figures; here the scores stand beside the speed of ``gutters`` in its parts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pmcx.core.decode import decode
from pmcx.core.images import FigureImage
from pmcx.core.records import Figure, ImageRef
from pmcx.detectors.gutters import GuttersDetector
from pmcx.training.evaluation import predict, run
from pmcx.training.report import Contestant, as_dict, evaluate, print_report
from pmcx.training.truth import Truth, read_truth
from pmcx.training.truth.images import find_image


def quality(truth: Truth, images: Path, detector: GuttersDetector, worst_first: bool) -> None:
    rows = list(run(truth.figures, images, {detector.name: lambda batch: predict(detector, batch)}))
    contestant = Contestant(detector.name, {}, [found[detector.name] for _, found in rows])
    evaluation = evaluate(truth, [case for case, _ in rows], [contestant], "tight", "lepage", coco=False)
    data = as_dict(evaluation, rounds=0)
    print_report(data, by=())
    if worst_first:
        for row in sorted(
            data["contestants"][0]["figures"], key=lambda r: (r["f1"], r["mean_f1"], r["file"])
        ):
            counts = f"true {row['true']:2} found {row['found']:2}"
            print(f"{row['f1']:.2f} {row['mean_f1']:.2f} {counts}  {row['file']}")


def speed(files: Sequence[bytes], detector: GuttersDetector, rounds: int) -> None:
    """Figures a second, best of ``rounds``, one after the other on the same figures."""
    size = detector.options.size
    figures = [as_figure(data) for data in files]
    small = [FigureImage.from_array(image.resized(size)[0]) for image in figures]
    for image in small:
        image.pixels  # noqa: B018 - computed once, outside of the timing
    steps: dict[str, Callable[[int], object]] = {
        f"cuts alone, {size} px": lambda i: detector.detect([small[i]]),
        "resize alone": lambda i: figures[i].resized(size),
        "resize + cuts": lambda i: detector.detect([figures[i]]),
        "decode + resize + cuts": lambda i: detector.detect([as_figure(files[i])]),
    }
    for title, step in steps.items():
        best = min(_seconds(step, len(files)) for _ in range(rounds))
        print(f"{title:24} {len(files) / best:8.1f} figures/s  {1000 * best / len(files):7.2f} ms/figure")


def as_figure(data: bytes) -> FigureImage:
    return FigureImage(Figure(id="f", article="", image=ImageRef(href="f")), decode(data).image)


def _seconds(step: Callable[[int], object], count: int) -> float:
    start = time.perf_counter()
    for i in range(count):
        step(i)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--size", type=int, default=448)
    parser.add_argument("--figures", action="store_true", help="a line for each figure, the worst first")
    parser.add_argument("--rounds", type=int, default=3, help="timing rounds; 0 for none")
    args = parser.parse_args()
    images = args.images or args.annotations.parent
    truth = read_truth(args.annotations, images)
    with GuttersDetector({"size": args.size}) as detector:
        quality(truth, images, detector, args.figures)
        if args.rounds:
            files = [find_image(images, figure.file).read_bytes() for figure in truth.figures]
            speed(files, detector, args.rounds)


if __name__ == "__main__":
    main()
