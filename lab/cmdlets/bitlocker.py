# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows module BitLocker inside of a virtual machine: its volumes, their protectors, their encryption.

Properties and enum names: PSD BitLocker. The messages with an HRESULT are Windows' own; the other words are the lab's.
Volumes of computers that are no virtual machines are shown, and not encrypted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab.world import bitlocker, files, power, virtual_machines
from ansible_collections.guarded.fabric.lab.world.model import (
    VirtualDisk,
    VirtualMachine,
    VirtualMachineMemory,
)

from .registry import CmdletError, NotEmulatedError, PSObject, cmdlet

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import (
        Machine,
        VolumeKeyProtector,
    )

    from .registry import Bound, Session

MODULE: Final = "BitLocker"
_FIRST_LETTER: Final = "C"
_ALL: Final = 100
_ENCRYPTION_METHOD: Final = "XtsAes128"
_HARDWARE_TEST: Final = (
    "ACTIONS REQUIRED: Restart the computer to run a hardware test. (Type 'get-help Restart-Computer' for command line "
    "instructions.) Type 'get-help Get-BitLockerVolume' to check if the hardware test succeeded. NOTE: Encryption will "
    "begin after the hardware test succeeds."
)


@dataclass(frozen=True)
class _Volume:
    """A volume as the guest has it."""

    letter: str
    disk: VirtualDisk
    memory: VirtualMachineMemory | None
    vm: VirtualMachine | None

    @property
    def is_system(self) -> bool:
        return self.letter == _FIRST_LETTER

    @property
    def path(self) -> str:
        return files.key(self.disk.path)

    @property
    def key(self) -> bytes | None:
        """The key of the volume, if it is open."""
        return None if self.memory is None else self.memory.volume_keys.get(self.path)


@cmdlet(MODULE, "Get-BitLockerVolume")
def get_volume(session: Session, p: Bound) -> object:
    """Return volumes, all or by mount point."""
    volumes = _volumes(session)
    chosen = _chosen(volumes, p) if "MountPoint" in p else volumes
    return [_object(session.machine, volume, volumes) for volume in chosen]


@cmdlet(MODULE, "Enable-BitLocker")
def enable(session: Session, p: Bound) -> object:
    """Encrypt volumes with a first protector; without -SkipHardwareTest the system volume waits for a restart."""
    _refuse_other_protectors(p, "Enable-BitLocker", {"EncryptionMethod", "SkipHardwareTest", "UsedSpaceOnly"})
    if p.text("EncryptionMethod", _ENCRYPTION_METHOD) != _ENCRYPTION_METHOD:
        raise NotEmulatedError(f"the lab's BitLocker knows {_ENCRYPTION_METHOD} only")
    volumes = _volumes(session)
    chosen = _chosen(volumes, p)
    for volume in chosen:
        if volume.disk.bitlocker is not None and volume.disk.bitlocker.since is not None:
            raise _error("This drive is already protected by BitLocker.", "AlreadyEnabled", "Enable-BitLocker")
        _protect(volume, p, "Enable-BitLocker")
        state = volume.disk.bitlocker
        if state is not None:
            test_first = volume.is_system and not p.flag("SkipHardwareTest")
            bitlocker.switch_on(volume.disk, state, session.clock.now(), test_first=test_first)
            if test_first:
                session.warn(_HARDWARE_TEST)
    return [_object(session.machine, volume, volumes) for volume in chosen]


@cmdlet(MODULE, "Add-BitLockerKeyProtector")
def add_key_protector(session: Session, p: Bound) -> object:
    """Add a protector to volumes."""
    _refuse_other_protectors(p, "Add-BitLockerKeyProtector", set())
    volumes = _volumes(session)
    chosen = _chosen(volumes, p)
    for volume in chosen:
        _protect(volume, p, "Add-BitLockerKeyProtector")
    return [_object(session.machine, volume, volumes) for volume in chosen]


@cmdlet(MODULE, "Enable-BitLockerAutoUnlock")
def enable_automatic_unlocking(session: Session, p: Bound) -> object:
    """Let the system volume open data volumes."""
    name = "Enable-BitLockerAutoUnlock"
    volumes = _volumes(session)
    chosen = _chosen(volumes, p)
    for volume in chosen:
        if volume.is_system:
            raise _error("The operating system drive cannot be unlocked automatically.", "OperatingSystemVolume", name)
        system_key, key = volumes[0].key, volume.key
        if system_key is None or key is None or volumes[0].disk.bitlocker is None:
            raise _error(
                "Automatic unlocking needs BitLocker on the operating system drive and on the unlocked data drive.",
                "NotProtected",
                name,
            )
        bitlocker.add_protector(volume.disk, bitlocker.external_protector(system_key, key))
    return [_object(session.machine, volume, volumes) for volume in chosen]


@cmdlet(MODULE, "Unlock-BitLocker")
def unlock(session: Session, p: Bound) -> object:
    """Open data volumes by recovery password."""
    if "RecoveryPassword" not in p:
        raise NotEmulatedError("the lab unlocks volumes by recovery password only")
    volumes = _volumes(session)
    chosen = _chosen(volumes, p)
    for volume in chosen:
        try:
            key = bitlocker.unlock_by_password(volume.disk, p.text("RecoveryPassword"))
        except bitlocker.CannotUnlockError as error:
            raise _error(str(error), "WrongRecoveryPassword", "Unlock-BitLocker") from error
        if volume.memory is not None:
            volume.memory.volume_keys[volume.path] = key
            bitlocker.go_on(volume.disk, session.clock.now())
    return [_object(session.machine, volume, volumes) for volume in chosen]


