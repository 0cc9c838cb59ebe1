"""Figures in JATS: which files, labels, captions, ids; on small hand-written articles."""

# ruff: noqa: E501 (XML reads best unbroken)

from __future__ import annotations

import pytest

from pmcx.sources import jats

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def article(body: str, *, front: str = "", rest: str = "") -> bytes:
    return (
        f'<article {XLINK} xmlns:mml="http://www.w3.org/1998/Math/MathML" article-type="research-article">'
        f'<front><article-meta><article-id pub-id-type="doi">10.1/x</article-id>{front}</article-meta></front>'
        f"<body>{body}</body>{rest}</article>"
    ).encode()


def parse(body: str, *, front: str = "", rest: str = "") -> jats.ParsedArticle:
    return jats.parse(article(body, front=front, rest=rest), source="test", article_id="A")


def fig(id_: str = "F1", caption: str = "", label: str = "Figure 1", inside: str | None = None) -> str:
    graphic = f'<graphic xlink:href="{id_}.jpg"/>' if inside is None else inside
    cap = f"<caption>{caption}</caption>" if caption else ""
    return f'<fig id="{id_}"><label>{label}</label>{cap}{graphic}</fig>'


def only(parsed: jats.ParsedArticle) -> jats.Figure:
    assert len(parsed.figures) == 1
    return parsed.figures[0]


def marked(figure: jats.Figure) -> list[tuple[str, str]]:
    return [(mark.kind, figure.caption[mark.start : mark.end]) for mark in figure.markup]


# --- captions -----------------------------------------------------------------------------------------


def test_title_and_paragraphs_are_joined_by_one_blank() -> None:
    figure = only(parse(fig(caption="<title>Title one.</title><p>(A) para.</p>\n  <p>Second\n p.</p>")))
    assert figure.caption == "Title one. (A) para. Second p."
    assert figure.caption[: figure.title_end] == "Title one."


def test_a_title_behind_a_paragraph_is_no_title() -> None:
    assert only(parse(fig(caption="<p>First.</p><title>Late.</title>"))).title_end == 0


def test_lists_in_captions_are_kept_item_by_item() -> None:
    items = (
        "<list-item><label>a</label><p>One.</p></list-item><list-item><label>b</label><p>Two.</p></list-item>"
    )
    assert (
        only(parse(fig(caption=f"<p>Intro:<list>{items}</list>End.</p>"))).caption
        == "Intro: a One. b Two. End."
    )


def test_markup_spans_are_exact_in_the_normalised_text() -> None:
    caption = (
        "\n <p>\n (<bold> A </bold>)  10<sup>3</sup> cells,<italic>\n E.  coli <bold>K</bold></italic>"
        "; H<sub>2</sub>O <underline>u</underline> <sc>sc</sc> <monospace>m</monospace><bold> </bold></p>"
    )
    figure = only(parse(fig(caption=caption)))
    assert figure.caption == "( A ) 10 3 cells, E. coli K; H2O u sc m".replace("10 3", "103")
    assert marked(figure) == [
        ("bold", "A"),
        ("sup", "3"),
        ("italic", "E. coli K"),
        ("bold", "K"),
        ("sub", "2"),
        ("underline", "u"),
        ("sc", "sc"),
        ("monospace", "m"),
    ]


def test_comments_and_processing_instructions_leave_no_trace() -> None:
    figure = only(parse(fig(caption="<p>be<!-- x -->fore <?pi y?>after</p>")))
    assert figure.caption == "before after"


def test_no_break_and_thin_spaces_become_blanks() -> None:
    assert only(parse(fig(caption="<p>5\u00a0µm,\u2009 n\u202f=\u00a03</p>"))).caption == "5 µm, n = 3"


def test_a_formula_is_written_once_whatever_its_renderings() -> None:
    tex = r"<tex-math>\documentclass{m}\begin{document}$$\alpha _{2}$$\end{document}</tex-math>"
    math = "<mml:math><mml:msub><mml:mi>α</mml:mi><mml:mn>2</mml:mn></mml:msub></mml:math>"
    both = only(
        parse(
            fig(
                caption=f"<p>if <inline-formula><alternatives>{tex}{math}</alternatives></inline-formula>.</p>"
            )
        )
    )
    assert both.caption == "if α2."
    assert marked(both) == [("sub", "2")]
    bare = only(parse(fig(caption=f"<p>if <inline-formula>{tex}</inline-formula>.</p>")))
    assert bare.caption == r"if \alpha _{2}."


def test_fractions_and_roots_keep_their_meaning() -> None:
    math = (
        "<mml:math><mml:mfrac><mml:mn>1</mml:mn><mml:mn>2</mml:mn></mml:mfrac><mml:mo>+</mml:mo>"
        "<mml:msqrt><mml:mi>x</mml:mi></mml:msqrt></mml:math>"
    )
    assert only(parse(fig(caption=f"<p>{math}</p>"))).caption == "1/2+√(x)"


