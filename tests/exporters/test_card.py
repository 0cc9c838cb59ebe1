"""The dataset card: a header the hub accepts, true numbers, and code that runs as printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import datasets
import pytest
import webdataset as wds
import yaml
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st

from pmcx.core.records import FileInfo
from pmcx.core.schema import pair_schema
from pmcx.core.stages import Exporter, RunSummary
from pmcx.exporters.card import parquet_card, shard_spec, webdataset_card


@pytest.fixture
def folder(exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path) -> Path:
    samples = tools.samples(64, empty_first=7)
    tools.export(exporter_class(), [samples[:32], samples[32:]], tmp_path)
    return tmp_path / exporter_class.root


def header(text: str) -> dict[str, object]:
    data = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(data, dict)
    return data


def summary(pairs: int = 0, **counts: int) -> RunSummary:
    files = {"parquet/train-000000.parquet": FileInfo(sha256="", size=1, rows=pairs)} if pairs else {}
    return RunSummary(
        path=Path("/secret/place"),
        files=files,
        counts={"pairs": pairs, **counts},
        made_by={"detector": "a|b 1"},
    )


def test_the_header_is_what_the_hub_wants(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    card = DatasetCard(text)
    assert card.data.license == "other"
    assert card.data.license_name == "stated-for-each-row"
    assert card.data.size_categories == ["n<1K"]
    (config,) = card.data.configs
    assert config["config_name"] == "default"
    assert [entry["split"] for entry in config["data_files"]] == ["train", "validation", "test"]
    for entry in config["data_files"]:
        assert list(folder.glob(entry["path"]))
    assert datasets.Features._from_yaml_list(card.data.dataset_info["features"])


def test_numbers_are_the_runs(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "64 panels of 64 figures from 16 articles" in text
    assert re.search(r"\| train \| 32 \| 2 \| [0-9,]+ \|", text)
    assert "| CC BY | 22 | 34.4% | yes | yes |" in text
    assert "| CC BY-NC-ND | 21 | 32.8% | no | no |" in text
    assert "| unknown | 21 | 32.8% | see the row | see the row |" in text
    assert "| letter | 43 | 67.2% |" in text
    assert "| lost | input | 2 |" in text
    assert "| dropped on purpose | too-small | 7 |" in text
    assert "| detector | detr 0.1.0 |" in text


def test_the_card_never_claims_a_licence_of_software_for_the_contents(folder: Path, tmp_path: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert not re.search(r"\b(MIT|Apache)\b", text, re.IGNORECASE)
    assert "keeps its own licence" in text
    assert str(tmp_path) not in text
    assert not re.search(r"\b20[0-9]{2}-[0-9]{2}-[0-9]{2}\b", text)


def test_every_field_is_explained(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    for field in pair_schema():
        assert f"| `{field.name}` | " in text
        assert field.metadata[b"description"].decode().replace("|", "\\|") in text


def test_tables_are_well_formed(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().splitlines()}
        assert len(columns) == 1, table


def test_the_code_runs_as_printed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    before = sorted(path.name for path in folder.iterdir())
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == {"webdataset": 2, "parquet": 3}[folder.name]
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
        # A shuffled reader may show any row first; every row prints its licence code.
        assert re.search(r"CC BY|unknown", capsys.readouterr().out)
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("counts", "license_", "name"),
    [
        ({"license.CC0": 5}, "cc0-1.0", None),
        ({"license.CC BY": 5}, "other", "stated-for-each-row"),
        ({"license.CC0": 5, "license.CC BY": 1}, "other", "stated-for-each-row"),
        ({}, "other", "stated-for-each-row"),
    ],
)
def test_one_licence_is_named_only_where_all_rows_share_it(
    counts: dict[str, int], license_: str, name: str | None
) -> None:
    data = header(parquet_card(summary(5, **counts)).decode())
    assert (data["license"], data.get("license_name")) == (license_, name)


@pytest.mark.parametrize(
    ("pairs", "category"),
    [
        (1, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (1_646_592, "1M<n<10M"),
        (999_999_999, "100M<n<1B"),
        (2_000_000_000, "n>1B"),
    ],
)
def test_size_categories_are_the_hubs(pairs: int, category: str) -> None:
    assert header(parquet_card(summary(pairs)).decode())["size_categories"] == [category]


@pytest.mark.parametrize("card", [parquet_card, lambda run: webdataset_card(run, "jpg")])
def test_an_empty_run_has_a_card_too(card: Callable[[RunSummary], bytes]) -> None:
    text = card(summary(0, articles=3)).decode()
    assert "0 panels of 0 figures from 3 articles" in text
    assert "configs" not in header(text)
    assert "/secret" not in text
    assert "a\\|b 1" in text


def test_spec_of_shards_joins_ranges() -> None:
    names = ["train-000000.tar", "train-000001.tar", "train-000004.tar"]
    assert shard_spec(names) == "train-{000000..000001}.tar::train-000004.tar"
    assert shard_spec([]) == ""


@given(st.sets(st.integers(0, 60), min_size=1).map(sorted), st.sampled_from([0, 999_970]))
def test_webdataset_expands_the_spec_to_the_same_shards(numbers: list[int], start: int) -> None:
    names = [f"train-{start + number:06d}.tar" for number in numbers]
    assert sorted(wds.shardlists.expand_urls(shard_spec(names))) == sorted(names)
