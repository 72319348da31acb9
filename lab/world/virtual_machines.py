# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: virtual machines that start, stop, are configured and are copied away.

A machine with a TPM or encrypted state needs the keys of its key protector to start; nothing but those keys opens its
TPM state, and nothing but its TPM opens its BitLocker volumes. So a copy is worth nothing without them, and no flag
says so.

Sources: WSD guarded-fabric-create-a-shielded-vm and -and-shielded-vms, PSD Hyper-V, GuardedFabricTools' checks. The
sentence about the key protector is the one users report; the other words, and that the protector which the service
returned is kept at once as the last known good one, are the lab's.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import key_protector, protection_algorithms
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import (
    AES256_GCM,
    CannotDecryptError,
    EncryptedData,
)

from . import bitlocker, files, guardians, key_protection_client, local_protectors, power, vtpm
from .model import VirtualDisk, VirtualMachine, VirtualMachineMemory

if TYPE_CHECKING:
    from datetime import datetime

    from .clock import Clock
    from .model import Machine, World

_SHIELDING_VERSION: Final = 8.0


class HyperVError(Exception):
    """Hyper-V does not do it; `reason` is for an error id."""

    def __init__(self, message: str, reason: str = "OperationFailed") -> None:
        super().__init__(message)
        self.reason = reason


def memory_of(host: Machine, vm: VirtualMachine) -> VirtualMachineMemory | None:
    """Return what is in a virtual machine's memory; None where it does not run."""
    return host.memory.get(vm.id) if vm.state == "Running" else None


def disk(host: Machine, path: str) -> VirtualDisk:
    """Return a disk by path. Raises HyperVError."""
    found = host.disks.get(files.key(path))
    if found is None:
        raise HyperVError(f"The virtual hard disk '{path}' was not found.", "ObjectNotFound")
    return found


def needs_keys(vm: VirtualMachine) -> bool:
    """Whether something of the machine is encrypted with its key protector's key."""
    return vm.tpm_enabled or vm.encrypt_state or vm.shielded


def start(world: World, clock: Clock, host: Machine, vm: VirtualMachine) -> None:
    """Start a virtual machine that is off. Raises HyperVError."""
    now = clock.now()
    disks = [disk(host, path) for path in vm.disks]
    for each in disks:
        if each.parent is not None:
            disk(host, each.parent)
    memory = VirtualMachineMemory()
    if needs_keys(vm):
        _check_shielding(vm)
        memory.vtpm = _open(world, clock, host, vm)
    host.memory[vm.id] = memory
    vm.state = "Running"
    vm.waits_for_recovery_key = not _unlock(vm, disks, memory, now)
    guest = world.machines.get(vm.guest or "")
    if guest is not None and guest.host == host.name and not vm.waits_for_recovery_key:
        guest.down_until = now + power.RESTART
        power.start(world, guest, guest.down_until)


def stop(world: World, host: Machine, vm: VirtualMachine, now: datetime) -> None:
    """Switch a virtual machine off; what was in its memory is gone."""
    settle(world, host, vm, now)
    host.memory.pop(vm.id, None)
    vm.state = "Off"
    vm.waits_for_recovery_key = False


def settle(world: World, host: Machine, vm: VirtualMachine, now: datetime) -> None:
    """Bring the disks of a virtual machine that runs to the state of now: BitLocker has gone on."""
    memory = memory_of(host, vm)
    if memory is None:
        return
    guest = world.machines.get(vm.guest or "")
    boot = None if guest is None else guest.boot
    for path, key in memory.volume_keys.items():
        state = host.disks[path].bitlocker
        if boot is not None and state is not None and bitlocker.is_tested_by(state, boot.started, now):
            bitlocker.go_on(host.disks[path], boot.started)
        bitlocker.advance(host.disks[path], key, now)


