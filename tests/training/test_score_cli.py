"""``pmcx score detector`` on figures drawn here: tables, JSON, page, options and errors."""

from __future__ import annotations

import html.parser
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

from pmcx.core.errors import PmcxError, UsageError
from pmcx.training.cli.score import score_command

PLUGIN = '''
from pmcx import Detector, hookimpl
from pmcx.core.errors import InputError
from pmcx.core.records import Detection


class Halves(Detector):
    """Cuts every figure in two at its middle, and cannot stand narrow ones."""

    name = "halves"

    class Options(Detector.Options):
        shift: int = 0

    def detect(self, images):
        out = []
        for image in images:
            if image.width < 100:
                raise InputError("too narrow")
            x = image.width // 2 + self.options.shift
            out.append([
                Detection(box=(0, 0, x, image.height), score=0.75),
                Detection(box=(x, 0, image.width, image.height), score=0.5),
            ])
        return out


@hookimpl
def pmcx_detectors():
    return [Halves]
'''


def draw(path: Path, boxes: list[tuple[int, int, int, int]], width: int = 400) -> None:
    pixels = np.full((300, width, 3), 255, np.uint8)
    noise = np.random.default_rng(len(boxes))
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] = noise.integers(0, 200, (y1 - y0, x1 - x0, 1))
    Image.fromarray(pixels).save(path)


