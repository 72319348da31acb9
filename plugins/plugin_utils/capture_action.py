# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of a capture module: drives the capture and reports what lies in the exchange directory now."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, ClassVar

from .capture import Capture, CaptureRequest, Filed, capturing
from .plan import argument_spec
from .problems import FabricError
from .resource_action import FabricAction, Spec, failure_result


def utc_now() -> str:
    """Return the controller's time, ISO 8601, UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe(filed: Filed) -> dict[str, Any]:
    """Return an artifact as users see it in a result."""
    sidecar = filed.artifact.sidecar
    return {
        "path": filed.artifact.path,
        "kind": filed.kind.folder,
        "status": filed.status.value,
        "sha256": sidecar.sha256 if sidecar else None,
        "fingerprint": sidecar.fingerprint if sidecar else None,
        "approved_by": sidecar.approval.by if sidecar and sidecar.approval else None,
    }


class CaptureAction(FabricAction):
    """The action of a module that captures artifacts."""

    capture: ClassVar[Capture]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        spec: Spec = {
            "config": {"type": "dict", "required": True, "options": argument_spec(self.capture.options)},
            "exchange": {"type": "path", "required": True},
        }
        parameters = self.fabric_validate(spec)
        request = CaptureRequest(
            config=parameters["config"],
            exchange=parameters["exchange"],
            thing=self.fabric_machine(task_vars),
            now=utc_now(),
            check_mode=bool(self._task.check_mode),
        )
        try:
            report = self.fabric_drive(capturing(self.capture, request), task_vars, reboot_timeout=0)
        except FabricError as error:
            return {**result, "failed": True, "changed": False, **failure_result(error)}
        artifacts = [describe(filed) for filed in report.filed]
        return {
            **result,
            "changed": report.changed,
            "artifacts": artifacts,
            "commands": list(report.commands),
            "warnings": list(report.warnings),
        }
