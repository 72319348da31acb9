# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.guarded.fabric.lab.world import hgs_clusters, network
from ansible_collections.guarded.fabric.lab.world.network import NameServerError

if TYPE_CHECKING:
    from .playground import Playground

SAFE_MODE = {"$secret": "Passw0rd!"}


def _join_domain(lab: Playground, name: str) -> None:
    lab.install_role(name)
    lab.machine(name).dns_client = [lab.machine("hgs01").address]
    lab.call(name, "Install-HgsServer", **lab.joining_parameters())
    lab.restart(name)


def _join(lab: Playground, name: str) -> None:
    _join_domain(lab, name)
    lab.call(name, "Initialize-HgsServer", HgsServerIPAddress=lab.machine("hgs01").address)


def test_the_first_node_serves_after_role_restart_forest_restart_and_initialisation(lab: Playground) -> None:
    lab.make_first_node()
    (server,) = lab.call("hgs01", "Get-HgsServer", ("AttestationOperationMode", "AttestationUrl", "KeyProtectionUrl"))
    assert server == {
        "AttestationOperationMode": "Tpm",
        "AttestationUrl": ["http://hgs.hgs.lab/Attestation"],
        "KeyProtectionUrl": ["http://hgs.hgs.lab/KeyProtection"],
    }
    assert lab.call("hgs01", "Get-ClusterNode", ("Name", "State")) == [{"Name": "hgs01", "State": "Up"}]


def test_each_step_wants_the_one_before(lab: Playground) -> None:
    install: dict[str, Any] = {"HgsDomainName": "hgs.lab", "SafeModeAdministratorPassword": SAFE_MODE}
    assert lab.refusal("hgs01", "Install-HgsServer", **install) == "CommandNotFoundException"
    lab.call("hgs01", "Install-WindowsFeature", Name="HostGuardianServiceRole")
    assert lab.refusal("hgs01", "Install-HgsServer", **install) == "CommandNotFoundException"
    lab.restart("hgs01")
    assert lab.refusal("hgs01", "Initialize-HgsServer", HgsServiceName="hgs") == "HgsServerNotInstalled"
    lab.call("hgs01", "Install-HgsServer", **install)
    assert lab.refusal("hgs01", "Initialize-HgsServer", HgsServiceName="hgs") == "RestartPending"
    assert lab.refusal("hgs01", "Install-HgsServer", **install) == "RestartPending"
    lab.restart("hgs01")
    assert lab.refusal("hgs01", "Get-HgsServer") == "HgsServerNotInitialized"
    assert lab.refusal("hgs01", "Install-HgsServer", **install) == "AlreadyDomainController"


def test_a_directory_that_just_started_does_not_answer_yet(lab: Playground) -> None:
    lab.install_role("hgs01")
    lab.call("hgs01", "Install-HgsServer", HgsDomainName="hgs.lab", SafeModeAdministratorPassword=SAFE_MODE)
    lab.restart("hgs01")
    lab.wait(seconds=-50)
    assert lab.refusal("hgs01", "Get-ADDomain", Current="LocalComputer") == "ActiveDirectoryServer:1355"
    assert lab.refusal("hgs01", "Initialize-HgsServer", HgsServiceName="hgs") == "DirectoryNotReady"
    lab.wait(seconds=50)
    (domain,) = lab.call("hgs01", "Get-ADDomain", ("DNSRoot", "NetBIOSName"), Current="LocalComputer")
    assert domain == {"DNSRoot": "hgs.lab", "NetBIOSName": "HGS"}


def test_a_promotion_that_waits_for_its_restart_shows_in_the_registry(lab: Playground) -> None:
    lab.install_role("hgs01")
    key: dict[str, Any] = {"LiteralPath": r"HKLM:\SYSTEM\CurrentControlSet\Services\NTDS\Parameters"}
    assert lab.refusal("hgs01", "Get-ItemProperty", **key) == "PathNotFound"
    lab.call("hgs01", "Install-HgsServer", HgsDomainName="hgs.lab", SafeModeAdministratorPassword=SAFE_MODE)
    found = lab.call("hgs01", "Get-ItemProperty", ("DSA Database file",), **key)
    assert found == [{"DSA Database file": r"C:\Windows\NTDS\ntds.dit"}]


def test_initialising_twice_is_refused(lab: Playground) -> None:
    lab.make_first_node()
    assert lab.refusal("hgs01", "Initialize-HgsServer", HgsServiceName="other") == "AlreadyInitialized"


@pytest.mark.parametrize("password", ["short1!", "alllowercase", "NoDigitsHere"])
def test_a_simple_safe_mode_password_is_refused(lab: Playground, password: str) -> None:
    lab.install_role("hgs01")
    parameters: dict[str, Any] = {"HgsDomainName": "hgs.lab", "SafeModeAdministratorPassword": {"$secret": password}}
    expected = "PasswordNotComplex"
    if password == "short1!":
        lab.call("hgs01", "Install-HgsServer", **parameters)
    else:
        assert lab.refusal("hgs01", "Install-HgsServer", **parameters) == expected


def test_a_name_that_is_no_domain_name_is_refused(lab: Playground) -> None:
    lab.install_role("hgs01")
    refused = lab.refusal("hgs01", "Install-HgsServer", HgsDomainName="hgs", SafeModeAdministratorPassword=SAFE_MODE)
    assert refused == "InvalidDomainName"


