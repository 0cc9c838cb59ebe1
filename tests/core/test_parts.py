"""The engine's small parts: plan sizes, filters, encoding, panels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pmcx.core.config import Filters, ImageConfig
from pmcx.core.decode import decode
from pmcx.core.encode import Encoder
from pmcx.core.filters import allowed, article_drop, figure_drop, metadata_drop, panel_drop
from pmcx.core.panels import clip, make_panels
from pmcx.core.planning import Plan, unit_size
from pmcx.core.records import Article, ArticleRef, Detection, Figure, ImageRef, License


@pytest.mark.parametrize(
    ("articles", "asked", "size"),
    [(1, None, 8), (16, None, 8), (1000, None, 63), (10**6, None, 256), (5, 3, 3)],
)
def test_unit_size_is_a_function_of_the_plan(articles: int, asked: int | None, size: int) -> None:
    assert unit_size(articles, asked) == size


def test_plan_cuts_units_and_drops_duplicates(tmp_path: Path) -> None:
    class Source:
        incomplete = ""

        def plan(self) -> list[ArticleRef]:
            return [ArticleRef(id=f"A{n % 5}", locator=str(n)) for n in range(7)]

    plan = Plan(tmp_path / "refs", known=[ArticleRef(id="A4", locator="")])
    plan.fill(Source())  # type: ignore[arg-type]
    units = list(plan.units(3, first=9))
    assert [(unit.index, [ref.id for ref in unit.articles]) for unit in units] == [
        (9, ["A0", "A1", "A2"]),
        (10, ["A3"]),
    ]
    assert [(drop.id, drop.detail) for drop in plan.drops] == [("A0", "5"), ("A1", "6")]


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("CC BY", {"any", "known", "noncommercial", "commercial"}),
        ("CC0", {"any", "known", "noncommercial", "commercial"}),
        ("PD", {"any", "known", "noncommercial", "commercial"}),
        ("CC BY-NC-ND", {"any", "known", "noncommercial"}),
        ("TDM", {"any", "known"}),
        ("unknown", {"any"}),
    ],
)
def test_licence_sets(code: str, kept: set[str]) -> None:
    names = ("any", "known", "noncommercial", "commercial")
    assert {name for name in names if allowed(License(code=code), Filters(license=name))} == kept  # type: ignore[arg-type]


def test_drops_say_why() -> None:
    figure = Figure(
        id="P/F1",
        article="P",
        image=ImageRef(href="x"),
        license=License(code="CC BY", third_party="yes", evidence="with permission"),
    )
    drop = figure_drop(figure, Filters())
    assert drop is not None
    assert (drop.reason, drop.detail) == ("third-party", "yes: with permission")
    assert figure_drop(figure, Filters(third_party="keep")) is None
    retracted = article_drop(Article(id="P", retracted=True), Filters())
    assert retracted is not None and retracted.reason == "retracted"
    notice = article_drop(Article(id="P", article_type="correction"), Filters())
    assert notice is not None and notice.reason == "article-type"
    assert article_drop(Article(id="P", article_type="correction"), Filters(article_types="all")) is None
    small = panel_drop("P/F1/a", (0, 0, 100, 23), Filters())
    assert small is not None and (small.reason, small.detail) == ("too-small", "100x23")


@pytest.mark.parametrize(
    ("years", "kept"),
    [
        ("", {"", "2015", "2020-03", "2023-01-09"}),
        ("2020", {"2020-03"}),
        ("2015:2020", {"2015", "2020-03"}),
        (":2019", {"2015"}),
        ("2020:", {"2020-03", "2023-01-09"}),
    ],
)
def test_years(years: str, kept: set[str]) -> None:
    dates = ("", "2015", "2020-03", "2023-01-09")
    filters = Filters(years=years)
    assert {d for d in dates if article_drop(Article(id="P", date=d), filters) is None} == kept
    unknown = metadata_drop(Article(id="P"), Filters(years=years, license="any"))
    assert unknown is None, "what the metadata do not tell is decided when the article is read"


@pytest.mark.parametrize("years", ["20x0", "2020-2021", "2021:2020"])
def test_years_that_are_none_are_refused(years: str) -> None:
    with pytest.raises(ValueError, match=r"years|range"):
        Filters(years=years)


def test_journals_and_numbers_of_figures() -> None:
    filters = Filters(journals=("PLoS ONE",), max_figures=10)
    assert article_drop(Article(id="P", journal="PLOS ONE"), filters, 10) is None
    other = article_drop(Article(id="P", journal="eLife"), filters, 1)
    assert other is not None and (other.reason, other.detail) == ("journal", "eLife")
    atlas = article_drop(Article(id="P", journal="plos one"), filters, 347)
    assert atlas is not None and (atlas.reason, atlas.detail) == ("max-figures", "347")


def jpeg(mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.effect_noise((90, 60), 50).convert(mode).save(out, "JPEG")
    return out.getvalue()


def test_whole_images_keep_their_bytes_and_crops_do_not() -> None:
    encoder = Encoder(ImageConfig())
    for mode in ("RGB", "L"):
        data = jpeg(mode)
        whole = encoder.panel(decode(data), data, (0, 0, 90, 60))
        assert whole.data == data
    crop = encoder.panel(decode(data), data, (10, 10, 50, 40))
    assert Image.open(io.BytesIO(crop.data)).size == (40, 30) == (crop.width, crop.height)
    cmyk = jpeg("CMYK")
    changed = encoder.panel(decode(cmyk), cmyk, (0, 0, 90, 60))
    assert Image.open(io.BytesIO(changed.data)).mode == "RGB"
    small = Encoder(ImageConfig(max_side=45)).panel(decode(data), data, (0, 0, 90, 60))
    assert (small.width, small.height) == (45, 30)
    assert decode(data).image.size == (90, 60), "the shared decoded image is left as it was"


def test_encoding_is_near_lossless() -> None:
    data = jpeg()
    decoded = decode(data)
    out = Encoder(ImageConfig(quality=95)).panel(decoded, data, (0, 0, 80, 60))
    back = np.asarray(Image.open(io.BytesIO(out.data)), np.int16)
    assert np.abs(back - np.asarray(decoded.image.crop((0, 0, 80, 60)), np.int16)).mean() < 4


def test_panels_are_clipped_ordered_and_never_none() -> None:
    found = [
        Detection(box=(100, 0, 250, 90)),
        Detection(box=(-5, -5, 90, 90), score=0.5),
        Detection(box=(300, 10, 300, 20)),
    ]
    panels = make_panels("P/F1", found, 200, 100)
    assert [(p.id, p.box) for p in panels] == [("P/F1/p1", (0, 0, 90, 90)), ("P/F1/p2", (100, 0, 200, 90))]
    assert [p.box for p in make_panels("P/F1", [], 200, 100)] == [(0, 0, 200, 100)]
    assert len(make_panels("P/F1", found * 200, 200, 100, limit=7)) == 7
    assert clip((-3, 5, 999, 20), 50, 10) == (0, 5, 50, 10)
