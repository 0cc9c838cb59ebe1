"""The reference pages that are made from the code, so that they say what the code does.

python docs/generate.py    write them again (a test compares them with the code)
"""

from __future__ import annotations

import ast
import datetime
import inspect
import itertools
import re
import sys
import textwrap
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from pmcx.core import config, hookspecs, images, records, rundir, schema, stages
from pmcx.core.cli import COMMANDS, cli
from pmcx.core.net.options import NetOptions
from pmcx.core.registry import HOOKS, Registry

REFERENCE = Path(__file__).resolve().parent / "reference"
NOTICE = "<!-- Made by docs/generate.py from the code; do not edit by hand. -->"


def page(name: str) -> str:
    """The text of one generated page, by its name below ``reference/``."""
    return "\n\n".join([NOTICE, *PAGES[name]()]) + "\n"


# -- text ---------------------------------------------------------------------------------------


def plain(doc: str | None) -> str:
    """A docstring as Markdown: roles and double backticks become code."""
    text = inspect.cleandoc(doc or "")
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?([\w()]+)`", r"`\1`", text)
    return re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; cells hold no pipes (renderers disagree on how to escape them in code)."""
    head = list(head)
    body = [[re.sub(r"\s+", " ", str(cell)).replace("|", "/") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body])


def code(text: object) -> str:
    return f"`{text}`" if str(text) else ""


def attribute_docs(cls: type[Any]) -> dict[str, str]:
    """The string below each attribute of a class and of its bases, by attribute."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] not in ("builtins", "pydantic", "abc", "msgspec", "typing"):
            docs.update(_own_attribute_docs(base))
    return docs


def _own_attribute_docs(cls: type[Any]) -> dict[str, str]:
    body = _class_node(cls).body
    docs: dict[str, str] = {}
    for node, after in itertools.pairwise(body):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(after, ast.Expr)
        ):
            value = after.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                docs[node.target.id] = plain(value.value)
    return docs


def attributes(cls: type[Any]) -> Iterator[tuple[str, str, str]]:
    """(name, type, default) of each annotated attribute of a class, as written in its source."""
    for node in _class_node(cls).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            default = "required" if node.value is None else code(ast.unparse(node.value))
            yield node.target.id, ast.unparse(node.annotation).replace(" | ", " or "), default


def _class_node(cls: type[Any]) -> ast.ClassDef:
    node = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(node, ast.ClassDef)
    return node


def signature(function: Any, mark: str = "") -> str:
    """A function's signature as a Python block, a parameter a line where it is long."""
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef)
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"def {node.name}({ast.unparse(node.args)}){result}"
    if len(line) > 88:
        given = [ast.unparse(argument) for argument in node.args.args]
        first = len(given) - len(node.args.defaults)
        for number, default in enumerate(node.args.defaults, first):
            given[number] += f" = {ast.unparse(default)}"
        line = "\n".join([f"def {node.name}(", *(f"    {each}," for each in given), f"){result}"])
    return f"```python\n{mark}{line}\n```"


# -- command line -------------------------------------------------------------------------------


def cli_page() -> list[str]:
    context = click.Context(cli, info_name="pmcx")
    parts = [
        "# Command line",
        "`pmcx COMMAND --help` (or `-h`) prints the same. Results go to standard output, progress and "
        "messages to "
        "standard error. With `--json` standard output holds JSON and nothing else. Installed plugins may "
        "add "
        "commands of their own; `pmcx --help` lists them.",
        "## pmcx",
        table(("option", "what it does"), map(_option_row, _options(cli))),
        "Exit codes of all commands: 0 done; 1 something was lost or found wrong; 2 wrong usage; "
        "130 interrupted.",
    ]
    for name, command in _commands(context):
        parts += [f"## pmcx {name}", f"```text\n{_usage(command, name)}\n```"]
        parts += [_paragraph(text) for text in (command.help or "").split("\n\n")]
        options = list(_options(command))
        if options:
            parts.append(table(("option", "what it does"), map(_option_row, options)))
        if command.epilog:
            parts.append(" ".join(command.epilog.replace("\b", "").split()))
    return parts


def _commands(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Every command by its words; of a group, those that it holds."""
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", command.commands[inner]) for inner in sorted(command.commands))
        else:
            yield name, command


def _options(command: click.Command) -> Iterator[click.Option]:
    return (param for param in command.params if isinstance(param, click.Option))


def _usage(command: click.Command, name: str) -> str:
    words = ["pmcx", name, "[OPTIONS]"]
    for param in command.params:
        if isinstance(param, click.Argument):
            word = param.metavar or _choices(param) or (param.name or "").upper()
            many = "..." if param.nargs == -1 and not param.metavar else ""
            words.append(word + many if param.required or param.metavar else f"[{word}]{many}")
    return " ".join(words)


def _choices(param: click.Parameter) -> str:
    return f"[{'|'.join(map(str, param.type.choices))}]" if isinstance(param.type, click.Choice) else ""


def _option_row(option: click.Option) -> tuple[str, str]:
    names = ", ".join(code(name) for name in sorted([*option.opts, *option.secondary_opts], key=len))
    value = ""
    if not (option.is_flag or option.count):
        kind = {"integer range": "NUMBER", "integer": "NUMBER", "text": "TEXT", "directory": "DIR"}
        word = option.metavar or kind.get(option.type.name, option.type.name.upper())
        value = "" if isinstance(option.type, click.Choice) else f" {code(word)}"
    told = [plain(option.help)]
    if isinstance(option.type, click.Choice):
        told.append(f"One of {', '.join(code(choice) for choice in option.type.choices)}.")
    if option.show_default and option.default:
        told.append(f"Default: {code(option.default)}.")
    if option.required:
        told.append("Required.")
    return names + value, " ".join(part for part in told if part)


def _paragraph(text: str) -> str:
    if text.strip(" \n").startswith("\b"):
        return f"```sh\n{inspect.cleandoc(text.partition(chr(8))[2])}\n```"
    return plain(text).replace("\n", " ")


# -- hooks --------------------------------------------------------------------------------------


COMMAND_EXAMPLE = '''```python
import click
import pmcx