def test_a_new_forest_cannot_have_the_name_of_one_that_is_there_or_lie_below_it(lab: Playground) -> None:
    lab.install_role("hgs01")
    for name in ("fabric.lab", "hgs.fabric.lab"):
        refused = lab.refusal("hgs01", "Install-HgsServer", HgsDomainName=name, SafeModeAdministratorPassword=SAFE_MODE)
        assert refused == "DomainExists"


def test_a_pfx_with_another_password_is_refused_and_nothing_is_made(lab: Playground) -> None:
    lab.install_role("hgs01")
    lab.call("hgs01", "Install-HgsServer", HgsDomainName="hgs.lab", SafeModeAdministratorPassword=SAFE_MODE)
    lab.restart("hgs01")
    wrong = {**lab.first_node_parameters(), "EncryptionCertificatePassword": {"$secret": "another"}}
    assert lab.refusal("hgs01", "Initialize-HgsServer", **wrong) == "InvalidCertificate"
    assert lab.refusal("hgs01", "Get-HgsServer") == "HgsServerNotInitialized"


def test_a_further_node_finds_its_domain_only_through_dns(lab: Playground) -> None:
    lab.make_first_node()
    lab.install_role("hgs02")
    assert lab.refusal("hgs02", "Install-HgsServer", **lab.joining_parameters()) == "DomainNotFound"
    lab.call(
        "hgs02", "Set-DnsClientServerAddress", InterfaceAlias="Ethernet", ServerAddresses=[lab.machine("hgs01").address]
    )
    assert lab.refusal("hgs02", "Install-HgsServer", **lab.joining_parameters("wrong")) == "LogonFailure"
    lab.call("hgs02", "Install-HgsServer", **lab.joining_parameters())


def test_a_further_node_has_the_key_certificates_after_minutes(lab: Playground) -> None:
    lab.make_first_node()
    _join(lab, "hgs02")
    assert lab.call("hgs02", "Get-HgsServer", ("AttestationOperationMode",)) == [{"AttestationOperationMode": "Tpm"}]
    asked = ("Get-HgsKeyProtectionCertificate", ("CertificateType",))
    assert lab.call("hgs02", *asked, IsPrimary=True) == []
    assert len(lab.call("hgs01", *asked, IsPrimary=True)) == 2
    lab.wait(minutes=10)
    assert len(lab.call("hgs02", *asked, IsPrimary=True)) == 2


def test_a_further_node_needs_one_that_serves(lab: Playground) -> None:
    lab.make_first_node()
    _join_domain(lab, "hgs02")
    refused = lab.refusal("hgs02", "Initialize-HgsServer", HgsServerIPAddress=lab.machine("hgs03").address)
    assert refused == "HgsServerNotInitialized"
    lab.machine("hgs01").dead = True
    refused = lab.refusal("hgs02", "Initialize-HgsServer", HgsServerIPAddress=lab.machine("hgs01").address)
    assert refused == "HgsServerNotFound"


def test_the_service_name_resolves_to_every_node_and_survives_one(lab: Playground) -> None:
    lab.make_first_node()
    _join(lab, "hgs02")
    addresses = {lab.machine(name).address for name in ("hgs01", "hgs02")}
    assert set(network.resolve(lab.world, lab.clock.now(), lab.machine("hgs01"), "hgs.hgs.lab")) == addresses
    lab.machine("hgs01").dead = True
    reply = network.request(lab.world, lab.clock, lab.machine("hgs02"), "GET", "http://hgs.hgs.lab/attestation/GETINFO")
    assert reply.status == 200
    assert {item["Name"]: item["State"] for item in lab.call("hgs02", "Get-ClusterNode", ("Name", "State"))} == {
        "hgs01": "Down",
        "hgs02": "Up",
    }


def test_clear_takes_a_node_out_and_the_last_one_needs_force(lab: Playground) -> None:
    lab.make_first_node()
    _join(lab, "hgs02")
    lab.call("hgs02", "Clear-HgsServer")
    assert lab.refusal("hgs02", "Get-HgsServer") == "HgsServerNotInitialized"
    assert lab.refusal("hgs01", "Clear-HgsServer") == "LastNode"
    lab.call("hgs01", "Clear-HgsServer", Force=True)
    assert lab.world.clusters == {}
    lab.call("hgs01", "Initialize-HgsServer", **lab.first_node_parameters())


def test_a_changed_mode_is_the_mode_of_every_node(lab: Playground) -> None:
    lab.make_first_node()
    _join(lab, "hgs02")
    lab.call("hgs02", "Set-HgsServer", TrustActiveDirectory=True)
    assert lab.call("hgs01", "Get-HgsServer", ("AttestationOperationMode",)) == [{"AttestationOperationMode": "AD"}]


def test_hgs_knows_nothing_of_the_fabric_and_the_fabric_nothing_of_hgs(lab: Playground) -> None:
    lab.make_first_node()
    now = lab.clock.now()
    with pytest.raises(network.NameNotFoundError):
        network.resolve(lab.world, now, lab.machine("hosta01"), "hgs.hgs.lab")
    with pytest.raises(NameServerError):
        network.resolve(lab.world, now, lab.machine("hgs02"), "dns01.fabric.lab")
    with pytest.raises(network.NameNotFoundError):
        network.resolve(lab.world, now, lab.machine("hgs01"), "dns01.fabric.lab")


def test_a_cluster_belongs_to_its_nodes_only(lab: Playground) -> None:
    lab.make_first_node()
    assert hgs_clusters.cluster_of(lab.world, lab.machine("hgs02")) is None
    assert lab.refusal("dns01", "Get-ClusterNode") == "CommandNotFoundException"
