"""The scores of detectors as plain data (JSON) and as tables for a terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..core.cli.output import console, print_table
from .evaluation import (
    FALLBACK_SCORE,
    HEADLINE,
    Case,
    Convention,
    FigureScore,
    Prediction,
    Variant,
    bootstrap,
    interval,
    metrics,
    score_figures,
)
from .truth.records import Truth

SUBSETS: dict[str, Callable[[Case], bool]] = {
    "all": lambda case: True,
    "compounds": lambda case: len(case.panels) > 1,
    "singles": lambda case: len(case.panels) == 1,
    "no doubt": lambda case: not case.truth.doubt,
}
BREAKDOWNS = ("layout", "panels", "class")
_LAYOUTS = ("single", "row", "column", "grid", "mixed")
_PANELS = ("1", "2-4", "5-9", "10+")


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One detector, or file of predictions, and what it made of each figure."""

    name: str
    about: dict[str, Any]
    """Stage name, version and options, or the file."""
    predictions: Sequence[Prediction]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """All contestants on the same figures, scored."""

    truth: Truth
    cases: Sequence[Case]
    contestants: Sequence[Contestant]
    scores: Sequence[Sequence[FigureScore]]
    """Of each contestant, of each figure."""
    convention: Convention
    variant: Variant
    notes: tuple[str, ...]


