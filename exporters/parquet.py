"""Parquet files with embedded images, as Hugging Face ``datasets``, DuckDB and pandas read them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..core.errors import InputError
from ..core.files import HashingFile
from ..core.records import FileInfo, Pair, to_json
from ..core.schema import pair_row, pair_schema, read_batches, row_pair
from ..core.stages import Options, Resources, RunSummary, Sample
from .shards import ShardExporter, ShardFile

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetOptions(Options):
    """Bounds of a row group: what a reader must hold to look at one row."""

    row_group_mb: int = Field(default=32, ge=1, le=64)
    """Images and text of a row group, in MiB; only a single larger image exceeds it."""
    row_group_rows: int = Field(default=1000, ge=1, le=100_000)


class ParquetExporter(ShardExporter):
    """One row a pair: the columns of :func:`~pmcx.core.schema.pair_schema` after the image.

    ``image`` is ``struct<bytes, path>`` with the schema metadata that makes ``datasets`` decode it.
    Images are stored as they are, everything else with zstd.
    """

    name = "parquet"
    root = "parquet"
    extension = "parquet"
    Options = ParquetOptions
    resources = Resources(memory_mb=384)

    def prepare(self, sample: Sample) -> tuple[dict[str, Any], int]:
        row = pair_row(sample.pair)
        # encoding finds text that is no Unicode now, not when the row group is written
        size = len(sample.image) + len(to_json(row))
        image = {"bytes": sample.image, "path": f"{sample.pair.key}.{sample.suffix}"}
        return {"image": image, **row}, size

    def open_file(self, path: Path) -> ShardFile:
        return _ParquetFile(path, self.options.row_group_mb << 20, self.options.row_group_rows)

    def finalize(self, summary: RunSummary) -> Mapping[str, bytes]:
        """The dataset card."""
        from .card import parquet_card

        return {f"{self.root}/README.md": parquet_card(summary)}

    @classmethod
    def read(cls, path: Path) -> Iterator[tuple[Pair, bytes]]:
        """The pairs and images of one file, lazily, in order; InputError where it is none of ours."""
        for batch in read_batches(path, 32):
            for row in batch.to_pylist():
                yield row_pair(row), _image_bytes(row, path)


def _image_bytes(row: Mapping[str, Any], path: Path) -> bytes:
    image = row.get("image")
    data = image.get("bytes") if isinstance(image, dict) else None
    if not isinstance(data, bytes):
        raise InputError(f"{path}: row {row['key']!r} has no image bytes")
    return data


def file_schema() -> pa.Schema:
    """:func:`pair_schema` with the image column first, and the metadata ``datasets`` decodes it by."""
    import pyarrow as pa

    schema = pair_schema()
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    image = pa.field("image", kind, metadata={"description": "The panel image: encoded bytes, file name."})
    features = json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})
    return pa.schema([image, *schema], metadata={**schema.metadata, "huggingface": features})


def _leaves(kind: pa.DataType, path: str) -> Iterator[str]:
    """Paths of the Parquet columns below a field (``mentions.list.element.text``)."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(field.type, f"{path}.{field.name}")
    elif pa.types.is_list(kind):
        yield from _leaves(kind.value_type, f"{path}.list.element")
    else:
        yield path


class _ParquetFile:
    """Collects rows and writes a row group when the next row would exceed the bounds."""

    def __init__(self, path: Path, max_bytes: int, max_rows: int) -> None:
        import pyarrow.parquet as pq

        self._max_bytes, self._max_rows = max_bytes, max_rows
        self._schema = file_schema()
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self._total = 0
        text = [leaf for field in self._schema for leaf in _leaves(field.type, field.name)]
        text.remove("image.bytes")
        self._out = HashingFile(path)
        self._writer = pq.ParquetWriter(
            self._out,
            self._schema,
            compression={"image.bytes": "none", **dict.fromkeys(text, "zstd")},
            use_dictionary=text,
            write_statistics=text,
        )

    def append(self, row: dict[str, Any], size: int) -> None:
        if self._rows and (len(self._rows) == self._max_rows or self._bytes + size > self._max_bytes):
            self._write_group()
        self._rows.append(row)
        self._bytes += size

    def _write_group(self) -> None:
        import pyarrow as pa

        table = pa.Table.from_pylist(self._rows, schema=self._schema)
        self._writer.write_table(table, row_group_size=len(self._rows))
        self._total += len(self._rows)
        self._rows, self._bytes = [], 0

    def finish(self) -> FileInfo:
        if self._rows:
            self._write_group()
        self._writer.close()
        return self._out.finish(self._total)

    def close(self) -> None:
        self._rows = []
        with contextlib.suppress(Exception):  # an open writer would complain when it is collected
            self._writer.close()
        self._out.close()
