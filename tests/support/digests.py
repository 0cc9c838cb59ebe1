"""sha256 of every data file of a run, for comparing runs byte by byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOTS = ("webdataset", "parquet", "articles", "failures")


def digests(out: Path) -> dict[str, str]:
    """Path inside the run folder -> sha256, of everything but circumstances (times, events)."""
    files = [path for root in ROOTS for path in sorted((out / root).glob("*"))]
    files += [out / "plan.jsonl", out / "stats.json"]
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
