"""A Detectron2 model as a panel detector; see :class:`~pmcx.detectors.detectron2.Detectron2Detector`.

The model gets what ``DefaultPredictor`` gives it (``INPUT.FORMAT``, ``ResizeShortestEdge``), but batches,
and answers in pixels of the unresized image.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import PluginError, UsageError
from ..core.images import Pixels
from .checkpoint import first_line
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
    from .detectron2 import Detectron2Options

INSTALL = (
    "Install it beside torch and the torchvision that matches it: "
    "git clone https://github.com/facebookresearch/detectron2, "
    "then pip install --no-build-isolation ./detectron2"
)


def load(options: Detectron2Options) -> Model:
    """The configured model with its weights; errors as :class:`Detectron2Detector` states."""
    weights = weights_file("detectron2", options.weights)
    torch, device = use_torch(options, INSTALL)
    config = read_config(options)
    _check_torchvision(torch)
    with usage_errors(f"config={options.config} makes no model"):
        model = config.build(device)
        resize, longest = config.resize(options.size)
        bgr = config.image_format() == "BGR"
        names = config.class_names(_class_count(model))
    panels = panel_classes(options.labels, names)
    _load_weights(torch, model, weights, options.trust_pickle)
    _only_boxes(model, options.score)
    return Model(_Network(torch, model.eval().to(device), resize, longest, bgr), panels, options)


@dataclass
class _Network:
    """A Detectron2 model in evaluation mode."""

    torch: Any
    model: Any
    resize: Callable[[Pixels], Pixels]
    longest: int
    bgr: bool
    """Whether the model was trained on images with blue first."""

    def prepare(self, pixels: Pixels) -> tuple[tuple[int, ...], Any]:
        """See :class:`~pmcx.detectors.framework_runtime.Network`."""
        height, width = pixels.shape[:2]
        resized = self.resize(np.ascontiguousarray(pixels[:, :, ::-1]) if self.bgr else pixels)
        image = self.torch.as_tensor(resized.astype(np.float32).transpose(2, 0, 1))
        return tuple(image.shape), {"image": image, "height": height, "width": width}

    def forward(self, items: Sequence[Any]) -> list[Found]:
        """See :class:`~pmcx.detectors.framework_runtime.Network`."""
        with self.torch.no_grad():
            answers = self.model(list(items))
        return [_found(answer) for answer in answers]


def _found(answer: Any) -> Found:
    if "instances" not in answer:
        raise UsageError(f"the configured model finds no boxes; it answers {', '.join(answer)}")
    instances = answer["instances"].to("cpu")
    return Found(
        instances.pred_boxes.tensor.numpy(), instances.scores.numpy(), instances.pred_classes.numpy()
    )


# -- configuration: YAML (data) or Python (code), with the same questions to both ---------------------------


def read_config(options: Detectron2Options) -> _Yaml | _Lazy:
    """The configuration that ``options`` name, with its overrides."""
    if not options.config:
        raise UsageError(
            "the detectron2 detector needs the configuration of its model: --detector-option config=FILE.yaml"
        )
    path, own = _config_file(options.config)
    trusted = own or options.trust_config
    if path.suffix == ".py" and not trusted:
        raise UsageError(f"config={options.config} is Python code that would be run; {_READ_IT}")
    kind = _Lazy if path.suffix == ".py" else _Yaml
    module = library("detectron2", "detectron2.config", INSTALL)
    with usage_errors(f"config={options.config} is no Detectron2 configuration"):
        try:
            return kind.read(module, path, options, trusted)
        except Exception as error:
            if not trusted and "tag:yaml.org,2002:python/" in str(error):
                raise UsageError(f"config={options.config} holds code (python/ tags); {_READ_IT}") from error
            raise


_READ_IT = "read it, then add --detector-option trust_config=true"


def _config_file(config: str) -> tuple[Path, bool]:
    """Where a configuration lies, and whether it is one of the installed library."""
    path = Path(config).expanduser()
    if path.is_file():
        return path, False
    # Not through detectron2.model_zoo, which needs pkg_resources only to find this folder.
    package = Path(library("detectron2", "detectron2", INSTALL).__file__).parent
    zoo = (package / "model_zoo" / "configs").resolve()
    path = (zoo / config).resolve()
    if not path.is_file() or not path.is_relative_to(zoo):
        raise UsageError(f"config={config} is neither a file nor a name in Detectron2's model zoo")
    return path, True


@dataclass
class _Yaml:
    """A ``CfgNode``."""

    cfg: Any

    @classmethod
    def read(cls, module: Any, path: Path, options: Detectron2Options, trusted: bool) -> _Yaml:
        cfg = module.get_cfg()
        # Detectron2's default is to fall back to yaml.unsafe_load, which runs what the file says; it warns
        # of that for its own zoo, too.
        warner = logging.getLogger("fvcore.common.config")
        level = warner.level
        warner.setLevel(logging.ERROR)
        try:
            cfg.merge_from_file(str(path), allow_unsafe=trusted)
        finally:
            warner.setLevel(level)
        cfg.merge_from_list(list(options.opts))
        return cls(cfg)

    def plain(self) -> Any:
        return self.cfg

    def build(self, device: str) -> Any:
        self.cfg.MODEL.DEVICE = device
        self.cfg.MODEL.WEIGHTS = ""
        return library("detectron2", "detectron2.modeling", INSTALL).build_model(self.cfg)

    def resize(self, size: int | None) -> tuple[Callable[[Pixels], Pixels], int]:
        shorter, longest = self.cfg.INPUT.MIN_SIZE_TEST, self.cfg.INPUT.MAX_SIZE_TEST
        return _shortest_edge(size or shorter, size or longest), int(size or longest)

    def image_format(self) -> str:
        return str(self.cfg.INPUT.FORMAT)

    def class_names(self, count: int | None) -> list[str] | None:
        return _dataset_classes([*self.cfg.DATASETS.TEST, *self.cfg.DATASETS.TRAIN], count)


@dataclass
class _Lazy:
    """A ``LazyConfig``: a tree of calls to make."""

    cfg: Any
    instantiate: Callable[[Any], Any]

    @classmethod
    def read(cls, module: Any, path: Path, options: Detectron2Options, trusted: bool) -> _Lazy:
        cfg = module.LazyConfig.load(str(path))
        if options.opts:
            cfg = module.LazyConfig.apply_overrides(cfg, list(options.opts))
        return cls(cfg, module.instantiate)

    def plain(self) -> Any:
        container = library("detectron2", "omegaconf", INSTALL).OmegaConf
        parts = {key: self.cfg[key] for key in ("model", "dataloader") if key in self.cfg}
        return {
            key: container.to_container(part, resolve=True) if container.is_config(part) else part
            for key, part in parts.items()
        }

    def build(self, device: str) -> Any:
        return self.instantiate(self.cfg.model).to(device)

    def resize(self, size: int | None) -> tuple[Callable[[Pixels], Pixels], int]:
        if size:
            return _shortest_edge(size, size), size
        transforms = library("detectron2", "detectron2.data.transforms", INSTALL)
        steps = [self.instantiate(step) for step in self.cfg.dataloader.test.mapper.augmentations]

        def augmented(pixels: Pixels) -> Pixels:
            seen = transforms.AugInput(pixels)
            transforms.AugmentationList(steps)(seen)
            out: Pixels = seen.image
            return out

        return augmented, max((int(getattr(step, "max_size", 0)) for step in steps), default=0)

    def image_format(self) -> str:
        return str(self.cfg.dataloader.test.mapper.image_format)

    def class_names(self, count: int | None) -> list[str] | None:
        names = self.cfg.dataloader.test.dataset.names
        return _dataset_classes([names] if isinstance(names, str) else list(names), count)


def _shortest_edge(shorter: int, longest: int) -> Callable[[Pixels], Pixels]:
    """Shorter side to ``shorter`` unless that makes the longer one exceed ``longest``."""
    transforms = library("detectron2", "detectron2.data.transforms", INSTALL)
    resize = transforms.ResizeShortestEdge([shorter, shorter], longest)

    def resized(pixels: Pixels) -> Pixels:
        out: Pixels = resize.get_transform(pixels).apply_image(pixels)
        return out

    return resized


def _check_torchvision(torch: Any) -> None:
    """A torchvision for another torch often imports, and fails at the first figure."""
    ops = library("detectron2", "torchvision.ops", INSTALL)
    try:
        ops.nms(torch.zeros((1, 4)), torch.zeros(1), 0.5)
    except Exception as error:
        raise PluginError(
            f"the detectron2 detector cannot work: the installed torchvision does not match torch "
            f"{torch.__version__} ({first_line(error)}). {INSTALL}"
        ) from error


# -- the model --------------------------------------------------------------------------------------------


def _class_count(model: Any) -> int | None:
    for part in (model, getattr(model, "roi_heads", None)):
        count = getattr(part, "num_classes", None)
        if count is not None:
            return int(count)
    return None


def _dataset_classes(datasets: Sequence[str], count: int | None) -> list[str] | None:
    """Class names of the first data set that is registered and has as many classes as the model.

    A configuration made for other data often still names COCO.
    """
    catalog = library("detectron2", "detectron2.data", INSTALL).MetadataCatalog
    for dataset in datasets:
        names = catalog.get(dataset).get("thing_classes", None)
        if names and len(names) == count:
            return list(names)
    return None


def _load_weights(torch: Any, model: Any, path: Path, trust: bool) -> None:
    held = read_checkpoint(path, trust)
    if not isinstance(held, dict) or "blobs" in held:
        raise UsageError(f"weights={path} is no checkpoint of Detectron2 (those of Detectron 1 are not read)")
    state = {
        key: torch.as_tensor(value) if isinstance(value, np.ndarray) else value
        for key, value in tensors(held.get("model", held)).items()
    }
    with usage_errors(f"weights={path} do not fit the configured model"):
        missing = model.load_state_dict(state, strict=False).missing_keys
    refuse_missing(path.name, missing)


def _only_boxes(model: Any, score: float) -> None:
    """No masks and key points, which are thrown away here, and no score threshold above the asked one."""
    for part in model.modules():
        for switch in ("mask_on", "keypoint_on"):
            if getattr(part, switch, False):
                setattr(part, switch, False)
        if getattr(part, "test_score_thresh", score) > score:
            part.test_score_thresh = score
