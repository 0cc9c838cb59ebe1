"""Retries, damage and nonsense: between any two commands nothing doubles and nothing vanishes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pmcx
from pmcx.core.books import retry_refs, retry_units
from pmcx.core.rundir import RunFolder

TRANSIENT = frozenset({"transient"})
WHOLE = {f"TOY{n}/{panel}" for n in range(8) for panel in ("F1/A", "F1/B", "F2/p1")}


def run(out: Path, **settings: Any) -> pmcx.RunResult:
    toy = settings.pop("toy", {})
    options = {"detector": "halves", "plugins": ["toy"], "workers": 1, "unit_articles": 4, **settings}
    return pmcx.run("toy", out, source_options={"articles": 8, **toy}, **options)


def retry(out: Path) -> pmcx.RunResult:
    return pmcx.Engine.resume(out).retry(TRANSIENT)


def ids(out: Path) -> Counter[str]:
    return Counter(view.record.id for view in pmcx.open(out))


def sound(out: Path) -> None:
    report = pmcx.verify(out)
    assert report.problems == []
    assert max(ids(out).values()) == 1


@pytest.fixture
def busy(tmp_path: Path) -> tuple[Path, Path]:
    """A run in which figure TOY4/F1 was lost because the server was busy, and the server's state file."""
    state = tmp_path / "state"
    state.write_text("busy")
    out = tmp_path / "out"
    result = run(out, toy={"state": str(state)})
    assert [failure.id for failure in result.books.failures] == ["TOY4/F1"]
    return out, state


def test_a_retry_that_was_planned_and_killed_is_not_planned_twice(busy: tuple[Path, Path]) -> None:
    out, state = busy
    folder = RunFolder(out)
    folder.prepare()
    folder.extend(retry_units(retry_refs(folder, TRANSIENT), 4, 2))  # ... and the driver dies here
    folder.close()
    state.write_text("fine")
    result = retry(out)
    assert (result.books.lost, result.books.units) == (0, 3)
    assert ids(out) == Counter(WHOLE)
    sound(out)


@pytest.mark.parametrize("how", ["down", "busy"])
def test_a_coarser_loss_in_a_retry_stands_for_what_was_asked(busy: tuple[Path, Path], how: str) -> None:
    out, state = busy
    state.write_text(how)
    worse = retry(out)
    assert [(f.id, f.kind, f.attempt) for f in worse.books.failures] == [("TOY4/F1", "transient", 1)]
    assert worse.books.balanced
    state.write_text("fine")
    mended = retry(out)
    assert mended.books.lost == 0
    assert ids(out) == Counter(WHOLE)
    assert (mended.books.counts["figures"], mended.books.counts["panels"]) == (16, 24)
    sound(out)


def test_an_article_retracted_before_a_retry_loses_only_what_was_asked(busy: tuple[Path, Path]) -> None:
    out, state = busy
    state.write_text("retracted")
    result = retry(out)
    assert result.books.balanced
    assert result.books.lost == 0
    drops = [loss for loss in RunFolder(out).losses() if isinstance(loss, pmcx.Drop)]
    assert [(drop.id, drop.reason) for drop in drops] == [("TOY4/F1", "retracted")]
    sound(out)


def test_a_figure_that_vanished_before_a_retry_is_recorded(busy: tuple[Path, Path]) -> None:
    out, state = busy
    state.write_text("gone")
    result = retry(out)
    assert [(f.id, f.kind) for f in result.books.failures] == [("TOY4/F1", "input")]
    assert "not hold this item any more" in result.books.failures[0].error
    sound(out)