@pmcx.hookimpl
def pmcx_commands(cli):
    @cli.command("hello")
    def hello():
        """Say hello."""
        click.echo("hello")
```'''


def hooks_page() -> list[str]:
    hooks = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("pmcx_")}
    offered = {hook: (kind, base) for kind, (hook, base) in HOOKS.items()}
    parts = [
        "# Hooks",
        f"A plugin is a module (or an object) named in the entry-point group `{hookspecs.GROUP}`. It "
        "implements "
        "any of the hooks below with `@pmcx.hookimpl`. A function whose name begins with `pmcx_` and that no "
        "hook has is an error of that plugin, and `pmcx plugins` shows it. A hook may leave out arguments "
        "that "
        "it does not need. Hooks are only ever added to. [Your first plugin](../tutorials/first-plugin.md) "
        "shows a whole package.",
        f'```toml title="pyproject.toml"\n[project.entry-points.{hookspecs.GROUP}]\nmine = "my_module"\n```',
        "## Stages",
        "These return *classes*, not objects: pmcx reads `name` and the options from the class and makes one "
        "object in each worker. They are called when the registry is asked for stages, in every process, so "
        "they must be cheap. Two plugins that offer the same name of a kind are an error that names both. "
        "What each class must do is in [Stages](stages.md).",
    ]
    for name, (kind, base) in offered.items():
        parts += [f"### {name}", signature(hooks[name]), plain(hooks[name].__doc__)]
        parts.append(f"Each class derives from `pmcx.{base.__name__}` ([contract](stages.md#{kind})).")
    events = [name for name in hooks if name not in offered and name != "pmcx_commands"]
    parts += [
        "## Events",
        "These are called in the driver process only. One that raises is logged as a warning and harms "
        "nothing.",
    ]
    for name in events:
        parts += [f"### {name}", signature(hooks[name]), plain(hooks[name].__doc__)]
    parts += [
        "`run` is a `RunInfo`, `receipt` a [`Receipt`](records.md#receipt).",
        _attribute_table(rundir.RunInfo),
        "## Commands",
        "### pmcx_commands",
        signature(hooks["pmcx_commands"]),
        plain(hooks["pmcx_commands"].__doc__),
        "`cli` is a [click](https://click.palletsprojects.com) group. The names of built-in commands cannot "
        "be taken.",
        COMMAND_EXAMPLE,
    ]
    return parts


def _attribute_table(cls: type[Any]) -> str:
    docs = attribute_docs(cls)
    return table(
        ("field", "type", "default", "what it holds"),
        [(code(name), code(kind), default, docs.get(name, "")) for name, kind, default in attributes(cls)],
    )


# -- stages -------------------------------------------------------------------------------------

CONTRACTS = {kind: base for kind, (_, base) in HOOKS.items()}
STAGE_ATTRIBUTES = (
    ("`kind`", "Set by the kind's base class."),
    ("`name`", "What users type: lower-case letters, digits, `_`, `.` and `-`. Set it."),
    ("`Options`", "A subclass of `pmcx.Options`; without one the stage has no options."),
    ("`resources`", "A [`Resources`](#resources)."),
    (
        "`circumstantial`",
        "Options that change how the stage works, never what it answers; a run may be resumed with others.",
    ),
    ("`unsaved`", "Options that a run folder does not keep (a consent); given anew with each command."),
    ("`options`", "The validated options, on the object."),
)
HELPERS = (
    stages.Resources,
    stages.Document,
    images.FigureImage,
    stages.Caption,
    stages.PanelImage,
    stages.Sample,
    stages.RunSummary,
    stages.Survey,
    stages.LiveCheck,
)


def stages_page() -> list[str]:
    parts = [
        "# Stages",
        plain(stages.__doc__),
        "## Every stage",
        plain(stages.Stage.__doc__),
        table(("attribute", "what it holds"), STAGE_ATTRIBUTES),
        *_methods(stages.Stage),
        "### Options",
        plain(stages.Options.__doc__) + " It is a pydantic model.",
        "## Kinds",
        "Each kind has a conformance suite in `pmcx.testing` (`DetectorSuite` and so on). `pmcx check NAME` "
        "runs it on an installed stage.",
    ]
    for kind, base in CONTRACTS.items():
        parts += [f"### {kind.capitalize()}", plain(base.__doc__)]
        parts += [_attribute_table(base)] if list(attributes(base)) else []
        parts += _methods(base)
    parts += ["## What stages are given"]
    for cls in HELPERS:
        parts += [f"### {cls.__name__}", plain(cls.__doc__)]
        parts += [_attribute_table(cls)] if list(attributes(cls)) else []
        parts += _methods(cls)
    parts += ["## Built-in stages", "What `pmcx plugins` lists without any other package installed."]
    for info in Registry.discover().stages():
        if info.plugin.builtin:
            parts += [f"### {info.kind} {info.name}", plain(info.cls.__doc__)]
            parts += _stage_options(info.cls.Options)
    parts += ["## Network sources", plain(NetOptions.__doc__), _options_table(NetOptions)]
    return parts


def _methods(cls: type[Any]) -> list[str]:
    parts = []
    for name, member in vars(cls).items():
        function = member.__func__ if isinstance(member, classmethod) else member
        if not name.startswith("_") and isinstance(function, types.FunctionType):
            mark = "@classmethod\n" if isinstance(member, classmethod) else ""
            parts += [signature(function, mark), plain(function.__doc__)]
        elif isinstance(member, property) or type(member).__name__ == "cached_property":
            getter: Any = getattr(member, "fget", None) or member.func
            kind = str(inspect.signature(getter).return_annotation)
            parts += [f"```python\n{name}: {kind}\n```", *filter(None, [plain(getter.__doc__)])]
    return parts


def _stage_options(model: type[BaseModel]) -> list[str]:
    """The options of a stage; those of all network sources stand in a table of their own."""
    if not model.model_fields:
        return ["No options."]
    if not issubclass(model, NetOptions):
        return [_options_table(model)]
    own = [name for name in model.model_fields if name not in NetOptions.model_fields]
    return [_options_table(model, own), "And the [options of network sources](#network-sources)."]


def _options_table(model: type[BaseModel], names: Iterable[str] | None = None) -> str:
    docs = attribute_docs(model)
    rows = []
    for name in names or model.model_fields:
        info = model.model_fields[name]
        rows.append((code(name), value_type(info), _default(info), docs.get(name) or plain(info.description)))
    return table(("option", "value", "default", "what it does"), rows)


# -- configuration ------------------------------------------------------------------------------

_TYPES: Mapping[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "none",
    SecretStr: "string (kept secret)",
    datetime.date: "date",
    config.StageConfig: "stage",
    Any: "any",
}
CONFIG_HEAD = ("key", "value", "default", "what it does")
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def config_page() -> list[str]:
    rows = list(config_rows(config.RunConfig))
    tables = [name for name, info in config.RunConfig.model_fields.items() if _table_of(info) is not None]
    parts = [
        "# Configuration",
        plain(config.__doc__),
        "A run keeps its configuration in `run.toml` in its folder; that file can be given to another run "
        "with "
        "`--config`. On the command line any key is set with `--set`, for example "
        "`--set filters.min_side=64`. In the environment, join the levels by two underscores: "
        "`PMCX_FILTERS__MIN_SIDE=64`. `PMCX_EXPORT` takes names separated by commas.",
        '```toml title="run.toml"\nexport = ["webdataset", "parquet"]\nworkers = 4\n\n[source]\n'
        'name = "folder"\ninput = ["articles"]\n\n[detector]\nname = "detr"\n\n[filters]\n'
        'license = "commercial"\nmin_side = 64\n```',
        "A stage is its name, or a table of its name and its options. `none` as reader, splitter or "
        "classifier "
        "leaves that stage out. The options of the built-in stages are in "
        "[Stages](stages.md#built-in-stages).",
        "## Run",
        table(CONFIG_HEAD, [row for row in rows if "." not in row[0]]),
    ]
    for name in tables:
        model = _table_of(config.RunConfig.model_fields[name])
        inner = [row for row in rows if row[0].startswith(f"`{name}.")]
        parts += [f"## {name}", plain(getattr(model, "__doc__", "")), table(CONFIG_HEAD, inner)]
    parts += [
        "## What identifies a run",
        "A run folder can be resumed with the same identity only: the stages with their options, versions, "
        "code "
        "and weights, and the tables `filters`, `image`, `splits` and `limits` (but for "
        f"`limits.article_timeout`). The keys {_listed(sorted(config.CIRCUMSTANCES))} say how a run is "
        "carried "
        "out, never what it writes; they may differ each time.",
        "## Other environment variables",
        table(
            ("variable", "what it does"),
            [(code(name), ENVIRONMENT[name]) for name in sorted(config.ENV_RESERVED) if name in ENVIRONMENT],
        ),
    ]
    return parts


