"""Reading a finished (or growing) run: pairs with their images, one at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from .config import load_config
from .errors import UsageError
from .records import Article, Pair, Receipt, Split, from_json, webdataset_key
from .registry import Registry
from .rundir import RunFolder
from .stages import Exporter
from .withdrawn import WITHDRAWN, Withdrawn

if TYPE_CHECKING:
    from PIL.Image import Image


class PairView:
    """A pair as read from a run: all fields of :class:`~pmcx.core.records.Pair`, and its image.

    ``image()`` decodes afresh at each call; ``data`` is the image file as exported.
    """

    __slots__ = ("data", "record")

    def __init__(self, record: Pair, data: bytes) -> None:
        self.record = record
        self.data = data

    def image(self) -> Image:
        """The panel as a Pillow image."""
        from PIL import Image as Pillow

        image = Pillow.open(io.BytesIO(self.data))
        image.load()
        return image

    @property
    def source_image(self) -> Any:
        """The :class:`~pmcx.core.records.ImageRef` the panel was cut from."""
        return self.record.image

    def __getattr__(self, name: str) -> Any:
        return getattr(self.record, name)

    def __repr__(self) -> str:
        return f"<pair {self.record.id} {self.record.width}x{self.record.height}>"


class Run:
    """A run folder opened for reading: iterate it for its pairs, unit by unit, lazily."""

    def __init__(self, path: Path | str, registry: Registry | None = None) -> None:
        self.folder = RunFolder(Path(path))
        self.folder.manifest()
        self.config = load_config(self.folder.path / "run.toml", {}, {})
        self.registry = registry or Registry.discover(self.config.blocked, self.config.plugins)
        classes: list[Any] = [self.registry.stage("exporter", s.name).cls for s in self.config.export]
        self.exporters: list[type[Exporter]] = classes

    @property
    def path(self) -> Path:
        return self.folder.path

    def __iter__(self) -> Iterator[PairView]:
        return self.pairs()

    def pairs(self, split: Split | None = None, withdrawn: bool = False) -> Iterator[PairView]:
        """The committed pairs, of one split or of all, unit by unit and split by split.

        Rows of articles that an extension of the run found changed, retracted or vanished are left
        out unless ``withdrawn``.
        """
        if split is not None and split not in get_args(Split):
            raise UsageError(f"there is no split {split!r}; the splits are {', '.join(get_args(Split))}")
        skipped = frozenset() if withdrawn else frozenset(each.article for each in self.withdrawn())
        for receipt in self.folder.receipts():
            for view in self._unit(receipt, split):
                if view.record.article not in skipped:
                    yield view

    def withdrawn(self) -> list[Withdrawn]:
        """The articles whose rows are out of date, and why (``withdrawn.jsonl``)."""
        file = self.path / WITHDRAWN
        lines = file.read_bytes().splitlines() if file.is_file() else []
        return [from_json(line, Withdrawn) for line in lines]

    def _unit(self, receipt: Receipt, split: Split | None = None) -> Iterator[PairView]:
        exporter = self.exporters[0]
        for name in receipt.files:
            root, _, file = name.partition("/")
            if root == exporter.root and (split is None or file.startswith(f"{split}-")):
                for pair, data in exporter.read(self.path / name):
                    yield PairView(pair, data)

    def __len__(self) -> int:
        """Pairs written, withdrawn ones included."""
        return self.folder.counts()["pairs"]

    def find(self, key: str) -> PairView:
        """The pair with this id or WebDataset key; UsageError where the run has none."""
        for unit in self._units_of(key):
            for view in self._unit(self.folder.receipt(unit)):
                if key in (view.record.key, view.record.id):
                    return view
        raise UsageError(f"{self.path} has no pair with the id or key {key!r}")

    def _units_of(self, key: str) -> Iterator[int]:
        """The committed units that hold the article a pair id or key belongs to."""
        committed = self.folder.committed()
        for unit in self.folder.units():
            if unit.index in committed and any(
                key.startswith((f"{ref.id}/", _stem(ref.id))) for ref in unit.articles
            ):
                yield unit.index

    def articles(self) -> Iterator[Article]:
        """The article records, from ``articles/*.parquet``."""
        from .schema import read_articles

        for receipt in self.folder.receipts():
            for name in receipt.files:
                if name.startswith("articles/"):
                    yield from read_articles(self.path / name)


def _stem(article: str) -> str:
    """What the WebDataset keys of an article's pairs begin with."""
    return webdataset_key(f"{article}/x").split("_x", 1)[0] + "_"


def open_run(path: Path | str) -> Run:
    """Open a run folder for reading; UsageError where there is none."""
    return Run(path)
