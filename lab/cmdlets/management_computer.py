# SPDX-License-Identifier: GPL-3.0-or-later
"""The cmdlets of Microsoft.PowerShell.Management for the computer as such."""

from __future__ import annotations

from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import restarts

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Machine

    from .registry import Bound, Session

MODULE: Final = "Microsoft.PowerShell.Management"
_RESTART_DELAY: Final = timedelta(seconds=5)
_ALWAYS: Final = {
    "WinRM": "Windows Remote Management (WS-Management)",
    "Dnscache": "DNS Client",
    "W32Time": "Windows Time",
}
_BY_FEATURE: Final = {
    "AD-Domain-Services": {"NTDS": "Active Directory Domain Services", "ADWS": "Active Directory Web Services"},
    "DNS": {"DNS": "DNS Server"},
    "Failover-Clustering": {"ClusSvc": "Cluster Service"},
    "HostGuardian": {"HgClientService": "HG Client Service"},
    "Hyper-V": {"vmms": "Hyper-V Virtual Machine Management"},
    "Web-Server": {"W3SVC": "World Wide Web Publishing Service"},
}


@cmdlet(MODULE, "Restart-Computer")
def restart_computer(session: Session, p: Bound) -> object:
    """Restart this computer."""
    if {"ComputerName", "Wait", "AsJob", "Delay", "For"} & set(p):
        raise NotEmulatedError("the lab's Restart-Computer restarts the local computer and does not wait")
    restarts.schedule(session.machine, session.clock.now(), _RESTART_DELAY)
    return None


@cmdlet(MODULE, "Get-Service")
def get_service(session: Session, p: Bound) -> object:
    """Return services by name."""
    services = _services(session.machine)
    patterns = [name.lower() for name in p.texts("Name")] or ["*"]
    found = [name for name in services for pattern in patterns if fnmatchcase(name.lower(), pattern)]
    if not found and not set("".join(patterns)) & set("*?["):
        raise CmdletError(
            f"Cannot find any service with service name '{p.texts('Name')[0]}'.",
            "NoServiceFoundForGivenName,Microsoft.PowerShell.Commands.GetServiceCommand",
            "ObjectNotFound",
            "Microsoft.PowerShell.Commands.ServiceCommandException",
        )
    return [
        PSObject(
            "System.ServiceProcess.ServiceController",
            {
                "Name": name,
                "DisplayName": services[name],
                "Status": session.machine.services.get(name, "Running"),
                "StartType": "Automatic",
            },
        )
        for name in found
    ]


def _services(machine: Machine) -> dict[str, str]:
    found = dict(_ALWAYS)
    for feature, services in _BY_FEATURE.items():
        if feature in machine.features:
            found |= services
    if not machine.domain_controller:
        found.pop("NTDS", None)
    return found
