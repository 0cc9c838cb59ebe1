"""The part of MMDetection's, mmengine's and mmcv's API that the adapter uses, over ``inknet.InkNetwork``.

``SURFACE`` lists it; the test with the real library holds the fake against it.
"""

from __future__ import annotations

import copy
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from inknet import CLASSES, SCORES, InkNetwork
from PIL import Image

SURFACE = {
    "mmengine.config": ("Config",),
    "mmcv.transforms": ("Compose",),
    "mmdet.apis": ("init_detector",),
    "mmdet.utils": ("get_test_pipeline_cfg",),
}


class Table(dict[str, Any]):
    """A ``ConfigDict``: a dict whose keys are attributes."""

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError as error:
            raise AttributeError(key) from error

    __setattr__ = dict.__setitem__

    @classmethod
    def of(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return cls({k: cls.of(v) for k, v in value.items()})
        return [cls.of(v) for v in value] if isinstance(value, list) else value

    def copy(self) -> Table:
        return Table(self)


class Config(Table):
    @staticmethod
    def fromfile(filename: str) -> Config:
        namespace: dict[str, Any] = {}
        exec(compile(Path(filename).read_text(), filename, "exec"), namespace)
        return Config({k: Table.of(v) for k, v in namespace.items() if not k.startswith("__")})

    def to_dict(self) -> dict[str, Any]:
        return copy.deepcopy(dict(self))


class HistoryBuffer:
    """mmengine's log, which training leaves beside the weights, in the form in which it is pickled."""

    def __init__(self, values: list[float]) -> None:
        self._log_history = np.array(values)
        self._count_history = np.array([1] * len(values))

    def mean(self) -> float:
        return float(self._log_history.mean())

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "statistics_methods": {"mean": HistoryBuffer.mean}}


class Sample:
    def __init__(self, scale: tuple[float, float], shown: tuple[int, int]) -> None:
        self.scale_factor, self.img_shape = scale, shown
        self.pred_instances: Any = None


class Ink(InkNetwork):
    """A detector of which ``test_step`` is used; the image it gets is blue first."""

    def __init__(self, cfg: Any) -> None:
        super().__init__(red=2)
        self.cfg = cfg

    def test_step(self, data: dict[str, list[Any]]) -> list[Sample]:
        assert not self.training and not torch.is_grad_enabled()
        samples = data["data_samples"]
        found = self.find(data["inputs"], [sample.img_shape for sample in samples])
        for sample, boxes in zip(samples, found, strict=True):
            x, y = sample.scale_factor
            scores = torch.tensor(SCORES[: len(boxes)])
            kept = scores > self.cfg.model.test_cfg.score_thr
            sample.pred_instances = types.SimpleNamespace(
                bboxes=(boxes / torch.tensor([x, y, x, y]))[kept],
                scores=scores[kept],
                labels=torch.tensor(CLASSES[: len(boxes)])[kept],
            )
        return list(samples)


def init_detector(
    config: Any, checkpoint: str | None = None, palette: str = "none", device: str = "cuda:0"
) -> Ink:
    if palette == "none":
        raise AssertionError("this would build the test data set")
    warnings.warn("checkpoint is None, use COCO classes by default.", stacklevel=2)
    if config.model.type != "Ink":
        raise KeyError(f"{config.model.type} is not in the mmdet::model registry")
    model: Ink = Ink(config).to(device).eval()
    return model


def get_test_pipeline_cfg(cfg: Any) -> Any:
    return cfg.test_dataloader.dataset.pipeline


class Compose:
    """Steps LoadImageFromNDArray, Resize, Pad and PackDetInputs."""

    def __init__(self, transforms: list[Any]) -> None:
        assert transforms[0]["type"] == "mmdet.LoadImageFromNDArray"
        self.steps = transforms[1:]

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        image = data["img"]
        assert image.dtype == np.uint8 and image.flags.c_contiguous
        source_height, source_width = shown = image.shape[:2]
        for step in self.steps:
            if step.type == "Resize":
                width, height = step["scale"]
                if step.get("keep_ratio"):
                    scale = min(
                        max(width, height) / max(source_width, source_height),
                        min(width, height) / min(source_width, source_height),
                    )
                    width, height = int(source_width * scale + 0.5), int(source_height * scale + 0.5)
                image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
                shown = image.shape[:2]
            if step.type == "Pad":
                right, below = step["size"][0] - image.shape[1], step["size"][1] - image.shape[0]
                image = np.pad(image, ((0, below), (0, right), (0, 0)), constant_values=114)
        scale_factor = (shown[1] / source_width, shown[0] / source_height)
        tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        return {"inputs": tensor, "data_samples": Sample(scale_factor, shown)}


def modules() -> dict[str, types.ModuleType]:
    """The fake libraries by module name."""
    packages = {name.split(".")[0] for name in SURFACE}
    made = {name: types.ModuleType(name) for name in (*packages, *SURFACE)}
    for name, members in SURFACE.items():
        vars(made[name]).update({member: globals()[member] for member in members})
    # Pickles name the class by its module.
    log = made["mmengine.logging.history_buffer"] = types.ModuleType("mmengine.logging.history_buffer")
    HistoryBuffer.__module__ = log.__name__
    vars(log)["HistoryBuffer"] = HistoryBuffer
    made["mmengine.logging"] = types.ModuleType("mmengine.logging")
    return made
