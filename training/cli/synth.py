"""``pmcx synth``: synthetic compound figures with ground truth."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("synth")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder to write; new or empty."
)
@click.option("--count", type=click.IntRange(min=1), default=1000, show_default=True, help="Figures.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--size", type=click.IntRange(64, 4096), default=448, show_default=True, help="Longer side in pixels."
)
@click.option(
    "--format", "form", type=click.Choice(["coco", "webdataset"]), default="coco", show_default=True
)
@click.option("--image", type=click.Choice(["jpg", "png"]), default="jpg", show_default=True)
@click.option("--layouts", type=FILE, help="CSV of real panel boxes to sample layouts from.")
@click.option("--pool", "pools", multiple=True, type=FOLDER, help="Folder of pictures to use (repeatable).")
@click.option(
    "--singles", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Share of single panels."
)
@click.option(
    "--crowd",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Prefer figures of many panels.",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option(
    "--preview",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the first figures (at most 48) with their boxes as one picture.",
)
def synth_command(
    out: Path | None,
    count: int,
    seed: int,
    size: int,
    form: str,
    image: str,
    layouts: Path | None,
    pools: tuple[Path, ...],
    singles: float,
    crowd: float,
    workers: int,
    preview: Path | None,
) -> int:
    """Make synthetic compound figures with panel boxes, letters, modalities and captions.

    The figures depend on the seed and the options alone, not on the number of workers. With --layouts, 70 %
    of the compound figures take a real page layout, varied; the others, or all, a random one.
    """
    if out is None and preview is None:
        raise click.UsageError("Nothing to write: give --out, --preview or both.")
    from ..synth.export import contact_sheet, write_coco, write_webdataset
    from ..synth.stream import SynthOptions, SynthStream

    options = SynthOptions(size=size, layouts=layouts, pools=pools, singles=singles, crowd=crowd, seed=seed)
    if out is not None:
        write = write_coco if form == "coco" else write_webdataset
        with click.progressbar(length=count, label="Figures") as bar:
            write(options, out, count, workers=workers, image=image, progress=bar.update)
        click.echo(f"{count} figures in {out}")
    if preview is not None:
        from PIL import Image

        from ...core.files import output_errors

        stream = SynthStream(options)
        sheet = contact_sheet([stream.sample(index) for index in range(min(count, 48))])
        with output_errors(preview):
            Image.fromarray(sheet).save(preview)
        click.echo(f"Preview in {preview}")
    return 0
