# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.inspection import Question, inspecting
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import code_integrity_events as module
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import code_integrity_policy
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import NOW, Lab

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .rollout import Stages

HOST = "host01"
NEW = r"C:\Program Files\New\new.exe"


def look(lab: Lab, **options: object) -> Mapping[str, Any]:
    found: Mapping[str, Any] = lab.inspect(HOST, module.INSPECTION, options)
    assert len(lab.log.executions) == 1
    return found


def files(found: Mapping[str, Any]) -> list[tuple[bool, str]]:
    return [(item["blocked"], item["file"].rpartition("\\")[2]) for item in found["events"]]


def test_a_policy_made_from_the_host_would_block_nothing_of_it(stages: Stages) -> None:
    found = look(stages.after("prepare_hosts").lab)
    assert (found["events"], found["truncated"]) == ([], False)


def test_what_came_later_would_be_blocked_and_is_named(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    lab.machine(HOST).installed_software[NEW] = b"new"
    lab.restart(HOST)
    lab.restart(HOST)
    (event,) = look(lab)["events"]
    assert event["file"].endswith(NEW[2:])
    assert event["process"].endswith("services.exe")
    assert (event["blocked"], event["count"]) == (False, 1)
    assert event["sha256"] == hashlib.sha256(b"new").hexdigest()
    assert look(lab, before_start=True)["events"][0]["count"] == 2


def test_an_example_that_trusts_microsoft_blocks_the_vendors_agent_once_it_is_enforced(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    config = {"example": {"name": "AllowMicrosoft", "rule_options": [11]}, "mode": "audit"}
    lab.run(HOST, code_integrity_policy.RESOURCE, [config])
    assert [(item["blocked"], item["file"].rpartition("\\")[2]) for item in look(lab)["events"]] == [
        (False, "agent.exe")
    ]
    lab.run(HOST, code_integrity_policy.RESOURCE, [{**config, "mode": "enforced"}])
    assert [(item["blocked"], item["file"].rpartition("\\")[2]) for item in look(lab)["events"]] == [
        (True, "agent.exe")
    ]


def test_no_more_is_read_than_was_asked_for_and_that_is_said(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    for number in range(3):
        lab.machine(HOST).installed_software[rf"C:\Program Files\New\{number}.exe"] = bytes([number])
    lab.restart(HOST)
    found = look(lab, limit=2)
    assert (len(found["events"]), found["truncated"]) == (2, True)


@pytest.mark.parametrize(("given", "asked"), [(None, 500), (10**9, 5000), (-1, 1)])
def test_the_number_of_events_is_bounded(given: object, asked: int) -> None:
    calls = [call for call in module.INSPECTION.observe({"limit": given}) if call.cmdlet == "Get-WinEvent"]
    assert [call.parameters["MaxEvents"] for call in calls] == [asked, asked]


def test_a_log_that_is_refused_is_no_empty_log() -> None:
    work = inspecting(module.INSPECTION, Question({}, HOST, NOW))
    next(work)
    error = {"id": "Unauthorized,X", "category": "PermissionDenied", "message": "Access is denied.", "type": "X"}
    entries = [{"id": "system", "output": []}, {"id": "programs", "error": error, "accepted": False}]
    with pytest.raises(FabricError, match=r"GF-INS-001.*Access is denied"):
        work.send({"changed": False, "results": entries, "failed": True, "msg": "Get-WinEvent: Access is denied."})


def test_an_event_that_holds_nothing_known_is_still_counted() -> None:
    results = Results({"programs": Outcome(output=({"Id": 3077, "TimeCreated": "2026-11-24T19:00:00.0000000Z"},))})
    told: Mapping[str, Any] = module.INSPECTION.tell(results, Question({}, HOST, NOW))
    (event,) = told["events"]
    assert event == {
        "blocked": True,
        "file": "",
        "process": "",
        "sha256": "",
        "count": 1,
        "last": "2026-11-24T19:00:00.0000000Z",
    }
