"""The ``gutters`` detector on drawn figures, and its quality on annotated ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pmcx.core.decode import decode
from pmcx.core.images import FigureImage
from pmcx.core.records import Box, Figure, ImageRef
from pmcx.detectors.gutters import GuttersDetector
from pmcx.testing import DetectorSuite, grid_figure
from pmcx.training.scores import Counts, match_counts


class TestGutters(DetectorSuite):
    make = GuttersDetector


def boxes(image: FigureImage, **options: object) -> list[Box]:
    with GuttersDetector(options) as detector:
        return [d.box for d in detector.detect([image])[0]]


def close(found: list[Box], truth: list[Box], pixels: int) -> bool:
    def near(a: Box, b: Box) -> bool:
        return all(abs(u - v) <= pixels for u, v in zip(a, b, strict=True))

    return len(found) == len(truth) and all(any(near(f, t) for f in found) for t in truth)


def photo(height: int, width: int, seed: int, low: int = 60, high: int = 200) -> NDArray[np.uint8]:
    """Blobs of light and dark with noise, between ``low`` and ``high``, up to every edge."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [
        np.sin(rng.uniform(0.02, 0.09) * x + rng.uniform(0.02, 0.09) * y + rng.uniform(0, 6))
        for _ in range(4)
    ]
    shade = (np.sum(waves, axis=0) / 4 + 0.5)[..., None] + rng.normal(0, 0.06, (height, width, 3))
    return (low + (high - low) * shade.clip(0, 1)).astype(np.uint8)


def plot(canvas: Image.Image, box: Box, letter: str = "") -> None:
    """A line plot with ticks, tick labels and axis titles inside ``box``, and its panel letter."""
    pen = ImageDraw.Draw(canvas)
    x0, y0, x1, y1 = box
    left, bottom = x0 + 60, y1 - 50
    pen.line((left, y0 + 30, left, bottom), fill="black", width=2)
    pen.line((left, bottom, x1, bottom), fill="black", width=2)
    for k in range(5):
        y, x = y0 + 40 + k * (bottom - y0 - 60) // 4, left + 20 + k * (x1 - left - 40) // 4
        pen.line((left - 6, y, left, y), fill="black", width=2)
        pen.text((left - 30, y - 6), f"{40 - 10 * k}", fill="black")
        pen.text((x - 6, bottom + 8), f"{k * 5}", fill="black")
    pen.text(((left + x1) // 2 - 40, bottom + 28), "Time after dose (h)", fill="black")
    pen.line(
        [
            (left + 10 + t, bottom - 20 - (t * 7919) % (bottom - y0 - 60))
            for t in range(0, x1 - left - 10, 15)
        ],
        fill="blue",
        width=2,
    )
    if letter:
        pen.text((x0, y0), letter, fill="black", font_size=28)


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (1, 2), (3, 1), (3, 4)])
@pytest.mark.parametrize("gutter", [8, 24])
def test_grids_of_photographs(rows: int, columns: int, gutter: int) -> None:
    image, truth = grid_figure(rows, columns, gutter=gutter)
    assert close(boxes(image), truth, 4)


@pytest.mark.parametrize("background", [(0, 0, 0), (246, 246, 244), (90, 120, 160)])
def test_other_backgrounds(background: tuple[int, int, int]) -> None:
    image, truth = grid_figure(2, 2)
    pixels = np.full_like(image.pixels, 0)
    pixels[:] = background
    for n, (x0, y0, x1, y1) in enumerate(truth):
        pixels[y0:y1, x0:x1] = (
            photo(y1 - y0, x1 - x0, n, 150, 250) if background[0] != 246 else photo(y1 - y0, x1 - x0, n)
        )
    assert close(boxes(FigureImage.from_array(pixels)), truth, 4)


@pytest.mark.parametrize("quality", [30, 60, 95])
def test_jpeg_noise(quality: int) -> None:
    import io

    image, truth = grid_figure(2, 3)
    out = io.BytesIO()
    image.image.save(out, "JPEG", quality=quality)
    noisy = FigureImage(image.figure, decode(out.getvalue()).image)
    assert close(boxes(noisy), truth, 6)


@pytest.mark.parametrize("line", [255, 0, 128])
@pytest.mark.parametrize("width", [2, 3])
def test_separator_lines(line: int, width: int) -> None:
    """Photographs stitched with a line of one colour and no margin."""
    low, high = {255: (0, 110), 0: (120, 250), 128: (0, 80)}[line]
    pixels = np.concatenate(
        [
            photo(300, 300, 1, low, high),
            np.full((300, width, 3), line, np.uint8),
            photo(300, 300, 2, low, high),
        ],
        axis=1,
    )
    assert close(
        boxes(FigureImage.from_array(pixels)), [(0, 0, 300, 300), (300 + width, 0, 600 + width, 300)], 4
    )


