# SPDX-License-Identifier: GPL-3.0-or-later
"""BitLocker on the volumes of virtual machines: sectors become cipher text one after the other while the guest runs.

XTS-AES with 128-bit keys, sector by sector, as Windows does since 1511; the key of a volume is encrypted once for each
of its protectors. Lab only: how long it takes, and the form of the metadata. A volume's first sectors come first.
"""

from __future__ import annotations

import os
import secrets
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import protection_algorithms
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import (
    AES256_GCM,
    CannotDecryptError,
    EncryptedData,
)
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from . import vtpm
from .model import BitLocker, VolumeKeyProtector

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from .model import VirtualDisk, VirtualMachine, VirtualMachineMemory

SECTOR: Final = 512
DURATION: Final = timedelta(minutes=4)
"""World time to encrypt a volume."""
_KEY_SIZE: Final = 32
_GROUPS, _DIGITS, _FACTOR = 8, 6, 11
"""A recovery password is eight groups of six digits, each divisible by eleven and below 720896."""
_GROUP_LIMIT: Final = 1 << 16


class CannotUnlockError(Exception):
    """The volume stays locked."""


def new_key() -> bytes:
    """Return a key for a volume."""
    return os.urandom(_KEY_SIZE)


def tpm_protector(memory: VirtualMachineMemory, vm: VirtualMachine, key: bytes) -> VolumeKeyProtector:
    """Protect a volume's key by the machine's TPM."""
    return VolumeKeyProtector(_new_id(), "Tpm", vtpm.seal(memory.vtpm, vm, key))


def password_protector(password: str, key: bytes) -> VolumeKeyProtector:
    """Protect a volume's key by a recovery password."""
    identifier = _new_id()
    sealed = protection_algorithms.encrypt(_password_key(password, identifier), key).value
    shown = protection_algorithms.encrypt(key, password.encode()).value
    return VolumeKeyProtector(identifier, "RecoveryPassword", sealed, shown)


def external_protector(system_key: bytes, key: bytes) -> VolumeKeyProtector:
    """Protect a data volume's key by the key of the operating system volume (automatic unlocking)."""
    return VolumeKeyProtector(_new_id(), "ExternalKey", protection_algorithms.encrypt(system_key, key).value)


def new_password() -> str:
    """Return a recovery password as Windows makes them."""
    return "-".join(f"{secrets.randbelow(_GROUP_LIMIT) * _FACTOR:0{_DIGITS}}" for _ in range(_GROUPS))


def is_password(text: str) -> bool:
    """Whether a text has the form of a recovery password."""
    groups = text.split("-")
    return len(groups) == _GROUPS and all(
        len(group) == _DIGITS
        and group.isascii()
        and group.isdigit()
        and int(group) % _FACTOR == 0
        and int(group) < _GROUP_LIMIT * _FACTOR
        for group in groups
    )


def shown_password(protector: VolumeKeyProtector, key: bytes) -> str:
    """Return the recovery password of a volume that is open."""
    return protection_algorithms.decrypt(key, EncryptedData(AES256_GCM, protector.shown)).decode()


def add_protector(disk: VirtualDisk, protector: VolumeKeyProtector) -> None:
    """Add a way to the key of a volume."""
    if disk.bitlocker is None:
        disk.bitlocker = BitLocker([])
    disk.bitlocker.protectors.append(protector)


def switch_on(disk: VirtualDisk, state: BitLocker, now: datetime, *, test_first: bool) -> None:
    """Begin to encrypt, at once or after a start has shown that the key can be got at."""
    # A volume consists of whole sectors.
    disk.volume += bytes(-len(disk.volume) % SECTOR)
    state.since = now
    state.waits_for_restart = test_first


def is_tested_by(state: BitLocker, started: datetime, now: datetime) -> bool:
    """Whether a start of Windows was the one that encryption waited for."""
    return state.waits_for_restart and state.since is not None and state.since < started <= now


def go_on(disk: VirtualDisk, now: datetime) -> None:
    """Go on after a start where the last run had come to."""
    state = disk.bitlocker
    if state is not None and state.since is not None:
        state.waits_for_restart = False
        state.since = now - DURATION * (state.encrypted / _sectors(disk))


