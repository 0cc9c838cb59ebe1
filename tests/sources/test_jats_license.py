"""Reuse terms: families, versions, order of evidence, and other people's rights in figures."""

# ruff: noqa: E501 (XML reads best unbroken)

from __future__ import annotations

import pytest

from pmcx.core.records import License
from pmcx.sources import jats
from pmcx.sources.jats_license import read_terms, third_party

BY = "https://creativecommons.org/licenses/by/4.0/"
OWN = f'<permissions><copyright-statement>© 2020 Us</copyright-statement><license xlink:href="{BY}"/></permissions>'


def parse(
    front: str, fig: str = "<caption><p>Words.</p></caption>", before: str = "", after: str = ""
) -> jats.ParsedArticle:
    data = (
        '<article xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:ali="http://www.niso.org/schemas/ali/1.0/">'
        f"<front><article-meta>{front}</article-meta></front><body>{before}"
        f'<fig id="F1">{fig}<graphic xlink:href="a"/></fig>{after}</body></article>'
    )
    return jats.parse(data.encode(), source="test", article_id="A")


def license_of(inner: str) -> License:
    return parse(f"<permissions>{inner}</permissions>").article.license


def figure_license(fig: str) -> License:
    return parse(OWN, fig).figures[0].license


@pytest.mark.parametrize(
    ("text", "code", "spdx"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "CC BY", "CC-BY-4.0"),
        ("http://www.creativecommons.org/licenses/by-nc-nd/3.0", "CC BY-NC-ND", "CC-BY-NC-ND-3.0"),
        ("http://creativecommons.org/licenses/by-nd-nc/1.0/", "CC BY-NC-ND", "CC-BY-NC-ND-1.0"),
        ("creativecommons.org/licences/by-nc-sa/2.5", "CC BY-NC-SA", "CC-BY-NC-SA-2.5"),
        ("https://creativecommons.org/licenses/by/3.0/igo/", "CC BY", "CC-BY-3.0-IGO"),
        ("https://creativecommons.org/licenses/by-nc/2.0/uk/", "CC BY-NC", ""),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", "CC BY", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/4.0/deed.en", "CC BY", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by/", "CC BY", ""),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0", "CC0-1.0"),
        ("http://creativecommons.org/publicdomain/mark/1.0/", "PD", "CC-PDM-1.0"),
        ("under the Creative Commons Attribution License, which permits unrestricted use", "CC BY", ""),
        ("a Creative Commons Attribution 4.0 International License, which", "CC BY", "CC-BY-4.0"),
        ("the Creative Commons Attribution Non-Commercial License, which", "CC BY-NC", ""),
        (
            "Creative Commons Attribution-NonCommercial-NoDerivs 3.0 Unported License",
            "CC BY-NC-ND",
            "CC-BY-NC-ND-3.0",
        ),
        ("Creative Commons Attribution-Noncommercial-Share Alike 3.0", "CC BY-NC-SA", "CC-BY-NC-SA-3.0"),
        ("distributed under CC BY-NC-ND 4.0 license", "CC BY-NC-ND", "CC-BY-NC-ND-4.0"),
        ("licensed CC-BY 4.0.", "CC BY", "CC-BY-4.0"),
        ("under the Creative Commons CC0 public domain dedication", "CC0", "CC0-1.0"),
        ("Publication of EHP lies in the public domain and is therefore without copyright.", "PD", ""),
        # BMC's data waiver beside the licence of the text
        (
            f"Attribution ({BY}). The Public Domain Dedication waiver (http://creativecommons.org/publicdomain/zero/1.0/) "
            "applies to the data",
            "CC BY",
            "CC-BY-4.0",
        ),
        # of two licences the stricter
        (f"{BY} or https://creativecommons.org/licenses/by-nc/4.0/", "CC BY-NC", "CC-BY-NC-4.0"),
    ],
)
def test_reading_terms(text: str, code: str, spdx: str) -> None:
    terms = read_terms(text)
    assert terms is not None
    assert (terms.code, terms.spdx) == (code, spdx)


