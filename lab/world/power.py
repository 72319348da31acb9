# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a machine runs, and what a start of Windows makes come true.

Lab only: how long a restart takes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from . import code_integrity_events, directory, features, measured_boot, registry_values

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


def start(world: World, machine: Machine, now: datetime) -> None:
    """Start Windows: what waited for a restart comes true, then the boot is measured.

    A machine whose Secure Boot stops the boot manager stays off.
    """
    features.complete(machine)
    registry_values.remove(machine, registry_values.RESTART_PENDING)
    if machine.pending_promotion is not None:
        directory.promote(world, machine, machine.pending_promotion)
        machine.pending_promotion = None
    try:
        measured_boot.measure(machine, now)
    except measured_boot.SecureBootViolationError:
        machine.dead = True
        return
    code_integrity_events.record(machine, now)
