"""Trained weights as users get them: a Hugging Face folder and an ONNX graph that agree.

The folder holds ``model.safetensors``, ``config.json``, ``preprocessor_config.json`` and ``model.onnx``, and
loads with ``AutoModelForObjectDetection``. Weights are rounded to half precision before either is written, so
that the two agree and files are small; arithmetic is in single precision.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

OPSET = 18


def export(network: Any, side: int, folder: Path) -> None:
    """Write ``network`` (on a CPU) as a Hugging Face folder with ``model.onnx`` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    network = network.to("cpu", torch.float32).eval()
    halved = {key: _half(value) for key, value in network.state_dict().items()}
    network.load_state_dict(
        {
            key: value.to(torch.float32) if value.is_floating_point() else value
            for key, value in halved.items()
        }
    )
    write_onnx(network, side, folder / "model.onnx")
    network.half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # written for its owner alone
    network.float()
    processor(side).save_pretrained(folder)


def processor(side: int) -> Any:
    """The image processor: squeeze to ``side`` x ``side``, scale to 0..1, nothing else."""
    from transformers import RTDetrImageProcessorPil

    return RTDetrImageProcessorPil(
        size={"height": side, "width": side}, do_normalize=False, do_pad=False, resample=2
    )


def _half(value: torch.Tensor) -> torch.Tensor:
    return value.to(torch.float16) if value.is_floating_point() else value


class _Graph(nn.Module):
    """What is exported: pixels in; logits and relative centre, width and height of all queries out."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.network(pixel_values=pixels)
        return out.logits, out.pred_boxes


def write_onnx(network: Any, side: int, path: Path) -> None:
    """Write the graph ``pixels (b, 3, side, side) -> logits (b, q, 1), boxes (b, q, 4)`` with any ``b``.

    ``boxes`` are relative centre, width and height.
    """
    import onnx
    import onnxscript.optimizer

    example = torch.rand(2, 3, side, side)
    with warnings.catch_warnings(), _silence("torch.onnx", "onnxscript", "onnx_ir"):
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            _Graph(network),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["pixels"],
            output_names=["logits", "boxes"],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            custom_translation_table={torch.ops.aten._is_all_true.default: _is_all_true()},
            verbose=False,
            optimize=False,  # batch norms folded into weights are no longer numbers of half precision
        )
        program.save(str(path))
    model = onnx.load(str(path))  # weights inside, not in a file beside it
    # Shapes and constants worked out, without which OpenVINO refuses the graph.
    onnxscript.optimizer.fold_constants(model)
    onnxscript.optimizer.remove_unused_nodes(model)
    _halve(model)
    _forget_origin(model)
    onnx.save(model, str(path))
    path.with_name(path.name + ".data").unlink(missing_ok=True)


def _is_all_true() -> Callable[..., Any]:
    """``aten._is_all_true``, which the exporter does not know."""
    import onnxscript

    op: Any = onnxscript.opset18

    def is_all_true(value: Any) -> Any:
        return op.Equal(op.ReduceMin(op.Cast(value, to=6), keepdims=0), op.Constant(value_int=1))

    return is_all_true


def _halve(model: Any) -> None:
    """Store weights that half precision holds exactly as such, each behind a Cast that runtimes fold away."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 64:
            continue
        small = values.astype(np.float16)
        if np.array_equal(small.astype(np.float32), values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(small, f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)


def _forget_origin(model: Any) -> None:
    """Drop what the exporter notes at every node: paths of this machine, and most of the file's size."""
    graph = model.graph
    model.ClearField("metadata_props")
    graph.ClearField("value_info")
    for part in (graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


class _silence:  # noqa: N801 - reads as a statement
    """Loggers quietened for a block: the exporter narrates."""

    def __init__(self, *names: str) -> None:
        self.loggers = [logging.getLogger(name) for name in names]

    def __enter__(self) -> None:
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)
