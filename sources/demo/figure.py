"""A demo figure: which panels it has and where (the plan), and its pixels (the drawing)."""

from __future__ import annotations

import dataclasses
import io
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops

from ...core.records import Box
from . import charts, diagrams, gels, micro, plots, scans
from .canvas import BLACK, WHITE, Color, Look, Pen, text_height, text_width
from .caption import DemoCaption, write_caption
from .layout import COUNTS, Node, grid, place, reading_order, tree
from .panel import ALIGN, Content, Margins
from .study import Study

FAMILIES: dict[str, type[Content]] = {
    kind.family: kind
    for kind in (
        plots.Bars, plots.Boxes, plots.Violins, plots.Histogram, plots.Lines,
        plots.Dose, plots.Scatter, charts.Survival, charts.Forest, charts.Roc,
        charts.Agreement, charts.Volcano, charts.HeatMap, charts.Traces,
        micro.Histology, micro.Fluorescence, scans.Ct, scans.Mr, gels.Blot,
        gels.Gel, diagrams.Flow, diagrams.Network, diagrams.Molecule, diagrams.Table,
    )
}  # fmt: skip
"""Every kind of panel that can be drawn, by name."""

PALETTES: tuple[tuple[Color, ...], ...] = (
    ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189)),
    ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167)),
    ((45, 45, 45), (125, 125, 125), (175, 175, 175), (90, 90, 90)),
    ((60, 84, 136), (230, 75, 53), (0, 160, 135), (243, 155, 127)),
    ((102, 166, 200), (240, 140, 110), (130, 190, 130), (180, 150, 200)),
    ((0, 70, 139), (237, 0, 0), (66, 181, 64), (0, 153, 180)),
)


@dataclasses.dataclass(frozen=True)
class PanelPlan:
    """One panel before it is drawn: content, cell, letter as it will be written (or empty)."""

    content: Content
    cell: Box
    label: str


@dataclasses.dataclass(frozen=True)
class FigurePlan:
    """Everything about a figure but its pixels."""

    seed: tuple[int, int, int]
    panels: tuple[PanelPlan, ...]
    caption: DemoCaption
    width: int
    height: int
    look: Look
    letters: str
    """Where letters stand: ``above``, ``below``, a corner of the picture (``tl`` ...), or ``none``."""
    letter_px: float
    bracket: bool
    format: str
    quality: int


@dataclasses.dataclass(frozen=True)
class PanelTruth:
    """A drawn panel: ``box`` tight to its ink with its letter, ``label_box`` tight to the letter."""

    family: str
    label: str
    box: Box
    label_box: Box | None


def make_look(rng: random.Random) -> Look:
    """The style of an article's figures."""
    return Look(
        palette=rng.choice(PALETTES),
        spines=rng.choices(("open", "box", "grey"), (6, 3, 1))[0],
        grid=rng.random() < 0.2,
        ticks_in=rng.random() < 0.15,
        titles=rng.random() < 0.3,
        bold_titles=rng.random() < 0.5,
        points=rng.random() < 0.55,
        hatch=rng.random() < 0.35,
    )


def _contents(rng: random.Random, study: Study, count: int, key: str) -> tuple[list[Content], bool]:
    """``count`` panel contents, and whether they are one series."""
    weights = study.topic.families
    steps = dict.fromkeys(weights, 0)

    def make(family: str) -> Content:
        # One state for all panels of a family in a figure, so that they share their style.
        steps[family] += 1
        return FAMILIES[family](random.Random(f"{key}/{family}"), study, steps[family] - 1)

    def left(family: str) -> int:
        return FAMILIES[family].members(study) - steps[family]

    able = {f: w for f, w in weights.items() if FAMILIES[f].vary and left(f) >= count}
    if count > 1 and able and rng.random() < 0.42:
        family = rng.choices(list(able), list(able.values()))[0]
        return [make(family) for _ in range(count)], True
    out: list[Content] = []
    while len(out) < count:
        open_ = {f: w for f, w in weights.items() if left(f) > 0}
        family = rng.choices(list(open_), list(open_.values()))[0]
        run = min(count - len(out), left(family), rng.choice((1, 1, 2, 3)))
        out += [make(family) for _ in range(run)]
    return out, False


def _letter_place(rng: random.Random, contents: Sequence[Content]) -> str:
    if len(contents) == 1 or rng.random() < 0.12:
        return "none"
    if all(c.photo for c in contents) and not any(getattr(c, "strip", False) for c in contents):
        return rng.choices(("tl", "bl", "br", "tr", "above", "below"), (40, 18, 5, 4, 18, 15))[0]
    return rng.choices(("above", "below"), (88, 12))[0]


