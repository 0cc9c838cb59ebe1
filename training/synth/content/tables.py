"""Tables, text blocks, listings, equations."""

from __future__ import annotations

import cv2

from .axes import box, centred
from .base import Color, Drawn, Pixels, Rng, Style, is_dark, mix
from .strokes import line_height, stroke, tint, wrap, write
from .text import paste, text
from .words import GENES, HEADS, NUMBERS, PROSE, ROWS, pick, some

CODE = (
    "for i in range(n):", "x = load(path)", "model.fit(X, y)", "return np.mean(x)", "if p < 0.05:",
    "library(ggplot2)", "ATGGCCATTGTAATG", "def train(data):", "GGGCCGCTGAAAGGG", "TGCCCGATAGGTACC",
    "print(score)", "MKTAYIAKQRQISFV", "end", "# normalise", "while not done:", "SELECT * FROM t",
    "WHERE age > 40", "import numpy",
)  # fmt: skip
TERMS = (
    "y = ax + b", "dN/dt = rN", "P(A|B)", "k = Ae", "E = mc", "F(x) =", "= 0", "log p(x)", "+ e", "S(t)",
    "max f(x)", "1 - exp(-x)", "v = Vmax [S]", "Km + [S]", "R0 =", "x(t+1)", "w x + b", "dI/dt =",
)  # fmt: skip


SHORT = ("0.4", "12", "1.1", "NA")


