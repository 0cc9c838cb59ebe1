"""Whole runs against the services' stand-ins: thousands of articles, extension, and every kind of fault."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from digests import digests
from standins.content import MecaBucket, PmcBucket
from standins.faults import Faults, no_faults
from standins.s3 import S3StandIn

import pmcx
from pmcx.core.engine import Engine

# Cutting panels is not what is tested here: one panel a figure, as fast as it goes.
FAST = {"detector": "whole", "splitter": None, "plugins": ["wholefigure"], "export": ["webdataset"]}


def run(source: str, s3: S3StandIn, out: Path, extend: bool = False, **options: Any) -> pmcx.RunResult:
    settings = {key: options.pop(key) for key in ("workers", "filters", "max_failures") if key in options}
    given = {"endpoint": s3.url, "cache": str(out.parent / "cache"), **options}
    return pmcx.run(source, out, source_options=given, extend=extend, **{"workers": 2, **FAST, **settings})


def written(out: Path) -> dict[str, str]:
    """Path -> sha256 of the shards, and of the other files of units."""
    return {n: d for n, d in digests(out).items() if n.endswith((".tar", ".parquet")) or n[-12:-6].isdigit()}


def figures_of(out: Path, withdrawn: bool = False) -> dict[str, dict[str, str]]:
    """Article -> figure id -> sha256 of the source image, as written."""
    found: dict[str, dict[str, str]] = {}
    for view in pmcx.open(out).pairs(withdrawn=withdrawn):
        figure = view.record.figure.partition("/")[2]
        found.setdefault(view.record.article, {})[figure] = view.record.image.sha256
    return found


def expected(bucket: PmcBucket) -> dict[str, dict[str, str]]:
    return {
        name: {fig: hashlib.sha256(bucket.image(name, fig)).hexdigest() for fig in figures}
        for name, figures in bucket.truth.items()
    }


def test_two_thousand_articles_end_to_end_and_extended(s3: S3StandIn, tmp_path: Path) -> None:
    bucket = PmcBucket(s3)
    ids = bucket.fill(2000, figures=1)
    bucket.inventory("2026-09-07")
    out = tmp_path / "out"
    result = run("pmc-oa", s3, out, inventory=True)
    assert (result.exit_code, result.books.done) == (0, 2000)
    assert figures_of(out) == expected(bucket)
    assert not s3.forbidden
    before = written(out)

    bucket.fill(10, start=20_000_001, figures=1)
    for pmcid in ids[100:105]:
        bucket.change(pmcid)
    for pmcid in ids[200:202]:
        bucket.retract(pmcid)
    bucket.remove(ids[300])
    bucket.inventory("2026-09-08")
    s3.forget()
    result = run("pmc-oa", s3, out, extend=True, inventory=True)
    assert result.exit_code == 0
    assert {name: written(out)[name] for name in before} == before, "committed shards are never rewritten"
    assert result.books.planned == 2000 + 10 + 5 + 2
    assert (result.books.done, result.books.dropped_articles) == (2015, 2)
    gone = Counter(each.why for each in pmcx.open(out).withdrawn())
    assert gone == {"changed": 5, "retracted": 2, "vanished": 1}
    now = {name.removesuffix(".r1"): figures for name, figures in figures_of(out).items()}
    assert now == expected(bucket)
    assert pmcx.verify(out).ok
    articles = {hit.path.split("/")[-1].split(".")[0] for hit in s3.log if "/metadata/PMC" in hit.path}
    assert len(articles) == 17, "nothing that did not change is asked for"

    s3.forget()
    files = digests(out)
    run("pmc-oa", s3, out, extend=True, inventory=True)
    assert digests(out) == files
    assert all("inventory-reports" in f"{hit.path}?{hit.query}" for hit in s3.log)


def test_three_hundred_archives_end_to_end(
    s3: S3StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    bucket = MecaBucket(s3)
    bucket.fill(300)
    out = tmp_path / "out"
    result = run("biorxiv", s3, out, months=["2026-01"], requester_pays=True)
    assert (result.exit_code, result.books.done) == (0, 300)
    found = {name: set(figures) for name, figures in figures_of(out).items()}
    assert sorted(map(len, found.values())) == sorted(len(each) for each in bucket.truth.values())
    assert pmcx.verify(out).ok
    before = written(out)
    bucket.fill(10, start=800_001)
    result = run("biorxiv", s3, out, extend=True, months=["2026-01"], requester_pays=True)
    assert result.books.done == 310
    assert {name: written(out)[name] for name in before} == before


@pytest.mark.parametrize("seed", [1, 2])
def test_with_a_fifth_of_all_requests_failing_the_run_ends_complete(
    s3: S3StandIn, tmp_path: Path, seed: int
) -> None:
    bucket = PmcBucket(s3)
    ids = bucket.fill(100, figures=2)
    bucket.inventory()
    lost = {f"{name}.1/{name}.1.xml" for name in ids[:2]} | {f"{ids[2]}.1/demo-26-10000003-g002.jpg"}
    s3.faults = Faults(rate=0.2, seed=seed, stall_seconds=30, forever=lost)
    out = tmp_path / "out"
    began = time.monotonic()
    result = run("pmc-oa", s3, out, inventory=True, timeout=1.0, max_wait=0.5, attempts=12, rate=150.0)
    spent = time.monotonic() - began
    assert len(s3.faults.injected) == 11, s3.faults.injected
    assert s3.faults.injected.total() > 80
    assert spent < 240, "no fault holds a run up for long"
    assert result.books.counts["failed.transient"] == result.books.lost == 3, result.books.failures
    assert s3.peak_rate() <= 150
    assert s3.visits == [], "no redirect to another host is followed"
    truth = expected(bucket)
    whole = {name: figures for name, figures in truth.items() if name.partition(".")[0] not in ids[:3]}
    found = figures_of(out)
    assert {name: figures for name, figures in found.items() if name in whole} == whole
    assert pmcx.verify(out).ok

    s3.faults = no_faults()
    assert Engine.resume(out).retry(frozenset({"transient"})).exit_code == 0
    assert figures_of(out) == truth
    assert pmcx.verify(out).ok


def test_the_books_do_not_depend_on_faults_or_workers(s3: S3StandIn, tmp_path: Path) -> None:
    bucket = PmcBucket(s3)
    bucket.fill(40, figures=2)
    bucket.inventory()
    run("pmc-oa", s3, tmp_path / "calm" / "out", inventory=True, workers=1)
    s3.faults = Faults(rate=0.2, seed=7, kinds=["500", "reset", "truncate", "wrong-bytes", "html"])
    run("pmc-oa", s3, tmp_path / "wild" / "out", inventory=True, max_wait=0.2, attempts=12)
    assert digests(tmp_path / "calm" / "out") == digests(tmp_path / "wild" / "out")


@pytest.mark.parametrize("chosen", [{"input": ["PMC10000001", "PMC10000003.1"]}, {"inventory": True}])
def test_offline_needs_no_server(s3: S3StandIn, tmp_path: Path, chosen: dict[str, Any]) -> None:
    """What was planned and fetched once is planned and fetched again without a request."""
    bucket = PmcBucket(s3)
    bucket.fill(6, figures=1)
    bucket.inventory()
    cache = str(tmp_path / "shared-cache")
    assert run("pmc-oa", s3, tmp_path / "one" / "out", cache=cache, **chosen).exit_code == 0
    s3.forget()
    again = run("pmc-oa", s3, tmp_path / "two" / "out", cache=cache, offline=True, **chosen)
    assert again.exit_code == 0
    assert not s3.log
    assert figures_of(tmp_path / "two" / "out") == figures_of(tmp_path / "one" / "out")
    with pytest.raises(pmcx.TransientError, match="not in the cache"):
        run("pmc-oa", s3, tmp_path / "three" / "out", cache=cache, offline=True, input=["PMC5"])


def command(s3: S3StandIn, out: Path, *more: str) -> list[str]:
    given = ["--source", "pmc-oa", "--source-option", "inventory=true", "--endpoint", s3.url]
    given += ["--source-option", f"cache={out.parent / 'cache'}", "--source-option", "rate=100"]
    given += ["--set", "unit_articles=4", "--out", str(out), "--quiet", *more]
    stages = ["--plugin", "wholefigure", "--detector", "whole", "--splitter", "none", "--workers", "2"]
    return [sys.executable, "-m", "pmcx", "run", *given, *stages]


def test_killed_while_fetching_ahead_it_ends_with_the_same_bytes(s3: S3StandIn, tmp_path: Path) -> None:
    """The driver is killed again and again, in a first run and in its extension."""
    bucket = PmcBucket(s3)
    ids = bucket.fill(48, figures=2)
    bucket.inventory("2026-09-07")
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    calm, wild = tmp_path / "calm" / "out", tmp_path / "wild" / "out"
    calm.parent.mkdir()
    wild.parent.mkdir()
    subprocess.run(command(s3, calm), env=env, check=True)
    rng = random.Random(5)
    killed = _kill_until_done(command(s3, wild), env, rng)
    assert digests(wild) == digests(calm)
    bucket.change(ids[0])
    bucket.retract(ids[1])
    bucket.fill(20, start=20_000_001, figures=2)
    bucket.inventory("2026-09-08")
    subprocess.run(command(s3, calm, "--extend"), env=env, check=True)
    killed += _kill_until_done(command(s3, wild, "--extend"), env, rng)
    assert digests(wild) == digests(calm)
    assert (wild / "withdrawn.jsonl").read_bytes() == (calm / "withdrawn.jsonl").read_bytes()
    assert pmcx.verify(wild).ok
    assert killed >= 4


def _kill_until_done(command: list[str], env: dict[str, str], rng: random.Random) -> int:
    """Start and SIGKILL at random moments until it ends by itself; how often that was."""
    for killed in range(100):
        process = subprocess.Popen(command, env=env)
        try:
            assert process.wait(timeout=rng.uniform(0.6, 1.6) + 0.05 * killed) == 0
            return killed
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    raise AssertionError("never done")
