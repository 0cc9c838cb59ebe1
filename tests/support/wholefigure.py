"""A detector that cuts nothing, for tests of everything around it."""

from __future__ import annotations

from collections.abc import Sequence

import pmcx


class WholeDetector(pmcx.Detector):
    """Every figure is one panel."""

    name = "whole"

    def detect(self, images: Sequence[pmcx.FigureImage]) -> list[list[pmcx.Detection]]:
        return [[] for _ in images]


@pmcx.hookimpl
def pmcx_detectors() -> list[type[pmcx.Detector]]:
    return [WholeDetector]
