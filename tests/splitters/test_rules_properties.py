"""Whatever the caption, the splitter keeps its contract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmcx.core.records import Markup, Subcaption, spans_text
from pmcx.core.stages import Caption
from pmcx.splitters.rules import RulesSplitter

PIECES = """
(A) (B) (C) A. B. C. D) a b (a) (b) (c) (A–C) (A, B) (i) (ii) 1. 2. (1) (2) A1 A2 A′ ( ) [ ] ; , . :
and or to in – - — = views Control Scale bar magnification. et al. e.g. Fig. S.E.M. n=3 P<0.05 ± µm
𝔸 é ＡＢ İ ß respectively Abbreviations: fr, frontal;
"""
FRAGMENTS = st.sampled_from([*PIECES.split(), "\u00a0", "\u2028", "Scale bar", "(A, B)"])
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(FRAGMENTS, max_size=60).map(" ".join),
    st.lists(FRAGMENTS, max_size=60).map("".join),
)


@st.composite
def captions(draw: st.DrawFn) -> Caption:
    text = draw(TEXTS)
    runs = draw(st.lists(st.tuples(st.integers(0, 220), st.integers(0, 12)), max_size=6))
    markup = tuple(Markup(start=start, end=start + size, kind="bold") for start, size in runs)
    seen = st.sampled_from(["A", "B", "c", "A1", "i", "1", "12", "", "é", "²", "99999"])
    labels = draw(st.lists(seen, max_size=5))
    return Caption(text=text, markup=markup, labels=tuple(labels))


def check(text: str, parts: list[Subcaption]) -> None:
    seen: list[str] = []
    for part in parts:
        assert part.labels and part.spans
        seen += part.labels
        end = 0
        for start, stop in part.spans:
            assert end <= start < stop <= len(text)
            assert text[start:stop] == text[start:stop].strip()
            end = stop
        assert sorted(part.preface + part.own + part.tail) == list(part.spans)
        assert part.text == spans_text(text, part.spans)
        assert 0 <= part.confidence <= 1
    assert len(seen) == len(set(seen))


@settings(max_examples=400, deadline=None)
@given(captions())
def test_contract(caption: Caption) -> None:
    (parts,) = RulesSplitter().split([caption])
    check(caption.text, list(parts))


@settings(max_examples=100, deadline=None)
@given(st.lists(captions(), max_size=5))
def test_one_answer_each_whatever_the_batch(batch: list[Caption]) -> None:
    splitter = RulesSplitter()
    assert splitter.split(batch) == [splitter.split([caption])[0] for caption in batch]


HOSTILE = {
    "brackets": "(A)" * 6600,
    "open brackets": "(" * 20000,
    "closed brackets": ")" * 20000,
    "letters": "A " * 10000,
    "articles": "a b " * 5000,
    "alphabet": " ".join(f"({chr(65 + i % 26)})" for i in range(5000)),
    "styles": "A. B) C: (D) E, F = G – H | I " * 660,
    "lists": "(" + "A, B, C and D; " * 1300,
    "ranges": "A–" * 10000,
    "stops": ". " * 10000,
    "semicolons": "a; " * 6600,
    "spaces": " " * 20000,
    "digits": "1. " * 6600,
    "numbers": "(1) (2) (3) " * 1600,
    "connectives": "and " * 5000,
    "commas": "(A)" + ",;" * 9990 + "(B)",
    "one word": "A" * 20000,
    "sentences": "(A) One. (B) Two. " + "Scale bar, n = 3. " * 1100,
    "abbreviations": "(A) One. (B) Two. " + "fr, frontal; " * 1500,
    "inline": "Cells (A) and " * 1400,
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lengths_end_in_bounded_time(name: str) -> None:
    text = HOSTILE[name]
    bold = tuple(Markup(start=i, end=i + 3, kind="bold") for i in range(0, len(text) - 3, 7))
    for markup in ((), bold):
        (parts,) = RulesSplitter().split([Caption(text=text, markup=markup)])
        check(text, list(parts))


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import sys, pmcx.splitters.plugin as p; p.pmcx_splitters();"
        "print([m for m in ('numpy', 'PIL', 'lxml', 'pyarrow', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.real_data
def test_real_captions_keep_the_contract(shared_data: Path) -> None:
    lines = (shared_data / "captions" / "upm_unlabelled.tsv").read_text(encoding="utf-8").splitlines()
    texts = [" ".join(line.split("\t")[4].split()) for line in lines[1:]]
    answers = RulesSplitter().split([Caption(text=text) for text in texts])
    for text, parts in zip(texts, answers, strict=True):
        check(text, list(parts))
    assert sum(bool(parts) for parts in answers) > len(texts) // 4
