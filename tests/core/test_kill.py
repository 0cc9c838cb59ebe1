"""Killed anywhere, resumed, the same bytes: 100 SIGKILLs of the driver or of the whole process group."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from digests import digests

import pmcx

SUPPORT = Path(__file__).parents[1] / "support"
KILLS = int(os.environ.get("TEST_KILLS") or 100)
ARTICLES = 48

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX process groups")


def command(out: Path, executor: str) -> list[str]:
    options = ["articles=48", "delay=0.01", "broken=TOY7/F2", "lost=TOY11"]
    return [
        *(sys.executable, "-m", "pmcx", "run", "--quiet", "--source", "toy", "--plugin", "toy"),
        *("--detector", "halves", "--export", "webdataset", "--export", "parquet"),
        *("--set", "unit_articles=4", "--set", f"executor={executor}", "--workers", "2", "--out", str(out)),
        *(word for option in options for word in ("--source-option", option)),
    ]


def environment(mark: str) -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PMCX_")}
    return {**env, "PYTHONPATH": str(SUPPORT), "TEST_MARK": mark}


def start(out: Path, executor: str, mark: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(out, executor),
        env=environment(mark),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def survivors(mark: str) -> list[int]:
    """Processes of ours that are still there."""
    found = []
    for process in psutil.process_iter(["pid"]):
        try:
            if process.environ().get("TEST_MARK") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_killed_at_random_moments_gives_the_same_bytes(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    began = time.monotonic()
    assert start(whole, "inline", "whole").wait(120) == 1  # two items are lost on purpose
    length = time.monotonic() - began
    expected = digests(whole)
    assert len(expected) > 40

    rng = random.Random(20261122)
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        out = tmp_path / f"out{rounds}"
        mark = f"{tmp_path.name}-{rounds}"
        executor = ("inline", "processes")[rounds % 2]
        while True:
            process = start(out, executor, mark)
            try:
                code = process.wait(rng.uniform(0.0, length * 1.1) if kills < KILLS else 120)
                assert code == 1
                break
            except subprocess.TimeoutExpired:
                kills += 1
                if rng.random() < 0.5:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
                process.wait()
        assert digests(out) == expected, f"round {rounds}"
        assert not (out / "tmp").exists()
        report = pmcx.verify(out)
        assert report.ok, report.problems
        assert report.complete
        keys = [view.record.key for view in pmcx.open(out)]
        assert len(keys) == len(set(keys)) == 3 * (ARTICLES - 1) - 1
        tree = {p.relative_to(out).as_posix() for p in out.rglob("*")}
        assert tree == {p.relative_to(whole).as_posix() for p in whole.rglob("*")}
        deadline = time.monotonic() + 10
        while survivors(mark) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not survivors(mark), "a worker outlived its driver"
    print(f"{kills} kills over {rounds} runs of {length:.1f} s")
