"""What the generator gives: one figure with its pixels and everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.records import Box
from .content.base import Pixels


@dataclass(frozen=True)
class Panel:
    """One panel in the two conventions of ``training.conventions``, in pixels of its figure.

    ``tight`` bounds the content with its letter, axes and titles; ``cell`` is its share of the page.
    ``label`` is the letter without brackets, empty where none is drawn, ``letter`` then None; ``modality``
    is a class name of the panel classifier.
    """

    tight: Box
    cell: Box
    label: str
    letter: Box | None
    modality: str


@dataclass(frozen=True)
class Sample:
    """One figure: ``pixels`` (h, w, 3) uint8 RGB, panels in reading order, and its caption.

    ``parts`` are (label, text) of the panels as the caption tells them, ``dark`` says that the page is
    dark, ``compound`` that there is more than one panel.
    """

    index: int
    pixels: Pixels
    panels: tuple[Panel, ...]
    caption: str
    parts: tuple[tuple[str, str], ...]
    dark: bool
    compound: bool
