"""A preprint source with the stand-ins of its bucket and its API."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from standins.biorxiv_api import BiorxivStandIn
from standins.meca import MecaArchive
from standins.s3 import S3StandIn

from pmcx.core.records import ArticleRef, Drop
from pmcx.sources.preprints.source import BiorxivSource, PreprintSource

KEY, SECRET, TOKEN = "AKIAEXAMPLEKEY", "a-very-secret-key/of+forty=characters", "session-token-nobody-may-see"


def use_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing but the stand-in's credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


class Bench:
    """A source with its stand-ins; ``cache`` is kept between sources."""

    def __init__(self, s3: S3StandIn, api: BiorxivStandIn, cache: Path) -> None:
        self.s3, self.api, self.cache = s3, api, cache

    def source(self, kind: type[PreprintSource] = BiorxivSource, **options: Any) -> PreprintSource:
        settings = {
            "endpoint": self.s3.url,
            "api": self.api.url,
            "requester_pays": True,
            "cache": str(self.cache),
            "max_wait": 0.02,
            "attempts": 4,
            "timeout": 2.0,
        }
        return kind({**settings, **options})

    def plan(self, **options: Any) -> list[ArticleRef | Drop]:
        with self.source(**options) as source:
            return list(source.plan())

    def refs(self, **options: Any) -> list[ArticleRef]:
        items = self.plan(**options)
        assert all(isinstance(item, ArticleRef) for item in items), items
        return [item for item in items if isinstance(item, ArticleRef)]

    def gets(self, archive: MecaArchive | None = None) -> list[str]:
        """Ranges asked for, of one archive or all."""
        hits = [hit for hit in self.s3.log if ".meca" in hit.path]
        return [hit.headers.get("range", "") for hit in hits if archive is None or archive.key in hit.path]


def names(items: list[ArticleRef | Drop]) -> list[tuple[str, str]]:
    """Id and reason ("" for a ref) of each item."""
    return [(item.id, item.reason if isinstance(item, Drop) else "") for item in items]


def article_id(archive: MecaArchive) -> str:
    return f"{archive.doi.replace('/', '_')}v{archive.version}"
