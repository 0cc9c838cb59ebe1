"""Defects met in other parsers, each as a test with the right answer (peers named in the docstrings)."""

# ruff: noqa: E501 (XML reads best unbroken)

from __future__ import annotations

import pytest

from pmcx.sources import jats


def parse(body: str, meta: str = "") -> jats.ParsedArticle:
    data = (
        '<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta>'
        f"{meta}</article-meta></front><body>{body}</body></article>"
    )
    return jats.parse(data.encode(), source="test", article_id="A")


GRAPHIC = '<graphic xlink:href="g1"/>'


def test_a_figure_without_caption_does_not_inherit_the_previous_one() -> None:
    """pubmed_parser 0.5.1 repeats the caption before (#175); as first figure it raises UnboundLocalError."""
    first, second, third = parse(
        f'<fig id="F0">{GRAPHIC}</fig><fig id="F1"><label>Figure 1</label><caption><p>One.</p></caption>{GRAPHIC}</fig>'
        f'<fig id="F2">{GRAPHIC}</fig>'
    ).figures
    assert (first.caption, first.label) == ("", "")
    assert (second.caption, second.label) == ("One.", "Figure 1")
    assert (third.caption, third.label) == ("", "")


def test_the_href_is_taken_by_its_name() -> None:
    """pubmed_parser takes the first attribute and returns ``image`` where ``mimetype`` comes first."""
    figure = parse(
        '<fig id="F1"><graphic mimetype="image" mime-subtype="tiff" xlink:href="e.jpg"/></fig>'
    ).figures[0]
    assert figure.image.href == "e.jpg"


def test_alternatives_keep_graphic_and_caption() -> None:
    """pubmed_parser finds no graphic in ``alternatives``; BIOMEDICA loses the caption with two of them."""
    parsed = parse(
        '<fig id="F1"><caption><p>C.</p></caption><alternatives><graphic xlink:href="a.tif"/>'
        '<graphic xlink:href="a.jpg"/></alternatives></fig>'
    )
    assert (parsed.figures[0].caption, parsed.candidates) == ("C.", {"A/F1": ("a.jpg", "a.tif")})


def test_a_figure_without_an_id() -> None:
    """pubmed_parser raises KeyError."""
    assert parse(f"<fig>{GRAPHIC}</fig>").figures[0].id == "A/fig1"


def test_the_new_pmcid_type_is_known() -> None:
    """pubmed_parser ignores ``pub-id-type="pmcid"``."""
    assert parse("", '<article-id pub-id-type="pmcid">PMC5</article-id>').article.ids.pmcid == "PMC5"


def test_no_print_or_collection_date() -> None:
    """pubmed_parser raises KeyError 'year'."""
    meta = '<pub-date pub-type="epub"><day>1</day><month>2</month><year>2020</year></pub-date>'
    assert parse("", meta).article.date == "2020-02-01"


def test_all_children_of_a_caption_are_read() -> None:
    """pubmed_parser's master reads the first child only; BIOMEDICA fails on title and paragraph."""
    figure = parse(
        f'<fig id="F1"><caption><title>Title one.</title><p>(A) para.</p><p>More.</p></caption>{GRAPHIC}</fig>'
    ).figures[0]
    assert figure.caption == "Title one. (A) para. More."


def test_the_caption_of_a_group_reaches_its_figures() -> None:
    """BIOMEDICA drops it."""
    figure = parse(
        f'<fig-group><caption><p>All.</p></caption><fig id="F1">{GRAPHIC}</fig></fig-group>'
    ).figures[0]
    assert (figure.caption, figure.context) == ("", "All.")


@pytest.mark.parametrize("href", ["img3.jpg", "pone.0170679.g001", "fig.v2.1"])
def test_hrefs_are_kept_as_written(href: str) -> None:
    """BIOMEDICA globs ``*.jpg`` and splits dotted stems."""
    assert parse(f'<fig id="F1"><graphic xlink:href="{href}"/></fig>').figures[0].image.href == href


def test_an_id_with_an_apostrophe() -> None:
    """BIOMEDICA builds an XPath from the id."""
    body = f'<p>See <xref ref-type="fig" rid="O\'F1">Fig. 1</xref></p><fig id="O\'F1">{GRAPHIC}</fig>'
    assert len(parse(body).figures[0].mentions) == 1


def test_a_graphic_that_is_no_direct_child() -> None:
    """BIOMEDICA and pubmed_parser want ``fig/graphic``."""
    assert parse(f'<fig id="F1"><p>{GRAPHIC}</p></fig>').figures[0].image.href == "g1"


