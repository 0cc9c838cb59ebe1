"""pmcx: panel-caption pairs from open biomedical articles.

``pmcx.run(...)`` carries out a run, ``pmcx.open(folder)`` reads one; ``pmcx.hookimpl`` and the stage
classes are what a plugin needs. Everything is loaded on first use: importing pmcx is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .core.config import RunConfig, load_config
    from .core.dataset import PairView, Run
    from .core.dataset import open_run as open
    from .core.engine import Engine, RunResult, run
    from .core.errors import (
        IdentityError,
        InputError,
        OutputError,
        PluginError,
        PmcxError,
        TransientError,
        UsageError,
    )
    from .core.hookspecs import hookimpl
    from .core.images import FigureImage
    from .core.records import (
        Article,
        ArticleRef,
        Detection,
        Drop,
        Failure,
        Figure,
        FileInfo,
        ImageRef,
        Letter,
        Modality,
        Pair,
        Panel,
        Subcaption,
    )
    from .core.registry import Registry
    from .core.stages import (
        Caption,
        Classifier,
        Detector,
        Document,
        Exporter,
        Options,
        PanelImage,
        Reader,
        Resources,
        RunSummary,
        Sample,
        Source,
        Splitter,
        Stage,
        Survey,
    )
    from .core.verify import verify

_HOME = {
    "config": ("RunConfig", "load_config"),
    "dataset": ("PairView", "Run"),
    "engine": ("Engine", "RunResult", "run"),
    "errors": (
        "IdentityError",
        "InputError",
        "OutputError",
        "PluginError",
        "PmcxError",
        "TransientError",
        "UsageError",
    ),
    "hookspecs": ("hookimpl",),
    "images": ("FigureImage",),
    "records": (
        "Article",
        "ArticleRef",
        "Detection",
        "Drop",
        "Failure",
        "Figure",
        "FileInfo",
        "ImageRef",
        "Letter",
        "Modality",
        "Pair",
        "Panel",
        "Subcaption",
    ),
    "registry": ("Registry",),
    "stages": (
        "Caption",
        "Classifier",
        "Detector",
        "Document",
        "Exporter",
        "Options",
        "PanelImage",
        "Reader",
        "Resources",
        "RunSummary",
        "Sample",
        "Source",
        "Splitter",
        "Stage",
        "Survey",
    ),
    "verify": ("verify",),
}
_WHERE = {name: (module, name) for module, names in _HOME.items() for name in names}
_WHERE["open"] = ("dataset", "open_run")

__all__ = [
    "Article",
    "ArticleRef",
    "Caption",
    "Classifier",
    "Detection",
    "Detector",
    "Document",
    "Drop",
    "Engine",
    "Exporter",
    "Failure",
    "Figure",
    "FigureImage",
    "FileInfo",
    "IdentityError",
    "ImageRef",
    "InputError",
    "Letter",
    "Modality",
    "Options",
    "OutputError",
    "Pair",
    "PairView",
    "Panel",
    "PanelImage",
    "PluginError",
    "PmcxError",
    "Reader",
    "Registry",
    "Resources",
    "Run",
    "RunConfig",
    "RunResult",
    "RunSummary",
    "Sample",
    "Source",
    "Splitter",
    "Stage",
    "Subcaption",
    "Survey",
    "TransientError",
    "UsageError",
    "__version__",
    "hookimpl",
    "load_config",
    "open",
    "run",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'pmcx' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    value = getattr(importlib.import_module(f".core.{module}", __name__), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
