# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module Hyper-V, its part about virtual machines that are there: state, disks, firmware, TPM, protection.

Error ids and the sentence for a machine that is not there: as Hyper-V's cmdlets are seen to answer. Properties:
Microsoft's and others' code that reads them (GuardedFabricTools, WMI).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ansible_collections.guarded.fabric.lab.world import bitlocker, files, virtual_machines
from ansible_collections.guarded.fabric.lab.world.model import VirtualMachine
from ansible_collections.guarded.fabric.lab.world.virtual_machines import HyperVError

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet
from .wildcards import has_wildcards, matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.guarded.fabric.lab.world.model import Machine, VirtualDisk

    from .registry import Bound, Session

MODULE: Final = "Hyper-V"
_EXCEPTION: Final = "Microsoft.HyperV.PowerShell.VirtualizationException"
_REMOTE: Final = ("CimSession", "ComputerName", "Credential", "AsJob", "ClusterObject")
_GIGABYTE: Final = 1 << 30
_CAPACITY: Final = 40 * _GIGABYTE
"""Size of every disk as the guest sees it (lab only)."""


@cmdlet(MODULE, "Get-VM")
def get_vm(session: Session, p: Bound) -> object:
    """Return virtual machines, by name (wildcards), by id, or all."""
    with _answers("GetVM"):
        if "Id" in p:
            found = [vm for vm in _all(session) if UUID(vm.id) == p.get("Id")]
            if not found:
                raise HyperVError(
                    f'Hyper-V was unable to find a virtual machine with id "{p.get("Id")}".', "InvalidParameter"
                )
        else:
            found = _chosen(session, p, "Name") if "Name" in p else _all(session)
        return [_vm_object(session.machine, vm) for vm in found]


@cmdlet(MODULE, "Start-VM")
def start_vm(session: Session, p: Bound) -> object:
    """Start virtual machines; for one that runs there is only a warning."""
    with _answers("StartVM"):
        found = _chosen(session, p, "Name")
        for vm in found:
            if vm.state == "Running":
                session.warn("The virtual machine is already in the specified state.")
            else:
                virtual_machines.start(session.world, session.clock, session.machine, vm)
        return _passed(session, p, found)


@cmdlet(MODULE, "Stop-VM")
def stop_vm(session: Session, p: Bound) -> object:
    """Shut virtual machines down or turn them off, which is the same here."""
    if p.flag("Save"):
        raise NotEmulatedError("the lab does not emulate Stop-VM -Save")
    with _answers("StopVM"):
        found = _chosen(session, p, "Name")
        for vm in found:
            if vm.state == "Off":
                session.warn("The virtual machine is already in the specified state.")
            else:
                virtual_machines.stop(session.world, session.machine, vm, session.clock.now())
        return _passed(session, p, found)


@cmdlet(MODULE, "Get-VMSecurity")
def get_vm_security(session: Session, p: Bound) -> object:
    """Return the security settings of virtual machines."""
    with _answers("GetVMSecurity"):
        return [
            PSObject(
                "Microsoft.HyperV.PowerShell.VMSecurity",
                {
                    "VMName": vm.name,
                    "VMId": UUID(vm.id),
                    "TpmEnabled": vm.tpm_enabled,
                    "KsdEnabled": False,
                    "Shielded": vm.shielded,
                    "EncryptStateAndVmMigrationTraffic": vm.encrypt_state,
                    "VirtualizationBasedSecurityOptOut": vm.virtualization_based_security_opt_out,
                    "BindToHostTpm": False,
                },
                base=vm,
            )
            for vm in _chosen(session, p, "VMName")
        ]


@cmdlet(MODULE, "Set-VMSecurity")
def set_vm_security(session: Session, p: Bound) -> object:
    """Change what is encrypted, and whether the guest may use virtualization-based security."""
    with _answers("SetVMSecurity"):
        found = _chosen(session, p, "VMName")
        for vm in found:
            if "EncryptStateAndVmMigrationTraffic" in p:
                virtual_machines.set_state_encryption(vm, encrypted=p.flag("EncryptStateAndVmMigrationTraffic"))
            if "VirtualizationBasedSecurityOptOut" in p:
                vm.virtualization_based_security_opt_out = p.flag("VirtualizationBasedSecurityOptOut")
        return _passed(session, p, found)


@cmdlet(MODULE, "Set-VMSecurityPolicy")
def set_vm_security_policy(session: Session, p: Bound) -> object:
    """Shield virtual machines, or no longer."""
    with _answers("SetVMSecurityPolicy"):
        found = _chosen(session, p, "VMName")
        for vm in found:
            if "Shielded" in p:
                virtual_machines.set_shielded(session.machine, vm, shielded=p.flag("Shielded"))
        return _passed(session, p, found)


@cmdlet(MODULE, "Enable-VMTPM")
def enable_vm_tpm(session: Session, p: Bound) -> object:
    """Give virtual machines a TPM."""
    with _answers("EnableVMTPM"):
        found = _chosen(session, p, "VMName")
        for vm in found:
            virtual_machines.enable_tpm(vm)
        return _passed(session, p, found)


