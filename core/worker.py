"""A worker process: ``python -m pmcx.core.worker``, spoken to in length-prefixed JSON frames.

It is a program of its own rather than a forked or pickled function, so that it starts the same from a
script, a notebook or a test, shares no state with the driver, and never loads a pickle. It ends when
the driver's end of the pipe closes, whatever it is doing.
"""

from __future__ import annotations

import os
import signal
import struct
import threading
from pathlib import Path
from typing import IO, Any

import msgspec

from .errors import PmcxError
from .records import Failure, Receipt, Unit

_HEADER = struct.Struct("<I")


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to build its own registry and stages: names and options, no live objects."""

    config: bytes
    """A :class:`~pmcx.core.config.RunConfig` as JSON."""
    blocked: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a unit."""

    unit: Unit
    attempt: int
    folder: str
    suspects: tuple[str, ...] = ()
    lost: tuple[Failure, ...] = ()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says: ``ready``, ``progress``, ``receipt``, or ``error`` with the error's type."""

    what: str
    unit: int = -1
    event: str = ""
    articles: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    seconds: dict[str, float] = {}
    receipt: Receipt | None = None
    error: str = ""
    error_type: str = ""


def send(stream: IO[bytes], message: msgspec.Struct) -> None:
    """Write one frame and flush it."""
    data = msgspec.json.encode(message)
    stream.write(_HEADER.pack(len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next frame, or None at the end of the stream."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    size = _HEADER.unpack(header)[0]
    data = stream.read(size)
    return data if len(data) == size else None


class _Tasks:
    """Reads tasks in a thread, so that the driver's death is noticed in the middle of a unit."""

    def __init__(self, stream: IO[bytes]) -> None:
        import queue

        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stream = stream
        self._closing = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            data = receive(self._stream)
            if data is None:
                # End of the stream: the driver is gone. A polite driver sends an empty frame first.
                if not self._closing:
                    os._exit(3)
                return
            if not data:
                self._closing = True
            self._queue.put(data or None)

    def get(self) -> bytes | None:
        return self._queue.get()


def run(inbox: IO[bytes], outbox: IO[bytes]) -> int:
    """Build the stages of the first frame's spec, then work on units until told to stop."""
    first = receive(inbox)
    if first is None:
        return 3
    tasks = _Tasks(inbox)
    spec = msgspec.json.decode(first, type=Spec)
    try:
        _work(spec, tasks, outbox)
    except BaseException as error:
        send(outbox, error_message(error))
        return 1
    return 0


def _work(spec: Spec, tasks: _Tasks, outbox: IO[bytes]) -> None:
    from .config import RunConfig
    from .pipeline import Pipeline
    from .progress import Progress
    from .registry import Registry

    config = RunConfig.model_validate_json(spec.config)
    registry = Registry.discover(spec.blocked, spec.plugins)
    with Pipeline(config, registry) as pipeline:
        send(outbox, Message(what="ready"))
        while (data := tasks.get()) is not None:
            task = msgspec.json.decode(data, type=Task)

            def report(progress: Progress, unit: int = task.unit.index) -> None:
                send(
                    outbox,
                    Message(
                        what="progress",
                        unit=unit,
                        event=progress.event,
                        articles=progress.articles,
                        counts=progress.counts,
                        seconds=progress.seconds,
                    ),
                )

            receipt = pipeline.run_unit(
                task.unit, Path(task.folder), task.attempt, report, frozenset(task.suspects), task.lost
            )
            send(outbox, Message(what="receipt", unit=task.unit.index, receipt=receipt))


def error_message(error: BaseException) -> Message:
    """An error that ends the worker, with enough to raise it again in the driver."""
    import traceback

    if isinstance(error, PmcxError):
        return Message(what="error", error=str(error), error_type=type(error).__name__)
    text = "".join(traceback.format_exception(error))
    return Message(what="error", error=text, error_type="bug")


def main() -> int:
    # A terminal's Ctrl-C reaches the whole group; the driver alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Frames own the real stdout; whatever a library prints goes to stderr instead.
    outbox: Any = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    inbox: Any = os.fdopen(os.dup(0), "rb")
    # A program that a stage starts must not read our tasks.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    code = run(inbox, outbox)
    outbox.flush()
    # Daemon threads of libraries must not keep a finished worker alive.
    os._exit(code)


if __name__ == "__main__":
    main()
