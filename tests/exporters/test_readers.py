"""The folders as read by webdataset, open_clip's loader, datasets, DuckDB and pandas."""

from __future__ import annotations

import io
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import duckdb
import msgspec
import pandas as pd
import pyarrow.parquet as pq
import pytest
import webdataset as wds
from PIL import Image

from pmcx.core.records import Article, webdataset_key
from pmcx.core.schema import mention_text, pair_row, pair_schema, write_articles
from pmcx.core.stages import Exporter, Sample
from pmcx.exporters.parquet import ParquetExporter
from pmcx.exporters.webdataset import WebDatasetExporter

SPLITS = ("train", "validation", "test")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``datasets.load_dataset`` with its caches in ``tmp_path`` and no way to the network."""

    def refuse(*args: object) -> None:
        raise AssertionError(f"a connection was tried: {args}")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    datasets.disable_progress_bars()
    return datasets.load_dataset


def image_of(row: dict[str, Any]) -> Image.Image:
    image = row["jpg"] if "jpg" in row else row["image"]
    assert isinstance(image, Image.Image)
    return image


def fields_of(row: dict[str, Any]) -> dict[str, Any]:
    return row["json"] if "json" in row else {k: v for k, v in row.items() if k != "image"}


# -- datasets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_load_dataset_without_arguments(
    exporter_class: type[Exporter],
    tools: SimpleNamespace,
    tmp_path: Path,
    load: Callable[..., Any],
    streaming: bool,
) -> None:
    """The first seven rows of every split have no mention and no span, as real articles may."""
    samples = tools.samples(96, empty_first=7)
    tools.export(exporter_class(), [samples[:48], samples[48:]], tmp_path)
    loaded = load(str(tmp_path / exporter_class.root), streaming=streaming)
    assert list(loaded) == list(SPLITS)
    for split in SPLITS:
        expected = [sample for sample in samples if sample.pair.split == split]
        rows = list(loaded[split])
        assert [fields_of(row) for row in rows] == [pair_row(sample.pair) for sample in expected]
        for row, sample in zip(rows, expected, strict=True):
            assert image_of(row).size == (sample.pair.width, sample.pair.height)
        assert not rows[0].get("json", rows[0])["mentions"]
        assert rows[-1].get("json", rows[-1])["mentions"][0]["spans"][0]["labels"] == ["B"]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("count", [1, 4, 40])
def test_load_dataset_without_the_card(
    exporter_class: type[Exporter],
    tools: SimpleNamespace,
    tmp_path: Path,
    load: Callable[..., Any],
    streaming: bool,
    count: int,
) -> None:
    """Also with one single shard beside sizes.json, where two file types are equally common."""
    tools.export(exporter_class(), [tools.samples(count)], tmp_path)
    (tmp_path / exporter_class.root / "README.md").unlink()
    loaded = load(str(tmp_path / exporter_class.root), streaming=streaming)
    assert set(loaded) == ({"train"} if count < 9 else set(SPLITS))
    row = next(iter(loaded["train"]))
    assert image_of(row).size == (40, 30)
    assert fields_of(row)["subcaption"].startswith("(B)")


def test_the_card_declares_the_features_that_the_files_have(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path, load: Callable[..., Any]
) -> None:
    tools.export(exporter_class(), [tools.samples(2)], tmp_path)
    features = load(str(tmp_path / exporter_class.root), split="train", streaming=True).features
    expected = datasets.Features.from_arrow_schema(pair_schema())
    if exporter_class is WebDatasetExporter:
        assert set(features) == {"__key__", "__url__", "jpg", "json", "txt"}
        assert isinstance(features["jpg"], datasets.Image)
        assert features["json"] == dict(expected)
    else:
        assert features == datasets.Features({"image": datasets.Image(), **expected})


def test_png_datasets_load_too(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path, load: Callable[..., Any]
) -> None:
    tools.export(exporter_class(), [tools.samples(3, suffix="png")], tmp_path)
    row = load(str(tmp_path / exporter_class.root), split="train")[2]
    assert row.get("png", row.get("image")).format == "PNG"


def test_parquet_columns_and_filters_push_down(
    tools: SimpleNamespace, tmp_path: Path, load: Callable[..., Any]
) -> None:
    samples = tools.samples(32)
    tools.export(ParquetExporter(), [samples], tmp_path)
    loaded = load(
        str(tmp_path / "parquet"),
        split="train",
        streaming=True,
        columns=["key", "license"],
        filters=[("license", "=", "CC BY")],
    )
    expected = [s.pair.key for s in samples if s.pair.split == "train" and s.pair.license.code == "CC BY"]
    assert [row["key"] for row in loaded] == expected


# -- webdataset and open_clip -----------------------------------------------------------------------


def shards(root: Path, split: str = "train") -> list[str]:
    return sorted(str(path) for path in root.glob(f"{split}-*.tar"))


def test_webdataset_decodes_every_sample(tools: SimpleNamespace, tmp_path: Path) -> None:
    samples = tools.samples(64, empty_first=2)
    tools.export(WebDatasetExporter(), [samples[:32], samples[32:]], tmp_path)
    expected = {sample.pair.key: sample for sample in samples if sample.pair.split == "train"}
    dataset = wds.WebDataset(shards(tmp_path / "webdataset"), shardshuffle=False).decode("pil")
    found = list(dataset)
    assert [row["__key__"] for row in found] == list(expected)
    for row in found:
        pair = expected[row["__key__"]].pair
        assert row["jpg"].size == (pair.width, pair.height)
        assert row["json"] == pair_row(pair)
        assert row["txt"] == (pair.subcaption or pair.caption)


def test_dotted_plos_names_keep_their_image(tools: SimpleNamespace, tmp_path: Path) -> None:
    """A dotted key would become ``pone`` with a field ``0000217.g001.jpg``, which open_clip drops."""
    pair_id = "journal.pone.0000217/pone.0000217.g001/a"
    pair = msgspec.structs.replace(tools.sample(0).pair, id=pair_id, key=webdataset_key(pair_id))
    tools.export(WebDatasetExporter(), [[Sample(pair, tools.encoded(0), "jpg")]], tmp_path)
    (row,) = wds.WebDataset(shards(tmp_path / "webdataset"), shardshuffle=False).decode("pil")
    assert row["__key__"] == pair.key
    assert row["jpg"].size == (40, 30)
    assert row["json"]["source_image"]["href"] == "pone.0000217.g001"


def test_the_pipeline_of_open_clip(tools: SimpleNamespace, tmp_path: Path) -> None:
    """The steps of ``open_clip_train.data.get_wds_dataset``, with the card's own ``--train-data``."""
    samples = tools.samples(70)
    units = [samples[:8], samples[8:16], samples[16:40], samples[40:]]  # unit 1 has no train shard
    tools.export(WebDatasetExporter(), units, tmp_path)
    root = tmp_path / "webdataset"
    match = re.search(
        r"--train-num-samples (\d+) \\\n +--train-data '([^']+)'", (root / "README.md").read_text()
    )
    assert match is not None
    assert "::" in match[2]
    assert "{" in match[2]
    urls = wds.shardlists.expand_urls("::".join(f"{root}/{part}" for part in match[2].split("::")))
    assert urls == shards(root)
    sizes = json.loads((Path(urls[0]).parent / "sizes.json").read_text())
    assert sum(int(sizes[Path(url).name]) for url in urls) == int(match[1])

    pipeline = wds.DataPipeline(
        wds.SimpleShardList(urls),
        wds.tarfile_to_samples(),
        wds.select(lambda row: "txt" in row and any(k in row for k in ("png", "jpg", "jpeg", "webp"))),
        wds.decode("pilrgb"),
        wds.rename(image="jpg;png;jpeg;webp", text="txt"),
        wds.map_dict(image=lambda image: image.size, text=lambda text: text),
        wds.to_tuple("image", "text"),
        wds.batched(4, partial=True),
    )
    texts = [text for _, batch in pipeline for text in batch]
    assert texts == [sample.pair.subcaption for sample in samples if sample.pair.split == "train"]


