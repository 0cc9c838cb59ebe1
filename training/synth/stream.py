"""The endless stream of synthetic figures: each a pure function of the options and its index."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.errors import UsageError
from .compose import compose
from .content import KINDS
from .content.base import Kind
from .content.pool import read_pool
from .degrade import degrade, reduce
from .grammar import random_layout
from .layouts import Layout, read_layouts, smallest_side, vary
from .sample import Sample

FROM_FILE = 0.7
"""Share of the compound figures whose layout comes from the layout file, where one is given."""
LARGER = 0.2
"""Share of the figures that are composed at a larger size and reduced."""
LEAST_SLOT = 20
"""Pixels of the smallest slot in composing, before margins; drawings need 12."""


@dataclass(frozen=True)
class SynthOptions:
    """What the stream makes.

    ``size`` is the longer side in pixels. ``layouts`` is a CSV of real panel boxes (see ``layouts``);
    without it all layouts come from the grammar. ``pools`` are folders of pictures to cut panels from
    (``content.pool``), beside the drawn ones. ``singles`` is the share of single-panel figures, ``crowd``
    the probability by which many panels are preferred, ``strength`` scales that of each degradation.
    """

    size: int = 448
    layouts: Path | None = None
    pools: tuple[Path, ...] = ()
    singles: float = 0.3
    crowd: float = 0.0
    strength: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 64 <= self.size <= 4096:
            raise UsageError(f"size={self.size}: the longer side must be 64 to 4096 pixels")
        for name in ("singles", "crowd", "strength"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name}={getattr(self, name)}: must be between 0 and 1")


@functools.lru_cache(maxsize=8)
def _pool(folder: Path) -> tuple[Kind, ...]:
    """Read once in a process, whatever the number of its streams."""
    return tuple(read_pool(folder))


class SynthStream:
    """Figures by index, and the endless iteration over ``start``, ``start + step``, ``start + 2 step`` …

    Raises UsageError or InputError for a layout file or pool that cannot be used, at once.
    """

    def __init__(self, options: SynthOptions, start: int = 0, step: int = 1) -> None:
        self.options, self.start, self.step = options, start, step
        self._bank = read_layouts(options.layouts) if options.layouts is not None else None
        self._kinds = [*KINDS.values(), *(kind for folder in options.pools for kind in _pool(folder))]

    def sample(self, index: int) -> Sample:
        """The figure at ``index``; the same in every process and whatever was made before."""
        options = self.options
        rng = np.random.default_rng([options.seed, index])
        layout = None if rng.random() < options.singles else self._layout(rng)
        # Real figures are reduced to this size from larger ones; some are composed so.
        larger = rng.random() < LARGER * options.strength
        size = round(options.size * rng.uniform(1.15, 1.6)) if larger else options.size
        if layout is not None:
            size = max(size, math.ceil(LEAST_SLOT / smallest_side(layout)))
        made = compose(rng, self._kinds, layout, size, index)
        if size > options.size:
            made = reduce(made, options.size)
        return replace(made, pixels=degrade(rng, made.pixels, options.strength))

    def __iter__(self) -> Iterator[Sample]:
        for index in itertools.count(self.start, self.step):
            yield self.sample(index)

    def worker(self, number: int, workers: int) -> SynthStream:
        """The stream of one of several workers: together they give this stream's figures, each once."""
        if not 0 <= number < workers:
            raise UsageError(f"worker {number} of {workers}: must be 0 to {workers - 1}")
        return SynthStream(self.options, self.start + number * self.step, self.step * workers)

    def _layout(self, rng: np.random.Generator) -> Layout:
        if self._bank is not None and rng.random() < FROM_FILE:
            return vary(self._bank.sample(rng, self.options.crowd), rng)
        return random_layout(rng, self.options.crowd)
