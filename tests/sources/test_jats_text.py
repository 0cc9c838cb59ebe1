"""Flattening against a slow, obvious definition, on random trees."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pmcx.sources.jats_text import caption_text, markup_of, paragraph_text, title_end_of

WORDS = st.text(alphabet="ab (),\u00a0\u2009\n\t\u200bé\U0001f600", max_size=6)
INLINE = st.sampled_from(["bold", "italic", "sup", "named-content", "xref", "ext-link"])


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> etree._Element:
    element = etree.Element(draw(INLINE))
    if element.tag == "xref":
        element.set("rid", draw(st.sampled_from(["F1", "F2", "B1"])))
    element.text = draw(WORDS)
    for _ in range(draw(st.integers(0, 3 if depth else 0))):
        child = draw(trees(depth=depth - 1))
        child.tail = draw(WORDS)
        element.append(child)
    return element


def plain(element: etree._Element) -> str:
    return " ".join("".join(element.itertext()).split())


@settings(max_examples=300, deadline=None)
@given(trees())
def test_captions_are_their_words_and_marks_the_words_of_their_elements(tree: etree._Element) -> None:
    paragraph = etree.Element("p")
    paragraph.append(tree)
    caption = etree.Element("caption")
    caption.append(paragraph)
    flat = caption_text([caption])
    assert flat.text == plain(caption)
    expected = [(e.tag, plain(e)) for e in tree.iter("bold", "italic", "sup") if plain(e)]
    found = [(mark.kind, flat.text[mark.start : mark.end]) for mark in markup_of(flat)]
    assert set(found) == set(expected)
    assert title_end_of(flat) == 0


@settings(max_examples=300, deadline=None)
@given(trees())
def test_links_of_paragraphs_cover_their_words(tree: etree._Element) -> None:
    paragraph = etree.Element("p")
    paragraph.append(tree)
    flat = paragraph_text(paragraph, {"F1", "F2"})
    assert flat.text == plain(paragraph)
    links = [e for e in tree.iter("xref") if e.get("rid") != "B1"]
    assert sorted((rid, flat.text[s:e]) for s, e, rid in flat.marks) == sorted(
        (e.get("rid") or "", plain(e)) for e in links
    )
    for start, end, _ in flat.marks:
        assert 0 <= start <= end <= len(flat.text)
