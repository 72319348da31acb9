# SPDX-License-Identifier: GPL-3.0-or-later
"""The Key Protection Service: it introduces itself, and gives the keys of a protector to hosts that attested.

Checks, their order and the names of the errors: [MS-KPS] 3.1.5.1. Lab only: the algorithms, that a service which guards
a protector by none of its enabled certificates answers InvalidWrappingException, and that all guardians stay in the
protector that goes out (the specification speaks of the owner and of the service itself).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import (
    guardian_metadata,
    key_protector,
    key_protector_access,
    protection_algorithms,
)
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from ansible_collections.guarded.fabric.plugins.module_utils.guardian_metadata import SigningIdentity
from ansible_collections.guarded.fabric.plugins.module_utils.key_protector_access import GuardianKeys
from ansible_collections.guarded.fabric.plugins.module_utils.protection_algorithms import (
    AES256_GCM,
    KEY_SIZE,
    RSA_OAEP,
    thumbprint,
)
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from . import key_certificates, private_keys
from .key_protection_messages import RollResponse, pack_transport_keys

if TYPE_CHECKING:
    from datetime import datetime

    from ansible_collections.guarded.fabric.plugins.module_utils.key_protector import Protector
    from ansible_collections.guarded.fabric.plugins.module_utils.key_protector_access import Problem

    from .key_protection_messages import RollRequest
    from .model import Certificate, KeyProtectionState

HEALTH_CERTIFICATE: Final = "HealthCertificateException"


class ServiceError(Exception):
    """The service refuses; `code` is the name of the specification's exception."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def metadata(state: KeyProtectionState) -> bytes:
    """Return the guardian metadata document. Raises ServiceError, in the specification's words."""
    signing, encryption = (key_certificates.primary(state, kind) for kind in ("Signing", "Encryption"))
    if encryption is None:
        raise ServiceError("MetadataException", "Primary Encryption Certificate not found")
    if signing is None:
        raise ServiceError("MetadataException", "Primary Signing Certificate not found")
    others = tuple(
        each.certificate.der
        for each in key_certificates.listed(state, "Signing")
        if each is not signing and each.enabled
    )
    return guardian_metadata.build(
        _identity(signing.certificate), encryption.certificate.der, _identity(state.communications), others
    )


def roll_transport_key(state: KeyProtectionState, request: RollRequest, version: int, now: datetime) -> RollResponse:
    """Answer a host that wants to start a virtual machine. Raises ServiceError."""
    _check_health(state, request.health_certificate, now)
    algorithms = (request.transfer_key_algorithm, request.wrapping_key_algorithm, request.transport_keys_algorithm)
    if algorithms != (RSA_OAEP, AES256_GCM, AES256_GCM):
        raise ServiceError("ArgumentException", "An encryption algorithm of the request is not supported.")
    protector = _protector(request.ingress_protector)
    try:
        ingress_key, egress = key_protector_access.roll(protector, _own_keys(state, protector))
    except key_protector_access.NoAccessError as error:
        raise ServiceError(key_protector_access.INVALID_WRAPPING, str(error)) from error
    _refuse(key_protector_access.transport_key_problems(key_protector_access.Opened(protector, ingress_key)))
    transfer_key, wrapping_key = os.urandom(KEY_SIZE), os.urandom(KEY_SIZE)
    blob = pack_transport_keys((ingress_key, egress.transport_key), version)
    return RollResponse(
        egress_protector=key_protector.write(egress.protector),
        encrypted_transfer_key=protection_algorithms.wrap(request.health_certificate, transfer_key).value,
        encrypted_wrapping_key=protection_algorithms.encrypt(transfer_key, wrapping_key).value,
        encrypted_transport_keys=protection_algorithms.encrypt(wrapping_key, blob).value,
    )


def _check_health(state: KeyProtectionState, certificate: bytes, now: datetime) -> None:
    """Refuse a host whose health certificate is not a trusted attestation service's, lapsed, or issued too early."""
    try:
        parsed = x509.load_der_x509_certificate(certificate)
    except (ValueError, x509.InvalidVersion) as error:
        raise ServiceError(HEALTH_CERTIFICATE, "The health certificate is not a certificate.") from error
    signer = next((each for each in state.trusted_attestation_signers if _issued(each, parsed)), None)
    if signer is None:
        raise ServiceError(
            HEALTH_CERTIFICATE, "The health certificate was not issued by a trusted attestation service."
        )
    if not parsed.not_valid_before_utc <= now < parsed.not_valid_after_utc:
        raise ServiceError(HEALTH_CERTIFICATE, "The health certificate has expired or is not yet valid.")
    earliest = state.deny_issued_before.get(thumbprint(signer))
    if earliest is not None and parsed.not_valid_before_utc < earliest:
        raise ServiceError(HEALTH_CERTIFICATE, "Health certificates that were issued so early are denied.")
    unusable = protection_algorithms.why_not_usable(certificate)
    if unusable:
        raise ServiceError(HEALTH_CERTIFICATE, unusable)


def _issued(signer: bytes, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(x509.load_der_x509_certificate(signer))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _protector(raw: bytes) -> Protector:
    """Read a protector with or without its length in front, and check all that can be checked before it is opened."""
    try:
        protector = (
            key_protector.read_document(raw) if raw.startswith((b"<", b"\xef\xbb\xbf")) else key_protector.read(raw)
        )
    except FormatError as error:
        raise ServiceError(key_protector_access.INVALID_PROTECTOR, str(error)) from error
    if protector is None:
        raise ServiceError(key_protector_access.INVALID_PROTECTOR, "There is no key protector.")
    _refuse(key_protector_access.problems(protector))
    return protector


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise ServiceError(problems[0].exception, "; ".join(problem.reason for problem in problems))


def _own_keys(state: KeyProtectionState, protector: Protector) -> GuardianKeys:
    """Return the service's keys for the first wrapping that one of its enabled certificate pairs is for."""
    signing, encryption = (
        {each.certificate.der: each.certificate for each in key_certificates.listed(state, kind) if each.enabled}
        for kind in ("Signing", "Encryption")
    )
    for wrapping in protector.wrappings:
        if wrapping.signing_certificate in signing and wrapping.encryption_certificate in encryption:
            pair = signing[wrapping.signing_certificate], encryption[wrapping.encryption_certificate]
            try:
                keys = [private_keys.of(certificate) for certificate in pair]
            except private_keys.NoPrivateKeyError as error:
                raise ServiceError("CryptographicException", str(error)) from error
            return GuardianKeys(pair[0].der, keys[0], pair[1].der, keys[1])
    raise ServiceError(key_protector_access.INVALID_WRAPPING, "This service is no guardian of the key protector.")


def _identity(certificate: Certificate) -> SigningIdentity:
    try:
        return SigningIdentity(certificate.der, private_keys.of(certificate))
    except private_keys.NoPrivateKeyError as error:
        raise ServiceError("MetadataException", str(error)) from error
