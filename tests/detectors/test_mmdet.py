"""The ``mmdet`` adapter: over a fake of the API it uses, and with the library where there is one.

``.ci/mmdet`` installs the library and lets nothing here be skipped.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmcx.core.errors import PluginError, UsageError
from pmcx.detectors.mmdet import MMDetDetector
from pmcx.testing import DetectorSuite, figure_images, grid_figure

torch = pytest.importorskip("torch")

import fake_mmdet  # noqa: E402
from inknet import InkNetwork, red_figure  # noqa: E402

installed = pytest.mark.skipif(
    importlib.util.find_spec("mmdet") is None, reason="mmdet is not installed; .ci/mmdet runs this"
)

CONFIG = """
from pathlib import Path
Path({ran!r}).write_text("")
model = dict(type="Ink", roi_head=None, test_cfg=dict(rcnn=[dict(score_thr=0.9)], score_thr=0.05))
test_dataloader = dict(dataset=dict(pipeline=[
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(320, 160), keep_ratio={keep}),
    dict(type="PackDetInputs"),
]))
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``ink.pth`` and ``ink.py``, where the library is the fake."""
    for name, module in fake_mmdet.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    torch.save({"state_dict": InkNetwork(2).state_dict()}, tmp_path / "ink.pth")
    (tmp_path / "ink.py").write_text(CONFIG.format(ran=str(tmp_path / "ran"), keep=True))
    return tmp_path


def detector(folder: Path, **options: Any) -> MMDetDetector:
    given = {"config": str(folder / "ink.py"), "weights": str(folder / "ink.pth"), "device": "cpu"}
    return MMDetDetector({**given, "trust_config": True, **options})


def refused(stage: MMDetDetector, match: str, kind: type[Exception] = UsageError) -> None:
    with pytest.raises(kind, match=match):
        stage.open()
    stage.close()


def finds_red(stage: MMDetDetector, width: int = 640, height: int = 480) -> tuple[int, ...]:
    """The shape of the batch in which it found the red box where that is."""
    image, expected = red_figure(width, height)
    with stage:
        (found,) = stage.detect([image])[0]
        assert np.abs(np.subtract(found.box, expected)).max() <= 5
        shape: tuple[int, ...] = stage._model.network.model.shapes[0]
    return shape


# -- configurations ---------------------------------------------------------------------------------------


def test_a_configuration_needs_trust(fake: Path) -> None:
    refused(detector(fake, trust_config=False), r"is code that would be run.*trust_config=true")
    with pytest.raises(UsageError, match="trust_config"):
        detector(fake, trust_config=False).assets()
    assert not (fake / "ran").exists()
    finds_red(detector(fake))
    assert (fake / "ran").exists()


def test_size_keeps_the_manner_of_resizing(fake: Path) -> None:
    assert finds_red(detector(fake)) == (1, 3, 160, 213)
    assert finds_red(detector(fake, size=320)) == (1, 3, 240, 320)
    (fake / "ink.py").write_text(CONFIG.format(ran=str(fake / "ran"), keep=False))
    assert finds_red(detector(fake)) == (1, 3, 160, 320)
    assert finds_red(detector(fake, size=320), 320, 1280) == (1, 3, 320, 320)


def test_size_where_the_pipeline_has_no_resize(fake: Path) -> None:
    config = (fake / "ink.py").read_text().replace('"Resize"', '"Other"')
    (fake / "ink.py").write_text(config)
    refused(detector(fake, size=320), "test pipeline has no Resize")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("test_dataloader", "data", "no MMDetection 3 configuration; it lacks test_dataloader"),
        ('"LoadImageFromFile"', '"mmdet.LoadProposals"', "begins with mmdet.LoadProposals"),
        ('"Ink"', '"Panels"', "makes no model: KeyError: 'Panels is not in the mmdet::model registry"),
        ("model = ", "model == ", "is no MMDetection configuration: NameError"),
    ],
)
def test_wrong_configurations(fake: Path, old: str, new: str, match: str) -> None:
    (fake / "ink.py").write_text((fake / "ink.py").read_text().replace(old, new))
    refused(detector(fake), match)


def test_masks_are_not_made(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = types.SimpleNamespace(with_mask=True, mask_head="a head")
    monkeypatch.setattr(fake_mmdet.Ink, "roi_head", heads, raising=False)
    finds_red(detector(fake))
    assert heads.mask_head is None


def test_nothing_is_said_about_coco_classes(fake: Path) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        detector(fake).open()
    assert not said


def test_mmcv_lite(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mmdet's import fails on the missing compiled part, under that name."""
    finder = types.SimpleNamespace(find_spec=_no_compiled_part)
    monkeypatch.delitem(sys.modules, "mmdet.apis")
    monkeypatch.setattr(sys.modules["mmdet"], "__path__", ["nowhere"], raising=False)
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    refused(
        detector(fake), r"mmcv\._ext is not installed.*mmcv==2\.1\.0.*mmcv-lite is not enough", PluginError
    )


