"""Plots of genomics: volcano, Manhattan, embeddings, clustered heat maps, dot plots, Venn, UpSet."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from .axes import Floats, Frame, axes, box, centred, dots
from .base import Color, Drawn, Pixels, Rng, Style, mix
from .plots import cells, colour_bar, colours_of, ramp_of
from .strokes import arrow, ellipse, line_height, stroke, write
from .text import paste, text
from .words import GENES, GROUPS, TITLES, groups, pick, some

CELLS = (
    "T cells", "B cells", "NK", "Macrophage", "Fibroblast", "Endothelial", "Neuron", "Astrocyte",
    "Epithelial", "DC", "Mast", "Monocyte", "Microglia", "Tumor", "Basal", "Plasma",
)  # fmt: skip
RAINBOW: tuple[Color, ...] = (
    (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75),
    (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207), (174, 199, 232), (255, 187, 120),
    (152, 223, 138), (255, 152, 150),
)  # fmt: skip


def paint_volcano(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    count = 300 + int(look.random() * 900)
    down, up = style.palette[0], style.palette[1 % len(style.palette)]
    if look.random() < 0.6:
        down, up = ((40, 80, 200), (220, 40, 40)) if look.random() < 0.7 else ((30, 160, 60), (220, 40, 40))
    span, top = 3.0 + round(look.random() * 5), (5.0, 10.0, 20.0, 50.0, 100.0)[int(look.random() * 5)]
    frame = axes(
        look,
        pixels,
        style,
        xlim=(-span, span),
        ylim=(0.0, top * 1.04),
        xlabel="log2 fold change",
        ylabel="-log10(P value)",
        title=pick(data, TITLES),
        legend=(("Down", down), ("NS", (150, 150, 150)), ("Up", up)) if look.random() < 0.5 else (),
    )
    x = np.clip(data.standard_normal(count) * span * 0.27, -span * 0.97, span * 0.97)
    y = np.clip(
        (np.abs(x) / span) ** 1.3 * top * (0.3 + data.random(count)) + data.exponential(top * 0.03, count),
        0,
        top,
    )
    colours = np.full((count, 3), mix(style.paper, style.ink, 0.4), np.uint8)
    strong = y > top * 0.15
    colours[strong & (x > span * 0.2)] = up
    colours[strong & (x < -span * 0.2)] = down
    dots(frame.pixels, frame.xs(x), frame.ys(y), colours, max(0.5, style.type_px * 0.14))
    if look.random() < 0.7:
        shade = mix(style.paper, style.ink, 0.7)
        frame.line(np.linspace(-span, span, 40), np.full(40, top * 0.15), shade, dash=1)
        for cut in (-span * 0.2, span * 0.2):
            frame.line(np.full(40, cut), np.linspace(0, top, 40), shade, dash=1)
    if look.random() < 0.5:
        for k in np.argsort(y)[-8:].tolist():
            px, py = frame.at(float(x[k]), float(y[k]))
            write(pixels, style, pick(data, GENES), px + 2, py - style.type_px, style.ink, scale=0.9)
    return "Volcano plot of differentially expressed genes"


def paint_manhattan(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    chromosomes = 22 if look.random() < 0.7 else 5 + int(look.random() * 10)
    count = 1500
    first = style.ink if look.random() < 0.4 else style.palette[0]
    second = mix(first, style.paper, 0.5) if look.random() < 0.5 else style.palette[1 % len(style.palette)]
    top = (8.0, 10.0, 15.0, 30.0)[int(look.random() * 4)]
    names = [str(i + 1) for i in range(chromosomes)]
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, float(chromosomes)),
        ylim=(0.0, top * 1.04),
        xlabel="Chromosome",
        ylabel="-log10(P)",
        title=pick(data, TITLES),
        categories=names if pixels.shape[1] > style.type_px * 40 else None,
    )
    x = data.random(count) * chromosomes
    y = data.exponential(0.55, count)
    for peak in (data.random(3) * chromosomes).tolist():
        near = np.abs(x - peak) < 0.12
        y[near] += data.random(int(near.sum())) * top * 0.9
    colours = np.where((x.astype(np.intp) % 2 == 0)[:, None], np.array(first), np.array(second))
    dots(frame.pixels, frame.xs(x), frame.ys(np.minimum(y, top)), colours, max(0.5, style.type_px * 0.1))
    cut = top * (0.5 + 0.2 * look.random())
    frame.line(
        np.linspace(0, chromosomes, 50), np.full(50, cut), (210, 40, 40), dash=1 if look.random() < 0.5 else 0
    )
    return "Manhattan plot of the genome-wide association study"


def paint_embedding(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Clusters of points (t-SNE, UMAP, PCA), often without axes but with two short arrows."""
    height, width = pixels.shape[:2]
    em = style.type_px
    method = ("UMAP", "tSNE", "UMAP", "PC")[int(look.random() * 4)]
    clusters = 3 + int(look.random() * 11)
    bare, legend, written, graded = (look.random(4) < (0.5, 0.5, 0.45, 0.3)).tolist()
    names = some(look, CELLS, clusters)
    right = 2
    if legend and width > em * 14:
        right = max(text(style, name).shape[1] for name in names) + round(em * 1.6)
    view = pixels[:, : width - right]
    if bare:
        frame = Frame(pixels, style, 1, round(em * 1.2), width - right, height - 1)
        title = text(style, pick(data, GENES if graded else TITLES), bold=True)
        if look.random() < 0.6:
            centred(view, title, (width - right) / 2, em * 0.5, style.ink)
    else:
        reach = (5.0, 10.0, 20.0, 50.0)[int(look.random() * 4)]
        frame = axes(
            look,
            view,
            style,
            xlim=(-reach, reach),
            ylim=(-reach, reach),
            xlabel=f"{method} 1",
            ylabel=f"{method} 2",
            title=pick(data, TITLES),
            xticks=look.random() < 0.5,
            yticks=look.random() < 0.5,
        )
        frame = replace(frame, xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    middles = 0.14 + 0.72 * look.random((clusters, 2))
    spreads = 0.025 + 0.06 * look.random((clusters, 2))
    which = (look.random(1100) * clusters).astype(np.intp)
    points = middles[which] + spreads[which] * np.clip(data.standard_normal((1100, 2)), -2.2, 2.2)
    points[:, 1] += 0.35 * (points[:, 0] - middles[which, 0]) * (which % 3 - 1)
    points = np.clip(points, 0.01, 0.99)
    if graded:
        ramp = ramp_of(look, style)
        level = np.clip(data.random(clusters)[which] * 0.9 + 0.2 * data.standard_normal(1100), 0, 1)
        colours = ramp[(level * 200 + 40).astype(np.intp)]
    else:
        colours = np.array(RAINBOW, np.uint8)[which % len(RAINBOW)]
    dots(
        pixels,
        frame.xs(points[:, 0]),
        frame.ys(points[:, 1]),
        colours,
        max(0.5, min(em * 0.12, frame.width / 200)),
    )
    if written and not graded:
        for k, (x, y) in enumerate(middles.tolist()):
            mask = text(style, str(k) if legend else names[k])
            centred(view, mask, float(frame.xs(x)), float(frame.ys(y)), style.ink)
    if bare and min(width, height) > em * 8 and look.random() < 0.6:
        corner, reach = (3.0, height - 3.0 - em), em * 2.5
        for end in ((corner[0] + reach, corner[1]), (corner[0], corner[1] - reach)):
            arrow(pixels, corner, end, style.ink, style.line, em * 0.4)
        write(pixels, style, f"{method}1", 3, height - em, style.ink, scale=0.8)
    if right > 2 and not graded:
        pitch = min(line_height(style), height // clusters)
        top = (height - pitch * clusters) // 2
        for k, name in enumerate(names):
            y = top + k * pitch
            cv2.circle(
                pixels,
                (width - right + round(em * 0.7), y + round(em * 0.35)),
                max(1, round(em * 0.3)),
                RAINBOW[k % len(RAINBOW)],
                cv2.FILLED,
                cv2.LINE_AA,
            )
            write(pixels, style, name, width - right + round(em * 1.4), y, style.ink)
    return f"{method} plot of {clusters} clusters of cells"


Joint = tuple[float, float, float, float, float]


def joints(rng: Rng, places: Floats, power: float) -> list[Joint]:
    """A random binary tree over ordered places: (a, level of a, b, level of b, level) for every inner node.

    Levels grow from 0 at the leaves to 1 at the root; larger clades join later.
    """
    spots, cuts = places.tolist(), rng.random(len(places)).tolist()
    tree: list[Joint] = []

    def grow(first: int, last: int) -> tuple[float, float]:
        if last - first == 1:
            return spots[first], 0.0
        cut = first + 1 + int(cuts[first] * (last - first - 1))
        a, low = grow(first, cut)
        b, high = grow(cut, last)
        level = ((last - first - 1) / (len(spots) - 1)) ** power
        tree.append((a, low, b, high, level))
        return (a + b) / 2, level

    grow(0, len(spots))
    return tree


def dendrogram(
    rng: Rng, pixels: Pixels, places: Floats, base: float, depth: float, colour: Color, upright: bool
) -> None:
    """A tree over `places` (x, or y unless `upright`), growing from `base` by `depth` pixels."""
    tree = np.array(joints(rng, places, 0.6))
    across = tree[:, (0, 0, 2, 2)]
    along = base + depth * tree[:, (1, 4, 4, 3)]
    paths = np.stack([across, along] if upright else [along, across], axis=-1)
    cv2.polylines(pixels, list(np.rint(paths).astype(np.int32, order="C")), False, colour, 1)


def paint_clustered(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A heat map of many cells with trees at the top and left, group bars and a colour bar."""
    height, width = pixels.shape[:2]
    em = style.type_px
    rows, columns = 8 + int(look.random() * 60), 4 + int(look.random() * 28)
    ramp = ramp_of(look, style)
    trees, bars, names, scale = (look.random(4) < (0.7, 0.5, 0.5, 0.7)).tolist()
    left = round(min(width * 0.15, em * 4)) if trees else 1
    top = round(min(height * 0.15, em * 4)) if trees and look.random() < 0.7 else 1
    strip = min(height // 3, max(2, round(em * 0.6))) if bars else 0
    right = round(em * 3.2) if scale and width > em * 12 else 0
    rows = max(2, min(rows, int(height / em))) if names else rows
    room = (
        max((text(style, name).shape[1] for name in GENES), default=0) + 4 if names and width > em * 12 else 1
    )
    frame = Frame(pixels, style, left, top + strip, max(left + 6, width - right - room), height - 1)
    steps = (data.random((rows, columns)) - 0.5) * 0.45 + 0.5
    split, cut = 1 + int(look.random() * (rows - 1)), 1 + int(look.random() * (columns - 1))
    steps[:split, :cut] += 0.22
    steps[split:, cut:] += 0.22
    steps[:split, cut:] -= 0.22
    steps[split:, :cut] -= 0.22
    cells(frame.inner, steps, ramp, style.paper if look.random() < 0.12 else None)
    if trees:
        few = min(rows, 24, frame.height // 3)
        if few > 2:
            places = frame.top + (np.arange(few) + 0.5) * frame.height / few
            dendrogram(look, pixels, places, frame.left - 2, 2.0 - frame.left + 1, style.ink, False)
        few = min(columns, frame.width // 3)
        if top > 1 and few > 2:
            places = frame.left + (np.arange(few) + 0.5) * frame.width / few
            dendrogram(look, pixels, places, top - 2, 2.0 - top + 1, style.ink, True)
    if bars:
        seam = frame.left + frame.width * cut // columns
        box(pixels, frame.left, top, seam, top + strip - 2, style.palette[0])
        box(pixels, seam, top, frame.right - 1, top + strip - 2, style.palette[1 % len(style.palette)])
    if room > 1:
        for i, name in enumerate(some(look, GENES, rows)):
            y = frame.top + (i + 0.5) * frame.height / rows - em * 0.35
            write(pixels, style, name, frame.right + 2, y, style.ink, scale=0.9)
    if right:
        low = frame.top + min(frame.height, round(em * 8))
        colour_bar(Frame(pixels, style, 0, frame.top, width - right - 1, low), ramp, -2.0, 2.0)
    return "Heat map with hierarchical clustering of genes and samples"


def paint_dotplot(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A matrix of dots whose size and colour are values, with names at the left and below."""
    height, width = pixels.shape[:2]
    em = style.type_px
    rows, columns = max(2, min(14, int(height / (em * 2)))), max(2, min(12, int(width / (em * 3))))
    ramp = ramp_of(look, style)
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, float(columns)),
        ylim=(0.0, float(rows)),
        yticks=False,
        categories=some(look, GENES, columns),
        right=round(em * 3.4) if width > em * 14 else 0,
    )
    names = look.random() < 0.7 and width > em * 16
    shift = round(em * 5) if names else 0
    most = min(frame.width / columns, frame.height / rows) * 0.55
    sizes, levels = data.random((rows, columns)) ** 1.5, data.random((rows, columns))
    for i in range(rows):
        y = frame.top + (i + 0.5) * frame.height / rows
        for j in range(columns):
            colour = ramp[int(levels[i, j] * 255)]
            middle = (round(frame.left + (j + 0.5) * frame.width / columns), round(y))
            shade = (int(colour[0]), int(colour[1]), int(colour[2]))
            cv2.circle(pixels, middle, max(1, round(most * sizes[i, j])), shade, cv2.FILLED, cv2.LINE_AA)
    if shift:
        for i, name in enumerate(some(look, CELLS, rows)):
            y = frame.top + (i + 0.5) * frame.height / rows - em * 0.35
            mask = text(style, name, scale=0.9)
            if frame.left - mask.shape[1] - 3 > 0:
                paste(pixels, mask, frame.left - mask.shape[1] - 3, round(y), style.ink)
    if width > em * 14:
        colour_bar(frame, ramp, 0.0, 4.0)
    return "Dot plot of marker genes by cluster"


def paint_venn(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Two to four overlapping circles with counts."""
    height, width = pixels.shape[:2]
    em = style.type_px
    sets = 2 if width > height * 1.4 else (3 if look.random() < 0.7 else 4)
    names = list(groups(look, sets)) + some(look, GENES, sets)
    colours = colours_of(look, style, sets)
    radius = min(width * (0.31 if sets == 2 else 0.3), (height - em * 2.5) * (0.48 if sets == 2 else 0.31))
    radius = max(3.0, radius)
    spread = radius * (0.62 if sets == 2 else 0.68)
    cx, cy = width / 2, (height + (em if sets == 2 else em * 0.2)) / 2 + (radius * 0.12 if sets == 3 else 0)
    first = {2: 0.0, 3: -np.pi / 6, 4: -np.pi / 4}[sets]
    angles = [first + 2 * np.pi * k / sets for k in range(sets)]
    opaque = look.random() < 0.75
    for k, angle in enumerate(angles):
        x, y = cx + spread * np.cos(angle), cy + spread * np.sin(angle)
        if opaque:
            layer = pixels.copy()
            ellipse(layer, x, y, radius, radius, colours[k])
            cv2.addWeighted(layer, 0.45, pixels, 0.55, 0, dst=pixels)
        ellipse(
            pixels, x, y, radius, radius, None, mix(colours[k], style.ink, 0.3 if opaque else 0.0), style.line
        )
        fx, fy = cx + spread * 1.6 * np.cos(angle), cy + spread * 1.6 * np.sin(angle)
        centred(pixels, text(style, str(int(data.random() * 300) * 5)), fx, fy, style.ink)
        name = text(style, names[k], bold=True)
        ny = y - radius - em * 0.6 if np.sin(angle) < 0.3 else y + radius + em * 0.6
        if em * 0.3 < ny < height - em * 0.3:
            centred(pixels, name, min(max(x, name.shape[1] / 2), width - name.shape[1] / 2), ny, style.ink)
    centred(pixels, text(style, str(int(data.random() * 100) * 2)), cx, cy, style.ink)
    return "Venn diagram of the overlap between " + " and ".join(names[:2])


def paint_upset(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Bars of intersection sizes above a matrix of dots, set sizes at the left."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    sets = 3 + int(look.random() * 4)
    columns = max(4, min(8 + int(look.random() * 14), int(width * 0.7 / max(3.0, em * 0.8))))
    pitch = min(line_height(style) * 1.2, height * 0.45 / sets)
    split = height - pitch * sets - 1
    left = round(width * (0.2 + 0.12 * look.random()))
    step = (width - left - 2) / columns
    colour = ink if look.random() < 0.6 else style.palette[0]
    grey = mix(style.paper, ink, 0.18)
    sizes = np.sort(data.random(columns) ** 2)[::-1]
    members = data.random((columns, sets)) < 0.45
    members[np.arange(columns), (data.random(columns) * sets).astype(np.intp)] = True
    radius = max(1, round(min(step, pitch) * 0.32))
    for i in range(sets):
        y = round(split + (i + 0.5) * pitch)
        if i % 2 == 0:
            box(
                pixels,
                left,
                round(y - pitch / 2),
                width - 1,
                round(y + pitch / 2),
                mix(style.paper, ink, 0.06),
            )
        reach = round(left * (0.15 + 0.4 * data.random()))
        box(
            pixels,
            max(0, left - reach - 4),
            round(y - pitch * 0.35),
            left - 4,
            round(y + pitch * 0.35),
            colour,
        )
        write(pixels, style, GROUPS[(i * 5) % len(GROUPS)][0], 0, y - em * 0.35, ink, scale=0.9)
    for j in range(columns):
        x = round(left + (j + 0.5) * step)
        top = round(split - 3 - (0.04 + 0.9 * float(sizes[j])) * (split - em * 1.2))
        box(pixels, round(x - step * 0.32), max(0, top), round(x + step * 0.32), round(split - 3), colour)
        if step > em * 1.1:
            centred(pixels, text(style, str(int(sizes[j] * 90) + 2), scale=0.8), x, top - em * 0.5, ink)
        inside = np.flatnonzero(members[j]).tolist()
        for i in range(sets):
            y = round(split + (i + 0.5) * pitch)
            cv2.circle(pixels, (x, y), radius, ink if members[j, i] else grey, cv2.FILLED, cv2.LINE_AA)
        rows = [split + (i + 0.5) * pitch for i in inside]
        stroke(pixels, [(x, rows[0]), (x, rows[-1])], ink, max(1, style.line))
    cv2.line(pixels, (left - 1, 1), (left - 1, round(split - 3)), ink, style.line)
    return "UpSet plot of the intersections of gene sets"


KINDS = (
    Drawn("volcano", paint_volcano, 2.0, aspect=(0.7, 1.5)),
    Drawn("manhattan", paint_manhattan, 1.0, aspect=(1.4, 4.0)),
    Drawn("embedding", paint_embedding, 3.5, aspect=(0.8, 1.6)),
    Drawn("clustered_heatmap", paint_clustered, 3.0, "heatmap", aspect=(0.5, 1.5)),
    Drawn("dot_plot", paint_dotplot, 1.2, aspect=(0.7, 1.8)),
    Drawn("venn", paint_venn, 1.2, "diagram", aspect=(0.9, 1.7)),
    Drawn("upset", paint_upset, 0.5, aspect=(1.0, 2.2)),
)