def test_a_long_strip() -> None:
    image, truth = grid_figure(1, 12, 1800, 200, 12)
    assert close(boxes(image), truth, 4)


def test_a_photograph_stays_one() -> None:
    assert boxes(FigureImage.from_array(photo(400, 500, 3))) == []


def test_a_plot_stays_one() -> None:
    canvas = Image.new("RGB", (640, 480), "white")
    plot(canvas, (20, 20, 620, 460))
    assert boxes(FigureImage.from_array(np.asarray(canvas))) == []


def test_lettered_plots_with_wide_inner_space() -> None:
    """White space inside the panels is wider than the gutters; the letters tell which is which."""
    canvas = Image.new("RGB", (900, 700), "white")
    cells = [(10, 10, 440, 340), (456, 10, 890, 340), (10, 356, 440, 690), (456, 356, 890, 690)]
    for letter, cell in zip("ABCD", cells, strict=True):
        plot(canvas, cell, letter)
    found = boxes(FigureImage.from_array(np.asarray(canvas)))
    assert match_counts(found, cells, 0.75) == Counts(4, 4, 4)


def test_titles_and_legends_belong_to_their_panels() -> None:
    image, truth = grid_figure(1, 2, 800, 420, 40)
    canvas = image.image.copy()
    pen = ImageDraw.Draw(canvas)
    for x0, _, _, _ in truth:
        pen.text((x0 + 80, 8), "Treated cells", fill="black", font_size=20)
    pen.text((truth[0][0] + 60, 392), "Distance", fill="black", font_size=18)
    found = sorted(boxes(FigureImage.from_array(np.asarray(canvas))))
    assert len(found) == 2
    assert all(box[1] < 20 for box in found)
    assert found[0][3] > 395 > found[1][3]


def test_scores_tell_wide_gutters_from_narrow_ones() -> None:
    with GuttersDetector() as detector:
        wide, narrow = (detector.detect([grid_figure(1, 2, gutter=g)[0]])[0][0].score for g in (60, 6))
    assert 0 < narrow < wide <= 1


def test_a_pyramid_of_lettered_panels() -> None:
    """Two panels above a centred third: no column cut may go through all three."""
    canvas = Image.new("RGB", (900, 700), "white")
    cells = [(10, 10, 440, 340), (460, 10, 890, 340), (235, 360, 665, 690)]
    for letter, cell in zip("abc", cells, strict=True):
        plot(canvas, cell, letter)
    assert match_counts(boxes(FigureImage.from_array(np.asarray(canvas))), cells, 0.75) == Counts(3, 3, 3)


def test_boxes_are_tight_at_full_size() -> None:
    """Edges are set in source pixels, not in those of the small copy."""
    image, truth = grid_figure(2, 2, 2400, 1800, 60)
    assert close(boxes(image), truth, 1)


def test_working_size_is_an_option() -> None:
    image, truth = grid_figure(2, 2, 1600, 1200, 30)
    assert close(boxes(image, size=900), truth, 4)
    assert close(boxes(image, size=200), truth, 12)


def test_minimum_side_is_an_option() -> None:
    image, truth = grid_figure(1, 6, 900, 300, 20)
    assert len(boxes(image)) == len(truth)
    assert len(boxes(image, min_side=0.5)) < len(truth)


def test_import_stays_light() -> None:
    code = "import sys, pmcx.detectors.gutters; print([m for m in ('numpy', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.real_data
def test_annotated_figures(shared_data: Path) -> None:
    """A floor under the measured quality: a change that falls below it broke something general."""
    folder = shared_data / "figures"
    entries = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    images = [
        FigureImage(
            Figure(id=e["file"], article="", image=ImageRef(href=e["file"])),
            decode((folder / e["file"]).read_bytes()).image,
        )
        for e in entries
    ]
    total = Counts()
    with GuttersDetector() as detector:
        for entry, image, answer in zip(entries, images, detector.detect(images), strict=True):
            found = [d.box for d in answer] or [(0, 0, image.width, image.height)]
            total += match_counts(found, [tuple(p["box"]) for p in entry["panels"]])
    assert total.true == 326
    assert total.f1 > 0.75
