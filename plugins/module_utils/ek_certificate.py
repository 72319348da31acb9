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
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.plugins.module_utils import der, endorsement_key
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from contextlib import suppress

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
_VERSION_FIELD: Final = 0xA0
_EXTENSIONS_FIELD: Final = 0xA3
_TBS_FIELDS: Final = 6
"""Serial number, signature algorithm, issuer, validity, subject, key; the version before and the rest are optional."""

_NV_HEADER_SIZE: Final = 7
_STORED_CERTIFICATE: Final = b"\x10\x01\x00"
_FULL_CERTIFICATE: Final = b"\x10\x02"
"""TCG_PCCLIENT_STORED_CERT and TCG_FULL_CERT (TCG PC Client Specific Implementation Specification 1.2, 7.3.2)."""
_PEM_START: Final = b"-----BEGIN CERTIFICATE-----"
_PEM_END: Final = b"-----END CERTIFICATE-----"

_LONGEST_CHAIN: Final = 8
_NAMES: Final[Mapping[str, str]] = {
    "2.5.4.3": "CN",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    _MANUFACTURER: "TPMManufacturer",
    _MODEL: "TPMModel",
    _VERSION: "TPMVersion",
}


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
    parts = certificate.children()
    if not parts:
        raise FormatError(WHAT, "the signed part of a certificate", certificate.body)
    fields = list(parts[0].expect(der.SEQUENCE, "the signed part of a certificate").children())
    if fields and fields[0].tag == _VERSION_FIELD:
        del fields[0]
    if len(fields) < _TBS_FIELDS:
        raise FormatError(WHAT, f"at least {_TBS_FIELDS} fields, not {len(fields)}", parts[0].body)
    _serial, _algorithm, issuer, validity, subject, key, *rest = fields
    extensions = _extensions(rest)
    described = dict(_alternative_names(extensions.get(_SUBJECT_ALTERNATIVE_NAME)))
    not_before, not_after = _validity(validity)
    public_key = endorsement_key.normalise(key)
    return EkCertificate(
        manufacturer=_manufacturer(described.get(_MANUFACTURER, "")),
        model=described.get(_MODEL, ""),
        version=described.get(_VERSION, ""),
        subject=_name(subject),
        issuer=_name(issuer),
        not_before=not_before,
        not_after=not_after,
        public_key=public_key,
        public_key_sha256=endorsement_key.fingerprint(public_key),
        usages=_usages(extensions.get(_EXTENDED_KEY_USAGE)),
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
    except ValueError as error:
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


def _extensions(fields: list[der.Node]) -> dict[str, der.Node]:
    """Return the value of each extension, by identifier; the first where there are several."""
    found: dict[str, der.Node] = {}
    for field in fields:
        if field.tag != _EXTENSIONS_FIELD:
            continue
        for listed in field.children():
            for extension in listed.children():
                parts = extension.children()
                if parts and parts[-1].tag == der.OCTET_STRING:
                    for value in parts[-1].children()[:1]:
                        found.setdefault(der.object_identifier(parts[0]), value)
    return found


def _alternative_names(value: der.Node | None) -> Iterator[tuple[str, str]]:
    """Go through the attributes of all directory names in a subject alternative name."""
    for name in value.children() if value else ():
        if name.tag == _DIRECTORY_NAME:
            for directory in name.children():
                yield from _attributes(directory)


def _attributes(name: der.Node) -> Iterator[tuple[str, str]]:
    for relative in name.children():
        for attribute in relative.children():
            parts = attribute.children()
            if len(parts) == 2:  # noqa: PLR2004 - identifier and value
                yield der.object_identifier(parts[0]), der.text(parts[1])


def _name(node: der.Node) -> str:
    """Write a name as Windows and RFC 4514 do, its last part first."""
    parts = [f"{_NAMES.get(identifier, identifier)}={value}" for identifier, value in _attributes(node)]
    return ",".join(reversed(parts))


def _usages(value: der.Node | None) -> tuple[str, ...]:
    return tuple(der.object_identifier(usage) for usage in value.children()) if value else ()


def _validity(node: der.Node) -> tuple[datetime, datetime]:
    times = node.children()
    if len(times) != 2:  # noqa: PLR2004 - from, to
        raise FormatError(WHAT, "two times of validity", node.start)
    return _time(times[0]), _time(times[1])


def _time(node: der.Node) -> datetime:
    layout = "%y%m%d%H%M%SZ" if node.tag == der.UTC_TIME else "%Y%m%d%H%M%SZ"
    try:
        return datetime.strptime(node.contents.decode("ascii"), layout).replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise FormatError(WHAT, f"a time: {error}", node.start) from error


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
        with suppress(ValueError):
            yield _load(_certificate(certificate).whole)


def _load(data: bytes) -> x509.Certificate:
    # Certificates of TPMs break rules of today; the library warns of each, and nobody can change them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        certificate = x509.load_der_x509_certificate(data)
        # Names are read late; reading them here makes a certificate with unreadable ones unreadable as a whole.
        _who(certificate.subject), _who(certificate.issuer)
    return certificate


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        _verify_signature(issuer.public_key(), certificate)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
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
