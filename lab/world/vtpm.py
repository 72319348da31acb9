# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual TPM of a virtual machine: what it seals only it opens, and only while Secure Boot is as it was.

Lab only: the state is one storage seed, and of all that a guest's start measures only Secure Boot counts.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from .model import VirtualMachine

_SEED_SIZE: Final = 32
_NONCE_SIZE: Final = 12


class CannotUnsealError(Exception):
    """Another TPM sealed it, or the machine was started with other settings."""


def new_state() -> bytes:
    """Return the state of a new TPM, in the clear."""
    return os.urandom(_SEED_SIZE)


def seal(state: bytes, vm: VirtualMachine, secret: bytes) -> bytes:
    """Encrypt so that this TPM opens it again in the machine as it is configured now."""
    nonce = os.urandom(_NONCE_SIZE)
    return nonce + AESGCM(_storage_key(state)).encrypt(nonce, secret, _measurement(vm))


def unseal(state: bytes, vm: VirtualMachine, sealed: bytes) -> bytes:
    """Undo `seal`. Raises CannotUnsealError."""
    try:
        return AESGCM(_storage_key(state)).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], _measurement(vm))
    except (InvalidTag, ValueError) as error:
        raise CannotUnsealError("The TPM does not release the key.") from error


def _storage_key(state: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"storage").derive(state)


def _measurement(vm: VirtualMachine) -> bytes:
    return hashlib.sha256(b"SecureBoot" + bytes([vm.secure_boot])).digest()
