# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.artifact_approval: it works on the controller's files and needs no host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import Verdict, judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.capture_action import utc_now
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Approval
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import FabricAction, Spec, failure_result

SPEC: Spec = {
    "paths": {"type": "list", "elements": "path", "required": True},
    "by": {"type": "str", "required": True},
    "reason": {"type": "str", "required": True},
}


class ActionModule(FabricAction):
    """Drives artifact_approval."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        parameters = self.fabric_validate(SPEC)
        approval = Approval(by=parameters["by"], at=utc_now(), reason=parameters["reason"])
        check_mode = bool(self._task.check_mode)
        judged = [_judge(Path(path), approval, check_mode=check_mode) for path in parameters["paths"]]
        verdicts = [item for item in judged if isinstance(item, Verdict)]
        problems = [problem for item in judged if isinstance(item, FabricError) for problem in item.problems]
        changed = any(verdict.changed for verdict in verdicts)
        shown = {"changed": changed, "artifacts": [_describe(verdict) for verdict in verdicts]}
        if problems:
            return {**result, **shown, "failed": True, **failure_result(FabricError(*problems))}
        return {**result, **shown}


def _judge(path: Path, approval: Approval, *, check_mode: bool) -> Verdict | FabricError:
    """Judge one of several artifacts: a problem of one does not keep the others from being judged."""
    try:
        return judge(path, approval, check_mode=check_mode)
    except FabricError as error:
        return error


def _describe(verdict: Verdict) -> dict[str, Any]:
    sidecar = verdict.artifact.sidecar
    return {
        "path": verdict.artifact.path,
        "changed": verdict.changed,
        "fingerprint": sidecar.fingerprint if sidecar else None,
        "approved_by": sidecar.approval.by if sidecar and sidecar.approval else None,
        "differences": list(verdict.differences),
    }
