"""Extending a run: what is new, changed, retracted or gone at the source, and what was written stays."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from digests import digests
from shelf import Shelf

import pmcx
from pmcx.core.engine import Engine
from pmcx.core.rundir import RunFolder
from pmcx.core.withdrawn import Withdrawn


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    assert shelf.run().exit_code == 0
    return shelf


def test_extension_does_exactly_what_changed(shelf: Shelf) -> None:
    before = shelf.written()
    for n in (1, 2):
        shelf.articles[f"S{n}"]["fingerprint"] = "2"
    shelf.articles["S3"] = {"fingerprint": "2", "retracted": True}
    shelf.articles["S4"] = {"fingerprint": "2", "license": "unknown", "state": "down"}
    del shelf.articles["S5"]
    shelf.articles |= {f"S{n}": {"fingerprint": "1"} for n in range(20, 23)}
    result = shelf.run(extend=True)
    assert {name: shelf.written()[name] for name in before} == before
    assert result.books.planned == 12 + 4 + 3
    assert (result.books.done, result.books.dropped_articles, result.books.lost_articles) == (17, 1, 1)
    assert shelf.withdrawn() == {
        "S1": ("changed", "S1.r1"),
        "S2": ("changed", "S2.r1"),
        "S3": ("retracted", ""),
        "S5": ("vanished", ""),
    }
    current = shelf.articles_of_pairs()
    names = {f"S{n}" for n in (0, 4, 6, 7, 8, 9, 10, 11, 20, 21, 22)} | {"S1.r1", "S2.r1"}
    assert current == Counter(dict.fromkeys(names, 3)), "S4's old rows stay until its new version is read"
    assert set(shelf.articles_of_pairs(withdrawn=True)) == names | {"S1", "S2", "S3", "S5"}
    assert pmcx.verify(shelf.out).ok

    shelf.articles["S4"]["state"] = ""
    shelf.file.write_text(json.dumps(shelf.articles))
    assert Engine.resume(shelf.out).retry(frozenset({"transient"})).exit_code == 0
    assert shelf.withdrawn()["S4"] == ("changed", "S4.r1")
    assert pmcx.verify(shelf.out).ok


def test_extending_again_without_a_change_does_nothing(shelf: Shelf) -> None:
    shelf.articles["S1"]["fingerprint"] = "2"
    shelf.articles["S90"] = {"missing": True}
    shelf.run(extend=True)
    before, units = digests(shelf.out), shelf.run().books.units
    result = shelf.run(extend=True)
    assert digests(shelf.out) == before
    assert result.books.units == units
    assert result.books.counts["dropped.not-found"] == 1


def test_an_article_may_change_many_times_and_come_back(shelf: Shelf) -> None:
    for version in ("2", "3"):
        shelf.articles["S1"]["fingerprint"] = version
        shelf.run(extend=True)
    assert shelf.withdrawn() == {"S1": ("changed", "S1.r2"), "S1.r1": ("changed", "S1.r2")}
    gone = shelf.articles.pop("S2")
    shelf.run(extend=True)
    assert shelf.withdrawn()["S2"] == ("vanished", "")
    shelf.articles["S2"] = gone
    shelf.run(extend=True)
    assert "S2" not in shelf.withdrawn()
    shelf.articles["S1"] = {"fingerprint": "4", "retracted": True}
    shelf.run(extend=True)
    assert shelf.withdrawn() == {f"S1{r}": ("retracted", "") for r in ("", ".r1", ".r2")}
    assert pmcx.verify(shelf.out).ok


def test_a_changed_article_stays_in_its_split(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    halves = {"splits": {"validation": 0.3, "test": 0.3}}
    shelf.run(**halves)
    for facts in shelf.articles.values():
        facts["fingerprint"] = "2"
    shelf.run(extend=True, **halves)
    splits: dict[str, set[str]] = {}
    for view in pmcx.open(shelf.out).pairs(withdrawn=True):
        splits.setdefault(view.record.article.partition(".")[0], set()).add(view.record.split)
    assert len(splits) == 12
    assert all(len(found) == 1 for found in splits.values())
    assert len(set.union(*splits.values())) > 1


def test_another_selection_tells_nothing_of_what_vanished(shelf: Shelf, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"T1": {"fingerprint": "1"}}))
    with pytest.raises(pmcx.UsageError, match=r"planned for other articles.*--extend"):
        shelf.run(source_options={"shelf": str(other)})
    assert shelf.run(extend=True, source_options={"shelf": str(other)}).books.done == 13
    assert shelf.withdrawn() == {}
    shelf.run(extend=True)
    assert shelf.withdrawn() == {}, "the first selection does not list T1, which is no news"


def test_what_a_partial_enumeration_does_not_list_has_not_vanished(shelf: Shelf) -> None:
    listed = dict(shelf.articles)
    partial: dict[str, Any] = {"incomplete": "only the first", "S0": listed["S0"]}
    shelf.articles = partial
    shelf.run(extend=True)
    assert shelf.withdrawn() == {}
    shelf.articles = partial | {
        "S1": {"missing": True},
        "S2": {"missing": True, "reason": "over-budget"},
        "S3": {"missing": True, "reason": "older-version"},
    }
    shelf.run(extend=True)
    assert shelf.withdrawn() == {"S1": ("vanished", ""), "S3": ("older-version", "")}
    shelf.articles = partial
    shelf.run(extend=True)
    assert set(shelf.withdrawn()) == {"S1", "S3"}, "silence takes nothing back"
    shelf.articles = listed
    shelf.run(extend=True)
    assert shelf.withdrawn() == {}
    assert len(shelf.articles_of_pairs()) == 12, "what came back is read again"
    assert pmcx.verify(shelf.out).ok


def test_a_lost_article_that_comes_in_a_later_state_is_lost_no_more(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.articles["S1"]["state"] = "down"
    assert shelf.run().exit_code == 1
    shelf.articles["S1"] = {"fingerprint": "2"}
    result = shelf.run(extend=True)
    assert (result.exit_code, result.books.lost, result.books.counts["dropped.superseded"]) == (0, 0, 1)
    assert result.books.balanced
    assert shelf.articles_of_pairs()["S1.r1"] == 3
    assert pmcx.verify(shelf.out).ok


def test_versions_of_a_work_share_a_split(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.articles = {f"W{n}.{v}": {"group": f"W{n}"} for n in range(12) for v in (1, 2)}
    shelf.run(splits={"validation": 0.3, "test": 0.3})
    splits: dict[str, set[str]] = {}
    for view in pmcx.open(shelf.out):
        splits.setdefault(view.record.article.partition(".")[0], set()).add(view.record.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(set.union(*splits.values())) > 1


def test_verify_tells_of_a_work_in_two_splits(tmp_path: Path) -> None:
    """A source that gives its versions no group, and articles that say what they are versions of."""
    shelf = Shelf(tmp_path)
    shelf.articles = {f"W{n}.{v}": {"pmcid": f"PMC{n}"} for n in range(12) for v in (1, 2)}
    shelf.run(splits={"validation": 0.3, "test": 0.3})
    assert any("is in two splits" in problem for problem in pmcx.verify(shelf.out).problems)


def test_an_article_that_was_left_out_and_is_planned_later_is_counted_once(shelf: Shelf) -> None:
    shelf.articles["S50"] = {"missing": True, "reason": "over-budget"}
    assert shelf.run(extend=True).books.counts["dropped.over-budget"] == 1
    shelf.articles["S50"] = {"fingerprint": "1"}
    books = shelf.run(extend=True).books
    assert (books.counts["dropped.over-budget"], books.done) == (0, 13)


def test_an_id_that_the_source_has_itself_is_not_given_to_a_change(shelf: Shelf) -> None:
    shelf.articles["S1.r1"] = {"fingerprint": "1"}
    shelf.run(extend=True)
    shelf.articles["S1"]["fingerprint"] = "2"
    shelf.run(extend=True)
    assert shelf.withdrawn() == {"S1": ("changed", "S1.r2")}
    assert pmcx.verify(shelf.out).ok


def test_a_run_that_dies_after_planning_an_extension_is_taken_up(shelf: Shelf) -> None:
    shelf.articles["S1"]["fingerprint"] = "2"
    shelf.file.write_text(json.dumps(shelf.articles))
    engine = Engine.resume(shelf.out)
    engine.folder.prepare()
    engine._extend()  # ... and nothing else: the driver dies here
    engine.folder.close()
    assert shelf.run().exit_code == 0
    assert shelf.withdrawn() == {"S1": ("changed", "S1.r1")}
    assert sum(1 for unit in RunFolder(shelf.out).units() for _ in unit.articles) == 13


def test_withdrawn_is_a_derived_file_that_verify_checks(shelf: Shelf) -> None:
    shelf.articles["S1"]["fingerprint"] = "2"
    shelf.run(extend=True)
    file = shelf.out / "withdrawn.jsonl"
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"article": "S1", "why": "changed", "by": "S1.r1"}
    ]
    file.write_text("")
    assert any("withdrawn.jsonl" in problem for problem in pmcx.verify(shelf.out).problems)
    shelf.run()
    assert pmcx.open(shelf.out).withdrawn() == [Withdrawn(article="S1", why="changed", by="S1.r1")]


def test_the_source_is_told_the_filters(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.articles["S1"]["license"] = "CC BY-NC"
    shelf.articles["S2"]["license"] = "unknown"
    result = shelf.run(filters={"license": "commercial"})
    assert result.books.counts["dropped.license"] == 2
    assert result.books.dropped_articles == 2
