# SPDX-License-Identifier: GPL-3.0-or-later
"""Fifty hosts at once. `make bench` does the same with a thousand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.setups import Setup, setup

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTS = 50
TOPOLOGY = f"""
hardware:
  - {{name: Contoso R740, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon}}
  - {{name: Fabrikam X12, vendor: Fabrikam, firmware: 1.44.0, tpm_vendor: Lab Microsystems}}
machines:
  - {{kind: hgs, name: "hgs{{:02}}", edition: Standard}}
  - {{kind: dns, name: "dns{{:02}}", edition: Standard}}
  - {{kind: host, name: "hostc{{:02}}", count: {HOSTS // 2}, hardware: Contoso R740}}
  - {{kind: host, name: "hostf{{:02}}", count: {HOSTS // 2}, hardware: Fabrikam X12}}
  - {{kind: tenant, name: "tenant{{:02}}"}}
"""
REGISTRATIONS = 6
"""Executions at HGS for all hosts together: for each of hosts and policies, one to see and one to act, and some."""
EXECUTIONS = 12
"""On each host, from a factory-fresh server to one that attests."""
LAB_MEBIBYTES = 160


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with setup(tmp_path_factory.mktemp("crowd"), TOPOLOGY) as made:
        yield made


def test_fifty_hosts_enroll_and_registering_them_is_a_handful_of_executions(crowd: Setup) -> None:
    crowd.ansible.succeed("hgs fabric_dns prepare_hosts", "--forks", "10")
    before = crowd.lab.executions()
    crowd.ansible.succeed("register")
    after = crowd.lab.executions()
    assert {name: count for name, count in after.items() if count != before.get(name)}.keys() == {"hgs01"}
    assert after["hgs01"] - before["hgs01"] <= REGISTRATIONS
    crowd.ansible.succeed("attest", "--forks", "10")
    hosts = crowd.lab.tell("status")["hosts"]
    assert len(hosts) == HOSTS
    assert {host["status"] for host in hosts} == {"Passed"}
    counted = crowd.lab.executions()
    assert max(counted[host["name"]] for host in hosts) <= EXECUTIONS
    assert largest_memory(crowd) < LAB_MEBIBYTES


def largest_memory(crowd: Setup) -> float:
    """Return the lab's memory in MiB when it was largest."""
    status = Path(f"/proc/{crowd.lab.process}/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
