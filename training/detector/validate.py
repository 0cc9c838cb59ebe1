"""Scores of the weights in training on the validation stream, and pictures to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ...detectors.boxes import iou_matrix, nms
from .data import Figures, collate, normalised
from .network import corners, proposals

if TYPE_CHECKING:
    from .loop import Trainer

Floats = NDArray[np.float64]
SURE = 0.5
"""Score above which a detection counts for F1."""


def validate(trainer: Trainer, pictures: Path | None = None, size: int = 16) -> dict[str, float]:
    """AP50, AP75 and F1 of the averaged weights at IoU .5 and score .5; and a sheet of pictures."""
    from .loop import VALIDATION_SEED

    recipe = trainer.recipe
    stream = replace(recipe.synth, seed=recipe.synth.seed + VALIDATION_SEED)
    figures = Figures(stream, recipe.side_at(max(0, trainer.step - 1)))
    network = trainer.averaged()
    found: list[tuple[Floats, Floats]] = []
    truth: list[Floats] = []
    for first in range(0, recipe.validate, size):
        pixels, boxes = collate([figures[i] for i in range(first, min(first + size, recipe.validate))])
        run = propose if trainer.step <= recipe.proposals else detect
        answers = run(network, normalised(pixels.to(trainer.device)))
        if pictures is not None and first == 0:
            pictures.mkdir(parents=True, exist_ok=True)
            sheet(pixels, answers, boxes).save(pictures / f"{trainer.step:07}.png")
        found += answers
        truth += [group.numpy().astype(np.float64) for group in boxes]
    return scores(found, truth)


@torch.inference_mode()
def detect(network: Any, pixels: torch.Tensor) -> list[tuple[Floats, Floats]]:
    """Relative ``(n, 4)`` boxes and scores of each figure, one for every query, the surest first."""
    out = network(pixel_values=pixels)
    score = out.logits.float().sigmoid().amax(-1)
    order = score.argsort(1, descending=True)
    boxes = corners(out.pred_boxes.float()).clamp(0, 1)
    boxes = boxes.gather(1, order[..., None].expand_as(boxes))
    ranked = score.gather(1, order)
    return list(zip(_array(boxes), _array(ranked), strict=True))


@torch.inference_mode()
def propose(network: Any, pixels: torch.Tensor) -> list[tuple[Floats, Floats]]:
    """As :func:`detect`, by the encoder's proposals after non-maximum suppression."""
    score, box = proposals(network, pixels)
    every = _array(corners(box.float().clamp(-20, 20).sigmoid()).clamp(0, 1))
    sure = _array(score.float().sigmoid()[..., 0])
    out = []
    for boxes, values in zip(every, sure, strict=True):
        top = np.argsort(-values, kind="stable")[:200]
        keep = top[nms(boxes[top], values[top], 0.6)]
        out.append((boxes[keep], values[keep]))
    return out


def _array(values: torch.Tensor) -> Floats:
    return np.asarray(values.double().cpu().numpy(), np.float64)


def scores(found: Sequence[tuple[Floats, Floats]], truth: Sequence[Floats]) -> dict[str, float]:
    """AP at IoU .5 and .75 over all figures, and F1 of what is sure."""
    out = {f"ap{round(100 * t)}": average_precision(found, truth, t) for t in (0.5, 0.75)}
    matched = counted = 0
    for (boxes, score), true in zip(found, truth, strict=True):
        sure = boxes[score > SURE]
        matched += int(_hits(sure, true, 0.5).sum())
        counted += len(sure) + len(true)
    return {**out, "f1": 2 * matched / max(1, counted)}


def average_precision(
    found: Sequence[tuple[Floats, Floats]], truth: Sequence[Floats], threshold: float
) -> float:
    """Area under the interpolated precision-recall curve of all figures (PASCAL VOC 2010)."""
    hits = np.concatenate(
        [_hits(boxes, true, threshold) for (boxes, _), true in zip(found, truth, strict=True)]
    )
    order = np.argsort(-np.concatenate([score for _, score in found]), kind="stable")
    right = np.cumsum(hits[order])
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = right / max(1, sum(len(true) for true in truth))
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _hits(boxes: Floats, true: Floats, threshold: float) -> NDArray[np.bool_]:
    """Which boxes, the surest first, match a true box that none before took."""
    hits = np.zeros(len(boxes), np.bool_)
    if not len(boxes) or not len(true):
        return hits
    overlap = iou_matrix(boxes, true)
    free = np.ones(len(true), np.bool_)
    for row in range(len(boxes)):
        best = int(np.argmax(np.where(free, overlap[row], -1.0)))
        if free[best] and overlap[row, best] >= threshold:
            free[best], hits[row] = False, True
    return hits


def sheet(
    pixels: torch.Tensor,
    found: Sequence[tuple[Floats, Floats]],
    truth: Sequence[torch.Tensor],
    columns: int = 4,
) -> Image.Image:
    """Figures in rows with truth in red and sure boxes in blue."""
    side = pixels.shape[-1]
    rows = -(-len(pixels) // columns)
    out = Image.new("RGB", (columns * (side + 8), rows * (side + 8)), (128, 128, 128))
    for index in range(len(pixels)):
        tile = Image.fromarray(pixels[index].permute(1, 2, 0).contiguous().numpy())
        pen = ImageDraw.Draw(tile)
        for box in truth[index].tolist():
            pen.rectangle([v * (side - 1) for v in box], outline=(230, 0, 0), width=3)
        for box, score in zip(*found[index], strict=True):
            if score > SURE:
                pen.rectangle([v * (side - 1) for v in box], outline=(0, 80, 255), width=1)
        out.paste(tile, ((index % columns) * (side + 8), (index // columns) * (side + 8)))
    return out
