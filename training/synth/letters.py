"""Panel letters as figures carry them: family, form, type and place, alike for all panels of one figure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.records import Box
from .chance import weighted
from .content.base import Color, Pixels, Rng, Style, is_dark
from .content.text import faces, paste, text

Mask = NDArray[np.uint8]

FAMILIES = (("upper", 0.775), ("lower", 0.208), ("digit", 0.012), ("roman", 0.005))
FORMS = (("{}", 0.74), ("({})", 0.14), ("{})", 0.05), ("{}.", 0.04), ("[{}]", 0.01), ("{}:", 0.02))
ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
CAP_SHARE = 0.72
"""Height of a capital over the em size of type."""


@dataclass(frozen=True)
class Lettering:
    """How the letters of a figure look.

    ``height`` is that of a capital in pixels. On a picture the letter is drawn in ``on_light`` or
    ``on_dark``, over a plate of the colour ``plate`` where there is one; ``outside`` puts it on the paper
    beside or above the content.
    """

    family: str
    form: str
    style: Style
    height: float
    bold: bool
    outside: bool
    plate: Color | None
    inset: int
    on_light: Color
    on_dark: Color

    def label(self, number: int) -> str:
        """The label of the panel at ``number``, counted from 0."""
        if self.family == "digit":
            return str(number + 1)
        if self.family == "roman":
            return ROMAN[number % len(ROMAN)]
        letter = chr(ord("A") + number % 26) * (1 + number // 26)
        return letter if self.family == "upper" else letter.lower()

    def mask(self, number: int) -> Mask:
        """The letter as drawn, with its brackets, cut to its ink."""
        return text(self.style, self.form.format(self.label(number)), bold=self.bold, trim=True)


def random_lettering(rng: Rng, style: Style, height: float, inside: float) -> Lettering:
    """The letters of one figure, ``height`` pixels high; ``inside`` is the probability that they stand on
    pictures."""
    font = style.font if rng.random() < 0.6 else int(rng.integers(len(faces())))
    plate: Color | None = None
    chosen = rng.random()
    if chosen < 0.20:
        plate = (255, 255, 255)
    elif chosen < 0.23:
        plate = (0, 0, 0)
    colour = rng.random()
    ink: Color = style.ink if colour < 0.96 else style.palette[0]
    return Lettering(
        family=FAMILIES[weighted(rng, [share for _, share in FAMILIES])][0],
        form=FORMS[weighted(rng, [share for _, share in FORMS])][0],
        style=replace(style, type_px=height / CAP_SHARE, font=font),
        height=height,
        bold=bool(rng.random() < 0.8),
        outside=bool(rng.random() >= inside),
        plate=plate,
        inset=int(rng.integers(0, 2 + math.ceil(height / 3))),
        on_light=ink if not is_dark(style.paper) else (0, 0, 0),
        on_dark=(255, 255, 255) if rng.random() < 0.92 else (255, 235, 60),
    )


def place_in(area: Box, size: tuple[int, int], corner: str, inset: int) -> Box:
    """The box of a letter of ``size`` (w, h) at a corner of ``area``, ``inset`` from its edges."""
    (x0, y0, x1, y1), (width, height) = area, size
    x = {"l": x0 + inset, "c": (x0 + x1 - width) // 2, "r": x1 - inset - width}[corner[1]]
    y = {"t": y0 + inset, "m": (y0 + y1 - height) // 2, "b": y1 - inset - height}[corner[0]]
    x, y = max(x0, min(x, x1 - width)), max(y0, min(y, y1 - height))
    return x, y, x + width, y + height


def stamp(pixels: Pixels, mask: Mask, box: Box, lettering: Lettering, on_picture: bool) -> Box:
    """Draw a letter at ``box``; gives the box of its type, without the plate."""
    x0, y0, x1, y1 = box
    if not on_picture:
        paste(pixels, mask, x0, y0, lettering.style.ink)
        return box
    if lettering.plate is not None:
        pad = 1 + int(lettering.height > 9)
        pixels[max(0, y0 - pad) : y1 + pad, max(0, x0 - pad) : x1 + pad] = lettering.plate
        paste(pixels, mask, x0, y0, (255, 255, 255) if is_dark(lettering.plate) else (0, 0, 0))
        return box
    r, g, b = pixels[y0:y1, x0:x1].reshape(-1, 3).mean(axis=0)
    dark = is_dark((int(r), int(g), int(b)))
    paste(pixels, mask, x0, y0, lettering.on_dark if dark else lettering.on_light)
    return box
