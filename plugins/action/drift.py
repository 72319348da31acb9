# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action of the module guarded.fabric.drift."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail
from ansible_collections.guarded.fabric.plugins.plugin_utils import machine_health
from ansible_collections.guarded.fabric.plugins.plugin_utils.catalogue import RESOURCES
from ansible_collections.guarded.fabric.plugins.plugin_utils.controller_files import with_files
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift import Declaration, Sight, Verdict, drifting, unknown
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import (
    FabricAction,
    Spec,
    config_spec,
    described,
    failure_result,
    items_of,
    shown_by,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item, Resource

SPEC: Spec = {
    "resources": {"type": "dict", "default": {}},
    "declared": {"type": "list", "elements": "str", "default": []},
    "health": {"type": "list", "elements": "str", "choices": list(machine_health.ASPECTS), "default": []},
}
NOT_DECLARED = ("rendered",)
"""States that say nothing of what a machine is to be."""


def resource_spec(resource: Resource) -> Spec:
    """Return what one resource takes, as Ansible's argument spec."""
    states = [state for state in resource.states if state not in NOT_DECLARED]
    return {"config": config_spec(resource), "state": {"type": "str", "choices": states, "default": states[0]}}


class ActionModule(FabricAction):
    """Looks at all that is declared for a host, and compares."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        parameters = self.fabric_validate(SPEC)
        thing = self.fabric_machine(task_vars)
        # The module itself refuses a batch that would change something then.
        self._task.check_mode = True
        given = self._given({**parameters["resources"], **self._declared(parameters["declared"], task_vars)})
        health = parameters["health"]
        declarations: dict[str, Declaration] = {}
        verdicts: dict[str, Verdict] = {}
        for name, (state, config) in given.items():
            resource = RESOURCES[name]
            try:
                files = with_files(resource.options, config, self._find, ahead=state == "deleted")
                declarations[name] = Declaration(resource, state, files)
            except FabricError as error:
                verdicts[name] = unknown(error, thing)
        try:
            work = drifting(declarations, thing, machine_health.observe(health))
            sight: Sight = self.fabric_drive(work, task_vars, reboot_timeout=0)
            verdicts |= sight.verdicts
            told = machine_health.read(health, sight.others, datetime.now(timezone.utc))
        except FabricError as error:
            return {**result, "failed": True, "changed": False, **failure_result(error)}
        return {
            **result,
            "changed": False,
            "drifted": any(verdict.differences for verdict in verdicts.values()),
            "unknown": [name for name in given if not verdicts[name].known],
            "health": told,
            "resources": {name: _shown(RESOURCES[name], verdicts[name]) for name in given},
        }

    def _declared(self, names: Sequence[str], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the resources in variables of the machine; a task's templates see those of the host that delegates."""
        variables = task_vars.get("ansible_delegated_vars", {}).get(self._task.delegate_to, task_vars)
        templar = self._templar.copy_with_new_env(available_variables=variables)
        resources: dict[str, Any] = {}
        for name in names:
            if name not in variables:
                raise AnsibleActionFail(f"declared: there is no variable {name}")
            value = templar.template(variables[name])
            if not isinstance(value, dict):
                raise AnsibleActionFail(f"declared: {name} has to be a dictionary of resources")
            resources |= value
        return resources

    def _given(self, resources: Mapping[str, object]) -> Mapping[str, tuple[str, Sequence[Item]]]:
        """Return state and config by name of the resource. Raises AnsibleActionFail for what no resource takes."""
        if strangers := sorted(set(resources) - set(RESOURCES)):
            known = ", ".join(sorted(RESOURCES))
            raise AnsibleActionFail(f"no resource is called {', '.join(strangers)}; there are {known}")
        given: dict[str, tuple[str, Sequence[Item]]] = {}
        for name, wanted in resources.items():
            if not isinstance(wanted, dict):
                raise AnsibleActionFail(f"{name}: has to be a dictionary of config and state")
            taken = self.fabric_take(resource_spec(RESOURCES[name]), wanted, f"{name}: ")
            if not taken["config"] and taken["state"] not in ("gathered", "overridden"):
                raise AnsibleActionFail(f"{name}: config is needed with state {taken['state']}")
            given[name] = (taken["state"], items_of(RESOURCES[name], taken["config"]))
        return given


def _shown(resource: Resource, verdict: Verdict) -> dict[str, Any]:
    return {
        "drifted": bool(verdict.differences),
        "differences": [
            {"object": item.thing, "property": item.option, "expected": item.expected, "actual": item.actual}
            for item in verdict.differences
        ],
        "before": shown_by(resource)(verdict.before),
        "missing": None if verdict.missing is None else described(verdict.missing),
        "settling": verdict.settling,
        "problems": [described(problem) for problem in verdict.problems],
        "unknown": [described(problem) for problem in verdict.unknown],
    }
