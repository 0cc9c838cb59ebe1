"""The ``detr`` adapter on a small RT-DETR that was built from a configuration and trained a few steps."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmcx.core.errors import PluginError, UsageError
from pmcx.core.images import FigureImage
from pmcx.core.records import Detection
from pmcx.detectors import checkpoint as checkpoint_module
from pmcx.detectors.detr import DetrDetector
from pmcx.detectors.graph import GraphModel
from pmcx.detectors.hf import TorchModel
from pmcx.testing import DetectorSuite, figure_images, grid_figure

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("scipy", reason="the training loss of the fixture needs it")

SIDE = 160
LABELS = {0: "panel", 1: "label"}


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """A square figure with one to three textured rectangles on white, and their boxes."""
    pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
    boxes = []
    for n in range(count := int(rng.integers(1, 4))):
        x0 = n * SIDE // count + int(rng.integers(4, 12))
        x1 = (n + 1) * SIDE // count - int(rng.integers(4, 12))
        y0, y1 = int(rng.integers(4, 50)), int(rng.integers(100, SIDE - 4))
        noise = rng.integers(0, 90, (y1 - y0, x1 - x0, 3), dtype=np.uint8)
        pixels[y0:y1, x0:x1] = noise + rng.integers(0, 120, 3, dtype=np.uint8)
        boxes.append((x0, y0, x1, y1))
    return pixels, boxes


def small_model() -> Any:
    """A tiny RT-DETR whose answer depends on the image.

    As the library initialises it, frozen random statistics and near-zero norms give the same boxes for
    any image, so the norms are set to 1 and left to train, and the convolutions drawn by fan-in.
    """
    config = transformers.RTDetrConfig(
        backbone_config=transformers.RTDetrResNetConfig(
            embedding_size=16,
            hidden_sizes=[16, 24, 32, 48],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],
        ),
        encoder_in_channels=[24, 32, 48],
        encoder_hidden_dim=32,
        encoder_ffn_dim=64,
        encoder_attention_heads=4,
        hidden_expansion=0.5,
        d_model=32,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=64,
        decoder_attention_heads=4,
        decoder_layers=2,
        num_queries=20,
        num_denoising=0,
        freeze_backbone_batch_norms=False,
        id2label=LABELS,
        label2id={name: index for index, name in LABELS.items()},
    )
    model = transformers.RTDetrForObjectDetection(config)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
        elif isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model


def train(model: Any, steps: int = 100) -> None:
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(steps):
        batch = [drawn(rng) for _ in range(4)]
        pixels = np.stack([image for image, _ in batch]).transpose(0, 3, 1, 2) / np.float32(255)
        labels = []
        for _, boxes in batch:
            b = torch.tensor(boxes, dtype=torch.float32) / SIDE
            center = torch.cat([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], dim=1)
            labels.append({"class_labels": torch.zeros(len(boxes), dtype=torch.long), "boxes": center})
        loss = model(pixel_values=torch.from_numpy(pixels.astype(np.float32)), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()


def processor_class() -> Any:
    """The Pillow variant of the RT-DETR processor: a class of its own since transformers 5."""
    return getattr(transformers, "RTDetrImageProcessorPil", None) or transformers.RTDetrImageProcessor


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``save_pretrained`` writes it; the processor squashes to 160 x 160."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("rtdetr")
    model = small_model()
    train(model)
    model.save_pretrained(folder)
    processor_class()(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    """The checkpoint, to be changed."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


LETTER_BOX = {
    "size": {"max_height": SIDE, "max_width": SIDE},
    "do_pad": True,
    "pad_size": {"height": SIDE, "width": SIDE},
}


def set_processor(folder: Path, **values: Any) -> None:
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def detector(weights: Path | str, **options: Any) -> DetrDetector:
    return DetrDetector({"weights": str(weights), "score": 0.25, "threads": 1, "device": "cpu", **options})


