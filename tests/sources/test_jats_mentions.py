"""Figure citations: the grammar, and the paragraphs they stand in."""

# ruff: noqa: E501 (XML reads best unbroken)

from __future__ import annotations

import pytest

from pmcx.core.records import Mention
from pmcx.sources import jats
from pmcx.sources.jats_citations import read_link


def parse(body: str, *, rest: str = "") -> jats.ParsedArticle:
    data = (
        '<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta/></front>'
        f"<body>{body}</body>{rest}</article>"
    )
    return jats.parse(data.encode(), source="test", article_id="A")


def fig(id_: str, caption: str = "", label: str = "Figure 1", inside: str | None = None) -> str:
    graphic = f'<graphic xlink:href="{id_}.jpg"/>' if inside is None else inside
    return f'<fig id="{id_}"><label>{label}</label><caption>{caption}</caption>{graphic}</fig>'


def figs(*numbers: int) -> str:
    return "".join(fig(f"F{n}", label=f"Figure {n}") for n in numbers)


def x(rid: str, text: str, kind: str = "fig") -> str:
    return f'<xref ref-type="{kind}" rid="{rid}">{text}</xref>'


def mentions(parsed: jats.ParsedArticle, figure: str) -> tuple[Mention, ...]:
    return next(f.mentions for f in parsed.figures if f.id == f"A/{figure}")


def cited(body: str, figure: str) -> list[tuple[str, str, str]]:
    """``(words, labels, kind)`` of all spans of a figure."""
    return [
        (m.text[s.start : s.end], "".join(s.labels), s.kind)
        for m in mentions(parse(body), figure)
        for s in m.spans
    ]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("1", ""),
        ("Fig. 3A", "A"),
        ("Figure 3A–C", "ABC"),
        ("3a, b and d", "abd"),
        ("Fig 1A, 1C and 1F", "ACF"),
        ("Fig 2A–2D", "ABCD"),
        ("Figure 1(b)", "b"),
        ("Figure 1 (a–c)", "abc"),
        ("Fig. 2, A and C", "AC"),
        ("Fig. 4AB", "AB"),
        ("Fig. 4Ai", "A"),
        ("Fig. 2Ba–c", "B"),
        ("c", "c"),
        ("B–D", "BCD"),
        ("and C", "C"),
        ("panels A and B", "AB"),
        ("Supplementary Fig. S2 left", ""),
        ("Figure 1 and Table 1", ""),
        ("Scheme 1", ""),
        ("▸", ""),
    ],
)
def test_labels_inside_a_link(text: str, labels: str) -> None:
    assert cited(f"<p>See {x('F1', text)}.</p>{figs(1)}", "F1") == [(text, labels, "direct")]


@pytest.mark.parametrize(
    ("behind", "words", "labels"),
    [
        ("B).", "Fig. 4B", "B"),
        ("A–C, and", "Fig. 4A–C", "ABC"),
        ("A, B and D show", "Fig. 4A, B and D", "ABD"),
        ("a and Table 2", "Fig. 4a", "a"),
        ("(c, d) and", "Fig. 4(c, d)", "cd"),
        (" (A and B).", "Fig. 4 (A and B)", "AB"),
        (" B).", "Fig. 4 B", "B"),
        (" c and f).", "Fig. 4 c and f", "cf"),
        ("A, 4C and 5D", "Fig. 4A, 4C", "AC"),
        ("A and B cells", "Fig. 4A", "A"),
        ("A, P < 0.05", "Fig. 4A", "A"),
        ("b, i.e. more", "Fig. 4b", "b"),
        (", S2 and S3", "Fig. 4", ""),
        (", P. indica grew", "Fig. 4", ""),
        ("B; He et al.", "Fig. 4B", "B"),
        (" a decrease", "Fig. 4", ""),
        (" A significant rise", "Fig. 4", ""),
        (") B cells", "Fig. 4", ""),
        (", B cells were", "Fig. 4", ""),
        ("B and a decrease", "Fig. 4B", "B"),
    ],
)
def test_labels_glued_behind_a_link(behind: str, words: str, labels: str) -> None:
    behind = behind.replace("<", "&lt;")
    assert cited(f"<p>See {x('F4', 'Fig. 4')}{behind}</p>{figs(4)}", "F4") == [(words, labels, "direct")]


