"""Synthetic figures on disk: COCO and WebDataset, the command, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pmcx.core.errors import UsageError
from pmcx.exporters.tar import tar_index
from pmcx.training.cli.synth import synth_command
from pmcx.training.synth.export import contact_sheet, facts_of, write_coco, write_webdataset
from pmcx.training.synth.stream import SynthOptions, SynthStream
from pmcx.training.truth.coco import read_coco

OPTIONS = SynthOptions(seed=8, size=256)


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coco(OPTIONS, tmp_path_factory.mktemp("coco") / "out", 20)


def test_coco_holds_both_conventions_letters_and_captions(coco: Path) -> None:
    data: dict[str, Any] = json.loads(coco.read_text())
    stream = SynthStream(OPTIONS)
    assert [c["name"] for c in data["categories"]] == ["panel", "label"]
    assert len({a["id"] for a in data["annotations"]}) == len(data["annotations"])
    for image in data["images"]:
        sample = stream.sample(image["id"])
        rows = [a for a in data["annotations"] if a["image_id"] == image["id"]]
        panels = [a for a in rows if a["category_id"] == 1]
        letters = {a["panel"]: a for a in rows if a["category_id"] == 2}
        assert image["caption"] == sample.caption
        for row, panel in zip(panels, sample.panels, strict=True):
            for key, box in (("bbox", panel.tight), ("cell", panel.cell)):
                assert row[key] == [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            assert row["area"] == row["bbox"][2] * row["bbox"][3]
            assert row["attributes"] == {"label": panel.label, "modality": panel.modality}
            assert (row["id"] in letters) == (panel.letter is not None)
        with Image.open(coco.parent / image["file_name"]) as file:
            assert file.size == (image["width"], image["height"])


def test_coco_is_read_by_the_scorer(coco: Path) -> None:
    truth = read_coco(coco)
    assert len(truth.figures) == 20
    stream = SynthStream(OPTIONS)
    for figure, index in zip(truth.figures, range(20), strict=True):
        assert [panel.box for panel in figure.panels] == [p.tight for p in stream.sample(index).panels]


def test_png_keeps_the_pixels(tmp_path: Path) -> None:
    write_coco(OPTIONS, tmp_path / "png", 3, image="png")
    stream = SynthStream(OPTIONS)
    for index in range(3):
        with Image.open(tmp_path / "png" / "images" / f"{index:06d}.png") as file:
            assert np.array_equal(np.asarray(file), stream.sample(index).pixels)


def test_webdataset_members_and_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmcx.training.synth.export.SHARD", 4)
    shards = write_webdataset(OPTIONS, tmp_path / "wds", 10)
    assert [shard.name for shard in shards] == [f"synth-{n:06d}.tar" for n in range(3)]
    stream = SynthStream(OPTIONS)
    seen = []
    for shard in shards:
        data = shard.read_bytes()
        for entry in tar_index(shard):
            member = data[entry.offset : entry.offset + entry.size]
            if entry.suffix == "json":
                facts = json.loads(member)
                assert facts == json.loads(json.dumps(facts_of(stream.sample(facts["index"]))))
                seen.append(facts["index"])
            else:
                assert Image.open(io.BytesIO(member)).size[0] > 0
    assert seen == list(range(10))


def test_existing_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    for write in (write_coco, write_webdataset):
        with pytest.raises(UsageError, match="not an empty folder"):
            write(OPTIONS, tmp_path, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


@pytest.mark.parametrize(("count", "image", "told"), [(0, "jpg", "count=0"), (2, "gif", "gif")])
def test_wrong_requests_are_told(tmp_path: Path, count: int, image: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        write_coco(OPTIONS, tmp_path / "out", count, image=image)
    assert not (tmp_path / "out").exists()


def test_contact_sheet_shows_every_figure() -> None:
    stream = SynthStream(OPTIONS)
    sheet = contact_sheet([stream.sample(index) for index in range(5)], columns=2, side=100)
    assert sheet.shape == (3 * 104, 2 * 104, 3)
    red = (sheet.astype(int) - (230, 0, 0) == 0).all(axis=2)
    for n in range(5):
        assert red[104 * (n // 2) : 104 * (n // 2 + 1), 104 * (n % 2) : 104 * (n % 2 + 1)].any()


def test_command_writes_figures_and_preview(tmp_path: Path) -> None:
    out, preview = tmp_path / "figures", tmp_path / "sheet.png"
    flags = ["--out", str(out), "--count", "6", "--size", "200", "--preview", str(preview)]
    done = CliRunner().invoke(synth_command, flags)
    assert done.exit_code == 0, done.output
    assert len(list((out / "images").glob("*.jpg"))) == 6
    with Image.open(preview) as sheet:
        assert sheet.width > 400
    again = CliRunner().invoke(synth_command, flags)
    assert isinstance(again.exception, UsageError)


def test_command_needs_something_to_write() -> None:
    done = CliRunner().invoke(synth_command, ["--count", "3"])
    assert done.exit_code == 2
    assert "--preview" in done.output
