"""Live progress of a run: a redrawn panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from ..progress import Progress
from ..records import Receipt
from .output import by_prefix

if TYPE_CHECKING:
    from ..books import Books
    from ..rundir import RunInfo

STAGES = ("fetch", "decode", "detect", "read", "split", "align", "classify", "encode", "export")
PLAIN_EVERY = 10.0
"""Seconds between progress lines where the output is not a terminal."""


def display(quiet: bool = False) -> PlainDisplay:
    """The display that suits standard error; use as a context manager."""
    if quiet:
        return PlainDisplay(quiet=True)
    return LiveDisplay() if sys.stderr.isatty() else PlainDisplay()


class PlainDisplay:
    """Counts what happens and prints a line now and then (to standard error)."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.articles = self.units = self.units_done = 0
        self.before: Counter[str] = Counter()
        """Counts committed by earlier invocations."""
        self.done: Counter[str] = Counter()
        """Counts committed by this one."""
        self.seconds: Counter[str] = Counter()
        self.flight: dict[int, Progress] = {}
        self.began = self.printed = time.monotonic()
        self.note = ""

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- observer -------------------------------------------------------------------------------

    def planning(self) -> None:
        self.say("planning")

    def started(self, info: RunInfo, pending: int) -> None:
        self.articles, self.units, self.units_done = info.articles, info.units, info.units - pending
        self.before = Counter(info.counts)
        self.began = time.monotonic()
        resumed = f", {self.units_done} units done before" if self.units_done else ""
        self.say(f"{info.articles} articles in {info.units} units{resumed}")

    def progress(self, unit: int, progress: Progress) -> None:
        if progress.event != "begin":
            self.flight[unit] = progress
        self.refresh()

    def committed(self, receipt: Receipt) -> None:
        self.flight.pop(receipt.unit, None)
        self.units_done += 1
        self.done.update(receipt.counts)
        for name, value in receipt.seconds.items():
            self.seconds[name] += value  # type: ignore[assignment]
        self.refresh()

    def draining(self, why: str) -> None:
        self.note = f"finishing the units on their way ({why})"
        self.say(self.note)

    def finished(self, books: Books) -> None:
        self.close()

    # -- figures --------------------------------------------------------------------------------

    def now(self) -> Counter[str]:
        """Counts of this invocation, units on their way included."""
        counts = Counter(self.done)
        for progress in self.flight.values():
            counts.update(progress.counts)
        return counts

    def stage_seconds(self) -> dict[str, float]:
        total: Counter[str] = Counter(self.seconds)
        for progress in self.flight.values():
            for name, value in progress.seconds.items():
                total[name] += value  # type: ignore[assignment]
        return {name: total[name] for name in STAGES if total[name]}

    def eta(self, counts: Counter[str]) -> float | None:
        """Seconds left at the pace of this invocation, by articles."""
        elapsed = time.monotonic() - self.began
        todo = self.articles - self.before["articles"] - counts["articles"]
        if not counts["articles"] or todo < 0:
            return None
        return elapsed / counts["articles"] * todo

    def line(self) -> str:
        counts, elapsed = self.now(), time.monotonic() - self.began
        total = self.before + counts
        eta = self.eta(counts)
        parts = [
            f"{total['articles']}/{self.articles} articles",
            f"{total['figures']} figures",
            f"{total['pairs']} pairs",
            f"{counts['pairs'] / max(elapsed, 1e-9):.1f} pairs/s",
            f"ETA {clock(eta)}" if eta is not None else "",
        ]
        parts += [f"{sum(by_prefix(total, p).values())} {w}" for p, w in LOSSES if by_prefix(total, p)]
        return ", ".join(part for part in parts if part)

    # -- output ---------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        if not self.quiet:
            sys.stderr.write(f"pmcx: {text}\n")
            sys.stderr.flush()

    def refresh(self) -> None:
        if time.monotonic() - self.printed >= PLAIN_EVERY:
            self.printed = time.monotonic()
            self.say(self.line())

    def close(self) -> None:
        """Stop displaying; called more than once."""


LOSSES = (("failed.", "lost"), ("dropped.", "dropped"))


class LiveDisplay(PlainDisplay):
    """A live panel: progress bar, rates, losses by reason, and where the time goes."""

    def __init__(self) -> None:
        from rich.live import Live

        super().__init__()
        from .output import console

        self._status = "planning"
        self._live: Any = Live(
            get_renderable=self.render, console=console(stderr=True), refresh_per_second=8, transient=True
        )

    def __enter__(self) -> PlainDisplay:
        self._live.start()
        return self

    def close(self) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        self._status = text

    def refresh(self) -> None:
        pass  # the display redraws itself

    def render(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if not self.articles:
            return Text(f"pmcx: {self._status} …")
        counts, elapsed = self.now(), time.monotonic() - self.began
        total = self.before + counts
        eta = self.eta(counts)
        head = Table.grid(padding=(0, 1))
        head.add_row(
            ProgressBar(total=self.articles, completed=min(total["articles"], self.articles), width=32),
            f"{total['articles']}/{self.articles} articles",
            f"{self.units_done}/{self.units} units",
            f"{clock(elapsed)} gone" + (f", {clock(eta)} left" if eta is not None else ""),
        )
        rate = counts["pairs"] / max(elapsed, 1e-9)
        lines: list[Any] = [head]
        lines.append(Text(f"{total['figures']} figures   {total['pairs']} pairs   {rate:.1f} pairs/s"))
        for prefix, word in LOSSES:
            found = by_prefix(total, prefix)
            if found:
                text = f"{word}: " + ", ".join(f"{name} {n}" for name, n in found.items())
                lines.append(Text(text, style="red" if word == "lost" else "yellow"))
        seconds = self.stage_seconds()
        whole = sum(seconds.values())
        if whole:
            shares = "  ".join(f"{name} {value / whole:.0%}" for name, value in seconds.items())
            lines.append(Text(f"time: {shares}", style="dim"))
        if self.note:
            lines.append(Text(self.note, style="bold"))
        return Group(*lines)


def clock(seconds: float) -> str:
    """``95`` -> ``1:35``; hours where there are any."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
