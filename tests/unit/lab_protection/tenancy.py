# SPDX-License-Identifier: GPL-3.0-or-later
"""A tenant, a fabric that it does not trust, and the Host Guardian Service that it does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.lab.cmdlets import (
    bitlocker,
    hgs_client_guardians,
    hgs_key_protection,
    hyper_v,
)
from ansible_collections.guarded.fabric.lab.cmdlets.registry import PSObject
from ansible_collections.guarded.fabric.lab.service import key_protection as service
from ansible_collections.guarded.fabric.lab.world import files, key_certificates, power
from ansible_collections.guarded.fabric.lab.world.model import (
    Certificate,
    KeyCertificate,
    KeyProtectionState,
    Machine,
    VirtualDisk,
    VirtualMachine,
)
from ansible_collections.guarded.fabric.tests.unit.lab_attestation.fabric import Fabric

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES = (bitlocker, hgs_client_guardians, hgs_key_protection, hyper_v, service)
"""Importing them is what registers cmdlets and routes."""
SECRET = b"payroll of 2026: nobody of the fabric may read this\n" * 40
METADATA_PATH = "/KeyProtection/service/metadata/2014-07/metadata.xml"


@dataclass
class Tenancy:
    fabric: Fabric
    host: Machine
    tenant: Machine
    keys: dict[str, Certificate]

    @property
    def service(self) -> KeyProtectionState:
        return self.fabric.world.clusters["hgs.guardian.example"].key_protection

    def run(self, machine: Machine, cmdlet: str, **parameters: object) -> object:
        return self.fabric.run(machine, cmdlet, **parameters)

    def one(self, machine: Machine, cmdlet: str, **parameters: object) -> Mapping[str, object]:
        found = self.run(machine, cmdlet, **parameters)
        (item,) = found if isinstance(found, list) else [found]
        assert isinstance(item, PSObject)
        return item.properties

    def object(self, machine: Machine, cmdlet: str, **parameters: object) -> PSObject:
        found = self.run(machine, cmdlet, **parameters)
        (item,) = found if isinstance(found, list) else [found]
        assert isinstance(item, PSObject)
        return item

    def wait(self, span: timedelta) -> None:
        self.fabric.clock.move(span.total_seconds())

    def machine(self, host: Machine, name: str, *, generation: int = 2, disks: int = 1) -> VirtualMachine:
        """Put a virtual machine on a host, off, and the guest in it."""
        paths = [rf"C:\VMs\{name}\{number}.vhdx" for number in range(disks)]
        for path in paths:
            host.disks[files.key(path)] = VirtualDisk(path, SECRET)
        vm = VirtualMachine(
            f"00000000-0000-0000-0000-{len(host.virtual_machines):012}", name, generation, "10.0", paths
        )
        vm.guest, vm.secure_boot = name, generation > 1
        host.virtual_machines[vm.id] = vm
        self.fabric.world.machines[name] = Machine(
            name, "guest", f"10.0.9.{len(self.fabric.world.machines)}", "2022", "Standard", {}, host=host.name
        )
        return vm

    def guest(self, vm: VirtualMachine) -> Machine:
        return self.fabric.world.machines[vm.guest or ""]

    def trust_fabric(self) -> PSObject:
        """Let the tenant import the guardian of the fabric's HGS; return it."""
        reply = self.fabric.http("GET", METADATA_PATH)
        assert reply.status == 200
        files.write(self.tenant, r"C:\metadata.xml", reply.body)
        return self.object(
            self.tenant, "Import-HgsGuardian", Name="Fabric", Path=r"C:\metadata.xml", AllowUntrustedRoot=True
        )

    def protector(self) -> bytes:
        """Let the tenant make a key protector for its owner guardian and the fabric; return its raw bytes."""
        fabric = self.trust_fabric()
        owner = self.object(self.tenant, "Get-HgsGuardian", Name="Owner")
        made = self.one(self.tenant, "New-HgsKeyProtector", Owner=owner, Guardian=[fabric], AllowUntrustedRoot=True)
        raw = made["RawData"]
        assert isinstance(raw, bytes)
        return raw

    def shield(self, vm: VirtualMachine) -> None:
        """Protect a machine that is off, start it, encrypt its volumes and wait until that is done."""
        self.run(self.host, "Set-VMKeyProtector", VMName=vm.name, KeyProtector=self.protector())
        self.run(self.host, "Set-VMSecurityPolicy", VMName=vm.name, Shielded=True)
        self.run(self.host, "Enable-VMTPM", VMName=vm.name)
        self.run(self.host, "Start-VM", Name=vm.name)
        self.wait(power.RESTART)
        self.run(self.guest(vm), "Enable-BitLocker", MountPoint="C:", TpmProtector=True, SkipHardwareTest=True)
        self.wait(timedelta(minutes=5))
        assert self.one(self.guest(vm), "Get-BitLockerVolume")["VolumeStatus"] == "FullyEncrypted"


def key_protection(keys: dict[str, Certificate]) -> list[KeyCertificate]:
    """Certificates of a service as it begins."""
    state = KeyProtectionState([], keys["communications"])
    key_certificates.add(state, "Signing", keys["signing"], from_pfx=True)
    key_certificates.add(state, "Encryption", keys["encryption"], from_pfx=True)
    return state.certificates
