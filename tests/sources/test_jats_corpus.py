"""The reader on real articles: every figure accounted for, every span exact, every citation found."""

from __future__ import annotations

import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from lxml import etree

from pmcx.sources import jats

pytestmark = pytest.mark.real_data


def check_exactness(parsed: jats.ParsedArticle) -> None:
    """What must hold for every article whatever it says."""
    ids = [figure.id for figure in parsed.figures]
    assert len(set(ids)) == len(ids)
    assert set(parsed.candidates) == set(ids)
    for figure in parsed.figures:
        assert figure.image.href == parsed.candidates[figure.id][0] != ""
        assert figure.caption == " ".join(figure.caption.split())
        assert 0 <= figure.title_end <= len(figure.caption)
        for mark in figure.markup:
            words = figure.caption[mark.start : mark.end]
            assert 0 <= mark.start < mark.end <= len(figure.caption)
            assert words == words.strip() != ""
        paragraphs = [mention.paragraph for mention in figure.mentions]
        assert len(set(paragraphs)) == len(paragraphs)
        for mention in figure.mentions:
            assert mention.text == " ".join(mention.text.split())
            assert mention.spans
            for span in mention.spans:
                words = mention.text[span.start : span.end]
                assert 0 <= span.start <= span.end <= len(mention.text)
                assert words == words.strip()
                for label in span.labels:
                    assert len(label) == 1 or label in "ii iii iv vi vii viii ix xi xii"
                    assert label in words or any(
                        joint in words for joint in (*"-‐‑‒–—―−", " to ", " through ")
                    )


def truth(root: etree._Element) -> set[tuple[str, str]]:
    """Distinct (figure id, path of the nearest paragraph) pairs, counted without the reader's help."""
    figures = {fig.get("id") for fig in root.iter("fig")}
    tree = root.getroottree()
    pairs = set()
    for xref in root.iter("xref"):
        if xref.get("ref-type") not in ("fig", "figure"):
            continue
        block = xref.getparent()
        while block is not None and block.tag not in ("p", "li", "td", "title"):
            block = block.getparent()
        for rid in (xref.get("rid") or "").split():
            if rid in figures and block is not None:
                pairs.add((rid, tree.getpath(block)))
    return pairs


def found(parsed: jats.ParsedArticle) -> Counter[str]:
    """Figure id -> paragraphs with a citation of its own (images of one figure share them)."""
    return Counter(
        {
            figure.id.removeprefix("A/"): sum(
                any(s.kind != "range" for s in m.spans) for m in figure.mentions
            )
            for figure in parsed.figures
        }
    )


def hits(pairs: set[tuple[str, str]], parsed: jats.ParsedArticle) -> int:
    own = found(parsed)
    return sum(min(number, own[figure]) for figure, number in Counter(figure for figure, _ in pairs).items())