def test_open_clips_json_text_keys_are_top_level_strings(tools: SimpleNamespace, tmp_path: Path) -> None:
    tools.export(WebDatasetExporter(), [[tools.sample(i) for i in range(4)]], tmp_path)
    for row in wds.WebDataset(shards(tmp_path / "webdataset"), shardshuffle=False).decode():
        for key in (
            "caption",
            "subcaption",
            "mention_text",
            "title",
            "license",
            "license_url",
            "attribution",
        ):
            assert isinstance(row["json"][key], str)
        assert row["json"]["mention_text"]


# -- DuckDB and pandas ------------------------------------------------------------------------------


def test_duckdb_reads_columns_lists_and_the_article_table(tools: SimpleNamespace, tmp_path: Path) -> None:
    samples = tools.samples(48, empty_first=2)
    tools.export(ParquetExporter(), [samples[:20], samples[20:]], tmp_path)
    ids = sorted({sample.pair.article for sample in samples})
    articles = [Article(id=name, abstract=f"About {name}", subjects=("Biology",)) for name in ids]
    write_articles(tmp_path / "articles" / "articles-000000.parquet", articles)
    rows = f"'{tmp_path}/parquet/*.parquet'"

    found = duckdb.sql(f"SELECT license, count(*) FROM {rows} GROUP BY license").fetchall()
    assert dict(found) == {
        code: sum(sample.pair.license.code == code for sample in samples)
        for code in {sample.pair.license.code for sample in samples}
    }
    found = duckdb.sql(
        f"SELECT key, octet_length(image.bytes), box[3], mentions[1].spans[1].labels, made_by.detector, "
        f"abstract FROM {rows} p JOIN '{tmp_path}/articles/*.parquet' a ON p.article = a.id "
        "WHERE len(p.mentions) > 0"
    ).fetchall()
    full = {sample.pair.key: sample for sample in samples if sample.pair.mentions}
    assert {row[0] for row in found} == set(full)
    for key, size, x1, labels, detector, abstract in found:
        pair = full[key].pair
        assert (size, x1, labels) == (len(full[key].image), pair.box[2], ["B"])
        assert (detector, abstract) == ("detr 0.1.0", f"About {pair.article}")