def test_a_bold_letter_behind_a_bold_link_belongs_to_it() -> None:
    body = f"<p>(<bold>{x('F1', 'Figure 1')}</bold><bold>A</bold>) shows</p>{figs(1)}"
    assert cited(body, "F1") == [("Figure 1A", "A", "direct")]


def test_a_statistic_that_slipped_into_the_link_is_no_panel() -> None:
    assert cited(f"<p>({x('F1', 'Figure 1A and B, P')}=0.010)</p>{figs(1)}", "F1")[0][1] == "AB"


def test_lone_letters_continue_the_figure_of_their_link() -> None:
    body = f"<p>{x('F1', 'Figure 1b')} and {x('F1', 'c')}</p>{figs(1)}"
    assert cited(body, "F1") == [("Figure 1b", "b", "direct"), ("c", "c", "direct")]


def test_two_links_to_one_figure_joined_by_a_dash_are_a_panel_range() -> None:
    body = f"<p>{x('F1', 'Fig. 1A')}–{x('F1', 'D')} and more</p>{figs(1)}"
    assert cited(body, "F1") == [("Fig. 1A–D", "ABCD", "direct")]


@pytest.mark.parametrize("joint", ["–", "-", "—", "−", " to ", " through ", "–Fig. "])
def test_figures_inside_a_range_are_implied(joint: str) -> None:
    body = f"<p>See Figs {x('F2', '2')}{joint}{x('F5', '5')}.</p>{figs(1, 2, 3, 4, 5, 6)}"
    parsed = parse(body)
    assert [f.id for f in parsed.figures if f.mentions] == ["A/F2", "A/F3", "A/F4", "A/F5"]
    assert cited(body, "F2") == [("2", "", "direct")]
    assert cited(body, "F4") == [(f"2{joint}5", "", "range")]


def test_a_range_written_in_one_link_implies_the_rest() -> None:
    body = f"<p>{x('F2', 'Figs 2–4')}</p>{figs(1, 2, 3, 4, 5)}"
    assert [cited(body, f"F{n}") for n in (2, 3, 4, 5)] == [
        [("Figs 2–4", "", "direct")],
        [("Figs 2–4", "", "range")],
        [("Figs 2–4", "", "range")],
        [],
    ]


def test_a_range_that_ends_behind_the_link_implies_the_rest() -> None:
    body = f"<p>{x('F2', 'Figs 2')}–4.</p>{figs(1, 2, 3, 4)}"
    assert cited(body, "F3") == [("Figs 2–4", "", "range")]


def test_ranges_never_cross_series() -> None:
    supplement = fig("S1", label="Figure S1") + fig("S2", label="Figure S2") + fig("S3", label="Figure S3")
    body = f"<p>{x('F1', '1')}–{x('S3', 'S3')} {x('S1', 'S1')}–{x('S3', 'S3')}</p>{figs(1, 2)}{supplement}"
    assert cited(body, "F2") == []
    assert cited(body, "S2") == [("S1–S3", "", "range")]


def test_every_id_of_a_multiple_rid_counts() -> None:
    body = f"<p>{x('F1 F3', 'Figs 1A and 3C')}</p>{figs(1, 2, 3)}"
    assert cited(body, "F1") == [("Figs 1A and 3C", "A", "direct")]
    assert cited(body, "F3") == [("Figs 1A and 3C", "C", "direct")]
    assert cited(body, "F2") == []


@pytest.mark.parametrize("kind", ["fig", "figure", "scheme", "other"])
def test_any_link_to_a_figure_counts_whatever_its_type(kind: str) -> None:
    assert cited(f"<p>{x('F1', 'Scheme 1', kind)}</p>{figs(1)}", "F1")[0][0] == "Scheme 1"


def test_dangling_links_and_other_links_are_no_mentions() -> None:
    body = f"<p>{x('F9', 'Fig. 9')} {x('B1', '[1]', 'bibr')}</p>{figs(1)}"
    assert mentions(parse(body), "F1") == ()


def test_one_mention_for_each_figure_and_paragraph() -> None:
    body = (
        f"<p id='p-1'>{x('F1', '1A')}, {x('F2', '2')}, {x('F1', '1C')}</p><p>{x('F1', '1')}</p>{figs(1, 2)}"
    )
    first, second = mentions(parse(body), "F1")
    assert (first.paragraph, second.paragraph) == ("p-1", "p2")
    assert [first.text[s.start : s.end] for s in first.spans] == ["1A", "1C"]
    assert len(mentions(parse(body), "F2")) == 1


