"""The architecture, checked: who may import whom, what importing costs, what is packaged."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("sources", "detectors", "readers", "splitters", "classifiers", "exporters")
FOLDERS = ("core", *STAGES, "training")
CONTRACT = {"records", "hookspecs", "errors", "stages", "images", "schema", "files", "decode", "net"}
HEAVY = ("torch", "transformers", "onnxruntime", "pyarrow", "ray", "numpy", "PIL", "lxml", "pandas")


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path, folder: str) -> list[tuple[int, str]]:
    """(line, absolute dotted module) of every import in a file of ``pmcx.<folder>``."""
    package = ["pmcx", *path.relative_to(ROOT).parts[:-1]]
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            found.append((node.lineno, module))
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def inside(path: Path, folder: str) -> list[tuple[int, list[str]]]:
    return [(line, name.split(".")) for line, name in imports(path, folder) if name.startswith("pmcx.")]


@pytest.mark.parametrize("folder", STAGES)
def test_stage_imports_only_the_contract_and_its_siblings(folder: str) -> None:
    for path in modules(folder):
        for line, parts in inside(path, folder):
            allowed = parts[1] == folder or (parts[1] == "core" and (len(parts) == 2 or parts[2] in CONTRACT))
            assert allowed, f"{path.relative_to(ROOT)}:{line} imports {'.'.join(parts)}"


def test_core_imports_no_stage_folder_and_nobody_imports_training() -> None:
    for folder in (*FOLDERS[:-1], "pmcx"):
        for path in modules(folder):
            if folder == "pmcx" and path.parent != ROOT / "pmcx":
                continue  # the symlinked folders are looked at under their own names
            for line, parts in inside(path, folder):
                assert parts[1] != "training", f"{path}:{line}"
                if folder == "core":
                    assert parts[1] in ("core", "testing", "__version__"), f"{path}:{line} {parts}"


def test_no_module_is_imported_by_its_folder_name() -> None:
    for folder in FOLDERS:
        for path in modules(folder):
            for line, name in imports(path, folder):
                assert name.split(".")[0] not in FOLDERS, f"{path}:{line}: import pmcx.{name}"


def test_no_import_circle_in_core() -> None:
    """Module-level imports inside core form no circle (imports inside functions are free)."""
    graph: dict[str, set[str]] = {}
    names = {p.stem for p in (ROOT / "core").glob("*.py")}
    for path in (ROOT / "core").glob("*.py"):
        tree = ast.parse(path.read_text())
        top = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.level == 1]
        graph[path.stem] = {
            part
            for node in top
            for part in ([node.module.split(".")[0]] if node.module else [a.name for a in node.names])
            if part in names
        }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


@pytest.mark.parametrize(
    "code",
    [
        "import pmcx; pmcx.hookimpl; pmcx.Detector; pmcx.run; pmcx.open",
        "from pmcx.core.registry import Registry; r = Registry.discover(); assert len(r.stages()) >= 6",
        "from pmcx.core.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from pmcx.core.cli import main\ntry: main(['plugins', '--json'])\nexcept SystemExit: pass",
    ],
)
def test_importing_and_listing_loads_nothing_heavy(code: str) -> None:
    check = f"import sys; loaded = set({HEAVY!r}) & set(sys.modules); assert not loaded, loaded"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_packages_list_is_the_tree() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    tree = {"pmcx"}
    for folder in FOLDERS:
        for init in (ROOT / folder).rglob("__init__.py"):
            tree.add(".".join(("pmcx", *init.parent.relative_to(ROOT).parts)))
    assert set(data["packages"]) == tree
    for package, folder in data["package-dir"].items():
        assert (ROOT / folder / "__init__.py").is_file(), package
    assert set(data["package-dir"]) == tree


def test_symlinks_show_the_folders_below_pmcx() -> None:
    for folder in FOLDERS:
        link = ROOT / "pmcx" / folder
        assert link.is_symlink(), f"{link} must be a symlink to ../{folder}"
        assert str(link.readlink()) == f"../{folder}"


def test_files_stay_readable() -> None:
    long = {
        str(path.relative_to(ROOT)): n
        for folder in (*FOLDERS, "tests", "benchmarks")
        for path in modules(folder)
        if (n := len(path.read_text().splitlines())) > 650
    }
    assert not long, long
