# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Maintenance mode of a Hyper-V host: no virtual machine runs on it, and its cluster gives it none.

A host that is no node of a cluster has no such mode. It counts as being in it where nothing runs on it, or where
somebody said that what runs may be interrupted; what happens to a machine when the host restarts is then what its own
AutomaticStopAction and AutomaticStartAction say (PSD Set-VM).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import (
    ANY_ERROR,
    CMDLET_MISSING,
    Call,
    Results,
    Step,
    changing,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import SINGLE, Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

FAILBACK = ("Immediate", "Policy", "NoFailback")
"""What happens to roles that were moved away (PSD Resume-ClusterNode); the first is the default here."""
_PAUSED = "paused"
_AT_REST = ("off", "saved")

RUNS_MACHINES = Kind(
    "GF-MNT-001",
    Owner.FABRIC,
    "runs virtual machines that no cluster can move away",
    "move or shut them down yourself, or set allow_interruption if they may stop with the host",
)


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    return (
        Call("Get-CimInstance", {"ClassName": "Win32_ComputerSystem"}, id="computer", select=("Name",)),
        # The ids of its errors are not published, and whatever keeps it from answering, no cluster moves machines away.
        Call("Get-ClusterNode", id="nodes", select=("Name", "State"), accept=(ANY_ERROR,)),
        Call("Get-VM", id="machines", select=("Name", "State"), accept=(CMDLET_MISSING,)),
    )


def _read(results: Results, config: Sequence[Item]) -> Reading:
    wanted = next(iter(config), {})
    name = str(results.first("computer").get("Name", ""))
    node = next(
        (item for item in results.objects("nodes") if str(item.get("Name", "")).casefold() == name.casefold()), None
    )
    running = sorted(
        str(machine.get("Name"))
        for machine in results.objects("machines")
        if str(machine.get("State", "")).casefold() not in _AT_REST
    )
    state = "" if node is None else str(node.get("State", ""))
    is_paused = state.casefold() == _PAUSED
    may_go = not running or bool(wanted.get("allow_interruption"))
    item = {
        "enabled": (is_paused or node is None) and may_go if wanted.get("enabled") else is_paused,
        "node": "" if node is None else str(node.get("Name")),
        "node_state": state,
        "running_virtual_machines": running,
    }
    return Reading({SINGLE: item})


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    """Refuse what a drain cannot help with: the host is in no cluster, or is drained and still runs something."""
    before = certain(before, "a host always has a state")
    can_be_drained = before["node"] and str(before["node_state"]).casefold() != _PAUSED
    return () if can_be_drained or not certain(after, "nothing removes it")["enabled"] else _explain(before, after)


def _explain(before: Item | None, _after: Item | None) -> Sequence[Problem]:
    running = texts(certain(before, "a host always has a state")["running_virtual_machines"])
    return (Problem(RUNS_MACHINES, "", ", ".join(running)),) if running else ()


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    before, after = certain(before, "a host always has a state"), certain(after, "nothing removes it")
    name = {"Name": [str(before["node"])]}
    if after["enabled"]:
        return (changing("Suspend-ClusterNode", {**name, "Drain": True, "Wait": True}),)
    return (changing("Resume-ClusterNode", {**name, "Failback": str(after.get("failback") or FAILBACK[0])}),)


RESOURCE = Resource(
    name="maintenance_mode",
    owner=Owner.FABRIC,
    options=(
        Option("enabled", type="bool", required=True),
        Option("allow_interruption", Role.INPUT, type="bool"),
        Option("failback", Role.INPUT, choices=FAILBACK),
        Option("node", Role.COMPUTED),
        Option("node_state", Role.COMPUTED),
        Option("running_virtual_machines", Role.COMPUTED, type="list", elements="str"),
    ),
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    explain=_explain,
    single=True,
    states=("merged", "gathered"),
)
