# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module DnsClient. Every machine of the lab has one network adapter, called Ethernet, for IPv4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import network
from ansible_collections.guarded.fabric.lab.world.addresses import is_address

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet
from .wildcards import matches

if TYPE_CHECKING:
    from .registry import Bound, Session

MODULE: Final = "DnsClient"
ADAPTER: Final = "Ethernet"
ADAPTER_INDEX: Final = 4
_IPV4: Final = 2
"""AddressFamily of Get-DnsClientServerAddress's objects (MSFT_DNSClientServerAddress)."""
_CLASS: Final = "Microsoft.Management.Infrastructure.CimInstance#root/StandardCimv2/MSFT_DNSClientServerAddress"
_CIM: Final = "Microsoft.Management.Infrastructure.CimException"


@cmdlet(MODULE, "Get-DnsClientServerAddress")
def get_server_address(session: Session, p: Bound) -> object:
    """Return the DNS servers that the adapter's client asks."""
    if "IPv4" not in (p.texts("AddressFamily") or ["IPv4"]):
        return None
    _check_adapter(p, "Get-DnsClientServerAddress")
    return _addresses(session)


@cmdlet(MODULE, "Set-DnsClientServerAddress")
def set_server_address(session: Session, p: Bound) -> object:
    """Set the DNS servers that the adapter's client asks."""
    if "Validate" in p:
        raise NotEmulatedError("the lab does not emulate Set-DnsClientServerAddress -Validate")
    _check_adapter(p, "Set-DnsClientServerAddress")
    addresses = [] if p.flag("ResetServerAddresses") else p.texts("ServerAddresses")
    if not all(is_address(address) for address in addresses):
        error_id = "WINDOWS System Error 87,Set-DnsClientServerAddress"
        raise CmdletError("Invalid parameter", error_id, "InvalidArgument", _CIM)
    session.machine.dns_client = addresses
    return _addresses(session) if p.flag("PassThru") else None


@cmdlet(MODULE, "Resolve-DnsName")
def resolve_name(session: Session, p: Bound) -> object:
    """Return the address records of a name, as this machine sees it or as a server given sees it."""
    name = p.text("Name").lower().rstrip(".")
    if p.text("Type", "A").upper() not in {"A", "A_AAAA"}:
        raise NotEmulatedError("the lab's DNS has address records only")
    now = session.clock.now()
    try:
        if "Server" in p:
            found = network.ask(session.world, now, session.machine, p.texts("Server")[0], name)
        else:
            found = network.resolve(session.world, now, session.machine, name)
    except network.NameNotFoundError as error:
        raise CmdletError(
            f"{name} : DNS name does not exist",
            "DNS_ERROR_RCODE_NAME_ERROR,Microsoft.DnsClient.Commands.ResolveDnsName",
            "ResourceUnavailable",
            "System.ComponentModel.Win32Exception",
        ) from error
    except network.NetworkError as error:
        raise CmdletError(
            f"{name} : This operation returned because the timeout period expired",
            "ERROR_TIMEOUT,Microsoft.DnsClient.Commands.ResolveDnsName",
            "OperationTimeout",
            "System.ComponentModel.Win32Exception",
        ) from error
    return [
        PSObject(
            "Microsoft.DnsClient.Commands.DnsRecord_A",
            {"Name": name, "Type": "A", "TTL": 1200, "Section": "Answer", "IPAddress": address},
        )
        for address in found
    ]


def _check_adapter(p: Bound, name: str) -> None:
    stranger = [alias for alias in p.texts("InterfaceAlias") if not matches(alias, ADAPTER)]
    stranger += [index for index in p.texts("InterfaceIndex") if index != str(ADAPTER_INDEX)]
    if stranger:
        raise CmdletError(
            f"No MSFT_DNSClientServerAddress objects found with property 'InterfaceAlias' equal to '{stranger[0]}'. "
            "Verify the value of the property and retry.",
            f"CmdletizationQuery_NotFound_InterfaceAlias,{name}",
            "ObjectNotFound",
            "Microsoft.PowerShell.Cmdletization.CmdletizationException",
        )


def _addresses(session: Session) -> PSObject:
    return PSObject(
        _CLASS,
        {
            "InterfaceAlias": ADAPTER,
            "InterfaceIndex": ADAPTER_INDEX,
            "AddressFamily": _IPV4,
            "ServerAddresses": list(session.machine.dns_client),
        },
    )
