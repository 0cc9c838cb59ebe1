"""A detector's ONNX graph on onnxruntime or OpenVINO: squeezed pixels in, scored boxes out.

The graph takes ``pixels (b, 3, side, side)`` float32 of 0..1 and gives ``logits (b, q, c)`` and ``boxes
(b, q, 4)``, relative centre, width and height, as ``pmcx train detector`` writes it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.errors import PluginError, UsageError
from ..core.records import Detection
from .answer import answer, candidate_score
from .checkpoint import GRAPH, first_line, panel_classes

if TYPE_CHECKING:
    from ..core.images import FigureImage
    from .detr import DetrOptions

Floats = NDArray[np.float32]
Run = Callable[[Floats], tuple[Floats, Floats]]
"""Pixels to logits and boxes."""


@dataclass(frozen=True)
class GraphModel:
    """A loaded graph; ``side`` is its square input in pixels."""

    run: Run
    side: int
    panels: frozenset[int]
    """Class indices that count as panels."""
    options: DetrOptions

    @classmethod
    def load(cls, folder: Path, runtime: str, options: DetrOptions) -> GraphModel:
        """Load the graph of a checkpoint folder on ``onnxruntime`` or ``openvino``.

        UsageError where the file is no such graph or the options do not fit it, PluginError where the runtime
        is not installed.
        """
        panels = panel_classes(_class_names(folder / "config.json"), options.labels)
        load = _openvino if runtime == "openvino" else _onnxruntime
        # One thread: several workers use several cores better than one does.
        run, side = load(folder / GRAPH, options.threads or 1)
        if options.size not in (None, side):
            raise UsageError(
                f"size={options.size}: the graph takes {side} pixels; other sizes need runtime=torch"
            )
        return cls(run, side, panels, options)

    def detect(self, images: Sequence[FigureImage], batch: int) -> list[list[Detection]]:
        """Detections of each image, the surest first.

        One image at a time: on a CPU a batch is no faster, and so no answer depends on its batch.
        """
        return [self._one(image) for image in images]

    def _one(self, image: FigureImage) -> list[Detection]:
        logits, boxes = self.run(pixels_of(image, self.side))
        corners, scores, classes = decoded(logits[0], boxes[0], image.width, image.height)
        wanted = np.isin(classes, list(self.panels)) & (scores > candidate_score(self.options))
        return answer(image, corners[wanted], scores[wanted], self.options)


def _class_names(path: Path) -> dict[str, str]:
    """``id2label`` of a configuration; two unnamed classes where it has none, as transformers has it."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {first_line(error)}") from error
    names: dict[str, str] = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    return names


def pixels_of(image: FigureImage, side: int) -> Floats:
    """``(1, 3, side, side)`` of 0..1: the image squeezed to a square, as the image processor does it."""
    small = image.image.resize((side, side), Image.Resampling.BILINEAR)
    planes = np.asarray(small, np.float32).transpose(2, 0, 1)[None]
    return np.ascontiguousarray(planes / np.float32(255.0))


def decoded(
    logits: Floats, boxes: Floats, width: int, height: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], Any]:
    """``(q, c)`` logits and ``(q, 4)`` relative boxes as pixel corners, best scores and their classes."""
    values = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -30, 30)))
    relative = boxes.astype(np.float64)
    centre, half = relative[:, :2], relative[:, 2:] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1)
    corners *= np.array([width, height, width, height])
    return corners, values.max(axis=1), values.argmax(axis=1)


def _onnxruntime(path: Path, threads: int | None) -> tuple[Run, int]:
    try:
        ort = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise PluginError(
            f"the detr detector needs onnxruntime: pip install onnxruntime ({error})"
        ) from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UsageError(f"{path} is no graph that onnxruntime loads: {first_line(error)}") from error
    sides = {node.name: node.shape for node in session.get_inputs()}
    side = _checked(path, sides, {node.name for node in session.get_outputs()})

    def run(pixels: Floats) -> tuple[Floats, Floats]:
        logits, boxes = session.run(["logits", "boxes"], {"pixels": pixels})
        return logits, boxes

    return run, side


def _openvino(path: Path, threads: int | None) -> tuple[Run, int]:
    try:
        openvino = importlib.import_module("openvino")
    except ImportError as error:
        raise PluginError(f"runtime=openvino needs OpenVINO: pip install openvino ({error})") from error
    # Single precision: by itself OpenVINO takes half of it where the processor can, and boxes move.
    config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
    try:
        model = openvino.Core().compile_model(str(path), "CPU", config)
    except Exception as error:
        # Its first lines say only where in OpenVINO the error was noticed.
        told = [line for line in str(error).splitlines() if line and not line.startswith("Exception from")]
        raise UsageError(f"{path} is no graph that OpenVINO loads: {' '.join(told)[:300]}") from error
    sides = {
        node.get_any_name(): [int(str(d)) if d.is_static else None for d in node.get_partial_shape()]
        for node in model.inputs
    }
    side = _checked(path, sides, {node.get_any_name() for node in model.outputs})

    def run(pixels: Floats) -> tuple[Floats, Floats]:
        answer = model({"pixels": pixels})
        return answer["logits"], answer["boxes"]

    return run, side


def _checked(path: Path, inputs: dict[str, Any], outputs: set[str]) -> int:
    """The side of the square input of a graph of ours."""
    shape = list(inputs.get("pixels") or [])
    if (
        {"logits", "boxes"} - outputs
        or len(shape) != 4
        or shape[2] != shape[3]
        or not isinstance(shape[2], int)
    ):
        raise UsageError(
            f"{path} is no detector graph: it must map pixels (b, 3, side, side) to logits and boxes, "
            f"and maps {inputs} to {sorted(outputs)}; runtime=torch runs the checkpoint without it"
        )
    return int(shape[2])
