"""Reading XML: hostile input is refused or inert, known archive defects are mended, nothing is lost in silence."""

# ruff: noqa: E501 (XML reads best unbroken)

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmcx.core.errors import InputError
from pmcx.core.records import Ids
from pmcx.sources import jats

HEAD = (
    '<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article"><front><article-meta>'
    '<article-id pub-id-type="pmc">123</article-id><title-group><article-title>Title</article-title></title-group>'
    "</article-meta></front>"
)
BODY = (
    '<body><p>See <xref ref-type="fig" rid="F1">Fig. 1</xref>.</p><fig id="F1"><caption><p>Words.</p></caption>'
    '<graphic xlink:href="a.jpg"/></fig></body>'
)
GOOD = f"{HEAD}{BODY}</article>"
DOCTYPE = '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS v1.3//EN" "JATS-archivearticle1.dtd">'


def parse(data: str | bytes, index: int = 0) -> jats.ParsedArticle:
    data = data.encode() if isinstance(data, str) else data
    return jats.parse(data, source="test", article_id="A", index=index)


def caption(data: str | bytes) -> str:
    return parse(data).figures[0].caption


# --- hostile input ------------------------------------------------------------------------------------


def bomb() -> str:
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    return f'<!DOCTYPE article [<!ENTITY l0 "lol">{levels}]>' + GOOD.replace("Words.", "&l9;")


def test_billion_laughs_is_refused() -> None:
    with pytest.raises(InputError):
        parse(bomb())


def test_quadratic_blow_up_is_refused() -> None:
    entity = f'<!DOCTYPE article [<!ENTITY a "{"x" * 50_000}">]>'
    with pytest.raises(InputError):
        parse(entity + GOOD.replace("Words.", "&a;" * 2_000))


