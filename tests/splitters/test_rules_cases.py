"""The caption styles and special cases of the field, each with a made-up caption."""

from __future__ import annotations

import pytest

from pmcx.core.records import Markup, Subcaption, spans_text
from pmcx.core.stages import Caption
from pmcx.splitters.rules import RulesSplitter


def split(
    text: str, labels: tuple[str, ...] = (), bold: tuple[str, ...] = (), **options: object
) -> list[Subcaption]:
    """Parts of a caption; ``bold`` are the words to mark, each at its next place, without spaces around."""
    markup, at = [], 0
    for word in bold:
        at = text.index(word, at) + word.index(word.strip())
        markup.append(Markup(start=at, end=at + len(word.strip()), kind="bold"))
        at += len(word.strip())
    splitter = RulesSplitter(options)
    return list(splitter.split([Caption(text=text, markup=tuple(markup), labels=labels)])[0])


def named(parts: list[Subcaption]) -> list[str]:
    return [label for part in parts for label in part.labels]


def own(text: str, parts: list[Subcaption], label: str) -> str:
    (part,) = [part for part in parts if label in part.labels]
    return spans_text(text, part.own)


FORMS = {
    "round": "Liver of the mouse. (A) Control lobe. (B) Treated lobe. (C) Both lobes.",
    "square": "Liver of the mouse. [A] Control lobe. [B] Treated lobe. [C] Both lobes.",
    "half bracket": "Liver of the mouse. A) Control lobe. B) Treated lobe. C) Both lobes.",
    "stop": "Liver of the mouse. A. Control lobe. B. Treated lobe. C. Both lobes.",
    "colon": "Liver of the mouse. A: Control lobe. B: Treated lobe. C: Both lobes.",
    "comma": "Liver of the mouse. A, control lobe. B, treated lobe. C, both lobes.",
    "capital": "Liver of the mouse. A Control lobe. B Treated lobe. C Both lobes.",
    "capital without stops": "Liver of the mouse: A control lobe B treated lobe C both lobes D scheme.",
    "panel word": "Liver of the mouse. Panel A: control lobe. Panel B: treated lobe. Panel C: both lobes.",
    "dash": "Liver of the mouse. A – control lobe; B – treated lobe; C – both lobes.",
    "equals": "Liver of the mouse. A = control lobe; B = treated lobe; C = both lobes.",
    "figure number": "Liver of the mouse 2A Control lobe 2B Treated lobe 2C Both lobes.",
}


@pytest.mark.parametrize("form", FORMS)
def test_label_forms(form: str) -> None:
    text = FORMS[form]
    parts = split(text)
    assert named(parts)[:3] == ["A", "B", "C"]
    assert "ontrol lobe" in own(text, parts, "A") and "reated" not in own(text, parts, "A")
    assert "reated lobe" in own(text, parts, "B") and "oth lobes" not in own(text, parts, "B")
    assert all(spans_text(text, part.preface).startswith("Liver of the mouse") for part in parts)


def test_lower_case_without_punctuation() -> None:
    text = "Growth of the culture. a The optical density over time. b Final biomass per flask."
    parts = split(text)
    assert named(parts) == ["a", "b"]
    assert own(text, parts, "b") == "b Final biomass per flask."


def test_numbers_in_brackets() -> None:
    assert named(split("Steps of the repair. (1) Incision. (2) Suture. (3) Dressing.")) == ["1", "2", "3"]


def test_numbers_glued_to_the_words_before() -> None:
    text = "Steps of the repair. 1. Skin incision2. Deep suture3. Dry dressing"
    parts = split(text)
    assert named(parts) == ["1", "2", "3"]
    assert own(text, parts, "2") == "2. Deep suture"


def test_roman_numerals() -> None:
    assert named(split("Stages of decay. (i) Fresh leaf. (ii) Dry leaf. (iii) Dust.")) == ["i", "ii", "iii"]


def test_roman_numerals_inside_lettered_panels_are_no_panels() -> None:
    text = "(A) Sections of (i) cortex, (ii) medulla and (iii) pelvis. (B) Cell counts. (C) Model."
    assert named(split(text)) == ["A", "B", "C"]


