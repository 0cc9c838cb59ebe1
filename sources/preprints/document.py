"""From a MECA archive to a document whose images are read out of it by range."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from ...core.net.downloads import Downloads
from ...core.records import ArticleRef, Figure, wanted
from .. import jats
from ..graphics import Prefer
from ..remote_document import RemoteDocument, resolve_images
from .meca import MecaArticle, image_files, read_article
from .remote_zip import RemoteZip

if TYPE_CHECKING:
    from .select import Place


def make_document(
    archive: RemoteZip,
    article: MecaArticle,
    ref: ArticleRef,
    place: Place,
    *,
    source: str,
    prefer: Prefer,
    downloads: Downloads,
) -> RemoteDocument:
    """The document of ``ref``: the figures asked for, each with the member that shows it.

    InputError where the XML is unusable.
    """
    parsed = jats.parse(article.xml, source=source, article_id=ref.id)
    record = msgspec.structs.replace(parsed.article, source_license=place.license)
    parsed = dataclasses.replace(parsed, article=record)

    def resolved() -> list[Figure]:
        return resolve_images(parsed, image_files(archive, article), prefer, article.manifest.images)

    figures = resolved()
    if any(not figure.image.name for figure in figures) and archive.reload():
        article = read_article(archive, article.member)
        figures = resolved()
    figures = [figure for figure in figures if wanted(figure.id, ref.only)]
    return RemoteDocument(parsed, figures, archive.read, downloads)
