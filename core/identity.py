"""What a run *is*: the settings, stages, code and weights that decide the bytes it writes."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .config import RunConfig, StageConfig
from .records import SCHEMA_VERSION
from .registry import Registry, StageInfo
from .stages import Stage


def build_stage(registry: Registry, kind: str, name: str, options: Mapping[str, Any]) -> Stage:
    """An unopened stage with validated options; UsageError names the wrong option and the nearest."""
    from .config import validate

    cls = registry.stage(kind, name).cls
    return cls(validate(cls.Options, dict(options), f"options of the {kind} {name!r}"))


def without_secrets(config: RunConfig, registry: Registry) -> RunConfig:
    """The configuration as a run folder keeps it: without secrets and what a stage says is not to be kept."""

    def public(kind: str, stage: StageConfig) -> StageConfig:
        cls = registry.stage(kind, stage.name).cls
        fields = cls.Options.model_fields
        secret = {name for name, field in fields.items() if "SecretStr" in str(field.annotation)}
        unsaved = secret | cls.unsaved
        options = {name: value for name, value in stage.options.items() if name not in unsaved}
        return stage.model_copy(update={"options": options})

    changed: dict[str, Any] = {kind: public(kind, s) for kind, s in config.stages() if kind != "exporter"}
    changed["export"] = tuple(public("exporter", stage) for stage in config.export)
    return config.model_copy(update=changed)


def identity(config: RunConfig, registry: Registry) -> dict[str, Any]:
    """The identity of a run as plain JSON data: equal identities write equal bytes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "core": folder_hash(Path(__file__).parent, skip=("cli", "net")),
        "settings": plain_settings(config),
        "stages": [_stage_identity(registry, kind, stage) for kind, stage in config.stages()],
    }


def plain_settings(config: RunConfig) -> dict[str, Any]:
    """The settings, stages apart, that decide what a run writes."""
    settings = config.model_dump(mode="json", include={"filters", "image", "splits", "limits"})
    # Deadlines change what is given up on a slow machine, not what a finished unit holds.
    for name in ("article_timeout", "fetch_timeout"):
        settings["limits"].pop(name, None)
    return settings


def _stage_identity(registry: Registry, kind: str, stage: Any) -> dict[str, Any]:
    info = registry.stage(kind, stage.name)
    built = build_stage(registry, kind, stage.name, stage.options)
    return {
        "kind": kind,
        "name": info.name,
        "plugin": info.plugin.key,
        "version": info.plugin.version,
        "options": built.options.model_dump(mode="json", exclude=set(built.circumstantial)),
        "code": code_hash(info),
        "weights": dict(sorted(built.assets().items())),
    }


def code_hash(info: StageInfo) -> str:
    """sha256 over the Python files a stage may be made of.

    For a built-in stage its folder (``pmcx.sources``), for others their top-level package or module.
    """
    parts = info.cls.__module__.split(".")
    module = sys.modules.get(".".join(parts[:2]) if parts[0] == "pmcx" else parts[0])
    file = getattr(module, "__file__", None)
    if not file:
        return ""
    path = Path(file)
    return folder_hash(path.parent) if path.name == "__init__.py" else _digest([(path.name, path)])


def folder_hash(folder: Path, skip: tuple[str, ...] = ()) -> str:
    """sha256 over the names and contents of all Python files below a package folder.

    ``skip`` names subfolders that cannot change what a run writes.
    """
    files = [(p.relative_to(folder).as_posix(), p) for p in sorted(folder.rglob("*.py"))]
    return _digest([(name, path) for name, path in files if name.split("/")[0] not in skip])


def _digest(files: list[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in files:
        digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def circumstance(config: RunConfig) -> dict[str, Any]:
    """How and with what a run was started; free to differ when it is resumed."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for package in ("pmcx-extract", "lxml", "numpy", "pillow", "pyarrow"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = ""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": versions,
        "settings": config.circumstances(),
    }


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two identities differ, one readable line each."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted(set(old) | set(new)):
            lines += differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        return lines
    if isinstance(old, list) and isinstance(new, list) and path == "stages":
        before, after = ({(s["kind"], s["name"]): s for s in items} for items in (old, new))
        return [
            line
            for key in sorted(set(before) | set(after))
            for line in differences(before.get(key), after.get(key), f"{key[0]} {key[1]}")
        ]
    if old == new:
        return []
    if path.endswith((".code", ".weights")) or path == "core":
        what = {"core": "the code of pmcx"}.get(path, path.replace(".", ": "))
        return [f"{what} changed"]
    return [f"{path}: was {_brief(old)}, now {_brief(new)}"]


def _brief(value: Any) -> str:
    if isinstance(value, dict) and "name" in value:
        return "present"
    if value is None:
        return "absent"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def made_by(config: RunConfig, registry: Registry) -> dict[str, str]:
    """Stage kind -> ``name version`` of the stages that shape a row (exporters do not)."""
    return {
        kind: registry.stage(kind, stage.name).made_by
        for kind, stage in config.stages()
        if kind != "exporter"
    }
