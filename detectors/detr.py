"""The ``detr`` detector: pmcx's own weights, or any object-detection checkpoint of Hugging Face's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field, field_validator

from ..core import stages
from ..core.records import Detection
from ..core.stages import Detector, Resources

if TYPE_CHECKING:
    from ..core.images import FigureImage


class DetrOptions(stages.Options):
    """Options of :class:`DetrDetector`."""

    weights: str = ""
    """Checkpoint: a folder written by ``save_pretrained`` or ``pmcx train detector``, or a hub id. Empty
    means the weights that come with pmcx."""
    revision: str = ""
    """Commit, tag or branch of a hub id; name a commit to make a run repeatable."""
    runtime: Literal["auto", "onnxruntime", "openvino", "torch"] = "auto"
    """What computes. ``auto`` is onnxruntime where the checkpoint holds a ``model.onnx`` and no GPU is asked
    for, else torch."""
    labels: tuple[str, ...] = ()
    """Class names of the checkpoint that count as panels; empty means all."""
    score: float = Field(default=0.5, ge=0.0, le=1.0)
    """Detections must score above this; with ``fit``, less where they cover what no other does."""
    nms: float | None = Field(default=0.7, ge=0.0, le=1.0)
    """IoU, of any two classes, above which the less sure box goes; None keeps all."""
    refine: Literal["auto", "fit", "snap", "none"] = "auto"
    """What is made of the boxes: ``snap`` moves edges onto gutters and lines, ``fit`` takes the most likely
    set of such boxes that fit together, ``none`` leaves them. ``auto`` is ``fit`` for the weights that come
    with pmcx and ``none`` for others."""
    size: int | None = Field(default=None, ge=32, le=4096)
    """Longer side of the model's input in pixels, instead of the image processor's own (torch only)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` takes the GPU where the runtime is torch and there is one."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads in each worker; None is one for onnxruntime and OpenVINO, and torch's default for torch."""

    @field_validator("labels", mode="before")
    @classmethod
    def _one_label(cls, value: Any) -> Any:
        """``labels=panel`` on the command line is one name."""
        return (value,) if isinstance(value, str) else value

    @property
    def chosen_refine(self) -> str:
        """``refine`` with ``auto`` decided."""
        return self.refine if self.refine != "auto" else ("none" if self.weights else "fit")


class DetrDetector(Detector):
    """Detect panels with a DETR: the weights that come with pmcx, or any checkpoint of Hugging Face's format.

    The weights that come with pmcx run on onnxruntime, on a CPU and without torch. Of others, those that
    ``AutoModelForObjectDetection`` loads run on torch: DETR, Conditional and Deformable DETR, RT-DETR,
    RT-DETRv2, D-FINE, DEIMv2 and YOLOS are known to work. Weights are read from safetensors and ONNX only and
    no code of a checkpoint is run. Images are prepared by the checkpoint's own image processor (its Pillow
    variant, so torchvision is not needed), each on a canvas of its own: the answer does not depend on what
    else is in the batch.

    Raises UsageError where the checkpoint cannot be used and PluginError where a library is missing.
    """

    name = "detr"
    Options = DetrOptions
    circumstantial = frozenset({"threads"})
    resources = Resources(batch=8, memory_mb=1024)

    _model: Model | None = None

    def open(self) -> None:
        """Load the checkpoint; a folder needs no network."""
        from .checkpoint import checkpoint_folder, runtime_of

        options = self.options
        folder = checkpoint_folder(options.weights, options.revision)
        runtime = runtime_of(folder, options.runtime, options.device)
        if runtime == "torch":
            from .hf import TorchModel

            self._model = TorchModel.load(folder, options)
        else:
            from .graph import GraphModel

            self._model = GraphModel.load(folder, runtime, options)

    def close(self) -> None:
        self._model = None

    def assets(self) -> Mapping[str, str]:
        """sha256 of the checkpoint's weights and its two configuration files, by file name.

        A hub id is fetched into the Hugging Face cache first. UsageError where there is no such checkpoint,
        so that a run is refused before it plans anything.
        """
        from .checkpoint import checkpoint_folder, file_hashes

        return file_hashes(checkpoint_folder(self.options.weights, self.options.revision))

    def detect(self, images: Sequence[FigureImage]) -> Sequence[Sequence[Detection]]:
        """Panel boxes of each image, the surest first."""
        if self._model is None:
            raise RuntimeError("the detr detector is not open")
        return self._model.detect(images, self.resources.batch)


class Model(Protocol):
    """A loaded checkpoint on some runtime."""

    def detect(self, images: Sequence[FigureImage], batch: int) -> list[list[Detection]]:
        """Detections of each image, the surest first."""
        ...
