"""Chemistry: skeletal formulas, reaction schemes, ball-and-stick models, ribbon-like proteins, surfaces."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import ceil, cos, hypot, pi, sin, sqrt

import cv2
import numpy as np

from .axes import SHIFT, Floats, centred
from .base import Color, Drawn, Pixels, Rng, Style, blank, mix
from .strokes import arrow, blob, ellipse, polygon, stroke, subpixel, write
from .text import paste, text
from .words import pick

ENDS = ("OH", "O", "NH2", "N", "Cl", "F", "CH3", "COOH", "OMe", "S", "Br", "CN", "NO2", "R", "HO", "H")
REAGENTS = (
    "NaOH, 80 C", "Pd/C, H2", "EtOH, reflux", "K2CO3, DMF", "rt, 12 h", "HCl", "i", "ii, iii", "DCM, 0 C",
    "H2O2", "LiAlH4", "TEA, THF", "CuI, DIPEA", "NaBH4, MeOH",
)  # fmt: skip
ATOMS: tuple[Color, ...] = (
    (90, 90, 90),
    (90, 90, 90),
    (220, 40, 40),
    (50, 70, 220),
    (230, 230, 230),
    (230, 200, 40),
)
HETERO: dict[str, Color] = {"O": (210, 20, 20), "N": (30, 50, 210), "S": (190, 150, 0), "F": (0, 140, 60)}


Bond = tuple[int, int, bool]
MOLECULES = 600
HEXAGON = tuple((cos(k * pi / 3 + pi / 6), sin(k * pi / 3 + pi / 6)) for k in range(6))


@lru_cache(maxsize=MOLECULES)
def skeleton(number: int) -> tuple[Floats, list[Bond], list[tuple[int, str]]]:
    """Atoms (n, 2) in bond lengths, bonds (from, to, double), labels (atom, element) of a molecule; kept."""
    rng = np.random.default_rng(number)
    points: list[tuple[float, float]] = []
    bonds: list[Bond] = []
    joined: set[tuple[int, int]] = set()
    index: dict[tuple[int, int], int] = {}

    def atom(x: float, y: float) -> int:
        key = (round(x * 20), round(y * 20))
        for near in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)):
            if (found := index.get((key[0] + near[0], key[1] + near[1]))) is not None:
                return found
        index[key] = len(points)
        points.append((x, y))
        return len(points) - 1

    # Rings stand on a hexagonal lattice; rings that are not fused are joined by a chain.
    x = y = 0.0
    previous = -1
    for _ in range(1 + int(rng.random() * 4)):
        aromatic = rng.random() < 0.65
        ring = [atom(x + dx, y + dy) for dx, dy in HEXAGON]
        for k in range(6):
            a, b = ring[k], ring[(k + 1) % 6]
            if (min(a, b), max(a, b)) not in joined:
                joined.add((min(a, b), max(a, b)))
                bonds.append((a, b, aromatic and k % 2 == 0))
        if previous >= 0 and previous not in ring:
            px, py = points[previous]
            reach = min(ring, key=lambda k: (points[k][0] - px) ** 2 + (points[k][1] - py) ** 2)
            qx, qy = points[reach]
            steps = [(px + (qx - px) * t, py + (qy - py) * t) for t in (1 / 3, 2 / 3)]
            chain = [
                previous,
                atom(steps[0][0], steps[0][1] + 0.35),
                atom(steps[1][0], steps[1][1] - 0.35),
                reach,
            ]
            bonds += [(chain[k], chain[k + 1], False) for k in range(3)]
        previous = ring[5] if rng.random() < 0.5 else ring[0]
        if rng.random() < 0.55:
            turn = (0.0, pi / 3, -pi / 3)[int(rng.random() * 3)]
            x, y = x + sqrt(3) * cos(turn), y + sqrt(3) * sin(turn)
        else:
            x, y = x + 4.2, y + (rng.random() - 0.5) * 1.5
    labels: list[tuple[int, str]] = []
    middle_x, middle_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    degrees = Counter(end for bond in bonds for end in bond[:2])
    for k, chance in enumerate(rng.random(len(points)).tolist()):
        if len(labels) > 7 or chance > 0.3 or degrees[k] > 2:
            continue
        px, py = points[k]
        away = max(1e-6, hypot(px - middle_x, py - middle_y))
        end = atom(px + (px - middle_x) / away, py + (py - middle_y) / away)
        bonds.append((k, end, rng.random() < 0.3))
        labels.append((end, pick(rng, ENDS)))
    return np.array(points), bonds, labels


def draw_formula(
    rng: Rng, pixels: Pixels, style: Style, x0: float, y0: float, x1: float, y1: float, coloured: bool
) -> None:
    """A skeletal formula fitted into a rectangle."""
    points, bonds, labels = skeleton(int(rng.random() * MOLECULES))
    if (x1 - x0) < (y1 - y0):
        points = points[:, ::-1]
    points = points * (1 if rng.random() < 0.5 else -1, 1)
    em = style.type_px
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.maximum(high - low, 0.5)
    margin = min(em, (x1 - x0) * 0.15, (y1 - y0) * 0.15)
    unit = min((x1 - x0 - 2 * margin) / span[0], (y1 - y0 - 2 * margin) / span[1], em * 3)
    spots = (points - (low + high) / 2) * unit + ((x0 + x1) / 2, (y0 + y1) / 2)
    lines: list[Floats] = []
    for a, b, double in bonds:
        p, q = spots[a], spots[b]
        lines.append(np.stack([p, q]))
        if double and unit > 4:
            side = np.array([-(q - p)[1], (q - p)[0]]) * 0.15
            lines.append(np.stack([p * 0.87 + q * 0.13 + side, q * 0.87 + p * 0.13 + side]))
    cv2.polylines(
        pixels, [subpixel(line) for line in lines], False, style.ink, style.line, cv2.LINE_AA, SHIFT
    )
    for k, name in labels:
        mask = text(style, name)
        if mask.shape[0] > unit * 1.4:
            continue
        x, y = spots[k].tolist()
        left, top = round(x - mask.shape[1] / 2), round(y - mask.shape[0] / 2)
        cv2.rectangle(
            pixels, (left - 1, top - 1), (left + mask.shape[1], top + mask.shape[0]), style.paper, cv2.FILLED
        )
        paste(pixels, mask, left, top, HETERO.get(name[0], style.ink) if coloured else style.ink)


def paint_formula(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """One structure, or a small collection of structures with numbers below."""
    height, width = pixels.shape[:2]
    em = style.type_px
    columns = max(1, min(1 + int(look.random() ** 2 * 4), int(width / (em * 9))))
    rows = max(1, min(1 + int(look.random() ** 2 * 3), int(height / (em * 9))))
    coloured, numbered = look.random() < 0.3, look.random() < 0.6
    for k in range(columns * rows):
        x0, y0 = k % columns * width / columns, k // columns * height / rows
        x1, y1 = x0 + width / columns, y0 + height / rows
        foot = em * 1.3 if numbered and height / rows > em * 6 else 0
        draw_formula(data, pixels, style, x0 + 1, y0 + 1, x1 - 2, y1 - foot - 2, coloured)
        if foot:
            mask = text(style, str(k + 1), bold=True)
            centred(pixels, mask, (x0 + x1) / 2, y1 - em * 0.6, style.ink)
    return "Chemical structures of the compounds"


def paint_reaction(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A synthesis: structures joined by arrows with reagents, in one or two rows."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    columns = max(1, min(2 + int(look.random() * 3), int(width / (em * 9))))
    rows = max(1, min(1 + int(look.random() * 2), int(height / (em * 9))))
    coloured = look.random() < 0.2
    place = width / columns
    gap = place * 0.3 if columns > 1 else 0
    for row in range(rows):
        y0, y1 = row * height / rows, (row + 1) * height / rows
        middle = (y0 + y1) / 2
        for k in range(columns):
            x0 = k * place + (gap / 2 if k else 0)
            x1 = (k + 1) * place - (gap / 2 if k < columns - 1 else 0)
            draw_formula(data, pixels, style, x0, y0 + 1, x1, y1 - 2 - em, coloured)
            centred(
                pixels, text(style, str(row * columns + k + 1), bold=True), (x0 + x1) / 2, y1 - em * 0.6, ink
            )
            if k < columns - 1:
                arrow(pixels, (x1 + 1, middle), (x1 + gap - 1, middle), ink, style.line, em * 0.6)
                mask = text(style, pick(data, REAGENTS), scale=0.8)
                if mask.shape[1] < gap * 1.3:
                    centred(pixels, mask, x1 + gap / 2, middle - em * 0.8, ink)
    return "Synthesis of the compounds"


def paint_balls(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A ball-and-stick or space-filling model, shaded."""
    height, width = pixels.shape[:2]
    points, bonds, _ = skeleton(int(data.random() * MOLECULES))
    deep = data.standard_normal(len(points)) * 0.5
    turn = look.random() * np.pi
    flat = points - points.mean(axis=0)
    seen = np.stack(
        [
            flat[:, 0] * np.cos(turn) - flat[:, 1] * np.sin(turn) + deep * 0.4,
            flat[:, 0] * np.sin(turn) + flat[:, 1] * np.cos(turn) + deep * 0.3,
        ],
        axis=1,
    )
    low, high = seen.min(axis=0), seen.max(axis=0)
    fat = 0.95 if look.random() < 0.3 else 0.32
    unit = min((width - 2) / (high[0] - low[0] + 2 * fat), (height - 2) / (high[1] - low[1] + 2 * fat))
    spots = (seen - (low + high) / 2) * unit + (width / 2, height / 2)
    for a, b, _ in bonds:
        stroke(pixels, spots[[a, b]], mix(style.ink, style.paper, 0.4), max(1, round(unit * 0.15)))
    for k in np.argsort(deep).tolist():
        colour = ATOMS[int(data.random() * len(ATOMS))]
        x, y = spots[k].tolist()
        r = max(1.0, unit * fat * (0.85 + 0.15 * deep[k]))
        ellipse(pixels, x, y, r, r, mix(colour, (0, 0, 0), 0.35))
        ellipse(pixels, x - r * 0.1, y - r * 0.1, r * 0.8, r * 0.8, colour)
        if r > 2.5:
            ellipse(pixels, x - r * 0.3, y - r * 0.3, r * 0.25, r * 0.25, mix(colour, (255, 255, 255), 0.8))
    return "Model of the molecule"


