"""Panels that compare groups: bars, boxes, violins, histograms, time courses, dose response, scatter."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from .canvas import WHITE, Color, Look, Pen, mix
from .panel import Margins, Plot, Rng, apart
from .study import Measure, Study, capital, listed


class Compared(Plot):
    """Base of the panels that show one measure in the arms of the study."""

    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        measures = study.topic.measures
        start = rng.randrange(len(measures))
        self.measure: Measure = study.measure(rng, [measures[(start + step) % len(measures)]])
        self.arms = study.arms
        own = apart(rng, step)
        self.effect = own.choice((-1, 1)) * own.uniform(0.25, 0.6)
        self.stars = own.choice(("*", "**", "***"))
        self.n = study.n

    @classmethod
    def members(cls, study: Study) -> int:
        return len(study.topic.measures)

    def phrase(self) -> str:
        return capital(f"{self.measure.words} in {self.study.arm_words(self.arms)} (n = {self.n})")

    def lead(self) -> str:
        return f"Comparison of {self.study.arm_words(self.arms)}"

    def brief(self) -> str:
        return self.measure.words

    def _values(self, rng: Rng) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
        base, limit = rng.uniform(self.measure.low, self.measure.high), self.measure.limit
        effect = self.effect if base * (1 + self.effect) * 1.24 < limit else -abs(self.effect)
        spread = 0.11 if base * 1.24 < limit else 0.06
        out = []
        for k in range(len(self.arms)):
            mean = base * (1 + effect * k / max(1, len(self.arms) - 1))
            noise = spread * np.clip(rng.standard_normal(self.n), -2.2, 2.2)
            out.append(np.minimum(mean * (1 + noise), limit))
        return out

    def _scale(self, top: float, bottom: float = 0.0) -> None:
        self.categories = [arm.label for arm in self.arms]
        self.ylabel = self.measure.axis
        self.title = capital(self.measure.words)
        self.top = top
        self.ylim = (bottom, top + (top - bottom) * 0.22)

    def margins(self, look: Look, width: int, height: int) -> Margins:
        """As any plot's; the axis is extended so that the bracket stays inside it at this height."""
        share = min(0.5, 2.1 * look.px / max(4 * look.px, height - 5 * look.px))
        bottom = self.ylim[0]
        self.ylim = (bottom, bottom + (self.top - bottom) / (1 - share))
        return super().margins(look, width, height)

    def _slot(self, index: int) -> tuple[float, float]:
        """Centre and width of a category's slot in pixels."""
        width = (self.rect[2] - self.rect[0]) / len(self.categories)
        return self.rect[0] + (index + 0.5) * width, width

    def _bracket(self, pen: Pen, look: Look, value: float) -> None:
        """The significance bracket between the first and the last group, above ``value``."""
        y = self.y(value) - look.px * 0.55
        first, last = self._slot(0)[0], self._slot(len(self.categories) - 1)[0]
        drop = look.px * 0.3
        pen.line([(first, y + drop), (first, y), (last, y), (last, y + drop)], look.ink, look.line)
        pen.text((first + last) / 2, y + look.px * 0.12, self.stars, look.px, look.ink, "mb")

    def _points(
        self, pen: Pen, look: Look, values: Sequence[float], cx: float, width: float, rng: Rng
    ) -> None:
        r = look.px * (0.2 if len(values) < 30 else 0.12)
        for value, dx in zip(values, rng.uniform(-0.5, 0.5, len(values)) * width, strict=True):
            pen.dot(cx + float(dx), self.y(float(value)), r, mix(look.ink, WHITE, 0.25))


