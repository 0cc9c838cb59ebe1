"""Which kind of content goes into which slot: panels of one figure are alike more often than not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .chance import weighted
from .content.base import Kind, Rng

ALIKE = 0.15
"""Slots whose sides differ by less than this share are of one size."""


@dataclass(frozen=True)
class Role:
    """Slots (by number) that show one kind of content; ``series`` of one look, else drawn independently."""

    kind: Kind
    slots: tuple[int, ...]
    series: bool


def cast(rng: Rng, kinds: Sequence[Kind], sizes: Sequence[tuple[int, int]]) -> list[Role]:
    """A role for every slot; ``sizes`` are (width, height) in reading order."""
    theme = rng.random()
    # Figures of pictures only, of drawings only, and mixed ones.
    pool = list(kinds)
    if theme < 0.28:
        pool = [kind for kind in kinds if kind.fills] or pool
    elif theme < 0.72:
        pool = [kind for kind in kinds if not kind.fills] or pool
    manner = rng.random()
    everything = tuple(range(len(sizes)))
    if manner < 0.30:
        return [Role(pick_kind(rng, pool, _middle(sizes)), everything, True)]
    if manner < 0.40:
        return [Role(pick_kind(rng, pool, _middle(sizes)), everything, False)]
    if manner < 0.75:
        return [
            Role(pick_kind(rng, pool, sizes[run[0]]), run, rng.random() < 0.7) for run in _runs(rng, sizes)
        ]
    roles: list[Role] = []
    for number, size in enumerate(sizes):
        kind = roles[-1].kind if roles and rng.random() < 0.3 else pick_kind(rng, pool, size)
        roles.append(Role(kind, (number,), False))
    return roles


def pick_kind(rng: Rng, kinds: Sequence[Kind], size: tuple[int, int]) -> Kind:
    """A kind by its weight and by how well its aspect suits a slot of ``size``."""
    aspect = size[0] / size[1]
    return kinds[weighted(rng, [kind.weight * _fit(kind.aspect, aspect) for kind in kinds])]


def _fit(wanted: tuple[float, float], aspect: float) -> float:
    low, high = wanted
    off = max(0.0, math.log(low / aspect), math.log(aspect / high))
    return math.exp(-3.0 * off)


def _middle(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sorted(sizes, key=lambda size: size[0] / size[1])[len(sizes) // 2]


def _runs(rng: Rng, sizes: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Neighbours of one size in reading order, long runs cut at random."""
    runs: list[list[int]] = []
    for number, (width, height) in enumerate(sizes):
        if runs and rng.random() < 0.85:
            before = sizes[runs[-1][-1]]
            if abs(before[0] - width) < ALIKE * width and abs(before[1] - height) < ALIKE * height:
                runs[-1].append(number)
                continue
        runs.append([number])
    return [tuple(run) for run in runs]
