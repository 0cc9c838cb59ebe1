"""Detectors on annotated figures: what they find, and every score of it, with bootstrap intervals.

A detector is asked as the engine asks it: a batch that raises is asked again figure by figure, boxes are
clipped, and the whole figure is the panel where nothing is found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.decode import decode
from ..core.errors import InputError, PluginError, UsageError
from ..core.images import FigureImage
from ..core.panels import clip, make_panels
from ..core.records import Box, Detection, Figure, ImageRef
from ..core.stages import Detector
from .conventions import Layout, cells, layout_of, tight
from .scores import COCO_THRESHOLDS, Counts, clef_accuracy, clef_accuracy_zou, match_counts, matching
from .truth.images import find_image
from .truth.records import TrueFigure

if TYPE_CHECKING:
    from .coco import FigureMatches

Convention = Literal["tight", "cell"]
Variant = Literal["lepage", "zou"]

FALLBACK_SCORE = 0.01
"""Score, for COCO AP, of the whole figure where a detector finds nothing: below all that it did find."""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What one detector makes of one figure: boxes with scores, in reading order."""

    boxes: tuple[tuple[Box, float], ...]
    fallback: bool = False
    """Nothing was found; the one box is the whole figure."""
    error: str = ""
    """Why the detector could not be asked; there are no boxes then."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One annotated figure, ready to be scored: boxes in one convention, inside the image."""

    truth: TrueFigure
    width: int
    height: int
    panels: tuple[tuple[Box, ...], ...]
    """The alternatives of each true panel."""
    layout: Layout


@dataclasses.dataclass(frozen=True)
class FigureScore:
    """All that one figure adds to the scores of one detector."""

    counts: tuple[Counts, ...]
    """Matches at each of the COCO thresholds."""
    clef: float
    recalled: tuple[tuple[bool, bool], ...]
    """Whether each true panel was found, at IoU .5 and .75."""
    coco: FigureMatches | None = None

    @property
    def f1(self) -> float:
        """F1 at IoU .5."""
        return self.counts[0].f1

    @property
    def mean_f1(self) -> float:
        """F1 averaged over IoU .5-.95."""
        return sum(c.f1 for c in self.counts) / len(self.counts)


def load_figure(truth: TrueFigure, images: Path) -> FigureImage:
    """The decoded image of an annotated figure; UsageError where it is missing, broken or of another size."""
    path = find_image(images, truth.file)
    try:
        image = decode(path.read_bytes()).image
    except InputError as error:
        raise UsageError(f"{path}: {error}") from None
    stated = (truth.width, truth.height)
    if all(stated) and stated != image.size:
        raise UsageError(
            f"{path}: the image is {image.width}x{image.height}, "
            f"but its annotation is for {stated[0]}x{stated[1]}"
        )
    figure = Figure(
        id=truth.file, article="", caption=truth.caption, image=ImageRef(href=truth.file, name=path.name)
    )
    return FigureImage(figure, image)


def as_case(truth: TrueFigure, width: int, height: int, convention: Convention = "tight") -> Case:
    """A figure's truth in one convention, clipped to the image.

    The first alternative of each panel makes the cells; another one is converted among the others' first.
    Raises UsageError for a box outside of the image.
    """
    for n, panel in enumerate(truth.panels, 1):
        for box in panel.boxes:
            x0, y0, x1, y1 = clip(box, width, height)
            if x0 >= x1 or y0 >= y1:
                raise UsageError(
                    f"{truth.file}: panel {n} at {box} lies outside of the {width}x{height} image"
                )
    main = [clip(panel.box, width, height) for panel in truth.panels]
    panels = [tuple(clip(box, width, height) for box in panel.boxes) for panel in truth.panels]
    if convention == "cell":
        panels = [
            tuple(cells([*main[:n], box, *main[n + 1 :]], width, height)[n] for box in boxes)
            for n, boxes in enumerate(panels)
        ]
    return Case(truth, width, height, tuple(panels), layout_of(main, width, height))


