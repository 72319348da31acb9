# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.lab.story import Story
from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.lab.world.host_conditions import CONDITIONS
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import CallError, File, Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.host_facts import HostFacts
from ansible_collections.guarded.fabric.plugins.plugin_utils.host_requirements import REQUIREMENTS
from ansible_collections.guarded.fabric.plugins.plugin_utils.readiness import judge
from ansible_collections.guarded.fabric.plugins.plugin_utils.requirement import Demands, Mode, Verdict
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import code_integrity_policy, windows_features
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import host_readiness as module
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import NOW, Lab

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .rollout import Stages

HOST = "host01"


def trusted(lab: Lab) -> dict[str, object]:
    return {"trusted_roots": [File(root.der, "vendor.cer") for root in lab.world.tpm_vendors.values()]}


def look(lab: Lab, host: str = HOST, **options: object) -> Mapping[str, Any]:
    found: Mapping[str, Any] = lab.inspect(host, module.INSPECTION, {**trusted(lab), **options})["readiness"]
    assert len(lab.log.executions) == 1
    return found


def ids(found: Mapping[str, Any]) -> list[str]:
    return [item["id"] for item in found["findings"]]


def test_a_guarded_host_is_ready_for_both_modes(stages: Stages) -> None:
    found = look(stages.after("attest").lab)
    assert found["findings"] == []
    assert found["modes"] == {"tpm": "ready", "host_key": "ready"}
    assert found["facts"]["endorsement_certificates"][0]["manufacturer"]


