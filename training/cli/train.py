"""``pmcx train detector``: train, continue, export."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group("train")
def train_command() -> None:
    """Train a model on synthetic figures."""


@train_command.command("detector")
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the training."
)
@click.option(
    "--side", type=click.IntRange(96, 1024), default=224, show_default=True, help="Input in pixels."
)
@click.option("--tiny", is_flag=True, help="A network of 0.6 M parameters at 160 px, to try the recipe.")
@click.option("--steps", type=click.IntRange(min=1), default=10000, show_default=True)
@click.option(
    "--proposals",
    type=click.IntRange(min=0),
    default=2000,
    show_default=True,
    help="First steps that train the encoder's proposals alone.",
)
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, help="Figures a step.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=6e-4, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--layouts", type=FILE, help="CSV of real panel boxes to sample layouts from.")
@click.option("--pool", "pools", multiple=True, type=FOLDER, help="Folder of pictures to use (repeatable).")
@click.option("--start", type=FOLDER, help="Begin with the weights of this training or exported model.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; all by default.")
@click.option(
    "--workers", type=click.IntRange(min=0), default=1, show_default=True, help="Processes that draw figures."
)
@click.option(
    "--every", type=click.IntRange(min=1), default=500, show_default=True, help="Steps between validations."
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), help="Stop after so long; go on later."
)
@click.option(
    "--export", type=click.Path(file_okay=False, path_type=Path), help="Write the averaged weights here."
)
def detector_command(
    out: Path, export: Path | None, minutes: float | None, threads: int | None, **told: object
) -> int:
    """Train the detr detector's weights; the same command goes on with a training that was stopped.

    Writes checkpoint.pt, metrics.jsonl and pictures of the validation stream into --out, and with --export a
    folder for --detector-option weights=FOLDER. Training on a CPU is bit for bit the same with or without
    a break.
    """
    from ..detector.run import Settings, train

    return train(Settings(out=out, export=export, minutes=minutes, threads=threads, **told))  # type: ignore[arg-type]
