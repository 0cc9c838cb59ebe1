"""The engine end to end on a toy source: books, resume, retry, extend, isolation of what goes wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from digests import digests

import pmcx
from pmcx.core.books import read_books
from pmcx.core.rundir import RunFolder


def run(out: Path, articles: int = 20, **settings: Any) -> pmcx.RunResult:
    """A run of the toy source; keywords of the source are given in ``toy``."""
    toy = settings.pop("toy", {})
    options = {
        "detector": "halves",
        "export": ["webdataset", "parquet"],
        "plugins": ["toy"],
        "workers": 1,
        "unit_articles": 5,
        **settings,
    }
    return pmcx.run("toy", out, source_options={"articles": articles, **toy}, **options)


def committed(out: Path) -> dict[str, str]:
    """The digests without the derived files, which follow the commits."""
    return {
        name: digest
        for name, digest in digests(out).items()
        if name.endswith((".tar", ".parquet")) or name[-12:-6].isdigit()
    }


def ids(out: Path) -> Counter[str]:
    return Counter(view.record.id for view in pmcx.open(out))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untouched run of 20 articles."""
    out = tmp_path_factory.mktemp("whole") / "out"
    result = run(out)
    assert result.exit_code == 0
    return out


def test_every_panel_becomes_one_pair(whole: Path) -> None:
    expected = {f"TOY{n}/{panel}" for n in range(20) for panel in ("F1/A", "F1/B", "F2/p1")}
    assert ids(whole) == Counter(expected)
    assert len(pmcx.open(whole)) == 60
    report = pmcx.verify(whole)
    assert report.problems == []
    assert (report.pairs, report.complete) == (60, True)
    books = read_books(RunFolder(whole))
    assert (books.planned, books.done, books.lost, books.balanced) == (20, 20, 0, True)
    assert sum(n for key, n in books.counts.items() if key.startswith("split.")) == 60


def test_pairs_carry_words_images_and_provenance(whole: Path) -> None:
    view = pmcx.open(whole).find("TOY3/F1/B")
    pair = view.record
    assert pair.subcaption == "Toy. (B) Right half."
    assert (pair.box, view.image().size) == ((64, 0, 128, 64), (64, 64))
    assert pair.made_by["detector"] == "halves"
    assert (pair.license.spdx, pair.attribution) == ("CC-BY-4.0", "Toy authors, TOY3")
    assert pair.alignment.method == "order"
    assert pair.mentions[0].spans[0].end == 6
    assert pmcx.open(whole).find(pair.key).record == pair
    with pytest.raises(pmcx.UsageError, match="no pair with the id or key 'TOY3/F9/x'"):
        pmcx.open(whole).find("TOY3/F9/x")
    assert len(list(pmcx.open(whole).articles())) == 20


def test_articles_stay_in_one_split(whole: Path) -> None:
    splits: dict[str, set[str]] = {}
    for view in pmcx.open(whole):
        splits.setdefault(view.record.article, set()).add(view.record.split)
    assert all(len(found) == 1 for found in splits.values())


def test_processes_give_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "out", workers=2, executor="processes").exit_code == 0
    assert digests(tmp_path / "out") == digests(whole)


def test_finished_run_again_does_nothing(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (whole / "webdataset").glob("*.tar")}
    assert run(whole).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (whole / "webdataset").glob("*.tar")} == before


def test_another_identity_is_refused_and_named(whole: Path) -> None:
    with pytest.raises(pmcx.IdentityError, match=r"settings\.image\.quality: was 92, now 50"):
        run(whole, image={"quality": 50})
    with pytest.raises(pmcx.IdentityError, match=r"source toy.*articles: was 20, now 21"):
        run(whole, articles=21)
    with pytest.raises(pmcx.IdentityError, match="exporter parquet: was present, now absent"):
        run(whole, export=["webdataset"])


def test_a_changed_plan_is_noticed(tmp_path: Path) -> None:
    run(tmp_path / "out", 5)
    plan = tmp_path / "out" / "plan.jsonl"
    plan.write_bytes(plan.read_bytes().replace(b"TOY1", b"TOY9"))
    with pytest.raises(pmcx.InputError, match="is not the plan"):
        run(tmp_path / "out", 5)


