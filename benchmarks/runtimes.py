"""Speed of ``detr`` with its shipped weights: runtimes by threads, and what it adds to bare onnxruntime.

    python benchmarks/runtimes.py ANNOTATIONS.json [--images DIR] [--rounds N]

Each contestant sees the same figures in alternating turns; medians of the rounds are printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from detectors import as_figure
from pmcx.core.images import FigureImage
from pmcx.detectors.checkpoint import GRAPH, SHIPPED
from pmcx.detectors.detr import DetrDetector
from pmcx.detectors.graph import decoded, pixels_of
from pmcx.training.truth import read_truth
from pmcx.training.truth.images import find_image

MODULES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "torch": "torch"}


def opened(stack: ExitStack, **options: object) -> DetrDetector:
    return stack.enter_context(DetrDetector({"device": "cpu", "threads": 1, **options}))


def medians(contestants: dict[str, Callable[[int], object]], count: int, rounds: int) -> dict[str, float]:
    """Seconds a figure of each contestant, the median of ``rounds``, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for step in contestants.values():
        step(0)
    for _ in range(rounds):
        for name, step in contestants.items():
            start = time.perf_counter()
            for i in range(count):
                step(i)
            seconds[name].append((time.perf_counter() - start) / count)
    return {name: statistics.median(values) for name, values in seconds.items()}


def runtimes(files: Sequence[bytes], rounds: int) -> None:
    """Decode to boxes, by runtime and threads."""
    with ExitStack() as stack:
        contestants: dict[str, Callable[[int], object]] = {}
        for name, module in MODULES.items():
            if importlib.util.find_spec(module) is None:
                print(f"{name} is not installed")
                continue
            for threads in (1, 2):
                detector = opened(stack, runtime=name, threads=threads)
                contestants[f"{name:12} {threads} thread{'s' * (threads > 1)}"] = (
                    lambda i, detector=detector: detector.detect([as_figure(files[i])])
                )
        print("decode to boxes")
        for name, seconds in medians(contestants, len(files), rounds).items():
            print(f"  {name:24} {1 / seconds:7.1f} figures/s  {1000 * seconds:7.2f} ms/figure")


def parts(images: Sequence[FigureImage], rounds: int) -> None:
    """What the detector adds to a bare session, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    bare = onnxruntime.InferenceSession(str(SHIPPED / GRAPH), options, providers=["CPUExecutionProvider"])
    side = bare.get_inputs()[0].shape[2]
    tensors = [pixels_of(image, side) for image in images]
    with ExitStack() as stack:
        plain, fit = opened(stack, refine="none"), opened(stack)

        def boxes(i: int) -> object:
            logits, found = bare.run(["logits", "boxes"], {"pixels": tensors[i]})
            return decoded(np.asarray(logits)[0], np.asarray(found)[0], images[i].width, images[i].height)

        def session(i: int) -> object:
            return bare.run(["logits", "boxes"], {"pixels": tensors[i]})

        contestants: dict[str, Callable[[int], object]] = {
            "bare session": session,
            "tensor to boxes": boxes,
            "resize to boxes": lambda i: plain.detect([images[i]]),
            "resize to boxes, fitted": lambda i: fit.detect([images[i]]),
        }
        found = medians(contestants, len(images), rounds)
    print(f"on one thread, {side} px; as a multiple of the bare session")
    for name, seconds in found.items():
        print(f"  {name:24} {1000 * seconds:7.2f} ms/figure  {seconds / found['bare session']:5.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    images = args.images or args.annotations.parent
    truth = read_truth(args.annotations, images)
    files = [find_image(images, figure.file).read_bytes() for figure in truth.figures]
    runtimes(files, args.rounds)
    decoded_files = [as_figure(data) for data in files]
    for image in decoded_files:
        image.pixels  # noqa: B018 - decoded once, outside of the timing
    parts(decoded_files, args.rounds)


if __name__ == "__main__":
    main()
