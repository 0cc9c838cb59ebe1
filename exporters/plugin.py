"""Registers the built-in exporters, as any plugin would."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.hookspecs import hookimpl
from ..core.stages import Exporter


@hookimpl
def pmcx_exporters() -> Sequence[type[Exporter]]:
    from .parquet import ParquetExporter
    from .webdataset import WebDatasetExporter

    return [WebDatasetExporter, ParquetExporter]
