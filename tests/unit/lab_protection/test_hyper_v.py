# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines through the cmdlets of Hyper-V: what they show, and what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CmdletError, NotEmulatedError, PSObject
from ansible_collections.guarded.fabric.lab.world import files
from ansible_collections.guarded.fabric.lab.world.model import ClientConfiguration, VirtualDisk
from ansible_collections.guarded.fabric.plugins.module_utils import key_protector

if TYPE_CHECKING:
    from .tenancy import Tenancy


def refused(tenancy: Tenancy, cmdlet: str, **parameters: object) -> CmdletError:
    with pytest.raises(CmdletError) as caught:
        tenancy.run(tenancy.host, cmdlet, **parameters)
    return caught.value


def names(found: object) -> list[object]:
    assert isinstance(found, list)
    return [each.properties["Name"] for each in found]


def test_machines_are_found_by_name_wildcard_and_id(tenancy: Tenancy) -> None:
    for name in ("web1", "web2", "db1"):
        tenancy.machine(tenancy.host, name)
    assert names(tenancy.run(tenancy.host, "Get-VM")) == ["web1", "web2", "db1"]
    assert names(tenancy.run(tenancy.host, "Get-VM", Name=["WEB*", "db1"])) == ["web1", "web2", "db1"]
    assert tenancy.run(tenancy.host, "Get-VM", Name="x*") == []
    found = tenancy.one(tenancy.host, "Get-VM", Id="00000000-0000-0000-0000-000000000002")
    assert (found["Name"], found["Id"]) == ("db1", UUID(int=2))


def test_a_machine_that_is_not_there_is_an_error(tenancy: Tenancy) -> None:
    error = refused(tenancy, "Get-VM", Name="none")
    assert str(error) == 'Hyper-V was unable to find a virtual machine with name "none".'
    assert error.error_id == "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVM"
    assert error.category == "InvalidArgument"
    assert "with id" in str(refused(tenancy, "Get-VM", Id=str(UUID(int=9))))


def test_without_the_role_there_is_no_management_service(tenancy: Tenancy) -> None:
    tenancy.host.features.discard("Hyper-V")
    assert "Virtual Machine Management service" in str(refused(tenancy, "Get-VM"))


