# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Endorsement key certificates: what a TPM's vendor says about the TPM, and whether a known root stands behind it.

Contents: TCG EK Credential Profile (subject alternative name with 2.23.133.2.1 manufacturer, .2 model, .3 version;
extended key usage 2.23.133.8.1). Real ones carry the header of a TPM's NV memory, padding, keys under the RSAES-OAEP
identifier, or sets out of order; all of that is read. Chains are checked with the cryptography library, which refuses
some of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import certificate_fields, der, endorsement_key
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError

with suppress(ImportError):  # plugin_utils/requirements.py names what is missing, before anything needs it
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

WHAT: Final = "EK certificate"
ENDORSEMENT_KEY_USAGE: Final = "2.23.133.8.1"
MAXIMUM_SIZE: Final = 64 * 1024
"""Bytes; a TPM has room for a few kilobytes."""

_MANUFACTURER: Final = "2.23.133.2.1"
_MODEL: Final = "2.23.133.2.2"
_VERSION: Final = "2.23.133.2.3"
_SUBJECT_ALTERNATIVE_NAME: Final = "2.5.29.17"
_EXTENDED_KEY_USAGE: Final = "2.5.29.37"
_DIRECTORY_NAME: Final = 0xA4

_NV_HEADER_SIZE: Final = 7
_STORED_CERTIFICATE: Final = b"\x10\x01\x00"
_FULL_CERTIFICATE: Final = b"\x10\x02"
"""TCG_PCCLIENT_STORED_CERT and TCG_FULL_CERT (TCG PC Client Specific Implementation Specification 1.2, 7.3.2)."""
_PEM_START: Final = b"-----BEGIN CERTIFICATE-----"
_PEM_END: Final = b"-----END CERTIFICATE-----"

_LONGEST_CHAIN: Final = 8


@dataclass(frozen=True)
class EkCertificate:
    """An endorsement key certificate. Texts are empty where the certificate does not have them.

    `public_key` is DER SubjectPublicKeyInfo, for RSA always under the plain RSA identifier, so that the same key reads
    the same wherever it comes from; `public_key_sha256` is its SHA-256 in upper-case hex; `thumbprint` is the SHA-1 of
    the certificate in upper-case hex, as Windows shows it; `der` is the certificate without header and padding.
    """

    manufacturer: str
    model: str
    version: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    public_key: bytes
    public_key_sha256: str
    usages: tuple[str, ...]
    thumbprint: str
    der: bytes


def parse(data: bytes) -> EkCertificate:
    """Read a certificate: DER or PEM, with or without NV header and padding. Raises FormatError."""
    if len(data) > MAXIMUM_SIZE:
        raise FormatError(WHAT, f"at most {MAXIMUM_SIZE} bytes, not {len(data)}", MAXIMUM_SIZE)
    certificate = _certificate(data)
    fields = certificate_fields.read(certificate)
    described = dict(_alternative_names(fields.extensions.get(_SUBJECT_ALTERNATIVE_NAME)))
    public_key = endorsement_key.normalise(fields.public_key)
    return EkCertificate(
        manufacturer=_manufacturer(described.get(_MANUFACTURER, "")),
        model=described.get(_MODEL, ""),
        version=described.get(_VERSION, ""),
        subject=certificate_fields.name_text(fields.subject),
        issuer=certificate_fields.name_text(fields.issuer),
        not_before=fields.not_before,
        not_after=fields.not_after,
        public_key=public_key,
        public_key_sha256=endorsement_key.fingerprint(public_key),
        usages=_usages(fields.extensions.get(_EXTENDED_KEY_USAGE)),
        thumbprint=hashlib.sha1(certificate.whole, usedforsecurity=False).hexdigest().upper(),
        der=certificate.whole,
    )


def verify_chain(
    certificate: EkCertificate, roots: Iterable[bytes], intermediates: Iterable[bytes], at: datetime
) -> tuple[str, ...]:
    """Say why no chain of valid certificates leads from `certificate` to one of `roots` at a time; empty if one does.

    Roots and intermediates are DER or PEM; those that cannot be read are passed over, as Windows does with a store.
    Revocation is not looked at.
    """
    reasons: list[str] = []
    if ENDORSEMENT_KEY_USAGE not in certificate.usages:
        reasons.append(f"the certificate is not for an endorsement key (extended key usage {ENDORSEMENT_KEY_USAGE})")
    trusted = tuple(_loadable(roots))
    known = (*trusted, *_loadable(intermediates))
    try:
        current = _load(certificate.der)
    except FormatError as error:
        return (*reasons, f"its signature cannot be checked: {error}")
    for _ in range(_LONGEST_CHAIN):
        reasons.extend(_validity_reasons(current, at))
        if current in trusted:
            return tuple(reasons)
        issuers = [candidate for candidate in known if candidate.subject == current.issuer]
        if not issuers:
            return (*reasons, f"no certificate of {_who(current.issuer)} is among the trusted roots and intermediates")
        issuer = next((candidate for candidate in issuers if _issued(candidate, current)), None)
        if issuer == current:
            return (*reasons, f"{_who(current.subject)} is not among the trusted roots")
        if issuer is None:
            return (*reasons, f"the signature of {_who(current.subject)} is not by the known {_who(current.issuer)}")
        current = issuer
    return (*reasons, f"the chain is longer than {_LONGEST_CHAIN} certificates")


