# SPDX-License-Identifier: GPL-3.0-or-later
"""What UEFI firmware of the lab leaves the factory with: the Secure Boot variables, and how they change.

Lab only: the authorities are no company's. Their keys are derived from their names, so that all machines of a hardware
class hold the same bytes without sharing anything; they protect nothing.
"""

from __future__ import annotations

import hashlib
import struct
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ansible_collections.guarded.fabric.plugins.module_utils import uefi
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

OWNER: Final = UUID("6c616220-6f6e-6c79-8000-677561726465")
"""Signature owner of every entry; a made-up number."""
WINDOWS_AUTHORITY: Final = "Lab Windows Production PCA"
OPTION_ROM_AUTHORITY: Final = "Lab Third Party UEFI CA"
_KEY_EXCHANGE_AUTHORITY: Final = "Lab Key Exchange CA"
_FORBIDDEN_AT_THE_FACTORY: Final = 3
_LIST_HEAD: Final = struct.Struct("<16sIII")


@cache
def authority(name: str) -> bytes:
    """Return the certificate (DER) of an authority: the same bytes for the same name, always."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2016, 1, 1, tzinfo=timezone.utc))
        .not_valid_after(datetime(2066, 1, 1, tzinfo=timezone.utc))
        .sign(key, None)
    )
    return certificate.public_bytes(Encoding.DER)


def factory_variables(vendor: str) -> dict[str, bytes]:
    """Return PK, KEK, db and dbx as a vendor ships them."""
    forbidden = [hashlib.sha256(f"forbidden image {n}".encode()).digest() for n in range(_FORBIDDEN_AT_THE_FACTORY)]
    return {
        "PK": certificates(f"{vendor} Platform Key"),
        "KEK": certificates(f"{vendor} Key Exchange Key", _KEY_EXCHANGE_AUTHORITY),
        "db": certificates(WINDOWS_AUTHORITY, OPTION_ROM_AUTHORITY),
        "dbx": signature_list(uefi.SHA256_HASH, forbidden),
    }


def certificates(*names: str) -> bytes:
    """Return signature lists, one certificate each, as lists can only hold entries of one size."""
    return b"".join(signature_list(uefi.X509_CERTIFICATE, [authority(name)]) for name in names)


def signature_list(kind: UUID, entries: Sequence[bytes]) -> bytes:
    """Return an EFI_SIGNATURE_LIST of entries of one length."""
    size = 16 + len(entries[0])
    body = b"".join(OWNER.bytes_le + entry for entry in entries)
    return _LIST_HEAD.pack(kind.bytes_le, _LIST_HEAD.size + len(body), 0, size) + body


def forbid(variables: dict[str, bytes], images: Sequence[bytes]) -> dict[str, bytes]:
    """Return the variables after a dbx update that forbids `images` (SHA-256 digests): what a Windows update brings."""
    return {**variables, "dbx": variables["dbx"] + signature_list(uefi.SHA256_HASH, images)}


def vouching_entry(variables: dict[str, bytes], name: str) -> uefi.Signature | None:
    """Return the db entry of the authority `name`; None where db does not have it or dbx forbids it."""
    certificate = authority(name)
    if any(entry.data == certificate for entry in uefi.parse_signature_lists(variables["dbx"])):
        return None
    entries = uefi.parse_signature_lists(variables["db"])
    return next((entry for entry in entries if entry.data == certificate), None)


def is_forbidden(variables: dict[str, bytes], image: bytes) -> bool:
    """Say if dbx holds the digest of an image."""
    return any(entry.data == image for entry in uefi.parse_signature_lists(variables["dbx"]))
