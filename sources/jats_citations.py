"""The grammar of figure citations: ``Fig. 3A–C, E``, ``Figs 2–5``, a letter glued after a link.

Works on plain text; which figure a link means is the XML's business (:mod:`.jats_mentions`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

_DASH = "-‐‑‒–—―−"
_UNIT = re.compile(r"([A-Za-z]{1,5})(\d{0,2})['′″]{0,2}(?![A-Za-z0-9])")
_SUBPANEL = re.compile(rf"([A-Z])()[a-z](?:[{_DASH},][a-z])*(?![A-Za-z0-9])")
_SEPARATOR = re.compile(
    rf"\s*(?:(?P<range>[{_DASH}]|\b(?:to|through|thru)\b)|[,;/&+]\s*(?:(?:and|or)\b|&)?|\b(?:and|or)\b)\s*"
)
_OPEN = re.compile(r"\s*\(\s*")
_CLOSE = re.compile(r"\s*\)")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_AFTER_NUMBER = re.compile(r"[\s,.:]*")
_LEAD_IN = re.compile(r"[\s,;]*(?:(?:and|or)\b|&)?\s*(?:panels?\b)?\s*", re.IGNORECASE)
_RANGE_TO_NUMBER = re.compile(
    rf"\s*(?:[{_DASH}]|to|through)\s*(?:(?:Fig(?:ure)?s?\b)?\.?\s*)(?:[A-Z]{{1,2}})?$", re.IGNORECASE
)
_RANGE_GAP = re.compile(
    rf"\s*(?:[{_DASH}]|\b(?:to|through|thru)\b)\s*(?:Fig(?:ure)?s?\b\.?)?\s*", re.IGNORECASE
)
_TAIL_RANGE = re.compile(rf"\s?[{_DASH}]\s?(\d{{1,2}})(?!\d|\.\d|%|\s*[A-Za-zµ]{{1,2}}\b)")
_SAME_NUMBER = re.compile(r"\d+")
# What shows that a letter in running text is no panel: "B cells", "P < 0.05", "C-terminal", "i.e."
_PROSE = re.compile(
    r"-[A-Za-z]{2,}|\s*[<>=≤≥±]|\.[A-Za-z]|\s+(?:cells?|lymphocytes?|helper|strains?|virus|mice|allele|domain|statistics?|values?)\b"
)
_SET_OFF = re.compile(r"(?:,\s?|\s)[A-Za-z](?![A-Za-z])")
_GOES_ON = re.compile(rf"\s*(?:[{_DASH}),.;:\]/&]|$|(?:and|or|to|through)\b)")
_SPECIES = re.compile(r"\.\s[a-z]")
_STOP = re.compile(r"\s*(?:[),.;:\]]|$)")
_ROMAN = ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"]
_NESTED = re.compile(r"([A-Za-z])(?:i{1,3}|iv|vi{0,3}|ix|x)$")

Labels = tuple[str, ...]


class Cited(NamedTuple):
    """What the text of one link names."""

    groups: tuple[tuple[int, Labels], ...]
    """Figure numbers in order, each with its panel labels; number 0 where the text has only labels."""
    ranges: tuple[tuple[int, int], ...]
    """Pairs of numbers that the text joins to a range."""
    ends: Literal["number", "label", ""]
    """What stands last: only after a number or a label can the citation go on in the text behind."""

    @property
    def last(self) -> str:
        """The last panel label, or empty."""
        return self.groups[-1][1][-1] if self.groups and self.groups[-1][1] else ""

    def labels_of(self, number: int) -> Labels:
        """The labels that go with a figure number; all of them where the text does not have that number."""
        if len(self.groups) == 1:
            return self.groups[0][1]
        own = [labels for n, labels in self.groups if n == number] or [labels for _, labels in self.groups]
        return unique(label for labels in own for label in labels)


class Tail(NamedTuple):
    """How a citation goes on behind its link: labels, where they end, and the end of a number range."""

    labels: Labels = ()
    end: int = 0
    up_to: int = 0


_NO_TAIL = Tail()


def unique(labels: object) -> Labels:
    """Labels without repetition, in order."""
    return tuple(dict.fromkeys(labels))  # type: ignore[call-overload]


@lru_cache(maxsize=8192)
def read_link(text: str) -> Cited:
    """Read the text of a link to a figure: ``Fig. 1A, 1B and 2``, ``3``, ``c``, ``S2 (a–d)``."""
    groups: list[tuple[int, Labels]] = []
    ranges: list[tuple[int, int]] = []
    end = 0
    while number := _NUMBER.search(text, end):
        value = int(number[0].rpartition(".")[2])
        labels, after = _panels(text, number.end())
        if not labels:
            labels, after = _panels(text, _AFTER_NUMBER.match(text, number.end()).end())  # type: ignore[union-attr]
        if not labels:
            after = number.end()
        if groups and _RANGE_TO_NUMBER.fullmatch(text, end, number.start()):
            before, previous = groups[-1]
            if before == value and previous and labels:
                labels = (*_between(previous[-1], labels[0]), *labels)
            elif before < value:
                ranges.append((before, value))
        groups.append((value, unique(labels)))
        end = after
    if not groups:
        start = _LEAD_IN.match(text).end()  # type: ignore[union-attr]
        labels, end = _panels(text, start)
        if not labels or text[end:].strip(" .,;)"):
            return Cited((), (), "")
        groups.append((0, unique(labels)))
    if text[end:].strip():
        ends: Literal["number", "label", ""] = ""
    else:
        ends = "label" if groups[-1][1] else "number"
    return Cited(tuple(groups), tuple(ranges), ends)


def read_tail(text: str, cited: Cited, number: int) -> Tail:
    """How a citation of figure ``number`` goes on in the running text directly behind its link.

    ``text`` reaches up to the next link. Letters count only where they cannot be prose: glued to the
    number, in brackets, or continuing a list of labels.
    """
    if not text or text[0] in ").]" or cited.ends == "":
        return _NO_TAIL
    if cited.ends == "label":
        return _after_label(text, 0, cited.last, number)
    first = _after_number(text)
    if not first.labels:
        return first
    more = _after_label(text, first.end, first.labels[-1], number)
    return Tail(unique((*first.labels, *more.labels)), more.end) if more.labels else first


def is_range_gap(text: str) -> bool:
    """Whether the text between two links makes them the ends of a range."""
    return _RANGE_GAP.fullmatch(text) is not None


def between(first: str, last: str) -> Labels:
    """The labels strictly between two, where they are of one kind and ascend: ``A``, ``D`` -> B, C."""
    return _between(first, last)


def _after_number(text: str) -> Tail:
    head = text[0]
    if head in ";:":
        return _NO_TAIL
    if head.isalpha() or head == "(" or text[:2] == " (":
        labels, end = _panels(text, 0, strict=True)
        if labels and (head.isalpha() or text[end - 1] == ")"):
            return Tail(labels, end)
        return _NO_TAIL
    if match := _TAIL_RANGE.match(text):
        return Tail((), match.end(), int(match[1]))
    if _SET_OFF.match(text):
        start = 2 if text[:2] == ", " else 1
        labels, end = _panels(text, start, strict=True)
        if labels and _STOP.match(text, end):
            return Tail(labels, end)
    return _NO_TAIL


def _after_label(text: str, pos: int, last: str, number: int) -> Tail:
    found: list[str] = []
    end = pos
    while joint := _SEPARATOR.match(text, end):
        start = joint.end()
        again = _SAME_NUMBER.match(text, start)
        if again:
            if int(again[0]) != number:
                break
            start = again.end()
        labels, after = _panels(text, start, strict=True, previous=last, word=_is_word(joint))
        if not labels:
            break
        if joint["range"]:
            found.extend(_between(last, labels[0]))
        found.extend(labels)
        last, end = labels[-1], after
    return Tail(unique(found), end) if found else _NO_TAIL


def _is_word(joint: re.Match[str]) -> bool:
    return joint[0].rstrip()[-1:].isalpha()


def _panels(
    text: str, pos: int, *, strict: bool = False, previous: str = "", word: bool = False
) -> tuple[Labels, int]:
    """Panel labels from ``pos`` on, ranges expanded, and where they end; none: ``((), pos)``.

    ``strict`` is for running text: each label must follow on the one before and must not be prose;
    ``word`` says that a word ("and", "to") joins it to ``previous``.
    """
    labels: list[str] = []
    last, end, at, depth, is_range = previous, pos, pos, 0, False
    while True:
        if opened := _OPEN.match(text, at):
            at, depth = opened.end(), depth + 1
        unit = (None if strict and last else _SUBPANEL.match(text, at)) or _UNIT.match(text, at)
        folded = _fold(unit[1]) if unit else ()
        if not unit or not folded:
            break
        glued = at == 0 or text[at - 1] == "("
        if strict and not _continues(text, unit, folded, last, glued=glued, word=word):
            break
        if is_range:
            labels.extend(_between(last, folded[0]))
        labels.extend(folded)
        last, end = folded[-1], unit.end()
        if depth and (closed := _CLOSE.match(text, end)):
            end, depth = closed.end(), depth - 1
        joint = _SEPARATOR.match(text, end)
        if joint is None:
            break
        at, is_range, word = joint.end(), joint["range"] is not None, _is_word(joint)
    return unique(labels), end


def _continues(text: str, unit: re.Match[str], folded: Labels, last: str, *, glued: bool, word: bool) -> bool:
    """Whether a letter in running text can be a panel: no prose, no ``S2``, and in order after ``last``."""
    end = unit.end()
    if _PROSE.match(text, end) or (unit[2] and (unit[1] == "S" or not glued)):
        return False
    if not glued and _SPECIES.match(text, end):
        return False
    if not last:
        return True
    first = folded[0]
    if first in _ROMAN and last in _ROMAN:
        return True
    if len(unit[1]) > 1 or first.isupper() != last.isupper() or first <= last:
        return False
    return word or ord(first) - ord(last) == 1 or _GOES_ON.match(text, end) is not None


def _fold(letters: str) -> Labels:
    """``A`` -> A; ``Ai`` -> A; ``ABC`` -> A, B, C; ``iv`` -> iv; a word -> none."""
    if len(letters) == 1:
        return (letters,)
    if letters in _ROMAN:
        return (letters,)
    if all(ord(b) - ord(a) == 1 for a, b in pairwise(letters)):
        return tuple(letters)
    nested = _NESTED.match(letters)
    return (nested[1],) if nested else ()


def _between(first: str, last: str) -> Labels:
    if len(first) == len(last) == 1:
        if first.isupper() != last.isupper():
            return ()
        return tuple(map(chr, range(ord(first) + 1, ord(last))))
    if first in _ROMAN and last in _ROMAN:
        return tuple(_ROMAN[_ROMAN.index(first) + 1 : _ROMAN.index(last)])
    return ()
