"""Scores of split captions against human truth: similarity, token F1, label precision and recall.

Every score folds case and collapses white space on both sides: the public truth mixes the cases of
look-alike letters within one figure, so a comparison with case measures the annotation tool.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

_WORD = re.compile(r"\w+")


def fold(text: str) -> str:
    """Lower case with single spaces, as every score here compares text."""
    return " ".join(text.lower().split())


def levenshtein(a: str, b: str) -> int:
    """Edit distance (insert, delete, substitute, each 1), by Myers' bit-vector algorithm (1999)."""
    if len(a) > len(b):
        a, b = b, a
    if not a:
        return len(b)
    positions: dict[str, int] = {}
    for i, char in enumerate(a):
        positions[char] = positions.get(char, 0) | (1 << i)
    mask = (1 << len(a)) - 1
    last = 1 << (len(a) - 1)
    plus, minus, distance = mask, 0, len(a)
    for char in b:
        equal = positions.get(char, 0)
        vertical = equal | minus
        diagonal = (((equal & plus) + plus) ^ plus) | equal
        up = minus | (mask & ~(diagonal | plus))
        down = plus & diagonal
        if up & last:
            distance += 1
        if down & last:
            distance -= 1
        up = ((up << 1) | 1) & mask
        down = (down << 1) & mask
        plus = down | (mask & ~(vertical | up))
        minus = up & vertical
    return distance


def similarity(predicted: str, truth: str) -> float:
    """1 - distance / longer length, in 0..1, folded; 1 for two empty strings.

    The caption similarity of CompFigSep, there with case.
    """
    a, b = fold(predicted), fold(truth)
    longest = max(len(a), len(b))
    return 1.0 - levenshtein(a, b) / longest if longest else 1.0


def token_f1(predicted: str, truth: str) -> float:
    r"""F1 over the bags of lower-cased ``\w+`` tokens; 1 for two empty bags."""
    a, b = Counter(_WORD.findall(predicted.lower())), Counter(_WORD.findall(truth.lower()))
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 1.0


@dataclasses.dataclass(frozen=True)
class Report:
    """Means over figures and micro label scores; ``lev`` and ``token_f1`` are 0 without truth texts."""

    figures: int
    lev: float
    token_f1: float
    precision: float
    recall: float
    f1: float
    exact: float


def _folded(labels: Iterable[str]) -> set[str]:
    return {fold(label) for label in labels}


def score_labels(pairs: Iterable[tuple[Collection[str], Collection[str]]]) -> Report:
    """Micro label precision, recall, F1 and the share of exact sets over (predicted, true) label sets."""
    hit = predicted_total = truth_total = exact = figures = 0
    for predicted, truth in pairs:
        p, t = _folded(predicted), _folded(truth)
        figures += 1
        hit += len(p & t)
        predicted_total += len(p)
        truth_total += len(t)
        exact += p == t
    precision = hit / predicted_total if predicted_total else 0.0
    recall = hit / truth_total if truth_total else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
    return Report(figures, 0.0, 0.0, precision, recall, f1, exact / figures if figures else 0.0)


def score_texts(pairs: Iterable[tuple[Mapping[str, str], Mapping[str, str]]]) -> Report:
    """All scores over (predicted, true) maps of label to text, one pair for each figure.

    Texts count per true label, 0 where the label is missing, averaged within the figure, then over
    figures; a superfluous label costs label precision only.
    """
    figures = [
        ({fold(k): v for k, v in predicted.items()}, {fold(k): v for k, v in truth.items()})
        for predicted, truth in pairs
    ]
    lev = f1 = 0.0
    for predicted, truth in figures:
        shared = [(predicted[label], text) for label, text in truth.items() if label in predicted]
        lev += sum(similarity(a, b) for a, b in shared) / max(1, len(truth))
        f1 += sum(token_f1(a, b) for a, b in shared) / max(1, len(truth))
    count = max(1, len(figures))
    labels = score_labels((p.keys(), t.keys()) for p, t in figures)
    return dataclasses.replace(labels, lev=lev / count, token_f1=f1 / count)
