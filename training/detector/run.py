"""A training from the command line: settings to recipe, loop, export."""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...core.errors import PluginError, UsageError

if TYPE_CHECKING:
    from .loop import Recipe

LARGE = 320
"""Side of the input from which on the first half of a training sees figures at 0.7 of it."""
INSTALL = 'pip install "pmcx-extract[train]"'


@dataclass(frozen=True)
class Settings:
    """The options of ``pmcx train detector``."""

    out: Path
    side: int = 224
    tiny: bool = False
    steps: int = 10000
    proposals: int = 2000
    batch: int = 32
    rate: float = 6e-4
    seed: int = 0
    layouts: Path | None = None
    pools: tuple[Path, ...] = ()
    start: Path | None = None
    device: str = "auto"
    threads: int | None = None
    workers: int = 1
    every: int = 500
    minutes: float | None = None
    export: Path | None = None

    def recipe(self) -> Recipe:
        """The recipe that these settings ask for."""
        from ..synth.stream import SynthOptions
        from .loop import Recipe
        from .network import STRIDES, TINY, Shape, places

        if self.side % STRIDES[-1]:
            raise UsageError(f"--side {self.side} is no multiple of {STRIDES[-1]}")
        shape = TINY if self.tiny else Shape()
        shape = replace(shape, side=min(self.side, TINY.side) if self.tiny else self.side)
        recipe = Recipe(
            shape=shape,
            synth=SynthOptions(
                size=max(320, round(1.25 * shape.side)),
                layouts=self.layouts,
                pools=self.pools,
                crowd=0.15,
                seed=self.seed,
            ),
            steps=self.steps,
            proposals=min(self.proposals, self.steps),
            batch=self.batch,
            rate=self.rate,
            seed=self.seed,
            small=0.5 if self.side >= LARGE else 0.0,
            bf16=not self.tiny,  # small products gain nothing from it
        )
        # Each query starts at a place of its own.
        queries = min(shape.queries, len(places(recipe.small_side)))
        return replace(recipe, shape=replace(shape, queries=queries))


def train(settings: Settings) -> int:
    """Run a training; 0 when it is done or has been stopped by its time limit.

    UsageError for settings that do not fit or a folder that holds another training, PluginError where a
    library is missing.
    """
    exporters = ("onnx", "onnxscript") if settings.export else ()
    for name in ("torch", "transformers", "cv2", "scipy", "safetensors", *exporters):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise PluginError(f"training needs {name}: {INSTALL}") from error
    import torch

    from ..synth.stream import SynthStream
    from .loop import Trainer

    # Denormal numbers make CPU arithmetic many times slower and mean nothing here.
    torch.set_flush_denormal(True)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device cuda: torch {torch.__version__} sees no CUDA GPU")
    recipe = settings.recipe()
    SynthStream(recipe.synth)  # a layout file or pool that cannot be used is refused before all else
    trainer = Trainer(recipe, settings.out, device=device, start=settings.start)
    end = time.monotonic() + 60 * settings.minutes if settings.minutes else float("inf")
    trainer.train(
        workers=settings.workers, every=settings.every, until=lambda: time.monotonic() > end, say=click.echo
    )
    if settings.export is not None:
        from .export import export

        export(trainer.averaged(), trainer.recipe.shape.side, settings.export)
        click.echo(f"wrote {settings.export}")
    return 0
