"""The demo source: articles with compound figures that the package draws itself, from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import Field

from ...core.errors import InputError
from ...core.records import ArticleRef, Failure
from ...core.stages import Document, Options, Source


class DemoOptions(Options):
    """``articles`` made-up articles with ``figures`` figures each; another ``seed`` gives others."""

    articles: Annotated[int, Field(ge=1, le=99_999_999)] = 12
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    figures: Annotated[int, Field(ge=1, le=99)] = 3


class DemoSource(Source):
    """Made-up articles with drawn figures, to see the pipeline work without any data.

    Each article is written as JATS XML and read back by the package's own parser; images are drawn when
    they are read. The same options give the same bytes; an article does not depend on how many others
    there are. The licence is CC0. Truth for tests: :func:`pmcx.sources.demo.article.demo_truth`.
    """

    name = "demo"
    Options = DemoOptions
    options: DemoOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)

    def plan(self) -> Iterator[ArticleRef]:
        for number in range(1, self.options.articles + 1):
            name = f"DEMO{number:08d}"
            yield ArticleRef(
                id=name,
                locator=f"demo:{self.options.seed}/{number}",
                fingerprint=f"{self.options.seed}-{self.options.figures}",
            )

    def fetch(self, refs: Sequence[ArticleRef]) -> Sequence[Document | Failure]:
        from .article import article_index, make_document

        out: list[Document | Failure] = []
        for ref in refs:
            try:
                out.append(make_document(article_index(ref.id), self.options.seed, self.options.figures))
            except InputError as error:
                out.append(Failure(id=ref.id, stage="source", kind="input", error=str(error)))
        return out
