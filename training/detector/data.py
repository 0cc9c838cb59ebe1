"""Batches of synthetic figures as the network takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch

from ..synth.stream import SynthOptions, SynthStream

Item = tuple[torch.Tensor, torch.Tensor]
Batch = tuple[torch.Tensor, list[torch.Tensor]]


class Figures:
    """Synthetic figures by index: ``(3, side, side)`` uint8 pixels and ``(n, 4)`` relative tight boxes.

    The first ``few`` figures are seen at the side ``small``.

    Figures are squeezed to a square, as at inference; boxes are ``x0, y0, x1, y1``. A map-style data set of
    torch: figure ``i`` is a function of the options and ``i`` alone.
    """

    def __init__(self, options: SynthOptions, side: int, small: int = 0, few: int = 0) -> None:
        self.options, self.side, self.small, self.few = options, side, small, few
        self._stream: SynthStream | None = None

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, index: int) -> Item:
        if self._stream is None:
            cv2.setNumThreads(1)
            self._stream = SynthStream(self.options)
        side = self.small if index < self.few else self.side
        sample = self._stream.sample(index)
        height, width = sample.pixels.shape[:2]
        pixels = cv2.resize(sample.pixels, (side, side), interpolation=_kernel(width, height, side))
        boxes = np.array([panel.tight for panel in sample.panels], np.float32).reshape(-1, 4)
        boxes /= np.array([width, height, width, height], np.float32)
        return torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(boxes)


def _kernel(width: int, height: int, side: int) -> int:
    """Averaging only where both axes shrink: it is blocky where one grows."""
    return cv2.INTER_AREA if min(width, height) >= side else cv2.INTER_LINEAR


def collate(items: Sequence[Item]) -> Batch:
    """A batch: ``(b, 3, side, side)`` uint8 and the boxes of each figure."""
    return torch.stack([pixels for pixels, _ in items]), [boxes for _, boxes in items]


def batches(figures: Figures, size: int, first: int, count: int, workers: int) -> Iterator[Batch]:
    """``count`` batches of figures ``first * size`` onwards, in order, drawn by ``workers`` processes."""
    order = [range((first + k) * size, (first + k + 1) * size) for k in range(count)]
    loader: Any = torch.utils.data.DataLoader(
        figures,  # type: ignore[arg-type]
        batch_sampler=order,  # type: ignore[arg-type]
        num_workers=workers,
        collate_fn=collate,
        generator=torch.Generator(),  # by itself it draws from the random state of the training
        prefetch_factor=4 if workers else None,
        multiprocessing_context="spawn" if workers else None,
    )
    return iter(loader)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """``(b, 3, h, w)`` floats of 0..1, in the memory layout that convolutions on a CPU like best."""
    return pixels.to(torch.float32).div_(255.0).contiguous(memory_format=torch.channels_last)


def targets(boxes: Sequence[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """Labels as transformers' DETR losses take them: relative centre, width and height, class 0."""
    out = []
    for group in boxes:
        low, high = group[:, :2], group[:, 2:]
        out.append(
            {
                "class_labels": torch.zeros(len(group), dtype=torch.long, device=group.device),
                "boxes": torch.cat([(low + high) / 2, high - low], dim=1),
            }
        )
    return out
