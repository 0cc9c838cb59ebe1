"""Drawn panels: flow charts, networks, skeletal formulae and small tables."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from PIL import Image

from .canvas import BLACK, WHITE, Color, Look, Pen, mix, text_height, text_width, wrap
from .panel import Content, Margins, Rng, apart
from .study import Study, capital


class Flow(Content):
    """A participant flow chart: a trunk of boxes, exclusions to the right, two arms below."""

    family = "flow"
    aspect = (1.0, 1.35)
    ems = 24.0

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        total = rng.randint(180, 2400)
        out = rng.randint(total // 12, total // 4)
        lost = rng.randint(3, total // 20)
        kept = total - out
        first = kept // 2 - rng.randint(0, 4)
        arms = (study.arms[0], study.arms[-1])
        self.total, self.kept = total, kept
        self.trunk = [f"Assessed for eligibility (n = {total})", f"Included in the study (n = {kept})"]
        self.side = f"Excluded (n = {out})"
        self.arms = [
            f"{capital(arms[0].words)} (n = {first})",
            f"{capital(arms[1].words)} (n = {kept - first})",
        ]
        self.ends = [
            f"Analysed (n = {first - lost // 2})",
            f"Analysed (n = {kept - first - (lost - lost // 2)})",
        ]
        self.filled = rng.random() < 0.5
        self.round = rng.random() < 0.5

    def phrase(self) -> str:
        who = self.study.subjects
        return f"Flow chart of the study: of {self.total} {who} assessed, {self.kept} were included"

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        pen = Pen(width, height, look.paper)
        px = min(look.px, height / 18, width / 20)
        tall = height / 4.9
        rows = [1.0 + k * (height - tall - 2) / 3 for k in range(4)]
        wide = width * 0.46
        fill = mix(look.color(0), WHITE, 0.82) if self.filled else WHITE
        centre = width * 0.27
        self._box(
            pen,
            look,
            px,
            (centre - wide / 2, rows[0], centre + wide / 2, rows[0] + tall),
            self.trunk[0],
            fill,
        )
        self._box(
            pen,
            look,
            px,
            (centre - wide / 2, rows[1], centre + wide / 2, rows[1] + tall),
            self.trunk[1],
            fill,
        )
        pen.arrow((centre, rows[0] + tall), (centre, rows[1]), look.ink, look.line * 1.3, px * 0.7)
        mid = (rows[0] + tall + rows[1]) / 2
        side = (width * 0.62, mid - tall * 0.42, width - 1.5, mid + tall * 0.42)
        self._box(pen, look, px, side, self.side, WHITE)
        pen.arrow((centre, mid), (side[0], mid), look.ink, look.line * 1.3, px * 0.7)
        xs = (centre, width - wide / 2 - 1.5)
        fork = (rows[1] + tall + rows[2]) / 2
        pen.line([(centre, rows[1] + tall), (centre, fork), (xs[1], fork)], look.ink, look.line * 1.3)
        for k, x in enumerate(xs):
            tint = mix(look.color(k + 1), WHITE, 0.8) if self.filled else WHITE
            half = wide / 2
            self._box(pen, look, px, (x - half, rows[2], x + half, rows[2] + tall), self.arms[k], tint)
            self._box(pen, look, px, (x - half, rows[3], x + half, rows[3] + tall), self.ends[k], tint)
            pen.arrow((x, fork), (x, rows[2]), look.ink, look.line * 1.3, px * 0.7)
            pen.arrow((x, rows[2] + tall), (x, rows[3]), look.ink, look.line * 1.3, px * 0.7)
        return pen.image()

    def _box(
        self, pen: Pen, look: Look, px: float, box: tuple[float, float, float, float], text: str, fill: Color
    ) -> None:
        ink = look.ink if look.paper == WHITE else BLACK
        pen.rounded(box, px * 0.5 if self.round else 0.1, fill, look.ink, look.line * 1.2)
        words, count = text[: text.index("(") - 1], text[text.index("(") :]
        lines = [*wrap(words, px, box[2] - box[0] - px * 0.8), count]
        line = text_height(px)
        y = (box[1] + box[3]) / 2 - line * len(lines) / 2
        for k, part in enumerate(lines):
            pen.text((box[0] + box[2]) / 2, y + k * line, part, px, ink, "mt")


class Network(Content):
    """An interaction network: modules of nodes around hubs."""

    family = "network"
    aspect = (0.95, 1.35)

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.modules = rng.randint(2, 4)
        self.sizes = [rng.randint(6, 10) for _ in range(self.modules)]
        self.names = list(study.genes)

    def phrase(self) -> str:
        return f"Interaction network of {sum(self.sizes) + self.modules} proteins in {self.modules} modules"

    def notes(self) -> Sequence[str]:
        return ("Node colours mark modules.",)

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        pen = Pen(width, height, look.paper)
        px = look.px
        r = min(px * 0.75, min(width, height) / 34)
        hubs = self._hubs(width, height)
        reach = min(width, height) * (0.24 if self.modules > 2 else 0.25) - r
        leaves: list[list[tuple[float, float]]] = []
        for k, (hx, hy) in enumerate(hubs):
            start = float(rng.uniform(0, 6.28))
            ring = []
            for i in range(self.sizes[k]):
                a = start + 2 * math.pi * i / self.sizes[k]
                d = reach * (0.98 if i % 2 else 0.72)
                ring.append((hx + d * math.cos(a), hy + d * math.sin(a)))
            leaves.append(ring)
        grey = (165, 165, 170)
        for k, hub in enumerate(hubs):
            for i, leaf in enumerate(leaves[k]):
                pen.line([hub, leaf], grey, look.line)
                if rng.random() < 0.5:
                    pen.line([leaf, leaves[k][(i + 1) % len(leaves[k])]], grey, look.line * 0.8)
            pen.line([hub, hubs[(k + 1) % len(hubs)]], (120, 120, 125), look.line * 1.8)
        for k, (hx, hy) in enumerate(hubs):
            color = look.color(k)
            for x, y in leaves[k]:
                pen.dot(x, y, r, mix(color, WHITE, float(rng.uniform(0.35, 0.65))), mix(color, BLACK, 0.3))
            pen.dot(hx, hy, r * 1.7, color, mix(color, BLACK, 0.4))
            name = self.names[k % len(self.names)].upper()
            w = text_width(name, px * 0.9) / 2 + 2
            y = hy + r * 1.8
            pen.rounded((hx - w, y, hx + w, y + text_height(px * 0.9)), 3, WHITE, None)
            pen.text(hx, y, name, px * 0.9, BLACK, "mt")
        return pen.image()

    def _hubs(self, width: int, height: int) -> list[tuple[float, float]]:
        spots = {
            2: [(0.27, 0.36), (0.73, 0.64)],
            3: [(0.27, 0.27), (0.73, 0.3), (0.5, 0.73)],
            4: [(0.26, 0.26), (0.74, 0.26), (0.74, 0.74), (0.26, 0.74)],
        }[self.modules]
        return [(x * width, y * height) for x, y in spots]


class Molecule(Content):
    """A skeletal formula: fused and linked rings with substituents."""

    family = "molecule"
    aspect = (1.25, 2.1)
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.name = study.drug if step == 0 else f"{study.drug}{'abcdefgh'[(step - 1) % 8]}"
        self.link = rng.choice(("NH", "O"))
        self.hetero = [rng.random() < 0.5 for _ in range(3)]
        own = apart(rng, step)
        self.groups = [own.choice(("OH", "F", "Cl", "NH2", "OMe", "CF3")) for _ in range(3)]
        self.mass = own.uniform(280, 420)

    def phrase(self) -> str:
        return f"Chemical structure of {self.name} (molecular mass {self.mass:.1f} Da)"

    def lead(self) -> str:
        return f"Chemical structures of {self.study.drug} and its analogues"

    def brief(self) -> str:
        return self.name

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        pen = Pen(width, height, look.paper)
        label = text_height(look.px) * 1.3
        bond = min((width - look.px * 4.5) / 9.8, (height - label) / 4.6)
        px = min(look.px * 1.1, bond * 0.5)
        cy = (height - label) / 2
        x = (width - 9.1 * bond) / 2 + bond * 1.6
        step = bond * math.sqrt(3)
        first = (x, cy)
        second = (x + step, cy)
        third = (second[0] + step / 2 + bond * 2.6, cy)
        for k, centre in enumerate((first, second, third)):
            self._ring(pen, look, centre, bond, self.hetero[k] and k != 1, px)
        right = (second[0] + step / 2, cy + bond / 2)
        entry = (third[0] - step / 2, cy + bond / 2)
        middle = ((right[0] + entry[0]) / 2, cy + bond * 1.0)
        pen.line([right, middle, entry], look.ink, look.line * 1.5)
        self._atom(pen, look, middle, self.link, px)
        self._branch(pen, look, (first[0] - step / 2, cy - bond / 2), (-0.87, -0.5), bond, self.groups[0], px)
        self._branch(pen, look, (second[0], cy - bond), (0, -1.0), bond * 0.85, self.groups[1], px)
        self._branch(pen, look, (third[0] + step / 2, cy - bond / 2), (0.87, -0.5), bond, self.groups[2], px)
        pen.text(width / 2, height - 1, self.name, look.px, look.ink, "mb", bold=True)
        return pen.image()

    def _corner(self, centre: tuple[float, float], bond: float, k: int) -> tuple[float, float]:
        a = math.pi / 2 + k * math.pi / 3
        return centre[0] + bond * math.cos(a), centre[1] - bond * math.sin(a)

    def _ring(
        self, pen: Pen, look: Look, centre: tuple[float, float], bond: float, hetero: bool, px: float
    ) -> None:
        corners = [self._corner(centre, bond, k) for k in range(6)]
        pen.line([*corners, corners[0], corners[1]], look.ink, look.line * 1.5)
        for k in (0, 2, 4):
            a, b = self._corner(centre, bond * 0.78, k), self._corner(centre, bond * 0.78, k + 1)
            inset = ((b[0] - a[0]) * 0.12, (b[1] - a[1]) * 0.12)
            ends = [(a[0] + inset[0], a[1] + inset[1]), (b[0] - inset[0], b[1] - inset[1])]
            pen.line(ends, look.ink, look.line * 1.5)
        if hetero:
            self._atom(pen, look, corners[3], "N", px)

    def _atom(self, pen: Pen, look: Look, at: tuple[float, float], text: str, px: float) -> None:
        color = {"N": (40, 60, 200), "NH": (40, 60, 200), "O": (200, 30, 30)}.get(text, look.ink)
        half = text_width(text, px) / 2 + 1
        pen.rect((at[0] - half, at[1] - px * 0.55, at[0] + half, at[1] + px * 0.55), look.paper)
        pen.text(at[0], at[1], text, px, color, "mm")

    def _branch(
        self, pen: Pen, look: Look, start: tuple[float, float], way: tuple[float, float], bond: float,
        text: str, px: float,
    ) -> None:  # fmt: skip
        end = (start[0] + way[0] * bond * 0.75, start[1] + way[1] * bond * 0.75)
        pen.line([start, end], look.ink, look.line * 1.5)
        color = {"F": (20, 130, 40), "Cl": (20, 130, 40), "OH": (200, 30, 30), "NH2": (40, 60, 200)}.get(
            text, look.ink
        )
        shown = text[::-1] if way[0] < -0.5 and text in {"OH"} else text
        if way[0] < -0.5 and text in {"NH2", "OMe", "CF3"}:
            shown = {"NH2": "H2N", "OMe": "MeO", "CF3": "F3C"}[text]
        gap = px * 0.12
        if way[0] < -0.5:
            self._formula(pen, end[0] - gap, end[1], shown, px, color, "rm")
        elif way[0] > 0.5:
            self._formula(pen, end[0] + gap, end[1], shown, px, color, "lm")
        else:
            self._formula(pen, end[0], end[1] - px * 0.5, shown, px, color, "mm")

    def _formula(self, pen: Pen, x: float, y: float, text: str, px: float, color: Color, anchor: str) -> None:
        """Element symbols with lowered digits."""
        sizes = [(c, px * (0.68 if c.isdigit() else 1.0)) for c in text]
        total = sum(text_width(c, s) for c, s in sizes)
        x -= {"l": 0.0, "m": total / 2, "r": total}[anchor[0]]
        for c, s in sizes:
            pen.text(x, y + (px * 0.25 if c.isdigit() else 0.0), c, s, color, "lm")
            x += text_width(c, s)


class Table(Content):
    """A small table of group characteristics, ruled as journals do."""

    family = "table"
    aspect = (1.45, 2.2)
    ems = 24.0

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.arms = study.arms[:3]
        rows: list[tuple[str, str]] = [
            ("Age (years)", "age"), ("Male sex (%)", "percent"), ("BMI (kg/m²)", "bmi"),
            ("Smokers (%)", "percent"), (f"{study.gene} high (%)", "percent"),
            ("Follow-up (months)", "months"), ("Diabetes (%)", "percent"),
        ]  # fmt: skip
        picked = rng.sample(rows, rng.randint(4, 6))
        self.rows = [(name, [self._value(rng, kind) for _ in self.arms]) for name, kind in picked]
        self.shaded = rng.random() < 0.5

    def _value(self, rng: random.Random, kind: str) -> str:
        if kind == "percent":
            return f"{rng.randint(8, 71)}"
        mean, sd = {"age": (58, 11), "bmi": (26, 4), "months": (31, 9)}[kind]
        return f"{mean + rng.uniform(-5, 5):.1f} ± {sd + rng.uniform(-2, 2):.1f}"

    def phrase(self) -> str:
        return f"Characteristics of {self.study.arm_words(self.arms)}"

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        pen = Pen(width, height, look.paper)
        line = height / (len(self.rows) + 1)
        heads = [a.label for a in self.arms]

        def needed(px: float) -> tuple[float, float]:
            first = max(text_width(n, px) for n, _ in self.rows) + px * 1.2
            cell = (
                max(text_width(t, px, True) for t in [*heads, *(v for _, vs in self.rows for v in vs)]) + px
            )
            return first, cell

        px = min(look.px * 1.05, line / 1.3)
        first, cell = needed(px)
        px *= min(1.0, width / (first + cell * len(heads)))
        first, _ = needed(px)
        step = (width - first) / len(heads)
        for k in range(len(self.rows)):
            if self.shaded and k % 2 == 0:
                pen.rect((0, line * (k + 1), width, line * (k + 2)), mix(look.color(0), look.paper, 0.87))
        for y, thick in ((look.line, 2.0), (line, 1.2), (height - look.line, 2.0)):
            pen.line([(0, y), (width, y)], look.ink, look.line * thick)
        for k, head in enumerate(heads):
            pen.text(first + (k + 0.5) * step, line / 2, head, px, look.ink, "mm", bold=True)
        for r, (name, values) in enumerate(self.rows):
            y = line * (r + 1.5)
            pen.text(px * 0.4, y, name, px, look.ink, "lm")
            for k, value in enumerate(values):
                pen.text(first + (k + 0.5) * step, y, value, px, look.ink, "mm")
        return pen.image()
