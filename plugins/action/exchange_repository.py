# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.exchange_repository: it runs git on the controller and needs no host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange_git import Clone
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import FabricAction, Spec, failure_result

SPEC: Spec = {
    "path": {"type": "path", "required": True},
    "repository": {"type": "str", "required": True},
    "branch": {"type": "str", "default": "main"},
    "state": {"type": "str", "choices": ["pulled", "pushed"], "required": True},
    "message": {"type": "str", "default": "exchange"},
}


class ActionModule(FabricAction):
    """Fetches or publishes the exchange directory."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        parameters = self.fabric_validate(SPEC)
        clone = Clone(Path(parameters["path"]), parameters["repository"], parameters["branch"])
        try:
            if parameters["state"] == "pulled":
                # Also in check mode: what follows could predict nothing without.
                changed = clone.pull()
            else:
                changed = clone.changes() if self._task.check_mode else clone.push(parameters["message"])
        except FabricError as error:
            return {**result, "failed": True, "changed": False, **failure_result(error)}
        return {**result, "changed": changed}
