# SPDX-License-Identifier: GPL-3.0-or-later
"""Active Directory domains: who may log on where, and how a server becomes a domain controller."""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from .model import DnsServer, Domain

if TYPE_CHECKING:
    from datetime import datetime

    from .model import Account, Machine, World

DATABASE_FOLDER: Final = r"C:\Windows\NTDS"
STARTING: Final = timedelta(seconds=30)
"""World time from the start of a controller until its directory answers; MSLab polls for that. Lab only: how long."""

_DIRECTORY_KEY: Final = r"hklm:\system\currentcontrolset\services\ntds\parameters"
_LOOPBACK: Final = "127.0.0.1"
_NETBIOS_LENGTH: Final = 15


def find(world: World, name: str) -> Domain | None:
    """Return a domain by its DNS or NetBIOS name."""
    wanted = name.lower()
    known = world.domains.get(wanted)
    return known or next((domain for domain in world.domains.values() if domain.netbios.lower() == wanted), None)


def account(world: World, machine: Machine, user: str) -> Account | None:
    r"""Return the account that a name stands for at a machine: `user`, `AUTHORITY\user` or `user@domain`.

    A domain controller has no local accounts: there a bare name is the domain's.
    """
    authority, backslash, name = user.rpartition("\\")
    if not backslash and "@" in user:
        name, _, authority = user.rpartition("@")
    local = {"", ".", machine.name.lower()}
    if machine.domain_controller:
        domain = find(world, authority) if authority else find(world, machine.domain or "")
        return _of(domain.accounts, name) if domain is not None and domain.name == machine.domain else None
    if authority.lower() in local:
        return _of(machine.accounts, name)
    domain = find(world, authority)
    return _of(domain.accounts, name) if domain is not None and domain.name == machine.domain else None


def answers(machine: Machine, now: datetime) -> bool:
    """Whether the directory of a controller answers: some time after its start."""
    return machine.domain_controller and machine.boot is not None and now >= machine.boot.started + STARTING


def domain_account(domain: Domain, user: str) -> Account | None:
    r"""Return an account of a domain by `user`, `DOMAIN\user` or `user@domain`; None for a name of another domain."""
    authority, backslash, name = user.rpartition("\\")
    if not backslash and "@" in user:
        name, _, authority = user.rpartition("@")
    if authority and authority.lower() not in {domain.name.lower(), domain.netbios.lower()}:
        return None
    return _of(domain.accounts, name)


def _of(accounts: dict[str, Account], name: str) -> Account | None:
    return accounts.get(name.lower())


def netbios_name(domain: str) -> str:
    """Return the NetBIOS name a new domain gets by default."""
    return domain.partition(".")[0].upper()[:_NETBIOS_LENGTH]


def prepare_promotion(machine: Machine, name: str, database_folder: str) -> None:
    """Let a server become a controller at its next start. Where its database will be is in the registry from now on."""
    machine.pending_promotion = name.lower()
    machine.registry.setdefault(_DIRECTORY_KEY, {})["DSA Database file"] = database_folder + r"\ntds.dit"


def promote(world: World, machine: Machine, name: str) -> None:
    """Make a server a controller of a domain, the first one if the domain is not there yet.

    The local accounts of the first controller become the domain's; those of a further one are gone.
    """
    domain = world.domains.get(name.lower())
    if domain is None:
        accounts = {key: copy(item) for key, item in machine.accounts.items()}
        domain = Domain(name.lower(), netbios_name(name), accounts)
        world.domains[domain.name] = domain
    machine.accounts.clear()
    machine.domain = domain.name
    machine.domain_controller = True
    if machine.name not in domain.controllers:
        domain.controllers.append(machine.name)
    if machine.dns_server is None:
        machine.dns_server = DnsServer()
    # Promotion makes a controller ask itself; a further one keeps asking the one it was pointed at first.
    others = [address for address in machine.dns_client if address != _LOOPBACK]
    first = domain.controllers == [machine.name]
    machine.dns_client = [_LOOPBACK] if first else [*others, _LOOPBACK]