def test_starting_and_stopping_twice_only_warns(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    assert tenancy.fabric.warnings == []
    shown = tenancy.one(tenancy.host, "Start-VM", Name="vm1", Passthru=True)
    assert shown["State"] == "Running"
    assert tenancy.fabric.warnings == ["The virtual machine is already in the specified state."]
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1", TurnOff=True)
    assert len(tenancy.fabric.warnings) == 2
    assert vm.state == "Off"


def test_objects_stand_for_machines(tenancy: Tenancy) -> None:
    tenancy.machine(tenancy.host, "vm1")
    found = tenancy.object(tenancy.host, "Get-VM", Name="vm1")
    assert tenancy.one(tenancy.host, "Get-VMSecurity", VM=found)["TpmEnabled"] is False
    stranger = PSObject("Microsoft.HyperV.PowerShell.VirtualMachine", {})
    assert "not one of this computer" in str(refused(tenancy, "Get-VMSecurity", VM=stranger))


def test_other_computers_are_refused_loudly(tenancy: Tenancy) -> None:
    tenancy.machine(tenancy.host, "vm1")
    with pytest.raises(NotEmulatedError, match="-ComputerName"):
        tenancy.run(tenancy.host, "Get-VM", Name="vm1", ComputerName="host2")
    with pytest.raises(NotEmulatedError, match="-Save"):
        tenancy.run(tenancy.host, "Stop-VM", Name="vm1", Save=True)


@pytest.mark.parametrize(
    ("cmdlet", "parameters"),
    [
        ("Set-VMKeyProtector", {"NewLocalKeyProtector": True}),
        ("Enable-VMTPM", {}),
        ("Set-VMSecurityPolicy", {"Shielded": True}),
        ("Set-VMSecurity", {"EncryptStateAndVmMigrationTraffic": True}),
        ("Get-VMFirmware", {}),
        ("Set-VMFirmware", {"EnableSecureBoot": "On"}),
    ],
)
def test_generation_1_has_no_protection(tenancy: Tenancy, cmdlet: str, parameters: dict[str, object]) -> None:
    vm = tenancy.machine(tenancy.host, "old", generation=1)
    assert "generation" in str(refused(tenancy, cmdlet, VMName="old", **parameters))
    assert (vm.tpm_enabled, vm.shielded, vm.key_protector) == (False, False, key_protector.NONE)


@pytest.mark.parametrize(
    ("cmdlet", "parameters"),
    [
        ("Set-VMKeyProtector", {"NewLocalKeyProtector": True}),
        ("Enable-VMTPM", {}),
        ("Disable-VMTPM", {}),
        ("Set-VMSecurityPolicy", {"Shielded": True}),
        ("Set-VMSecurity", {"EncryptStateAndVmMigrationTraffic": True}),
        ("Set-VMFirmware", {"EnableSecureBoot": "Off"}),
    ],
)
def test_a_machine_that_runs_is_not_changed(tenancy: Tenancy, cmdlet: str, parameters: dict[str, object]) -> None:
    tenancy.machine(tenancy.host, "vm1")
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    error = refused(tenancy, cmdlet, VMName="vm1", **parameters)
    assert "state Running; it must be off" in str(error)
    assert error.error_id.startswith("InvalidState,")


@pytest.mark.parametrize(
    ("cmdlet", "parameters"),
    [
        ("Enable-VMTPM", {}),
        ("Set-VMSecurityPolicy", {"Shielded": True}),
        ("Set-VMSecurity", {"EncryptStateAndVmMigrationTraffic": True}),
    ],
)
def test_protection_needs_a_key_protector(tenancy: Tenancy, cmdlet: str, parameters: dict[str, object]) -> None:
    tenancy.machine(tenancy.host, "vm1")
    assert "has no key protector" in str(refused(tenancy, cmdlet, VMName="vm1", **parameters))


def test_key_protectors_are_checked_and_come_one_way(tenancy: Tenancy) -> None:
    tenancy.machine(tenancy.host, "vm1")
    assert tenancy.run(tenancy.host, "Get-VMKeyProtector", VMName="vm1") == [b"\0\0\0\x04"]
    for wrong in (b"\0\0\0\x04", b"junk"):
        assert "was not changed" in str(refused(tenancy, "Set-VMKeyProtector", VMName="vm1", KeyProtector=wrong))
    assert "in one way" in str(refused(tenancy, "Set-VMKeyProtector", VMName="vm1"))
    assert "no last known good" in str(
        refused(tenancy, "Set-VMKeyProtector", VMName="vm1", RestoreLastKnownGoodKeyProtector=True)
    )


def test_an_old_configuration_version_cannot_be_shielded(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    vm.version = "5.0"
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", NewLocalKeyProtector=True)
    assert "configuration version 5.0" in str(refused(tenancy, "Set-VMSecurityPolicy", VMName="vm1", Shielded=True))


def test_shielding_enforces_what_belongs_to_it(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", NewLocalKeyProtector=True)
    tenancy.run(tenancy.host, "Set-VMSecurityPolicy", VMName="vm1", Shielded=True)
    assert vm.encrypt_state
    assert "always encrypted" in str(
        refused(tenancy, "Set-VMSecurity", VMName="vm1", EncryptStateAndVmMigrationTraffic=False)
    )
    assert "needs its TPM and Secure Boot" in str(refused(tenancy, "Start-VM", Name="vm1"))
    tenancy.run(tenancy.host, "Enable-VMTPM", VMName="vm1")
    assert "needs its TPM" in str(refused(tenancy, "Disable-VMTPM", VMName="vm1"))


def test_only_the_owner_lowers_the_policy_and_in_local_mode(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", NewLocalKeyProtector=True)
    tenancy.run(tenancy.host, "Set-VMSecurityPolicy", VMName="vm1", Shielded=True)
    assert "can only be lowered" in str(refused(tenancy, "Set-VMSecurityPolicy", VMName="vm1", Shielded=False))
    tenancy.host.client = ClientConfiguration()
    tenancy.run(tenancy.host, "Set-VMSecurityPolicy", VMName="vm1", Shielded=False)
    assert not vm.shielded
    tenancy.run(tenancy.host, "Set-VMSecurityPolicy", VMName="vm1", Shielded=True)
    tenancy.host.guardians.clear()
    assert "can only be lowered" in str(refused(tenancy, "Set-VMSecurityPolicy", VMName="vm1", Shielded=False))


def test_firmware_disks_and_checkpoints_show(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1", disks=2)
    vm.checkpoints = ["before update", "after"]
    firmware = tenancy.one(tenancy.host, "Get-VMFirmware", VMName="vm1")
    assert (firmware["SecureBoot"], firmware["SecureBootTemplate"]) == ("On", "MicrosoftWindows")
    tenancy.run(tenancy.host, "Set-VMFirmware", VMName="vm1", EnableSecureBoot="Off")
    assert not vm.secure_boot
    drives = tenancy.run(tenancy.host, "Get-VMHardDiskDrive", VMName="vm1")
    assert isinstance(drives, list)
    assert [(drive.properties["Path"], drive.properties["ControllerLocation"]) for drive in drives] == [
        (r"C:\VMs\vm1\0.vhdx", 0),
        (r"C:\VMs\vm1\1.vhdx", 1),
    ]
    assert names(tenancy.run(tenancy.host, "Get-VMSnapshot", VMName="vm1")) == ["before update", "after"]
    assert names(tenancy.run(tenancy.host, "Get-VMSnapshot", VMName="vm1", Name="B*")) == ["before update"]


def test_a_differencing_disk_names_its_parent_and_needs_it(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    disk = tenancy.host.disks[files.key(vm.disks[0])]
    disk.parent = r"C:\VMs\base.vhdx"
    shown = tenancy.one(tenancy.host, "Get-VHD", Path=disk.path)
    assert (shown["VhdType"], shown["ParentPath"], shown["Attached"]) == ("Differencing", disk.parent, False)
    assert "base.vhdx' was not found" in str(refused(tenancy, "Start-VM", Name="vm1"))
    tenancy.host.disks[files.key(disk.parent)] = VirtualDisk(disk.parent, b"base")
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    assert tenancy.one(tenancy.host, "Get-VHD", VMId=vm.id)["Attached"] is True
    assert "was not found" in str(refused(tenancy, "Get-VHD", Path=r"C:\none.vhdx"))
