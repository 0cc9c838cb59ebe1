"""What an extension of a run has found out about articles whose rows are written already.

Committed shards are never rewritten. An article that changed at its source is processed again under
another id (``PMC1.1.r1``), one that was retracted or vanished is not; ``withdrawn.jsonl`` names the ids
whose rows a reader should leave out, and why. It follows from plan, commits and ``vanished.jsonl``.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .planning import Plan
from .records import Drop, Record, from_json, to_json
from .rundir import RunFolder

WITHDRAWN = "withdrawn.jsonl"
VANISHED = "vanished.jsonl"


class Withdrawn(Record, frozen=True, kw_only=True):
    """An article of a run whose rows are out of date: a line of ``withdrawn.jsonl``.

    ``why`` is ``changed`` (``by`` names the article that stands for it now), ``vanished`` (the source
    does not list it any more), ``older-version`` (it lists a newer one), or the reason for which its new
    state was left out (``retracted``, ``license``).
    """

    article: str
    why: str
    by: str = ""


class Vanished(Record, frozen=True, kw_only=True):
    """A planned article that the source did not list when the run was last extended, and its word on it."""

    id: str
    why: str = "vanished"


_SUPERSEDED, _NOT_FOUND = "older-version", "not-found"
_VERSION = re.compile(r"[.v][0-9]+$")
"""What the id of a version has beyond that of its work (``PMC1.2``, ``10.1101_1v2``)."""


def write_vanished(folder: RunFolder, plan: Plan, complete: bool) -> None:
    """Record which planned articles the source says are gone.

    An article that a ``complete`` enumeration of the same selection does not list has vanished. Otherwise
    only what the source calls not found, or an older version, counts as gone, beside what was gone before.
    """
    told = {drop.id: drop.reason for drop in plan.drops}
    before = _vanished(folder)
    gone: dict[str, str] = {}
    for ref in folder.planned():
        if plan.lists(ref):
            continue
        reason = told.get(ref.base) or told.get(_VERSION.sub("", ref.base))
        if reason == _SUPERSEDED:
            gone[ref.base] = reason
        elif reason == _NOT_FOUND or (complete and reason is None):
            gone[ref.base] = "vanished"
        elif ref.base in before:
            gone[ref.base] = before[ref.base]
    if gone or before:
        lines = (to_json(Vanished(id=base, why=why)) + b"\n" for base, why in gone.items())
        folder.write(VANISHED, b"".join(lines))


def withdrawn(folder: RunFolder, lost: Collection[str]) -> list[Withdrawn]:
    """The articles with rows that are out of date, in plan order; ``lost`` are ids still lost."""
    vanished = _vanished(folder)
    bases = vanished.keys() | {ref.base for ref in folder.planned() if ref.revision}
    if not bases:
        return []
    committed = folder.committed()
    history: dict[str, list[str]] = {}
    for unit in folder.units():
        if unit.index in committed:
            for ref in unit.articles:
                if not ref.attempt and ref.base in bases:
                    history.setdefault(ref.base, []).append(ref.id)
    drops = [loss for loss in folder.losses() if isinstance(loss, Drop) and loss.stage != "plan"]
    left_out = {drop.id: drop.reason for drop in drops}
    out: list[Withdrawn] = []
    for base, ids in history.items():
        # A new version that is lost leaves the old rows in force until a retry brings it.
        answered = [item for item in ids if item not in lost]
        out += _replaced(answered, left_out)
        if base in vanished and answered and answered[-1] not in left_out:
            out.append(Withdrawn(article=answered[-1], why=vanished[base]))
    return out


def _replaced(ids: list[str], left_out: dict[str, str]) -> list[Withdrawn]:
    """All versions of an article with rows but the last one, and the last one's part in that."""
    if not ids:
        return []
    *old, last = ids
    why, by = (left_out[last], "") if last in left_out else ("changed", last)
    return [Withdrawn(article=item, why=why, by=by) for item in old if item not in left_out]


def _vanished(folder: RunFolder) -> dict[str, str]:
    file = folder.path / VANISHED
    if not file.is_file():
        return {}
    found = (from_json(line, Vanished) for line in file.read_bytes().splitlines())
    return {each.id: each.why for each in found}
