"""The ``detectron2`` detector: box detectors that were trained with Detectron2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from .frameworks import FrameworkDetector, FrameworkOptions

if TYPE_CHECKING:
    from .framework_runtime import Model


class Detectron2Options(FrameworkOptions):
    """Options of :class:`Detectron2Detector`."""

    config: str = ""
    """A YAML file, a Python file (needs ``trust_config``), or a name in Detectron2's model zoo."""
    opts: tuple[str, ...] = ()
    """Overrides: KEY, VALUE, KEY, VALUE ... for YAML, ``key=value`` for Python configurations."""

    @field_validator("opts", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """Numbers and booleans as they would stand on Detectron2's command line."""
        return [str(v) for v in value] if isinstance(value, (list, tuple)) else (str(value),)


class Detectron2Detector(FrameworkDetector):
    """Detect panels with a Detectron2 model: RetinaNet, FCOS, Faster and Mask R-CNN and others.

    Images are resized as Detectron2's ``DefaultPredictor`` does. ``weights`` is a ``.pth`` or a model zoo's
    ``.pkl``, of which only tensors, arrays and plain values are read, or a state_dict as ``.safetensors``.
    A configuration that is code (Python, or YAML with ``python/`` tags) is refused without
    ``trust_config``, unless it is the installed library's own. Only boxes are computed, no masks.
    """

    name = "detectron2"
    Options = Detectron2Options

    def _load(self) -> Model:
        from .detectron2_model import load

        return load(self.options)

    def _config_digest(self) -> str:
        from .detectron2_model import read_config
        from .framework_runtime import config_digest

        return config_digest(read_config(self.options).plain())
