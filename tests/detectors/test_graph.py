"""The ``detr`` detector on ONNX graphs: onnxruntime and OpenVINO, and graphs that are none of ours."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmcx.core.errors import PluginError, UsageError
from pmcx.core.images import FigureImage
from pmcx.core.records import Detection
from pmcx.detectors.detr import DetrDetector
from pmcx.detectors.graph import decoded, pixels_of
from pmcx.testing import DetectorSuite, figure_images, grid_figure

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed"
)

SIDE, QUERIES = 32, 12


def write_graph(path: Path, sides: tuple[Any, ...] = ("b", 3, SIDE, SIDE), output: str = "boxes") -> None:
    """A graph of our signature whose boxes are a random linear function of all pixels."""
    rng = np.random.default_rng(0)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    count = 3 * SIDE * SIDE
    spread = 2.5 / np.sqrt(count)
    constants = {
        "to_logits": rng.normal(0, spread, (count, QUERIES)).astype(np.float32),
        "to_boxes": rng.normal(0, spread, (count, QUERIES * 4)).astype(np.float32),
        "flat": np.array([0, -1], np.int64),
        "one": np.array([0, QUERIES, 1], np.int64),
        "four": np.array([0, QUERIES, 4], np.int64),
    }
    nodes = [
        helper.make_node("Reshape", ["pixels", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "to_logits"], ["l"]),
        helper.make_node("Reshape", ["l", "one"], ["logits"]),
        helper.make_node("MatMul", ["row", "to_boxes"], ["c"]),
        helper.make_node("Sigmoid", ["c"], ["s"]),
        helper.make_node("Reshape", ["s", "four"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("pixels", kind, sides)],
        [
            helper.make_tensor_value_info("logits", kind, ("b", QUERIES, 1)),
            helper.make_tensor_value_info(output, kind, ("b", QUERIES, 4)),
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint folder with a graph; its safetensors are never read."""
    path = tmp_path / "graph"
    path.mkdir()
    write_graph(path / "model.onnx")
    (path / "config.json").write_text(json.dumps({"id2label": {"0": "panel"}}))
    (path / "preprocessor_config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"")
    return path


def detector(folder: Path, **options: Any) -> DetrDetector:
    return DetrDetector({"weights": str(folder), "device": "cpu", "nms": None, **options})


def refused(folder: Path, match: str, kind: type[Exception] = UsageError, **options: Any) -> None:
    stage = detector(folder, **options)
    with pytest.raises(kind, match=match):
        stage.open()
    stage.close()


def within(one: list[Detection], other: list[Detection], pixels: float = 1) -> bool:
    return len(one) == len(other) and all(
        np.abs(np.subtract(a.box, b.box)).max() <= pixels and abs(a.score - b.score) < 1e-3
        for a, b in zip(one, other, strict=True)
    )


class TestConformance(DetectorSuite):
    @pytest.fixture(autouse=True)
    def _weights(self, folder: Path) -> Iterator[None]:
        type(self).make = lambda: detector(folder)
        yield
        type(self).make = None


# -- answers ------------------------------------------------------------------------------------------


def test_answers_are_the_graphs(folder: Path) -> None:
    """By hand: squeeze, run, decode, round."""
    image = grid_figure(2, 3, 700, 310, seed=5)[0]
    small = image.image.resize((SIDE, SIDE), 2)
    pixels = (np.asarray(small, np.float32) / 255).transpose(2, 0, 1)[None]
    session = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    logits, boxes = session.run(["logits", "boxes"], {"pixels": pixels})
    expected = []
    for logit, (cx, cy, w, h) in zip(logits[0, :, 0], boxes[0], strict=True):
        score = 1 / (1 + np.exp(-logit))
        if score > 0.5:
            edges = np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]) * [700, 310, 700, 310]
            expected.append((float(score), np.clip(edges, 0, [700, 310, 700, 310])))
    expected.sort(key=lambda row: -row[0])
    with detector(folder) as detr:
        found = detr.detect([image])[0]
    assert 0 < len(found) == len(expected) < QUERIES
    for detection, (score, edges) in zip(found, expected, strict=True):
        assert detection.score == pytest.approx(score, abs=1e-3)
        assert np.abs(np.array(detection.box) - edges).max() <= 0.51


@pytest.mark.parametrize("size", [1, 2, 5])
def test_any_batch_gives_the_same_answer(folder: Path, size: int) -> None:
    images = figure_images()
    with detector(folder) as detr:
        whole = detr.detect(images)
        parts = [one for k in range(0, len(images), size) for one in detr.detect(images[k : k + size])]
    assert whole == parts and sum(map(len, whole)) > len(images)


@needs_openvino
def test_openvino_computes_in_single_precision(folder: Path) -> None:
    """Half precision would move boxes of a figure 4,000 pixels wide by more than one."""
    rng = np.random.default_rng(1)
    images = [
        FigureImage.from_array(rng.integers(0, 256, (30, 40, 3), np.uint8).repeat(100, 0).repeat(100, 1))
        for _ in range(3)
    ]
    with (
        detector(folder, runtime="onnxruntime", score=0.0) as one,
        detector(folder, runtime="openvino", score=0.0) as other,
    ):
        for a, b in zip(one.detect(images), other.detect(images), strict=True):
            assert len(a) == QUERIES and within(list(a), list(b))


