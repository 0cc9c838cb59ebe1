"""Scores of the ``gutters`` detector on annotated figures, and its speed on one core.

    python benchmarks/detectors.py ANNOTATIONS.json [--images DIR] [--figures] [--draw DIR]

``ANNOTATIONS.json`` is a list of ``{file, panels: [{box, alt_box?}], doubt?}`` with boxes in pixels of the
image; ``file`` is relative to ``--images`` (the folder of the annotations by default).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from pmcx.core.decode import decode
from pmcx.core.images import FigureImage
from pmcx.core.records import Box, Detection, Figure, ImageRef
from pmcx.detectors.gutters import GuttersDetector
from pmcx.training.scores import COCO_THRESHOLDS, Counts, clef_accuracy, match_counts, mean_f1


@dataclass(frozen=True)
class Case:
    """One annotated figure; each panel has its alternatives."""

    name: str
    data: bytes
    image: FigureImage
    truth: list[list[Box]]
    doubt: bool


def load(annotations: Path, images: Path) -> list[Case]:
    cases = []
    for entry in json.loads(annotations.read_text(encoding="utf-8")):
        data = (images / entry["file"]).read_bytes()
        truth = [_boxes(panel) for panel in entry["panels"]]
        cases.append(Case(entry["file"], data, as_figure(data, entry["file"]), truth, "doubt" in entry))
    return cases


def _boxes(panel: dict[str, Any]) -> list[Box]:
    return [tuple(panel[key]) for key in ("box", "alt_box") if panel.get(key)]


def as_figure(data: bytes, name: str) -> FigureImage:
    figure = Figure(id=name, article="", image=ImageRef(href=name))
    return FigureImage(figure, decode(data).image)


def boxes_of(image: FigureImage, found: Sequence[Detection]) -> list[Box]:
    """What the engine makes of an answer: without a detection the whole figure is the panel."""
    return [d.box for d in found] or [(0, 0, image.width, image.height)]


def report(title: str, cases: Sequence[Case], found: Sequence[Sequence[Box]]) -> None:
    if not cases:
        return
    rows = list(zip(found, (c.truth for c in cases), strict=True))
    pooled = {t: sum((match_counts(f, g, t) for f, g in rows), Counts()) for t in COCO_THRESHOLDS}
    clef = sum(clef_accuracy(f, g) for f, g in rows) / len(rows)
    per_figure = sum(match_counts(f, g).f1 for f, g in rows) / len(rows)
    half = pooled[0.5]
    print(
        f"{title:22} {len(rows):4} {half.true:7} {half.found:6}  {half.f1:.3f}  {half.precision:.3f} "
        f"{half.recall:.3f}  {pooled[0.75].f1:.3f}  {sum(c.f1 for c in pooled.values()) / len(pooled):.3f}"
        f"  {clef:.3f}  {per_figure:.3f}"
    )


def quality(cases: Sequence[Case], answers: Sequence[Sequence[Detection]]) -> None:
    found = [boxes_of(c.image, a) for c, a in zip(cases, answers, strict=True)]
    print("                      figs  panels  found  F1@.5  P     R      F1@.75 F1mean CLEF   F1@.5/fig")
    groups: dict[str, Callable[[Case], bool]] = {
        "all": lambda c: True,
        "singles": lambda c: len(c.truth) == 1,
        "compounds": lambda c: len(c.truth) > 1,
        "all without doubt": lambda c: not c.doubt,
    }
    for title, keep in groups.items():
        chosen = [(c, f) for c, f in zip(cases, found, strict=True) if keep(c)]
        report(title, [c for c, _ in chosen], [f for _, f in chosen])
    print(
        "F1 pooled over panels; mean over IoU .5-.95; CLEF: ImageCLEF accuracy, Lepage variant, singles count"
    )


def table(cases: Sequence[Case], answers: Sequence[Sequence[Detection]]) -> None:
    rows = []
    for case, answer in zip(cases, answers, strict=True):
        found = boxes_of(case.image, answer)
        rows.append(
            (
                match_counts(found, case.truth).f1,
                mean_f1(found, case.truth),
                len(case.truth),
                len(found),
                case.name,
            )
        )
    for f1, mean, true, n, name in sorted(rows):
        print(f"{f1:.2f} {mean:.2f} true {true:2} found {n:2}  {name}")


def draw(cases: Sequence[Case], answers: Sequence[Sequence[Detection]], folder: Path) -> None:
    """Overlays: truth in red, found boxes in blue, named by F1 so that the worst come first."""
    folder.mkdir(parents=True, exist_ok=True)
    for case, answer in zip(cases, answers, strict=True):
        canvas = case.image.image.copy()
        pen = ImageDraw.Draw(canvas)
        width = max(2, max(canvas.size) // 250)
        for boxes in case.truth:
            pen.rectangle(boxes[0], outline=(255, 0, 0), width=width)
        for x0, y0, x1, y1 in boxes_of(case.image, answer):
            pen.rectangle(
                (x0 + width, y0 + width, max(x0 + width, x1 - width), max(y0 + width, y1 - width)),
                outline=(0, 80, 255),
                width=width,
            )
        f1 = match_counts(boxes_of(case.image, answer), case.truth).f1
        canvas.thumbnail((900, 900), Image.Resampling.BILINEAR)
        canvas.save(folder / f"{f1:.2f}_{Path(case.name).stem}.png")


def speed(cases: Sequence[Case], detector: GuttersDetector, rounds: int) -> None:
    """Figures a second, best of ``rounds``, one after the other on the same figures."""
    size = detector.options.size
    small = [FigureImage.from_array(c.image.resized(size)[0]) for c in cases]
    for image in small:
        image.pixels  # noqa: B018 - computed once, outside of the timing
    steps: dict[str, Callable[[int], object]] = {
        f"cuts alone, {size} px": lambda i: detector.detect([small[i]]),
        "resize alone": lambda i: cases[i].image.resized(size),
        "resize + cuts": lambda i: detector.detect([cases[i].image]),
        "decode + resize + cuts": lambda i: detector.detect([as_figure(cases[i].data, "f")]),
    }
    for title, step in steps.items():
        best = min(_seconds(step, len(cases)) for _ in range(rounds))
        print(f"{title:24} {len(cases) / best:8.1f} figures/s  {1000 * best / len(cases):7.2f} ms/figure")


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
    parser.add_argument("--draw", type=Path, metavar="DIR", help="write overlays")
    parser.add_argument("--rounds", type=int, default=3, help="timing rounds; 0 for none")
    args = parser.parse_args()
    cases = load(args.annotations, args.images or args.annotations.parent)
    with GuttersDetector({"size": args.size}) as detector:
        answers = detector.detect([c.image for c in cases])
        quality(cases, answers)
        if args.figures:
            table(cases, answers)
        if args.draw:
            draw(cases, answers, args.draw)
        if args.rounds:
            speed(cases, detector, args.rounds)


if __name__ == "__main__":
    main()
