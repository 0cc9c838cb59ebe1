"""The decoded image of a figure, in the forms that all stages share.

Importing this module imports neither numpy nor Pillow; they are loaded where pixels are touched.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from .records import Box, Figure, ImageRef

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels = NDArray[np.uint8]
else:
    Pixels = Any


class FigureImage:
    """One figure with its decoded image: RGB, 8 bit, as displayed (EXIF orientation applied).

    ``pixels`` is ``(height, width, 3)`` uint8 at full size and must not be written to; ``resized``
    gives a smaller copy, computed once for each size. Boxes always refer to full-size pixels.
    """

    def __init__(self, figure: Figure, image: Image) -> None:
        self.figure = figure
        self.image = image

    @classmethod
    def from_array(cls, pixels: Pixels, figure_id: str = "figure", caption: str = "") -> FigureImage:
        """Wrap an ``(h, w, 3)`` or ``(h, w)`` uint8 array, for tests and for single images."""
        from PIL import Image

        image = Image.fromarray(pixels).convert("RGB")
        figure = Figure(id=figure_id, article="", caption=caption, image=ImageRef(href=figure_id))
        return cls(figure, image)

    @property
    def width(self) -> int:
        return int(self.image.width)

    @property
    def height(self) -> int:
        return int(self.image.height)

    @cached_property
    def pixels(self) -> Pixels:
        import numpy as np

        return np.asarray(self.image)

    def resized(self, max_side: int) -> tuple[Pixels, float]:
        """Pixels scaled down so that the longer side is at most ``max_side``, and the scale used (<= 1)."""
        import numpy as np
        from PIL import Image

        scale = min(1.0, max_side / max(self.width, self.height))
        if scale == 1.0:
            return self.pixels, 1.0
        size = (max(1, round(self.width * scale)), max(1, round(self.height * scale)))
        small = self.image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        return np.asarray(small), scale

    def crop(self, box: Box) -> Image:
        """The panel ``box`` as an image of its own."""
        return self.image.crop(box)
