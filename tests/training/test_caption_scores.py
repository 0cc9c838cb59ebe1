"""The caption scores agree with their definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcx.training.caption_scores import levenshtein, score_labels, score_texts, similarity, token_f1


def table(a: str, b: str) -> int:
    """The textbook dynamic programme, as the oracle."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (x != y)))
    return row[-1]


@pytest.mark.parametrize(
    ("a", "b", "distance"), [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)]
)
def test_levenshtein(a: str, b: str, distance: int) -> None:
    assert levenshtein(a, b) == levenshtein(b, a) == distance


@given(st.text("abç ", max_size=90), st.text("abç ", max_size=90))
def test_levenshtein_equals_the_table(a: str, b: str) -> None:
    assert levenshtein(a, b) == table(a, b)


def test_similarity_folds_case_and_space_and_is_by_the_longer_text() -> None:
    assert similarity("(A)  Two\ncells", "(a) two cells") == 1.0
    assert similarity("ab", "abcd") == 0.5
    assert similarity("", "") == 1.0 and similarity("", "x") == 0.0


def test_token_f1_counts_bags_of_words() -> None:
    assert token_f1("a a b", "A b c") == pytest.approx(2 * 2 / 6)
    assert token_f1("", "") == 1.0 and token_f1("x", "") == 0.0


def test_labels_are_micro_averaged_without_case() -> None:
    report = score_labels([({"A", "B"}, {"a", "b"}), ({"A", "X"}, {"A", "B", "C"}), (set(), {"A"})])
    assert (report.precision, report.recall) == (pytest.approx(3 / 4), pytest.approx(3 / 6))
    assert report.f1 == pytest.approx(0.6)
    assert report.exact == pytest.approx(1 / 3)


def test_texts_are_averaged_in_the_figure_and_then_over_figures() -> None:
    report = score_texts(
        [
            ({"A": "abcd", "B": "zz"}, {"a": "abcd", "b": "zz", "c": "lost", "d": "lost"}),
            ({"A": "abcd", "Z": "extra"}, {"A": "ab"}),
        ]
    )
    assert report.figures == 2
    assert report.lev == pytest.approx((0.5 + 0.5) / 2)
    assert report.token_f1 == pytest.approx((0.5 + 0.0) / 2)
    assert report.exact == 0.0


def test_nothing_to_score() -> None:
    assert score_texts([]).lev == 0.0
    assert score_labels([]).f1 == 0.0
