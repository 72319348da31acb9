# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.drift_report: it works on the controller's files and needs no host."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.plugin_utils import (
    drift_findings,
    finding_suppressions,
    finding_thresholds,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift_conclusions import OWNERS, Limits, Seen
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift_run import Settings, conclude
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import ordered
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.report import findings_json, folder, terminal
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import FabricAction, Spec, failure_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.report.model import Run

CROSSED = Kind(
    "GF-WAT-008",
    Owner.CONTROLLER,
    "has findings at or above the severity that the check fails at",
    "read the report; solve them, suppress them for a time with a reason, or set fail_at",
)
NO_TIME = Kind(
    "GF-WAT-009",
    Owner.CONTROLLER,
    "is no time",
    "give the time at which the check began as ISO 8601 with its zone, such as that of now(utc=true).isoformat()",
)
_QUERIED = {"query": {"type": "str"}}
SPEC: Spec = {
    "folder": {"type": "path", "required": True},
    "machines": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "part": {"type": "str", "required": True, "choices": list(OWNERS)},
            "result": {"type": "dict"},
        },
    },
    "started": {"type": "str"},
    "fail_at": {
        "type": "list",
        "elements": "dict",
        "default": [{"severity": "error"}],
        "options": {"severity": {"type": "str", "required": True}, **_QUERIED},
    },
    "suppressions": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {**_QUERIED, **{name: {"type": "str"} for name in ("reason", "owner", "expires")}},
    },
    "certificate_days": {"type": "int", "default": 30},
    "clock_seconds": {"type": "int", "default": 300},
    "keep_days": {"type": "int", "default": 90},
}


class ActionModule(FabricAction):
    """Concludes from what machines showed, and writes the report."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        parameters = self.fabric_validate(SPEC)
        try:
            thresholds = finding_thresholds.read(parameters["fail_at"], drift_findings.SAMPLES)
            suppressions = finding_suppressions.read(parameters["suppressions"], drift_findings.SAMPLES)
            settings = Settings(Limits(parameters["certificate_days"], parameters["clock_seconds"]), suppressions)
            seen = [Seen(item["name"], item["part"], item["result"]) for item in parameters["machines"]]
            started, finished = _time(parameters["started"]), dt.datetime.now(dt.timezone.utc)
            run = self._kept(parameters, seen, settings, started or finished, finished)
        except FabricError as error:
            return {**result, "failed": True, "changed": False, **failure_result(error)}
        result |= {"changed": False, "summary": terminal.render(run), **findings_json.data(run)}
        crossing = ordered(finding_thresholds.crossing(run.findings, thresholds))
        if crossing:
            worst = crossing[0]
            told = f"{len(crossing)} of {len(run.findings)}, such as {worst.kind.id} of {worst.thing}"
            result |= {"failed": True, **failure_result(FabricError(Problem(CROSSED, "the drift check", told)))}
        return result

    def _kept(
        self,
        parameters: dict[str, Any],
        seen: Sequence[Seen],
        settings: Settings,
        started: dt.datetime,
        finished: dt.datetime,
    ) -> Run:
        """Conclude, and keep the run unless this is check mode."""
        path = Path(parameters["folder"])
        if self._task.check_mode:
            return conclude(seen, settings, started, finished, folder.last(path))
        with folder.held(path):
            run = conclude(seen, settings, started, finished, folder.last(path))
            folder.write(path, run, folder.files(run))
            folder.prune(path, finished - dt.timedelta(days=parameters["keep_days"]))
        return run


def _time(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise FabricError(Problem(NO_TIME, repr(text), str(error))) from error
    return time.astimezone(dt.timezone.utc) if time.tzinfo else time.replace(tzinfo=dt.timezone.utc)
