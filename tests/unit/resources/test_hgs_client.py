# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import restarts
from ansible_collections.guarded.fabric.plugins.plugin_utils.attestation_status import STATUS, SUBSTATUS
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import InterruptedChangeError
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import attestation_hosts
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import hgs_client as resource
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import beats

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Stages

RESOURCE = resource.RESOURCE
SERVICE = "http://hgs.hgs.lab"
URLS = {"attestation_url": f"{SERVICE}/Attestation", "key_protection_url": f"{SERVICE}/KeyProtection"}
FALLBACK = {
    "fallback_attestation_urls": ["http://hgs2.lab/Attestation"],
    "fallback_key_protection_urls": ["http://hgs2.lab/KeyProtection"],
}


def test_fallbacks_that_config_leaves_out_are_kept(stages: Stages) -> None:
    lab = stages.after("attest").lab
    beats(lab, "host01", RESOURCE, [{**URLS, **FALLBACK}])
    other = {**URLS, "key_protection_url": f"{SERVICE}:80/KeyProtection"}
    report = beats(lab, "host01", RESOURCE, [other])
    assert report.after[0]["fallback_attestation_urls"] == ["http://hgs2.lab/Attestation"]
    assert "-FallbackAttestationServerUrl @('http://hgs2.lab/Attestation')" in report.commands[0]


def test_fallbacks_that_config_leaves_out_go_when_it_is_replaced(stages: Stages) -> None:
    lab = stages.after("attest").lab
    beats(lab, "host01", RESOURCE, [{**URLS, **FALLBACK}])
    report = beats(lab, "host01", RESOURCE, [URLS], state="replaced")
    assert report.after[0]["fallback_attestation_urls"] == []
    assert "Fallback" not in report.commands[0]


def test_a_host_goes_back_to_local_mode(stages: Stages) -> None:
    lab = stages.after("attest").lab
    report = beats(lab, "host01", RESOURCE, [{"mode": "Local"}])
    assert report.commands == ("Set-HgsClientConfiguration -EnableLocalMode:$true",)
    assert report.after[0]["attestation_url"] == ""


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({**URLS, "attestation_url": "hgs.hgs.lab/Attestation"}, resource.URL_INVALID),
        ({**URLS, "attestation_url": "ftp://hgs.hgs.lab/Attestation"}, resource.URL_INVALID),
        ({**URLS, "attestation_url": "http:///Attestation"}, resource.URL_INVALID),
        ({**URLS, "attestation_url": "http://[::1/Attestation"}, resource.URL_INVALID),
        ({**URLS, **FALLBACK, "fallback_attestation_urls": ["hgs2"]}, resource.URL_INVALID),
        ({"attestation_url": URLS["attestation_url"]}, resource.URLS_INCOMPLETE),
        ({**URLS, "fallback_attestation_urls": ["http://hgs2.lab/Attestation"]}, resource.URLS_INCOMPLETE),
        ({**URLS, "mode": "Local"}, resource.LOCAL_ATTESTS),
        ({"mode": "Local", "attested": True}, resource.LOCAL_ATTESTS),
    ],
)
def test_what_is_wrong_with_config_is_said_before_the_host_is_asked(stages: Stages, config: Item, kind: object) -> None:
    lab = stages.after("attest").lab
    with pytest.raises(FabricError) as error:
        lab.run("host01", RESOURCE, [config])
    assert kind in [problem.kind for problem in error.value.problems]
    assert lab.log.executions == []


def test_a_mode_without_urls_is_refused(stages: Stages) -> None:
    lab = stages.after("register").lab
    with pytest.raises(FabricError) as error:
        lab.run("host01", RESOURCE, [{"mode": "HostGuardianService"}])
    assert [problem.kind for problem in error.value.problems] == [resource.URLS_INCOMPLETE]
    assert not stages.after("attest").lab.run("host01", RESOURCE, [{"mode": "HostGuardianService"}]).changed


