# SPDX-License-Identifier: GPL-3.0-or-later
"""Endorsement keys of TPMs and their certificates, as the Host Guardian Service looks at them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

ROOT_STORE: Final = r"localmachine\trustedtpm_rootca"
INTERMEDIATE_STORE: Final = r"localmachine\trustedtpm_intermediateca"
_LONGEST_CHAIN: Final = 8


def identifier(endorsement_key: bytes) -> str:
    """Name an endorsement key (DER, SubjectPublicKeyInfo) as HGS does: by its hash.

    That it is a hash is what GuardedFabricTools compares; SHA-256 of this encoding, in upper case, is lab only.
    """
    return hashlib.sha256(endorsement_key).hexdigest().upper()


def key_of(certificate: bytes) -> bytes:
    """Return the public key of an endorsement certificate as DER; ValueError where it is no certificate with a key."""
    return (
        x509.load_der_x509_certificate(certificate)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def thumbprint(certificate: bytes) -> str:
    """Return the thumbprint as Windows shows it: SHA-1 of the DER, upper-case hex."""
    return hashlib.sha1(certificate, usedforsecurity=False).hexdigest().upper()


def is_trusted(certificate: bytes, roots: Iterable[bytes], intermediates: Iterable[bytes], now: datetime) -> bool:
    """Whether an endorsement certificate chains, by name, signature and date, to one of the roots."""
    trusted = [x509.load_der_x509_certificate(der) for der in roots]
    known = [*trusted, *(x509.load_der_x509_certificate(der) for der in intermediates)]
    current = x509.load_der_x509_certificate(certificate)
    for _ in range(_LONGEST_CHAIN):
        if not current.not_valid_before_utc <= now <= current.not_valid_after_utc:
            return False
        if current in trusted:
            return True
        issuer = next((candidate for candidate in known if _issued(candidate, current)), None)
        if issuer is None:
            return False
        current = issuer
    return False


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
