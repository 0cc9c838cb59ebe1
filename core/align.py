"""Which words of the caption belong to which panel: by letters read, else by reading order, else by none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .layout import area, center, contains, reading_order
from .records import Alignment, AlignmentMethod, Letter, Panel, Record, Span, Subcaption

ORDER_SCORE = 0.9
"""Score of reading order with a sure caption, where rows and columns first give the same order: with true
boxes 96 % of such panels come out right (3,593 figures), with detected ones less."""
GRID_SCORE = 0.8
"""The same where they differ (grids, mixed layouts), and rows first is the likelier one of two: 89 % of
panels (1,299 figures)."""

_NESTED = re.compile(r"([A-Za-z])(?:-?\d{1,2}|['′’″]{1,2}|-?[ivxIVX]{1,4})")
_PARTS = re.compile(r"\d+|\D+")
_ROMAN = {
    numeral: i
    for i, numeral in enumerate(["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"])
}


class Aligned(Record, frozen=True, kw_only=True):
    """One panel, its label filled in, with its caption part; ``part`` None stands for the whole caption."""

    panel: Panel
    part: Subcaption | None = None
    alignment: Alignment = Alignment()


def align(
    panels: Sequence[Panel], parts: Sequence[Subcaption], letters: Sequence[Letter] = ()
) -> list[Aligned]:
    """Give each panel of one figure its label and caption part; one answer for each panel, in order.

    ``panels`` are in reading order, ``parts`` and ``letters`` those of the same figure. Labels compare
    without case. Methods, and their scores in 0..1 (``c`` is ``(1 + part.confidence) / 2``):

    - ``letter``: a letter was read inside the panel and the caption names it: ``letter.score * c``.
    - ``order``: no letter decides, and there are as many labels left as panels: ``0.9 * c``, or
      ``0.8 * c`` where the panels could as well be read column by column.
    - ``whole-figure``: the caption names no panels, score ``1 / len(panels)``; or the figure is one
      panel of which the caption names several, score .5.
    - ``unmatched``: anything else, also a part that is no more than its label; the whole caption with
      score 0, never a guess. A letter that was read stays the panel's label.

    Nested labels (``A1``, ``Aii``, ``A'``) fold to their parent where only that finds a part or makes the
    counts match; the parent's part then holds the words of all its children.
    """
    if not parts:
        read = _read(panels, letters, None)
        score = round(1.0 / len(panels), 4) if panels else 0.0
        whole = Alignment(method="whole-figure", score=score)
        return [Aligned(panel=_labelled(p, read.get(i)), alignment=whole) for i, p in enumerate(panels)]
    index = _Index(parts)
    read = _read(panels, letters, index)
    answers: dict[int, Aligned] = {}
    for i, letter in read.items():
        panel = _labelled(panels[i], letter)
        answers[i] = _matched(panel, index.part(letter.text), "letter", letter.score)
    evidence = GRID_SCORE if _ambiguous(panels) else ORDER_SCORE
    open_panels = [i for i in range(len(panels)) if i not in answers]
    for i, label in _by_order(open_panels, index, [letter.text for letter in read.values()]):
        part = index.part(label)
        score = _score(evidence, part) if part else 0.0
        answers[i] = _matched(_relabelled(panels[i], label, score), part, "order", evidence)
    alone = Alignment(method="whole-figure", score=0.5)
    rest = alone if len(panels) == 1 else Alignment(method="unmatched")
    return [answers.get(i) or Aligned(panel=panel, alignment=rest) for i, panel in enumerate(panels)]


def parent(label: str) -> str:
    """The label that a nested one belongs to (``A1``, ``Aii``, ``A'`` -> ``A``); itself where it is plain."""
    match = _NESTED.fullmatch(label)
    if match is None or (label in (label.lower(), label.upper()) and label.lower() in _ROMAN):
        return label
    return match.group(1)


def label_order(labels: Iterable[str]) -> list[str]:
    """Distinct labels (without case) in label order: A, A1, A2, B; 2, 10; i, ii, iv as Roman numerals."""
    distinct = list({label.casefold(): label for label in reversed(list(labels))}.values())
    folded = [label.casefold() for label in distinct]
    roman = len(folded) > 1 and all(label in _ROMAN for label in folded) and "ii" in folded
    return sorted(distinct, key=lambda label: _order_key(label.casefold(), roman))


def _order_key(label: str, roman: bool) -> tuple[tuple[int, int, str], ...]:
    if roman:
        return ((0, _ROMAN[label], ""),)
    head = parent(label)
    suffix = label[len(head) :].lstrip("-")
    if head != label and suffix in _ROMAN:
        return ((1, 0, head), (0, _ROMAN[suffix], ""))
    return tuple(
        (0, int(piece), "") if piece.isdecimal() else (1, 0, piece)
        for chunk in (head, suffix)
        for piece in _PARTS.findall(chunk)
    )


class _Index:
    """The parts of a caption by label, without case."""

    def __init__(self, parts: Sequence[Subcaption]) -> None:
        self.labels = label_order(label for part in parts for label in part.labels)
        self.exact: dict[str, list[Subcaption]] = {}
        self.children: dict[str, list[Subcaption]] = {}
        for part in parts:
            for label in part.labels:
                for table, key in ((self.exact, label), (self.children, parent(label))):
                    held = table.setdefault(key.casefold(), [])
                    if part not in held:
                        held.append(part)

    def part(self, label: str) -> Subcaption | None:
        """The part of a label, else of its parent, else of all its children."""
        folded, above = label.casefold(), parent(label).casefold()
        found = self.exact.get(folded) or self.exact.get(above) or self.children.get(folded)
        return merge_parts(found) if found else None


def _read(panels: Sequence[Panel], letters: Sequence[Letter], index: _Index | None) -> dict[int, Letter]:
    """The letter of each panel: the surest inside it, one panel a letter, those the caption names first."""
    claims: list[tuple[bool, float, int, int]] = []
    for n, letter in enumerate(letters):
        middle = center(letter.box)
        inside = [i for i, panel in enumerate(panels) if contains(panel.box, middle)]
        if inside and letter.text:
            smallest = min(inside, key=lambda i: (area(panels[i].box), i))
            named = index is None or index.part(letter.text) is not None
            claims.append((not named, -letter.score, n, smallest))
    read: dict[int, Letter] = {}
    taken: set[str] = set()
    for _, _, n, i in sorted(claims):
        label = letters[n].text.casefold()
        if i not in read and label not in taken:
            read[i] = letters[n]
            taken.add(label)
    return read


def _by_order(panels: list[int], index: _Index, used: Sequence[str]) -> list[tuple[int, str]]:
    """Labels not read, in label order, for the panels without one, where the counts match."""
    if not panels:
        return []
    parents = label_order(parent(label) for label in index.labels)
    for labels, fold in ((index.labels, False), (parents, True)):
        gone = {(parent(label) if fold else label).casefold() for label in used}
        left = [label for label in labels if label.casefold() not in gone]
        if len(left) == len(panels):
            return list(zip(panels, left, strict=True))
    return []


def _matched(panel: Panel, part: Subcaption | None, method: AlignmentMethod, evidence: float) -> Aligned:
    """A panel with its part; the whole caption where the caption says nothing of its own about it."""
    if part is None or _wordless(part):
        return Aligned(panel=panel, alignment=Alignment(method="unmatched"))
    return Aligned(panel=panel, part=part, alignment=Alignment(method=method, score=_score(evidence, part)))


def _wordless(part: Subcaption) -> bool:
    """Whether a part's own words are no more than its labels, as in "(a)(b) Both ..." for a."""
    own = sum(end - start for start, end in part.own or part.spans)
    return own <= sum(len(label) + 3 for label in part.labels)


def _ambiguous(panels: Sequence[Panel]) -> bool:
    """Whether reading columns first gives another order than reading rows first."""
    boxes = [panel.box for panel in panels]
    turned = [(y0, x0, y1, x1) for x0, y0, x1, y1 in boxes]
    return reading_order(boxes) != reading_order(turned)


def _score(evidence: float, part: Subcaption) -> float:
    return round(max(0.0, min(1.0, evidence)) * (1.0 + max(0.0, min(1.0, part.confidence))) / 2, 4)


def _labelled(panel: Panel, letter: Letter | None) -> Panel:
    return panel if letter is None else _relabelled(panel, letter.text, letter.score, letter)


def _relabelled(panel: Panel, label: str, score: float, letter: Letter | None = None) -> Panel:
    return Panel(
        id=panel.id, figure=panel.figure, box=panel.box, score=panel.score,
        label=label, label_score=score, label_box=letter.box if letter else None,
    )  # fmt: skip


def merge_parts(parts: Sequence[Subcaption]) -> Subcaption:
    """One part with the words of several of the same caption; a single part is given back as it is.

    Spans that touch or overlap become one; roles are kept where they agree, own words win.
    """
    if len(parts) == 1:
        return parts[0]
    pieces = sorted((start, end, words) for part in parts for (start, end), words in _words(part).items())
    merged: list[tuple[int, int, str]] = []
    for start, end, words in pieces:
        if merged and start < merged[-1][1]:
            first, last, text = merged[-1]
            if end > last:
                merged[-1] = (first, end, text + words[last - start :])
        else:
            merged.append((start, end, words))
    spans = tuple((start, end) for start, end, _ in merged)
    own = {span for part in parts for span in part.own}
    preface = {span for part in parts for span in part.preface} - own
    tail = {span for part in parts for span in part.tail} - own - preface
    if sorted(own | preface | tail) != sorted(spans):
        own, preface, tail = set(spans), set(), set()
    return Subcaption(
        labels=tuple(dict.fromkeys(label for part in parts for label in part.labels)),
        spans=spans,
        text=" ".join(text for _, _, text in merged),
        preface=tuple(sorted(preface)), own=tuple(sorted(own)), tail=tuple(sorted(tail)),
        confidence=min(part.confidence for part in parts),
        why="; ".join(dict.fromkeys(part.why for part in parts if part.why)),
    )  # fmt: skip


def _words(part: Subcaption) -> dict[Span, str]:
    """The text of each span, cut from the part's text by the spans' lengths."""
    words: dict[Span, str] = {}
    at = 0
    for start, end in part.spans:
        words[(start, end)] = part.text[at : at + end - start]
        at += end - start + 1
    return words
