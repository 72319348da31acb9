# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that restart, break and are repaired. Lab only: virtual machines of a host that restarts stay off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import power, virtual_machines

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from .model import Machine, World


def schedule(machine: Machine, now: datetime, delay: timedelta) -> None:
    """Let the machine restart after a delay, unless it will anyway."""
    if machine.shutdown_at is None:
        machine.shutdown_at = now + delay


def restart(world: World, machine: Machine, now: datetime) -> None:
    """Shut down now and start again; the machine answers after `power.RESTART`, unless it gets stuck."""
    _go_down(world, machine, now)
    if machine.stuck_at_restart:
        machine.stuck_at_restart = False
        machine.dead = True
        return
    machine.down_until = now + power.RESTART
    power.start(world, machine, machine.down_until)


def kill(world: World, machine: Machine, now: datetime) -> None:
    """Switch the machine off for good."""
    _go_down(world, machine, now)
    machine.dead = True


def break_restart(machine: Machine) -> None:
    """Let the machine's next restart come to no end."""
    machine.stuck_at_restart = True


def revive(world: World, machine: Machine, now: datetime) -> None:
    """Repair a dead machine and start it."""
    machine.dead = False
    restart(world, machine, now)


def _go_down(world: World, machine: Machine, now: datetime) -> None:
    machine.shutdown_at = None
    for vm in machine.virtual_machines.values():
        if vm.state == "Running":
            virtual_machines.stop(world, machine, vm, now)
