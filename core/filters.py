"""What is left out on purpose, at the earliest point where it can be known; pure functions."""

from __future__ import annotations

from .config import Filters, year_range
from .records import Article, Box, Drop, Figure, License

NOTICES = frozenset(
    {"retraction", "correction", "addendum", "corrigendum", "erratum", "expression-of-concern"}
    | {"partial-retraction"}
)
"""JATS ``article-type`` values that announce something about another article."""


def article_drop(article: Article, filters: Filters, figures: int = 0) -> Drop | None:
    """Why an article with so many figures is left out, or None."""
    if filters.retracted == "drop" and article.retracted:
        return Drop(id=article.id, stage="filter", reason="retracted")
    if filters.article_types == "research" and article.article_type.lower() in NOTICES:
        return Drop(id=article.id, stage="filter", reason="article-type", detail=article.article_type)
    first, last = year_range(filters.years)
    if filters.years and not first <= year_of(article) <= last:
        return Drop(id=article.id, stage="filter", reason="year", detail=article.date)
    if filters.journals and article.journal.casefold() not in {name.casefold() for name in filters.journals}:
        return Drop(id=article.id, stage="filter", reason="journal", detail=article.journal)
    if filters.max_figures is not None and figures > filters.max_figures:
        return Drop(id=article.id, stage="filter", reason="max-figures", detail=str(figures))
    return None


def year_of(article: Article) -> int:
    """Year of publication; -1 where none is known."""
    return int(article.date[:4]) if article.date[:4].isdecimal() else -1


def metadata_drop(article: Article, filters: Filters) -> Drop | None:
    """Why an article is left out, as far as its metadata tell; an unknown field leaves nothing out."""
    if not allowed(article.license, filters):
        return Drop(id=article.id, stage="filter", reason="license", detail=article.license.code)
    known = filters.model_copy(
        update={
            "years": filters.years if article.date else "",
            "journals": filters.journals if article.journal else (),
        }
    )
    return article_drop(article, known)


def figure_drop(figure: Figure, filters: Filters) -> Drop | None:
    """Why a figure is left out before its image is fetched, or None."""
    terms = figure.license
    if filters.third_party == "drop" and terms.third_party != "no":
        detail = f"{terms.third_party}: {terms.evidence}"[:500]
        return Drop(id=figure.id, stage="filter", reason="third-party", detail=detail)
    if not allowed(terms, filters):
        return Drop(id=figure.id, stage="filter", reason="license", detail=terms.code)
    return None


def panel_drop(pair_id: str, box: Box, filters: Filters) -> Drop | None:
    """Why a panel is left out, or None."""
    x0, y0, x1, y1 = box
    if min(x1 - x0, y1 - y0) < filters.min_side:
        return Drop(id=pair_id, stage="filter", reason="too-small", detail=f"{x1 - x0}x{y1 - y0}")
    return None


def allowed(terms: License, filters: Filters) -> bool:
    """Whether a licence is in the asked-for set."""
    if filters.license == "any":
        return True
    if filters.license == "known":
        return terms.code != "unknown"
    open_terms = terms.code.startswith("CC") or terms.code == "PD"
    if filters.license == "noncommercial":
        return open_terms
    return open_terms and "NC" not in terms.code
