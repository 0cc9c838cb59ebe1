"""The training loop: it learns, goes on exactly where it stopped, and survives a bad batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import needs_training  # noqa: F401
import pytest
import torch

from pmcx.core.errors import UsageError
from pmcx.training.detector import loop
from pmcx.training.detector.data import Figures, collate
from pmcx.training.detector.loop import CHECKPOINT, Average, Recipe, Trainer
from pmcx.training.detector.network import TINY
from pmcx.training.detector.validate import average_precision, detect, scores, validate
from pmcx.training.synth.stream import SynthOptions

# Denoising draws random numbers: resume must bring the random state back too.
SHAPE = replace(TINY, side=64, queries=5, width=32, backbone=(8, 16, 32, 64), denoising=6)
RECIPE = Recipe(
    shape=SHAPE,
    synth=SynthOptions(size=96, strength=0.2),
    steps=6,
    batch=2,
    warmup=2,
    proposals=1,
    small=0.3,
    validate=2,
    bf16=False,
)


@pytest.fixture(autouse=True)
def _steady() -> Iterator[None]:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


def run(recipe: Recipe, folder: Path, until: Any = lambda: False, every: int = 100) -> Trainer:
    trainer = Trainer(recipe, folder)
    trainer.train(workers=0, every=every, until=until, say=lambda line: None)
    return trainer


def rows(folder: Path, validation: bool) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if ("validation" in row) == validation]


def same(one: Any, other: Any) -> bool:
    """Equality, bit for bit, of nested states."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def fixed_batch(trainer: Trainer) -> Any:
    figures = Figures(trainer.recipe.synth, trainer.recipe.shape.side)
    return collate([figures[i] for i in range(4)])


# -- learning --------------------------------------------------------------------------------------


@pytest.mark.parametrize("proposals", [0, 100])
def test_the_loss_of_a_batch_falls(tmp_path: Path, proposals: int) -> None:
    recipe = replace(RECIPE, steps=100, proposals=proposals, rate=2e-3, decay=0.0)
    trainer = Trainer(recipe, tmp_path)
    batch = fixed_batch(trainer)
    said = [trainer.learn(batch) for _ in range(30)]
    key = "dense" if proposals else "loss"
    assert ("loss" in said[0]) == (not proposals)
    first, last = (sum(one[key] for one in part) / 3 for part in (said[:3], said[-3:]))
    assert last < 0.8 * first, (first, last)
    assert all(one["skipped"] == 0 for one in said)


def test_without_a_rate_nothing_moves(tmp_path: Path) -> None:
    trainer = Trainer(replace(RECIPE, rate=0.0), tmp_path)
    before = {key: value.clone() for key, value in trainer.network.named_parameters()}
    trainer.learn(fixed_batch(trainer))
    assert all(torch.equal(value, before[key]) for key, value in trainer.network.named_parameters())


def test_the_trained_network_looks_at_the_image(trained: Trainer) -> None:
    pixels, _ = fixed_batch(trained)
    network = trained.averaged()
    found = detect(network, pixels.float() / 255)
    noise = detect(network, torch.rand(pixels.shape))
    for (boxes, sure), (others, _) in zip(found, noise, strict=True):
        assert len(boxes) == trained.recipe.shape.queries
        assert (sure[:-1] >= sure[1:]).all()
        assert abs(boxes - others).max() > 0.05


def test_a_run_leaves_what_it_should(trained: Trainer) -> None:
    folder, recipe = trained.folder, trained.recipe
    assert json.loads((folder / "recipe.json").read_text())["shape"]["side"] == recipe.shape.side
    (last,) = rows(folder, validation=True)
    assert last["step"] == recipe.steps and {"ap50", "ap75", "f1", "figures_s", "loss", "dense"} <= set(last)
    assert rows(folder, validation=False)[0]["step"] == 50
    assert {key: last[key] for key in ("ap50", "ap75", "f1")} == validate(trained)
    from PIL import Image

    sheet = Image.open(folder / "samples" / f"{recipe.steps:07}.png")
    assert sheet.width == 4 * (recipe.shape.side + 8)
    colours = {colour for _, colour in sheet.getcolors(1 << 20)}
    assert (230, 0, 0) in colours