class Bars(Compared):
    """Means with error bars."""

    family = "bars"
    aspect = (0.8, 1.35)

    def notes(self) -> Sequence[str]:
        return ("Data are mean ± SD.", "*P < 0.05, **P < 0.01, ***P < 0.001.")

    def prepare(self, rng: Rng, look: Look) -> None:
        self.values = self._values(rng)
        self._scale(max(float(v.mean() + v.std() + (v.max() - v.mean()) * look.points) for v in self.values))

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        tops = []
        for k, values in enumerate(self.values):
            cx, slot = self._slot(k)
            half, mean, sd = slot * 0.29, float(values.mean()), float(values.std())
            color = look.color(k)
            box = (cx - half, self.y(mean), cx + half, self.y(0))
            if look.hatch and k == 0:
                pen.rect(box, WHITE, look.ink, look.line)
            else:
                pen.rect(box, color, look.ink if look.hatch else None, look.line)
            self._error(pen, look, cx, mean - (sd if look.points else 0), mean + sd, half * 0.45)
            top = mean + sd
            if look.points and self.n <= 24:
                self._points(pen, look, values.tolist(), cx, half * 1.3, rng)
                top = max(top, float(values.max()))
            tops.append(top)
        self._bracket(pen, look, max(tops))

    def _error(self, pen: Pen, look: Look, cx: float, low: float, high: float, cap: float) -> None:
        pen.line([(cx, self.y(low)), (cx, self.y(high))], look.ink, look.line)
        pen.line([(cx - cap, self.y(high)), (cx + cap, self.y(high))], look.ink, look.line)
        if look.points:
            pen.line([(cx - cap, self.y(low)), (cx + cap, self.y(low))], look.ink, look.line)


class Boxes(Compared):
    """Box plots."""

    family = "boxes"
    aspect = (0.85, 1.35)

    def notes(self) -> Sequence[str]:
        return ("Boxes show the median and quartiles, whiskers the full range.",)

    def prepare(self, rng: Rng, look: Look) -> None:
        self.values = self._values(rng)
        low = min(float(v.min()) for v in self.values)
        high = max(float(v.max()) for v in self.values)
        self._scale(high, max(0.0, low - 0.25 * (high - low)))

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        for k, values in enumerate(self.values):
            cx, slot = self._slot(k)
            half, color = slot * 0.25, look.color(k)
            low, q1, median, q3, high = (float(q) for q in np.percentile(values, (0, 25, 50, 75, 100)))
            for a, b in ((low, q1), (q3, high)):
                pen.line([(cx, self.y(a)), (cx, self.y(b))], look.ink, look.line)
            for v in (low, high):
                pen.line([(cx - half / 2, self.y(v)), (cx + half / 2, self.y(v))], look.ink, look.line)
            pen.rect(
                (cx - half, self.y(q3), cx + half, self.y(q1)), mix(color, WHITE, 0.35), look.ink, look.line
            )
            pen.line([(cx - half, self.y(median)), (cx + half, self.y(median))], look.ink, look.line * 2)
            if look.points and self.n <= 24:
                self._points(pen, look, values.tolist(), cx, half * 1.2, rng)
        self._bracket(pen, look, max(float(v.max()) for v in self.values))


class Violins(Compared):
    """Violin plots with a small box inside."""

    family = "violins"
    aspect = (0.95, 1.5)

    def phrase(self) -> str:
        return f"Violin plots of {self.measure.words} in {self.study.arm_words(self.arms)}"

    def notes(self) -> Sequence[str]:
        return ("White dots mark medians.",)

    def prepare(self, rng: Rng, look: Look) -> None:
        self.n = max(self.n, 40)
        self.values = self._values(rng)
        low = min(float(v.min()) for v in self.values)
        high = max(float(v.max()) for v in self.values)
        span = high - low
        self._scale(high + 0.26 * span, low - 0.2 * span if low - 0.2 * span > 0 else 0.0)

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        for k, values in enumerate(self.values):
            cx, slot = self._slot(k)
            half, color = slot * 0.36, look.color(k)
            width = float(values.std()) * 0.45
            grid = np.linspace(float(values.min()) - 1.6 * width, float(values.max()) + 1.6 * width, 60)
            density = np.exp(-0.5 * ((grid[:, None] - values[None, :]) / width) ** 2).sum(axis=1)
            reach = density / density.max() * half
            ys = [self.y(float(v)) for v in grid]
            right = [(cx + float(r), y) for r, y in zip(reach, ys, strict=True)]
            left = [(cx - float(r), y) for r, y in zip(reach, ys, strict=True)]
            outline = [*right, *reversed(left)]
            pen.polygon(outline, mix(color, WHITE, 0.3))
            pen.line([*outline, outline[0]], look.ink, look.line * 0.8)
            q1, median, q3 = (float(q) for q in np.percentile(values, (25, 50, 75)))
            bar = max(look.px * 0.2, half * 0.12)
            pen.rect((cx - bar, self.y(q3), cx + bar, self.y(q1)), look.ink)
            pen.dot(cx, self.y(median), bar * 0.8, WHITE)
        self._bracket(pen, look, self.top)


