"""Places in a caption that may be panel labels, each with a cost; :mod:`.chain` picks among them.

Every pass is one left-to-right scan with bounded look-behind, so the time is linear in the caption.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from ..core.records import Markup

Family = Literal["upper", "lower", "roman", "digit"]
FAMILIES: tuple[Family, ...] = ("upper", "lower", "roman", "digit")

ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_ROMAN_INDEX = {numeral: i for i, numeral in enumerate(ROMAN)}

_DASH = "-‐‑‒–—―−~"
_NO_LABEL_AFTER = _DASH + "/'’=<>+×±_#@°"
_SUFFIX = r"(?:\d{1,2}|['′’″]{1,2}|-?(?:iii|ii|iv|ix|i|vi{0,3}|v|x))?"
_LETTER_ITEM = re.compile(rf"(?:[Pp]anels?\s)?(\d{{0,2}})([A-Za-z])({_SUFFIX})(?!\w)")
_ROMAN_ITEM = re.compile(r"()([ivxIVX]{1,5})()(?!\w)")
_DIGIT_ITEM = re.compile(r"()(\d{1,2})()(?![\w%‰°])")
_RANGE = re.compile(rf"\.?\s{{0,2}}(?:[{_DASH}]|to\s|through\s|thru\s)\s{{0,2}}")
_LIST = re.compile(r"\s{0,2}(?:[,;/&+]\s{0,2}(?:(?:and|or)\s|&\s?)?|(?:and|or)\s)\s{0,2}")
_QUANTITY = re.compile(r"\s?[=<>≤≥]")
_JOINT = re.compile(
    rf"\s{{0,2}}(?:([{_DASH}]|to|through)|,?\s?(?:and|&)|,)\s{{0,2}}",
)

_OPEN_WORDS = re.compile(
    r"(?:(?:panels?|parts?|images?|upper|lower|left|right|top|bottom|middle|center|centre|inset)\b"
    r"[\s,;:]{0,2}){1,3}",
    re.I,
)
_OPENER = re.compile(r"[(\[]\s?")
_CLOSER = re.compile(r"\s?[)\]]")
_TOKEN = re.compile(r"(?<!\w)(?:\d{0,2}[A-Za-z]|[IVXivx]{1,5}|\d{1,2})(?:" + _SUFFIX + r")(?!\w)")
_GLUED_DIGIT = re.compile(r"(?<=[a-z])\d(?=\.\s[A-Z])")
_PANEL_WORD = re.compile(r"(?:panels?|parts?)\s$", re.I)

_NAMED_WORDS = """
vitamin vitamins hepatitis group groups subgroup type types subtype subtypes factor protein
influenza class grade stage grades phase category cohort arm site sites area lane lanes chain domain
antigen patient patients case cases appendix table model region sample samples step experiment level
receptor virus herpes botulinum immunoglobulin apolipoprotein caspase cathepsin cyclin amyloid
substance ward figure figures fig figs
"""
_NAMED = frozenset(_NAMED_WORDS.split())
_LISTING = frozenset(["letter", "letters", "lane", "lanes", "i.e", "e.g"])
"""Words before letters that are no panels: significance letters, gel lanes, examples."""
_REFERRING_WORDS = """
in from of see with to by as for at than on panel panels shown via and or
"""
_REFERRING = frozenset(_REFERRING_WORDS.split())

_STYLE_COST = {
    "bracket": 0.0,
    "rparen": 0.1,
    "dot": 0.1,
    "colon": 0.1,
    "bar": 0.1,
    "dash": 0.2,
    "comma": 0.3,
    "equals": 0.3,
    "text": 0.35,
}
REFERENCE_COST = 0.2
"""Added to a bracket after a word that refers (``as shown in (A)``)."""
_FAMILY_COST: dict[Family, float] = {"upper": 0.0, "lower": 0.0, "roman": 0.4, "digit": 0.5}


class Candidate(NamedTuple):
    """One possible label mark ``text[start:end]``, brackets included.

    ``labels`` are the expanded labels as written, ``base`` their positions in the family's alphabet (nested
    forms such as ``A1`` have their parent's), ``lead`` is 2 at the start of a sentence, 1 at the start of a
    clause, else 0. ``cost`` is 0 for the surest forms and about 1 for the least likely.
    """

    start: int
    end: int
    labels: tuple[str, ...]
    base: tuple[int, ...]
    family: Family
    style: str
    cost: float
    lead: int
    marked: bool

    @property
    def mask(self) -> int:
        """The base positions as a bit set."""
        mask = 0
        for i in self.base:
            mask |= 1 << i
        return mask


class _Group(NamedTuple):
    end: int
    labels: tuple[str, ...]
    base: tuple[int, ...]
    family: Family
    nested: bool
    prefix: str


def label_of(family: Family, base: int, upper: bool = False) -> str:
    """The plain label at a position of a family's alphabet (``upper`` matters for Roman numerals)."""
    if family == "digit":
        return str(base + 1)
    if family == "roman":
        return ROMAN[base].upper() if upper else ROMAN[base]
    return chr((65 if family == "upper" else 97) + base)