@pytest.mark.parametrize("executor", ["inline", "processes"])
@pytest.mark.parametrize(
    ("how", "lost"),
    [
        ("none", {"TOY5"}),
        ("other", {"TOY5"}),
        ("twice", {"TOY5"}),
        ("error", {"TOY5"}),
        ("surrogate", {"TOY5/F1/A", "TOY5/F1/B", "TOY5/F2/p1"}),
        ("close", set()),
        ("child", set()),
    ],
)
def test_nonsense_from_a_source_costs_what_it_concerns(
    tmp_path: Path, how: str, lost: set[str], executor: str
) -> None:
    result = run(tmp_path / "out", toy={"odd": f"TOY5:{how}"}, executor=executor)
    assert {failure.id for failure in result.books.failures} == lost
    assert result.books.balanced
    expected = {item for item in WHOLE if not any(item.startswith(each) for each in lost)}
    assert ids(tmp_path / "out") == Counter(expected)
    sound(tmp_path / "out")


def test_a_detector_that_answers_nan_costs_one_figure(tmp_path: Path) -> None:
    result = run(tmp_path / "out", detector={"name": "halves", "nan": "TOY2/F1"})
    assert [(f.id, f.stage, f.kind) for f in result.books.failures] == [("TOY2/F1", "detect", "bug")]
    sound(tmp_path / "out")


def test_ids_with_slashes_are_refused_at_planning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import toy

    monkeypatch.setattr(toy.ToySource, "plan", lambda self: iter([pmcx.ArticleRef(id="10.1/x", locator="")]))
    with pytest.raises(pmcx.PluginError, match="ids hold no '/'"):
        run(tmp_path / "out")

    def explode(self: Any) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(toy.ToySource, "plan", explode)
    with pytest.raises(pmcx.PluginError, match="failed while planning: RuntimeError: boom"):
        run(tmp_path / "out2")


def cut(path: Path, lines: int) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))


@pytest.mark.parametrize("lines", [0, 1])
def test_a_shortened_plan_is_refused(tmp_path: Path, lines: int) -> None:
    out = tmp_path / "out"
    run(out)
    cut(out / "plan.jsonl", lines)
    assert not pmcx.verify(out).ok
    with pytest.raises(pmcx.InputError, match="is not the plan"):
        run(out)


def test_a_shortened_extension_is_refused(busy: tuple[Path, Path]) -> None:
    out, _ = busy
    retry(out)
    cut(out / "plan.jsonl", 2)
    with pytest.raises(pmcx.InputError, match="is not the plan"):
        retry(out)


def test_an_extension_killed_before_the_manifest_is_taken_up(busy: tuple[Path, Path]) -> None:
    out, state = busy
    before = (out / "manifest.json").read_bytes()
    retry(out)
    (out / "manifest.json").write_bytes(before)  # as if killed between the plan and the manifest
    state.write_text("fine")
    assert retry(out).books.lost == 0
    assert json.loads((out / "manifest.json").read_bytes())["plan"]["lines"] == 4
    sound(out)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "commits/000001.json: emptied": lambda out: (out / "commits/000001.json").write_bytes(b""),
    "commits/000001.json: garbage": lambda out: (out / "commits/000001.json").write_text("{]"),
    "commits/000000.json: pairs": lambda out: edit(out / "commits/000000.json", ("counts", "pairs"), 7),
    "commits/000000.json: shard forgotten": lambda out: forget_shard(out),
    "plan.jsonl: deleted": lambda out: (out / "plan.jsonl").unlink(),
    "failures/plan.jsonl: deleted": lambda out: (out / "failures/plan.jsonl").unlink(),
    "failures/000001.jsonl: garbage": lambda out: (out / "failures/000001.jsonl").write_text("{]\n"),
    "webdataset/sizes.json: deleted": lambda out: (out / "webdataset/sizes.json").unlink(),
    "webdataset/README.md: changed": lambda out: (out / "webdataset/README.md").write_text("x"),
    "stats.json: garbage": lambda out: (out / "stats.json").write_text("{"),
    "run.toml: quality": lambda out: replace(out / "run.toml", "quality = 92", "quality = 50"),
}


def edit(path: Path, where: tuple[str, str], value: object) -> None:
    data = json.loads(path.read_bytes())
    data[where[0]][where[1]] = value
    path.write_text(json.dumps(data))


def replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def forget_shard(out: Path) -> None:
    path = out / "commits/000000.json"
    data = json.loads(path.read_bytes())
    name = next(name for name in data["files"] if name.startswith("webdataset/"))
    del data["files"][name]
    path.write_text(json.dumps(data))
    (out / name).unlink()


@pytest.mark.parametrize("name", DAMAGE)
def test_verify_names_the_damage(busy: tuple[Path, Path], name: str) -> None:
    out, _ = busy
    assert pmcx.verify(out).ok
    DAMAGE[name](out)
    problems = pmcx.verify(out).problems
    file = name.split(":")[0]
    assert any(file in problem for problem in problems), problems


def test_a_damaged_manifest_is_named(busy: tuple[Path, Path]) -> None:
    out, _ = busy
    (out / "manifest.json").write_text("{}")
    with pytest.raises(pmcx.InputError, match=r"manifest\.json is damaged"):
        pmcx.verify(out)


def test_deleting_a_damaged_record_makes_the_unit_anew(busy: tuple[Path, Path]) -> None:
    out, state = busy
    shards = {path: path.read_bytes() for path in (out / "webdataset").glob("*.tar")}
    (out / "commits" / "000000.json").write_text("{]")
    with pytest.raises(pmcx.InputError, match="delete it and run again"):
        run(out, toy={"state": str(state)})
    (out / "commits" / "000000.json").unlink()
    (out / "commits" / "._000001.json").write_bytes(b"left by another system")
    run(out, toy={"state": str(state)})
    assert {path: path.read_bytes() for path in (out / "webdataset").glob("*.tar")} == shards
    sound(out)


def test_a_missing_input_stops_a_resumed_run_instead_of_losing_it(tmp_path: Path) -> None:
    from pmcx.sources.demo.article import make_package

    for index in range(10):
        (tmp_path / "in" / str(index)).mkdir(parents=True)
        for name, data in make_package(index, figures=1).items():
            (tmp_path / "in" / str(index) / name).write_bytes(data)
    out = tmp_path / "out"
    options: dict[str, Any] = {"source_options": {"input": [str(tmp_path / "in")]}, "unit_articles": 4}
    pmcx.run("folder", out, workers=1, **options)
    (out / "commits" / "000001.json").unlink()
    (tmp_path / "in").rename(tmp_path / "moved")
    with pytest.raises(pmcx.UsageError, match="does not exist"):
        pmcx.run("folder", out, workers=1, **options)
    moved = {"source_options": {"input": [str(tmp_path / "moved")]}, "unit_articles": 4}
    assert pmcx.run("folder", out, workers=1, **moved).exit_code == 0
    assert pmcx.verify(out).ok


def test_a_limit_that_is_passed_stops_a_resume_with_a_word(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(out, toy={"odd": "TOY1:none"}, max_failures=0)
    assert (first.books.units_done, first.exit_code) == (1, 1)
    again = run(out, toy={"odd": "TOY1:none"}, max_failures=0)
    assert (again.books.units_done, again.exit_code) == (1, 1)
    more = run(out, toy={"odd": "TOY1:none"}, max_failures=1)
    assert (more.books.complete, more.exit_code) == (True, 0)


def test_duplicates_of_an_extension_are_recorded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import toy

    out = tmp_path / "out"
    run(out)
    original = toy.ToySource.plan

    def more(self: Any) -> Any:
        yield from original(self)
        yield pmcx.ArticleRef(id="TOY100", locator="first")
        yield pmcx.ArticleRef(id="TOY100", locator="second")

    monkeypatch.setattr(toy.ToySource, "plan", more)
    assert run(out, extend=True).books.planned == 9
    drops = [loss for loss in RunFolder(out).losses() if isinstance(loss, pmcx.Drop)]
    assert [(drop.id, drop.detail) for drop in drops] == [("TOY100", "second")]
    sound(out)