@pytest.mark.parametrize(
    "text",
    [
        "http://www.elsevier.com/open-access/userlicense/1.0/",
        "Since January 2020 Elsevier has created a COVID-19 resource centre with free information in English.",
        "Open Access: free to read. All rights reserved.",
        "This article is made available via the PMC Open Access Subset for unrestricted research re-use.",
        "See Creative Commons for details. Attribution is kind.",
    ],
)
def test_what_grants_no_known_terms(text: str) -> None:
    assert read_terms(text) is None


def test_the_order_of_evidence() -> None:
    ref = "<ali:license_ref>https://creativecommons.org/licenses/by-nc/4.0/</ali:license_ref>"
    link = f'<license-p><ext-link xlink:href="{BY}">here</ext-link></license-p>'
    attribute = 'xlink:href="https://creativecommons.org/licenses/by-sa/4.0/"'
    prose = "<license-p>Creative Commons Attribution-NoDerivs 4.0 licence</license-p>"
    statement = "<copyright-statement>CC BY-NC-SA 4.0</copyright-statement>"
    found = [
        license_of(f"{statement}<license {attribute}>{ref}{link}</license>"),
        license_of(f"{statement}<license {attribute}>{link}</license>"),
        license_of(f"{statement}<license>{link}{prose}</license>"),
        license_of(f"{statement}<license>{prose}</license>"),
        license_of(statement),
        license_of(f"<ali:free_to_read/>{ref}"),
    ]
    assert [(license_.code, license_.source) for license_ in found] == [
        ("CC BY-NC", "ali:license_ref"),
        ("CC BY-SA", "license/@href"),
        ("CC BY", "license//ext-link"),
        ("CC BY-ND", "license-p"),
        ("CC BY-NC-SA", "copyright-statement"),
        ("CC BY-NC", "ali:license_ref"),
    ]
    assert found[0].url == found[0].evidence == "https://creativecommons.org/licenses/by-nc/4.0/"


def test_an_unknown_reference_does_not_hide_a_known_licence() -> None:
    text = '<license xlink:href="https://publisher.org/terms"><license-p>CC BY 4.0</license-p></license>'
    assert license_of(text).spdx == "CC-BY-4.0"


def test_unknown_terms_keep_their_url_and_words() -> None:
    license_ = license_of(
        '<license xlink:href="https://publisher.org/terms"><license-p>Ours.</license-p></license>'
    )
    assert (license_.code, license_.url, license_.source) == (
        "unknown",
        "https://publisher.org/terms",
        "license/@href",
    )


def test_no_statement_at_all_is_unknown() -> None:
    assert parse("").article.license == License()


def test_nlm_2_3_states_its_terms_without_permissions() -> None:
    prose = "<copyright-statement>X et al. This is distributed under the Creative Commons Attribution License.</copyright-statement>"
    assert parse(prose).article.license.code == "CC BY"
    assert parse(f"<license xlink:href='{BY}'/>").article.license.code == "CC BY"


def test_a_figure_takes_the_articles_licence() -> None:
    parsed = parse(OWN)
    assert parsed.figures[0].license == parsed.article.license
    assert parsed.article.license.third_party == "no"


@pytest.mark.parametrize(
    ("caption", "verdict"),
    [
        ("Reprinted with permission from [50]. Copyright 2013 ACS.", "yes"),
        ("Reproduced from Yang et al. (2017) with permission of The Royal Society.", "yes"),
        ("Reproduced from [232] with required copyright permission.", "yes"),
        ("Image courtesy of the Center for History.", "yes"),
        ("Map from Google Earth (©2018 Google).", "yes"),
        ("Adapted by permission from Macmillan.", "yes"),
        ("Modified from Bai et al., 2011.", "suspect"),
        ("Figure adapted and redrawn from [3].", "suspect"),
        ("(Photo credit: A. Person)", "suspect"),
        ("The map was downloaded from https://commons.wikimedia.org/x.", "suspect"),
        ("Published with permission of the patient.", "no"),
        ("Photographed with the written permission from her parents.", "no"),
        ("Data reproduced from Fig 2 for clarity.", "no"),
        ("© The Authors", "no"),
        ("Samples taken from patients; modified protocol from day 2; reproduced three times.", "no"),
        ("Source data are provided. Photobleaching of cells adapted to light.", "no"),
    ],
)
def test_wording_that_points_to_others(caption: str, verdict: str) -> None:
    assert third_party(caption)[0] == verdict
    license_ = figure_license(f"<caption><p>{caption}</p></caption>")
    assert license_.third_party == verdict
    assert license_.code == "CC BY"
    if verdict != "no":
        assert (license_.source, license_.evidence in caption) == ("fig/caption", True)


