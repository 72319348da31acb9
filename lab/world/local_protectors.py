# SPDX-License-Identifier: GPL-3.0-or-later
"""Key protectors that an owner makes and changes on a machine which has the owner's private keys (PSD HgsClient)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.guarded.fabric.plugins.module_utils import (
    guardian_metadata,
    key_protector,
    key_protector_access,
)
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.key_protector_access import GuardianKeys
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint

from . import guardians, private_keys
from .guardians import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ansible_collections.guarded.fabric.plugins.module_utils.key_protector import Protector

    from .guardians import Overlooked
    from .model import Guardian, Machine


def create(
    machine: Machine, owner: Guardian, trusted: Sequence[Guardian], overlooked: Overlooked, now: datetime
) -> bytes:
    """Make a protector; return its raw bytes. Raises RefusedError."""
    for guardian in trusted:
        _check_trust(machine, guardian, overlooked, now)
    made = key_protector_access.create(_keys(owner), [_public(guardian) for guardian in trusted])
    return key_protector.write(made.protector)


def read(raw: bytes) -> Protector:
    """Read raw bytes. Raises RefusedError where they are no protector, or none that holds together."""
    try:
        protector = key_protector.read(raw)
    except FormatError as error:
        raise RefusedError(f"The bytes are no key protector: {error}", "InvalidKeyProtector", "InvalidData") from error
    if protector is None:
        raise RefusedError("There is no key protector in the bytes.", "InvalidKeyProtector", "InvalidData")
    problems = key_protector_access.problems(protector)
    if problems:
        reasons = "; ".join(problem.reason for problem in problems)
        raise RefusedError(f"The key protector cannot be verified: {reasons}", "InvalidKeyProtector", "SecurityError")
    return protector


def grant(machine: Machine, raw: bytes, guardian: Guardian, overlooked: Overlooked, now: datetime) -> bytes:
    """Let a guardian open a protector too. Raises RefusedError."""
    _check_trust(machine, guardian, overlooked, now)
    protector = read(raw)
    try:
        granted = key_protector_access.grant(protector, _owner_keys(machine, protector), _public(guardian))
    except key_protector_access.NoAccessError as error:
        raise RefusedError(str(error), "NotOwner", "PermissionDenied") from error
    return key_protector.write(granted.protector)


def revoke(machine: Machine, raw: bytes, guardian: Guardian) -> bytes:
    """Let a guardian no longer open a protector. Raises RefusedError."""
    protector = read(raw)
    try:
        revoked = key_protector_access.revoke(
            protector, _owner_keys(machine, protector), thumbprint(guardian.signing.der)
        )
    except key_protector_access.NoAccessError as error:
        raise RefusedError(str(error), "NotOwner", "PermissionDenied") from error
    return key_protector.write(revoked.protector)


def is_owned_here(machine: Machine, raw: bytes) -> bool:
    """Whether the machine has the private signing key of a protector's owner."""
    owner = key_protector.owner(read(raw))
    known = None if owner is None else guardians.named(machine, owner.signing_certificate)
    return known is not None and known.signing.key is not None


def _owner_keys(machine: Machine, protector: Protector) -> GuardianKeys:
    owner = key_protector.owner(protector)
    known = None if owner is None else guardians.named(machine, owner.signing_certificate)
    if known is None:
        raise RefusedError(
            "The owner of the key protector is not among the guardians of this computer.",
            "OwnerNotFound",
            "ObjectNotFound",
        )
    return _keys(known)


def _keys(guardian: Guardian) -> GuardianKeys:
    try:
        return GuardianKeys(
            guardian.signing.der,
            private_keys.of(guardian.signing),
            guardian.encryption.der,
            private_keys.of(guardian.encryption),
        )
    except private_keys.NoPrivateKeyError as error:
        raise RefusedError(
            f"The guardian '{guardian.name}' cannot be the owner: its private keys are not on this computer.",
            "NoPrivateKey",
            "PermissionDenied",
        ) from error


def _public(guardian: Guardian) -> key_protector_access.Guardian:
    metadata = guardian_metadata.read(guardian.metadata)
    return key_protector_access.Guardian(
        metadata.signing_certificate, metadata.encryption_certificate, metadata.encryption_certificate_signature
    )


def _check_trust(machine: Machine, guardian: Guardian, overlooked: Overlooked, now: datetime) -> None:
    """Check a guardian that is only trusted; what this machine made itself needs no trust."""
    if guardian.signing.key is None:
        guardians.check_trust(machine, (guardian.signing.der, guardian.encryption.der), overlooked, now)
