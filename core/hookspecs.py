"""The hooks of pmcx: typed, documented, only ever added to (https://pluggy.readthedocs.io).

A plugin is a module named in the entry-point group ``pmcx``; it implements any of these with
``@pmcx.hookimpl``. Stage hooks return *classes* that carry a ``name``; pixels never pass through a hook.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from .records import Receipt
    from .rundir import RunInfo
    from .stages import Classifier, Detector, Exporter, Reader, Source, Splitter

PROJECT = "pmcx"
GROUP = "pmcx"
"""Entry-point group in which plugins register."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def pmcx_sources() -> Sequence[type[Source]]:  # type: ignore[empty-body]
    """Classes that enumerate and fetch articles."""


@hookspec
def pmcx_detectors() -> Sequence[type[Detector]]:  # type: ignore[empty-body]
    """Classes that cut figures into panels."""


@hookspec
def pmcx_readers() -> Sequence[type[Reader]]:  # type: ignore[empty-body]
    """Classes that read panel letters."""


@hookspec
def pmcx_splitters() -> Sequence[type[Splitter]]:  # type: ignore[empty-body]
    """Classes that split captions."""


@hookspec
def pmcx_classifiers() -> Sequence[type[Classifier]]:  # type: ignore[empty-body]
    """Classes that name the modality of a panel."""


@hookspec
def pmcx_exporters() -> Sequence[type[Exporter]]:  # type: ignore[empty-body]
    """Classes that write pairs in one format."""


@hookspec
def pmcx_commands(cli: click.Group) -> None:
    """Add commands to the ``pmcx`` command line."""


@hookspec
def pmcx_run_started(run: RunInfo) -> None:
    """A run starts or resumes; called in the driver, before the first unit."""


@hookspec
def pmcx_unit_committed(run: RunInfo, receipt: Receipt) -> None:
    """A unit was committed; called in the driver, after its record is on disk."""


@hookspec
def pmcx_run_finished(run: RunInfo) -> None:
    """A run ends with nothing left to do; called in the driver, after the derived files."""
