"""Recordings: traces with scale bars, spectra, chromatograms, flow cytometry, rasters."""

from __future__ import annotations

import cv2
import numpy as np

from .axes import Floats, Frame, axes, box, dots
from .base import Drawn, Pixels, Rng, Style, mix
from .plots import cells, colours_of, ramp_of
from .strokes import ellipse, polygon, stroke, write
from .text import paste, text
from .words import GROUPS, TITLES, pick, some

MARKERS = (
    "CD3", "CD4", "CD8", "CD19", "CD45", "FSC-A", "SSC-A", "Annexin V", "PI", "CD25", "FoxP3", "CD11b",
    "F4/80", "GFP", "IFN-g", "7-AAD", "CD44", "CD62L", "PE-A", "FITC-A",
)  # fmt: skip
UNITS = (("100 ms", "20 mV"), ("1 s", "50 pA"), ("5 min", "0.2 dF/F"), ("50 ms", "1 nA"), ("10 s", "100 uV"))


def _recording(data: Rng, steps: int, manner: int) -> Floats:
    """One trace within about [-0.5, 0.5]: spikes, transients, a noisy rhythm, heart beats or a response."""
    t = np.linspace(0, 1, steps)
    noise = data.standard_normal(steps)
    if manner == 0:
        y = 0.03 * noise - 0.3
        y[(data.random(3 + int(data.random() * 30)) * steps).astype(np.intp)] = 0.45
    elif manner == 1:
        y = 0.04 * noise - 0.35
        for start in data.random(2 + int(data.random() * 6)).tolist():
            late = np.maximum(t - start, 0)
            y = y + (0.3 + 0.5 * data.random()) * np.exp(-late * (10 + 30 * data.random())) * (late > 0)
    elif manner == 2:
        y = 0.13 * noise + 0.25 * np.sin(t * (20 + 60 * data.random())) * (0.3 + data.random(1))
    elif manner == 3:
        phase = (t * (4 + 5 * data.random()) + data.random()) % 1
        y = (
            0.75 * np.exp(-(((phase - 0.4) / 0.02) ** 2))
            + 0.14 * np.exp(-(((phase - 0.65) / 0.06) ** 2))
            - 0.3
        )
        y = y + 0.08 * np.exp(-(((phase - 0.25) / 0.04) ** 2)) + 0.01 * noise
    else:
        late = np.maximum(t - 0.2, 0)
        y = (
            0.35
            - (0.3 + 0.5 * data.random()) * late**0.3 * np.exp(-late * (2 + 6 * data.random())) * 1.3
            + 0.02 * noise
        )
    return np.clip(y, -0.5, 0.5)


