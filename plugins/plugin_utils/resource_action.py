# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the action plugins share: they name a resource, this drives the engine over Ansible's connection."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from . import connection_problems, requirements
from .controller_files import unapproved, with_files
from .engine import Answer, Execute, InterruptedChangeError, Need, Reboot, Report, Request, reconcile
from .memory_bound import at_most
from .no_answer import ANSWER_MEMORY, problem_of
from .plain_data import plain
from .plan import argument_spec
from .problems import FabricError, Kind, Owner, Problem
from .warming import warm

if TYPE_CHECKING:
    from .resource import Item, Resource

# The strategy loads a task's action before it forks.
warm()

MODULE = "guarded.fabric.invoke_cmdlets"
"""The only module that runs on a host."""

RESTART_FAILED = Kind(
    "GF-RUN-006",
    Owner.CONTROLLER,
    "did not come back from its restart",
    "look at the machine; once it answers, run again: what was done before is kept",
)
SHUTDOWN_SECONDS = 3
"""win_reboot orders the shutdown for in two seconds. To look earlier finds the old boot, and each such look doubles the
pause before the next."""

T = TypeVar("T")

Spec = dict[str, Mapping[str, object]]


class FabricAction(ActionBase):
    """Runs the engine's needs on the task's host."""

    _supports_async = False
    _supports_check_mode = True
    _requires_connection = True

    def cleanup(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 - as Ansible calls it
        """End the task, and the connection of one that is delegated.

        In a loop Ansible closes only the last one, and takes one that is open for the next machine with that address,
        whatever its port.
        """
        super().cleanup(force)  # type: ignore[no-untyped-call]
        if self._task.delegate_to:
            with suppress(Exception):  # the machine may be gone
                self._connection.close()
            self._connection._connected = False  # noqa: SLF001 - what Ansible looks at; close may have failed before

    def fabric_machine(self, task_vars: Mapping[str, Any]) -> str:
        """Return the name of the machine that is worked on: another host may have delegated the task to it."""
        return str(self._task.delegate_to or task_vars.get("inventory_hostname", ""))

    def fabric_validate(self, spec: Spec) -> dict[str, Any]:
        """Check the controller and the task's options. Raises AnsibleActionFail before anything is sent to a host."""
        if absent := requirements.missing():
            names = " and ".join(absent)
            raise AnsibleActionFail(f"{sys.executable} has no {names}: install the collection's requirements.txt")
        return self.fabric_take(spec, self._task.args)

    def fabric_take(self, spec: Spec, arguments: Mapping[str, object], where: str = "") -> dict[str, Any]:
        """Return options as the spec has them; `where` begins the message of AnsibleActionFail for what it has not."""
        # A copy: the validator fills defaults of suboptions into a default that it finds in the spec.
        validator = ArgumentSpecValidator(deepcopy(spec))
        result = validator.validate({name: plain(value) for name, value in arguments.items()})
        if result.error_messages:
            raise AnsibleActionFail(where + "; ".join(result.error_messages))
        parameters: dict[str, Any] = result.validated_parameters
        return parameters

    def fabric_drive(self, work: Generator[Need, Answer, T], task_vars: dict[str, Any], reboot_timeout: int) -> T:
        """Do what the engine needs until it is finished; return its report. Raises FabricError."""
        go_on: Callable[[], Need] = partial(next, work)
        while True:
            try:
                need = go_on()
            except StopIteration as finished:
                report: T = finished.value
                return report
            try:
                go_on = partial(work.send, self._do(need, task_vars, reboot_timeout))
            except FabricError as error:
                # The engine knows what was done before it.
                go_on = partial(work.throw, error)

    def _do(self, need: Need, task_vars: dict[str, Any], reboot_timeout: int) -> Answer:
        if isinstance(need, Execute):
            return self._execute(need, task_vars)
        if isinstance(need, Reboot):
            self._reboot(need, task_vars, reboot_timeout)
        else:
            time.sleep(need.seconds)
        return {}

    def _execute(self, need: Execute, task_vars: dict[str, Any]) -> Answer:
        thing = self.fabric_machine(task_vars)
        try:
            with at_most(ANSWER_MEMORY):
                answer: Answer = self._execute_module(
                    module_name=MODULE, module_args=need.arguments, task_vars=task_vars
                )
                return answer
        except (AnsibleError, OSError) as error:
            if not _is_lost(error):
                raise
            raise FabricError(Problem(connection_problems.kind_of(str(error)), thing, str(error))) from error
        except Exception as error:  # noqa: BLE001 - nobody knows what connection plugins raise for what is no answer
            # Not raised from here: what took the memory is let go of with the error.
            problem = problem_of(error, thing)
        raise FabricError(problem)

    def _find(self, path: str) -> str:
        find_needle: Any = self._find_needle  # ansible-core gives it no types
        try:
            return str(find_needle("files", path))
        except AnsibleError as error:
            raise FileNotFoundError(str(error)) from error

    def _reboot(self, need: Reboot, task_vars: dict[str, Any], reboot_timeout: int) -> None:
        task = self._task.copy()
        task.args = {"msg": need.reason, "reboot_timeout": reboot_timeout, "post_reboot_delay": SHUTDOWN_SECONDS}
        action = self._shared_loader_obj.action_loader.get(
            "ansible.windows.win_reboot",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        result = action.run(task_vars=task_vars)
        if result.get("failed") or result.get("unreachable"):
            thing = self.fabric_machine(task_vars)
            raise FabricError(Problem(RESTART_FAILED, thing, str(result.get("msg", ""))))


def config_spec(resource: Resource) -> Mapping[str, object]:
    """Return the option `config` of a resource as Ansible's argument spec."""
    config: dict[str, object] = {"type": "dict" if resource.single else "list"}
    config["options"] = argument_spec(resource.options)
    if not resource.single:
        config["elements"] = "dict"
    return config


def items_of(resource: Resource, config: list[Item] | Item | None) -> list[Item]:
    """Return the items of a config that has been validated, which may be none at all."""
    if isinstance(config, list):
        return list(config)
    return [config or {}] if resource.single else []


class ResourceAction(FabricAction):
    """The action of a resource module."""

    resource: ClassVar[Resource]

    def _spec(self) -> Spec:
        resource = self.resource
        return {
            "config": config_spec(resource),
            "state": {"type": "str", "choices": list(resource.states), "default": resource.states[0]},
            "reboot": {"type": "bool", "default": False},
            "reboot_timeout": {"type": "int", "default": 1800},
            "settle_timeout": {"type": "int", "default": 900},
        }

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        parameters = self.fabric_validate(self._spec())
        config = items_of(self.resource, parameters["config"])
        if not parameters["config"] and parameters["state"] not in ("gathered", "overridden"):
            raise AnsibleActionFail(f"config is needed with state {parameters['state']}")
        check_mode = bool(self._task.check_mode)
        ahead = check_mode or parameters["state"] in ("deleted", "rendered")
        try:
            request = Request(
                state=parameters["state"],
                config=with_files(self.resource.options, config, self._find, ahead=ahead),
                thing=self.fabric_machine(task_vars),
                check_mode=check_mode,
                reboot=parameters["reboot"],
                settle_seconds=parameters["settle_timeout"],
            )
            work = reconcile(self.resource, request)
            report = self.fabric_drive(work, task_vars, parameters["reboot_timeout"])
        except InterruptedChangeError as error:
            return {
                **result,
                "failed": True,
                "changed": bool(error.commands),
                **failure_result(error),
                "commands": list(error.commands),
            }
        except FabricError as error:
            return {**result, "failed": True, "changed": False, **failure_result(error)}
        if check_mode:
            awaited = unapproved(self.resource.options, request.config)
            report = replace(report, warnings=(*(f"{item} (check mode goes on)" for item in awaited), *report.warnings))
        return {**result, **self._result(request, report)}

    def _result(self, request: Request, report: Report) -> dict[str, Any]:
        shown = shown_by(self.resource)
        if request.state == "gathered":
            return {"changed": False, "gathered": shown(report.before), "warnings": list(report.warnings)}
        if request.state == "rendered":
            return {"changed": False, "rendered": list(report.commands)}
        result: dict[str, Any] = {
            "changed": report.changed,
            "before": shown(report.before),
            "after": shown(report.after),
            "commands": list(report.commands),
            "reboot_required": report.reboot_required,
            "warnings": list(report.warnings),
        }
        if self._task.diff:
            result["diff"] = {"before": _text(result["before"]), "after": _text(result["after"])}
        return result


def shown_by(resource: Resource) -> Callable[[list[dict[str, object]]], object]:
    """Return what shows the items of a resource to users."""
    return _single if resource.single else list


def _single(items: list[dict[str, object]]) -> dict[str, object]:
    return items[0] if items else {}


def _text(value: object) -> str:
    return json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n"


def described(problem: Problem) -> dict[str, str]:
    """Return a problem as users see it in a result."""
    return {
        "id": problem.kind.id,
        "owner": problem.kind.owner.value,
        "thing": problem.thing,
        "what": problem.kind.title,
        "detail": problem.detail,
        "next_step": problem.kind.next_step,
    }


def _is_lost(error: AnsibleError | OSError) -> bool:
    """Whether the host was not reached: winrm has a plain error for one of its time-outs, psrp lets OSErrors by."""
    return isinstance(error, AnsibleConnectionFailure | OSError) or "connection attempt timed out" in str(error)


def failure_result(error: FabricError) -> dict[str, Any]:
    """Return problems as the part of a task's result that says why it failed."""
    result = {"msg": str(error), "problems": [described(problem) for problem in error.problems]}
    if any(problem.kind in connection_problems.KINDS for problem in error.problems):
        # Such a host is out of the rest of the run, or not, as `ignore_unreachable` says.
        return {**result, "failed": False, "unreachable": True}
    return result
