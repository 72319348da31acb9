# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that drive the engine, with ansible-core's task and a host that is made up."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.playbook.task import Task
from ansible_collections.guarded.fabric.plugins.plugin_utils import connection_problems
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import Execute
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource_action import (
    MODULE,
    RESTART_FAILED,
    ResourceAction,
)

from .switches import GLUED, SWITCHES, Box, Switch, box

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind


class Action(ResourceAction):
    resource = SWITCHES


def run(host: Box, monkeypatch: pytest.MonkeyPatch, *, check_mode: bool = False, **arguments: object) -> dict[str, Any]:
    task = Task()
    task.args = dict(arguments)
    task.check_mode = check_mode
    task.diff = True
    loader = Mock()
    action = Action(
        task=task, connection=Mock(), play_context=Mock(), loader=Mock(), templar=Mock(), shared_loader_obj=loader
    )

    def execute(module_name: str, module_args: dict[str, Any], task_vars: dict[str, object]) -> dict[str, Any]:
        assert module_name == MODULE
        assert task_vars["inventory_hostname"] == "box-1"
        need = next(iter(waiting))
        waiting.clear()
        assert need.arguments == module_args
        return host.tamper(host._execute(need))

    waiting: list[Execute] = []
    do = action._do

    def remember(need: object, *rest: object) -> object:
        if isinstance(need, Execute):
            host.executions.append(need)
            waiting.append(need)
        return do(need, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(action, "_execute_module", execute)
    monkeypatch.setattr(action, "_do", remember)
    monkeypatch.setattr(action, "_shared_loader_obj", loader)
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(host, "slept", host.slept + seconds))
    reboot = loader.action_loader.get.return_value.run
    reboot.side_effect = lambda **_options: _restarted(host)
    result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "box-1"})
    return result


LOST: dict[str, object] = {"failed": True, "msg": "timed out"}


def _restarted(host: Box) -> dict[str, object]:
    host.reboots.append("asked for")
    if host.lost:
        return dict(LOST)
    for switch in host.switches.values():
        switch.waits = False
    host.slow = False
    return {"rebooted": True}


def test_a_change_is_reported_as_before_after_commands_and_diff(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(box(Switch("a")), monkeypatch, config=[{"name": "a", "on": True}])
    assert result["changed"] is True
    assert result["before"] == [{"name": "a", "on": False, "colour": "white", "wear": 0}]
    assert result["after"] == [{"name": "a", "on": True, "colour": "white", "wear": 1}]
    assert result["commands"] == ["Set-Switch -Name 'a' -On:$true -Colour 'white'"]
    assert result["reboot_required"] is False
    assert '"on": false' in result["diff"]["before"]
    assert '"on": true' in result["diff"]["after"]


def test_gathering_and_rendering_have_results_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(box(Switch("a")), monkeypatch, state="gathered")["gathered"][0]["name"] == "a"
    rendered = run(box(), monkeypatch, config=[{"name": "a"}], state="rendered")
    assert rendered["rendered"] == ["Set-Switch -Name 'a' -On:$false"]
    assert rendered["changed"] is False


def test_check_mode_runs_nothing_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    host = box(Switch("a"))
    assert run(host, monkeypatch, check_mode=True, config=[{"name": "a", "on": True}])["changed"] is True
    assert host.calls["Set-Switch"] == 0


def test_a_restart_goes_through_win_reboot(monkeypatch: pytest.MonkeyPatch) -> None:
    host = box(slow=True)
    result = run(host, monkeypatch, config=[{"name": "a", "on": True}], reboot=True)
    assert (result["changed"], host.reboots) == (True, ["asked for"])


def test_a_restart_that_fails_does_not_hide_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    host = box(slow=True, lost=True)
    result = run(host, monkeypatch, config=[{"name": "a", "on": True}], reboot=True)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["commands"]
    (problem,) = result["problems"]
    assert (problem["id"], problem["thing"], problem["detail"]) == (RESTART_FAILED.id, "box-1", "timed out")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (AnsibleConnectionFailure("Connection refused"), connection_problems.NO_ANSWER),
        (AnsibleError("the connection attempt timed out"), connection_problems.NO_ANSWER),
        (OSError("something"), connection_problems.UNREACHABLE),
    ],
)
def test_a_host_that_does_not_answer_is_unreachable_and_keeps_what_was_done(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: Kind
) -> None:
    def lose_second_time(answer: dict[str, object]) -> dict[str, object]:
        if len(host.executions) > 2:
            raise error
        return answer

    host = box(slow=True, tamper=lose_second_time)
    result = run(host, monkeypatch, config=[{"name": "a", "on": True}], reboot=True)
    assert (result["unreachable"], result["failed"], result["changed"]) == (True, False, True)
    assert [problem["id"] for problem in result["problems"]] == [kind.id]
    assert str(error) in result["msg"]
    assert len(result["commands"]) == 2