def paint_traces(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """One to many traces without axes; names at the left, a scale bar in a corner."""
    height, width = pixels.shape[:2]
    em, ink = style.type_px, style.ink
    rows = max(1, min(1 + int(look.random() ** 1.5 * 12), int(height / (em * 1.6))))
    manner = int(look.random() * 5)
    named = look.random() < 0.6 and width > em * 10
    names = some(look, TITLES if look.random() < 0.5 else GROUPS[int(look.random() * 8)], rows)
    left = min(width // 3, max(text(style, name).shape[1] for name in names) + 4) if named else 1
    bar = look.random() < 0.75
    tail = round(em * 4) if bar and width > em * 12 else 1
    pitch = (height - 2) / rows
    one = look.random() < 0.6
    colour = ink if look.random() < 0.6 else style.palette[0]
    steps = min(240, 2 * (width - left))
    x = np.linspace(left, width - tail - 1, steps)
    for i in range(rows):
        middle = 1 + (i + 0.5) * pitch
        y = middle - _recording(data, steps, manner) * pitch * 0.92
        shade = colour if one else style.palette[i % len(style.palette)]
        stroke(pixels, np.stack([x, y], axis=1), shade)
        if named:
            write(pixels, style, names[i], 0, middle - em * 0.35, ink if one else shade)
    if tail > 1:
        across, up = UNITS[int(look.random() * len(UNITS))]
        x0, y0 = width - tail + round(em * 0.4), height - round(em * 1.3)
        reach = min(height * 0.2, em * 2)
        stroke(pixels, [(x0, y0 - reach), (x0, y0), (x0 + em * 2, y0)], ink, style.line)
        write(pixels, style, across, x0, y0 + 2, ink, scale=0.75)
        write(pixels, style, up, x0 + 2, y0 - reach, ink, scale=0.75)
    return f"Representative recordings of {rows} cells"


def paint_spectrum(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Mass, NMR, infrared or Raman spectra and chromatograms, one or several stacked."""
    manner = int(look.random() * 5)
    xlabel, span = (
        ("m/z", 1000.0),
        ("Chemical shift (ppm)", 10.0),
        ("Wavenumber (cm-1)", 4000.0),
        ("Retention time (min)", 30.0),
        ("2 theta (degrees)", 80.0),
    )[manner]
    rows = 1 if manner == 0 else 1 + int(look.random() ** 2 * 6)
    colours = colours_of(look, style, rows)
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, span),
        ylim=(0.0, 100.0),
        xlabel=xlabel,
        ylabel="Intensity (a.u.)" if manner else "Relative abundance",
        title=pick(data, TITLES),
        yticks=look.random() < 0.4,
    )
    if manner == 0:
        places = np.sort(data.random(30 + int(data.random() * 50)))
        tall = np.clip(data.exponential(0.12, len(places)), 0.01, 1) * 95
        tall[int(data.random() * len(tall))] = 95.0
        xs, ys, base = frame.xs(places * span), frame.ys(tall), frame.bottom - 1
        sticks = [
            np.array([[x, base], [x, y]], np.int32) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
        ]
        cv2.polylines(frame.pixels, sticks, False, colours[0] if look.random() < 0.4 else style.ink, 1)
        for k in np.argsort(tall)[-5:].tolist():
            label = text(style, f"{int(places[k] * 100) * 10}.{k % 10}", scale=0.8)
            if ys[k] - label.shape[0] > 1:
                paste(
                    pixels,
                    label,
                    round(xs[k] - label.shape[1] / 2),
                    round(ys[k]) - label.shape[0] - 1,
                    style.ink,
                )
        return "Mass spectrum"
    t = np.linspace(0, 1, min(400, max(30, 2 * frame.width)))
    wide = (0.0, 0.004, 0.02, 0.012, 0.006)[manner]
    peaks = look.random((14, 3))
    down = manner == 2
    for i in range(rows):
        heights = peaks[:, 1] ** 3 * (0.5 + data.random(14)) * (data.random(14) < 0.8)
        shapes = np.exp(-(((t[None] - peaks[:, :1]) / (wide * (0.5 + peaks[:, 2:3]))) ** 2))
        y = heights @ shapes + 0.012 * data.standard_normal(len(t))
        y = np.clip(y / max(1.0, float(y.max())), 0, 1)
        y = 0.95 - 0.9 * y if down else 0.03 + 0.9 * y
        level = 100 * (i + y) / rows
        frame.line(t * span, level, colours[i] if rows > 1 or look.random() < 0.5 else style.ink)
    return ("Mass spectrum", "NMR spectrum", "FT-IR spectra", "Chromatogram", "X-ray diffraction patterns")[
        manner
    ]


def paint_cytometry(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Flow cytometry: coloured density on logarithmic axes with a gate or quadrants and percentages."""
    width = pixels.shape[1]
    em = style.type_px
    boxed = Style(style.paper, style.ink, style.palette, em, style.font, style.line, "box")
    first, second = pick(look, MARKERS), pick(look, MARKERS)
    frame = axes(
        look,
        pixels,
        boxed,
        xlim=(0.0, 5.0),
        ylim=(0.0, 5.0),
        xlabel=first,
        ylabel=second,
        title=pick(data, TITLES),
        categories=None,
        xticks=look.random() < 0.6,
        yticks=look.random() < 0.6,
    )
    count, groups = 900, 2 + int(look.random() * 3)
    middles, spreads = 0.8 + 3.4 * look.random((groups, 2)), 0.15 + 0.35 * look.random((groups, 2))
    shares = np.cumsum(data.dirichlet(np.ones(groups) * 2))
    which = np.searchsorted(shares, data.random(count)).clip(0, groups - 1)
    deviations = data.standard_normal((count, 2))
    points = np.clip(middles[which] + spreads[which] * deviations, 0.03, 4.95)
    manner = look.random()
    if manner < 0.6:
        dense = np.exp(-0.35 * (deviations**2).sum(axis=1)) * (0.5 + np.diff(np.r_[0, shares])[which])
        order = np.argsort(dense)
        heat = np.array([[0, 0, 170], [0, 140, 255], [0, 220, 120], [250, 230, 0], [240, 40, 0]], np.uint8)
        colours = heat[np.clip(dense[order] * 5, 0, 4).astype(np.intp)]
        points = points[order]
    else:
        shade = style.ink if manner < 0.8 else style.palette[0]
        colours = np.array(shade, np.uint8)
    dots(pixels, frame.xs(points[:, 0]), frame.ys(points[:, 1]), colours, 0.6 if width > 60 else 0.5)
    share = data.random(4) * 60
    x, y = 1.5 + 2 * look.random(), 1.5 + 2 * look.random()
    if look.random() < 0.55:
        (cx, cy) = frame.at(x, y)
        cv2.line(pixels, (cx, frame.top), (cx, frame.bottom - 1), style.ink, 1)
        cv2.line(pixels, (frame.left, cy), (frame.right - 1, cy), style.ink, 1)
        for k in range(4):
            mask = text(style, f"{share[k]:.0f}.{k}%", scale=0.9)
            px = frame.left + 2 if k % 2 == 0 else frame.right - mask.shape[1] - 2
            py = frame.top + 2 if k < 2 else frame.bottom - mask.shape[0] - 2
            if 2 * mask.shape[1] < frame.width:
                paste(pixels, mask, px, py, style.ink)
    else:
        k = int(look.random() * groups)
        (cx, cy), rx = frame.at(*middles[k].tolist()), frame.width * 0.2
        if look.random() < 0.5:
            ellipse(pixels, cx, cy, rx, rx * 0.7, None, style.ink, 1, 30 * look.random())
        else:
            reach = round(rx)
            box(
                pixels,
                max(cx - reach, frame.left),
                max(cy - reach, frame.top),
                min(cx + reach, frame.right - 1),
                min(cy + reach, frame.bottom - 1),
                None,
                style.ink,
            )
        write(
            pixels,
            style,
            f"{share[0]:.0f}.4%",
            max(frame.left + 1, cx - rx),
            max(frame.top, cy - rx - em),
            style.ink,
        )
    return f"Flow cytometry of {first} and {second}"


def paint_overlay(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Histograms of fluorescence, overlaid or staggered like a ridge plot."""
    em = style.type_px
    rows = 1 + int(look.random() * 6)
    staggered = look.random() < 0.5 and rows > 1
    names = some(look, TITLES, rows)
    frame = axes(
        look,
        pixels,
        style,
        xlim=(0.0, 5.0),
        ylim=(0.0, 1.0),
        xlabel=pick(look, MARKERS),
        ylabel="" if staggered else "Count",
        title=pick(data, TITLES),
        yticks=not staggered and look.random() < 0.5,
    )
    t = np.linspace(0, 5, 70)
    filled = look.random() < 0.7
    for i in range(rows):
        base = 1 - (i + 1) / rows if staggered else 0.0
        room = min(1 - base, 1.6 / rows) if staggered else 0.92
        middle = 1 + 2.6 * data.random()
        y = (
            np.exp(-(((t - middle) / (0.25 + 0.3 * data.random())) ** 2))
            * (0.6 + 0.35 * data.random())
            * room
            + base
        )
        colour = style.palette[i % len(style.palette)]
        if filled and (i == 0 or staggered):
            frame.fill(np.r_[t, 5, 0], np.r_[y, base, base], mix(colour, style.paper, 0.4))
        frame.line(t, y, colour if not staggered else style.ink)
        if staggered:
            write(pixels, style, names[i], frame.left + 2, frame.at(0, base)[1] - em, style.ink, scale=0.85)
    return "Histograms of fluorescence intensity"


def paint_raster(look: Rng, data: Rng, pixels: Pixels, style: Style) -> str:
    """Spike rasters (with a rate histogram above in some), or activity of many cells as an image."""
    frame = axes(
        look,
        pixels,
        style,
        xlim=(-1.0, 4.0),
        ylim=(0.0, 50.0),
        xlabel="Time (s)",
        ylabel=("Trial", "Neuron", "Cell")[int(look.random() * 3)],
        title=pick(data, TITLES),
    )
    if look.random() < 0.4:
        rows, columns = 30, 60
        onset = np.sort(data.random(rows))[:, None]
        t = np.linspace(0, 1, columns)[None]
        cells(
            frame.inner,
            np.exp(-(((t - onset) / 0.08) ** 2)) + 0.3 * data.random((rows, columns)),
            ramp_of(look, style),
        )
        return "Activity of simultaneously recorded neurons"
    above = round(frame.height * 0.3) if look.random() < 0.4 else 0
    raster = Frame(pixels, style, frame.left, frame.top + above, frame.right, frame.bottom)
    rows = max(4, min(40, raster.height // 3))
    times = data.random((rows, 14))
    near = data.random((rows, 14)) < 0.45
    times = np.where(near, 0.2 + 0.12 * np.abs(data.standard_normal((rows, 14))), times).clip(0, 1)
    x = np.rint(raster.xs(times)).astype(np.intp)
    y = (raster.top + (np.arange(rows) * raster.height / rows)).astype(np.intp)[:, None]
    colour = style.ink if look.random() < 0.6 else style.palette[0]
    pixels[y, x] = colour
    pixels[np.minimum(y + 1, raster.bottom - 1), x] = colour
    column = frame.at(0, 0)[0]
    cv2.line(pixels, (column, frame.top), (column, frame.bottom - 1), (210, 60, 60), 1)
    if above > 6:
        counts, edges = np.histogram(times, bins=30, range=(0, 1))
        steps = frame.top + above - 3 - counts / counts.max() * (above - 5)
        places = raster.xs(edges)
        polygon(
            pixels,
            np.stack(
                [
                    np.r_[np.repeat(places, 2)[1:-1], places[-1], places[0]],
                    np.r_[np.repeat(steps, 2), frame.top + above - 3, frame.top + above - 3],
                ],
                axis=1,
            ),
            mix(colour, style.paper, 0.3),
        )
    return "Raster plot of spikes aligned to the stimulus"


KINDS = (
    Drawn("traces", paint_traces, 2.5, aspect=(0.8, 3.0)),
    Drawn("spectrum", paint_spectrum, 2.2, aspect=(1.0, 2.4)),
    Drawn("cytometry", paint_cytometry, 3.0, aspect=(0.85, 1.2)),
    Drawn("overlay_histogram", paint_overlay, 1.0, aspect=(0.8, 1.6)),
    Drawn("raster", paint_raster, 1.0, aspect=(0.8, 2.0)),
)
