# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.world import network
from ansible_collections.guarded.fabric.lab.world.model import DnsServer

if TYPE_CHECKING:
    from .playground import Playground

FORWARDER = "Add-DnsServerConditionalForwarderZone"


def _resolve(lab: Playground, machine: str, name: str) -> list[str]:
    return network.resolve(lab.world, lab.clock.now(), lab.machine(machine), name)


def test_hosts_find_hgs_once_the_fabric_forwards_to_it(lab: Playground) -> None:
    lab.make_first_node()
    address = lab.machine("hgs01").address
    lab.call("dns01", FORWARDER, Name="hgs.lab", MasterServers=[address], ReplicationScope="Forest")
    assert _resolve(lab, "hosta01", "HGS.hgs.lab.") == [address]
    found = lab.call("hosta01", "Resolve-DnsName", ("IPAddress",), Name="hgs.hgs.lab")
    assert found == [{"IPAddress": address}]
    assert lab.refusal("hosta01", "Resolve-DnsName", Name="nothing.hgs.lab") == "DNS_ERROR_RCODE_NAME_ERROR"


def test_a_forwarder_is_added_once(lab: Playground) -> None:
    lab.call("dns01", FORWARDER, Name="hgs.lab", MasterServers=["10.0.0.1"])
    assert lab.refusal("dns01", FORWARDER, Name="HGS.lab", MasterServers=["10.0.0.1"]) == "WIN32 9609"
    assert lab.refusal("dns01", FORWARDER, Name="fabric.lab", MasterServers=["10.0.0.1"]) == "WIN32 9609"


def test_a_replicated_forwarder_is_changed_on_every_controller_and_another_one_is_not(lab: Playground) -> None:
    lab.call("dns01", FORWARDER, Name="hgs.lab", MasterServers=["10.0.0.1"], ReplicationScope="Forest")
    lab.call("dns01", FORWARDER, Name="local.lab", MasterServers=["10.0.0.9"])
    lab.call("dns02", "Set-DnsServerConditionalForwarderZone", Name="hgs.lab", MasterServers=["10.0.0.2", "10.0.0.3"])
    for server in ("dns01", "dns02"):
        (zone,) = lab.call(server, "Get-DnsServerZone", ("ZoneType", "IsDsIntegrated", "MasterServers"), Name="hgs.lab")
        assert zone == {"ZoneType": "Forwarder", "IsDsIntegrated": True, "MasterServers": ["10.0.0.2", "10.0.0.3"]}
    assert lab.refusal("dns02", "Get-DnsServerZone", Name="local.lab") == "WIN32 9601"
    lab.call("dns01", "Remove-DnsServerZone", Name="hgs.lab", Force=True)
    assert lab.refusal("dns02", "Remove-DnsServerZone", Name="hgs.lab", Force=True) == "WIN32 9601"


def test_something_that_is_no_address_is_refused(lab: Playground) -> None:
    assert lab.refusal("dns01", FORWARDER, Name="x.lab", MasterServers=["hgs01"]) == "CannotConvertArgumentNoMessage"


def test_servers_that_forward_in_a_circle_give_no_answer(lab: Playground) -> None:
    for server, other in (("dns01", "dns02"), ("dns02", "dns01")):
        lab.call(server, FORWARDER, Name="hgs.lab", MasterServers=[lab.machine(other).address])
    with pytest.raises(network.NameServerError, match="circle"):
        _resolve(lab, "hosta01", "hgs.hgs.lab")
    assert lab.refusal("hosta01", "Resolve-DnsName", Name="hgs.hgs.lab") == "ERROR_TIMEOUT"


def test_the_next_server_is_asked_where_one_is_down_and_no_other_one(lab: Playground) -> None:
    assert _resolve(lab, "hosta01", "tenant01.fabric.lab") == [lab.machine("tenant01").address]
    lab.machine("dns01").dead = True
    assert _resolve(lab, "hosta01", "tenant01.fabric.lab") == [lab.machine("tenant01").address]
    lab.machine("dns02").dead = True
    with pytest.raises(network.NameServerError):
        _resolve(lab, "hosta01", "tenant01.fabric.lab")


def test_the_closest_zone_answers(lab: Playground) -> None:
    lab.machine("dns01").dns_server = DnsServer(
        zones={"lab": {"a.deep": ["10.0.0.1"]}, "deep.lab": {"@": ["10.0.0.2"], "b": ["10.0.0.3"]}}
    )
    assert _resolve(lab, "hosta01", "deep.lab") == ["10.0.0.2"]
    assert _resolve(lab, "hosta01", "b.deep.lab") == ["10.0.0.3"]
    with pytest.raises(network.NameNotFoundError):
        _resolve(lab, "hosta01", "a.deep.lab")


def test_requests_reach_only_what_serves(lab: Playground) -> None:
    lab.make_first_node()
    address = lab.machine("hgs01").address

    def get(url: str) -> int:
        return network.request(lab.world, lab.clock, lab.machine("hosta01"), "GET", url).status

    assert get(f"http://{address}/Attestation/getinfo") == 200
    assert get(f"http://{address}/nothing") == 404
    assert get(f"http://{address}/attestation/v2.0/attest") == 405
    for url in (
        f"http://{lab.machine('hgs02').address}/Attestation/getinfo",
        f"https://{address}/Attestation/getinfo",
        f"http://{address}:8080/Attestation/getinfo",
        "http://10.99.99.99/Attestation/getinfo",
        "no address",
    ):
        with pytest.raises(network.NetworkError):
            get(url)


def test_a_page_can_be_fetched_into_a_file(lab: Playground) -> None:
    lab.make_first_node()
    base = f"http://{lab.machine('hgs01').address}"
    path = r"C:\Windows\Temp\metadata.xml"
    metadata = f"{base}/KeyProtection/service/metadata/2014-07/metadata.xml"
    assert lab.call("tenant01", "Invoke-WebRequest", Uri=metadata, UseBasicParsing=True, OutFile=path) == []
    assert lab.machine("tenant01").files[path.lower()].lstrip().startswith(b"<")
    refused = lab.refusal("tenant01", "Invoke-WebRequest", Uri=f"{base}/nothing", UseBasicParsing=True)
    assert refused == "WebCmdletWebResponseException"


def test_the_dns_client_is_set_on_the_adapter_that_is_there(lab: Playground) -> None:
    refused = lab.refusal("hosta01", "Set-DnsClientServerAddress", InterfaceAlias="Wi-Fi", ServerAddresses=["10.0.0.1"])
    assert refused == "CmdletizationQuery_NotFound_InterfaceAlias"
    lab.call("hosta01", "Set-DnsClientServerAddress", InterfaceIndex=4, ServerAddresses=["10.0.0.1"])
    (found,) = lab.call(
        "hosta01", "Get-DnsClientServerAddress", ("InterfaceAlias", "ServerAddresses"), AddressFamily="IPv4"
    )
    assert found == {"InterfaceAlias": "Ethernet", "ServerAddresses": ["10.0.0.1"]}
    lab.call("hosta01", "Set-DnsClientServerAddress", InterfaceAlias="Ethernet", ResetServerAddresses=True)
    assert lab.machine("hosta01").dns_client == []
