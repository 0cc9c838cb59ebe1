"""The plugin distributions below ``plugins/``: built, installed and used as a third party's would be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from standins.content import PmcArticle, pmc_article
from standins.europepmc import EuropePmcStandIn

import pmcx

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
ARTICLES = 5


def call(*words: str, path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with a folder of installed packages, outside the checkout."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PMCX_")}
    before = [environ["PYTHONPATH"]] if environ.get("PYTHONPATH") else []
    environ["PYTHONPATH"] = os.pathsep.join([str(path), *before])
    command = [sys.executable, *words]
    return subprocess.run(command, env=environ, cwd=cwd, capture_output=True, text=True, timeout=300)


def command(*words: str, path: Path, cwd: Path, code: int = 0) -> str:
    done = call("-m", "pmcx", *words, path=path, cwd=cwd)
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def settings(plugin: Path) -> dict[str, Any]:
    return tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each plugin's wheel, built from a copy of its folder and installed into a new folder."""
    found = {}
    for plugin in PLUGINS:
        scratch = tmp_path_factory.mktemp(plugin.name)
        shutil.copytree(
            plugin, scratch / "source", ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__")
        )
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        for step in (
            ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "wheels", "./source"],
            ["install", "--no-deps", "--no-index", "--target", "site", *_wheels(scratch, settings(plugin))],
        ):
            done = subprocess.run([*pip, *step], cwd=scratch, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stdout + done.stderr
        found[plugin.name] = scratch / "site"
    return found


def _wheels(scratch: Path, data: dict[str, Any]) -> list[str]:
    stem = data["project"]["name"].replace("-", "_")
    return [str(scratch / "wheels" / f"{stem}-{data['project']['version']}-py3-none-any.whl")]


def test_there_are_plugins() -> None:
    assert "europepmc" in [plugin.name for plugin in PLUGINS]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_is_a_distribution_of_its_own(plugin: Path, sites: dict[str, Path]) -> None:
    data = settings(plugin)
    project = data["project"]
    assert project["license"] == "Apache-2.0"
    assert (plugin / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert any(dependency.startswith("pmcx-extract") for dependency in project["dependencies"])
    site = sites[plugin.name]
    (module,) = project["entry-points"]["pmcx"].values()
    assert (site / module / "__init__.py").is_file() and (site / module / "py.typed").is_file()
    (info,) = site.glob("*.dist-info")
    assert list(info.rglob("LICENSE"))
    strays = {path.name for path in site.iterdir()} - {module, info.name, "__pycache__"}
    assert not strays, f"the wheel brings {strays}"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_is_found_and_cheap_to_list(plugin: Path, sites: dict[str, Path], tmp_path: Path) -> None:
    project = settings(plugin)["project"]
    listed = json.loads(command("plugins", "--json", path=sites[plugin.name], cwd=tmp_path))
    (found,) = [each for each in listed["plugins"] if each["distribution"] == project["name"]]
    assert (found["status"], found["version"]) == ("loaded", project["version"]), found["reason"]
    assert found["stages"]
    heavy = "{'torch', 'numpy', 'lxml', 'PIL', 'httpx', 'pyarrow'} & set(sys.modules)"
    code = (
        f"import sys; from pmcx.core.registry import Registry; Registry.discover().stages(); print({heavy})"
    )
    done = call("-c", code, path=sites[plugin.name], cwd=tmp_path)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugins_own_tests_pass(plugin: Path, sites: dict[str, Path], tmp_path: Path) -> None:
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", str(plugin / "tests"))
    done = call(*words, path=sites[plugin.name], cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert " passed" in done.stdout or "100%" in done.stdout


# -- europepmc ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def articles() -> dict[str, PmcArticle]:
    made = [pmc_article(n, figures=2) for n in range(501, 501 + ARTICLES)]
    return {article.pmcid: article for article in made}


@pytest.fixture(scope="module")
def service(articles: dict[str, PmcArticle]) -> Iterator[EuropePmcStandIn]:
    with EuropePmcStandIn() as standin:
        for name, article in articles.items():
            images = {file: data for file, data in article.media.items() if file.endswith(".jpg")}
            standin.add(name, article.xml, images, {"mmc1.pdf": b"%PDF-1.4"})
        standin.add("PMC599", None)
        yield standin


def given(service: EuropePmcStandIn, *more: str) -> list[str]:
    options = [f"endpoint={service.url}", "rate=500", "cache=none", *more]
    return [word for option in options for word in ("--option", option)]


def test_europepmc_passes_its_check(
    sites: dict[str, Path], service: EuropePmcStandIn, tmp_path: Path
) -> None:
    words = ("check", "europepmc", *given(service, "query=demonstration"), "--json")
    report = json.loads(command(*words, path=sites["europepmc"], cwd=tmp_path))
    assert report["ok"] and report["kind"] == "source" and len(report["results"]) >= 6


def test_europepmc_is_checked_live(sites: dict[str, Path], service: EuropePmcStandIn, tmp_path: Path) -> None:
    words = ("check-live", "europepmc", *given(service), "--json")
    report = json.loads(command(*words, path=sites["europepmc"], cwd=tmp_path))
    assert report["ok"] and [check["status"] for check in report["checks"]] == ["ok"] * 8


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_from_europepmc(
    sites: dict[str, Path],
    service: EuropePmcStandIn,
    articles: dict[str, PmcArticle],
    tmp_path: Path,
    workers: str,
) -> None:
    service.forget()
    out = tmp_path / "out"
    options = ("rate=500", "cache=none", "input=PMC599")
    command(
        *("run", "--source", "europepmc", "--endpoint", service.url, "--query", "demonstration"),
        *(word for option in options for word in ("--source-option", option)),
        *(
            "--workers",
            workers,
            "--export",
            "webdataset",
            "--export",
            "parquet",
            "--out",
            str(out),
            "--quiet",
        ),
        path=sites["europepmc"],
        cwd=tmp_path,
    )
    status = json.loads(command("status", str(out), "--json", path=sites["europepmc"], cwd=tmp_path))
    assert status["complete"] and status["lost"] == {}
    assert status["articles"]["done"] == ARTICLES and status["dropped"] == {"not-open-access": 1}
    assert status["figures"] == sum(len(article.figures) for article in articles.values())
    assert json.loads(command("verify", str(out), "--json", path=sites["europepmc"], cwd=tmp_path))["ok"]
    rows = [view.record for view in pmcx.open(out)]
    assert {row.article for row in rows} == set(articles)
    assert {row.license.code for row in rows} == {"CC BY"}
    archives = [hit.path for hit in service.log if hit.path.endswith("supplementaryFiles")]
    assert sorted(archives) == sorted(f"/{name}/supplementaryFiles" for name in articles)
    manifest = json.loads((out / "manifest.json").read_text())
    (stage,) = [stage for stage in manifest["identity"]["stages"] if stage["kind"] == "source"]
    assert stage["plugin"] == "pmcx-europepmc:europepmc"
