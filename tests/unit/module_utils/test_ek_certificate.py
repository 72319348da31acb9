# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.lab.world.model import Certificate
from ansible_collections.guarded.fabric.plugins.module_utils import der, ek_certificate
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
VENDOR = tpm.new_vendor("Contoso", NOW)
CHIP = tpm.manufacture("Contoso", VENDOR, NOW)
EK = CHIP.ek_certificate or b""

NV_HEADER = b"\x10\x01\x00" + (len(EK) + 2).to_bytes(2, "big") + b"\x10\x02"
PEM = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(EK) + b"-----END CERTIFICATE-----\n"


def test_what_the_vendor_certified() -> None:
    found = ek_certificate.parse(EK)
    assert (found.manufacturer, found.model, found.version) == ("LABT", "Contoso", "id:00020000")
    assert (found.subject, found.issuer) == ("", "CN=Contoso TPM EK Root CA,O=Contoso")
    assert (found.not_before, found.not_after.year) == (NOW, 9999)
    assert found.usages == ("2.23.133.8.1",)
    assert found.public_key == tpm.endorsement_key(CHIP)
    assert found.public_key_sha256 == hashlib.sha256(tpm.endorsement_key(CHIP)).hexdigest().upper()
    assert found.thumbprint == hashlib.sha1(EK, usedforsecurity=False).hexdigest().upper()
    assert found.der == EK


@pytest.mark.parametrize(
    "wrapped", [NV_HEADER + EK, EK + b"\x11" * 76, NV_HEADER + EK + b"\xff", PEM, b"\r\n" + PEM], ids=range(5)
)
def test_headers_padding_and_pem_make_no_difference(wrapped: bytes) -> None:
    assert ek_certificate.parse(wrapped) == ek_certificate.parse(EK)


def test_a_key_under_the_oaep_identifier_is_the_same_key() -> None:
    rsa_oid, oaep_oid = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d010107")
    assert EK.count(rsa_oid) == 1
    found = ek_certificate.parse(EK.replace(rsa_oid, oaep_oid))
    assert found.public_key_sha256 == ek_certificate.parse(EK).public_key_sha256


def test_a_set_out_of_order_is_read_and_said_to_be_beyond_checking() -> None:
    # An issuer whose one relative name has two attributes, the greater first: DER wants them the other way round.
    attributes = [
        der.encode(der.SEQUENCE, bytes.fromhex("0603550403") + der.encode(0x0C, name)) for name in (b"zz", b"a")
    ]
    issuer = der.encode(der.SEQUENCE, der.encode(der.SET, b"".join(attributes)))
    certificate = der.read(EK, "test").children()
    fields = list(certificate[0].children())
    parts = [field.whole for field in fields]
    parts[3] = issuer
    signed = der.encode(der.SEQUENCE, b"".join(parts))
    found = ek_certificate.parse(der.encode(der.SEQUENCE, signed + b"".join(node.whole for node in certificate[1:])))
    assert found.issuer == "CN=a,CN=zz"
    (reason,) = ek_certificate.verify_chain(found, [VENDOR.der], [], LATER)
    assert reason.startswith("its signature cannot be checked: ")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "a tag and a length"),
        (b"text, not a certificate", "bytes of contents"),
        (EK[:-1], "bytes of contents"),
        (EK + b"ab", "nothing but padding"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA", "the end line of PEM"),
        (b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "Base64"),
        (b"\x30\x00", "the signed part of a certificate"),
        (b"\x30\x02\x30\x00", "at least 6 fields, not 0"),
        (b"\x1f\x00", "a tag of one byte"),
        (b"\x30\x80", "a length of at most four bytes"),
        (bytes(70_000), "at most 65536 bytes, not 70000"),
    ],
)
def test_refused_with_the_expectation(data: bytes, expected: str) -> None:
    with pytest.raises(FormatError, match=re.escape(expected)) as caught:
        ek_certificate.parse(data)
    assert caught.value.offset is not None


