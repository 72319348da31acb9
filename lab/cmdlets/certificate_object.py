# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate as cmdlets return it: X509Certificate2."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography import x509

from .registry import PSObject

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.lab.world.model import Certificate


def certificate_object(certificate: Certificate) -> PSObject:
    """Return an X509Certificate2 for a certificate of the world."""
    parsed = x509.load_der_x509_certificate(certificate.der)
    return PSObject(
        "System.Security.Cryptography.X509Certificates.X509Certificate2",
        {
            "Thumbprint": hashlib.sha1(certificate.der, usedforsecurity=False).hexdigest().upper(),
            "Subject": _name(parsed.subject),
            "Issuer": _name(parsed.issuer),
            "SerialNumber": f"{parsed.serial_number:X}",
            "NotBefore": parsed.not_valid_before_utc,
            "NotAfter": parsed.not_valid_after_utc,
            "HasPrivateKey": certificate.key is not None,
            "RawData": certificate.der,
        },
        base=certificate,
    )


def _name(name: x509.Name) -> str:
    """Return a name as .NET shows it: the most specific part first, as in RFC 4514, with a space after each comma."""
    return ", ".join(part.rfc4514_string() for part in reversed(name.rdns))
