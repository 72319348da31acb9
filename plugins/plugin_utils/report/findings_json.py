# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as `findings.json`, which findings.schema.json describes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import as_data
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import Run

SCHEMA = "https://guarded-fabric.invalid/schemas/findings-1.json"
"""Names the format in each file. A change that readers must know of is a new number."""

UNREADABLE_RUN = Kind(
    "GF-WAT-001",
    Owner.CONTROLLER,
    "is no findings.json of this collection",
    "move the file away to begin anew, or name the folder that the runs before were written to",
)


def data(run: Run) -> dict[str, object]:
    """Return a run as JSON data."""
    new = {finding.identity for finding in run.new()}
    return {
        "$schema": SCHEMA,
        "started": run.started,
        "finished": run.finished,
        "counts": {severity.word: count for severity, count in run.counted().items()},
        "findings": [{**as_data(finding), "new": finding.identity in new} for finding in run.findings],
        "suppressed": [
            {**as_data(item.finding), "reason": item.reason, "suppressed_by": item.owner, "expires": item.expires}
            for item in run.suppressed
        ],
        "gone": [dict(item) for item in run.gone],
        "machines": [asdict(machine) for machine in run.machines],
        "hosts": [asdict(host) for host in run.hosts],
        "virtual_machines": [asdict(machine) for machine in run.virtual_machines],
        "certificates": [asdict(certificate) for certificate in run.certificates],
    }


def render(run: Run) -> str:
    """Return the file's text."""
    return json.dumps(data(run), indent=1, ensure_ascii=False) + "\n"


def read(text: str, name: str) -> Mapping[str, Any]:
    """Read the file of an earlier run. Raises FabricError (GF-WAT-001) for a text that is none."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise FabricError(Problem(UNREADABLE_RUN, name, str(error))) from error
    if not isinstance(found, dict) or found.get("$schema") != SCHEMA:
        raise FabricError(Problem(UNREADABLE_RUN, name, f"its $schema is not {SCHEMA}"))
    return found
