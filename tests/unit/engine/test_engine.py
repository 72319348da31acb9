# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import engine
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Secret
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError, Problem
from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Reading

from .switches import GLUED, NO_POWER, STUCK, SWITCHES, Switch, box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item


def kinds(error: pytest.ExceptionInfo[FabricError]) -> list[str]:
    return [problem.kind.id for problem in error.value.problems]


@pytest.mark.parametrize("number", [1, 100])
def test_one_execution_when_nothing_changes(number: int) -> None:
    host = box(*(Switch(f"s{item}", on=True) for item in range(number)))
    report = host.run([{"name": f"s{item}", "on": True} for item in range(number)])
    assert (report.changed, len(host.executions), report.commands) == (False, 1, ())


@pytest.mark.parametrize("number", [1, 100])
def test_two_executions_when_something_changes(number: int) -> None:
    host = box()
    report = host.run([{"name": f"s{item}", "on": True} for item in range(number)])
    assert (report.changed, len(host.executions), len(report.commands)) == (True, 2, number)
    assert all(item["on"] for item in report.after)


def test_check_mode_executes_once_and_changes_nothing() -> None:
    host = box(Switch("a"))
    report = host.run([{"name": "A", "on": True}, {"name": "b"}], check_mode=True)
    assert report.changed
    assert (len(host.executions), host.calls["Set-Switch"]) == (1, 0)
    assert report.before == [{"name": "a", "on": False, "colour": "white", "wear": 0}]
    assert report.after == [{"name": "A", "on": True, "colour": "white"}, {"name": "b", "on": False}]
    assert report.commands[0] == "Set-Switch -Name 'A' -On:$true -Colour 'white'"


def test_gathering_reads_once() -> None:
    host = box(Switch("a", on=True))
    report = host.run([], state="gathered")
    assert report.before == [{"name": "a", "on": True, "colour": "white", "wear": 0}]
    assert (report.changed, len(host.executions)) == (False, 1)


def test_rendering_asks_nobody() -> None:
    host = box()
    report = host.run([{"name": "a", "on": True, "colour": "it's"}], state="rendered")
    assert report.commands == ("Set-Switch -Name 'a' -On:$true -Colour 'it''s'",)
    assert (report.changed, len(host.executions)) == (False, 0)


def test_what_is_refused_stops_all_of_it() -> None:
    host = box(Switch("a"), Switch("b", colour="glue"))
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}, {"name": "b", "on": True}])
    assert kinds(error) == [GLUED.id]
    assert host.calls["Set-Switch"] == 0


def test_every_problem_is_named_at_once() -> None:
    host = box(Switch("a", colour="glue"), Switch("b", colour="glue"))
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}, {"name": "b", "on": True}])
    assert kinds(error) == [GLUED.id, GLUED.id]


def test_what_must_come_first_stops_a_run_and_is_a_warning_in_check_mode() -> None:
    host = box(Switch("a"), power=False)
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}])
    assert kinds(error) == [NO_POWER.id]
    report = host.run([{"name": "a", "on": True}], check_mode=True)
    assert report.changed
    assert NO_POWER.id in report.warnings[0]


def test_what_cannot_be_read_yet_stops_a_run_and_is_a_warning_in_check_mode() -> None:
    host = box(missing=True)
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}])
    assert kinds(error) == [NO_POWER.id]
    assert error.value.problems[0].thing == "box-1"
    report = host.run([{"name": "a", "on": True}], check_mode=True)
    assert report.after == [{"name": "a", "on": True}]
    assert NO_POWER.id in report.warnings[0]


def test_restarts_once_for_many_items_that_need_one() -> None:
    host = box(slow=True)
    # What is set shows only after the restart, so it is set again then; each reading rides with what comes before it.
    report = host.run([{"name": "a", "on": True}, {"name": "b", "on": True}])
    assert report.changed
    assert len(host.reboots) == 1
    assert [item["on"] for item in report.after] == [True, True]
    assert "Restart-Computer -Force  # a switch waits for it" in report.commands


