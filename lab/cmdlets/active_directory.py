# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module ActiveDirectory: what automation asks to know whether a domain is there and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import directory

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Domain

    from .registry import Bound, Session

MODULE: Final = "ActiveDirectory"
_TYPES: Final = "Microsoft.ActiveDirectory.Management."


@cmdlet(MODULE, "Get-ADDomain")
def get_domain(session: Session, p: Bound) -> object:
    """Return the domain of the computer."""
    domain = _domain(session, p, "Get-ADDomain")
    if "Identity" in p and directory.find(session.world, p.text("Identity")) is not domain:
        raise _not_found(p.text("Identity"), "Get-ADDomain")
    controllers = [f"{name}.{domain.name}".lower() for name in domain.controllers]
    return PSObject(
        _TYPES + "ADDomain",
        {
            "Name": domain.name.partition(".")[0],
            "DNSRoot": domain.name,
            "Forest": domain.name,
            "NetBIOSName": domain.netbios,
            "DistinguishedName": _distinguished(domain),
            "PDCEmulator": controllers[0],
            "ReplicaDirectoryServers": controllers,
            "ObjectClass": "domainDNS",
        },
        base=domain,
    )


@cmdlet(MODULE, "Get-ADComputer")
def get_computer(session: Session, p: Bound) -> object:
    """Return the account of a controller."""
    if "Identity" not in p:
        raise NotEmulatedError("the lab emulates Get-ADComputer -Identity only")
    domain = _domain(session, p, "Get-ADComputer")
    wanted = p.text("Identity").rstrip("$").lower()
    name = next((name for name in domain.controllers if name.lower() == wanted), None)
    if name is None:
        raise _not_found(p.text("Identity"), "Get-ADComputer")
    return PSObject(
        _TYPES + "ADComputer",
        {
            "Name": name.upper(),
            "DNSHostName": f"{name}.{domain.name}".lower(),
            "DistinguishedName": f"CN={name.upper()},OU=Domain Controllers,{_distinguished(domain)}",
            "Enabled": True,
            "SamAccountName": f"{name.upper()}$",
            "ObjectClass": "computer",
        },
    )


def _domain(session: Session, p: Bound, name: str) -> Domain:
    for given in ("Credential", "AuthType", "Server"):
        if given in p:
            raise NotEmulatedError(f"the lab does not emulate {name} -{given}")
    machine = session.machine
    if not directory.answers(machine, session.clock.now()):
        raise CmdletError(
            "Unable to find a default server with Active Directory Web Services running.",
            f"ActiveDirectoryServer:1355,Microsoft.ActiveDirectory.Management.Commands.{name.replace('-', '')}",
            "ResourceUnavailable",
            _TYPES + "ADServerDownException",
        )
    return session.world.domains[machine.domain or ""]


def _not_found(identity: str, name: str) -> CmdletError:
    return CmdletError(
        f"Cannot find an object with identity: '{identity}'.",
        "ActiveDirectoryCmdlet:Microsoft.ActiveDirectory.Management.ADIdentityNotFoundException,"
        f"Microsoft.ActiveDirectory.Management.Commands.{name.replace('-', '')}",
        "ObjectNotFound",
        _TYPES + "ADIdentityNotFoundException",
    )


def _distinguished(domain: Domain) -> str:
    return ",".join(f"DC={label}" for label in domain.name.split("."))
