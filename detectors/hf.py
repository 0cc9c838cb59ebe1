"""Hugging Face object-detection models as a panel detector; see :class:`~pmcx.detectors.detr.DetrDetector`.

Geometry: a model's boxes are relative to its input canvas, padding included. ``_Prepared.target`` is that
canvas in source pixels, so that ``post_process_object_detection`` answers in source pixels.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..core.errors import PluginError, UsageError
from ..core.images import FigureImage
from ..core.records import Detection
from .answer import answer, candidate_score
from .checkpoint import INSTALL, first_line, panel_classes

if TYPE_CHECKING:
    from pathlib import Path

    from .detr import DetrOptions

MAX_SIDE = 4096
"""Larger figures are shrunk to this first: processors hold several float copies of the full size."""
MIN_SIDE = 16
"""Tiny images get a white margin to this, and thin ones so that no resize leaves them thinner."""


@dataclass
class _Prepared:
    """One image as the model sees it; ``inputs`` are its tensors, each with a batch axis of 1."""

    inputs: dict[str, Any]
    target: tuple[float, float]
    """(height, width) of the model's whole canvas in source pixels."""


@dataclass
class TorchModel:
    """A loaded checkpoint with its image processor."""

    torch: Any
    network: Any
    processor: Any
    device: str
    panels: frozenset[int]
    """Class indices that count as panels."""
    options: DetrOptions

    @classmethod
    def load(cls, folder: Path, options: DetrOptions) -> TorchModel:
        """Load the checkpoint in ``folder``; UsageError or PluginError as :class:`DetrDetector` states."""
        torch, transformers = _libraries()
        device = _device(torch, options.device)
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        with _quiet(transformers), _load_errors(options.weights or str(folder)):
            processor = _load_processor(transformers, folder, options.size)
            network = _load_network(transformers, folder)
        panels = panel_classes(network.config.id2label, options.labels)
        # Weights kept in half precision are computed with in single precision.
        return cls(torch, network.float().eval().to(device), processor, device, panels, options)

    def detect(self, images: Sequence[FigureImage], batch: int) -> list[list[Detection]]:
        """Detections of each image, the surest first; equal canvases share a forward pass."""
        prepared = [self._prepare(image) for image in images]
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, item in enumerate(prepared):
            groups.setdefault(tuple(item.inputs["pixel_values"].shape), []).append(index)
        answers: list[list[Detection]] = [[] for _ in images]
        for members in groups.values():
            for start in range(0, len(members), batch):
                chunk = members[start : start + batch]
                for index, found in zip(chunk, self._forward([prepared[i] for i in chunk]), strict=True):
                    answers[index] = self._detections(found, images[index])
        return answers

    def _prepare(self, image: FigureImage) -> _Prepared:
        canvas, scale_y, scale_x = _canvas(image, self.processor)
        inputs = dict(self.processor(images=canvas, return_tensors="pt"))
        height, width = inputs["pixel_values"].shape[-2:]
        shown_height, shown_width = self._shown(canvas, inputs)
        # By axis: a resize that keeps the aspect rounds each side by itself.
        target = (
            canvas.height / scale_y * height / shown_height,
            canvas.width / scale_x * width / shown_width,
        )
        return _Prepared(inputs, target)

    def _shown(self, canvas: Image.Image, inputs: dict[str, Any]) -> tuple[int, int]:
        """Height and width of the part of the model's input that is not padding."""
        if "pixel_mask" in inputs:
            mask = inputs["pixel_mask"][0]
            return int(mask[:, 0].sum()), int(mask[0].sum())
        pixels = inputs["pixel_values"]
        if getattr(self.processor, "do_pad", False) and getattr(self.processor, "pad_size", None):
            pixels = self.processor(images=canvas, do_pad=False, return_tensors="pt")["pixel_values"]
        return int(pixels.shape[-2]), int(pixels.shape[-1])

    def _forward(self, items: Sequence[_Prepared]) -> list[dict[str, Any]]:
        torch = self.torch
        inputs = {
            key: torch.cat([item.inputs[key] for item in items]).to(self.device) for key in items[0].inputs
        }
        targets = torch.tensor([item.target for item in items], device=self.device)
        with torch.inference_mode():
            outputs = self.network(**inputs)
            found: list[dict[str, Any]] = self.processor.post_process_object_detection(
                outputs, threshold=candidate_score(self.options), target_sizes=targets
            )
        return found

    def _detections(self, found: dict[str, Any], image: FigureImage) -> list[Detection]:
        boxes, scores, classes = (found[key].float().cpu().numpy() for key in ("boxes", "scores", "labels"))
        wanted = np.isin(classes.astype(np.int64), list(self.panels))
        return answer(image, boxes[wanted], scores[wanted], self.options)


