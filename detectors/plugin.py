"""Registers the built-in detectors, as any plugin would."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.hookspecs import hookimpl
from ..core.stages import Detector


@hookimpl
def pmcx_detectors() -> Sequence[type[Detector]]:
    from .detectron2 import Detectron2Detector
    from .detr import DetrDetector
    from .gutters import GuttersDetector
    from .mmdet import MMDetDetector

    return [GuttersDetector, DetrDetector, Detectron2Detector, MMDetDetector]
