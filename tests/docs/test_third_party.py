"""What a stranger can do with nothing but an installed pmcx: the plugin of the tutorial, and broken ones.

Packages are built as wheels, installed into folders of their own, and used through the real command line
in subprocesses. Nothing in this repository knows of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pmcx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import examples  # noqa: E402

PAGE = ROOT / "docs" / "tutorials" / "first-plugin.md"
PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{distribution}"
version = "{version}"

[project.entry-points.pmcx]
{entry} = "{module}"

[tool.setuptools]
py-modules = ["{module}"]
"""


def pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def install(package: Path, scratch: Path) -> Path:
    """Build a package's wheel and install it into a new folder; the folder."""
    wheels, target = scratch / "wheels", scratch / f"site-{package.name}"
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(package))
    stem = package.name.replace("-", "_")
    (wheel,) = wheels.glob(f"{stem}-*.whl")
    pip("install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    return target


def start(*words: str, path: list[Path]) -> subprocess.CompletedProcess[str]:
    """Run ``pmcx`` with the folders installed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PMCX_")}
    before = [environ["PYTHONPATH"]] if environ.get("PYTHONPATH") else []
    environ["PYTHONPATH"] = os.pathsep.join([*map(str, path), *before])
    return subprocess.run(
        [sys.executable, "-m", "pmcx", *words], env=environ, capture_output=True, text=True, timeout=300
    )


def command(*words: str, path: list[Path], code: int = 0) -> str:
    """The standard output of ``pmcx`` (with an error, standard error too), its exit code checked."""
    done = start(*words, path=path)
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def told(*words: str, path: list[Path]) -> Any:
    return json.loads(command(*words, "--json", path=path))


def plugin_of(listed: Any, distribution: str) -> dict[str, Any]:
    (found,) = [plugin for plugin in listed["plugins"] if plugin["distribution"] == distribution]
    return dict(found)


# -- the plugin of the tutorial -----------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's package, its files taken from the page, built and installed."""
    scratch = tmp_path_factory.mktemp("tutorial")
    for block in examples.blocks(PAGE.read_text(encoding="utf-8")):
        if block.title:
            (scratch / block.title).parent.mkdir(parents=True, exist_ok=True)
            (scratch / block.title).write_text(block.code, encoding="utf-8")
    return install(scratch / "pmcx-widest-gap", scratch)


def test_it_is_listed_with_its_distribution_and_version(site: Path) -> None:
    listed = told("plugins", path=[site])
    assert plugin_of(listed, "pmcx-widest-gap") == {
        "plugin": "pmcx-widest-gap:widest-gap",
        "module": "pmcx_widest_gap",
        "distribution": "pmcx-widest-gap",
        "version": "0.3.0",
        "status": "loaded",
        "reason": "",
        "stages": [{"kind": "detector", "name": "widest-gap"}],
    }
    (stage,) = [stage for stage in listed["stages"] if stage["name"] == "widest-gap"]
    assert (stage["kind"], stage["distribution"], stage["version"]) == (
        "detector",
        "pmcx-widest-gap",
        "0.3.0",
    )
    assert set(stage["options"]) == {"white", "min_gap"}
    assert "widest-gap" not in command("plugins", path=[])


def test_the_page_shows_what_is_listed(site: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = examples.blocks(text)
    at = next(n for n, block in enumerate(found) if block.code == "pmcx plugins --kind detector\n")
    printed = command("plugins", "--kind", "detector", path=[site])
    assert examples.words(found[at + 1].code) == examples.words(printed)


def test_it_passes_its_check(site: Path) -> None:
    report = told("check", "widest-gap", path=[site])
    assert report["ok"], report
    assert report["kind"] == "detector"
    assert len(report["results"]) >= 9


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_uses_it_by_name(site: Path, tmp_path: Path, workers: str) -> None:
    out = str(tmp_path / "out")
    command(
        *("run", "--source", "demo", "--source-option", "articles=3", "--detector", "widest-gap"),
        *("--detector-option", "min_gap=6", "--out", out, "--workers", workers, "--quiet"),
        path=[site],
    )
    status = told("status", out, path=[site])
    assert status["complete"] and status["lost"] == {}
    assert told("verify", out, path=[site])["ok"]
    rows = [view.record for view in pmcx.open(out)]
    assert {row.made_by["detector"] for row in rows} == {"widest-gap 0.3.0"}
    halves = {row.figure for row in rows if row.box_score == 1.0}
    assert len(rows) > len(halves) == status["figures"], "no figure was cut in two"
    assert max(sum(row.figure == figure for row in rows) for figure in halves) == 2
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (detector,) = [stage for stage in manifest["identity"]["stages"] if stage["kind"] == "detector"]
    assert detector["plugin"] == "pmcx-widest-gap:widest-gap"
    assert detector["options"] == {"white": 245, "min_gap": 6}


def test_its_options_are_checked(site: Path, tmp_path: Path) -> None:
    words = ("run", "--source", "demo", "--detector", "widest-gap", "--out", str(tmp_path / "out"))
    message = command(*words, "--detector-option", "min_gab=6", path=[site], code=2)
    assert "did you mean 'min_gap'" in message
    assert not (tmp_path / "out").exists()


def test_a_run_made_with_it_needs_it_to_resume(site: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    words = ("run", "--source", "demo", "--source-option", "articles=1", "--detector", "widest-gap")
    command(*words, "--out", out, "--quiet", path=[site])
    message = command("run", "--out", out, path=[], code=2)
    assert "no detector called 'widest-gap'" in message


# -- plugins gone wrong, and other kinds of hooks -----------------------------------------------

Make = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Build and install a distribution of one module."""
    scratch = tmp_path_factory.mktemp("others")

    def build(distribution: str, code: str) -> Path:
        package, module = scratch / distribution, distribution.replace("-", "_")
        package.mkdir()
        (package / f"{module}.py").write_text(code)
        (package / "pyproject.toml").write_text(
            PYPROJECT.format(distribution=distribution, version="1.2", entry="main", module=module)
        )
        return install(package, scratch)

    return build


def detector(name: str) -> str:
    return (
        "import pmcx\n\n\n"
        "class Mine(pmcx.Detector):\n"
        '    """A detector of somebody else."""\n\n'
        f"    name = {name!r}\n\n"
        "    def detect(self, images):\n"
        "        return [[] for _ in images]\n\n\n"
        "@pmcx.hookimpl\n"
        "def pmcx_detectors():\n"
        "    return [Mine]\n"
    )


def small_run(out: Path, path: list[Path], *words: str, code: int = 0) -> str:
    source = ("--source", "demo", "--source-option", "articles=1", "--workers", "1")
    return command("run", *source, *words, "--out", str(out), "--quiet", path=path, code=code)


@pytest.mark.parametrize(
    ("distribution", "code", "reason"),
    [
        (
            "pmcx-torn",
            "import a_module_that_nobody_has\n",
            "ModuleNotFoundError: No module named 'a_module_that_nobody_has'",
        ),
        ("pmcx-quits", "raise SystemExit('I want to leave')\n", "SystemExit: I want to leave"),
        (
            "pmcx-misspelt",
            detector("mine").replace("pmcx_detectors", "pmcx_detector"),
            "unknown hook 'pmcx_detector'; did you mean 'pmcx_detectors'?",
        ),
        (
            "pmcx-objects",
            detector("mine").replace("[Mine]", "[Mine()]"),
            "pmcx_detectors must return subclasses of pmcx.Detector",
        ),
        ("pmcx-capital", detector("Mine Own"), "Mine.name must match"),
    ],
    ids=["import-error", "exit", "misspelt-hook", "object", "bad-name"],
)
def test_a_broken_plugin_is_listed_with_its_reason_and_harms_nothing(
    make: Make, tmp_path: Path, distribution: str, code: str, reason: str
) -> None:
    path = [make(distribution, code)]
    listed = told("plugins", path=path)
    plugin = plugin_of(listed, distribution)
    assert (plugin["status"], plugin["version"], plugin["stages"]) == ("broken", "1.2", [])
    assert reason in plugin["reason"]
    assert all(p["status"] == "loaded" for p in listed["plugins"] if p["distribution"] == "pmcx-extract")
    assert distribution in command("plugins", path=path)
    small_run(tmp_path / "out", path, "--detector", "gutters")
    assert told("verify", str(tmp_path / "out"), path=path)["ok"]
    # Asking for what it would offer says why it is not there.
    assert reason in small_run(tmp_path / "other", path, "--detector", "mine", code=2)


def test_a_blocked_plugin_is_not_imported(make: Make, tmp_path: Path) -> None:
    trace = tmp_path / "imported"
    code = f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n" + detector("loud")
    path = [make("pmcx-loud", code)]
    plugin = plugin_of(told("plugins", "--no-plugin", "pmcx-loud", path=path), "pmcx-loud")
    assert plugin["status"] == "blocked"
    assert "--no-plugin" in plugin["reason"]
    blocked = ("--no-plugin", "pmcx_loud", "--detector", "gutters")
    small_run(tmp_path / "out", path, *blocked)
    assert told("verify", str(tmp_path / "out"), path=path)["ok"]
    assert not trace.exists()
    message = small_run(tmp_path / "no", path, "--no-plugin", "pmcx-loud", "--detector", "loud", code=2)
    assert "pmcx-loud:main (blocked" in message
    assert plugin_of(told("plugins", path=path), "pmcx-loud")["status"] == "loaded"
    assert trace.exists()


def test_a_name_that_two_plugins_offer_names_both(make: Make, tmp_path: Path) -> None:
    path = [make("pmcx-rival", detector("gutters"))]
    message = small_run(tmp_path / "out", path, "--detector", "gutters", code=1)
    assert "pmcx-extract:detectors" in message and "pmcx-rival:main" in message
    assert "--no-plugin" in message
    assert not (tmp_path / "out").exists()
    (clash,) = told("plugins", path=path)["clashes"]
    assert "pmcx-extract:detectors" in clash and "pmcx-rival:main" in clash
    small_run(tmp_path / "out", path, "--detector", "gutters", "--no-plugin", "pmcx-rival")
    rows = [view.record for view in pmcx.open(tmp_path / "out")]
    assert {row.made_by["detector"] for row in rows} == {f"gutters {pmcx.__version__}"}


def test_a_plugin_may_add_commands(make: Make) -> None:
    code = (
        "import click\nimport pmcx\n\n\n"
        "@pmcx.hookimpl\n"
        "def pmcx_commands(cli):\n"
        "    @cli.command('greet')\n"
        "    @click.argument('name')\n"
        "    def greet(name):\n"
        '        """Greet somebody."""\n'
        "        click.echo(f'hello {name}')\n\n"
        "    @cli.command('run')\n"
        "    def run():\n"
        '        """Take the place of a built-in command."""\n'
        "        click.echo('stolen')\n"
    )
    path = [make("pmcx-greets", code)]
    page = command("--help", path=path)
    assert "greet" in page and "Greet somebody." in page
    assert command("greet", "you", path=path) == "hello you\n"
    assert "Did you mean 'greet'" in command("gret", path=path, code=2)
    assert "greet" not in command("--help", path=[])
    assert "stolen" not in command("run", "--help", path=path)


def test_event_hooks_are_called_in_the_driver_and_may_fail(make: Make, tmp_path: Path) -> None:
    log = tmp_path / "events"
    code = (
        "import os\nimport pathlib\nimport pmcx\n\n"
        f"LOG = pathlib.Path({str(log)!r})\n\n\n"
        "def note(*words):\n"
        "    with LOG.open('a') as out:\n"
        "        print(os.getpid(), *words, file=out)\n\n\n"
        "@pmcx.hookimpl\n"
        "def pmcx_run_started(run):\n"
        "    note('started', run.units)\n\n\n"
        "@pmcx.hookimpl\n"
        "def pmcx_unit_committed(receipt):\n"
        "    note('committed', receipt.unit)\n"
        "    raise RuntimeError('a hook that fails')\n\n\n"
        "@pmcx.hookimpl\n"
        "def pmcx_run_finished(run):\n"
        "    note('finished', run.counts['articles'])\n"
    )
    path = [make("pmcx-notes", code)]
    done = start(
        *("run", "--source", "demo", "--source-option", "articles=2", "--set", "unit_articles=1"),
        *("--workers", "2", "--quiet", "--out", str(tmp_path / "out")),
        path=path,
    )
    assert done.returncode == 0, done.stderr
    assert "pmcx-notes:main failed in pmcx_unit_committed" in done.stderr
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [line[1] for line in lines] == ["started", "committed", "committed", "finished"]
    assert sorted(line[2] for line in lines[1:3]) == ["0", "1"]
    assert (lines[0][2], lines[3][2]) == ("2", "2")
    assert len({line[0] for line in lines}) == 1, "hooks were called in several processes"