def test_a_host_that_is_not_registered_learns_why_and_whose_job_it_is(stages: Stages) -> None:
    lab = stages.after("register").lab
    lab.run("hgs01", attestation_hosts.RESOURCE, [{"name": "host01"}], state="deleted")
    with pytest.raises(InterruptedChangeError) as error:
        lab.run("host01", RESOURCE, [{**URLS, "attested": True}])
    (problem,) = error.value.problems
    assert problem.kind is STATUS["UnauthorizedHost"]
    assert problem.kind.owner.value == "guardian"
    assert problem.thing == "host01"


def test_a_host_that_does_not_pass_is_tried_once_more_and_once_only(stages: Stages) -> None:
    lab = stages.after("attest").lab
    machine = lab.machine("host01")
    assert machine.firmware is not None
    machine.firmware.secure_boot = False
    restarts.restart(lab.world, machine, lab.clock.now())
    lab.clock.move(600)

    with pytest.raises(FabricError) as error:
        lab.run("host01", RESOURCE, [{**URLS, "attested": True}])
    assert lab.reader.statistics.calls["Test-HgsClientConfiguration"] == 1
    assert lab.reader.statistics.calls["Set-HgsClientConfiguration"] == 0
    assert SUBSTATUS["SecureBoot"] in [problem.kind for problem in error.value.problems]


def test_what_is_wrong_with_a_host_is_explained_without_asking_for_attestation(stages: Stages) -> None:
    lab = stages.after("register").lab
    lab.run("hgs01", attestation_hosts.RESOURCE, [{"name": "host01"}], state="deleted")
    report = lab.run("host01", RESOURCE, [URLS])
    explanations = report.after[0]["explanations"]
    assert isinstance(explanations, list)
    (explanation,) = explanations
    assert explanation["what"] == "UnauthorizedHost"
    assert set(explanation) == {"what", "id", "cause", "remedy", "owner"}
    assert "attested" not in report.after[0]


def test_a_host_that_passed_is_left_alone(stages: Stages) -> None:
    lab = stages.after("attest").lab
    report = lab.run("host01", RESOURCE, [{**URLS, "attested": True}])
    assert (report.changed, len(lab.log.executions)) == (False, 1)
    assert report.before[0]["explanations"] == []


def test_a_machine_without_the_client_is_named(stages: Stages) -> None:
    with pytest.raises(FabricError) as error:
        stages.after("nothing").lab.run("host01", RESOURCE, [URLS])
    assert [problem.kind for problem in error.value.problems] == [resource.CLIENT_MISSING]


def test_numbers_are_understood_as_names() -> None:
    client = {
        "Mode": 2,
        "AttestationOperationMode": 1,
        "AttestationStatus": 100,
        "AttestationSubstatus": 0,
        "IsHostGuarded": True,
        "FallbackAttestationServerUrl": None,
    }
    item = RESOURCE.read(Results({"client": Outcome(output=(client,))}), [{"attested": True}]).state[""]
    assert item["mode"] == "HostGuardianService"
    assert item["attestation_operation_mode"] == "Tpm"
    assert (item["attestation_status"], item["attested"]) == ("Passed", True)
    assert item["fallback_attestation_urls"] == []


@pytest.mark.parametrize("offset", [86_400.0, -86_400.0])
def test_a_host_whose_clock_is_wrong_fails_and_says_what_it_takes_for_the_time(stages: Stages, offset: float) -> None:
    lab = stages.after("register").lab
    lab.machine("host01").clock_offset = offset
    with pytest.raises(FabricError) as error:
        lab.run("host01", RESOURCE, [{**URLS, "attested": True}])
    (problem,) = error.value.problems
    assert problem.kind is STATUS["Expired"]
    assert "compare the clocks" in problem.kind.next_step
    assert f"by this host's clock it is 2026-11-2{'5' if offset > 0 else '3'}T" in problem.detail
    lab.machine("host01").clock_offset = 0.0
    assert lab.run("host01", RESOURCE, [{**URLS, "attested": True}]).after[0]["attested"] is True