def _helix(pixels: Pixels, a: Floats, b: Floats, thick: float, colour: Color) -> None:
    """A helix as overlapping slanted bands between two points."""
    axis = b - a
    length = float(np.hypot(*axis))
    along = axis / max(1e-6, length)
    side = np.array([-along[1], along[0]]) * thick
    turns = max(2, int(length / (thick * 0.9)))
    dark = mix(colour, (0, 0, 0), 0.35)
    starts = a + axis * (np.arange(turns) / turns)[:, None]
    ends, lead = starts + axis / turns, along * thick * 0.35
    back = subpixel(np.stack([starts + side, starts + side + lead, ends - side + lead, ends - side], axis=1))
    front = np.stack(
        [starts - side - lead, starts - side + lead, starts + side + lead, starts + side - lead], axis=1
    )
    faces = list(subpixel(front))
    cv2.fillPoly(pixels, list(back), dark, cv2.LINE_AA, SHIFT)
    cv2.fillPoly(pixels, faces, colour, cv2.LINE_AA, SHIFT)
    cv2.polylines(pixels, faces, True, dark, 1, cv2.LINE_AA, SHIFT)


def paint_protein(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A protein as helices, strands with arrow heads and loops, sometimes with a ligand and labels."""
    height, width = pixels.shape[:2]
    em = style.type_px
    ground = (0, 0, 0) if look.random() < 0.12 else style.paper
    pixels[:] = blank(width, height, ground)
    count = 4 + int(look.random() * 10)
    size = np.array([width, height])
    angle = np.cumsum(1.2 + 2.6 * data.random(count + 1))
    reach = np.sqrt(data.random(count + 1)) * 0.42
    knots = 0.5 + np.stack([np.cos(angle) * reach, np.sin(angle) * reach], axis=1)
    knots = knots * size
    thick = max(1.2, min(width, height) * (0.025 + 0.02 * look.random()))
    chains = (style.palette[0], style.palette[1 % len(style.palette)], style.palette[2 % len(style.palette)])
    rainbow = look.random() < 0.4
    for k in range(count):
        a, b = knots[k], knots[k + 1]
        colour = chains[k * 3 // count] if not rainbow else style.palette[k % len(style.palette)]
        away = (data.random(2) - 0.5) * size * 0.3
        c = np.clip(b + away, thick, size - thick)
        s = np.linspace(0, 1, 10)[:, None]
        stroke(pixels, (1 - s) ** 2 * a + 2 * s * (1 - s) * c + s**2 * b, colour, max(1, round(thick * 0.35)))
        middle, end = a * 0.75 + b * 0.25, a * 0.2 + b * 0.8
        kind = data.random()
        if kind < 0.5:
            _helix(pixels, middle, end, thick, colour)
        elif kind < 0.85:
            along = (end - middle) / max(1e-6, float(np.hypot(*(end - middle))))
            side = np.array([-along[1], along[0]]) * thick
            neck = end - along * thick * 2.2
            shape = [
                middle + side * 0.7,
                neck + side * 0.7,
                neck + side * 1.5,
                end,
                neck - side * 1.5,
                neck - side * 0.7,
                middle - side * 0.7,
            ]
            polygon(pixels, np.stack(shape), colour, mix(colour, (0, 0, 0), 0.4))
    if look.random() < 0.4:
        x, y = (size * (0.35 + 0.3 * data.random(2))).tolist()
        draw_site(data, pixels, x, y, max(3.0, min(width, height) * 0.07))
    if look.random() < 0.4 and min(width, height) > em * 9:
        for name in ("Asp189", "N-term", "Lys42")[: 1 + int(data.random() * 3)]:
            x, y = (size * (0.25 + 0.4 * data.random(2))).tolist()
            write(
                pixels, style, name, x, y, style.ink if ground == style.paper else (255, 255, 255), scale=0.9
            )
    return "Structure of the protein"


def draw_site(data: Rng, pixels: Pixels, x: float, y: float, radius: float) -> None:
    """A ligand: a few balls."""
    for dx, dy in ((data.random((6, 2)) - 0.5) * 2 * radius).tolist():
        ellipse(pixels, x + dx, y + dy, radius * 0.35, radius * 0.35, ATOMS[int(data.random() * len(ATOMS))])


def paint_molecular_surface(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A molecular surface coloured by charge, or a domain map of blobs."""
    height, width = pixels.shape[:2]
    half = (max(6, width // 2), max(6, height // 2))  # shading is smooth: half the size will do
    small = cv2.resize(data.random((9, 9)).astype(np.float32), half, interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(data.random((26, 26)).astype(np.float32), half, interpolation=cv2.INTER_CUBIC)
    light = (0.6 + 0.6 * np.roll(fine, 2, axis=1) - 0.3 * fine)[..., None]
    charge = np.clip((small - 0.5) * 2.6, -1, 1)[..., None]
    white = np.array([235, 235, 235], np.float32)
    red, blue = np.array([210, 40, 40], np.float32), np.array([50, 70, 210], np.float32)
    if look.random() < 0.3:
        red = blue = np.array(style.palette[0], np.float32)
    picture = white + np.maximum(charge, 0) * (red - white) + np.maximum(-charge, 0) * (blue - white)
    picture = cv2.resize(np.clip(picture * light, 0, 255).astype(np.uint8), (width, height))
    shape = blob(data, width / 2, height / 2, width * 0.42, height * 0.42, 0.2, 60)
    shape = np.clip(shape + (data.random(shape.shape) - 0.5) * ceil(width * 0.02), 1, (width - 2, height - 2))
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [subpixel(shape)], 1, cv2.LINE_8, SHIFT)
    cv2.copyTo(picture, inside, pixels)
    return "Electrostatic surface"


KINDS = (
    Drawn("formula", paint_formula, 2.0, "chemstructure", aspect=(0.8, 2.2)),
    Drawn("reaction", paint_reaction, 1.2, "chemstructure", aspect=(1.4, 5.0)),
    Drawn("ball_stick", paint_balls, 0.8, "chemstructure", aspect=(0.7, 1.6)),
    Drawn("protein", paint_protein, 2.2, "illustration", aspect=(0.7, 1.5)),
    Drawn("molecular_surface", paint_molecular_surface, 0.8, "illustration", aspect=(0.7, 1.5)),
)
