"""The search language that Entrez and Europe PMC share as far as sources use it: AND, OR, NOT, parentheses.

Evaluated from left to right without precedence, as Entrez does; two terms side by side mean AND.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Test = Callable[[T], bool]

_RANGE_ENDS = r'"?\d[\d/-]*"?(?:\[\w+\])?\s*:\s*"?\d[\d/-]*"?(?:\[[^\]]*\])'
_WORD = r'(?!(?:AND|OR|NOT)\s)[^\s()"\[\]:]+'
_TOKEN = re.compile(
    rf"""\s*(
      [()]
      | {_RANGE_ENDS}                              # 2026/01/01:2026/01/31[edat], with quotes, blanks or tags
      | \w+:\[[^\]]*\]                             # FIRST_PDATE:[2026-01-01 TO 2026-01-31]
      | (?:{_WORD}\s+)+{_WORD}\[[^\]]*\]            # Ann Demo[Journal]: the tag holds for all words
      | (?:\w+:)?"[^"]*"(?:\[[^\]]*\])?            # "Ann Demo"[Journal], LICENSE:"cc by"
      | (?:\w+:)?[^\s()"\[]+(?:\[[^\]]*\])?        # mouse[title], OPEN_ACCESS:Y
    )""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """The query cannot be read."""


def compile_query(text: str, leaf: Callable[[str], Test[T]]) -> Test[T]:
    """A test for one record; ``leaf`` makes the test of a single term. Raises QueryError."""
    tokens = _tokens(text)
    if not tokens:
        raise QueryError("Empty term")
    test, at = _expression(tokens, 0, leaf)
    if at < len(tokens):
        raise QueryError(f"unexpected {tokens[at]!r}")
    return test


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise QueryError(f"cannot read {text[at:]!r}")
        tokens.append(match[1])
        at = match.end()
    return tokens


def _expression(tokens: list[str], at: int, leaf: Callable[[str], Test[T]]) -> tuple[Test[T], int]:
    test, at = _operand(tokens, at, leaf)
    while at < len(tokens) and tokens[at] != ")":
        word = tokens[at] if tokens[at] in ("AND", "OR", "NOT") else "AND"
        if tokens[at] == word:
            at += 1
            if word == "AND" and tokens[at : at + 1] == ["NOT"]:
                word, at = "NOT", at + 1
        right, at = _operand(tokens, at, leaf)
        test = _joined(word, test, right)
    return test, at


def _operand(tokens: list[str], at: int, leaf: Callable[[str], Test[T]]) -> tuple[Test[T], int]:
    if at >= len(tokens) or tokens[at] in (")", "AND", "OR"):
        raise QueryError("a term is missing")
    if tokens[at] == "NOT":
        test, at = _operand(tokens, at + 1, leaf)
        return (lambda record: not test(record)), at
    if tokens[at] == "(":
        test, at = _expression(tokens, at + 1, leaf)
        if tokens[at : at + 1] != [")"]:
            raise QueryError("a parenthesis is not closed")
        return test, at + 1
    return leaf(tokens[at]), at + 1


def _joined(word: str, left: Test[T], right: Test[T]) -> Test[T]:
    if word == "OR":
        return lambda record: left(record) or right(record)
    if word == "NOT":
        return lambda record: left(record) and not right(record)
    return lambda record: left(record) and right(record)
