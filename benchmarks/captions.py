"""Scores of the ``rules`` splitter on human truth, and its speed on one core.

    python benchmarks/captions.py FOLDER

``FOLDER`` holds ``zou_eval.json`` (captions with one text per panel) and ``soda_labels/`` (captions in HTML
with label sets); either may be missing. Nothing is written.
"""

from __future__ import annotations

import argparse
import html.parser
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from pmcx.core.records import Markup, Subcaption
from pmcx.core.stages import Caption
from pmcx.splitters.rules import RulesSplitter
from pmcx.training.caption_scores import Report, score_labels, score_texts

_KINDS = {"strong": "bold", "b": "bold", "em": "italic", "i": "italic", "sup": "sup", "sub": "sub"}
_BLOCKS = frozenset(("p", "br", "li", "ol", "ul", "div"))


class _Caption(html.parser.HTMLParser):
    """Text with collapsed white space, and its markup."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.markup: list[Markup] = []
        self._open: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS and self.text and not self.text.endswith(" "):
            self.text += " "
        if tag in _KINDS:
            self._open.append((tag, len(self.text)))

    def handle_endtag(self, tag: str) -> None:
        for i in range(len(self._open) - 1, -1, -1):
            if self._open[i][0] == tag:
                start = self._open.pop(i)[1]
                if len(self.text) > start:
                    kind = _KINDS[tag]
                    self.markup.append(Markup(start=start, end=len(self.text), kind=kind))  # type: ignore[arg-type]
                break

    def handle_data(self, data: str) -> None:
        data = re.sub(r"\s+", " ", data)
        self.text += data[1:] if data.startswith(" ") and (not self.text or self.text.endswith(" ")) else data


def parse_html(source: str) -> Caption:
    parser = _Caption()
    parser.feed(source)
    parser.close()
    return Caption(text=parser.text, markup=tuple(parser.markup))


def read_zou(path: Path) -> list[tuple[Caption, dict[str, str]]]:
    """Captions with the true text of each label."""
    rows = []
    for entry in json.loads(path.read_text(encoding="utf-8")).values():
        truth = {
            sub["label"]["text"]: sub["caption"]
            for sub in entry["gt_subfigures"]
            if sub.get("label") and sub.get("caption")
        }
        rows.append((Caption(text=" ".join(entry["caption"].split())), truth))
    return rows


def read_soda(folder: Path) -> list[tuple[Caption, list[str]]]:
    """Captions with their true label sets."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        for figure in json.loads(path.read_text(encoding="utf-8"))["figures"]:
            labels = [panel["panel_label"] for panel in figure["panels"]]
            rows.append((parse_html(figure["figure_caption"]), labels))
    return rows


def texts(parts: Sequence[Subcaption]) -> dict[str, str]:
    return {label: part.text for part in parts for label in part.labels}


def given_labels(found: dict[str, str], truth: dict[str, str], caption: str) -> dict[str, str]:
    """The text of each true label, the whole caption where the caption names none."""
    folded = {label.lower(): text for label, text in found.items()}
    return {label: folded.get(label.lower(), caption) for label in truth}


def show(name: str, report: Report) -> None:
    print(
        f"{name:<44} {report.figures:>5} {report.lev:>6.3f} {report.token_f1:>6.3f} "
        f"{report.precision:>6.3f} {report.recall:>6.3f} {report.f1:>6.3f} {report.exact:>6.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    splitter = RulesSplitter()
    timed: list[Caption] = []
    print(f"{'':<44} {'n':>5} {'lev':>6} {'tokF1':>6} {'P':>6} {'R':>6} {'F1':>6} {'exact':>6}")
    zou = folder / "zou_eval.json"
    if zou.is_file():
        rows = read_zou(zou)
        captions = [caption for caption, _ in rows]
        truths = [truth for _, truth in rows]
        timed += captions
        whole = [(dict.fromkeys(truth, c.text), truth) for c, truth in rows]
        show("zou: whole caption for each true label", score_texts(whole))
        found = [texts(parts) for parts in splitter.split(captions)]
        show("zou: rules, caption only", score_texts(zip(found, truths, strict=True)))
        seen = [Caption(text=c.text, labels=tuple(truth)) for c, truth in rows]
        found = [texts(parts) for parts in splitter.split(seen)]
        filled = [given_labels(f, t, c.text) for f, t, c in zip(found, truths, captions, strict=True)]
        show("zou: rules, true label set, whole as fallback", score_texts(zip(filled, truths, strict=True)))
    soda = folder / "soda_labels"
    if soda.is_dir():
        pairs = read_soda(soda)
        captions = [caption for caption, _ in pairs]
        timed += captions
        for name, given in (
            ("soda: rules, tags stripped", [Caption(text=c.text) for c in captions]),
            ("soda: rules, with markup", captions),
        ):
            sets = [texts(parts).keys() for parts in splitter.split(given)]
            show(name, score_labels((p, labels) for p, (_, labels) in zip(sets, pairs, strict=True)))
    if timed:
        started = time.perf_counter()
        splitter.split(timed)
        seconds = time.perf_counter() - started
        characters = sum(len(caption.text) for caption in timed)
        print(
            f"speed: {len(timed) / seconds:.0f} captions/s, "
            f"{characters / seconds / 1e6:.2f} M characters/s, one core"
        )


if __name__ == "__main__":
    main()
