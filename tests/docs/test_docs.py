"""The documentation says what the program does: examples run, nothing is missing, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

import pmcx
from pmcx.core import config, hookspecs, records, rundir, schema, stages
from pmcx.core.cli import COMMANDS, cli
from pmcx.core.cli.flags import config_of
from pmcx.core.identity import build_stage
from pmcx.core.net.options import NetOptions
from pmcx.core.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import examples  # noqa: E402
import generate  # noqa: E402

PAGES = sorted(DOCS.rglob("*.md"))
HEAVY = {"torch"}


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# -- examples -----------------------------------------------------------------------------------


def runnable(page: Path) -> object:
    heavy = HEAVY & set(examples.requires(page.read_text(encoding="utf-8")))
    return pytest.param(page, marks=[pytest.mark.slow] if heavy else [], id=page.stem)


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are for a POSIX shell")
@pytest.mark.parametrize("page", [runnable(page) for page in examples.pages()])
def test_examples_run_and_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    for module in examples.requires(page.read_text(encoding="utf-8")):
        pytest.importorskip(module)
    folder = tmp_path / "work"
    folder.mkdir()
    shown = examples.expected(page)
    ran = 0
    for block, output in examples.run_page(page, folder):
        ran += 1
        if block.first in shown:
            printed = shown[block.first].code
            assert examples.words(printed) == examples.words(output), (
                f"{page.name}:{block.first + 1} prints something else than is shown; if that is right, "
                f"run: python docs/examples.py {name_of(page)}\n--- shown\n{printed}--- printed\n{output}"
            )
    assert ran, f"{page.name} has no example that runs"


@pytest.mark.parametrize("page", [runnable(page) for page in examples.network_pages()])
def test_commands_that_talk_to_services_are_right_as_far_as_they_can_be_parsed(page: Path) -> None:
    """Every flag exists, and the options are ones of their source."""
    parsed = 0
    for line in _commands(page.read_text(encoding="utf-8")):
        _, name, *given = shlex.split(line, comments=True)
        command = cli.get_command(click.Context(cli), name)
        assert command is not None, line
        context = command.make_context(name, given)
        if context.params.get("source"):
            chosen = config_of(context.params).source
            build_stage(Registry.discover(), "source", chosen.name, chosen.options)
        parsed += 1
    assert parsed, f"{page.name} has no command"


def _commands(text: str) -> list[str]:
    """The pmcx command lines of the shell blocks, and those in code spans of tables."""
    blocks = "".join(block.code for block in examples.blocks(text) if block.language == "sh")
    lines = blocks.replace("\\\n", " ").splitlines()
    spans = [f"pmcx plan --source {_source(text)} {span}" for span in re.findall(r"\| `(--[^`]+)`", text)]
    return [line for line in lines if line.startswith("pmcx ")] + spans


def _source(text: str) -> str:
    found = re.search(r"--source (\S+)", text)
    assert found is not None
    return found[1]


def test_most_blocks_run_and_outputs_follow_them() -> None:
    runs = still = 0
    for page in examples.pages():
        found = examples.blocks(page.read_text(encoding="utf-8"))
        runs += sum(block.runs or bool(block.title) for block in found)
        still += sum(
            block.language in ("sh", "python") and not block.runs and not block.title for block in found
        )
        for before, block in zip([None, *found], found, strict=False):
            if "output" in block.marks:
                assert before is not None and before.runs, (
                    f"{page.name}:{block.first} follows nothing that runs"
                )
                assert block.code.strip(), f"{page.name}:{block.first} is empty; run docs/examples.py"
    assert runs > 3 * still, f"{runs} blocks run, {still} do not"


def test_an_example_that_fails_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    folder = tmp_path / "work"
    folder.mkdir()
    page.write_text("<!-- test exit=3 -->\n```sh\nexit 3\n```\n\n```python\nprint(open('a').read())\n```\n")
    with pytest.raises(examples.ExampleError, match=r"page.md:7: exit code 1[\s\S]*FileNotFoundError"):
        list(examples.run_page(page, folder))
    page.write_text('```text title="a"\nhello\n```\n\n```python\nprint(open("a").read())\n```\n')
    assert [output for _, output in examples.run_page(page, folder)] == ["hello\n"]


# -- the reference ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(generate.PAGES))
def test_generated_pages_are_what_the_code_gives(name: str) -> None:
    assert text_of(f"reference/{name}") == generate.page(name), (
        f"docs/reference/{name} is not what the code gives now; run: python docs/generate.py"
    )


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_and_option_is_documented(command: str) -> None:
    import click

    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    for name, inner in sorted(found.commands.items()) if isinstance(found, click.Group) else [("", found)]:
        words = f"{command} {name}".strip()
        _, _, rest = text_of("reference/cli.md").partition(f"\n## pmcx {words}\n")
        section = rest.split("\n## ")[0]
        assert section, f"pmcx {words} has no section"
        for param in inner.params:
            for option in param.opts if isinstance(param, click.Option) else ():
                assert f"`{option}`" in section, f"pmcx {words}: {option}"


def test_every_hook_is_documented() -> None:
    page = text_of("reference/hooks.md")
    hooks = [name for name in vars(hookspecs) if name.startswith("pmcx_")]
    assert len(hooks) >= 10
    for hook in hooks:
        assert f"\n### {hook}\n" in page, hook


def test_every_setting_is_documented() -> None:
    page = text_of("reference/config.md")

    def keys(model: type, prefix: str = "") -> list[str]:
        names = []
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, config.Model) and kind is not config.StageConfig:
                names += keys(kind, f"{prefix}{name}.")
            else:
                names.append(f"{prefix}{name}")
        return names

    found = keys(config.RunConfig)
    assert {"source", "export", "filters.license", "limits.article_timeout"} <= set(found)
    for key in found:
        row = re.search(rf"^\| `{re.escape(key)}` \| (.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
        assert row, f"{key} has no row, or no words in it"
    for variable in config.ENV_RESERVED - {"PMCX_CACHE"}:
        assert f"`{variable}`" in page, variable


def test_every_record_field_is_documented() -> None:
    page = text_of("reference/records.md")
    assert len(generate.record_types()) >= 20
    for cls in generate.record_types():
        _, _, rest = page.partition(f"\n## {cls.__name__}\n")
        section = rest.split("\n## ")[0]
        for name in cls.__struct_fields__:
            assert f"| `{name}` |" in section, f"{cls.__name__}.{name}"


def test_every_column_is_documented() -> None:
    pairs, articles = text_of("reference/schema.md").split("\n## An article\n")
    for section, columns in ((pairs, schema.pair_schema()), (articles, schema.article_schema())):
        for name in columns.names:
            assert f"| `{name}` |" in section, name


def test_every_builtin_stage_and_option_is_documented() -> None:
    page = text_of("reference/stages.md")
    for info in Registry.discover().stages():
        if info.plugin.builtin:
            _, _, rest = page.partition(f"\n### {info.kind} {info.name}\n")
            section = rest.split("\n### ")[0]
            assert section, f"{info.kind} {info.name}"
            if issubclass(info.cls.Options, NetOptions):
                assert "(#network-sources)" in section
                _, _, shared = page.partition("\n## Network sources\n")
                section += shared
            for option in info.cls.Options.model_fields:
                assert f"| `{option}` |" in section, f"{info.name}.{option}"


def test_every_attribute_of_a_stage_is_documented() -> None:
    section = text_of("reference/stages.md").split("\n## Kinds\n")[0]
    for name in ("name", *stages.Stage.__annotations__):
        assert f"| `{name}` |" in section, name


def test_every_public_name_is_documented() -> None:
    page = text_of("reference/python.md")
    for name in pmcx.__all__:
        assert re.search(rf"\bpmcx\.{name}\b", page), name


def test_every_file_of_a_run_folder_is_documented() -> None:
    page = text_of("reference/run-folder.md")
    for name in {*rundir.OWN_FILES, "sizes.json", "README.md", "webdataset", "parquet"}:
        assert re.search(rf"(?<![\w.]){re.escape(name)}", page), name
    for key in ("identity", "circumstance", "plan", "drops", "roots", "unit_articles"):
        assert f"`{key}`" in page, key


def test_the_schema_version_is_stated() -> None:
    for page in ("reference/records.md", "reference/schema.md"):
        assert f"The schema version is {records.SCHEMA_VERSION}." in text_of(page)


# -- links and the site -------------------------------------------------------------------------

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The ids of a page's headings, as MkDocs makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_links_resolve(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)} links to {link}"


def test_every_page_is_reachable() -> None:
    linked = {page.resolve() for page in [DOCS / "index.md"]}
    for page in PAGES:
        for link in _LINK.findall(page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:|#", link):
                linked.add((page.parent / link.partition("#")[0]).resolve())
    assert {name_of(page) for page in PAGES} <= {
        name_of(page) for page in linked if page.is_relative_to(ROOT)
    }
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(page.relative_to(DOCS).as_posix() in nav for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_name_no_machine_path(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"(?<![\w.])/(?:work|tmp|home|root|Users)/\S*", text)
    assert not found, found


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip('the site needs pip install ".[docs]"')
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    for page in PAGES:
        name = page.relative_to(DOCS).with_suffix("")
        html = site / ("index.html" if name.name == "index" else f"{name}/index.html")
        assert html.is_file(), html
    python = (site / "reference" / "python" / "index.html").read_text(encoding="utf-8")
    # The objects themselves are rendered, not only their names.
    assert "Carry out a run in one call" in python
    assert "The contract of" in python
    assert not list(site.rglob("*.py"))