def paint_table(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """A table: ruled, boxed, zebra or plain, with or without a coloured head."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    pitch = round(line_height(style) * (1.05 + 0.6 * look.random()))
    rows = max(2, height // pitch)
    pitch_y = (height - 1) / rows
    stub = 0.18 + 0.2 * look.random()
    columns = max(1, min(1 + int(look.random() * 7), int(width * (1 - stub) / (em * 4.5))))
    stub = stub if columns > 1 else 0.5
    manner = ("ruled", "boxed", "zebra", "plain", "ruled", "coloured")[int(look.random() * 6)]
    head: Color = style.paper
    if look.random() < 0.45 or manner == "coloured":
        head = tint(style, int(look.random() * 6), 0.5 * look.random())
        box(pixels, 0, 0, width - 1, round(pitch_y), head)
    edges = [0.0, *(width * (stub + (1 - stub) * j / columns) for j in range(columns + 1))]
    middle = look.random() < 0.5
    labels, heads = some(data, GENES if look.random() < 0.3 else ROWS, rows), some(data, HEADS, columns + 1)
    for i in range(rows):
        y0 = i * pitch_y
        if i and manner in ("zebra", "coloured") and i % 2:
            shade = mix(style.paper, head if head != style.paper else ink, 0.14)
            box(pixels, 0, round(y0), width - 1, round(y0 + pitch_y), shade)
        colour = (255, 255, 255) if not i and is_dark(head) and not is_dark(style.paper) else ink
        for j in range(columns + 1):
            word = heads[j] if not i else (labels[i] if not j else pick(data, NUMBERS))
            mask = text(style, word, bold=not i)
            room = int(edges[j + 1] - edges[j]) - 3
            if mask.shape[1] > room:
                mask = text(
                    style,
                    wrap(word, int(room / (em * 0.6)))[0] if not (i and j) else SHORT[i % 4],
                    bold=not i,
                )
            if mask.shape[1] > room or mask.shape[0] > pitch_y:
                continue
            x = edges[j] + 2 + ((room - mask.shape[1]) / 2 if middle and j else 0)
            paste(pixels, mask, round(x), round(y0 + (pitch_y - mask.shape[0]) / 2), colour)
    rules = {
        "boxed": range(rows + 1),
        "ruled": (0, 1, rows),
        "coloured": (),
        "zebra": (0, 1, rows),
        "plain": (1,),
    }
    shade = mix(style.paper, ink, 0.4 + 0.6 * look.random())
    for i in rules[manner]:
        y = min(height - 1, round(i * pitch_y))
        cv2.line(pixels, (0, y), (width - 1, y), shade, style.line)
    if manner == "boxed":
        for edge in edges:
            x = min(width - 1, round(edge))
            cv2.line(pixels, (x, 0), (x, height - 1), shade, style.line)
    return "Table of " + ", ".join(heads[: min(3, columns + 1)])


def paint_text(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Lines of prose, a questionnaire or a box with bullets."""
    height, width = pixels.shape[:2]
    em, ink, pitch = style.type_px, style.ink, line_height(style)
    margin, bullets, framed = 1, look.random() < 0.35, look.random() < 0.4
    if framed:
        margin = max(2, round(em * 0.6))
        fill = style.paper if look.random() < 0.5 else tint(style, int(look.random() * 6), 0.85)
        box(pixels, 0, 0, width - 1, height - 1, fill, ink, style.line)
    y = margin + 1
    if look.random() < 0.4:
        write(pixels, style, pick(data, HEADS), margin, y, ink, scale=1.2, bold=True)
        y += round(pitch * 1.4)
    last = 0
    while y + em < height - margin + 2:
        x = margin
        if bullets and not last:
            cv2.circle(pixels, (x + 2, y + round(em * 0.35)), max(1, round(em * 0.15)), ink, cv2.FILLED)
        x += round(em) if bullets else 0
        end = width - margin - (data.random() * width * 0.6 if data.random() < 0.25 else 0)
        while x < end:
            mask = text(style, pick(data, PROSE))
            if x + mask.shape[1] > width - margin:
                mask = text(style, wrap(pick(data, PROSE), int((width - margin - x) / (em * 0.55)))[0])
                if x + mask.shape[1] > width - margin:
                    break
                end = x
            paste(pixels, mask, x, y, ink)
            x += mask.shape[1] + max(2, round(em * 0.3))
        y += pitch
        last = (last + 1) % 3
    return "Text of the questionnaire"


def paint_listing(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Program or sequence text, indented, often coloured on dark ground."""
    height, width = pixels.shape[:2]
    em, pitch = style.type_px, line_height(style)
    ink, ground = style.ink, style.paper
    if look.random() < 0.3:
        ground, ink = (40, 42, 54), (230, 230, 230)
    if look.random() < 0.6 or ground != style.paper:
        box(pixels, 0, 0, width - 1, height - 1, ground, mix(ground, ink, 0.5))
    indent, y, number = 0, 2, look.random() < 0.4
    line = 1
    while y + em < height:
        x = 3
        if number:
            write(pixels, style, str(line), x, y, mix(ground, ink, 0.5))
            x += round(em * 1.6)
        colour = ink if data.random() < 0.6 else mix(style.palette[line % len(style.palette)], ink, 0.2)
        x += indent * round(em * 1.2)
        for _ in range(1 + int(data.random() * 2)):
            x += write(pixels, style, pick(data, CODE), x, y, colour) + round(em * 0.4)
        indent = max(0, min(3, indent + int(data.random() * 3) - 1))
        y += pitch
        line += 1
    return "Listing of the procedure"


def paint_equation(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """One to four display formulas with fractions, roots and numbers at the right."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    lines = max(1, min(1 + int(look.random() * 4), int(height / (em * 3.5))))
    scale = min(2.0, max(1.0, height / lines / (em * 4.0))) if width > em * 14 else 0.7
    for i in range(lines):
        y = (i + 0.5) * height / lines
        x = width * (0.02 + 0.15 * look.random())
        if look.random() < 0.5:
            write(pixels, style, f"({i + 1})", width - em * 1.8, y - em * 0.35, ink)
        while x < width * 0.8:
            upper = text(style, pick(data, TERMS), scale=scale)
            if x + upper.shape[1] > width - (em * 2 if x > width / 2 else 0):
                break
            if data.random() < 0.45:
                lower = text(style, pick(data, TERMS), scale=scale)
                span = max(upper.shape[1], lower.shape[1])
                if x + span < width - em * 2:
                    centred(pixels, upper, x + span / 2, y - em * 0.65 * scale, ink)
                    centred(pixels, lower, x + span / 2, y + em * 0.65 * scale, ink)
                    stroke(pixels, [(x, y), (x + span, y)], ink)
                x += span
            else:
                paste(pixels, upper, round(x), round(y - upper.shape[0] / 2), ink)
                x += upper.shape[1]
                x += write(pixels, style, "2", x, y - em * 0.8 * scale, ink, scale=0.7 * scale)
            x += em * 0.5 * scale
    return "Equations of the model"


KINDS = (
    Drawn("table", paint_table, 2.5, "table", aspect=(0.8, 3.0)),
    Drawn("text_block", paint_text, 0.8, "text", aspect=(0.7, 3.0)),
    Drawn("listing", paint_listing, 0.4, "text", aspect=(0.7, 2.5)),
    Drawn("equation", paint_equation, 0.3, "text", aspect=(1.2, 4.0)),
)