def test_a_restart_that_is_not_allowed_is_left_to_the_user() -> None:
    host = box(slow=True)
    report = host.run([{"name": "a", "on": True}], reboot=False)
    assert (report.changed, report.reboot_required, host.reboots) == (True, True, [])
    again = host.run([{"name": "a", "on": True}], reboot=False)
    assert (again.changed, again.reboot_required) == (True, True)
    assert host.calls["Set-Switch"] == 1


def test_a_restart_that_does_not_help_is_tried_once() -> None:
    host = box(Switch("a", waits=True), deaf=True)
    with pytest.raises(engine.InterruptedChangeError) as error:
        host.run([{"name": "a", "on": True}])
    assert [problem.kind for problem in error.value.problems] == [engine.NOT_REACHED]
    assert len(host.reboots) == 1


def test_what_does_not_take_is_tried_once_and_says_what_differs() -> None:
    host = box(Switch("a"), deaf=True)
    with pytest.raises(engine.InterruptedChangeError) as error:
        host.run([{"name": "a", "on": True}])
    assert host.calls["Set-Switch"] == 1
    problem = error.value.problems[0]
    assert problem.kind is engine.NOT_REACHED
    assert '"on": false' in problem.detail
    assert '"on": true' in problem.detail
    assert error.value.commands == ("Set-Switch -Name 'a' -On:$true -Colour 'white'",)


def test_what_nobody_knows_how_to_change_is_no_success() -> None:
    resource = replace(SWITCHES, change=lambda _before, _after: ())
    host = box(Switch("a"))
    assert host.run([{"name": "a", "on": True}], resource, check_mode=True).changed
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}], resource)
    assert kinds(error) == [engine.NOT_REACHED.id]


def test_what_must_come_first_stops_a_run_that_would_do_nothing_else() -> None:
    resource = replace(SWITCHES, change=lambda _before, _after: ())
    with pytest.raises(FabricError) as error:
        box(Switch("a"), power=False).run([{"name": "a", "on": True}], resource)
    assert kinds(error) == [NO_POWER.id]


def test_a_resource_that_knows_why_it_did_not_take_says_so() -> None:
    resource = replace(SWITCHES, explain=lambda _before, after: (Problem(STUCK, str(after and after["name"])),))
    with pytest.raises(FabricError) as error:
        box(Switch("a"), deaf=True).run([{"name": "a", "on": True}], resource)
    assert kinds(error) == [STUCK.id]


def test_a_first_call_that_fails_changed_nothing() -> None:
    host = box(failing={"Set-Switch": "Broken"})
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}])
    assert not isinstance(error.value, engine.InterruptedChangeError)
    assert kinds(error) == [engine.CALL_FAILED.id]
    assert "Set-Switch did not like it [Broken]" in str(error.value)


def test_an_interruption_names_what_was_done() -> None:
    host = box(Switch("a"), Switch("b"), failing={"Remove-Switch": "Broken"})
    with pytest.raises(engine.InterruptedChangeError) as error:
        host.run([{"name": "a", "on": True}], state="overridden")
    assert error.value.commands == ("Set-Switch -Name 'a' -On:$true -Colour 'white'",)
    assert host.switches["a"].on


def test_a_reading_that_fails_before_the_change_stops_it() -> None:
    host = box(failing={"Get-Box": "Broken"})
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}])
    assert not isinstance(error.value, engine.InterruptedChangeError)
    assert kinds(error) == [engine.UNREADABLE.id]
    assert host.calls["Set-Switch"] == 0


