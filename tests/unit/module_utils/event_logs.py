# SPDX-License-Identifier: GPL-3.0-or-later
"""Event logs written by hand for the tests, independent of the lab's writer."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SIZES = {0x4: 20, 0xB: 32, 0xC: 48, 0xD: 64}
NAMES = {0x4: "sha1", 0xB: "sha256", 0xC: "sha384", 0xD: "sha512"}


@dataclass(frozen=True)
class Record:
    pcr: int
    type: int
    data: bytes
    digests: Mapping[int, bytes] | None = None
    """None: the hash of the data in every bank of the log."""


def digest(algorithm: int, data: bytes) -> bytes:
    return hashlib.new(NAMES[algorithm], data).digest()


def spec_id(algorithms: Sequence[int], vendor_info: bytes = b"") -> bytes:
    table = b"".join(struct.pack("<HH", algorithm, SIZES[algorithm]) for algorithm in algorithms)
    return (
        struct.pack("<16sIBBBBI", b"Spec ID Event03\0", 0, 0, 2, 0, 2, len(algorithms))
        + table
        + bytes([len(vendor_info)])
        + vendor_info
    )


def legacy_record(pcr: int, kind: int, data: bytes, sha1: bytes) -> bytes:
    return struct.pack("<II20sI", pcr, kind, sha1, len(data)) + data


def agile_log(algorithms: Sequence[int], records: Sequence[Record]) -> bytes:
    parts = [legacy_record(0, 3, spec_id(algorithms), bytes(20))]
    for record in records:
        digests = record.digests
        if digests is None:
            digests = {algorithm: digest(algorithm, record.data) for algorithm in algorithms}
        parts.append(struct.pack("<III", record.pcr, record.type, len(digests)))
        parts.extend(struct.pack("<H", algorithm) + value for algorithm, value in digests.items())
        parts.append(struct.pack("<I", len(record.data)) + record.data)
    return b"".join(parts)


def legacy_log(records: Sequence[Record]) -> bytes:
    return b"".join(
        legacy_record(r.pcr, r.type, r.data, digest(4, r.data) if r.digests is None else r.digests[4]) for r in records
    )


def sipa(identifier: int, payload: bytes) -> bytes:
    return struct.pack("<II", identifier, len(payload)) + payload


def uefi_variable(vendor: bytes, name: str, content: bytes) -> bytes:
    return struct.pack("<16sQQ", vendor, len(name), len(content)) + name.encode("utf-16-le") + content
