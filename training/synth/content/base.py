"""What a drawing of panel content is, and how a kind of content is declared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Pixels = NDArray[np.uint8]
Color = tuple[int, int, int]

OKABE_ITO: tuple[Color, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
)


@dataclass(frozen=True)
class Style:
    """What all panels of one figure share; colours are RGB, lengths final pixels.

    `type_px` is the em size of normal type (3.5 to 14 at 448 px), `font` an index
    into the fonts that were found (taken modulo their number), `spines` one of
    "open", "box", "grey" (ggplot) or "none".
    """

    paper: Color = (255, 255, 255)
    ink: Color = (20, 20, 20)
    palette: tuple[Color, ...] = OKABE_ITO
    type_px: float = 7.0
    font: int = 0
    line: int = 1
    spines: str = "open"
    grid: bool = False


@dataclass(frozen=True)
class Drawing:
    """The content of one panel.

    `pixels` is (height, width, 3) RGB exactly as asked, drawn on the style's paper;
    `modality` a class name of the panel classifier; `fills` says that the picture
    reaches its rectangle on every side, so that letters stand on it and neighbours
    may be stitched to it; `phrase` says what it shows, for a caption.
    """

    pixels: Pixels
    modality: str
    fills: bool
    phrase: str


class Kind(Protocol):
    """One kind of panel content; `weight` is its relative frequency, `aspect` its sensible w/h range."""

    @property
    def name(self) -> str: ...
    @property
    def modality(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def fills(self) -> bool: ...
    @property
    def aspect(self) -> tuple[float, float]: ...

    def draw(self, rng: Rng, width: int, height: int, style: Style) -> Drawing:
        """One panel of exactly `width` x `height` pixels (each >= 12); advances `rng` only."""
        ...

    def series(self, rng: Rng, sizes: Sequence[tuple[int, int]], style: Style) -> list[Drawing]:
        """Panels of one look, (width, height) each: the same parameters with other data."""
        ...


Painter = Callable[[Rng, Rng, Pixels, Style], str]


@dataclass(frozen=True)
class Drawn:
    """A kind whose painter draws straight onto blank paper.

    The painter gets two generators: `look` decides what the panels of a series
    share, `data` what differs between them; it returns the phrase.
    """

    name: str
    paint: Painter
    weight: float = 1.0
    modality: str = "plot"
    fills: bool = False
    aspect: tuple[float, float] = (0.8, 1.8)

    def draw(self, rng: Rng, width: int, height: int, style: Style) -> Drawing:
        return self.series(rng, [(width, height)], style)[0]

    def series(self, rng: Rng, sizes: Sequence[tuple[int, int]], style: Style) -> list[Drawing]:
        seed = int(rng.integers(1 << 62))
        drawings = []
        for width, height in sizes:
            pixels = blank(width, height, style.paper)
            phrase = self.paint(np.random.default_rng(seed), rng, pixels, style)
            drawings.append(Drawing(pixels, self.modality, self.fills, phrase))
        return drawings


def blank(width: int, height: int, colour: Color) -> Pixels:
    """An image of one colour."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[0] = colour
    pixels[1:] = pixels[0]  # whole rows are copied much faster than single pixels
    return pixels


def mix(first: Color, second: Color, share: float) -> Color:
    """The colour `share` of the way from `first` to `second`."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(first, second, strict=True))
    return (r, g, b)


def is_dark(colour: Color) -> bool:
    """Whether light ink is needed on this colour."""
    return 299 * colour[0] + 587 * colour[1] + 114 * colour[2] < 128_000
