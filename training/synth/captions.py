"""Captions of synthetic figures: a preamble, a part for each letter in one marker style, and a tail."""

from __future__ import annotations

from collections.abc import Sequence

from .chance import one_of, weighted
from .content.base import Rng

MARKERS = (
    ("({}) {}.", 0.76),
    ("{}) {}.", 0.06),
    ("{}, {}.", 0.05),
    ("{}. {}.", 0.05),
    ("{} {}.", 0.04),
    ("{}: {}.", 0.04),
)
"""Forms of (label, text), by the shares measured in captions of PMC figures."""
PREAMBLES = (
    "{} in the two groups.",
    "Analysis of {}.",
    "Effects of treatment on {}.",
    "Overview of {}.",
    "Characterization of {}.",
    "Representative {}.",
)
TAILS = (
    "Scale bar, 50 μm.",
    "Scale bars: 100 μm.",
    "Data are mean ± SEM; n = 3.",
    "*P < 0.05, **P < 0.01.",
    "Error bars represent standard deviation.",
    "Arrows indicate the lesion.",
    "Original magnification ×400.",
    "CI, confidence interval.",
)


def compose_caption(
    rng: Rng, labels: Sequence[str], phrases: Sequence[str]
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A caption, and (label, text) of each panel as the caption tells it.

    Panels of one phrase may share a part ("(B, C) ..."); with no label there are no parts.
    """
    head = ""
    if phrases and rng.random() < 0.7:
        phrase = one_of(rng, phrases)
        head = one_of(rng, PREAMBLES).format(phrase[:1].lower() + phrase[1:])
        head = head[:1].upper() + head[1:]
    tail = one_of(rng, TAILS) if rng.random() < 0.35 else ""
    parts: list[tuple[str, str]] = []
    sentences: list[str] = []
    marker = MARKERS[weighted(rng, [share for _, share in MARKERS])][0]
    joined = rng.random() < 0.3
    lettered = [(label, phrase) for label, phrase in zip(labels, phrases, strict=True) if label]
    for together, phrase in _grouped(lettered, joined):
        words = phrase[:1].upper() + phrase[1:]
        sentences.append(marker.format(_listed(rng, together), words))
        parts += [(label, f"{words}.") for label in together]
    if not lettered and phrases and not head:
        head = f"{phrases[0]}."
    return " ".join(piece for piece in (head, *sentences, tail) if piece), tuple(parts)


def _grouped(lettered: list[tuple[str, str]], joined: bool) -> list[tuple[list[str], str]]:
    """Runs of equal phrases as one part, where ``joined``; else each panel by itself."""
    out: list[tuple[list[str], str]] = []
    for label, phrase in lettered:
        if joined and out and out[-1][1] == phrase:
            out[-1][0].append(label)
        else:
            out.append(([label], phrase))
    return out


def _listed(rng: Rng, labels: list[str]) -> str:
    if len(labels) == 1:
        return labels[0]
    if len(labels) == 2:
        return (" and " if rng.random() < 0.3 else ", ").join(labels)
    return f"{labels[0]}–{labels[-1]}" if rng.random() < 0.5 else ", ".join(labels)