def as_prediction(
    image: FigureImage,
    found: Sequence[Detection] | str,
    convention: Convention = "tight",
    trim: bool = False,
) -> Prediction:
    """What the engine makes of an answer, in one convention; ``trim`` cuts boxes to their ink before.

    A text in place of an answer says why there is none: such a figure has no panels.
    """
    if isinstance(found, str):
        return Prediction((), error=found)
    width, height = image.width, image.height
    boxes = [clip(d.box, width, height) for d in found]
    fallback = not any(b[0] < b[2] and b[1] < b[3] for b in boxes)
    panels = make_panels(image.figure.id, found, width, height)
    scored = [(panel.box, FALLBACK_SCORE if fallback else panel.score) for panel in panels]
    if trim and not fallback:
        trimmed = tight(image.pixels, [box for box, _ in scored])
        scored = [(box, score) for box, (_, score) in zip(trimmed, scored, strict=True)]
    if convention == "cell":
        whole = cells([box for box, _ in scored], width, height)
        scored = [(box, score) for box, (_, score) in zip(whole, scored, strict=True)]
    return Prediction(tuple(scored), fallback)


def predict(detector: Detector, images: Sequence[FigureImage]) -> list[Sequence[Detection] | str]:
    """An open detector's answer for each image, or why it has none.

    As in the engine a batch that raises is asked again one by one, so that an error costs one figure.
    UsageError and PluginError are raised.
    """
    out: list[Sequence[Detection] | str] = []
    for start in range(0, len(images), detector.resources.batch):
        batch = images[start : start + detector.resources.batch]
        try:
            answers = detector.detect(batch)
        except (UsageError, PluginError):
            raise
        except Exception:
            out += [_alone(detector, image) for image in batch]
            continue
        if len(answers) != len(batch):
            raise PluginError(
                f"the detector {detector.name!r} gave {len(answers)} answers for {len(batch)} images"
            )
        out += answers
    return out


def _alone(detector: Detector, image: FigureImage) -> Sequence[Detection] | str:
    try:
        return detector.detect([image])[0]
    except (UsageError, PluginError):
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"


Answer = Callable[[Sequence[FigureImage]], "list[Sequence[Detection] | str]"]
"""Detections of a batch of images: an open detector's :func:`predict`, or boxes read from a file."""


def run(
    figures: Sequence[TrueFigure],
    images: Path,
    answers: Mapping[str, Answer],
    convention: Convention = "tight",
    trim: bool = False,
    batch: int = 16,
) -> Iterator[tuple[Case, dict[str, Prediction]]]:
    """Each figure's case and what each contestant predicts for it; at most ``batch`` images are in memory."""
    for start in range(0, len(figures), batch):
        chosen = figures[start : start + batch]
        loaded = [load_figure(truth, images) for truth in chosen]
        found = {name: answer(loaded) for name, answer in answers.items()}
        for n, (truth, image) in enumerate(zip(chosen, loaded, strict=True)):
            predictions = {
                name: as_prediction(image, each[n], convention, trim) for name, each in found.items()
            }
            yield as_case(truth, image.width, image.height, convention), predictions


def score_figures(
    cases: Sequence[Case], predictions: Sequence[Prediction], variant: Variant = "lepage", coco: bool = True
) -> list[FigureScore]:
    """The scores of one contestant, figure by figure; PluginError if ``coco`` and pycocotools is missing."""
    matches: Sequence[FigureMatches | None] = [None] * len(cases)
    if coco:
        from .coco import match_figures

        matches = match_figures([p.boxes for p in predictions], [c.panels for c in cases])
    accuracy = clef_accuracy if variant == "lepage" else clef_accuracy_zou
    out = []
    for case, prediction, match in zip(cases, predictions, matches, strict=True):
        found = [box for box, _ in prediction.boxes]
        counts = tuple(match_counts(found, case.panels, t) for t in COCO_THRESHOLDS)
        half, strict = (matching(found, case.panels, t) for t in (0.5, 0.75))
        recalled = tuple((n in half, n in strict) for n in range(len(case.panels)))
        out.append(FigureScore(counts, accuracy(found, case.panels), recalled, match))
    return out


