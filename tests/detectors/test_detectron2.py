"""The ``detectron2`` adapter: over a fake of the API it uses, and with the library where there is one."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmcx.core.errors import PluginError, UsageError
from pmcx.detectors.detectron2 import Detectron2Detector
from pmcx.testing import DetectorSuite, figure_images, grid_figure

torch = pytest.importorskip("torch")

import fake_detectron2  # noqa: E402
from inknet import InkNetwork, red_figure  # noqa: E402

installed = pytest.mark.skipif(
    importlib.util.find_spec("detectron2") is None,
    reason="detectron2 is not installed, and no package index has it",
)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``ink.pth``, where the library is the fake."""
    for name, module in fake_detectron2.modules(tmp_path).items():
        monkeypatch.setitem(sys.modules, name, module)
    torch.save({"model": InkNetwork(0).state_dict()}, tmp_path / "ink.pth")
    return tmp_path


def detector(folder: Path, config: str, **options: Any) -> Detectron2Detector:
    given = {"config": config, "weights": str(folder / "ink.pth"), "device": "cpu", **options}
    return Detectron2Detector(given)


def refused(stage: Detectron2Detector, match: str, kind: type[Exception] = UsageError) -> None:
    with pytest.raises(kind, match=match):
        stage.open()
    stage.close()


def finds_red(stage: Detectron2Detector) -> tuple[int, ...]:
    """The shape of the batch in which it found the red box where that is."""
    image, expected = red_figure(640, 480)
    with stage:
        (found,) = stage.detect([image])[0]
        assert np.abs(np.subtract(found.box, expected)).max() <= 5
        network: Any = stage._model.network  # type: ignore[union-attr]
        shape: tuple[int, ...] = network.model.shapes[0]
    return shape


# -- configurations ---------------------------------------------------------------------------------------


def yaml(folder: Path, **values: Any) -> str:
    path = folder / "model.yaml"
    path.write_text(json.dumps(values))
    return str(path)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_channel_order_is_the_configured_one(fake: Path, order: str) -> None:
    assert finds_red(detector(fake, yaml(fake, INPUT={"FORMAT": order}))) == (1, 3, 800, 1067)


def test_a_name_of_the_model_zoo(fake: Path) -> None:
    """Whose files are the library's own, so that what they run needs no trust."""
    assert finds_red(detector(fake, "Figures/ink.yaml")) == (1, 3, 160, 213)
    for name in ("Figures/other.yaml", "../../../ink.pth"):
        refused(detector(fake, name), "neither a file nor a name in Detectron2's model zoo")


def test_code_in_yaml_needs_trust(fake: Path) -> None:
    path = fake / "model.yaml"
    path.write_text("!!python/none {}")
    refused(detector(fake, str(path)), r"holds code.*trust_config=true")
    finds_red(detector(fake, str(path), trust_config=True))


def test_unknown_key(fake: Path) -> None:
    refused(detector(fake, yaml(fake, PANELS={})), "no Detectron2 configuration: KeyError.*PANELS")


def test_overrides(fake: Path) -> None:
    opts = ["INPUT.MIN_SIZE_TEST", 240, "INPUT.MAX_SIZE_TEST", "400"]
    stage = detector(fake, yaml(fake), opts=opts)
    assert finds_red(stage) == (1, 3, 240, 320)
    assert stage.assets() != detector(fake, yaml(fake)).assets()
    refused(detector(fake, yaml(fake), opts=["INPUT.MIN_SIZE_TEST"]), "odd length")


def test_size_is_the_longer_side(fake: Path) -> None:
    assert finds_red(detector(fake, yaml(fake), size=320)) == (1, 3, 240, 320)


LAZY = """
model = dict(_target_="Ink", bgr=False)
resize = dict(_target_="ResizeShortestEdge", short_edge_length=[120, 120], max_size=400)
dataloader = dict(test=dict(
    mapper=dict(augmentations=[resize], image_format="RGB"), dataset=dict(names="figures")
))
"""


def lazy(folder: Path) -> str:
    (folder / "model.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\n" + LAZY)
    return str(folder / "model.py")


def test_python_configuration_needs_trust(fake: Path) -> None:
    refused(detector(fake, lazy(fake)), r"Python code that would be run.*trust_config=true")
    with pytest.raises(UsageError, match="trust_config"):
        detector(fake, lazy(fake)).assets()
    assert not (fake / "ran").exists()


def test_python_configuration(fake: Path) -> None:
    assert finds_red(detector(fake, lazy(fake), trust_config=True, labels="panel")) == (1, 3, 120, 160)
    assert finds_red(detector(fake, lazy(fake), trust_config=True, size=320)) == (1, 3, 240, 320)
    over = detector(fake, lazy(fake), trust_config=True, opts=["dataloader.test.mapper.image_format=BGR"])
    with over:
        assert list(over.detect([red_figure(64, 64)[0]])[0]) == []
    assert over.assets() != detector(fake, lazy(fake), trust_config=True).assets()


# -- weights and the library ------------------------------------------------------------------------------


def test_arrays_of_a_zoo_file_become_weights(fake: Path) -> None:
    import pickle

    arrays = {key: value.numpy() + 1 for key, value in InkNetwork(0).state_dict().items()}
    (fake / "model.pkl").write_bytes(pickle.dumps({"model": arrays, "__author__": "zoo"}))
    with detector(fake, yaml(fake), weights=str(fake / "model.pkl")) as stage:
        assert np.array_equal(stage._model.network.model.gain.bias.detach(), arrays["gain.bias"])
    (fake / "model.pkl").write_bytes(pickle.dumps({"blobs": arrays}))
    refused(detector(fake, yaml(fake), weights=str(fake / "model.pkl")), "Detectron 1")


