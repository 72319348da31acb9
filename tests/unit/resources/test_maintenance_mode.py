# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.engine import InterruptedChangeError
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources import maintenance_mode as resource
from ansible_collections.guarded.fabric.tests.unit.engine.lab_driver import Lab, beats

if TYPE_CHECKING:
    from .rollout import Stages

RESOURCE = resource.RESOURCE


@pytest.fixture
def cluster(stages: Stages) -> Lab:
    """Return a fabric whose two hosts are nodes of a failover cluster, each with a shielded machine that runs."""
    lab = stages.after("shield").lab
    for name in ("host01", "host02"):
        lab.machine(name).failover_cluster = "hv"
        lab.machine(name).features |= {"RSAT-Clustering-PowerShell"}
    return lab


def running(lab: Lab, host: str) -> list[str]:
    return sorted(vm.name for vm in lab.machine(host).virtual_machines.values() if vm.state == "Running")


def test_a_node_is_drained_and_gets_its_machines_back(cluster: Lab) -> None:
    drained = beats(cluster, "host01", RESOURCE, [{"enabled": True}])
    assert drained.commands == ("Suspend-ClusterNode -Name @('host01') -Drain:$true -Wait:$true",)
    assert (running(cluster, "host01"), running(cluster, "host02")) == ([], ["vm01", "vm02"])
    assert cluster.machine("vm01").host == "host02"
    beats(cluster, "host01", RESOURCE, [{"enabled": False}])
    assert (running(cluster, "host01"), running(cluster, "host02")) == (["vm01"], ["vm02"])


def test_machines_can_stay_where_they_were_moved(cluster: Lab) -> None:
    beats(cluster, "host01", RESOURCE, [{"enabled": True}])
    beats(cluster, "host01", RESOURCE, [{"enabled": False, "failback": "NoFailback"}])
    assert running(cluster, "host02") == ["vm01", "vm02"]


def test_a_drain_that_finds_no_other_node_fails_with_the_clusters_words(cluster: Lab) -> None:
    cluster.machine("host02").is_paused = True
    with pytest.raises(FabricError, match="No other node can take 'vm01'"):
        cluster.run("host01", RESOURCE, [{"enabled": True}])
    assert running(cluster, "host01") == ["vm01"]


def test_a_shielded_machine_does_not_move_to_a_host_that_does_not_attest(cluster: Lab) -> None:
    firmware = cluster.machine("host02").firmware
    assert firmware is not None
    cluster.machine("host02").client.health_certificate = None
    cluster.machine("host02").client.attestation_url = ""
    with pytest.raises(FabricError, match="No other node can take 'vm01'"):
        cluster.run("host01", RESOURCE, [{"enabled": True}])


def test_what_is_left_on_a_paused_node_is_named(cluster: Lab) -> None:
    cluster.machine("host01").is_paused = True
    with pytest.raises(FabricError) as error:
        cluster.run("host01", RESOURCE, [{"enabled": True}])
    assert [(item.kind, item.detail) for item in error.value.problems] == [(resource.RUNS_MACHINES, "vm01")]
    assert not cluster.run("host01", RESOURCE, [{"enabled": True, "allow_interruption": True}]).changed


def test_a_host_in_no_cluster_interrupts_nothing_unless_it_may(stages: Stages) -> None:
    lab = stages.after("shield").lab
    with pytest.raises(FabricError) as error:
        lab.run("host01", RESOURCE, [{"enabled": True}])
    assert not isinstance(error.value, InterruptedChangeError)
    (problem,) = error.value.problems
    assert (problem.kind, problem.detail) == (resource.RUNS_MACHINES, "vm01")
    assert not beats(lab, "host01", RESOURCE, [{"enabled": True, "allow_interruption": True}]).changed
    assert not beats(lab, "host01", RESOURCE, [{"enabled": False}]).changed
    assert running(lab, "host01") == ["vm01"]


def test_a_host_in_no_cluster_on_which_nothing_runs_is_as_good_as_drained(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    lab.machine("host01").virtual_machines.clear()
    assert not beats(lab, "host01", RESOURCE, [{"enabled": True}]).changed
    assert lab.run("host01", RESOURCE, [], state="gathered").before == [
        {"enabled": False, "node": "", "node_state": "", "running_virtual_machines": []}
    ]
