"""What a demo panel is: something that can say what it shows, and draw it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from PIL import Image

from .canvas import Color, Look, Pen, Rect, text_height, text_width, wrap
from .study import Study

Rng = np.random.Generator
Margins = tuple[float, float, float, float]
"""Left, top, right, bottom space around a plot's axes, in pixels."""


ALIGN = 3.0
"""How far, in type sizes, a margin may grow so that axes line up."""


class Content:
    """One panel's content. The constructor makes every choice that the caption depends on."""

    family: ClassVar[str]
    aspect: tuple[float, float] = (1.1, 1.6)
    """Width over height, from - to."""
    photo: ClassVar[bool] = False
    """Whether the panel is a picture that fills its area (letters may stand on it)."""
    ems: ClassVar[float] = 16.0
    """Width of the panel in type sizes below which its text would not fit."""
    vary: ClassVar[bool] = False
    """Whether several of this family make a series (same thing in other groups)."""

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        """``step`` numbers the members of a series from 0."""
        raise NotImplementedError

    @classmethod
    def members(cls, study: Study) -> int:
        """How many panels of this family one figure can hold before they repeat themselves."""
        return 9 if cls.vary else 1

    def phrase(self) -> str:
        """What the panel shows, as a sentence without its full stop."""
        raise NotImplementedError

    def lead(self) -> str:
        """What a series of such panels shows, as a noun phrase with a capital."""
        return self.phrase()

    def brief(self) -> str:
        """What sets this member of a series apart, in lower case."""
        return self.phrase()

    def notes(self) -> Sequence[str]:
        """Sentences that a caption's tail owes this content (scale bars, error bars, tests)."""
        return ()

    def prepare(self, rng: Rng, look: Look) -> None:
        """Make up the data; called before :meth:`margins` and :meth:`draw`, anew for each drawing."""

    def margins(self, look: Look, width: int, height: int) -> Margins | None:
        """The space that axes need around them; None for a panel without axes."""
        return None

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        """The panel as an RGB image of exactly this size."""
        raise NotImplementedError


