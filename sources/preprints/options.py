"""Options of the ``biorxiv`` and ``medrxiv`` sources."""

from __future__ import annotations

import datetime
import os
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ...core.net.options import BaseAddress, NetOptions

API = "https://api.biorxiv.org"


class PreprintOptions(NetOptions):
    """Which preprints to take, and how to reach them.

    Name preprints (``input``), take those posted in a range of days (``since``, ``until``, ``category``),
    or take whole folders (``months``, ``back``). With folders beside one of the others, preprints are
    looked for in these folders only.
    """

    input: tuple[str, ...] = Field(
        default=(),
        description="DOIs (`10.1101/2024.01.24.24301711` or `10.64898/…`, with `v2` for one version), or "
        "files that list them: one a line, or CSV or TSV with a column `doi`.",
    )
    months: tuple[str, ...] = Field(
        default=(), description="Months of upload, such as `2026-01` or `January_2026`; from 2018-12 on."
    )
    back: tuple[str, ...] = Field(
        default=(),
        description="Batches of what is older: `Batch_01` (bioRxiv), `medRxiv_Batch_01` (medRxiv).",
    )
    since: datetime.date | None = Field(default=None, description="First day of posting.")
    until: datetime.date | None = Field(default=None, description="Last day of posting; today if empty.")
    category: str = Field(
        default="", description="Subject category, such as `cell biology`; only with `since`."
    )
    versions: Literal["latest", "all"] = Field(
        default="latest",
        description="Take the newest version of a preprint among those chosen, or every version.",
    )
    index: str = Field(
        default="",
        description="File that says which archive holds which preprint (JSON, JSON lines, CSV or TSV with "
        "`doi`, `version`, `s3Key`), so that nothing is searched for; alone: take all that it lists.",
    )
    requester_pays: bool = Field(
        default=False,
        description="Agree to pay for requests and transfer: 0.09 USD a GB out of AWS, nothing within "
        "us-east-1. Needs AWS credentials (environment, `~/.aws`, or a role).",
    )
    budget_gb: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="GB to pay for, at most: articles beyond are left out when the run is planned, and a "
        "worker that has fetched so much stops.",
    )
    prefer: Literal["web", "lossless"] = Field(
        default="lossless",
        description="Which of several files of a figure to take: TIFF first, or JPEG first.",
    )
    bucket: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9.-]*)?$",
        description="Name of the bucket; empty: that of the server.",
    )
    region: str = Field(default="us-east-1", description="AWS region of the bucket.")
    api: BaseAddress = Field(default=API, description="Base address of the API that lists preprints.")

    @field_validator("input", "months", "back", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (os.fspath(value),) if isinstance(value, (str, os.PathLike)) else value

    @model_validator(mode="after")
    def _dates(self) -> PreprintOptions:
        if self.until and not self.since:
            raise ValueError("until needs since: the first day of posting")
        if self.category and not self.since:
            raise ValueError("category needs since: the API lists categories by day of posting")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since {self.since} is after until {self.until}")
        return self


SELECTING = frozenset(
    {"input", "months", "back", "since", "until", "category", "versions", "index", "budget_gb"}
)
