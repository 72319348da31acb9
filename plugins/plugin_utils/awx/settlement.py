# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings AWX to what is declared, or takes it away, by the modules of awx.awx; predicts the same in check mode.

The modules resolve names when they run. On an AWX that is still empty, check mode could not go beyond the first
organization, and removing something twice would end at its missing organization: here it is known what is not there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Kind, Owner, Problem

from .items import Item, Key

REFUSED = Kind(
    "GF-AWX-001",
    Owner.CONTROLLER,
    "could not be set up in AWX",
    "see what AWX says; the account needs to be an administrator of AWX, and what is referred to has to be there",
)
STAYS = Kind(
    "GF-AWX-002",
    Owner.CONTROLLER,
    "is still being deleted by AWX",
    "wait until AWX's own task has deleted it, and run again; an AWX that runs no tasks deletes nothing",
)
NOT_BY_ITSELF = frozenset({"workflow_job_template_node", "role"})
"""Kinds of objects that AWX removes with the workflow or the team that they belong to."""

DELETED_LATER = frozenset({"inventory"})
"""Kinds of objects that AWX deletes by a task, after it answered (AWX 24.6.1, Inventory.schedule_deletion).

Until then they can be found. Their organization may be gone by then, and they would stand in the way of others of their
name, as some modules look for an inventory in every organization.
"""
LOOKS, SECONDS_BETWEEN_LOOKS = 150, 2.0
UNKNOWN_PLAYBOOK = "Playbook not found for project"
"""What AWX says of a job template whose playbook its project had not when that was last updated."""

Call = Callable[[str, Mapping[str, object], bool], Mapping[str, Any]]
"""Runs a module by its name with arguments, in check mode or not, and returns its result."""


@dataclass(frozen=True)
class Outcome:
    """What became of an item, or in check mode would."""

    item: Item
    changed: bool


def present(items: Sequence[Item], call: Call, *, check: bool, update_secrets: bool) -> list[Outcome]:
    """Make items what they are to be, in order. Raises FabricError at the first that AWX refuses."""
    coming: set[Key] = set()
    outcomes = []
    projects = _Projects({item.name: item for item in items if item.kind == "project"}, call, check)
    for item in items:
        if coming.intersection(item.finds):
            changed, there = True, False
        elif coming.intersection(item.needs):
            changed, there = True, _is_there(item, call)
        else:
            arguments = _arguments(item, update_secrets=update_secrets)
            result = call(item.kind, arguments, check)
            if UNKNOWN_PLAYBOOK in str(result.get("msg", "")) and projects.updated(item):
                result = call(item.kind, arguments, check)
            changed = bool(_answer(item, result).get("changed"))
            # In check mode a module ends before it makes an object, and so without its id.
            there = not (check and changed and "id" not in result)
        if not there:
            coming.add(item.key)
        outcomes.append(Outcome(item, changed))
    return outcomes


@dataclass
class _Projects:
    """Projects by name. AWX fetches one when it is made or moved, and not when its repository got another playbook."""

    items: Mapping[str, Item]
    call: Call
    check: bool
    fetched: set[str] = field(default_factory=set)

    def updated(self, template: Item) -> bool:
        """Have AWX fetch the project of a job template; return whether it did, which it does once in a run."""
        name = str(template.settings.get("project", ""))
        if name in self.fetched:
            return False
        self.fetched.add(name)
        project = self.items[name]
        _answer(project, self.call("project_update", {**project.identity, "wait": True}, self.check))
        return True


def absent(
    items: Sequence[Item], call: Call, *, check: bool, pause: Callable[[float], None] = time.sleep
) -> list[Outcome]:
    """Take items away, the last first. Raises FabricError at the first that AWX refuses, or does not delete."""
    by_key = {item.key: item for item in items}
    known: dict[Key, bool] = {}

    def there(key: Key) -> bool:
        if key not in known:
            item = by_key[key]
            known[key] = all(there(found) for found in item.finds) and _is_there(item, call)
        return known[key]

    outcomes = []
    for item in reversed(items):
        if item.kind in NOT_BY_ITSELF:
            continue
        changed = all(there(found) for found in item.finds) and _removed(item, call, check=check)
        if changed and not check and item.kind in DELETED_LATER:
            _wait_until_gone(item, call, pause)
        outcomes.append(Outcome(item, changed))
    return outcomes


def _wait_until_gone(item: Item, call: Call, pause: Callable[[float], None]) -> None:
    for _look in range(LOOKS):
        if not _is_there(item, call):
            return
        pause(SECONDS_BETWEEN_LOOKS)
    raise FabricError(Problem(STAYS, f"{item.kind} {item.name!r}", f"{LOOKS * SECONDS_BETWEEN_LOOKS:.0f} seconds on"))


def _is_there(item: Item, call: Call) -> bool:
    """Whether removing it would change something."""
    return _removed(item, call, check=True)


def _removed(item: Item, call: Call, *, check: bool) -> bool:
    return bool(_answer(item, call(item.kind, {**item.identity, "state": "absent"}, check)).get("changed"))


def _arguments(item: Item, *, update_secrets: bool) -> dict[str, object]:
    arguments = {**item.identity, **item.settings, "state": "present"}
    if item.kind == "credential":
        arguments["update_secrets"] = update_secrets
    if item.kind == "notification_template" and item.secret and not update_secrets:
        # This module cannot tell whether a secret is the same, and would change it each time.
        arguments["state"] = "exists"
    return arguments


def _answer(item: Item, result: Mapping[str, Any]) -> Mapping[str, Any]:
    if result.get("failed"):
        raise FabricError(Problem(REFUSED, f"{item.kind} {item.name!r}", str(result.get("msg", ""))))
    return result
