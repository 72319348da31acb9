# SPDX-License-Identifier: GPL-3.0-or-later
"""BitLocker in a guest: sectors become cipher text, and only its protectors open a volume."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.lab.cmdlets.registry import CmdletError, NotEmulatedError
from ansible_collections.guarded.fabric.lab.world import bitlocker, files, measured_boot
from ansible_collections.guarded.fabric.lab.world.model import (
    BitLocker,
    ClientConfiguration,
    Machine,
    VirtualDisk,
    VirtualMachine,
)
from hypothesis import given
from hypothesis import strategies as st

from .conftest import NOW
from .tenancy import SECRET, Tenancy

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture
def vm(tenancy: Tenancy) -> VirtualMachine:
    """Return a machine with a TPM and two disks that runs on a host in local mode."""
    made = tenancy.machine(tenancy.host, "vm1", disks=2)
    tenancy.host.client = ClientConfiguration()
    tenancy.run(tenancy.host, "Set-VMKeyProtector", VMName="vm1", NewLocalKeyProtector=True)
    tenancy.run(tenancy.host, "Enable-VMTPM", VMName="vm1")
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    tenancy.wait(timedelta(minutes=2))
    return made


def volume(tenancy: Tenancy, guest: Machine, mount_point: str) -> Mapping[str, object]:
    return tenancy.one(guest, "Get-BitLockerVolume", MountPoint=mount_point)


def protectors(tenancy: Tenancy, guest: Machine, mount_point: str) -> list[object]:
    found = volume(tenancy, guest, mount_point)["KeyProtector"]
    assert isinstance(found, list)
    return [each.properties["KeyProtectorType"] for each in found]


def restart(tenancy: Tenancy) -> None:
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    tenancy.wait(timedelta(minutes=2))


def test_a_volume_without_bitlocker(tenancy: Tenancy, vm: VirtualMachine) -> None:
    found = tenancy.run(tenancy.guest(vm), "Get-BitLockerVolume")
    assert isinstance(found, list)
    shown = [each.properties for each in found]
    assert [(each["MountPoint"], each["VolumeType"], each["VolumeStatus"]) for each in shown] == [
        ("C:", "OperatingSystem", "FullyDecrypted"),
        ("D:", "Data", "FullyDecrypted"),
    ]
    assert {each["ProtectionStatus"] for each in shown} == {"Off"}


def test_encryption_takes_time_and_shows_it(tenancy: Tenancy, vm: VirtualMachine) -> None:
    guest = tenancy.guest(vm)
    tenancy.run(guest, "Enable-BitLocker", MountPoint="C:", TpmProtector=True, SkipHardwareTest=True)
    tenancy.wait(bitlocker.DURATION / 2)
    half = volume(tenancy, guest, "C:")
    assert (half["VolumeStatus"], half["ProtectionStatus"]) == ("EncryptionInProgress", "Off")
    assert half["EncryptionPercentage"] in range(40, 60)
    tenancy.wait(bitlocker.DURATION)
    whole = volume(tenancy, guest, "c:\\")
    assert (whole["VolumeStatus"], whole["ProtectionStatus"], whole["EncryptionPercentage"]) == (
        "FullyEncrypted",
        "On",
        100,
    )
    assert whole["EncryptionMethod"] == "XtsAes128"


def test_the_system_volume_waits_for_the_hardware_test(tenancy: Tenancy, vm: VirtualMachine) -> None:
    guest = tenancy.guest(vm)
    tenancy.run(guest, "Enable-BitLocker", MountPoint="C:", TpmProtector=True)
    assert "Restart the computer to run a hardware test" in tenancy.fabric.warnings[-1]
    tenancy.wait(bitlocker.DURATION * 2)
    assert volume(tenancy, guest, "C:")["VolumeStatus"] == "FullyDecrypted"
    # A restart inside of the guest is enough.
    measured_boot.measure(guest, tenancy.fabric.clock.now())
    tenancy.wait(bitlocker.DURATION / 2)
    assert volume(tenancy, guest, "C:")["VolumeStatus"] == "EncryptionInProgress"


def test_so_does_a_restart_of_the_virtual_machine(tenancy: Tenancy, vm: VirtualMachine) -> None:
    guest = tenancy.guest(vm)
    tenancy.run(guest, "Enable-BitLocker", MountPoint="C:", TpmProtector=True)
    restart(tenancy)
    tenancy.wait(bitlocker.DURATION)
    assert volume(tenancy, guest, "C:")["VolumeStatus"] == "FullyEncrypted"


def test_a_hardware_test_that_fails_leaves_bitlocker_off(tenancy: Tenancy, vm: VirtualMachine) -> None:
    guest = tenancy.guest(vm)
    tenancy.run(guest, "Enable-BitLocker", MountPoint="C:", RecoveryPasswordProtector=True)
    restart(tenancy)
    assert not vm.waits_for_recovery_key
    assert volume(tenancy, guest, "C:")["VolumeStatus"] == "FullyDecrypted"


def test_encryption_pauses_while_the_machine_is_off(tenancy: Tenancy, vm: VirtualMachine) -> None:
    guest = tenancy.guest(vm)
    tenancy.run(guest, "Enable-BitLocker", MountPoint="C:", TpmProtector=True, SkipHardwareTest=True)
    tenancy.wait(bitlocker.DURATION / 4)
    tenancy.run(tenancy.host, "Stop-VM", Name="vm1")
    disk = tenancy.host.disks[files.key(vm.disks[0])]
    before = bitlocker.percentage(disk)
    tenancy.wait(timedelta(days=1))
    tenancy.run(tenancy.host, "Start-VM", Name="vm1")
    assert volume(tenancy, guest, "C:")["EncryptionPercentage"] == before


def test_without_a_tpm_there_is_no_tpm_protector(tenancy: Tenancy) -> None:
    made = tenancy.machine(tenancy.host, "plain")
    tenancy.run(tenancy.host, "Start-VM", Name="plain")
    with pytest.raises(CmdletError, match=r"TPM.*cannot be found"):
        tenancy.run(tenancy.guest(made), "Enable-BitLocker", MountPoint="C:", TpmProtector=True)


def test_what_is_refused(tenancy: Tenancy, vm: VirtualMachine) -> None:
    guest = tenancy.guest(vm)
    with pytest.raises(CmdletError, match="does not have an associated BitLocker volume"):
        tenancy.run(guest, "Get-BitLockerVolume", MountPoint="Z:")
    with pytest.raises(CmdletError, match="operating system drive can be protected with a TPM"):
        tenancy.run(guest, "Enable-BitLocker", MountPoint="D:", TpmProtector=True)
    tenancy.run(guest, "Enable-BitLocker", MountPoint="C:", TpmProtector=True)
    with pytest.raises(CmdletError, match="already protected"):
        tenancy.run(guest, "Enable-BitLocker", MountPoint="C:", TpmProtector=True)
    with pytest.raises(CmdletError, match="Only one key protector of this type"):
        tenancy.run(guest, "Add-BitLockerKeyProtector", MountPoint="C:", TpmProtector=True)
    with pytest.raises(CmdletError, match="format of the recovery password"):
        tenancy.run(
            guest, "Add-BitLockerKeyProtector", MountPoint="C:", RecoveryPasswordProtector=True, RecoveryPassword="1"
        )
    with pytest.raises(NotEmulatedError, match="knows XtsAes128 only"):
        tenancy.run(guest, "Enable-BitLocker", MountPoint="D:", TpmProtector=True, EncryptionMethod="Aes256")
    with pytest.raises(NotEmulatedError, match="virtual machines only"):
        tenancy.run(tenancy.host, "Enable-BitLocker", MountPoint="C:", TpmProtector=True)
    with pytest.raises(NotEmulatedError, match="StartupKey"):
        tenancy.run(guest, "Enable-BitLocker", MountPoint="D:", StartupKeyProtector=True, StartupKeyPath="E:\\")


def test_protectors_may_come_before_encryption(tenancy: Tenancy, vm: VirtualMachine) -> None:
    guest = tenancy.guest(vm)
    tenancy.run(guest, "Add-BitLockerKeyProtector", MountPoint="C:", RecoveryPasswordProtector=True)
    tenancy.wait(bitlocker.DURATION)
    assert volume(tenancy, guest, "C:")["VolumeStatus"] == "FullyDecrypted"
    tenancy.run(guest, "Enable-BitLocker", MountPoint="C:", TpmProtector=True, SkipHardwareTest=True)
    tenancy.wait(bitlocker.DURATION)
    assert volume(tenancy, guest, "C:")["VolumeStatus"] == "FullyEncrypted"
    assert protectors(tenancy, guest, "C:") == ["RecoveryPassword", "Tpm"]


def test_data_volumes_open_with_the_system_volume_or_by_password(tenancy: Tenancy, vm: VirtualMachine) -> None:
    guest = tenancy.guest(vm)
    with pytest.raises(CmdletError, match="needs BitLocker on the operating system drive"):
        tenancy.run(guest, "Enable-BitLockerAutoUnlock", MountPoint="D:")
    tenancy.run(guest, "Enable-BitLocker", MountPoint="C:", TpmProtector=True, SkipHardwareTest=True)
    tenancy.run(guest, "Enable-BitLocker", MountPoint="D:", RecoveryPasswordProtector=True)
    tenancy.wait(bitlocker.DURATION)
    found = volume(tenancy, guest, "D:")["KeyProtector"]
    password = found[0].properties["RecoveryPassword"]  # type: ignore[index]
    assert bitlocker.is_password(password)
    restart(tenancy)
    locked = volume(tenancy, guest, "D:")
    assert (locked["LockStatus"], locked["VolumeStatus"], locked["ProtectionStatus"]) == ("Locked", None, "Unknown")
    with pytest.raises(CmdletError, match="locked by BitLocker"):
        tenancy.run(guest, "Add-BitLockerKeyProtector", MountPoint="D:", RecoveryPasswordProtector=True)
    with pytest.raises(CmdletError, match="does not match"):
        tenancy.run(guest, "Unlock-BitLocker", MountPoint="D:", RecoveryPassword="000000-" * 7 + "000000")
    tenancy.run(guest, "Unlock-BitLocker", MountPoint="D:", RecoveryPassword=password)
    assert volume(tenancy, guest, "D:")["LockStatus"] == "Unlocked"
    tenancy.run(guest, "Enable-BitLockerAutoUnlock", MountPoint="D:")
    restart(tenancy)
    opened = volume(tenancy, guest, "D:")
    assert (opened["LockStatus"], opened["AutoUnlockEnabled"]) == ("Unlocked", True)
    assert volume(tenancy, guest, "C:")["AutoUnlockKeyStored"] is True
    with pytest.raises(CmdletError, match="cannot be unlocked automatically"):
        tenancy.run(guest, "Enable-BitLockerAutoUnlock", MountPoint="C:")


@given(st.binary(min_size=1, max_size=3000), st.lists(st.integers(0, 400), max_size=4).map(sorted))
def test_whatever_was_encrypted_when_the_guest_reads_the_same(content: bytes, moments: list[int]) -> None:
    disk = VirtualDisk("d", content)
    key = bitlocker.new_key()
    disk.bitlocker = BitLocker([bitlocker.password_protector(bitlocker.new_password(), key)])
    bitlocker.switch_on(disk, disk.bitlocker, NOW, test_first=False)
    for seconds in moments:
        bitlocker.advance(disk, key, NOW + timedelta(seconds=seconds))
        assert bitlocker.read(disk, key).rstrip(b"\0") == content.rstrip(b"\0")
    bitlocker.advance(disk, key, NOW + bitlocker.DURATION)
    assert bitlocker.percentage(disk) == 100
    assert len(disk.volume) % bitlocker.SECTOR == 0
    if content.strip(b"\0"):
        assert content not in disk.volume or len(content) < 4


def test_equal_sectors_do_not_look_equal() -> None:
    disk = VirtualDisk("d", bytes(1024))
    key = bitlocker.new_key()
    disk.bitlocker = BitLocker([])
    bitlocker.switch_on(disk, disk.bitlocker, NOW, test_first=False)
    bitlocker.advance(disk, key, NOW + bitlocker.DURATION)
    assert disk.volume[:512] != disk.volume[512:]
    assert SECRET not in disk.volume


@given(st.text(max_size=60))
def test_recovery_passwords_have_a_form(text: str) -> None:
    made = bitlocker.new_password()
    assert bitlocker.is_password(made)
    assert not bitlocker.is_password(made[:-1])
    if bitlocker.is_password(text):
        assert len(text) == 55
