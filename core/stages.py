"""The contract of every kind of stage: what a plugin author subclasses.

A stage is named, takes typed options, is opened and closed once in each worker, and answers batches:
its one batch method returns **one answer per input, in order**. A stage may raise
:class:`~pmcx.core.errors.InputError` (this input is unusable) or
:class:`~pmcx.core.errors.TransientError` (try later); anything else that escapes counts as a bug. When
a batch raises, the engine runs it again one by one, so that one bad item costs one item.

Heavy libraries (torch, onnxruntime, pyarrow, numpy) are imported in ``open()`` or later, never at
module level: listing plugins must stay fast.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from .errors import InputError
from .records import (
    Article,
    ArticleRef,
    Box,
    Detection,
    Drop,
    Failure,
    Figure,
    FileInfo,
    Letter,
    Markup,
    Modality,
    Pair,
    Panel,
    Record,
    Subcaption,
)

if TYPE_CHECKING:
    from .images import FigureImage
    from .net.client import Client

KINDS = ("source", "detector", "reader", "splitter", "classifier", "exporter")
"""The kinds of stage, in the order in which an article meets them."""


class Options(BaseModel):
    """Base of a stage's options: typed, frozen; an unknown key is an error that names the nearest."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, coerce_numbers_to_str=True)


@dataclasses.dataclass(frozen=True)
class Resources:
    """What one worker needs for this stage."""

    batch: int = 16
    """Inputs for one call of the batch method, at most; the engine keeps to it."""
    gpu: bool = False
    """Whether it uses a GPU; told to people and schedulers, not enforced."""
    memory_mb: int = 256
    """Memory beside the inputs; told to people and schedulers, not enforced."""


class Stage:
    """Base of all stages. Subclass one of the kinds below and set ``name``."""

    kind: ClassVar[str]
    name: ClassVar[str]
    Options: ClassVar[type[Options]] = Options
    resources: ClassVar[Resources] = Resources()
    circumstantial: ClassVar[frozenset[str]] = frozenset()
    """Options that cannot change what a run writes (where an input lies, how many threads work)."""
    unsaved: ClassVar[frozenset[str]] = frozenset()
    """Options that a run folder does not keep (a consent, an address); given anew with each command."""

    def __init__(self, options: Any = None) -> None:
        """Keep the options; do nothing heavy (``open`` is the place).

        ``options`` is an instance of ``self.Options``, a mapping, or None for the defaults.
        """
        if options is None:
            options = {}
        self.options: Any = (
            options if isinstance(options, self.Options) else self.Options.model_validate(options)
        )

    def open(self) -> None:
        """Load models and libraries; called once in each worker before the first batch."""

    def close(self) -> None:
        """Give back what ``open`` took; called once, also after a failure."""

    def assets(self) -> Mapping[str, str]:
        """Name -> sha256 of weight files that shape the output; part of the run's identity."""
        return {}

    def __enter__(self) -> Any:
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Document:
    """One fetched and parsed article with access to its image files.

    ``figures`` are complete but for what only the pixels can tell; ``failures`` and ``drops`` name what
    the source itself lost or left out (figures without a graphic, videos). ``read`` may be called from
    another thread, for the figures that are kept, each at most once; ``close`` frees the package.
    """

    def __init__(
        self,
        article: Article,
        figures: Sequence[Figure],
        failures: Sequence[Failure] = (),
        drops: Sequence[Drop] = (),
    ) -> None:
        self.article = article
        self.figures = tuple(figures)
        self.failures = tuple(failures)
        self.drops = tuple(drops)

    def read(self, figure: Figure) -> bytes:
        """The bytes of ``figure.image``; InputError where the package has no such file."""
        raise InputError(f"no image file for href {figure.image.href!r}")

    def prepare(self, figures: Sequence[Figure]) -> None:
        """The figures that will be read, in this order: a document that downloads starts now.

        Called once, before the first ``read``, from any thread; must not wait for the network.
        """

    def close(self) -> None:
        """Free what the document holds (archives, buffers, downloads under way)."""


@dataclasses.dataclass(frozen=True)
class Survey:
    """What is known of an article before its content is downloaded (``pmcx plan``)."""

    id: str
    license: str = ""
    """The licence family as the distributor states it; ``unknown`` where it states none, empty where the
    source cannot tell before the content is there."""
    files: int = 0
    """Files that a run would fetch, at most."""
    size: int = 0
    """Their bytes, at most."""


class SkippedError(Exception):
    """Raised by a :class:`LiveCheck` that cannot be made here; the message says why (no credentials)."""


@dataclasses.dataclass(frozen=True)
class LiveCheck:
    """One thing that a source takes for granted about the service it talks to (``pmcx check-live``)."""

    name: str
    """Short, unique in its source, of lower-case words and hyphens."""
    assumption: str
    """What pmcx expects, as one sentence."""
    check: Callable[[], str]
    """Asks the service and answers what was seen. Raises AssertionError (with what was seen instead) or
    PmcxError where the assumption does not hold, SkippedError where that cannot be found out."""
    advice: str = ""
    """What a user can do when it does not hold: the option that changes what pmcx expects."""


