"""Fluorescence: stained cells and tissue in several channels, single cells, whole bodies, live animals."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np

from ..chance import one_of
from .base import Color, Pixels, Rng
from .textures import (
    Grey,
    as_rgb,
    blurred,
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

BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)
DYES: tuple[tuple[Color, Color, Color], ...] = (
    ((40, 60, 255), (0, 255, 60), (255, 30, 20)),
    ((30, 60, 255), (255, 40, 30), (30, 255, 60)),
    ((60, 110, 255), (30, 255, 60), (255, 60, 255)),
    ((0, 230, 255), (245, 0, 250), (255, 240, 0)),
    (WHITE, (0, 255, 0), (245, 0, 250)),
)
FIRE = ramp(BLACK, (40, 0, 90), (150, 0, 110), (230, 60, 20), (255, 170, 0), (255, 255, 160), WHITE)
JET = ramp(
    (0, 0, 130), (0, 60, 255), (0, 230, 255), (120, 255, 120), (255, 230, 0), (255, 50, 0), (130, 0, 0)
)
NUCLEI = ("nuclei", "nuclei", "small_nuclei", "sparse_nuclei")
THREADS = ("filaments", "strands", "membranes", "large_membranes", "puncta")
BODIES = ("cloud", "fibres", "tissue", "swirl", "marble", "folds")
STAINED = (
    "Immunofluorescence of nuclei",
    "Confocal images of stained cells",
    "Immunostaining of tissue sections",
    "Fluorescence of reporter cells",
)


def _twin(rng: Rng) -> Rng:
    """A generator of its own, so that what is drawn from it does not shift what follows."""
    return np.random.default_rng(int(rng.integers(1 << 62)))


def _zoom(width: int, height: int, span: float) -> float:
    """The zoom at which ``span`` pixels of a field reach along the longer side."""
    return max(width, height) / span


def _merged(greys: Sequence[Grey], colours: Sequence[Color]) -> Pixels:
    """Channels in their colours, added up."""
    return reduce(plus, [tinted(grey, ramp(BLACK, c)) for grey, c in zip(greys, colours, strict=True)])


def _region(rng: Rng, width: int, height: int, share: float) -> Grey:
    """White where there is tissue, in large patches over about ``share`` of the image, black elsewhere."""
    patch = field(
        rng,
        one_of(rng, ("broad", "coarse", "soft")),
        width,
        height,
        _zoom(width, height, 90 + 130 * rng.random()),
    )
    edge = 128 + (0.5 - share) * 220
    return curve(patch, edge - 14, edge + 14)


def _signal(rng: Rng, name: str, width: int, height: int, zoom: float, strength: float) -> Grey:
    """One channel: mostly dark, its structures bright; ``strength`` from 0 to 1.3."""
    grey = field(rng, name, width, height, zoom)
    if name == "tissue":  # packed cells, each of which would be one flat tone
        grey = over(grey, field(rng, "swirl", width, height, zoom), 0.5)
    if name in BODIES:
        return curve(grey, 95, 300 - 60 * strength, 1.5)
    return curve(grey, 12, 270 - 90 * strength)


def _stained(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Cells or tissue with up to three dyes.

    The panels of a series are channels of one field, time points of one field, or other fields.
    """
    dyes = one_of(look, DYES)
    names = [one_of(look, NUCLEI), one_of(look, THREADS + BODIES), one_of(look, THREADS + BODIES)]
    manner, patchy, grainy, plain = look.random(4).tolist()
    channels, span, cover = 1 + int(look.random() * 3), 70 * 6 ** look.random(), 0.25 + 0.5 * look.random()
    zoom = _zoom(width, height, span)
    place = _twin(look if manner < 0.55 else data)
    if manner < 0.4:
        shown = int(data.random() * 4)  # one channel, or all of them
        used = [shown] if shown < 3 else [0, 1, 2][: max(2, channels)]
    else:
        used = [0, 1, 2][:channels] if plain < 0.8 else [1]
        zoom *= 1 + 0.12 * float(data.random())  # the same field a little later
    strengths = (0.4 + 0.9 * data.random(3)).tolist()
    seeds = [_twin(place) for _ in range(4)]  # a channel looks the same whichever others are shown
    greys = [_signal(seeds[i], names[i], width, height, zoom, strengths[i]) for i in used]
    if patchy < 0.4:
        mask = _region(seeds[3], width, height, cover)
        greys = [times(grey, mask) for grey in greys]
    one_tone = plain > 0.92 or (len(used) == 1 and plain < 0.08)
    image = _merged(greys, [WHITE if one_tone else dyes[i] for i in used])
    if grainy < 0.4:
        image = shaken(data, image, 3 + 20 * grainy)
    return image, one_of(look, STAINED)


