# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a machine is about to fail, read on the lab."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import machine_health
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import CallError, Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.drift import drifting

if TYPE_CHECKING:
    from .rollout import Operator, Stages

EVERYTHING = tuple(machine_health.ASPECTS)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def health(operator: Operator, machine: str) -> dict[str, Any]:
    lab = operator.lab
    work = drifting({}, machine, machine_health.observe(EVERYTHING))
    sight = lab.drive(lab.machine(machine), work, check_mode=True)
    assert len(lab.log.executions) == 1
    return machine_health.read(EVERYTHING, sight.others, lab.clock.now())


def days_left(certificate: dict[str, str]) -> int:
    end, begin = (datetime.fromisoformat(certificate[name]) for name in ("not_after", "not_before"))
    assert begin < end
    return (end - begin).days


def test_a_node_tells_of_its_service_and_of_the_vendors_it_trusts(stages: Stages) -> None:
    told = health(stages.after("shield"), "hgs01")
    assert abs(told["clock"]) < 60
    assert told["restart"] == []
    assert told["guardian_certificates"] == []
    assert {certificate["purpose"] for certificate in told["service_certificates"]} == {"HGS signing", "HGS encryption"}
    assert [certificate["purpose"] for certificate in told["vendor_certificates"]] == ["TPM vendor root"]
    assert all(days_left(certificate) > 300 for certificate in told["service_certificates"])


def test_a_tenant_tells_of_its_guardians(stages: Stages) -> None:
    told = health(stages.after("shield"), "tenant01")
    assert told["service_certificates"] is None
    assert told["vendor_certificates"] is None
    assert sorted(certificate["purpose"] for certificate in told["guardian_certificates"]) == [
        "guardian Fabric, encryption",
        "guardian Fabric, signing",
        "guardian Owner, encryption",
        "guardian Owner, signing",
    ]


def test_what_fails_tells_nothing() -> None:
    calls = machine_health.observe(EVERYTHING)
    refused = Outcome((), error=CallError("AccessDenied", "", "no", accepted=True))
    told = machine_health.read(EVERYTHING, Results({call.id: refused for call in calls}), NOW)
    assert told == dict.fromkeys(EVERYTHING)


@pytest.mark.parametrize(
    ("flags", "told"),
    [((True, False), ["components"]), ((False, True), ["Windows Update"]), ((False, False), []), ((True,), None)],
)
def test_each_sign_of_a_restart_is_named(flags: tuple[bool, ...], told: list[str] | None) -> None:
    assert machine_health.read(["restart"], Results({"restart": Outcome(flags)}), NOW) == {"restart": told}


def test_a_clock_is_ahead_or_behind() -> None:
    for ahead in (-90.5, 0.0, 3600.0):
        there = (NOW + timedelta(seconds=ahead)).isoformat()
        assert machine_health.read(["clock"], Results({"clock": Outcome((there,))}), NOW) == {"clock": ahead}


@pytest.mark.parametrize("there", ["", "yesterday", "2016-12-31T23:59:60Z", "2026-11-24T12:00:00", "1e999", "{}"])
def test_a_time_that_is_none_tells_nothing(there: str) -> None:
    assert machine_health.read(["clock"], Results({"clock": Outcome((there,))}), NOW) == {"clock": None}
    certificate = {"Subject": "CN=x", "Thumbprint": "AA", "NotBefore": there or "-", "NotAfter": there or "-"}
    found = Results({"service-certificates": Outcome(({"CertificateType": "Signing", "Certificate": certificate},))})
    assert machine_health.read(["service_certificates"], found, NOW) == {"service_certificates": None}


@pytest.mark.parametrize("certificate", [None, "CN=x", 7, [], {}, {"Subject": "CN=x"}])
def test_what_is_no_certificate_is_left_out(certificate: object) -> None:
    found = Results({"service-certificates": Outcome(({"CertificateType": "Signing", "Certificate": certificate},))})
    assert machine_health.read(["service_certificates"], found, NOW) == {"service_certificates": []}