def test_decoded() -> None:
    logits = np.array([[0.0, 2.0], [-800.0, 800.0], [1.0, -1.0]], np.float32)
    boxes = np.array([[0.5, 0.5, 1.0, 0.5], [0.25, 0.5, 0.5, 1.0], [0.9, 0.9, 0.4, 0.4]], np.float32)
    corners, scores, classes = decoded(logits, boxes, 200, 100)
    assert corners.tolist()[:2] == [[0, 25, 200, 75], [0, 0, 100, 100]]
    assert corners[2].tolist() == pytest.approx([140, 70, 220, 110], abs=1e-4)
    assert scores.tolist() == pytest.approx([0.8808, 1.0, 0.7311], abs=1e-4)
    assert classes.tolist() == [1, 1, 0]


def test_pixels_are_squeezed_planes_of_0_to_1() -> None:
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, :, 0], image[:, 15:, 2] = 255, 51
    pixels = pixels_of(FigureImage.from_array(image), 6)
    assert pixels.shape == (1, 3, 6, 6) and pixels.dtype == np.float32 and pixels.flags.c_contiguous
    assert (pixels[0, 0] == 1).all() and (pixels[0, 1] == 0).all()
    assert pixels[0, 2, 0].tolist() == pytest.approx([0, 0, 0.0, 0.2, 0.2, 0.2], abs=0.03)


# -- options ------------------------------------------------------------------------------------------


def test_auto_takes_onnxruntime_where_there_is_a_graph(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with detector(folder) as detr:
        assert detr.detect([grid_figure(2, 2, seed=3)[0]])[0]


@pytest.mark.parametrize(("asked", "used"), [(None, 1), (2, 2)])
def test_threads(folder: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None, used: int) -> None:
    seen: list[int] = []
    real = ort.InferenceSession

    def session(path: str, options: Any, providers: list[str]) -> Any:
        seen.append(options.intra_op_num_threads)
        return real(path, options, providers=providers)

    monkeypatch.setattr(ort, "InferenceSession", session)
    with detector(folder, threads=asked):
        pass
    assert seen == [used]


def test_size(folder: Path) -> None:
    refused(folder, rf"size=64: the graph takes {SIDE} pixels.*runtime=torch", size=64)
    with detector(folder, size=SIDE) as detr:
        assert detr.detect([grid_figure(2, 2, seed=3)[0]])[0]


def test_labels(folder: Path) -> None:
    refused(folder, "no class 'letter'; it has panel", labels=["letter"])
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "letter", "1": "panel"}}))
    image = grid_figure(2, 2, seed=3)[0]
    with detector(folder, labels=["panel"]) as none, detector(folder) as every:
        assert none.detect([image])[0] == [] and every.detect([image])[0]


def test_unnamed_classes_all_count(folder: Path) -> None:
    """transformers leaves ``id2label`` out of the configuration where nobody named the two classes."""
    (folder / "config.json").write_text("{}")
    with detector(folder) as detr:
        assert detr.detect([grid_figure(2, 2, seed=3)[0]])[0]
    (folder / "config.json").write_text("{")
    refused(folder, r"config\.json is no JSON")


# -- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_files_that_are_no_graph(folder: Path, runtime: str) -> None:
    graph = folder / "model.onnx"
    whole = graph.read_bytes()
    for wrong in (b"", b"no graph at all", whole[:300]):
        graph.write_bytes(wrong)
        refused(folder, r"model\.onnx is no (graph that|detector graph)", runtime=runtime)
    write_graph(graph, output="pred_boxes")
    refused(folder, r"no detector graph: it must map pixels.*pred_boxes.*runtime=torch", runtime=runtime)
    write_graph(graph, sides=("b", 3, "h", "w"))
    refused(folder, "no detector graph", runtime=runtime)


@pytest.mark.parametrize(("runtime", "module"), [("auto", "onnxruntime"), ("openvino", "openvino")])
def test_missing_runtimes(folder: Path, monkeypatch: pytest.MonkeyPatch, runtime: str, module: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    refused(folder, f"pip install {module}", PluginError, runtime=runtime)


def test_runtimes_need_a_graph_and_no_gpu(folder: Path) -> None:
    refused(folder, "device=cuda needs runtime=torch, not onnxruntime", runtime="onnxruntime", device="cuda")
    (folder / "model.onnx").unlink()
    for runtime in ("onnxruntime", "openvino"):
        refused(folder, rf"runtime={runtime} needs a model\.onnx", runtime=runtime)


def test_assets_name_the_graph(folder: Path) -> None:
    first = detector(folder).assets()
    assert set(first) == {"config.json", "model.onnx", "model.safetensors", "preprocessor_config.json"}
    write_graph(folder / "model.onnx", sides=(1, 3, SIDE, SIDE))
    assert detector(folder).assets()["model.onnx"] != first["model.onnx"]
