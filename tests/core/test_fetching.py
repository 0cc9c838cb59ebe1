"""Fetching ahead: order, bounds, overlap, and what happens when either side fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from shelf import Shelf

import pmcx
from pmcx.core.fetching import FetchAhead, Fetched, Patience, groups_of
from pmcx.core.records import ArticleRef


def refs(count: int) -> list[ArticleRef]:
    return [ArticleRef(id=f"A{n}", locator="") for n in range(count)]


class Answer(pmcx.Document):
    closed = 0

    def __init__(self, ref: ArticleRef) -> None:
        super().__init__(pmcx.Article(id=ref.id), ())

    def close(self) -> None:
        type(self).closed += 1


def answers(group: Sequence[ArticleRef]) -> list[Fetched]:
    return [Fetched(ref, Answer(ref)) for ref in group]


@pytest.mark.parametrize("ahead", [0, 1, 3, 50])
def test_groups_come_in_order_and_none_too_early(ahead: int) -> None:
    groups = groups_of(refs(40), frozenset())
    begun: list[int] = []
    taken = 0

    def fetch(group: Sequence[ArticleRef]) -> list[Fetched]:
        begun.append(taken)
        return answers(group)

    with FetchAhead(groups, fetch, ahead) as fetched:
        for n, group in enumerate(fetched):
            assert list(group.refs) == groups[n]
            time.sleep(0.005)
            taken = n + 1
    assert taken == len(groups) == 5
    assert all(n - when <= max(ahead, 1) for n, when in enumerate(begun))


def test_what_was_fetched_for_nothing_is_closed() -> None:
    Answer.closed = 0
    with (
        pytest.raises(ZeroDivisionError),
        FetchAhead(groups_of(refs(80), frozenset()), answers, 2) as fetched,
    ):
        next(iter(fetched))
        time.sleep(0.05)
        raise ZeroDivisionError
    assert Answer.closed in (16, 24)  # the two groups ahead, and one that was on its way
    assert not any(thread.name == "pmcx-fetch" for thread in threading.enumerate())


def test_an_error_of_the_fetching_thread_is_raised_where_the_group_is_asked_for() -> None:
    def fetch(group: Sequence[ArticleRef]) -> list[Fetched]:
        if group[0].id == "A8":
            raise pmcx.UsageError("no")
        return answers(group)

    with FetchAhead(groups_of(refs(40), frozenset()), fetch, 2) as fetched:
        following = iter(fetched)
        next(following)
        with pytest.raises(pmcx.UsageError):
            next(following)


def test_suspects_go_alone() -> None:
    sizes = [[ref.id for ref in group] for group in groups_of(refs(10), frozenset({"A3", "A9"}))]
    assert sizes == [["A0", "A1", "A2"], ["A3"], ["A4", "A5", "A6", "A7", "A8"], ["A9"]]
    assert groups_of([], frozenset()) == []


def test_patience_speaks_only_while_somebody_waits_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patience, "EVERY", 0.01)
    told: list[float] = []
    with Patience(lambda: told.append(time.monotonic()), limit=0.2) as patience:
        time.sleep(0.05)
        assert not told
        patience.begin()
        time.sleep(0.5)
        waited = len(told)
        patience.end()
        time.sleep(0.05)
        assert len(told) == waited > 3
        assert told[-1] - told[0] < 0.3


def test_a_run_that_fetches_ahead_writes_what_one_without_does(tmp_path: Path) -> None:
    import toy

    here, there = Shelf(tmp_path / "a"), Shelf(tmp_path / "b")
    for shelf, ahead in ((here, 2), (there, 0)):
        shelf.file.parent.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(toy.ShelfSource, "ahead", ahead)
            assert shelf.run(unit_articles=12).exit_code == 0
    assert here.written() == there.written()


def test_a_slow_source_is_no_hang(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    slow = {"delay": 0.3}
    result = shelf.run(
        source_options=slow,
        workers=2,
        executor="processes",
        limits={"article_timeout": 1.5},
        plugins=["toy", "impatient"],
    )
    assert result.exit_code == 0, result.books.failures
    assert result.books.done == 12


def test_a_run_that_ends_early_does_not_wait_for_a_slow_server() -> None:
    cancelled = threading.Event()

    def fetch(group: Sequence[ArticleRef]) -> list[Fetched]:
        if group[0].id == "A0":
            return answers(group)
        assert cancelled.wait(60), "nobody gave up"
        raise pmcx.TransientError("stopped")

    with (
        pytest.raises(KeyboardInterrupt),
        FetchAhead(groups_of(refs(40), frozenset()), fetch, 2, cancelled.set) as fetched,
    ):
        next(iter(fetched))
        raise KeyboardInterrupt
    assert cancelled.is_set()
    assert not any(thread.name == "pmcx-fetch" for thread in threading.enumerate())
