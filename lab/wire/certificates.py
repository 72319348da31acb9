# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own certificate authority and the certificate of its listeners, kept in a directory and used again."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ansible_collections.guarded.fabric.lab import whole_files
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

_AUTHORITY_LIFETIME: Final = timedelta(days=3650)
_SERVER_LIFETIME: Final = timedelta(days=397)
_RENEW_BEFORE: Final = timedelta(days=30)
_BACKDATED: Final = timedelta(days=1)


@dataclass(frozen=True)
class ServerCertificate:
    """Files in PEM: the authority that clients trust, and the listeners' certificate with its key."""

    authority: Path
    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return a TLS context for listeners."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.chain, self.key)
        return context


@dataclass(frozen=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure(directory: Path, names: Sequence[str], now: datetime) -> ServerCertificate:
    """Return a certificate for these addresses and DNS names; a new one only where that in the directory does not do.

    `now` is real time, aware: clients check against the real clock, whatever time it is in the lab.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = ServerCertificate(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    authority = _load(files.authority, directory / "ca.key")
    if authority is None or authority.certificate.not_valid_after_utc < now + _SERVER_LIFETIME:
        authority = _make_authority(now)
        _store(authority, files.authority, directory / "ca.key")
    server = _load(files.chain, files.key)
    if server is None or not _serves(server.certificate, authority.certificate, names, now):
        _store(_make_server(authority, names, now), files.chain, files.key)
    return files


def _load(certificate: Path, key: Path) -> _Pair | None:
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        pair = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != pair.public_key():
        return None
    return _Pair(pair, loaded)


def _store(pair: _Pair, certificate: Path, key: Path) -> None:
    encoded = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    whole_files.write(key, encoded, 0o600)
    whole_files.write(certificate, pair.certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _serves(certificate: x509.Certificate, authority: x509.Certificate, names: Sequence[str], now: datetime) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(_general_names(names)) <= set(held) and certificate.not_valid_after_utc > now + _RENEW_BEFORE


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in dict.fromkeys(names)]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _make_authority(now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("guarded.fabric lab, guards nothing")
    usage = {"key_cert_sign": True, "crl_sign": True}
    builder = _builder(name, name, key, (now - _BACKDATED, now + _AUTHORITY_LIFETIME), usage)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _Pair(builder.sign(key, hashes.SHA256()), key)


def _make_server(authority: _Pair, names: Sequence[str], now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = {"digital_signature": True}
    validity = (now - _BACKDATED, now + _SERVER_LIFETIME)
    builder = (
        _builder(_name("guarded.fabric lab machines"), authority.certificate.subject, key, validity, usage)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return _Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    validity: tuple[datetime, datetime],
    usage: dict[str, bool],
) -> x509.CertificateBuilder:
    none = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(**{**none, **usage}), critical=True)
    )
