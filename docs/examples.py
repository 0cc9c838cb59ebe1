"""The code blocks of these pages: found, run in order, their outputs kept as they are really printed.

    python docs/examples.py [PAGE ...]    run the pages and rewrite the outputs in them

Conventions, read by ``tests/docs``:

- A block with ``title="path"`` is a file of the example; it is written below the working folder.
- Every other ``python`` block is run, and every ``sh`` block that ``<!-- test -->`` precedes. The mark may
  carry ``exit=CODE``, and ``interrupt=GLOB``: press Ctrl-C as soon as a file matches.
- A ``text`` block that ``<!-- output -->`` precedes shows what the block before it printed.
- ``<!-- requires MODULE ... -->`` names what must be installed for the page to run.
- ``<!-- network -->`` marks a page whose commands talk to services: they are parsed, not run.

Each page has a folder of its own; its blocks run there in the order of the page.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).resolve().parent
NETWORK = "<!-- network -->"
_FENCE = re.compile(r"```(\w+)(?:[ ]+title=\"([^\"]+)\")?")
_COMMENT = re.compile(r"<!-- (test|output|requires)\b(.*?) -->")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class ExampleError(AssertionError):
    """A block did not do what its page says."""


@dataclass
class Block:
    """One fenced block: where its code stands in the page (lines ``first`` to ``last``, half-open)."""

    language: str
    title: str
    first: int
    last: int
    code: str
    marks: dict[str, dict[str, str]] = field(default_factory=dict)
    """``test`` or ``output`` -> the settings of the comment before it."""

    @property
    def runs(self) -> bool:
        if self.title:
            return False
        return self.language == "python" or (self.language == "sh" and "test" in self.marks)


def pages() -> list[Path]:
    """The pages with examples to run: tutorials and how-to guides."""
    return [path for path in _guides() if NETWORK not in path.read_text(encoding="utf-8")]


def network_pages() -> list[Path]:
    """The pages whose commands talk to services."""
    return [path for path in _guides() if NETWORK in path.read_text(encoding="utf-8")]


def _guides() -> list[Path]:
    return [path for part in ("tutorials", "how-to") for path in sorted((DOCS / part).glob("*.md"))]


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    marks: dict[str, dict[str, str]] = {}
    opened: Block | None = None
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if opened is not None:
            if line == "```":
                opened.last = number
                opened.code = "".join(f"{each}\n" for each in lines[opened.first : number])
                found.append(opened)
                opened, marks = None, {}
        elif line.startswith("```"):
            match = _FENCE.match(line)
            opened = Block(
                match[1] if match else "", (match[2] if match else "") or "", number + 1, 0, "", marks
            )
        elif comment := _COMMENT.fullmatch(line.strip()):
            marks[comment[1]] = dict(word.partition("=")[::2] for word in comment[2].split())
        elif line.strip():
            marks = {}
    return found


def requires(text: str) -> list[str]:
    """The modules that must be there for the page's examples."""
    return [name for kind, names in _COMMENT.findall(text) if kind == "requires" for name in names.split()]


def run_page(page: Path, folder: Path) -> Iterator[tuple[Block, str]]:
    """Run a page's examples in ``folder``; each block that ran, and what it printed."""
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.title:
            target = folder / block.title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.code, encoding="utf-8")
        elif block.runs:
            yield block, _run(block, folder, page)


def expected(page: Path) -> dict[int, Block]:
    """The shown outputs of a page, by the first line of the block that prints them."""
    shown: dict[int, Block] = {}
    before: Block | None = None
    for block in blocks(page.read_text(encoding="utf-8")):
        if "output" in block.marks and before is not None:
            shown[before.first] = block
        before = block
    return shown


def words(output: str) -> set[str]:
    """What must be the same of two outputs: the words, without numbers, order and layout."""
    return set(re.findall(r"\b[A-Za-z]{2,}\b", output))


def environment(folder: Path) -> dict[str, str]:
    """A user's shell: the ``pmcx`` beside this Python, no settings of ours, caches below ``folder``."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PMCX_")}
    env.pop("COLUMNS", None)
    return {
        **env,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")]),
        "TERM": "dumb",
        "HF_HOME": str(folder.parent / "hf"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
    }


def _run(block: Block, folder: Path, page: Path) -> str:
    settings = block.marks.get("test", {})
    env = environment(folder)
    if block.language == "python":
        done = subprocess.run(
            [sys.executable, "-c", block.code],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        code, output = done.returncode, done.stdout
        told = f"{output}\n{done.stderr}"
    else:
        # Ctrl-C must reach the command itself, as in an interactive shell.
        script = f"exec {block.code}" if "interrupt" in settings else block.code
        code, output = _in_terminal(["sh", "-e", "-c", script], folder, env, settings.get("interrupt", ""))
        told = output
    if code != int(settings.get("exit", 0)):
        raise ExampleError(f"{page.name}:{block.first + 1}: exit code {code}\n{block.code}\n{told}")
    lines = [line.rstrip() for line in output.replace(str(folder), ".").split("\n")]
    return "\n".join(lines).strip("\n") + "\n"


def _in_terminal(command: list[str], folder: Path, env: Mapping[str, str], interrupt: str) -> tuple[int, str]:
    """Run a command on a terminal of 80 columns; its exit code and what the terminal shows at the end."""
    import pty

    driver, terminal = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    if interrupt:
        _wait_for(folder, interrupt, process)
        os.killpg(process.pid, signal.SIGINT)
    shown = bytearray()
    while True:
        try:
            data = os.read(driver, 1 << 16)
        except OSError:  # what Linux says when the last writer has gone
            break
        if not data:
            break
        shown += data
    os.close(driver)
    text = _ANSI.sub("", shown.decode("utf-8", "replace")).replace("\r\n", "\n")
    return process.wait(), text


def _wait_for(folder: Path, pattern: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not any(folder.glob(pattern)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ExampleError(f"nothing matched {pattern} while {process.args!r} ran")
        time.sleep(0.02)


def refresh(page: Path) -> None:
    """Run a page and write what its blocks print into it."""
    shown = expected(page)
    lines = page.read_text(encoding="utf-8").split("\n")
    changes: list[tuple[Block, str]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "work"
        folder.mkdir()
        for block, output in run_page(page, folder):
            if block.first in shown:
                changes.append((shown[block.first], output))
    for block, output in reversed(changes):
        lines[block.first : block.last] = output.rstrip("\n").split("\n")
    page.write_text("\n".join(lines), encoding="utf-8")


def main(arguments: list[str]) -> None:
    for page in [Path(name) for name in arguments] or pages():
        sys.stderr.write(f"{page}\n")
        refresh(page)


if __name__ == "__main__":
    main(sys.argv[1:])
