# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that run, restart, die and come back, and what a start of Windows makes come true.

Lab only: how long a restart takes, and that virtual machines of a host that restarts stay off.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from . import directory, features, measured_boot

if TYPE_CHECKING:
    from datetime import datetime

    from .model import Machine, VirtualMachine, World

RESTART: Final = timedelta(seconds=40)
"""World time from the shutdown to the moment Windows answers again."""



def is_up(world: World, machine: Machine, now: datetime) -> bool:
    """Whether Windows runs on the machine; a guest needs its virtual machine to run, and the host under it."""
    if machine.dead or (machine.down_until is not None and now < machine.down_until):
        return False
    if machine.host is None:
        return True
    host = world.machines.get(machine.host)
    if host is None or not is_up(world, host, now):
        return False
    vm = virtual_machine_of(host, machine)
    return vm is not None and vm.state == "Running" and not vm.waits_for_recovery_key


def virtual_machine_of(host: Machine, guest: Machine) -> VirtualMachine | None:
    """Return the virtual machine in which a guest runs; None where the host has none for it."""
    return next((vm for vm in host.virtual_machines.values() if vm.guest == guest.name), None)


def ask_for_restart(machine: Machine, now: datetime, delay: timedelta) -> None:
    """Let the machine shut down after a delay, unless a shutdown is scheduled already."""
    if machine.shutdown_at is None:
        machine.shutdown_at = now + delay


def restart(world: World, machine: Machine, now: datetime) -> None:
    """Shut down now and start again; the machine answers after RESTART."""
    machine.shutdown_at = None
    machine.down_until = now + RESTART
    for vm in machine.virtual_machines.values():
        if vm.state == "Running":
            vm.state = "Off"
    start(world, machine, machine.down_until)


def start(world: World, machine: Machine, now: datetime) -> None:
    """Start Windows: what waited for a restart comes true, then the boot is measured.

    A machine whose Secure Boot stops the boot manager stays off.
    """
    features.complete(machine)
    if machine.pending_promotion is not None:
        directory.promote(world, machine, machine.pending_promotion)
        machine.pending_promotion = None
    try:
        measured_boot.measure(machine, now)
    except measured_boot.SecureBootViolationError:
        machine.dead = True


def kill(machine: Machine) -> None:
    """Switch the machine off for good."""
    machine.dead = True
    for vm in machine.virtual_machines.values():
        vm.state = "Off"


def revive(world: World, machine: Machine, now: datetime) -> None:
    """Repair a dead machine and start it."""
    machine.dead = False
    restart(world, machine, now)
