"""Shared fixtures; the suite needs no network and no file outside the checkout."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
# What the fetch layer keeps for a user (cache, request times) is this session's own.
os.environ["PMCX_CACHE"] = tempfile.mkdtemp(prefix="pmcx-cache-")

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real inputs beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("real inputs (../shared/data) are not beside this checkout")
    return SHARED


SUPPORT = Path(__file__).resolve().parent / "support"
sys.path.insert(0, str(SUPPORT))
