"""The demo source: deterministic, parsed by the real parser, and true to what it claims to show."""

from __future__ import annotations

import hashlib
import io
import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pmcx.core.errors import InputError
from pmcx.core.images import FigureImage
from pmcx.core.records import ArticleRef, Failure
from pmcx.core.stages import Document
from pmcx.sources.demo.article import FigureTruth, article_id, demo_truth
from pmcx.sources.demo.canvas import WHITE, Look, Pen, text_width, wrap
from pmcx.sources.demo.caption import lower_first, write_caption
from pmcx.sources.demo.figure import FAMILIES, draw_figure, encode, make_look, plan_figure
from pmcx.sources.demo.layout import COUNTS, grid, place, reading_order, tree
from pmcx.sources.demo.panel import nice_ticks, tick_labels
from pmcx.sources.demo.source import DemoSource
from pmcx.sources.demo.study import TOPICS, make_study

SEED = 4
ARTICLES = 7


def open_source(**options: int) -> DemoSource:
    source = DemoSource(options)
    source.open()
    return source


def documents(**options: int) -> list[Document]:
    source = open_source(**options)
    out = source.fetch(list(source.plan()))
    assert all(isinstance(d, Document) for d in out)
    return [d for d in out if isinstance(d, Document)]


@pytest.fixture(scope="module")
def docs() -> list[Document]:
    return documents(articles=ARTICLES, seed=SEED)


@pytest.fixture(scope="module")
def images(docs: list[Document]) -> dict[str, bytes]:
    return {f.id: d.read(f) for d in docs for f in d.figures}


@pytest.fixture(scope="module")
def truths() -> dict[str, FigureTruth]:
    return {t.figure: t for k in range(ARTICLES) for t in demo_truth(article_id(k), SEED)}


def test_plan_is_stable_and_clearly_fictitious() -> None:
    refs = list(open_source(articles=3).plan())
    assert [r.id for r in refs] == ["DEMO00000001", "DEMO00000002", "DEMO00000003"]
    assert refs == list(open_source(articles=3).plan())
    assert refs == list(open_source(articles=5).plan())[:3]
    assert {r.fingerprint for r in refs} != {r.fingerprint for r in open_source(articles=3, seed=1).plan()}


def test_ids_and_licence(docs: list[Document]) -> None:
    for doc in docs:
        article = doc.article
        assert article.ids.pmcid == article.ids.pmid == article.ids.doi == ""
        assert (article.license.code, article.license.spdx) == ("CC0", "CC0-1.0")
        assert article.title and article.abstract and article.subjects and article.keywords
        assert "Demonstration" in article.journal
        assert len(article.authors) == 3
        assert [f.id for f in doc.figures] == [f"{article.id}/F{k}" for k in (1, 2, 3)]
        assert [f.label for f in doc.figures] == ["Figure 1", "Figure 2", "Figure 3"]
        assert not doc.drops and not doc.failures


def test_same_seed_same_bytes(images: dict[str, bytes]) -> None:
    again = documents(articles=2, seed=SEED)
    for doc in again:
        for figure in doc.figures:
            assert doc.read(figure) == images[figure.id]
            assert doc.read(figure) == images[figure.id], "a second read draws from the same state"


def test_other_seed_other_figures(docs: list[Document]) -> None:
    other = documents(articles=ARTICLES, seed=SEED + 1)
    captions = {f.caption for d in docs for f in d.figures}
    assert not captions & {f.caption for d in other for f in d.figures if f.caption.count(".") > 3}
    hashes = {hashlib.sha256(d.read(d.figures[0])).digest() for d in (docs[0], other[0])}
    assert len(hashes) == 2


def test_an_article_does_not_depend_on_its_company() -> None:
    source = open_source(articles=9, seed=SEED)
    refs = list(source.plan())
    alone = source.fetch([refs[5]])[0]
    among = source.fetch(refs)[5]
    assert isinstance(alone, Document) and isinstance(among, Document)
    assert alone.article == among.article and alone.figures == among.figures


def test_unknown_article_is_one_failure() -> None:
    source = open_source(articles=1)
    good = next(iter(source.plan()))
    bad = ArticleRef(id="PMC123", locator="nowhere")
    answer = source.fetch([bad, good])
    assert isinstance(answer[0], Failure) and answer[0].kind == "input" and "DEMO00000001" in answer[0].error
    assert isinstance(answer[1], Document)


def test_unknown_image_is_an_input_error(docs: list[Document]) -> None:
    with pytest.raises(InputError):
        docs[0].read(docs[1].figures[0])


def test_images_decode_in_the_format_of_their_name(docs: list[Document], images: dict[str, bytes]) -> None:
    for doc in docs:
        for figure in doc.figures:
            with Image.open(io.BytesIO(images[figure.id])) as image:
                image.load()
                assert image.mode == "RGB"
                assert 700 <= image.width <= 2000
                suffix = Path(figure.image.name).suffix
                assert image.format == {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}[suffix]


