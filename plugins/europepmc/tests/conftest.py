"""The stand-in for Europe PMC lies with the tests of pmcx itself."""

from __future__ import annotations

import sys
from pathlib import Path

SUPPORT = Path(__file__).resolve().parents[3] / "tests" / "support"
sys.path.insert(0, str(SUPPORT))