class Source(Stage):
    """Where articles come from. ``plan`` runs in the driver, ``fetch`` in the workers."""

    kind = "source"

    ahead: ClassVar[int] = 0
    """Groups of articles that the engine fetches ahead, in a thread, while it works on another one.

    0 for sources that only read local files; with more, ``fetch`` is called from one other thread.
    """
    selecting: ClassVar[frozenset[str]] = frozenset()
    """Options that choose the articles. They shape the plan alone, so they are circumstantial, too; an
    extension of a run tells what vanished only where they are the same as before."""
    incomplete: str = ""
    """Set by the source while it plans: why articles that are there may be missing from the enumeration (a
    limit, a budget, articles named one by one, a search answered in part). An extension of the run then
    takes nothing for vanished but what a Drop calls ``not-found`` or ``older-version``."""
    accept: Callable[[Article], Drop | None] = staticmethod(lambda article: None)
    """Set by the engine: whether the run's filters leave out an article of which only the metadata are
    known so far. A source that has them first asks, answers with the Drop, and saves the download.
    """

    def plan(self) -> Iterator[ArticleRef | Drop]:
        """Enumerate the articles, in a stable order, with final ids, without downloading content.

        Something that looks like an article but cannot be read is enumerated too, so that its failure
        is recorded where it is fetched; a Drop names what enumeration itself leaves out (an id that
        does not exist). Raises UsageError where the input as a whole is unusable.
        """
        raise NotImplementedError

    def survey(self, refs: Sequence[ArticleRef]) -> Sequence[Survey | Failure | Drop]:
        """What fetching would cost, from metadata alone; one answer for each ref, in order."""
        return [Survey(ref.id) for ref in refs]

    def cancel(self) -> None:
        """Give up waiting for the network; called from another thread when a run stops early."""

    def fetch(self, refs: Sequence[ArticleRef]) -> Sequence[Document | Failure | Drop]:
        """Fetch and parse; one answer for each ref, in order.

        The article carries the id of its ref. A Drop leaves an article out on purpose (a licence, a
        retraction); a Failure says it is lost.
        """
        raise NotImplementedError

    def live_checks(self, client: Client) -> Iterator[LiveCheck]:
        """What ``pmcx check-live`` asks the live service, in order.

        Called on a source that is not open; ``client`` is open, made from its options.
        """
        return iter(())


class Detector(Stage):
    """Cuts a figure into panels."""

    kind = "detector"

    def detect(self, images: Sequence[FigureImage]) -> Sequence[Sequence[Detection]]:
        """Panel boxes of each image, in full-size source pixels, inside the image, in any order.

        Boxes are tight to the panel's ink including its letter, axes and titles. An empty answer means
        "not compound": the engine keeps the whole figure as one panel.
        """
        raise NotImplementedError


class Reader(Stage):
    """Reads the panel letters drawn in a figure."""

    kind = "reader"

    def read(
        self, images: Sequence[FigureImage], panels: Sequence[Sequence[Panel]]
    ) -> Sequence[Sequence[Letter]]:
        """Letters of each image, given its panels; boxes in full-size source pixels."""
        raise NotImplementedError


class Caption(Record, frozen=True, kw_only=True):
    """A caption to split: normalised text, its markup, and the labels seen in the image (if read)."""

    text: str
    markup: tuple[Markup, ...] = ()
    labels: tuple[str, ...] = ()


class Splitter(Stage):
    """Splits a compound caption into the words of its panels."""

    kind = "splitter"

    def split(self, captions: Sequence[Caption]) -> Sequence[Sequence[Subcaption]]:
        """Parts of each caption in label order; empty where the caption names no panels.

        Every part's text is :func:`~pmcx.core.records.spans_text` of the caption over its spans.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class PanelImage:
    """One panel to classify: its place in the figure, and its words."""

    image: FigureImage
    box: Box
    caption: str


class Classifier(Stage):
    """Names what a panel shows."""

    kind = "classifier"

    def classify(self, panels: Sequence[PanelImage]) -> Sequence[Modality]:
        """One modality for each panel; an empty label means unsure."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Sample:
    """One row to write: the pair and its encoded image (``suffix`` is the same for a whole run)."""

    pair: Pair
    image: bytes
    suffix: str


@dataclasses.dataclass(frozen=True)
class RunSummary:
    """What an exporter sees at the end of a run, to write derived files: all committed facts."""

    path: Path
    """The run folder."""
    files: Mapping[str, FileInfo]
    """Every committed file of this exporter's root, by path inside the run folder."""
    counts: Mapping[str, int]
    """Merged counts of all receipts."""
    made_by: Mapping[str, str]
    """Stage kind -> ``name version``."""


class Exporter(Stage):
    """Writes the pairs of one unit at a time in one format, under one root folder of the run.

    File bytes are a function of the samples alone: no clock, no host, no order but the given one. File
    names carry the six-digit unit index and, where a unit holds several splits, the split.
    """

    kind = "exporter"
    root: ClassVar[str]
    """Folder of the run that holds this format and nothing else (``webdataset``)."""

    def begin(self, unit: int, folder: Path) -> None:
        """Start a unit; files go under ``folder / self.root`` (which this creates)."""
        raise NotImplementedError

    def write(self, samples: Sequence[Sample]) -> Sequence[int]:
        """Append samples in order; answers the bytes that each took up, about."""
        raise NotImplementedError

    def end(self) -> Mapping[str, FileInfo]:
        """Finish the unit's files (flushed and fsynced); their paths relative to ``folder``."""
        raise NotImplementedError

    def abort(self) -> None:
        """Give up the unit and close its files; they are deleted by the engine."""

    def finalize(self, summary: RunSummary) -> Mapping[str, bytes]:
        """Derived files by path inside the run folder (indexes, dataset card); rebuildable any time."""
        return {}

    @classmethod
    def read(cls, path: Path) -> Iterator[tuple[Pair, bytes]]:
        """Read one written file back, lazily, in order: the pair and its image bytes."""
        raise NotImplementedError
