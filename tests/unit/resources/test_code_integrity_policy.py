# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import power, restarts
from ansible_collections.guarded.fabric.lab.world.code_integrity_state import scripts_are_constrained
from ansible_collections.guarded.fabric.plugins.module_utils import si_policy_binary, si_policy_xml
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy import has_option, with_option, without_option
from ansible_collections.guarded.fabric.plugins.module_utils.si_policy_comparison import differences
from ansible_collections.guarded.fabric.plugins.plugin_utils import artifact_kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import (
    Call,
    CallError,
    File,
    Outcome,
    Restart,
    Results,
)
from ansible_collections.guarded.fabric.plugins.plugin_utils.exchange import Artifact
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import attestation_evidence
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import code_integrity_policy as resource
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab, beats
from ansible_collections.guarded.fabric.tests.unit.module_utils.signed_content import signed

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Operator, Stages

RESOURCE = resource.RESOURCE
SCAN: Item = {"scan": {"level": "Publisher", "fallback": ["Hash"], "removed_rule_options": [16]}}
ENFORCED: Item = {**SCAN, "mode": "enforced"}
FREE: Item = {"scan": {"removed_rule_options": [16], "rule_options": [11]}, "mode": "enforced"}
"""Enforced, and scripts are left alone."""


def scans(lab: Lab) -> int:
    return lab.reader.statistics.calls["New-CIPolicy"]


def artifact(operator: Operator) -> Item:
    path = operator.path(artifact_kinds.CODE_INTEGRITY_POLICY, "core")
    return operator.load(RESOURCE, [{"policy": path}])[0]


def restart_by_hand(lab: Lab, machine: str) -> None:
    restarts.restart(lab.world, lab.machine(machine), lab.clock.now())
    lab.pass_time(power.RESTART + timedelta(minutes=1))