def test_rates() -> None:
    recipe = replace(RECIPE, steps=100, warmup=10, rate=1.0, decay=0.3)
    assert [recipe.rate_at(k) for k in (0, 4, 9, 10, 69, 70)] == [0.1, 0.5, 1.0, 1.0, 1.0, 1.0]
    assert recipe.rate_at(85) == pytest.approx(0.5) and recipe.rate_at(100) == pytest.approx(0.0)
    falling = [recipe.rate_at(k) for k in range(70, 101)]
    assert falling == sorted(falling, reverse=True)


def test_sides() -> None:
    recipe = replace(RECIPE, shape=replace(SHAPE, side=320), steps=10, small=0.5)
    assert [recipe.side_at(k) for k in (0, 4, 5, 9)] == [224, 224, 320, 320]
    assert replace(recipe, small=0.0).side_at(0) == 320


# -- averaged weights --------------------------------------------------------------------------------


def test_average_is_the_moving_mean() -> None:
    module = torch.nn.BatchNorm1d(1)
    average = Average(module, decay=0.5)
    expected = 1.0
    for step, value in enumerate((3.0, -2.0, 8.0), start=1):
        torch.nn.init.constant_(module.weight, value)
        module.num_batches_tracked += 1
        average.update(module, step)
        keep = min(0.5, (1 + step) / (20 + step))  # short at the start
        expected = keep * expected + (1 - keep) * value
        assert float(average.state["weight"]) == pytest.approx(expected)
    assert int(average.state["num_batches_tracked"]) == 3


def test_the_average_trails_the_network(trained: Trainer) -> None:
    network, average = trained.network.state_dict(), trained.averaged().state_dict()
    apart = [key for key in network if network[key].is_floating_point() and network[key].ndim == 4]
    assert all(not torch.equal(network[key], average[key]) for key in apart) and len(apart) > 20
    assert same(average, trained.average.state)


# -- going on ----------------------------------------------------------------------------------------


def test_a_break_changes_no_bit(tmp_path: Path) -> None:
    whole = run(RECIPE, tmp_path / "whole", every=4)
    asked = iter([False, False, True])
    broken = run(RECIPE, tmp_path / "broken", until=lambda: next(asked))
    assert broken.step == 3
    torch.manual_seed(99)  # another process has another random state
    second = run(RECIPE, tmp_path / "broken")
    assert second.step == whole.step == RECIPE.steps
    assert same(whole.network.state_dict(), second.network.state_dict())
    assert same(whole.average.state, second.average.state)
    assert same(whole.optimizer.state_dict(), second.optimizer.state_dict())
    one, other = (
        torch.load(tmp_path / name / CHECKPOINT, weights_only=True)["random"] for name in ("whole", "broken")
    )
    assert torch.equal(one, other)
    assert not same(whole.network.state_dict(), broken.network.state_dict())


def test_a_finished_training_is_left_alone(trained: Trainer) -> None:
    before = (trained.folder / CHECKPOINT).read_bytes()
    again = run(trained.recipe, trained.folder)
    assert again.step == trained.step
    assert (trained.folder / CHECKPOINT).read_bytes() == before


def test_more_steps_may_be_asked_for(trained: Trainer) -> None:
    longer = Trainer(replace(trained.recipe, steps=trained.recipe.steps + 5), trained.folder)
    assert longer.step == trained.step


def test_another_recipe_is_refused(trained: Trainer) -> None:
    recipe = trained.recipe
    for other, named in (
        (replace(recipe, rate=1.0), r"rate 0\.002 \(not 1\.0\)"),
        (replace(recipe, synth=replace(recipe.synth, seed=1)), r"synth\.seed 0 \(not 1\)"),
        (replace(recipe, shape=replace(recipe.shape, side=128)), r"shape\.side 96 \(not 128\)"),
    ):
        with pytest.raises(UsageError, match=named + ".*another folder"):
            Trainer(other, trained.folder)


def test_a_damaged_checkpoint_is_named(tmp_path: Path, trained: Trainer) -> None:
    whole = (trained.folder / CHECKPOINT).read_bytes()
    for part in (whole[:2000], b"", b"text"):
        (tmp_path / CHECKPOINT).write_bytes(part)
        with pytest.raises(UsageError, match=rf"{CHECKPOINT} is damaged"):
            Trainer(trained.recipe, tmp_path)


