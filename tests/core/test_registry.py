"""Plugins: isolated, named, and told apart when they clash, break or are misspelt."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

import pmcx
from pmcx.core.registry import Registry
from pmcx.testing import registry_of


def plugin(name: str, **hooks: object) -> types.SimpleNamespace:
    """A plugin object with hook implementations from plain functions."""
    marked = {key: pmcx.hookimpl(hook) for key, hook in hooks.items()}
    return types.SimpleNamespace(__name__=name, **marked)


def detector(name: str) -> type[pmcx.Detector]:
    return type("Some", (pmcx.Detector,), {"name": name, "__doc__": "Some detector.\n\nMore."})


def test_finds_a_stage_by_kind_and_name() -> None:
    registry = registry_of(plugin("mine", pmcx_detectors=lambda: [detector("mine")]))
    info = registry.stage("detector", "mine")
    assert (info.kind, info.name, info.made_by, info.summary) == (
        "detector",
        "mine",
        "mine 0",
        "Some detector.",
    )


def test_unknown_name_names_the_nearest() -> None:
    registry = registry_of(plugin("mine", pmcx_detectors=lambda: [detector("gutters")]))
    with pytest.raises(pmcx.UsageError, match=r"no detector called 'guters'; did you mean 'gutters'\?"):
        registry.stage("detector", "guters")
    with pytest.raises(pmcx.UsageError, match="no kind of stage"):
        registry.stage("detecter", "gutters")


def test_two_plugins_of_one_name_are_an_error_that_names_both() -> None:
    registry = registry_of(
        plugin("first", pmcx_detectors=lambda: [detector("same"), detector("other")]),
        plugin("second", pmcx_detectors=lambda: [detector("same")]),
    )
    with pytest.raises(pmcx.PluginError, match=r"'same' is offered by first .* and second"):
        registry.stage("detector", "same")
    assert registry.stage("detector", "other").name == "other"
    assert registry.clashes() == ["detector 'same' is offered by first and second"]


def test_misspelt_hook_is_an_error_of_that_plugin_alone() -> None:
    registry = registry_of(plugin("good", pmcx_detectors=lambda: [detector("good")]))
    with pytest.raises(pmcx.PluginError, match="unknown hook 'pmcx_detector'; did you mean 'pmcx_detectors'"):
        registry.register(plugin("bad", pmcx_detector=lambda: []), "bad")
    assert registry.stage("detector", "good")
    assert [(p.name, p.status) for p in registry.plugins] == [("good", "loaded"), ("bad", "broken")]


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (lambda: [object], "subclasses of pmcx.Detector"),
        (lambda: [detector("Bad Name")], "name must match"),
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: sys.exit(3), "SystemExit"),
    ],
)
def test_a_plugin_that_answers_nonsense_is_broken_and_harms_nobody(hook: object, reason: str) -> None:
    registry = registry_of(
        plugin("good", pmcx_detectors=lambda: [detector("good")]), plugin("bad", pmcx_detectors=hook)
    )
    assert [stage.name for stage in registry.stages("detector")] == ["good"]
    broken = registry.plugins[1]
    assert broken.status == "broken"
    assert reason in broken.reason
    with pytest.raises(pmcx.UsageError, match=r"Not loaded: bad \(broken"):
        registry.stage("detector", "absent")


def test_blocked_plugins_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "explosive_plugin.py").write_text("raise RuntimeError('was imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    blocked = Registry.discover(["explosive_plugin"], ["explosive_plugin"]).plugins[-1]
    assert (blocked.status, "explosive_plugin" in sys.modules) == ("blocked", False)
    broken = Registry.discover((), ["explosive_plugin"]).plugins[-1]
    assert (broken.status, broken.reason) == ("broken", "RuntimeError: was imported")
    monkeypatch.setenv("PMCX_NO_PLUGINS", "explosive-plugin, other")
    monkeypatch.setenv("PMCX_PLUGINS", "explosive_plugin")
    assert Registry.discover().plugins[-1].status == "blocked"


def test_builtins_come_through_their_own_entry_points() -> None:
    registry = Registry.discover()
    assert {plugin.distribution for plugin in registry.plugins if plugin.builtin} == {"pmcx-extract"}
    names = {(stage.kind, stage.name) for stage in registry.stages()}
    assert {
        ("source", "folder"),
        ("source", "demo"),
        ("detector", "gutters"),
        ("detector", "detr"),
        ("splitter", "rules"),
        ("exporter", "webdataset"),
        ("exporter", "parquet"),
    } <= names
    without = Registry.discover(["detectors"])
    assert not without.stages("detector")


def test_every_hook_is_documented() -> None:
    from pmcx.core import hookspecs

    hooks = [value for name, value in vars(hookspecs).items() if name.startswith("pmcx_")]
    assert len(hooks) >= 10
    assert all((hook.__doc__ or "").strip() for hook in hooks)
