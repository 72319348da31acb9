# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module NetTCPIP: the one adapter of a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .dns_client import ADAPTER, ADAPTER_INDEX
from .registry import PSObject, cmdlet

if TYPE_CHECKING:
    from .registry import Bound, Session

MODULE: Final = "NetTCPIP"


@cmdlet(MODULE, "Get-NetIPConfiguration")
def get_ip_configuration(session: Session, _p: Bound) -> object:
    """Return addresses and DNS servers of the adapter."""
    machine = session.machine
    return PSObject(
        "NetIPConfiguration",
        {
            "InterfaceAlias": ADAPTER,
            "InterfaceIndex": ADAPTER_INDEX,
            "IPv4Address": [_address(session)],
            "DNSServer": [PSObject("DnsServerAddresses", {"ServerAddresses": list(machine.dns_client)})],
        },
    )


@cmdlet(MODULE, "Get-NetIPAddress")
def get_ip_address(session: Session, _p: Bound) -> object:
    """Return the addresses of the machine."""
    return [_address(session)]


def _address(session: Session) -> PSObject:
    return PSObject(
        "Microsoft.Management.Infrastructure.CimInstance#root/StandardCimv2/MSFT_NetIPAddress",
        {
            "IPAddress": session.machine.address,
            "InterfaceAlias": ADAPTER,
            "InterfaceIndex": ADAPTER_INDEX,
            "AddressFamily": "IPv4",
            "PrefixOrigin": "Manual",
        },
    )
