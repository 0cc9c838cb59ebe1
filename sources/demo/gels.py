"""Gels and western blots with lane labels, size markers and names of the bands."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from PIL import Image

from .canvas import Look, Pen, text_height, text_width
from .micro import smooth_noise
from .panel import Content, Margins, Rng
from .study import Study, listed


def _bands(
    rng: Rng, width: int, height: int, lanes: int, spots: Sequence[tuple[int, float, float, float]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Amount of signal per pixel; each spot is (lane, height 0..1, strength, thickness in pixels)."""
    out = np.zeros((height, width), dtype=np.float32)
    ys = np.arange(height, dtype=np.float64)
    slot = width / lanes
    for lane, at, strength, thick in spots:
        # Only the lane's own columns and the rows near the band receive any of it.
        x0, x1 = max(0, int((lane - 0.1) * slot)), min(width, int((lane + 1.1) * slot) + 1)
        y0, y1 = max(0, int(at * height - 6 * thick)), min(height, int(at * height + 6 * thick) + 1)
        half = slot * 0.38
        u = (np.arange(x0, x1) - (lane + 0.5) * slot + rng.uniform(-0.02, 0.02) * slot) / half
        square = u * u
        across = (1 + 0.12 * u) / (1 + square * square * square * square)
        v = (ys[y0:y1, None] - at * height - (rng.uniform(-0.1, 0.3) * thick * square)[None, :]) / thick
        v *= v
        out[y0:y1, x0:x1] += (strength * across[None, :] / (1 + v * v)).astype(np.float32)
    return out


class Blot(Content):
    """A western blot: one strip for each protein, the loading control last."""

    family = "blot"
    aspect = (1.15, 1.8)

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.arms = study.arms
        self.repeats = rng.choice((2, 2, 3))
        names = [g.upper() for g in study.genes]
        self.targets = [names[0], *rng.sample(names[1:], rng.randint(1, 2))]
        self.sizes = [*sorted(rng.sample(range(42, 150, 4), len(self.targets)), reverse=True), 37]

    def phrase(self) -> str:
        return (
            f"Western blots of {listed(self.targets)} in lysates from {self.study.arm_words(self.arms)}, "
            "with GAPDH as the loading control"
        )

    def notes(self) -> Sequence[str]:
        return ("Molecular masses are in kDa.",)

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        names = [*self.targets, "GAPDH"]
        px = look.px
        pen = Pen(width, height, look.paper)
        left = max(text_width(n, px) for n in names) + px * 0.7
        right = max(text_width(str(s), px * 0.9) for s in self.sizes) + px * 1.3
        top = text_height(px) + px * 0.5
        gap = px * 0.5
        strip = (height - top - gap * (len(names) - 1)) / len(names)
        lanes, inner = self.repeats * len(self.arms), width - left - right
        for k, arm in enumerate(self.arms):
            a = left + inner * k / len(self.arms) + px * 0.3
            b = left + inner * (k + 1) / len(self.arms) - px * 0.3
            size = min(px, px * (b - a) / max(1.0, text_width(arm.label, px)))
            pen.text((a + b) / 2, top - px * 0.45, arm.label, size, look.ink, "mb")
            pen.line([(a, top - px * 0.35), (b, top - px * 0.35)], look.ink, look.line)
        for row, (name, mass) in enumerate(zip(names, self.sizes, strict=True)):
            y = top + row * (strip + gap)
            levels = [1.0] * len(self.arms)
            if name != "GAPDH":
                ends = rng.uniform(0.1, 1.0, 2)
                levels = [float(v) for v in np.linspace(ends[0], ends[1], len(self.arms))]
            pen.paste(self._strip(rng, round(inner), round(strip), lanes, levels), left, y)
            pen.rect((left, y, left + round(inner), y + round(strip)), None, look.ink, look.line)
            pen.text(left - px * 0.45, y + strip / 2, name, px, look.ink, "rm")
            x = left + round(inner)
            pen.line([(x + px * 0.2, y + strip / 2), (x + px * 0.7, y + strip / 2)], look.ink, look.line)
            pen.text(x + px * 0.9, y + strip / 2, str(mass), px * 0.9, look.ink, "lm")
        return pen.image()

    def _strip(self, rng: Rng, width: int, height: int, lanes: int, levels: Sequence[float]) -> Image.Image:
        thick = max(2.0, min(height * 0.16, width / lanes * 0.18))
        spots = []
        for lane in range(lanes):
            level = levels[lane // self.repeats] * float(rng.uniform(0.85, 1.1))
            spots.append((lane, 0.5, level, thick * (0.7 + 0.4 * min(1.0, level))))
        signal = _bands(rng, width, height, lanes, spots)
        haze = smooth_noise(rng, width, height, max(12.0, height * 0.6), 2)
        grain = rng.standard_normal((height, width), dtype=np.float32)
        paper = 222 + 8 * haze + 2.5 * grain
        grey = np.clip(paper - 205 * np.minimum(signal, 1), 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")


class Gel(Content):
    """An agarose gel with a ladder, bright bands on a dark ground."""

    family = "gel"
    aspect = (1.0, 1.4)

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.lanes = rng.randint(6, 10)
        self.product = rng.choice((250, 420, 750))

    def phrase(self) -> str:
        return (
            f"Agarose gel of the {self.product}-bp {self.study.gene} amplicon in {self.lanes - 1} samples; "
            "M, size marker"
        )

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        px = look.px
        pen = Pen(width, height, look.paper)
        left, top = text_width("1000", px * 0.9) + px * 1.1, text_height(px) + px * 0.2
        wide, high = round(width - left), round(height - top)
        ladder = (1000, 750, 500, 250, 100)
        places = {bp: 0.12 + 0.76 * k / (len(ladder) - 1) for k, bp in enumerate(ladder)}
        at = float(np.interp(self.product, ladder[::-1], [places[bp] for bp in ladder[::-1]]))
        thick = max(1.5, high * 0.013)
        spots = [(0, y, 0.75 if bp != 500 else 1.0, thick) for bp, y in places.items()]
        for lane in range(1, self.lanes):
            if rng.random() < 0.8:
                spots.append((lane, at, float(rng.uniform(0.5, 1.0)), thick * 1.25))
            spots.append((lane, 0.97, float(rng.uniform(0.05, 0.2)), thick * 2.5))
        signal = _bands(rng, wide, high, self.lanes, spots)
        haze = smooth_noise(rng, wide, high, high * 0.4, 2)
        grain = rng.standard_normal((high, wide), dtype=np.float32)
        grey = np.clip(38 + 7 * haze + 3 * grain + 215 * np.minimum(signal, 1), 0, 255).astype(np.uint8)
        pen.paste(Image.fromarray(grey).convert("RGB"), left, top)
        for lane in range(self.lanes):
            x = left + (lane + 0.5) * wide / self.lanes
            pen.text(x, top - px * 0.1, "M" if lane == 0 else str(lane), px * 0.9, look.ink, "mb")
        for bp, y in places.items():
            pen.text(left - px * 0.6, top + y * high, str(bp), px * 0.9, look.ink, "rm")
            pen.line([(left - px * 0.5, top + y * high), (left - 1, top + y * high)], look.ink, look.line)
        pen.text(0, top - px * 0.1, "bp", px * 0.9, look.ink, "lb")
        return pen.image()
