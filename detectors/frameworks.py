"""What the adapters of detection frameworks (``detectron2``, ``mmdet``) share as stages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from ..core import stages
from ..core.errors import UsageError
from ..core.files import hash_file
from ..core.records import Detection
from ..core.stages import Detector, Resources

if TYPE_CHECKING:
    from ..core.images import FigureImage
    from .framework_runtime import Model


class FrameworkOptions(stages.Options):
    """Options of :class:`FrameworkDetector`."""

    config: str = ""
    """The model's configuration."""
    weights: str = ""
    """The trained checkpoint, a local file."""
    labels: tuple[str, ...] = ()
    """Classes that count as panels, by name or by number from 0; empty means all."""
    score: float = Field(default=0.5, ge=0.0, le=1.0)
    """Detections must score above this."""
    nms: float | None = Field(default=0.7, ge=0.0, le=1.0)
    """IoU, of any two classes, above which the less sure box goes; None keeps what the model gives."""
    size: int | None = Field(default=None, ge=32, le=4096)
    """Longer side of the model's input in pixels, instead of the configuration's own."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` takes the GPU where there is one."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of torch in each worker; None leaves torch's default."""
    trust_pickle: bool = False
    """Load checkpoints that hold more than tensors. Such a pickle can run any code while it is read."""
    trust_config: bool = False
    """Run a configuration that is code. Read it first if it is not yours."""

    @field_validator("labels", mode="before")
    @classmethod
    def _one_label(cls, value: Any) -> Any:
        """``labels=panel`` on the command line is one name."""
        return value if isinstance(value, (list, tuple)) else (str(value),)


class FrameworkDetector(Detector):
    """A detector whose model is built from a configuration and a checkpoint file.

    Raises UsageError where configuration or checkpoint cannot be used and PluginError where the library
    is missing or does not work.
    """

    # Paths and consents do not change an answer; the files themselves are assets.
    circumstantial = frozenset({"threads", "trust_pickle", "trust_config"})
    resources = Resources(batch=8, memory_mb=3072)

    _model: Model | None = None

    @abstractmethod
    def _load(self) -> Model:
        """Build the network and read its weights."""

    @abstractmethod
    def _config_digest(self) -> str:
        """sha256 of the configuration with everything that it inherits."""

    def open(self) -> None:
        """Load the checkpoint; needs no network."""
        self._model = self._load()

    def close(self) -> None:
        self._model = None

    def assets(self) -> Mapping[str, str]:
        """sha256 of the weights file, by its name, and of the resolved configuration, as ``config``.

        The library reads the configuration, so that what a file inherits counts, too. UsageError where
        one of them is missing, so that a run is refused before it plans anything.
        """
        weights = weights_file(self.name, self.options.weights)
        return {"config": self._config_digest(), weights.name: hash_file(weights)}

    def detect(self, images: Sequence[FigureImage]) -> Sequence[Sequence[Detection]]:
        """Panel boxes of each image, the surest first."""
        if self._model is None:
            raise RuntimeError(f"the {self.name} detector is not open")
        return self._model.detect(images, self.resources.batch)


def weights_file(detector: str, weights: str) -> Path:
    """The checkpoint file that was named, or a UsageError."""
    if not weights:
        raise UsageError(
            f"the {detector} detector needs trained weights: --detector-option weights=FILE "
            "(pmcx ships none, and random ones find nothing)"
        )
    path = Path(weights).expanduser()
    if "://" in weights:
        raise UsageError(f"weights={weights}: download the checkpoint first and name the local file")
    if path.is_dir():
        raise UsageError(f"weights={weights} is a folder; name the checkpoint file in it")
    if not path.is_file():
        raise UsageError(f"no such file: weights={weights}")
    return path
