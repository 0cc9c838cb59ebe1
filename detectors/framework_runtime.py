"""What the adapters of detection frameworks share once torch is there: weights, batches, boxes.

Batches: a framework pads the images of a batch to one canvas, and padding changes the answer. Images are
therefore prepared one by one and only equal shapes share a forward pass.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import PluginError, UsageError
from ..core.images import FigureImage, Pixels
from ..core.records import Detection
from .boxes import by_score, nms, pixel_boxes
from .checkpoint import first_line

if TYPE_CHECKING:
    from .frameworks import FrameworkOptions

MIN_SIDE = 16
"""Tiny images get a white margin to this, and thin ones so that no resize leaves them thinner."""


@dataclass(frozen=True)
class Found:
    """What a network found in one image, in any order."""

    boxes: NDArray[np.floating[Any]]
    """``(n, 4)``: ``x0, y0, x1, y1`` in pixels of the image that was prepared."""
    scores: NDArray[np.floating[Any]]
    """``(n,)`` in 0 to 1."""
    classes: NDArray[np.integer[Any]]
    """``(n,)`` class numbers."""


class Network(Protocol):
    """One framework's model with its way to prepare an image."""

    longest: int
    """Longer side of the input where the aspect is kept; 0 where images are squashed to a fixed size."""

    def prepare(self, pixels: Pixels) -> tuple[tuple[int, ...], Any]:
        """Shape of the input, and the input, for one ``(h, w, 3)`` uint8 RGB image."""

    def forward(self, items: Sequence[Any]) -> list[Found]:
        """Answers for inputs of one shape, in order."""


@dataclass
class Model:
    """A loaded network and how its answers become detections."""

    network: Network
    panels: frozenset[int] | None
    """Class numbers that count as panels; None for all."""
    options: FrameworkOptions

    def detect(self, images: Sequence[FigureImage], batch: int) -> list[list[Detection]]:
        """Detections of each image, the surest first."""
        prepared = [self.network.prepare(with_margin(image.pixels, self.network.longest)) for image in images]
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, (shape, _) in enumerate(prepared):
            groups.setdefault(shape, []).append(index)
        answers: list[list[Detection]] = [[] for _ in images]
        for members in groups.values():
            for start in range(0, len(members), batch):
                chunk = members[start : start + batch]
                for index, found in zip(
                    chunk, self.network.forward([prepared[i][1] for i in chunk]), strict=True
                ):
                    answers[index] = self._detections(found, images[index])
        return answers

    def _detections(self, found: Found, image: FigureImage) -> list[Detection]:
        boxes, rows = pixel_boxes(found.boxes, image.width, image.height)
        scores = found.scores[rows].astype(np.float64)
        wanted = scores > self.options.score
        if self.panels is not None:
            wanted &= np.isin(found.classes[rows], list(self.panels))
        boxes, scores = boxes[wanted], scores[wanted]
        limit = self.options.nms
        order = by_score(boxes, scores) if limit is None else nms(boxes, scores, limit)
        return [
            Detection(
                box=(int(boxes[i, 0]), int(boxes[i, 1]), int(boxes[i, 2]), int(boxes[i, 3])),
                score=float(min(1.0, scores[i])),
            )
            for i in order
        ]


