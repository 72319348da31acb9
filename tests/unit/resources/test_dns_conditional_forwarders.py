# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import CallError, Outcome, Results
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.dns_conditional_forwarders import (
    NO_MASTERS,
    OTHER_ZONE,
    RESOURCE,
    SERVER_MISSING,
)

if TYPE_CHECKING:
    from .rollout import Stages

FORWARDER = {"name": "hgs.lab", "master_servers": ["10.0.0.1", "10.0.0.2"]}


def test_a_forwarder_is_added_once_and_changed_in_place(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    assert lab.run("dns01", RESOURCE, [FORWARDER]).commands[0].startswith("Add-DnsServerConditionalForwarderZone")
    assert not lab.run("dns01", RESOURCE, [{**FORWARDER, "name": "HGS.lab"}]).changed
    report = lab.run("dns01", RESOURCE, [{**FORWARDER, "master_servers": ["10.0.0.3"]}])
    assert report.commands == ("Set-DnsServerConditionalForwarderZone -Name 'hgs.lab' -MasterServers @('10.0.0.3')",)


def test_overriding_removes_forwarders_and_no_other_zone(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    server = lab.machine("dns01").dns_server
    assert server is not None
    zones = dict(server.zones)
    assert zones
    lab.run("dns01", RESOURCE, [FORWARDER, {"name": "old.lab", "master_servers": ["10.0.0.9"]}])
    lab.run("dns01", RESOURCE, [FORWARDER], state="overridden")
    assert (server.zones, list(server.forwarders)) == (zones, ["hgs.lab"])
    lab.run("dns01", RESOURCE, [FORWARDER], state="deleted")
    assert (server.zones, server.forwarders) == (zones, {})


def test_a_zone_of_another_type_is_not_touched(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    server = lab.machine("dns01").dns_server
    assert server is not None
    zone = next(iter(server.zones))
    for state in ("merged", "deleted"):
        with pytest.raises(FabricError) as error:
            lab.run("dns01", RESOURCE, [{"name": zone, "master_servers": ["10.0.0.1"]}], state=state)
        assert [problem.kind for problem in error.value.problems] == [OTHER_ZONE]


def test_a_forwarder_to_nowhere_is_refused(stages: Stages) -> None:
    with pytest.raises(FabricError) as error:
        stages.after("nothing").lab.run("dns01", RESOURCE, [{"name": "hgs.lab"}])
    assert [problem.kind for problem in error.value.problems] == [NO_MASTERS]


def test_a_machine_without_dns_is_named(stages: Stages) -> None:
    error = CallError("CommandNotFoundException,Get-Command", "ObjectNotFound", "no such cmdlet", accepted=True)
    missing = RESOURCE.read(Results({"zones": Outcome(error=error)}), [FORWARDER]).missing
    assert missing is not None
    assert missing.kind is SERVER_MISSING
    with pytest.raises(FabricError):
        stages.after("nothing").lab.run("host01", RESOURCE, [FORWARDER])


@pytest.mark.parametrize(
    ("shown", "address"),
    [("10.0.0.1", "10.0.0.1"), ("10.0.0.1:53", "10.0.0.1"), ("fd00::1", "fd00::1"), ("::1", "::1")],
)
def test_addresses_are_read_with_and_without_a_port(shown: str, address: str) -> None:
    zone = {"ZoneName": "hgs.lab", "ZoneType": "Forwarder", "MasterServers": [shown]}
    state = RESOURCE.read(Results({"zones": Outcome(output=(zone,))}), []).state
    assert state["hgs.lab"]["master_servers"] == [address]
