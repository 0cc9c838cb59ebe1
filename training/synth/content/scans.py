"""Clinical images: tomography, radiographs, ultrasound, and the optics of the eye."""

from __future__ import annotations

import cv2
import numpy as np

from ..chance import one_of
from .base import Color, Pixels, Rng
from .textures import (
    Grey,
    Points,
    as_rgb,
    blurred,
    branch,
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

HOT = ramp((0, 0, 0), (180, 20, 0), (255, 160, 0), (255, 255, 200))
RAINBOW = ramp((0, 0, 100), (0, 80, 255), (0, 230, 200), (180, 255, 60), (255, 140, 0), (150, 0, 0))


def _brain(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A head on black, axial or sagittal; a series shows neighbouring slices or other sequences of it."""
    same = look.random() < 0.75
    shape = np.random.default_rng(int((look if same else data).integers(1 << 62)))
    room = look.uniform(0.34, 0.56)
    level = data.uniform(0.55, 1.0) if look.random() < 0.6 else 1.0  # how high the slice lies
    side = min(width, height) * room * (0.75 + 0.25 * level)
    tall = side * look.uniform(1.0, 1.3)
    middle = (width / 2, height / 2)
    head = outline(shape, middle, (side, tall), 0.06)
    inner = outline(shape, middle, (side * 0.86, tall * 0.88), 0.06)
    ct, inverted = look.random() < 0.35, data.random() < 0.25
    grey = np.zeros((height, width), np.uint8)
    fill(grey, head, 70 if ct else int(look.uniform(90, 200)))
    if ct:
        fill(grey, outline(shape, middle, (side * 0.96, tall * 0.96), 0.05), 250)
    fill(grey, inner, 30)
    tissue = np.zeros_like(grey)
    fill(tissue, outline(shape, middle, (side * 0.82, tall * 0.84), 0.05), 255)
    size = max(0.35, side / 110)
    gyri = over(field(shape, "folds", width, height, size), field(data, "cloud", width, height, size), 0.35)
    lo, hi = (-250, 380) if ct else (-60, look.uniform(280, 420))
    cv2.copyTo(curve(gyri, hi, lo) if inverted else curve(gyri, lo, hi), tissue, grey)
    _ventricles(shape, data, grey, middle, side, tall, 200 if inverted and not ct else 25)
    if data.random() < 0.35:  # a lesion
        at = (middle[0] + side * data.uniform(-0.5, 0.5), middle[1] + tall * data.uniform(-0.5, 0.5))
        spot = outline(data, at, (side * data.uniform(0.06, 0.25), side * data.uniform(0.06, 0.25)), 0.25)
        fill(grey, spot, int(data.uniform(150, 255)))
    out = as_rgb(blurred(grey) if side > 30 else grey)
    if look.random() < 0.2:
        _activation(data, out, tissue)
    if look.random() < 0.1:  # PET on white
        out = 255 - out
    return shaken(data, out, 3), "Brain scans of a representative patient"


def _ventricles(
    shape: Rng, data: Rng, grey: Grey, middle: tuple[float, float], side: float, tall: float, tone: int
) -> None:
    cv2.line(
        grey,
        (int(middle[0]), int(middle[1] - 0.8 * tall)),
        (int(middle[0]), int(middle[1] + 0.8 * tall)),
        tone,
        1,
    )
    spread = shape.uniform(0.10, 0.2) * data.uniform(0.7, 1.2)
    long = tall * shape.uniform(0.15, 0.35) * data.uniform(0.5, 1.2)
    for sign in (-1, 1):
        centre = (middle[0] + sign * side * spread, middle[1] - 0.05 * tall)
        fill(grey, outline(shape, centre, (side * 0.09, long), 0.3, sign * 0.3), tone)


def _activation(data: Rng, out: Pixels, tissue: Grey) -> None:
    """Coloured blobs of a statistic over grey anatomy."""
    height, width = tissue.shape
    blobs = times(curve(field(data, "broad", width, height, 0.7), 150, 255), tissue)
    mask = np.asarray(cv2.threshold(blobs, 40, 255, cv2.THRESH_BINARY)[1], np.uint8)
    table = HOT if data.random() < 0.7 else RAINBOW
    cv2.copyTo(tinted(lifted(blobs, 1.0, 60), table), mask, out)


def _body(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """An axial slice of chest or abdomen; a series shows neighbouring slices of one body."""
    same = look.random() < 0.75
    shape = np.random.default_rng(int((look if same else data).integers(1 << 62)))
    scale = look.uniform(0.36, 0.6)
    rx, ry = width * scale, height * scale * look.uniform(0.75, 1.0)
    if width > 1.6 * height:
        rx = min(rx, ry * 1.6)
    middle = (width / 2, height / 2)
    soft = int(look.uniform(90, 150))
    grey = np.full((height, width), int(look.random() < 0.15) * int(look.uniform(10, 60)), np.uint8)
    fill(grey, outline(shape, middle, (rx, ry), 0.07), int(look.uniform(40, 200)))
    fill(grey, outline(shape, middle, (rx * 0.9, ry * 0.88), 0.07), soft)
    lungs = look.random() < 0.45
    if lungs:
        for sign in (-1, 1):
            lung = outline(shape, (middle[0] + sign * rx * 0.44, middle[1]), (rx * 0.33, ry * 0.62), 0.16)
            _textured(data, grey, lung, "filaments", 12, 150)
        heart = (middle[0] + rx * 0.1 * data.uniform(0.3, 1.2), middle[1] - ry * 0.1)
        fill(grey, outline(data, heart, (rx * 0.26, ry * 0.34), 0.12), soft + 30)
    else:
        for _ in range(4 + int(data.random() * 5)):
            at = (middle[0] + rx * shape.uniform(-0.65, 0.65), middle[1] + ry * shape.uniform(-0.6, 0.5))
            radii = (rx * shape.uniform(0.08, 0.3) * data.uniform(0.85, 1.15), ry * shape.uniform(0.1, 0.3))
            fill(
                grey, outline(shape, at, radii, 0.25, shape.uniform(0, 3)), int(soft + shape.uniform(-60, 70))
            )
    _bones(shape, grey, middle, rx, ry)
    if data.random() < 0.3:
        at = (middle[0] + rx * data.uniform(-0.5, 0.5), middle[1] + ry * data.uniform(-0.4, 0.4))
        fill(grey, outline(data, at, (rx * 0.1, ry * 0.12), 0.3), int(data.uniform(20, 240)))
    mask = np.asarray(cv2.threshold(grey, 62, 255, cv2.THRESH_BINARY)[1], np.uint8)
    noisy = over(grey, times(grey, field(data, "grain", width, height), 2.0), look.uniform(0.1, 0.4))
    cv2.copyTo(noisy, mask, grey)
    out = as_rgb(blurred(grey) if rx > 40 else grey)
    if look.random() < 0.12:
        _activation(data, out, mask)
    return shaken(data, out, 3), "Axial CT scans of the " + ("chest" if lungs else "abdomen")


def _textured(data: Rng, grey: Grey, shape: Points, name: str, low: int, high: int) -> None:
    """Fills an outline with a texture between two greys."""
    height, width = grey.shape
    mask = np.zeros_like(grey)
    fill(mask, shape, 255)
    span = 255 * 255 / max(1, high - low)
    texture = field(data, name, width, height, max(0.4, min(width, height) / 200))
    cv2.copyTo(curve(texture, -low * span / 255, 255 + (255 - high) * span / 255), mask, grey)


def _bones(shape: Rng, grey: Grey, middle: tuple[float, float], rx: float, ry: float) -> None:
    fill(grey, outline(shape, (middle[0], middle[1] + ry * 0.62), (rx * 0.12, ry * 0.15), 0.15), 245)
    for angle in np.linspace(0.3, 2 * np.pi - 0.3, 11) + np.pi / 2:
        x, y = middle[0] + rx * 0.8 * np.cos(angle), middle[1] + ry * 0.8 * np.sin(angle)
        turn = float(np.degrees(np.arctan2(ry * np.cos(angle), -rx * np.sin(angle))))
        cv2.ellipse(grey, ((x, y), (max(2, rx * 0.13), max(1, ry * 0.06)), turn), 235, -1, cv2.LINE_AA)


def _chest(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """A frontal radiograph of the chest."""
    grey = curve(field(data, "soft", width, height, 2.0), -500, 500)
    middle = width * data.uniform(0.46, 0.54)
    for sign in (-1, 1):
        centre = (middle + sign * width * 0.2, height * 0.45)
        mask = np.zeros_like(grey)
        fill(mask, outline(data, centre, (width * 0.15, height * 0.34), 0.13), 255)
        lung = blurred(mask, max(3, width // 14))
        grey = plus(grey, lung, -0.42)
    ribs = np.zeros_like(grey)
    for n in range(9):
        y = height * (0.12 + 0.085 * n)
        for sign in (-1, 1):
            centre = (int(middle + sign * width * 0.2), int(y + height * 0.1))
            axes = (int(width * 0.2), int(height * 0.09))
            start, end = (200, 345) if sign > 0 else (195, 340)
            cv2.ellipse(ribs, centre, axes, sign * 14, start, end, 45, max(1, height // 50), cv2.LINE_AA)
    grey = plus(grey, blurred(ribs))
    cv2.rectangle(grey, (int(middle - width * 0.03), 0), (int(middle + width * 0.03), height), 185, -1)
    heart = np.zeros_like(grey)
    fill(heart, outline(data, (middle + width * 0.06, height * 0.62), (width * 0.13, height * 0.16), 0.1), 90)
    grey = plus(grey, blurred(heart, 9))
    cv2.ellipse(grey, (int(middle), height), (int(width * 0.42), int(height * 0.2)), 0, 180, 360, 200, -1)
    grey = blurred(grey)
    if look.random() < 0.15:
        grey = 255 - grey
    return shaken(
        data, as_rgb(curve(grey, 10, look.uniform(220, 280), data.uniform(0.8, 1.3))), 4
    ), "Chest radiographs"


def _limb(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Long bones, joints and implants in soft tissue on black; teeth in a row."""
    grey = np.zeros((height, width), np.uint8)
    bones = 1 + int(look.random() * 3)
    joint, turn = look.random() < 0.6, data.uniform(-0.12, 0.12)
    thick = width * look.uniform(0.07, 0.16)
    flesh = thick * bones * look.uniform(1.1, 1.9)
    if look.random() < 0.8:
        fill(
            grey,
            outline(data, (width / 2, height / 2), (flesh, height * 0.8), 0.08, turn),
            int(look.uniform(40, 90)),
        )
        grey = blurred(grey, 9)
    for n in range(bones):
        x = width / 2 + (n - (bones - 1) / 2) * thick * 1.9
        for up in (-1, 1) if joint else (1,):
            reach = height * (0.5 if joint else 1.0)
            y = height / 2 + up * (reach / 2 + height * 0.012) if joint else height / 2
            shaft = outline(data, (x, y), (thick * 0.55, reach * 0.62), 0.05, turn)
            head = outline(
                data, (x, height / 2 + up * height * 0.07), (thick * 0.9, height * 0.065), 0.1, turn
            )
            for shape in (shaft, head) if joint else (shaft,):
                fill(grey, shape, int(data.uniform(165, 205)))
                cv2.polylines(grey, [shape], True, 230, max(1, round(thick / 8)), cv2.LINE_AA)
    grey = over(blurred(grey), times(grey, field(data, "rough", width, height), 1.6), 0.3)
    if data.random() < 0.25:  # a plate with screws, or a nail
        x = int(width / 2 + thick * data.uniform(-0.6, 0.6))
        cv2.line(
            grey, (x, int(height * 0.25)), (x, int(height * 0.75)), 255, max(1, round(thick / 4)), cv2.LINE_AA
        )
        for y in np.linspace(0.3, 0.7, 4) * height:
            cv2.line(grey, (x, int(y)), (int(x + thick), int(y)), 255, 1, cv2.LINE_AA)
    return shaken(data, as_rgb(grey), 4), "Radiographs before and after surgery"


def _angiogram(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Dark vessels that branch on a light grey ground, or bright ones on black."""
    grey = np.zeros((height, width), np.uint8)
    start = (width * look.uniform(0.2, 0.8), height * look.uniform(-0.05, 0.2))
    angle, length = np.pi / 2 + data.uniform(-0.5, 0.5), max(width, height) * 0.5
    branch(data, grey, start, angle, length, max(1.5, width / 30), 4, tones=(110, 190))
    grey = blurred(grey)
    ground = curve(field(data, "soft", width, height), -700, 400)
    dark = look.random() < 0.65
    grey = plus(ground, grey, -1.0) if dark else plus(lifted(ground, 0.1), grey)
    return shaken(data, as_rgb(grey), 5), "Angiography of the vessels"


def _ultrasound(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Speckle with layers and dark cysts, in a sector on black or a rectangle; at times Doppler colours."""
    size = max(0.5, min(width, height) / 150)
    layers = field(data, one_of(look, ("fibres", "soft", "cloud", "broad")), width, height, size)
    speckle = field(data, "speckle", width, height, size)
    grey = times(curve(layers, -40, look.uniform(280, 420)), speckle, 1.7)
    for _ in range(int(data.random() * 3.5)):
        at = (width * data.uniform(0.25, 0.75), height * data.uniform(0.25, 0.75))
        hole = np.full_like(grey, 255)
        fill(
            hole,
            outline(data, at, (width * data.uniform(0.05, 0.2), height * data.uniform(0.05, 0.18)), 0.25),
            40,
        )
        grey = times(grey, blurred(hole, 5))
    sector = look.random() < 0.5
    ground = 0 if look.random() < 0.9 else 25
    if sector:
        apex, opening = (width // 2, int(-height * look.uniform(0.0, 0.25))), look.uniform(28, 50)
        mask = np.zeros_like(grey)
        reach = int((height - apex[1]) * look.uniform(0.86, 0.99))
        cv2.ellipse(mask, apex, (reach, reach), 90, -opening, opening, 255, -1, cv2.LINE_AA)
        disc(mask, apex, height * 0.06 - apex[1], 0)
        grey = times(grey, mask)
    out = as_rgb(np.maximum(grey, np.uint8(ground)))
    if look.random() < 0.22:
        _doppler(data, out)
    if look.random() < 0.35:  # depth ticks and the grey scale
        x = width - max(2, width // 40)
        for y in np.linspace(0.1, 0.95, 9) * height:
            cv2.line(out, (x - 2, int(y)), (x, int(y)), (190, 190, 190), 1)
        bar = np.linspace(255, 0, max(4, height // 4)).astype(np.uint8)[:, None]
        wide = max(1, width // 50)
        out[4 : 4 + len(bar), 3 : 3 + wide] = as_rgb(np.repeat(bar, wide, 1))[: height - 4]
    return out, "Ultrasound images"


def _doppler(data: Rng, out: Pixels) -> None:
    height, width = out.shape[:2]
    x0, y0 = int(width * data.uniform(0.2, 0.4)), int(height * data.uniform(0.2, 0.4))
    x1, y1 = int(width * data.uniform(0.6, 0.8)), int(height * data.uniform(0.6, 0.85))
    part = out[y0:y1, x0:x1]
    flow = field(data, "coarse", part.shape[1], part.shape[0])
    part[flow > 200] = (230, 60, 20)
    part[flow < 45] = (30, 70, 230)
    cv2.rectangle(out, (x0, y0), (x1, y1), (230, 230, 230) if data.random() < 0.5 else (240, 220, 40), 1)


def _oct(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """Retinal layers across the picture with a pit, on black, on white, or in false colour."""
    x = np.linspace(0, 1, width, dtype=np.float32)
    surface = 0.35 + look.uniform(-0.1, 0.1) + 0.05 * np.sin(3 * x + data.uniform(0, 6))
    pit = 0.09 * np.exp(-(((x - data.uniform(0.35, 0.65)) / 0.09) ** 2)) * (data.random() < 0.8)
    depth = np.linspace(0, 1, height, dtype=np.float32)[:, None] - (surface + pit)
    thick = look.uniform(0.18, 0.35)
    stops = np.array([-1, -0.01, 0, 0.18, 0.3, 0.45, 0.6, 0.78, 0.82, 0.9, 1.0, 1.3, 2.5], np.float32) * thick
    tones = np.array([4, 4, 200, 150, 90, 120, 60, 40, 230, 250, 160, 60, 10], np.float32)
    profile = np.interp(np.linspace(-1, 1, 512), stops, tones).astype(np.uint8)
    index = np.clip((depth + 1) * 255.5, 0, 511).astype(np.intp)
    grey = times(profile[index], field(data, "speckle", width, height, max(0.4, height / 250)), 1.9)
    for _ in range(int(data.random() * 2.2)):  # fluid
        at = (width * data.uniform(0.3, 0.7), height * (0.42 + thick * 0.4))
        fill(grey, outline(data, at, (width * data.uniform(0.03, 0.14), height * 0.05), 0.25), 12)
    manner = look.random()
    grey = lifted(grey, 1.0, look.uniform(0, 30))
    if manner < 0.15:
        return 255 - as_rgb(grey), "Optical coherence tomography of the macula"
    out = tinted(grey, RAINBOW) if manner < 0.27 else as_rgb(grey)
    return out, "Optical coherence tomography of the macula"


def _fundus(look: Rng, data: Rng, width: int, height: int) -> tuple[Pixels, str]:
    """The back of the eye: optic disc, vessels, fovea; colour, angiogram, or without its black surround."""
    manner = look.random()
    ground: Color = one_of(look, ((190, 90, 50), (170, 60, 30), (205, 120, 80), (150, 70, 45)))
    grey = curve(field(data, "soft", width, height, 2.0), -500, 420)
    vessels = np.zeros_like(grey)
    side = min(width, height)
    full = look.random() < 0.25
    middle = (width / 2, height / 2)
    nerve = (
        middle[0] + side * 0.26 * (1 if data.random() < 0.5 else -1),
        middle[1] + side * data.uniform(-0.04, 0.04),
    )
    for angle in (0.9, 2.2, 4.0, 5.3):
        turn = angle + data.uniform(-0.3, 0.3)
        branch(data, vessels, nerve, turn, side * 0.45, max(1.0, side / 55), 2, tones=(110, 150))
    disc(grey, (2 * middle[0] - nerve[0], middle[1]), side * 0.05, 100)
    angiogram = manner < 0.25
    lit = plus(lifted(grey, 0.45), vessels, 0.8) if angiogram else plus(grey, vessels, -0.42)
    disc(lit, nerve, side * 0.075, 235)
    for _ in range(int(data.random() * 6)):
        at = (int(width * data.uniform(0.3, 0.7)), int(height * data.uniform(0.3, 0.7)))
        disc(lit, at, side * data.uniform(0.005, 0.03), int(one_of(data, (40, 230))))
    light = (250, 225, 150)
    out = (
        as_rgb(blurred(lit))
        if angiogram
        else tinted(
            blurred(lit),
            ramp((20, 5, 0), (ground[0] // 2, ground[1] // 3, ground[2] // 3), ground, light),
        )
    )
    if not full:
        mask = np.zeros((height, width), np.uint8)
        disc(mask, middle, side * look.uniform(0.46, 0.56), 255)
        out = np.asarray(cv2.copyTo(out, mask), np.uint8)
    return shaken(data, out, 2), "Fundus photographs"


KINDS = (
    picture("brain", "mri", _brain, 5.0, (0.7, 1.3)),
    picture("body", "ct", _body, 5.0, (0.9, 1.6)),
    picture("chest", "xray", _chest, 2.0, (0.8, 1.3)),
    picture("limb", "xray", _limb, 1.5, (0.4, 1.2)),
    picture("angiogram", "xray", _angiogram, 0.8, (0.7, 1.4)),
    picture("ultrasound", "ultrasound", _ultrasound, 2.5, (0.8, 1.7)),
    picture("oct", "oct", _oct, 1.5, (1.0, 3.0)),
    picture("fundus", "fundus", _fundus, 1.2, (0.8, 1.3)),
)
