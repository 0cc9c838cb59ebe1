"""Kinds whose panels are cut from a folder of real pictures that the user may train on.

A pool is a folder with a ``MANIFEST.tsv``: a header line and the columns ``file``, ``class`` and, where it is
there, ``train_ok`` (rows that do not say ``yes`` are left alone). Nothing of a pool is shipped.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ....core.errors import UsageError
from ..chance import one_of
from .base import Color, Drawing, Kind, Pixels, Rng, Style, blank
from .marks import annotate
from .textures import curve, ramp, tinted

SIDE = 420
"""Longer side of a picture in memory; panels are rarely larger."""
WHOLE = frozenset({"chemstructure", "table", "diagram", "plot", "text"})
"""Classes that are drawings on white: shown whole, never cropped."""
DYES: tuple[Color, ...] = (
    (255, 255, 255),
    (255, 255, 255),
    (60, 90, 255),
    (40, 255, 50),
    (255, 50, 40),
    (255, 50, 230),
    (40, 240, 240),
    (255, 230, 40),
)
"""Colours in which a fluorescence channel is shown."""
SHARP = 5.0
"""Small pictures are enlarged no more than this where a smaller part may be left out."""
WEIGHT = {"histology": 9, "fluorescence": 10, "ct": 6, "mri": 6, "xray": 4, "ultrasound": 3, "photo": 4}
"""Relative frequency in articles; 2 for what is not named."""


def read_pool(folder: Path) -> list[Kind]:
    """A kind for every class of a pool; UsageError where the folder is no pool or no row may be used."""
    manifest = folder / "MANIFEST.tsv"
    try:
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except OSError as error:
        raise UsageError(f"pool {folder}: cannot read MANIFEST.tsv ({error.strerror})") from error
    if rows and not {"file", "class"} <= set(rows[0]):
        raise UsageError(f"{manifest}: the header must name the columns file and class")
    groups: dict[str, list[Pixels]] = {}
    for number, row in enumerate(rows, 2):
        if row.get("train_ok", "yes") == "yes":
            try:
                picture = _load(folder / row["file"])
                picture = _without_margins(picture) if row["class"] in WHOLE else picture
                groups.setdefault(row["class"], []).append(picture)
            except (OSError, ValueError) as error:
                raise UsageError(f"{manifest}, line {number}: cannot read {row['file']} ({error})") from error
    if not groups:
        raise UsageError(f"{manifest}: no row may be used for training")
    return [Pooled(f"{folder.name}/{name}", name, tuple(group)) for name, group in sorted(groups.items())]


def _load(path: Path) -> Pixels:
    with Image.open(path) as image:
        image.draft("RGB", (SIDE, SIDE))
        picture = image.convert("RGB")
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _without_margins(pixels: Pixels) -> Pixels:
    """A drawing on white, its grey scan made white, cut to its ink."""
    clean = np.where((pixels > 225).all(axis=2, keepdims=True), np.uint8(255), pixels)
    dark = clean.min(axis=2) < 200
    rows, columns = (np.flatnonzero(np.asarray(dark).max(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return clean
    return np.ascontiguousarray(clean[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


@dataclass(frozen=True)
class Pooled:
    """Pictures of one class; panels are crops of them, a series crops or relatives of one."""

    name: str
    modality: str
    pictures: tuple[Pixels, ...]

    @property
    def fills(self) -> bool:
        return self.modality not in WHOLE

    @property
    def weight(self) -> float:
        return WEIGHT.get(self.modality, 2) * min(1.0, len(self.pictures) / 8)

    @property
    def aspect(self) -> tuple[float, float]:
        return (0.6, 1.8) if self.fills else (0.8, 3.0)

    def draw(self, rng: Rng, width: int, height: int, style: Style) -> Drawing:
        """A panel of one picture."""
        return self.series(rng, [(width, height)], style)[0]

    def series(self, rng: Rng, sizes: Sequence[tuple[int, int]], style: Style) -> list[Drawing]:
        """Panels of one picture's crops, of one picture shown in several tones, or of similar pictures."""
        phrase = f"Representative {self.modality} image"
        if not self.fills:
            chosen = [self._pick(rng) for _ in sizes]
            shown = [_fitted(p, w, h, style) for p, (w, h) in zip(chosen, sizes, strict=True)]
            return [Drawing(pixels, self.modality, False, phrase) for pixels in shown]
        one, manner, look = self._pick(rng), rng.random(), int(rng.integers(1 << 62))
        place = rng.random(2)
        zoom = rng.uniform(0.35, 1.0)
        out = []
        for width, height in sizes:
            source = one if manner < 0.7 else self._pick(rng)
            if manner < 0.35:
                place, zoom = rng.random(2), rng.uniform(0.35, 1.0)
            pixels = _crop(source, width, height, zoom, (place[0], place[1]))
            if pixels[::4, ::4].std() < 10:  # an empty corner of a scan
                pixels = _crop(source, width, height, 1.0, (0.5, 0.5))
            pixels = self._tone(rng, pixels)
            annotate(np.random.default_rng(look), rng, pixels, style)
            out.append(Drawing(pixels, self.modality, True, phrase))
        return out

    def _pick(self, rng: Rng) -> Pixels:
        return self.pictures[int(rng.integers(len(self.pictures)))]

    def _tone(self, rng: Rng, pixels: Pixels) -> Pixels:
        """Another brightness and contrast, a mirror image, at times one fluorescence channel."""
        if rng.random() < 0.3:
            pixels = pixels[:, ::-1]
        if self.modality == "fluorescence":
            grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
            # As authors do, stretched until something is to be seen.
            grey = curve(
                grey, float(grey[::3, ::3].min()), float(grey[::3, ::3].max()) * rng.uniform(0.5, 1.2) + 8
            )
            pixels = tinted(grey, ramp((0, 0, 0), one_of(rng, DYES)))
        gain, shift = rng.uniform(0.8, 1.25), rng.uniform(-18, 18)
        table = np.clip((np.arange(256) - 128) * gain + 128 + shift, 0, 255).astype(np.uint8)
        table[0] = min(table[0], 12)  # black grounds stay black
        return np.ascontiguousarray(cv2.LUT(pixels, table))


def _crop(source: Pixels, width: int, height: int, zoom: float, place: Sequence[float]) -> Pixels:
    """The part of a picture, ``zoom`` of what fits, that has the aspect asked for, at the size asked for."""
    tall, wide = source.shape[:2]
    whole = min(wide / width, tall / height)
    scale = min(whole, max(whole * zoom, 1 / SHARP))
    w, h = max(4, min(wide, round(width * scale))), max(4, min(tall, round(height * scale)))
    x, y = math.floor((wide - w) * place[0]), math.floor((tall - h) * place[1])
    way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(source[y : y + h, x : x + w], (width, height), interpolation=way), np.uint8)


def _fitted(source: Pixels, width: int, height: int, style: Style) -> Pixels:
    """A drawing, whole, in the middle of paper; darkened only so far as the paper is."""
    tall, wide = source.shape[:2]
    scale = min(width / wide, height / tall)
    w, h = max(1, min(width, round(wide * scale))), max(1, min(height, round(tall * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(source, (w, h), interpolation=way)
    out = blank(width, height, style.paper)
    y, x = (height - h) // 2, (width - w) // 2
    under = out[y : y + h, x : x + w].astype(np.uint16)
    if min(style.paper) > 128:
        out[y : y + h, x : x + w] = (under * small // 255).astype(np.uint8)
    else:
        out[y : y + h, x : x + w] = small
    return out
