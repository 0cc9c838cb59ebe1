"""A small DEIMv2 trained for some seconds on drawn figures, and its export, made once in a session."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pmcx.training.detector.export import export
from pmcx.training.detector.loop import Recipe, Trainer
from pmcx.training.detector.network import TINY
from pmcx.training.synth.stream import SynthOptions

SHAPE = replace(TINY, side=96, queries=16, width=32, backbone=(16, 32, 64, 128))
RECIPE = Recipe(
    shape=SHAPE,
    synth=SynthOptions(size=128, strength=0.2),
    steps=60,
    batch=8,
    rate=2e-3,
    warmup=5,
    decay=0.5,
    proposals=30,
    ema=0.9,
    small=0.0,
    validate=8,
    bf16=False,
)


def folder() -> Path:
    """A folder that is removed when the session ends."""
    path = Path(tempfile.mkdtemp(prefix="pmcx-tiny-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@functools.lru_cache(maxsize=1)
def trained() -> Trainer:
    """A training that has run; its folder is as ``pmcx train detector`` leaves it."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    trainer = Trainer(RECIPE, folder())
    trainer.train(workers=0, every=RECIPE.steps, say=lambda line: None)
    return trainer


@functools.lru_cache(maxsize=1)
def exported() -> Path:
    """The trained weights as a folder for ``weights=``."""
    path = folder()
    export(trained().averaged(), SHAPE.side, path)
    return path


def averaged() -> Any:
    """The trained network of its own, in evaluation mode."""
    return trained().averaged()
