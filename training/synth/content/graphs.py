"""Trees and networks of nodes: phylogenies, interaction and regulatory networks, clusters of terms."""

from __future__ import annotations

import cv2
import numpy as np

from .axes import SHIFT, Floats, centred
from .base import Color, Drawn, Pixels, Rng, Style, is_dark, mix
from .omics import RAINBOW, dendrogram, joints
from .plots import colours_of, ramp_of
from .sequences import SPECIES
from .strokes import arrow, ellipse, polygon, stroke, subpixel, tint, write, write_in
from .text import text
from .words import GENES, ROWS, SHORT, pick, some

QUESTIONS = (
    "Age > 60",
    "CRP > 5",
    "BMI < 25",
    "Stage III",
    "GFR < 60",
    "Smoker",
    "LDL > 3.4",
    "Fever",
    "pH < 7.3",
)


def paint_phylogeny(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A rectangular tree with named leaves, clades coloured in some, a scale bar."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    leaves = max(3, min(6 + int(look.random() * 34), int(height / (em * 0.9))))
    names = some(look, SPECIES if look.random() < 0.6 else GENES, leaves)
    named = width > em * 9
    room = max(text(style, name, scale=0.9).shape[1] for name in names) + 4 if named else 1
    strip = round(em) if look.random() < 0.3 and named else 0
    right = max(width // 3, width - room - strip)
    bar = height > em * 8 and look.random() < 0.6
    bottom = height - (round(em * 1.8) if bar else 1)
    places = 1 + (np.arange(leaves) + 0.5) * (bottom - 1) / leaves
    if look.random() < 0.4:
        cuts = np.sort(look.random(2))
        for k, (a, b) in enumerate(((0.0, cuts[0]), (cuts[0], cuts[1]), (cuts[1], 1.0))):
            y0, y1 = round(1 + a * (bottom - 1)), round(b * (bottom - 1))
            pixels[y0:y1, right // 2 : width] = tint(style, k, 0.75)
    dendrogram(data, pixels, places, right - 1.0, 2.0 - right, ink, False)
    for k, (y, name) in enumerate(zip(places.tolist(), names, strict=True)):
        if named:
            write(pixels, style, name, right + 2, y - em * 0.33, ink, scale=0.9)
        if strip:
            colour = RAINBOW[k * 4 // leaves]
            cv2.rectangle(
                pixels, (width - strip + 2, round(y - 2)), (width - 1, round(y + 2)), colour, cv2.FILLED
            )
    if bar:
        stroke(pixels, [(3, height - em * 1.2), (3 + width * 0.12, height - em * 1.2)], ink, style.line)
        write(pixels, style, "0.05", 3, height - em, ink, scale=0.8)
    return f"Phylogenetic tree of {leaves} sequences"


def paint_round_tree(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A circular tree with a coloured ring."""
    height, width = pixels.shape[:2]
    radius = min(width, height) / 2 - 1
    leaves = max(8, min(24 + int(look.random() * 50), int(radius)))
    ring = 0.12 * look.random() + 0.06
    middle = (round(width / 2), round(height / 2))
    for k in range(12):
        colour = RAINBOW[int(data.random() * 5)]
        start = k * 30.0
        cv2.ellipse(
            pixels, middle, (round(radius),) * 2, 0, start, start + 31, colour, cv2.FILLED, cv2.LINE_AA
        )
    cv2.circle(pixels, middle, max(2, round(radius * (1 - ring))), style.paper, cv2.FILLED, cv2.LINE_AA)
    reach = radius * (1 - ring) - 1
    lines: list[Floats] = []
    for a, low, b, high, level in joints(data, np.arange(leaves) * 2 * np.pi / leaves, 0.5):
        spokes = np.r_[a, np.linspace(a, b, 5), b]
        radii = reach * (1 - 0.95 * np.r_[low, np.full(5, level), high])
        lines.append(
            np.stack([middle[0] + radii * np.cos(spokes), middle[1] + radii * np.sin(spokes)], axis=1)
        )
    cv2.polylines(pixels, [subpixel(line) for line in lines], False, style.ink, 1, cv2.LINE_AA, SHIFT)
    return "Circular phylogenetic tree"


def _spread(rng: Rng, count: int, width: int, height: int, margin: float) -> Floats:
    """Positions (count, 2) that keep apart: a jittered grid, its middle drawn together."""
    columns = max(1, round((count * width / height) ** 0.5))
    rows = -(-count // columns)
    k = np.arange(count)
    grid = np.stack(
        [
            (k % columns + 0.5 + 0.7 * (rng.random(count) - 0.5)) / columns,
            (k // columns + 0.5 + 0.7 * (rng.random(count) - 0.5)) / rows,
        ],
        axis=1,
    )
    return margin + grid * (max(1.0, width - 2 * margin), max(1.0, height - 2 * margin))


def paint_network(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Nodes and edges: protein interactions, co-expression, brain connections, citations."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    count = max(4, min(6 + int(look.random() ** 1.5 * 60), int(width * height / (em * em * 5))))
    manner = int(look.random() * 4)
    radius = max(1.0, min(em * (0.5 + 0.7 * look.random()), (width * height / count) ** 0.5 * 0.28))
    if manner == 0:
        angles = np.arange(count) * 2 * np.pi / count
        points = np.stack(
            [
                width / 2 + (width / 2 - radius - 1) * np.cos(angles),
                height / 2 + (height / 2 - radius - 1) * np.sin(angles),
            ],
            axis=1,
        )
    else:
        points = _spread(data, count, width, height, radius + 1)
    links = count * (1 + int(look.random() * 3))
    ends = (data.random((links, 2)) * count).astype(np.intp)
    if manner > 1:  # most edges join neighbours; a few hubs take the rest
        ends[:, 1] = np.where(
            data.random(links) < 0.7, (ends[:, 0] + 1) % count, (data.random(links) * 3).astype(np.intp)
        )
    edge = mix(style.paper, ink, 0.25 + 0.35 * look.random())
    cv2.polylines(pixels, list(subpixel(points[ends])), False, edge, 1, cv2.LINE_AA, SHIFT)
    degrees = np.bincount(ends.ravel(), minlength=count)
    sized, named = look.random() < 0.6, look.random() < 0.6
    colours = colours_of(look, style, 4)
    ramp = ramp_of(look, style) if look.random() < 0.3 else None
    for k, (x, y) in enumerate(points.tolist()):
        r = radius * min(1.6, 0.5 + 0.5 * degrees[k] / (degrees.mean() + 1)) if sized else radius
        colour = colours[k * 4 // count]
        if ramp is not None:
            shade = ramp[min(255, int(degrees[k] * 25))].tolist()
            colour = (shade[0], shade[1], shade[2])
        ellipse(pixels, x, y, r, r, colour, mix(colour, ink, 0.5) if r > 3 else None)
        if named and count < 45:
            mask = text(style, GENES[k % len(GENES)], scale=0.85)
            if mask.shape[1] < width / 3:
                half = mask.shape[1] / 2
                centred(
                    pixels, mask, min(max(x, half), width - half), min(y + r * 0.2, height - em * 0.4), ink
                )
    return f"Interaction network of {count} proteins"


def paint_decision(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A decision tree or a hierarchy of terms: levels of nodes joined by lines."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    levels = max(2, min(2 + int(look.random() * 3), int(height / (em * 2.5))))
    before: list[tuple[float, float]] = []
    oval, start = look.random() < 0.5, int(look.random() * 6)
    for level in range(levels):
        most = max(1, int(width / (em * 4)))
        count = 1 if not level else min(most, len(before) * 2)
        y = (level + 0.5) * height / levels
        half = height / levels * 0.27
        now = [((k + 0.5) * width / count, y) for k in range(count)]
        for k, (x, y) in enumerate(now):
            if before:
                px, py = before[k * len(before) // count]
                arrow(pixels, (px, py + half), (x, y - half), ink, style.line, em * 0.45)
        for x, y in now:
            wide = min(em * 3.2, width / count * 0.46)
            fill: Color = tint(style, start + level, 0.5)
            if oval:
                ellipse(pixels, x, y, wide, half, fill, ink)
            else:
                cv2.rectangle(
                    pixels,
                    (round(x - wide), round(y - half)),
                    (round(x + wide), round(y + half)),
                    fill,
                    cv2.FILLED,
                )
            words = QUESTIONS if level < levels - 1 else (SHORT if look.random() < 0.5 else ROWS)
            paint = (255, 255, 255) if is_dark(fill) else (0, 0, 0)
            write_in(pixels, style, pick(data, words), x - wide, y - half, x + wide, y + half, paint)
        before = now
    return "Decision tree"


def paint_sankey(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """An alluvial diagram: columns of blocks and the flows between them."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    stages = 2 + int(look.random() * 3)
    counts = [2 + int(look.random() * 4) for _ in range(stages)]
    colours = colours_of(look, style, 6)
    block = max(2, round(em))
    gap = height * 0.03
    columns: list[list[tuple[float, float]]] = []
    for count in counts:
        sizes = data.dirichlet(np.ones(count) * 3) * (height - 2 - gap * (count - 1))
        tops = 1 + np.r_[0, np.cumsum(sizes + gap)[:-1]]
        columns.append(list(zip(tops.tolist(), sizes.tolist(), strict=True)))
    s = np.linspace(0, 1, 12)
    ease = s * s * (3 - 2 * s)
    for stage in range(stages - 1):
        x0 = stage * (width - block - 1) / (stages - 1) + block
        x1 = (stage + 1) * (width - block - 1) / (stages - 1)
        here, there = columns[stage], columns[stage + 1]
        used = [top for top, _ in there]
        given, total = (sum(size for _, size in column) for column in (here, there))
        for i, (top, size) in enumerate(here):
            y = top
            for j, (_, goal) in enumerate(there):
                thick, arrives = size * goal / total, goal * size / given
                x, upper = x0 + (x1 - x0) * s, y + (used[j] - y) * ease
                lower = upper + thick + (arrives - thick) * ease
                polygon(
                    pixels,
                    np.stack([np.r_[x, x[::-1]], np.r_[upper, lower[::-1]]], axis=1),
                    mix(colours[i % 6], style.paper, 0.55),
                )
                y += thick
                used[j] += arrives
    for stage, column in enumerate(columns):
        x = stage * (width - block - 1) / (stages - 1)
        for k, (top, size) in enumerate(column):
            fill = colours[k % 6] if stage < stages - 1 else mix(ink, style.paper, 0.4)
            cv2.rectangle(
                pixels, (round(x), round(top)), (round(x) + block, round(top + size)), fill, cv2.FILLED
            )
            place = x + block + 3 if stage < stages - 1 else x - em * 4
            if size > em:
                write(pixels, style, pick(data, SHORT), place, top + size / 2 - em * 0.35, ink, scale=0.9)
    return "Alluvial diagram of the groups"


KINDS = (
    Drawn("phylogeny", paint_phylogeny, 1.8, "diagram", aspect=(0.6, 1.8)),
    Drawn("round_tree", paint_round_tree, 0.6, "diagram", aspect=(0.85, 1.2)),
    Drawn("network", paint_network, 2.0, "diagram", aspect=(0.8, 1.7)),
    Drawn("decision_tree", paint_decision, 0.8, "diagram", aspect=(0.9, 2.4)),
    Drawn("sankey", paint_sankey, 0.7, aspect=(0.8, 2.0)),
)
