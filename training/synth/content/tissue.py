"""Stained tissue, electron microscopy, cells in bright field, whole animals, and neurons."""

from __future__ import annotations

import cv2
import numpy as np

from ..chance import one_of
from .base import Color, Pixels, Rng
from .textures import Grey, as_rgb, curve, field, fill, outline, over, picture, ramp, shaken, times, tinted

# A stain runs from what is darkest (nuclei) over tissue to glass.
STAINS: tuple[tuple[str, tuple[Color, ...]], ...] = (
    ("H&E", ((58, 28, 98), (120, 62, 140), (214, 124, 168), (232, 168, 196), (243, 208, 222), (248, 244, 247))),
    ("H&E", ((70, 40, 120), (140, 84, 160), (226, 160, 190), (236, 190, 208), (244, 222, 230), (250, 248, 250))),
    ("H&E", ((66, 10, 60), (150, 40, 100), (212, 78, 128), (228, 120, 150), (238, 180, 196), (240, 236, 240))),
    ("Hematoxylin", ((40, 20, 110), (110, 90, 170), (170, 160, 210), (200, 196, 226), (225, 222, 238), (245, 245, 250))),
    ("Immunohistochemical", ((50, 24, 10), (130, 76, 34), (190, 140, 90), (196, 200, 214), (220, 224, 232), (246, 246, 246))),
    ("Immunohistochemical", ((60, 60, 100), (130, 135, 165), (190, 196, 210), (214, 218, 226), (230, 230, 234), (247, 247, 245))),
    ("Masson's trichrome", ((60, 20, 60), (180, 40, 60), (206, 90, 110), (120, 140, 200), (180, 196, 226), (246, 248, 250))),
    ("Sirius red", ((120, 10, 30), (200, 30, 50), (230, 130, 110), (240, 200, 150), (246, 226, 190), (250, 246, 235))),
    ("PAS", ((80, 20, 90), (170, 50, 130), (220, 120, 180), (236, 176, 208), (244, 216, 230), (250, 248, 250))),
    ("Toluidine blue", ((10, 10, 70), (50, 60, 140), (110, 120, 190), (160, 170, 215), (205, 212, 235), (244, 246, 250))),
    ("Oil Red O", ((140, 10, 10), (210, 50, 40), (225, 150, 140), (220, 205, 205), (232, 226, 228), (246, 246, 246))),
    ("Giemsa", ((50, 10, 90), (110, 50, 140), (180, 140, 190), (226, 214, 222), (238, 230, 230), (246, 240, 236))),
)  # fmt: skip
GROUNDS = ("swirl", "marble", "cloud", "fibres", "epithelium", "tissue", "folds", "medium", "weave", "soft")