def advance(disk: VirtualDisk, key: bytes, now: datetime) -> None:
    """Encrypt the sectors whose time has come."""
    state = disk.bitlocker
    if state is None or state.since is None or state.waits_for_restart:
        return
    total = _sectors(disk)
    target = min(total, int(total * ((now - state.since) / DURATION)))
    if target > state.encrypted:
        start, end = state.encrypted * SECTOR, target * SECTOR
        fresh = _convert(
            disk.volume[start:end], state.encrypted, key, lambda cipher, data: cipher.encryptor().update(data)
        )
        disk.volume = disk.volume[:start] + fresh + disk.volume[end:]
        state.encrypted = target


def percentage(disk: VirtualDisk) -> int:
    """Return how much of a volume is encrypted."""
    return 0 if disk.bitlocker is None else 100 * disk.bitlocker.encrypted // _sectors(disk)


def read(disk: VirtualDisk, key: bytes) -> bytes:
    """Return what the guest sees of a volume."""
    if disk.bitlocker is None:
        return disk.volume
    end = disk.bitlocker.encrypted * SECTOR
    return _convert(disk.volume[:end], 0, key, lambda cipher, data: cipher.decryptor().update(data)) + disk.volume[end:]


def unlock_by_tpm(disk: VirtualDisk, memory: VirtualMachineMemory, vm: VirtualMachine) -> bytes:
    """Return a volume's key from the TPM. Raises CannotUnlockError."""
    return _first(
        disk,
        "Tpm",
        lambda each: vtpm.unseal(memory.vtpm, vm, each.sealed),
        "The TPM does not release the volume's key.",
    )


def unlock_by_password(disk: VirtualDisk, password: str) -> bytes:
    """Return a volume's key by a recovery password. Raises CannotUnlockError."""
    return _first(
        disk,
        "RecoveryPassword",
        lambda each: _decrypt(_password_key(password, each.id), each.sealed),
        "The recovery password does not match.",
    )


def unlock_by_system_volume(disk: VirtualDisk, system_key: bytes) -> bytes:
    """Return a data volume's key by that of the operating system volume. Raises CannotUnlockError."""
    return _first(
        disk, "ExternalKey", lambda each: _decrypt(system_key, each.sealed), "The volume does not unlock automatically."
    )


def _first(disk: VirtualDisk, kind: str, open_with: Callable[[VolumeKeyProtector], bytes], otherwise: str) -> bytes:
    """Return the key that the first protector of a kind gives which can be opened."""
    keys = (_attempt(open_with, each) for each in _protectors(disk, kind))
    key = next((key for key in keys if key is not None), None)
    if key is None:
        raise CannotUnlockError(otherwise)
    return key


def _attempt(open_with: Callable[[VolumeKeyProtector], bytes], protector: VolumeKeyProtector) -> bytes | None:
    try:
        return open_with(protector)
    except (CannotDecryptError, vtpm.CannotUnsealError):
        return None


def _protectors(disk: VirtualDisk, kind: str) -> list[VolumeKeyProtector]:
    return [] if disk.bitlocker is None else [each for each in disk.bitlocker.protectors if each.type == kind]


def _decrypt(key: bytes, sealed: bytes) -> bytes:
    return protection_algorithms.decrypt(key, EncryptedData(AES256_GCM, sealed))


def _convert(data: bytes, first: int, key: bytes, convert: Callable[[Cipher[modes.XTS], bytes], bytes]) -> bytes:
    sectors = []
    for position in range(0, len(data), SECTOR):
        tweak = (first + position // SECTOR).to_bytes(16, "little")
        sectors.append(convert(Cipher(algorithms.AES(key), modes.XTS(tweak)), data[position : position + SECTOR]))
    return b"".join(sectors)


def _sectors(disk: VirtualDisk) -> int:
    return max(1, len(disk.volume) // SECTOR)


def _password_key(password: str, identifier: str) -> bytes:
    return HKDF(SHA256(), 32, salt=identifier.encode(), info=b"recovery password").derive(password.encode())


def _new_id() -> str:
    return f"{{{str(uuid.uuid4()).upper()}}}"
