"""The detector ``gutters``: recursive XY-cut on background gutters and separator lines, without weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..core.records import Detection
from ..core.stages import Detector, Resources
from ..core.stages import Options as StageOptions

if TYPE_CHECKING:
    from ..core.images import FigureImage


class GuttersDetector(Detector):
    """Cuts a figure where background or a thin line runs through it from edge to edge.

    Boxes are full-size source pixels, tight to the ink; the score is the strength of the weakest cut that
    made the panel. An empty answer means that nothing separates the figure. Method: the recursive XY-cut of
    Nagy & Seth (1984), with gaps judged against the figure's other gaps.
    """

    name = "gutters"
    resources = Resources(batch=16, memory_mb=256)

    class Options(StageOptions):
        """What may be tuned; lengths are shares of the figure unless stated otherwise."""

        size: int = Field(448, ge=64, le=4096)
        """Longer side, in pixels, of the copy in which cuts are searched."""
        min_side: float = Field(0.1, gt=0, lt=1)
        """Shorter side of the smallest panel, as a share of the figure's geometric mean side."""
        min_gap: float = Field(0.006, ge=0, lt=1)
        """Narrowest gutter of background, as a share of the figure's geometric mean side."""

    def open(self) -> None:
        from . import xycut

        self._xycut: Any = xycut

    def detect(self, images: Sequence[FigureImage]) -> Sequence[Sequence[Detection]]:
        """Panel boxes of each image; an image is judged by itself, whatever its batch."""
        o = self.options
        return [
            [
                Detection(box=box, score=round(score, 4))
                for box, score in self._xycut.panels(image, o.size, o.min_side, o.min_gap)
            ]
            for image in images
        ]
