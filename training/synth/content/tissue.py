"""Stained tissue, electron microscopy, cells in bright field, whole animals, and neurons."""

from __future__ import annotations

import cv2
import numpy as np

from ..chance import one_of
from .base import Color, Pixels, Rng
from .textures import (
    Grey,
    as_rgb,
    blurred,
    branch,
    curve,
    field,
    fill,
    lifted,
    outline,
    over,
    picture,
    plus,
    ramp,
    shaken,
    times,
    tinted,
)

# From what is darkest (nuclei) over tissue to glass, in hexadecimal RGB.
STAINS = (
    ("H&E", "3a1c62 783e8c d67ca8 e8a8c4 f3d0de f8f4f7"),
    ("H&E", "462878 8c54a0 e2a0be ecbed0 f4dee6 faf8fa"),
    ("H&E", "420a3c 962864 d44e80 e47896 eeb4c4 f0ecf0"),
    ("Hematoxylin", "28146e 6e5aaa aaa0d2 c8c4e2 e1deee f5f5fa"),
    ("Immunohistochemical", "32180a 824c22 be8c5a c4c8d6 dce0e8 f6f6f6"),
    ("Immunohistochemical", "3c3c64 8287a5 bec4d2 d6dae2 e6e6ea f7f7f5"),
    ("Masson's trichrome", "3c143c b4283c ce5a6e 788cc8 b4c4e2 f6f8fa"),
    ("Sirius red", "780a1e c81e32 e6826e f0c896 f6e2be faf6eb"),
    ("PAS", "50145a aa3282 dc78b4 ecb0d0 f4d8e6 faf8fa"),
    ("Toluidine blue", "0a0a46 323c8c 6e78be a0aad7 cdd4eb f4f6fa"),
    ("Oil Red O", "8c0a0a d23228 e1968c dccdcd e8e2e4 f6f6f6"),
    ("Giemsa", "320a5a 6e328c b48cbe e2d6de eee6e6 f6f0ec"),
)
GROUNDS = ("swirl", "marble", "cloud", "fibres", "epithelium", "tissue", "folds", "medium", "weave", "soft")


def _shades(colours: str) -> list[Color]:
    return [(r, g, b) for r, g, b in map(bytes.fromhex, colours.split())]


