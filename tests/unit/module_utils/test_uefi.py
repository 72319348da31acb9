# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from ansible_collections.guarded.fabric.lab.world import firmware
from ansible_collections.guarded.fabric.plugins.module_utils import uefi
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

OWNER = UUID("00112233-4455-6677-8899-aabbccddeeff")
# UUIDs are mixed endian in UEFI: the first three fields are little endian.
OWNER_BYTES = "33221100554477668899aabbccddeeff"
SHA256_TYPE = "2616c4c14c509240aca941f936934328"


def test_variable() -> None:
    data = bytes.fromhex(OWNER_BYTES + "0300000000000000" + "0200000000000000" + "640062007800" + "beef")
    assert uefi.parse_variable(data) == uefi.Variable(OWNER, "dbx", b"\xbe\xef")
    assert uefi.parse_variable(data + b"left by firmware").content == b"\xbe\xef"


def test_signature_lists_one_after_another() -> None:
    # Head of 28 bytes, a header of 2 bytes, two entries of 17 bytes (owner and one byte); then an empty list.
    first = SHA256_TYPE + "40000000 02000000 11000000 ffff" + OWNER_BYTES + "aa" + OWNER_BYTES + "bb"
    second = SHA256_TYPE + "1c000000 00000000 11000000"
    assert uefi.parse_signature_lists(bytes.fromhex(first + second)) == (
        uefi.Signature(uefi.SHA256_HASH, OWNER, b"\xaa"),
        uefi.Signature(uefi.SHA256_HASH, OWNER, b"\xbb"),
    )
    assert uefi.parse_signature_lists(b"") == ()


def test_authority_is_a_certificate_or_a_hash() -> None:
    certificate = firmware.authority("A")
    owner = bytes.fromhex(OWNER_BYTES)
    assert uefi.parse_authority(owner + certificate) == uefi.Signature(uefi.X509_CERTIFICATE, OWNER, certificate)
    assert uefi.parse_authority(owner + bytes(32)) == uefi.Signature(uefi.SHA256_HASH, OWNER, bytes(32))


def test_entries_in_words() -> None:
    certificate = firmware.authority("Some CA")
    digest = hashlib.sha256(certificate).hexdigest()
    described = uefi.describe(uefi.Signature(uefi.X509_CERTIFICATE, OWNER, certificate))
    assert described == f"certificate CN=Some CA (SHA-256 {digest})"
    colourful = uefi.describe(uefi.Signature(uefi.X509_CERTIFICATE, OWNER, firmware.authority("\x1b[31mred")))
    assert colourful.startswith("certificate CN=\N{REPLACEMENT CHARACTER}[31mred ")
    broken = uefi.describe(uefi.Signature(uefi.X509_CERTIFICATE, OWNER, b"x"))
    assert broken == f"unreadable certificate (SHA-256 {hashlib.sha256(b'x').hexdigest()})"
    assert uefi.describe(uefi.Signature(uefi.SHA256_HASH, OWNER, b"\xaa")) == "SHA-256 hash aa"
    assert uefi.describe(uefi.Signature(OWNER, OWNER, b"\xaa")) == f"entry of type {OWNER} aa"


@pytest.mark.parametrize(
    ("read", "data", "offset", "expected"),
    [
        (uefi.parse_variable, bytes(31), 0, "at least 32 bytes, not 31"),
        (uefi.parse_variable, bytes(16) + b"\1" + bytes(15), 16, "a name of 1 characters"),
        (uefi.parse_variable, bytes(16) + b"\xff" * 16, 16, "a name of 18446744073709551615 characters"),
        (uefi.parse_signature_lists, bytes(27), 0, "a list head of 28 bytes"),
        (uefi.parse_signature_lists, bytes(28), 16, "a list of 0 bytes"),
        (uefi.parse_signature_lists, bytes(16) + b"\x1c" + bytes(11), 24, "whole entries of 0 bytes in 0 bytes"),
        (uefi.parse_signature_lists, bytes(16) + b"\x1c\0\0\0\1" + bytes(7), 16, "with a header of 1"),
        (
            uefi.parse_signature_lists,
            bytes(16) + b"\x2e\0\0\0\0\0\0\0\x11" + bytes(21),
            24,
            "whole entries of 17 bytes in 18 bytes",
        ),
        (uefi.parse_authority, bytes(16), 0, "an owner of 16 bytes and data, not 16"),
    ],
)
def test_refused_with_place_and_expectation(
    read: Callable[[bytes], object], data: bytes, offset: int, expected: str
) -> None:
    with pytest.raises(FormatError, match=re.escape(expected)) as caught:
        read(data)
    assert caught.value.offset == offset


@given(st.binary(max_size=120), st.integers(0, 119))
def test_only_format_error_escapes_and_no_byte_is_read_twice(noise: bytes, cut: int) -> None:
    lists = firmware.signature_list(uefi.SHA256_HASH, [bytes(32), bytes(32)])
    data = lists[:cut] + noise
    for read in (uefi.parse_variable, uefi.parse_authority):
        try:
            uefi.describe(uefi.Signature(OWNER, OWNER, noise))
            read(data)
        except FormatError as error:
            assert error.offset is not None  # noqa: PT017 - both outcomes are fine, the place must be there
    try:
        found = uefi.parse_signature_lists(data)
    except FormatError:
        return
    assert sum(len(entry.data) for entry in found) <= len(data)