def base_of(family: Family, label: str) -> int:
    """Position of a label, or of a nested one's parent, in a family's alphabet without case; -1 if none."""
    folded = label.strip().lower()
    if family == "digit":
        return int(folded) - 1 if re.fullmatch("[1-9][0-9]?", folded) else -1
    if family == "roman":
        return _ROMAN_INDEX.get(folded, -1)
    return ord(folded[0]) - 97 if re.fullmatch(f"[a-z]{_SUFFIX}", folded) else -1


def find_candidates(text: str, markup: Sequence[Markup] = ()) -> list[Candidate]:
    """All label candidates of all families in text order; overlapping readings are all kept.

    Bold, italic and underlined runs that hold nothing but a label cost nothing.
    """
    marked = _marked_starts(text, markup)
    found: list[Candidate] = []
    inside = -1
    for match in _OPENER.finditer(text):
        inside = max(inside, _bracketed(text, match, marked, found))
    taken = {(c.start, c.family) for c in found}
    closed = [(c.start, c.end) for c in found]
    cursor = 0
    until: dict[Family, int] = dict.fromkeys(FAMILIES, -1)
    starts = {m.start() for m in _TOKEN.finditer(text)}
    starts.update(m.start() for m in _GLUED_DIGIT.finditer(text))
    starts.update(marked)
    for start in sorted(starts):
        while cursor < len(closed) and closed[cursor][1] <= start:
            cursor += 1
        if cursor < len(closed) and closed[cursor][0] <= start:
            continue
        for family in _families(text[start : start + 6]):
            if start < until[family] or (start, family) in taken:
                continue
            candidate = _bare(text, start, family, marked)
            if candidate is not None:
                found.append(candidate)
                until[family] = candidate.end
    found.sort(key=lambda c: (c.start, c.end))
    return _merge_adjacent(text, found)


def _marked_starts(text: str, markup: Sequence[Markup]) -> dict[int, int]:
    """Start of each label-like marked run (past an opening bracket) -> end of the run."""
    marked: dict[int, int] = {}
    for run in markup:
        if run.kind not in ("bold", "italic", "underline") or not 0 <= run.start < run.end <= len(text):
            continue
        if run.end - run.start > 24:
            continue
        content = text[run.start : run.end]
        start = run.start + len(content) - len(content.lstrip(" (["))
        for family in _families(text[start : start + 6]):
            group = _group(text, start, family, limit=run.end)
            if group is not None and not text[group.end : run.end].strip(" )].,:;|"):
                marked[start] = run.end
                break
    return marked


def _families(token: str) -> list[Family]:
    if not token:
        return []
    first = token[0]
    families: list[Family] = []
    if first.isdigit():
        families.append("digit")
        letter = token.lstrip("0123456789")[:1]
        if letter.isascii() and letter.isupper():
            families.append("upper")
    elif first.isascii() and first.isalpha():
        families.append("upper" if first.isupper() else "lower")
        if first in "ivxIVX":
            families.append("roman")
    return families


def _item(text: str, pos: int, family: Family) -> tuple[int, str, int, bool, str] | None:
    """One label at ``pos``: its end, itself as written, its base position, nested or not, number prefix."""
    pattern = _ROMAN_ITEM if family == "roman" else _DIGIT_ITEM if family == "digit" else _LETTER_ITEM
    match = pattern.match(text, pos)
    if match is None:
        return None
    prefix, letter, suffix = match.groups()
    if family == "roman":
        base = _ROMAN_INDEX.get(letter.lower(), -1)
        if base < 0 or (letter != letter.lower() and letter != letter.upper()):
            return None
    elif family == "digit":
        base = int(letter) - 1
        if base < 0 or letter[0] == "0":
            return None
    else:
        if letter.isupper() != (family == "upper") or (letter in "ivx" and suffix[:1] in ("i", "v", "x")):
            return None
        base = ord(letter) - (65 if family == "upper" else 97)
    return match.end(), letter + suffix, base, bool(suffix), prefix


