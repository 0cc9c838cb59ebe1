"""What happens to a figure between the authors' disk and a dataset: resampling, compression, noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from ...core.records import Box
from ..conventions import cells
from .content.base import Pixels, Rng
from .sample import Panel, Sample


def reduce(sample: Sample, size: int) -> Sample:
    """The figure with its longer side reduced to ``size`` pixels, boxes with it."""
    height, width = sample.pixels.shape[:2]
    scale = size / max(height, width)
    wide, high = round(width * scale), round(height * scale)
    pixels = _u8(cv2.resize(sample.pixels, (wide, high), interpolation=cv2.INTER_AREA))

    def smaller(box: Box) -> Box:
        x0, y0, x1, y1 = box
        return (
            round(x0 * wide / width),
            round(y0 * high / height),
            max(round(x1 * wide / width), round(x0 * wide / width) + 1),
            max(round(y1 * high / height), round(y0 * high / height) + 1),
        )

    tights = [smaller(panel.tight) for panel in sample.panels]
    panels = tuple(
        Panel(tight, cell, panel.label, panel.letter and smaller(panel.letter), panel.modality)
        for panel, tight, cell in zip(sample.panels, tights, cells(tights, wide, high), strict=True)
    )
    return replace(sample, pixels=pixels, panels=panels)


def degrade(rng: Rng, pixels: Pixels, strength: float = 1.0) -> Pixels:
    """A figure (h, w, 3) as it comes out of publishing, of the same size; ``strength`` 0 leaves it as it is.

    Every effect keeps each pixel where it is, so boxes stay valid.
    """
    if strength <= 0:
        return pixels
    draw = rng.random(6)
    if draw[0] < 0.25 * strength:
        pixels = _resampled(rng, pixels)
    elif draw[0] < 0.33 * strength:
        pixels = _u8(cv2.GaussianBlur(pixels, (3, 3), rng.uniform(0.3, 0.7)))
    elif draw[0] < 0.37 * strength:
        soft = cv2.GaussianBlur(pixels, (0, 0), 1.0)
        pixels = _u8(cv2.addWeighted(pixels, 1.6, soft, -0.6, 0.0))
    if draw[1] < 0.12 * strength:
        pixels = _toned(rng, pixels)
    if draw[2] < 0.05 * strength:
        pixels = _u8(cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    if draw[3] < 0.04 * strength:
        pixels = _scanned(rng, pixels)
    if draw[4] < 0.6 * strength:
        pixels = _compressed(rng, pixels)
    return pixels


def _u8(pixels: Any) -> Pixels:
    """For OpenCV, which says of its results only that they are arrays."""
    return np.asarray(pixels, np.uint8)


def _resampled(rng: Rng, pixels: Pixels) -> Pixels:
    """Down to 55 to 90 % and up again."""
    height, width = pixels.shape[:2]
    scale = rng.uniform(0.55, 0.9)
    small = cv2.resize(
        pixels, (max(8, int(width * scale)), max(8, int(height * scale))), interpolation=cv2.INTER_AREA
    )
    way = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC
    return _u8(cv2.resize(small, (width, height), interpolation=way))


def _toned(rng: Rng, pixels: Pixels) -> Pixels:
    """Gamma and contrast; white stays nearly white."""
    gamma, low = rng.uniform(0.75, 1.35), rng.uniform(0, 18)
    ramp = np.linspace(0.0, 1.0, 256) ** gamma
    table = np.clip(low + ramp * (255 - low), 0, 255).astype(np.uint8)
    return _u8(cv2.LUT(pixels, table))


def _scanned(rng: Rng, pixels: Pixels) -> Pixels:
    """Paper tone and grain of a scanned page."""
    height, width = pixels.shape[:2]
    seed = rng.integers(0, 256, (1 << 16) + height * 7, dtype=np.uint8)
    # One strip of noise, read at another offset for each row, is as good as fresh noise here.
    rows = np.lib.stride_tricks.sliding_window_view(seed, width)[: height * 7 : 7]
    grain = (rows.astype(np.int16) - 128) // int(rng.integers(8, 24))
    paper = rng.uniform(0.9, 1.0)
    return _u8(np.clip(pixels * paper + grain[:, :, None], 0, 255))


def _compressed(rng: Rng, pixels: Pixels) -> Pixels:
    """Through JPEG of quality 30 to 95."""
    quality = int(30 + 65 * rng.random() ** 0.7)
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return _u8(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))