def test_pandas_reads_rows_and_images(tools: SimpleNamespace, tmp_path: Path) -> None:
    samples = [tools.sample(i) for i in range(5)]
    (name,) = tools.export(ParquetExporter(), [samples], tmp_path)
    frame = pd.read_parquet(tmp_path / name)
    assert not frame.isna().any().any()
    assert frame["subcaption"].tolist() == [sample.pair.subcaption for sample in samples]
    image = Image.open(io.BytesIO(frame["image"][3]["bytes"]))
    assert image.size == (samples[3].pair.width, 30)
    assert frame["box"][2].tolist() == list(samples[2].pair.box)


# -- size -------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_rows_repeat_no_article_text(
    shared_data: Path, tools: SimpleNamespace, record_property: Callable[[str, object], None]
) -> None:
    """BIOMEDICA puts the full text and every caption of the article into each figure's 25 fields."""
    from lxml import etree

    tree = etree.parse(shared_data / "interfaces" / "pmc_nxml" / "pone.0046493.nxml")

    def words(node: Any) -> str:
        return " ".join("".join(node.itertext()).split())

    figures = tree.findall(".//fig")
    captions = {figure.get("id"): words(figure.find("caption")) for figure in figures}
    paragraphs = tree.findall(".//body//p")
    context = {
        name: [words(p) for p in paragraphs if p.find(f".//xref[@rid='{name}']") is not None]
        for name in captions
    }
    body, abstract = words(tree.find(".//body")), words(tree.find(".//abstract"))
    assert len(body) > 10_000

    ours, theirs = 0, 0
    template = tools.sample(0).pair
    for name, caption in captions.items():
        mentions = tuple(
            msgspec.structs.replace(template.mentions[0], text=text, paragraph=f"p{i}")
            for i, text in enumerate(context[name])
        )
        assert mentions
        pair = msgspec.structs.replace(template, caption=caption, subcaption="", spans=(), mentions=mentions)
        row = json.dumps(pair_row(pair))
        assert abstract[:200] not in row
        assert len(mention_text(mentions, "")) < len(body) / 2
        ours += len(row)
        theirs += len(
            json.dumps(
                {
                    "image_set": [{"image_id": key, "caption": text} for key, text in captions.items()],
                    "image_context": context,
                    "article_abstract": abstract,
                    "article_text": body,
                }
            )
        )
    record_property("times_smaller", round(theirs / ours, 1))
    print(f"rows are {theirs / ours:.1f} times smaller than four of BIOMEDICA's 25 fields")
    assert theirs > 4 * ours


def test_schema_metadata_makes_the_image_column_an_image(tools: SimpleNamespace, tmp_path: Path) -> None:
    (name,) = tools.export(ParquetExporter(), [[tools.sample(0)]], tmp_path)
    metadata = pq.read_schema(tmp_path / name).metadata
    assert json.loads(metadata[b"huggingface"]) == {"info": {"features": {"image": {"_type": "Image"}}}}
    assert metadata[b"pmcx.schema_version"] == b"1"
