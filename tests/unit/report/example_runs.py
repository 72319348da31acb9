# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of a plausible fabric of any size: one host in a hundred does not attest, one is not seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ansible_collections.guarded.fabric.plugins.plugin_utils.findings import Finding, as_data, ordered
from ansible_collections.guarded.fabric.plugins.plugin_utils.report.model import (
    Certificate,
    Host,
    Machine,
    Run,
    Suppressed,
    VirtualMachine,
)
from ansible_collections.guarded.fabric.tests.unit.report.generated_runs import (
    DIFFERS,
    EARLIER,
    EXPIRES,
    FINISHED,
    ROGUE,
    STARTED,
)

_FABRICS = ("Contoso Berlin", "Contoso Lyon", "Recovery site")
_PURPOSES = ("HGS signing", "HGS encryption", "owner guardian", "TPM vendor root")


def _host(number: int) -> Host:
    if number % 100 == 50:
        return Host(f"hv{number:04}", guarded=None)
    if number % 100 == 7:
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
    found = [
        Finding(DIFFERS, host.name, "", "attestation_url", "hgs_client", "http://hgs/Attestation", None, EARLIER)
        for host in bad
    ]
    rogue = Finding(ROGUE, "hgs01", "<script>alert('rogue')</script>", "", "attestation_hosts", since=FINISHED)
    ends = Finding(EXPIRES, "hgs01", "HGS signing", "not_after", "", "30 days or more", "6 days", EARLIER)
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
        findings=ordered([*found, rogue, ends]),
        known=frozenset(finding.identity for finding in (*found, ends)),
        suppressed=[Suppressed(Finding(EXPIRES, "owner01", since=EARLIER), "is replaced in May", "ada", "2026-12-31")],
        gone=[as_data(Finding(DIFFERS, "hv0012", "", "key_protection_url", "hgs_client", since=EARLIER))],
    )
