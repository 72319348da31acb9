# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts attest again after an update: the playbook, on one fabric, from the first canary to the last retired policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.tests.integration.setups import Setup, nothing_changes, setup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.tests.integration.runs import Run

CLUSTER = """
hardware:
  - {name: Contoso R740, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon}
machines:
  - {kind: hgs, name: "hgs{:02}", edition: Standard}
  - {kind: dns, name: "dns{:02}", edition: Standard}
  - {kind: host, name: "host{:02}", count: 3, hardware: Contoso R740, cluster: hv}
"""
"""A canary, and two waves."""


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with setup(tmp_path_factory.mktemp("reattest"), CLUSTER) as made:
        made.ansible.succeed("hgs fabric_dns prepare_hosts register attest")
        yield made


def policies(fabric: Setup) -> list[str]:
    """Return the names of the administrator's policies at HGS."""
    (cluster,) = fabric.lab.world().clusters.values()
    return sorted(item.name for item in cluster.attestation.policies.values() if not item.name.startswith("Hgs_"))


def statuses(fabric: Setup) -> dict[str, str]:
    return {host["name"]: host["status"] for host in fabric.lab.tell("status")["hosts"]}


def problems(run: Run) -> list[dict[str, str]]:
    return [problem for result in run.results for problem in result.result.get("problems", ())]


def test_a_fabric_that_attests_is_left_alone(fabric: Setup) -> None:
    fabric.ansible.succeed("reattest")  # what each host started with is kept from now on
    with nothing_changes(fabric):
        assert fabric.ansible.succeed("reattest").changed == []
        assert fabric.ansible.succeed("reattest", "--check").changed == []
