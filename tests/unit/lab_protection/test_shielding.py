# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine is shielded, runs, and is worth nothing to who copies it away."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CmdletError
from ansible_collections.guarded.fabric.lab.world import bitlocker, files, guardians, power, virtual_machines, vtpm
from ansible_collections.guarded.fabric.lab.world.model import ClientConfiguration, Machine, VirtualMachine
from ansible_collections.guarded.fabric.lab.world.store import Store
from ansible_collections.guarded.fabric.plugins.module_utils import key_protector, protection_algorithms

from .tenancy import SECRET, Tenancy

if TYPE_CHECKING:
    from pathlib import Path


def volume(host: Machine, vm: VirtualMachine, number: int = 0) -> bytes:
    return host.disks[files.key(vm.disks[number])].volume


def copied(tenancy: Tenancy, vm: VirtualMachine, thief: Machine) -> VirtualMachine:
    return virtual_machines.copy_away(tenancy.fabric.world, tenancy.host, vm, thief, tenancy.fabric.clock.now())


@pytest.fixture
def thief(tenancy: Tenancy) -> Machine:
    """Return a host of the same kind that nobody registered."""
    return tenancy.fabric.host("thief")


def test_a_shielded_machine_starts_again_and_again_with_new_keys(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    seen = []
    for _ in range(3):
        tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
        seen.append((vm.key_protector, vm.vtpm_state))
        tenancy.run(tenancy.host, "Start-VM", Name="vm1")
        assert vm.state == "Running"
        assert not vm.waits_for_recovery_key
    assert len(set(seen)) == 3
    security = tenancy.one(tenancy.host, "Get-VMSecurity", VMName="vm1")
    assert (security["Shielded"], security["TpmEnabled"], security["EncryptStateAndVmMigrationTraffic"]) == (True,) * 3


def test_owner_and_guardian_stay_the_same_while_keys_roll(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    raw = tenancy.run(tenancy.host, "Get-VMKeyProtector", VMName="vm1")
    assert raw == [vm.key_protector]
    shown = tenancy.one(tenancy.tenant, "ConvertTo-HgsKeyProtector", Bytes=vm.key_protector)
    names = [shown["Owner"].properties["Name"], *(each.properties["Name"] for each in shown["Guardians"])]  # type: ignore[attr-defined]
    assert names == ["Owner", "Fabric"]


def test_the_guest_sees_its_volume_and_the_disk_does_not_show_it(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    assert SECRET[:16] not in volume(tenancy.host, vm)
    memory = tenancy.host.memory[vm.id]
    disk = tenancy.host.disks[files.key(vm.disks[0])]
    assert bitlocker.read(disk, memory.volume_keys[files.key(vm.disks[0])]).startswith(SECRET)


def test_a_copy_does_not_start_on_a_host_that_was_never_registered(tenancy: Tenancy, thief: Machine) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    copied(tenancy, vm, thief)
    with pytest.raises(CmdletError, match=r"could not be unwrapped\..*UnauthorizedHost") as caught:
        tenancy.run(thief, "Start-VM", Name="vm1")
    assert caught.value.error_id == "OperationFailed,Microsoft.HyperV.PowerShell.Commands.StartVM"


def test_a_copy_does_not_start_without_a_host_guardian_service(tenancy: Tenancy, thief: Machine) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    copied(tenancy, vm, thief)
    thief.client = ClientConfiguration()
    guardians.untrusted(thief, tenancy.fabric.clock.now())
    with pytest.raises(CmdletError, match=r"could not be unwrapped\. None of the key protector's guardians"):
        tenancy.run(thief, "Start-VM", Name="vm1")


def test_no_flag_opens_a_copy(tenancy: Tenancy, thief: Machine) -> None:
    """The thief edits the configuration at will: what is encrypted stays so."""
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    thief.client = ClientConfiguration()
    stolen = copied(tenancy, vm, thief)
    assert SECRET[:16] not in b"".join(disk.volume for disk in thief.disks.values())
    assert not thief.memory

    # Without the TPM it starts, and BitLocker asks for a key that the thief does not have.
    stolen.shielded = stolen.encrypt_state = stolen.tpm_enabled = False
    tenancy.run(thief, "Start-VM", Name="vm1")
    assert stolen.waits_for_recovery_key
    assert not thief.memory[stolen.id].volume_keys
    tenancy.run(thief, "Stop-VM", Name="vm1")

    # With a new TPM it is another TPM.
    stolen.tpm_enabled, stolen.vtpm_state = True, b""
    tenancy.run(thief, "Set-VMKeyProtector", VMName="vm1", NewLocalKeyProtector=True)
    tenancy.run(thief, "Start-VM", Name="vm1")
    assert stolen.waits_for_recovery_key
    tenancy.run(thief, "Stop-VM", Name="vm1")

    # With the stolen TPM state and a key protector of the thief's own, the state does not open.
    stolen.vtpm_state = vm.vtpm_state
    with pytest.raises(CmdletError, match="TPM state cannot be decrypted"):
        tenancy.run(thief, "Start-VM", Name="vm1")


def test_the_host_that_may_gets_keys_that_only_its_own_start_can_open(tenancy: Tenancy, thief: Machine) -> None:
    """A health certificate in a thief's hands: the service answers, and the answer stays closed."""
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    copied(tenancy, vm, thief)
    assert thief.boot is not None
    assert tenancy.host.boot is not None
    genuine = tenancy.host.boot.identity_key
    own, thief.boot.identity_key = thief.boot.identity_key, genuine
    thief.client.health_certificate = tenancy.host.client.health_certificate
    thief.client.status = "Passed"
    tenancy.run(thief, "Start-VM", Name="vm1")
    tenancy.run(thief, "Stop-VM", Name="vm1")
    # The line above shows what it takes; with the certificate alone, and not its key, nothing opens.
    thief.boot.identity_key = own
    with pytest.raises(CmdletError, match="could not be unwrapped"):
        tenancy.run(thief, "Start-VM", Name="vm1")


def test_an_unprotected_copy_is_an_open_book(tenancy: Tenancy, thief: Machine) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    stolen = copied(tenancy, vm, thief)
    assert volume(thief, stolen) == SECRET
    tenancy.run(thief, "Start-VM", Name="vm1")
    assert stolen.state == "Running"


def test_a_copy_made_while_bitlocker_works_shows_what_is_not_encrypted_yet(tenancy: Tenancy, thief: Machine) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", NewLocalKeyProtector=True)
    tenancy.run(tenancy.host, "Enable-VMTPM", VMName="vm1")
    tenancy.host.client = ClientConfiguration()
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    tenancy.run(tenancy.guest(vm), "Enable-BitLocker", MountPoint="C:", TpmProtector=True, SkipHardwareTest=True)
    tenancy.wait(bitlocker.DURATION / 2)
    stolen = copied(tenancy, vm, thief)
    half = len(volume(thief, stolen)) // 2
    assert SECRET[:16] not in volume(thief, stolen)[: half - bitlocker.SECTOR]
    assert SECRET[:16] in volume(thief, stolen)[half:]


def test_a_host_whose_evidence_no_longer_passes_starts_nothing(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    assert tenancy.host.firmware is not None
    tenancy.host.firmware.secure_boot = False
    tenancy.fabric.restart(tenancy.host)
    with pytest.raises(CmdletError, match="InsecureHostConfiguration"):
        tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    assert vm.state == "Off"


def test_an_unreachable_service_is_named(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    tenancy.fabric.hgs.dead = True
    with pytest.raises(CmdletError, match=r"could not be unwrapped\. Unable to connect"):
        tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    tenancy.wait(timedelta(hours=9))
    with pytest.raises(CmdletError, match="TransientError"):
        tenancy.run(tenancy.host, "Start-VM", Name="vm1")


def test_a_protector_for_somebody_else_is_refused(tenancy: Tenancy) -> None:
    tenancy.machine(tenancy.host, "vm1")
    owner = tenancy.object(tenancy.tenant, "Get-HgsGuardian", Name="Owner")
    alone = tenancy.one(tenancy.tenant, "New-HgsKeyProtector", Owner=owner)["RawData"]
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", KeyProtector=alone)
    tenancy.run(tenancy.host, "Enable-VMTPM", VMName="vm1")
    with pytest.raises(CmdletError, match="InvalidWrappingException: This service is no guardian"):
        tenancy.run(tenancy.host, "Start-VM", Name="vm1")


def test_a_new_key_protector_makes_the_tpm_unreadable_and_the_last_good_one_undoes_that(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    tenancy.run(tenancy.tenant, "Remove-HgsGuardian", Name="Fabric")
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", KeyProtector=tenancy.protector())
    with pytest.raises(CmdletError, match="TPM state cannot be decrypted"):
        tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", RestoreLastKnownGoodKeyProtector=True)
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    assert vm.state == "Running"


def test_secure_boot_turned_off_keeps_the_volume_key_in_the_tpm(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    with pytest.raises(CmdletError, match="needs Secure Boot"):
        tenancy.run(tenancy.host, "Set-VMFirmware", VMName="vm1", EnableSecureBoot="Off")
    vm.shielded, vm.secure_boot = False, False
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    assert vm.waits_for_recovery_key
    assert not power.is_up(tenancy.fabric.world, tenancy.guest(vm), tenancy.fabric.clock.now() + timedelta(hours=1))


def test_local_mode_starts_with_the_keys_of_the_host_and_nowhere_else(tenancy: Tenancy, thief: Machine) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.host.client = thief.client = ClientConfiguration()
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", NewLocalKeyProtector=True)
    tenancy.run(tenancy.host, "Enable-VMTPM", VMName="vm1")
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    copied(tenancy, vm, thief)
    with pytest.raises(CmdletError, match="could not be unwrapped"):
        tenancy.run(thief, "Start-VM", Name="vm1")
    # Who has the private keys has the machine: that is what moving it means.
    thief.guardians["untrustedguardian"] = tenancy.host.guardians["untrustedguardian"]
    tenancy.run(thief, "Start-VM", Name="vm1")


def test_the_transport_key_is_all_there_is_between_state_and_reader(tenancy: Tenancy) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    protector = key_protector.read(vm.key_protector)
    assert protector is not None
    with pytest.raises(protection_algorithms.CannotDecryptError):
        protection_algorithms.decrypt(
            bytes(32), protection_algorithms.EncryptedData(protection_algorithms.AES256_GCM, vm.vtpm_state)
        )
    with pytest.raises(vtpm.CannotUnsealError):
        vtpm.unseal(vtpm.new_state(), vm, vtpm.seal(tenancy.host.memory[vm.id].vtpm, vm, b"key"))
    assert vtpm.unseal(b"state", vm, vtpm.seal(b"state", replace(vm), b"key")) == b"key"


def test_a_world_that_was_saved_and_read_back_goes_on(tenancy: Tenancy, tmp_path: Path) -> None:
    vm = tenancy.machine(tenancy.host, "vm1")
    tenancy.shield(vm)
    saved = Store(tmp_path / "world")
    saved.save(tenancy.fabric.world, tenancy.fabric.clock.now())
    world = saved.load()
    saved.close()
    assert world == tenancy.fabric.world
    tenancy.fabric.world, tenancy.host = world, world.machines["host1"]
    (again,) = tenancy.host.virtual_machines.values()
    assert tenancy.one(tenancy.guest(again), "Get-BitLockerVolume")["LockStatus"] == "Unlocked"
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    assert (again.state, again.waits_for_recovery_key) == ("Running", False)
