# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of an inspecting module: looks at the machine, in check mode too, and never reports a change."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, ClassVar

from .controller_files import with_files
from .inspection import Inspection, Question, inspecting
from .plan import argument_spec
from .problems import FabricError
from .resource_action import FabricAction, failure_result


class InspectionAction(FabricAction):
    """The action of a module that only looks."""

    inspection: ClassVar[Inspection]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        given = self.fabric_validate(argument_spec(self.inspection.options))
        try:
            (options,) = with_files(self.inspection.options, [given], self._find, ahead=False)
            question = Question(options, self.fabric_machine(task_vars), datetime.now(timezone.utc))
            told = self.fabric_drive(inspecting(self.inspection, question), task_vars, reboot_timeout=0)
        except FabricError as error:
            return {**result, "failed": True, "changed": False, **failure_result(error)}
        return {**result, "changed": False, **told}
