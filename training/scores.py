"""Scores of detected panel boxes against truth: F1 at IoU thresholds and ImageCLEF accuracy.

Boxes are ``(x0, y0, x1, y1)``, half-open, of one figure each; a truth may offer several equally right boxes
(``alternatives``), of which the best counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..core.layout import area
from ..core.records import Box

COCO_THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))
"""IoU thresholds over which COCO averages."""


def intersection(a: Box, b: Box) -> int:
    """Pixels in both boxes."""
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def iou(a: Box, b: Box) -> float:
    """Intersection over union; 0 where both are empty."""
    common = intersection(a, b)
    union = area(a) + area(b) - common
    return common / union if union else 0.0


@dataclasses.dataclass(frozen=True)
class Counts:
    """Matched, found and true boxes; counts of several figures add up."""

    matched: int = 0
    found: int = 0
    true: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.matched + other.matched, self.found + other.found, self.true + other.true)

    @property
    def precision(self) -> float:
        return self.matched / self.found if self.found else float(not self.true)

    @property
    def recall(self) -> float:
        return self.matched / self.true if self.true else float(not self.found)

    @property
    def f1(self) -> float:
        """2 matched / (found + true); 1 where there was nothing to find and nothing was found."""
        total = self.found + self.true
        return 2 * self.matched / total if total else 1.0


def matching(
    found: Sequence[Box], truth: Sequence[Box | Sequence[Box]], threshold: float = 0.5
) -> dict[int, int]:
    """One-to-one matches with IoU >= ``threshold``, as many as there can be: true panel -> found box.

    ``truth`` holds a box, or the alternatives, for each true panel. The matching is of maximum size
    (augmenting paths), so its size depends on neither order nor scores.
    """
    offers = [_alternatives(t) for t in truth]
    edges = [
        [j for j, boxes in enumerate(offers) if max(iou(f, b) for b in boxes) >= threshold] for f in found
    ]
    owner: dict[int, int] = {}

    def augment(i: int, seen: set[int]) -> bool:
        for j in edges[i]:
            if j not in seen:
                seen.add(j)
                if j not in owner or augment(owner[j], seen):
                    owner[j] = i
                    return True
        return False

    for i in range(len(found)):
        augment(i, set())
    return owner


def match_counts(
    found: Sequence[Box], truth: Sequence[Box | Sequence[Box]], threshold: float = 0.5
) -> Counts:
    """The size of :func:`matching`, with the number of found and of true boxes."""
    return Counts(len(matching(found, truth, threshold)), len(found), len(truth))


def mean_f1(
    found: Sequence[Box],
    truth: Sequence[Box | Sequence[Box]],
    thresholds: Sequence[float] = COCO_THRESHOLDS,
) -> float:
    """F1 of one figure, averaged over IoU thresholds."""
    return sum(match_counts(found, truth, t).f1 for t in thresholds) / len(thresholds)


def clef_accuracy(
    found: Sequence[Box], truth: Sequence[Box | Sequence[Box]], threshold: float = 0.66
) -> float:
    """ImageCLEF figure-separation accuracy of one figure, Lepage variant; the data set's is the mean.

    Each found box takes the single truth that covers the largest share of the *found* box; it is right if
    that share is above ``threshold`` (strictly) and the truth was not taken before. The score is right /
    max(found, true), and 1 where both are empty. Source: GaetanLepage/compound-figure-separator. The score
    can be had by tiny boxes: never report it alone.
    """
    if not found and not truth:
        return 1.0
    offers = [_alternatives(t) for t in truth]
    taken: set[int] = set()
    for box in found:
        if not area(box) or not offers:
            continue
        shares = [max(intersection(box, b) for b in boxes) / area(box) for boxes in offers]
        best = max(range(len(shares)), key=shares.__getitem__)
        if shares[best] > threshold:
            taken.add(best)
    return len(taken) / max(len(found), len(truth))


def clef_accuracy_zou(
    found: Sequence[Box], truth: Sequence[Box | Sequence[Box]], threshold: float = 0.5
) -> float:
    """ImageCLEF figure-separation accuracy of one figure, Zou variant.

    Each truth takes, of the found boxes not yet taken, the one with the largest share inside it, if that
    share of the *found* box is above ``threshold``. The score is right / max(found, true), and 1 where both
    are empty. It depends on the order of the truths. Source: JieZou1/PanelSeg.
    """
    if not found and not truth:
        return 1.0
    free = [box for box in found if area(box)]
    right = 0
    for boxes in (_alternatives(t) for t in truth):
        shares = [max(intersection(f, b) for b in boxes) / area(f) for f in free]
        best = max(range(len(free)), key=shares.__getitem__, default=None)
        if best is not None and shares[best] > threshold:
            del free[best]
            right += 1
    return right / max(len(found), len(truth))


def _alternatives(truth: Box | Sequence[Box]) -> Sequence[Box]:
    first = truth[0]
    return [truth] if isinstance(first, int) else truth  # type: ignore[list-item,return-value]
