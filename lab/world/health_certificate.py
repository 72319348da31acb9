# SPDX-License-Identifier: GPL-3.0-or-later
"""Health certificates: what a host that passed shows to the Key Protection Service.

X.509 over the host's VBS identity key, signed by the attestation service's own signer certificate ([MS-HGSA] 2.2.2.7,
WSD guarded-fabric-troubleshoot-hgs). Lab only: the subject, the extensions and the lifetime, none of which is public.
The signer's subject is the one GuardedFabricTools knows.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from . import private_keys
from .model import Certificate

if TYPE_CHECKING:
    from datetime import datetime

SIGNER_SUBJECT: Final = "Microsoft Remote Attestation Service"
_SIGNER_LIFETIME: Final = timedelta(days=2 * 365)
_KEY_BITS: Final = 2048


def new_signer(now: datetime) -> Certificate:
    """Make the self-signed certificate with which an attestation service signs health certificates."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    name = _common_name(SIGNER_SUBJECT)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _SIGNER_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def issue(signer: Certificate, identity_key: rsa.RSAPublicKey, host: str, now: datetime, hours: float) -> bytes:
    """Certify a host's VBS identity key for so many hours of world time; return the certificate as DER."""
    issuer = x509.load_der_x509_certificate(signer.der)
    issuer_key = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .subject_name(_common_name(host))
        .issuer_name(issuer.subject)
        .public_key(identity_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=hours))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False)
        .sign(private_keys.of(signer), hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
