"""The ``detr`` adapter on a small RT-DETR that was built from a configuration and trained a few steps."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pmcx.core.errors import PluginError, UsageError
from pmcx.core.images import FigureImage
from pmcx.core.records import Detection
from pmcx.detectors.detr import DetrDetector
from pmcx.testing import DetectorSuite, figure_images, grid_figure

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("scipy", reason="the training loss of the fixture needs it")

SIDE = 160
LABELS = {0: "panel", 1: "label"}


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """A square figure with one to three textured rectangles on white, and their boxes."""
    pixels = np.full((SIDE, SIDE, 3), 255, np.uint8)
    boxes = []
    for n in range(count := int(rng.integers(1, 4))):
        x0 = n * SIDE // count + int(rng.integers(4, 12))
        x1 = (n + 1) * SIDE // count - int(rng.integers(4, 12))
        y0, y1 = int(rng.integers(4, 50)), int(rng.integers(100, SIDE - 4))
        noise = rng.integers(0, 90, (y1 - y0, x1 - x0, 3), dtype=np.uint8)
        pixels[y0:y1, x0:x1] = noise + rng.integers(0, 120, 3, dtype=np.uint8)
        boxes.append((x0, y0, x1, y1))
    return pixels, boxes


def small_model() -> Any:
    """A tiny RT-DETR whose answer depends on the image.

    As the library initialises it, frozen random statistics and near-zero norms give the same boxes for
    any image, so the norms are set to 1 and left to train, and the convolutions drawn by fan-in.
    """
    config = transformers.RTDetrConfig(
        backbone_config=transformers.RTDetrResNetConfig(
            embedding_size=16,
            hidden_sizes=[16, 24, 32, 48],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],
        ),
        encoder_in_channels=[24, 32, 48],
        encoder_hidden_dim=32,
        encoder_ffn_dim=64,
        encoder_attention_heads=4,
        hidden_expansion=0.5,
        d_model=32,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=64,
        decoder_attention_heads=4,
        decoder_layers=2,
        num_queries=20,
        num_denoising=0,
        freeze_backbone_batch_norms=False,
        id2label=LABELS,
        label2id={name: index for index, name in LABELS.items()},
    )
    model = transformers.RTDetrForObjectDetection(config)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
        elif isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model


def train(model: Any, steps: int = 40) -> None:
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(steps):
        batch = [drawn(rng) for _ in range(4)]
        pixels = np.stack([image for image, _ in batch]).transpose(0, 3, 1, 2) / np.float32(255)
        labels = []
        for _, boxes in batch:
            b = torch.tensor(boxes, dtype=torch.float32) / SIDE
            center = torch.cat([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], dim=1)
            labels.append({"class_labels": torch.zeros(len(boxes), dtype=torch.long), "boxes": center})
        loss = model(pixel_values=torch.from_numpy(pixels.astype(np.float32)), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``save_pretrained`` writes it; the processor squashes to 160 x 160."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("rtdetr")
    model = small_model()
    train(model)
    model.save_pretrained(folder)
    transformers.RTDetrImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder
