"""The part of Detectron2's API that the adapter uses, over :class:`inknet.InkNetwork`.

``SURFACE`` lists it; the test with the real library holds the fake against it. A YAML configuration is
read as JSON here, which is YAML as well.
"""

from __future__ import annotations

import copy
import json
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from inknet import CLASSES, SCORES, InkNetwork
from PIL import Image

SURFACE = {
    "detectron2.config": ("get_cfg", "LazyConfig", "instantiate"),
    "detectron2.modeling": ("build_model",),
    "detectron2.data": ("MetadataCatalog",),
    "detectron2.data.transforms": ("ResizeShortestEdge", "AugInput", "AugmentationList"),
    "omegaconf": ("OmegaConf",),
    "torchvision.ops": ("nms",),
}
DEFAULTS = {
    "MODEL": {"DEVICE": "cuda", "WEIGHTS": "", "META_ARCHITECTURE": "Ink", "MASK_ON": False},
    "INPUT": {"FORMAT": "BGR", "MIN_SIZE_TEST": 800, "MAX_SIZE_TEST": 1333},
    "DATASETS": {"TEST": [], "TRAIN": ["coco_2017_train"]},
}
DATASETS = {"coco_2017_train": [f"thing {n}" for n in range(80)], "figures": ["panel", "label"]}


class Node(dict[str, Any]):
    """A ``CfgNode``: a dict whose keys are attributes and that takes no unknown ones."""

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError as error:
            raise AttributeError(key) from error

    __setattr__ = dict.__setitem__

    @classmethod
    def of(cls, value: Any) -> Any:
        return cls({k: cls.of(v) for k, v in value.items()}) if isinstance(value, dict) else value

    def merge_from_file(self, path: str, allow_unsafe: bool = True) -> None:
        text = Path(path).read_text()
        if "!!python/" in text and not allow_unsafe:
            raise ValueError("no constructor for the tag 'tag:yaml.org,2002:python/object/apply:eval'")
        self._merge(json.loads(text.replace("!!python/none ", "")))

    def _merge(self, other: dict[str, Any]) -> None:
        for key, value in other.items():
            if key not in self:
                raise KeyError(f"Non-existent config key: {key}")
            self[key]._merge(value) if isinstance(value, dict) else self.update({key: value})

    def merge_from_list(self, pairs: list[str]) -> None:
        assert len(pairs) % 2 == 0, f"Override list has odd length: {pairs}"
        for key, value in zip(pairs[0::2], pairs[1::2], strict=True):
            node = self
            *parents, last = key.split(".")
            for part in parents:
                node = node[part]
            node[last] = int(value) if value.isdecimal() else value


class Instances:
    def __init__(self, boxes: Any) -> None:
        count = len(boxes)
        self.pred_boxes = types.SimpleNamespace(tensor=boxes)
        self.scores = torch.tensor(SCORES[:count])
        self.pred_classes = torch.tensor(CLASSES[:count])

    def to(self, device: str) -> Instances:
        assert device == "cpu"
        return self


class Heads(torch.nn.Module):  # type: ignore[misc]
    num_classes = 2
    mask_on = True
    test_score_thresh = 0.05


class Ink(InkNetwork):
    """A meta-architecture: takes the inputs of ``GeneralizedRCNN``."""

    def __init__(self, bgr: bool) -> None:
        super().__init__(red=2 if bgr else 0)
        self.roi_heads = Heads()

    def forward(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert not self.training and not torch.is_grad_enabled() and not self.roi_heads.mask_on
        images = [item["image"] for item in inputs]
        assert all(image.dtype == torch.float32 for image in images)
        found = self.find(images, [tuple(image.shape[1:]) for image in images])
        answers = []
        for item, image, boxes in zip(inputs, images, found, strict=True):
            x, y = item["width"] / image.shape[2], item["height"] / image.shape[1]
            answers.append({"instances": Instances(boxes * torch.tensor([x, y, x, y]))})
        return answers


class ResizeShortestEdge:
    def __init__(self, short_edge_length: list[int], max_size: int) -> None:
        self.shorter, self.max_size = short_edge_length[0], max_size

    def get_transform(self, image: np.ndarray) -> Any:
        height, width = image.shape[:2]
        scale = min(self.shorter / min(height, width), self.max_size / max(height, width))
        size = (int(width * scale + 0.5), int(height * scale + 0.5))

        def apply_image(pixels: np.ndarray) -> np.ndarray:
            return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))

        return types.SimpleNamespace(apply_image=apply_image)


class AugInput:
    def __init__(self, image: np.ndarray) -> None:
        self.image = image


class AugmentationList:
    def __init__(self, augs: list[Any]) -> None:
        self.augs = augs

    def __call__(self, aug_input: AugInput) -> None:
        for augmentation in self.augs:
            aug_input.image = augmentation.get_transform(aug_input.image).apply_image(aug_input.image)


class LazyConfig:
    @staticmethod
    def load(filename: str) -> Any:
        namespace: dict[str, Any] = {}
        exec(compile(Path(filename).read_text(), filename, "exec"), namespace)
        return Node.of({k: v for k, v in namespace.items() if isinstance(v, dict) and k != "__builtins__"})

    @staticmethod
    def apply_overrides(cfg: Any, overrides: list[str]) -> Any:
        cfg = copy.deepcopy(cfg)
        for override in overrides:
            key, value = override.split("=")
            node = cfg
            *parents, last = key.split(".")
            for part in parents:
                node = node[part]
            node[last] = value
        return cfg


def instantiate(cfg: Any) -> Any:
    arguments = {key: value for key, value in cfg.items() if key != "_target_"}
    return {"ResizeShortestEdge": ResizeShortestEdge, "Ink": Ink}[cfg["_target_"]](**arguments)


def modules(folder: Path) -> dict[str, types.ModuleType]:
    """The fake library by module name; its model zoo, with one configuration, lies below ``folder``."""
    zoo = folder / "detectron2" / "model_zoo" / "configs" / "Figures"
    zoo.mkdir(parents=True)
    (zoo / "ink.yaml").write_text("!!python/none " + json.dumps({"INPUT": {"MIN_SIZE_TEST": 160}}))
    made = {name: types.ModuleType(name) for name in ("detectron2", *SURFACE)}
    made["detectron2"].__file__ = str(folder / "detectron2" / "__init__.py")
    catalog = types.SimpleNamespace(
        get=lambda name: {"thing_classes": DATASETS[name]} if name in DATASETS else {}
    )
    contents: dict[str, dict[str, Any]] = {
        "detectron2.config": {
            "get_cfg": lambda: Node.of(copy.deepcopy(DEFAULTS)),
            "LazyConfig": LazyConfig,
            "instantiate": instantiate,
        },
        "detectron2.modeling": {
            "build_model": lambda cfg: Ink(bgr=cfg.INPUT.FORMAT == "BGR").to(cfg.MODEL.DEVICE)
        },
        "detectron2.data": {"MetadataCatalog": catalog},
        "detectron2.data.transforms": {
            "ResizeShortestEdge": ResizeShortestEdge,
            "AugInput": AugInput,
            "AugmentationList": AugmentationList,
        },
        "omegaconf": {
            "OmegaConf": types.SimpleNamespace(
                is_config=lambda value: isinstance(value, Node),
                to_container=lambda cfg, resolve: json.loads(json.dumps(cfg)),
            )
        },
        "torchvision.ops": {"nms": lambda boxes, scores, threshold: torch.zeros(1, dtype=torch.int64)},
    }
    for name, values in contents.items():
        vars(made[name]).update(values)
    return made
