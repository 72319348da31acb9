# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Windows roles and features of a server.

That a feature is installed before it works is read from its InstallState: InstallPending and UninstallPending wait
for a restart. Whether one is needed shows only after the installation, so it is never predicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Call, Restart, Results, Step, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.certainty import certain
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind, Owner, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Option, Reading, Resource, Role
from ansible_collections.guarded.fabric.plugins.plugin_utils.windows_values import name_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

FEATURE_UNKNOWN = Kind(
    "GF-FEA-001",
    Owner.CONTROLLER,
    "is no feature of this edition of Windows",
    "compare the name with Get-WindowsFeature; HostGuardian exists in Datacenter only",
)


def _prepare(config: Sequence[Item]) -> Sequence[Item]:
    return [{**item, "installed": item.get("installed") is not False} for item in config]


def _observe(_config: Sequence[Item]) -> Sequence[Call]:
    # All of them: of a name that this edition does not have, nothing would come back and nobody would know why.
    return (Call("Get-WindowsFeature", id="features", select=("Name", "InstallState")),)


def _read(results: Results, config: Sequence[Item]) -> Reading:
    """Return the features asked for; without config, those that are there."""
    asked = {str(item["name"]).casefold() for item in config}
    state = {}
    for feature in results.objects("features"):
        name, install_state = name_in(feature, "Name"), str(feature.get("InstallState", ""))
        item = {
            "name": name,
            "installed": install_state in ("Installed", "UninstallPending"),
            "restart_pending": install_state.endswith("Pending"),
        }
        if name.casefold() in asked or (not asked and (item["installed"] or item["restart_pending"])):
            state[name.casefold()] = item
    return Reading(state)


def _refuse(before: Item | None, after: Item | None) -> Sequence[Problem]:
    if before is None and after is not None:
        return (Problem(FEATURE_UNKNOWN, str(after["name"])),)
    return ()


def _change(before: Item | None, after: Item | None) -> Sequence[Step]:
    after = certain(after, "there is no state that removes items")
    if before is not None and before["restart_pending"]:
        return (Restart(f"the feature {before['name']} waits for it"),)
    cmdlet = "Install-WindowsFeature" if after["installed"] else "Uninstall-WindowsFeature"
    return (changing(cmdlet, {"Name": [str(after["name"])], "IncludeManagementTools": True}),)


RESOURCE = Resource(
    name="windows_features",
    owner=Owner.FABRIC,
    options=(
        Option("name", Role.KEY, required=True),
        Option("installed", type="bool", default=True),
        Option("restart_pending", Role.COMPUTED, type="bool"),
    ),
    prepare=_prepare,
    observe=_observe,
    read=_read,
    change=_change,
    refuse=_refuse,
    states=("merged", "gathered", "rendered"),
)
