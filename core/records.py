"""The records that travel through a run: frozen, slotted, JSON-able, without pixels.

Conventions: boxes are integer source pixels ``(x0, y0, x1, y1)``, half-open, origin top left, in the
image as displayed (EXIF orientation applied). Spans are ``(start, end)`` character offsets, half-open,
into the text named beside them. Ids are paths of ids (``PMC7654321.2/F2/b``), so lineage is readable.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeVar

import msgspec

SCHEMA_VERSION = 1
"""Version of every record below; bumped when a field changes its meaning or goes away."""

Box = tuple[int, int, int, int]
Span = tuple[int, int]

FailureKind = Literal["transient", "input", "bug"]
ThirdParty = Literal["no", "suspect", "yes"]
MarkupKind = Literal["bold", "italic", "sup", "sub", "underline", "sc", "monospace"]
MentionKind = Literal["direct", "range", "caption", "table"]
AlignmentMethod = Literal["letter", "order", "whole-figure", "unmatched"]
Split = Literal["train", "validation", "test"]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of all records: immutable, compared by value, encoded by :func:`to_json`."""


class Ids(Record, frozen=True, kw_only=True):
    """External identifiers of an article; empty string where the article states none.

    ``pmcid`` is ``PMC`` + digits without version; ``version`` is the PMC or preprint version as written.
    """

    pmid: str = ""
    pmcid: str = ""
    doi: str = ""
    version: str = ""
    publisher_id: str = ""


class License(Record, frozen=True, kw_only=True):
    """The reuse terms of an article or a figure, with the evidence they were read from.

    ``code`` is the family as PMC writes it (``CC BY``, ``CC BY-NC-ND``, ``CC0``, ``PD``) or ``unknown``;
    ``spdx`` the SPDX id where family and version are known (``CC-BY-4.0``). ``third_party`` says whether
    the wording points to somebody else's rights (``yes``: reprinted with permission and the like).
    """

    code: str = "unknown"
    spdx: str = ""
    url: str = ""
    source: str = ""
    third_party: ThirdParty = "no"
    evidence: str = ""


class Author(Record, frozen=True, kw_only=True):
    """One author as needed for attribution."""

    surname: str = ""
    given: str = ""
    orcid: str = ""


class Article(Record, frozen=True, kw_only=True):
    """One article version: identifiers, bibliographic data, licence and attribution."""

    id: str
    source: str = ""
    ids: Ids = Ids()
    license: License = License()
    source_license: str = ""
    """The licence as the distributor's own metadata state it, verbatim; the text's is in ``license``."""
    attribution: str = ""
    title: str = ""
    journal: str = ""
    publisher: str = ""
    date: str = ""
    """ISO 8601, as precise as known: ``2021``, ``2021-03`` or ``2021-03-09``."""
    article_type: str = ""
    language: str = ""
    subjects: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    abstract: str = ""
    authors: tuple[Author, ...] = ()
    retracted: bool = False


class Markup(Record, frozen=True, kw_only=True, array_like=True):
    """A run of marked-up characters ``text[start:end]`` of the text it belongs to."""

    start: int
    end: int
    kind: MarkupKind


class MentionSpan(Record, frozen=True, kw_only=True):
    """One citation of a figure inside a paragraph: ``text[start:end]`` and the panels it names.

    ``labels`` are panel labels as written, folded to single labels (``3A-C`` gives A, B, C); empty when
    the whole figure is cited. ``kind`` is ``range`` where the figure lies inside a cited range
    (``Figs 2-5``) without a link of its own, ``caption``/``table`` where the text is one.
    """

    start: int
    end: int
    labels: tuple[str, ...] = ()
    kind: MentionKind = "direct"


class Mention(Record, frozen=True, kw_only=True):
    """A paragraph that cites a figure; one record for each (figure, nearest paragraph)."""

    paragraph: str
    """Stable id of the paragraph in its article: the XML id, or ``p<ordinal>`` in document order."""
    section: str = ""
    text: str = ""
    spans: tuple[MentionSpan, ...] = ()


class ImageRef(Record, frozen=True, kw_only=True):
    """One source image file. ``href`` is what the XML says, ``name`` the file it resolved to (or empty)."""

    href: str
    name: str = ""
    sha256: str = ""
    format: str = ""
    """Sniffed from the bytes: ``jpeg``, ``png``, ``tiff``, ``gif``, ``webp`` … Empty until decoded."""
    width: int = 0
    height: int = 0
    size: int = 0
    """Length of the file in bytes."""


