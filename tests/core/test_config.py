"""Configuration: precedence, round trip, and errors that name the nearest known key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmcx import UsageError, load_config
from pmcx.core.config import parse_assignments

DEMO = {"source": {"name": "demo"}}


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('source = "demo"\nworkers = 3\n[filters]\nmin_side = 11\n[image]\nquality = 50\n')
    environ = {"PMCX_FILTERS__MIN_SIDE": "22", "PMCX_WORKERS": "4", "HOME": "/"}
    config = load_config(file, {"workers": 5}, environ)
    assert (config.workers, config.filters.min_side, config.image.quality) == (5, 22, 50)
    assert config.splits.test == 0.05


def test_run_toml_reads_back_equal(tmp_path: Path) -> None:
    flags = {
        "source": {"name": "folder", "options": {"input": ["a b", 'c"d']}},
        "splitter": "none",
        "reader": {"name": "letters", "options": {"size": 3, "deep": {"x": 1.5}}},
        "export": ["parquet", {"name": "webdataset", "rows": 5}],
        "max_failures": 3,
    }
    config = load_config(None, flags, {})
    assert config.splitter is None
    file = tmp_path / "run.toml"
    file.write_text(config.to_toml())
    assert load_config(file, {}, {}) == config


def test_naming_another_stage_discards_the_options_of_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('source = "demo"\n[detector]\nname = "detr"\nweights = "w"\n')
    assert load_config(file, {"detector": {"name": "gutters"}}, {}).detector.options == {}
    assert load_config(file, {"detector": {"options": {"score": 0.3}}}, {}).detector.options == {
        "weights": "w",
        "score": 0.3,
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"filters": {"min_sid": 3}}, "unknown key 'filters.min_sid'; did you mean 'min_side'"),
        ({"detectr": "x"}, "unknown key 'detectr'; did you mean 'detector'"),
        ({"workers": -1}, "workers: .*greater than or equal to 0"),
        ({"splits": {"test": 0.7, "validation": 0.7}}, "add up to more than 1"),
        ({"export": []}, "at least one exporter"),
        ({"export": ["parquet", "parquet"]}, "named twice"),
        ({"filters": {"license": "free"}}, "filters.license"),
    ],
)
def test_errors_say_where_and_what(flags: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_config(None, {**DEMO, **flags}, {})


def test_environment_is_checked_too() -> None:
    with pytest.raises(UsageError, match=r"PMCX_WORKER, .*did you mean PMCX_WORKERS"):
        load_config(None, DEMO, {"PMCX_WORKER": "2"})
    assert load_config(None, DEMO, {"PMCX_EXPORT": "parquet,webdataset"}).export[1].name == "webdataset"
    assert load_config(None, DEMO, {"PMCX_NO_PLUGINS": "x"}).workers == 0


def test_missing_source_and_bad_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no source is named"):
        load_config(None, {}, {})
    with pytest.raises(UsageError, match="cannot read"):
        load_config(tmp_path / "absent.toml", DEMO, {})
    (tmp_path / "bad.toml").write_text("source = ")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_config(tmp_path / "bad.toml", DEMO, {})


def test_assignments_are_read_as_toml_values() -> None:
    assert parse_assignments(["a.b=1", "a.c-d=x y", "e=[1, 2]", "f=true"], "--set") == {
        "a": {"b": 1, "c_d": "x y"},
        "e": [1, 2],
        "f": True,
    }
    with pytest.raises(UsageError, match="--set takes KEY=VALUE"):
        parse_assignments(["novalue"], "--set")