def _section(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A tissue section: dense nuclei around black lumina, haze, some bright structures."""
    dyes = one_of(look, DYES)
    span, share, layered = 150 + 250 * look.random(), 0.6 + 0.3 * look.random(), look.random() < 0.3
    zoom = _zoom(width, height, span)
    tissue = _region(data, width, height, share)
    nuclei = times(field(data, "small_nuclei", width, height, zoom), tissue, 1.0 + 0.3 * look.random())
    haze = lifted(times(field(data, one_of(look, BODIES), width, height, zoom), tissue), 0.3)
    bright = _signal(data, one_of(look, THREADS), width, height, zoom * 1.4, 0.9)
    if layered:  # a cortex, a retina, a gut wall
        rows = np.linspace(0, 2 + 3 * look.random(), height, dtype=np.float32) + np.float32(data.random())
        bands = np.clip(np.sin(rows * 3.1)[:, None] * 180 + 128, 0, 255).astype(np.uint8)
        nuclei = times(nuclei, np.repeat(bands, width, axis=1))
    else:
        bright = times(bright, _region(data, width, height, 0.4))
    return _merged([nuclei, plus(haze, bright)], dyes[:2]), "Immunostaining of tissue sections"


def _cells(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """One to eight large cells on black, each with its nucleus."""
    dyes, texture = one_of(look, DYES), one_of(look, THREADS + BODIES)
    count, span, mode = 1 + int(look.random() * look.random() * 8), 120 + 200 * look.random(), look.random()
    split = look.random() < 0.4
    place = _twin(look if split else data)
    body, nuclei = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    reach = min(width, height) * (0.42 if count == 1 else 0.55 / count**0.5)
    for _ in range(count):
        u, v = (0.5, 0.5) if count == 1 else (0.1 + 0.8 * place.random(2)).tolist()
        centre, stretch, turn = (width * u, height * v), 0.55 + 0.45 * place.random(), 3.2 * place.random()
        tone = 150 + int(place.random() * 106)
        fill(body, outline(place, centre, (reach, reach * stretch), 0.25, turn), tone)
        fill(nuclei, outline(place, centre, (reach * 0.36, reach * 0.3), 0.06, turn), tone)
    body = blurred(body, max(1, int(reach * 0.06)) * 2 + 1)
    body = times(body, curve(field(place, texture, width, height, _zoom(width, height, span)), -60, 220))
    body = plus(body, nuclei, -0.5)
    nuclei = times(nuclei, curve(field(place, "cloud", width, height), -160, 200))
    if mode < 0.15:
        return tinted(
            lifted(body, 0.5 + 0.6 * data.random()), FIRE if mode < 0.09 else JET
        ), "Calcium in single cells"
    shown = data.random() if split else 0.0
    used = (0, 1) if shown < 0.34 else ((0,) if shown < 0.67 else (1,))
    image = _merged([(nuclei, body)[i] for i in used], [dyes[i if mode < 0.85 else i + 1] for i in used])
    return (shaken(data, image, 5) if mode > 0.6 else image), "Subcellular localization in single cells"


def _body(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """One bright body on black: an embryo, a larva, a spheroid, a brain section, a leaf."""
    colour = one_of(look, ((40, 255, 60), (255, 50, 40), WHITE, (60, 120, 255), (255, 150, 30)))
    texture = one_of(look, ("cloud", "marble", "nuclei", "filaments", "swirl", "small_nuclei"))
    long, turn, glow, span = look.random(), look.random(), look.random(), 200 + 200 * look.random()
    radii = (width * (0.28 + 0.18 * data.random()), height * (0.2 + 0.26 * data.random()))
    if long < 0.35:
        radii = (max(width, height) * 0.45, min(width, height) * 0.16)
    body = np.zeros((height, width), np.uint8)
    fill(body, outline(data, (width / 2, height / 2), radii, 0.12, turn), 230)
    body = blurred(body, 2 * max(1, min(width, height) // 30) + 1)
    inside = curve(field(data, texture, width, height, _zoom(width, height, span)), -50, 230)
    greys, colours = [times(body, inside)], [colour]
    if glow < 0.5:
        spots = field(data, "puncta" if glow < 0.25 else "coarse", width, height)
        greys.append(times(body, curve(spots, 150, 255)))
        colours.append((255, 60, 60) if colour[0] < 200 else (60, 255, 80))
    return _merged(greys, colours), "Whole-mount fluorescence images"


def _network(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Threads, meshes and dots of one channel in grey, inverted, or in false colours."""
    zoom, mode = _zoom(width, height, 90 * 4 ** look.random()), look.random()
    grey = _signal(data, one_of(look, THREADS), width, height, zoom, 0.6 + 0.5 * look.random())
    if mode < 0.3:
        return as_rgb(curve(grey, 290, -10)), "Inverted images of labelled structures"
    if mode < 0.5:
        return tinted(grey, FIRE if mode < 0.42 else JET), "Intensity shown in pseudocolours"
    return as_rgb(shaken(data, grey, 6)), "Grey-scale fluorescence of labelled structures"


def _stack(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A confocal stack from above with its two side views along the edges: one panel."""
    image = _stained(look, data, width, height)[0]
    share, line = 0.12 + 0.12 * look.random(), one_of(look, (WHITE, (255, 230, 0), (120, 120, 120)))
    x, y = round(width * (1 - share)), round(height * (1 - share))
    u, v = int(x * data.uniform(0.2, 0.8)), int(y * data.uniform(0.2, 0.8))
    across, down = image[v : v + 6, :x], image[:y, u : u + 6]
    gap = 1 + int(look.random() * 2)
    image[y:, :x] = blurred(np.asarray(cv2.resize(across, (x, height - y)), np.uint8), 1, 5)
    image[:y, x:] = blurred(np.asarray(cv2.resize(down, (width - x, y)), np.uint8), 5, 1)
    image[y:, x:] = BLACK
    image[y : y + gap, :], image[:, x : x + gap] = line, line
    if look.random() < 0.7:
        image[v, :], image[:, u] = line, line
    return image, "Orthogonal views of a confocal stack"


def _live(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Grey animals side by side on a dark stage, the glow of their tumours in false colours."""
    stage, most = 8 + int(look.random() * 60), 0.3 + 0.7 * look.random()
    count = max(1, min(6, round(width / height * one_of(look, (1.2, 1.8, 2.4)))))
    grey, glow = np.full((height, width), stage, np.uint8), np.zeros((height, width), np.uint8)
    pitch = width / count
    for n in range(count):
        x, half = pitch * (n + 0.5 + 0.06 * data.standard_normal()), min(pitch * 0.3, height * 0.2)
        tone = 130 + int(data.random() * 90)
        fill(grey, outline(data, (x, height * 0.58), (half, height * 0.27), 0.06), tone)
        fill(grey, outline(data, (x, height * 0.25), (half * 0.55, height * 0.13), 0.04), tone)
        for side in (-1, 1):
            fill(
                grey, outline(data, (x + side * half * 0.5, height * 0.19), (half * 0.25, half * 0.25)), tone
            )
        tail = (round(x + half * data.standard_normal() * 0.5), height - 2)
        cv2.line(grey, (round(x), round(height * 0.82)), tail, tone, max(1, round(half / 8)), cv2.LINE_AA)
        if data.random() < most:
            size = half * (0.3 + 0.6 * data.random())
            centre = (x + half * 0.4 * data.standard_normal(), height * data.uniform(0.4, 0.75))
            fill(glow, outline(data, centre, (size, size), 0.25), 255)
    fur = curve(field(data, "fine", width, height), -255, 255)
    image = as_rgb(over(blurred(grey, 3), times(grey, fur), 0.5))
    spread = 2 * max(1, height // 14) + 1
    glow = blurred(blurred(glow, spread), spread)
    lit = glow > 60
    image[lit] = tinted(glow, JET)[lit]
    return image, "Bioluminescence of tumours in mice"


KINDS = (
    picture("fluorescence", "fluorescence", _stained, 11.0),
    picture("fluorescent_section", "fluorescence", _section, 3.0),
    picture("fluorescent_cells", "fluorescence", _cells, 4.0),
    picture("fluorescent_body", "fluorescence", _body, 2.0),
    picture("fluorescent_network", "fluorescence", _network, 2.0),
    picture("orthogonal_views", "fluorescence", _stack, 1.0),
    picture("live_animals", "photo", _live, 1.2, (0.7, 2.5)),
)
