"""WebDataset shards: ``<key>.jpg``, ``<key>.json``, ``<key>.txt`` (https://github.com/webdataset/webdataset)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from ..core.errors import InputError
from ..core.records import FileInfo, Pair, to_json
from ..core.schema import pair_row, row_pair
from ..core.stages import RunSummary, Sample
from .shards import ShardExporter, ShardFile
from .tar import TarWriter, read_samples, tar_index

Members = list[tuple[str, bytes]]


class WebDatasetExporter(ShardExporter):
    """Tar shards that webdataset, open_clip and ``datasets`` read as they are.

    Members of a sample follow each other in the order of their names: the image, the row of
    :func:`~pmcx.core.schema.pair_row` as JSON with sorted keys, and the training text (the
    sub-caption, or the whole caption where there is none).
    """

    name = "webdataset"
    root = "webdataset"
    extension = "tar"

    def prepare(self, sample: Sample) -> tuple[Members, int]:
        pair = sample.pair
        key = pair.key
        text = (pair.subcaption or pair.caption).encode()
        members = [
            (f"{key}.{sample.suffix}", sample.image),
            (f"{key}.json", to_json(pair_row(pair))),
            (f"{key}.txt", text),
        ]
        if sample.suffix > "json":
            members[0], members[1] = members[1], members[0]
        return members, sum(len(data) for _, data in members)

    def open_file(self, path: Path) -> ShardFile:
        return _Shard(path)

    def finalize(self, summary: RunSummary) -> Mapping[str, bytes]:
        """``sizes.json`` (samples of every shard by base name, as open_clip wants it) and the card."""
        from .card import webdataset_card

        tars = {name: info for name, info in summary.files.items() if name.endswith(f".{self.extension}")}
        sizes = {Path(name).name: info.rows for name, info in tars.items()}
        first = next((summary.path / name for name in sorted(tars)), None)
        return {
            f"{self.root}/sizes.json": to_json(sizes) + b"\n",
            f"{self.root}/README.md": webdataset_card(summary, image_suffix(first) if first else "jpg"),
        }

    @classmethod
    def read(cls, path: Path) -> Iterator[tuple[Pair, bytes]]:
        """The pairs and images of one shard, lazily, in order; InputError where it is none of ours."""
        for key, fields in read_samples(path):
            suffixes = [suffix for suffix in fields if suffix not in ("json", "txt")]
            if len(suffixes) != 1 or "json" not in fields:
                raise InputError(f"{path}: sample {key!r} has {sorted(fields)}, not one image and a json")
            try:
                row = msgspec.json.decode(fields["json"])
            except msgspec.DecodeError as error:
                raise InputError(f"{path}: {key}.json is no JSON: {error}") from error
            yield row_pair(row), fields[suffixes[0]]


class _Shard:
    def __init__(self, path: Path) -> None:
        self._tar = TarWriter(path)
        self._rows = 0

    def append(self, row: Members, size: int) -> None:
        for name, data in row:
            self._tar.add(name, data)
        self._rows += 1

    def finish(self) -> FileInfo:
        return self._tar.finish(self._rows)

    def close(self) -> None:
        self._tar.close()


def image_suffix(path: Path) -> str:
    """The suffix of the images in a shard, from the headers of its first sample."""
    return next(entry.suffix for entry in tar_index(path) if entry.suffix not in ("json", "txt"))
