"""Micrograph panels: stained tissue sections and fluorescence images, with scale bars."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from .canvas import BLACK, WHITE, Color, Look, Pen, mix, text_height, text_width
from .panel import Content, Margins, Rng
from .study import Study

Field = NDArray[np.float32]
# Beer-Lambert by table: exp() of the C library may differ in its last bit between machines.
_TRANSMIT = np.asarray([255.0 * math.exp(-k / 256.0) for k in range(1280)], dtype=np.uint8)


def smooth_noise(rng: Rng, width: int, height: int, cell: float, octaves: int = 1) -> Field:
    """A smooth random field of about zero mean and unit range; ``cell`` is its grain in pixels."""
    total = np.zeros((height, width), dtype=np.float32)
    for k in range(octaves):
        size = (max(2, int(width * 2**k / cell) + 2), max(2, int(height * 2**k / cell) + 2))
        small = rng.uniform(-1, 1, (size[1], size[0])).astype(np.float32)
        large = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(large) * np.float32(0.5**k)
    return total


def ellipses(
    size: tuple[int, int],
    centres: NDArray[Any],
    radii: NDArray[Any],
    angles: NDArray[Any],
    shades: Sequence[int],
) -> Image.Image:
    """An 8-bit mask with one filled ellipse per row of ``centres`` and ``radii`` (long, short)."""
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    turn = np.linspace(0, 2 * math.pi, 14, endpoint=False)
    ring_x = radii[:, :1] * np.cos(turn)[None, :]
    ring_y = radii[:, 1:] * np.sin(turn)[None, :]
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    xs = centres[:, :1] + ring_x * cos - ring_y * sin
    ys = centres[:, 1:] + ring_x * sin + ring_y * cos
    outlines = np.stack([xs, ys], axis=2).reshape(len(centres), -1)
    for outline, shade in zip(outlines.tolist(), shades, strict=True):
        draw.polygon(outline, fill=shade)
    return mask


def scattered(rng: Rng, width: int, height: int, spacing: float, jitter: float = 0.38) -> NDArray[Any]:
    """Points on a jittered hexagonal grid, ``spacing`` pixels apart, reaching over the borders."""
    rows = np.arange(-1, int(height / (spacing * 0.87)) + 2)
    columns = np.arange(-1, int(width / spacing) + 2)
    gx, gy = np.meshgrid(columns.astype(np.float64), rows.astype(np.float64))
    gx = (gx + 0.5 * (np.abs(gy) % 2)) * spacing
    gy = gy * spacing * 0.87
    points = np.stack([gx.ravel(), gy.ravel()], axis=1)
    shifts: NDArray[Any] = points + rng.uniform(-jitter, jitter, points.shape) * spacing
    return shifts


def stain(layers: Sequence[tuple[Field, tuple[float, float, float]]]) -> Image.Image:
    """Light through stains: each layer is an amount per pixel and an optical density per channel."""
    height, width = layers[0][0].shape
    out = np.empty((height, width, 3), dtype=np.uint8)
    for c in range(3):
        density = sum(amount * np.float32(od[c] * 256) for amount, od in layers)
        out[..., c] = _TRANSMIT[np.clip(density, 0, len(_TRANSMIT) - 1).astype(np.int32)]
    return Image.fromarray(out)


HAEMATOXYLIN = (1.05, 1.15, 0.55)
EOSIN = (0.12, 0.72, 0.38)
DAB = (0.45, 0.85, 1.25)
COLLAGEN = (0.85, 0.35, 0.12)


def scale_bar(image: Image.Image, look: Look, share: float, label: str, color: Color) -> None:
    """A bar of ``share`` of the width with ``label`` above it (no label: none)."""
    pen = Pen.over(image)
    px = look.px
    long, thick, edge = share * image.width, max(2.0, px * 0.22), px * 0.75
    x1, y1 = image.width - edge, image.height - edge
    if label and color == BLACK:
        wide, tall = max(long, text_width(label, px * 0.9)) / 2 + px * 0.3, text_height(px * 0.9)
        middle = x1 - long / 2
        pen.rect((middle - wide, y1 - thick - tall - px * 0.25, middle + wide, y1 + px * 0.3), WHITE)
    pen.rect((x1 - long, y1 - thick, x1, y1), color)
    if label:
        pen.text(x1 - long / 2, y1 - thick - px * 0.1, label, px * 0.9, color, "mb")


class Histology(Content):
    """A stained tissue section."""

    family = "histology"
    aspect = (1.15, 1.4)
    photo = True
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.arm = study.arms[step % len(study.arms)]
        self.kind = {"liver": "cords", "colon": "glands", "kidney": "glands"}.get(study.tissue, "solid")
        self.dye = ("he", "ihc", "trichrome")[(step // len(study.arms) + rng.randrange(3)) % 3]
        self.severity = (step % len(study.arms)) / max(1, len(study.arms) - 1)
        self.micron = rng.choice((50, 100, 200))
        self.bar_label = rng.random() < 0.6
        self.arrows = rng.random() < 0.3 and self.dye == "he"

    @classmethod
    def members(cls, study: Study) -> int:
        return 3 * len(study.arms)

    def _stained(self) -> str:
        return {
            "he": "haematoxylin and eosin-stained",
            "ihc": f"{self.study.gene}-immunostained",
            "trichrome": "Masson trichrome-stained",
        }[self.dye]

    def phrase(self) -> str:
        tail = "; arrowheads mark inflammatory foci" if self.arrows else ""
        return (
            f"Representative {self._stained()} sections of {self.study.tissue} tissue from "
            f"{self.arm.words} {self.study.subjects}{tail}"
        )

    def lead(self) -> str:
        return f"Sections of {self.study.tissue} tissue"

    def brief(self) -> str:
        return f"{self._stained()} section from {self.arm.words} {self.study.subjects}"

    def notes(self) -> Sequence[str]:
        return (f"Scale bar, {self.micron} \u00b5m.",)

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        unit = max(7.0, (width * height) ** 0.5 / rng.uniform(34, 46))
        haze = smooth_noise(rng, width, height, unit * 6, 3)
        grain = smooth_noise(rng, width, height, unit * 0.55, 2)
        body, nuclei, sizes, turns, lumen = self._tissue(rng, width, height, unit)
        shades = rng.integers(130, 255, len(nuclei)).tolist()
        blue = ellipses((width, height), nuclei, sizes, turns, shades).filter(
            ImageFilter.GaussianBlur(max(0.6, unit * 0.07))
        )
        chromatin = np.asarray(blue, dtype=np.float32) / np.float32(255)
        chromatin *= 1 + np.float32(0.35) * grain
        tissue = body * (1 + np.float32(0.22) * haze + np.float32(0.2) * grain)
        tissue = np.clip(tissue * lumen, 0, 2)
        layers = [(chromatin * lumen, HAEMATOXYLIN)]
        if self.dye == "he":
            layers.append((tissue * np.float32(0.75), EOSIN))
        elif self.dye == "ihc":
            brown = self._positive(rng, width, height, nuclei, sizes, turns, haze)
            layers += [(tissue * np.float32(0.16), (0.3, 0.4, 0.35)), (brown * lumen, DAB)]
        else:
            band = np.abs(smooth_noise(rng, width, height, unit * 8, 2) + np.float32(0.25) * grain)
            fibre = np.clip(np.float32(0.2 + 0.25 * self.severity) - band, 0, 0.2) * np.float32(4.5)
            tissue = tissue * (1 - np.float32(0.8) * np.minimum(fibre, 1))
            layers += [(tissue * np.float32(0.7), (0.1, 0.8, 0.55)), (fibre * lumen, COLLAGEN)]
        image = stain(layers)
        pen = Pen.over(image)
        if self.arrows:
            for _ in range(int(rng.integers(1, 4))):
                x, y = float(rng.uniform(0.3, 0.8)) * width, float(rng.uniform(0.25, 0.7)) * height
                size = look.px * 0.9
                pen.polygon([(x, y), (x + size, y + size * 0.35), (x + size * 0.35, y + size)], BLACK)
        scale_bar(image, look, 0.2, f"{self.micron} \u00b5m" if self.bar_label else "", BLACK)
        return image

    def _positive(
        self,
        rng: Rng,
        width: int,
        height: int,
        nuclei: NDArray[Any],
        sizes: NDArray[Any],
        turns: NDArray[Any],
        haze: Field,
    ) -> Field:
        """Brown cytoplasm of the cells that carry the antigen; they lie in loose nests."""
        at = np.clip(nuclei.astype(np.int64), 0, [width - 1, height - 1])
        nest = haze[at[:, 1], at[:, 0]] + rng.normal(0, 0.25, len(nuclei))
        hit = nest > 0.75 - 1.1 * self.severity
        levels = rng.integers(70, 215, len(nuclei))[hit].tolist()
        cells = ellipses((width, height), nuclei[hit], sizes[hit] * 1.75, turns[hit], levels)
        soft = cells.filter(ImageFilter.GaussianBlur(max(0.8, float(sizes.mean()) * 0.22)))
        return np.asarray(soft, dtype=np.float32) / np.float32(255)

    def _tissue(
        self, rng: Rng, width: int, height: int, unit: float
    ) -> tuple[Field, NDArray[Any], NDArray[Any], NDArray[Any], Field]:
        """Stain of the tissue, nuclei (centres, radii, angles) and the mask of open spaces (0 = open)."""
        if self.kind == "glands":
            return self._glands(rng, width, height, unit)
        spacing = unit * (1.15 if self.kind == "solid" else 1.5)
        nuclei = scattered(rng, width, height, spacing)
        lumen = np.ones((height, width), dtype=np.float32)
        body = np.full((height, width), 0.85, dtype=np.float32)
        if self.kind == "cords":
            ridge = np.abs(smooth_noise(rng, width, height, unit * 3.2, 2))
            slit = np.clip(
                smooth_noise(rng, width, height, unit * 3.5) * np.float32(0.16) + np.float32(0.03), 0, 0.12
            )
            lumen = (1 - np.clip((slit - ridge) * 16, 0, 0.85)).astype(np.float32)
            inside = np.clip(nuclei.astype(np.int64), 0, [width - 1, height - 1])
            nuclei = nuclei[lumen[inside[:, 1], inside[:, 0]] > 0.5]
            fat = scattered(rng, width, height, unit * 4, 0.5)
            fat = fat[rng.random(len(fat)) < 0.15 + 0.45 * self.severity]
            radii = rng.uniform(0.35, 0.95, (len(fat), 1)) * unit
            holes = ellipses(
                (width, height), fat, np.hstack([radii, radii]), np.zeros(len(fat)), [255] * len(fat)
            )
            lumen = lumen * (
                1 - np.asarray(holes.filter(ImageFilter.GaussianBlur(1)), dtype=np.float32) / 255
            )
            lumen = np.clip(lumen, 0.05, 1)
        else:
            keep = rng.random(len(nuclei)) < 0.93
            nuclei = nuclei[keep]
            # Clefts of the section: ridges of one field where a second one lets them open.
            ridge = np.abs(smooth_noise(rng, width, height, unit * 5, 3))
            opening = np.clip(smooth_noise(rng, width, height, unit * 7, 1) * np.float32(0.22), 0, 1)
            lumen = np.clip(1 - np.clip((opening - ridge) * 14, 0, 0.92), 0, 1).astype(np.float32)
            inside = np.clip(nuclei.astype(np.int64), 0, [width - 1, height - 1])
            nuclei = nuclei[lumen[inside[:, 1], inside[:, 0]] > 0.6]
        long = rng.uniform(0.24, 0.4, (len(nuclei), 1)) * unit
        sizes = np.hstack([long * rng.uniform(1.0, 1.35, (len(nuclei), 1)), long])
        return body, nuclei, sizes, rng.uniform(0, math.pi, len(nuclei)), lumen

    def _glands(
        self, rng: Rng, width: int, height: int, unit: float
    ) -> tuple[Field, NDArray[Any], NDArray[Any], NDArray[Any], Field]:
        centres = scattered(rng, width, height, unit * 7.2, 0.16)
        count = len(centres)
        radius = rng.uniform(2.35, 2.95, count) * unit
        squash = rng.uniform(0.72, 1.0, count)
        turn = rng.uniform(0, math.pi, count)
        outer = np.stack([radius, radius * squash], axis=1)
        wall = ellipses((width, height), centres, outer, turn, [255] * count).filter(
            ImageFilter.GaussianBlur(1.2)
        )
        hole = ellipses((width, height), centres, outer * 0.36, turn, [255] * count)
        goblet = scattered(rng, width, height, unit * 1.1)
        small = np.full((len(goblet), 2), unit * 0.36)
        mucus = ellipses((width, height), goblet, small, np.zeros(len(goblet)), [150] * len(goblet))
        inside = np.asarray(wall, dtype=np.float32) / 255
        pale = inside * np.asarray(mucus.filter(ImageFilter.GaussianBlur(1.0)), dtype=np.float32) / 255
        opening = np.asarray(hole.filter(ImageFilter.GaussianBlur(1.5)), dtype=np.float32) / 255
        body = np.float32(0.62) + np.float32(0.35) * inside - np.float32(0.75) * pale
        lumen = np.clip(1 - opening * np.float32(0.95), 0.04, 1)
        steps = np.linspace(0, 2 * math.pi, 26, endpoint=False)
        ring = np.stack([np.cos(steps), np.sin(steps)], axis=1)
        spots, angles = [], []
        for (cx, cy), (a, b), t in zip(centres, outer * 0.84, turn, strict=True):
            x, y = ring[:, 0] * a, ring[:, 1] * b
            spots.append(
                np.stack([cx + x * math.cos(t) - y * math.sin(t), cy + x * math.sin(t) + y * math.cos(t)], 1)
            )
            angles.append(np.arctan2(y, x) + t)
        stroma = scattered(rng, width, height, unit * 1.25)
        at = np.clip(stroma.astype(np.int64), 0, [width - 1, height - 1])
        stroma = stroma[inside[at[:, 1], at[:, 0]] < 0.1]
        nuclei = np.concatenate([*spots, stroma])
        turns = np.concatenate([*angles, rng.uniform(0, math.pi, len(stroma))])
        long = np.concatenate([np.full(count * len(steps), 0.46), np.full(len(stroma), 0.3)])[:, None] * unit
        sizes = np.hstack([long, np.concatenate([np.full(count * len(steps), 0.24),
                                                 np.full(len(stroma), 0.22)])[:, None] * unit])  # fmt: skip
        return body.astype(np.float32), nuclei, sizes, turns, lumen.astype(np.float32)


class Fluorescence(Content):
    """A fluorescence micrograph: one channel, a merge, or a strip of channels."""

    family = "fluorescence"
    aspect = (0.95, 1.3)
    photo = True
    vary = True

    def __init__(self, rng: random.Random, study: Study, step: int = 0) -> None:
        self.study = study
        self.arm = study.arms[step % len(study.arms)]
        self.strip = rng.random() < 0.3
        self.micron = rng.choice((10, 20, 50))
        self.marker = study.genes[step // len(study.arms) % len(study.genes)].upper()
        self.tint: Color = rng.choice(((60, 255, 90), (255, 70, 70), (255, 60, 230)))
        self.kind = rng.choice(("fibres", "puncta", "membrane"))
        if self.strip:
            self.aspect = (2.2, 2.9)

    def phrase(self) -> str:
        channels = {(60, 255, 90): "green", (255, 70, 70): "red", (255, 60, 230): "magenta"}[self.tint]
        shown = "Single channels and merge" if self.strip else "Representative image"
        return (
            f"{shown} of {self.marker} immunofluorescence ({channels}) with DAPI-stained nuclei (blue) in "
            f"{self._sample()}"
        )

    def _sample(self) -> str:
        tissue = self.study.tissue
        kind = "cultures" if self.study.subjects == "cells" else "sections"
        return f"{self.arm.words} {tissue} {kind}"

    def lead(self) -> str:
        return "Immunofluorescence with DAPI-stained nuclei (blue)"

    def brief(self) -> str:
        return f"{self.marker} in {self._sample()}"

    def notes(self) -> Sequence[str]:
        return (f"Scale bar, {self.micron} \u00b5m.",)

    def draw(self, width: int, height: int, look: Look, rng: Rng, margins: Margins | None) -> Image.Image:
        if not self.strip:
            image = self._merge(*self._channels(rng, width, height), True, True)
            scale_bar(image, look, 0.2, "", WHITE)
            return image
        gap, count = max(2, round(look.px * 0.25)), 3
        head = round(text_height(look.px))
        each = (width - gap * (count - 1)) // count
        nuclei, signal = self._channels(rng, each, height - head)
        out = Image.new("RGB", (width, height), look.paper)
        pen = Pen.over(out)
        for k, name in enumerate(("DAPI", self.marker, "Merge")):
            part = self._merge(nuclei, signal, k != 1, k != 0)
            if k == count - 1:
                scale_bar(part, look, 0.24, "", WHITE)
            out.paste(part, (k * (each + gap), head))
            color = {"DAPI": (60, 90, 255), "Merge": look.ink}.get(name, mix(self.tint, BLACK, 0.3))
            if min(look.paper) < 100 and name == "DAPI":
                color = (120, 150, 255)
            if text_width(name, look.px) < each:
                pen.text(k * (each + gap) + each / 2, head / 2, name, look.px, color, "mm")
        return out

    def _channels(self, rng: Rng, width: int, height: int) -> tuple[Field, Field]:
        """Nuclear and marker intensity, 0..1."""
        unit = (width * height) ** 0.5 / float(rng.uniform(7.0, 10.5))
        cells = scattered(rng, width, height, unit * 1.12, 0.3)
        cells = cells[rng.random(len(cells)) < 0.85]
        count = len(cells)
        long = rng.uniform(0.27, 0.36, (count, 1)) * unit
        sizes = np.hstack([long * rng.uniform(1.0, 1.35, (count, 1)), long])
        turns = rng.uniform(0, math.pi, count)
        shades = rng.integers(120, 235, count).tolist()
        soft = max(0.8, unit * 0.03)
        blobs = ellipses((width, height), cells, sizes, turns, shades).filter(ImageFilter.GaussianBlur(soft))
        texture = smooth_noise(rng, width, height, max(3.0, unit * 0.16), 2)
        nuclei = np.asarray(blobs, dtype=np.float32) / 255 * (1 + np.float32(0.32) * texture)
        bodies = ellipses((width, height), cells, sizes * 2.1, turns, [200] * count)
        body = np.asarray(bodies.filter(ImageFilter.GaussianBlur(unit * 0.1)), dtype=np.float32) / 255
        if self.kind == "fibres":
            signal = self._fibres(rng, width, height, unit, cells, turns) * (np.float32(0.35) + body)
        elif self.kind == "puncta":
            dots = scattered(rng, width, height, max(5.0, unit * 0.15), 0.5)
            at = np.clip(dots.astype(np.int64), 0, [width - 1, height - 1])
            dots = dots[(rng.random(len(dots)) < 0.42) & (body[at[:, 1], at[:, 0]] > 0.55)]
            r = rng.uniform(0.8, 2.0, (len(dots), 1)) * max(0.7, unit / 60)
            levels = rng.integers(110, 255, len(dots)).tolist()
            mask = ellipses((width, height), dots, np.hstack([r, r]), np.zeros(len(dots)), levels)
            signal = np.asarray(mask.filter(ImageFilter.GaussianBlur(0.9)), dtype=np.float32) / 200
            signal = signal + body * np.float32(0.13)
        else:
            inner = ellipses((width, height), cells, sizes * 1.85, turns, [200] * count)
            core = np.asarray(inner.filter(ImageFilter.GaussianBlur(unit * 0.06)), dtype=np.float32) / 255
            signal = (
                np.clip(body - core * np.float32(0.86), 0, 1)
                * np.float32(1.5)
                * (1 + np.float32(0.4) * texture)
            )
        noise = rng.standard_normal((height, width), dtype=np.float32) * np.float32(0.016)
        floor = np.float32(0.035)
        return np.clip(nuclei + noise + floor, 0, 1), np.clip(signal + noise + floor, 0, 1)

    def _fibres(
        self, rng: Rng, width: int, height: int, unit: float, cells: NDArray[Any], turns: NDArray[Any]
    ) -> Field:
        """Bundles of filaments that run along each cell."""
        mask = Image.new("L", (width, height), 0)
        draw = ImageDraw.Draw(mask)
        per = 15
        for (cx, cy), turn in zip(cells.tolist(), turns.tolist(), strict=True):
            ux, uy = math.cos(turn), math.sin(turn)
            offsets = rng.uniform(-0.55, 0.55, per) * unit
            starts, ends = rng.uniform(-0.95, -0.3, per) * unit, rng.uniform(0.3, 0.95, per) * unit
            bends = rng.uniform(-0.12, 0.12, per) * unit
            for o, s, e, b, level in zip(
                offsets.tolist(), starts.tolist(), ends.tolist(), bends.tolist(),
                rng.integers(70, 230, per).tolist(), strict=True,
            ):  # fmt: skip
                path = [(cx + ux * t - uy * (o * w + v), cy + uy * t + ux * (o * w + v))
                        for t, v, w in ((s, 0.0, 0.7), ((s + e) / 2, b, 1.0), (e, 0.0, 0.7))]  # fmt: skip
                draw.line(path, fill=level, width=max(1, round(unit / 45)))
        soft = mask.filter(ImageFilter.GaussianBlur(max(0.7, unit / 90)))
        return np.asarray(soft, dtype=np.float32) / np.float32(200)

    def _merge(self, nuclei: Field, signal: Field, with_nuclei: bool, with_signal: bool) -> Image.Image:
        out = np.zeros((*nuclei.shape, 3), dtype=np.float32)
        if with_nuclei:
            out += nuclei[..., None] * np.asarray((45, 85, 255), dtype=np.float32)
        if with_signal:
            out += signal[..., None] * np.asarray(self.tint, dtype=np.float32)
        return Image.fromarray(np.clip(out, 0, 255).astype(np.uint8))
