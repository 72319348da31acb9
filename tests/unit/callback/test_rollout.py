# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.callback.rollout import (
    CallbackModule,
    Phase,
    Step,
    failure_lines,
    phase_table,
    step_line,
    unreachable_lines,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils import connection_problems

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind


def test_a_step_says_where_it_changed_something_and_where_not() -> None:
    step = Step("Register hosts", 0.0, ok=["b"], changed=["a"], failed=["c"])
    assert step_line(step, 1.25) == "  Register hosts: changed on a, nothing to do on b, FAILED on c (1.2 s)"


def test_many_hosts_are_counted() -> None:
    assert "ok on 4 machines" in step_line(Step("x", 0.0, ok=["a", "b", "c", "d"]), 0)


def test_a_machine_is_named_once() -> None:
    assert "ok on localhost (" in step_line(Step("x", 0.0, ok=["localhost"] * 4), 0)


def test_machines_count_that_a_loop_is_delegated_to() -> None:
    shows = CallbackModule()
    lines: list[str] = []
    vars(shows)["_display"] = SimpleNamespace(display=lambda line, **_color: lines.append(line))
    shows.v2_playbook_on_play_start(SimpleNamespace(get_name=lambda: "Look"))
    shows.v2_playbook_on_task_start(SimpleNamespace(get_name=lambda: "Look at the host"), is_conditional=False)
    shows.v2_runner_item_on_ok(result("host01", {}, delegate_to="host02"))
    shows.v2_runner_item_on_failed(result("host01", {"unreachable": True, "msg": "Read timed out."}, "host03"))
    shows.v2_runner_item_on_failed(result("host01", {"msg": "boom"}, "host04"))
    shows.v2_runner_on_failed(result("host01", {"results": [], "msg": "One or more items failed"}), ignore_errors=True)
    shows.v2_runner_on_unreachable(result("host01", {"results": []}))
    shows.v2_playbook_on_play_start(SimpleNamespace(get_name=lambda: "Next"))
    assert "  Look at the host: ok on host02, FAILED on host03, host04 (0.0 s)" in lines
    assert "    host04: boom" in lines
    assert not any("host01" in line for line in lines)
    (phase, _) = shows._phases
    assert (phase.results, phase.failed) == (3, 0)


def result(host: str, given: dict[str, object], delegate_to: str | None = None) -> SimpleNamespace:
    fields = {"delegate_to": delegate_to, "ignore_errors": True, "ignore_unreachable": True}
    task = SimpleNamespace(action="guarded.fabric.drift")
    return SimpleNamespace(_host=SimpleNamespace(get_name=lambda: host), _result=given, _task=task, _task_fields=fields)


def test_the_table_adds_up_and_leaves_out_phases_without_hosts() -> None:
    phases = [
        Phase("Guardian: nodes", 0.0, seconds=2.5, tasks=2, results=4, changed=3),
        Phase("nobody", 0.0, seconds=0.1),
        Phase("Fabric: hosts", 0.0, seconds=1.0, tasks=1, results=6, changed=0),
    ]
    table = phase_table(phases)
    assert [line.split()[-3:] for line in table] == [
        ["seconds", "tasks", "changed"],
        ["2.5", "2", "3"],
        ["1.0", "1", "0"],
        ["3.6", "3", "3"],
    ]


def test_problems_are_shown_with_owner_and_next_step() -> None:
    problem = {
        "id": "GF-X-001",
        "owner": "fabric",
        "thing": "host-1",
        "what": "is off",
        "detail": "since May",
        "next_step": "turn it on",
    }
    assert failure_lines("host-1", {"problems": [problem]}) == [
        "    GF-X-001 [fabric] host-1: is off (since May)",
        "      next: turn it on",
    ]


def test_a_failure_without_problems_shows_its_message() -> None:
    assert failure_lines("host-1", {"msg": "boom"}) == ["    host-1: boom"]


@pytest.mark.parametrize(
    "result",
    [
        {"msg": "ntlm: the specified credentials were rejected by the server"},
        {"problems": [{"detail": "ntlm: the specified\ncredentials were rejected by the server"}], "msg": "more"},
    ],
)
def test_why_a_machine_cannot_be_reached_is_explained(result: dict[str, object]) -> None:
    kind = connection_problems.WRONG_CREDENTIALS
    said = "ntlm: the specified credentials were rejected by the server"
    assert unreachable_lines("host-1", result) == [
        f"    {kind.id} [controller] host-1: {kind.title} ({said})",
        f"      next: {kind.next_step}",
    ]


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Access is denied. (extended fault data: ...)", connection_problems.WRONG_CREDENTIALS),
        ("kerberos: authGSSClientStep() failed: Clock skew too great", connection_problems.CLOCKS_APART),
        ("certificate verify failed: certificate is not yet valid (_ssl.c:1006)", connection_problems.CLOCKS_APART),
        ("certificate verify failed: self-signed certificate", connection_problems.UNTRUSTED),
        ("ntlm: HTTPSConnectionPool(host='h', port=5986): Read timed out.", connection_problems.NO_ANSWER),
        ("something else", connection_problems.UNREACHABLE),
    ],
)
def test_messages_of_connections_are_told_apart(message: str, kind: Kind) -> None:
    assert connection_problems.kind_of(message) is kind