def test_graphics_of_nested_figures_are_not_the_parents() -> None:
    """pmc-toolkit takes every descendant graphic, thumbnails too."""
    inner = '<fig id="F1a"><graphic xlink:href="inner"/></fig>'
    parsed = parse(f'<fig id="F1">{GRAPHIC}<p>{inner}</p></fig>')
    assert parsed.candidates == {"A/F1": ("g1",), "A/F1a": ("inner",)}


def test_a_footnote_label_does_not_overwrite_the_figures() -> None:
    """12 % of surveyed articles hold a labelled ``fn`` in an exhibit."""
    body = f'<fig id="F1"><label>Figure 1</label><caption><p>C.<fn><label>a</label><p>Note.</p></fn></p></caption>{GRAPHIC}</fig>'
    assert parse(body).figures[0].label == "Figure 1"


def test_neither_graphic_nor_media() -> None:
    """PMC-OA's builder raises."""
    assert [drop.reason for drop in parse('<fig id="F1"><caption><p>C.</p></caption></fig>').drops] == [
        "no-graphic"
    ]


@pytest.mark.parametrize(
    "wrapped",
    [
        "<bold>{}</bold>",
        "<italic><bold>{}</bold></italic>",
        "<sup>{}</sup>",
        "<named-content>{}</named-content>",
    ],
)
def test_references_that_are_no_direct_child_of_the_paragraph(wrapped: str) -> None:
    """BIOMEDICA misses 1,821 of 19,080 pairs that way."""
    link = wrapped.format('<xref ref-type="fig" rid="F1">Fig. 1</xref>')
    assert len(parse(f'<p>See {link}.</p><fig id="F1">{GRAPHIC}</fig>').figures[0].mentions) == 1


def test_two_ids_in_one_rid() -> None:
    """BIOMEDICA and biomedica-etl look the whole ``rid`` up."""
    body = f'<p><xref ref-type="fig" rid="F1 F2">Figs 1, 2</xref></p><fig id="F1">{GRAPHIC}</fig><fig id="F2">{GRAPHIC}</fig>'
    assert [len(figure.mentions) for figure in parse(body).figures] == [1, 1]


def test_two_figures_in_one_paragraph_and_nothing_doubled() -> None:
    """BIOMEDICA loses the second and doubles stretches of 68.6 % of its paragraphs."""
    body = (
        '<p>We saw <xref ref-type="fig" rid="F1">Fig. 1</xref> (<italic>p</italic>) and <bold><xref ref-type="fig" '
        f'rid="F2">Fig. 2</xref></bold>.</p><fig id="F1">{GRAPHIC}</fig><fig id="F2">{GRAPHIC}</fig>'
    )
    one, two = parse(body).figures
    assert one.mentions[0].text == two.mentions[0].text == "We saw Fig. 1 (p) and Fig. 2."


def test_the_middle_of_a_range_counts() -> None:
    """No peer finds Fig. 2 in "Figs 1–3"."""
    figures = "".join(f'<fig id="F{n}"><label>Figure {n}</label>{GRAPHIC}</fig>' for n in (1, 2, 3))
    body = (
        f'<p>Figs <xref ref-type="fig" rid="F1">1</xref>–<xref ref-type="fig" rid="F3">3</xref></p>{figures}'
    )
    kinds = [
        [span.kind for mention in figure.mentions for span in mention.spans] for figure in parse(body).figures
    ]
    assert kinds == [["direct"], ["range"], ["direct"]]


def test_one_missing_field_costs_no_other() -> None:
    """BIOMEDICA nulls five fields when one is missing; a missing PMID shifts the records behind it."""
    meta = '<article-id pub-id-type="doi">10.1/x</article-id><title-group><article-title>T</article-title></title-group>'
    article = parse("", meta).article
    assert (article.ids.doi, article.title, article.ids.pmid, article.date, article.journal) == (
        "10.1/x",
        "T",
        "",
        "",
        "",
    )


def test_references_and_figures_together_are_no_problem() -> None:
    """Microsoft's BiomedCLIP pipeline raises NotImplementedError when references exist."""
    data = (
        b'<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta/></front><body>'
        b'<p><xref ref-type="bibr" rid="B1">1</xref></p><fig id="F1"><graphic xlink:href="g"/></fig></body>'
        b'<back><ref-list><ref id="B1"><mixed-citation>R</mixed-citation></ref></ref-list></back></article>'
    )
    assert len(jats.parse(data, source="t", article_id="A").figures) == 1