ENVIRONMENT = {
    "PMCX_NO_PLUGINS": "Plugins or distributions that are not loaded, separated by commas; as `--no-plugin`.",
    "PMCX_PLUGINS": "Modules that are loaded as plugins, separated by commas; as `--plugin`.",
    "PMCX_LOG": "Level of messages on standard error: `DEBUG`, `INFO`, `WARNING` or `ERROR`.",
}


def config_rows(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(key, value, default, doc) of every setting below a table of the configuration."""
    docs = attribute_docs(model)
    for name, info in model.model_fields.items():
        inner = _table_of(info)
        if inner is not None:
            yield from config_rows(inner, f"{prefix}{name}.")
            continue
        doc = docs.get(name) or SETTINGS.get(name, "")
        yield code(f"{prefix}{name}"), value_type(info), _default(info), doc


def _table_of(info: FieldInfo) -> type[BaseModel] | None:
    """The model of a setting that is a table of settings."""
    kind = info.annotation
    if isinstance(kind, type) and issubclass(kind, config.Model) and kind is not config.StageConfig:
        return kind
    return None


SETTINGS = {
    "source": "Where articles come from.",
    "detector": "Cuts figures into panels.",
    "reader": "Reads the panel letters.",
    "splitter": "Splits captions.",
    "classifier": "Names what panels show.",
    "export": "The formats to write.",
    "executor": "`inline` works in this process, `processes` in worker processes; `auto` takes what fits "
    "`workers`.",
    "blocked": "Plugins that are not loaded; as `--no-plugin`.",
    "plugins": "Modules that are loaded as plugins; as `--plugin`.",
    "format": "Format of the panel images.",
    "quality": "JPEG quality.",
    "retracted": "Articles that are marked as retracted.",
    "validation": "Share of articles in the validation split.",
    "test": "Share of articles in the test split.",
    "salt": "Changes which articles fall into which split.",
    "max_panels": "Panels kept for one figure, the surest first.",
}
"""Words for settings whose name says it all in the code."""


def value_type(info: FieldInfo) -> str:
    bounds = [
        f"{_BOUNDS[key]} {getattr(m, key)}" for m in info.metadata for key in _BOUNDS if hasattr(m, key)
    ]
    return " ".join([_type(info.annotation), *bounds])


def _type(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        metadata = getattr(arguments[1], "metadata", arguments[1:])
        bounds = [f"{_BOUNDS[k]} {getattr(m, k)}" for m in metadata for k in _BOUNDS if hasattr(m, k)]
        return " ".join([_type(arguments[0]), *bounds])
    if origin is Literal:
        return ", ".join(code(value) for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(item) for item in arguments)
    if origin in (tuple, list):
        return f"list of {_type(arguments[0])}"
    return _TYPES.get(kind, getattr(kind, "__name__", str(kind)))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    if isinstance(value, config.StageConfig):
        return code(value.name)
    if isinstance(value, tuple):
        return ", ".join(code(getattr(item, "name", item)) for item in value) or "none"
    if value is None or isinstance(value, SecretStr):
        return "none"
    return code(str(value).lower()) if isinstance(value, bool) else code(value) if value != "" else "empty"


def _listed(names: Iterable[str]) -> str:
    *most, last = [code(name) for name in names]
    return f"{', '.join(most)} and {last}"


# -- records and rows ---------------------------------------------------------------------------


def record_types() -> list[type[records.Record]]:
    """The records of :mod:`pmcx.core.records` in the order of the file."""
    return [
        cls
        for cls in vars(records).values()
        if isinstance(cls, type) and issubclass(cls, records.Record) and cls is not records.Record
    ]


def records_page() -> list[str]:
    aliases = [
        (code(name), ", ".join(code(choice) for choice in get_args(value)))
        for name, value in vars(records).items()
        if get_origin(value) is Literal
    ]
    parts = [
        "# Records",
        plain(records.__doc__),
        f"The schema version is {records.SCHEMA_VERSION}. Records are in `pmcx.core.records`; `to_json`, "
        "`from_json` and `to_dict` there convert them.",
        table(("type", "values"), [("`Box`", "`(x0, y0, x1, y1)`"), ("`Span`", "`(start, end)`"), *aliases]),
    ]
    for cls in record_types():
        parts += [f"## {cls.__name__}", plain(cls.__doc__), _attribute_table(cls)]
    return parts


def schema_page() -> list[str]:
    return [
        "# Rows",
        plain(schema.__doc__).removesuffix(" Importing this module imports no pyarrow."),
        f"The schema version is {records.SCHEMA_VERSION}.",
        "## A pair",
        "One row for each panel. Parquet files have one more column before these, `image`: a struct of "
        "`bytes` "
        "(the encoded image) and `path` (its file name). In a WebDataset sample these are the keys of "
        "`<key>.json`; the image is `<key>.jpg` (or `.png`), and `<key>.txt` holds the training text: "
        "`subcaption`, or the whole `caption` where there is none.",
        _schema_table(schema.pair_schema()),
        "## An article",
        "One row for each article in `articles/articles-000000.parquet` and on, joined by the pair's "
        "`article`.",
        _schema_table(schema.article_schema()),
    ]


def _schema_table(arrow: Any) -> str:
    return table(
        ("column", "type", "what it holds"),
        [(code(f.name), code(_arrow(f.type)), plain(f.metadata[b"description"].decode())) for f in arrow],
    )


def _arrow(kind: Any) -> str:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"{field.name}: {_arrow(field.type)}" for field in kind) + "}"
    if pa.types.is_list(kind):
        return f"[{_arrow(kind.value_type)}]"
    return {"double": "float64"}.get(str(kind), str(kind))


PAGES = {
    "cli.md": cli_page,
    "hooks.md": hooks_page,
    "stages.md": stages_page,
    "config.md": config_page,
    "records.md": records_page,
    "schema.md": schema_page,
}


def main() -> None:
    for name in PAGES:
        (REFERENCE / name).write_text(page(name), encoding="utf-8")
        sys.stderr.write(f"reference/{name}\n")


if __name__ == "__main__":
    main()
