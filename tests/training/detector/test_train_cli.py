"""``pmcx train detector`` from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import needs_training  # noqa: F401
import pytest
import torch
from click.testing import CliRunner, Result

from pmcx.core.errors import PluginError, UsageError
from pmcx.training.cli.train import train_command
from pmcx.training.detector import run, validate
from pmcx.training.detector.loop import Trainer
from pmcx.training.detector.run import Settings

BASE = [
    "detector",
    "--tiny",
    "--side",
    "96",
    "--batch",
    "1",
    "--proposals",
    "2",
    "--workers",
    "0",
    "--threads",
    "1",
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few validation figures: what they score is tested elsewhere."""

    def few(trainer: Trainer, pictures: Path | None = None, size: int = 2) -> dict[str, float]:
        short = type("Short", (), {"__getattr__": lambda _, name: getattr(trainer, name)})()
        short.recipe = run.replace(trainer.recipe, validate=2)
        return real(short, pictures, size)

    real = validate.validate
    monkeypatch.setattr(validate, "validate", few)
    yield
    torch.set_flush_denormal(False)


def train(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(train_command, [*BASE, "--out", str(folder), *args])


def steps(folder: Path) -> list[int]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["step"] for row in rows if "validation" in row]


def test_train_go_on_and_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exports: list[tuple[Any, int, Path]] = []
    import pmcx.training.detector.export as module

    monkeypatch.setattr(module, "export", lambda *args: exports.append(args))
    folder = tmp_path / "run"
    first = train(folder, "--steps", "4", "--every", "2")
    assert first.exit_code == 0, first.output
    assert steps(folder) == [2, 4]
    assert {p.name for p in folder.iterdir()} == {"checkpoint.pt", "metrics.jsonl", "recipe.json", "samples"}
    assert "step 4" in first.output and "ap50" in first.output
    recipe = json.loads((folder / "recipe.json").read_text())
    assert (recipe["batch"], recipe["proposals"], recipe["shape"]["side"]) == (1, 2, 96)
    # More steps, and an export of the weights at the end.
    second = train(folder, "--steps", "6", "--export", str(tmp_path / "model"))
    assert second.exit_code == 0, second.output
    assert steps(folder) == [2, 4, 6] and f"wrote {tmp_path / 'model'}" in second.output
    ((network, side, target),) = exports
    assert (side, target) == (96, tmp_path / "model") and not network.training
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    assert state["step"] == 6
    assert all(torch.equal(value, state["average"][key]) for key, value in network.state_dict().items())


def test_a_time_limit_stops_and_saves(tmp_path: Path) -> None:
    result = train(tmp_path, "--steps", "1000", "--minutes", "0.0001")
    assert result.exit_code == 0, result.output
    assert steps(tmp_path) == [1]
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 1


def test_another_recipe_in_the_same_folder(tmp_path: Path) -> None:
    assert train(tmp_path, "--steps", "1").exit_code == 0
    result = train(tmp_path, "--steps", "1", "--rate", "0.1")
    assert isinstance(result.exception, UsageError)
    assert "rate 0.0006 (not 0.1)" in str(result.exception)


def test_settings_make_the_recipe() -> None:
    recipe = Settings(Path("x"), side=320, steps=100, proposals=6000, seed=3).recipe()
    assert (recipe.shape.side, recipe.shape.width, recipe.proposals) == (320, 128, 100)
    assert (recipe.synth.size, recipe.synth.seed, recipe.seed) == (400, 3, 3)
    assert recipe.shape.queries == 80
    # Maps of 4 x 4 and 2 x 2 places have no room for more.
    assert Settings(Path("x"), side=96).recipe().shape.queries == 20
    tiny = Settings(Path("x"), tiny=True).recipe()
    assert (tiny.shape.side, tiny.shape.width, tiny.synth.size) == (160, 64, 320)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--side", "100"], "--side 100 is no multiple of 32"),
        (["--layouts", "LAYOUTS"], "layouts.csv"),
        (["--pool", "POOL"], "pool"),
        (["--start", "POOL"], "neither a checkpoint.pt nor an exported model"),
        (["--device", "cuda"], "sees no CUDA GPU"),
    ],
)
def test_wrong_settings_are_refused_at_once(tmp_path: Path, args: list[str], message: str) -> None:
    if "cuda" in args and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    (tmp_path / "layouts.csv").write_text("not,a,layout\n")
    (tmp_path / "pool").mkdir()
    names = {"LAYOUTS": str(tmp_path / "layouts.csv"), "POOL": str(tmp_path / "pool")}
    result = train(tmp_path / "run", "--steps", "2", *(names.get(arg, arg) for arg in args))
    assert result.exception is not None and message in str(result.exception), result.exception
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


@pytest.mark.parametrize("args", [["--rate", "0"], ["--minutes", "0"], ["--side", "5000"], ["--steps", "0"]])
def test_numbers_out_of_range(tmp_path: Path, args: list[str]) -> None:
    result = train(tmp_path, *args)
    assert result.exit_code == 2 and args[0] in result.output


@pytest.mark.parametrize("library", ["transformers", "scipy", "onnxscript"])
def test_missing_libraries_are_named_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    result = train(tmp_path / "run", "--steps", "1", "--export", str(tmp_path / "model"))
    assert isinstance(result.exception, PluginError)
    assert f"training needs {library}: pip install" in str(result.exception)
    assert not (tmp_path / "run").exists()