def _volumes(session: Session) -> list[_Volume]:
    """Return the volumes of this computer, up to date."""
    machine = session.machine
    host = session.world.machines.get(machine.host or "")
    vm = None if host is None else power.virtual_machine_of(host, machine)
    if host is None or vm is None:
        return [_Volume(_FIRST_LETTER, VirtualDisk("C:\\", b""), None, None)]
    virtual_machines.settle(session.world, host, vm, session.clock.now())
    memory = virtual_machines.memory_of(host, vm)
    return [
        _Volume(chr(ord(_FIRST_LETTER) + position), virtual_machines.disk(host, path), memory, vm)
        for position, path in enumerate(vm.disks)
    ]


def _chosen(volumes: list[_Volume], p: Bound) -> list[_Volume]:
    by_letter = {volume.letter: volume for volume in volumes}
    chosen = []
    for mount_point in p.texts("MountPoint"):
        volume = by_letter.get(mount_point.upper().rstrip(":\\"))
        if volume is None:
            raise CmdletError(
                f"{mount_point} does not have an associated BitLocker volume.",
                "System.Management.ManagementException,Get-BitLockerVolumeInternal",
                "NotSpecified",
            )
        chosen.append(volume)
    return chosen


def _refuse_other_protectors(p: Bound, name: str, allowed: set[str]) -> None:
    known = {"MountPoint", "TpmProtector", "RecoveryPasswordProtector", "RecoveryPassword"} | allowed
    strange = {parameter for parameter in p if parameter not in known and parameter not in {"Confirm", "WhatIf"}}
    strange -= {"ErrorAction", "WarningAction"}
    if strange:
        raise NotEmulatedError(f"the lab does not emulate {name} -{min(strange)}")


def _protect(volume: _Volume, p: Bound, name: str) -> None:
    """Add the protector that a call asks for, with the volume's key or a new one."""
    if volume.vm is None or volume.memory is None:
        raise NotEmulatedError("the lab encrypts the volumes of virtual machines only, once they were started in it")
    key = volume.key
    if key is None:
        if volume.disk.bitlocker is not None and volume.disk.bitlocker.protectors:
            raise _error("This drive is locked by BitLocker Drive Encryption. (0x80310000)", "Locked", name)
        key = bitlocker.new_key()
    if p.flag("TpmProtector"):
        _check_tpm(volume, volume.vm, name)
        protector = bitlocker.tpm_protector(volume.memory, volume.vm, key)
    elif p.flag("RecoveryPasswordProtector"):
        password = p.text("RecoveryPassword") or bitlocker.new_password()
        if not bitlocker.is_password(password):
            raise _error(
                "The format of the recovery password provided is invalid. (0x80310035)", "InvalidPassword", name
            )
        protector = bitlocker.password_protector(password, key)
    else:
        raise _error("A key protector must be given.", "NoProtector", name)
    bitlocker.add_protector(volume.disk, protector)
    volume.memory.volume_keys[volume.path] = key


def _check_tpm(volume: _Volume, vm: VirtualMachine, name: str) -> None:
    if not vm.tpm_enabled:
        raise _error(
            "A compatible Trusted Platform Module (TPM) Security Device cannot be found on this computer. (0x8028400F)",
            "TpmNotFound",
            name,
        )
    if not volume.is_system:
        raise _error("Only the operating system drive can be protected with a TPM.", "NotOperatingSystemVolume", name)
    if volume.disk.bitlocker is not None and any(each.type == "Tpm" for each in volume.disk.bitlocker.protectors):
        raise _error(
            "This key protector cannot be added. Only one key protector of this type is allowed for this drive. "
            "(0x80310031)",
            "ProtectorExists",
            name,
        )


def _object(machine: Machine, volume: _Volume, volumes: list[_Volume]) -> PSObject:
    state = volume.disk.bitlocker
    switched_on = state is not None and state.since is not None and not state.waits_for_restart
    done = bitlocker.percentage(volume.disk)
    locked = switched_on and volume.key is None
    status = "FullyDecrypted" if not switched_on else "FullyEncrypted" if done == _ALL else "EncryptionInProgress"
    protectors = [] if state is None else state.protectors
    return PSObject(
        "Microsoft.BitLocker.Structures.BitLockerVolume",
        {
            "ComputerName": machine.name.upper(),
            "MountPoint": f"{volume.letter}:",
            "EncryptionMethod": _ENCRYPTION_METHOD if switched_on else "None",
            "AutoUnlockEnabled": None if volume.is_system else any(each.type == "ExternalKey" for each in protectors),
            "AutoUnlockKeyStored": any(
                each.type == "ExternalKey"
                for other in volumes
                if other.disk.bitlocker
                for each in other.disk.bitlocker.protectors
            )
            if volume.is_system
            else None,
            "VolumeStatus": None if locked else status,
            "ProtectionStatus": "Unknown" if locked else "On" if status == "FullyEncrypted" else "Off",
            "LockStatus": "Locked" if locked else "Unlocked",
            "EncryptionPercentage": None if locked else done,
            "WipePercentage": 0,
            "VolumeType": "OperatingSystem" if volume.is_system else "Data",
            "KeyProtector": [_protector(each, volume.key) for each in protectors],
        },
        base=volume,
    )


def _protector(protector: VolumeKeyProtector, key: bytes | None) -> PSObject:
    shown = bitlocker.shown_password(protector, key) if key is not None and protector.shown else ""
    return PSObject(
        "Microsoft.BitLocker.Structures.BitLockerVolumeKeyProtector",
        {"KeyProtectorId": protector.id, "KeyProtectorType": protector.type, "RecoveryPassword": shown},
    )


def _error(message: str, reason: str, name: str) -> CmdletError:
    return CmdletError(message, f"{reason},{name}", "InvalidOperation", "System.Runtime.InteropServices.COMException")