def plan_figure(study: Study, look: Look, seed: int, article: int, figure: int) -> FigurePlan:
    """Plan one figure; cheap, nothing is drawn."""
    key = f"{seed}/{article}/{figure}"
    rng = random.Random(key)
    count = rng.choices(list(COUNTS), list(COUNTS.values()))[0]
    contents, series = _contents(rng, study, count, key)
    letters = _letter_place(rng, contents)
    pictures = all(c.photo for c in contents)
    dark = pictures and contents[0].family != "histology" and rng.random() < 0.45
    aspects = [rng.uniform(*c.aspect) for c in contents]
    node = grid(aspects, rng) if series else tree(aspects, rng)
    width, px = _size(rng, node, contents)
    look = dataclasses.replace(look, px=px, paper=BLACK if dark else WHITE, ink=WHITE if dark else look.ink)
    if pictures and series and letters not in {"above", "below"}:
        gap = rng.choice((0, 1, 2, 3, 3, round(px * 0.35), round(px * 0.6)))
    elif pictures:
        gap = round(px * rng.uniform(0.4, 1.1))
    else:
        gap = round(px * rng.uniform(1.5, 2.6))
    pad = rng.choice((0, 0, round(px * 0.6), round(px * 1.2)))
    boxes = place(node, width - 2 * pad, gap)
    order = reading_order(boxes)
    if series:
        contents = [contents[order.index(k)] for k in range(count)]
    alphabet = rng.choices(("ABCDEFGHI", "abcdefghi"), (70, 30))[0]
    labels = ["" if letters == "none" else alphabet[k] for k in range(count)]
    panels = tuple(
        PanelPlan(contents[leaf], _moved(boxes[leaf], pad), label)
        for leaf, label in zip(order, labels, strict=True)
    )
    ordered = [p.content for p in panels]
    side = count == 2 and panels[0].cell[1] == panels[1].cell[1]
    caption = write_caption(rng, study, ordered, [x for x in labels if x], series, side)
    height = max(b[3] for b in boxes.values()) + 2 * pad
    drawn = not any(c.photo for c in contents)
    return FigurePlan(
        seed=(seed, article, figure), panels=panels, caption=caption, width=width, height=height, look=look,
        letters=letters, letter_px=px * rng.uniform(1.25, 1.75),
        bracket=letters == "below" or (alphabet[0] == "a" and rng.random() < 0.3),
        format=rng.choices(("jpeg", "png", "tiff"), (70, 26, 4) if drawn else (90, 6, 4))[0],
        quality=rng.choice((80, 85, 88, 90, 92, 95)),
    )  # fmt: skip


def _moved(box: Box, by: int) -> Box:
    return box[0] + by, box[1] + by, box[2] + by, box[3] + by


def _size(rng: random.Random, node: Node, contents: Sequence[Content]) -> tuple[int, float]:
    """Figure width and type size such that every panel has room for its words."""
    boxes = place(node, 1000, 0)
    count = len(boxes)
    # Type sizes across the whole figure, as the neediest panel asks; then a loose or a tight figure.
    ems = max(max(contents[k].ems / (b[2] - b[0]), 14 / (b[3] - b[1])) for k, b in boxes.items()) * 1000
    ems = max(26.0, ems) * (rng.uniform(1.1, 1.5) if count == 1 else rng.uniform(1.15, 1.5))
    width = rng.triangular(700, 1300, 750) if count == 1 else rng.triangular(700, 2000, 900)
    width = max(700.0, min(width, (1.6e6 * node.ratio()) ** 0.5))
    # Small figures of many panels are enlarged until their type can be read.
    width = min(2000.0, max(width, 11.5 * ems))
    return round(width), width / ems


def _areas(plan: FigurePlan) -> list[Box]:
    """Where the content of each panel goes: its cell less the strip of an outside letter."""
    strip = round(text_height(plan.letter_px) * 0.95)
    out = []
    for panel in plan.panels:
        x0, y0, x1, y1 = panel.cell
        if plan.letters == "above":
            y0 += strip
        elif plan.letters == "below":
            y1 -= strip
        out.append((x0, y0, x1, y1))
    return out


