# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the drift check on a fabric of any size: of each hundred hosts one does not attest, one is not seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ansible_collections.guarded.fabric.plugins.plugin_utils import drift_findings as kinds
from ansible_collections.guarded.fabric.plugins.plugin_utils.attestation_status import SUBSTATUS
from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding, as_data, ordered
from ansible_collections.guarded.fabric.plugins.plugin_utils.report.model import (
    Certificate,
    Host,
    Machine,
    Run,
    Suppressed,
    VirtualMachine,
)

STARTED = "2026-11-24T02:00:00+00:00"
FINISHED = "2026-11-24T02:03:30+00:00"
_EARLIER = "2026-11-20T02:03:30+00:00"
ODD_NAME = "<script>alert('rogue')</script>"
"""What somebody may call a host who means no good."""
_EACH, _UNSEEN, _CHANGED = 100, 50, 7
_FABRICS = ("Contoso Berlin", "Contoso Lyon", "Recovery site")
_PURPOSES = ("HGS signing", "HGS encryption", "owner guardian", "TPM vendor root")


def _host(number: int) -> Host:
    if number % _EACH == _UNSEEN:
        return Host(f"hv{number:04}", guarded=None)
    if number % _EACH == _CHANGED:
        return Host(f"hv{number:04}", False, "InsecureHostConfiguration", ("SecureBootSettings",))  # noqa: FBT003
    return Host(f"hv{number:04}", True, "Passed")  # noqa: FBT003


def _machine(number: int, hosts: list[Host]) -> VirtualMachine:
    host = hosts[number % len(hosts)]
    seen = host.guarded is not None
    return VirtualMachine(
        f"vm{number:05}",
        host.name,
        power="Running" if host.guarded else "Off",
        shielded=True if seen else None,
        owner=f"Tenant {number % 7}",
        guardians=(_FABRICS[0], *_FABRICS[1 : number % 4]) if seen else None,
        can_start=host.guarded,
    )


def _certificate(number: int) -> Certificate:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    end = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(days=45 * number)
    return Certificate(
        f"hgs{number % 3 + 1:02}",
        _PURPOSES[number % len(_PURPOSES)],
        f"CN=Certificate {number}",
        f"{number:040X}",
        start.isoformat(),
        end.isoformat(),
    )


def example(host_count: int, machine_count: int) -> Run:
    """Return the run of a fabric of a size."""
    hosts = [_host(number) for number in range(1, host_count + 1)]
    bad = [host for host in hosts if host.guarded is False]
    baseline = kinds.attestation_finding(SUBSTATUS["SecureBootSettings"])
    known = [
        *(
            Finding(kind, host.name, "", "", "hgs_client", since=_EARLIER)
            for host in bad
            for kind in (baseline, kinds.NOT_ATTESTED)
        ),
        *(
            Finding(kinds.UNSEEN, host.name, actual="timed out", since=_EARLIER)
            for host in hosts
            if host.guarded is None
        ),
        Finding(
            kinds.ENDS_SOON, "hgs01", "HGS signing 3F7A2C9E", "validity", "", "30 days left", "6 days left", _EARLIER
        ),
    ]
    forwarders = Finding(
        kinds.DIFFERS,
        "dns01",
        "guardian.example",
        "master_servers",
        "dns_conditional_forwarders",
        ["10.20.0.11", "10.20.0.12"],
        ["10.20.0.99"],
        FINISHED,
    )
    rogue = Finding(kinds.UNDECLARED, "hgs01", ODD_NAME, "", "attestation_hosts", since=FINISHED)
    window = Finding(kinds.RESTART_PENDING, "hv0001", actual="Windows Update", since=_EARLIER)
    gone = Finding(kinds.ABSENT, "dns01", "guardian.example", "", "dns_conditional_forwarders", since=_EARLIER)
    return Run(
        STARTED,
        FINISHED,
        machines=[
            *(Machine(f"hgs{number:02}", "hgs", seen=True) for number in (1, 2, 3)),
            *(Machine(host.name, "host", host.guarded is not None, "timed out") for host in hosts),
        ],
        hosts=hosts,
        virtual_machines=[_machine(number, hosts) for number in range(1, machine_count + 1)],
        certificates=[_certificate(number) for number in range(12)],
        findings=ordered([*known, forwarders, rogue]),
        known=frozenset(finding.identity for finding in known),
        suppressed=[Suppressed(window, "restarts in Sunday's maintenance window", "ada", "2026-12-06")],
        gone=[as_data(gone)],
    )