def corpus(shared: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(shared / "jats" / "europepmc_2000.tar.xz") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None and member.name.endswith(".xml"):
                yield Path(member.name).stem, content.read()


@lru_cache(maxsize=1)
def licences(shared: Path) -> dict[str, str]:
    lines = (shared / "jats" / "europepmc_2000.index.tsv").read_text().splitlines()
    return {row[0]: row[1] for row in (line.split("\t") for line in lines[1:])}


@pytest.mark.slow
def test_the_whole_corpus(shared_data: Path) -> None:
    count: Counter[str] = Counter()
    disagree = []
    for name, data in corpus(shared_data):
        root = etree.fromstring(data)
        parsed = jats.parse(data, source="corpus", article_id="A")
        check_exactness(parsed)
        head = jats.scan(data)
        assert [h.ids for h in head] == [parsed.article.ids]
        assert jats.make_article_id(head[0].ids, "") == name

        own = {figure.id for figure in parsed.figures} | {drop.id for drop in parsed.drops}
        extra = {f"{figure.id}.g{n}" for figure in parsed.figures for n in range(2, 9)}
        count["articles"] += 1
        count["figs"] += len(own - extra)
        count["figs in XML"] += sum(1 for _ in root.iter("fig"))
        count["video"] += sum(drop.reason == "video" for drop in parsed.drops)
        count["other drops"] += sum(drop.reason != "video" for drop in parsed.drops)
        count["with several images"] += len(
            {f.id.rpartition(".g")[0] for f in parsed.figures if f.id in extra}
        )
        pairs = truth(root)
        count["pairs"] += len(pairs)
        count["pairs found"] += hits(pairs, parsed)
        count["implied"] += sum(
            s.kind == "range" for f in parsed.figures for m in f.mentions for s in m.spans
        )
        listed = licences(shared_data)[name].replace("CC ZERO", "CC0")
        if parsed.article.license.spdx.replace("CC-BY-", "CC BY ").replace("CC0-", "CC0 ") != listed:
            disagree.append((name, parsed.article.license.spdx, listed))
    assert count["articles"] == 2095
    assert count["figs"] == count["figs in XML"] == 10_125
    assert (count["video"], count["other drops"]) == (9, 0)
    assert count["pairs"] >= 19_080
    assert count["pairs found"] >= 0.99 * count["pairs"]
    assert count["implied"] >= 100
    assert len(disagree) <= 3, disagree  # ported licences that SPDX has no id for


def test_the_pmc_articles(shared_data: Path) -> None:
    total = right = 0
    for path in sorted((shared_data / "interfaces" / "pmc_nxml").glob("*.nxml")):
        parsed = jats.parse(path.read_bytes(), source="test", article_id="A")
        check_exactness(parsed)
        pairs = truth(etree.fromstring(path.read_bytes()))
        total, right = total + len(pairs), right + hits(pairs, parsed)
    assert (total, right) == (33, 33)


def test_every_package_article(shared_data: Path) -> None:
    seen = 0
    for path in sorted((shared_data / "articles").glob("*/*.xml")):
        data = path.read_bytes()
        if not jats.scan(data):
            assert path.name == "manifest.xml"
            continue
        parsed = jats.parse(data, source="test", article_id="A")
        check_exactness(parsed)
        assert parsed.figures
        seen += 1
    assert seen == 16


def test_known_answers_from_packages(shared_data: Path) -> None:
    articles = shared_data / "articles"

    def read(name: str) -> jats.ParsedArticle:
        return jats.parse((articles / name).read_bytes(), source="test", article_id="A")

    preprint = read("2022.03.15.484463/2022.03.15.484463.xml")
    assert next(iter(preprint.candidates.values())) == ("484463v1_fig1",)
    assert preprint.article.ids.version == "1.1"
    elife = read("elife-46472-v3/main.jats.xml")
    assert elife.article.license.spdx == "CC0-1.0"
    assert read("elife-32671/manuscript.xml").article.license.code == "unknown"
    assert read("hoehnea-49-e1112020/2236-8906-hoehnea-49-e1112020.xml").article.language == "pt"
    equations = read("plosone-0093988/main.jats.xml")
    assert len(equations.figures) == 3


def test_the_meca_article(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "interfaces" / "meca" / "95901-v1-meca.zip") as package:
        data = package.read("content/24301711.xml")
        manifest = package.read("manifest.xml")
    assert jats.scan(manifest) == []
    head = jats.scan(data)[0]
    assert jats.make_article_id(head.ids, "") == "10.1101_2024.01.24.24301711v1"
    parsed = jats.parse(data, source="meca", article_id="A")
    assert parsed.candidates == {"A/fig1": ("24301711v1_fig1.tif",)}
    assert parsed.article.license.spdx == "CC-BY-4.0"


def test_the_renditions_of_2026(shared_data: Path) -> None:
    europe = (shared_data / "interfaces" / "europepmc" / "PMC13294358_excerpt.xml").read_bytes()
    parsed = jats.parse(europe, source="test", article_id="A")
    assert parsed.candidates == {"A/Fig1": ("41598_2026_59457_Fig1_HTML.jpg",)}
    assert (parsed.article.license.spdx, parsed.article.license.source) == ("CC-BY-4.0", "license//ext-link")
    ncbi = (
        shared_data / "interfaces" / "pmc_xml_2026" / "RECONSTRUCTED_ncbi_2026_rendition.xml"
    ).read_bytes()
    assert jats.make_article_id(jats.scan(ncbi)[0].ids, "") == "PMC12345.2"


def test_the_efetch_set(shared_data: Path) -> None:
    data = (shared_data / "interfaces" / "efetch" / "pubget_articleset.xml").read_bytes()
    heads = jats.scan(data)
    assert [head.ids.pmcid for head in heads][:2] == ["PMC9057060", "PMC9056525"]
    parsed = [jats.parse(data, source="test", article_id="A", index=i) for i in range(len(heads))]
    assert [p.article.ids for p in parsed] == [head.ids for head in heads]
    assert [p.article.license.code for p in parsed] == ["CC BY"] * 4 + ["CC BY-NC-ND"] * 3
