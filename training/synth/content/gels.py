"""Gels and blots, stained plates and dishes: strips of bands, lanes, spots, wells, colonies."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..chance import one_of
from .base import Color, Drawn, Pixels, Rng, Style, blank, mix
from .text import paste, text
from .textures import (
    Grey,
    Points,
    as_rgb,
    blurred,
    curve,
    disc,
    field,
    fill,
    outline,
    picture,
    plus,
    ramp,
    shaken,
    times,
    tinted,
)
from .words import GENES, GROUPS, pick

PROTEINS = (
    *GENES[:24],
    "β-actin",
    "GAPDH",
    "α-tubulin",
    "p-AKT",
    "AKT",
    "p-ERK",
    "ERK",
    "Cyclin D1",
    "Lamin B",
    "LC3",
)
MASSES = ("250", "150", "100", "75", "55", "42", "37", "25", "20", "15", "10")


def _strip(data: Rng, width: int, height: int, lanes: int, ground: int, loading: bool) -> Grey:
    """One strip of a western blot: a row of dark bands of differing strength, smeared, on grey."""
    grey = np.full((height, width), ground, np.uint8)
    pitch = width / lanes
    y = height * data.uniform(0.4, 0.6)
    bend = height * data.normal(0, 0.05)
    tall = max(1.0, min(height * data.uniform(0.1, 0.24), pitch * 0.35))
    trend = data.uniform(-1, 1)
    for lane in range(lanes):
        place = (lane + 0.5) / lanes
        strength = (
            0.85 + 0.15 * data.random()
            if loading
            else data.random() ** 0.8 * (1 - abs(trend) * abs(place - (trend > 0)))
        )
        if strength < 0.08:
            continue
        at = (
            pitch * (lane + 0.5) + data.normal(0, 0.02) * pitch,
            y + bend * (2 * place - 1) ** 2 + data.normal(0, 0.02) * height,
        )
        size = (pitch * data.uniform(0.66, 0.86), 2 * tall * (0.5 + 0.6 * strength))
        tone = int(ground * (1 - strength) + 12 * strength)
        cv2.ellipse(grey, (at, size, data.normal(0, 2.0)), tone, cv2.FILLED, cv2.LINE_AA)
        if data.random() < 0.25 and height > 14:  # a second band
            lower = (at[0], at[1] + tall * 2.2)
            cv2.ellipse(
                grey, (lower, (size[0], size[1] * 0.5), 0.0), (tone + ground) // 2, cv2.FILLED, cv2.LINE_AA
            )
    return blurred(grey, max(1, int(pitch / 8)), max(1, int(tall / 1.5)))


def _blot(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A strip of bands that fills its panel."""
    lanes = _lanes(look, width)
    grey = _strip(data, width, height, lanes, int(look.uniform(165, 245)), look.random() < 0.3)
    grey = _uneven(data, grey)
    if look.random() < 0.1:
        grey = np.asarray(255 - grey, np.uint8)
    return shaken(data, as_rgb(grey), 3), f"Western blot of {pick(data, PROTEINS)}"


