"""Drawings of sequences: logos, alignments, genome tracks, gene arrows."""

from __future__ import annotations

import cv2
import numpy as np

from .axes import axes, box, centred
from .base import Color, Drawn, Pixels, Rng, Style, mix
from .plots import cells, ramp_of
from .strokes import line_height, polygon, stroke, tint, write
from .text import Mask, paste, text
from .words import GENES, TITLES, pick, some

BASES: tuple[tuple[str, Color], ...] = (
    ("A", (0, 150, 60)), ("C", (30, 60, 200)), ("G", (240, 170, 0)), ("T", (210, 30, 30)),
)  # fmt: skip
ACIDS: tuple[tuple[str, Color], ...] = (
    ("K", (220, 40, 40)), ("D", (40, 70, 220)), ("L", (40, 40, 40)), ("G", (0, 150, 60)),
    ("S", (0, 150, 60)), ("R", (220, 40, 40)), ("E", (40, 70, 220)), ("V", (40, 40, 40)),
    ("F", (150, 60, 180)), ("P", (230, 140, 0)),
)  # fmt: skip
SPECIES = (
    "H. sapiens", "M. musculus", "D. rerio", "C. elegans", "S. cerevisiae", "A. thaliana", "E. coli",
    "G. gallus", "X. laevis", "D. melano", "R. norveg", "B. taurus",
)  # fmt: skip
TRACKS = (
    "H3K27ac",
    "H3K4me3",
    "Input",
    "ATAC",
    "CTCF",
    "Pol II",
    "RNA-seq",
    "Control",
    "KO",
    "WT",
    "H3K9me3",
    "DNase",
)


def _stretched(mask: Mask, width: int, height: int) -> Mask:
    return np.asarray(
        cv2.resize(mask, (max(1, width), max(1, height)), interpolation=cv2.INTER_AREA), np.uint8
    )


