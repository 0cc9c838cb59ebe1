"""Panels, caption parts and letters come together; nothing is guessed silently."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmcx.core.align import GRID_SCORE, ORDER_SCORE, Aligned, align, label_order, merge_parts, parent
from pmcx.core.records import Letter, Panel, Subcaption, from_json, spans_text, to_json

TEXT = "Head of all. (A) First words. (B) Second words. (C) Third words. (D) Fourth words. Tail of all."


def panels(count: int) -> list[Panel]:
    return [Panel(id=f"F1/{i}", figure="F1", box=(100 * i, 0, 100 * i + 90, 90)) for i in range(count)]


def part(labels: Sequence[str], at: str = "", confidence: float = 1.0) -> Subcaption:
    start = TEXT.index(at or f"({labels[0]})")
    own = ((start, TEXT.index(".", start) + 1),)
    preface, tail = ((0, 12),), ((TEXT.index("Tail"), len(TEXT)),)
    spans = preface + own + tail
    return Subcaption(
        labels=tuple(labels), spans=spans, text=spans_text(TEXT, spans),
        preface=preface, own=own, tail=tail, confidence=confidence,
    )  # fmt: skip


def letter(text: str, panel: int, score: float = 0.9) -> Letter:
    return Letter(text=text, box=(100 * panel + 2, 2, 100 * panel + 12, 14), score=score)


def summary(answers: Sequence[Aligned]) -> list[tuple[str, str, str]]:
    return [(a.panel.label, a.part.labels[0] if a.part else "", a.alignment.method) for a in answers]


def test_letters_beat_order() -> None:
    answers = align(panels(2), [part("A"), part("B")], [letter("B", 0), letter("A", 1)])
    assert summary(answers) == [("B", "B", "letter"), ("A", "A", "letter")]
    assert answers[0].panel.label_box == (2, 2, 12, 14)
    assert answers[0].panel.label_score == 0.9
    assert answers[0].alignment.score == pytest.approx(0.9)


def test_the_surest_letter_of_a_panel_wins() -> None:
    answers = align(panels(1), [part("A"), part("B")], [letter("B", 0, 0.4), letter("A", 0, 0.8)])
    assert summary(answers) == [("A", "A", "letter")]


def test_a_letter_the_caption_names_beats_a_surer_one_it_does_not() -> None:
    answers = align(panels(1), [part("A"), part("B")], [letter("A", 0, 0.5), letter("Z", 0, 0.9)])
    assert summary(answers) == [("A", "A", "letter")]


def test_one_letter_labels_one_panel() -> None:
    answers = align(panels(2), [part("A"), part("B")], [letter("A", 0, 0.5), letter("A", 1, 0.9)])
    assert summary(answers) == [("B", "B", "order"), ("A", "A", "letter")]


def test_letter_in_an_inset_labels_the_smaller_box() -> None:
    outer, inner = panels(1)[0], Panel(id="F1/i", figure="F1", box=(0, 0, 40, 40))
    answers = align([outer, inner], [part("A"), part("B")], [letter("B", 0)])
    assert summary(answers) == [("A", "A", "order"), ("B", "B", "letter")]


def test_letter_outside_every_panel_is_no_evidence() -> None:
    answers = align(panels(2), [part("A"), part("B"), part("C")], [letter("A", 7)])
    assert summary(answers) == [("", "", "unmatched")] * 2


def test_case_does_not_matter_and_the_image_gives_the_label() -> None:
    assert summary(align(panels(1), [part("A"), part("B")], [letter("b", 0)])) == [("b", "B", "letter")]


def test_order_where_counts_match() -> None:
    answers = align(panels(3), [part(["A", "B"]), part("C")])
    assert summary(answers) == [("A", "A", "order"), ("B", "A", "order"), ("C", "C", "order")]
    assert {a.alignment.score for a in answers} == {ORDER_SCORE}
    assert answers[0].panel.label_score == ORDER_SCORE and answers[0].panel.label_box is None


def test_order_sorts_labels_of_interleaved_groups() -> None:
    answers = align(panels(4), [part(["A", "C"]), part(["B", "D"])])
    assert [a.panel.label for a in answers] == ["A", "B", "C", "D"]


def test_order_fills_what_letters_left() -> None:
    answers = align(panels(3), [part("A"), part("B"), part("C")], [letter("B", 1)])
    assert summary(answers) == [("A", "A", "order"), ("B", "B", "letter"), ("C", "C", "order")]


@pytest.mark.parametrize("count", [2, 4])
def test_counts_that_differ_are_not_guessed(count: int) -> None:
    answers = align(panels(count), [part("A"), part("B"), part("C")])
    assert summary(answers) == [("", "", "unmatched")] * count
    assert {a.alignment.score for a in answers} == {0.0}


def test_read_letter_that_the_caption_does_not_name_keeps_its_label_only() -> None:
    answers = align(panels(2), [part("A"), part("B"), part("C")], [letter("F", 0)])
    assert summary(answers) == [("F", "", "unmatched"), ("", "", "unmatched")]


def test_nested_labels_fold_where_that_makes_the_counts_match() -> None:
    answers = align(panels(2), [part(["A1"], "(A)"), part(["A2"], "(C)"), part("B")])
    assert summary(answers) == [("A", "A1", "order"), ("B", "B", "order")]
    assert answers[0].part is not None
    assert answers[0].part.text == "Head of all. (A) First words. (C) Third words. Tail of all."


def test_nested_labels_stay_where_their_own_count_matches() -> None:
    answers = align(panels(3), [part(["A1"], "(A)"), part(["A2"], "(C)"), part("B")])
    assert [a.panel.label for a in answers] == ["A1", "A2", "B"]


def test_nested_letters_find_the_parents_part() -> None:
    answers = align(panels(3), [part("A"), part("B")], [letter("A1", 0), letter("A2", 1), letter("B", 2)])
    assert summary(answers) == [("A1", "A", "letter"), ("A2", "A", "letter"), ("B", "B", "letter")]


def test_single_panel_takes_the_whole_caption() -> None:
    assert summary(align(panels(1), [])) == [("", "", "whole-figure")]
    assert align(panels(1), [])[0].alignment.score == 1.0
    several = align(panels(1), [part("A"), part("B")])
    assert summary(several) == [("", "", "whole-figure")] and several[0].alignment.score == 0.5


def test_caption_without_parts_goes_whole_to_every_panel_with_its_letter() -> None:
    answers = align(panels(4), [], [letter("A", 0), letter("D", 3)])
    assert [a.panel.label for a in answers] == ["A", "", "", "D"]
    assert {(a.alignment.method, a.alignment.score, a.part) for a in answers} == {
        ("whole-figure", 0.25, None)
    }


def test_no_panels() -> None:
    assert align([], [part("A")], [letter("A", 0)]) == []


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_scores_rise_with_the_evidence(s: float, t: float, c: float, d: float) -> None:
    def score(sure: float, confidence: float, read: bool = True) -> float:
        parts = [part("A", confidence=confidence)]
        return align(panels(1), parts, [letter("A", 0, sure)] if read else [])[0].alignment.score

    low, high = sorted((s, t))
    weak, strong = sorted((c, d))
    assert 0 <= score(low, weak) <= score(high, weak) <= score(high, strong) <= 1
    assert score(0, weak, read=False) <= score(0, strong, read=False) <= ORDER_SCORE


READ = st.sampled_from(["A", "b", "C", "A1", "x", ""])


@given(
    st.integers(0, 6),
    st.lists(st.sampled_from(["A", "B", "C", "D", "A1", "Ai", "b", "1", "ii"]), unique=True, max_size=6),
    st.lists(st.tuples(READ, st.integers(0, 7), st.floats(0, 1)), max_size=6),
)
def test_one_answer_a_panel_and_no_label_from_nowhere(
    count: int, labels: list[str], read: list[tuple[str, int, float]]
) -> None:
    parts = [part([label], "(A)") for label in labels]
    letters = [letter(*row) for row in read]
    answers = align(panels(count), parts, letters)
    assert [a.panel.id for a in answers] == [p.id for p in panels(count)]
    named = [a.panel.label.casefold() for a in answers if a.panel.label]
    assert len(named) == len(set(named))
    sources = {x.casefold() for label in [*labels, *(row[0] for row in read)] for x in (label, parent(label))}
    assert set(named) <= sources
    for answer in answers:
        assert 0 <= answer.alignment.score <= 1
        assert (answer.part is not None) == (answer.alignment.method in ("letter", "order"))
        assert answer == from_json(to_json(answer), Aligned)


def test_label_order() -> None:
    assert label_order(["B", "A2", "A10", "A", "A1", "a"]) == ["A", "A1", "A2", "A10", "B"]
    assert label_order(["10", "9", "1"]) == ["1", "9", "10"]
    assert label_order(["v", "ix", "i", "iv", "ii"]) == ["i", "ii", "iv", "v", "ix"]
    assert label_order(["B", "Aiv", "Aix", "Ai"]) == ["Ai", "Aiv", "Aix", "B"]
    assert label_order(["v", "c", "i"]) == ["c", "i", "v"]


@pytest.mark.parametrize(
    ("label", "above"),
    [("A1", "A"), ("A12", "A"), ("Aiii", "A"), ("b'", "b"), ("A", "A"), ("12", "12"), ("ii", "ii")],
)
def test_parent(label: str, above: str) -> None:
    assert parent(label) == above


def test_merged_parts_keep_the_contract_where_spans_overlap() -> None:
    first = Subcaption(labels=("A1",), spans=((0, 8), (13, 20)), text=spans_text(TEXT, ((0, 8), (13, 20))))
    second = Subcaption(labels=("A2",), spans=((5, 12), (13, 20)), text=spans_text(TEXT, ((5, 12), (13, 20))))
    merged = merge_parts([first, second])
    assert merged.spans == ((0, 12), (13, 20))
    assert merged.text == spans_text(TEXT, merged.spans)
    assert sorted(merged.preface + merged.own + merged.tail) == list(merged.spans)


def test_a_part_that_is_only_its_label_is_no_match() -> None:
    text = "Prices. (a)(b) Both markets over time."
    bare = Subcaption(
        labels=("a",), spans=((0, 7), (8, 11)), text="Prices. (a)", preface=((0, 7),), own=((8, 11),)
    )
    full = Subcaption(
        labels=("b",), spans=((0, 7), (11, len(text))), text=f"Prices. {text[11:]}", preface=((0, 7),),
        own=((11, len(text)),),
    )  # fmt: skip
    answers = align(panels(2), [bare, full])
    assert summary(answers) == [("a", "", "unmatched"), ("b", "b", "order")]
    assert answers[0].alignment.score == 0.0


def test_order_of_a_grid_is_less_sure_than_of_a_row() -> None:
    boxes = [(0, 0, 90, 90), (100, 0, 190, 90), (0, 100, 90, 190), (100, 100, 190, 190)]
    grid = [Panel(id=f"F1/{i}", figure="F1", box=box) for i, box in enumerate(boxes)]
    row = align(panels(2), [part("A"), part("B")])
    both = align(grid[:1] + grid[3:], [part("A"), part("B")])
    square = align(grid[:3], [part("A"), part("B"), part("C")])
    assert {a.alignment.score for a in row} == {a.alignment.score for a in both} == {ORDER_SCORE}
    assert {a.alignment.score for a in square} == {GRID_SCORE}
