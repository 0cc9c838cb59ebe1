"""Demo articles: real JATS XML and real image files, made up from a seed, read back by the real parser."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

import msgspec

from ...core.errors import InputError
from ...core.records import Box, Figure, Span
from ...core.stages import Document
from .. import jats
from .caption import lower_first
from .figure import FigurePlan, draw_figure, encode, make_look, plan_figure
from .study import Study, make_study

_ID = re.compile(r"DEMO([0-9]{8})")
_AUTHORS = (
    ("Example", "Ada"), ("Placeholder", "Bo"), ("Specimen", "Cleo"), ("Sample", "Dara"), ("Mockup", "Eli"),
    ("Fictive", "Fen"), ("Invented", "Gale"), ("Testcase", "Hollis"),
)  # fmt: skip
_SUFFIX = {"jpeg": "jpg", "png": "png", "tiff": "tif"}


def article_id(index: int) -> str:
    """The id of the article with this index, from 0: ``DEMO00000001`` …"""
    return f"DEMO{index + 1:08d}"


def article_index(name: str) -> int:
    """The index of an article id; InputError where it is none."""
    match = _ID.fullmatch(name)
    if match is None or int(match[1]) < 1:
        raise InputError(f"{name!r} is no demo article; their ids are DEMO00000001, DEMO00000002 …")
    return int(match[1]) - 1


@dataclasses.dataclass(frozen=True)
class TruthPanel:
    """One panel as it was drawn.

    ``box`` is tight to the ink, letter, axes and titles included; ``spans`` are the words of this panel
    alone in the figure's caption (empty where the caption names no letters).
    """

    label: str
    box: Box
    label_box: Box | None
    family: str
    spans: tuple[Span, ...]


@dataclasses.dataclass(frozen=True)
class FigureTruth:
    """What a demo figure really holds; spans refer to ``caption``, panels are in reading order."""

    figure: str
    caption: str
    style: str
    """Caption style: ``paren``, ``close``, ``comma``, ``dot``, ``colon``, ``bold``, ``after`` or ``none``."""
    preface: tuple[Span, ...]
    tail: tuple[Span, ...]
    size: tuple[int, int]
    panels: tuple[TruthPanel, ...]


def _plans(index: int, seed: int, figures: int) -> tuple[Study, list[FigurePlan]]:
    rng = random.Random(f"{seed}/{index}")
    study, look = make_study(rng, index), make_look(rng)
    return study, [plan_figure(study, look, seed, index, k) for k in range(figures)]


def demo_truth(name: str, seed: int = 0, figures: int = 3) -> tuple[FigureTruth, ...]:
    """The truth of all figures of article ``name`` (drawn anew), in the order of the article's figures."""
    _, plans = _plans(article_index(name), seed, figures)
    return tuple(_truth(name, k, plan) for k, plan in enumerate(plans))


def _truth(name: str, number: int, plan: FigurePlan) -> FigureTruth:
    _, drawn = draw_figure(plan)
    panels = tuple(
        TruthPanel(p.label, p.box, p.label_box, p.family, plan.caption.own.get(p.label, ())) for p in drawn
    )
    caption = plan.caption
    return FigureTruth(
        figure=f"{name}/F{number + 1}", caption=caption.text, style=caption.style, preface=caption.preface,
        tail=caption.tail, size=(plan.width, plan.height), panels=panels,
    )  # fmt: skip


class DemoDocument(Document):
    """A demo article; an image is drawn when it is read, from the seed alone."""

    def __init__(self, parsed: jats.ParsedArticle, plans: dict[str, FigurePlan]) -> None:
        super().__init__(parsed.article, [_resolved(f, plans) for f in parsed.figures], drops=parsed.drops)
        self._plans = plans

    def read(self, figure: Figure) -> bytes:
        plan = self._plans.get(figure.image.href)
        if plan is None:
            return super().read(figure)
        image, _ = draw_figure(plan)
        return encode(plan, image)


def _resolved(figure: Figure, plans: dict[str, FigurePlan]) -> Figure:
    """``figure`` with the name of its file."""
    href = figure.image.href
    image = msgspec.structs.replace(figure.image, name=f"{href}.{_SUFFIX[plans[href].format]}")
    return msgspec.structs.replace(figure, image=image)


def make_document(index: int, seed: int, figures: int) -> DemoDocument:
    """Plan, write and parse article ``index``; nothing is drawn yet."""
    xml, stems = _written(index, seed, figures)
    return DemoDocument(jats.parse(xml, source="demo", article_id=article_id(index)), stems)


def make_package(index: int, seed: int = 0, figures: int = 3) -> dict[str, bytes]:
    """Article ``index`` as the files of a package, by name: its XML and its images."""
    xml, stems = _written(index, seed, figures)
    files = {f"{article_id(index).lower()}.nxml": xml}
    for stem, plan in stems.items():
        files[f"{stem}.{_SUFFIX[plan.format]}"] = encode(plan, draw_figure(plan)[0])
    return files


def _written(index: int, seed: int, figures: int) -> tuple[bytes, dict[str, FigurePlan]]:
    study, plans = _plans(index, seed, figures)
    stems = {f"{article_id(index).lower()}-g{k + 1:03d}": plan for k, plan in enumerate(plans)}
    return article_xml(index, seed, study, stems), stems


