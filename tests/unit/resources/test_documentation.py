# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module's documentation says is what its action takes: options, types, choices, states."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture_action import CaptureAction
from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection_action import InspectionAction
from ansible_collections.guarded.fabric.plugins.plugin_utils.plan import argument_spec
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import FabricAction, ResourceAction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
NAMES = sorted(path.stem for path in (PLUGINS / "action").glob("[a-z]*.py"))
FACTS = ("type", "elements", "required", "choices", "default")


def action(name: str) -> type[FabricAction]:
    module = importlib.import_module(f"ansible_collections.guarded.fabric.plugins.action.{name}")
    plugin: type[FabricAction] = module.ActionModule
    return plugin


def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PLUGINS / "modules" / f"{name}.yml").read_text(encoding="utf-8"))
    return loaded


def documented_options(name: str) -> dict[str, Any]:
    described = document(name)["DOCUMENTATION"]
    options = dict(described["options"])
    for fragment in described.get("extends_documentation_fragment", []):
        if fragment.startswith("guarded.fabric."):
            module = importlib.import_module(
                f"ansible_collections.guarded.fabric.plugins.doc_fragments.{fragment.rsplit('.', 1)[1]}"
            )
            options |= yaml.safe_load(module.ModuleDocFragment.DOCUMENTATION)["options"]
    return options


def taken_options(name: str) -> Mapping[str, Any]:
    plugin = action(name)
    if issubclass(plugin, ResourceAction):
        instance = plugin.__new__(plugin)
        return dict(instance._spec())
    if issubclass(plugin, CaptureAction):
        config = {"type": "dict", "required": True, "options": argument_spec(plugin.capture.options)}
        return {"config": config, "exchange": {"type": "path", "required": True}}
    if issubclass(plugin, InspectionAction):
        return argument_spec(plugin.inspection.options)
    spec: Mapping[str, Any] = importlib.import_module(plugin.__module__).SPEC
    return spec


def facts(options: Mapping[str, Any], inner: str) -> dict[str, Any]:
    return {
        name: {
            **{fact: option[fact] for fact in FACTS if option.get(fact) is not None},
            **({"options": facts(option[inner], inner)} if inner in option else {}),
        }
        for name, option in options.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_documented_options_are_those_that_are_taken(name: str) -> None:
    assert facts(documented_options(name), "suboptions") == facts(taken_options(name), "options")


def values(name: str) -> Iterator[Option]:
    plugin = action(name)
    if issubclass(plugin, ResourceAction):
        yield from (option for option in plugin.resource.options if option.role is not Role.INPUT and not option.secret)


@pytest.mark.parametrize("name", [name for name in NAMES if list(values(name))])
def test_what_is_returned_is_documented(name: str) -> None:
    returned = document(name)["RETURN"]["gathered"]["contains"]
    assert set(returned) == {option.name for option in values(name)}
    for option in values(name):
        assert returned[option.name]["type"] == option.type, option.name


@pytest.mark.parametrize("name", NAMES)
def test_references_in_the_text_name_options_and_results_that_exist(name: str) -> None:
    text = (PLUGINS / "modules" / f"{name}.yml").read_text(encoding="utf-8")
    options = documented_options(name)
    for reference in re.findall(r"(?<![A-Z])O\(([^)]+)\)", text):
        place: Mapping[str, Any] = options
        *outer, last = reference.partition("=")[0].replace("[]", "").split(".")
        for part in outer:
            place = place[part]["suboptions"]
        assert last in place, reference
    for reference in re.findall(r"RV\(([^)]+)\)", text):
        assert reference in document(name)["RETURN"], reference


@pytest.mark.parametrize("name", NAMES)
def test_examples_use_options_that_exist(name: str) -> None:
    options = facts(taken_options(name), "options")
    tasks = [task for task in yaml.safe_load(document(name)["EXAMPLES"]) if f"guarded.fabric.{name}" in task]
    assert tasks
    for task in tasks:
        arguments = task[f"guarded.fabric.{name}"]
        assert set(arguments) <= set(options)
        config = arguments.get("config", [])
        for item in config if isinstance(config, list) else [config]:
            assert set(item) <= set(options["config"]["options"])


@pytest.mark.parametrize("name", NAMES)
def test_secrets_are_marked_and_nothing_else_looks_like_one(name: str) -> None:
    for option, spec in taken_options(name).get("config", {}).get("options", {}).items():
        if "password" in option:
            assert spec.get("no_log") is True, option
