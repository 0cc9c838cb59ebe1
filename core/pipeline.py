"""Taking one unit through all stages: fetch, decode, detect, read, split, align, classify, export.

Records travel forward only; an image is decoded once; a batch that raises is run again one by one, so
that one bad item costs one item. What a unit writes is a function of its articles and the run's
identity: no clock, no host, no order of arrival.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .align import Aligned, align
from .config import RunConfig
from .decode import Decoded, ImageLimits, decode
from .encode import Encoder
from .errors import PluginError
from .fetching import FetchAhead, Fetched, Fetcher, Group, Patience, close_documents, groups_of
from .filters import metadata_drop, panel_drop
from .identity import build_stage, made_by
from .images import FigureImage
from .ledger import Ledger, failure_of
from .panels import make_panels
from .progress import Progress
from .records import (
    Article,
    ArticleRef,
    Drop,
    Failure,
    Figure,
    FileInfo,
    Letter,
    Modality,
    Pair,
    Panel,
    Receipt,
    Split,
    Subcaption,
    Unit,
    to_json,
    wanted,
    webdataset_key,
)
from .registry import Registry
from .rundir import write_lines
from .schema import write_articles
from .stages import (
    Caption,
    Classifier,
    Detector,
    Document,
    Exporter,
    PanelImage,
    Reader,
    Sample,
    Source,
    Splitter,
)

BATCH_PIXELS = 48_000_000
"""Decoded pixels (of all figures of a batch) held at once, about."""


@dataclass
class Work:
    """One figure on its way: its records and its decoded image."""

    ref: ArticleRef
    document: Document
    figure: Figure
    decoded: Decoded
    data: bytes
    image: FigureImage = field(init=False)

    def __post_init__(self) -> None:
        self.image = FigureImage(self.figure, self.decoded.image)


class Pipeline:
    """The opened stages of one worker. Use as a context manager; call ``run_unit`` for each unit."""

    def __init__(self, config: RunConfig, registry: Registry) -> None:
        self.config = config
        self.made_by = made_by(config, registry)
        stages = [
            (kind, build_stage(registry, kind, stage.name, stage.options)) for kind, stage in config.stages()
        ]
        one: dict[str, Any] = {kind: stage for kind, stage in stages if kind != "exporter"}
        self.source: Source = one["source"]
        self.source.accept = partial(metadata_drop, filters=config.filters)
        self.detector: Detector = one["detector"]
        self.reader: Reader | None = one.get("reader")
        self.splitter: Splitter | None = one.get("splitter")
        self.classifier: Classifier | None = one.get("classifier")
        self.exporters = [stage for _, stage in stages if isinstance(stage, Exporter)]
        self._stages = [stage for _, stage in stages]
        self._stack = ExitStack()

    def __enter__(self) -> Pipeline:
        try:
            for stage in self._stages:
                self._stack.enter_context(stage)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def run_unit(
        self,
        unit: Unit,
        folder: Path,
        attempt: int = 1,
        report: Callable[[Progress], None] = lambda progress: None,
        suspects: frozenset[str] = frozenset(),
        lost: Sequence[Failure] = (),
    ) -> Receipt:
        """Process a unit and write its files below ``folder``.

        ``suspects`` are processed alone, so that a death shows which article caused it; the articles
        named by ``lost`` are not processed at all, their failures are recorded as given.
        """
        return _UnitRun(self, unit, folder, attempt, report).run(suspects, lost)


class _UnitRun:
    """The state of one unit while it is processed: books, clock, open exporters."""

    def __init__(
        self,
        pipe: Pipeline,
        unit: Unit,
        folder: Path,
        attempt: int,
        report: Callable[[Progress], None],
    ) -> None:
        self.pipe, self.unit, self.folder, self.attempt = pipe, unit, folder, attempt
        self._report, self._reporting = report, threading.Lock()
        self.patience = Patience(lambda: self.report(Progress("wait")), pipe.config.limits.fetch_timeout)
        self.config = pipe.config
        self.limits = ImageLimits(max_pixels=self.config.limits.max_pixels)
        self.encoder = Encoder(self.config.image)
        self.ledger = Ledger(unit)
        self.articles: list[Article] = []

    def run(self, suspects: frozenset[str], lost: Sequence[Failure]) -> Receipt:
        started = time.perf_counter()
        files: dict[str, FileInfo] = {}
        skip = {failure.id for failure in lost}
        for failure in lost:
            self.ledger.lose(failure)
        refs = [ref for ref in self.unit.articles if ref.id not in skip]
        try:
            with self.ledger.clock("export"):
                for exporter in self.pipe.exporters:
                    exporter.begin(self.unit.index, self.folder)
            self._articles(groups_of(refs, suspects), alone=bool(suspects))
            self.ledger.settle()
            with self.ledger.clock("export"):
                for exporter in self.pipe.exporters:
                    files.update(exporter.end())
                files.update(self._side_files())
        except BaseException:
            for exporter in self.pipe.exporters:
                exporter.abort()
            raise
        ledger = self.ledger
        ledger.seconds["wall"] = time.perf_counter() - started
        return Receipt(
            unit=self.unit.index,
            attempt=self.attempt,
            files=dict(sorted(files.items())),
            counts=dict(sorted(ledger.counts.items())),
            seconds={name: round(value, 6) for name, value in sorted(ledger.seconds.items())},
        )

    def _side_files(self) -> dict[str, FileInfo]:
        """The unit's article table and its list of losses."""
        files = {}
        index = f"{self.unit.index:06d}"
        if self.articles:
            name = f"articles/articles-{index}.parquet"
            files[name] = write_articles(self.folder / name, self.articles)
        if self.ledger.losses:
            name = f"failures/{index}.jsonl"
            files[name] = write_lines(self.folder / name, self.ledger.losses)
        return files

    # -- articles -------------------------------------------------------------------------------

    def report(self, progress: Progress) -> None:
        """Tell how far it is; from any thread, one at a time."""
        with self._reporting:
            self._report(progress)

    def _articles(self, groups: Sequence[Sequence[ArticleRef]], alone: bool) -> None:
        """Take groups of articles through; a source on a network fetches ahead, but no suspect's company."""
        ahead = 0 if alone else self.pipe.source.ahead
        fetcher = Fetcher(self.pipe.source, self.config.filters, self.ledger, self.report)
        with FetchAhead(groups, fetcher.fetch, ahead, self.pipe.source.cancel) as fetched, self.patience:
            following = iter(fetched)
            while True:
                with self._waiting():
                    group = next(following, None)
                if group is None:
                    return
                if ahead:
                    self.ledger.seconds["ahead"] += group.seconds
                self._group(group)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """The source is waited for: counted, and vouched for as long as that is within limits."""
        self.patience.begin()
        try:
            with self.ledger.clock("fetch"):
                yield
        finally:
            self.patience.end()

    def _group(self, group: Group) -> None:
        kept = [item for item in group.items if self._take(item)]
        try:
            for batch in self._batches(kept):
                self._figures(batch)
                self.report(Progress("step", (), dict(self.ledger.counts), dict(self.ledger.seconds)))
        finally:
            close_documents(group)
        ids = tuple(ref.id for ref in group.refs)
        self.report(Progress("end", ids, dict(self.ledger.counts), dict(self.ledger.seconds)))

    def _take(self, item: Fetched) -> bool:
        """Book a fetched article; False where it goes no further."""
        if not isinstance(item.answer, Document):
            self.ledger.lose(item.answer)
            return False
        article = item.answer.article
        only = self.ledger.only(article.id)
        losses: list[Failure | Drop] = [*item.answer.failures, *item.answer.drops]
        for loss in losses:
            if wanted(loss.id, only):
                self.ledger.lose(loss)
        if item.drop is not None:
            self.ledger.lose(item.drop)
            return False
        if not only:
            self.ledger.counts["articles"] += 1
            self.articles.append(article)
        return True

    def _batches(self, items: Iterable[Fetched]) -> Iterator[list[Work]]:
        """Decoded figures in document order, bounded by number and by pixels."""
        batch: list[Work] = []
        pixels = 0
        for work in self._decoded(items):
            size = work.image.width * work.image.height
            if batch and (len(batch) >= self.pipe.detector.resources.batch or pixels + size > BATCH_PIXELS):
                yield batch
                batch, pixels = [], 0
            batch.append(work)
            pixels += size
        if batch:
            yield batch

    def _decoded(self, items: Iterable[Fetched]) -> Iterator[Work]:
        for item in items:
            assert isinstance(item.answer, Document)
            for figure, drop in item.figures:
                self.ledger.seen("figures", figure.id)
                work = drop or self._load(item, figure)
                if isinstance(work, Work):
                    yield work
                else:
                    self.ledger.lose(work)

    def _load(self, item: Fetched, figure: Figure) -> Work | Failure:
        document = item.answer
        assert isinstance(document, Document)

        def read(figures: Sequence[Figure]) -> list[bytes]:
            return [document.read(each) for each in figures]

        with self._waiting():
            data = self.ledger.guarded("fetch", [figure], lambda f: f.id, read)[0]
        if isinstance(data, Failure):
            return data
        with self.ledger.clock("decode"):
            decoded = self.ledger.guarded(
                "decode", [data], lambda _: figure.id, lambda items: [decode(items[0], self.limits)]
            )[0]
            if isinstance(decoded, Failure):
                return decoded
            image = _replace(
                figure.image,
                sha256=hashlib.sha256(data).hexdigest(),
                format=decoded.format,
                width=decoded.width,
                height=decoded.height,
                size=len(data),
            )
        return Work(item.ref, document, _replace(figure, image=image), decoded, data)

    # -- figures --------------------------------------------------------------------------------

    def _figures(self, works: Sequence[Work]) -> None:
        """Detect, read, split, align, classify and export one batch of figures."""
        with self.ledger.clock("detect"):
            # Similar shapes together let a detector pad little; answers go back to document order.
            order = sorted(range(len(works)), key=lambda i: (works[i].image.width, works[i].image.height, i))
            found = self.ledger.guarded("detect", [works[i] for i in order], _figure_id, self._panels)
            panels = dict(zip(order, found, strict=True))
        live: list[tuple[Work, list[Panel]]] = []
        for index, work in enumerate(works):
            answer = panels[index]
            if isinstance(answer, Failure):
                self.ledger.lose(answer)
            else:
                live.append((work, answer))
        letters = self._letters(live)
        parts = self._parts([work for work, _ in live], letters)
        pairs: list[tuple[Work, Pair]] = []
        for (work, panels_), seen, split in zip(live, letters, parts, strict=True):
            if isinstance(seen, Failure) or isinstance(split, Failure):
                self.ledger.lose(seen if isinstance(seen, Failure) else split)  # type: ignore[arg-type]
                continue
            pairs += [(work, pair) for pair in self._aligned(work, panels_, split, seen)]
        self._export(self._classified(pairs))

    def _panels(self, works: Sequence[Work]) -> list[list[Panel]]:
        """The detector's answers as panels in reading order."""
        found = self.pipe.detector.detect([work.image for work in works])
        if len(found) != len(works):
            raise PluginError(f"detect gave {len(found)} answers for {len(works)} images")
        limit = self.config.limits.max_panels
        return [
            make_panels(work.figure.id, answer, work.image.width, work.image.height, limit)
            for work, answer in zip(works, found, strict=True)
        ]

    def _aligned(
        self, work: Work, panels: Sequence[Panel], parts: Sequence[Subcaption], letters: Sequence[Letter]
    ) -> list[Pair]:
        """The pairs of one figure; none, and a failure recorded, where they cannot be made."""
        with self.ledger.clock("align"):
            answer = self.ledger.guarded(
                "align", [work], _figure_id, lambda _: [align(panels, parts, letters)]
            )[0]
            if isinstance(answer, Failure):
                self.ledger.lose(answer)
                return []
            return list(self._pairs(work, answer))

    def _letters(self, live: Sequence[tuple[Work, list[Panel]]]) -> Sequence[Sequence[Letter] | Failure]:
        reader = self.pipe.reader
        if reader is None:
            return [()] * len(live)

        def read(items: Sequence[tuple[Work, list[Panel]]]) -> Sequence[Sequence[Letter]]:
            return reader.read([work.image for work, _ in items], [panels for _, panels in items])

        with self.ledger.clock("read"):
            return self.ledger.guarded("read", live, lambda item: item[0].figure.id, read)

    def _parts(
        self, works: Sequence[Work], letters: Sequence[Sequence[Letter] | Failure]
    ) -> Sequence[Sequence[Subcaption] | Failure]:
        splitter = self.pipe.splitter
        if splitter is None:
            return [()] * len(works)
        captions = [
            Caption(
                text=work.figure.caption,
                markup=work.figure.markup,
                labels=() if isinstance(seen, Failure) else tuple(letter.text for letter in seen),
            )
            for work, seen in zip(works, letters, strict=True)
        ]
        ids = [work.figure.id for work in works]
        with self.ledger.clock("split"):
            return self.ledger.guarded(
                "split",
                list(zip(ids, captions, strict=True)),
                lambda item: item[0],
                lambda items: splitter.split([caption for _, caption in items]),
            )

    def _pairs(self, work: Work, aligned: Sequence[Aligned]) -> Iterator[Pair]:
        figure, article = work.figure, work.document.article
        taken: set[str] = set()
        for item in aligned:
            panel = item.panel
            pair_id = _unique(f"{figure.id}/{panel.label or panel.id.rsplit('/', 1)[-1]}", taken)
            if not wanted(pair_id, self.ledger.only(pair_id)):
                continue
            self.ledger.seen("panels", pair_id)
            drop = panel_drop(pair_id, panel.box, self.config.filters)
            if drop is not None:
                self.ledger.lose(drop)
                continue
            yield Pair(
                id=pair_id,
                key=webdataset_key(pair_id),
                article=article.id,
                figure=figure.id,
                figure_label=figure.label,
                label=panel.label,
                box=panel.box,
                box_score=panel.score,
                image=figure.image,
                caption=figure.caption,
                subcaption=item.part.text if item.part else figure.caption,
                spans=item.part.spans if item.part else _whole(figure.caption),
                context=figure.context,
                alignment=item.alignment,
                mentions=figure.mentions,
                license=figure.license,
                attribution=article.attribution,
                title=article.title,
                journal=article.journal,
                date=article.date,
                ids=article.ids,
                split=split_of(work.ref.work, self.config),
                made_by=self.pipe.made_by,
            )

    def _classified(self, pairs: Sequence[tuple[Work, Pair]]) -> list[tuple[Work, Pair]]:
        classifier = self.pipe.classifier
        if classifier is None:
            return list(pairs)

        def classify(items: Sequence[tuple[Work, Pair]]) -> Sequence[Modality]:
            answers = classifier.classify(
                [PanelImage(work.image, pair.box, pair.subcaption) for work, pair in items]
            )
            if not all(isinstance(answer, Modality) for answer in answers):
                raise PluginError("classify must answer with a pmcx.Modality for each panel")
            return answers

        out: list[tuple[Work, Pair]] = []
        size = classifier.resources.batch
        with self.ledger.clock("classify"):
            for start in range(0, len(pairs), size):
                items = pairs[start : start + size]
                answers = self.ledger.guarded("classify", items, lambda item: item[1].id, classify)
                for (work, pair), answer in zip(items, answers, strict=True):
                    if isinstance(answer, Failure):
                        self.ledger.lose(answer)
                    else:
                        out.append((work, _replace(pair, modality=answer)))
        return out

    def _export(self, pairs: Sequence[tuple[Work, Pair]]) -> None:
        samples: list[Sample] = []
        with self.ledger.clock("encode"):
            encoded = self.ledger.guarded("encode", pairs, lambda item: item[1].id, self._encode)
            for (_, pair), answer in zip(pairs, encoded, strict=True):
                try:
                    if not isinstance(answer, Failure):
                        self.ledger.book(answer.pair)
                        samples.append(answer)
                        continue
                except PluginError as error:
                    answer = failure_of(pair.id, "encode", error)
                self.ledger.lose(answer)
        with self.ledger.clock("export"):
            for exporter in self.pipe.exporters:
                exporter.write(samples)

    def _encode(self, items: Sequence[tuple[Work, Pair]]) -> list[Sample]:
        samples = []
        for work, pair in items:
            image = self.encoder.panel(work.decoded, work.data, pair.box)
            pair = _replace(pair, sha256=image.sha256, width=image.width, height=image.height)
            to_json(pair)  # text that no exporter could write costs this pair, not the unit
            samples.append(Sample(pair, image.data, self.encoder.suffix))
        return samples


def split_of(work: str, config: RunConfig) -> Split:
    """The split of an article: by a hash of its work, so that no two versions stand in different ones."""
    splits = config.splits
    digest = hashlib.sha256(f"{splits.salt}{work}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    if point < splits.test:
        return "test"
    if point < splits.test + splits.validation:
        return "validation"
    return "train"


def _unique(item: str, taken: set[str]) -> str:
    """``item``, or ``item-2``, ``item-3`` … where a label occurs twice in a figure."""
    name, n = item, 1
    while name in taken:
        n += 1
        name = f"{item}-{n}"
    taken.add(name)
    return name


def _whole(caption: str) -> tuple[tuple[int, int], ...]:
    return ((0, len(caption)),) if caption else ()


def _figure_id(work: Work) -> str:
    return work.figure.id


def _replace(record: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(record, **changes)