def directly(folder: Path, image: FigureImage, canvas: tuple[float, float], score: float = 0.25) -> list[Any]:
    """(box, score) of what transformers answers by itself; ``canvas`` is (height, width) in source pixels."""
    processor = processor_class().from_pretrained(folder)
    model = transformers.RTDetrForObjectDetection.from_pretrained(folder).eval()
    with torch.no_grad():
        outputs = model(**processor(images=image.image, return_tensors="pt"))
    found = processor.post_process_object_detection(outputs, threshold=score, target_sizes=[canvas])[0]
    limit = np.array([image.width, image.height] * 2)
    boxes = np.clip(found["boxes"].numpy(), 0, limit)
    rows = [(b, s) for b, s in zip(boxes, found["scores"].tolist(), strict=True) if (b[:2] < b[2:]).all()]
    return sorted(rows, key=lambda row: -row[1])


def assert_same(found: list[Detection], expected: list[Any]) -> None:
    assert len(found) == len(expected) > 0
    for detection, (box, score) in zip(found, expected, strict=True):
        assert detection.score == pytest.approx(score, abs=1e-4)
        assert np.abs(np.array(detection.box) - box).max() <= 1


class TestConformance(DetectorSuite):
    @pytest.fixture(autouse=True)
    def _weights(self, checkpoint: Path) -> Iterator[None]:
        type(self).make = lambda: detector(checkpoint)
        yield
        type(self).make = None


# -- answers ------------------------------------------------------------------------------------


def test_equals_transformers_with_a_squashing_processor(checkpoint: Path) -> None:
    images = [grid_figure(2, 2, 640, 480, seed=3)[0], grid_figure(1, 6, 1200, 200, seed=4)[0]]
    with detector(checkpoint, nms=None) as detr:
        for image, found in zip(images, detr.detect(images), strict=True):
            assert_same(found, directly(checkpoint, image, (image.height, image.width)))


def test_equals_transformers_with_a_letter_boxing_processor(copy: Path) -> None:
    set_processor(copy, **LETTER_BOX)
    image = grid_figure(1, 6, 1200, 200, seed=4)[0]
    with detector(copy, nms=None, score=0.05) as detr:
        found = detr.detect([image])[0]
    # 200 source pixels become 26 of 160 rows (26.7 rounded down), so the canvas is 1200 wide, 1231 high.
    assert_same(found, directly(copy, image, (200 * SIDE / 26, 1200), 0.05))


def test_answers_depend_on_the_image(checkpoint: Path) -> None:
    rng = np.random.default_rng(5)
    first, second = (FigureImage.from_array(drawn(rng)[0]) for _ in range(2))
    with detector(checkpoint) as detr:
        one, other = detr.detect([first, second])
    assert one and other
    assert {d.box for d in one}.isdisjoint(d.box for d in other)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_batch_size_does_not_change_the_answer(checkpoint: Path, size: int) -> None:
    images = figure_images()
    with detector(checkpoint, nms=None) as detr:
        whole = detr.detect(images)
        parts = [f for i in range(0, len(images), size) for f in detr.detect(images[i : i + size])]
    assert sum(map(len, whole)) > 10
    for one, other in zip(whole, parts, strict=True):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert np.abs(np.subtract(a.box, b.box)).max() <= 1
            assert a.score == pytest.approx(b.score, abs=1e-4)