def _certificate(data: bytes) -> der.Node:
    """Find the certificate in what a TPM, a file or a cmdlet gave."""
    position = 0
    if data.lstrip().startswith(_PEM_START):
        data = _from_pem(data)
    elif data.startswith(_STORED_CERTIFICATE) and data[5:_NV_HEADER_SIZE] == _FULL_CERTIFICATE:
        position = _NV_HEADER_SIZE
    certificate = der.read(data, WHAT, position).expect(der.SEQUENCE, "a certificate")
    padding = data[certificate.end :]
    if len(set(padding)) > 1:
        raise FormatError(WHAT, "nothing but padding after the certificate", certificate.end)
    return certificate


def _from_pem(data: bytes) -> bytes:
    start = data.index(_PEM_START) + len(_PEM_START)
    end = data.find(_PEM_END, start)
    if end < 0:
        raise FormatError(WHAT, "the end line of PEM", len(data))
    try:
        return base64.b64decode(b"".join(data[start:end].split()), validate=True)
    except binascii.Error as error:
        raise FormatError(WHAT, f"Base64: {error}", start) from error


def _alternative_names(value: der.Node | None) -> Iterator[tuple[str, str]]:
    """Go through the attributes of all directory names in a subject alternative name."""
    for name in value.children() if value else ():
        if name.tag == _DIRECTORY_NAME:
            for directory in name.children():
                yield from certificate_fields.attributes(directory)


def _usages(value: der.Node | None) -> tuple[str, ...]:
    return tuple(der.object_identifier(usage) for usage in value.children()) if value else ()


def _manufacturer(value: str) -> str:
    """Read "id:" and eight hex digits as the four characters they stand for (TCG Vendor ID Registry)."""
    prefix, _, number = value.partition(":")
    try:
        characters = bytes.fromhex(number)
    except ValueError:
        return value
    readable = characters.rstrip(b"\0 ")
    if prefix != "id" or not readable.isascii() or not readable.decode("ascii").isprintable():
        return value
    return readable.decode("ascii")


def _loadable(certificates: Iterable[bytes]) -> Iterator[x509.Certificate]:
    for certificate in certificates:
        with suppress(FormatError):
            yield _load(_certificate(certificate).whole)


def _load(data: bytes) -> x509.Certificate:
    """Read a certificate with the library. Raises FormatError where it refuses."""
    try:
        # Certificates of TPMs break rules of today; the library warns of each, and nobody can change them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            certificate = x509.load_der_x509_certificate(data)
            # Names are read late; reading them here makes a certificate with unreadable ones unreadable as a whole.
            _who(certificate.subject), _who(certificate.issuer)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise FormatError(WHAT, f"a certificate that the cryptography library takes ({error})") from error
    return certificate


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        _verify_signature(issuer.public_key(), certificate)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (
        ValueError,
        TypeError,
        InvalidSignature,
        UnsupportedAlgorithm,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return False


def _verify_signature(key: PublicKeyTypes, certificate: x509.Certificate) -> None:
    """Check one signature. The library's own check refuses SHA-1, which certificates of older chips are signed with."""
    parameters = certificate.signature_algorithm_parameters
    digest = certificate.signature_hash_algorithm
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
        key.verify(signature, signed, parameters)
    elif isinstance(key, rsa.RSAPublicKey) and isinstance(parameters, padding.PKCS1v15 | padding.PSS) and digest:
        key.verify(signature, signed, parameters, digest)
    else:
        raise UnsupportedAlgorithm(certificate.signature_algorithm_oid.dotted_string)


def _validity_reasons(certificate: x509.Certificate, at: datetime) -> Iterator[str]:
    who = _who(certificate.subject)
    if at < certificate.not_valid_before_utc:
        yield f"the certificate of {who} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if at > certificate.not_valid_after_utc:
        yield f"the certificate of {who} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"


def _who(name: x509.Name) -> str:
    return name.rfc4514_string() or "the TPM"
