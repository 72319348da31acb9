# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.evidence_comparison: it works on the controller's files and needs no host."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.guarded.fabric.plugins.plugin_utils.evidence_comparison import Comparison, compare
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import FabricAction, Spec, failure_result

SPEC: Spec = {
    "evidence": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"path": {"type": "path", "required": True}, "reference": {"type": "path", "required": True}},
    },
    "registered": {"type": "list", "elements": "str"},
}


class ActionModule(FabricAction):
    """Drives evidence_comparison."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        parameters = self.fabric_validate(SPEC)
        registered = parameters["registered"]
        compared: list[Comparison] = []
        problems: list[Problem] = []
        for item in parameters["evidence"]:
            try:
                comparison = compare(Path(item["path"]), Path(item["reference"]), registered)
            except FabricError as error:
                problems.extend(error.problems)
                continue
            compared.append(comparison)
            problems.extend([comparison.problem] if comparison.problem is not None else ())
        shown = {**result, "changed": False, "evidence": [asdict(comparison) for comparison in compared]}
        if self._task.check_mode and problems:
            # An earlier task of the same play may capture or approve it.
            return {**shown, "warnings": [f"{problem} (check mode goes on)" for problem in problems]}
        return {**shown, "failed": True, **failure_result(FabricError(*problems))} if problems else shown
