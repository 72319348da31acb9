# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a change goes that is made on one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import failover

if TYPE_CHECKING:
    from .model import Machine, World


def machines_changed_on(world: World, machine: Machine) -> list[str]:
    """Return the machines that a call on this one can change: itself, and those that share something with it."""
    # A virtual machine that moves between nodes takes its guest along.
    nodes = failover.nodes_of(world, machine)
    guests = [vm.guest for host in (machine, *nodes) for vm in host.virtual_machines.values() if vm.guest]
    # What a guest encrypts lies on its host's disks.
    hosts = [machine.host] if machine.host else []
    domain = world.domains.get(machine.domain or "")
    # A conditional forwarder kept in Active Directory is on every DNS server of the domain.
    controllers = domain.controllers if domain is not None and machine.domain_controller else []
    return list(dict.fromkeys([machine.name, *(node.name for node in nodes), *guests, *hosts, *controllers]))
