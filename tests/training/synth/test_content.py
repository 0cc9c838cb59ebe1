"""Type, axes and the plots: exact sizes, repeatable bytes, ink where the truth expects it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pmcx.training.synth.content import KINDS, bars, plots, plots_stats
from pmcx.training.synth.content.accents import dashes, hatch
from pmcx.training.synth.content.axes import _axis_title, axes, look_of
from pmcx.training.synth.content.base import Drawn, Style, blank, is_dark, mix
from pmcx.training.synth.content.frame import Frame, dots, ticks
from pmcx.training.synth.content.text import faces, paste, power, text

PLOTS = {kind.name: kind for kind in (*bars.KINDS, *plots.KINDS, *plots_stats.KINDS)}
DARK = Style(paper=(0, 0, 0), ink=(240, 240, 240))
SIZES = ((12, 12), (40, 30), (90, 200), (210, 150), (400, 60))


def ink_box(pixels, paper):
    rows, columns = np.nonzero((pixels != np.array(paper, np.uint8)).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_every_plot_is_registered_under_its_name_with_a_positive_weight():
    for name, kind in PLOTS.items():
        assert KINDS[name] is kind
        assert kind.weight > 0
        assert 0 < kind.aspect[0] < kind.aspect[1]
    assert len(PLOTS) == sum(len(module.KINDS) for module in (bars, plots, plots_stats))


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("style", [Style(), DARK, Style(type_px=14, spines="grey", line=2, font=3)])
def test_any_size_is_met_and_holds_ink(name, style):
    rng = np.random.default_rng(7)
    for width, height in SIZES:
        drawing = PLOTS[name].draw(rng, width, height, style)
        assert drawing.pixels.shape == (height, width, 3)
        assert drawing.pixels.dtype == np.uint8
        assert drawing.phrase
        assert (drawing.pixels != np.array(style.paper, np.uint8)).any()


@pytest.mark.parametrize("name", PLOTS)
def test_one_seed_gives_the_same_bytes_whatever_was_drawn_before(name):
    first = PLOTS[name].draw(np.random.default_rng(3), 160, 120, Style()).pixels
    for other in ("line", "heatmap", "roc"):
        PLOTS[other].draw(np.random.default_rng(99), 100, 80, DARK)
    again = PLOTS[name].draw(np.random.default_rng(3), 160, 120, Style()).pixels
    different = PLOTS[name].draw(np.random.default_rng(4), 160, 120, Style()).pixels
    assert np.array_equal(first, again)
    assert not np.array_equal(first, different)


@pytest.mark.parametrize("name", PLOTS)
def test_ink_usually_reaches_near_the_rectangle(name):
    rng = np.random.default_rng(11)
    shares = []
    for _ in range(20):
        x0, y0, x1, y1 = ink_box(PLOTS[name].draw(rng, 200, 150, Style()).pixels, (255, 255, 255))
        shares.append((x1 - x0) * (y1 - y0) / (200 * 150))
    assert np.median(shares) > 0.7


@pytest.mark.parametrize("name", PLOTS)
def test_a_series_shares_its_look_and_not_its_data(name):
    nearer = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        one, two = PLOTS[name].series(rng, [(160, 120), (160, 120)], Style(grid=True))
        stranger = PLOTS[name].draw(rng, 160, 120, Style(grid=True))
        assert not np.array_equal(one.pixels, two.pixels)
        nearer += apart(one.pixels, two.pixels) < apart(one.pixels, stranger.pixels)
    assert nearer >= 8


def apart(one, two):
    blurred = [cv2.blur(pixels, (5, 5)).astype(float) for pixels in (one, two)]
    return np.abs(blurred[0] - blurred[1]).mean()


def test_pixels_outside_a_view_stay_untouched():
    canvas = blank(300, 200, (7, 8, 9))
    view = canvas[40:160, 50:250]
    view[:] = 255
    for kind in PLOTS.values():
        if isinstance(kind, Drawn):
            kind.paint(np.random.default_rng(1), np.random.default_rng(2), view, Style())
    canvas[40:160, 50:250] = (7, 8, 9)
    assert (canvas == (7, 8, 9)).all()


def test_text_stands_on_one_baseline_unless_trimmed():
    style = Style(type_px=20)
    high, low, deep = text(style, "H"), text(style, "a"), text(style, "p")
    assert high.shape[0] == low.shape[0] < deep.shape[0]
    assert low[0].max() == 0
    trimmed = text(style, "a", trim=True)
    assert trimmed.shape[0] < low.shape[0]
    assert trimmed[0].max() > 0 and trimmed[-1].max() > 0


def test_text_scales_is_bold_and_is_shared_read_only():
    style = Style(type_px=12)
    plain, bold, double = text(style, "Hm"), text(style, "Hm", bold=True), text(style, "Hm", scale=2)
    assert plain is text(style, "Hm")
    assert abs(double.shape[0] - 2 * plain.shape[0]) <= 2
    assert bold.astype(int).sum() > plain.astype(int).sum()
    with pytest.raises(ValueError, match="read-only"):
        plain[0, 0] = 1


def test_the_font_built_into_pillow_closes_the_list_and_is_the_last_resort(monkeypatch):
    assert faces()[-1] == ("", "")
    monkeypatch.setattr("pmcx.training.synth.content.text.faces", lambda: (("", ""),))
    assert text(Style(type_px=11, font=5), "Ag", bold=True).max() > 128
    assert text(Style(), " ").max() == 0


def test_fonts_of_a_named_folder_come_before_the_systems(monkeypatch, tmp_path):
    (tmp_path / "sub").mkdir()
    font = tmp_path / "sub" / "LiberationSans-Regular.ttf"
    font.write_bytes(b"never opened")
    monkeypatch.setenv("PMCX_FONTS", str(tmp_path))
    assert str(font) == faces.__wrapped__()[0][0]


@pytest.mark.parametrize(
    ("paper", "colour"),
    [((255, 255, 255), (20, 20, 20)), ((0, 0, 0), (240, 240, 240)), ((240, 230, 200), (200, 40, 90))],
)
def test_paste_blends_by_coverage_and_clips_at_every_border(paper, colour):
    mask = np.array([[0, 128, 255]], np.uint8).repeat(3, axis=0)
    pixels = blank(3, 3, paper)
    paste(pixels, mask, 0, 0, colour)
    assert tuple(pixels[0, 0]) == paper
    assert tuple(pixels[0, 2]) == colour
    half = mix(paper, colour, 0.5)
    assert np.abs(pixels[0, 1].astype(int) - half).max() <= (3 if paper in ((255,) * 3, (0,) * 3) else 4)
    for x, y in ((-2, 0), (2, 0), (0, -2), (0, 2), (-9, 0), (0, 9)):
        part = blank(3, 3, paper)
        paste(part, mask, x, y, colour)
        rows, columns = np.nonzero((part != np.array(paper, np.uint8)).any(axis=2))
        assert ((columns - x >= 1) & (rows - y >= 0) & (rows - y < 3)).all()


def test_ticks_are_round_and_inside_the_limits():
    assert [name for _, name in ticks(0.0, 1.0, 6)] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [name for _, name in ticks(-4.0, 4.0, 5)] == ["-4", "-2", "0", "2", "4"]
    assert [name for _, name in ticks(0.0, 1000.0, 3)] == ["0", "500", "1000"]
    for high in (1.0, 1.5, 25.0, 365.0):
        for most in range(2, 12):
            places = [value for value, _ in ticks(0.0, high, most)]
            assert 2 <= len(places) <= most
            assert places[0] == 0 and places[-1] <= high * 1.000001


def test_a_frame_maps_its_limits_to_its_border_pixels():
    frame = Frame(blank(100, 80, (255, 255, 255)), Style(), 10, 5, 90, 75, (0.0, 10.0), (-1.0, 1.0))
    assert frame.at(0, -1) == (10, 74)
    assert frame.at(10, 1) == (89, 5)
    assert frame.xs([0, 10]).tolist() == [10, 89]
    assert frame.ys([-1, 1]).tolist() == [74, 5]
    frame.fill([0, 10, 10, 0], [-1, -1, 1, 1], (1, 2, 3))
    assert (frame.inner[1:-1, 1:-1] == (1, 2, 3)).all()


def test_axes_leave_a_data_area_within_any_image():
    rng = np.random.default_rng(5)
    for _ in range(300):
        width, height = (int(v) for v in rng.integers(12, 300, 2))
        spines = ("open", "box", "grey", "none")[int(rng.integers(4))]
        style = Style(type_px=float(rng.integers(4, 15)), spines=spines)
        names = ["Control", "Treated", "Both"] if rng.random() < 0.5 else None
        frame = axes(
            rng,
            blank(width, height, style.paper),
            style,
            xlim=(0.0, 3.0),
            ylim=(0.0, 100.0),
            xlabel="Time (h)",
            ylabel="Number of cells",
            title="Liver",
            categories=names,
            across=rng.random() < 0.3,
            legend=[("WT", (1, 2, 3)), ("KO", (4, 5, 6))],
        )
        assert 0 <= frame.left < frame.right <= width
        assert 0 <= frame.top < frame.bottom <= height


def test_big_axes_keep_most_of_the_image_for_the_data():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        look = look_of(rng, Style())
        if look.square:
            continue
        frame = axes(
            rng, blank(220, 160, (255, 255, 255)), Style(), ylabel="Density", title="Liver", look=look
        )
        assert frame.width * frame.height > 0.5 * 220 * 160


def test_axis_titles_shrink_lose_words_or_go_rather_than_be_cut():
    style = Style(type_px=10)
    whole = _axis_title(style, "Relative expression", 400, False)
    smaller = _axis_title(style, "Relative expression", whole.shape[1] - 2, False)
    first = _axis_title(style, "Relative expression", 60, False)
    assert smaller.shape[0] < whole.shape[0]
    assert np.array_equal(first, text(style, "Relative"))
    assert _axis_title(style, "Relative expression", 10, False) is None


def test_powers_of_ten_raise_the_exponent():
    style = Style(type_px=20)
    mask, plain = power(style, 5), text(style, "10")
    assert mask.shape[0] > plain.shape[0]
    assert mask[0, : plain.shape[1]].max() == 0
    assert mask[0, plain.shape[1] :].max() > 0


def test_dots_are_clipped_and_take_one_colour_each():
    pixels = blank(20, 20, (255, 255, 255))
    x, y = np.array([-3.0, 0.0, 10.0]), np.array([5.0, 0.0, 10.0])
    dots(pixels, x, y, [(1, 1, 1), (2, 2, 2), (3, 3, 3)], 1.0)
    assert not (pixels == 1).any()
    assert tuple(pixels[0, 0]) == (2, 2, 2)
    assert tuple(pixels[10, 10]) == tuple(pixels[10, 11]) == (3, 3, 3)
    assert tuple(pixels[11, 11]) == (255, 255, 255)


def test_dashes_and_hatching_leave_paper_between():
    pixels = blank(40, 40, (255, 255, 255))
    dashes(pixels, 2, 5, 37, 5, (0, 0, 0))
    assert 0 < (pixels[5] == 0).all(axis=1).sum() < 36
    dashes(pixels, 0, 99, 37, 99, (0, 0, 0))  # outside: nothing to draw
    for form in range(5):
        view = blank(20, 20, (255, 255, 255))
        hatch(view, (0, 0, 0), form)
        assert 0.05 < (view == 0).mean() < 0.6


def test_colours():
    assert mix((0, 0, 0), (200, 100, 50), 0.5) == (100, 50, 25)
    assert is_dark((0, 0, 90)) and not is_dark((255, 255, 0))
    assert blank(3, 2, (1, 2, 3)).tolist() == [[[1, 2, 3]] * 3] * 2
