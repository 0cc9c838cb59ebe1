"""A network that finds what is red, so that the right answer of an adapter is known.

It answers three boxes: the extent of the red, with class 0 and score 0.9; the same moved right by a tenth
of its width, with class 1 and score 0.6; and the upper left quarter of the image, with class 0 and score 0.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pmcx.core.images import FigureImage

CLASSES = (0, 1, 0)
SCORES = (0.9, 0.6, 0.2)


class InkNetwork(torch.nn.Module):  # type: ignore[misc]
    """``red`` is the channel that holds red: 0 in RGB order, 2 in BGR."""

    def __init__(self, red: int) -> None:
        super().__init__()
        self.red = red
        self.gain = torch.nn.Linear(2, 2)
        self.shapes: list[tuple[int, ...]] = []
        """Shape of each batch seen."""

    def find(self, images: list[Any], content: list[tuple[int, int]]) -> list[Any]:
        """``(3, 4)`` boxes of each ``(3, h, w)`` image of 0 to 255; ``content`` is its unpadded size."""
        batch = torch.stack(images)  # raises where shapes differ: the adapter must not mix them
        self.shapes.append(tuple(batch.shape))
        answers = []
        for image, (height, width) in zip(batch.float(), content, strict=True):
            ink = image[self.red] - image[2 - self.red] > 100
            rows, columns = torch.where(ink.any(1))[0], torch.where(ink.any(0))[0]
            if not len(rows):
                answers.append(torch.zeros(0, 4))
                continue
            x0, y0 = float(columns[0]), float(rows[0])
            x1, y1 = float(columns[-1]) + 1, float(rows[-1]) + 1
            step = (x1 - x0) / 10
            answers.append(
                torch.tensor(
                    [[x0, y0, x1, y1], [x0 + step, y0, x1 + step, y1], [0, 0, width / 4, height / 4]]
                )
            )
        return answers


def red_figure(
    width: int, height: int, background: int = 255
) -> tuple[FigureImage, tuple[int, int, int, int]]:
    """An image with a red rectangle from a quarter to three quarters of each side, and that box."""
    pixels = np.full((height, width, 3), background, np.uint8)
    box = (
        width // 4,
        height // 4,
        max(width // 4 + 1, width // 4 * 3),
        max(height // 4 + 1, height // 4 * 3),
    )
    pixels[box[1] : box[3], box[0] : box[2]] = (255, 0, 0)
    return FigureImage.from_array(pixels), box
