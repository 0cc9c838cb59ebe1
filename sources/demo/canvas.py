"""Drawing primitives of the demo figures: crisp text in one typeface, smooth lines, the shared look.

Line art is drawn at twice its size and averaged down, which is what a rasterised vector figure looks
like; photographs are drawn at size. All coordinates are final pixels, floats allowed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, cast

from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
Point = tuple[float, float]
Rect = tuple[float, float, float, float]
Anchor = Literal["lt", "mt", "rt", "lm", "mm", "rm", "lb", "mb", "rb"]

WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)
SMOOTH = 2
"""How many times larger line art is drawn before it is averaged down."""


@dataclasses.dataclass(frozen=True)
class Look:
    """What all panels of one figure share: type size, colours, the manner of axes and letters."""

    px: float = 15.0
    """Height of the figure's normal type in pixels."""
    ink: Color = (20, 20, 20)
    paper: Color = WHITE
    palette: tuple[Color, ...] = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (127, 127, 127))
    spines: Literal["open", "box", "grey"] = "open"
    grid: bool = False
    ticks_in: bool = False
    bold_titles: bool = False
    titles: bool = False
    points: bool = True
    """Whether bars and boxes show the single data points."""
    hatch: bool = False

    @property
    def line(self) -> float:
        """Width of axis lines."""
        return max(1.0, self.px / 13)

    def color(self, index: int) -> Color:
        return self.palette[index % len(self.palette)]


def mix(a: Color, b: Color, share: float) -> Color:
    """``a`` with ``share`` (0..1) of ``b`` in it."""
    return cast(Color, tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True)))


