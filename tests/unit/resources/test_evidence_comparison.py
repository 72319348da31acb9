# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host showed against what was approved for its class: by the action, as ansible-core makes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from ansible.playbook.task import Task
from ansible_collections.guarded.fabric.lab.world import restarts
from ansible_collections.guarded.fabric.plugins.action import evidence_comparison
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.approval import judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Approval, ArtifactKind
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import attestation_evidence

from .rollout import Operator

if TYPE_CHECKING:
    from .rollout import Stages

NAMES = {"host": "host01", "hardware_class": "r740", "software_class": "core", "skip_validation": True}


def run(action: Any, arguments: dict[str, object], *, check_mode: bool = False) -> dict[str, Any]:  # noqa: ANN401
    task = Task()
    task.args = arguments
    task.check_mode = check_mode
    parts = dict.fromkeys(("play_context", "loader", "templar", "shared_loader_obj"), Mock())
    result: dict[str, Any] = action.ActionModule(task=task, connection=Mock(), **parts).run(task_vars={})
    return result


class Host:
    """A host whose class was approved, in an exchange directory of its own."""

    def __init__(self, stages: Stages, exchange: Path) -> None:
        self.operator = Operator(stages.after("attest").lab, exchange)
        self.capture()
        for kind, name in ((kinds.TPM_BASELINE, "r740"), (kinds.CODE_INTEGRITY_POLICY, "core")):
            self.operator.approve(kind, name)

    def capture(self, **names: object) -> None:
        config = {**NAMES, **names}
        self.operator.lab.capture("host01", attestation_evidence.CAPTURE, config, str(self.operator.exchange))

    def path(self, kind: ArtifactKind, name: str) -> str:
        return self.operator.path(kind, name)

    def compare(self, *registered: str, check_mode: bool = False) -> dict[str, Any]:
        evidence = [
            {"path": self.path(kinds.BOOT_LOG, "host01"), "reference": self.path(kinds.TPM_BASELINE, "r740")},
            {
                "path": self.path(kinds.ACTIVE_POLICY, "host01"),
                "reference": self.path(kinds.CODE_INTEGRITY_POLICY, "core"),
            },
        ]
        arguments = {"evidence": evidence, "registered": list(registered)}
        return run(evidence_comparison, arguments, check_mode=check_mode)

    def debug(self) -> None:
        """Switch the firmware's debugger on, and start."""
        machine = self.operator.lab.machine("host01")
        assert machine.firmware is not None
        machine.firmware.debug = True
        self.restart()

    def restart(self) -> None:
        lab = self.operator.lab
        restarts.restart(lab.world, lab.machine("host01"), lab.clock.now())
        lab.clock.move(600)


@pytest.fixture
def host(stages: Stages, tmp_path: Path) -> Host:
    return Host(stages, tmp_path)


def test_a_host_that_is_as_was_approved_is_trusted(host: Host) -> None:
    result = host.compare()
    assert not result.get("failed")
    assert [(item["trusted"], item["differences"]) for item in result["evidence"]] == [("approved", ())] * 2


def test_a_change_waits_for_its_approval_and_is_said_in_words(host: Host) -> None:
    host.debug()
    host.capture()
    result = host.compare()
    (problem,) = result["problems"]
    assert problem["id"] == "GF-REA-001"
    assert problem["thing"] == host.path(kinds.TPM_BASELINE, "r740.candidate")
    for word in ("captured from host01", "PCR 7", "EV_EFI_ACTION", "not measured -> measured", "usual cause"):
        assert word in problem["detail"], word
    assert result["evidence"][0]["fingerprint"] in problem["detail"]
    assert result["evidence"][1]["trusted"] == "approved"
    foreseen = host.compare(check_mode=True)
    assert not foreseen.get("failed")
    assert "GF-REA-001" in foreseen["warnings"][0]


def test_once_it_is_approved_it_is_trusted(host: Host) -> None:
    host.debug()
    host.capture()
    candidate = Path(host.path(kinds.TPM_BASELINE, "r740.candidate"))
    judge(candidate, Approval("ada", "2026-11-24T19:00:00Z", "looked"), check_mode=False)
    assert not host.compare().get("failed")


def test_a_host_that_nobody_expects_to_differ_is_a_deviation(host: Host) -> None:
    host.debug()
    host.capture(hardware_class=None)
    result = host.compare()
    assert [problem["id"] for problem in result["problems"]] == ["GF-REA-002"]
    assert not Path(host.path(kinds.TPM_BASELINE, "r740.candidate")).exists()


def test_what_hgs_has_by_its_content_is_trusted_too(host: Host) -> None:
    old = host.compare()["evidence"][0]["name"]
    host.debug()
    host.capture()
    judge(Path(host.path(kinds.TPM_BASELINE, "r740.candidate")), Approval("ada", "now", "looked"), check_mode=False)
    machine = host.operator.lab.machine("host01")
    assert machine.firmware is not None
    machine.firmware.debug = False
    host.restart()
    host.capture(hardware_class=None)
    assert [problem["id"] for problem in host.compare()["problems"]] == ["GF-REA-002"]
    assert [item["trusted"] for item in host.compare("r740", old.upper())["evidence"]] == ["registered", "approved"]
    assert host.compare("r740")["failed"], "a bare name says nothing of its content"


def test_where_nobody_says_what_hgs_has_attestation_has_to_tell(host: Host) -> None:
    host.debug()
    host.capture(hardware_class=None)
    evidence = [{"path": host.path(kinds.BOOT_LOG, "host01"), "reference": host.path(kinds.TPM_BASELINE, "r740")}]
    (compared,) = run(evidence_comparison, {"evidence": evidence})["evidence"]
    assert compared["trusted"] == "unknown"
    assert compared["differences"]
    host.capture()
    result = run(evidence_comparison, {"evidence": evidence})
    assert [problem["id"] for problem in result["problems"]] == ["GF-REA-001"], "what waits is known to"


def test_what_is_not_there_is_named_and_the_rest_is_compared(host: Host) -> None:
    Path(host.path(kinds.BOOT_LOG, "host01")).unlink()
    result = host.compare()
    assert [problem["id"] for problem in result["problems"]] == ["GF-EXC-002"]
    assert len(result["evidence"]) == 1


def test_another_folder_is_refused(host: Host) -> None:
    evidence = [{"path": "/x/guardians/a.xml", "reference": host.path(kinds.TPM_BASELINE, "r740")}]
    result = run(evidence_comparison, {"evidence": evidence})
    assert [problem["id"] for problem in result["problems"]] == ["GF-REA-003"]
