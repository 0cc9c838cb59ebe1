"""The weights that come with pmcx: files, runtimes and scores, on real figures where they are at hand."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmcx.core.decode import decode
from pmcx.core.images import FigureImage
from pmcx.core.records import Box, Detection
from pmcx.detectors.boxes import iou_matrix
from pmcx.detectors.checkpoint import CONFIG_FILES, GRAPH, SHIPPED, checkpoint_folder
from pmcx.detectors.detr import DetrDetector
from pmcx.training.scores import Counts, match_counts

OTHERS = [
    pytest.param(
        name, marks=pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"needs {module}")
    )
    for name, module in (("torch", "transformers"), ("openvino", "openvino"))
]


@pytest.fixture(scope="module")
def annotated(shared_data: Path) -> list[tuple[FigureImage, list[list[Box]]]]:
    """The 93 real figures and, for each panel, its box by either annotator."""
    folder = shared_data / "figures"
    out = []
    for entry in json.loads((folder / "annotations.json").read_text()):
        image = decode((folder / entry["file"]).read_bytes()).image.convert("RGB")
        boxes = [[tuple(p[key]) for key in ("box", "alt_box") if p.get(key)] for p in entry["panels"]]
        out.append((FigureImage.from_array(np.asarray(image)), boxes))
    return out


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)
    yield


def found_by(images: list[FigureImage], **options: Any) -> list[list[Detection]]:
    with DetrDetector({"device": "cpu", "threads": 1, **options}) as detr:
        return [list(found) for found in detr.detect(images)]


def test_files() -> None:
    assert checkpoint_folder("") == SHIPPED
    names = {path.name for path in SHIPPED.iterdir()}
    assert names == {*CONFIG_FILES, GRAPH, "model.safetensors", "README.md"}
    card = (SHIPPED / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\n")


@pytest.mark.parametrize("runtime", OTHERS)
def test_every_runtime_finds_the_same_boxes(annotated: list[Any], runtime: str) -> None:
    """Of each real figure: the network's boxes at IoU >= 0.99, the answer within a pixel."""
    images = [image for image, _ in annotated]
    plain = {"refine": "none", "score": 0.1, "nms": None}
    for one, other in zip(found_by(images, **plain), found_by(images, **plain, runtime=runtime), strict=True):
        assert len(one) == len(other)
        if one:
            overlap = iou_matrix(np.array([d.box for d in one]), np.array([d.box for d in other]))
            assert overlap.max(axis=1).min() >= 0.99
    for one, other in zip(found_by(images), found_by(images, runtime=runtime), strict=True):
        assert len(one) == len(other)
        for a in one:
            assert min(np.abs(np.subtract(a.box, b.box)).max() for b in other) <= 1


def test_no_answer_depends_on_its_batch(annotated: list[Any]) -> None:
    images = [image for image, _ in annotated[:12]]
    with DetrDetector({"device": "cpu", "threads": 1}) as detr:
        together = [list(found) for found in detr.detect(images)]
        alone = [list(detr.detect([image])[0]) for image in images]
    assert together == alone


def test_scores_on_real_figures(annotated: list[Any]) -> None:
    """What the card says holds, with a little room for other builds of onnxruntime."""
    counts = Counts()
    for (image, truth), found in zip(annotated, found_by([image for image, _ in annotated]), strict=True):
        boxes = [d.box for d in found] or [(0, 0, image.width, image.height)]
        counts = counts + match_counts(boxes, truth, 0.5)
    assert counts.f1 > 0.86