def _lanes(look: Rng, width: int) -> int:
    most = max(2, min(14, width // 9))
    return 2 + int(look.random() ** 1.3 * (most - 1))


def _uneven(data: Rng, grey: Grey) -> Grey:
    clouds = curve(field(data, "soft", grey.shape[1], grey.shape[0]), -1500, 300)
    return times(grey, clouds)


def paint_blots(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Stacked strips, each with its protein at the left or right and a mass; lane names on top. One panel."""
    height, width = pixels.shape[:2]
    cap = max(3, round(style.type_px * 0.75))
    row_room = max(8, round(cap * look.uniform(1.6, 3.2)))
    rows = max(1, min(1 + int(look.random() * 8), height // (row_room + 2)))
    names_left, masses = look.random() < 0.7, look.random() < 0.45
    framed, gap = look.random() < 0.6, int(look.uniform(0, 6))
    shared_ground, frame_ink = int(look.uniform(170, 248)), look.random() < 0.8
    lanes = _lanes(look, round(width * 0.65))
    groups, slanted, signs = one_of(look, GROUPS), look.random() < 0.25, look.random() < 0.35
    proteins = [pick(data, PROTEINS) for _ in range(rows)]
    masks = [text(style, name) for name in proteins]
    names = min(round(width * 0.4), max(mask.shape[1] for mask in masks) + 3)
    kda = text(style, "100").shape[1] + 5 if masses else 0
    left, right = (names, kda) if names_left else (kda, names)
    if width - left - right < 20 or width < 60:
        left = right = kda = names = 0
    top = (
        _lane_heads(look, pixels, style, (left, width - right), lanes, groups, signs=signs, slanted=slanted)
        if height > 40
        else 0
    )
    tall = (height - top + gap) / rows - gap
    if tall < 5:
        rows, tall = 1, float(height - top)
    for row in range(rows):
        y0, y1 = round(top + row * (tall + gap)), min(height, round(top + row * (tall + gap) + tall))
        loading = row == rows - 1
        ground = shared_ground if look.random() < 0.6 else int(data.uniform(165, 248))
        strip = _uneven(data, _strip(data, width - left - right, max(3, y1 - y0), lanes, ground, loading))
        strip = strip[: y1 - y0]
        pixels[y0:y1, left : width - right] = shaken(data, as_rgb(strip), 3)
        if framed:
            ink = style.ink if frame_ink else (140, 140, 140)
            cv2.rectangle(pixels, (left, y0), (width - right - 1, y1 - 1), ink, 1)
        middle = (y0 + y1) // 2
        if names:
            mask = masks[row][:, : names - 2]
            x = left - mask.shape[1] - 2 if names_left else width - right + 2
            paste(pixels, mask, x, middle - mask.shape[0] // 2, style.ink)
        if kda:
            mass = text(style, f"{'-' * names_left}{pick(data, MASSES)}")
            x = width - right + 2 if names_left else max(0, left - mass.shape[1] - 2)
            paste(pixels, mass, x, middle - mass.shape[0] // 2, style.ink)
    return f"Western blot analysis of {proteins[0]} and {proteins[-1]}"


def _lane_heads(
    look: Rng, pixels: Pixels, style: Style, span: tuple[int, int], lanes: int, groups: tuple[str, ...],
    *, signs: bool, slanted: bool,
) -> int:  # fmt: skip
    """Writes the names of lanes or of groups of lanes over ``span``; the height used."""
    cap = round(style.type_px * 0.75)
    left, right = span
    pitch = (right - left) / lanes
    lines = 1 + int(look.random() * 2.5) if signs else 1
    if look.random() < 0.12:
        return 0
    if signs:
        for line in range(lines):
            for lane in range(lanes):
                mask = text(style, "+" if (lane >> line) & 1 else "-")
                paste(
                    pixels,
                    mask,
                    round(left + (lane + 0.5) * pitch - mask.shape[1] / 2),
                    line * (cap + 2),
                    style.ink,
                )
        return lines * (cap + 2) + 1
    if slanted or pitch * lanes / len(groups) < 2.2 * cap:  # upright, one per lane
        high = min(pixels.shape[0] // 3, max(text(style, name).shape[1] for name in groups))
        for lane in range(lanes):
            mask = np.rot90(text(style, groups[lane % len(groups)]))[-high:]
            paste(
                pixels,
                mask,
                round(left + (lane + 0.5) * pitch - mask.shape[1] / 2),
                high - mask.shape[0],
                style.ink,
            )
        return int(high) + 2
    part = (right - left) / len(groups)
    for number, name in enumerate(groups):
        mask = text(style, name)[:, : max(3, round(part) - 1)]
        paste(pixels, mask, round(left + (number + 0.5) * part - mask.shape[1] / 2), 0, style.ink)
        if lanes >= 2 * len(groups):
            ends = (round(left + number * part + 2), round(left + (number + 1) * part - 3))
            cv2.line(pixels, (ends[0], cap + 3), (ends[1], cap + 3), style.ink, 1)
    return cap + 6


def _gel(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Lanes with a ladder: bright on black, dark on light, Coomassie blue or Ponceau red."""
    lanes = _lanes(look, width)
    dark = look.random() < 0.5
    many = look.random() < 0.4
    grey = np.zeros((height, width), np.uint8)
    pitch = width / (lanes + 0.4)
    wide, thick = pitch * look.uniform(0.6, 0.82), max(1, round(height * look.uniform(0.008, 0.03)))
    products = look.uniform(0.2, 0.85, 1 + int(look.random() * 3))
    for lane in range(lanes):
        x = pitch * (lane + 0.7)
        marker = lane == 0 or (lane == lanes - 1 and look.random() < 0.3)
        if marker or many:
            count = 9 if marker else 14
            levels = (
                0.95 - 0.85 * np.linspace(0, 1, count) ** 0.7 if marker else data.uniform(0.06, 0.95, count)
            )
        else:
            levels = products[data.random(len(products)) < 0.8] + data.normal(0, 0.005)
        for level in levels:
            tone = int(data.uniform(70, 160) if marker or many else data.uniform(110, 255))
            start, end = (
                (round(x - wide / 2), round(level * height)),
                (round(x + wide / 2), round(level * height)),
            )
            cv2.line(grey, start, end, tone, thick)
        if many:
            grey[:, max(0, round(x - wide / 2)) : round(x + wide / 2)] |= 24
    grey = blurred(grey, 3, thick | 1)
    glow = curve(field(data, "soft", width, height), -300, 2500)
    grey = plus(grey, glow, look.uniform(0.2, 1.5))
    phrase = "Agarose gel electrophoresis of PCR products" if not many else "SDS-PAGE of the fractions"
    if dark:
        return shaken(data, as_rgb(grey), 4), phrase
    stain: Color = one_of(
        look, ((20, 20, 20), (20, 20, 20), (30, 50, 140), (60, 40, 130), (180, 40, 60), (110, 70, 20))
    )
    paper: Color = one_of(look, ((244, 244, 244), (225, 228, 236), (236, 226, 226), (200, 205, 215)))
    return shaken(data, tinted(grey, ramp(paper, stain)), 3), phrase


def _spots(data: Rng, columns: int, rows: int) -> NDArray[np.floating]:
    return np.clip(data.normal(0.5, 0.3, (rows, columns)), 0, 1)


def _wells(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A dot blot, a microplate or a culture plate: round wells in rows, filled to differing degrees."""
    pitch = max(8.0, min(width, height) / (1.5 + look.random() * 7))
    columns, rows = max(1, int(width / pitch)), max(1, int(height / pitch))
    manner = look.random()
    ground: Color = one_of(look, ((235, 235, 235), (205, 208, 212), (250, 250, 250), (40, 40, 44)))
    rim: Color = (90, 90, 95) if ground[0] > 100 else (170, 170, 170)
    weak: Color = one_of(look, ((250, 240, 160), (240, 225, 235), (235, 235, 240)))
    strong: Color = one_of(look, ((130, 40, 140), (230, 140, 20), (30, 60, 160), (30, 30, 30), (200, 50, 60)))
    table = ramp(weak, strong)[:, 0]
    pixels = blank(width, height, ground)
    amounts = _spots(data, columns, rows)
    trend = np.linspace(1, 0.1, columns) if look.random() < 0.5 else np.ones(columns)
    radius = pitch * look.uniform(0.34, 0.46)
    for row in range(rows):
        for column in range(columns):
            at = (round((column + 0.5) * width / columns), round((row + 0.5) * height / rows))
            r, g, b = (int(v) for v in table[int(255 * amounts[row, column] * trend[column])])
            if manner < 0.3:  # dots on a membrane
                size = max(1, round(radius * (0.4 + 0.6 * amounts[row, column] * trend[column])))
                disc(pixels, at, size, (r, g, b))
                continue
            disc(pixels, at, radius, (r, g, b) if manner < 0.65 else weak)
            cv2.circle(pixels, at, round(radius), rim, max(1, round(pitch / 40)), cv2.LINE_AA)
            if manner >= 0.65:  # stained colonies
                _colonies(
                    data,
                    pixels,
                    at,
                    radius * 0.9,
                    int(min(40, radius) * amounts[row, column] * trend[column]),
                    strong,
                )
    return shaken(
        data, pixels, 3
    ), "Colony formation assay" if manner >= 0.65 else "Colour reaction in the wells"


def _colonies(
    data: Rng, pixels: Pixels, at: tuple[int, int], radius: float, count: int, colour: Color
) -> None:
    angle, reach = data.uniform(0, 2 * np.pi, count), radius * np.sqrt(data.random(count))
    sizes = np.maximum(1, radius * data.uniform(0.015, 0.07, count)).astype(int)
    for x, y, size in zip(at[0] + reach * np.cos(angle), at[1] + reach * np.sin(angle), sizes, strict=True):
        disc(pixels, (x, y), size, colour)


def _dish(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A culture dish with colonies or inhibition zones, on black or on a bench; at times cut by the frame."""
    ground: Color = one_of(
        look, ((12, 12, 14), (30, 30, 34), (225, 222, 216), (110, 112, 118), (246, 246, 246))
    )
    agar: Color = one_of(
        look, ((226, 208, 160), (120, 40, 40), (236, 232, 222), (70, 70, 80), (190, 200, 160))
    )
    spot: Color = one_of(
        look, ((250, 246, 230), (250, 246, 230), (120, 40, 130), (230, 190, 60), (40, 90, 160))
    )
    pixels = blank(width, height, ground)
    radius = min(width, height) * look.uniform(0.42, 0.56)
    middle = (width // 2, height // 2)
    disc(pixels, middle, radius, mix(agar, (255, 255, 255), 0.15))
    disc(pixels, middle, radius * 0.94, agar)
    manner = look.random()
    if manner < 0.5:
        _colonies(data, pixels, middle, radius * 0.88, 5 + int(data.random() * 70), spot)
    elif manner < 0.75:  # discs with zones
        for angle in np.linspace(0, 2 * np.pi, 3 + int(look.random() * 4))[:-1]:
            at = (
                round(middle[0] + radius * 0.5 * np.cos(angle)),
                round(middle[1] + radius * 0.5 * np.sin(angle)),
            )
            zone: Color = (agar[0] * 3 // 4, agar[1] * 3 // 4, agar[2] * 3 // 4)
            disc(pixels, at, radius * data.uniform(0.1, 0.26), zone)
            disc(pixels, at, radius * 0.07, (250, 250, 250))
    else:  # a mycelium or a streak
        for share in (0.62, 0.45, 0.2):
            shape: Points = outline(data, middle, (radius * share * data.uniform(0.7, 1.2),) * 2, 0.12)
            tone = round(share * 120)
            fill(
                pixels,
                shape,
                (min(255, spot[0] - tone + 40), max(0, spot[1] - tone + 40), max(0, spot[2] - tone + 40)),
            )
    cv2.circle(pixels, middle, round(radius), (200, 200, 200), 1, cv2.LINE_AA)
    return shaken(data, pixels, 4), "Growth of colonies on agar plates"


KINDS = (
    Drawn("blots", paint_blots, 5.0, "gel_blot", False, (0.6, 2.2)),
    picture("blot_strip", "gel_blot", _blot, 1.5, (2.0, 8.0), marks=False),
    picture("gel", "gel_blot", _gel, 2.0, (0.6, 2.0)),
    picture("wells", "photo", _wells, 1.2, (0.8, 3.0), marks=False),
    picture("dish", "photo", _dish, 1.3, (0.9, 1.3)),
)
