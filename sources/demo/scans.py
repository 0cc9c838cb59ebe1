"""Cross-sectional images: thoracic CT and brain MR slices."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .canvas import Look, Pen
from .micro import smooth_noise
from .panel import Content, Margins, Rng, apart
from .study import Study


class _Slice:
    """A greyscale canvas in body coordinates: centre 0,0, the shorter side from -1 to 1."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("L", (width, height), 0)
        self._draw = ImageDraw.Draw(self.image)
        self._cx, self._cy, self._unit = width / 2, height / 2, min(width, height) / 2

    def oval(
        self, x: float, y: float, rx: float, ry: float, grey: int, turn: float = 0.0, wave: float = 0.0
    ) -> None:
        """A filled oval; ``wave`` makes its outline uneven."""
        cos, sin = math.cos(turn), math.sin(turn)
        points = []
        count = 72 if max(rx, ry) > 0.05 else 16
        for k in range(count):
            a = 2 * math.pi * k / count
            r = 1 + wave * (math.sin(3 * a + x * 9) + 0.6 * math.sin(7 * a + y * 7) + 0.3 * math.sin(13 * a))
            px, py = rx * r * math.cos(a), ry * r * math.sin(a)
            points.append((self._cx + (x + px * cos - py * sin) * self._unit,
                           self._cy + (y + px * sin + py * cos) * self._unit))  # fmt: skip
        self._draw.polygon(points, fill=grey)

    def curve(self, points: Sequence[tuple[float, float]], grey: int, width: float) -> None:
        path = [(self._cx + x * self._unit, self._cy + y * self._unit) for x, y in points]
        self._draw.line(path, fill=grey, width=max(1, round(width * self._unit)), joint="curve")

    def redraw(self) -> None:
        """Go on drawing on ``image`` after it was replaced."""
        self._draw = ImageDraw.Draw(self.image)

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self._cx + x * self._unit, self._cy + y * self._unit

    def finish(self, rng: Rng, soft: float, noise: float) -> Image.Image:
        """The blurred slice with smooth and fine noise, as RGB."""
        width, height = self.image.size
        body = np.asarray(self.image.filter(ImageFilter.GaussianBlur(soft * self._unit)), dtype=np.float32)
        inside = np.clip(body / 24, 0.15, 1)
        fine = rng.standard_normal((height // 2 + 1, width // 2 + 1), dtype=np.float32) * np.float32(noise)
        grains = np.asarray(Image.fromarray(fine).resize((width, height), Image.Resampling.BICUBIC))
        slow = smooth_noise(rng, width, height, self._unit * 0.25, 2) * np.float32(5)
        out = np.clip(body + (grains + slow) * inside, 0, 255).astype(np.uint8)
        return Image.fromarray(out).convert("RGB")


class Scan(Content):
    """Base of the slices: whose they are, and an arrow at the finding."""

    photo = True
    vary = True
    kind = ""

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.arm = study.arms[step % len(study.arms)]
        self.patient = step + 1
        self.arrow = rng.random() < 0.6
        own = apart(rng, step)
        self.age = own.randint(34, 78)
        self.level = own.uniform(0, 1)

    def lead(self) -> str:
        return self._what()

    def brief(self) -> str:
        return f"patient {self.patient}, {self.age} years old"

    def phrase(self) -> str:
        arrow = f". Arrow, {self._finding()}" if self.arrow else ""
        return f"{self._what()} of a {self.age}-year-old patient{arrow}"

    def _what(self) -> str:
        raise NotImplementedError

    def _finding(self) -> str:
        raise NotImplementedError

    def _point(self, image: Image.Image, at: tuple[float, float], look: Look) -> None:
        if self.arrow:
            size = look.px
            x, y = at[0] + size * 0.7, at[1] - size * 0.7
            Pen.over(image).arrow(
                (x + size * 1.5, y - size * 1.5), (x, y), (255, 255, 255), size / 6, size * 0.8
            )


class Ct(Scan):
    """An axial chest CT slice, in lung or soft-tissue window."""

    family = "ct"
    aspect = (1.15, 1.4)

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        super().__init__(rng, study, step)
        self.lung = rng.random() < 0.5

    def _what(self) -> str:
        return f"Axial chest CT in the {'lung' if self.lung else 'soft-tissue'} window"

    def _finding(self) -> str:
        return "pulmonary nodule"

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        s = _Slice(width, height)
        wide = min(1.22, width / height * 0.95)
        air, fat, muscle, bone = (18, 150, 205, 255) if self.lung else (2, 78, 138, 250)
        s.oval(0, 0.02, wide, 0.84, fat, wave=0.006)
        s.oval(0, 0.02, wide * 0.92, 0.75, muscle, wave=0.012)
        for k in range(9):
            for side in (-1, 1):
                a = -1.0 + 0.26 * k
                x, y = side * wide * 0.83 * math.cos(a), 0.02 + 0.67 * math.sin(a)
                turn = math.atan2(0.67 * math.cos(a), -side * wide * 0.83 * math.sin(a))
                s.oval(x, y, 0.085, 0.028, bone, turn)
        shrink = 1 - 0.18 * self.level
        for side in (-1, 1):
            s.oval(side * wide * 0.46, 0.02, wide * 0.31 * shrink, 0.55 * shrink, air, side * 0.12, 0.02)
        s.oval(0.12, -0.06, 0.27, 0.3, muscle + 8, 0.5, 0.02)
        s.oval(-0.02, -0.28, 0.13, 0.17, muscle + 18)
        s.oval(0.17, 0.3, 0.075, 0.075, muscle + 22)
        s.oval(0.0, 0.5, 0.14, 0.12, bone)
        s.oval(0.0, 0.52, 0.1, 0.08, bone - 60)
        s.oval(0.0, 0.645, 0.045, 0.05, 90 if self.lung else 70)
        s.curve([(-0.1, 0.62), (-0.2, 0.66)], bone, 0.04)
        s.curve([(0.1, 0.62), (0.2, 0.66)], bone, 0.04)
        s.curve([(0, 0.68), (0, 0.77)], bone, 0.035)
        s.oval(0, -0.655, 0.09, 0.03, bone - 10)
        self._vessels(s, rng, wide)
        side = -1 if self.level < 0.5 else 1
        spot = (side * wide * (0.42 + 0.1 * self.level), -0.15 + 0.3 * self.level)
        s.oval(*spot, 0.055 + 0.05 * self.level, 0.05 + 0.04 * self.level, muscle, 0.4, 0.05)
        image = s.finish(rng, 0.006, 6 if self.lung else 8)
        self._point(image, s.at(spot[0] + 0.05, spot[1] - 0.05), look)
        return image

    def _vessels(self, s: _Slice, rng: Rng, wide: float) -> None:
        """Vessels that branch and taper from each hilum, and those cut across."""
        bright = 150 if self.lung else 60
        for side in (-1, 1):
            for k in range(9):
                x, y = side * wide * 0.2, float(rng.uniform(-0.08, 0.14))
                a = -1.25 + 2.5 * k / 8 + float(rng.uniform(-0.12, 0.12))
                thick = 0.02
                for part in range(4):
                    reach = 0.075 * float(rng.uniform(0.7, 1.2)) * (1.25 - abs(a) * 0.45)
                    end = (x + side * reach * math.cos(a), y + reach * 1.4 * math.sin(a))
                    s.curve([(x, y), end], bright - 18 * part, thick)
                    if part > 0:
                        b = a + float(rng.choice((-0.8, 0.8)))
                        twig = (end[0] + side * reach * 0.6 * math.cos(b), end[1] + reach * 0.6 * math.sin(b))
                        s.curve([end, twig], bright - 18 * part - 20, thick * 0.6)
                    (x, y), a, thick = end, a + float(rng.uniform(-0.3, 0.3)), thick * 0.72
            for _ in range(26):
                a, d = float(rng.uniform(0, 6.28)), float(rng.uniform(0, 0.85)) ** 0.7
                r = float(rng.uniform(0.005, 0.012))
                x, y = side * wide * 0.46 + wide * 0.24 * d * math.cos(a), 0.02 + 0.43 * d * math.sin(a)
                s.oval(x, y, r, r, bright - 10)


class Mr(Scan):
    """An axial brain MR slice."""

    family = "mr"
    aspect = (0.84, 1.0)

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        super().__init__(rng, study, step)
        self.weight = rng.choice(("T1", "T2", "FLAIR"))

    def _what(self) -> str:
        name = "FLAIR" if self.weight == "FLAIR" else f"{self.weight}-weighted"
        return f"Axial {name} MR image of the brain"

    def lead(self) -> str:
        return "Axial MR images of the brain"

    def _finding(self) -> str:
        return "white-matter lesion"

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        skin, skull, fluid, grey, white, lesion = {
            "T1": (190, 28, 22, 105, 150, 80),
            "T2": (150, 20, 245, 140, 95, 225),
            "FLAIR": (150, 18, 14, 130, 100, 240),
        }[self.weight]
        s = _Slice(width, height)
        rx, ry = 0.76, 0.93
        s.oval(0, 0, rx, ry, skin)
        s.oval(0, 0, rx - 0.05, ry - 0.05, skull)
        s.oval(0, 0, rx - 0.1, ry - 0.1, fluid)
        s.oval(0, 0, rx - 0.125, ry - 0.125, grey, wave=0.008)
        s.image = self._cortex(rng, s.image, (rx - 0.125, ry - 0.125), (fluid, grey, white))
        s.redraw()
        s.curve([(0, -ry + 0.12), (0, -0.3)], fluid, 0.022)
        s.curve([(0, ry - 0.12), (0, 0.36)], fluid, 0.022)
        grow = 0.85 + 0.4 * self.level
        for side in (-1, 1):
            s.oval(side * 0.2, -0.12, 0.1, 0.17, grey, side * -0.2)
            s.oval(side * 0.17, 0.13, 0.11, 0.13, grey + 8)
            s.oval(side * 0.1 * grow, -0.2, 0.05 * grow, 0.16 * grow, fluid, side * 0.3)
            s.oval(side * 0.15 * grow, 0.28, 0.045 * grow, 0.15 * grow, fluid, side * -0.35)
        s.oval(0, 0.02, 0.02, 0.09, fluid)
        side = 1 if self.level < 0.5 else -1
        spot = (side * (0.3 + 0.12 * self.level), -0.28 + 0.5 * self.level)
        s.oval(*spot, 0.07 + 0.05 * self.level, 0.055 + 0.05 * self.level, lesion, 0.7, 0.06)
        image = s.finish(rng, 0.009, 5)
        self._point(image, s.at(spot[0] + 0.06, spot[1] - 0.06), look)
        return image

    def _cortex(
        self, rng: Rng, image: Image.Image, radii: tuple[float, float], tones: tuple[int, int, int]
    ) -> Image.Image:
        """Folds: white matter with an uneven rim of grey, cut by sulci that run inwards from the surface."""
        width, height = image.size
        unit = min(width, height) / 2
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        depth = np.sqrt(
            ((xs - width / 2) / (unit * radii[0])) ** 2 + ((ys - height / 2) / (unit * radii[1])) ** 2
        )
        folds = smooth_noise(rng, width, height, unit * 0.2, 2)
        fine = smooth_noise(rng, width, height, unit * 0.12, 1)
        out = np.asarray(image).copy()
        fluid, grey, white = tones
        inner = depth < np.float32(0.8) + np.float32(0.13) * folds
        out[(depth < 1) & inner] = white
        sulcus = (np.abs(folds) < np.float32(0.075)) & (depth > np.float32(0.72) + np.float32(0.1) * fine)
        out[(depth < 1) & (np.abs(folds) < np.float32(0.24)) & (depth > np.float32(0.68))] = grey
        out[(depth < 1) & sulcus] = fluid
        return Image.fromarray(out)
