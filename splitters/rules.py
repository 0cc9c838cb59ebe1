"""The default caption splitter: rules over letters, markup and sentence structure; no model, no download."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from ..core import stages
from ..core.records import Span, Subcaption, spans_text
from ..core.stages import Caption, Resources, Splitter
from .candidates import REFERENCE_COST, Candidate, find_candidates, label_of
from .chain import Chain, best_chain
from .segments import Piece, assign, in_unlabelled_units, merge_spans


class RulesOptions(stages.Options):
    """Options of :class:`RulesSplitter`."""

    shared: bool = True
    """Give each part the words shared by all panels (title, scale bars) as ``preface`` and ``tail``."""
    markup: bool = True
    """Take bold and italic labels as evidence."""
    min_score: float = Field(default=1.0, ge=1.0)
    """Chain score below which a caption counts as naming no panels; each label is worth up to 1."""


class RulesSplitter(Splitter):
    """Split a caption at its panel labels, found as the best rising chain over all label styles at once.

    Spans are character offsets into ``Caption.text``; labels keep the caption's case, ranges and lists are
    expanded, nested labels (``A1``, ``Ai``) fold to their parent. Captions that name fewer than two panels
    have no parts. Time is about linear in the caption's length.
    """

    name = "rules"
    Options = RulesOptions
    resources = Resources(batch=256)

    def split(self, captions: Sequence[Caption]) -> Sequence[Sequence[Subcaption]]:
        """Parts of each caption in label order; empty where fewer than two panels are named."""
        options: RulesOptions = self.options
        return [split_caption(caption, options) for caption in captions]


def split_caption(caption: Caption, options: RulesOptions) -> list[Subcaption]:
    """Parts of one caption; see :class:`RulesSplitter`."""
    text = caption.text
    candidates = find_candidates(text, caption.markup if options.markup else ())
    chain = best_chain(candidates, caption.labels)
    if chain is None or chain.score < options.min_score:
        return []
    marks = with_reopened(text, chain, candidates)
    return _parts(caption, chain, assign(text, marks), options)


def with_reopened(text: str, chain: Chain, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The chain's marks and those that come back to its labels, at the start of a later clause or nested."""
    known, style = chain.mask, {mark.style for mark in chain.marks}
    marks, inline = list(chain.marks), []
    grouped = 0
    for mark in chain.marks:
        grouped |= mark.mask if len(mark.base) > 1 else 0
    taken = {mark.start for mark in marks}
    for c in candidates:
        if c.family != chain.family or c.start in taken or c.mask & ~known or c.start < marks[0].start:
            continue
        if c.style not in style:
            if c.lead == 2 and not c.mask & ~grouped:
                marks.append(c)
            continue
        if c.lead == 2 or (c.lead == 1 and c.style == "bracket"):
            marks.append(c)
        elif c.style == "bracket" and c.cost < REFERENCE_COST:
            inline.append(c)
    marks += in_unlabelled_units(text, marks, inline)
    marks.sort(key=lambda c: c.start)
    disjoint: list[Candidate] = []
    for mark in marks:
        if not disjoint or mark.start >= disjoint[-1].end:
            disjoint.append(mark)
    return disjoint


def _parts(caption: Caption, chain: Chain, pieces: list[Piece], options: RulesOptions) -> list[Subcaption]:
    text = caption.text
    names: dict[int, str] = {}
    for mark in chain.marks:
        for base in mark.base:
            names.setdefault(base, _name(mark, base))
    grouped: dict[tuple[tuple[Span, ...], ...], list[str]] = {}
    order: list[tuple[tuple[Span, ...], ...]] = []
    for base in sorted(names):
        roles = tuple(
            merge_spans(text, [(p.start, p.end) for p in pieces if p.role == role and p.mask >> base & 1])
            for role in ("preface", "own", "tail")
        )
        if roles not in grouped:
            order.append(roles)
        grouped.setdefault(roles, []).append(names[base])
    confidence = max(0.0, min(1.0, chain.score / len(names)))
    why = f"{chain.family} {'/'.join(dict.fromkeys(m.style for m in chain.marks))}"
    parts = []
    for roles in order:
        preface, own, tail = roles if options.shared else ((), roles[1], ())
        spans = tuple(sorted(preface + own + tail))
        if spans:
            parts.append(
                Subcaption(
                    labels=tuple(grouped[roles]), spans=spans, text=spans_text(text, spans),
                    preface=preface, own=own, tail=tail, confidence=round(confidence, 4), why=why,
                )
            )  # fmt: skip
    return parts


def _name(mark: Candidate, base: int) -> str:
    upper = mark.family == "roman" and mark.labels[0].isupper()
    return label_of(mark.family, base, upper)