def test_a_shell_that_is_gone_is_a_host_that_somebody_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    def restart(_answer: object) -> dict[str, object]:
        raise RuntimeError("The request failed because the shell was not found on the server.")

    result = run(box(tamper=restart), monkeypatch, config=[{"name": "a"}])
    assert (result["unreachable"], result["problems"][0]["id"]) == (True, connection_problems.RESTARTED.id)


@pytest.mark.parametrize("how", ["failed", "unreachable"])
def test_a_restart_that_could_not_be_ordered_is_none(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    host = box(slow=True, lost=True)
    monkeypatch.setattr(f"{__name__}.LOST", {how: True, "msg": "it is busy"})
    result = run(host, monkeypatch, config=[{"name": "a", "on": True}], reboot=True)
    assert [problem["id"] for problem in result["problems"]] == [RESTART_FAILED.id]
    assert host.calls["Get-Switch"] == 2


def test_another_error_of_ansible_is_no_lost_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_answer: object) -> dict[str, object]:
        raise AnsibleError("the module cannot be found")

    with pytest.raises(AnsibleError, match="cannot be found"):
        run(box(tamper=fail), monkeypatch, config=[{"name": "a"}])


def test_waiting_is_done_on_the_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    host = box(Switch("a"), warming=2)
    run(host, monkeypatch, state="gathered")
    assert host.slept == 10


def test_problems_are_data_and_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(box(Switch("a", colour="glue")), monkeypatch, config=[{"name": "a", "on": True}])
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["problems"] == [
        {
            "id": GLUED.id,
            "owner": "tenant",
            "thing": "a",
            "what": "is glued",
            "detail": "",
            "next_step": "leave it",
        }
    ]
    assert result["msg"] == "GF-TST-003 [tenant] a: is glued. Next: leave it"


def test_an_interrupted_change_says_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    host = box(Switch("b"), failing={"Remove-Switch": "Broken"})
    result = run(host, monkeypatch, config=[{"name": "a"}], state="overridden")
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["commands"] == ["Set-Switch -Name 'a' -On:$false"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"config": []},
        {"config": [{"on": True}]},
        {"config": [{"name": "a", "nothing": True}]},
        {"config": [{"name": "a"}], "state": "absent"},
        {"config": {"name": "a"}, "more": 1},
    ],
)
def test_what_the_table_does_not_know_is_refused_before_the_host_is_asked(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, object]
) -> None:
    host = box()
    with pytest.raises(AnsibleActionFail):
        run(host, monkeypatch, **arguments)  # type: ignore[arg-type]
    assert host.executions == []


def test_a_spec_stays_as_it_is_however_often_it_is_used() -> None:
    inner = {"colour": {"type": "str", "default": "red"}}
    spec: dict[str, Any] = {"paint": {"type": "dict", "default": {}, "apply_defaults": True, "options": inner}}
    before = deepcopy(spec)
    taken = Action.__new__(Action).fabric_take(spec, {})
    assert taken == {"paint": {"colour": "red"}}
    assert spec == before
