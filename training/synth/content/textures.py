"""Grey fields of noise, cells and fibres to cut pictures from, colour ramps, and irregular outlines.

The fields are made once per process from a seed of their own, so a picture costs a crop and a few whole-image
operations, and the same generator gives the same bytes whatever was drawn before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from .base import Color, Drawn, Pixels, Rng, Style
from .marks import annotate

Grey = NDArray[np.uint8]
Points = NDArray[np.int32]
Render = Callable[[Rng, Rng, int, int], tuple[Pixels, str]]
"""(look, data, width, height) -> picture and phrase; ``look`` is the same for all panels of a series."""

SIDE = 512
"""Side of the fields, in pixels."""
_SEED = 20_240_917


@cache
def bank() -> dict[str, Grey]:
    """The fields by name, each ``SIDE`` x ``SIDE`` with the full range of greys; not to be written to."""
    rng = np.random.default_rng(_SEED)
    clouds = [_spectrum(rng, slope) for slope in (1.0, 1.4, 1.8, 2.2, 2.6)]
    fields = {
        "white": _spectrum(rng, 0.0),
        "grain": _band(rng, 1.0),
        "speckle": _speckle(rng),
        "fine": _band(rng, 2.0),
        "medium": _band(rng, 5.0),
        "coarse": _band(rng, 12.0),
        "broad": _band(rng, 30.0),
        "rough": clouds[0],
        "cloud": clouds[2],
        "soft": clouds[4],
        "ridges": _levels(-np.abs(clouds[1].astype(np.float32) - 128)),
        "folds": _levels(-np.abs(_band(rng, 9.0).astype(np.float32) - 128)),
        "swirl": _warped(rng, clouds[3]),
        "marble": _warped(rng, _band(rng, 6.0)),
        "fibres": _fibres(rng),
        "weave": _levels(_fibres(rng).astype(np.float32) + _fibres(rng).T),
        "filaments": _filaments(rng, 260),
        "strands": _filaments(rng, 60),
        "tissue": _cells(rng, 420, 0.0),
        "epithelium": _cells(rng, 1500, 0.35),
        "membranes": _membranes(rng, 700),
        "large_membranes": _membranes(rng, 160),
        "nuclei": _nuclei(rng, 420, 7.0),
        "small_nuclei": _nuclei(rng, 1500, 3.6),
        "sparse_nuclei": _nuclei(rng, 110, 9.0),
        "puncta": _nuclei(rng, 900, 1.4),
    }
    for picture in fields.values():
        picture.flags.writeable = False
    return fields


def field(rng: Rng, name: str, width: int, height: int, zoom: float = 1.0) -> Grey:
    """A random ``width`` x ``height`` part of a field, its grain ``zoom`` times as large; a fresh array."""
    source = bank()[name]
    scale = max(1.0 / zoom, 1.0 / max(width, height))
    scale = min(scale, SIDE / width, SIDE / height)
    w, h = max(2, int(width * scale)), max(2, int(height * scale))
    x, y, turn = int(rng.random() * (SIDE - w + 1)), int(rng.random() * (SIDE - h + 1)), int(rng.random() * 4)
    part = source[y : y + h, x : x + w]
    if turn & 1:
        part = part[:, ::-1]
    if turn & 2:
        part = part[::-1]
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (width, height)), np.uint8)


def ramp(*colours: Color) -> Pixels:
    """A table for :func:`tinted`: 256 colours that pass through ``colours`` at equal steps."""
    return _ramp(colours)


@lru_cache(maxsize=2048)
def _ramp(colours: tuple[Color, ...]) -> Pixels:
    at = np.linspace(0, 255, len(colours))
    stops = np.array(colours, np.float32)
    table = np.stack([np.interp(np.arange(256), at, stops[:, n]) for n in range(3)], axis=1)
    return np.ascontiguousarray(table.round().astype(np.uint8)[:, None])


def tinted(grey: Grey, table: Pixels) -> Pixels:
    """Grey levels as the colours of a ramp."""
    return np.asarray(cv2.applyColorMap(grey, table), np.uint8)


def as_rgb(grey: Grey) -> Pixels:
    """Grey levels as they are, in three channels."""
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def curve(grey: Grey, low: float, high: float, gamma: float = 1.0) -> Grey:
    """Levels stretched so that ``low`` becomes black and ``high`` white; ``low`` may be the larger."""
    levels = (np.arange(256, dtype=np.float32) - low) / (high - low or 1.0)
    table = np.clip(levels, 0, 1) ** gamma * 255
    return np.asarray(cv2.LUT(grey, table.astype(np.uint8)), np.uint8)


def times(first: Grey, second: Grey, gain: float = 1.0) -> Grey:
    """The product of two images, 255 being one."""
    return np.asarray(cv2.multiply(first, second, scale=gain / 255), np.uint8)


def over(first: Grey, second: Grey, share: float) -> Grey:
    """``share`` of the second image mixed into the first."""
    return np.asarray(cv2.addWeighted(first, 1.0 - share, second, share, 0), np.uint8)


def plus(first: Grey, second: Grey, gain: float = 1.0) -> Grey:
    """The first image plus ``gain`` times the second, within 0 to 255."""
    return np.asarray(cv2.addWeighted(first, 1.0, second, gain, 0), np.uint8)


def lifted(image: Grey, gain: float, level: float = 0.0) -> Grey:
    """``gain`` times the image plus ``level``, within 0 to 255 (``level`` not below 0)."""
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain, beta=level), np.uint8)


def blurred(image: Grey, across: int = 3, down: int = 0) -> Grey:
    """The image averaged over ``across`` x ``down`` pixels (``down`` 0: as ``across``)."""
    return np.asarray(cv2.blur(image, (across, down or across)), np.uint8)


def shaken(rng: Rng, pixels: Grey, strength: float) -> Grey:
    """Grain of about ``strength`` grey levels added to grey or RGB."""
    grain = field(rng, "white", pixels.shape[1], pixels.shape[0])
    if pixels.ndim == 3:
        grain = as_rgb(grain)
    share = strength / 40.0
    return np.asarray(cv2.addWeighted(pixels, 1.0, grain, share, -128 * share), np.uint8)


def outline(
    rng: Rng, centre: tuple[float, float], radii: tuple[float, float], rough: float = 0.15, turn: float = 0.0
) -> Points:
    """An irregular closed outline (n, 1, 2): an ellipse turned by ``turn`` radians, ``rough`` waves on it."""
    angle = np.linspace(0, 2 * np.pi, 33)[:-1]
    radius = np.ones(32)
    for wave in (2, 3, 4, 6):
        radius += rough * rng.standard_normal() / wave * np.cos(wave * angle + 6.3 * rng.random()) * 1.4
    x, y = radii[0] * radius * np.cos(angle), radii[1] * radius * np.sin(angle)
    cos, sin = np.cos(turn), np.sin(turn)
    points = np.stack([centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos], axis=1)
    return np.asarray(points.round(), np.int32)[:, None]


def fill(image: Pixels | Grey, points: Points, colour: Color | int) -> None:
    """Fills an outline, its edge smooth."""
    cv2.fillPoly(image, [points], colour, cv2.LINE_AA)


def branch(
    rng: Rng,
    grey: Grey,
    start: tuple[float, float],
    angle: float,
    length: float,
    thick: float,
    depth: int,
    *,
    tones: tuple[int, int],
) -> None:
    """Draws a winding line that forks ``depth`` times: vessels, processes of nerve cells.

    ``angle`` in radians, lengths in pixels; ``tones`` are the greys of the finest and of the first line.
    """
    turns = angle + np.cumsum(rng.normal(0, 0.2, 8))
    steps = np.cumsum(np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0) * (length / 8)
    path = np.vstack([(0, 0), steps]) + start
    cv2.polylines(grey, [path.astype(np.int32)[:, None]], False, tones[1], max(1, round(thick)), cv2.LINE_AA)
    if not depth or length < 8:
        return
    finer = (tones[0], tones[1] - (tones[1] - tones[0]) // depth)
    for at, side in ((5, 1), (8, -1)):
        turn = float(turns[at - 1] + side * rng.uniform(0.1, 0.8))
        at_fork = (float(path[at, 0]), float(path[at, 1]))
        branch(rng, grey, at_fork, turn, length * 0.6, thick * 0.68, depth - 1, tones=finer)


def disc(image: Pixels | Grey, centre: tuple[float, float], radius: float, colour: Color | int) -> None:
    """Fills a circle of at least one pixel's radius, its edge smooth."""
    at = (round(centre[0]), round(centre[1]))
    cv2.circle(image, at, max(1, round(radius)), colour, cv2.FILLED, cv2.LINE_AA)


