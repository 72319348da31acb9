# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a fabric that no administrator ordered: broken nodes, changed firmware, theft, strangers."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .world import (
    endorsement,
    files,
    firmware_changes,
    hgs_clusters,
    host_conditions,
    power,
    restarts,
    tpm,
    updates,
    virtual_machines,
)
from .world.attestation_client import current_status
from .world.model import Account, Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .world.clock import Clock
    from .world.model import VirtualMachine, World


# Shorter runs of letters occur in cipher text by chance.
_TEXT: Final = re.compile(rb"[\x20-\x7e]{12,}")
_SHOWN_TEXTS: Final = 3


class StoryError(ValueError):
    """It cannot happen like this."""


class Story:
    """Events and what can be seen of the world from above."""

    def __init__(self, world: World, clock: Clock) -> None:
        """Tell of a world."""
        self._world = world
        self._clock = clock

    def status(self) -> dict[str, object]:
        """Return nodes, hosts and virtual machines as they are."""
        now = self._clock.now()
        machines = self._world.machines.values()
        return {
            "world_time": now.isoformat(timespec="seconds"),
            "time_scale": self._clock.scale,
            "machines": [
                {
                    "name": machine.name,
                    "kind": machine.kind,
                    "address": machine.address,
                    "power": self._power(machine),
                    "domain": machine.domain,
                }
                for machine in machines
            ],
            "nodes": [self._node(machine) for machine in machines if machine.kind == "hgs"],
            "hosts": [self._host(machine) for machine in machines if machine.kind == "host"],
            "virtual_machines": [
                self._virtual_machine(machine, vm) for machine in machines for vm in machine.virtual_machines.values()
            ],
        }

    def _power(self, machine: Machine) -> str:
        if machine.dead:
            return "dead"
        if power.is_up(self._world, machine, self._clock.now()):
            return "up"
        return "off" if machine.host is not None else "restarting"

    def _node(self, machine: Machine) -> Mapping[str, object]:
        cluster = hgs_clusters.cluster_of(self._world, machine)
        return {
            "name": machine.name,
            "power": self._power(machine),
            "domain": machine.domain,
            "service": hgs_clusters.service_address(cluster) if cluster else None,
            "mode": cluster.attestation.mode if cluster else None,
            "key_certificates": cluster is not None
            and hgs_clusters.has_key_certificates(cluster, machine, self._clock.now()),
        }

    def _host(self, machine: Machine) -> Mapping[str, object]:
        return {
            "name": machine.name,
            "power": self._power(machine),
            "hardware_class": machine.hardware_class,
            "firmware": machine.firmware.version if machine.firmware else None,
            "status": current_status(machine, self._clock.now()),
            "substatus": list(machine.client.substatus),
        }

    def _virtual_machine(self, host: Machine, vm: VirtualMachine) -> Mapping[str, object]:
        disks = [host.disks[files.key(path)] for path in vm.disks if files.key(path) in host.disks]
        return {
            "name": vm.name,
            "host": host.name,
            "state": vm.state,
            "shielded": vm.shielded,
            "tpm": vm.tpm_enabled,
            "encrypted": bool(disks) and all(disk.bitlocker is not None for disk in disks),
        }

    def _machine(self, name: str) -> Machine:
        machine = self._world.machines.get(name.lower())
        if machine is None:
            raise StoryError(f"no machine is called {name}")
        return machine

    def tamper_firmware(self, host: str) -> str:
        """Let somebody enroll an authority of their own in a host's firmware; the host restarts and measures it."""
        machine = self._machine(host)
        if machine.firmware is None:
            raise StoryError(f"{host} has no firmware of its own")
        firmware_changes.enroll_authority(machine.firmware, "Somebody Else's CA")
        restarts.restart(self._world, machine, self._clock.now())
        return f"{machine.name} restarts with another authority in its Secure Boot database"

    def make_unready(self, host: str, condition: str) -> str:
        """Bring a host into a condition that keeps it from being a guarded host; for most it restarts."""
        machine = self._changed(host, "condition", condition, host_conditions.CONDITIONS)
        if condition in host_conditions.WITHOUT_RESTART:
            return f"{machine.name}: {condition}"
        restarts.restart(self._world, machine, self._clock.now())
        return f"{machine.name} restarts: {condition}"

    def update_host(self, host: str, update: str) -> str:
        """Let an update or another change come to a host; the host restarts and measures it."""
        machine = self._changed(host, "update", update, updates.UPDATES)
        restarts.restart(self._world, machine, self._clock.now())
        return f"{machine.name} restarts with another state of {update}"

    def stage_update(self, host: str, update: str) -> str:
        """Let a change come to a host that takes effect when somebody restarts it."""
        machine = self._changed(host, "update", update, updates.UPDATES)
        return f"{machine.name} will start with another state of {update}"

    def _changed(self, host: str, what: str, name: str, known: Mapping[str, Callable[[Machine], None]]) -> Machine:
        machine = self._machine(host)
        change = known.get(name)
        if change is None:
            raise StoryError(f"there is no {what} {name!r}; there are {', '.join(known)}")
        try:
            change(machine)
        except ValueError as error:
            raise StoryError(str(error)) from error
        return machine

    def copy_vm(self, vm: str, to: str) -> str:
        """Copy a virtual machine's files, configuration and disks, to another host, as a thief does."""
        target = self._machine(to)
        found = [(host, item) for host, item in self._all_virtual_machines() if item.name.lower() == vm.lower()]
        if not found:
            raise StoryError(f"no virtual machine is called {vm}")
        host, original = found[0]
        if host is target:
            raise StoryError(f"{vm} is on {to} already")
        virtual_machines.copy_away(self._world, host, original, target, self._clock.now())
        return f"{original.name} of {host.name} lies on {target.name} too"

    def read_disk(self, vm: str, on: str) -> str:
        """Say what somebody reads who opens a virtual machine's disks on a host without starting it."""
        host = self._machine(on)
        machine = next((item for item in host.virtual_machines.values() if item.name.lower() == vm.lower()), None)
        if machine is None:
            raise StoryError(f"{on} has no virtual machine {vm}")
        lines = []
        for path in machine.disks:
            volume = virtual_machines.disk(host, path).volume
            texts = [run.decode("ascii") for run in _TEXT.findall(volume)]
            shown = "; ".join(texts[:_SHOWN_TEXTS]) or "nothing but cipher text"
            lines.append(f"{path} on {host.name}: {len(volume)} bytes, readable text: {shown}")
        return "\n".join(lines)

    def _all_virtual_machines(self) -> list[tuple[Machine, VirtualMachine]]:
        return [(host, vm) for host in self._world.machines.values() for vm in host.virtual_machines.values()]

    def add_rogue(self, name: str) -> str:
        """Add a host like the others, with a genuine TPM, that nobody registered."""
        if name.lower() in self._world.machines:
            raise StoryError(f"a machine is called {name} already")
        models = [machine for machine in self._world.machines.values() if machine.kind == "host" and machine.tpm]
        if not models:
            raise StoryError("there is no host to be like")
        model = models[0]
        vendor = model.tpm.vendor if model.tpm else ""
        administrator = model.accounts["administrator"]
        rogue = Machine(
            name=name.lower(),
            kind="host",
            address=self._free_address(),
            version=model.version,
            edition=model.edition,
            accounts={"administrator": Account(administrator.name, administrator.password)},
            build=model.build,
            dns_client=list(model.dns_client),
            hardware_class=model.hardware_class,
            firmware=deepcopy(model.firmware),
            tpm=tpm.manufacture(vendor, self._world.tpm_vendors[vendor], self._clock.now()),
            installed_software=dict(model.installed_software),
        )
        self._world.machines[rogue.name] = rogue
        power.start(self._world, rogue, self._clock.now())
        return f"{rogue.name} runs at {rogue.address}, with a TPM by {vendor} ({self._identifier(rogue)})"

    def add_reader(self, name: str, password: str) -> str:
        """Let everyone's auditor log on to every machine that there is, with an account that only reads."""
        account = Account(name, password, reads_only=True)
        for machine in self._world.machines.values():
            if machine.accounts:  # a domain controller has none of its own
                machine.accounts[name.lower()] = replace(account)
        for domain in self._world.domains.values():
            domain.accounts[name.lower()] = replace(account)
        return f"{name} may read"

    def _identifier(self, machine: Machine) -> str:
        return endorsement.identifier(tpm.endorsement_key(machine.tpm)) if machine.tpm else ""

    def _free_address(self) -> str:
        taken = [tuple(int(part) for part in machine.address.split(".")) for machine in self._world.machines.values()]
        *network, last = max(taken)
        return ".".join(str(part) for part in (*network, last + 1))

    def kill(self, machine: str) -> str:
        """Break a machine."""
        restarts.kill(self._world, self._machine(machine), self._clock.now())
        return f"{machine} is dead"

    def break_restart(self, machine: str) -> str:
        """Let a machine run on until its next restart, which never ends."""
        restarts.break_restart(self._machine(machine))
        return f"{machine} will not come back from its next restart"

    def revive(self, machine: str) -> str:
        """Repair a machine and start it."""
        restarts.revive(self._world, self._machine(machine), self._clock.now())
        return f"{machine} starts"

    def move_clock(self, hours: float) -> str:
        """Move the time of all machines."""
        self._clock.move(hours * 3600)
        return f"it is {self._clock.now().isoformat(timespec='seconds')}"
