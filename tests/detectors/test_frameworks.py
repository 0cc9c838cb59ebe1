"""What the adapters of detection frameworks have in common, over fakes of the libraries' API."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmcx.core.errors import PluginError, UsageError
from pmcx.detectors.detectron2 import Detectron2Detector
from pmcx.detectors.frameworks import FrameworkDetector
from pmcx.detectors.mmdet import MMDetDetector
from pmcx.testing import DetectorSuite

torch = pytest.importorskip("torch")

import fake_detectron2  # noqa: E402
import fake_mmdet  # noqa: E402
from inknet import InkNetwork, red_figure  # noqa: E402

from pmcx.detectors.framework_runtime import panel_classes, read_checkpoint  # noqa: E402

LABELS = ["panel", "label"]
MMDET_CONFIG = """
model = dict(type="Ink", test_cfg=dict(score_thr=0.5))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(320, 320), keep_ratio=True),
    dict(type="Pad", size=(320, 320)),
    dict(type="PackDetInputs"),
]))
"""
DETECTRON2_CONFIG = json.dumps(
    {"INPUT": {"MIN_SIZE_TEST": 160, "MAX_SIZE_TEST": 320}, "DATASETS": {"TEST": ["figures"]}}
)


class Library:
    """One of the two libraries in its fake form, with a configuration and a checkpoint on disk."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        self.stage: type[FrameworkDetector] = {"mmdet": MMDetDetector, "detectron2": Detectron2Detector}[kind]
        self.config = folder / ("ink.py" if kind == "mmdet" else "ink.yaml")
        self.config.write_text(MMDET_CONFIG if kind == "mmdet" else DETECTRON2_CONFIG)
        self.weights = folder / "ink.pth"
        self.state = InkNetwork(0).state_dict()
        torch.save(self.checkpoint(), self.weights)

    def checkpoint(self) -> dict[str, Any]:
        if self.kind == "detectron2":
            return {"model": self.state, "optimizer": {"lr": 0.1}, "iteration": 7}
        log = {"loss": fake_mmdet.HistoryBuffer([2.0, 1.5])}
        meta = {"dataset_meta": {"CLASSES": tuple(LABELS)}, "epoch": 3}
        return {"state_dict": self.state, "meta": meta, "message_hub": {"log_scalars": log}}

    def __call__(self, **options: Any) -> FrameworkDetector:
        given = {"config": str(self.config), "weights": str(self.weights), "device": "cpu", **options}
        if self.kind == "mmdet":
            given.setdefault("trust_config", True)
        return self.stage(given)

    def network(self, stage: FrameworkDetector) -> Any:
        assert stage._model is not None
        return stage._model.network.model  # type: ignore[attr-defined]

    def refused(self, match: str, kind: type[Exception] = UsageError, **options: Any) -> str:
        stage = self(**options)
        with pytest.raises(kind, match=match) as caught:
            stage.open()
        stage.close()
        return str(caught.value)


@pytest.fixture(params=["detectron2", "mmdet"])
def library(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    made = fake_mmdet.modules() if request.param == "mmdet" else fake_detectron2.modules(tmp_path)
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, name, module)
    return Library(request.param, tmp_path)


class TestConformance(DetectorSuite):
    @pytest.fixture(autouse=True)
    def _library(self, library: Library) -> Iterator[None]:
        type(self).make = lambda: library(score=0.1)
        yield
        type(self).make = None


# -- answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, 96, 640])
@pytest.mark.parametrize(
    ("width", "height"), [(640, 480), (1200, 300), (300, 1200), (3000, 60), (60, 3000), (8, 6), (2600, 1900)]
)
def test_boxes_come_back_to_source_pixels(
    library: Library, width: int, height: int, size: int | None
) -> None:
    """And red is taken for red: the network finds nothing where channels are swapped."""
    image, expected = red_figure(width, height)
    with library(size=size) as detector:
        (first,), (second,) = detector.detect([image, image])
    assert first == second
    assert first.score == pytest.approx(0.9)
    # One pixel of the model's input, as seen in the source; the fakes' input is 320 long unless asked.
    tolerance = max(width, height, 16) / (size or 320) + 1
    assert np.abs(np.subtract(first.box, expected)).max() <= tolerance, (first.box, expected)


def test_only_equal_shapes_share_a_batch(library: Library) -> None:
    sizes = [(640, 480), (480, 640), (640, 480), (1200, 300), (480, 640), (640, 480)]
    figures = [red_figure(*size) for size in sizes]
    with library() as detector:
        answers = detector.detect([image for image, _ in figures])
        shapes = library.network(detector).shapes
    assert sum(shape[0] for shape in shapes) == len(sizes)
    assert len(shapes) == len({shape[1:] for shape in shapes}) < len(sizes)
    for (_, expected), (found,) in zip(figures, answers, strict=True):
        assert np.abs(np.subtract(found.box, expected)).max() <= 5


