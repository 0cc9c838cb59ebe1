"""Checking a run folder against its own records: bytes, books, rows; nothing is repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .books import Books, read_books
from .dataset import PairView, Run
from .engine import derived_files
from .errors import InputError, PmcxError
from .files import hash_file
from .identity import differences, plain_settings
from .records import FileInfo, Receipt, spans_text


@dataclass
class Report:
    """What was checked and what was found wrong; empty ``problems`` means the run is whole."""

    files: int = 0
    bytes: int = 0
    pairs: int = 0
    complete: bool = False
    problems: list[str] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)
    """Work (PMCID, DOI or article id) -> the split in which it was met."""

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(path: Path, deep: bool = True) -> Report:
    """Check every committed file's bytes, the books, stray files and (``deep``) every row.

    Deep checks: keys unique over the run, no work in two splits, the image's sha256 and size, box inside
    the source image, ``subcaption`` equal to the caption's characters of its spans, mention spans in
    range, a licence and an attribution in every row.
    """
    run = Run(path)
    report = Report()
    manifest = run.folder.manifest()
    try:
        books = read_books(run.folder)
        report.problems += [f"stray file {name}" for name in run.folder.strays(manifest["roots"])]
        report.problems += run.folder.plan_problems()
    except InputError as error:
        report.problems.append(str(error))
        return report
    report.complete = books.complete
    if not books.balanced:
        report.problems.append(
            f"the books do not balance: {books.planned} articles planned, but {books.done} done + "
            f"{books.lost_articles} lost + {books.dropped_articles} dropped + {books.pending} pending"
        )
    settings = manifest["identity"]["settings"]
    report.problems += [f"run.toml: {line}" for line in differences(settings, plain_settings(run.config))]
    keys: set[str] = set()
    for receipt in run.folder.receipts():
        _check_unit(run, receipt, deep, keys, report)
    if books.complete and report.ok:
        report.problems += _check_derived(run, books)
    return report


def _check_derived(run: Run, books: Books) -> Iterator[str]:
    """Derived files that are not what the commits say."""
    for name, data in derived_files(run.folder, run.config, run.registry, books).items():
        file = run.path / name
        if not file.is_file() or file.read_bytes() != data:
            state = "does not follow from the commits" if file.is_file() else "is missing"
            yield f"{name} {state}; `pmcx run --out {run.path}` derives it again"


def _check_unit(run: Run, receipt: Receipt, deep: bool, keys: set[str], report: Report) -> None:
    whole = True
    report.problems += _check_counts(run, receipt)
    for name, facts in receipt.files.items():
        problem = _check_file(run.path / name, facts)
        report.files += 1
        report.bytes += facts.size
        if problem:
            whole = False
            report.problems.append(f"{name}: {problem}")
    if not deep or not whole:
        return
    for exporter in run.exporters:
        first = exporter is run.exporters[0]
        for name, facts in receipt.files.items():
            if not name.startswith(f"{exporter.root}/"):
                continue
            rows = 0
            try:
                for pair, data in exporter.read(run.path / name):
                    rows += 1
                    view = PairView(pair, data)
                    report.problems += [f"{name}: {pair.id}: {p}" for p in check_pair(view)]
                    if first:
                        report.pairs += 1
                        if pair.key in keys:
                            report.problems.append(f"{name}: the key {pair.key!r} occurs twice")
                        keys.add(pair.key)
                        work = pair.ids.pmcid or pair.ids.doi.casefold() or pair.article
                        if report.splits.setdefault(work, pair.split) != pair.split:
                            report.problems.append(f"{name}: {work} is in two splits")
            except (PmcxError, OSError, ValueError) as error:
                report.problems.append(f"{name}: unreadable after {rows} rows: {error}")
                continue
            if rows != facts.rows:
                report.problems.append(f"{name}: {rows} rows, the record says {facts.rows}")


def _check_counts(run: Run, receipt: Receipt) -> Iterator[str]:
    """Where a record's counts and its files do not agree."""
    counts = receipt.counts
    rows: Counter[str] = Counter()
    for name, facts in receipt.files.items():
        rows[name.partition("/")[0]] += facts.rows
    expected = {exporter.root: counts.get("pairs", 0) for exporter in run.exporters}
    expected["articles"] = counts.get("articles", 0)
    lost = [n for key, n in counts.items() if key.startswith(("failed.", "dropped."))]
    expected["failures"] = sum(lost)
    for root, count in expected.items():
        if rows[root] != count:
            told = f"counts {count} rows of {root}/, its files hold {rows[root]}"
            yield f"commits/{receipt.unit:06d}.json: {told}"


def _check_file(path: Path, facts: FileInfo) -> str:
    try:
        size = path.stat().st_size
        if size != facts.size:
            return f"{size} bytes, the record says {facts.size}"
        return "" if hash_file(path) == facts.sha256 else "its bytes changed (sha256 differs)"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable ({error.strerror})"


def check_pair(view: PairView) -> Iterator[str]:
    """What is wrong with one row; nothing for a sound one."""
    import hashlib

    pair = view.record
    if hashlib.sha256(view.data).hexdigest() != pair.sha256:
        yield "the image's sha256 differs"
    try:
        image = view.image()
        if image.size != (pair.width, pair.height):
            yield f"the image is {image.size}, the row says {(pair.width, pair.height)}"
    except (OSError, InputError, ValueError) as error:
        yield f"the image does not decode: {error}"
    x0, y0, x1, y1 = pair.box
    if not (0 <= x0 < x1 <= pair.image.width and 0 <= y0 < y1 <= pair.image.height):
        yield f"box {pair.box} outside the {pair.image.width}x{pair.image.height} source image"
    if spans_text(pair.caption, pair.spans) != pair.subcaption:
        yield "the sub-caption is not the caption's characters of its spans"
    for mention in pair.mentions:
        if any(not 0 <= s.start < s.end <= len(mention.text) for s in mention.spans):
            yield f"a mention span lies outside paragraph {mention.paragraph}"
    if not pair.license.code:
        yield "no licence code"
    if not pair.attribution:
        yield "no attribution"
    if not pair.image.sha256:
        yield "no checksum of the source image"