@pytest.mark.parametrize("entity", ['SYSTEM "file://{}"', 'PUBLIC "-//X" "file://{}"'])
def test_external_entities_are_never_read(tmp_path: Path, entity: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOP-SECRET")
    data = f"<!DOCTYPE article [<!ENTITY x {entity.format(secret)}>]>" + GOOD.replace("Words.", "a &x; b")
    try:
        text = caption(data)
    except InputError:
        return
    assert "TOP-SECRET" not in text


def test_no_dtd_and_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("network used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    dtd = tmp_path / "a.dtd"
    dtd.write_text('<!ENTITY nbsp "FROM-THE-DTD">')
    data = f'<!DOCTYPE article SYSTEM "{dtd}">' + GOOD.replace("Words.", "a&nbsp;b")
    assert caption(data) == "a b"
    remote = '<!DOCTYPE article SYSTEM "http://127.0.0.1:9/a.dtd">' + GOOD
    assert caption(remote) == "Words."


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(InputError):
        parse(HEAD.replace("Title<", "<b>" * 5_000 + "x" + "</b>" * 5_000 + "<") + "</article>")


def test_own_harmless_entities_are_expanded() -> None:
    assert (
        caption('<!DOCTYPE article [<!ENTITY prod "pmcx &#8212; x">]>' + GOOD.replace("Words.", "By &prod;."))
        == "By pmcx — x."
    )


def test_comments_hold_no_data() -> None:
    hidden = GOOD.replace(
        "</article-meta>",
        '<!--<permissions><license xlink:href="https://creativecommons.org/licenses/by/4.0/"/></permissions>--></article-meta>',
    )
    assert parse(hidden).article.license.code == "unknown"


# --- defects that are mended --------------------------------------------------------------------------


@pytest.mark.parametrize("doctype", ["", DOCTYPE])
def test_html_entities_without_a_dtd_become_characters(doctype: str) -> None:
    data = doctype + GOOD.replace(
        "Words.", "5&nbsp;&micro;m &ndash; caf&eacute; &amp; &lt;b&gt; &#945; A&NotEqualTilde;B"
    )
    assert caption(data) == "5 µm – café & <b> α A≂̸B"


def test_unknown_entities_stay_visible() -> None:
    assert caption(DOCTYPE + GOOD.replace("Words.", "a &nosuchname; b")) == "a &nosuchname; b"


@pytest.mark.parametrize("text", ["Q & A", "Smith & Sons; x", "AT&T", "a &; b", "p < 0.05 & n <5", "x <= 3"])
def test_bare_signs_are_text(text: str) -> None:
    assert caption(GOOD.replace("Words.", text)) == text


def test_cdata_and_attributes_survive_mending() -> None:
    data = GOOD.replace("Words.", "R&D <![CDATA[x & y &nbsp; <z>]]>").replace("a.jpg", "a.jpg?x=1&y=2")
    parsed = parse(data)
    assert parsed.figures[0].caption == "R&D x & y &nbsp; <z>"
    assert parsed.figures[0].image.href == "a.jpg?x=1&y=2"


@pytest.mark.parametrize(
    "junk", ["\n", "  \n\n", "HTTP/1.1 200 OK\r\n\r\n", "<!-- by hand -->\n", "\ufeff", "\ufeff\n"]
)
def test_junk_before_the_declaration_is_skipped(junk: str) -> None:
    assert caption(f'{junk}<?xml version="1.0" encoding="UTF-8"?>{DOCTYPE}{GOOD}') == "Words."


def test_attributes_without_a_blank_between_them() -> None:
    data = GOOD.replace('ref-type="fig" rid="F1"', 'ref-type="fig"rid="F1"').replace("Words.", 'say "a"b')
    figure = parse(data).figures[0]
    assert (figure.caption, len(figure.mentions)) == ('say "a"b', 1)


def test_control_characters_and_illegal_references() -> None:
    assert caption(GOOD.replace("Words.", "a\x0bb &#11; c")) == "a b \ufffd c"


def test_bytes_that_are_no_utf8_show_as_replaced() -> None:
    data = GOOD.replace("Words.", "caf@").encode().replace(b"@", b"\xe9")
    assert caption(data) == "caf\ufffd"


def test_other_encodings_are_read_as_declared() -> None:
    for encoding in ("iso-8859-1", "utf-16"):
        data = f'<?xml version="1.0" encoding="{encoding}"?>' + GOOD.replace("Words.", "café µ")
        assert caption(data.encode(encoding)) == "café µ"


def test_mended_articles_are_not_reported_as_damaged() -> None:
    assert parse(GOOD.replace("Words.", "Q & A")).drops == ()


# --- damage that cannot be mended ----------------------------------------------------------------------


def test_a_file_cut_in_its_body_is_read_as_far_as_it_goes_and_says_so() -> None:
    data = GOOD[: GOOD.index("</body>")]
    parsed = parse(data)
    assert parsed.figures[0].caption == "Words."
    assert [(drop.stage, drop.reason) for drop in parsed.drops] == [("parse", "damaged-xml")]


@pytest.mark.parametrize("at", ["pub-id-type", "<title-group>", "Title<", "</article-meta>"])
def test_a_file_cut_in_its_metadata_is_an_error(at: str) -> None:
    with pytest.raises(InputError, match="metadata"):
        parse(GOOD[: GOOD.index(at)])


def test_mismatched_tags_are_reported() -> None:
    parsed = parse(GOOD.replace("Words.", "<bold>Words.</italic>"))
    assert parsed.figures[0].caption == "Words."
    assert parsed.drops[0].reason == "damaged-xml"
    assert "tag mismatch" in parsed.drops[0].detail


@pytest.mark.parametrize("data", [b"", b"   ", b"not xml", b"\x89PNG\r\n\x1a\n....", b"{}", b"%PDF-1.4 x"])
def test_what_is_no_xml_is_an_error(data: bytes) -> None:
    with pytest.raises(InputError):
        parse(data)
    with pytest.raises(InputError):
        jats.scan(data)


def test_xml_without_an_article() -> None:
    for data in (
        b"<html><body/></html>",
        b'<manifest xmlns="http://x"><item/></manifest>',
        b"<article>no parts</article>",
    ):
        assert jats.scan(data) == []
        with pytest.raises(InputError, match="no article"):
            parse(data)


# --- reference lists are skipped, and nothing with them ------------------------------------------------

REFS = '<ref-list><ref id="B1"><mixed-citation>Some reference</mixed-citation></ref></ref-list>'


@pytest.mark.parametrize(
    "refs",
    [
        REFS,
        f"<ref-list><title>References</title>{REFS}{REFS}</ref-list>",
        "<ref-list/>",
        '<ref-list id="x"/><p>text</p>' + REFS,
        f"<!-- {REFS} -->{REFS}",
        f"<!-- <ref-list> -->{REFS}<!-- </ref-list> -->",
        f"<![CDATA[<ref-list>]]>{REFS}",
        "<ref-list><ref><note><p>bare <![CDATA[</ref-list>]]></p></note></ref></ref-list>",
    ],
)
def test_nothing_is_lost_around_reference_lists(refs: str) -> None:
    late = '<fig id="F2"><caption><p>Late.</p></caption><graphic xlink:href="b.jpg"/></fig>'
    data = f"{HEAD}{BODY}<back><sec><p>x{refs}</p></sec><app>{late}</app></back>{REFS}<floats-group>{late}</floats-group></article>"
    assert [f.caption for f in parse(data).figures] == ["Words.", "Late.", "Late."]


def test_a_figure_inside_a_reference_list_is_found() -> None:
    inside = '<ref-list><p><fig id="F2"><graphic xlink:href="b.jpg"/></fig></p></ref-list>'
    assert [f.id for f in parse(f"{HEAD}{BODY}<back>{inside}</back></article>").figures] == ["A/F1", "A/F2"]


# --- several articles, namespaces ----------------------------------------------------------------------


def article(number: int, license_: str = "") -> str:
    return (
        GOOD.replace(">123<", f">{number}<")
        .replace("Words.", f"Words {number}.")
        .replace("</article-meta>", f"{license_}</article-meta>")
    )


def test_a_set_is_read_by_index_and_licences_never_mix() -> None:
    by = '<permissions><license xlink:href="https://creativecommons.org/licenses/by/4.0/"/></permissions>'
    data = f"<pmc-articleset>{article(1)}{article(2, by)}{article(3)}</pmc-articleset>"
    parsed = [parse(data, index) for index in (2, 0, 1)]
    assert [p.article.ids.pmcid for p in parsed] == ["PMC3", "PMC1", "PMC2"]
    assert [p.figures[0].caption for p in parsed] == ["Words 3.", "Words 1.", "Words 2."]
    assert [p.figures[0].license.code for p in parsed] == ["unknown", "unknown", "CC BY"]
    with pytest.raises(InputError, match="3"):
        parse(data, 3)


def test_oai_answers_in_a_default_namespace() -> None:
    oai = '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>{}</ListRecords></OAI-PMH>'
    record = "<record><metadata>{}</metadata></record>"
    spaced = [
        article(n).replace("<article ", '<article xmlns="https://jats.nlm.nih.gov/ns/archiving/1.3/" ', 1)
        for n in (1, 2)
    ]
    data = oai.format("".join(record.format(a) for a in spaced)).encode()
    assert [head.ids.pmcid for head in jats.scan(data)] == ["PMC1", "PMC2"]
    parsed = parse(data, 1)
    assert (parsed.article.title, parsed.figures[0].caption) == ("Title", "Words 2.")
    assert len(parsed.figures[0].mentions) == 1


def test_a_prefixed_namespace() -> None:
    prefixed = re.sub(r"<(/?)(?=[a-z])", r"<\1j:", GOOD).replace(
        "<j:article ", '<j:article xmlns:j="urn:jats" ', 1
    )
    assert caption(prefixed) == "Words."


def test_scan_agrees_with_parse() -> None:
    data = f"<set>{article(1)}<other/>{article(2)}</set>".encode()
    assert [h.ids for h in jats.scan(data)] == [parse(data, i).article.ids for i in range(2)]
    assert jats.scan(GOOD.encode()) == [jats.ArticleHead(Ids(pmcid="PMC123"), "research-article")]


def test_scan_stops_behind_the_metadata_of_a_single_article() -> None:
    assert jats.scan(GOOD[: GOOD.index("<body>") + 10].encode())[0].ids.pmcid == "PMC123"


def test_scan_reads_what_a_broken_file_still_tells() -> None:
    cut = jats.scan(GOOD[: GOOD.index("<title-group>")].encode())
    assert [head.ids.pmcid for head in cut] == ["PMC123"]
    mended = jats.scan(("junk" + GOOD.replace("Title", "A&nbsp;title & more")).encode())
    assert [head.ids.pmcid for head in mended] == ["PMC123"]


def test_sub_articles_are_not_articles() -> None:
    sub = '<sub-article article-type="reply"><front-stub><article-id pub-id-type="doi">10.1/r</article-id></front-stub><body/></sub-article>'
    data = GOOD.replace("</article>", f"{sub}</article>").encode()
    assert [head.ids.pmcid for head in jats.scan(data)] == ["PMC123"]


# --- anything -------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [b"<", b">", b"&", b'"', b"</p>", b"<p>", b"<fig>", b"</fig>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?x", b":", b"\xff", b"\0",
     b"<ref-list>", b"</ref-list>", b"</article>", b"<article>", b"<!DOCTYPE a [", b"&x;", b"&#0;", b" "]
)  # fmt: skip


def survives(data: bytes) -> None:
    for read in (lambda: parse(data), lambda: jats.scan(data)):
        with contextlib.suppress(InputError):
            read()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.lists(PIECES, max_size=12).map(b"".join))
def test_any_bytes_give_an_answer_or_an_input_error(data: bytes) -> None:
    survives(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 30), st.lists(PIECES, max_size=3).map(b"".join))
def test_any_damage_gives_an_answer_or_an_input_error(at: int, length: int, instead: bytes) -> None:
    data = (HEAD + BODY + f"<back>{REFS}</back></article>").encode()
    survives(data[:at] + instead + data[at + length :])