def test_a_crash_while_saving_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(RECIPE, tmp_path)
    trainer.save()

    def full(state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    trainer.step = 3
    monkeypatch.setattr(loop.torch, "save", full)
    with pytest.raises(OSError, match="no space"):
        trainer.save()
    assert Trainer(RECIPE, tmp_path).step == 0


# -- other weights to start from -----------------------------------------------------------------------


def test_start_from_a_training(tmp_path: Path, trained: Trainer) -> None:
    recipe = replace(trained.recipe, seed=7, rate=1e-4)
    begun = Trainer(recipe, tmp_path, start=trained.folder)
    assert begun.step == 0 and same(begun.network.state_dict(), trained.average.state)


def test_start_from_an_export(tmp_path: Path, trained: Trainer, exported: Path) -> None:
    begun = Trainer(replace(trained.recipe, seed=7), tmp_path, start=exported)
    state = begun.network.state_dict()
    for key, value in trained.average.state.items():
        assert state[key].dtype == value.dtype
        assert torch.allclose(state[key], value, rtol=1e-3, atol=1e-4), key


def test_weights_that_do_not_fit(tmp_path: Path, trained: Trainer) -> None:
    with pytest.raises(UsageError, match="another shape"):
        Trainer(RECIPE, tmp_path / "a", start=trained.folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"neither a checkpoint\.pt nor an exported model"):
        Trainer(RECIPE, tmp_path / "b", start=tmp_path / "empty")


# -- bad batches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["pixels", "loss", "gradient"])
def test_a_batch_that_is_not_finite_leaves_no_trace(
    tmp_path: Path, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(replace(RECIPE, proposals=0), tmp_path)
    batch = fixed_batch(trainer)
    trainer.learn(batch)
    weights = {key: value.clone() for key, value in trainer.network.named_parameters()}
    average = {key: value.clone() for key, value in trainer.average.state.items()}
    with monkeypatch.context() as patch:
        if bad == "pixels":
            patch.setattr(loop, "normalised", lambda pixels: torch.full(pixels.shape, float("nan")))
        elif bad == "loss":
            patch.setattr(
                trainer, "_loss", lambda *_: (torch.tensor(float("inf"), requires_grad=True), {"loss": 1.0})
            )
        else:
            weight = next(p for p in trainer.network.parameters() if p.requires_grad)
            patch.setattr(
                trainer, "_loss", lambda *_: ((weight.flatten()[:1] * 0).sum().sqrt(), {"loss": 0.0})
            )
        said = trainer.learn(batch)
    assert said == {"skipped": 1.0} and trainer.step == 2
    assert all(torch.equal(value, weights[key]) for key, value in trainer.network.named_parameters())
    assert same(trainer.average.state, average)
    assert all(bool(torch.isfinite(value).all()) for value in trainer.network.state_dict().values())
    assert trainer.learn(batch)["skipped"] == 0.0


# -- validation scores ---------------------------------------------------------------------------------


def test_average_precision_by_hand() -> None:
    import numpy as np

    truth = [np.array([[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]]), np.zeros((0, 4))]
    right, wrong = truth[0][0], np.array([0.0, 0.0, 0.1, 0.1])
    none = (np.zeros((0, 4)), np.zeros(0))
    found = [(np.array([right, wrong]), np.array([0.9, 0.8])), none]
    assert average_precision(found, truth, 0.5) == pytest.approx(0.5)
    # The second truth is found, but after a wrong box of the other figure: precision 1, then 2/3.
    found = [(truth[0], np.array([0.9, 0.7])), (wrong[None], np.array([0.8]))]
    assert average_precision(found, truth, 0.5) == pytest.approx(0.5 + 0.5 * 2 / 3)
    # The same truth twice counts once.
    found = [(np.array([right, right]), np.array([0.9, 0.8])), none]
    assert average_precision(found, truth, 0.5) == pytest.approx(0.5)
    assert average_precision([none, none], truth, 0.5) == 0.0
    got = scores([(truth[0], np.array([0.9, 0.4])), none], truth)
    assert got == {"ap50": 1.0, "ap75": 1.0, "f1": pytest.approx(2 / 3)}


def test_validation_figures_are_not_trained_on(trained: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    from pmcx.training.detector import validate as module

    asked: list[int] = []

    class Spy(Figures):
        def __init__(self, options: SynthOptions, side: int) -> None:
            asked.append(options.seed)
            super().__init__(options, side)

    monkeypatch.setattr(module, "Figures", Spy)
    validate(trained)
    assert asked == [loop.VALIDATION_SEED + trained.recipe.synth.seed]
