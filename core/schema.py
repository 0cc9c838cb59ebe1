"""The shared form of everything a run writes: one Arrow schema of a pair, one of an article.

Every exporter, built in or not, writes the row of :func:`pair_row`: flat, typed, without nulls (an
unknown string is ``""``, an empty list ``[]``), with the same names in Parquet columns and WebDataset
JSON. Importing this module imports no pyarrow.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .errors import InputError
from .files import HashingFile
from .records import SCHEMA_VERSION, Article, FileInfo, Ids, License, Mention, Pair
from .stages import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

MADE_BY = tuple(kind for kind in KINDS if kind != "exporter")
"""Fields of ``made_by``: a row is the same whichever exporter wrote it."""

_LICENSE_DOCS = {
    "license": "Licence family as PMC writes it (`CC BY`, `CC BY-NC`, `CC0`, ...) or `unknown`.",
    "license_spdx": "SPDX id where family and version are known.",
    "license_url": "Address of the licence text.",
    "license_source": "Where the licence was read.",
    "license_evidence": "The words it was read from.",
    "third_party": "Whether the wording points to somebody else's rights: `no`, `suspect` or `yes`.",
}
_ID_DOCS = {
    "pmid": "PubMed id of the article.",
    "pmcid": "PubMed Central id, `PMC` and digits.",
    "doi": "DOI of the article.",
    "article_version": "PMC or preprint version as written.",
    "publisher_id": "The publisher's own id.",
}


@functools.cache
def pair_schema() -> pa.Schema:
    """The Arrow schema of one pair without its image; each field says in its metadata what it holds.

    ``schema.field(name).metadata[b"description"]`` is the documentation that the dataset card prints.
    """
    import pyarrow as pa

    text, integer, real = pa.string(), pa.int64(), pa.float64()
    span = [("start", integer), ("end", integer)]
    mention_span = pa.struct([*span, ("labels", pa.list_(text)), ("kind", text)])
    mention = pa.struct(
        [("paragraph", text), ("section", text), ("text", text), ("spans", pa.list_(mention_span))]
    )
    source_image = pa.struct(
        [(name, text) for name in ("href", "name", "sha256", "format")]
        + [(name, integer) for name in ("width", "height", "size")]
    )
    made_by = pa.struct([(kind, text) for kind in MADE_BY])
    return _documented(
        [
            ("key", text, "WebDataset key: `[A-Za-z0-9_-]` only, unique over the dataset."),
            ("id", text, "Panel id as a path of ids: article, figure, panel."),
            ("caption", text, "The figure's whole caption, white space collapsed."),
            ("subcaption", text, "The words of `caption` that belong to this panel; may be empty."),
            ("spans", pa.list_(pa.struct(span)), "Where `subcaption` stands in `caption` (half-open)."),
            ("context", text, "Caption of the enclosing figure or group, where there is one."),
            ("mention_text", text, "Paragraphs that cite the figure, those that name this panel first."),
            ("mentions", pa.list_(mention), "The citing paragraphs and where in them the citations stand."),
            ("label", text, "Panel label; empty without one."),
            ("box", pa.list_(integer), "Panel `[x0, y0, x1, y1]` in source image pixels, half-open."),
            ("box_score", real, "Detector score, 0..1."),
            ("alignment", text, "How the panel got its words: letter, order, whole-figure, unmatched."),
            ("alignment_score", real, "How sure that is, 0..1."),
            ("modality", text, "What the panel shows; empty where unsure or not classified."),
            ("modality_score", real, "Classifier score, 0..1."),
            ("width", integer, "Width of the panel image in pixels."),
            ("height", integer, "Height of the panel image in pixels."),
            ("sha256", text, "sha256 of the panel image's bytes."),
            ("source_image", source_image, "The published image file the panel was cut from."),
            ("article", text, "Article id; joins the article table."),
            ("figure", text, "Figure id."),
            ("figure_label", text, "Figure label as printed."),
            *((name, text, _ID_DOCS[name]) for name in _ID_DOCS),
            ("title", text, "Article title."),
            ("journal", text, "Journal or preprint server."),
            ("date", text, "Publication date, ISO 8601, as precise as known."),
            *((name, text, _LICENSE_DOCS[name]) for name in _LICENSE_DOCS),
            ("attribution", text, "Credit line to show with the image."),
            ("split", text, "train, validation or test; an article is in one split only."),
            ("made_by", made_by, "Name and version of the stages that made this row."),
            ("schema_version", integer, "Version of this schema."),
        ]
    )


@functools.cache
def article_schema() -> pa.Schema:
    """The Arrow schema of the article table: data of an article once, joined by ``pair.article``."""
    import pyarrow as pa

    text = pa.string()
    author = pa.struct([("surname", text), ("given", text), ("orcid", text)])
    return _documented(
        [
            ("id", text, "Article id; `article` of a pair."),
            ("source", text, "The source it came from."),
            *((name, text, _ID_DOCS[name]) for name in _ID_DOCS),
            ("title", text, "Article title."),
            ("journal", text, "Journal or preprint server."),
            ("publisher", text, "Publisher."),
            ("date", text, "Publication date, ISO 8601, as precise as known."),
            ("article_type", text, "JATS `article-type`."),
            ("language", text, "Language code as stated."),
            ("subjects", pa.list_(text), "Subject headings."),
            ("keywords", pa.list_(text), "Keywords."),
            ("abstract", text, "Abstract as plain text."),
            ("authors", pa.list_(author), "Authors in order."),
            *((name, text, _LICENSE_DOCS[name]) for name in _LICENSE_DOCS),
            ("source_license", text, "Licence as the distributor's metadata state it, verbatim."),
            ("attribution", text, "Credit line."),
            ("retracted", pa.bool_(), "Whether the article is marked as retracted."),
            ("schema_version", pa.int64(), "Version of this schema."),
        ]
    )


def _documented(fields: Iterable[tuple[str, pa.DataType, str]]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [pa.field(name, kind, metadata={"description": doc}) for name, kind, doc in fields],
        metadata={"pmcx.schema_version": str(SCHEMA_VERSION)},
    )


# -- rows -------------------------------------------------------------------------------------------


def pair_row(pair: Pair) -> dict[str, Any]:
    """The pair as the flat dict that :func:`pair_schema` describes, in its order, without nulls.

    ``made_by`` keeps the kinds of :data:`MADE_BY`. Raises ValueError for a score that is not finite,
    which JSON could only write as null.
    """
    image, alignment, modality = pair.image, pair.alignment, pair.modality
    made_by = pair.made_by
    scores = (pair.box_score, alignment.score, modality.score)
    if not all(map(math.isfinite, scores)):
        raise ValueError(f"pair {pair.id}: box, alignment and modality score are {scores}, not all finite")
    return {
        "key": pair.key,
        "id": pair.id,
        "caption": pair.caption,
        "subcaption": pair.subcaption,
        "spans": [{"start": start, "end": end} for start, end in pair.spans],
        "context": pair.context,
        "mention_text": mention_text(pair.mentions, pair.label),
        "mentions": [_mention_row(mention) for mention in pair.mentions],
        "label": pair.label,
        "box": list(pair.box),
        "box_score": float(pair.box_score),
        "alignment": alignment.method,
        "alignment_score": float(alignment.score),
        "modality": modality.label,
        "modality_score": float(modality.score),
        "width": pair.width,
        "height": pair.height,
        "sha256": pair.sha256,
        "source_image": {
            "href": image.href,
            "name": image.name,
            "sha256": image.sha256,
            "format": image.format,
            "width": image.width,
            "height": image.height,
            "size": image.size,
        },
        "article": pair.article,
        "figure": pair.figure,
        "figure_label": pair.figure_label,
        **_ids_row(pair.ids),
        "title": pair.title,
        "journal": pair.journal,
        "date": pair.date,
        **_license_row(pair.license),
        "attribution": pair.attribution,
        "split": pair.split,
        "made_by": {kind: made_by.get(kind, "") for kind in MADE_BY},
        "schema_version": SCHEMA_VERSION,
    }


def row_pair(row: Mapping[str, Any]) -> Pair:
    """The pair of a row that :func:`pair_row` made; InputError where it is something else."""
    with _row_errors(row, "pair"):
        fields = {
            **_same_fields(row, Pair),
            "spans": [(span["start"], span["end"]) for span in row["spans"]],
            "image": row["source_image"],
            "alignment": {"method": row["alignment"], "score": row["alignment_score"]},
            "modality": {"label": row["modality"], "score": row["modality_score"]},
            "made_by": {kind: name for kind, name in row["made_by"].items() if name},
        }
        return msgspec.convert(fields, Pair)


def mention_text(mentions: Sequence[Mention], label: str) -> str:
    """Citing paragraphs, each once, one a line.

    First those that name the panel ``label`` (case ignored), then those that cite the whole figure,
    then those that name other panels only; document order within each group.
    """
    panel = label.casefold()

    def rank(mention: Mention) -> int:
        if panel and any(panel == name.casefold() for span in mention.spans for name in span.labels):
            return 0
        return 1 if not mention.spans or any(not span.labels for span in mention.spans) else 2

    return "\n".join(dict.fromkeys(m.text for m in sorted(mentions, key=rank) if m.text))


def _mention_row(mention: Mention) -> dict[str, Any]:
    return {
        "paragraph": mention.paragraph,
        "section": mention.section,
        "text": mention.text,
        "spans": [
            {"start": span.start, "end": span.end, "labels": list(span.labels), "kind": span.kind}
            for span in mention.spans
        ],
    }


def _ids_row(ids: Ids) -> dict[str, str]:
    return {
        "pmid": ids.pmid,
        "pmcid": ids.pmcid,
        "doi": ids.doi,
        "article_version": ids.version,
        "publisher_id": ids.publisher_id,
    }


def _license_row(terms: License) -> dict[str, str]:
    return {
        "license": terms.code,
        "license_spdx": terms.spdx,
        "license_url": terms.url,
        "license_source": terms.source,
        "license_evidence": terms.evidence,
        "third_party": terms.third_party,
    }


def _same_fields(row: Mapping[str, Any], kind: type[Pair] | type[Article]) -> dict[str, Any]:
    """The fields of a record that its row holds under the same name, and ids and licence put together."""
    return {
        **{name: row[name] for name in kind.__struct_fields__ if name in row},
        "license": {
            "code": row["license"],
            "spdx": row["license_spdx"],
            "url": row["license_url"],
            "source": row["license_source"],
            "third_party": row["third_party"],
            "evidence": row["license_evidence"],
        },
        "ids": {
            "pmid": row["pmid"],
            "pmcid": row["pmcid"],
            "doi": row["doi"],
            "version": row["article_version"],
            "publisher_id": row["publisher_id"],
        },
    }


@contextlib.contextmanager
def _row_errors(row: Any, what: str) -> Iterator[None]:
    """InputError for a row of a newer schema, or of no schema of ours."""
    name = next((row[key] for key in ("key", "id") if key in row), "?") if isinstance(row, Mapping) else "?"
    try:
        if row["schema_version"] > SCHEMA_VERSION:
            raise InputError(
                f"{what} {name!r} has schema version {row['schema_version']}, this pmcx reads up to "
                f"{SCHEMA_VERSION}; use a newer pmcx"
            )
        yield
    except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise InputError(f"row {name!r} is no pmcx {what}: {type(error).__name__}: {error}") from error


# -- the article table ------------------------------------------------------------------------------


def article_row(article: Article) -> dict[str, Any]:
    """The article as the flat dict that :func:`article_schema` describes."""
    return {
        "id": article.id,
        "source": article.source,
        **_ids_row(article.ids),
        "title": article.title,
        "journal": article.journal,
        "publisher": article.publisher,
        "date": article.date,
        "article_type": article.article_type,
        "language": article.language,
        "subjects": list(article.subjects),
        "keywords": list(article.keywords),
        "abstract": article.abstract,
        "authors": [{"surname": a.surname, "given": a.given, "orcid": a.orcid} for a in article.authors],
        **_license_row(article.license),
        "source_license": article.source_license,
        "attribution": article.attribution,
        "retracted": article.retracted,
        "schema_version": SCHEMA_VERSION,
    }


def article_table(articles: Sequence[Article]) -> pa.Table:
    """The articles as an Arrow table of :func:`article_schema`, in the given order."""
    import pyarrow as pa

    return pa.Table.from_pylist([article_row(article) for article in articles], schema=article_schema())


def write_articles(path: Path, articles: Sequence[Article]) -> FileInfo:
    """Write the article table of one unit as Parquet, durably; OutputError where the disk refuses."""
    import pyarrow.parquet as pq

    table = article_table(articles)
    out = HashingFile(path)
    try:
        pq.write_table(table, out, compression="zstd")
        return out.finish(rows=len(articles))
    finally:
        out.close()


def read_articles(path: Path) -> Iterator[Article]:
    """The articles of a file that :func:`write_articles` wrote, in order; InputError where it is none."""
    for batch in read_batches(path, 256):
        for row in batch.to_pylist():
            with _row_errors(row, "article"):
                article = msgspec.convert(_same_fields(row, Article), Article)
            yield article


def read_batches(path: Path, rows: int) -> Iterator[pa.RecordBatch]:
    """A Parquet file in batches of at most ``rows``, lazily; InputError where it is damaged or none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as data:
        try:
            yield from pq.ParquetFile(data).iter_batches(batch_size=rows)
        except (pa.ArrowException, OSError) as error:  # damaged pages come as OSError
            raise InputError(f"{path} is no readable Parquet file: {error}") from error
