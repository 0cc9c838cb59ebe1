"""The built-in exporters pass the suite that every exporter must pass."""

from __future__ import annotations

from pmcx.exporters.parquet import ParquetExporter
from pmcx.exporters.webdataset import WebDatasetExporter
from pmcx.testing import ExporterSuite


class TestWebDataset(ExporterSuite):
    make = WebDatasetExporter


class TestParquet(ExporterSuite):
    make = ParquetExporter
