# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that fails because somebody else came first, and one that fails for reasons of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import engine
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError

from .switches import Box, Switch, box

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = dict[str, object]
WANTED = [{"name": "a", "on": True}]


def kinds(error: pytest.ExceptionInfo[FabricError]) -> list[str]:
    return [problem.kind.id for problem in error.value.problems]


def contested(host: Box, somebody: Callable[[int], None]) -> Box:
    """Let every change fail, and `somebody` act after each with its number."""
    host.failing = {"Set-Switch": "Busy"}
    failures = 0

    def act(answer: Answer) -> Answer:
        nonlocal failures
        if answer.get("failed"):
            failures += 1
            somebody(failures)
        return answer

    host.tamper = act
    return host


def test_what_somebody_else_did_a_moment_before_is_done() -> None:
    host = box(Switch("a"))
    report = contested(host, lambda _failure: setattr(host.switches["a"], "on", True)).run(WANTED)
    assert (report.changed, report.commands) == (False, ())
    assert [item["on"] for item in report.after] == [True]
    assert host.calls["Set-Switch"] == 1
    assert any("Set-Switch did not like it" in warning for warning in report.warnings)


def test_what_is_left_after_somebody_elses_change_is_still_done() -> None:
    host = box(Switch("a"), Switch("b"))

    def half(_failure: int) -> None:
        host.switches["a"].on = True
        host.failing = {}

    report = contested(host, half).run([*WANTED, {"name": "b", "on": True}])
    assert (report.changed, [item["on"] for item in report.after]) == (True, [True, True])
    assert [command.split()[2] for command in report.commands] == ["'b'"]


def test_what_nobody_else_changed_failed_for_a_reason() -> None:
    host = box(Switch("a"), failing={"Set-Switch": "Broken"})
    with pytest.raises(FabricError) as error:
        host.run(WANTED)
    assert kinds(error) == [engine.CALL_FAILED.id]
    assert host.calls["Set-Switch"] == 1
    assert len(host.executions) == 3


def test_what_the_fabric_computes_is_nobodys_change() -> None:
    host = box(Switch("a"))

    def wear(_failure: int) -> None:
        host.switches["a"].wear += 1

    with pytest.raises(FabricError) as error:
        contested(host, wear).run(WANTED)
    assert kinds(error) == [engine.CALL_FAILED.id]
    assert host.calls["Set-Switch"] == 1


def test_who_is_always_too_late_gives_up_and_says_so() -> None:
    host = box(Switch("a"))

    def paint(failure: int) -> None:
        host.switches["a"].colour = f"colour {failure}"

    with pytest.raises(FabricError) as error:
        contested(host, paint).run(WANTED)
    assert kinds(error) == [engine.CONTESTED.id]
    assert "Set-Switch did not like it" in str(error.value)
    assert host.calls["Set-Switch"] == engine.MAXIMUM_CONTESTS + 1


def test_a_failure_is_not_hidden_by_a_second_look_that_fails() -> None:
    host = box(Switch("a"))

    def break_box(_failure: int) -> None:
        host.failing = {"Get-Box": "Broken"}

    with pytest.raises(FabricError) as error:
        contested(host, break_box).run(WANTED)
    assert kinds(error) == [engine.CALL_FAILED.id]