def test_no_weights_named_means_those_that_come_with_pmcx(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Path(checkpoint_module.__file__).parent / "weights" == checkpoint_module.SHIPPED
    monkeypatch.setattr(checkpoint_module, "SHIPPED", checkpoint)
    image = FigureImage.from_array(drawn(np.random.default_rng(5))[0])
    with detector("") as own, detector(checkpoint, refine="fit") as named, detector(checkpoint) as plain:
        assert own.assets() == named.assets()
        answers = [list(one.detect([image])[0]) for one in (own, named, plain)]
    # They are refined, others only where that is asked for.
    assert answers[0] == answers[1] != answers[2]
    assert answers[0]


def test_the_weights_that_come_with_pmcx() -> None:
    """They run without torch, find a clear grid, and both files hold the same network."""
    image, truth = grid_figure(2, 2, 640, 480, seed=3)
    with DetrDetector({"device": "cpu", "threads": 1}) as detr:
        assert type(detr._model) is GraphModel
        found = list(detr.detect([image])[0])
    assert len(found) == 4
    from pmcx.detectors.boxes import iou_matrix

    overlap = iou_matrix(np.array([d.box for d in found]), np.array(truth))
    assert (overlap.max(axis=0) > 0.8).all()
    with DetrDetector({"device": "cpu", "threads": 1, "runtime": "torch"}) as detr:
        again = list(detr.detect([image])[0])
    assert len(again) == 4
    assert all(np.abs(np.subtract(a.box, b.box)).max() <= 1 for a, b in zip(found, again, strict=True))


def test_runtime(checkpoint: Path) -> None:
    with detector(checkpoint) as auto, detector(checkpoint, runtime="torch") as named:
        assert type(auto._model) is type(named._model) is TorchModel
    refused(checkpoint, r"runtime=onnxruntime needs a model\.onnx", runtime="onnxruntime")


def test_half_precision_weights_are_computed_with_in_single(checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "half"))
    model = transformers.RTDetrForObjectDetection.from_pretrained(folder)
    model.half().save_pretrained(folder)
    images = [FigureImage.from_array(drawn(np.random.default_rng(seed))[0]) for seed in (5, 6)]
    with detector(checkpoint) as full, detector(folder) as half:
        assert {p.dtype for p in half._model.network.parameters()} == {torch.float32}  # type: ignore[union-attr]
        for one, other in zip(full.detect(images), half.detect(images), strict=True):
            assert one and len(one) == len(other)
            assert all(np.abs(np.subtract(a.box, b.box)).max() <= 1 for a, b in zip(one, other, strict=True))


def test_no_detection_and_score(checkpoint: Path) -> None:
    image = grid_figure(2, 2, seed=3)[0]
    with detector(checkpoint, score=0.999) as none, detector(checkpoint, score=0.1) as many:
        assert list(none.detect([image])[0]) == []
        found = many.detect([image])[0]
    scores = [d.score for d in found]
    assert scores == sorted(scores, reverse=True) and 0.1 < scores[-1] < 0.25


def test_nms_leaves_a_subset_without_overlap(checkpoint: Path) -> None:
    image = grid_figure(3, 3, seed=33)[0]
    with detector(checkpoint, nms=None, score=0.1) as every, detector(checkpoint, nms=0.3, score=0.1) as some:
        raw, kept = every.detect([image])[0], some.detect([image])[0]
    assert 0 < len(kept) < len(raw)
    assert {d.box for d in kept} < {d.box for d in raw}
    from pmcx.detectors.boxes import iou_matrix

    boxes = np.array([d.box for d in kept])
    assert (iou_matrix(boxes, boxes) - np.eye(len(boxes)) <= 0.3).all()


def test_labels_choose_classes(checkpoint: Path) -> None:
    image = grid_figure(2, 2, seed=3)[0]
    options: dict[str, Any] = {"nms": None, "score": 0.001}
    with (
        detector(checkpoint, **options) as every,
        detector(checkpoint, labels=["panel"], **options) as panels,
        detector(checkpoint, labels="label", **options) as letters,
    ):
        all_, first, second = (len(d.detect([image])[0]) for d in (every, panels, letters))
    assert first > 0 and all_ == first + second


# -- geometry: a network that finds the ink, so that the right answer is known ----------------------


