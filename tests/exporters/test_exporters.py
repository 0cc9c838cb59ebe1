"""What both exporters promise: round trips, bytes that depend on the samples alone, honest failures."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pmcx.core.errors import InputError, OutputError, PluginError
from pmcx.core.records import (
    Alignment,
    Ids,
    ImageRef,
    License,
    Mention,
    MentionSpan,
    Modality,
    Pair,
    webdataset_key,
)
from pmcx.core.schema import MADE_BY, pair_row
from pmcx.core.stages import Exporter, Sample
from pmcx.exporters.parquet import ParquetExporter
from pmcx.exporters.tar import tar_index
from pmcx.exporters.webdataset import WebDatasetExporter

SPLITS = ("train", "validation", "test")

# -- property: any pair comes back as it was --------------------------------------------------------

number = st.integers(0, 2**40)
score = st.floats(0, 1)
spans = st.lists(st.tuples(number, number), max_size=3).map(tuple)
labels = st.lists(st.text(max_size=3), max_size=3).map(tuple)
mention_spans = st.builds(
    MentionSpan,
    start=number,
    end=number,
    labels=labels,
    kind=st.sampled_from(["direct", "range", "caption", "table"]),
)
mentions = st.builds(
    Mention,
    paragraph=st.text(max_size=5),
    section=st.text(max_size=5),
    text=st.text(max_size=30),
    spans=st.lists(mention_spans, max_size=2).map(tuple),
)
images = st.builds(
    ImageRef,
    href=st.text(max_size=9),
    name=st.text(max_size=9),
    sha256=st.text(max_size=9),
    format=st.text(max_size=5),
    width=number,
    height=number,
    size=number,
)
licenses = st.builds(
    License,
    code=st.text(max_size=9),
    spdx=st.text(max_size=9),
    url=st.text(max_size=9),
    source=st.text(max_size=9),
    third_party=st.sampled_from(["no", "suspect", "yes"]),
    evidence=st.text(max_size=9),
)
text = st.text(max_size=40)
pairs = st.builds(
    Pair,
    id=text,
    key=st.from_regex(r"[A-Za-z0-9_-]{1,130}", fullmatch=True),
    article=text,
    figure=text,
    figure_label=text,
    label=text,
    box=st.tuples(number, number, number, number),
    box_score=score,
    image=images,
    width=number,
    height=number,
    caption=text,
    subcaption=text,
    spans=spans,
    context=text,
    alignment=st.builds(
        Alignment, method=st.sampled_from(["letter", "order", "whole-figure", "unmatched"]), score=score
    ),
    modality=st.builds(Modality, label=text, score=score),
    mentions=st.lists(mentions, max_size=3).map(tuple),
    license=licenses,
    attribution=text,
    title=text,
    journal=text,
    date=text,
    ids=st.builds(Ids, pmid=text, pmcid=text, doi=text, version=text, publisher_id=text),
    split=st.sampled_from(SPLITS),
    sha256=text,
    made_by=st.dictionaries(st.sampled_from(MADE_BY), st.text(min_size=1, max_size=9)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.tuples(pairs, st.binary(max_size=700)), max_size=6, unique_by=lambda row: row[0].key),
    suffix=st.sampled_from(["jpg", "png", "webp"]),
)
def test_any_pair_comes_back_as_it_was(
    exporter_class: type[Exporter],
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[Pair, bytes]],
    suffix: str,
) -> None:
    folder = tmp_path_factory.mktemp("run")
    exporter = exporter_class()
    exporter.begin(0, folder)
    exporter.write([Sample(pair=pair, image=image, suffix=suffix) for pair, image in rows])
    files = exporter.end()
    for split in SPLITS:
        expected = [(pair, image) for pair, image in rows if pair.split == split]
        found = [item for name in files if f"/{split}-" in name for item in exporter.read(folder / name)]
        assert found == expected


# -- files ------------------------------------------------------------------------------------------


def test_files_are_named_by_split_and_unit_and_facts_are_true(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path
) -> None:
    samples = tools.samples(32)
    exporter = exporter_class()
    exporter.begin(17, tmp_path)
    sizes = list(exporter.write(samples))
    files = exporter.end()
    ending = exporter.root.replace("webdataset", "tar")
    assert set(files) == {f"{exporter.root}/{split}-000017.{ending}" for split in SPLITS}
    for name, info in files.items():
        data = (tmp_path / name).read_bytes()
        assert info.sha256 == hashlib.sha256(data).hexdigest()
        assert info.size == len(data)
        assert info.rows == len(list(exporter.read(tmp_path / name)))
    assert sum(info.rows for info in files.values()) == len(samples) == len(sizes)
    assert all(size > len(sample.image) for size, sample in zip(sizes, samples, strict=True))


def test_only_splits_that_occur_get_a_file(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path
) -> None:
    exporter = exporter_class()
    exporter.begin(0, tmp_path)
    assert exporter.end() == {}
    exporter.begin(1, tmp_path)
    exporter.write([tools.sample(0, split="test")])
    (name,) = exporter.end()
    assert "/test-000001." in name


def test_bytes_depend_on_the_samples_alone(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path
) -> None:
    units = [tools.samples(23), tools.samples(9)]
    first = tools.export(exporter_class(), units, tmp_path / "a", batch=1)
    again = tools.export(exporter_class(), units, tmp_path / "elsewhere" / "b", batch=100)
    assert first == again
    derived = sorted(p.name for p in (tmp_path / "a" / exporter_class.root).iterdir())
    for name in derived:
        a = tmp_path / "a" / exporter_class.root / name
        assert a.read_bytes() == (tmp_path / "elsewhere" / "b" / exporter_class.root / name).read_bytes()
    assert "README.md" in derived


def test_bytes_are_the_same_in_another_process(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path
) -> None:
    here = tools.export(exporter_class(), [tools.samples(12)], tmp_path / "here")
    code = (
        "import runpy, sys; from pathlib import Path;"
        "t = runpy.run_path(sys.argv[1]);"
        f"from {exporter_class.__module__} import {exporter_class.__name__} as E;"
        "files = t['export'](E(), [t['make_samples'](12)], Path(sys.argv[2]));"
        "print(sorted((n, i.sha256) for n, i in files.items()))"
    )
    conftest = Path(__file__).with_name("conftest.py")
    done = subprocess.run(
        [sys.executable, "-c", code, str(conftest), str(tmp_path / "there")],
        env={**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(sorted((name, info.sha256) for name, info in here.items()))


def test_reading_is_lazy_and_in_order(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path
) -> None:
    samples = [tools.sample(i) for i in range(40)]
    (name,) = tools.export(exporter_class(), [samples], tmp_path)
    reading = exporter_class.read(tmp_path / name)
    assert iter(reading) is reading
    pair, image = next(reading)
    assert (pair, image) == (samples[0].pair, samples[0].image)
    assert [pair.key for pair, _ in reading] == [sample.pair.key for sample in samples[1:]]


# -- what is refused --------------------------------------------------------------------------------


def with_key(sample: Sample, key: str) -> Sample:
    return Sample(msgspec.structs.replace(sample.pair, key=key), sample.image, sample.suffix)


@pytest.mark.parametrize("key", ["pone.0000217", "a/b", "", "naïve", "a b"])
def test_keys_that_readers_would_cut_are_refused(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path, key: str
) -> None:
    exporter = exporter_class()
    exporter.begin(0, tmp_path)
    with pytest.raises(PluginError, match="webdataset_key"):
        exporter.write([with_key(tools.sample(0), key)])


def test_a_repeated_key_is_refused(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path
) -> None:
    exporter = exporter_class()
    exporter.begin(0, tmp_path)
    with pytest.raises(PluginError, match="written before"):
        exporter.write([tools.sample(0), tools.sample(0)])
    exporter.write([tools.sample(0)])
    with pytest.raises(PluginError, match="written before"):
        exporter.write([tools.sample(0)])
    exporter.abort()
    exporter.begin(1, tmp_path)
    exporter.write([tools.sample(0)])


@pytest.mark.parametrize("suffix", ["png", "JPG", ".jpg", "json", "a.jpg", ""])
def test_one_image_suffix_for_all(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path, suffix: str
) -> None:
    exporter = exporter_class()
    exporter.begin(0, tmp_path)
    exporter.write([tools.sample(0)])
    bad = Sample(tools.sample(1).pair, tools.sample(1).image, suffix)
    with pytest.raises(PluginError, match="image suffix"):
        exporter.write([bad])


def test_a_batch_that_raises_leaves_nothing_behind(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path
) -> None:
    """The engine repeats a failed batch one by one; what had been stored would come twice."""
    good = [tools.sample(i) for i in range(5)]
    nan = msgspec.structs.replace(good[2].pair, box_score=float("inf"))
    surrogate = msgspec.structs.replace(good[3].pair, caption="broken \ud800")
    exporter = exporter_class()
    exporter.begin(0, tmp_path)
    for bad in (nan, surrogate):
        with pytest.raises(ValueError):
            exporter.write([*good[:2], Sample(bad, b"", "jpg")])
    for sample in good:
        exporter.write([sample])
    (name,) = exporter.end()
    assert [pair for pair, _ in exporter.read(tmp_path / name)] == [sample.pair for sample in good]


# -- a disk that refuses ----------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [10, 40 << 20])
def test_a_full_disk_is_an_output_error(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path, size: int
) -> None:
    ending = exporter_class.root.replace("webdataset", "tar")
    target = tmp_path / exporter_class.root / f"train-000000.{ending}"
    target.parent.mkdir()
    target.symlink_to("/dev/full")
    exporter = exporter_class()
    exporter.begin(0, tmp_path)
    with pytest.raises(OutputError, match=r"disk is full.*resumes the run"):
        for i in range(2):
            exporter.write([Sample(tools.sample(i).pair, b"x" * size, "jpg")])
        exporter.end()
    exporter.abort()
    target.unlink()
    exporter.begin(0, tmp_path)
    exporter.write([tools.sample(0)])
    (name,) = exporter.end()
    assert len(list(exporter.read(tmp_path / name))) == 1


def test_a_folder_that_cannot_be_made_is_an_output_error(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / exporter_class.root).write_bytes(b"a file")
    exporter = exporter_class()
    exporter.begin(0, tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        exporter.write([tools.sample(0)])
    exporter.abort()


def open_files() -> int:
    """Files this process has open; 0 where the system does not say."""
    handles = Path("/proc/self/fd")
    return len(list(handles.iterdir())) if handles.exists() else 0


@pytest.mark.filterwarnings("error")
def test_abort_is_quiet_and_may_come_any_time(
    exporter_class: type[Exporter], tools: SimpleNamespace, tmp_path: Path
) -> None:
    exporter = exporter_class()
    exporter.abort()
    exporter.begin(0, tmp_path)
    exporter.write(tools.samples(16))
    before = open_files()
    exporter.abort()
    exporter.abort()
    assert open_files() in (0, before - 3)
    exporter.close()
    exporter.begin(0, tmp_path)
    assert exporter.end() == {}


# -- WebDataset -------------------------------------------------------------------------------------


def test_members_are_contiguous_sorted_and_the_same_for_all(tools: SimpleNamespace, tmp_path: Path) -> None:
    for suffix, order in (("jpg", ["jpg", "json", "txt"]), ("png", ["json", "png", "txt"])):
        samples = [tools.sample(i, empty=i < 3, suffix=suffix) for i in range(7)]
        (name,) = tools.export(WebDatasetExporter(), [samples], tmp_path / suffix)
        names = [entry.name for entry in tar_index(tmp_path / suffix / name)]
        assert names == [f"{sample.pair.key}.{member}" for sample in samples for member in order]


def test_json_keys_are_sorted_and_text_falls_back_to_the_caption(
    tools: SimpleNamespace, tmp_path: Path
) -> None:
    samples = [tools.sample(0), tools.sample(1, empty=True)]
    (name,) = tools.export(WebDatasetExporter(), [samples], tmp_path)
    with tarfile.open(tmp_path / name) as archive:
        data = {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]
    for sample in samples:
        row = json.loads(data[f"{sample.pair.key}.json"])
        assert list(row) == sorted(row)
        assert row == pair_row(sample.pair)
    assert data[f"{samples[0].pair.key}.txt"].decode() == samples[0].pair.subcaption
    assert data[f"{samples[1].pair.key}.txt"].decode() == samples[1].pair.caption


def test_long_keys_survive(tools: SimpleNamespace, tmp_path: Path) -> None:
    samples = [with_key(tools.sample(i), "k" * (90 + 5 * i)) for i in range(8)]
    (name,) = tools.export(WebDatasetExporter(), [samples], tmp_path)
    assert [pair.key for pair, _ in WebDatasetExporter.read(tmp_path / name)] == [s.pair.key for s in samples]


def test_dotted_plos_names_survive(tools: SimpleNamespace, tmp_path: Path) -> None:
    pair_id = "10.1371_journal.pone.0000217/pone.0000217.g001/b"
    pair = msgspec.structs.replace(tools.sample(0).pair, id=pair_id, key=webdataset_key(pair_id))
    (name,) = tools.export(WebDatasetExporter(), [[Sample(pair, b"image", "jpg")]], tmp_path)
    ((read, image),) = WebDatasetExporter.read(tmp_path / name)
    assert (read.id, read.image.href, image) == (pair_id, "pone.0000217.g001", b"image")


def test_index_finds_each_image(tools: SimpleNamespace, tmp_path: Path) -> None:
    samples = [tools.sample(i) for i in range(9)]
    (name,) = tools.export(WebDatasetExporter(), [samples], tmp_path)
    raw = (tmp_path / name).read_bytes()
    offsets = {e.key: (e.offset, e.size) for e in tar_index(tmp_path / name) if e.suffix == "jpg"}
    for sample in samples:
        offset, size = offsets[sample.pair.key]
        assert raw[offset : offset + size] == sample.image


def test_sizes_cover_all_shards_and_are_true(tools: SimpleNamespace, tmp_path: Path) -> None:
    tools.export(WebDatasetExporter(), [tools.samples(30), tools.samples(3)], tmp_path)
    root = tmp_path / "webdataset"
    sizes = json.loads((root / "sizes.json").read_bytes())
    assert set(sizes) == {path.name for path in root.glob("*.tar")}
    for name, rows in sizes.items():
        assert rows == len({entry.key for entry in tar_index(root / name)})


def test_cut_shards_give_what_is_whole_and_then_fail(tools: SimpleNamespace, tmp_path: Path) -> None:
    samples = [tools.sample(i) for i in range(6)]
    (name,) = tools.export(WebDatasetExporter(), [samples], tmp_path)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    read = []
    with pytest.raises(InputError, match=r"cut short|damaged|end mark"):
        for pair, _ in WebDatasetExporter.read(tmp_path / name):
            read.append(pair)
    assert read
    assert read == [sample.pair for sample in samples[: len(read)]]


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("suffix", ["pyd", "pickle", "pth"])
def test_pickles_are_never_loaded(tools: SimpleNamespace, tmp_path: Path, suffix: str) -> None:
    """webdataset's own decoders unpickle these; ours hands the bytes on."""
    bomb = pickle.dumps(Bomb())
    with pytest.raises(pytest.fail.Exception):
        pickle.loads(bomb)
    sample = tools.sample(0)
    row = json.dumps(pair_row(sample.pair)).encode()
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, data in ((f"k.{suffix}", bomb), ("k.json", row)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    assert list(WebDatasetExporter.read(tmp_path / "a.tar")) == [(sample.pair, bomb)]


@pytest.mark.parametrize(
    "members",
    [
        {"jpg": b"1"},
        {"json": b"{}"},
        {"jpg": b"1", "json": b"{}"},
        {"jpg": b"1", "json": b"not json"},
        {"jpg": b"1", "png": b"2", "json": b"{}"},
    ],
)
def test_foreign_shards_are_input_errors(tmp_path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for suffix, data in members.items():
            info = tarfile.TarInfo(f"k.{suffix}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(InputError):
        list(WebDatasetExporter.read(tmp_path / "a.tar"))


# -- Parquet ----------------------------------------------------------------------------------------


def test_row_groups_are_bounded_in_bytes_and_rows(tools: SimpleNamespace, tmp_path: Path) -> None:
    sizes = [300_000] * 7 + [2_000_000] + [10] * 25 + [500_000]
    samples = [Sample(tools.sample(i).pair, os.urandom(size), "jpg") for i, size in enumerate(sizes)]
    exporter = ParquetExporter({"row_group_mb": 1, "row_group_rows": 10})
    (name,) = tools.export(exporter, [samples], tmp_path)
    facts = pq.ParquetFile(tmp_path / name).metadata
    groups = [facts.row_group(i) for i in range(facts.num_row_groups)]
    assert [group.num_rows for group in groups] == [3, 3, 1, 1, 10, 10, 6]
    images = [group.column(0) for group in groups]
    assert {column.path_in_schema for column in images} == {"image.bytes"}
    assert all(
        c.total_compressed_size < (1 << 20) or g.num_rows == 1 for c, g in zip(images, groups, strict=True)
    )
    read = list(ParquetExporter.read(tmp_path / name))
    assert read == [(sample.pair, sample.image) for sample in samples]


def test_images_are_stored_as_they_are_and_text_is_compressed(tools: SimpleNamespace, tmp_path: Path) -> None:
    (name,) = tools.export(ParquetExporter(), [[tools.sample(i) for i in range(9)]], tmp_path)
    group = pq.ParquetFile(tmp_path / name).metadata.row_group(0)
    codecs = {group.column(i).path_in_schema: group.column(i).compression for i in range(group.num_columns)}
    assert codecs.pop("image.bytes") == "UNCOMPRESSED"
    assert set(codecs.values()) == {"ZSTD"}
    assert "mentions.list.element.spans.list.element.labels.list.element" in codecs


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_broken_parquet_is_an_input_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(InputError, match="no readable Parquet"):
        list(ParquetExporter.read(tmp_path / "a.parquet"))


def test_a_missing_file_is_reported_as_missing(exporter_class: type[Exporter], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(exporter_class.read(tmp_path / "none"))
