"""One small training for all tests of a session."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def trained() -> Any:
    """A finished training whose answer depends on the image."""
    import tinydetr

    return tinydetr.trained()


@pytest.fixture
def exported() -> Path:
    """Its export."""
    for library in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"the export needs {library}, which is not installed")
    import tinydetr

    return tinydetr.exported()