class Figure(Record, frozen=True, kw_only=True):
    """One source image of one figure, with the figure's own words.

    A figure with several non-alternative graphics gives one record for each, in document order
    (``…/F2``, ``…/F2.g2``), all with the same caption.
    """

    id: str
    article: str
    label: str = ""
    caption: str = ""
    """Normalised text: title and paragraphs joined by one space, white space collapsed."""
    title_end: int = 0
    """``caption[:title_end]`` is the caption's ``<title>``; 0 without one."""
    markup: tuple[Markup, ...] = ()
    context: str = ""
    """Caption of the enclosing figure or group, where there is one; never the figure's own words."""
    alt_text: str = ""
    attrib: str = ""
    image: ImageRef
    mentions: tuple[Mention, ...] = ()
    license: License = License()
    """The licence that holds for this figure: its own statement where it has one, else the article's."""


class Detection(Record, frozen=True, kw_only=True):
    """One panel box as a detector gives it; ``score`` in 0..1."""

    box: Box
    score: float = 1.0


class Letter(Record, frozen=True, kw_only=True):
    """One panel letter as a reader gives it, in source pixels."""

    text: str
    box: Box
    score: float = 1.0


class Panel(Record, frozen=True, kw_only=True):
    """One panel of a figure, in reading order."""

    id: str
    figure: str
    box: Box
    score: float = 1.0
    label: str = ""
    label_score: float = 0.0
    label_box: Box | None = None


class Subcaption(Record, frozen=True, kw_only=True):
    """The words of a caption that belong to the panels ``labels``.

    ``spans`` are sorted, disjoint and non-empty; ``text`` is exactly the caption's characters of these
    spans joined by one space. ``preface`` (shared words before), ``own`` and ``tail`` (shared words
    after) partition ``spans``.
    """

    labels: tuple[str, ...]
    spans: tuple[Span, ...]
    text: str
    preface: tuple[Span, ...] = ()
    own: tuple[Span, ...] = ()
    tail: tuple[Span, ...] = ()
    confidence: float = 1.0
    why: str = ""


class Modality(Record, frozen=True, kw_only=True):
    """What a panel shows; ``label`` is empty where no classifier ran or it was unsure."""

    label: str = ""
    score: float = 0.0


class Alignment(Record, frozen=True, kw_only=True):
    """How a panel came by its words, and how sure that is (0..1)."""

    method: AlignmentMethod = "whole-figure"
    score: float = 0.0


class Pair(Record, frozen=True, kw_only=True):
    """One panel with its words: the unit of the dataset, one row in every export."""

    id: str
    key: str
    """WebDataset key of ``[A-Za-z0-9_-]`` only, unique over the run."""
    article: str
    figure: str
    figure_label: str = ""
    label: str = ""
    box: Box
    """Panel in pixels of the source image."""
    box_score: float = 1.0
    image: ImageRef
    """The source image the panel was cut from."""
    width: int = 0
    """Size of the exported panel image."""
    height: int = 0
    caption: str = ""
    subcaption: str = ""
    spans: tuple[Span, ...] = ()
    """Where ``subcaption`` stands in ``caption``."""
    context: str = ""
    alignment: Alignment = Alignment()
    modality: Modality = Modality()
    mentions: tuple[Mention, ...] = ()
    license: License = License()
    attribution: str = ""
    title: str = ""
    journal: str = ""
    date: str = ""
    ids: Ids = Ids()
    split: Split = "train"
    sha256: str = ""
    """Of the exported image bytes."""
    made_by: dict[str, str] = {}
    """Stage kind -> ``name version`` of what made this row."""


class Failure(Record, frozen=True, kw_only=True):
    """An item that was lost, and why. ``id`` names an article, figure or panel.

    ``attempt`` is 0 for the planned run and counts up with each ``pmcx retry`` that took the item up.
    """

    id: str
    stage: str
    kind: FailureKind
    error: str
    attempt: int = 0


class Drop(Record, frozen=True, kw_only=True):
    """An item left out on purpose (filter, duplicate, licence), and why."""

    id: str
    stage: str
    reason: str
    """A short machine-readable reason (``license``, ``too-small``, ``duplicate-article``)."""
    detail: str = ""


