"""What the panels of one figure have in common: paper, ink, palette, type, and the habits of its author."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .chance import one_of, weighted
from .content.base import OKABE_ITO, Color, Rng, Style
from .content.text import faces

PALETTES: tuple[tuple[Color, ...], ...] = (
    OKABE_ITO,
    ((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75)),
    ((0, 0, 0), (130, 130, 130), (200, 200, 200), (255, 255, 255), (80, 80, 80), (170, 170, 170)),
    ((0, 0, 0), (220, 30, 30), (30, 60, 220), (20, 150, 60), (230, 140, 20), (140, 40, 160)),
    ((228, 26, 28), (55, 126, 184), (77, 175, 74), (152, 78, 163), (255, 127, 0), (166, 86, 40)),
    ((68, 114, 196), (237, 125, 49), (165, 165, 165), (255, 192, 0), (91, 155, 213), (112, 173, 71)),
    ((230, 75, 53), (77, 187, 213), (0, 160, 135), (60, 84, 136), (243, 155, 127), (132, 145, 180)),
    ((248, 118, 109), (0, 186, 56), (97, 156, 255), (183, 159, 0), (0, 191, 196), (245, 100, 227)),
    ((102, 194, 165), (252, 141, 98), (141, 160, 203), (231, 138, 195), (166, 216, 84), (255, 217, 47)),
    ((0, 0, 0), (60, 60, 60), (110, 110, 110), (150, 150, 150), (190, 190, 190), (225, 225, 225)),
    ((70, 80, 160), (200, 60, 80), (90, 90, 90), (60, 150, 160), (220, 170, 60), (150, 110, 170)),
)
PALETTE_SHARES = (0.10, 0.14, 0.17, 0.15, 0.08, 0.12, 0.08, 0.05, 0.04, 0.04, 0.03)
TYPE_SHARES = (0.058, 0.35)
"""Middle em size of type as a share of the middle panel's side, and its spread (of the logarithm)."""


@dataclass(frozen=True)
class Habits:
    """How an author sets panels; probabilities are per panel.

    ``reserve`` is where paper is kept free for a letter outside the content (``top``, ``left``, ``both`` or
    ``corner`` of a plot); ``loose`` is how much smaller drawings may be than their slots; ``fuse`` makes
    a lettered panel of several drawings; ``frame`` draws a border (``dashed`` or not), ``card`` a plate
    behind each panel, its corners of the radius ``rounded``.
    """

    reserve: str
    titles: float
    titles_bold: bool
    loose: float
    fuse: float
    frame: Color | None
    dashed: bool
    card: Color | None
    rounded: int


def random_style(rng: Rng, size: int, slots: Sequence[tuple[float, float]], dark: bool) -> Style:
    """A style for a page of ``size`` pixels with slots of these (width, height); the fewer and larger they
    are, the larger the type."""
    sides = sorted(math.sqrt(width * height) for width, height in slots)
    smallest = min(min(slot) for slot in slots)
    share, spread = TYPE_SHARES
    wanted = (share * sides[len(sides) // 2] + 1.5) * math.exp(spread * rng.standard_normal())
    type_px = min(max(wanted, 3.5 * size / 448), 16 * size / 448, max(3.5, smallest / 6))
    tint = rng.random()
    if dark:
        paper: Color = (0, 0, 0) if rng.random() < 0.85 else (25, 25, 30)
    elif tint < 0.94:
        paper = (255, 255, 255)
    else:
        paper = ((247, 247, 247), (240, 240, 240), (235, 242, 250), (255, 252, 240))[int(rng.integers(4))]
    ink: Color = (0, 0, 0) if rng.random() < 0.6 else (45, 45, 45)
    spines = ("open", "box", "grey", "none")[weighted(rng, (0.55, 0.30, 0.10, 0.05))]
    return Style(
        paper=paper,
        ink=(235, 235, 235) if dark else ink,
        palette=PALETTES[weighted(rng, PALETTE_SHARES)],
        type_px=type_px,
        # Faces are ordered by how common they are.
        font=int(len(faces()) * rng.random() ** 1.8),
        line=1 if rng.random() < 0.85 else 2,
        spines=spines,
        grid=bool(rng.random() < 0.2),
    )


def for_parts(style: Style, smallest: int) -> Style:
    """The style for parts of a panel of which the smallest side is ``smallest`` pixels: no larger type."""
    return replace(style, type_px=min(style.type_px, max(3.5, smallest / 7)))


def random_habits(rng: Rng, style: Style) -> Habits:
    """The habits of one figure."""
    frame: Color | None = None
    card: Color | None = None
    ornament = rng.random()
    if ornament < 0.05:
        frame = ((0, 0, 0), (128, 128, 128), (190, 190, 190), (60, 90, 160))[int(rng.integers(4))]
    elif ornament < 0.08:
        r, g, b = one_of(rng, style.palette)
        card = (r + (255 - r) * 9 // 10, g + (255 - g) * 9 // 10, b + (255 - b) * 9 // 10)
    elif ornament < 0.10:
        card = (0, 0, 0) if sum(style.paper) > 300 else (60, 60, 60)
    return Habits(
        reserve=("top", "left", "both", "corner")[weighted(rng, (0.40, 0.18, 0.12, 0.30))],
        titles=(0.0, 0.3, 1.0)[weighted(rng, (0.72, 0.10, 0.18))],
        titles_bold=bool(rng.random() < 0.4),
        loose=(0.0, 0.25, 0.5)[weighted(rng, (0.72, 0.2, 0.08))],
        fuse=(0.0, 0.15, 0.5)[weighted(rng, (0.55, 0.30, 0.15))],
        frame=frame,
        dashed=bool(rng.random() < 0.3),
        card=card,
        rounded=one_of(rng, (0, 0, 4, 8, 14)),
    )
