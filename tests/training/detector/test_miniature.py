"""The recipe in small: ``pmcx train detector --tiny`` learns to find panels in minutes on a CPU."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import needs_training  # noqa: F401
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from pmcx.training.cli.train import train_command
from pmcx.training.detector.data import Figures
from pmcx.training.detector.loop import VALIDATION_SEED, Trainer
from pmcx.training.detector.run import Settings
from pmcx.training.detector.validate import average_precision, validate

FLOOR = 0.2
"""AP50 on 256 figures of the validation stream; measured: .31, and .13 for one box around every figure."""
SETTINGS = {"side": 128, "batch": 8, "steps": 1200, "proposals": 1200, "rate": 0.003}


@pytest.mark.slow
def test_a_miniature_training_learns(tmp_path: Path) -> None:
    args = [word for name, value in SETTINGS.items() for word in (f"--{name}", str(value))]
    common = ["detector", "--tiny", "--out", str(tmp_path), "--workers", "1", "--threads", "1"]
    try:
        result = CliRunner().invoke(train_command, [*common, "--every", str(SETTINGS["steps"]), *args])
    finally:
        torch.set_flush_denormal(False)
    assert result.exit_code == 0, result.output
    last = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["step"] == SETTINGS["steps"] and last["skipped"] == 0
    assert last["ap50"] > FLOOR, last


def test_what_has_not_learnt_stays_below_the_floor(tmp_path: Path) -> None:
    """Neither untrained weights, which a rate of 0 leaves, nor an answer blind to the figure come near."""
    torch.set_num_threads(1)
    recipe = Settings(tmp_path, tiny=True, **SETTINGS).recipe()  # type: ignore[arg-type]
    assert validate(Trainer(replace(recipe, rate=0.0), tmp_path))["ap50"] < FLOOR / 2
    stream = Figures(replace(recipe.synth, seed=recipe.synth.seed + VALIDATION_SEED), recipe.shape.side)
    truth = [stream[i][1].numpy().astype(np.float64) for i in range(recipe.validate)]
    whole = [(np.array([[0.02, 0.02, 0.98, 0.98]]), np.ones(1)) for _ in truth]
    halves = [[0.02, 0.02, 0.49, 0.98], [0.51, 0.02, 0.98, 0.98]]
    blind = [(np.concatenate([box, halves]), np.array([0.9, 0.5, 0.5])) for box, _ in whole]
    for found in (whole, blind):
        assert average_precision(found, truth, 0.5) < 0.75 * FLOOR