def _group(text: str, pos: int, family: Family, limit: int | None = None) -> _Group | None:
    """The list or range of labels that starts at ``pos``; labels must rise."""
    first = _item(text, pos, family)
    if first is None and limit is not None and limit - pos <= 2:
        first = _item(text[:limit], pos, family)
    if first is None:
        return None
    end, label, base, nested, prefix = first
    labels, bases = [label], [base]
    while True:
        ranged = _RANGE.match(text, end)
        separator = ranged or _LIST.match(text, end)
        if separator is None:
            break
        following = _item(text, separator.end(), family)
        if following is None or _QUANTITY.match(text, following[0]):
            break
        next_end, label, base, is_nested, _ = following
        if ranged and (is_nested or nested) and base == bases[-1]:
            labels.append(label)
        elif base <= bases[-1] and not (is_nested and base == bases[-1]):
            break
        else:
            if ranged:
                upper = labels[-1].isupper()
                for between in range(bases[-1] + 1, base):
                    labels.append(label_of(family, between, upper))
                    bases.append(between)
            labels.append(label)
            bases.append(base)
        nested = nested or is_nested
        end = next_end
    return _Group(end, tuple(dict.fromkeys(labels)), tuple(dict.fromkeys(bases)), family, nested, prefix)


def _lead(text: str, start: int) -> int:
    """2 at the start of a sentence, 1 at the start of a clause or bracket, else 0."""
    i = start - 1
    while i >= 0 and text[i].isspace():
        i -= 1
    if i < 0:
        return 2
    char = text[i]
    if char in ".?!|" or (char in "\"'”’)]" and i and text[i - 1] in ".?!"):
        return 2
    if char in ";:,([":
        return 1
    if char == "d" and text[max(0, i - 4) : i + 1] in (", and", "; and", ". and"):
        return 1
    return 0


def _word_before(text: str, start: int) -> str:
    words = text[max(0, start - 24) : start].split()
    return words[-1].strip(".,;:()[]").lower() if words else ""


def _bracketed(text: str, match: re.Match[str], marked: dict[int, int], found: list[Candidate]) -> int:
    """Add the readings of one bracket as a label; the end of the last one, or -1."""
    square = text[match.start()] == "["
    pos = match.end()
    words = _OPEN_WORDS.match(text, pos)
    inner = words.end() if words else pos
    listing = _word_before(text, match.start()) in _LISTING
    last = -1
    for family in _families(text[inner : inner + 6]):
        if (family == "digit" and square) or listing:
            continue
        group = _group(text, inner, family)
        if group is None:
            continue
        closer = _CLOSER.match(text, group.end)
        cost = _FAMILY_COST[family] + (0.3 if group.prefix else 0.0)
        if closer:
            end = closer.end()
            if text[end : end + 1].isdigit():
                continue
            if words:
                cost += 0.1
        elif family in ("roman", "digit"):
            continue
        elif re.match(r"[,;:]\s|\s[-–—]\s|\s?=\s?[^\d\s.<>]", text[group.end : group.end + 4]):
            # "(a, left)" labels; "(N; n = 4)" defines an abbreviation: the chain has to decide.
            end = group.end
            cost += 0.3
        else:
            continue
        if match.start() and text[match.start() - 1].isalnum():
            cost += 0.4
        is_marked = inner in marked
        lead = _lead(text, match.start())
        if lead == 0 and _word_before(text, match.start()) in _REFERRING:
            cost += REFERENCE_COST
        elif lead == 2:
            cost -= 0.15
        found.append(
            Candidate(
                match.start(), end, group.labels, group.base, family, "bracket",
                0.0 if is_marked else cost, lead, is_marked,
            )
        )  # fmt: skip
        last = max(last, end)
    return last


