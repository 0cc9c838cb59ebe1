"""Executors: carrying out units, inline or in worker processes; the same units give the same bytes.

An executor takes an iterator of units and yields one receipt for each, in the order in which they are
finished. Committing is the caller's business.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from . import errors
from .config import RunConfig
from .errors import PluginError, PmcxError
from .pipeline import Pipeline
from .progress import Progress
from .records import Failure, Receipt, Unit
from .registry import Registry
from .worker import Message, Spec, Task, receive, send

log = logging.getLogger("pmcx")

RECYCLE = 64
"""Units after which a worker process is replaced, against leaks in libraries."""
START_SECONDS = 600.0
"""A worker that is not ready by then (slow imports, large models) is given up."""
MAX_STARTS = 3
"""Workers that may die before they are ready, in a row, before the run gives up."""

Observe = Callable[[int, Progress], None]
Folder = Callable[[int, int], Path]


def inline(
    config: RunConfig, registry: Registry, units: Iterator[Unit], folder: Folder, observe: Observe
) -> Iterator[Receipt]:
    """Carry out the units one after the other in this process."""
    with Pipeline(config, registry) as pipeline:
        for unit in units:
            yield pipeline.run_unit(unit, folder(unit.index, 1), 1, functools.partial(observe, unit.index))


@dataclass
class _Job:
    """A unit on its way through attempts."""

    unit: Unit
    attempt: int = 1
    suspects: tuple[str, ...] = ()
    lost: tuple[Failure, ...] = ()


@dataclass
class _Worker:
    """One worker process as the driver sees it."""

    process: subprocess.Popen[bytes]
    job: _Job | None = None
    ready: bool = False
    done: int = 0
    heard: float = field(default_factory=time.monotonic)
    flight: dict[str, None] = field(default_factory=dict)
    """Articles that it has begun and not ended."""


class Processes:
    """Worker processes with a watch over each: recycled, timed, and bisected when they die."""

    def __init__(self, config: RunConfig, workers: int, folder: Folder, observe: Observe) -> None:
        self.config, self.folder, self.observe = config, folder, observe
        self.workers = max(1, workers)
        self._messages: queue.Queue[tuple[_Worker, Message | None]] = queue.Queue()
        self._pool: list[_Worker] = []
        self._retry: list[_Job] = []
        self._failed_starts = 0
        self._checked = time.monotonic()
        self._spec = Spec(
            config=config.model_dump_json().encode(),
            blocked=config.blocked,
            plugins=config.plugins,
        )

    def run(self, units: Iterator[Unit]) -> Iterator[Receipt]:
        """Carry out the units; receipts come as they are finished."""
        try:
            receipt: Receipt | None = None
            while True:
                # First give the worker its next unit, then let the caller commit what it has finished.
                more = self._feed(units)
                if receipt is not None:
                    yield receipt
                elif not more and not any(worker.job for worker in self._pool):
                    return
                receipt = self._next() if any(worker.job for worker in self._pool) else None
        finally:
            self._shutdown()

    def _feed(self, units: Iterator[Unit]) -> bool:
        """Give every idle worker something to do; False where there is nothing left to give."""
        while len(self._pool) < self.workers or any(worker.job is None for worker in self._pool):
            if self._retry:
                job = self._retry.pop()
            else:
                unit = next(units, None)
                if unit is None:
                    return False
                job = _Job(unit)
            self._give(self._idle(), job)
        return True

    # -- pool -----------------------------------------------------------------------------------

    def _idle(self) -> _Worker:
        """A worker without a job, a new one where all have one."""
        return next((worker for worker in self._pool if worker.job is None), None) or self._start()

    def _start(self) -> _Worker:
        process = subprocess.Popen(
            [sys.executable, "-m", "pmcx.core.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_worker_environment(os.environ, self.workers),
        )
        worker = _Worker(process)
        self._pool.append(worker)
        threading.Thread(target=self._listen, args=(worker,), daemon=True).start()
        self._send(worker, self._spec)
        return worker

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        while (data := receive(worker.process.stdout)) is not None:
            self._messages.put((worker, msgspec.json.decode(data, type=Message)))
        self._messages.put((worker, None))

    def _give(self, worker: _Worker, job: _Job) -> None:
        worker.job, worker.heard = job, time.monotonic()
        worker.flight.clear()
        self._send(
            worker,
            Task(
                unit=job.unit,
                attempt=job.attempt,
                folder=str(self.folder(job.unit.index, job.attempt)),
                suspects=job.suspects,
                lost=job.lost,
            ),
        )

    def _send(self, worker: _Worker, message: msgspec.Struct) -> None:
        assert worker.process.stdin is not None
        with contextlib.suppress(OSError):  # it died; the listener's end of stream tells so
            send(worker.process.stdin, message)

    # -- messages -------------------------------------------------------------------------------

    def _next(self) -> Receipt | None:
        """Handle one message (or a passed deadline); a receipt where a unit is finished."""
        try:
            worker, message = self._messages.get(timeout=min(1.0, self.config.limits.article_timeout / 4))
        except queue.Empty:
            self._check_deadlines()
            return None
        if worker not in self._pool:
            return None  # killed or retired: its unit is in other hands
        worker.heard = time.monotonic()
        if worker.heard - self._checked > 1.0:
            self._check_deadlines()
        if message is None:
            self._died(worker)
            return None
        if message.what == "ready":
            worker.ready, self._failed_starts = True, 0
        elif message.what == "progress":
            self._progress(worker, message)
        elif message.what == "error":
            self._kill(worker)
            raise _raised(message)
        elif message.what == "receipt":
            return self._finished(worker, message)
        return None

    def _progress(self, worker: _Worker, message: Message) -> None:
        if message.event == "begin":
            worker.flight.update(dict.fromkeys(message.articles))
        elif message.event == "end":
            for article in message.articles:
                worker.flight.pop(article, None)
        progress = Progress(message.event, message.articles, message.counts, message.seconds)
        self.observe(message.unit, progress)

    def _finished(self, worker: _Worker, message: Message) -> Receipt | None:
        worker.job = None
        worker.done += 1
        worker.flight.clear()
        if worker.done >= RECYCLE:
            self._retire(worker)
        return message.receipt

    def _check_deadlines(self) -> None:
        now = self._checked = time.monotonic()
        for worker in list(self._pool):
            limit = self.config.limits.article_timeout if worker.ready else START_SECONDS
            if worker.job is not None and now - worker.heard > limit:
                log.warning("worker %d made no progress; killed", worker.process.pid)
                self._kill(worker)
                if not worker.ready:
                    raise PluginError(f"a worker was not ready after {limit:g} s")
                self._lost(worker, f"made no progress for {limit:g} s")

    def _died(self, worker: _Worker) -> None:
        self._pool.remove(worker)
        code = worker.process.wait()
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_STARTS:
                raise PluginError(f"workers do not start (exit code {code}); see the messages above")
        self._lost(worker, _death(code))

    def _lost(self, worker: _Worker, why: str) -> None:
        """Queue the unit of a dead worker again, closing in on the article at fault.

        The first death is taken for an accident (memory ran out, somebody's kill) and the unit is run
        again as it was. After the second, all articles that were in flight are run alone; if one of those
        then kills its worker, it is the only one in flight and is recorded as lost.
        """
        job, worker.job = worker.job, None
        if job is None:
            return
        shutil.rmtree(self.folder(job.unit.index, job.attempt), ignore_errors=True)
        flight = tuple(worker.flight)
        again = _Job(job.unit, job.attempt + 1, job.suspects, job.lost)
        if job.attempt == 1:
            pass
        elif len(flight) == 1 and (flight[0] in job.suspects or len(job.unit.articles) == 1):
            ref = next(ref for ref in job.unit.articles if ref.id == flight[0])
            again.lost += (
                Failure(id=flight[0], stage="worker", kind="bug", error=f"worker {why}", attempt=ref.attempt),
            )
        elif flight:
            again.suspects = tuple(dict.fromkeys(job.suspects + flight))
        elif job.attempt > 2 * MAX_STARTS:
            raise PluginError(f"unit {job.unit.index} ends its worker outside any article: {why}")
        log.warning("worker %s in unit %d (%s in flight)", why, job.unit.index, len(flight))
        self._retry.append(again)

    # -- end ------------------------------------------------------------------------------------

    def _retire(self, worker: _Worker) -> None:
        self._pool.remove(worker)
        self._bye(worker)

    def _bye(self, worker: _Worker) -> None:
        stdin = worker.process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):
            stdin.write(b"\0\0\0\0")
            stdin.close()

    def _kill(self, worker: _Worker) -> None:
        if worker in self._pool:
            self._pool.remove(worker)
        worker.process.kill()
        worker.process.wait()

    def _shutdown(self) -> None:
        for worker in list(self._pool):
            if worker.job is None and worker.ready:
                self._bye(worker)
            else:
                worker.process.kill()
        for worker in self._pool:
            try:
                worker.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
        self._pool.clear()


def _worker_environment(environ: Mapping[str, str], workers: int) -> dict[str, str]:
    """The driver's environment and import path, with the cores shared out among the workers."""
    share = str(max(1, (os.cpu_count() or 1) // workers))
    out = dict(environ)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        out.setdefault(variable, share)
    # `-m` puts the working folder first on sys.path, where a stray module could shadow a library.
    out["PYTHONSAFEPATH"] = "1"
    out["PYTHONPATH"] = os.pathsep.join(str(Path(entry or ".").resolve()) for entry in sys.path)
    return out


def _death(code: int) -> str:
    if code < 0:
        import signal

        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"ended with exit code {code}"


def _raised(message: Message) -> PmcxError:
    kind: Any = getattr(errors, message.error_type, None)
    if isinstance(kind, type) and issubclass(kind, PmcxError):
        return kind(message.error)
    return PluginError(f"a worker failed:\n{message.error}")
