"""What happens when the disk says no: a clear message, exit code 1, and a run that can be resumed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from digests import digests

import pmcx

SUPPORT = Path(__file__).parents[1] / "support"


def command(out: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pmcx", "run", "--quiet", "--source", "toy", "--plugin", "toy"),
        *("--detector", "halves", "--source-option", "articles=24", "--set", "unit_articles=4"),
        *("--export", "webdataset", "--export", "parquet", "--out", str(out), *more),
    ]


def call(words: list[str], **kwargs: object) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    return subprocess.run(words, env=env, capture_output=True, text=True, timeout=120, **kwargs)  # type: ignore[call-overload, no-any-return]


def small_disk(path: Path, size: str) -> bool:
    """Mount a tmpfs of this size; False where that is not allowed."""
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True
    )
    return done.returncode == 0


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_full_disk_ends_clearly_and_resumes(tmp_path: Path, executor: str) -> None:
    disk = tmp_path / "disk"
    if shutil.which("mount") is None or not small_disk(disk, "192k"):
        pytest.skip("a small file system cannot be mounted here (needs root on Linux)")
    try:
        more = ("--set", f"executor={executor}", "--workers", "2")
        failed = call(command(disk / "out", *more))
        assert failed.returncode == 1, failed.stderr
        assert "No space left on device" in failed.stderr
        assert "what was committed is intact" in failed.stderr
        assert "Traceback" not in failed.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        resumed = call(command(disk / "out", *more))
        assert resumed.returncode == 0, resumed.stderr
        assert pmcx.verify(disk / "out").ok
        assert call(command(tmp_path / "whole", *more)).returncode == 0
        assert digests(disk / "out") == digests(tmp_path / "whole")
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_file_size_limit_stands_in_for_a_quota(tmp_path: Path) -> None:
    """A limit on file size refuses writes in the middle of a shard, without any privileges."""
    resource = pytest.importorskip("resource")
    import signal

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

    out = tmp_path / "out"
    failed = call(command(out, "--workers", "1"), preexec_fn=limit)
    assert failed.returncode == 1, failed.stderr
    assert "File too large" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert call(command(out, "--workers", "1")).returncode == 0
    assert pmcx.verify(out).ok


def test_read_only_output_is_refused(tmp_path: Path) -> None:
    if shutil.which("mount") is None or not small_disk(tmp_path / "disk", "1m"):
        pytest.skip("a read-only file system cannot be mounted here (needs root on Linux)")
    disk = tmp_path / "disk"
    try:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        failed = call(command(disk / "out"))
        assert failed.returncode == 1
        assert "Read-only file system" in failed.stderr
        assert "Traceback" not in failed.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_output_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    failed = call(command(tmp_path / "file" / "out"))
    assert failed.returncode == 1
    assert "Not a directory" in failed.stderr


def test_unreadable_input_is_a_usage_error(tmp_path: Path) -> None:
    absent = [sys.executable, "-m", "pmcx", "run", "--source", "folder", "--input", str(tmp_path / "absent")]
    failed = call([*absent, "--out", str(tmp_path / "out")])
    assert failed.returncode == 2, failed.stderr
    assert "absent" in failed.stderr
    assert "Traceback" not in failed.stderr
    (tmp_path / "empty").mkdir()
    failed = call([*absent[:-1], str(tmp_path / "empty"), "--out", str(tmp_path / "out")])
    assert failed.returncode == 2
    assert not list((tmp_path / "out").glob("*.json"))
