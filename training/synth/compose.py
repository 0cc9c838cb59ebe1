"""From a layout to a page: slots are filled with drawings, letters, titles and furniture, and measured.

Everything that belongs to a panel is drawn inside its slot, so the tight box is the ink found there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from ...core.layout import reading_order
from ...core.records import Box
from ..conventions import cells
from . import furniture
from .captions import compose_caption
from .casting import Role, cast, pick_kind
from .content.base import Drawing, Kind, Rng, blank, is_dark
from .layouts import Layout, Slot
from .letters import place_in, random_lettering, stamp
from .looks import random_habits, random_style
from .mosaic import grid_drawing, mixed_drawing, random_grid
from .page import SMALLEST, Page, Part, Strips, at_least, ink_box, size_of, union
from .sample import Panel, Sample
from .surroundings import furnish, random_strips

COLUMN_FIRST = 0.06
SCHEMES = 0.3
"""Share of single-panel figures that are schemes for certain; the others may be."""
SINGLE_ASPECTS = (0.5, 0.73, 1.08, 1.34, 1.60, 2.60, 3.6)
SINGLE_QUANTILES = (0.0, 0.05, 0.25, 0.50, 0.75, 0.95, 1.0)


def compose(rng: Rng, kinds: Sequence[Kind], layout: Layout | None, size: int, index: int = 0) -> Sample:
    """One figure whose longer side is ``size`` pixels: of ``layout``, or a single panel without one."""
    page = _page(rng, layout, size)
    if layout is None:
        _fill_single(rng, page, kinds)
    else:
        _fill(rng, page, kinds)
        furnish(rng, page)
    height, width = page.pixels.shape[:2]
    tights = [part.tight for part in page.parts]
    shares = cells(tights, width, height)
    panels = tuple(
        Panel(part.tight, share, part.label, part.letter, part.modality)
        for part, share in zip(page.parts, shares, strict=True)
    )
    caption, told = compose_caption(rng, [p.label for p in page.parts], [p.phrase for p in page.parts])
    dark = sum(page.style.paper) < 200
    return Sample(index, page.pixels, panels, caption, told, dark, len(panels) > 1)


def _page(rng: Rng, layout: Layout | None, size: int) -> Page:
    """An empty page with its slots, margins, style and letters."""
    single = layout is None
    if layout is None:
        aspect = float(np.interp(rng.random(), SINGLE_QUANTILES, SINGLE_ASPECTS))
        layout = Layout(aspect, (Slot((0.0, 0.0, 1.0, 1.0), "tl" if rng.random() < 0.008 else ""),))
    width, height = (
        (size, round(size / layout.aspect)) if layout.aspect >= 1 else (round(size * layout.aspect), size)
    )
    sizes = [((b[2] - b[0]) * width, (b[3] - b[1]) * height) for b in (slot.box for slot in layout.slots)]
    style = random_style(rng, size, sizes, dark=bool(rng.random() < (0.04 if single else 0.10)))
    habits = random_habits(rng, style)
    strips = Strips() if single else random_strips(rng, style, [slot.box for slot in layout.slots])
    left, top, right, bottom = _margins(rng, width, height)
    area = (
        left + strips.left,
        top + strips.top,
        width - right - strips.right,
        height - bottom - strips.bottom,
    )
    slots = [_pixels(slot.box, area) for slot in layout.slots]
    order = _order(rng, slots)
    inner = style
    if habits.card is not None:
        inner = replace(style, paper=habits.card, ink=(240, 240, 240) if is_dark(habits.card) else style.ink)
    parts = [Part(slots[i], layout.slots[i].corner, slots[i]) for i in order]
    page = Page(blank(width, height, style.paper), style, inner, habits, None, parts, area, strips)
    if any(part.corner for part in parts):
        inside = 0.72 if _tight(slots) else 0.5
        page.lettering = random_lettering(rng, inner, _letter_height(layout, slots, height), inside)
        first = int(rng.integers(6)) if single else 0
        for number, part in enumerate(parts, first):
            if part.corner:
                part.mask, part.label = page.lettering.mask(number), page.lettering.label(number)
    return page


def _margins(rng: Rng, width: int, height: int) -> tuple[int, int, int, int]:
    if rng.random() < 0.5:
        return (0, 0, 0, 0)
    most = 0.05 if rng.random() < 0.8 else 0.12
    left, top, right, bottom = rng.random(4) * most
    return int(left * width), int(top * height), int(right * width), int(bottom * height)


def _pixels(box: tuple[float, float, float, float], area: Box) -> Box:
    wide, high = area[2] - area[0], area[3] - area[1]
    return (
        area[0] + round(box[0] * wide),
        area[1] + round(box[1] * high),
        area[0] + round(box[2] * wide),
        area[1] + round(box[3] * high),
    )


def _order(rng: Rng, slots: list[Box]) -> list[int]:
    """Reading order of the figure: row-first, in a few figures column-first."""
    if rng.random() < COLUMN_FIRST:
        return reading_order([(b[1], b[0], b[3], b[2]) for b in slots])
    return reading_order(slots)


def _letter_height(layout: Layout, slots: list[Box], height: int) -> float:
    """Height of the letters in pixels: as the layout has it, and such that they fit their slots."""
    return max(5.0, min(layout.letter * height, 0.3 * min(min(size_of(slot)) for slot in slots)))


def _tight(slots: list[Box]) -> bool:
    """Whether neighbours stand so close that a letter has no room between them."""
    gaps = [b[0] - a[2] for a in slots for b in slots if a[2] <= b[0] and min(a[3], b[3]) > max(a[1], b[1])]
    gaps += [b[1] - a[3] for a in slots for b in slots if a[3] <= b[1] and min(a[2], b[2]) > max(a[0], b[0])]
    return bool(gaps) and min(gaps) < 3


def _fill(rng: Rng, page: Page, kinds: Sequence[Kind]) -> None:
    sizes = [(p.slot[2] - p.slot[0], p.slot[3] - p.slot[1]) for p in page.parts]
    for role in cast(rng, kinds, sizes):
        parts = [page.parts[n] for n in role.slots]
        for part in parts:
            _reserve(rng, page, part, role.kind)
        for part, drawing in zip(parts, _drawings(rng, page, role, parts, kinds), strict=True):
            _finish(rng, page, part, drawing)


def _fill_single(rng: Rng, page: Page, kinds: Sequence[Kind]) -> None:
    part = page.parts[0]
    size = (part.slot[2] - part.slot[0], part.slot[3] - part.slot[1])
    # What stands alone is a scheme more often than a panel among others is.
    schemes = [kind for kind in kinds if kind.modality == "diagram"]
    kind = pick_kind(rng, schemes if schemes and rng.random() < SCHEMES else kinds, size)
    _reserve(rng, page, part, kind)
    grid = None
    if rng.random() < (0.14 if not kind.fills else 0.04):
        grid = random_grid(rng, *size_of(part.content), kind, page.inner)
    if grid is not None:
        # Without letters only parts that share headers are one panel.
        grid = replace(
            grid, gutter=min(grid.gutter, 4), column_heads=grid.columns > 1, row_heads=grid.rows > 1
        )
        drawing = grid_drawing(rng, *size_of(part.content), kind, page.inner, grid)
    else:
        drawing = kind.draw(rng, *size_of(part.content), page.inner)
    _finish(rng, page, part, drawing)


def _drawings(rng: Rng, page: Page, role: Role, parts: list[Part], kinds: Sequence[Kind]) -> list[Drawing]:
    """The drawings of a role; some lettered panels are made of several."""
    fused: dict[int, Drawing] = {}
    for number, part in enumerate(parts):
        if part.label and rng.random() < page.habits.fuse:
            drawing = _fused(rng, page, part, role.kind, kinds)
            if drawing is not None:
                fused[number] = drawing
    plain = [number for number in range(len(parts)) if number not in fused]
    sizes = [size_of(parts[number].content) for number in plain]
    if role.series and plain:
        drawn = role.kind.series(rng, sizes, page.inner)
    else:
        drawn = [role.kind.draw(rng, *size, page.inner) for size in sizes]
    fused.update(zip(plain, drawn, strict=True))
    return [fused[number] for number in range(len(parts))]


def _fused(rng: Rng, page: Page, part: Part, kind: Kind, kinds: Sequence[Kind]) -> Drawing | None:
    width, height = size_of(part.content)
    if rng.random() < 0.3 and max(width, height) > 110 and min(width, height) > 40:
        return mixed_drawing(rng, width, height, kind, kinds, page.inner)
    if min(width, height) < 40:
        return None
    grid = random_grid(rng, width, height, kind, page.inner)
    return None if grid is None else grid_drawing(rng, width, height, kind, page.inner, grid)


def _reserve(rng: Rng, page: Page, part: Part, kind: Kind) -> None:
    """Keep room in the slot for a title and for a letter beside the content, where there is enough."""
    x0, y0, x1, y1 = part.slot
    if page.habits.card is not None or page.habits.frame is not None:
        pad = max(1, min(6, min(size_of(part.slot)) // 12))
        x0, y0, x1, y1 = x0 + pad, y0 + pad, x1 - pad, y1 - pad
    least = max(16, min(size_of(part.slot)) // 2)
    titles = page.habits.titles * (1.0 if kind.fills else 0.35)  # drawings often have their own
    beside = part.mask is not None and (
        not kind.fills or (page.lettering is not None and page.lettering.outside)
    )
    corner_free = page.habits.reserve == "corner" and not kind.fills
    letter_high = letter_wide = 0
    if part.mask is not None:
        letter_high, letter_wide = part.mask.shape[0], part.mask.shape[1]
    gap = 2 + letter_high // 6
    if beside and part.mask is not None and not corner_free:
        where = page.habits.reserve
        if part.corner[0] == "b" and y1 - y0 - letter_high - gap >= least:
            strip = (x0, y1 - letter_high, x1, y1)
            part.letter_at = place_in(strip, (letter_wide, letter_high), part.corner, 0)
            y1 -= letter_high + gap
        elif part.corner == "tl" and where in ("left", "both") and x1 - x0 - letter_wide - gap >= least:
            part.letter_at = (x0, y0, x0 + letter_wide, y0 + letter_high)
            x0 += letter_wide + gap
            if where == "both":
                y0 += letter_high // 2
        elif y1 - y0 - letter_high - gap >= least:
            strip = (x0, y0, x1, y0 + letter_high)
            part.letter_at = place_in(strip, (letter_wide, letter_high), "t" + part.corner[1], 0)
            title = rng.random() < titles and part.corner == "tl"
            if title and furniture.line_height(page.inner) <= letter_high + gap:
                part.title = (x0 + letter_wide + 3, y0, x1, y0 + letter_high)
            y0 += letter_high + gap
    elif rng.random() < titles:
        line = furniture.line_height(page.inner)
        if y1 - y0 - line >= least:
            part.title = (x0, y0, x1, y0 + line - 1)
            y0 += line
    part.content = (x0, y0, x1, y1)
    if page.habits.loose and (not kind.fills or rng.random() < 0.3):
        part.content = _loosened(rng, part.content, page.habits.loose)


def _loosened(rng: Rng, box: Box, most: float) -> Box:
    """A box inside, shorter by up to the share ``most``, set to a side of the room or to its middle."""
    x0, y0, x1, y1 = box
    wide = max(16, int((x1 - x0) * rng.uniform(1.0 - most, 1.0)))
    high = max(16, int((y1 - y0) * rng.uniform(1.0 - most, 1.0)))
    wide, high = min(wide, x1 - x0), min(high, y1 - y0)
    x = x0 + int((x1 - x0 - wide) * (0, 0.5, 1)[int(rng.integers(3))])
    y = y0 + int((y1 - y0 - high) * (0, 0, 0.5, 1)[int(rng.integers(4))])
    return x, y, x + wide, y + high


def _finish(rng: Rng, page: Page, part: Part, drawing: Drawing) -> None:
    """Paste the drawing into its slot, letter and title it, and measure the ink."""
    pixels, habits = page.pixels, page.habits
    if habits.card is not None:
        furniture.card(pixels, part.slot, habits.card, habits.rounded)
    x0, y0, x1, y1 = part.content
    pixels[y0:y1, x0:x1] = drawing.pixels
    if part.title is not None:
        furniture.title(pixels, part.title, furniture.panel_title(rng), page.inner, bold=habits.titles_bold)
    if part.mask is not None and page.lettering is not None:
        _letter(page, part, drawing)
    if habits.frame is not None:
        furniture.frame(pixels, part.slot, habits.frame, habits.dashed)
    least = math.ceil(SMALLEST * max(pixels.shape[:2]) / 448)
    part.tight = at_least(_tight_box(page, part, drawing.fills), part.slot, least)
    part.fills, part.modality, part.phrase = drawing.fills, drawing.modality, drawing.phrase


def _tight_box(page: Page, part: Part, fills: bool) -> Box:
    """What was drawn in the slot: ink, pictures to their edges, cards and frames whole."""
    if page.habits.card is not None or page.habits.frame is not None:
        return part.slot
    x0, y0, x1, y1 = part.slot
    box = ink_box(page.pixels[y0:y1, x0:x1], page.style.paper)
    tight = part.content if box is None else (x0 + box[0], y0 + box[1], x0 + box[2], y0 + box[3])
    if fills:
        tight = union(tight, part.content)
    # The letter's antialiased rims may be fainter than ink.
    return tight if part.letter is None else union(tight, part.letter)


def _letter(page: Page, part: Part, drawing: Drawing) -> None:
    """Draw the letter: at its reserved place, on the picture, or in a free corner of the drawing."""
    assert part.mask is not None and page.lettering is not None
    size = (part.mask.shape[1], part.mask.shape[0])
    if part.letter_at is not None:
        part.letter = stamp(page.pixels, part.mask, part.letter_at, page.lettering, on_picture=False)
        return
    if drawing.fills:
        box = place_in(
            part.content, size, part.corner, min(page.lettering.inset, min(size_of(part.content)) // 6)
        )
        part.letter = stamp(page.pixels, part.mask, box, page.lettering, on_picture=True)
        return
    box = place_in(part.slot, size, part.corner, 0)
    x0, y0, x1, y1 = box
    around = page.pixels[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1]
    if ink_box(around, page.inner.paper) is not None:
        _make_room(page, part, box)
    part.letter = stamp(page.pixels, part.mask, box, page.lettering, on_picture=False)


def _make_room(page: Page, part: Part, letter: Box) -> None:
    """Shrink a drawing that has ink where its letter must stand."""
    x0, y0, x1, y1 = part.content
    low = letter[3] + 2 if part.corner[0] != "b" else y0
    high = letter[1] - 2 if part.corner[0] == "b" else y1
    low, high = max(low, y0), min(high, y1)
    if high - low < 12:
        page.pixels[letter[1] : letter[3], letter[0] : letter[2]] = page.inner.paper
        return
    shrunk = cv2.resize(page.pixels[y0:y1, x0:x1], (x1 - x0, high - low), interpolation=cv2.INTER_AREA)
    page.pixels[y0:y1, x0:x1] = page.inner.paper
    page.pixels[low:high, x0:x1] = shrunk
    part.content = (x0, low, x1, high)