@pytest.mark.parametrize("dash", ["-", "‐", "‑", "‒", "–", "—", "−", " to ", " – "])
def test_ranges(dash: str) -> None:
    text = f"Beetles. (A{dash}C) Dorsal views. (D{dash}E) Ventral views."
    parts = split(text)
    assert [part.labels for part in parts] == [("A", "B", "C"), ("D", "E")]
    assert own(text, parts, "B") == own(text, parts, "C")


@pytest.mark.parametrize("list_", ["A, B", "A and B", "A,B", "A & B", "A/B", "A;B", "A+B"])
def test_lists(list_: str) -> None:
    parts = split(f"Beetles. ({list_}) Dorsal views. (C, D, and E) Ventral views.")
    assert [part.labels for part in parts] == [("A", "B"), ("C", "D", "E")]


def test_bare_range_and_list() -> None:
    text = "Beetles. A–B, dorsal view of the male. C&D, dorsal view of the female."
    assert [part.labels for part in split(text)] == [("A", "B"), ("C", "D")]


def test_range_across_brackets() -> None:
    parts = split("Spine. (A)—(C) cervical part. (D) and (E): lumbar part.")
    assert [part.labels for part in parts] == [("A", "B", "C"), ("D", "E")]


def test_range_whose_labels_come_again() -> None:
    text = "Spine. (A)-(C) Left view of the neck, (A) first, (B) second, (C) third bone."
    parts = split(text)
    assert named(parts) == ["A", "B", "C"]


def test_range_with_stops_inside() -> None:
    assert named(split("A. Time course. B.-C. Half-lives of both. D. Scheme of decay.")) == [
        "A",
        "B",
        "C",
        "D",
    ]


def test_labels_after_their_words() -> None:
    text = "Axial image of the knee (a). Coronal image with the tear (b). Arrows mark the tear."
    parts = split(text)
    assert own(text, parts, "a") == "Axial image of the knee (a)."
    assert own(text, parts, "b") == "Coronal image with the tear (b)."
    assert [spans_text(text, part.tail) for part in parts] == ["Arrows mark the tear."] * 2


def test_labels_after_words_in_one_sentence_share_its_ends() -> None:
    text = "Skull of the holotype in lateral (A) and dorsal (B) views."
    parts = split(text)
    assert parts[0].text == "Skull of the holotype in lateral (A) views."
    assert parts[1].text == "Skull of the holotype in dorsal (B) views."


def test_labels_before_words_in_one_sentence_share_its_start() -> None:
    text = (
        "Recordings show (A) slow waves with (B) later spikes. Later ones show (C) a rest and (D) a seizure."
    )
    parts = split(text)
    assert parts[0].text == "Recordings show (A) slow waves"
    assert parts[1].text == "Recordings show (B) later spikes."
    assert parts[3].text == "Later ones show (D) a seizure."


def test_half_bracket_at_the_end_of_a_remark() -> None:
    text = "Fixation with a wire (a) and a plate (locking type; b). Screws around the stem (c)."
    assert named(split(text)) == ["a", "b", "c"]


def test_label_with_a_place() -> None:
    text = "Gut sections. (a, left) Stained villi. (b, right) Counted villi."
    assert named(split(text)) == ["a", "b"]


def test_place_before_the_label() -> None:
    assert named(split("Gut. Stained villi (left panel, A). Counted villi (right panel, B).")) == ["A", "B"]


def test_unclosed_bracket_does_not_lose_the_label() -> None:
    assert named(split("Gut. (A) Stained villi. (B: counted villi. (C) Crypts. (D) Scheme.")) == [
        "A",
        "B",
        "C",
        "D",
    ]


def test_reopened_label_gets_both_stretches() -> None:
    text = "(A) Blot of the lysate. (B) Its density. (A) Loading control below."
    (first, second) = split(text)
    assert first.text == "(A) Blot of the lysate. (A) Loading control below."
    assert second.text == "(B) Its density."
    assert len(first.own) == 2


def test_overlapping_groups_of_labels_split_where_they_differ() -> None:
    text = "Snails. A, C Shell of the male. B, D Shell of the female. A, B Front. C, D Back."
    parts = split(text)
    assert sorted(named(parts)) == ["A", "B", "C", "D"]
    assert "male" in own(text, parts, "A") and "Front" in own(text, parts, "A")


