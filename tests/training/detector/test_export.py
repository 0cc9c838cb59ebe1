"""The exported folder: one checkpoint, three ways to run it, one answer."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import needs_training  # noqa: F401
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pmcx.core.images import FigureImage
from pmcx.core.records import Detection
from pmcx.detectors.detr import DetrDetector
from pmcx.testing import grid_figure
from pmcx.training.detector.data import Figures
from pmcx.training.detector.loop import Trainer
from pmcx.training.synth.stream import SynthOptions, SynthStream


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def loaded(folder: Path) -> Any:
    from transformers import AutoModelForObjectDetection

    return AutoModelForObjectDetection.from_pretrained(folder, local_files_only=True).float().eval()


def drawn(count: int) -> list[FigureImage]:
    """Figures of several shapes, larger and smaller than the network's input."""
    stream = SynthStream(SynthOptions(size=300, seed=21))
    images = [FigureImage.from_array(stream.sample(i).pixels) for i in range(count - 2)]
    return [*images, grid_figure(1, 5, 900, 180, seed=2)[0], grid_figure(2, 2, 80, 60, gutter=6, seed=3)[0]]


def sorted_by_score(logits: Any, boxes: Any) -> tuple[Any, Any]:
    """Ties in the choice of queries permute them; detections do not."""
    order = np.argsort(-logits[..., 0], axis=1, kind="stable")
    return np.take_along_axis(logits, order[..., None], 1), np.take_along_axis(boxes, order[..., None], 1)


def test_files(exported: Path, trained: Trainer) -> None:
    names = {path.name for path in exported.iterdir()}
    assert names == {"config.json", "model.onnx", "model.safetensors", "preprocessor_config.json"}
    side = trained.recipe.shape.side
    processor = json.loads((exported / "preprocessor_config.json").read_text())
    assert processor["size"] == {"height": side, "width": side} and not processor["do_normalize"]
    assert json.loads((exported / "config.json").read_text())["id2label"] == {"0": "panel"}
    weights = load_file(exported / "model.safetensors")
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float16}


def test_transformers_loads_it(exported: Path, trained: Trainer) -> None:
    from transformers import AutoImageProcessor

    network = loaded(exported)
    assert type(network).__name__ == "Deimv2ForObjectDetection"
    state = network.state_dict()
    for key, value in trained.average.state.items():
        assert torch.allclose(state[key], value, rtol=1e-3, atol=1e-4), key
    processor = AutoImageProcessor.from_pretrained(exported, backend="pil")
    side = trained.recipe.shape.side
    white = FigureImage.from_array(np.full((40, 90, 3), 255, np.uint8))
    pixels = processor(images=white.image, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, side, side) and bool((pixels == 1).all())


@pytest.mark.parametrize("batch", [1, 3])
def test_onnx_agrees_with_torch(exported: Path, trained: Trainer, batch: int) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(exported / "model.onnx"), options)
    figures = Figures(SynthOptions(size=128, seed=11), trained.recipe.shape.side)
    pixels = torch.stack([figures[i][0] for i in range(batch)]).float() / 255
    with torch.inference_mode():
        out = loaded(exported)(pixel_values=pixels)
    logits, boxes = session.run(["logits", "boxes"], {"pixels": pixels.numpy()})
    assert logits.shape == (batch, trained.recipe.shape.queries, 1) and boxes.shape == (*logits.shape[:2], 4)
    ours, theirs = sorted_by_score(logits, boxes), sorted_by_score(out.logits.numpy(), out.pred_boxes.numpy())
    assert np.abs(ours[0] - theirs[0]).max() < 1e-3
    assert np.abs(ours[1] - theirs[1]).max() < 1e-3
    assert boxes.std(axis=(0, 1)).min() > 1e-3


def test_the_graph_is_fit_for_inference(exported: Path) -> None:
    import onnx

    graph = onnx.load(exported / "model.onnx", load_external_data=False).graph
    kinds = {node.op_type for node in graph.node}
    # Constants are folded, and most weights are kept in half precision.
    assert {"Conv", "GridSample", "TopK"} <= kinds and not kinds & {"Abs", "And", "ConstantOfShape", "If"}
    assert len(graph.node) < 1500
    halves = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16]
    assert len(halves) > 75
    assert [one.name for one in graph.input] == ["pixels"]
    assert [one.name for one in graph.output] == ["logits", "boxes"]
    # Batch of any size, the rest fixed.
    sides = graph.input[0].type.tensor_type.shape.dim
    assert sides[0].dim_param and not sides[0].dim_value and sides[1].dim_value == 3
    # Nothing of the machine that wrote it, and no larger than its weights ask for.
    written = (exported / "model.onnx").read_bytes()
    assert str(Path(torch.__file__).parent.parent).encode() not in written and b".py" not in written
    assert len(written) < 1.5 * (exported / "model.safetensors").stat().st_size
    # The weights are inside.
    assert not any(tensor.external_data for tensor in graph.initializer)


def close(one: list[Detection], other: list[Detection]) -> None:
    """The same boxes within a pixel; equal scores may change places."""
    assert len(one) == len(other)
    for a in one:
        apart = [np.abs(np.subtract(a.box, b.box)).max() for b in other if abs(a.score - b.score) < 2e-3]
        assert apart and min(apart) <= 1, (a, other)


@pytest.mark.parametrize("refine", ["none", "fit"])
def test_every_runtime_and_batch_gives_the_same_boxes(exported: Path, refine: str) -> None:
    images = drawn(6)
    runtimes = ["onnxruntime", "torch"]
    if importlib.util.find_spec("openvino") is not None:
        runtimes.append("openvino")
    answers: dict[str, list[list[Detection]]] = {}
    for runtime in runtimes:
        options = {"weights": str(exported), "runtime": runtime, "device": "cpu", "threads": 1}
        with DetrDetector({**options, "score": 0.05, "refine": refine, "nms": None}) as detr:
            whole = [list(found) for found in detr.detect(images)]
            parts = [list(found) for image in images for found in detr.detect([image])]
        for one, other in zip(whole, parts, strict=True):
            close(one, other)
        answers[runtime] = whole
    assert sum(map(len, answers["onnxruntime"])) >= 6
    for runtime in runtimes[1:]:
        for one, other in zip(answers["onnxruntime"], answers[runtime], strict=True):
            close(one, other)
