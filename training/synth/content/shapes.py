"""Plots without plain axes: polar, radar, contour, surfaces, maps, vector fields, globes of points."""

from __future__ import annotations

import cv2
import numpy as np

from .axes import SHIFT, Floats, axes, box, centred, dots
from .base import Drawn, Pixels, Rng, Style, mix
from .plots import cells, colour_bar, colours_of, ramp_of
from .strokes import arrow, blob, polygon, stroke, subpixel, write
from .text import text
from .words import GENES, TITLES, X_TITLES, Y_TITLES, pick, some

PLACES = (
    "North", "Beijing", "Lima", "Delta", "Upper valley", "Coast", "Site A", "Site B", "Lake", "Gulf",
    "Oslo", "Nairobi", "Highland", "Island", "River", "Bay",
)  # fmt: skip


def paint_radar(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A radar chart, or a rose of directions."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    spokes = 4 + int(look.random() * 8)
    radius = max(4.0, min(width, height) / 2 - (em * 1.2 if min(width, height) > em * 8 else 1))
    cx, cy = width / 2, height / 2
    angles = np.arange(spokes) * 2 * np.pi / spokes - np.pi / 2
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    grid = mix(style.paper, ink, 0.3)
    rose = look.random() < 0.35
    for level in (0.25, 0.5, 0.75, 1.0):
        if rose:
            cv2.circle(pixels, (round(cx), round(cy)), round(radius * level), grid, 1, cv2.LINE_AA)
        else:
            polygon(pixels, unit * radius * level + (cx, cy), None, grid)
    for x, y in (unit * radius + (cx, cy)).tolist():
        stroke(pixels, [(cx, cy), (x, y)], grid)
    colours = colours_of(look, style, 3)
    if rose:
        count = 12 + 4 * int(look.random() * 4)
        for k, share in enumerate((0.15 + 0.8 * data.random(count) ** 2).tolist()):
            a = 360 * k / count
            middle, reach = (round(cx), round(cy)), max(1, round(radius * share))
            cv2.ellipse(
                pixels, middle, (reach, reach), 0, a, a + 330 / count, colours[0], cv2.FILLED, cv2.LINE_AA
            )
    else:
        for colour in colours[: 1 + int(look.random() * 3)]:
            shape = unit * (radius * (0.3 + 0.65 * data.random(spokes)))[:, None] + (cx, cy)
            if look.random() < 0.5:
                layer = pixels.copy()
                polygon(layer, shape, colour)
                cv2.addWeighted(layer, 0.3, pixels, 0.7, 0, dst=pixels)
            polygon(pixels, shape, None, colour, style.line)
    if min(width, height) > em * 8:
        names = ["0", "45", "90", "135", "180"] if rose else some(look, GENES, spokes)
        for (x, y), name in zip((unit * (radius + em * 0.7) + (cx, cy)).tolist(), names, strict=False):
            mask = text(style, name, scale=0.9)
            half = mask.shape[1] / 2
            x += half * np.sign(x - cx) * (abs(x - cx) > 2)
            centred(pixels, mask, min(max(x, half), width - half), y, ink)
    return "Rose diagram of directions" if rose else "Radar chart of the scores"


def _relief(data: Rng, size: int) -> Floats:
    small = data.random((5, 5)).astype(np.float32)
    big = np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC), np.float64)
    low, high = float(big.min()), float(big.max())
    return (big - low) / (high - low + 1e-9)


