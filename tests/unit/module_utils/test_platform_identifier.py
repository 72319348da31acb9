# SPDX-License-Identifier: GPL-3.0-or-later
"""Platform identifiers: the published beginning of one, and keys and certificates under any element name."""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ansible_collections.guarded.fabric.lab.world import tpm
from ansible_collections.guarded.fabric.plugins.module_utils import endorsement_key, platform_identifier
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 24, 19, tzinfo=UTC)
CHIP = tpm.manufacture("Contoso", tpm.new_vendor("Contoso", NOW), NOW)
OTHER = tpm.manufacture_without_certificate("Contoso")
KEY = tpm.endorsement_key(CHIP)
EK = CHIP.ek_certificate or b""


def rsa_numbers() -> rsa.RSAPublicNumbers:
    key = serialization.load_der_public_key(KEY)
    assert isinstance(key, rsa.RSAPublicKey)
    return key.public_numbers()


def pkcs1() -> bytes:
    key = serialization.load_der_public_key(KEY)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


def cng_blob() -> bytes:
    # BCRYPT_RSAKEY_BLOB (bcrypt.h): magic, bits, sizes of exponent, modulus and the primes, then exponent and modulus.
    numbers = rsa_numbers()
    return struct.pack("<4sIIIII", b"RSA1", 2048, 3, 256, 0, 0) + b"\1\0\1" + numbers.n.to_bytes(256, "big")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def document(inner: str, messages: str = "") -> bytes:
    return (
        f'<PlatformIdentifiers xmlns="{platform_identifier.NAMESPACE}"><PlatformIdMessages>{messages}'
        "</PlatformIdMessages><Version>1.0.0.0</Version><ForeignKey>host1</ForeignKey>"
        f"<MachineGuid>67F8C025-DE98-47EB-A000-000000000000</MachineGuid>{inner}</PlatformIdentifiers>"
    ).encode()


@pytest.mark.parametrize("form", [KEY, pkcs1(), cng_blob()], ids=["SubjectPublicKeyInfo", "PKCS#1", "CNG blob"])
@pytest.mark.parametrize("write", [b64, bytes.hex])
def test_the_key_is_found_in_any_form_under_any_name(form: bytes, write: type[str]) -> None:
    text = write(form)
    wrapped = "\n  ".join(text[at : at + 76] for at in range(0, len(text), 76))
    found = platform_identifier.parse(document(f"<Some><Thing>{wrapped}</Thing></Some>"))
    assert found == platform_identifier.PlatformIdentifier(
        name="host1",
        version="1.0.0.0",
        machine_guid="67F8C025-DE98-47EB-A000-000000000000",
        messages=(),
        endorsement_key=KEY,
        endorsement_certificate=None,
    )


def test_a_certificate_brings_its_key() -> None:
    found = platform_identifier.parse(document(f"<Any>{b64(EK)}</Any>"))
    assert (found.endorsement_key, found.endorsement_certificate) == (KEY, EK)
    assert platform_identifier.why_not(found) == ()


def test_a_certificate_for_something_else_is_not_taken_for_one() -> None:
    authority = tpm.new_vendor("Contoso", NOW)
    found = platform_identifier.parse(document(f"<Any>{b64(authority.der)}</Any>"))
    assert (found.endorsement_key, found.endorsement_certificate) == (None, None)


def test_what_speaks_against_registering() -> None:
    empty = platform_identifier.parse(document("", "<Message>no certificate</Message>"))
    assert platform_identifier.why_not(empty) == (
        "Windows says: no certificate",
        "no endorsement key was found in the document",
        "no endorsement key certificate was found in the document: only policy version v1 takes it",
    )
    other = b64(tpm.endorsement_key(OTHER))
    mixed = platform_identifier.parse(document(f"<A>{b64(EK)}</A><B>{other}</B>"))
    assert platform_identifier.why_not(mixed) == (
        "the endorsement key certificate is for another key than the document's",
    )


def test_hosts_that_share_a_tpm_are_found() -> None:
    first = platform_identifier.parse(document(f"<A>{b64(EK)}</A>"))
    second = replace(first, name="host2")
    third = platform_identifier.parse(document(f"<A>{b64(tpm.endorsement_key(OTHER))}</A>"))
    none = platform_identifier.parse(document(""))
    found = platform_identifier.shared_keys({"a": first, "b": third, "c": second, "d": none, "e": none})
    assert found == (("a", "c"),)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"not XML", "well-formed XML"),
        (b"<PlatformIdentifiers/>", "the root element PlatformIdentifiers in namespace http://microsoft.com/windows/"),
        (document("")[:180], "well-formed XML"),
    ],
)
def test_refused(data: bytes, expected: str) -> None:
    with pytest.raises(FormatError, match=re.escape(expected)):
        platform_identifier.parse(data)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (cng_blob()[:-1], "a modulus of 256 bytes"),
        (b"RSA1", "a head of 24 bytes"),
        (struct.pack("<4sIIIII", b"RSA1", 2048, 3, 256, 0, 0) + bytes(259), "an odd RSA modulus"),
        (KEY + b"x", "nothing after the key"),
        (b"\x30\x00", "the algorithm of a public key, and the key"),
    ],
)
def test_keys_that_are_none_are_refused(key: bytes, expected: str) -> None:
    with pytest.raises(FormatError, match=re.escape(expected)):
        endorsement_key.parse(key)


@given(st.data())
def test_only_format_error_escapes(data: st.DataObject) -> None:
    form = bytearray(data.draw(st.sampled_from([KEY, pkcs1(), cng_blob(), EK])))
    for _ in range(data.draw(st.integers(0, 4))):
        form[data.draw(st.integers(0, min(60, len(form) - 1)))] = data.draw(st.integers(0, 255))
    found = platform_identifier.parse(
        document(f"<A>{b64(bytes(form))}</A>{data.draw(st.sampled_from(['', '<!---->']))}")
    )
    platform_identifier.why_not(found)
    if found.endorsement_key is not None:
        assert endorsement_key.parse(found.endorsement_key) == found.endorsement_key
