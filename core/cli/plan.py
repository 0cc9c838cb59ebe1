"""``pmcx plan``: what a run would fetch, before anything is downloaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .flags import OUT, config_of, run_flags

if TYPE_CHECKING:
    from ..survey import SurveyReport

SAMPLE = 1000
"""Articles that are looked at where there are more; enough for shares within 3 %."""


@click.command("plan")
@run_flags
@click.option("--out", type=OUT, help="A run: show what extending it would fetch.")
@click.option(
    "--sample",
    type=click.IntRange(0),
    default=SAMPLE,
    show_default=True,
    help="Look at so many articles, evenly spread, and estimate the rest; 0: at all.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def plan_command(**flags: Any) -> int:
    """Show how many articles a run would fetch, their bytes and licences; downloads metadata only.

    \b
    pmcx plan --source pmc-oa --input PMC7759461 --license commercial
    """
    from ..engine import Engine
    from ..survey import survey
    from .output import print_json, print_table

    out: Path | None = flags["out"]
    config = config_of(flags)
    engine = Engine(config, out or Path("unused"))
    with engine.preview() as plan:
        report = survey(config, engine.registry, plan, flags["sample"])
    if flags["as_json"]:
        print_json(report_dict(report))
    else:
        click.echo(_title(config.source.name, report))
        print_table("", ("", ""), report_rows(report))
        if report.licenses:
            print_table("Licences", ("", "articles", "bytes"), _license_rows(report))
    return 1 if report.failed else 0


def report_dict(report: SurveyReport) -> dict[str, Any]:
    """The report as plain data; totals are of the surveyed articles, ``scale`` estimates the whole."""
    return {
        "planned": report.planned,
        "revised": report.revised,
        "surveyed": report.surveyed,
        "kept": report.kept,
        "files": report.files,
        "bytes": report.size,
        "licenses": dict(report.licenses.most_common()),
        "license_bytes": dict(report.sizes.most_common()),
        "unplanned": dict(report.unplanned.most_common()),
        "dropped": dict(report.dropped.most_common()),
        "failed": dict(report.failed.most_common()),
        "scale": report.scale,
    }


def report_rows(report: SurveyReport) -> Iterable[tuple[str, str]]:
    about = "" if report.exact else "about "
    changed = f", {report.revised} of them changed" if report.revised else ""
    yield "articles", f"{report.planned} planned{changed}" + _by_reason(report.unplanned, "; without ")
    if not report.exact:
        yield "looked at", f"{report.surveyed}, evenly spread" + _by_reason(report.dropped, "; left out ")
    elif report.dropped:
        yield "left out", _by_reason(report.dropped)
    if report.failed:
        yield "not readable", _by_reason(report.failed)
    if report.blind:
        yield "not counted", f"{', '.join(report.blind)}: known only when an article is read"
    yield "to fetch", f"{about}{_count(_whole(report, report.kept), 'article')}"
    if report.files:
        files = _count(_whole(report, report.files), "file")
        yield "", f"{about}{files} at most, {about}{readable(report.size * report.scale)}"


def _by_reason(found: Counter[str], lead: str = "") -> str:
    return lead + ", ".join(f"{name} {n}" for name, n in found.most_common()) if found else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _title(name: str, report: SurveyReport) -> str:
    return f"What a run from {name} would fetch" + ("" if report.exact else ", estimated from a sample")


def _license_rows(report: SurveyReport) -> list[tuple[str, str, str]]:
    return [
        (code, str(_whole(report, n)), readable(report.sizes[code] * report.scale))
        for code, n in report.licenses.most_common()
    ]


def _whole(report: SurveyReport, count: int) -> int:
    return round(count * report.scale)


def readable(size: float) -> str:
    """``1234567`` -> ``1.2 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