def with_margin(pixels: Pixels, longest: int) -> Pixels:
    """``pixels`` with white right and below where a side is, or would be after resizing, below MIN_SIDE."""
    height, width = pixels.shape[:2]
    least = MIN_SIDE
    if longest:
        least = max(least, -(-max(height, width) * MIN_SIDE // longest))
    if min(height, width) >= least:
        return pixels
    margin = ((0, max(0, least - height)), (0, max(0, least - width)), (0, 0))
    return np.pad(pixels, margin, constant_values=255)


def use_torch(options: FrameworkOptions, install: str) -> tuple[Any, str]:
    """torch, told how many threads it may use, and the device that ``options`` mean."""
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise PluginError(f"torch is not installed: {install}") from error
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    available = bool(torch.cuda.is_available())
    if options.device == "cuda" and not available:
        raise UsageError(
            f"device=cuda: torch {torch.__version__} sees no CUDA GPU; use device=cpu or device=auto"
        )
    return torch, "cuda" if available and options.device != "cpu" else "cpu"


def library(detector: str, module: str, install: str) -> Any:
    """A module of the framework, or a PluginError that says what is wrong and how to install it.

    Compiled frameworks fail in many ways when they do not match torch, so every error counts.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:
        name = error.name if isinstance(error, ModuleNotFoundError) else None
        reason = f"{name} is not installed" if name else f"importing {module} failed: {first_line(error)}"
        raise PluginError(f"the {detector} detector cannot work, {reason}. {install}") from error


@contextmanager
def usage_errors(what: str) -> Iterator[None]:
    """Turn what a framework raises over a wrong file into a UsageError that begins with ``what``."""
    try:
        yield
    except (PluginError, UsageError):
        raise
    except ImportError as error:
        raise PluginError(f"{what}: it needs a library that is not installed: {first_line(error)}") from error
    except Exception as error:
        # Frameworks assert, and raise KeyError, TypeError, yaml and registry errors for a wrong file.
        raise UsageError(f"{what}: {type(error).__name__}: {first_line(error)}") from error


def config_digest(config: Any) -> str:
    """sha256 of a nested configuration of plain values; functions and classes count by their names."""

    def name(value: Any) -> str:
        qualified = getattr(value, "__qualname__", None)
        return f"{value.__module__}.{qualified}" if qualified else re.sub(r" at 0x\w+", "", str(value))

    text = json.dumps(config, sort_keys=True, default=name)
    return hashlib.sha256(text.encode()).hexdigest()


def panel_classes(labels: Sequence[str], names: Sequence[str] | None) -> frozenset[int] | None:
    """The class numbers that ``labels`` mean, None for all; UsageError for one that there is not."""
    if not labels:
        return None
    known = {name: index for index, name in enumerate(names or ())}
    chosen: set[int] = set()
    for label in labels:
        if label in known:
            chosen.add(known[label])
        elif label.isdecimal() and (names is None or int(label) < len(names)):
            chosen.add(int(label))
        else:
            has = (
                f"it has {', '.join(known)}"
                if names
                else "it does not name its classes, so give their numbers"
            )
            raise UsageError(f"labels: the checkpoint has no class {label!r}; {has}")
    return frozenset(chosen)


def read_checkpoint(path: Path, trust: bool, stand_ins: Mapping[str, type] | None = None) -> Any:
    """What a checkpoint file holds, on the CPU: ``.safetensors``, a torch file, or a zoo's ``.pkl``.

    Unless ``trust``, only tensors, arrays and plain values are made from a pickle, and for what
    ``stand_ins`` names (``module.name``) the class given there. Anything else is refused, unread, with a
    UsageError, as a damaged file is.
    """
    torch = importlib.import_module("torch")
    try:
        if path.suffix == ".safetensors":
            return importlib.import_module("safetensors.torch").load_file(path)
        if path.suffix == ".pkl":
            with path.open("rb") as file:
                unpickler = pickle.Unpickler if trust else _ArrayUnpickler
                return unpickler(file, encoding="latin1").load()
        replaced = [(stand_in, name) for name, stand_in in (stand_ins or {}).items()]
        with torch.serialization.safe_globals([*_array_globals(), *replaced]):
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except ImportError as error:
        raise PluginError(f"{path.name} needs {error.name}: pip install {error.name}") from error
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        if trust or not asked:
            raise UsageError(f"weights={path} is no checkpoint: {first_line(error)}") from error
        raise UsageError(
            f"weights={path} holds more than tensors ({asked[1]}); reading such a pickle can run any code. "
            "Have somebody you trust save the bare state_dict as .safetensors, or, if you trust the file, "
            "add --detector-option trust_pickle=true"
        ) from error
    except Exception as error:
        # A cut or foreign file fails anywhere inside zip, pickle or safetensors.
        raise UsageError(f"weights={path} is no checkpoint: {first_line(error)}") from error


def _array_globals() -> list[Any]:
    """What numpy arrays and scalars in a torch file are made of; logs beside the weights hold them."""
    multiarray = importlib.import_module("numpy._core.multiarray" if _numpy2() else "numpy.core.multiarray")
    kinds = {type(np.dtype(code)) for code in "?bBhHiIlLqQefd"}
    codecs = importlib.import_module("_codecs")
    return [multiarray._reconstruct, multiarray.scalar, np.ndarray, np.dtype, codecs.encode, *kinds]


def _numpy2() -> bool:
    return int(np.__version__.split(".")[0]) >= 2


class _ArrayUnpickler(pickle.Unpickler):
    """Reads nothing but arrays and plain values."""

    _CALLS = frozenset(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    ) | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"), ("collections", "OrderedDict")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._CALLS:
            raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")
        if module.startswith("numpy.") and _numpy2():
            module = module.replace("numpy.core.", "numpy._core.")
        return super().find_class(module, name)


def tensors(state: Mapping[str, Any]) -> OrderedDict[str, Any]:
    """A state_dict without the prefix that data-parallel training leaves; UsageError where it is none."""
    if not state or not all(isinstance(key, str) for key in state):
        raise UsageError("the checkpoint holds no state_dict")
    return OrderedDict((key.removeprefix("module."), value) for key, value in state.items())


def refuse_missing(weights: str, missing: Sequence[str]) -> None:
    """UsageError where the network has weights that the checkpoint lacks: they would be random."""
    lacking = sorted(key for key in missing if not key.endswith("num_batches_tracked"))
    if lacking:
        raise UsageError(
            f"{len(lacking)} weights of the configured model are not in {weights}, such as {lacking[0]}; "
            "is this the configuration that it was trained with?"
        )