@cmdlet(MODULE, "Disable-VMTPM")
def disable_vm_tpm(session: Session, p: Bound) -> object:
    """Take the TPM of virtual machines away."""
    with _answers("DisableVMTPM"):
        found = _chosen(session, p, "VMName")
        for vm in found:
            virtual_machines.disable_tpm(vm)
        return _passed(session, p, found)


@cmdlet(MODULE, "Get-VMKeyProtector")
def get_vm_key_protector(session: Session, p: Bound) -> object:
    """Return the raw bytes of key protectors: 0, 0, 0, 4 where there is none."""
    with _answers("GetVMKeyProtector"):
        return [vm.key_protector for vm in _chosen(session, p, "VMName")]


@cmdlet(MODULE, "Set-VMKeyProtector")
def set_vm_key_protector(session: Session, p: Bound) -> object:
    """Give virtual machines a key protector, one by a guardian of this host alone, or the last good one."""
    ways = [
        name for name in ("KeyProtector", "NewLocalKeyProtector", "RestoreLastKnownGoodKeyProtector") if p.get(name)
    ]
    with _answers("SetVMKeyProtector"):
        found = _chosen(session, p, "VMName")
        if len(ways) != 1:
            raise HyperVError("One key protector, and in one way, must be given.", "InvalidParameter")
        for vm in found:
            if ways == ["KeyProtector"]:
                virtual_machines.set_key_protector(vm, p.data("KeyProtector"))
            elif ways == ["NewLocalKeyProtector"]:
                virtual_machines.make_local_key_protector(session.machine, vm, session.clock.now())
            else:
                virtual_machines.restore_key_protector(vm)
        return _passed(session, p, found)


@cmdlet(MODULE, "Get-VMFirmware")
def get_vm_firmware(session: Session, p: Bound) -> object:
    """Return the firmware settings of generation 2 virtual machines."""
    if "VMSnapshot" in p:
        raise NotEmulatedError("the lab does not emulate Get-VMFirmware -VMSnapshot")
    with _answers("GetVMFirmware"):
        return [_firmware_object(vm) for vm in _generation_2(_chosen(session, p, "VMName"))]


@cmdlet(MODULE, "Set-VMFirmware")
def set_vm_firmware(session: Session, p: Bound) -> object:
    """Switch Secure Boot of generation 2 virtual machines on or off."""
    strange = set(p) - {"VMName", "VM", "EnableSecureBoot", "Passthru"} - set(_REMOTE)
    if strange:
        raise NotEmulatedError(f"the lab does not emulate Set-VMFirmware -{min(strange)}")
    with _answers("SetVMFirmware"):
        found = _generation_2(_chosen(session, p, "VMName"))
        for vm in found:
            if "EnableSecureBoot" in p:
                virtual_machines.set_secure_boot(vm, enabled=p.text("EnableSecureBoot") == "On")
        return [_firmware_object(vm) for vm in found] if p.flag("Passthru") else None


@cmdlet(MODULE, "Get-VMHardDiskDrive")
def get_vm_hard_disk_drive(session: Session, p: Bound) -> object:
    """Return the disks that are attached to virtual machines."""
    strange = set(p) & {"VMSnapshot", "VMDriveController", "ControllerLocation", "ControllerNumber", "ControllerType"}
    if strange:
        raise NotEmulatedError(f"the lab does not emulate Get-VMHardDiskDrive -{min(strange)}")
    with _answers("GetVMHardDiskDrive"):
        return [
            PSObject(
                "Microsoft.HyperV.PowerShell.HardDiskDrive",
                {
                    "VMName": vm.name,
                    "VMId": UUID(vm.id),
                    "Path": path,
                    "ControllerType": "SCSI" if vm.generation > 1 else "IDE",
                    "ControllerNumber": 0,
                    "ControllerLocation": location,
                    "DiskNumber": None,
                },
                base=path,
            )
            for vm in _chosen(session, p, "VMName")
            for location, path in enumerate(vm.disks)
        ]


@cmdlet(MODULE, "Get-VHD")
def get_vhd(session: Session, p: Bound) -> object:
    """Return what is known of disk files, by path or by the machine they belong to."""
    if "DiskNumber" in p:
        raise NotEmulatedError("the lab does not emulate Get-VHD -DiskNumber")
    with _answers("GetVHD", "Microsoft.Vhd.PowerShell.Cmdlets"):
        _refuse_remote(p)
        paths = p.texts("Path")
        for wanted in p.texts("VMId"):
            paths += [path for vm in _all(session) if UUID(vm.id) == UUID(wanted) for path in vm.disks]
        return [_vhd_object(session.machine, virtual_machines.disk(session.machine, path)) for path in paths]


