"""Micrographs: fluorescence, stained tissue, cells in culture, and electron microscopy."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .base import Color, Pixels, Rng
from .textures import Grey, as_rgb, curve, field, fill, outline, over, picture, ramp, shaken, times, tinted
from .words import pick

BLACK: Color = (0, 0, 0)
DYES: tuple[tuple[Color, Color, Color], ...] = (
    ((40, 60, 255), (0, 255, 60), (255, 30, 20)),
    ((30, 60, 255), (255, 40, 30), (30, 255, 60)),
    ((60, 110, 255), (30, 255, 60), (255, 60, 255)),
    ((0, 230, 255), (255, 0, 255), (255, 240, 0)),
    ((255, 255, 255), (0, 255, 0), (255, 0, 255)),
)
FIRE = ramp(BLACK, (40, 0, 90), (150, 0, 110), (230, 60, 20), (255, 170, 0), (255, 255, 160), (255, 255, 255))
JET = ramp((0, 0, 130), (0, 60, 255), (0, 230, 255), (120, 255, 120), (255, 230, 0), (255, 50, 0), (130, 0, 0))
STAINS = ("nuclei", "nuclei", "small_nuclei", "sparse_nuclei")
SIGNALS = ("filaments", "strands", "membranes", "large_membranes", "puncta", "cloud", "fibres", "tissue", "swirl", "marble")
PROTEINS = ("Immunofluorescence of nuclei", "Confocal images of stained cells", "Fluorescence of reporter cells")


def zoom_for(width: int, height: int, span: float) -> float:
    """The zoom at which ``span`` pixels of a field reach along the longer side."""
    return max(width, height) / span


def twin(rng: Rng) -> Rng:
    """A generator of its own, so that what is drawn from it does not shift what follows."""
    return np.random.default_rng(int(rng.integers(1 << 62)))


def add(parts: Sequence[Pixels]) -> Pixels:
    """The sum of images, bright parts saturating."""
    total = parts[0]
    for part in parts[1:]:
        total = np.asarray(cv2.add(total, part), np.uint8)
    return total


def region(rng: Rng, width: int, height: int, share: float) -> Grey:
    """White where there is tissue, black elsewhere, in large soft patches that cover about ``share``."""
    name = ("broad", "coarse", "soft")[int(rng.random() * 3)]
    patch = field(rng, name, width, height, zoom_for(width, height, 90 + 130 * rng.random()))
    edge = 128 + (0.5 - share) * 220
    return curve(patch, edge - 14, edge + 14)


def signal(rng: Rng, name: str, width: int, height: int, zoom: float, strength: float) -> Grey:
    """One fluorescent channel: mostly dark, with its structures bright."""
    grey = field(rng, name, width, height, zoom)
    if name in ("cloud", "fibres", "tissue", "swirl", "marble"):
        return curve(grey, 95, 300 - 60 * strength, 1.5)
    return curve(grey, 12, 270 - 90 * strength)


def render_fluorescence(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Cells or tissue with one to three dyes; panels of a series are channels of one field or other fields."""
    dyes = DYES[int(look.random() * len(DYES))]
    names = (STAINS[int(look.random() * len(STAINS))], pick(look, SIGNALS), pick(look, SIGNALS))
    shown, channels, patchy, one_field = look.random(), 1 + int(look.random() * 3), look.random(), look.random() < 0.5
    span, cover = 70 * 6 ** look.random(), 0.25 + 0.5 * look.random()
    place = twin(look if one_field else data)
    zoom = zoom_for(width, height, span)
    strengths = (0.4 + 0.9 * data.random(3)).tolist()
    greys = [signal(place, name, width, height, zoom, s) for name, s in zip(names, strengths, strict=True)]
    if patchy < 0.4:
        mask = region(place, width, height, cover)
        greys = [times(grey, mask) for grey in greys]
    if shown < 0.45 and one_field:  # split channels and their sum
        choice = int(data.random() * 4)
        used = [choice] if choice < 3 else [0, 1, 2][: max(2, channels)]
    else:
        used = [0, 1, 2][:channels] if look.random() < 0.7 else [1]
    grey_only = shown > 0.93 or (len(used) == 1 and shown < 0.06)
    image = add([tinted(greys[i], ramp(BLACK, (255, 255, 255) if grey_only else dyes[i])) for i in used])
    if look.random() < 0.4:
        image = shaken(data, image, 3 + 8 * look.random())
    return image, pick(look, PROTEINS)


