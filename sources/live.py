"""How the live checks of a source are written: methods, each with the assumption that it checks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, ClassVar, TypeVar

from ..core.stages import LiveCheck

F = TypeVar("F", bound=Callable[..., str])


def assumes(name: str, assumption: str, advice: str = "") -> Callable[[F], F]:
    """Mark a method of :class:`Checks` as the check of an assumption (see ``LiveCheck``)."""

    def mark(method: F) -> F:
        vars(method)["assumes"] = (name, assumption, advice)
        return method

    return mark


class Checks:
    """Base of a group of checks: its marked methods, in the order in which they are written."""

    advice: ClassVar[str] = ""
    """What to do where a check fails that has no advice of its own."""

    def checks(self) -> Iterator[LiveCheck]:
        for name, method in vars(type(self)).items():
            marked: Any = getattr(method, "assumes", None)
            if marked is not None:
                title, assumption, advice = marked
                yield LiveCheck(title, assumption, getattr(self, name), advice or self.advice)


def expect(holds: object, seen: str) -> None:
    """AssertionError with what was seen, unless it holds (unlike ``assert``, also under ``python -O``)."""
    if not holds:
        raise AssertionError(seen)


def some(items: Collection[object]) -> str:
    """The first few of some items, and how many there are, for a message."""
    shown = ", ".join(str(item) for item in list(items)[:3])
    return f"{shown} … ({len(items)})" if len(items) > 3 else shown
