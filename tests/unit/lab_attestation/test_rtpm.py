# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.guarded.fabric.lab.world.rtpm import BlobKind, RtpmContext, RtpmError, unpack, wbcl_info
from hypothesis import given
from hypothesis import strategies as st

CONTEXT = RtpmContext({BlobKind.NONCE: b"nonce", BlobKind.SECRET: b""})


@given(st.dictionaries(st.sampled_from(BlobKind), st.binary(max_size=40)))
def test_what_is_packed_is_unpacked(blobs: dict[BlobKind, bytes]) -> None:
    assert unpack(RtpmContext(blobs).pack()) == RtpmContext(blobs)


def test_the_head_is_the_published_one() -> None:
    packed = CONTEXT.pack()
    numbers = [int.from_bytes(packed[start : start + 4], "little") for start in (0, 4, 8, 12)]
    assert numbers == [len(packed), 1, 2, 0]


@pytest.mark.parametrize("position", [0, 4, 8, 12, 48])
def test_a_wrong_head_is_refused(position: int) -> None:
    packed = bytearray(CONTEXT.pack())
    packed[position] += 1
    with pytest.raises(RtpmError):
        unpack(bytes(packed))


@given(st.integers(0, len(CONTEXT.pack()) - 1))
def test_a_cut_message_is_refused(length: int) -> None:
    packed = bytearray(CONTEXT.pack()[:length])
    packed[:4] = length.to_bytes(4, "little")[: len(packed)]
    with pytest.raises(RtpmError):
        unpack(bytes(packed))


def test_a_message_with_a_rest_is_refused() -> None:
    packed = bytearray(CONTEXT.pack() + b"rest")
    packed[:4] = len(packed).to_bytes(4, "little")
    with pytest.raises(RtpmError, match="4 bytes follow"):
        unpack(bytes(packed))


def test_a_blob_that_is_needed_and_missing_is_named() -> None:
    with pytest.raises(RtpmError, match="QUOTE"):
        CONTEXT.blob(BlobKind.QUOTE)


def test_a_boot_log_says_how_long_it_is() -> None:
    assert RtpmContext({BlobKind.BOOT_LOG: wbcl_info(b"log")}).boot_log() == b"log"
    for info in (b"", b"\3\0", wbcl_info(b"log")[:-1]):
        with pytest.raises(RtpmError):
            RtpmContext({BlobKind.BOOT_LOG: info}).boot_log()
