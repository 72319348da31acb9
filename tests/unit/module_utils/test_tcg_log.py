# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import struct

import pytest
from ansible_collections.guarded.fabric.plugins.module_utils import tcg_log
from ansible_collections.guarded.fabric.plugins.module_utils.format_error import FormatError
from hypothesis import given
from hypothesis import strategies as st

from . import event_logs
from .event_logs import Record

SHA1, SHA256, SHA384 = tcg_log.SHA1, tcg_log.SHA256, tcg_log.SHA384

# TCG PC Client Platform Firmware Profile, TCG_PCR_EVENT2, written out byte by byte: Spec ID event with one bank
# (SHA-256), then a separator in PCR 7 whose digest is SHA-256 of four zero bytes.
HAND_WRITTEN = bytes.fromhex(
    "00000000 03000000" + "00" * 20 + "21000000"  # PCR 0, EV_NO_ACTION, zero digest, 33 bytes
    "53706563204944204576656e74303300 00000000 00 02 00 02"  # "Spec ID Event03\0", class 0, 2.0 errata 0, UINTN 2 * 4
    "01000000 0b00 2000 00"  # one algorithm, SHA-256 with 32 bytes, no vendor information
    "07000000 04000000 01000000 0b00"  # PCR 7, EV_SEPARATOR, one digest, SHA-256
    "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"
    "04000000 00000000"
)


def test_hand_written_log() -> None:
    log = tcg_log.parse(HAND_WRITTEN)
    assert log.spec == tcg_log.SpecId("Spec ID Event03", 0, (2, 0, 0), 8, {SHA256: 32}, b"")
    assert log.algorithms == (SHA256,)
    separator = log.events[1]
    assert (separator.index, separator.offset, separator.pcr, separator.type_name) == (1, 65, 7, "EV_SEPARATOR")
    assert separator.data == bytes(4)
    assert tcg_log.covers_data(separator, SHA256) is True
    # PCR 7 = SHA-256(32 zero bytes || SHA-256(4 zero bytes)): the well-known value of a PCR with only a separator.
    expected = "3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969"
    assert tcg_log.replay(log, SHA256) == {7: bytes.fromhex(expected)}


def test_legacy_log_has_one_bank_and_no_spec() -> None:
    log = tcg_log.parse(event_logs.legacy_log([Record(0, 8, b"1\0"), Record(7, 4, bytes(4))]))
    assert log.spec is None
    assert log.algorithms == (SHA1,)
    # The well-known SHA-1 value of a PCR with only a separator.
    assert tcg_log.replay(log, SHA1)[7].hex() == "b2a83b0ebf2f8374299a5b2bdfc31ea955ad7236"
    with pytest.raises(FormatError, match="digests of sha256, not of sha1"):
        tcg_log.replay(log, SHA256)


def test_older_spec_id_event_is_followed_by_legacy_records() -> None:
    spec = struct.pack("<16sIBBBBB", b"Spec ID Event02\0", 0, 20, 1, 0, 1, 0)
    log = tcg_log.parse(event_logs.legacy_log([Record(0, 3, spec, {4: bytes(20)}), Record(0, 8, b"v")]))
    assert log.spec is not None
    assert (log.spec.signature, log.spec.digest_sizes, log.spec.uintn_size) == ("Spec ID Event02", {}, 4)
    assert [event.pcr for event in log.events] == [0, 0]


@pytest.mark.parametrize("left_out", [0, 4])
def test_vendor_information_inside_and_after_the_first_record(left_out: int) -> None:
    spec = event_logs.spec_id([SHA256], b"\xde\xad\xbe\xef")
    data = struct.pack("<II20sI", 0, 3, bytes(20), len(spec) - left_out) + spec + HAND_WRITTEN[65:]
    log = tcg_log.parse(data)
    assert log.spec is not None
    assert log.spec.vendor_info == b"\xde\xad\xbe\xef"
    assert [event.pcr for event in log.events] == [0, 7]


