# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module DnsServer: zones and conditional forwarders.

Error ids of the DNS cmdlets are "WIN32 <number>,<cmdlet>" (winerror.h: 9601 zone does not exist, 9609 zone already
exists).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import DnsServer

    from .registry import Bound, Session

MODULE: Final = "DnsServer"
_NO_ZONE, _ZONE_EXISTS, _NOT_RUNNING, _DIRECTORY_UNAVAILABLE = 9601, 9609, 1722, 9717
_CIM: Final = "Microsoft.Management.Infrastructure.CimException"


@cmdlet(MODULE, "Get-DnsServerZone")
def get_zone(session: Session, p: Bound) -> object:
    """Return zones, forwarders among them."""
    server = _server(session, p, "Get-DnsServerZone")
    names = [name.lower() for name in p.texts("Name")]
    known = list(dict.fromkeys((*server.zones, *server.forwarders, *_directory_zones(session))))
    for name in names:
        if name not in known:
            raise _no_zone(name, session, "Get-DnsServerZone")
    return [_zone(session, server, name) for name in names or known]


@cmdlet(MODULE, "Add-DnsServerConditionalForwarderZone")
def add_conditional_forwarder(session: Session, p: Bound) -> object:
    """Forward questions about a zone to its masters."""
    server = _server(session, p, "Add-DnsServerConditionalForwarderZone")
    name = p.text("Name").lower().rstrip(".")
    if name in {*server.zones, *server.forwarders, *_directory_zones(session)}:
        raise _error(
            f"Failed to create zone {name} on server {session.machine.name.upper()}. The zone already exists.",
            _ZONE_EXISTS,
            "Add-DnsServerConditionalForwarderZone",
            "ResourceExists",
        )
    if "ReplicationScope" in p and not session.machine.domain_controller:
        raise _error(
            f"Failed to create zone {name} on server {session.machine.name.upper()}. "
            "A directory-integrated zone needs a DNS server that is a domain controller.",
            _DIRECTORY_UNAVAILABLE,
            "Add-DnsServerConditionalForwarderZone",
            "InvalidOperation",
        )
    addresses = p.texts("MasterServers")
    for holder in _controllers(session) if "ReplicationScope" in p else [server]:
        holder.forwarders[name] = list(addresses)
        if "ReplicationScope" in p:
            holder.replicated.add(name)
    return _zone(session, server, name) if p.flag("PassThru") else None


@cmdlet(MODULE, "Set-DnsServerConditionalForwarderZone")
def set_conditional_forwarder(session: Session, p: Bound) -> object:
    """Change the masters of a conditional forwarder."""
    if p.parameter_set == "ADZone":
        raise NotEmulatedError("the lab does not move a conditional forwarder between files and Active Directory")
    server = _server(session, p, "Set-DnsServerConditionalForwarderZone")
    name = p.text("Name").lower().rstrip(".")
    if name not in server.forwarders:
        raise _no_zone(name, session, "Set-DnsServerConditionalForwarderZone")
    if "MasterServers" in p:
        addresses = p.texts("MasterServers")
        for holder in _holders(session, server, name):
            holder.forwarders[name] = list(addresses)
    return _zone(session, server, name) if p.flag("PassThru") else None


@cmdlet(MODULE, "Remove-DnsServerZone")
def remove_zone(session: Session, p: Bound) -> object:
    """Remove a zone or a conditional forwarder."""
    server = _server(session, p, "Remove-DnsServerZone")
    name = p.text("Name").lower().rstrip(".")
    if name not in {*server.zones, *server.forwarders}:
        raise _no_zone(name, session, "Remove-DnsServerZone")
    for holder in _holders(session, server, name):
        holder.forwarders.pop(name, None)
        holder.replicated.discard(name)
    server.zones.pop(name, None)
    return None


def _server(session: Session, p: Bound, cmdlet_name: str) -> DnsServer:
    if "ComputerName" in p or "CimSession" in p:
        raise NotEmulatedError("the lab's DNS cmdlets ask the local server only")
    server = session.machine.dns_server
    if server is None:
        raise _error(
            f"Failed to reach the DNS server {session.machine.name.upper()}.", _NOT_RUNNING, cmdlet_name, "NotSpecified"
        )
    return server


def _controllers(session: Session) -> list[DnsServer]:
    """Return the DNS servers of the domain this machine is a controller of; lab only: they agree at once."""
    domain = session.world.domains[session.machine.domain or ""]
    machines = [session.world.machines[name] for name in domain.controllers]
    return [machine.dns_server for machine in machines if machine.dns_server is not None]


def _holders(session: Session, server: DnsServer, name: str) -> list[DnsServer]:
    """Return the servers that hold the same forwarder: those of the domain, or this one alone."""
    return _controllers(session) if name in server.replicated else [server]


def _directory_zones(session: Session) -> list[str]:
    machine = session.machine
    return [machine.domain] if machine.domain_controller and machine.domain else []


def _zone(session: Session, server: DnsServer, name: str) -> PSObject:
    properties: dict[str, object] = {
        "ZoneName": name,
        "ZoneType": "Forwarder" if name in server.forwarders else "Primary",
        "IsDsIntegrated": name in server.replicated or name in _directory_zones(session),
        "IsReverseLookupZone": name.endswith(".arpa"),
    }
    if name in server.forwarders:
        properties["MasterServers"] = list(server.forwarders[name])
    return PSObject(
        "Microsoft.Management.Infrastructure.CimInstance#root/Microsoft/Windows/DNS/DnsServerZone", properties
    )


def _no_zone(name: str, session: Session, cmdlet_name: str) -> CmdletError:
    return _error(
        f"The zone {name} was not found on server {session.machine.name.upper()}.",
        _NO_ZONE,
        cmdlet_name,
        "ObjectNotFound",
    )


def _error(message: str, number: int, cmdlet_name: str, category: str) -> CmdletError:
    return CmdletError(message, f"WIN32 {number},{cmdlet_name}", category, _CIM)