def test_a_new_server_lacks_what_the_rollout_brings_and_nothing_else(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    found = look(lab)
    assert found["modes"] == {"tpm": "preparable", "host_key": "preparable"}
    assert ids(found) == ["GF-RDY-003", "GF-RDY-031", "GF-RDY-032", "GF-RDY-033"]
    features = [{"name": "Hyper-V"}, {"name": "HostGuardian"}]
    lab.run(HOST, windows_features.RESOURCE, features, reboot=False)
    assert ids(look(lab)) == ["GF-RDY-004", "GF-RDY-031", "GF-RDY-032", "GF-RDY-033"]
    lab.run(HOST, windows_features.RESOURCE, features)
    assert ids(look(lab)) == ["GF-RDY-033"]
    assert look(lab)["modes"] == {"tpm": "preparable", "host_key": "ready"}
    lab.run(HOST, code_integrity_policy.RESOURCE, [{"scan": {"level": "Publisher"}}])
    assert ids(look(lab)) == []


MISSING: dict[str, tuple[list[str], str, str]] = {
    "standard-edition": (["GF-RDY-002"], "blocked", "blocked"),
    "windows-2016": (["GF-RDY-001"], "blocked", "blocked"),
    "no-tpm": (["GF-RDY-010"], "blocked", "ready"),
    "tpm-1.2": (["GF-RDY-011"], "blocked", "ready"),
    "tpm-not-ready": (["GF-RDY-012"], "blocked", "ready"),
    "no-endorsement-certificate": (["GF-RDY-013"], "blocked", "ready"),
    "bios": (["GF-RDY-020", "GF-RDY-030", "GF-RDY-031", "GF-RDY-032"], "blocked", "ready"),
    "no-secure-boot": (["GF-RDY-021", "GF-RDY-030", "GF-RDY-031", "GF-RDY-032"], "blocked", "ready"),
    "no-iommu": (["GF-RDY-022"], "blocked", "ready"),
    "no-iommu-but-required": (["GF-RDY-022", "GF-RDY-030", "GF-RDY-031", "GF-RDY-032"], "blocked", "ready"),
    "no-vbs": (["GF-RDY-031", "GF-RDY-032"], "blocked", "ready"),
    "no-memory-integrity": (["GF-RDY-032"], "blocked", "ready"),
    "debugger": (["GF-RDY-040"], "blocked", "ready"),
    "test-signing": (["GF-RDY-050"], "ready", "ready"),
    "dumps": (["GF-RDY-041"], "blocked", "ready"),
    "hibernation": (["GF-RDY-042"], "blocked", "ready"),
    "page-file-in-the-clear": (["GF-RDY-043"], "blocked", "ready"),
    "restart-pending": (["GF-RDY-005"], "blocked", "blocked"),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_missing_thing_is_named_with_expected_actual_cause_remedy_and_owner(
    stages: Stages, condition: str
) -> None:
    lab = stages.after("attest").lab
    Story(lab.world, lab.clock).make_unready(HOST, condition)
    lab.clock.move(120)
    found = look(lab)
    expected, tpm_mode, host_key_mode = MISSING[condition]
    assert ids(found) == expected
    assert found["modes"] == {"tpm": tpm_mode, "host_key": host_key_mode}
    for item in found["findings"]:
        assert item["owner"] == "fabric"
        assert item["machine"] == HOST
        assert all(item[name] for name in ("expected", "actual", "cause", "remedy", "severity", "modes"))
    assert ids(look(lab, "host02")) == []


def test_a_restart_is_the_remedy_of_one_that_is_pending(stages: Stages) -> None:
    lab = stages.after("attest").lab
    Story(lab.world, lab.clock).make_unready(HOST, "restart-pending")
    assert ids(look(lab)) == ["GF-RDY-005"]
    lab.restart(HOST)
    assert ids(look(lab)) == []


def test_a_tpm_of_a_vendor_that_hgs_does_not_trust_is_the_guardians_to_judge(stages: Stages) -> None:
    lab = stages.after("attest").lab
    other = tpm.new_vendor("Other Silicon", NOW)
    found = look(lab, trusted_roots=[File(other.der, "other.cer")])
    (item,) = found["findings"]
    assert (item["id"], item["owner"], found["modes"]["tpm"]) == ("GF-RDY-014", "guardian", "blocked")
    assert "Lab Silicon" in item["actual"]
    # Trusting the vendor too is the remedy.
    both = [File(other.der, "other.cer"), *trusted(lab)["trusted_roots"]]  # type: ignore[misc]  # a list
    assert ids(look(lab, trusted_roots=both)) == []


def test_a_chain_that_nobody_can_check_is_unknown_and_not_fine(stages: Stages) -> None:
    found = look(stages.after("attest").lab, trusted_roots=None)
    assert ids(found) == ["GF-RDY-015"]
    assert found["modes"] == {"tpm": "unknown", "host_key": "ready"}


def test_bitlocker_is_asked_for_only_where_it_is_demanded(stages: Stages) -> None:
    lab = stages.after("attest").lab
    assert ids(look(lab)) == []
    assert ids(look(lab, bitlocker=True)) == ["GF-RDY-044"]


@pytest.mark.parametrize(("status", "met"), [("On", True), (1, True), ("Off", False), (0, False), ("Unknown", None)])
def test_the_system_volume_is_protected_where_bitlocker_says_on(status: object, met: object) -> None:
    results = Results({"volume": Outcome(output=({"ProtectionStatus": status},))})
    assert module.facts_of(results).system_volume_protected is met


def test_a_host_that_says_nothing_is_unknown_in_everything() -> None:
    refused = CallError("UnauthorizedAccess,X", "PermissionDenied", "Access is denied.", accepted=True)
    calls = module.INSPECTION.observe({"bitlocker": True})
    facts = module.facts_of(Results({call.id: Outcome(error=refused) for call in calls}))
    assert replace(facts, errors={}) == HostFacts()
    assert set(facts.errors) == {call.id for call in calls}
    found = judge(facts, Demands(NOW, bitlocker=True, roots=(b"root",)))
    assert {item.verdict for item in found.shortfalls} == {Verdict.UNKNOWN}
    assert {mode: found.verdict(mode) for mode in Mode} == dict.fromkeys(Mode, Verdict.UNKNOWN)


def test_every_requirement_is_shown_missing_in_the_lab_or_here() -> None:
    shown = {name for names, *_ in MISSING.values() for name in names}
    elsewhere = {"GF-RDY-003", "GF-RDY-004", "GF-RDY-014", "GF-RDY-015", "GF-RDY-033", "GF-RDY-044"}
    assert {requirement.kind.id for requirement in REQUIREMENTS} == shown | elsewhere


@pytest.mark.parametrize(
    ("values", "on"),
    [
        ({"HibernateEnabled": 1}, True),
        ({"HibernateEnabled": 0, "HibernateEnabledDefault": 1}, False),
        ({"HibernateEnabledDefault": 1}, True),
        ({}, None),
    ],
)
def test_hibernation_is_what_was_set_or_the_default(values: dict[str, int], on: object) -> None:
    assert module.facts_of(Results({"power": Outcome(output=(values,))})).hibernation is on


def test_numbers_and_lists_of_one_are_read_like_names_and_lists() -> None:
    guard = {
        "VirtualizationBasedSecurityStatus": "2",
        "SecurityServicesRunning": 2,
        "AvailableSecurityProperties": [1, 2, 3],
        "RequiredSecurityProperties": 1,
        "CodeIntegrityPolicyEnforcementStatus": 2,
    }
    facts = module.facts_of(Results({"guard": Outcome(output=(guard,))}))
    assert (facts.vbs_running, facts.memory_integrity_running, facts.iommu) == (True, True, True)
    assert (facts.required_properties, facts.code_integrity) == (frozenset({1}), "enforced")
