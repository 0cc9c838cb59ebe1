"""What the built-in exporters share: one file for each unit and split, opened when first needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ..core.errors import PluginError
from ..core.records import FileInfo
from ..core.stages import Exporter, Sample

_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SUFFIX = re.compile(r"[a-z0-9]+")


class ShardFile(Protocol):
    """One open output file."""

    def append(self, row: Any, size: int) -> None:
        """Take one prepared row of about ``size`` bytes; OutputError where the disk refuses."""

    def finish(self) -> FileInfo:
        """Complete the file durably."""

    def close(self) -> None:
        """Give the file up quietly; harmless after ``finish``."""


class ShardExporter(Exporter):
    """Writes ``<root>/<split>-<unit>.<extension>``; a subclass says how a row is made and stored.

    ``write`` prepares every row before it stores the first, so a batch that raises has left nothing.
    """

    extension: ClassVar[str]

    _folder: Path
    _unit: int
    _files: dict[str, ShardFile]
    _keys: set[str]
    _suffix: str

    def begin(self, unit: int, folder: Path) -> None:
        self.abort()
        self._unit, self._folder = unit, folder
        self._files, self._keys, self._suffix = {}, set(), ""

    def write(self, samples: Sequence[Sample]) -> Sequence[int]:
        """Append samples in order; PluginError for an unusable or repeated key or a second suffix."""
        self._check(samples)
        prepared = [self.prepare(sample) for sample in samples]
        for sample, (row, size) in zip(samples, prepared, strict=True):
            split = sample.pair.split
            if split not in self._files:
                self._files[split] = self.open_file(self._folder / self._name(split))
            self._files[split].append(row, size)
        self._suffix = samples[0].suffix if samples else self._suffix
        self._keys.update(sample.pair.key for sample in samples)
        return [size for _, size in prepared]

    def end(self) -> Mapping[str, FileInfo]:
        facts = {self._name(split): self._files[split].finish() for split in sorted(self._files)}
        self._files = {}
        return facts

    def abort(self) -> None:
        for file in getattr(self, "_files", {}).values():
            file.close()
        self._files = {}

    def close(self) -> None:
        self.abort()

    def prepare(self, sample: Sample) -> tuple[Any, int]:
        """The row to store and about how many bytes it takes; raises before anything is stored."""
        raise NotImplementedError

    def open_file(self, path: Path) -> ShardFile:
        """A new file of this format."""
        raise NotImplementedError

    def _name(self, split: str) -> str:
        return f"{self.root}/{split}-{self._unit:06d}.{self.extension}"

    def _check(self, samples: Sequence[Sample]) -> None:
        """Refuse what readers would mix up or drop without a word."""
        fresh: set[str] = set()
        suffix = self._suffix
        for sample in samples:
            key, suffix = sample.pair.key, suffix or sample.suffix
            if not _KEY.fullmatch(key):
                raise PluginError(
                    f"pair {sample.pair.id}: key {key!r} is not of [A-Za-z0-9_-]; a dot ends the key in "
                    "every WebDataset reader. Make keys with pmcx.core.records.webdataset_key"
                )
            if key in self._keys or key in fresh:
                raise PluginError(f"pair {sample.pair.id}: key {key!r} was written before in this unit")
            fresh.add(key)
            if sample.suffix != suffix or not _SUFFIX.fullmatch(suffix) or suffix in ("json", "txt"):
                raise PluginError(
                    f"pair {sample.pair.id}: image suffix {sample.suffix!r}, where "
                    f"{suffix!r} came first; a dataset has one, lower-case and without dots"
                )