class Histogram(Plot):
    """The distribution of one measure."""

    family = "histogram"
    aspect = (1.1, 1.6)
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        measures = study.topic.measures
        start = rng.randrange(len(measures))
        self.measure = study.measure(rng, [measures[(start + step) % len(measures)]])
        self.count = rng.randint(180, 900)
        self.tint = rng.randrange(3)
        self.skewed = apart(rng, step).random() < 0.5

    @classmethod
    def members(cls, study: Study) -> int:
        return len(study.topic.measures)

    def phrase(self) -> str:
        return f"Distribution of {self.measure.words} in {self.count} {self.study.subjects}"

    def lead(self) -> str:
        return f"Distributions in {self.study.subjects}"

    def brief(self) -> str:
        return self.measure.words

    def notes(self) -> Sequence[str]:
        return ("Dashed lines mark means.",)

    def prepare(self, rng: Rng, look: Look) -> None:
        centre = rng.uniform(self.measure.low, self.measure.high)
        noise = rng.standard_normal(self.count)
        values = centre * (1 + 0.22 * noise) if not self.skewed else centre * np.exp(0.35 * noise)
        if np.isfinite(self.measure.limit):
            values = (
                self.measure.limit * centre / (centre + (self.measure.limit - centre) * np.exp(-0.5 * noise))
            )
        self.mean = float(values.mean())
        low, high = float(np.percentile(values, 0.5)), float(np.percentile(values, 99.5))
        self.counts, self.edges = np.histogram(values, bins=int(rng.integers(14, 28)), range=(low, high))
        pad = 0.04 * (high - low)
        self.xlim, self.ylim = (low - pad, high + pad), (0.0, float(self.counts.max()) * 1.12)
        self.xlabel, self.ylabel = self.measure.axis, f"Number of {self.study.subjects}"
        self.title = capital(self.measure.words)

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        for count, a, b in zip(self.counts.tolist(), self.edges, self.edges[1:], strict=False):
            if count:
                box = (self.x(float(a)), self.y(count), self.x(float(b)), self.y(0))
                pen.rect(box, mix(look.color(self.tint), WHITE, 0.2), WHITE, 0.5)
        at = self.x(self.mean)
        pen.dashed((at, self.rect[1]), (at, self.rect[3]), look.ink, look.line, look.px * 0.35)


class Lines(Plot):
    """Time courses of the arms with error bars."""

    family = "lines"
    aspect = (1.1, 1.7)
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        series = study.topic.series
        start = rng.randrange(len(series))
        self.measure = study.measure(rng, [series[(start + step) % len(series)]])
        self.visits = rng.randint(6, 9)
        self.hollow = rng.random() < 0.35
        own = apart(rng, step)
        self.shape = own.choice(("linear", "saturating", "wave"))
        self.rise = own.uniform(0.4, 1.6)

    @classmethod
    def members(cls, study: Study) -> int:
        return len(study.topic.series)

    def phrase(self) -> str:
        unit = self.study.topic.time[0]
        over = {
            "Time (weeks)": "weeks", "Time (days)": "days", "Follow-up (months)": "months",
            "Training day": "training days", "Time (h)": "hours", "Follow-up (years)": "years",
        }[unit]  # fmt: skip
        span = self.study.topic.time[1]
        return capital(f"{self.measure.words} in {self.study.arm_words(self.study.arms)} over {span} {over}")

    def lead(self) -> str:
        return f"Time courses in {self.study.arm_words(self.study.arms)}"

    def brief(self) -> str:
        return self.measure.words

    def notes(self) -> Sequence[str]:
        return ("Error bars show the standard error of the mean.",)

    def prepare(self, rng: Rng, look: Look) -> None:
        unit, span = self.study.topic.time
        self.times = np.linspace(0, span, self.visits)
        part = self.times / span
        shape = {
            "linear": part, "saturating": 1 - (1 - part) ** 3, "wave": part * (1 - 0.45 * part * part)
        }[self.shape]  # fmt: skip
        base = rng.uniform(self.measure.low, self.measure.high)
        self.curves = []
        for k in range(len(self.study.arms)):
            gain = self.rise * (1 - 0.42 * k)
            noise = 0.02 * rng.standard_normal(self.visits)
            if self.measure.falls:
                gain = -0.16 * self.rise * (1 + 0.9 * k)
            curve = np.minimum(base * (1 + gain * shape + noise), self.measure.limit)
            self.curves.append((curve, np.abs(curve) * rng.uniform(0.02, 0.055, self.visits)))
        low = min(float((c - e).min()) for c, e in self.curves)
        high = max(float((c + e).max()) for c, e in self.curves)
        pad = (high - low) * 0.1
        self.xlim, self.ylim = (-0.03 * span, span * 1.03), (max(0.0, low - pad), high + pad)
        self.xlabel, self.ylabel = unit, self.measure.axis
        self.title = capital(self.measure.words)
        self.legend = [(arm.label, look.color(k), k) for k, arm in enumerate(self.study.arms)]

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        cap = look.px * 0.25
        for k, (curve, error) in enumerate(self.curves):
            color = look.color(k)
            points = [(self.x(float(t)), self.y(float(v))) for t, v in zip(self.times, curve, strict=True)]
            pen.line(points, color, look.line * 1.5)
            for (x, y), v, e in zip(points, curve, error, strict=True):
                for end in (self.y(float(v + e)), self.y(float(v - e))):
                    pen.line([(x, y), (x, end)], color, look.line)
                    pen.line([(x - cap, end), (x + cap, end)], color, look.line)
                pen.marker(k, x, y, look.px * 0.3, color, self.hollow and k == 0)