def test_every_format_comes_up_and_decodes() -> None:
    found = {}
    for index in range(60):
        rng = random.Random(index)
        plan = plan_figure(make_study(rng, index), make_look(rng), 0, index, 0)
        found.setdefault(plan.format, plan)
    assert set(found) == {"jpeg", "png", "tiff"}
    for name, plan in found.items():
        image, _ = draw_figure(plan)
        with Image.open(io.BytesIO(encode(plan, image))) as back:
            assert (back.format or "").lower() == name
            assert back.size == (plan.width, plan.height)


def test_parsed_caption_is_the_true_caption(docs: list[Document], truths: dict[str, FigureTruth]) -> None:
    for doc in docs:
        for figure in doc.figures:
            assert figure.caption == truths[figure.id].caption


def test_truth_boxes_are_inside_apart_and_tight(
    images: dict[str, bytes], truths: dict[str, FigureTruth]
) -> None:
    for name, truth in truths.items():
        with Image.open(io.BytesIO(images[name])) as opened:
            assert opened.size == truth.size
            pixels = np.asarray(opened.convert("L")).astype(int)
        width, height = truth.size
        covered = np.zeros((height, width), dtype=bool)
        for panel in truth.panels:
            x0, y0, x1, y1 = panel.box
            assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
            assert min(x1 - x0, y1 - y0) >= 40
            covered[max(0, y0 - 8) : y1 + 8, max(0, x0 - 8) : x1 + 8] = True
            if panel.label_box is not None:
                a0, b0, a1, b1 = panel.label_box
                assert x0 <= a0 < a1 <= x1 and y0 <= b0 < b1 <= y1
                letter = pixels[b0:b1, a0:a1]
                assert np.ptp(letter) > 100, "the letter's box holds a letter"
        for one, two in combinations([p.box for p in truth.panels], 2):
            assert min(one[2], two[2]) <= max(one[0], two[0]) or min(one[3], two[3]) <= max(one[1], two[1])
        rest = pixels[~covered]
        if rest.size:
            assert np.ptp(rest) < 40, "nothing but paper outside the panels"


def test_letters_run_from_a_in_reading_order(truths: dict[str, FigureTruth]) -> None:
    lettered = [t for t in truths.values() if t.panels[0].label]
    assert lettered
    for truth in truths.values():
        labels = [p.label for p in truth.panels]
        if not labels[0]:
            assert labels == [""] * len(labels)
            continue
        assert "".join(labels) == ("ABCDEFGHI" if labels[0].isupper() else "abcdefghi")[: len(labels)]
    for truth in lettered:
        boxes = dict(enumerate(p.box for p in truth.panels))
        if len(boxes) == 2:
            assert reading_order(boxes) == [0, 1]


def test_caption_parts_are_spans_of_the_caption(truths: dict[str, FigureTruth]) -> None:
    seen = set()
    for truth in truths.values():
        seen.add(truth.style)
        assert truth.caption == " ".join(truth.caption.split())
        for start, end in (*truth.preface, *truth.tail):
            assert 0 <= start < end <= len(truth.caption)
        for panel in truth.panels:
            if truth.style == "none":
                assert panel.spans == ()
                continue
            words = [truth.caption[a:b] for a, b in panel.spans]
            assert len(words) == 1
            assert panel.label in words[0] or "\u2013" in words[0]
            for start, end in panel.spans:
                assert all(end <= a or b <= start for a, b in (*truth.preface, *truth.tail))
    assert len(seen) >= 3