class InkNetwork(torch.nn.Module):  # type: ignore[misc]
    """Answers one box, sure: the extent of what is red, relative to the canvas."""

    def forward(self, pixel_values: Any, pixel_mask: Any = None) -> Any:
        boxes = []
        for image in pixel_values:
            height, width = image.shape[-2:]
            ink = image[0] - image[1] > 0.4
            rows, columns = torch.where(ink.any(1))[0], torch.where(ink.any(0))[0]
            x0, x1 = int(columns[0]) / width, (int(columns[-1]) + 1) / width
            y0, y1 = int(rows[0]) / height, (int(rows[-1]) + 1) / height
            boxes.append([[(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]])
        logits = torch.tensor([[[9.0, -9.0]]] * len(boxes))
        return types.SimpleNamespace(logits=logits, pred_boxes=torch.tensor(boxes))


KEEP_ASPECT = {"size": {"shortest_edge": SIDE, "longest_edge": SIDE}, "do_pad": True}
PROCESSORS: dict[str, tuple[str, dict[str, Any]]] = {
    "squash": ("RTDetrImageProcessor", {}),
    "letter-box": ("RTDetrImageProcessor", LETTER_BOX),
    "detr": ("DetrImageProcessor", KEEP_ASPECT),
    "letter-box without mask": ("YolosImageProcessor", LETTER_BOX),
}


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("side", [None, 96, 320])
@pytest.mark.parametrize(
    ("width", "height"), [(640, 480), (1200, 300), (300, 1200), (1200, 200), (3000, 60), (8, 6), (4500, 3000)]
)
def test_boxes_come_back_to_source_pixels(
    copy: Path, width: int, height: int, side: int | None, processor: str
) -> None:
    kind, values = PROCESSORS[processor]
    set_processor(copy, image_processor_type=kind, do_normalize=False, **values)
    pixels = np.full((height, width, 3), 255, np.uint8)
    expected = (width // 4, height // 4, width // 4 * 3, height // 4 * 3)
    pixels[expected[1] : expected[3], expected[0] : expected[2]] = (255, 0, 0)
    image = FigureImage.from_array(pixels)
    with detector(copy, size=side) as detr:
        detr._model.network = InkNetwork()  # type: ignore[union-attr]
        (first,), (second,) = detr.detect([image, image])
    assert first == second
    # Three quarters of a model pixel at each edge, as seen in the source; thin images get a margin first.
    canvas_width, canvas_height = max(width, 16), max(height, 16)
    if processor != "squash":
        canvas_width = canvas_height = max(canvas_width, canvas_height)
    tolerance = np.array([canvas_width, canvas_height] * 2) / (side or SIDE) * 0.75 + 1
    assert (np.abs(np.subtract(first.box, expected)) <= tolerance).all(), (first.box, expected)


def test_size_changes_the_input(checkpoint: Path) -> None:
    seen: list[tuple[int, ...]] = []
    with detector(checkpoint, size=224) as detr:
        network = detr._model.network  # type: ignore[union-attr]
        network.register_forward_pre_hook(
            lambda _m, _a, kw: seen.append(tuple(kw["pixel_values"].shape)), with_kwargs=True
        )
        detr.detect(figure_images()[:2])
    assert seen == [(2, 3, 224, 224)]


# -- errors ---------------------------------------------------------------------------------------


def refused(weights: Path | str, match: str, kind: type[Exception] = UsageError, **options: Any) -> str:
    stage = detector(weights, **options)
    with pytest.raises(kind, match=match) as caught:
        stage.open()
    stage.close()
    return str(caught.value)


def test_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_module, "SHIPPED", tmp_path / "none")
    refused("", r"are missing.*install it again.*--detector-option weights=DIR")
    with pytest.raises(UsageError, match="install it again"):
        DetrDetector().assets()


def test_missing_folder_and_file(checkpoint: Path, tmp_path: Path) -> None:
    refused(tmp_path / "none", "no such folder")
    refused(checkpoint / "model.safetensors", "is a file; pass the folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "no model.safetensors")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_pickled_weights_are_refused_unread(copy: Path, name: str) -> None:
    (copy / "model.safetensors").unlink()
    bomb = copy / "executed"
    payload = f"cbuiltins\nopen\n(V{bomb}\nVw\ntR."
    (copy / name).write_bytes(payload.encode())
    message = refused(copy, "pickle only")
    assert name in message and "safe_serialization" in message
    assert not bomb.exists()


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_missing_configuration(copy: Path, name: str) -> None:
    (copy / name).unlink()
    refused(copy, f"lacks {name}")


def test_damaged_weights(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(copy, "no checkpoint that AutoModelForObjectDetection loads")


def test_incomplete_weights_are_not_filled_up_at_random(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    lost = next(name for name in tensors if name.endswith("decoder.layers.0.fc1.weight"))
    del tensors[lost]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    refused(copy, r"1 weights are not in the checkpoint, such as model\.decoder\.layers\.0\..*fc1\.weight")


def test_foreign_code_is_not_run(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config.update(model_type="my-own-detr", auto_map={"AutoConfig": "code.Config"})
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "code.py").write_text("raise SystemExit('executed')")
    refused(copy, "no checkpoint that AutoModelForObjectDetection loads")


def test_other_kind_of_model(copy: Path) -> None:
    transformers.BertConfig().save_pretrained(copy)
    refused(copy, "no checkpoint that AutoModelForObjectDetection loads")


def test_unknown_labels(checkpoint: Path) -> None:
    message = refused(checkpoint, "no class 'subfigure'", labels=["panel", "subfigure"])
    assert "it has label, panel" in message


def test_cuda_where_there_is_none(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(checkpoint, "device=cuda", device="cuda")
    with detector(checkpoint, device="auto") as detr:
        assert detr._model.device == "cpu"


@pytest.mark.parametrize("library", ["torch", "transformers", "safetensors"])
def test_missing_library(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    message = refused(checkpoint, r"pip install 'pmcx-extract\[detr\]'", PluginError)
    assert library in message


def test_broken_torchvision(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torchvision").mkdir()
    code = "raise RuntimeError('operator torchvision::nms does not exist')"
    (tmp_path / "torchvision" / "__init__.py").write_text(code)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    message = refused(checkpoint, "torchvision::nms does not exist", PluginError)
    assert "pip uninstall torchvision" in message


def test_without_torchvision(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    finder = types.SimpleNamespace(find_spec=_no_torchvision)
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    with detector(checkpoint) as detr:
        assert detr.detect([grid_figure(2, 2, seed=3)[0]])[0]


def _no_torchvision(name: str, path: Any = None, target: Any = None) -> None:
    if name.split(".")[0] == "torchvision":
        raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")


def test_threads(checkpoint: Path) -> None:
    before = torch.get_num_threads()
    try:
        with detector(checkpoint, threads=2):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# -- the hub and assets -----------------------------------------------------------------------------


def test_hub_id_asks_for_no_pickle(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    asked: dict[str, Any] = {}

    def snapshot_download(repo: str, **options: Any) -> str:
        asked.update(options, repo=repo)
        return str(checkpoint)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    with detector("some/model", revision="abc") as detr:
        assert detr.assets() == detector(checkpoint).assets()
    assert asked["repo"] == "some/model" and asked["revision"] == "abc"
    assert not any(name.endswith((".bin", ".pt", ".py", "*")) for name in asked["allow_patterns"])


def test_hub_id_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def snapshot_download(repo: str, **options: Any) -> str:
        raise hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    refused("some/model", r"neither a folder nor a model.*no network.*check the name")


def test_assets_are_the_files_hashes(copy: Path) -> None:
    names = ("config.json", "model.safetensors", "preprocessor_config.json")
    stage = detector(copy)
    first = stage.assets()
    assert first == {name: hashlib.sha256((copy / name).read_bytes()).hexdigest() for name in names}
    set_processor(copy, do_normalize=True)
    second = stage.assets()
    assert second["preprocessor_config.json"] != first["preprocessor_config.json"]
    assert second["model.safetensors"] == first["model.safetensors"]
