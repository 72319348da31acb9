# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles and features of Windows Server that the lab knows: what they need, bring and change.

Names and which exist: Install-WindowsFeature's published names as the deployment guides use them. Only Datacenter has
HostGuardian (WSD guarded-host-prerequisites). That HostGuardianServiceRole brings the roles it stands on is from WSD
guarded-fabric-choose-where-to-install-hgs and the cmdlets it uses; the exact list of its dependencies is not published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from .model import DnsServer, Edition, WindowsVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Machine

FeatureType = Literal["Role", "Role Service", "Feature"]


@dataclass(frozen=True)
class Feature:
    """A role or feature. `tools` are what -IncludeManagementTools adds."""

    name: str
    display_name: str
    type: FeatureType = "Feature"
    depends_on: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    restart: bool = False
    editions: tuple[Edition, ...] = ("Standard", "Datacenter")
    versions: tuple[WindowsVersion, ...] = ("2016", "2019", "2022", "2025")


_FEATURES: Final = (
    Feature(
        "HostGuardianServiceRole",
        "Host Guardian Service",
        "Role",
        depends_on=("AD-Domain-Services", "DNS", "Failover-Clustering", "Web-Server"),
        tools=("RSAT-AD-PowerShell", "RSAT-DNS-Server", "RSAT-Clustering-PowerShell", "RSAT-Shielded-VM-Tools"),
        restart=True,
    ),
    Feature("AD-Domain-Services", "Active Directory Domain Services", "Role", tools=("RSAT-AD-PowerShell",)),
    Feature("DNS", "DNS Server", "Role", tools=("RSAT-DNS-Server",)),
    Feature("Web-Server", "Web Server (IIS)", "Role", tools=("Web-Mgmt-Tools",)),
    Feature("Web-Mgmt-Tools", "Management Tools", "Role Service"),
    Feature("Hyper-V", "Hyper-V", "Role", tools=("RSAT-Hyper-V-Tools", "Hyper-V-PowerShell"), restart=True),
    Feature(
        "HostGuardian",
        "Host Guardian Hyper-V Support",
        depends_on=("Hyper-V",),
        tools=("Hyper-V-PowerShell",),
        restart=True,
        editions=("Datacenter",),
    ),
    Feature("Failover-Clustering", "Failover Clustering", tools=("RSAT-Clustering-PowerShell",), restart=True),
    Feature("BitLocker", "BitLocker Drive Encryption", restart=True),
    Feature("RSAT-Hyper-V-Tools", "Hyper-V Management Tools"),
    Feature("Hyper-V-PowerShell", "Hyper-V Module for Windows PowerShell"),
    Feature("RSAT-AD-PowerShell", "Active Directory module for Windows PowerShell"),
    Feature("RSAT-DNS-Server", "DNS Server Tools"),
    Feature("RSAT-Clustering-PowerShell", "Failover Cluster Module for Windows PowerShell"),
    Feature("RSAT-Shielded-VM-Tools", "Shielded VM Tools"),
)

BY_NAME: Final = {feature.name.lower(): feature for feature in _FEATURES}

HOST_GUARDIAN: Final = "HostGuardian"
HGS_ROLE: Final = "HostGuardianServiceRole"

_CRASH_CONTROL: Final = r"hklm:\system\currentcontrolset\control\crashcontrol\forcedumpsdisabled"


def available(machine: Machine) -> list[Feature]:
    """Return the features that this machine's Windows has, installed or not."""
    return [
        feature for feature in _FEATURES if machine.edition in feature.editions and machine.version in feature.versions
    ]


def closure(wanted: Iterable[Feature], *, with_tools: bool) -> list[Feature]:
    """Return the features with all they depend on, each once, those they depend on first."""
    found: dict[str, Feature] = {}

    def add(feature: Feature) -> None:
        if feature.name in found:
            return
        for name in feature.depends_on:
            add(BY_NAME[name.lower()])
        found[feature.name] = feature
        for name in feature.tools if with_tools else ():
            add(BY_NAME[name.lower()])

    for feature in wanted:
        add(feature)
    return list(found.values())


def install(machine: Machine, wanted: Iterable[Feature]) -> list[Feature]:
    """Install features that are not there yet; return them. Those that need a restart wait for it."""
    new = [item for item in wanted if item.name not in machine.features | machine.pending_features]
    restart = any(feature.restart for feature in new)
    for feature in new:
        (machine.pending_features if restart else machine.features).add(feature.name)
        if not restart:
            _set_up(machine, feature.name)
    return new


def complete(machine: Machine) -> None:
    """Finish at a start of Windows what waited for it."""
    waiting = sorted(machine.pending_features)
    machine.features |= machine.pending_features
    machine.pending_features.clear()
    for name in waiting:
        _set_up(machine, name)


def _set_up(machine: Machine, name: str) -> None:
    if name == HOST_GUARDIAN:
        # The feature sets VBS up itself and forces dumps off (WSD guarded-host-prerequisites, About-dump-encryption).
        machine.settings.virtualization_based_security = True
        machine.settings.hypervisor_enforced_code_integrity = True
        machine.settings.dumps = False
        machine.registry.setdefault(_CRASH_CONTROL, {})["GuardedHost"] = 1
    if name == "DNS" and machine.dns_server is None:
        machine.dns_server = DnsServer()
