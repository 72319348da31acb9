# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.adoption: it works on the controller's files and needs no host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.guarded.fabric.plugins.plugin_utils import adoption_files
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption import NOT_ADOPTED, adopt
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_model import Shown
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_reading import PARTS
from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_text import texts
from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import ADOPTED
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture import Status
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture_action import describe, utc_now
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Approval
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import (
    FabricAction,
    Spec,
    described,
    failure_result,
)

SPEC: Spec = {
    "folder": {"type": "path", "required": True},
    "exchange": {"type": "path", "required": True},
    "machines": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "part": {"type": "str", "required": True, "choices": list(PARTS)},
            "result": {"type": "dict"},
            "connection": {"type": "dict", "default": {}},
        },
    },
    "approved_by": {"type": "str", "default": ""},
    "approval_reason": {"type": "str", "default": ""},
    "replace": {"type": "bool", "default": False},
}


class ActionModule(FabricAction):
    """Writes what machines showed as inventory, variables and artifacts."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        parameters = self.fabric_validate(SPEC)
        try:
            return {**result, **self._adopted(parameters)}
        except FabricError as error:
            return {**result, "failed": True, "changed": False, **failure_result(error)}

    def _adopted(self, parameters: dict[str, Any]) -> dict[str, Any]:
        by, reason = parameters["approved_by"], parameters["approval_reason"]
        if bool(by) != bool(reason):
            raise FabricError(Problem(adoption_files.HALF_AN_APPROVAL, "adopting"))
        folder, exchange = Path(parameters["folder"]), parameters["exchange"]
        check_mode, now = bool(self._task.check_mode), utc_now()
        shown = [Shown(**item) for item in parameters["machines"]]
        there = adoption_files.kept(exchange, ADOPTED)
        adoption = adopt(shown, exchange, there)
        written = texts(adoption)
        changes = adoption_files.compare(folder, written, may_replace=parameters["replace"])
        filed = adoption_files.file_artifacts(adoption.artifacts, exchange, there, now, check_mode=check_mode)
        approved = []
        if by:
            approval = Approval(by, now, reason)
            approved = adoption_files.approve(adoption.artifacts, exchange, approval, check_mode=check_mode)
        if not check_mode:
            adoption_files.write(folder, written, changes)
        waiting = [] if by else adoption_files.unapproved(adoption.artifacts, filed)
        problems = [*adoption.problems, *waiting]
        return {
            "changed": bool(
                changes.new
                or changes.replaced
                or approved
                or any(item.status is not Status.UNCHANGED for item in filed)
            ),
            "files": {"new": list(changes.new), "replaced": list(changes.replaced)},
            "groups": adoption.members,
            "not_adopted": list(adoption.members.get(NOT_ADOPTED, ())),
            "artifacts": [describe(item) for item in filed],
            "approved": approved,
            "notes": [described(problem) for problem in problems],
            "summary": [str(problem) for problem in problems],
        }