def render_cells(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """One to eight large cells on black, each with its nucleus."""
    dyes = DYES[int(look.random() * len(DYES))]
    count, texture = 1 + int(look.random() * look.random() * 8), pick(look, SIGNALS)
    mode = look.random()
    place = twin(look if look.random() < 0.4 else data)
    body, nuclei = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    reach = min(width, height) * (0.42 if count == 1 else 0.55 / count**0.5)
    for _ in range(count):
        offset = (0.5, 0.5) if count == 1 else tuple((0.1 + 0.8 * place.random(2)).tolist())
        centre = (width * offset[0], height * offset[1])
        stretch, turn = 0.55 + 0.45 * place.random(), 3.2 * place.random()
        fill(body, outline(place, centre, (reach, reach * stretch), 0.25, turn), 150 + int(place.random() * 106))
        fill(nuclei, outline(place, centre, (reach * 0.36, reach * 0.3), 0.06, turn), 160 + int(place.random() * 96))
    softness = max(1, int(reach * 0.06)) * 2 + 1
    body = np.asarray(cv2.GaussianBlur(body, (softness, softness), 0), np.uint8)
    zoom = zoom_for(width, height, 120 + 200 * look.random())
    inside = curve(field(place, texture, width, height, zoom), -60, 220)
    greys = [times(nuclei, curve(field(place, "cloud", width, height), -160, 200)), times(body, inside)]
    greys[1] = np.asarray(cv2.subtract(greys[1], over(nuclei, nuclei, 0.0) >> 1), np.uint8)
    if mode < 0.15:
        return tinted(greys[1], FIRE if mode < 0.09 else JET), "Calcium imaging of single cells"
    used = (0, 1) if mode < 0.7 or data.random() < 0.34 else (int(data.random() < 0.5),)
    image = add([tinted(greys[i], ramp(BLACK, dyes[i if mode < 0.85 else i + 1])) for i in used])
    return (shaken(data, image, 5) if look.random() < 0.5 else image), "Subcellular localization in single cells"


def render_embryo(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """One bright body on black: an embryo, a larva, a spheroid, a brain section, a leaf."""
    colour = ((40, 255, 60), (255, 50, 40), (255, 255, 255), (60, 120, 255), (255, 150, 30))[int(look.random() * 5)]
    texture = ("cloud", "marble", "nuclei", "filaments", "swirl", "small_nuclei")[int(look.random() * 6)]
    long, turn, glow = look.random(), look.random() * 3.2, look.random()
    radii = (width * (0.28 + 0.18 * data.random()), height * (0.2 + 0.26 * data.random()))
    if long < 0.35:
        radii, turn = (max(width, height) * 0.45, min(width, height) * 0.16), 0.3 * turn
    body = np.zeros((height, width), np.uint8)
    fill(body, outline(data, (width / 2, height / 2), radii, 0.12, turn * 0.3), 230)
    side = 2 * (max(1, min(width, height) // 30)) + 1
    body = np.asarray(cv2.GaussianBlur(body, (side, side), 0), np.uint8)
    inside = curve(field(data, texture, width, height, zoom_for(width, height, 200 + 200 * look.random())), -50, 230)
    image = tinted(times(body, inside), ramp(BLACK, colour))
    if glow < 0.5:
        spots = times(body, curve(field(data, "puncta" if glow < 0.25 else "coarse", width, height), 150, 255))
        image = add([image, tinted(spots, ramp(BLACK, (255, 60, 60) if colour[0] < 200 else (60, 255, 80)))])
    return image, "Whole-mount fluorescence images"


def render_bioimage(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Grey micrographs of one channel, inverted or in false colours: neurons, tubes, sprouts."""
    name = ("strands", "filaments", "membranes", "large_membranes", "puncta")[int(look.random() * 5)]
    zoom = zoom_for(width, height, 90 * 4 ** look.random())
    grey = signal(data, name, width, height, zoom, 0.6 + 0.5 * look.random())
    mode = look.random()
    if mode < 0.3:
        return as_rgb(cv2.bitwise_not(curve(grey, -10, 290))), "Inverted images of labelled neurons"
    if mode < 0.5:
        return tinted(grey, FIRE if mode < 0.42 else JET), "Intensity shown in pseudocolours"
    return as_rgb(shaken(data, grey, 6)), "Grey-scale fluorescence of labelled structures"


KINDS = (
    picture("fluorescence", "fluorescence", render_fluorescence, 12.0),
    picture("fluorescent_cells", "fluorescence", render_cells, 4.0),
    picture("fluorescent_body", "fluorescence", render_embryo, 2.0),
    picture("fluorescent_network", "fluorescence", render_bioimage, 2.0),
)