class _Table:
    """The scores of many figures as arrays, of which any selection is summed up fast."""

    def __init__(self, scores: Sequence[FigureScore]) -> None:
        import numpy as np

        rows = [[(c.matched, c.found, c.true) for c in s.counts] for s in scores]
        self._counts = np.array(rows, np.int64).reshape(len(scores), len(COCO_THRESHOLDS), 3)
        self._means = np.array([(s.clef, s.f1, s.mean_f1) for s in scores], np.float64).reshape(-1, 3)
        self._coco = [s.coco for s in scores if s.coco is not None]
        self._matched = len(self._coco) == len(scores)

    def metrics(self, rows: Sequence[int]) -> dict[str, float]:
        pooled = [Counts(*map(int, sums)) for sums in self._counts[rows].sum(axis=0)]
        half, strict = pooled[COCO_THRESHOLDS.index(0.5)], pooled[COCO_THRESHOLDS.index(0.75)]
        clef, f1_figure, mean_f1_figure = map(float, self._means[rows].mean(axis=0))
        out = {
            "f1": half.f1,
            "precision": half.precision,
            "recall": half.recall,
            "f1_75": strict.f1,
            "precision_75": strict.precision,
            "recall_75": strict.recall,
            "mean_f1": sum(c.f1 for c in pooled) / len(pooled),
            "clef": clef,
            "f1_figure": f1_figure,
            "mean_f1_figure": mean_f1_figure,
        }
        if self._matched:
            from .coco import coco_scores

            out |= dataclasses.asdict(coco_scores([self._coco[i] for i in rows]))
        return out


def metrics(scores: Sequence[FigureScore]) -> dict[str, float]:
    """The scores of one or more figures by name: pooled over panels but for those said to be per figure.

    ``f1``, ``precision``, ``recall`` (at IoU .5) and the same at .75 as ``f1_75`` …; ``mean_f1`` (IoU
    .5-.95); ``clef`` and ``f1_figure`` (means over figures, as is ``mean_f1_figure``); and, where matched,
    ``ap``, ``ap50``, ``ap75``, ``ar100``.
    """
    return _Table(scores).metrics(range(len(scores)))


HEADLINE = ("f1", "mean_f1", "ap50", "ap", "clef")
"""The metrics that get an interval."""


def bootstrap(
    groups: Sequence[Any], contestants: Sequence[Sequence[FigureScore]], rounds: int = 1000, seed: int = 0
) -> list[list[dict[str, float]]]:
    """The headline metrics over resampled groups (articles): ``rounds`` draws, the same for each contestant.

    ``groups`` holds the group of each figure. Gives, for each contestant, a dict for each draw. As many
    groups as there are are drawn with replacement (the cluster bootstrap: Davison & Hinkley 1997, 3.8).
    """
    import numpy as np

    names = list(dict.fromkeys(groups))
    members: dict[Any, list[int]] = {name: [] for name in names}
    for i, group in enumerate(groups):
        members[group].append(i)
    tables = [_Table(scores) for scores in contestants]
    random = np.random.default_rng(seed)
    out: list[list[dict[str, float]]] = [[] for _ in contestants]
    for _ in range(rounds):
        drawn = [i for k in random.integers(len(names), size=len(names)) for i in members[names[k]]]
        for each, table in zip(out, tables, strict=True):
            found = table.metrics(drawn)
            each.append({name: found[name] for name in HEADLINE if name in found})
    return out


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrap values."""
    import numpy as np

    low, high = np.quantile(np.asarray(values), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