def test_attrib_wording_counts() -> None:
    license_ = figure_license(
        "<caption><p>C.</p></caption><attrib>© Jane Doe, courtesy of the museum</attrib>"
    )
    assert (license_.third_party, license_.source) == ("yes", "fig/attrib")


def test_a_figures_own_terms_replace_the_articles() -> None:
    own = '<permissions><license xlink:href="https://creativecommons.org/licenses/by-nc/4.0/"/></permissions>'
    license_ = figure_license(own)
    assert (license_.code, license_.source, license_.third_party) == ("CC BY-NC", "fig/permissions", "no")


def test_somebody_elses_copyright_without_terms_is_not_covered() -> None:
    license_ = figure_license(
        "<permissions><copyright-statement>© 2010 Elsevier</copyright-statement></permissions>"
    )
    assert (license_.code, license_.third_party, license_.evidence) == ("unknown", "yes", "© 2010 Elsevier")


def test_a_repeated_copyright_of_the_article_changes_nothing() -> None:
    parsed = parse(OWN, "<permissions><copyright-statement>© 2020 Us</copyright-statement></permissions>")
    assert parsed.figures[0].license == parsed.article.license


def test_an_exempted_panel_is_not_covered_by_the_licence_it_names() -> None:
    words = "Panel A reprinted from X with permission; it is not covered by the CC BY 4.0 license."
    license_ = figure_license(f"<permissions><license><license-p>{words}</license-p></license></permissions>")
    assert (license_.code, license_.third_party) == ("unknown", "yes")


def test_the_strictest_of_several_permissions_decides() -> None:
    one = f'<permissions><license xlink:href="{BY}"/></permissions>'
    two = "<permissions><copyright-statement>© 2011 Wiley. All rights reserved.</copyright-statement></permissions>"
    assert figure_license(one + two).code == "unknown"
    assert figure_license(one + two).third_party == "yes"


def test_rights_of_an_enclosing_figure_hold_for_its_children() -> None:
    child = '<fig id="F2"><graphic xlink:href="b"/></fig>'
    parsed = parse(OWN, f"<caption><p>Reprinted with permission from X.</p></caption>{child}")
    assert [f.license.third_party for f in parsed.figures] == ["yes", "yes"]


def test_rights_of_one_figure_do_not_leak_to_the_next() -> None:
    other = '<fig id="F2"><caption><p>Own.</p></caption><graphic xlink:href="b"/></fig>'
    parsed = parse(OWN, "<caption><p>Courtesy of X.</p></caption>", after=other)
    assert [f.license.third_party for f in parsed.figures] == ["yes", "no"]


def test_a_sub_article_has_its_own_terms_where_it_states_them() -> None:
    def sub(inner: str) -> str:
        return f'<sub-article><front-stub>{inner}</front-stub><body><fig id="S"><graphic xlink:href="s"/></fig></body></sub-article>'

    nc = '<permissions><license xlink:href="https://creativecommons.org/licenses/by-nc/4.0/"/></permissions>'
    data = (
        f'<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta>{OWN}</article-meta></front><body/>'
        f"{sub(nc)}{sub('')}</article>"
    )
    figures = jats.parse(data.encode(), source="t", article_id="A").figures
    assert [f.license.code for f in figures] == ["CC BY-NC", "CC BY"]