def paint_contour(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Filled or drawn contours with axes and a colour bar."""
    em, width = style.type_px, pixels.shape[1]
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, 10.0),
        ylim=(0.0, 10.0),
        xlabel=pick(look, X_TITLES),
        ylabel=pick(look, X_TITLES),
        title=pick(data, TITLES),
        right=round(em * 3.2) if width > em * 14 else 0,
    )
    levels = 6 + int(look.random() * 8)
    relief = _relief(data, 40)
    ramp = ramp_of(look, style)
    if look.random() < 0.6:
        wide = np.asarray(cv2.resize(relief, (frame.width, frame.height)), np.float64)
        frame.inner[:] = ramp[
            (np.floor(wide * levels).clip(0, levels - 1) * (255 / levels) + 8).astype(np.intp)
        ]
        if look.random() < 0.5:
            edges = np.diff(np.floor(wide * levels), axis=1, prepend=0) != 0
            edges[:, 0] = False
            frame.inner[edges] = style.ink
    else:
        scale = np.array([frame.width / 40, frame.height / 40])
        for k in range(1, levels):
            mask = (relief > k / levels).astype(np.uint8)
            rings, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
            shade = ramp[k * 255 // levels]
            colour = (int(shade[0]), int(shade[1]), int(shade[2])) if look.random() < 0.7 else style.ink
            curves = [subpixel((ring[:, 0] + 0.5) * scale + (frame.left, frame.top)) for ring in rings]
            cv2.polylines(pixels, curves, True, colour, 1, cv2.LINE_AA, SHIFT)
    colour_bar(frame, ramp, 0.0, 1.0)
    return "Contour map of the response"


def paint_surface(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A surface, bars or points in three dimensions in a wire box."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    n = 12
    turn, lift = 0.5 + 0.6 * look.random(), 0.35 + 0.2 * look.random()

    def project(x: Floats, y: Floats, z: Floats) -> Floats:
        a = x * np.cos(turn) - y * np.sin(turn)
        b = x * np.sin(turn) + y * np.cos(turn)
        reach, tall = width * 0.62, height * 0.42
        return np.stack(
            [
                width * 0.53 + (a - 0.5 * np.cos(turn) + 0.5 * np.sin(turn)) * reach,
                height * 0.92 - lift * (1.4 - b) * height * 0.55 - z * tall,
            ],
            axis=-1,
        )

    corners = np.array(
        [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]], float
    )
    points = project(corners[:, 0], corners[:, 1], corners[:, 2])
    grey = mix(style.paper, ink, 0.5)
    for a, b in ((0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 5), (3, 7), (4, 5), (4, 7)):
        stroke(pixels, [points[a], points[b]], grey)
    if look.random() < 0.35:
        at = data.random((60, 3))
        for k, colour in enumerate(colours_of(look, style, 3)):
            seen = project(*(at[k::3] * 0.5 + 0.25 * k).T)
            dots(pixels, seen[:, 0], seen[:, 1], colour, max(0.8, em * 0.2))
    else:
        z = _relief(data, n)
        t = np.linspace(0, 1, n)
        grid = project(*np.meshgrid(t, t), z * 0.9)
        ramp = ramp_of(look, style)
        wired = look.random() < 0.6
        for i in range(n - 1):
            for j in range(n - 1):
                shade = ramp[int(z[i, j] * 250)]
                quad = [subpixel([grid[i, j], grid[i, j + 1], grid[i + 1, j + 1], grid[i + 1, j]])]
                cv2.fillPoly(pixels, quad, shade.tolist(), cv2.LINE_AA if wired else cv2.LINE_8, SHIFT)
        if wired:
            lines = [subpixel(row) for row in grid] + [subpixel(row) for row in grid.transpose(1, 0, 2)]
            cv2.polylines(pixels, lines, False, ink, 1, cv2.LINE_AA, SHIFT)
    for a, b, name in ((2, 3, pick(look, X_TITLES)), (1, 2, pick(look, Y_TITLES))):
        x, y = ((points[a] + points[b]) / 2).tolist()
        mask = text(style, name, scale=0.9)
        if mask.shape[1] < width * 0.45:
            x = min(max(x, mask.shape[1] / 2), width - mask.shape[1] / 2)
            centred(pixels, mask, x, min(height - em * 0.5, y + em * 0.8), ink)
    return "Response surface"


def paint_map(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A map of regions: shaded by a value or plain with sites, frame, scale bar, legend."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    sea = style.paper if look.random() < 0.6 else mix((170, 211, 235), style.paper, 0.4 * look.random())
    framed = look.random() < 0.5
    if framed or sea != style.paper:
        box(pixels, 0, 0, width - 1, height - 1, sea, ink if framed else None, style.line)
    count = 6 + int(look.random() * 30)
    land = blob(look, width / 2, height / 2, width * 0.4, height * 0.4, 0.35, 80)
    coast = (look.random(land.shape) - 0.5) * (width * 0.03, height * 0.03)
    land += coast + 1.5 * np.repeat(coast[::8], 8, axis=0)
    land = np.clip(land, 1, (width - 2, height - 2))
    shaded = look.random() < 0.6
    ramp = ramp_of(look, style)
    if shaded:
        seeds = np.full((height, width), 255, np.uint8)
        seeds[(look.random(count) * height).astype(np.intp), (look.random(count) * width).astype(np.intp)] = 0
        # The label of the nearest seed: a Voronoi diagram at the cost of one distance transform.
        _, regions = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
        regions = regions.astype(np.uint8) % count
        values = (data.random(count) * 5).astype(np.intp)
        picture = ramp[(values * 55 + 20)[regions]]
        border = np.zeros((height, width), bool)
        border[1:] = regions[1:] != regions[:-1]
        border[:, 1:] |= regions[:, 1:] != regions[:, :-1]
        picture[border] = style.paper if look.random() < 0.5 else (90, 90, 90)
        inside = np.zeros((height, width), np.uint8)
        cv2.fillPoly(inside, [subpixel(land)], 1, cv2.LINE_8, SHIFT)
        cv2.copyTo(picture, inside, pixels)
        polygon(pixels, land, None, mix(sea, ink, 0.6))
    else:
        polygon(pixels, land, mix((235, 228, 205), style.paper, look.random()), mix(sea, ink, 0.7))
        for _ in range(3):
            stroke(
                pixels,
                land[int(look.random() * 20) :: 5][:5] * 0.5 + (width / 4, height / 4),
                mix(ink, sea, 0.5),
            )
    if look.random() < 0.5 or not shaded:
        inner = (data.random((12, 2)) - 0.5) * (width * 0.45, height * 0.45) + (width / 2, height / 2)
        dots(pixels, inner[:, 0], inner[:, 1], style.palette[1 % len(style.palette)], max(1.0, em * 0.25))
        for x, y in inner[:5].tolist():
            write(pixels, style, pick(look, PLACES), x + em * 0.4, y - em * 0.4, ink, scale=0.85)
    if min(width, height) > em * 8:
        x, y = width - em * 4.5, height - em * 1.2
        stroke(pixels, [(x, y), (x + em * 3, y)], ink, style.line + 1)
        write(pixels, style, "100 km", x, y - em, ink, scale=0.8)
        if look.random() < 0.5:
            arrow(pixels, (width - em, em * 2.4), (width - em, 3), ink, style.line, em * 0.6)
        if shaded and look.random() < 0.6:
            for k in range(5):
                shade, top = ramp[k * 55 + 20].tolist(), round(height - em * (6 - k))
                box(pixels, 3, top, 3 + round(em), top + round(em * 0.7), (shade[0], shade[1], shade[2]), ink)
                write(pixels, style, f"{k * 20}-{k * 20 + 20}", 5 + em * 1.2, top, ink, scale=0.8)
    return "Map of the study area"


def paint_field(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A vector field or a phase portrait."""
    frame = axes(
        look,
        pixels,
        style,
        xlim=(-2.0, 2.0),
        ylim=(-2.0, 2.0),
        xlabel="x" if look.random() < 0.5 else "x (mm)",
        ylabel="y" if look.random() < 0.5 else "y (mm)",
        title=pick(data, TITLES),
    )
    a, b = (data.random((2, 2)) - 0.5).tolist()
    colour = style.ink if look.random() < 0.5 else style.palette[0]
    if look.random() < 0.3:
        cells(frame.inner, _relief(data, 30), ramp_of(look, style))
    n = max(3, min(12, frame.width // 10))
    reach = 0.8 * min(frame.width, frame.height) / n
    y, x = np.mgrid[0:n, 0:n]
    x, y = (x.ravel() + 0.5) / n * 4 - 2, (y.ravel() + 0.5) / n * 4 - 2
    u, v = np.sin(2 * a[0] * x + 3 * b[0] * y) + a[1] * y, np.cos(2 * b[1] * x) - a[0] * x
    size = np.hypot(u, v) + 1e-6
    px, py = frame.xs(x), frame.ys(y)
    tips = np.stack([px + u / size * reach * 0.9, py - v / size * reach * 0.9], axis=1)
    tails = np.stack([px, py], axis=1)
    side = np.stack([v / size, u / size], axis=1) * reach * 0.25
    neck = tips - (tips - tails) * 0.35
    heads, shafts = (
        subpixel(np.stack([neck + side, tips, neck - side], axis=1)),
        subpixel(np.stack([tails, tips], axis=1)),
    )
    cv2.polylines(pixels, [*heads, *shafts], False, colour, 1, cv2.LINE_AA, SHIFT)
    return "Velocity field"


def paint_circos(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A ring of segments with ribbons or arcs between them."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    radius = max(4.0, min(width, height) / 2 - (em * 1.1 if min(width, height) > em * 8 else 1))
    cx, cy = width / 2, height / 2
    count = 3 + int(look.random() * 20)
    colours = colours_of(look, style, count)
    ends = np.r_[0, np.cumsum(0.4 + look.random(count))]
    ends = ends / ends[-1] * 360
    middle = (round(cx), round(cy))
    names = some(look, GENES, count)
    for k in range(count):
        cv2.ellipse(
            pixels,
            middle,
            (round(radius),) * 2,
            0,
            ends[k],
            ends[k + 1] - 2,
            colours[k],
            cv2.FILLED,
            cv2.LINE_AA,
        )
        a = np.deg2rad((ends[k] + ends[k + 1]) / 2)
        if min(width, height) > em * 8 and count < 16:
            mask = text(style, names[k], scale=0.8)
            half = mask.shape[1] / 2
            x = cx + (radius + 2) * np.cos(a) + half * np.cos(a)
            centred(pixels, mask, min(max(x, half), width - half), cy + (radius + em * 0.6) * np.sin(a), ink)
    inner = radius * (0.82 + 0.1 * look.random())
    cv2.circle(pixels, middle, round(inner), style.paper, cv2.FILLED, cv2.LINE_AA)
    if look.random() < 0.4:
        t = np.linspace(0, 2 * np.pi, 90)
        r = inner * (0.85 + 0.12 * data.random(90))
        polygon(pixels, np.stack([cx + r * np.cos(t), cy + r * np.sin(t)], axis=1), None, style.palette[0])
        inner *= 0.8
    ribbons = look.random() < 0.5
    s = np.linspace(0, 1, 12)
    for k in range(6 + int(data.random() * 20)):
        a, b = (data.random(2) * 2 * np.pi).tolist()
        arcs = []
        for shift in (0.0, 0.12 if ribbons else 0.0):
            p, q = a + shift, b - shift
            bend = np.stack(
                [(1 - s) ** 2 * np.cos(p) + s**2 * np.cos(q), (1 - s) ** 2 * np.sin(p) + s**2 * np.sin(q)],
                axis=1,
            )
            arcs.append(bend * inner + (cx, cy))
        colour = mix(colours[k % count], style.paper, 0.35)
        if ribbons:
            polygon(pixels, np.concatenate([arcs[0], arcs[1][::-1]]), colour)
        else:
            stroke(pixels, arcs[0], colour)
    return "Circos plot of the interactions"


KINDS = (
    Drawn("radar", paint_radar, 0.8, aspect=(0.85, 1.4)),
    Drawn("contour", paint_contour, 1.0, aspect=(0.8, 1.5)),
    Drawn("surface", paint_surface, 1.0, aspect=(0.9, 1.5)),
    Drawn("map", paint_map, 2.0, "map", aspect=(0.7, 1.8)),
    Drawn("field", paint_field, 0.4, aspect=(0.8, 1.3)),
    Drawn("circos", paint_circos, 0.8, aspect=(0.85, 1.3)),
)
