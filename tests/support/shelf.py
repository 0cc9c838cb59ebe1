"""A source whose articles a test changes between runs, and runs over it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from digests import digests

import pmcx


class Shelf:
    """The source's articles, and runs over them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "shelf.json"
        self.out = folder / "out"
        self.articles: dict[str, dict[str, Any]] = {f"S{n}": {"fingerprint": "1"} for n in range(12)}

    def run(self, extend: bool = False, **settings: Any) -> pmcx.RunResult:
        self.file.write_text(json.dumps(self.articles))
        options = {"detector": "halves", "plugins": ["toy"], "workers": 1, "unit_articles": 5, **settings}
        given = {"shelf": str(self.file), **options.pop("source_options", {})}
        return pmcx.run("shelf", self.out, source_options=given, extend=extend, **options)

    def written(self) -> dict[str, str]:
        """sha256 of all committed files."""
        return {
            name: digest
            for name, digest in digests(self.out).items()
            if name.endswith((".tar", ".parquet")) or name[-12:-6].isdigit()
        }

    def withdrawn(self) -> dict[str, tuple[str, str]]:
        return {each.article: (each.why, each.by) for each in pmcx.open(self.out).withdrawn()}

    def articles_of_pairs(self, withdrawn: bool = False) -> Counter[str]:
        return Counter(view.record.article for view in pmcx.open(self.out).pairs(withdrawn=withdrawn))
