# SPDX-License-Identifier: GPL-3.0-or-later
"""The TPM's share of an attestation: the `RtpmContext` that host and service hand to each other.

Its outer form is published ([MS-HGSA] 2.2.2.25): Size u32, Version u32 = 1, DataBlobCount u32, Reserved u32 = 0, an
EncryptedStateObject (32 bytes of context, then a buffer), then data blobs; a boot log travels as WBCL_INFO (2.2.2.26:
Size u32, Data). Lab only, because not public: integers are little endian, Size counts the whole context, the encrypted
buffer is preceded by its length as u32 and always empty (the lab keeps its sessions at the service), and a data blob is
{kind u32, length u32, bytes}. Nobody can talk to a Windows host with this.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

VERSION: Final = 1
_HEADER: Final = struct.Struct("<IIII")
_STATE: Final = struct.Struct("<32sI")
_BLOB: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")
_MOST_BLOBS: Final = 16
"""More than any exchange has kinds of blobs."""


class RtpmError(ValueError):
    """The bytes are no RtpmContext of this lab, or lack a blob that the step needs."""


class BlobKind(IntEnum):
    """What a data blob holds; lab only."""

    ATTESTATION_KEY = 1
    CREDENTIAL = 2
    NONCE = 3
    SECRET = 4
    QUOTE = 5
    QUOTE_SIGNATURE = 6
    BOOT_LOG = 7


@dataclass(frozen=True)
class RtpmContext:
    """One message of the exchange."""

    blobs: Mapping[BlobKind, bytes]

    def blob(self, kind: BlobKind) -> bytes:
        """Return a blob; RtpmError where the message has none of this kind."""
        try:
            return self.blobs[kind]
        except KeyError:
            raise RtpmError(f"the context has no {kind.name}") from None

    def boot_log(self) -> bytes:
        """Return the measured boot log out of its WBCL_INFO."""
        info = self.blob(BlobKind.BOOT_LOG)
        if len(info) < _LENGTH.size or _LENGTH.unpack_from(info)[0] != len(info) - _LENGTH.size:
            raise RtpmError("WBCL_INFO: Size is not the length of Data")
        return info[_LENGTH.size :]

    def pack(self) -> bytes:
        """Return the bytes of the message."""
        body = _STATE.pack(bytes(32), 0) + b"".join(
            _BLOB.pack(kind, len(data)) + data for kind, data in sorted(self.blobs.items())
        )
        return _HEADER.pack(_HEADER.size + len(body), VERSION, len(self.blobs), 0) + body


def wbcl_info(log: bytes) -> bytes:
    """Wrap a boot log as WBCL_INFO."""
    return _LENGTH.pack(len(log)) + log


def unpack(data: bytes) -> RtpmContext:
    """Read a message; RtpmError where it is none."""
    start = _HEADER.size + _STATE.size
    if len(data) < start:
        raise RtpmError(f"{len(data)} bytes are too few for an RtpmContext")
    size, version, count, reserved = _HEADER.unpack_from(data)
    if (size, version, reserved) != (len(data), VERSION, 0) or count > _MOST_BLOBS:
        raise RtpmError("Size, Version, DataBlobCount or Reserved of the RtpmContext is wrong")
    _, buffer_length = _STATE.unpack_from(data, _HEADER.size)
    if buffer_length:
        raise RtpmError("the lab's service hands out no encrypted state")
    blobs: dict[BlobKind, bytes] = {}
    for _ in range(count):
        kind, content, start = _read_blob(data, start)
        if kind in blobs:
            raise RtpmError(f"{kind.name} is there twice")
        blobs[kind] = content
    if start != len(data):
        raise RtpmError(f"{len(data) - start} bytes follow the last blob")
    return RtpmContext(blobs)


def _read_blob(data: bytes, start: int) -> tuple[BlobKind, bytes, int]:
    if start + _BLOB.size > len(data):
        raise RtpmError(f"a blob at offset {start} has no header")
    number, length = _BLOB.unpack_from(data, start)
    end = start + _BLOB.size + length
    if end > len(data):
        raise RtpmError(f"the blob at offset {start} is longer than the message")
    try:
        kind = BlobKind(number)
    except ValueError:
        raise RtpmError(f"unknown kind of blob {number} at offset {start}") from None
    return kind, data[start + _BLOB.size : end], end
