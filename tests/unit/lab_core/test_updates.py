# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates of hosts, and clusters of hosts: what an attestation service would see of them."""

from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.lab import loading, topology
from ansible_collections.guarded.fabric.lab.story import Story, StoryError
from ansible_collections.guarded.fabric.lab.world import failover, reach
from ansible_collections.guarded.fabric.lab.world.updates import UPDATES
from ansible_collections.guarded.fabric.plugins.module_utils import tcg_log, tpm_baseline

from .playground import NOW, PASSWORDS, KeyPool, Playground

HOSTS = """
hardware:
  - {name: Contoso R740, vendor: Contoso, firmware: 2.19.1, tpm_vendor: Lab Silicon, option_roms: 0}
machines:
  - {kind: host, name: "host{:02}", count: 2, hardware: Contoso R740, cluster: hv}
virtual_machines:
  - {name: "vm{:02}", count: 1}
"""
KEYS = KeyPool()


@pytest.fixture
def lab() -> Playground:
    loading.load_everything()
    return Playground.of(topology.parse(HOSTS, "test"), PASSWORDS, NOW, KEYS.handed_out_again())


def fingerprint(lab: Playground, host: str) -> str:
    """Return what HGS compares of a host's last start; its log replays to its TPM."""
    machine = lab.world.machines[host]
    assert machine.boot is not None
    assert machine.tpm is not None
    log = tcg_log.parse(machine.boot.log)
    assert tcg_log.replay(log, tcg_log.SHA256).items() <= machine.tpm.pcrs.items()
    return tpm_baseline.fingerprint(tpm_baseline.baseline(log))


@pytest.mark.parametrize("update", sorted(set(UPDATES) - {"windows", "policy"}))
def test_an_update_is_measured_at_the_next_start_and_alike_on_every_host_of_a_class(
    lab: Playground, update: str
) -> None:
    story = Story(lab.world, lab.clock)
    before = fingerprint(lab, "host01")
    story.stage_update("host01", update)
    assert fingerprint(lab, "host01") == before
    story.revive("host01")
    assert fingerprint(lab, "host01") != before
    assert fingerprint(lab, "host02") == before
    story.update_host("host02", update)
    assert fingerprint(lab, "host02") == fingerprint(lab, "host01")


def test_a_windows_update_that_leaves_secure_boot_alone_is_none_that_is_compared(lab: Playground) -> None:
    before = fingerprint(lab, "host01")
    Story(lab.world, lab.clock).update_host("host01", "windows")
    assert fingerprint(lab, "host01") == before


def test_a_second_adapter_of_the_same_authority_shows_in_no_baseline(lab: Playground) -> None:
    story = Story(lab.world, lab.clock)
    story.update_host("host01", "option-rom")
    before = fingerprint(lab, "host01")
    story.update_host("host01", "option-rom")
    assert fingerprint(lab, "host01") == before


@pytest.mark.parametrize(
    ("host", "update", "message"),
    [("host01", "luck", "there is no update 'luck'"), ("host09", "dbx", "no machine"), ("host01", "policy", "has no")],
)
def test_what_cannot_be_updated_is_refused(lab: Playground, host: str, update: str, message: str) -> None:
    with pytest.raises(StoryError, match=message):
        Story(lab.world, lab.clock).update_host(host, update)


def test_a_change_on_one_node_of_a_cluster_reaches_the_others_and_their_guests(lab: Playground) -> None:
    machine = lab.world.machines["host02"]
    assert set(reach.machines_changed_on(lab.world, machine)) == {"host01", "host02", "vm01"}


def test_a_node_that_is_down_is_down_and_not_paused(lab: Playground) -> None:
    node = lab.world.machines["host02"]
    failover.suspend(lab.world, lab.clock, node, drain=False)
    assert failover.state_of(lab.world, lab.clock, node) == "Paused"
    Story(lab.world, lab.clock).kill("host02")
    assert failover.state_of(lab.world, lab.clock, node) == "Down"