def test_failures_cost_one_item_and_say_why(tmp_path: Path) -> None:
    toy = {"lost": "TOY3", "broken": "TOY7/F2", "repeat": True, "left_out": "TOY13"}
    result = run(tmp_path / "out", toy=toy, detector={"name": "halves", "bug": "TOY9/F1"})
    assert result.exit_code == 1
    books = result.books
    assert {f.id: (f.stage, f.kind) for f in books.failures} == {
        "TOY3": ("fetch", "bug"),
        "TOY7/F2": ("decode", "input"),
        "TOY9/F1": ("detect", "bug"),
    }
    assert "RuntimeError: a bug in the toy (toy.py:" in books.failures[0].error
    assert (books.planned, books.done, books.lost_articles, books.balanced) == (20, 18, 1, True)
    assert books.dropped_articles == 1
    assert books.counts["pairs"] == 60 - 3 - 1 - 2 - 3
    drops = [loss for loss in RunFolder(tmp_path / "out").losses() if isinstance(loss, pmcx.Drop)]
    assert [(d.id, d.reason, d.detail) for d in drops] == [
        ("TOY0", "duplicate-article", "again"),
        ("TOY13", "not-open-access", ""),
    ]
    assert pmcx.verify(tmp_path / "out").ok


def test_tolerated_failures_and_the_limit(tmp_path: Path) -> None:
    toy = {"lost": "TOY3"}
    assert run(tmp_path / "a", toy=toy, max_failures=1).exit_code == 0
    stopped = run(tmp_path / "b", toy=toy, max_failures=0)
    assert (stopped.exit_code, stopped.books.complete, stopped.books.units_done) == (1, False, 1)
    assert pmcx.verify(tmp_path / "b").ok
    assert not pmcx.verify(tmp_path / "b").complete


def test_retry_mends_exactly_what_was_transient(tmp_path: Path) -> None:
    flag = tmp_path / "busy"
    flag.touch()
    out = tmp_path / "out"
    result = run(out, toy={"sick": "TOY4/F1", "flag": str(flag), "lost": "TOY6"})
    assert (result.exit_code, result.books.counts["failed.transient"]) == (1, 1)
    before = committed(out)

    engine = pmcx.Engine.resume(out)
    again = engine.retry(frozenset({"transient"}))
    assert again.books.counts["failed.transient"] == 1, "still busy: lost again, counted once"
    assert next(f for f in again.books.failures if f.kind == "transient").attempt == 1

    flag.unlink()
    mended = pmcx.Engine.resume(out).retry(frozenset({"transient"}))
    assert mended.books.counts["failed.transient"] == 0
    assert [f.id for f in mended.books.failures] == ["TOY6"]
    assert mended.books.balanced
    assert ids(out)["TOY4/F1/A"] == ids(out)["TOY4/F2/p1"] == 1
    assert max(ids(out).values()) == 1
    assert {name: digest for name, digest in digests(out).items() if name in before} == before
    assert pmcx.verify(out).ok
    assert len(list(pmcx.open(out).articles())) == 19


def test_extend_adds_what_the_source_has_gained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import toy

    out = tmp_path / "out"
    run(out, 7)
    before = committed(out)
    original = toy.ToySource.plan

    def more(self: Any) -> Any:
        yield from original(self)
        yield pmcx.ArticleRef(id="TOY100", locator="100")

    monkeypatch.setattr(toy.ToySource, "plan", more)
    result = run(out, 7, extend=True)
    assert (result.books.planned, result.books.done) == (8, 8)
    assert ids(out)["TOY100/F1/A"] == 1
    assert {name: digest for name, digest in digests(out).items() if name in before} == before
    assert run(out, 7, extend=True).books.units == result.books.units


def test_event_hooks_are_called_and_may_fail(tmp_path: Path) -> None:
    import toy

    toy.EVENTS.clear()
    assert run(tmp_path / "out", 10).exit_code == 0
    assert toy.EVENTS == ["started", "committed", "committed", "finished"]


def test_an_article_that_kills_its_process_is_found_and_lost_alone(tmp_path: Path) -> None:
    result = run(tmp_path / "out", 12, toy={"deadly": "TOY8"}, workers=2, executor="processes")
    assert [(f.id, f.stage, f.kind) for f in result.books.failures] == [("TOY8", "worker", "bug")]
    assert "SIGABRT" in result.books.failures[0].error
    assert result.books.done == 11
    assert result.books.balanced
    clean = {key for key in ids(tmp_path / "out") if not key.startswith("TOY8/")}
    assert len(clean) == 33
    assert pmcx.verify(tmp_path / "out").ok


