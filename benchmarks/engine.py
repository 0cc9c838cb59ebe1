"""What the engine itself costs: overhead, scaling over processes, memory, start-up.

Run: ``python benchmarks/engine.py [overhead scaling memory startup]``. Every ratio is taken in one run on
the same inputs; quote medians. Inputs are the articles that the demo source draws, exported once as
packages on disk so that drawing is not measured.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pmcx

ROUNDS = 3


def make_packages(folder: Path, articles: int) -> None:
    """Unpacked article packages from the demo source: XML beside its images."""
    from pmcx.sources.demo.article import make_package

    for index in range(articles):
        package = folder / f"article{index:05d}"
        package.mkdir(parents=True)
        for name, data in make_package(index).items():
            (package / name).write_bytes(data)


def run(source: Path, out: Path, workers: int, executor: str = "auto") -> tuple[float, pmcx.RunResult]:
    """Wall seconds of a run in this process (imports are warm after the first)."""
    began = time.perf_counter()
    result = pmcx.run(
        "folder",
        out,
        source_options={"input": [str(source)]},
        export=["webdataset", "parquet"],
        workers=workers,
        executor=executor,
        unit_articles=16,
    )
    assert result.exit_code == 0, result.books.failures[:3]
    return time.perf_counter() - began, result


def overhead(source: Path, scratch: Path) -> None:
    """Wall minus the stages' own time (the source's planning is one), as a share of the wall."""
    run(source, scratch / "warm", 1)
    shares = []
    for n in range(ROUNDS):
        wall, result = run(source, scratch / f"overhead{n}", 1)
        seconds = result.books.seconds
        busy = result.planning + sum(value for name, value in seconds.items() if name != "wall")
        shares.append((wall - busy) / wall)
        print(f"  wall {wall:6.2f} s  stages {busy:6.2f} s  overhead {shares[-1]:6.1%}")
    print(f"engine overhead: {statistics.median(shares):.1%} of the run (limit 5 %)")


_INLINE = """
import sys, pmcx
pmcx.run("folder", sys.argv[1], source_options={"input": sys.argv[2:]}, export=["webdataset", "parquet"],
         workers=1, unit_articles=16)
"""


def side_by_side(out: Path, parts: list[list[Path]]) -> float:
    """Wall seconds of independent runs at the same time, one for each part: what the machine can give."""
    began = time.perf_counter()
    runs = [
        subprocess.Popen([sys.executable, "-c", _INLINE, str(out / str(n)), *map(str, part)])
        for n, part in enumerate(parts)
    ]
    assert all(process.wait() == 0 for process in runs)
    return time.perf_counter() - began


def scaling(source: Path, scratch: Path) -> None:
    """Wall of one worker process over that of two, on the same articles; and the machine's own ceiling."""
    ratios, ceilings = [], []
    packages = sorted(source.iterdir())
    for n in range(ROUNDS):
        one, _ = run(source, scratch / f"one{n}", 1, "processes")
        two, _ = run(source, scratch / f"two{n}", 2, "processes")
        alone = side_by_side(scratch / f"alone{n}", [packages])
        apart = side_by_side(scratch / f"apart{n}", [packages[::2], packages[1::2]])
        ratios.append(one / two)
        ceilings.append(alone / apart)
        print(
            f"  1 process {one:6.2f} s  2 processes {two:6.2f} s  ratio {ratios[-1]:.2f}"
            f"   two independent runs: {ceilings[-1]:.2f}"
        )
    print(
        f"2 processes: {statistics.median(ratios):.2f} x one (at least 1.8); two independent runs of half "
        f"the articles each: {statistics.median(ceilings):.2f} x; {os.cpu_count()} cores"
    )


_MEMORY = """
import resource, sys
import pmcx, pmcx.core.engine
from pathlib import Path
peaks = []
class Watch(pmcx.core.engine.Silent):
    articles = 0
    def committed(self, receipt):
        self.articles += receipt.counts["articles"]
        peaks.append((self.articles, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
import repeated
options = {"input": [sys.argv[1]], "articles": int(sys.argv[3])}
result = pmcx.run("repeated", sys.argv[2], source_options=options,
    plugins=["repeated"], export=["webdataset"], workers=1, unit_articles=100, observer=Watch())
assert result.exit_code == 0
early = next(peak for n, peak in peaks if n >= 500)
print(early, peaks[-1][1], peaks[-1][0])
"""

_REPEATED = '''
"""A source that enumerates the articles of a folder again and again under new ids."""
import itertools, msgspec, pmcx
from pmcx.sources.folder import FolderSource

class Repeated(FolderSource):
    name = "repeated"
    class Options(FolderSource.Options):
        articles: int = 10000
    def plan(self):
        refs = list(super().plan())
        for n, ref in zip(range(self.options.articles), itertools.cycle(refs)):
            yield msgspec.structs.replace(ref, id=f"R{n}")

@pmcx.hookimpl
def pmcx_sources():
    return [Repeated]
'''


def memory(source: Path, scratch: Path, articles: int = 10_000) -> None:
    """Peak resident memory after 500 articles and at the end."""
    (scratch / "repeated.py").write_text(_REPEATED)
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(source), str(scratch / "memory"), str(articles)],
        env={**os.environ, "PYTHONPATH": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    early, late, n = (int(word) for word in done.stdout.split())
    print(
        f"peak memory: {early / 1024:.0f} MB after 500 articles, {late / 1024:.0f} MB after {n}: "
        f"{late / early - 1:+.1%} (limit 5 %)"
    )


def startup() -> None:
    """CPU seconds of the commands that a user waits for."""
    for words, limit in ((["--help"], 0.3), (["plugins"], 0.5), (["run", "--help"], None)):
        spent = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-m", "pmcx", *words], capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        print(
            f"pmcx {' '.join(words):12s} {statistics.median(spent):.2f} s of CPU"
            + (f" (limit {limit})" if limit else "")
        )


def main() -> None:
    wanted = sys.argv[1:] or ["startup", "overhead", "scaling", "memory"]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        packages = scratch / "packages"
        if set(wanted) - {"startup"}:
            make_packages(packages, 384)
        if "startup" in wanted:
            startup()
        for check in (overhead, scaling, memory):
            if check.__name__ in wanted:
                check(packages, scratch)


if __name__ == "__main__":
    main()
