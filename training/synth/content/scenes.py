"""Illustrations: cell cartoons, apparatus, experiments with animals, network architectures, circuits."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import cv2
import numpy as np

from .axes import SHIFT, box, centred
from .base import Color, Drawn, Pixels, Rng, Style, is_dark, mix
from .strokes import (
    arrow,
    blob,
    ellipse,
    line_height,
    polygon,
    rounded,
    stroke,
    subpixel,
    tint,
    write,
    write_in,
)
from .text import text
from .words import SHORT, STEPS, pick, some

PARTS = (
    "Nucleus", "Mitochondria", "Membrane", "Golgi", "Lysosome", "ER", "Vesicle", "Receptor", "Ligand",
    "Cytoplasm", "T cell", "Tumor cell", "Macrophage", "Antibody", "Exosome",
)  # fmt: skip
DEVICES = (
    "Laser", "Lens", "Detector", "Camera", "PC", "Pump", "Valve", "Sample", "Heater", "Sensor", "Mirror",
    "Filter", "Amplifier", "Electrode", "ADC",
)  # fmt: skip
LAYERS = (
    "Conv 3x3",
    "ReLU",
    "Pool",
    "FC",
    "Softmax",
    "LSTM",
    "BN",
    "Concat",
    "Attention",
    "MLP",
    "Input",
    "Output",
)
BLACK: Color = (0, 0, 0)
WHITE: Color = (255, 255, 255)


def _cell(data: Rng, pixels: Pixels, x: float, y: float, rx: float, ry: float, colour: Color) -> None:
    """One cartoon cell: body, nucleus, granules."""
    polygon(pixels, blob(data, x, y, rx, ry, 0.12), colour, mix(colour, BLACK, 0.35))
    dark = mix(colour, BLACK, 0.25)
    nx, ny = x + rx * 0.25 * (data.random() - 0.5), y + ry * 0.25 * (data.random() - 0.5)
    ellipse(pixels, nx, ny, rx * 0.4, ry * 0.42, dark, mix(dark, BLACK, 0.3))
    if min(rx, ry) > 6:
        for angle in (data.random(4) * 6.28).tolist():
            gx, gy = x + rx * 0.68 * np.cos(angle), y + ry * 0.68 * np.sin(angle)
            ellipse(pixels, gx, gy, rx * 0.14, ry * 0.07, mix(colour, WHITE, 0.4), dark, 1, angle * 57)


def paint_cells(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """One large cell with organelles and names, or a few cells with arrows between them."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    if look.random() < 0.35:
        ground = tint(style, int(look.random() * 6), 0.85)
        rounded(pixels, 0, 0, width - 1, height - 1, em * 2 * look.random(), ground)
    columns = max(1, min(1 + int(look.random() * 4), int(width / (em * 6))))
    rows = max(1, min(1 + int(look.random() * 3), int(height / (em * 5))))
    names = some(data, PARTS, columns * rows)
    middles: list[tuple[float, float]] = []
    step_x, step_y = width / columns, height / rows
    for k in range(columns * rows):
        x = (k % columns + 0.5 + (0.2 * (data.random() - 0.5) if columns > 1 else 0)) * step_x
        y = (k // columns + 0.5) * step_y - em * 0.4
        size = 0.3 + 0.12 * data.random()
        rx, ry = min(step_x * size, step_y * size * 1.3), min(step_y * size * 0.85, step_x * size)
        if columns * rows == 1:
            rx, ry = step_x * 0.44, step_y * 0.42
        _cell(data, pixels, x, y, rx, ry, tint(style, k, 0.35))
        middles.append((x, y))
        if k % columns:
            before = middles[-2]
            arrow(pixels, (before[0] + step_x * 0.36, before[1]), (x - rx - 2, y), ink, style.line, em * 0.6)
        elif k:
            above = middles[k - columns]
            arrow(pixels, (above[0], above[1] + ry + em), (x, y - ry - 2), ink, style.line, em * 0.6)
        mask = text(style, names[k])
        if mask.shape[1] < step_x:
            centred(pixels, mask, x, min(height - em * 0.5, y + ry + em * 0.8), ink)
    if columns * rows == 1:
        for k in range(3 + int(data.random() * 4)):
            x, y = (0.25 + 0.5 * data.random()) * width, (0.25 + 0.5 * data.random()) * height
            rx = min(width, height) * (0.04 + 0.05 * data.random())
            fill = tint(style, k + 2, 0.2)
            ellipse(pixels, x, y, rx * 1.6, rx, fill, mix(fill, BLACK, 0.4), 1, data.random() * 180)
            if look.random() < 0.7:
                write(pixels, style, pick(data, PARTS), x + rx * 1.7, y - em * 0.35, ink)
    return "Illustration of the interaction of " + " and ".join(names[:2])


def paint_apparatus(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A set-up: vessels, boxes, lenses, joined by tubes or beams, with names."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    columns, rows = max(2, min(5, int(width / (em * 6)))), max(1, min(4, int(height / (em * 5))))
    spots = [
        ((k % columns + 0.5) * width / columns, (k // columns + 0.5) * height / rows)
        for k in range(columns * rows)
    ]
    keep = data.random(len(spots)) < 0.75
    keep[0] = keep[-1] = True
    chosen = [spots[k] for k in np.flatnonzero(keep).tolist()]
    beam = look.random() < 0.4
    colour = (style.palette[1 % len(style.palette)]) if beam else ink
    w, h = min(em * 1.9, width / columns * 0.36), min(em * 1.3, height / rows * 0.28)
    for (x0, y0), (x1, y1) in pairwise(chosen):
        stroke(pixels, [(x0, y0), (x1, y0), (x1, y1)], colour, style.line + beam)
    for k, (x, y) in enumerate(chosen):
        fill = tint(style, k, 0.45) if look.random() < 0.7 else mix(style.paper, ink, 0.15)
        shape = int(data.random() * 5)
        if shape == 0:
            rounded(pixels, x - w, y - h, x + w, y + h, em * 0.3, fill, ink, style.line)
        elif shape == 1:  # a flask
            outline = [
                (x - w * 0.25, y - h),
                (x + w * 0.25, y - h),
                (x + w * 0.25, y - h * 0.2),
                (x + w * 0.8, y + h),
                (x - w * 0.8, y + h),
                (x - w * 0.25, y - h * 0.2),
            ]
            polygon(pixels, outline, style.paper, ink)
            polygon(
                pixels,
                [
                    (x - w * 0.5, y + h * 0.4),
                    (x + w * 0.5, y + h * 0.4),
                    (x + w * 0.75, y + h * 0.9),
                    (x - w * 0.75, y + h * 0.9),
                ],
                fill,
            )
        elif shape == 2:  # a lens
            ellipse(pixels, x, y, w * 0.3, h * 1.1, mix(fill, WHITE, 0.4), ink)
        elif shape == 3:  # a cylinder
            box(
                pixels,
                round(x - w * 0.7),
                round(y - h * 0.8),
                round(x + w * 0.7),
                round(y + h * 0.8),
                fill,
                ink,
            )
            ellipse(pixels, x, y - h * 0.8, w * 0.7, h * 0.3, mix(fill, WHITE, 0.4), ink)
            ellipse(pixels, x, y + h * 0.8, w * 0.7, h * 0.3, fill)
        else:
            ellipse(pixels, x, y, h, h, fill, ink, style.line)
        mask = text(style, pick(data, DEVICES))
        if mask.shape[1] < width / columns and y + h + em < height:
            centred(pixels, mask, x, y + h + em * 0.7, ink)
    return "Schematic of the experimental set-up"


def paint_network_stack(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """The architecture of a neural network: slabs in perspective, layers of units, or labelled bars."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    manner = int(look.random() * 3)
    stages = max(2, min(3 + int(look.random() * 7), int(width / (em * 2.4))))
    step = width / stages
    middle = height / 2 - em * 0.5
    shades = [tint(style, int(k * (1 + data.random())), 0.3) for k in range(stages)]
    sizes = 0.9 - 0.7 * np.abs(np.linspace(-1 if look.random() < 0.4 else 0, 1, stages)[::-1])
    if manner == 2:
        before: list[tuple[float, float]] = []
        for k in range(stages):
            count = 2 + int(data.random() * max(1.0, min(6.0, height / (em * 1.6) - 2)))
            now = [((k + 0.5) * step, (i + 0.5) * height / count) for i in range(count)]
            links = [subpixel([a, b]) for a in before for b in now]
            if links:
                cv2.polylines(pixels, links, False, mix(style.paper, ink, 0.45), 1, cv2.LINE_AA, SHIFT)
            for x, y in now:
                radius = min(em * 0.7, height / count * 0.4, step * 0.35)
                ellipse(pixels, x, y, radius, radius, shades[k], mix(shades[k], BLACK, 0.4))
            before = now
        return "Architecture of the neural network"
    for k in range(stages):
        x, fill = k * step + 1, shades[k]
        tall = max(4.0, (height - em * 2.5) * max(0.2, float(sizes[k])))
        wide = step * (0.3 + 0.3 * data.random())
        y0, y1 = middle - tall / 2, middle + tall / 2
        if manner == 0:
            slant = min(step * 0.25, tall * 0.2)
            box(pixels, round(x), round(y0 + slant), round(x + wide), round(y1), fill, mix(fill, BLACK, 0.4))
            top = [(x, y0 + slant), (x + slant, y0), (x + wide + slant, y0), (x + wide, y0 + slant)]
            flank = [
                (x + wide, y0 + slant),
                (x + wide + slant, y0),
                (x + wide + slant, y1 - slant),
                (x + wide, y1),
            ]
            polygon(pixels, top, mix(fill, WHITE, 0.35), mix(fill, BLACK, 0.4))
            polygon(pixels, flank, mix(fill, BLACK, 0.15), mix(fill, BLACK, 0.4))
        else:
            rounded(pixels, x, y0, x + wide, y1, em * 0.4, fill, ink if look.random() < 0.6 else None)
            mask = np.rot90(text(style, pick(data, LAYERS)))
            if mask.shape[0] < tall and mask.shape[1] < wide:
                centred(pixels, mask, x + wide / 2, middle, WHITE if is_dark(fill) else BLACK)
        if k < stages - 1:
            arrow(pixels, (x + wide + step * 0.12, middle), (x + step - 2, middle), ink, style.line, em * 0.4)
        mask = text(style, pick(data, ("64", "128", "256", "512", "1x1", "3x3", "FC")), scale=0.9)
        if mask.shape[1] < step:
            centred(pixels, mask, x + wide / 2, min(height - em * 0.5, y1 + em * 0.9), ink)
    return "Architecture of the neural network"


def paint_animals(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """The design of an experiment with animals or people: figures, syringes, arrows, groups with names."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    rows = max(1, min(1 + int(look.random() * 3), int(height / (em * 4.5))))
    stages = max(2, min(2 + int(look.random() * 4), int(width / (em * 6))))
    person = look.random() < 0.35
    words = some(data, STEPS, rows * stages)
    pitch, step = height / rows, width / stages
    for k in range(rows * stages):
        x, y = (k % stages + 0.5) * step, (k // stages + 0.4) * pitch
        size = min(step * 0.22, pitch * 0.22)
        fill = mix(style.paper, ink, 0.3) if look.random() < 0.5 else tint(style, k // stages, 0.3)
        edge = mix(fill, BLACK, 0.4)
        if k % stages == 0 and person:
            ellipse(pixels, x, y - size, size * 0.45, size * 0.45, fill, edge)
            rounded(pixels, x - size * 0.6, y - size * 0.45, x + size * 0.6, y + size, size * 0.5, fill, edge)
        elif k % stages == 0:
            ellipse(pixels, x, y, size * 1.2, size * 0.65, fill, edge)
            ellipse(pixels, x + size * 1.2, y + size * 0.1, size * 0.5, size * 0.38, fill, edge)
            ellipse(pixels, x + size * 1.05, y - size * 0.35, size * 0.24, size * 0.24, fill, edge)
            tail = np.linspace(0, 1, 8)
            wave = np.stack([x - size * (1.2 + tail), y + size * 0.3 * np.sin(tail * 5)], axis=1)
            stroke(pixels, wave, edge)
        elif data.random() < 0.3:
            for j in range(3):
                left = x + (j - 1) * size * 0.7
                rounded(
                    pixels,
                    left - size * 0.25,
                    y - size,
                    left + size * 0.25,
                    y + size,
                    size * 0.25,
                    style.paper,
                    ink,
                )
                rounded(
                    pixels,
                    left - size * 0.25,
                    y,
                    left + size * 0.25,
                    y + size,
                    size * 0.25,
                    tint(style, j, 0.2),
                )
        elif data.random() < 0.4:
            _cell(data, pixels, x, y, size * 1.1, size, fill)
        else:
            rounded(pixels, x - step * 0.36, y - size, x + step * 0.36, y + size, em * 0.4, fill, edge)
            write_in(
                pixels, style, pick(data, SHORT), x - step * 0.34, y - size, x + step * 0.34, y + size, BLACK
            )
        if k % stages < stages - 1:
            arrow(pixels, (x + step * 0.38, y), (x + step * 0.62, y), ink, style.line, em * 0.5)
        write_in(
            pixels,
            style,
            words[k],
            x - step * 0.48,
            y + size + 1,
            x + step * 0.48,
            (k // stages + 1) * pitch,
            ink,
        )
    return "Design of the experiment"


def paint_circuit(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A brain circuit or block diagram: blocks on a loop, thin lines with arrows and dots."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    count = max(3, min(3 + int(look.random() * 5), int((width + height) / (em * 6))))
    angles = np.arange(count) * 2 * np.pi / count - np.pi / 2
    w, h = min(em * 2.6, width * 0.16), min(em * 1.1, height * 0.11)
    spots = [
        (
            width / 2 + (width / 2 - w - 1) * float(np.cos(a)),
            height / 2 + (height / 2 - h - 1) * float(np.sin(a)),
        )
        for a in angles
    ]
    inwards = 0.22
    for k, (x, y) in enumerate(spots):
        u, v = spots[(k + 1) % count]
        start, end = (
            (x + (u - x) * inwards, y + (v - y) * inwards),
            (u + (x - u) * inwards, v + (y - v) * inwards),
        )
        arrow(pixels, start, end, ink, style.line, em * 0.6, blunt=data.random() < 0.25)
    if look.random() < 0.6:
        write_in(
            pixels,
            style,
            pick(data, STEPS),
            width * 0.33,
            height * 0.4,
            width * 0.67,
            height * 0.6,
            ink,
            bold=True,
        )
    names = some(data, SHORT if look.random() < 0.5 else PARTS, count)
    rim = look.random() < 0.5
    for k, (x, y) in enumerate(spots):
        fill = tint(style, k, 0.4)
        if rim:
            rounded(pixels, x - w, y - h, x + w, y + h, em * 0.5, fill, ink, style.line)
        else:
            ellipse(pixels, x, y, w, h, fill)
        write_in(pixels, style, names[k], x - w, y - h, x + w, y + h, WHITE if is_dark(fill) else BLACK)
    return "Feedback loop between " + " and ".join(names[:2])


def paint_bullets(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A graphical summary: two to four boxes with a coloured head and lines of type."""
    height, width = pixels.shape[:2]
    em, ink, pitch = style.type_px, style.ink, line_height(style)
    boxes = max(1, min(2 + int(look.random() * 3), int(width / (em * 7))))
    gap = em * (0.6 + 1.5 * look.random())
    wide = (width - 1 - gap * (boxes - 1)) / boxes
    head = ceil(em * 1.9)
    for k in range(boxes):
        x0 = k * (wide + gap)
        fill = tint(style, k, 0.1)
        rounded(pixels, x0, 0, x0 + wide, height - 1, em * 0.5, tint(style, k, 0.85), fill, style.line)
        rounded(pixels, x0, 0, x0 + wide, head, em * 0.5, fill)
        write_in(
            pixels,
            style,
            pick(data, SHORT),
            x0,
            0,
            x0 + wide,
            head,
            WHITE if is_dark(fill) else BLACK,
            bold=True,
        )
        y = head + em * 0.4
        while y + 2 * pitch < height:
            write_in(pixels, style, pick(data, STEPS), x0 + 2, y, x0 + wide - 2, y + 2 * pitch, ink)
            y += 2.2 * pitch
        if k < boxes - 1:
            arrow(
                pixels,
                (x0 + wide + 1, height / 2),
                (x0 + wide + gap - 1, height / 2),
                ink,
                style.line + 1,
                em * 0.7,
            )
    return "Summary of the approach"


KINDS = (
    Drawn("cell_cartoon", paint_cells, 3.0, "illustration", aspect=(0.7, 2.4)),
    Drawn("apparatus", paint_apparatus, 1.8, "diagram", aspect=(0.8, 2.4)),
    Drawn("architecture", paint_network_stack, 1.6, "diagram", aspect=(1.2, 4.0)),
    Drawn("experiment", paint_animals, 2.2, "illustration", aspect=(1.0, 4.0)),
    Drawn("circuit", paint_circuit, 1.4, "diagram", aspect=(0.8, 1.8)),
    Drawn("summary_boxes", paint_bullets, 1.0, "diagram", aspect=(1.0, 3.0)),
)