def test_a_host_is_scanned_once(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    before = lab.machine("host01").files[resource.ACTIVE.lower()]
    # Other software would give another policy; the one there is stays the policy.
    lab.machine("host01").installed_software[r"C:\Program Files\New\new.exe"] = b"new"
    assert not lab.run("host01", RESOURCE, [SCAN]).changed
    assert lab.machine("host01").files[resource.ACTIVE.lower()] == before


def test_a_scan_that_was_interrupted_goes_on_with_the_same_policy(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    machine = lab.machine("host01")
    scanned = machine.files[resource.XML.lower()]
    for path in (resource.ACTIVE, resource.BINARY):
        del machine.files[path.lower()]
    number = scans(lab)
    same = {"level": "Publisher", "removed_rule_options": [16], "hypervisor_enforced": True}
    beats(lab, "host01", RESOURCE, [{"scan": same}])
    assert scans(lab) == number
    assert machine.files[resource.XML.lower()] == scanned
    si_policy_binary.read(machine.files[resource.ACTIVE.lower()])


def test_a_policy_is_in_force_only_after_a_restart(stages: Stages) -> None:
    operator = stages.after("prepare_hosts")
    lab = operator.lab
    lab.machine("host02").files[resource.ACTIVE.lower()] = b"another policy"
    config = [artifact(operator)]
    report = lab.run("host02", RESOURCE, config, reboot=False)
    assert (report.changed, report.reboot_required) == (True, True)
    (found,) = lab.run("host02", RESOURCE, [], state="gathered").before
    assert found["restart_pending"] is True
    waiting = lab.run("host02", RESOURCE, config, check_mode=True)
    assert waiting.commands == ("Restart-Computer -Force  # the code integrity policy takes effect with it",)
    restart_by_hand(lab, "host02")
    assert not lab.run("host02", RESOURCE, config).changed


def test_a_policy_that_was_replaced_is_put_back(stages: Stages) -> None:
    operator = stages.after("prepare_hosts")
    operator.lab.machine("host02").files[resource.ACTIVE.lower()] = b"another policy"
    report = beats(operator.lab, "host02", RESOURCE, [artifact(operator)])
    assert [command.split()[0] for command in report.commands] == ["Copy-Item", "Restart-Computer"]


def test_what_is_enforced_is_reported(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    assert lab.run("host01", RESOURCE, [], state="gathered").before[0]["kernel_enforcement"] in ("audit", "enforced")
    assert lab.run("dns01", RESOURCE, [], state="gathered").before[0]["kernel_enforcement"] == "off"


@pytest.mark.parametrize("config", [{}, {**SCAN, "policy": Artifact("core.p7b", b"x", None)}])
def test_one_source_is_needed(stages: Stages, config: Item) -> None:
    lab = stages.after("prepare_hosts").lab
    if not config:
        assert not lab.run("host01", RESOURCE, [config]).changed
        return
    with pytest.raises(FabricError) as error:
        lab.run("host01", RESOURCE, [config])
    assert [problem.kind for problem in error.value.problems] == [resource.NO_SOURCE]


def reading(active: str | None, binary: str | None, written: str, started: str, config: Item) -> Item:
    gone = Outcome(error=CallError("PathNotFound,X", "ObjectNotFound", "", accepted=True))
    results = Results(
        {
            "system": Outcome(output=({"LastBootUpTime": started},)),
            "guard": Outcome(output=({"CodeIntegrityPolicyEnforcementStatus": 2},)),
            "active": Outcome(output=({"LastWriteTime": written},)) if active else gone,
            "active-hash": Outcome(output=({"Hash": active},)) if active else gone,
            "binary-hash": Outcome(output=({"Hash": binary},)) if binary else gone,
            "scan": Outcome(output=({"FullName": resource.XML},)) if binary else gone,
        }
    )
    return RESOURCE.read(results, [config]).state[""]


EARLY, LATE = "2026-11-24T10:00:00.0000000Z", "2026-11-24T11:00:00.0000000Z"


@pytest.mark.parametrize(
    ("active", "binary", "written", "started", "is_active"),
    [
        ("AB", "ab", EARLY, LATE, True),
        ("AB", "ab", LATE, EARLY, False),
        ("AB", "ab", LATE, LATE, False),
        ("CD", "ab", EARLY, LATE, False),
        ("AB", None, EARLY, LATE, False),
        (None, "ab", EARLY, LATE, False),
        (None, None, EARLY, LATE, False),
    ],
)
def test_active_is_what_was_applied_before_the_last_start(
    active: str | None, binary: str | None, written: str, started: str, *, is_active: bool
) -> None:
    item = reading(active, binary, written, started, SCAN)
    assert item["active"] is is_active
    if not is_active:
        steps = RESOURCE.change(item, {**SCAN, "active": True})
        assert isinstance(steps[-1], Restart)
        copies = [step for step in steps if isinstance(step, Call) and step.cmdlet == "Copy-Item"]
        applied = (active or "").lower() == binary
        assert bool(copies) is not applied


def test_an_artifact_that_is_yet_to_come_is_not_active() -> None:
    config = {"policy": Artifact("core.p7b", None, None)}
    assert reading("AB", None, EARLY, LATE, config)["active"] is False


def test_a_copy_is_always_made_of_a_fresh_file() -> None:
    """Copy-Item hands on the time of its source, by which it is told whether a restart is due."""
    item = reading("CD", "ab", EARLY, LATE, SCAN)
    cmdlets = [step.cmdlet for step in RESOURCE.change(item, {**SCAN, "active": True}) if isinstance(step, Call)]
    assert cmdlets == ["Set-RuleOption", "ConvertFrom-CIPolicy", "Copy-Item"]


@pytest.mark.parametrize(("enforced", "switch"), [(True, "Enabled"), (False, "None")])
def test_the_hypervisor_enforces_it_or_not(enforced: bool, switch: str) -> None:  # noqa: FBT001 - the option's value
    options = {"hypervisor_enforced": enforced}
    steps = RESOURCE.change(None, {"scan": options, "active": True})
    (call,) = [step for step in steps if isinstance(step, Call) and step.cmdlet == "Set-HVCIOptions"]
    assert call.parameters == {"FilePath": resource.XML, switch: True}


def problems(lab: Lab, machine: str, item: Item) -> list[str]:
    calls = lab.reader.statistics.changes.total()
    with pytest.raises(FabricError) as error:
        lab.run(machine, RESOURCE, [item])
    assert lab.reader.statistics.changes.total() == calls
    return [problem.kind.id for problem in error.value.problems]


def test_a_policy_goes_from_audit_to_enforcement_without_another_scan(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    number, scanned = scans(lab), lab.machine("host01").files[resource.XML.lower()]
    assert not lab.run("host01", RESOURCE, [{**SCAN, "mode": "audit"}]).changed
    report = beats(lab, "host01", RESOURCE, [FREE])
    assert report.after[0]["kernel_enforcement"] == "enforced"
    assert scans(lab) == number
    before, after = (
        si_policy_xml.read(content) for content in (scanned, lab.machine("host01").files[resource.XML.lower()])
    )
    assert {str(item) for item in differences(before, after)} == {
        "option removed: Enabled:Audit Mode",
        "option added: Disabled:Script Enforcement",
    }
    # And back, as one does who finds something blocked.
    assert beats(lab, "host01", RESOURCE, [{**SCAN, "mode": "audit"}]).after[0]["kernel_enforcement"] == "audit"


def test_what_the_hypervisor_does_can_change_later(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    report = beats(lab, "host01", RESOURCE, [{"scan": {"hypervisor_enforced": False}}])
    assert any(command.startswith("Set-HVCIOptions") for command in report.commands)


def test_a_policy_that_would_lock_ansible_out_is_refused_before_anything_happens(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    assert problems(lab, "host01", ENFORCED) == ["GF-CIP-002"]
    # On a host without any policy yet, too: what a scan makes is known before.
    assert problems(stages.after("nothing").lab, "host01", ENFORCED) == ["GF-CIP-002"]
    with pytest.raises(FabricError, match="GF-CIP-002"):
        lab.run("host01", RESOURCE, [ENFORCED], check_mode=True)


def test_who_has_signed_everything_may_constrain_scripts(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    beats(lab, "host01", RESOURCE, [{**ENFORCED, "accept_constrained_language": True}])
    assert scripts_are_constrained(lab.machine("host01"))


def test_a_policy_for_drivers_only_leaves_scripts_alone(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    beats(lab, "host01", RESOURCE, [{"scan": {"user_mode": False}, "mode": "enforced"}])
    assert not scripts_are_constrained(lab.machine("host01"))
    (found,) = lab.run("host01", RESOURCE, [], state="gathered").before
    assert (found["kernel_enforcement"], found["user_enforcement"]) == ("enforced", "off")


def enforced_artifact(operator: Operator, *options: int) -> Artifact:
    content = operator.load(RESOURCE, [{"policy": operator.path(artifact_kinds.CODE_INTEGRITY_POLICY, "core")}])[0][
        "policy"
    ]
    assert isinstance(content, Artifact)
    policy = without_option(si_policy_binary.read(content.content or b""), 3)
    for option in options:
        policy = with_option(policy, option)
    return Artifact("core.p7b", si_policy_binary.write(policy), None)


def test_an_artifact_is_looked_into_before_it_is_applied(stages: Stages) -> None:
    operator = stages.after("prepare_hosts")
    lab = operator.lab
    constraining, free = enforced_artifact(operator), enforced_artifact(operator, 11)
    assert problems(lab, "host02", {"policy": constraining}) == ["GF-CIP-002"]
    assert problems(lab, "host02", {"policy": free, "mode": "audit"}) == ["GF-CIP-004"]
    assert problems(lab, "host02", {"policy": Artifact("core.p7b", b"no policy", None)}) == ["GF-CIP-005"]
    beats(lab, "host02", RESOURCE, [{"policy": free, "mode": "enforced"}])
    assert not scripts_are_constrained(lab.machine("host02"))


def test_an_example_of_windows_is_a_source_too(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    item = {"example": {"name": "AllowMicrosoft", "removed_rule_options": [16], "hypervisor_enforced": True}}
    report = beats(lab, "host01", RESOURCE, [{**item, "mode": "audit"}])
    assert report.after[0]["kernel_enforcement"] == "audit"
    assert report.commands[0].startswith("Copy-Item -LiteralPath @('C:\\Windows\\schemas")
    policy = si_policy_binary.read(lab.machine("host01").files[resource.ACTIVE.lower()])
    assert (has_option(policy, 16), policy.hvci_options) == (False, 1)
    assert problems(lab, "host01", {**item, "mode": "enforced"}) == ["GF-CIP-002"]
    assert problems(stages.after("nothing").lab, "host01", {"example": {"name": "DefaultWindows_Enforced"}}) == [
        "GF-CIP-002"
    ]


def test_an_option_cannot_be_set_and_removed(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    assert problems(lab, "host01", {"scan": {"rule_options": [3, 16]}, "mode": "enforced"}) == ["GF-CIP-003"]


def test_nothing_is_concluded_from_a_policy_that_cannot_be_read(stages: Stages) -> None:
    lab = stages.after("prepare_hosts").lab
    lab.machine("host01").files[resource.BINARY.lower()] = b"of a Windows to come"
    assert problems(lab, "host01", ENFORCED) == ["GF-CIP-005"]
    # Nobody asks for enforcement here, so nothing is locked out by going on.
    assert lab.run("host01", RESOURCE, [{**SCAN, "mode": "audit"}], check_mode=True).changed
    assert lab.run("host01", RESOURCE, [SCAN], check_mode=True).changed
    example = {"example": {"name": "DefaultWindows_Enforced", "removed_rule_options": [16]}}
    unreadable = {**(RESOURCE.read(Results(), [example]).state[""]), "draft": None, "is_scanned": False}
    assert [problem.kind.id for problem in RESOURCE.refuse(unreadable, example)] == ["GF-CIP-005"]
    assert not RESOURCE.refuse(unreadable, {**example, "mode": "audit"})


def test_a_signed_form_is_applied_and_hgs_keeps_the_unsigned_one(stages: Stages, tmp_path: Path) -> None:
    operator = stages.after("prepare_hosts")
    lab, item = operator.lab, artifact(operator)
    unsigned = item["policy"]
    assert isinstance(unsigned, Artifact)
    content = unsigned.content or b""
    config = {**item, "signed_policy": File(signed(content), "core.signed.p7b")}
    beats(lab, "host02", RESOURCE, [config])
    assert lab.machine("host02").files[resource.ACTIVE.lower()] == signed(content)
    # What HGS is shown of that host is the same policy.
    captured = lab.capture("host02", attestation_evidence.CAPTURE, {"software_class": "two"}, str(tmp_path))
    assert [filed.artifact.content for filed in captured.filed] == [content]
    other = si_policy_binary.write(with_option(si_policy_binary.read(content), 17))
    assert problems(lab, "host01", {**item, "signed_policy": File(signed(other), "other.p7b")}) == ["GF-CIP-006"]