def paint_logo(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A sequence logo: stacks of letters stretched to their information."""
    width = pixels.shape[1]
    alphabet = BASES if look.random() < 0.7 else ACIDS
    places = max(3, min(5 + int(look.random() * 14), int(width / max(4.0, style.type_px * 0.9))))
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, float(places)),
        ylim=(0.0, 2.1),
        ylabel="bits",
        title=pick(data, TITLES),
        categories=[str(i + 1) for i in range(places)] if look.random() < 0.6 else None,
        xticks=look.random() < 0.5,
    )
    step = frame.width / places
    for i in range(places):
        y = float(frame.bottom)
        left = frame.left + i * step
        total = frame.height * (0.1 + 0.85 * data.random() ** 1.5)
        shares = np.sort(data.dirichlet(np.full(3, 0.6)))
        for share in shares.tolist():
            tall = round(total * share)
            if tall < 2 or y - tall < frame.top:
                continue
            letter, colour = alphabet[int(data.random() * len(alphabet))]
            glyph = _stretched(text(style, letter, scale=2.0, bold=True, trim=True), round(step) - 1, tall)
            paste(pixels, glyph, round(left), round(y - tall), colour)
            y -= tall
    return "Sequence logo of the enriched motif"


def paint_alignment(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Rows of letters on coloured or shaded cells, names at the left, positions at the right."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    pitch = em * 1.1
    blocks = max(1, min(1 + int(look.random() * 3), int(height / (pitch * 5))))
    rows = max(1, min(3 + int(look.random() * 9), int(height / blocks / pitch) - (1 if blocks > 1 else 0)))
    pitch = min(height / (blocks * rows + blocks - 1), em * 1.7)
    alphabet = BASES if look.random() < 0.4 else ACIDS
    names = some(look, SPECIES if look.random() < 0.6 else GENES, rows)
    left = max(text(style, name).shape[1] for name in names) + 4 if width > em * 12 else 0
    columns = max(3, int((width - left) / max(3.0, em * 0.75)))
    step = (width - left - 1) / columns
    manner = int(look.random() * 3)
    saved = 0.4 + 0.5 * look.random()
    for block in range(blocks):
        top = block * (rows + 1) * pitch
        model = (data.random(columns) * len(alphabet)).astype(np.intp)
        other = (data.random((rows, columns)) * len(alphabet)).astype(np.intp)
        kept = data.random((rows, columns)) < np.where(data.random(columns) < saved, 0.97, 0.35)
        letters = np.where(kept, model, other)
        if manner < 2:
            colours = np.array([mix(c, style.paper, 0.35) for _, c in alphabet], np.uint8)[letters]
            if manner:
                shade = mix(style.palette[0], style.paper, 0.4)
                colours = np.where((kept.mean(axis=0) > 0.8)[None, :, None], shade, style.paper).astype(
                    np.uint8
                )
                colours = np.broadcast_to(colours, (rows, columns, 3))
            r = (np.arange(round(rows * pitch)) / pitch).astype(np.intp).clip(0, rows - 1)
            c = (np.arange(round(columns * step)) / step).astype(np.intp).clip(0, columns - 1)
            y0 = round(top)
            area = pixels[y0 : y0 + len(r), left : left + len(c)]
            area[:] = colours[r[: area.shape[0]]][:, c[: area.shape[1]]]
        for i in range(rows):
            y = round(top + (i + 0.5) * pitch - em * 0.36)
            if left:
                paste(pixels, text(style, names[i]), 0, y, ink)
            _row(pixels, style, letters[i], alphabet, left, y, step, manner)
    return "Multiple sequence alignment of homologues"


def _row(
    pixels: Pixels,
    style: Style,
    letters: np.ndarray[tuple[int, ...], np.dtype[np.intp]],
    alphabet: tuple[tuple[str, Color], ...],
    left: int,
    y: int,
    step: float,
    manner: int,
) -> None:
    """One row of letters, set into a single mask so that it costs one paste."""
    glyphs = [text(style, letter, scale=0.9) for letter, _ in alphabet]
    deep = max(glyph.shape[0] for glyph in glyphs)
    line = np.zeros((deep, round(len(letters) * step) + 8), np.uint8)
    for j, k in enumerate(letters.tolist()):
        glyph = glyphs[k]
        x = round((j + 0.5) * step - glyph.shape[1] / 2) + 1
        if x >= 0:
            line[: glyph.shape[0], x : x + glyph.shape[1]] = glyph
    paste(pixels, line, left - 1, y, style.ink if manner < 2 else mix(style.ink, style.palette[0], 0.4))


def paint_tracks(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Stacked coverage tracks of one locus with gene models below: one panel of many rows."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    rows = max(1, min(2 + int(look.random() * 8), int(height / (em * 1.8)) - 1))
    names = some(look, TRACKS, rows)
    left = min(width // 3, max(text(style, name).shape[1] for name in names) + 4) if width > em * 10 else 1
    head = round(em * 1.4)
    pitch = (height - head - em * 2) / rows
    span = width - left - 1
    peaks = look.random((6, 3))
    one_colour, ranges = look.random() < 0.3, look.random() < 0.4
    write(
        pixels,
        style,
        f"chr{1 + int(look.random() * 22)}: {10 * int(look.random() * 9)} kb",
        left + span // 3,
        0,
        ink,
    )
    t = np.arange(span) / span
    shapes = np.exp(-(((t[None] - peaks[:, :1]) / (0.004 + 0.03 * peaks[:, 1:2])) ** 2))
    for i in range(rows):
        base = head + (i + 1) * pitch - 1
        weights = data.random(6) * (data.random(6) < 0.8)
        level = weights @ shapes * (0.6 + 0.6 * data.random(span)) + 0.04 * data.random(span)
        tops = base - np.clip(level, 0, 1) * (pitch * 0.85)
        colour = style.palette[0 if one_colour else i % len(style.palette)]
        x = left + np.arange(span)
        polygon(pixels, np.stack([np.r_[x, x[::-1]], np.r_[tops, np.full(span, base)]], axis=1), colour)
        if left > 1:
            write(pixels, style, names[i], 0, base - pitch / 2 - em * 0.3, ink)
        if ranges:
            write(pixels, style, "[0-50]", left + 2, base - pitch + 1, ink, scale=0.75)
    y = height - em * 1.3
    genes(data, pixels, style, left, width - 1, y, em * 0.55, mix((20, 30, 140), ink, look.random()))
    return "Genome browser tracks at the locus"


def genes(
    data: Rng, pixels: Pixels, style: Style, x0: float, x1: float, y: float, half: float, colour: Color
) -> None:
    """One or two gene models: a thin line with exons as blocks."""
    cuts = np.sort(data.random(4)) * (x1 - x0) + x0
    for a, b in ((cuts[0], cuts[1]), (cuts[2], cuts[3])):
        if b - a < 4:
            continue
        stroke(pixels, [(a, y), (b, y)], colour)
        for middle in (a + (b - a) * np.r_[0.03, data.random(4), 0.97]).tolist():
            wide = 1 + (b - a) * 0.03
            box(
                pixels,
                round(middle - wide),
                round(y - half / 2),
                round(middle + wide),
                round(y + half / 2),
                colour,
            )
        write(
            pixels,
            style,
            pick(data, GENES),
            (a + b) / 2 - style.type_px,
            y + half * 0.6,
            style.ink,
            scale=0.8,
        )


def paint_gene_arrows(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Gene clusters as rows of block arrows, or the domains of a protein on a line."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    rows = max(1, min(1 + int(look.random() * 7), int(height / (em * 3))))
    left = round(min(width * 0.25, em * 5)) if rows > 1 and width > em * 12 else 0
    domains = look.random() < 0.4
    pitch = height / rows
    half = min(pitch * 0.3, em * (0.6 + 0.8 * look.random()))
    plan = (0.3 + look.random(9)).tolist()
    for i in range(rows):
        y = (i + 0.5) * pitch
        if left:
            write(pixels, style, SPECIES[i % len(SPECIES)], 0, y - em * 0.35, ink)
        reach = (width - left - 2) * (0.7 + 0.3 * data.random() if i else 1.0)
        stroke(pixels, [(left, y), (left + reach, y)], ink, style.line + (1 if domains else 0))
        count = max(1, min(2 + int(look.random() * 7), int(reach / (em * 1.8))))
        widths = np.array(plan[:count]) * (0.7 + 0.6 * data.random(count))
        ends = left + np.cumsum(widths) / widths.sum() * reach
        start = float(left)
        for k, end in enumerate(ends.tolist()):
            a, b = start + reach * 0.008 + (reach * 0.02 if domains else 0), end - reach * 0.008
            fill = tint(style, k, 0.25)
            if domains:
                box(pixels, round(a), round(y - half), round(b), round(y + half), fill, ink)
            else:
                if data.random() < 0.3:
                    a, b = b, a
                neck = b + (a - b) * 0.35
                shape = [(a, y - half), (neck, y - half), (b, y), (neck, y + half), (a, y + half)]
                polygon(pixels, shape, fill, mix(fill, ink, 0.7))
            mask = text(style, pick(data, GENES), scale=0.8)
            if mask.shape[1] < abs(b - a) and mask.shape[0] < 2 * half + 1:
                centred(pixels, mask, (a + b) / 2, y, ink)
            elif rows < 4 and mask.shape[0] < pitch / 2 - half and mask.shape[1] < abs(b - a) * 1.4:
                centred(pixels, mask, (a + b) / 2, y - half - mask.shape[0] * 0.7, ink)
            start = end
    return "Domain organisation" if domains else "Organisation of the gene clusters"


def paint_matrix(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A large matrix without cell borders (Hi-C, similarity, time-frequency, profiles), square or not."""
    width = pixels.shape[1]
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, 100.0),
        ylim=(0.0, 100.0),
        xlabel="Time (s)" if look.random() < 0.5 else "",
        ylabel="Frequency (Hz)" if look.random() < 0.5 else "",
        title=pick(data, TITLES),
        right=round(style.type_px * 3.2) if width > style.type_px * 14 else 0,
    )
    ramp = ramp_of(look, style)
    manner = int(look.random() * 3)
    n = 48
    t = np.linspace(0, 1, n)
    if manner == 0:
        values = np.exp(-np.abs(t[:, None] - t[::-1][None]) * 5) * (0.7 + 0.3 * data.random((n, n)))
        for cut in data.random(3).tolist():
            values += 0.12 * ((t[:, None] < cut) == (t[::-1][None] < cut))
    elif manner == 1:
        small = data.random((6, 9)).astype(np.float32)
        values = cv2.resize(small, (n, n), interpolation=cv2.INTER_CUBIC).astype(np.float64)
    else:
        order = np.sort(data.random(n))[:, None]
        values = np.exp(-(((t[None] - 0.5) / 0.1) ** 2)) * order + 0.2 * data.random((n, n))
    cells(frame.inner, np.clip(values, 0, 1), ramp)
    if frame.right + style.type_px < width:
        pixels[frame.top : frame.bottom, frame.right + 3 : frame.right + 4 + round(style.type_px * 0.6)] = (
            ramp[np.linspace(255, 0, frame.height).astype(np.intp)][:, None]
        )
        for y, name in ((frame.top, "1"), (frame.bottom - line_height(style) + 2, "0")):
            write(pixels, style, name, frame.right + 5 + round(style.type_px * 0.6), y, style.ink)
    return ("Contact matrix", "Time-frequency map", "Signal around transcription start sites")[manner]


KINDS = (
    Drawn("logo", paint_logo, 0.6, aspect=(1.5, 5.0)),
    Drawn("alignment", paint_alignment, 1.2, "text", aspect=(1.2, 4.0)),
    Drawn("tracks", paint_tracks, 1.5, aspect=(0.8, 3.0)),
    Drawn("gene_arrows", paint_gene_arrows, 1.0, "diagram", aspect=(1.5, 6.0)),
    Drawn("matrix", paint_matrix, 1.2, "heatmap", aspect=(0.8, 1.6)),
)
