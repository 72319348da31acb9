# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as Galaxy gets it: built from this clone, installed elsewhere, imported, documented."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.scripts.tracked_files import ROOT, tracked_files

if TYPE_CHECKING:
    from collections.abc import Mapping

TOOLS = Path(sys.executable).parent
NAME = "guarded.fabric"
IMPORTER = {"GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "false"}
"""`make test` runs ansible-lint by itself, with a stricter profile than the importer's."""
ATTRIBUTES = {"check_mode", "diff_mode", "platform"}
"""What every module says it supports or not."""


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Run a tool where it sees neither this clone nor the user's settings; return what it printed."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    own |= {"ANSIBLE_HOME": str(cwd / "home"), "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
    done = subprocess.run(
        [TOOLS / command[0], *command[1:]],
        cwd=cwd,
        env={**own, "PATH": f"{TOOLS}{os.pathsep}{own['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    run("ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT), cwd=folder)
    return next(folder.glob("guarded-fabric-*.tar.gz"))


@pytest.fixture(scope="module")
def installed(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder to use as ANSIBLE_COLLECTIONS_PATH."""
    folder = tmp_path_factory.mktemp("install")
    run("ansible-galaxy", "collection", "install", "--no-deps", "-p", str(folder), str(artifact), cwd=folder)
    return folder


def members(artifact: Path) -> set[str]:
    with tarfile.open(artifact) as archive:
        return {member.name for member in archive.getmembers() if not member.isdir()}


def test_the_artifact_holds_nothing_that_git_does_not_know(artifact: Path) -> None:
    assert members(artifact) - {"MANIFEST.json", "FILES.json"} <= {file.as_posix() for file in tracked_files()}


def test_the_artifact_holds_what_users_use(artifact: Path) -> None:
    parts = {name.split("/")[0] for name in members(artifact)}
    assert {
        "README.md",
        "CHANGELOG.rst",
        "COPYING",
        "LICENSES",
        "meta",
        "plugins",
        "roles",
        "playbooks",
        "lab",
    } <= parts
    assert {"requirements.txt", "requirements-lab.txt"} <= members(artifact)


def test_the_artifact_leaves_out_what_only_a_clone_uses(artifact: Path) -> None:
    parts = {name.split("/")[0] for name in members(artifact)}
    assert not {"Makefile", "scripts", ".build", ".venv", ".ci", "pyproject.toml", "requirements-dev.txt"} & parts


def test_galaxy_accepts_the_artifact(artifact: Path, tmp_path: Path) -> None:
    run("python", "-m", "galaxy_importer.main", str(artifact), cwd=tmp_path, **IMPORTER, HOME=str(tmp_path))
    result = json.loads((tmp_path / "importer_result.json").read_text(encoding="utf-8"))
    assert result["metadata"]["namespace"] == "guarded"
    assert {content["content_type"] for content in result["contents"]} >= {"module", "role", "playbook"}


@pytest.fixture(scope="module")
def documented(installed: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the documentation of the installed collection, by kind of plugin and name."""
    command = ("ansible-doc", "--json", "--metadata-dump", "--no-fail-on-errors", NAME)
    shown: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(
        run(*command, cwd=installed, ANSIBLE_COLLECTIONS_PATH=str(installed))
    )
    return shown["all"]


def test_every_module_has_documentation_once_installed(documented: Mapping[str, Mapping[str, Any]]) -> None:
    modules = {f"{NAME}.{path.stem}" for path in (ROOT / "plugins" / "modules").glob("*.yml")}
    assert modules
    shown = documented["module"]
    assert set(shown) == modules
    assert [name for name, text in shown.items() if not (text["doc"] and text["examples"] and text["return"])] == []
    silent = {name: ATTRIBUTES - set(text["doc"]["attributes"]) for name, text in shown.items()}
    assert not any(silent.values()), silent


def test_every_role_has_documentation_once_installed(documented: Mapping[str, Mapping[str, Any]]) -> None:
    roles = {f"{NAME}.{path.name}" for path in (ROOT / "roles").iterdir()}
    assert roles
    assert set(documented["role"]) == roles
    assert all(text["entry_points"] for text in documented["role"].values())


@pytest.mark.parametrize("kind", ["filter", "lookup", "callback", "inventory"])
def test_every_plugin_has_documentation_once_installed(documented: Mapping[str, Mapping[str, Any]], kind: str) -> None:
    plugins = {path.stem for path in (ROOT / "plugins" / kind).glob("*.yml")}
    shown = documented[kind]
    assert {name.rsplit(".", 1)[1] for name in shown} >= plugins
    assert all(text["doc"] for text in shown.values())
