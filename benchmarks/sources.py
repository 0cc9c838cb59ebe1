"""Downloading against a stand-in on loopback: throughput beside a bare client, and overlap with processing.

Run: ``python benchmarks/sources.py [throughput overlap]``. The stand-in is a process of its own; it answers
each request after a delay, as a server at a distance does. Ratios are taken in one run on the same objects,
in alternating turns; quote medians.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

ROUNDS = 5
CONNECTIONS = 16
OBJECTS, BYTES = 400, 300_000
ARTICLES = 300


def serve(delay: float, articles: int) -> None:
    """The server process: a bucket of plain objects, and one of articles; ends with its standard input."""
    import hashlib

    from standins.content import PmcBucket
    from standins.http import Reply, Request
    from standins.s3 import S3StandIn

    class Distant(S3StandIn):
        def answer(self, request: Request) -> Reply:
            time.sleep(delay)
            return super().answer(request)

    with Distant() as standin:
        bucket = PmcBucket(standin)
        if articles:
            bucket.fill(articles)
            bucket.inventory()
        else:
            standin.public("plain")
            for n in range(OBJECTS):
                standin.put("plain", f"{n}.bin", hashlib.sha256(str(n).encode()).digest() * (BYTES // 32))
        print(standin.url, flush=True)
        sys.stdin.read()


@contextlib.contextmanager
def server(delay: float, articles: int = 0) -> Iterator[str]:
    """The address of a server process that answers after ``delay`` seconds."""
    command = [sys.executable, __file__, "serve", str(delay), str(articles)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


def bare(base: str) -> float:
    """Seconds for all objects with ``httpx`` and a pool of threads alone."""
    import httpx

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    with httpx.Client(limits=limits) as http, ThreadPoolExecutor(CONNECTIONS) as pool:
        began = time.perf_counter()
        got = sum(pool.map(lambda n: len(http.get(f"{base}/plain/{n}.bin").content), range(OBJECTS)))
        assert got == OBJECTS * (BYTES // 32 * 32)
        return time.perf_counter() - began


def ours(base: str, sums: list[str], **options: Any) -> float:
    """Seconds for the same objects through the fetch layer, md5 checked."""
    from pmcx.core.net.client import Client
    from pmcx.core.net.options import NetOptions
    from pmcx.core.net.s3 import Bucket

    settings = NetOptions(connections=CONNECTIONS, **options)
    with Client(settings) as client, ThreadPoolExecutor(CONNECTIONS) as pool:
        bucket = Bucket(client, "plain", base)
        began = time.perf_counter()
        got = sum(pool.map(lambda n: len(bucket.get(f"{n}.bin", md5=sums[n]).body), range(OBJECTS)))
        assert got == OBJECTS * (BYTES // 32 * 32)
        return time.perf_counter() - began


def throughput() -> None:
    """Bytes per second of the fetch layer over those of a bare client of the same library."""
    import hashlib

    sums = [
        hashlib.md5(hashlib.sha256(str(n).encode()).digest() * (BYTES // 32)).hexdigest()
        for n in range(OBJECTS)
    ]
    for delay in (0.0, 0.02, 0.1):
        with server(delay) as base:
            bare(base)
            rows: dict[str, list[float]] = {"as they come": [], "verified": [], "verified and cached": []}
            plain = []
            for _ in range(ROUNDS):
                plain.append(bare(base))
                rows["as they come"].append(ours(base, [""] * OBJECTS, cache="none"))
                rows["verified"].append(ours(base, sums, cache="none"))
                with tempfile.TemporaryDirectory() as cache:
                    rows["verified and cached"].append(ours(base, sums, cache=cache))
            rate = OBJECTS * BYTES / 1e6 / statistics.median(plain)
            print(f"delay {delay * 1000:.0f} ms: bare client {rate:.0f} MB/s")
            for name, seconds in rows.items():
                ratios = [b / s for b, s in zip(plain, seconds, strict=True)]
                told = " ".join(f"{ratio:.2f}" for ratio in ratios)
                print(f"  {name}: {statistics.median(ratios):.2f} of the bare client ({told})")


def download_only(base: str, cache: str) -> float:
    """Seconds to fetch and read everything a run reads, without doing anything with it."""
    from pmcx.core.config import Filters
    from pmcx.core.fetching import FetchAhead, Fetcher, groups_of
    from pmcx.core.ledger import Ledger
    from pmcx.core.records import ArticleRef, Unit
    from pmcx.core.stages import Document
    from pmcx.sources.pmc.source import PmcOaSource

    began = time.perf_counter()
    with PmcOaSource({"endpoint": base, "inventory": True, "cache": cache}) as source:
        refs = [ref for ref in source.plan() if isinstance(ref, ArticleRef)]
        ledger = Ledger(Unit(index=0, articles=tuple(refs)))
        fetcher = Fetcher(source, Filters(), ledger, lambda progress: None)
        with FetchAhead(groups_of(refs, frozenset()), fetcher.fetch, source.ahead) as groups:
            for group in groups:
                for item in group.items:
                    assert isinstance(item.answer, Document), item.answer
                    for figure, _ in item.figures:
                        item.answer.read(figure)
                    item.answer.close()
    return time.perf_counter() - began


def whole_run(base: str, cache: str, out: Path) -> tuple[float, dict[str, float]]:
    import pmcx

    options = {"endpoint": base, "inventory": True, "cache": cache}
    began = time.perf_counter()
    result = pmcx.run("pmc-oa", out, source_options=options, workers=1, unit_articles=ARTICLES)
    assert result.exit_code == 0, result.books.failures[:3]
    return time.perf_counter() - began, dict(result.books.seconds)


def overlap() -> None:
    """Wall of a run over the larger of downloading alone and processing alone."""
    for delay in (0.07, 0.15):
        ratios = []
        with server(delay, ARTICLES) as base, tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            whole_run(base, str(folder / "warm"), folder / "warm-out")
            for n in range(3):
                download = download_only(base, str(folder / f"d{n}"))
                process, _ = whole_run(base, str(folder / "warm"), folder / f"p{n}")
                wall, _ = whole_run(base, str(folder / f"w{n}"), folder / f"o{n}")
                ratios.append(wall / max(download, process))
                print(
                    f"  downloading {download:.2f} s, processing {process:.2f} s, both {wall:.2f} s: "
                    f"{ratios[-1]:.2f} x the larger"
                )
        print(f"delay {delay * 1000:.0f} ms: {statistics.median(ratios):.2f} x the larger of the two")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(float(sys.argv[2]), int(sys.argv[3]))
    else:
        for name in sys.argv[1:] or ["throughput", "overlap"]:
            {"throughput": throughput, "overlap": overlap}[name]()