def test_paragraph_text_has_no_floats_and_nothing_twice() -> None:
    body = (
        f"<p>Before {fig('F1', '<p>Caption.</p>')} after {x('F1', 'Fig. 1')}"
        f"<list><list-item><p>Item {x('F1', '1B')}</p></list-item></list> end<fn><p>Note.</p></fn>.</p>"
    )
    assert [m.text for m in mentions(parse(body), "F1")] == ["Before after Fig. 1 end .", "Item 1B"]


def test_sections_are_paths_of_titles() -> None:
    body = f"<sec><title>Results</title><sec><title>Growth<xref rid='fn1'>*</xref></title><p>{x('F1', '1')}</p></sec></sec>{figs(1)}"
    assert mentions(parse(body), "F1")[0].section == "Results > Growth"


def test_kinds_tell_captions_and_tables() -> None:
    body = (
        f"<table-wrap><caption><p>As {x('F1', '1')}</p></caption><table><tr><td>{x('F1', '1A')}</td></tr></table>"
        f"<table-wrap-foot><fn><p>{x('F1', '1B')}</p></fn></table-wrap-foot></table-wrap>"
        f"{fig('F2', '<p>See ' + x('F1', '1C') + '</p>')}{figs(1)}"
    )
    assert [kind for *_, kind in cited(body, "F1")] == ["caption", "table", "table", "caption"]


def test_a_link_outside_any_paragraph_keeps_its_surroundings() -> None:
    assert (
        mentions(parse(f"<sec><italic>As in {x('F1', 'Fig. 1')}.</italic></sec>{figs(1)}"), "F1")[0].text
        == "As in Fig. 1."
    )


def test_a_link_to_a_group_or_an_empty_parent_means_its_figures() -> None:
    group = f"<fig-group id='G'>{fig('a')}{fig('b')}</fig-group>"
    parent = fig("P", "<p>All.</p>", inside=fig("c") + fig("d"))
    body = f"<p>{x('G', 'Fig. 1')} and {x('P', 'Fig. 2')}</p>{group}{parent}"
    assert [len(mentions(parse(body), name)) for name in "abcd"] == [1, 1, 1, 1]


def test_a_repeated_id_means_the_figure_of_the_same_sub_article() -> None:
    rest = f"<sub-article><body><p>reply {x('F1', '1')}</p>{fig('F1')}</body></sub-article>"
    parsed = parse(f"<p>main {x('F1', '1')}</p>{fig('F1')}", rest=rest)
    assert [[m.text for m in f.mentions] for f in parsed.figures] == [["main 1"], ["reply 1"]]


def test_all_images_of_a_figure_share_its_mentions() -> None:
    two = fig("F1", inside='<graphic xlink:href="a"/><graphic xlink:href="b"/>')
    first, second = parse(f"<p>{x('F1', '1')}</p>{two}").figures
    assert first.mentions == second.mentions != ()


def test_white_space_in_odd_places_keeps_spans_exact() -> None:
    body = (
        f"<p>\n  Long\u00a0 way\t to <italic> \n{x('F1', chr(10) + ' Fig. 1 ')}</italic>\n B \n</p>{figs(1)}"
    )
    mention = mentions(parse(body), "F1")[0]
    assert mention.text == "Long way to Fig. 1 B"
    assert mention.text[mention.spans[0].start : mention.spans[0].end] == "Fig. 1 B"


def test_a_figure_supplement_has_the_labels_behind_its_own_number() -> None:
    label = "Figure 1—figure supplement 2"
    body = f"<p>{x('S2', label + 'A–C')} and {x('F1', 'Figure 1D')}</p>{figs(1)}{fig('S2', label=label)}"
    assert cited(body, "S2") == [(f"{label}A–C", "ABC", "direct")]
    assert cited(body, "F1") == [("Figure 1D", "D", "direct")]


def test_reading_a_link_knows_ranges_and_ends() -> None:
    assert read_link("Figs 2–5").ranges == ((2, 5),)
    assert read_link("Figs 2A–2C").ranges == ()
    assert read_link("Fig. 3").ends == "number"
    assert read_link("Fig. 3b").ends == "label"
    assert read_link("Fig. 3b, left").ends == ""
