"""How long parsing JATS takes, as a multiple of what lxml alone needs for the same bytes.

    python benchmarks/jats_speed.py [ARTICLES] [--limit N] [--rounds N]

ARTICLES is a folder of ``*.xml``/``*.nxml`` or a ``.tar``/``.tar.xz`` of them; without it, articles are
generated. Each article goes through every parser in turn, so that all see the same machine; the best
round of each counts. ``pubmed_parser`` joins where it is installed (its ``parse_pubmed_caption`` reads
captions only). Only ratios are printed: they carry over to other machines, seconds do not.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lxml import etree

from pmcx.core.errors import InputError
from pmcx.sources import jats


def generated(count: int) -> Iterator[bytes]:
    """Articles made up as the usual one in PMC: 60 paragraphs, 9 of them citing figures, 60 references."""
    for n in range(count):
        figures = 3 + n % 4
        floats = "".join(map(_figure, range(1, figures + 1)))
        paragraphs = "".join(_paragraph(i, i % figures + 1 if i % 7 == 0 else 0) for i in range(60))
        references = "".join(map(_reference, range(60)))
        yield (
            '<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article"><front>'
            "<journal-meta><journal-title>J</journal-title></journal-meta><article-meta>"
            f'<article-id pub-id-type="pmc">{n + 1}</article-id><title-group><article-title>Article {n}'
            "</article-title></title-group><permissions><license "
            'xlink:href="https://creativecommons.org/licenses/by/4.0/"/></permissions></article-meta></front>'
            f"<body><sec><title>Results</title>{paragraphs}{floats}</sec></body><back><ref-list>{references}"
            "</ref-list></back></article>"
        ).encode()


def _figure(number: int) -> str:
    return (
        f'<fig id="F{number}"><label>Figure {number}</label><caption><title>Finding {number}.</title><p>'
        f"(<bold>A</bold>) Cells stained for <italic>gene{number}</italic>, 10<sup>{number}</sup> cells. "
        "(<bold>B</bold>) Counts; bars are means and lines are fits to all data.</p></caption>"
        f'<graphic xlink:href="a-g{number:03d}"/></fig>'
    )


def _paragraph(number: int, cites: int) -> str:
    link = f'(Figure <xref ref-type="fig" rid="F{cites}">{cites}</xref>A)' if cites else "(data not shown)"
    sentences = "".join(
        f"In <italic>S. aureus</italic>, effect {number}.{i} was seen in earlier work at some length "
        f'[<xref ref-type="bibr" rid="B{i}">{i}</xref>], and found again under other conditions of growth. '
        for i in range(5)
    )
    return f"<p>{sentences}Here we saw it too {link}.</p>"


def _reference(number: int) -> str:
    people = "".join(
        f"<name><surname>Surname{i}</surname><given-names>G. N.</given-names></name>" for i in range(5)
    )
    return (
        f'<ref id="B{number}"><label>{number}</label><element-citation publication-type="journal">'
        f'<person-group person-group-type="author">{people}</person-group>'
        f"<article-title>A study of topic {number} in some organism of interest</article-title>"
        "<source>Journal of Things</source><year>2001</year>"
        f"<volume>{number}</volume><fpage>1</fpage><lpage>9</lpage></element-citation></ref>"
    )


def stored(path: Path) -> Iterator[bytes]:
    """The articles of a folder or an archive, in name order."""
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix in (".xml", ".nxml"):
                yield file.read_bytes()
        return
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith((".xml", ".nxml")) else None
            if content is not None:
                yield content.read()


def _lxml(data: bytes) -> None:
    etree.fromstring(data)  # freeing the tree counts, as it does in the others


def _parse(data: bytes) -> None:
    try:
        jats.parse(data, source="benchmark", article_id="A")
    except InputError:
        print("unusable article skipped")


def _pubmed_parser(folder: Path) -> Callable[[bytes], object]:
    from pubmed_parser import parse_pubmed_caption

    file = folder / "article.xml"

    def run(data: bytes) -> object:
        file.write_bytes(data)
        start = time.perf_counter()
        with contextlib.suppress(Exception):  # it raises on some real articles; what it did until then counts
            parse_pubmed_caption(str(file))
        return time.perf_counter() - start

    return run


def measure(articles: list[bytes], rounds: int) -> dict[str, float]:
    """Seconds of each parser over all articles, best of ``rounds`` for each article."""
    with tempfile.TemporaryDirectory() as folder:
        runs: dict[str, Callable[[bytes], object]] = {"lxml": _lxml, "pmcx": _parse, "pmcx scan": jats.scan}
        if importlib.util.find_spec("pubmed_parser"):
            runs["pubmed_parser captions"] = _pubmed_parser(Path(folder))
        total = dict.fromkeys(runs, 0.0)
        for data in articles:
            best = dict.fromkeys(runs, float("inf"))
            for _ in range(rounds):
                for name, run in runs.items():
                    start = time.perf_counter()
                    own = run(data)
                    seconds = own if isinstance(own, float) else time.perf_counter() - start
                    best[name] = min(best[name], seconds)
            for name, seconds in best.items():
                total[name] += seconds
    return total


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("articles", nargs="?", type=Path, help="folder or tar archive of JATS files")
    arguments.add_argument("--limit", type=int, default=0, help="use only the first N articles")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    articles = list(stored(given.articles) if given.articles else generated(300))
    articles = articles[: given.limit or None]
    total = measure(articles, given.rounds)
    print(f"{len(articles)} articles, {sum(map(len, articles)) / 1e6:.0f} MB, best of {given.rounds}")
    for name, seconds in total.items():
        print(f"{name:24s} {seconds / total['lxml']:5.2f} x lxml")


if __name__ == "__main__":
    main()
