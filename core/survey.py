"""What a run would fetch, from metadata alone: counts, bytes and licences (``pmcx plan``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from .config import RunConfig
from .filters import metadata_drop
from .identity import build_stage
from .planning import Plan
from .records import ArticleRef, Drop, Failure
from .registry import Registry
from .stages import Source, Survey

BATCH = 256


@dataclass
class SurveyReport:
    """What was found out about ``surveyed`` of ``planned`` articles; the totals are of those surveyed."""

    planned: int = 0
    revised: int = 0
    """Of the planned: articles of an earlier plan that have changed since."""
    surveyed: int = 0
    kept: int = 0
    files: int = 0
    size: int = 0
    licenses: Counter[str] = field(default_factory=Counter)
    """Articles by licence, of those kept."""
    sizes: Counter[str] = field(default_factory=Counter)
    """Bytes by licence, of those kept."""
    unplanned: Counter[str] = field(default_factory=Counter)
    """What planning itself leaves out, by reason."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Of those surveyed: articles that would be left out, by reason."""
    failed: Counter[str] = field(default_factory=Counter)
    blind: tuple[str, ...] = ()
    """Filters of the run that metadata do not answer to."""

    @property
    def scale(self) -> float:
        """By what the totals of a sample are multiplied to estimate the whole."""
        return self.planned / self.surveyed if self.surveyed else 1.0

    @property
    def exact(self) -> bool:
        return self.surveyed == self.planned


def survey(
    config: RunConfig,
    registry: Registry,
    plan: Plan,
    sample: int = 0,
    told: Callable[[int], None] = lambda done: None,
) -> SurveyReport:
    """Ask the source what the articles of a plan would cost; of ``sample`` of them, evenly spread, or all."""
    report = SurveyReport(planned=plan.articles, unplanned=Counter(drop.reason for drop in plan.drops))
    report.blind = tuple(
        f"filters.{name}"
        for name in ("years", "journals", "max_figures")
        if getattr(config.filters, name) not in ("", (), None)
    )
    source = build_stage(registry, "source", config.source.name, config.source.options)
    assert isinstance(source, Source)
    source.accept = partial(metadata_drop, filters=config.filters)
    with source:
        for refs in _batches(plan, sample, report):
            for answer in source.survey(refs):
                _count(report, answer)
            told(report.surveyed)
    return report


def _count(report: SurveyReport, answer: Survey | Failure | Drop) -> None:
    report.surveyed += 1
    if isinstance(answer, Failure):
        report.failed[answer.kind] += 1
    elif isinstance(answer, Drop):
        report.dropped[answer.reason] += 1
    else:
        report.kept += 1
        report.files += answer.files
        report.size += answer.size
        if answer.license:
            report.licenses[answer.license] += 1
            report.sizes[answer.license] += answer.size


def _batches(plan: Plan, sample: int, report: SurveyReport) -> Iterator[Sequence[ArticleRef]]:
    """The planned refs, or a sample spread evenly over them, in batches."""
    chosen = min(sample or plan.articles, plan.articles)
    batch: list[ArticleRef] = []
    for number, ref in enumerate(plan.refs()):
        report.revised += ref.revision > 0
        if (number * chosen) // plan.articles == ((number + 1) * chosen) // plan.articles:
            continue
        batch.append(ref)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
