# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates out of PFX files, and self-signed ones that services make for themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from .model import Certificate

if TYPE_CHECKING:
    from datetime import datetime

_LIFETIME: Final = timedelta(days=3650)
_KEY_BITS: Final = 2048


class PfxError(ValueError):
    """The data is no PFX, the password is wrong, or there is no certificate with its private key in it."""


def open_pfx(data: bytes, password: str) -> Certificate:
    """Return the certificate and private key of a PFX (PKCS#12). Raises PfxError."""
    try:
        key, certificate, _chain = pkcs12.load_key_and_certificates(data, password.encode())
    except (ValueError, TypeError) as error:
        # Windows words both a wrong password and damaged data this way (CryptographicException, 0x80070056).
        raise PfxError("The specified network password is not correct.") from error
    if key is None or certificate is None:
        raise PfxError("The file holds no certificate with a private key.")
    return Certificate(
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def self_signed(common_name: str, now: datetime) -> Certificate:
    """Make a certificate for signing and encryption, as New-SelfSignedCertificate does with both key usages."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _LIFETIME)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=True,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
