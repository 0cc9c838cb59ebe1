"""The ``mmdet`` detector: box detectors that were trained with MMDetection 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .frameworks import FrameworkDetector, FrameworkOptions

if TYPE_CHECKING:
    from .framework_runtime import Model


class MMDetOptions(FrameworkOptions):
    """Options of :class:`MMDetDetector`."""

    config: str = ""
    """The model's configuration, a local file. It is code, so it needs ``trust_config``."""


class MMDetDetector(FrameworkDetector):
    """Detect panels with an MMDetection 3 model: RTMDet, RetinaNet, Faster and Mask R-CNN, DETR and others.

    Images go through the configuration's own test pipeline. An MMDetection configuration is code, also as
    JSON or YAML: a ``type`` may name any function of any module. It is therefore refused without
    ``trust_config``. Of ``weights`` (``.pth`` or ``.safetensors``) only tensors, arrays and plain values are
    read; the training log in it is skipped. Only boxes are computed, no masks.
    """

    name = "mmdet"
    Options = MMDetOptions

    def _load(self) -> Model:
        from .mmdet_model import load

        return load(self.options)

    def _config_digest(self) -> str:
        from .framework_runtime import config_digest
        from .mmdet_model import read_config

        return config_digest(read_config(self.options).to_dict())