@lru_cache(maxsize=64)
def _font(px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(px)
    assert isinstance(font, ImageFont.FreeTypeFont)
    # Basic layout, because the other engine is a library that not every Pillow build carries.
    return font.font_variant(layout_engine=ImageFont.Layout.BASIC)


# The embedded face is a Latin subset; these are drawn from the parts it has.
_COMPOSED = {"\u00b5": "u", "\u2212": "+", "\u2013": "n", "\u00d7": "x", "\u2265": ">", "\u2264": "<",
             "²": "2", "³": "3"}  # fmt: skip


@lru_cache(maxsize=4096)
def _sprite(text: str, px: int, bold: bool, italic: bool) -> Image.Image:
    """``text`` as an 8-bit mask, one line high whatever its letters, so that baselines agree."""
    font = _font(px)
    stroke = round(px / 48) if bold and px >= 40 else 0
    ascent, descent = font.getmetrics()
    plain = "".join(_COMPOSED.get(c, c) for c in text)
    width = math.ceil(font.getlength(plain)) + 2 * stroke + (bold and not stroke)
    mask = Image.new("L", (max(1, width), ascent + descent + 2 * stroke), 0)
    draw = ImageDraw.Draw(mask)
    draw.text((stroke, stroke), plain, fill=255, font=font, stroke_width=stroke)
    if bold and not stroke:
        draw.text((1, 0), plain, fill=255, font=font)
    weight = max(2, round(px * (0.13 if bold else 0.08)))
    for i, c in enumerate(text):
        if c not in _COMPOSED:
            continue
        x0 = stroke + font.getlength(plain[:i])
        x1 = stroke + font.getlength(plain[: i + 1])
        base = stroke + ascent
        if c == "\u00b5":
            left = x0 + px * 0.075
            draw.rectangle((left, base - px * 0.3, left + weight - 1, base + px * 0.2), fill=255)
        elif c in "\u2212\u2013":
            y = base - px * 0.3
            draw.rectangle((x0, 0, x1, mask.height), fill=0)
            draw.rectangle((x0 + px * 0.06, y, x1 - px * 0.06 - 1, y + weight - 1), fill=255)
        elif c in "²³":
            draw.rectangle((x0, 0, x1, mask.height), fill=0)
            draw.text((x0, stroke + px * 0.05), plain[i], fill=255, font=_font(round(px * 0.62)))
        elif c in "\u2265\u2264":
            y = base - px * 0.04
            draw.rectangle((x0 + px * 0.06, y, x1 - px * 0.06, y + weight - 1), fill=255)
    if italic:
        lean = 0.2
        wider = width + math.ceil(lean * mask.height)
        mask = mask.transform(
            (wider, mask.height),
            Image.Transform.AFFINE,
            (1, lean, -lean * (ascent + stroke), 0, 1, 0),
            Image.Resampling.BILINEAR,
        )
    return mask


def text_width(text: str, px: float, bold: bool = False) -> float:
    """Width of one line of text in pixels."""
    size = max(4, round(px * SMOOTH))
    return _sprite(text, size, bold, False).width / SMOOTH


def text_height(px: float) -> float:
    """Height of one line of text, from ascender to descender."""
    return sum(_font(max(4, round(px * SMOOTH))).getmetrics()) / SMOOTH


def wrap(text: str, px: float, width: float) -> list[str]:
    """``text`` in lines of at most ``width`` pixels where its words allow."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and text_width(f"{lines[-1]} {word}", px) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


class Pen:
    """A canvas of ``width`` x ``height`` final pixels; ``image`` gives what was drawn."""

    def __init__(self, width: int, height: int, paper: Color = WHITE) -> None:
        self.scale = SMOOTH
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width * SMOOTH, height * SMOOTH), paper)
        self._draw = ImageDraw.Draw(self._image)

    @classmethod
    def over(cls, image: Image.Image) -> Pen:
        """A pen that draws on ``image`` itself, at its size."""
        pen = cls.__new__(cls)
        pen.scale = 1
        pen.width, pen.height = image.size
        pen._image = image
        pen._draw = ImageDraw.Draw(image)
        return pen

    def image(self) -> Image.Image:
        return self._image if self.scale == 1 else self._image.reduce(self.scale)

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.scale, y * self.scale) for x, y in points]

    def line(self, points: Sequence[Point], color: Color, width: float = 1.0) -> None:
        joint = "curve" if len(points) > 2 else None
        self._draw.line(self._at(points), fill=color, width=max(1, round(width * self.scale)), joint=joint)

    def dashed(self, a: Point, b: Point, color: Color, width: float = 1.0, dash: float = 5.0) -> None:
        """A dashed straight line; dash and gap are ``dash`` pixels long."""
        length = math.hypot(b[0] - a[0], b[1] - a[1])
        if length == 0:
            return
        ux, uy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
        for k in range(0, math.ceil(length / dash), 2):
            s, e = k * dash, min(length, (k + 1) * dash)
            self.line([(a[0] + ux * s, a[1] + uy * s), (a[0] + ux * e, a[1] + uy * e)], color, width)

    def rect(
        self, box: Rect, fill: Color | None = None, outline: Color | None = None, width: float = 1.0
    ) -> None:
        x0, y0, x1, y1 = box
        if x1 < x0 or y1 < y0:
            return
        s = self.scale
        area = (round(x0 * s), round(y0 * s), max(round(x0 * s), round(x1 * s) - 1),
                max(round(y0 * s), round(y1 * s) - 1))  # fmt: skip
        self._draw.rectangle(area, fill=fill, outline=outline, width=max(1, round(width * s)))

    def rounded(
        self, box: Rect, radius: float, fill: Color | None, outline: Color | None, width: float = 1.0
    ) -> None:
        s = self.scale
        area = (box[0] * s, box[1] * s, box[2] * s - 1, box[3] * s - 1)
        self._draw.rounded_rectangle(
            area, radius * s, fill=fill, outline=outline, width=max(1, round(width * s))
        )

    def ellipse(
        self, box: Rect, fill: Color | None = None, outline: Color | None = None, width: float = 1.0
    ) -> None:
        s = self.scale
        area = (box[0] * s, box[1] * s, box[2] * s, box[3] * s)
        self._draw.ellipse(area, fill=fill, outline=outline, width=max(1, round(width * s)))

    def dot(self, x: float, y: float, r: float, fill: Color | None, outline: Color | None = None) -> None:
        self.ellipse((x - r, y - r, x + r, y + r), fill, outline, 1.0)

    def marker(self, kind: int, x: float, y: float, r: float, color: Color, hollow: bool = False) -> None:
        """Marker ``kind``: 0 circle, 1 square, 2 triangle, 3 diamond."""
        fill = WHITE if hollow else color
        if kind % 4 == 0:
            self.ellipse((x - r, y - r, x + r, y + r), fill, color, r / 3)
            return
        shapes: list[list[Point]] = [
            [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            [(0, -1.15), (1.1, 0.85), (-1.1, 0.85)],
            [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)],
        ]
        shape: list[Point] = [(x + r * dx, y + r * dy) for dx, dy in shapes[kind % 4 - 1]]
        self.polygon(shape, fill)
        if hollow:
            self.line([*shape, shape[0]], color, r / 3)

    def polygon(self, points: Sequence[Point], fill: Color) -> None:
        self._draw.polygon(self._at(points), fill=fill)

    def arrow(self, a: Point, b: Point, color: Color, width: float, head: float) -> None:
        """A line from ``a`` to ``b`` with a filled head of ``head`` pixels at ``b``."""
        length = math.hypot(b[0] - a[0], b[1] - a[1]) or 1.0
        ux, uy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
        neck = (b[0] - ux * head, b[1] - uy * head)
        self.line([a, neck], color, width)
        side = head * 0.45
        self.polygon(
            [b, (neck[0] - uy * side, neck[1] + ux * side), (neck[0] + uy * side, neck[1] - ux * side)],
            color,
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        px: float,
        color: Color = BLACK,
        anchor: Anchor = "lt",
        *,
        bold: bool = False,
        italic: bool = False,
        turn: int = 0,
    ) -> Rect:
        """Draw one line; ``turn`` is 0, 90 (upwards) or 45 degrees. The box of its ink is returned."""
        mask = _sprite(text, max(4, round(px * self.scale)), bold, italic)
        if turn == 90:
            mask = mask.transpose(Image.Transpose.ROTATE_90)
        elif turn:
            mask = mask.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        w, h = mask.size
        left = x * self.scale - {"l": 0.0, "m": w / 2, "r": float(w)}[anchor[0]]
        top = y * self.scale - {"t": 0.0, "m": h / 2, "b": float(h)}[anchor[1]]
        at = (round(left), round(top))
        self._image.paste(color, at, mask)
        s, ink = self.scale, mask.getbbox() or (0, 0, 1, 1)
        return ((at[0] + ink[0]) / s, (at[1] + ink[1]) / s, (at[0] + ink[2]) / s, (at[1] + ink[3]) / s)

    def paste(self, image: Image.Image, x: float, y: float) -> None:
        """Put an image, given at final size, with its corner at ``x, y``."""
        if self.scale != 1:
            image = image.resize(
                (image.width * self.scale, image.height * self.scale), Image.Resampling.BILINEAR
            )
        self._image.paste(image, (round(x * self.scale), round(y * self.scale)))
