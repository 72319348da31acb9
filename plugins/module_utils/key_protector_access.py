# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Making, opening and checking key protectors ([MS-KPS] 2.2.3.1 and 3.1.5.1.1.3).

Lab only: the algorithms (`protection_algorithms`), and that "over a certificate" means over its DER bytes. What is
signed by whom, the chain to the owner, and which exception the service names for what, are the specification's.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from ansible_collections.guarded.fabric.plugins.module_utils import protection_algorithms
from ansible_collections.guarded.fabric.plugins.module_utils.key_protector import (
    Protector,
    Wrapping,
    guardians,
    owner,
    wrappings_to_sign,
)
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import (
    HKDF_SHA256,
    KEY_SIZE,
    CannotDecryptError,
    Signature,
    thumbprint,
)

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from collections.abc import Iterable

INVALID_PROTECTOR: Final = "InvalidProtectorException"
INVALID_WRAPPING: Final = "InvalidWrappingException"


class NoAccessError(Exception):
    """The keys at hand do not open the protector, or do not own it."""


@dataclass(frozen=True)
class Guardian:
    """What is public about a guardian; the signature is its signing key's, over its encryption certificate."""

    signing_certificate: bytes
    encryption_certificate: bytes
    encryption_certificate_signature: Signature


@dataclass(frozen=True)
class GuardianKeys:
    """A guardian's certificates (DER) and its private keys."""

    signing_certificate: bytes
    signing_key: rsa.RSAPrivateKey
    encryption_certificate: bytes
    encryption_key: rsa.RSAPrivateKey

    def public(self) -> Guardian:
        """Return what others may know."""
        signature = protection_algorithms.sign(self.signing_key, self.encryption_certificate)
        return Guardian(self.signing_certificate, self.encryption_certificate, signature)


@dataclass(frozen=True)
class Opened:
    """A protector that was opened, and with it the transport key."""

    protector: Protector
    transport_key: bytes


@dataclass(frozen=True)
class Problem:
    """A check that failed, and which exception the Key Protection Service names for it."""

    exception: Literal["InvalidProtectorException", "InvalidWrappingException"]
    reason: str


def create(owner_keys: GuardianKeys, trusted: Iterable[Guardian], maximum_offline_unwraps: int = 0) -> Opened:
    """Make a protector with a new transport key for its owner and the guardians the owner trusts."""
    transport_key = os.urandom(KEY_SIZE)
    first = _wrapping(1, 1, owner_keys.public(), owner_keys.signing_key, transport_key)
    others = [
        _wrapping(number, 1, guardian, owner_keys.signing_key, transport_key)
        for number, guardian in enumerate(trusted, 2)
    ]
    return _sealed([first, *others], 1, owner_keys.signing_key, transport_key, maximum_offline_unwraps)


def grant(protector: Protector, owner_keys: GuardianKeys, guardian: Guardian) -> Opened:
    """Add a guardian; a guardian who is there already stays. NoAccessError where these are not the owner's keys."""
    own, transport_key = _open_as_owner(protector, owner_keys)
    known = {wrapping.signing_certificate for wrapping in protector.wrappings}
    if guardian.signing_certificate in known:
        return Opened(protector, transport_key)
    number = max(wrapping.id for wrapping in protector.wrappings) + 1
    added = _wrapping(number, own.id, guardian, owner_keys.signing_key, transport_key)
    return _sealed([*protector.wrappings, added], own.id, owner_keys.signing_key, transport_key, _offline(protector))


def revoke(protector: Protector, owner_keys: GuardianKeys, signing_thumbprint: str) -> Opened:
    """Take a guardian out, and those whom it vouched for; the owner stays.

    The transport key stays: who kept a copy of the old protector can still open it ([MS-KPS] has no way to prevent that
    before the next roll). NoAccessError where these are not the owner's keys, or the
    thumbprint is the owner's or nobody's.
    """
    own, transport_key = _open_as_owner(protector, owner_keys)
    wanted = signing_thumbprint.upper()
    named = [each.id for each in guardians(protector) if thumbprint(each.signing_certificate) == wanted]
    if not named:
        raise NoAccessError("the protector has no such guardian beside its owner")
    gone = set().union(*(_descendants(protector, number) for number in named))
    kept = [wrapping for wrapping in protector.wrappings if wrapping.id not in gone]
    return _sealed(kept, own.id, owner_keys.signing_key, transport_key, _offline(protector))


def unwrap(protector: Protector, encryption_certificate: bytes, encryption_key: rsa.RSAPrivateKey) -> bytes:
    """Return the transport key with a guardian's private key; NoAccessError where none of the wrappings is for it."""
    for wrapping in protector.wrappings:
        if wrapping.encryption_certificate == encryption_certificate:
            try:
                return protection_algorithms.unwrap(encryption_key, wrapping.transport_key)
            except CannotDecryptError as error:
                raise NoAccessError(str(error)) from error
    raise NoAccessError("the protector has no such guardian")


