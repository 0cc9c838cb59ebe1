"""The ``detr`` detector: any object-detection checkpoint in the Hugging Face format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from ..core import stages
from ..core.records import Detection
from ..core.stages import Detector, Resources

if TYPE_CHECKING:
    from ..core.images import FigureImage
    from .hf import Model


class DetrOptions(stages.Options):
    """Options of :class:`DetrDetector`."""

    weights: str = ""
    """Checkpoint: a folder written by ``save_pretrained`` (model and image processor), or a hub id."""
    revision: str = ""
    """Commit, tag or branch of a hub id; name a commit to make a run repeatable."""
    labels: tuple[str, ...] = ()
    """Class names of the checkpoint that count as panels; empty means all."""
    score: float = Field(default=0.5, ge=0.0, le=1.0)
    """Detections must score above this."""
    nms: float | None = Field(default=0.7, ge=0.0, le=1.0)
    """IoU, of any two classes, above which the less sure box goes; None keeps all."""
    size: int | None = Field(default=None, ge=32, le=4096)
    """Longer side of the model's input in pixels, instead of the image processor's own."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` takes the GPU where there is one."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of torch in each worker; None leaves torch's default."""

    @field_validator("labels", mode="before")
    @classmethod
    def _one_label(cls, value: Any) -> Any:
        """``labels=panel`` on the command line is one name."""
        return (value,) if isinstance(value, str) else value


class DetrDetector(Detector):
    """Detect panels with a checkpoint that ``AutoModelForObjectDetection`` loads.

    DETR, Conditional and Deformable DETR, RT-DETR, RT-DETRv2, D-FINE, DEIMv2 and YOLOS are known to work.
    Weights are read from safetensors only and no code of a checkpoint is run. Images are prepared by the
    checkpoint's own image processor (its Pillow variant, so torchvision is not needed), each on a canvas
    of its own: the answer does not depend on what else is in the batch.

    Raises UsageError where the checkpoint cannot be used and PluginError where a library is missing.
    """

    name = "detr"
    Options = DetrOptions
    circumstantial = frozenset({"threads"})
    resources = Resources(batch=8, memory_mb=2048)

    _model: Model | None = None

    def open(self) -> None:
        """Load the checkpoint; a folder needs no network."""
        from .hf import Model

        self._model = Model.load(self.options)

    def close(self) -> None:
        self._model = None

    def assets(self) -> Mapping[str, str]:
        """sha256 of the checkpoint's safetensors files and its two configuration files, by file name.

        A hub id is fetched into the Hugging Face cache first. UsageError where no weights are named, so
        that a run is refused before it plans anything.
        """
        from .checkpoint import checkpoint_folder, file_hashes

        return file_hashes(checkpoint_folder(self.options.weights, self.options.revision))

    def detect(self, images: Sequence[FigureImage]) -> Sequence[Sequence[Detection]]:
        """Panel boxes of each image, the surest first."""
        if self._model is None:
            raise RuntimeError("the detr detector is not open")
        return self._model.detect(images, self.resources.batch)
