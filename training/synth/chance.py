"""Random choices by weight, without the cost of numpy's for a handful of items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def weighted(rng: np.random.Generator, weights: Sequence[float]) -> int:
    """An index drawn in proportion to ``weights`` (not negative, not all 0)."""
    at = float(rng.random()) * sum(weights)
    for index, weight in enumerate(weights):
        at -= weight
        if at < 0:
            return index
    return max(range(len(weights)), key=weights.__getitem__)


def one_of(rng: np.random.Generator, items: Sequence[T]) -> T:
    """One of the items, each as likely."""
    return items[int(rng.random() * len(items))]
