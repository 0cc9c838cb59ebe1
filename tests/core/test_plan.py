"""``pmcx plan``: what a run would fetch, told before anything is downloaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from shelf import Shelf

import pmcx
from pmcx.core.cli import cli
from pmcx.core.cli.plan import readable


def plan(shelf: Shelf, *more: str) -> str:
    shelf.file.write_text(json.dumps(shelf.articles))
    given = ["plan", "--source", "shelf", "--source-option", f"shelf={shelf.file}", "--plugin", "toy", *more]
    done = CliRunner().invoke(cli, given, catch_exceptions=False, standalone_mode=False)
    assert done.return_value == 0
    return done.output


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf.articles["S1"]["license"] = "CC BY-NC"
    shelf.articles["S90"] = {"missing": True}
    return shelf


def test_counts_bytes_and_licences(shelf: Shelf) -> None:
    told = json.loads(plan(shelf, "--json"))
    assert told["planned"] == told["surveyed"] == told["kept"] == 12
    assert told["licenses"] == {"CC BY": 11, "CC BY-NC": 1}
    assert (told["files"], told["bytes"]) == (24, 12000)
    assert told["unplanned"] == {"not-found": 1}
    assert not shelf.out.exists()


def test_the_runs_filters_hold(shelf: Shelf) -> None:
    told = json.loads(plan(shelf, "--json", "--license", "commercial"))
    assert told["dropped"] == {"license": 1}
    assert told["licenses"] == {"CC BY": 11}


def test_a_sample_estimates_the_whole(shelf: Shelf) -> None:
    shelf.articles |= {f"T{n}": {} for n in range(988)}
    told = json.loads(plan(shelf, "--json", "--sample", "100"))
    assert (told["planned"], told["surveyed"], told["scale"]) == (1000, 100, 10.0)
    text = plan(shelf, "--sample", "100")
    assert "100, evenly spread" in text
    assert "about 1000 articles" in text
    assert "about 1.0 MB" in text


def test_an_existing_run_shows_what_extending_it_would_fetch(shelf: Shelf) -> None:
    shelf.run()
    shelf.articles["S2"]["fingerprint"] = "2"
    shelf.articles["S50"] = {"fingerprint": "1"}
    told = json.loads(plan(shelf, "--json", "--out", str(shelf.out)))
    assert (told["planned"], told["revised"]) == (2, 1)
    assert "2 planned, 1 of them changed" in plan(shelf, "--out", str(shelf.out))
    assert pmcx.verify(shelf.out).ok


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1234567, "1.2 MB"), (5e13, "50.0 TB")]
)
def test_readable(size: float, text: str) -> None:
    assert readable(size) == text
