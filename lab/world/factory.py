# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the world of a topology: every machine installed and started, none of them set up for anything yet."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING, Final

from . import endorsement, files, firmware, power, tpm
from .model import Account, Certificate, DnsServer, Firmware, Machine, VirtualDisk, VirtualMachine, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from ansible_collections.guarded.fabric.lab.topology import Group, Hardware, Topology, VirtualMachines

    from .model import MachineKind, Tpm, WindowsVersion

_BUILDS: Final[dict[WindowsVersion, str]] = {
    "2016": "14393.6796",
    "2019": "17763.5458",
    "2022": "20348.2402",
    "2025": "26100.1742",
}
_VENDOR_SINCE: Final = timedelta(days=5 * 365)
_PROGRAMS: Final = (
    r"C:\Windows\System32\ntoskrnl.exe",
    r"C:\Windows\System32\hvix64.exe",
    r"C:\Windows\System32\svchost.exe",
    r"C:\Windows\System32\vmms.exe",
    r"C:\Windows\System32\vmwp.exe",
    r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
    r"C:\Windows\System32\drivers\vmswitch.sys",
    r"C:\Windows\System32\drivers\storport.sys",
)
_FEATURES: Final[dict[MachineKind, tuple[str, ...]]] = {
    "hgs": (),
    "host": (),
    "dns": ("AD-Domain-Services", "DNS", "RSAT-AD-PowerShell", "RSAT-DNS-Server"),
    "tenant": ("RSAT-Shielded-VM-Tools",),
    "guest": ("BitLocker",),
}
_CLUSTER_FEATURES: Final = frozenset({"Failover-Clustering", "RSAT-Clustering-PowerShell"})


@dataclass(frozen=True)
class Passwords:
    """Passwords of the local Administrator by trust domain; a fabric's operators do not share one."""

    guardian: str
    fabric: str
    tenant: str

    def of(self, kind: MachineKind) -> str:
        """Return the password for a kind of machine."""
        if kind == "hgs":
            return self.guardian
        return self.fabric if kind in {"host", "dns"} else self.tenant


def make_world(
    topology: Topology, passwords: Passwords, now: datetime, new_key: Callable[[], bytes] = tpm.new_rsa_key
) -> World:
    """Return the world of a topology, as of `now`. `new_key` makes the keys of TPMs."""
    factory = _Factory(topology, passwords, now, new_key)
    for group in topology.machines:
        for number in range(1, group.count + 1):
            factory.add(group, group.name.format(number))
    hosts = cycle([machine for machine in factory.world.machines.values() if machine.kind == "host"])
    for kind in topology.virtual_machines:
        for number in range(1, kind.count + 1):
            factory.add_virtual_machine(kind, kind.name.format(number), next(hosts))
    factory.connect()
    return factory.world


class _Factory:
    def __init__(self, topology: Topology, passwords: Passwords, now: datetime, new_key: Callable[[], bytes]) -> None:
        self.world = World()
        self._topology = topology
        self._passwords = passwords
        self._now = now
        self._new_key = new_key
        self._addresses: Iterator[str] = iter(topology.addresses())
        self._hardware = {item.name: item for item in topology.hardware}
        for vendor in dict.fromkeys(item.tpm_vendor for item in topology.hardware):
            self.world.tpm_vendors[vendor] = tpm.new_vendor(vendor, now - _VENDOR_SINCE)

    def add(self, group: Group, name: str) -> Machine:
        """Make a machine and start it."""
        machine = self._machine(group.kind, name, group.version)
        machine.edition = group.edition
        if group.cluster:
            machine.failover_cluster = group.cluster
            machine.features |= _CLUSTER_FEATURES
        hardware = self._hardware.get(group.hardware)
        if hardware is not None:
            self._equip(machine, hardware)
        if group.kind == "hgs" and self._topology.trusted_tpm_vendors:
            roots = [Certificate(vendor.der) for vendor in self.world.tpm_vendors.values()]
            machine.stores[endorsement.ROOT_STORE] = roots
        if group.kind == "dns":
            machine.pending_promotion = self._topology.fabric_domain
        power.start(self.world, machine, self._now)
        return machine

    def _machine(self, kind: MachineKind, name: str, version: WindowsVersion) -> Machine:
        account = Account("Administrator", self._passwords.of(kind))
        machine = Machine(
            name=name,
            kind=kind,
            address=next(self._addresses),
            version=version,
            edition="Datacenter",
            accounts={account.name.lower(): account},
            build=_BUILDS[version],
            features=set(_FEATURES[kind]),
        )
        self.world.machines[name] = machine
        return machine

    def _equip(self, machine: Machine, hardware: Hardware) -> None:
        machine.hardware_class = hardware.name
        machine.firmware = Firmware(
            vendor=hardware.vendor,
            version=hardware.firmware,
            secure_boot=hardware.secure_boot,
            iommu=hardware.iommu,
            variables=firmware.factory_variables(hardware.vendor),
            option_roms=[_content(f"option ROM {n} of {hardware.name}") for n in range(hardware.option_roms)],
        )
        machine.tpm = self._tpm(hardware)
        agent = rf"C:\Program Files\{hardware.vendor}\Management Agent\agent.exe"
        machine.installed_software = {path: _content(f"{path} {machine.build}") for path in (*_PROGRAMS, agent)}

    def _tpm(self, hardware: Hardware) -> Tpm:
        if not hardware.endorsement_certificates:
            return tpm.manufacture_without_certificate(hardware.tpm_vendor, self._new_key)
        authority = self.world.tpm_vendors[hardware.tpm_vendor]
        return tpm.manufacture(hardware.tpm_vendor, authority, self._now, self._new_key)

    def add_virtual_machine(self, group: VirtualMachines, name: str, host: Machine) -> None:
        """Make a virtual machine on a host, running, and the guest in it."""
        path = rf"C:\VMs\{name}\{name}.vhdx"
        content = f"{name}: customer records, accounts and keys that only the tenant should ever read\n".encode()
        host.disks[files.key(path)] = VirtualDisk(path, content * 20)
        vm = VirtualMachine(
            id=str(uuid.uuid4()),
            name=name,
            generation=group.generation,
            version=group.configuration_version,
            disks=[path],
            state="Running",
            guest=name,
        )
        host.virtual_machines[vm.id] = vm
        guest = self._machine("guest", name, host.version)
        guest.host = host.name
        power.start(self.world, guest, self._now)

    def connect(self) -> None:
        """Give the fabric's DNS servers the fabric's names, and every machine of the fabric those servers.

        HGS trusts nothing of the fabric's, its names included.
        """
        fabric = [machine for machine in self.world.machines.values() if machine.kind != "hgs"]
        servers = [machine for machine in fabric if machine.kind == "dns"]
        zone = {machine.name.lower(): [machine.address] for machine in fabric}
        for server in servers:
            server.dns_server = DnsServer(zones={self._topology.fabric_domain: dict(zone)})
        for machine in fabric:
            if machine.kind != "dns":
                machine.dns_client = [server.address for server in servers]


def _content(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
