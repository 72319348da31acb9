# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that run, restart, die and come back, and what a start of Windows makes come true.

Lab only: how long a restart takes, and that virtual machines of a host that restarts stay off.
"""

from __future__ import annotations

from copy import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from . import code_integrity, directory, features, measured_boot, tpm
from .model import Boot

if TYPE_CHECKING:
    from datetime import datetime

    from .model import Machine, VirtualMachine, World

RESTART: Final = timedelta(seconds=90)
"""World time from the shutdown to the moment Windows answers again."""

_DEVICE_GUARD: Final = r"hklm:\system\currentcontrolset\control\deviceguard"
_REQUIRED_FEATURES: Final = "RequirePlatformSecurityFeatures"
_SECURE_BOOT, _DMA_PROTECTION = 1, 2


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
    return vm is not None and vm.state == "Running"


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
    """Start Windows: what waited for a restart comes true, then the boot is measured."""
    features.complete(machine)
    if machine.pending_promotion is not None:
        directory.promote(world, machine, machine.pending_promotion)
        machine.pending_promotion = None
    counter = machine.boot.counter + 1 if machine.boot is not None else 1
    machine.boot = Boot(
        started=now,
        counter=counter,
        settings=copy(machine.settings),
        code_integrity_policy=code_integrity.policy_at_start(machine),
        identity_key=tpm.new_rsa_key() if security_can_run(machine) else None,
    )
    if machine.firmware is not None and machine.tpm is not None:
        measured_boot.measure(world, machine, now)


def security_can_run(machine: Machine) -> bool:
    """Whether virtualization-based security starts: asked for, and the platform has what it is set to need.

    RequirePlatformSecurityFeatures: 0 nothing, 1 Secure Boot, 2 DMA protection, 3 both (sql-docs,
    always-encrypted-enclaves-host-guardian-service-register).
    """
    firmware = machine.firmware
    if firmware is None or not firmware.uefi or not machine.settings.virtualization_based_security:
        return False
    value = machine.registry.get(_DEVICE_GUARD, {}).get(_REQUIRED_FEATURES, _SECURE_BOOT | _DMA_PROTECTION)
    needed = value if isinstance(value, int) else 0
    return bool((firmware.secure_boot or not needed & _SECURE_BOOT) and (firmware.iommu or not needed & _DMA_PROTECTION))


def kill(machine: Machine) -> None:
    """Switch the machine off for good."""
    machine.dead = True
    for vm in machine.virtual_machines.values():
        vm.state = "Off"


def revive(world: World, machine: Machine, now: datetime) -> None:
    """Repair a dead machine and start it."""
    machine.dead = False
    restart(world, machine, now)
