"""The shared row of a pair and of an article: round trips, typing, and the file it is written to."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pmcx.core.errors import InputError, OutputError
from pmcx.core.files import HashingFile
from pmcx.core.records import Alignment, Article, Author, Ids, License, Mention, MentionSpan, to_json
from pmcx.core.schema import (
    article_schema,
    article_table,
    mention_text,
    pair_row,
    pair_schema,
    read_articles,
    row_pair,
    write_articles,
)

ARTICLES = [
    Article(
        id="PMC7450322.1",
        source="folder",
        ids=Ids(pmid="123", pmcid="PMC7450322", doi="10.1/x", version="1", publisher_id="p"),
        license=License(code="CC BY", spdx="CC-BY-4.0", url="u", source="ali:license_ref", evidence="e"),
        attribution="Doe 2020",
        title="T",
        journal="J",
        publisher="P",
        date="2020-03",
        article_type="research-article",
        language="en",
        subjects=("Biology",),
        keywords=("k1", "k2"),
        abstract="A\nB",
        authors=(Author(surname="Doe", given="Jane", orcid="0000-0001"),),
        retracted=True,
    ),
    Article(id="empty"),
]


def test_rows_have_the_schemas_fields_in_its_order(tools: SimpleNamespace) -> None:
    assert list(pair_row(tools.sample(1).pair)) == pair_schema().names
    assert article_table(ARTICLES).schema.equals(article_schema(), check_metadata=True)


@pytest.mark.parametrize("schema", [pair_schema, article_schema])
def test_every_field_is_documented(schema: Any) -> None:
    assert all(len(field.metadata[b"description"]) > 3 for field in schema())


@pytest.mark.parametrize("empty", [False, True])
def test_a_row_is_typed_without_nulls(tools: SimpleNamespace, empty: bool) -> None:
    row = pair_row(tools.sample(3, empty=empty).pair)
    assert b"null" not in to_json(row)
    table = pa.Table.from_pylist([row], schema=pair_schema())
    table.validate(full=True)
    assert table.to_pylist() == [row]
    for name in ("caption", "subcaption", "mention_text", "title", "license", "license_url", "attribution"):
        assert isinstance(row[name], str)
    assert len(row["box"]) == 4


def test_a_score_that_json_cannot_hold_is_refused(tools: SimpleNamespace) -> None:
    pair = msgspec.structs.replace(tools.sample(1).pair, alignment=Alignment(score=float("nan")))
    with pytest.raises(ValueError, match="not all finite"):
        pair_row(pair)


def test_made_by_does_not_depend_on_the_exporter(tools: SimpleNamespace) -> None:
    pair = tools.sample(1).pair
    other = msgspec.structs.replace(pair, made_by={**pair.made_by, "exporter": "parquet 9"})
    assert pair_row(other) == pair_row(pair)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "newer pmcx"),
        ({"box": [1, 2, 3]}, "no pmcx pair"),
        ({"alignment": "guess"}, "no pmcx pair"),
        ({"caption": None}, "no pmcx pair"),
        ({"spans": [{"start": 1}]}, "no pmcx pair"),
        ({"made_by": None}, "no pmcx pair"),
    ],
)
def test_foreign_rows_are_input_errors(
    tools: SimpleNamespace, change: dict[str, object], message: str
) -> None:
    row = pair_row(tools.sample(1).pair)
    with pytest.raises(InputError, match=message):
        row_pair({**row, **change})


@pytest.mark.parametrize("row", [{}, [], "text", None, {"schema_version": "1"}])
def test_what_is_no_row_is_an_input_error(row: Any) -> None:
    with pytest.raises(InputError):
        row_pair(row)


def test_mention_text_puts_the_panels_own_paragraphs_first() -> None:
    def cites(text: str, *labels: tuple[str, ...]) -> Mention:
        spans = tuple(MentionSpan(start=0, end=1, labels=names) for names in labels)
        return Mention(paragraph=text, text=text, spans=spans)

    mentions = [
        cites("other", ("A",)),
        cites("whole", ()),
        cites("mine", ("A",), ("C", "B")),
        cites("whole", ()),
        cites("", ("B",)),
        cites("both", ("A",), ()),
    ]
    assert mention_text(mentions, "b") == "mine\nwhole\nboth\nother"
    assert mention_text(mentions, "") == "whole\nboth\nother\nmine"
    assert mention_text([], "B") == ""


def test_articles_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "articles" / "articles-000017.parquet"
    info = write_articles(path, ARTICLES)
    data = path.read_bytes()
    assert (info.sha256, info.size, info.rows) == (hashlib.sha256(data).hexdigest(), len(data), 2)
    assert list(read_articles(path)) == ARTICLES
    again = write_articles(tmp_path / "again.parquet", ARTICLES)
    assert again == info


def test_no_articles_still_give_a_typed_table(tmp_path: Path) -> None:
    info = write_articles(tmp_path / "a.parquet", [])
    assert info.rows == 0
    assert pq.read_schema(tmp_path / "a.parquet").names == article_schema().names
    assert list(read_articles(tmp_path / "a.parquet")) == []


def test_other_files_are_no_articles(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises(InputError, match="no readable Parquet"):
        list(read_articles(tmp_path / "a.parquet"))
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="no pmcx article"):
        list(read_articles(tmp_path / "b.parquet"))


# -- HashingFile ------------------------------------------------------------------------------------


def test_hash_and_size_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    file = HashingFile(path, buffer=10)
    for block in (b"abc", b"", b"d" * 25, b"e"):
        assert file.write(block) == len(block)
    assert file.tell() == 29
    info = file.finish(rows=7)
    data = path.read_bytes()
    assert data == b"abc" + b"d" * 25 + b"e"
    assert (info.sha256, info.size, info.rows) == (hashlib.sha256(data).hexdigest(), 29, 7)
    file.close()


def test_short_writes_are_continued(tmp_path: Path) -> None:
    file = HashingFile(tmp_path / "file")
    raw = file._file

    class Short:
        def __getattr__(self, name: str) -> Any:
            return getattr(raw, name)

        def write(self, data: memoryview) -> int:
            return raw.write(data[:3])

    file._file = Short()  # type: ignore[assignment]
    file.write(b"0123456789")
    file.finish(rows=1)
    assert (tmp_path / "file").read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "resumes the run"),
    ],
)
def test_what_the_disk_refuses_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    class Refusing:
        def write(self, data: memoryview) -> int:
            raise OSError(number, errno.errorcode[number])

        def fileno(self) -> int:
            return -1

        def close(self) -> None:
            raise OSError(number, "close")

    file = HashingFile(tmp_path / "file")
    file._file.close()
    file._file = Refusing()  # type: ignore[assignment]
    file.write(b"x")
    with pytest.raises(OutputError, match=message) as caught:
        file.finish(rows=0)
    assert str(tmp_path / "file") in str(caught.value)
    file.close()

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, errno.errorcode[number])

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OutputError, match=message):
        HashingFile(tmp_path / "other")


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        write_articles(tmp_path / "file" / "articles.parquet", ARTICLES)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_while_articles_are_written(tmp_path: Path) -> None:
    (tmp_path / "articles.parquet").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="disk is full"):
        write_articles(tmp_path / "articles.parquet", ARTICLES)


def test_listing_exporters_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pmcx.exporters.plugin import pmcx_exporters; pmcx_exporters();"
        "import pmcx.core.schema;"
        "print([m for m in ('pyarrow', 'numpy', 'PIL', 'lxml', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
