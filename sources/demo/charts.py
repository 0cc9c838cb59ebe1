"""Panels of clinical and omics charts: survival, forest, ROC, agreement, volcano, heat map, traces."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from PIL import Image

from .canvas import WHITE, Color, Look, Pen, mix, text_height, text_width
from .panel import Content, Margins, Plot, Rng, apart
from .study import Study, capital


class Survival(Plot):
    """Kaplan-Meier curves, often with the numbers at risk below."""

    family = "survival"
    aspect = (1.1, 1.45)
    ems = 19.0
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.arms = study.arms[:3]
        self.subset = ("all", "younger", "older", "male", "female")[step % 5]
        self.at_risk = rng.random() < 0.5
        if self.at_risk:
            self.aspect = (0.95, 1.15)
        own = apart(rng, step)
        self.sizes = [own.randint(40, 180) for _ in self.arms]
        self.rates = [own.uniform(0.25, 0.45) + 0.62 * k for k in range(len(self.arms))]
        self.p = own.choice(("P < 0.001", "P = 0.004", "P = 0.02"))

    @classmethod
    def members(cls, study: Study) -> int:
        return 5

    def phrase(self) -> str:
        who = self.study.arm_words(self.arms)
        risk = ", with numbers at risk below" if self.at_risk else ""
        return f"Kaplan-Meier curves of {self.study.topic.outcome.lower()} in {who}{risk}"

    def lead(self) -> str:
        return (
            f"Kaplan-Meier curves of {self.study.topic.outcome.lower()} in {self.study.arm_words(self.arms)}"
        )

    def brief(self) -> str:
        return f"{self.subset} {self.study.subjects}"

    def notes(self) -> Sequence[str]:
        return ("P values are from log-rank tests; ticks mark censored observations.",)

    def prepare(self, rng: Rng, look: Look) -> None:
        self.span = 60.0
        self.xlim, self.ylim = (0.0, self.span), (0.0, 1.05)
        self.xticks = [(float(v), str(v)) for v in range(0, 61, 12)]
        self.yticks = [(v / 4, f"{v / 4:.2f}") for v in range(5)]
        self.xlabel, self.ylabel = "Time (months)", self.study.topic.outcome
        self.title = capital(f"{self.subset} {self.study.subjects}")
        self.legend = [(a.label, look.color(k), -1) for k, a in enumerate(self.arms)]
        self.steps = []
        for size, rate in zip(self.sizes, self.rates, strict=True):
            times = np.sort(rng.exponential(self.span / rate, size))
            censored = rng.random(size) < 0.25
            alive, curve, marks = 1.0, [(0.0, 1.0)], []
            for i, (t, c) in enumerate(zip(times.tolist(), censored.tolist(), strict=True)):
                if t > self.span:
                    break
                if c:
                    marks.append((t, alive))
                    continue
                curve.append((t, alive))
                alive *= 1 - 1 / (size - i)
                curve.append((t, alive))
            curve.append((self.span, alive))
            left = [int((times > t).sum()) for t, _ in self.xticks]
            self.steps.append((curve, marks, left))

    def _table_depth(self, look: Look) -> float:
        return text_height(look.px * 0.85) * (len(self.arms) + 1.3) if self.at_risk else 0.0

    def margins(self, look: Look, width: int, height: int) -> Margins:
        left, top, right, bottom = super().margins(look, width, height)
        if self.at_risk:
            left = max(left, max(text_width(a.label, look.px * 0.85) for a in self.arms) + look.px * 1.6)
        right = max(right, look.px * 1.3)
        return left, top, right, bottom + self._table_depth(look)

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        tick = look.px * 0.28
        for k, (curve, marks, _) in enumerate(self.steps):
            color = look.color(k)
            pen.line([(self.x(t), self.y(v)) for t, v in curve], color, look.line * 1.6)
            for t, v in marks:
                pen.line([(self.x(t), self.y(v) - tick), (self.x(t), self.y(v) + tick)], color, look.line)
        pen.text(
            self.rect[0] + look.px * 0.7, self.rect[3] - look.px * 0.4, self.p, look.px * 0.9, look.ink, "lb"
        )
        if self.at_risk:
            self._risk_table(pen, look)

    def _risk_table(self, pen: Pen, look: Look) -> None:
        px, line = look.px * 0.85, text_height(look.px * 0.85)
        y = pen.height - line * (len(self.arms) + 1)
        pen.text(max(1.0, self.rect[0] - look.px * 3), y, "Number at risk", px, look.ink, "lt")
        for k, (arm, (_, _, left)) in enumerate(zip(self.arms, self.steps, strict=True)):
            row = y + line * (k + 1)
            pen.text(self.rect[0] - look.px * 1.1, row, arm.label, px, look.color(k), "rt")
            for (t, _), count in zip(self.xticks or (), left, strict=True):
                pen.text(self.x(t), row, str(count), px, look.ink, "mt")


class Forest(Content):
    """Hazard or odds ratios with confidence intervals."""

    family = "forest"
    aspect = (1.5, 2.1)
    ems = 27.0

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        names = [
            "Age \u2265 65 years", "Male sex", "Smoking", "Diabetes", f"{study.gene} high", "BMI \u2265 30",
            "Stage III\u2013IV", "Hypertension", "Prior event", f"{study.drug} use",
        ]  # fmt: skip
        self.rows = rng.sample(names, rng.randint(5, 8))
        self.ratio = rng.choice(("Hazard ratio", "Odds ratio"))
        self.values = [2 ** rng.uniform(-0.9, 1.5) for _ in self.rows]
        self.widths = [rng.uniform(0.2, 0.65) for _ in self.rows]

    def phrase(self) -> str:
        outcome = self.study.topic.outcome.lower()
        return f"Forest plot of {self.ratio.lower()}s for {outcome} from the multivariable model"

    def notes(self) -> Sequence[str]:
        return ("Horizontal bars show 95% confidence intervals.",)

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        pen = Pen(width, height, look.paper)
        px = min(look.px, height / (len(self.rows) + 4.5) / 1.25)
        names = max(text_width(r, px) for r in self.rows) + px
        numbers = text_width("0.00 (0.00\u20130.00)", px) + px
        x0, x1 = names, width - numbers
        line = (height - px * 3.2) / (len(self.rows) + 1)

        def x(ratio: float) -> float:
            return x0 + (float(np.log2(ratio)) + 2.0) / 4.6 * (x1 - x0)

        pen.text(0, line / 2, "Variable", px, look.ink, "lm", bold=True)
        pen.text(width - 1, line / 2, f"{''.join(w[0] for w in self.ratio.title().split())} (95% CI)", px,
                 look.ink, "rm", bold=True)  # fmt: skip
        bottom = line * (len(self.rows) + 1) + px * 0.2
        pen.line([(0, line), (width, line)], look.ink, look.line)
        pen.dashed((x(1), line), (x(1), bottom), (120, 120, 120), look.line, px * 0.3)
        for k, (name, value, spread) in enumerate(zip(self.rows, self.values, self.widths, strict=True)):
            y = line * (k + 1.5)
            low, high = value / 2**spread, value * 2**spread
            pen.text(0, y, name, px, look.ink, "lm")
            pen.line([(x(max(low, 0.26)), y), (x(min(high, 5.8)), y)], look.ink, look.line * 1.2)
            half = px * (0.45 - 0.35 * (spread - 0.2))
            pen.rect((x(value) - half, y - half, x(value) + half, y + half), look.color(0))
            text = f"{value:.2f} ({low:.2f}\u2013{high:.2f})"
            pen.text(width - 1, y, text, px, look.ink, "rm")
        pen.line([(x0, bottom), (x1, bottom)], look.ink, look.line)
        for v, label in ((0.25, "0.25"), (0.5, "0.5"), (1.0, "1"), (2.0, "2"), (4.0, "4")):
            pen.line([(x(v), bottom), (x(v), bottom + px * 0.3)], look.ink, look.line)
            pen.text(x(v), bottom + px * 0.35, label, px * 0.9, look.ink, "mt")
        pen.text((x0 + x1) / 2, bottom + px * 1.5, self.ratio, px, look.ink, "mt")
        return pen.image()


class Roc(Plot):
    """Receiver operating characteristic curves."""

    family = "roc"
    ems = 18.0
    aspect = (0.95, 1.15)
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.cohort = ("training", "validation", "external")[step % 3]
        names = (f"{study.gene} alone", "Clinical model", "Combined model")
        own = apart(rng, step)
        areas = [own.uniform(0.62, 0.7), own.uniform(0.71, 0.8), own.uniform(0.82, 0.94)]
        self.curves = list(zip(names, areas, strict=True))

    @classmethod
    def members(cls, study: Study) -> int:
        return 3

    def phrase(self) -> str:
        return (
            f"Receiver operating characteristic curves of three models in the {self.cohort} cohort, "
            "with areas under the curve"
        )

    def lead(self) -> str:
        return "Receiver operating characteristic curves of three models"

    def brief(self) -> str:
        return f"{self.cohort} cohort"

    def prepare(self, rng: Rng, look: Look) -> None:
        self.xlim = self.ylim = (0.0, 1.0)
        self.xticks = self.yticks = [(v / 4, f"{v / 4:g}") for v in range(5)]
        self.xlabel, self.ylabel = "1 \u2212 specificity", "Sensitivity"
        self.title = f"{capital(self.cohort)} cohort"

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        x0, y0, x1, y1 = self.rect
        pen.dashed((x0, y1), (x1, y0), (150, 150, 150), look.line, look.px * 0.3)
        px, line = look.px * 0.85, text_height(look.px * 0.85)
        for k, (name, area) in enumerate(self.curves):
            steps = np.sort(rng.random(40))
            power = (1 - area) / area
            rise = np.clip(steps**power + 0.012 * rng.standard_normal(40), 0, 1)
            rise = np.maximum.accumulate(rise)
            points: list[tuple[float, float]] = [(x0, y1)]
            for fpr, tpr in zip(steps.tolist(), rise.tolist(), strict=True):
                points += [(self.x(fpr), points[-1][1]), (self.x(fpr), self.y(tpr))]
            points += [(x1, points[-1][1]), (x1, y0)]
            pen.line(points, look.color(k), look.line * 1.5)
            y = y1 - line * (len(self.curves) - k) - look.px * 0.3
            text = f"{name} ({area:.2f})"
            pen.text(x1 - px * 0.6, y, text, px, look.color(k), "rt")


class Agreement(Plot):
    """Bland-Altman plot of two methods."""

    family = "agreement"
    aspect = (1.15, 1.6)

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.measure = study.measure(rng, study.topic.measures[:1])
        self.n = rng.randint(40, 120)

    def phrase(self) -> str:
        return f"Bland-Altman plot of manual and automated {self.measure.words} (n = {self.n})"

    def notes(self) -> Sequence[str]:
        return ("Solid line, mean difference; dashed lines, limits of agreement.",)

    def prepare(self, rng: Rng, look: Look) -> None:
        self.xs = rng.uniform(self.measure.low * 0.4, self.measure.high * 1.6, self.n)
        self.ys = self.measure.high * 0.08 * (0.3 + rng.standard_normal(self.n))
        reach = float(np.abs(self.ys).max()) * 1.35
        pad = float(np.ptp(self.xs)) * 0.05
        self.xlim, self.ylim = (float(self.xs.min()) - pad, float(self.xs.max()) + pad), (-reach, reach)
        unit = self.measure.axis[self.measure.axis.rfind("(") :]
        self.xlabel, self.ylabel = f"Mean of methods {unit}", f"Difference {unit}"

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        x0, _, x1, _ = self.rect
        for x, y in zip(self.xs.tolist(), self.ys.tolist(), strict=True):
            pen.dot(self.x(x), self.y(y), look.px * 0.23, mix(look.color(0), WHITE, 0.2))
        mean, sd = float(self.ys.mean()), float(self.ys.std())
        pen.line([(x0, self.y(mean)), (x1, self.y(mean))], look.ink, look.line * 1.3)
        for v in (mean - 1.96 * sd, mean + 1.96 * sd):
            pen.dashed((x0, self.y(v)), (x1, self.y(v)), look.color(1), look.line * 1.2, look.px * 0.4)


class Volcano(Plot):
    """Volcano plot of differential expression."""

    family = "volcano"
    aspect = (0.95, 1.35)

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.total = rng.randint(900, 1600)
        first, last = study.arms[0], study.arms[-1]
        self.contrast = f"{last.words} and {first.words} {study.subjects}"

    def phrase(self) -> str:
        return f"Volcano plot of differentially expressed genes between {self.contrast}"

    def notes(self) -> Sequence[str]:
        return ("Coloured dots mark genes with an absolute fold change above 2 and FDR < 0.05.",)

    def prepare(self, rng: Rng, look: Look) -> None:
        self.fold = np.clip(rng.standard_normal(self.total) * 1.1, -4.2, 4.2)
        self.power = np.abs(self.fold) * rng.gamma(2.0, 0.75, self.total) + rng.exponential(0.35, self.total)
        top = float(self.power.max()) * 1.12
        self.xlim, self.ylim = (-4.6, 4.6), (0.0, top)
        self.xticks = [(float(v), f"{v}".replace("-", "\u2212")) for v in (-4, -2, 0, 2, 4)]
        self.xlabel, self.ylabel = "log2 fold change", "\u2212log10 (P value)"

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        x0, y0, x1, y1 = self.rect
        r = max(1.0, look.px * 0.15)
        down, up = look.color(0), look.color(1)
        for f, p in zip(self.fold.tolist(), self.power.tolist(), strict=True):
            hit = abs(f) > 1 and p > 1.6
            color: Color = (up if f > 0 else down) if hit else (178, 178, 178)
            pen.dot(self.x(f), self.y(p), r, color)
        for v in (-1.0, 1.0):
            pen.dashed((self.x(v), y0), (self.x(v), y1), (110, 110, 110), look.line, look.px * 0.3)
        pen.dashed((x0, self.y(1.6)), (x1, self.y(1.6)), (110, 110, 110), look.line, look.px * 0.3)


_MAPS: tuple[tuple[Color, ...], ...] = (
    ((33, 66, 148), (170, 200, 230), (250, 250, 248), (244, 170, 140), (170, 20, 40)),
    ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)),
    ((255, 255, 240), (254, 217, 142), (244, 120, 60), (190, 30, 30), (90, 0, 20)),
    ((0, 90, 40), (90, 180, 110), (245, 245, 245), (190, 120, 190), (110, 20, 110)),
)


def color_map(index: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """A 256 x 3 colour table."""
    stops = np.asarray(_MAPS[index % len(_MAPS)], dtype=np.float64)
    at = np.linspace(0, len(stops) - 1, 256)
    channels = [np.interp(at, np.arange(len(stops)), stops[:, c]) for c in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


class HeatMap(Content):
    """Clustered expression heat map with a colour bar."""

    family = "heatmap"
    aspect = (0.95, 1.5)

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.map = rng.randrange(len(_MAPS))
        self.rows = rng.randint(8, 16)
        self.per_arm = rng.randint(3, 6)
        self.arms = study.arms
        self.genes = [f"{g}{s}" for g in study.genes for s in ("a", "b", "c", "d")][: self.rows]

    def phrase(self) -> str:
        return f"Heat map of the expression of {self.rows} genes in {self.study.arm_words(self.arms)}"

    def notes(self) -> Sequence[str]:
        return ("Colours give row-wise z scores.",)

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        pen = Pen(width, height, look.paper)
        top = text_height(look.px) + look.px * 0.8
        px = min(look.px * 0.85, (height - top) / self.rows / 1.1)
        names = max(text_width(g, px) for g in self.genes) + px * 0.7
        bar = look.px * 0.9 + text_width("\u22122", look.px * 0.85) + look.px * 1.0
        columns = self.per_arm * len(self.arms)
        x0, y0, x1, y1 = 1.0, top, width - names - bar, height - 2.0
        cw, ch = (x1 - x0) / columns, (y1 - y0) / self.rows
        table = color_map(self.map)
        groups = rng.standard_normal((self.rows, len(self.arms)))
        groups = groups[np.argsort(groups[:, -1])]
        values = np.repeat(groups, self.per_arm, axis=1) + 0.45 * rng.standard_normal((self.rows, columns))
        shades = table[np.clip((values + 2) / 4 * 255, 0, 255).astype(np.int64)]
        for r in range(self.rows):
            for c in range(columns):
                fill = tuple(int(v) for v in shades[r, c])
                pen.rect((x0 + c * cw, y0 + r * ch, x0 + (c + 1) * cw, y0 + (r + 1) * ch), fill)  # type: ignore[arg-type]
            pen.text(x1 + px * 0.5, y0 + (r + 0.5) * ch, self.genes[r], px, look.ink, "lm", italic=True)
        pen.rect((x0, y0, x1, y1), None, look.ink, look.line)
        for k, arm in enumerate(self.arms):
            a, b = x0 + k * self.per_arm * cw, x0 + (k + 1) * self.per_arm * cw
            pen.rect((a + 1, y0 - look.px * 0.6, b - 1, y0 - look.px * 0.2), look.color(k))
            pen.text(
                (a + b) / 2,
                y0 - look.px * 0.65,
                arm.label,
                min(look.px, cw * self.per_arm / 4),
                look.ink,
                "mb",
            )
        self._bar(pen, look, width - bar + look.px * 0.4, y0, min(y1, y0 + (y1 - y0) * 0.6))
        return pen.image()

    def _bar(self, pen: Pen, look: Look, x: float, y0: float, y1: float) -> None:
        table, wide = color_map(self.map), look.px * 0.8
        steps = 64
        for k in range(steps):
            fill = tuple(int(v) for v in table[255 - k * 255 // (steps - 1)])
            a = y0 + (y1 - y0) * k / steps
            pen.rect((x, a, x + wide, a + (y1 - y0) / steps + 0.5), fill)  # type: ignore[arg-type]
        pen.rect((x, y0, x + wide, y1), None, look.ink, look.line)
        half = text_height(look.px * 0.85) / 2
        for part, text in ((0.0, "2"), (0.5, "0"), (1.0, "\u22122")):
            y = min(max(y0 + (y1 - y0) * part, y0 + half * 0.5), y1 - half * 0.5)
            pen.text(x + wide + look.px * 0.25, y, text, look.px * 0.85, look.ink, "lm")


class Traces(Content):
    """Stacked recordings with a scale for time and signal."""

    family = "traces"
    aspect = (1.4, 2.2)
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.arm = study.arms[step % len(study.arms)]
        self.cells = rng.randint(4, 7)
        self.tint = step
        self.rate = apart(rng, step).uniform(2.5, 7)

    @classmethod
    def members(cls, study: Study) -> int:
        return len(study.arms)

    def phrase(self) -> str:
        return f"Calcium traces of {self.cells} neurons from {self._who()}"

    def lead(self) -> str:
        return f"Calcium traces of single {self.study.tissue} neurons"

    def brief(self) -> str:
        return f"{self.arm.words} {self.study.subjects}"

    def _who(self) -> str:
        article = "an" if self.arm.words[0] in "aeiou" else "a"
        return f"{article} {self.arm.words} mouse"

    def notes(self) -> Sequence[str]:
        return ("Scale bars in traces, 10 s and 1 dF/F.",)

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        pen = Pen(width, height, look.paper)
        px = look.px
        left = text_width(f"Cell {self.cells}", px * 0.9) + px * 0.6
        bottom = px * 2.4
        row = (height - bottom) / self.cells
        samples = max(60, int(width - left))
        decay = 0.5 ** (np.arange(samples) / (samples * 0.025))
        for k in range(self.cells):
            events = (rng.random(samples) < self.rate / samples * 2).astype(np.float64)
            events *= rng.uniform(0.4, 1.0, samples)
            trace = np.convolve(events, decay)[:samples] + 0.035 * rng.standard_normal(samples)
            trace = np.clip(trace, -0.1, 1.3) / 1.3
            base = row * (k + 0.92)
            points = [
                (left + i * (width - left - 2) / samples, base - float(v) * row * 0.85)
                for i, v in enumerate(trace)
            ]
            pen.line(points, look.color(self.tint), max(1.0, look.line * 0.8))
            pen.text(left - px * 0.5, base, f"Cell {k + 1}", px * 0.9, look.ink, "rb")
        x1, y1 = width - px * 0.4, height - px * 1.25
        long = (width - left) * 0.14
        pen.line([(x1 - long, y1), (x1, y1), (x1, y1 - min(px * 1.0, row))], look.ink, look.line * 1.8)
        pen.text(x1 - long / 2, y1 + px * 0.1, "10 s", px * 0.85, look.ink, "mt")
        return pen.image()