def article_xml(index: int, seed: int, study: Study, plans: dict[str, FigurePlan]) -> bytes:
    """The article as JATS 1.3 (Z39.96), with one ``fig`` for each plan; keys are the graphics' hrefs."""
    rng = random.Random(f"{seed}/{index}/text")
    topic = study.topic
    title = study.fill(topic.title)
    who = study.arm_words(study.arms)
    abstract = (
        "This article was made by the demo source of pmcx; its data, names and images are invented. "
        f"We compared {who} and describe {study.fill(topic.measures[0].words)} among other measures. "
        "All figures were drawn by the package."
    )
    contributors = "".join(
        f'<contrib contrib-type="author"><name><surname>{surname}</surname>'
        f"<given-names>{given}</given-names></name></contrib>"
        for surname, given in rng.sample(_AUTHORS, 3)
    )
    keywords = "".join(f"<kwd>{escape(k)}</kwd>" for k in ("demonstration data", *topic.keywords))
    figs = list(plans.items())
    results = "".join(_result(rng, study, k, plan) for k, (_, plan) in enumerate(figs))
    role = f"The role of {study.gene} in {study.tissue} biology is simulated here; nothing was observed."
    xml = f"""<?xml version="1.0" encoding="UTF-8"?>
<article xmlns:xlink="http://www.w3.org/1999/xlink" article-type="research-article" xml:lang="en"
 dtd-version="1.3">
<front><journal-meta><journal-id journal-id-type="publisher-id">demo</journal-id>
<journal-title-group><journal-title>Journal of Demonstration Data</journal-title></journal-title-group>
<publisher><publisher-name>pmcx demo source</publisher-name></publisher></journal-meta>
<article-meta><article-id pub-id-type="publisher-id">{article_id(index)}</article-id>
<article-categories><subj-group subj-group-type="heading">
<subject>{topic.subject_heading}</subject></subj-group>
</article-categories>
<title-group><article-title>{escape(title)}</article-title></title-group>
<contrib-group>{contributors}</contrib-group>
<pub-date pub-type="epub"><day>{rng.randint(1, 28)}</day><month>{rng.randint(1, 12)}</month>
<year>2020</year></pub-date>
<permissions><copyright-statement>No rights reserved.</copyright-statement>
<license license-type="open-access" xlink:href="https://creativecommons.org/publicdomain/zero/1.0/">
<license-p>This article was generated by software and is dedicated to the public domain under the
<ext-link ext-link-type="uri"
 xlink:href="https://creativecommons.org/publicdomain/zero/1.0/">CC0 1.0</ext-link>
dedication.</license-p></license></permissions>
<abstract><p>{escape(abstract)}</p></abstract>
<kwd-group>{keywords}</kwd-group></article-meta></front>
<body><sec id="s1" sec-type="intro"><title>Introduction</title>
<p id="p1">{escape(role)}</p></sec>
<sec id="s2" sec-type="results"><title>Results</title>{results}</sec>
<sec id="s3" sec-type="discussion"><title>Discussion</title>
<p id="p2">Taken together, {_range(len(figs))} show how {escape(who)} differ in this simulated
study.</p></sec></body>
<floats-group>{"".join(_fig(k, href, plan) for k, (href, plan) in enumerate(figs))}</floats-group></article>
"""
    return xml.encode()


def _fig(number: int, href: str, plan: FigurePlan) -> str:
    mime = {"jpeg": "jpeg", "png": "png", "tiff": "tiff"}[plan.format]
    return (
        f'<fig id="F{number + 1}" position="float"><label>Figure {number + 1}</label>'
        f"<caption>{plan.caption.xml}</caption>"
        f'<graphic mimetype="image" mime-subtype="{mime}" xlink:href="{href}"/></fig>\n'
    )


def _cite(number: int, text: str) -> str:
    return f'<xref ref-type="fig" rid="F{number + 1}">{text}</xref>'


def _range(figures: int) -> str:
    if figures == 0:
        return "the results"
    if figures == 1:
        return _cite(0, "Fig. 1")
    dash = "\u2013" if figures > 2 else " and "
    return f"{_cite(0, 'Figs 1')}{dash}{_cite(figures - 1, str(figures))}"


def _result(rng: random.Random, study: Study, number: int, plan: FigurePlan) -> str:
    """One paragraph of results that cites the figure, and its first panels by letter."""
    n = number + 1
    panels: Sequence[tuple[str, str]] = [(p.label.upper(), p.content.phrase()) for p in plan.panels]
    opening = rng.choice(("We next examined", "Our second question concerned", "We then turned to"))
    if number == 0:
        opening = "We first examined"
    first_label, first = panels[0]
    text = f"{opening} {escape(_plain(first))} ({_cite(number, f'Fig. {n}{first_label}')}). "
    if first_label:
        second_label, second = panels[1]
        text += f"{_cite(number, f'Figure {n}{second_label}')} shows {escape(_plain(second))}"
        if len(panels) > 2:
            rest = panels[2][0] if len(panels) == 3 else f"{panels[2][0]}\u2013{panels[-1][0]}"
            text += f", in line with the other panels ({_cite(number, f'Fig. {n}{rest}')})"
        text += ". "
    text += f"The differences between {escape(study.arm_words(study.arms))} were simulated."
    return f'<p id="r{n}">{text}</p>\n'


def _plain(phrase: str) -> str:
    """A panel's phrase as the object of a sentence: its first clause, with an article if it needs one."""
    clause = lower_first(re.split(r"\. |; ", phrase)[0])
    head = re.split(r" (?:of|in|between|from|after|for|across)\b", clause)[0]
    return clause if head.endswith("s") else f"the {clause}"