def _canvas(image: FigureImage, processor: Any) -> tuple[Image.Image, float, float]:
    """What the processor gets, and its scale to source pixels by height and width.

    That is the image itself but for huge, tiny and very thin ones.
    """
    content = image.image
    if max(image.width, image.height) > MAX_SIDE:
        content = Image.fromarray(image.resized(MAX_SIDE)[0])
    least = MIN_SIDE
    if longest := _longest_side(processor):
        least = max(least, -(-max(content.size) * MIN_SIDE // longest))
    width, height = max(content.width, least), max(content.height, least)
    scales = (content.height / image.height, content.width / image.width)
    if (width, height) != content.size:
        padded = Image.new("RGB", (width, height), (255, 255, 255))
        padded.paste(content)
        content = padded
    return content, *scales


def _longest_side(processor: Any) -> int:
    """The input's longer side where the aspect is kept, 0 where the image is squashed to a fixed size."""
    sides = _sides(processor.size)
    return 0 if "height" in sides else max(sides.values(), default=0)


def _sides(size: Any) -> dict[str, int]:
    return {key: int(value) for key, value in dict(size).items() if value}


def _libraries() -> tuple[Any, Any]:
    """torch and transformers, or a PluginError that says what to install."""
    try:
        torch = importlib.import_module("torch")
        transformers = importlib.import_module("transformers")
        importlib.import_module("safetensors")
    except ImportError as error:
        raise PluginError(f"the detr detector needs {error.name or error}: {INSTALL}") from error
    # transformers asks only whether torchvision is *installed*; a broken one takes its image processors down.
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise _torchvision_error(torch, error) from error
    except Exception as error:
        raise _torchvision_error(torch, error) from error
    return torch, transformers


def _torchvision_error(torch: Any, error: Exception) -> PluginError:
    return PluginError(
        f"the installed torchvision does not work with torch {torch.__version__} ({first_line(error)}); "
        "pip uninstall torchvision (detr does not need it), or install the build that matches torch"
    )


def _device(torch: Any, wanted: str) -> str:
    available = bool(torch.cuda.is_available())
    if wanted == "cuda" and not available:
        raise UsageError(
            f"device=cuda: torch {torch.__version__} sees no CUDA GPU; use device=cpu or device=auto"
        )
    return "cuda" if available and wanted != "cpu" else "cpu"


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bar for each worker that loads the weights."""
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _load_errors(weights: str) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except ImportError as error:
        raise PluginError(f"{weights} needs a library that is not installed: {first_line(error)}") from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise UsageError(
            f"{weights} is no checkpoint that AutoModelForObjectDetection loads: {first_line(error)}"
        ) from error


def _load_processor(transformers: Any, folder: Path, size: int | None) -> Any:
    """The checkpoint's image processor in its Pillow variant, resizing in its own manner to ``size``."""
    major = int(transformers.__version__.split(".")[0])
    pillow = {"backend": "pil"} if major >= 5 else {"use_fast": False}
    processor = transformers.AutoImageProcessor.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False, **pillow
    )
    if not hasattr(processor, "post_process_object_detection"):
        raise ValueError(f"its image processor {type(processor).__name__} is not one for object detection")
    if size is not None:
        _set_size(processor, size)
    return processor


def _set_size(processor: Any, size: int) -> None:
    """Keep squashing processors squashing and aspect-keeping ones aspect-keeping."""
    if "height" in _sides(processor.size):
        processor.size = _like(processor.size, height=size, width=size)
    else:
        processor.size = _like(processor.size, max_height=size, max_width=size)
    if getattr(processor, "pad_size", None):
        processor.pad_size = _like(processor.pad_size, height=size, width=size)


def _like(old: Any, **sides: int) -> Any:
    return dict(sides) if isinstance(old, dict) else type(old)(**sides)


def _load_network(transformers: Any, folder: Path) -> Any:
    local = {"local_files_only": True, "trust_remote_code": False}
    config = transformers.AutoConfig.from_pretrained(str(folder), **local)
    # The checkpoint holds the backbone: without this, older versions fetch ImageNet weights first.
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False
    network, report = transformers.AutoModelForObjectDetection.from_pretrained(
        str(folder), config=config, use_safetensors=True, output_loading_info=True, **local
    )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ValueError(f"{len(missing)} weights are not in the checkpoint, such as {missing[0]}")
    return network
