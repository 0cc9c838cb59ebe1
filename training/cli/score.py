"""``pmcx score``: how good a stage is on annotated inputs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from ...core.cli.complete import stage_names
from ...core.config import parse_assignments
from ...core.errors import PluginError, UsageError
from ..report import BREAKDOWNS
from ..truth import FORMATS

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("score")
def score_command() -> None:
    """Score a stage on annotated inputs."""


@score_command.command("detector")
@click.option(
    "--truth",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Annotations: file or folder.",
)
@click.option("--truth-format", type=click.Choice(FORMATS), help="Default: told by the content.")
@click.option("--images", type=FOLDER, help="Folder of the images. Default: that of the annotations.")
@click.option(
    "--detector",
    "detectors",
    multiple=True,
    metavar="[ALIAS=]NAME",
    shell_complete=stage_names("detector"),
    help="Detector to score (repeatable; the first is compared with the others).",
)
@click.option(
    "--detector-option",
    "options",
    multiple=True,
    metavar="[NAME:]KEY=VALUE",
    help="Option of all detectors, or of one by its name or alias.",
)
@click.option(
    "--predictions",
    multiple=True,
    type=FILE,
    help="Boxes to score beside: `pmcx detect --json` output or COCO results.",
)
@click.option(
    "--convention",
    type=click.Choice(["tight", "cell"]),
    default="tight",
    show_default=True,
    help="cell: convert truth and predictions to cells that tile the figure.",
)
@click.option(
    "--trim", is_flag=True, help="Trim predicted boxes to their ink, for detectors that give cells."
)
@click.option(
    "--clef-variant",
    type=click.Choice(["lepage", "zou"]),
    default="lepage",
    show_default=True,
    help="ImageCLEF accuracy as this re-implementation computes it.",
)
@click.option(
    "--by", default=",".join(BREAKDOWNS), show_default=True, metavar="LIST", help="Tables to print."
)
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with the figures drawn."
)
@click.option("--html-figures", type=click.IntRange(1), help="Only so many, the worst.")
@click.option(
    "--rounds",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Draws of the bootstrap; 0 for no intervals.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the bootstrap.")
@click.option("--plugin", "modules", multiple=True, metavar="MODULE", help="As in `pmcx run`.")
@click.option("--json", "as_json", is_flag=True, help="All scores, figure by figure, as JSON.")
def detector_command(**flags: Any) -> int:
    """Score detectors on figures whose panels are annotated.

    A figure in which a detector finds nothing counts as one panel, the whole image. Where an image makes a
    detector fail, its panels count as missed; the exit code is then 1.
    """
    by = _breakdowns(flags["by"])
    if not flags["detectors"] and not flags["predictions"]:
        raise UsageError("nothing to score: name a --detector or a file of --predictions")
    evaluation, images = _evaluate(flags)
    from ..report import as_dict, print_report

    data = as_dict(evaluation, flags["rounds"], flags["seed"])
    if flags["html"] is not None:
        from ..report_html import write_page

        write_page(flags["html"], evaluation, data, images, flags["html_figures"])
    if flags["as_json"]:
        from ...core.cli.output import print_json

        print_json(data)
    else:
        print_report(data, by)
    return 1 if any(each["errors"] for each in data["contestants"]) else 0


def _breakdowns(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in BREAKDOWNS:
            raise UsageError(f"--by takes {', '.join(BREAKDOWNS)}, got {name!r}")
    return names


def _evaluate(flags: dict[str, Any]) -> tuple[Any, Path]:
    """The scored contestants, and the folder of the images."""
    from .. import evaluation, report
    from ..predictions import Predictions
    from ..truth import read_truth

    folder = flags["truth"] if flags["truth"].is_dir() else flags["truth"].parent
    images: Path = flags["images"] or folder
    truth = read_truth(flags["truth"], images, flags["truth_format"])
    stages = _stages(flags)
    answers: dict[str, Any] = {}
    about: dict[str, dict[str, Any]] = {}
    for path in flags["predictions"]:
        name = _free(path.stem, [*stages, *answers])
        answers[name], about[name] = Predictions(path, truth.figures), {"predictions": str(path)}
    cases, predictions = [], []
    with contextlib.ExitStack() as stack:
        for name, (stage, told) in stages.items():
            stack.enter_context(stage)
            answers[name] = _asker(stage)
            about[name] = told
        for case, found in evaluation.run(truth.figures, images, answers, flags["convention"], flags["trim"]):
            cases.append(case)
            predictions.append(found)
    contestants = [
        report.Contestant(name, about[name], [found[name] for found in predictions])
        for name in (*stages, *(name for name in answers if name not in stages))
    ]
    coco, notes = _coco()
    return (
        report.evaluate(truth, cases, contestants, flags["convention"], flags["clef_variant"], coco, notes),
        images,
    )


def _coco() -> tuple[bool, list[str]]:
    """Whether AP can be computed, and what to tell if not: the other scores do not wait for it."""
    from ..coco import load_pycocotools

    try:
        load_pycocotools()
    except PluginError as error:
        return False, [str(error)]
    return True, []


def _asker(stage: Any) -> Any:
    from ..evaluation import predict

    return lambda images: predict(stage, images)


def _stages(flags: dict[str, Any]) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Name or alias -> the unopened detector, and what the report says of it."""
    from ...core.identity import build_stage
    from ...core.registry import Registry

    registry = Registry.discover((), flags["modules"])
    out: dict[str, tuple[Any, dict[str, Any]]] = {}
    names: dict[str, str] = {}
    for text in flags["detectors"]:
        alias, sep, name = text.partition("=")
        if alias in names:
            raise UsageError(f"--detector {alias} is given twice; tell them apart with ALIAS={name or alias}")
        names[alias] = name if sep else alias
    options = _options(flags["options"], names)
    for alias, name in names.items():
        stage = build_stage(registry, "detector", name, options[alias])
        info = registry.stage("detector", name)
        out[alias] = (stage, {"detector": info.made_by, "options": options[alias]})
    return out


def _options(pairs: tuple[str, ...], names: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The options of each detector: those for all, then its own."""
    chosen: dict[str, list[str]] = {alias: [] for alias in names}
    own: dict[str, list[str]] = {alias: [] for alias in names}
    for pair in pairs:
        key = pair.partition("=")[0]
        alias, sep, _ = key.partition(":")
        if not sep:
            for each in chosen.values():
                each.append(pair)
        elif alias in own:
            own[alias].append(pair[len(alias) + 1 :])
        else:
            raise UsageError(
                f"--detector-option {pair}: no --detector is called {alias!r}; there are {', '.join(names)}"
            )
    return {alias: parse_assignments([*chosen[alias], *own[alias]], "--detector-option") for alias in names}


def _free(name: str, taken: list[str]) -> str:
    """``name``, numbered where it is taken."""
    candidate, n = name, 1
    while candidate in taken:
        n += 1
        candidate = f"{name}-{n}"
    return candidate
