"""How long parsing JATS takes, as a multiple of what lxml alone needs for the same bytes.

    python benchmarks/jats_speed.py [ARTICLES] [--limit N] [--rounds N]

ARTICLES is a folder of ``*.xml``/``*.nxml`` or a ``.tar``/``.tar.xz`` of them; without it, articles are
generated. Each article goes through every parser in turn, so that all see the same machine; the best
round of each counts. ``pubmed_parser`` joins where it is installed (its ``parse_pubmed_caption`` reads
captions only). Only ratios are printed: they carry over to other machines, seconds do not.
"""

from __future__ import annotations

import argparse
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
    """Articles of the usual make-up: sections, citations, figures, a long reference list."""
    for n in range(count):
        figures = 4 + n % 5
        fig = "".join(
            f'<fig id="F{i}"><label>Figure {i}</label><caption><title>Finding {i}.</title><p>(<bold>A</bold>) '
            f"Cells stained for <italic>gene{i}</italic>, 10<sup>{i}</sup> cells. (<bold>B</bold>) Counts; bars "
            f'are means.</p></caption><graphic xlink:href="a{n}-g{i:03d}"/></fig>'
            for i in range(1, figures + 1)
        )
        paragraphs = "".join(
            f"<p>We saw effect {i} in <italic>S. aureus</italic> <xref ref-type=\"bibr\" rid=\"B{i}\">[{i}]</xref> "
            f'(<xref ref-type="fig" rid="F{i % figures + 1}">Fig {i % figures + 1}A</xref>), which agrees with '
            f"earlier work. {'Further detail follows here in plain words. ' * 12}</p>"
            for i in range(1, 41)
        )
        references = "".join(
            f'<ref id="B{i}"><mixed-citation><person-group><name><surname>S{i}</surname><given-names>G</given-names>'
            f"</name></person-group><article-title>Title {i}</article-title><source>J</source><year>2001</year>"
            f"</mixed-citation></ref>"
            for i in range(1, 61)
        )
        yield (
            '<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article"><front>'
            "<journal-meta><journal-title>J</journal-title></journal-meta><article-meta>"
            f'<article-id pub-id-type="pmc">{n + 1}</article-id><title-group><article-title>Article {n}'
            "</article-title></title-group><permissions><license "
            'xlink:href="https://creativecommons.org/licenses/by/4.0/"/></permissions></article-meta></front>'
            f"<body><sec><title>Results</title>{paragraphs}{fig}</sec></body><back><ref-list>{references}"
            "</ref-list></back></article>"
        ).encode()


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
        try:
            parse_pubmed_caption(str(file))
        except Exception:  # it raises on many real articles; what it did until then counts
            pass
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
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
