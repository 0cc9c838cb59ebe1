"""The built-in sources pass the suite that third parties use."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmcx.sources.demo.article import make_package
from pmcx.sources.demo.source import DemoSource
from pmcx.sources.folder import FolderSource
from pmcx.testing import SourceSuite


class TestDemo(SourceSuite):
    @staticmethod
    def make() -> DemoSource:
        return DemoSource({"articles": 4})


@pytest.fixture(scope="module", autouse=True)
def packages(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Three unpacked packages for the folder source."""
    root: Path = tmp_path_factory.mktemp("packages")
    for index in range(3):
        (root / str(index)).mkdir()
        for name, data in make_package(index).items():
            (root / str(index) / name).write_bytes(data)
    TestFolder.folder = str(root)


class TestFolder(SourceSuite):
    folder = ""

    @staticmethod
    def make() -> FolderSource:
        return FolderSource({"input": [TestFolder.folder]})
