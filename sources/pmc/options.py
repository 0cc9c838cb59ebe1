"""Options of the ``pmc-oa`` source."""

from __future__ import annotations

import datetime
import os
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from ...core.net.options import BaseAddress, NetOptions

BUCKET = "pmc-oa-opendata"
EUTILS = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"


class PmcOptions(NetOptions):
    """Which articles of PubMed Central to take, and how to reach them.

    Name articles (``input``), search for them (``query``, ``since``, ``until``), or take all that the
    bucket's ``inventory`` lists. With ``inventory`` beside one of the others, the inventory tells the
    versions, instead of a request for each article.
    """

    input: tuple[str, ...] = Field(
        default=(),
        description="PMCIDs (`PMC123`, `123`, or `PMC123.2` for one version), or files that list them: one a "
        "line, or CSV or TSV with a column `PMCID`; may be gzipped.",
    )
    query: str = Field(
        default="",
        description="Search term of NCBI E-utilities for the database `pmc`, such as `melanoma[title] AND "
        "cc_by_license[filter]`.",
    )
    since: datetime.date | None = Field(
        default=None, description="First day of release in PMC; usable without a query."
    )
    until: datetime.date | None = Field(
        default=None, description="Last day of release in PMC; usable without a query."
    )
    inventory: bool | datetime.date = Field(
        default=False,
        description="Take versions from the newest inventory of the bucket, or from that of a day "
        "(`2026-11-20`; about a month is kept); alone: take all articles.",
    )
    versions: Literal["latest", "all"] = Field(
        default="latest", description="Take the newest version of an article, or every version."
    )
    fallback: bool = Field(
        default=False,
        description="Where the newest version is not eligible, take the newest that is (never of a retracted "
        "article). Otherwise the article is dropped.",
    )
    limit: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Take only so many articles, the first ones."
    )
    open_access_only: bool = Field(
        default=True, description="Take only articles of the PMC Open Access Subset."
    )
    manuscripts: bool = Field(
        default=False,
        description="Take author manuscripts, too; most are outside the Open Access Subset, without media.",
    )
    ocr: bool = Field(default=False, description="Take scanned articles with text from OCR, too.")
    max_media: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Drop articles whose figures need more image files than this."
    )
    prefer: Literal["web", "lossless"] = Field(
        default="web", description="Which of several files of a figure to take: JPEG first, or TIFF first."
    )
    bucket: str = Field(
        default=BUCKET,
        pattern=r"^[a-z0-9][a-z0-9.-]*$",
        description="Name of the bucket; `endpoint` says where it is.",
    )
    eutils: BaseAddress = Field(default=EUTILS, description="Base address of the E-utilities.")
    api_key: SecretStr = Field(
        default=SecretStr(""),
        description="NCBI API key: 10 requests a second to the E-utilities instead of 3. Better set in the "
        "environment variable `NCBI_API_KEY`.",
    )

    @field_validator("input", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (os.fspath(value),) if isinstance(value, (str, os.PathLike)) else value

    @model_validator(mode="after")
    def _dates_in_order(self) -> PmcOptions:
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since {self.since} is after until {self.until}")
        return self

    @property
    def searches(self) -> bool:
        """Whether articles are looked for with E-utilities."""
        return bool(self.query.strip() or self.since or self.until)

    def key(self) -> str:
        """The API key, from the option or the environment; empty without one."""
        return self.api_key.get_secret_value() or os.environ.get("NCBI_API_KEY", "")


SELECTING = frozenset({"input", "query", "since", "until", "inventory", "versions", "fallback", "limit"})
