"""The training loop: steps, averaged weights, checkpoints, validation.

A run is a folder: ``recipe.json``, ``checkpoint.pt`` (network, averaged weights, optimiser, random state),
``metrics.jsonl``, ``samples/`` with pictures. Started again in the same folder it goes on where the
checkpoint is; on a CPU the result is then bit for bit that of a run without the break.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ...core.errors import UsageError
from ..synth.stream import SynthOptions
from .data import Batch, Figures, batches, normalised, targets
from .network import STRIDES, Shape, build, dense_loss, proposals

CHECKPOINT = "checkpoint.pt"
VALIDATION_SEED = 10**6
"""Added to the stream's seed: validation figures never occur in training."""


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights."""

    shape: Shape = field(default_factory=Shape)
    synth: SynthOptions = field(default_factory=SynthOptions)
    steps: int = 20000
    batch: int = 16
    rate: float = 6e-4
    warmup: int = 300
    decay: float = 0.3
    """The last share of the steps, over which the rate falls to zero along a cosine."""
    weight_decay: float = 1e-4
    clip: float = 0.5
    proposals: int = 0
    """First steps, which train the encoder's proposals alone; the decoder waits for sound features."""
    dense: float = 1.0
    """Weight of the dense loss on the encoder's proposals."""
    ema: float = 0.999
    seed: int = 0
    bf16: bool = True
    validate: int = 256
    """Figures of the validation stream."""

    small: float = 0.5
    """First steps, as a share, at 0.7 of the side, where a step costs half as much."""

    @property
    def small_side(self) -> int:
        """Side of the first steps, a multiple of the coarsest stride."""
        return max(STRIDES[-1], round(0.7 * self.shape.side / STRIDES[-1]) * STRIDES[-1])

    @property
    def small_steps(self) -> int:
        """How many steps see figures small."""
        return round(self.small * self.steps)

    def side_at(self, step: int) -> int:
        """Side of the input at a step."""
        return self.small_side if step < self.small_steps else self.shape.side

    def rate_at(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, flat, cosine to zero."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        start = self.steps * (1 - self.decay)
        if step < start:
            return self.rate
        return self.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - start) / (self.steps - start))))


class Average:
    """Exponential moving average of a network's floating-point state; other state is copied."""

    def __init__(self, network: Any, decay: float) -> None:
        self.decay = decay
        self.state = {key: value.detach().clone() for key, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: Any, step: int) -> None:
        """Move towards ``network``; faster at the start, when the average is still of random weights."""
        share = 1 - min(self.decay, (1 + step) / (20 + step))
        now = network.state_dict()
        floats = [key for key, value in self.state.items() if value.dtype.is_floating_point]
        torch._foreach_lerp_([self.state[key] for key in floats], [now[key] for key in floats], share)
        for key in self.state.keys() - set(floats):
            self.state[key].copy_(now[key])


