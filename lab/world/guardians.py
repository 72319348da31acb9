# SPDX-License-Identifier: GPL-3.0-or-later
"""The guardians of a machine's local store: those it is itself, with private keys, and those it trusts.

Sources: PSD HgsClient; subjects and store of generated certificates: captured output of Get-HgsGuardian. Lab only: the
words of the refusals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import guardian_metadata
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.guardian_metadata import SigningIdentity
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import thumbprint
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from . import certificates, key_certificates, private_keys
from .model import Certificate, Guardian

if TYPE_CHECKING:
    from datetime import datetime

    from .model import Machine

STORE: Final = r"localmachine\shielded vm local certificates"
UNTRUSTED: Final = "UntrustedGuardian"
"""The guardian that Windows makes for virtual machines that only this host protects."""
_ROOTS: Final = r"localmachine\root"
_INTERMEDIATES: Final = r"localmachine\ca"
_PERSONAL: Final = r"localmachine\my"
_LONGEST_CHAIN: Final = 8


class RefusedError(Exception):
    """It is not done; `reason` is for an error id, `category` an ErrorCategory."""

    def __init__(self, message: str, reason: str, category: str = "InvalidOperation") -> None:
        super().__init__(message)
        self.reason = reason
        self.category = category


@dataclass(frozen=True)
class Overlooked:
    """What does not matter about a guardian's certificates."""

    untrusted_root: bool = False
    expired: bool = False


def listed(machine: Machine) -> list[Guardian]:
    """Return the guardians; a host in HostGuardianService mode shows none (PSD Get-HgsGuardian)."""
    return [] if machine.client.mode == "HostGuardianService" else list(machine.guardians.values())


def find(machine: Machine, name: str) -> Guardian:
    """Return a guardian by name. Raises RefusedError."""
    found = machine.guardians.get(name.lower())
    if found is None:
        raise RefusedError(f"There is no guardian named '{name}'.", "GuardianNotFound", "ObjectNotFound")
    return found


def named(machine: Machine, signing_certificate: bytes) -> Guardian | None:
    """Return the guardian with a signing certificate."""
    return next((each for each in machine.guardians.values() if each.signing.der == signing_certificate), None)


def generate(machine: Machine, name: str, now: datetime) -> Guardian:
    """Make a guardian with new self-signed certificates; called again for the name of another, it refuses."""
    _check_free(machine, name)
    pair = [
        certificates.self_signed(_common_name(f"Shielded VM {use} Certificate ({name}) ({machine.name})"), now)
        for use in ("Signing", "Encryption")
    ]
    machine.stores.setdefault(STORE, []).extend(pair)
    return _keep(machine, name, *pair)


def _common_name(text: str) -> str:
    # 64 characters at most (RFC 5280, appendix A), which cryptography counts in UTF-8.
    return text.encode()[:64].decode(errors="ignore")


def from_certificates(machine: Machine, name: str, signing: Certificate, encryption: Certificate) -> Guardian:
    """Make a guardian of certificates with private keys; whether to trust them is the caller's to check.

    Raises RefusedError.
    """
    _check_free(machine, name)
    for problem in (key_certificates.why_not("Signing", signing), key_certificates.why_not("Encryption", encryption)):
        if problem:
            raise RefusedError(problem, "InvalidCertificate", "InvalidData")
    store = machine.stores.setdefault(STORE, [])
    store.extend(certificate for certificate in (signing, encryption) if certificate not in store)
    return _keep(machine, name, signing, encryption)


def certificate_in_stores(machine: Machine, wanted: str) -> Certificate:
    """Return a certificate of this computer by thumbprint. Raises RefusedError."""
    for path in (STORE, _PERSONAL):
        for certificate in machine.stores.get(path, []):
            if thumbprint(certificate.der) == wanted.upper().replace(" ", ""):
                return certificate
    raise RefusedError(f"There is no certificate with thumbprint {wanted}.", "CertificateNotFound", "ObjectNotFound")


def introduce(machine: Machine, name: str, document: bytes, overlooked: Overlooked, now: datetime) -> Guardian:
    """Trust the guardian that a metadata document introduces. Raises RefusedError."""
    _check_free(machine, name)
    try:
        problems = guardian_metadata.problems(document)
        metadata = guardian_metadata.read(document)
    except FormatError as error:
        raise RefusedError(f"The file is no guardian metadata: {error}", "InvalidMetadata", "InvalidData") from error
    if problems:
        raise RefusedError(
            f"The guardian metadata cannot be verified: {'; '.join(problems)}", "InvalidSignature", "SecurityError"
        )
    check_trust(machine, (metadata.signing_certificate, metadata.encryption_certificate), overlooked, now)
    guardian = Guardian(
        name, Certificate(metadata.signing_certificate), Certificate(metadata.encryption_certificate), document
    )
    machine.guardians[name.lower()] = guardian
    return guardian


def remove(machine: Machine, name: str) -> None:
    """Forget a guardian; its certificates stay in their store (lab only). Raises RefusedError."""
    find(machine, name)
    del machine.guardians[name.lower()]


def untrusted(machine: Machine, now: datetime) -> Guardian:
    """Return the guardian for virtual machines that only this host protects, made where it is not there."""
    return machine.guardians.get(UNTRUSTED.lower()) or generate(machine, UNTRUSTED, now)


def check_trust(machine: Machine, checked: tuple[bytes, ...], overlooked: Overlooked, now: datetime) -> None:
    """Refuse certificates (DER) without a chain to a root this machine trusts, or outside of their validity."""
    for der in checked:
        certificate = x509.load_der_x509_certificate(der)
        if not overlooked.untrusted_root and not _is_trusted(machine, certificate):
            raise RefusedError(
                f"The certificate {thumbprint(der)} does not chain to a trusted root.", "UntrustedRoot", "SecurityError"
            )
        in_time = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
        if not overlooked.expired and not in_time:
            raise RefusedError(
                f"The certificate {thumbprint(der)} is not within its validity period.",
                "CertificateExpired",
                "SecurityError",
            )


def _is_trusted(machine: Machine, certificate: x509.Certificate) -> bool:
    roots = [x509.load_der_x509_certificate(each.der) for each in machine.stores.get(_ROOTS, [])]
    others = [x509.load_der_x509_certificate(each.der) for each in machine.stores.get(_INTERMEDIATES, [])]
    for _ in range(_LONGEST_CHAIN):
        if certificate in roots:
            return True
        issuer = next((each for each in (*roots, *others) if _issued(each, certificate)), None)
        if issuer is None:
            return False
        certificate = issuer
    return False


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _check_free(machine: Machine, name: str) -> None:
    if name.lower() in machine.guardians:
        raise RefusedError(f"A guardian named '{name}' already exists.", "GuardianExists", "ResourceExists")


def _keep(machine: Machine, name: str, signing: Certificate, encryption: Certificate) -> Guardian:
    identity = SigningIdentity(signing.der, private_keys.of(signing))
    document = guardian_metadata.build(identity, encryption.der, identity)
    guardian = Guardian(name, signing, encryption, document)
    machine.guardians[name.lower()] = guardian
    return guardian
