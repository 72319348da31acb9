# SPDX-License-Identifier: GPL-3.0-or-later
"""Guardians for tests; a key is made once for each name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from ansible_collections.guarded.fabric.plugins.module_utils.guardian_metadata import SigningIdentity
from ansible_collections.guarded.fabric.plugins.module_utils.key_protector_access import GuardianKeys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def certificate(name: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Return a self-signed certificate."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


@cache
def identity(name: str) -> SigningIdentity:
    """Return a self-signed certificate and its key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return SigningIdentity(certificate(name, key), key)


@cache
def keys(name: str) -> GuardianKeys:
    """Return a guardian of this name."""
    signing, encryption = identity(f"{name} signing"), identity(f"{name} encryption")
    return GuardianKeys(signing.certificate, signing.key, encryption.certificate, encryption.key)


@cache
def elliptic_certificate() -> bytes:
    """Return a certificate whose key is no RSA key."""
    return certificate("elliptic", ec.generate_private_key(ec.SECP256R1()))
