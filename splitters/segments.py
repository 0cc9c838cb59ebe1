"""Which words of a caption belong to which label, once the labels are known.

Units are sentences, cut further at semicolons. A mark that opens its unit owns the words after it; marks
inside a sentence own the words after or before them, as the connectives between them tell.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from ..core.records import Span
from .candidates import Candidate

Role = Literal["preface", "own", "tail"]


class Piece(NamedTuple):
    """The words ``text[start:end]`` and the labels (bit set) they belong to."""

    start: int
    end: int
    mask: int
    role: Role


class Unit(NamedTuple):
    """A sentence or clause ``text[start:end]``; ``sentence`` numbers the sentence it is part of."""

    start: int
    end: int
    sentence: int


_BREAK = re.compile(r"[.?!;](?=[)\]\"'”’]?\s|[A-Z(]|$)")
_ABBREVIATED_WORDS = """
fig figs al e.g i.e vs cf ca approx dr prof sp spp ssp subsp no nos st var ref refs eq eqs resp etc
mag orig exp incl vol max min conc temp hr hrs sec bp inc ltd co corp viz nov gen comb syn cv mr ms
mrs jr
"""
_ABBREVIATED = frozenset(_ABBREVIATED_WORDS.split())
_CONNECTIVE = re.compile(
    r"(?:[\s,;]|\b(?:and|while|whereas|with|or|but|then|also|in|of|as well as|followed by"
    r"|compared (?:to|with))\b)+$"
)
_OPENING = re.compile(r"[\s,;]{0,3}(?:(?:and|while|whereas|or|but|then|followed by|as well as)\b\s{0,2})?")
_STARTS_JOINED = re.compile(r"\s{0,2}(?:,|;|/|&|(?:and|or|while|whereas|with|versus|vs)\b)")
_ENDS_JOINED = re.compile(r"(?:\b(?:and|or|while|whereas|with|versus|by|to)|&)[\s(]{0,2}$|[,;]\s{0,2}$")
_ABBREVIATION = re.compile(r"\s[a-z]{1,6}(?:,|:|\s?=)\s")
_PREPOSITIONS_WORDS = """
in of for from with without by at on to before after during under between within against using the a
an
"""
_PREPOSITIONS = frozenset(_PREPOSITIONS_WORDS.split())
_TAIL = re.compile(
    r"\bscale\s?(?:bars?|lines?)\b|\bbars?\b\s?[:=,(]"
    r"|\bbars?\s(?:is|are|represents?|indicates?|denotes?|corresponds?)\b"
    r"|\bmagnification|\bobjective\b|^\s?abbreviations?\b"
    r"|\berror bars?\b|\barrow(?:s|heads?)?\b|\basterisks?\b"
    r"|\bmean\s?(?:values?\s?)?±|\bmeans?\s(?:and|with|\+)|±\s?s\.?\s?[de]|\bn\s?[=≥>]\s?\d"
    r"|\bp\s?(?:-?values?\s?)?[<>=≤]"
    r"|\ball (?:panels|images|figures|scale|data|the|experiments|samples|values)\b|\b(?:each|every) panel\b"
    r"|\brepresentative of\b|\bstatistical|\bsignifican|\bt-?test|\banova\b|\bindependent experiments\b"
    r"|\bsee (?:also|text|fig|table|materials|methods|supp)|\breproduced (?:from|with)|\badapted from"
    r"|\bcopyright|\bcredit"
    r"|\bsource data\b|\bcolou?r (?:code|version|figure|online)"
    r"|\bfor (?:abbreviations|interpretation|details)\b"
    r"|\bdata (?:are|were|is|represent|shown)\b|\bvalues (?:are|were|represent)"
    r"|\bresults (?:are|were|represent)"
    r"|^\s?[\[(]?(?:scale|bar|original|note|notes|key|legend|symbols)\b|^\s?\*|^\s?[†‡#§]|\bdoi:"
    r"|^(?:[\w.?’'/-]{1,7}(?:,|\s?[=:–])\s?[^;,.]{2,50}[;,.]\s?){2}",
    re.I,
)


def units_of(text: str, marks: Sequence[Candidate] = ()) -> list[Unit]:
    """Sentences and semicolon clauses of ``text``; a mark that stands first after a stop opens one too."""
    cuts: dict[int, bool] = {}
    depth_from = _open_brackets(text)
    for match in _BREAK.finditer(text):
        at = match.start()
        end = match.end()
        if text[end : end + 1] in ")]\"'”’" and text[end : end + 1]:
            end += 1
        if depth_from[at] or not _ends_sentence(text, at, end):
            continue
        cuts[end] = text[at] != ";"
    leading = sum(mark.lead == 2 for mark in marks) * 2 >= len(marks)
    for mark in marks:
        if leading and mark is marks[0] and _untitled(text, mark):
            cuts.setdefault(mark.start, True)
        if mark.lead == 2 or (
            mark.lead == 1 and text[max(0, mark.start - 3) : mark.start].rstrip()[-1:] in (";", ":")
        ):
            # The stop before a mark is the boundary even where it looks like an abbreviation.
            cuts.setdefault(mark.start, mark.lead == 2)
        for inner in range(mark.start + 1, mark.end + 1):
            cuts.pop(inner, None)
    units: list[Unit] = []
    start = sentence = 0
    for cut in sorted(cuts):
        if text[start:cut].strip():
            units.append(Unit(start, cut, sentence))
            start = cut
        if cuts[cut]:
            sentence += 1
    if text[start:].strip():
        units.append(Unit(start, len(text), sentence))
    return units


def _untitled(text: str, mark: Candidate) -> bool:
    """``Title without a stop (A) First words``: the mark opens a sentence all the same."""
    before = text[max(0, mark.start - 20) : mark.start].split()
    follow = text[mark.end : mark.end + 3].lstrip()
    return bool(before) and follow[:1].isupper() and before[-1].isalnum() and before[-1] not in _PREPOSITIONS


def _open_brackets(text: str) -> bytearray:
    """1 at every character inside a round bracket that is closed within 400 characters."""
    inside = bytearray(len(text))
    opened = -1
    for match in re.finditer(r"[()]", text):
        if match.group() == "(":
            if opened < 0:
                opened = match.start()
        elif opened >= 0:
            if match.start() - opened <= 400:
                inside[opened : match.start()] = b"\1" * (match.start() - opened)
            opened = -1
    return inside


def _ends_sentence(text: str, at: int, end: int) -> bool:
    if text[at] != ".":
        return True
    follow = text[end : end + 2].lstrip()[:1]
    if follow and follow.islower():
        return _ABBREVIATION.match(text, end) is not None
    if end < len(text) and not text[end].isspace():
        # "incision.(B)" is a boundary, "U.S.A" and "0.5" are not.
        return (
            text[at - 1 : at].islower()
            and (follow.isupper() or follow == "(")
            and text[at - 2 : at - 1].isalpha()
        )
    words = text[max(0, at - 12) : at].split()
    word = words[-1].lstrip("([") if words else ""
    if word.lower() in _ABBREVIATED:
        return False
    return not (len(word) == 1 and word.isalpha() and word.isupper() and follow.isupper()) or len(words) < 2


def in_unlabelled_units(
    text: str, marks: Sequence[Candidate], mentions: Sequence[Candidate]
) -> list[Candidate]:
    """Those of ``mentions`` that stand in sentences after the first mark that hold none of ``marks``."""
    if not mentions:
        return []
    units = units_of(text, marks)
    starts = [unit.start for unit in units]
    holding = {units[max(0, bisect_right(starts, mark.start) - 1)].sentence for mark in marks}
    return [
        mention
        for mention in mentions
        if units[max(0, bisect_right(starts, mention.start) - 1)].sentence not in holding
    ]


def assign(text: str, marks: Sequence[Candidate]) -> list[Piece]:
    """Every word of the caption given to all labels (preface, tail) or to those it belongs to (own).

    Pieces are in text order, disjoint, trimmed and non-empty; connectives between labels are left out.
    """
    everyone = 0
    for mark in marks:
        everyone |= mark.mask
    units = units_of(text, marks)
    pieces = list(_assign_units(text, units, marks, everyone))
    return [trimmed for piece in pieces if (trimmed := _trim(text, piece)) is not None]


def _assign_units(text: str, units: list[Unit], marks: Sequence[Candidate], everyone: int) -> Iterator[Piece]:
    of_unit: list[list[Candidate]] = [[] for _ in units]
    at = 0
    for mark in marks:
        while at + 1 < len(units) and mark.start >= units[at].end:
            at += 1
        of_unit[at].append(mark)
    last = max(i for i, own in enumerate(of_unit) if own)
    tail_from = _tail_start(text, units, of_unit, last)
    current = 0
    for i, (unit, own) in enumerate(zip(units, of_unit, strict=True)):
        if own:
            yield from _within(text, unit, own, everyone, current)
            current = _last_mask(text, unit, own)
        elif current == 0:
            yield Piece(unit.start, unit.end, everyone, "preface")
        elif i >= tail_from:
            yield Piece(unit.start, unit.end, everyone, "tail")
        else:
            yield Piece(unit.start, unit.end, current, "own")


def _is_lead(text: str, unit: Unit, mark: Candidate) -> bool:
    opening = _OPENING.match(text, unit.start)
    return mark.start <= (opening.end() if opening else unit.start)


def _last_mask(text: str, unit: Unit, own: list[Candidate]) -> int:
    """The labels that unlabelled sentences after this unit go on about."""
    if _is_lead(text, unit, own[0]) or len(own) == 1:
        return own[-1].mask
    mask = 0
    for mark in own:
        mask |= mark.mask
    return mask


def _tail_start(text: str, units: list[Unit], of_unit: list[list[Candidate]], last: int) -> int:
    """Index of the first unit of the shared tail; ``len(units)`` without one."""
    start = len(units)
    inline = _inline(of_unit[last]) and not _is_lead(text, units[last], of_unit[last][0])
    i = len(units) - 1
    cues = sentences = 0
    while i > last:
        first = i
        while first - 1 > last and units[first - 1].sentence == units[i].sentence:
            first -= 1
        later = units[i].sentence > units[last].sentence
        sentences += 1
        if (inline and later) or _TAIL.search(text[units[first].start : units[i].end].lstrip()):
            cues += 1
            # A sentence without a cue between or after those with one is shared as well.
            if cues * 2 >= sentences:
                start = first
        i = first - 1
    return start


def _inline(own: list[Candidate]) -> bool:
    """Bracketed labels may stand anywhere in a sentence, others stand before their words."""
    return own[0].style in ("bracket", "rparen")


def _within(text: str, unit: Unit, own: list[Candidate], everyone: int, before: int) -> Iterator[Piece]:
    first = before == 0
    if _is_lead(text, unit, own[0]):
        yield from _labels_before(unit.end, own)
        return
    if not _inline(own):
        yield Piece(unit.start, own[0].start, everyone if first else before, "preface" if first else "own")
        yield from _labels_before(unit.end, own)
        return
    shared = 0
    for mark in own:
        shared |= mark.mask
    if len(own) == 1:
        yield Piece(unit.start, unit.end, shared, "own")
    elif _after_votes(text, unit, own) > 0:
        yield from _labels_after(text, unit, own)
    else:
        colon = text[unit.start : own[0].start].rstrip().endswith(":")
        yield Piece(unit.start, own[0].start, everyone if first and colon else shared, "preface")
        yield from _labels_before(unit.end, own)


def _labels_before(end: int, own: list[Candidate]) -> Iterator[Piece]:
    for mark, following in zip(own, [*own[1:], None], strict=True):
        yield Piece(mark.start, following.start if following else end, mark.mask, "own")


def _after_votes(text: str, unit: Unit, own: list[Candidate]) -> float:
    """Positive where the marks inside a sentence follow their words."""
    votes = 0.0
    for left, right in pairwise(own):
        between = text[left.end : right.start]
        votes += bool(_STARTS_JOINED.match(between))
        votes -= bool(_ENDS_JOINED.search(between))
    if not text[own[-1].end : unit.end].strip(" .,;:)"):
        votes += 1.5
    before = text[unit.start : own[0].start].rstrip()
    if before.endswith(":"):
        votes -= 1.5
    return votes


def _labels_after(text: str, unit: Unit, own: list[Candidate]) -> Iterator[Piece]:
    """``lateral (A) and medial (B) views, and a detail (C)``: clusters of marks that share words."""
    start, cluster = unit.start, own[:1]
    for left, right in zip(own, [*own[1:], None], strict=True):
        if right is not None and _STARTS_JOINED.match(text, left.end, right.start):
            cluster.append(right)
            continue
        end = unit.end
        if right is not None:
            comma = max(text.rfind(sign, left.end, right.start) for sign in (", ", "; ", " and "))
            end = comma + 1 if comma >= 0 else left.end
        yield from _cluster_after(text, start, end, cluster)
        start, cluster = end, [right] if right is not None else []


def _cluster_after(text: str, start: int, end: int, own: list[Candidate]) -> Iterator[Piece]:
    """Shared words, the words of each mark, shared words."""
    shared = 0
    for mark in own:
        shared |= mark.mask
    starts = []
    for left, right in pairwise(own):
        opening = _OPENING.match(text, left.end)
        starts.append(min(opening.end() if opening else left.end, right.start))
    split = _phrase_start(text, start, own, starts)
    if split > start:
        yield Piece(start, split, shared, "preface")
    for mark, begin in zip(own, [split, *starts], strict=True):
        yield Piece(begin, mark.end, mark.mask, "own")
    yield Piece(own[-1].end, end, shared, "tail")


def _phrase_start(text: str, start: int, own: list[Candidate], starts: list[int]) -> int:
    """Where the first label's own phrase begins, by the shape of the second label's phrase."""
    words = text[starts[0] : own[1].start].split() if starts else []
    before = [(m.start(), m.group()) for m in re.finditer(r"\S+", text[start : own[0].start])]
    if not words or not before:
        return start
    head = words[0].lower()
    if head in _PREPOSITIONS:
        for offset, word in reversed(before):
            if word.lower() == head:
                return start + offset
    if len(words) <= 3 and len(before) > len(words):
        return start + before[-len(words)][0]
    return start


def _trim(text: str, piece: Piece) -> Piece | None:
    """The piece without white space and without a connective that only leads over to the next one."""
    start, end = piece.start, piece.end
    chunk = text[start:end]
    if piece.role == "own" and end < len(text):
        joined = _CONNECTIVE.search(chunk[-60:])
        if joined:
            end -= len(chunk[-60:]) - joined.start()
            chunk = text[start:end]
    stripped = chunk.strip()
    if not stripped or not any(c.isalnum() for c in stripped):
        return None
    start += len(chunk) - len(chunk.lstrip())
    return piece._replace(start=start, end=start + len(stripped))


def merge_spans(text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Sorted spans, with those joined that only white space or a comma or semicolon parts."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and not text[merged[-1][1] : start].strip(" ,;\t\n"):
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