def _no_compiled_part(name: str, path: Any = None, target: Any = None) -> None:
    if name == "mmdet.apis":
        raise ModuleNotFoundError("No module named 'mmcv._ext'", name="mmcv._ext")


# -- the real library -------------------------------------------------------------------------------------

PIPELINE = """
default_scope = "mmdet"
test_dataloader = dict(dataset=dict(type="CocoDataset", pipeline=[
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=({side}, {side}), keep_ratio=True),
    {pad}
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]))
preprocess = dict(
    type="DetDataPreprocessor", mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4], bgr_to_rgb=True,
    pad_size_divisor={divisor},
)
resnet = dict(
    type="ResNet", depth=18, base_channels=16, num_stages=4, out_indices=(0, 1, 2, 3), style="pytorch",
    norm_cfg=dict(type="BN"), init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet18"),
)
channels = [16, 32, 64, 128]
anchors = dict(
    type="AnchorGenerator", octave_base_scale=4, scales_per_octave=1, ratios=[0.5, 1.0, 2.0],
    strides=[8, 16, 32, 64, 128],
)
deltas = dict(type="DeltaXYWHBBoxCoder", target_stds=[1.0, 1.0, 1.0, 1.0])
nms = dict(type="nms", iou_threshold=0.6)
l1 = dict(type="L1Loss")
focal = dict(type="FocalLoss", use_sigmoid=True)
"""
MODELS = {
    "RTMDet": """
model = dict(
    type="RTMDet", data_preprocessor=preprocess,
    backbone=dict(type="CSPNeXt", arch="P5", deepen_factor=0.167, widen_factor=0.125,
        norm_cfg=dict(type="SyncBN"), act_cfg=dict(type="SiLU", inplace=True)),
    neck=dict(type="CSPNeXtPAFPN", in_channels=[32, 64, 128], out_channels=32, num_csp_blocks=1,
        norm_cfg=dict(type="SyncBN"), act_cfg=dict(type="SiLU", inplace=True)),
    bbox_head=dict(type="RTMDetSepBNHead", num_classes=2, in_channels=32, stacked_convs=1, feat_channels=32,
        anchor_generator=dict(type="MlvlPointGenerator", offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type="DistancePointBBoxCoder"), loss_cls=dict(type="QualityFocalLoss"),
        loss_bbox=dict(type="GIoULoss"), with_objectness=False, exp_on_reg=True, share_conv=True,
        norm_cfg=dict(type="SyncBN"), act_cfg=dict(type="SiLU", inplace=True)),
    test_cfg=dict(nms_pre=1000, min_bbox_size=0, score_thr=0.001, nms=nms, max_per_img=50),
)
""",
    "RetinaNet": """
model = dict(
    type="RetinaNet", data_preprocessor=preprocess, backbone=resnet,
    neck=dict(type="FPN", in_channels=channels, out_channels=32, start_level=1, add_extra_convs="on_input",
        num_outs=5),
    bbox_head=dict(type="RetinaHead", num_classes=2, in_channels=32, stacked_convs=1, feat_channels=32,
        anchor_generator=dict(anchors, scales_per_octave=3), bbox_coder=deltas, loss_cls=focal, loss_bbox=l1),
    test_cfg=dict(nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=nms, max_per_img=50),
)
""",
    "MaskRCNN": """
roi = dict(type="SingleRoIExtractor", roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
    out_channels=32, featmap_strides=[4, 8, 16, 32])
model = dict(
    type="MaskRCNN", data_preprocessor=preprocess, backbone=resnet, train_cfg=None,
    neck=dict(type="FPN", in_channels=channels, out_channels=32, num_outs=5),
    rpn_head=dict(type="RPNHead", in_channels=32, feat_channels=32,
        anchor_generator=dict(type="AnchorGenerator", scales=[8], ratios=[1.0], strides=[4, 8, 16, 32, 64]),
        bbox_coder=deltas, loss_cls=focal, loss_bbox=l1),
    roi_head=dict(type="StandardRoIHead", bbox_roi_extractor=roi,
        bbox_head=dict(type="Shared2FCBBoxHead", in_channels=32, fc_out_channels=64, roi_feat_size=7,
            num_classes=2, bbox_coder=deltas, reg_class_agnostic=True,
            loss_cls=dict(type="CrossEntropyLoss"), loss_bbox=l1),
        mask_roi_extractor=roi,
        mask_head=dict(type="FCNMaskHead", num_convs=1, in_channels=32, conv_out_channels=16, num_classes=2,
            loss_mask=dict(type="CrossEntropyLoss", use_mask=True))),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=50, nms=nms, min_bbox_size=0),
        rcnn=dict(score_thr=0.6, nms=nms, max_per_img=50, mask_thr_binary=0.5)),
)
""",
    "DETR": """
attention = dict(embed_dims=32, num_heads=4, dropout=0.0, batch_first=True)
ffn = dict(embed_dims=32, feedforward_channels=64, num_fcs=2, ffn_drop=0.0)
model = dict(
    type="DETR", num_queries=20, data_preprocessor=preprocess,
    backbone=dict(resnet, out_indices=(3,)),
    neck=dict(type="ChannelMapper", in_channels=[128], kernel_size=1, out_channels=32, num_outs=1),
    encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)),
    decoder=dict(num_layers=1, return_intermediate=True,
        layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=16, normalize=True),
    bbox_head=dict(type="DETRHead", num_classes=2, embed_dims=32,
        loss_cls=dict(type="CrossEntropyLoss", class_weight=1.0), loss_bbox=l1,
        loss_iou=dict(type="GIoULoss")),
    test_cfg=dict(max_per_img=20),
)
""",
}
PADS = {"RTMDet": 'dict(type="Pad", size=(160, 160), pad_val=dict(img=(114, 114, 114))),'}


