# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from ansible_collections.guarded.fabric.plugins.plugin_utils import pfx
from ansible_collections.guarded.fabric.plugins.plugin_utils.calls import File
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID

from .lab_driver import NOW

if TYPE_CHECKING:
    from ansible_collections.guarded.fabric.plugins.plugin_utils.problems import Kind

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PASSWORD = "Pfx-1"
BOTH = ("digital_signature", "data_encipherment")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: Key, usages: tuple[str, ...] | None = BOTH) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "HGS")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Expired: HGS does not mind.
        .not_valid_before(NOW - timedelta(days=20))
        .not_valid_after(NOW - timedelta(days=10))
    )
    if usages is not None:
        all_usages = (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        )
        builder = builder.add_extension(x509.KeyUsage(**{name: name in usages for name in all_usages}), critical=True)
    return builder.sign(key, hashes.SHA256())


def packed(key: Key | None, made: x509.Certificate | None, password: str = PASSWORD) -> File:
    encryption = BestAvailableEncryption(password.encode())
    return File(pkcs12.serialize_key_and_certificates(b"hgs", key, made, None, encryption), "hgs.pfx")


def kind(file: File, password: str = PASSWORD) -> Kind | None:
    problem = pfx.why_not(file, password)
    assert problem is None or problem.thing == "hgs.pfx"
    return None if problem is None else problem.kind


@pytest.mark.parametrize("usages", [BOTH, (*BOTH, "key_encipherment"), None])
def test_a_suitable_certificate_is_taken(key: rsa.RSAPrivateKey, usages: tuple[str, ...] | None) -> None:
    assert kind(packed(key, certificate(key, usages))) is None


def test_a_wrong_password_is_named(key: rsa.RSAPrivateKey) -> None:
    assert kind(packed(key, certificate(key)), "wrong") is pfx.PFX_UNREADABLE
    assert kind(packed(key, certificate(key)), "") is pfx.PFX_UNREADABLE


def test_what_is_no_pfx_is_named() -> None:
    assert kind(File(b"-----BEGIN CERTIFICATE-----", "hgs.pfx")) is pfx.PFX_UNREADABLE


def test_a_certificate_without_its_key_is_named(key: rsa.RSAPrivateKey) -> None:
    assert kind(packed(None, certificate(key))) is pfx.PFX_WITHOUT_KEY


def test_keys_that_hgs_does_not_take_are_named() -> None:
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - what is refused
    assert kind(packed(small, certificate(small))) is pfx.PFX_KEY_UNSUITABLE
    curve = ec.generate_private_key(ec.SECP256R1())
    assert kind(packed(curve, certificate(curve))) is pfx.PFX_KEY_UNSUITABLE


@pytest.mark.parametrize("usages", [(), ("digital_signature",), ("data_encipherment",), ("key_encipherment",)])
def test_both_usages_are_needed(key: rsa.RSAPrivateKey, usages: tuple[str, ...]) -> None:
    assert kind(packed(key, certificate(key, usages))) is pfx.PFX_USAGE_UNSUITABLE


def test_the_password_never_shows(key: rsa.RSAPrivateKey) -> None:
    problem = pfx.why_not(packed(key, certificate(key)), "hunter2")
    assert "hunter2" not in str(problem)
