"""An MMDetection 3 model as a panel detector; see :class:`~pmcx.detectors.mmdet.MMDetDetector`.

The steps are those of ``mmdet.apis.inference_detector``, but that one takes its images one by one even
where it is given many.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import UsageError
from ..core.images import Pixels
from .framework_runtime import (
    Found,
    Model,
    library,
    panel_classes,
    read_checkpoint,
    refuse_missing,
    tensors,
    usage_errors,
    use_torch,
)
from .frameworks import weights_file

if TYPE_CHECKING:
    from .frameworks import FrameworkOptions

INSTALL = (
    "Install it beside the torch that you use: pip install 'setuptools<81' wheel, then "
    "pip install --no-build-isolation mmengine==0.10.7 mmcv==2.1.0 mmdet==3.3.0 "
    "(mmcv-lite is not enough: its compiled operations are missing)"
)


def load(options: FrameworkOptions) -> Model:
    """The configured model with its weights; errors as :class:`MMDetDetector` states."""
    weights = weights_file("mmdet", options.weights)
    torch, device = use_torch(options, INSTALL)
    config = read_config(options)
    held = _checkpoint(weights, options.trust_pickle)
    panels = panel_classes(options.labels, _class_names(held))
    with usage_errors(f"config={options.config} makes no model"):
        longest = _set_size(_pipeline(config), options.size)
        _lower_thresholds(config.model, options.score)
        network = _Network(torch, _build(config, device), _compose(config), longest)
    _load_weights(network.model, held, weights)
    return Model(network, panels, options)


@dataclass
class _Network:
    """An MMDetection model in evaluation mode and its test pipeline."""

    torch: Any
    model: Any
    pipeline: Any
    longest: int

    def prepare(self, pixels: Pixels) -> tuple[tuple[int, ...], Any]:
        """See :class:`~pmcx.detectors.framework_runtime.Network`."""
        # As the library reads files: blue first, whatever the model was trained on.
        item = self.pipeline({"img": np.ascontiguousarray(pixels[:, :, ::-1]), "img_id": 0})
        return tuple(item["inputs"].shape), item

    def forward(self, items: Sequence[Any]) -> list[Found]:
        """See :class:`~pmcx.detectors.framework_runtime.Network`."""
        batch = {key: [item[key] for item in items] for key in ("inputs", "data_samples")}
        with self.torch.no_grad():
            answers = self.model.test_step(batch)
        found = []
        for answer in answers:
            instances = answer.pred_instances
            values = (instances.bboxes, instances.scores, instances.labels)
            found.append(Found(*(value.cpu().numpy() for value in values)))
        return found


# -- configuration ----------------------------------------------------------------------------------------


def read_config(options: FrameworkOptions) -> Any:
    """The mmengine configuration that ``options`` name; it is run, which must have been agreed to."""
    if not options.config:
        raise UsageError(
            "the mmdet detector needs the configuration of its model: --detector-option config=FILE.py"
        )
    path = Path(options.config).expanduser()
    if not path.is_file():
        raise UsageError(f"no such file: config={options.config}")
    if not options.trust_config:
        raise UsageError(
            f"config={options.config}: an MMDetection configuration is code that would be run; read it, then "
            "add --detector-option trust_config=true"
        )
    config = library("mmdet", "mmengine.config", INSTALL).Config
    with usage_errors(f"config={options.config} is no MMDetection configuration"):
        read = config.fromfile(str(path))
    missing = [key for key in ("model", "test_dataloader") if key not in read]
    if missing:
        raise UsageError(f"config={options.config} is no MMDetection 3 configuration; it lacks {missing[0]}")
    return read


def _pipeline(config: Any) -> list[Any]:
    """The test pipeline's steps, as they stand in ``config``; the first reads the image."""
    steps: list[Any] = library("mmdet", "mmdet.utils", INSTALL).get_test_pipeline_cfg(config)
    if not str(steps[0].type).endswith(("LoadImageFromFile", "LoadImageFromNDArray")):
        raise UsageError(f"the test pipeline begins with {steps[0].type}, not with LoadImageFromFile")
    return steps


def _set_size(steps: Sequence[Any], size: int | None) -> int:
    """Let the pipeline make images of ``size``; the longer side that it keeps the aspect for, else 0."""
    resizes = [step for step in steps if str(step.type).split(".")[-1] == "Resize" and "scale" in step]
    if size is not None:
        if not resizes:
            raise UsageError("size: the configuration's test pipeline has no Resize with a scale")
        for step in resizes:
            step["scale"] = (size, size)
        for step in steps:
            if str(step.type).split(".")[-1] == "Pad" and step.get("size"):
                step["size"] = (size, size)
    return max((max(step["scale"]) for step in resizes if step.get("keep_ratio")), default=0)


def _compose(config: Any) -> Any:
    steps = [step.copy() for step in _pipeline(config)]
    steps[0]["type"] = "mmdet.LoadImageFromNDArray"
    return library("mmdet", "mmcv.transforms", INSTALL).Compose(steps)


def _tables(node: Any) -> Iterator[Any]:
    """Every table of a nested configuration."""
    if isinstance(node, Mapping):
        yield node
    values = node.values() if isinstance(node, Mapping) else node if isinstance(node, (list, tuple)) else ()
    for value in values:
        yield from _tables(value)


def _lower_thresholds(model: Any, score: float) -> None:
    """No score threshold of the model's own above the asked one."""
    for table in _tables(model.get("test_cfg")):
        if table.get("score_thr", score) > score:
            table["score_thr"] = score


# -- the model --------------------------------------------------------------------------------------------


def _build(config: Any, device: str) -> Any:
    api = library("mmdet", "mmdet.apis", INSTALL)
    # It warns that there are no weights yet, whatever the filters say.
    with warnings.catch_warnings(record=True):
        # A palette, any one, keeps it from building the test data set to ask for the colours.
        model = api.init_detector(config, None, palette="random", device=device)
    heads = getattr(model, "roi_head", None)
    if heads is not None and getattr(heads, "with_mask", False):
        heads.mask_head = None  # masks would be thrown away here
    return model


class _Discarded:
    """Stands for what a checkpoint holds besides weights; made instead, so that nothing of it is run."""

    def __init__(self, *arguments: object) -> None:
        pass


_TRAINING_LOG = {
    "mmengine.logging.history_buffer.HistoryBuffer": _Discarded,
    # How the log names its methods; the real one would reach any attribute of any object.
    "builtins.getattr": _Discarded,
}


def _checkpoint(path: Path, trust: bool) -> Mapping[str, Any]:
    """A checkpoint as mmengine saves it; of a bare state_dict, the same with nothing but that."""
    held = read_checkpoint(path, trust, stand_ins=_TRAINING_LOG)
    if not isinstance(held, Mapping):
        raise UsageError(f"weights={path} is no checkpoint of MMDetection")
    return held if "state_dict" in held else {"state_dict": held}


def _class_names(held: Mapping[str, Any]) -> list[str] | None:
    meta = held.get("meta") or {}
    dataset = {key.lower(): value for key, value in (meta.get("dataset_meta") or {}).items()}
    names = dataset.get("classes") or meta.get("CLASSES")
    if isinstance(names, str):
        return [names]
    return [str(name) for name in names] if names else None


def _load_weights(model: Any, held: Mapping[str, Any], path: Path) -> None:
    with usage_errors(f"weights={path} do not fit the configured model"):
        missing = model.load_state_dict(tensors(held["state_dict"]), strict=False).missing_keys
    refuse_missing(path.name, missing)
