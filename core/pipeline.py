"""Taking one unit through all stages: fetch, decode, detect, read, split, align, classify, export.

Records travel forward only; an image is decoded once; a batch that raises is run again one by one, so
that one bad item costs one item. What a unit writes is a function of its articles and the run's
identity: no clock, no host, no order of arrival.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .align import Aligned, align
from .config import RunConfig
from .decode import Decoded, ImageLimits, decode
from .encode import Encoded, Encoder
from .errors import InputError, OutputError, PluginError, TransientError, UsageError
from .filters import article_drop, figure_drop, panel_drop
from .identity import build_stage, made_by
from .images import FigureImage
from .panels import make_panels
from .records import (
    Article,
    ArticleRef,
    Drop,
    Failure,
    FailureKind,
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

GROUP = 8
"""Articles fetched together and processed as one stream of figures; bounds memory."""
BATCH_PIXELS = 48_000_000
"""Decoded pixels (of all figures of a batch) held at once, about."""

T = TypeVar("T")
A = TypeVar("A")


@dataclass
class Progress:
    """What a worker tells while it works on a unit."""

    event: str
    """``begin`` / ``end`` of a group of articles, ``step`` after each batch of figures."""
    articles: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class Work:
    """One figure on its way: its records and its decoded image."""

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
        self.pipe, self.unit, self.folder, self.attempt, self.report = pipe, unit, folder, attempt, report
        self.config = pipe.config
        self.limits = ImageLimits(max_pixels=self.config.limits.max_pixels)
        self.encoder = Encoder(self.config.image)
        self.refs = {ref.id: ref for ref in unit.articles}
        self.counts: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.articles: list[Article] = []
        self.losses: list[Failure | Drop] = []
        self.keys: set[str] = set()

    def run(self, suspects: frozenset[str], lost: Sequence[Failure]) -> Receipt:
        started = time.perf_counter()
        files: dict[str, FileInfo] = {}
        skip = {failure.id for failure in lost}
        for failure in lost:
            self._lose(failure)
        refs = [ref for ref in self.unit.articles if ref.id not in skip]
        try:
            with self._clock("export"):
                for exporter in self.pipe.exporters:
                    exporter.begin(self.unit.index, self.folder)
            for group in _groups(refs, suspects):
                self._group(group)
            with self._clock("export"):
                for exporter in self.pipe.exporters:
                    files.update(exporter.end())
                files.update(self._side_files())
        except BaseException:
            for exporter in self.pipe.exporters:
                exporter.abort()
            raise
        self.seconds["wall"] = time.perf_counter() - started
        return Receipt(
            unit=self.unit.index,
            attempt=self.attempt,
            files=dict(sorted(files.items())),
            counts=dict(sorted(self.counts.items())),
            seconds={name: round(value, 6) for name, value in sorted(self.seconds.items())},
        )

    def _side_files(self) -> dict[str, FileInfo]:
        """The unit's article table and its list of losses."""
        files = {}
        index = f"{self.unit.index:06d}"
        if self.articles:
            name = f"articles/articles-{index}.parquet"
            (self.folder / "articles").mkdir(parents=True, exist_ok=True)
            files[name] = write_articles(self.folder / name, self.articles)
        if self.losses:
            name = f"failures/{index}.jsonl"
            files[name] = write_lines(self.folder / name, self.losses)
        return files

    # -- articles -------------------------------------------------------------------------------

    def _group(self, refs: Sequence[ArticleRef]) -> None:
        ids = tuple(ref.id for ref in refs)
        self.report(Progress("begin", ids))
        with self._clock("fetch"):
            documents = self._guarded("fetch", refs, lambda ref: ref.id, self.pipe.source.fetch)
        kept = [d for d in documents if self._take(d) and isinstance(d, Document)]
        try:
            for batch in self._batches(kept):
                self._figures(batch)
                self.report(Progress("step", (), dict(self.counts), dict(self.seconds)))
        finally:
            for document in documents:
                if isinstance(document, Document):
                    document.close()
        self.report(Progress("end", ids, dict(self.counts), dict(self.seconds)))

    def _take(self, document: Document | Failure | Drop) -> bool:
        """Book a fetched article; False where it goes no further."""
        if not isinstance(document, Document):
            self._lose(document)
            return False
        article = document.article
        only = self.refs[article.id].only
        losses: list[Failure | Drop] = [*document.failures, *document.drops]
        for loss in losses:
            if wanted(loss.id, only):
                self._lose(loss)
        drop = article_drop(article, self.config.filters)
        if drop is not None:
            self._lose(drop)
            return False
        if not only:
            self.counts["articles"] += 1
            self.articles.append(article)
        return True

    def _batches(self, documents: Iterable[Document]) -> Iterator[list[Work]]:
        """Decoded figures in document order, bounded by number and by pixels."""
        batch: list[Work] = []
        pixels = 0
        for work in self._decoded(documents):
            size = work.image.width * work.image.height
            if batch and (len(batch) >= self.pipe.detector.resources.batch or pixels + size > BATCH_PIXELS):
                yield batch
                batch, pixels = [], 0
            batch.append(work)
            pixels += size
        if batch:
            yield batch

    def _decoded(self, documents: Iterable[Document]) -> Iterator[Work]:
        for document in documents:
            for figure in document.figures:
                if not wanted(figure.id, self.refs[document.article.id].only):
                    continue
                self.counts["figures"] += 1
                drop = figure_drop(figure, self.config.filters)
                if drop is not None:
                    self._lose(drop)
                    continue
                work = self._load(document, figure)
                if isinstance(work, Failure):
                    self._lose(work)
                else:
                    yield work

    def _load(self, document: Document, figure: Figure) -> Work | Failure:
        def read(figures: Sequence[Figure]) -> list[bytes]:
            return [document.read(each) for each in figures]

        with self._clock("fetch"):
            data = self._guarded("fetch", [figure], lambda f: f.id, read)[0]
        if isinstance(data, Failure):
            return data
        with self._clock("decode"):
            decoded = self._guarded(
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
        return Work(document, _replace(figure, image=image), decoded, data)

    # -- figures --------------------------------------------------------------------------------

    def _figures(self, works: Sequence[Work]) -> None:
        """Detect, read, split, align, classify and export one batch of figures."""
        with self._clock("detect"):
            # Similar shapes together let a detector pad little; answers go back to document order.
            order = sorted(range(len(works)), key=lambda i: (works[i].image.width, works[i].image.height, i))
            found = self._guarded(
                "detect", [works[i].image for i in order], _image_id, self.pipe.detector.detect
            )
            detections = dict(zip(order, found, strict=True))
        live: list[tuple[Work, list[Panel]]] = []
        for index, work in enumerate(works):
            answer = detections[index]
            if isinstance(answer, Failure):
                self._lose(answer)
                continue
            panels = make_panels(
                work.figure.id, answer, work.image.width, work.image.height, self.config.limits.max_panels
            )
            live.append((work, panels))
        letters = self._letters(live)
        parts = self._parts([work for work, _ in live], letters)
        pairs: list[tuple[Work, Pair]] = []
        with self._clock("align"):
            for (work, panels), seen, split in zip(live, letters, parts, strict=True):
                if isinstance(seen, Failure) or isinstance(split, Failure):
                    self._lose(seen if isinstance(seen, Failure) else split)  # type: ignore[arg-type]
                    continue
                pairs += [(work, pair) for pair in self._pairs(work, align(panels, split, seen))]
        self._export(self._classified(pairs))

    def _letters(self, live: Sequence[tuple[Work, list[Panel]]]) -> Sequence[Sequence[Letter] | Failure]:
        reader = self.pipe.reader
        if reader is None:
            return [()] * len(live)

        def read(items: Sequence[tuple[Work, list[Panel]]]) -> Sequence[Sequence[Letter]]:
            return reader.read([work.image for work, _ in items], [panels for _, panels in items])

        with self._clock("read"):
            return self._guarded("read", live, lambda item: item[0].figure.id, read)

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
        with self._clock("split"):
            return self._guarded(
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
            if not wanted(pair_id, self.refs[article.id].only):
                continue
            self.counts["panels"] += 1
            drop = panel_drop(pair_id, panel.box, self.config.filters)
            if drop is not None:
                self._lose(drop)
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
                split=split_of(article.id, self.config),
                made_by=self.pipe.made_by,
            )

    def _classified(self, pairs: Sequence[tuple[Work, Pair]]) -> list[tuple[Work, Pair]]:
        classifier = self.pipe.classifier
        if classifier is None:
            return list(pairs)

        def classify(items: Sequence[tuple[Work, Pair]]) -> Sequence[Modality]:
            return classifier.classify(
                [PanelImage(work.image, pair.box, pair.subcaption) for work, pair in items]
            )

        out: list[tuple[Work, Pair]] = []
        size = classifier.resources.batch
        with self._clock("classify"):
            for start in range(0, len(pairs), size):
                items = pairs[start : start + size]
                answers = self._guarded("classify", items, lambda item: item[1].id, classify)
                for (work, pair), answer in zip(items, answers, strict=True):
                    if isinstance(answer, Failure):
                        self._lose(answer)
                    else:
                        out.append((work, _replace(pair, modality=answer)))
        return out

    def _export(self, pairs: Sequence[tuple[Work, Pair]]) -> None:
        samples: list[Sample] = []
        with self._clock("encode"):

            def encode(items: Sequence[tuple[Work, Pair]]) -> list[Encoded]:
                return [self.encoder.panel(w.decoded, w.data, p.box) for w, p in items]

            encoded = self._guarded("encode", pairs, lambda item: item[1].id, encode)
            for (_, pair), answer in zip(pairs, encoded, strict=True):
                if isinstance(answer, Failure):
                    self._lose(answer)
                    continue
                pair = _replace(pair, sha256=answer.sha256, width=answer.width, height=answer.height)
                self._book(pair)
                samples.append(Sample(pair, answer.data, self.encoder.suffix))
        with self._clock("export"):
            for exporter in self.pipe.exporters:
                exporter.write(samples)

    # -- books ----------------------------------------------------------------------------------

    def _book(self, pair: Pair) -> None:
        if pair.key in self.keys:
            raise PluginError(f"two pairs have the key {pair.key!r}; figure ids must be unique")
        self.keys.add(pair.key)
        self.counts["pairs"] += 1
        self.counts[f"license.{pair.license.code}"] += 1
        self.counts[f"alignment.{pair.alignment.method}"] += 1
        self.counts[f"split.{pair.split}"] += 1

    def _lose(self, loss: Failure | Drop) -> None:
        self.losses.append(loss)
        if isinstance(loss, Failure):
            self.counts[f"failed.{loss.kind}"] += 1
        else:
            self.counts[f"dropped.{loss.reason}"] += 1

    def _guarded(
        self,
        stage: str,
        items: Sequence[T],
        name: Callable[[T], str],
        call: Callable[[Sequence[T]], Sequence[A]],
    ) -> list[A | Failure]:
        """``call(items)`` with one answer per item; on an exception again one by one."""
        if not items:
            return []
        try:
            answers = call(items)
            if len(answers) != len(items):
                raise PluginError(f"{stage} gave {len(answers)} answers for {len(items)} inputs")
            return list(answers)
        except (OutputError, UsageError):
            raise
        except Exception as error:
            if len(items) == 1:
                attempt = self._attempt_of(name(items[0]))
                return [failure_of(name(items[0]), stage, error, attempt)]
        return [answer for item in items for answer in self._guarded(stage, [item], name, call)]

    def _attempt_of(self, item: str) -> int:
        ref = self.refs.get(item.split("/", 1)[0])
        return ref.attempt if ref is not None else 0

    @contextmanager
    def _clock(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - started


def failure_of(item: str, stage: str, error: BaseException, attempt: int = 0) -> Failure:
    """The record of an exception: transient, input or bug by its type, with its place if a bug."""
    kind: FailureKind = "bug"
    text = str(error) or type(error).__name__
    if isinstance(error, TransientError):
        kind = "transient"
    elif isinstance(error, InputError):
        kind = "input"
    else:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = ""
        if frame is not None:
            place = f" ({Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno})"
        text = f"{type(error).__name__}: {text}{place}"
    return Failure(id=item, stage=stage, kind=kind, error=text[:2000], attempt=attempt)


def split_of(article: str, config: RunConfig) -> Split:
    """The split of an article: by a hash of its id, so that no article stands in two splits."""
    splits = config.splits
    digest = hashlib.sha256(f"{splits.salt}{article}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    if point < splits.test:
        return "test"
    if point < splits.test + splits.validation:
        return "validation"
    return "train"


def _groups(refs: Sequence[ArticleRef], suspects: frozenset[str]) -> Iterator[list[ArticleRef]]:
    """Groups of articles in order, each suspect alone."""
    group: list[ArticleRef] = []
    for ref in refs:
        if ref.id in suspects:
            if group:
                yield group
            yield [ref]
            group = []
            continue
        group.append(ref)
        if len(group) == GROUP:
            yield group
            group = []
    if group:
        yield group


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


def _image_id(image: FigureImage) -> str:
    return image.figure.id


def _replace(record: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(record, **changes)