@dataclass(frozen=True)
class _Framed:
    """A painter from a renderer: the picture covers its rectangle and may carry marks."""

    render: Render
    marks: bool

    def __call__(self, look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
        height, width = pixels.shape[:2]
        picture, phrase = self.render(look, data, width, height)
        pixels[:] = picture
        if self.marks:
            annotate(look, data, pixels, style)
        return phrase


def picture(
    name: str,
    modality: str,
    render: Render,
    weight: float,
    aspect: tuple[float, float] = (0.7, 1.7),
    marks: bool = True,
) -> Drawn:
    """A kind whose pictures cover their rectangle edge to edge."""
    return Drawn(name, _Framed(render, marks), weight, modality, True, aspect)


def _levels(values: NDArray[np.floating]) -> Grey:
    low, high = np.percentile(values, (0.5, 99.5))
    return np.asarray(np.clip((values - low) / (high - low) * 255, 0, 255), np.uint8)


def _filtered(rng: Rng, gain: Callable[[NDArray[np.floating]], NDArray[np.floating]]) -> Grey:
    noise = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    return _levels(np.fft.irfft2(noise * gain(np.hypot(fx, fy)), (SIDE, SIDE)))


def _spectrum(rng: Rng, slope: float) -> Grey:
    """Noise whose amplitude falls with frequency to the power ``slope``."""
    return _filtered(rng, lambda f: 1.0 / np.maximum(f, 3 / SIDE) ** slope)


def _band(rng: Rng, sigma: float) -> Grey:
    """Noise with blobs of one size."""
    return _filtered(rng, lambda f: f * np.exp(-2 * (np.pi * sigma * f) ** 2))


def _speckle(rng: Rng) -> Grey:
    """Rayleigh speckle, streaks lying across as in ultrasound."""
    parts = [cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)), (0, 0), 2.0, sigmaY=0.9) for _ in range(2)]
    return _levels(np.hypot(*parts))


