"""Article metadata: identifiers, dates, people, retraction, attribution; and ids made from them."""

# ruff: noqa: E501 (XML reads best unbroken)

from __future__ import annotations

import pytest

from pmcx.core.records import Article, Author, Ids
from pmcx.sources import jats
from pmcx.sources.jats import make_article_id


def read(meta: str = "", *, journal: str = "", attributes: str = "") -> Article:
    data = (
        f'<article xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}><front><journal-meta>{journal}'
        f"</journal-meta><article-meta>{meta}</article-meta></front></article>"
    )
    return jats.parse(data.encode(), source="test", article_id="A").article


def ids(*pairs: tuple[str, str], more: str = "") -> Ids:
    return read(
        "".join(f'<article-id pub-id-type="{kind}">{text}</article-id>' for kind, text in pairs) + more
    ).ids


@pytest.mark.parametrize("kind", ["pmc", "pmcid"])
@pytest.mark.parametrize("text", ["123", "PMC123", " PMC123 "])
def test_pmc_ids_of_all_renditions_are_normalised(kind: str, text: str) -> None:
    assert ids((kind, text)).pmcid == "PMC123"


def test_the_2026_rendition_states_its_version() -> None:
    found = ids(
        ("pmcid", "PMC123"), ("pmcid-ver", "PMC123.2"), ("pmcaid", "9"), ("pmcaiid", "8"), ("pmid", "7")
    )
    assert found == Ids(pmcid="PMC123", version="2", pmid="7")


def test_preprint_versions_and_dois() -> None:
    found = ids(("doi", "https://doi.org/10.1101/2024.01.24"), more="<article-version>1.3</article-version>")
    assert found == Ids(doi="10.1101/2024.01.24", version="1.3")
    words = "<article-version article-version-type='publication-state'>reviewed preprint</article-version>"
    assert ids(("doi", "10.1/x"), more=words).version == ""
    nested = (
        "<article-version-alternatives><article-version>2</article-version></article-version-alternatives>"
    )
    assert ids(more=nested).version == "2"


@pytest.mark.parametrize(
    ("ids_", "expected"),
    [
        (Ids(pmcid="PMC1", doi="10.1/x", pmid="2"), "PMC1"),
        (Ids(pmcid="PMC1", version="2"), "PMC1.2"),
        (Ids(pmcid="PMC1", version="1.3"), "PMC1"),
        (Ids(doi="10.1101/2024.01", version="1.2"), "10.1101_2024.01v2"),
        (Ids(doi="10.1101/2024.01v2", version="2"), "10.1101_2024.01v2"),
        (Ids(doi="10.1002/(SICI)1097 x/y"), "10.1002_(SICI)1097_x_y"),
        (Ids(pmid="77"), "PMID77"),
        (Ids(), "my_file"),
    ],
)
def test_article_ids(ids_: Ids, expected: str) -> None:
    assert make_article_id(ids_, "my file") == expected


def test_a_fallback_is_never_empty_nor_a_path() -> None:
    assert make_article_id(Ids(), "../..//") == "article"
    assert make_article_id(Ids(), "a/../b é.xml") == "a_.._b_.xml"


def date(*dates: str) -> str:
    return read("".join(dates)).date


def on(attributes: str, year: str, month: str = "", day: str = "") -> str:
    parts = f"<day>{day}</day>" * bool(day) + f"<month>{month}</month>" * bool(month)
    return f"<pub-date {attributes}>{parts}<year>{year}</year></pub-date>"


def test_dates_as_precise_as_known() -> None:
    assert date(on('pub-type="epub"', "2006", "2", "19")) == "2006-02-19"
    assert date(on('pub-type="ppub"', "2006", "Mar")) == "2006-03"
    assert date(on('pub-type="ppub"', "2006", "Spring")) == "2006"
    assert date(on("", "2026", "6", "24")) == "2026-06-24"
    assert date('<pub-date iso-8601-date="2020-05-06" pub-type="epub"/>') == "2020-05-06"
    assert date("<pub-date><string-date>May 2019</string-date></pub-date>") == "2019"
    assert date(on('pub-type="epub"', "2006", "13", "40")) == "2006"


def test_the_earliest_publication_counts() -> None:
    assert date(on('pub-type="ppub"', "2007", "1"), on('pub-type="epub"', "2006", "12", "3")) == "2006-12-03"
    assert (
        date(on('pub-type="epub-original"', "2021"), on('pub-type="epub"', "2021", "11", "19"))
        == "2021-11-19"
    )


def test_collections_and_repositories_count_only_without_a_publication_date() -> None:
    collection, release = on('pub-type="collection"', "2005"), on('pub-type="pmc-release"', "2004", "1", "1")
    assert (
        date(collection, release, on('date-type="pub" publication-format="electronic"', "2006", "2"))
        == "2006-02"
    )
    assert date(collection, release) == "2005"
    assert date(release) == "2004-01-01"
    assert date("<permissions><copyright-year>2011</copyright-year></permissions>") == "2011"
    assert date() == ""


def test_journals_of_all_ages() -> None:
    assert (
        read(
            journal="<journal-title>Old</journal-title><publisher><publisher-name>P</publisher-name></publisher>"
        ).journal
        == "Old"
    )
    new = read(
        journal="<journal-id>nlm</journal-id><journal-title-group><journal-title>New</journal-title></journal-title-group>"
    )
    assert new.journal == "New"
    assert read(journal="<journal-id journal-id-type='nlm-ta'>Ex J</journal-id>").journal == "Ex J"


