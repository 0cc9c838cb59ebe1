"""Photographs, organs on white paper, shaded models, maps from above, sheets of slices, spectrograms."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from ..chance import one_of
from .base import Color, Drawn, Pixels, Rng, Style, mix
from .textures import (
    Grey,
    as_rgb,
    blurred,
    curve,
    disc,
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

SKIN: tuple[tuple[Color, ...], ...] = (
    ((90, 40, 30), (190, 120, 95), (226, 172, 145), (245, 214, 196)),
    ((50, 25, 15), (120, 75, 50), (160, 110, 80), (200, 155, 125)),
    ((110, 40, 40), (210, 130, 115), (236, 180, 165), (250, 225, 215)),
)
WET: tuple[tuple[Color, ...], ...] = (
    ((60, 5, 5), (150, 30, 25), (200, 80, 60), (250, 200, 180)),
    ((70, 20, 20), (180, 80, 70), (220, 130, 110), (255, 225, 215)),
    ((60, 40, 10), (170, 120, 60), (215, 180, 110), (250, 240, 210)),
)
GREEN: tuple[tuple[Color, ...], ...] = (
    ((10, 25, 8), (40, 90, 30), (110, 150, 60), (200, 215, 150)),
    ((20, 30, 5), (70, 110, 30), (140, 170, 70), (225, 225, 140)),
    ((25, 20, 10), (90, 80, 40), (150, 135, 80), (215, 205, 160)),
)


def _lit(mask: Grey, texture: Grey, light: float, rough: float) -> Grey:
    """The shading of a rounded body of this outline under light from the upper left; 0 outside it."""
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    height = np.sqrt(distance, dtype=np.float32) * 14 + texture.astype(np.float32) * rough
    slope = cv2.Sobel(blurred(height), cv2.CV_32F, 1, 0) + cv2.Sobel(height, cv2.CV_32F, 0, 1)
    shade = np.clip(slope * light + 150 + texture * 0.15, 1, 255).astype(np.uint8)
    return np.asarray(cv2.bitwise_and(blurred(shade), mask), np.uint8)


def _body(data: Rng, width: int, height: int, share: float, rough: float, turn: float) -> Grey:
    """A mask of one irregular body in the middle that takes ``share`` of each side."""
    mask = np.zeros((height, width), np.uint8)
    radii = (width * share / 2, height * share / 2)
    cv2.fillPoly(mask, [outline(data, (width / 2, height / 2), radii, rough, turn)], 255)
    return mask


def paint_organs(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Specimens cut out on the paper of the figure, one or several in a row, without any border."""
    height, width = pixels.shape[:2]
    table = ramp(*one_of(look, WET + GREEN + SKIN[:1]))
    count = min(1 + int(look.random() ** 2 * 6), max(1, round(2 * width / height)), max(1, width // 14))
    rough, light, turn = look.uniform(0.1, 0.35), look.uniform(0.4, 1.1), look.uniform(-0.2, 0.2)
    texture = one_of(look, ("cloud", "rough", "fibres", "medium", "fine"))
    edges = np.linspace(0, width, count + 1).astype(int)
    for x0, x1 in itertools.pairwise(edges):
        part = pixels[:, x0:x1]
        size = (x1 - x0, height)
        share = data.uniform(0.72, 0.95) if count == 1 else data.uniform(0.55, 0.92)
        mask = _body(data, *size, share, rough, turn)
        shade = _lit(mask, field(data, texture, *size), light, 0.05)
        cv2.copyTo(tinted(shade, table), mask, part)
    return "Gross appearance of the specimens"


def paint_model(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A molecule or anatomical model as programs render it: balls, ribbons or a shaded surface on paper."""
    height, width = pixels.shape[:2]
    manner = look.random()
    colours = [one_of(look, style.palette) for _ in range(4)]
    if manner < 0.4:
        _balls(look, data, pixels, colours)
        return "Surface of the protein complex"
    if manner < 0.75:
        _ribbons(data, pixels, colours)
        return "Crystal structure in cartoon representation"
    mask = _body(data, width, height, 0.92, 0.12, 0.0)
    relief = field(
        data,
        one_of(look, ("folds", "coarse", "soft", "medium")),
        width,
        height,
        min(width, height) / 150 + 0.3,
    )
    shade = _lit(mask, relief, 0.9, look.uniform(0.1, 0.5))
    out = tinted(
        shade, ramp((20, 20, 20), mix(colours[0], (200, 200, 200), look.uniform(0.3, 1.0)), (250, 250, 250))
    )
    active = times(curve(field(data, "broad", width, height, 0.8), 150, 190), mask)
    if look.random() < 0.6:
        strength = lifted(shade, 0.76, 60)
        cv2.copyTo(tinted(strength, ramp((0, 0, 0), colours[1], (255, 255, 255))), active, out)
    cv2.copyTo(out, mask, pixels)
    return "Three-dimensional reconstruction"


def _balls(look: Rng, data: Rng, pixels: Pixels, colours: list[Color]) -> None:
    """Shaded balls, those at the back first."""
    height, width = pixels.shape[:2]
    count, side = 40 + int(look.random() * 50), min(width, height)
    radius = max(2.0, side * look.uniform(0.04, 0.09))
    where = np.clip(data.normal(0, 0.42, (count, 3)), -1, 1)
    where[:, :2] *= ((width / 2 - radius * 1.2), (height / 2 - radius * 1.2))
    for x, y, z in where[np.argsort(where[:, 2])]:
        colour = colours[int((np.arctan2(y, x) + np.pi) / 1.6) % len(colours)]
        at = (round(width / 2 + x), round(height / 2 + y))
        size = max(1, round(radius * (1 + 0.3 * z)))
        disc(pixels, at, size, mix(colour, (0, 0, 0), 0.45))
        lit = (at[0] - size // 5, at[1] - size // 5)
        disc(pixels, lit, size * 0.72, mix(colour, (0, 0, 0), 0.1 - 0.1 * z))
        shine = (at[0] - size // 3, at[1] - size // 3)
        disc(pixels, shine, size // 4, mix(colour, (255, 255, 255), 0.6))


def _ribbons(data: Rng, pixels: Pixels, colours: list[Color]) -> None:
    """Helices and loops of a protein chain."""
    height, width = pixels.shape[:2]
    thick = max(2, round(min(width, height) / 26))
    middle = np.array([width / 2, height / 2])
    end = middle + data.normal(0, 0.2, 2) * (width, height)
    t = np.linspace(0, 1, 30)[:, None]
    for number in range(9 + int(data.random() * 6)):
        colour = colours[number * len(colours) // 14 % len(colours)]
        start, long = end, min(width, height) * data.uniform(0.25, 0.5)
        goal = middle + data.normal(0, 0.24, 2) * (width, height)
        along = (goal - start) / max(1.0, float(np.hypot(*(goal - start))))
        end = start + long * along
        if data.random() < 0.6:  # a helix: a wave whose far side is darker
            wave = np.sin(t * data.uniform(14, 26)) * thick * 1.5
            path = start + t * long * along + wave * np.array([-along[1], along[0]])
        else:
            path = start + t * long * along + np.cumsum(data.normal(0, thick * 0.35, (30, 2)), 0)
        path = np.clip(path, thick, (width - thick, height - thick)).astype(np.int32)[:, None]
        cv2.polylines(pixels, [path], False, mix(colour, (0, 0, 0), 0.5), thick + 1, cv2.LINE_AA)
        cv2.polylines(pixels, [path], False, colour, max(1, thick - 1), cv2.LINE_AA)
        cv2.polylines(
            pixels,
            [path - thick // 4],
            False,
            mix(colour, (255, 255, 255), 0.5),
            max(1, thick // 4),
            cv2.LINE_AA,
        )


def _clinical(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Skin with lesions, or wet tissue during surgery, with highlights."""
    wet = look.random() < 0.45
    table = ramp(*one_of(look, WET if wet else SKIN))
    size = max(0.6, min(width, height) / 120)
    relief = over(
        field(data, "soft", width, height, size),
        field(data, "swirl" if wet else "cloud", width, height, size),
        0.5,
    )
    relief = curve(relief, -120, 340) if not wet else curve(relief, -30, 300)
    colour = tinted(over(relief, field(data, "grain", width, height), 0.08), table)
    spots = np.zeros((height, width), np.uint8)
    for _ in range(1 + int(data.random() * 6)):
        at = (width * data.uniform(0.1, 0.9), height * data.uniform(0.1, 0.9))
        radius = min(width, height) * data.uniform(0.03, 0.2)
        fill(
            spots, outline(data, at, (radius, radius * data.uniform(0.5, 1)), 0.3), int(data.uniform(90, 230))
        )
    spots = blurred(spots, 5)
    lesion: Color = one_of(look, ((20, 110, 100), (60, 100, 110), (90, 110, 100), (10, 60, 70)))
    colour = plus(colour, tinted(spots, ramp((0, 0, 0), lesion)), -1.0)
    if wet:
        shine = curve(field(data, "medium", width, height, size), 215, 255)
        colour = plus(colour, tinted(shine, ramp((0, 0, 0), (230, 230, 230))))
    if look.random() < 0.25:  # an endoscope's round view
        mask = np.zeros((height, width), np.uint8)
        disc(mask, (width / 2, height / 2), min(width, height) * look.uniform(0.46, 0.6), 255)
        colour = np.asarray(cv2.copyTo(colour, mask), np.uint8)
    return shaken(data, colour, 3), "Intraoperative view" if wet else "Clinical photographs of the lesions"


def _specimens(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Plants, mice, tumours or seeds in rows on cloth, soil or black, at times over a ruler."""
    ground: Color = one_of(
        look, ((14, 14, 16), (40, 70, 140), (225, 222, 215), (120, 110, 100), (245, 245, 245), (60, 120, 110))
    )
    cloth = over(field(data, "cloud", width, height), field(data, "weave", width, height), 0.4)
    out = tinted(
        curve(cloth, -200, 420), ramp(mix(ground, (0, 0, 0), 0.5), ground, mix(ground, (255, 255, 255), 0.5))
    )
    table = ramp(*one_of(look, GREEN + GREEN + WET + SKIN[2:]))
    rows = 1 + int(look.random() * 2.3 * height / max(width, height))
    columns = max(1, min(8, round((1 + look.random() * 4) * width / max(width, height))))
    leaves, rough = look.random() < 0.4, look.uniform(0.15, 0.4)
    mask = np.zeros((height, width), np.uint8)
    pitch = (width / columns, height / rows)
    for row in range(rows):
        for column in range(columns):
            at = (pitch[0] * (column + data.uniform(0.42, 0.58)), pitch[1] * (row + data.uniform(0.42, 0.58)))
            grown = data.uniform(0.5, 1.0)
            if not leaves:
                fill(mask, outline(data, at, (pitch[0] * 0.42 * grown, pitch[1] * 0.4 * grown), rough), 255)
                continue
            for angle in np.arange(5 + int(data.random() * 4)) * 1.15 + data.uniform(0, 6):
                reach = min(pitch) * 0.24 * grown
                leaf = (at[0] + reach * np.cos(angle), at[1] + reach * np.sin(angle))
                cv2.ellipse(
                    mask, (leaf, (2 * reach, 0.9 * reach), float(np.degrees(angle))), 255, -1, cv2.LINE_AA
                )
    mask = np.asarray(cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)
    shade = _lit(mask, field(data, one_of(look, ("cloud", "rough", "fibres")), width, height), 0.8, 0.1)
    shadow = np.roll(mask, (max(1, height // 60), max(1, width // 60)), (0, 1))
    out = plus(out, as_rgb(shadow), -0.25)
    cv2.copyTo(tinted(shade, table), mask, out)
    if look.random() < 0.3 and height > 40:
        high = max(6, height // 12)
        out[-high:] = (236, 226, 170) if look.random() < 0.4 else (225, 225, 228)
        for n, x in enumerate(np.arange(2, width, max(2.5, width / 90))):
            cv2.line(
                out,
                (int(x), height - high),
                (int(x), height - high + (high // 2 if n % 5 == 0 else high // 4)),
                (30, 30, 30),
                1,
            )
    return shaken(data, out, 3), "Photographs of representative specimens"


def _landscape(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A study site: sky, hills, vegetation; or a room with apparatus."""
    if look.random() < 0.35:
        return _apparatus(look, data, width, height)
    sky = tinted(
        curve(field(data, "soft", width, height, 1.5), -60, 300),
        ramp((90, 140, 200), (170, 200, 235), (245, 248, 250)),
    )
    out = sky
    line = look.uniform(0.15, 0.6)
    for depth in range(3):
        x = np.linspace(0, 1, 24)
        y = line + 0.16 * depth + 0.07 * np.cumsum(data.normal(0, 0.22, 24)) / (1 + depth)
        edge = np.stack([x * width, np.clip(y, 0, 1.2) * height], 1)
        points = np.concatenate([edge, [(width, height), (0, height)]]).astype(np.int32)[:, None]
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [points], 255, cv2.LINE_AA)
        plants = over(
            field(data, "rough", width, height),
            field(data, one_of(look, ("fine", "ridges", "fibres")), width, height),
            0.5,
        )
        cv2.copyTo(tinted(curve(plants, -60 - 60 * depth, 300), ramp(*one_of(look, GREEN))), mask, out)
    return out, "Photographs of the study site"


def _apparatus(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    wall: Color = one_of(look, ((214, 212, 205), (176, 182, 190), (90, 94, 100), (232, 230, 226)))
    out = tinted(
        curve(field(data, "soft", width, height, 2.0), -400, 500), ramp((40, 40, 40), wall, (255, 255, 255))
    )
    for _ in range(5 + int(look.random() * 10)):
        colour: Color = one_of(
            look,
            ((40, 40, 44), (120, 124, 130), (200, 204, 210), (40, 90, 150), (180, 60, 40), (150, 120, 80)),
        )
        x, y = int(width * data.uniform(-0.1, 0.9)), int(height * data.uniform(0.1, 0.9))
        w, h = int(width * data.uniform(0.06, 0.4)), int(height * data.uniform(0.06, 0.5))
        if data.random() < 0.75:
            cv2.rectangle(out, (x, y), (x + w, y + h), colour, cv2.FILLED)
            cv2.rectangle(
                out, (x, y), (x + w, y + max(1, h // 6)), mix(colour, (255, 255, 255), 0.3), cv2.FILLED
            )
        else:
            cv2.line(out, (x, y), (x + w, y - h), colour, max(1, min(width, height) // 50), cv2.LINE_AA)
    grain = over(field(data, "cloud", width, height), field(data, "grain", width, height), 0.3)
    return over(out, as_rgb(grain), 0.15), "Experimental setup"


def _aerial(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Land from above, relief, or a field of values in false colour."""
    size = max(0.5, min(width, height) / 200)
    land = over(field(data, "cloud", width, height, size), field(data, "rough", width, height, size), 0.35)
    tables: tuple[tuple[Color, ...], ...] = (
        ((20, 40, 90), (40, 80, 130), (60, 100, 50), (130, 130, 80), (190, 170, 130)),
        ((20, 60, 120), (120, 190, 230), (90, 160, 80), (230, 220, 150), (150, 90, 50), (250, 250, 250)),
        ((30, 60, 30), (80, 110, 60), (150, 140, 100), (200, 190, 160)),
        ((0, 0, 130), (0, 120, 255), (60, 255, 190), (255, 230, 0), (200, 0, 0)),
        ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
    )
    out = tinted(land, ramp(*one_of(look, tables)))
    if look.random() < 0.4:  # plots of land
        cells = field(data, "epithelium", width, height, 2.5 * size)
        out = over(out, tinted(cells, ramp(*one_of(look, GREEN))), 0.25)
    if look.random() < 0.5:
        for _ in range(1 + int(data.random() * 3)):  # roads or rivers
            x = np.linspace(-0.05, 1.05, 20) * width
            y = height * data.uniform(0.1, 0.9) + np.cumsum(data.normal(0, height * 0.03, 20))
            path = (
                np.stack([x, y], 1)
                if data.random() < 0.5
                else np.stack([y * width / height, x * height / width], 1)
            )
            cv2.polylines(
                out,
                [path.astype(np.int32)[:, None]],
                False,
                one_of(data, ((240, 230, 200), (30, 60, 120))),
                1,
                cv2.LINE_AA,
            )
    return out, "Maps of the study area"


def _slices(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A sheet of many slices of one organ on black, without lines between them."""
    rows = max(1, min(2 + int(look.random() * 5), height // 12))
    columns = max(1, min(round(rows * width / height * look.uniform(0.8, 1.2)), width // 12))
    grey = np.zeros((height, width), np.uint8)
    room = (width / columns, height / rows)
    texture = curve(
        field(data, one_of(look, ("folds", "cloud", "coarse")), width, height, max(0.4, min(room) / 110)),
        -90,
        320,
    )
    ring = int(look.uniform(0, 230))
    for number in range(rows * columns):
        at = (room[0] * (number % columns + 0.5), room[1] * (number // columns + 0.5))
        share = 0.45 * np.sqrt(max(0.08, 1 - (2 * (number + 0.5) / (rows * columns) - 1) ** 2))
        radii = (min(room) * share * 0.85, min(room) * share)
        cv2.ellipse(grey, (at, (2 * radii[0], 2 * radii[1]), 0.0), 255, cv2.FILLED, cv2.LINE_AA)
        if ring > 60:
            cv2.ellipse(grey, (at, (2 * radii[0], 2 * radii[1]), 0.0), ring, 1, cv2.LINE_AA)
        hole = (radii[0] * data.uniform(0.2, 0.7), radii[1] * data.uniform(0.4, 0.9))
        cv2.ellipse(grey, (at, hole, data.uniform(-20, 20)), 70, cv2.FILLED, cv2.LINE_AA)
    grey = times(grey, texture)
    if look.random() < 0.3:
        warm = curve(field(data, "broad", width, height, 0.4), 150, 255)
        hot = tinted(times(grey, warm, 2.0), ramp((0, 0, 0), (220, 40, 0), (255, 220, 40)))
        return plus(as_rgb(grey), hot), "Activation maps on axial slices"
    return shaken(data, as_rgb(grey), 3), "Consecutive slices of the scan"


def _spectrogram(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Power over time and frequency."""
    noise = over(field(data, "grain", width, height, 1.3), field(data, "fibres", width, height), 0.4)
    fall = np.linspace(0.1, 1.0, height, dtype=np.float32)[:, None] ** look.uniform(0.5, 2)
    bursts = cv2.resize(data.random((1, max(2, width // 8)), dtype=np.float32), (width, 1))
    grey = np.clip(noise * (0.4 + fall * (0.4 + 0.5 * bursts)), 0, 255).astype(np.uint8)
    tables: tuple[tuple[Color, ...], ...] = (
        ((0, 0, 130), (0, 120, 255), (60, 255, 190), (255, 230, 0), (200, 0, 0)),
        ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)),
        ((255, 255, 255), (120, 120, 120), (0, 0, 0)),
    )
    return tinted(grey, ramp(*one_of(look, tables))), "Spectrograms of the recordings"


KINDS = (
    Drawn("organs", paint_organs, 2.5, "photo", False, (0.6, 3.0)),
    Drawn("model", paint_model, 2.5, "photo", False, (0.7, 1.5)),
    picture("clinical", "photo", _clinical, 3.0),
    picture("specimens", "photo", _specimens, 3.0, (0.7, 2.5)),
    picture("landscape", "photo", _landscape, 1.5, (0.9, 2.0), marks=False),
    picture("aerial", "map", _aerial, 1.5, (0.8, 1.6), marks=False),
    picture("slices", "mri", _slices, 1.5, (0.8, 2.0), marks=False),
    picture("spectrogram", "plot", _spectrogram, 0.8, (1.0, 3.0), marks=False),
)