def test_supplements_in_a_caption_are_cut_and_their_label_is_not_the_figures() -> None:
    caption = (
        "<p>Words.</p><p><supplementary-material><label>Figure 1—source data 1</label>"
        '<media xlink:href="s.xlsx"/></supplementary-material></p>'
    )
    figure = only(parse(f'<fig id="F1"><caption>{caption}</caption><graphic xlink:href="F1.jpg"/></fig>'))
    assert (figure.caption, figure.label) == ("Words.", "")


def test_alt_text_and_attrib_are_fields_of_their_own() -> None:
    inside = '<alt-text>A map.</alt-text><graphic xlink:href="a.jpg"/><attrib>Drawn by X.</attrib>'
    figure = only(parse(fig(caption="<p>C.</p>", inside=inside)))
    assert (figure.caption, figure.alt_text, figure.attrib) == ("C.", "A map.", "Drawn by X.")


def test_a_very_long_caption_is_kept_whole() -> None:
    text = " ".join(f"word{i}" for i in range(20_000))
    assert only(parse(fig(caption=f"<p>{text}</p>"))).caption == text


# --- places -------------------------------------------------------------------------------------------


def test_figures_are_found_wherever_they_stand() -> None:
    parsed = parse(
        f"<p>{fig('inP')}</p><sec>{fig('inSec')}</sec><boxed-text>{fig('inBox')}</boxed-text>",
        front=f"<abstract abstract-type='graphical'><p>{fig('inAbstract')}</p></abstract>",
        rest=(
            f"<back><app-group><app>{fig('inApp')}</app></app-group></back>"
            f"<floats-group>{fig('inFloats')}</floats-group><sub-article><body>{fig('inSub')}</body></sub-article>"
        ),
    )
    assert [f.id for f in parsed.figures] == [
        f"A/{name}" for name in ("inAbstract", "inP", "inSec", "inBox", "inApp", "inFloats", "inSub")
    ]


def test_nested_figures_keep_their_own_words_and_files() -> None:
    child = fig("F1s1", "<p>Child words.</p>", "Figure 1—figure supplement 1")
    bare = '<fig id="F1s2"><graphic xlink:href="F1s2.jpg"/></fig>'
    parent, one, two = parse(
        fig("F1", "<p>Parent words.</p>").replace("</fig>", f"<p>{child}{bare}</p></fig>")
    ).figures
    assert (parent.caption, parent.image.href, parent.context) == ("Parent words.", "F1.jpg", "")
    assert (one.caption, one.image.href, one.context) == ("Child words.", "F1s1.jpg", "Parent words.")
    assert (two.caption, two.label, two.context) == ("", "", "Parent words.")


def test_a_group_caption_is_context_never_a_childs_caption() -> None:
    group = f"<fig-group><label>Figure 1</label><caption><p>Group.</p></caption>{fig('a')}{fig('b', '<p>B.</p>')}</fig-group>"
    first, second = parse(group).figures
    assert (first.caption, first.context) == ("", "Group.")
    assert (second.caption, second.context) == ("B.", "Group.")


def test_a_group_of_bare_graphics_is_a_figure() -> None:
    group = '<fig-group id="G"><label>Fig 1</label><caption><p>C.</p></caption><graphic xlink:href="a"/><graphic xlink:href="b"/></fig-group>'
    parsed = parse(group)
    assert [(f.id, f.caption, f.image.href) for f in parsed.figures] == [
        ("A/G", "C.", "a"),
        ("A/G.g2", "C.", "b"),
    ]


# --- ids ----------------------------------------------------------------------------------------------


def test_ids_are_unique_and_depend_on_order_alone() -> None:
    body = fig("F1") + fig("F1") + "<fig><graphic xlink:href='x'/></fig>" + fig("a/b c") + fig("O'Neil")
    rest = f"<sub-article><body>{fig('F1')}</body></sub-article>"
    ids = [f.id for f in parse(body, rest=rest).figures]
    assert ids == ["A/F1", "A/F1-2", "A/fig3", "A/a_b_c", "A/O'Neil", "A/F1-3"]


def test_a_second_graphic_never_takes_the_id_of_another_figure() -> None:
    two = '<graphic xlink:href="a"/><graphic xlink:href="b"/>'
    ids = [f.id for f in parse(fig("F2", inside=two) + fig("F2.g2")).figures]
    assert ids == ["A/F2", "A/F2.g2", "A/F2.g2-2"]


def test_highwire_ids_count_as_ids() -> None:
    body = '<fig xmlns:hwp="http://schema.highwire.org/Journal" hwp:id="F1"><graphic xlink:href="484463v1_fig1"/></fig>'
    assert only(parse(body)).id == "A/F1"


# --- files --------------------------------------------------------------------------------------------


def candidates(inside: str) -> tuple[str, ...]:
    return parse(fig("F1", inside=inside)).candidates["A/F1"]