def _histology(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Stained tissue: streaming ground, holes, nuclei, at times the edge of the section."""
    name, colours = one_of(look, STAINS)
    size = max(0.5, min(width, height) / 150) * float(np.exp(look.uniform(-0.7, 0.8)))
    base = curve(field(data, one_of(look, GROUNDS), width, height, size), -150, 500)
    base = over(base, field(data, one_of(look, ("rough", "cloud", "grain")), width, height), 0.2)
    if look.random() < 0.55:  # lumens, fat, vessels
        holes = field(data, one_of(look, ("coarse", "folds", "tissue", "broad", "soft")), width, height, size)
        level = look.uniform(150, 225)
        base = np.asarray(cv2.add(base, curve(holes, level, level + 25)), np.uint8)
    stained = one_of(look, ("nuclei", "small_nuclei", "small_nuclei", "puncta"))
    nuclei = field(data, stained, width, height, size)
    if look.random() < 0.4:  # in clusters
        nuclei = times(nuclei, curve(field(data, "coarse", width, height, 2 * size), 90, 170))
    index = np.asarray(cv2.addWeighted(base, 1.0, nuclei, -look.uniform(0.4, 0.9), 0), np.uint8)
    if look.random() < 0.85:
        index[base > 235] = 255
    if look.random() < 0.25:
        index = _on_glass(look, data, index)
    return shaken(data, tinted(index, ramp(*colours)), 4), f"{name} staining of tissue sections"


def _on_glass(look: Rng, data: Rng, index: Grey) -> Grey:
    """The section ends inside the picture; beyond lies nearly white glass."""
    height, width = index.shape
    mask = np.zeros_like(index)
    spread = look.uniform(0.35, 0.75)
    centre = (width * data.uniform(0.2, 0.8), height * data.uniform(0.2, 0.8))
    fill(mask, outline(data, centre, (width * spread, height * spread), 0.3), 255)
    return np.asarray(cv2.add(index, cv2.bitwise_not(mask)), np.uint8)


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
        grey = np.asarray(cv2.addWeighted(grey, 1.0, membranes, -0.5, 0), np.uint8)
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
    name = one_of(look, ("medium", "coarse", "nuclei", "folds", "cloud", "fibres", "weave", "rough", "tissue"))
    relief = over(field(data, name, width, height, size), field(data, "rough", width, height, size), 0.3)
    slope = cv2.Sobel(cv2.blur(relief, (3, 3)), cv2.CV_16S, 1, 0, ksize=3)
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
    edge = cv2.Laplacian(cv2.blur(cells, (3, 3)), cv2.CV_16S, ksize=3)
    gain, level, manner = look.uniform(0.5, 1.8), look.uniform(120, 225), look.random()
    if manner < 0.35:  # a scratch between two sheets of cells
        edge[_scratch(look, data, width, height) > 0] //= 12
    light = curve(field(data, "soft", width, height, 2.0), -900, 500).astype(np.int16)
    grey = np.clip(cv2.addWeighted(edge, gain, light, 1.0, level - 165.0), 0, 255).astype(np.uint8)
    if manner > 0.75:
        violet = ramp((60, 20, 110), (150, 120, 190), (225, 220, 235), (250, 250, 252))
        grey = np.asarray(cv2.addWeighted(curve(grey, -60, 230), 1.0, cells, -0.7, 0), np.uint8)
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
    cv2.copyTo(curve(body, -60, look.uniform(270, 400)), cv2.blur(mask, (3, 3)), grey)
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
            _branch(data, grey, (x, y), data.uniform(0, 6.3), side * data.uniform(0.2, 0.6), 2)
        body = side * data.uniform(0.02, 0.06)
        fill(grey, outline(data, (x, y), (body, body), 0.3), 255)
    glow = cv2.addWeighted(grey, 0.6, cv2.blur(grey, (5, 5)), 1.0, 0)
    out = tinted(np.asarray(glow, np.uint8), ramp((0, 0, 0), (255, 255, 255) if inverted else dye))
    if look.random() < 0.5 and not inverted:
        spots = field(data, "sparse_nuclei", width, height, max(0.4, side / 150))
        out = np.asarray(cv2.add(out, tinted(spots, ramp((0, 0, 0), (20, 30, 200)))), np.uint8)
    out = shaken(data, out, 5)
    return (255 - out if inverted else out), "Morphology of labelled neurons"


def _branch(data: Rng, grey: Grey, start: tuple[float, float], angle: float, length: float, depth: int) -> None:
    turns = angle + np.cumsum(data.normal(0, 0.25, 8))
    steps = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], 1) * (length / 8), 0)
    path = np.vstack([(0, 0), steps]) + start
    thick = max(1, round(min(grey.shape) / 120)) if depth > 1 else 1
    cv2.polylines(grey, [path.astype(np.int32)[:, None]], False, 90 + 60 * depth, thick, cv2.LINE_AA)
    if depth and length > 12:
        for at in (4, 8):
            turn = float(turns[at - 1] + data.uniform(-0.9, 0.9))
            _branch(data, grey, (float(path[at, 0]), float(path[at, 1])), turn, length * 0.5, depth - 1)


KINDS = (
    picture("histology", "histology", _histology, 10.0),
    picture("transmission_em", "em", _transmission, 3.0),
    picture("scanning_em", "em", _scanning, 2.0),
    picture("brightfield", "brightfield", _brightfield, 3.5),
    picture("animal", "brightfield", _animal, 1.5, (0.5, 2.6)),
    picture("neurons", "fluorescence", _neurons, 1.5),
)