def test_no_batch_is_larger_than_the_stage_says(library: Library) -> None:
    images = [red_figure(64, 64)[0]] * 19
    with library() as detector:
        assert len(detector.detect(images)) == 19
        assert [shape[0] for shape in library.network(detector).shapes] == [8, 8, 3]


def test_nothing_found(library: Library) -> None:
    from pmcx.core.images import FigureImage

    white = FigureImage.from_array(np.full((40, 50, 3), 255, np.uint8))
    with library(score=0.0) as detector:
        assert list(detector.detect([white])[0]) == []


def test_score_overrides_the_threshold_of_the_configuration(library: Library) -> None:
    """The fake mmdet's own is 0.5."""
    image, _ = red_figure(400, 400)
    scores = {}
    for least in (0.0, 0.3, 0.65, 0.95):
        with library(score=least, nms=None) as detector:
            scores[least] = [round(d.score, 3) for d in detector.detect([image])[0]]
    assert scores == {0.0: [0.9, 0.6, 0.2], 0.3: [0.9, 0.6], 0.65: [0.9], 0.95: []}


def test_nms_is_across_classes(library: Library) -> None:
    """The second box covers nine tenths of the first: IoU .82."""
    image, expected = red_figure(400, 400)
    with library(score=0.3, nms=0.9) as both, library(score=0.3, nms=0.7) as one:
        assert len(both.detect([image])[0]) == 2
        (found,) = one.detect([image])[0]
    assert np.abs(np.subtract(found.box, expected)).max() <= 3


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        (["panel"], [0.9, 0.2]),
        ("label", [0.6]),
        (["panel", "label"], [0.9, 0.6, 0.2]),
        (["1"], [0.6]),
        (0, [0.9, 0.2]),
    ],
)
def test_labels_choose_classes(library: Library, labels: Any, scores: list[float]) -> None:
    image, _ = red_figure(400, 400)
    with library(labels=labels, score=0.1, nms=None) as detector:
        assert [round(d.score, 3) for d in detector.detect([image])[0]] == scores


def test_unknown_labels(library: Library) -> None:
    assert "it has panel, label" in library.refused("no class 'subfigure'", labels=["panel", "subfigure"])
    library.refused("no class '2'", labels=["2"])


def test_a_checkpoint_that_does_not_name_its_classes(library: Library) -> None:
    library.config.write_text(library.config.read_text().replace("figures", "my_own"))
    torch.save(library.state, library.weights)
    assert "numbers" in library.refused("no class 'panel'", labels=["panel"])
    image, _ = red_figure(400, 400)
    with library(labels=["1"]) as detector:
        assert len(detector.detect([image])[0]) == 1


def test_panel_classes() -> None:
    assert panel_classes([], LABELS) is None
    assert panel_classes(["label", "0"], LABELS) == {0, 1}
    assert panel_classes(["7"], None) == {7}


# -- weights ----------------------------------------------------------------------------------------------


def test_weights_reach_the_network(library: Library) -> None:
    library.state["gain.weight"] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    torch.save(library.checkpoint(), library.weights)
    with library() as detector:
        assert library.network(detector).gain.weight.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_parallel_prefix_and_bare_state(library: Library) -> None:
    torch.save(OrderedDict((f"module.{k}", v + 1) for k, v in library.state.items()), library.weights)
    with library() as detector:
        assert torch.equal(library.network(detector).gain.bias, library.state["gain.bias"] + 1)


def test_safetensors(library: Library) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    library.weights = library.folder / "ink.safetensors"
    save_file({k: v + 2 for k, v in library.state.items()}, library.weights)
    with library() as detector:
        assert torch.equal(library.network(detector).gain.bias, library.state["gain.bias"] + 2)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (str(self.path), "w"))