def set_key_protector(vm: VirtualMachine, raw: bytes) -> None:
    """Give a virtual machine a key protector. Raises HyperVError.

    Replacing one whose transport key is another makes the TPM state unreadable (PSD Set-VMKeyProtector); one that was
    made of it with Grant-HgsKeyProtectorAccess has the same key.
    """
    _check_changeable(vm, "key protector")
    try:
        local_protectors.read(raw)
    except guardians.RefusedError as error:
        raise HyperVError(f"The key protector of '{vm.name}' was not changed. {error}", "InvalidParameter") from error
    vm.key_protector = raw


def make_local_key_protector(host: Machine, vm: VirtualMachine, now: datetime) -> None:
    """Protect a virtual machine by a guardian of this host alone. Raises HyperVError."""
    _check_changeable(vm, "key protector")
    owner = guardians.untrusted(host, now)
    vm.key_protector = local_protectors.create(host, owner, [], guardians.Overlooked(), now)


def restore_key_protector(vm: VirtualMachine) -> None:
    """Go back to the key protector with which the machine was started last. Raises HyperVError."""
    _check_changeable(vm, "key protector")
    if vm.last_known_good_key_protector == key_protector.NONE:
        raise HyperVError(f"There is no last known good key protector for '{vm.name}'.", "InvalidState")
    vm.key_protector = vm.last_known_good_key_protector


def enable_tpm(vm: VirtualMachine) -> None:
    """Give a virtual machine a TPM; its state is made at the next start. Raises HyperVError."""
    _check_changeable(vm, "TPM")
    _check_key_protector(vm)
    vm.tpm_enabled = True


def disable_tpm(vm: VirtualMachine) -> None:
    """Take the TPM away; what it sealed is lost. Raises HyperVError."""
    _check_changeable(vm, "TPM")
    if vm.shielded:
        raise HyperVError(f"'{vm.name}' is shielded; a shielded virtual machine needs its TPM.", "InvalidState")
    vm.tpm_enabled = False
    vm.vtpm_state = b""


def set_shielded(host: Machine, vm: VirtualMachine, *, shielded: bool) -> None:
    """Shield a virtual machine, or no longer: that only its owner may, in local mode. Raises HyperVError."""
    if shielded == vm.shielded:
        return
    _check_changeable(vm, "security policy")
    if not shielded:
        if host.client.mode == "HostGuardianService" or not local_protectors.is_owned_here(host, vm.key_protector):
            raise HyperVError(
                f"The security policy of '{vm.name}' can only be lowered where its owner's guardian is.", "AccessDenied"
            )
        vm.shielded = False
        return
    _check_key_protector(vm)
    if float(vm.version) < _SHIELDING_VERSION:
        raise HyperVError(
            f"'{vm.name}' has configuration version {vm.version}; 8.0 or later is needed to shield it.", "InvalidState"
        )
    vm.shielded = vm.encrypt_state = True


def set_state_encryption(vm: VirtualMachine, *, encrypted: bool) -> None:
    """Encrypt saved state and migration traffic, or not. Raises HyperVError."""
    _check_changeable(vm, "security settings")
    if vm.shielded and not encrypted:
        raise HyperVError(f"'{vm.name}' is shielded; its state is always encrypted.", "InvalidState")
    if encrypted:
        _check_key_protector(vm)
    vm.encrypt_state = encrypted


def set_secure_boot(vm: VirtualMachine, *, enabled: bool) -> None:
    """Switch Secure Boot. Raises HyperVError."""
    _check_changeable(vm, "firmware")
    if vm.shielded and not enabled:
        raise HyperVError(f"'{vm.name}' is shielded; a shielded virtual machine needs Secure Boot.", "InvalidState")
    vm.secure_boot = enabled


def copy_away(world: World, source: Machine, vm: VirtualMachine, target: Machine, now: datetime) -> VirtualMachine:
    """Copy a virtual machine's files to another host, as somebody who can read the storage would; return the copy.

    What is in memory does not go along. The copy is off, and nobody can log on to it over the lab's network.
    """
    settle(world, source, vm, now)
    for path in vm.disks:
        link: VirtualDisk | None = disk(source, path)
        while link is not None:
            target.disks[files.key(link.path)] = copy.deepcopy(link)
            link = None if link.parent is None else disk(source, link.parent)
    stolen = copy.deepcopy(vm)
    stolen.state, stolen.guest, stolen.waits_for_recovery_key = "Off", None, False
    target.virtual_machines[stolen.id] = stolen
    return stolen