def test_a_torchvision_for_another_torch(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nms(*arguments: Any) -> None:
        raise RuntimeError("operator torchvision::nms does not exist\nmore")

    monkeypatch.setattr(sys.modules["torchvision.ops"], "nms", nms)
    refused(detector(fake, yaml(fake)), "torchvision does not match torch .*does not exist", PluginError)


def test_a_model_without_boxes(fake: Path) -> None:
    with detector(fake, yaml(fake)) as stage:
        stage._model.network.model.forward = lambda inputs: [{"sem_seg": None}]
        with pytest.raises(UsageError, match="finds no boxes; it answers sem_seg"):
            stage.detect([red_figure(64, 64)[0]])


# -- the real library -------------------------------------------------------------------------------------

ZOO = "COCO-Detection/retinanet_R_50_FPN_1x.yaml"
OPTS = [
    *("MODEL.RESNETS.DEPTH", "18", "MODEL.RESNETS.RES2_OUT_CHANNELS", "64", "MODEL.RESNETS.NORM", "BN"),
    *("MODEL.FPN.OUT_CHANNELS", "32", "MODEL.RETINANET.NUM_CONVS", "1", "MODEL.RETINANET.NUM_CLASSES", "2"),
    *("INPUT.MIN_SIZE_TEST", "160", "INPUT.MAX_SIZE_TEST", "320"),
]


def real_config() -> Any:
    from detectron2.config import get_cfg  # type: ignore[import-not-found]

    package = importlib.import_module("detectron2")
    cfg = get_cfg()
    cfg.merge_from_file(str(Path(str(package.__file__)).parent / "model_zoo" / "configs" / ZOO))
    cfg.merge_from_list(OPTS)
    cfg.MODEL.DEVICE = "cpu"
    return cfg


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ink.pth``: a small RetinaNet with random weights, its scores spread over 0 to 1."""
    from detectron2.modeling import build_model  # type: ignore[import-not-found]

    torch.manual_seed(0)
    model = build_model(real_config())
    torch.nn.init.normal_(model.head.cls_score.weight, std=1.0)
    torch.nn.init.zeros_(model.head.cls_score.bias)
    folder = tmp_path_factory.mktemp("detectron2")
    torch.save({"model": model.state_dict(), "iteration": 0}, folder / "ink.pth")
    return folder


@installed
class TestRealConformance(DetectorSuite):
    @pytest.fixture(autouse=True)
    def _weights(self, real: Path) -> Iterator[None]:
        type(self).make = lambda: detector(real, ZOO, opts=OPTS)
        yield
        type(self).make = None


@installed
def test_equals_the_predictor_of_detectron2(real: Path) -> None:
    from detectron2.engine import DefaultPredictor  # type: ignore[import-not-found]

    cfg = real_config()
    cfg.MODEL.WEIGHTS = str(real / "ink.pth")
    predictor = DefaultPredictor(cfg)
    images = [*figure_images()[:3], grid_figure(1, 6, 1200, 200, seed=4)[0]]
    seen = 0
    with detector(real, ZOO, opts=OPTS, nms=None, score=0.5) as stage:
        for image, found in zip(images, stage.detect(images), strict=True):
            expected = predictor(np.ascontiguousarray(image.pixels[:, :, ::-1]))["instances"]
            boxes, scores = expected.pred_boxes.tensor.numpy(), expected.scores.numpy()
            limit = np.array([image.width, image.height] * 2)
            boxes = np.clip(boxes, 0, limit)
            for one in found:
                near = np.abs(boxes - np.array(one.box)).max(axis=1) <= 1
                assert near.any() and np.abs(scores[near] - one.score).min() < 1e-4
            seen += len(found)
    assert seen > 20


@installed
def test_the_real_library_refuses_what_the_fake_refuses(real: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(f"VERSION: 2\nOUTPUT_DIR: !!python/object/apply:open ['{tmp_path / 'ran'}', 'w']\n")
    refused(detector(real, str(path)), r"holds code.*trust_config=true")
    assert not (tmp_path / "ran").exists()
    path.write_text("VERSION: 2\nPANELS: 1\n")
    refused(detector(real, str(path)), "no Detectron2 configuration: KeyError.*PANELS")
    refused(detector(real, ZOO), "do not fit the configured model|are not in ink.pth")


@installed
def test_the_fake_has_what_the_real_library_has() -> None:
    for module, names in fake_detectron2.SURFACE.items():
        for name in names:
            assert hasattr(importlib.import_module(module), name), (module, name)


@installed
def test_a_lazy_configuration_of_the_model_zoo(tmp_path: Path) -> None:
    """The library's own Python configurations need no trust."""
    from detectron2.config import LazyConfig, instantiate

    name = "COCO-Detection/fcos_R_50_FPN_1x.py"
    package = Path(str(importlib.import_module("detectron2").__file__)).parent
    cfg = LazyConfig.load(str(package / "model_zoo" / "configs" / name))
    torch.save(instantiate(cfg.model).state_dict(), tmp_path / "ink.pth")
    stage = detector(tmp_path, name, size=128, score=0.0, labels=["person"])
    assert set(stage.assets()) == {"config", "ink.pth"}
    assert stage.assets() == stage.assets()
    with stage:
        assert len(stage.detect([red_figure(200, 100)[0]])) == 1
