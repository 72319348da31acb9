# SPDX-License-Identifier: GPL-3.0-or-later
"""Which PowerShell modules a machine has, and which of their cmdlets want an elevated session.

What a guide names is tagged with it. HgsClient is on every Windows that can hold guardians: a host, a machine with the
Shielded VM tools; that nothing else has it is the lab's reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.guarded.fabric.lab.world.model import Machine

_ANY_OF: Final[Mapping[str, frozenset[str]]] = {
    "ActiveDirectory": frozenset({"RSAT-AD-PowerShell"}),
    "ADDSDeployment": frozenset({"AD-Domain-Services"}),
    "BitLocker": frozenset({"BitLocker"}),
    "DnsServer": frozenset({"DNS", "RSAT-DNS-Server"}),
    "FailoverClusters": frozenset({"RSAT-Clustering-PowerShell"}),
    "HgsAttestation": frozenset({"HostGuardianServiceRole"}),
    "HgsClient": frozenset({"Hyper-V", "HostGuardian", "RSAT-Shielded-VM-Tools"}),
    "HgsDiagnostics": frozenset({"HostGuardianServiceRole", "HostGuardian"}),
    "HgsKeyProtection": frozenset({"HostGuardianServiceRole"}),
    "HgsServer": frozenset({"HostGuardianServiceRole"}),
    "Hyper-V": frozenset({"Hyper-V-PowerShell"}),
    "IISAdministration": frozenset({"Web-Server"}),
    "ShieldedVMDataFile": frozenset({"RSAT-Shielded-VM-Tools"}),
    "ShieldedVMProvisioning": frozenset({"HostGuardian"}),
    "ShieldedVMTemplate": frozenset({"RSAT-Shielded-VM-Tools"}),
    "WebAdministration": frozenset({"Web-Server"}),
    "kds": frozenset({"RSAT-AD-PowerShell"}),
}
"""Features of which one must be installed; a module that is not listed is part of Windows Server."""

_ELEVATED: Final = frozenset(
    {
        "ActiveDirectory",
        "BitLocker",
        "ConfigCI",
        "DnsServer",
        "FailoverClusters",
        "HgsAttestation",
        "HgsClient",
        "HgsKeyProtection",
        "HgsServer",
        "Hyper-V",
        "PlatformIdentifier",
        "SecureBoot",
        "ServerManager",
        "TrustedPlatformModule",
    }
)


def has_module(machine: Machine, module: str) -> bool:
    """Whether the machine has a PowerShell module now; one that waits for a restart is not there yet."""
    needed = _ANY_OF.get(module)
    return needed is None or bool(needed & machine.features)


def wants_elevation(module: str) -> bool:
    """Whether the cmdlets of a module refuse a session without administrator rights."""
    return module in _ELEVATED


_KEPT_FROM_READERS: Final = frozenset(
    {"get-platformidentifier", "get-hgsattestationbaselinepolicy", "get-vmkeyprotector"}
)


def is_for_readers(cmdlet: str) -> bool:
    """Whether an account that only reads may call a cmdlet: lab only, as each organisation makes such a role itself."""
    name = cmdlet.lower()
    return name.startswith(("get-", "test-path")) and name not in _KEPT_FROM_READERS
