# SPDX-License-Identifier: GPL-3.0-or-later
"""The plays that are compared: each is one or a few tasks on every host, and changes nothing on a fabric that is up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .fabric import SOFTWARE_CLASS

if TYPE_CHECKING:
    from pathlib import Path

Task = dict[str, object]
Cells = Mapping[str, Sequence[Task]]
"""Tasks by name of the cell."""

NO_OP = "no-op"
WHOLE_HOST = "whole host, drift"
SYSTEM: Task = {
    "id": "system",
    "cmdlet": "Get-CimInstance",
    "parameters": {"ClassName": "Win32_OperatingSystem"},
    "select": ["LastBootUpTime"],
}


def resources(exchange: Path) -> dict[str, Task]:
    """Return what the roles declare for a guarded host, by resource."""
    service = "http://hgs.guardian.example"
    return {
        "windows_features": {"config": [{"name": "Hyper-V"}, {"name": "HostGuardian"}]},
        "code_integrity_policy": {"config": {"policy": str(exchange / "ci-policies" / f"{SOFTWARE_CLASS}.p7b")}},
        "hgs_client": {
            "config": {
                "mode": "HostGuardianService",
                "attestation_url": f"{service}/Attestation",
                "key_protection_url": f"{service}/KeyProtection",
                "attested": True,
            }
        },
        # Who may start each machine is read, too; there is no telling what they would be without a tenant.
        "shielded_vms": {"config": "{{ shielded_vm_names | guarded.fabric.named_items }}", "state": "gathered"},
    }


def cells(exchange: Path) -> Cells:
    """Return the tasks of each cell. The no-op is Ansible's own, in a worker process of its own, without a host."""
    declared = resources(exchange)
    return {
        NO_OP: [{"ansible.builtin.debug": {"msg": "nothing"}}],
        "win_ping": [{"ansible.windows.win_ping": {}}],
        "invoke_cmdlets, one call": [{"guarded.fabric.invoke_cmdlets": {"calls": [SYSTEM]}}],
        "one resource, unchanged": [{"guarded.fabric.windows_features": declared["windows_features"]}],
        "whole host, task by task": [{f"guarded.fabric.{name}": given} for name, given in declared.items()],
        WHOLE_HOST: [{"guarded.fabric.drift": {"resources": declared}}],
    }


def play(tasks: Sequence[Task]) -> list[Task]:
    """Return a playbook that runs tasks on every host and fails where one would change something."""
    checked = [{"name": f"Task {number}", **_condition(task), **task} for number, task in enumerate(tasks)]
    return [{"name": "Bench", "hosts": "guarded_hosts", "gather_facts": False, "tasks": checked}]


def _condition(task: Task) -> Task:
    """Return the condition under which a task did not do what is measured; the no-op has none: it would cost, too."""
    if "ansible.builtin.debug" in task:
        return {}
    drifted = " or done.drifted or done.unknown | length > 0" if "guarded.fabric.drift" in task else ""
    return {"register": "done", "failed_when": "done is changed" + drifted}