def evaluate(
    truth: Truth,
    cases: Sequence[Case],
    contestants: Sequence[Contestant],
    convention: Convention,
    variant: Variant,
    coco: bool,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Score every contestant; ``notes`` are added to those that the scores themselves call for."""
    scores = [score_figures(cases, c.predictions, variant, coco) for c in contestants]
    told = [*truth.notes, *notes]
    if coco and any(p.fallback for c in contestants for p in c.predictions):
        told.append(
            "AP: where a detector finds nothing, the whole figure counts as found with score "
            f"{FALLBACK_SCORE}"
        )
    return Evaluation(truth, cases, contestants, scores, convention, variant, tuple(told))


def as_dict(evaluation: Evaluation, rounds: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Everything as plain data: subsets, intervals, breakdowns and figures of contestants, differences."""
    e = evaluation
    groups = [case.truth.article or case.truth.file for case in e.cases]
    draws = bootstrap(groups, e.scores, rounds, seed) if rounds else []
    return {
        "truth": _truth_dict(e, groups),
        "convention": e.convention,
        "clef_variant": e.variant,
        "bootstrap": {"rounds": rounds, "seed": seed, "level": 0.95, "groups": len(set(groups))},
        "notes": list(e.notes),
        "contestants": [
            _contestant_dict(e, n, draws[n] if rounds else []) for n in range(len(e.contestants))
        ],
        "differences": _differences(e, draws),
    }


def _truth_dict(e: Evaluation, groups: Sequence[str]) -> dict[str, Any]:
    return {
        "format": e.truth.format,
        "figures": len(e.cases),
        "panels": sum(len(c.panels) for c in e.cases),
        **{
            name.replace(" ", "_"): sum(map(keep, e.cases)) for name, keep in SUBSETS.items() if name != "all"
        },
        "articles": len(set(groups)) if any(c.truth.article for c in e.cases) else None,
    }


def _contestant_dict(e: Evaluation, n: int, draws: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    contestant, scores = e.contestants[n], e.scores[n]
    return {
        "name": contestant.name,
        **contestant.about,
        "subsets": {
            name: _scores_dict(e.cases, scores, keep)
            for name, keep in SUBSETS.items()
            if any(map(keep, e.cases))
        },
        "intervals": {m: interval([d[m] for d in draws]) for m in HEADLINE if draws and m in draws[0]},
        "by": {
            "layout": _by(e.cases, scores, lambda c: c.layout, _LAYOUTS),
            "panels": _by(e.cases, scores, lambda c: panel_count(len(c.panels)), _PANELS),
            "class": _by_class(e.cases, scores),
        },
        "fallbacks": sum(p.fallback for p in contestant.predictions),
        "errors": [
            {"file": c.truth.file, "error": p.error}
            for c, p in zip(e.cases, contestant.predictions, strict=True)
            if p.error
        ],
        "figures": [
            {
                "file": case.truth.file,
                "layout": case.layout,
                "true": len(case.panels),
                "found": len(prediction.boxes),
                "f1": score.f1,
                "mean_f1": score.mean_f1,
                "clef": score.clef,
                "fallback": prediction.fallback,
                "boxes": [{"box": list(box), "score": s} for box, s in prediction.boxes],
            }
            for case, prediction, score in zip(e.cases, contestant.predictions, scores, strict=True)
        ],
    }


def _differences(e: Evaluation, draws: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, Any]]:
    """The first contestant against each other one: the difference, over the same resampled figures."""
    out = []
    base = metrics(e.scores[0])
    for n in range(1, len(e.contestants)):
        other = metrics(e.scores[n])
        for name in (name for name in HEADLINE if name in base):
            entry: dict[str, Any] = {
                "a": e.contestants[0].name,
                "b": e.contestants[n].name,
                "metric": name,
                "difference": base[name] - other[name],
            }
            if draws:
                pairs = zip(draws[0], draws[n], strict=True)
                entry["interval"] = interval([x[name] - y[name] for x, y in pairs])
            out.append(entry)
    return out


def panel_count(panels: int) -> str:
    """The class of a figure by its number of panels."""
    return "1" if panels <= 1 else "2-4" if panels <= 4 else "5-9" if panels <= 9 else "10+"


def _scores_dict(
    cases: Sequence[Case], scores: Sequence[FigureScore], keep: Callable[[Case], bool]
) -> dict[str, Any]:
    chosen = [s for c, s in zip(cases, scores, strict=True) if keep(c)]
    half = [s.counts[0] for s in chosen]
    sizes = {"figures": len(chosen), "true": sum(c.true for c in half), "found": sum(c.found for c in half)}
    return {**sizes, **metrics(chosen)}


def _by(
    cases: Sequence[Case],
    scores: Sequence[FigureScore],
    key: Callable[[Case], str],
    order: Sequence[str],
) -> dict[str, Any]:
    present = {key(case) for case in cases}
    return {
        name: _scores_dict(cases, scores, lambda case, name=name: key(case) == name)  # type: ignore[misc]
        for name in order
        if name in present
    }


def _by_class(cases: Sequence[Case], scores: Sequence[FigureScore]) -> dict[str, Any]:
    """Recall of the true panels of each class, the most frequent first; ``-`` where none is given."""
    rows: dict[str, list[tuple[bool, bool]]] = {}
    for case, score in zip(cases, scores, strict=True):
        for panel, recalled in zip(case.truth.panels, score.recalled, strict=True):
            rows.setdefault(panel.category or "-", []).append(recalled)
    return {
        name: {
            "panels": len(found),
            "recall": sum(half for half, _ in found) / len(found),
            "recall_75": sum(strict for _, strict in found) / len(found),
        }
        for name, found in sorted(rows.items(), key=lambda item: (-len(item[1]), item[0]))
    }


HEADINGS = {
    "f1": "F1@.5",
    "precision": "P",
    "recall": "R",
    "f1_75": "F1@.75",
    "mean_f1": "mF1",
    "f1_figure": "F1@.5/fig",
    "ap": "AP",
    "ap50": "AP50",
    "ap75": "AP75",
    "ar100": "AR100",
    "clef": "CLEF",
}
"""Metric -> heading, in the order of the tables."""
NARROW = ("f1", "f1_75", "mean_f1", "ap50", "clef")
"""The metrics that a narrow terminal shows."""
WIDE = 120
"""Width of a terminal that has room for all, in characters."""


def cell(value: float | None) -> str:
    """A score as the tables show it; ``-`` where there is none."""
    return "-" if value is None or value < 0 else f"{value:.3f}"


def score_table(
    first: Sequence[str], rows: Iterable[tuple[Sequence[str], Mapping[str, Any]]], metrics: Iterable[str]
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of scores, each row after its ``first`` cells, without metrics that nobody has."""
    given = list(rows)
    shown = [name for name in metrics if any(name in s for _, s in given)]
    heads = [*first, "figs", "true", "found", *(HEADINGS[name] for name in shown)]
    return heads, [
        [*start, str(s["figures"]), str(s["true"]), str(s["found"]), *(cell(s.get(name)) for name in shown)]
        for start, s in given
    ]


def subset_table(
    data: Mapping[str, Any], metrics: Iterable[str] = tuple(HEADINGS)
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the scores of all figures, and of their subsets where they are fewer."""
    figures = data["truth"]["figures"]
    return score_table(
        ("detector", "figures"),
        (
            ((each["name"], subset), scores)
            for subset in SUBSETS
            for each in data["contestants"]
            if (scores := each["subsets"].get(subset)) and (subset == "all" or scores["figures"] < figures)
        ),
        metrics,
    )


def breakdown_table(
    data: Mapping[str, Any], by: str, metrics: Iterable[str] = tuple(HEADINGS)
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the scores by ``layout`` or number of ``panels``."""
    values = data["contestants"][0]["by"][by]
    return score_table(
        (by, "detector"),
        (((value, each["name"]), each["by"][by][value]) for value in values for each in data["contestants"]),
        metrics,
    )


def legend(data: Mapping[str, Any]) -> list[str]:
    """What the numbers mean, and what is to be known of them."""
    threshold = "0.66" if data["clef_variant"] == "lepage" else "0.5"
    lines = [
        "F1, P, R: pooled over panels, one-to-one, at IoU .5 or .75; mF1: mean F1 over IoU .5-.95; "
        "/fig: mean over figures.",
        f"CLEF: ImageCLEF accuracy, {data['clef_variant'].capitalize()} variant (share of the found box > "
        f"{threshold}), mean over figures, singles count; tiny boxes can fool it: never read it alone.",
    ]
    if data["contestants"] and "ap" in data["contestants"][0]["subsets"]["all"]:
        lines.append("AP, AR: COCO, IoU .50-.95, area all, 100 detections a figure.")
    groups = data["bootstrap"]["groups"]
    if data["bootstrap"]["rounds"]:
        what = "articles" if data["truth"]["articles"] else "figures"
        lines.append(
            f"[…]: 95 % interval, bootstrap over {groups} {what}, {data['bootstrap']['rounds']} draws."
        )
    return lines + [f"Note: {note}" for note in data["notes"]]


def headline_table(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: each headline metric with its interval, of contestants, then of differences."""
    present = [m for m in HEADLINE if m in data["contestants"][0]["subsets"]["all"]]
    heads, columns = [""], []
    for each in data["contestants"]:
        heads.append(each["name"])
        columns.append([_ranged(each["subsets"]["all"][m], each["intervals"].get(m)) for m in present])
    for b in dict.fromkeys(d["b"] for d in data["differences"]):
        found = {d["metric"]: d for d in data["differences"] if d["b"] == b}
        heads.append(f"{found[present[0]]['a']} - {b}")
        columns.append([_ranged(found[m]["difference"], found[m].get("interval"), "+") for m in present])
    return heads, [[HEADINGS[m], *(c[n] for c in columns)] for n, m in enumerate(present)]


def _ranged(value: float, between: Sequence[float] | None, sign: str = "") -> str:
    text = f"{value:{sign}.3f}"
    return text + (f" [{between[0]:{sign}.3f}, {between[1]:{sign}.3f}]" if between else "")


def print_report(data: Mapping[str, Any], by: Sequence[str]) -> None:
    """The tables on standard output: subsets, intervals, and the breakdowns asked for."""
    truth = data["truth"]
    title = (
        f"{truth['figures']} figures, {truth['panels']} panels ({truth['format']}), "
        f"{data['convention']} boxes"
    )
    out = console()
    narrow = out.width < WIDE
    shown = NARROW if narrow else tuple(HEADINGS)
    print_table(title, *subset_table(data, shown))
    if data["bootstrap"]["rounds"] or data["differences"]:
        print_table("\nHeadline", *headline_table(data))
    for breakdown in by:
        if breakdown == "class":
            print_table("\nRecall by class of the true panel", *class_table(data))
        else:
            print_table(f"\nBy {breakdown}", *breakdown_table(data, breakdown, shown))
    out.print()
    if narrow:
        out.print("A wider terminal, --json and --html show more metrics.", style="dim")
    for line in legend(data):
        out.print(line, markup=False, style="dim")
    for each in data["contestants"]:
        for error in each["errors"]:
            out.print(f"{each['name']} lost {error['file']}: {error['error']}", style="red", markup=False)


def class_table(data: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the recall by class, a pair of columns for each contestant."""
    contestants = data["contestants"]
    heads = ["class", "panels"]
    for each in contestants:
        heads += [f"{each['name']} R@.5", "R@.75"]
    rows = []
    for name, first in contestants[0]["by"]["class"].items():
        found = [each["by"]["class"][name] for each in contestants]
        rows.append(
            [name, str(first["panels"])] + [cell(f[key]) for f in found for key in ("recall", "recall_75")]
        )
    return heads, rows
