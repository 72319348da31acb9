# SPDX-License-Identifier: GPL-3.0-or-later
"""RSA keys out of the world's plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from .model import Certificate


class NoPrivateKeyError(Exception):
    """The certificate is there without its private key, or the key is no RSA key."""


def load(pkcs8: bytes) -> rsa.RSAPrivateKey:
    """Return the RSA key of PKCS#8 DER. Raises NoPrivateKeyError."""
    # Checking a key takes 50 ms, and every key here was made by the lab or checked when its PFX was opened.
    key = serialization.load_der_private_key(pkcs8, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise NoPrivateKeyError("The key is no RSA key.")
    return key


def of(certificate: Certificate) -> rsa.RSAPrivateKey:
    """Return a certificate's private key. Raises NoPrivateKeyError."""
    if certificate.key is None:
        raise NoPrivateKeyError("The private key of the certificate is not on this computer.")
    return load(certificate.key)