class ArticleRef(Record, frozen=True, kw_only=True):
    """What a source enumerates: one article to come, and where it is.

    ``id`` is final: the fetched :class:`Article` carries the same. ``locator`` is the source's own
    address of it. ``fingerprint`` changes when the article's content changes (ETag, version), where
    the source can tell; the engine then plans the article again as ``<id>.r<revision>``. ``only``
    restricts a retry to these figure ids; empty means all.
    """

    id: str
    locator: str
    fingerprint: str = ""
    only: tuple[str, ...] = ()
    attempt: int = 0
    revision: int = 0
    """0 as first planned; n for the n-th change of the article that an extension of the run found."""
    group: str = ""
    """What all versions of a work share (``PMC123``, a DOI): it decides the split; empty: the id."""

    @property
    def work(self) -> str:
        """What decides the split of the article."""
        return self.group or self.base

    @property
    def base(self) -> str:
        """The id as the source enumerates it, without the revision."""
        return self.id.removesuffix(f".r{self.revision}") if self.revision else self.id


class Unit(Record, frozen=True, kw_only=True):
    """The grain of scheduling, retry and output: some articles, processed and committed together."""

    index: int
    articles: tuple[ArticleRef, ...]


class FileInfo(Record, frozen=True, kw_only=True):
    """One written file: sha256 and length of its bytes, and how many rows (samples, lines) it holds."""

    sha256: str
    size: int
    rows: int


class Receipt(Record, frozen=True, kw_only=True):
    """What a worker hands back for a unit: the files it wrote, and the books.

    ``files`` maps the path inside the run folder (``webdataset/train-000017.tar``) to its facts.
    ``counts`` holds ``articles``, ``figures``, ``panels``, ``pairs``, ``failed.<kind>``,
    ``dropped.<reason>``, ``license.<code>``, ``alignment.<method>`` and ``split.<name>``.
    """

    unit: int
    attempt: int
    files: dict[str, FileInfo]
    counts: dict[str, int]
    seconds: dict[str, float] = {}
    """Busy seconds by stage, and ``wall``."""
    schema_version: int = SCHEMA_VERSION


R = TypeVar("R", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder(order="deterministic")


def to_json(record: Any) -> bytes:
    """Encode a record (or plain data) as compact UTF-8 JSON with a deterministic key order."""
    return _encoder.encode(record)


def from_json(data: bytes | str, kind: type[R]) -> R:
    """Decode and validate one record; raises :class:`msgspec.ValidationError` on a mismatch."""
    return msgspec.json.decode(data, type=kind)


def to_dict(record: msgspec.Struct) -> dict[str, Any]:
    """The record as plain dicts, lists and scalars."""
    out: dict[str, Any] = msgspec.to_builtins(record)
    return out


def spans_text(text: str, spans: Iterable[Span]) -> str:
    """The characters of ``spans`` joined by one space: the definition of every sub-caption's text."""
    return " ".join(text[start:end] for start, end in spans)


_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")
_VERSIONED = re.compile(r"PMC[0-9]+\.[0-9]+")
_LOOKS_VERSIONED = re.compile(r"PMC[0-9]+-[0-9]+")


def webdataset_key(pair_id: str) -> str:
    """The WebDataset key of a pair id: ``PMC7654321.2/F2/b`` -> ``PMC7654321-2_F2_b``.

    ``/`` becomes ``_`` and every other unsafe run ``-`` (a dot would end the key in every reader).
    Where that could make two ids equal, eight hex digits of the id's sha256 are appended, so different
    ids always give different keys.
    """
    parts = pair_id.split("/")
    exact = all(not _UNSAFE.search(part) for part in parts[1:]) and (
        _VERSIONED.fullmatch(parts[0]) is not None
        or not (_UNSAFE.search(parts[0]) or _LOOKS_VERSIONED.fullmatch(parts[0]))
    )
    key = "_".join(_UNSAFE.sub("-", part) for part in parts)
    if exact:
        return key
    return f"{key}-{hashlib.sha256(pair_id.encode()).hexdigest()[:8]}"


def article_of(item: str) -> str:
    """The id of the article that an article, figure or panel id belongs to."""
    return item.split("/", 1)[0]


def wanted(item: str, only: Sequence[str]) -> bool:
    """Whether an id is asked for by ``only``: named there, above or below a named one; empty asks all."""
    return not only or any(
        item == each or item.startswith(f"{each}/") or each.startswith(f"{item}/") for each in only
    )
