# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the collection offers is complete, and nothing is offered that is not there.

A published collection once shipped a module's documentation, README row and tests without the module. None of the usual
checks compares the places that name a thing; these do.
"""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT, tracked_files

RUNNER = "invoke_cmdlets"
"""The one module that runs on a host. It is its own implementation, and in no action group: users do not call it."""


def stems(pattern: str) -> set[str]:
    """Return the names, without suffix, of the repository's files that match."""
    return {file.stem for file in tracked_files() if file.match(pattern)}


def rows(heading: str) -> set[str]:
    """Return the names in the first column of the README's table under a heading; a name stands in backticks."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| (?:\[)?`([^`]+)`", section, re.MULTILINE))


def action_groups() -> dict[str, list[str]]:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    groups: dict[str, list[str]] = runtime["action_groups"]
    return groups


def roles() -> set[str]:
    return {file.parts[1] for file in tracked_files() if file.parts[0] == "roles"}


def documented() -> set[str]:
    return stems("plugins/modules/*.yml")


def documentation(module: str) -> dict[str, object]:
    text = (ROOT / "plugins" / "modules" / f"{module}.yml").read_text(encoding="utf-8")
    described: dict[str, object] = yaml.safe_load(text)["DOCUMENTATION"]
    return described


def test_every_documented_module_has_code_and_all_code_is_documented() -> None:
    assert stems("plugins/action/*.py") | stems("plugins/modules/*.ps1") == documented()


def test_one_script_runs_on_hosts() -> None:
    assert stems("plugins/modules/*.ps1") == {RUNNER}


def test_every_module_but_the_runner_has_the_python_file_that_ansible_looks_for_beside_its_documentation() -> None:
    assert stems("plugins/modules/*.py") == documented() - {RUNNER}


def test_every_module_but_the_runner_is_in_an_action_group() -> None:
    assert {name for names in action_groups().values() for name in names} == documented() - {RUNNER}


@pytest.mark.parametrize("name", sorted(documented()))
def test_a_module_documents_itself_under_its_own_name(name: str) -> None:
    described = documentation(name)
    assert described["module"] == name
    assert described["version_added"]


@pytest.mark.parametrize("name", sorted(documented()))
def test_a_module_has_a_unit_test(name: str) -> None:
    assert f"test_{name}" in stems("tests/unit/**/test_*.py")


def test_the_changelog_announces_this_version_and_every_module() -> None:
    releases = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))["releases"]
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"] in releases
    announced = {module["name"] for release in releases.values() for module in release.get("modules", [])}
    assert announced == documented()


def test_the_readme_lists_every_module() -> None:
    assert rows("Modules") == documented()


def test_the_readme_lists_every_role() -> None:
    assert rows("Roles") == roles()


def test_the_readme_lists_every_playbook() -> None:
    assert rows("Playbooks") == stems("playbooks/*.yml")


@pytest.mark.parametrize("role", sorted(roles()))
@pytest.mark.parametrize("part", ["README.md", "defaults/main.yml", "meta/argument_specs.yml", "tasks/main.yml"])
def test_a_role_is_whole(role: str, part: str) -> None:
    assert (ROOT / "roles" / role / part).is_file()


@pytest.mark.parametrize("role", sorted(roles()))
def test_a_role_default_is_a_documented_option(role: str) -> None:
    folder = ROOT / "roles" / role
    specs = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    defaults = yaml.safe_load((folder / "defaults" / "main.yml").read_text(encoding="utf-8")) or {}
    options = {name for entry in specs.values() for name in entry.get("options", {})}
    assert set(defaults) <= options
