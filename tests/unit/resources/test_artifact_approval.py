# SPDX-License-Identifier: GPL-3.0-or-later
"""The action itself, as ansible-core makes it; what approving does to files is tested with capturing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.playbook.task import Task
from ansible_collections.guarded.fabric.plugins.action.artifact_approval import ActionModule
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils import exchange

if TYPE_CHECKING:
    from pathlib import Path

    from .rollout import Stages

WHO = {"by": "ada", "reason": "compared"}


def run(arguments: dict[str, object], *, check_mode: bool = False) -> dict[str, Any]:
    task = Task()
    task.args = arguments
    task.check_mode = check_mode
    parts = dict.fromkeys(("play_context", "loader", "templar", "shared_loader_obj"), Mock())
    action = ActionModule(task=task, connection=Mock(), **parts)
    result: dict[str, Any] = action.run(task_vars={})
    return result


@pytest.fixture
def path(stages: Stages, tmp_path: Path) -> Path:
    """Return the path of a code integrity policy that nobody approved."""
    source = stages.exchange / "ci-policies" / "core.p7b"
    target = exchange.artifact_path(str(tmp_path), kinds.CODE_INTEGRITY_POLICY, "core")
    exchange.save(target, kinds.CODE_INTEGRITY_POLICY, source.read_bytes(), "host01", "2026-11-24T19:00:00Z")
    return target


def approved_by(path: Path) -> str | None:
    sidecar = exchange.load(path, kinds.CODE_INTEGRITY_POLICY).sidecar
    return sidecar.approval.by if sidecar and sidecar.approval else None


def test_an_artifact_is_approved_once(path: Path) -> None:
    foreseen = run({**WHO, "paths": [str(path)]}, check_mode=True)
    assert (foreseen["changed"], approved_by(path)) == (True, None)
    result = run({**WHO, "paths": [str(path)]})
    assert (result["changed"], approved_by(path)) == (True, "ada")
    (shown,) = result["artifacts"]
    assert (shown["path"], shown["changed"], shown["approved_by"], shown["differences"]) == (str(path), True, "ada", [])
    assert run({**WHO, "by": "bob", "paths": [str(path)]})["changed"] is False
    assert approved_by(path) == "ada"


def test_one_that_cannot_be_approved_does_not_keep_others_from_it(path: Path) -> None:
    result = run({**WHO, "paths": [str(path.with_name("none.p7b")), str(path)]})
    assert (result["failed"], result["changed"], approved_by(path)) == (True, True, "ada")
    (problem,) = result["problems"]
    assert (problem["id"], problem["owner"]) == (exchange.ARTIFACT_MISSING.id, "controller")
    assert problem["next_step"] in result["msg"]


@pytest.mark.parametrize("name", ["paths", "by", "reason"])
def test_who_and_why_are_needed(path: Path, name: str) -> None:
    arguments: dict[str, object] = {**WHO, "paths": [str(path)]}
    del arguments[name]
    with pytest.raises(AnsibleActionFail, match=f"missing required arguments: {name}"):
        run(arguments)