@pytest.mark.parametrize("second", ["A2", "Aii", "A′", "A'"])
def test_nested_labels_fold_to_their_parent(second: str) -> None:
    text = f"Fins. (A) Whole fin. ({second}) Its margin at high power. (B) The tail. (C) The eye."
    parts = split(text)
    assert named(parts) == ["A", "B", "C"]
    assert "margin" in own(text, parts, "A")


def test_letter_glued_to_its_words() -> None:
    text = "Gut sections. (A)Stained villi.(B)Counted villi."
    parts = split(text)
    assert own(text, parts, "A") == "(A)Stained villi."


def test_label_glued_to_the_stop_of_an_upper_case_word() -> None:
    text = "Binding to MAPK.A. Blots of the lysate. B. Density of the bands. C. A third assay."
    assert own(text, split(text), "A") == "A. Blots of the lysate."


def test_clauses_of_one_panel_stay_one_span() -> None:
    text = "(A) Gel. Lane 1, marker; Lane 2, lysate; Lane 3, eluate. (B) Blot of the same."
    assert split(text)[0].own == ((0, text.index(" (B)")),)


def test_title_without_a_stop_is_shared() -> None:
    text = "Loss of the gene slows growth of seedlings (A) Seedlings at day 5. (B) Root length."
    parts = split(text)
    assert parts[1].text == "Loss of the gene slows growth of seedlings (B) Root length."


def test_head_and_tail_go_to_all() -> None:
    text = "Wound repair. (A) Day 1. (B) Day 9. Scale bars: 20 µm. Data are mean ± SEM."
    parts = split(text)
    assert [spans_text(text, part.preface) for part in parts] == ["Wound repair."] * 2
    assert [spans_text(text, part.tail) for part in parts] == ["Scale bars: 20 µm. Data are mean ± SEM."] * 2
    assert parts[0].text == "Wound repair. (A) Day 1. Scale bars: 20 µm. Data are mean ± SEM."


def test_shared_words_can_be_left_out() -> None:
    text = "Wound repair. (A) Day 1. (B) Day 9. Scale bars: 20 µm."
    assert [part.text for part in split(text, shared=False)] == ["(A) Day 1.", "(B) Day 9."]


def test_scale_bar_between_panels_stays_with_its_panel() -> None:
    text = "(A) Day 1. Scale bar: 5 µm. (B) Day 9."
    assert own(text, split(text), "A") == "(A) Day 1. Scale bar: 5 µm."


def test_list_of_abbreviations_goes_to_all() -> None:
    text = "(A) Skull from above. (B) Skull from below. fr, frontal; na, nasal; pa, parietal."
    assert [spans_text(text, part.tail) for part in split(text)] == [
        "fr, frontal; na, nasal; pa, parietal."
    ] * 2


FALSE_LABELS = {
    "significance letters": "Yield per plot. Bars with different letters (a, b, c) differ; P < 0.05.",
    "named groups": "Survival of Group A and of Group B over ten weeks of vitamin A and vitamin C.",
    "pronoun and article": "A view of the valley that I took. A camera was used. I thank the owner.",
    "viruses": "Cases of hepatitis A, hepatitis B and hepatitis C by year.",
    "abbreviation": "Weight of controls (C) and of animals fed a diet (D) rich in fat.",
    "sampling sites": "Map of the lake. The lanes A, B of the road are closed.",
    "initials": "Photographs by A. Smith and B. Jones of the U.S.A. coast at 4°C. Cold days only.",
    "citations": "Fold change of genes as reported before [1], [2], [3].",
    "no letters": "Upper panel: control cells. Lower panel: treated cells.",
    "empty": "",
}


@pytest.mark.parametrize("case", FALSE_LABELS)
def test_captions_that_name_no_panels(case: str) -> None:
    assert split(FALSE_LABELS[case]) == []