def test_authors() -> None:
    contribs = (
        '<contrib-group><contrib contrib-type="author"><contrib-id contrib-id-type="orcid">http://orcid.org/0000-0002-1825-009x'
        "</contrib-id><name><surname>Doe</surname><given-names>Jane  B.</given-names></name><xref>1</xref></contrib>"
        "<contrib><name-alternatives><name><surname>Li</surname><given-names>Wei</given-names></name>"
        "<name><surname>李</surname></name></name-alternatives></contrib>"
        '<contrib contrib-type="author"><collab>The Consortium<contrib-group><contrib><name><surname>Member</surname></name>'
        "</contrib></contrib-group></collab></contrib>"
        '<contrib contrib-type="editor"><name><surname>Editor</surname></name></contrib></contrib-group>'
    )
    assert read(contribs).authors == (
        Author(surname="Doe", given="Jane B.", orcid="0000-0002-1825-009X"),
        Author(surname="Li", given="Wei"),
        Author(surname="The Consortium"),
    )


def test_titles_subjects_keywords_language() -> None:
    article = read(
        "<article-categories><subj-group><subject>Research</subject><subj-group><subject>Cell <italic>Biology</italic>"
        "</subject></subj-group></subj-group></article-categories><title-group><article-title>On <italic>E. coli</italic>"
        "<xref ref-type='fn' rid='n'>*</xref></article-title><subtitle>A study</subtitle></title-group>"
        "<kwd-group xml:lang='en'><title>Keywords</title><kwd>one</kwd><kwd><italic>two</italic></kwd></kwd-group>"
        "<kwd-group xml:lang='fr'><kwd>un</kwd></kwd-group><kwd-group kwd-group-type='abbreviations'><kwd>ABC</kwd></kwd-group>",
        attributes='xml:lang="en" article-type="research-article"',
    )
    assert (article.title, article.language, article.article_type) == (
        "On E. coli: A study",
        "en",
        "research-article",
    )
    assert article.subjects == ("Research", "Cell Biology")
    assert article.keywords == ("one", "two")


def test_the_main_abstract_without_its_heading_and_figures() -> None:
    graphical = "<abstract abstract-type='graphical'><p>No.</p></abstract>"
    main = (
        "<abstract><title>Abstract</title><sec><title>Background</title><p>Why.<fig id='g'><caption><p>No.</p></caption></fig>"
        "</p></sec><sec><title>Results</title><p>What.</p></sec></abstract><trans-abstract><p>Non.</p></trans-abstract>"
    )
    assert read(graphical + main).abstract == "Background Why. Results What."


@pytest.mark.parametrize(
    ("meta", "attributes", "expected"),
    [
        ("", 'article-type="retraction"', True),
        ("", 'article-type="research-article"', False),
        ("", 'article-type="correction"', False),
        ('<related-article related-article-type="retraction-forward"/>', "", True),
        ('<related-article related-article-type="corrected-article"/>', "", False),
        ("<title-group><article-title>RETRACTED ARTICLE: On cells</article-title></title-group>", "", True),
        ("<title-group><article-title>Retracted papers: a survey</article-title></title-group>", "", False),
        (
            "<custom-meta-group><custom-meta><meta-name>is-retracted</meta-name><meta-value>yes</meta-value></custom-meta></custom-meta-group>",
            "",
            True,
        ),
        (
            "<custom-meta-group><custom-meta><meta-name>is-retracted</meta-name><meta-value>no</meta-value></custom-meta></custom-meta-group>",
            "",
            False,
        ),
    ],
)
def test_retraction(meta: str, attributes: str, expected: bool) -> None:
    assert read(meta, attributes=attributes).retracted is expected


def test_retraction_links_of_a_sub_article_are_not_the_articles() -> None:
    data = (
        b"<article><front><article-meta/></front><body><p><related-article related-article-type='retraction-forward'/></p></body>"
        b"<sub-article article-type='retraction'><front-stub/></sub-article></article>"
    )
    assert not jats.parse(data, source="t", article_id="A").article.retracted


def test_attribution_is_one_readable_line() -> None:
    people = "".join(
        f"<contrib contrib-type='author'><name><surname>{s}</surname><given-names>{g}</given-names></name></contrib>"
        for s, g in (("Doe", "Jane-Ann B."), ("Roe", "R."), ("Poe", "E A"), ("Moe", "X"))
    )
    article = read(
        f"<article-id pub-id-type='doi'>10.1/x</article-id><title-group><article-title>Is it?</article-title></title-group>"
        f"<contrib-group>{people}</contrib-group>{on('', '2020', '1', '2')}"
        "<permissions><license xlink:href='https://creativecommons.org/licenses/by/4.0/'/></permissions>",
        journal="<journal-title>J Ex</journal-title>",
    )
    assert article.attribution == (
        "Doe JAB, Roe R, Poe EA et al. Is it? J Ex 2020. https://doi.org/10.1/x. "
        "CC-BY-4.0 (https://creativecommons.org/licenses/by/4.0/)."
    )
    assert read().attribution == ""