@cmdlet(MODULE, "Get-VMSnapshot")
def get_vm_snapshot(session: Session, p: Bound) -> object:
    """Return the checkpoints of virtual machines."""
    strange = set(p) - {"VMName", "VM", "Name"} - set(_REMOTE)
    if strange:
        raise NotEmulatedError(f"the lab does not emulate Get-VMSnapshot -{min(strange)}")
    with _answers("GetVMSnapshot"):
        return [
            PSObject(
                "Microsoft.HyperV.PowerShell.VMSnapshot",
                {"Name": name, "VMName": vm.name, "VMId": UUID(vm.id), "SnapshotType": "Standard"},
                base=name,
            )
            for vm in _chosen(session, p, "VMName")
            for name in vm.checkpoints
            if matches(p.text("Name", "*"), name)
        ]


@contextmanager
def _answers(command: str, namespace: str = "Microsoft.HyperV.PowerShell.Commands") -> Iterator[None]:
    """Turn what Hyper-V does not do into the error of a cmdlet."""
    try:
        yield
    except HyperVError as error:
        category = "InvalidArgument" if error.reason == "InvalidParameter" else "NotSpecified"
        raise CmdletError(str(error), f"{error.reason},{namespace}.{command}", category, _EXCEPTION) from error


def _refuse_remote(p: Bound) -> None:
    for name in _REMOTE:
        if name in p:
            raise NotEmulatedError(f"the lab emulates Hyper-V's cmdlets on the computer itself, without -{name}")


def _all(session: Session) -> list[VirtualMachine]:
    if "Hyper-V" not in session.machine.features:
        raise HyperVError(
            f"Hyper-V encountered an error trying to access an object on computer '{session.machine.name.upper()}' "
            "because the object was not found. The object might have been deleted. Verify that the Virtual Machine "
            "Management service on the computer is running.",
            "ObjectNotFound",
        )
    return list(session.machine.virtual_machines.values())


def _chosen(session: Session, p: Bound, name_parameter: str) -> list[VirtualMachine]:
    """Return the machines that a call is for: by object, or by name, where only a name without wildcards must exist."""
    _refuse_remote(p)
    there = _all(session)
    given = p.get("VM")
    if given is not None:
        objects = given if isinstance(given, list) else [given]
        found = [item.base for item in objects if isinstance(item, PSObject) and isinstance(item.base, VirtualMachine)]
        if len(found) != len(objects) or any(vm not in there for vm in found):
            raise HyperVError("The virtual machine object is not one of this computer.", "InvalidParameter")
        return found
    chosen: list[VirtualMachine] = []
    for name in p.texts(name_parameter):
        matching = [vm for vm in there if matches(name, vm.name)]
        if not matching and not has_wildcards(name):
            raise HyperVError(f'Hyper-V was unable to find a virtual machine with name "{name}".', "InvalidParameter")
        chosen += matching
    return chosen


def _passed(session: Session, p: Bound, found: list[VirtualMachine]) -> list[PSObject] | None:
    return [_vm_object(session.machine, vm) for vm in found] if p.flag("Passthru") else None


def _generation_2(found: list[VirtualMachine]) -> list[VirtualMachine]:
    for vm in found:
        if vm.generation == 1:
            raise HyperVError(
                f"The virtual machine '{vm.name}' is of generation 1. Only generation 2 virtual machines have firmware "
                "settings.",
                "InvalidParameter",
            )
    return found


def _vm_object(host: Machine, vm: VirtualMachine) -> PSObject:
    return PSObject(
        "Microsoft.HyperV.PowerShell.VirtualMachine",
        {
            "Name": vm.name,
            "VMName": vm.name,
            "Id": UUID(vm.id),
            "VMId": UUID(vm.id),
            "State": vm.state,
            "Status": "Operating normally",
            "Generation": vm.generation,
            "Version": vm.version,
            "ComputerName": host.name.upper(),
            "IsClustered": False,
            "AutomaticCheckpointsEnabled": False,
            "Path": vm.disks[0].rpartition("\\")[0] if vm.disks else None,
        },
        base=vm,
    )


def _firmware_object(vm: VirtualMachine) -> PSObject:
    return PSObject(
        "Microsoft.HyperV.PowerShell.VMFirmware",
        {
            "VMName": vm.name,
            "VMId": UUID(vm.id),
            "SecureBoot": "On" if vm.secure_boot else "Off",
            "SecureBootTemplate": "MicrosoftWindows",
            "PreferredNetworkBootProtocol": "IPv4",
            "ConsoleMode": "Default",
            "PauseAfterBootFailure": "Off",
        },
        base=vm,
    )


def _vhd_object(host: Machine, disk: VirtualDisk) -> PSObject:
    running = [vm for vm in host.virtual_machines.values() if vm.state == "Running"]
    return PSObject(
        "Microsoft.Vhd.PowerShell.VirtualHardDisk",
        {
            "ComputerName": host.name.upper(),
            "Path": disk.path,
            "VhdFormat": "VHDX",
            "VhdType": "Dynamic" if disk.parent is None else "Differencing",
            "FileSize": len(disk.volume),
            "Size": _CAPACITY,
            "LogicalSectorSize": bitlocker.SECTOR,
            "ParentPath": disk.parent or "",
            "Attached": any(files.key(path) == files.key(disk.path) for vm in running for path in vm.disks),
        },
        base=disk,
    )