def liven(model: Any, run: Any) -> None:
    """Measure the norms on noise, and scale the classifiers so that their answers spread by about 1.

    As initialised, such a model gives every image the same answer.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # running figures become the plain mean over what is seen
    noise = np.random.default_rng(0).integers(0, 255, (4, 3, 160, 160)).astype(np.float32) / 64 - 2
    with torch.no_grad():
        model.train().extract_feat(torch.from_numpy(noise))
    model.eval()

    for name, module in model.named_modules():
        if hasattr(module, "weight") and re.search(r"_cls(\.\d)?$", name):
            spreads: list[float] = []
            hook = module.register_forward_hook(lambda _m, _i, out, to=spreads: to.append(float(out.std())))
            run(model)
            hook.remove()
            # A head that serves several levels sees them differ.
            module.weight.data /= max(spreads)
            torch.nn.init.zeros_(module.bias)


def write_model(folder: Path, kind: str) -> None:
    """``ink.py`` and ``ink.pth`` of a small model, as a training leaves them."""
    from mmdet.apis import inference_detector, init_detector  # type: ignore[import-not-found]
    from mmengine.logging import HistoryBuffer  # type: ignore[import-not-found]

    divisor = 1 if kind in ("RTMDet", "DETR") else 32
    text = PIPELINE.format(side=160, pad=PADS.get(kind, ""), divisor=divisor) + MODELS[kind]
    (folder / "ink.py").write_text(text)
    torch.manual_seed(0)
    model = init_detector(str(folder / "ink.py"), None, palette="random", device="cpu")
    figure = np.ascontiguousarray(grid_figure(2, 2, 320, 240, seed=3)[0].pixels[:, :, ::-1])
    liven(model, lambda model: inference_detector(model, figure))
    log = HistoryBuffer()
    for loss in (2.0, 1.5):
        log.update(loss)
    torch.save(
        {
            "state_dict": model.state_dict(),
            "meta": {"dataset_meta": {"classes": ("panel", "label")}, "epoch": 1, "cfg": text},
            "message_hub": {"log_scalars": {"train/loss": log}, "runtime_info": {}, "resumed_keys": {}},
            "optimizer": {"state": {}, "param_groups": [{"lr": np.float64(0.1)}]},
        },
        folder / "ink.pth",
    )


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder as :func:`write_model` makes it for each kind of model."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in MODELS}
    for kind, folder in folders.items():
        write_model(folder, kind)
    return folders


@installed
@pytest.mark.parametrize("kind", MODELS)
class TestRealConformance(DetectorSuite):
    @pytest.fixture(autouse=True)
    def _model(self, real: dict[str, Path], kind: str) -> Iterator[None]:
        type(self).make = lambda: detector(real[kind], score=0.0)
        yield
        type(self).make = None


@installed
@pytest.mark.parametrize("kind", MODELS)
def test_equals_inference_detector(real: dict[str, Path], kind: str) -> None:
    from mmdet.apis import inference_detector, init_detector
    from mmengine.config import Config  # type: ignore[import-not-found]

    config = Config.fromfile(str(real[kind] / "ink.py"))
    for table in (config.model.test_cfg, config.model.test_cfg.get("rcnn") or {}):
        if "score_thr" in table:
            table.score_thr = 0.001
    reference = init_detector(config, None, palette="random", device="cpu")
    held = torch.load(real[kind] / "ink.pth", weights_only=False)
    reference.load_state_dict(held["state_dict"])
    images = [*figure_images()[:3], grid_figure(1, 6, 1200, 200, seed=4)[0]]
    seen: list[float] = []
    with detector(real[kind], nms=None, score=0.001) as stage:
        for image, found in zip(images, stage.detect(images), strict=True):
            instances = inference_detector(
                reference, np.ascontiguousarray(image.pixels[:, :, ::-1])
            ).pred_instances
            boxes, scores = instances.bboxes.numpy(), instances.scores.numpy()
            boxes = np.clip(boxes, 0, np.array([image.width, image.height] * 2))
            solid = (boxes[:, :2] < boxes[:, 2:]).all(axis=1) & (scores > 0.001)
            assert len(found) == solid.sum() > 0
            assert [d.score for d in found] == pytest.approx(sorted(scores[solid], reverse=True), abs=1e-4)
            for one in found:
                near = np.abs(boxes - np.array(one.box)).max(axis=1) <= 1
                assert near.any() and np.abs(scores[near] - one.score).min() < 1e-4
            seen += [d.score for d in found]
    assert max(seen) - min(seen) > 0.01


@installed
@pytest.mark.parametrize("kind", MODELS)
def test_answers_depend_on_the_image_and_its_colours(real: dict[str, Path], kind: str) -> None:
    from pmcx.core.images import FigureImage

    image, _ = red_figure(320, 240)
    other = FigureImage.from_array(np.ascontiguousarray(image.pixels[:, :, ::-1]))
    with detector(real[kind], nms=None, score=0.0) as stage:
        one, two = stage.detect([image, other])
    assert [d.score for d in one] != pytest.approx([d.score for d in two], abs=1e-3)


@installed
def test_labels_and_wrong_weights(real: dict[str, Path]) -> None:
    image = grid_figure(2, 2, seed=3)[0]
    counts = {}
    for labels in ("panel", "label", ["0", "1"]):
        with detector(real["RetinaNet"], labels=labels, score=0.0, nms=None) as stage:
            counts[str(labels)] = len(stage.detect([image])[0])
    assert counts["panel"] + counts["label"] == counts["['0', '1']"] > counts["panel"] > 0
    wrong = detector(real["RetinaNet"], weights=str(real["DETR"] / "ink.pth"))
    refused(wrong, "do not fit the configured model|are not in ink.pth")


@installed
def test_the_real_registry_is_why_every_configuration_is_code(real: dict[str, Path], tmp_path: Path) -> None:
    """A JSON file whose ``type`` names a function: the library calls it."""
    from mmengine.config import Config

    ran = tmp_path / "ran"
    values = Config.fromfile(str(real["RetinaNet"] / "ink.py")).to_dict()
    values["model"]["backbone"] = {"type": "os.makedirs", "name": str(ran)}
    (tmp_path / "ink.json").write_text(json.dumps(values))
    options = {"config": str(tmp_path / "ink.json"), "weights": str(real["RetinaNet"] / "ink.pth")}
    refused(detector(tmp_path, **options, trust_config=False), "is code that would be run")
    assert not ran.exists()
    detector(tmp_path, **options).open()
    assert ran.is_dir()


@installed
def test_the_fake_has_what_the_real_library_has() -> None:
    for module, names in fake_mmdet.SURFACE.items():
        for name in names:
            assert hasattr(importlib.import_module(module), name), (module, name)


@installed
def test_assets_do_not_depend_on_the_process(real: dict[str, Path]) -> None:
    import subprocess

    code = "import sys; from pmcx.detectors.mmdet import MMDetDetector as D; print(D(dict(config=sys.argv[1],"
    code += " weights=sys.argv[2], trust_config=True)).assets()['config'])"
    folder = real["RTMDet"]
    command = [sys.executable, "-c", code, str(folder / "ink.py"), str(folder / "ink.pth")]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert detector(folder).assets()["config"] == other
