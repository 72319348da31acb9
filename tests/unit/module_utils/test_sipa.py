# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows' boot measurements: each payload of wbcl.h written out by hand."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import sipa, sipa_events, tcg_log
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from hypothesis import given
from hypothesis import strategies as st

from . import event_logs
from .event_logs import Record

TRUST_BOUNDARY, UNMEASURED_CONTAINER = 0x40010001, 0xC0010004


def value(number: int, payload: str) -> sipa.Value:
    (record,) = sipa.parse(event_logs.sipa(number, bytes.fromhex(payload)))
    return record.value


def test_flags_numbers_texts_and_bytes() -> None:
    assert value(0x00050001, "00") is False
    assert value(0x00050001, "00000001") is True
    assert value(0x00020002, "ce00000000000000") == 206
    assert value(0x00020003, "") == 0
    assert value(0x000A0007, "0100000000000000") == 1
    assert value(0x00050009, "5c00570000000000") == "\\W"
    assert value(0x00050009, "41") == "\N{REPLACEMENT CHARACTER}"
    assert value(0x00060002, "3082") == b"\x30\x82"


def test_unknown_numbers_are_kept() -> None:
    (record,) = sipa.parse(event_logs.sipa(0x00050040, b"abc"))
    assert (record.name, record.value) == ("0x00050040", b"abc")
    (container,) = sipa.parse(event_logs.sipa(0x40017777, event_logs.sipa(0x00050003, b"\1")))
    assert container.name == "0x40017777"
    assert isinstance(container.value, tuple)
    assert [(inner.name, inner.value, inner.offset) for inner in container.value] == [("TestSigning", True, 8)]


def test_code_integrity_policy() -> None:
    # SI_POLICY: version 10.1.2.3 (u64, major highest), name of 6 bytes, SHA-256, digest of 4 bytes, "ab", digest.
    found = value(0x0005000F, "0300 0200 0100 0a00 0600 0b00 04000000 610062000000 deadbeef")
    assert found == sipa.CodeIntegrityPolicy("ab", (10, 1, 2, 3), 0xB, b"\xde\xad\xbe\xef")


def test_code_integrity_signer() -> None:
    # SI_POLICY_SIGNER: root 6, 18 bytes of certificates, one of them, name of 4 bytes, EKUs of 5 bytes, two of them;
    # the certificate: publisher 2 bytes, issuer 2 bytes, CAPI 0x800c, digest 4 bytes.
    found = value(
        0x00050031,
        "06000000 12000000 0100 0400 0500 0200  61000000  01aa 02bbcc  0200 0200 0c800000 0400 7000 6900 01020304",
    )
    certificate = sipa.SignerCertificate("p", "i", 0x800C, b"\1\2\3\4")
    assert found == sipa.CodeIntegritySigner("a", 6, (b"\xaa", b"\xbb\xcc"), (certificate,))


def test_revocation_list() -> None:
    # FILETIME 132539328000000000 is 2021-01-01: 153402 days after 1601-01-01, in units of 100 ns (153402 * 864e9).
    assert value(0x00040002, "0080350cd1dfd601 02000000 0b00 cafe") == sipa.RevocationList(
        datetime(2021, 1, 1, tzinfo=UTC), 0xB, b"\xca\xfe"
    )
    beyond = value(0x00050013, "ffffffffffffff7f 00000000 0400")
    assert beyond == sipa.RevocationList(None, 4, b"")


def test_identity_key() -> None:
    found = value(0x00050020, "01000000 10000000 03000000 02000000 010001 c0de")
    assert found == sipa.IdentityKey(1, 16, 65537, 0xC0DE)


def test_secure_boot_policy() -> None:
    # SBCP_INFO: version 1, digest at 22, SHA-256, 2 bytes, options 5, 1 signer, two bytes in between, digest.
    found = value(0x00050029, "01000000 16000000 0b00 0200 05000000 01000000 ffff beef")
    assert found == sipa.SecureBootPolicy(0xB, 5, 1, b"\xbe\xef")


