"""The command line as other issues, scripts and people rely on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SUPPORT = Path(__file__).parents[1] / "support"


def pmcx(*words: str, code: int = 0, stdin: str | None = None, **env: str) -> str:
    """Run the command; its standard output, after checking the exit code."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PMCX_")}
    done = subprocess.run(
        [sys.executable, "-m", "pmcx", *words],
        env={**environ, "PYTHONPATH": str(SUPPORT), **env},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, f"exit {done.returncode}: {done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """README's first command, with both exports."""
    out = tmp_path_factory.mktemp("demo") / "out"
    pmcx(
        *("run", "--source", "demo", "--detector", "gutters", "--export", "webdataset"),
        *("--export", "parquet", "--out", str(out), "--workers", "2"),
    )
    return out


def test_demo_run_is_whole_and_sound(demo: Path) -> None:
    status = json.loads(pmcx("status", str(demo), "--json"))
    assert status["complete"]
    assert status["articles"]["planned"] == status["articles"]["done"] == 12
    assert status["pairs"] > 60
    assert status["lost"] == {}
    report = json.loads(pmcx("verify", str(demo), "--json"))
    assert report["ok"], report["problems"]
    assert report["pairs"] == status["pairs"]
    assert {p.name for p in demo.iterdir()} == {
        *("run.toml", "manifest.json", "plan.jsonl", "stats.json", "events.jsonl", ".lock"),
        *("webdataset", "parquet", "articles", "failures", "commits"),
    }


def test_demo_pairs_have_their_own_words(demo: Path) -> None:
    status = json.loads(pmcx("status", str(demo), "--json"))
    by_order = status["alignment"].get("order", 0)
    assert by_order > 0.4 * status["pairs"], status["alignment"]
    first = json.loads(pmcx("inspect", str(demo), "--json"))
    assert first["caption"] and first["license"]["spdx"] == "CC0-1.0"
    again = json.loads(pmcx("inspect", str(demo), first["key"], "--json"))
    assert again == first


def test_inspect_saves_the_image(demo: Path, tmp_path: Path) -> None:
    from PIL import Image

    row = json.loads(pmcx("inspect", str(demo), "--save", str(tmp_path / "x.jpg"), "--json"))
    assert Image.open(tmp_path / "x.jpg").size == (row["width"], row["height"])
    assert "licence" in pmcx("inspect", str(demo), row["id"])
    assert "no pair with the id" in pmcx("inspect", str(demo), "NOPE", code=2)


def test_status_and_verify_for_people(demo: Path) -> None:
    assert "12 of 12" in pmcx("status", str(demo), "--failures", "--drops")
    assert "sound" in pmcx("verify", str(demo))
    assert "sound" in pmcx("verify", str(demo), "--fast")
    assert "holds no pmcx run" in pmcx("status", str(demo.parent), code=2)


def test_resume_and_retry_of_a_finished_run(demo: Path) -> None:
    assert "done" in pmcx("run", "--out", str(demo))
    assert "done" in pmcx("retry", str(demo), "--kind", "transient")


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = json.loads(pmcx("run", "--source", "demo", "--out", str(out), "--dry-run", "--json"))
    assert told["articles"] == 12
    assert {stage["kind"] for stage in told["stages"]} == {"source", "detector", "splitter", "exporter"}
    assert "12 articles" in pmcx("run", "--source", "demo", "--out", str(out), "--dry-run")
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "--source", "demo", "--detector", "guters", "--out", "x"), "did you mean 'gutters'"),
        (("run", "--source", "dmo", "--out", "x"), "did you mean 'demo'"),
        (
            ("run", "--source", "demo", "--source-option", "article=3", "--out", "x"),
            "did you mean 'articles'",
        ),
        (("run", "--source", "demo", "--set", "filter.min_side=3", "--out", "x"), "did you mean 'filters'"),
        (("run", "--source", "demo", "--source-option", "articles", "--out", "x"), "takes KEY=VALUE"),
        (("run", "--out", "x"), "no source is named"),
        (("run", "--source", "demo"), "Missing option '--out'"),
        (("runn",), "Did you mean 'run'"),
        (("plugins", "show", "nothing"), "no stage or plugin is called 'nothing'"),
        (("run", "--source", "demo", "--reader-option", "a=1", "--out", "x"), "no --reader"),
    ],
)
def test_wrong_usage_is_explained(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    words = tuple(str(tmp_path / "x") if word == "x" else word for word in words)
    assert message in pmcx(*words, code=2)
    assert not (tmp_path / "x").exists()


def test_plugins_lists_and_explains(tmp_path: Path) -> None:
    listed = json.loads(pmcx("plugins", "--json"))
    assert {"kind", "name", "plugin", "version", "summary", "options"} <= set(listed["stages"][0])
    assert listed["clashes"] == []
    detectors = {s["name"] for s in listed["stages"] if s["kind"] == "detector"}
    assert {"gutters", "detr", "detectron2", "mmdet"} == detectors
    only = json.loads(pmcx("plugins", "--kind", "exporter", "--json"))
    assert {stage["kind"] for stage in only["stages"]} == {"exporter"}
    assert "option articles" in pmcx("plugins", "show", "demo")
    blocked = json.loads(pmcx("plugins", "--json", "--no-plugin", "detectors"))
    assert [p["status"] for p in blocked["plugins"] if p["module"] == "pmcx.detectors.plugin"] == ["blocked"]


@pytest.mark.parametrize("name", ["gutters", "rules", "webdataset", "parquet", "demo"])
def test_builtin_stages_pass_their_own_check(name: str) -> None:
    options = ("--option", "articles=3") if name == "demo" else ()
    told = json.loads(pmcx("check", name, "--json", *options))
    assert told["ok"], told
    assert len(told["results"]) >= 5


def test_check_reports_a_stage_that_breaks_its_contract(tmp_path: Path) -> None:
    (tmp_path / "sloppy.py").write_text(
        "import pmcx\n"
        "class Sloppy(pmcx.Detector):\n"
        "    name = 'sloppy'\n"
        "    def detect(self, images):\n"
        "        return [[pmcx.Detection(box=(-5, 0, 10**6, 10), score=2.0)] for image in images]\n"
        "@pmcx.hookimpl\n"
        "def pmcx_detectors():\n"
        "    return [Sloppy]\n"
    )
    told = json.loads(
        pmcx("check", "sloppy", "--plugin", "sloppy", "--json", code=1, PYTHONPATH=str(tmp_path)).strip()
    )
    failed = {result["test"]: result["message"] for result in told["results"] if result["status"] == "failed"}
    assert "outside" in failed["one answer per image"]


def test_detect_prints_one_json_line_an_image(tmp_path: Path) -> None:
    from pmcx.testing import grid_figure

    figure, boxes = grid_figure(2, 2)
    figure.image.save(tmp_path / "grid.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff not a jpeg")
    told = pmcx(
        *("detect", str(tmp_path / "grid.png"), str(tmp_path / "broken.jpg")),
        *("--json", "--draw", str(tmp_path / "drawn")),
        code=1,
    )
    first, second = (json.loads(line) for line in told.splitlines()[:2])
    assert (first["width"], first["height"]) == (640, 480)
    assert len(first["panels"]) == 4
    for panel, box in zip(first["panels"], boxes, strict=True):
        assert set(panel) == {"box", "score", "label"}
        assert all(abs(a - b) <= 4 for a, b in zip(panel["box"], box, strict=True)), (panel, box)
    assert second["file"].endswith("broken.jpg")
    assert second["error"]
    assert (tmp_path / "drawn" / "grid_png.png").is_file()
    assert "4 panels" in pmcx("detect", str(tmp_path / "grid.png"))


def test_split_reads_plain_lines_and_json_strings() -> None:
    plain = "Growth of cells. (A) Control. (B) Treated. Scale bar, 5 µm."
    lines = [
        json.loads(line)
        for line in pmcx("split", "--json", stdin=f"{plain}\n{json.dumps(plain)}\n").splitlines()
    ]
    assert lines[0] == lines[1]
    parts: list[dict[str, Any]] = lines[0]["parts"]
    assert [part["labels"] for part in parts] == [["A"], ["B"]]
    for part in parts:
        assert part["text"] == " ".join(plain[start:end] for start, end in part["spans"])
    assert "Treated" in parts[1]["text"]
    assert pmcx("split", "--labels", "A,B", stdin=plain).startswith("A  ")


def test_help_version_and_completion() -> None:
    told = pmcx("--help")
    assert all(name in told for name in ("run", "status", "verify", "retry", "inspect", "plugins", "check"))
    assert pmcx("--version").startswith("pmcx 0.")
    assert "--max-failures" in pmcx("run", "--help")
    assert "_PMCX_COMPLETE" in pmcx("completion", "bash")
    names = pmcx(_PMCX_COMPLETE="bash_complete", COMP_WORDS="pmcx run --detector g", COMP_CWORD="3")
    assert "gutters" in names


def test_config_file_and_environment(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'export = ["parquet"]\n[source]\nname = "demo"\narticles = 2\n[filters]\nmin_side = 30\n'
    )
    out = tmp_path / "out"
    pmcx("run", "--config", str(tmp_path / "mine.toml"), "--out", str(out), PMCX_IMAGE__QUALITY="70")
    written = (out / "run.toml").read_text()
    assert "quality = 70" in written
    assert "min_side = 30" in written
    assert (out / "parquet").is_dir() and not (out / "webdataset").exists()
    assert "did you mean PMCX_IMAGE" in pmcx(
        "run", "--source", "demo", "--out", str(out), PMCX_IMAG="1", code=2
    )