def _histology(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Stained tissue: streaming ground, holes, nuclei, at times the edge of the section."""
    name, colours = one_of(look, STAINS)
    size = max(0.5, min(width, height) / 150) * float(np.exp(look.uniform(-0.7, 0.8)))
    base = curve(field(data, one_of(look, GROUNDS), width, height, size), -150, 500)
    base = over(base, field(data, one_of(look, ("rough", "cloud", "grain")), width, height), 0.2)
    if look.random() < 0.55:  # lumens, fat, vessels
        holes = field(data, one_of(look, ("coarse", "folds", "tissue", "broad", "soft")), width, height, size)
        level = look.uniform(150, 225)
        base = plus(base, curve(holes, level, level + 25))
    stained = one_of(look, ("nuclei", "small_nuclei", "small_nuclei", "puncta"))
    nuclei = field(data, stained, width, height, size)
    if look.random() < 0.4:  # in clusters
        nuclei = times(nuclei, curve(field(data, "coarse", width, height, 2 * size), 90, 170))
    index = plus(base, nuclei, -look.uniform(0.4, 0.9))
    if look.random() < 0.85:
        index[base > 235] = 255
    if look.random() < 0.25:
        index = _on_glass(look, data, index)
    return shaken(data, tinted(index, ramp(*_shades(colours))), 4), f"{name} staining of tissue sections"


def _on_glass(look: Rng, data: Rng, index: Grey) -> Grey:
    """The section ends inside the picture; beyond lies nearly white glass."""
    height, width = index.shape
    mask = np.zeros_like(index)
    spread = look.uniform(0.35, 0.75)
    centre = (width * data.uniform(0.2, 0.8), height * data.uniform(0.2, 0.8))
    fill(mask, outline(data, centre, (width * spread, height * spread), 0.3), 255)
    return plus(index, 255 - mask)


def _transmission(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Ultrathin sections: mitochondria, vesicles, membranes; or particles in ice."""
    size = max(0.6, min(width, height) / 150)
    level, contrast = look.uniform(110, 190), look.uniform(0.6, 1.3)
    grey = over(field(data, "cloud", width, height, size), field(data, "fine", width, height, size), 0.45)
    grey = curve(grey, 128 - level * 1.6 / contrast, 128 + (255 - level) * 1.6 / contrast)
    manner = look.random()
    if manner < 0.25:
        _particles(look, data, grey, size)
        return shaken(data, as_rgb(grey), 14), "Cryo-EM micrograph of particles"
    if manner < 0.5:
        membranes = field(data, "large_membranes", width, height, 1.5 * size)
        grey = plus(grey, membranes, -0.5)
    for _ in range(3 + int(look.random() * 12)):
        _organelle(data, grey, size)
    return shaken(data, as_rgb(grey), 7), "Transmission electron micrographs of cells"


def _particles(look: Rng, data: Rng, grey: Grey, size: float) -> None:
    height, width = grey.shape
    radius, dark = max(1.5, size * look.uniform(2, 7)), look.random() < 0.7
    for _ in range(10 + int(look.random() * 40)):
        x, y = int(data.random() * width), int(data.random() * height)
        tone = max(0, int(grey[y, x]) - 60) if dark else min(255, int(grey[y, x]) + 50)
        around = max(1, round(radius * data.uniform(0.7, 1.2)))
        cv2.circle(grey, (x, y), around, tone, cv2.FILLED if dark else 1, cv2.LINE_AA)


def _organelle(data: Rng, grey: Grey, size: float) -> None:
    height, width = grey.shape
    centre = (data.random() * width, data.random() * height)
    long, turn = size * data.uniform(6, 28), data.uniform(0, 3.1)
    shape = outline(data, centre, (long, long * data.uniform(0.4, 0.9)), 0.12, turn)
    kind = data.random()
    if kind < 0.45:  # a mitochondrion with its cristae
        fill(grey, shape, int(data.uniform(60, 120)))
        across = np.array([np.cos(turn), np.sin(turn)])
        along = np.array([-across[1], across[0]]) * long * 0.3
        for step in np.arange(-0.7, 0.8, 0.25) * long:
            middle = across * step + centre
            ends = np.array([middle - along, middle + along], np.int32)[:, None]
            cv2.polylines(grey, [ends], False, 175, 1, cv2.LINE_AA)
    elif kind < 0.8:  # a vacuole
        fill(grey, shape, int(data.uniform(170, 240)))
    else:  # a dense granule
        fill(grey, shape, int(data.uniform(10, 60)))
    cv2.polylines(grey, [shape], True, int(data.uniform(20, 70)), max(1, round(size)), cv2.LINE_AA)


def _scanning(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Surfaces lit from one side, at times over the strip of data that microscopes print at the foot."""
    size = max(0.6, min(width, height) / 150) * float(np.exp(look.uniform(-0.4, 0.9)))
    name = one_of(
        look, ("medium", "coarse", "nuclei", "folds", "cloud", "fibres", "weave", "rough", "tissue")
    )
    relief = over(field(data, name, width, height, size), field(data, "rough", width, height, size), 0.3)
    slope = cv2.Sobel(blurred(relief), cv2.CV_16S, 1, 0, ksize=3)
    lit = cv2.addWeighted(slope, look.uniform(0.4, 1.2), relief.astype(np.int16), look.uniform(0.3, 0.7), 40)
    grey = np.clip(lit, 0, 255).astype(np.uint8)
    if look.random() < 0.4 and height > 50:
        _data_strip(data, grey, dark=look.random() < 0.8)
    return shaken(data, as_rgb(grey), 6), "Scanning electron micrographs of the surface"


def _data_strip(data: Rng, grey: Grey, *, dark: bool) -> None:
    """A strip with print too small to read at this size."""
    height, width = grey.shape
    high, wide = max(5, round(height * 0.08)), max(3, round(width * 0.11))
    grey[-high:] = 0 if dark else 255
    for x in np.linspace(0.04, 0.8, 5) * width:
        print_ = field(data, "white", wide, max(2, high - 4))
        area = grey[-high + 2 :, int(x) :][: print_.shape[0], :wide]
        area[print_[:, : area.shape[1]] > 150] = 255 if dark else 0


def _brightfield(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Living cells: grey ground, dark rims with halos; scratch assays, stained wells, phase contrast."""
    size = max(0.5, min(width, height) / 150) * float(np.exp(look.uniform(-0.5, 0.7)))
    name = one_of(look, ("nuclei", "sparse_nuclei", "membranes", "strands", "medium", "folds", "nuclei"))
    cells = field(data, name, width, height, size)
    edge = np.asarray(cv2.Laplacian(blurred(cells), cv2.CV_16S, ksize=3), np.int16)
    gain, level, manner = look.uniform(0.5, 1.8), look.uniform(120, 225), look.random()
    if manner < 0.35:  # a scratch between two sheets of cells
        edge[_scratch(look, data, width, height) > 0] //= 12
    light = curve(field(data, "soft", width, height, 2.0), -900, 500).astype(np.int16)
    grey = np.clip(cv2.addWeighted(edge, gain, light, 1.0, level - 165.0), 0, 255).astype(np.uint8)
    if manner > 0.75:
        violet = ramp((60, 20, 110), (150, 120, 190), (225, 220, 235), (250, 250, 252))
        grey = plus(curve(grey, -60, 230), cells, -0.7)
        return shaken(data, tinted(grey, violet), 4), "Migrated cells stained with crystal violet"
    white = one_of(look, ((255, 255, 255), (255, 255, 255), (240, 246, 236), (255, 244, 224)))
    phrase = "Wound healing assay" if manner < 0.35 else "Bright-field images of cells"
    return shaken(data, tinted(grey, ramp((0, 0, 0), white)), 5), phrase


def _scratch(look: Rng, data: Rng, width: int, height: int) -> Grey:
    """White where a scratch, upright or at times across, has left no cells."""
    mask = np.zeros((height, width), np.uint8)
    half = look.uniform(0.08, 0.25) * data.uniform(0.5, 1.1)
    along = np.linspace(-0.05, 1.05, 14)
    left = 0.5 - half + np.cumsum(data.normal(0, 0.012, 14))
    right = 0.5 + half + np.cumsum(data.normal(0, 0.012, 14))
    points = np.concatenate([np.stack([left, along], 1), np.stack([right, along], 1)[::-1]])
    if look.random() < 0.2:
        points = points[:, ::-1]
    fill(mask, np.asarray(points * (width, height), np.int32)[:, None], 255)
    return mask


def _animal(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A larva, embryo or worm in transmitted light."""
    grey = np.full((height, width), int(look.uniform(150, 245)), np.uint8)
    mask = np.zeros_like(grey)
    turn = look.uniform(-0.3, 0.3) if width > height else look.uniform(1.2, 1.9)
    long = max(width, height) * look.uniform(0.32, 0.48)
    wide = min(min(width, height) * 0.42, long * look.uniform(0.15, 0.6))
    fill(mask, outline(data, (width / 2, height / 2), (long, wide), 0.2, turn), 255)
    body = over(field(data, "cloud", width, height), field(data, "grain", width, height), 0.3)
    cv2.copyTo(curve(body, -60, look.uniform(270, 400)), blurred(mask), grey)
    tint = one_of(look, ((255, 255, 255), (250, 235, 200), (225, 235, 245), (245, 240, 220)))
    return shaken(data, tinted(grey, ramp((20, 10, 5), tint)), 4), "Morphology of larvae"


def _neurons(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Cell bodies with branching processes on black, or black on white."""
    inverted = look.random() < 0.2
    dye: Color = one_of(look, ((30, 255, 40), (255, 40, 30), (255, 40, 220), (255, 230, 40), (255, 255, 255)))
    grey = np.zeros((height, width), np.uint8)
    side = float(min(width, height))
    for _ in range(1 + int(data.random() * 3)):
        x, y = width * data.uniform(0.1, 0.9), height * data.uniform(0.1, 0.9)
        for _ in range(3 + int(data.random() * 4)):
            length = side * data.uniform(0.2, 0.6)
            branch(data, grey, (x, y), data.uniform(0, 6.3), length, side / 120, 2, tones=(90, 210))
        body = side * data.uniform(0.02, 0.06)
        fill(grey, outline(data, (x, y), (body, body), 0.3), 255)
    out = tinted(
        plus(lifted(grey, 0.6), blurred(grey, 5)), ramp((0, 0, 0), (255, 255, 255) if inverted else dye)
    )
    if look.random() < 0.5 and not inverted:
        spots = field(data, "sparse_nuclei", width, height, max(0.4, side / 150))
        out = plus(out, tinted(spots, ramp((0, 0, 0), (20, 30, 200))))
    out = shaken(data, out, 5)
    return (255 - out if inverted else out), "Morphology of labelled neurons"


KINDS = (
    picture("histology", "histology", _histology, 10.0),
    picture("transmission_em", "em", _transmission, 3.0),
    picture("scanning_em", "em", _scanning, 2.0),
    picture("brightfield", "brightfield", _brightfield, 3.5),
    picture("animal", "brightfield", _animal, 1.5, (0.5, 2.6)),
    picture("neurons", "fluorescence", _neurons, 1.5),
)