@pytest.mark.parametrize("style", ["paren", "close", "comma", "dot", "colon", "bold", "after"])
def test_caption_styles(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmcx.sources.demo.caption.STYLES", {style: 1})
    study = make_study(random.Random(3), 0)
    contents = [FAMILIES["bars"](random.Random(5), study, k) for k in range(3)]
    caption = write_caption(random.Random(1), study, contents, ["A", "B", "C"], True, False)
    assert caption.style == style
    parts = [caption.text[a:b] for label in "ABC" for a, b in caption.own[label]]
    shapes = {
        "paren": "(B) ", "close": "B) ", "comma": "B, ", "dot": "B. ", "colon": "B: ", "bold": "B ",
    }  # fmt: skip
    if style == "after":
        assert parts[1].endswith(" (B)")
    else:
        assert parts[1].startswith(shapes[style])
    for content, part in zip(contents, parts, strict=True):
        assert content.brief().lower() in part.lower()
    assert ("<bold>B</bold>" in caption.xml) or style != "bold"


def test_figures_are_mentioned_with_their_panels(
    docs: list[Document], truths: dict[str, FigureTruth]
) -> None:
    kinds = set()
    for doc in docs:
        for figure in doc.figures:
            assert figure.mentions
            spans = [s for m in figure.mentions for s in m.spans]
            kinds |= {s.kind for s in spans}
            named = {label for s in spans for label in s.labels}
            drawn = {p.label.upper() for p in truths[figure.id].panels} - {""}
            assert {n.upper() for n in named} == drawn
    assert {"direct", "range"} <= kinds


def test_every_family_is_planned() -> None:
    assert {f for t in TOPICS for f in t.families} == set(FAMILIES)
    planned = set()
    for index in range(60):
        rng = random.Random(f"0/{index}")
        study, look = make_study(rng, index), make_look(rng)
        for figure in range(3):
            planned |= {p.content.family for p in plan_figure(study, look, 0, index, figure).panels}
    assert planned == set(FAMILIES)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_is_drawn_without_clipped_or_colliding_words(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[tuple[Pen, str, tuple[float, float, float, float]]] = []
    write = Pen.text

    def record(self: Pen, x: float, y: float, text: str, *rest: object, **more: object) -> object:
        box = write(self, x, y, text, *rest, **more)  # type: ignore[arg-type]
        words.append((self, text, box))
        return box

    monkeypatch.setattr(Pen, "text", record)
    kind = FAMILIES[family]
    topic = next(k for k, t in enumerate(TOPICS) if family in t.families)
    study = make_study(random.Random(topic), topic)
    for step, px in enumerate((11.0, 20.0)):
        content = kind(random.Random(step), study, 0)
        look = Look(px=px, titles=bool(step), grid=bool(step), spines=("box", "open")[step])
        width = round(content.ems * px * 1.25)
        height = round(max(width / sum(content.aspect) * 2, 15 * px))
        rng = np.random.default_rng(step)
        content.prepare(rng, look)
        image = content.draw(width, height, look, rng, content.margins(look, width, height))
        assert image.size == (width, height) and image.mode == "RGB"
        assert len(image.getcolors(1 << 24) or ()) > 8
        assert content.phrase()[0].isupper() or content.phrase()[0].isdigit()
        assert content.lead() and content.brief() and not content.phrase().endswith(".")
    for pen, text, (x0, y0, x1, y1) in words:
        assert x0 >= -1 and y0 >= -1 and x1 <= pen.width + 1 and y1 <= pen.height + 1, f"{text!r} is clipped"
    for (pen, one, a), (other, two, b) in combinations(words, 2):
        if pen is other:
            wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            assert wide <= 1.5 or tall <= 1.5, f"{one!r} on {two!r}"


def test_text_that_the_typeface_lacks_is_composed() -> None:
    for text in ("5 \u00b5m", "\u22122", "1\u20132", "m\u00b2", "\u2265 3"):
        pen = Pen(80, 30, WHITE)
        pen.text(4, 4, text, 14)
        plain = Pen(80, 30, WHITE)
        plain.text(4, 4, text.translate({0xB5: "\uffff", 0x2212: "\uffff", 0x2013: "\uffff", 0xB2: "\uffff",
                                         0x2265: "\uffff"}), 14)  # fmt: skip
        assert pen.image().tobytes() != plain.image().tobytes()
    assert text_width("\u2212", 20) > text_width("-", 20)


def test_wrap_ticks_and_case() -> None:
    assert wrap("alpha beta gamma", 10, text_width("alpha beta", 10) + 1) == ["alpha beta", "gamma"]
    assert nice_ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert tick_labels([-0.5, 0.0, 0.5]) == ["\u22120.5", "0.0", "0.5"]
    assert lower_first("Western blots") == "western blots"
    assert lower_first("Kaplan-Meier curves") == "Kaplan-Meier curves"
    assert lower_first("C-reactive protein") == "C-reactive protein"
    assert lower_first("DAPI stain") == "DAPI stain"


@pytest.mark.parametrize("count", range(1, 10))
def test_layouts_fill_their_rectangle_without_overlap(count: int) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        aspects = [rng.uniform(0.9, 1.8) for _ in range(count)]
        node = (tree if seed % 2 else grid)(aspects, rng)
        boxes = place(node, 1200, 10)
        assert sorted(boxes) == list(range(count))
        assert sorted(reading_order(boxes)) == list(range(count))
        assert min(b[0] for b in boxes.values()) == 0 and max(b[2] for b in boxes.values()) == 1200
        for one, two in combinations(boxes.values(), 2):
            assert min(one[2], two[2]) <= max(one[0], two[0]) or min(one[3], two[3]) <= max(one[1], two[1])


def test_reading_order_takes_rows_then_columns() -> None:
    square = {0: (60, 60, 100, 100), 1: (0, 0, 50, 50), 2: (60, 0, 100, 50), 3: (0, 60, 50, 100)}
    assert reading_order(square) == [1, 2, 3, 0]
    tall_left = {0: (60, 55, 100, 100), 1: (0, 0, 50, 100), 2: (60, 0, 100, 50)}
    assert reading_order(tall_left) == [1, 2, 0]


def test_panel_counts_follow_the_published_shares() -> None:
    counts = []
    for index in range(240):
        rng = random.Random(index)
        counts.append(len(plan_figure(make_study(rng, index), make_look(rng), 1, index, 0).panels))
    total = sum(COUNTS.values())
    for panels, share in COUNTS.items():
        assert abs(counts.count(panels) / len(counts) - share / total) < 0.1


def test_drawn_figures_are_ready_for_detectors(docs: list[Document], images: dict[str, bytes]) -> None:
    figure = docs[0].figures[0]
    with Image.open(io.BytesIO(images[figure.id])) as image:
        shown = FigureImage(figure, image.convert("RGB"))
    assert shown.pixels.shape == (shown.height, shown.width, 3)