@pytest.mark.parametrize(
    ("data", "offset", "expected"),
    [
        (b"\1\0\0", 0, "an event head of 8 bytes, not 3"),
        (event_logs.sipa(0x00050001, b"\1")[:-1], 8, "1 bytes of event 0x00050001, not 0"),
        (event_logs.sipa(0x00020002, bytes(9)), 8, "a number of 9 bytes"),
        (event_logs.sipa(0x0005000F, bytes(15)), 8, "a payload of SiPolicy (SI_POLICY)"),
        (event_logs.sipa(0x0005000F, bytes(17)), 8, "17 bytes, not 16"),
        (event_logs.sipa(0x00050020, b"\1" + bytes(15) + b"\1"), 8, "17 bytes, not 16"),
        (event_logs.sipa(0x00050029, bytes(4) + b"\xff" + bytes(15)), 8, "the digest lies outside of it"),
        (event_logs.sipa(0x00050031, bytes(4) + b"\1" + bytes(11) + b"\0"), 8, "a payload of SiPolicySigner"),
        (event_logs.sipa(0x00050031, bytes(8) + b"\1" + bytes(7)), 8, "0 EKUs and 0 certificates"),
        (event_logs.sipa(0x00050031, bytes(12) + b"\1\0\1\0" + b"\5"), 8, "an EKU is cut off"),
    ],
)
def test_refused_with_place_and_expectation(data: bytes, offset: int, expected: str) -> None:
    with pytest.raises(FormatError, match=re.escape(expected)) as caught:
        sipa.parse(data)
    assert (caught.value.what, caught.value.offset) == ("SIPA events", offset)


def test_containers_without_end_are_refused() -> None:
    data = b""
    for _ in range(9):
        data = event_logs.sipa(TRUST_BOUNDARY, data)
    with pytest.raises(FormatError, match="at most 8 deep"):
        sipa.parse(data)
    inside = data[16:]
    assert len(list(sipa.flatten(sipa.parse(inside)))) == 0


def tagged(pcr: int, *events: bytes) -> Record:
    return Record(pcr, tcg_log.EV_EVENT_TAG, b"".join(events))


FLAG = event_logs.sipa(0x00050001, b"\1")


def windows_log(records: list[Record]) -> tcg_log.EventLog:
    return tcg_log.parse(event_logs.agile_log([0x4, 0xB], records))


def closing(pcr: int) -> Record:
    return Record(pcr, tcg_log.EV_SEPARATOR, b"WBCL")


def test_only_windows_pcrs_up_to_the_closing_separator_count() -> None:
    log = windows_log(
        [
            tagged(1, b"not SIPA"),
            tagged(12, event_logs.sipa(TRUST_BOUNDARY, FLAG)),
            Record(11, tcg_log.EV_COMPACT_HASH, b"\x10\0\0\0"),
            closing(12),
            tagged(12, b"after the end"),
            tagged(13, FLAG),
            closing(13),
        ]
    )
    assert [record.name for record in sipa.measurements(log)] == ["TrustBoundary", "OsKernelDebug"]
    assert [record.name for record in sipa.flatten(sipa.measurements(log))] == ["OsKernelDebug"] * 2
    assert not sipa.is_closed(log)
    assert sipa.is_closed(windows_log([closing(12), closing(13), closing(14)]))


def test_trust_point_is_read_apart() -> None:
    data = event_logs.sipa(UNMEASURED_CONTAINER, event_logs.sipa(0x80080003, "aik".encode("utf-16-le")))
    log = windows_log([Record(0xFFFFFFFF, tcg_log.EV_NO_ACTION, data, {0xB: bytes(32)})])
    assert [record.value for record in sipa.flatten(sipa.trust_point(log))] == ["aik"]
    assert sipa.measurements(log) == ()


def test_the_bank_is_the_one_windows_used() -> None:
    only_sha256 = Record(12, tcg_log.EV_EVENT_TAG, FLAG, {0xB: event_logs.digest(0xB, FLAG)})
    assert sipa.bank(windows_log([Record(7, tcg_log.EV_SEPARATOR, bytes(4)), only_sha256])) == tcg_log.SHA256
    assert sipa.bank(windows_log([tagged(12, FLAG)])) == tcg_log.SHA256
    assert sipa.bank(tcg_log.parse(event_logs.legacy_log([Record(0, 8, b""), tagged(12, FLAG)]))) == tcg_log.SHA1
    assert sipa.bank(windows_log([tagged(1, b"")])) is None


def test_names_are_unique() -> None:
    assert len(sipa_events.NUMBERS) == len(sipa_events.EVENT_TYPES)


@given(
    st.lists(
        st.builds(
            event_logs.sipa,
            st.sampled_from([*sipa_events.EVENT_TYPES, 0x0005FFFF]),
            st.binary(max_size=24) | st.binary(max_size=8).map(lambda data: event_logs.sipa(0x00050001, data)),
        ),
        max_size=4,
    ).map(b"".join)
)
def test_only_format_error_escapes(data: bytes) -> None:
    try:
        records = sipa.parse(data)
    except FormatError as error:
        offset = error.offset
    else:
        offset = len(list(sipa.flatten(records)))
    assert offset is not None
    assert 0 <= offset <= len(data)
