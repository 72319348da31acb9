# SPDX-License-Identifier: GPL-3.0-or-later
"""Failover clusters of Hyper-V hosts: nodes that are paused and resumed, and virtual machines that move between them.

PSD Suspend-ClusterNode and Resume-ClusterNode. A virtual machine whose state is encrypted moves to a host that gets its
keys only (WSD guarded-fabric-and-shielded-vms). Lab only: every virtual machine of a node is a role of the cluster, its
files are on storage that all nodes share, the first node that can take it does, and there is no quorum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import attestation_client, files, power, virtual_machines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .clock import Clock
    from .model import Machine, VirtualMachine, World


class CannotDrainError(Exception):
    """No node can take a virtual machine; the message says which."""


def nodes_of(world: World, machine: Machine) -> list[Machine]:
    """Return the nodes of the cluster that a machine is in, by name; none where it is in none."""
    if machine.failover_cluster is None:
        return []
    found = (item for item in world.machines.values() if item.failover_cluster == machine.failover_cluster)
    return sorted(found, key=lambda item: item.name)


def state_of(world: World, clock: Clock, node: Machine) -> str:
    """Return the state of a node in the cluster's words."""
    if not power.is_up(world, node, clock.now()):
        return "Down"
    return "Paused" if node.is_paused else "Up"


def suspend(world: World, clock: Clock, node: Machine, *, drain: bool) -> None:
    """Pause a node; with `drain`, move what runs on it away first. Raises CannotDrainError: the node is paused then."""
    node.is_paused = True
    if drain:
        for vm in [vm for vm in node.virtual_machines.values() if vm.state == "Running"]:
            target = next((other for other in nodes_of(world, node) if _takes(world, clock, other, vm)), None)
            if target is None:
                raise CannotDrainError(f"No other node can take '{vm.name}' of {node.name}.")
            vm.moved_from = vm.moved_from or node.name
            _move(world, clock, vm, node, target)


def resume(world: World, clock: Clock, node: Machine, *, failback: bool) -> None:
    """Let a node take roles again; with `failback`, those that a drain moved away come back."""
    node.is_paused = False
    for other in nodes_of(world, node) if failback else ():
        for vm in [vm for vm in other.virtual_machines.values() if vm.moved_from == node.name]:
            if _takes(world, clock, node, vm):
                _move(world, clock, vm, other, node)
                vm.moved_from = None


def _takes(world: World, clock: Clock, node: Machine, vm: VirtualMachine) -> bool:
    if state_of(world, clock, node) != "Up" or "Hyper-V" not in node.features:
        return False
    return not virtual_machines.needs_keys(vm) or attestation_client.health_certificate(world, clock, node) is not None


def _move(world: World, clock: Clock, vm: VirtualMachine, source: Machine, target: Machine) -> None:
    virtual_machines.settle(world, source, vm, clock.now())
    for path in _chain(source, vm.disks):
        target.disks[path] = source.disks.pop(path)
    target.virtual_machines[vm.id] = source.virtual_machines.pop(vm.id)
    if vm.id in source.memory:
        target.memory[vm.id] = source.memory.pop(vm.id)
    guest = world.machines.get(vm.guest or "")
    if guest is not None:
        guest.host = target.name


def _chain(host: Machine, disks: Sequence[str]) -> list[str]:
    """Return the keys of disks and of their parents."""
    found: list[str] = []
    waiting = list(disks)
    while waiting:
        disk = host.disks[files.key(waiting.pop())]
        if files.key(disk.path) not in found:
            found.append(files.key(disk.path))
            waiting.extend([disk.parent] if disk.parent is not None else [])
    return found
