# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.adoption_reading."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.plugin_utils.adoption_reading import PARTS, Living, reading
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import (
    FabricAction,
    Spec,
    described,
    failure_result,
)

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.drift import Verdict

SPEC: Spec = {
    "part": {"type": "str", "required": True, "choices": list(PARTS)},
    "scan": {"type": "dict", "default": {}},
}


class ActionModule(FabricAction):
    """Reads all of a machine that adopting it needs."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        # The module itself refuses a batch that would change something then.
        self._task.check_mode = True
        parameters = self.fabric_validate(SPEC)
        work = reading(parameters["part"], self.fabric_machine(task_vars), parameters["scan"])
        try:
            living = self.fabric_drive(work, task_vars, reboot_timeout=0)
        except FabricError as error:
            return {**result, "failed": True, "changed": False, **failure_result(error)}
        return {**result, "changed": False, **shown(living)}


def shown(living: Living) -> dict[str, Any]:
    """Return what a machine showed as JSON data."""
    return {
        "resources": {name: _verdict(verdict) for name, verdict in living.verdicts.items()},
        "artifacts": {name: _text(content) for name, content in living.artifacts.items()},
        "vendors": {store: [_text(content) for content in contents] for store, contents in living.vendors.items()},
        "protectors": {name: _text(content) for name, content in living.protectors.items()},
        "unread": [described(problem) for problem in living.unread],
    }


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _verdict(verdict: Verdict) -> dict[str, Any]:
    why = [*verdict.unknown, *([] if verdict.missing is None else [verdict.missing])]
    return {"before": list(verdict.before), "unknown": [described(problem) for problem in why]}
