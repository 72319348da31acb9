# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.unused_policies: it works on the controller's files and needs no host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.plugin_utils.artifact_kinds import (
    ACTIVE_POLICY,
    BOOT_LOG,
    CODE_INTEGRITY_POLICY,
    TPM_BASELINE,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import FabricAction, Spec, failure_result
from ansible_collections.guarded.fabric.plugins.plugin_utils.retirement import Registered, retirement
from ansible_collections.guarded.fabric.plugins.plugin_utils.shown_evidence import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEC: Spec = {
    "policies": {"type": "list", "elements": "dict", "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "unseen": {"type": "list", "elements": "str"},
    "exchange": {"type": "path", "required": True},
}
_EVIDENCE = {"SecureBootSettings": (TPM_BASELINE, BOOT_LOG), "CiPolicy": (CODE_INTEGRITY_POLICY, ACTIVE_POLICY)}
"""By type of policy: what is approved for a class, and what a single host shows."""


class ActionModule(FabricAction):
    """Drives unused_policies."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        parameters = self.fabric_validate(SPEC)
        unused: list[str] = []
        kept: list[Mapping[str, str]] = []
        try:
            for policy_type, (approved, used) in _EVIDENCE.items():
                policies = [
                    Registered(str(item["name"]), enabled=bool(item.get("enabled")))
                    for item in parameters["policies"]
                    if item.get("type") == policy_type and not item.get("locked")
                ]
                evidence = shown(parameters["exchange"], approved, used, parameters["hosts"])
                found = retirement(policies, evidence.without(parameters["unseen"] or ()))
                unused.extend(found.unused)
                kept.extend({"name": name, "reason": reason} for name, reason in found.kept.items())
        except FabricError as error:
            return {**result, "failed": True, "changed": False, **failure_result(error)}
        return {**result, "changed": False, "unused": unused, "kept": kept}