def test_replay_starts_pcr_0_at_the_startup_locality_and_skips_what_is_not_extended() -> None:
    log = tcg_log.parse(
        event_logs.agile_log(
            [SHA1, SHA256],
            [
                Record(0, 3, b"StartupLocality\0\x03", {SHA1: bytes(20), SHA256: bytes(32)}),
                Record(0, 8, b"version"),
                Record(17, 0x40E, b"dynamic"),
                Record(0xFFFFFFFF, 3, b"trust point", {SHA256: bytes(32)}),
                Record(12, 6, b"only one bank", {SHA256: hashlib.sha256(b"only one bank").digest()}),
            ],
        )
    )
    sha256 = hashlib.sha256
    assert tcg_log.replay(log, SHA256) == {
        0: sha256(bytes(31) + b"\x03" + sha256(b"version").digest()).digest(),
        17: sha256(b"\xff" * 32 + sha256(b"dynamic").digest()).digest(),
        12: sha256(bytes(32) + sha256(b"only one bank").digest()).digest(),
    }
    assert set(tcg_log.replay(log, SHA1)) == {0, 17}
    assert log.events[3].type_name == "0x0000040e"
    assert tcg_log.covers_data(log.events[5], SHA1) is None


@pytest.mark.parametrize(
    ("data", "offset", "expected"),
    [
        (b"", 0, "a first record of at least 32 bytes, not 0"),
        (b"<?xml version='1.0' encoding='utf-8'?>", 0, "a PCR number from 0 to 23"),
        (b"\0\0\0\0\xff" + bytes(40), 4, "a known event type in the first record, not 0x000000ff"),
        (b"\0\0\0\0\3\0\0\0\1" + bytes(40), 8, "a digest of zeros"),
        (HAND_WRITTEN.replace(b"Event03", b"Event04"), 32, "signature Spec ID Event00, 02 or 03"),
        (HAND_WRITTEN[:40], 32, "33 bytes of the data of the first record, not 8"),
        (HAND_WRITTEN[:-1], 115, "4 bytes of event data, not 3"),
        (HAND_WRITTEN[:70], 65, "a record head of 12 bytes, not 5"),
        (HAND_WRITTEN[:73] + b"\2" + HAND_WRITTEN[74:], 73, "at most 1 digests, not 2"),
        (HAND_WRITTEN[:77] + b"\4" + HAND_WRITTEN[78:], 77, "another of the log's digest algorithms, not 0x0004"),
        (HAND_WRITTEN[:62] + b"\x14" + HAND_WRITTEN[63:], 60, "the size of sha256 digests, not 20 bytes"),
        (HAND_WRITTEN[:56] + b"\xff" + HAND_WRITTEN[57:], 60, "a table of 255 digest algorithms"),
    ],
)
def test_refused_with_place_and_expectation(data: bytes, offset: int, expected: str) -> None:
    with pytest.raises(FormatError) as caught:
        tcg_log.parse(data)
    assert (caught.value.what, caught.value.offset) == ("TCG event log", offset)
    assert expected in caught.value.expected


def test_two_digests_of_one_algorithm_are_refused() -> None:
    digest = struct.pack("<H", SHA1) + bytes(20)
    record = struct.pack("<III", 7, 4, 2) + digest + digest + struct.pack("<I", 0)
    log = event_logs.agile_log([SHA1, SHA256], [])
    with pytest.raises(FormatError, match="another of the log's digest algorithms, not 0x0004"):
        tcg_log.parse(log + record)


records = st.lists(
    st.builds(
        Record,
        pcr=st.sampled_from([0, 1, 7, 11, 16, 17, 23, 0xFFFFFFFF]),
        type=st.sampled_from([3, 4, 6, 8, 0x40E, 0x80000001]),
        data=st.binary(max_size=40),
    ),
    max_size=12,
)


@given(st.lists(st.sampled_from([4, 0xB, 0xC, 0xD]), min_size=1, unique=True), records)
def test_what_was_written_is_read(algorithms: list[int], written: list[Record]) -> None:
    log = tcg_log.parse(event_logs.agile_log(algorithms, written))
    assert log.algorithms == tuple(algorithms)
    assert [(e.pcr, e.type, e.data) for e in log.events[1:]] == [(r.pcr, r.type, r.data) for r in written]
    assert all(
        event.digests == {algorithm: event_logs.digest(algorithm, event.data) for algorithm in algorithms}
        for event in log.events[1:]
    )


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(event_logs.agile_log([SHA1, SHA256], draw(records)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data) - 1))
        data[place] = draw(st.sampled_from([0, 1, 2, 4, 0x7F, 0xFF]))
    return bytes(data[: draw(st.integers(0, len(data)))])


@given(mutated() | st.binary(max_size=120))
def test_only_format_error_escapes_and_nothing_is_read_twice(data: bytes) -> None:
    try:
        log = tcg_log.parse(data)
        for algorithm in log.algorithms:
            tcg_log.replay(log, algorithm)
    except FormatError:
        return
    assert sum(len(event.data) for event in log.events) <= len(data)
