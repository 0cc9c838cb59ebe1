"""Finding plugins through entry points and handing out their stages by kind and name.

The loader asks *blocked?* before it imports, isolates each failure, and turns a misspelt hook into an
error of that plugin alone; whatever works keeps working.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.metadata
import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import pluggy

from . import hookspecs
from .errors import PluginError, UsageError
from .stages import KINDS, Classifier, Detector, Exporter, Reader, Source, Splitter, Stage

log = logging.getLogger("pmcx")

HOOKS: dict[str, tuple[str, type[Stage]]] = {
    "source": ("pmcx_sources", Source),
    "detector": ("pmcx_detectors", Detector),
    "reader": ("pmcx_readers", Reader),
    "splitter": ("pmcx_splitters", Splitter),
    "classifier": ("pmcx_classifiers", Classifier),
    "exporter": ("pmcx_exporters", Exporter),
}
DISTRIBUTION = "pmcx-extract"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")

Status = Literal["loaded", "broken", "blocked"]


@dataclass
class PluginInfo:
    """One entry point of the group ``pmcx``: where it comes from and how loading it went."""

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    status: Status = "loaded"
    reason: str = ""
    stages: list[tuple[str, str]] = field(default_factory=list)
    """The (kind, name) of every stage it offers."""

    @property
    def key(self) -> str:
        return f"{self.distribution}:{self.name}" if self.distribution else self.name

    @property
    def builtin(self) -> bool:
        return self.distribution == DISTRIBUTION


@dataclass(frozen=True)
class StageInfo:
    """One stage class and the plugin that offers it."""

    kind: str
    name: str
    cls: type[Stage]
    plugin: PluginInfo

    @property
    def made_by(self) -> str:
        """``name version``, as it stands in every exported row."""
        return f"{self.name} {self.plugin.version}".strip()

    @property
    def summary(self) -> str:
        return plain_text(self.cls.__doc__).split("\n")[0]


class Registry:
    """The plugins of one process. ``discover()`` finds the installed ones; ``Registry()`` is empty."""

    def __init__(self, blocked: Iterable[str] = ()) -> None:
        self.blocked = frozenset(_normal(name) for name in blocked if name)
        self.plugins: list[PluginInfo] = []
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._modules: dict[str, Any] = {}
        self._stages: dict[str, dict[str, list[StageInfo]]] | None = None

    @classmethod
    def discover(
        cls, blocked: Iterable[str] = (), modules: Iterable[str] = (), third_party_only: bool = False
    ) -> Registry:
        """Load every installed plugin, then the named extra modules.

        ``blocked`` and the variable ``PMCX_NO_PLUGINS`` (comma separated) name entry points or
        distributions that are not even imported; ``modules`` and ``PMCX_PLUGINS`` name importable
        modules that act as plugins without being installed.
        """
        registry = cls([*blocked, *_env_list("PMCX_NO_PLUGINS")])
        points = importlib.metadata.entry_points(group=hookspecs.GROUP)
        for point in sorted(points, key=lambda p: (_dist(p)[0] != DISTRIBUTION, _dist(p)[0], p.name)):
            name, version = _dist(point)
            if third_party_only and name == DISTRIBUTION:
                continue
            registry._load(PluginInfo(point.name, point.value, name, version), point.load)
        for module in [*_env_list("PMCX_PLUGINS"), *modules]:
            registry._load(PluginInfo(module, module), functools.partial(importlib.import_module, module))
        return registry

    def register(self, plugin: ModuleType | object, name: str, version: str = "") -> PluginInfo:
        """Register a plugin object directly (tests, notebooks); raises PluginError where it is broken."""
        info = PluginInfo(name, getattr(plugin, "__name__", name), version=version)
        self._load(info, lambda: plugin)
        if info.status == "broken":
            raise PluginError(f"plugin {name!r}: {info.reason}")
        return info

    def _load(self, info: PluginInfo, load: Callable[[], Any]) -> None:
        if {_normal(info.name), _normal(info.distribution), _normal(info.key)} & self.blocked:
            info.status, info.reason = "blocked", "blocked by --no-plugin or PMCX_NO_PLUGINS"
            self.plugins.append(info)
            return
        self.plugins.append(info)
        self._stages = None
        try:
            module = load()
            self._manager.register(module, info.key)
            self._manager.check_pending()
        except BaseException as error:  # a plugin may raise anything, even SystemExit, on import
            if isinstance(error, KeyboardInterrupt):
                raise
            self._break(info, _reason(error))
            return
        self._modules[info.key] = module

    def _break(self, info: PluginInfo, reason: str) -> None:
        info.status, info.reason, info.stages = "broken", reason, []
        if self._manager.has_plugin(info.key):
            self._manager.unregister(name=info.key)
        log.debug("plugin %s is broken: %s", info.key, reason)

    def _collect(self) -> dict[str, dict[str, list[StageInfo]]]:
        if self._stages is None:
            table: dict[str, dict[str, list[StageInfo]]] = {kind: {} for kind in KINDS}
            for info in self.plugins:
                if info.status == "loaded":
                    self._collect_plugin(info, table)
            self._stages = table
        return self._stages

    def _collect_plugin(self, info: PluginInfo, table: dict[str, dict[str, list[StageInfo]]]) -> None:
        found: list[StageInfo] = []
        try:
            for kind, (hook, base) in HOOKS.items():
                caller = getattr(self._manager.hook, hook)
                for impl in caller.get_hookimpls():
                    if impl.plugin_name == info.key:
                        found += [_checked(kind, base, cls, info) for cls in impl.function()]
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._break(info, _reason(error))
            return
        info.stages = [(stage.kind, stage.name) for stage in found]
        for stage in found:
            table[stage.kind].setdefault(stage.name, []).append(stage)

    def stages(self, kind: str | None = None) -> list[StageInfo]:
        """All stages (of one kind), built-ins first, then by name; clashing names all stand here."""
        table = self._collect()
        kinds = KINDS if kind is None else (_known_kind(kind),)
        return [stage for k in kinds for stages in table[k].values() for stage in stages]

    def stage(self, kind: str, name: str) -> StageInfo:
        """The stage of this kind and name.

        Raises UsageError where there is none, PluginError where two plugins offer it or where the
        plugin that would offer it is broken.
        """
        table = self._collect()[_known_kind(kind)]
        found = table.get(name, [])
        if len(found) > 1:
            who = " and ".join(f"{s.plugin.key} ({s.cls.__module__})" for s in found)
            raise PluginError(
                f"the {kind} {name!r} is offered by {who}; block one of them with --no-plugin NAME"
            )
        if found:
            return found[0]
        raise UsageError(self._unknown(kind, name, list(table)))

    def _unknown(self, kind: str, name: str, known: Sequence[str]) -> str:
        near = difflib.get_close_matches(name, known, n=1)
        message = f"there is no {kind} called {name!r}"
        message += f"; did you mean {near[0]!r}?" if near else "."
        message += f" Installed: {', '.join(sorted(known)) or 'none'}."
        idle = [f"{p.key} ({p.status}: {p.reason})" for p in self.plugins if p.status != "loaded"]
        if idle:
            message += f" Not loaded: {'; '.join(idle)}."
        return message

    def clashes(self) -> list[str]:
        """One line for each (kind, name) that several plugins offer."""
        return [
            f"{kind} {name!r} is offered by " + " and ".join(s.plugin.key for s in stages)
            for kind, names in self._collect().items()
            for name, stages in names.items()
            if len(stages) > 1
        ]

    def notify(self, event: str, **arguments: Any) -> None:
        """Call an event hook of every plugin; one that raises is logged and harms nothing."""
        for impl in getattr(self._manager.hook, event).get_hookimpls():
            try:
                impl.function(**{name: arguments[name] for name in impl.argnames})
            except Exception:
                log.warning("plugin %s failed in %s", impl.plugin_name, event, exc_info=True)


def plain_text(doc: str | None) -> str:
    """A docstring without its Sphinx roles and code marks, for a terminal."""
    text = re.sub(r":[a-z]+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", (doc or "").strip())
    return text.replace("``", "")


def _checked(kind: str, base: type[Stage], cls: Any, info: PluginInfo) -> StageInfo:
    if not (isinstance(cls, type) and issubclass(cls, base)):
        raise PluginError(f"{HOOKS[kind][0]} must return subclasses of pmcx.{base.__name__}, got {cls!r}")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"{cls.__name__}.name must match {_NAME.pattern}, got {name!r}")
    return StageInfo(kind, name, cls, info)


def _known_kind(kind: str) -> str:
    if kind not in HOOKS:
        raise UsageError(f"there is no kind of stage called {kind!r}; the kinds are {', '.join(KINDS)}")
    return kind


def _reason(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0]
    if isinstance(error, pluggy.PluginValidationError):
        match = re.search(r"unknown hook '(\w+)'", str(error))
        if match:
            known = [name for name in vars(hookspecs) if name.startswith("pmcx_")]
            near = difflib.get_close_matches(match[1], known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"unknown hook {match[1]!r}{hint}"
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _dist(point: importlib.metadata.EntryPoint) -> tuple[str, str]:
    dist = getattr(point, "dist", None)
    if dist is None:
        return "", ""
    return str(dist.name), str(dist.version)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _env_list(variable: str) -> list[str]:
    return [part.strip() for part in os.environ.get(variable, "").split(",") if part.strip()]