class Dose(Plot):
    """Dose-response curves on a logarithmic axis."""

    family = "dose"
    aspect = (1.1, 1.55)
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.lines = [f"DMC-{rng.randint(2, 99)}" for _ in range(rng.randint(2, 3))]
        self.lines = list(dict.fromkeys(self.lines))
        self.hours = (24, 48, 72, 96)[step % 4]
        own = apart(rng, step)
        self.middles = [own.uniform(-0.9, 0.9) for _ in self.lines]

    @classmethod
    def members(cls, study: Study) -> int:
        return 4

    def phrase(self) -> str:
        return (
            f"Viability of {listed(self.lines)} cells after {self.hours} h of exposure to {self.study.drug}"
        )

    def lead(self) -> str:
        return f"Dose-response curves of {self.study.drug}"

    def brief(self) -> str:
        return f"viability of {listed(self.lines)} cells after {self.hours} h"

    def notes(self) -> Sequence[str]:
        return ("Curves are four-parameter logistic fits.",)

    def prepare(self, rng: Rng, look: Look) -> None:
        self.xlim, self.ylim = (-2.15, 2.15), (0.0, 122.0)
        self.xticks = [(k, t) for k, t in zip(range(-2, 3), ("0.01", "0.1", "1", "10", "100"), strict=True)]
        self.yticks = [(v, str(v)) for v in (0, 25, 50, 75, 100)]
        self.xlabel, self.ylabel = f"{self.study.drug} (\u00b5M)", "Viability (%)"
        self.title = f"{self.hours} h"
        self.slopes = rng.uniform(1.2, 2.6, len(self.lines))
        self.floors = rng.uniform(4, 22, len(self.lines))
        self.legend = [(name, look.color(k), k) for k, name in enumerate(self.lines)]

    def _fit(self, k: int, x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
        floor = float(self.floors[k])
        curve = floor + (100 - floor) / (1 + 10 ** ((x - self.middles[k]) * self.slopes[k] * 0.7))
        return [float(v) for v in curve]

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        pen.dashed(
            (self.rect[0], self.y(50)), (self.rect[2], self.y(50)), (150, 150, 150), look.line, look.px * 0.3
        )
        smooth, doses = np.linspace(-2, 2, 60), np.linspace(-2, 2, 8)
        cap = look.px * 0.22
        for k in range(len(self.lines)):
            color = look.color(k)
            curve = self._fit(k, smooth)
            pen.line([(self.x(float(x)), self.y(v)) for x, v in zip(smooth, curve, strict=True)], color,
                     look.line * 1.5)  # fmt: skip
            for x, v in zip(doses, self._fit(k, doses), strict=True):
                value = v + float(np.clip(rng.standard_normal(), -2, 2)) * 2.5
                spread = float(rng.uniform(2, 6))
                px = self.x(float(x))
                for sign in (-1, 1):
                    y = self.y(value + sign * spread)
                    pen.line([(px, self.y(value)), (px, y)], color, look.line)
                    pen.line([(px - cap, y), (px + cap, y)], color, look.line)
                pen.marker(k, px, self.y(value), look.px * 0.3, color)


class Scatter(Plot):
    """Correlation of two measures with a regression line."""

    family = "scatter"
    aspect = (0.95, 1.4)
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        measures = study.topic.measures
        start = rng.randrange(len(measures))
        first, second = measures[(start + step) % len(measures)], measures[(start + step + 1) % len(measures)]
        self.mx, self.my = study.measure(rng, [first]), study.measure(rng, [second])
        self.n = rng.randint(36, 140)
        own = apart(rng, step)
        self.r = own.choice((-1, 1)) * own.uniform(0.35, 0.85)

    @classmethod
    def members(cls, study: Study) -> int:
        return len(study.topic.measures)

    def phrase(self) -> str:
        return f"Correlation between {self.mx.words} and {self.my.words} (n = {self.n} {self.study.subjects})"

    def lead(self) -> str:
        return f"Correlations in {self.study.subjects}"

    def brief(self) -> str:
        return f"{self.my.words} against {self.mx.words}"

    def notes(self) -> Sequence[str]:
        return ("Solid lines are linear regressions; shading marks the 95% confidence band.",)

    def prepare(self, rng: Rng, look: Look) -> None:
        a, b = rng.standard_normal(self.n), rng.standard_normal(self.n)
        a, b = np.clip(a, -2.4, 2.4), np.clip(b, -2.4, 2.4)
        b = self.r * a + (1 - self.r**2) ** 0.5 * b
        self.xs = np.minimum((self.mx.low + self.mx.high) / 2 * (1 + self._width(self.mx) * a), self.mx.limit)
        self.ys = np.minimum((self.my.low + self.my.high) / 2 * (1 + self._width(self.my) * b), self.my.limit)
        self.slope = float(((self.xs - self.xs.mean()) * (self.ys - self.ys.mean())).sum()
                           / ((self.xs - self.xs.mean()) ** 2).sum())  # fmt: skip
        self.fitted = float(np.corrcoef(self.xs, self.ys)[0, 1])
        px, py = 0.08 * float(np.ptp(self.xs)), 0.1 * float(np.ptp(self.ys))
        self.xlim = (float(self.xs.min()) - px, float(self.xs.max()) + px)
        self.ylim = (float(self.ys.min()) - py, float(self.ys.max()) + 2.6 * py)
        self.xlabel, self.ylabel = self.mx.axis, self.my.axis

    @staticmethod
    def _width(measure: Measure) -> float:
        """Relative spread that stays below the measure's limit."""
        middle = (measure.low + measure.high) / 2
        return min(0.2, (measure.limit / middle - 1) / 2.45)

    def marks(self, pen: Pen, look: Look, rng: Rng) -> None:
        color: Color = look.color(0)
        low, high = float(self.xs.min()), float(self.xs.max())
        mean_x, mean_y = float(self.xs.mean()), float(self.ys.mean())
        grid = np.linspace(low, high, 24)
        spread = float(np.std(self.ys - mean_y - self.slope * (self.xs - mean_x)))
        band = 2 * spread * np.sqrt(1 / self.n + (grid - mean_x) ** 2 / ((self.xs - mean_x) ** 2).sum())
        fit = mean_y + self.slope * (grid - mean_x)
        upper = [(self.x(float(x)), self.y(float(v))) for x, v in zip(grid, fit + band, strict=True)]
        lower = [(self.x(float(x)), self.y(float(v))) for x, v in zip(grid, fit - band, strict=True)]
        pen.polygon([*upper, *reversed(lower)], mix(color, WHITE, 0.78))
        for x, y in zip(self.xs, self.ys, strict=True):
            pen.dot(self.x(float(x)), self.y(float(y)), look.px * 0.24, mix(color, WHITE, 0.25), color)
        ends = [(self.x(v), self.y(mean_y + self.slope * (v - mean_x))) for v in (low, high)]
        pen.line(ends, look.ink, look.line * 1.4)
        text = f"r = {self.fitted:.2f}, P < 0.001".replace("-", "\u2212")
        pen.text(self.rect[0] + look.px * 0.7, self.rect[1] + look.px * 0.3, text, look.px * 0.9, look.ink)