def test_other_pickles_are_refused_unread_unless_trusted(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "boom"
    torch.save({**library.checkpoint(), "extra": Bomb(path)}, library.weights)
    message = library.refused("holds more than tensors")
    assert "trust_pickle=true" in message and "safetensors" in message and "io.open" in message
    assert not path.exists()
    with library(trust_pickle=True):
        assert path.exists()


def test_damaged_and_foreign_files(library: Library) -> None:
    whole = library.weights.read_bytes()
    for content in (b"", b"<!DOCTYPE html>", whole[: len(whole) // 2], pickle.dumps(3)):
        library.weights.write_bytes(content)
        library.refused("is no checkpoint")
    for value in ([1, 2], {}, {3: 4}):
        torch.save(value, library.weights)
        library.refused("checkpoint")


def test_incomplete_weights_are_not_filled_up_at_random(library: Library) -> None:
    del library.state["gain.bias"]
    torch.save(library.checkpoint(), library.weights)
    library.refused(r"1 weights of the configured model are not in ink.pth, such as gain.bias")


def test_weights_of_another_shape(library: Library) -> None:
    library.state["gain.bias"] = torch.zeros(3)
    torch.save(library.checkpoint(), library.weights)
    library.refused("do not fit the configured model")


def test_arrays_of_a_zoo_pickle_are_read_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    value = {"model": {"a": np.arange(6.0).reshape(2, 3), "n": np.float32(2)}, "__author__": "zoo"}
    for protocol in (2, 4):
        path.write_bytes(pickle.dumps(value, protocol=protocol))
        held = read_checkpoint(path, trust=False)
        assert held["__author__"] == "zoo" and np.array_equal(held["model"]["a"], value["model"]["a"])
    # As Python 2 and numpy 1 wrote them.
    old = io.BytesIO()
    pickler = pickle._Pickler(old, protocol=2)  # type: ignore[attr-defined]
    pickler.dump(value)
    path.write_bytes(old.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert np.array_equal(read_checkpoint(path, trust=False)["model"]["a"], value["model"]["a"])
    bomb = tmp_path / "boom"
    path.write_bytes(pickle.dumps({"model": Bomb(bomb)}))
    with pytest.raises(UsageError, match="holds more than tensors"):
        read_checkpoint(path, trust=False)
    assert not bomb.exists()


# -- requests that cannot be met --------------------------------------------------------------------------


def test_missing_files(library: Library, tmp_path: Path) -> None:
    library.refused("needs trained weights.*weights=FILE", weights="")
    library.refused("no such file: weights=", weights=str(tmp_path / "none.pth"))
    library.refused("is a folder", weights=str(tmp_path))
    library.refused("download the checkpoint first", weights="https://example.org/model.pth")
    library.refused("needs the configuration", config="")
    library.refused("config=.*none", config=str(tmp_path / "none.py"))


def test_assets_are_refused_as_opening_is(library: Library) -> None:
    with pytest.raises(UsageError, match="needs trained weights"):
        library(weights="").assets()
    with pytest.raises(UsageError, match="needs the configuration"):
        library(config="").assets()


def test_assets_follow_weights_and_configuration(library: Library) -> None:
    first = library().assets()
    assert first["ink.pth"] == hashlib.sha256(library.weights.read_bytes()).hexdigest()
    assert set(first) == {"config", "ink.pth"}
    library.config.write_text(library.config.read_text().replace("320", "640"))
    second = library().assets()
    assert second["config"] != first["config"] and second["ink.pth"] == first["ink.pth"]
    library.config.write_text(library.config.read_text() + "\n")
    assert library().assets() == second


def test_wrong_configuration(library: Library) -> None:
    library.config.write_text("this is no configuration")
    library.refused("configuration: ")


def test_cuda_where_there_is_none(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    library.refused("device=cuda: torch .* sees no CUDA GPU", device="cuda")
    with library(device="auto") as detector:
        assert next(library.network(detector).parameters()).device.type == "cpu"


def test_missing_and_broken_library(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "mmdet.apis" if library.kind == "mmdet" else "detectron2.config"
    monkeypatch.setitem(sys.modules, module, None)
    message = library.refused("the .* detector cannot work.*Install it", PluginError)
    assert "--no-build-isolation" in message and module in message


def test_a_library_that_fails_to_import(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Such as mmcv without its compiled part, which raises no ImportError of its own name."""
    name = "mmdet.apis" if library.kind == "mmdet" else "detectron2.modeling"
    parent = types.ModuleType(name.split(".")[0])
    parent.__path__ = [str(tmp_path / "broken")]  # type: ignore[attr-defined]
    parent.__file__ = str(tmp_path / "broken" / "__init__.py")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / f"{name.split('.')[1]}.py").write_text("assert False, 'MMCV==3 is incompatible'")
    monkeypatch.setitem(sys.modules, parent.__name__, parent)
    monkeypatch.delitem(sys.modules, name)
    library.refused("importing .* failed: MMCV==3 is incompatible", PluginError)


def test_threads(library: Library) -> None:
    before = torch.get_num_threads()
    try:
        with library(threads=2):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_not_open(library: Library) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        library().detect([])