def test_a_reading_that_fails_after_the_change_does_not_hide_it() -> None:
    host = box()

    def fail_second_time(answer: dict[str, object]) -> dict[str, object]:
        host.failing = {"Get-Box": "Broken"}
        return answer

    host.tamper = fail_second_time
    with pytest.raises(engine.InterruptedChangeError) as error:
        host.run([{"name": "a", "on": True}])
    assert kinds(error) == [engine.UNREADABLE.id]
    assert error.value.commands == ("Set-Switch -Name 'a' -On:$true",)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"msg": "the host is on fire"},
        {"results": "none"},
        {"results": [], "failed": True, "msg": "check mode: refused"},
        {"results": [{"output": []}]},
        {"results": [{"id": "observe-switches", "output": "text"}]},
        {"results": [{"id": "observe-switches", "error": "text"}]},
        {"results": [{"id": "observe-switches", "output": [{"$bytes": "!"}]}]},
    ],
)
def test_an_answer_that_is_none_is_refused(answer: dict[str, object]) -> None:
    host = box(Switch("a"), tamper=lambda _answer: answer)
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}])
    assert kinds(error) == [engine.BAD_ANSWER.id]
    assert str(answer.get("msg", "")) in str(error.value)


def test_an_answer_that_is_silent_about_a_call_is_refused() -> None:
    host = box(tamper=lambda answer: {**answer, "results": answer["results"][:1]})
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a", "on": True}])
    assert kinds(error) == [engine.UNREADABLE.id]
    assert host.calls["Set-Switch"] == 0


def test_a_value_that_makes_no_sense_is_the_hosts_fault() -> None:
    host = box(Switch("a"))
    host.switches["a"].wear = "much"  # type: ignore[assignment]
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a"}])
    assert kinds(error) == [engine.BAD_ANSWER.id]


def test_waits_for_what_settles() -> None:
    host = box(Switch("a", on=True), warming=3)
    report = host.run([{"name": "a", "on": True}])
    assert not report.changed
    assert host.slept == 3 * engine.POLL_SECONDS


def test_waits_no_longer_than_allowed() -> None:
    host = box(warming=1000)
    with pytest.raises(FabricError) as error:
        host.run([{"name": "a"}], settle_seconds=20.0)
    assert kinds(error) == [engine.UNSETTLED.id]
    assert host.slept == 20.0


def test_check_mode_does_not_wait() -> None:
    host = box(warming=1000)
    host.run([{"name": "a"}], check_mode=True)
    assert host.slept == 0


def test_warnings_are_passed_on() -> None:
    assert box().run([{"name": "a"}]).warnings == ("careful",)


def test_large_changes_are_cut_into_executions_that_windows_can_read() -> None:
    host = box()
    colour = "x" * (engine.BATCH_BYTES // 3)
    report = host.run([{"name": f"s{number}", "colour": colour} for number in range(7)])
    assert len(report.after) == 7
    assert [sum(call.changes for call in need.calls) for need in host.executions] == [0, 2, 2, 2, 1]
    assert [need.calls[-1].cmdlet for need in host.executions[1:]] == ["Set-Switch"] * 3 + ["Get-Box"]


def test_secrets_show_nowhere_but_on_the_wire() -> None:
    host = box()
    report = host.run([{"name": "a", "key": Secret("hunter2")}])
    assert "hunter2" not in repr(report) + repr(host.executions)
    assert "hunter2" not in repr([need.arguments for need in host.executions])
    assert "hunter2" in json.dumps([need.arguments for need in host.executions])
    assert report.commands == ("Set-Switch -Name 'a' -On:$false -Key (Read-Host -AsSecureString)",)


def test_config_is_prepared_before_anything_is_asked() -> None:
    def refuse(_config: Sequence[Item]) -> Sequence[Item]:
        raise FabricError(Problem(STUCK, "config"))

    host = box()
    with pytest.raises(FabricError):
        host.run([{"name": "a"}], replace(SWITCHES, prepare=refuse))
    assert host.executions == []


def test_a_plan_that_never_ends_ends() -> None:
    host = box()
    turn = iter(range(1000))
    resource = replace(
        SWITCHES, read=lambda _results, _config: Reading({"a": {**_item(), "colour": f"c{next(turn)}", "on": False}})
    )
    with pytest.raises(engine.InterruptedChangeError):
        host.run([{"name": "a", "on": True}], resource)
    assert len(host.executions) == engine.MAXIMUM_STAGES + 1


def _item() -> dict[str, object]:
    return {"name": "a", "waits": False, "wear": 0, "powered": True}