def apart(rng: random.Random, step: int) -> random.Random:
    """A generator of member ``step`` of a series; ``rng`` is in the same state for all members."""
    return random.Random(f"{rng.random()}/{step}")


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers inside ``low``..``high``."""
    span = (high - low) / max(1, count)
    power = 10.0 ** np.floor(np.log10(span))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda s: abs(s - span))
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    return [k * step for k in range(first, last + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """Tick values in one precision, with a real minus sign."""
    gaps = [b - a for a, b in itertools.pairwise(values)] or [1.0]
    digits = next((d for d in range(4) if all(abs(g * 10**d - round(g * 10**d)) < 1e-6 for g in gaps)), 4)
    return [f"{0.0 if abs(v) < 1e-12 else v:.{digits}f}".replace("-", "\u2212") for v in values]


class Plot(Content):
    """A panel with axes: subclasses set the fields in ``prepare`` and draw their marks in ``marks``."""

    categories: Sequence[str] = ()
    xlim: tuple[float, float] = (0.0, 1.0)
    ylim: tuple[float, float] = (0.0, 1.0)
    xlabel: str = ""
    ylabel: str = ""
    title: str = ""
    xticks: Sequence[tuple[float, str]] | None = None
    yticks: Sequence[tuple[float, str]] | None = None
    legend: Sequence[tuple[str, Color, int]] = ()
    """Text, colour and marker of each entry; marker -1 is a line, -2 a filled box."""
    legend_at: str = "top"
    """``top``: a row above the axes; ``right``: a column beside them."""
    rect: Rect = (0, 0, 1, 1)

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        """Draw the data inside ``self.rect`` with :meth:`x` and :meth:`y`."""
        raise NotImplementedError

    def x(self, value: float) -> float:
        x0, _, x1, _ = self.rect
        return x0 + (value - self.xlim[0]) / (self.xlim[1] - self.xlim[0]) * (x1 - x0)

    def y(self, value: float) -> float:
        _, y0, _, y1 = self.rect
        return y1 - (value - self.ylim[0]) / (self.ylim[1] - self.ylim[0]) * (y1 - y0)

    def _ticks(self, axis: str, length: float, look: Look) -> Sequence[tuple[float, str]]:
        given, lim = (self.xticks, self.xlim) if axis == "x" else (self.yticks, self.ylim)
        if given is not None:
            return given
        room = look.px * (4.2 if axis == "x" else 2.6)
        values = nice_ticks(*lim, count=max(3, min(5, int(length / room))))
        return list(zip(values, tick_labels(values), strict=True))

    def _category_lines(self, look: Look, slot: float) -> tuple[list[list[str]], bool]:
        """Category labels broken into lines, and whether they must be turned to fit ``slot``."""
        px = look.px * 0.9
        lines = [wrap(c, px, slot * 0.96) for c in self.categories]
        too_wide = any(text_width(line, px) > slot * 0.96 for ls in lines for line in ls)
        if too_wide or max(len(ls) for ls in lines) > 2:
            return [[c] for c in self.categories], True
        return lines, False

    def _legend_rows(self, look: Look, width: float) -> list[list[tuple[str, Color, int]]]:
        rows: list[list[tuple[str, Color, int]]] = []
        used = 0.0
        for entry in self.legend:
            need = text_width(entry[0], look.px * 0.85) + look.px * 2.6
            if rows and used + need <= width:
                rows[-1].append(entry)
                used += need
            else:
                rows.append([entry])
                used = need
        return rows

    def margins(self, look: Look, width: int, height: int) -> Margins:
        px, line = look.px, text_height(look.px)
        tick = px * 0.35
        self.yticks = yticks = self._ticks("y", height * 0.6, look)
        left = tick + px * 0.25 + max((text_width(t, px * 0.9) for _, t in yticks), default=0.0)
        left += line * len(wrap(self.ylabel, px, height * 0.68)) + px * 0.2 if self.ylabel else 0
        right = px * 0.8
        if self.legend and self.legend_at == "right":
            right = max(text_width(t, px * 0.85) for t, _, _ in self.legend) + px * 2.2
        inner = max(1.0, width - left - right)
        bottom = tick + px * 0.15
        if self.categories:
            lines, turned = self._category_lines(look, inner / len(self.categories))
            if turned:
                longest = max(text_width(c, px * 0.9) for c in self.categories)
                bottom += (longest + line) * 0.71
                left = max(left, longest * 0.71 - inner / len(self.categories) / 2 + px * 0.3)
            else:
                bottom += line * 0.92 * max(len(ls) for ls in lines)
        elif self.xticks is None or self.xticks:
            bottom += line * 0.95
        # Aligning the axes of a row or column may take some of the width again.
        sure = max(1.0, inner - ALIGN * px)
        bottom += line * len(wrap(self.xlabel, px, sure)) + px * 0.1 if self.xlabel else 0
        top = px * 0.5
        if look.titles and self.title:
            top += line * len(wrap(self.title, px, sure)) * 1.05
        if self.legend and self.legend_at == "top":
            top += line * len(self._legend_rows(look, sure)) + px * 0.2
        return left, top, right, bottom

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        left, top, right, bottom = margins or self.margins(look, width, height)
        self.rect = (left, top, width - right, height - bottom)
        pen = Pen(width, height, look.paper)
        if look.spines == "grey":
            pen.rect(self.rect, fill=(235, 235, 238))
        self._grid(pen, look)
        self.marks(pen, look, rng)
        self._frame(pen, look)
        self._words(pen, look)
        return pen.image()

    def _grid(self, pen: Pen, look: Look) -> None:
        if not (look.grid or look.spines == "grey"):
            return
        x0, y0, x1, y1 = self.rect
        color = (255, 255, 255) if look.spines == "grey" else (225, 225, 225)
        for value, _ in self._ticks("y", y1 - y0, look):
            pen.line([(x0, self.y(value)), (x1, self.y(value))], color, look.line)
        if not self.categories:
            for value, _ in self._ticks("x", x1 - x0, look):
                pen.line([(self.x(value), y0), (self.x(value), y1)], color, look.line)

    def _frame(self, pen: Pen, look: Look) -> None:
        x0, y0, x1, y1 = self.rect
        if look.spines == "box":
            pen.line([(x0, y0), (x1, y0), (x1, y1)], look.ink, look.line)
        if look.spines != "grey":
            pen.line([(x0, y0), (x0, y1), (x1, y1)], look.ink, look.line)
        px, reach = look.px, look.px * (-0.3 if look.ticks_in else 0.35)
        gap = max(reach, 0.0) + px * 0.25
        for value, text in self._ticks("y", y1 - y0, look):
            pen.line([(x0 - reach, self.y(value)), (x0, self.y(value))], look.ink, look.line)
            pen.text(x0 - gap, self.y(value), text, px * 0.9, look.ink, "rm")
        below = y1 + max(reach, 0.0) + px * 0.15
        if self.categories:
            slot = (x1 - x0) / len(self.categories)
            lines, turned = self._category_lines(look, slot)
            for i, words in enumerate(lines):
                cx = x0 + (i + 0.5) * slot
                pen.line([(cx, y1), (cx, y1 + reach)], look.ink, look.line)
                if turned:
                    pen.text(cx + px * 0.5, below, words[0], px * 0.9, look.ink, "rt", turn=45)
                    continue
                for k, word in enumerate(words):
                    pen.text(cx, below + k * text_height(px) * 0.92, word, px * 0.9, look.ink, "mt")
            return
        for value, text in self._ticks("x", x1 - x0, look):
            pen.line([(self.x(value), y1), (self.x(value), y1 + reach)], look.ink, look.line)
            pen.text(self.x(value), below, text, px * 0.9, look.ink, "mt")

    def _words(self, pen: Pen, look: Look) -> None:
        x0, y0, x1, y1 = self.rect
        px, line = look.px, text_height(look.px)
        mid = (x0 + x1) / 2
        ylines = wrap(self.ylabel, px, pen.height * 0.68)
        yticks = self._ticks("y", y1 - y0, look)
        away = px * 0.6 + max((text_width(t, px * 0.9) for _, t in yticks), default=0.0) + px * 0.15
        # A long label is centred on the axis but kept inside the panel.
        longest = max(text_width(w, px) for w in ylines)
        cy = min(max((y0 + y1) / 2, longest / 2 + 1), pen.height - longest / 2 - 1)
        for k, words in enumerate(reversed(ylines)):
            pen.text(x0 - away - k * line, cy, words, px, look.ink, "rm", turn=90)
        xlines = wrap(self.xlabel, px, max(1.0, x1 - x0))
        if self.xlabel:
            at = y1 + px * 0.5 + self._category_depth(look, x1 - x0)
            for k, words in enumerate(xlines):
                pen.text(mid, at + k * line, words, px, look.ink, "mt")
        at = y0 - px * 0.3
        if self.legend and self.legend_at == "top":
            rows = self._legend_rows(look, x1 - x0)
            for k, row in enumerate(rows):
                self._legend_row(pen, look, row, mid, at - line * (len(rows) - k - 0.5))
            at -= line * len(rows) + px * 0.2
        elif self.legend:
            for k, entry in enumerate(self.legend):
                self._legend_entry(pen, look, entry, x1 + px * 0.6, y0 + px + k * line * 1.1)
        if look.titles and self.title:
            titles = wrap(self.title, px, x1 - x0)
            for k, words in enumerate(reversed(titles)):
                pen.text(mid, at - k * line, words, px, look.ink, "mb", bold=look.bold_titles)

    def _category_depth(self, look: Look, inner: float) -> float:
        line, px = text_height(look.px), look.px
        if not self.categories:
            return line * 0.95 if self.xticks is None or self.xticks else 0.0
        lines, turned = self._category_lines(look, inner / len(self.categories))
        if turned:
            return (max(text_width(c, px * 0.9) for c in self.categories) + line) * 0.71
        return line * 0.92 * max(len(ls) for ls in lines)

    def _legend_row(
        self, pen: Pen, look: Look, row: Sequence[tuple[str, Color, int]], mid: float, cy: float
    ) -> None:
        px = look.px
        total = sum(text_width(t, px * 0.85) + px * 2.6 for t, _, _ in row) - px
        x = max(mid - total / 2, 1.0)
        for entry in row:
            self._legend_entry(pen, look, entry, x, cy)
            x += text_width(entry[0], px * 0.85) + px * 2.6

    def _legend_entry(self, pen: Pen, look: Look, entry: tuple[str, Color, int], x: float, cy: float) -> None:
        text, color, kind = entry
        px = look.px
        if kind == -2:
            pen.rect(
                (x + px * 0.2, cy - px * 0.35, x + px * 0.95, cy + px * 0.35), color, look.ink, look.line
            )
        else:
            pen.line([(x, cy), (x + px * 1.1, cy)], color, look.line * 1.6)
            if kind >= 0:
                pen.marker(kind, x + px * 0.55, cy, px * 0.26, color)
        pen.text(x + px * 1.4, cy, text, px * 0.85, look.ink, "lm")