def _bare(text: str, start: int, family: Family, marked: dict[int, int]) -> Candidate | None:
    """The label without an opening bracket that starts at ``start``, if it may be one."""
    run_end = marked.get(start)
    group = _group(text, start, family, limit=run_end)
    if group is None:
        return None
    end, before = group.end, text[start - 1 : start]
    lead = 2 if before.islower() else _lead(text, start)
    panel_word = _PANEL_WORD.search(text, max(0, start - 7), start)
    if panel_word:
        lead = _lead(text, panel_word.start())
    style = _style(text, group, start)
    if run_end is not None:
        end = max(end, run_end)
        while end > group.end and text[end - 1].isspace():
            end -= 1
        return Candidate(
            start, end, group.labels, group.base, family, style or "text",
            max(0.0, _FAMILY_COST[family] - 0.3) + (0.25 if lead == 0 else 0.0), lead, True,
        )  # fmt: skip
    if style is None or (before and before in _NO_LABEL_AFTER):
        return None
    if before == "." and text[start - 2 : start - 1].isalpha() and not text[start - 3 : start - 2].isalnum():
        return None  # the middle of "S.E.M."
    word = _word_before(text, start)
    if word in _LISTING or (lead == 0 and panel_word is None and word in _NAMED):
        return None
    cost = _STYLE_COST[style] + _FAMILY_COST[family]
    follow = text[end : end + 2].lstrip(" ")[:1]
    if style in ("comma", "text", "equals", "dash") and lead == 0:
        # Only capitals can be told from words here, and "A" and "I" only before a capital.
        plain = family == "upper" and not group.nested and (follow.isupper() or group.labels[0] not in "AI")
        if not (plain or style == "comma" or group.prefix) or family != "upper":
            return None
        cost += 0.25 if follow.isupper() or style == "comma" else 0.4
    elif lead == 0:
        # Initials ("by A. Smith") look like labels with a stop.
        cost += 0.5 if style == "dot" else 0.35
    if style == "text":
        if family == "lower":
            cost += 0.15
        elif family == "digit" and (lead < 2 or not follow.isalpha()):
            return None
        if group.nested and not panel_word:
            return None
    if lead == 1 and text[start - 2 : start] == ", ":
        cost += 0.1
    if panel_word:
        start, cost = panel_word.start(), min(cost, 0.1)
    elif lead == 2:
        cost -= 0.15
    if style in ("rparen", "dot", "colon", "comma", "bar"):
        end += 1 + (text[end : end + 1].isspace())
    return Candidate(start, end, group.labels, group.base, family, style, cost, lead, False)


def _style(text: str, group: _Group, start: int) -> str | None:
    """The punctuation that makes a bare group a label, or None where it cannot be one."""
    end = group.end
    after = text[end : end + 3]
    char = after[:1]
    if char == ")":
        opened = text.rfind("(", max(0, start - 120), start)
        enclosed = opened > text.rfind(")", max(0, start - 120), start)
        # "(locking plate; b)" names panel b at the end of a remark, "(see b)" does not.
        return "rparen" if not enclosed or text[start - 2 : start] in ("; ", ", ") else None
    if char == ".":
        if group.family == "digit" and not re.match(r"\.\s?[A-Z(]", text[end : end + 3]):
            return None
        return "dot" if after[1:2] in ("", " ", ",", ":") or after[1:2].isupper() else None
    if char == ":":
        return "colon"
    if char == ",":
        return "comma" if after[1:2] in ("", " ") else None
    if char == "|" or after[:2] == " |":
        return "bar"
    if char == "=" or after[:2] == " =":
        return "equals"
    if char == " ":
        return "dash" if after[1:2] and after[1:2] in _DASH and after[2:3] == " " else "text"
    return "dash" if char and char in _DASH and after[1:2] == " " else None


def _merge_adjacent(text: str, found: list[Candidate]) -> list[Candidate]:
    """Join marks such as ``(B) and (C)`` and ``(D)-(H)`` that share the words after them."""
    merged: list[Candidate] = []
    last: dict[Family, int] = {}
    for c in found:
        at = last.get(c.family)
        previous = merged[at] if at is not None else None
        if previous is not None and c.style == previous.style and 0 <= c.start - previous.end <= 8:
            joint = _JOINT.fullmatch(text, previous.end, c.start)
            if (
                joint
                and c.style in ("bracket", "rparen")
                and text[previous.end - 1] in ")]"
                and text[c.end - 1] in ")]"
                and (c.base[0] == previous.base[-1] + 1 or (joint.group(1) and c.base[0] > previous.base[-1]))
            ):
                labels, base = previous.labels, previous.base
                if joint.group(1):
                    between = range(base[-1] + 1, c.base[0])
                    labels += tuple(label_of(c.family, i, labels[-1].isupper()) for i in between)
                    base += tuple(between)
                merged[at or 0] = previous._replace(end=c.end, labels=labels + c.labels, base=base + c.base)
                continue
        last[c.family] = len(merged)
        merged.append(c)
    return merged
