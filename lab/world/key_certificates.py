# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a Key Protection Service: which it takes, which is primary, which may still be used.

Rules: WSD guarded-fabric-obtain-certs and manage-hgs (rotation), PSD HgsKeyProtection. That the first certificate of a
type becomes the primary one, and the words of the refusals, are the lab's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from .model import KeyCertificate

if TYPE_CHECKING:
    from typing import Final

    from .model import Certificate, KeyProtectionState

Kind = Literal["Signing", "Encryption"]
_SMALLEST_KEY: Final = 2048


class RefusedError(Exception):
    """The service does not do it; `reason` is for an error id, `category` an ErrorCategory."""

    def __init__(self, message: str, reason: str, category: str = "InvalidOperation") -> None:
        super().__init__(message)
        self.reason = reason
        self.category = category


def why_not(kind: Kind | Literal["Communications"], certificate: Certificate) -> str:
    """Say why a certificate cannot serve, or nothing where it can.

    RSA of 2048 bits or more; where a key usage is given it must allow digitalSignature for signing and dataEncipherment
    for encryption and communications (the checks of Microsoft's script for HGS certificates). Expiry does not count.
    """
    parsed = x509.load_der_x509_certificate(certificate.der)
    key = parsed.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return "Only RSA keys are supported."
    if key.key_size < _SMALLEST_KEY:
        return f"The key has {key.key_size} bits; at least {_SMALLEST_KEY} are needed."
    try:
        usage = parsed.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    if kind == "Signing" and not usage.digital_signature:
        return "The key usage of a signing certificate must include Digital Signature."
    if kind != "Signing" and not usage.data_encipherment:
        return "The key usage of the certificate must include Data Encipherment."
    return ""


def listed(state: KeyProtectionState, kind: Kind) -> list[KeyCertificate]:
    """Return the certificates of a type."""
    return [each for each in state.certificates if each.type == kind]


def primary(state: KeyProtectionState, kind: Kind) -> KeyCertificate | None:
    """Return the primary certificate of a type."""
    return next((each for each in listed(state, kind) if each.primary), None)


def find(state: KeyProtectionState, kind: Kind, wanted: str) -> KeyCertificate:
    """Return a certificate by thumbprint. Raises RefusedError."""
    for each in listed(state, kind):
        if thumbprint(each.certificate.der) == wanted.upper().replace(" ", ""):
            return each
    raise RefusedError(
        f"There is no {kind.lower()} certificate with thumbprint {wanted}.", "CertificateNotFound", "ObjectNotFound"
    )


def add(state: KeyProtectionState, kind: Kind, certificate: Certificate, *, from_pfx: bool) -> KeyCertificate:
    """Add a certificate; it is enabled, and primary only where the type had none. Raises RefusedError."""
    problem = why_not(kind, certificate)
    if problem:
        raise RefusedError(problem, "InvalidCertificate", "InvalidData")
    if any(each.certificate.der == certificate.der for each in listed(state, kind)):
        raise RefusedError(
            f"The {kind.lower()} certificate {thumbprint(certificate.der)} already exists.",
            "CertificateExists",
            "ResourceExists",
        )
    added = KeyCertificate(kind, certificate, primary=primary(state, kind) is None, from_pfx=from_pfx)
    state.certificates.append(added)
    return added


def make_primary(state: KeyProtectionState, kind: Kind, wanted: str) -> None:
    """Make a certificate the one that new metadata and protectors carry. Raises RefusedError for a disabled one."""
    chosen = find(state, kind, wanted)
    if not chosen.enabled:
        raise RefusedError("A disabled certificate cannot be the primary certificate.", "CertificateDisabled")
    for each in listed(state, kind):
        each.primary = each is chosen


def set_enabled(state: KeyProtectionState, kind: Kind, wanted: str, *, enabled: bool) -> None:
    """Let a certificate be used, or not. Raises RefusedError for disabling the primary one."""
    chosen = find(state, kind, wanted)
    if chosen.primary and not enabled:
        raise RefusedError("The primary certificate cannot be disabled.", "CertificateIsPrimary")
    chosen.enabled = enabled


def remove(state: KeyProtectionState, kind: Kind, wanted: str) -> None:
    """Forget a certificate. Raises RefusedError for the primary one."""
    chosen = find(state, kind, wanted)
    if chosen.primary:
        raise RefusedError("The primary certificate cannot be removed.", "CertificateIsPrimary")
    state.certificates.remove(chosen)
