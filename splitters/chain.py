"""Which candidates are the caption's labels: a dynamic programme over candidates in text order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from .candidates import FAMILIES, Candidate, Family, base_of

NEW_LABEL = 1.0
LISTED_LABEL = 0.7
STYLE_CHANGE = 0.6
OVERLAP = 0.5
HOLE = 0.6
AGAIN = 0.3
UNMARKED = 0.5
WEAK_FAMILY = {"upper": 0.0, "lower": 0.0, "roman": 0.6, "digit": 0.6}
SEEN_IN_IMAGE = 0.4
NOT_IN_IMAGE = 0.6
MIN_SCORE = 1.0


class Chain(NamedTuple):
    """The chosen marks in text order, their family and the score of the whole."""

    marks: tuple[Candidate, ...]
    family: Family
    score: float

    @property
    def mask(self) -> int:
        """Base positions of all labels, as a bit set."""
        mask = 0
        for mark in self.marks:
            mask |= mark.mask
        return mask


class _Node(NamedTuple):
    score: float
    mask: int
    mark: Candidate
    previous: _Node | None


def best_chain(candidates: Sequence[Candidate], seen: Collection[str] = ()) -> Chain | None:
    """The best chain of any family with two labels or more and a score of at least 1, or None.

    Each label not yet named scores +1, or .7 after the first of a list or range; a change of style costs
    .6, naming a label again .5, a label left out .6, Roman numerals and digits .6 once; where labels are
    bold, plain ones cost .5 more. Letters win over Roman numerals and digits. ``seen`` are labels read in
    the image: naming one adds .4, naming another costs .6, and what the image lacks is no hole.
    """
    best: Chain | None = None
    for family in FAMILIES:
        own = [c for c in candidates if c.family == family]
        chain = _best_of_family(own, family, _prior(family, seen)) if own else None
        if chain is None:
            continue
        if best is None or (chain.score > best.score and (family in ("upper", "lower") or seen)):
            best = chain
    return best


def _prior(family: Family, seen: Collection[str]) -> int | None:
    """Labels seen in the image as base positions of a family; None where no labels were seen."""
    if not seen:
        return None
    mask = 0
    for label in seen:
        base = base_of(family, label)
        mask |= 1 << base if base >= 0 else 0
    return mask


def _best_of_family(candidates: list[Candidate], family: Family, prior: int | None) -> Chain | None:
    states: dict[tuple[int, str], _Node] = {}
    best: _Node | None = None
    named: dict[str, int] = {}
    marked = 0
    for c in candidates:
        marked |= c.mask if c.marked else 0
    bold = marked.bit_count() >= 2
    for c in candidates:
        # Labels are defined where they are first named; later on they are referred to.
        extra = AGAIN if c.mask & named.get(c.style, 0) else 0.0
        if bold and not c.marked:
            extra += UNMARKED
        named[c.style] = named.get(c.style, 0) | c.mask
        node = _extend(c._replace(cost=c.cost + extra) if extra else c, states, prior)
        if node is None:
            continue
        key = (node.mask.bit_length(), "marked" if c.marked else c.style)
        if key not in states or node.score > states[key].score:
            states[key] = node
        if best is None or node.score > best.score:
            best = node
    if best is None or best.mask.bit_count() < 2:
        return None
    score = best.score - WEAK_FAMILY[family]
    if score < MIN_SCORE:
        return None
    marks = []
    node = best
    while node is not None:
        marks.append(node.mark)
        node = node.previous
    return Chain(tuple(reversed(marks)), family, score)


def _extend(c: Candidate, states: dict[tuple[int, str], _Node], prior: int | None) -> _Node | None:
    """The best chain that ends in ``c``."""
    mask, lowest = c.mask, c.base[0]
    best: _Node | None = None
    start = _holes(0, lowest, mask, prior)
    if start <= 1:
        best = _Node(_gain(mask, prior) - c.cost - start * 1.5 * HOLE, mask, c, None)
    style = "marked" if c.marked else c.style
    for (_, last_style), node in states.items():
        if node.mark.end > c.start:
            continue
        fresh = mask & ~node.mask
        if not fresh:
            continue
        low = (fresh & -fresh).bit_length() - 1
        top = node.mask.bit_length()
        holes = _holes(top, low, node.mask | mask, prior)
        if holes > 2:
            continue
        score = node.score + _gain(fresh, prior) - c.cost - holes * HOLE
        if low < top:
            # Out of order, but it fills a hole that was paid for.
            score += HOLE - 0.3
        if mask & node.mask:
            score -= OVERLAP
        if last_style != style:
            score -= STYLE_CHANGE
        if best is None or score > best.score:
            best = _Node(score, node.mask | mask, c, node)
    return best


def _holes(start: int, stop: int, mask: int, prior: int | None) -> int:
    """How many labels of ``start..stop`` are skipped, not counting those the image lacks too."""
    if stop <= start:
        return 0
    wanted = ((1 << stop) - (1 << start)) & ~mask
    return (wanted & prior if prior is not None else wanted).bit_count()


def _gain(fresh: int, prior: int | None) -> float:
    """What labels not named before are worth."""
    count = fresh.bit_count()
    worth = NEW_LABEL + LISTED_LABEL * (count - 1)
    if prior is None:
        return worth
    known = (fresh & prior).bit_count()
    return worth + SEEN_IN_IMAGE * known - NOT_IN_IMAGE * (count - known)