def test_chain_to_a_root() -> None:
    found = ek_certificate.parse(EK)
    assert ek_certificate.verify_chain(found, [VENDOR.der], [], LATER) == ()
    pem = x509.load_der_x509_certificate(VENDOR.der).public_bytes(serialization.Encoding.PEM)
    assert ek_certificate.verify_chain(found, [b"unreadable", pem], [], LATER) == ()


def test_chain_that_does_not_hold_says_why() -> None:
    found = ek_certificate.parse(EK)
    impostor = tpm.new_vendor("Contoso", NOW)
    name = "CN=Contoso TPM EK Root CA,O=Contoso"
    assert ek_certificate.verify_chain(found, [], [], LATER) == (
        f"no certificate of {name} is among the trusted roots and intermediates",
    )
    assert ek_certificate.verify_chain(found, [impostor.der], [], LATER) == (
        f"the signature of the TPM is not by the known {name}",
    )
    assert ek_certificate.verify_chain(found, [], [VENDOR.der], LATER) == (f"{name} is not among the trusted roots",)
    early = ek_certificate.verify_chain(found, [VENDOR.der], [], NOW - timedelta(days=1))
    assert early == (
        "the certificate of the TPM is not valid before 2026-11-24",
        f"the certificate of {name} is not valid before 2026-11-24",
    )


def issue(subject: str, issuer: Certificate | None, days: int, *, ca: bool) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    issuer_name = x509.load_der_x509_certificate(issuer.der).subject if issuer else name
    signer = serialization.load_der_private_key(issuer.key or b"", None) if issuer else key
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    encoded = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(certificate.public_bytes(serialization.Encoding.DER), encoded)


def test_chain_over_an_intermediate_and_each_way_it_breaks() -> None:
    root = issue("root", None, 900, ca=True)
    between = issue("between", root, 400, ca=True)
    no_authority = issue("between", root, 400, ca=False)
    for intermediate, at, expected in [
        (between, LATER, ()),
        (no_authority, LATER, ("the signature of the TPM is not by the known CN=between",)),
        (between, NOW + timedelta(days=500), ("the certificate of CN=between expired on 2027-12-29",)),
    ]:
        chip = tpm.manufacture("Contoso", intermediate, NOW, lambda: CHIP.ek_key)
        found = ek_certificate.parse(chip.ek_certificate or b"")
        assert ek_certificate.verify_chain(found, [root.der], [intermediate.der], at) == expected


def test_a_certificate_for_something_else_is_named_as_such() -> None:
    (reason,) = ek_certificate.verify_chain(ek_certificate.parse(VENDOR.der), [VENDOR.der], [], LATER)
    assert "not for an endorsement key (extended key usage 2.23.133.8.1)" in reason


def test_object_identifiers() -> None:
    # X.690 8.19: the first two numbers share a byte; 2.999.3 is the standard's own example.
    for encoded, dotted in [("0603883703", "2.999.3"), ("06032a8648", "1.2.840"), ("060100", "0.0")]:
        assert der.object_identifier(der.read(bytes.fromhex(encoded), "test")) == dotted
    with pytest.raises(FormatError):
        der.object_identifier(der.read(bytes.fromhex("060188"), "test"))


@given(st.integers(0, 100_000))
def test_encoded_elements_are_read_back(size: int) -> None:
    contents = bytes(size)
    node = der.read(der.encode(der.OCTET_STRING, contents), "test")
    assert (node.tag, node.contents) == (der.OCTET_STRING, contents)


@given(st.data())
def test_only_format_error_escapes(data: st.DataObject) -> None:
    spoilt = bytearray(EK)
    for _ in range(data.draw(st.integers(1, 5))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = ek_certificate.parse(bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))]))
    except FormatError:
        return
    if found.der != EK:
        ek_certificate.verify_chain(found, [VENDOR.der], [], LATER)
