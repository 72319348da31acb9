# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import Outcome, Results, changing
from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import FabricError
from ansible_collections.guarded.fabric.plugins.plugin_utils.resources.dns_client import ADAPTER_UNCLEAR, RESOURCE

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.resource import Item

    from .rollout import Stages


def adapters(*names: str) -> Results:
    return Results(
        {"adapters": Outcome(output=tuple({"InterfaceAlias": name, "ServerAddresses": ["10.0.0.1"]} for name in names))}
    )


@pytest.mark.parametrize(
    ("names", "config", "chosen"),
    [
        (("Ethernet", "Loopback Pseudo-Interface 1"), {}, "Ethernet"),
        (("Ethernet", "Storage"), {"interface_alias": "STORAGE"}, "Storage"),
    ],
)
def test_the_adapter_is_the_one_that_is_meant(names: tuple[str, ...], config: Item, chosen: str) -> None:
    assert RESOURCE.read(adapters(*names), [config]).state[""]["interface_alias"] == chosen


@pytest.mark.parametrize(
    ("names", "config"),
    [(("Ethernet", "Storage"), {}), (("Ethernet",), {"interface_alias": "Storage"}), ((), {})],
)
def test_an_adapter_that_is_not_clear_is_never_guessed(names: tuple[str, ...], config: Item) -> None:
    with pytest.raises(FabricError) as error:
        RESOURCE.read(adapters(*names), [config])
    assert [problem.kind for problem in error.value.problems] == [ADAPTER_UNCLEAR]


def test_the_order_of_servers_counts(stages: Stages) -> None:
    lab = stages.after("nothing").lab
    servers = ["10.0.0.1", "10.0.0.2"]
    assert lab.run("hgs02", RESOURCE, [{"server_addresses": servers}]).changed
    assert not lab.run("hgs02", RESOURCE, [{"server_addresses": servers}]).changed
    assert lab.run("hgs02", RESOURCE, [{"server_addresses": servers[::-1]}]).changed


def test_no_servers_means_those_of_dhcp() -> None:
    before = {"interface_alias": "Ethernet", "server_addresses": ["10.0.0.1"]}
    assert RESOURCE.change(before, {**before, "server_addresses": []}) == (
        changing("Set-DnsClientServerAddress", {"InterfaceAlias": ["Ethernet"], "ResetServerAddresses": True}),
    )