@pytest.fixture
def figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five figures of three articles: pairs that ``halves`` cuts right, a column, a single one."""
    layouts: dict[str, list[tuple[int, int, int, int]]] = {
        "art1__fig1.png": [(0, 0, 180, 300), (220, 0, 400, 300)],
        "art1__fig2.png": [(0, 0, 195, 300), (205, 0, 400, 300)],
        "art2__fig1.png": [(0, 0, 400, 140), (0, 160, 400, 300)],
        "art3__fig1.png": [(0, 0, 400, 300)],
    }
    entries = []
    for name, boxes in layouts.items():
        draw(tmp_path / name, boxes)
        panels = [
            {"box": box, "label": "AB"[n], "class": "plot" if n else "<gel>"} for n, box in enumerate(boxes)
        ]
        entries.append({"file": name, "width": 400, "height": 300, "panels": panels})
    entries[2]["doubt"] = "one or two?"
    (tmp_path / "annotations.json").write_text(json.dumps(entries))
    (tmp_path / "halves_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PMCX_PLUGINS", "halves_plugin")
    return tmp_path


def call(*arguments: str) -> int:
    code = score_command.main(["detector", *arguments], prog_name="pmcx score", standalone_mode=False)
    assert isinstance(code, int)
    return code


def scored(figures: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    call("--truth", str(figures / "annotations.json"), "--rounds", "100", "--json", *arguments)
    out: dict[str, Any] = json.loads(capsys.readouterr().out)
    return out


def test_json_holds_every_score(figures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pycocotools")
    data = scored(figures, capsys, "--detector", "halves")
    assert data["truth"] == {
        "format": "pmcx", "figures": 4, "panels": 7, "compounds": 3, "singles": 1,
        "no_doubt": 3, "articles": 3,
    }  # fmt: skip
    (halves,) = data["contestants"]
    every = halves["subsets"]["all"]
    assert (every["figures"], every["true"], every["found"]) == (4, 7, 8)
    assert every["recall"] == pytest.approx(5 / 7)  # half of the single figure's box has an IoU of .5
    assert every["precision"] == pytest.approx(5 / 8)
    assert every["recall_75"] == pytest.approx(4 / 7)
    assert every["f1_75"] == pytest.approx(2 * 4 / 15)
    assert every["clef"] == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert every["ap50"] > every["ap"] > 0
    assert set(halves["subsets"]) == {"all", "compounds", "singles", "no doubt"}
    assert halves["subsets"]["no doubt"]["figures"] == 3
    assert {k: v["figures"] for k, v in halves["by"]["layout"].items()} == {
        "single": 1,
        "row": 2,
        "column": 1,
    }
    assert {k: v["true"] for k, v in halves["by"]["panels"].items()} == {"1": 1, "2-4": 6}
    assert halves["by"]["class"]["<gel>"] == {"panels": 4, "recall": 0.75, "recall_75": 0.5}
    for low, high in halves["intervals"].values():
        assert low <= high
    low, high = halves["intervals"]["f1"]
    assert low <= every["f1"] <= high
    assert [f["file"] for f in halves["figures"]][3] == "art3__fig1.png"
    assert halves["figures"][0]["boxes"][0] == {"box": [0, 0, 200, 300], "score": 0.75}
    assert data["differences"] == []


def test_two_detectors_side_by_side(figures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = scored(
        figures,
        capsys,
        "--detector",
        "gutters",
        "--detector",
        "off=halves",
        "--detector-option",
        "off:shift=150",
    )
    gutters, off = data["contestants"]
    assert (gutters["name"], off["name"], off["options"]) == ("gutters", "off", {"shift": 150})
    assert off["detector"].startswith("halves")
    assert gutters["subsets"]["all"]["f1"] == 1
    difference = next(d for d in data["differences"] if d["metric"] == "f1")
    assert (difference["a"], difference["b"]) == ("gutters", "off")
    assert difference["difference"] == pytest.approx(1 - off["subsets"]["all"]["f1"])
    assert 0 < difference["interval"][0] <= difference["difference"] <= difference["interval"][1]
    assert gutters["fallbacks"] == 1
    assert off["fallbacks"] == 0


def test_the_cell_convention(figures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tight = scored(figures, capsys, "--detector", "halves")
    cell = scored(figures, capsys, "--detector", "halves", "--convention", "cell")
    assert (tight["convention"], cell["convention"]) == ("tight", "cell")
    row = [d["contestants"][0]["by"]["layout"]["row"]["mean_f1"] for d in (tight, cell)]
    assert row[0] < row[1] == 1


def test_trim(figures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = scored(figures, capsys, "--detector", "halves", "--trim")
    assert data["contestants"][0]["by"]["layout"]["row"]["mean_f1"] == 1


def test_predictions_from_a_file_score_as_the_detector(
    figures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = scored(figures, capsys, "--detector", "halves")["contestants"][0]
    rows = [{"file": f["file"], "panels": f["boxes"]} for f in first["figures"]]
    (figures / "saved.json").write_text(json.dumps(rows))
    data = scored(figures, capsys, "--detector", "halves", "--predictions", str(figures / "saved.json"))
    assert [c["name"] for c in data["contestants"]] == ["halves", "saved"]
    assert data["contestants"][1]["subsets"] == first["subsets"]
    assert {d["difference"] for d in data["differences"]} == {0}


def test_other_formats_of_truth_give_the_same_scores(
    figures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = json.loads((figures / "annotations.json").read_text())
    coco = {
        "images": [{"id": n, "file_name": e["file"]} for n, e in enumerate(entries)],
        "annotations": [
            {"image_id": n, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for n, e in enumerate(entries)
            for x0, y0, x1, y1 in (p["box"] for p in e["panels"])
        ],
        "categories": [{"id": 1, "name": "panel"}],
    }
    rows = [f"{e['file']},{','.join(map(str, p['box']))},panel" for e in entries for p in e["panels"]]
    (figures / "coco.json").write_text(json.dumps(coco))
    (figures / "zou.csv").write_text("\n".join(rows))
    first = scored(figures, capsys, "--detector", "halves")["contestants"][0]
    for name in ("coco.json", "zou.csv"):
        call("--truth", str(figures / name), "--detector", "halves", "--json", "--rounds", "0")
        again = json.loads(capsys.readouterr().out)["contestants"][0]
        assert again["subsets"]["all"] == first["subsets"]["all"], name


def test_tables(figures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pycocotools")
    assert call("--truth", str(figures / "annotations.json"), "--detector", "halves", "--rounds", "50") == 0
    out = capsys.readouterr().out
    assert "4 figures, 7 panels (pmcx), tight boxes" in out
    assert re.search(r"halves\s+all\s+4\s+7\s+8\s+0\.667\s+0\.625\s+0\.714", out)
    assert "Lepage variant" in out and "bootstrap over 3 articles, 50 draws" in out
    assert re.search(r"By layout\s", out) and "Recall by class" in out and "<gel>" in out
    call(
        "--truth",
        str(figures / "annotations.json"),
        "--detector",
        "halves",
        "--by",
        "panels",
        "--rounds",
        "0",
    )
    out = capsys.readouterr().out
    assert "By panels" in out and "By layout" not in out and "[" not in out


def test_whole_figure_fallback_is_told(figures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pycocotools")
    data = scored(figures, capsys, "--detector", "gutters")
    assert any("whole figure counts as found with score 0.01" in note for note in data["notes"])


def test_without_pycocotools_the_other_scores_stand(
    figures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    call("--truth", str(figures / "annotations.json"), "--detector", "halves", "--rounds", "20")
    out = capsys.readouterr().out
    assert "pip install pmcx-extract[score]" in out
    assert "AP50" not in out and "0.667" in out


class Page(html.parser.HTMLParser):
    """Counts the boxes by class, and checks that every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rects: dict[str, int] = {}
        self.sources: list[str] = []
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "rect":
            self.rects[str(given["class"])] = self.rects.get(str(given["class"]), 0) + 1
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.sources += [str(value) for name, value in attributes if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h3":
            self.titles.append(data)


def test_page_draws_the_worst_first(figures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = figures / "page.html"
    scored(figures, capsys, "--detector", "gutters", "--detector", "halves", "--html", str(target))
    text = target.read_text()
    page = Page()
    page.feed(text)
    assert not page.open
    assert page.rects == {"true": 14, "found": 7 + 8}
    assert "art2__fig1" in page.titles[0]  # the column, of which halves finds nothing
    assert "&lt;gel&gt;" in text and "<gel>" not in text
    embedded = [s for s in page.sources if s.startswith("data:image/jpeg;base64,")]
    assert len(embedded) == 4
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)  # nothing is loaded from elsewhere
    assert "in doubt: one or two?" in text
    scored(figures, capsys, "--detector", "halves", "--html", str(target), "--html-figures", "1")
    assert target.read_text().count("<article>") == 1


def test_a_figure_that_fails_is_told_and_counts_as_missed(
    figures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw(figures / "narrow.png", [(0, 0, 60, 300)], width=60)
    entries = json.loads((figures / "annotations.json").read_text())
    entries.append({"file": "narrow.png", "panels": [{"box": [0, 0, 60, 300]}]})
    (figures / "annotations.json").write_text(json.dumps(entries))
    before = scored(figures, capsys, "--detector", "gutters")
    assert before["contestants"][0]["errors"] == []
    assert call("--truth", str(figures / "annotations.json"), "--detector", "halves", "--rounds", "0") == 1
    assert "halves lost narrow.png: InputError: too narrow" in capsys.readouterr().out
    data = scored(figures, capsys, "--detector", "halves")
    assert data["contestants"][0]["subsets"]["all"]["recall"] == pytest.approx(5 / 8)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "nothing to score"),
        (["--detector", "guters"], "did you mean 'gutters'"),
        (
            ["--detector", "gutters", "--detector", "gutters"],
            "given twice; tell them apart with ALIAS=gutters",
        ),
        (["--detector", "gutters", "--detector-option", "sise=3"], "size"),
        (["--detector", "gutters", "--detector-option", "x:size=300"], "no --detector is called 'x'"),
        (["--detector", "gutters", "--detector-option", "size"], "KEY=VALUE"),
        (["--detector", "gutters", "--by", "colour"], "--by takes layout, panels, class, got 'colour'"),
        (["--detector", "gutters", "--images", "."], "no image 'art1__fig1.png'"),
        (["--detector", "gutters", "--truth-format", "coco"], "expected an object"),
    ],
)
def test_wrong_requests_are_usage_errors(
    figures: Path, arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (figures / "empty").mkdir()
    monkeypatch.chdir(figures / "empty")
    with pytest.raises(UsageError, match=re.escape(told)):
        call("--truth", str(figures / "annotations.json"), *arguments)


def test_a_detector_without_its_weights_is_told_before_any_image_is_read(figures: Path) -> None:
    with pytest.raises((PmcxError, click.ClickException)):
        call(
            "--truth", str(figures / "annotations.json"),
            "--detector", "detr", "--detector-option", "weights=/nowhere/at/all",
        )  # fmt: skip


def test_the_module_loads_nothing_heavy() -> None:
    code = (
        "import sys, pmcx.training.cli.score; "
        "loaded = {'numpy', 'PIL', 'torch', 'pycocotools', 'lxml'} & set(sys.modules); "
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
