"""Importing this skips a test module, with the reason, where the libraries of the training are missing."""

from __future__ import annotations

import importlib.util

import pytest

for library in ("torch", "transformers", "scipy", "safetensors", "cv2"):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"training needs {library}, which is not installed", allow_module_level=True)