def _warped(rng: Rng, source: Grey) -> Grey:
    """A field pulled about by smooth noise: streaming tissue."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    dx, dy = (_band(rng, 25.0).astype(np.float32) - 128 for _ in range(2))
    return np.asarray(
        cv2.remap(source, x + dx * 0.5, y + dy * 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.uint8
    )


def _fibres(rng: Rng) -> Grey:
    """Noise drawn out along x and gently bent: muscle, wood, hair."""
    lines = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), 40, sigmaY=1.6)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    bend = (_spectrum(rng, 2.6).astype(np.float32) - 128) * 0.25
    bent = cv2.remap(lines, x, y + bend, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return _levels(np.asarray(bent, np.float32))


def _filaments(rng: Rng, count: int) -> Grey:
    """Wandering threads of many brightnesses."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(count):
        steps = np.cumsum(rng.normal(0, 0.16, 40)) + rng.uniform(0, 6.3)
        path = np.cumsum(np.stack([np.cos(steps), np.sin(steps)], 1) * 7, 0) + rng.uniform(0, SIDE, 2)
        level = int(rng.integers(70, 255))
        cv2.polylines(image, [path.astype(np.int32)[:, None]], False, level, 1, cv2.LINE_AA)
    return _levels(image.astype(np.float32) + 0.8 * cv2.GaussianBlur(image, (0, 0), 2.0))


def _sites(rng: Rng, count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Distance to the nearest of random points, and which point it is."""
    free = np.full((SIDE, SIDE), 255, np.uint8)
    free[rng.integers(0, SIDE, count), rng.integers(0, SIDE, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    return np.asarray(distance, np.float32), np.asarray(labels, np.int32)


def _borders(labels: NDArray[np.int32]) -> Grey:
    edge = np.zeros((SIDE, SIDE), np.uint8)
    edge[:, 1:] |= (labels[:, 1:] != labels[:, :-1]).view(np.uint8)
    edge[1:] |= (labels[1:] != labels[:-1]).view(np.uint8)
    return edge


def _cells(rng: Rng, count: int, shade: float) -> Grey:
    """Packed cells: light bodies of differing tone, darker borders."""
    distance, labels = _sites(rng, count)
    away = cv2.distanceTransform(1 - _borders(labels), cv2.DIST_L2, 3)
    tone = rng.uniform(-1, 1, int(labels.max()) + 1).astype(np.float32)[labels]
    return _levels(np.minimum(away, 5) + shade * 6 * tone - (distance < 3) * shade * 5)


def _membranes(rng: Rng, count: int) -> Grey:
    """Bright thin borders of packed cells."""
    edge = _borders(_sites(rng, count)[1]) * np.uint8(255)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    dx, dy = (_band(rng, 8.0).astype(np.float32) - 128 for _ in range(2))
    bent = cv2.remap(edge, x + dx * 0.06, y + dy * 0.06, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    patchy = _band(rng, 20.0).astype(np.float32) / 255 + 0.4
    return _levels(cv2.GaussianBlur(bent, (0, 0), 1.1).astype(np.float32) * patchy)


def _nuclei(rng: Rng, count: int, radius: float) -> Grey:
    """Bright ellipses with rough insides, drawn again over each edge so that no side is bare."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(count):
        x, y = rng.uniform(0, SIDE, 2)
        a, b = radius * rng.lognormal(0, 0.25), radius * rng.lognormal(0, 0.25)
        angle, level = rng.uniform(0, 180), int(rng.integers(90, 256))
        cv2.ellipse(image, ((x, y), (2 * a, 2 * b), angle), level, cv2.FILLED, cv2.LINE_AA)
    inside = _band(rng, max(1.0, radius / 4)).astype(np.float32) / 255 * 0.5 + 0.6
    return _levels(cv2.GaussianBlur(image, (0, 0), max(0.6, radius / 8)).astype(np.float32) * inside)
