"""What a worker tells of itself while it works."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Progress:
    """What a worker tells while it works on a unit."""

    event: str
    """``begin`` / ``end`` of a group of articles, ``step`` after each batch of figures, ``wait`` now and
    then while the source is waited for."""
    articles: tuple[str, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
