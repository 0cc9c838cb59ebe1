"""Captions of the demo figures in the styles that journals use, with the place of every part.

Style frequencies follow counts over published captions: bracketed letters about 70 %, letters that
only bold type sets apart about 10 %, the rest ``A)``, ``A,``, ``A.``, ``A:``, letters after the text,
and captions that name no letter.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from xml.sax.saxutils import escape

from ...core.records import Span
from .panel import Content
from .study import Study, capital

STYLES = {"paren": 62, "bold": 10, "close": 6, "comma": 6, "dot": 5, "colon": 5, "after": 6}


@dataclasses.dataclass(frozen=True)
class DemoCaption:
    """A caption as text and as JATS; spans are offsets into ``text``, which is normalised."""

    text: str
    xml: str
    style: str
    own: dict[str, tuple[Span, ...]]
    """Panel letter -> the words of that panel alone (its letter included)."""
    preface: tuple[Span, ...]
    tail: tuple[Span, ...]


class _Writer:
    """Collects text and the same text as XML; parts are separated by one space."""

    def __init__(self) -> None:
        self.text = ""
        self.xml = ""

    def space(self) -> None:
        if self.text:
            self.text += " "
            self.xml += " "

    def add(self, text: str, tag: str = "") -> None:
        self.text += text
        body = escape(text)
        self.xml += f"<{tag}>{body}</{tag}>" if tag else body


def lower_first(text: str) -> str:
    """``text`` with a lower-case start, unless its first word is a name or an abbreviation."""
    word = text.split(" ", 1)[0]
    plain = word.replace("-", "").isalpha() and word[1:].islower()
    if not plain or word in {"Dice", "Masson", "C-reactive"}:
        return text
    return text[0].lower() + text[1:]


def figure_title(rng: random.Random, study: Study, contents: Sequence[Content], series: bool) -> str:
    """What the figure as a whole is about, without a full stop."""
    if series:
        return contents[0].lead()
    who = study.arm_words(study.arms)
    families = {c.family for c in contents}
    if families & {"flow", "table"}:
        return f"Overview and main results of the study in {who}"
    if any(c.photo for c in contents):
        return rng.choice(
            (f"Imaging and quantification in {who}", f"Structural and functional changes in {who}")
        )
    if families & {"molecule", "network", "dose"}:
        return f"{study.drug} acts on {study.gene} and its partners"
    return rng.choice((f"Quantitative comparison of {who}", f"Main outcomes in {who}"))


def choose_style(rng: random.Random, labelled: bool, series: bool) -> str:
    if not labelled:
        return "none"
    styles = STYLES if series else {k: v for k, v in STYLES.items() if k != "after"}
    return rng.choices(list(styles), list(styles.values()))[0]


def write_caption(
    rng: random.Random,
    study: Study,
    contents: Sequence[Content],
    labels: Sequence[str],
    series: bool,
    side_by_side: bool,
) -> DemoCaption:
    """The caption of a figure whose panels are ``contents`` in reading order.

    ``labels`` are the letters as drawn, without brackets; empty where the figure has none.
    """
    style = choose_style(rng, bool(labels), series)
    out = _Writer()
    own: dict[str, tuple[Span, ...]] = {}
    scale_notes = {n for c in contents for n in c.notes() if n.startswith("Scale bar,")}
    many_scales = len(scale_notes) > 1
    title = ""
    if len(contents) > 1 and style != "after" and (series or rng.random() < 0.75):
        title = figure_title(rng, study, contents, series)
    as_title = bool(title) and rng.random() < 0.5
    title_xml = ""
    if title:
        out.add(f"{title}.", "" if as_title else rng.choice(("bold", "")))
        if as_title:
            title_xml, out.xml = f"<title>{out.xml}</title>", ""
    preface: tuple[Span, ...] = ((0, len(out.text)),) if out.text else ()
    if style == "none":
        _unlabelled(out, contents, series, side_by_side)
    elif style == "after":
        own = _after(out, contents, labels)
    else:
        own = _listed(rng, out, style, contents, labels, series and bool(title), many_scales)
    notes = dict.fromkeys(n for c in contents for n in c.notes() if not (many_scales and n in scale_notes))
    tail: tuple[Span, ...] = ()
    if notes and not (style == "none" and len(contents) == 1 and rng.random() < 0.3):
        out.space()
        start = len(out.text)
        out.add(" ".join(notes))
        tail = ((start, len(out.text)),)
    xml = f"{title_xml}<p>{out.xml.strip()}</p>"
    return DemoCaption(text=out.text, xml=xml, style=style, own=own, preface=preface, tail=tail)


def _unlabelled(out: _Writer, contents: Sequence[Content], series: bool, side_by_side: bool) -> None:
    """A caption without letters: plain sentences, or places for a pair."""
    if len(contents) == 2:
        places = ("Left", "right") if side_by_side else ("Top", "bottom")
        first, second = (c.brief() if series else lower_first(c.phrase()) for c in contents)
        out.space()
        out.add(f"{places[0]}, {first}; {places[1]}, {second}.")
        return
    if series:
        out.space()
        out.add(f"Panels show {', '.join(c.brief() for c in contents[:-1])} and {contents[-1].brief()}.")
        return
    for content in contents:
        out.space()
        out.add(f"{content.phrase()}.")


def _after(out: _Writer, contents: Sequence[Content], labels: Sequence[str]) -> dict[str, tuple[Span, ...]]:
    """Letters behind their words: ``Sections from wild-type (A) and knockout mice (B).``"""
    own: dict[str, tuple[Span, ...]] = {}
    out.space()
    out.add(f"{contents[0].lead()}: ")
    for k, (content, label) in enumerate(zip(contents, labels, strict=True)):
        start = len(out.text)
        out.add(f"{content.brief()} (")
        out.add(label)
        out.add(")")
        own[label] = ((start, len(out.text)),)
        last = k == len(contents) - 1
        out.add("." if last else (" and " if k == len(contents) - 2 else ", "))
    return own


def _groups(rng: random.Random, contents: Sequence[Content]) -> list[list[int]]:
    """Neighbours of one family that one sentence may describe together."""
    groups: list[list[int]] = []
    for k, content in enumerate(contents):
        joins = groups and contents[groups[-1][0]].family == content.family and content.vary
        if joins and rng.random() < 0.5 and not (len(groups[-1]) == 1 and k != groups[-1][-1] + 1):
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def _listed(
    rng: random.Random,
    out: _Writer,
    style: str,
    contents: Sequence[Content],
    labels: Sequence[str],
    brief: bool,
    own_scale: bool,
) -> dict[str, tuple[Span, ...]]:
    """Letters before their words, one sentence for each panel or for neighbours of a kind."""
    own: dict[str, tuple[Span, ...]] = {}
    bold = style == "bold" or rng.random() < 0.55
    groups = [[k] for k in range(len(contents))] if brief else _groups(rng, contents)
    stop = "; " if brief and rng.random() < 0.3 and style not in {"dot", "bold"} else ". "
    for n, group in enumerate(groups):
        if n:
            out.add(stop.strip())
        out.space()
        start = len(out.text)
        first = contents[group[0]]
        if len(group) > 1:
            text = f"{first.lead()}: {', '.join(contents[k].brief() for k in group[:-1])} and "
            text += contents[group[-1]].brief()
        else:
            text = first.brief() if brief else first.phrase()
        if own_scale:
            notes = [note for note in first.notes() if note.startswith("Scale bar,")]
            text += "".join(f". {note[:-1]}" for note in notes)
        _marked(out, style, _joined([labels[k] for k in group]), text, bold, stop == "; " and n > 0)
        end = len(out.text) + len(stop.strip() if n < len(groups) - 1 else ".")
        for k in group:
            own[labels[k]] = ((start, end),)
    out.add(".")
    return own


def _joined(labels: Sequence[str]) -> str:
    """``A``, ``A, B``, ``A\u2013C``."""
    if len(labels) > 2:
        return f"{labels[0]}\u2013{labels[-1]}"
    return ", ".join(labels)


def _marked(out: _Writer, style: str, label: str, text: str, bold: bool, low: bool) -> None:
    tag = "bold" if bold else ""
    text = lower_first(text) if low or style == "comma" else capital(text)
    if style == "paren":
        out.add("(")
        out.add(label, tag)
        out.add(f") {text}")
        return
    mark = {"close": ")", "comma": ",", "dot": ".", "colon": ":", "bold": ""}[style]
    out.add(label, tag)
    out.add(f"{mark} {text}")