MIXED = {
    "significance letters": (
        "(A) Yield. (B) Height. Different letters (a, b, c, d) mean P < 0.05.", ["A", "B"]),
    "statistics": ("(A) Yield. (B) Height, n = 5 (e, n = 6). Values are P(D)5.", ["A", "B"]),
    "cited figure": ("(A) Blot, as in Fig. 1D. (B) Counts from Figure 3 C of the text.", ["A", "B"]),
    "referred panel": ("(A) Blot. (B) Density of the bands shown in (A). (C) Model.", ["A", "B", "C"]),
    "numbered parts": ("(A) Skull with (1) orbit, (2) jaw, (3) teeth. (B) Its drawing.", ["A", "B"]),
    "treatments": ("(a) Rats. (b) Mice given (1) saline, (2) low, (3) middle, (4) high dose.", ["a", "b"]),
    "initialism": ("A. Lengths as mean ± S.E.M. of all. B. Widths as mean ± S.E.M. of all.", ["A", "B"]),
    "complexes": ("A) Mitochondria. For complex II-V, n = 6. B) Muscle. C) Bone.", ["A", "B", "C"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MIXED)
def test_false_labels_beside_true_ones(case: str) -> None:
    text, labels = MIXED[case]
    assert named(split(text)) == labels


def test_reference_does_not_steal_the_sentence() -> None:
    text = "(A) Blot of lysates. (B) Density of the bands shown in (A). (C) Model."
    assert own(text, split(text), "B") == "(B) Density of the bands shown in (A)."


def test_missing_label_is_not_invented() -> None:
    assert named(split("Roots. (A) Wild type. (B) Mutant. (D) Rescue. (E) Both.")) == ["A", "B", "D", "E"]


def test_repeated_label_by_mistake_keeps_both_texts() -> None:
    text = "Beetles. (A) Dorsal view. (B) Lateral view. (C) Ventral view. (C) Front view."
    parts = split(text)
    assert named(parts) == ["A", "B", "C"]
    assert own(text, parts, "C") == "(C) Ventral view. (C) Front view."


def test_bold_labels_without_any_punctuation() -> None:
    text = "Uptake of the dye a by cells in culture b by cells in tissue c by nothing at all"
    parts = split(text, bold=(" a ", " b ", " c "))
    assert split(text) == []
    assert named(parts) == ["a", "b", "c"]
    assert "in tissue" in own(text, parts, "b")


def test_bold_letter_glued_to_its_words() -> None:
    text = "Uptake. AUptake by cells. BUptake by tissue."
    assert named(split(text, bold=("A", "B"))) == ["A", "B"]
    assert split(text) == []


def test_bold_list_counts_as_a_label() -> None:
    text = "Uptake. a, b Two cells. c–e Three tissues."
    assert [part.labels for part in split(text, bold=("a, b", "c–e"))] == [("a", "b"), ("c", "d", "e")]


def test_bold_labels_outweigh_plain_letters() -> None:
    text = "Score plots. (A) First. (B) Second. C. LK and D. LM are the controls."
    assert named(split(text, bold=("(A)", "(B)"))) == ["A", "B"]


def test_markup_can_be_switched_off() -> None:
    text = "Uptake of the dye a by cells in culture b by cells in tissue c by nothing at all"
    assert split(text, bold=(" a ", " b ", " c "), markup=False) == []


def test_labels_seen_in_the_image_decide_between_families() -> None:
    text = "Plots of doses. (a) low, (b) high; sites (1) lake, (2) river."
    assert named(split(text, labels=("A", "B"))) == ["a", "b"]
    assert named(split(text, labels=("1", "2"))) == ["1", "2"]


def test_labels_seen_in_the_image_reject_others() -> None:
    text = "(A) Sites of sampling. (B) Yield. C. Lake and D. Lake are the controls."
    assert named(split(text, labels=("A", "B"))) == ["A", "B"]


def test_confidence_falls_with_the_evidence() -> None:
    sure = split("Liver. (A) Control lobe. (B) Treated lobe. (C) Both lobes.")
    unsure = split("Liver: A control lobe B treated lobe C both lobes D scheme.")
    assert 0 <= unsure[0].confidence < sure[0].confidence <= 1


def test_min_score_rejects_weak_chains() -> None:
    text = "Liver: A control lobe B treated lobe C both lobes D scheme."
    assert split(text) and split(text, min_score=4.0) == []