def _aligned(plan: FigurePlan, areas: Sequence[Box]) -> list[Margins | None]:
    """Axis margins, made equal along rows and columns so that axes line up."""
    raw = [
        p.content.margins(plan.look, a[2] - a[0], a[3] - a[1])
        for p, a in zip(plan.panels, areas, strict=True)
    ]
    out: list[Margins | None] = []
    for area, own in zip(areas, raw, strict=True):
        if own is None:
            out.append(None)
            continue
        sides = list(own)
        for other, theirs in zip(areas, raw, strict=True):
            if theirs is None:
                continue
            shared = [
                k
                for k in range(4)
                if area[1 - k % 2] == other[1 - k % 2] and area[3 - k % 2] == other[3 - k % 2]
            ]
            for k in shared:
                if own[k] < theirs[k] <= own[k] + ALIGN * plan.look.px:
                    sides[k] = max(sides[k], theirs[k])
        out.append((sides[0], sides[1], sides[2], sides[3]))
    return out


def draw_figure(plan: FigurePlan) -> tuple[Image.Image, list[PanelTruth]]:
    """Draw a planned figure; the boxes are measured on what was drawn. Not for two threads at once."""
    look = plan.look
    canvas = Image.new("RGB", (plan.width, plan.height), look.paper)
    areas = _areas(plan)
    rngs = [np.random.default_rng([*(s & 0xFFFFFFFF for s in plan.seed), k]) for k in range(len(plan.panels))]
    for panel, rng in zip(plan.panels, rngs, strict=True):
        panel.content.prepare(rng, look)
    margins = _aligned(plan, areas)
    truths = []
    for panel, area, margin, rng in zip(plan.panels, areas, margins, rngs, strict=True):
        x0, y0, x1, y1 = area
        image = panel.content.draw(x1 - x0, y1 - y0, look, rng, margin)
        canvas.paste(image, (x0, y0))
        ink = _ink(image, look.paper) if not panel.content.photo else (0, 0, x1 - x0, y1 - y0)
        box = (x0 + ink[0], y0 + ink[1], x0 + ink[2], y0 + ink[3])
        letter = _letter(canvas, plan, panel, area, box)
        if letter is not None:
            box = (
                min(box[0], letter[0]),
                min(box[1], letter[1]),
                max(box[2], letter[2]),
                max(box[3], letter[3]),
            )
        truths.append(PanelTruth(panel.content.family, panel.label, box, letter))
    return canvas, truths


def _ink(image: Image.Image, paper: Color) -> Box:
    box = ImageChops.difference(image, Image.new("RGB", image.size, paper)).getbbox()
    return box or (0, 0, *image.size)


def _letter(canvas: Image.Image, plan: FigurePlan, panel: PanelPlan, area: Box, ink: Box) -> Box | None:
    """Write the panel's letter; its box, tight to the glyphs."""
    if not panel.label:
        return None
    look, px = plan.look, plan.letter_px
    text = f"({panel.label})" if plan.bracket else panel.label
    bold = not plan.bracket
    pen = Pen.over(canvas)
    x0, y0, _, y1 = panel.cell
    if plan.letters == "above":
        box = pen.text(x0, y0, text, px, look.ink, "lt", bold=bold)
    elif plan.letters == "below":
        box = pen.text((ink[0] + ink[2]) / 2, y1, text, px * 0.85, look.ink, "mb", bold=bold)
    else:
        box = _corner_letter(pen, plan, panel, text, bold)
    return int(box[0]), int(box[1]), int(box[2]), int(box[3])


def _corner_letter(
    pen: Pen, plan: FigurePlan, panel: PanelPlan, text: str, bold: bool
) -> tuple[float, float, float, float]:
    """A letter on the picture itself; scale bars are bottom right, so ``br`` moves above them."""
    x0, y0, x1, y1 = panel.cell
    px, edge = plan.letter_px, plan.letter_px * 0.35
    tall, wide = text_height(px), text_width(text, px, bold) + 2
    left = x0 + edge if plan.letters[1] == "l" else x1 - edge - wide
    top = y0 + edge * 0.6
    if plan.letters[0] == "b":
        top = y1 - edge * 0.6 - tall
        if plan.letters[1] == "r" and panel.content.family in {"histology", "fluorescence"}:
            top -= plan.look.px * 2.4
    on_light = panel.content.family == "histology"
    color = BLACK if on_light else WHITE
    if on_light or plan.quality % 2:
        pen.rect((left - edge * 0.4, top, left + wide + edge * 0.2, top + tall), WHITE)
        color = BLACK
    return pen.text(left, top, text, px, color, "lt", bold=bold)


def encode(plan: FigurePlan, image: Image.Image) -> bytes:
    """The figure as file bytes in the plan's format."""
    out = io.BytesIO()
    if plan.format == "jpeg":
        image.save(out, "JPEG", quality=plan.quality, dpi=(300, 300))
    elif plan.format == "png":
        image.save(out, "PNG", compress_level=4, dpi=(300, 300))
    else:
        image.save(out, "TIFF", compression="tiff_lzw", dpi=(300, 300))
    return out.getvalue()
