# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role says that it takes is what its tasks use: in its argument specs, its defaults and its README."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def mapping(path: Path) -> dict[str, Any]:
    """Return the mapping in a file of YAML; an empty one where there is no such file."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def sequence(path: Path) -> list[dict[str, Any]]:
    """Return the plays or tasks in a file of YAML."""
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def specs(role: str) -> dict[str, dict[str, Any]]:
    """Return the options of each entry point."""
    entries = mapping(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    return {name: entry["options"] for name, entry in entries.items()}


ENTRY_POINTS = [(role, name) for role in ROLES for name in specs(role)]


def variables(role: str, text: str) -> set[str]:
    """Return the variables that text names and that the role owns."""
    return set(re.findall(rf"\b{role}_\w+", re.sub(r"guarded\.fabric\.\w+", "", text)))


def tasks(role: str, name: str) -> Iterator[dict[str, Any]]:
    """Go through the tasks of a file of the role, of its blocks, and of those that it includes."""
    waiting = sequence(ROOT / "roles" / role / "tasks" / f"{name}.yml")
    while waiting:
        task = waiting.pop(0)
        waiting += [inner for part in ("block", "rescue", "always") for inner in task.get(part, [])]
        yield task
        if included := task.get("ansible.builtin.include_tasks"):
            yield from tasks(role, included.removesuffix(".yml"))


def used(role: str, entry: str) -> set[str]:
    """Return the variables that an entry point takes: it uses them, or a value that it uses does."""
    folder = ROOT / "roles" / role
    defaults, constants = mapping(folder / "defaults" / "main.yml"), mapping(folder / "vars" / "main.yml")
    own, left = set(constants), set[str]()
    for template in (folder / "templates").glob("*"):
        left |= variables(role, template.read_text(encoding="utf-8"))
    for task in tasks(role, entry):
        own |= {*task.get("vars", {}), *([task["register"]] if "register" in task else [])}
        left |= variables(role, yaml.safe_dump(task, width=1000))
    found: set[str] = set()
    while left - found:
        name = (left - found).pop()
        found.add(name)
        left |= variables(role, yaml.safe_dump({**defaults, **constants}.get(name), width=1000))
    return found - own


@pytest.mark.parametrize(("role", "entry"), ENTRY_POINTS)
def test_an_entry_point_documents_the_variables_that_it_uses(role: str, entry: str) -> None:
    assert set(specs(role)[entry]) == used(role, entry)


def included() -> set[tuple[str, str]]:
    """Return the entry points that the playbooks use."""
    found = set()
    for path in (ROOT / "playbooks").glob("*.yml"):
        for play in sequence(path):
            found |= {(role["role"], "main") for role in play.get("roles", [])}
            includes = [task.get("ansible.builtin.include_role") for task in play.get("tasks", [])]
            found |= {(include["name"], include.get("tasks_from", "main")) for include in includes if include}
    return found


def test_each_entry_point_that_a_playbook_uses_is_documented_and_no_other() -> None:
    assert included() == {(f"guarded.fabric.{role}", entry) for role, entry in ENTRY_POINTS}


@pytest.mark.parametrize(("role", "entry"), ENTRY_POINTS)
def test_a_default_is_documented_as_it_is(role: str, entry: str) -> None:
    defaults: Mapping[str, object] = mapping(ROOT / "roles" / role / "defaults" / "main.yml")
    for name, option in specs(role)[entry].items():
        constant = name in defaults and "{{" not in str(defaults[name])
        assert ("default" in option) == constant, name
        assert not constant or option["default"] == defaults[name], name
        assert not (option.get("required") and name in defaults), name


@pytest.mark.parametrize(("role", "entry"), ENTRY_POINTS)
def test_defaults_pass_the_specs(role: str, entry: str) -> None:
    options = specs(role)[entry]
    given = {name: option["default"] for name, option in options.items() if "default" in option}
    needed = {name: "given" for name, option in options.items() if option.get("required")}
    assert not ArgumentSpecValidator(options).validate({**given, **needed}).error_messages


@pytest.mark.parametrize(("role", "entry"), ENTRY_POINTS)
def test_secrets_are_kept_out_of_logs(role: str, entry: str) -> None:
    for name, option in specs(role)[entry].items():
        assert bool(option.get("no_log")) == name.endswith("_password"), name


@pytest.mark.parametrize("role", ROLES)
def test_the_readme_lists_the_variables(role: str) -> None:
    readme = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    table = readme.split("\n## Variables\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert sorted(rows) == sorted({name for options in specs(role).values() for name in options})


@pytest.mark.parametrize("role", ROLES)
def test_the_plays_of_the_readme_are_taken(role: str) -> None:
    readme = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    plays = [play for block in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL) for play in yaml.safe_load(block)]
    calls = [("main", item["vars"]) for play in plays for item in play.get("roles", [])]
    for task in (task for play in plays for task in play.get("tasks", [])):
        assert task["ansible.builtin.include_role"]["name"] == f"guarded.fabric.{role}"
        calls.append((task["ansible.builtin.include_role"]["tasks_from"], task["vars"]))
    assert {entry for entry, _given in calls} == set(specs(role))
    for entry, given in calls:
        assert not ArgumentSpecValidator(specs(role)[entry]).validate(given).error_messages
