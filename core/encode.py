"""Encoding panels: source bytes where nothing changes, one encode where something does."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from .config import ImageConfig
from .decode import Decoded
from .records import Box

_PILLOW = {"jpg": "JPEG", "png": "PNG"}
_SOURCE = {"jpg": "jpeg", "png": "png"}


@dataclass(frozen=True)
class Encoded:
    """One panel as it is written."""

    data: bytes
    sha256: str
    width: int
    height: int


class Encoder:
    """Cuts and encodes panels in the run's one image format (``suffix``)."""

    def __init__(self, config: ImageConfig) -> None:
        self.config = config
        self.suffix = config.format

    def panel(self, decoded: Decoded, data: bytes, box: Box) -> Encoded:
        """The panel ``box`` of a decoded image.

        A panel that is the whole image keeps its source bytes, where these are of the run's format,
        display as decoded in any reader, and need no scaling.
        """
        whole = box == (0, 0, decoded.width, decoded.height)
        largest = max(box[2] - box[0], box[3] - box[1])
        scaled = self.config.max_side is not None and largest > self.config.max_side
        if whole and not scaled and decoded.verbatim and decoded.format == _SOURCE[self.suffix]:
            return Encoded(data, hashlib.sha256(data).hexdigest(), decoded.width, decoded.height)
        image = decoded.image if whole else decoded.image.crop(box)
        if self.config.max_side is not None and scaled:
            image = image.copy() if whole else image
            image.thumbnail((self.config.max_side, self.config.max_side), reducing_gap=2.0)
        out = io.BytesIO()
        if self.suffix == "jpg":
            # 4:4:4: colour subsampling smears the thin coloured lines and text of figures.
            image.save(out, _PILLOW[self.suffix], quality=self.config.quality, subsampling=0)
        else:
            image.save(out, _PILLOW[self.suffix], compress_level=1)
        encoded = out.getvalue()
        return Encoded(encoded, hashlib.sha256(encoded).hexdigest(), image.width, image.height)
