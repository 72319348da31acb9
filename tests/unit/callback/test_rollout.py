# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.callback.rollout import (
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