def _open(world: World, clock: Clock, host: Machine, vm: VirtualMachine) -> bytes:
    """Return the TPM state in the clear, and keep it under the new key with the new protector. Raises HyperVError."""
    failed = f"'{vm.name}' failed to start. (Virtual machine ID {vm.id.upper()})"
    try:
        keys = key_protection_client.unwrap(world, clock, host, vm.key_protector)
        clear = _decrypted(vm, keys.ingress_key)
    except key_protection_client.CannotUnwrapError as error:
        raise HyperVError(
            f"{failed} The key protector for '{vm.name}' could not be unwrapped. {error} "
            "Details are included in the HostGuardianService-Client event log."
        ) from error
    except CannotDecryptError as error:
        raise HyperVError(f"{failed} The TPM state cannot be decrypted with the key of the key protector.") from error
    vm.key_protector = vm.last_known_good_key_protector = keys.protector
    if vm.tpm_enabled:
        vm.vtpm_state = protection_algorithms.encrypt(keys.egress_key, clear).value
    return clear


def _decrypted(vm: VirtualMachine, key: bytes) -> bytes:
    if not vm.tpm_enabled:
        return b""
    if not vm.vtpm_state:
        return vtpm.new_state()
    return protection_algorithms.decrypt(key, EncryptedData(AES256_GCM, vm.vtpm_state))


def _unlock(vm: VirtualMachine, disks: list[VirtualDisk], memory: VirtualMachineMemory, now: datetime) -> bool:
    """Let BitLocker open the volumes; return whether Windows can start."""
    if not disks or disks[0].bitlocker is None:
        return True
    system, others = disks[0], disks[1:]
    try:
        system_key = bitlocker.unlock_by_tpm(system, memory, vm)
    except bitlocker.CannotUnlockError:
        if disks[0].bitlocker.since is None:
            return True
        if disks[0].bitlocker.waits_for_restart:
            # The hardware test failed: nothing was encrypted, BitLocker is off again.
            system.bitlocker = None
            return True
        return False
    _go_on(system, system_key, memory, now)
    for each in others:
        if each.bitlocker is not None:
            _unlock_automatically(each, system_key, memory, now)
    return True


def _unlock_automatically(data: VirtualDisk, system_key: bytes, memory: VirtualMachineMemory, now: datetime) -> None:
    try:
        key = bitlocker.unlock_by_system_volume(data, system_key)
    except bitlocker.CannotUnlockError:
        return
    _go_on(data, key, memory, now)


def _go_on(opened: VirtualDisk, key: bytes, memory: VirtualMachineMemory, now: datetime) -> None:
    memory.volume_keys[files.key(opened.path)] = key
    bitlocker.go_on(opened, now)


def _check_shielding(vm: VirtualMachine) -> None:
    if vm.shielded and not (vm.tpm_enabled and vm.secure_boot):
        raise HyperVError(
            f"'{vm.name}' failed to start. A shielded virtual machine needs its TPM and Secure Boot.", "InvalidState"
        )


def _check_changeable(vm: VirtualMachine, what: str) -> None:
    if vm.generation == 1:
        raise HyperVError(
            f"The {what} of '{vm.name}' cannot be changed: only generation 2 virtual machines have one.",
            "InvalidParameter",
        )
    if vm.state != "Off":
        raise HyperVError(
            f"The {what} of '{vm.name}' cannot be changed while it is in the state {vm.state}; it must be off.",
            "InvalidState",
        )


def _check_key_protector(vm: VirtualMachine) -> None:
    if vm.key_protector == key_protector.NONE:
        raise HyperVError(f"'{vm.name}' has no key protector; set one first.", "InvalidState")