class Trainer:
    """Runs a recipe in a folder, from its checkpoint where there is one."""

    def __init__(
        self, recipe: Recipe, folder: Path, *, device: str = "cpu", start: Path | None = None
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.network = build(recipe.shape, recipe.seed).to(device)
        if device == "cpu":
            self.network = self.network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self._groups(), lr=recipe.rate, fused=True)
        self.step = 0
        torch.manual_seed(recipe.seed)
        if start is not None:
            try:
                self.network.load_state_dict(_weights(start))
            except RuntimeError as error:
                raise UsageError(f"{start} holds weights of a network of another shape") from error
        self.average = Average(self.network, recipe.ema)
        if (folder / CHECKPOINT).exists():
            self._load()
        else:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "recipe.json").write_text(json.dumps(_plain(recipe), indent=1) + "\n")

    # -- one step -------------------------------------------------------------------------------

    def train(
        self,
        *,
        workers: int = 1,
        every: int = 500,
        until: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = print,
    ) -> None:
        """Run the remaining steps; validate and save each ``every`` steps, at the end and when ``until``."""
        from .validate import validate

        recipe = self.recipe
        figures = Figures(
            recipe.synth, recipe.shape.side, recipe.small_side, recipe.small_steps * recipe.batch
        )
        left = self.recipe.steps - self.step
        began, said = time.monotonic(), list[dict[str, float]]()
        for batch in batches(figures, self.recipe.batch, self.step, left, workers):
            said.append(self.learn(batch))
            stop = until()
            if self.step % 50 == 0:
                self._log({"step": self.step, **_means(said)})
            if self.step % every == 0 or self.step == self.recipe.steps or stop:
                self.save()
                scores = validate(self, self.folder / "samples")
                seconds = time.monotonic() - began
                row = {"step": self.step, "figures_s": round(len(said) * self.recipe.batch / seconds, 2)}
                row |= _means(said) | scores
                self._log({**row, "validation": True})
                say("  ".join(f"{k} {v:.4g}" for k, v in row.items()))
                began, said = time.monotonic(), []
            if stop:
                return

    def learn(self, batch: Batch) -> dict[str, float]:
        """One optimiser step on a batch: the losses, by name.

        A batch whose loss or gradient is not finite teaches nothing and leaves no trace: ``skipped`` is 1.
        """
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate_at(self.step)
        self.network.train()
        pixels = normalised(batch[0].to(self.device))
        boxes = [group.to(self.device) for group in batch[1]]
        self.optimizer.zero_grad(set_to_none=True)
        norm = math.nan
        try:
            with torch.autocast(self.device, torch.bfloat16, enabled=recipe.bf16):
                loss, said = self._loss(pixels, boxes)
        except ValueError as error:
            if "boxes1 must be" not in str(error):  # the matcher refuses boxes that are not finite
                raise
            loss, said = torch.tensor(math.nan), {}
        if torch.isfinite(loss):
            loss.backward()  # type: ignore[no-untyped-call]
            norm = float(torch.nn.utils.clip_grad_norm_(self._parameters(), recipe.clip))
        self.step += 1
        if not math.isfinite(norm):
            self._restore_statistics()
            return {"skipped": 1.0}
        self.optimizer.step()
        self.average.update(self.network, self.step)
        return {**said, "norm": norm, "skipped": 0.0}

    @torch.no_grad()
    def _restore_statistics(self) -> None:
        """Batch norms have counted a batch that overflowed: what is not finite comes from the average."""
        for key, value in self.network.named_buffers():
            if not torch.isfinite(value).all():
                value.copy_(self.average.state[key])

    def _loss(self, pixels: torch.Tensor, boxes: list[torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        recipe, side = self.recipe, int(pixels.shape[-1])
        if self.step < recipe.proposals:
            score, box = proposals(self.network, pixels)
            loss = dense_loss(box.float(), side, boxes, score.float())
            return loss, {"dense": float(loss.detach())}
        out = self.network(pixel_values=pixels, labels=targets(boxes))
        loss = out.loss.float()
        said = {"loss": float(loss.detach())}
        if recipe.dense:
            dense = dense_loss(out.enc_outputs_coord_logits.float(), side, boxes)
            said["dense"] = float(dense.detach())
            loss = loss + recipe.dense * dense
        return loss, said

    def averaged(self) -> Any:
        """A network of its own with the averaged weights, ready for inference."""
        network = build(self.recipe.shape, self.recipe.seed).to(self.device)
        network.load_state_dict(self.average.state)
        return network.eval()

    # -- state ----------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the checkpoint; a crash leaves the one before."""
        state = {
            "step": self.step,
            "recipe": json.dumps(_plain(self.recipe)),
            "network": self.network.state_dict(),
            "average": self.average.state,
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        part = self.folder / (CHECKPOINT + ".part")
        torch.save(state, part)
        part.replace(self.folder / CHECKPOINT)

    def _load(self) -> None:
        state = _checkpoint(self.folder, self.device)
        before, now = _flat(json.loads(state["recipe"])), _flat(_plain(self.recipe))
        changed = [k for k in now if k != "steps" and before.get(k) != now[k]]
        if changed:
            there = ", ".join(f"{k} {before.get(k)} (not {now[k]})" for k in changed)
            raise UsageError(
                f"{self.folder} holds a training with {there}; name another folder, or start from its weights"
            )
        self.step = int(state["step"])
        self.network.load_state_dict(state["network"])
        self.average.state = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())

    def _parameters(self) -> list[Any]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def _groups(self) -> list[dict[str, Any]]:
        """No weight decay for norms and biases."""
        every = [p for p in self.network.parameters() if p.requires_grad]
        return [
            {"params": [p for p in every if p.ndim > 1], "weight_decay": self.recipe.weight_decay},
            {"params": [p for p in every if p.ndim <= 1], "weight_decay": 0.0},
        ]

    def _log(self, row: dict[str, Any]) -> None:
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON holds it."""
    out: dict[str, Any] = json.loads(json.dumps(asdict(recipe), default=str))
    return out


def _flat(plain: dict[str, Any]) -> dict[str, Any]:
    """Fields by name, those of ``shape`` and ``synth`` as ``shape.side``."""
    out: dict[str, Any] = {}
    for key, value in plain.items():
        out |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
    return out


def _means(said: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of each loss over the steps that had it."""
    keys = {key: None for one in said for key in one}
    values = {key: [one[key] for one in said if key in one] for key in keys}
    return {key: round(sum(group) / len(group), 5) for key, group in values.items()}


def _weights(folder: Path) -> dict[str, Any]:
    """Weights to start from: a checkpoint's averaged ones, or those of an exported folder."""
    if (folder / CHECKPOINT).exists():
        return dict(_checkpoint(folder, "cpu")["average"])
    from transformers import Deimv2ForObjectDetection

    try:
        network: Any = Deimv2ForObjectDetection.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} holds neither a {CHECKPOINT} nor an exported model: {error}") from error
    return dict(network.float().state_dict())


def _checkpoint(folder: Path, device: str) -> dict[str, Any]:
    """The state of a training; UsageError where the file is damaged."""
    path = folder / CHECKPOINT
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what torch raises depends on where the file breaks off
        raise UsageError(f"{path} is damaged; remove it to begin anew, or put a copy in its place") from error
    return state