def roll(protector: Protector, guardian: GuardianKeys) -> tuple[bytes, Opened]:
    """Replace the transport key, as the Key Protection Service does: owner and guardians stay, it signs.

    Returns the old key, and the new protector with its key. NoAccessError where the guardian is none.
    """
    ingress_key = unwrap(protector, guardian.encryption_certificate, guardian.encryption_key)
    own = next(each for each in protector.wrappings if each.encryption_certificate == guardian.encryption_certificate)
    egress_key = os.urandom(KEY_SIZE)
    wrappings = [
        replace(each, transport_key=protection_algorithms.wrap(each.encryption_certificate, egress_key))
        for each in protector.wrappings
    ]
    return ingress_key, _sealed(wrappings, own.id, guardian.signing_key, egress_key, _offline(protector))


def problems(protector: Protector) -> list[Problem]:
    """Check everything that needs no private key; nothing found means that all of it holds."""
    by_id = {wrapping.id: wrapping for wrapping in protector.wrappings}
    if len(by_id) != len(protector.wrappings):
        return [Problem(INVALID_WRAPPING, "two wrappings have the same id")]
    own = owner(protector)
    if own is None:
        return [Problem(INVALID_WRAPPING, "not exactly one wrapping is its own parent, the owner's")]
    chained = _descendants(protector, own.id)
    found = [
        Problem(INVALID_WRAPPING, f"wrapping {wrapping.id}, {reason}")
        for wrapping in protector.wrappings
        for reason in _wrapping_reasons(wrapping, by_id, chained)
    ]
    signer = by_id.get(protector.guardian)
    if signer is None:
        found.append(Problem(INVALID_PROTECTOR, f"there is no wrapping {protector.guardian}, which should have signed"))
    else:
        reason = protection_algorithms.why_not_signed(
            signer.signing_certificate, protector.signed, protector.guardian_signature
        )
        found += [Problem(INVALID_PROTECTOR, f"guardian signature: {reason}")] if reason else []
    return found


def transport_key_problems(opened: Opened) -> list[Problem]:
    """Check the signature made with the key that is derived from the transport key."""
    protector = opened.protector
    reason = protection_algorithms.why_not_signed_with_transport_key(
        opened.transport_key, protector.signed, protector.key_derivation, protector.transport_key_signature
    )
    return [Problem(INVALID_PROTECTOR, f"transport key signature: {reason}")] if reason else []


def _wrapping_reasons(wrapping: Wrapping, by_id: dict[int, Wrapping], chained: set[int]) -> list[str]:
    parent = by_id.get(wrapping.parent)
    if parent is None:
        return [f"parent: there is no wrapping {wrapping.parent}"]
    checks = {
        "parent": "" if wrapping.id in chained else "the chain does not end at the owner",
        "signing certificate": protection_algorithms.why_not_signed(
            parent.signing_certificate, wrapping.signing_certificate, wrapping.signing_certificate_signature
        ),
        "encryption certificate": protection_algorithms.why_not_signed(
            wrapping.signing_certificate, wrapping.encryption_certificate, wrapping.encryption_certificate_signature
        )
        or protection_algorithms.why_not_usable(wrapping.encryption_certificate),
    }
    return [f"{what}: {reason}" for what, reason in checks.items() if reason]


def _descendants(protector: Protector, ancestor: int) -> set[int]:
    """Return the ids of a wrapping and of all that it vouches for, directly or through others."""
    children: dict[int, list[int]] = {}
    for wrapping in protector.wrappings:
        children.setdefault(wrapping.parent, []).append(wrapping.id)
    found, waiting = {ancestor}, [ancestor]
    while waiting:
        new = [child for child in children.get(waiting.pop(), ()) if child not in found]
        found.update(new)
        waiting += new
    return found


def _wrapping(
    number: int, parent: int, guardian: Guardian, parent_key: rsa.RSAPrivateKey, transport_key: bytes
) -> Wrapping:
    return Wrapping(
        id=number,
        signing_certificate=guardian.signing_certificate,
        parent=parent,
        signing_certificate_signature=protection_algorithms.sign(parent_key, guardian.signing_certificate),
        encryption_certificate=guardian.encryption_certificate,
        encryption_certificate_signature=guardian.encryption_certificate_signature,
        transport_key=protection_algorithms.wrap(guardian.encryption_certificate, transport_key),
    )


def _sealed(
    wrappings: list[Wrapping], signer: int, signing_key: rsa.RSAPrivateKey, transport_key: bytes, offline: int
) -> Opened:
    """Sign wrappings with a guardian's key and with the one derived from the transport key."""
    signed = wrappings_to_sign(wrappings)
    protector = Protector(
        wrappings=tuple(wrappings),
        signed=signed,
        key_derivation=HKDF_SHA256,
        transport_key_signature=protection_algorithms.sign_with_transport_key(transport_key, signed),
        guardian_signature=protection_algorithms.sign(signing_key, signed),
        guardian=signer,
        maximum_offline_unwraps=offline,
    )
    return Opened(protector, transport_key)


def _open_as_owner(protector: Protector, owner_keys: GuardianKeys) -> tuple[Wrapping, bytes]:
    own = owner(protector)
    if own is None or own.signing_certificate != owner_keys.signing_certificate:
        raise NoAccessError("only the owner can change who guards a protector")
    return own, unwrap(protector, owner_keys.encryption_certificate, owner_keys.encryption_key)


def _offline(protector: Protector) -> int:
    return protector.maximum_offline_unwraps