def test_an_article_that_hangs_is_stopped_and_lost_alone(tmp_path: Path) -> None:
    began = time.monotonic()
    result = run(
        tmp_path / "out",
        6,
        toy={"stuck": "TOY2"},
        workers=2,
        executor="processes",
        limits={"article_timeout": 2.0},
    )
    assert [f.id for f in result.books.failures] == ["TOY2"]
    assert "no progress for 2 s" in result.books.failures[0].error
    assert result.books.done == 5
    assert time.monotonic() - began < 60


def test_small_panels_and_unknown_licences_are_dropped_on_request(tmp_path: Path) -> None:
    result = run(tmp_path / "out", 3, filters={"min_side": 65})
    assert result.books.counts["dropped.too-small"] == 9
    assert (result.exit_code, result.books.counts["pairs"]) == (0, 0)


def test_whole_figures_keep_their_bytes_when_the_format_allows(tmp_path: Path) -> None:
    import toy

    run(tmp_path / "out", 3, image={"format": "png"})
    assert pmcx.open(tmp_path / "out").find("TOY1/F2/p1").data == toy.draw("TOY1/F2")


def test_two_processes_on_one_folder_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    out = tmp_path / "out"
    run(out, 5)
    holder = RunFolder(out)
    holder.lock()
    try:
        with pytest.raises(pmcx.UsageError, match="another pmcx process"):
            run(out, 5)
    finally:
        holder.unlock()


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(pmcx.UsageError, match=r"is not empty and holds no pmcx run \(it has thesis.tex"):
        run(tmp_path, 5)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_verify_finds_every_kind_of_damage(whole: Path, tmp_path: Path) -> None:
    import shutil

    def damaged(name: str) -> Path:
        shutil.copytree(whole, tmp_path / name)
        return tmp_path / name

    out = damaged("flipped")
    shard = next((out / "webdataset").glob("train-*.tar"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert any("bytes changed" in problem for problem in pmcx.verify(out).problems)

    out = damaged("missing")
    next((out / "parquet").glob("train-*.parquet")).unlink()
    assert any("missing" in problem for problem in pmcx.verify(out).problems)

    out = damaged("stray")
    (out / "webdataset" / "train-000099.tar").write_bytes(b"")
    assert pmcx.verify(out).problems == ["stray file webdataset/train-000099.tar"]

    out = damaged("lost")
    (out / "failures" / "plan.jsonl").write_bytes(b"")
    receipt = out / "commits" / "000001.json"
    data_ = json.loads(receipt.read_text())
    data_["counts"]["articles"] -= 1
    receipt.write_text(json.dumps(data_))
    assert any("do not balance" in problem for problem in pmcx.verify(out).problems)


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_first_interrupt_drains_second_stops(tmp_path: Path, executor: str) -> None:
    """Ctrl-C once: the units on their way are committed, exit 130; the same command resumes."""
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "pmcx",
        "run",
        "--source",
        "toy",
        "--plugin",
        "toy",
        "--detector",
        "halves",
    ]
    command += ["--set", "unit_articles=5", "--set", f"executor={executor}", "--source-option", "articles=40"]
    command += ["--source-option", "delay=0.04", "--workers", "2", "--out", str(out)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((out / "commits").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    done = len(list((out / "commits").glob("*.json")))
    assert 1 <= done < 8
    assert "Resume: pmcx run --out" in stdout
    assert not (out / "tmp").exists()
    assert pmcx.verify(out).ok
    resume = [sys.executable, "-m", "pmcx", "run", "--out", str(out)]
    again = subprocess.run(resume, env=env, capture_output=True)
    assert again.returncode == 0
    assert len(ids(out)) == 120


def test_runs_outside_the_main_thread(tmp_path: Path) -> None:
    results: list[pmcx.RunResult] = []
    thread = threading.Thread(target=lambda: results.append(run(tmp_path / "out", 5)))
    thread.start()
    thread.join()
    assert results[0].exit_code == 0


def test_sigterm_stops_at_once_and_resumes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "pmcx", "run", "-q", "--source", "toy", "--plugin", "toy"]
    command += ["--detector", "halves", "--set", "unit_articles=5", "--source-option", "articles=30"]
    command += ["--source-option", "delay=0.05", "--workers", "2", "--out", str(out)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((out / "commits").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.terminate()
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130, stderr
    assert "run the same command again to resume" in stderr
    assert not (out / "tmp").exists()
    assert subprocess.run(command, env=env, capture_output=True).returncode == 0
    assert len(ids(out)) == 90
    assert pmcx.verify(out).ok