def test_the_thumbnail_of_the_2026_rendition_is_dropped() -> None:
    inside = (
        '<alternatives><graphic content-type="thumb" xlink:href="f_HTML.gif"/>'
        '<graphic content-type="image" xlink:href="f_HTML.jpg"/></alternatives>'
    )
    assert candidates(inside) == ("f_HTML.jpg",)


def test_scielo_thumbnails_are_dropped_and_formats_ranked() -> None:
    inside = (
        '<alternatives><graphic xlink:href="a.tif"/><graphic specific-use="scielo-web" xlink:href="a.png"/>'
        '<graphic specific-use="scielo-web" content-type="scielo-267x140" xlink:href="a.jpg"/></alternatives>'
    )
    assert candidates(inside) == ("a.png", "a.tif")


def test_ranking_goes_from_web_formats_to_vectors() -> None:
    names = ("a.svg", "a.gif", "a.TIFF", "a.stem.g001", "a.JPG")
    inside = "<alternatives>" + "".join(f'<graphic xlink:href="{n}"/>' for n in names) + "</alternatives>"
    assert candidates(inside) == ("a.JPG", "a.stem.g001", "a.TIFF", "a.gif", "a.svg")


def test_a_lone_gif_is_a_figure() -> None:
    assert candidates('<graphic xlink:href="a.gif"/>') == ("a.gif",)


@pytest.mark.parametrize("wrap", ["<alternatives>{}</alternatives>", "{}"])
def test_colour_beats_black_and_white_also_as_bare_siblings(wrap: str) -> None:
    inside = wrap.format(
        '<graphic content-type="black-white" specific-use="print-only" xlink:href="bw"/>'
        '<graphic content-type="color" specific-use="web-only" xlink:href="colour"/>'
    )
    parsed = parse(fig("F1", inside=inside))
    assert [f.image.href for f in parsed.figures] == ["colour"]
    assert parsed.candidates["A/F1"][0] == "colour"


def test_several_graphics_are_several_images_in_order() -> None:
    inside = '<graphic xlink:href="a.jpg"/><alternatives><graphic xlink:href="b.tif"/><graphic xlink:href="b.jpg"/></alternatives>'
    parsed = parse(fig("F2", "<p>C.</p>", inside=inside))
    assert [(f.id, f.image.href, f.caption) for f in parsed.figures] == [
        ("A/F2", "a.jpg", "C."),
        ("A/F2.g2", "b.jpg", "C."),
    ]
    assert parsed.candidates == {"A/F2": ("a.jpg",), "A/F2.g2": ("b.jpg", "b.tif")}


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("", "no-graphic"),
        ('<media mimetype="video" mime-subtype="mp4" xlink:href="v1.mp4"/>', "video"),
        ('<media mimetype="video" xlink:href="v1"/>', "video"),
        ('<graphic content-type="thumb" xlink:href="t.gif"/>', "thumbnail-only"),
        ('<media mimetype="application" xlink:href="d.xlsx"/>', "not-an-image"),
        ("<graphic/>", "no-graphic"),
        ('<p><inline-graphic xlink:href="i"/></p>', "no-graphic"),
        ('<table-wrap><graphic xlink:href="t"/></table-wrap>', "no-graphic"),
        ('<disp-formula><graphic xlink:href="e.gif"/></disp-formula>', "no-graphic"),
        ('<supplementary-material><graphic xlink:href="s"/></supplementary-material>', "no-graphic"),
    ],
)
def test_what_has_no_image_is_dropped_with_its_reason(inside: str, reason: str) -> None:
    parsed = parse(fig("F1", inside=inside))
    assert parsed.figures == ()
    assert [(drop.id, drop.stage, drop.reason) for drop in parsed.drops] == [("A/F1", "parse", reason)]


def test_a_video_beside_an_image_is_recorded() -> None:
    parsed = parse(
        fig("F1", inside='<graphic xlink:href="a.jpg"/><media mimetype="video" xlink:href="v.mp4"/>')
    )
    assert [f.image.href for f in parsed.figures] == ["a.jpg"]
    assert [(d.id, d.reason, d.detail) for d in parsed.drops] == [("A/F1.video1", "video", "v.mp4")]


def test_media_with_an_image_in_it_is_an_image_whatever_the_mime_type_says() -> None:
    assert candidates('<media mimetype="video" xlink:href="a.tif"/>') == ("a.tif",)
    assert candidates('<media mimetype="image" xlink:href="stem"/>') == ("stem",)


def test_equations_tables_and_inline_graphics_are_no_figures() -> None:
    body = (
        '<table-wrap id="T1"><graphic xlink:href="t.jpg"/></table-wrap><p><inline-graphic xlink:href="i.gif"/>'
        '<disp-formula><graphic xlink:href="e.gif"/></disp-formula></p><graphic xlink:href="loose.jpg"/>'
    )
    assert parse(body).figures == ()
